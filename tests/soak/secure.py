"""A server with mutual TLS whose certificates rotate, and its clients: connections that live on, and ones that are made anew."""

from __future__ import annotations

import pathlib
import ssl
from collections.abc import Iterator
from types import TracebackType

import good
import harness
from certificates import Authority, client_credentials
from cryptography import x509
from gate import Actor, Gate
from stage import BUDGET_MIB, READY_SECONDS, end
from stores import Store


class SecureStage:
    """The server asks each client for a certificate. `rotate` replaces its own."""

    def __init__(self, folder: pathlib.Path, environment: dict[str, str]) -> None:
        self._authority = Authority(folder / "tls")
        self._pair = self._authority.issue()
        self._credentials = client_credentials(self._authority, self._authority.issue("client", names=("client.example",)))
        self._number = 0
        self._store = Store(folder / "secure_store")
        self._store.add("mlp")
        self.server = harness.Server(
            self._store, folder / "secure_server", *self._pair.flags, "--tls-client-ca", str(self._authority.path), "--device", "cpu",
            "--workers", "1", "--memory-budget-mib", str(BUDGET_MIB), "--log-format", "json", binary=harness.SIM_SERVER,
            environment=environment, credentials=self._credentials)

    def __enter__(self) -> SecureStage:
        self.server.wait_listening()
        harness.wait_until(lambda: self.server.http("/readyz")[0] == 200, self.server.log, READY_SECONDS, every=0.2)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self.server.kill()

    @property
    def pid(self) -> int:
        return self.server.process.pid

    def is_alive(self) -> bool:
        return self.server.process.poll() is None

    def connect(self) -> harness.Client:
        return harness.Client(self.server.address, self._credentials)

    def rotate(self) -> int:
        """Writes a new pair over the old one; its serial number."""
        self._number += 1
        pair = self._authority.issue(f"pair{self._number}")
        # As certbot does it: one file after the other, so that between the two they do not fit.
        for new, old in ((pair.key_path, self._pair.key_path), (pair.cert_path, self._pair.cert_path)):
            new.replace(old)
        return x509.load_pem_x509_certificate(pair.chain).serial_number

    def spoil(self) -> None:
        """Writes what is no certificate over the served one."""
        self._pair.cert_path.write_bytes(b"no certificate")

    def shown(self) -> int:
        """The serial number that a new connection sees."""
        host, port = self.server.address.rsplit(":", 1)
        pem = ssl.get_server_certificate((host, int(port)), timeout=harness.DEADLINE_SECONDS)
        return x509.load_pem_x509_certificate(pem.encode()).serial_number

    def stop(self) -> int | None:
        return end(self.server)


class Rotates(Actor):
    """Replaces the certificate and waits until new connections see it; each fourth time it is noise that comes first."""

    is_good = True
    pause = 2.0

    def __init__(self, name: str, gate: Gate, seed: int, stage: SecureStage) -> None:
        super().__init__(name, gate, seed)
        self._stage = stage

    def turn(self) -> None:
        if self.turns % 4 == 3:
            before, refused = self._stage.shown(), self._refused()
            self._stage.spoil()
            harness.wait_until(lambda: self._refused() > refused, "noise is refused", good.TIMEOUT, every=0.2)
            assert self._stage.shown() == before, "noise is served in place of a certificate"
        serial = self._stage.rotate()
        harness.wait_until(lambda: self._stage.shown() == serial, "new connections see the new certificate", good.TIMEOUT,
                           every=0.2)

    def _refused(self) -> float:
        return self._stage.server.metrics().sum("torchferry_tls_rotations_total", result="refused")


def team(gate: Gate, seed: int, stage: SecureStage) -> Iterator[Actor]:
    yield Rotates("rotates", gate, seed, stage)
    yield good.Good("tls", gate, seed, stage.connect, good.mlp("mlp"))
    yield good.Good("tls, reconnects", gate, seed, stage.connect, good.reconnects)
