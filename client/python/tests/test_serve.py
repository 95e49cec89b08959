"""serve: a real server that is ready when it is returned, logs to the caller's logger, and ends with the caller."""

import logging
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import torchferry

X = np.zeros((1, 4), np.float32)


def ended(pid):
    """Whether that process has gone, or only waits for its parent to look."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def test_it_is_ready_when_it_returns_and_gone_after(store, caplog):
    caplog.set_level(logging.INFO, "torchferry.server")
    store.add("mlp")
    with torchferry.serve(store.path) as server:
        assert server.address.startswith("127.0.0.1:") and server.metrics_address
        with server.client() as client:
            assert client.predict("mlp", x=X).version == 1
        assert str(server.pid) in repr(server)
    assert ended(server.pid)
    assert server.stop() == 0
    assert any("model ready" in record.message and "model=mlp" in record.message for record in caplog.records)
    assert not any(record.message.startswith("{") for record in caplog.records)


def test_an_interrupt_of_the_caller_is_not_the_servers(store):
    """Ctrl-C in a terminal goes to all of a process group."""
    store.add("mlp")
    with torchferry.serve(store.path) as server:
        assert os.getpgid(server.pid) != os.getpgid(0)


def test_the_store_is_left_as_it_was(store):
    store.add("mlp")
    before = {path: path.stat().st_mtime_ns for path in store.path.rglob("*")}
    with torchferry.serve(store.path):
        pass
    assert {path: path.stat().st_mtime_ns for path in store.path.rglob("*")} == before


def test_flags_and_the_logger_are_the_callers(store, caplog):
    store.add("mlp", versions=(1, 2))
    logger = logging.getLogger("mine")
    caplog.set_level(logging.DEBUG, "mine")
    with torchferry.serve(store.path, "--metrics-address=127.0.0.2:0", "--log-level", "debug", logger=logger) as server:
        assert server.metrics_address.startswith("127.0.0.2:")
        with server.client() as client:
            client.predict("mlp", x=X, request_id="seen-in-the-log")
    assert any(
        "seen-in-the-log" in record.message and record.levelno == logging.DEBUG
        for record in caplog.records
        if record.name == "mine"
    )


def test_an_empty_store_is_served_for_what_comes(store):
    with torchferry.serve(store.path, "--watch", "--watch-interval-seconds=0.1") as server, server.client() as client:
        assert client.models() == []
        store.add("mlp")
        client.wait_ready("mlp", timeout=60)
        client.predict("mlp", x=X)


def test_a_store_where_nothing_can_be_served_is_an_error_with_the_reason(store):
    (store.path / "broken" / "1").mkdir(parents=True)
    (store.path / "broken" / "1" / "model.pt").write_bytes(b"no model")
    with pytest.raises(torchferry.FailedPreconditionError, match="broken:1 is FAILED"):
        torchferry.serve(store.path)


@pytest.mark.parametrize(
    "flags,words",
    [
        (["--no-such-flag"], "no-such-flag"),
        (["--grpc-address", "nonsense"], "nonsense"),
    ],
)
def test_a_server_that_ends_says_why(store, flags, words):
    with pytest.raises(torchferry.FailedPreconditionError, match=words):
        torchferry.serve(store.path, *flags)


def test_what_serve_itself_sets_is_refused(store):
    with pytest.raises(torchferry.InvalidArgumentError, match="--port-file"):
        torchferry.serve(store.path, "--port-file=/tmp/ports")
    with pytest.raises(torchferry.NotFoundError, match="no folder"):
        torchferry.serve(store.path / "nothing")


def test_a_server_that_is_not_ready_in_time_is_ended(store):
    store.add("slow_to_load")
    with pytest.raises(torchferry.DeadlineExceededError, match="after 0.01 s"):
        torchferry.serve(store.path, timeout=0.01)


def test_no_server_is_an_error_that_says_where_it_was_sought(store, monkeypatch):
    monkeypatch.setenv("TORCHFERRY_SERVER", "/nothing/here")
    with pytest.raises(FileNotFoundError, match="TORCHFERRY_SERVER=/nothing/here"):
        torchferry.serve(store.path)
    monkeypatch.delenv("TORCHFERRY_SERVER")
    monkeypatch.setenv("PATH", "/nothing")
    with pytest.raises(FileNotFoundError, match="none is on PATH"):
        torchferry.serve(store.path)


@pytest.mark.parametrize("thread", [False, True], ids=["main", "a-thread-that-ended"])
@pytest.mark.parametrize("end", [signal.SIGKILL, None], ids=["killed", "exits"])
def test_the_server_ends_with_the_process_that_started_it(store, end, thread):
    """However that ends, and not with the thread that called serve."""
    store.add("mlp")
    script = textwrap.dedent("""
        import sys, threading, torchferry
        servers = []
        def start():
            servers.append(torchferry.serve(sys.argv[1]))
        if sys.argv[2] == "True":
            thread = threading.Thread(target=start)
            thread.start()
            thread.join()
        else:
            start()
        with servers[0].client() as client:
            assert client.ready()
        print(servers[0].pid, flush=True)
        sys.stdin.read()
    """)
    with subprocess.Popen(
        [sys.executable, "-c", script, str(store.path), str(thread)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        pid = int(parent.stdout.readline())
        assert not ended(pid)
        if end is not None:
            os.kill(parent.pid, end)
        parent.stdin.close()
        parent.wait(60)
    wait_until(lambda: ended(pid), "the server ends")
