"""The clients that people have work as they are: Python stubs, grpc_health, reflection, Prometheus, and our CLI."""

import json
import shutil
import socket
import subprocess

import numpy as np
import pytest
from grpc_health.v1 import health_pb2

import harness
from harness import Client, Code, Health, cli, predict_request
from stores import Store
from wire import FIXTURES, array, assert_close, reference


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Two models that work and one that does not."""
    folder = tmp_path_factory.mktemp("clients")
    store = Store(folder / "store")
    for name in ("mlp", "mlp_dict", "slow"):
        store.add(name)
    store.add_file("corrupt", FIXTURES / "bad" / "corrupt.pt")
    with harness.serving(store, folder, "--reflection") as server:
        yield server.wait_settled()


@pytest.fixture
def client(server):
    with Client(server.address) as client:
        yield client


# --- gRPC -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("service,status", [
    ("", Health.SERVING),
    ("liveness", Health.SERVING),
    ("model/mlp", Health.SERVING),
    ("model/corrupt", Health.NOT_SERVING),
    ("model/no_such_model", None),
    ("no_such_service", None),
])
def test_health_check_answers_for_each_service(client, service, status):
    assert client.health(service) == status


@pytest.mark.parametrize("service,status", [
    ("", Health.SERVING),
    ("liveness", Health.SERVING),
    ("model/mlp", Health.SERVING),
    ("model/corrupt", Health.NOT_SERVING),
    ("model/no_such_model", Health.SERVICE_UNKNOWN),
])
def test_health_watch_begins_with_the_status_now(client, service, status):
    watch = client.health_stub.Watch(health_pb2.HealthCheckRequest(service=service), timeout=harness.DEADLINE_SECONDS)
    assert next(watch).status == status
    watch.cancel()


def test_health_watch_reports_the_change_to_not_serving(store, start):
    store.add("mlp")
    server = start()
    with Client(server.address) as client:
        watches = [client.health_stub.Watch(health_pb2.HealthCheckRequest(service=s), timeout=harness.DEADLINE_SECONDS)
                   for s in ("", "model/mlp")]
        assert [next(w).status for w in watches] == [Health.SERVING, Health.SERVING]
        server.signal()
        assert next(watches[0]).status == Health.NOT_SERVING
        assert server.wait_exit() == 0


def test_health_watch_reports_a_model_becoming_ready(store, start):
    store.add("slow_to_load")
    server = start(ready=False)
    with Client(server.address) as client:
        for service in ("", "model/slow_to_load"):
            watch = client.health_stub.Watch(health_pb2.HealthCheckRequest(service=service),
                                             timeout=harness.DEADLINE_SECONDS)
            seen = []
            for response in watch:
                seen.append(response.status)
                if response.status == Health.SERVING:
                    break
            watch.cancel()
            # Whatever came before is no error, and nothing is told twice.
            assert set(seen[:-1]) <= {Health.NOT_SERVING, Health.SERVICE_UNKNOWN}
            assert len(seen) == len(set(seen))


def test_stream_answers_in_order_each_with_its_id(client):
    x = reference("mlp", "x", 7)
    requests = [predict_request("mlp", {"x": x[i % 7: i % 7 + 1]}, request_id=str(i)) for i in range(50)]
    answers = list(client.stub.PredictStream(iter(requests), timeout=harness.DEADLINE_SECONDS))
    assert [a.request_id for a in answers] == [str(i) for i in range(50)]
    for i, answer in enumerate(answers):
        assert answer.error_code == 0, answer.error_message
        assert answer.response.request_id == str(i)
        assert_close(array(answer.response.outputs["probabilities"]),
                     reference("mlp", "probabilities", 7)[i % 7: i % 7 + 1])


# --- HTTP -----------------------------------------------------------------------------------------


def test_http_probes_answer(server):
    assert server.http("/livez")[0] == 200
    assert server.http("/readyz")[0] == 200
    assert server.http("/no_such_page")[0] == 404


def test_metrics_pass_promtool(server, client):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian's package prometheus has it)")
    client.predict("mlp", {"x": reference("mlp", "x", 1)})
    server.wait_metrics(lambda m: m.sum("torchferry_requests_total", model="mlp") > 0, "a request is counted")
    page = server.metrics().text
    check = subprocess.run([promtool, "check", "metrics"], check=False, input=page, capture_output=True, text=True)
    assert check.returncode == 0 and not check.stdout + check.stderr, f"{check.stdout}{check.stderr}\n{page}"


METRICS = {  # name: labels that it must have, of those that differ between samples
    "torchferry_requests_total": {"model", "version", "device", "code"},
    "torchferry_request_duration_seconds_count": {"model", "version"},
    "torchferry_queue_duration_seconds_count": {"model", "version"},
    "torchferry_compute_duration_seconds_count": {"model", "version", "device"},
    "torchferry_batch_rows_count": {"model", "version"},
    "torchferry_queue_depth": {"model"},
    "torchferry_in_flight_requests": {"model"},
    "torchferry_device_up": {"device"},
    "torchferry_device_memory_bytes": {"device", "kind"},
    "torchferry_device_utilization_ratio": {"device"},
    "torchferry_device_busy_seconds_total": {"device"},
    "torchferry_model_state": {"model", "version", "state"},
    "torchferry_model_load_duration_seconds": {"model", "version"},
    "torchferry_connections": {"listener"},
    "torchferry_connections_total": {"listener", "outcome"},
    "torchferry_build_info": {"version"},
}


def test_metrics_have_their_names_and_labels(server, client):
    client.predict("mlp", {"x": reference("mlp", "x", 1)})
    metrics = server.wait_metrics(lambda m: m.sum("torchferry_requests_total", model="mlp") > 0, "a request is counted")
    for name, labels in METRICS.items():
        samples = metrics.find(name)
        assert samples, f"there is no {name}"
        for found, _ in samples:
            assert labels <= found.keys(), f"{name} has {sorted(found)}"


def test_metrics_show_the_cpu_as_a_device(server):
    metrics = server.metrics()
    assert metrics.sum("torchferry_device_up", device="cpu") == 1
    memory = metrics.find("torchferry_device_memory_bytes", device="cpu")
    # A process with LibTorch in it: more than 20 MB, less than 1 TB.
    assert any(labels["kind"] == "used" and 20e6 < value < 1e12 for labels, value in memory)
    (_, utilization), = metrics.find("torchferry_device_utilization_ratio", device="cpu")
    assert utilization >= 0


def test_metrics_show_the_state_of_each_model(server):
    metrics = server.metrics()
    for model, state in (("mlp", "ready"), ("corrupt", "failed")):
        states = {labels["state"]: value for labels, value in metrics.find("torchferry_model_state", model=model)}
        assert [s for s, value in states.items() if value == 1] == [state]
    assert metrics.sum("torchferry_model_load_duration_seconds", model="mlp", version="1") > 0


def test_metrics_count_what_was_sent(store, start):
    store.add("mlp")
    server = start()
    with Client(server.address) as client:
        for i in range(12):
            rows = i % 7 + 1
            device = client.predict("mlp", {"x": reference("mlp", "x", 7)[:rows]}).execution.device
        sent_rows = sum(i % 7 + 1 for i in range(12))
        for _ in range(3):
            with harness.refused(Code.INVALID_ARGUMENT):
                client.predict("mlp", {"x": np.zeros((1, 5), np.float32)})
        for _ in range(2):
            with harness.refused(Code.NOT_FOUND):
                client.predict("name_that_no_model_has", {"x": np.zeros((1, 4), np.float32)})

    def requests(m, **labels):
        return m.sum("torchferry_requests_total", **labels)

    metrics = server.wait_metrics(lambda m: requests(m) == 17, "17 requests are counted")
    assert requests(metrics, model="mlp", version="1", device=device, code="OK") == 12
    assert requests(metrics, model="mlp", version="1", code="INVALID_ARGUMENT") == 3
    assert requests(metrics, code="NOT_FOUND") == 2
    assert metrics.sum("torchferry_request_duration_seconds_count", model="mlp") == 15
    # Sent one after the other: each was a batch of its own.
    assert metrics.sum("torchferry_batch_rows_count", model="mlp") == 12
    assert metrics.sum("torchferry_batch_rows_sum", model="mlp") == sent_rows
    assert metrics.sum("torchferry_compute_duration_seconds_count", model="mlp", device=device) == 12
    assert metrics.sum("torchferry_queue_duration_seconds_count", model="mlp") == 12
    busy = metrics.sum("torchferry_device_busy_seconds_total", device=device)
    assert busy == pytest.approx(metrics.sum("torchferry_compute_duration_seconds_sum", device=device))
    assert metrics.sum("torchferry_in_flight_requests", model="mlp") == 0
    assert metrics.sum("torchferry_queue_depth", model="mlp") == 0
    assert "name_that_no_model_has" not in metrics.text


# --- the CLI --------------------------------------------------------------------------------------

OK, SERVER_ERROR, USAGE, UNREACHABLE, DEADLINE, NOT_SERVING = range(6)  # exit codes


def succeeded(run):
    assert run.returncode == OK, f"exit {run.returncode}\n{run.stdout}{run.stderr}"
    return run


def failed(run, code, *fragments):
    assert run.returncode == code, f"exit {run.returncode}, expected {code}\n{run.stdout}{run.stderr}"
    for fragment in fragments:
        assert fragment in run.stderr, f"{fragment!r} is not on stderr:\n{run.stderr}"


def found(document, key):
    """Every value of that key, at any depth."""
    if isinstance(document, dict):
        here = [document[key]] if key in document else []
        return here + [v for value in document.values() for v in found(value, key)]
    if isinstance(document, list):
        return [v for value in document for v in found(value, key)]
    return []


def numbers(document):
    if isinstance(document, dict):
        return [n for value in document.values() for n in numbers(value)]
    if isinstance(document, list):
        return [n for value in document for n in numbers(value)]
    return [document] if isinstance(document, (int, float)) and not isinstance(document, bool) else []


def assert_has_numbers(document, expected):
    """`expected` stands in the document, one number after the other."""
    have, want = np.array(numbers(document), np.float64), expected.ravel().astype(np.float64)
    windows = (have[i:i + len(want)] for i in range(len(have) - len(want) + 1))
    assert any(np.allclose(w, want, rtol=1e-5, atol=1e-5) for w in windows), f"{want} is not in {document}"


@pytest.mark.parametrize("rows", [1, 7])
def test_cli_predict_sends_an_npy_file(server, tmp_path, rows):
    file = tmp_path / "x.npy"
    np.save(file, reference("mlp", "x", rows))
    run = succeeded(cli(server.address, "predict", "mlp_dict", f"x=@{file}", "--json"))
    document = json.loads(run.stdout)
    assert_has_numbers(found(document, "probabilities")[0], reference("mlp", "probabilities", rows))
    assert_has_numbers(found(document, "label")[0], reference("mlp", "label", rows))
    assert found(document, "device")[0]


def test_cli_predict_sends_json(server):
    x = reference("mlp", "x", 7)
    run = succeeded(cli(server.address, "predict", "mlp:1", f"x={json.dumps(x.tolist())}", "--json"))
    assert_has_numbers(found(json.loads(run.stdout), "probabilities")[0], reference("mlp", "probabilities", 7))


def test_cli_predict_sends_random_numbers(server):
    run = succeeded(cli(server.address, "predict", "mlp", "x=random", "--json"))
    assert sum(numbers(found(json.loads(run.stdout), "probabilities")[0])) > 0


def test_cli_predict_sends_scalar_arguments(server):
    run = succeeded(cli(server.address, "predict", "slow", "value=[21.0]", "iterations=1", "--json"))
    assert_has_numbers(found(json.loads(run.stdout), "OUTPUT__0")[0], np.array([42.0]))


def test_cli_predict_shows_a_person_outputs_and_device(server):
    run = succeeded(cli(server.address, "predict", "mlp", "x=random"))
    assert "probabilities" in run.stdout
    with Client(server.address) as client:
        assert client.model("mlp").placement.device in run.stdout


def test_cli_models_lists_all_with_their_states(server):
    run = succeeded(cli(server.address, "models"))
    lines = {line.split()[0]: line.lower() for line in run.stdout.splitlines() if line.split()}
    assert "ready" in lines["mlp"]
    assert "failed" in lines["corrupt"]
    text = succeeded(cli(server.address, "models", "--json")).stdout
    for name in ("mlp", "mlp_dict", "slow", "corrupt"):
        assert f'"{name}"' in text
    json.loads(text)


def test_cli_model_shows_inputs_file_and_place(server):
    text = succeeded(cli(server.address, "model", "mlp")).stdout
    for fragment in ("x", "probabilities", "mlp/1/mlp.pt", "torchscript"):
        assert fragment in text
    document = json.loads(succeeded(cli(server.address, "model", "mlp", "--json")).stdout)
    assert found(document, "sha256")[0]


def test_cli_model_shows_why_one_failed(server):
    with Client(server.address) as client:
        reason = client.model("corrupt").error_message
    assert reason in succeeded(cli(server.address, "model", "corrupt", "--json")).stdout.replace('\\"', '"')


def test_cli_health_exits_by_status(server):
    succeeded(cli(server.address, "health"))
    succeeded(cli(server.address, "health", "--model", "mlp"))
    failed(cli(server.address, "health", "--model", "corrupt"), NOT_SERVING)


@pytest.mark.parametrize("arguments,fragment", [
    (["predict", "no_such_model", "x=[[1,2,3,4]]"], "no_such_model"),
    (["predict", "mlp:99", "x=[[1,2,3,4]]"], "99"),
    (["predict", "corrupt", "x=[[1,2,3,4]]"], "corrupt"),
    (["model", "no_such_model"], "no_such_model"),
])
def test_cli_server_error_exits_1_with_the_message(server, arguments, fragment):
    failed(cli(server.address, *arguments), SERVER_ERROR, fragment)


@pytest.mark.parametrize("arguments,fragment", [
    (["predict"], ""),
    (["no_such_command"], "no_such_command"),
    (["predict", "mlp", "x=[[1,2,3,4]]", "--no-such-flag"], "--no-such-flag"),
    (["predict", "mlp", "x"], "x"),
    (["predict", "mlp", "x=@no_such_file.npy"], "no_such_file.npy"),
    (["predict", "mlp:one", "x=[[1,2,3,4]]"], "one"),
    (["predict", "mlp", "x=[[1,2"], "x"),
    ([], ""),
])
def test_cli_usage_error_exits_2(server, arguments, fragment):
    failed(cli(server.address, *arguments), USAGE, fragment)


@pytest.mark.parametrize("arguments", [["health"], ["models"], ["predict", "mlp", "x=[[1,2,3,4]]"]])
def test_cli_unreachable_server_exits_3_with_the_address(arguments):
    with socket.socket() as taken:  # bound and not listening: nobody answers there
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        failed(cli(address, *arguments), UNREACHABLE, address)


def test_cli_deadline_exits_4(store, start):
    store.add("slow")
    server = start()
    run = cli(server.address, "predict", "slow", "value=[1.0]", "iterations=2000", "--timeout", "0.2")
    failed(run, DEADLINE)
    # The forward pass that runs ends before the server does.


def test_cli_helps_and_tells_its_version(server):
    assert "predict" in succeeded(cli(server.address, "--help")).stdout
    assert "NAME" in succeeded(cli(server.address, "predict", "--help")).stdout
    assert any(c.isdigit() for c in succeeded(cli(server.address, "--version")).stdout)
