"""The request log: a line for each request at debug, and each INTERNAL at warning, whole."""

import grpc
import numpy as np
import pytest

import harness
from harness import Client, Code, predict_request, refused
from wire import oip, pb, reference


@pytest.fixture
def start_logging(store, start):
    """start_logging(level): a server over two models, whose log is JSON."""

    def start_one(level):
        store.add("mlp")
        store.add("mlp_bare")
        return start("--log-format", "json", "--log-level", level)

    return start_one


def request_lines(server, count):
    """The lines of requests, when there are so many. A line is written before its answer is sent."""
    lines = [line for line in server.log_lines() if line["message"] == "request"]
    assert len(lines) == count, server.log()
    return lines


def without_times(line):
    assert line["milliseconds"] >= 0
    return {key: value for key, value in line.items() if key not in ("time", "milliseconds")}


def oip_request(rows, **fields):
    x = reference("mlp", "x", rows)
    request = oip.ModelInferRequest(model_name="mlp", raw_input_contents=[x.tobytes()], **fields)
    request.inputs.add(name="x", datatype="FP32", shape=x.shape)
    return request


def test_each_request_of_both_apis_has_a_line_at_debug(start_logging):
    server = start_logging("debug")
    x = {"x": reference("mlp", "x", 1)}
    with Client(server.address) as client:
        client.predict("mlp", x, request_id='a "b"\nc')
        with refused(Code.NOT_FOUND, "99"):
            client.predict("mlp", x, model_version=99)
        stream = client.stub.PredictStream(iter([predict_request("mlp", x), pb.PredictRequest(model_name="mlp")]),
                                           timeout=harness.DEADLINE_SECONDS)
        assert [answer.error_code for answer in stream] == [0, Code.INVALID_ARGUMENT.value[0]]
        client.open_stub.ModelInfer(oip_request(7, id="7"), timeout=harness.DEADLINE_SECONDS)
        list(client.open_stub.ModelStreamInfer(iter([oip_request(1)]), timeout=harness.DEADLINE_SECONDS))
    lines = [without_times(line) for line in request_lines(server, 6)]
    # Those of a stream run at the same time.
    lines[2:4] = sorted(lines[2:4], key=lambda line: line["code"] != "OK")
    device = lines[0]["device"]
    assert device != ""
    ok = {"level": "debug", "message": "request", "model": "mlp", "version": 1, "device": device, "code": "OK"}
    assert lines[0] == ok | {"method": "Predict", "request_id": 'a "b"\nc'}
    assert "99" in lines[1].pop("error")
    assert lines[1] == ok | {"method": "Predict", "version": 99, "device": "", "code": "NOT_FOUND"}
    assert lines[2] == ok | {"method": "PredictStream"}
    assert '"x"' in lines[3].pop("error")
    assert lines[3] == ok | {"method": "PredictStream", "device": "", "code": "INVALID_ARGUMENT"}
    assert lines[4] == ok | {"method": "ModelInfer", "request_id": "7"}
    assert lines[5] == ok | {"method": "ModelStreamInfer"}


def test_a_model_that_raises_is_in_the_log_whole(start_logging):
    server = start_logging("warning")
    with Client(server.address) as client:
        client.predict("mlp", {"x": reference("mlp", "x", 1)})
        with pytest.raises(grpc.RpcError) as error:
            client.predict("mlp_bare", {"x": np.zeros((1, 5), np.float32)})
        assert error.value.code() == Code.INTERNAL
    (line,) = request_lines(server, 1)
    message = line.pop("error")
    assert without_times(line) == {"level": "warning", "message": "request", "method": "Predict", "model": "mlp_bare",
                                   "version": 1, "device": "", "code": "INTERNAL"}
    assert "config.pbtxt" in message
    told, cut, _ = error.value.details().partition(" … (the whole message is in the server's log)")
    assert message.startswith(told) if cut else message == told


def test_a_name_that_is_too_long_is_cut_in_the_log(start_logging):
    server = start_logging("debug")
    with Client(server.address) as client, refused(Code.INVALID_ARGUMENT, "1025", "1024"):
        client.predict("m" * 1025, {"x": reference("mlp", "x", 1)})
    (line,) = request_lines(server, 1)
    assert line["model"] == "m" * 256 + "…"
