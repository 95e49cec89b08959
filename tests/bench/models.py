"""What is served in the benchmarks: files of the fixtures with weights made by recipe, in the sizes of the real ones."""

import functools
import json
import math
import pathlib
import struct
import tempfile

import programs  # noqa: F401  (the path to the tests' modules)
import portable_files
from wire import FIXTURES, pb

BYTES = {"FP32": 4, "INT64": 8}  # of an element
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

    def one_row(self):
        """The inputs of a request, zeros."""
        return {name: pb.Tensor(dtype=pb.DataType.Value(f"DATA_TYPE_{dtype}"), shape=[1, *dims],
                                data=bytes(math.prod(dims) * BYTES[dtype])) for name, dtype, dims in self.inputs}

    def put_files(self, store):
        """Its folder in the store."""
        return store.add_file(self.name, self.file())

    def put(self, store):
        folder = self.put_files(store)
        lines = [f"max_batch_size: {self.max_batch_size}"]
        for name, dtype, dims in self.inputs:
            lines.append(f'input {{ name: "{name}" data_type: TYPE_{dtype} dims: [ {", ".join(map(str, dims))} ] }}')
        for name, dims in self.outputs:
            lines.append(f'output {{ name: "{name}" data_type: TYPE_FP32 dims: [ {", ".join(map(str, dims))} ] }}')
        lines += ["dynamic_batching { }", f"torchferry {{ {self.own} }}"]
        (folder / "config.pbtxt").write_text("\n".join(lines) + "\n")


class CodeModel(Model):
    """A state_dict of `tensors`, {name: shape}, with numbers made by recipe, whose forward.py is `code`."""

    def __init__(self, name, tensors, code, inputs, outputs, **options):
        super().__init__(name, lambda: safetensors(name, tensors), inputs, outputs, **options)
        self.code = code

    def put_files(self, store):
        folder = store.add_file(self.name, self.file(), as_name="model.safetensors")
        (folder / "forward.py").write_text(self.code)
        return folder


def safetensors(name, tensors):
    header, data = {}, b""
    for number, (key, shape) in enumerate(tensors.items()):
        content = portable_files.storage_bytes(1, number, math.prod(shape), "FP32", -0.1, 0.1)
        header[key] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    path = pathlib.Path(_folder.name) / f"{name}.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


@functools.cache
def traced(name):
    row = next(row for row in portable_files.traced_rows() if row["model"] == name and row["dtype"] == "FP32")
    path = pathlib.Path(_folder.name) / f"{name}.pt"
    portable_files.inflate(portable_files.FIXTURES / "traced" / row["file"], path)
    return path


MLP = Model("mlp", lambda: FIXTURES / "mlp" / "1" / "mlp.pt", [("x", "FP32", [4])], [("probabilities", [3])], max_batch_size=64)
RESNET18 = Model("resnet18", lambda: traced("resnet18"), [("x", "FP32", [3, 224, 224])], [("logits", [1000])])
ENCODER = Model("encoder", lambda: traced("encoder"), [("ids", "INT64", [128]), ("mask", "INT64", [128])], [("last_hidden_state", [128, 384])])
LSTM = Model("lstm", lambda: traced("lstm_traced"), [("x", "FP32", [100, 32])], [("y", [100, -1])])
SMALL = Model("resnet18_64", lambda: traced("resnet18"), [("x", "FP32", [3, 64, 64])], [("logits", [1000])], max_batch_size=32)


def product(elements):
    """Of `elements` numbers and one factor."""
    return Model("product", lambda: FIXTURES / "pair" / "1" / "model.pt", [("values", "FP32", [elements]), ("factor", "INT64", [1])], [("product", [elements])])


# An LSTM that goes on where its stream's last request ended.
STATEFUL_LSTM_CODE = """
def forward(self, x: Tensor) -> Tensor:
    weights = [self.w_ih, self.w_hh, self.b_ih, self.b_hh]
    y, h, c = torch.lstm(x, [self.h, self.c], weights, True, 1, 0.0, False, False, True)
    self.h = h
    self.c = c
    return y
"""
STATEFUL_LSTM_TENSORS = {"h": [1, 1, 64], "c": [1, 1, 64], "w_ih": [256, 32], "w_hh": [256, 64], "b_ih": [256], "b_hh": [256]}
STATEFUL_LSTM = CodeModel("lstm_state", STATEFUL_LSTM_TENSORS, STATEFUL_LSTM_CODE, [("x", "FP32", [20, 32])],
                          [("y", [20, 64])], max_batch_size=1)

# A large request with a small answer.
SUM_CODE = """
def forward(self, x: Tensor) -> Tensor:
    return x.sum(1, keepdim=True) * self.w
"""
SUM_16_MIB = CodeModel("sum", {"w": [1]}, SUM_CODE, [("x", "FP32", [16 << 18])], [("y", [1])])
