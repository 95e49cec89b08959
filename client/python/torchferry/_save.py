"""`torchferry.save` writes a PyTorch model as a version of a model store, ready to be served."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import nn

from torchferry import _save_config, _save_store
from torchferry._save_check import check
from torchferry._save_eager import Eager, evaluating
from torchferry._save_example import Arguments, arguments_of
from torchferry._save_format import Attempt, CannotExport
from torchferry._save_outputs import Outputs, outputs_of
from torchferry._save_passport import MAX_TOLERANCE, golden_rows, origin_facts, passport_text, saved_facts
from torchferry._save_peel import devices_of, floating_dtypes_of, is_sharded, peeled
from torchferry._save_probe import Dynamic, Probe, probe
from torchferry._save_program import export_program
from torchferry._save_report import Report, SaveError
from torchferry._save_script import script, trace
from torchferry._save_signature import signature_of
from torchferry._save_types import Signature, raw_bytes
from torchferry._save_weights import weights

Format = Literal["export", "script", "trace", "state_dict"]

# The formats that are tried, in this order, where the caller names none.
_TRIED: tuple[Format, ...] = ("export", "script", "trace")
_CALLS: dict[Format, str] = {
    "export": "torch.export",
    "script": "torch.jit.script",
    "trace": "torch.jit.trace",
    "state_dict": "a state_dict with torch.export",
}
_DEFAULT_ROWS = 64
_MAX_WARM_UP_BYTES = 64 << 20  # the max of all files in warmup/


@dataclasses.dataclass(frozen=True)
class Saved:
    """A version that is in a store. `path` is its folder. `sentences` say what was found out and decided, one fact
    each."""

    path: pathlib.Path
    name: str
    version: int
    format: Format
    signature: Signature
    sentences: tuple[str, ...]


def save(
    model: nn.Module,
    example: Any,
    store: str | os.PathLike[str],
    *,
    name: str,
    version: int | None = None,
    format: Format | None = None,
    max_batch_size: int | None = None,
    dynamic: Dynamic | None = None,
    output_names: Sequence[str] | None = None,
    run_id: str | None = None,
    metrics: Mapping[str, float] | None = None,
    tolerance: tuple[float, float] | None = None,
    replace_config: bool = False,
) -> Saved:
    """Saves a model as `store/name/version`, with all that a server needs to serve it.

    Args:
        model: any module. Wrappers are removed, such as DataParallel, DistributedDataParallel, FSDP1, torch.compile and
            AveragedModel. The model is saved in eval mode. The caller's model does not change, and stays on its
            devices. With FSDP1 every process calls this, and the first one writes. With other wrappers only one process
            calls it.
        example: the arguments of `forward`. A tensor stands for the only argument. A tuple has the positional
            arguments, and a dict the keyword arguments. A function gives one of these. NumPy arrays are accepted as
            tensors. Dimension 0 is the batch where `forward` treats it as one.
        store: the folder of the model store. It is created where it does not exist.
        name: the model's name, which is its folder in the store.
        version: 1 or more. The default is the one after the newest.
        format: A torch.export program is "export". TorchScript is "script" or "trace". Weights beside a program are
            "state_dict". The default is the first of "export", "script" and "trace" that works.
        max_batch_size: max rows of requests that share a forward pass. With 0, requests share none, and sizes are
            whole shapes. The default is that of the model's config.pbtxt. Where that says none, it is 64.
        dynamic: further sizes that vary. An example is {"ids": {1: "tokens"}, "mask": {1: "tokens"}}. The batch is
            dimension 0. Dimensions with the same label have the same size. A torch.export.Dim instead of a label also
            sets limits.
        output_names: names of the outputs, in order. The default is the keys, fields, or OUTPUT__0, OUTPUT__1, …
        run_id: the training run's id, for the passport.
        metrics: the training run's numbers by name. They are for the passport.
        tolerance: (rtol, atol) of the passport's golden row. Answers must have |got - want| <= atol + rtol * |want|.
            The default depends on the dtypes of the weights.
        replace_config: allows replacing a config.pbtxt that does not agree with the model. The default is False.

    Before the version appears, its file is loaded again, and its answers are compared with the model's at two sizes.

    Raises:
        SaveError: the model cannot be saved with these arguments. The store has no new version then.
        OSError: the store cannot be written.
    """
    _save_store.check_name(name)
    _save_store.check_version(version)
    _check_options(model, format, max_batch_size, output_names, tolerance)
    report = Report()
    sharded = is_sharded(model)

    def here() -> Saved:
        job = _Job(
            report,
            pathlib.Path(store),
            name,
            version,
            format,
            max_batch_size,
            dynamic or {},
            output_names,
            run_id,
            metrics,
            tolerance,
            replace_config,
        )
        with evaluating(module) as was_training:
            if was_training:
                report.say("the model was in train mode: it is saved in eval mode")
            return job.run(module, example)

    with peeled(model, report) as module:
        return _on_first_process(here) if sharded else here()


@dataclasses.dataclass(frozen=True)
class _Job:
    report: Report
    store: pathlib.Path
    name: str
    version: int | None
    format: Format | None
    max_batch_size: int | None
    dynamic: Dynamic
    output_names: Sequence[str] | None
    run_id: str | None
    metrics: Mapping[str, float] | None
    tolerance: tuple[float, float] | None
    replace_config: bool

    def run(self, module: nn.Module, example: Any) -> Saved:
        origin = origin_facts(self.run_id, self.metrics, pathlib.Path.cwd())
        devices = devices_of(module)
        arguments = arguments_of(module, example, devices[0] if len(devices) == 1 else None)
        number = _save_store.next_version(self.store / self.name, self.version)
        eager = Eager(module)
        rows = self._rows()
        found = probe(eager, arguments, self.output_names, self.dynamic, rows, self.report)
        failures: list[str] = []
        for format in (self.format,) if self.format else _TRIED:
            try:
                return self._saved(module, found, eager, format, rows, number, origin)
            except CannotExport as error:
                failures.append(f"{_CALLS[format]} does not work: {error}")
                self.report.warn(failures[-1])
        raise SaveError(f"{self.name} cannot be saved. " + ". ".join(failures), self.report.sentences)

    def _rows(self) -> int:
        if self.max_batch_size is not None:
            return self.max_batch_size
        config = self.store / self.name / _save_store.CONFIG
        rows = _save_config.rows_in(config.read_text(encoding="utf-8")) if config.exists() else None
        if rows is None:
            return _DEFAULT_ROWS
        self.report.say(f"max_batch_size is {rows}, as in {self.name}/config.pbtxt")
        return rows

    def _saved(
        self,
        module: nn.Module,
        found: Probe,
        eager: Eager,
        format: Format,
        rows: int,
        version: int,
        origin: Mapping[str, Any],
    ) -> Saved:
        attempt = self._attempt(module, found, eager, format)
        signature = signature_of(attempt, found, rows, self.report)
        dtypes = floating_dtypes_of(module)
        golden = None
        if not found.is_random and not attempt.numbers:
            row = found.one_row if signature.max_batch_size else found.example

            def run(arguments: Arguments) -> Outputs:
                return outputs_of(eager(arguments), self.output_names)

            golden = golden_rows(row, attempt.inputs, self.tolerance, dtypes, run, self.report)
        text = passport_text(signature, saved_facts(eager.devices, dtypes, attempt.program), origin, golden)
        with _save_store.staging(self.store, self.name) as staged:
            folder = staged / str(version)
            folder.mkdir()
            attempt.write(folder, text)
            check(attempt, folder, found, dtypes)
            self._stage_model_files(staged, folder, attempt, found, signature)
            chosen = self.version is not None
            version = _save_store.publish(staged, version, self.store, chosen=chosen)
        path = self.store / self.name / str(version)
        self.report.say(f"{self.name} was saved with {_CALLS[format]} as version {version}")
        return Saved(path, self.name, version, format, signature, self.report.sentences)

    def _attempt(self, module: nn.Module, found: Probe, eager: Eager, format: Format) -> Attempt:
        names = list(self.output_names) if self.output_names is not None else None
        make: dict[Format, Callable[[], Attempt]] = {
            "export": lambda: export_program(module, found, names, self.report),
            "script": lambda: script(module, found, names, self.report),
            "trace": lambda: trace(module, found, names, self.report),
            "state_dict": lambda: weights(module, found, names, self.report, self.store / self.name),
        }
        # Exporting runs the model. All that this writes to the model is undone.
        return eager.guarded(make[format])

    def _stage_model_files(
        self, staged: pathlib.Path, folder: pathlib.Path, attempt: Attempt, found: Probe, signature: Signature
    ) -> None:
        """Stages the files of the model that belong to no version: config.pbtxt with the rows of model_warmup, and
        shared files. Raises SaveError where the store's config.pbtxt disagrees and may not be replaced."""
        model = self.store / self.name
        is_new = not _save_store.versions_of(model)
        if is_new:
            for file in attempt.shared:
                os.replace(folder / file, staged / file)
        config = model / _save_store.CONFIG
        if config.exists():
            wrong = _save_config.disagreements(config.read_text(encoding="utf-8"), signature)
            if not wrong:
                self.report.say(f"{self.name}/config.pbtxt stays as it is: it agrees with the model")
                return
            if not self.replace_config:
                raise SaveError(
                    f"{self.name}/config.pbtxt does not agree with the model: {'; '.join(wrong)}. Correct it, save "
                    "under "
                    "another name, or let replace_config=True replace it",
                    self.report.sentences,
                )
            self.report.warn(f"{self.name}/config.pbtxt was replaced: {'; '.join(wrong)}")
        elif not is_new:
            self.report.say(f"{self.name} has no config.pbtxt and gets none: the version's passport has its signature")
            return
        rows = self._warm_up(staged, attempt, found, signature)
        text = _save_config.config_text(self.name, signature, rows)
        (staged / _save_store.CONFIG).write_text(text, encoding="utf-8")

    def _warm_up(
        self, staged: pathlib.Path, attempt: Attempt, found: Probe, signature: Signature
    ) -> dict[str, _save_config.WarmUpInput] | None:
        """Writes a file with one row of each input. None: an input is no tensor, or the files would be too large."""
        if attempt.numbers:
            return None
        case = found.one_row if signature.max_batch_size else found.example
        tensors = {attempt.inputs[leaf.name]: leaf.value for leaf in case.arguments.tensors()}
        size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
        if size > _MAX_WARM_UP_BYTES:
            self.report.say(f"config.pbtxt has no model_warmup: a row has {size} bytes")
            return None
        folder = staged / _save_store.WARM_UP
        folder.mkdir()
        rows: dict[str, _save_config.WarmUpInput] = {}
        for index, (input_name, tensor) in enumerate(tensors.items()):
            file = f"input_{index}.bin"
            (folder / file).write_bytes(raw_bytes(tensor))
            dims = tuple(tensor.shape[1:] if signature.max_batch_size else tensor.shape)
            rows[input_name] = _save_config.WarmUpInput(dims, file)
        return rows


def _on_first_process(work: Callable[[], Saved]) -> Saved:
    """Runs `work` on rank 0. Every process gets its result, or raises its error."""
    from torch import distributed

    outcome: list[Any] = [None]
    if distributed.get_rank() == 0:
        try:
            outcome = [work()]
        except Exception as error:
            outcome = [error]
    distributed.broadcast_object_list(outcome, src=0)
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    saved: Saved = outcome[0]
    return saved


def _check_options(
    model: Any, format: Any, max_batch_size: Any, output_names: Any, tolerance: tuple[float, float] | None
) -> None:
    if not isinstance(model, nn.Module):
        raise SaveError(f"the model is of the type {type(model).__name__}; expected a torch.nn.Module")
    if isinstance(model, torch.jit.ScriptModule):
        raise SaveError(
            "the model is TorchScript already, which is served as it is: torch.jit.save(model, "
            '"STORE/NAME/1/model.pt"). To have a program of it, save the module that it was made of'
        )
    if format is not None and format not in _CALLS:
        raise SaveError(f"format is {format!r}; expected one of {', '.join(_CALLS)}, or None")
    if max_batch_size is not None and (type(max_batch_size) is not int or not 0 <= max_batch_size < 2**31):
        raise SaveError(f"max_batch_size is {max_batch_size!r}; expected an integer from 0 to {2**31 - 1}")
    if isinstance(output_names, str):
        raise SaveError(f"output_names is {output_names!r}; expected a list of names")
    if tolerance is not None and not (len(tolerance) == 2 and all(0 <= value <= MAX_TOLERANCE for value in tolerance)):
        raise SaveError(f"tolerance is {tolerance!r}; expected (rtol, atol), numbers from 0 to {MAX_TOLERANCE:.0f}")
