"""Compares a written file with its model, before the file is in the store."""

from __future__ import annotations

import pathlib

import torch

from torchferry._save_eager import difference, same_within, seeded
from torchferry._save_format import Attempt, CannotExport
from torchferry._save_outputs import outputs_of
from torchferry._save_probe import Case, Probe
from torchferry._save_report import SaveError, reason_of


def check(attempt: Attempt, folder: pathlib.Path, found: Probe, dtypes: list[torch.dtype]) -> None:
    """Loads the version in `folder` and compares its answers with the model's, at two sizes and for one row.

    Without a batch there is no separate row. A model that gives random numbers is compared by shape and type alone.
    Raises CannotExport, with the largest deviation, where another order of additions cannot explain the difference.
    """
    run = None
    for case in _cases(attempt, found):
        # The file of a model with state is loaded for each case, as the model begins anew in each.
        if run is None or found.has_state:
            run = attempt.load(folder)
        given = case.arguments.copied()
        devices = [leaf.value.device for leaf in given.tensors()]
        try:
            with seeded(0, devices):
                result = run(given)
        except Exception as error:
            raise CannotExport(
                f"what it made fails where the model runs, for {_shapes(case)}: {reason_of(error)}"
            ) from error
        _compare(result, case, found.is_random, dtypes)


def _cases(attempt: Attempt, found: Probe) -> list[Case]:
    if not attempt.shapes.rows:
        return list(found.fixed) if found.fixed[1] is not found.fixed[0] else [found.example]
    cases = list(found.cases)
    return cases + [found.one_row] if attempt.shapes.least_rows == 1 else cases


def _compare(result: object, case: Case, is_random: bool, dtypes: list[torch.dtype]) -> None:
    want = case.outputs.tensors
    try:
        got = outputs_of(result, None).tensors
    except SaveError as error:
        raise CannotExport(f"what it made answers otherwise than the model: {error}") from error
    # TorchScript has no names for the fields of a tuple. They are in the model's order.
    if len(got) == len(want) and list(got) != list(want) and all(name.startswith("OUTPUT__") for name in got):
        got = dict(zip(want, got.values(), strict=True))
    if set(got) != set(want):
        raise CannotExport(f"what it made gives {', '.join(got)}, and the model {', '.join(want)}")
    for name, tensor in want.items():
        if is_random:
            if got[name].shape != tensor.shape or got[name].dtype != tensor.dtype:
                raise CannotExport(
                    f"what it made gives {name} as {_described(got[name])}, and the model {_described(tensor)}"
                )
            continue
        apart = difference(got[name], tensor)
        if apart <= same_within(dtypes, tensor.dtype):
            continue
        if apart == float("inf"):
            raise CannotExport(
                f"what it made answers otherwise than the model in {name}, for {_shapes(case)}: "
                f"{_described(got[name])}, "
                f"and the model {_described(tensor)}"
            )
        raise CannotExport(
            f"what it made answers otherwise than the model in {name}, for {_shapes(case)}: by {apart:.1e} of the "
            "largest magnitude"
        )


def _described(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def _shapes(case: Case) -> str:
    return ", ".join(f"{leaf.name} {list(leaf.value.shape)}" for leaf in case.arguments.tensors())
