"""Model stores in temporary folders, filled from tests/fixtures, and PyTorch's own results for these."""

import pathlib
import shutil
import tarfile

import numpy as np

FIXTURES = pathlib.Path(__file__).resolve().parents[3] / "tests" / "fixtures"

# A model for each element type, which gives what it gets.
ECHOED = ("BOOL", "UINT8", "INT8", "INT16", "INT32", "INT64", "FP16", "BF16", "FP32", "FP64")
ECHO = "def forward(self, x: Tensor) -> Dict[str, Tensor]:\n    return {'y': x}\n"
ECHO_CONFIG = """
torchferry {{ precision: KEEP }}
input {{ name: "x" data_type: TYPE_{0} dims: [ -1, -1 ] }}
output {{ name: "y" data_type: TYPE_{0} dims: [ -1, -1 ] }}
"""
# A forward pass takes `steps` rounds; 3e5 are most of a second.
SLOW = """
def forward(self, steps: Tensor) -> Dict[str, Tensor]:
    y = torch.zeros([1])
    for i in range(int(steps.item())):
        y = y + 1.0
    return {'y': y}
"""
SLOW_CONFIG = """
input { name: "steps" data_type: TYPE_INT64 dims: [ 1 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ 1 ] }
"""
# Inputs whose names are no identifiers, or are those of arguments of predict.
ODD_NAMES = "def forward(self, a: Tensor, b: Tensor) -> Dict[str, Tensor]:\n    return {'sum': a + b}\n"
ODD_NAMES_CONFIG = """
input { name: "version" data_type: TYPE_FP32 dims: [ 1 ] }
input { name: "the second" data_type: TYPE_FP32 dims: [ 1 ] }
output { name: "sum" data_type: TYPE_FP32 dims: [ 1 ] }
"""


class Store:
    """A model store in a temporary folder."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.path.mkdir(parents=True)

    def add(self, name, versions=(1,)):
        """A model folder of the fixtures, its one version under these numbers."""
        source, target = FIXTURES / name, self.path / name
        for version in versions:
            shutil.copytree(source / "1", target / str(version))
        for file in source.iterdir():
            if file.is_file():
                shutil.copy(file, target)
        return target

    def add_code(self, name, forward, config):
        """A model of that forward.py, over weights that it need not use."""
        version = self.path / name / "1"
        version.mkdir(parents=True)
        shutil.copy(FIXTURES / "mlp_cuda" / "1" / "resnet18_gpu.pth", version / "weights.pth")
        (self.path / name / "forward.py").write_text("import torch\n" + forward)
        (self.path / name / "config.pbtxt").write_text(config)

    def add_archived(self, name):
        """A model of the archive of fixtures that take other inputs than tensors."""
        version = self.path / name / "1"
        version.mkdir(parents=True)
        with tarfile.open(FIXTURES / "inputs" / "inputs.tar.xz") as archive:
            (version / "model.pt").write_bytes(archive.extractfile(f"{name}.pt").read())


def add_all(store):
    for name in ("mlp", "running_sum"):
        store.add(name)
    store.add_archived("takes_text")
    for dtype in ECHOED:
        store.add_code(f"echo_{dtype}", ECHO, ECHO_CONFIG.format(dtype))
    store.add_code("slow", SLOW, SLOW_CONFIG)
    store.add_code("odd_names", ODD_NAMES, ODD_NAMES_CONFIG)


def reference(model, name, rows):
    """PyTorch's own tensor of that name."""
    return np.load(FIXTURES / "expected" / model / f"{name}.{rows}.npy")


def running_sums(values):
    """What running_sum answers to a stream of these: a thousand times their sum so far, and how many they were."""
    return [1000.0 * float(total) + count for count, total in enumerate(np.cumsum(values), 1)]
