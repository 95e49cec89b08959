"""What may wait until a version serves: the batch sizes that take long are run after READY, while nobody asks."""

import numpy as np

import harness
from harness import Client

# What a batch takes hardly depends on its rows, so that large ones gain. The matrix stays what it is.
SLOW = '''
def forward(self, x):
    mean = torch.full((700, 700), 1.0 / 700) + x.sum() * 0
    w = mean
    for i in range(30):
        w = torch.mm(w, mean)
    return {"y": x * 2 + w.sum() * 0}
'''
TUNED = ("--optimize", "auto", "--optimize-budget-seconds", "2", "--device", "cpu")
CONFIG = '''max_batch_size: 8
input { name: "x" data_type: TYPE_FP32 dims: [ 2 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ 2 ] }
dynamic_batching { }
'''


def decisions(client):
    return "; ".join(client.model("slow").placement.decisions)


def assert_doubles(client):
    x = np.array([[1, 2], [3, 4]], np.float32)
    assert (client.predict_arrays("slow", {"x": x})["y"] == 2 * x).all()


def lines_with(server, *fragments):
    return [number for number, line in enumerate(server.log().splitlines()) if all(f in line for f in fragments)]


def assert_serves_first(server, is_kept):
    with Client(server.address) as client:
        tuning = client.model("slow").placement.tuning
        assert tuning.batch_rows > 1 and tuning.kept == is_kept, tuning
        assert f"warms up with batches of up to {tuning.batch_rows} rows while the server is idle" in decisions(client)
        assert_doubles(client)
        done = ("warmed up", "model=slow", f"batch_rows={tuning.batch_rows}")
        harness.wait_until(lambda: lines_with(server, *done), server.log)
        [ready] = lines_with(server, "model ready", "model=slow")
        assert ready < lines_with(server, *done)[0]
        assert_doubles(client)
    server.stop()


def test_a_version_serves_before_its_large_batches_have_run(store, start):
    store.add_code("slow", SLOW, CONFIG)
    for is_kept in (False, True):
        assert_serves_first(start(*TUNED), is_kept)


def test_a_version_that_goes_takes_its_idle_work_with_it(store, start):
    store.add_code("slow", SLOW, CONFIG)
    server = start(*TUNED, "--enable-admin")
    with Client(server.address) as client:
        assert "while the server is idle" in decisions(client)
        assert harness.cli(server.address, "unload", "slow").returncode == 0
        harness.wait_until(lambda: lines_with(server, "model unloaded", "model=slow"), server.log)
        done = lines_with(server, "warmed up", "model=slow")
        assert harness.cli(server.address, "load", "slow").returncode == 0
        assert_doubles(client)
        harness.wait_until(lambda: len(lines_with(server, "warmed up", "model=slow")) > len(done), server.log)


def test_a_stop_does_not_wait_for_idle_work(store, start):
    store.add_code("slow", SLOW, CONFIG)
    server = start(*TUNED, "--drain-timeout-seconds", "300")
    server.stop()
    assert "cut off" not in server.log()
