"""Pulls one version from a source: chooses its files, fetches them, recognises them, and lands the version."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any, TextIO

from torchferry._model_file import PASSPORT_NAME, WEIGHTS, Kind, ModelFile, read_index, recognise
from torchferry._progress import ProgressLine
from torchferry._pull_choice import BESIDE, choose
from torchferry._pull_copy import PIECE_BYTES, check_size, size_text
from torchferry._pull_passport import parse, to_text, with_origin
from torchferry._pull_types import Fetch, PullError, Source, SourceFile
from torchferry._store_landing import Staging, is_readable_name

DOCS = "server/docs/guide/handing-over.md"


@dataclasses.dataclass(frozen=True)
class Wanted:
    """The user's choice of files."""

    include: Sequence[str]
    exclude: Sequence[str]
    max_size: int  # max bytes of all files together


@dataclasses.dataclass(frozen=True)
class Pulled:
    """A version that is now in the store."""

    version: int
    digests: Sequence[tuple[str, str]]  # the name and the SHA-256 of each file
    notes: Sequence[str]  # a sentence each, for the user


def pull(source: Source, wanted: Wanted, stage: Staging, version: int | None, terminal: TextIO) -> Pulled:
    """Pulls a version into the store. `version` is its number; None: the next one.

    Raises PullError and StoreError, each with the way out, and OSError. Nothing has landed then.
    """
    offered = source.files()
    fetcher = _Fetcher(source, stage, wanted.max_size, terminal)
    try:
        chosen = list(offered)
        if not source.is_one_file:
            chosen = choose(source.origin().source, offered, wanted.include, wanted.exclude, fetcher.index)
        check_size(source.origin().source, sum(file.size or 0 for file in chosen), wanted.max_size)
        for file in chosen:
            fetcher.fetch(file)
    finally:
        fetcher.progress.end()
    models = [file for file in chosen if file.name not in BESIDE]
    looked = _look(stage, models)
    notes = _add_passport(source, stage, fetcher.digests, [file.name for file in models], looked)
    number = stage.land(version)
    text = f"version {number}: {looked.kind.value}, {models[0].name}"
    if len(models) > 1:
        text += f" and {len(models) - 1} more"
    text += f", {size_text(fetcher.bytes)}, from {source.origin().source}"
    left_out = [file for file in offered if file not in chosen]
    if left_out:
        text += f"; left out {len(left_out)} files that are no part of it"
    return Pulled(number, sorted(fetcher.digests.items()), [text, *notes, *_missing(looked, chosen)])


class _Fetcher:
    """Fetches the files of one version, each once."""

    def __init__(self, source: Source, stage: Staging, max_size: int, terminal: TextIO) -> None:
        self._source = source
        self._stage = stage
        self._max_size = max_size
        self.progress = ProgressLine(terminal)
        self.bytes = 0
        self.digests: dict[str, str] = {}

    def index(self, file: SourceFile) -> Sequence[str]:
        """Fetches an index, and returns the names of its parts. Raises PullError."""
        self.fetch(file)
        try:
            return read_index(self._stage.folder / file.name)
        except (ValueError, RecursionError) as error:
            raise PullError(f"{file.path}: is no index of weights: {error}") from None

    def fetch(self, file: SourceFile) -> None:
        if file.name in self.digests:
            return
        if self._source.is_one_file and file.name in BESIDE:
            raise PullError(
                f"{file.name}: the server reads a file of this name beside a model, not as one; give another "
                "name with --as"
            )
        if not is_readable_name(file.name):
            raise PullError(
                f"{file.name!r} is no file's name that a server reads: expected one that begins with no point, "
                "of at most 255 bytes and without control characters; give another one with --as"
            )
        self.progress.begin(file.name)
        to = self._stage.folder / file.name
        digest = self._source.fetch(file, Fetch(to, self._max_size - self.bytes, self.progress.update))
        if file.sha256 is not None and digest != file.sha256.lower():
            raise PullError(
                f"{file.path}: has the SHA-256 {digest}, and {file.sha256.lower()} was expected; it is not the "
                "file that was published"
            )
        self.bytes += to.stat().st_size
        self.digests[file.name] = digest


def _look(stage: Staging, models: Sequence[SourceFile]) -> ModelFile:
    """Recognises all files, and returns the first. It is the model, the index of the others, or their first part.
    Raises PullError for files that are not served."""
    looked = [recognise(stage.folder / file.name) for file in models]
    for file, found in zip(models, looked, strict=True):
        if found.kind is Kind.WHOLE_OBJECT:
            raise PullError(
                f"{file.path}: is a pickle of a whole object, of the class {found.class_name}: loading it runs the code "
                f"that it names, so it is not put into the store. Where you trust it: torchferry convert {file.name} "
                f"--class {found.class_name}; or save it as a torch.export program, TorchScript or a state_dict"
            )
        if found.kind is Kind.OTHER:
            raise PullError(
                f"{file.path}: is no file that the server loads; expected a torch.export program, a TorchScript "
                "archive, a state_dict or safetensors"
            )
    parts = looked[1:]
    if looked[0].kind is Kind.SHARD_INDEX and not parts:
        raise PullError(
            f"{models[0].path}: is the index of weights in several files, without these; pull the folder or "
            "the repository that has them"
        )
    if any(found.kind not in (Kind.STATE_DICT, Kind.SAFETENSORS) for found in parts):
        raise PullError(f"{models[0].path}: one of its parts is no state_dict; the source is damaged")
    return looked[0]


def _add_passport(
    source: Source, stage: Staging, digests: dict[str, str], models: Sequence[str], looked: ModelFile
) -> Sequence[str]:
    path = stage.folder / PASSPORT_NAME
    beside: dict[str, Any] | None = None
    if PASSPORT_NAME in digests:
        with open(path, encoding="utf-8", errors="replace") as file:
            beside = parse(file.read(), PASSPORT_NAME)
    inside = None
    if looked.passport is not None and len(models) == 1:  # the server reads no passport inside one of several files
        inside = parse(looked.passport, f"the passport in {models[0]}")
    whole = digests[models[0]] if len(models) == 1 else _joined_digest(stage, models)
    passport, notes = with_origin(beside, inside, source.origin(), whole)
    if passport is not None and passport != beside:
        text = to_text(passport)
        path.write_text(text, encoding="utf-8")
        digests[PASSPORT_NAME] = hashlib.sha256(text.encode()).hexdigest()
    return notes


def _joined_digest(stage: Staging, names: Sequence[str]) -> str:
    """The SHA-256 of the files joined in order. The server computes it in the same way for weights in several files."""
    digest = hashlib.sha256()
    for name in names:
        with open(stage.folder / name, "rb") as file:
            while piece := file.read(PIECE_BYTES):
                digest.update(piece)
    return digest.hexdigest()


def _missing(looked: ModelFile, chosen: Sequence[SourceFile]) -> Sequence[str]:
    has_program = any(file.name in BESIDE and file.name != PASSPORT_NAME for file in chosen)
    if looked.kind not in WEIGHTS or has_program:
        return []
    return [
        f"these are weights alone, which the server cannot run yet: put a forward.py, or an architecture.pt2, into the "
        f"version's folder, or beside it for all versions ({DOCS})"
    ]
