"""The rules of English in this repository. Each is a pure function of a sentence."""
from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from prose_text import Sentence

MAX_WORDS = 25
LABEL_WORDS = 5
OPENINGS = ("Of", "So", "What", "Who")
# Words, and what to write instead.
BANNED = {
    r"\b[Mm]ade[- ]up\b": "generated",
    r"\bunder way\b": "in flight, or running",
    r"\bso many\b": "the number itself: N, or the flag's name",
    r"\bis none\b": "does not count as one, or is not",
    r"\bare none\b": "do not count, or are not",
    r"\bbeyond its time\b": "over its time limit",
    r"\bof late\b": "recently",
    r"\bcame of\b": "became of, or the result",
    r"\bmuch the same\b": "the same",
    r"\b[Uu]tili[sz]e\b": "use",
    r"\b[Ll]everage\b": "use",
    r"\b[Ss]imply\b": "nothing: leave it out",
    r"\bat most (?:one|1) of its like\b": "one",
}


@dataclasses.dataclass(frozen=True)
class Fault:
    sentence: Sentence
    rule: str
    advice: str

    def __str__(self) -> str:
        return f"{self.sentence.file}:{self.sentence.line}: {self.rule}: {self.advice}\n    {self.sentence.text}"


def too_long(sentence: Sentence) -> Iterator[Fault]:
    count = len(sentence.words)
    if count > MAX_WORDS:
        yield Fault(sentence, "length", f"{count} words; at most {MAX_WORDS}: make two sentences of it")


def bad_opening(sentence: Sentence) -> Iterator[Fault]:
    if len(sentence.words) <= LABEL_WORDS and not sentence.text.endswith("."):
        return  # a column's head, a link: no sentence
    first = re.match(r"[\"'(*_]*([A-Za-z]+)", sentence.text)
    if first and first[1] in OPENINGS and not sentence.text.rstrip("\"'*_)").endswith("?"):
        advice = f"begins with \"{first[1]}\"; begin with the subject"
        yield Fault(sentence, "opening", advice)


def banned_words(sentence: Sentence) -> Iterator[Fault]:
    for pattern, better in BANNED.items():
        found = re.search(pattern, sentence.text)
        if found:
            yield Fault(sentence, "word", f"\"{found[0]}\"; write {better}")


RULES = {"length": too_long, "opening": bad_opening, "word": banned_words}


def faults(sentence: Sentence) -> Iterator[Fault]:
    for rule in RULES.values():
        yield from rule(sentence)
