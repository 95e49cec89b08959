"""The programs that are measured, started and asked: the server, the bare server, LibTorch alone, the load generator."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys

REPO = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "tests" / "e2e"))

import harness  # noqa: E402
from stores import Store  # noqa: E402

BINARIES = harness.BINARIES


@contextlib.contextmanager
def torchferry(folder, models, *flags, prefix=()):
    """A server over `models`, ready. `models`: those of models.py."""
    store = Store(folder / "store")
    for model in models:
        if not (store.path / model.name).exists():
            model.put(store)
    number = sum(1 for path in folder.iterdir() if path.name.startswith("server"))
    defaults = [] if "--optimize" in flags else ["--optimize", "auto"]
    server = harness.Server(store, folder / f"server{number}", *defaults, "--device", "cpu", *flags, prefix=prefix)
    try:
        server.wait_listening()
        harness.wait_until(lambda: "model loading" in server.log(), server.log)
        with harness.Client(server.address) as client:
            harness.wait_until(lambda: client.health("") == harness.Health.SERVING, server.log, seconds=600)
        yield server
    finally:
        server.kill()


@contextlib.contextmanager
def bare_server(model):
    """gRPC alone, with the messages of `model`: its address."""
    command = [str(BINARIES / "torchferry-bench-bare-server")]
    for name, dtype, dims in model.inputs:
        command += ["--input", f"{name}:{dtype}:{','.join(map(str, dims))}"]
    for name, dims in model.outputs:
        command += ["--output", f"{name}:FP32:{','.join(map(str, dims))}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().split()[1]
    finally:
        process.kill()
        process.wait()


def load_command(address, model, *arguments):
    return [str(BINARIES / "torchferry"), "bench", model.name, *arguments, "--address", address, "--json"]


def load(address, model, *arguments):
    """The steps that `torchferry bench` reports."""
    run = subprocess.run(load_command(address, model, *arguments), check=False, capture_output=True, text=True, env=harness.clean_environment())
    if not run.stdout.startswith("{"):
        raise RuntimeError(f"torchferry bench ended with {run.returncode}: {run.stderr}")
    return json.loads(run.stdout)["steps"]


@contextlib.contextmanager
def load_beside(address, model, *arguments):
    """The same while the block runs, for its company alone."""
    process = subprocess.Popen(load_command(address, model, *arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env=harness.clean_environment())
    try:
        yield
    finally:
        process.kill()
        process.wait()


def libtorch_command(model, precision="FP32", variants="plain,frozen,inference,channels_last", splits=None, rows="1,2,3,4,6,8,12,16", seconds=0.6):
    processors = len(os.sched_getaffinity(0))
    splits = splits or ",".join(dict.fromkeys([f"{processors}x1", f"1x{processors}"]))
    command = [str(BINARIES / "torchferry-bench-libtorch"), str(model.file()), "--variants", variants, "--splits", splits, "--rows", str(rows),
               "--seconds", str(seconds), "--precision", precision]
    for _, dtype, dims in model.inputs:
        command += ["--input", f"{dtype}:{','.join(map(str, dims))}"]
    return command


def libtorch(model, **options):
    """LibTorch alone: a dict for each combination."""
    run = subprocess.run(libtorch_command(model, **options), capture_output=True, text=True, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def libtorch_again(model, point, seconds, precision="FP32"):
    """One combination once more."""
    (result,) = libtorch(model, precision=precision, variants=point["variant"], splits=f"{point['workers']}x{point['threads']}", rows=point["rows"],
                         seconds=seconds)
    return result
