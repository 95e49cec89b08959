"""torchferry convert: a pickle of a whole model becomes a version, in a process of its own and after a question."""

import os
import pathlib
import pty
import shutil
import subprocess
import sys

import numpy as np
import pytest

import torchferry

torch = pytest.importorskip("torch")
_convert_file = pytest.importorskip("torchferry._convert_file")

ROOT = pathlib.Path(torchferry.__file__).parents[1]

NETS = """
from typing import Optional

import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Linear(4, 3)

    def forward(self, x, mask: Optional[torch.Tensor] = None):
        y = self.body(x)
        return y if mask is None else y * mask

class Helper:
    pass

def example():
    return {"x": torch.ones(2, 4)}

not_a_module = 3
"""

EXAMPLE = ("--example", "x:FP32:2,4")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with nets.py, and files that were saved from it."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "nets.py").write_text(NETS)
    script = f"""
import torch
{NETS}
torch.save(Net(), "of_main.pth")
import nets
torch.save(nets.Net(), "model.pth")
torch.save({{"epoch": 3, "model": nets.Net()}}, "checkpoint.pth")
torch.save({{"a": nets.Net(), "b": nets.Net()}}, "two.pth")
torch.save(nets.Net().state_dict(), "state_dict.pth")
import pickle, os
class Touch:
    def __reduce__(self):
        return os.mkdir, ("ran",)
torch.save(Touch(), "hostile.pth")
"""
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True, env=environment())
    return folder


@pytest.fixture
def project(files, tmp_path):
    return shutil.copytree(files, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__"))


def environment():
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}


def convert(folder, *arguments, stdin=subprocess.DEVNULL):
    return subprocess.run(
        [sys.executable, "-m", "torchferry._convert", *map(str, arguments)],
        cwd=folder,
        env=environment(),
        stdin=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def answer(version, x):
    with torch.no_grad():
        return torch.export.load(version / "model.pt2").module()(x=x)


@pytest.mark.parametrize("file", ["model.pth", "of_main.pth", "checkpoint.pth"])
def test_a_model_becomes_a_version(project, file):
    done = convert(project, file, "store/net", "--class", "nets.Net", *EXAMPLE, "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "store/net/1\n"
    assert f"reading {file} runs the Python code that its pickle names" in done.stderr
    assert "net was saved with torch.export as version 1" in done.stderr
    torch.manual_seed(0)
    want = torch.nn.Linear(4, 3)
    x = torch.randn(5, 4)
    torch.testing.assert_close(answer(project / "store" / "net" / "1", x), want(x).detach())


def test_a_file_that_is_not_there_is_no_question(project):
    done = convert(project, "absent.pth", "--class", "nets.Net", *EXAMPLE)
    assert done.returncode == 2 and done.stderr == "torchferry convert: absent.pth: no such file\n"


def test_the_place_has_a_default(project):
    done = convert(project, "model.pth", "--class", "nets.Net", *EXAMPLE, "--yes")
    assert done.stdout == "model_store/model/1\n", done.stderr


def test_options_may_stand_between_the_arguments(project):
    done = convert(project, "model.pth", "--class", "nets.Net", *EXAMPLE, "--yes", "store/net")
    assert done.stdout == "store/net/1\n", done.stderr


def test_options_reach_save(project):
    options = ("--version", "4", "--format", "script", "--max-batch-size", "7", "--yes")
    done = convert(project, "model.pth", "store/net", "--class", "nets.Net", *EXAMPLE, *options)
    assert done.returncode == 0, done.stderr
    assert (project / "store/net/4/model.pt").exists()
    assert "max_batch_size: 7" in (project / "store/net/config.pbtxt").read_text()


def test_examples_from_files_and_functions(project):
    np.savez(project / "inputs.npz", x=np.ones((2, 4), np.float32), mask=np.ones((2, 1), np.float32))
    np.save(project / "x.npy", np.ones((2, 4), np.float32))
    for example, inputs in (("inputs.npz", 2), ("x.npy", 1), ("nets:example", 1)):
        done = convert(
            project, "model.pth", "store/net", "--class", "nets.Net", "--example", example, "--yes", "--version", "1"
        )
        assert done.returncode == 0, done.stderr
        assert (project / "store/net/config.pbtxt").read_text().count("\ninput {") == inputs
        subprocess.run(["rm", "-r", "store"], cwd=project, check=True)


def test_nothing_runs_without_a_yes(project):
    done = convert(project, "hostile.pth", "--class", "nets.Net", *EXAMPLE)
    assert done.returncode == 1 and "there is no terminal to ask on; say --yes" in done.stderr
    assert not (project / "ran").exists() and not (project / "model_store").exists()


@pytest.mark.parametrize("typed, runs", [(b"\n", False), (b"n\n", False), (b"y\n", True)])
def test_the_question_on_a_terminal(project, typed, runs):
    ours, theirs = pty.openpty()
    os.write(ours, typed)
    done = convert(project, "hostile.pth", "--class", "nets.Net", *EXAMPLE, stdin=theirs)
    os.close(ours)
    os.close(theirs)
    assert "Go on? [y/N]" in done.stderr and done.returncode == 1
    assert (project / "ran").exists() == runs
    if runs:
        assert "the file holds a builtins.NoneType, and --class is Net" in done.stderr


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (("model.pth", "--class", "nets.Net"), 2, "--example"),
        (("model.pth", *EXAMPLE), 2, "--class"),
        (
            ("model.pth", "--class", "nuts.Net", *EXAMPLE),
            1,
            "--class nuts.Net cannot be imported: No module named 'nuts'",
        ),
        (("model.pth", "--class", "nets.Other", *EXAMPLE), 1, "has no attribute 'Other'"),
        (("model.pth", "--class", "Net", *EXAMPLE), 1, "--class Net cannot be imported"),
        (("model.pth", "--class", "nets.not_a_module", *EXAMPLE), 1, "is no torch.nn.Module"),
        (("two.pth", "--class", "nets.Net", *EXAMPLE), 1, "the file has several models; name one with --key: a, b"),
        (("two.pth", "--class", "nets.Net", "--key", "c", *EXAMPLE), 1, "the file has no c; it has a, b"),
        (("state_dict.pth", "--class", "nets.Net", *EXAMPLE), 1, "the file is a state_dict"),
        (("model.pth", "--class", "torch.nn.Conv2d", *EXAMPLE), 1, "the file holds a nets.Net, and --class is Conv2d"),
        (("nets.py", "--class", "nets.Net", *EXAMPLE), 1, "nets.py cannot be read"),
        (("model.pth", "--class", "nets.Net", "--example", "x:FP12:2"), 2, "the type FP12; expected one of BOOL"),
        (("model.pth", "--class", "nets.Net", "--example", "x=3"), 2, "expected NAME:TYPE:SIZES"),
        (
            ("model.pth", "--class", "nets.Net", "--example", "x:FP32:99999,99999"),
            2,
            "expected up to 268435456 elements",
        ),
        (("model.pth", "--class", "nets.Net", "--example", "none.npz"), 2, "none.npz cannot be read"),
        (("model.pth", "--class", "nets.Net", "--example", "nets:nothing"), 2, "nets has no nothing"),
        (("model.pth", "--class", "nets.Net", "--example", "x:FP32:2,5"), 1, "forward fails on the example"),
    ],
)
def test_what_is_wrong_is_said(project, capsys, monkeypatch, arguments, code, message):
    monkeypatch.chdir(project)
    monkeypatch.syspath_prepend(str(project))
    sys.modules.pop("nets", None)
    try:
        returned = _convert_file.main([*arguments, "--yes"])
    except SystemExit as ended:
        returned = ended.code
    said = capsys.readouterr().err
    assert returned == code and message in said, said
    assert not (project / "model_store").exists()
