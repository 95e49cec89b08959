"""TLS and mTLS on both gRPC addresses: who gets in, and what a start refuses."""

import socket
import ssl
import time

import grpc
import pytest

import harness
from certificates import Authority, client_credentials
from harness import Client, Code
from wire import admin, admin_grpc, assert_close, reference

NO_CERTIFICATE = "none"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "tls")


@pytest.fixture
def serving_tls(store, tmp_path, authority):
    """serving_tls(*flags, pair=None, client=None): a ready server with TLS, that `client` may call."""
    def start(*flags, pair=None, client=None):
        pair = pair or authority.issue()
        store.add("mlp")
        credentials = client_credentials(authority, client)
        return harness.serving(store, tmp_path / "server", *pair.flags, *flags, credentials=credentials)
    return start


def ask(client):
    answer = client.predict_arrays("mlp", {"x": reference("mlp", "x", 1)})
    assert_close(answer["probabilities"], reference("mlp", "probabilities", 1))


def refused_handshake(address, credentials):
    """That no call comes through; why, in gRPC's words."""
    with Client(address, credentials) as client:
        with pytest.raises(grpc.RpcError) as raised:
            client.health("")
        assert raised.value.code() == Code.UNAVAILABLE
        return raised.value.details()


# --- who gets in ----------------------------------------------------------------------------------


def test_with_tls_both_addresses_take_tls_alone(serving_tls, authority):
    with serving_tls("--enable-admin", "--admin-address", "127.0.0.1:0") as server:
        for address in (server.address, server.ports["admin_address"]):
            refused_handshake(address, None)
            refused_handshake(address, client_credentials(Authority(authority.folder, "other")))
        with Client(server.address, server.credentials) as client:
            ask(client)
        with Client(server.ports["admin_address"], server.credentials) as client:
            stub = admin_grpc.ModelAdminServiceStub(client.channel)
            stub.LoadModel(admin.LoadModelRequest(model_name="mlp"), timeout=harness.DEADLINE_SECONDS)
        status, body = server.http("/readyz")
        assert status == 200, body  # probes stay as they were


def test_streams_go_over_tls(serving_tls):
    with serving_tls() as server, Client(server.address, server.credentials) as client:
        request = harness.predict_request("mlp", {"x": reference("mlp", "x", 1)})
        answers = list(client.stub.PredictStream(iter([request] * 50), timeout=harness.DEADLINE_SECONDS))
        assert len(answers) == 50 and all(a.error_code == 0 for a in answers)


@pytest.mark.parametrize("auth,shown,gets_in", [
    (None, "good", True), (None, NO_CERTIFICATE, False), (None, "other", False), (None, "expired", False),
    (None, "of a server", True), ("require", "good", True), ("require", NO_CERTIFICATE, False),
    ("request", "good", True), ("request", NO_CERTIFICATE, True), ("request", "other", False),
    ("request", "expired", False)])
def test_who_gets_in_with_mtls(store, tmp_path, authority, auth, shown, gets_in):
    store.add("mlp")
    good = authority.issue("client", names=("client.example",))
    pairs = {"good": good, NO_CERTIFICATE: None, "expired": authority.expired(names=("client.example",)),
             "other": Authority(tmp_path / "other", "other").issue("client", names=("client.example",)),
             "of a server": authority.issue("another")}
    flags = [*authority.issue().flags, "--tls-client-ca", str(authority.path)]
    flags += ["--tls-client-auth", auth] if auth else []
    with harness.serving(store, tmp_path / "server", *flags, credentials=client_credentials(authority, good)) as server:
        credentials = client_credentials(authority, pairs[shown])
        if not gets_in:
            refused_handshake(server.address, credentials)
        else:
            with Client(server.address, credentials) as client:
                ask(client)


@pytest.mark.parametrize("version,is_taken", [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True),
                                              (ssl.TLSVersion.TLSv1_3, True)])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_versions_of_tls(serving_tls, authority, version, is_taken):
    with serving_tls() as server:
        context = ssl.create_default_context(cadata=authority.pem.decode())
        context.set_alpn_protocols(["h2"])
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        host, port = server.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=harness.DEADLINE_SECONDS) as raw:
            if not is_taken:
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    context.wrap_socket(raw, server_hostname="localhost")
                return
            with context.wrap_socket(raw, server_hostname="localhost") as connection:
                assert connection.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]
                assert connection.selected_alpn_protocol() == "h2"


def test_a_chain_is_shown_with_its_issuers(serving_tls, authority):
    middle = authority.ca.create_child_ca()
    leaf = middle.issue_cert("localhost", "127.0.0.1")
    pair = authority.issue("chained")
    pair.cert_path.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    pair.key_path.write_bytes(leaf.private_key_pem.bytes())
    with serving_tls(pair=pair) as server, Client(server.address, server.credentials) as client:
        ask(client)


def test_metrics_tell_when_the_certificate_expires(serving_tls, authority):
    with serving_tls() as server:
        metrics = server.metrics()
        expiry = metrics.sum("torchferry_tls_certificate_expiry_timestamp_seconds")
        assert expiry > time.time()
        assert metrics.sum("torchferry_tls_rotations_total") == 0


# --- what a start refuses -------------------------------------------------------------------------


def starts(authority):
    """{case: (flags, exit code, what is said)}."""
    pair, other = authority.issue("good"), authority.issue("other-key")
    cert, key, ca = str(pair.cert_path), str(pair.key_path), str(authority.path)
    folder = authority.folder

    def write(name, content):
        path = folder / name
        path.write_bytes(content)
        return str(path)

    expired, future = authority.expired(), authority.future()
    old_ca = write("old-ca.pem", authority.expired("old").chain)
    return {
        "cert alone": (["--tls-cert", cert], 2, ["--tls-cert", "add --tls-key FILE"]),
        "key alone": (["--tls-key", key], 2, ["--tls-key", "add --tls-cert FILE"]),
        "missing cert": (["--tls-cert", str(folder / "none.crt"), "--tls-key", key], 2, ["--tls-cert", "does not exist"]),
        "missing key": (["--tls-cert", cert, "--tls-key", str(folder / "none.key")], 2, ["--tls-key", "does not exist"]),
        "missing CA": ([*pair.flags, "--tls-client-ca", str(folder / "none.pem")], 2, ["--tls-client-ca", "does not exist"]),
        "CA without TLS": (["--tls-client-ca", ca], 2, ["--tls-client-ca", "add --tls-cert FILE"]),
        "require without CA": ([*pair.flags, "--tls-client-auth", "require"], 2, ["--tls-client-auth", "add --tls-client-ca"]),
        "CA and none": ([*pair.flags, "--tls-client-ca", ca, "--tls-client-auth", "none"], 2, ["--tls-client-ca", "no effect"]),
        "unknown auth": ([*pair.flags, "--tls-client-auth", "maybe"], 2, ["\"maybe\"", "none, request, require"]),
        "wrong pair": (["--tls-cert", cert, "--tls-key", str(other.key_path)], 1, ["--tls-key", "does not fit"]),
        "swapped": (["--tls-cert", key, "--tls-key", cert], 1, ["--tls-cert", "swapped"]),
        "encrypted key": (["--tls-cert", cert, "--tls-key", write("enc.key", pair.encrypted_key())], 1,
                          ["--tls-key", "encrypted", "openssl pkey"]),
        "empty cert": (["--tls-cert", write("empty", b""), "--tls-key", key], 1, ["--tls-cert", "it is empty"]),
        "half a cert": (["--tls-cert", write("half", pair.chain[:200]), "--tls-key", key], 1, ["--tls-cert", "damaged"]),
        "DER": (["--tls-cert", write("der", b"\x30\x82\x01\x00" + bytes(300)), "--tls-key", key], 1, ["no PEM text"]),
        "expired": (expired.flags, 1, ["--tls-cert", "expired at", "renew"]),
        "not yet valid": (future.flags, 1, ["--tls-cert", "is not valid before", "clock"]),
        "empty CA": ([*pair.flags, "--tls-client-ca", write("no-ca", b"\n")], 1, ["--tls-client-ca", "no certificate"]),
        "expired CA": ([*pair.flags, "--tls-client-ca", old_ca], 1, ["--tls-client-ca", "expired at", "no authority"]),
        "a folder": (["--tls-cert", str(folder), "--tls-key", key], 2, ["--tls-cert"]),
        "endless": (["--tls-cert", write("long", b"x" * (2 << 20)), "--tls-key", key], 1, ["--tls-cert", "1 MiB"]),
    }


CASES = ("cert alone", "key alone", "missing cert", "missing key", "missing CA", "CA without TLS", "require without CA",
         "CA and none", "unknown auth", "wrong pair", "swapped", "encrypted key", "empty cert", "half a cert", "DER", "expired",
         "not yet valid", "empty CA", "expired CA", "a folder", "endless")


@pytest.mark.parametrize("case", CASES)
def test_a_start_that_would_not_be_safe_is_refused(store, tmp_path, authority, case):
    store.add("mlp")
    table = starts(authority)
    assert set(table) == set(CASES)
    flags, code, said = table[case]
    server = harness.Server(store, tmp_path / "server", *flags)
    try:
        assert server.wait_exit() == code, server.log()
        for part in said:
            assert part in server.log()
        assert not server.port_file.exists()
    finally:
        server.kill()


def test_a_key_that_everybody_may_read_is_warned_of(serving_tls, authority):
    pair = authority.issue()
    pair.key_path.chmod(0o644)
    with serving_tls(pair=pair) as server:
        assert "every user of this host may read the key" in server.log()
