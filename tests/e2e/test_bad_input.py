"""A request that is wrong gets its code and a message that names the value; the next good one is right."""

import socket

import grpc
import numpy as np
import pytest

import harness
from harness import Client, Code, predict_request, refused
from stores import Store
from wire import array, assert_close, pb, reference

LIMIT = 1 << 20  # bytes of a message


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad_input")
    store = Store(folder / "store")
    for name in ("mlp", "mlp_bare", "pair", "scalar_args", "optional_list"):
        store.add(name)
    with harness.serving(store, folder, "--max-message-mib", "1") as server:
        yield server.wait_settled()


@pytest.fixture
def client(server):
    with Client(server.address) as client:
        yield client
        assert_good_request_is_right(client)


def assert_good_request_is_right(client):
    outputs = client.predict_arrays("mlp", {"x": reference("mlp", "x", 7)})
    assert_close(outputs["probabilities"], reference("mlp", "probabilities", 7))


X = np.zeros((1, 4), np.float32)


def x(shape, data=None, dtype=pb.DATA_TYPE_FP32):
    """An input "x" as it stands: shape and bytes need not agree."""
    if data is None:
        data = bytes(4 * max(0, int(np.prod(shape))))
    return {"x": pb.Tensor(dtype=dtype, shape=shape, data=data)}


INVALID = Code.INVALID_ARGUMENT
BAD = {
    "unknown_model": (Code.NOT_FOUND, predict_request("no_such_model", {"x": X}), ["no_such_model"]),
    "unknown_version": (Code.NOT_FOUND, predict_request("mlp", {"x": X}, model_version=99), ["mlp", "99"]),
    "missing_input": (INVALID, predict_request("pair", {"values": np.zeros((1, 3), np.float32)}), ["factor"]),
    "unknown_input": (INVALID, predict_request("mlp", {"x": X, "colour": X}), ["colour"]),
    "misspelt_input": (INVALID, predict_request("mlp", {"X": X}), ['"x"']),
    "wrong_dtype": (INVALID, predict_request("mlp", {"x": X.astype(np.float64)}), ['"x"', "FP64", "FP32"]),
    "unspecified_dtype": (INVALID, predict_request("mlp", x([1, 4], dtype=pb.DATA_TYPE_UNSPECIFIED)), ['"x"']),
    "undefined_dtype": (INVALID, predict_request("mlp", x([1, 4], dtype=99)), ['"x"', "99"]),
    "wrong_rank": (INVALID, predict_request("mlp", x([1, 1, 4])), ['"x"', "[1, 1, 4]", "[-1, 4]"]),
    "missing_batch_dimension": (INVALID, predict_request("mlp", x([4])), ['"x"', "[4]"]),
    "scalar_for_a_tensor": (INVALID, predict_request("mlp", x([], bytes(4))), ['"x"', "[]"]),
    "wrong_dimension": (INVALID, predict_request("mlp", x([1, 5])), ['"x"', "[1, 5]", "5", "4"]),
    "too_few_bytes": (INVALID, predict_request("mlp", x([1, 4], bytes(12))), ['"x"', "12", "16"]),
    "too_many_bytes": (INVALID, predict_request("mlp", x([1, 4], bytes(20))), ['"x"', "20", "16"]),
    "no_bytes": (INVALID, predict_request("mlp", x([1, 4], b"")), ['"x"', "0", "16"]),
    "negative_dimension": (INVALID, predict_request("mlp", x([-1, 4], bytes(16))), ['"x"', "-1"]),
    "least_dimension": (INVALID, predict_request("mlp", x([-(2**63), 4], bytes(16))), ['"x"', str(-(2**63))]),
    "overflowing_dimension": (INVALID, predict_request("mlp", x([2**62, 4], b"")), ['"x"', str(2**62)]),
    "overflowing_product": (INVALID, predict_request("mlp_bare", x([2**32, 2**32], b"")), ['"x"', str(2**32)]),
    "overflowing_bytes": (INVALID, predict_request("mlp_bare", x([2**61, 2], b"")), ['"x"', str(2**61)]),
    "no_rows": (INVALID, predict_request("mlp", x([0, 4], b"")), ['"x"', "0", "64"]),
    "too_many_rows": (INVALID, predict_request("mlp", x([65, 4])), ['"x"', "65", "64"]),
    "rows_that_disagree": (
        INVALID,
        predict_request("pair", {"values": np.zeros((2, 3), np.float32), "factor": np.zeros((3, 1), np.int64)}),
        ["values", "factor", "2", "3"]),
    "unknown_output": (INVALID, predict_request("mlp", {"x": X}, outputs=["probabilities", "colour"]), ["colour"]),
    "empty_request": (INVALID, pb.PredictRequest(), ["model_name"]),
    "no_inputs": (INVALID, pb.PredictRequest(model_name="mlp"), ['"x"']),
    "scalar_of_two": (
        INVALID,
        predict_request("scalar_args", {"x": X, "scale": 1.0, "n": np.array([1, 2], np.int64), "flag": True}),
        ['"n"', "[2]"]),
    "scalar_of_wrong_dtype": (
        INVALID, predict_request("scalar_args", {"x": X, "scale": 1.0, "n": 1.0, "flag": True}),
        ['"n"', "FP32", "INT64"]),
    "scalar_missing": (INVALID, predict_request("scalar_args", {"x": X, "scale": 1.0, "n": 1}), ['"flag"']),
    "list_with_a_gap": (
        INVALID, predict_request("optional_list", {"x": X, "parts__0": X, "parts__2": X}), ["parts__1"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_request_is_refused_by_value(client, case):
    code, request, fragments = BAD[case]
    with refused(code, *fragments):
        client.stub.Predict(request, timeout=harness.DEADLINE_SECONDS)


def test_bad_request_in_a_stream_is_an_answer_and_the_stream_goes_on(client):
    good = {"x": reference("mlp", "x", 1)}
    requests = [predict_request("mlp", good, request_id="first"),
                predict_request("mlp", {"x": X.astype(np.float64)}, request_id="second"),
                predict_request("no_such_model", good, request_id="third"),
                predict_request("mlp", good, request_id="fourth")]
    answers = list(client.stub.PredictStream(iter(requests), timeout=harness.DEADLINE_SECONDS))
    assert [a.request_id for a in answers] == ["first", "second", "third", "fourth"]
    assert [a.error_code for a in answers] == [0, INVALID.value[0], Code.NOT_FOUND.value[0], 0]
    assert "FP64" in answers[1].error_message
    assert "no_such_model" in answers[2].error_message
    for answer in (answers[0], answers[3]):
        assert_close(array(answer.response.outputs["probabilities"]), reference("mlp", "probabilities", 1))


def test_unknown_model_is_not_found_by_get_model(client):
    with refused(Code.NOT_FOUND, "no_such_model"):
        client.model("no_such_model")
    with refused(Code.NOT_FOUND, "mlp", "99"):
        client.model("mlp", 99)


def test_model_that_raises_is_internal_and_says_what_would_have_caught_it(client):
    # Without a config the server cannot know that rows have 4 columns.
    with refused(Code.INTERNAL, "config.pbtxt"):
        client.predict("mlp_bare", {"x": np.zeros((1, 5), np.float32)})
    outputs = client.predict_arrays("mlp_bare", {"x": reference("mlp", "x", 1)})
    assert_close(outputs["OUTPUT__0"], reference("mlp", "probabilities", 1))


def test_message_over_the_limit_is_refused_by_its_size(client):
    with refused(Code.RESOURCE_EXHAUSTED, LIMIT):
        client.predict("mlp_bare", {"x": np.zeros((LIMIT // 16 + 1, 4), np.float32)})


@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT * 2, LIMIT * 3])
def test_a_plain_client_hears_which_flag_limits_the_message(client, size):
    """gRPC's own error would name neither the flag nor the way out."""
    for method in ("/torchferry.v1.InferenceService/Predict", "/inference.GRPCInferenceService/ModelInfer"):
        call = client.channel.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)
        with refused(Code.RESOURCE_EXHAUSTED, size, LIMIT, "--max-message-mib"):
            call(bytes(size), timeout=harness.DEADLINE_SECONDS)


def test_message_at_the_limit_is_answered(client):
    rows = LIMIT // 16 - 16  # names and tags need their bytes, too
    outputs = client.predict_arrays("mlp_bare", {"x": np.zeros((rows, 4), np.float32)})
    assert outputs["OUTPUT__0"].shape == (rows, 3)


def test_deadline_that_has_passed_is_deadline_exceeded(client):
    for seconds in (-1, -10):
        with pytest.raises(grpc.RpcError) as error:
            client.predict("mlp", {"x": X}, timeout=seconds)
        assert error.value.code() == Code.DEADLINE_EXCEEDED


def test_deadline_that_passed_on_the_way_never_reaches_the_model(store, start):
    store.add("mlp")
    server = start()
    request = predict_request("mlp", {"x": X})
    send_with_timeout(server.address, request, "0n")
    with Client(server.address) as client:
        client.stub.Predict(request, timeout=harness.DEADLINE_SECONDS)
    metrics = server.wait_metrics(
        lambda m: m.sum("torchferry_requests_total", code="OK") > 0, "the good one is counted")
    assert metrics.sum("torchferry_requests_total", code="OK") == 1
    assert metrics.sum("torchferry_compute_duration_seconds_count", model="mlp") == 1


def send_with_timeout(address, request, grpc_timeout):
    """A Predict as bytes of HTTP/2, until its stream is ended by the server. grpcio never sends one that is late."""
    def frame(kind, flags, stream, payload):
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    def literal(name, value):  # an HPACK field, neither indexed nor Huffman-coded
        return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()

    DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
    END_STREAM, END_HEADERS, ACK = 1, 4, 1
    fields = {":method": "POST", ":scheme": "http", ":path": "/torchferry.v1.InferenceService/Predict",
              ":authority": address, "te": "trailers", "content-type": "application/grpc",
              "grpc-timeout": grpc_timeout}
    message = request.SerializeToString()
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=harness.DEADLINE_SECONDS) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, b"") +
                           frame(HEADERS, END_HEADERS, 1, b"".join(literal(k, v) for k, v in fields.items())) +
                           frame(DATA, END_STREAM, 1, b"\0" + len(message).to_bytes(4, "big") + message))
        stream = connection.makefile("rb")
        while True:
            header = stream.read(9)
            assert len(header) == 9, "the connection was closed before the stream ended"
            kind, flags, number = header[3], header[4], int.from_bytes(header[5:], "big")
            stream.read(int.from_bytes(header[:3], "big"))
            assert kind != GOAWAY, "the server takes this for no HTTP/2"
            if kind == SETTINGS and not flags & ACK:
                connection.sendall(frame(SETTINGS, ACK, 0, b""))
            if number == 1 and (kind == RST_STREAM or (kind in (DATA, HEADERS) and flags & END_STREAM)):
                return


# --- requests that wait behind a busy worker ------------------------------------------------------


@pytest.fixture
def busy(store, start, request):
    """A server with one worker, which runs a long request; the future of that request. The parameter, if any: how many
    may wait."""
    store.add("slow")
    server = start("--workers", "1", "--max-queue-size", str(getattr(request, "param", 10)))
    with Client(server.address) as client:
        long_one = slow(client, 1.0, 800)
        server.wait_metrics(
            lambda m: m.sum("torchferry_in_flight_requests", model="slow") == 1
            and m.sum("torchferry_queue_depth", model="slow") == 0, "the long request runs")
        yield server, client, long_one


def slow(client, value, iterations, timeout=harness.DEADLINE_SECONDS):
    request = predict_request("slow", {"value": np.array([value], np.float32), "iterations": iterations})
    return client.stub.Predict.future(request, timeout=timeout)


def value_of(future):
    return array(future.result().outputs["OUTPUT__0"])


def forward_passes(metrics):
    return metrics.sum("torchferry_compute_duration_seconds_count", model="slow")


def waiting(server):
    server.wait_metrics(lambda m: m.sum("torchferry_queue_depth", model="slow") == 1, "the second request waits")


def test_deadline_that_passes_in_the_queue_never_reaches_the_model(busy):
    server, client, long_one = busy
    late = slow(client, 2.0, 1, timeout=0.2)
    assert late.code() == Code.DEADLINE_EXCEEDED
    assert value_of(long_one) == 2.0
    assert value_of(slow(client, 3.0, 1)) == 6.0
    metrics = server.wait_metrics(
        lambda m: m.sum("torchferry_requests_total", model="slow") == 3, "1 late and 2 good requests are counted")
    assert metrics.sum("torchferry_requests_total", model="slow", code="OK") == 2
    # grpcio takes its call back when it is late; which of the two the server notices first is open.
    late_codes = ("DEADLINE_EXCEEDED", "CANCELLED")
    assert sum(metrics.sum("torchferry_requests_total", model="slow", code=code) for code in late_codes) == 1
    assert forward_passes(metrics) == 2


def test_request_that_is_cancelled_in_the_queue_never_reaches_the_model(busy):
    server, client, long_one = busy
    cancelled = slow(client, 2.0, 1)
    waiting(server)
    cancelled.cancel()
    assert value_of(long_one) == 2.0
    assert value_of(slow(client, 3.0, 1)) == 6.0
    metrics = server.wait_metrics(
        lambda m: m.sum("torchferry_requests_total", model="slow", code="CANCELLED") == 1
        and m.sum("torchferry_requests_total", model="slow", code="OK") == 2, "1 cancelled, 2 good ones are counted")
    assert forward_passes(metrics) == 2


@pytest.mark.parametrize("busy", [1], indirect=True)
def test_queue_that_is_full_is_unavailable_and_says_its_size(busy):
    server, client, long_one = busy
    second = slow(client, 2.0, 1)
    waiting(server)
    with refused(Code.UNAVAILABLE, "queue", "1"):
        slow(client, 3.0, 1).result()
    assert value_of(long_one) == 2.0
    assert value_of(second) == 4.0
    assert value_of(slow(client, 3.0, 1)) == 6.0
