"""A model repository as Triton's PyTorch backend has them, served as it is: every model under `1/model.pt` with a config.pbtxt that
says nothing of torchferry. Asked with tritonclient; PyTorch's own answers. What is refused names its field."""

import json
import pathlib

import numpy as np
import pytest

import harness
import portable_files
from harness import Client
from stores import Store
from test_open_inference import python_of, run
from wire import FIXTURES, pb, reference

SCRIPT = pathlib.Path(__file__).parent / "clients" / "triton_repository.py"

MLP_INPUT = 'input [ { name: "INPUT__0" data_type: TYPE_FP32 dims: [ 4 ] } ]\n'
MLP_OUTPUT = 'output [ { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [ 3 ] } ]\n'
TWO_OUTPUTS = ('output [ { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [ 3 ] },\n'
               '         { name: "OUTPUT__1" data_type: TYPE_FP32 dims: [ 3 ] } ]\n')

# By model: the file that it is made of, its versions, and its configuration.
MODELS = {
    # The numbered names; a GPU that is not here; batches closed at preferred sizes.
    "numbered": ("mlp_traced", [1], 'platform: "pytorch_libtorch"\nmax_batch_size: 64\n' + MLP_INPUT + MLP_OUTPUT +
                 "instance_group [ { count: 1 kind: KIND_GPU gpus: [ 0 ] } ]\n"
                 "dynamic_batching { preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 100 }\n"),
    "tuple": ("mlp_tuple", [1], 'backend: "pytorch"\nmax_batch_size: 8\n' + MLP_INPUT + TWO_OUTPUTS +
              "dynamic_batching { default_queue_policy { timeout_action: REJECT default_timeout_microseconds: 60000000\n"
              "  allow_timeout_override: true max_queue_size: 100 } }\n"),
    "list": ("mlp_bare_list", [1], 'backend: "pytorch"\nmax_batch_size: 8\n' + MLP_INPUT + TWO_OUTPUTS),
    # One of two results, and in the other order.
    "logits_alone": ("mlp_tuple", [1], 'backend: "pytorch"\nmax_batch_size: 8\n' + MLP_INPUT +
                     'output { name: "logits__1" data_type: TYPE_FP32 dims: 3 }\n'),
    "turned": ("mlp_tuple", [1], 'backend: "pytorch"\nmax_batch_size: 8\n' + MLP_INPUT +
               'output [ { name: "OUTPUT__1" data_type: TYPE_FP32 dims: [ 3 ] }, { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [ 3 ] } ]\n'),
    # Outputs by the dict's keys, not in the dict's order.
    "dict": ("mlp_dict", [1], 'platform: "pytorch_libtorch"\nmax_batch_size: 8\ninput { name: "x" data_type: TYPE_FP32 dims: 4 }\n'
             'output { name: "label" data_type: TYPE_INT64 dims: 1 }\noutput { name: "probabilities" data_type: TYPE_FP32 dims: 3 }\n'
             "instance_group { count: 2 kind: KIND_CPU }\n"),
    # Clients see other shapes than the model.
    "reshaped": ("mlp", [1], 'platform: "pytorch_libtorch"\nmax_batch_size: 8\n'
                 'input { name: "INPUT__0" data_type: TYPE_FP32 dims: [ 2, 2 ] reshape { shape: [ 4 ] } }\n'
                 'output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [ 3, 1 ] reshape { shape: [ 3 ] } }\n'),
    # No batch dimension of its own: the shape in full, of any size.
    "whole": ("mlp", [1], 'platform: "pytorch_libtorch"\nmax_batch_size: 0\n'
              'input { name: "x__0" data_type: TYPE_FP32 dims: [ -1, 4 ] }\noutput { name: "y__0" data_type: TYPE_FP32 dims: [ -1, 3 ] }\n'),
    "versions": ("mlp", [1, 2, 3, 7], 'platform: "pytorch_libtorch"\nmax_batch_size: 8\n' + MLP_INPUT + MLP_OUTPUT +
                 "version_policy: { specific: { versions: [ 1, 3 ] } }\n"),
    # Two inputs of any length.
    "encoder": ("encoder.FP32", [1, 2], 'platform: "pytorch_libtorch"\nmax_batch_size: 4\n'
                'input [ { name: "ids__0" data_type: TYPE_INT64 dims: [ -1 ] },\n        { name: "mask__1" data_type: TYPE_INT64 dims: [ -1 ] } ]\n'
                'output [ { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [ -1, 384 ] } ]\nversion_policy: { all { } }\n'),
    # An image network with what such configurations carry.
    "image": ("resnet18.FP32", [1], 'platform: "pytorch_libtorch"\nmax_batch_size: 4\n'
              'input [ { name: "INPUT__0" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [ 3, 64, 64 ] } ]\n'
              'output [ { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [ 1000 ] label_filename: "labels.txt" } ]\n'
              "optimization { execution_accelerators { } }\nresponse_cache { enable: true }\n"
              'parameters: { key: "INFERENCE_MODE" value: { string_value: "true" } }\n'
              'parameters: { key: "DISABLE_OPTIMIZED_EXECUTION" value: { string_value: "true" } }\n'),
    "warmed": ("pair", [1], 'platform: "pytorch_libtorch"\nmax_batch_size: 8\n'
               'input [ { name: "INPUT__0" data_type: TYPE_FP32 dims: [ 3 ] }, { name: "INPUT__1" data_type: TYPE_INT64 dims: [ 1 ] } ]\n'
               'output [ { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [ 3 ] } ]\n'
               'model_warmup [ { name: "zeros" batch_size: 1 inputs [\n'
               '  { key: "INPUT__0" value { data_type: TYPE_FP32 dims: [ 3 ] zero_data: true } },\n'
               '  { key: "INPUT__1" value { data_type: TYPE_INT64 dims: [ 1 ] zero_data: true } } ] },\n'
               '{ name: "real" batch_size: 8 count: 3 inputs [\n'
               '  { key: "INPUT__0" value { data_type: TYPE_FP32 dims: [ 3 ] random_data: true } },\n'
               '  { key: "INPUT__1" value { data_type: TYPE_INT64 dims: [ 1 ] input_data_file: "factor" } } ] } ]\n'),
    "half": ("half", [1], 'platform: "pytorch_libtorch"\nmax_batch_size: 8\ninput { name: "INPUT__0" data_type: TYPE_FP16 dims: 6 }\n'
             'output { name: "OUTPUT__0" data_type: TYPE_FP16 dims: 4 }\ndynamic_batching { preserve_ordering: true }\n'),
}

# By model, as above but always the MLP: the field that the refusal names.
REFUSED = {
    "ensemble": ('platform: "ensemble"\nensemble_scheduling { step [ { model_name: "numbered" model_version: -1 } ] }\n', "ensemble"),
    "sequence": ('platform: "pytorch_libtorch"\nmax_batch_size: 8\nsequence_batching { max_sequence_idle_microseconds: 5000000 }\n', "sequence_batching"),
    "strings": ('platform: "pytorch_libtorch"\ninput { name: "INPUT__0" data_type: TYPE_FP32 dims: 4 }\noutput { name: "OUTPUT__0" data_type: TYPE_STRING dims: 1 }\n', "data_type"),
    "decoupled": ('backend: "pytorch"\nmodel_transaction_policy { decoupled: true }\n', "model_transaction_policy.decoupled"),
    "ragged": ('platform: "pytorch_libtorch"\nmax_batch_size: 8\ninput { name: "INPUT__0" data_type: TYPE_FP32 dims: -1 allow_ragged_batch: true }\n',
               "allow_ragged_batch"),
    "onnx": ('platform: "onnxruntime_onnx"\n', "platform"),
}

# What has no effect is said in the log, by these words.
WARNINGS = {"image": ("input.format", "optimization", "response_cache.enable", "DISABLE_OPTIMIZED_EXECUTION"),
            "dict": ("instance_group.count",), "tuple": ("allow_timeout_override",), "half": ("preserve_ordering",)}


def model_file(folder, name):
    if name == "half":
        return folder / "files" / "scripted.cpu.FP16.pt"
    if "." in name:
        portable_files.inflate(FIXTURES / "traced" / f"{name}.tar.xz", folder / name)
        return folder / name
    (file,) = (FIXTURES / name / "1").iterdir()
    return file


def put(repository, model, config, file, versions):
    for version in versions:
        path = repository / model / str(version) / "model.pt"
        path.parent.mkdir(parents=True)
        path.write_bytes(file.read_bytes())
    (repository / model / "config.pbtxt").write_text(f'name: "{model}"\n{config}')


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("triton")
    portable_files.unpack_portable(folder / "files")
    store = Store(folder / "model_repository")
    for model, (source, versions, config) in MODELS.items():
        put(store.path, model, config, model_file(folder, source), versions)
    (store.path / "warmed" / "warmup").mkdir()
    (store.path / "warmed" / "warmup" / "factor").write_bytes(np.array([3], "<i8").tobytes())
    (store.path / "image" / "labels.txt").write_text("tench\n")
    for model, (config, _) in REFUSED.items():
        put(store.path, model, config, model_file(folder, "mlp"), [1])
    before = store.snapshot()
    with harness.serving(store, folder / "server", ready=False) as server:
        yield server.wait_settled()
    assert store.snapshot() == before


class Plan:
    """What triton_repository.py is to ask."""

    def __init__(self, folder):
        self.folder = folder
        self.requests = []

    def _save(self, array):
        path = self.folder / f"{len(list(self.folder.iterdir()))}.npy"
        np.save(path, array)
        return str(path)

    def ask(self, model, inputs, outputs, version="", every=1, tolerance=1e-5):
        datatypes = {"float32": "FP32", "float16": "FP16", "int64": "INT64"}
        self.requests.append({"model": model, "version": version, "every": every, "tolerance": tolerance,
                              "inputs": {n: [datatypes[a.dtype.name], self._save(a)] for n, a in inputs.items()},
                              "outputs": {n: self._save(a) for n, a in outputs.items()}})

    def write(self):
        path = self.folder / "plan.json"
        path.write_text(json.dumps(self.requests))
        return path


def test_every_model_answers_as_pytorch(server, tmp_path):
    plan = Plan(tmp_path)
    mlp = {name: reference("mlp", name, 7) for name in ("x", "probabilities", "logits", "label")}
    plan.ask("numbered", {"INPUT__0": mlp["x"]}, {"OUTPUT__0": mlp["probabilities"]})
    plan.ask("logits_alone", {"INPUT__0": mlp["x"]}, {"logits__1": mlp["logits"]})
    for model in ("tuple", "list", "turned"):
        plan.ask(model, {"INPUT__0": mlp["x"]}, {"OUTPUT__0": mlp["probabilities"], "OUTPUT__1": mlp["logits"]})
    plan.ask("dict", {"x": mlp["x"]}, {"label": mlp["label"], "probabilities": mlp["probabilities"]})
    plan.ask("reshaped", {"INPUT__0": mlp["x"].reshape(7, 2, 2)}, {"OUTPUT__0": mlp["probabilities"].reshape(7, 3, 1)})
    plan.ask("whole", {"x__0": mlp["x"]}, {"y__0": mlp["probabilities"]})
    for version in ("", "1", "3"):
        plan.ask("versions", {"INPUT__0": mlp["x"]}, {"OUTPUT__0": mlp["probabilities"]}, version)
    rows = {(row["model"], row["dtype"]): row for row in portable_files.traced_rows()}
    for version, case in (("1", "2x16"), ("2", "1x40")):
        row = rows["encoder", "FP32"]
        arrays = portable_files.inputs_of(row, case)
        plan.ask("encoder", {"ids__0": arrays["ids"], "mask__1": arrays["mask"]}, {"OUTPUT__0": portable_files.answer_of(row, case, "fp32")},
                 version, every=row["every"])
    for case in ("1", "3"):
        row = rows["resnet18", "FP32"]
        answer = portable_files.answer_of(row, case, "fp32")
        plan.ask("image", {"INPUT__0": portable_files.inputs_of(row, case)["x"]}, {"OUTPUT__0": answer}, tolerance=1e-5 * max(1, float(answer.std())))
    values, factor = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([[2], [5]], np.int64)
    plan.ask("warmed", {"INPUT__0": values, "INPUT__1": factor}, {"OUTPUT__0": values * factor.astype(np.float32)})
    plan.ask("half", {"INPUT__0": reference("portable", "x_FP16", 7)}, {"OUTPUT__0": reference("portable", "fp32_FP16", 7)}, tolerance=4e-3)
    assert {request["model"] for request in plan.requests} == set(MODELS)
    printed = run(python_of("TRITONCLIENT"), SCRIPT, server.address, plan.write())
    assert printed.count("as PyTorch") == len(plan.requests)


def test_versions_are_those_of_the_policy(server):
    with Client(server.address) as client:
        served = {key for key, version in client.models().items() if version.state == pb.MODEL_STATE_READY}
    assert {key for key in served if key[0] in ("versions", "encoder")} == {("versions", 1), ("versions", 3), ("encoder", 1), ("encoder", 2)}
    assert {model for model, _ in served} == set(MODELS)


@pytest.mark.parametrize("model", REFUSED)
def test_what_is_refused_names_its_field(server, model):
    with Client(server.address) as client:
        version = client.model(model)
    assert version.state == pb.MODEL_STATE_FAILED
    harness.check_message(version.error_message, f"{model}/config.pbtxt:", REFUSED[model][1])


@pytest.mark.parametrize("model", WARNINGS)
def test_what_has_no_effect_is_said(server, model):
    lines = [line for line in server.log().splitlines() if f"{model}/config.pbtxt:" in line]
    for field in WARNINGS[model]:
        assert any(field in line for line in lines), f"{field} is not in {lines}"


def put_warmed(store, factor):
    put(store.path, "warmed", MODELS["warmed"][2], model_file(store.path, "pair"), [1])
    (store.path / "warmed" / "warmup").mkdir()
    if factor is not None:
        (store.path / "warmed" / "warmup" / "factor").write_bytes(factor)


def test_warm_ups_run_before_the_first_request_and_are_none(store, start):
    put_warmed(store, np.array([3], "<i8").tobytes())
    put(store.path, "numbered", MODELS["numbered"][2], model_file(store.path, "mlp"), [1])
    server = start()
    with Client(server.address) as client:
        decisions = client.model("warmed").placement.decisions
        assert 'warmed up with 1 runs of model_warmup "zeros"' in decisions and 'warmed up with 3 runs of model_warmup "real"' in decisions
        assert "warmed up with 2 runs of a generated row" in client.model("numbered").placement.decisions
    assert server.metrics().sum("torchferry_requests_total") == 0 == server.metrics().sum("torchferry_batch_rows_count")


@pytest.mark.parametrize("factor, message", [(None, "no such file"), (b"\0" * 4, "has 4 bytes; expected 8")])
def test_a_warm_up_that_cannot_be_made_fails_the_version(store, start, factor, message):
    put_warmed(store, factor)
    with Client(start(ready=False).wait_settled().address) as client:
        version = client.model("warmed")
    assert version.state == pb.MODEL_STATE_FAILED
    harness.check_message(version.error_message, 'model_warmup "real"', "warmed/warmup/factor", message)
