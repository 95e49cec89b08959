"""What a real GPU does when it fails: another process takes its memory; an index that is not there ends its context. Skipped where there
is no GPU."""

import contextlib
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import harness
import portable_files
from harness import Client, Code, refused
from stores import Store
from test_failover import Load, MODELS, add_models
from wire import array, reference

pytestmark = pytest.mark.skipif(harness.gpu_count() == 0, reason="this host has no GPU")

HOLDER = pathlib.Path(__file__).parent / "clients" / "hold_gpu_memory.py"
BATCH = 256  # rows of resnet18: far more than is left


@contextlib.contextmanager
def memory_held(left_mib):
    holder = subprocess.Popen([sys.executable, str(HOLDER), str(left_mib)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline().strip() == "held"
        yield
    finally:
        holder.stdin.close()
        holder.wait()


def test_another_process_takes_the_memory(tmp_path):
    store = Store(tmp_path / "store")
    (row,) = [row for row in portable_files.traced_rows() if (row["model"], row["dtype"]) == ("resnet18", "FP32")]
    portable_files.inflate(portable_files.FIXTURES / "traced" / row["file"], tmp_path / "resnet18.pt")
    model = store.add_file("resnet18", tmp_path / "resnet18.pt")
    (model / "config.pbtxt").write_text(f'max_batch_size: {BATCH}\ninput {{ name: "INPUT__0" data_type: TYPE_FP32 dims: [ 3, 64, 64 ] }}\n'
                                        'output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: 1000 }\ntorchferry { device: "cuda:0" }\n')
    images = portable_files.inputs_of(row, "1")["x"].repeat(BATCH, axis=0)
    wanted = portable_files.answer_of(row, "1", "fp32").repeat(BATCH, axis=0)
    with harness.serving(store, tmp_path / "server") as server, Client(server.address) as client:
        with memory_held(left_mib=48):
            response = client.predict("resnet18", {"INPUT__0": images})
            print(f"\nmemory held: {BATCH} rows on {response.execution.device}, {response.execution.compute_seconds:.3f} s, "
                  f"fallback {response.execution.fallback_reason or 'none'}")
            assert np.abs(array(response.outputs["OUTPUT__0"]) - wanted).max() <= 5e-3 * wanted.std()
        assert server.metrics().sum("torchferry_device_up", device="cuda:0") == 1


def test_a_device_side_assert(tmp_path):
    store = Store(tmp_path / "store")
    add_models(store, "cuda:0")
    lookup = store.add("lookup")
    (lookup / "config.pbtxt").write_text('torchferry { device: "cuda:0" }\n')
    with harness.serving(store, tmp_path / "server") as server, Client(server.address) as client:
        assert client.predict("lookup", {"ids": np.array([3], np.int64)}).execution.device == "cuda:0"
        with Load(server.address) as load:
            harness.wait_until(lambda: len(load.answers) > 200, "some answers")
            with refused(Code.INTERNAL, "index out of range"):  # the CPU's words: it was asked after the GPU
                client.predict("lookup", {"ids": np.array([12], np.int64)})
            harness.wait_until(lambda: load.answers[-1][2] == "cpu", "answers come from the CPU")
        assert load.errors() == []
        assert {client.model(name).placement.fallback_reason for name in MODELS} == {"device_lost"}
        assert client.predict("mlp", {"x": reference("mlp", "x", 1)}).execution.device == "cpu"
        print(f"\ndevice-side assert: {len(load.answers)} answers, 0 failed; fallbacks {load.reasons()}")
