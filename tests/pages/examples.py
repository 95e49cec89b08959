#!/usr/bin/env python3
"""Finds the examples of pages. A comment above a block of code says how a test runs it:

    <!-- example: run -->              a sh or python block that must succeed; `run exit=6` must end with that code
    <!-- example: server -->           a sh block that starts a server; the page's later examples ask it
    <!-- example: output -->           the output of the example before: these lines, in order, with any numbers; … stands for
                                       lines that are left out. `output close`: with numbers that differ by 2 % at most
    <!-- example: file PATH -->        the block is that file's content; `file PATH append` adds it
    <!-- example: elsewhere TEST -->   that test runs it; the test's text names the page
    <!-- example: norun REASON -->     no test runs it

Comments that readers do not see prepare a page's examples, where they stand:

    <!-- setup: store=NAME,… server=FLAGS python=NAME -->
                                       model_store has these models of tests/fixtures or model_store; a server runs on it;
                                       python blocks run in the virtual environment NAME
    <!-- setup-python                  code that runs before the next example
    … -->
    <!-- check: COMMAND -->            a command that must succeed

    examples.py [--root DIR]   prints each page's examples by kind, and the share that no test runs; names blocks without a mark
"""
from __future__ import annotations

import argparse
import collections
import dataclasses
import pathlib
import re
import sys
from collections.abc import Iterator

RUNNABLE = ("sh", "bash", "console", "python", "py")
KINDS = ("run", "server", "output", "file", "elsewhere", "norun")
LOOKS_LIKE_SHELL = re.compile(r"^\s*(\$ |torchferry\b|pip |python |\./|docker |sha256sum )", re.MULTILINE)
MARK = re.compile(r"<!--\s*(example|setup-python|setup|check)\s*:?(.*?)-->", re.DOTALL)


class MarkError(Exception):
    """A block without a mark, or a mark that says nothing known."""


@dataclasses.dataclass(frozen=True)
class Step:
    kind: str  # one of KINDS, "setup", "setup-python" or "check"
    argument: str  # what stands behind the kind
    language: str
    text: str
    line: int


def steps(text: str, page: str = "page") -> Iterator[Step]:
    """The page's examples and what prepares them, in order. Raises MarkError."""
    mark: tuple[str, str] | None = None
    lines, at = text.splitlines(), 0
    while at < len(lines):
        line = lines[at]
        if line.lstrip().startswith("<!--"):
            begin = at
            while "-->" not in lines[at] and at + 1 < len(lines):
                at += 1
            found = MARK.search("\n".join(lines[begin:at + 1]))
            if found and found[1] == "example":
                mark = split_mark(found[2], f"{page}:{begin + 1}")
            elif found:
                yield Step(found[1], found[2].strip("\n"), "", "", begin + 1)
        elif line.startswith("```"):
            begin, language = at, line.strip("`").strip()
            at += 1
            while at < len(lines) and not lines[at].startswith("```"):
                at += 1
            block = "\n".join(lines[begin + 1:at]) + "\n"
            if mark:
                yield Step(*mark, language, block, begin + 1)
            elif language in RUNNABLE or (not language and LOOKS_LIKE_SHELL.search(block)):
                raise MarkError(f"{page}:{begin + 1}: the example has no mark; write above it how a test runs it, "
                                f"as <!-- example: run -->, or <!-- example: norun REASON -->")
            mark = None
        elif line.strip():
            mark = None
        at += 1


def split_mark(said: str, where: str) -> tuple[str, str]:
    kind, _, argument = said.strip().partition(" ")
    if kind not in KINDS:
        raise MarkError(f"{where}: \"{kind}\" is no kind of example; expected one of {', '.join(KINDS)}")
    if kind in ("file", "elsewhere", "norun") and not argument.strip():
        raise MarkError(f"{where}: {kind} needs its {'reason' if kind == 'norun' else 'path'} behind it")
    return kind, argument.strip()


NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")


def same_line(want: str, got: str, close: bool) -> bool:
    """Whether the words agree, and the numbers too where they must be close."""
    want, got = " ".join(want.split()), " ".join(got.split())
    if NUMBER.sub("#", want).replace(" ", "") != NUMBER.sub("#", got).replace(" ", ""):
        return False
    pairs = zip(NUMBER.findall(want), NUMBER.findall(got), strict=True)
    numbers = [(float(w.replace(",", "")), float(g.replace(",", ""))) for w, g in pairs]
    return not close or all(abs(w - g) <= 0.02 * max(abs(w), abs(g)) + 1e-4 for w, g in numbers)


def missing_line(want: str, got: str, close: bool = False) -> str | None:
    """The first line of `want` that `got` does not have behind those before it; None when it has all."""
    rest = iter(got.splitlines())
    for line in want.splitlines():
        if line.strip() in ("", "…"):
            continue
        if not any(same_line(line, candidate, close) for candidate in rest):
            return line
    return None


def pages(root: pathlib.Path) -> list[pathlib.Path]:
    docs = root / "server" / "docs"
    return [root / "README.md", *sorted(page for page in docs.rglob("*.md") if page.parent != docs / "adr")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2])
    root = parser.parse_args().root
    totals: collections.Counter[str] = collections.Counter()
    faults = []
    for page in pages(root):
        name = page.relative_to(root).as_posix()
        try:
            kinds = collections.Counter(step.kind for step in steps(page.read_text(encoding="utf-8"), name) if step.kind in KINDS)
        except MarkError as error:
            faults.append(str(error))
            continue
        totals += kinds
        if kinds:
            print(f"{name}: " + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())))
    count = totals.total() - totals["output"]
    print(f"{count} examples, {totals['norun']} of them norun ({totals['norun'] / max(count, 1):.0%}), {totals['output']} outputs")
    print("\n".join(faults), file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
