"""Links in the store: those that stay in it work, and those that lead out of it are not followed unless the server is told to."""

import pytest

import harness
from harness import Client, Code, check_message
from inspecting import NOT_SERVABLE, OK, run_inspect
from stores import Store
from wire import FIXTURES, assert_close, pb, reference

FAILED = pb.MODEL_STATE_FAILED
OUT = "a link leads out of the model store"
MLP = FIXTURES / "mlp" / "1" / "mlp.pt"
FLAG = "--follow-links-out-of-store"


def fill(store, outside):
    """Models by what is a link: OUT_OF has those to a folder beside the store, WITHIN those that stay in it."""
    store.add("mlp", "good")
    elsewhere = Store(outside)
    elsewhere.add("mlp")
    elsewhere.add("mlp", "folder")
    elsewhere.add("lstm")
    (outside / "row.bin").write_bytes(bytes(16))
    root = store.path
    # out of the store
    (root / "folder").symlink_to(outside / "folder")
    (root / "version").mkdir()
    (root / "version" / "1").symlink_to(outside / "mlp" / "1")
    (root / "file" / "1").mkdir(parents=True)
    (root / "file" / "1" / "m.pt").symlink_to(outside / "mlp" / "1" / "mlp.pt")
    (root / "relative" / "1").mkdir(parents=True)
    (root / "relative" / "1" / "m.pt").symlink_to("../../../" + outside.name + "/mlp/1/mlp.pt")
    store.add_file("config", MLP)
    (root / "config" / "config.pbtxt").symlink_to(outside / "row.bin")
    store.add_file("forward", outside / "lstm" / "1" / "lstm.pth", as_name="lstm.pth")
    (root / "forward" / "forward.py").symlink_to(outside / "lstm" / "forward.py")
    store.add("mlp", "warm", extra_config="""
model_warmup { name: "w" batch_size: 1 inputs { key: "x" value { data_type: TYPE_FP32 dims: [ 4 ] input_data_file: "row.bin" } } }
""")
    (root / "warm" / "warmup").mkdir()
    (root / "warm" / "warmup" / "row.bin").symlink_to(outside / "row.bin")
    # within the store
    (root / "alias").mkdir()
    (root / "alias" / "1").symlink_to(root / "good" / "1")
    (root / "inner" / "1").mkdir(parents=True)
    (root / "inner" / "1" / "m.pt").symlink_to("../../good/1/mlp.pt")
    mounted = root / "mounted" / "1"  # as Kubernetes mounts a ConfigMap
    (mounted / "..2026_11_28").mkdir(parents=True)
    (mounted / "..2026_11_28" / "m.pt").write_bytes(MLP.read_bytes())
    (mounted / "..data").symlink_to("..2026_11_28")
    (mounted / "m.pt").symlink_to("..data/m.pt")


OUT_OF = ["folder", "version", "file", "relative", "config", "forward", "warm"]
WITHIN = ["good", "alias", "inner", "mounted"]


@pytest.fixture
def linked(store, tmp_path):
    fill(store, tmp_path / "outside")
    return store


def versions(server):
    with Client(server.address) as client:
        return {name: v for (name, _), v in client.models().items()}


def test_a_link_out_of_the_store_makes_its_version_fail_and_no_other(linked, start):
    server = start().wait_settled()
    found = versions(server)
    for name in OUT_OF:
        assert found[name].state == FAILED, name
        check_message(found[name].error_message, name, OUT, FLAG)
        assert found[name].error_code == Code.FAILED_PRECONDITION.value[0], found[name]
    with Client(server.address) as client:
        for name in WITHIN:
            assert found[name].state == pb.MODEL_STATE_READY, (name, found[name])
            assert client.predict(name, {"x": reference("mlp", "x", 1)}).outputs


def test_the_flag_follows_them(linked, start):
    server = start(FLAG).wait_settled()
    found = versions(server)
    for name in OUT_OF + WITHIN:
        if name != "config":  # whose target is no configuration
            assert found[name].state == pb.MODEL_STATE_READY, (name, found[name])
    with Client(server.address) as client:
        assert_close(client.predict_arrays("folder", {"x": reference("mlp", "x", 7)})["probabilities"],
                     reference("mlp", "probabilities", 7))


def test_the_store_itself_may_be_a_link(store, tmp_path):
    store.add("mlp")
    (tmp_path / "current").symlink_to(store.path)
    link = Store.__new__(Store)
    link.path = tmp_path / "current"
    with harness.serving(link, tmp_path / "server") as server, Client(server.address) as client:
        assert client.predict("mlp", {"x": reference("mlp", "x", 1)}).outputs


def test_inspect_says_the_same(linked):
    for path in ("file/1/m.pt", "relative/1/m.pt", "version/1/mlp.pt"):
        refused = run_inspect(linked.path, path)
        assert refused.returncode == NOT_SERVABLE and OUT in " ".join(refused.stderr.split()), refused.stderr
        assert run_inspect(linked.path, FLAG, path).returncode == OK
    for path in ("inner/1/m.pt", "mounted/1/m.pt", "alias/1/mlp.pt"):
        assert run_inspect(linked.path, path).returncode == OK, path


def test_a_port_file_is_written_through_no_link(store, tmp_path):
    """Where others may write, one puts a link under the name that the server would write to."""
    victim = tmp_path / "victim"
    victim.write_text("somebody else's")
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "ports.json.partial").symlink_to(victim)
    store.add("mlp")
    with harness.serving(store, folder) as server:
        assert not server.port_file.is_symlink()
    assert victim.read_text() == "somebody else's"
