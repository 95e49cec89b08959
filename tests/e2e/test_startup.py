"""How the server starts: what it needs, that it listens at once, and that a mistake ends it with a clear word."""

import re
import statistics
import subprocess
import time

import pytest

import harness
from harness import Client, Code, Health
from wire import assert_close, pb, reference

# libtorch_cpu.so itself needs these two (FindLibTorch.cmake); any other CUDA library would tie the binary to GPU hosts.
ALLOWED_CUDA = {"libcupti", "libcudart"}
CUDA_LIBRARY = re.compile(
    r"^(lib(?:cuda|cublas|cublasLt|cudnn\w*|cufft\w*|curand|cusolver\w*|cusparse\w*|cupti|cudart|cudss\w*|nvrtc\w*|"
    r"nvJitLink|nvjitlink|nccl|nvToolsExt|nvtx\w*|cufile\w*|nvshmem\w*|nvidia-ml|torch_cuda\w*|c10_cuda|torch))"
    r"(?:[-.].*)?\.so")


def test_binary_needs_no_cuda_library_but_two():
    # What bin/torchferry-server becomes; the program of that name is linked to nothing.
    binary = harness.server_binary().parent.parent / "libexec/torchferry/torchferry-server-process"
    listing = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=True).stdout
    names = [line.split()[0].rsplit("/", 1)[-1] for line in listing.splitlines() if line.strip()]
    assert any(name.startswith("libtorch_cpu.so") for name in names), f"this is not the server's listing:\n{listing}"
    cuda = {match.group(1) for name in names if (match := CUDA_LIBRARY.match(name))}
    assert cuda <= ALLOWED_CUDA, f"{cuda - ALLOWED_CUDA} in\n{listing}"


def test_start_to_first_answer_is_measured(store, tmp_path, capsys):
    """Prints the median of five; how long it takes is the benchmark's business, not a test's."""
    seconds = []
    for i in range(5):
        begin = time.monotonic()
        server = harness.Server(store, tmp_path / f"run{i}")
        try:
            server.wait_listening()
            with Client(server.address) as client:
                assert client.health("liveness") == Health.SERVING
            seconds.append(time.monotonic() - begin)
            server.stop()
        finally:
            server.kill()
    median = statistics.median(seconds)
    with capsys.disabled():
        print(f"\nprocess start to gRPC answer, empty store: median {median:.3f} s of "
              f"{', '.join(f'{s:.3f}' for s in seconds)}")


def test_empty_store_is_ready_and_lists_nothing(store, start):
    server = start()
    with Client(server.address) as client:
        assert client.health("") == Health.SERVING
        assert client.models() == {}
        with harness.refused(Code.NOT_FOUND, "mlp"):
            client.predict("mlp", {"x": reference("mlp", "x", 1)})
    assert server.http("/readyz")[0] == 200


def test_server_is_live_and_not_ready_while_a_model_loads(store, start):
    store.add("slow_to_load")
    server = start(ready=False)
    with Client(server.address) as client:
        # Asked for first and checked last, so that a load which ends in between is not mistaken for an error.
        live, ready = client.health("liveness"), client.health("")
        livez, readyz = server.http("/livez"), server.http("/readyz")
        state = client.model("slow_to_load").state
        assert state in (pb.MODEL_STATE_PENDING, pb.MODEL_STATE_LOADING), "the model loads too quickly for this test"
        assert (live, ready) == (Health.SERVING, Health.NOT_SERVING)
        assert (livez[0], readyz[0]) == (200, 503)
        assert "load" in readyz[1]
        with harness.refused(Code.UNAVAILABLE, "slow_to_load", "loading"):
            client.predict("slow_to_load", {"x": reference("mlp", "x", 1)})

        server.wait_ready()
        assert server.http("/readyz")[0] == 200
        x = reference("mlp", "x", 7)
        assert_close(client.predict_arrays("slow_to_load", {"x": x})["OUTPUT__0"], 2 * x)


def test_port_file_says_both_addresses_on_loopback(store, start):
    server = start()
    assert sorted(server.ports) == ["grpc_address", "metrics_address"]
    for address in server.ports.values():
        assert re.fullmatch(r"127\.0\.0\.1:[1-9][0-9]*", address)
    assert server.port_file.read_text().count("\n") == 1


def test_log_lines_are_json_with_the_loaded_model(store, start):
    store.add("mlp")
    server = start("--log-format", "json")
    lines = server.log_lines()
    assert len(lines) == len(server.log().splitlines()), f"a line is not JSON:\n{server.log()}"
    assert all({"time", "level", "message"} <= line.keys() for line in lines)
    assert any(line.get("model") == "mlp" and line["level"] == "info" for line in lines)


def failed_start(store, folder, *flags, defaults=True):
    """The log of a server that ends by itself, and not with 0."""
    server = harness.Server(store, folder, *flags, defaults=defaults)
    try:
        code = server.wait_exit()
    finally:
        server.kill()
    log = server.log()
    assert code > 0, f"ended with {code}:\n{log}"
    assert "terminate called" not in log and "Traceback" not in log
    assert not server.port_file.exists()
    return log


@pytest.mark.parametrize("flag,key", [("--grpc-address", "grpc_address"), ("--metrics-address", "metrics_address")])
def test_taken_port_ends_the_second_server_and_not_the_first(store, start, tmp_path, flag, key):
    first = start()
    taken = first.ports[key]
    log = failed_start(store, tmp_path / "second", flag, taken)
    assert taken in log
    with Client(first.address) as client:
        assert client.health("") == Health.SERVING


@pytest.mark.parametrize("flag,value", [
    ("--device", "quantum"),
    ("--device", "cuda:first"),
    ("--log-format", "xml"),
    ("--log-level", "chatty"),
    ("--readiness", "most"),
    ("--workers", "-1"),
    ("--workers", "many"),
    ("--max-message-mib", "0"),
    ("--max-queue-size", "-5"),
    ("--drain-timeout-seconds", "-1"),
    ("--grpc-address", "no-port"),
    ("--grpc-address", "127.0.0.1:70000"),
    ("--metrics-address", "127.0.0.1:http!"),
])
def test_bad_flag_value_ends_the_server_and_is_named(store, tmp_path, flag, value):
    log = failed_start(store, tmp_path / "server", flag, value)
    assert flag in log
    assert value in log


def test_unknown_flag_ends_the_server_and_is_named(store, tmp_path):
    assert "--no-such-flag" in failed_start(store, tmp_path / "server", "--no-such-flag")


def test_missing_model_store_ends_the_server_and_is_named(store, tmp_path):
    store.path.rmdir()
    assert str(store.path) in failed_start(store, tmp_path / "server")


def test_model_store_that_is_a_file_ends_the_server_and_is_named(store, tmp_path):
    store.path.rmdir()
    store.path.write_text("not a folder")
    assert str(store.path) in failed_start(store, tmp_path / "server")


def test_flags_come_from_the_environment_too(store, tmp_path, monkeypatch):
    environment = harness.clean_environment() | {"TORCHFERRY_LOG_LEVEL": "chatty"}
    monkeypatch.setattr(harness, "clean_environment", lambda: environment)
    log = failed_start(store, tmp_path / "server")
    assert "chatty" in log


def test_help_and_version_end_with_0():
    for flag, word in (("--help", "--model-store"), ("--version", ".")):
        run = subprocess.run([str(harness.server_binary()), flag], check=False, capture_output=True, text=True,
                             timeout=harness.DEADLINE_SECONDS)
        assert run.returncode == 0
        assert word in run.stdout
