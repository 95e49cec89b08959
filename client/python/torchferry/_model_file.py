"""Recognises the kind of a model's file by its content, without running any of it.

It tells only which files a version may have. The server decides whether a file is sound.
"""

from __future__ import annotations

import dataclasses
import enum
import io
import json
import pathlib
import pickletools
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from torchferry._pull_types import PullError

PASSPORT_NAME = "torchferry.json"
MAX_PASSPORT_BYTES = 256 << 10
# The server's limits: the max of the safetensors format for a header, and the max of an index of parts.
MAX_SAFETENSORS_HEADER_BYTES = 100_000_000
MAX_INDEX_BYTES = 64 << 20
# This much of a pickle is read. Its beginning shows what it is.
PICKLE_HEAD_BYTES = 1 << 16
MAX_PICKLE_OPCODES = 2000
# torch.save before 1.6 wrote two numbers and a dict before the object, each as a pickle.
LEGACY_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
LEGACY_PICKLES = 3
CONTAINERS = ("collections.OrderedDict", "builtins.dict", "__builtin__.dict")


class Kind(enum.Enum):
    """The kinds of files that the server loads, and two that it does not: WHOLE_OBJECT and OTHER."""

    TORCHSCRIPT = "a TorchScript archive"
    PROGRAM = "a torch.export program"
    STATE_DICT = "a state_dict"
    SAFETENSORS = "safetensors weights"
    SHARD_INDEX = "the index of weights in several files"
    WHOLE_OBJECT = "a pickle of a whole Python object"
    OTHER = "no file that the server loads"


WEIGHTS = (Kind.STATE_DICT, Kind.SAFETENSORS, Kind.SHARD_INDEX)


@dataclasses.dataclass(frozen=True)
class ModelFile:
    """The kind of a file, and what was read in it."""

    kind: Kind
    class_name: str = ""  # the class of a whole object: "pkg.Net"
    passport: str | None = None  # the text of the passport inside; None: it has none
    parts: tuple[str, ...] = ()  # the names of the files of an index, each once, in the order of the index


def recognise(path: pathlib.Path) -> ModelFile:
    """Recognises one file. Raises PullError for a damaged file, and OSError."""
    with open(path, "rb") as file:
        head = file.read(PICKLE_HEAD_BYTES)
        try:
            if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
                return _of_zip(path)
            if LEGACY_MAGIC in head[:32]:
                return _of_pickle(head, skip=LEGACY_PICKLES)
            if (header := _safetensors_header(head, file)) is not None:
                passport = header.get("__metadata__", {}).get("torchferry")
                return ModelFile(Kind.SAFETENSORS, passport=passport if isinstance(passport, str) else None)
            if head.lstrip()[:1] == b"{" and (b'"weight_map"' in head or b'"total_size"' in head):
                return ModelFile(Kind.SHARD_INDEX, parts=read_index(path))
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RecursionError, ValueError) as error:
            raise PullError(f"{path.name}: is damaged: {error or type(error).__name__}; fetch it again") from None
        if head.startswith(b"\x80"):
            return _of_pickle(head, skip=0)
    return ModelFile(Kind.OTHER)


def read_index(path: pathlib.Path) -> tuple[str, ...]:
    """The files that a *.index.json names, each once, in its order. Raises ValueError for another file."""
    with open(path, "rb") as file:
        text = file.read(MAX_INDEX_BYTES + 1)
    if len(text) > MAX_INDEX_BYTES:
        raise ValueError(f"an index has at most {MAX_INDEX_BYTES} bytes")
    index = json.loads(text)
    parts = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(parts, dict) or not all(isinstance(part, str) and _is_plain(part) for part in parts.values()):
        raise ValueError('expected {"weight_map": {TENSOR: FILE}} with files beside the index')
    return tuple(dict.fromkeys(parts.values()))


def _is_plain(name: str) -> bool:
    return bool(name) and "/" not in name and "\0" not in name and not name.startswith(".") and len(name.encode()) < 256


def _of_zip(path: pathlib.Path) -> ModelFile:
    with zipfile.ZipFile(path) as archive:
        names = {name: name.partition("/")[2] for name in archive.namelist()}  # without the top folder
        inner = set(names.values())
        passport = None
        for name, below in names.items():
            if below == f"extra/{PASSPORT_NAME}":
                if archive.getinfo(name).file_size > MAX_PASSPORT_BYTES:
                    raise PullError(
                        f"{path.name}: its {name} has {archive.getinfo(name).file_size} bytes; a passport "
                        f"has at most {MAX_PASSPORT_BYTES}"
                    )
                passport = archive.read(name).decode()
        if "data.pkl" not in inner:
            is_program = any(name.startswith("models/") and name.endswith(".json") for name in inner) or (
                "serialized_exported_program.json" in names
            )
            return ModelFile(Kind.PROGRAM if is_program else Kind.OTHER, passport=passport)
        if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
            return ModelFile(Kind.TORCHSCRIPT, passport=passport)
        pickle = next(name for name, below in names.items() if below == "data.pkl")
        with archive.open(pickle) as data:
            return _of_pickle(data.read(PICKLE_HEAD_BYTES), skip=0)


def _safetensors_header(head: bytes, file: BinaryIO) -> dict[str, Any] | None:
    length = int.from_bytes(head[:8], "little")
    if head[8:9] != b"{" or not 2 <= length <= MAX_SAFETENSORS_HEADER_BYTES:
        return None
    file.seek(8)
    header = json.loads(file.read(length))
    if not isinstance(header, dict) or not isinstance(header.get("__metadata__", {}), dict):
        raise ValueError("its header is no safetensors header")
    return header


def _of_pickle(head: bytes, skip: int) -> ModelFile:
    """The kind by the first value that the pickle makes: a container of tensors, or an object of some class."""
    stream = io.BytesIO(head)
    try:
        for _ in range(skip):
            for _ in _opcodes(stream):
                pass
        root = _root(stream)
    except ValueError:
        return ModelFile(Kind.OTHER)
    if root is None or root in CONTAINERS:
        return ModelFile(Kind.STATE_DICT)
    return ModelFile(Kind.WHOLE_OBJECT, class_name=root)


def _opcodes(stream: io.BytesIO) -> Iterator[tuple[str, Any]]:
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if count == MAX_PICKLE_OPCODES:
            raise ValueError("too long")
        yield opcode.name, argument


def _root(stream: io.BytesIO) -> str | None:
    """The class of the outermost value, such as "pkg.Net"; None for a dict, a list, an empty tuple or a stored tensor.
    Raises ValueError where the pickle begins with anything else."""
    texts: list[str] = []
    for name, argument in _opcodes(stream):
        if name in ("PROTO", "FRAME", "MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT", "MARK"):
            continue
        if name == "GLOBAL":
            return ".".join(str(argument).split(" ", 1))
        if name.endswith("UNICODE") and len(texts) < 2:
            texts.append(str(argument))
        elif name == "STACK_GLOBAL" and len(texts) == 2:
            return ".".join(texts)
        elif name in ("EMPTY_DICT", "DICT", "EMPTY_LIST", "LIST", "EMPTY_TUPLE", "BINPERSID") and not texts:
            return None
        else:
            raise ValueError("no object")
    raise ValueError("no object")
