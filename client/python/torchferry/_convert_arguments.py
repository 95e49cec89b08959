"""Turns `--example` of `torchferry convert` into an example for `save`."""

from __future__ import annotations

import importlib
import pathlib
import re
from collections.abc import Sequence
from typing import Any

# Torch's name of each type that a generated example may have.
_TYPES = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "BF16": "bfloat16",
    "FP32": "float32",
    "FP64": "float64",
}
_SPEC = re.compile(r"(?P<name>[^:=]+):(?P<type>[A-Z0-9]+):(?P<sizes>[0-9,]*)")
_MAX_ELEMENTS = 1 << 28


class WrongExample(ValueError):
    """A wrong `--example`. The message says what was expected."""


def example_of(texts: Sequence[str]) -> Any:
    """The example of one `--example` or several.

    "x:FP32:1,3,224,224" generates an input of that name, type and shape. Its elements are the same each time. Floats
    are of a normal distribution; whole numbers and bools are 0 or 1. The file "inputs.npz" has an array for each input,
    by name. The file "x.npy" has the array of the only input. The text "package.module:name" names a function or a
    value of the caller.

    Raises WrongExample, and any exception of the caller's module."""
    if len(texts) == 1:
        path = pathlib.Path(texts[0])
        if path.suffix in (".npy", ".npz"):
            return _from_file(path)
        if _SPEC.fullmatch(texts[0]) is None and re.fullmatch(r"[\w.]+:\w+", texts[0]):
            return _from_module(texts[0])
    inputs: dict[str, Any] = {}
    for text in texts:
        name, tensor = _generated(text)
        if name in inputs:
            raise WrongExample(f"--example names {name} twice")
        inputs[name] = tensor
    return inputs


def _generated(text: str) -> tuple[str, Any]:
    import torch

    found = _SPEC.fullmatch(text)
    if found is None:
        raise WrongExample(
            f"--example is {text!r}; expected NAME:TYPE:SIZES such as x:FP32:1,3,224,224, a file .npz or .npy, or "
            "package.module:function"
        )
    if found["type"] not in _TYPES:
        raise WrongExample(f"--example {text!r} has the type {found['type']}; expected one of {', '.join(_TYPES)}")
    sizes = [int(size) for size in found["sizes"].split(",") if size]
    elements = 1
    for size in sizes:
        elements *= size
    if elements > _MAX_ELEMENTS or len(found["sizes"].split(",")) != max(1, len(sizes)):
        raise WrongExample(
            f"--example {text!r} has the sizes {found['sizes']}; expected up to {_MAX_ELEMENTS} elements: 1,3,224"
        )
    dtype: torch.dtype = getattr(torch, _TYPES[found["type"]])
    generator = torch.Generator().manual_seed(0)
    if dtype.is_floating_point:
        return found["name"], torch.randn(sizes, generator=generator).to(dtype)
    return found["name"], torch.randint(0, 2, sizes, generator=generator).to(dtype)


def _from_file(path: pathlib.Path) -> Any:
    import numpy

    try:
        loaded = numpy.load(path, allow_pickle=False)
        return loaded if path.suffix == ".npy" else {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError) as error:
        raise WrongExample(f"--example {path} cannot be read: {error}") from error


def _from_module(text: str) -> Any:
    module, _, name = text.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise WrongExample(f"--example {text}: {error}; it is looked for in the current folder, too") from error
    except AttributeError:
        raise WrongExample(f"--example {text}: {module} has no {name}") from None
