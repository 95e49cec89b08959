"""Writes bytes into a file, and counts, bounds and hashes them on the way."""

from __future__ import annotations

import hashlib
from typing import BinaryIO

from torchferry._pull_types import PullError, Progress

PIECE_BYTES = 1 << 20
UNITS = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 1 << 10,
    "MIB": 1 << 20,
    "GIB": 1 << 30,
    "TIB": 1 << 40,
}


def size_text(count: int) -> str:
    """A number of bytes as text for people: "1.5 GiB"."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


class HashedFile:
    """A file that is written from its beginning to its end. `max_bytes` is its max size. Not thread-safe."""

    def __init__(self, file: BinaryIO, name: str, max_bytes: int, total: int | None, on_progress: Progress) -> None:
        self._file = file
        self._name = name
        self._max_bytes = max_bytes
        self._on_progress = on_progress
        self._digest = hashlib.sha256()
        self.total = total
        self.written = 0

    def write(self, piece: bytes) -> None:
        """Appends `piece`. Raises PullError before that where the file would be larger than the max."""
        check_size(self._name, self.written + len(piece), self._max_bytes)
        self._file.write(piece)
        self._digest.update(piece)
        self.written += len(piece)
        self._on_progress(self.written, self.total)

    def restart(self) -> None:
        """Empties the file, and begins anew."""
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self.written = 0

    def sha256(self) -> str:
        """The SHA-256 of all written bytes, in lower-case hex."""
        return self._digest.hexdigest()


def check_size(name: str, count: int, max_bytes: int) -> None:
    """Raises PullError when `count` bytes are more than `max_bytes`. The message names the file, `name`."""
    if count > max_bytes:
        raise PullError(
            f"{name}: has {size_text(count)} or more, and at most {size_text(max_bytes)} are left of "
            "--max-size for this version; give a larger --max-size if it is what you want"
        )


def copy(source: BinaryIO, to: HashedFile) -> None:
    """Copies the rest of `source`. Raises PullError as HashedFile.write does, and OSError."""
    while piece := source.read(PIECE_BYTES):
        to.write(piece)


def parse_size(text: str) -> int:
    """The bytes that "500MB", "20 GiB" or "1048576" stands for. Raises ValueError for another text."""
    digits = text.strip().rstrip("KMGTIBkmgtib ")
    unit = text.strip()[len(digits) :].strip().upper()
    number = float(digits) if unit in UNITS else float("nan")
    if not 0 < number * UNITS.get(unit, 1) < 1 << 63:
        raise ValueError(text)
    return int(number * UNITS[unit])
