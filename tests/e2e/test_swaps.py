"""Fifty deployments under load: no request is lost, each is answered by the version that it names, and memory does not grow."""

import json
import pathlib
import shutil
import struct
import threading

import numpy as np

import harness
from harness import Client
from wire import admin, admin_grpc, array, pb

CYCLES, CLIENTS = 50, 16
FORWARD = '''import torch


def forward(self, x: Tensor) -> Tensor:
    return x * self.factor + self.ballast[0, 0]
'''
CONFIG = ('max_batch_size: 8\ninput { name: "x" data_type: TYPE_FP32 dims: [ 4 ] }\noutput { name: "y" data_type: TYPE_FP32 dims: [ 4 ] }\n'
          "dynamic_batching { }\n")


def safetensors(**tensors):
    header, body = {}, b""
    for name, values in tensors.items():
        header[name] = {"dtype": "F32", "shape": values.shape, "data_offsets": [len(body), len(body) + values.nbytes]}
        body += values.tobytes()
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def write_model(store, name):
    folder = store.path / name
    folder.mkdir()
    (folder / "forward.py").write_text(FORWARD)
    (folder / "config.pbtxt").write_text(CONFIG)


def deploy(store, name, version):
    """Multiplies by its version's number; 4 MiB of weights."""
    partial = store.path / name / f".{version}"
    partial.mkdir()
    weights = safetensors(factor=np.float32([version]), ballast=np.zeros((1024, 1024), np.float32))
    (partial / "model.safetensors").write_bytes(weights)
    partial.rename(store.path / name / str(version))


def rss_bytes(server):
    pages = pathlib.Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * 4096


class Caller(threading.Thread):
    def __init__(self, address, stop):
        super().__init__()
        self.address, self.stop = address, stop
        self.answers, self.versions, self.wrong = 0, set(), []

    def run(self):
        x = np.arange(4, dtype=np.float32)[None]
        with Client(self.address) as client:
            while not self.stop.is_set():
                try:
                    response = client.predict("m", {"x": x})
                    if not np.array_equal(array(response.outputs["y"]), x * response.model_version):
                        self.wrong.append(response)
                    self.versions.add(response.model_version)
                    self.answers += 1
                except Exception as error:  # each counts as a request that was lost
                    self.wrong.append(error)


def test_swaps_under_load(store, tmp_path):
    for name in ("m", "other"):
        write_model(store, name)
        deploy(store, name, 1)
    with harness.serving(store, tmp_path / "server", "--enable-admin") as server, Client(server.address) as client:
        server.wait_settled()
        stub = admin_grpc.ModelAdminServiceStub(client.channel)
        stop = threading.Event()
        callers = [Caller(server.address, stop) for _ in range(CLIENTS)]
        for caller in callers:
            caller.start()
        memory = {}
        try:
            for cycle in range(1, CYCLES + 1):
                deploy(store, "m", cycle + 1)
                stub.LoadModel(admin.LoadModelRequest(model_name="m"), timeout=harness.DEADLINE_SECONDS)
                shutil.rmtree(store.path / "m" / str(cycle))
                stub.UnloadModel(admin.UnloadModelRequest(model_name="other"), timeout=harness.DEADLINE_SECONDS)
                stub.LoadModel(admin.LoadModelRequest(model_name="other"), timeout=harness.DEADLINE_SECONDS)
                memory[cycle] = rss_bytes(server)
        finally:
            stop.set()
            for caller in callers:
                caller.join()
        wrong = [w for caller in callers for w in caller.wrong]
        assert not wrong, f"{len(wrong)} requests failed or were wrong, the first: {wrong[0]}"
        answers = sum(caller.answers for caller in callers)
        versions = set().union(*(caller.versions for caller in callers))
        print(f"\n{CYCLES} swaps, {answers} answers of {len(versions)} versions, 0 failed; memory after cycle 5 "
              f"{memory[5] >> 20} MiB, after cycle {CYCLES} {memory[CYCLES] >> 20} MiB")
        assert len(versions) >= CYCLES // 2
        assert client.model("m").model_version == CYCLES + 1
        server.wait_metrics(lambda page: page.sum("torchferry_requests_total", model="m", code="OK") == answers, "the answers counted")
        assert memory[CYCLES] <= 1.1 * memory[5], memory
        assert {v.state for (name, _), v in client.models().items() if name == "m"} <= {pb.MODEL_STATE_READY, pb.MODEL_STATE_UNLOADING}
