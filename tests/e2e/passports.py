"""Passports as torchferry.save writes them, and put where the server reads them: into archives, safetensors and folders."""

import base64
import json
import pathlib
import zipfile

import numpy as np

_NAMES = {"float32": "FP32", "float16": "FP16", "float64": "FP64", "int64": "INT64", "int32": "INT32", "bool": "BOOL"}

SAVED = {"device": "cuda:0", "dtypes": ["FP32"], "torch": "2.11.0", "created": "2026-11-29T12:00:00Z", "program": "torchscript-script"}
ORIGIN = {"git_commit": "0a1b2c3d", "git_dirty": True, "run_id": "run-17", "metrics": {"accuracy": 0.93, "loss": 0.25},
          "source": "hf://org/repo@rev", "sha256": "00ff"}


def tensor(array):
    """A tensor of a golden row."""
    return {"type": _NAMES[str(array.dtype)], "shape": list(array.shape),
            "data": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()}


def filled(shape, seed, type="FP32"):
    """An input of a golden row that the server generates."""
    return {"type": type, "shape": list(shape), "fill": {"seed": seed}}


def generated(shape, seed):
    """The elements of such an input: the upper 24 bits of splitmix64's numbers."""
    state = np.arange(1, np.prod(shape) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        state = (state ^ state >> np.uint64(shift)) * np.uint64(factor)
    upper = (state ^ state >> np.uint64(31)) >> np.uint64(40)
    return ((upper.astype(np.float64) - 2**23) / 2**23).astype(np.float32).reshape(shape)


def row(inputs, outputs):
    """A golden row of arrays by name; an input may also be one of `filled`."""
    return {"inputs": {name: array if isinstance(array, dict) else tensor(array) for name, array in inputs.items()},
            "outputs": {name: tensor(array) for name, array in outputs.items()}}


def spec(name, dims, type="FP32"):
    return {"name": name, "type": type, "dims": dims}


def passport(inputs=None, outputs=None, max_batch_size=64, rows=(), rtol=0.01, atol=0.001, **parts):
    """With a signature where there are `outputs`, and with golden rows where there are `rows`."""
    document = {"format": "torchferry-passport", "version": 1, **parts}
    if outputs is not None:
        document["signature"] = {"max_batch_size": max_batch_size, "inputs": inputs, "outputs": outputs}
    if rows:
        document["golden"] = {"rtol": rtol, "atol": atol, "rows": list(rows)}
    return document


def text_of(document):
    return document if isinstance(document, str) else json.dumps(document)


def put_into_archive(path, document):
    """As torch.jit.save(_extra_files=...) and torch.export.save(extra_files=...) do."""
    with zipfile.ZipFile(path, "a") as archive:
        top = archive.namelist()[0].split("/")[0]
        archive.writestr(f"{top}/extra/torchferry.json", text_of(document))


def put_into_safetensors(path, document):
    """As safetensors.torch.save_file(metadata=...) does."""
    content = pathlib.Path(path).read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8:8 + length])
    header.setdefault("__metadata__", {})["torchferry"] = text_of(document)
    encoded = json.dumps(header).encode()
    pathlib.Path(path).write_bytes(len(encoded).to_bytes(8, "little") + encoded + content[8 + length:])


def put_beside(version_folder, document):
    (pathlib.Path(version_folder) / "torchferry.json").write_text(text_of(document))
