"""What the parts of `torchferry pull` share."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Protocol


class PullError(Exception):
    """Why nothing was pulled: what was wrong, which value, what was expected and the way out."""


@dataclasses.dataclass(frozen=True)
class SourceFile:
    """A file that a source offers."""

    path: str  # inside the source, with slashes: "unet/model.safetensors"
    size: int | None = None  # bytes; None where the source does not say
    sha256: str | None = None  # lower-case hex, that the source or the user says; None: nobody does

    @property
    def name(self) -> str:
        """What it is called in a version's folder, which has no folders of its own."""
        return self.path.rsplit("/", 1)[-1]


# Bytes of the file so far, and all of them; None where that is not known.
Progress = Callable[[int, "int | None"], None]


@dataclasses.dataclass(frozen=True)
class Fetch:
    """How a file is fetched."""

    to: pathlib.Path  # a file that is not there yet
    max_bytes: int
    on_progress: Progress


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a version comes from, as its passport says it."""

    source: str
    run_id: str | None = None
    metrics: dict[str, float] = dataclasses.field(default_factory=dict)


class Source(Protocol):
    """A place that a model is pulled from."""

    # The user named this very file: it is taken whatever it is called.
    is_one_file: bool

    def files(self) -> Sequence[SourceFile]:
        """All that it offers. Raises PullError."""
        ...

    def fetch(self, file: SourceFile, how: Fetch) -> str:
        """Writes one of `files()` to `how.to`, and gives the SHA-256 of what was written.

        Raises PullError, and leaves a part of the file then.
        """
        ...

    def origin(self) -> Origin:
        """Once `files()` has been called."""
        ...
