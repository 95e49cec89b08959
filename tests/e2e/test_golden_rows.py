"""Golden rows of a passport are run wherever a version is placed: at load, on a standby copy when it is made, and after a move. A
placement that answers them otherwise is refused with the reason `parity`, and the next one serves."""

import json

import numpy as np
import pytest

import harness
from harness import Client, Code, check_message, cli
from passports import filled, generated, passport, put_beside, put_into_archive, row, spec
from stores import Store
from test_failover import sim_server
from test_random import put as put_code
from wire import assert_close, pb, reference

PASSED, FAILED, NOT_CHECKED = pb.PARITY_STATE_PASSED, pb.PARITY_STATE_FAILED, pb.PARITY_STATE_NOT_CHECKED
MLP = {"inputs": [spec("x", [4])], "outputs": [spec("probabilities", [3])]}


def mlp_row(wrong=0.0):
    """PyTorch's own answer, or one that is off by `wrong`."""
    return row({"x": reference("mlp", "x", 1)}, {"probabilities": reference("mlp", "probabilities", 1) + np.float32(wrong)})


def mlp(store, name, own="", rows=None, **tolerance):
    """The fixture with golden rows, and without more config than torchferry's `own`."""
    folder = store.add("mlp", name)
    (folder / "config.pbtxt").write_text(f"torchferry {{ {own} }}\n")
    put_into_archive(folder / "1" / "mlp.pt", passport(**MLP, rows=[mlp_row()] if rows is None else rows, **tolerance))
    return folder


def image(store, name, wrong=0.0):
    """A model of 600 KB a request whose golden input is generated; one of its golden answers is off by `wrong`."""
    shape = (3, 224, 224)
    put_code(store, name, "    return x[:, ::56, 100] * 2 + self.w\n")
    (store.path / name / "config.pbtxt").write_text('max_batch_size: 0\ninput { name: "x" data_type: TYPE_FP32 dims: [ 3, 224, 224 ] }\n')
    answer = generated(shape, seed=7)[:, ::56, 100] * 2
    answer[2, 3] += np.float32(wrong)
    put_beside(store.path / name / "1", passport(rows=[row({"x": filled(shape, seed=7)}, {"OUTPUT__0": answer})], rtol=0, atol=0))


def parity_of(version):
    """(device, precision, state) of each placement that was checked, in order."""
    return [(p.device, p.precision, p.state) for p in version.placement.parity]


def check_answer(client, name, device, reason=""):
    """PyTorch's answer, from that device."""
    response = client.predict(name, {"x": reference("mlp", "x", 7)})
    assert response.execution.device == device
    assert (response.execution.fallback_reason if response.execution.fallback else "") == reason
    assert_close(harness.array(response.outputs["probabilities"]), reference("mlp", "probabilities", 7))


STRICT = {"rtol": 0, "atol": 1e-5}  # BF16 is off by more, FP32 by less
BF16 = 'device: "sim:0" precision: BF16'


@pytest.fixture(scope="module")
def sim(tmp_path_factory):
    """Sound devices, and models that are checked there."""
    folder = tmp_path_factory.mktemp("golden")
    store = Store(folder / "store")
    mlp(store, "sound", 'device: "sim:0"')
    mlp(store, "bf16", BF16, **STRICT)
    mlp(store, "bf16_none", BF16 + " fallback: NONE", **STRICT)
    mlp(store, "bf16_warn", BF16 + " parity: WARN", **STRICT)
    mlp(store, "bf16_off", BF16 + " parity: OFF", **STRICT)
    mlp(store, "bf16_wide", BF16, rtol=0.05, atol=0.05)
    mlp(store, "none_left", 'device: "sim:0"', rows=[mlp_row(), mlp_row(wrong=0.5)])
    mlp(store, "tuned", 'device: "cpu" optimize: "AUTO"', **STRICT)
    whole = store.add("mlp_dict", "whole")
    (whole / "config.pbtxt").unlink()
    put_beside(whole / "1", passport([spec("x", [4])], [spec("probabilities", [3]), spec("label", [1], "INT64")], rows=[row(
        {"x": reference("mlp", "x", 1)}, {name: reference("mlp", name, 1) for name in ("probabilities", "label")})]))
    other = store.add("mlp_dict", "other_label")
    (other / "config.pbtxt").unlink()
    fewer = store.add("mlp_dict", "fewer")
    put_beside(fewer / "1", passport(rows=[row({"x": reference("mlp", "x", 1)}, {
        "probabilities": reference("mlp", "probabilities", 1), "gone": np.zeros((1, 1), np.float32)})]))
    put_beside(other / "1", passport(rows=[row({"x": reference("mlp", "x", 1)}, {"label": reference("mlp", "label", 1) + 1})], rtol=9, atol=9))
    state = store.add("running_sum")
    five = row({"x": np.full((1, 1), 5, np.float32)}, {"sum": np.full((1, 1), 5001, np.float32)})
    put_beside(state / "1", passport(rows=[five, five], rtol=0, atol=0))
    x = np.zeros(4, np.float32)
    put_code(store, "draws", "    return torch.rand_like(x) + self.w\n")
    put_beside(store.path / "draws" / "1", passport(rows=[row({"x": x}, {"OUTPUT__0": x})]))
    put_code(store, "unfit", "    return x + self.w\n")
    put_beside(store.path / "unfit" / "1", passport(rows=[row({"x": np.zeros(5, np.float32)}, {"OUTPUT__0": x})]))
    image(store, "generated")
    image(store, "generated_wrong", wrong=0.25)
    with sim_server(folder, store) as (server, _):
        yield server


@pytest.fixture
def client(sim):
    with Client(sim.address) as client:
        yield client


# --- at load ------------------------------------------------------------------------------------------------------------


def test_a_sound_placement_passes_and_so_does_its_standby(sim, client):
    version = harness.wait_until(lambda: (v := client.model("sound")) and len(v.placement.parity) == 2 and v, "the CPU's copy is made")
    assert version.state == pb.MODEL_STATE_READY and not version.placement.fallback
    assert parity_of(version) == [("sim:0", "FP32", PASSED), ("cpu", "FP32", PASSED)]
    first = version.placement.parity[0]
    assert first.rows == 1 and (first.rtol, first.atol) == (0.01, 0.001)
    assert first.difference <= 1e-6 < first.allowed and first.where.startswith('row 0, output "probabilities" at [0, ')
    assert any("golden rows are answered as when it was saved: 1 of 1" in d for d in version.placement.decisions)
    metrics = sim.metrics()
    for device in ("sim:0", "cpu"):
        assert metrics.sum("torchferry_parity_checks_total", model="sound", device=device, precision="FP32", result="passed") == 1
    check_answer(client, "sound", "sim:0")


def test_what_fewer_bits_change_beyond_the_tolerance_is_served_in_fp32(sim, client):
    version = client.model("bf16")
    placement = version.placement
    assert version.state == pb.MODEL_STATE_READY, version.error_message
    assert (placement.device, placement.precision) == ("sim:0", "FP32")
    assert (placement.fallback, placement.fallback_reason, placement.fallback_from) == (True, "parity", "sim:0 in BF16")
    assert parity_of(version)[:2] == [("sim:0", "BF16", FAILED), ("sim:0", "FP32", PASSED)]
    refused = placement.parity[0]
    assert refused.difference > refused.allowed == 1e-5
    assert any(d.startswith('not on sim:0 in BF16: row 0, output "probabilities" at [0, ') and "1e-05 allowed" in d
               for d in placement.decisions), placement.decisions
    assert any(d.startswith("precision FP32: golden rows") for d in placement.decisions), placement.decisions
    check_answer(client, "bf16", "sim:0", "parity")
    assert sim.metrics().sum("torchferry_fallbacks_total", model="bf16", reason="parity", to="sim:0") == 1
    assert sim.metrics().sum("torchferry_parity_checks_total", model="bf16", device="sim:0", precision="BF16", result="failed") == 1
    lines = [line for line in sim.log_lines() if line["message"] == "golden rows" and line["file"] == "bf16/1/mlp.pt"]
    assert [(line["device"], line["precision"], line["parity"]) for line in lines[:2]] == [("sim:0", "BF16", "failed"), ("sim:0", "FP32", "passed")]


def test_within_the_tolerance_fewer_bits_serve(client):
    version = client.model("bf16_wide")
    assert version.placement.precision == "BF16" and not version.placement.fallback
    assert parity_of(version)[0] == ("sim:0", "BF16", PASSED)
    assert version.placement.parity[0].difference > 1e-5


def test_without_fallback_the_version_fails(client):
    version = client.model("bf16_none")
    assert version.state == pb.MODEL_STATE_FAILED and version.error_code == Code.FAILED_PRECONDITION.value[0]
    check_message(version.error_message, "bf16_none/1/mlp.pt: golden rows", "fallback: NONE", "not on sim:0 in BF16: row 0",
                  "1e-05 allowed", "fallback: CPU", "parity: WARN")


def test_where_none_is_left_the_version_fails(client):
    version = client.model("none_left")
    assert version.state == pb.MODEL_STATE_FAILED and version.error_code == Code.FAILED_PRECONDITION.value[0]
    check_message(version.error_message, "wherever it may run", "not on sim:0 in FP32: row 1", "not on cpu in FP32: row 1", "0.5 apart")


def test_warn_serves_and_says_so(client):
    version = client.model("bf16_warn")
    assert version.state == pb.MODEL_STATE_READY and version.placement.precision == "BF16" and not version.placement.fallback
    assert parity_of(version)[0] == ("sim:0", "BF16", FAILED)
    assert version.placement.decisions[0].startswith("warning: golden rows are answered beyond their tolerance: row 0")


def test_off_runs_none(client):
    version = client.model("bf16_off")
    assert version.state == pb.MODEL_STATE_READY and version.placement.precision == "BF16"
    assert parity_of(version)[0] == ("sim:0", "BF16", NOT_CHECKED)
    assert not any(d.startswith("warning: ") for d in version.placement.decisions)


def test_whole_numbers_are_equal_or_not(client):
    assert parity_of(client.model("whole"))[0][2] == PASSED
    version = client.model("other_label")
    assert version.state == pb.MODEL_STATE_FAILED
    check_message(version.error_message, 'output "label" at [0, 0]', "0 allowed")


def test_an_input_that_is_too_large_for_a_passport_is_generated(client):
    version = client.model("generated")
    assert version.state == pb.MODEL_STATE_READY, version.error_message
    assert parity_of(version)[0] == ("sim:0", "FP32", PASSED)
    version = client.model("generated_wrong")
    assert version.state == pb.MODEL_STATE_FAILED and version.error_code == Code.FAILED_PRECONDITION.value[0]
    check_message(version.error_message, 'not on sim:0 in FP32: row 0, output "OUTPUT__0" at [2, 3]', "0.25 apart, 0 allowed")


def test_outputs_that_the_model_does_not_give_are_named(client):
    (parity, *_) = client.model("fewer").placement.parity
    assert parity.state == PASSED and parity.detail.endswith('not compared, as it does not give them: "gone"')


def test_state_is_not_touched(client):
    """Each row begins with the state in the file, and so does a stream after them."""
    version = client.model("running_sum")
    assert parity_of(version)[0][2] == PASSED and version.placement.parity[0].rows == 2
    assert client.predict_arrays("running_sum", {"x": np.full((1, 1), 5, np.float32)})["sum"].item() == 5001


@pytest.mark.parametrize("name,why", [("draws", "draws random numbers"), ("unfit", "golden row 0 does not fit the signature: ")])
def test_what_cannot_be_compared_is_named_and_serves(client, name, why):
    version = client.model(name)
    assert version.state == pb.MODEL_STATE_READY
    assert parity_of(version)[0][2] == NOT_CHECKED
    assert version.placement.decisions[0].startswith("warning: golden rows are not run: ") and why in version.placement.decisions[0]
    assert why in version.placement.parity[0].detail


def test_what_tuning_chose_is_what_passed(client):
    version = client.model("tuned")
    assert version.placement.HasField("tuning") and parity_of(version) == [("cpu", "FP32", PASSED)]


def test_the_cli_shows_each_placement(sim):
    text = cli(sim.address, "model", "bf16").stdout
    assert "sim:0 in BF16: failed; row 0" in text and "sim:0 in FP32: passed" in text
    shown = json.loads(cli(sim.address, "--json", "model", "bf16").stdout)["versions"][0]["placement"]["parity"]
    assert [(p["device"], p["precision"], p["state"]) for p in shown[:2]] == [("sim:0", "BF16", "failed"), ("sim:0", "FP32", "passed")]


# --- a broken kernel ----------------------------------------------------------------------------------------------------


def test_a_wrong_kernel_is_caught_at_load_and_the_next_device_serves(tmp_path):
    store = Store(tmp_path / "store")
    mlp(store, "auto")
    mlp(store, "named", 'device: "sim:0"')
    mlp(store, "unchecked", "parity: OFF")
    with sim_server(tmp_path, store, at_start="sim:0 wrong_products=1") as (server, _), Client(server.address) as client:
        version = client.model("auto")
        assert parity_of(version)[:2] == [("sim:0", "FP32", FAILED), ("sim:1", "FP32", PASSED)]
        assert (version.placement.fallback_from, version.placement.fallback_reason) == ("sim:0", "parity")
        check_answer(client, "auto", "sim:1", "parity")
        check_answer(client, "named", "cpu", "parity")
        # What nobody checks is answered wrongly: the fault is there.
        wrong = client.predict_arrays("unchecked", {"x": reference("mlp", "x", 7)})["probabilities"]
        assert np.max(np.abs(wrong - reference("mlp", "probabilities", 7))) > 1e-3
        # The device itself is not blamed.
        assert server.metrics().sum("torchferry_device_up", device="sim:0") == 1


def test_a_wrong_kernel_is_caught_after_a_move_and_the_next_placement_serves(tmp_path):
    store = Store(tmp_path / "store")
    mlp(store, "moves")
    with sim_server(tmp_path, store) as (server, set_faults), Client(server.address) as client:
        harness.wait_until(lambda: ("cpu", "FP32", PASSED) in parity_of(client.model("moves")), "the CPU's copy is made")
        check_answer(client, "moves", "sim:0")
        set_faults("sim:0 lost=1\nsim:1 wrong_products=1")
        # The standby copy answers at once; sim:1 would be better, and is tried beside it.
        check_answer(client, "moves", "cpu", "device_lost")
        harness.wait_until(lambda: ("sim:1", "FP32", FAILED) in parity_of(client.model("moves")), "sim:1 is tried and refused")
        for _ in range(5):
            check_answer(client, "moves", "cpu", "device_lost")
        refused = [line for line in server.log_lines() if line["message"] == "placement not made"]
        assert [line["device"] for line in refused] == ["sim:1"] and 'output "probabilities"' in refused[0]["reason"]
