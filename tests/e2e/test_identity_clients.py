"""Clients that say who they are: our CLI, public clients, and reflection as grpcurl asks it."""

import contextlib
import json
import re
import subprocess

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

import harness
from every_rpc import every_rpc, requests
from harness import DEADLINE_SECONDS, Client, Code, refused
from people import People
from test_open_inference import CLIENTS, EXPECTED, python_of, run


@pytest.fixture
def people(store, tmp_path):
    for name in ("mlp", "other"):
        store.add("mlp", name)
    return People(tmp_path)


def cli(server, *arguments, **environment):
    run = subprocess.run([str(harness.BINARIES / "torchferry"), "--address", server.address, *arguments],
                         env=harness.clean_environment() | environment, check=False, capture_output=True, text=True,
                         stdin=subprocess.DEVNULL, timeout=DEADLINE_SECONDS)
    return run.returncode, run.stdout, run.stderr


def test_the_cli_says_who_calls(people, start, tmp_path):
    token = people.add("alice", "predict read", models="mlp")
    server = start(*people.flags())
    file = tmp_path / "token"
    file.write_text(token + "\n")
    for flags, environment in ((("--token-file", str(file)), {}), (("--token", token), {}), ((), {"TORCHFERRY_TOKEN": token}),
                               ((), {"TORCHFERRY_TOKEN_FILE": str(file)})):
        code, out, err = cli(server, *flags, "--json", "models", **environment)
        assert code == 0 and {v["model_name"] for v in json.loads(out)["versions"]} == {"mlp"}, (out, err)
    code, out, err = cli(server, "--token-file", str(file), "bench", "mlp", "--duration", "0.2", "--warm-up", "0")
    assert code == 0, err
    code, _, err = cli(server, "models")
    assert code == 1 and "UNAUTHENTICATED" in err and "give --token-file or --token" in err
    code, _, err = cli(server, "--token-file", str(file), "unload", "mlp")
    assert code == 1 and "PERMISSION_DENIED" in err
    code, _, err = cli(server, "--token", "two words", "models")
    assert code == 2 and "holds no token" in err and "two words" not in err
    server.ports["grpc_address"] = "192.0.2.7:1"
    code, _, err = cli(server, "--token", token, "models")
    assert code == 2 and "unencrypted" in err and "--insecure-token" in err and token not in err


@pytest.mark.parametrize("kind, python", [("triton", "TRITONCLIENT"), ("kserve", "KSERVE")])
def test_public_clients_say_who_calls(people, start, kind, python):
    token = people.add("alice", "predict", models="mlp")
    server = start(*people.flags())
    run(python_of(python), CLIENTS / "say_who.py", kind, server.address, EXPECTED, token)


def test_grpcs_reflection_client_lists_and_describes_with_a_token(people, start):
    """What grpcurl does, by both versions of the protocol: each service is listed, and its files are whole."""
    people.add("alice", "read")
    server = start(*people.flags(), "--reflection")
    with Client(server.address) as client:
        for version in ("v1", "v1alpha"):
            rpc = next(rpc for rpc in every_rpc() if rpc.service == f"grpc.reflection.{version}.ServerReflection")
            with refused(Code.UNAUTHENTICATED):
                rpc.call(client.channel, requests()[rpc.name])
            (answer,) = rpc.call(client.channel, requests()[rpc.name], people.metadata("alice"))
            services = {rpc.service for rpc in every_rpc()} - {"torchferry.v1.ModelAdminService"}
            assert {name.encode() for name in services} <= set(re.findall(rb"[a-z][\w.]*\.[A-Z]\w+", answer))
            pool = descriptor_pool.DescriptorPool()
            for service in sorted(services):
                ask = b"\x22" + bytes([len(service)]) + service.encode()  # file_containing_symbol
                (answer,) = rpc.call(client.channel, ask, people.metadata("alice"))
                for file in reversed(files_of(answer)):
                    with contextlib.suppress(TypeError):  # it is there
                        pool.Add(descriptor_pb2.FileDescriptorProto.FromString(file))
                assert pool.FindServiceByName(service).methods


def files_of(answer):
    """The file_descriptor_proto of a ServerReflectionResponse, read from its wire format."""
    def fields(data):
        at = 0
        while at < len(data):
            tag, at = varint(data, at)
            if tag & 7 == 0:
                value, at = varint(data, at)
            else:
                size, at = varint(data, at)
                value, at = data[at:at + size], at + size
            yield tag >> 3, value

    def varint(data, at):
        value = shift = 0
        while True:
            value |= (data[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if data[at - 1] < 0x80:
                return value, at

    (files,) = (value for number, value in fields(answer) if number == 4)
    return [value for number, value in fields(files) if number == 1]
