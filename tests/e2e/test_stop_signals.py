"""SIGTERM and SIGINT at any moment: the process ends with 0, from the first moment at which it is ours, and whoever
still asks.

TORCHFERRY_STOP_ROUNDS sets how often each test stops a server: a few times in the suite, 50 or 100 for a proof.
"""

import os
import pathlib
import re
import signal
import time

import pytest

import harness
from probers import KeepAliveProber

ROUNDS = int(os.environ.get("TORCHFERRY_STOP_ROUNDS", "0"))
PROBED_ROUNDS = ROUNDS or 2
EARLY_ROUNDS = ROUNDS or 5
EARLY_SECONDS = 2


@pytest.mark.parametrize("path, statuses", [("/livez", {200}), ("/readyz", {200, 503}), ("/metrics", {200}),
                                            ("/absent", {404})])
def test_sigterm_behind_a_keep_alive_prober_ends_with_0(store, start, path, statuses):
    """HTTP answers on while the rest ends: what its answers need must be there until it has ended, too."""
    store.add("mlp")
    for _ in range(PROBED_ROUNDS):
        server = start()
        prober = KeepAliveProber(server, path)
        prober.wait_until_it_asks()
        server.signal()
        assert server.wait_exit() == 0
        prober.join(harness.DEADLINE_SECONDS)
        assert not prober.is_alive() and set(prober.statuses) <= statuses


def blocked_signals(status):
    """Of one thread, from its status file."""
    mask = int(re.search(r"^SigBlk:\s*(\w+)$", status.read_text(), re.MULTILINE).group(1), 16)
    return {number for number in signal.valid_signals() if mask >> (number - 1) & 1}


def wait_until_it_holds_signals(server):
    """Some 0.1 ms after exec; by then the libraries are not even mapped."""
    status = pathlib.Path(f"/proc/{server.process.pid}/status")
    while signal.SIGTERM not in blocked_signals(status):
        assert server.process.poll() is None, server.log()


def early_moments():
    """(signal, seconds after they are held back), spread over the time that a start takes."""
    for i in range(EARLY_ROUNDS):
        yield (signal.SIGTERM, signal.SIGINT)[i % 2], EARLY_SECONDS * i / EARLY_ROUNDS


def test_a_signal_while_the_server_starts_ends_it_with_0(store, tmp_path):
    """While libraries are mapped, before main, while flags are read, the store is scanned and models load."""
    store.add("mlp")
    for i, (number, seconds) in enumerate(early_moments()):
        server = harness.Server(store, tmp_path / f"server{i}")
        try:
            wait_until_it_holds_signals(server)
            time.sleep(seconds)
            server.signal(number)
            assert server.wait_exit() == 0, f"{number.name} after {seconds} s:\n{server.log()}"
            assert "stopped all_answered=true" in server.log()
        finally:
            server.kill()


def test_no_thread_takes_the_signals_from_main(store, start):
    """A thread with one of them unblocked would end the process by it."""
    store.add("mlp")
    server = start("--watch")
    main = str(server.process.pid)  # it waits for them, and the kernel shows them as not blocked then
    threads = pathlib.Path(f"/proc/{main}/task")
    statuses = [thread / "status" for thread in threads.iterdir() if thread.name != main]
    assert statuses
    for status in statuses:
        assert {signal.SIGTERM, signal.SIGINT, signal.SIGUSR2} <= blocked_signals(status), status.read_text()
