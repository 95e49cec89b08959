"""The examples of server/docs/guide/python.md run as they stand, in their order."""

import re

import stores
from conftest import REPO

import torchferry

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_examples_of_the_page_run(tmp_path, monkeypatch, capsys):
    store = stores.Store(tmp_path / "model_store")
    store.add("mlp")
    store.add("running_sum")
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall((REPO / "server" / "docs" / "guide" / "python.md").read_text())
    assert len(blocks) >= 7
    names = {}
    try:
        for block in blocks:
            exec(compile(block, "python.md", "exec"), names)
    finally:
        if isinstance(names.get("server"), torchferry.Server):
            names["server"].stop()
    said = capsys.readouterr().out
    assert "(2, 3)" in said and "INVALID_ARGUMENT" in said
    assert len(names["answers"]) == 64


def test_the_page_names_every_exception():
    page = (REPO / "server" / "docs" / "guide" / "python.md").read_text()
    missing = [
        name
        for name in torchferry.__all__
        if name.endswith("Error") and f"`{name}`" not in page and f"{name}`" not in page
    ]
    assert not missing
