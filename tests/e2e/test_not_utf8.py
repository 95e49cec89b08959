"""Text of others that is not UTF-8 reaches nobody as it is: not by gRPC, /metrics, the log or the CLI; and it costs nobody
else an answer."""

import json
import os
import shutil
import subprocess

import numpy as np
import pytest

import harness
from harness import Client, Code, Health, predict_request, refused
from stores import Store
from wire import FIXTURES, assert_close, oip, pb, reference

PROMTOOL = shutil.which("promtool")

# Raises where x is positive: bytes that are no character, or a text that is cut for its client.
RAISES = '''
import torch


def forward(self, x: Tensor) -> Tensor:
    assert not bool(x.sum().item() > 2.0), "LONG"
    assert not bool(x.sum().item() > 0.0), "caf\\351 \\377\\376"
    return x
'''.replace("LONG", "é" * 2000)
NAMES = '''
import torch


def forward(self, x: Tensor) -> Dict[str, Tensor]:
    return {"\\377": x}
'''


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("not_utf8")
    store = Store(folder / "store")
    store.add("mlp")
    root = os.fsencode(store.path)
    for name in (b"caf\xe9", b"\xff\xfe", b"\xc0\xaf", b"quote\"\\\n\xed\xa0\x80"):
        shutil.copytree(FIXTURES / "mlp", os.fsdecode(root + b"/" + name))
    # A version's file, a folder in a model's, and a file beside the configuration.
    os.makedirs(root + b"/file/1")
    shutil.copy(FIXTURES / "mlp" / "1" / "mlp.pt", root + b"/file/1/mod\xe8le.pt")
    os.makedirs(root + b"/two/1")
    for name in (b"a\xff.pt", b"b\xff.pt"):
        shutil.copy(FIXTURES / "mlp" / "1" / "mlp.pt", root + b"/two/1/" + name)
    store.add("mlp", "folder")
    os.makedirs(root + b"/folder/v\xe9rsion")
    store.add("mlp", "config")
    with open(store.path / "config" / "config.pbtxt", "ab") as config:
        config.write(b'# \xff\nbackend: "\xe9"\n')
    store.add_code("raises", RAISES)
    store.add_code("names", NAMES)
    with harness.serving(store, folder, "--log-format", "json", "--log-level", "debug", "--readiness", "any") as server:
        yield server.wait_settled()


@pytest.fixture
def client(server):
    with Client(server.address) as client:
        yield client
        outputs = client.predict_arrays("mlp", {"x": reference("mlp", "x", 7)})
        assert_close(outputs["probabilities"], reference("mlp", "probabilities", 7))


def test_models_are_listed_whatever_their_folders_are_called(client):
    models = client.models()
    assert models["mlp", 1].state == pb.MODEL_STATE_READY
    for name in ("caf\\xe9", "\\xff\\xfe", "\\xc0\\xaf", 'quote"\\\n\\xed\\xa0\\x80'):
        failed = models[name, 0]
        assert failed.state == pb.MODEL_STATE_FAILED
        harness.check_message(failed.error_message, name, "not UTF-8", "rename")
    assert models["file", 1].file.path.endswith("file/1/mod\\xe8le.pt")
    assert models["folder", 1].state == pb.MODEL_STATE_READY
    harness.check_message(models["two", 1].error_message, "a\\xff.pt", "b\\xff.pt")
    assert models["config", 0].state == pb.MODEL_STATE_FAILED


def test_so_does_the_other_api(client):
    stub = client.open_stub
    index = stub.RepositoryIndex(oip.RepositoryIndexRequest(), timeout=harness.DEADLINE_SECONDS)
    assert "caf\\xe9" in [model.name for model in index.models]
    config = stub.ModelConfig(oip.ModelConfigRequest(name="file"), timeout=harness.DEADLINE_SECONDS).config
    assert config.default_model_filename == "mod\\xe8le.pt"
    stub.ModelMetadata(oip.ModelMetadataRequest(name="file"), timeout=harness.DEADLINE_SECONDS)
    stub.ModelStatistics(oip.ModelStatisticsRequest(), timeout=harness.DEADLINE_SECONDS)


def test_metrics_are_what_prometheus_reads(server, client):
    page = server.http("/metrics")[1]  # decoded strictly
    assert 'model="caf\\\\xe9"' in page
    assert PROMTOOL, "promtool is not on PATH"
    check = subprocess.run([PROMTOOL, "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stderr + check.stdout


def test_log_is_json_in_utf8(server):
    for line in server.log_file.read_bytes().splitlines():
        json.loads(line.decode("utf-8", errors="strict"))


def test_health_goes_on(client):
    assert client.health("") == Health.SERVING
    assert client.health("model/caf\\xe9") == Health.NOT_SERVING


X = np.ones((1, 1), np.float32)


def test_what_a_model_raises_is_utf8_for_its_client(client):
    with refused(Code.INTERNAL, "the model raised", "caf\\xe9 \\xff\\xfe"):
        client.predict("raises", {"x": X})
    message = oip.ModelInferRequest(model_name="raises", raw_input_contents=[X.tobytes()])
    message.inputs.add(name="x", datatype="FP32", shape=[1, 1])
    with refused(Code.INTERNAL, "caf\\xe9 \\xff\\xfe"):
        client.open_stub.ModelInfer(message, timeout=harness.DEADLINE_SECONDS)
    requests = [predict_request("raises", {"x": values}) for values in (X, -X)]
    first, second = client.stub.PredictStream(iter(requests), timeout=harness.DEADLINE_SECONDS)
    assert "caf\\xe9 \\xff\\xfe" in first.error_message and second.error_code == 0
    first, = client.open_stub.ModelStreamInfer(iter([message]), timeout=harness.DEADLINE_SECONDS)
    assert "caf\\xe9 \\xff\\xfe" in first.error_message


def test_a_long_text_of_other_characters_fits_into_headers_and_is_cut_between_them(client):
    with refused(Code.INTERNAL, "ééé … (the whole message is in the server's log)"):
        client.predict("raises", {"x": 3 * X})


def test_an_output_that_is_not_called_in_utf8_is_the_models_error(client):
    with refused(Code.INTERNAL, "calls an output", "\\xff", "UTF-8"):
        client.predict("names", {"x": X})
    stream = client.stub.PredictStream(iter([predict_request("names", {"x": X})]), timeout=harness.DEADLINE_SECONDS)
    assert [answer.error_code for answer in stream] == [Code.INTERNAL.value[0]]


def test_cli_lists_and_shows_them(server, client):
    for arguments in (["models"], ["model", "file"], ["--json", "models"], ["health"]):
        result = subprocess.run([str(harness.BINARIES / "torchferry"), *arguments], capture_output=True, check=False,
                                env=harness.clean_environment() | {"TORCHFERRY_ADDRESS": server.address})
        text = result.stdout.decode("utf-8", errors="strict") + result.stderr.decode("utf-8", errors="strict")
        assert "torchferry" not in text or result.returncode in (0, 1), text
    listed = harness.cli(server.address, "--json", "models")
    assert "caf\\xe9" in [version["model_name"] for version in json.loads(listed.stdout)["versions"]]


def test_inspect_shows_a_file_whatever_it_is_called(tmp_path):
    path = os.fsencode(tmp_path) + b"/mod\xe8le.pt"
    shutil.copy(FIXTURES / "mlp" / "1" / "mlp.pt", path)
    for arguments in ([b"inspect"], [b"--json", b"inspect"]):
        result = subprocess.run([os.fsencode(harness.BINARIES / "torchferry"), *arguments, path], capture_output=True,
                                check=False)
        text = result.stdout.decode("utf-8", errors="strict")
        assert result.returncode == 0, result.stderr
        assert "mod" in text
