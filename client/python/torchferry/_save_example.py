"""The example for `save`: arguments of `forward`, which can be changed to other numbers of rows and other sizes."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from torchferry._save_report import SaveError


@dataclasses.dataclass(frozen=True)
class Leaf:
    """A value inside the arguments. `argument` is the argument of `forward` that has the value, or is it. `name` is
    torch.export's name: "x", "batch_image" for batch["image"], "pair_0" for pair[0]."""

    argument: str
    name: str
    value: Any

    @property
    def is_tensor(self) -> bool:
        return isinstance(self.value, torch.Tensor)


class Arguments:
    """The arguments of one call of `forward`: `args`, then `kwargs` in the order of its parameters."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any], signature: inspect.Signature) -> None:
        self.args = args
        self.kwargs = kwargs
        self._signature = signature

    def bound(self) -> dict[str, Any]:
        """The arguments by parameter, in the order of the signature."""
        return dict(self._signature.bind(*self.args, **self.kwargs).arguments)

    def leaves(self) -> list[Leaf]:
        """All values in the order of the parameters. None does not count as a leaf."""
        leaves: list[Leaf] = []
        for argument, value in self.bound().items():
            paths, _ = pytree.tree_flatten_with_path(value)
            leaves += [
                Leaf(argument, _name((argument, *map(_key, path))), leaf) for path, leaf in paths if leaf is not None
            ]
        return leaves

    def tensors(self) -> list[Leaf]:
        return [leaf for leaf in self.leaves() if leaf.is_tensor]

    def changed(self, change: Callable[[str, torch.Tensor], torch.Tensor]) -> Arguments:
        """The arguments with each tensor replaced by the result of `change` for its name and value."""
        names = iter(self.tensors())

        def one(value: Any) -> Any:
            return change(next(names).name, value) if isinstance(value, torch.Tensor) else value

        args, kwargs = pytree.tree_map(one, (self.args, self.kwargs))
        return Arguments(args, kwargs, self._signature)

    def copied(self) -> Arguments:
        """The arguments with copies of the tensors, as `forward` may write to its arguments."""
        return self.changed(lambda _, tensor: tensor.clone())

    def rows(self) -> int | None:
        """The common size of dimension 0 of all tensors; None: it differs, or a tensor has no dimension."""
        sizes = {leaf.value.shape[0] if leaf.value.ndim else None for leaf in self.tensors()}
        return sizes.pop() if len(sizes) == 1 else None

    def with_rows(self, rows: int, *, differ: bool) -> Arguments:
        """The arguments with `rows` rows: the example's rows, repeated in turn. With `differ`, each repetition is
        shifted within the row, so that repeated rows differ from the example's."""

        def change(_: str, tensor: torch.Tensor) -> torch.Tensor:
            count = tensor.shape[0]
            picked = tensor[torch.arange(rows, device=tensor.device) % count]
            if differ:
                for row in range(count, rows):
                    flat = picked[row].reshape(-1)
                    picked[row] = flat.roll(row // count).reshape(picked[row].shape)
            return picked

        return self.changed(change)

    def altered(self) -> Arguments:
        """The arguments in the same sizes with other values of the same range. Each element becomes the lesser of
        itself and the one before it."""

        def change(_: str, tensor: torch.Tensor) -> torch.Tensor:
            before = tensor.reshape(-1).roll(1).reshape(tensor.shape)
            return tensor & before if tensor.dtype is torch.bool else torch.minimum(tensor, before)

        return self.changed(change)

    def row(self, index: int) -> Arguments:
        """The arguments with that row alone."""
        return self.changed(lambda _, tensor: tensor[index : index + 1])

    def resized(self, sizes: Mapping[str, Mapping[int, int]]) -> Arguments:
        """The arguments in other sizes, {name: {dimension: size}}. Their values are repeated or cut off."""

        def change(name: str, tensor: torch.Tensor) -> torch.Tensor:
            for dimension, size in sizes.get(name, {}).items():
                index = torch.arange(size, device=tensor.device) % tensor.shape[dimension]
                tensor = tensor.index_select(dimension, index)
            return tensor

        return self.changed(change)


def arguments_of(module: nn.Module, example: Any, device: torch.device | None) -> Arguments:
    """The arguments that `example` stands for. A tensor stands for the only argument. A tuple has the positional
    arguments, and a dict the keyword arguments. A callable gives one of these. NumPy arrays become tensors. Tensors are
    moved to `device`, unless that is None.

    Raises SaveError where `forward` does not take them, or where there is no tensor among them.
    """
    if callable(example) and not isinstance(example, torch.Tensor):
        example = example()
    args, kwargs = _spread(example)
    signature = inspect.signature(module.forward)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise SaveError(
            f"forward does not take the example: {error}. It takes ({', '.join(signature.parameters)}). A tuple "
            "has the "
            "positional arguments, a dict the keyword arguments; one argument that is a dict is written ({...},)"
        ) from None
    ordered = {name: kwargs[name] for name in _in_order(signature, kwargs)}
    moved = pytree.tree_map(lambda leaf: _as_tensor(leaf, device), (args, ordered))
    arguments = Arguments(moved[0], moved[1], signature)
    if not arguments.tensors():
        raise SaveError("the example has no tensor; give the tensors that forward takes, as clients will send them")
    return arguments


def _spread(example: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(example, Mapping):
        wrong = [key for key in example if not isinstance(key, str)]
        if wrong:
            raise SaveError(
                f"the example is a dict with the key {wrong[0]!r}; its keys are the names of forward's arguments"
            )
        return (), dict(example)
    if isinstance(example, torch.Tensor) or _is_array(example):
        return (example,), {}
    if isinstance(example, tuple):
        return tuple(example), {}
    raise SaveError(
        f"the example is a {type(example).__name__}; expected a tensor, a tuple of the positional arguments, a "
        "dict of the "
        "keyword arguments, or a function that gives one of these"
    )


def _in_order(signature: inspect.Signature, names: Mapping[str, Any]) -> list[str]:
    known = [name for name in signature.parameters if name in names]
    return known + [name for name in names if name not in known]


def _is_array(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "__array__")


def _as_tensor(leaf: Any, device: torch.device | None) -> Any:
    if _is_array(leaf):
        leaf = torch.tensor(leaf)
    if not isinstance(leaf, torch.Tensor):
        return leaf
    leaf = leaf.detach()
    return leaf if device is None else leaf.to(device)


def _key(key: Any) -> str:
    for attribute in ("key", "idx", "name"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)


def _name(path: tuple[str, ...]) -> str:
    if len(path) == 1:
        return path[0]
    return re.sub(r"[^a-z0-9]", "_", "_".join(path).lower())
