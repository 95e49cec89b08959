"""Tensors of torch become the API's, without a copy where they are dense, on the CPU and not of another byte order."""

import numpy as np
import pytest

import torchferry
from torchferry import _tensors

torch = pytest.importorskip("torch")


def encode(value):
    return _tensors.encode(value, "input 'x'")


DTYPES = {
    torch.bool: "BOOL",
    torch.uint8: "UINT8",
    torch.int8: "INT8",
    torch.int16: "INT16",
    torch.int32: "INT32",
    torch.int64: "INT64",
    torch.float16: "FP16",
    torch.bfloat16: "BF16",
    torch.float32: "FP32",
    torch.float64: "FP64",
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0, 2), (2, 3)])
def test_each_element_type_goes_as_it_is(dtype, shape):
    tensor = torch.arange(int(np.prod(shape))).reshape(shape).to(dtype)
    elements = encode(tensor)
    assert (elements.dtype, elements.shape) == (DTYPES[dtype], shape)
    assert bytes(elements.data) == tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if shape else True
    assert len(elements.data) == tensor.numel() * tensor.element_size()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_dense_memory_is_not_copied(dtype):
    tensor = torch.ones(3, 4, dtype=dtype, requires_grad=True)
    assert np.frombuffer(encode(tensor).data, np.uint8).__array_interface__["data"][0] == tensor.data_ptr()


def test_views_become_row_major():
    tensor = torch.arange(6.0).reshape(2, 3)
    assert bytes(encode(tensor.T).data) == tensor.T.contiguous().numpy().tobytes()


@pytest.mark.parametrize(
    "make,words",
    [
        (lambda: torch.eye(2).to_sparse(), "to_dense"),
        (lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8), "dequantize"),
        (lambda: torch.ones(2, dtype=torch.complex64), "complex64"),
        (lambda: torch.ones(2).to(torch.float8_e4m3fn), "float8_e4m3fn"),
    ],
)
def test_what_the_api_cannot_carry_is_refused_by_name(make, words):
    with pytest.raises(torchferry.InvalidArgumentError, match=words):
        encode(make())


def test_a_prediction_gives_tensors_of_the_same_memory():
    prediction = torchferry.Prediction({"y": np.ones([2], np.float32)}, model="m", version=1, execution=None)
    tensor = prediction.tensors()["y"]
    tensor[0] = 5
    assert prediction["y"][0] == 5


def test_a_prediction_in_bfloat16_gives_bfloat16():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    prediction = torchferry.Prediction({"y": np.array([1.5], ml_dtypes.bfloat16)}, model="m", version=1, execution=None)
    tensor = prediction.tensors()["y"]
    assert tensor.dtype == torch.bfloat16 and tensor.item() == 1.5
