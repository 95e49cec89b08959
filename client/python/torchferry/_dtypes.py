"""Element types: the API's names, their numbers, and numpy's types."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from torchferry import _api
from torchferry._errors import invalid

# Little-endian, as the API has them. BF16 is missing, as numpy itself lacks it. BYTES is missing, as its elements have
# no fixed size.
_NUMPY: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
_NAME_OF_NUMPY = {dtype: name for name, dtype in _NUMPY.items()}
NAME_OF_NUMBER = {number: name for name, number in _api.DATA_TYPES.items()}
EXPECTED = ", ".join([*(dtype.name for dtype in _NUMPY.values()), "bfloat16 (ml_dtypes or torch)", "str"])


def number_of(name: str) -> int:
    """The API's number of an element type by its name."""
    return _api.DATA_TYPES[name]


def name_of_array(array: np.ndarray[Any, Any], what: str) -> str:
    """The API's name of the array's element type. Raises InvalidArgumentError where the API has no such type; `what`
    names the array in the message."""
    if array.dtype.name == "bfloat16":
        return "BF16"
    name = _NAME_OF_NUMPY.get(array.dtype.newbyteorder("<"))
    if name is None:
        raise invalid(f"{what}: the API has no element type for numpy's {array.dtype}; expected one of {EXPECTED}")
    return name


def little_endian(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array in the API's byte order. It is copied only where it has another."""
    is_other = array.dtype.byteorder == ">" or (array.dtype.byteorder == "=" and sys.byteorder == "big")
    return array.astype(array.dtype.newbyteorder("<")) if is_other else array


def numpy_of(name: str) -> np.dtype[Any] | None:
    """numpy's little-endian type for the API's name; None for BF16 and BYTES."""
    return _NUMPY.get(name)


def bfloat16() -> np.dtype[Any] | None:
    """ml_dtypes' bfloat16; None where ml_dtypes is not installed."""
    try:
        import ml_dtypes
    except ImportError:
        return None
    dtype: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return dtype
