"""End-to-end tests: the real server and CLI over real sockets, driven by Python clients.

One file a subject; to run one:

    python3 -m venv venv && venv/bin/pip install --no-deps -r deploy/locks/python-tests.txt
    venv/bin/python -m pytest tests/e2e/test_parity.py

Environment:
    TORCHFERRY_BINARY_DIR       the build folder whose bin/ has the binaries; default build
    TORCHFERRY_TEST_DEVICE      --device of the servers; default auto. "sim:0" is on the server that has it
    TORCHFERRY_TEST_OPTIMIZE    --optimize of the servers; default off, as a search takes its time. test_tuning.py is about it
    TORCHFERRY_STOP_ROUNDS      how often test_stop_signals.py stops a server for each of its cases; default a few times
    TORCHFERRY_REQUIRE_SAMPLES  (or CI) when set, a sample model that was not fetched is a failure, not a skip
    TORCHFERRY_JUNIT_DIR        when set, results also go to FILE.xml there, as JUnit
"""

import os
import pathlib

import pytest

import harness
from stores import Store


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    folder = os.environ.get("TORCHFERRY_JUNIT_DIR")
    if folder and not config.option.xmlpath:
        files = [pathlib.Path(argument.split("::")[0]).stem for argument in config.args]
        config.option.xmlpath = str(pathlib.Path(folder) / f"{files[0] if len(files) == 1 else 'e2e'}.xml")


@pytest.fixture
def store(tmp_path):
    """An empty model store."""
    return Store(tmp_path / "store")


@pytest.fixture
def start(store, tmp_path):
    """start(*flags, ready=True): a server over `store`. At the test's end SIGTERM must end each with 0, unless the test
    has looked at its exit code itself."""
    servers = []

    def start_one(*flags, ready=True):
        server = harness.Server(store, tmp_path / f"server{len(servers)}", *flags)
        servers.append(server)
        server.wait_listening()
        return server.wait_ready() if ready else server

    try:
        yield start_one
        for server in servers:
            if not server.exit_seen:
                server.stop()
    finally:
        for server in servers:
            server.kill()
            print(f"--- log of {server.folder.name}\n{server.log()}")
