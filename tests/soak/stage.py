"""The server of a soak: its process, its store, the faults of its devices, its certificate where it has TLS."""

from __future__ import annotations

import pathlib
import subprocess
import threading
from types import TracebackType

import harness
import models
from stores import Store

STATEFUL_STREAMS = 64
BUDGET_MIB = 128  # of requests and answers
READY_SECONDS = 300  # a loaded machine loads a score of models


def end(server: harness.Server) -> int | None:
    """SIGTERM; the exit code, None when it does not end."""
    if server.process.poll() is None:
        server.signal()
    try:
        return server.process.wait(harness.DEADLINE_SECONDS)
    except subprocess.TimeoutExpired:
        return None


class Stage:
    """A server with a simulated accelerator, over a store with all models of a soak."""

    def __init__(self, folder: pathlib.Path, environment: dict[str, str], *flags: str) -> None:
        self.folder = folder
        self.store = Store(folder / "store")
        models.fill(self.store, folder)
        self._faults = folder / "faults"
        self._faults_lock = threading.Lock()
        self.set_faults("")
        self.server = harness.Server(
            self.store, folder / "server", "--device", "sim:0", "--enable-admin", "--workers", "2", "--max-message-mib", "8",
            "--memory-budget-mib", str(BUDGET_MIB), "--max-stateful-streams", str(STATEFUL_STREAMS), "--device-probe-interval-seconds", "0.2",
            "--log-format", "json", *flags, binary=harness.SIM_SERVER,
            environment={"SIM_FAULT_FILE": str(self._faults), "SIM_DEVICES": "8", **environment})

    def __enter__(self) -> Stage:
        self.server.wait_listening()
        harness.wait_until(self._is_ready, self.server.log, READY_SECONDS, every=0.2)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self.server.kill()

    def _is_ready(self) -> bool:
        assert self.is_alive(), self.server.log()
        return self.server.http("/readyz")[0] == 200

    @property
    def pid(self) -> int:
        return self.server.process.pid

    @property
    def address(self) -> str:
        return self.server.address

    def is_alive(self) -> bool:
        return self.server.process.poll() is None

    def connect(self) -> harness.Client:
        return harness.Client(self.address)

    def set_faults(self, text: str) -> None:
        """What is wrong with the simulated devices, as SIM_FAULT_FILE has it; the file is replaced at once."""
        with self._faults_lock:
            partial = self._faults.with_suffix(".partial")
            partial.write_text(text)
            partial.rename(self._faults)

    def stop(self) -> int | None:
        return end(self.server)

    def log_lines(self, *levels: str) -> list[dict[str, object]]:
        return [line for line in self.server.log_lines() if line.get("level") in levels]
