#!/usr/bin/env python3
"""Holds server/docs/reference against the code: metrics, errors, config fields, exit codes, and the flags of both programs.

    check_pages.py [--root DIR] [--binaries DIR]     compares; without --binaries all but the flags
    check_pages.py --self-test [--binaries DIR]      plants stale rows in copies of the pages and expects each to be found

Each line says which row to add, to change or to remove.
"""
from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Callable, Iterator

import code_tables
from page_tables import codes, tables

REFERENCE = "server/docs/reference"


def differences(page: str, on_page: set[str], in_code: set[str], row: Callable[[str], str], source: str) -> Iterator[str]:
    for name in sorted(in_code - on_page):
        yield f"{page}: {name} of {source} has no row; add: {row(name)}"
    for name in sorted(on_page - in_code):
        yield f"{page}: {name} has a row, and {source} does not have it; remove the row"


def check_metrics(root: pathlib.Path, text: str) -> Iterator[str]:
    page, wanted = f"{REFERENCE}/metrics.md", code_tables.metrics(root)
    rows = {codes(row[0])[0]: row[1] for row in sum(tables(text).values(), []) if codes(row[0])}
    yield from differences(page, set(rows), set(wanted), lambda name: f"| `{name}` | {wanted[name]} | LABELS | MEANING |",
                           "server/metrics/families.cc")
    for name in sorted(rows.keys() & wanted.keys()):
        if rows[name] != wanted[name]:
            yield f"{page}: {name} is a {wanted[name]}; the row says {rows[name]}"


def check_errors(root: pathlib.Path, text: str) -> Iterator[str]:
    page, sections = f"{REFERENCE}/errors.md", tables(text)
    yield from differences(page, {row[0] for row in sections.get("Codes", [])}, code_tables.status_codes(root),
                           lambda name: f"| {name} | WHEN |", "the server's code")
    yield from differences(page, {codes(row[0])[0] for row in sections.get("Fallback reasons", [])},
                           set(code_tables.reasons(root)), lambda name: f"| `{name}` | MEANING | FOUND |",
                           "server/tensor/fallback_reason.cc")


EFFECTS = {"torchferry { … }": "honoured", "Triton's fields that are honoured": "honoured",
           "Ignored, with a warning": "ignored", "Refused": "refused"}


def check_config(root: pathlib.Path, text: str) -> Iterator[str]:
    page, wanted = f"{REFERENCE}/config.md", code_tables.fields(root)
    said = {field: EFFECTS[heading] for heading, rows in tables(text).items() if heading in EFFECTS
            for row in rows for field in codes(row[0])}
    yield from differences(page, set(said), set(wanted), lambda name: f"| `{name}` | … | under \"{wanted[name]}\"",
                           "server/config/field_table.cc")
    for field in sorted(said.keys() & wanted.keys()):
        if said[field] != wanted[field]:
            yield f"{page}: {field} is {wanted[field]}; its row is under \"{said[field]}\""


def check_exit_codes(root: pathlib.Path, text: str) -> Iterator[str]:
    page, sections, wanted = f"{REFERENCE}/exit-codes.md", tables(text), code_tables.client_exit_codes(root)
    client = {f"{row[0]} {codes(row[1])[0]}" for row in sections.get("torchferry", [])}
    yield from differences(page, client, {f"{number} {name}" for number, name in wanted.items()},
                           lambda both: f"| {both.split()[0]} | `{both.split()[1]}` | MEANING |", "client/commands/exit_code.h")
    server = {row[0] for row in sections.get("torchferry-server", [])}
    yield from differences(page, server, code_tables.server_exit_codes(root), lambda code: f"| {code} | MEANING |",
                           "server/app/run_server.cc")


def check_flag_table(page: str, program: str, rows: list[list[str]], help_text: str) -> Iterator[str]:
    wanted = {", ".join(names): default for names, default in code_tables.help_flags(help_text).items()}
    said = {", ".join(codes(row[0])): row[1] for row in rows}
    for row in rows:
        if len(row) != 3 or not row[2]:
            yield f"{page}: the row of {row[0]} is not FLAG, DEFAULT, MEANING"
    yield from differences(page, set(said), set(wanted), lambda flags: flag_row(flags, wanted[flags]), f"{program} --help")
    for flags in sorted(said.keys() & wanted.keys()):
        if wanted[flags] and codes(said[flags]) != [wanted[flags]]:
            yield f"{page}: the default of {flags} is {wanted[flags]}; the row says {said[flags] or 'nothing'}; write `{wanted[flags]}`"
        elif not wanted[flags] and codes(said[flags]) and not codes(said[flags])[0].startswith("--"):
            yield f"{page}: {flags} has no default in {program} --help; the row says {said[flags]}"


def flag_row(flags: str, default: str | None) -> str:
    names = ", ".join(f"`{flag}`" for flag in flags.split(", "))
    return f"| {names} | {f'`{default}`' if default else ''} | MEANING |"


def check_flags(binaries: pathlib.Path, text: str) -> Iterator[str]:
    page, sections = f"{REFERENCE}/flags.md", tables(text)
    client = code_tables.help_of(binaries / "torchferry")
    # These two are the wheel's; the program without it only says so.
    commands = [command for command in code_tables.help_commands(client) if command not in ("convert", "pull")]
    texts = {"torchferry-server": code_tables.help_of(binaries / "torchferry-server"), "torchferry": client}
    texts |= {f"torchferry {command}": code_tables.help_of(binaries / "torchferry", command) for command in commands}
    for program, help_text in texts.items():
        rows = sections.get(program, [])
        if program.startswith("torchferry "):
            help_text = "\n".join(line for line in help_text.splitlines() if not line.startswith("  -h,--help"))
        if not rows and code_tables.help_flags(help_text):
            yield f"{page}: there is no section \"## {program}\" with a table"
        yield from check_flag_table(page, program, rows, help_text)


CHECKS = {"metrics.md": check_metrics, "errors.md": check_errors, "config.md": check_config, "exit-codes.md": check_exit_codes}


def check(root: pathlib.Path, binaries: pathlib.Path | None, changed: dict[str, str] | None = None) -> list[str]:
    """What is wrong; `changed` has texts that stand for the pages of those names."""
    def page(name: str) -> str:
        return (changed or {}).get(name) or (root / REFERENCE / name).read_text(encoding="utf-8")

    faults: list[str] = []
    try:
        for name, one in CHECKS.items():
            faults += one(root, page(name))
        if binaries:
            faults += check_flags(binaries, page("flags.md"))
    except code_tables.MovedError as error:
        faults.append(str(error))
    return faults


# Page, a text of it, what stands there instead, and words of the fault.
PLANTED = (
    ("metrics.md", "| `torchferry_queue_depth` | gauge |", "| `torchferry_gone` | gauge |", "torchferry_gone has a row"),
    ("metrics.md", "| `torchferry_queue_depth` | gauge |", "| `torchferry_gone` | gauge |", "torchferry_queue_depth of"),
    ("metrics.md", "| `torchferry_queue_depth` | gauge |", "| `torchferry_queue_depth` | counter |", "is a gauge"),
    ("errors.md", "| `quantized` |", "| `quantised` |", "add: | `quantized` |"),
    ("errors.md", "| ABORTED |", "| ABANDONED |", "ABANDONED has a row"),
    ("config.md", "| `input.format` |", "| `input.layout` |", "input.format of"),
    ("config.md", "`torchferry.parity`", "`batch_input`", "torchferry.parity of"),
    ("exit-codes.md", "| 5 | `kNotServing` |", "| 7 | `kNotServing` |", "add: | 5 | `kNotServing` |"),
    ("exit-codes.md", "| 4 | `--exit-on-stuck`", "| 9 | `--exit-on-stuck`", "9 has a row"),
)
PLANTED_FLAGS = (
    ("flags.md", "| `--max-queue-size` | `1024` |", "| `--max-queue-size` | `4096` |", "the default of --max-queue-size is 1024"),
    ("flags.md", "| `--max-queue-size` | `1024` |", "| `--queue` | `1024` |", "add: | `--max-queue-size` | `1024` | MEANING |"),
    ("flags.md", "| `--max-queue-size` | `1024` |", "| `--queue` | `1024` |", "--queue has a row"),
    ("flags.md", "| `--histogram` |", "| `--histograms` |", "--histogram of torchferry bench --help has no row"),
)


def self_test(root: pathlib.Path, binaries: pathlib.Path | None) -> list[str]:
    """Planted rows that are not found."""
    missed = []
    for name, good, stale, words in PLANTED + (PLANTED_FLAGS if binaries else ()):
        text = (root / REFERENCE / name).read_text(encoding="utf-8")
        if good not in text:
            missed.append(f"{name} has no \"{good}\": give the self-test another row")
        elif not any(words in fault for fault in check(root, binaries, {name: text.replace(good, stale)})):
            missed.append(f"{name}: \"{stale}\" in place of \"{good}\" is not found (expected \"{words}\")")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--binaries", type=pathlib.Path)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    run = self_test if arguments.self_test else check
    faults = run(arguments.root, arguments.binaries)
    for line in faults:
        print(line, file=sys.stderr)
    print("pages check: " + (f"{len(faults)} faults" if faults else "ok"))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
