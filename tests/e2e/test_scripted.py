"""Code that says more than traces do: hooks, enums, gradients, devices and element types in containers. Its answers are PyTorch's
wherever it runs."""

import json

import numpy as np
import pytest

import harness
import portable_files
from harness import Client
from portable_files import FIXTURES
from stores import Store
from wire import array, pb, tensor

SCRIPTED = FIXTURES / "scripted"
CASES = json.loads((SCRIPTED / "index.json").read_text())
DEVICES = ["cpu", "sim:1"]
TOLERANCES = {"float32": 1e-5, "float16": 4e-3}


@pytest.fixture(scope="module", params=DEVICES)
def server(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scripted")
    portable_files.unpack(SCRIPTED / "scripted.tar.xz", folder)
    store = Store(folder / "store")
    for name in CASES:
        store.add_file(name, folder / f"{name}.pt")
    with harness.serving(store, folder / "server", "--device", request.param, binary=harness.SIM_SERVER, ready=False) as server:
        server.device = request.param
        yield server.wait_settled()


@pytest.mark.parametrize("name", CASES)
def test_answers_are_pytorchs(server, name):
    case = CASES[name]
    inputs = {key: np.array(value["values"], value["dtype"]) for key, value in case["inputs"].items()}
    with Client(server.address) as client:
        version = client.model(name)
        assert version.state == pb.MODEL_STATE_READY, version.error_message
        assert version.placement.device == ("cpu" if name == "quantized" else server.device)
        for _ in range(3):  # TorchScript compiles anew in the first runs
            outputs = client.predict(name, {key: tensor(value) for key, value in inputs.items()}).outputs
            assert len(outputs) == len(case["outputs"])
            for index, expected in enumerate(case["outputs"]):
                output = array(outputs[f"OUTPUT__{index}"])
                assert output.dtype == expected["dtype"]
                values = np.array(expected["values"], np.float32)
                assert output.shape == values.shape
                bound = TOLERANCES[expected["dtype"]] * np.maximum(1, np.abs(values))
                assert np.all(np.abs(output.astype(np.float32) - values) <= bound), np.max(np.abs(output - values))


def test_quantised_weights_stay_on_the_cpu_and_say_why(server):
    with Client(server.address) as client:
        placement = client.model("quantized").placement
        wants_other = server.device != "cpu"
        assert placement.fallback == wants_other
        assert placement.fallback_reason == ("quantized" if wants_other else "")
        assert any("no kernels for quantized weights" in decision for decision in placement.decisions) == wants_other


def test_what_containers_say_is_rewritten_and_counted(server):
    with Client(server.address) as client:
        placement = client.model("containers_of_cuda").placement
        # A list's, a tuple's, an object's, and those that are made of text when it runs.
        assert placement.rewritten_constants >= 4
        assert any("devices" in decision for decision in placement.decisions)
