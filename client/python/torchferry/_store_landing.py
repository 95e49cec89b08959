"""A version's way into a model store: written where no server looks, and renamed into its place when it is whole."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

# Servers pass over what begins with a point: server/registry/store_scanner.cc.
PREFIX = ".torchferry-pull-"
SCRATCH = ".scratch"
MAX_VERSION = (1 << 63) - 1


class StoreError(Exception):
    """Why nothing landed, and the way out."""


class Staging:
    """A folder in the store, for the files of one version. Not thread-safe."""

    def __init__(self, store: pathlib.Path, model: str, root: pathlib.Path, scratch: pathlib.Path) -> None:
        self._store = store
        self._model = model
        self._root = root
        self.folder = root / "files"  # of the version
        self.folder.mkdir()
        self.folder.chmod(0o777 & ~_umask())
        self.scratch = scratch  # for whatever does not land
        self.scratch.mkdir()

    def land(self, version: int | None) -> int:
        """Puts the folder into its place as `version`, or as the next one, and gives its number.

        Nothing of it is seen before it is whole, and all of it is on the disk then. Raises StoreError when there is
        such a version, and OSError.
        """
        for path in self.folder.iterdir():
            path.chmod(0o666 & ~_umask())
            _sync(path)
        _sync(self.folder)
        model = self._store / self._model
        while True:
            number = version or next_version(self._store, self._model)
            try:
                if not model.exists() and self._rename_model(model, number):
                    return number
                os.rename(self.folder, model / str(number))
                _sync(model)
                return number
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise
                if version is not None or not model.is_dir():
                    raise StoreError(
                        f"{self._model}/{number} is there already; give another --version, or leave it out "
                        "for the next one"
                    ) from None

    def _rename_model(self, model: pathlib.Path, number: int) -> bool:
        """A new model comes with its version, and so it is never seen without one. False: somebody was quicker."""
        first = self._root / str(number)
        os.rename(self.folder, first)
        self.folder = first
        self._root.chmod(0o777 & ~_umask())
        _sync(self._root)
        try:
            os.rename(self._root, model)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return False
            raise
        _sync(self._store)
        return True


@contextlib.contextmanager
def staging(store: pathlib.Path, model: str) -> Iterator[Staging]:
    """Ends without a trace, whatever happens, but for what has landed. What a killed one has left goes first."""
    parent = store
    with contextlib.suppress(FileNotFoundError):
        # A model may be a link, or a mount: what is renamed stays on its file system.
        parent = store if os.stat(store / model).st_dev == os.stat(store).st_dev else store / model
    _remove_abandoned(parent)
    root, lock = _make_root(parent)
    scratch = root.with_name(root.name + SCRATCH)
    try:
        yield Staging(store, model, root, scratch)
    finally:
        os.close(lock)
        shutil.rmtree(root, ignore_errors=True)
        shutil.rmtree(scratch, ignore_errors=True)


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


def next_version(store: pathlib.Path, model: str) -> int:
    """One more than the greatest version of the model; 1 where it has none. Raises StoreError after the last."""
    folder = store / model
    numbers = [int(path.name) for path in folder.iterdir() if is_version(path.name)] if folder.is_dir() else []
    number = max(numbers, default=0) + 1
    if number > MAX_VERSION:
        raise StoreError(f"{model}/{MAX_VERSION} is the last version that there can be; give a --version")
    return number


def is_version(name: str) -> bool:
    """As the server reads names of folders: a positive integer without leading zeros."""
    return name.isascii() and name.isdecimal() and name[0] != "0" and int(name) <= MAX_VERSION


def is_readable_name(name: str) -> bool:
    """Whether a server looks at a file of this name in a version's folder, and people can read it."""
    return name.isprintable() and not name.startswith(".") and 0 < len(os.fsencode(name)) <= 255


def _remove_abandoned(parent: pathlib.Path) -> None:
    """Whoever uses one holds its lock."""
    for root in parent.glob(PREFIX + "*"):
        if root.name.endswith(SCRATCH) and root.with_name(root.name.removesuffix(SCRATCH)).exists():
            continue
        with contextlib.suppress(OSError):
            lock = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(root, ignore_errors=True)
            finally:
                os.close(lock)


def _sync(path: pathlib.Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _umask() -> int:
    """Read where the kernel says it: os.umask would change it for all threads meanwhile."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    return 0o022
