"""The programs of fixtures/programs as tests need them: unpacked, asked, and compared with PyTorch's answers."""

import json

import numpy as np

from portable_files import unpack
from wire import FIXTURES, array, bf16_tensor, floats, pb, tensor, widen

FOLDER = FIXTURES / "programs"
INDEX = json.loads((FOLDER / "index.json").read_text())
DTYPES = {"FP32": pb.DATA_TYPE_FP32, "FP16": pb.DATA_TYPE_FP16, "BF16": pb.DATA_TYPE_BF16}

# How far an answer may be from PyTorch's in FP32 with the same weights, absolute up to magnitude 1 and relative above.
TOLERANCES = {"FP32": 1e-6, "FP16": 4e-3, "BF16": 4e-2}


def unpacked(folder, *archives):
    """`folder`, with what is in programs/ARCHIVE.tar.xz."""
    for name in archives:
        unpack(FOLDER / f"{name}.tar.xz", folder)
    return folder


class Case:
    """`inputs` are messages by name, `own` and `fp32` PyTorch's answers by the outputs' names."""

    def __init__(self, dtype):
        self.dtype = dtype
        self.inputs, self.own, self.fp32 = {}, {}, {}

    def add(self, part, name, value):
        if part != "in":
            getattr(self, part)[name] = value
        elif value.dtype == np.uint16:
            self.inputs[name] = bf16_tensor(value)
        else:
            self.inputs[name] = tensor(value)


def cases_of(path, dtype="FP32"):
    """{name: Case} of an .npz: what is asked alone."""
    return {name: case for name, case in _all_of(path, dtype).items() if not name.startswith("step")}


def steps_of(path, dtype="FP32"):
    """The cases that follow one another, in order."""
    return [case for name, case in sorted(_all_of(path, dtype).items()) if name.startswith("step")]


def _all_of(path, dtype):
    cases = {}
    with np.load(path) as arrays:
        for key in arrays.files:
            case, part, name = key.split("/")
            cases.setdefault(case, Case(dtype)).add(part, name, arrays[key])
    return cases


def deviation(actual, expected):
    """The largest; what is not finite must be in the same places."""
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(actual[~finite], expected[~finite])
    if not finite.any():
        return 0.0
    return float(np.max(np.abs(actual[finite] - expected[finite]) / np.maximum(1, np.abs(expected[finite]))))


def check_answer(outputs, case, tolerance):
    """The response's outputs are the case's; the largest deviation from those in FP32."""
    assert set(outputs) == set(case.own), f"{sorted(outputs)}, expected {sorted(case.own)}"
    worst = 0.0
    for name, message in outputs.items():
        own, fp32 = case.own[name], case.fp32[name]
        if own.dtype.kind in "bi":
            np.testing.assert_array_equal(array(message), own, name)
            continue
        assert message.dtype == DTYPES[case.dtype], name
        actual = floats(message)
        worst = max(worst, deviation(actual, fp32))
        assert worst <= tolerance, f"{name} is off by {worst}"
        # And from what PyTorch gives in the dtype itself.
        assert deviation(actual, widen(own)) <= tolerance, name
    return worst


def check_model(client, name, cases, tolerance=TOLERANCES["FP32"]):
    """Asks each case alone; the largest deviation."""
    version = client.model(name)
    assert version.state == pb.MODEL_STATE_READY, version.error_message
    return max(check_answer(client.predict(name, case.inputs).outputs, case, tolerance) for case in cases.values())
