"""Reads the tables of a Markdown page: for each heading the rows below it, each a list of cells."""
from __future__ import annotations

import re


def cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def tables(text: str) -> dict[str, list[list[str]]]:
    """Heading → rows of all tables below it, without their first rows. Text before the first heading is under ""."""
    found: dict[str, list[list[str]]] = {}
    heading, row, fenced = "", 0, False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        if fenced:
            continue
        if line.startswith("#"):
            heading, row = line.lstrip("# ").strip(), 0
        elif line.startswith("|"):
            row += 1
            if row > 2:
                found.setdefault(heading, []).append(cells(line))
        else:
            row = 0
    return found


def codes(cell: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", cell)
