"""Clients that say who they are, at a server with --identities."""

from __future__ import annotations

import asyncio
import hashlib
import pathlib

import numpy
import pytest
import stores
import torchferry
from torchferry import aio

TOKEN = "token-of-alice-in-these-tests"
X = numpy.ones([1, 4], "float32")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("identities")
    store = stores.Store(folder / "store")
    stores.add_all(store)
    people = folder / "people"
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    people.write_text(f"identity alice\nroles predict read\nmodels mlp\ntoken sha256:{digest}\n")
    people.chmod(0o600)
    with torchferry.serve(store.path, f"--identities={people}", token=TOKEN) as server:
        yield server


def test_a_token_says_who_calls(server):
    with torchferry.Client(server.address, token=TOKEN) as client:
        assert client.predict("mlp", x=X)["probabilities"].shape == (1, 3)
        assert {model.name for model in client.models()} == {"mlp"}
        assert len(list(client.stream("mlp", [{"x": X}, {"x": X}]))) == 2
        assert client.ready() and client.ready("mlp")
        client.wait_ready("mlp")
        with pytest.raises(torchferry.PermissionDeniedError, match="no role for this method.*operator"):
            client.unload("mlp")
        with pytest.raises(torchferry.PermissionDeniedError, match='may not use the model "nobody"'):
            client.predict("nobody", x=X)


def test_the_servers_own_client_sends_its_token(server):
    with server.client() as client:
        assert client.metadata("mlp").name == "mlp"
    with server.client(token="another") as client, pytest.raises(torchferry.UnauthenticatedError):
        client.models()


@pytest.mark.parametrize("token", ["wrong", TOKEN + "x"])
def test_a_wrong_token_is_an_error_that_says_what_to_do(server, token):
    with torchferry.Client(server.address, token=token) as client:
        with pytest.raises(torchferry.UnauthenticatedError, match=r"not one that the server knows.*token="):
            client.predict("mlp", x=X)
        with pytest.raises(torchferry.UnauthenticatedError):
            list(client.stream("mlp", [{"x": X}]))
        assert client.ready()  # health is open


def test_none_is_an_error_too(server):
    with torchferry.Client(server.address) as client, pytest.raises(torchferry.UnauthenticatedError, match="who calls"):
        client.models()


def test_the_token_may_stand_in_a_file_or_in_the_environment(server, tmp_path, monkeypatch):
    file = tmp_path / "token"
    file.write_text(f"\n{TOKEN}\n")
    with torchferry.Client(server.address, token=file) as client:
        client.predict("mlp", x=X)
    monkeypatch.setenv("TORCHFERRY_TOKEN_FILE", str(file))
    with torchferry.Client(server.address) as client:
        client.predict("mlp", x=X)
    monkeypatch.setenv("TORCHFERRY_TOKEN", "wrong")
    with torchferry.Client(server.address) as client, pytest.raises(torchferry.UnauthenticatedError):
        client.predict("mlp", x=X)


def test_a_coroutine_says_who_it_is(server):
    async def ask(token):
        async with aio.Client(server.address, token=token) as client:
            answer = await client.predict("mlp", x=X)
            streamed = [each async for each in client.stream("mlp", [{"x": X}])]
            return answer["probabilities"].shape, len(streamed)

    assert asyncio.run(ask(TOKEN)) == ((1, 3), 1)
    with pytest.raises(torchferry.UnauthenticatedError):
        asyncio.run(ask("wrong"))


@pytest.mark.parametrize("token", ["", "two words", "t\x01ken", "tökän", "x" * 4001, 7, pathlib.Path("/nonexistent/token")])
def test_what_is_no_token_is_refused_and_not_shown(token):
    with pytest.raises(torchferry.InvalidArgumentError) as raised:
        torchferry.Client("127.0.0.1:1", token=token)
    if isinstance(token, str) and token:
        assert token not in str(raised.value)


@pytest.mark.parametrize("kind", [torchferry.Client, aio.Client])
@pytest.mark.parametrize("address", ["192.0.2.7:8001", "host.example:8001", ["127.0.0.1:1", "192.0.2.7:1"]])
def test_a_token_does_not_travel_unencrypted_to_another_host(kind, address, monkeypatch):
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: [(2, 1, 6, "", ("192.0.2.7", 1))])
    with pytest.raises(torchferry.InvalidArgumentError, match=r"unencrypted.*insecure_token=True"):
        kind(address, token=TOKEN)
    kind(address, token=TOKEN, insecure_token=True)
    kind(address)
