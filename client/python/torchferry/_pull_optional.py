"""Packages that `torchferry pull` uses when they are installed."""

from __future__ import annotations

import importlib
from typing import Any

from torchferry._pull_types import PullError


def require(module: str, package: str, scheme: str) -> Any:
    """Imports `module`. Raises PullError, with the command that installs `package`, where that fails."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        what = "is not installed" if error.name == module else f"cannot be imported ({error})"
        raise PullError(
            f"{scheme} needs the package {package}, which {what}; run: pip install --upgrade {package}"
        ) from None
