"""The bytes of a PredictRequest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torchferry import _api, _dtypes, _tensors, _wire
from torchferry._errors import invalid

_MAX_VERSION = 2**63 - 1
_DATA: int = _api.Tensor.DESCRIPTOR.fields_by_name["data"].number
_INPUTS: int = _api.PredictRequest.DESCRIPTOR.fields_by_name["inputs"].number
_KEY, _VALUE = 1, 2  # the field numbers in each entry of a map


def encode_request(
    model: str, version: int, inputs: Mapping[str, _tensors.TensorLike], outputs: Iterable[str], request_id: str
) -> bytes:
    """The bytes of the request. Raises InvalidArgumentError for anything that the API cannot carry."""
    request = _api.PredictRequest(model_name=_text(model, "the model's name"), model_version=check_version(version))
    request.request_id = _text(request_id, "request_id")
    if isinstance(outputs, str):
        raise invalid(f"outputs: {outputs!r} is one string; expected a list of names")
    request.outputs.extend(_text(name, "a name in outputs") for name in outputs)
    encoded = _wire.pieces(request.SerializeToString(), *(_input(name, value) for name, value in inputs.items()))
    return b"".join(encoded.parts)


def _input(name: str, value: _tensors.TensorLike) -> _wire.Pieces:
    """One entry of the map `inputs`. It may refer to the caller's memory until all pieces are joined."""
    key = _text(name, "an input's name").encode()
    elements = _tensors.encode(value, f"input '{name}'")
    tensor = _api.Tensor(dtype=_dtypes.number_of(elements.dtype), shape=elements.shape).SerializeToString()
    content = _wire.pieces(tensor, _wire.field(_DATA, _wire.pieces(elements.data)))
    entry = _wire.pieces(_wire.field(_KEY, _wire.pieces(key)), _wire.field(_VALUE, content))
    return _wire.field(_INPUTS, entry)


def join_inputs(
    inputs: Mapping[str, _tensors.TensorLike] | None, named: Mapping[str, _tensors.TensorLike]
) -> Mapping[str, _tensors.TensorLike]:
    """The inputs of the mapping and those given by keyword, as one mapping. Raises InvalidArgumentError for a name in
    both."""
    if inputs is None:
        return named
    if not isinstance(inputs, Mapping):
        raise invalid(f"inputs: a {type(inputs).__name__}; expected a mapping of names to arrays, or inputs by keyword")
    both = sorted(inputs.keys() & named.keys())
    if both:
        raise invalid(f"input '{both[0]}' is given twice, in the mapping and by keyword")
    return {**inputs, **named}


def check_version(version: int) -> int:
    """The version itself, from 0; 0 stands for the newest that is READY. Raises InvalidArgumentError."""
    if not isinstance(version, int) or isinstance(version, bool) or not 0 <= version <= _MAX_VERSION:
        raise invalid(f"version: {version!r}; expected a whole number from 1, or 0 for the newest that is READY")
    return version


def check_timeout(timeout: Any) -> float | None:
    """The timeout in seconds, above 0; None: no deadline. Raises InvalidArgumentError."""
    if timeout is None:
        return None
    if isinstance(timeout, (int, float)) and not isinstance(timeout, bool) and 0 < timeout < float("inf"):
        return float(timeout)
    raise invalid(f"timeout: {timeout!r}; expected seconds above 0, or None for no deadline")


def _text(value: Any, what: str) -> str:
    if isinstance(value, str):
        return value
    raise invalid(f"{what}: a {type(value).__name__}; expected a str")
