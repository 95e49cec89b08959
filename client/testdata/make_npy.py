"""Makes the .npy files beside it, with numpy: python make_npy.py

Every array holds what its name says; npy_test.cc knows the values. The files that are broken on purpose are made in
the test.
"""
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent
WHOLE = np.array([[0, 1, 2], [100, 5, 6]])

for dtype in ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"):
    np.save(HERE / f"{dtype}.npy", WHOLE.astype(dtype))
np.save(HERE / "b1.npy", np.array([[True, False], [False, True]]))
np.save(HERE / "scalar.npy", np.float32(2.5))
np.save(HERE / "empty.npy", np.zeros((0, 3), np.float32))
np.save(HERE / "vector.npy", np.arange(4, dtype=np.int64))
np.save(HERE / "big_endian.npy", WHOLE.astype(">i4"))
np.save(HERE / "fortran.npy", np.asfortranarray(np.arange(24, dtype=np.int16).reshape(2, 3, 4)))
np.save(HERE / "bf16_void.npy", np.array([0x3F80, 0xC000], "<u2").view("V2"))  # 1, -2
np.save(HERE / "complex.npy", np.zeros(2, np.complex64))
np.save(HERE / "text.npy", np.array(["a", "bc"]))
np.save(HERE / "fields.npy", np.zeros(2, [("a", "<f4"), ("b", "<i4")]))
np.save(HERE / "objects.npy", np.array([{}, None], dtype=object))
for version in ((1, 0), (2, 0), (3, 0)):
    with open(HERE / f"version_{version[0]}.npy", "wb") as file:
        np.lib.format.write_array(file, np.arange(3, dtype=np.int32), version=version)

# FP16's rounding: float64 values, and what numpy makes of each.
values = np.concatenate([
    np.random.default_rng(1).normal(0, 1, 200) * 10.0 ** np.random.default_rng(2).integers(-9, 6, 200),
    [0.0, -0.0, 65504, 65519.99, 65520, 1e-8, 5.96e-8, 2.98e-8, 6.1e-5, 1 + 2**-11, 1 + 3 * 2**-11, np.inf, -np.inf],
])
with np.errstate(over="ignore"):
    np.save(HERE / "rounding_f8.npy", values)
    np.save(HERE / "rounding_f2.npy", values.astype(np.float16))
