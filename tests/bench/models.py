"""What is served in the benchmarks: files of the fixtures with weights made by recipe, in the sizes of the real ones."""

import functools
import pathlib
import tempfile

import programs  # noqa: F401  (the path to the tests' modules)
import portable_files
from wire import FIXTURES

_folder = tempfile.TemporaryDirectory(prefix="torchferry-bench-")


class Model:
    """`inputs`: (name, dtype, dimensions of a row); `outputs`: (name, dimensions of a row)."""

    def __init__(self, name, make, inputs, outputs, max_batch_size=16, own=""):
        self.name = name
        self.inputs = inputs
        self.outputs = outputs
        self._make = make
        self.max_batch_size = max_batch_size
        self.own = own

    def file(self):
        return self._make()

    def renamed(self, name, own="", max_batch_size=None):
        return Model(name, self._make, self.inputs, self.outputs, max_batch_size or self.max_batch_size, own)

    def put(self, store):
        folder = store.add_file(self.name, self.file())
        lines = [f"max_batch_size: {self.max_batch_size}"]
        for name, dtype, dims in self.inputs:
            lines.append(f'input {{ name: "{name}" data_type: TYPE_{dtype} dims: [ {", ".join(map(str, dims))} ] }}')
        for name, dims in self.outputs:
            lines.append(f'output {{ name: "{name}" data_type: TYPE_FP32 dims: [ {", ".join(map(str, dims))} ] }}')
        lines += ["dynamic_batching { }", f"torchferry {{ {self.own} }}"]
        (folder / "config.pbtxt").write_text("\n".join(lines) + "\n")


@functools.cache
def traced(name):
    row = next(row for row in portable_files.traced_rows() if row["model"] == name and row["dtype"] == "FP32")
    path = pathlib.Path(_folder.name) / f"{name}.pt"
    portable_files.inflate(portable_files.FIXTURES / "traced" / row["file"], path)
    return path


MLP = Model("mlp", lambda: FIXTURES / "mlp" / "1" / "mlp.pt", [("x", "FP32", [4])], [("probabilities", [3])], max_batch_size=64)
RESNET18 = Model("resnet18", lambda: traced("resnet18"), [("x", "FP32", [3, 224, 224])], [("logits", [1000])])
ENCODER = Model("encoder", lambda: traced("encoder"), [("ids", "INT64", [128]), ("mask", "INT64", [128])], [("last_hidden_state", [128, 384])])
LSTM = Model("lstm", lambda: traced("lstm_traced"), [("x", "FP32", [20, 32])], [("y", [20, -1])])
SMALL = Model("resnet18_64", lambda: traced("resnet18"), [("x", "FP32", [3, 64, 64])], [("logits", [1000])], max_batch_size=32)


def product(elements):
    """Of `elements` numbers and one factor."""
    return Model("product", lambda: FIXTURES / "pair" / "1" / "model.pt", [("values", "FP32", [elements]), ("factor", "INT64", [1])], [("product", [elements])])
