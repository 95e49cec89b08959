#!/usr/bin/env python3
"""Lists what users depend on, as text: two revisions are compared by comparing two listings.

    surface.py --binary-dir BUILD/bin [--root CHECKOUT] [--store STORE] > listing.txt

The listing has the flags and helps of the server and the CLI, the fields of config.pbtxt, messages and RPCs of the
protos, the metrics of a running server, its HTTP routes, and the keys of the CLI's JSON. STORE is a model store with
the samples (deploy/fetch-samples.sh makes it); `crepe_tiny` and `cifar_cnn` of it are asked.
Values that differ from run to run (times, digests, ports) are left out.
"""
import argparse
import contextlib
import json
import pathlib
import re
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

COMMANDS = ("predict", "bench", "models", "model", "load", "unload", "health", "inspect")
ROUTES = ("/metrics", "/livez", "/readyz", "/", "/unknown")


def run(*command: Any) -> str:
    """Standard output; where the exit status is not 0, standard error after it."""
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120, check=False)
    return result.stdout + (result.stderr if result.returncode else "")


def section(title: str, lines: str) -> None:
    print(f"== {title}")
    print(lines.rstrip("\n"))


def helps(binaries: pathlib.Path) -> None:
    section("torchferry-server --help", run(binaries / "torchferry-server", "--help"))
    section("torchferry --help", run(binaries / "torchferry", "--help"))
    for command in COMMANDS:
        section(f"torchferry {command} --help", run(binaries / "torchferry", command, "--help"))


def config_fields(root: pathlib.Path) -> None:
    table = " ".join((root / "server/config/field_table.cc").read_text(encoding="utf-8").split())
    fields = re.findall(r'\{"([\w.]+)", k(\w+)', table)
    if not fields:
        raise SystemExit("error: no field found in server/config/field_table.cc")
    section("config.pbtxt", "\n".join(f"{name}: {effect}" for name, effect in fields))


def protos(root: pathlib.Path) -> None:
    for file in sorted((root / "proto").rglob("*.proto")):
        text = re.sub(r"//[^\n]*", "", file.read_text(encoding="utf-8"))
        lines = [" ".join(line.split()) for line in text.splitlines()]
        section(str(file.relative_to(root)), "\n".join(line for line in lines if line))


def key_paths(value: Any, path: str = "") -> Iterator[str]:
    """Each path of keys in a JSON value with its type; the elements of a list count as one."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from key_paths(inner, f"{path}.{key}")
    elif isinstance(value, list) and value:
        for inner in value:
            yield from key_paths(inner, f"{path}[]")
    else:
        kind = "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__
        yield f"{path or '.'}: {kind}"


def json_keys(title: str, output: str) -> None:
    found: set[str] = set()
    decoder, rest = json.JSONDecoder(), output.strip()
    while rest:
        try:
            value, end = decoder.raw_decode(rest)
        except ValueError:
            found.add(f"not JSON: {rest[:200]}")
            break
        found |= set(key_paths(value))
        rest = rest[end:].strip()
    section(f"JSON of {title}", "\n".join(sorted(found)))


@contextlib.contextmanager
def server(binaries: pathlib.Path, store: pathlib.Path) -> Iterator[tuple[str, str]]:
    """Its gRPC and its HTTP address."""
    with tempfile.TemporaryDirectory() as folder:
        ports = pathlib.Path(folder) / "ports.json"
        command = [binaries / "torchferry-server", "--model-store", store, "--grpc-address", "127.0.0.1:0",
                   "--metrics-address", "127.0.0.1:0", "--port-file", ports, "--enable-admin"]
        with open(pathlib.Path(folder) / "log", "w", encoding="utf-8") as log:
            process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log)
        try:
            grpc, http = wait_for(process, ports)
            yield grpc, http
        finally:
            process.terminate()
            process.wait(60)


def wait_for(process: "subprocess.Popen[bytes]", ports: pathlib.Path) -> tuple[str, str]:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if ports.exists():
            found = json.loads(ports.read_text(encoding="utf-8"))
            grpc, http = (found[f"{name}_address"] for name in ("grpc", "metrics"))
            if get(http, "/readyz")[0] == 200:
                return grpc, http
        time.sleep(0.1)
    raise SystemExit("error: the server was not ready")


def get(address: str, route: str) -> tuple[int, str, str]:
    """Status, content type and body."""
    try:
        with urllib.request.urlopen(f"http://{address}{route}", timeout=10) as answer:
            return answer.status, answer.headers.get("Content-Type", ""), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("Content-Type", ""), error.read().decode()


def metrics(page: str) -> str:
    """Each series without its value; labels whose values differ from host to host without these."""
    lines: list[str] = []
    for line in page.splitlines():
        if not line.startswith("#"):
            line = re.sub(r'(version|libtorch|grpc)="[^"]*"', r'\1="…"', line.rsplit(" ", 1)[0])
        lines.append(line)
    return "\n".join(sorted(set(lines)))


def asked(binaries: pathlib.Path, root: pathlib.Path, store: pathlib.Path) -> None:
    with server(binaries, store) as (grpc, http):
        cli = [binaries / "torchferry", "--address", grpc, "--json"]
        json_keys("predict", run(*cli, "predict", "crepe_tiny", "frames=random"))
        json_keys("predict that fails", run(*cli, "predict", "no_such_model"))
        json_keys("models", run(*cli, "models"))
        json_keys("model", run(*cli, "model", "crepe_tiny"))
        json_keys("health", run(*cli, "health"))
        json_keys("bench", run(*cli, "bench", "cifar_cnn", "--duration", "0.5", "--warm-up", "0.1"))
        json_keys("unload", run(*cli, "unload", "cifar_cnn"))
        json_keys("load", run(*cli, "load", "cifar_cnn"))
        files = [file for file in sorted((store / "crepe_tiny" / "1").iterdir()) if file.suffix in (".pth", ".pt")]
        json_keys("inspect", run(*cli, "inspect", *files))
        for route in ROUTES:
            status, kind, _ = get(http, route)
            section(f"HTTP {route}", f"{status} {kind}")
        section("metrics", metrics(get(http, "/metrics")[2]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = pathlib.Path(__file__).resolve().parent.parent
    parser.add_argument("--binary-dir", type=pathlib.Path, default=here / "build/bin")
    parser.add_argument("--root", type=pathlib.Path, default=here)
    parser.add_argument("--store", type=pathlib.Path, default=here / "model_store")
    arguments = parser.parse_args()
    helps(arguments.binary_dir)
    config_fields(arguments.root)
    protos(arguments.root)
    asked(arguments.binary_dir, arguments.root, arguments.store)


if __name__ == "__main__":
    main()
