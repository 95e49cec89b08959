"""What the end-to-end tests stand on: the real server and CLI as processes, and a gRPC client.

Nothing here sleeps to let something happen: it waits for a condition, up to a deadline.
"""

import contextlib
import ctypes
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from prometheus_page import Metrics
from wire import REPO, array, oip_grpc, pb, pb_grpc, tensor

BINARIES = pathlib.Path(os.environ.get("TORCHFERRY_BINARY_DIR", REPO / "build")).resolve() / "bin"
DEVICE = os.environ.get("TORCHFERRY_TEST_DEVICE", "auto")
OPTIMIZE = os.environ.get("TORCHFERRY_TEST_OPTIMIZE", "off")
DEADLINE_SECONDS = 60  # for whatever must happen; generous, as sanitizer builds on a shared machine are slow

# A device that no host of ours has.
ABSENT_DEVICE = "cuda:15"

Code = grpc.StatusCode
Health = health_pb2.HealthCheckResponse


def gpu_count():
    """GPUs that the NVIDIA driver gives this process; 0 without one."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    return count.value if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 else 0


def wait_until(condition, what, seconds=DEADLINE_SECONDS, every=0.01):
    """The first true value of `condition()`, asked `every` so many seconds; fails with `what` (a string, or a function that
    makes one) when late."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(every)


# --- the server -----------------------------------------------------------------------------------


def clean_environment():
    """This process's, without the flags that it may hold for the server and the CLI."""
    return {k: v for k, v in os.environ.items() if not k.startswith("TORCHFERRY_")}


# The server with a simulated accelerator beside what the host has (tests/testing).
SIM_SERVER = "torchferry-server-sim"
SERVER = SIM_SERVER if DEVICE.startswith("sim") else "torchferry-server"


def server_binary(name=SERVER):
    binary = BINARIES / name
    assert binary.exists(), f"{binary} is not built (TORCHFERRY_BINARY_DIR says where it is)"
    return binary


class Server:
    """A torchferry-server process over a store, on free ports. Its current folder is empty and its own. `prefix` is a
    command that runs it; `environment` is added to this process's. `credentials` are those of its own clients (Client)."""

    def __init__(self, store, folder, *flags, defaults=True, prefix=(), binary=SERVER, environment=None, credentials=None):
        self.store = store
        self.credentials = credentials
        self.folder = pathlib.Path(folder)
        self.cwd = self.folder / "cwd"
        self.cwd.mkdir(parents=True)
        self.port_file = self.folder / "ports.json"
        self.log_file = self.folder / "server.log"
        command = [*prefix, str(server_binary(binary)), "--model-store", str(store.path), "--port-file", str(self.port_file)]
        if defaults:
            for name, value in (("--grpc-address", "127.0.0.1:0"), ("--metrics-address", "127.0.0.1:0"),
                                ("--device", DEVICE), ("--optimize", OPTIMIZE)):
                if name not in flags:
                    command += [name, value]
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(command + list(flags), cwd=self.cwd, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, env=clean_environment() | (environment or {}))
        self.ports = None
        self.exit_seen = False  # the test looked at the exit code itself

    def log(self):
        return self.log_file.read_text(errors="replace")

    def log_lines(self):
        """The lines of --log-format json, as dicts."""
        return [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]

    def _check_alive(self):
        code = self.process.poll()
        assert code is None, f"the server ended with {code}:\n{self.log()}"

    def wait_listening(self):
        def ports():
            self._check_alive()
            return json.loads(self.port_file.read_text()) if self.port_file.exists() else None

        self.ports = wait_until(ports, lambda: f"the server writes its port file\n{self.log()}")
        return self

    @property
    def address(self):
        return self.ports["grpc_address"]

    def wait_ready(self):
        """Ready in the health service's words. One that is not, within the deadline, shows its log."""
        with Client(self.address, self.credentials) as client:
            def ready():
                self._check_alive()
                return client.health("") == Health.SERVING

            wait_until(ready, lambda: f"the server is ready\n{self.log()}")
        return self

    def wait_settled(self):
        """No version is waiting or loading any more."""
        busy = (pb.MODEL_STATE_PENDING, pb.MODEL_STATE_LOADING)
        with Client(self.address, self.credentials) as client:
            def settled():
                self._check_alive()
                versions = client.stub.ListModels(pb.ListModelsRequest(), timeout=DEADLINE_SECONDS).versions
                return versions and all(v.state not in busy for v in versions)

            wait_until(settled, lambda: f"all versions are loaded or failed\n{self.log()}")
        return self

    def http(self, path):
        """(status, body) of the HTTP listener."""
        try:
            url = f"http://{self.ports['metrics_address']}{path}"
            with urllib.request.urlopen(url, timeout=DEADLINE_SECONDS) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metrics(self):
        status, body = self.http("/metrics")
        assert status == 200
        return Metrics(body)

    def wait_metrics(self, condition, what):
        """The first page of metrics that satisfies `condition`. An answer reaches the client before it is counted."""
        latest = []

        def met():
            latest[:] = [self.metrics()]
            return condition(latest[0])

        wait_until(met, lambda: f"{what}; metrics are\n{latest[0].text}")
        return latest[0]

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait_exit(self, seconds=DEADLINE_SECONDS):
        try:
            code = self.process.wait(seconds)
            self.exit_seen = True
            return code
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the server did not end within {seconds} s:\n{self.log()}") from None

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        """SIGTERM; the exit code, which must be 0."""
        if self.process.poll() is None:
            self.signal()
        code = self.wait_exit()
        assert code == 0, f"the server ended with {code}:\n{self.log()}"


@contextlib.contextmanager
def serving(store, folder, *flags, ready=True, **options):
    """A server for the block; at its end SIGTERM must end it with 0."""
    server = Server(store, folder, *flags, **options)
    try:
        server.wait_listening()
        if ready:
            server.wait_ready()
        yield server
        server.stop()
    except BaseException:
        # pytest shows it under "Captured stdout" of the failing test or fixture.
        print(f"--- log of the server over {store.path}\n{server.log()}")
        raise
    finally:
        server.kill()


# --- the client -----------------------------------------------------------------------------------


class Client:
    """A channel of its own, never shared with another Client of this process: TLS with `credentials`, else plain text.
    `options` are added to the channel's."""

    def __init__(self, address, credentials=None, options=()):
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1),
                   ("grpc.max_send_message_length", -1), ("grpc.enable_http_proxy", 0), *options]
        if credentials is None:
            self.channel = grpc.insecure_channel(address, options)
        else:
            self.channel = grpc.secure_channel(address, credentials, options)
        self.stub = pb_grpc.InferenceServiceStub(self.channel)
        self.open_stub = oip_grpc.GRPCInferenceServiceStub(self.channel)
        self.health_stub = health_pb2_grpc.HealthStub(self.channel)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def predict(self, model, inputs, timeout=DEADLINE_SECONDS, **fields):
        return self.stub.Predict(predict_request(model, inputs, **fields), timeout=timeout)

    def predict_arrays(self, model, inputs, **fields):
        """The outputs, by name."""
        return {name: array(t) for name, t in self.predict(model, inputs, **fields).outputs.items()}

    def models(self):
        """{(name, version): ModelVersion}."""
        versions = self.stub.ListModels(pb.ListModelsRequest(), timeout=DEADLINE_SECONDS).versions
        return {(v.model_name, v.model_version): v for v in versions}

    def model(self, name, version=0):
        """The one version, or the newest."""
        request = pb.GetModelRequest(model_name=name, model_version=version)
        return self.stub.GetModel(request, timeout=DEADLINE_SECONDS).versions[0]

    def health(self, service):
        """The status of one Check; None when the service is not known."""
        try:
            request = health_pb2.HealthCheckRequest(service=service)
            return self.health_stub.Check(request, timeout=DEADLINE_SECONDS).status
        except grpc.RpcError as error:
            if error.code() == Code.NOT_FOUND:
                return None
            raise


def predict_request(model, inputs, **fields):
    """Arrays and Python scalars become tensors; messages stay as they are."""
    messages = {k: v if isinstance(v, pb.Tensor) else tensor(v) for k, v in inputs.items()}
    return pb.PredictRequest(model_name=model, inputs=messages, **fields)


@contextlib.contextmanager
def refused(code, *fragments):
    """The block's call must fail with `code` and a message that has each of `fragments` and nothing of this host."""
    try:
        yield
    except grpc.RpcError as error:
        assert error.code() == code, f"{error.code()}: {error.details()}"
        check_message(error.details(), *fragments)
    else:
        raise AssertionError(f"it was answered; expected {code} about {fragments}")


def check_message(message, *fragments):
    for fragment in fragments:
        assert str(fragment) in message, f"{fragment!r} is not in {message!r}"
    assert str(REPO) not in message and tempfile.gettempdir() + "/" not in message, f"a host path is in {message!r}"
    assert not re.search(r"\b0x[0-9a-f]{6,}", message), f"a pointer is in {message!r}"
    assert "Exception raised from" not in message and "frame #0" not in message, f"a stack trace is in {message!r}"


# --- the CLI --------------------------------------------------------------------------------------


def cli(address, *arguments, timeout=DEADLINE_SECONDS):
    """`torchferry …` against a server: the CompletedProcess, with text."""
    binary = BINARIES / "torchferry"
    assert binary.exists(), f"{binary} is not built (TORCHFERRY_BINARY_DIR says where it is)"
    environment = clean_environment() | {"TORCHFERRY_ADDRESS": address}
    return subprocess.run([str(binary), *map(str, arguments)], env=environment, check=False, capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=timeout)
