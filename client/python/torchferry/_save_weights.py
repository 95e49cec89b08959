"""Saves the model as a state_dict, beside the torch.export program that is its architecture."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from torchferry._save_eager import difference
from torchferry._save_example import Arguments
from torchferry._save_format import Attempt, CannotExport
from torchferry._save_outputs import outputs_of
from torchferry._save_probe import Case, Probe
from torchferry._save_program import export_program, load_program, write_program
from torchferry._save_report import Report, reason_of

WEIGHTS = "weights.pth"
ARCHITECTURE = "architecture.pt2"
PASSPORT = "torchferry.json"


def weights(module: nn.Module, probe: Probe, names: list[str] | None, report: Report, model: pathlib.Path) -> Attempt:
    """A state_dict with `architecture.pt2`. The file in the folder `model` is used if it computes exactly the same with
    these weights. Otherwise the version brings its own. Raises CannotExport."""
    program = export_program(module, probe, names, report)
    state = {name: value.detach() for name, value in module.state_dict().items() if isinstance(value, torch.Tensor)}
    kept = model / ARCHITECTURE
    shared = _fits(kept, state, program, probe.cases, names)
    if shared:
        report.say(f"{ARCHITECTURE} of the model stays: it computes the same with these weights")

    def write(folder: pathlib.Path, text: str) -> None:
        try:
            torch.save(state, folder / WEIGHTS)
        except Exception as error:
            raise CannotExport(f"torch.save failed: {reason_of(error)}") from error
        (folder / PASSPORT).write_text(text, encoding="utf-8")
        if not shared:
            write_program(program.source, folder / ARCHITECTURE, {})

    def load(folder: pathlib.Path) -> Callable[[Arguments], Any]:
        return _filled(kept if shared else folder / ARCHITECTURE, torch.load(folder / WEIGHTS, weights_only=True))

    return dataclasses.replace(
        program, program="state_dict", write=write, load=load, shared=() if shared else (ARCHITECTURE,)
    )


def _filled(path: pathlib.Path, state: dict[str, torch.Tensor]) -> Callable[[Arguments], Any]:
    module: Any = load_program(path).module()
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise CannotExport(f"the weights do not fit {path.name}: {reason_of(error)}") from error
    return lambda given: module(*given.args, **given.kwargs)


def _fits(
    path: pathlib.Path,
    state: dict[str, torch.Tensor],
    program: Attempt,
    cases: tuple[Case, Case],
    names: list[str] | None,
) -> bool:
    """Whether the kept program has the same inputs and, with these weights, gives the same outputs as the model."""
    if not path.is_file():
        return False
    try:
        kept = load_program(path)
        if list(kept.graph_signature.user_inputs) != list(program.source.graph_signature.user_inputs):
            return False
        for case in cases:
            got = outputs_of(_filled(path, state)(case.arguments.copied()), None).tensors
            want = case.outputs.tensors
            if list(got) != list(want) or any(difference(got[name], want[name]) > 0.0 for name in want):
                return False
    except Exception:
        return False
    return True
