"""An Envoy with deploy/envoy's own files, as a process.

TORCHFERRY_ENVOY is the envoy program; a test file without it is skipped by `needs_envoy`.
"""

import contextlib
import os
import pathlib
import socket
import ssl
import subprocess
import urllib.request

import grpc
import pytest

import harness
import http2
from harness import wait_until
from wire import REPO

ENVOY = os.environ.get("TORCHFERRY_ENVOY", "")
CONFIGURATION = REPO / "deploy" / "envoy"

needs_envoy = pytest.mark.skipif(not pathlib.Path(ENVOY).is_file(),
                                 reason="no Envoy: TORCHFERRY_ENVOY is not set, as its wheel could not be had")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_certificate(folder):
    folder.mkdir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-keyout", folder / "tls.key", "-out", folder / "tls.crt", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)


def with_endpoints(text, servers):
    """The configuration's one line of a server, for each of them."""
    lines = []
    for line in text.splitlines(keepends=True):
        ports = [server.rsplit(":", 1)[1] for server in servers] if "port_value: 8001" in line else [None]
        lines += [line.replace("port_value: 8001", f"port_value: {port}") for port in ports]
    return "".join(lines)


class Envoy:
    """An envoy process with deploy/envoy's own files, before one server or several: only folders and ports are replaced, and
    health is asked more often."""

    def __init__(self, folder, *servers):
        self.folder = folder
        self.servers = len(servers)
        folder.mkdir()
        make_certificate(folder / "tls")
        self.port, self.admin_port = free_port(), free_port()
        for name in ("envoy.yaml", "tls.yaml"):
            text = (CONFIGURATION / name).read_text()
            for old, new in (("/etc/envoy", str(folder)), ("port_value: 8443", f"port_value: {self.port}"),
                             ("address: 0.0.0.0", "address: 127.0.0.1"), ("port_value: 9901", f"port_value: {self.admin_port}"),
                             ("interval: 5s", "interval: 0.2s")):
                text = text.replace(old, new)
            (folder / name).write_text(with_endpoints(text, servers))
        self.log_file = folder / "envoy.log"

    def command(self, *more):
        return [ENVOY, "-c", str(self.folder / "envoy.yaml"), "--log-level", "warning", "--concurrency", "2",
                "--disable-hot-restart", *more]

    def start(self):
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            self._wait_ready()
        except BaseException:
            self.process.kill()
            raise
        return self

    def _wait_ready(self):
        wait_until(self.is_ready, lambda: f"Envoy is ready\n{self.log_file.read_text(errors='replace')}",
                   4 * harness.DEADLINE_SECONDS, every=0.1)

    def is_ready(self):
        assert self.process.poll() is None, self.log_file.read_text(errors="replace")
        with contextlib.suppress(OSError):
            return self.stat(f"cluster.torchferry.membership_healthy: {self.servers}") != ""
        return False

    def stat(self, fragment):
        """The lines of the statistics that have it."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/stats", timeout=60) as page:
            return "\n".join(line for line in page.read().decode().splitlines() if fragment in line)

    def stop(self):
        self.process.terminate()
        self.process.wait(60)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def certificate(self):
        return (self.folder / "tls" / "tls.crt").read_bytes()

    def channel(self):
        return grpc.secure_channel(self.address, grpc.ssl_channel_credentials(self.certificate()), [
            ("grpc.ssl_target_name_override", "localhost"), ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_http_proxy", 0)])

    def wrap(self, raw):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.certificate().decode())
        context.set_alpn_protocols(["h2"])
        return context.wrap_socket(raw, server_hostname="localhost")

    def connection(self, **options):
        return http2.Connection(self.address, wrap=self.wrap, **options)
