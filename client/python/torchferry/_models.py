"""The descriptions that a server gives of its models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from google.protobuf import json_format

from torchferry import _api, _dtypes
from torchferry._errors import TorchferryError, error_of

_STATE_OF_NUMBER = {number: name for name, number in _api.MODEL_STATES.items()}


@dataclass(frozen=True)
class TensorInfo:
    """The description of an input or output."""

    name: str
    dtype: str | None  # "FP32", ...; None: not declared, so any type
    shape: tuple[int, ...] | None  # -1: any size; where the model batches, the first is the batch. None: unknown
    kind: str  # the argument's type in the model: "tensor", "optional tensor", "float", "string", ...
    optional: bool  # whether it may be left out


@dataclass(frozen=True)
class ModelInfo:
    """One version of a model. The fields after `error` are known once the version is READY."""

    name: str
    version: int  # 0 where the model's folder could not be read as far as its versions
    state: str  # "PENDING", "LOADING", "READY", "UNLOADING", "FAILED", "UNLOADED" or "SUSPECT"
    error: TorchferryError | None  # why it is FAILED or SUSPECT
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    max_batch_size: int  # max rows in one forward pass; 0: the model does not batch
    stateful: bool  # whether a stream keeps state between its requests
    device: str  # "cpu", "cuda:0"
    precision: str  # element types of the forward pass: "FP32"
    fallback: bool  # whether it is on another device than requested
    fallback_reason: str
    decisions: tuple[str, ...]  # the decisions taken at load, a sentence each
    details: dict[str, Any] = field(repr=False, compare=False, hash=False)  # all that GetModel says, by the API's names

    @property
    def ready(self) -> bool:
        return self.state == "READY"


def _tensor_of(spec: Any) -> TensorInfo:
    return TensorInfo(
        name=spec.name,
        dtype=_dtypes.NAME_OF_NUMBER.get(spec.dtype, str(spec.dtype)) if spec.dtype else None,
        shape=tuple(spec.shape) if spec.has_shape else None,
        kind=spec.kind,
        optional=spec.optional,
    )


def model_of(version: Any, code_name: Any) -> ModelInfo:
    """The ModelInfo of the message ModelVersion. `code_name` gives the name of a gRPC code by its number."""
    placement = version.placement
    return ModelInfo(
        name=version.model_name,
        version=version.model_version,
        state=_STATE_OF_NUMBER.get(version.state, str(version.state)),
        error=error_of(code_name(version.error_code), version.error_message) if version.error_code else None,
        inputs=tuple(_tensor_of(spec) for spec in version.inputs),
        outputs=tuple(_tensor_of(spec) for spec in version.outputs),
        max_batch_size=version.max_batch_size,
        stateful=version.stateful,
        device=placement.device,
        precision=placement.precision,
        fallback=placement.fallback,
        fallback_reason=placement.fallback_reason,
        decisions=tuple(placement.decisions),
        details=json_format.MessageToDict(version, preserving_proto_field_name=True),
    )
