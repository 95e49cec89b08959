"""torchferry: a gRPC inference server for PyTorch models.

`save` puts a model into a model store. `Client` and `aio.Client` send requests to a server. `serve` starts a server for
tests and notebooks. The wheel also has the programs `torchferry-server` and `torchferry`. They use the `torch` that is
installed beside this package.

`import torchferry` imports neither torch nor grpc. Each public name imports its modules when it is first used.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torchferry import aio as aio
    from torchferry._client import Client as Client
    from torchferry._errors import CancelledError as CancelledError
    from torchferry._errors import DeadlineExceededError as DeadlineExceededError
    from torchferry._errors import FailedPreconditionError as FailedPreconditionError
    from torchferry._errors import InternalError as InternalError
    from torchferry._errors import InvalidArgumentError as InvalidArgumentError
    from torchferry._errors import NotFoundError as NotFoundError
    from torchferry._errors import PermissionDeniedError as PermissionDeniedError
    from torchferry._errors import ResourceExhaustedError as ResourceExhaustedError
    from torchferry._errors import TorchferryError as TorchferryError
    from torchferry._errors import UnauthenticatedError as UnauthenticatedError
    from torchferry._errors import UnavailableError as UnavailableError
    from torchferry._errors import UnimplementedError as UnimplementedError
    from torchferry._models import ModelInfo as ModelInfo
    from torchferry._models import TensorInfo as TensorInfo
    from torchferry._results import Execution as Execution
    from torchferry._results import Prediction as Prediction
    from torchferry._save import Saved as Saved
    from torchferry._save import save as save
    from torchferry._save_report import SaveError as SaveError
    from torchferry._save_types import Signature as Signature
    from torchferry._save_types import TensorSpec as TensorSpec
    from torchferry._serve import Server as Server
    from torchferry._serve import serve as serve
    from torchferry._tls import Tls as Tls

    __version__: str

# Further folders named torchferry on sys.path belong to this package, too. Stubs that somebody generated from proto/
# stay importable as torchferry.v1. A build from source has its generated files in a separate folder.
__path__ = pkgutil.extend_path(__path__, __name__)

# The module of each public name.
_MODULES = {
    "CancelledError": "_errors",
    "Client": "_client",
    "DeadlineExceededError": "_errors",
    "Execution": "_results",
    "FailedPreconditionError": "_errors",
    "InternalError": "_errors",
    "InvalidArgumentError": "_errors",
    "ModelInfo": "_models",
    "NotFoundError": "_errors",
    "Prediction": "_results",
    "PermissionDeniedError": "_errors",
    "ResourceExhaustedError": "_errors",
    "SaveError": "_save_report",
    "Saved": "_save",
    "Server": "_serve",
    "Signature": "_save_types",
    "TensorInfo": "_models",
    "TensorSpec": "_save_types",
    "Tls": "_tls",
    "TorchferryError": "_errors",
    "UnauthenticatedError": "_errors",
    "UnavailableError": "_errors",
    "UnimplementedError": "_errors",
    "save": "_save",
    "serve": "_serve",
}

__all__ = [
    "CancelledError",
    "Client",
    "DeadlineExceededError",
    "Execution",
    "FailedPreconditionError",
    "InternalError",
    "InvalidArgumentError",
    "ModelInfo",
    "NotFoundError",
    "Prediction",
    "PermissionDeniedError",
    "ResourceExhaustedError",
    "SaveError",
    "Saved",
    "Server",
    "Signature",
    "TensorInfo",
    "TensorSpec",
    "Tls",
    "TorchferryError",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "aio",
    "save",
    "serve",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value = getattr(importlib.import_module(f"torchferry.{_MODULES[name]}"), name)
    elif name == "aio":
        value = importlib.import_module("torchferry.aio")
    elif name == "__version__":
        value = _version()
    else:
        raise AttributeError(f"module 'torchferry' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})


def _version() -> str:
    metadata = importlib.import_module("importlib.metadata")
    try:
        return str(metadata.version("torchferry"))
    except metadata.PackageNotFoundError:  # a checkout on sys.path
        return "0+source"
