"""Pings: a client may send them as often as the flag says, with calls and without, and the server sends its own."""

import threading

import grpc
import numpy as np

import harness
import http2
from harness import Client, wait_until
from http2 import ACK, ENHANCE_YOUR_CALM, GOAWAY, PING, frame
from stateful import Stream
from test_grpc_attacks import ask, is_served

LEAST = 0.05  # seconds between a client's pings
FAST = ("--keepalive-min-interval-seconds", str(LEAST))
# A lone row waits for another one, a minute and a second.
DOUBLE = "def forward(self, x: Tensor) -> Dict[str, Tensor]:\n    return {'y': x * 2.0}\n"
HOLDS_A_CALL = """name: "waits"
max_batch_size: 2
input { name: "x" data_type: TYPE_FP32 dims: [ 1 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ 1 ] }
dynamic_batching { preferred_batch_size: [ 2 ] max_queue_delay_microseconds: 61000000 }
"""


class KeepaliveClient(Client):
    """Pings after so many seconds of silence, and gives up on a server that does not answer within a minute."""

    def __init__(self, address, seconds):
        super().__init__(address)
        self.channel.close()
        self.channel = grpc.insecure_channel(address, [
            ("grpc.keepalive_time_ms", int(seconds * 1000)), ("grpc.keepalive_timeout_ms", 60000),
            ("grpc.keepalive_permit_without_calls", 1), ("grpc.http2.max_pings_without_data", 0),
            ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)])
        self.stub = harness.pb_grpc.InferenceServiceStub(self.channel)


def accepted(server):
    """Connections to the gRPC port so far."""
    return server.metrics().sum("torchferry_connections_total", listener="grpc", outcome="accepted")


def ping_slowly(connection, times, seconds=2 * LEAST):
    """Each is sent so long after the answer to the one before: a server that is late sees no two of them together."""
    never = threading.Event()
    for _ in range(times):
        assert connection.ping(), "the server has ended the connection"
        never.wait(seconds)


# --- the client's pings ---------------------------------------------------------------------------


def test_pings_without_a_call_are_answered(store, start):
    store.add("mlp")
    with http2.Connection(start(*FAST).address) as connection:
        ping_slowly(connection, 30)


def test_a_paused_stateful_stream_outlives_its_clients_pings(store, start):
    store.add("running_sum")
    server = start(*FAST)
    with KeepaliveClient(server.address, 2 * LEAST) as client, Stream(client) as stream:
        assert stream.add(1) == (1, 1)
        before = accepted(server)
        with http2.Connection(server.address) as clock:
            ping_slowly(clock, 30)
        assert stream.add(2) == (3, 2)
        assert accepted(server) == before + 1, "the client has connected anew"


def test_with_the_default_a_client_pings_each_10_seconds(store, start):
    """A call of a minute, a paused stateful stream and a connection without calls."""
    store.add("running_sum")
    store.add_code("waits", DOUBLE, HOLDS_A_CALL)
    server = start()
    with (KeepaliveClient(server.address, 10) as client, KeepaliveClient(server.address, 10) as idle,
          Stream(client, timeout=5 * harness.DEADLINE_SECONDS) as stream):
        assert stream.add(1) == (1, 1)
        idle.model("waits")
        before = accepted(server)
        answer = client.predict("waits", {"x": np.ones((1, 1), np.float32)}, timeout=90)
        assert answer.execution.queue_seconds > 60
        assert stream.add(2) == (3, 2)
        idle.model("waits")
        assert accepted(server) == before, "a client has connected anew"


def test_a_client_that_pings_more_often_is_ended_and_others_go_on(store, start):
    store.add("mlp")
    server = start("--keepalive-min-interval-seconds", "3600", "--max-ping-strikes", "4")
    with Client(server.address) as other, http2.Connection(server.address) as connection:
        ask(other)
        # One at a time: what the server has not read when it closes may cost its last word.
        answered = 0
        while answered < 20:
            connection.send(frame(PING, 0, 0, b"torchfer"))
            got = next((one for one in connection.frames() if one.kind == GOAWAY or (one.kind == PING and one.flags & ACK)), None)
            assert got is not None, "the connection ended without a word"
            if got.kind == GOAWAY:
                break
            answered += 1
        assert 5 <= answered <= 6, "the first and four strikes; what the server says at its beginning may forgive one"
        assert got.error == ENHANCE_YOUR_CALM
        assert b"too_many_pings" in got.payload
        assert connection.wait_until_closed()
        ask(other)


def test_answers_forgive_the_strikes(store, start):
    """What a client pings because of our data is not held against it."""
    store.add("mlp")
    server = start("--keepalive-min-interval-seconds", "3600", "--max-ping-strikes", "2")
    request = harness.predict_request("mlp", {"x": np.ones((1, 4), np.float32)}).SerializeToString()
    with http2.Connection(server.address) as connection:
        for _ in range(20):
            stream = connection.call("/torchferry.v1.InferenceService/Predict", request)
            assert connection.wait_until_answered(stream)
            assert connection.ping() and connection.ping()


# --- the server's pings ---------------------------------------------------------------------------


def test_a_client_that_does_not_answer_pings_is_ended_with_its_calls(store, start):
    store.add("mlp")
    server = start("--keepalive-seconds", "0.2", "--keepalive-timeout-seconds", "0.2")
    with http2.Connection(server.address) as connection:
        assert connection.wait_for(PING) is not None
        assert connection.wait_until_closed()
    wait_until(lambda: is_served(server.address), "others are served")


def test_a_client_that_answers_pings_stays_without_a_call(store, start):
    store.add("mlp")
    server = start("--keepalive-seconds", "0.2", "--keepalive-timeout-seconds", "60")
    with http2.Connection(server.address) as connection:
        for _ in range(6):  # gRPC by itself stops after two
            got = connection.wait_for(PING)
            assert got is not None
            connection.send(frame(PING, ACK, 0, got.payload))
        assert connection.ping()


def test_without_keepalive_the_server_does_not_ping(store, start):
    store.add("mlp")
    server = start("--keepalive-seconds", "0", *FAST)
    with http2.Connection(server.address) as connection:
        never = threading.Event()
        for _ in range(10):
            connection.send(frame(PING, 0, 0, b"torchfer"))
            got = connection.wait_for(PING)
            assert got.flags & ACK, "a ping of the server's own"
            never.wait(2 * LEAST)
