"""Networks from libraries, traced on a CPU: torchvision's resnet18, a Hugging Face encoder, a two-layer LSTM. Served where they were
traced, on a simulated accelerator, and, with their devices rewritten to cuda:0 as a trace on a GPU has them, on both; in each dtype.
Every answer is PyTorch's. `pytest -s` prints what was rewritten."""

import numpy as np
import pytest

import device_tags
import harness
import portable_files
from harness import Client
from portable_files import FIXTURES
from stores import Store
from wire import bf16_tensor, floats, pb, tensor, widen

FOLDER = FIXTURES / "traced"
ROWS = portable_files.traced_rows()
SERVED = {f"{row['model']}_{row['dtype']}_{row['format']}_{origin}_on_{device}".lower().replace(":", ""): (row, origin, device)
          for row in ROWS
          for origin in (("cpu", "cuda:0") if row["format"] == "traced" else ("cpu",))
          for device in ("cpu", "sim:0")}

# Of the largest deviation from FP32 with the same weights, relative to the spread of the answers where that is above 1.
TOLERANCES = {"FP32": 1e-5, "FP16": 0.01, "BF16": 0.08}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("traced")
    store = Store(folder / "store")
    for name, (row, origin, device) in SERVED.items():
        file = folder / "model.pt"
        portable_files.inflate(FOLDER / row["file"], file)
        if origin != "cpu":
            device_tags.rewrite_devices(file, folder / "moved.pt", origin)
            file = folder / "moved.pt"
        others = {} if row["format"] == "traced" else {"forward_py": FOLDER / "lstm_forward.py"}
        model = store.add_file(name, file, **others)
        (model / "config.pbtxt").write_text(f'torchferry {{ device: "{device}" fallback: NONE }}\n')
    with harness.serving(store, folder / "server", binary=harness.SIM_SERVER, ready=False) as server:
        server.wait_settled()
        with Client(server.address) as client:
            yield client


def messages(arrays):
    return {name: bf16_tensor(array) if array.dtype == np.uint16 else tensor(array) for name, array in arrays.items()}


@pytest.mark.parametrize("name", SERVED)
def test_answers_are_pytorchs(client, name):
    row, origin, device = SERVED[name]
    version = client.model(name)
    assert version.state == pb.MODEL_STATE_READY, version.error_message
    assert list(version.file.saved_devices) == [origin]
    for case in row["cases"]:
        response = client.predict(name, messages(portable_files.inputs_of(row, case)))
        assert response.execution.device == device
        (output,) = response.outputs.values()
        assert output.dtype == pb.DataType.Value(f"DATA_TYPE_{row['dtype']}")
        actual = floats(output)
        if row["every"] > 1:
            actual = actual[:, ::row["every"]]
        for which in ("fp32", "own"):
            expected = widen(portable_files.answer_of(row, case, which))
            assert actual.shape == expected.shape
            worst = np.abs(actual - expected).max() / max(1, expected.std())
            assert worst <= TOLERANCES[row["dtype"]], f"{case}, PyTorch's {which}: off by {worst}"
    print(f"\n{name}: {version.placement.rewritten_constants} rewritten; {'; '.join(version.placement.decisions)}")


@pytest.mark.parametrize("model, origin, device, is_rewritten", [
    ("encoder", "cpu", "cpu", False), ("encoder", "cpu", "sim:0", True), ("encoder", "cuda:0", "cpu", True),
    ("lstm_traced", "cpu", "sim:0", True), ("lstm_traced", "cuda:0", "cpu", True),
])
def test_what_was_rewritten_is_counted(client, model, origin, device, is_rewritten):
    (name,) = [name for name, (row, where, on) in SERVED.items()
               if (row["model"], row["dtype"], where, on) == (model, "FP32", origin, device)]
    assert (client.model(name).placement.rewritten_constants > 0) == is_rewritten
