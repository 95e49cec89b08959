"""The load generator against a real server, and the benchmarks themselves, briefly: that they measure, not what."""

import json
import subprocess
import sys

import pytest

import harness
from harness import Client
from wire import REPO


def bench(address, *arguments, timeout=harness.DEADLINE_SECONDS):
    run = harness.cli(address, "bench", *arguments, "--json", timeout=timeout)
    return run, json.loads(run.stdout) if run.stdout.startswith("{") else None


@pytest.fixture
def served(store, start):
    store.add("mlp")
    server = start()
    with Client(server.address) as client:
        yield server, client


def test_closed_loop_counts_what_the_server_counts(served):
    server, _ = served
    run, report = bench(server.address, "mlp", "--concurrency", "1,4", "--duration", "0.5", "--warm-up", "0.1", "--rows", "2")
    assert run.returncode == 0, run.stderr
    assert [step["concurrency"] for step in report["steps"]] == [1, 4]
    for step in report["steps"]:
        assert step["ok"] > 0 and step["failed"] == 0
        latency = step["latency_ms"]
        assert 0 < latency["min"] <= latency["p50"] <= latency["p99"] <= latency["max"]
        assert sum(bucket["count"] for bucket in step["histogram"]) > 0
        assert list(step["server"]["devices"]) == [harness.DEVICE if harness.DEVICE != "auto" else "cpu"]
    # Those of the warm-up, and one to try, are counted by the server alone.
    served_requests = server.metrics().sum("torchferry_requests_total", model="mlp", code="OK")
    assert served_requests >= sum(step["ok"] for step in report["steps"])


def test_open_loop_keeps_its_rate_and_says_what_was_refused(served):
    server, _ = served
    run, report = bench(server.address, "mlp", "--rate", "50", "--duration", "1", "--warm-up", "0")
    assert run.returncode == 0, run.stderr
    (step,) = report["steps"]
    assert step["rate"] == 50 and step["ok"] == 50 and step["not_sent"] == 0
    run, report = bench(server.address, "mlp", "x=[[1,2,3]]", "--duration", "0.2")
    assert run.returncode != 0 and "INVALID_ARGUMENT" in run.stderr and "shape" in run.stderr
    run, _ = bench(server.address, "nobody", "--duration", "0.2")
    assert run.returncode != 0 and "NOT_FOUND" in run.stderr


def test_a_server_that_goes_away_ends_it(served):
    server, _ = served
    process = subprocess.Popen([str(harness.BINARIES / "torchferry"), "bench", "mlp", "--address", server.address, "--duration", "50"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=harness.clean_environment())
    server.wait_metrics(lambda page: page.sum("torchferry_requests_total", model="mlp") > 0, "it is asked")
    server.signal()
    assert server.wait_exit() == 0
    output, error = process.communicate(timeout=harness.DEADLINE_SECONDS / 2)
    assert process.returncode != 0 and b"UNAVAILABLE" in error + output


def test_the_benchmarks_write_their_report(tmp_path):
    run = subprocess.run([sys.executable, "-B", str(REPO / "tests" / "bench" / "run.py"), "--only", "mlp", "--repeats", "1", "--seconds", "0.3",
                          "--output", str(tmp_path)], check=False, capture_output=True, text=True, timeout=5 * harness.DEADLINE_SECONDS)
    assert run.returncode == 0, run.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    ratio = next(line for line in report["lines"] if "throughput over gRPC alone" in line["what"])
    overhead = next(line for line in report["lines"] if line["what"].endswith("less the forward pass"))
    assert ratio["value"] > 0 and ratio["details"]["grpc_alone"] > 0 and "≥ 0.85" in ratio["target"]
    assert overhead["unit"] == "µs" and overhead["details"]["forward_us"] > 0
    assert "| MLP" in (tmp_path / "report.md").read_text() and report["machine"]["processors"] > 0
    wrong = subprocess.run([sys.executable, "-B", str(REPO / "tests" / "bench" / "run.py"), "--only", "speed"],
                           check=False, capture_output=True, text=True)
    assert wrong.returncode == 2 and "--only names speed" in wrong.stderr
