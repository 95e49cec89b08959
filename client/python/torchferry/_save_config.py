"""Writes config.pbtxt for a signature, and finds out whether an existing one agrees with it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.text_format import ParseError

from torchferry._save_types import ANY, Signature, TensorSpec, config_type

# Max rows of the second request of model_warmup.
_WARM_UP_ROWS = 2

# The types, in the order of their numbers in model_config.proto.
_TYPES = "INVALID BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 FP32 FP64 STRING BF16".split()


@dataclasses.dataclass(frozen=True)
class WarmUpInput:
    """One row of an input, in the file NAME/warmup/`file`. `dims` are its sizes without the batch dimension."""

    dims: tuple[int, ...]
    file: str


def config_text(name: str, signature: Signature, warm_up: Mapping[str, WarmUpInput] | None) -> str:
    """The text of a model's config.pbtxt. `warm_up` has an entry for each input, and adds two requests of model_warmup.

    dims cannot be empty. With [ 1 ] or a reshape, clients would see a dimension more than the model has. Where one
    input has no dims, the config declares no inputs, and the server reads them from the program or the passport. The
    same holds for outputs.
    """
    lines = ["# Written by torchferry.save, from the model and its example.", f"name: {_quoted(name)}"]
    if signature.max_batch_size:
        lines.append(f"max_batch_size: {signature.max_batch_size}")
    for kind, tensors in (("input", signature.inputs), ("output", signature.outputs)):
        numbers = [tensor.name for tensor in tensors if not tensor.dims]
        if numbers:
            what = "a single number in each row" if signature.max_batch_size else "a single number"
            lines.append(f"# {_quoted(numbers[0])} is {what}, which no dims say: the passport declares the {kind}s.")
        else:
            lines += [f"{kind} {{ {_tensor(tensor)} }}" for tensor in tensors]
    if signature.max_batch_size:
        lines.append("dynamic_batching { }")
    if warm_up is not None:
        lines += _warm_ups(signature, warm_up)
    return "\n".join(lines) + "\n"


def rows_in(text: str) -> int | None:
    """The `max_batch_size` of the config.pbtxt with that text. It is 0 where the config has tensors without a batch.
    None: the config says neither, or cannot be read."""
    try:
        config = _parsed(text)
    except ParseError:
        return None
    return int(config.max_batch_size) if _says_rows(config) else None


def disagreements(text: str, signature: Signature) -> list[str]:
    """The disagreements of the config.pbtxt with that text and the signature, a sentence each. The list is empty where
    they agree.

    The rules are the server's: a config may leave outputs out, and either side may have -1 where the other has a size.
    """
    try:
        config = _parsed(text)
    except ParseError as error:
        return [f"it cannot be read: {error}"]
    found: list[str] = []
    rows = int(config.max_batch_size)
    if _says_rows(config) and rows == 0 and signature.max_batch_size:
        return [f"it has no max_batch_size, and the model is saved with {signature.max_batch_size}"]
    if rows > 0 and not signature.max_batch_size:
        return [f"it has max_batch_size: {rows}, and requests to the model share no batch"]
    if rows > signature.max_batch_size:
        found.append(f"it has max_batch_size: {rows}, and the model is saved with {signature.max_batch_size}")
    for kind, declared, tensors in (
        ("input", config.input, signature.inputs),
        ("output", config.output, signature.outputs),
    ):
        known = {tensor.name: tensor for tensor in tensors}
        names = [tensor.name for tensor in declared]
        if names and kind == "input" and set(names) != set(known):
            found.append(f"it has the inputs {', '.join(names)}, and the model takes {', '.join(known)}")
            continue
        for tensor in declared:
            if tensor.name not in known:
                found.append(f"it has the output {tensor.name}, and the model gives {', '.join(known)}")
                continue
            found += _difference(kind, tensor, known[tensor.name])
    return found


def _says_rows(config: Any) -> bool:
    return bool(config.HasField("max_batch_size") or config.input or config.output)


def _difference(kind: str, declared: Any, tensor: TensorSpec) -> list[str]:
    wanted = config_type(tensor.type)
    given = f"TYPE_{_TYPES[declared.data_type]}"
    if given != wanted:
        return [f"it has {kind} {tensor.name} as {given}, and the model's is {wanted}"]
    dims = tuple(declared.reshape.shape if declared.HasField("reshape") else declared.dims)
    if not tensor.dims and dims == (1,):
        return []
    fits = len(dims) == len(tensor.dims) and all(
        a == b or ANY in (a, b) for a, b in zip(dims, tensor.dims, strict=True)
    )
    return (
        [] if fits else [f"it has {kind} {tensor.name} with dims {list(dims)}, and the model's are {list(tensor.dims)}"]
    )


def _tensor(tensor: TensorSpec) -> str:
    dims = ", ".join(map(str, tensor.dims))
    return f"name: {_quoted(tensor.name)} data_type: {config_type(tensor.type)} dims: [ {dims} ]"


def _warm_ups(signature: Signature, warm_up: Mapping[str, WarmUpInput]) -> list[str]:
    """The lines of two requests of model_warmup: one row, then two rows where `max_batch_size` allows two."""
    rows = min(_WARM_UP_ROWS, max(1, signature.max_batch_size))
    lines = []
    for name, size in (("one row of the example", 1), (f"{rows} rows of the example" if rows > 1 else "again", rows)):
        lines.append(f"model_warmup {{ name: {_quoted(name)} batch_size: {size}")
        for tensor in signature.inputs:
            row = warm_up[tensor.name]
            dims = ", ".join(map(str, row.dims))
            lines.append(
                "  inputs "
                f"{{ key: {_quoted(tensor.name)} value {{ data_type: {config_type(tensor.type)} dims: [ {dims} ] "
                f"input_data_file: {_quoted(row.file)} }} }}"
            )
        lines.append("}")
    return lines


def _quoted(text: str) -> str:
    """The text as a string of protobuf's text format."""
    out = []
    for char in text:
        if char in '"\\':
            out.append("\\" + char)
        elif ord(char) < 32 or ord(char) == 127:
            out.append(f"\\{ord(char):03o}")
        else:
            out.append(char)
    return '"' + "".join(out) + '"'


def _parsed(text: str) -> Any:
    """A message with the fields of config.pbtxt that make the signature. Other fields are ignored. Raises
    ParseError."""
    return text_format.Parse(text, _message_class()(), allow_unknown_field=True)


@functools.cache
def _message_class() -> Any:
    """The message's class. It is in a separate pool, as tritonclient registers the same names in the common one."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="torchferry_save_config.proto", package="torchferry.save", syntax="proto2"
    )
    kinds = file.enum_type.add(name="DataType")
    for number, name in enumerate(_TYPES):
        kinds.value.add(name=f"TYPE_{name}", number=number)

    def message(name: str, *fields: tuple[str, int, int, bool, str]) -> None:
        made = file.message_type.add(name=name)
        for field_name, number, kind, repeated, type_name in fields:
            made.field.add(
                name=field_name,
                number=number,
                type=kind,
                label=field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL,
                type_name=f".torchferry.save.{type_name}" if type_name else None,
            )

    message("Reshape", ("shape", 1, field.TYPE_INT64, True, ""))
    tensor = (
        ("name", 1, field.TYPE_STRING, False, ""),
        ("data_type", 2, field.TYPE_ENUM, False, "DataType"),
        ("dims", 3, field.TYPE_INT64, True, ""),
        ("reshape", 4, field.TYPE_MESSAGE, False, "Reshape"),
    )
    message("Tensor", *tensor)
    message(
        "ModelConfig",
        ("name", 1, field.TYPE_STRING, False, ""),
        ("max_batch_size", 2, field.TYPE_INT32, False, ""),
        ("input", 3, field.TYPE_MESSAGE, True, "Tensor"),
        ("output", 4, field.TYPE_MESSAGE, True, "Tensor"),
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("torchferry.save.ModelConfig"))
