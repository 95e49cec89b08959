"""The gRPC listener beside clients that mean it ill: what they hold is bounded, and others are served."""

import contextlib
import socket
import threading

import grpc
import pytest

import harness
import http2
from harness import Client, Health, wait_until
from http2 import ACK, CONTINUATION, DATA, END_HEADERS, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame
from wire import assert_close, reference

FEW_DESCRIPTORS = ("prlimit", "--nofile=256:256")
PREDICT = "/torchferry.v1.InferenceService/Predict"


@pytest.fixture
def server(store, start):
    store.add("mlp")
    return start()


def ask(client):
    """A Predict whose answer is right."""
    answer = client.predict_arrays("mlp", {"x": reference("mlp", "x", 1)})
    assert_close(answer["probabilities"], reference("mlp", "probabilities", 1))


def is_served(address):
    """Whether a new connection is, now."""
    with Client(address) as client:
        try:
            ask(client)
            return True
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAVAILABLE, error
            return False


@contextlib.contextmanager
def silent_crowd(address, count, source="127.0.0.1"):
    host, port = address.rsplit(":", 1)
    with contextlib.ExitStack() as stack:
        connections = []
        for _ in range(count):
            connection = stack.enter_context(socket.socket())
            connection.bind((source, 0))
            connection.settimeout(60)
            connection.connect((host, int(port)))
            connections.append(connection)
        yield connections


def refusals(server, outcome):
    return server.metrics().sum("torchferry_connections_total", listener="grpc", outcome=outcome)


# --- connections ----------------------------------------------------------------------------------


def test_after_more_connections_than_descriptors_new_ones_are_accepted(store, tmp_path):
    store.add("mlp")
    with harness.serving(store, tmp_path / "server", prefix=FEW_DESCRIPTORS) as server:
        with silent_crowd(server.address, 400):
            wait_until(lambda: refusals(server, "too_many_of_peer") > 0, "connections are refused")
            assert server.http("/livez")[0] == 200
        wait_until(lambda: is_served(server.address), "new connections are served again")
        assert refusals(server, "failed") == 0, "there was a descriptor for each"


def test_one_peer_that_takes_all_it_can_get_leaves_room_for_others(store, tmp_path):
    store.add("mlp")
    with harness.serving(store, tmp_path / "server", prefix=FEW_DESCRIPTORS) as server:
        with silent_crowd(server.address, 400, source="127.0.0.2"):
            wait_until(lambda: refusals(server, "too_many_of_peer") > 0, "connections are refused")
            assert is_served(server.address)


def test_a_listener_that_is_full_says_so(store, tmp_path):
    store.add("mlp")
    flags = ("--max-connections", "20", "--max-connections-per-peer", "20")
    with harness.serving(store, tmp_path / "server", *flags) as server, Client(server.address) as before:
        assert before.health("") == Health.SERVING
        with silent_crowd(server.address, 30):
            wait_until(lambda: server.http("/readyz")[0] == 503, "not ready")
            status, body = server.http("/readyz")
            if status == 503:  # the silent ones are closed after a while
                assert "no new connection is accepted: all 20 are open" in body
            assert server.http("/livez")[0] == 200
            ask(before)
            assert refusals(server, "too_many") > 0
        wait_until(lambda: server.http("/readyz")[0] == 200, "ready again")
        assert is_served(server.address)
        server.wait_metrics(lambda m: m.sum("torchferry_connections", listener="grpc") <= 3, "closed ones are not counted")


def test_health_watchers_hear_of_a_full_listener(store, tmp_path):
    store.add("mlp")
    with harness.serving(store, tmp_path / "server", "--max-connections", "10", "--max-connections-per-peer", "10") as server:
        with Client(server.address) as client:
            heard = []

            def watch():
                with contextlib.suppress(grpc.RpcError):
                    request = harness.health_pb2.HealthCheckRequest(service="")
                    for answer in client.health_stub.Watch(request, timeout=harness.DEADLINE_SECONDS * 2):
                        heard.append(answer.status)

            threading.Thread(target=watch, daemon=True).start()
            wait_until(lambda: heard == [Health.SERVING], "the watch has begun")
            with silent_crowd(server.address, 20):
                wait_until(lambda: Health.NOT_SERVING in heard, "the watch hears of it")
            wait_until(lambda: heard[-1] == Health.SERVING, "and of its end")


def test_a_flag_that_asks_for_more_than_there_are_descriptors_is_refused(store, tmp_path):
    server = harness.Server(store, tmp_path / "server", "--max-connections", "5000", prefix=FEW_DESCRIPTORS)
    assert server.wait_exit() == 1
    assert "--max-connections 5000" in server.log()


@pytest.mark.parametrize("say", [b"", http2.PREFACE[:10], http2.PREFACE, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
                                 b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), bytes(range(256))],
                         ids=["silent", "half a preface", "no SETTINGS", "HTTP/1", "TLS", "noise"])
def test_a_connection_that_does_not_become_http2_is_closed(server, say):
    with http2.Connection(server.address, preface=False) as connection:
        connection.send(say)
        assert connection.wait_until_closed()
    assert is_served(server.address)


def test_a_preface_that_drips_has_no_more_time(server):
    with http2.Connection(server.address, preface=False) as connection:
        pause = threading.Event()
        sent = 0
        while connection.try_send(http2.PREFACE[sent % 24:sent % 24 + 1]):
            sent += 1
            assert sent < 24, "the preface was waited for"
            pause.wait(2)


# --- frames ---------------------------------------------------------------------------------------


def settings_flood(connection):
    return connection.try_send(frame(SETTINGS, 0, 0) * 1000)


def settings_ack_flood(connection):
    return connection.try_send(frame(SETTINGS, ACK, 0) * 1000)


def ping_flood(connection):
    return connection.try_send(frame(PING, 0, 0, bytes(8)) * 1000)


def reset_flood(connection):
    data = b""
    for _ in range(200):
        stream = connection.next_stream()
        data += frame(HEADERS, END_HEADERS, stream, http2.call_fields(PREDICT))
        data += frame(RST_STREAM, 0, stream, http2.CANCEL.to_bytes(4, "big"))
    return connection.try_send(data)


def priority_flood(connection):
    return connection.try_send(frame(PRIORITY, 0, 1, bytes(5)) * 1000)


def window_flood(connection):
    return connection.try_send(frame(WINDOW_UPDATE, 0, 0, (1).to_bytes(4, "big")) * 1000)


def empty_data_flood(connection):
    if connection._stream < 0:
        connection.send(frame(HEADERS, END_HEADERS, connection.next_stream(), http2.call_fields(PREDICT)))
    return connection.try_send(frame(DATA, 0, 1) * 1000)


def header_flood(connection):
    """Calls whose metadata is as large as one frame."""
    stream = connection.next_stream()
    block = http2.call_fields(PREDICT) + http2.field("x", "a" * 16000)
    return connection.try_send(frame(HEADERS, END_HEADERS, stream, block))


FLOODS = [settings_flood, settings_ack_flood, ping_flood, reset_flood, priority_flood, window_flood, empty_data_flood,
          header_flood]


class Flood(threading.Thread):
    """The same again and again, on a new connection when one is ended, until it is stopped."""

    MOST_ROUNDS = 5000

    def __init__(self, address, send, **options):
        super().__init__(daemon=True)
        self._address, self._send, self._options = address, send, options
        self._is_told_to_stop = threading.Event()
        self.has_begun = threading.Event()
        self.rounds = 0
        self.start()

    def run(self):
        while not self._is_told_to_stop.is_set() and self.rounds < self.MOST_ROUNDS:
            with contextlib.suppress(OSError), http2.Connection(self._address, receive_buffer=4096, **self._options) as connection:
                connection.socket.settimeout(1)  # it does not read, so that the server may stop to
                while not self._is_told_to_stop.is_set() and self.rounds < self.MOST_ROUNDS and self._send(connection):
                    self.rounds += 1
                    self.has_begun.set()

    def stop(self):
        self._is_told_to_stop.set()
        self.join()


@pytest.mark.parametrize("send", [f for f in FLOODS if f is not reset_flood], ids=lambda f: f.__name__)
def test_others_are_served_beside_a_flood(server, send):
    with Client(server.address) as client:
        ask(client)
        flood = Flood(server.address, send)
        try:
            assert flood.has_begun.wait(harness.DEADLINE_SECONDS)
            for _ in range(20):
                ask(client)
            assert is_served(server.address)
            assert server.http("/readyz")[0] == 200
        finally:
            flood.stop()
        ask(client)


def test_a_flood_of_resets_ends_nothing(server):
    """While it lasts it may hold up the others, which only a proxy in front prevents (deploy/envoy)."""
    with http2.Connection(server.address) as connection:
        for _ in range(50):
            reset_flood(connection)
    wait_until(lambda: is_served(server.address), "new connections are served")
    assert server.http("/readyz")[0] == 200


def continuation_flood(connection, count=20000, piece=b"a"):
    """A header block of one field that does not end, in many small frames: gRPC 1.51 reads all of it again for each."""
    stream = connection.next_stream()
    block = http2.call_fields(PREDICT) + b"\x00" + http2.text("x") + http2.integer(1 << 24, 7)
    if not connection.try_send(frame(HEADERS, 0, stream, block)):
        return False
    return connection.try_send(frame(CONTINUATION, 0, stream, piece) * count)


def test_a_header_block_without_end_ends_nothing(server):
    """It costs processor time, which only a proxy in front prevents (deploy/envoy), and nothing else."""
    with Client(server.address) as client, http2.Connection(server.address) as connection:
        continuation_flood(connection)
        ask(client)
        assert not connection.ping()  # has no place there
    assert is_served(server.address)
