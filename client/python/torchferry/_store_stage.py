"""The folder where a version is written before it is part of a model store, and the names of versions."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

# Servers ignore names that begin with a point: server/registry/store_scanner.cc.
PREFIX = ".torchferry-stage-"
MAX_VERSION = (1 << 63) - 1


@contextlib.contextmanager
def stage(parent: pathlib.Path) -> Iterator[pathlib.Path]:
    """An empty folder in `parent` that servers ignore. It is removed at the end, unless it was renamed. Before the
    block, the leftovers of killed processes are removed."""
    _remove_abandoned(parent)
    root, lock = _make_root(parent)
    try:
        yield root
    finally:
        os.close(lock)
        shutil.rmtree(root, ignore_errors=True)


def is_version(name: str) -> bool:
    """Whether the server takes a folder of this name for a version: a positive integer without leading zeros."""
    return name.isascii() and name.isdecimal() and name[0] != "0" and int(name) <= MAX_VERSION


def sync(path: pathlib.Path) -> None:
    """Writes one file, or the names in one folder, through to the disk."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _make_root(parent: pathlib.Path) -> tuple[pathlib.Path, int]:
    """A new folder, and the descriptor that holds its lock. A folder without a held lock counts as abandoned."""
    while True:
        root = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        # Another process may remove it as abandoned until it is locked.
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
    """Removes the folders that no process uses. A process that uses one holds its lock."""
    for root in parent.glob(PREFIX + "*"):
        with contextlib.suppress(OSError):
            lock = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(root, ignore_errors=True)
            finally:
                os.close(lock)
