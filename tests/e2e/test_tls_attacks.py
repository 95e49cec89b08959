"""The TLS listener beside clients that mean it ill: handshakes that do not end, plain text, garbage."""

import contextlib
import socket
import ssl
import subprocess
import threading

import grpc
import pytest

import harness
import http2
from certificates import Authority, client_credentials
from harness import Client, wait_until
from wire import assert_close, reference

CROWD = 1000
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # the head of a ClientHello of 512 bytes
HEAD_OF_SETTINGS = b"\x04\x00\x00\x00\x00\x00"  # its type, flags and stream


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "tls")


@pytest.fixture
def server(store, tmp_path, authority):
    store.add("mlp")
    flags = ("--max-connections", "1100", "--max-connections-per-peer", "1050")
    with harness.serving(store, tmp_path / "server", *authority.issue().flags, *flags,
                         credentials=client_credentials(authority)) as server:
        yield server


def ask(server):
    with Client(server.address, server.credentials) as client:
        answer = client.predict_arrays("mlp", {"x": reference("mlp", "x", 1)})
        assert_close(answer["probabilities"], reference("mlp", "probabilities", 1))


@contextlib.contextmanager
def raw(server, source=None):
    host, port = server.address.rsplit(":", 1)
    with socket.socket() as connection:
        connection.settimeout(harness.DEADLINE_SECONDS)
        if source:
            connection.bind((source, 0))
        connection.connect((host, int(port)))
        yield connection


def is_closed(connection):
    """Waits until the server has ended the connection; False when that takes too long."""
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize("said", [http2.PREFACE, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(range(256)) * 64, b"\x16\x03\x01\xff\xff",
                                  HELLO, HELLO + bytes(512), b"", b"\x15\x03\x03\x00\x02\x01\x00",
                                  b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10"],
                         ids=["HTTP/2 in plain text", "HTTP/1", "noise", "a record too long", "half a hello", "an empty hello",
                              "silence", "an alert", "SSL 2"])
def test_what_does_not_become_tls_is_closed(server, said):
    with raw(server) as connection:
        connection.sendall(said)
        assert is_closed(connection)
    ask(server)


def test_a_thousand_half_handshakes_hold_nobody_up_and_are_ended(server):
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(raw(server, source="127.0.0.2")) for _ in range(CROWD)]
        for number, connection in enumerate(crowd):
            connection.sendall(HELLO[:number % (len(HELLO) + 1)])
        ask(server)
        assert all(is_closed(connection) for connection in crowd)
    server.wait_metrics(lambda m: m.sum("torchferry_connections", listener="grpc") <= 2, "closed ones are not counted")
    ask(server)


def test_a_handshake_that_drips_has_no_more_time(server):
    pause = threading.Event()
    with raw(server) as connection:
        for _ in range(20):
            try:
                connection.sendall(HELLO[:1] if _ == 0 else b"\x03")
            except OSError:
                return
            pause.wait(1)
        assert is_closed(connection)


def test_who_stops_after_the_handshake_is_ended(server, authority):
    context = ssl.create_default_context(cadata=authority.pem.decode())
    context.set_alpn_protocols(["h2"])
    with raw(server) as connection, context.wrap_socket(connection, server_hostname="localhost") as secured:
        assert is_closed(secured)


def test_without_alpn_there_is_no_connection(server, authority):
    context = ssl.create_default_context(cadata=authority.pem.decode())
    with raw(server) as connection, contextlib.suppress(ssl.SSLError, ConnectionError):
        with context.wrap_socket(connection, server_hostname="localhost") as secured:
            assert is_closed(secured)
    ask(server)


def ask_for_renegotiation(server, authority):
    """What openssl's client says to "R", a new handshake, which TLS 1.2 has; None when data of the server met that handshake.

    openssl's client ends then ("unexpected record"), so "R" follows the server's SETTINGS.
    """
    command = ["openssl", "s_client", "-quiet", "-no_ign_eof", "-connect", server.address, "-tls1_2", "-alpn", "h2",
               "-CAfile", str(authority.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        said = b""
        while HEAD_OF_SETTINGS not in said:
            part = process.stdout.read1()
            assert part, f"openssl ended: {said}"
            said += part
        said += process.communicate(b"R\n", timeout=harness.DEADLINE_SECONDS)[0]
    return None if b"unexpected record" in said else said.decode(errors="replace")


def test_nobody_renegotiates(server, authority):
    said = wait_until(lambda: ask_for_renegotiation(server, authority), "openssl asks for a new handshake, and no data meets it")
    assert "RENEGOTIATING" in said and "no renegotiation" in said, said
    ask(server)


def test_handshakes_without_end_leave_others_served(server, authority):
    """Callers that do nothing but shake hands, beside one that asks."""
    done = threading.Event()
    made = []

    def shake():
        context = ssl.create_default_context(cadata=authority.pem.decode())
        context.set_alpn_protocols(["h2"])
        while not done.is_set():
            with contextlib.suppress(OSError), raw(server, source="127.0.0.2") as connection, \
                    context.wrap_socket(connection, server_hostname="localhost"):
                made.append(1)

    threads = [threading.Thread(target=shake) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: len(made) > 50, "handshakes are made")
        with Client(server.address, server.credentials) as client:
            for _ in range(50):
                answer = client.predict_arrays("mlp", {"x": reference("mlp", "x", 1)})
                assert_close(answer["probabilities"], reference("mlp", "probabilities", 1))
    finally:
        done.set()
        for thread in threads:
            thread.join()


def test_large_messages_over_tls_do_not_count_as_unfinished(store, tmp_path, authority):
    """TLS adds to what the kernel counts: good clients are not ended for that."""
    store.add("mlp")
    flags = (*authority.issue().flags, "--memory-budget-mib", "64", "--max-message-mib", "8")
    with harness.serving(store, tmp_path / "server", *flags, credentials=client_credentials(authority)) as server:
        with Client(server.address, server.credentials) as client:
            rows = reference("mlp", "x", 1).repeat(100_000, axis=0)  # 1.6 MB
            for _ in range(60):
                with contextlib.suppress(grpc.RpcError):
                    client.predict("mlp", {"x": rows})
            ask(server)
        assert server.metrics().sum("torchferry_connections_total", listener="grpc", outcome="ended_unfinished") == 0
