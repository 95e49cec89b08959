"""How much may wait and be in flight: of a model, of a client, in requests, rows, bytes and streams. What is beyond has its
code, the limit and both numbers in its text, and a place in the metrics."""

import contextlib
import time

import grpc
import numpy as np
import pytest

import harness
import stuck_models
from harness import Client, Code, predict_request, refused
from stateful import Stream
from wire import oip

DOUBLE = "def forward(self, x: Tensor) -> Dict[str, Tensor]:\n    return {'y': x * 2.0}\n"
# What has come waits, for hours, until there are 64 rows of one shape.
WAITS = """name: "%s"
max_batch_size: 64
input { name: "x" data_type: TYPE_FP32 dims: [ -1 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ -1 ] }
dynamic_batching { preferred_batch_size: [ 64 ] max_queue_delay_microseconds: 3600000000 %s }
"""
COUNT = 'parameters { key: "%s" value { string_value: "%s" } }\n'


def add_waiting(store, name="waits", batching="", parameters=""):
    store.add_code(name, DOUBLE, WAITS % (name, batching) + parameters)


def x(rows=1, floats=1):
    return {"x": np.zeros([rows, floats], np.float32)}


class Waiting:
    """Requests that wait in the queue of a model. `expect` of them at the end of each call."""

    def __init__(self, server, client, model="waits"):
        self._server, self._client, self._model = server, client, model
        self.calls = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for call in self.calls:
            call.cancel()

    def add(self, inputs, **fields):
        depth = self.depth()
        call = self._client.stub.Predict.future(predict_request(self._model, inputs, **fields))
        self.calls.append(call)
        self._server.wait_metrics(lambda m: m.sum("torchferry_queue_depth", model=self._model) >= depth + 1, "it waits")
        return call

    def depth(self):
        return self._server.metrics().sum("torchferry_queue_depth", model=self._model)

    def end(self):
        for call in self.calls:
            call.cancel()
        self._server.wait_metrics(lambda m: m.sum("torchferry_in_flight_requests", model=self._model) == 0, "all have ended")


@contextlib.contextmanager
def waiting(server, model="waits"):
    with Client(server.address) as client, Waiting(server, client, model) as calls:
        yield client, calls


def refusals(server, **labels):
    return server.metrics().sum("torchferry_refusals_total", **labels)


# --- what waits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("by_flag", [True, False], ids=["flag", "parameter"])
def test_rows_that_wait_have_a_limit(store, start, by_flag):
    add_waiting(store, parameters="" if by_flag else COUNT % ("max_queue_rows", 10))
    server = start(*(["--max-queue-rows", "10"] if by_flag else ["--max-queue-rows", "5"]))
    with waiting(server) as (client, calls):
        calls.add(x(rows=6))
        with refused(Code.UNAVAILABLE, "6 rows wait already, and this request has 5; the limit is 10"):
            client.predict("waits", x(rows=5))
        calls.add(x(rows=4))
        assert refusals(server, model="waits", limit="queue_rows") == 1
        calls.end()
        calls.add(x(rows=60))  # alone it waits: it could never be served otherwise


def test_bytes_that_wait_have_a_limit(store, start):
    add_waiting(store)
    server = start("--max-queue-mib", "1")
    with waiting(server) as (client, calls):
        calls.add(x(floats=200_000))
        with refused(Code.UNAVAILABLE, "800000 bytes wait already, and this request has 400000; the limit is 1048576"):
            client.predict("waits", x(floats=100_000))
        calls.add(x(floats=50_000))
        assert refusals(server, model="waits", limit="queue_bytes") == 1


def test_requests_that_wait_have_a_limit(store, start):
    add_waiting(store)
    server = start("--max-queue-size", "1")
    with waiting(server) as (client, calls):
        calls.add(x())
        with refused(Code.UNAVAILABLE, "1 requests wait already, the limit"):
            client.predict("waits", x())
        assert refusals(server, model="waits", limit="queue_requests") == 1


# --- what is in flight ----------------------------------------------------------------------------


@pytest.mark.parametrize("flags,parameters,limit,words", [
    (["--max-requests-per-client", "2"], "", "client_requests", ["the client, host", "has 2 requests in flight",
                                                                 "--max-requests-per-client"]),
    (["--max-requests-per-model", "2"], "", "model_requests", ["model \"waits\" has 2 requests in flight",
                                                               "--max-requests-per-model"]),
    (["--max-requests-per-model", "1"], COUNT % ("max_requests_in_flight", 2), "model_requests",
     ["has 2 requests in flight", "the limit is 2", "max_requests_in_flight"]),
])
def test_requests_in_flight_have_a_limit(store, start, flags, parameters, limit, words):
    add_waiting(store, parameters=parameters)
    server = start(*flags)
    with waiting(server) as (client, calls):
        calls.add(x())
        calls.add(x())
        with refused(Code.RESOURCE_EXHAUSTED, *words):
            client.predict("waits", x())
        open_request = oip.ModelInferRequest(model_name="waits")
        open_request.inputs.add(name="x", datatype="FP32", shape=[1, 1])
        open_request.raw_input_contents.append(bytes(4))
        with refused(Code.RESOURCE_EXHAUSTED, *words):
            client.open_stub.ModelInfer(open_request, timeout=60)
        assert refusals(server, model="waits", limit=limit) == 2
        calls.end()
        calls.add(x())


@pytest.mark.parametrize("flags,parameters,limit", [
    (["--max-mib-per-client", "1"], "", "client_bytes"),
    (["--max-mib-per-model", "1"], "", "model_bytes"),
    (["--max-mib-per-model", "9"], COUNT % ("max_mib_in_flight", 1), "model_bytes"),
])
def test_bytes_in_flight_have_a_limit(store, start, flags, parameters, limit):
    add_waiting(store, parameters=parameters)
    server = start(*flags)
    with waiting(server) as (client, calls):
        calls.add(x(floats=200_000))
        with refused(Code.RESOURCE_EXHAUSTED, "800000 bytes of requests in flight", "400000", "1048576"):
            client.predict("waits", x(floats=100_000))
        calls.end()
        with refused(Code.RESOURCE_EXHAUSTED, "0 bytes of requests in flight", "send less at a time"):
            client.predict("waits", x(floats=300_000))
        assert refusals(server, model="waits", limit=limit) == 2


def test_a_model_may_lift_the_servers_limit(store, start):
    add_waiting(store, parameters=COUNT % ("max_requests_in_flight", 0))
    server = start("--max-requests-per-model", "1")
    with waiting(server) as (_, calls):
        calls.add(x())
        calls.add(x())


def test_a_model_at_its_limit_holds_up_no_other(store, start):
    add_waiting(store)
    store.add("mlp")
    server = start("--max-requests-per-model", "1")
    with waiting(server) as (client, calls):
        calls.add(x())
        with refused(Code.RESOURCE_EXHAUSTED):
            client.predict("waits", x())
        assert client.predict("mlp", {"x": np.ones((1, 4), np.float32)}).outputs


def test_an_answer_gives_its_place_back_before_it_is_sent(store, start):
    store.add("mlp")
    server = start("--max-requests-per-client", "1", "--max-requests-per-model", "1", "--max-mib-per-client", "1")
    with Client(server.address) as client:
        for _ in range(200):
            client.predict("mlp", {"x": np.ones((1, 4), np.float32)})


# --- streams --------------------------------------------------------------------------------------


def test_streams_of_a_client_have_a_limit(store, start):
    store.add("mlp")
    server = start("--max-streams-per-client", "1")
    inputs = {"x": np.ones((1, 4), np.float32)}
    with Client(server.address) as client:
        with Stream(client) as stream:
            assert stream.value("mlp", inputs, "probabilities").shape == (1, 3)
            with refused(Code.RESOURCE_EXHAUSTED, "has 1 streams in flight", "--max-streams-per-client"):
                next(Stream(client).call)
            assert stream.value("mlp", inputs, "probabilities").shape == (1, 3)
            client.predict("mlp", inputs)  # is no stream
        server.wait_metrics(lambda m: m.sum("torchferry_refusals_total", limit="client_streams") == 1, "it is counted")
        harness.wait_until(lambda: can_open_a_stream(client, inputs), "the place of a stream that has ended is free")


def can_open_a_stream(client, inputs):
    stream = Stream(client)
    try:
        return stream.value("mlp", inputs, "probabilities").shape == (1, 3)
    except grpc.RpcError as error:
        assert error.code() == Code.RESOURCE_EXHAUSTED
        return False
    finally:
        stream.call.cancel()


@pytest.mark.parametrize("flags,parameters", [(["--max-streams-per-model", "1"], ""),
                                              ([], COUNT % ("max_streams", 1))], ids=["flag", "parameter"])
def test_streams_of_a_model_have_a_limit(store, start, flags, parameters):
    store.add("mlp", extra_config=parameters)
    store.add("running_sum")
    server = start(*flags)
    inputs = {"x": np.ones((1, 4), np.float32)}
    with Client(server.address) as client, Stream(client) as second:
        with Stream(client) as first:
            assert first.value("mlp", inputs, "probabilities").shape == (1, 3)
            assert first.value("mlp", inputs, "probabilities").shape == (1, 3), "it has its place"
            answer = second.ask("mlp", inputs)
            assert answer.error_code == Code.RESOURCE_EXHAUSTED.value[0]
            harness.check_message(answer.error_message, "model \"mlp\" has 1 streams in flight", "max_streams")
            assert second.add(1) == (1, 1), "the stream goes on with other models"
        harness.wait_until(lambda: second.ask("mlp", inputs).error_code == 0, "the place is free")


# --- what would wait beyond its deadline ----------------------------------------------------------


ADDITIONS = 20_000  # some 20 ms or more of a pass
MANY = 60


def infer(model, value, timeout_us=0):
    request = oip.ModelInferRequest(model_name=model)
    request.inputs.add(name="x", datatype="FP32", shape=[1, 1])
    request.raw_input_contents.append(np.float32(value).tobytes())
    if timeout_us:
        request.parameters["timeout"].int64_param = timeout_us
    return request


@pytest.fixture
def busy(store, start):
    """(server, client): "slow" has been measured, and many requests without a deadline wait for it."""
    stuck_models.add(store, "slow")
    server = start("--workers", "1")
    with Client(server.address) as client:
        for _ in range(40):
            client.predict("slow", stuck_models.x(-ADDITIONS))
        calls = [client.stub.Predict.future(predict_request("slow", stuck_models.x(-50.0 * ADDITIONS)))]
        calls += [client.stub.Predict.future(predict_request("slow", stuck_models.x(-ADDITIONS))) for _ in range(MANY)]
        server.wait_metrics(lambda m: m.sum("torchferry_queue_depth", model="slow") >= MANY / 2, "they wait")
        yield server, client
        for call in calls:
            call.cancel()


def test_a_request_that_would_wait_beyond_its_deadline_is_refused_at_once(busy):
    server, client = busy
    with pytest.raises(grpc.RpcError) as error:
        client.open_stub.ModelInfer(infer("slow", 1, timeout_us=1000), timeout=60)
    assert error.value.code() == Code.UNAVAILABLE
    harness.check_message(error.value.details(), "the requests before this one take", "ask another replica")
    pushback = dict(error.value.trailing_metadata())["grpc-retry-pushback-ms"]
    assert 1 <= int(pushback) <= 60_000
    assert refusals(server, model="slow", limit="wait") >= 1


def test_grpc_waits_with_its_retry_as_it_is_told(busy):
    """Without the server's word it would be done with both attempts within 20 ms."""
    server, client = busy
    with pytest.raises(grpc.RpcError) as error:
        client.open_stub.ModelInfer(infer("slow", 1, timeout_us=1000), timeout=60)
    told = int(dict(error.value.trailing_metadata())["grpc-retry-pushback-ms"]) / 1000
    policy = ('{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 2, "initialBackoff": "0.01s", '
              '"maxBackoff": "0.01s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}}]}')
    with grpc.insecure_channel(server.address, [("grpc.service_config", policy), ("grpc.use_local_subchannel_pool", 1),
                                                ("grpc.enable_http_proxy", 0)]) as channel:
        begun = time.monotonic()
        with contextlib.suppress(grpc.RpcError):
            harness.oip_grpc.GRPCInferenceServiceStub(channel).ModelInfer(infer("slow", 1, timeout_us=1000), timeout=120)
        waited = time.monotonic() - begun
    # What waits has gone down a little between the two.
    assert waited >= min(told / 2, 0.1) and told > 0.04, f"{waited} s, and was told {told} s"


def test_a_request_with_time_enough_waits(busy):
    _, client = busy
    assert client.open_stub.ModelInfer(infer("slow", 1, timeout_us=100_000_000), timeout=120).outputs


def test_an_idle_server_refuses_nothing_for_time(store, start):
    """A deadline that is shorter than a pass: the request runs, and is late."""
    stuck_models.add(store, "slow")
    with Client(start("--workers", "1").address) as client:
        for _ in range(40):
            client.predict("slow", stuck_models.x(-ADDITIONS))
        for _ in range(20):
            try:
                client.open_stub.ModelInfer(infer("slow", -ADDITIONS, timeout_us=1000), timeout=60)
            except grpc.RpcError as error:
                assert error.code() == Code.DEADLINE_EXCEEDED, error
