"""The passport: the description of a saved model, as JSON inside or beside its file. The server reads it."""

from __future__ import annotations

import base64
import json
import math
import pathlib
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from torchferry._save_example import Arguments
from torchferry._save_fill import CannotFill, Filled, filled
from torchferry._save_outputs import Outputs
from torchferry._save_probe import Case
from torchferry._save_report import Report, SaveError
from torchferry._save_types import Signature, TensorSpec, api_name, raw_bytes

FORMAT = "torchferry-passport"
VERSION = 1
MAX_BYTES = 256 << 10  # the max of the text
MAX_GOLDEN_BYTES = 64 << 10  # the max of the stored golden tensors
MAX_TOLERANCE = 1e6
_MAX_METRICS = 64
_MAX_TEXT = 1024
_GIT_SECONDS = 5

# The max difference between the golden answer and one on any device in any precision, by the weights' types. The
# largest of their values counts. It is relative, and a part of the outputs' largest magnitude. BF16 keeps 8 bits, and
# FP16 11. The value for FP32 leaves room for a server that computes in less.
_TOLERANCES = {torch.float16: 0.02, torch.bfloat16: 0.05}
_TOLERANCE = 0.01


def passport_text(
    signature: Signature,
    saved: Mapping[str, Any],
    origin: Mapping[str, Any],
    golden: Mapping[str, Any] | None,
) -> str:
    """The passport as JSON. Raises SaveError where it would be larger than the server's limit."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "signature": {
            "max_batch_size": signature.max_batch_size,
            "inputs": [_declared(tensor) for tensor in signature.inputs],
            "outputs": [_declared(tensor) for tensor in signature.outputs],
        },
        "saved": dict(saved),
    }
    if origin:
        document["origin"] = dict(origin)
    if golden is not None:
        document["golden"] = dict(golden)
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    size = len(text.encode())
    if size > MAX_BYTES:
        raise SaveError(
            f"the passport has {size} bytes, and a server reads up to {MAX_BYTES}; give fewer or shorter metrics"
        )
    return text


def saved_facts(devices: list[torch.device], dtypes: list[torch.dtype], program: str) -> dict[str, Any]:
    names = [api_name(dtype) or str(dtype).removeprefix("torch.") for dtype in dtypes]
    return {
        "device": ", ".join(map(str, devices)),
        "dtypes": names,
        "torch": torch.__version__.partition("+")[0],
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "program": program,
    }


def origin_facts(run_id: str | None, metrics: Mapping[str, float] | None, folder: pathlib.Path) -> dict[str, Any]:
    """The origin for the passport: the commit and state of the git repository that holds `folder`, and the caller's
    facts of the run. Raises SaveError for a wrong `run_id` or wrong `metrics`."""
    origin = _git(folder)
    if run_id is not None:
        if not _is_text(run_id):
            raise SaveError(
                f"run_id is {run_id!r}; expected a text of 1 to {_MAX_TEXT} bytes without control characters"
            )
        origin["run_id"] = run_id
    if metrics:
        origin["metrics"] = _metrics(metrics)
    return origin


def golden_rows(
    case: Case,
    inputs: Mapping[str, str],
    tolerance: tuple[float, float] | None,
    dtypes: list[torch.dtype],
    run: Callable[[Arguments], Outputs],
    report: Report,
) -> dict[str, Any] | None:
    """One row with its inputs and the answer of the caller's model. None: the row is too large, and cannot be
    generated. The report then has a sentence that says why.

    Floating outputs are stored as FP32, others in their own types. `inputs` has the server's names of the example's
    tensors. `run` gives the model's answer where large inputs are generated in place of the example's.
    """
    rtol = max((_TOLERANCES.get(dtype, _TOLERANCE) for dtype in dtypes), default=_TOLERANCE)
    seeds: dict[str, int] = {}
    row_out = _golden_outputs(case)
    stored = _size(row_out) + _size({leaf.name: leaf.value for leaf in case.arguments.tensors()})
    if stored > MAX_GOLDEN_BYTES:
        too_large = f"one has {stored} bytes, and a passport up to {MAX_GOLDEN_BYTES}"
        try:
            row = filled(case, MAX_GOLDEN_BYTES - _size(row_out), rtol, run)
            case, seeds, row_out = row.case, row.seeds, _steady(row)
        except CannotFill as why:
            report.say(
                f"the passport has no golden row: {too_large}; {why}. The server will not compare its answers with "
                "the model's"
            )
            return None
        generated = ", ".join(inputs[name] for name in seeds)
        report.say(f"the golden row has generated numbers and not the example's as {generated}: {too_large}")
        if row.unsteady:
            report.say(f"the golden row has no {', '.join(row.unsteady)}: a small change of its inputs changes them")
    atol = min(rtol * _largest(row_out), MAX_TOLERANCE)
    rtol, atol = tolerance or (rtol, atol)
    row_in = {
        inputs[leaf.name]: _fill(leaf.value, seeds[leaf.name]) if leaf.name in seeds else _value(leaf.value)
        for leaf in case.arguments.tensors()
    }
    return {
        "rtol": rtol,
        "atol": atol,
        "rows": [{"inputs": row_in, "outputs": {name: _value(tensor) for name, tensor in row_out.items()}}],
    }


def _golden_outputs(case: Case) -> dict[str, torch.Tensor]:
    return {name: t.float() if t.is_floating_point() else t for name, t in case.outputs.tensors.items()}


def _steady(row: Filled) -> dict[str, torch.Tensor]:
    outputs = {name: tensor for name, tensor in _golden_outputs(row.case).items() if name not in row.unsteady}
    if not outputs:
        raise CannotFill("a small change of generated inputs changes all outputs")
    return outputs


def _size(tensors: Mapping[str, torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def _largest(outputs: Mapping[str, torch.Tensor]) -> float:
    """The largest finite magnitude of floating outputs."""
    largest = 0.0
    for tensor in outputs.values():
        finite = tensor[tensor.isfinite()] if tensor.is_floating_point() else tensor.new_empty(0)
        if finite.numel():
            largest = max(largest, float(finite.abs().max()))
    return largest


def _declared(tensor: TensorSpec) -> dict[str, Any]:
    return {"name": tensor.name, "type": tensor.type, "dims": list(tensor.dims)}


def _value(tensor: torch.Tensor) -> dict[str, Any]:
    return {
        "type": api_name(tensor.dtype),
        "shape": list(tensor.shape),
        "data": base64.b64encode(raw_bytes(tensor)).decode(),
    }


def _fill(tensor: torch.Tensor, seed: int) -> dict[str, Any]:
    return {"type": api_name(tensor.dtype), "shape": list(tensor.shape), "fill": {"seed": seed}}


def _metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    if len(metrics) > _MAX_METRICS:
        raise SaveError(f"metrics has {len(metrics)} entries; expected at most {_MAX_METRICS}")
    result: dict[str, float] = {}
    for name, value in metrics.items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise SaveError(f"metrics[{name!r}] is {value!r}; expected a number") from None
        if not _is_text(name):
            raise SaveError(
                f"metrics has the name {name!r}; expected 1 to {_MAX_TEXT} bytes without control characters"
            )
        if not math.isfinite(number):
            raise SaveError(f"metrics[{name!r}] is {number}; expected a finite number, for JSON has no other")
        result[name] = number
    return result


def _is_text(value: Any) -> bool:
    """Whether a server accepts the value as a text of a passport."""
    return isinstance(value, str) and 0 < len(value.encode(errors="replace")) <= _MAX_TEXT and value.isprintable()


def _git(folder: pathlib.Path) -> dict[str, Any]:
    commit = _git_line(folder, "rev-parse", "HEAD")
    if not commit:
        return {}
    status = _git_line(folder, "status", "--porcelain", "--untracked-files=no")
    return {"git_commit": commit} | ({} if status is None else {"git_dirty": bool(status)})


def _git_line(folder: pathlib.Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
