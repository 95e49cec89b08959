"""When a batch closes, and what becomes of requests that wait. Delays are an hour: an answer at all is the proof."""

import grpc
import numpy as np
import pytest

import harness
import stuck_models
from harness import Client, Code, predict_request, refused
from wire import oip

SECONDS = harness.DEADLINE_SECONDS
BATCHING = """name: "mlp"
max_batch_size: 8
input { name: "x" data_type: TYPE_FP32 dims: [ 4 ] }
output { name: "probabilities" data_type: TYPE_FP32 dims: [ 3 ] }
dynamic_batching { preferred_batch_size: [ 2, 6 ] max_queue_delay_microseconds: 3600000000 }
"""
ANY_SHAPE = """name: "double"
max_batch_size: 8
input { name: "x" data_type: TYPE_FP32 dims: [ -1 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ -1 ] }
dynamic_batching { preferred_batch_size: [ 2, 6 ] max_queue_delay_microseconds: 3600000000 }
"""
DOUBLE = "def forward(self, x: Tensor) -> Dict[str, Tensor]:\n    return {'y': x * 2.0}\n"
# A forward pass of so many steps takes many seconds.
LONG = -1.5e7


def waiting(server, model):
    return server.metrics().sum("torchferry_queue_depth", model=model)


def wait_for_waiting(server, model, count):
    harness.wait_until(lambda: waiting(server, model) == count, f"{count} requests of {model} wait")


def rows(model, count, width=4):
    return predict_request(model, {"x": np.ones([count, width], np.float32)})


@pytest.fixture
def client(store, start):
    target = store.add("mlp")
    (target / "config.pbtxt").write_text(BATCHING)
    store.add_code("double", DOUBLE, ANY_SHAPE)
    server = start()
    with Client(server.address) as client:
        client.server = server
        yield client


@pytest.mark.parametrize("count", [2, 6, 7, 8])
def test_a_batch_closes_at_a_preferred_size_or_past_the_largest(client, count):
    answer = client.stub.Predict(rows("mlp", count), timeout=SECONDS)
    assert answer.execution.batch_rows == count


def test_a_batch_that_the_next_request_would_take_past_the_largest_closes_without_it(client):
    first = client.stub.Predict.future(rows("mlp", 3), timeout=SECONDS)
    wait_for_waiting(client.server, "mlp", 1)
    second = client.stub.Predict.future(rows("mlp", 4), timeout=SECONDS)
    assert first.result().execution.batch_rows == 3
    third = client.stub.Predict.future(rows("mlp", 2), timeout=SECONDS)
    assert second.result().execution.batch_rows == 6
    assert third.result().execution.batch_rows == 6


def test_a_batch_that_waits_holds_up_no_other_shape(client):
    first = client.stub.Predict.future(rows("double", 1, width=3), timeout=SECONDS)
    wait_for_waiting(client.server, "double", 1)
    for count in (2, 7):
        answer = client.stub.Predict(rows("double", count, width=5), timeout=SECONDS)
        assert answer.execution.batch_rows == count
    assert not first.done()
    company = client.stub.Predict(rows("double", 1, width=3), timeout=SECONDS)
    assert company.execution.batch_rows == 2
    assert first.result().execution.batch_rows == 2


# --- while the one worker is in a batch that takes long ---


@pytest.fixture
def busy(store, start):
    """busy(policy): a client of a server whose one worker is in a batch of the model "slow", and that call. Other workers
    may be made for other models, later."""
    calls = []

    def begin(policy):
        stuck_models.add(store, "slow", f"dynamic_batching {{ default_queue_policy {{ max_queue_size: 1 {policy} }} }}\n")
        server = start("--workers", "1")
        client = Client(server.address)
        client.server = server
        running = client.stub.Predict.future(predict_request("slow", stuck_models.x(LONG)), timeout=600)
        calls.append((client, running))
        harness.wait_until(lambda: server.metrics().sum("torchferry_in_flight_requests", model="slow") == 1
                           and waiting(server, "slow") == 0, "the worker runs")
        return client, running

    yield begin
    for client, running in calls:
        assert not running.done(), "it was to be busy all the time"
        running.cancel()
        client.channel.close()
        client.server.kill()
        client.server.exit_seen = True


def test_a_queue_timeout_is_answered_at_its_time(busy):
    client, running = busy("timeout_action: REJECT default_timeout_microseconds: 200000")
    request = predict_request("slow", stuck_models.x(1))
    for _ in range(2):  # there is one place to wait: it is free again
        with refused(Code.DEADLINE_EXCEEDED, "waited in the queue"):
            client.stub.Predict(request)
    assert not running.done()


def test_a_request_that_says_how_long_it_waits_is_answered_then(busy):
    client, running = busy("")
    request = oip.ModelInferRequest(model_name="slow", raw_input_contents=[np.ones([1, 1], np.float32).tobytes()])
    request.inputs.add(name="x", datatype="FP32", shape=[1, 1])
    request.parameters["timeout"].int64_param = 100_000
    for _ in range(2):
        with refused(Code.DEADLINE_EXCEEDED, "waited in the queue"):
            client.open_stub.ModelInfer(request)
    answer = next(client.open_stub.ModelStreamInfer(iter([request])))
    assert "waited in the queue" in answer.error_message
    assert not running.done()


def test_the_place_of_who_has_gone_is_free(busy):
    client, running = busy("")
    request = predict_request("slow", stuck_models.x(1))
    with pytest.raises(grpc.RpcError):
        client.stub.Predict(request, timeout=0.2)
    wait_for_waiting(client.server, "slow", 0)
    gone = client.stub.Predict.future(request)
    wait_for_waiting(client.server, "slow", 1)
    with refused(Code.UNAVAILABLE, "queue full"):
        client.stub.Predict(request)
    gone.cancel()
    wait_for_waiting(client.server, "slow", 0)
    with pytest.raises(grpc.RpcError) as late:
        client.stub.Predict(request, timeout=0.2)
    assert late.value.code() == Code.DEADLINE_EXCEEDED
    assert not running.done()
