"""Certificates that change while the server runs: no request fails for that, and what is no good changes nothing."""

import contextlib
import os
import shutil
import ssl
import threading

import grpc
import pytest
from cryptography import x509

import harness
from certificates import DAY, Authority, client_credentials, now
from harness import Client, wait_until
from wire import assert_close, reference

CALLERS = 4
ROTATIONS = 6


class Secret:
    """A folder as Kubernetes mounts a secret: files are links through ..data, which is swapped for a change."""

    def __init__(self, folder):
        self.folder = folder
        self.folder.mkdir()
        self.version = 0

    def put(self, **files):
        """All of the secret's contents, by name, in one step."""
        self.version += 1
        data = self.folder / f"..{self.version}"
        data.mkdir()
        for name, content in files.items():
            (data / name).write_bytes(content)
        link = self.folder / "..data_tmp"
        link.symlink_to(data.name)
        os.replace(link, self.folder / "..data")
        for name in files:
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        shutil.rmtree(self.folder / f"..{self.version - 1}", ignore_errors=True)

    @property
    def flags(self):
        return ("--tls-cert", str(self.folder / "tls.crt"), "--tls-key", str(self.folder / "tls.key"))


def shown(server):
    """The serial number of the certificate that a new connection sees."""
    host, port = server.address.rsplit(":", 1)
    pem = ssl.get_server_certificate((host, int(port)), timeout=harness.DEADLINE_SECONDS)
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def serial(pair):
    return x509.load_pem_x509_certificate(pair.chain).serial_number


class Load:
    """Callers that ask without a pause; each connects anew after some requests, and looks at each answer."""

    def __init__(self, address, credentials):
        self.address, self.credentials = address, credentials
        self.done = threading.Event()
        self.failures, self.answered, self.connections = [], 0, 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._call) for _ in range(CALLERS)]

    def _call(self):
        while not self.done.is_set():
            with Client(self.address, self.credentials()) as client:
                for _ in range(20):
                    try:
                        answer = client.predict_arrays("mlp", {"x": reference("mlp", "x", 1)})
                        assert_close(answer["probabilities"], reference("mlp", "probabilities", 1))
                    except (grpc.RpcError, AssertionError) as error:
                        self.failures.append(error)
                    with self.lock:
                        self.answered += 1
            with self.lock:
                self.connections += 1

    def wait_for(self, connections):
        """So many more connections have done all of their requests."""
        end = self.connections + connections
        wait_until(lambda: self.connections >= end or self.failures, "the callers go on")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join()


def taken(server):
    return server.metrics().sum("torchferry_tls_rotations_total", result="taken")


def test_rotation_under_load_fails_no_request(store, tmp_path):
    store.add("mlp")
    authority = Authority(tmp_path / "tls")
    secret = Secret(tmp_path / "secret")
    first = authority.issue()
    secret.put(**{"tls.crt": first.chain, "tls.key": first.key})
    credentials = client_credentials(authority)
    with harness.serving(store, tmp_path / "server", *secret.flags, credentials=credentials) as server:
        with Load(server.address, lambda: credentials) as load:
            for number in range(ROTATIONS):
                pair = authority.issue(f"pair{number}")
                secret.put(**{"tls.crt": pair.chain, "tls.key": pair.key})
                wait_until(lambda pair=pair: shown(server) == serial(pair), "new connections see the new certificate")
                load.wait_for(CALLERS)
        assert not load.failures, load.failures[0]
        assert taken(server) == ROTATIONS
        print(f"TLS: {ROTATIONS} rotations, {load.answered} requests on {load.connections} connections, 0 failed")


def test_rotation_of_authorities_under_load_fails_no_request(store, tmp_path):
    """Server and clients go from one authority to another, by way of both, as is usual."""
    store.add("mlp")
    old, new = Authority(tmp_path / "old", "old"), Authority(tmp_path / "new", "new")
    secret = Secret(tmp_path / "secret")
    both = old.pem + new.pem
    names = {"names": ("client.example",)}
    server_pair, client_pair = old.issue(), old.issue("client", **names)
    current = {"trust": both, "pair": client_pair}

    def credentials():
        pair = current["pair"]
        return grpc.ssl_channel_credentials(current["trust"], pair.key, pair.chain)

    def put(pair, ca):
        before = taken(server)
        secret.put(**{"tls.crt": pair.chain, "tls.key": pair.key, "ca.crt": ca})
        wait_until(lambda: taken(server) > before, "the server takes it")

    secret.put(**{"tls.crt": server_pair.chain, "tls.key": server_pair.key, "ca.crt": old.pem})
    flags = [*secret.flags, "--tls-client-ca", str(secret.folder / "ca.crt")]
    with harness.serving(store, tmp_path / "server", *flags, credentials=credentials()) as server:
        with Load(server.address, credentials) as load:
            put(server_pair, both)  # the server takes clients of both
            load.wait_for(CALLERS)
            current["pair"] = new.issue("client", **names)  # clients change theirs
            load.wait_for(2 * CALLERS)
            put(new.issue(), both)  # the server's own is of the new authority
            load.wait_for(CALLERS)
            current["trust"] = new.pem  # clients trust that alone
            load.wait_for(2 * CALLERS)
            put(new.issue("last"), new.pem)  # and so does the server
            load.wait_for(CALLERS)
        assert not load.failures, load.failures[0]
        with Client(server.address, client_credentials(new, client_pair)) as client, pytest.raises(grpc.RpcError):
            client.health("")  # of the old authority
        print(f"mTLS: 3 rotations of authorities, {load.answered} requests on {load.connections} connections, 0 failed")


@contextlib.contextmanager
def serving_pair(store, tmp_path, authority, pair, *flags):
    store.add("mlp")
    with harness.serving(store, tmp_path / "server", *pair.flags, "--log-format", "json", *flags,
                         credentials=client_credentials(authority)) as server:
        yield server


@pytest.mark.parametrize("case,said", [
    ("another key", "does not fit"), ("half a certificate", "damaged"), ("empty", "it is empty"), ("expired", "expired at"),
    ("gone", "No such file"), ("not yet", "is not valid before")])
def test_what_is_no_good_changes_nothing_and_is_said_once(store, tmp_path, case, said):
    authority = Authority(tmp_path / "tls")
    pair = authority.issue()
    good = serial(pair)
    with serving_pair(store, tmp_path, authority, pair) as server:
        if case == "another key":
            pair.key_path.write_bytes(authority.issue("other").key)
        elif case == "half a certificate":
            pair.cert_path.write_bytes(pair.chain[:len(pair.chain) // 2])
        elif case == "empty":
            pair.cert_path.write_bytes(b"")
        elif case == "gone":
            pair.key_path.unlink()
        else:
            bad = authority.expired() if case == "expired" else authority.future()
            pair.cert_path.write_bytes(bad.chain)
            pair.key_path.write_bytes(bad.key)
        wait_until(lambda: server.metrics().sum("torchferry_tls_rotations_total", result="refused") == 1, "it is refused")
        assert shown(server) == good
        with Client(server.address, server.credentials) as client:
            client.health("")
        later = authority.issue("later")
        pair.cert_path.write_bytes(later.chain)
        pair.key_path.touch()
        pair.key_path.write_bytes(later.key)
        wait_until(lambda: shown(server) == serial(later), "a good one is taken after that")
        lines = [line for line in server.log().splitlines() if said in line]
        assert len(lines) == 1, server.log()
        assert "what was served stays" in lines[0]


def test_a_certificate_that_ends_soon_is_warned_of(store, tmp_path):
    authority = Authority(tmp_path / "tls")
    pair = authority.issue("soon", not_before=now() - 10 * DAY, not_after=now() + DAY)
    with serving_pair(store, tmp_path, authority, pair) as server:
        wait_until(lambda: "the served certificate ends soon" in server.log(), "a warning")
