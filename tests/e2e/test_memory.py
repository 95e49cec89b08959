"""The server's memory under clients that mean harm: what they send, what they do not finish, what they do not read."""

import struct
import threading
import zlib

import grpc
import numpy as np
import pytest

import harness
from flow_control import FlowConnection, claim, window_setting
from harness import Client, Code, predict_request, refused, wait_until
from stores import Store
from wire import FIXTURES, array, oip, pb, reference

MIB = 1 << 20
MESSAGE = 8 * MIB
BUDGET = 64 * MIB
CONNECTION = 32 * MIB  # four messages, which is more than a quarter
UNPARSED = 32 * MIB
FLAGS = ("--max-message-mib", "8", "--memory-budget-mib", "64", "--send-timeout-seconds", "3600")
PREDICT = "/torchferry.v1.InferenceService/Predict"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """`mlp`, and `product`: values times a factor, of any size."""
    store = Store(tmp_path_factory.mktemp("memory") / "store")
    store.add("mlp")
    store.add_file("product", FIXTURES / "pair" / "1" / "model.pt")
    return store


@pytest.fixture
def server(store, tmp_path):
    with harness.serving(store, tmp_path, *FLAGS) as server:
        server.wait_settled()
        with Client(server.address) as client:
            ask(client)
        yield server


def ask(client):
    """A good request, which must be answered right."""
    x = reference("mlp", "x", 7)
    np.testing.assert_allclose(client.predict_arrays("mlp", {"x": x})["probabilities"], reference("mlp", "probabilities", 7),
                               rtol=1e-5)


def product_request(size):
    """Of about so many bytes, and so is its answer."""
    return predict_request("product", {"values": np.ones(size // 4, np.float32), "factor": np.array([2], np.int64)})


def resident(server, which="VmRSS"):
    with open(f"/proc/{server.process.pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(which + ":"))


def used(page):
    return page.sum("torchferry_request_memory_bytes", kind="used")


def refusals(page):
    return sum(page.sum("torchferry_memory_refusals_total", limit=limit) for limit in ("server", "connection"))


# --- compressed requests --------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_requests_are_answered(server, compression):
    values = np.arange(50000, dtype=np.float32)
    with Client(server.address) as client:
        request = predict_request("product", {"values": values, "factor": np.array([3], np.int64)})
        answer = client.stub.Predict(request, compression=compression, timeout=60)
        np.testing.assert_array_equal(array(answer.outputs["OUTPUT__0"]), values * 3)
        for answer in client.stub.PredictStream(iter([request, request]), compression=compression, timeout=60):
            np.testing.assert_array_equal(array(answer.response.outputs["OUTPUT__0"]), values * 3)
        open_request = oip.ModelInferRequest(model_name="product", raw_input_contents=[values.tobytes(), struct.pack("<q", 3)])
        open_request.inputs.add(name="values", datatype="FP32", shape=values.shape)
        open_request.inputs.add(name="factor", datatype="INT64", shape=[1])
        raw = client.open_stub.ModelInfer(open_request, compression=compression, timeout=60).raw_output_contents[0]
        np.testing.assert_array_equal(np.frombuffer(raw, np.float32), values * 3)
        request = pb.GetModelRequest(model_name="mlp" + " " * 1000)
        with refused(Code.NOT_FOUND, "mlp"):
            client.stub.GetModel(request, compression=compression, timeout=60)
        assert client.stub.ListModels(pb.ListModelsRequest(), compression=compression, timeout=60).versions


def bomb(size):
    """gzip of so many zeros in a field, about a thousandth of the size."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    length = b""
    rest = size
    while rest >= 128:
        length += bytes([rest & 127 | 128])
        rest >>= 7
    out = [compressor.compress(b"\x22" + length + bytes([rest]))]
    block = bytes(MIB)
    out += [compressor.compress(block) for _ in range(size // MIB)]
    return b"".join([*out, compressor.flush()])


def test_a_gzip_bomb_is_refused_without_its_memory(server):
    data = bomb(1024 * MIB)
    assert len(data) < 2 * MIB
    before = resident(server)
    with FlowConnection(server.address) as connection:
        for _ in range(3):
            stream = connection.open(PREDICT, grpc_encoding="gzip")
            connection.write(stream, claim(len(data), compressed=True) + data, end=True)
            assert connection.wait_for_end(stream, 60)
    assert resident(server, "VmHWM") - before < 32 * MIB
    with Client(server.address) as client:
        ask(client)
        with refused(Code.RESOURCE_EXHAUSTED, "--max-message-mib", MESSAGE):
            request = predict_request("product", {"values": np.zeros(3 * MIB, np.float32)})
            client.stub.Predict(request, compression=grpc.Compression.Gzip, timeout=60)


def test_what_cannot_be_inflated_is_refused_by_its_name(server):
    with grpc.insecure_channel(server.address) as channel:
        call = channel.unary_unary(PREDICT, request_serializer=lambda data: data, response_deserializer=lambda data: data)
        with refused(Code.INVALID_ARGUMENT, "torchferry.v1.PredictRequest"):
            call(b"\x22\x7f" + b"x" * 600, timeout=60)
        with refused(Code.INVALID_ARGUMENT, "65536 fields"):
            call(b"\x22\x00" * 70000, timeout=60)


# --- the budget -----------------------------------------------------------------------------------


def leave_unread(server, size, count):
    """A connection whose answers wait: it grants none of their bytes."""
    data = product_request(size).SerializeToString()
    connection = FlowConnection(server.address, settings=window_setting(0))
    for _ in range(count):
        stream = connection.open(PREDICT)
        connection.write(stream, claim(len(data)) + data, end=True, seconds=60)
    return connection


def test_unread_answers_are_held_once_and_within_the_budget(server):
    before = resident(server)
    connections = [leave_unread(server, 6 * MIB, 10) for _ in range(4)]
    page = server.wait_metrics(lambda page: refusals(page) >= 40 - BUDGET // (6 * MIB), "most of them are refused")
    assert used(page) <= BUDGET
    # Each is held once; the heap keeps something of those that were refused.
    wait_until(lambda: resident(server) - before < BUDGET + BUDGET // 2, lambda: f"{(resident(server) - before) / MIB} MiB")
    with Client(server.address) as client:
        ask(client)  # small requests have room of their own
        assert client.health("") == harness.Health.SERVING
        with refused(Code.RESOURCE_EXHAUSTED, "--memory-budget-mib"):
            for _ in range(20):
                client.stub.Predict(product_request(7 * MIB), timeout=60)
            pytest.fail("the budget is not in use")
    for connection in connections:
        connection.close()
    server.wait_metrics(lambda page: used(page) < MIB, "the budget is free again")
    with Client(server.address) as client:
        client.stub.Predict(product_request(7 * MIB), timeout=60)


def test_a_connection_has_a_share_of_the_budget(server):
    with leave_unread(server, 6 * MIB, 12):
        page = server.wait_metrics(lambda page: page.sum("torchferry_memory_refusals_total", limit="connection") > 0,
                                   "the connection's limit refuses")
        assert used(page) <= CONNECTION + MIB
        with Client(server.address) as client:
            for _ in range(5):
                client.stub.Predict(product_request(7 * MIB), timeout=60)


def test_an_answer_that_is_not_read_is_dropped_in_time(store, tmp_path):
    with harness.serving(store, tmp_path, *FLAGS[:-1], "1") as server:
        with leave_unread(server, 2 * MIB, 2) as connection:
            server.wait_metrics(lambda page: used(page) > 4 * MIB, "the answers are held")
            server.wait_metrics(lambda page: used(page) < MIB, "they are dropped")
            assert connection.is_open
            stream = connection.open("/grpc.health.v1.Health/Check")
            connection.write(stream, claim(0), end=True)


def test_an_idle_stream_keeps_nothing_of_its_last_message(server):
    with Client(server.address) as client:
        ended = threading.Event()

        def requests():
            yield product_request(7 * MIB)
            ended.wait(60)

        answers = client.stub.PredictStream(requests(), timeout=120)
        assert len(next(answers).response.outputs["OUTPUT__0"].data) > 6 * MIB
        server.wait_metrics(lambda page: used(page) < MIB, "the stream holds nothing")
        ended.set()
        assert list(answers) == []


def test_a_stream_goes_on_after_a_message_without_memory(server):
    with leave_unread(server, 6 * MIB, 12), leave_unread(server, 6 * MIB, 12), leave_unread(server, 6 * MIB, 12):
        server.wait_metrics(lambda page: page.sum("torchferry_memory_refusals_total", limit="server") > 0, "it is full")
        small = predict_request("mlp", {"x": reference("mlp", "x", 7)})
        with Client(server.address) as client:
            answers = list(client.stub.PredictStream(iter([small, product_request(7 * MIB), small]), timeout=60))
        assert [answer.error_code for answer in answers] == [0, Code.RESOURCE_EXHAUSTED.value[0], 0]
        assert "--memory-budget-mib" in answers[1].error_message


def test_large_requests_of_a_stream_wait_for_room_instead_of_being_refused(server):
    requests = [product_request(7 * MIB)] * 8 + [predict_request("mlp", {"x": reference("mlp", "x", 7)})] * 3
    before = refusals(server.metrics())
    with Client(server.address) as client:
        codes = [answer.error_code for answer in client.stub.PredictStream(iter(requests), timeout=120)]
    assert codes == [0] * len(requests)
    assert refusals(server.metrics()) == before
    server.wait_metrics(lambda page: used(page) < MIB, "nothing is held")


def test_fields_without_content_are_refused_before_they_take_memory(server):
    before = resident(server)
    with grpc.insecure_channel(server.address) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer", request_serializer=lambda data: data,
                                   response_deserializer=lambda data: data)
        for content in (b"\x2a\x00", b"\x32\x00", b"\x3a\x00"):  # inputs, outputs, raw contents
            with refused(Code.INVALID_ARGUMENT, "fields"):
                call(content * (4 * MIB), timeout=60)
        with refused(Code.RESOURCE_EXHAUSTED, "--memory-budget-mib"):  # six million dimensions, of eight bytes each
            body = b"\x1a" + varint(6 * MIB) + bytes(6 * MIB)
            call(b"\x2a" + varint(len(body)) + body, timeout=60)
    assert resident(server, "VmHWM") - before < 48 * MIB


def varint(value):
    out = b""
    while value >= 128:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


# --- what is not finished -------------------------------------------------------------------------


def test_unfinished_messages_are_bounded_together(server):
    before = resident(server)
    connections = [FlowConnection(server.address) for _ in range(4)]
    block = bytes(MIB)
    for connection in connections:
        for _ in range(8):
            stream = connection.open(PREDICT)
            connection.write(stream, claim(MESSAGE), seconds=5)
            for _ in range(7):
                if connection.write(stream, block, seconds=5) < MIB:
                    break
    assert resident(server, "VmHWM") - before < UNPARSED + UNPARSED // 8 + 16 * MIB
    with Client(server.address) as client:
        assert wait_until(lambda: is_answered(client), "a good request is answered")
    for connection in connections:
        connection.close()


def is_answered(client):
    try:
        ask(client)
        return True
    except grpc.RpcError:
        return False


def test_a_message_that_claims_4_gib_holds_no_more_than_the_quota(server):
    before = resident(server)
    with FlowConnection(server.address) as connection:
        stream = connection.open(PREDICT)
        connection.write(stream, claim((1 << 32) - 1))
        block = bytes(MIB)
        sent = 0
        while sent < 512 * MIB and connection.is_open and stream not in connection.ended:
            written = connection.write(stream, block, seconds=2)
            sent += written
            if written < MIB:
                break
        assert sent < 512 * MIB
    assert resident(server, "VmHWM") - before < UNPARSED + UNPARSED // 8 + 16 * MIB
    with Client(server.address) as client:
        ask(client)


def test_streams_of_a_connection_are_bounded(store, tmp_path):
    with harness.serving(store, tmp_path, "--max-streams-per-connection", "3") as server:
        with FlowConnection(server.address) as connection:
            for _ in range(3):
                connection.open(PREDICT)
            connection.pump(1)
            assert connection.is_open and not connection.ended
            connection.open(PREDICT)
            wait_until(lambda: connection.pump(0.1) or not connection.is_open, "a connection with more is ended")
        with Client(server.address) as client:  # which knows the limit, and keeps it
            request = predict_request("mlp", {"x": reference("mlp", "x", 7)})
            for call in [client.stub.Predict.future(request, timeout=60) for _ in range(20)]:
                assert call.result().model_name == "mlp"
