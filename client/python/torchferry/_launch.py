"""The wheel's commands. Each finds what it needs and becomes a program of the package, which keeps the process's number."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import sys

# bin/, lib/, libexec/ and share/, as in the tarball.
PREFIX = pathlib.Path(__file__).resolve().parent / "_dist"


def torch_folder() -> str | None:
    """The folder of the package `torch`, which is not imported; None where there is none."""
    spec = importlib.util.find_spec("torch")
    return next(iter(spec.submodule_search_locations), None) if spec and spec.submodule_search_locations else None


def server() -> None:
    """torchferry-server, with the LibTorch of this Python's torch unless another is named."""
    folder = torch_folder()
    if folder is not None and not os.environ.get("TORCHFERRY_LIBTORCH"):
        os.environ["TORCHFERRY_LIBTORCH"] = folder
    _become("torchferry-server")


def cli() -> None:
    """torchferry, the command line client."""
    _become("torchferry")


def _become(program: str) -> None:
    path = PREFIX / "bin" / program
    try:
        os.execv(path, [program, *sys.argv[1:]])
    except OSError as error:
        sys.exit(f"{program}: cannot run {path}: {error.strerror}; this is no wheel of deploy/package.sh, or not for this machine")
