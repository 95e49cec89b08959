"""Saves the model as a torch.export program."""

from __future__ import annotations

import contextlib
import io
import logging
import pathlib
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch._dynamo.exc import UserError
from torch.export import Dim, ExportedProgram
from torch.export.dynamic_shapes import refine_dynamic_shapes_from_suggested_fixes
from torch.export.graph_signature import InputKind, OutputKind, TensorArgument
from torch.utils import _pytree as pytree

from torchferry._save_example import Arguments, Leaf
from torchferry._save_format import Attempt, CannotExport, Shapes
from torchferry._save_outputs import named
from torchferry._save_probe import Case, Dynamic, Probe, label_of
from torchferry._save_report import Report, reason_of

FILE = "model.pt2"

# The namespaces of PyTorch's own operators. Python's operators on sizes have no namespace, and are accepted.
_SERVED_NAMESPACES = ("aten", "prim", "prims", "higher_order")
# The label of dimension 0 where there are rows.
_BATCH = "batch"
# Max attempts of an export. Each further one follows PyTorch's suggestion, such as a limit on a size.
_REFINEMENTS = 3


def export_program(module: nn.Module, probe: Probe, names: list[str] | None, report: Report) -> Attempt:
    """Exports the model with the batch and the free sizes that the probe found. The report gets a warning where the
    batch has to be fixed. Raises CannotExport."""
    plain = probe.example.outputs.is_plain
    source = module if plain else named(module, names)
    if not probe.rows:
        return _attempt(_exported(source, probe.example, probe.free, rows=False), probe, rows=False, report=report)
    try:
        program = _exported(source, probe.cases[0], probe.free, rows=True)
        return _attempt(program, probe, rows=True, report=report)
    except CannotExport as error:
        program = _exported(source, probe.example, probe.free, rows=False)
        report.warn(
            f"torch.export fixed the batch at the example's {probe.example.arguments.rows()} rows, and requests "
            "share none: "
            f'{error}. format="script" or "trace" may free it'
        )
        return _attempt(program, probe, rows=False, report=report)


def write_program(program: ExportedProgram, path: pathlib.Path, extra: dict[str, str]) -> None:
    """Writes a .pt2 file with the extra files. Raises CannotExport."""
    try:
        with _quiet():
            torch.export.save(program, path, extra_files=extra)
    except Exception as error:
        raise CannotExport(f"torch.export.save failed: {reason_of(error)}") from error


def load_program(path: pathlib.Path) -> ExportedProgram:
    """Reads a .pt2 file. Raises CannotExport."""
    try:
        with _quiet():
            return torch.export.load(path)
    except Exception as error:
        raise CannotExport(f"torch.export.load failed on what was written: {reason_of(error)}") from error


def _exported(module: nn.Module, case: Case, free: Dynamic, *, rows: bool) -> ExportedProgram:
    """The first export that works, of up to three. The first gives each free size a name, and PyTorch must prove that
    it may vary. The second lets PyTorch find the sizes by itself. The third names only the batch. It is last, as it
    takes PyTorch minutes where sizes depend on one another."""
    ways: list[Callable[[str], Any]] = [lambda name: Dim(name, min=1)]
    if rows or free:
        ways.append(lambda _: Dim.AUTO)
    if rows and free:
        ways.append(lambda name: Dim(name, min=1) if name == _BATCH else Dim.AUTO)
    errors: list[CannotExport] = []
    for way in ways:
        try:
            return _exported_with(module, case, free, way, rows=rows)
        except CannotExport as error:
            errors.append(error)
    raise errors[0]


def _exported_with(
    module: nn.Module, case: Case, free: Dynamic, dim: Callable[[str], Any], *, rows: bool
) -> ExportedProgram:
    shapes = _dynamic_shapes(case.arguments, free, dim, rows)
    for left in reversed(range(_REFINEMENTS)):
        given = case.arguments.copied()
        try:
            with _quiet(), contextlib.redirect_stderr(_WithoutGraphs()):
                program = torch.export.export(module, given.args, given.kwargs, dynamic_shapes=shapes, strict=False)
                if _has_autocast(program) or not _can_be_saved(program):
                    program = program.run_decompositions({})
                break
        except UserError as error:
            refined = _refined(error, shapes)
            if not left or refined is None:
                raise CannotExport(reason_of(error)) from error
            shapes = refined
        except Exception as error:
            raise CannotExport(reason_of(error)) from error
    _check_operators(program)
    _check_free(program, case.arguments, free, rows)
    return program


def _dynamic_shapes(arguments: Arguments, free: Dynamic, dim: Callable[[str], Any], rows: bool) -> Any:
    """The free sizes in torch.export's form: by parameter, in the structure of the arguments."""
    dims: dict[str, Any] = {}
    leaves = iter(arguments.leaves())

    def of(value: Any) -> Any:
        leaf = None if value is None else next(leaves)
        if leaf is None or not leaf.is_tensor:
            return None
        sizes: dict[int, Any] = {}
        for dimension, label in _free_dimensions(leaf, free, rows).items():
            name = label_of(label)
            sizes[dimension] = dims.setdefault(name, dim(name) if isinstance(label, str) else label)
        return sizes or None

    return pytree.tree_map(of, arguments.bound(), is_leaf=lambda value: value is None)


def _free_dimensions(leaf: Leaf, free: Dynamic, rows: bool) -> Mapping[int, Any]:
    own = free.get(leaf.name, {})
    return {**own, 0: _BATCH} if rows else own


def _refined(error: UserError, shapes: Any) -> Any:
    """The shapes with the suggestion of PyTorch's message; None where it suggests nothing new."""
    try:
        refined = refine_dynamic_shapes_from_suggested_fixes(str(error), shapes)
    except Exception:
        return None
    return None if refined == shapes else refined


def _check_free(program: ExportedProgram, arguments: Arguments, free: Dynamic, rows: bool) -> None:
    """Raises CannotExport where a free size became a constant. PyTorch makes it one silently with Dim.AUTO, and by its
    own suggestion."""
    batch: set[str] = set()
    for leaf, size in zip(arguments.tensors(), _sizes(program), strict=True):
        for dimension in _free_dimensions(leaf, free, rows):
            if not _varies(size[dimension]):
                raise CannotExport(f"dimension {dimension} of {leaf.name} became {size[dimension]}")
        if rows:
            batch.add(str(size[0]))
    if len(batch) > 1:
        raise CannotExport(f"dimension 0 of the inputs became {', '.join(sorted(batch))}")


def _attempt(program: ExportedProgram, probe: Probe, *, rows: bool, report: Report) -> Attempt:
    leaves = [leaf for leaf in probe.example.arguments.leaves()]
    users = [spec for spec in program.graph_signature.input_specs if spec.kind is InputKind.USER_INPUT]
    # None is an argument of the graph, but does not count as a leaf here.
    values = [spec for spec in users if isinstance(spec.arg, TensorArgument)]
    tensors = [leaf for leaf in leaves if leaf.is_tensor]
    if len(values) != len(tensors):
        raise CannotExport(f"the program takes {len(values)} tensors, and the example has {len(tensors)}")
    inputs = {leaf.name: spec.arg.name for leaf, spec in zip(tensors, values, strict=True)}
    for leaf in leaves:
        if not leaf.is_tensor:
            report.say(f"argument {leaf.name} is {leaf.value!r} in the program, and no input")

    def load(folder: pathlib.Path) -> Callable[[Arguments], Any]:
        module: Any = load_program(folder / FILE).module()
        return lambda given: module(*given.args, **given.kwargs)

    return Attempt(
        program="torch.export",
        inputs=inputs,
        numbers={},
        shapes=Shapes(
            rows=rows,
            max_rows=_max_rows(program) if rows else None,
            least_rows=2 if rows and _needs_two(program) else 1,
            free_outputs=_free_outputs(program),
        ),
        write=lambda folder, text: write_program(program, folder / FILE, {"torchferry.json": text}),
        load=load,
        source=program,
    )


def _sizes(program: ExportedProgram) -> list[Sequence[Any]]:
    """The shapes of the program's input tensors, in order. A size that varies is a torch.SymInt."""
    names = set(program.graph_signature.user_inputs)
    values = [node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    return [value.shape for value in values if isinstance(value, torch.Tensor)]


def _free_outputs(program: ExportedProgram) -> tuple[frozenset[int], ...]:
    """The dimensions of each output tensor that are symbols in the program."""
    nodes = {node.name: node for node in program.graph.nodes}
    outputs = [spec.arg for spec in program.graph_signature.output_specs if spec.kind is OutputKind.USER_OUTPUT]
    values = [nodes[arg.name].meta["val"] for arg in outputs if isinstance(arg, TensorArgument)]
    return tuple(frozenset(at for at, size in enumerate(value.shape) if _varies(size)) for value in values)


def _range_of_rows(program: ExportedProgram) -> Any:
    size = _sizes(program)[0][0]
    return program.range_constraints.get(size.node.expr) if _varies(size) else None


def _varies(size: Any) -> bool:
    """Whether the size has a free symbol. A torch.SymInt without one is a constant."""
    return isinstance(size, torch.SymInt) and bool(size.node.expr.free_symbols)


def _max_rows(program: ExportedProgram) -> int | None:
    """The max batch of the program; None where there is no limit."""
    limits = _range_of_rows(program)
    upper: Any = None if limits is None else limits.upper
    return int(upper) if getattr(upper, "is_Integer", False) and int(upper) < 2**31 else None


def _needs_two(program: ExportedProgram) -> bool:
    """Whether PyTorch's own check refuses a single row. The server runs the program with single rows nevertheless."""
    limits = _range_of_rows(program)
    return limits is not None and bool(limits.lower >= 2)


def _has_autocast(program: ExportedProgram) -> bool:
    return any(node.op == "call_function" and "autocast" in str(node.target) for node in program.graph.nodes)


def _can_be_saved(program: ExportedProgram) -> bool:
    """Whether torch.export.save knows all nodes. Decoders of transformers leave some that it does not know."""
    return not any("lazy_load_decompositions" in str(node.target) for node in program.graph.nodes)


def _check_operators(program: ExportedProgram) -> None:
    for graph_module in program.graph_module.modules():
        if not isinstance(graph_module, torch.fx.GraphModule):
            continue
        for node in graph_module.graph.nodes:
            namespace = getattr(node.target, "namespace", None)
            if node.op == "call_function" and isinstance(namespace, str) and namespace not in _SERVED_NAMESPACES:
                raise CannotExport(
                    f"it calls {node.target}, an operator that PyTorch does not bring and the server does not "
                    "have; leave "
                    "that step to the client, or write it with PyTorch's own operators"
                )


class _WithoutGraphs(io.TextIOBase):
    """Standard error without the graphs that torch.export prints when it fails. They are pages of operators."""

    def __init__(self) -> None:
        self._target = sys.stderr

    def write(self, text: str) -> int:
        if not text.lstrip().startswith(("def forward(", "class GraphModule(")):
            self._target.write(text)
        return len(text)

    def flush(self) -> None:
        self._target.flush()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppresses torch.export's warnings and log lines in the block. Its errors say what went wrong."""
    levels = {name: logging.getLogger(name).level for name in ("torch", "torch._export", "torch.export", "torch.fx")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for name in levels:
                logging.getLogger(name).setLevel(logging.CRITICAL)
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
