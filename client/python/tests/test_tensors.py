"""Arrays of every kind become the API's tensors and back, without a copy where their memory allows it."""

import types

import numpy as np
import pytest

import torchferry
from torchferry import _dtypes, _tensors

NUMPY = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "u2",
    "UINT32": "u4",
    "UINT64": "u8",
    "INT8": "i1",
    "INT16": "i2",
    "INT32": "i4",
    "INT64": "i8",
    "FP16": "f2",
    "FP32": "f4",
    "FP64": "f8",
}


def encode(value):
    return _tensors.encode(value, "input 'x'")


def decode(name, shape, data):
    message = types.SimpleNamespace(dtype=_dtypes.number_of(name), shape=shape, data=bytes(data))
    return _tensors.decode(message, "output 'y'")


def address_of(elements):
    return np.frombuffer(elements.data, np.uint8).__array_interface__["data"][0]


class ByDLPack:
    """An array of a library that numpy knows nothing of."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **arguments):
        return self.array.__dlpack__(**arguments)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class Elsewhere:
    """An array on a device."""

    def __dlpack__(self, **_):
        raise BufferError("it is on a GPU")

    def __dlpack_device__(self):
        return (2, 0)


@pytest.mark.parametrize("name", NUMPY)
@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 0, 3), (2, 3, 4)])
def test_each_element_type_comes_back_as_it_went(name, shape):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(NUMPY[name])
    elements = encode(array)
    assert (elements.dtype, elements.shape) == (name, shape)
    back = decode(name, shape, elements.data)
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype
    assert back.flags.writeable


def test_contiguous_memory_is_not_copied():
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert address_of(encode(array)) == array.__array_interface__["data"][0]
    assert address_of(encode(ByDLPack(array))) == array.__array_interface__["data"][0]


@pytest.mark.parametrize(
    "change",
    [lambda a: a.T, lambda a: a[:, ::2], lambda a: a[::-1], lambda a: a.astype(">f4")],
    ids=["transposed", "strided", "reversed", "big-endian"],
)
def test_other_memory_becomes_row_major_and_little_endian(change):
    array = change(np.arange(24, dtype=np.float32).reshape(4, 6))
    elements = encode(array)
    assert bytes(elements.data) == array.astype("<f4").tobytes()
    assert elements.shape == array.shape


@pytest.mark.parametrize("value,dtype,shape", [
    (1.5, "FP32", ()), (7, "INT64", ()), (True, "BOOL", ()), (np.float64(1), "FP64", ()), (np.int8(1), "INT8", ()),
    ([1.5, 2], "FP32", (2,)),
    ([[1, 2], [3, 4]], "INT64", (2, 2)), ([True, False], "BOOL", (2,)), ((1.0,), "FP32", (1,)),
    ([np.float64(1), 2.0], "FP64", (2,)), ([np.ones(2), np.ones(2)], "FP64", (2, 2)), ([], "FP32", (0,)),
])  # fmt: skip
def test_pythons_numbers_have_the_models_types(value, dtype, shape):
    elements = encode(value)
    assert (elements.dtype, elements.shape) == (dtype, shape)


@pytest.mark.parametrize(
    "value,shape",
    [
        ("häh", ()),
        (b"h\xc3\xa4h", ()),
        (["häh", "b"], (2,)),
        (np.array([["häh"], ["b"]]), (2, 1)),
        (np.array(["häh"], object), (1,)),
        ([b"h\xc3\xa4h\0"], (1,)),
    ],
)
def test_text_travels_as_lengths_and_utf8(value, shape):
    elements = encode(value)
    assert (elements.dtype, elements.shape) == ("BYTES", shape)
    assert bytes(elements.data[4:8]) == "häh".encode()
    assert int.from_bytes(elements.data[:4], "little") in (4, 5)


def test_bfloat16_comes_and_goes_through_ml_dtypes():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.array([[1.0, -2.5], [3e38, 0.0]], ml_dtypes.bfloat16)
    elements = encode(array)
    assert (elements.dtype, elements.shape) == ("BF16", (2, 2))
    back = decode("BF16", (2, 2), elements.data)
    assert back.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(back.astype(np.float32), array.astype(np.float32))


def test_bfloat16_is_widened_exactly_without_ml_dtypes(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ml_dtypes", None)
    back = decode("BF16", (3,), np.array([0x3F80, 0xC020, 0x7F80], "<u2").tobytes())
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, np.array([1.0, -2.5, np.inf], np.float32))


@pytest.mark.parametrize(
    "value,words",
    [
        (np.ones(2, np.complex64), "complex64"),
        (np.array(["2020-01-01"], "datetime64[D]"), "datetime64"),
        ([[1, 2], [3]], "no array"),
        ([None], "NoneType"),
        ({"a": 1}, "dict"),
        (np.ones(2, np.longdouble), "longdouble" if np.dtype(np.longdouble).name == "longdouble" else "float128"),
        (Elsewhere(), "it is on a GPU"),
    ],
)
def test_what_the_api_cannot_carry_is_refused_by_name(value, words):
    with pytest.raises(torchferry.InvalidArgumentError) as raised:
        encode(value)
    assert "input 'x'" in str(raised.value)
    assert words in str(raised.value)
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize(
    "name,shape,data", [("FP32", (2,), b"1234"), ("FP32", (1,), b""), ("BYTES", (1,), b"\0\0\0\0")]
)
def test_an_answer_that_is_no_tensor_is_an_internal_error(name, shape, data):
    with pytest.raises(torchferry.InternalError, match="output 'y'"):
        decode(name, shape, data)
