"""SIGTERM ends the process with 0, whoever still asks.

TORCHFERRY_STOP_ROUNDS sets how often each test stops a server: a few times in the suite, 50 or 100 for a proof.
"""

import os

import pytest

import harness
from probers import KeepAliveProber

ROUNDS = int(os.environ.get("TORCHFERRY_STOP_ROUNDS", "0"))
PROBED_ROUNDS = ROUNDS or 2


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
