"""Random numbers of one model are its own: what another one seeds does not change them."""

import json

import numpy as np

from harness import Client
from wrong_makers import safetensors

CONFIG = 'max_batch_size: 0\ninput { name: "x" data_type: TYPE_FP32 dims: [ 4 ] }\n'


def put(store, name, body):
    version = store.path / name / "1"
    version.mkdir(parents=True)
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})
    (version / "w.safetensors").write_bytes(safetensors(header, bytes(4)))
    (store.path / name / "config.pbtxt").write_text(f'name: "{name}"\n' + CONFIG)
    (store.path / name / "forward.py").write_text("import torch\n\ndef forward(self, x: Tensor) -> Tensor:\n" + body)


def test_a_model_that_seeds_changes_no_other_models_numbers(store, start):
    put(store, "seeds", "    torch.manual_seed(7)\n    return torch.rand_like(x) + self.w\n")
    put(store, "draws", "    return torch.rand_like(x) + self.w\n")
    server = start("--readiness", "all")
    x = {"x": np.zeros(4, np.float32)}
    with Client(server.address) as client:
        def run(name):
            (numbers,) = client.predict_arrays(name, x).values()
            return numbers

        seeded, drawn = [], []
        for _ in range(4):
            seeded.append(run("seeds"))
            drawn.append(run("draws"))
        assert all(np.array_equal(numbers, seeded[0]) for numbers in seeded)
        for i, numbers in enumerate(drawn):
            assert not any(np.array_equal(numbers, other) for other in drawn[:i] + seeded)
