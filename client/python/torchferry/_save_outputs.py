"""The outputs of a model and their names, and a module that gives them by name."""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from torchferry._save_peel import alike
from torchferry._save_report import SaveError


class Form(enum.Enum):
    """The form of `forward`'s result: one tensor, a flat tuple or list, a flat named tuple, a flat dict, or another."""

    TENSOR = "tensor"
    SEQUENCE = "sequence"
    NAMED_TUPLE = "named tuple"
    DICT = "dict"
    OTHER = "other"


@dataclasses.dataclass(frozen=True)
class Outputs:
    """The result of `forward`, flat: tensors by name, in its order.

    `left_out` has a sentence for each value that is no tensor. `form` is the form of the result. `is_plain`: the server
    gives the tensors these names by itself.
    """

    tensors: dict[str, torch.Tensor]
    left_out: tuple[str, ...]
    form: Form
    is_plain: bool
    has_gaps: bool  # whether None is among the values


def outputs_of(result: Any, names: Sequence[str] | None) -> Outputs:
    """The outputs in a result of `forward`. Their names are the keys of a dict, or the fields of a named tuple, a
    dataclass or a transformers output. The first value of a tuple under "pair" is "pair_0". Other outputs are
    OUTPUT__0, OUTPUT__1, …, and None takes a number, too. `names` replaces all names.

    Raises SaveError where there is no tensor. Raises it, too, where `names` has another number of names than there are
    tensors, or an empty or repeated name.
    """
    leaves: list[tuple[str, Any]] = []
    _flatten(result, "", leaves)
    tensors: dict[str, torch.Tensor] = {}
    left_out: list[str] = []
    for place, (path, value) in enumerate(leaves):
        base = path if path and not path[0].isdigit() else f"OUTPUT__{place}"
        name, number = base, 0
        while name in tensors:
            number += 1
            name = f"{base}_{number}"
        if isinstance(value, torch.Tensor):
            tensors[name] = value
        elif value is not None:
            left_out.append(f"output {name} is a {type(value).__name__} and no tensor: answers do not have it")
    if not tensors:
        raise SaveError(
            f"forward gives no tensor, but a {type(result).__name__}; return tensors, or a tuple or dict of them"
        )
    form = _form(result)
    gaps = any(value is None for _, value in leaves)
    if names is None:
        return Outputs(tensors, tuple(left_out), form, form in (Form.TENSOR, Form.SEQUENCE, Form.DICT), gaps)
    if len(names) != len(tensors) or len(set(names)) != len(names) or not all(names):
        raise SaveError(
            f"output_names is {list(names)}; expected {len(tensors)} different names, for forward gives "
            f"{', '.join(tensors)}"
        )
    return Outputs(dict(zip(names, tensors.values(), strict=True)), tuple(left_out), form, False, gaps)


def named(module: nn.Module, names: Sequence[str] | None) -> nn.Module:
    """A module with the same parameters. Its forward takes the same arguments and gives a dict of tensors by name."""
    twin = alike(module, {})
    inner = twin.forward

    @functools.wraps(inner)
    def forward(*args: Any, **kwargs: Any) -> dict[str, torch.Tensor]:
        return outputs_of(inner(*args, **kwargs), names).tensors

    twin.__dict__["forward"] = forward
    return twin


def _form(result: Any) -> Form:
    if isinstance(result, torch.Tensor):
        return Form.TENSOR
    if isinstance(result, (tuple, list)) and all(value is None or isinstance(value, torch.Tensor) for value in result):
        if hasattr(result, "_fields"):
            return Form.NAMED_TUPLE
        return Form.SEQUENCE if type(result) in (tuple, list) else Form.OTHER
    if type(result) in (dict, collections.OrderedDict) and all(_is_entry(key, value) for key, value in result.items()):
        return Form.DICT
    return Form.OTHER


def _is_entry(key: Any, value: Any) -> bool:
    """Whether the key is the output's name without a change, and the value is a tensor."""
    return isinstance(key, str) and key != "" and not key[0].isdigit() and isinstance(value, torch.Tensor)


def _flatten(value: Any, path: str, leaves: list[tuple[str, Any]]) -> None:
    children: list[tuple[str, Any]]
    if isinstance(value, Mapping):
        children = [(str(key), child) for key, child in value.items()]
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        children = list(zip(value._fields, value, strict=True))
    elif isinstance(value, (tuple, list)):
        children = [(str(index), child) for index, child in enumerate(value)]
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        children = [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    else:
        leaves.append((path, value))
        return
    for name, child in children:
        _flatten(child, f"{path}_{name}" if path else name, leaves)
