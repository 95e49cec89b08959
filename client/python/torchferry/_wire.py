"""Protobuf's wire format, as far as it takes to put large bytes into a message by one copy.

A message object copies them twice: into the message, and into what is sent. Encoded fields may stand in any order,
and two encoded messages that are joined are one with the fields of both.
https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from typing import NamedTuple

_LENGTH_DELIMITED = 2


class Pieces(NamedTuple):
    """Encoded bytes that are not joined yet."""

    parts: tuple[bytes | memoryview, ...]
    size: int


def pieces(*parts: bytes | memoryview | Pieces) -> Pieces:
    """These, one after the other. A memoryview is of bytes."""
    flat: list[bytes | memoryview] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, Pieces) else (part,))
    return Pieces(tuple(flat), sum(len(part) for part in flat))


def field(number: int, content: Pieces) -> Pieces:
    """A field of bytes, text or a message."""
    return pieces(varint(number << 3 | _LENGTH_DELIMITED) + varint(content.size), content)


def varint(value: int) -> bytes:
    """A number from 0: 7 bits a byte, the lowest first."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
