"""What a refusal says to do is done here, with what its user has, and the model is served. Files with harmless things beside
the weights need no way out."""

import json
import shutil

import numpy as np
import pytest

import harness
from harness import Client, check_message
from inspecting import inspect_files
from stores import Store
from test_wrong_files import reason
from wire import FIXTURES, assert_close, pb, reference

WAYS_OUT, LOADER = FIXTURES / "ways_out", FIXTURES / "loader"
CODE = json.loads((WAYS_OUT / "code.json").read_text())
ARCHITECTURES = {"forward_py": LOADER / "forward.py", "architecture_pt": LOADER / "architecture.pt"}
STEPPED_OVER = ("torch.torch_version.TorchVersion", "_io.BytesIO", "functools.partial")  # the first of them
PLAIN = {**{f"{prefix}{name}.pth": STEPPED_OVER for prefix in ("", "legacy_", "p4_") for name in ("objects", "objects_flat")},
         "arrays.pth": (), "nested_arrays.pth": (), "some_arrays.pth": ()}
SHARDS = {"bin": "pytorch_model.bin.index.json", "safetensors": "model.safetensors.index.json"}
# What the hub's folders have beside the weights.
HUB_FILES = {"config.json": '{"architectures": ["Net"]}\n', "README.md": "# Net\n", "vocab.txt": "[PAD]\nthe\n"}
PASS_ON = "def forward(self, x: Tensor) -> Tensor:\n    return x\n"


def add_shards(store, name, kind, files=None, forward=True):
    """A folder of the hub in several files; `files` says which of them, else all."""
    version = store.path / name / "1"
    version.mkdir(parents=True)
    for file in sorted((WAYS_OUT / kind).iterdir()):
        if files is None or file.name in files:
            shutil.copy(file, version)
    for file, text in HUB_FILES.items():
        (version / file).write_text(text)
    if forward:
        shutil.copy(LOADER / "forward.py", store.path / name)
    return version


def parts(kind):
    return sorted(f.name for f in (WAYS_OUT / kind).iterdir() if "-of-" in f.name)


def add_code(store, name):
    """Before and after following the code of a message; after it, with a forward pass."""
    for when in ("before", "after"):
        (file,) = (WAYS_OUT / when / name).iterdir()
        store.add_file(f"{name}.{when}", file, as_name=file.name)
        (store.path / f"{name}.{when}" / "forward.py").write_text(PASS_ON)


def configure(store, name, config):
    (store.path / name / "config.pbtxt").write_text(config)


def fill(store):
    for file in PLAIN:
        for kind, path in ARCHITECTURES.items():
            store.add_file(f"{file}.{kind}", WAYS_OUT / file, as_name=file, **{kind: path})
    for kind, index in SHARDS.items():
        add_shards(store, f"{kind}.indexed", kind)
        add_shards(store, f"{kind}.by_name", kind, files=parts(kind))
        (add_shards(store, f"{kind}.empty_index", kind) / index).write_text('{"metadata": {"total_size": 1}, "weight_map": {}}')
        other = add_shards(store, f"{kind}.ambiguous", kind)
        shutil.copy(LOADER / "plain.pth", other / "training.pth")
        other = add_shards(store, f"{kind}.named", kind)
        shutil.copy(LOADER / "plain.pth", other / "training.pth")
        configure(store, f"{kind}.named", f'default_model_filename: "{index}"\n')
        add_shards(store, f"{kind}.missing", kind, files=[index, parts(kind)[0]])
        add_shards(store, f"{kind}.one_part", kind, files=[parts(kind)[1]], forward=False)
        shutil.copy(LOADER / "architecture.pt", store.path / f"{kind}.one_part")
        twice = add_shards(store, f"{kind}.twice", kind)
        shutil.copy(twice / parts(kind)[0], twice / parts(kind)[1])
        pointer = add_shards(store, f"{kind}.pointer", kind)
        (pointer / parts(kind)[1]).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
        linked = add_shards(store, f"{kind}.link_out", kind, files=[index, parts(kind)[0]])
        (linked / parts(kind)[1]).symlink_to(WAYS_OUT / kind / parts(kind)[1])
    for method in ("encode_image", "encode_text", ""):
        name = f"methods.{method or 'none'}"
        store.add_file(name, WAYS_OUT / "methods.pt")
        configure(store, name, f'torchferry {{ method: "{method}" }}\n' if method else "")
    store.add_file("weights_alone", WAYS_OUT / "weights_alone.pt")
    store.add_file("weights_and_forward", WAYS_OUT / "weights_alone.pt", forward_py=LOADER / "forward.py")
    for name in CODE:
        add_code(store, name)
    store.add_file("model_beside", WAYS_OUT / "model_beside.pth")
    store.add_file("model_left_out", WAYS_OUT / "model_beside.pth")
    (store.path / "model_left_out" / "forward.py").write_text("def forward(self, x: Tensor) -> Tensor:\n    return x - self.mean\n")
    configure(store, "model_left_out", 'torchferry { state_dict { key: "normalizer" } }\n')
    deepspeed = store.path / "deepspeed" / "1"
    deepspeed.mkdir(parents=True)
    for file in ("mp_rank_00_model_states.pt", "zero_pp_rank_0_mp_rank_00_optim_states.pt"):
        shutil.copy(LOADER / "nested_module.pth", deepspeed / file)
    (deepspeed / "zero_to_fp32.py").write_text("# DeepSpeed's script\n")
    shutil.copytree(store.path / "deepspeed", store.path / "deepspeed_named")
    shutil.copy(LOADER / "forward.py", store.path / "deepspeed_named")
    configure(store, "deepspeed_named", 'default_model_filename: "mp_rank_00_model_states.pt"\n')


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ways_out")


@pytest.fixture(scope="module")
def store(folder):
    store = Store(folder / "store")
    fill(store)
    return store


@pytest.fixture(scope="module")
def client(store, folder):
    with harness.serving(store, folder / "server") as server, Client(server.wait_settled().address) as client:
        yield client


def ready(client, name):
    version = client.model(name)
    assert version.state == pb.MODEL_STATE_READY, version.error_message
    return version


def failed(client, name, *fragments):
    version = client.model(name)
    assert version.state == pb.MODEL_STATE_FAILED
    check_message(version.error_message, *fragments)
    return version.error_message


def answers_as_loader(client, name):
    outputs = client.predict_arrays(name, {"x": reference("loader", "x", 7)})
    assert_close(outputs["OUTPUT__0"], reference("loader", "plain", 7))


# --- what needs no way out --------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("file", PLAIN)
def test_weights_beside_anything_harmless_are_served(client, store, file, architecture):
    name = f"{file}.{architecture}"
    version = ready(client, name)
    answers_as_loader(client, name)
    (shown,) = inspect_files(store.path, f"{name}/1/{file}").values()
    assert shown["servable"] and "needs" not in shown
    for fragment in PLAIN[file]:
        for decisions in (version.placement.decisions, shown["plan"]["decisions"]):
            assert any("stepped over" in d and fragment in d for d in decisions), decisions


@pytest.mark.parametrize("layout", ["indexed", "by_name", "empty_index", "named"])
@pytest.mark.parametrize("kind", SHARDS)
def test_state_dict_in_several_files_is_served_as_one(client, store, kind, layout):
    name = f"{kind}.{layout}"
    version = ready(client, name)
    answers_as_loader(client, name)
    assert version.file.format == "sharded state_dict"
    assert any("2 parts" in decision for decision in version.placement.decisions)
    if layout == "by_name":
        return
    (shown,) = inspect_files(store.path, f"{name}/1/{SHARDS[kind]}").values()
    assert shown["servable"] and shown["sha256"] == version.file.sha256
    assert sorted(t["name"] for t in shown["tensors"]) == ["fc1.bias", "fc1.weight", "fc2.bias", "fc2.weight"]


@pytest.mark.parametrize("kind", SHARDS)
@pytest.mark.parametrize("layout,fragments", [
    ("ambiguous", ("training.pth", "default_model_filename")), ("missing", ("is not there", "2 parts", "put it there")),
    ("twice", ("is in", "and in", "copy them again")), ("pointer", ("Git LFS pointer", "git lfs pull")),
    ("link_out", ("out of the",)), ("one_part", ("part 2 of 2", "Put all parts"))])
def test_parts_that_do_not_fit_are_refused(client, store, kind, layout, fragments):
    message = failed(client, f"{kind}.{layout}", *fragments)
    if layout in ("ambiguous", "one_part"):
        return
    (shown,) = inspect_files(store.path, f"{kind}.{layout}/1/{SHARDS[kind]}").values()
    assert reason(shown)[1] == message


# --- what a message says, done -------------------------------------------------------------------------


@pytest.mark.parametrize("name", CODE)
def test_code_of_the_message_makes_a_file_that_is_served(client, store, name):
    """fixtures/ways_out.py has run that very code, with nothing but the file."""
    message = failed(client, f"{name}.before", CODE[name])
    (file,) = (store.path / f"{name}.before" / "1").iterdir()
    (shown,) = inspect_files(store.path, str(file.relative_to(store.path))).values()
    assert reason(shown)[1] == message
    ready(client, f"{name}.after")


def test_method_that_the_message_names_is_run(client):
    message = failed(client, "methods.none", 'torchferry { method: "encode_image" }', "encode_text")
    assert "project" in message
    ready(client, "methods.encode_image")
    x = reference("ways_out", "x", 7)
    outputs = client.predict_arrays("methods.encode_image", {"x": x})
    assert_close(outputs["OUTPUT__0"], reference("ways_out", "image", 7))
    outputs = client.predict_arrays("methods.encode_text", {"x": x, "scale": np.array([2.0], np.float32)})
    assert_close(outputs["OUTPUT__0"], reference("ways_out", "text", 7))


def test_forward_py_gives_an_archive_its_forward(client):
    failed(client, "weights_alone", "put a forward.py beside it")
    version = ready(client, "weights_and_forward")
    assert version.file.architecture == "weights_and_forward/forward.py"
    answers_as_loader(client, "weights_and_forward")


def test_what_is_beside_a_whole_model_is_served_where_it_is_asked_for(client):
    failed(client, "model_beside", 'state_dict { key: "normalizer" }')
    ready(client, "model_left_out")


def test_deepspeed_file_that_the_message_names_is_served(client):
    failed(client, "deepspeed", "DeepSpeed", "mp_rank_00_model_states.pt", "zero_to_fp32.py")
    ready(client, "deepspeed_named")
    answers_as_loader(client, "deepspeed_named")
