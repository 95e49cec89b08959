"""Levels of priority: who goes first, who gives way when the queue is full, and what is refused."""

import threading

import numpy as np
import pytest

import harness
import stuck_models
from harness import Client, Code, predict_request, refused
from test_limits import Waiting, add_waiting, infer, refusals, waiting, x
from wire import oip

LEVELS = "priority_levels: 3 default_priority_level: 2"


def open_request(model, priority=None, kind="uint64_param"):
    request = oip.ModelInferRequest(model_name=model)
    request.inputs.add(name="x", datatype="FP32", shape=[1, 1])
    request.raw_input_contents.append(bytes(4))
    if priority is not None:
        setattr(request.parameters["priority"], kind, priority)
    return request


def test_a_full_queue_puts_out_the_lowest_and_youngest(store, start):
    add_waiting(store, batching=f"{LEVELS} default_queue_policy {{ max_queue_size: 3 }}")
    server = start()
    with waiting(server) as (client, calls):
        old, middle = calls.add(x(), priority=3), calls.add(x())  # by default 2
        young = calls.add(x(), priority=3)
        with refused(Code.UNAVAILABLE, "3 requests wait already, the limit"):
            client.predict("waits", x(), priority=3)  # has nobody below it
        first = client.stub.Predict.future(predict_request("waits", x(), priority=1))
        with refused(Code.UNAVAILABLE, "of priority level 3", "has given way to one of a higher priority"):
            young.result(timeout=harness.DEADLINE_SECONDS)
        second = client.stub.Predict.future(predict_request("waits", x(), priority=1))
        with refused(Code.UNAVAILABLE, "of priority level 3"):
            old.result(timeout=harness.DEADLINE_SECONDS)
        with refused(Code.UNAVAILABLE, "3 requests wait already, the limit"):
            client.predict("waits", x())  # level 2 among 1, 1 and 2
        assert not middle.done() and not first.done() and not second.done()
        assert refusals(server, model="waits", limit="shed") == 2
        calls.calls += [first, second]


def test_rows_shed_as_many_as_it_takes_or_none(store, start):
    add_waiting(store, batching=LEVELS, parameters='parameters { key: "max_queue_rows" value { string_value: "20" } }\n')
    with waiting(start()) as (client, calls):
        low = [calls.add(x(rows=5), priority=3) for _ in range(2)]
        high = calls.add(x(rows=8), priority=1)
        with refused(Code.UNAVAILABLE, "18 rows wait already, and this request has 13"):
            client.predict("waits", x(rows=13), priority=2)  # more than both together leave
        assert not low[0].done() and not low[1].done()
        # gRPC cancels a call that nobody has a hold of.
        calls.calls.append(client.stub.Predict.future(predict_request("waits", x(rows=12), priority=2)))
        for call in low:
            with refused(Code.UNAVAILABLE, "has given way"):
                call.result(timeout=harness.DEADLINE_SECONDS)
        assert not high.done()


@pytest.mark.parametrize("api", ["native", "open inference"])
def test_the_higher_level_runs_first(store, start, api):
    stuck_models.add(store, "slow", f"dynamic_batching {{ {LEVELS} preferred_batch_size: [ 1 ] }}\n")
    server = start("--workers", "1")

    def ask(client, priority):
        if api == "native":
            return client.stub.Predict.future(predict_request("slow", stuck_models.x(-2_000.0), priority=priority))
        request = infer("slow", -2_000)
        request.parameters["priority"].uint64_param = priority
        return client.open_stub.ModelInfer.future(request)

    def depth():
        return server.metrics().sum("torchferry_queue_depth", model="slow")

    with Client(server.address) as client:
        for additions in (200_000.0, 1_000_000.0, 5_000_000.0):  # until the worker is held up for long enough, here and now
            blocker = client.stub.Predict.future(predict_request("slow", stuck_models.x(-additions), priority=1))
            server.wait_metrics(lambda m: m.sum("torchferry_in_flight_requests", model="slow") == 1 and
                                m.sum("torchferry_queue_depth", model="slow") == 0, "the worker has it")
            order, calls = [], []
            for number, priority in enumerate((3, 0, 3, 1, 2, 1)):
                call = ask(client, priority)
                call.add_done_callback(lambda _, level=priority or 2, heard=order: heard.append(level))
                calls.append(call)
                harness.wait_until(lambda held=blocker, waits=number + 1: held.done() or depth() == waits, "it waits")
            was_held_up = not blocker.done() and depth() == 6
            for call in [*calls, blocker]:
                call.result(timeout=2 * harness.DEADLINE_SECONDS)
            harness.wait_until(lambda heard=order: len(heard) == 6, "all have been heard")
            if was_held_up:
                break
        assert was_held_up, "the worker was free too soon"
    assert order == [1, 1, 2, 2, 3, 3]


def test_a_priority_beyond_the_levels_is_refused(store, start):
    add_waiting(store, batching=LEVELS)
    store.add("mlp")
    server = start()
    with Client(server.address) as client:
        for priority in (4, 2**32 - 1):
            with refused(Code.INVALID_ARGUMENT, f"priority is {priority}; expected 1, the highest, to 3"):
                client.predict("waits", x(), priority=priority)
        for kind, value in (("uint64_param", 4), ("int64_param", 4), ("uint64_param", 2**64 - 1)):
            with refused(Code.INVALID_ARGUMENT, f"priority is {value}; expected 1"):
                client.open_stub.ModelInfer(open_request("waits", value, kind), timeout=60)
        for kind, value in (("int64_param", -1), ("string_param", "high"), ("double_param", 1.5), ("bool_param", True)):
            with refused(Code.INVALID_ARGUMENT, "the parameter priority is a number"):
                client.open_stub.ModelInfer(open_request("waits", value, kind), timeout=60)
        # Where there are no levels it has no effect, as before.
        assert client.predict("mlp", {"x": np.ones((1, 4), np.float32)}, priority=7).outputs


def test_those_of_one_batch_may_have_several_levels(store, start):
    add_waiting(store, batching=LEVELS)
    server = start()
    with waiting(server) as (client, calls):
        waits = [calls.add(x(rows=20), priority=priority) for priority in (3, 1, 2)]
        answer = client.predict("waits", x(rows=4), priority=3)
        assert answer.execution.batch_rows == 64
        for call in waits:
            assert call.result(timeout=harness.DEADLINE_SECONDS).execution.batch_rows == 64


def test_the_lowest_level_is_served_beside_a_flood_of_the_highest(store, start):
    stuck_models.add(store, "slow", f"dynamic_batching {{ {LEVELS} preferred_batch_size: [ 1 ] }}\n")
    server = start("--workers", "1")
    with Client(server.address) as client, Waiting(server, client, "slow") as flood:
        done = threading.Event()

        def ask(_=None):
            if not done.is_set():
                call = client.stub.Predict.future(predict_request("slow", stuck_models.x(-2000.0), priority=1))
                flood.calls.append(call)
                call.add_done_callback(ask)

        for _ in range(16):
            ask()
        server.wait_metrics(lambda m: m.sum("torchferry_queue_depth", model="slow") >= 8, "the flood waits")
        try:
            assert client.predict("slow", stuck_models.x(-2000.0), priority=3).outputs
        finally:
            done.set()
