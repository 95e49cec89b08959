"""Where a version is written before it is part of a model store, and how versions are named."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

# Servers pass over what begins with a point: server/registry/store_scanner.cc.
PREFIX = ".torchferry-stage-"
MAX_VERSION = (1 << 63) - 1


@contextlib.contextmanager
def stage(parent: pathlib.Path) -> Iterator[pathlib.Path]:
    """An empty folder in `parent`, which no server looks at. At the end it is gone, unless it was renamed. What a
    killed process has left goes first."""
    _remove_abandoned(parent)
    root, lock = _make_root(parent)
    try:
        yield root
    finally:
        os.close(lock)
        shutil.rmtree(root, ignore_errors=True)


def is_version(name: str) -> bool:
    """As the server reads names of folders: a positive integer without leading zeros."""
    return name.isascii() and name.isdecimal() and name[0] != "0" and int(name) <= MAX_VERSION


def sync(path: pathlib.Path) -> None:
    """Writes one file, or the names in one folder, through to the disk."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _make_root(parent: pathlib.Path) -> tuple[pathlib.Path, int]:
    """A new folder, and its lock: whoever holds none is taken for dead."""
    while True:
        root = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        # It may be taken for abandoned until it is locked.
        try:
            lock = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        with contextlib.suppress(OSError):  # some file systems have no locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        if root.is_dir():
            return root, lock
        os.close(lock)


def _remove_abandoned(parent: pathlib.Path) -> None:
    """Whoever uses one holds its lock."""
    for root in parent.glob(PREFIX + "*"):
        with contextlib.suppress(OSError):
            lock = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(root, ignore_errors=True)
            finally:
                os.close(lock)
