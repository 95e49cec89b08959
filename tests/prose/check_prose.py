#!/usr/bin/env python3
"""Holds the repository's texts to the rules of English in prose_rules.py: sentences of at most 25 words, no sentence that begins with
Of, So, What or Who, no word that has a clearer one.

    check_prose.py [--root DIR] [FILE...]   the README, the pages, the changelog's newest section, ADRs, the help of both programs,
                                            error texts, the comments of C++ headers and the Python package's docstrings
    check_prose.py --lower                  writes lower numbers into baseline.json where texts have become better
    check_prose.py --self-test              plants bad sentences in copies of texts and expects each to be found

baseline.json has the faults of texts that are older than the rules. A number in it may only shrink: more faults fail, and fewer fail
until --lower has run.
"""
from __future__ import annotations

import argparse
import collections
import json
import pathlib
import re
import sys
from collections.abc import Iterator

import prose_text
from prose_rules import Fault, faults
from prose_text import Sentence

BASELINE = pathlib.Path(__file__).with_name("baseline.json")
GENERATED = {"server/docs/reference/refusals.md"}  # of the errors' own words: tests/refusals.py
TOP_PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "client/python/README.md", "deploy/envoy/README.md")
MAX_LINE = 240
OF_SOURCES = (prose_text.help_sentences, prose_text.error_sentences, prose_text.header_sentences, prose_text.docstring_sentences)


def newest_section(changelog: str) -> str:
    """The changelog up to the heading of the release before the newest, by lines."""
    headings = [match.start() for match in re.finditer(r"^## \[", changelog, re.MULTILINE)]
    return changelog[:headings[1]] if len(headings) > 1 else changelog


def pages(root: pathlib.Path) -> dict[str, str]:
    """Name → text of each Markdown page that is held."""
    docs = sorted((root / "server" / "docs").rglob("*.md"))
    files = [root / name for name in (*TOP_PAGES, "server/README.md")] + docs
    texts = {file.relative_to(root).as_posix(): file.read_text(encoding="utf-8") for file in files if file.is_file()}
    texts["CHANGELOG.md"] = newest_section((root / "CHANGELOG.md").read_text(encoding="utf-8"))
    return {name: text for name, text in texts.items() if name not in GENERATED}


def line_faults(name: str, text: str) -> Iterator[Fault]:
    """Lines of more than MAX_LINE characters; a heading's or a table's count too."""
    for number, line in enumerate(text.splitlines(), start=1):
        if len(line) > MAX_LINE:
            yield Fault(Sentence(name, number, line[:100] + " …"), "line", f"{len(line)} characters; at most {MAX_LINE}")


def all_faults(root: pathlib.Path) -> dict[str, list[Fault]]:
    """File → its faults."""
    found: dict[str, list[Fault]] = collections.defaultdict(list)
    for name, text in pages(root).items():
        found[name] += line_faults(name, text)
        for sentence in prose_text.markdown_sentences(name, text):
            found[name] += faults(sentence)
    for sentences in OF_SOURCES:
        for sentence in sentences(root):
            found[sentence.file] += faults(sentence)
    return {name: some for name, some in found.items() if some}


def judge(found: dict[str, list[Fault]], baseline: dict[str, int]) -> list[str]:
    """What is wrong, a line or two each: new faults, and numbers of the baseline that are too high."""
    said = []
    for name in sorted(found.keys() | baseline.keys()):
        count, allowed = len(found.get(name, [])), baseline.get(name, 0)
        if count > allowed:
            said += [str(fault) for fault in found[name]]
            if allowed:
                said.append(f"{name}: {count} faults; baseline.json allows {allowed}: mend those that are new")
        elif count < allowed:
            said.append(f"{name}: {count} faults, fewer than the {allowed} of baseline.json; run tests/prose/check_prose.py --lower")
    return said


def lower(found: dict[str, list[Fault]], baseline: dict[str, int]) -> dict[str, int]:
    """The baseline with each number that can shrink."""
    counts = {name: min(allowed, len(found.get(name, []))) for name, allowed in baseline.items()}
    return {name: count for name, count in sorted(counts.items()) if count}


# A bad text, and words of the fault.
PLANTED = (
    ("This sentence has far more than the twenty five words that one sentence may have, since it goes on and on and adds one thing "
     "after another thing without end.\n", "at most 25"),
    ("So the reader has to guess.\n", 'begins with "So"'),
    ("**What** a model says is shown.\n", 'begins with "What"'),
    ("A made-up row runs.\n", "write generated"),
    ("- Up to 16 requests are under way.\n", "write in flight"),
    ("| A cell | Who waits for this is told |\n", 'begins with "Who"'),
    ("x" * (MAX_LINE + 1) + "\n", "characters; at most"),
)
GOOD = ("Code is no prose: `So many words are under way` is one word.\n", "```sh\nSo what\n```\n", "What is a lane?\n", "| What it does | Who may |\n|---|---|\n",
        "The [Office](https://example.org/So) opens. Offers follow.\n")


def faults_of(text: str) -> list[Fault]:
    found = list(line_faults("page.md", text))
    for sentence in prose_text.markdown_sentences("page.md", text):
        found += faults(sentence)
    return found


def self_test(root: pathlib.Path) -> list[str]:
    """What the check misses, or finds wrongly."""
    missed = [f"not found: {text.strip()[:60]}" for text, words in PLANTED
              if not any(words in str(fault) for fault in faults_of(text))]
    missed += [f"wrongly found: {fault}" for text in GOOD for fault in faults_of(text)]
    name = "README.md"
    clean = {name: []}
    bad = {name: faults_of(PLANTED[1][0])}
    if not judge(bad, {}) or judge(bad, {name: 1}) or not judge(clean, {name: 1}) or lower(bad, {name: 3}) != {name: 1}:
        missed.append("the baseline does not shrink as it should")
    if len(pages(root)) < 40 or not all(any(sentences(root)) for sentences in OF_SOURCES):
        missed.append("pages, or a kind of text in sources, are not found where they were: give the check their new places")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--lower", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("files", nargs="*", help="only these")
    arguments = parser.parse_args()
    if arguments.self_test:
        said = self_test(arguments.root)
    else:
        baseline = json.loads(BASELINE.read_text(encoding="utf-8"))
        found = all_faults(arguments.root)
        if arguments.lower:
            baseline = lower(found, baseline)
            BASELINE.write_text(json.dumps(baseline, indent=1) + "\n", encoding="utf-8")
        if arguments.files:
            baseline = {name: count for name, count in baseline.items() if name in arguments.files}
            found = {name: some for name, some in found.items() if name in arguments.files}
        said = judge(found, baseline)
    for line in said:
        print(line, file=sys.stderr)
    print("prose check: " + (f"{len(said)} lines to mend" if said else "ok"))
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
