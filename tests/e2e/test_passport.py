"""A version's passport: it is served by that where no config.pbtxt says otherwise, what contradicts is refused, and where the
version comes from is shown."""

import json
import shutil

import pytest

import harness
import passports
from exported_programs import cases_of, unpacked
from harness import Client, Code, check_message, cli
from inspecting import inspect_files, run_inspect
from passports import passport, put_beside, put_into_archive, put_into_safetensors, spec
from portable_files import unpack_portable
from stores import Store
from test_check_store import run as run_server
from test_open_inference import python_of
from test_open_inference import run as run_client
from wire import FIXTURES, assert_close, oip, pb, reference

CLIENTS = harness.REPO / "tests" / "e2e" / "clients"
PORTABLE = FIXTURES / "portable"
SHARDS = FIXTURES / "ways_out"
LOADER = FIXTURES / "loader"

# What the sharded fixture is asked, and PyTorch's answer.
LOADER_X, LOADER_Y = reference("loader", "x", 7), reference("loader", "plain", 7)

MLP = {"inputs": [spec("x", [4])], "outputs": [spec("probabilities", [3])]}
PORTABLE_NET = {"inputs": [spec("x", [6])], "outputs": [spec("y", [4])], "max_batch_size": 16}


def mlp(store, name, document, config="", inside=True):
    """The fixture without its config.pbtxt."""
    folder = store.add("mlp", name)
    (folder / "config.pbtxt").unlink()
    if config:
        (folder / "config.pbtxt").write_text(config)
    if inside:
        put_into_archive(folder / "1" / "mlp.pt", document)
    else:
        put_beside(folder / "1", document)
    return folder


def sharded(store, name, kind, document):
    version = store.path / name / "1"
    shutil.copytree(SHARDS / kind, version)
    shutil.copy(LOADER / "forward.py", store.path / name)
    put_beside(version, document)


class Refused:
    """A store's folder that fails to load: `fragments` are in the message."""

    def __init__(self, code, *fragments, config="", document=None, inside=True, beside=None):
        self.code, self.fragments, self.config, self.inside, self.beside = code, fragments, config, inside, beside
        self.document = passport(**MLP) if document is None else document


CONFIG = 'max_batch_size: {}\ninput {{ name: "{}" data_type: TYPE_{} dims: [ {} ] }}\n'
SAID = "the passport in {0}/1/mlp.pt"
REFUSED = {
    "rows": Refused(Code.FAILED_PRECONDITION, "max_batch_size is 0 in config.pbtxt and 64 in " + SAID, "write max_batch_size: 64",
                    config=CONFIG.format(0, "x", "FP32", "-1, 4")),
    "more_rows": Refused(Code.FAILED_PRECONDITION, "max_batch_size is 65 in config.pbtxt", "allows 64", config=CONFIG.format(65, "x", "FP32", "4")),
    "name": Refused(Code.FAILED_PRECONDITION, 'input "INPUT__0" is in config.pbtxt and not in ' + SAID, 'which has "x"',
                    config=CONFIG.format(8, "INPUT__0", "FP32", "4")),
    "type": Refused(Code.FAILED_PRECONDITION, 'input "x" is FP16 in config.pbtxt and FP32 in ' + SAID, "write TYPE_FP32",
                    config=CONFIG.format(8, "x", "FP16", "4")),
    "dims": Refused(Code.FAILED_PRECONDITION, 'input "x" has dims [5] in config.pbtxt and [4] in ' + SAID, "write dims: [ 4 ]",
                    config=CONFIG.format(8, "x", "FP32", "5")),
    "arguments": Refused(Code.FAILED_PRECONDITION, SAID + " declares 2 inputs but forward takes 1",
                         document=passport([spec("x", [4]), spec("z", [4])], [spec("y", [3])])),
    "output_type": Refused(Code.FAILED_PRECONDITION, 'output "y" has dtype FP32; ' + SAID + " declares INT64",
                           document=passport([spec("x", [4])], [spec("y", [3], "INT64")])),
    "no_json": Refused(Code.INVALID_ARGUMENT, SAID, "is no JSON from byte", "remove it", document="{not json"),
    "format": Refused(Code.INVALID_ARGUMENT, SAID, 'format is "onnx"', document={"format": "onnx", "version": 1}),
    "version": Refused(Code.FAILED_PRECONDITION, SAID, "version is 9", "update the server", document=passport() | {"version": 9}),
    "deep": Refused(Code.INVALID_ARGUMENT, SAID, "nests more than 16 deep", document='{"a": ' + "[" * 20 + "]" * 20 + "}"),
    "large": Refused(Code.INVALID_ARGUMENT, "extra/torchferry.json", "at most 262144 are read", document=passport(notes="a" * 300_000)),
    "beside_large": Refused(Code.INVALID_ARGUMENT, "{0}/1/torchferry.json", "at most 262144", document=passport(notes="a" * 300_000), inside=False),
    "two": Refused(Code.INVALID_ARGUMENT, SAID + " and the passport in {0}/1/torchferry.json differ: signature.max_batch_size is 64 and 8",
                   beside=passport(**MLP, max_batch_size=8)),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    unpack_portable(folder)
    return unpacked(folder, "programs")


@pytest.fixture(scope="module")
def server(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("passport")
    store = Store(folder / "store")
    mlp(store, "script", passport(**MLP, saved=passports.SAVED, origin=passports.ORIGIN))
    mlp(store, "beside", passport(**MLP), inside=False)
    mlp(store, "smaller", passport(**MLP), config='max_batch_size: 8\ntorchferry { device: "cpu" }\n')
    mlp(store, "later", passport(**MLP, later={"a": 1}))
    mlp(store, "provenance", passport(origin={"source": "https://host/model.pt", "sha256": "ab"}))
    program = store.add_file("program", files / "net.cpu.FP32.pt2", as_name="model.pt2")
    put_into_archive(program / "1" / "model.pt2", passport([spec("x", [6])], [spec("scores", [4])], max_batch_size=16))
    other = store.add_file("other_program", files / "net.cpu.FP32.pt2", as_name="model.pt2")
    put_into_archive(other / "1" / "model.pt2", passport([spec("x", [6])], [spec("scores", [5])], max_batch_size=16))
    tensors = store.add_file("tensors", files / "safetensors.cpu.FP32.safetensors", as_name="model.safetensors",
                             forward_py=PORTABLE / "forward.py")
    put_into_safetensors(tensors / "1" / "model.safetensors", passport(**PORTABLE_NET))
    weights = store.add_file("weights", files / "zip.cpu.FP32.pth", as_name="model.pth", forward_py=PORTABLE / "forward.py")
    put_beside(weights / "1", passport(**PORTABLE_NET))
    for kind in ("bin", "safetensors"):
        sharded(store, f"sharded_{kind}", kind, passport([spec("x", list(LOADER_X.shape[1:]))], [spec("y", list(LOADER_Y.shape[1:]))], 8))
    for name, row in REFUSED.items():
        model = mlp(store, name, row.document, row.config, row.inside)
        if row.beside:
            put_beside(model / "1", row.beside)
    with harness.serving(store, folder / "server", ready=False) as server:
        yield server.wait_settled()


@pytest.fixture
def client(server):
    with Client(server.address) as client:
        yield client


def signature_of(version):
    return [[(t.name, t.dtype, list(t.shape)) for t in tensors] for tensors in (version.inputs, version.outputs)]


def check_served(client, name, inputs, outputs, rows):
    """READY, with that signature in both APIs and requests that share batches."""
    version = client.model(name)
    assert version.state == pb.MODEL_STATE_READY, version.error_message
    assert version.max_batch_size == rows and version.dynamic_batching
    expected = [[(tensor, pb.DATA_TYPE_FP32, [-1, *dims]) for tensor, dims in tensors] for tensors in (inputs, outputs)]
    assert signature_of(version) == expected
    metadata = client.open_stub.ModelMetadata(oip.ModelMetadataRequest(name=name), timeout=harness.DEADLINE_SECONDS)
    shown = [[(t.name, t.datatype, list(t.shape)) for t in tensors] for tensors in (metadata.inputs, metadata.outputs)]
    assert shown == [[(tensor, "FP32", shape) for tensor, _, shape in tensors] for tensors in expected]


# --- served from the passport alone -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["script", "beside"])
def test_an_archive_is_served_from_its_passport_alone(client, name):
    check_served(client, name, [("x", [4])], [("probabilities", [3])], 64)
    for rows in (1, 7):
        answer = client.predict_arrays(name, {"x": reference("mlp", "x", rows)})
        assert_close(answer["probabilities"], reference("mlp", "probabilities", rows))
    with harness.refused(Code.INVALID_ARGUMENT, '"x"', "[-1, 4]"):
        client.predict(name, {"x": reference("mlp", "x", 7)[:, :3]})


def test_tritonclient_sees_the_passports_signature(server):
    run_client(python_of("TRITONCLIENT"), CLIENTS / "triton_passport.py", server.address, "script", FIXTURES / "expected" / "mlp")


def test_a_program_has_the_names_of_its_passport(client, files):
    check_served(client, "program", [("x", [6])], [("scores", [4])], 16)
    for case in cases_of(files / "net.FP32.npz").values():
        answer = client.predict("program", case.inputs)
        assert list(answer.outputs) == ["scores"]


@pytest.mark.parametrize("name", ["tensors", "weights"])
def test_weights_are_served_from_metadata_or_from_a_file(client, name):
    check_served(client, name, [("x", [6])], [("y", [4])], 16)
    assert_close(client.predict_arrays(name, {"x": reference("portable", "x_FP32", 7)})["y"], reference("portable", "own_FP32", 7))


@pytest.mark.parametrize("kind", ["bin", "safetensors"])
def test_weights_in_several_files_have_theirs_beside_them(client, kind):
    check_served(client, f"sharded_{kind}", [("x", list(LOADER_X.shape[1:]))], [("y", list(LOADER_Y.shape[1:]))], 8)
    assert_close(client.predict_arrays(f"sharded_{kind}", {"x": LOADER_X})["y"], LOADER_Y)


def test_a_config_may_say_less_and_allow_fewer_rows(client):
    version = client.model("smaller")
    assert version.state == pb.MODEL_STATE_READY, version.error_message
    assert version.max_batch_size == 8 and not version.dynamic_batching
    assert signature_of(version)[0] == [("x", pb.DATA_TYPE_FP32, [-1, 4])]
    assert any("inputs, outputs are those of the passport in smaller/1/mlp.pt" in d for d in version.placement.decisions)


def test_fields_of_a_later_server_are_a_warning(client):
    decisions = client.model("later").placement.decisions
    assert any(d.startswith("warning: ") and "does not know and ignores: later" in d for d in decisions), decisions


# --- contradictions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_or_contradicts_is_refused_by_name(client, name):
    version, row = client.model(name), REFUSED[name]
    assert version.state == pb.MODEL_STATE_FAILED
    assert version.error_code == row.code.value[0], version.error_message
    check_message(version.error_message, *(fragment.format(name) for fragment in row.fragments))


def test_a_program_that_gives_something_else_is_refused(client):
    version = client.model("other_program")
    assert version.state == pb.MODEL_STATE_FAILED and version.error_code == Code.FAILED_PRECONDITION.value[0]
    check_message(version.error_message, 'output "scores" has dims [4] in the program and [5] in the passport in other_program/1/model.pt2',
                  "save the model again")


# --- where it comes from ------------------------------------------------------------------------------------------------


def test_get_model_shows_where_a_version_comes_from(client):
    shown = client.model("script").file.provenance
    saved, origin = passports.SAVED, passports.ORIGIN
    assert (shown.saved_device, list(shown.saved_dtypes), shown.torch_version, shown.created, shown.program) == tuple(saved.values())
    assert (shown.git_commit, shown.git_dirty, shown.run_id, dict(shown.metrics), shown.source, shown.sha256) == tuple(origin.values())
    assert not client.model("beside").file.HasField("provenance")


def test_a_passport_of_provenance_alone_leaves_the_signature_to_the_code(client):
    version = client.model("provenance")
    assert version.state == pb.MODEL_STATE_READY and not version.inputs[0].has_shape
    assert version.file.provenance.source == "https://host/model.pt"


def test_the_cli_shows_it(server):
    text = cli(server.address, "model", "script").stdout
    for line in ("saved on", "cuda:0 in FP32", "commit", "0a1b2c3d, with changes", "run-17", "accuracy 0.93", "hf://org/repo@rev"):
        assert line in text, text
    document = json.loads(cli(server.address, "--json", "model", "script").stdout)
    assert document["versions"][0]["file"]["provenance"]["git_dirty"] is True
    assert document["versions"][0]["file"]["provenance"]["metrics"] == {"accuracy": 0.93, "loss": 0.25}


def test_inspect_shows_the_passport_and_refuses_what_the_server_refuses(server):
    text = run_inspect(server.store.path, "script/1/mlp.pt").stdout
    for line in ("PASSPORT", "torchscript-script", "0a1b2c3d, with changes", "x FP32 [4]", "probabilities FP32 [3]", "up to 64"):
        assert line in text, text
    assert "A config.pbtxt to start from" not in text
    shown = inspect_files(server.store.path, "script/1/mlp.pt", "two/1/mlp.pt")
    assert shown["script/1/mlp.pt"]["passport"]["provenance"]["run_id"] == "run-17"
    assert shown["script/1/mlp.pt"]["passport"]["signature"]["max_batch_size"] == 64
    assert "signature.max_batch_size is 64 and 8" in shown["two/1/mlp.pt"]["error"]["message"]


def test_check_says_it_without_a_server(server):
    code, stdout, stderr = run_server("--check", server.store.path, "--device", "cpu")
    assert code == 1, stderr
    assert "rows, inputs, outputs are those of the passport in script/1/mlp.pt" in stdout
    assert 'input "x" has dims [5] in config.pbtxt and [4] in the passport in dims/1/mlp.pt' in stdout
