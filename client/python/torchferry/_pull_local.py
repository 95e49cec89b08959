"""A file, or a folder of files, on this host."""

from __future__ import annotations

import os
import pathlib
import stat
from collections.abc import Iterator, Sequence

from torchferry._pull_copy import HashedFile, check_size, copy
from torchferry._pull_types import Fetch, Origin, PullError, SourceFile

# Max files of a folder.
MAX_FILES = 10_000


class LocalFile:
    """The file `path` as a source. The passport gets its name without its folder, which is private."""

    is_one_file = True

    def __init__(self, path: pathlib.Path, name: str | None, sha256: str | None) -> None:
        self._path = path
        self._file = SourceFile(name or path.name, sha256=sha256)

    def files(self) -> Sequence[SourceFile]:
        return [self._file]

    def origin(self) -> Origin:
        return Origin(f"file:{self._path.name}")

    def fetch(self, file: SourceFile, how: Fetch) -> str:
        return copy_file(self._path, how)


class LocalFolder:
    """The folder `path` as a source, such as `git clone` makes it from a repository of models."""

    is_one_file = False

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    def files(self) -> Sequence[SourceFile]:
        found = [SourceFile(path.relative_to(self._path).as_posix(), path.stat().st_size) for path in self._walk()]
        return sorted(found, key=lambda file: file.path)

    def origin(self) -> Origin:
        return Origin(f"file:{self._path.resolve().name}")

    def fetch(self, file: SourceFile, how: Fetch) -> str:
        return copy_file(self._path / file.path, how)

    def _walk(self) -> Iterator[pathlib.Path]:
        count = 0
        for folder, folders, names in os.walk(self._path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in names:
                path = pathlib.Path(folder, name)
                if name.startswith(".") or not path.is_file():
                    continue
                count += 1
                if count > MAX_FILES:
                    raise PullError(
                        f"{self._path}: has more than {MAX_FILES} files; give the folder of the model alone"
                    )
                yield path


def copy_file(path: pathlib.Path, how: Fetch) -> str:
    """Copies a file, and returns the SHA-256 of the copy. Raises PullError, and OSError of either file."""
    # O_NONBLOCK: opening a pipe must not wait.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as source:
        info = os.fstat(source.fileno())
        if not stat.S_ISREG(info.st_mode):
            raise PullError(f"{path}: is no file; expected a file or a folder of files")
        check_size(str(path), info.st_size, how.max_bytes)
        with open(how.to, "xb") as out:
            target = HashedFile(out, str(path), how.max_bytes, info.st_size, how.on_progress)
            copy(source, target)
    return target.sha256()
