"""Reads from the code and from --help what pages say of them. Each reader fails when it finds nothing: a table that moved."""
from __future__ import annotations

import pathlib
import re
import subprocess


class MovedError(Exception):
    """A reader does not find its table: the code has changed its shape."""


def texts(code: str) -> str:
    """Neighbouring string literals joined, comments gone."""
    return re.sub(r'"\s*\n?\s*"', "", re.sub(r"//[^\n]*", "", code))


def found_in(file: str, items):
    if not items:
        raise MovedError(f"{file}: the table was not found; tests/pages/code_tables.py has to read its new form")
    return items


def metrics(root: pathlib.Path) -> dict[str, str]:
    """Name → type, of the facade's table."""
    file = "server/metrics/families.cc"
    code = texts((root / file).read_text(encoding="utf-8"))
    makers = re.findall(r'Make(Counter|Gauge|Histogram)s\(\s*r,\s*"(\w+)"', code)
    return found_in(file, {name: kind.lower() for kind, name in makers})


def reasons(root: pathlib.Path) -> list[str]:
    file = "server/tensor/fallback_reason.cc"
    code = (root / file).read_text(encoding="utf-8")
    match = re.search(r"kNames = \{(.*?)\};", code, re.DOTALL)
    return found_in(file, [name for name in re.findall(r'"(\w*)"', match[1] if match else "") if name])


def fields(root: pathlib.Path) -> dict[str, str]:
    """Path → honoured, ignored or refused."""
    file = "server/config/field_table.cc"
    code = re.sub(r"//[^\n]*", "", (root / file).read_text(encoding="utf-8"))
    return found_in(file, {path: effect.lower() for path, effect in
                           re.findall(r'\{"([\w.]+)",\s*k(Honoured|Ignored|Refused),', code)})


def client_exit_codes(root: pathlib.Path) -> dict[str, str]:
    file = "client/commands/exit_code.h"
    code = (root / file).read_text(encoding="utf-8")
    match = re.search(r"enum class ExitCode \{(.*?)\};", code, re.DOTALL)
    return found_in(file, {number: name for name, number in re.findall(r"(k\w+) = (\d+)", match[1] if match else "")})


def server_exit_codes(root: pathlib.Path) -> set[str]:
    """0 to 2 are the conventions of every program here; the others are named constants."""
    file = "server/app/run_server.cc"
    named = re.findall(r"constexpr int k\w+ExitCode = (\d+);", (root / file).read_text(encoding="utf-8"))
    return {"0", "1", "2", *found_in(file, named)}


def status_codes(root: pathlib.Path) -> set[str]:
    """gRPC codes that code of the server makes, as clients see their names."""
    made: set[str] = set()
    for file in (root / "server").rglob("*.cc"):
        if file.stem.endswith("_test"):
            continue
        code = file.read_text(encoding="utf-8")
        made |= set(re.findall(r"StatusCode::k([A-Z]\w+)", code)) | set(re.findall(r"absl::([A-Z]\w+)Error\(", code))
    names = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper() for name in made if name not in ("Ok", "Unknown")}
    return found_in("server", names)


def help_flags(text: str) -> dict[tuple[str, ...], str | None]:
    """The flags of a --help with their defaults; None without one. Flags of one option stand together."""
    found: dict[tuple[str, ...], str | None] = {}
    for line in text.splitlines():
        match = re.match(r"  (-\S+)(?: (.*?))?(?:\s{2,}\S.*| \(Env:\w+\))?$", line)
        if not match:
            continue
        names = tuple(re.sub(r"\{.*?\}", "", name).lstrip("!") for name in match[1].split(",") if name.startswith(("--", "!--")))
        described = re.split(r" \(Env:|\s{2,}", match[2] or "")[0]
        default = re.search(r"=([^\s=]*)$", described)
        found[names] = default[1] if default else None
    return found


def help_of(program: pathlib.Path, *command: str) -> str:
    return subprocess.run([program, *command, "--help"], check=True, capture_output=True, text=True, timeout=300).stdout


def help_commands(text: str) -> list[str]:
    after = text.split("Subcommands:", 1)
    return re.findall(r"^  (\w+) ", after[1].split("\n\n")[0], re.MULTILINE) if len(after) == 2 else []
