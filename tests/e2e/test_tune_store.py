"""`torchferry-server --tune STORE`: the search without a server, whose results a server then uses."""

import json
import subprocess

import pytest

import harness
from harness import Client
from test_tuning import RECORD
from wire import assert_close, reference

BUDGET = ("--optimize-budget-seconds", "0.5")


def tune(store, *flags):
    command = [str(harness.server_binary("torchferry-server")), "--tune", str(store), "--device", "cpu", *BUDGET, *flags]
    return subprocess.run(command, env=harness.clean_environment(), check=False, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=4 * harness.DEADLINE_SECONDS)


def rows(result):
    """{model: its line} of the table."""
    heading, *lines = result.stdout.splitlines()
    assert heading.split()[:3] == ["MODEL", "VERSION", "BATCHES"], result.stdout
    return {line.split()[0]: line for line in lines}


def test_what_is_found_is_what_a_server_uses(store, start):
    model = store.add("mlp", versions=[1, 3])
    store.add("mlp", "other")
    result = tune(store.path)
    assert result.returncode == 0, result.stdout + result.stderr
    found = rows(result)
    assert set(found) == {"mlp", "other"} and found["mlp"].split()[1] == "3", result.stdout
    assert "tuning mlp/3 (1 of 2)\ntuning other/1 (2 of 2)\n" in result.stderr, result.stderr
    [record] = json.loads((model / "3" / RECORD).read_text())["records"]
    assert record["variant"] in found["mlp"]
    assert not (model / "1" / RECORD).exists(), "no version that a server would not load"
    with Client(start("--optimize", "auto", "--device", "cpu", *BUDGET).address) as client:
        placement = client.model("mlp").placement
        assert placement.tuning.kept and placement.tuning.variant == record["variant"], placement
        assert client.model("other").placement.tuning.kept
        assert_close(client.predict_arrays("mlp", {"x": reference("mlp", "x", 1)})["probabilities"], reference("mlp", "probabilities", 1))
    again = tune(store.path)
    assert again.returncode == 0 and "kept" in rows(again)["mlp"], again.stdout


def test_flags_that_the_server_will_have_count(store, start):
    store.add("mlp")
    assert tune(store.path, "--workers", "1").returncode == 0
    with Client(start("--optimize", "auto", "--device", "cpu", "--workers", "1", *BUDGET).address) as client:
        assert client.model("mlp").placement.tuning.kept
    with Client(start("--optimize", "auto", "--device", "cpu", "--workers", "3", *BUDGET).address) as client:
        assert not client.model("mlp").placement.tuning.kept


def test_models_that_are_named_alone(store):
    store.add("mlp")
    store.add("mlp", "other")
    result = tune(store.path, "--model-control", "explicit", "--load-model", "other")
    assert result.returncode == 0 and set(rows(result)) == {"other"}, result.stdout + result.stderr


def test_why_a_version_is_not_tuned_is_said_and_is_no_failure(store):
    store.add("running_sum")
    store.add("mlp", "off", extra_config='torchferry { optimize: "OFF" }\n')
    result = tune(store.path)
    assert result.returncode == 0, result.stderr
    found = rows(result)
    assert "not tuned: it keeps state" in found["running_sum"] and "not tuned: config.pbtxt turns it off" in found["off"]


def test_a_model_that_fails_is_named_and_the_others_are_tuned(store):
    store.add("mlp")
    broken = store.add("mlp", "broken")
    (broken / "1" / "mlp.pt").write_bytes(b"no model")
    unkept = store.add("mlp", "unkept")
    (unkept / "1" / RECORD).mkdir()  # root may write anywhere, but not a file over a folder
    (store.path / "wrong").mkdir()
    (store.path / "wrong" / "config.pbtxt").write_text("max_batch_size: -1\n")
    result = tune(store.path)
    assert result.returncode == 1, result.stdout
    found = rows(result)
    assert "failed: broken/1/mlp.pt" in found["broken"], found
    assert "not kept" in found["unkept"] and "failed:" in found["wrong"], found
    assert (store.path / "mlp" / "1" / RECORD).exists() and "kept" in found["mlp"]


@pytest.mark.parametrize(("flags", "code", "said"), [
    ((), 1, "has no model to tune; expected NAME/VERSION/FILE"),
    (("--optimize", "off"), 2, "--tune: has nothing to seek with --optimize off"),
    (("--deterministic",), 2, "leave that out"),
    (("--model-control", "explicit", "--load-model", "absent"), 1, "absent"),
])
def test_what_cannot_be_is_said(store, flags, code, said):
    result = tune(store.path, *flags)
    assert result.returncode == code and said in result.stderr, result.stderr
    assert not result.stdout


def test_a_store_that_is_not_there(store):
    result = tune(store.path / "absent")
    assert result.returncode == 2 and "absent" in result.stderr
