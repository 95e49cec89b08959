"""The portability matrix: one network, saved in every format, on every kind of machine and in every dtype, served unedited on
the CPU and on two simulated accelerators; every answer is PyTorch's own.

How the device tags were made (fixtures/portable_models.py): those of torch.save by PyTorch itself, which writes cuda:N without a
GPU; those of TorchScript by rewriting the archive, its tensors' tags and the devices in its code, as a GPU would have left them.

`pytest -s` prints the table. TORCHFERRY_TEST_DEVICES, "cuda:0,cuda:1", serves on these instead, where they are there. "sim:0"
rehearses that without a GPU.
"""

import json
import os
import re

import numpy as np
import pytest

import harness
import portable_files
from deviations import deviation_table
from harness import Client
from stores import Store
from wire import FIXTURES, bf16_tensor, floats, pb, reference, tensor, widen

FOLDER = FIXTURES / "portable"
INDEX = json.loads((FOLDER / "index.json").read_text())
ASKED = os.environ.get("TORCHFERRY_TEST_DEVICES", "")
DEVICES = ASKED.split(",") if ASKED else ["cpu", "sim:0", "sim:1"]
DTYPES = {"FP32": pb.DATA_TYPE_FP32, "FP16": pb.DATA_TYPE_FP16, "BF16": pb.DATA_TYPE_BF16}
ROWS = (1, 7)

if "cuda" in ASKED and harness.gpu_count() == 0:
    pytest.skip(f"this host has no GPU to serve on {ASKED}", allow_module_level=True)

# How far an answer may be from PyTorch's in FP32 with the same weights, absolute up to magnitude 1 and relative above: what
# rounding to the dtype, at each operator where it is computed in, makes of it. A GPU adds in another order.
TOLERANCES = {"FP32": 1e-5, "FP16": 4e-3, "BF16": 4e-2} if not ASKED else {"FP32": 1e-4, "FP16": 4e-3, "BF16": 4e-2}
WITHOUT_ARCHITECTURE = ("scripted", "scripted_literal", "traced")


def model_name(entry, device):
    return re.sub(r"[^a-z0-9_]", "_", f"{entry['format']}_{entry['saved']}_{entry['dtype']}_on_{device}".lower())


def cells():
    return [pytest.param(entry, device, id=model_name(entry, device)) for entry in INDEX["files"] for device in DEVICES]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("portability")
    portable_files.unpack_portable(folder / "files")
    store = Store(folder / "store")
    for entry in INDEX["files"]:
        for device in DEVICES:
            others = {} if entry["format"] in WITHOUT_ARCHITECTURE else {"forward_py": FOLDER / "forward.py"}
            model = store.add_file(model_name(entry, device), folder / "files" / entry["file"], entry["file"], **others)
            (model / "config.pbtxt").write_text(f'torchferry {{ device: "{device}" fallback: NONE }}\n')
    binary = "torchferry-server" if "cuda" in ASKED else harness.SIM_SERVER
    with harness.serving(store, folder / "server", binary=binary, ready=False) as server:
        yield server.wait_settled()


@pytest.fixture(scope="module")
def client(server):
    with Client(server.address) as client:
        yield client


@pytest.fixture(scope="module")
def table():
    left_out = [f"{cell['format']} saved on {cell['saved']} in {cell['dtype']}: {cell['reason']}" for cell in INDEX["left_out"]]
    with deviation_table("format", DEVICES, TOLERANCES, left_out) as results:
        yield results


def ask(client, model, dtype, rows):
    x = reference("portable", f"x_{dtype}", rows)
    response = client.predict(model, {"x": bf16_tensor(x) if dtype == "BF16" else tensor(x)})
    assert len(response.outputs) == 1
    return response, next(iter(response.outputs.values()))


def deviation(actual, expected):
    return float(np.max(np.abs(actual - expected) / np.maximum(1, np.abs(expected))))


@pytest.mark.parametrize("entry, device", cells())
def test_cell(client, table, record_property, entry, device):
    model, dtype = model_name(entry, device), entry["dtype"]
    version = client.model(model)
    assert version.state == pb.MODEL_STATE_READY, version.error_message
    worst = 0
    for rows in ROWS:
        response, output = ask(client, model, dtype, rows)
        assert output.dtype == DTYPES[dtype]
        assert response.execution.device == device and not response.execution.fallback
        actual = floats(output)
        worst = max(worst, deviation(actual, reference("portable", f"fp32_{dtype}", rows)))
        assert worst <= TOLERANCES[dtype]
        if not ASKED:
            # And from what PyTorch gives in the dtype itself.
            assert deviation(actual, widen(reference("portable", f"own_{dtype}", rows))) <= TOLERANCES[dtype]
    table[entry["format"], entry["saved"]][device, dtype] = f"{worst:.1e}"
    record_property(f"deviation {dtype}", worst)


def test_what_code_says_of_devices_is_rewritten_and_counted(client):
    counts = {}
    for entry in INDEX["files"]:
        for device in DEVICES:
            placement = client.model(model_name(entry, device)).placement
            counts[entry["format"], entry["saved"], entry["dtype"], device] = placement.rewritten_constants
            said = [decision for decision in placement.decisions if decision.startswith("rewrote")]
            assert bool(said) == (placement.rewritten_constants > 0)
    for device in DEVICES:
        for saved in ("cuda:0", "cpu"):
            assert saved == device or counts["traced", saved, "FP32", device] > 0
        # A part of it was saved where it now runs.
        least = 0 if device.startswith("cuda") else counts["traced", "cpu", "FP32", device] / 2
        assert device == "cpu" or counts["traced", "two", "FP32", device] > least
    if not ASKED:
        assert counts["traced", "cpu", "FP32", "cpu"] == 0
        assert counts["scripted", "cpu", "FP32", "cpu"] == 0
        # Element types too.
        assert counts["traced", "cpu", "FP16", "cpu"] > 0


def test_precision_is_what_the_device_computes_well(client):
    native_bf16 = any(flag in open("/proc/cpuinfo").read() for flag in ("avx512_bf16", "amx_bf16"))
    for entry in INDEX["files"]:
        for device in DEVICES:
            expected = entry["dtype"]
            if device == "cpu" and (expected == "FP16" or (expected == "BF16" and not native_bf16)):
                expected = "FP32"
            assert client.model(model_name(entry, device)).placement.precision == expected, entry
