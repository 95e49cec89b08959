"""Programs that somebody edited: each is refused with the words that it must meet with, or ends by a limit, while a good model beside it
goes on answering. Nothing is written. Edits by the ten thousand are the fuzz target's (tests/fuzz)."""

import json
import os

import numpy as np
import pytest

import exported_programs
import harness
import program_makers as makers
from exported_programs import TOLERANCES, cases_of, check_model
from harness import Client, Code, refused
from program_makers import PROGRAM, WEIGHTS, calling, edited, entry_of, graph_of, tensor_argument
from stores import Store
from stuck_models import forward_limit, load_limit
from wire import pb

DEEP = 200_000


def sized(**changes):
    """The config of the weights with other numbers for head.weight."""
    def content(source):
        config = json.loads(entry_of(source, WEIGHTS))
        config["config"]["head.weight"]["tensor_meta"].update(changes)
        return {WEIGHTS: json.dumps(config).encode()}

    return content


def path_of_weights(path):
    def content(source):
        config = json.loads(entry_of(source, WEIGHTS))
        config["config"]["head.weight"]["path_name"] = path
        return {WEIGHTS: json.dumps(config).encode()}

    return content


def cut_storage(source):
    name = json.loads(entry_of(source, WEIGHTS))["config"]["head.weight"]["path_name"]
    return {f"data/weights/{name}": entry_of(source, f"data/weights/{name}")[:-4]}


def pickled(source):
    config = json.loads(entry_of(source, WEIGHTS))
    config["config"]["head.weight"]["use_pickle"] = True
    return {WEIGHTS: json.dumps(config).encode()}


def replaced(text):
    return lambda source: {PROGRAM: text}


def without(entry):
    return lambda source: {entry: None}


def cycle(program):
    """The first node takes what the last one gives."""
    nodes = graph_of(program)["nodes"]
    for argument in nodes[0]["inputs"]:
        if "as_tensor" in argument["arg"]:
            argument["arg"] = tensor_argument(nodes[-1]["outputs"][0]["as_tensor"]["name"])
            break


def undefined_output(program):
    graph_of(program)["outputs"] = [tensor_argument("nobody")]


def set_schema(major):
    def edit(program):
        program["schema_version"]["major"] = major

    return edit


def unknown_argument(program):
    graph_of(program)["nodes"][0]["inputs"][0]["arg"] = {"as_something_new": 1}


def wrong_overload(program):
    graph_of(program)["nodes"][0]["target"] = "torch.ops.aten.linear.no_such_overload"


def one_argument_too_many(program):
    graph_of(program)["nodes"][0]["inputs"].append({"name": "surplus", "arg": {"as_int": 1}, "kind": 1})


def negative_dimension(program):
    graph_of(program)["tensor_values"][makers.input_name(program)]["sizes"][1] = {"as_int": -6}


# name: (words of the refusal, an edit of the graph module's JSON, other entries of the archive).
HOSTILE = {
    "save": (("aten.save",), calling("torch.ops.aten.save.default", ("item", "x"), ("filename", {"as_string": "written"})), None),
    "from_file": (("aten.from_file",), calling("torch.ops.aten.from_file.default", ("filename", {"as_string": "/etc/passwd"}),
                                               ("shared", {"as_bool": False}), ("size", {"as_int": 10}), outputs=("stolen",)), None),
    "from_file_shared": (("aten.from_file",), calling(
        "torch.ops.aten.from_file.default", ("filename", {"as_string": "written"}), ("shared", {"as_bool": True}), ("size", {"as_int": 10}),
        outputs=("stolen",)), None),
    "print": (("prim.Print",), calling("torch.ops.prim.Print.default"), None),
    "python": (("os.system",), calling("os.system", ("", {"as_string": "touch written"})), None),
    "eval": (("builtins.eval",), calling("builtins.eval", ("", {"as_string": "1"})), None),
    "custom": (("mine.double",), calling("torch.ops.mine.double.default", ("x", "x"), outputs=("doubled",)), None),
    "wait": (("aten.wait",), calling("torch.ops.aten.wait.default", ("self", "x"), outputs=("waited",)), None),
    "overload": (("no_such_overload",), wrong_overload, None),
    "surplus": (("surplus",), one_argument_too_many, None),
    "cycle": ((), cycle, None),
    "undefined": (("nobody",), undefined_output, None),
    "major": (("schema", "9"), set_schema(9), None),
    "argument": (("as_something_new",), unknown_argument, None),
    "negative": ((), negative_dimension, None),
    "storage": (("head.weight",), None, cut_storage),
    "offset": (("head.weight",), None, sized(storage_offset={"as_int": 1 << 40})),
    "huge": (("head.weight",), None, sized(sizes=[{"as_int": 1 << 40}, {"as_int": 1 << 40}])),
    "strides": (("head.weight",), None, sized(strides=[{"as_int": -6}, {"as_int": 1}])),
    "pickled": (("head.weight",), None, pickled),
    "parent": ((), None, path_of_weights("../../model.json")),
    "absolute": ((), None, path_of_weights("/etc/passwd")),
    "no_weights": ((), None, without(WEIGHTS)),
    "deep": ((), None, replaced(b"[" * DEEP + b"]" * DEEP)),
    "deep_object": ((), None, replaced(b'{"graph_module":' * DEEP + b"1" + b"}" * DEEP)),
    "long": ((), None, replaced(b"[" + b"0," * 40_000_000 + b"0]")),
    "cut": ((), None, lambda source: {PROGRAM: entry_of(source, PROGRAM)[:-100]}),
    "empty": ((), None, replaced(b"")),
    "null": ((), None, replaced(b"null")),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return exported_programs.unpacked(tmp_path_factory.mktemp("files"), "programs")


@pytest.fixture(scope="module")
def server(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("program_hostile")
    store = Store(folder / "store")
    good = files / "net.cpu.FP32.pt2"
    for name, (_, edit, content) in HOSTILE.items():
        path = edited(good, folder / "edited.pt2", edit, content and content(good))
        store.add_file(name, path, "model.pt2")
        path.unlink()
    store.add_file("good", good, "model.pt2")
    with harness.serving(store, folder / "server", ready=False) as server:
        server.before = {path for path in server.cwd.rglob("*")}
        yield server.wait_settled()


@pytest.mark.parametrize("name", HOSTILE)
def test_an_edited_program_is_refused(server, files, name):
    words = HOSTILE[name][0]
    with Client(server.address) as client:
        version = client.model(name)
        assert version.state == pb.MODEL_STATE_FAILED, "it is served"
        for word in words:
            assert word in version.error_message, version.error_message
        harness.check_message(version.error_message)
        check_model(client, "good", cases_of(files / "net.FP32.npz"))


def test_nothing_was_written(server):
    assert {path for path in server.cwd.rglob("*")} == server.before
    assert not os.path.exists("written")
    assert not list(server.store.path.rglob("written"))


# --- loops without an end ---------------------------------------------------------------------------------------------


def loop_graphs(program):
    """(the condition's, the body's) of the while_loop."""
    loop = next(n for n in graph_of(program)["nodes"] if n["target"] == "torch.ops.higher_order.while_loop")
    return [argument["arg"]["as_graph"]["graph"] for argument in loop["inputs"][:2]]


def without_end(program):
    condition, _ = loop_graphs(program)
    condition["nodes"][0]["inputs"][1]["arg"] = {"as_int": 1 << 62}


def without_end_for_nan(program):
    """While a number is not itself."""
    condition, _ = loop_graphs(program)
    h = condition["inputs"][1]["as_tensor"]["name"]
    condition["tensor_values"]["nan"] = condition["tensor_values"][h] | {"dtype": 12}
    condition["nodes"] = [
        makers.node("torch.ops.aten.ne.Tensor", [("self", tensor_argument(h)), ("other", tensor_argument(h))], [tensor_argument("nan")]),
        makers.node("torch.ops.aten.any.default", [("self", tensor_argument("nan"))], [tensor_argument("lt")])]


def test_a_loop_without_an_end_ends_the_load_alone(store, start, files, tmp_path):
    path = edited(files / "while.cpu.FP32.pt2", tmp_path / "edited.pt2", without_end)
    (store.add_file("endless", path, "model.pt2") / "config.pbtxt").write_text(load_limit(2))
    store.add_file("good", files / "net.cpu.FP32.pt2", "model.pt2")
    with Client(start("--drain-timeout-seconds", "1", ready=False).wait_settled().address) as client:
        version = client.model("endless")
        assert version.state == pb.MODEL_STATE_FAILED and "load_timeout_seconds" in version.error_message, version.error_message
        check_model(client, "good", cases_of(files / "net.FP32.npz"))


def test_a_loop_without_an_end_ends_by_the_forward_passs_limit(store, start, files, tmp_path):
    path = edited(files / "while.cpu.FP32.pt2", tmp_path / "edited.pt2", without_end_for_nan)
    (store.add_file("endless", path, "model.pt2") / "config.pbtxt").write_text(forward_limit(2))
    store.add_file("good", files / "net.cpu.FP32.pt2", "model.pt2")
    with Client(start(ready=False).wait_settled().address) as client:
        ends = {"x": np.ones((2, 6), np.float32)}
        assert client.predict("endless", ends).outputs
        with refused(Code.DEADLINE_EXCEEDED):
            client.predict("endless", {"x": np.full((2, 6), np.nan, np.float32)})
        check_model(client, "good", cases_of(files / "net.FP32.npz"), TOLERANCES["FP32"])
