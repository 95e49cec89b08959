"""Lands a version in a model store. It is written where no server looks, and renamed into its place when whole."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
from collections.abc import Iterator

from torchferry._store_stage import MAX_VERSION, is_version, stage, sync


class StoreError(Exception):
    """Nothing landed. The message says why, and the way out."""


class Staging:
    """A folder in the store, for the files of one version. Not thread-safe."""

    def __init__(self, store: pathlib.Path, model: str, root: pathlib.Path, scratch: pathlib.Path) -> None:
        self._store = store
        self._model = model
        self._root = root
        self.folder = root / "files"  # the files of the version
        self.folder.mkdir()
        self.folder.chmod(0o777 & ~_umask())
        self.scratch = scratch  # a folder for files that do not land

    def land(self, version: int | None) -> int:
        """Moves the folder into its place as `version`, or as the next one for None, and returns the number.

        A server sees nothing of the version before it is whole and on the disk. Raises StoreError when the version
        exists already, and OSError.
        """
        for path in self.folder.iterdir():
            path.chmod(0o666 & ~_umask())
            sync(path)
        sync(self.folder)
        model = self._store / self._model
        while True:
            number = version or next_version(self._store, self._model)
            try:
                if not model.exists() and self._rename_model(model, number):
                    return number
                os.rename(self.folder, model / str(number))
                sync(model)
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
        """Moves a new model into the store together with its version, so that no server sees it without one. False:
        another process has created the model meanwhile."""
        first = self._root / str(number)
        os.rename(self.folder, first)
        self.folder = first
        self._root.chmod(0o777 & ~_umask())
        sync(self._root)
        try:
            os.rename(self._root, model)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return False
            raise
        sync(self._store)
        return True


@contextlib.contextmanager
def staging(store: pathlib.Path, model: str) -> Iterator[Staging]:
    """A Staging for the block. Afterwards only a landed version remains, even after an exception. Before the block, the
    leftovers of killed processes are removed."""
    parent = store
    with contextlib.suppress(FileNotFoundError):
        # A model may be a link or a mount. Files can be renamed only on the same file system.
        parent = store if os.stat(store / model).st_dev == os.stat(store).st_dev else store / model
    with stage(parent) as root, stage(parent) as scratch:
        yield Staging(store, model, root, scratch)


def next_version(store: pathlib.Path, model: str) -> int:
    """The number after the greatest version of the model; 1 where it has no version. Raises StoreError after
    MAX_VERSION."""
    folder = store / model
    numbers = [int(path.name) for path in folder.iterdir() if is_version(path.name)] if folder.is_dir() else []
    number = max(numbers, default=0) + 1
    if number > MAX_VERSION:
        raise StoreError(f"{model}/{MAX_VERSION} is the last version that there can be; give a --version")
    return number


def is_readable_name(name: str) -> bool:
    """Whether a server reads a file of this name in a version's folder, and people can read the name."""
    return name.isprintable() and not name.startswith(".") and 0 < len(os.fsencode(name)) <= 255


def _umask() -> int:
    """The umask of the process, read from /proc. os.umask would change it for all threads meanwhile."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    return 0o022
