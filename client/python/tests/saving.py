"""What the tests of `torchferry.save` share: reading a version back without the code that wrote it."""

import base64
import json
import re
import zipfile

import numpy as np
import pytest

torch = pytest.importorskip("torch")

NUMPY = {"FP32": "<f4", "FP16": "<f2", "INT64": "<i8", "INT32": "<i4", "BOOL": "?", "UINT8": "u1", "FP64": "<f8"}


def passport_of(saved):
    """The passport of a version, from where the contract has it."""
    beside = saved.path / "torchferry.json"
    if beside.exists():
        return json.loads(beside.read_text())
    (file,) = [path for path in saved.path.iterdir() if path.name in ("model.pt", "model.pt2")]
    with zipfile.ZipFile(file) as archive:
        (entry,) = [name for name in archive.namelist() if name.partition("/")[2] == "extra/torchferry.json"]
        return json.loads(archive.read(entry))


def config_of(saved):
    return (saved.path.parent / "config.pbtxt").read_text()


def tensors_in(config, kind):
    """{name: (type, dims)} of the inputs or outputs that the text declares."""
    found = re.findall(rf'^{kind} {{ name: "([^"]+)" data_type: TYPE_(\w+) dims: \[ ([^\]]*) \]', config, re.MULTILINE)
    return {name: (kind_of, [int(size) for size in dims.split(",")]) for name, kind_of, dims in found}


def loaded(saved):
    """A function that runs the version's model in PyTorch."""
    if (saved.path / "model.pt2").exists():
        return torch.export.load(saved.path / "model.pt2").module()
    if (saved.path / "model.pt").exists():
        return torch.jit.load(saved.path / "model.pt")
    architecture = saved.path / "architecture.pt2"
    if not architecture.exists():
        architecture = saved.path.parent / "architecture.pt2"
    module = torch.export.load(architecture).module()
    module.load_state_dict(torch.load(saved.path / "weights.pth", weights_only=True))
    return module


def splitmix64(seed, count):
    """The first numbers of the generator, in Python's own integers."""
    mask = 2**64 - 1
    for place in range(1, count + 1):
        state = (seed + place * 0x9E3779B97F4A7C15) & mask
        state = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & mask
        state = ((state ^ state >> 27) * 0x94D049BB133111EB) & mask
        yield state ^ state >> 31


def array_of(value):
    """The array of a tensor in the passport, stored or generated."""
    if "fill" in value:
        numbers = splitmix64(value["fill"]["seed"], int(np.prod(value["shape"])))
        elements = [((number >> 40) - 2**23) / 2**23 for number in numbers]
        return np.array(elements, NUMPY[value["type"]]).reshape(value["shape"])
    return np.frombuffer(base64.b64decode(value["data"]), NUMPY[value["type"]]).reshape(value["shape"])


def said(saved, *words):
    """Whether one of the sentences has each of the words."""
    return any(all(word in sentence for word in words) for sentence in saved.sentences)
