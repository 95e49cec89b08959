"""Two servers that are restarted in turn under load: behind deploy/envoy, and with clients that balance by themselves. No request
fails. server/docs/operations/rolling-restarts.md says what an operator sets for that; this is it."""

import contextlib
import json
import os
import subprocess

import grpc
import pytest

import harness
from envoy_process import Envoy, needs_envoy
from rolling import Fleet, Load, describe, open_inference, slow, stream, unary
from wire import FIXTURES, oip_grpc, pb_grpc, reference

ROUNDS = 3  # of two restarts each

# What a client of grpcio sets to balance over servers and to leave one that says it will end. The options that
# rolling-restarts.md shows.
BALANCED = {
    "grpc.service_config": json.dumps({
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": ""},
    }),
    "grpc.service_config_disable_resolution": 1,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1000,
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_http_proxy": 0,
}


@pytest.fixture
def fleet(store, tmp_path):
    """fleet(*models): two servers over them."""
    with contextlib.ExitStack() as stack:
        def make(*models):
            for model in models:
                store.add("slow" if model.startswith("slow") else "mlp", name=model)
            made = Fleet(store, tmp_path)
            stack.callback(made.kill)
            return made

        yield make


@contextlib.contextmanager
def under_load(*clients):
    """All of them ask until the block ends, and none of their requests has failed."""
    started = [client.start() for client in clients]
    try:
        yield
    finally:
        for client in started:
            client.stop()
        print(describe(clients))
    assert not any(client.failures for client in clients), describe(clients)


def loads_of(channel):
    """Clients of both APIs on one channel: short ones, streams, and some that are in flight when a server ends."""
    stub, open_stub = pb_grpc.InferenceServiceStub(channel), oip_grpc.GRPCInferenceServiceStub(channel)
    return [Load("mlp_unary", unary(stub)), Load("mlp_open", open_inference(open_stub)), Load("mlp_stream", stream(stub)),
            Load("slow", slow(stub))]


MODELS = ("mlp_unary", "mlp_open", "mlp_stream", "slow")


@needs_envoy
def test_behind_envoy(fleet, tmp_path):
    servers = fleet(*MODELS)
    proxy = Envoy(tmp_path / "envoy", *servers.addresses).start()
    try:
        with proxy.channel() as channel:
            clients = loads_of(channel)
            with under_load(*clients):
                servers.roll(ROUNDS, clients)
    finally:
        proxy.stop()
        print(proxy.log_file.read_text(errors="replace"))


def test_balanced_by_grpcio(fleet):
    servers = fleet(*MODELS)
    with grpc.insecure_channel("ipv4:" + ",".join(servers.addresses), list(BALANCED.items())) as channel:
        clients = loads_of(channel)
        with under_load(*clients):
            servers.roll(ROUNDS, clients)


def test_balanced_by_our_package(fleet):
    torchferry = pytest.importorskip("torchferry")
    servers = fleet("mlp_a", "mlp_b", "slow")
    with torchferry.Client(servers.addresses) as client:
        def ask(model):
            answer = client.predict(model, x=reference("mlp", "x", 7))
            assert abs(answer["probabilities"] - reference("mlp", "probabilities", 7)).max() <= 1e-5

        clients = [Load("mlp_a", ask), Load("mlp_b", ask)]
        with under_load(*clients):
            servers.roll(ROUNDS, clients)


class TritonLoad:
    """tritonclient in a process of its own, asking one model. As a Load, from outside."""

    def __init__(self, python, addresses, model):
        self.model, self.answered, self.failures = model, 0, []
        self._command = [python, harness.REPO / "tests/e2e/clients/triton_rolling.py", "ipv4:" + ",".join(addresses),
                         FIXTURES / "expected", json.dumps(BALANCED), model]

    def start(self):
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def stop(self):
        shown, _ = self._process.communicate("stop\n", timeout=harness.DEADLINE_SECONDS)
        assert self._process.returncode == 0, shown
        outcome = json.loads(shown)[self.model]
        self.answered, self.failures = outcome["answered"], outcome["failures"]


def test_balanced_by_tritonclient(fleet):
    python = os.environ.get("TORCHFERRY_TRITONCLIENT_PYTHON")
    if not python:
        pytest.skip("TORCHFERRY_TRITONCLIENT_PYTHON names no Python that has tritonclient; tests/run.sh does")
    servers = fleet("mlp_unary")
    clients = [TritonLoad(python, servers.addresses, "mlp_unary")]
    with under_load(*clients):
        servers.roll(ROUNDS, clients)
