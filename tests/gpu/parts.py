"""The parts of the check, in their order: what each runs, and its share of the time."""

import dataclasses
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
MODELS = ("resnet18", "encoder", "mlp")
COUNTS = (1, 2, 4)


@dataclasses.dataclass(frozen=True)
class Part:
    """`command` writes JUnit XML to {report}. `share` is a weight: time that a part leaves goes to those after it."""

    name: str
    what: str
    command: tuple
    share: int
    environment: dict = dataclasses.field(default_factory=dict)


def pytest_of(file, *selection):
    """`selection`: node ids of the file, or all of it."""
    nodes = [f"{TESTS / file}::{node}" for node in selection] or [str(TESTS / file)]
    return (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rs", "-s", "--junit-xml={report}", *nodes)


def all_parts(device, binaries):
    """Those of `device`, "cuda:0" or "sim:0". `binaries`: the folder of the programs."""
    is_rehearsal = device.startswith("sim")
    matrix = {"TORCHFERRY_TEST_DEVICES": device}
    served = {"TORCHFERRY_TEST_DEVICE": device}
    speed = served | {"TORCHFERRY_CHECK_SIZE": "small" if is_rehearsal else "full"}
    device_test = (str(binaries / "gpu_device_test"), "--gtest_output=xml:{report}")
    failover = "e2e/test_gpu_failover.py"
    # Each case starts a server: these are the ones whose answers the device could spoil.
    streams = pytest_of("e2e/test_streams.py", "test_requests_of_a_stream_share_a_batch_and_keep_their_order",
                        "test_with_state_requests_come_one_after_another_beside_others_of_the_stream",
                        "test_large_requests_among_small_ones_keep_their_order",
                        "test_large_requests_to_a_model_with_state_keep_their_order")
    parts = [
        Part("portability", f"every format and dtype on {device} against PyTorch", pytest_of("e2e/test_portability.py"), 12, matrix),
        Part("programs", f"torch.export programs on {device} against PyTorch", pytest_of("e2e/test_programs.py"), 12, matrix),
        Part("out-of-memory", "another process takes the memory", pytest_of(failover, "test_another_process_takes_the_memory"), 6, served),
        Part("device-assert", "a device-side assert under load", pytest_of(failover, "test_a_device_side_assert"), 6, served),
        Part("staging", "streams, page-locked memory, copies", device_test, 3, served),
        Part("request-streams", "requests of one stream share batches and keep their order", streams, 6, served),
    ]
    for model in MODELS:
        for count in COUNTS:
            what = f"{model}, count {count}: server against LibTorch alone"
            parts.append(Part(f"{model}-count-{count}", what, pytest_of("gpu/speed.py", f"test_speed[{model}-{count}]"), 4, speed))
    return parts
