"""Public clients over TLS, and with a certificate of their own: tritonclient, KServe's, grpcurl, ghz and grpc-health-probe.
Each is told the CA as its documents say, and is refused without it."""

import json
import subprocess

import pytest

import harness
from certificates import Authority, client_credentials
from stores import Store
from test_open_inference import CLIENTS, go_client, python_of, run
from wire import FIXTURES, REPO, reference

EXPECTED = FIXTURES / "expected"
DATA = {"model_name": "mlp", "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4],
                                         "contents": {"fp32_contents": reference("mlp", "x", 1)[0].tolist()}}]}
INFER = "inference.GRPCInferenceService/ModelInfer"


class Guarded:
    """A server with TLS, the CA's file, and the client's pair where it must show one."""

    def __init__(self, server, authority, pair):
        self.address = "localhost:" + server.address.rsplit(":", 1)[1]
        self.ca, self.pair = authority.path, pair

    def pems(self):
        """CA [CERTIFICATE KEY], as the scripts in clients/ take them."""
        return [self.ca, *([self.pair.cert_path, self.pair.key_path] if self.pair else [])]

    def flags(self, ca, certificate, key):
        """With the names that a client has for them."""
        return [f"{name}={value}" for name, value in zip((ca, certificate, key), self.pems(), strict=False)]


@pytest.fixture(scope="module", params=["tls", "mtls"])
def guarded(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    store = Store(folder / "store")
    store.add("mlp")
    authority = Authority(folder / "tls")
    pair = authority.issue("client", common_name="tester") if request.param == "mtls" else None
    more = ("--tls-client-ca", str(authority.path)) if pair else ()
    with harness.serving(store, folder / "server", *authority.issue().flags, *more, "--reflection",
                         credentials=client_credentials(authority, pair)) as server:
        yield Guarded(server, authority, pair)


@pytest.fixture
def stranger(tmp_path):
    """The CA of somebody else."""
    return Authority(tmp_path / "stranger", "stranger").path


def test_tritonclient(guarded):
    run(python_of("TRITONCLIENT"), CLIENTS / "triton_tls.py", guarded.address, EXPECTED, *guarded.pems())


def test_kserve(guarded):
    run(python_of("KSERVE"), CLIENTS / "kserve_client.py", guarded.address, EXPECTED, *guarded.pems())


def test_grpcurl(guarded):
    tls = guarded.flags("-cacert", "-cert", "-key")
    assert "inference.GRPCInferenceService" in run(go_client("grpcurl"), *tls, guarded.address, "list").split()
    answer = json.loads(run(go_client("grpcurl"), *tls, "-d", json.dumps(DATA), guarded.address, INFER))
    assert answer["outputs"][0]["shape"] == ["1", "3"]


def test_ghz(guarded):
    shown = run(go_client("ghz"), *guarded.flags("--cacert", "--cert", "--key"), "--proto", REPO / "proto/inference/grpc_service.proto",
                "--import-paths", REPO / "proto", "--call", INFER, "--data", json.dumps(DATA), "-n", "200", "-c", "8", "--format", "json",
                guarded.address)
    assert json.loads(shown[shown.index("{"):])["statusCodeDistribution"] == {"OK": 200}


def test_grpc_health_probe(guarded):
    tls = ["-tls", *guarded.flags("-tls-ca-cert", "-tls-client-cert", "-tls-client-key")]
    for service in ("", "liveness", "model/mlp"):
        assert "SERVING" in run(go_client("grpc-health-probe"), f"-addr={guarded.address}", *tls, f"-service={service}")


# --- and who is refused ---------------------------------------------------------------------------------------------------------


def refused(*command):
    done = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0, done.stdout
    return done.stdout + done.stderr


def test_who_does_not_know_the_ca_is_not_served(guarded, stranger):
    run_of = {"KSERVE": "kserve_client.py", "TRITONCLIENT": "triton_tls.py"}
    for client, script in run_of.items():
        refused(python_of(client), CLIENTS / script, guarded.address, EXPECTED, stranger, *guarded.pems()[1:])


def test_the_probe_without_the_ca_or_without_tls_is_not_served(guarded, stranger):
    probe = [go_client("grpc-health-probe"), f"-addr={guarded.address}", "-connect-timeout=10s"]
    refused(*probe, "-tls", f"-tls-ca-cert={stranger}", *guarded.flags("-tls-ca-cert", "-tls-client-cert", "-tls-client-key")[1:])
    refused(*probe)


def test_who_shows_no_certificate_where_one_is_asked_for_is_not_served(guarded):
    if guarded.pair is None:
        pytest.skip("this server asks for none")
    refused(python_of("KSERVE"), CLIENTS / "kserve_client.py", guarded.address, EXPECTED, guarded.ca)
    refused(go_client("grpc-health-probe"), f"-addr={guarded.address}", "-connect-timeout=10s", "-tls", f"-tls-ca-cert={guarded.ca}")
