"""Two servers behind a balancer of connections: with an age, the connections spread over both, and no call fails.

The balancer is Envoy's tcp_proxy, which never moves a connection. TORCHFERRY_ENVOY is the envoy program; without it these
tests are skipped.
"""

import contextlib
import os
import pathlib
import subprocess
import time

import pytest

import harness
from harness import wait_until
from test_connection_age import AskingClient, age
from test_envoy import connects, free_port

ENVOY = os.environ.get("TORCHFERRY_ENVOY", "")
CLIENTS = 50
AGE = 2.0  # seconds

pytestmark = pytest.mark.skipif(not pathlib.Path(ENVOY).is_file(),
                                reason="no Envoy: TORCHFERRY_ENVOY is not set, as its wheel could not be had")

ENDPOINT = "- endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: %d } } }"
CONFIGURATION = """
static_resources:
  listeners:
  - name: grpc
    address: { socket_address: { address: 127.0.0.1, port_value: %(port)d } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: grpc
          cluster: servers
          max_connect_attempts: 5
  clusters:
  - name: servers
    type: STATIC
    connect_timeout: 5s
    lb_policy: LEAST_REQUEST
    common_lb_config: { healthy_panic_threshold: { value: 0 } }
    health_checks:
    - { timeout: 5s, interval: 0.2s, no_traffic_interval: 0.2s, unhealthy_threshold: 3, healthy_threshold: 1,
        reuse_connection: false, grpc_health_check: {} }
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: {} }
    load_assignment:
      cluster_name: servers
      endpoints:
      - lb_endpoints:
        %(first)s
        %(second)s
"""


@contextlib.contextmanager
def balancer(folder, ports):
    """The address of an Envoy in front of servers on these ports."""
    port = free_port()
    folder.mkdir()
    (folder / "envoy.yaml").write_text(CONFIGURATION % {"port": port, "first": ENDPOINT % ports[0], "second": ENDPOINT % ports[1]})
    with open(folder / "envoy.log", "wb") as log:
        process = subprocess.Popen([ENVOY, "-c", str(folder / "envoy.yaml"), "--log-level", "warning", "--concurrency", "1",
                                    "--disable-hot-restart"], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: process.poll() is None and connects(port), lambda: (folder / "envoy.log").read_text())
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def connections(server):
    return server.metrics().sum("torchferry_connections", listener="grpc")


@pytest.mark.parametrize("retries", [True, False], ids=["retrying", "not retrying"])
def test_connections_spread_over_a_second_server_within_their_age(store, start, tmp_path, retries):
    store.add("mlp")
    ports = free_port(), free_port()
    first = start("--grpc-address", f"127.0.0.1:{ports[0]}", *age(AGE))
    with balancer(tmp_path / "envoy", ports) as address:
        clients = [AskingClient(address, retries, pause=0.02) for _ in range(CLIENTS)]
        try:
            wait_until(lambda: all(client.answered for client in clients), "all clients are served by the first server")
            assert connections(first) >= CLIENTS
            second = start("--grpc-address", f"127.0.0.1:{ports[1]}", *age(AGE))
            begun = time.monotonic()
            wait_until(lambda: connections(second) >= CLIENTS * 0.4 and connections(first) <= CLIENTS * 0.65 + 2,
                       lambda: f"they spread: {connections(first)} and {connections(second)}")
            took = time.monotonic() - begun
            print(f"{CLIENTS} connections are spread after {took:.1f} s of an age of {AGE} s: "
                  f"{connections(first)} and {connections(second)} (with Envoy's own)")
        finally:
            for client in clients:
                client.tell_to_stop()
            for client in clients:
                client.stop()
    errors = [error for client in clients for error in client.errors]
    assert errors == [], errors[0]
    assert took <= harness.DEADLINE_SECONDS
