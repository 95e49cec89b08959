#!/usr/bin/env python3
"""Fills corpus/ with seeds: the checkpoint reader's fixtures, whole and as their pickles, headers of safetensors files,
torch.export programs, and the configurations of the repository.

Usage: make_corpus.py   (needs no PyTorch; writes beside itself. Finds of the fuzzers lie there too, named by hand.)
"""

import json
import pathlib
import zipfile

import seed_programs
import seed_texts

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parent.parent
FIXTURES = REPO / "server" / "checkpoint" / "testdata"
WHOLE = ("tied", "deflated", "zip64", "scripted", "legacy", "legacy_tied", "legacy_whole_model")
PICKLES = ("plain_dict", "strided", "tied", "protocol4", "dtypes", "numpy_scalars", "attributed", "training",
           "whole_model", "quantised", "sparse", "conjugated", "scripted")


def main():
    for name in WHOLE:
        for kind in ("zip", "checkpoint"):
            (HERE / "corpus" / kind / f"{name}.seed").write_bytes((FIXTURES / f"{name}.pt").read_bytes())
    for name in PICKLES:
        with zipfile.ZipFile(FIXTURES / f"{name}.pt") as archive:
            pickle = archive.read(f"{name}/data.pkl")
        for kind in ("pickle", "checkpoint"):
            (HERE / "corpus" / kind / f"{name}.pickle.seed").write_bytes(pickle)

    make_safetensors()
    make_programs()
    make_texts()
    for config in [*REPO.glob("model_store/*/config.pbtxt"), *REPO.glob("tests/fixtures/*/config.pbtxt"),
                   *REPO.glob("server/config/testdata/*.pbtxt")]:
        name = config.parent.name if config.name == "config.pbtxt" else config.stem
        (HERE / "corpus" / "config" / f"{name}.seed").write_bytes(config.read_bytes())


def make_safetensors():
    entry = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
    headers = {
        "one": {"a.weight": {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64]}},
        "several": {"__metadata__": {"format": "pt"}, "a": entry,
                    "b": {"dtype": "I64", "shape": [], "data_offsets": [16, 24]},
                    "c": {"dtype": "BF16", "shape": [0, 7], "data_offsets": [24, 24]},
                    "d": {"dtype": "F8_E4M3", "shape": [40], "data_offsets": [24, 64]}},
        "none": {},
        "overlap": {"a": entry, "b": entry},
    }
    for name, header in headers.items():
        text = json.dumps(header).encode()
        (HERE / "corpus" / "safetensors" / f"{name}.header.seed").write_bytes(text)
        whole = len(text).to_bytes(8, "little") + text + bytes(64)
        (HERE / "corpus" / "safetensors" / f"{name}.seed").write_bytes(whole)
        if name == "several":
            (HERE / "corpus" / "checkpoint" / "safetensors.seed").write_bytes(whole)


def make_programs():
    (HERE / "corpus" / "program").mkdir(exist_ok=True)
    for name, content in seed_programs.seeds((FIXTURES / "tied.pt").read_bytes()).items():
        (HERE / "corpus" / "program" / name).write_bytes(content)


def make_texts():
    for kind, texts in seed_texts.TEXTS.items():
        (HERE / "corpus" / kind).mkdir(exist_ok=True)
        for name, text in texts.items():
            (HERE / "corpus" / kind / f"{name}.seed").write_text(text, encoding="utf-8")
    for path in (REPO / "client" / "testdata").glob("*.npy"):
        (HERE / "corpus" / "input_value" / f"{path.stem}.npy.seed").write_bytes(path.read_bytes())


if __name__ == "__main__":
    main()
