"""Runs the model to find out whether dimension 0 is the batch, which sizes may vary, and what its answers are."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.export import Dim

from torchferry._save_eager import ROWS_APART, Eager, difference
from torchferry._save_example import Arguments
from torchferry._save_outputs import Outputs, outputs_of
from torchferry._save_report import Report, SaveError, reason_of

# The form is {input: {dimension: a label or a torch.export.Dim}}.
Dynamic = Mapping[str, Mapping[int, Any]]


# Other sizes that are tried for a free size of the example. Some models accept only multiples of a number. The first
# ones are far from the example's size, so that an output that follows the size shows it.
_OTHER_SIZES: tuple[Callable[[int], int], ...] = (
    lambda size: size // 2,
    lambda size: size * 2,
    lambda size: size + 1,
    lambda size: size - 1,
)


@dataclasses.dataclass(frozen=True)
class Case:
    """A call of `forward`, and the outputs of the caller's model for it."""

    arguments: Arguments
    outputs: Outputs


@dataclasses.dataclass(frozen=True)
class Probe:
    """The facts that are known of the model before it is exported.

    `rows`: dimension 0 of each input and output is a batch, and rows do not see one another. `cases` are two calls with
    different numbers of rows, and with different sizes where `free` has some. The first is for exporting. `fixed` is
    the example, and the same rows in other sizes or values. Both are the example where the model accepts no other
    values. Without a batch, `cases` is `fixed`. `one_row` is the example's first row where there is a batch, else the
    example. `free` has the dimensions that vary beside the batch, with their labels. `is_random`: the model gives
    random numbers. `has_state`: a call writes to the model.
    """

    rows: bool
    cases: tuple[Case, Case]
    fixed: tuple[Case, Case]
    one_row: Case
    example: Case
    free: Dynamic
    is_random: bool
    has_state: bool


def probe(
    eager: Eager,
    arguments: Arguments,
    names: Sequence[str] | None,
    dynamic: Dynamic,
    max_batch_size: int,
    report: Report,
) -> Probe:
    """Runs the model on the example, and on the example in other sizes.

    Raises SaveError where the model does not run on the example, or where `dynamic` is wrong. Raises it, too, where a
    dimension of `dynamic` cannot have another size."""
    return _Prober(eager, arguments, names, dynamic, report).run(max_batch_size)


@dataclasses.dataclass(frozen=True)
class _Batch:
    rows: int  # the number of rows of `first`
    differ: bool  # whether repeated rows are shifted
    first: Case
    one: Case


class _Prober:
    def __init__(
        self, eager: Eager, arguments: Arguments, names: Sequence[str] | None, dynamic: Dynamic, report: Report
    ) -> None:
        self._eager = eager
        self._arguments = arguments
        self._names = names
        self._dynamic = dynamic
        self._report = report
        self._is_random = False
        _check_dynamic(arguments, dynamic)

    def run(self, max_batch_size: int) -> Probe:
        example = self._first()
        again = self._case(self._arguments, seed=1)
        self._is_random = _deviation(example.outputs, again.outputs) > 0.0
        if self._is_random:
            self._report.warn("forward gives random numbers: its answers are compared by shape and type alone")
        batch = self._batch(example, max_batch_size)
        fixed = (example, self._other_sizes(example) or self._altered(example))
        if batch is None:
            return self._probe(False, fixed, fixed, example)
        other = self._other_sizes(batch.first) or batch.first
        second = self._case(other.arguments.with_rows(batch.rows + 1, differ=batch.differ))
        return self._probe(True, (batch.first, second), fixed, batch.one)

    def _probe(self, rows: bool, cases: tuple[Case, Case], fixed: tuple[Case, Case], one_row: Case) -> Probe:
        return Probe(rows, cases, fixed, one_row, fixed[0], self._dynamic, self._is_random, self._eager.has_state)

    def _case(self, arguments: Arguments, seed: int = 0) -> Case:
        return Case(arguments, outputs_of(self._eager(arguments, seed), self._names))

    def _first(self) -> Case:
        try:
            case = self._case(self._arguments)
        except SaveError:
            raise
        except Exception as error:
            raise SaveError(f"forward fails on the example: {reason_of(error)}{_hint(self._arguments)}") from error
        for sentence in case.outputs.left_out:
            self._report.warn(sentence)
        return case

    def _batch(self, example: Case, max_batch_size: int) -> _Batch | None:
        """The batch; None where requests share no batch. The report then has a sentence that says why."""
        why = self._no_batch(example, max_batch_size)
        if why:
            self._report.say(f"requests share no batch: {why}")
            return None
        rows = _export_rows(self._arguments)
        why = ""
        # The model may refuse shifted rows. Rows that are repeated without a shift still show a batch.
        for differ in (True, False):
            try:
                first = self._case(self._arguments.with_rows(rows, differ=differ))
                one = self._case(first.arguments.row(0))
                last = self._case(first.arguments.row(rows - 1))
                self._case(self._arguments.with_rows(rows + 1, differ=differ))
            except Exception as error:
                why = f"forward fails on another number of rows: {reason_of(error)}"
                continue
            why = self._mixed(first, one, 0) or self._mixed(first, last, rows - 1)
            if not why:
                return _Batch(rows, differ, first, one)
            break
        self._report.warn(f"requests share no batch: {why}")
        return None

    def _no_batch(self, example: Case, max_batch_size: int) -> str:
        if max_batch_size == 0:
            return "max_batch_size is 0"
        rows = example.arguments.rows()
        if rows is None:
            sizes = ", ".join(f"{leaf.name} {list(leaf.value.shape)}" for leaf in example.arguments.tensors())
            return f"the inputs of the example differ in dimension 0 ({sizes})"
        if rows == 0:
            raise SaveError("the example has no rows: dimension 0 of its tensors is 0; give one row or more")
        for name, tensor in example.outputs.tensors.items():
            if tensor.ndim == 0:
                return f"output {name} has no dimension"
            if tensor.shape[0] != rows:
                return f"dimension 0 of output {name} is {tensor.shape[0]}, and not the {rows} rows of the example"
        return ""

    def _mixed(self, batch: Case, alone: Case, row: int) -> str:
        """The reason why dimension 0 is no batch of independent rows; empty where it is one. `alone` is the answer to
        row number `row` of `batch` without the others."""
        rows = batch.arguments.rows()
        for name, tensor in batch.outputs.tensors.items():
            own = alone.outputs.tensors.get(name)
            if own is None or tensor.shape[:1] != (rows,) or own.shape[:1] != (1,):
                return f"dimension 0 of output {name} does not follow the number of rows"
            if self._is_random:
                continue
            if own.shape[1:] != tensor.shape[1:] or _apart(tensor[row : row + 1], own) > ROWS_APART:
                return (
                    f"a row alone is answered otherwise than beside others in output {name}; rows that see one "
                    "another are "
                    "no batch. Is dimension 0 a sequence? Then take the batch first, as with batch_first=True"
                )
        return ""

    def _altered(self, example: Case) -> Case:
        """A case in the same sizes with other values. It shows where a trace or an export has kept values of the
        example. It is the example where the model does not accept other values."""
        try:
            return self._case(example.arguments.altered())
        except Exception:
            return example

    def _other_sizes(self, case: Case) -> Case | None:
        """The case with other sizes of the dimensions that `dynamic` frees; None where it frees none."""
        if not self._dynamic:
            return None
        reason = ""
        for change in _OTHER_SIZES:
            sizes: dict[str, dict[int, int]] = {}
            for leaf in case.arguments.tensors():
                for dimension in self._dynamic.get(leaf.name, {}):
                    sizes.setdefault(leaf.name, {})[dimension] = change(leaf.value.shape[dimension])
            if any(size < 2 for of_one in sizes.values() for size in of_one.values()):
                continue
            try:
                return self._case(case.arguments.resized(sizes))
            except Exception as error:
                reason = reason_of(error)
        raise SaveError(f"dynamic frees {_listed(self._dynamic)}, and forward fails on other sizes of it: {reason}")


def _check_dynamic(arguments: Arguments, dynamic: Dynamic) -> None:
    tensors = {leaf.name: leaf.value for leaf in arguments.tensors()}
    sizes: dict[str, int] = {}
    for name, dimensions in dynamic.items():
        if name not in tensors:
            raise SaveError(f"dynamic names the input {name!r}; expected one of {', '.join(tensors)}")
        for dimension, label in dimensions.items():
            ndim = tensors[name].ndim
            if not isinstance(dimension, int) or not 0 <= dimension < ndim:
                raise SaveError(f"dynamic names dimension {dimension!r} of {name}; expected 0 to {ndim - 1}")
            size = tensors[name].shape[dimension]
            if size < 2:
                raise SaveError(
                    f"dynamic frees dimension {dimension} of {name}; give an example with 2 or more there, not {size}"
                )
            if sizes.setdefault(label_of(label), size) != size:
                raise SaveError(
                    f"dynamic calls dimensions of {sizes[label_of(label)]} and of {size} both {label_of(label)!r}; "
                    "sizes that "
                    "differ have different labels"
                )


def label_of(dim: Any) -> str:
    """The label of a dimension that is given as a str or a torch.export.Dim. Raises SaveError for anything else."""
    if isinstance(dim, str) and dim.isidentifier():
        return dim
    if isinstance(dim, Dim):
        return str(getattr(dim, "__name__", dim))
    raise SaveError(f'dynamic has the label {dim!r}; expected a name such as "tokens", or a torch.export.Dim')


def _export_rows(arguments: Arguments) -> int:
    """A number of rows from 2 that no other dimension has. PyTorch could take equal sizes for the same size."""
    taken = {size for leaf in arguments.tensors() for size in leaf.value.shape[1:]}
    return next(rows for rows in _numbers(2) if rows not in taken)


def _numbers(start: int) -> Iterator[int]:
    while True:
        yield start
        start += 1


def _apart(got: torch.Tensor, want: torch.Tensor) -> float:
    # Whole numbers are not compared, as in the server: an argmax of near values may differ.
    return difference(got, want) if want.is_floating_point() else 0.0


def _deviation(got: Outputs, want: Outputs) -> float:
    if got.tensors.keys() != want.tensors.keys():
        return float("inf")
    return max(difference(got.tensors[name], tensor) for name, tensor in want.tensors.items())


def _listed(dynamic: Dynamic) -> str:
    return ", ".join(f"dimension {d} of {name}" for name, dimensions in dynamic.items() for d in dimensions)


def _hint(arguments: Arguments) -> str:
    double = [leaf.name for leaf in arguments.tensors() if leaf.value.dtype is torch.float64]
    if not double:
        return ""
    return f". {', '.join(double)} is FP64, as NumPy makes it: did you mean .astype(numpy.float32)?"
