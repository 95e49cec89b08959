"""Tuning at load: the fastest way to run a model is found, agrees with PyTorch, is shown, kept beside the model and used again."""

import json
import re

import numpy as np

import harness
import portable_files
from harness import Client, pb
from stores import Store
from wire import assert_close, floats, reference, tensor, widen

RECORD = ".torchferry-tuning.json"
RESNET = next(row for row in portable_files.traced_rows() if row["model"] == "resnet18" and row["dtype"] == "FP32")
RESNET_CONFIG = '''max_batch_size: 8
input { name: "x" data_type: TYPE_FP32 dims: [ 3, 64, 64 ] }
output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [ -1 ] }
dynamic_batching { }
'''


def add_resnet(store, folder, own=""):
    portable_files.inflate(portable_files.FIXTURES / "traced" / RESNET["file"], folder / "resnet.pt")
    model = store.add_file("resnet18", folder / "resnet.pt")
    (model / "config.pbtxt").write_text(RESNET_CONFIG + own)
    return model


def assert_answers_as_pytorch(client):
    for case in RESNET["cases"]:
        response = client.predict("resnet18", {"x": tensor(portable_files.inputs_of(RESNET, case)["x"])})
        actual = floats(response.outputs["OUTPUT__0"])
        if RESNET["every"] > 1:
            actual = actual[:, ::RESNET["every"]]
        expected = widen(portable_files.answer_of(RESNET, case, "fp32"))
        assert np.abs(actual - expected).max() <= 1e-4 * max(1, np.abs(expected).max())


def decisions(client, model):
    return "; ".join(client.model(model).placement.decisions)


def unchanged(client, show):
    """What `show` gives, and the tuning that it was given by: idle work may find a better one in between."""
    while True:
        before = client.model("resnet18").placement.tuning
        shown = show()
        if client.model("resnet18").placement.tuning == before:
            return shown, before


def test_found_once_shown_kept_and_used_again(store, start, tmp_path):
    model = add_resnet(store, tmp_path)
    server = start("--optimize", "auto")
    with Client(server.address) as client:
        first = client.model("resnet18").placement.tuning
        assert first.variant in ("plain", "frozen", "inference", "channels_last")
        assert first.intra_op_threads >= 1 and 1 <= first.batch_rows <= 8
        assert first.baseline == "plain" and first.rows_per_second >= 0.98 * first.baseline_rows_per_second > 0
        assert first.deviation <= 1e-4 and not first.kept
        if first.HasField("latency"):
            assert first.latency.variant and first.latency.intra_op_threads >= 1 and first.latency.max_rows in (1, 2)
            assert 0 < first.latency.seconds < first.latency.throughput_seconds
        assert re.search(r"tuned in [0-9.]+ s, [0-9]+ of [0-9]+ ways judged, [0-9]+ measured", decisions(client, "resnet18"))
        shown, tuning = unchanged(client, lambda: harness.cli(server.address, "model", "resnet18").stdout)
        assert f"{tuning.variant}, intra-op threads {tuning.intra_op_threads}, batches up to {tuning.batch_rows} rows" in shown, shown
        assert (", not final" in shown) == (not tuning.is_final) and ("small batches" in shown) == tuning.HasField("latency"), shown
        document, tuning = unchanged(client, lambda: harness.cli(server.address, "model", "resnet18", "--json").stdout)
        assert f'"variant": "{tuning.variant}"' in json.dumps(json.loads(document))
        assert_answers_as_pytorch(client)
    assert "tuned in" in server.log()
    server.stop()
    records = json.loads((model / "1" / RECORD).read_text())["records"]
    assert len(records) == 1
    record = records[0]

    with Client(start("--optimize", "auto").address) as client:
        version = client.model("resnet18")
        again = version.placement.tuning
        if again.kept:  # else idle work has finished the search
            assert (again.variant, again.batch_rows, again.rows_per_second, again.is_final) == \
                (record["variant"], record["batch_rows"], record["rows_per_second"], record["final"])
        assert "tuned before" in decisions(client, "resnet18")
        assert_answers_as_pytorch(client)


def test_what_an_earlier_release_kept_is_used(store, start, tmp_path):
    model = add_resnet(store, tmp_path)
    server = start("--optimize", "auto")
    server.stop()
    document = json.loads((model / "1" / RECORD).read_text())
    for record in document["records"]:
        record.pop("final")
        record.pop("latency", None)
    (model / "1" / RECORD).write_text(json.dumps(document))
    with Client(start("--optimize", "auto").address) as client:
        assert "tuned before" in decisions(client, "resnet18")
        assert_answers_as_pytorch(client)


def test_weights_in_bf16_instead_of_casts_in_each_run(store, start, tmp_path):
    add_resnet(store, tmp_path, 'torchferry { precision: BF16 optimize: "bf16_weights, bf16_channels_last" }\n')
    with Client(start("--optimize", "off").address) as client:
        placement = client.model("resnet18").placement
        if placement.precision != "BF16" or not placement.HasField("tuning"):
            assert "no variant that torchferry.optimize names makes sense here" in decisions(client, "resnet18")
            return  # this processor has no BF16 of its own
        assert placement.tuning.variant.startswith("bf16_") and placement.tuning.deviation <= 0.03
        for case in RESNET["cases"]:
            output = client.predict("resnet18", {"x": tensor(portable_files.inputs_of(RESNET, case)["x"])}).outputs["OUTPUT__0"]
            assert output.dtype == pb.DataType.Value("DATA_TYPE_FP32")
            expected = widen(portable_files.answer_of(RESNET, case, "fp32"))
            actual = floats(output)[:, ::RESNET["every"]]
            assert np.abs(actual - expected).max() <= 0.05 * np.abs(expected).max()


def test_other_limits_are_sought_for_again(store, start):
    model = store.add("mlp")
    server = start("--optimize", "auto", "--enable-admin", "--watch", "--watch-interval-seconds", "0.1")
    with Client(server.address) as client:
        assert not client.model("mlp").placement.tuning.kept
        # What was written beside the model is no change of it.
        loads = server.log().count("model loading model=mlp")
        assert loads == 1 and (model / "1" / RECORD).exists()
        (model / "config.pbtxt").write_text((model / "config.pbtxt").read_text().replace("64", "32"))
        harness.wait_until(lambda: server.log().count("model ready model=mlp") == 2, server.log)
        assert not client.model("mlp").placement.tuning.kept
        assert client.model("mlp").placement.tuning.batch_rows <= 32


def test_off_listed_and_forbidden(store, start):
    for name, own in (("off", 'optimize: "OFF"'), ("listed", 'optimize: "frozen, inference"'), ("asked", 'optimize: "AUTO"'), ("silent", "")):
        store.add("mlp", name, extra_config=f"torchferry {{ {own} }}\n")
    with Client(start("--optimize", "auto").address) as client:
        assert not client.model("off").placement.HasField("tuning")
        assert client.model("listed").placement.tuning.variant in ("frozen", "inference")
        assert client.model("listed").placement.tuning.baseline == "frozen"
        assert client.model("silent").placement.HasField("tuning")
    with Client(start("--optimize", "off").address) as client:
        assert not client.model("silent").placement.HasField("tuning")
        assert client.model("asked").placement.HasField("tuning")
    with Client(start("--optimize", "auto", "--deterministic").address) as client:
        for name in ("off", "listed", "asked", "silent"):
            assert not client.model(name).placement.HasField("tuning")
            assert_close(client.predict_arrays(name, {"x": reference("mlp", "x", 1)})["probabilities"], reference("mlp", "probabilities", 1))
        assert "--deterministic" in decisions(client, "asked") and "--deterministic" not in decisions(client, "silent")


def test_sizes_that_are_not_known_and_state_are_not_tuned_and_that_is_said(store, start):
    store.add("mlp_bare")
    store.add("running_sum")
    with Client(start("--optimize", "auto").address) as client:
        assert not client.model("mlp_bare").placement.HasField("tuning")
        assert "not tuned: input \"" in decisions(client, "mlp_bare") and "is not declared" in decisions(client, "mlp_bare")
        assert not client.model("running_sum").placement.HasField("tuning")
        assert "not tuned: it keeps state" in decisions(client, "running_sum")


def test_a_warm_up_gives_the_sizes(store, start):
    model = store.add("mlp")
    config = (model / "config.pbtxt").read_text().replace("dims: [ 4 ]", "dims: [ -1 ]")
    (model / "config.pbtxt").write_text(config)
    with Client(start("--optimize", "auto").address) as client:
        assert "has a free size" in decisions(client, "mlp")
    (model / "config.pbtxt").write_text(config + '''model_warmup { name: "four" batch_size: 1
  inputs { key: "x" value { data_type: TYPE_FP32 dims: [ 4 ] random_data: true } } }
''')
    with Client(start("--optimize", "auto").address) as client:
        assert client.model("mlp").placement.HasField("tuning")


def test_a_store_that_cannot_be_written_is_served_all_the_same(store, start):
    model = store.add("mlp")
    (model / "1" / RECORD).mkdir()  # root may write anywhere, but not a file over a folder
    server = start("--optimize", "auto")
    with Client(server.address) as client:
        assert client.model("mlp").placement.HasField("tuning")
        assert "not kept, the next start searches again: what is there cannot be replaced: Is a directory" in decisions(client, "mlp")
    assert "tuning not kept" in server.log()


def test_the_end_does_not_wait_for_a_search(store, tmp_path):
    add_resnet(store, tmp_path, "torchferry { optimize_budget_seconds: 600 }\n")
    config = store.path / "resnet18" / "config.pbtxt"
    config.write_text(config.read_text().replace("64, 64", "512, 512"))  # each pass takes its time
    server = harness.Server(store, tmp_path / "server", "--optimize", "auto", "--drain-timeout-seconds", "300")
    try:
        server.wait_listening()
        harness.wait_until(lambda: "file digest" in server.log(), server.log)
        server.signal()
        assert server.wait_exit(harness.DEADLINE_SECONDS) == 0
        assert "loading cut off" not in server.log()
    finally:
        server.kill()


def test_wrong_settings_are_named(store, start):
    wrong = {"unknown": ('optimize: "fast"', '"fast" is unknown; expected AUTO, OFF'),
             "twice": ('optimize: "plain,plain"', "named twice"),
             "negative": ("optimize_budget_seconds: -1", "optimize_budget_seconds is -1; expected seconds, 0 to 3600"),
             "nan": ("optimize_budget_seconds: nan", "optimize_budget_seconds is nan")}
    for name, (own, _) in wrong.items():
        store.add("mlp", name, extra_config=f"torchferry {{ {own} }}\n")
    store.add("mlp")
    with Client(start().address) as client:
        for name, (_, said) in wrong.items():
            version = client.models()[name, 0]
            assert version.state == pb.MODEL_STATE_FAILED
            assert "config.pbtxt:6:" in version.error_message and said in version.error_message, version.error_message


def test_tuned_on_an_accelerator_too(tmp_path):
    store = Store(tmp_path / "store")
    store.add("mlp", extra_config='torchferry { device: "sim:0" fallback: NONE }\n')
    with harness.serving(store, tmp_path / "server", "--optimize", "auto", binary=harness.SIM_SERVER) as server, Client(server.address) as client:
        placement = client.model("mlp").placement
        assert placement.device == "sim:0" and placement.tuning.variant in ("plain", "frozen"), placement
        assert_close(client.predict_arrays("mlp", {"x": reference("mlp", "x", 1)})["probabilities"], reference("mlp", "probabilities", 1))
