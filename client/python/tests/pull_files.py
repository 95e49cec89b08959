"""Files that the tests of `torchferry pull` pull, made without PyTorch, and the command itself."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pathlib
import pickle
import struct
import sys
import zipfile

REPO = pathlib.Path(__file__).resolve().parents[3]
if str(REPO / "client" / "python") not in sys.path:
    sys.path.insert(0, str(REPO / "client" / "python"))

# By PyTorch.
TESTDATA = REPO / "server" / "checkpoint" / "testdata"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def safetensors(values: dict[str, float] | None = None, metadata: dict[str, str] | None = None) -> bytes:
    """One FP32 tensor of one element for each of `values`."""
    header: dict[str, object] = {} if metadata is None else {"__metadata__": metadata}
    data = b""
    for name, value in ({"w": 1.0} if values is None else values).items():
        header[name] = {"dtype": "F32", "shape": [1], "data_offsets": [len(data), len(data) + 4]}
        data += struct.pack("<f", value)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def shards() -> dict[str, bytes]:
    """An index, its two parts, and what else a repository of the hub has."""
    parts = {"model-00001-of-00002.safetensors": {"a": 2.0}, "model-00002-of-00002.safetensors": {"b": 3.0}}
    weight_map = {name: part for part, values in parts.items() for name in values}
    index = {"metadata": {"total_size": 8}, "weight_map": weight_map}
    return {
        "model.safetensors.index.json": json.dumps(index).encode(),
        "config.json": b"{}",
        "README.md": b"# a model",
        "training_args.bin": b"\x80\x02.",
        **{part: safetensors(values) for part, values in parts.items()},
    }


def archive(entries: dict[str, bytes | str], top: str = "model") -> bytes:
    """A zip, as PyTorch lays it out."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zipped:
        for name, content in entries.items():
            zipped.writestr(zipfile.ZipInfo(f"{top}/{name}"), content)  # without the time
    return out.getvalue()


def program(passport: dict | None = None) -> bytes:
    """What begins like a torch.export program."""
    entries: dict[str, bytes | str] = {"archive_format": "pt2", "models/model.json": "{}"}
    if passport is not None:
        entries["extra/torchferry.json"] = json.dumps(passport)
    return archive(entries)


class Harmful:
    """Loading its pickle would make a folder."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def whole_model(path: pathlib.Path, protocol: int = 2) -> bytes:
    """What torch.save(model) writes, of a model whose loading would make a folder at `path`."""
    return archive({"data.pkl": pickle.dumps(Harmful(path), protocol), "version": "3\n"})


def write(folder: pathlib.Path, files: dict[str, bytes]) -> pathlib.Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def pull(capsys, *arguments: object) -> tuple[int, str, str]:
    """The exit status, standard output and standard error of `torchferry pull`."""
    from torchferry import _pull

    status = _pull.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def landed(store: pathlib.Path) -> dict[str, bytes]:
    """All files below the store, hidden ones included; folders without files, too, as None."""
    found = {}
    for path in sorted(store.rglob("*")):
        if path.is_file() or not any(path.iterdir()):
            found[path.relative_to(store).as_posix()] = path.read_bytes() if path.is_file() else None
    return found
