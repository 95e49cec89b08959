"""Requests and answers, as both clients handle them: the synchronous one and that of asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

import grpc

from torchferry import _requests
from torchferry._errors import DeadlineExceededError, NotFoundError, TorchferryError, error_of, error_of_rpc, invalid
from torchferry._models import ModelInfo, model_of
from torchferry._results import Prediction, prediction_of
from torchferry._tensors import TensorLike

_CODE_NAMES: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}


class StreamRequests:
    """Encodes the requests of one stream, and reads its answers. A thread or task of gRPC takes the requests."""

    def __init__(self, model: str, version: int, outputs: Iterable[str], errors: str) -> None:
        if errors not in ("raise", "yield"):
            raise invalid(f"errors: {errors!r}; expected 'raise' or 'yield'")
        self._model = model
        self._version = _requests.check_version(version)
        self._outputs = outputs if isinstance(outputs, str) else tuple(outputs)
        self._yields_errors = errors == "yield"
        # gRPC ends the call when its iterator raises, and does not pass the exception on.
        self._raised: BaseException | None = None

    def _encode(self, inputs: Mapping[str, TensorLike]) -> bytes:
        return _requests.encode_request(
            self._model, self._version, _requests.join_inputs(inputs, {}), self._outputs, ""
        )

    def encode_all(self, requests: Iterable[Mapping[str, TensorLike]]) -> Iterator[bytes]:
        try:
            for inputs in requests:
                yield self._encode(inputs)
        except Exception as error:
            self._raised = error
            raise

    async def encode_all_async(
        self, requests: Iterable[Mapping[str, TensorLike]] | AsyncIterable[Mapping[str, TensorLike]]
    ) -> AsyncIterator[bytes]:
        try:
            if isinstance(requests, AsyncIterable):
                async for inputs in requests:
                    yield self._encode(inputs)
            else:
                for inputs in requests:
                    yield self._encode(inputs)
        except Exception as error:
            self._raised = error
            raise

    def answer_of(self, response: Any) -> Prediction | TorchferryError:
        """The prediction, or the error of one request. With errors="raise" that error is raised."""
        if not response.error_code:
            return prediction_of(response.response)
        error = error_of(code_name(response.error_code), response.error_message)
        if self._yields_errors:
            return error
        raise error

    def failure_of(self, failure: Any) -> BaseException:
        """The reason why the stream ended: the exception of the caller's requests, or gRPC's error."""
        return self._raised if self._raised is not None else error_of_rpc(failure)

    @property
    def raised(self) -> BaseException | None:
        """The exception that the caller's requests raised; None: they raised none."""
        return self._raised


def code_name(number: int) -> str:
    """The name of a gRPC code by its number: "NOT_FOUND" for 5."""
    return _CODE_NAMES.get(number, "UNKNOWN")


def models_of(response: Any) -> list[ModelInfo]:
    return [model_of(version, code_name) for version in response.versions]


def chosen_of(response: Any, model: str) -> ModelInfo:
    """The newest version that is READY; where none is, the newest. Raises NotFoundError where there is no version."""
    versions = models_of(response)
    if not versions:
        raise NotFoundError("NOT_FOUND", f"model '{model}' has no version")
    return next((version for version in versions if version.ready), versions[0])


def health_service(model: str | None) -> str:
    """The name in gRPC's health service of a model, or of the server for None."""
    return "" if model is None else f"model/{model}"


def pauses() -> Iterator[float]:
    """Seconds to wait between two checks of readiness, without an end. They grow from 0.02 to 0.5."""
    pause = 0.02
    while True:
        yield pause
        pause = min(pause * 1.5, 0.5)


def not_ready(model: str | None, timeout: float, reason: str) -> TorchferryError:
    what = "the server" if model is None else f"model '{model}'"
    return DeadlineExceededError("DEADLINE_EXCEEDED", f"{what} is not ready after {timeout:g} s: {reason}")


def state_text(models: list[ModelInfo], model: str | None) -> str:
    """The states of the first 8 versions, with their errors."""
    wanted = [version for version in models if model is None or version.name == model]
    if not wanted:
        return "the store has no model" if model is None else "the store has no model of that name"
    return "; ".join(
        f"{version.name}:{version.version} is {version.state}" + (f", {version.error}" if version.error else "")
        for version in wanted[:8]
    )
