"""The examples run as they stand. Each compares with PyTorch itself, and ends with 1 where that differs."""

import subprocess
import sys

import pytest
from conftest import REPO

import torchferry

pytest.importorskip("torch")
# What an example needs besides, and the end of what it says.
EXAMPLES = {
    "vision_model": ("torchvision", "as in PyTorch"),
    "text_encoder": ("torch", "nearest to the query: my neighbour paints the river"),
    "stateful_audio": ("torch", "caller 4: .......#################......."),
    "fine_tune_and_roll_out": ("torch", "none failed"),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_runs(name, tmp_path):
    needs, says = EXAMPLES[name]
    pytest.importorskip(needs)
    if not hasattr(torchferry, "save"):
        pytest.skip("this torchferry has no save")
    command = [sys.executable, str(REPO / "client" / "examples" / f"{name}.py")]
    result = subprocess.run(command, cwd=tmp_path, check=False, text=True, capture_output=True, timeout=500)
    assert result.returncode == 0, result.stdout + result.stderr
    assert says in result.stdout.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_every_example_of_the_package_is_run():
    scripts = [path for path in (REPO / "client" / "examples").glob("*.py") if "torchferry.serve(" in path.read_text()]
    assert {path.stem for path in scripts} == set(EXAMPLES)
