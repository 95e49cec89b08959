"""Tests of the Python package, against a real server where one is asked for. One file a subject; to run one:

    python -m pytest client/python/tests/test_predict.py

with grpcio, numpy, protobuf and pytest (deploy/locks/python-client-newest.txt), and torch for some. Environment:
    TORCHFERRY_BINARY_DIR   the build folder that has bin/ and python/; default build
    TORCHFERRY_JUNIT_DIR    when set, results also go to FILE.xml there, as JUnit

Nothing here sleeps to let something happen: it waits for a condition, up to a deadline.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import sys

import pytest

REPO = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("TORCHFERRY_BINARY_DIR", REPO / "build")).resolve()
# The package, and the files of it that the build makes.
PACKAGE_PATH = [str(REPO / "client" / "python"), str(BUILD / "python")]
sys.path[:0] = PACKAGE_PATH

import stores  # noqa: E402
import torchferry  # noqa: E402

# Those that are about torch; CTest runs them as python_package_torch.
if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["test_save*.py", "test_convert*.py", "test_torch*.py", "test_examples.py"]


@pytest.fixture(scope="session", autouse=True)
def environment():
    """For this process and those that tests start: the package, the server, and no flags that somebody has set."""
    for name in [name for name in os.environ if name.startswith("TORCHFERRY_")]:
        del os.environ[name]
    os.environ["TORCHFERRY_SERVER"] = str(BUILD / "bin" / "torchferry-server")
    os.environ["PYTHONPATH"] = os.pathsep.join(PACKAGE_PATH)


@pytest.fixture
def store(tmp_path):
    """An empty model store."""
    return stores.Store(tmp_path / "store")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A server with the models of stores.add_all."""
    store = stores.Store(tmp_path_factory.mktemp("served") / "store")
    stores.add_all(store)
    with torchferry.serve(store.path, "--enable-admin", "--max-message-mib=16", "--workers=2") as server:
        yield server


@pytest.fixture
def client(server):
    with server.client(timeout=60) as client:
        yield client
