"""The Python package beside tritonclient and generated stubs in one process, and through a rolling restart."""

import asyncio
import os
import subprocess
import threading

import numpy as np
import pytest
import torchferry

import harness
from stores import Store
from wire import PACKAGE_PATH, assert_close, pb, reference

ECHO = "def forward(self, x: Tensor) -> Dict[str, Tensor]:\n    return {'y': x}\n"
ECHO_CONFIG = """
input { name: "x" data_type: TYPE_FP32 dims: [ -1 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ -1 ] }
"""
# 2 MiB: more than gRPC itself would keep for a retry.
LARGE = np.arange(1 << 19, dtype=np.float32)
X = np.zeros((1, 4), np.float32)
ROUNDS = 2

BESIDE_TRITONCLIENT = """
import sys
import numpy as np
import {first}
import {second}
import tritonclient.grpc as triton
import torchferry

x = np.load(sys.argv[2])
tensor = triton.InferInput("x", x.shape, "FP32")
tensor.set_data_from_numpy(x)
theirs = triton.InferenceServerClient(sys.argv[1]).infer("mlp", [tensor]).as_numpy("probabilities")
with torchferry.Client(sys.argv[1]) as client:
    ours = client.predict("mlp", x=x)["probabilities"]
np.testing.assert_array_equal(ours, theirs)
"""


def test_the_package_is_used_beside_generated_stubs(store, start):
    """wire.py generates stubs of the same protos, in the same process and under the same package name."""
    store.add("mlp")
    server = start()
    with torchferry.Client(server.address) as client, harness.Client(server.address) as stubs:
        ours = client.predict("mlp", x=reference("mlp", "x", 7))["probabilities"]
        assert_close(ours, stubs.predict_arrays("mlp", {"x": reference("mlp", "x", 7)})["probabilities"])
    assert pb.PredictRequest.DESCRIPTOR.full_name == "torchferry.v1.PredictRequest"


@pytest.mark.parametrize("first,second", [("torchferry", "tritonclient.grpc"), ("tritonclient.grpc", "torchferry")])
def test_the_package_lives_beside_tritonclient(store, start, tmp_path, first, second):
    python = os.environ.get("TORCHFERRY_TRITONCLIENT_PYTHON")
    if not python:
        pytest.skip("TORCHFERRY_TRITONCLIENT_PYTHON names no Python that has tritonclient; tests/run.sh installs one")
    store.add("mlp")
    server = start()
    np.save(tmp_path / "x.npy", reference("mlp", "x", 7))
    script = BESIDE_TRITONCLIENT.format(first=first, second=second)
    command = [python, "-c", script, server.address, tmp_path / "x.npy"]
    environment = harness.clean_environment() | {"PYTHONPATH": os.pathsep.join(PACKAGE_PATH)}
    result = subprocess.run(command, env=environment, check=False, capture_output=True, text=True,
                            timeout=harness.DEADLINE_SECONDS)
    assert result.returncode == 0, result.stderr


class Caller(threading.Thread):
    """Asks without a pause until it is stopped, and keeps what went wrong."""

    def __init__(self, client, model, x, output):
        super().__init__()
        self.client, self.model, self.x, self.output = client, model, x, output
        self.stopped, self.answers, self.failures = threading.Event(), 0, []

    def run(self):
        while not self.stopped.is_set():
            try:
                self.check(self.client.predict(self.model, x=self.x)[self.output])
            except Exception as error:
                self.failures.append(error)

    def check(self, output):
        self.answers += 1
        if self.model == "echo":
            assert output.shape == self.x.shape and output[-1] == self.x[-1]


class AsyncCaller(Caller):
    """Keeps several requests in flight in an event loop of its own."""

    def __init__(self, addresses, *arguments):
        super().__init__(None, *arguments)
        self.addresses = addresses

    def run(self):
        asyncio.run(self.ask_all())

    async def ask_all(self):
        async with torchferry.aio.Client(self.addresses, timeout=harness.DEADLINE_SECONDS) as client:
            await asyncio.gather(*(self.ask(client) for _ in range(4)))

    async def ask(self, client):
        while not self.stopped.is_set():
            try:
                self.check((await client.predict(self.model, x=self.x))[self.output])
            except Exception as error:
                self.failures.append(error)


def test_clients_outlive_a_rolling_restart_of_two_servers(tmp_path):
    """Each server in turn is ended and started again at its address, twice, while clients ask: no call fails."""
    store = Store(tmp_path / "store")
    store.add("mlp")
    store.add_code("echo", ECHO, ECHO_CONFIG)
    started = []

    def start(address="127.0.0.1:0"):
        server = harness.Server(store, tmp_path / f"server{len(started)}", "--grpc-address", address)
        started.append(server)
        return server.wait_listening().wait_ready()

    def answered(server):
        return server.metrics().sum("torchferry_requests_total")

    try:
        servers = [start(), start()]
        addresses = [server.address for server in servers]
        with torchferry.Client(addresses, timeout=harness.DEADLINE_SECONDS) as client:
            callers = [Caller(client, "mlp", X, "probabilities"), Caller(client, "mlp", X, "probabilities"),
                       Caller(client, "echo", LARGE, "y"), AsyncCaller(addresses, "mlp", X, "probabilities")]
            for caller in callers:
                caller.start()
            try:
                for _ in range(ROUNDS):
                    for i, address in enumerate(addresses):
                        harness.wait_until(lambda i=i: answered(servers[i]) > 0, f"server {i} is asked")
                        servers[i].stop()
                        servers[i] = start(address)
                for i, server in enumerate(servers):
                    harness.wait_until(lambda server=server: answered(server) > 0, f"server {i} is asked in the end")
            finally:
                for caller in callers:
                    caller.stopped.set()
                for caller in callers:
                    caller.join()
        assert [caller.failures for caller in callers] == [[]] * len(callers)
        assert all(caller.answers > 0 for caller in callers)
        for server in servers:
            server.stop()
    finally:
        for server in started:
            server.kill()
