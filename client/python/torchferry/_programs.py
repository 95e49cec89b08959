"""Where the programs of torchferry are."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import shutil

# bin/, lib/, libexec/ and share/, as in the tarball.
PREFIX = pathlib.Path(__file__).resolve().parent / "_dist"


def torch_folder() -> str | None:
    """The folder of the package `torch`; None where it is not installed. It is not imported."""
    spec = importlib.util.find_spec("torch")
    return next(iter(spec.submodule_search_locations), None) if spec and spec.submodule_search_locations else None


def wheel_environment() -> dict[str, str]:
    """This process's environment. Where it has no TORCHFERRY_LIBTORCH, that becomes the folder of this Python's torch,
    if there is one."""
    environment = dict(os.environ)
    folder = torch_folder()
    if folder is not None and not environment.get("TORCHFERRY_LIBTORCH"):
        environment["TORCHFERRY_LIBTORCH"] = folder
    return environment


def find_server() -> tuple[str, dict[str, str]]:
    """torchferry-server and the environment that it needs. The variable TORCHFERRY_SERVER comes first, then the
    wheel, then PATH. Raises FileNotFoundError where there is no such program."""
    named = os.environ.get("TORCHFERRY_SERVER")
    if named:
        path = shutil.which(named)
        if path is None:
            raise FileNotFoundError(f"TORCHFERRY_SERVER={named} is no program; expected the path of torchferry-server")
        return path, dict(os.environ)
    bundled = PREFIX / "bin" / "torchferry-server"
    if bundled.is_file():
        return str(bundled), wheel_environment()
    path = shutil.which("torchferry-server")
    if path is None:
        raise FileNotFoundError(
            "no torchferry-server: this package is no wheel, and none is on PATH; TORCHFERRY_SERVER may name one"
        )
    return path, dict(os.environ)
