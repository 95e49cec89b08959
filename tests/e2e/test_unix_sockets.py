"""gRPC over a socket of this host, unix:PATH: who may connect, whose file it is, and which clients do."""

import json
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile

import numpy as np
import pytest

import harness
from harness import Client, cli, refused
from stateful import Stream
from test_grpc_attacks import ask
from wire import PACKAGE_PATH, admin, admin_grpc


@pytest.fixture
def folder():
    """A short path: that of a socket has at most 107 bytes."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="ferry", dir="/tmp"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def address(folder):
    return f"unix:{folder}/grpc.sock"


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def test_calls_streams_and_health_pass(store, start, address):
    store.add("mlp")
    store.add("running_sum")
    server = start("--grpc-address", address)
    assert server.ports["grpc_address"] == address
    with Client(address) as client, Stream(client) as stream:
        ask(client)
        assert stream.add(1) == (1, 1)
        assert stream.add(2) == (3, 2)
        assert client.health("") == harness.Health.SERVING
    assert server.metrics().sum("torchferry_connections_total", listener="grpc", outcome="accepted") >= 1


def test_admin_has_a_socket_of_its_own(store, start, folder, address):
    store.add("mlp")
    other = f"unix:{folder}/admin.sock"
    server = start("--grpc-address", address, "--enable-admin", "--admin-address", other)
    assert server.ports["admin_address"] == other
    with Client(other) as client:
        stub = admin_grpc.ModelAdminServiceStub(client.channel)
        stub.UnloadModel(admin.UnloadModelRequest(model_name="mlp"), timeout=60)
    with Client(address) as client, refused(harness.Code.FAILED_PRECONDITION, "--admin-address"):
        admin_grpc.ModelAdminServiceStub(client.channel).UnloadModel(admin.UnloadModelRequest(model_name="mlp"), timeout=60)


@pytest.mark.parametrize("flags,expected", [((), 0o600), (("--unix-socket-mode", "0666"), 0o666)])
def test_the_file_has_its_mode_and_goes_with_the_server(store, start, folder, address, flags, expected):
    store.add("mlp")
    previous = os.umask(0o077)
    try:
        server = start("--grpc-address", address, *flags)
    finally:
        os.umask(previous)
    assert mode(folder / "grpc.sock") == expected
    server.stop()
    assert list(folder.iterdir()) == []


def test_the_file_of_a_killed_server_is_replaced_and_a_live_ones_is_not(store, start, tmp_path, folder, address):
    store.add("mlp")
    killed = start("--grpc-address", address)
    killed.signal(signal.SIGKILL)
    killed.wait_exit()
    assert stat.S_ISSOCK(os.lstat(folder / "grpc.sock").st_mode)
    server = start("--grpc-address", address)
    second = harness.Server(store, tmp_path / "second", "--grpc-address", address)
    assert second.wait_exit() != 0
    assert "cannot listen for gRPC on " + address in second.log() and "in use" in second.log()
    with Client(server.address) as client:
        ask(client)


def test_what_is_no_socket_stays(store, tmp_path, folder, address):
    store.add("mlp")
    (folder / "grpc.sock").write_text("precious")
    server = harness.Server(store, tmp_path / "server", "--grpc-address", address)
    assert server.wait_exit() != 0
    assert "something that is no socket is there" in server.log()
    assert (folder / "grpc.sock").read_text() == "precious"


@pytest.mark.parametrize("wrong,words", [("unix:relative.sock", "no absolute path"), ("unix:", "no absolute path"),
                                         ("unix:/" + "a" * 120, "at most 107")])
def test_a_wrong_path_ends_the_start(store, tmp_path, wrong, words):
    store.add("mlp")
    server = harness.Server(store, tmp_path / "server", "--grpc-address", wrong)
    assert server.wait_exit() == 2
    assert words in server.log()


def test_our_clients_take_the_address(store, start, address):
    store.add("mlp")
    start("--grpc-address", address)
    for command in (["models"], ["health"], ["model", "mlp"]):
        run = cli(address, *command)
        assert run.returncode == 0, run.stdout + run.stderr
    program = ("import sys, numpy, torchferry\n"
               "with torchferry.Client(sys.argv[1]) as client:\n"
               "    print(client.predict('mlp', {'x': numpy.ones((1, 4), numpy.float32)})['probabilities'].shape)\n")
    run = subprocess.run([sys.executable, "-c", program, address], capture_output=True, text=True, check=False, timeout=120,
                         env=harness.clean_environment() | {"PYTHONPATH": os.pathsep.join(PACKAGE_PATH)})
    assert run.returncode == 0 and "(1, 3)" in run.stdout, run.stdout + run.stderr


def test_connections_of_one_user_have_a_limit(store, start, address):
    store.add("mlp")
    server = start("--grpc-address", address, "--max-connections", "20", "--max-connections-per-peer", "5")
    crowd = []
    try:
        for _ in range(30):
            one = socket.socket(socket.AF_UNIX)
            one.connect(address.removeprefix("unix:"))
            crowd.append(one)
        server.wait_metrics(lambda m: m.sum("torchferry_connections_total", outcome="too_many_of_peer") >= 20,
                            "those beyond the limit are closed")
        assert f'uid:{os.getuid()}' in server.log()
    finally:
        for one in crowd:
            one.close()
    harness.wait_until(lambda: is_served(address), "there is room again")


def is_served(address):
    with Client(address) as client:
        try:
            ask(client)
            return True
        except harness.grpc.RpcError:
            return False


def test_the_port_file_names_the_path(store, start, folder):
    store.add("mlp")
    server = start("--grpc-address", f"unix://{folder}/grpc.sock")
    assert json.loads(server.port_file.read_text())["grpc_address"] == f"unix:{folder}/grpc.sock"
    with Client(server.address) as client:
        assert client.predict("mlp", {"x": np.ones((1, 4), np.float32)}).outputs
