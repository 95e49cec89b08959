"""The wheel's commands. Each finds what it needs and becomes a program of the package, with the same process id.
Commands that need Python stay in this process."""

from __future__ import annotations

import importlib
import os
import sys

from torchferry import _programs

# Commands that are modules of this package, each with main(argv) -> exit code. The program has the others.
PYTHON_COMMANDS = {"convert": "torchferry._convert", "pull": "torchferry._pull"}


def server() -> None:
    """Becomes torchferry-server, with the LibTorch of this Python's torch unless TORCHFERRY_LIBTORCH names another."""
    os.environ.update(_programs.wheel_environment())
    _become("torchferry-server")


def cli() -> None:
    """Runs a Python command, or becomes torchferry, the command line client."""
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command in PYTHON_COMMANDS:
        sys.exit(importlib.import_module(PYTHON_COMMANDS[command]).main(sys.argv[2:]))
    _become("torchferry")


def _become(program: str) -> None:
    path = _programs.PREFIX / "bin" / program
    try:
        os.execv(path, [program, *sys.argv[1:]])
    except OSError as error:
        sys.exit(
            f"{program}: cannot run {path}: {error.strerror}; "
            "this is no wheel of deploy/package.sh, or not for this machine"
        )
