"""A line on a terminal that shows how much of a file has been fetched."""

from __future__ import annotations

import time
from typing import TextIO

from torchferry._pull_copy import size_text

# The min time between two updates of the line.
INTERVAL_SECONDS = 0.1
MAX_NAME = 40


class ProgressLine:
    """Shows the progress of one file after another. It writes nothing where `out` is no terminal. Not thread-safe."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_shown = out.isatty()
        self._name = ""
        self._next = 0.0
        self._width = 0

    def begin(self, name: str) -> None:
        """Names the file of the following update() calls."""
        self._name = name if len(name) <= MAX_NAME else "…" + name[-MAX_NAME + 1 :]
        self._next = 0.0

    def update(self, done: int, total: int | None) -> None:
        """Shows the bytes so far, and the total. `total` is None where it is not known."""
        now = time.monotonic()
        if not self._is_shown or now < self._next:
            return
        self._next = now + INTERVAL_SECONDS
        text = f"{self._name}: {size_text(done)}"
        if total:
            text += f" of {size_text(total)}, {100 * done // total} %"
        self._out.write("\r" + text.ljust(self._width))
        self._out.flush()
        self._width = len(text)

    def end(self) -> None:
        """Removes the line."""
        if self._width:
            self._out.write("\r" + " " * self._width + "\r")
            self._out.flush()
            self._width = 0
