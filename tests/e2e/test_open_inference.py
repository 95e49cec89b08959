"""Clients of the Open Inference Protocol as people have them, each in a process of its own with its own Python: tritonclient,
perf_analyzer, KServe's; and those of gRPC at large."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from google.protobuf import descriptor_pb2

import harness
import portable_files
from harness import Client
from stores import Store
from wire import FIXTURES, REPO, oip, reference

CLIENTS = pathlib.Path(__file__).parent / "clients"
EXPECTED = FIXTURES / "expected"
CASES = re.findall(r"^def (\w+)\((?:client|_)\):", (CLIENTS / "triton.py").read_text(), re.MULTILINE)
HALF = ("max_batch_size: 8\ninput {{ name: \"x\" data_type: TYPE_{0} dims: [ 6 ] }}\n"
        "output {{ name: \"y\" data_type: TYPE_{0} dims: [ 4 ] }}\n")


def python_of(client):
    variable = f"TORCHFERRY_{client}_PYTHON"
    if variable not in os.environ:
        if os.environ.get("CI"):
            raise AssertionError(f"{variable} is not set; tests/run.sh sets it")
        pytest.skip(f"{variable} is not set; tests/run.sh sets it")
    return pathlib.Path(os.environ[variable])


def run(*command, seconds=120, **options):
    """What it printed; it must end with 0."""
    done = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True, timeout=seconds, **options)
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def run_perf_analyzer(*command, **options):
    """On a busy machine it was seen to wait for ever with no request in flight: then it gets a second try. A request
    that the server had kept would be counted as CANCELLED, which the caller does not accept."""
    try:
        return run(*command, seconds=60, **options)
    except subprocess.TimeoutExpired:
        return run(*command, **options)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("open_inference")
    portable_files.unpack_portable(folder / "files")
    store = Store(folder / "store")
    for name in ("mlp", "mlp_dict", "mlp_tuple", "lstm", "slow", "running_sum", "scalar_args"):
        store.add(name)
    labelled = store.add("mlp", "labelled")
    config = (labelled / "config.pbtxt").read_text()
    (labelled / "config.pbtxt").write_text(config.replace("dims: [ 3 ]", 'dims: [ 3 ] label_filename: "labels.txt"'))
    (labelled / "labels.txt").write_text("cat\ndog\nHäuser\n")
    store.add_file("corrupt", FIXTURES / "bad" / "corrupt.pt")
    for dtype in ("FP16", "BF16"):
        model = store.add_file(dtype.lower(), folder / "files" / f"scripted.cpu.{dtype}.pt")
        (model / "config.pbtxt").write_text(HALF.format(dtype))
    with harness.serving(store, folder / "server", "--reflection", "--workers", "2") as server:
        yield server.wait_settled()


def test_the_wire_is_that_of_the_clients():
    """Names, numbers and types of every message and method, against what tritonclient was generated from."""
    printed = run(python_of("TRITONCLIENT"), "-c", "from tritonclient.grpc import service_pb2 as s; print(s.DESCRIPTOR.serialized_pb.hex())")
    theirs = descriptor_pb2.FileDescriptorProto.FromString(bytes.fromhex(printed.strip()))
    ours = descriptor_pb2.FileDescriptorProto()
    oip.DESCRIPTOR.CopyToProto(ours)
    assert ours.package == theirs.package
    assert messages(ours.message_type) == messages(theirs.message_type)
    assert methods(ours.service) == methods(theirs.service)


def messages(descriptors):
    return {d.name: ({(f.number, f.name, f.type, f.label, f.type_name, d.oneof_decl[f.oneof_index].name if f.HasField("oneof_index") else "")
                      for f in d.field}, messages(d.nested_type)) for d in descriptors}


def methods(services):
    return {s.name: {(m.name, m.input_type, m.output_type, m.client_streaming, m.server_streaming) for m in s.method} for s in services}


@pytest.mark.parametrize("case", CASES)
def test_tritonclient(server, case):
    run(python_of("TRITONCLIENT"), CLIENTS / "triton.py", server.address, EXPECTED, case)


def test_kserve_client(server):
    run(python_of("KSERVE"), CLIENTS / "kserve_client.py", server.address, EXPECTED)


# --- perf_analyzer --------------------------------------------------------------------------------

PERF_RUNS = {
    "mlp": ["--concurrency-range", "4"],
    "mlp_dict": ["-b", "4", "--async", "--concurrency-range", "2"],
    "mlp_tuple": ["--streaming"],
    "lstm": [],
    "fp16": ["--shared-memory", "none"],
}


@pytest.mark.parametrize("model", PERF_RUNS)
def test_perf_analyzer(server, model):
    """A fixed number of requests, which the server has counted afterwards: nothing was lost, nothing failed."""
    python = python_of("TRITONCLIENT")
    libraries = next(python.parent.parent.glob("lib/python*/site-packages/nvidia/cuda_runtime/lib"))
    before = counted(server, model)
    shown = run_perf_analyzer(python.parent / "perf_analyzer", "-m", model, "-u", server.address, "-i", "grpc",
                              "--request-count", "200", *PERF_RUNS[model],
                              env={**os.environ, "LD_LIBRARY_PATH": str(libraries)})
    sent = int(re.search(r"Request count: (\d+)", shown).group(1))
    assert sent >= 200
    # It reads the server's statistics a while after its first requests; what they count exactly is held below.
    assert int(re.search(r"Inference count: (\d+)", shown).group(1)) > 0
    batch = 4 if "-b" in PERF_RUNS[model] else 1
    ok, others, rows = (now - then for now, then in zip(counted(server, model), before, strict=True))
    assert ok >= sent and others == 0 and rows == ok * batch


def counted(server, model):
    """By /metrics: requests with OK, requests with another code, rows of forward passes."""
    metrics = server.metrics()
    ok = metrics.sum("torchferry_requests_total", model=model, code="OK")
    return ok, metrics.sum("torchferry_requests_total", model=model) - ok, metrics.sum("torchferry_batch_rows_sum", model=model)


def test_statistics_and_metrics_agree(server):
    with Client(server.address) as client:
        statistics_of_all = client.open_stub.ModelStatistics(oip.ModelStatisticsRequest(), timeout=harness.DEADLINE_SECONDS).model_stats
    for statistics in statistics_of_all:
        ok, others, rows = counted(server, statistics.name)
        invalid = server.metrics().sum("torchferry_requests_total", model=statistics.name, code="INVALID_ARGUMENT")
        stats = statistics.inference_stats
        assert (stats.success.count, stats.fail.count) == (ok, others - invalid), statistics.name
        if others == 0:  # a pass that failed has rows too
            assert statistics.inference_count == rows
    assert sum(counted(server, model)[0] for model in PERF_RUNS) > 0


# --- gRPC at large --------------------------------------------------------------------------------


def go_client(name):
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not there: tests/run.sh says why it was not built")
    return path


def test_ghz(server):
    data = {"model_name": "mlp", "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "contents": {"fp32_contents": [1, 2, 3, 4]}}]}
    shown = run(go_client("ghz"), "--insecure", "--proto", REPO / "proto/inference/grpc_service.proto", "--import-paths", REPO / "proto",
                "--call", "inference.GRPCInferenceService/ModelInfer", "--data", json.dumps(data), "-n", "300", "-c", "8",
                "--format", "json", server.address)
    report = json.loads(shown[shown.index("{"):])
    assert report["count"] == 300
    assert report["statusCodeDistribution"] == {"OK": 300}


def test_grpcurl(server):
    grpcurl = go_client("grpcurl")
    services = run(grpcurl, "-plaintext", server.address, "list").split()
    assert {"inference.GRPCInferenceService", "torchferry.v1.InferenceService", "grpc.health.v1.Health"} <= set(services)
    x = reference("mlp", "x", 1)
    data = {"model_name": "mlp", "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "contents": {"fp32_contents": x[0].tolist()}}]}
    answer = json.loads(run(grpcurl, "-plaintext", "-d", json.dumps(data), server.address, "inference.GRPCInferenceService/ModelInfer"))
    assert answer["outputs"][0]["shape"] == ["1", "3"]


def test_grpc_health_probe(server):
    probe = go_client("grpc-health-probe")
    for service in ("", "liveness", "model/mlp"):
        assert "SERVING" in run(probe, f"-addr={server.address}", f"-service={service}")
    done = subprocess.run([probe, f"-addr={server.address}", "-service=model/corrupt"], check=False, capture_output=True, timeout=60)
    assert done.returncode == 4  # not serving
