"""The token by which a client identifies itself. It is sent with each call."""

from __future__ import annotations

import os
import pathlib

from torchferry._channel import Target
from torchferry._errors import invalid

Metadata = tuple[tuple[str, str], ...]

# The server accepts an authorization header of up to 4096 bytes.
MAX_TOKEN_BYTES = 4000


def call_metadata(
    token: str | os.PathLike[str] | None, target: Target, *, is_encrypted: bool, insecure_token: bool
) -> Metadata:
    """The metadata of each call. A str is the token itself; an os.PathLike names its file.

    None stands for the variable TORCHFERRY_TOKEN, else for the file that TORCHFERRY_TOKEN_FILE names, else for no
    token. Raises InvalidArgumentError for an invalid token, and for one that would travel to another host unencrypted.
    `insecure_token` allows the latter."""
    if token is None:
        token = _of_environment()
    if token is None:
        return ()
    text = _read(token) if isinstance(token, os.PathLike) else token
    if not isinstance(text, str) or not text or len(text) > MAX_TOKEN_BYTES or not _is_visible(text):
        raise invalid(f"token: expected 1 to {MAX_TOKEN_BYTES} characters of ASCII without spaces")  # it is not shown
    if not (is_encrypted or target.is_local or insecure_token):
        raise invalid(
            f"token: it would travel to {target.uri} unencrypted, for everybody between to read",
            "connect over TLS, or say insecure_token=True where something else encrypts the connection",
        )
    return (("authorization", f"Bearer {text}"),)


def _of_environment() -> str | os.PathLike[str] | None:
    if token := os.environ.get("TORCHFERRY_TOKEN"):
        return token
    file = os.environ.get("TORCHFERRY_TOKEN_FILE")
    return pathlib.Path(file) if file else None


def _read(path: os.PathLike[str]) -> str:
    """The text of the file, without the white space around it. Raises InvalidArgumentError."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_TOKEN_BYTES + 100)
        return data.decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise invalid(f"token: cannot read it from {os.fspath(path)}: {error}") from None


def _is_visible(text: str) -> bool:
    return all("!" <= character <= "~" for character in text)
