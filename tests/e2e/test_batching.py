"""When a batch closes, and what becomes of requests that wait. Delays are an hour: an answer at all is the proof."""

import grpc
import numpy as np
import pytest

import harness
import stuck_models
from harness import Client, Code, predict_request, refused
from wire import array, assert_close, oip, reference

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


def is_made_to_wait(client):
    """Whether a quick request of "slow" is not answered while the worker is busy."""
    try:
        client.stub.Predict(predict_request("slow", stuck_models.x(1)), timeout=0.3)
    except grpc.RpcError as error:
        return error.code() == Code.DEADLINE_EXCEEDED
    return False


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
        # The model was quick until now, and the express worker takes such requests until this one has taken long.
        harness.wait_until(lambda: is_made_to_wait(client), "nobody else runs the model")
        harness.wait_until(lambda: waiting(server, "slow") == 0, "its place is free")
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


# --- requests of other sizes than a batch -------------------------------------------------------------

SPLIT = BATCHING.replace("preferred_batch_size: [ 2, 6 ] max_queue_delay_microseconds: 3600000000", "") + (
    "torchferry { split_oversized: true }\n")
LENGTHS = """name: "lengths"
max_batch_size: 8
input { name: "ids" data_type: TYPE_INT64 dims: [ -1 ] }
input { name: "mask" data_type: TYPE_FP32 dims: [ -1 ] }
output { name: "hidden" data_type: TYPE_FP32 dims: [ -1, 2 ] }
output { name: "mean" data_type: TYPE_FP32 dims: [ 1 ] }
dynamic_batching { preferred_batch_size: [ 3 ] max_queue_delay_microseconds: 3600000000 }
torchferry { pad_to { sizes: [ 4, 8 ] mask: "mask" values { key: "ids" value: 100 } } }
"""
LENGTHS_CODE = """def forward(self, ids: Tensor, mask: Tensor) -> Dict[str, Tensor]:
    x = ids.to(torch.float32)
    mean = torch.sum(x * mask, [1], True) / torch.sum(mask, [1], True)
    return {'hidden': torch.stack([x, x * mask], 2), 'mean': mean}
"""


@pytest.fixture
def other_sizes(store, start):
    (store.add("mlp") / "config.pbtxt").write_text(SPLIT)
    store.add_code("lengths", LENGTHS_CODE, LENGTHS)
    server = start()
    with Client(server.address) as client:
        client.server = server
        yield client


def test_a_request_of_more_rows_than_a_batch_is_answered_as_one(other_sizes):
    x = np.tile(reference("mlp", "x", 7), [15, 1])  # 105 rows
    answer = other_sizes.predict("mlp", {"x": x})
    assert answer.execution.batch_rows == 8
    assert_close(array(answer.outputs["probabilities"]), np.tile(reference("mlp", "probabilities", 7), [15, 1]))
    assert other_sizes.server.metrics().sum("torchferry_requests_total", model="mlp", code="OK") == 1


def test_a_request_of_one_part_more_in_a_stream_and_over_the_open_protocol(other_sizes):
    x = reference("mlp", "x", 7)
    nine = np.concatenate([x, x[:2]])
    expected = np.concatenate([reference("mlp", "probabilities", 7), reference("mlp", "probabilities", 7)[:2]])
    answers = list(other_sizes.stub.PredictStream(iter([predict_request("mlp", {"x": nine})] * 3), timeout=SECONDS))
    assert len(answers) == 3
    for answer in answers:
        assert_close(array(answer.response.outputs["probabilities"]), expected)
    request = oip.ModelInferRequest(model_name="mlp", raw_input_contents=[nine.tobytes()])
    request.inputs.add(name="x", datatype="FP32", shape=nine.shape)
    response = other_sizes.open_stub.ModelInfer(request, timeout=SECONDS)
    assert list(response.outputs[0].shape) == [9, 3]
    assert_close(np.frombuffer(response.raw_output_contents[0], np.float32).reshape(9, 3), expected)


def test_an_error_in_one_part_is_the_answer_and_leaves_the_server_up(other_sizes):
    x = np.ones([20, 4], np.float32)
    with refused(Code.INVALID_ARGUMENT, "dtype"):
        other_sizes.predict("mlp", {"x": x.astype(np.float64)})
    assert array(other_sizes.predict("mlp", {"x": x}).outputs["probabilities"]).shape == (20, 3)


def test_without_it_a_request_above_the_limit_is_told_of_it(client):
    with refused(Code.INVALID_ARGUMENT, "expected 1 to 8", "split_oversized: true"):
        client.predict("mlp", {"x": np.ones([9, 4], np.float32)})


def lengths_of(client, ids, **others):
    return client.stub.Predict.future(predict_request("lengths", {"ids": np.array([ids], np.int64), **others}), timeout=SECONDS)


def check_lengths(answer, ids):
    ids = np.array(ids, np.float32)
    hidden = array(answer.outputs["hidden"])
    assert hidden.shape == (1, len(ids), 2)
    assert_close(hidden[0], np.stack([ids, ids], 1))
    assert_close(array(answer.outputs["mean"]), ids.mean(keepdims=True)[None])


def test_requests_of_several_lengths_share_a_batch(other_sizes):
    """The delay is an hour: an answer at all says that the three were one batch."""
    requests = [[1, 2, 3], [4], [5, 6, 7, 8]]
    for future, ids in [(lengths_of(other_sizes, ids), ids) for ids in requests]:
        answer = future.result()
        assert answer.execution.batch_rows == 3
        check_lengths(answer, ids)


def test_another_size_is_another_batch_and_a_longer_request_keeps_its_length(other_sizes):
    futures = [(lengths_of(other_sizes, ids), ids) for length in (4, 8, 11) for ids in [list(range(1, length + 1))] * 3]
    for future, ids in futures:
        assert future.result().execution.batch_rows == 3
        check_lengths(future.result(), ids)


def test_a_mask_that_the_client_sends_is_filled_up_with_zeros(other_sizes):
    masks = [np.array([[1, 0, 1]], np.float32)] * 3
    futures = [lengths_of(other_sizes, [2, 50, 4], mask=mask) for mask in masks]
    for future in futures:
        assert_close(array(future.result().outputs["mean"]), np.array([[3.0]], np.float32))
        assert_close(array(future.result().outputs["hidden"])[0, :, 1], np.array([2, 0, 4], np.float32))


def test_inputs_of_different_lengths_are_refused(other_sizes):
    with refused(Code.INVALID_ARGUMENT, '"ids" has 2, "mask" has 3'):
        lengths_of(other_sizes, [1, 2], mask=np.ones([1, 3], np.float32)).result()
