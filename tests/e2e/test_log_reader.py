"""Whoever reads the server's log may stop reading: nothing waits for him. What libraries write are lines of the log, too."""

import json
import os

import pytest

import harness
from harness import Client, Code
from wire import admin, admin_grpc, reference

PIPE_BYTES = 64 << 10  # what a pipe holds while nobody reads


class HeldReader:
    """Reads the log over a named pipe, when it is told to."""

    def __init__(self, folder):
        self.path = folder / "log.pipe"
        os.mkfifo(self.path)
        self.fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def prefix(self):
        return ("sh", "-c", 'pipe=$1; shift; exec "$@" 2>"$pipe"', "sh", str(self.path))

    def read(self):
        """Everything that is there."""
        parts = []
        while True:
            try:
                part = os.read(self.fd, 1 << 20)
            except BlockingIOError:
                part = b""
            if not part:
                return b"".join(parts).decode(errors="replace")
            parts.append(part)

    def close(self):
        os.close(self.fd)


@pytest.fixture
def reader(tmp_path):
    reader = HeldReader(tmp_path)
    yield reader
    reader.close()


@pytest.fixture
def server(store, tmp_path, reader):
    store.add("mlp")
    server = harness.Server(store, tmp_path / "server", "--log-format", "json", "--log-level", "debug", "--enable-admin",
                            prefix=reader.prefix())
    try:
        yield server.wait_listening().wait_ready()
    finally:
        server.kill()


def flood(client, count):
    """More lines than a pipe and the queue behind it hold."""
    x = reference("mlp", "x", 1)
    futures = []
    for _ in range(count):
        futures.append(client.stub.Predict.future(harness.predict_request("mlp", {"x": x}), timeout=harness.DEADLINE_SECONDS))
        if len(futures) == 200:
            for future in futures:
                future.result()
            futures = []


def test_a_reader_that_stops_holds_up_neither_requests_nor_admin_nor_the_end(server, reader):
    with Client(server.address) as client:
        flood(client, 12_000)
        stub = admin_grpc.ModelAdminServiceStub(client.channel)
        stub.UnloadModel(admin.UnloadModelRequest(model_name="mlp"), timeout=harness.DEADLINE_SECONDS)
        stub.LoadModel(admin.LoadModelRequest(model_name="mlp"), timeout=harness.DEADLINE_SECONDS)
        assert client.predict("mlp", {"x": reference("mlp", "x", 1)}).outputs
        server.wait_metrics(lambda m: m.sum("torchferry_log_lines_dropped_total", why="reader") > 0, "lines were dropped")
    server.signal()
    assert server.wait_exit() == 0


def test_a_reader_that_goes_on_hears_how_many_lines_he_missed(server, reader):
    text = []
    with Client(server.address) as client:
        flood(client, 12_000)
        server.wait_metrics(lambda m: m.sum("torchferry_log_lines_dropped_total", why="reader") > 0, "lines were dropped")

        def told():
            text.append(reader.read())
            return "log lines dropped" in "".join(text)

        harness.wait_until(told, "a line says that lines were dropped")
    server.signal()

    def ended():
        text.append(reader.read())
        return server.process.poll() is not None

    harness.wait_until(ended, "the server ends")
    text.append(reader.read())
    lines = [json.loads(line) for line in "".join(text).splitlines()]
    assert sum(line.get("lines", 0) for line in lines if line["message"].startswith("log lines dropped")) > 0
    assert lines[-1]["message"] == "stopped"


def test_a_reader_that_is_gone_is_no_error(server, reader):
    os.close(reader.fd)
    reader.fd = os.open(os.devnull, os.O_RDONLY)
    with Client(server.address) as client:
        flood(client, 1000)
    server.signal()
    assert server.wait_exit() == 0


def test_what_grpc_says_is_a_line_of_the_log(store, tmp_path):
    store.add("mlp")
    with harness.serving(store, tmp_path / "server", "--log-format", "json", "--log-level", "debug",
                         environment={"GRPC_VERBOSITY": "DEBUG"}) as server:
        with Client(server.address) as client:
            client.predict("mlp", {"x": reference("mlp", "x", 1)})
        for line in server.log().splitlines():
            json.loads(line)  # each one is
        said = [line for line in server.log_lines() if line["message"] == "message of a library"]
        assert any(line["library"] == "grpc" and line["where"] for line in said), server.log()[:2000]


def test_a_name_of_a_request_does_not_make_a_line_of_megabytes(store, tmp_path):
    store.add("mlp")
    with harness.serving(store, tmp_path / "server", "--log-level", "debug") as server:
        with Client(server.address) as client:
            with pytest.raises(harness.grpc.RpcError) as error:
                client.predict("x" * (8 << 20), {"x": reference("mlp", "x", 1)})
            assert error.value.code() in (Code.NOT_FOUND, Code.INVALID_ARGUMENT, Code.RESOURCE_EXHAUSTED)
        assert max(len(line) for line in server.log().splitlines()) < 200_000
