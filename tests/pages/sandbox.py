"""A folder in which the examples of one page run: its own model store, programs on PATH, and a server where one is asked for."""
from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

REPO = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TORCHFERRY_BINARY_DIR", REPO / "build")).resolve()
SECONDS = 300  # for one example
DEFAULT_ADDRESS = "127.0.0.1:8001"

TORCHFERRY = """#!/bin/sh
case $1 in
  convert | pull) exec "{python}" -m torchferry "$@" ;;
  *) exec "{build}/bin/torchferry" "$@" ;;
esac
"""


class ExampleError(Exception):
    """An example failed."""


def add_model(store: pathlib.Path, name: str) -> str | None:
    """A model of the samples or of the fixtures; why not, where its weights were not fetched."""
    for folder in (REPO / "model_store" / name, REPO / "tests" / "fixtures" / name):
        if (folder / "1").is_dir():
            shutil.copytree(folder, store / name)
            return None
    if (REPO / "model_store" / name).is_dir() and not os.environ.get("CI"):
        return f"model_store/{name}/1 was not fetched (deploy/fetch-samples.sh)"
    raise ExampleError(f"there is no model {name} in model_store or tests/fixtures (deploy/fetch-samples.sh fetches the samples)")


class Sandbox:
    def __init__(self, folder: pathlib.Path):
        self.folder, self.address = folder, DEFAULT_ADDRESS
        self.python, self.server, self.worker = sys.executable, None, None
        self.said = ""
        (folder / "model_store").mkdir()
        for name in ("client", "proto", "deploy"):
            (folder / name).symlink_to(REPO / name)
        self.bin = folder / ".bin"
        self.bin.mkdir()
        self.use_python(sys.executable)
        (self.bin / "torchferry").write_text(TORCHFERRY.format(python=sys.executable, build=BUILD))
        (self.bin / "torchferry").chmod(0o755)

    def use_python(self, python: str) -> None:
        self.python = python
        for name in ("python", "python3"):
            file = self.bin / name
            file.write_text(f'#!/bin/sh\nexec "{python}" "$@"\n')
            file.chmod(0o755)

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TORCHFERRY_")}
        paths = [str(REPO / "client" / "python"), str(BUILD / "python"), *filter(None, [kept.get("PYTHONPATH")])]
        return kept | {
            "PATH": os.pathsep.join([str(self.bin), str(BUILD / "bin"), kept.get("PATH", "")]),
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TORCHFERRY_SERVER": str(BUILD / "bin" / "torchferry-server"),
            "TORCHFERRY_ADDRESS": self.address,
            "TORCHFERRY_GRPC_ADDRESS": "127.0.0.1:0",
            "TORCHFERRY_METRICS_ADDRESS": "127.0.0.1:0",
        }

    def here(self, text: str) -> str:
        """With the server's address in place of the default one."""
        return text.replace(DEFAULT_ADDRESS, self.address)

    def run_shell(self, text: str, exit_code: int = 0) -> None:
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", self.here(text)], cwd=self.folder, env=self.environment(),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False)
        self.said = done.stdout
        if done.returncode != exit_code:
            raise ExampleError(f"ended with {done.returncode} instead of {exit_code}:\n{text}\n--- output\n{done.stdout}"
                               f"--- errors\n{done.stderr}")

    def run_python(self, text: str) -> None:
        if self.worker is None:
            worker = pathlib.Path(__file__).with_name("page_python.py")
            self.worker = subprocess.Popen([self.python, str(worker)], cwd=self.folder, env=self.environment(), text=True,
                                           stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.worker.stdin.write(json.dumps({"code": self.here(text)}) + "\n")
        self.worker.stdin.flush()
        line = self.worker.stdout.readline()
        if not line:
            raise ExampleError(f"Python ended inside the example:\n{text}")
        reply = json.loads(line)
        self.said = reply["out"]
        if reply["error"]:
            raise ExampleError(f"{text}\n--- raised\n{reply['error']}")

    def start_server(self, command: str) -> None:
        ports = self.folder / ".ports.json"
        ports.unlink(missing_ok=True)
        environment = self.environment() | {"TORCHFERRY_PORT_FILE": str(ports), "TORCHFERRY_OPTIMIZE": "off"}
        self.stop_server()
        *first, last = command.strip().splitlines()
        if first:
            self.run_shell("\n".join(first))
        log = self.folder / ".server.log"
        with open(log, "wb") as file:
            self.server = subprocess.Popen(["bash", "-c", f"exec {last}"], cwd=self.folder, env=environment,
                                           stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
        end = time.monotonic() + SECONDS
        while not ports.exists() or not self.is_ready(ports):
            if self.server.poll() is not None or time.monotonic() > end:
                raise ExampleError(f"the server is not ready: {command}\n{log.read_text(errors='replace')}")
            time.sleep(0.05)

    def is_ready(self, ports: pathlib.Path) -> bool:
        self.address = json.loads(ports.read_text())["grpc_address"]
        asked = subprocess.run([BUILD / "bin" / "torchferry", "health", "--timeout", "5"], env=self.environment(), check=False,
                               capture_output=True, timeout=60)
        return asked.returncode == 0

    def stop_server(self) -> None:
        if self.server is not None:
            self.server.terminate()
            if self.server.wait(timeout=SECONDS) != 0:
                raise ExampleError(f"the server ended with {self.server.returncode}")
            self.server = None

    def close(self) -> None:
        if self.worker is not None:
            self.worker.stdin.close()
            self.worker.wait(timeout=SECONDS)
        self.stop_server()
