"""Models of MLflow, in a file store of its own making. Skipped without mlflow."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import pull_files
import pytest
from pull_files import landed

if importlib.util.find_spec("mlflow") is None:
    pytest.skip("mlflow is not installed", allow_module_level=True)

# Makes a store with a run for each folder of argv[1], registers each, and writes what it made as JSON.
MAKER = """
import json, pathlib, sys
import mlflow
made = {}
client = mlflow.MlflowClient()
mlflow.set_experiment("made")
for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    with mlflow.start_run() as run:
        mlflow.log_metric("accuracy", 0.25)
        mlflow.log_metric("loss", float("nan"))
        mlflow.log_artifacts(str(folder), "model")
    client.create_registered_model(folder.name)
    for _ in range(2):
        version = client.create_model_version(folder.name, f"runs:/{run.info.run_id}/model", run_id=run.info.run_id)
    client.set_registered_model_alias(folder.name, "champion", version.version)
    made[folder.name] = run.info.run_id
print(json.dumps(made))
"""
ML_MODEL = b"flavors:\n  pytorch:\n    model_data: data\n    pytorch_version: 2.11.0\nmodel_uuid: 0\n"
SCRIPTED = (pull_files.TESTDATA / "scripted.pt").read_bytes()


def environment(folder):
    package = str(pull_files.REPO / "client" / "python")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")]),
        "MLFLOW_TRACKING_URI": (folder / "mlruns").as_uri(),
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mlflow")
    info = {
        "MLmodel": ML_MODEL,
        "requirements.txt": b"torch\n",
        "data/pickle_module_info.txt": b"mlflow.pytorch.pickle_module",
    }
    models = {
        "scripted": {**info, "data/model.pth": SCRIPTED},
        "exported": {**info, "data/model.pt2": pull_files.program()},
        "weights": {"state_dict.pth": (pull_files.TESTDATA / "tied.pt").read_bytes()},
        "sharded": {"MLmodel": ML_MODEL, **{f"model/{name}": content for name, content in pull_files.shards().items()}},
        "pickled": {**info, "data/model.pth": pull_files.whole_model(folder / "run")},
        "sklearn": {"MLmodel": b"flavors:\n  sklearn: {}\n", "model.pkl": b"\x80\x04N."},
    }
    for name, files in models.items():
        pull_files.write(folder / "models" / name, files)
    run = subprocess.run(
        [sys.executable, "-c", MAKER, folder / "models"],
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return folder, json.loads(run.stdout.splitlines()[-1])


@pytest.fixture
def pull(made, tmp_path):
    store = tmp_path / "store"
    store.mkdir()

    def run(source, *flags):
        command = [sys.executable, "-m", "torchferry._pull", source, str(store / "m"), *flags]
        result = subprocess.run(
            command, env=environment(made[0]), capture_output=True, text=True, timeout=120, check=False
        )
        assert "Traceback" not in result.stderr
        return result.returncode, result.stderr, landed(store)

    return run


def origin(files, version=1):
    return json.loads(files[f"m/{version}/torchferry.json"])["origin"]


def test_a_registered_model_lands_with_its_run(pull, made):
    status, err, files = pull("mlflow:/models:/scripted/2")
    assert status == 0, err
    assert files["m/1/model.pth"] == SCRIPTED
    assert set(files) == {"m/1/model.pth", "m/1/torchferry.json"}
    assert origin(files) == {
        "source": "mlflow:/models:/scripted/2",
        "sha256": pull_files.sha256(SCRIPTED),
        "run_id": made[1]["scripted"],
        "metrics": {"accuracy": 0.25},
    }


def test_an_alias_is_resolved_to_its_version(pull):
    status, err, files = pull("mlflow:/models:/exported@champion")
    assert status == 0, err
    assert files["m/1/model.pt2"] == pull_files.program()
    assert origin(files)["source"] == "mlflow:/models:/exported/2"


def test_what_a_run_logged_lands(pull, made):
    run = made[1]["weights"]
    status, err, files = pull(f"mlflow:/runs:/{run}/model")
    assert status == 0, err
    assert "these are weights alone" in err
    assert origin(files)["source"] == f"mlflow:/runs:/{run}/model"
    status, err, files = pull(f"mlflow:/runs:/{run}/model/state_dict.pth")
    assert status == 0, err
    assert files["m/2/state_dict.pth"] == files["m/1/state_dict.pth"]


def test_sharded_weights_land(pull):
    status, err, files = pull("mlflow:/models:/sharded/1")
    assert status == 0, err
    expected = {name for name in pull_files.shards() if name.startswith("model")}
    assert set(files) == {f"m/1/{name}" for name in (*expected, "torchferry.json")}


def test_a_whole_pickle_is_refused_and_not_run(pull, made):
    status, err, files = pull("mlflow:/models:/pickled/1")
    assert (status, files) == (1, {})
    assert "data/model.pth: is a pickle of a whole object" in err
    assert "torchferry convert model.pth --class posix.mkdir" in err
    assert not (made[0] / "run").exists()


def test_a_model_of_another_flavor_is_refused(pull):
    status, err, files = pull("mlflow:/models:/sklearn/1")
    assert (status, files) == (1, {})
    assert "mlflow:/models:/sklearn/1: has no model file" in err and "'model.pkl'" in err


@pytest.mark.parametrize(
    "source,message",
    [
        ("mlflow:/models:/scripted/77", "not found"),
        ("mlflow:/models:/nobody/1", "not found"),
        ("mlflow:/models:/scripted@nobody", "alias nobody not found"),
        ("mlflow:/runs:/0123456789abcdef0123456789abcdef/model", "not found"),
        ("mlflow:/models:/scripted", "is no model of MLflow; expected mlflow:/models:/NAME/VERSION"),
        ("mlflow:/x", "is no model of MLflow"),
    ],
)
def test_what_is_not_there_is_said(pull, source, message):
    status, err, files = pull(source)
    assert (status, files) == (1, {})
    assert message in err
    assert err.count("\n") == 1


def test_a_path_that_a_run_has_not_is_said(pull, made):
    status, err, files = pull(f"mlflow:/runs:/{made[1]['scripted']}/nowhere")
    assert (status, files) == (1, {})
    assert "MLflow has no file there; look at the path" in err


def test_the_size_is_bounded(pull):
    status, err, files = pull("mlflow:/models:/scripted/1", "--max-size", str(len(SCRIPTED) - 1))
    assert (status, files) == (1, {})
    assert "left of --max-size" in err


def test_without_mlflow_the_way_out_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    pathlib.Path(tmp_path / "store").mkdir()
    for source, package in (("mlflow:/models:/m/1", "mlflow"), ("hf://org/net", "huggingface_hub")):
        status, _, err = pull_files.pull(capsys, source, tmp_path / "store" / "m")
        assert status == 1
        assert f"needs the package {package}, which is not installed; run: pip install --upgrade {package}" in err
    assert landed(tmp_path / "store") == {}
