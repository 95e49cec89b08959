"""`precision`: what a model computes in, what that does to its answers, and a model that cannot."""

import numpy as np
import pytest

import harness
import portable_files
from harness import Client, Code, cli, refused
from inspecting import inspect_files
from portable_files import FIXTURES
from stores import Store
from wire import bf16_tensor, floats, pb, reference, tensor, widen

PORTABLE = FIXTURES / "portable"
DTYPES = {"FP32": pb.DATA_TYPE_FP32, "FP16": pb.DATA_TYPE_FP16, "BF16": pb.DATA_TYPE_BF16}
NATIVE_BF16 = any(flag in open("/proc/cpuinfo").read() for flag in ("avx512_bf16", "amx_bf16"))
TOLERANCES = {"FP32": 1e-5, "FP16": 4e-3, "BF16": 4e-2}


def declared(dtype, outputs=""):
    outputs = outputs or dtype
    return (f"max_batch_size: 8\ninput {{ name: \"x\" data_type: TYPE_{dtype} dims: [ 6 ] }}\n"
            f"output {{ name: \"y\" data_type: TYPE_{outputs} dims: [ 4 ] }}\n")


class Row:
    """A file of fixtures/portable in `saved`, asked to compute in `precision` on `device`. It does in `computes_in`."""

    def __init__(self, saved, precision, device, computes_in, format="zip", deviates=False):
        self.saved, self.precision, self.device, self.computes_in = saved, precision, device, computes_in
        self.format, self.deviates = format, deviates


BF16_HERE = "BF16" if NATIVE_BF16 else "FP32"
ROWS = [
    Row("FP32", "AUTO", "cpu", "FP32"),
    Row("FP16", "AUTO", "cpu", "FP32"),
    Row("FP16", "AUTO", "sim:0", "FP16"),
    Row("BF16", "AUTO", "cpu", BF16_HERE),
    Row("BF16", "AUTO", "sim:0", "BF16"),
    Row("FP16", "KEEP", "cpu", "FP16"),
    Row("BF16", "KEEP", "cpu", "BF16"),
    Row("FP16", "FP32", "sim:0", "FP32"),
    Row("FP16", "FP32", "cpu", "FP32"),
    Row("FP32", "FP16", "sim:0", "FP16", deviates=True),
    Row("FP32", "FP16", "cpu", "FP32"),
    Row("FP32", "BF16", "sim:0", "BF16", deviates=True),
    Row("FP32", "BF16", "cpu", BF16_HERE, deviates=NATIVE_BF16),
    Row("FP32", "FP16", "sim:0", "FP16", "traced", deviates=True),
    Row("FP16", "FP32", "sim:1", "FP32", "traced"),
    Row("FP16", "BF16", "sim:1", "BF16", "scripted", deviates=True),
]


def name_of(row):
    return f"{row.format}_{row.saved}_as_{row.precision}_on_{row.device}".lower().replace(":", "")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    portable_files.unpack_portable(folder)
    return folder


def add(store, files, name, row, config):
    suffix = "pth" if row.format == "zip" else "pt"
    others = {"forward_py": PORTABLE / "forward.py"} if row.format == "zip" else {}
    model = store.add_file(name, files / f"{row.format}.cpu.{row.saved}.{suffix}", **others)
    own = f'torchferry {{ device: "{row.device}" precision: {row.precision} fallback: NONE }}\n'
    (model / "config.pbtxt").write_text(config + own)


@pytest.fixture(scope="module")
def server(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("precision")
    store = Store(folder / "store")
    for row in ROWS:
        add(store, files, name_of(row), row, declared(row.saved))
    with harness.serving(store, folder / "server", binary=harness.SIM_SERVER, ready=False) as server:
        yield server.wait_settled()


def message(array):
    return bf16_tensor(array) if array.dtype == np.uint16 else tensor(array)


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_clients_see_the_files_types_whatever_it_computes_in(server, row):
    with Client(server.address) as client:
        version = client.model(name_of(row))
        assert version.state == pb.MODEL_STATE_READY, version.error_message
        placement = version.placement
        assert placement.precision == row.computes_in
        assert placement.HasField("precision_deviation") == row.deviates
        if row.deviates:
            assert 0 < placement.precision_deviation < 0.05
            assert any("deviation from FP32: " in decision for decision in placement.decisions)
        worst = 0
        for rows in (1, 7):
            output = client.predict(name_of(row), {"x": message(reference("portable", f"x_{row.saved}", rows))}).outputs["y"]
            assert output.dtype == DTYPES[row.saved]
            expected = reference("portable", f"fp32_{row.saved}", rows)
            worst = max(worst, np.max(np.abs(floats(output) - expected) / np.maximum(1, np.abs(expected))))
        coarsest = max(TOLERANCES[row.saved], TOLERANCES[row.computes_in])
        assert worst <= coarsest
        if row.computes_in == row.saved:
            own = widen(reference("portable", f"own_{row.saved}", 7))
            assert np.max(np.abs(floats(output) - own)) <= coarsest


def test_cli_shows_precision_and_deviation(server):
    run = cli(server.address, "model", name_of(ROWS[9]))
    assert run.returncode == 0, run.stderr
    assert "precision" in run.stdout and "FP16" in run.stdout
    assert "of the largest output, from FP32" in run.stdout


def test_model_that_cannot_run_in_its_type_fails_and_names_both(files, store, tmp_path):
    add(store, files, "wrong", Row("FP16", "KEEP", "cpu", "FP16"), declared("FP16"))
    forward = store.path / "wrong" / "forward.py"
    forward.write_text(forward.read_text().replace("F.linear(x,", "F.linear(x.to(torch.float32),"))
    with harness.serving(store, tmp_path / "server", ready=False) as server, Client(server.address) as client:
        server.wait_settled()
        version = client.model("wrong")
        assert version.state == pb.MODEL_STATE_FAILED
        assert version.error_code == Code.FAILED_PRECONDITION.value[0]
        for fragment in ('fails in FP16, input "x" being FP16', "Float and Half", "precision: FP32"):
            assert fragment in version.error_message
        with refused(Code.FAILED_PRECONDITION, "wrong"):
            client.predict("wrong", {"x": message(reference("portable", "x_FP16", 1))})


# A declaration is what clients see, whatever the weights are.
@pytest.mark.parametrize("saved", ["FP32", "FP16"])
@pytest.mark.parametrize("precision", ["AUTO", "KEEP"])
@pytest.mark.parametrize("device", ["cpu", "sim:0"])
def test_inputs_and_outputs_of_other_types_than_the_weights(files, store, tmp_path, saved, precision, device):
    other = {"FP32": "FP16", "FP16": "FP32"}[saved]
    for config in (declared(other), declared(other, saved), declared(saved, other)):
        name = f"m{len(list(store.path.iterdir()))}"
        add(store, files, name, Row(saved, precision, device, saved), config)
    with harness.serving(store, tmp_path / "server", binary=harness.SIM_SERVER, ready=False) as server, Client(server.address) as client:
        server.wait_settled()
        for name, given, wanted in (("m0", other, other), ("m1", other, saved), ("m2", saved, other)):
            version = client.model(name)
            assert version.state == pb.MODEL_STATE_READY, version.error_message
            x = reference("portable", f"x_{saved}", 7).astype({"FP32": np.float32, "FP16": np.float16}[given])
            output = client.predict(name, {"x": message(x)}).outputs["y"]
            assert output.dtype == DTYPES[wanted]
            assert np.max(np.abs(floats(output) - reference("portable", f"fp32_{saved}", 7))) <= TOLERANCES["FP16"]


def test_inspect_says_the_same(server):
    rows = [row for row in ROWS if row.device == "cpu"]
    files = {row: next((server.store.path / name_of(row) / "1").iterdir()).relative_to(server.store.path) for row in rows}
    shown = inspect_files(server.store.path, *files.values())
    assert {row: shown[str(file)]["plan"]["precision"] for row, file in files.items()} == {row: row.computes_in for row in rows}
