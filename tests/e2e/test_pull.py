"""What `torchferry pull` has put into a store is served, and held against the digests that it has printed."""

import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest

import harness
from harness import Client, Code
from passports import passport, put_into_archive, spec
from wire import FIXTURES, REPO, assert_close, pb, reference

FORWARD = "def forward(self, x: Tensor) -> Tensor:\n    return self.b(torch.relu(self.a(x)))\n"


@pytest.fixture
def pull(store, tmp_path):
    """pull(SRC, NAME, …): the lines of standard output, which must be those of sha256sum."""
    # A checkout is no installed package, and its own metadata say its version.
    metadata = tmp_path / "metadata" / "torchferry-0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: torchferry\nVersion: 0\n")
    path = os.pathsep.join([str(metadata.parent), str(REPO / "client" / "python")])

    def run(source, name, *flags):
        command = [sys.executable, "-m", "torchferry._pull", str(source), str(store.path / name), *flags]
        result = subprocess.run(command, env=harness.clean_environment() | {"PYTHONPATH": path}, check=False,
                                capture_output=True, text=True, timeout=harness.DEADLINE_SECONDS)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run


def safetensors(tensors):
    header, data = {}, b""
    for name, values in tensors.items():
        content = np.ascontiguousarray(values, np.float32).tobytes()
        offsets = [len(data), len(data) + len(content)]
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": offsets}
        data += content
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def sharded_repository(folder):
    """Two linear layers in two files, and their index; the weights, by name."""
    random = np.random.Generator(np.random.PCG64(3))
    shapes = {"a.weight": (8, 4), "a.bias": (8,), "b.weight": (3, 8), "b.bias": (3,)}
    weights = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    weight_map = {name: f"model-0000{1 + (name[0] == 'b')}-of-00002.safetensors" for name in weights}
    folder.mkdir()
    for part in set(weight_map.values()):
        (folder / part).write_bytes(safetensors({name: weights[name] for name in weights if weight_map[name] == part}))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    (folder / "forward.py").write_text(FORWARD)
    (folder / "config.json").write_text("{}")
    return weights


def test_a_sharded_repository_is_served_and_trusted(store, start, pull, tmp_path):
    weights = sharded_repository(tmp_path / "repository")
    digests = tmp_path / "published.sha256"
    digests.write_text(pull(tmp_path / "repository", "net"))
    assert len(digests.read_text().splitlines()) == 5
    server = start("--trusted-digests", str(digests))
    x = np.random.Generator(np.random.PCG64(4)).standard_normal((5, 4)).astype(np.float32)
    hidden = np.maximum(x @ weights["a.weight"].T + weights["a.bias"], 0)
    with Client(server.address) as client:
        expected = hidden @ weights["b.weight"].T + weights["b.bias"]
        assert_close(client.predict_arrays("net", {"x": x})["OUTPUT__0"], expected)
        # The passport says the digest that the server has found.
        origin = json.loads((store.path / "net" / "1" / "torchferry.json").read_text())["origin"]
        assert client.model("net").file.sha256 == origin["sha256"]


def test_a_part_that_was_changed_since_is_not_loaded(store, start, pull, tmp_path):
    sharded_repository(tmp_path / "repository")
    digests = tmp_path / "published.sha256"
    digests.write_text(pull(tmp_path / "repository", "net"))
    part = store.path / "net" / "1" / "model-00002-of-00002.safetensors"
    content = bytearray(part.read_bytes())
    content[-1] ^= 1
    part.write_bytes(content)
    server = start("--trusted-digests", str(digests), ready=False).wait_settled()
    with Client(server.address) as client:
        version = client.model("net")
        assert (version.state, version.error_code) == (pb.MODEL_STATE_FAILED, Code.FAILED_PRECONDITION.value[0])
        harness.check_message(version.error_message, "net/1/model-00002-of-00002.safetensors: its SHA-256 ")


def test_an_archive_keeps_its_passport_and_gets_its_source(store, start, pull, tmp_path):
    document = passport([spec("x", [4])], [spec("probabilities", [3])], origin={"run_id": "run-17"})
    shutil.copy(FIXTURES / "mlp" / "1" / "mlp.pt", tmp_path / "net.pt")
    put_into_archive(tmp_path / "net.pt", document)
    digests = tmp_path / "published.sha256"
    digests.write_text(pull(tmp_path / "net.pt", "net"))
    server = start("--trusted-digests", str(digests))
    with Client(server.address) as client:
        assert_close(client.predict_arrays("net", {"x": reference("mlp", "x", 7)})["probabilities"],
                     reference("mlp", "probabilities", 7))
        file = client.model("net").file
        assert (file.provenance.source, file.provenance.run_id) == ("file:net.pt", "run-17")
        assert file.provenance.sha256 == file.sha256


def test_a_server_that_watches_takes_what_is_pulled(store, start, pull):
    """Each version is seen whole: a half would be FAILED, and stay so until its files change."""
    store.add("mlp")
    server = start("--watch", "--watch-interval-seconds", "0.05")
    with Client(server.address) as client:
        for version in range(2, 7):
            pull(pathlib.Path(FIXTURES / "mlp" / "1" / "mlp.pt"), "mlp")

            def serves(version=version):
                return client.predict("mlp", {"x": reference("mlp", "x", 7)}).model_version == version

            harness.wait_until(serves, f"version {version} serves")
        assert not [v for v in client.models().values() if v.state == pb.MODEL_STATE_FAILED]
    assert "FAILED" not in server.log() and "torchferry-stage" not in server.log()
