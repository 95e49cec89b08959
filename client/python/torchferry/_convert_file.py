"""The second process of `torchferry convert`: reads the pickle, which runs its code, and saves the model."""

from __future__ import annotations

import importlib
import logging
import pathlib
import pickle
import sys
import types
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from torchferry._convert import parser
from torchferry._convert_arguments import WrongExample, example_of
from torchferry._save import save
from torchferry._save_report import LOGGER, SaveError, reason_of

_USAGE = 2


class CannotConvert(Exception):
    """The file cannot be converted. The message says what to do."""


def main(argv: Sequence[str] | None = None) -> int:
    """Does what `torchferry convert` does, without the question. The exit codes are the same."""
    options = parser().parse_intermixed_args(argv)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    LOGGER.setLevel(logging.INFO)
    file = pathlib.Path(options.file)
    target = pathlib.Path(options.target or f"model_store/{file.stem}")
    try:
        cls = _class(options.cls)
        model = _model(_read(file, cls), cls, options.key)
        saved = save(
            model,
            example_of(options.example),
            target.parent,
            name=target.name,
            version=options.version,
            format=options.format,
            max_batch_size=options.max_batch_size,
        )
    except WrongExample as error:
        return _failed(str(error), _USAGE)
    except (CannotConvert, SaveError) as error:
        return _failed(str(error), 1)
    print(saved.path)
    return 0


def _failed(message: str, code: int) -> int:
    print(f"torchferry convert: {message}", file=sys.stderr)
    return code


def _class(name: str) -> type[nn.Module]:
    module, _, attribute = name.rpartition(".")
    try:
        cls = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise CannotConvert(
            f"--class {name} cannot be imported: {error}. Start in the folder from which `import {module or name}` "
            "works, or "
            "install the package"
        ) from error
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise CannotConvert(f"--class {name} is no torch.nn.Module")
    return cls


def _read(file: pathlib.Path, cls: type[nn.Module]) -> Any:
    try:
        return torch.load(file, map_location="cpu", weights_only=False, pickle_module=_pickle_module(cls))
    except (ImportError, AttributeError) as error:
        raise CannotConvert(
            f"{file} names code that is not here: {error}. Start in the folder that the model was trained in, with "
            "its packages"
        ) from error
    except Exception as error:
        raise CannotConvert(f"{file} cannot be read: {reason_of(error)}") from error


def _pickle_module(cls: type[nn.Module]) -> Any:
    """The module pickle, with an Unpickler that finds `cls` under its name in whatever module it was saved from. The
    module of a script was __main__."""

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if name == cls.__qualname__ and (module == "__main__" or not _has(module, name)):
                return cls
            if module == "__main__":
                return getattr(sys.modules[cls.__module__], name)
            return super().find_class(module, name)

    module = types.ModuleType("torchferry_pickle")
    module.__dict__.update({key: value for key, value in vars(pickle).items() if not key.startswith("__")})
    module.__dict__.update(Unpickler=Unpickler, load=lambda file, **options: Unpickler(file, **options).load())
    return module


def _has(module: str, name: str) -> bool:
    try:
        return hasattr(importlib.import_module(module), name)
    except ImportError:
        return False


def _model(loaded: Any, cls: type[nn.Module], key: str | None) -> nn.Module:
    """The model that the file held: the object itself, or the one in a dict."""
    if isinstance(loaded, dict):
        loaded = _entry(loaded, cls, key)
    elif key is not None:
        raise CannotConvert(f"--key is {key}, and the file holds a {type(loaded).__name__} and no dict")
    if not isinstance(loaded, cls):
        raise CannotConvert(
            f"the file holds a {type(loaded).__module__}.{type(loaded).__qualname__}, and --class is {cls.__name__}"
        )
    return loaded


def _entry(loaded: dict[Any, Any], cls: type[nn.Module], key: str | None) -> Any:
    if key is not None:
        if key not in loaded:
            raise CannotConvert(f"the file has no {key}; it has {', '.join(map(str, loaded))}")
        return loaded[key]
    found = [name for name, value in loaded.items() if isinstance(value, cls)]
    if len(found) == 1:
        return loaded[found[0]]
    if found:
        raise CannotConvert(f"the file has several models; name one with --key: {', '.join(map(str, found))}")
    if loaded and all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise CannotConvert(
            "the file is a state_dict, which is served with a forward.py or an architecture.pt2; it needs no conversion"
        )
    raise CannotConvert(
        f"the file has no {cls.__name__}; it has {', '.join(f'{k} ({type(v).__name__})' for k, v in loaded.items())}"
    )


if __name__ == "__main__":
    sys.exit(main())
