"""What a version takes of memory, as GetModel and the CLI show it."""

import json

import harness
from harness import Client
from stores import Store


def test_weights_and_the_largest_pass_are_shown(store, start):
    store.add("mlp")
    server = start("--device", "cpu")
    with Client(server.address) as client:
        memory = client.model("mlp").placement.memory
        file = client.model("mlp").file
    assert 0 < memory.weight_bytes <= file.size_bytes, memory
    assert memory.small_batch_weight_bytes == memory.standby_weight_bytes == 0, memory
    assert memory.pass_bytes >= memory.pass_rows * 4 * 4 and memory.pass_rows >= 1, memory
    shown = harness.cli(server.address, "model", "mlp").stdout
    assert f"({memory.weight_bytes} bytes)" in shown and "of tensors with" in shown, shown
    document = json.loads(harness.cli(server.address, "model", "mlp", "--json").stdout)
    assert f'"weight_bytes": {memory.weight_bytes}' in json.dumps(document)


def test_what_is_kept_ready_elsewhere_counts(tmp_path):
    store = Store(tmp_path / "store")
    store.add("mlp", extra_config='torchferry { device: "sim:0" }\n')
    with harness.serving(store, tmp_path / "server", binary=harness.SIM_SERVER) as server, Client(server.address) as client:
        def memory():
            return client.model("mlp").placement.memory

        assert client.model("mlp").placement.device == "sim:0"
        harness.wait_until(lambda: memory().standby_weight_bytes > 0, server.log)
        assert memory().standby_weight_bytes == memory().weight_bytes
