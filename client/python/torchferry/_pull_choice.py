"""Chooses the files of a source that make a version: one model, and the files that the server reads beside it."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence

from torchferry._model_file import PASSPORT_NAME
from torchferry._pull_types import PullError, SourceFile

# Files that the server reads beside a model: server/docs/guide/handing-over.md.
BESIDE = ("forward.py", "architecture.pt2", "architecture.pt", PASSPORT_NAME)
# The best form is first. A program is served as it stands. The other forms follow, the most self-describing first.
FORMS = ("*.pt2", "*.safetensors.index.json", "*.safetensors", "*.bin.index.json", "*.bin", "*.pt", "*.pth", "*.ckpt")
# Libraries' usual names of the weights. They decide where other files of the same form are beside them.
USUAL = (
    "model.safetensors.index.json",
    "model.safetensors",
    "pytorch_model.bin.index.json",
    "pytorch_model.bin",
    "diffusion_pytorch_model.safetensors.index.json",
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.bin",
    "model.pt2",
    "model.pt",
    "model.pth",
)
# Files that trainers leave beside a model.
NO_MODELS = ("training_args.bin", "optimizer.*", "scheduler.*", "scaler.*", "rng_state*", "adapter_model.*")
PART = re.compile(r"(?P<stem>.+)-(?P<number>\d+)-of-(?P<count>\d+)(?P<end>\.\w+)")
MAX_LISTED = 12

# Gives the files that an index names, in its order.
ReadIndex = Callable[[SourceFile], Sequence[str]]


def choose(
    shown: str, files: Sequence[SourceFile], include: Sequence[str], exclude: Sequence[str], read_index: ReadIndex
) -> list[SourceFile]:
    """Chooses from `files` the model, then its further parts, then the files that the server reads beside it.

    `include` and `exclude` are patterns of a shell, for a whole path or for a name. They do not apply to the parts that
    an index names. `shown` is the source's name in messages. Raises PullError when there is no model, or several, or
    when a part is missing.
    """
    left = [file for file in files if (not include or _is_any(file, include)) and not _is_any(file, exclude)]
    candidates = [file for file in left if _is_model(file)]
    if not candidates:
        hidden = [file for file in files if _is_model(file)] if include or exclude else []
        lost = f" that --include and --exclude leave of {_listed(hidden)}" if hidden else ""
        raise PullError(
            f"{shown}: has no model file{lost}; expected one of {', '.join(FORMS)}, and found {_listed(left or files)}"
        )
    depth = min(file.path.count("/") for file in candidates)
    candidates = [file for file in candidates if file.path.count("/") == depth]
    folders = {_folder(file) for file in candidates}
    if len(folders) > 1:
        raise PullError(
            f"{shown}: has models in {len(folders)} folders, {_listed(candidates)}; choose one with "
            f"--include '{min(folders)}/*'"
        )
    model = _choose_model(shown, candidates)
    folder = folders.pop()
    at = {file.path: file for file in files}
    parts = _parts(shown, model, candidates, at, read_index)
    beside = [file for file in left if _folder(file) == folder and file.name in BESIDE]
    return [model, *parts, *beside]


def _choose_model(shown: str, candidates: Sequence[SourceFile]) -> SourceFile:
    for form in FORMS:
        of_form = sorted(
            (file for file in candidates if fnmatch.fnmatchcase(file.name, form)), key=lambda file: file.name
        )
        usual = [file for name in USUAL for file in of_form if file.name == name]
        if usual:
            return usual[0]
        # Parts without an index are one model. Parts with an index are found by the index, whose form comes first.
        groups = {_group(file): file for file in reversed(of_form)}
        if len(groups) > 1:
            raise PullError(
                f"{shown}: has {len(groups)} models, {_listed(of_form)}; choose one with --include '{of_form[0].path}'"
            )
        if groups:
            return next(iter(groups.values()))
    raise AssertionError("each candidate has one of the forms")


def _parts(
    shown: str, model: SourceFile, candidates: Sequence[SourceFile], at: dict[str, SourceFile], read_index: ReadIndex
) -> list[SourceFile]:
    """The further parts of the model, without the file `model` itself."""
    if model.name.endswith(".index.json"):
        folder = _folder(model)
        names = [f"{folder}/{name}" if folder else name for name in read_index(model)]
        missing = [name for name in names if name not in at]
        if missing:
            raise PullError(
                f"{shown}: lacks {missing[0]}, which {model.path} names as one of its {len(names)} parts; the source "
                "is not complete"
            )
        return [at[name] for name in names]
    match = PART.fullmatch(model.name)
    if match is None:
        return []
    group = sorted((file for file in candidates if _group(file) == _group(model)), key=lambda file: file.name)
    if len(group) != int(match["count"]):
        raise PullError(
            f"{shown}: has {len(group)} of the {int(match['count'])} parts of {model.path}; the source is not complete"
        )
    return [file for file in group if file != model]


def _group(file: SourceFile) -> tuple[str, ...]:
    match = PART.fullmatch(file.name)
    return (file.name,) if match is None else (match["stem"], match["count"], match["end"])


def _is_model(file: SourceFile) -> bool:
    name = file.name
    return (
        name not in BESIDE
        and any(fnmatch.fnmatchcase(name, form) for form in FORMS)
        and not any(fnmatch.fnmatchcase(name, pattern) for pattern in NO_MODELS)
    )


def _is_any(file: SourceFile, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(text, pattern) for text in (file.path, file.name) for pattern in patterns)


def _folder(file: SourceFile) -> str:
    return file.path.rpartition("/")[0]


def _listed(files: Sequence[SourceFile]) -> str:
    names = ", ".join(ascii(file.path) for file in files[:MAX_LISTED]) or "nothing"
    return names + (f" and {len(files) - MAX_LISTED} more" if len(files) > MAX_LISTED else "")
