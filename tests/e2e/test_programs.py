"""The portability matrix of torch.export programs: each saved on every kind of machine and in every dtype, served without a
signature in a config on the CPU and on two simulated accelerators; every answer is PyTorch's own.

What a program of a GPU looks like was written without one, under PyTorch's fake tensors (fixtures/program_models.py).
`pytest -s` prints the table. TORCHFERRY_TEST_DEVICES, "cuda:0,cuda:1", serves on these instead, where they are there. "sim:0"
rehearses that without a GPU.
"""

import os
import re

import pytest

import exported_programs
import harness
from deviations import deviation_table
from exported_programs import INDEX, cases_of, check_answer
from harness import Client
from stores import Store
from wire import pb

ASKED = os.environ.get("TORCHFERRY_TEST_DEVICES", "")
DEVICES = ASKED.split(",") if ASKED else ["cpu", "sim:0", "sim:1"]
# A GPU adds in another order.
TOLERANCES = exported_programs.TOLERANCES | ({"FP32": 1e-4} if ASKED else {})

if "cuda" in ASKED and harness.gpu_count() == 0:
    pytest.skip(f"this host has no GPU to serve on {ASKED}", allow_module_level=True)


def model_name(entry, device):
    return re.sub(r"[^a-z0-9_]", "_", f"{entry['model']}_{entry['saved']}_{entry['dtype']}_on_{device}".lower())


def cells():
    return [pytest.param(entry, device, id=model_name(entry, device)) for entry in INDEX["files"] for device in DEVICES]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return exported_programs.unpacked(tmp_path_factory.mktemp("files"), "programs")


@pytest.fixture(scope="module")
def server(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("programs")
    store = Store(folder / "store")
    for entry in INDEX["files"]:
        for device in DEVICES:
            model = store.add_file(model_name(entry, device), files / entry["file"], "model.pt2")
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
    left_out = [f"{cell['model']} in {cell['dtype']}: {cell['reason']}" for cell in INDEX["left_out"]]
    with deviation_table("program", DEVICES, TOLERANCES, left_out) as results:
        yield results


@pytest.mark.parametrize("entry, device", cells())
def test_cell(client, files, table, record_property, entry, device):
    model, dtype = model_name(entry, device), entry["dtype"]
    version = client.model(model)
    assert version.state == pb.MODEL_STATE_READY, version.error_message
    worst = 0.0
    for case in cases_of(files / f"{entry['model']}.{dtype}.npz", dtype).values():
        response = client.predict(model, case.inputs)
        assert response.execution.device == device and not response.execution.fallback
        worst = max(worst, check_answer(response.outputs, case, TOLERANCES[dtype]))
    table[entry["model"], entry["saved"]][device, dtype] = f"{worst:.1e}"
    record_property(f"deviation {dtype}", worst)


def test_devices_of_the_program_are_rewritten_and_counted(client):
    for entry in INDEX["files"]:
        if entry["model"] != "net":
            continue
        for device in DEVICES:
            placement = client.model(model_name(entry, device)).placement
            said = [decision for decision in placement.decisions if decision.startswith("rewrote")]
            assert bool(said) == (placement.rewritten_constants > 0)
            if entry["saved"] != device and (entry["saved"] != "two" or device != "cpu"):
                assert placement.rewritten_constants > 0, (entry, device)


def test_state_is_found_in_both_forms_and_only_there(client):
    stateful = {entry["model"] for entry in INDEX["files"] if client.model(model_name(entry, DEVICES[0])).stateful}
    assert stateful == {"counter", "counter_functional"}
