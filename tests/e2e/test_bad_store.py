"""One good model among bad ones: it serves, each bad one says why it does not, and nothing that they carry is run."""

import pytest

import harness
from harness import Client, Code, Health, check_message, cli, refused
from stores import Store
from wire import FIXTURES, assert_close, pb, reference

BAD_FILES = FIXTURES / "bad"
DATA_LOSS, INVALID = Code.DATA_LOSS.value[0], Code.INVALID_ARGUMENT.value[0]
PRECONDITION = Code.FAILED_PRECONDITION.value[0]
HOSTILE = DATA_LOSS

# model: (code, what its reason must name)
BAD = {
    "corrupt": (DATA_LOSS, ["corrupt/1/model.pt", "data.pkl"]),
    "corrupt_alone": (DATA_LOSS, ["corrupt_alone/1/model.pt", "data.pkl"]),
    "corrupt_directory": (DATA_LOSS, ["corrupt_directory/1/model.pt"]),
    "truncated": (DATA_LOSS, ["truncated/1/model.pt", "truncated"]),
    "whole_model": (INVALID, ["whole_model/1/model.pt", "training.models.Mlp", "state_dict", "script"]),
    "writes_in_forward_py": (HOSTILE, ["writes_in_forward_py/forward.py", "save"]),
    "writes_in_forward": (HOSTILE, ["writes_in_forward/1/model.pt", "save"]),
    "writes_at_load": (HOSTILE, ["writes_at_load/1/model.pt", "from_file"]),
    "not_a_model": (INVALID, ["not_a_model/1/model.pt"]),
    "bad_config": (INVALID, ["bad_config/config.pbtxt:3", "max_batch_sise"]),
    "without_architecture": (PRECONDITION, ["without_architecture/1/model.pt", "forward.py", "architecture.pt"]),
    "two_files": (PRECONDITION, ["a.pt", "b.pt", "default_model_filename"]),
}


def fill(store):
    store.add("mlp", "good")
    for name in ("corrupt", "corrupt_directory", "truncated"):
        store.add_file(name, BAD_FILES / f"{name}.pt", forward_py=FIXTURES / "lstm" / "forward.py")
    store.add_file("corrupt_alone", BAD_FILES / "corrupt.pt")
    for name in ("whole_model", "writes_in_forward", "writes_at_load"):
        store.add_file(name, BAD_FILES / f"{name}.pt")
    mlp_weights = FIXTURES / "mlp_cuda" / "1" / "resnet18_gpu.pth"
    store.add_file("writes_in_forward_py", mlp_weights, forward_py=BAD_FILES / "forward_that_writes.py")
    store.add_file("without_architecture", mlp_weights)
    store.add_file("not_a_model", FIXTURES / "expected" / "mlp" / "x.1.npy")
    bad = store.add("mlp", "bad_config")
    (bad / "config.pbtxt").write_text('name: "bad_config"\n\nmax_batch_sise: 4\n')
    two = store.add_file("two_files", FIXTURES / "mlp" / "1" / "mlp.pt", as_name="a.pt")
    (two / "1" / "b.pt").write_bytes((two / "1" / "a.pt").read_bytes())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bad_store")


@pytest.fixture(scope="module")
def server(folder):
    store = Store(folder / "store")
    fill(store)
    before = store.snapshot()
    with harness.serving(store, folder / "server", "--log-format", "json") as server:
        server.before = before
        yield server.wait_settled()


@pytest.fixture
def client(server):
    with Client(server.address) as client:
        yield client


def version_of(client, name):
    (version,) = [v for (model, _), v in client.models().items() if model == name]
    return version


def test_bad_store_is_ready_and_the_good_model_serves(server, client):
    assert client.health("") == Health.SERVING
    assert client.health("model/good") == Health.SERVING
    assert server.http("/readyz")[0] == 200
    outputs = client.predict_arrays("good", {"x": reference("mlp", "x", 7)})
    assert_close(outputs["probabilities"], reference("mlp", "probabilities", 7))


def test_bad_store_lists_every_model(client):
    assert sorted({name for name, _ in client.models()}) == sorted([*BAD, "good"])


@pytest.mark.parametrize("name", BAD)
def test_bad_model_is_failed_with_a_reason(client, name):
    code, fragments = BAD[name]
    version = version_of(client, name)
    assert version.state == pb.MODEL_STATE_FAILED
    check_message(version.error_message, *fragments)
    assert version.error_code == code, version.error_message
    assert client.model(name).error_message == version.error_message


@pytest.mark.parametrize("name", BAD)
def test_bad_model_is_not_serving(client, name):
    assert client.health(f"model/{name}") == Health.NOT_SERVING
    reason = version_of(client, name).error_message
    with refused(Code.FAILED_PRECONDITION, name, reason):
        client.predict(name, {"x": reference("mlp", "x", 1)})


@pytest.mark.parametrize("name", BAD)
def test_bad_model_is_in_the_log(server, client, name):
    reason = version_of(client, name).error_message
    lines = [line for line in server.log_lines() if line.get("model") == name and line["level"] in ("warning", "error")]
    assert any(reason in str(value) for line in lines for value in line.values()), lines


@pytest.mark.parametrize("name", BAD)
def test_bad_model_is_in_the_metrics(server, name):
    metrics = server.metrics()
    failed = metrics.find("torchferry_model_state", model=name, state="failed")
    assert [value for _, value in failed] == [1]
    others = [value for labels, value in metrics.find("torchferry_model_state", model=name)
              if labels["state"] != "failed"]
    assert not any(others)


@pytest.mark.parametrize("name", BAD)
def test_bad_model_is_in_the_cli(server, client, name):
    run = cli(server.address, "models")
    assert run.returncode == 0, run.stderr
    (line,) = [line for line in run.stdout.splitlines() if line.split()[:1] == [name]]
    assert "failed" in line.lower()
    shown = cli(server.address, "model", name)
    assert shown.returncode == 0, shown.stderr
    reason = version_of(client, name).error_message
    assert " ".join(reason.split()) in " ".join(shown.stdout.split())


def test_bad_store_is_left_as_it_was(server, folder, client):
    """Runs after the predictions above, and on its own sends one to each."""
    for name in BAD:
        with refused(Code.FAILED_PRECONDITION):
            client.predict(name, {"x": reference("mlp", "x", 1)})
    assert server.store.snapshot() == server.before
    assert [str(f) for f in folder.rglob("torchferry_pwned*")] == []
    assert list(server.cwd.iterdir()) == []


def test_trusted_code_may_write(store, start):
    """What the deny-list stops is real: without it the same file writes."""
    store.add_file("writes_in_forward", BAD_FILES / "writes_in_forward.pt")
    server = start("--trust-model-code")
    with Client(server.address) as client:
        client.predict("writes_in_forward", {"x": reference("mlp", "x", 1)})
    assert [f.name for f in server.cwd.iterdir()] == ["torchferry_pwned"]


def test_archives_are_refused_where_torchscript_is_off(store, start):
    """Of all that brings code only a forward.py is served, which an operator can read."""
    store.add_file("traced", FIXTURES / "mlp_traced" / "1" / "model.pt")
    store.add("mlp_cuda", "good")
    server = start("--no-torchscript")
    with Client(server.address) as client:
        with refused(Code.FAILED_PRECONDITION, "--no-torchscript", "state_dict"):
            client.predict("traced", {"x": reference("mlp", "x", 1)})
        outputs = client.predict_arrays("good", {"x": reference("mlp", "x", 7)})
        assert_close(outputs["probabilities"], reference("mlp", "probabilities", 7))


def test_readiness_all_waits_for_every_model(store, start):
    store.add("mlp", "good")
    store.add_file("corrupt", BAD_FILES / "corrupt.pt")
    server = start("--readiness", "all", ready=False).wait_settled()
    with Client(server.address) as client:
        assert client.health("") == Health.NOT_SERVING
        assert client.health("liveness") == Health.SERVING
        assert client.health("model/good") == Health.SERVING
        status, body = server.http("/readyz")
        assert status == 503
        assert "failed" in body
        assert server.http("/livez")[0] == 200
        outputs = client.predict_arrays("good", {"x": reference("mlp", "x", 7)})
        assert_close(outputs["probabilities"], reference("mlp", "probabilities", 7))


def test_store_of_bad_models_alone_is_not_ready(store, start):
    store.add_file("corrupt", BAD_FILES / "corrupt.pt")
    server = start(ready=False).wait_settled()
    with Client(server.address) as client:
        assert client.health("") == Health.NOT_SERVING
        assert client.health("liveness") == Health.SERVING
    assert server.http("/readyz")[0] == 503
