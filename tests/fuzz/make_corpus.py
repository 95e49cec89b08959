#!/usr/bin/env python3
"""Fills corpus/ with seeds: the checkpoint reader's fixtures, whole and as their pickles.

Usage: make_corpus.py   (needs no PyTorch; writes beside itself. Finds of the fuzzers lie there too, named by hand.)
"""

import pathlib
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
FIXTURES = HERE.parent.parent / "server" / "checkpoint" / "testdata"
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


if __name__ == "__main__":
    main()
