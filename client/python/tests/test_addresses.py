"""What an address may be, and what gRPC makes of it."""

import json
import socket

import pytest

import torchferry
from torchferry import _channel


@pytest.mark.parametrize(
    "address,uri,is_balanced,is_local",
    [
        ("127.0.0.1:8001", "dns:///127.0.0.1:8001", False, True),
        ("localhost:8001", "dns:///localhost:8001", False, True),
        ("10.0.0.7:1", "dns:///10.0.0.7:1", False, False),
        ("[::1]:8001", "dns:///[::1]:8001", False, True),
        ("models.example:8001", "dns:///models.example:8001", True, False),
        (["models.example:8001"], "dns:///models.example:8001", True, False),
        (["127.0.0.1:1", "127.0.0.2:2"], "ipv4:127.0.0.1:1,127.0.0.2:2", True, True),
        ("10.0.0.1:1, 10.0.0.2:2", "ipv4:10.0.0.1:1,10.0.0.2:2", True, False),
        (["[::1]:1", "[fe80::1]:2"], "ipv6:[::1]:1,[fe80::1]:2", True, False),
        ("unix:/run/ferry.sock", "unix:/run/ferry.sock", False, True),
        ("dns:///models.example:8001", "dns:///models.example:8001", True, False),
    ],
)
def test_an_address_becomes_a_target(address, uri, is_balanced, is_local):
    target = _channel.parse_target(address)
    assert (target.uri, target.is_balanced, target.is_local) == (uri, is_balanced, is_local)


def test_several_names_are_looked_up_once(monkeypatch):
    known = {"a.example": ["10.0.0.1", "10.0.0.2"], "b.example": ["10.0.0.3"]}

    def look_up(host, port, family, kind):
        if family == socket.AF_INET6 or host not in known:
            raise socket.gaierror("no such host")
        return [(socket.AF_INET, kind, 0, "", (ip, port)) for ip in known[host]]

    monkeypatch.setattr(_channel.socket, "getaddrinfo", look_up)
    target = _channel.parse_target(["a.example:1", "b.example:2"])
    assert target.uri == "ipv4:10.0.0.1:1,10.0.0.2:1,10.0.0.3:2"
    assert target.authority == "a.example:1"
    with pytest.raises(torchferry.UnavailableError, match=r"c\.example:3"):
        _channel.parse_target(["a.example:1", "c.example:3"])
    with pytest.raises(torchferry.InvalidArgumentError, match="partly IPv4 and partly IPv6"):
        _channel.parse_target(["a.example:1", "[::1]:2"])


@pytest.mark.parametrize(
    "address",
    ["localhost", "localhost:0", "localhost:65536", ":8001", "http://h:80", "a:1,,b:2", "::1:80", 8001, [], [7]],
)
def test_what_is_no_address_is_refused_with_what_was_expected(address):
    with pytest.raises((torchferry.InvalidArgumentError, TypeError)) as raised:
        torchferry.Client(address)
    assert "expected" in str(raised.value) or isinstance(raised.value, TypeError)


def test_the_address_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("TORCHFERRY_ADDRESS", "10.1.1.1:9")
    assert "10.1.1.1:9" in repr(torchferry.Client())
    monkeypatch.delenv("TORCHFERRY_ADDRESS")
    assert "127.0.0.1:8001" in repr(torchferry.Client())


@pytest.mark.parametrize("limit", [0, -1, 2**31, 1.5, "1"])
def test_a_limit_that_grpc_cannot_hold_is_refused(limit):
    with pytest.raises(torchferry.InvalidArgumentError, match="max_message_bytes"):
        torchferry.Client("127.0.0.1:1", max_message_bytes=limit)


def test_several_servers_are_asked_in_turn_where_they_are_healthy():
    options = dict(_channel.channel_options(_channel.parse_target(["127.0.0.1:1", "127.0.0.1:2"]), 1000))
    config = json.loads(options["grpc.service_config"])
    assert config["loadBalancingConfig"] == [{"round_robin": {}}]
    assert config["healthCheckConfig"] == {"serviceName": ""}
    assert config["methodConfig"][0]["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
    one = json.loads(dict(_channel.channel_options(_channel.parse_target("127.0.0.1:1"), 1000))["grpc.service_config"])
    assert one["loadBalancingConfig"] == [{"pick_first": {}}]
    assert "healthCheckConfig" not in one
