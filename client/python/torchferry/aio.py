"""The client for asyncio: `torchferry.aio.Client`."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, overload

import grpc
import grpc.aio

from torchferry import _answers, _api, _channel, _requests, _token
from torchferry._errors import (
    CancelledError,
    DeadlineExceededError,
    FailedPreconditionError,
    NotFoundError,
    TorchferryError,
    UnavailableError,
    error_of_rpc,
)
from torchferry._models import ModelInfo
from torchferry._results import Prediction, prediction_of
from torchferry._tensors import TensorLike
from torchferry._tls import Tls

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Client"]


class Client:
    """Sends requests to torchferry-server from coroutines, over one channel that it keeps open.

        async with torchferry.aio.Client("127.0.0.1:8001") as client:
            answers = await asyncio.gather(*(client.predict("mlp", x=row) for row in rows))

    A client belongs to the event loop of its first call. In another loop it raises FailedPreconditionError. Any number
    of its calls may be in flight at the same time. When a task is cancelled, its call is cancelled at the server, too.
    Arguments, several servers, retries, fork and errors are the same as for `torchferry.Client`.
    """

    def __init__(
        self,
        address: str | Sequence[str] | None = None,
        *,
        timeout: float | None = _channel.DEFAULT_TIMEOUT_SECONDS,
        max_message_bytes: int = _channel.DEFAULT_MAX_MESSAGE_BYTES,
        tls: Tls | bool | None = None,
        token: str | os.PathLike[str] | None = None,
        insecure_token: bool = False,
    ) -> None:
        self._timeout = _requests.check_timeout(timeout)
        self._target = _channel.parse_target(address)
        self._metadata = _token.call_metadata(
            token, self._target, is_encrypted=_channel.is_encrypted(tls), insecure_token=insecure_token
        )
        self._open = _channel.open_channel(grpc.aio, self._target, max_message_bytes, tls)
        self._owner = os.getpid()
        # gRPC binds a channel to the loop that runs when the channel is made. The first call therefore makes it.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._channel: Any = None
        self._methods: dict[str, Callable[..., Any]] = {}
        self._is_closed = False

    async def predict(
        self,
        model: str,
        inputs: Mapping[str, TensorLike] | None = None,
        /,
        *,
        version: int = 0,
        timeout: float | None | _channel.Default = _channel.DEFAULT,
        outputs: Iterable[str] = (),
        request_id: str = "",
        **named: TensorLike,
    ) -> Prediction:
        """Runs one forward pass, as `torchferry.Client.predict` does."""
        request = _requests.encode_request(model, version, _requests.join_inputs(inputs, named), outputs, request_id)
        return prediction_of(await self._call(_api.PREDICT, request, _api.PredictResponse, timeout))

    @overload
    def stream(
        self,
        model: str,
        requests: Iterable[Mapping[str, TensorLike]] | AsyncIterable[Mapping[str, TensorLike]],
        /,
        *,
        version: int = 0,
        timeout: float | None = None,
        outputs: Iterable[str] = (),
        errors: Literal["raise"] = "raise",
    ) -> AsyncGenerator[Prediction, None]: ...

    @overload
    def stream(
        self,
        model: str,
        requests: Iterable[Mapping[str, TensorLike]] | AsyncIterable[Mapping[str, TensorLike]],
        /,
        *,
        version: int = 0,
        timeout: float | None = None,
        outputs: Iterable[str] = (),
        errors: Literal["yield"],
    ) -> AsyncGenerator[Prediction | TorchferryError, None]: ...

    def stream(
        self,
        model: str,
        requests: Iterable[Mapping[str, TensorLike]] | AsyncIterable[Mapping[str, TensorLike]],
        /,
        *,
        version: int = 0,
        timeout: float | None = None,
        outputs: Iterable[str] = (),
        errors: Literal["raise", "yield"] = "raise",
    ) -> AsyncGenerator[Prediction | TorchferryError, None]:
        """The answers to a stream of requests, as `torchferry.Client.stream` gives them.

        `requests` may be asynchronous. A task of gRPC reads it. A caller that may leave its loop early needs
        `contextlib.aclosing` to end the stream then."""
        stream = _answers.StreamRequests(model, version, outputs, errors)
        return self._answers(stream, stream.encode_all_async(requests), _requests.check_timeout(timeout))

    async def _answers(
        self, stream: _answers.StreamRequests, requests: AsyncIterator[bytes], timeout: float | None
    ) -> AsyncGenerator[Prediction | TorchferryError, None]:
        channel = self._usable_channel()
        method = channel.stream_stream(_api.PREDICT_STREAM, None, _api.PredictStreamResponse.FromString)
        call = method(requests, timeout=timeout, metadata=self._metadata)
        try:
            async for response in call:
                yield stream.answer_of(response)
        except grpc.RpcError as failure:
            raise stream.failure_of(failure) from None
        except asyncio.CancelledError:
            # gRPC cancels a call whose requests raised.
            if stream.raised is not None:
                raise stream.raised from None
            raise
        finally:
            call.cancel()

    async def models(self, *, timeout: float | None | _channel.Default = _channel.DEFAULT) -> list[ModelInfo]:
        """All versions of all models in the store, sorted by name, with the newest version of each first."""
        request = _api.ListModelsRequest()
        return _answers.models_of(await self._call(_api.LIST_MODELS, request, _api.ListModelsResponse, timeout))

    async def metadata(
        self, model: str, /, *, version: int = 0, timeout: float | None | _channel.Default = _channel.DEFAULT
    ) -> ModelInfo:
        """One version, as `torchferry.Client.metadata` gives it."""
        request = _api.GetModelRequest(model_name=model, model_version=_requests.check_version(version))
        return _answers.chosen_of(await self._call(_api.GET_MODEL, request, _api.GetModelResponse, timeout), model)

    async def load(
        self, model: str, /, *, versions: Sequence[int] = (), timeout: float | None = None
    ) -> list[ModelInfo]:
        """Makes the server serve the versions that the store has now, as `torchferry.Client.load` does."""
        request = _api.LoadModelRequest(model_name=model, model_versions=map(_requests.check_version, versions))
        return _answers.models_of(await self._call(_api.LOAD_MODEL, request, _api.LoadModelResponse, timeout))

    async def unload(self, model: str, /, *, version: int = 0, timeout: float | None = None) -> list[ModelInfo]:
        """Unloads a version, or all versions for 0, as `torchferry.Client.unload` does."""
        request = _api.UnloadModelRequest(model_name=model, model_version=_requests.check_version(version))
        return _answers.models_of(await self._call(_api.UNLOAD_MODEL, request, _api.UnloadModelResponse, timeout))

    async def ready(
        self, model: str | None = None, *, timeout: float | None | _channel.Default = _channel.DEFAULT
    ) -> bool:
        """Whether the server, or the model, is ready now. It is False, too, where the server cannot be reached."""
        try:
            return await self._is_serving(model, timeout)
        except UnavailableError:
            return False

    async def wait_ready(self, model: str | None = None, *, timeout: float = 60.0) -> None:
        """Returns when the server, or the model, is ready, as `torchferry.Client.wait_ready` does."""
        now = asyncio.get_running_loop().time
        end = now() + (_requests.check_timeout(timeout) or math.inf)
        reason = ""
        for pause in _answers.pauses():
            left = end - now()
            if left <= 0:
                break
            try:
                if await self._is_serving(model, left if left < math.inf else None):
                    return
                reason = ""
            except (UnavailableError, DeadlineExceededError) as error:
                reason = reason or error.message
            await asyncio.sleep(min(pause, max(0.0, end - now())))
        raise _answers.not_ready(model, timeout, reason or await self._states(model))

    async def _is_serving(self, model: str | None, timeout: float | None | _channel.Default) -> bool:
        request = _api.HealthCheckRequest(service=_answers.health_service(model))
        try:
            response = await self._call(_api.HEALTH_CHECK, request, _api.HealthCheckResponse, timeout)
        except NotFoundError:  # the store has no such model
            return False
        return bool(response.status == _api.SERVING)

    async def _states(self, model: str | None) -> str:
        try:
            return _answers.state_text(await self.models(timeout=1.0), model)
        except TorchferryError as error:
            return error.message

    async def close(self) -> None:
        """Closes the channel. Calls in flight fail with CancelledError, later ones with FailedPreconditionError."""
        self._is_closed = True
        if self._channel is not None and os.getpid() == self._owner:
            await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"torchferry.aio.Client({self._target.uri!r})"

    def _usable_channel(self) -> Any:
        if self._is_closed:
            raise FailedPreconditionError("FAILED_PRECONDITION", "this client is closed", "make another one")
        if os.getpid() != self._owner:
            raise FailedPreconditionError(
                "FAILED_PRECONDITION",
                f"this client was made in process {self._owner} and is used in {os.getpid()}, after a fork",
                "make a client in each process, after the fork",
            )
        loop = asyncio.get_running_loop()
        if self._channel is None:
            self._channel = self._open()
            self._loop = loop
        elif self._loop is not loop:
            raise FailedPreconditionError(
                "FAILED_PRECONDITION",
                "this client is used in another event loop than before",
                "make a client in each loop",
            )
        return self._channel

    async def _call(self, path: str, request: Any, response: Any, timeout: float | None | _channel.Default) -> Any:
        channel = self._usable_channel()
        seconds = self._timeout if isinstance(timeout, _channel.Default) else _requests.check_timeout(timeout)
        if path not in self._methods:
            self._methods[path] = channel.unary_unary(path, None, response.FromString)
        data = request if isinstance(request, bytes) else request.SerializeToString()
        try:
            return await self._methods[path](data, timeout=seconds, metadata=self._metadata)
        except grpc.RpcError as failure:
            raise error_of_rpc(failure) from None
        except asyncio.CancelledError:
            if self._is_closed:  # gRPC cancels all calls in flight
                raise CancelledError("CANCELLED", "this client was closed meanwhile") from None
            raise
