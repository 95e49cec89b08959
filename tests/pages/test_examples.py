"""Every example of every page runs, against a real server and the real command line. examples.py says how a page marks them."""
from __future__ import annotations

import os
import pathlib

import pytest

import examples
import sandbox
from sandbox import REPO, ExampleError, Sandbox

PAGES = examples.pages(REPO)
PYTHONS = {"tritonclient": "TORCHFERRY_TRITONCLIENT_PYTHON"}


def set_up(box: Sandbox, said: str) -> None:
    words = dict(word.partition("=")[::2] for word in said.split())
    if "python" in words:
        python = os.environ.get(PYTHONS[words["python"]])
        if not python:
            pytest.skip(f"{PYTHONS[words['python']]} names no Python (tests/run.sh does)")
        box.use_python(python)
    for name in filter(None, words.get("store", "").split(",")):
        missing = sandbox.add_model(box.folder / "model_store", name)
        if missing:
            pytest.skip(missing)
    if "server" in words:
        box.start_server(f"torchferry-server --model-store model_store {words['server']}")


def write_file(box: Sandbox, argument: str, text: str) -> None:
    path, _, mode = argument.partition(" ")
    file = box.folder / path
    assert not mode or mode == "append", f"\"{mode}\" is no way to write a file; append is"
    file.parent.mkdir(parents=True, exist_ok=True)
    before = file.read_text() if mode else ""
    file.write_text(before + text)


def run_step(box: Sandbox, step: examples.Step, page: pathlib.Path) -> None:
    name = f"{page.name}:{step.line}"
    if step.kind == "setup":
        set_up(box, step.argument)
    elif step.kind == "setup-python" or (step.kind == "run" and step.language == "python"):
        box.run_python(step.text or step.argument)
    elif step.kind in ("run", "check"):
        exit_code = int(step.argument.removeprefix("exit=")) if step.kind == "run" and step.argument else 0
        box.run_shell(step.text or step.argument, exit_code)
    elif step.kind == "server":
        box.start_server(step.text)
    elif step.kind == "file":
        write_file(box, step.argument, step.text)
    elif step.kind == "output":
        missing = examples.missing_line(step.text, box.said, close=step.argument == "close")
        assert missing is None, f"{name}: the output has no line like\n{missing}\n--- it is\n{box.said}"
    elif step.kind == "elsewhere":
        assert page.name in (REPO / step.argument).read_text(encoding="utf-8"), f"{name}: {step.argument} does not name the page"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPO).as_posix())
def test_examples(page, tmp_path):
    steps = list(examples.steps(page.read_text(encoding="utf-8"), page.name))
    if not any(step.kind in examples.KINDS for step in steps):
        return  # a page without examples
    folder = tmp_path / "page"
    folder.mkdir()
    box = Sandbox(folder)
    try:
        for step in steps:
            try:
                run_step(box, step, page)
            except ExampleError as error:
                pytest.fail(f"{page.relative_to(REPO)}:{step.line}: {error}", pytrace=False)
    finally:
        box.close()


def run_text(tmp_path, text):
    folder = tmp_path / "page"
    folder.mkdir()
    box = Sandbox(folder)
    try:
        for step in examples.steps(text):
            run_step(box, step, pathlib.Path("page.md"))
    finally:
        box.close()


def block(mark, language, text):
    return f"<!-- example: {mark} -->\n```{language}\n{text}\n```\n"


@pytest.mark.parametrize(("text", "words"), [
    (block("run", "sh", "torchferry --no-such-flag"), "ended with 2"),
    (block("run exit=6", "sh", "true"), "ended with 0 instead of 6"),
    (block("run", "python", "import torchferry\ntorchferry.no_such_name"), "no_such_name"),
])
def test_an_example_that_fails_is_seen(tmp_path, text, words):
    with pytest.raises(ExampleError, match=words):
        run_text(tmp_path, text)


def test_an_output_that_differs_is_seen(tmp_path):
    shown = block("run", "sh", "echo 'answer 41.5 ms'")
    run_text(tmp_path, shown + block("output", "", "answer 7 ms"))
    (tmp_path / "second").mkdir()
    with pytest.raises(AssertionError, match="no line like"):
        run_text(tmp_path / "second", shown + block("output", "", "reply 7 ms"))


@pytest.mark.parametrize(("want", "got", "close", "missing"), [
    ("a 1\n…\nb 2", "a 9\nx\nb 3", False, None),
    ("a 1\nb 2", "b 2\na 1", False, "b 2"),
    ("a 1.00", "a 1.01", True, None),
    ("a 1.00", "a 1.10", True, "a 1.00"),
    ("[[1.5, 2]]", "[[ 1.5, 2 ]]", True, None),
])
def test_lines_are_compared_in_order(want, got, close, missing):
    assert examples.missing_line(want, got, close) == missing


@pytest.mark.parametrize("text", ["```sh\ntrue\n```", "```python\npass\n```", "```\npip install x\n```",
                                  block("rum", "sh", "true"), block("norun", "sh", "true")])
def test_an_example_without_a_mark_is_seen(text):
    with pytest.raises(examples.MarkError):
        list(examples.steps(text))


def test_most_examples_run(capsys):
    kinds = [step.kind for page in PAGES for step in examples.steps(page.read_text(encoding="utf-8"), page.name)
             if step.kind in examples.KINDS and step.kind != "output"]
    share = kinds.count("norun") / len(kinds)
    with capsys.disabled():
        print(f"\n{len(kinds)} examples of pages, {kinds.count('norun')} of them norun ({share:.0%})")
    assert share < 0.4, "most examples have to run; give norun to those alone that cannot"
