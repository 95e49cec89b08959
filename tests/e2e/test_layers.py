"""A forward.py with constructors: layers are called as in PyTorch, and answer as PyTorch did."""

import concurrent.futures
import json

import numpy as np
import pytest

import harness
import portable_files
from harness import Client
from inspecting import inspect_files
from stores import Store
from wire import FIXTURES, array, pb, tensor
from wrong_makers import safetensors as safetensors_file

CASES = sorted(path.stem for path in (FIXTURES / "layer_cases").glob("*.py"))
DEVICES = ["cpu", "sim:1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("layers")
    portable_files.unpack(FIXTURES / "layers" / "layers.tar.xz", path)
    return path


@pytest.fixture(scope="module", params=DEVICES)
def server(request, folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("server")
    store = Store(path / "store")
    for name in CASES:
        store.add_file(name, folder / name / "weights.pth", as_name="weights.pth", forward_py=folder / name / "forward.py")
    with harness.serving(store, path / "server", "--device", request.param, binary=harness.SIM_SERVER, ready=False) as server:
        server.device = request.param
        yield server.wait_settled()


def tensors(folder, kind):
    return [np.load(folder / f"{kind}.{i}.npy") for i in range(len(list(folder.glob(f"{kind}.*.npy"))))]


@pytest.mark.parametrize("name", CASES)
def test_answers_are_pytorchs(server, folder, name):
    with Client(server.address) as client:
        version = client.model(name)
        assert version.state == pb.MODEL_STATE_READY, version.error_message
        assert version.placement.device == server.device
        names = [given.name for given in version.inputs]
        for _ in range(3):  # TorchScript compiles anew in the first runs
            given = dict(zip(names, tensors(folder / name, "input"), strict=False))
            outputs = client.predict(name, {key: tensor(value) for key, value in given.items()}).outputs
            expected = tensors(folder / name, "output")
            assert len(outputs) == len(expected)
            for index, values in enumerate(expected):
                output = array(outputs[f"OUTPUT__{index}"])
                assert output.shape == values.shape
                np.testing.assert_allclose(output, values, rtol=1e-4, atol=1e-5)


def test_each_case_is_packed_as_it_stands(folder):
    for name in CASES:
        assert (folder / name / "forward.py").read_bytes() == (FIXTURES / "layer_cases" / f"{name}.py").read_bytes()


# --- refused, with the line to write: the server and `torchferry inspect` say the same ------------

BLOCK = "def __init__(self):\n    {}\n\ndef forward(self, x: Tensor) -> Tensor:\n    return {}\n"


def safetensors(arrays):
    header, data = {}, b""
    for name, values in arrays.items():
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [len(data), len(data) + values.nbytes]}
        data += values.tobytes()
    return safetensors_file(json.dumps(header), data)


CONV = {"conv1.weight": np.zeros((4, 3, 7, 7), np.float32), "conv1.bias": np.zeros(4, np.float32)}
REFUSED = {
    "shape": (BLOCK.format("self.conv1 = nn.Conv2d(3, 4, 5)", "self.conv1(x)"), "2:18: self.conv1 is nn.Conv2d(3, 4, 5): weight "
              "[4, 3, 5, 5] was expected, the checkpoint has [4, 3, 7, 7]; write kernel_size=7"),
    "bias": (BLOCK.format("self.conv1 = nn.Conv2d(3, 4, 7, bias=False)", "self.conv1(x)"), "write bias=True"),
    "missing": (BLOCK.format("self.conv2 = nn.Conv2d(3, 4, 7)", "self.conv2(x)"), 'the checkpoint has no "conv2.'),
    "unknown": (BLOCK.format("self.conv1 = nn.ConvX(3, 4, 7)", "x"), "nn.ConvX is not among the layers"),
    "no_block": ("def forward(self, x: Tensor) -> Tensor:\n    return self.conv1(x)\n",
                 "2:12: self.conv1 holds bias [4], weight [4, 3, 7, 7], which do not say its stride"),
    "endless": (BLOCK.format("self.conv1 = [i for i in range(10 ** 9)]", "x"), "a list has more than"),
}


@pytest.fixture(scope="module")
def refusing(tmp_path_factory):
    path = tmp_path_factory.mktemp("refusing")
    store = Store(path / "store")
    for name, (source, _) in REFUSED.items():
        version = store.path / name / "1"
        version.mkdir(parents=True)
        (version / "weights.safetensors").write_bytes(safetensors(CONV))
        (store.path / name / "forward.py").write_text(source)
    with harness.serving(store, path / "server", ready=False) as server:
        server.store = store
        yield server.wait_settled()


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_with_a_way_out_by_server_and_inspect(refusing, name):
    with Client(refusing.address) as client:
        version = client.model(name)
    assert version.state == pb.MODEL_STATE_FAILED
    assert f"{name}/forward.py:" in version.error_message
    assert REFUSED[name][1] in version.error_message
    (shown,) = inspect_files(refusing.store.path, f"{name}/1/weights.safetensors").values()
    assert not shown["servable"]
    assert version.error_message in str(shown)


def test_the_line_that_is_printed_works(refusing, tmp_path):
    store = Store(tmp_path / "store")
    store.path.joinpath("conv", "1").mkdir(parents=True)
    (store.path / "conv" / "1" / "weights.safetensors").write_bytes(safetensors(CONV))
    (store.path / "conv" / "forward.py").write_text(
        BLOCK.format("self.conv1 = nn.Conv2d(3, 4, kernel_size=(7, 7), stride=2, padding=3)", "self.conv1(x)"))
    with harness.serving(store, tmp_path / "server") as server, Client(server.address) as client:
        output = array(client.predict("conv", {"x": tensor(np.ones((1, 3, 8, 8), np.float32))}).outputs["OUTPUT__0"])
    assert output.shape == (1, 4, 4, 4)
    assert not output.any()


# --- as any other module --------------------------------------------------------------------------

LOW_PRECISION = ["residual_network", "attention", "gpt"]


def test_layers_run_in_lower_precision(folder, tmp_path):
    store = Store(tmp_path / "store")
    for name in LOW_PRECISION:
        model = store.add_file(name, folder / name / "weights.pth", as_name="weights.pth",
                               forward_py=folder / name / "forward.py")
        (model / "config.pbtxt").write_text("torchferry { precision: BF16 }\n")
    with harness.serving(store, tmp_path / "server", ready=False) as server, Client(server.wait_settled().address) as client:
        for name in LOW_PRECISION:
            version = client.model(name)
            assert version.state == pb.MODEL_STATE_READY, version.error_message
            assert version.placement.precision == "BF16"
            given = dict(zip([i.name for i in version.inputs], tensors(folder / name, "input"), strict=False))
            output = array(client.predict(name, {k: tensor(v) for k, v in given.items()}).outputs["OUTPUT__0"])
            expected = tensors(folder / name, "output")[0]
            assert np.max(np.abs(output - expected)) < 0.05 * max(1.0, np.max(np.abs(expected)))


def test_rows_of_several_requests_share_a_batch(folder, tmp_path):
    store = Store(tmp_path / "store")
    model = store.add_file("net", folder / "residual_network" / "weights.pth", as_name="weights.pth",
                           forward_py=folder / "residual_network" / "forward.py")
    (model / "config.pbtxt").write_text(
        'max_batch_size: 4\ninput [ { name: "x" data_type: TYPE_FP32 dims: [ 3, 64, 64 ] } ]\n'
        'output [ { name: "y" data_type: TYPE_FP32 dims: [ 10 ] } ]\n'
        "dynamic_batching { preferred_batch_size: [ 2 ] max_queue_delay_microseconds: 60000000 }\n")
    rows = tensors(folder / "residual_network", "input")[0]
    expected = tensors(folder / "residual_network", "output")[0]
    with harness.serving(store, tmp_path / "server") as server, Client(server.address) as client, \
            concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda row: client.predict("net", {"x": tensor(row[None])}), rows))
    for answer, values in zip(answers, expected, strict=True):
        np.testing.assert_allclose(array(answer.outputs["y"])[0], values, rtol=1e-4, atol=1e-5)
