"""What server/docs/guide/saving.md shows works as it stands there."""

import pathlib
import re
import shlex
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")
_convert = pytest.importorskip("torchferry._convert")
_save_passport = pytest.importorskip("torchferry._save_passport")
_save = pytest.importorskip("torchferry._save")

REPO = pathlib.Path(__file__).resolve().parents[3]
PAGE = (REPO / "server" / "docs" / "guide" / "saving.md").read_text(encoding="utf-8")


def blocks(language):
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


def test_the_first_example_makes_the_files_that_are_listed(tmp_path):
    subprocess.run([sys.executable, "-c", blocks("python")[0]], cwd=tmp_path, check=True)
    listed = [line.split()[0] for line in blocks("")[0].splitlines()]
    assert listed and all((tmp_path / path).exists() for path in listed)


def test_free_sizes_as_they_are_written(tmp_path, monkeypatch):
    class Bert(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = torch.nn.Embedding(10, 4)

        def forward(self, input_ids, attention_mask):
            return self.embed(input_ids) * attention_mask[..., None]

    monkeypatch.chdir(tmp_path)
    ids = torch.ones(2, 5, dtype=torch.int64)
    example = {"input_ids": ids, "attention_mask": ids}
    call = next(block for block in blocks("python") if "dynamic=" in block)
    scope = {"torchferry": __import__("torchferry"), "bert": Bert(), "example": example}
    exec(f"saved = {call.strip()}", scope)
    assert [tensor.dims for tensor in scope["saved"].signature.inputs] == [(-1,), (-1,)]


def test_the_table_of_tolerances_is_the_code(tmp_path):
    table = dict(re.findall(r"^\| (\w+(?:, \w+)?) \| ([0-9.]+) \|$", PAGE, re.MULTILINE))
    names = {"FP32": torch.float32, "FP64": torch.float64, "FP16": torch.float16, "BF16": torch.bfloat16}
    said = {name: float(value) for cell, value in table.items() for name in cell.split(", ")}
    code = {name: _save_passport._TOLERANCES.get(dtype, _save_passport._TOLERANCE) for name, dtype in names.items()}
    assert said == code


def test_the_command_is_one():
    (line,) = blocks("sh")
    program, command, *arguments = shlex.split(line)
    assert (program, command) == ("torchferry", "convert")
    options = _convert.parser().parse_args(arguments)
    assert options.target == "store/unet" and options.example == ["x:FP32:1,3,224,224"]


def test_each_format_is_in_the_table():
    assert re.findall(r'^\| `"(\w+)"` \|', PAGE, re.MULTILINE) == list(_save._CALLS)
