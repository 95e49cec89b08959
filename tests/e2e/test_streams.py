"""Requests of one stream, in both APIs: they share batches, are answered in their order, and each is counted as its client saw it."""

import queue

import grpc
import numpy as np
import pytest

import harness
from harness import Client, Code, predict_request, refused
from wire import array, oip

SECONDS = harness.DEADLINE_SECONDS
MAX_IN_FLIGHT = 16  # kMaxStreamRequests
LARGE = 100_000  # elements of a message that is parsed beside the others
# A batch of fewer rows waits for an hour: an answer at all is the proof.
DOUBLE = "def forward(self, x: Tensor) -> Dict[str, Tensor]:\n    return {'y': x * 2.0}\n"
CONFIG = """name: "%s"
max_batch_size: 32
input { name: "x" data_type: TYPE_FP32 dims: [ 1 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ 1 ] }
dynamic_batching { preferred_batch_size: [ %d ] max_queue_delay_microseconds: 3600000000 }
"""
SUM = "def forward(self, x: Tensor) -> Dict[str, Tensor]:\n    return {'y': x.sum().reshape([1])}\n"
ZEROS = "def forward(self, n: Tensor) -> Dict[str, Tensor]:\n    return {'y': torch.zeros([int(n[0].item())])}\n"


def x(value):
    return {"x": np.full([1, 1], value, np.float32)}


class Ours:
    """PredictStream."""

    method = "PredictStream"

    @staticmethod
    def request(model, inputs, id=""):
        return predict_request(model, inputs, request_id=id)

    @staticmethod
    def open(client, requests, **options):
        return client.stub.PredictStream(requests, **options)

    @staticmethod
    def seen(answer):
        """The id, and the output or the error's text."""
        if answer.error_code:
            return answer.request_id, answer.error_message
        return answer.request_id, array(answer.response.outputs["y"]).flatten().tolist()


class Open:
    """ModelStreamInfer."""

    method = "ModelStreamInfer"

    @staticmethod
    def request(model, inputs, id=""):
        request = oip.ModelInferRequest(model_name=model, id=id)
        for name, values in inputs.items():
            datatype = {"float32": "FP32", "int64": "INT64"}[str(values.dtype)]
            request.inputs.add(name=name, datatype=datatype, shape=values.shape)
            request.raw_input_contents.append(values.tobytes())
        return request

    @staticmethod
    def open(client, requests, **options):
        return client.open_stub.ModelStreamInfer(requests, **options)

    @staticmethod
    def seen(answer):
        response = answer.infer_response
        assert response.parameters["triton_final_response"].bool_param, "asked or not, of an error too"
        if answer.error_message:
            return response.id, answer.error_message
        return response.id, np.frombuffer(response.raw_output_contents[0], np.float32).tolist()


BOTH = pytest.mark.parametrize("api", [Ours, Open])


@pytest.fixture
def client(store, start):
    for name, size in (("six", 6), ("seventeen", MAX_IN_FLIGHT + 1)):
        store.add_code(name, DOUBLE, CONFIG % (name, size))
    store.add_code("sum", SUM)
    store.add_code("zeros", ZEROS)
    store.add("running_sum")
    server = start("--max-message-mib", "1")
    with Client(server.address) as client:
        client.server = server
        if harness.DEVICE != "auto":
            assert {version.placement.device for version in client.models().values()} == {harness.DEVICE}
        yield client


def in_flight(client, model):
    return client.server.metrics().sum("torchferry_in_flight_requests", model=model)


@BOTH
def test_requests_of_a_stream_share_a_batch_and_keep_their_order(client, api):
    requests = [api.request("six", x(i), str(i)) for i in range(30)]
    answers = [api.seen(answer) for answer in api.open(client, iter(requests), timeout=SECONDS)]
    assert answers == [(str(i), [2.0 * i]) for i in range(30)]
    page = client.server.metrics()
    assert page.sum("torchferry_batch_rows_count", model="six") == 5
    assert page.sum("torchferry_batch_rows_sum", model="six") == 30


@BOTH
def test_an_error_is_the_answer_of_its_request_alone(client, api):
    requests = [api.request("six", x(i), str(i)) for i in range(6)]
    requests.insert(3, api.request("six", {"z": np.ones([1, 1], np.float32)}, "wrong"))
    requests.insert(5, api.request("nobody", x(1), "unknown"))
    answers = [api.seen(answer) for answer in api.open(client, iter(requests), timeout=SECONDS)]
    assert [id for id, _ in answers] == ["0", "1", "2", "wrong", "3", "unknown", "4", "5"]
    assert "is missing" in answers[3][1] and "nobody" in answers[5][1]
    assert [value for _, value in answers if isinstance(value, list)] == [[2.0 * i] for i in range(6)]


@BOTH
def test_no_more_than_so_many_are_in_flight_and_all_go_with_their_stream(client, api):
    requests = queue.SimpleQueue()
    for i in range(3 * MAX_IN_FLIGHT):
        requests.put(api.request("seventeen", x(i)))
    stream = api.open(client, iter(requests.get, None), timeout=600)
    harness.wait_until(lambda: in_flight(client, "seventeen") >= MAX_IN_FLIGHT, "the stream is full")
    # Another stream's request completes the batch: all of the first were in flight, and no more.
    other = api.open(client, iter([api.request("seventeen", x(100), "other")]), timeout=SECONDS)
    assert api.seen(next(other)) == ("other", [200.0])
    assert client.server.metrics().sum("torchferry_batch_rows_sum", model="seventeen") == MAX_IN_FLIGHT + 1
    for i in range(MAX_IN_FLIGHT):
        assert api.seen(next(stream)) == ("", [2.0 * i])
    harness.wait_until(lambda: in_flight(client, "seventeen") == MAX_IN_FLIGHT, "the next ones are in flight")
    stream.cancel()
    requests.put(None)
    harness.wait_until(lambda: in_flight(client, "seventeen") == 0, "they end with their stream")


@BOTH
def test_the_streams_deadline_ends_what_waits(client, api):
    requests = queue.SimpleQueue()  # the stream stays open
    for i in range(3):
        requests.put(api.request("six", x(i)))
    stream = api.open(client, iter(requests.get, None), timeout=0.5)
    with refused(Code.DEADLINE_EXCEEDED):
        for answer in stream:
            assert "waited in the queue" in api.seen(answer)[1]
    requests.put(None)
    harness.wait_until(lambda: in_flight(client, "six") == 0, "nothing is in flight")


def test_with_state_requests_come_one_after_another_beside_others_of_the_stream(client):
    requests = []
    for i in range(12):
        requests.append(Open.request("running_sum", x(1), f"sum {i}"))
        requests.append(Open.request("zeros", {"n": np.array([i])}, f"zeros {i}"))
    answers = [Open.seen(answer) for answer in Open.open(client, iter(requests), timeout=SECONDS)]
    assert answers[0::2] == [(f"sum {i}", [1001.0 * (i + 1)]) for i in range(12)], "one after another"
    assert answers[1::2] == [(f"zeros {i}", [0.0] * i) for i in range(12)]


@BOTH
@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_large_requests_among_small_ones_keep_their_order(client, api, compression):
    """Large ones are parsed on another thread."""
    sizes = [1 if i % 3 else LARGE + i for i in range(24)]
    requests = [api.request("sum", {"x": np.ones([size], np.float32)}, str(i)) for i, size in enumerate(sizes)]
    requests.insert(9, api.request("sum", {"x": np.ones([LARGE], np.float32), "z": np.ones([LARGE], np.float32)}, "wrong"))
    answers = [api.seen(answer) for answer in api.open(client, iter(requests), timeout=SECONDS, compression=compression)]
    id, error = answers.pop(9)
    assert id == "wrong" and "z" in error
    assert answers == [(str(i), [float(size)]) for i, size in enumerate(sizes)]


def test_large_requests_to_a_model_with_state_keep_their_order(client):
    requests = []
    for i in range(1, 9):
        large = {"x": np.ones([LARGE], np.float32), "n": np.array([1])}
        requests.append(Open.request("sum" if i % 2 else "running_sum", large if i % 2 else x(1), str(i)))
    answers = [Open.seen(answer) for answer in Open.open(client, iter(requests), timeout=SECONDS)]
    assert [id for id, _ in answers] == [str(i) for i in range(1, 9)]
    assert [value for _, value in answers[1::2]] == [[1001.0 * i] for i in range(1, 5)]
    assert all("n" in error for _, error in answers[0::2]), "sum has no such input"


@BOTH
def test_a_stream_that_goes_with_large_requests_in_flight_leaves_nothing(client, api):
    requests = queue.SimpleQueue()
    for _ in range(8):
        requests.put(api.request("sum", {"x": np.ones([LARGE], np.float32)}))
    stream = api.open(client, iter(requests.get, None), timeout=SECONDS)
    assert api.seen(next(stream)) == ("", [float(LARGE)])
    stream.cancel()
    requests.put(None)
    harness.wait_until(lambda: in_flight(client, "sum") == 0, "they end with their stream")
    harness.wait_until(lambda: client.server.metrics().sum("torchferry_request_memory_bytes", kind="used") < LARGE, "and so does their memory")
    assert client.predict_arrays("sum", {"x": np.ones([3], np.float32)})["y"].tolist() == [3.0]


# --- what the client saw is what is counted ---

ALMOST = (1 << 20) // 4 - 2  # the output fits into a message, and the message does not


def counted(client, model):
    page = client.server.metrics()
    return {code: page.sum("torchferry_requests_total", model=model, code=code)
            for code in ("OK", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED")}


def statistics(client, model):
    stats = client.open_stub.ModelStatistics(oip.ModelStatisticsRequest(name=model), timeout=SECONDS).model_stats[0].inference_stats
    return stats.success.count, stats.fail.count


@BOTH
@pytest.mark.parametrize("elements", [ALMOST, 1 << 20])
def test_an_answer_over_the_limit_is_an_error_for_the_client_and_in_the_numbers(client, api, elements):
    requests = [api.request("zeros", {"n": np.array([n])}, str(n)) for n in (2, elements, 3)]
    small, large, after = [api.seen(answer) for answer in api.open(client, iter(requests), timeout=SECONDS)]
    assert (small[1], after[1]) == ([0.0] * 2, [0.0] * 3), "the stream goes on"
    assert "--max-message-mib" in large[1]
    call = client.stub.Predict if api is Ours else client.open_stub.ModelInfer
    with refused(Code.RESOURCE_EXHAUSTED, "--max-message-mib"):
        call(requests[1], timeout=SECONDS)
    harness.wait_until(lambda: counted(client, "zeros") == {"OK": 2, "INVALID_ARGUMENT": 0, "RESOURCE_EXHAUSTED": 2},
                       lambda: f"as the client saw it: {counted(client, 'zeros')}")
    assert statistics(client, "zeros") == (2, 2)


@BOTH
def test_an_invalid_request_is_no_failure_of_the_model(client, api):
    call = client.stub.Predict if api is Ours else client.open_stub.ModelInfer
    for inputs in ({"m": np.array([1])}, {"n": np.array([1]), "m": np.array([1])}):
        with refused(Code.INVALID_ARGUMENT):
            call(api.request("zeros", inputs), timeout=SECONDS)
    with refused(Code.INTERNAL):
        call(api.request("zeros", {"n": np.array([-1])}), timeout=SECONDS)
    harness.wait_until(lambda: counted(client, "zeros")["INVALID_ARGUMENT"] == 2, "they are counted by their code")
    assert statistics(client, "zeros") == (0, 1)
