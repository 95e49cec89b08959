"""How CUDA is opened: before LibTorch is asked anything, and with one clear line when something is missing. A driver that is none
(tests/testing/fake_cuda_driver.cc) stands where a host has no GPU; with it the server looks for the real libraries."""

import re

import pytest

import harness
from harness import Client
from stores import Store
from wire import array, assert_close, pb, reference

DRIVER = harness.BINARIES / "fake_cuda_driver"


def environment(**variables):
    return {"LD_LIBRARY_PATH": str(DRIVER), **{name: str(value) for name, value in variables.items()}}


def serve(tmp_path, **options):
    store = Store(tmp_path / "store")
    store.add("mlp")
    return harness.serving(store, tmp_path / "server", "--log-format", "json", **options)


def check_serves(server):
    with Client(server.address) as client:
        response = client.predict("mlp", {"x": reference("mlp", "x", 7)})
        assert_close(array(response.outputs["probabilities"]), reference("mlp", "probabilities", 7))
        assert (response.execution.device, response.execution.fallback) == ("cpu", False)
        assert client.model("mlp").state == pb.MODEL_STATE_READY


def lines_about_gpus(server):
    return [line for line in server.log_lines() if line["message"] in ("no GPU", "device type not used")]


@pytest.fixture
def no_gpu():
    if harness.gpu_count() > 0:
        pytest.skip("this host has a GPU")


def test_no_driver(tmp_path, no_gpu):
    with serve(tmp_path) as server:
        check_serves(server)
        (line,) = lines_about_gpus(server)
        assert line["level"] == "info"
        assert "libcuda.so.1" in line["reason"]


def test_driver_without_a_gpu(tmp_path, no_gpu):
    with serve(tmp_path, environment=environment(FAKE_CUDA_DEVICES=0)) as server:
        check_serves(server)
        (line,) = lines_about_gpus(server)
        assert line["level"] == "info"
        assert "gives this process no GPU" in line["reason"]


def test_driver_that_fails(tmp_path, no_gpu):
    with serve(tmp_path, environment=environment(FAKE_CUDA_ERROR=999)) as server:
        check_serves(server)
        (line,) = lines_about_gpus(server)
        assert line["level"] == "warning"
        assert "CUDA error 999" in line["reason"]


def test_driver_that_is_too_old(tmp_path, no_gpu):
    with serve(tmp_path, environment=environment(FAKE_CUDA_VERSION=12040)) as server:
        check_serves(server)
        (line,) = lines_about_gpus(server)
        assert line["level"] == "warning"
        assert "it runs CUDA 12.4" in line["reason"]
        assert re.search(r"is built for CUDA 1[3-9]\.\d", line["reason"])
        assert "update the driver" in line["reason"]


def test_missing_library_is_named(tmp_path, no_gpu):
    with serve(tmp_path, environment=environment()) as server:
        check_serves(server)
        (line,) = lines_about_gpus(server)
        assert line["level"] == "warning"
        assert re.search(r"lib\w+\.so(\.\d+)* is missing", line["reason"]), line["reason"]
        assert "deploy/install-deps.sh --cuda" in line["reason"]


def test_asking_for_a_gpu_then_falls_back(tmp_path, no_gpu):
    store = Store(tmp_path / "store")
    store.add("mlp")
    with harness.serving(store, tmp_path / "server", "--device", "cuda:0", environment=environment()) as server:
        with Client(server.address) as client:
            response = client.predict("mlp", {"x": reference("mlp", "x", 7)})
            assert_close(array(response.outputs["probabilities"]), reference("mlp", "probabilities", 7))
            execution = response.execution
            assert (execution.device, execution.fallback, execution.fallback_reason) == ("cpu", True, "absent")


# The dynamic linker binds a function of another library when it is called for the first time, and says so. LibTorch's own: it also
# has copies of the standard library's templates, which others may be bound to.
BINDING = re.compile(r"binding file \S*/torchferry-server \[0\] to \S*/(?:libtorch_cpu|libc10)\.so \[0\]: normal symbol "
                     r"`(_ZN?K?V?(?:2at|3c10|5torch|6caffe2)\w+)'")
OPENING = re.compile(r"file=\S*libtorch_cuda\.so \[0\];  dynamically loaded by")
MAIN = re.compile(r"transferring control: \S*torchferry-server")


def test_cuda_is_opened_before_any_call_of_libtorch(tmp_path, no_gpu):
    """LibTorch asks once whether CUDA is there, and keeps the answer: no function of it may run before."""
    variables = {"LD_DEBUG": "bindings,files,libs", "LD_DEBUG_OUTPUT": tmp_path / "linker"}
    with serve(tmp_path, environment=environment(**variables)) as server:
        check_serves(server)
        lines = (tmp_path / f"linker.{server.process.pid}").read_text(errors="replace").splitlines()
    main = next(i for i, line in enumerate(lines) if MAIN.search(line))
    opening = next(i for i, line in enumerate(lines) if OPENING.search(line))
    assert main < opening
    calls = [(i, match.group(1)) for i, line in enumerate(lines) if (match := BINDING.search(line))]
    assert [name for i, name in calls if main < i < opening] == []
    # The linker does tell of such calls: these are from loading the model.
    assert [name for i, name in calls if i > opening]
