"""What the server answers is what PyTorch answers, within 1e-5: alone, batched with others, and for every kind of
argument and output."""

import concurrent.futures
import hashlib
import random
import time

import numpy as np
import pytest

import harness
from harness import Client, Code, refused
from stores import Store, add_sample
from wire import array, assert_close, pb, reference

SAMPLES = {"crepe_tiny": "tiny.pth", "cifar_cnn": "model.pt"}

# model: (where its reference lies, the input, the outputs)
BATCHED = {
    "crepe_tiny": ("crepe_tiny", "frames", ["pitch_hz", "confidence", "activation"]),
    "cifar_cnn": ("cifar_cnn", "pixels", ["logits"]),
    "mlp": ("mlp", "x", ["probabilities"]),
    "mlp_traced": ("mlp", "x", ["probabilities"]),
    "mlp_dict": ("mlp", "x", ["probabilities", "label"]),
    "mlp_tuple": ("mlp", "x", ["probabilities", "logits"]),
    "mlp_cuda": ("mlp", "x", ["probabilities"]),
    "lstm": ("lstm", "x", ["scores", "hidden"]),
    "arch": ("arch", "image", ["scores"]),
}
UNBATCHED = ["mlp_bare", "mlp_bare_dict", "mlp_bare_list", "scalar_args", "optional_list"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parity")
    store = Store(folder / "store")
    for name in [*BATCHED, *UNBATCHED, "pair"]:
        if name in SAMPLES:
            add_sample(store, name, SAMPLES[name])
        else:
            store.add(name)
    store.add("mlp", "mlp_versions", 'version_policy { all { } }\n', versions=[2, 10])
    store.add("mlp", "mlp_latest", versions=[2, 10])
    with harness.serving(store, folder, "--workers", "1") as server:
        server.wait_settled()
        yield server


@pytest.fixture
def client(server):
    with Client(server.address) as client:
        yield client


def skip_if_not_fetched(server, model):
    if not (server.store.path / model).exists():
        pytest.skip(f"model_store/{model}/1/{SAMPLES[model]} was not fetched (deploy/fetch-samples.sh)")


@pytest.mark.parametrize("rows", [1, 7])
@pytest.mark.parametrize("model", BATCHED)
def test_predict_alone_equals_pytorch(server, client, model, rows):
    skip_if_not_fetched(server, model)
    source, input_name, outputs = BATCHED[model]
    response = client.predict(model, {input_name: reference(source, input_name, rows)})
    assert sorted(response.outputs) == sorted(outputs)
    for name in outputs:
        assert_close(array(response.outputs[name]), reference(source, name, rows), name)
    assert response.model_name == model
    assert response.model_version == 1
    assert response.execution.device
    assert not response.execution.fallback
    assert response.execution.fallback_reason == ""
    assert response.execution.batch_rows == rows
    assert response.execution.queue_seconds >= 0
    assert response.execution.compute_seconds > 0


@pytest.mark.parametrize("model", ["crepe_tiny", "cifar_cnn", "mlp", "lstm", "arch"])
def test_predict_under_16_clients_is_batched_and_equals_pytorch(server, model):
    skip_if_not_fetched(server, model)
    source, input_name, outputs = BATCHED[model]
    inputs = reference(source, input_name, 7)
    expected = {name: reference(source, name, 7) for name in outputs}
    end = time.monotonic() + harness.DEADLINE_SECONDS

    def work(seed):
        """Requests of 1 to 7 rows; how many of them shared their forward pass."""
        choose = random.Random(seed)
        shared = 0
        with Client(server.address) as client:
            for number in range(25):
                start = choose.randrange(7)
                rows = slice(start, choose.randint(start + 1, 7))
                request_id = f"{seed}/{number}"
                response = client.predict(model, {input_name: inputs[rows]}, request_id=request_id)
                assert response.request_id == request_id
                for name in outputs:
                    assert_close(array(response.outputs[name]), expected[name][rows], f"{request_id} {name}")
                assert response.execution.batch_rows >= rows.stop - rows.start
                shared += response.execution.batch_rows > rows.stop - rows.start
        return shared

    # Once is enough on any machine that is not idle between two requests; the rounds are for that one.
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for round_number in range(1000):
            shared = sum(pool.map(work, range(16 * round_number, 16 * round_number + 16)))
            if shared or time.monotonic() > end:
                break
    with Client(server.address) as client:
        placement = client.model(model).placement
    # A search on a busy machine may find that one row is as fast as many: then nothing is to be shared.
    runs_alone = placement.HasField("tuning") and placement.tuning.batch_rows == 1
    assert shared > 0 or runs_alone, "no request was batched with another client's"


def test_crepe_names_the_tones(server, client):
    skip_if_not_fetched(server, "crepe_tiny")
    frames = reference("crepe_tiny", "frames", 7)
    pitch = client.predict_arrays("crepe_tiny", {"frames": frames})["pitch_hz"]
    tones = np.array([440.0, 110.0, 220.0, 261.63, 659.26, 880.0, 1318.51], np.float32)[:, None]
    np.testing.assert_allclose(pitch, tones, rtol=0.01)
    # torchcrepe flattens its weights by a second sigmoid: 10 cents is half a pitch bin.
    np.testing.assert_allclose(pitch, reference("crepe_tiny", "pitch_hz_torchcrepe", 7), rtol=2 ** (10 / 1200) - 1)


@pytest.mark.parametrize("rows", [1, 7])
def test_model_without_config_serves_any_rows(client, rows):
    response = client.predict("mlp_bare", {"x": reference("mlp", "x", rows)})
    assert_close(array(response.outputs["OUTPUT__0"]), reference("mlp", "probabilities", rows))
    assert list(response.outputs) == ["OUTPUT__0"]


def test_model_without_config_names_outputs_by_dict_keys(client):
    outputs = client.predict_arrays("mlp_bare_dict", {"x": reference("mlp", "x", 7)})
    assert sorted(outputs) == ["label", "probabilities"]
    assert_close(outputs["label"], reference("mlp", "label", 7))
    assert_close(outputs["probabilities"], reference("mlp", "probabilities", 7))


def test_model_without_config_numbers_outputs_of_a_list(client):
    outputs = client.predict_arrays("mlp_bare_list", {"x": reference("mlp", "x", 7)})
    assert sorted(outputs) == ["OUTPUT__0", "OUTPUT__1"]
    assert_close(outputs["OUTPUT__0"], reference("mlp", "probabilities", 7))
    assert_close(outputs["OUTPUT__1"], reference("mlp", "logits", 7))


@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("scale,n,flag", [(0.5, 0, False), (2.0, 3, True), (-1.25, 1, False)])
def test_scalar_arguments_reach_the_model(client, scale, n, flag, shape):
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    outputs = client.predict_arrays("scalar_args", {
        "x": x,
        "scale": np.full(shape, scale, np.float32),
        "n": np.full(shape, n, np.int64),
        "flag": np.full(shape, flag, np.bool_),
    })
    assert_close(outputs["OUTPUT__0"], (x * np.float32(scale) + n) * np.float32(-1 if flag else 1))


def test_optional_input_may_be_left_out(client):
    x = np.ones((2, 3), np.float32)
    part = np.full((2, 3), 2.0, np.float32)
    assert_close(client.predict_arrays("optional_list", {"x": x, "parts": part})["OUTPUT__0"], x + part)
    bias = np.full((2, 3), 10.0, np.float32)
    outputs = client.predict_arrays("optional_list", {"x": x, "parts": part, "bias": bias})
    assert_close(outputs["OUTPUT__0"], (x + part) * bias)


def test_tensor_list_is_sent_as_numbered_inputs(client):
    x = np.zeros((1, 3), np.float32)
    # Twelve, so that 10 sorts behind 9 and not behind 1.
    parts = {f"parts__{i}": np.full((1, 3), 2.0**i, np.float32) for i in range(12)}
    assert_close(client.predict_arrays("optional_list", {"x": x, **parts})["OUTPUT__0"], x + 4095.0)


def test_several_inputs_are_told_apart_by_name(client):
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    factor = np.array([[3], [-2]], np.int64)
    for inputs in ({"values": values, "factor": factor}, {"factor": factor, "values": values}):
        assert_close(client.predict_arrays("pair", inputs)["product"], values * factor.astype(np.float32))


@pytest.mark.parametrize("wanted", [["label"], ["probabilities"], ["label", "probabilities"]])
def test_requested_outputs_are_the_only_ones(client, wanted):
    outputs = client.predict_arrays("mlp_dict", {"x": reference("mlp", "x", 7)}, outputs=wanted)
    assert sorted(outputs) == sorted(wanted)
    for name in wanted:
        assert_close(outputs[name], reference("mlp", name, 7), name)


def test_request_id_is_echoed(client):
    for request_id in ("", "42", "zu schön"):
        response = client.predict("mlp", {"x": reference("mlp", "x", 1)}, request_id=request_id)
        assert response.request_id == request_id


@pytest.mark.parametrize("asked,answered", [(0, 10), (2, 2), (10, 10)])
def test_version_asked_for_answers_and_the_newest_by_default(client, asked, answered):
    response = client.predict("mlp_versions", {"x": reference("mlp", "x", 1)}, model_version=asked)
    assert response.model_version == answered
    assert_close(array(response.outputs["probabilities"]), reference("mlp", "probabilities", 1))


def test_version_policy_defaults_to_the_newest(client):
    assert sorted(v for name, v in client.models() if name == "mlp_latest") == [10]
    with refused(Code.NOT_FOUND, "mlp_latest", "2"):
        client.predict("mlp_latest", {"x": reference("mlp", "x", 1)}, model_version=2)


def test_model_list_shows_what_each_takes_and_gives(client):
    models = client.models()
    assert list(models) == sorted(models, key=lambda key: (key[0], -key[1]))
    mlp = models["mlp_dict", 1]
    assert mlp.state == pb.MODEL_STATE_READY
    assert mlp.max_batch_size == 64
    assert mlp.dynamic_batching
    assert [(s.name, s.dtype, s.kind, list(s.shape), s.optional) for s in mlp.inputs] == [
        ("x", pb.DATA_TYPE_FP32, "tensor", [-1, 4], False)]
    assert sorted((s.name, s.dtype, tuple(s.shape)) for s in mlp.outputs) == [
        ("label", pb.DATA_TYPE_INT64, (-1, 1)), ("probabilities", pb.DATA_TYPE_FP32, (-1, 3))]
    assert mlp.load_seconds > 0

    assert [(s.name, s.kind) for s in models["scalar_args", 1].inputs] == [
        ("x", "tensor"), ("scale", "float"), ("n", "int"), ("flag", "bool")]
    assert [(s.name, s.kind, s.optional) for s in models["optional_list", 1].inputs] == [
        ("x", "tensor", False), ("parts", "tensor list", False), ("bias", "optional tensor", True)]
    assert models["mlp_bare", 1].max_batch_size == 0
    assert not models["mlp_bare", 1].dynamic_batching


def test_model_lists_its_versions_newest_first(client):
    versions = client.stub.GetModel(pb.GetModelRequest(model_name="mlp_versions")).versions
    assert [v.model_version for v in versions] == [10, 2]
    versions = client.stub.GetModel(pb.GetModelRequest(model_name="mlp_versions", model_version=2)).versions
    assert [v.model_version for v in versions] == [2]


def test_model_file_is_described(server, client):
    for name, file, form, architecture in (("mlp", "mlp/1/mlp.pt", "torchscript", ""),
                                           ("lstm", "lstm/1/lstm.pth", "state_dict", "lstm/forward.py"),
                                           ("arch", "arch/1/weights.pth", "state_dict", "arch/architecture.pt")):
        shown = client.model(name).file
        content = (server.store.path / file).read_bytes()
        assert (shown.path, shown.format, shown.architecture) == (file, form, architecture)
        assert shown.size_bytes == len(content)
        assert shown.sha256 == hashlib.sha256(content).hexdigest()
        assert shown.producer.startswith("PyTorch")
        assert list(shown.saved_devices) == ["cpu"]
        assert "FP32" in shown.saved_dtypes
