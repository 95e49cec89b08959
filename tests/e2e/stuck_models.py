"""Models that do not end: in forward, at load, while they are warmed up or tuned. Made without PyTorch."""

import json
import struct
import zipfile

import numpy as np

from torch_archives import entries, write_entry
from wire import FIXTURES

ENDLESS = -1.0  # an x that forward never comes back from

# x below -1: so many additions, a microsecond or two each.
FORWARD = """
def forward(self, x: Tensor) -> Dict[str, Tensor]:
    y = x * self.w
    first = float(x[0, 0].item())
    if first == -1.0:
        while bool((y == y).all().item()):
            y = y + 0.0
    if first < -1.0:
        for i in range(int(-first)):
            y = y + 1.0
    return {"y": y}
"""

LOOPS_WITH_ZEROS = FORWARD.replace("first == -1.0", "first == 0.0")
# Whose rows are independent of one another: those of a model that mixes them never run together.
LOOPS_WITH_ROWS = FORWARD.replace("first == -1.0", "x.size(0) >= 4").replace("y + 1.0", "y + 0.0")

CONFIG = """name: "{name}"
max_batch_size: 8
input {{ name: "x" data_type: TYPE_FP32 dims: [ 1 ] }}
output {{ name: "y" data_type: TYPE_FP32 dims: [ 1 ] }}
"""
SECONDS = 'parameters {{ key: "{}" value {{ string_value: "{}" }} }}\n'


def forward_limit(seconds):
    return SECONDS.format("forward_timeout_seconds", seconds)


def load_limit(seconds):
    return SECONDS.format("load_timeout_seconds", seconds)


def add(store, name, config="", code=FORWARD):
    """A state_dict of one tensor, w = 2, whose forward.py is `code`."""
    version = store.path / name / "1"
    version.mkdir(parents=True)
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    header += b" " * (-len(header) % 8)
    (version / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + struct.pack("<f", 2))
    (store.path / name / "forward.py").write_text(code)
    (store.path / name / "config.pbtxt").write_text(CONFIG.format(name=name) + config)
    return store.path / name


FORK = b"""    def __forked_function0() -> Tensor:
      y = x
      while bool(torch.eq(torch.select(torch.select(x, 0, 0), 0, 0), -1)):
        y = torch.add(y, 0)
      return y
    f = fork(__forked_function0)
    if bool(torch.gt(torch.sum(x), 1000000)):
      _9 = torch.wait(f)
    else:
      _9 = x
    _0 = torch.softmax((self).logits(_9, ), 1)
"""


def add_endless_fork(store, name, config=""):
    """The scripted Mlp, which forks what does not end for an x that begins with ENDLESS, and does not wait for it."""
    add_changed(store, name, FIXTURES / "mlp" / "1" / "mlp.pt",
                {b"    _0 = torch.softmax((self).logits(x, ), 1)\n": FORK}, config)


def add_endless_setstate(store, name, config=""):
    """An archive whose __setstate__, which runs inside jit::load, does not end."""
    add_changed(store, name, FIXTURES / "slow_to_load" / "1" / "model.pt",
                {b"range(6000)": b"range(9223372036854775807)", b"384": b"4"}, config)


def add_changed(store, name, path, changes, config):
    """The archive with other pieces of source in its root class."""
    version = store.path / name / "1"
    version.mkdir(parents=True)
    with zipfile.ZipFile(version / "model.pt", "w") as archive:
        for below, entry, content, method in entries(path):
            for old, new in changes.items() if below == "code/__torch__.py" else ():
                assert old in content
                content = content.replace(old, new)
            write_entry(archive, entry, content, method)
    if config:
        (store.path / name / "config.pbtxt").write_text(f'name: "{name}"\n' + config)


def x(value, rows=1):
    return {"x": np.full([rows, 1], value, np.float32)}
