"""Messages of our protos and what is in them: generated stubs, tensors as numpy arrays, PyTorch's references."""

import atexit
import importlib
import os
import pathlib
import shutil
import sys
import tempfile

import numpy as np
from grpc_tools import protoc

REPO = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = REPO / "tests" / "fixtures"
# The Python package: its sources, and what the build makes for it.
PACKAGE_PATH = [str(REPO / "client" / "python"),
                str(pathlib.Path(os.environ.get("TORCHFERRY_BINARY_DIR", REPO / "build")).resolve() / "python")]

PROTOS = ("torchferry/v1/inference.proto", "torchferry/v1/admin.proto", "inference/model_config.proto", "inference/grpc_service.proto")


def generate_stubs():
    """Python stubs of proto/, as a client makes them; gone when the tests end."""
    folder = tempfile.mkdtemp(prefix="torchferry-stubs-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    arguments = ["protoc", f"--proto_path={REPO / 'proto'}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
    if protoc.main(arguments + list(PROTOS)) != 0:
        raise RuntimeError(f"protoc failed on {', '.join(PROTOS)}")
    sys.path[:0] = [folder, *PACKAGE_PATH]


generate_stubs()
pb = importlib.import_module("torchferry.v1.inference_pb2")
pb_grpc = importlib.import_module("torchferry.v1.inference_pb2_grpc")
admin = importlib.import_module("torchferry.v1.admin_pb2")
admin_grpc = importlib.import_module("torchferry.v1.admin_pb2_grpc")
oip = importlib.import_module("inference.grpc_service_pb2")  # the Open Inference Protocol
oip_grpc = importlib.import_module("inference.grpc_service_pb2_grpc")

_NUMPY_OF = {
    pb.DATA_TYPE_BOOL: np.bool_,
    pb.DATA_TYPE_UINT8: np.uint8,
    pb.DATA_TYPE_INT8: np.int8,
    pb.DATA_TYPE_INT16: np.int16,
    pb.DATA_TYPE_INT32: np.int32,
    pb.DATA_TYPE_INT64: np.int64,
    pb.DATA_TYPE_FP16: np.float16,
    pb.DATA_TYPE_FP32: np.float32,
    pb.DATA_TYPE_FP64: np.float64,
}
_DTYPE_OF = {np.dtype(kind): value for value, kind in _NUMPY_OF.items()}


def tensor(array):
    """A message with the array's dtype and shape. Python floats travel as FP32, ints as INT64, bools as BOOL."""
    if isinstance(array, float):
        array = np.float32(array)
    array = np.asarray(array)
    return pb.Tensor(dtype=_DTYPE_OF[array.dtype], shape=array.shape, data=array.tobytes())


def array(message):
    kind = np.dtype(_NUMPY_OF[message.dtype])
    assert len(message.data) == int(np.prod(message.shape, dtype=np.int64)) * kind.itemsize, "bytes disagree with shape"
    return np.frombuffer(message.data, kind).reshape(tuple(message.shape))


def bf16_tensor(bits):
    """A message of BF16 from its bits in uint16."""
    return pb.Tensor(dtype=pb.DATA_TYPE_BF16, shape=bits.shape, data=np.asarray(bits, np.uint16).tobytes())


def floats(message):
    """A floating tensor as float32, BF16 too."""
    if message.dtype != pb.DATA_TYPE_BF16:
        return array(message).astype(np.float32)
    return widen(np.frombuffer(message.data, np.uint16).reshape(tuple(message.shape)))


def widen(array):
    """As float32; uint16 are BF16's bits."""
    return (array.astype(np.uint32) << 16).view(np.float32) if array.dtype == np.uint16 else array.astype(np.float32)


def reference(model, name, rows):
    """PyTorch's own tensor of that name, made by fixtures/make_fixtures.py."""
    return np.load(FIXTURES / "expected" / model / f"{name}.{rows}.npy")


def assert_close(actual, expected, what=""):
    """Equal within 1e-5, absolute up to 1 and relative beyond; integers exactly."""
    assert actual.shape == expected.shape, what
    assert actual.dtype == expected.dtype, what
    if np.issubdtype(expected.dtype, np.floating):
        bound = 1e-5 * np.maximum(1.0, np.abs(expected))
        worst = np.max(np.abs(actual - expected) / bound) * 1e-5
        assert np.all(np.abs(actual - expected) <= bound), f"{what}: off by {worst}"
    else:
        np.testing.assert_array_equal(actual, expected, what)
