"""Turns addresses into a gRPC target, and gives the options of a client's one channel."""

from __future__ import annotations

import enum
import ipaddress
import json
import os
import re
import socket
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torchferry import _api, _tls
from torchferry._errors import UnavailableError, invalid

DEFAULT_ADDRESS = "127.0.0.1:8001"
DEFAULT_TIMEOUT_SECONDS = 30.0
DEFAULT_MAX_MESSAGE_BYTES = 256 << 20
# Bytes of a message: gRPC counts them in 31 bits.
MAX_MESSAGE_BYTES = 2**31 - 1

# gRPC's own max is 5, with the first attempt. The waits between attempts are 0.1, 0.3, 0.9 and 2.7 s, each up to a
# fifth more or less. The first waits are short, as another server may answer. Together they last longer than a channel
# takes to reconnect (RECONNECT_MS).
MAX_ATTEMPTS = 5
RETRY_POLICY = {
    "maxAttempts": MAX_ATTEMPTS,
    "initialBackoff": "0.1s",
    "maxBackoff": "3s",
    "backoffMultiplier": 3,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
RECONNECT_MS = (("initial", 100), ("max", 1000))

_SCHEME = re.compile(r"^(dns|ipv4|ipv6|unix|unix-abstract|vsock|xds):")
_HOST_PORT = re.compile(r"^(?:\[(?P<six>[0-9A-Fa-f:.%]+)\]|(?P<host>[^:\[\]/\s]+)):(?P<port>\d{1,5})$")


class Endpoint(NamedTuple):
    """One HOST:PORT. `ip` is the host where that is an IP address; None: it is a name."""

    host: str
    port: int
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address | None


class Target(NamedTuple):
    """The target that gRPC connects to."""

    uri: str
    is_balanced: bool  # several servers may be behind it: requests go to those that are ready, in turn
    is_local: bool  # all of them are on this host
    authority: str | None  # the :authority of the requests; None: gRPC's choice


def parse_target(address: str | Sequence[str] | None) -> Target:
    """The target of an address: HOST:PORT, several of them (a list, or separated by commas), or a target URI of gRPC.

    None stands for the variable TORCHFERRY_ADDRESS, else for 127.0.0.1:8001. Raises InvalidArgumentError for anything
    else, and UnavailableError where a name in a list has no host."""
    if address is None:
        address = os.environ.get("TORCHFERRY_ADDRESS") or DEFAULT_ADDRESS
    if isinstance(address, str):
        if _SCHEME.match(address):
            is_one = address.startswith(("unix:", "unix-abstract:", "vsock:"))
            return Target(address, is_balanced=not is_one, is_local=is_one, authority=None)
        address = address.split(",")
    endpoints = [_endpoint_of(item) for item in address]
    if not endpoints:
        raise invalid("address: an empty list; expected HOST:PORT, or several of them")
    is_local = all(
        endpoint.host == "localhost" or (endpoint.ip is not None and endpoint.ip.is_loopback) for endpoint in endpoints
    )
    if len(endpoints) == 1:
        (endpoint,) = endpoints
        # A name may stand for several servers. gRPC looks it up again when one of them is gone.
        is_balanced = endpoint.ip is None and endpoint.host != "localhost"
        return Target(f"dns:///{_text_of(endpoint)}", is_balanced, is_local, authority=None)
    return Target(_join(endpoints), is_balanced=True, is_local=is_local, authority=_text_of(endpoints[0]))


def channel_options(target: Target, max_message_bytes: int) -> list[tuple[str, Any]]:
    """The options of a channel to the target. Raises InvalidArgumentError for a limit that gRPC cannot hold."""
    if not isinstance(max_message_bytes, int) or not 1 <= max_message_bytes <= MAX_MESSAGE_BYTES:
        raise invalid(f"max_message_bytes: {max_message_bytes!r}; expected 1 to {MAX_MESSAGE_BYTES}")
    options: list[tuple[str, Any]] = [
        ("grpc.service_config", json.dumps(_service_config(target))),
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        # gRPC retries no request that is larger than this. Its default, 256 KiB, is smaller than an image.
        ("grpc.per_rpc_retry_buffer_size", max_message_bytes),
        # This client shares no connection with other clients in the process.
        ("grpc.use_local_subchannel_pool", 1),
        *((f"grpc.{which}_reconnect_backoff_ms", milliseconds) for which, milliseconds in RECONNECT_MS),
    ]
    if target.is_local:
        options.append(("grpc.enable_http_proxy", 0))
    if target.authority is not None:
        options.append(("grpc.default_authority", target.authority))
    return options


def open_channel(
    module: Any, target: Target, max_message_bytes: int, tls: _tls.Tls | bool | None
) -> Callable[[], Any]:
    """A function that makes the channel. `module` is grpc or grpc.aio.

    Raises InvalidArgumentError for wrong arguments at once, and not when the function is called."""
    options = channel_options(target, max_message_bytes)
    wanted = _tls.chosen(tls)
    if wanted is None:
        return lambda: module.insecure_channel(target.uri, options)
    secured = _tls.credentials(wanted)
    options += _tls.options(wanted)
    return lambda: module.secure_channel(target.uri, secured, options)


def is_encrypted(tls: _tls.Tls | bool | None) -> bool:
    """Whether a channel that `open_channel` makes with `tls` uses TLS."""
    return _tls.chosen(tls) is not None


def _service_config(target: Target) -> dict[str, Any]:
    config: dict[str, Any] = {
        "methodConfig": [{"name": [{"service": _api.INFERENCE_SERVICE}], "retryPolicy": RETRY_POLICY}],
        "loadBalancingConfig": [{"round_robin" if target.is_balanced else "pick_first": {}}],
    }
    if target.is_balanced:
        config["healthCheckConfig"] = {"serviceName": ""}  # readiness, as the server announces it
    return config


def _endpoint_of(item: Any) -> Endpoint:
    match = _HOST_PORT.match(item.strip()) if isinstance(item, str) else None
    if match is None or not 1 <= int(match["port"]) <= 65535:
        raise invalid(
            f"address: {item!r}; expected HOST:PORT, [IPV6]:PORT, a list of them, or a gRPC target such as unix:PATH"
        )
    host = match["six"] or match["host"]
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        ip = None
    return Endpoint(host, int(match["port"]), ip)


def _text_of(endpoint: Endpoint) -> str:
    host = f"[{endpoint.host}]" if endpoint.ip is not None and endpoint.ip.version == 6 else endpoint.host
    return f"{host}:{endpoint.port}"


def _join(endpoints: Sequence[Endpoint]) -> str:
    """One URI of several endpoints. gRPC takes a list of IP addresses, all of one family, and no names. Names are
    therefore looked up here, once."""
    for family, version, scheme in ((socket.AF_INET, 4, "ipv4"), (socket.AF_INET6, 6, "ipv6")):
        found = [_addresses_of(endpoint, family, version) for endpoint in endpoints]
        if all(found):
            unique = dict.fromkeys(address for addresses in found for address in addresses)
            return f"{scheme}:{','.join(unique)}"
    missing = [
        _text_of(endpoint) for endpoint in endpoints if endpoint.ip is None and not _addresses_of(endpoint, 0, 0)
    ]
    if missing:
        raise UnavailableError("UNAVAILABLE", f"address: no host is known by the name of {', '.join(missing)}", "")
    raise invalid(
        f"address: {', '.join(map(_text_of, endpoints))} are partly IPv4 and partly IPv6; expected one of the two"
    )


def _addresses_of(endpoint: Endpoint, family: int, version: int) -> list[str]:
    """The addresses of the endpoint in that family, as HOST:PORT. A family of 0 stands for any."""
    if endpoint.ip is not None:
        return [_text_of(endpoint)] if endpoint.ip.version == version else []
    try:
        infos = socket.getaddrinfo(endpoint.host, endpoint.port, family, socket.SOCK_STREAM)
    except OSError:
        return []
    hosts = [str(address[0]) for *_, address in infos]
    return [f"[{host}]:{endpoint.port}" if ":" in host else f"{host}:{endpoint.port}" for host in hosts]


class Default(enum.Enum):
    """Stands for a timeout that was not given. The client's own timeout then applies."""

    DEFAULT = "default"

    def __repr__(self) -> str:
        return "DEFAULT"


DEFAULT = Default.DEFAULT
