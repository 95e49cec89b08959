"""A soak's table and its JSON."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

from gate import Actor
from verdicts import Verdict
from watch import Watch


def rows_of(verdicts: Iterable[Verdict]) -> list[tuple[str, str, str, str]]:
    return [("ok" if v.holds else "FAILED", v.name, v.seen, v.allowed) for v in verdicts]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def shown_actors(actors: Iterable[Actor]) -> str:
    rows = [("good" if a.is_good else "bad", a.name, str(a.turns), str(a.failed), (a.failures or [""])[0][:120]) for a in actors]
    return table(("kind", "client", "turns", "failed", "the first failure"), rows)


def write(path: pathlib.Path, about: dict[str, Any], verdicts: Iterable[Verdict], actors: Iterable[Actor],
          watches: dict[str, Watch]) -> None:
    document = about | {
        "verdicts": [dataclasses.asdict(verdict) for verdict in verdicts],
        "actors": [{"name": a.name, "is_good": a.is_good, "turns": a.turns, "failed": a.failed, "failures": a.failures} for a in actors],
        "servers": [{
            "name": prefix.removesuffix(": ") or "main",
            "rests": [dataclasses.asdict(rest) for rest in watch.rests],
            "memory_mib": [[round(at, 1), round(value, 2)] for at, value in watch.memory],
        } for prefix, watch in watches.items()],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
