"""Client.predict, and what else a client asks a server, with a real one."""

import pickle
import socket
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
import stores

import torchferry

X = np.zeros((1, 4), np.float32)


def test_outputs_are_pytorchs(client):
    x = stores.reference("mlp", "x", 7)
    prediction = client.predict("mlp", x=x)
    np.testing.assert_allclose(
        prediction["probabilities"], stores.reference("mlp", "probabilities", 7), rtol=1e-5, atol=1e-6
    )
    assert (prediction.model, prediction.version) == ("mlp", 1)


def test_an_answer_says_where_it_ran(client):
    prediction = client.predict("mlp", x=np.zeros((3, 4), np.float32), request_id="mine")
    execution = prediction.execution
    assert (execution.device, execution.fallback, execution.fallback_reason) == ("cpu", False, "")
    assert execution.batch_rows == 3
    assert execution.queue_seconds >= 0 and execution.compute_seconds > 0
    assert prediction.request_id == "mine"


@pytest.mark.parametrize("dtype", stores.ECHOED)
def test_each_element_type_goes_to_a_server_and_back(client, dtype):
    if dtype == "BF16":
        array = np.arange(6).reshape(2, 3).astype(pytest.importorskip("ml_dtypes").bfloat16)
    else:
        array = (
            np.arange(6)
            .reshape(2, 3)
            .astype({"BOOL": "?", "UINT8": "u1", "FP16": "f2", "FP32": "f4", "FP64": "f8"}.get(dtype, dtype.lower()))
        )
    y = client.predict(f"echo_{dtype}", x=array)["y"]
    assert y.dtype == array.dtype
    np.testing.assert_array_equal(y.astype(np.float64), array.astype(np.float64))


def test_lists_and_text_are_inputs(client):
    assert client.predict("echo_FP32", x=[[1.0, 2.5]])["y"].tolist() == [[1.0, 2.5]]
    counts = client.predict("takes_text", texts=["hello world", "Hello"], case="lower")
    (value,) = counts.values()
    assert value.size >= 2


def test_names_that_are_no_identifiers_go_by_a_mapping(client):
    one = np.ones(1, np.float32)
    assert client.predict("odd_names", {"version": one, "the second": one})["sum"].tolist() == [2.0]
    with pytest.raises(torchferry.InvalidArgumentError, match="given twice"):
        client.predict("mlp", {"x": X}, x=X)


def test_outputs_can_be_chosen(client):
    assert list(client.predict("mlp", x=X, outputs=["probabilities"])) == ["probabilities"]
    with pytest.raises(torchferry.InvalidArgumentError, match="nonsense"):
        client.predict("mlp", x=X, outputs=["nonsense"])


@pytest.mark.parametrize(
    "arguments,inputs,error,words",
    [
        (("no_such_model",), {"x": X}, torchferry.NotFoundError, "no_such_model"),
        (("mlp",), {"y": X}, torchferry.InvalidArgumentError, 'input "x" is missing'),
        (("mlp",), {"x": X.astype("f8")}, torchferry.InvalidArgumentError, "FP64"),
        (("mlp",), {"x": np.zeros((1, 5), np.float32)}, torchferry.InvalidArgumentError, "5"),
        (("mlp", [1]), {}, torchferry.InvalidArgumentError, "mapping"),
        ((3,), {"x": X}, torchferry.InvalidArgumentError, "the model's name"),
    ],
)
def test_what_is_wrong_is_said_with_a_code_and_what_to_do(client, arguments, inputs, error, words):
    with pytest.raises(error, match=words) as raised:
        client.predict(*arguments, **inputs)
    assert raised.value.code in ("NOT_FOUND", "INVALID_ARGUMENT")
    assert raised.value.message
    copy = pickle.loads(pickle.dumps(raised.value))
    assert (type(copy), str(copy), copy.hint) == (error, str(raised.value), raised.value.hint)


@pytest.mark.parametrize(
    "arguments",
    [
        {"version": -1},
        {"version": 1.0},
        {"version": True},
        {"version": 2**63},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"timeout": "1"},
        {"timeout": float("inf")},
        {"outputs": "y"},
        {"request_id": 5},
    ],
)
def test_arguments_are_checked_before_anything_is_sent(arguments):
    with (
        torchferry.Client("127.0.0.1:1") as nobody,
        pytest.raises(torchferry.InvalidArgumentError, match=next(iter(arguments))),
    ):
        nobody.predict("mlp", x=X, **arguments)


def test_a_version_that_is_not_there_is_not_found(client):
    with pytest.raises(torchferry.NotFoundError, match="2"):
        client.predict("mlp", x=X, version=2)


def test_a_deadline_is_kept(client):
    with pytest.raises(TimeoutError) as raised:
        client.predict("slow", steps=np.array([300_000]), timeout=0.05)
    assert isinstance(raised.value, torchferry.DeadlineExceededError)


def test_the_clients_own_deadline_is_that_of_calls_without_one(server):
    with server.client(timeout=0.2) as client, pytest.raises(torchferry.DeadlineExceededError):
        client.predict("slow", steps=np.array([300_000]))


def test_a_request_over_the_limit_is_refused_by_either_side(server, client):
    with server.client() as client, pytest.raises(torchferry.ResourceExhaustedError):
        client.predict("echo_FP32", x=np.zeros((1, 5 << 20), np.float32))
    with (
        torchferry.Client(server.address, max_message_bytes=1000) as small,
        pytest.raises(torchferry.ResourceExhaustedError),
    ):
        small.predict("echo_FP32", x=np.zeros((1, 1000), np.float32))


def test_an_answer_may_be_larger_than_grpcs_own_limit(client):
    x = np.arange(2 << 20, dtype=np.float32).reshape(1, -1)
    np.testing.assert_array_equal(client.predict("echo_FP32", x=x)["y"], x)


def test_a_server_that_is_not_there_is_unavailable():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = "{}:{}".format(*closed.getsockname())
        with torchferry.Client(address) as client:
            assert client.ready() is False
            with pytest.raises(torchferry.UnavailableError) as raised:
                client.models()
            assert "wait_ready" in raised.value.hint
            with pytest.raises(torchferry.DeadlineExceededError, match="failed to connect"):
                client.wait_ready(timeout=0.3)


def test_threads_share_a_client(client):
    failures, rows = [], np.arange(64, dtype=np.float32).reshape(16, 1, 4)

    def ask(row):
        try:
            for _ in range(20):
                np.testing.assert_array_equal(client.predict("echo_FP32", x=row)["y"], row)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(row,)) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


# --- the models -------------------------------------------------------------------------------------


def test_models_and_metadata_say_what_is_served(client):
    models = client.models()
    assert {"mlp", "slow", "running_sum"} <= {model.name for model in models}
    assert [model.name for model in models] == sorted(model.name for model in models)
    model = client.metadata("mlp")
    assert (model.name, model.version, model.state, model.ready, model.error) == ("mlp", 1, "READY", True, None)
    (x,) = model.inputs
    assert (x.name, x.dtype, x.shape, x.kind, x.optional) == ("x", "FP32", (-1, 4), "tensor", False)
    assert (model.device, model.precision, model.fallback, model.stateful) == ("cpu", "FP32", False, False)
    assert model.max_batch_size == 64 and model.decisions
    assert model.details["file"]["format"] == "torchscript"
    assert client.metadata("running_sum").stateful
    with pytest.raises(torchferry.NotFoundError, match="nothing"):
        client.metadata("nothing")


def test_ready_is_asked_of_the_server_or_a_model(client):
    assert client.ready() and client.ready("mlp")
    assert not client.ready("nothing")
    client.wait_ready("mlp", timeout=10)
    with pytest.raises(torchferry.DeadlineExceededError, match="no model of that name"):
        client.wait_ready("nothing", timeout=0.2)


def test_models_are_loaded_and_unloaded(store):
    store.add("mlp", versions=(1, 2))
    with torchferry.serve(store.path, "--enable-admin") as server, server.client() as client:
        assert client.predict("mlp", x=X).version == 2
        assert {model.version: model.state for model in client.load("mlp", versions=[1])}[1] == "READY"
        assert client.predict("mlp", x=X).version == 1
        client.unload("mlp")
        with pytest.raises(torchferry.TorchferryError):
            client.predict("mlp", x=X, timeout=10)
        client.load("mlp")
        assert client.predict("mlp", x=X).version == 2


# --- its life ---------------------------------------------------------------------------------------


def test_a_closed_client_says_so(server):
    client = server.client()
    client.predict("mlp", x=X)
    client.close()
    client.close()
    with pytest.raises(torchferry.FailedPreconditionError, match="closed"):
        client.predict("mlp", x=X)


def test_a_client_that_was_forked_says_so(server):
    """In a process of its own: gRPC's threads are no company for a fork."""
    script = textwrap.dedent("""
        import os, sys, torchferry
        client = torchferry.Client(sys.argv[1])
        child = os.fork()
        if child == 0:
            try:
                client.models()
            except torchferry.FailedPreconditionError as error:
                os._exit(0 if "fork" in str(error) else 2)
            os._exit(3)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert client.models()
    """)
    subprocess.run([sys.executable, "-c", script, server.address], check=True, timeout=60)
