"""The signature by which the server serves a file in one format."""

from __future__ import annotations

import torch

from torchferry._save_format import Attempt, CannotExport
from torchferry._save_probe import Probe
from torchferry._save_report import Report
from torchferry._save_types import ANY, Signature, TensorSpec, api_name


def signature_of(attempt: Attempt, found: Probe, max_batch_size: int, report: Report) -> Signature:
    """The signature of the file. Its names are the server's for that format. Its types are those of the example and its
    answers. A size is -1 where `dynamic` frees it, or where an output's size follows a free one.

    Raises CannotExport for a type that config.pbtxt does not have, and for an output with a varying number of
    dimensions."""
    rows = 0
    if attempt.shapes.rows:
        rows = min(max_batch_size, attempt.shapes.max_rows or max_batch_size)
        if rows < max_batch_size:
            report.say(f"max_batch_size is {rows}: the program was exported for so many rows")
    case = found.one_row if rows else found.example
    skip = 1 if rows else 0
    inputs: list[TensorSpec] = []
    for leaf in case.arguments.leaves():
        if leaf.name in attempt.numbers:
            inputs.append(TensorSpec(leaf.name, attempt.numbers[leaf.name], (1,)))
        if leaf.name not in attempt.inputs:
            continue
        free = found.free.get(leaf.name, {})
        sizes = [ANY if dimension in free else size for dimension, size in enumerate(leaf.value.shape)]
        inputs.append(_spec("input", attempt.inputs[leaf.name], leaf.value, sizes[skip:]))
    outputs: list[TensorSpec] = []
    for place, (name, tensor) in enumerate(case.outputs.tensors.items()):
        sizes = _sizes(name, found, attempt)
        if place < len(attempt.shapes.free_outputs):
            sizes = [ANY if at in attempt.shapes.free_outputs[place] else size for at, size in enumerate(sizes)]
        outputs.append(_spec("output", name, tensor, sizes[skip:]))
    return Signature(rows, tuple(inputs), tuple(outputs))


def _sizes(name: str, found: Probe, attempt: Attempt) -> list[int]:
    """The sizes of an output. A size that differs from case to case is -1."""
    cases = [found.one_row, *found.cases] if attempt.shapes.rows else found.fixed
    seen = [case.outputs.tensors[name].shape for case in cases if name in case.outputs.tensors]
    if len({len(shape) for shape in seen}) > 1:
        raise CannotExport(f"output {name} has {' or '.join(str(len(shape)) for shape in seen)} dimensions")
    return [sizes[0] if len(set(sizes)) == 1 else ANY for sizes in zip(*seen, strict=True)]


def _spec(kind: str, name: str, tensor: torch.Tensor, dims: list[int]) -> TensorSpec:
    known = api_name(tensor.dtype)
    if known is None:
        way_out = "torch.view_as_real makes numbers of it" if tensor.is_complex() else "convert it in forward"
        dtype = str(tensor.dtype).removeprefix("torch.")
        raise CannotExport(f"{kind} {name} is {dtype}, for which config.pbtxt has no type; {way_out}")
    return TensorSpec(name, known, tuple(dims))
