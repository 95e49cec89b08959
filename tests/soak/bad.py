"""Clients that do what none should. The server's answers to them do not matter, but that it goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import flow_control
import harness
import hostile
import http2
import numpy as np
from gate import Actor, Gate
from good import Connect, refusals_are
from harness import BINARIES, Code, predict_request
from wire import pb, reference

# Attacks of hostile.py, each a process, one at a time. `connections` and `posts` open and hold; `unread` reads nothing.
ATTACKS = ("costs", "bombs", "unfinished", "claims", "unread", "connections", "posts")
ATTACK_SECONDS = 4
LARGE = 1 << 20


class Bad(Actor):
    """One connection of grpcio's until it rests."""

    def __init__(self, name: str, gate: Gate, seed: int, connect: Connect) -> None:
        super().__init__(name, gate, seed)
        self._connect = connect
        self._client: harness.Client | None = None

    @property
    def client(self) -> harness.Client:
        if self._client is None:
            self._client = self._connect()
        return self._client

    def park(self) -> None:
        if self._client is not None:
            self._client.channel.close()
            self._client = None


class Cancels(Bad):
    """Gives requests up: while they are sent, wait or run, as one and as streams, by hand and by a deadline."""

    def turn(self) -> None:
        kind = self.chance.choice(("predict", "deadline", "stream", "leaves"))
        request = predict_request("slow", {"value": np.float32([1]), "iterations": self.chance.choice((1, 20, 200))})
        if kind == "deadline":
            with refusals_are(Code.DEADLINE_EXCEEDED):
                self.client.stub.Predict(request, timeout=self.chance.uniform(0.0001, 0.05))
        elif kind == "predict":
            call = self.client.stub.Predict.future(request, timeout=60)
            self.gate.wait(self.chance.uniform(0, 0.03))
            call.cancel()
        else:
            sums = [predict_request("running_sum", {"x": np.float32([[1]])})] * 5
            stream = self.client.stub.PredictStream(iter([*sums, request]), timeout=60)
            for _ in range(self.chance.randint(0, 5)):
                next(stream)
            if kind == "leaves":
                self.park()  # the connection goes, with the stream on it
            else:
                stream.cancel()


class Mistakes(Bad):
    """Requests that are wrong, each in its own way, about models that are and that are not. That the
    server says so is its part."""

    is_good = True

    def turn(self) -> None:
        x = reference("mlp", "x", 1)
        name = f"no-such-model-{self.chance.randint(0, 10**9)}"
        request = self.chance.choice((
            predict_request(name, {"x": x}),
            predict_request("mlp", {"x": x}, model_version=self.chance.randint(2, 10**6)),
            predict_request("mlp", {"x": x.astype(np.float64)}),
            predict_request("mlp", {"x": np.zeros((1, self.chance.randint(5, 50)), np.float32)}),
            predict_request("mlp", {name: x}),
            predict_request("mlp", {"x": pb.Tensor(dtype=pb.DATA_TYPE_FP32, shape=[1 << 40, 4], data=b"1234")}),
            predict_request("lstm", {}),
        ))
        with refusals_are(Code.NOT_FOUND, Code.INVALID_ARGUMENT):
            self.client.stub.Predict(request, timeout=60)
            raise AssertionError(f"a request that is wrong was answered: {request}"[:300])


class Garbage(Bad):
    """Bytes that are no HTTP/2, frames that end in the middle, and messages that are no protobuf."""

    def __init__(self, name: str, gate: Gate, seed: int, address: str) -> None:
        super().__init__(name, gate, seed, lambda: harness.Client(address))
        self._address = address

    def turn(self) -> None:
        kind = self.chance.choice(("noise", "half", "frames", "message"))
        noise = self.chance.randbytes(self.chance.randint(1, 4000))
        if kind == "message":
            call = self.client.channel.unary_unary(self.chance.choice((hostile.PREDICT, hostile.INFER)))
            with refusals_are(Code.INTERNAL, Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.RESOURCE_EXHAUSTED):
                call(noise, timeout=60)
            return
        with contextlib.suppress(OSError), http2.Connection(self._address, preface=kind != "noise") as connection:
            connection.socket.settimeout(2)
            if kind == "noise":
                connection.try_send(noise)
            elif kind == "frames":
                for _ in range(20):
                    connection.try_send(http2.frame(self.chance.randint(0, 12), self.chance.randint(0, 255),
                                                    self.chance.randint(0, 9), noise[:200]))
            else:
                stream = connection.next_stream()
                whole = (http2.frame(http2.HEADERS, http2.END_HEADERS, stream, http2.call_fields(hostile.PREDICT)) +
                         http2.frame(http2.DATA, 0, stream, http2.message(noise)))
                connection.try_send(whole[:self.chance.randint(1, len(whole) - 1)])
            if self.chance.random() < 0.3:  # a reset in place of an orderly end
                connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


class ReadsSlowly(Bad):
    """Has an answer of a MiB sent, and grants it in small pieces; what comes must be all of it."""

    pause = 0.2

    def __init__(self, name: str, gate: Gate, seed: int, address: str) -> None:
        super().__init__(name, gate, seed, lambda: harness.Client(address))
        self._address = address

    def turn(self) -> None:
        body = hostile.product(LARGE)
        with flow_control.FlowConnection(self._address, settings=flow_control.window_setting(0), receive_buffer=4096) as connection:
            stream = connection.open(hostile.PREDICT)
            connection.write(stream, flow_control.claim(len(body)) + body, end=True, seconds=20)
            gives_up = self.chance.random() < 0.3
            while connection.is_open and stream not in connection.ended and self.gate.goes_on():
                connection.grant(32768, stream)
                connection.grant(32768)
                connection.pump(0.05)
                if gives_up and connection.taken > LARGE // 2:
                    return


class Process(Actor):
    """Runs a command of its own for each turn, at low priority."""

    pause = 0.5

    def __init__(self, name: str, gate: Gate, seed: int) -> None:
        super().__init__(name, gate, seed)
        self._process: subprocess.Popen[bytes] | None = None

    def spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(["nice", "-n", "10", *command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL, env=harness.clean_environment())
        return self._process

    def park(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Dies(Process):
    """A client of C++ with eight requests in flight, which is killed."""

    def __init__(self, name: str, gate: Gate, seed: int, address: str) -> None:
        super().__init__(name, gate, seed)
        self._address = address

    def turn(self) -> None:
        process = self.spawn([str(BINARIES / "torchferry"), "bench", self.chance.choice(("mlp", "lstm", "slow")), "--address",
                              self._address, "--concurrency", "8", "--duration", "30"])
        self.gate.wait(self.chance.uniform(0.2, 1.5))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()


class Attacks(Process):
    """hostile.py's attacks, one after the other."""

    def __init__(self, name: str, gate: Gate, seed: int, address: str, http_address: str) -> None:
        super().__init__(name, gate, seed)
        self._addresses = (address, http_address)
        self.seen: set[str] = set()

    def turn(self) -> None:
        attack = ATTACKS[self.turns % len(ATTACKS)]
        process = self.spawn([sys.executable, hostile.__file__, attack, *self._addresses, str(ATTACK_SECONDS)])
        self.gate.wait(ATTACK_SECONDS + 1)
        if self.gate.goes_on():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(ATTACK_SECONDS)
            self.seen.add(attack)


def team(gate: Gate, seed: int, connect: Connect, address: str, http_address: str) -> Iterator[Actor]:
    """`connect` and `address` lead to the same server; what writes frames by hand needs one without TLS."""
    yield Cancels("cancels", gate, seed, connect)
    yield Mistakes("mistakes", gate, seed, connect)
    yield Garbage("garbage", gate, seed, address)
    yield ReadsSlowly("reads slowly", gate, seed, address)
    yield Dies("dies", gate, seed, address)
    yield Attacks("attacks", gate, seed, address, http_address)


