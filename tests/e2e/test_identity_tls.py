"""The matrix of test_identity_matrix.py over TLS and mTLS: by token and by certificate."""

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import harness
from certificates import DAY, Authority, Pair, client_credentials, now
from every_rpc import requests
from harness import Code
from stores import Store
from test_identity_matrix import RIGHT, RPCS, callers, check_matrix, expected, people_of_matrix, server_of

OPTIONS = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]


class Tls:
    """The server has a certificate, and asks clients for none."""

    name = "tls"

    def __init__(self, folder):
        self.authority = Authority(folder, "ca")
        self.clients = Authority(folder, "clients")
        self.pair = self.authority.issue("server")

    @property
    def flags(self):
        return self.pair.flags

    def channel(self, address, identity=None):
        return grpc.secure_channel(address, client_credentials(self.authority, self.pair_of(identity)), OPTIONS)

    def pair_of(self, identity):
        return None


class Mutual(Tls):
    """Clients show a certificate of `clients`, whose name is that of an identity."""

    name = "mtls"

    @property
    def flags(self):
        return (*self.pair.flags, "--tls-client-ca", str(self.clients.path), "--tls-client-auth", "require")

    def pair_of(self, identity):
        return identity and self.clients.issue(identity, (f"{identity}.example",))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("matrix_tls")
    Store(folder / "store").add("mlp")
    return folder


@pytest.fixture(scope="module")
def people(folder):
    people = people_of_matrix(folder)
    people.add("by-uri", "read", lines=["certificate uri:spiffe://example/by-uri"])
    people.add("by-name", "read", lines=["certificate cn:by-name"])
    return people


def test_matrix_of_tokens_over_tls(folder, people):
    transport = Tls(folder)
    with server_of(transport, folder, people) as server, transport.channel(server.address) as channel:
        check_matrix(channel, callers(people))


def test_matrix_of_tokens_over_mtls(folder, people):
    """The certificate is of nobody, and a token decides in each case."""
    transport = Mutual(folder)
    with server_of(transport, folder, people) as server, transport.channel(server.address, "nobody") as channel:
        check_matrix(channel, callers(people))


def test_matrix_of_certificates(folder, people):
    """Without a token the certificate decides; a token goes before it."""
    transport = Mutual(folder)
    sent = requests()
    with server_of(transport, folder, people) as server:
        for who, roles in {**RIGHT, "nobody": None}.items():
            with transport.channel(server.address, who) as channel:
                check_matrix(channel, {f"certificate of {who}": ((), roles)})
        # No certificate, an expired one and one of another authority fail in the handshake, whatever is called.
        strangers = Authority(folder, "strangers")
        for pair in (None, transport.clients.expired("everything-expired"), strangers.issue("everything")):
            credentials = client_credentials(transport.authority, pair)
            with grpc.secure_channel(server.address, credentials, OPTIONS) as channel:
                for rpc in RPCS:
                    assert rpc.code(channel, sent.get(rpc.name, b""), people.metadata("everything")) == Code.UNAVAILABLE


def issue(authority, common_name, alternatives):
    """A Pair of those names, of any kind: trustme makes no URIs."""
    issuer = x509.load_pem_x509_certificate(authority.pem)
    issuer_key = serialization.load_pem_private_key(authority.ca.private_key_pem.bytes(), None)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    builder = x509.CertificateBuilder(
        issuer.subject, x509.Name(subject), key.public_key(), x509.random_serial_number(), now() - DAY, now() + DAY)
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=not subject)
    chain = builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return Pair(authority.folder, "named", chain, key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


@pytest.mark.parametrize("common_name, alternatives, known", [
    ("", [x509.UniformResourceIdentifier("spiffe://example/by-uri")], True),
    ("", [x509.DNSName("other.example"), x509.DNSName("READER.example")], True),
    ("by-name", [], True),
    ("by-name", [x509.DNSName("other.example")], False),
    ("by-name", [x509.RFC822Name("someone@other.example")], False),
    ("", [x509.DNSName("by-name")], False),
    ("other", [], False),
], ids=["uri", "dns", "common name", "common name beside dns", "common name beside mail", "dns for common name", "another"])
def test_the_names_of_a_certificate(folder, people, common_name, alternatives, known):
    transport = Mutual(folder)
    rpc = next(rpc for rpc in RPCS if rpc.name == "torchferry.v1.InferenceService.ListModels")
    with server_of(transport, folder, people) as server:
        pair = issue(transport.clients, common_name, alternatives)
        with grpc.secure_channel(server.address, client_credentials(transport.authority, pair), OPTIONS) as channel:
            assert rpc.code(channel, b"") == (expected(rpc, {"read"}) if known else Code.UNAUTHENTICATED)


def test_a_plain_client_reaches_nothing(folder, people):
    transport = Tls(folder)
    with server_of(transport, folder, people) as server, grpc.insecure_channel(server.address, OPTIONS) as channel:
        for rpc in RPCS[:3]:
            with pytest.raises(grpc.RpcError) as raised:
                rpc.call(channel, requests().get(rpc.name, b""), people.metadata("everything"), timeout=harness.DEADLINE_SECONDS)
            assert raised.value.code() == Code.UNAVAILABLE
