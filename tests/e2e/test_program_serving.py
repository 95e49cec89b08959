"""torch.export programs as people meet them: a file alone in its folder, its signature through both APIs, batches, state, inputs'
limits, several programs in an archive, a program as the architecture of weights, and what is refused."""

import concurrent.futures
import json
import os
import re
import shutil
import zipfile

import numpy as np
import pytest

import exported_programs
import harness
from exported_programs import TOLERANCES, cases_of, check_answer, check_model, steps_of
from harness import Client, Code, refused
from inspecting import inspect_files
from stateful import Stream
from stores import Store
from test_open_inference import CLIENTS, counted, python_of, run, run_perf_analyzer
from wire import array, assert_close, oip, pb, reference

MATRIX = ("net", "dict", "ordered", "tuple", "named", "classed", "kwargs", "nested", "integer", "fixed", "counter", "counter_functional",
          "encoder", "lstm")
OTHERS = ("train_mode", "static", "dim_plain", "dim_auto", "dim_dynamic", "dim_16", "dim_fours", "autocast_functional", "checks", "writes")
REFUSED = {
    "autocast": ("ep.run_decompositions({})",),
    "custom": ("fixtures.double",),
    "mapped": ("map",),
    "both": ("first", "second", "program:"),
    "nobody": ("nobody", "first", "second"),
}
BATCHING = "max_batch_size: 8\ndynamic_batching { preferred_batch_size: [ 2, 6 ] max_queue_delay_microseconds: 3600000000 }\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return exported_programs.unpacked(tmp_path_factory.mktemp("files"), "programs", "others", "weights")


def matrix_file(files, name):
    return files / f"{name}.cpu.FP32.pt2"


def matrix_cases(files, name):
    return cases_of(files / f"{name}.FP32.npz")


@pytest.fixture(scope="module")
def server(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("program_serving")
    store = Store(folder / "store")
    for name in MATRIX:
        store.add_file(name, matrix_file(files, name), "model.pt2")
    for name in (*OTHERS, "autocast", "custom", "mapped"):
        store.add_file(name, files / f"{name}.pt2", f"{name}.pt2")
    for name, config in {"first": 'torchferry { program: "first" }', "second": 'torchferry { program: "second" }', "both": "",
                         "nobody": 'torchferry { program: "nobody" }'}.items():
        model = store.add_file(name, files / "two.pt2", "two.pt2")
        (model / "config.pbtxt").write_text(config + "\n")
    (store.add_file("waits", matrix_file(files, "net"), "model.pt2") / "config.pbtxt").write_text(BATCHING)
    with harness.serving(store, folder / "server", "--workers", "2", ready=False) as server:
        yield server.wait_settled()


@pytest.fixture
def client(server):
    with Client(server.address) as client:
        yield client


# --- a file alone -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MATRIX)
def test_without_a_config(client, files, name):
    check_model(client, name, matrix_cases(files, name))


@pytest.mark.parametrize("name", OTHERS)
def test_as_people_export_them(client, files, name):
    # Autocast's answers are rounded by the CPU, in whatever order.
    tolerance = TOLERANCES["BF16" if name == "autocast_functional" else "FP32"]
    check_model(client, name, cases_of(files / f"{name}.npz"), tolerance)


def test_batching_is_on_where_dimension_0_is_free(client):
    shown = {name: (v.dynamic_batching, v.max_batch_size) for (name, _), v in client.models().items()}
    for name in ("net", "dict", "nested", "kwargs", "encoder", "lstm", "train_mode"):
        assert shown[name] == (True, 128), name
    assert shown["dim_16"] == (True, 16)
    for name in ("dim_plain", "dim_auto", "dim_dynamic"):
        assert shown[name] == (True, 64), name
    assert not any(shown[name][0] for name in ("static", "counter"))


def test_a_wrong_shape_of_an_lstms_state_is_mended(client):
    """PyTorch up to 2.11 writes a dimension too many for h, of which "last" is made."""
    assert {o.name: list(o.shape) for o in client.model("lstm").outputs} == {"scores": [-1, 5, 4], "last": [-1, 6]}


def test_a_static_program_says_how_to_free_its_rows(client):
    decisions = " ".join(client.model("static").placement.decisions)
    assert "dynamic_shapes" in decisions and 'Dim("batch", min=1)' in decisions, decisions


def test_rows_over_the_programs_own_limit_are_refused(client):
    with refused(Code.INVALID_ARGUMENT, "16"):
        client.predict("dim_16", {"x": np.zeros((17, 6), np.float32)})


@pytest.mark.parametrize("inputs,fragments", [
    ({"x": np.zeros((2, 5), np.float32)}, ("dimension 1 is 5", "6")),
    ({"x": np.zeros((2, 6), np.float64)}, ("FP32",)),
    ({"y": np.zeros((2, 6), np.float32)}, ('"x"',)),
])
def test_inputs_are_held_against_the_programs_signature(client, inputs, fragments):
    with refused(Code.INVALID_ARGUMENT, *fragments):
        client.predict("net", inputs)


def test_a_check_in_the_graph_refuses_the_request_alone(client, files):
    case = cases_of(files / "checks.npz")["7"]
    with pytest.raises(Exception, match="u0") as failure:
        client.predict("checks", case.inputs | {"n": np.array(0, np.int64)})
    assert failure.value.code() in (Code.INVALID_ARGUMENT, Code.INTERNAL)
    check_answer(client.predict("checks", case.inputs).outputs, case, TOLERANCES["FP32"])


def test_the_example_inputs_warm_up_tune_and_try_a_precision(store, start, files):
    """The encoder's number of tokens is free: nothing but its example says which one to run."""
    store.add_file("encoder", matrix_file(files, "encoder"), "model.pt2")
    (store.add_file("half", matrix_file(files, "encoder"), "model.pt2") / "config.pbtxt").write_text("torchferry { precision: BF16 }\n")
    with Client(start("--optimize", "auto").address) as client:
        tuned, half = client.model("encoder").placement, client.model("half").placement
        decisions = list(tuned.decisions)
        assert any("runs of the example that it was exported with" in d for d in decisions), decisions
        assert tuned.tuning.variant and any(d.startswith("tuned in") for d in decisions), decisions
        assert any(d.startswith("deviation from FP32") and "example that it was exported with" in d for d in half.decisions), half.decisions
        check_model(client, "encoder", matrix_cases(files, "encoder"), 1e-5)
        check_model(client, "half", matrix_cases(files, "encoder"), TOLERANCES["BF16"])


def test_a_literal_in_the_code_is_no_state(client):
    """PyTorch writes torch.tensor([…]) as a constant, a copy of it and an in-place detach."""
    for name in ("net", "dim_16"):
        assert not client.model(name).stateful and client.model(name).dynamic_batching


# --- both APIs --------------------------------------------------------------------------------------------------------


def test_tritonclient_sees_the_signature(server, files):
    run(python_of("TRITONCLIENT"), CLIENTS / "triton_program.py", server.address, "dict", files / "dict.FP32.npz")


def test_perf_analyzer_needs_no_config(server):
    """It makes its inputs from the metadata alone."""
    python = python_of("TRITONCLIENT")
    libraries = next(python.parent.parent.glob("lib/python*/site-packages/nvidia/cuda_runtime/lib"))
    before = counted(server, "net")
    shown = run_perf_analyzer(python.parent / "perf_analyzer", "-m", "net", "-u", server.address, "-i", "grpc", "-b", "4",
                              "--request-count", "200", "--concurrency-range", "4", env={**os.environ, "LD_LIBRARY_PATH": str(libraries)})
    sent = int(re.search(r"Request count: (\d+)", shown).group(1))
    ok, others, rows = (now - then for now, then in zip(counted(server, "net"), before, strict=True))
    assert sent >= 200 and ok >= sent and others == 0 and rows == 4 * ok


def test_both_apis_show_the_same_signature(client):
    for name in MATRIX:
        version = client.model(name)
        metadata = client.open_stub.ModelMetadata(oip.ModelMetadataRequest(name=name), timeout=harness.DEADLINE_SECONDS)
        assert [i.name for i in version.inputs] == [i.name for i in metadata.inputs]
        assert [o.name for o in version.outputs] == [o.name for o in metadata.outputs]


def test_inspect_and_the_server_say_the_same(client, server, files):
    shown = inspect_files(server.store.path / "dict", "1/model.pt2")["1/model.pt2"]
    text = json.dumps(shown)
    assert shown["servable"], shown
    version = client.model("dict")
    for name in [i.name for i in version.inputs] + [o.name for o in version.outputs]:
        assert f'"{name}"' in text, (name, text)
    for name in ("autocast", "custom"):
        assert not inspect_files(files, f"{name}.pt2")[f"{name}.pt2"]["servable"]


# --- batches ----------------------------------------------------------------------------------------------------------


def test_concurrent_requests_share_a_pass(client, files):
    cases = matrix_cases(files, "net")
    ones = client.stub.Predict.future(harness.predict_request("waits", cases["1"].inputs), timeout=harness.DEADLINE_SECONDS)
    fives = client.stub.Predict.future(harness.predict_request("waits", {"x": array(cases["7"].inputs["x"])[:5]}),
                                       timeout=harness.DEADLINE_SECONDS)
    assert ones.result().execution.batch_rows == fives.result().execution.batch_rows == 6
    check_answer(ones.result().outputs, cases["1"], TOLERANCES["FP32"])
    assert_close(array(fives.result().outputs["OUTPUT__0"]), cases["7"].fp32["OUTPUT__0"][:5])


@pytest.mark.parametrize("name", ["net", "dict", "nested", "lstm", "encoder"])
def test_each_of_many_clients_gets_its_own_rows(server, files, name):
    cases = list(matrix_cases(files, name).values())

    def ask(number):
        with Client(server.address) as client:
            for i in range(20):
                case = cases[(number + i) % len(cases)]
                check_answer(client.predict(name, case.inputs).outputs, case, TOLERANCES["FP32"])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))


# --- state ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["counter", "counter_functional"])
def test_a_stream_keeps_the_state_that_a_program_writes(client, files, name):
    steps = steps_of(files / f"{name}.FP32.npz")
    assert len(steps) == 4 and client.model(name).stateful
    for _ in range(2):  # the second stream begins anew
        with Stream(client) as stream:
            for step in steps:
                answer = stream.ask(name, step.inputs)
                assert answer.error_code == 0, answer.error_message
                check_answer(answer.response.outputs, step, TOLERANCES["FP32"])


def test_a_program_that_writes_to_its_input_leaves_the_request_alone(client, files):
    for _ in range(2):
        check_model(client, "writes", cases_of(files / "writes.npz"))


# --- several programs -------------------------------------------------------------------------------------------------


def test_the_config_chooses_among_several_programs(client, files):
    check_model(client, "first", matrix_cases(files, "net"))
    check_model(client, "second", matrix_cases(files, "dict"))


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_the_way_out(client, name):
    version = client.model(name)
    assert version.state == pb.MODEL_STATE_FAILED
    for fragment in REFUSED[name]:
        assert fragment in version.error_message, version.error_message


# --- the config -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config,fragments", [
    ('max_batch_size: 8\ninput { name: "x" data_type: TYPE_FP64 dims: [ 6 ] }\n', ("FP64", "FP32")),
    ('max_batch_size: 8\ninput { name: "x" data_type: TYPE_FP32 dims: [ 5 ] }\n', ("5", "6")),
    ('max_batch_size: 8\ninput { name: "x" data_type: TYPE_FP32 dims: [ 6 ] } input { name: "z" data_type: TYPE_FP32 dims: [ 6 ] }\n', ("2 inputs", "x")),
    ("max_batch_size: 4096\n", ("4096", "128")),
])
def test_a_config_that_the_program_contradicts_is_refused(store, start, files, config, fragments):
    (store.add_file("net", matrix_file(files, "net"), "model.pt2") / "config.pbtxt").write_text(config)
    with Client(start(ready=False).wait_settled().address) as client:
        version = client.model("net")
        assert version.state == pb.MODEL_STATE_FAILED
        for fragment in fragments:
            assert fragment in version.error_message, version.error_message


def test_a_config_may_give_other_names(store, start, files):
    (store.add_file("net", matrix_file(files, "net"), "model.pt2") / "config.pbtxt").write_text(
        'max_batch_size: 8\ninput { name: "features" data_type: TYPE_FP32 dims: [ 6 ] }\n'
        'output { name: "scores" data_type: TYPE_FP32 dims: [ 4 ] }\n')
    case = matrix_cases(files, "net")["7"]
    with Client(start().address) as client:
        answer = client.predict_arrays("net", {"features": case.inputs["x"]})
        assert_close(answer["scores"], case.fp32["OUTPUT__0"])


# --- an architecture --------------------------------------------------------------------------------------------------

WEIGHTS = {"trained.pth": "trained.pth", "trained.safetensors": "model.safetensors", "prefixed.pth": "weights.pth"}


@pytest.mark.parametrize("flags", [(), ("--no-torchscript",)])
def test_weights_alone_beside_a_program(store, start, files, flags):
    for number, (file, name) in enumerate(WEIGHTS.items()):
        store.add_file(f"net{number}", files / file, name)
        shutil.copy(matrix_file(files, "net"), store.path / f"net{number}" / "architecture.pt2")
    cases = cases_of(files / "trained.npz")
    with Client(start(*flags).address) as client:
        for number in range(len(WEIGHTS)):
            check_model(client, f"net{number}", cases)


def test_a_key_that_the_weights_lack_is_named(store, start, files):
    store.add_file("net", files / "missing.pth", "trained.pth")
    shutil.copy(matrix_file(files, "net"), store.path / "net" / "architecture.pt2")
    with Client(start(ready=False).wait_settled().address) as client:
        version = client.model("net")
        assert version.state == pb.MODEL_STATE_FAILED and "head.bias" in version.error_message, version.error_message


def test_programs_are_served_where_torchscript_is_not(store, start, files):
    store.add_file("net", matrix_file(files, "net"), "model.pt2")
    store.add("mlp")
    with Client(start("--no-torchscript", ready=False).wait_settled().address) as client:
        check_model(client, "net", matrix_cases(files, "net"))
        assert client.model("mlp").state == pb.MODEL_STATE_FAILED
        with refused(Code.FAILED_PRECONDITION, "--no-torchscript"):
            client.predict("mlp", {"x": reference("mlp", "x", 1)})


def test_an_aotinductor_package_is_refused_by_its_name(store, start, tmp_path):
    path = tmp_path / "package.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("package/archive_format", "pt2")
        archive.writestr("package/data/aotinductor/model/model.so", b"\x7fELF")
    store.add_file("package", path, "model.pt2")
    with Client(start(ready=False).wait_settled().address) as client:
        version = client.model("package")
        assert version.state == pb.MODEL_STATE_FAILED and "AOTInductor" in version.error_message, version.error_message
