"""The part of Protobuf's wire format that puts large bytes into a message with one copy.

A message object copies them twice: into the message, and into the encoded bytes. Encoded fields may stand in any order.
Two encoded messages, joined, are one message with the fields of both.
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
    """The parts, one after the other. A memoryview must have elements of one byte."""
    flat: list[bytes | memoryview] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, Pieces) else (part,))
    return Pieces(tuple(flat), sum(len(part) for part in flat))


def field(number: int, content: Pieces) -> Pieces:
    """An encoded field that has bytes, text or a message."""
    return pieces(varint(number << 3 | _LENGTH_DELIMITED) + varint(content.size), content)


def varint(value: int) -> bytes:
    """The encoding of a number from 0: 7 bits in each byte, the lowest bits first."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
