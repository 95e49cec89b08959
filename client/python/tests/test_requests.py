"""The bytes of a request are those that protobuf reads, whatever the sizes."""

import numpy as np
import pytest

import torchferry
from torchferry import _api, _requests, _wire


def parsed(inputs, **fields):
    arguments = {"model": "m", "version": 0, "inputs": inputs, "outputs": (), "request_id": ""} | fields
    return _api.PredictRequest.FromString(_requests.encode_request(**arguments))


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 4095, 4096, 4097, 1 << 20])
def test_protobuf_reads_what_is_written(count):
    x = np.arange(count, dtype=np.float32)
    request = parsed({"x": x, "ä" * 100: np.int64(7)}, version=2**40, outputs=["y", "z"], request_id="id")
    assert (request.model_name, request.model_version, list(request.outputs), request.request_id) == (
        "m",
        2**40,
        ["y", "z"],
        "id",
    )
    assert set(request.inputs) == {"x", "ä" * 100}
    assert list(request.inputs["x"].shape) == [count]
    assert request.inputs["x"].data == x.tobytes()
    assert request.inputs["x"].dtype == _api.DATA_TYPES["FP32"]
    assert request.inputs["ä" * 100].data == (7).to_bytes(8, "little")
    assert list(request.inputs["ä" * 100].shape) == []


def test_the_same_as_protobuf_itself_would_write():
    ours = _requests.encode_request("m", 3, {"x": np.ones((2, 3), np.float16)}, ["y"], "id")
    theirs = _api.PredictRequest(model_name="m", model_version=3, outputs=["y"], request_id="id")
    theirs.inputs["x"].dtype = _api.DATA_TYPES["FP16"]
    theirs.inputs["x"].shape.extend([2, 3])
    theirs.inputs["x"].data = np.ones((2, 3), np.float16).tobytes()
    assert _api.PredictRequest.FromString(ours) == theirs


@pytest.mark.parametrize(
    "value,encoded",
    [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02"), (2**31, b"\x80\x80\x80\x80\x08")],
)
def test_numbers_are_those_of_the_wire_format(value, encoded):
    assert _wire.varint(value) == encoded


def test_no_inputs_and_empty_names():
    assert dict(parsed({}).inputs) == {}
    assert list(parsed({"": [1.0]}).inputs) == [""]
    with pytest.raises(torchferry.InvalidArgumentError, match="an input's name"):
        parsed({3: [1.0]})
