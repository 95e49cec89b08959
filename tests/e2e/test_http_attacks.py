"""The HTTP listener beside clients that mean it ill: probes are answered, and nothing is kept for strangers."""

import contextlib
import pathlib
import socket
import threading

import pytest

from harness import wait_until

DRIP_SECONDS = 0.5
CHUNK = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"


@pytest.fixture
def server(store, start):
    store.add("mlp")
    return start()


def connect(server):
    host, port = server.ports["metrics_address"].rsplit(":", 1)
    connection = socket.create_connection((host, int(port)), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


@contextlib.contextmanager
def crowd(server, count, say):
    """So many connections that have sent `say` and are held open."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(server)) for _ in range(count)]
        for connection in connections:
            connection.sendall(say)
        yield connections


class Dripper(threading.Thread):
    """A request that never ends, a byte at a time; again when it is cut off."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self._server = server
        self._is_told_to_stop = threading.Event()
        self.has_dripped = threading.Event()
        self.start()

    def run(self):
        while not self._is_told_to_stop.is_set():
            with contextlib.suppress(OSError), connect(self._server) as connection:
                connection.sendall(b"GET /livez HTTP/1.1\r\nX: ")
                while not self._is_told_to_stop.wait(DRIP_SECONDS):
                    connection.sendall(b"x")
                    self.has_dripped.set()

    def stop(self):
        self._is_told_to_stop.set()
        self.join()


def test_probes_are_answered_beside_clients_that_drip(server):
    drippers = [Dripper(server) for _ in range(4)]
    try:
        for dripper in drippers:
            assert dripper.has_dripped.wait(60)
        for path in ("/livez", "/readyz", "/metrics") * 5:
            assert server.http(path)[0] == 200
    finally:
        for dripper in drippers:
            dripper.stop()


@pytest.mark.parametrize("say", [b"", b"GET /livez HTTP/1.1\r\nHost: ", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"],
                         ids=["silent", "unfinished", "idle scrapers"])
def test_probes_are_answered_beside_many_connections(server, say):
    with crowd(server, 400, say):
        for path in ("/livez", "/readyz", "/metrics") * 5:
            assert server.http(path)[0] == 200


def test_a_chunked_post_is_refused_and_not_kept(server):
    before = resident_bytes(server)
    with connect(server) as connection:
        connection.sendall(b"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 200 << 20:
                connection.sendall(CHUNK)
                sent += len(CHUNK)
    assert sent < 50 << 20, "the server went on reading"
    assert resident_bytes(server) - before < 50 << 20
    assert server.http("/livez") == (200, "ok\n")


def test_the_answer_to_a_body_says_what_is_wrong(server):
    with connect(server) as connection:
        connection.sendall(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"no request here has a body" in answer


@pytest.mark.parametrize("say", [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    bytes(range(256)) * 16,
], ids=["TLS", "HTTP/2", "noise"])
def test_another_protocol_is_told_and_closed(server, say):
    with connect(server) as connection:
        connection.sendall(say)
        assert connection.makefile("rb").read().startswith(b"HTTP/1.1 400 ")
    assert server.http("/livez") == (200, "ok\n")


def test_connections_that_stay_silent_are_closed(server):
    with crowd(server, 20, b"") as connections:
        for connection in connections:
            assert connection.recv(1) == b""


def resident_bytes(server):
    for line in pathlib.Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    raise AssertionError("no VmRSS")


def test_descriptors_come_back(server):
    folder = pathlib.Path(f"/proc/{server.process.pid}/fd")
    before = len(list(folder.iterdir()))
    with crowd(server, 300, b"GET /livez HTTP/1.1\r\n"):
        assert server.http("/livez")[0] == 200
    wait_until(lambda: len(list(folder.iterdir())) <= before + 5, "the connections' descriptors are closed")
