"""Models that come, change and go while the server runs."""

import concurrent.futures
import json
import os
import re
import shutil
import threading

import numpy as np
import pytest

import harness
from harness import Client, Code, refused
from wire import FIXTURES, admin, admin_grpc, assert_close, array, oip, pb, reference

STATE = pb.ModelState


@pytest.fixture
def start_admin(store, tmp_path):
    """start_admin(*flags): (server, client, ModelAdminService's stub)."""
    store.add("mlp")
    with harness.serving(store, tmp_path / "server", "--enable-admin") as server, Client(server.address) as client:
        yield server.wait_settled(), client, admin_grpc.ModelAdminServiceStub(client.channel)


def states(client, model="mlp"):
    return {version: STATE.Name(v.state)[12:] for (name, version), v in client.models().items() if name == model}


def load(stub, model="mlp", versions=()):
    return stub.LoadModel(admin.LoadModelRequest(model_name=model, model_versions=versions), timeout=harness.DEADLINE_SECONDS)


def unload(stub, model="mlp", version=0):
    return stub.UnloadModel(admin.UnloadModelRequest(model_name=model, model_version=version), timeout=harness.DEADLINE_SECONDS)


def add_version(store, number, file=None):
    """As a deployment does: whole, by rename."""
    partial = store.path / "mlp" / f".{number}"
    shutil.copytree(store.path / "mlp" / "1", partial)
    if file:
        shutil.copy(file, partial / "mlp.pt")
    partial.rename(store.path / "mlp" / str(number))


def answered_by(client):
    response = client.predict("mlp", {"x": reference("mlp", "x", 7)})
    assert_close(array(response.outputs["probabilities"]), reference("mlp", "probabilities", 7))
    return response.model_version


def settle(condition):
    return harness.wait_until(condition, "the states that are expected")


def test_a_new_version_takes_over_and_rollback_is_one_call(start_admin, store):
    server, client, stub = start_admin
    add_version(store, 2)
    assert [v.model_version for v in load(stub).versions if v.state == pb.MODEL_STATE_READY] == [2]
    assert answered_by(client) == 2
    settle(lambda: states(client) == {2: "READY"})
    load(stub, versions=[1])
    assert answered_by(client) == 1
    settle(lambda: states(client) == {1: "READY"})
    load(stub)  # what the policy wants again
    assert answered_by(client) == 2


def test_a_version_that_fails_leaves_the_old_one_serving(start_admin, store):
    server, client, stub = start_admin
    add_version(store, 2, FIXTURES / "bad" / "corrupt.pt")
    with refused(Code.DATA_LOSS, "version 2"):
        load(stub)
    assert states(client) == {2: "FAILED", 1: "READY"}
    assert answered_by(client) == 1
    assert server.http("/readyz")[0] == 200


def test_files_that_changed_are_loaded_in_place_and_others_are_not(start_admin, store):
    server, client, stub = start_admin
    first = server.log_file.read_text().count("model ready")
    load(stub)
    assert server.log_file.read_text().count("model ready") == first
    fresh = store.path / "mlp" / "fresh"
    shutil.copy(store.path / "mlp" / "1" / "mlp.pt", fresh)
    os.replace(fresh, store.path / "mlp" / "1" / "mlp.pt")
    load(stub)
    assert server.log_file.read_text().count("model ready") == first + 1
    assert answered_by(client) == 1
    shutil.copy(FIXTURES / "bad" / "corrupt.pt", fresh)
    os.replace(fresh, store.path / "mlp" / "1" / "mlp.pt")
    with refused(Code.DATA_LOSS, "version 1"):
        load(stub)
    assert answered_by(client) == 1  # by what was loaded before


def test_unloaded_is_gone_until_it_is_loaded_again(start_admin):
    server, client, stub = start_admin
    unload(stub)
    assert states(client) == {1: "UNLOADED"}
    with refused(Code.NOT_FOUND, "unloaded"):
        client.predict("mlp", {"x": reference("mlp", "x", 1)})
    with refused(Code.NOT_FOUND, "unloaded"):
        unload(stub)
    load(stub)
    assert answered_by(client) == 1


def test_the_open_protocol_does_the_same(start_admin):
    _, client, _ = start_admin
    for name in ("mlp", "mlp", "nobody"):  # what is not loaded is unloaded
        client.open_stub.RepositoryModelUnload(oip.RepositoryModelUnloadRequest(model_name=name), timeout=harness.DEADLINE_SECONDS)
    assert states(client) == {1: "UNLOADED"}
    client.open_stub.RepositoryModelLoad(oip.RepositoryModelLoadRequest(model_name="mlp"), timeout=harness.DEADLINE_SECONDS)
    assert answered_by(client) == 1
    with refused(Code.NOT_FOUND, "nobody"):
        client.open_stub.RepositoryModelLoad(oip.RepositoryModelLoadRequest(model_name="nobody"), timeout=harness.DEADLINE_SECONDS)


def test_wrong_calls_say_what_was_expected(start_admin):
    _, _, stub = start_admin
    for code, text, call in ((Code.NOT_FOUND, "nobody", lambda: load(stub, "nobody")), (Code.NOT_FOUND, "no version 7", lambda: load(stub, versions=[7])),
                             (Code.INVALID_ARGUMENT, "empty", lambda: load(stub, "")), (Code.INVALID_ARGUMENT, "-1", lambda: load(stub, versions=[-1])),
                             (Code.NOT_FOUND, "..", lambda: load(stub, "..")), (Code.NOT_FOUND, "nobody", lambda: unload(stub, "nobody"))):
        with refused(code, text):
            call()


def test_a_load_in_flight_does_not_hold_up_the_end(store, tmp_path):
    store.add("mlp")
    server = harness.Server(store, tmp_path / "server", "--enable-admin", "--drain-timeout-seconds", "0.5")
    try:
        server.wait_listening().wait_ready()
        store.add("slow_to_load")
        with Client(server.address) as client, concurrent.futures.ThreadPoolExecutor() as pool:
            stub = admin_grpc.ModelAdminServiceStub(client.channel)
            loading = pool.submit(load, stub, "slow_to_load")
            harness.wait_until(lambda: ("slow_to_load", 1) in client.models(), "it is loading")
            waiting = stub.UnloadModel.future(admin.UnloadModelRequest(model_name="slow_to_load"), timeout=harness.DEADLINE_SECONDS)
            client.models()  # on the same connection: once it is answered, what was sent before it is with the server
            server.signal()
            assert server.wait_exit() == 0
            with refused(Code.UNAVAILABLE, "shutting down"):
                loading.result()
            with refused(Code.UNAVAILABLE, "shutting down"):
                waiting.result()
        assert "loading cut off" in server.log() and "model ready model=slow_to_load" not in server.log()
    finally:
        server.kill()


def test_a_stream_is_told_that_its_state_was_unloaded(store, start):
    store.add("running_sum")
    server = start("--enable-admin")
    request = harness.predict_request("running_sum", {"x": np.ones([1, 1], np.float32)})
    with Client(server.address) as client:
        stub = admin_grpc.ModelAdminServiceStub(client.channel)
        more = threading.Semaphore(1)

        def requests():
            for _ in range(3):
                more.acquire()
                yield request

        answers = client.stub.PredictStream(requests(), timeout=harness.DEADLINE_SECONDS)
        assert array(next(answers).response.outputs["sum"]) == 1001
        unload(stub, "running_sum")  # answers although the stream is open
        assert states(client, "running_sum") == {1: "UNLOADED"}
        load(stub, "running_sum")
        more.release()
        answer = next(answers)
        assert answer.error_code == Code.NOT_FOUND.value[0] and "open a new stream" in answer.error_message
        answers.cancel()
        (fresh,) = client.stub.PredictStream(iter([request]), timeout=harness.DEADLINE_SECONDS)
        assert array(fresh.response.outputs["sum"]) == 1001


def test_off_by_default(store, start):
    store.add("mlp")
    with Client(start().address) as client:
        assert_admin_is_off(client)
        assert answered_by(client) == 1


def assert_admin_is_off(client):
    stub = admin_grpc.ModelAdminServiceStub(client.channel)
    for call in (lambda: load(stub), lambda: unload(stub),
                 lambda: client.open_stub.RepositoryModelLoad(oip.RepositoryModelLoadRequest(model_name="mlp"), timeout=harness.DEADLINE_SECONDS),
                 lambda: client.open_stub.RepositoryModelUnload(oip.RepositoryModelUnloadRequest(model_name="mlp"), timeout=harness.DEADLINE_SECONDS)):
        with refused(Code.FAILED_PRECONDITION, "--enable-admin"):
            call()


def test_on_an_address_of_its_own(store, start):
    store.add("mlp")
    server = start("--enable-admin", "--admin-address", "127.0.0.1:0")
    assert server.ports["admin_address"] != server.address
    with Client(server.address) as client, Client(server.ports["admin_address"]) as operator:
        assert_admin_is_off(client)
        stub = admin_grpc.ModelAdminServiceStub(operator.channel)
        add_version(store, 2)
        load(stub)
        assert answered_by(client) == 2
        operator.open_stub.RepositoryModelUnload(oip.RepositoryModelUnloadRequest(model_name="mlp"), timeout=harness.DEADLINE_SECONDS)
        with refused(Code.NOT_FOUND, "unloaded"):
            client.predict("mlp", {"x": reference("mlp", "x", 1)})
        with refused(Code.UNIMPLEMENTED):  # the models are not asked there
            operator.predict("mlp", {"x": reference("mlp", "x", 1)})


def test_from_the_shell(start_admin, store):
    server, client, _ = start_admin
    add_version(store, 2)
    loaded = harness.cli(server.address, "load", "mlp")
    assert loaded.returncode == 0, loaded.stderr
    assert re.search(r"^mlp +2 +READY", loaded.stdout, re.MULTILINE), loaded.stdout
    back = harness.cli(server.address, "load", "mlp:1", "--json")
    assert ("READY", 1) in {(v["state"], v["model_version"]) for v in json.loads(back.stdout)["versions"]}
    assert answered_by(client) == 1
    unloaded = harness.cli(server.address, "unload", "mlp")
    assert unloaded.returncode == 0 and re.search(r"^mlp +1 +UNLOADED", unloaded.stdout, re.MULTILINE), unloaded
    missing = harness.cli(server.address, "load", "nobody")
    assert missing.returncode == 1 and "NOT_FOUND" in missing.stderr and "nobody" in missing.stderr


def test_watch_says_what_is_wrong_with_a_configuration_and_goes_on(store, start):
    model = store.add("mlp")
    server = start("--watch", "--watch-interval-seconds", "0.1", "--log-format", "json")
    with Client(server.address) as client:
        good = (model / "config.pbtxt").read_text()
        (model / "config.pbtxt").write_text(good + "max_batchsize: 3\n")
        add_version(store, 2)

        def said():
            return [line for line in server.log_lines() if line["message"].startswith("model not reloaded") and "mlp/config.pbtxt:6:1" in line["reason"]]

        harness.wait_until(said, server.log)
        assert answered_by(client) == 1
        (model / "config.pbtxt").write_text(good)
        settle(lambda: states(client) == {2: "READY"})


def test_watch_takes_what_comes_and_lets_go_of_what_went(store, start):
    store.add("mlp")
    with Client(start("--watch", "--watch-interval-seconds", "0.1").address) as client:
        assert answered_by(client) == 1
        add_version(store, 2)
        settle(lambda: states(client) == {2: "READY"})
        assert answered_by(client) == 2
        store.add("mlp_dict")
        settle(lambda: states(client, "mlp_dict") == {1: "READY"})
        shutil.rmtree(store.path / "mlp_dict")
        settle(lambda: states(client, "mlp_dict") == {})
        assert answered_by(client) == 2


# --- which models are loaded at the start -------------------------------------------------------------


def test_with_explicit_control_models_are_loaded_by_name(store, start):
    for name in ("mlp", "mlp_bare", "mlp_tuple"):
        store.add(name)
    server = start("--model-control", "explicit", "--load-model", "mlp_bare", "--enable-admin")
    with Client(server.address) as client:
        assert states(client) == {1: "UNLOADED"}
        assert states(client, "mlp_bare") == {1: "READY"}
        with refused(Code.NOT_FOUND, "is unloaded", "LoadModel"):
            client.predict("mlp", {"x": reference("mlp", "x", 7)})
        assert {m.name for m in client.open_stub.RepositoryIndex(oip.RepositoryIndexRequest()).models} == {
            "mlp", "mlp_bare", "mlp_tuple"}
        load(admin_grpc.ModelAdminServiceStub(client.channel))
        assert answered_by(client) == 1
        assert states(client, "mlp_tuple") == {1: "UNLOADED"}


def test_a_server_that_loads_nothing_is_ready(store, start):
    store.add("mlp")
    server = start("--model-control", "explicit", "--enable-admin")
    with Client(server.address) as client:
        assert server.http("/readyz")[0] == 200
        load(admin_grpc.ModelAdminServiceStub(client.channel))
        assert answered_by(client) == 1


@pytest.mark.parametrize("flags, loaded", [(("--load-model", "*"), "READY"), (("--load-model", "mlp"), "READY")])
def test_explicit_control_needs_no_admin_where_models_are_named(store, start, flags, loaded):
    store.add("mlp")
    with Client(start("--model-control", "explicit", *flags).address) as client:
        assert states(client) == {1: loaded}


def test_a_model_to_load_that_the_store_has_not_ends_the_start(store, tmp_path):
    store.add("mlp")
    server = harness.Server(store, tmp_path / "server", "--model-control", "explicit", "--load-model", "mpl")
    assert server.wait_exit() != 0
    assert "--load-model: the store has no model" in server.log() and "it has: mlp" in server.log()
