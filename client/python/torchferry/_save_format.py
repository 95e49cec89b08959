"""What each format of a saved model has to give: a way to write it, a way to load it again, and the names that the
server will use."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

from torchferry._save_example import Arguments


class CannotExport(Exception):
    """A format does not take the model. The message is a sentence without a full stop."""


@dataclasses.dataclass(frozen=True)
class Shapes:
    """`rows`: dimension 0 of each tensor is the batch. `max_rows`: the most that the file takes, None without a limit.
    `least_rows`: the fewest that PyTorch itself runs the file with. `free_outputs` has the dimensions of each output
    tensor, in order, whose size the file says to vary; it is empty where the file says nothing of them."""

    rows: bool
    max_rows: int | None = None
    least_rows: int = 1
    free_outputs: tuple[frozenset[int], ...] = ()


@dataclasses.dataclass(frozen=True)
class Attempt:
    """A model in one format, not yet written.

    `program` is its name in the passport. `inputs` are the server's names of the example's tensors, in order, and
    `numbers` the API's types of its numbers that are inputs, too, by name. `write` puts the files of a version into a
    folder, with the passport's text; `load` reads them there and gives a function that runs the model. Both raise
    CannotExport. `shared` names the files that serve all versions of a model, where it is new. `source` is what
    PyTorch made."""

    program: str
    inputs: dict[str, str]
    numbers: dict[str, str]
    shapes: Shapes
    write: Callable[[pathlib.Path, str], None]
    load: Callable[[pathlib.Path], Callable[[Arguments], Any]]
    source: Any
    shared: tuple[str, ...] = ()
