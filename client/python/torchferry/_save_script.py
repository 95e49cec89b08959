"""Saves the model as a TorchScript archive, compiled from its code or traced."""

from __future__ import annotations

import contextlib
import functools
import inspect
import pathlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from torchferry._save_example import Arguments, Leaf
from torchferry._save_format import Attempt, CannotExport, Shapes
from torchferry._save_outputs import Form, named
from torchferry._save_peel import alike
from torchferry._save_probe import Probe
from torchferry._save_report import Report, reason_of

FILE = "model.pt"

# The API's type for each type of Python's numbers.
_NUMBERS = {bool: "BOOL", int: "INT64", float: "FP32"}
# Lightning itself sets this attribute while it makes TorchScript.
_LIGHTNING_FLAG = "_jit_is_scripting"
# PyTorch has no type annotations for these functions.
_JIT: Any = torch.jit
_SERVED_NAMESPACES = ("aten", "prim", "prims", "quantized")


def script(module: nn.Module, probe: Probe, names: Sequence[str] | None, report: Report) -> Attempt:
    """Compiles the module with torch.jit.script. Raises CannotExport."""
    _check_script_outputs(probe, names)
    leaves = probe.example.arguments.leaves()
    numbers: dict[str, str] = {}
    for leaf in leaves:
        if isinstance(leaf.value, list) or _is_in_list(probe.example.arguments, leaf):
            raise CannotExport(
                f"argument {leaf.argument} is a list, whose parts have no names in TorchScript; use a tuple"
            )
        if leaf.is_tensor:
            continue
        if type(leaf.value) not in _NUMBERS:
            raise CannotExport(f"argument {leaf.name} is a {type(leaf.value).__name__}; give forward a default for it")
        numbers[leaf.name] = _NUMBERS[type(leaf.value)]
    scripted = _compiled(module, lambda: torch.jit.script(module))
    _check_operators(scripted)
    inputs = {leaf.name: leaf.name for leaf in leaves if leaf.is_tensor}
    return _attempt("torchscript-script", scripted, probe, inputs, numbers, lambda given: (given.args, given.kwargs))


def trace(module: nn.Module, probe: Probe, names: Sequence[str] | None, report: Report) -> Attempt:
    """Traces the module with torch.jit.trace, on the probe's first case. Raises CannotExport."""
    source = module if names is None and probe.example.outputs.is_plain else named(module, names)
    arguments = probe.cases[0].arguments
    traced_names = list(dict.fromkeys(leaf.argument for leaf in arguments.tensors()))
    fixed = {name: value for name, value in arguments.bound().items() if name not in traced_names}
    for leaf in arguments.leaves():
        if _is_in_list(arguments, leaf):
            raise CannotExport(
                f"argument {leaf.argument} is a list, whose parts have no names in TorchScript; use a tuple"
            )
        if not leaf.is_tensor and leaf.argument in traced_names:
            raise CannotExport(
                f"argument {leaf.name} is a {type(leaf.value).__name__} beside tensors, which a trace cannot take"
            )
        if not leaf.is_tensor:
            report.say(f"argument {leaf.name} is {leaf.value!r} in the trace, and no input")
    given = arguments.copied()
    taken = tuple(given.bound()[name] for name in traced_names)
    taker = _taking(source, traced_names, fixed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        traced = _compiled(taker, lambda: _JIT.trace(taker, taken, check_trace=False, strict=False))
    for warning in caught:
        if issubclass(warning.category, _JIT.TracerWarning):
            report.warn(f"the trace keeps what the code decided for the example: {reason_of(warning.message)}")
    _check_operators(traced)
    inputs = {leaf.name: leaf.name for leaf in arguments.tensors()}
    return _attempt(
        "torchscript-trace", traced, probe, inputs, {}, lambda a: (tuple(a.bound()[n] for n in traced_names), {})
    )


def _attempt(
    program: str,
    compiled: Any,
    probe: Probe,
    inputs: dict[str, str],
    numbers: dict[str, str],
    spread: Callable[[Arguments], tuple[tuple[Any, ...], dict[str, Any]]],
) -> Attempt:
    def write(folder: pathlib.Path, text: str) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.jit.save(compiled, str(folder / FILE), _extra_files={"torchferry.json": text})
        except Exception as error:
            raise CannotExport(f"torch.jit.save failed: {reason_of(error)}") from error

    def load(folder: pathlib.Path) -> Callable[[Arguments], Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = _JIT.load(str(folder / FILE))

        def run(arguments: Arguments) -> Any:
            args, kwargs = spread(arguments)
            return loaded(*args, **kwargs)

        return run

    return Attempt(program, inputs, numbers, Shapes(rows=probe.rows), write, load, compiled)


def _compiled(module: nn.Module, make: Callable[[], Any]) -> Any:
    try:
        with _compiling(module), warnings.catch_warnings():
            # This hides the known warning that TorchScript is deprecated. The tracer's warnings about the model remain.
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            return make()
    except Exception as error:
        raise CannotExport(reason_of(error)) from error


@contextlib.contextmanager
def _compiling(module: nn.Module) -> Iterator[None]:
    """Tells the classes of Lightning modules in the block that TorchScript is made. TorchScript reads each attribute,
    and some of theirs would otherwise raise without a trainer."""
    told = {
        cls for part in module.modules() for cls in type(part).__mro__ if cls.__dict__.get(_LIGHTNING_FLAG) is False
    }
    try:
        for cls in told:
            setattr(cls, _LIGHTNING_FLAG, True)
        yield
    finally:
        for cls in told:
            setattr(cls, _LIGHTNING_FLAG, False)


def _check_script_outputs(probe: Probe, names: Sequence[str] | None) -> None:
    """Raises CannotExport for outputs that the server does not support in TorchScript. It supports no nested outputs,
    and names the outputs of a dict by its keys."""
    form = probe.example.outputs.form
    if form is Form.OTHER:
        raise CannotExport(
            "forward gives nested outputs or an object; TorchScript is served with a tensor, or a tuple or dict of "
            "tensors"
        )
    if probe.example.outputs.has_gaps and (names is not None or form is Form.NAMED_TUPLE):
        raise CannotExport("forward gives None among its outputs, and names in TorchScript go by place")
    if names is None:
        return
    if form is Form.DICT:
        raise CannotExport("the keys of a dict are the names of its outputs in TorchScript; leave output_names away")
    numbers = [name.rpartition("__")[2] for name in names if "__" in name]
    if len(numbers) == len(names) and numbers != [str(place) for place in range(len(names))]:
        raise CannotExport(f"output_names {list(names)} end in the numbers of other outputs; name them otherwise")


def _taking(module: nn.Module, names: list[str], fixed: dict[str, Any]) -> nn.Module:
    """A module with the same parameters. Its forward takes the arguments `names` in that order. The others have the
    values of `fixed`."""
    twin = alike(module, {})
    inner = twin.forward
    signature = inspect.signature(inner)

    @functools.wraps(inner)
    def forward(*values: Any) -> Any:
        given = dict(zip(names, values, strict=True)) | fixed
        ordered = {name: given[name] for name in signature.parameters if name in given}
        bound = inspect.BoundArguments(signature, ordered)
        return inner(*bound.args, **bound.kwargs)

    parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    forward.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    twin.__dict__["forward"] = forward
    return twin


def _is_in_list(arguments: Arguments, leaf: Leaf) -> bool:
    value = arguments.bound()[leaf.argument]
    return isinstance(value, list)


def _check_operators(compiled: Any) -> None:
    for name in _JIT.export_opnames(compiled):
        namespace = str(name).partition("::")[0]
        if namespace not in _SERVED_NAMESPACES:
            raise CannotExport(
                f"it calls {name}, an operator that PyTorch does not bring and the server does not have; leave "
                "that step to "
                "the client, or write it with PyTorch's own operators"
            )
