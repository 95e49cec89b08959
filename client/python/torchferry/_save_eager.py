"""Runs the caller's model for the answers that all files are compared with, and leaves the model unchanged."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import nn

from torchferry._save_example import Arguments
from torchferry._save_peel import devices_of

T = TypeVar("T")

# The max difference between two answers of the same weights, as a part of the output's largest magnitude. A program or
# a script may add in another order.
_SAME = {torch.float64: 1e-6, torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}
# The server's value. Kernels for more rows differ by less; rows that see one another differ by more.
ROWS_APART = 0.05


@contextlib.contextmanager
def evaluating(module: nn.Module) -> Iterator[bool]:
    """Puts the module into eval mode for the block, without gradients and autocast. Afterwards each part has its mode
    again. Gives whether any part was in train mode."""
    modes = [(part, part.training) for part in module.modules()]
    was_training = any(mode for _, mode in modes)
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        for kind in {"cpu", *(device.type for device in devices_of(module))}:
            stack.enter_context(torch.autocast(kind, enabled=False))
        try:
            module.eval()
            yield was_training
        finally:
            for part, mode in modes:
                part.training = mode


class Snapshot:
    """The buffers and attributes of a module as they are now. `restore` undoes what a call has written to them."""

    def __init__(self, module: nn.Module) -> None:
        self._parts = [(part, dict(part.__dict__), dict(part._buffers)) for part in module.modules()]
        tensors = {
            id(t): t
            for part, own, buffers in self._parts
            for t in (*own.values(), *buffers.values())
            if isinstance(t, torch.Tensor)
        }
        self._values = [(tensor, tensor.detach().clone(), _version(tensor)) for tensor in tensors.values()]
        self._containers = [
            (value, value.copy())
            for part, own, _ in self._parts
            for value in own.values()
            if type(value) in (list, dict)
        ]

    def restore(self) -> bool:
        """Restores the module. Returns whether anything had changed."""
        changed = False
        for part, own, buffers in self._parts:
            if part.__dict__.keys() != own.keys() or any(part.__dict__[name] is not own[name] for name in own):
                changed = True
                part.__dict__.clear()
                part.__dict__.update(own)
            if any(part._buffers.get(name) is not buffers[name] for name in buffers):
                changed = True
                part._buffers.clear()
                part._buffers.update(buffers)
        for container, was in self._containers:
            if _elements(container) != _elements(was):
                changed = True
                container.clear()
                container.extend(was) if isinstance(container, list) else container.update(was)
        for tensor, value, version in self._values:
            if (version is None or _version(tensor) != version) and not torch.equal(_bits(tensor), _bits(value)):
                changed = True
                tensor.copy_(value)
        return changed


@contextlib.contextmanager
def seeded(seed: int, devices: list[torch.device]) -> Iterator[None]:
    """Seeds the random numbers in the block. Afterwards the caller's random numbers go on as if nothing had run."""
    cuda = [device.index or 0 for device in devices if device.type == "cuda"]
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(seed)
        yield


class Eager:
    """Calls the caller's module, which must be in eval mode. Each call begins with the module as it was at first."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.devices = devices_of(module)
        self.has_state = False  # whether a call has written to the module
        self._snapshot = Snapshot(module)

    def __call__(self, arguments: Arguments, seed: int = 0) -> Any:
        """The result of `forward` with a copy of the arguments."""
        given = arguments.copied()
        try:
            with seeded(seed, self.devices):
                return self.module(*given.args, **given.kwargs)
        finally:
            self.has_state |= self._snapshot.restore()

    def guarded(self, work: Callable[[], T]) -> T:
        """The result of `work`, which may run the module. The module is restored afterwards."""
        try:
            with seeded(0, self.devices):
                return work()
        finally:
            self._snapshot.restore()


def difference(got: torch.Tensor, want: torch.Tensor) -> float:
    """The largest deviation, as a part of the largest finite magnitude of `want`. It is infinite where shapes, types,
    whole numbers, infinities or NaNs differ."""
    if got.shape != want.shape or got.dtype != want.dtype:
        return float("inf")
    got, want = got.detach().cpu(), want.detach().cpu()
    if not want.is_floating_point():
        return 0.0 if torch.equal(got, want) else float("inf")
    got, want = got.double(), want.double()
    finite = want.isfinite()
    if not torch.equal(got[~finite].nan_to_num(nan=0.5), want[~finite].nan_to_num(nan=0.5)):
        return float("inf")
    if not finite.any():
        return 0.0
    largest = float(want[finite].abs().max())
    deviation = float((got[finite] - want[finite]).abs().max())
    if deviation != deviation:
        return float("inf")
    return deviation / max(largest, 1e-6)


def same_within(dtypes: list[torch.dtype], output: torch.dtype) -> float:
    """The max `difference` of two answers that count as the same, for a model with weights of `dtypes`."""
    return max((_SAME[dtype] for dtype in (*dtypes, output) if dtype in _SAME), default=_SAME[torch.float32])


def _elements(container: Any) -> list[tuple[Any, int]]:
    """The elements of a list or dict by identity, as tensors cannot be compared with ==."""
    items = container.items() if isinstance(container, dict) else enumerate(container)
    return [(key, id(value)) for key, value in items]


def _version(tensor: torch.Tensor) -> int | None:
    """A number that grows when the tensor is written in place; None where PyTorch does not count."""
    return None if tensor.is_inference() else tensor._version


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    flat = tensor.detach().reshape(-1)
    return flat.view(torch.uint8) if flat.numel() else flat
