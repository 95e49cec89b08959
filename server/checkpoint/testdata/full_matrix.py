"""Every format times every dtype times every arrangement of tensors, keys and device tags: for a folder of its own, not
committed. server/checkpoint/full_reference_test.cc holds the reader against it."""

import json
import zipfile

import torch

from torch_files import (DTYPES, NOT_IN_LEGACY, NOT_IN_SAFETENSORS, describe, describe_safetensors, rezip, save,
                         save_safetensors, views_of)

# name: torch.save's options
TORCH_FORMATS = {
    **{f"zip_protocol{p}": dict(pickle_protocol=p) for p in (2, 3, 4, 5)},
    **{f"legacy_protocol{p}": dict(pickle_protocol=p, _use_new_zipfile_serialization=False) for p in (2, 3, 4, 5)},
}
USUAL_KEYS = ("state_dict", "model_state_dict", "model_state", "model", "net", "module", "ema", "ema.state_dict")
PREFIXES = ("module.", "_orig_mod.", "_fsdp_wrapped_module.", "module._orig_mod.")
DEVICES = {"cuda0": {"weight": "cuda:0", "bias": "cuda:0"}, "cuda1": {"weight": "cuda:1", "bias": "cuda:1"},
           "mixed": {"weight": "cuda:0", "bias": "cuda:1"}}


def module_of(dtype):
    """Like a module's: a matrix, a vector, and a counter on the CPU."""
    numbers = (torch.arange(24) % 5).to(dtype)
    return {"weight": numbers[:6].reshape(2, 3).clone(), "bias": numbers[:3].clone(), "steps": torch.tensor(7)}


def arrangements(dtype):
    """name: (the outermost dict, where the tensors are in it, their device tags)."""
    numbers = (torch.arange(24) % 5).to(dtype)
    plain = module_of(dtype)
    yield "plain", plain, "", {}
    tied = numbers[:9].reshape(3, 3).clone()
    yield "tied", {"encoder": tied, "decoder": tied, "row": tied[1], "transposed": tied.t()}, "", {}
    yield "strided", views_of(numbers), "", {}
    for key in USUAL_KEYS:
        outer, *inner = key.split(".")
        model = {inner[0]: plain} if inner else plain
        yield f"under_{key}", {"epoch": 3, outer: model, "best": 0.5, "optimizer": {"state": {}}}, key, {}
    for prefix in PREFIXES:
        yield f"behind_{prefix[:-1]}", {prefix + key: value for key, value in plain.items()}, "", {}
    yield "behind_wrapper_inside", {f"layers.0._orig_mod.{key}": value for key, value in plain.items()}, "", {}
    for name, devices in DEVICES.items():
        yield f"saved_on_{name}", plain, "", devices


def write(folder):
    """All files, and expected.json; returns how many files and tensors."""
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}
    for dtype in DTYPES:
        for name, obj, key, devices in arrangements(getattr(torch, dtype)):
            stem = f"{dtype}-{name}".replace(".", "_")
            write_torch(folder, stem, obj, key, devices, dtype in NOT_IN_LEGACY, expected)
            if dtype not in NOT_IN_SAFETENSORS and not key and not devices and name not in ("tied", "strided"):
                path = folder / f"{stem}-safetensors.safetensors"
                save_safetensors(obj, path, {"format": "pt"})
                expected[path.name] = describe_safetensors(path)
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    return len(expected), sum(len(entry["tensors"]) for entry in expected.values())


def write_torch(folder, stem, obj, key, devices, is_new_dtype, expected):
    for name, options in TORCH_FORMATS.items():
        if is_new_dtype and name.startswith("legacy"):
            continue
        path = folder / f"{stem}-{name}.pt"
        save(obj, path, obj, devices, **options)
        expected[path.name] = describe(path, key, devices)
    source = f"{stem}-zip_protocol2.pt"
    deflated = folder / f"{stem}-zip_deflated.pt"
    rezip(folder / source, deflated, zipfile.ZIP_DEFLATED)
    expected[deflated.name] = expected[source]
