"""Types that the parts of `torchferry pull` share."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Protocol


class PullError(Exception):
    """Nothing was pulled. The message says what was wrong, which value, what was expected, and the way out."""


@dataclasses.dataclass(frozen=True)
class SourceFile:
    """A file that a source offers."""

    path: str  # inside the source, with slashes: "unet/model.safetensors"
    size: int | None = None  # bytes; None where the source does not say
    sha256: str | None = None  # the expected digest in hex, from the source or the user; None: neither gives one

    @property
    def name(self) -> str:
        """The file's name in a version's folder, which has no folders inside."""
        return self.path.rsplit("/", 1)[-1]


# Gets the bytes of the file so far, and its total bytes; None: the total is not known.
Progress = Callable[[int, "int | None"], None]


@dataclasses.dataclass(frozen=True)
class Fetch:
    """How a file is fetched."""

    to: pathlib.Path  # a file that does not exist yet
    max_bytes: int
    on_progress: Progress


@dataclasses.dataclass(frozen=True)
class Origin:
    """The origin of a version, as its passport states it."""

    source: str
    run_id: str | None = None
    metrics: dict[str, float] = dataclasses.field(default_factory=dict)


class Source(Protocol):
    """A place that a model is pulled from."""

    # The user named this very file. It is taken under any name.
    is_one_file: bool

    def files(self) -> Sequence[SourceFile]:
        """All files that the source offers. Raises PullError."""
        ...

    def fetch(self, file: SourceFile, how: Fetch) -> str:
        """Writes one of `files()` to `how.to`, and returns the SHA-256 of the written bytes, in lower-case hex.

        Raises PullError or OSError. A part of the file may then be left.
        """
        ...

    def origin(self) -> Origin:
        """The origin of the version. It may be called after `files()`."""
        ...
