#!/usr/bin/env python3
"""Writes the checkpoint reader's fixtures with PyTorch and safetensors themselves, and what these say of them.

Usage: make_fixtures.py [torch] [safetensors]   writes beside itself, both by default
       make_fixtures.py --full DIR              writes every format with every dtype and arrangement (full_matrix.py)

Needs torch 2.11.0, numpy 2.4.6 and safetensors 0.8.0.

expected.json, for each checkpoint: its tensors in order (key, dtype, shape, strides, storage offset, storage, device),
its storages' bytes in hex, the keys whose values are no tensors, and, where they are not the usual ones, the producer and
the key that the state_dict lies under. Everything but the device tag is read back with torch.load or the safetensors
package, so the reader is compared with them and not with itself.
"""

import argparse
import collections
import enum
import functools
import io
import json
import pathlib
import sys
import zipfile

import numpy as np
import torch
from torch import nn

import full_matrix
import torch_files
from torch_files import NOT_IN_LEGACY, NOT_IN_SAFETENSORS, describe, describe_safetensors, every_dtype, views_of

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "tests" / "e2e"))
from torch_archives import without_debug_info  # noqa: E402

EXPECTED = {}


def write(name, state, devices=None, **options):
    torch_files.save(state, HERE / name, state, devices, **options)
    EXPECTED[name] = describe(HERE / name, devices=devices)


def write_safetensors(name, state, metadata=None):
    torch_files.save_safetensors(state, HERE / name, metadata)
    EXPECTED[name] = describe_safetensors(HERE / name)


def rezip(source, name, method, **options):
    torch_files.rezip(HERE / source, HERE / name, method, **options)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.norm = nn.BatchNorm2d(2)
        self.fc = nn.Linear(8, 3)

    def forward(self, x):
        return self.fc(self.norm(self.conv(x)).flatten(1))


class Scripted(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)
        self.register_buffer("scale", torch.tensor([2.0, 3.0], dtype=torch.float64))
        self.rates = [8000, 16000]
        self.names = {"a": 1}

    def forward(self, x):
        return self.fc(x) * self.scale.float() + torch.tensor([1, 2])


def make_arrays():
    """State_dicts of NumPy arrays: all of them, and beside tensors."""
    ramp = np.arange(6, dtype=np.float32).reshape(2, 3)
    arrays = {"float": ramp * 50 - 100, "columns": np.asfortranarray(ramp), "big_endian": ramp.astype(">f4"),
              "half": ramp.astype(np.float16), "double": ramp.astype(np.float64), "complex": ramp.astype(np.complex64),
              "flags": ramp > 2, "bytes": np.arange(256, dtype=np.uint8), "big_endian_int": np.arange(-2, 2, dtype=">i8"),
              "empty": np.empty((0, 3), np.float32), "scalar": np.array(2.5), "names": np.array(["a", "b"]),
              "objects": np.array([{}, None], dtype=object), "dates": np.array(["2024-01-01"], dtype="M8[D]")}
    write("arrays.pt", arrays)
    write("arrays_protocol5.pt", arrays, pickle_protocol=5)
    write("arrays_beside.pt", {"w": torch.ones(2), "mean": ramp, "note": 1})
    write("legacy_arrays.pt", {"w": torch.ones(2), "mean": ramp}, _use_new_zipfile_serialization=False)


class Mode(enum.StrEnum):
    TRAIN = "train"


class Settings(dict):
    pass


def make_objects():
    """State_dicts beside what training scripts leave there."""
    weights = nn.Linear(2, 2).state_dict()
    objects = {"version": torch.__version__, "buffer": io.BytesIO(b"x"), "partial": functools.partial(nn.functional.gelu),
               "class": torch.optim.AdamW, "mode": Mode.TRAIN,
               "generator": np.random.default_rng(0), "settings": Settings(lr=0.1), "loss": nn.CrossEntropyLoss(torch.ones(2)),
               "numbers": collections.defaultdict(functools.partial(int, 3))}
    write("objects.pt", collections.OrderedDict(weights, **objects))
    write("objects_protocol4.pt", collections.OrderedDict(weights, **objects), pickle_protocol=4)
    # It would hold the classes' source text, of which a line will do.
    torch.serialization.get_source_lines_and_file = lambda cls: ([f"class {cls.__name__}:\n"], None, "model.py")
    write("legacy_objects.pt", collections.OrderedDict(weights, **objects), _use_new_zipfile_serialization=False)


def make_torch():
    torch.manual_seed(0)
    net = Net()
    write("module.pt", net.state_dict())
    write("plain_dict.pt", {"w": torch.randn(2, 2), "p": nn.Parameter(torch.ones(3)), "steps": 7, "note": "hello",
                            "none": None, "size": torch.Size([1, 2]), "dtype": torch.float16, "big": 2**70,
                            "blob": b"\x00\xff", "list": [1, 2.5], "device": torch.device("cpu")})
    write("protocol4.pt", net.state_dict(), pickle_protocol=4)
    write("protocol5.pt", net.state_dict(), pickle_protocol=5)
    write("dtypes.pt", every_dtype())
    write("strided.pt", views_of(torch.arange(24, dtype=torch.float32)))
    tied = nn.Linear(3, 3, bias=False)
    write("tied.pt", collections.OrderedDict(encoder=tied.weight, decoder=tied.weight, row=tied.weight[1]))
    write("cuda_tags.pt", {"a": torch.ones(2), "b": torch.zeros(3), "c": torch.ones(1)},
          devices={"a": "cuda:0", "b": "cuda:1"})
    # weights_only refuses these; they are data all the same.
    write("numpy_scalars.pt", {"w": torch.ones(2), "best": np.float64(0.5), "array": np.arange(3),
                               "args": argparse.Namespace(lr=0.1)})
    make_arrays()
    make_objects()
    attributed = torch.ones(2)
    attributed.note = "kept"
    write("attributed.pt", {"w": attributed})
    # PyTorch before 1.6. The storages' keys are addresses, so these files differ from run to run.
    old = dict(_use_new_zipfile_serialization=False)
    write("legacy.pt", net.state_dict(), **old)
    write("legacy_protocol4.pt", net.state_dict(), pickle_protocol=4, **old)
    write("legacy_plain_dict.pt", {"w": torch.ones(2, 2), "p": nn.Parameter(torch.ones(3)), "steps": 7, "none": None,
                                   "size": torch.Size([1, 2])}, **old)
    typed = {name: tensor for name, tensor in every_dtype().items() if name not in NOT_IN_LEGACY}
    write("legacy_dtypes.pt", typed, **old)
    write("legacy_strided.pt", views_of(torch.arange(24, dtype=torch.float32)), **old)
    write("legacy_tied.pt", collections.OrderedDict(encoder=tied.weight, decoder=tied.weight, row=tied.weight[1]), **old)
    write("legacy_cuda_tags.pt", {"a": torch.ones(2), "b": torch.zeros(3), "c": torch.ones(1)},
          devices={"a": "cuda:0", "b": "cuda:1"}, **old)
    for name, options in dict(deflated=(zipfile.ZIP_DEFLATED, {}),
                              zip64=(zipfile.ZIP_STORED, dict(force_zip64=True))).items():
        rezip("module.pt", f"{name}.pt", options[0], **options[1])
        EXPECTED[f"{name}.pt"] = EXPECTED["module.pt"]

    # What is refused.
    rezip("module.pt", "big_endian.pt", zipfile.ZIP_STORED, replace={"byteorder": b"big"})
    torch.save(net, HERE / "whole_model.pt")
    torch.save(net, HERE / "whole_model_protocol4.pt", pickle_protocol=4)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(torch.randn(2, 1, 4, 4)).sum().backward()
    optimizer.step()
    torch.save({"epoch": 3, "best": torch.tensor(0.5), "model_state_dict": net.state_dict(),
                "ema": {"model": net.state_dict()}, "optimizer": optimizer.state_dict()}, HERE / "training.pt")
    torch.save(torch.ones(2), HERE / "bare_tensor.pt")
    torch.save([torch.ones(2)], HERE / "list.pt")
    torch.save({"epoch": 3}, HERE / "no_tensors.pt")
    torch.save({"w": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)}, HERE / "quantised.pt")
    torch.save({"w": torch.eye(2).to_sparse()}, HERE / "sparse.pt")
    torch.save({"w": torch.ones(2, device="meta")}, HERE / "meta.pt")
    torch.save({"w": torch.ones(2, dtype=torch.complex64).conj()}, HERE / "conjugated.pt")
    torch.save({"w": torch.ones(2).to(torch.float8_e8m0fnu)}, HERE / "odd_dtype.pt")
    # It holds its classes' source text, of which a line will do.
    torch.serialization.get_source_lines_and_file = lambda cls: ([f"class {cls.__name__}:\n"], None, "model.py")
    torch.save(net, HERE / "legacy_whole_model.pt", _use_new_zipfile_serialization=False)
    torch.jit.script(Scripted()).save(str(HERE / "scripted.pt"))
    without_debug_info(HERE / "scripted.pt")
    EXPECTED["training.pt:model_state_dict"] = dict(keys=list(net.state_dict()))


def make_safetensors():
    known = {name: tensor for name, tensor in every_dtype().items() if name not in NOT_IN_SAFETENSORS}
    known |= {"empty": torch.empty(0, 3), "empty_vector": torch.empty(0, dtype=torch.int64), "scalar": torch.tensor(2.5),
              "flag": torch.tensor(True)}
    write_safetensors("dtypes.safetensors", known, {"format": "pt", "note": "tiny"})
    torch.manual_seed(0)
    write_safetensors("module.safetensors", Net().state_dict())


PARTS = {"torch": make_torch, "safetensors": make_safetensors}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", type=pathlib.Path, metavar="DIR", help="write the whole matrix there and nothing here")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}")
    assert torch.__version__.startswith("2.11.0"), torch.__version__
    if arguments.full:
        print("{} files, {} tensors".format(*full_matrix.write(arguments.full)))
        return
    expected = HERE / "expected.json"
    if expected.exists():
        EXPECTED.update(json.loads(expected.read_text()))
    for part in arguments.parts or PARTS:
        PARTS[part]()
    expected.write_text(json.dumps(EXPECTED, indent=1) + "\n")


if __name__ == "__main__":
    main()
