"""Certificates for the tests of TLS, made anew in each run."""

import datetime
import pathlib

import grpc
import trustme
from cryptography.hazmat.primitives import serialization

NAMES = ("localhost", "127.0.0.1")
DAY = datetime.timedelta(days=1)


def now():
    return datetime.datetime.now(datetime.UTC)


class Authority:
    """Issues certificates into a folder."""

    def __init__(self, folder, name="ca"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ca = trustme.CA(organization_name=name)
        self.pem = self.ca.cert_pem.bytes()
        self.path = self.folder / f"{name}.pem"
        self.path.write_bytes(self.pem)

    def issue(self, name="server", names=NAMES, **options):
        """A Pair in files of that name. `options` are trustme's: common_name, not_before, not_after, key_type."""
        leaf = self.ca.issue_cert(*names, **options)
        chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        return Pair(self.folder, name, chain, leaf.private_key_pem.bytes())

    def expired(self, name="expired", **options):
        return self.issue(name, not_before=now() - 30 * DAY, not_after=now() - DAY, **options)

    def future(self, name="future", **options):
        return self.issue(name, not_before=now() + DAY, not_after=now() + 30 * DAY, **options)


class Pair:
    """A certificate's chain and its key: `chain` and `key` as PEM bytes, `cert_path` and `key_path` as files."""

    def __init__(self, folder, name, chain, key):
        self.chain, self.key = chain, key
        self.cert_path, self.key_path = folder / f"{name}.crt", folder / f"{name}.key"
        self.cert_path.write_bytes(chain)
        self.key_path.touch(0o600)
        self.key_path.write_bytes(key)

    def encrypted_key(self, passphrase=b"secret"):
        key = serialization.load_pem_private_key(self.key, None)
        return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                 serialization.BestAvailableEncryption(passphrase))

    @property
    def flags(self):
        return ("--tls-cert", str(self.cert_path), "--tls-key", str(self.key_path))


def client_credentials(authority, pair=None):
    """Of a grpcio client that trusts `authority`, with a certificate of its own or without."""
    if pair is None:
        return grpc.ssl_channel_credentials(authority.pem)
    return grpc.ssl_channel_credentials(authority.pem, pair.key, pair.chain)
