"""Batches that take microseconds run where their calls come in (server/docs/adr/0010-one-thread-per-completion-queue.md). One that does not end
there holds nobody up."""

import time

import numpy as np

import harness
from harness import Client, Health, predict_request
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


def turns(number):
    return predict_request("turns", {"x": np.array([[number]], np.float32)})


def seconds_of(client, number):
    began = time.monotonic()
    client.stub.Predict(turns(number), timeout=harness.DEADLINE_SECONDS)
    return time.monotonic() - began


def test_a_model_that_was_quick_and_does_not_end_holds_nobody_up(store, start, tmp_path):
    forward = tmp_path / "forward.py"
    forward.write_text(FORWARD)
    folder = store.add_file("turns", FIXTURES / "mlp_cuda" / "1" / "resnet18_gpu.pth", "mlp.pth", forward_py=forward)
    (folder / "config.pbtxt").write_text(CONFIG)
    store.add("mlp")
    server = start("--workers", "2", "--optimize", "off")
    with Client(server.address) as client:
        seconds_of(client, 1000)
        long = int(1000 * 8 / seconds_of(client, 1000))
        for _ in range(QUICK_CALLS):
            assert array(client.stub.Predict(turns(0), timeout=harness.DEADLINE_SECONDS).outputs["y"]) == 0
        slow = client.stub.Predict.future(turns(long), timeout=10 * harness.DEADLINE_SECONDS)
        for number in range(OTHER_CALLS):
            assert client.health("") == Health.SERVING
            client.predict("mlp", {"x": reference("mlp", "x", 7)})
            # Of the same model, too: another worker runs it.
            assert array(client.stub.Predict(turns(0), timeout=harness.DEADLINE_SECONDS).outputs["y"]) == 0, number
        assert not slow.done()
        assert array(slow.result().outputs["y"]) == long
        # And it is as before.
        for _ in range(QUICK_CALLS):
            client.stub.Predict(turns(0), timeout=harness.DEADLINE_SECONDS)
