"""Generates golden inputs. A passport has a seed in place of their elements, which leaves room for large inputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import torch

from torchferry._save_example import Arguments
from torchferry._save_outputs import Outputs
from torchferry._save_probe import Case
from torchferry._save_report import reason_of

MAX_BYTES = 16 << 20  # the max of all generated inputs of a passport
_TYPES = (torch.float32, torch.float64)
_STATE_STEP = 0x9E3779B97F4A7C15
_FIRST_FACTOR = 0xBF58476D1CE4E5B9
_SECOND_FACTOR = 0x94D049BB133111EB
_HALF = 1 << 23


@dataclasses.dataclass(frozen=True)
class Filled:
    """A row with generated inputs, and the model's outputs for it. `seeds` has the generated inputs by the example's
    names.

    `unsteady` are the outputs of whole numbers that change with a small change of these inputs. `case` has them, too.
    """

    case: Case
    seeds: dict[str, int]
    unsteady: tuple[str, ...]


class CannotFill(Exception):
    """A row cannot have generated inputs. The message is the end of a sentence."""


def generated(seed: int, shape: tuple[int, ...] | torch.Size, dtype: torch.dtype) -> torch.Tensor:
    """The elements that a server generates from the seed. They are FP32 or FP64, and uniform in [-1, 1).

    Element i, row-major from 0, is (m - 2**23) / 2**23. Here m is the upper 24 bits of number i of splitmix64 (S.
    Vigna, public domain) with the state `seed`.
    """
    count = torch.Size(shape).numel()
    state = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_STATE_STEP) + np.uint64(seed)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(_FIRST_FACTOR)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(_SECOND_FACTOR)
    state ^= state >> np.uint64(31)
    elements = ((state >> np.uint64(40)).astype(np.int64) - _HALF) / _HALF
    return torch.from_numpy(elements).to(dtype).reshape(shape)


def filled(row: Case, max_stored: int, change: float, run: Callable[[Arguments], Outputs]) -> Filled:
    """`row` with generated inputs, as few as possible. The largest inputs are generated first. All others together
    have max `max_stored` bytes.

    `run` gives the model's answer. The generated inputs are changed by up to `change`, to see which outputs of whole
    numbers are steady. Raises CannotFill.
    """
    if max_stored < 0:
        raise CannotFill("its outputs alone are larger")
    seeds = _seeds(row.arguments, max_stored)

    def noise(change: float) -> Arguments:
        def one(name: str, tensor: torch.Tensor) -> torch.Tensor:
            if name not in seeds:
                return tensor
            values = generated(seeds[name], tensor.shape, tensor.dtype)
            if change:
                values = values + change * generated(len(seeds) + seeds[name], tensor.shape, tensor.dtype)
            return values.to(tensor.device)

        return row.arguments.changed(one)

    try:
        case = Case(noise(0), run(noise(0)))
        changed = run(noise(change))
    except Exception as error:
        raise CannotFill(f"forward fails on generated inputs: {reason_of(error)}") from None
    _check(case.outputs, row.outputs)
    return Filled(case, seeds, tuple(_unsteady(case.outputs.tensors, changed.tensors)))


def _seeds(arguments: Arguments, max_stored: int) -> dict[str, int]:
    leaves = sorted(arguments.tensors(), key=lambda leaf: _bytes(leaf.value), reverse=True)
    stored = sum(_bytes(leaf.value) for leaf in leaves)
    seeds: dict[str, int] = {}
    size = 0
    for leaf in leaves:
        if stored <= max_stored:
            break
        if leaf.value.dtype in _TYPES:
            seeds[leaf.name] = len(seeds)
            stored -= _bytes(leaf.value)
            size += _bytes(leaf.value)
    if stored > max_stored:
        raise CannotFill(f"inputs that cannot be generated, as they are not FP32 or FP64, have {stored} bytes")
    if size > MAX_BYTES:
        raise CannotFill(f"generated inputs would have {size} bytes, and a server generates up to {MAX_BYTES}")
    return seeds


def _check(got: Outputs, want: Outputs) -> None:
    """Raises CannotFill for outputs that cannot be compared: another layout than `want`, NaN, or new infinities."""
    if _layout(got) != _layout(want):
        raise CannotFill("outputs for generated inputs have other names, types or sizes")
    for name, tensor in got.tensors.items():
        if tensor.isnan().any():
            raise CannotFill(f"output {name} is NaN for generated inputs")
        if tensor.isinf().any() and not want.tensors[name].isinf().any():
            raise CannotFill(f"output {name} is infinite for generated inputs")


def _layout(outputs: Outputs) -> dict[str, tuple[torch.dtype, torch.Size]]:
    return {name: (tensor.dtype, tensor.shape) for name, tensor in outputs.tensors.items()}


def _unsteady(got: Mapping[str, torch.Tensor], changed: Mapping[str, torch.Tensor]) -> list[str]:
    return [
        name
        for name, tensor in got.items()
        if not tensor.is_floating_point() and not (name in changed and torch.equal(tensor, changed[name]))
    ]


def _bytes(tensor: torch.Tensor) -> int:
    return int(tensor.numel() * tensor.element_size())
