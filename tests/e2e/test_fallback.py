"""Which device a version gets, and who hears of it when it is not the one that was asked for: each row of a table is a model with
its configuration on a server with two simulated accelerators. `pytest -s` prints the table."""

import pytest

import harness
from harness import Client, Code
from stores import Store
from wire import array, assert_close, pb, reference

OK = "READY"
PRECONDITION, EXHAUSTED = Code.FAILED_PRECONDITION.value[0], Code.RESOURCE_EXHAUSTED.value[0]


def own(**fields):
    return "torchferry { " + " ".join(f"{k}: {v}" for k, v in fields.items()) + " }\n"


def group(kind, gpus=""):
    return f"instance_group [ {{ kind: {kind} {f'gpus: [ {gpus} ]' if gpus else ''} }} ]\n"


def mapped(**pairs):
    entries = " ".join(f'map_location {{ key: "{key.replace("_", ":")}" value: "{value}" }}' for key, value in pairs.items())
    return f'torchferry {{ device: "saved" {entries} }}\n'


WARM_UP = 'model_warmup { batch_size: 64 inputs { key: "x" value { data_type: TYPE_FP32 dims: [ 4 ] random_data: true } } }\n'


class Row:
    """`used` is the device; `reason` and `came_from` of a fallback; `code` of a version that failed."""

    def __init__(self, config, used="", reason="", came_from="", code=0):
        self.config, self.used, self.reason, self.came_from, self.code = config, used, reason, came_from, code


# By server: its --device, its environment, its faults; and its models. The file is saved on cuda:1.
SERVERS = {
    "auto": ("auto", {}, "", {
        "nothing_said": Row("", "sim:0"),
        "auto_again": Row(own(device='"auto"'), "sim:0"),
        "cpu": Row(own(device='"cpu"'), "cpu"),
        "named": Row(own(device='"sim:1"'), "sim:1"),
        "absent": Row(own(device='"sim:5"'), "cpu", "absent", "sim:5"),
        "absent_type": Row(own(device='"cuda:0"'), "cpu", "absent", "cuda:0"),
        "absent_none": Row(own(device='"sim:5"', fallback="NONE"), code=PRECONDITION),
        "present_none": Row(own(device='"sim:1"', fallback="NONE"), "sim:1"),
        "kind_cpu": Row(group("KIND_CPU"), "cpu"),
        "kind_auto": Row(group("KIND_AUTO"), "sim:0"),
        "kind_gpu": Row(group("KIND_GPU"), "cpu", "absent", "cuda:0"),
        "kind_gpu_1": Row(group("KIND_GPU", "1"), "cpu", "absent", "cuda:1"),
        "kind_gpu_none": Row(group("KIND_GPU") + own(fallback="NONE"), code=PRECONDITION),
        "own_before_group": Row(group("KIND_CPU") + own(device='"sim:1"'), "sim:1"),
        "saved": Row(own(device='"saved"'), "cpu", "absent", "cuda:1"),
        "saved_mapped": Row(mapped(cuda_1="sim:1"), "sim:1"),
        "saved_mapped_type": Row(mapped(cuda="cpu"), "cpu"),
    }),
    "cpu": ("cpu", {}, "", {
        "nothing_said": Row("", "cpu"),
        "own_before_flag": Row(own(device='"sim:0"'), "sim:0"),
        "auto_before_flag": Row(own(device='"auto"'), "sim:0"),
    }),
    "sim:1": ("sim:1", {}, "", {
        "nothing_said": Row("", "sim:1"),
        "group_before_flag": Row(group("KIND_CPU"), "cpu"),
    }),
    "sim:7": ("sim:7", {}, "", {"nothing_said": Row("", "cpu", "absent", "sim:7")}),
    "sim:0 out of memory": ("auto", {}, "sim:0 out_of_memory_after_bytes=64", {
        "auto": Row("", "sim:1", "out_of_memory", "sim:0"),
        "named": Row(own(device='"sim:0"'), "cpu", "out_of_memory", "sim:0"),
        "named_none": Row(own(device='"sim:0"', fallback="NONE"), code=EXHAUSTED),
        "other": Row(own(device='"sim:1"'), "sim:1"),
    }),
    "both out of memory": ("auto", {}, "sim:0 out_of_memory_after_bytes=64\nsim:1 out_of_memory_after_bytes=64", {
        "auto": Row("", "cpu", "out_of_memory", "sim:0"),
    }),
    "no memory": ("auto", {"SIM_CAPACITY_MIB": "0"}, "", {
        "auto": Row("", "cpu", "no_room", "sim:0"),
        "named": Row(own(device='"sim:0"'), "cpu", "out_of_memory", "sim:0"),
    }),
    "sim:0 lost": ("auto", {}, "sim:0 lost=1", {
        "auto": Row("", "sim:1", "device_lost", "sim:0"),
        "named": Row(own(device='"sim:0"'), "cpu", "device_lost", "sim:0"),
        "named_none": Row(own(device='"sim:0"', fallback="NONE"), code=PRECONDITION),
    }),
    # While the model is tried in FP16, or warmed up; after its weights were placed.
    "sim:0 fails when it runs": ("auto", {}, "sim:0 sticky_error=1", {
        "auto": Row("", "sim:1", "device_lost", "sim:0"),
        "named": Row(own(device='"sim:0"', precision="FP16"), "cpu", "device_lost", "sim:0"),
    }),
    "sim:0 is small": ("auto", {}, "sim:0 out_of_memory_after_bytes=8000", {
        "one_row": Row("", "sim:0"),
        "warmed_up_with_more": Row(WARM_UP, "sim:1", "out_of_memory", "sim:0"),
    }),
    "no accelerator": ("auto", {"SIM_DEVICES": "0"}, "", {
        "auto": Row("", "cpu"),
        "named": Row(own(device='"sim:0"'), "cpu", "absent", "sim:0"),
    }),
}


@pytest.fixture(scope="module", params=SERVERS, ids=[name.replace(" ", "_") for name in SERVERS])
def served(request, tmp_path_factory):
    """(what the server is called, its rows, server)."""
    device, environment, faults, rows = SERVERS[request.param]
    folder = tmp_path_factory.mktemp("fallback")
    store = Store(folder / "store")
    for name, row in rows.items():
        store.add("mlp_cuda", name, extra_config=row.config)
    (folder / "faults").write_text(faults)
    with harness.serving(store, folder / "server", "--device", device, "--log-format", "json", ready=False,
                         binary=harness.SIM_SERVER,
                         environment={"SIM_FAULT_FILE": str(folder / "faults"), **environment}) as server:
        yield request.param, rows, server.wait_settled()


def test_device_response_counter_and_log(served):
    title, rows, server = served
    with Client(server.address) as client:
        print(f"\nserver {title}: --device {SERVERS[title][0]}")
        for name, row in rows.items():
            version = client.model(name)
            if row.code:
                assert version.state == pb.MODEL_STATE_FAILED, name
                assert version.error_code == row.code, version.error_message
                print(f"  {name:20} FAILED: {version.error_message}")
                continue
            assert version.state == pb.MODEL_STATE_READY, version.error_message
            check_placement(name, row, version.placement)
            for _ in range(2):
                check_answer(client, name, row)
            print(f"  {name:20} {row.used:6} {row.reason:14} {'; '.join(version.placement.decisions)}")
    check_counter(rows, server.metrics())
    check_log(rows, server.log_lines())


def check_placement(name, row, placement):
    assert placement.device == row.used, name
    assert (placement.fallback, placement.fallback_from, placement.fallback_reason) == (bool(row.reason), row.came_from, row.reason), name


def check_answer(client, name, row):
    response = client.predict(name, {"x": reference("mlp", "x", 7)})
    assert_close(array(response.outputs["probabilities"]), reference("mlp", "probabilities", 7))
    execution = response.execution
    assert (execution.device, execution.fallback, execution.fallback_reason) == (row.used, bool(row.reason), row.reason)


def check_counter(rows, metrics):
    """Once for a load decision, however many requests follow."""
    expected = [({"model": name, "from": row.came_from, "to": row.used, "reason": row.reason}, 1)
                for name, row in rows.items() if row.reason]
    found = metrics.find("torchferry_fallbacks_total")

    def by_model(entries):
        return sorted(entries, key=lambda entry: entry[0]["model"])

    assert by_model(found) == by_model(expected)


def check_log(rows, lines):
    for name, row in rows.items():
        said = [line for line in lines if line["message"] == "model fell back" and line["model"] == name]
        assert len(said) == (1 if row.reason else 0), said
        if row.reason:
            assert said[0]["level"] == "warning"
            assert (said[0]["from"], said[0]["to"], said[0]["reason"]) == (row.came_from, row.used, row.reason)
