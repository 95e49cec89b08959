"""The bundle of deploy/gpu-check.sh: made from the build, unpacked elsewhere, run there on the simulated accelerator with an environment
that has nothing of this repository. A part that fails, or has no time, is named and makes the exit status 1."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import card
import report
from parts import COUNTS, MODELS, ROOT, all_parts

BUILD = pathlib.Path(os.environ.get("TORCHFERRY_BINARY_DIR", ROOT / "build")).resolve()
MOST_BYTES = 60_000_000
PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def libtorch():
    """The folder with lib/ of the LibTorch that the build is linked to."""
    run = subprocess.run(["ldd", BUILD / "libexec" / "torchferry" / "torchferry-server-process"], check=True, capture_output=True, text=True)
    (path,) = [line.split()[2] for line in run.stdout.splitlines() if line.split()[0] == "libtorch_cpu.so"]
    return pathlib.Path(path).parents[1]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The folder that a user has unpacked."""
    folder = tmp_path_factory.mktemp("bundle")
    file = folder / "check.tar.xz"
    subprocess.run([ROOT / "deploy" / "gpu-check.sh", "--bundle", file, "--build-dir", BUILD, "--pythons", PYTHON_VERSION, "--quick"], check=True)
    assert file.stat().st_size < MOST_BYTES
    subprocess.run(["tar", "-C", folder, "-xf", file], check=True)
    return folder / "torchferry-gpu-check"


def run(bundle, *arguments, **variables):
    """gpu-check.sh, in a folder above the bundle."""
    # A virtual environment's own Python, as that has no packages.
    python = os.path.realpath(sys.executable)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(bundle.parent), "TORCHFERRY_CHECK_PYTHON": python,
                   "TORCHFERRY_LIBTORCH": str(libtorch())} | variables
    command = [bundle / "gpu-check.sh", *arguments]
    return subprocess.run(command, cwd=bundle.parent, env=environment, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def rehearsal(bundle):
    """(what it printed, its JSON)"""
    done = run(bundle, "--rehearse", "--minutes", "10", "--output", "all")
    print(done.stdout)
    logs = "".join(f"--- {log.name}\n{log.read_text(errors='replace')[-4000:]}" for log in sorted((bundle.parent / "all").glob("*.log")))
    assert done.returncode == 0, done.stdout + logs
    return done.stdout, json.loads((bundle.parent / "all" / "gpu-check.json").read_text())


def test_every_part_passes(rehearsal):
    out, document = rehearsal
    names = [part.name for part in all_parts("sim:0", BUILD / "bin")]
    assert [part["name"] for part in document["parts"]] == names
    assert {part["outcome"] for part in document["parts"]} == {"passed"}
    lines = out.splitlines()
    for name in names:
        (line,) = [line for line in lines if line.startswith(name + " ")]
        assert " passed " in line
    assert lines[-1] == f"{len(names)} passed, 0 failed, 0 skipped, 0 out of time"
    assert document["passed"] and sum(part["seconds"] for part in document["parts"]) <= 60 * document["minutes"]


def test_json_says_where_it_ran(rehearsal):
    host = rehearsal[1]["host"]
    assert (host["device"], host["card"]) == ("sim:0", "simulated accelerator")
    assert host["torch"].startswith("2.") and host["python"].startswith(PYTHON_VERSION)
    assert host["processors"] >= 1 and host["glibc"]


def test_each_model_and_count_has_its_figures(rehearsal):
    parts = {part["name"]: part for part in rehearsal[1]["parts"]}
    for model in MODELS:
        for count in COUNTS:
            values = parts[f"{model}-count-{count}"]["values"]
            for name in ("libtorch_rows_per_second", "server_rows_per_second", "server_single_rows_per_second"):
                assert values[name][0] > 0


def test_failover_and_matrix_have_their_figures(rehearsal):
    figures = {part["name"]: part["figure"] for part in rehearsal[1]["parts"]}
    assert "rows answered on sim:0" in figures["out-of-memory"]
    assert "0 failed; fallbacks device_lost" in figures["device-assert"]
    assert "largest deviation BF16" in figures["portability"]
    assert "GiB/s" in figures["staging"]


def test_every_gpu_test_of_the_suite_is_a_part():
    files = {pathlib.Path(argument.split("::")[0]).name for part in all_parts("cuda:0", BUILD / "bin") for argument in part.command}
    assert {path.name for path in (ROOT / "tests" / "e2e").glob("test_gpu_*.py")} <= files
    assert {"test_portability.py", "test_programs.py", "gpu_device_test"} <= files


def test_no_binary_needs_what_a_host_lacks(bundle):
    programs = [*(bundle / "build" / "bin").iterdir(), *(bundle / "build" / "libexec" / "torchferry").iterdir()]
    for program in programs:
        if program.name == "torchferry-server":
            continue  # it is static
        environment = {"LD_LIBRARY_PATH": str(libtorch() / "lib")}
        lines = subprocess.run(["ldd", program], env=environment, check=True, capture_output=True, text=True).stdout.splitlines()
        assert [line for line in lines if "not found" in line] == []
        ours = [line for line in lines if "libgrpc++" in line or "libabsl_base" in line]
        assert ours and all(str(bundle) in line for line in ours), ours


def test_a_part_that_fails_is_named(bundle, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy, symlinks=True)
    expected = copy / "tests" / "fixtures" / "expected" / "portable"
    shutil.copy(expected / "fp32_FP32.1.npy", expected / "fp32_FP32.7.npy")
    done = run(copy, "--rehearse", "--only", "staging,portability", "--output", "failing")
    assert done.returncode == 1, done.stdout
    assert done.stdout.splitlines()[-1] == "1 passed, 1 failed, 0 skipped, 0 out of time: portability"
    document = json.loads((tmp_path / "failing" / "gpu-check.json").read_text())
    failed = {part["name"]: part["failures"] for part in document["parts"] if part["outcome"] == "failed"}
    assert not document["passed"] and any("fp32_on_sim_0" in case for case in failed["portability"])


def test_a_part_that_has_no_time_is_named(bundle):
    done = run(bundle, "--rehearse", "--only", "portability", "--minutes", "0.01", "--output", "late")
    assert done.returncode == 1, done.stdout
    assert done.stdout.splitlines()[-1] == "0 passed, 0 failed, 0 skipped, 1 out of time: portability"


def test_another_libtorch_is_refused(bundle, tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libtorch_cpu.so").touch()
    (tmp_path / "version.py").write_text("__version__ = '2.3.1+cpu'\n")
    done = run(bundle, "--rehearse", TORCHFERRY_LIBTORCH=str(tmp_path))
    assert done.returncode == 2
    assert "is LibTorch 2.3.1; this bundle was built for " in done.stderr


def test_unknown_part_is_refused(bundle):
    done = run(bundle, "--rehearse", "--only", "nothing")
    assert done.returncode == 2 and "no part is named nothing" in done.stderr


@pytest.mark.skipif(card.gpu_count() > 0, reason="this host has a GPU")
def test_without_a_gpu_it_says_so(bundle):
    done = run(bundle)
    assert done.returncode == 2 and "--rehearse" in done.stderr


def test_a_part_that_is_skipped_fails():
    results = [{"name": "staging", "outcome": "skipped"}, {"name": "programs", "outcome": "passed"}]
    assert not report.has_passed(results) and report.has_passed(results[1:]) and not report.has_passed([])
    assert report.last_line(results) == "1 passed, 0 failed, 1 skipped, 0 out of time: staging"
