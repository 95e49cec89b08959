#!/usr/bin/env python3
"""Measures how readable the repository's texts are, with textstat (deploy/locks/python-prose.txt).

    measure_prose.py [--root DIR] [--json FILE] [--draw COUNT --seed SEED]

A row is a kind of text: words, sentences, the mean and the longest sentence, the share of sentences over 25 words, and
Flesch's reading ease (higher is easier). --draw takes that many sentences at random of all kinds but ADRs, which it shows.
"""
from __future__ import annotations

import argparse
import json
import pathlib
import random
import sys
from collections.abc import Iterator

import prose_text
from prose_rules import MAX_WORDS, faults
from prose_text import Sentence

MIN_WORDS = 4  # fewer are a cell or a name


def pages_of(root: pathlib.Path, names: list[pathlib.Path]) -> Iterator[Sentence]:
    for page in names:
        yield from prose_text.markdown_sentences(page.relative_to(root).as_posix(), page.read_text(encoding="utf-8"))


def kinds(root: pathlib.Path) -> dict[str, list[Sentence]]:
    docs = root / "server" / "docs"
    adrs = sorted((docs / "adr").glob("*.md"))
    pages = [page for page in sorted(docs.rglob("*.md")) if page not in adrs and page.name != "refusals.md"]
    found = {
        "README.md": pages_of(root, [root / "README.md"]),
        "server/README.md": pages_of(root, [root / "server" / "README.md"]),
        "pages": pages_of(root, pages),
        "ADRs": pages_of(root, adrs),
        "headers": prose_text.header_sentences(root),
        "docstrings": prose_text.docstring_sentences(root),
        "--help": prose_text.help_sentences(root),
        "error texts": prose_text.error_sentences(root),
    }
    return {kind: [one for one in sentences if len(one.words) >= MIN_WORDS] for kind, sentences in found.items()}


def figures(sentences: list[Sentence]) -> dict[str, float]:
    import textstat  # not needed to draw

    lengths = [len(sentence.words) for sentence in sentences]
    text = " ".join(sentence.text.replace("`", "").rstrip(".") + "." for sentence in sentences)
    return {
        "words": sum(lengths),
        "sentences": len(lengths),
        "mean_words": round(sum(lengths) / len(lengths), 1),
        "max_words": max(lengths),
        "share_over_25": round(sum(length > MAX_WORDS for length in lengths) / len(lengths), 4),
        "faults": sum(1 for sentence in sentences for _ in faults(sentence)),
        "flesch": round(textstat.flesch_reading_ease(text), 1),
    }


def draw(found: dict[str, list[Sentence]], count: int, seed: int) -> list[dict[str, str]]:
    """As many of each kind as of the others, drawn without regard to how many sentences a kind has."""
    generator = random.Random(seed)
    wanted = ["headers", "pages", "--help", "error texts"]
    piles = {kind: generator.sample(found[kind], min(count, len(found[kind]))) for kind in wanted}
    drawn = []
    for number in range(count):
        kind = wanted[number % len(wanted)]
        sentence = piles[kind][number // len(wanted)]
        drawn.append({"kind": kind, "where": f"{sentence.file}:{sentence.line}", "text": sentence.text})
    return drawn


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--draw", type=int, default=0, metavar="COUNT")
    parser.add_argument("--seed", type=int, default=23)
    arguments = parser.parse_args()
    found = kinds(arguments.root.resolve())
    table = {kind: figures(sentences) for kind, sentences in found.items() if sentences}
    print("| Text | Words | Sentences | Mean | Longest | Over 25 words | Faults | Flesch |\n|---|---|---|---|---|---|---|---|")
    for kind, row in table.items():
        print(f"| {kind} | {row['words']:,} | {row['sentences']:,} | {row['mean_words']} | {row['max_words']} | "
              f"{row['share_over_25']:.1%} | {row['faults']} | {row['flesch']} |")
    drawn = draw(found, arguments.draw, arguments.seed)
    for one in drawn:
        print(f"- {one['kind']}, {one['where']}: {one['text']}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"figures": table, "sentences": drawn}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
