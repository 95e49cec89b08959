"""Compute that does not end: what it costs the others, and what health, metrics and the log say. `pytest -s` prints the table."""

import concurrent.futures
import contextlib
import threading
import time

import grpc
import numpy as np
import pytest

import harness
import stuck_models
from harness import Client, Code, Health, refused
from stateful import Stream
from stores import Store
from stuck_models import ENDLESS, forward_limit, load_limit
from wire import admin, admin_grpc, oip, pb, reference

LIMIT = 2  # seconds of a forward pass
CLIENTS = 4


class Load:
    """Clients of "mlp" that ask until they are stopped: (when it was sent, seconds, error) of each."""

    def __init__(self, address):
        self.address, self.stopping, self.answers = address, threading.Event(), []
        self.threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def _ask(self):
        inputs = {"x": reference("mlp", "x", 1)}
        with Client(self.address) as client:
            while not self.stopping.is_set():
                sent, error = time.monotonic(), None
                try:
                    client.predict("mlp", inputs)
                except grpc.RpcError as failed:
                    error = failed
                self.answers.append((sent, time.monotonic() - sent, error))
                if error is not None and error.code() == Code.UNAVAILABLE:
                    return  # it asks another replica, as it is told

    def errors(self):
        return [error for *_, error in self.answers if error is not None]

    def p99(self, begin, end):
        times = [seconds for sent, seconds, _ in self.answers if begin <= sent < end]
        return 1000 * float(np.quantile(times, 0.99)) if times else float("nan")

    def longest(self):
        return max(seconds for _, seconds, _ in self.answers)


@contextlib.contextmanager
def stuck_server(tmp_path, *flags, models=1, extra=None):
    """A server with "mlp" and models "stuck0", … that may not end."""
    store = Store(tmp_path / "store")
    store.add("mlp")
    for i in range(models):
        stuck_models.add(store, f"stuck{i}", forward_limit(LIMIT))
    if extra is not None:
        extra(store)
    server = harness.Server(store, tmp_path / "server", "--workers", "2", "--log-format", "json", *flags)
    try:
        server.wait_listening()
        yield server.wait_settled()
    except BaseException:
        print(f"--- log of the server\n{server.log()}")
        raise
    finally:
        server.kill()


def send_stuck(pool, server, model, timeout=60):
    def ask():
        with Client(server.address) as client:
            try:
                client.predict(model, stuck_models.x(ENDLESS), timeout=timeout)
                return None
            except grpc.RpcError as error:
                return error.code(), error.details()
    return pool.submit(ask)


def wait_suspect(server, count):
    return server.wait_metrics(lambda m: m.sum("torchferry_suspect_versions") == count, f"{count} versions are suspect")


def messages(server, message):
    return [line for line in server.log_lines() if line["message"] == message]


# Two workers: one, both, and more than there are.
@pytest.mark.parametrize("stuck", [1, 2, 5])
def test_the_others_are_served(stuck, tmp_path):
    with stuck_server(tmp_path, models=stuck) as server, concurrent.futures.ThreadPoolExecutor(stuck) as pool:
        with Client(server.address) as client, Load(server.address) as load:
            time.sleep(1.5)
            begin = time.monotonic()
            asked = [send_stuck(pool, server, f"stuck{i}") for i in range(stuck)]
            for future in asked:
                code, details = future.result()
                assert code == Code.DEADLINE_EXCEEDED and "forward_timeout_seconds" in details, details
            metrics = wait_suspect(server, stuck)
            after = time.monotonic()
            time.sleep(2.5)
            end = time.monotonic()
            assert metrics.sum("torchferry_stuck_workers") == stuck
            assert metrics.sum("torchferry_model_state", model="stuck0", state="suspect") == 1
            for i in range(stuck):
                with refused(Code.UNAVAILABLE, f"stuck{i}", "suspect", "cannot be interrupted", "LoadModel"):
                    client.predict(f"stuck{i}", stuck_models.x(1.0))
                assert client.health(f"model/stuck{i}") == Health.NOT_SERVING
                version = client.model(f"stuck{i}")
                assert version.state == pb.MODEL_STATE_SUSPECT and version.error_code == Code.UNAVAILABLE.value[0]
            assert client.health("model/mlp") == client.health("") == Health.SERVING
            ready = server.http("/readyz")
            assert ready[0] == 200 and f'degraded: {stuck} of {2 + stuck} workers in a forward pass' in ready[1], ready
        assert load.errors() == []
        assert len(messages(server, "forward pass does not end")) == stuck, "a line each"
        print(f"\n| {stuck} stuck, 2 workers | p99 before {load.p99(0, begin):.1f} ms | during {load.p99(begin, after):.1f} ms "
              f"| after {load.p99(after, end):.1f} ms | longest {1000 * load.longest():.0f} ms | requests {len(load.answers)} "
              f"| readyz {ready[0]}, {ready[1].count('degraded')} degraded lines | stuck_workers {stuck} |")
        server.signal()
        begin = time.monotonic()
        assert server.wait_exit() == 0
        print(f"| SIGTERM | ends after {time.monotonic() - begin:.1f} s |")


def test_when_no_worker_is_left_the_server_is_not_ready(tmp_path):
    with stuck_server(tmp_path, "--max-stuck-threads", "1", models=3) as server, concurrent.futures.ThreadPoolExecutor(3) as pool:
        asked = [send_stuck(pool, server, f"stuck{i}") for i in range(3)]
        assert [future.result()[0] for future in asked] == [Code.DEADLINE_EXCEEDED] * 3
        with Client(server.address) as client:
            harness.wait_until(lambda: client.health("") == Health.NOT_SERVING, "it is not ready")
            client.predict("mlp", {"x": reference("mlp", "x", 1)})  # short work needs no worker
        code, body = server.http("/readyz")
        assert code == 503 and "no worker is left" in body, body
        assert len(messages(server, "no worker is left")) <= 1


def test_it_serves_again_when_the_pass_has_ended_after_all(tmp_path):
    with stuck_server(tmp_path) as server, Client(server.address) as client:
        with refused(Code.DEADLINE_EXCEEDED, "forward_timeout_seconds"):
            client.predict("stuck0", stuck_models.x(-2e6))
        wait_suspect(server, 1)
        harness.wait_until(lambda: client.model("stuck0").state == pb.MODEL_STATE_READY, "it serves again", seconds=400)
        np.testing.assert_array_equal(client.predict_arrays("stuck0", stuck_models.x(3.0))["y"], [[6.0]])
        server.wait_metrics(lambda m: m.sum("torchferry_stuck_workers") == 0, "nothing is stuck")
        server.stop()


def test_a_suspect_version_can_be_loaded_anew_and_unloaded(tmp_path):
    with stuck_server(tmp_path, "--enable-admin") as server, concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert send_stuck(pool, server, "stuck0").result()[0] == Code.DEADLINE_EXCEEDED
        with Client(server.address) as client:
            stub = admin_grpc.ModelAdminServiceStub(client.channel)
            stub.LoadModel(admin.LoadModelRequest(model_name="stuck0"), timeout=60)
            np.testing.assert_array_equal(client.predict_arrays("stuck0", stuck_models.x(3.0))["y"], [[6.0]])
            wait_suspect(server, 0)
            assert send_stuck(pool, server, "stuck0").result()[0] == Code.DEADLINE_EXCEEDED
            with refused(Code.UNAVAILABLE, "taken out of service", "does not end"):
                stub.UnloadModel(admin.UnloadModelRequest(model_name="stuck0"), timeout=60)
            with refused(Code.UNAVAILABLE, "unloading"):
                client.predict("stuck0", stuck_models.x(3.0))
            # The reaper goes on with the others.
            stub.UnloadModel(admin.UnloadModelRequest(model_name="mlp"), timeout=60)


def test_exit_on_stuck_ends_the_process_in_order(tmp_path):
    with stuck_server(tmp_path, "--exit-on-stuck", "--shutdown-delay-seconds", "1") as server:
        with concurrent.futures.ThreadPoolExecutor(1) as pool, Load(server.address) as load:
            assert send_stuck(pool, server, "stuck0").result()[0] == Code.DEADLINE_EXCEEDED
            begin = time.monotonic()
            assert server.wait_exit() == 4
            ended = time.monotonic()
        answered = [answer for answer in load.answers if answer[2] is None]
        cut_off = [error for error in load.errors() if error.code() != Code.UNAVAILABLE]
        assert answered and cut_off == [], cut_off
        print(f"\n| --exit-on-stuck | exit code 4 | {ended - begin:.1f} s after the answer | {len(answered)} requests answered, "
              f"{len(cut_off)} cut off |")


def test_a_stream_of_a_stuck_request_goes_on(tmp_path):
    with stuck_server(tmp_path) as server, Client(server.address) as client:
        # One after another: a request that comes before the answer of the one that is stuck may run beside it.
        with Stream(client) as stream:
            answers = [stream.ask(model, inputs, request_id=str(i)) for i, (model, inputs) in enumerate(
                [("stuck0", stuck_models.x(1.0)), ("stuck0", stuck_models.x(ENDLESS)), ("stuck0", stuck_models.x(2.0)),
                 ("mlp", {"x": reference("mlp", "x", 1)})])]
        assert [answer.request_id for answer in answers] == ["0", "1", "2", "3"]
        assert [answer.error_code for answer in answers] == [0, Code.DEADLINE_EXCEEDED.value[0], Code.UNAVAILABLE.value[0], 0]


def test_a_fork_that_nobody_waits_for_is_part_of_the_run(tmp_path):
    def extra(store):
        stuck_models.add_endless_fork(store, "forks", forward_limit(LIMIT))
        stuck_models.add_endless_fork(store, "forks_too")
    with stuck_server(tmp_path, extra=extra) as server, Client(server.address) as client:
        x = {"x": reference("mlp", "x", 1)}
        [answer] = client.predict_arrays("forks", x).values()
        np.testing.assert_allclose(answer, reference("mlp", "probabilities", 1), rtol=1e-5)
        endless = {"x": np.full([1, 4], ENDLESS, np.float32)}
        with refused(Code.DEADLINE_EXCEEDED, "cannot be interrupted"):
            client.predict("forks", endless)
        with refused(Code.UNAVAILABLE, "suspect"):
            client.predict("forks", x)
        client.predict("forks_too", x)
        assert "forks" in server.http("/readyz")[1]


def test_the_other_api_and_the_cli_say_so(tmp_path):
    with stuck_server(tmp_path) as server, concurrent.futures.ThreadPoolExecutor(1) as pool, Client(server.address) as client:
        assert send_stuck(pool, server, "stuck0").result()[0] == Code.DEADLINE_EXCEEDED
        wait_suspect(server, 1)
        index = {m.name: m for m in client.open_stub.RepositoryIndex(oip.RepositoryIndexRequest(), timeout=60).models}
        assert index["stuck0"].state == "UNAVAILABLE" and "cannot be interrupted" in index["stuck0"].reason
        assert index["mlp"].state == "READY"
        assert not client.open_stub.ModelReady(oip.ModelReadyRequest(name="stuck0"), timeout=60).ready
        listed = harness.cli(server.address, "models")
        assert "SUSPECT" in listed.stdout and "cannot be interrupted" in listed.stdout.replace("\n", " "), listed.stdout
        assert harness.cli(server.address, "health", "--model", "stuck0").returncode != 0


# A model that was quick runs where its requests come in, on the thread that carries the calls.
def test_a_batch_that_is_stuck_on_the_thread_of_the_calls(tmp_path):
    with stuck_server(tmp_path, "--grpc-threads", "1", models=2) as server, Client(server.address) as client:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for i in range(2):
                for _ in range(400):
                    client.predict(f"stuck{i}", stuck_models.x(1.0))
                assert send_stuck(pool, server, f"stuck{i}").result()[0] == Code.DEADLINE_EXCEEDED
                assert client.health("model/mlp") == Health.SERVING
                client.predict("mlp", {"x": reference("mlp", "x", 1)})
        wait_suspect(server, 2)
        server.signal()
        assert server.wait_exit() == 0


WARM_UP = """model_warmup { name: "zeros" batch_size: 1 inputs { key: "x" value { data_type: TYPE_FP32 dims: [ 1 ] zero_data: true } } }
"""
LOADS = {
    "warm-up": lambda store, name: stuck_models.add(store, name, load_limit(LIMIT) + WARM_UP, stuck_models.LOOPS_WITH_ZEROS),
    "__setstate__": lambda store, name: stuck_models.add_endless_setstate(store, name, load_limit(LIMIT)),
    "tuning": lambda store, name: stuck_models.add(
        store, name, load_limit(LIMIT) + 'dynamic_batching {}\ntorchferry { optimize: "AUTO" }\n', stuck_models.LOOPS_WITH_ROWS),
}


@pytest.mark.parametrize("kind", LOADS)
def test_a_load_that_does_not_end_holds_up_nothing(kind, tmp_path):
    def extra(store):
        for i in range(3):  # more than the threads that load
            LOADS[kind](store, f"a_endless{i}")  # the first in the order of loading
    # A busy host may take seconds until a search looks at the rows that do not end.
    with stuck_server(tmp_path, "--load-threads", "2", "--enable-admin", "--optimize-budget-seconds", "30", extra=extra) as server:
        with Client(server.address) as client:
            for i in range(3):
                version = client.model(f"a_endless{i}")
                assert version.state == pb.MODEL_STATE_FAILED, version
                assert "does not end" in version.error_message and "load_timeout_seconds" in version.error_message, version.error_message
            client.predict("mlp", {"x": reference("mlp", "x", 1)})
            np.testing.assert_array_equal(client.predict_arrays("stuck0", stuck_models.x(3.0))["y"], [[6.0]])
            assert client.health("") == Health.SERVING
            stub = admin_grpc.ModelAdminServiceStub(client.channel)
            stub.UnloadModel(admin.UnloadModelRequest(model_name="mlp"), timeout=60)
            stub.LoadModel(admin.LoadModelRequest(model_name="mlp"), timeout=60)
        metrics = server.metrics()
        assert metrics.sum("torchferry_stuck_loads") == 3
        ready = server.http("/readyz")
        assert ready[0] == 200 and "degraded: 3 loads do not end" in ready[1], ready
        assert len(messages(server, "load does not end")) == 3
        begin = time.monotonic()
        server.signal()
        assert server.wait_exit() == 0
        print(f"\n| 3 endless loads ({kind}), 2 threads | the others load | readyz 200, degraded | SIGTERM: ends after "
              f"{time.monotonic() - begin:.1f} s |")
