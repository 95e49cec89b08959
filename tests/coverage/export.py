#!/usr/bin/env python3
"""Exports the catalog's models with a free batch, and writes what PyTorch answers in eager mode.

    export.py FOLDER [--group GROUP] [--only NAME,…] [--max-megabytes N] [--least-megabytes N]

Needs requirements.txt; no network and no GPU. Each model becomes FOLDER/GROUP+NAME/ with model.pt2, cases.npz ("in.ROWS.NAME",
"out.ROWS.PLACE": outputs in the order of PyTorch's flattened result) and said.json: how it was exported, or why not. A model
whose folder has said.json is left alone, so that a run can be continued.
"""

import argparse
import inspect
import json
import logging
import pathlib
import time
import warnings

import numpy as np
import torch
from torch._export.serde.serialize import SerializeError
from torch.export import Dim, export
from torch.utils import _pytree as pytree

import catalog

ROWS = (1, 5)
EXAMPLE_ROWS = 2
SEED = 20240229


def settled(model, make_inputs):
    """The model in eval mode, with batch norms' statistics of random inputs: with those of a new module the values of deep
    networks vanish or overflow, and an answer of zeros says nothing."""
    norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    if norms:
        for norm in norms:
            norm.momentum = None
            norm.train()
        model.eval()
        for norm in norms:
            norm.train()
        model(**make_inputs(4))
    return model.eval()


def exported(model, inputs, said):
    """With dimension 0 of each input free; where PyTorch refuses that, as it is."""
    batch = Dim("batch", min=1, max=1024)
    args, kwargs = (), inputs
    if len(inputs) == 1 and "x" in inputs:  # torchvision's and timm's are called with one, whatever it is called
        args, kwargs = (inputs["x"],), {}
    first = next(iter(inspect.signature(model.forward).parameters))
    shapes = {first: {0: batch}} if args else {name: {0: batch} for name in kwargs}
    try:
        program = export(model, args, kwargs, dynamic_shapes=shapes, strict=False)
        said["batch"] = "free"
        return program
    except Exception as error:
        said["free_batch_error"] = str(error)[:300]
    said["batch"] = "static"
    return export(model, args, kwargs, strict=False)


def saved(program, path, said):
    """Some programs of transformers' decoders PyTorch saves only with their regions taken apart, in which operators stay whole."""
    try:
        torch.export.save(program, path)
    except SerializeError:
        said["decomposed"] = "run_decompositions({})"
        program = program.run_decompositions({})
        torch.export.save(program, path)
    return program


def one(folder, make):
    said = {}
    began = time.time()
    try:
        torch.manual_seed(SEED)
        with torch.no_grad():
            model, make_inputs = make()
            model = settled(model, make_inputs)
            program = exported(model, make_inputs(EXAMPLE_ROWS), said)
            program = saved(program, str(folder / "model.pt2"), said)
            said["nodes"] = sum(node.op == "call_function" for node in program.graph.nodes)
            said["parameters"] = sum(p.numel() for p in model.parameters())
            arrays = {}
            for rows in ROWS if said["batch"] == "free" else (EXAMPLE_ROWS,):
                inputs = make_inputs(rows)
                result = model(*inputs.values()) if "x" in inputs else model(**inputs)
                arrays |= {f"in.{rows}.{name}": value.numpy() for name, value in inputs.items()}
                outputs = [o for o in pytree.tree_leaves(result) if o is not None]
                arrays |= {f"out.{rows}.{place}": o.numpy() for place, o in enumerate(outputs)}
            np.savez(folder / "cases.npz", **arrays)
    except Exception as error:
        said["error"] = f"{type(error).__name__}: {error}"[:500]
        (folder / "model.pt2").unlink(missing_ok=True)
    said["seconds"] = round(time.time() - began, 1)
    (folder / "said.json").write_text(json.dumps(said) + "\n")
    return said


def megabytes(make):
    """Of the weights, without making them where the model lets itself be made so."""
    try:
        with torch.device("meta"):
            model, _ = make()
    except NotImplementedError:
        model, _ = make()
    return sum(p.numel() * p.element_size() for p in model.parameters()) / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--group", choices=list(catalog.GROUPS), action="append")
    parser.add_argument("--only", default="")
    parser.add_argument("--least-megabytes", type=float, default=0, help="leave smaller models out")
    parser.add_argument("--max-megabytes", type=float, default=1e9, help="leave larger models out")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    for group in arguments.group or catalog.GROUPS:
        for name, make in catalog.GROUPS[group]().items():
            if arguments.only and name not in arguments.only.split(","):
                continue
            folder = arguments.folder / name.replace("/", "+")
            if (folder / "said.json").exists():
                continue
            if group == "torchvision" and not arguments.least_megabytes <= megabytes(make) < arguments.max_megabytes:
                continue
            folder.mkdir(parents=True, exist_ok=True)
            print(name, one(folder, make), flush=True)


if __name__ == "__main__":
    main()
