"""What a model takes beyond tensors, and what its answers lack: dicts, tuples and text as inputs, None among the outputs, arguments with
defaults, rows in another dimension. Answers are PyTorch's; the inputs' names are torch.export's. And what a load that knew better says."""

import json

import grpc
import numpy as np
import pytest

import harness
import portable_files
from harness import Client
from portable_files import FIXTURES
from stores import Store
from wire import array, oip, pb, tensor

FOLDER = FIXTURES / "inputs"
CASES = json.loads((FOLDER / "index.json").read_text())


def config(rows, inputs, outputs, more=""):
    """Of FP32 tensors, by name."""
    def text(kind, name, dims):
        return f'{kind} {{ name: "{name}" data_type: TYPE_FP32 dims: {dims} }}\n'
    return (f"max_batch_size: {rows}\n" + "".join(text("input", *i) for i in inputs.items()) +
            "".join(text("output", *o) for o in outputs.items()) + more)


STATE = {"x": [-1, 4], "h0": [-1, 8], "c0": [-1, 8]}
CONFIGS = {
    "recurrent": config(8, STATE, {"y": [-1, 8], "h": [-1, 8], "c": [-1, 8]}, "dynamic_batching { max_queue_delay_microseconds: 50000 }\n"),
    "sequence_first": config(8, {"x": [3, 4]}, {"y": [3, 4]}, "dynamic_batching { max_queue_delay_microseconds: 50000 }\n"),
}
OTHERS = {
    "none_declared": ("gives_none", config(8, {"x": [4]}, {"aux": [4], "y": [4]})),
    "wrong_dims": ("gives_named_none", config(8, {"x": [4]}, {"OUTPUT__0": [7]})),
    "wrong_input": ("drops", config(8, {"x": [5]}, {"y": [8]})),
    "wrong_type": ("takes_text", 'input { name: "texts" data_type: TYPE_STRING dims: [ -1 ] }\noutput { name: "y" data_type: TYPE_FP32 '
                   'dims: [ -1, 2 ] }\nmodel_warmup { name: "w" batch_size: 1 inputs { key: "texts" value { data_type: TYPE_STRING '
                   'dims: [ 2 ] zero_data: true } } }\n'),
    "text_rows": ("takes_text", 'max_batch_size: 8\ninput { name: "texts" data_type: TYPE_STRING dims: [ 1 ] }\noutput { name: "y" '
                  'data_type: TYPE_INT64 dims: [ 2 ] }\ndynamic_batching { max_queue_delay_microseconds: 50000 }\n'),
    "triton_dict": ("takes_any_keys", config(0, {"Left": [2], "right": [2]}, {"Left": [2], "right": [2]})),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    portable_files.unpack(FOLDER / "inputs.tar.xz", folder)
    store = Store(folder / "store")
    for name in {case["model"] for case in CASES.values()}:
        model = store.add_file(name, folder / f"{name}.pt")
        if name in CONFIGS:
            (model / "config.pbtxt").write_text(CONFIGS[name])
    for name, (source, text) in OTHERS.items():
        (store.add_file(name, folder / f"{source}.pt") / "config.pbtxt").write_text(text)
    with harness.serving(store, folder / "server", "--optimize", "off", ready=False) as server:
        yield server.wait_settled()


@pytest.fixture(scope="module")
def client(server):
    with Client(server.address) as client:
        yield client


def raw_text(texts):
    encoded = [text.encode() for text in texts]
    return b"".join(len(text).to_bytes(4, "little") + text for text in encoded)


def text_tensor(texts, shape=None):
    return pb.Tensor(dtype=pb.DATA_TYPE_BYTES, shape=shape or [len(texts)], data=raw_text(texts))


def message(value):
    return text_tensor(value) if isinstance(value, list) else tensor(np.array(value["values"], value["dtype"]))


def same(output, expected):
    values = np.array(expected["values"], expected["dtype"])
    return output.shape == values.shape and output.dtype == values.dtype and np.allclose(output, values, rtol=1e-5, atol=1e-5)


def decisions(client, name):
    version = client.model(name)
    assert version.state == pb.MODEL_STATE_READY, version.error_message
    return "\n".join(version.placement.decisions)


@pytest.mark.parametrize("name", CASES)
def test_answers_are_pytorchs(client, name):
    case = CASES[name]
    version = client.model(case["model"])
    assert version.state == pb.MODEL_STATE_READY, version.error_message
    inputs = {key: message(value) for key, value in case["inputs"].items()}
    for _ in range(3):  # TorchScript compiles anew in the first runs
        outputs = client.predict(case["model"], inputs).outputs
        assert set(outputs) == set(case["outputs"])
        for key, expected in case["outputs"].items():
            assert same(array(outputs[key]), expected), key


def infer_input(name, value):
    """One of ModelInfer, text in typed contents."""
    if isinstance(value, list):
        return oip.ModelInferRequest.InferInputTensor(name=name, datatype="BYTES", shape=[len(value)],
                                                      contents=oip.InferTensorContents(bytes_contents=[text.encode() for text in value]))
    given = np.array(value["values"], value["dtype"])
    fields = {"float32": ("FP32", "fp32_contents"), "int64": ("INT64", "int64_contents")}
    datatype, field = fields[value["dtype"]]
    return oip.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=given.shape,
                                                  contents=oip.InferTensorContents(**{field: given.ravel().tolist()}))


@pytest.mark.parametrize("name", CASES)
def test_answers_are_the_same_by_the_open_inference_protocol(client, name):
    case = CASES[name]
    request = oip.ModelInferRequest(model_name=case["model"], inputs=[infer_input(*given) for given in case["inputs"].items()])
    response = client.open_stub.ModelInfer(request, timeout=harness.DEADLINE_SECONDS)
    assert [output.name for output in response.outputs] and {output.name for output in response.outputs} == set(case["outputs"])
    for output, raw in zip(response.outputs, response.raw_output_contents, strict=True):
        expected = case["outputs"][output.name]
        assert same(np.frombuffer(raw, expected["dtype"]).reshape(tuple(output.shape)), expected), output.name


@pytest.mark.parametrize(("model", "inputs"), [
    ("takes_batch", {"batch_image": "tensor", "batch_mask": "tensor?", "pair_0": "tensor", "pair_1": "tensor", "scale": "float?"}),
    ("takes_nested", {"sides_left": "tensor", "sides_right": "tensor", "tree_a_b": "tensor", "extra_0": "tensor?", "extra_1": "int?"}),
    ("takes_any_keys", {"d": "tensor dict"}),
    ("takes_text", {"texts": "string list", "case": "string?"}),
    ("defaults", {"x": "tensor", "mode": "string?", "size": "int?"}),
])
def test_what_a_model_takes_is_shown_by_both_apis(client, model, inputs):
    shown = {spec.name: spec.kind + ("?" if spec.optional else "") for spec in client.model(model).inputs}
    assert shown == inputs
    metadata = client.open_stub.ModelMetadata(oip.ModelMetadataRequest(name=model), timeout=harness.DEADLINE_SECONDS)
    assert [spec.name for spec in metadata.inputs] == list(inputs)
    assert all((spec.datatype == "BYTES") == (inputs[spec.name].startswith("string")) for spec in metadata.inputs)


def test_what_cannot_be_sent_has_its_default_and_is_said(client):
    text = decisions(client, "defaults")
    assert 'argument "sizes", a Optional[List[int]], cannot be sent: it is None' in text
    assert 'argument "targets"' in text


def error_of(client, model, inputs, **fields):
    with pytest.raises(grpc.RpcError) as raised:
        client.predict(model, inputs, **fields)
    return raised.value.code(), raised.value.details()


def test_what_is_missing_or_wrong_is_named(client):
    x = tensor(np.zeros((3, 4), np.float32))
    assert error_of(client, "takes_batch", {"pair_0": x, "pair_1": x}) == (
        grpc.StatusCode.INVALID_ARGUMENT, 'input "batch_image" is missing; the model\'s inputs are "batch_image", "batch_mask", "pair_0", '
        '"pair_1", "scale"')
    code, text = error_of(client, "takes_nested", {"sides_left": x, "sides_right": x, "tree_a_b": x, "extra_0": x})
    assert code == grpc.StatusCode.INVALID_ARGUMENT and '"extra_1" is missing' in text
    code, text = error_of(client, "takes_text", {"texts": x})
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "expected BYTES" in text
    code, text = error_of(client, "defaults", {"x": text_tensor(["a"])})
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "takes numbers" in text
    code, text = error_of(client, "takes_text", {"texts": pb.Tensor(dtype=pb.DATA_TYPE_BYTES, shape=[2], data=raw_text(["a"]))})
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "ends within element 1" in text
    code, text = error_of(client, "takes_text", {"texts": pb.Tensor(dtype=pb.DATA_TYPE_BYTES, shape=[1 << 20], data=bytes(4 << 20))})
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "at most 65536" in text


def test_none_is_left_out_whatever_is_declared(client):
    x = np.ones((2, 4), np.float32)
    outputs = client.predict_arrays("none_declared", {"x": tensor(x)})
    assert set(outputs) == {"y"} and np.array_equal(outputs["y"], x * 2)
    assert 'warning: output "aux" of config.pbtxt is None' in decisions(client, "none_declared")
    assert set(client.predict_arrays("none_declared", {"x": tensor(x)}, outputs=["y"])) == {"y"}
    code, text = error_of(client, "none_declared", {"x": tensor(x)}, outputs=["aux"])
    assert code == grpc.StatusCode.INVALID_ARGUMENT and '"aux"' in text


def test_an_output_of_other_dims_is_answered_and_said(client, server):
    assert client.predict_arrays("wrong_dims", {"x": tensor(np.ones((1, 4), np.float32))})["OUTPUT__0"].shape == (1, 4)
    assert 'warning: output "OUTPUT__0" has shape [1, 4]' in decisions(client, "wrong_dims")
    assert list(client.model("wrong_dims").outputs[0].shape) == [-1, 4]
    metadata = client.open_stub.ModelMetadata(oip.ModelMetadataRequest(name="wrong_dims"), timeout=harness.DEADLINE_SECONDS)
    assert list(metadata.outputs[0].shape) == [-1, 4]
    assert "config.pbtxt declares [-1, 7]" in server.log()


def test_a_generated_row_that_fails_is_said_in_the_models_own_words(client, server):
    text = decisions(client, "wrong_input")
    assert "warning: it does not run on a row generated from what config.pbtxt declares (x FP32 [1, 5])" in text
    assert "mat1 and mat2 shapes cannot be multiplied (1x5 and 4x8)" in text and "model_warmup" in text
    assert "mat1 and mat2 shapes cannot be multiplied (1x5 and 4x8)" in server.log()


def test_an_answer_that_contradicts_the_config_fails_the_load(client):
    version = client.model("wrong_type")
    assert version.state == pb.MODEL_STATE_FAILED
    assert 'output "y" has dtype INT64; config.pbtxt declares FP32' in version.error_message


def test_a_dict_as_triton_declares_it(client):
    outputs = client.predict_arrays("triton_dict", {"Left": tensor(np.ones(2, np.float32)), "right": tensor(np.zeros(2, np.float32))})
    assert {name: value.tolist() for name, value in outputs.items()} == {"Left": [2, 2], "right": [0, 0]}


def test_rows_of_text_share_forward_passes(client):
    calls = [client.stub.Predict.future(harness.predict_request("text_rows", {"texts": text_tensor(["hello"] * rows, [rows, 1])}))
             for rows in (1, 2, 1)]
    answers = [call.result(timeout=harness.DEADLINE_SECONDS) for call in calls]
    assert [array(answer.outputs["y"]).tolist() for answer in answers] == [[[5, 1]] * rows for rows in (1, 2, 1)]
    assert max(answer.execution.batch_rows for answer in answers) > 2


@pytest.mark.parametrize(("model", "why"), [("recurrent", '"c0", "h0" are in dimension 1, as aten::lstm has them'),
                                            ("sequence_first", "of two rows that run together one is answered otherwise than alone")])
def test_rows_that_are_not_in_dimension_0_are_not_joined(client, model, why):
    assert why in decisions(client, model)
    assert not client.model(model).dynamic_batching
    cases = [case for case in CASES.values() if case["model"] == model]
    requests = [harness.predict_request(model, {key: message(value) for key, value in case["inputs"].items()}) for case in cases]
    calls = [client.stub.Predict.future(request) for request in requests]
    for call, case in zip(calls, cases, strict=True):
        answer = call.result(timeout=harness.DEADLINE_SECONDS)
        assert all(same(array(answer.outputs[name]), expected) for name, expected in case["outputs"].items())


def test_a_trace_in_training_mode_answers_as_in_eval_mode(client):
    text = decisions(client, "drops")
    assert "warning: was saved in training mode" in text and "aten::dropout" in text and "aten::batch_norm" in text
    assert not client.model("drops").stateful
