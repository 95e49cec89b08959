"""Converts arrays of numpy, torch and others, lists, scalars and text to and from the API's Tensor message.

The message has the element type, the shape (slowest dimension first) and the elements' bytes, row-major and
little-endian.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np

from torchferry import _dtypes
from torchferry._errors import InternalError, invalid

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


@runtime_checkable
class SupportsDLPack(Protocol):
    """torch.Tensor, jax.Array, cupy.ndarray and others."""

    def __dlpack__(self) -> Any: ...


# The types of an input. Floats become FP32, ints INT64, bools BOOL, and text BYTES; so do lists of them. Arrays keep
# their element type.
TensorLike: TypeAlias = Array | np.generic | SupportsDLPack | Sequence[Any] | bool | int | float | str | bytes


class Elements(NamedTuple):
    """A tensor in the API's form. `data` is the caller's memory where that is contiguous and little-endian, on the CPU.
    Otherwise, and for text, it is a copy."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes | memoryview


def encode(value: TensorLike, what: str) -> Elements:
    """The value as a tensor. Raises InvalidArgumentError for a value that the API cannot carry. `what` names the value
    in the message, such as "input 'x'"."""
    torch = sys.modules.get("torch")  # a torch.Tensor cannot be here unless somebody has imported torch
    if torch is not None and isinstance(value, torch.Tensor):
        return _encode_torch(torch, value, what)
    if not isinstance(value, (np.ndarray, np.generic)) and isinstance(value, SupportsDLPack):
        return _encode_dlpack(torch, value, what)
    return _encode_array(_array_of(value, what), what)


def _array_of(value: Any, what: str) -> Array:
    if isinstance(value, (bytes, str)):
        return np.array(value, dtype=object)
    if isinstance(value, (np.ndarray, np.generic)):
        return np.asarray(value)
    try:
        array = np.asarray(value)
    except ValueError as error:  # lists of unequal lengths
        raise invalid(f"{what}: it is no array: {error}") from None
    if array.dtype.kind in "US":
        return np.asarray(value, dtype=object)  # numpy's fixed width would cut zeros off the end of bytes
    if array.dtype == np.float64 and not _has_doubles(value):
        return array.astype(np.float32)
    return array


def _has_doubles(value: Any) -> bool:
    """Whether the value has an array or scalar of numpy, whose float64 is kept. Python's floats alone become FP32,
    though numpy makes float64 of them."""
    if isinstance(value, (list, tuple)):
        return any(_has_doubles(item) for item in value)
    return not isinstance(value, (float, int)) or isinstance(value, np.generic)


def _encode_array(array: Array, what: str) -> Elements:
    if array.dtype.kind in "OUS":
        return _encode_text(array, what)
    name = _dtypes.name_of_array(array, what)
    # ascontiguousarray would make a scalar one-dimensional.
    dense = (
        _dtypes.little_endian(array).reshape(-1)
        if array.ndim == 0
        else np.ascontiguousarray(_dtypes.little_endian(array))
    )
    # This is a view of bytes: memoryview has no bfloat16, and cannot cast a dimension of size 0.
    data = dense.reshape(-1).view(np.uint8).data if dense.size else b""
    return Elements(name, array.shape, data)


def _encode_text(array: Array, what: str) -> Elements:
    """Encodes each element as its length in 4 bytes, little-endian, then its bytes. A str is encoded as UTF-8."""
    pieces = []
    for item in array.reshape(-1).tolist():
        if isinstance(item, str):
            item = item.encode()
        if not isinstance(item, bytes):
            raise invalid(
                f"{what}: an element is of type {type(item).__name__}; expected an array of one of {_dtypes.EXPECTED}"
            )
        pieces += [len(item).to_bytes(4, "little"), item]
    return Elements("BYTES", array.shape, b"".join(pieces))


def _encode_torch(torch: Any, tensor: Any, what: str) -> Elements:
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise invalid(
            f"{what}: a torch.Tensor of layout {tensor.layout}, dtype {tensor.dtype}; expected a dense one: "
            "x.to_dense(), x.dequantize()"
        )
    dense = tensor.detach().cpu().resolve_conj().resolve_neg()
    if tensor.dtype == torch.bfloat16:
        return _encode_array(dense.view(torch.int16).numpy(), what)._replace(dtype="BF16")
    try:
        array = dense.numpy()
    except TypeError:
        raise invalid(
            f"{what}: the API has no element type for {tensor.dtype}; expected one of {_dtypes.EXPECTED}"
        ) from None
    return _encode_array(array, what)


def _encode_dlpack(torch: Any, value: SupportsDLPack, what: str) -> Elements:
    try:
        return _encode_array(np.from_dlpack(value), what)  # type: ignore[arg-type]
    except (BufferError, RuntimeError, TypeError, ValueError) as error:  # not on the CPU, or bfloat16
        reason = error
    if hasattr(value, "__array__"):
        return _encode_array(np.asarray(value), what)
    if torch is not None:
        # The exception depends on the library that owns the memory, such as AssertionError without CUDA.
        with contextlib.suppress(Exception):
            return _encode_torch(torch, torch.from_dlpack(value), what)
    kind = type(value).__name__
    raise invalid(f"{what}: numpy cannot take this {kind} by DLPack: {reason}; copy it to the host's memory first")


def decode(message: Any, what: str) -> Array:
    """The message as an array that shares no memory with it. BF16 becomes ml_dtypes' bfloat16 where that is installed,
    and exactly the same numbers in float32 otherwise. Raises InternalError where bytes and shape disagree. Raises it,
    too, for an element type that numpy does not have, such as BYTES."""
    name, shape, data = (
        _dtypes.NAME_OF_NUMBER.get(message.dtype, str(message.dtype)),
        tuple(message.shape),
        message.data,
    )
    dtype = np.dtype("<u2") if name == "BF16" else _dtypes.numpy_of(name)
    if dtype is None:
        raise InternalError("INTERNAL", f"{what}: the server sent element type {name}, which this client does not know")
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise InternalError("INTERNAL", f"{what}: the server sent {len(data)} bytes for {name} of shape {list(shape)}")
    array = np.frombuffer(bytearray(data), dtype).reshape(shape)
    return _widen(array) if name == "BF16" else array


def _widen(bits: Array) -> Array:
    bfloat16 = _dtypes.bfloat16()
    if bfloat16 is not None:
        return bits.view(bfloat16)
    return np.asarray(bits.astype("<u4") << 16, "<u4").view("<f4")
