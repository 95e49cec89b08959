#!/usr/bin/env python3
"""Writes the checkpoint reader's fixtures with PyTorch itself, and what torch.load says of them.

Usage: make_fixtures.py   (torch 2.11.0 and numpy; writes beside itself)

expected.json, for each checkpoint: its tensors in order (key, dtype, shape, strides, storage offset, storage, device),
its storages' bytes in hex, and the keys whose values are no tensors. Everything but the device tag is read back with
torch.load, so the reader is compared with PyTorch and not with itself.
"""

import argparse
import collections
import io
import json
import pathlib
import zipfile

import numpy as np
import torch
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
EXPECTED = {}
DEVICE_OF_STORAGE = {}  # data_ptr -> tag, for files that were "saved on a GPU"


def tag_storage(storage):
    """PyTorch asks each registered tagger where a storage lives; this one answers for machines that we do not have."""
    return DEVICE_OF_STORAGE.get(storage.data_ptr())


torch.serialization.register_package(1, tag_storage, lambda storage, location: None)


def describe(path):
    """The index of a checkpoint as torch.load sees it."""
    loaded = torch.load(path, map_location="cpu", weights_only=False)  # ours; weights_only reads no protocol above 2
    tensors, storages, others, index = [], [], [], {}
    for key, value in loaded.items():
        if not isinstance(value, torch.Tensor):
            others.append(key)
            continue
        storage = value.untyped_storage()
        # Empty storages have no address; they are never shared.
        address = storage.data_ptr() or ("empty", key)
        if address not in index:
            index[address] = len(storages)
            storages.append(bytes(storage.tolist()).hex())
        tensors.append(dict(key=key, dtype=str(value.dtype), shape=list(value.shape), strides=list(value.stride()),
                            offset=value.storage_offset(), storage=index[address], device="cpu"))
    return dict(tensors=tensors, storages=storages, others=others)


def write(name, state, devices=None, **options):
    path = HERE / name
    DEVICE_OF_STORAGE.clear()
    for key, device in (devices or {}).items():
        DEVICE_OF_STORAGE[state[key].untyped_storage().data_ptr()] = device
    torch.save(state, path, **options)
    DEVICE_OF_STORAGE.clear()
    EXPECTED[name] = describe(path)
    for tensor in EXPECTED[name]["tensors"]:
        tensor["device"] = (devices or {}).get(tensor["key"], "cpu")
    return path


def rezip(source, name, method, replace=None, force_zip64=False):
    """The same archive as another tool would write it."""
    limits = zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT
    if force_zip64:
        zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT = 0, 0
    with zipfile.ZipFile(HERE / source) as old, zipfile.ZipFile(HERE / name, "w", method) as new:
        for info in old.infolist():
            text = (replace or {}).get(info.filename.split("/", 1)[1], old.read(info))
            copy = zipfile.ZipInfo(info.filename)  # a fixed date: the file is the same each time
            copy.compress_type = method
            with new.open(copy, "w", force_zip64=force_zip64) as entry:
                entry.write(text)
    zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT = limits


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


def every_dtype():
    names = ("bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32 float64 float8_e4m3fn "
             "float8_e5m2 complex64 complex128").split()
    return {name: (torch.arange(6) % 5).reshape(2, 3).to(getattr(torch, name)) for name in names}


def strided():
    base = torch.arange(24, dtype=torch.float32)
    return {
        "base": base,
        "transposed": base.reshape(4, 6).t(),
        "sliced": base[3:20:4],
        "permuted": base.reshape(2, 3, 4).permute(2, 0, 1),
        "expanded": torch.ones(1, 3).expand(4, 3),
        "empty": base[5:5],
        "scalar": torch.tensor(7),
        "no_rows": torch.empty(0, 3),
    }


def main():
    torch.manual_seed(0)
    net = Net()
    write("module.pt", net.state_dict())
    write("plain_dict.pt", {"w": torch.randn(2, 2), "p": nn.Parameter(torch.ones(3)), "steps": 7, "note": "hello",
                            "none": None, "size": torch.Size([1, 2]), "dtype": torch.float16, "big": 2**70,
                            "blob": b"\x00\xff", "list": [1, 2.5], "device": torch.device("cpu")})
    write("protocol4.pt", net.state_dict(), pickle_protocol=4)
    write("protocol5.pt", net.state_dict(), pickle_protocol=5)
    write("dtypes.pt", every_dtype())
    write("strided.pt", strided())
    tied = nn.Linear(3, 3, bias=False)
    write("tied.pt", collections.OrderedDict(encoder=tied.weight, decoder=tied.weight, row=tied.weight[1]))
    write("cuda_tags.pt", {"a": torch.ones(2), "b": torch.zeros(3), "c": torch.ones(1)},
          devices={"a": "cuda:0", "b": "cuda:1"})
    # weights_only refuses these; they are data all the same.
    write("numpy_scalars.pt", {"w": torch.ones(2), "best": np.float64(0.5), "array": np.arange(3),
                               "args": argparse.Namespace(lr=0.1)})
    attributed = torch.ones(2)
    attributed.note = "kept"
    write("attributed.pt", {"w": attributed})
    # PyTorch before 1.6. The storages' keys are addresses, so these files differ from run to run.
    old = dict(_use_new_zipfile_serialization=False)
    write("legacy.pt", net.state_dict(), **old)
    write("legacy_protocol4.pt", net.state_dict(), pickle_protocol=4, **old)
    write("legacy_plain_dict.pt", {"w": torch.ones(2, 2), "p": nn.Parameter(torch.ones(3)), "steps": 7, "none": None,
                                   "size": torch.Size([1, 2])}, **old)
    # Newer types lie in an UntypedStorage, which torch.load does not read from this format.
    typed = {name: tensor for name, tensor in every_dtype().items()
             if not name.startswith(("uint16", "uint32", "uint64", "float8"))}
    write("legacy_dtypes.pt", typed, **old)
    write("legacy_strided.pt", strided(), **old)
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
    EXPECTED["training.pt:model_state_dict"] = dict(keys=list(net.state_dict()))

    (HERE / "expected.json").write_text(json.dumps(EXPECTED, indent=1) + "\n")


if __name__ == "__main__":
    main()
