"""Exceptions: one class for each gRPC code that a caller can act on, under one base class."""

from __future__ import annotations

from typing import ClassVar, Protocol


class TorchferryError(Exception):
    """A call that failed.

    Attributes:
        code: the gRPC code by name: "INVALID_ARGUMENT", "UNAVAILABLE", ...
        message: what was wrong, which value, and what was expected. It is mostly the server's own text.
        hint: advice for the caller; it may be empty.
    """

    _hint: ClassVar[str] = ""

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(code, message, hint)
        self.code = code
        self.message = message
        self.hint = self._hint if hint is None else hint

    def __str__(self) -> str:
        text = f"{self.code}: {self.message}"
        return f"{text} [{self.hint}]" if self.hint else text


class InvalidArgumentError(TorchferryError, ValueError):
    """A wrong name, dtype, shape or value: INVALID_ARGUMENT. The request never ran."""

    _hint = "client.metadata(NAME).inputs lists names, types and shapes"


class NotFoundError(TorchferryError, LookupError):
    """There is no such model or version: NOT_FOUND."""

    _hint = "client.models() lists what the server has"


class FailedPreconditionError(TorchferryError):
    """The version failed to load, or the client cannot be used any more: FAILED_PRECONDITION."""

    _hint = "client.metadata(NAME) has the version's state and error"


class UnavailableError(TorchferryError):
    """In spite of retries, no server could be reached, or none could take the request: UNAVAILABLE."""

    _hint = "see that a server listens there; client.wait_ready() waits for one"


class DeadlineExceededError(TorchferryError, TimeoutError):
    """The timeout has passed: DEADLINE_EXCEEDED."""

    _hint = "a longer timeout= gives it more time"


class ResourceExhaustedError(TorchferryError):
    """A message was over a limit, or no memory was left: RESOURCE_EXHAUSTED."""

    _hint = "send fewer rows at once; max_message_bytes= bounds what this client sends and takes"


class CancelledError(TorchferryError):
    """The client or the server cancelled the call: CANCELLED."""


class InternalError(TorchferryError):
    """The model raised, its output disagrees with its signature, or the client cannot read the answer: INTERNAL."""

    _hint = "the server's log has more"


class UnauthenticatedError(TorchferryError):
    """The server wants to know the caller's identity: UNAUTHENTICATED. The call had no token or certificate, or one
    that is unknown or has expired. It never ran."""

    _hint = "give the client a token= that the server's operator has made, or a certificate"


class PermissionDeniedError(TorchferryError):
    """The server knows the caller, whose identity may not make this call, or not for this model: PERMISSION_DENIED."""

    _hint = "the server's operator gives identities their roles and models"


class UnimplementedError(TorchferryError):
    """The server has no such call: UNIMPLEMENTED."""

    _hint = "is this the gRPC address of a torchferry-server of this version?"


_CLASSES: dict[str, type[TorchferryError]] = {
    "CANCELLED": CancelledError,
    "DEADLINE_EXCEEDED": DeadlineExceededError,
    "FAILED_PRECONDITION": FailedPreconditionError,
    "INTERNAL": InternalError,
    "INVALID_ARGUMENT": InvalidArgumentError,
    "NOT_FOUND": NotFoundError,
    "PERMISSION_DENIED": PermissionDeniedError,
    "RESOURCE_EXHAUSTED": ResourceExhaustedError,
    "UNAUTHENTICATED": UnauthenticatedError,
    "UNAVAILABLE": UnavailableError,
    "UNIMPLEMENTED": UnimplementedError,
}


def error_of(code: str, message: str) -> TorchferryError:
    """The exception for a gRPC code by its name. It is of the base class for a code without a class of its own."""
    return _CLASSES.get(code, TorchferryError)(code, message, _hint_of(code, message))


def invalid(message: str, hint: str = "") -> InvalidArgumentError:
    """The exception for a value that this client refuses before it sends anything."""
    return InvalidArgumentError("INVALID_ARGUMENT", message, hint)


# Parts of gRPC's messages about a TLS handshake, in lower case, and a hint for each.
_TLS_HINTS = (
    (
        "certificate_verify_failed",
        "the server's certificate is of no authority that is trusted here, or has expired: tls=torchferry.Tls(ca=FILE)",
    ),
    (
        "certificate verify failed",
        "the server's certificate is of no authority that is trusted here, or has expired: tls=torchferry.Tls(ca=FILE)",
    ),
    ("is not in peer certificate", "the certificate has another name than the address: Tls(server_name=NAME)"),
    ("hostname verification", "the certificate has another name than the address: Tls(server_name=NAME)"),
    ("wrong_version_number", "the server there speaks no TLS: leave tls= out"),
    ("handshake failed", "does the server ask for a certificate? Tls(client_cert=FILE, client_key=FILE)"),
    ("certificate_required", "the server asks for a certificate: Tls(client_cert=FILE, client_key=FILE)"),
    ("connection reset", "see that a server listens there, at its gRPC address, and whether it takes TLS alone: tls=torchferry.Tls(ca=FILE)"),
    ("socket closed", "see that a server listens there, at its gRPC address, and whether it takes TLS alone: tls=torchferry.Tls(ca=FILE)"),
)


def _hint_of(code: str, message: str) -> str | None:
    """A hint for this message; None: the hint of the class fits."""
    said = message.lower()
    return next((hint for part, hint in _TLS_HINTS if code == "UNAVAILABLE" and part in said), None)


class _StatusCode(Protocol):
    @property
    def name(self) -> str: ...


class RpcFailure(Protocol):
    """The interface that grpc.RpcError and grpc.aio.AioRpcError share."""

    def code(self) -> _StatusCode: ...

    def details(self) -> str | None: ...


def error_of_rpc(failure: RpcFailure) -> TorchferryError:
    return error_of(failure.code().name, failure.details() or "the call gave no reason")
