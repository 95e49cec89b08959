"""Batches that take microseconds run where their calls come in (server/docs/adr/0010-one-thread-per-completion-queue.md). One that does not end
there holds nobody up."""

import json
import time

import numpy as np
import pytest

import harness
from harness import Client, Health, cli, predict_request
from wire import FIXTURES, array, reference

# The weights are beside the point: it turns as often as its input says.
FORWARD = """
def forward(self, x: Tensor) -> Tensor:
    turns = int(x[0, 0].item())
    if turns > 0:
        y = torch.full([128, 128], 0.5)
        for _ in range(turns):
            y = torch.tanh(torch.mm(y, y) * 0.01)
        x = x + y.sum() * 0.0
    return x
"""
CONFIG = 'max_batch_size: 8 input { name: "x" data_type: TYPE_FP32 dims: [ 1 ] } output { name: "y" data_type: TYPE_FP32 dims: [ 1 ] } dynamic_batching { }\n'
QUICK_CALLS = 300  # more than it takes to be known as quick
OTHER_CALLS = 50
CLOSED_LOOP_CALLS = 300


def turns(number):
    return predict_request("turns", {"x": np.array([[number]], np.float32)})


def seconds_of(client, number):
    began = time.monotonic()
    client.stub.Predict(turns(number), timeout=harness.DEADLINE_SECONDS)
    return time.monotonic() - began


@pytest.fixture
def turning(store, start, tmp_path):
    """turning(*flags): a server over mlp and turns."""
    forward = tmp_path / "forward.py"
    forward.write_text(FORWARD)
    folder = store.add_file("turns", FIXTURES / "mlp_cuda" / "1" / "resnet18_gpu.pth", "mlp.pth", forward_py=forward)
    (folder / "config.pbtxt").write_text(CONFIG)
    store.add("mlp")
    return lambda *flags: start("--workers", "2", "--optimize", "off", *flags)


def quick(client, calls):
    for number in range(calls):
        assert array(client.stub.Predict(turns(0), timeout=harness.DEADLINE_SECONDS).outputs["y"]) == 0, number


def begin_slow(client, seconds):
    """A forward pass of about so long, of a model that was quick until then; it has begun."""
    seconds_of(client, 1000)
    long = int(1000 * seconds / seconds_of(client, 1000))
    quick(client, QUICK_CALLS)
    slow = client.stub.Predict.future(turns(long), timeout=10 * harness.DEADLINE_SECONDS)
    client.models()  # on the same connection
    return slow, long


def test_a_model_that_was_quick_and_does_not_end_holds_nobody_up(turning):
    server = turning()
    with Client(server.address) as client:
        slow, long = begin_slow(client, 8)
        for _ in range(OTHER_CALLS):
            assert client.health("") == Health.SERVING
            client.predict("mlp", {"x": reference("mlp", "x", 7)})
            quick(client, 1)  # of the same model, too: another worker runs it
        assert not slow.done()
        assert array(slow.result().outputs["y"]) == long
        quick(client, QUICK_CALLS)  # and it is as before


@pytest.mark.parametrize("flags", [(), ("--grpc-threads", "2", "--busy-poll-microseconds", "0")], ids=["one_loop", "two_loops"])
def test_who_asks_again_as_soon_as_he_is_answered_is_not_held_up_either(turning, flags):
    server = turning(*flags)

    with Client(server.address) as client:
        slow, _ = begin_slow(client, 8)
        run = cli(server.address, "bench", "turns", "x=[[0]]", "--concurrency", "2", "--duration", "2", "--warm-up", "0.1", "--json")
        assert run.returncode == 0, run.stderr
        (step,) = json.loads(run.stdout)["steps"]
        assert not slow.done()
        assert step["failed"] == 0 and step["ok"] >= CLOSED_LOOP_CALLS, step
        slow.cancel()
    server.wait_metrics(lambda m: m.sum("torchferry_queue_depth") == 0 == m.sum("torchferry_in_flight_requests"), "nothing is left")


def test_a_forward_pass_that_does_not_end_does_not_hold_up_the_end(turning):
    server = turning("--drain-timeout-seconds", "0.5")
    with Client(server.address) as client:
        slow, _ = begin_slow(client, 60)
        began = time.monotonic()
        server.signal()
        assert server.wait_exit() == 1
        assert time.monotonic() - began < 30
        assert slow.exception() is not None
    assert "requests cut off" in server.log() and "forward passes cut off" in server.log()
