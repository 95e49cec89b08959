"""The package as such: what it imports and when, that its messages collide with nobody's, and its commands."""

import subprocess
import sys

import pytest

import torchferry
from torchferry import _launch


def run(script, *arguments, expect=0):
    result = subprocess.run(
        [sys.executable, "-c", script, *arguments], check=False, text=True, capture_output=True, timeout=60
    )
    assert result.returncode == expect, result.stderr
    return result.stdout


def test_the_package_imports_little_until_it_is_used():
    """And the programs' launchers import neither numpy nor grpc."""
    run("""
import sys
import torchferry, torchferry._launch
heavy = {"grpc", "numpy", "torch", "google.protobuf", "asyncio"} & set(sys.modules)
assert not heavy, heavy
torchferry.TorchferryError
assert not {"grpc", "numpy"} & set(sys.modules)
torchferry.Client
assert "torch" not in sys.modules
""")


def test_every_public_name_is_there():
    for name in torchferry.__all__:
        try:
            assert getattr(torchferry, name).__doc__, name
        except ModuleNotFoundError as error:
            assert error.name == "torch" and torchferry._MODULES[name].startswith("_save")
    assert set(torchferry.__all__) <= set(dir(torchferry))
    assert torchferry.__version__
    with pytest.raises(AttributeError, match="nonsense"):
        _ = torchferry.nonsense


@pytest.mark.parametrize("implementation", ["upb", "python"])
def test_messages_collide_with_no_others_of_the_same_names(implementation):
    """Other messages of the same names in protobuf's own pool, and both implementations of protobuf."""
    run(
        """
import os
import sys
os.environ["PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"] = sys.argv[1]
from google.protobuf import descriptor_pb2, descriptor_pool
file = descriptor_pb2.FileDescriptorProto(name="torchferry/v1/inference.proto", package="torchferry.v1")
file.message_type.add(name="PredictRequest")
descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
from torchferry import _api, _requests
request = _api.PredictRequest.FromString(_requests.encode_request("m", 3, {"x": [[1.0, 2.0]]}, ["y"], "id"))
assert (request.model_name, request.model_version, list(request.outputs), request.request_id) == ("m", 3, ["y"], "id")
x = request.inputs["x"]
assert (x.dtype, list(x.shape), len(x.data)) == (_api.DATA_TYPES["FP32"], [1, 2], 8)
""",
        implementation,
    )


def test_a_checkout_without_a_build_says_what_is_missing(tmp_path):
    said = run(f"""
import sys
sys.path[:0] = [{str(tmp_path)!r}]
import torchferry
torchferry.__path__ = [torchferry.__path__[0]]
try:
    torchferry.Client
except ImportError as error:
    print(error)
""")
    assert "api.binpb" in said and "BUILD/python" in said


# --- the commands -----------------------------------------------------------------------------------


def test_commands_that_need_python_stay_in_python(monkeypatch):
    calls = []
    module = type(sys)("torchferry._fetched")
    module.main = lambda arguments: calls.append(arguments) or 7
    monkeypatch.setitem(sys.modules, "torchferry._fetched", module)
    monkeypatch.setitem(_launch.PYTHON_COMMANDS, "pull", "torchferry._fetched")
    monkeypatch.setattr(sys, "argv", ["torchferry", "pull", "file.pt", "--help"])
    with pytest.raises(SystemExit) as ended:
        _launch.cli()
    assert ended.value.code == 7 and calls == [["file.pt", "--help"]]


@pytest.mark.parametrize("arguments", [["models"], [], ["--json", "pull"]])
def test_all_other_commands_are_the_programs(monkeypatch, arguments):
    became = []
    monkeypatch.setattr(_launch.os, "execv", lambda path, argv: became.append((path.name, argv)))
    monkeypatch.setattr(sys, "argv", ["torchferry", *arguments])
    _launch.cli()
    assert became == [("torchferry", ["torchferry", *arguments])]


def test_a_package_without_programs_says_so(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["torchferry", "models"])
    with pytest.raises(SystemExit, match="no wheel of deploy/package.sh"):
        _launch.cli()
