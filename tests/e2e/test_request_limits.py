"""What a client chooses has a limit that is checked before it costs anything, in both APIs; and a request that does not
agree with itself is refused, not answered."""

import numpy as np
import pytest
from grpc_health.v1 import health_pb2

import harness
from harness import Client, Code, refused
from stores import Store
from wire import admin, admin_grpc, array, assert_close, oip, pb, reference

INVALID = Code.INVALID_ARGUMENT
X = np.zeros((1, 4), np.float32)

# Gives as many bytes as it is told; `mask` and its elements as numbers.
FORWARD = '''
import torch


def forward(self, count: Tensor, mask: Tensor) -> Dict[str, Tensor]:
    return {"bytes": torch.ones([int(count.item())], dtype=torch.uint8), "mask": mask.to(torch.int64)}
'''
CONFIG = '''
input { name: "count" data_type: TYPE_INT64 dims: [ 1 ] }
input { name: "mask" data_type: TYPE_BOOL dims: [ -1 ] }
output { name: "bytes" data_type: TYPE_UINT8 dims: [ -1 ] }
output { name: "mask" data_type: TYPE_INT64 dims: [ -1 ] }
'''


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("limits")
    store = Store(folder / "store")
    for name in ("mlp", "mlp_bare"):
        store.add(name)
    store.add_code("bytes", FORWARD, CONFIG)
    with harness.serving(store, folder, "--enable-admin", "--max-message-mib", "16") as server:
        yield server.wait_settled()


@pytest.fixture
def client(server):
    with Client(server.address) as client:
        yield client
        outputs = client.predict_arrays("mlp", {"x": reference("mlp", "x", 7)})
        assert_close(outputs["probabilities"], reference("mlp", "probabilities", 7))


# --- the same request in both APIs ----------------------------------------------------------------

DATATYPE = {pb.DATA_TYPE_FP32: "FP32", pb.DATA_TYPE_BOOL: "BOOL", pb.DATA_TYPE_INT64: "INT64"}


class V1:
    @staticmethod
    def request(model="mlp_bare", inputs=(("x", [1, 4], bytes(16)),), outputs=(), dtype=pb.DATA_TYPE_FP32, id=""):
        tensors = {name: pb.Tensor(dtype=dtype, shape=shape, data=data) for name, shape, data in inputs}
        return pb.PredictRequest(model_name=model, inputs=tensors, outputs=outputs, request_id=id)

    @staticmethod
    def call(client, request):
        return client.stub.Predict(request, timeout=harness.DEADLINE_SECONDS)

    @staticmethod
    def errors_of_stream(client, requests):
        answers = client.stub.PredictStream(iter(requests), timeout=harness.DEADLINE_SECONDS)
        return [answer.error_message for answer in answers]


class Oip:
    @staticmethod
    def request(model="mlp_bare", inputs=(("x", [1, 4], bytes(16)),), outputs=(), dtype=pb.DATA_TYPE_FP32, id=""):
        message = oip.ModelInferRequest(model_name=model, id=id)
        for name, shape, data in inputs:
            message.inputs.add(name=name, datatype=DATATYPE[dtype], shape=shape)
            message.raw_input_contents.append(data)
        for name in outputs:
            message.outputs.add(name=name)
        return message

    @staticmethod
    def call(client, request):
        return client.open_stub.ModelInfer(request, timeout=harness.DEADLINE_SECONDS)

    @staticmethod
    def errors_of_stream(client, requests):
        answers = client.open_stub.ModelStreamInfer(iter(requests), timeout=harness.DEADLINE_SECONDS)
        return [answer.error_message for answer in answers]


LONG = "n" * 1_000_000
BAD = {
    "rank": (dict(inputs=[("x", [1] * 100_000, bytes(4))]), ['input "x" has 100000 dimensions', 64]),
    "rank_of_a_million": (dict(inputs=[("x", [1] * 1_000_000, bytes(4))]), ["1000000 dimensions", 64]),
    "inputs": (dict(inputs=[(f"x{i}", [1], bytes(4)) for i in range(5000)]), ["5000 inputs", 4096]),
    "outputs": (dict(outputs=[f"y{i}" for i in range(30_000)]), ["30000 outputs", 4096]),
    "output_twice": (dict(model="mlp", outputs=["probabilities"] * 2), ['output "probabilities" is asked for twice']),
    "output_often": (dict(model="mlp", outputs=["probabilities"] * 4096), ["asked for twice"]),
    "model_name": (dict(model=LONG), ["model_name has 1000000 bytes", 1024]),
    "input_name": (dict(inputs=[(LONG, [1, 4], bytes(16))]), ["name of an input has 1000000 bytes", 1024]),
    "output_name": (dict(outputs=[LONG]), ["name of an output has 1000000 bytes", 1024]),
    "id": (dict(id=LONG), ["id has 1000000 bytes", 4096]),
    "negative": (dict(inputs=[("x", [-1, -4], bytes(16))]), ["[-1, -4]", "negative"]),
    "overflow": (dict(inputs=[("x", [2**32, 2**32], b"")]), ["overflows"]),
    "overflow_of_nothing": (dict(inputs=[("x", [0, 2**62, 4], b"")]), ["overflows"]),
    "bytes": (dict(inputs=[("x", [1, 4], bytes(12))]), ["12 bytes", "16"]),
    "bool": (dict(model="bytes", dtype=pb.DATA_TYPE_BOOL, inputs=[("mask", [3], b"\0\1\2")]),
             ["BOOL", "byte 2 at element 2"]),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("api", [V1, Oip])
def test_what_exceeds_or_contradicts_is_refused_by_value(client, api, case):
    fields, fragments = BAD[case]
    with refused(INVALID, *fragments) as _:
        api.call(client, api.request(**fields))


@pytest.mark.parametrize("api", [V1, Oip])
def test_in_a_stream_it_is_an_answer_of_some_size_and_the_stream_goes_on(client, api):
    requests = [api.request(**fields) for fields, _ in BAD.values()] + [api.request(outputs=["OUTPUT__0"])]
    errors = api.errors_of_stream(client, requests)
    assert len(errors) == len(requests)
    for error, (_, fragments) in zip(errors, BAD.values(), strict=False):
        assert len(error) < 1000
        harness.check_message(error, *fragments)
    assert errors[-1] == ""


def test_contents_that_contradict_each_other_are_refused(client):
    def infer(fragments, change):
        message = oip.ModelInferRequest(model_name="mlp_bare")
        message.inputs.add(name="x", datatype="FP32", shape=[1, 4]).contents.fp32_contents.extend([0] * 4)
        change(message)
        with refused(INVALID, *fragments):
            Oip.call(client, message)

    infer(["one or the other"], lambda m: m.raw_input_contents.append(bytes(16)))
    infer(["1 inputs and 2 raw_input_contents"], lambda m: m.raw_input_contents.extend([b"", b""]))
    infer(["another field too"], lambda m: m.inputs[0].contents.int_contents.append(1))
    infer(["is there twice"], lambda m: m.inputs.append(m.inputs[0]))
    infer(["257 parameters", 256], lambda m: [m.parameters[str(i)].SetInParent() for i in range(257)])
    infer(["257 parameters", 256], lambda m: [m.inputs[0].parameters[str(i)].SetInParent() for i in range(257)])


def test_a_bool_of_one_is_answered_as_one(client):
    inputs = {"count": np.array([1], np.int64), "mask": np.array([True, False, True])}
    assert array(client.predict("bytes", inputs).outputs["mask"]).tolist() == [1, 0, 1]


# --- answers --------------------------------------------------------------------------------------


def peak_bytes(server):
    for line in open(f"/proc/{server.process.pid}/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


def asking_for(count):
    return {"count": np.array([count], np.int64), "mask": np.array([True])}


def test_an_answer_over_the_limit_is_dropped_before_it_is_copied(server, client):
    size = 512 << 20
    client.predict("bytes", asking_for(8 << 20))
    before = peak_bytes(server)
    for call in (lambda: client.predict("bytes", asking_for(size)),
                 lambda: Oip.call(client, infer_request(asking_for(size)))):
        with refused(Code.RESOURCE_EXHAUSTED, size, 16 << 20, '"bytes"', "--max-message-mib"):
            call()
    assert peak_bytes(server) - before < 1.5 * size, "the answer was held more than once"
    answer = client.predict("bytes", asking_for(size), outputs=["mask"])  # what is not asked for does not count
    assert array(answer.outputs["mask"]).tolist() == [1]


def infer_request(arrays):
    message = oip.ModelInferRequest(model_name="bytes")
    for name, values in arrays.items():
        message.inputs.add(name=name, datatype={"int64": "INT64", "bool": "BOOL"}[str(values.dtype)], shape=values.shape)
        message.raw_input_contents.append(values.tobytes())
    return message


# --- everything else that is named ----------------------------------------------------------------


def test_versions_of_a_load_are_few_and_different(server, client):
    stub = admin_grpc.ModelAdminServiceStub(client.channel)

    def load(versions, *fragments):
        with refused(INVALID, *fragments):
            stub.LoadModel(admin.LoadModelRequest(model_name="mlp", model_versions=versions),
                           timeout=harness.DEADLINE_SECONDS)

    load([1] * 2_000_000, "2000000 versions", 256)
    load([1, 1], "1 twice")
    load([0], "positive integer")
    assert server.log().count("model ready") == 3, "it was loaded again"
    stub.LoadModel(admin.LoadModelRequest(model_name="mlp", model_versions=[1]), timeout=harness.DEADLINE_SECONDS)


def test_loads_that_wait_have_a_limit(store, start):
    store.add("slow_to_load")
    store.add("mlp")
    server = start("--enable-admin", ready=False)  # and so the loader is busy at first
    with Client(server.address) as client:
        stub = admin_grpc.ModelAdminServiceStub(client.channel)
        calls = [stub.LoadModel.future(admin.LoadModelRequest(model_name="mlp"), timeout=harness.DEADLINE_SECONDS)
                 for _ in range(400)]
        codes = [call.code() for call in calls]
        assert codes.count(Code.OK) == 256, codes
        assert codes.count(Code.RESOURCE_EXHAUSTED) == 144, codes
        assert "256 calls that load or unload are not done" in calls[codes.index(Code.RESOURCE_EXHAUSTED)].details()
        stub.LoadModel(admin.LoadModelRequest(model_name="mlp"), timeout=harness.DEADLINE_SECONDS)


def test_names_have_a_length_wherever_they_are_sent(client):
    stub = admin_grpc.ModelAdminServiceStub(client.channel)
    open_stub = client.open_stub
    for call, request in (
            (client.stub.GetModel, pb.GetModelRequest(model_name=LONG)),
            (stub.LoadModel, admin.LoadModelRequest(model_name=LONG)),
            (stub.UnloadModel, admin.UnloadModelRequest(model_name=LONG)),
            (open_stub.ModelReady, oip.ModelReadyRequest(name=LONG)),
            (open_stub.ModelMetadata, oip.ModelMetadataRequest(name=LONG)),
            (open_stub.ModelConfig, oip.ModelConfigRequest(name=LONG)),
            (open_stub.ModelStatistics, oip.ModelStatisticsRequest(name=LONG)),
            (open_stub.RepositoryModelLoad, oip.RepositoryModelLoadRequest(model_name=LONG)),
            (open_stub.RepositoryModelUnload, oip.RepositoryModelUnloadRequest(model_name=LONG)),
            (client.health_stub.Check, health_pb2.HealthCheckRequest(service="model/" + LONG))):
        with refused(INVALID, "has 10000"):
            call(request, timeout=harness.DEADLINE_SECONDS)
    for call, request in ((open_stub.ModelReady, oip.ModelReadyRequest(name="mlp", version=LONG)),
                          (open_stub.RepositoryIndex, oip.RepositoryIndexRequest(repository_name=LONG))):
        with refused(INVALID, "n" * 64 + "…"):
            call(request, timeout=harness.DEADLINE_SECONDS)


def test_watches_of_a_connection_have_a_limit(server):
    with Client(server.address) as client, Client(server.address) as other:
        watches = [client.health_stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(128)]
        for watch in watches:
            assert next(watch).status == harness.Health.SERVING
        with refused(Code.RESOURCE_EXHAUSTED, "128 watches are open on this connection"):
            next(client.health_stub.Watch(health_pb2.HealthCheckRequest()))
        assert next(other.health_stub.Watch(health_pb2.HealthCheckRequest())).status == harness.Health.SERVING
        for watch in watches:
            watch.cancel()


def test_a_row_that_would_be_generated_with_gibibytes_is_refused_at_load(store, start):
    store.add("mlp")
    store.add_code("wide", FORWARD, CONFIG.replace("dims: [ 1 ]", "dims: [ 30000, 30000 ]"))
    store.add_code("deep", FORWARD, CONFIG.replace("dims: [ 1 ]", "dims: [ " + ", ".join(["1"] * 70) + " ]"))
    server = start("--readiness", "any").wait_settled()
    with Client(server.address) as client:
        harness.check_message(client.model("wide").error_message, "wide/config.pbtxt:2", "[30000, 30000]", "1073741824")
        harness.check_message(client.model("deep").error_message, "deep/config.pbtxt:2", "70 sizes", 64)
    assert peak_bytes(server) < 2 << 30


def test_a_row_whose_free_sizes_multiply_is_not_generated(store, start):
    store.add_code("free", FORWARD, CONFIG.replace("dims: [ 1 ]", "dims: [ " + ", ".join(["-1"] * 12) + " ]"))
    server = start().wait_settled()
    with Client(server.address) as client:
        assert client.model("free").state == pb.MODEL_STATE_READY
    assert peak_bytes(server) < 2 << 30


def test_the_cli_refuses_what_it_would_make_up(server):
    result = harness.cli(server.address, "predict", "mlp_bare", "x=random[" + "1," * 100 + "1]")
    assert result.returncode == 2 and "101 dimensions, expected at most 64" in result.stderr, result.stderr
