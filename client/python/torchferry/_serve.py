"""`torchferry.serve` starts a server for tests and notebooks. The server ends with the process that started it."""

from __future__ import annotations

import atexit
import collections
import contextlib
import json
import logging
import os
import pathlib
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING

from torchferry import _answers, _programs
from torchferry._channel import DEFAULT_TIMEOUT_SECONDS
from torchferry._client import Client
from torchferry._errors import (
    DeadlineExceededError,
    FailedPreconditionError,
    NotFoundError,
    UnavailableError,
    invalid,
)
from torchferry._tls import Tls

if TYPE_CHECKING:
    from typing_extensions import Self

_SHOWN_LOG_LINES = 20
_STOP_SECONDS = 30.0
_DEFAULTS = (
    ("--grpc-address", "127.0.0.1:0"),
    ("--metrics-address", "127.0.0.1:0"),
    ("--log-format", "json"),
    ("--optimize", "off"),
)
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def serve(
    store: str | os.PathLike[str],
    *flags: str,
    timeout: float = 120.0,
    logger: logging.Logger | None = None,
    tls: Tls | None = None,
    token: str | os.PathLike[str] | None = None,
) -> Server:
    """Starts torchferry-server over a model store, and returns when it is ready.

        with torchferry.serve("model_store") as server, server.client() as client:
            client.predict("mlp", x=numpy.ones([1, 4], "float32"))

    The server listens on free ports of 127.0.0.1, and logs to `logger`. It ends with the `with` block, by `stop()`, or
    with this process, even when that is killed. The variable TORCHFERRY_SERVER names the program. Without it, the
    program is that of the wheel, or on PATH.

    Args:
        store: the folder of the models.
        flags: further flags of torchferry-server, such as "--device=cpu" and "--enable-admin". `serve` itself sets
            --model-store and --port-file.
        timeout: max seconds until the server is ready, with the time to load models. The default is 120.
        logger: the logger of the server's lines. The default is the logger "torchferry.server".
        tls: the TLS of the server's clients, where flags have --tls-cert and --tls-key. An example is
            `torchferry.Tls(ca=FILE)`.
        token: the token of an identity with the role "read", for a server with --identities. Clients of the server
            send it, too, unless they get another.

    Raises:
        FileNotFoundError: there is no torchferry-server.
        NotFoundError: the store is no folder.
        InvalidArgumentError: `flags` has --model-store or --port-file.
        FailedPreconditionError: the server ended, or no model could be loaded. The message has the reason.
        DeadlineExceededError: the server is not ready in time.
    """
    return Server(store, flags, timeout, logger or logging.getLogger("torchferry.server"), tls, token)


class Server:
    """A running torchferry-server. `serve` makes it.

    Attributes:
        address: HOST:PORT of gRPC.
        metrics_address: HOST:PORT of HTTP for /metrics, /livez and /readyz.
        pid: the id of the process.
    """

    def __init__(
        self,
        store: str | os.PathLike[str],
        flags: tuple[str, ...],
        timeout: float,
        logger: logging.Logger,
        tls: Tls | None = None,
        token: str | os.PathLike[str] | None = None,
    ) -> None:
        folder = pathlib.Path(store)
        if not folder.is_dir():
            expected = "expected the folder of the models: STORE/NAME/VERSION/FILE"
            raise NotFoundError("NOT_FOUND", f"store: {folder} is no folder", expected)
        self.address = ""
        self.metrics_address = ""
        self._logger = logger
        self._tls = tls
        self._token = token
        self._lines: collections.deque[str] = collections.deque(maxlen=_SHOWN_LOG_LINES)
        program, environment = _programs.find_server()
        with tempfile.TemporaryDirectory(prefix="torchferry-serve-") as temporary:
            port_file = pathlib.Path(temporary) / "ports.json"
            command = [
                sys.executable,
                "-I",
                str(pathlib.Path(__file__).with_name("_serve_child.py")),
                str(os.getpid()),
                program,
            ]
            self._start(command + _arguments(folder, port_file, flags), environment)
            atexit.register(self.stop)
            try:
                self._wait_ready(port_file, time.monotonic() + timeout, timeout)
            except BaseException:
                self.stop()
                raise

    def _start(self, command: list[str], environment: dict[str, str]) -> None:
        started: queue.Queue[subprocess.Popen[str] | Exception] = queue.Queue()
        # The kernel sends the signal of _serve_child.py when the *thread* that started the server ends. This thread
        # ends with the server.
        arguments = (command, environment, started)
        self._thread = threading.Thread(target=self._run, args=arguments, name="torchferry-serve", daemon=True)
        self._thread.start()
        result = started.get()
        if isinstance(result, Exception):
            raise result
        self._process = result
        self.pid = result.pid

    def _run(
        self, command: list[str], environment: dict[str, str], started: queue.Queue[subprocess.Popen[str] | Exception]
    ) -> None:
        """Starts the process, and reads its log to the end. It runs in a separate thread."""
        try:
            # A new session keeps Ctrl-C from the server. The caller gets it, and ends the server in order.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        except Exception as error:
            started.put(error)
            return
        started.put(process)
        assert process.stdout is not None
        for line in process.stdout:
            self._log(line.rstrip("\n"))
        process.wait()

    def _log(self, line: str) -> None:
        level, text = _parse_log_line(line)
        self._lines.append(text)
        self._logger.log(level, "%s", text)

    def _wait_ready(self, port_file: pathlib.Path, end: float, timeout: float) -> None:
        for pause in _answers.pauses():
            self._check_runs(end, timeout, "it does not listen yet")
            if port_file.exists():
                break
            time.sleep(pause)
        ports = json.loads(port_file.read_text())
        self.address = ports["grpc_address"]
        self.metrics_address = ports["metrics_address"]
        with self.client() as client:
            for pause in _answers.pauses():
                if self._is_ready(client):
                    return
                self._check_runs(end, timeout, "it is not ready")
                time.sleep(pause)

    def _is_ready(self, client: Client) -> bool:
        """Whether the server is ready, or its store is empty. Raises FailedPreconditionError where no model can ever be
        served."""
        with contextlib.suppress(UnavailableError, DeadlineExceededError):
            if client.ready(timeout=5.0):
                return True
            models = client.models(timeout=5.0)
            if not models:
                return True
            if not any(model.state in ("PENDING", "LOADING", "READY") for model in models):
                reason = _answers.state_text(models, None)
                raise FailedPreconditionError("FAILED_PRECONDITION", f"no model can be served: {reason}", "")
        return False

    def _check_runs(self, end: float, timeout: float, what: str) -> None:
        code = self._process.poll()
        if code is not None:
            self._thread.join(_STOP_SECONDS)  # it reads the rest of the log
            raise FailedPreconditionError(
                "FAILED_PRECONDITION", f"torchferry-server ended with {code}: {self._last_lines()}", ""
            )
        if time.monotonic() >= end:
            message = f"torchferry-server: {what} after {timeout:g} s: {self._last_lines()}"
            raise DeadlineExceededError("DEADLINE_EXCEEDED", message)

    def _last_lines(self) -> str:
        return "\n".join(self._lines) or "it said nothing"

    def client(
        self, *, timeout: float | None = DEFAULT_TIMEOUT_SECONDS, token: str | os.PathLike[str] | None = None
    ) -> Client:
        """A client of this server. It has the server's token unless another is given. The caller closes it."""
        return Client(
            self.address, timeout=timeout, tls=self._tls or False, token=self._token if token is None else token
        )

    def stop(self, timeout: float = _STOP_SECONDS) -> int:
        """Ends the server, and returns its exit code, which is 0 after an orderly end. Requests in flight are answered.
        A server that does not end in `timeout` seconds is killed. Another call returns the same code."""
        atexit.unregister(self.stop)
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._thread.join(_STOP_SECONDS)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"torchferry.Server(address={self.address!r}, pid={self.pid})"


def _arguments(folder: pathlib.Path, port_file: pathlib.Path, flags: tuple[str, ...]) -> list[str]:
    """The server's arguments. A given flag replaces its default. Raises InvalidArgumentError for flags that are set
    here."""
    given = {flag.split("=", 1)[0] for flag in flags}
    for name in ("--model-store", "--port-file"):
        if name in given:
            raise invalid(f"flags: {name} is set by torchferry.serve; leave it out")
    arguments = ["--model-store", str(folder), "--port-file", str(port_file), *flags]
    for name, value in _DEFAULTS:
        if name not in given:
            arguments += [name, value]
    return arguments


def _parse_log_line(line: str) -> tuple[int, str]:
    """Level and text of a line of --log-format json. Another line is returned as it is, with the level INFO."""
    try:
        fields = json.loads(line)
        level = _LEVELS[fields.pop("level")]
        message = fields.pop("message")
        fields.pop("time", None)
        return level, " ".join([message, *(f"{key}={value}" for key, value in fields.items())])
    except (ValueError, KeyError, TypeError, AttributeError):
        return logging.INFO, line
