"""mypy --strict passes the package, as it does what a user writes, and finds what is wrong there."""

import os
import pathlib
import subprocess
import sys

import pytest
from conftest import PACKAGE_PATH

pytest.importorskip("mypy", reason="mypy is in deploy/locks/python-client-newest.txt alone")

PACKAGE = pathlib.Path(PACKAGE_PATH[0])
WRONG = """
import torchferry
client = torchferry.Client(8001)
outputs: dict[str, int] = client.predict("mlp", x=[1.0])
client.predict("mlp", version="1")
for answer in client.stream("mlp", [], errors="ignore"):
    pass
"""


def mypy(*arguments, folder):
    """Its exit code and output. Cached nowhere."""
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.devnull, *map(str, arguments)]
    result = subprocess.run(command, cwd=folder, check=False, text=True, capture_output=True, timeout=300,
                            env=os.environ | {"MYPYPATH": str(PACKAGE)})  # fmt: skip
    return result.returncode, result.stdout + result.stderr


@pytest.mark.parametrize("version", ["3.10", "3.13"])
def test_the_package_passes(version):
    code, said = mypy("--python-version", version, "torchferry", folder=PACKAGE)
    assert code == 0, said


def test_a_users_script_passes():
    code, said = mypy(PACKAGE / "tests" / "user_script.py", folder=PACKAGE)
    assert code == 0, said


def test_mypy_finds_what_is_wrong_in_a_users_script(tmp_path):
    (tmp_path / "script.py").write_text(WRONG)
    code, said = mypy(tmp_path / "script.py", folder=PACKAGE)
    assert code == 1
    for line in (3, 4, 5, 6):
        assert f"script.py:{line}: error" in said
