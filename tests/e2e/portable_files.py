"""Files of fixtures/portable and fixtures/traced as tests need them: unpacked, and with the weights that are not committed.

Those weights come from a generator whose numbers are the same on every machine: uniform, with no function of a maths library
behind them. A recipe is {seed, index, count, dtype, low, high}. BF16 is handled as its bits, in uint16."""

import json
import pathlib
import tarfile
import zipfile

import numpy as np

from torch_archives import write_entry

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "fixtures"
STORED = {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}
INDEX = "skeleton.json"


def bf16_of(values):
    """FP32 as the bits of BF16, rounded to nearest, ties to even; no NaN."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def fp32_of(bits):
    """The bits of BF16 as FP32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def generated(seed, index, count, dtype, low, high):
    """`count` values in [low, high); every (seed, index) has its own. Those of FP16 and BF16 are FP32's, rounded."""
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index])))
    values = low + (high - low) * generator.random(count)
    if dtype == "INT64":
        return np.floor(values).astype(np.int64)
    values = values.astype(np.float32)
    return {"FP32": lambda: values, "FP16": lambda: values.astype(np.float16), "BF16": lambda: bf16_of(values)}[dtype]()


def storage_bytes(seed, index, count, dtype, low, high):
    """A storage as an archive has it."""
    values = generated(seed, index, count, dtype, low, high)
    return values.astype(values.dtype.newbyteorder("<")).tobytes()


def inflate(skeleton, path):
    """Writes the archive that `skeleton` was made of: the same entries in the same order, with their weights."""
    with tarfile.open(skeleton) as tar, zipfile.ZipFile(path, "w") as archive:
        for number, entry in enumerate(json.load(tar.extractfile(INDEX))):
            recipe = entry.get("recipe")
            content = storage_bytes(**recipe) if recipe else tar.extractfile(str(number)).read()
            write_entry(archive, entry["name"], content, STORED[entry["method"]])


def portable_rows():
    """(files, left out), as portable/index.json has them."""
    index = json.loads((FIXTURES / "portable" / "index.json").read_text())
    return index["files"], index["left_out"]


def unpack(archive, folder):
    """The files of a tar. (extractall's filter is not in every Python 3.11.)"""
    with tarfile.open(archive) as tar:
        for member in tar:
            path = folder / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(tar.extractfile(member).read())


def unpack_portable(folder):
    unpack(FIXTURES / "portable" / "portable.tar.xz", folder)


def traced_rows():
    """As traced/index.json has them."""
    return json.loads((FIXTURES / "traced" / "index.json").read_text())


def inputs_of(row, case):
    """{name: array} for a case of a row of traced_rows(). A mask has a length for each of its rows."""
    arrays = {}
    for name, made in row["cases"][case].items():
        if "lengths" in made:
            arrays[name] = (np.arange(made["width"]) < np.array(made["lengths"])[:, None]).astype(np.int64)
        else:
            arrays[name] = generated(**made["recipe"]).reshape(made["shape"])
    return arrays


def answer_of(row, case, computed_in):
    """PyTorch's answer, computed in "fp32" from the row's weights, or in the row's "own" dtype. Of a sequence every
    `row["every"]`th position is kept."""
    return np.load(FIXTURES / "expected" / "traced" / f"{computed_in}_{row['model']}_{row['dtype']}.{case}.npy")
