"""What a real GPU does when it fails: another process takes its memory; an index that is not there ends its context. Skipped where there
is no GPU. TORCHFERRY_TEST_DEVICE=sim:0 rehearses it: the simulated accelerator is told to fail in the same way."""

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
from test_failover import Load, MODELS, add_models, sim_server
from wire import array, reference

IS_REHEARSAL = harness.DEVICE.startswith("sim")
DEVICE = harness.DEVICE if IS_REHEARSAL else "cuda:0"
pytestmark = pytest.mark.skipif(not IS_REHEARSAL and harness.gpu_count() == 0, reason="this host has no GPU")

HOLDER = pathlib.Path(__file__).parent / "clients" / "hold_gpu_memory.py"
BATCH = 64 if IS_REHEARSAL else 256  # rows of resnet18: far more than is left
SIM_MIB = 80  # that the simulated accelerator has while its memory is held: 45 are the weights


@contextlib.contextmanager
def serving(folder, store):
    """(server, set_faults); a GPU has no faults to set."""
    if IS_REHEARSAL:
        with sim_server(folder, store) as both:
            yield both
    else:
        with harness.serving(store, folder / "server") as server:
            yield server, None


@contextlib.contextmanager
def memory_held(left_mib, set_faults):
    if IS_REHEARSAL:
        set_faults(f"{DEVICE} out_of_memory_after_bytes={SIM_MIB << 20}")
        yield
        set_faults("")
        return
    holder = subprocess.Popen([sys.executable, str(HOLDER), str(left_mib)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline().strip() == "held"
        yield
    finally:
        holder.stdin.close()
        holder.wait()


def test_another_process_takes_the_memory(tmp_path, record_property):
    store = Store(tmp_path / "store")
    (row,) = [row for row in portable_files.traced_rows() if (row["model"], row["dtype"]) == ("resnet18", "FP32")]
    portable_files.inflate(portable_files.FIXTURES / "traced" / row["file"], tmp_path / "resnet18.pt")
    model = store.add_file("resnet18", tmp_path / "resnet18.pt")
    (model / "config.pbtxt").write_text(f'max_batch_size: {BATCH}\ninput {{ name: "INPUT__0" data_type: TYPE_FP32 dims: [ 3, 64, 64 ] }}\n'
                                        f'output {{ name: "OUTPUT__0" data_type: TYPE_FP32 dims: 1000 }}\ntorchferry {{ device: "{DEVICE}" }}\n')
    images = portable_files.inputs_of(row, "1")["x"].repeat(BATCH, axis=0)
    wanted = portable_files.answer_of(row, "1", "fp32").repeat(BATCH, axis=0)
    with serving(tmp_path, store) as (server, set_faults), Client(server.address) as client:
        with memory_held(left_mib=48, set_faults=set_faults):
            response = client.predict("resnet18", {"INPUT__0": images})
            record_property("figure", f"{BATCH} rows answered on {response.execution.device} in {response.execution.compute_seconds:.3f} s, "
                                      f"fallback {response.execution.fallback_reason or 'none'}")
            assert np.abs(array(response.outputs["OUTPUT__0"]) - wanted).max() <= 5e-3 * wanted.std()
        assert server.metrics().sum("torchferry_device_up", device=DEVICE) == 1


def test_a_device_side_assert(tmp_path, record_property):
    store = Store(tmp_path / "store")
    add_models(store, DEVICE)
    lookup = store.add("lookup")
    (lookup / "config.pbtxt").write_text(f'torchferry {{ device: "{DEVICE}" }}\n')
    with serving(tmp_path, store) as (server, set_faults), Client(server.address) as client:
        assert client.predict("lookup", {"ids": np.array([3], np.int64)}).execution.device == DEVICE
        with Load(server.address) as load:
            harness.wait_until(lambda: len(load.answers) > 200, "some answers")
            if IS_REHEARSAL:
                set_faults(f"{DEVICE} sticky_error=1")
            with refused(Code.INTERNAL, "index out of range"):  # the CPU's words: it was asked after the GPU
                client.predict("lookup", {"ids": np.array([12], np.int64)})
            harness.wait_until(lambda: load.answers[-1][2] == "cpu", "answers come from the CPU")
        assert load.errors() == []
        assert {client.model(name).placement.fallback_reason for name in MODELS} == {"device_lost"}
        assert client.predict("mlp", {"x": reference("mlp", "x", 1)}).execution.device == "cpu"
        record_property("figure", f"{len(load.answers)} answers, 0 failed; fallbacks {', '.join(sorted(load.reasons()))}")
