"""What is not a model, or not one that can be served: `inspect` and the server say the same of it, name the file and say
what to do. `pytest -s -k table` prints every message."""

import functools
import os
import shutil
import subprocess

import pytest

import harness
from harness import Client, Code, check_message
from inspecting import inspect_files
from stores import Store
from wire import FIXTURES, assert_close, pb, reference
from wrong_files import COMPILED, STRAINING, WRONG

CODES = {code.value[0]: code.name for code in Code}


@functools.cache
def without_privileges():
    """A command that runs another so that a file's mode counts: root's right to read everything is taken away. None where
    that cannot be done."""
    if os.geteuid() != 0:
        return ()
    command = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--")
    can = shutil.which("setpriv") and subprocess.run([*command, "true"], check=False, capture_output=True).returncode == 0
    return command if can else None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("wrong_files")


@pytest.fixture(scope="module")
def store(folder):
    store = Store(folder / "store")
    store.add("mlp", "good")
    for name, wrong in {**WRONG, **COMPILED}.items():
        wrong.put(store.path / name)
    return store


@pytest.fixture(scope="module")
def inspected(store):
    """{model: what inspect says of its file}, called in the store."""
    paths = {name: f"{name}/1/{wrong.file}" for name, wrong in WRONG.items()}
    files = inspect_files(store.path, *paths.values(), prefix=without_privileges() or ())
    return {name: files[path] for name, path in paths.items()}


@pytest.fixture(scope="module")
def versions(store, folder):
    """{model: its version, as ListModels has it}."""
    with harness.serving(store, folder / "server", prefix=without_privileges() or ()) as server:
        server.wait_settled()
        with Client(server.address) as client:
            return {name: version for (name, _), version in client.models().items()}


def skip_if_everything_is_readable(name):
    if name == "no_permission" and without_privileges() is None:
        pytest.skip("root reads every file here, and that cannot be taken away")


def reason(file):
    """(code, message) of a file that cannot be served; a state_dict without architecture has its own field."""
    if "needs" in file:
        return "FAILED_PRECONDITION", file["needs"]
    return file["error"]["code"], file["error"]["message"]


@pytest.mark.parametrize("name", WRONG)
def test_inspect_says_what_the_file_is_and_what_to_do(inspected, name):
    skip_if_everything_is_readable(name)
    wrong = WRONG[name]
    assert not inspected[name]["servable"]
    code, message = reason(inspected[name])
    if wrong.about != "":
        check_message(message, f"{name}/{wrong.about or '1/' + wrong.file}")
    check_message(message.replace(f"{name}/", "MODEL/"), *wrong.fragments)  # a row's name may be what is looked for
    assert code == wrong.code, message


@pytest.mark.parametrize("name", WRONG)
def test_server_fails_the_version_in_the_same_words(inspected, versions, name):
    skip_if_everything_is_readable(name)
    version = versions[name]
    assert version.state == pb.MODEL_STATE_FAILED
    assert (CODES[version.error_code], version.error_message) == reason(inspected[name])


@pytest.mark.parametrize("name", COMPILED)
def test_what_compiling_finds_is_said(versions, name):
    wrong, version = COMPILED[name], versions[name]
    assert version.state == pb.MODEL_STATE_FAILED
    if wrong.about != "":
        check_message(version.error_message, f"{name}/{wrong.about or '1/' + wrong.file}")
    check_message(version.error_message, *wrong.fragments)
    assert "report a bug" not in version.error_message and "internal miniz error" not in version.error_message
    assert CODES[version.error_code] == wrong.code, version.error_message


@pytest.mark.parametrize("name", COMPILED)
def test_what_only_the_server_can_tell_is_said_to_be_so(store, name):
    path = f"{name}/1/{COMPILED[name].file}"
    (shown,) = inspect_files(store.path, path).values()
    assert not shown["servable"] or "whether LibTorch compiles" in shown["only_the_server_can_tell"]


@pytest.mark.parametrize("name", STRAINING)
def test_no_file_ends_the_server(tmp_path, name):
    store = Store(tmp_path / "store")
    store.add("mlp", "good")
    STRAINING[name].put(store.path / name)
    with harness.serving(store, tmp_path / "server", ready=False) as server, Client(server.address) as client:
        server.wait_settled()
        assert client.model(name).state in (pb.MODEL_STATE_READY, pb.MODEL_STATE_FAILED)
        outputs = client.predict_arrays("good", {"x": reference("mlp", "x", 1)})
        assert_close(outputs["probabilities"], reference("mlp", "probabilities", 1))


def test_good_model_beside_them_is_ready(versions):
    assert versions["good"].state == pb.MODEL_STATE_READY
    assert set(versions) == {*WRONG, *COMPILED, "good"}


def test_nothing_that_they_carry_was_run(store, folder, inspected, versions):
    assert [str(f) for f in folder.rglob("torchferry_pwned*")] == []


def test_name_that_contradicts_the_tags_is_a_note(tmp_path):
    """x_gpu.pth saved on the CPU, resnet_cpu_fp16.pth saved on a GPU in FP32: served, with a word about the name."""
    store = Store(tmp_path / "store")
    loader = FIXTURES / "loader"
    store.add_file("gpu_name", loader / "plain.pth", as_name="x_gpu.pth", forward_py=loader / "forward.py")
    store.add_file("cpu_name", loader / "cuda.pth", as_name="resnet_cpu_fp16.pth", forward_py=loader / "forward.py")
    notes = {"gpu_name/1/x_gpu.pth": ["name says cuda", "cpu"],
             "cpu_name/1/resnet_cpu_fp16.pth": ["name says cpu", "cuda:3", "name says FP16", "FP32"]}
    inspected = inspect_files(store.path, *notes)
    with harness.serving(store, tmp_path / "server") as server, Client(server.wait_settled().address) as client:
        for path, fragments in notes.items():
            assert inspected[path]["servable"]
            version = client.model(path.split("/")[0])
            assert version.state == pb.MODEL_STATE_READY
            for decisions in (inspected[path]["plan"]["decisions"], version.placement.decisions):
                check_message("\n".join(decisions), *fragments)


def test_absolute_path_changes_nothing_but_the_path(store, inspected):
    """Where inspect is called from: the path in a message is the one that was given."""
    for name in ("lfs_pointer", "truncated_zip", "onnx", "whole_model"):
        path = f"{name}/1/{WRONG[name].file}"
        (absolute,) = inspect_files("/", store.path / path).values()
        assert absolute["error"]["code"] == inspected[name]["error"]["code"]
        assert absolute["error"]["message"].replace(f"{store.path}/", "") == inspected[name]["error"]["message"]


def test_table(inspected):
    """Shows every message, with pytest -s."""
    rows = []
    for name in WRONG:
        code, message = reason(inspected[name]) if not inspected[name]["servable"] else ("OK", "")
        rows.append(f"{name}\n    {code}: {message}")
    print("\n" + "\n".join(rows))
    assert len(rows) >= 25
