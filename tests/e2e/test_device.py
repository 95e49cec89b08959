"""Where a model runs: what the file remembers of its device is no demand, and a fallback is seen by everyone."""

import hashlib

import pytest

from harness import ABSENT_DEVICE, Client, Code, Health, cli, refused
from wire import array, assert_close, pb, reference


def config(**fields):
    return "torchferry { " + " ".join(f"{k}: {v}" for k, v in fields.items()) + " }\n"


def predict(client, model):
    """A right answer's Execution."""
    response = client.predict(model, {"x": reference("mlp", "x", 7)})
    assert_close(array(response.outputs["probabilities"]), reference("mlp", "probabilities", 7))
    return response.execution


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_checkpoint_saved_on_cuda_loads_without_being_a_fallback(store, start, device):
    store.add("mlp_cuda")
    server = start("--device", device, "--log-format", "json")
    with Client(server.address) as client:
        execution = predict(client, "mlp_cuda")
        placement = client.model("mlp_cuda").placement
        assert not execution.fallback and execution.fallback_reason == ""
        assert not placement.fallback and placement.fallback_reason == ""
        assert placement.requested_device == device
        assert placement.device == execution.device
        if device == "cpu":
            assert execution.device == "cpu"
    assert server.metrics().sum("torchferry_fallbacks_total") == 0
    assert [line for line in server.log_lines() if line["level"] in ("warning", "error")] == []


def test_model_file_lists_the_devices_that_it_was_saved_on(store, start):
    folder = store.add("mlp_cuda")
    content = (folder / "1" / "resnet18_gpu.pth").read_bytes()
    server = start()
    with Client(server.address) as client:
        file = client.model("mlp_cuda").file
        assert file.path == "mlp_cuda/1/resnet18_gpu.pth"
        assert file.format == "state_dict"
        assert file.architecture == "mlp_cuda/forward.py"
        assert list(file.saved_devices) == ["cuda:1"]
        assert list(file.saved_dtypes) == ["FP32"]
        assert file.size_bytes == len(content)
        assert file.sha256 == hashlib.sha256(content).hexdigest()


def test_absent_device_falls_back_to_the_cpu_for_all_to_see(store, start):
    store.add("mlp_cuda", extra_config=config(device=f'"{ABSENT_DEVICE}"', fallback="CPU"))
    server = start("--log-format", "json")
    with Client(server.address) as client:
        for _ in range(3):
            execution = predict(client, "mlp_cuda")
            assert execution.device == "cpu"
            assert execution.fallback
            assert execution.fallback_reason == "absent"
        placement = client.model("mlp_cuda").placement
        assert (placement.device, placement.requested_device) == ("cpu", ABSENT_DEVICE)
        assert (placement.fallback, placement.fallback_reason) == (True, "absent")
        assert any(ABSENT_DEVICE in decision for decision in placement.decisions)
    # One load decision, however many requests follow.
    fallbacks = server.metrics().find("torchferry_fallbacks_total")
    assert fallbacks == [({"model": "mlp_cuda", "from": ABSENT_DEVICE, "to": "cpu", "reason": "absent"}, 1)]
    warnings = [line for line in server.log_lines() if line["level"] == "warning"]
    assert len(warnings) == 1, warnings
    assert warnings[0]["model"] == "mlp_cuda"
    assert any(ABSENT_DEVICE in str(value) for value in warnings[0].values())
    run = cli(server.address, "model", "mlp_cuda")
    assert run.returncode == 0, run.stderr
    assert ABSENT_DEVICE in run.stdout and "absent" in run.stdout


def test_fallback_to_the_cpu_is_the_default(store, start):
    store.add("mlp_cuda", extra_config=config(device=f'"{ABSENT_DEVICE}"'))
    server = start()
    with Client(server.address) as client:
        assert predict(client, "mlp_cuda").fallback_reason == "absent"


def test_absent_device_of_the_flag_falls_back_too(store, start):
    store.add("mlp")
    server = start("--device", ABSENT_DEVICE)
    with Client(server.address) as client:
        execution = predict(client, "mlp")
        assert (execution.device, execution.fallback, execution.fallback_reason) == ("cpu", True, "absent")
        assert client.model("mlp").placement.requested_device == ABSENT_DEVICE


def test_device_of_the_config_goes_before_the_flag(store, start):
    store.add("mlp", extra_config=config(device='"cpu"'))
    server = start("--device", ABSENT_DEVICE)
    with Client(server.address) as client:
        execution = predict(client, "mlp")
        assert (execution.device, execution.fallback) == ("cpu", False)
        assert client.model("mlp").placement.requested_device == "cpu"


def test_absent_device_without_fallback_fails_the_version_alone(store, start):
    store.add("mlp_cuda", extra_config=config(device=f'"{ABSENT_DEVICE}"', fallback="NONE"))
    store.add("mlp")
    server = start().wait_settled()
    with Client(server.address) as client:
        version = client.model("mlp_cuda")
        assert version.state == pb.MODEL_STATE_FAILED
        assert version.error_code == Code.FAILED_PRECONDITION.value[0]
        assert ABSENT_DEVICE in version.error_message
        with refused(Code.FAILED_PRECONDITION, "mlp_cuda", ABSENT_DEVICE):
            client.predict("mlp_cuda", {"x": reference("mlp", "x", 1)})
        assert client.health("model/mlp_cuda") == Health.NOT_SERVING
        assert client.health("") == Health.SERVING
        assert not predict(client, "mlp").fallback
    assert server.metrics().sum("torchferry_fallbacks_total") == 0


def test_unknown_device_fails_the_version_and_names_it(store, start):
    store.add("mlp_cuda", extra_config=config(device='"gpu:first"'))
    store.add("mlp")
    server = start().wait_settled()
    with Client(server.address) as client:
        version = client.model("mlp_cuda")
        assert version.state == pb.MODEL_STATE_FAILED
        assert version.error_code == Code.INVALID_ARGUMENT.value[0]
        assert "gpu:first" in version.error_message
