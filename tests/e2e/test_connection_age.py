"""How long connections live: their age, the grace of what is in flight, and connections that nobody uses."""

import contextlib
import threading

import grpc
import numpy as np
import pytest

import harness
import http2
from harness import Client, Code, predict_request, wait_until
from http2 import END_HEADERS, GOAWAY, HEADERS, NO_ERROR, frame
from stateful import Stream
from test_keepalive import accepted

PREDICT_STREAM = "/torchferry.v1.InferenceService/PredictStream"
X = {"x": np.ones((1, 4), np.float32)}


def age(seconds, grace=60.0):
    return ("--max-connection-age-seconds", str(seconds), "--max-connection-age-grace-seconds", str(grace))


class AskingClient(threading.Thread):
    """Asks again and again on one channel until it is stopped, with pauses. `retries`: what gRPC does by itself is on."""

    def __init__(self, address, retries, pause=0.0):
        super().__init__(daemon=True)
        self._channel = grpc.insecure_channel(address, [
            ("grpc.enable_retries", int(retries)), ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)])
        self._stub = harness.pb_grpc.InferenceServiceStub(self._channel)
        self._stopping = threading.Event()
        self._pause = pause
        self.answered = 0
        self.errors = []
        self.start()

    def run(self):
        request = predict_request("mlp", X)
        while not self._stopping.is_set():
            try:
                self._stub.Predict(request, timeout=harness.DEADLINE_SECONDS)
                self.answered += 1
            except grpc.RpcError as error:
                self.errors.append(error)
            self._stopping.wait(self._pause)

    def tell_to_stop(self):
        self._stopping.set()

    def stop(self):
        self.tell_to_stop()
        self.join()
        self._channel.close()


@contextlib.contextmanager
def asking(address, count, retries=True):
    clients = [AskingClient(address, retries) for _ in range(count)]
    try:
        yield clients
    finally:
        for client in clients:
            client.stop()


def test_a_connection_is_told_to_go_when_it_is_of_age(store, start):
    store.add("mlp")
    with http2.Connection(start(*age(0.3)).address) as connection:
        told = connection.wait_for(GOAWAY)
        assert told is not None and told.error == NO_ERROR


def is_the_clients_own(error):
    """A call that the client had given a connection, and not yet sent when it was told that the connection goes. The server never
    saw it. gRPC sends it again on another connection, unless that is turned off."""
    return error.code() == Code.UNAVAILABLE and "GOAWAY received; Error code: 0" in error.details()


@pytest.mark.parametrize("retries", [True, False], ids=["retrying", "not retrying"])
def test_no_unary_call_fails_for_a_connections_age(store, start, retries):
    store.add("mlp")
    server = start(*age(0.3))
    with asking(server.address, 4, retries) as clients:
        wait_until(lambda: accepted(server) >= 40, "each client has had ten connections", seconds=120)
    errors = [error for client in clients for error in client.errors]
    own = [error for error in errors if not retries and is_the_clients_own(error)]
    assert len(own) == len(errors), errors
    assert len(own) <= 4, "at most one in ten connections"
    assert min(client.answered for client in clients) >= 10
    assert server.metrics().sum("torchferry_requests_total", model="mlp") == sum(client.answered for client in clients)


def test_a_stateful_stream_goes_on_in_the_grace(store, start):
    store.add("running_sum")
    server = start(*age(0.3))
    with Client(server.address) as client, Stream(client) as stream:
        assert stream.add(1) == (1, 1)
        with http2.Connection(server.address) as younger:
            assert younger.wait_for(GOAWAY) is not None
        with http2.Connection(server.address) as younger:
            assert younger.wait_for(GOAWAY) is not None
        assert stream.add(2) == (3, 2)


def test_what_is_longer_than_the_grace_is_ended(store, start):
    store.add("mlp")
    with http2.Connection(start(*age(0.3, grace=0.3)).address) as connection:
        connection.send(frame(HEADERS, END_HEADERS, connection.next_stream(), http2.call_fields(PREDICT_STREAM)))
        assert connection.wait_for(GOAWAY) is not None
        assert connection.wait_until_closed()


def test_a_stream_that_is_cut_off_says_unavailable(store, start):
    store.add("mlp")
    server = start(*age(0.3, grace=0.3))
    with Client(server.address) as client:
        stream = Stream(client)
        assert stream.value("mlp", X, "probabilities").shape == (1, 3)
        with pytest.raises(grpc.RpcError) as error:
            next(stream.call)
        assert error.value.code() == Code.UNAVAILABLE


def test_a_connection_without_a_call_is_told_to_go(store, start):
    store.add("mlp")
    server = start("--max-connection-idle-seconds", "0.3")
    with http2.Connection(server.address) as connection:
        assert connection.wait_until_closed()
    with Client(server.address) as client, Stream(client) as stream:  # a stream is a call, however silent
        assert stream.value("mlp", X, "probabilities").shape == (1, 3)
        with http2.Connection(server.address) as other:
            assert other.wait_until_closed()
        assert stream.value("mlp", X, "probabilities").shape == (1, 3)


def test_without_the_flags_a_connection_stays(store, start):
    store.add("mlp")
    server = start("--max-connection-idle-seconds", "0", "--keepalive-min-interval-seconds", "0.05")
    with http2.Connection(server.address) as connection:
        for _ in range(20):
            assert connection.ping()
            threading.Event().wait(0.1)


@pytest.mark.parametrize("flags", [("--max-connection-age-seconds", "-1"), ("--max-connection-age-seconds", "nan"),
                                   ("--keepalive-min-interval-seconds", "0"), ("--max-ping-strikes", "0"),
                                   ("--keepalive-timeout-seconds", "1e9")])
def test_a_wrong_time_ends_the_start(store, tmp_path, flags):
    store.add("mlp")
    server = harness.Server(store, tmp_path / "server", *flags)
    assert server.wait_exit() == 2
    assert flags[0] in server.log() or "NaN" in server.log()
