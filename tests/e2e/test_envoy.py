"""deploy/envoy, with the Envoy of deploy/locks/python-envoy.txt: what it serves, what it ends, and who is served meanwhile.

TORCHFERRY_ENVOY is the envoy program; without it these tests are skipped.
"""

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading

import grpc
import pytest

import harness
import http2
from envoy_process import Envoy, free_port, make_certificate, needs_envoy
from harness import Code, Health, oip_grpc, pb, pb_grpc, wait_until
from http2 import CONTINUATION, END_HEADERS, GOAWAY, HEADERS, RST_STREAM, frame
from stores import Store
from test_grpc_attacks import FLOODS, PREDICT, Flood, continuation_flood
from wire import admin, admin_grpc, array, assert_close, oip, reference

pytestmark = needs_envoy


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("envoy")
    store = Store(folder / "store")
    store.add("mlp")
    with harness.serving(store, folder / "server", "--enable-admin", "--reflection") as running:
        yield running


@pytest.fixture(scope="module")
def envoy(server, tmp_path_factory):
    proxy = Envoy(tmp_path_factory.mktemp("proxy") / "envoy", server.address).start()
    yield proxy
    proxy.stop()
    print(proxy.log_file.read_text(errors="replace"))


def predict(channel):
    request = harness.predict_request("mlp", {"x": reference("mlp", "x", 1)})
    answer = pb_grpc.InferenceServiceStub(channel).Predict(request, timeout=harness.DEADLINE_SECONDS)
    assert_close(array(answer.outputs["probabilities"]), reference("mlp", "probabilities", 1))


# --- what is served -------------------------------------------------------------------------------


def test_the_configuration_is_valid(tmp_path):
    proxy = Envoy(tmp_path / "envoy", "127.0.0.1:8001")
    checked = subprocess.run(proxy.command("--mode", "validate"), check=False, capture_output=True, text=True, timeout=300)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "deprecated" not in (checked.stdout + checked.stderr).lower()


def test_calls_and_streams_pass_by_tls(envoy):
    with envoy.channel() as channel:
        predict(channel)
        request = harness.predict_request("mlp", {"x": reference("mlp", "x", 1)})
        stub = pb_grpc.InferenceServiceStub(channel)
        answers = list(stub.PredictStream(iter([request] * 3), timeout=harness.DEADLINE_SECONDS))
        assert len(answers) == 3
        assert [v.model_name for v in stub.ListModels(pb.ListModelsRequest(), timeout=60).versions] == ["mlp"]
        health = harness.health_pb2_grpc.HealthStub(channel)
        assert health.Check(harness.health_pb2.HealthCheckRequest(), timeout=60).status == Health.SERVING
        open_stub = oip_grpc.GRPCInferenceServiceStub(channel)
        assert open_stub.ServerReady(oip.ServerReadyRequest(), timeout=60).ready


def test_errors_of_the_server_pass_too(envoy):
    with envoy.channel() as channel, pytest.raises(grpc.RpcError) as error:
        pb_grpc.InferenceServiceStub(channel).Predict(harness.predict_request("absent", {}), timeout=60)
    assert error.value.code() == Code.NOT_FOUND


@pytest.mark.parametrize("call", [
    lambda c: admin_grpc.ModelAdminServiceStub(c).UnloadModel(admin.UnloadModelRequest(model_name="mlp"), timeout=60),
    lambda c: oip_grpc.GRPCInferenceServiceStub(c).RepositoryModelUnload(
        oip.RepositoryModelUnloadRequest(model_name="mlp"), timeout=60),
    lambda c: c.unary_unary("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")(b"", timeout=60),
    lambda c: c.unary_unary("/torchferry.v1.InferenceService/../ModelAdminService/UnloadModel")(b"", timeout=60),
    lambda c: c.unary_unary("/torchferry.v1.ModelAdminService%2fUnloadModel")(b"", timeout=60),
], ids=["admin", "repository", "reflection", "dots", "escaped"])
def test_admin_and_reflection_have_no_way(envoy, call):
    with envoy.channel() as channel:
        with pytest.raises(grpc.RpcError) as error:
            call(channel)
        assert error.value.code() in (Code.UNIMPLEMENTED, Code.INTERNAL)
        predict(channel)


def test_a_new_certificate_is_used_without_a_restart(envoy, tmp_path):
    old = envoy.certificate()
    make_certificate(tmp_path / "new")
    for name in ("tls.key", "tls.crt"):
        shutil.copy(tmp_path / "new" / name, envoy.folder / "tls" / f"{name}.new")
    for name in ("tls.key", "tls.crt"):
        (envoy.folder / "tls" / f"{name}.new").rename(envoy.folder / "tls" / name)

    def shows_the_new_one():
        shown = ssl.get_server_certificate(("127.0.0.1", envoy.port))
        return ssl.PEM_cert_to_DER_cert(shown) == ssl.PEM_cert_to_DER_cert(envoy.certificate().decode())

    wait_until(shows_the_new_one, "the new certificate is shown")
    assert envoy.certificate() != old
    with envoy.channel() as channel:
        predict(channel)


# --- what is ended --------------------------------------------------------------------------------


class GoodClient(threading.Thread):
    """Asks by TLS until it is stopped."""

    def __init__(self, envoy):
        super().__init__(daemon=True)
        self._envoy = envoy
        self._is_told_to_stop = threading.Event()
        self.answered = 0
        self.error = None
        self.start()

    def run(self):
        try:
            while not self._is_told_to_stop.is_set():
                with self._envoy.channel() as channel:  # a new connection each time
                    for _ in range(5):
                        predict(channel)
                        self.answered += 1
        except Exception as error:
            self.error = error

    def stop(self):
        self._is_told_to_stop.set()
        self.join()


@contextlib.contextmanager
def a_good_client_goes_on(envoy, at_least=20):
    client = GoodClient(envoy)
    try:
        yield
        before = client.answered
        wait_until(lambda: client.error or client.answered >= before + at_least, "the good client is answered")
    finally:
        client.stop()
    assert client.error is None, client.error


@pytest.mark.parametrize("send", FLOODS, ids=lambda f: f.__name__)
def test_a_good_client_goes_on_beside_a_flood(envoy, server, send):
    with a_good_client_goes_on(envoy):
        flood = Flood(envoy.address, send, wrap=envoy.wrap)
        try:
            assert flood.has_begun.wait(harness.DEADLINE_SECONDS)
            with envoy.channel() as channel:
                for _ in range(20):
                    predict(channel)
        finally:
            flood.stop()
    assert server.http("/livez")[0] == 200


def test_a_header_block_without_end_ends_its_connection(envoy):
    """What gRPC reads again and again, Envoy ends at its limit of header bytes."""
    with a_good_client_goes_on(envoy), envoy.connection() as connection:
        continuation_flood(connection, count=50000)
        assert connection.wait_until_closed()


def test_a_large_header_is_refused(envoy):
    with envoy.connection() as connection:
        stream = connection.next_stream()
        block = http2.call_fields(PREDICT) + http2.field("x", "a" * 40000)
        connection.send(frame(HEADERS, 0, stream, block[:16000]) + frame(CONTINUATION, 0, stream, block[16000:32000]) +
                        frame(CONTINUATION, END_HEADERS, stream, block[32000:]))
        assert connection.wait_for(RST_STREAM, stream) or connection.wait_until_closed()


@pytest.mark.parametrize("flood", [f for f in FLOODS if f.__name__ in ("ping_flood", "settings_flood", "reset_flood")],
                         ids=lambda f: f.__name__)
def test_a_flood_ends_its_connection(envoy, flood):
    with envoy.connection(receive_buffer=4096) as connection:
        connection.socket.settimeout(5)
        ended = threading.Event()
        for _ in range(2000):
            if not flood(connection):
                ended.set()
                break
        assert ended.is_set(), "it was taken without end"


def test_streams_of_a_connection_are_bounded(envoy):
    with envoy.connection() as connection:
        for _ in range(150):
            connection.send(frame(HEADERS, END_HEADERS, connection.next_stream(), http2.call_fields(PREDICT)))
        refused = connection.wait_for(RST_STREAM) or connection.wait_for(GOAWAY)
        assert refused is not None


def test_a_connection_without_tls_is_closed(envoy):
    for say in (b"", http2.PREFACE, b"GET / HTTP/1.1\r\n\r\n"):
        with http2.Connection(envoy.address, preface=False) as connection:
            connection.send(say)
            assert connection.wait_until_closed()


def test_more_connections_than_the_limit_are_closed(envoy):
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(http2.Connection(envoy.address, preface=False)) for _ in range(1100)]
        wait_until(lambda: not envoy.stat("connection_limit.grpc.limited_connections: 0"), "some are over the limit")
        assert len(opened) == 1100
    with envoy.channel() as channel:
        wait_until(lambda: is_answered(channel), "a good client is served again")


def is_answered(channel):
    with contextlib.suppress(grpc.RpcError):
        predict(channel)
        return True
    return False


def test_without_a_server_the_answer_is_unavailable(tmp_path):
    proxy = Envoy(tmp_path / "envoy", f"127.0.0.1:{free_port()}")
    proxy.is_ready = lambda: proxy.process.poll() is None and connects(proxy.port)
    proxy.start()
    try:
        with proxy.channel() as channel, pytest.raises(grpc.RpcError) as error:
            predict(channel)
        assert error.value.code() == Code.UNAVAILABLE
    finally:
        proxy.stop()


def connects(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=60):
        return True
    return False
