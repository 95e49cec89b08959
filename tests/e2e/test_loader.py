"""State_dicts as training leaves them, served: nested, wrapped, incomplete, cast, tied; and published checkpoints, unedited.
Every answer is PyTorch's, or the version is FAILED and says what does not fit."""

import hashlib

import numpy as np
import pytest

import harness
import real_files
from harness import Client, Code, check_message
from real_files import REAL
from stores import Store
from wire import FIXTURES, assert_close, pb, reference

LOADER = FIXTURES / "loader"
INVALID, PRECONDITION = Code.INVALID_ARGUMENT.value[0], Code.FAILED_PRECONDITION.value[0]
FORWARD, ARCHITECTURE = "forward_py", "architecture_pt"
FILES = {FORWARD: LOADER / "forward.py", ARCHITECTURE: LOADER / "architecture.pt"}
TIED = {FORWARD: LOADER / "tied_forward.py", ARCHITECTURE: LOADER / "tied_architecture.pt"}
KEYS = ("state_dict", "model_state_dict", "model_state", "model", "net", "module", "ema")
KEYS_OF_NET = ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]


def state_dict(fields):
    return f"torchferry {{ state_dict {{ {fields} }} }}\n"


class Served:
    """A row: a file of fixtures/loader that is READY. `decisions` are fragments, one decision each."""

    def __init__(self, file, answer="plain", config="", key="", removed=(), decisions=(),
                 architectures=(FORWARD, ARCHITECTURE), sources=FILES):
        self.file, self.answer, self.config, self.key, self.removed = file, answer, config, key, list(removed)
        self.decisions, self.architectures, self.sources = decisions, architectures, sources


class Refused:
    """A row: one whose version is FAILED."""

    def __init__(self, file, *fragments, config="", architectures=(FORWARD, ARCHITECTURE), code=INVALID):
        self.file, self.fragments, self.config, self.architectures, self.code = file, fragments, config, architectures, code
        self.sources = FILES


SERVED = {
    "plain": Served("plain.pth"),
    "legacy": Served("legacy.pth"),
    "safetensors": Served("plain.safetensors"),
    "strided": Served("strided.pth"),
    "saved_on_cuda": Served("cuda.pth"),
    "tied": Served("tied.pth", "tied", sources=TIED),

    **{f"nested_{key}": Served(f"nested_{key}.pth", key=key, decisions=[f'state_dict under "{key}"']) for key in KEYS},
    "nested_twice": Served("nested_twice.pth", key="ema.state_dict", decisions=['state_dict under "ema.state_dict"']),
    "nested_deep": Served("nested_deep.pth", config=state_dict('key: "trainer.ema.state_dict"'), key="trainer.ema.state_dict"),
    "beside_dates_and_containers": Served("beside.pth", key="state_dict"),
    "nested_unusual": Served("nested_unusual.pth", key="weights"),
    "key_ema": Served("ambiguous.pth", "ema", state_dict('key: "ema"'), key="ema",
                      decisions=['state_dict under "ema", as state_dict.key says']),
    "key_model": Served("ambiguous.pth", "plain", state_dict('key: "model"'), key="model"),

    "data_parallel": Served("data_parallel.pth", removed=["module."], decisions=['"module." removed from 4 of 4 keys']),
    "compiled": Served("compiled.pth", removed=["_orig_mod."], decisions=['"_orig_mod." removed from 4 of 4 keys']),
    "compiled_data_parallel": Served("compiled_data_parallel.pth", removed=["_orig_mod.", "module."]),
    "fsdp": Served("fsdp.pth", removed=["_fsdp_wrapped_module."]),
    "checkpoint_wrapper": Served("checkpoint_wrapper.pth", removed=["_checkpoint_wrapped_module."],
                                 decisions=['"_checkpoint_wrapped_module." removed from 2 of 4 keys']),
    "compiled_inside": Served("compiled_inside.pth", removed=["_orig_mod."]),
    "averaged": Served("averaged.pth", removed=["module."], decisions=["n_averaged"]),
    "lightning": Served("lightning.pth", key="state_dict", removed=["model."]),
    "strip_prefix": Served("own_prefix.pth", config=state_dict('strip_prefix: "student."'), removed=["student."],
                           decisions=["as state_dict.strip_prefix says"]),

    "half": Served("half.pth", "half", architectures=(ARCHITECTURE,),
                   decisions=["cast to the architecture's dtype: " + ", ".join(f"{k} (FP16 to FP32)" for k in KEYS_OF_NET)]),
    "not_strict_missing": Served("missing.pth", "lacking", state_dict("strict: false"), architectures=(ARCHITECTURE,),
                                 decisions=["lacks keep the architecture's values: fc2.bias"]),
    "not_strict_unexpected": Served("unexpected.pth", config=state_dict("strict: false"), architectures=(ARCHITECTURE,),
                                    decisions=["does not have are ignored: head.weight"]),
    "unexpected": Served("unexpected.pth", architectures=(FORWARD,)),
}

REFUSED = {
    "ambiguous": Refused("ambiguous.pth", '"model" (4 tensors)', '"ema" (4 tensors)', "state_dict { key:"),
    "wrong_key": Refused("ambiguous.pth", 'no key "weights"', '"model"', '"ema"', config=state_dict('key: "weights"')),
    "collision": Refused("collision.pth", '"fc1.weight"', '"_orig_mod.fc1.weight"', "strip_prefix",
                         architectures=(FORWARD,)),
    "collision_with_architecture": Refused("collision.pth", "_orig_mod.fc1.weight", architectures=(ARCHITECTURE,)),
    "wrong_prefix": Refused("plain.pth", '"student."', "strip_prefix", "fc1.weight",
                            config=state_dict('strip_prefix: "student."')),
    "missing": Refused("missing.pth", "Missing: fc2.bias", "Unexpected: none", "strict: false", architectures=(ARCHITECTURE,)),
    "missing_attribute": Refused("missing.pth", "forward.py", "bias", architectures=(FORWARD,)),
    "unexpected_strict": Refused("unexpected.pth", "Missing: none", "Unexpected: head.weight", architectures=(ARCHITECTURE,)),
    "reshaped": Refused("reshaped.pth", '"fc2.weight" has shape [3, 9]', "[3, 8]", architectures=(ARCHITECTURE,)),
    "reshaped_not_strict": Refused("reshaped.pth", '"fc2.weight" has shape [3, 9]', "[3, 8]",
                                   config=state_dict("strict: false"), architectures=(ARCHITECTURE,)),
    "torchscript_declared_state_dict": Refused("../mlp/1/mlp.pt", "TorchScript archive", "state_dict",
                                               config=state_dict(""), architectures=(ARCHITECTURE,), code=PRECONDITION),
    "no_architecture": Refused("plain.pth", "is a state_dict", "forward.py", "architecture.pt", architectures=("",),
                               code=PRECONDITION),
}


def rows(table):
    return [(name, architecture) for name, row in table.items() for architecture in row.architectures]


def model_name(name, architecture):
    return f"{name}.{architecture}"


def put(store, name, row):
    for architecture in row.architectures:
        others = {architecture: row.sources[architecture]} if architecture else {}
        file = row.file.rsplit("/", 1)[-1]
        folder = store.add_file(model_name(name, architecture), LOADER / row.file, as_name=file, **others)
        if row.config:
            (folder / "config.pbtxt").write_text(row.config)


def pattern(shape, seed):
    """The inputs of fixtures/real_models.py, which has the same function."""
    numbers = (np.arange(np.prod(shape), dtype=np.int64) + seed) * 7919 % 2003
    return (numbers.reshape(shape).astype(np.float32) / np.float32(1001)) - np.float32(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loader")
    store = Store(folder / "store")
    for name, row in {**SERVED, **REFUSED}.items():
        put(store, name, row)
    for name, real in REAL.items():
        path = real_files.find(real.entry)
        if path is not None and real.forward_py:
            store.add_file("real." + name, path, as_name=path.name, forward_py=real.forward_py)
    with harness.serving(store, folder / "server") as server:
        yield server.wait_settled()


@pytest.fixture
def client(server):
    with Client(server.address) as client:
        yield client


@pytest.mark.parametrize("name,architecture", rows(SERVED))
def test_state_dict_answers_as_pytorch_does(client, name, architecture):
    version = client.model(model_name(name, architecture))
    assert version.state == pb.MODEL_STATE_READY, version.error_message
    outputs = client.predict_arrays(version.model_name, {"x": reference("loader", "x", 7)})
    assert_close(outputs["OUTPUT__0"], reference("loader", SERVED[name].answer, 7))


@pytest.mark.parametrize("name,architecture", rows(SERVED))
def test_what_was_decided_is_shown(client, name, architecture):
    row = SERVED[name]
    version = client.model(model_name(name, architecture))
    assert version.file.state_dict_key == row.key
    assert sorted(version.file.removed_prefixes) == sorted(row.removed)
    for fragment in row.decisions:
        assert any(fragment in decision for decision in version.placement.decisions), version.placement.decisions


@pytest.mark.parametrize("name,architecture", rows(SERVED))
def test_file_is_described(server, client, name, architecture):
    row, model = SERVED[name], model_name(name, architecture)
    shown = client.model(model).file
    content = (LOADER / row.file).read_bytes()
    assert shown.path == f"{model}/1/{row.file}"
    assert shown.sha256 == hashlib.sha256(content).hexdigest()
    assert shown.size_bytes == len(content)
    assert shown.architecture == f"{model}/{architecture.replace('_', '.')}"
    assert shown.producer == "PyTorch"
    formats = {"legacy": "legacy state_dict", "safetensors": "safetensors"}
    assert shown.format == formats.get(name, "state_dict")
    devices = {"safetensors": [], "saved_on_cuda": ["cuda:3"]}
    assert list(shown.saved_devices) == devices.get(name, ["cpu"])
    dtypes = {"half": {"FP16"}, "averaged": {"FP32", "INT64"}}
    assert set(shown.saved_dtypes) == dtypes.get(name, {"FP32"})


@pytest.mark.parametrize("name,architecture", rows(REFUSED))
def test_what_does_not_fit_is_said(client, name, architecture):
    row, model = REFUSED[name], model_name(name, architecture)
    version = client.model(model)
    assert version.state == pb.MODEL_STATE_FAILED
    check_message(version.error_message, model, *row.fragments)
    assert version.error_code == row.code, version.error_message


def test_wrong_answers_would_be_seen(client):
    """The references of the two state_dicts in one file differ, and those of missing and cast weights, too."""
    answers = [reference("loader", name, 7) for name in ("plain", "ema", "half", "lacking")]
    for i, answer in enumerate(answers):
        for other in answers[:i]:
            with pytest.raises(AssertionError):
                assert_close(answer, other)


# --- published checkpoints ------------------------------------------------------------------------


def real_model(client, name):
    real_files.fetched(REAL[name].entry)
    version = client.model("real." + name)
    assert version.state == pb.MODEL_STATE_READY, version.error_message
    return version.model_name


@pytest.mark.parametrize("net,channels", [("alex", [64, 192, 384, 256, 256]), ("vgg", [64, 128, 256, 512, 512]),
                                          ("squeeze", [64, 128, 256, 384, 384, 512, 512])])
def test_lpips_as_published_answers_as_pytorch_does(client, net, channels):
    name = f"lpips_{net}"
    model = real_model(client, name)
    inputs = {f"diff{i}": pattern((3, count, 4, 4), i) ** 2 for i, count in enumerate(channels)}
    outputs = client.predict_arrays(model, inputs)
    assert sorted(outputs) == ["distance", "per_layer"]
    for output, values in outputs.items():
        assert_close(values, reference(f"real_{name}", output, 3), output)


def test_silero_as_published_answers_as_pytorch_does(client):
    """Two pieces in a row: the state of the first is an input of the second."""
    model = real_model(client, "silero")
    h = c = np.zeros((3, 128), np.float32)
    audio = pattern((3, 64 + 2 * 512), 5) * np.array([[1.0], [0.1], [0.0]], np.float32)
    audio[:, :64] = 0
    for piece in range(2):
        outputs = client.predict_arrays(model, {"samples": audio[:, piece * 512:piece * 512 + 576], "h": h, "c": c})
        for output in ("speech", "h", "c"):
            assert_close(outputs[output], reference("real_silero", f"{output}_{piece}", 3), output)
        h, c = outputs["h"], outputs["c"]


def test_crepe_as_published_answers_as_pytorch_does(client):
    model = real_model(client, "crepe_tiny")
    outputs = client.predict_arrays(model, {"frames": reference("crepe_tiny", "frames", 7)})
    for output in ("pitch_hz", "confidence", "activation"):
        assert_close(outputs[output], reference("crepe_tiny", output, 7), output)


@pytest.mark.parametrize("name", [name for name, real in REAL.items() if real.forward_py])
def test_published_file_is_described(client, name):
    real = REAL[name]
    shown = client.model(real_model(client, name)).file
    assert shown.path == f"real.{name}/1/{real.file}"
    assert (shown.format, shown.producer, shown.sha256) == (real.format, real.producer, real.sha256)
    assert tuple(shown.saved_devices) == real.saved_devices
    assert list(shown.saved_dtypes) == (["FP32", "INT64"] if name == "crepe_tiny" else ["FP32"])
    assert shown.state_dict_key == "" and not shown.removed_prefixes
