"""The answer to one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from torchferry import _tensors

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Execution:
    """Where and how a request ran."""

    device: str  # the device of the forward pass: "cpu", "cuda:0"
    fallback: bool  # whether it is another device than requested, or than `auto` had chosen
    fallback_reason: str  # the reason for the fallback: "absent", "out_of_memory", "device_lost", ...
    batch_rows: int  # rows in the forward pass: this request's and those of others
    queue_seconds: float  # from acceptance to the start of the forward pass
    compute_seconds: float  # duration of the forward pass, copies to and from the device included


class Prediction(dict[str, "np.ndarray[Any, np.dtype[Any]]"]):
    """The outputs of one request by name, sorted by name. The caller owns each array.

    Attributes:
        model: the model's name.
        version: the version that answered.
        execution: where and how it ran.
        request_id: the request's id.
    """

    def __init__(
        self, outputs: Mapping[str, Any], *, model: str, version: int, execution: Execution, request_id: str = ""
    ) -> None:
        super().__init__(outputs)
        self.model = model
        self.version = version
        self.execution = execution
        self.request_id = request_id

    def __repr__(self) -> str:
        ran = f"model={self.model!r}, version={self.version}, execution={self.execution}"
        return f"Prediction({super().__repr__()}, {ran})"

    def tensors(self) -> dict[str, torch.Tensor]:
        """The outputs as torch tensors, which share the arrays' memory. Imports torch."""
        import torch

        def of(array: np.ndarray[Any, Any]) -> torch.Tensor:
            if array.dtype.name == "bfloat16":
                return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
            return torch.from_numpy(array)

        return {name: of(array) for name, array in self.items()}


def prediction_of(response: Any) -> Prediction:
    """The Prediction of the message PredictResponse. Raises InternalError for an output that cannot be read."""
    execution = response.execution
    return Prediction(
        {name: _tensors.decode(response.outputs[name], f"output '{name}'") for name in sorted(response.outputs)},
        model=response.model_name,
        version=response.model_version,
        request_id=response.request_id,
        execution=Execution(
            device=execution.device,
            fallback=execution.fallback,
            fallback_reason=execution.fallback_reason,
            batch_rows=execution.batch_rows,
            queue_seconds=execution.queue_seconds,
            compute_seconds=execution.compute_seconds,
        ),
    )
