"""`torchferry inspect`: what it says of a file is what is in it, and its plan is what the server then does."""

import hashlib
import json
import os

import pytest

import harness
import real_files
from harness import Client
from inspecting import NOT_SERVABLE, OK, USAGE, inspect_files, run_inspect
from real_files import ONNX, REAL
from stores import Store
from wire import FIXTURES, pb
from wrong_makers import safetensors

LOADER = FIXTURES / "loader"
ABSENT = "cuda:1"  # our hosts have one GPU at most: what asks for a second falls back
PWNED = "torchferry_pwned"

# Served models of the fixtures, and the tensors that their files hold.
MODELS = {"mlp": 4, "mlp_traced": 4, "mlp_dict": 4, "mlp_cuda": 4, "lstm": 14, "arch": 9, "mlp_bare": 4, "scalar_args": 0,
          "optional_list": 0, "pair": 0}
# Files of fixtures/loader with each architecture, and the configuration that some need.
STATE_DICTS = {
    "plain.pth": "", "legacy.pth": "", "plain.safetensors": "", "strided.pth": "", "cuda.pth": "", "nested_model.pth": "",
    "nested_twice.pth": "", "data_parallel.pth": "", "compiled_data_parallel.pth": "", "fsdp.pth": "", "averaged.pth": "",
    "lightning.pth": "", "checkpoint_wrapper.pth": "",
    "ambiguous.pth": 'torchferry { state_dict { key: "ema" } }\n',
    "own_prefix.pth": 'torchferry { state_dict { strip_prefix: "student." } }\n',
    "missing.pth": "torchferry { state_dict { strict: false } }\n",
    "unexpected.pth": "torchferry { state_dict { strict: false } }\n",
}
ONLY_ARCHITECTURE = {"half.pth": "", "missing.pth": STATE_DICTS["missing.pth"]}
DEVICE_CONFIG = 'torchferry { device: "cuda:7" map_location { key: "cuda:3" value: "cpu" } }\n'


def fill(store):
    for name in MODELS:
        store.add(name)
    for name, real in REAL.items():
        path = real_files.find(real.entry)
        if path is not None:
            others = {"forward_py": real.forward_py} if real.forward_py else {}
            store.add_file(f"real.{name}", path, as_name=real.file, **others)
    for file in {**STATE_DICTS, **ONLY_ARCHITECTURE}:
        for kind, source in (("forward_py", "forward.py"), ("architecture_pt", "architecture.pt")):
            if kind == "forward_py" and file in ONLY_ARCHITECTURE:
                continue
            folder = store.add_file(f"{file}.{kind}", LOADER / file, as_name=file, **{kind: LOADER / source})
            if config := STATE_DICTS.get(file):
                (folder / "config.pbtxt").write_text(config)
    device = store.add_file("device_in_config", LOADER / "cuda.pth", as_name="cuda.pth", forward_py=LOADER / "forward.py")
    (device / "config.pbtxt").write_text(DEVICE_CONFIG)
    saved = store.add_file("saved_device", LOADER / "cuda.pth", as_name="cuda.pth", forward_py=LOADER / "forward.py")
    (saved / "config.pbtxt").write_text('torchferry { device: "saved" }\n')


def model_file(store, model):
    (path,) = [f for f in (store.path / model / "1").iterdir()]
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("inspect")


@pytest.fixture(scope="module")
def store(folder):
    store = Store(folder / "store")
    fill(store)
    return store


def paths_of(store):
    return {model.name: str(model_file(store, model.name).relative_to(store.path)) for model in sorted(store.path.iterdir())}


@pytest.fixture(scope="module")
def inspected(store):
    """{model: what inspect says with --device auto}."""
    paths = paths_of(store)
    files = inspect_files(store.path, *paths.values())
    return {model: files[path] for model, path in paths.items()}


# --- what is in the file --------------------------------------------------------------------------


def test_every_file_is_described(store, inspected):
    assert len(inspected) > 40
    for model, path in paths_of(store).items():
        content = (store.path / path).read_bytes()
        shown = inspected[model]
        assert shown["path"] == path
        assert shown["sha256"] == hashlib.sha256(content).hexdigest(), model
        assert shown["size_bytes"] == len(content), model
        assert shown["tensor_bytes"] <= len(content) or model == "mlp_traced", model


@pytest.mark.parametrize("name", REAL)
def test_published_file_is_described(store, inspected, name):
    real = REAL[name]
    real_files.fetched(real.entry)
    shown = inspected[f"real.{name}"]
    assert (shown["format"], shown["producer"], shown["sha256"]) == (real.format, real.producer, real.sha256)
    assert tuple(shown["saved_devices"]) == real.saved_devices
    assert len(shown["tensors"]) == real.tensors
    keys = [t["key"] for t in shown["tensors"]]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("model", MODELS)
def test_fixture_model_is_described(inspected, model):
    shown = inspected[model]
    assert len(shown["tensors"]) == MODELS[model]
    assert shown["format"] == ("state_dict" if model in ("mlp_cuda", "lstm", "arch") else "torchscript")
    assert shown["saved_devices"] == (["cuda:1"] if model == "mlp_cuda" else ["cpu"] if MODELS[model] else [])


def test_tensors_are_listed_as_the_file_and_the_model_call_them(inspected):
    tensors = {t["key"]: t for t in inspected["averaged.pth.forward_py"]["tensors"]}
    assert {key: t["name"] for key, t in tensors.items()} == {
        "n_averaged": "", **{f"module.{k}": k for k in ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")}}
    assert tensors["module.fc1.weight"] == {"key": "module.fc1.weight", "name": "fc1.weight", "dtype": "FP32",
                                            "shape": [8, 4], "bytes": 128}
    assert (tensors["n_averaged"]["dtype"], tensors["n_averaged"]["shape"]) == ("INT64", [])
    assert inspected["plain.pth.forward_py"]["parameters"] == 8 * 4 + 8 + 3 * 8 + 3


def test_training_checkpoint_shows_what_else_it_holds(inspected):
    shown = inspected["ambiguous.pth.forward_py"]
    assert shown["nested_dicts"] == [{"key": "model", "tensors": 4}, {"key": "ema", "tensors": 4}]
    assert shown["plan"]["state_dict_key"] == "ema"


def test_tied_weights_are_named(tmp_path):
    (shown,) = inspect_files(LOADER, "tied.pth").values()
    assert shown["tied"] == [["encoder.weight", "decoder.weight"]]
    assert shown["parameters"] == 16 + 4


# --- the plan is what happens ---------------------------------------------------------------------


def plan_of(shown):
    """Of inspect: what GetModel says, too."""
    plan = {key: shown[key] for key in ("format", "producer", "sha256", "size_bytes", "saved_devices", "saved_dtypes",
                                        "architecture")}
    return plan | {key: value for key, value in shown["plan"].items() if key not in ("decisions", "warnings", "load_memory_bytes")}


def plan_loaded(version):
    file, placement = version.file, version.placement
    return {"format": file.format, "producer": file.producer, "sha256": file.sha256, "size_bytes": file.size_bytes,
            "saved_devices": list(file.saved_devices), "saved_dtypes": list(file.saved_dtypes),
            "architecture": file.architecture, "state_dict_key": file.state_dict_key,
            "removed_prefixes": list(file.removed_prefixes), "device": placement.device,
            "requested_device": placement.requested_device, "fallback": placement.fallback,
            "fallback_reason": placement.fallback_reason, "precision": placement.precision}


@pytest.mark.parametrize("device", ["auto", "cpu", ABSENT])
def test_plan_is_what_loading_does(store, folder, device):
    paths = paths_of(store)
    inspected = inspect_files(store.path, "--device", device, *paths.values())
    with harness.serving(store, folder / f"server.{device}", "--device", device) as server:
        with Client(server.wait_settled().address) as client:
            versions = {name: version for (name, _), version in client.models().items()}
    assert set(versions) == set(paths)
    for model, path in paths.items():
        version, shown = versions[model], inspected[path]
        assert version.state == pb.MODEL_STATE_READY, version.error_message
        assert shown["servable"], model
        assert plan_of(shown) == plan_loaded(version), model
        decisions = shown["plan"]["decisions"]
        assert list(version.placement.decisions)[:len(decisions)] == decisions, model
        assert decisions, model
    if device == ABSENT:
        assert versions["mlp"].placement.fallback and versions["mlp"].placement.fallback_reason == "absent"
        assert versions["mlp"].placement.requested_device == ABSENT
    assert versions["device_in_config"].placement.requested_device == "cuda:7"
    assert versions["device_in_config"].placement.fallback


def test_no_fallback_is_an_error_of_both(tmp_path):
    store = Store(tmp_path / "store")
    none = store.add_file("none", LOADER / "plain.pth", forward_py=LOADER / "forward.py")
    (none / "config.pbtxt").write_text('torchferry { device: "cuda:7" fallback: NONE }\n')
    (shown,) = inspect_files(store.path, "none/1/model.pt").values()
    with harness.serving(store, tmp_path / "server", ready=False) as server, Client(server.address) as client:
        server.wait_settled()
        version = client.model("none")
    assert version.state == pb.MODEL_STATE_FAILED
    assert shown["error"] == {"code": "FAILED_PRECONDITION", "message": version.error_message}
    assert "cuda:7" in version.error_message


def test_trusted_code_is_inspected_as_the_server_loads_it(tmp_path):
    store = Store(tmp_path / "store")
    store.add_file("writes", FIXTURES / "bad" / "writes_in_forward.pt")
    (refused,) = inspect_files(store.path, "writes/1/model.pt").values()
    (trusted,) = inspect_files(store.path, "--trust-model-code", "writes/1/model.pt").values()
    assert refused["error"]["code"] == "DATA_LOSS" and "save" in refused["error"]["message"]
    assert trusted["servable"]
    with harness.serving(store, tmp_path / "server", ready=False) as server, Client(server.address) as client:
        server.wait_settled()
        assert client.model("writes").error_message == refused["error"]["message"]
    assert not list(tmp_path.rglob(PWNED))


@pytest.mark.parametrize("entry", ONNX)
def test_published_onnx_is_recognised(entry):
    path = real_files.fetched(entry)
    (shown,) = inspect_files(path.parent, path.name).values()
    assert shown["error"]["code"] == "INVALID_ARGUMENT"
    assert "is an ONNX model" in shown["error"]["message"]


# --- --scaffold and the suggested configuration ----------------------------------------------------


@pytest.mark.parametrize("file", ["plain.pth", "legacy.pth", "plain.safetensors", "nested_model.pth", "data_parallel.pth",
                                  "averaged.pth", "lightning.pth", "tied.pth", "half.pth", "unexpected.pth"])
def test_scaffold_compiles(tmp_path, file):
    check_scaffold(tmp_path, LOADER / file)


@pytest.mark.parametrize("name", [name for name, real in REAL.items() if real.format != "torchscript"])
def test_scaffold_of_a_published_file_compiles(tmp_path, name):
    check_scaffold(tmp_path, real_files.fetched(REAL[name].entry))


@pytest.mark.parametrize("model,file", [("lstm", "lstm.pth"), ("arch", "weights.pth"), ("mlp_cuda", "resnet18_gpu.pth")])
def test_scaffold_of_a_fixture_compiles(tmp_path, model, file):
    check_scaffold(tmp_path, FIXTURES / model / "1" / file)


# Parts of keys that are no plain Python names.
ODD_NAMES = {"number": "0", "keyword": "class", "constant": "None", "builtin": "print", "type_comment": "type", "self": "self",
             "forward": "forward", "argument": "x", "dash": "a-b", "space": "a b", "quote": 'a"b', "backslash": "a\\b",
             "umlaut": "größe", "underscores": "__a", "type_name": "Tensor", "module_name": "torch", "long": "a" * 300}


def test_scaffold_of_keys_that_are_no_python_names_compiles(tmp_path):
    """As modules' names and as tensors'."""
    store = Store(tmp_path / "store")
    for label, name in ODD_NAMES.items():
        for kind, keys in (("module", [f"{name}.weight", f"layers.{name}.weight", f"{name}.0.bias"]), ("tensor", [name])):
            header = {key: {"dtype": "F32", "shape": [2, 2], "data_offsets": [16 * i, 16 * i + 16]}
                      for i, key in enumerate(keys)}
            version = store.path / f"{label}.{kind}" / "1"
            version.mkdir(parents=True)
            (version / "w.safetensors").write_bytes(safetensors(json.dumps(header), bytes(16 * len(keys))))
            run = run_inspect(store.path, "--scaffold", f"{label}.{kind}/1/w.safetensors")
            assert run.returncode == OK, run.stderr
            (version.parent / "forward.py").write_text(run.stdout)
    with harness.serving(store, tmp_path / "server", ready=False) as server, Client(server.address) as client:
        server.wait_settled()
        failed = {name: version.error_message for (name, _), version in client.models().items()
                  if version.state != pb.MODEL_STATE_READY}
    assert not failed, "\n".join(f"{name}: {message}" for name, message in sorted(failed.items()))


def check_scaffold(tmp_path, weights):
    """Its output is forward.py, the suggested config.pbtxt lies beside it, and the version is READY."""
    store = Store(tmp_path / "store")
    model = store.add_file("scaffolded", weights, as_name=weights.name)
    path = f"scaffolded/1/{weights.name}"
    (shown,) = inspect_files(store.path, path).values()
    run = run_inspect(store.path, "--scaffold", path)
    assert (run.returncode, run.stderr) == (OK, "")
    assert run.stdout == shown["scaffold"]
    (model / "forward.py").write_text(run.stdout)
    (model / "config.pbtxt").write_text(shown["suggested_config"])
    with harness.serving(store, tmp_path / "server", ready=False) as server, Client(server.address) as client:
        version = server.wait_settled() and client.model("scaffolded")
        assert version.state == pb.MODEL_STATE_READY, f"{version.error_message}\n{run.stdout}"
    (after,) = inspect_files(store.path, path).values()
    assert after["servable"] and "suggested_config" not in after


def test_scaffold_of_torchscript_is_refused():
    run = run_inspect(FIXTURES, "--scaffold", "mlp/1/mlp.pt")
    assert (run.returncode, run.stdout) == (USAGE, "")
    assert "brings its own code" in run.stderr


# --- the command ------------------------------------------------------------------------------------


def test_exit_codes():
    assert run_inspect(LOADER, "plain.pth").returncode == OK
    assert run_inspect(FIXTURES, "mlp/1/mlp.pt").returncode == OK
    assert run_inspect(FIXTURES, "bad/whole_model.pt").returncode == NOT_SERVABLE
    assert run_inspect(LOADER, "not_there.pth").returncode == NOT_SERVABLE
    assert run_inspect(LOADER, "../loader").returncode == NOT_SERVABLE
    assert run_inspect(LOADER).returncode == USAGE
    assert run_inspect(LOADER, "--no-such-flag", "plain.pth").returncode == USAGE
    assert run_inspect(LOADER, "--device", "gpu 1", "plain.pth").returncode in (USAGE, NOT_SERVABLE)


def test_state_dict_without_architecture_is_no_error_before_it_is_in_a_store(tmp_path):
    (alone,) = inspect_files(LOADER, "plain.safetensors").values()
    assert alone["servable"] and alone["architecture"].endswith("forward.py")
    (tmp_path / "weights.pth").write_bytes((LOADER / "plain.pth").read_bytes())
    (alone,) = inspect_files(tmp_path, "weights.pth").values()
    assert alone["servable"] and "forward.py" in alone["needs"]


@pytest.mark.parametrize("folder,file", [(".", "mlp_cuda/1/resnet18_gpu.pth"), ("mlp_cuda", "1/resnet18_gpu.pth"),
                                         ("mlp_cuda/1", "resnet18_gpu.pth"), ("mlp_cuda/1", "./resnet18_gpu.pth"),
                                         ("lstm", "../mlp_cuda/1/resnet18_gpu.pth")])
def test_architecture_is_found_from_wherever_it_is_called(folder, file):
    (shown,) = inspect_files(FIXTURES / folder, file).values()
    assert shown["servable"], shown["needs"]
    assert shown["architecture"].endswith("forward.py")


def test_several_files_in_one_call():
    files = ["plain.pth", "../bad/whole_model.pt", "not_there.pth", "plain.safetensors"]
    shown = inspect_files(LOADER, *files)
    assert list(shown) == files
    assert [f["servable"] for f in shown.values()] == [True, False, False, True]
    run = run_inspect(LOADER, *files)
    assert run.returncode == NOT_SERVABLE
    for file in ("plain.pth", "plain.safetensors"):
        assert hashlib.sha256((LOADER / file).read_bytes()).hexdigest() in run.stdout
    assert "holds a whole model" in run.stderr and "not_there.pth: no such file" in run.stderr


def test_same_file_twice_is_shown_twice():
    run = run_inspect(LOADER, "--json", "plain.pth", "plain.pth")
    first, second = json.loads(run.stdout)["files"]
    assert first == second


def test_neither_file_nor_folder_changes(tmp_path):
    store = Store(tmp_path / "store")
    store.add("lstm")
    store.add_file("whole", FIXTURES / "bad" / "writes_at_load.pt")
    before = store.snapshot()
    inspect_files(store.path, "lstm/1/lstm.pth", "whole/1/model.pt")
    assert store.snapshot() == before
    assert sorted(os.listdir(tmp_path)) == ["store"]


def test_answer_is_the_same_each_time(store):
    paths = list(paths_of(store).values())
    assert run_inspect(store.path, "--json", *paths).stdout == run_inspect(store.path, "--json", *paths).stdout
