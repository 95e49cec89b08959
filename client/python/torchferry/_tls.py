"""TLS of a client: the servers that it trusts, and the certificate that it shows them."""

from __future__ import annotations

import dataclasses
import os
import ssl
from typing import Any

import grpc

from torchferry._errors import invalid

_TRUE = ("1", "true", "on", "yes")
_FALSE = ("", "0", "false", "off", "no")


@dataclasses.dataclass(frozen=True)
class Tls:
    """The TLS settings of a client. Files are PEM, and are read when the client is made.

    Attributes:
        ca: the file of the authorities that may sign the server's certificate. None stands for gRPC's own authorities.
        client_cert: the file of the client's certificate, for mTLS. The certificates of its issuers follow in it.
        client_key: the file of that certificate's key. It must not be encrypted.
        server_name: the name in the server's certificate. It is needed where the address has another name.
    """

    ca: str | os.PathLike[str] | None = None
    client_cert: str | os.PathLike[str] | None = None
    client_key: str | os.PathLike[str] | None = None
    server_name: str | None = None


def chosen(tls: Tls | bool | None) -> Tls | None:
    """The TLS settings that `tls` stands for; None: plain text. Where `tls` is None, the variables TORCHFERRY_TLS and
    TORCHFERRY_TLS_* decide, as for the CLI. Raises InvalidArgumentError."""
    if isinstance(tls, Tls):
        return tls
    if tls is not None and not isinstance(tls, bool):
        raise invalid(f"tls: {tls!r}; expected torchferry.Tls(ca=FILE), True or False")
    if tls is None:
        return _of_environment()
    return Tls() if tls else None


def _of_environment() -> Tls | None:
    values = {
        field.name: os.environ.get(f"TORCHFERRY_TLS_{field.name.upper()}") or None for field in dataclasses.fields(Tls)
    }
    word = os.environ.get("TORCHFERRY_TLS", "").lower()
    if word not in _TRUE + _FALSE:
        raise invalid(f"TORCHFERRY_TLS: {word!r}; expected true or false")
    if word in _TRUE or any(values.values()):
        return Tls(**values)
    return None


def credentials(tls: Tls) -> Any:
    """gRPC's credentials from the files, which are checked first. Raises InvalidArgumentError that names the wrong
    file, and says why."""
    if (tls.client_cert is None) != (tls.client_key is None):
        raise invalid("tls: client_cert and client_key go together; one of them is missing")
    ca = None if tls.ca is None else _read("ca", tls.ca)
    if ca is not None:
        try:
            ssl.create_default_context(cadata=ca.decode("ascii", "replace"))
        except (ssl.SSLError, ValueError) as error:
            raise invalid(f"tls: ca: {os.fspath(str(tls.ca))} holds no PEM certificates ({error})") from None
    if tls.client_cert is None or tls.client_key is None:
        return grpc.ssl_channel_credentials(ca)
    certificate, key = _read("client_cert", tls.client_cert), _read("client_key", tls.client_key)
    _check_pair(tls.client_cert, tls.client_key)
    return grpc.ssl_channel_credentials(ca, key, certificate)


def options(tls: Tls) -> list[tuple[str, Any]]:
    """The options that the channel needs for TLS."""
    return [] if tls.server_name is None else [("grpc.ssl_target_name_override", tls.server_name)]


def _read(name: str, path: str | os.PathLike[str]) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(1 << 20)
    except OSError as error:
        raise invalid(f"tls: {name}: {os.fspath(path)} cannot be read: {error.strerror}") from None


def _check_pair(certificate: str | os.PathLike[str], key: str | os.PathLike[str]) -> None:
    def refuse() -> str:
        raise invalid(f"tls: client_key: {os.fspath(key)} is encrypted; decrypt it: openssl pkey -in KEY -out NEW")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, refuse)
    except ssl.SSLError as error:
        raise invalid(
            f"tls: client_cert and client_key: {os.fspath(certificate)} and {os.fspath(key)} are no certificate with "
            f"its key ({error.reason or error})"
        ) from None
