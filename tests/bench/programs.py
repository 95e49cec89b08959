"""The programs that are measured, started and asked: the server, the bare server, LibTorch alone, the load generator."""

import contextlib
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile

REPO = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "tests" / "e2e"))

import harness  # noqa: E402
from stores import Store  # noqa: E402

BINARIES = harness.BINARIES
PROCESSORS = len(os.sched_getaffinity(0))


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
            # Rarely: a search is disturbed by whoever asks.
            harness.wait_until(lambda: client.health("") == harness.Health.SERVING, server.log, seconds=600, every=0.2)
        yield server
    finally:
        server.kill()


@contextlib.contextmanager
def bare_server(model):
    """gRPC alone, with the messages of `model`: its address."""
    command = [str(BINARIES / "torchferry-bench-bare-server"), "--model", model.name]
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


class Load:
    """`torchferry bench` at work; `processor_seconds` is what it took itself, once its steps are known."""

    def __init__(self, address, model, *arguments):
        self.process = subprocess.Popen(load_command(address, model, *arguments), stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env=harness.clean_environment())
        self.processor_seconds = None

    def steps(self):
        """What it reports, at its end."""
        with self.process.stdout, self.process.stderr:
            out, errors = self.process.stdout.read(), self.process.stderr.read()
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.processor_seconds = usage.ru_utime + usage.ru_stime
        if not out.startswith("{"):
            raise RuntimeError(f"torchferry bench ended with {self.process.returncode}: {errors}")
        return json.loads(out)["steps"]

    def kill(self):
        if self.process.returncode is None:
            self.process.kill()
            self.process.communicate()


def load(address, model, *arguments):
    """The steps that `torchferry bench` reports."""
    return Load(address, model, *arguments).steps()


@contextlib.contextmanager
def load_beside(address, model, *arguments):
    """The same while the block runs, for its company alone."""
    company = Load(address, model, *arguments)
    try:
        yield
    finally:
        company.kill()


PERF_COLUMNS = {"rate": "Inferences/Second", "p50": "p50 latency", "p99": "p99 latency"}


def perf_analyzer(address, model, concurrency, seconds):
    """What perf_analyzer, over the Open Inference Protocol, reports: {rate, p50, p99}, latencies in ms."""
    python = pathlib.Path(os.environ["TORCHFERRY_TRITONCLIENT_PYTHON"])
    (libraries,) = python.parent.parent.glob("lib/python*/site-packages/nvidia/cuda_runtime/lib")
    with tempfile.TemporaryDirectory(prefix="torchferry-bench-") as folder:
        report = pathlib.Path(folder) / "report.csv"
        # Of its windows it takes the mean of the last three, as soon as these agree: here, always.
        command = [python.parent / "perf_analyzer", "-m", model.name, "-u", address, "-i", "grpc", "--percentile", "50",
                   "--concurrency-range", str(concurrency), "-p", f"{seconds * 1000 / 3:.0f}", "-r", "3", "-s", "99999",
                   "-f", report]
        environment = harness.clean_environment() | {"LD_LIBRARY_PATH": str(libraries)}
        run = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True,
                             env=environment, timeout=60 + 10 * seconds)
        if not report.exists():
            raise RuntimeError(f"perf_analyzer ended with {run.returncode}: {run.stdout}{run.stderr}")
        (row,) = csv.DictReader(report.open())
    return {name: float(row[column]) / (1 if name == "rate" else 1000) for name, column in PERF_COLUMNS.items()}


def libtorch_command(model, precision="FP32", variants="plain,frozen,inference,channels_last", splits=None, rows="1,2,3,4,6,8,12,16", seconds=0.6):
    splits = splits or ",".join(dict.fromkeys([f"{PROCESSORS}x1", f"1x{PROCESSORS}"]))
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
