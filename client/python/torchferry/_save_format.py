"""The interface of each format of a saved model: a way to write it, a way to load it again, and the server's names."""

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
    """The sizes that a file accepts. `rows`: dimension 0 of each tensor is the batch.

    `max_rows` is the max number of rows; None: no limit. `least_rows` is the min number of rows that PyTorch itself
    runs the file with. `free_outputs` has the varying dimensions of each output tensor, in order. It is empty where the
    file does not say which dimensions vary."""

    rows: bool
    max_rows: int | None = None
    least_rows: int = 1
    free_outputs: tuple[frozenset[int], ...] = ()


@dataclasses.dataclass(frozen=True)
class Attempt:
    """A model in one format, not yet written.

    `program` is the format's name in the passport. `inputs` has the server's names of the example's tensors, in order.
    `numbers` has the API's types of the example's numbers that are inputs, too, by name. `write` puts the files of a
    version into a folder, with the passport's text. `load` reads them there and gives a function that runs the model.
    Both raise CannotExport. `shared` names the files that serve all versions, where the model is new. `source` is the
    object that PyTorch made."""

    program: str
    inputs: dict[str, str]
    numbers: dict[str, str]
    shapes: Shapes
    write: Callable[[pathlib.Path, str], None]
    load: Callable[[pathlib.Path], Callable[[Arguments], Any]]
    source: Any
    shared: tuple[str, ...] = ()
