"""--trusted-digests: nothing is loaded of a version that has a file whose SHA-256 is not on the list."""

import hashlib
import os
import shutil
import subprocess

import pytest

import harness
from harness import Client, Code, check_message, refused
from inspecting import NOT_SERVABLE, OK, run_inspect
from stores import Store
from test_failover import sim_server
from wire import FIXTURES, admin, admin_grpc, array, assert_close, pb, reference

FLAG = "--trusted-digests"
READY, FAILED = pb.MODEL_STATE_READY, pb.MODEL_STATE_FAILED
MODELS = ("mlp", "lstm")


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class List:
    """A list of digests beside the store."""

    def __init__(self, store, folder):
        self.store = store
        self.path = folder / "published.sha256"
        self.write()

    def write(self, without=(), more=""):
        """Of all files of the store, as sha256sum writes it; `without`: paths in the store."""
        root = self.store.path
        names = [str(file.relative_to(root)) for file in sorted(root.rglob("*")) if file.is_file()]
        command = ["sha256sum", *(name for name in names if name not in without)]
        text = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
        partial = self.path.with_suffix(".partial")
        partial.write_text(text + more)
        os.replace(partial, self.path)


@pytest.fixture
def trusted(store, tmp_path):
    for name in MODELS:
        store.add(name)
    return List(store, tmp_path)


def versions(server):
    with Client(server.address) as client:
        return {name: v for (name, _), v in client.models().items()}


def load(client, model="mlp"):
    stub = admin_grpc.ModelAdminServiceStub(client.channel)
    return stub.LoadModel(admin.LoadModelRequest(model_name=model), timeout=harness.DEADLINE_SECONDS)


def test_versions_whose_files_are_listed_serve(trusted, start):
    server = start(FLAG, str(trusted.path))
    with Client(server.address) as client:
        assert_close(client.predict_arrays("mlp", {"x": reference("mlp", "x", 7)})["probabilities"],
                     reference("mlp", "probabilities", 7))
        for name in MODELS:
            assert "the SHA-256 of each file is in published.sha256" in client.model(name).placement.decisions
    assert "only trusted files are loaded" in server.log()


@pytest.mark.parametrize("file", ["mlp/1/mlp.pt", "lstm/1/lstm.pth", "lstm/forward.py"])
def test_a_file_that_is_not_listed_fails_its_version_and_no_other(trusted, start, file):
    trusted.write(without=[file])
    server = start(FLAG, str(trusted.path)).wait_settled()
    found = versions(server)
    failed = file.partition("/")[0]
    assert {name: version.state for name, version in found.items()} == {
        name: FAILED if name == failed else READY for name in MODELS}
    assert found[failed].error_code == Code.FAILED_PRECONDITION.value[0]
    check_message(found[failed].error_message, file, sha256(trusted.store.path / file), "published.sha256", "sha256sum")


def test_a_file_that_was_changed_is_not_looked_into(trusted, start):
    """It would be DATA_LOSS if anything of it were read but its digest."""
    shutil.copy(FIXTURES / "bad" / "corrupt.pt", trusted.store.path / "mlp" / "1" / "mlp.pt")
    (trusted.store.path / "lstm" / "forward.py").write_text("import os\n")
    found = versions(start(FLAG, str(trusted.path), ready=False).wait_settled())
    for name in MODELS:
        assert (found[name].state, found[name].error_code) == (FAILED, Code.FAILED_PRECONDITION.value[0]), found[name]
        check_message(found[name].error_message, "its SHA-256 ")


def test_a_file_that_came_to_a_version_fails_it(trusted, start):
    (trusted.store.path / "mlp" / "1" / "notes.txt").write_text("not a model")
    (trusted.store.path / "mlp" / "1" / ".hidden").write_text("not read")
    found = versions(start(FLAG, str(trusted.path)).wait_settled())
    check_message(found["mlp"].error_message, "mlp/1/notes.txt: its SHA-256 ")
    assert found["lstm"].state == READY


def test_the_list_is_read_anew_for_each_load(trusted, start):
    file = trusted.store.path / "mlp" / "1" / "mlp.pt"
    trusted.write(without=["mlp/1/mlp.pt"])
    server = start(FLAG, str(trusted.path), "--enable-admin").wait_settled()
    with Client(server.address) as client:
        with refused(Code.FAILED_PRECONDITION, "mlp/1/mlp.pt", sha256(file)):
            load(client)
        trusted.write(more="no digest\n")
        with refused(Code.INVALID_ARGUMENT, FLAG, "published.sha256:6: ", "no line of sha256sum"):
            load(client)
        trusted.path.unlink()
        with refused(Code.NOT_FOUND, FLAG, "published.sha256: no such file"):
            load(client)
        trusted.write()
        load(client)
        assert_close(array(client.predict("mlp", {"x": reference("mlp", "x", 7)}).outputs["probabilities"]),
                     reference("mlp", "probabilities", 7))


def test_a_version_that_is_not_listed_leaves_the_old_one_serving(trusted, start):
    server = start(FLAG, str(trusted.path), "--enable-admin")
    shutil.copytree(trusted.store.path / "mlp" / "1", trusted.store.path / "mlp" / "2")
    (trusted.store.path / "mlp" / "2" / "mlp.pt").write_bytes((FIXTURES / "bad" / "corrupt.pt").read_bytes())
    with Client(server.address) as client:
        with refused(Code.FAILED_PRECONDITION, "mlp/2/mlp.pt: its SHA-256 "):
            load(client)
        assert client.predict("mlp", {"x": reference("mlp", "x", 7)}).model_version == 1


@pytest.mark.parametrize("text,message", [
    ("x\n", "published.sha256:1: "), ("# fine\n\n" + "0" * 64 + " one space\n", "published.sha256:3: "),
    (None, "File does not exist"),
])
def test_a_list_that_is_none_is_said_at_the_start(trusted, tmp_path, text, message):
    if text is None:
        trusted.path.unlink()
    else:
        trusted.path.write_text(text)
    server = harness.Server(trusted.store, tmp_path / "server", FLAG, str(trusted.path))
    assert server.wait_exit() in (1, 2)
    assert FLAG in server.log() and message in server.log(), server.log()


def test_a_copy_on_another_device_is_made_by_the_list_of_its_load(tmp_path):
    """A list that changes meanwhile costs no failover; files that change do not pass."""
    store = Store(tmp_path / "store")
    for name in ("mlp", "other"):
        store.add("mlp", name, extra_config='torchferry { device: "sim:0" fallback_warm: false }\n')
    trusted = List(store, tmp_path)
    row = {"x": reference("mlp", "x", 1)}
    with sim_server(tmp_path, store, FLAG, str(trusted.path)) as (server, set_faults), Client(server.address) as client:
        assert client.predict("mlp", row).execution.device == "sim:0"
        trusted.path.write_text("")
        with open(store.path / "other" / "1" / "mlp.pt", "r+b") as file:  # the same file, other bytes
            file.write(b"x")
        set_faults("sim:0 lost=1")
        assert client.predict("mlp", row).execution.device == "cpu"
        with refused(Code.UNAVAILABLE, "sim:0"):
            client.predict("other", row)
        assert server.http("/livez")[0] == 200


def check(trusted, *flags):
    command = [harness.server_binary(), "--check", trusted.store.path, FLAG, trusted.path, *flags]
    return subprocess.run(list(map(str, command)), env=harness.clean_environment(), stdin=subprocess.DEVNULL,
                          check=False, capture_output=True, text=True, timeout=harness.DEADLINE_SECONDS)


def test_check_says_the_same(trusted):
    assert check(trusted).returncode == 0
    trusted.write(without=["lstm/forward.py"])
    for flags in ([], ["--load"]):
        run = check(trusted, *flags)
        assert run.returncode == 1
        assert "lstm/forward.py: its SHA-256 " in " ".join(run.stdout.split())
    trusted.path.write_text("x")
    run = check(trusted)
    assert (run.returncode, run.stdout) == (1, "")
    assert "published.sha256:1: " in run.stderr


def test_inspect_says_the_same(trusted):
    file = "lstm/1/lstm.pth"
    assert run_inspect(trusted.store.path, FLAG, trusted.path, file).returncode == OK
    trusted.write(without=["lstm/forward.py"])
    run = run_inspect(trusted.store.path, FLAG, trusted.path, file)
    assert run.returncode == NOT_SERVABLE
    assert "lstm/forward.py: its SHA-256 " in " ".join(run.stderr.split())
