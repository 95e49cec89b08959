"""The CLI and the Python package over TLS and mTLS, and what they say where that does not work."""

import asyncio
import json

import pytest
import torchferry
import torchferry.aio

import harness
from certificates import Authority, client_credentials
from harness import cli
from wire import assert_close, reference

X = reference("mlp", "x", 1)
EXPECTED = reference("mlp", "probabilities", 1)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "tls")


@pytest.fixture(params=["tls", "mtls"])
def secured(request, store, tmp_path, authority):
    """(server, flags of the CLI, torchferry.Tls)."""
    store.add("mlp")
    client = authority.issue("client", names=("client.example",))
    mutual = request.param == "mtls"
    flags = ["--enable-admin", *authority.issue().flags]
    flags += ["--tls-client-ca", str(authority.path)] if mutual else []
    files = {"ca": str(authority.path)}
    said = ["--tls-ca", authority.path]
    if mutual:
        files |= {"client_cert": str(client.cert_path), "client_key": str(client.key_path)}
        said += ["--tls-client-cert", client.cert_path, "--tls-client-key", client.key_path]
    credentials = client_credentials(authority, client if mutual else None)
    with harness.serving(store, tmp_path / "server", *flags, credentials=credentials) as server:
        yield server, said, torchferry.Tls(**files)


def test_each_command_of_the_cli(secured):
    server, flags, _ = secured
    row = json.dumps([[float(value) for value in X[0]]])
    for command in (["models"], ["model", "mlp"], ["health"], ["health", "--model", "mlp"], ["load", "mlp"],
                    ["predict", "mlp", "--json", f"x={row}"],
                    ["bench", "mlp", "--duration", "0.5", "--warm-up", "0", "--concurrency", "4"],
                    ["unload", "mlp"]):
        result = cli(server.address, *flags, *command)
        assert result.returncode == 0, f"{command}: {result.stderr}"


def test_the_python_package(secured):
    server, _, tls = secured
    with torchferry.Client(server.address, tls=tls) as client:
        assert_close(client.predict("mlp", x=X)["probabilities"], EXPECTED)
        assert [model.name for model in client.models()] == ["mlp"]

    async def ask():
        async with torchferry.aio.Client(server.address, tls=tls) as client:
            return (await client.predict("mlp", x=X))["probabilities"]

    assert_close(asyncio.run(ask()), EXPECTED)


def test_the_environment_says_it_too(secured, monkeypatch):
    server, _, tls = secured
    for name in ("ca", "client_cert", "client_key"):
        if getattr(tls, name):
            monkeypatch.setenv(f"TORCHFERRY_TLS_{name.upper()}", getattr(tls, name))
    with torchferry.Client(server.address) as client:
        assert_close(client.predict("mlp", x=X)["probabilities"], EXPECTED)
    with torchferry.Client(server.address, tls=False, timeout=10) as client, pytest.raises(torchferry.UnavailableError):
        client.models()


@pytest.fixture
def wrong(store, tmp_path, authority):
    """wrong(*flags, pair=None, client=None): a server with TLS and no model."""
    def start(*flags, pair=None, client=None):
        store.add("mlp")
        return harness.serving(store, tmp_path / "server", *(pair or authority.issue()).flags, *flags,
                               credentials=client_credentials(authority, client), ready=pair is None)
    return start


def said_by_both(address, flags, tls, timeout="10"):
    """What the CLI and the Python package say of a call that does not come through."""
    result = cli(address, *flags, "--timeout", timeout, "models")
    assert result.returncode == 3, f"{result.returncode}: {result.stderr}"
    with torchferry.Client(address, tls=tls, timeout=float(timeout)) as client, \
            pytest.raises((torchferry.UnavailableError, torchferry.DeadlineExceededError)) as raised:
        client.models()
    return result.stderr, str(raised.value)


def test_an_authority_that_is_not_trusted(wrong, tmp_path):
    other = Authority(tmp_path / "other", "other")
    with wrong() as server:
        by_cli, by_python = said_by_both(server.address, ["--tls-ca", other.path], torchferry.Tls(ca=other.path))
        assert "of no authority that is trusted here" in by_cli and "--tls-ca" in by_cli
        assert "of no authority that is trusted here" in by_python and "ca=FILE" in by_python


def test_another_name(wrong, authority):
    pair = authority.issue("named", names=("server.example",))
    with wrong(pair=pair) as server:
        by_cli, by_python = said_by_both(server.address, ["--tls-ca", authority.path], torchferry.Tls(ca=authority.path))
        assert "--tls-server-name" in by_cli
        assert "server_name=NAME" in by_python
        result = cli(server.address, "--tls-ca", authority.path, "--tls-server-name", "server.example", "models")
        assert result.returncode == 0, result.stderr
        with torchferry.Client(server.address, tls=torchferry.Tls(ca=authority.path, server_name="server.example")) as client:
            client.models()


def test_plain_text_where_tls_is_spoken(wrong):
    with wrong() as server:
        by_cli, by_python = said_by_both(server.address, [], False)
        assert "--tls" in by_cli
        assert "tls=torchferry.Tls" in by_python


def test_tls_where_plain_text_is_spoken(store, start, authority):
    store.add("mlp")
    server = start()
    by_cli, by_python = said_by_both(server.address, ["--tls-ca", authority.path], torchferry.Tls(ca=authority.path))
    assert "speaks no TLS" in by_cli
    assert "speaks no TLS" in by_python


def test_no_certificate_where_one_is_wanted(wrong, authority):
    client = authority.issue("client", names=("client.example",))
    with wrong("--tls-client-ca", str(authority.path), client=client) as server:
        by_cli, by_python = said_by_both(server.address, ["--tls-ca", authority.path], torchferry.Tls(ca=authority.path))
        assert "--tls-client-cert" in by_cli
        assert "client_cert=FILE" in by_python or "tls=torchferry.Tls" in by_python


@pytest.mark.parametrize("case,said", [("missing", "cannot be read"), ("no PEM", "no"), ("key alone", "client"),
                                       ("another key", "key"), ("encrypted", "encrypted")])
def test_files_that_are_no_good_are_named_before_a_connection_is_made(authority, case, said):
    pair, other = authority.issue("client"), authority.issue("other")
    rubbish = authority.folder / "rubbish"
    rubbish.write_text("hello")
    encrypted = authority.folder / "encrypted.key"
    encrypted.write_bytes(pair.encrypted_key())
    files = {"missing": {"ca": "/nonexistent/ca.pem"}, "no PEM": {"ca": rubbish}, "key alone": {"client_key": pair.key_path},
             "another key": {"client_cert": pair.cert_path, "client_key": other.key_path},
             "encrypted": {"client_cert": pair.cert_path, "client_key": encrypted}}[case]
    flags = [part for name, path in files.items() for part in (f"--tls-{name.replace('_', '-')}", str(path))]
    result = cli("127.0.0.1:1", *flags, "models")
    assert result.returncode == 2 and said in result.stderr, result.stderr
    with pytest.raises(torchferry.InvalidArgumentError) as raised:
        torchferry.Client("127.0.0.1:1", tls=torchferry.Tls(**files))
    assert said in str(raised.value)


def test_serve_starts_a_server_with_tls(store, authority, monkeypatch):
    store.add("mlp")
    pair = authority.issue()
    monkeypatch.setenv("TORCHFERRY_SERVER", str(harness.server_binary()))
    flags = ("--device=cpu", "--tls-cert", str(pair.cert_path), "--tls-key", str(pair.key_path))
    with torchferry.serve(store.path, *flags, tls=torchferry.Tls(ca=authority.path)) as server, server.client() as client:
        assert_close(client.predict("mlp", x=X)["probabilities"], EXPECTED)
