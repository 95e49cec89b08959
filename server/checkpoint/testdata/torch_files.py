"""Checkpoints written with PyTorch, and their index as PyTorch reads it back."""

import json
import struct
import zipfile

import numpy as np
import safetensors.torch
import torch

DEVICE_OF_STORAGE = {}  # data_ptr -> tag, for files that were "saved on a GPU"
# Newer types lie in an UntypedStorage, which torch.load does not read from the legacy format.
NOT_IN_LEGACY = ("uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2")
NOT_IN_SAFETENSORS = ("complex128",)
DTYPES = ("bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32 float64 float8_e4m3fn "
          "float8_e5m2 complex64 complex128").split()


def tag_storage(storage):
    """PyTorch asks each registered tagger where a storage lives; this one answers for machines that we do not have."""
    return DEVICE_OF_STORAGE.get(storage.data_ptr())


torch.serialization.register_package(1, tag_storage, lambda storage, location: None)


def save(obj, path, tensors=None, devices=None, **options):
    """torch.save, with the storages of `tensors` tagged as `devices` says."""
    DEVICE_OF_STORAGE.clear()
    for key, device in (devices or {}).items():
        DEVICE_OF_STORAGE[tensors[key].untyped_storage().data_ptr()] = device
    torch.save(obj, path, **options)
    DEVICE_OF_STORAGE.clear()


def tensor_of(value):
    """A tensor, or the one that an array's numbers make; None for anything else."""
    if isinstance(value, torch.Tensor):
        return value
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biufc":
        return None
    native = value if value.dtype.isnative else value.astype(value.dtype.newbyteorder("="), order="K")
    return torch.from_numpy(native)


def describe(path, key="", devices=None):
    """The index of a checkpoint's dict as torch.load sees it."""
    loaded = torch.load(path, map_location="cpu", weights_only=False)  # ours; weights_only reads no protocol above 2
    for part in key.split(".") if key else []:
        loaded = loaded[part]
    tensors, storages, others, index, alive = [], [], [], {}, []
    for name, value in loaded.items():
        is_array = not isinstance(value, torch.Tensor)  # an array has no device
        value = tensor_of(value)
        if value is None:
            others.append(name)
            continue
        alive.append(value)  # its address is nobody else's
        storage = value.untyped_storage()
        # Empty storages have no address; they are never shared.
        address = storage.data_ptr() or ("empty", name)
        if address not in index:
            index[address] = len(storages)
            storages.append(bytes(storage.tolist()).hex())
        tensors.append(dict(key=name, dtype=str(value.dtype), shape=list(value.shape), strides=list(value.stride()),
                            offset=value.storage_offset(), storage=index[address],
                            device="" if is_array else (devices or {}).get(name, "cpu")))
    described = dict(tensors=tensors, storages=storages, others=others)
    return described | dict(state_dict=key) if key else described


def save_safetensors(tensors, path, metadata=None):
    safetensors.torch.save_file(tensors, path, metadata=metadata)


def describe_safetensors(path):
    """As the safetensors package reads it: each tensor has a storage of its own, and no device is written down."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + length])
    form = header.pop("__metadata__", {}).get("format", "")
    loaded = safetensors.torch.load_file(path)
    assert set(loaded) == set(header)
    tensors = [dict(key=key, dtype=str(loaded[key].dtype), shape=list(loaded[key].shape),
                    strides=list(loaded[key].stride()), offset=0, storage=i, device="") for i, key in enumerate(header)]
    storages = [bytes(loaded[key].untyped_storage().tolist()).hex() for key in header]
    return dict(tensors=tensors, storages=storages, others=[], producer="PyTorch" if form == "pt" else form)


def rezip(source, target, method, replace=None, force_zip64=False):
    """The same archive as another tool would write it."""
    limits = zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT
    if force_zip64:
        zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT = 0, 0
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", method) as new:
        for info in old.infolist():
            text = (replace or {}).get(info.filename.split("/", 1)[1], old.read(info))
            copy = zipfile.ZipInfo(info.filename)  # a fixed date: the file is the same each time
            copy.compress_type = method
            with new.open(copy, "w", force_zip64=force_zip64) as entry:
                entry.write(text)
    zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT = limits


def every_dtype():
    return {name: (torch.arange(6) % 5).reshape(2, 3).to(getattr(torch, name)) for name in DTYPES}


def views_of(base):
    """Tensors that look into 24 elements in every way that PyTorch has."""
    return {
        "base": base,
        "transposed": base.reshape(4, 6).t(),
        "sliced": base[3:20:4],
        "permuted": base.reshape(2, 3, 4).permute(2, 0, 1),
        "expanded": torch.ones(1, 3, dtype=base.dtype).expand(4, 3),
        "empty": base[5:5],
        "scalar": torch.tensor(7),
        "no_rows": torch.empty(0, 3),
    }
