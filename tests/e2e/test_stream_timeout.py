"""Streams with a state that are idle for too long: they are ended, and say why. Others are not."""

import threading

import grpc
import numpy as np
import pytest

import harness
import http2
from harness import Client, Code
from stateful import Stream

SECONDS = 0.4
TIMEOUT = ("--stateful-stream-timeout-seconds", str(SECONDS))


@pytest.fixture
def client(store, start):
    store.add("running_sum")
    store.add("mlp")
    with Client(start(*TIMEOUT).address) as client:
        yield client


def ended(stream):
    """The error that the stream ends with, without a request of ours."""
    with pytest.raises(grpc.RpcError) as error:
        next(stream.call)
    return error.value


def test_an_idle_stream_with_a_state_is_ended(client):
    stream = Stream(client)
    assert stream.add(1) == (1, 1)
    error = ended(stream)
    assert error.code() == Code.ABORTED
    harness.check_message(error.details(), "has had no request for 0.4 s", "--stateful-stream-timeout-seconds",
                          "open a new stream and begin again")
    with Stream(client) as anew:
        assert anew.add(1) == (1, 1)


def test_a_stream_that_asks_is_not_idle(client):
    """Each pause is a part of the time; all together are more."""
    pause = threading.Event()
    with Stream(client) as stream:
        asked = 0
        try:
            for _ in range(12):
                stream.add(1)
                asked += 1
                pause.wait(SECONDS / 6)
        except (grpc.RpcError, StopIteration):
            pytest.skip(f"this host was away for {SECONDS} s after {asked} requests")
        assert stream.add(1) == (13, 13)


def test_a_stream_without_a_state_stays(client):
    with Stream(client) as stateless:
        assert stateless.value("mlp", {"x": np.ones((1, 4), np.float32)}, "probabilities").shape == (1, 3)
        stream = Stream(client)
        stream.add(1)
        ended(stream)
        other = Stream(client)
        other.add(1)
        ended(other)
        assert stateless.value("mlp", {"x": np.ones((1, 4), np.float32)}, "probabilities").shape == (1, 3)


def test_a_step_that_takes_longer_than_the_time_is_answered(client):
    with Stream(client) as stream:
        assert stream.add(1) == (1, 1)
        answer = stream.ask("running_sum", {"x": np.ones((1, 1), np.float32), "work": 2000})
        assert answer.error_code == 0, answer.error_message


def test_its_place_is_free_for_another(store, start):
    store.add("running_sum")
    server = start(*TIMEOUT, "--max-stateful-streams", "1")
    with Client(server.address) as client:
        stream = Stream(client)
        assert stream.add(1) == (1, 1)
        ended(stream)
        other = Stream(client)
        harness.wait_until(lambda: other.ask("running_sum", {"x": np.zeros((1, 1), np.float32)}).error_code == 0,
                           "the place is given to another")
        other.call.cancel()


def test_many_streams_that_end_leave_nothing_behind(client):
    for _ in range(3):
        streams = [Stream(client) for _ in range(20)]
        for stream in streams:
            assert stream.add(1) == (1, 1)
        assert {ended(stream).code() for stream in streams} == {Code.ABORTED}


def test_without_the_flag_a_stream_stays(store, start):
    """For as long as other streams with the flag would have had."""
    store.add("running_sum")
    server = start("--keepalive-min-interval-seconds", "0.05")
    with Client(server.address) as client, Stream(client) as stream:
        assert stream.add(1) == (1, 1)
        with http2.Connection(server.address) as clock:
            for _ in range(8):
                assert clock.ping()
                threading.Event().wait(0.1)
        assert stream.add(2) == (3, 2)
