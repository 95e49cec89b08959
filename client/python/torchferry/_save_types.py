"""Inputs and outputs of a saved model: names, element types and sizes, as config.pbtxt and the passport have them."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

ANY = -1

# torch's name of an element type, and the API's.
_API_NAMES: dict[torch.dtype, str] = {
    torch.bool: "BOOL",
    torch.uint8: "UINT8",
    torch.uint16: "UINT16",
    torch.uint32: "UINT32",
    torch.uint64: "UINT64",
    torch.int8: "INT8",
    torch.int16: "INT16",
    torch.int32: "INT32",
    torch.int64: "INT64",
    torch.float16: "FP16",
    torch.bfloat16: "BF16",
    torch.float32: "FP32",
    torch.float64: "FP64",
}


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """One input or output.

    `type` is the API's name of the element type, such as "FP32". `dims` are the sizes; -1 stands for any. They lack the
    batch dimension where the signature has a `max_batch_size`.
    """

    name: str
    type: str
    dims: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Signature:
    """Inputs and outputs of a model. Inputs are in the order of `forward`'s arguments, outputs in that of its results.

    `max_batch_size` is the max number of rows, dimension 0 of each tensor, in a batch that requests share. With 0 they
    share none, and `dims` are whole shapes.
    """

    max_batch_size: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def api_name(dtype: torch.dtype) -> str | None:
    """The API's name of a type, such as "FP32" for torch.float32. None: config.pbtxt has no type for it."""
    return _API_NAMES.get(dtype)


def config_type(name: str) -> str:
    """The name in config.pbtxt of the API's type: TYPE_FP32 for "FP32"."""
    return "TYPE_STRING" if name == "BYTES" else f"TYPE_{name}"


def raw_bytes(tensor: torch.Tensor) -> bytes:
    """The bytes of the elements, row-major and little-endian."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    data: Any = flat.view(torch.uint8).numpy() if flat.numel() else flat.to(torch.uint8).numpy()
    return bytes(data.tobytes())
