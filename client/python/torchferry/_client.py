"""The synchronous client."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, overload

import grpc

from torchferry import _answers, _api, _channel, _requests, _token
from torchferry._errors import (
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


class Client:
    """Sends requests to torchferry-server, over one channel that it keeps open.

        with torchferry.Client("127.0.0.1:8001") as client:
            outputs = client.predict("mlp", x=numpy.ones([1, 4], "float32"))
            print(outputs["probabilities"], outputs.execution.device)

    Threads: any number of threads may call all methods at the same time. They share the channel.

    Several servers: `address` may be a list, or a DNS name with several addresses. Requests then go in turn to the
    servers that are reachable and ready. A server that announces its end gets no more requests. Names in a list are
    looked up once.

    Retries: a request that gets UNAVAILABLE is retried up to 4 times in about 4 seconds. Retries go to another server
    where there is one. A stream is retried only while no answer has come. `load`, `unload` and `ready` do not retry.

    Fork: a client works in the process that made it. In a child of os.fork it raises FailedPreconditionError. Make one
    in each process after the fork, or start processes by "spawn".

    Args:
        address: HOST:PORT, [IPV6]:PORT, several of them, or a target of gRPC such as "unix:/run/ferry.sock". None
            stands for the variable TORCHFERRY_ADDRESS, else for 127.0.0.1:8001.
        timeout: seconds for each call that gives no timeout; None: no deadline. `stream`, `load` and `unload` have no
            deadline by default.
        max_message_bytes: max bytes of a request, and of an answer.
        tls: a `Tls` such as `Tls(ca=FILE)`. True stands for TLS with gRPC's own authorities, False for plain text. None
            stands for the variables TORCHFERRY_TLS, TORCHFERRY_TLS_CA and so on, else for plain text.
        token: identifies the caller to a server with --identities. A str is the token itself. An os.PathLike names a
            file that holds it; the file is read once. None stands for the variable TORCHFERRY_TOKEN, else for the file
            that TORCHFERRY_TOKEN_FILE names.
        insecure_token: allows sending a token to another host without encryption. With False, the default, this raises
            InvalidArgumentError.

    Raises:
        InvalidArgumentError: the address, timeout, limit or token is invalid, or a file of `tls` has no certificate or
            key.
        UnavailableError: a name in the list of addresses has no host. No connection is made before the first call.
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
        channel: Any = _channel.open_channel(grpc, self._target, max_message_bytes, tls)()
        self._channel = channel
        self._owner = os.getpid()
        self._is_closed = threading.Event()
        self._predict = channel.unary_unary(_api.PREDICT, None, _api.PredictResponse.FromString)
        self._stream = channel.stream_stream(_api.PREDICT_STREAM, None, _api.PredictStreamResponse.FromString)
        self._list_models = _unary(channel, _api.LIST_MODELS, _api.ListModelsRequest, _api.ListModelsResponse)
        self._get_model = _unary(channel, _api.GET_MODEL, _api.GetModelRequest, _api.GetModelResponse)
        self._load = _unary(channel, _api.LOAD_MODEL, _api.LoadModelRequest, _api.LoadModelResponse)
        self._unload = _unary(channel, _api.UNLOAD_MODEL, _api.UnloadModelRequest, _api.UnloadModelResponse)
        self._health = _unary(channel, _api.HEALTH_CHECK, _api.HealthCheckRequest, _api.HealthCheckResponse)

    def predict(
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
        """Runs one forward pass.

        Args:
            model: the model's name, which is its folder in the store.
            inputs: arrays by name. Inputs whose names are identifiers may also be given by keyword. Where the model
                batches, dimension 0 is the rows. Arrays of numpy, torch and DLPack, lists, scalars, str and bytes are
                accepted. Arrays keep their element type. Python's floats become FP32, and ints INT64.
            version: the version; 0 stands for the newest that is READY.
            timeout: seconds; None: no deadline. The default is the client's own.
            outputs: names of the wanted outputs; empty: all.
            request_id: an id for the answer and the server's request log.

        Raises:
            InvalidArgumentError: a name, dtype, shape or value is wrong.
            NotFoundError: there is no such model or version.
            TorchferryError: UnavailableError, DeadlineExceededError, ResourceExhaustedError, InternalError and others.
        """
        request = _requests.encode_request(model, version, _requests.join_inputs(inputs, named), outputs, request_id)
        response = self._call(self._predict, request, timeout)
        return prediction_of(response)

    @overload
    def stream(
        self,
        model: str,
        requests: Iterable[Mapping[str, TensorLike]],
        /,
        *,
        version: int = 0,
        timeout: float | None = None,
        outputs: Iterable[str] = (),
        errors: Literal["raise"] = "raise",
    ) -> Iterator[Prediction]: ...

    @overload
    def stream(
        self,
        model: str,
        requests: Iterable[Mapping[str, TensorLike]],
        /,
        *,
        version: int = 0,
        timeout: float | None = None,
        outputs: Iterable[str] = (),
        errors: Literal["yield"],
    ) -> Iterator[Prediction | TorchferryError]: ...

    def stream(
        self,
        model: str,
        requests: Iterable[Mapping[str, TensorLike]],
        /,
        *,
        version: int = 0,
        timeout: float | None = None,
        outputs: Iterable[str] = (),
        errors: Literal["raise", "yield"] = "raise",
    ) -> Iterator[Prediction | TorchferryError]:
        """The answers to a stream of requests, in the order of the requests, each as soon as it comes.

        A stateful model has a separate state for each stream. The state begins as saved, and each request continues
        from the one before it. Several requests are in flight at the same time. A thread of gRPC reads `requests`,
        which may therefore wait for answers. To leave the loop early, or to close the generator, ends the stream.

        Args:
            requests: the inputs of each request, by name.
            version: 0 stands for the newest that is READY at the first request. This version answers all of them.
            timeout: seconds for the whole stream; None: no deadline. The default is None.
            outputs: names of the wanted outputs; empty: all.
            errors: "raise" ends the stream with the first request that fails. With "yield", the exception takes the
                place of the answer, and the stream goes on.

        Raises:
            TorchferryError: the same errors as of `predict`. Exceptions of `requests` itself are passed on.
        """
        stream = _answers.StreamRequests(model, version, outputs, errors)
        return self._answers(stream, stream.encode_all(requests), _requests.check_timeout(timeout))

    def _answers(
        self, stream: _answers.StreamRequests, requests: Iterator[bytes], timeout: float | None
    ) -> Iterator[Prediction | TorchferryError]:
        self._check_usable()
        call = self._stream(requests, timeout=timeout, metadata=self._metadata)
        try:
            for response in call:
                yield stream.answer_of(response)
        except grpc.RpcError as failure:
            raise stream.failure_of(failure) from None
        finally:
            call.cancel()

    def models(self, *, timeout: float | None | _channel.Default = _channel.DEFAULT) -> list[ModelInfo]:
        """All versions of all models in the store, sorted by name, with the newest version of each first."""
        response = self._call(self._list_models, _api.ListModelsRequest(), timeout)
        return _answers.models_of(response)

    def metadata(
        self, model: str, /, *, version: int = 0, timeout: float | None | _channel.Default = _channel.DEFAULT
    ) -> ModelInfo:
        """One version: its inputs and outputs, its device, and the reason for that.

        Version 0 stands for the newest that is READY; where none is, for the newest. Raises NotFoundError where there
        is no such model or version."""
        request = _api.GetModelRequest(model_name=model, model_version=_requests.check_version(version))
        return _answers.chosen_of(self._call(self._get_model, request, timeout), model)

    def load(self, model: str, /, *, versions: Sequence[int] = (), timeout: float | None = None) -> list[ModelInfo]:
        """Makes the server serve the versions that the store has now, and returns when it does.

        Versions that serve now go on until then, and also when loading fails. The server needs --enable-admin.

        Args:
            versions: the versions to serve, and no others. They stay chosen until a call without any. To go back to a
                version, name it. Empty stands for the versions that the model's version_policy wants.
            timeout: seconds; None: no deadline.

        Raises:
            NotFoundError: the store has no such model or version.
            TorchferryError: the error of the first version that failed.
        """
        request = _api.LoadModelRequest(model_name=model, model_versions=map(_requests.check_version, versions))
        return _answers.models_of(self._call(self._load, request, timeout))

    def unload(self, model: str, /, *, version: int = 0, timeout: float | None = None) -> list[ModelInfo]:
        """Unloads a version, or all versions for 0, and returns when they have ended.

        Requests in flight are answered. The server needs --enable-admin. The default is no deadline."""
        request = _api.UnloadModelRequest(model_name=model, model_version=_requests.check_version(version))
        return _answers.models_of(self._call(self._unload, request, timeout))

    def ready(self, model: str | None = None, *, timeout: float | None | _channel.Default = _channel.DEFAULT) -> bool:
        """Whether the server, or the model, is ready now. It is False, too, where the server cannot be reached."""
        try:
            return self._is_serving(model, timeout)
        except UnavailableError:
            return False

    def wait_ready(self, model: str | None = None, *, timeout: float = 60.0) -> None:
        """Returns when the server, or the model, is ready. Raises DeadlineExceededError after `timeout` seconds, with
        the last known reason."""
        end = time.monotonic() + (_requests.check_timeout(timeout) or math.inf)
        reason = ""
        for pause in _answers.pauses():
            left = end - time.monotonic()
            if left <= 0:
                break
            try:
                if self._is_serving(model, left if left < math.inf else None):
                    return
                reason = ""
            except (UnavailableError, DeadlineExceededError) as error:
                reason = reason or error.message
            self._is_closed.wait(min(pause, max(0.0, end - time.monotonic())))
        raise _answers.not_ready(model, timeout, reason or self._states(model))

    def _is_serving(self, model: str | None, timeout: float | None | _channel.Default) -> bool:
        request = _api.HealthCheckRequest(service=_answers.health_service(model))
        try:
            return bool(self._call(self._health, request, timeout).status == _api.SERVING)
        except NotFoundError:  # the store has no such model
            return False

    def _states(self, model: str | None) -> str:
        try:
            return _answers.state_text(self.models(timeout=1.0), model)
        except TorchferryError as error:
            return error.message

    def close(self) -> None:
        """Closes the channel. Calls in flight fail with CancelledError, later ones with FailedPreconditionError."""
        self._is_closed.set()
        if os.getpid() == self._owner:
            self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"torchferry.Client({self._target.uri!r})"

    def _check_usable(self) -> None:
        if os.getpid() != self._owner:
            raise FailedPreconditionError(
                "FAILED_PRECONDITION",
                f"this client was made in process {self._owner} and is used in {os.getpid()}, after a fork",
                "make a client in each process, after the fork",
            )
        if self._is_closed.is_set():
            raise FailedPreconditionError("FAILED_PRECONDITION", "this client is closed", "make another one")

    def _call(self, method: Callable[..., Any], request: Any, timeout: float | None | _channel.Default) -> Any:
        self._check_usable()
        seconds = self._timeout if isinstance(timeout, _channel.Default) else _requests.check_timeout(timeout)
        try:
            return method(request, timeout=seconds, metadata=self._metadata)
        except grpc.RpcError as failure:
            raise error_of_rpc(failure) from None
        except ValueError:
            if self._is_closed.is_set():  # another thread has closed it meanwhile
                self._check_usable()
            raise


def _unary(channel: Any, path: str, request: Any, response: Any) -> Callable[..., Any]:
    method: Callable[..., Any] = channel.unary_unary(path, request.SerializeToString, response.FromString)
    return method
