"""Puts a version into a model store. A server that watches the store sees the version whole or not at all."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator

from torchferry import _store_stage
from torchferry._save_report import SaveError
from torchferry._store_stage import MAX_VERSION, is_version

CONFIG = "config.pbtxt"
WARM_UP = "warmup"
_MAX_NAME_BYTES = 255  # the file system's max for a file's name


def check_name(name: str) -> None:
    """Raises SaveError where the name cannot be the name of a model."""
    wrong = not isinstance(name, str) or not name or name.startswith(".") or "/" in name or "\0" in name
    if wrong or name == "lost+found" or len(name.encode(errors="surrogatepass")) > _MAX_NAME_BYTES:
        raise SaveError(
            f"the name is {name!r}; expected 1 to {_MAX_NAME_BYTES} bytes without a slash, and without a point in front"
        )
    try:
        name.encode()
    except UnicodeEncodeError:
        raise SaveError(f"the name is {name!r}, which is not UTF-8, so that no client can say it") from None


def check_version(version: int | None) -> None:
    if version is not None and (type(version) is not int or not 1 <= version <= MAX_VERSION):
        raise SaveError(f"the version is {version!r}; expected an integer from 1 to {MAX_VERSION}")


def versions_of(model: pathlib.Path) -> list[int]:
    """The versions that a server sees, in ascending order."""
    if not model.is_dir():
        return []
    return sorted(int(entry.name) for entry in model.iterdir() if is_version(entry.name) and entry.is_dir())


def next_version(model: pathlib.Path, version: int | None) -> int:
    """`version`, or for None the one after the newest. Raises SaveError where `version` exists already."""
    there = versions_of(model)
    if version is None:
        return there[-1] + 1 if there else 1
    if version in there or (model / str(version)).exists():
        raise SaveError(
            f"{model.name}/{version} is there already; leave version away for the next one, or name another"
        )
    return version


@contextlib.contextmanager
def staging(store: pathlib.Path, name: str) -> Iterator[pathlib.Path]:
    """An empty folder for the model, in a folder of the store that servers ignore. It is removed at the end."""
    store.mkdir(parents=True, exist_ok=True)
    with _store_stage.stage(store) as folder:
        (folder / name).mkdir()
        yield folder / name


def publish(staged: pathlib.Path, version: int, store: pathlib.Path, *, chosen: bool) -> int:
    """Moves the staged model into the store, and returns the number of its version.

    `staged` has the folder `version` and the files of the model itself. Where the store has the model already, these
    files replace those of the same names before the version appears, config.pbtxt last. Other files stay. A version
    that somebody else has published meanwhile does not change. With `chosen` this raises SaveError; otherwise the
    version gets the next number."""
    sync(staged)
    model = store / staged.name
    if not model.exists():
        try:
            os.rename(staged, model)
        except OSError:
            # Somebody else has created the model meanwhile.
            if not model.is_dir():
                raise
        else:
            _store_stage.sync(store)
            return version
    _merge(staged, model, version)
    while True:
        target = model / str(version)
        try:
            # An empty folder would be replaced without an error.
            if target.exists():
                raise FileExistsError(target)
            os.rename(staged / str(version), target)
        except OSError as error:
            if not target.exists():
                raise
            if chosen:
                raise SaveError(
                    f"{staged.name}/{version} is there already: another process has saved it meanwhile"
                ) from error
            later = max(versions_of(model)) + 1
            os.rename(staged / str(version), staged / str(later))
            version = later
            continue
        _store_stage.sync(model)
        return version


def sync(folder: pathlib.Path) -> None:
    """Writes files and folders through to the disk. A file that remains after a crash must have its bytes."""
    for path in sorted(folder.rglob("*"), reverse=True):
        _store_stage.sync(path)
    _store_stage.sync(folder)


def _merge(staged: pathlib.Path, model: pathlib.Path, version: int) -> None:
    """Moves the staged files of the model into its folder, config.pbtxt last. They replace files of the same names."""
    for path in sorted(staged.rglob("*"), key=lambda entry: entry.name == CONFIG):
        inside = path.relative_to(staged)
        if inside.parts[0] == str(version) or path.is_dir():
            continue
        target = model / inside
        target.parent.mkdir(exist_ok=True)
        os.replace(path, target)
        _store_stage.sync(target.parent)
