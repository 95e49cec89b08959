"""Programs that PyTorch 2.7, 2.8, 2.9, 2.11 and 2.15 wrote: three layouts of the archive, five schemas."""

import json

import numpy as np
import pytest

import exported_programs
import harness
from exported_programs import deviation
from harness import Client
from inspecting import inspect_files
from stores import Store
from wire import array, pb

VERSIONS = {"2.7.1": "8.7", "2.8.0": "8.8", "2.9.1": "8.14", "2.11.0": "8.17", "2.15.0": "8.20"}
MODELS = ("mlp", "net", "lstm")
ROWS = (1, 5)


def model_name(model, version):
    return f"{model}_{version.replace('.', '_')}"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return exported_programs.unpacked(tmp_path_factory.mktemp("files"), "versions")


@pytest.fixture(scope="module")
def server(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("versions")
    store = Store(folder / "store")
    for version in VERSIONS:
        for model in MODELS:
            store.add_file(model_name(model, version), files / version / f"{model}.pt2", f"{model}.pt2")
    with harness.serving(store, folder / "server", ready=False) as server:
        yield server.wait_settled()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("model", MODELS)
def test_answers_are_those_of_the_pytorch_that_wrote_it(server, files, model, version):
    expected = np.load(files / version / f"{model}.npz")
    names = {key.rsplit(".", 1)[0] for key in expected.files} - {"x"}
    with Client(server.address) as client:
        shown = client.model(model_name(model, version))
        assert shown.state == pb.MODEL_STATE_READY, shown.error_message
        assert shown.dynamic_batching
        for rows in ROWS:
            outputs = client.predict(model_name(model, version), {"x" if model != "mlp" else "input": expected[f"x.{rows}"]}).outputs
            # A lone tensor has no name in a program.
            assert set(outputs) == ({"OUTPUT__0"} if names == {"output"} else names)
            for name, message in outputs.items():
                key = "output" if name == "OUTPUT__0" else name
                assert deviation(array(message), expected[f"{key}.{rows}"]) <= 1e-6, (name, rows)


def test_the_files_are_of_those_versions(files):
    for version, schema in VERSIONS.items():
        assert json.loads((files / version / "versions.json").read_text()) == {"torch": version, "schema": schema}


@pytest.mark.parametrize("version", VERSIONS)
def test_inspect_shows_the_version(files, version):
    shown = inspect_files(files / version, "net.pt2")["net.pt2"]
    assert shown["servable"], shown
    assert version in json.dumps(shown), shown
