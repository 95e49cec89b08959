"""Short work does not wait for long work: with every worker in a forward pass that does not end, and no worker made for those that
wait, models whose passes are short are answered all the same. Nothing here is timed: what waits for such a pass waits for ever."""

import concurrent.futures
import contextlib
import threading

import pytest

import harness
import stuck_models
from harness import Client
from stateful import Stream
from stores import Store
from stuck_models import ENDLESS
from wire import array, reference

WORKERS = 2
SHORT = -300.0  # a pass of some hundred microseconds: too long for a loop's own thread
LONG = -30000.0  # a hundred times that
CALLS = 40
CALLERS = 4


@pytest.fixture
def serving(tmp_path):
    """serving(*names): a server over these, each of stuck_models, mlp and running_sum. It is killed: what does not end holds up its end."""
    with contextlib.ExitStack() as stack:
        def start(*names, flags=("--max-stuck-threads", "0")):
            store = Store(tmp_path / "store")
            store.add("mlp")
            store.add("running_sum")
            for name in names:
                stuck_models.add(store, name)
            server = harness.Server(store, tmp_path / "server", "--workers", str(WORKERS), *flags)
            stack.callback(lambda: print(f"--- log of the server\n{server.log()}"))
            stack.callback(server.kill)
            server.wait_listening()
            return server.wait_ready()

        yield start


def ask(client, model, value):
    assert array(client.predict(model, stuck_models.x(value)).outputs["y"]).shape == (1, 1)


def ask_often(client, model, value=SHORT):
    for _ in range(CALLS):
        ask(client, model, value)


def ask_mlp(client):
    for _ in range(CALLS):
        client.predict("mlp", {"x": reference("mlp", "x", 1)})


def take_all_workers(server, client, *names):
    """Passes of these that do not end have every worker, and nothing waits."""
    held = [client.stub.Predict.future(harness.predict_request(name, stuck_models.x(ENDLESS)), timeout=10 * harness.DEADLINE_SECONDS)
            for name in names]
    server.wait_metrics(lambda m: m.sum("torchferry_in_flight_requests") == len(held) and m.sum("torchferry_queue_depth") == 0,
                        f"{len(held)} passes run")
    return held


def test_a_short_model_is_answered_while_long_ones_have_every_worker(serving):
    server = serving("short", "long0", "long1")
    with Client(server.address) as client:
        ask_often(client, "short")
        ask_mlp(client)
        held = take_all_workers(server, client, "long0", "long1")
        ask_often(client, "short")
        ask_mlp(client)
        assert not any(one.done() for one in held)


def test_so_is_a_model_that_nobody_has_asked_yet(serving):
    """Its warm-up tells that it is short."""
    server = serving("short", "long0", "long1")
    with Client(server.address) as client:
        held = take_all_workers(server, client, "long0", "long1")
        ask_often(client, "short")
        ask_mlp(client)
        assert not any(one.done() for one in held)


def test_so_are_many_callers_of_several_short_models(serving):
    server = serving("short0", "short1", "long0", "long1")
    with Client(server.address) as client, concurrent.futures.ThreadPoolExecutor(2 * CALLERS) as pool:
        for name in ("short0", "short1"):
            ask_often(client, name)
        held = take_all_workers(server, client, "long0", "long1")
        for future in [pool.submit(ask_often, client, name) for name in ("short0", "short1") for _ in range(CALLERS)]:
            future.result()
        assert not any(one.done() for one in held)


def test_so_is_a_stream_to_a_model_with_state(serving):
    server = serving("long0", "long1")
    with Client(server.address) as client, Stream(client) as stream:
        for call in range(CALLS):
            assert stream.add(1.0) == (call + 1, call + 1)
        held = take_all_workers(server, client, "long0", "long1")
        for call in range(CALLS, 2 * CALLS):
            assert stream.add(1.0) == (call + 1, call + 1)
        assert not any(one.done() for one in held)


def test_a_long_model_does_not_starve_beside_short_ones(serving):
    server = serving("short", "long")
    stopping = threading.Event()

    def go_on():
        with Client(server.address) as own:
            while not stopping.is_set():
                ask(own, "short", SHORT)

    with Client(server.address) as client, concurrent.futures.ThreadPoolExecutor(2 * CALLERS) as pool:
        ask_often(client, "short")
        short = [pool.submit(go_on) for _ in range(2 * CALLERS)]
        try:
            for _ in range(CALLS // 4):
                ask(client, "long", LONG)
        finally:
            stopping.set()
        for future in short:
            future.result()


def test_who_runs_short_work_and_meets_a_long_pass_is_replaced(serving):
    """A model that was short as a rule is given to whoever is kept for those; its next pass does not end."""
    server = serving("short", "other", "long0", "long1", flags=())
    with Client(server.address) as client:
        for name in ("short", "other"):
            ask_often(client, name)
        held = take_all_workers(server, client, "long0", "long1", "short")
        ask_often(client, "other")
        assert not any(one.done() for one in held)
