"""Whether a model keeps state, told from its code: PyTorch-made modules with and without state, and the configuration's word."""

import numpy as np
import pytest

import harness
import portable_files
from harness import Client
from portable_files import FIXTURES
from stores import Store
from wire import assert_close, pb

CONFIG = 'torchferry {{ stateful: {} }}\n'


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("state")
    portable_files.unpack(FIXTURES / "state" / "state.tar.xz", folder)
    return {kind: sorted((folder / kind).glob("*.pt")) for kind in ("stateless", "stateful")}


@pytest.fixture(scope="module")
def server(files, tmp_path_factory):
    # quantized_gru is no operator that an untrusted model may use.
    folder = tmp_path_factory.mktemp("state_server")
    store = Store(folder / "store")
    for paths in files.values():
        for path in paths:
            store.add_file(path.stem, path)
    for name, file, word in (("lifted", "contiguous", "false"), ("refused", "adds", "false"), ("asked", "lstm_relu", "true")):
        store.add_file(name, next(p for paths in files.values() for p in paths if p.stem == file))
        (store.path / name / "config.pbtxt").write_text(CONFIG.format(word))
    with harness.serving(store, folder, "--optimize", "off", "--trust-model-code", ready=False) as server:
        yield server.wait_settled()


def test_models_are_told_from_one_another(server, files):
    assert len(files["stateless"]) >= 20 and len(files["stateful"]) >= 10
    with Client(server.address) as client:
        versions = {name: version for (name, _), version in client.models().items()}
        for kind, paths in files.items():
            for path in paths:
                version = versions[path.stem]
                assert version.state == pb.MODEL_STATE_READY, version.error_message
                assert version.stateful == (kind == "stateful"), (kind, path.stem, list(version.placement.decisions))


def test_no_client_sees_what_another_has_left(server, files):
    """The server's word is not enough: the same request has the same answer, whatever was asked before."""
    x = {"x": np.full((1, 5, 8), 0.75, np.float32)}
    with Client(server.address) as client:
        for path in files["stateless"] + files["stateful"]:
            first = client.predict_arrays(path.stem, x)["OUTPUT__0"]
            client.predict_arrays(path.stem, {"x": x["x"] * 3})
            assert_close(client.predict_arrays(path.stem, x)["OUTPUT__0"], first, path.stem)


def test_configuration_lifts_a_state_that_is_not_certain(server):
    with Client(server.address) as client:
        asked = client.model("contiguous")
        assert asked.stateful
        decisions = list(asked.placement.decisions)
        assert any("keeps state: forward may write to self.seen" in d for d in decisions), decisions
        assert any("torchferry { stateful: false }" in d for d in decisions), decisions
        lifted = client.model("lifted")
        assert lifted.state == pb.MODEL_STATE_READY and not lifted.stateful
        assert "keeps no state: torchferry.stateful is false" in list(lifted.placement.decisions)


def test_configuration_does_not_lift_a_state_that_is_certain(server):
    with Client(server.address) as client:
        refused = client.model("refused")
        assert refused.state == pb.MODEL_STATE_FAILED
        harness.check_message(refused.error_message, "torchferry.stateful is false", "forward writes to self.seen")


def test_configuration_may_ask_for_state(server):
    with Client(server.address) as client:
        assert client.model("asked").stateful
        assert not client.model("lstm_relu").stateful


def test_submodule_called_torch_needs_no_trust(files, tmp_path):
    store = Store(tmp_path / "store")
    store.add_file("named_torch", next(path for path in files["stateless"] if path.stem == "named_torch"))
    with harness.serving(store, tmp_path, "--optimize", "off", ready=False) as server, Client(server.address) as client:
        server.wait_settled()
        version = client.model("named_torch")
        assert version.state == pb.MODEL_STATE_READY, version.error_message
        x = np.full((1, 5, 8), 0.75, np.float32)
        assert client.predict_arrays("named_torch", {"x": x})["OUTPUT__0"].shape == (1, 5, 8)
