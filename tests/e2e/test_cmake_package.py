"""The CMake package: a project of its own finds the installed client and messages, links them and asks a real server."""

import re
import shutil
import subprocess

import numpy as np
import pytest

import harness
from certificates import Authority, client_credentials
from harness import BINARIES, REPO
from stores import Store
from wire import reference

BUILD = BINARIES.parent

pytestmark = pytest.mark.skipif(shutil.which("cmake") is None or not (BUILD / "CMakeCache.txt").exists(),
                                reason="no CMake, or no build folder, to install from")


def run(*command, environment=None, expect=0):
    """Its output, of both streams."""
    result = subprocess.run([str(part) for part in command], env=environment, text=True, timeout=500, check=False,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert result.returncode == expect, result.stdout
    return result.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """Where the component is installed, moved there from elsewhere: no path of the first place may be needed."""
    folder = tmp_path_factory.mktemp("package")
    run("cmake", "--install", BUILD, "--component", "devel", "--prefix", folder / "first")
    (folder / "first").rename(folder / "moved")
    return folder / "moved"


@pytest.fixture(scope="module")
def programs(prefix, tmp_path_factory):
    """The folder with the consumer's programs."""
    folder = tmp_path_factory.mktemp("consumer")
    source = shutil.copytree(REPO / "tests" / "consumer", folder / "source")
    run("cmake", "-S", source, "-B", folder / "build", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", folder / "build", "--parallel", "2")
    return folder / "build"


@pytest.fixture(scope="module")
def row():
    return reference("mlp", "x", 1)[0].reshape(-1).tolist()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    store = Store(folder / "store")
    store.add("mlp")
    with harness.serving(store, folder / "server") as server:
        yield server


def error_of(said):
    """Its last line; gRPC's own log may stand before it."""
    return said.splitlines()[-1]


def values_of(line):
    name, *values = line.split()
    return name, np.array([float(value) for value in values], np.float32)


def test_the_client_asks_a_model(programs, server, row):
    name, values = values_of(run(programs / "ask", server.address, "mlp", "x", *row))
    np.testing.assert_allclose(values, reference("mlp", name, 1)[0].reshape(-1), rtol=1e-4, atol=1e-5)


def test_an_error_names_the_model(programs, server, row):
    said = run(programs / "ask", server.address, "absent", "x", *row, expect=1)
    assert error_of(said).startswith("NOT_FOUND: ") and '"absent"' in said, said


def test_the_client_speaks_tls(programs, tmp_path, row):
    store = Store(tmp_path / "store")
    store.add("mlp")
    authority = Authority(tmp_path / "tls")
    with harness.serving(store, tmp_path / "server", *authority.issue().flags,
                         credentials=client_credentials(authority, None)) as server:
        address = "localhost:" + server.address.rsplit(":", 1)[1]
        assert run(programs / "ask", address, "mlp", "x", *row, environment={"ASK_CA": str(authority.path)})
        stranger = Authority(tmp_path / "stranger", "stranger").path
        said = run(programs / "ask", address, "mlp", "x", *row, environment={"ASK_CA": str(stranger)}, expect=1)
        assert error_of(said).startswith("UNAVAILABLE: ") and "--tls-ca" in said, said


def test_generated_classes_alone(programs, server):
    assert run(programs / "stub", server.address) == "mlp:1\n"


def test_what_is_installed(prefix):
    """Headers, libraries and the package, with no path of this checkout or build; nothing of the server's inside."""
    files = {path.relative_to(prefix).as_posix() for path in prefix.rglob("*") if path.is_file()}
    names = {file.rsplit("/", 1)[-1] for file in files}
    assert {"inference.pb.h", "inference.grpc.pb.h", "connection.h", "inference.proto", "torchferryConfig.cmake"} <= names
    libraries = {name for name in names if name.endswith(".a")}
    assert libraries == {f"libtorchferry_{name}.a" for name in ("proto", "grpc", "base", "tls", "client_rpc")}
    for file in files:
        if re.search(r"\.(cmake|h|proto)$", file):
            text = (prefix / file).read_text(encoding="utf-8")
            assert str(REPO) not in text and str(BUILD) not in text, file


def test_a_plain_install_has_no_development_files(tmp_path):
    run("cmake", "--install", BUILD, "--prefix", tmp_path)
    assert not list(tmp_path.rglob("*.h")) and not list(tmp_path.rglob("*.a"))
    assert (tmp_path / "bin" / "torchferry").exists()


def test_a_later_minor_version_is_not_found(prefix, tmp_path):
    (tmp_path / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.25)\nproject(later LANGUAGES CXX)\n"
                                             "find_package(torchferry 0.99 REQUIRED)\n")
    said = run("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}", expect=1)
    assert "compatible with requested version \"0.99\"" in " ".join(said.split()), said
