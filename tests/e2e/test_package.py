"""What deploy/package.sh makes: the tarball and the wheel run without a compiler and find LibTorch where the host has it."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile

import pytest

import harness
from harness import BINARIES, REPO, Client
from wire import assert_close, reference

BUILD = BINARIES.parent
PATH = "/usr/bin:/bin"
MAX_WHEEL_MIB = 25
# What the host has, or LibTorch brings.
OF_THE_HOST = re.compile(r"^(linux-vdso|ld-linux-x86-64|lib(c|m|dl|rt|pthread|util|stdc\+\+|gcc_s)\.so)")

pytestmark = pytest.mark.skipif(shutil.which("patchelf") is None, reason="patchelf is not here; install-deps.sh --package installs it")


def libtorch_folder():
    """That of the build: a site-packages, as deploy/install-deps.sh unpacks it."""
    cache = (BUILD / "CMakeCache.txt").read_text()
    return pathlib.Path(re.search(r"^TORCHFERRY_LIBTORCH:PATH=(.+)$", cache, re.MULTILINE)[1])


def minor_of_libtorch():
    version = (libtorch_folder() / "torch" / "version.py").read_text()
    return re.search(r"__version__ = '(\d+\.\d+)", version)[1]


def run(*command, environment=None, expect=0):
    """Its output, of both streams. With nothing of this process's environment."""
    result = subprocess.run([str(part) for part in command], env={"PATH": PATH} | (environment or {}), text=True, timeout=300,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert result.returncode == expect, result.stdout
    return result.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """The folder with the tarball and the wheel."""
    output = tmp_path_factory.mktemp("dist")
    made = subprocess.run([REPO / "deploy" / "package.sh", "--build-dir", BUILD, "--output", output], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=500)
    assert made.returncode == 0, made.stdout
    return output


@pytest.fixture(scope="module")
def tree(dist, tmp_path_factory):
    """The unpacked tarball."""
    folder = tmp_path_factory.mktemp("tarball")
    (tarball,) = dist.glob("*.tar.xz")
    with tarfile.open(tarball) as archive:
        archive.extractall(folder, filter="data") if hasattr(tarfile, "data_filter") else archive.extractall(folder)
    (tree,) = folder.iterdir()
    assert tree.name == tarball.name.removesuffix(".tar.xz")
    return tree


@pytest.fixture(scope="module")
def wheel(dist):
    (wheel,) = dist.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory):
    """The Python of a virtual environment that has the wheel, and LibTorch in the place of torch."""
    folder = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--no-deps", "--no-index", wheel)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "libtorch.pth").write_text(f"{libtorch_folder()}\n")
    return python


def assert_serves(store, folder, server, *flags, **environment):
    store.add("mlp")
    started = harness.Server(store, folder / "server", *flags, binary=str(server), environment={"PATH": PATH} | environment)
    try:
        started.wait_listening()
        started.wait_ready()
        with Client(started.address) as client:
            outputs = client.predict_arrays("mlp", {"x": reference("mlp", "x", 1)})
        assert_close(outputs["probabilities"], reference("mlp", "probabilities", 1))
        started.stop()
    finally:
        started.kill()


# --- where LibTorch is found ------------------------------------------------------------------------


@pytest.mark.parametrize("named_by", ["flag", "variable"])
def test_the_tarball_serves_with_the_libtorch_that_is_named(tree, store, tmp_path, named_by):
    folder = str(libtorch_folder())
    flags = ["--libtorch", folder] if named_by == "flag" else []
    environment = {"TORCHFERRY_LIBTORCH": folder} if named_by == "variable" else {}
    assert_serves(store, tmp_path, tree / "bin" / "torchferry-server", *flags, **environment)


def test_the_tarball_serves_with_the_torch_of_a_python_on_path(tree, store, tmp_path):
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nPYTHONPATH={libtorch_folder()} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    assert_serves(store, tmp_path, tree / "bin" / "torchferry-server", PATH=f"{python.parent}:{PATH}")


def test_the_tarball_serves_with_a_libtorch_that_was_unpacked_into_it(tree, store, tmp_path):
    copy = tmp_path / "package"
    shutil.copytree(tree, copy)
    (copy / "libtorch").mkdir()
    (copy / "libtorch" / "lib").symlink_to(libtorch_folder() / "torch" / "lib")
    (copy / "libtorch" / "build-version").write_text(f"{minor_of_libtorch()}.0+cu130\n")
    assert_serves(store, tmp_path, copy / "bin" / "torchferry-server")


def test_libtorch_without_cuda_serves_too(tree, store, tmp_path):
    """The layout of the CPU-only wheels, imitated: no CUDA library of LibTorch, no nvidia/ beside torch/."""
    torch = tmp_path / "site-packages" / "torch"
    (torch / "lib").mkdir(parents=True)
    (torch / "version.py").write_text(f"__version__ = '{minor_of_libtorch()}.0+cpu'\n")
    for library in (libtorch_folder() / "torch" / "lib").iterdir():
        if library.is_file() and "cuda" not in library.name:
            shutil.copyfile(library, torch / "lib" / library.name)
    # This LibTorch's CPU library is linked to them; that of a CPU-only wheel is not.
    for library in libtorch_folder().glob("nvidia/*/lib/libcu*.so.*"):
        if library.name.startswith(("libcupti.", "libcudart.")):
            shutil.copyfile(library, torch / "lib" / library.name)
    assert_serves(store, tmp_path, tree / "bin" / "torchferry-server", "--libtorch", str(torch))


def test_without_libtorch_it_says_what_to_install(tree, tmp_path):
    said = run(tree / "bin" / "torchferry-server", "--version", environment={"PATH": str(tmp_path)}, expect=1)
    assert f"pip install 'torch=={minor_of_libtorch()}.*'" in said
    assert "--libtorch DIR" in said


def test_another_version_of_libtorch_is_refused_by_name(tree, tmp_path):
    (tmp_path / "torch" / "lib").mkdir(parents=True)
    (tmp_path / "torch" / "lib" / "libtorch_cpu.so").touch()
    (tmp_path / "torch" / "version.py").write_text("__version__ = '2.99.1+cu140'\n")
    said = run(tree / "bin" / "torchferry-server", f"--libtorch={tmp_path}", expect=1)
    assert "LibTorch 2.99.1+cu140" in said
    assert f"servers for LibTorch {minor_of_libtorch()}." in said


def test_a_folder_without_libtorch_is_a_wrong_flag(tree, tmp_path):
    for by, arguments, environment in (("--libtorch", ["--libtorch", tmp_path], {}),
                                       ("TORCHFERRY_LIBTORCH", [], {"TORCHFERRY_LIBTORCH": str(tmp_path)})):
        said = run(tree / "bin" / "torchferry-server", *arguments, environment=environment, expect=2)
        assert f"{by}: no lib/libtorch_cpu.so in {tmp_path}" in said
    assert "needs a folder" in run(tree / "bin" / "torchferry-server", "--libtorch", expect=2)


def test_a_build_knows_its_libtorch():
    said = run(harness.server_binary("torchferry-server"), "--libtorch", libtorch_folder(), expect=2)
    assert "--libtorch is for packages" in said


# --- what is in it ----------------------------------------------------------------------------------


def test_every_library_is_the_packages_own(tree):
    environment = {"LD_LIBRARY_PATH": str(libtorch_folder() / "torch" / "lib")}
    programs = [tree / "bin" / "torchferry", *(tree / "libexec" / "torchferry").iterdir(), *(tree / "lib").iterdir()]
    assert len(programs) > 10
    for program in programs:
        for line in run("/usr/bin/ldd", program, environment=environment).splitlines():
            name, _, path = line.strip().partition(" => ")
            if OF_THE_HOST.match(name.rsplit("/", 1)[-1]) or name == "statically linked":
                continue
            assert path.startswith((str(tree), str(libtorch_folder()))), f"{program.name}: {line}"


def test_the_tarball_holds_no_libtorch_and_no_cuda(tree):
    assert not [path for path in tree.rglob("*") if re.match(r"lib(torch|c10|cuda|cudart|cupti|nccl)", path.name)]


def test_the_sbom_names_each_library_and_its_licence(tree):
    share = tree / "share" / "torchferry"
    sbom = json.loads((share / "sbom.cdx.json").read_text())
    named = {file["name"] for component in sbom["components"] for file in component["components"]}
    assert named == {path.name for path in (tree / "lib").iterdir()}
    for component in sbom["components"]:
        assert component["version"] and component["purl"].startswith("pkg:deb/debian/")
        assert (share / "licenses" / component["name"] / "copyright").stat().st_size > 100


def test_reflection_is_in_the_package(tree, store, tmp_path):
    server = harness.Server(store, tmp_path / "server", "--reflection", "--libtorch", str(libtorch_folder()),
                            binary=str(tree / "bin" / "torchferry-server"), environment={"PATH": PATH})
    try:
        server.wait_listening()
        assert "reflection" not in server.log().lower()
    finally:
        server.kill()


# --- the wheel --------------------------------------------------------------------------------------


def test_the_wheel_is_small_and_for_any_python(wheel):
    assert wheel.stat().st_size <= MAX_WHEEL_MIB << 20
    assert wheel.name.endswith("-py3-none-manylinux_2_36_x86_64.whl")
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    major, minor = minor_of_libtorch().split(".")
    requirement = re.search(r"^Requires-Dist: torch(.*)$", metadata, re.MULTILINE)[1]
    assert set(re.findall(r"[<>=]+[\d.]+", requirement)) == {">=2.11", f"<{major}.{int(minor) + 1}"}
    assert set(re.findall(r"^Requires-Dist: ([a-z]+)", metadata, re.MULTILINE)) == {"grpcio", "numpy", "protobuf", "torch"}


def test_the_wheel_serves_with_the_torch_beside_it(site, store, tmp_path):
    assert_serves(store, tmp_path, site.parent / "torchferry-server")


def test_the_wheels_cli_is_the_packages(site):
    version = (REPO / "CMakeLists.txt").read_text().split("project(torchferry VERSION ")[1].split()[0]
    assert run(site.parent / "torchferry", "--version").strip() == f"torchferry {version}"
    assert run(site, "-c", "import torchferry; print(torchferry.__version__)").strip() == version


def test_the_wheel_loads_no_library_into_its_python(site):
    maps = run(site, "-c", "import torchferry; print(open('/proc/self/maps').read())")
    assert "_dist" not in maps


def test_the_wheel_starts_a_server_and_asks_it(site, store):
    """torchferry.serve and Client of the wheel alone: its server, its messages."""
    store.add("mlp")
    script = """
import sys
import torchferry
assert "site-packages" in torchferry.__file__
with torchferry.serve(sys.argv[1]) as server, server.client() as client:
    print(client.predict("mlp", x=[[0.0, 0.0, 0.0, 0.0]]).version, client.ready("mlp"))
"""
    # grpcio and numpy, which the wheel depends on.
    environment = {"PYTHONPATH": sysconfig.get_paths()["purelib"]}
    assert run(site, "-c", script, store.path, environment=environment).strip() == "1 True"


def test_the_wheel_has_no_tests(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "torchferry/api.binpb" in names and "torchferry/py.typed" in names
    assert not [name for name in names if "test" in name and name.endswith(".py")]


def test_commands_of_the_package_are_named_by_both_programs(site, tree):
    for program in (site.parent / "torchferry", tree / "bin" / "torchferry"):
        said = run(program, "--help")
        assert "convert" in said and "pull" in said
    assert "pip install torchferry" in run(tree / "bin" / "torchferry", "pull", "file:x", "store/m", expect=2)


def test_a_signal_ends_the_server_of_a_wheel(site, store, tmp_path):
    """The Python that starts it has become the server: no process stands between."""
    server = harness.Server(store, tmp_path / "server", binary=str(site.parent / "torchferry-server"), environment={"PATH": PATH})
    try:
        server.wait_listening()
        assert os.readlink(f"/proc/{server.process.pid}/exe").endswith(f"torchferry-server-process-{minor_of_libtorch()}")
        server.stop()
    finally:
        server.kill()
