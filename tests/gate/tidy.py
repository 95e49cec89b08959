#!/usr/bin/env python3
"""Runs clang-tidy on the sources of a build, some at once.

    tidy.py --build DIR [--jobs N] [--no-cache] [--tests] [--minutes N] [SOURCE...]

of the sources that are named, or of all that ship; --tests: of the tests and what they are made with instead. Fails when one
has a finding. A source that had none is skipped until something that clang-tidy sees of it changes: its text, what it includes, its flags,
.clang-tidy or clang-tidy itself. All that is known of it is a hash, an empty file in the cache folder.

--minutes: begins with the sources that were committed last, and begins none after so long. It says how many were left out.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "torchferry-tidy"
TIDY = "clang-tidy-14"


class Source(NamedTuple):
    name: str  # its path from the root
    folder: str  # where it is compiled
    command: list[str]


def sources_of(build: pathlib.Path) -> list[Source]:
    """Our own, in the order of their names; generated code is in the build folder."""
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        file = pathlib.Path(entry["directory"], entry["file"])
        if file.is_relative_to(ROOT) and not file.is_relative_to(build):
            name = file.relative_to(ROOT).as_posix()
            found[name] = Source(name, entry["directory"], shlex.split(entry["command"]))
    return [found[name] for name in sorted(found)]


def preprocessed(source: Source) -> bytes:
    """What the compiler reads, with macros' definitions and comments (NOLINT is one), without line numbers."""
    command = list(source.command)
    output = command.index("-o")
    del command[output:output + 2]
    command.remove("-c")
    # With the comments of macros, where NOLINT may stand. Boost's macros paste tokens, which comments break.
    for comments in ("-CC", "-C"):
        run = subprocess.run([*command, "-E", "-P", comments, "-dD"], cwd=source.folder, check=False, capture_output=True)
        if run.returncode == 0:
            break
    run.check_returncode()
    return run.stdout


def hash_of(source: Source, settings: bytes) -> str:
    """Of everything that the findings depend on; the same in another checkout."""
    flags = "\0".join(source.command).replace(str(ROOT), "")
    return hashlib.sha256(b"\0".join([settings, flags.encode(), preprocessed(source)])).hexdigest()


def findings_in(source: Source, build: pathlib.Path) -> str:
    run = subprocess.run([TIDY, "--quiet", "-p", str(build), source.name], cwd=ROOT, check=False, capture_output=True, text=True)
    return "" if run.returncode == 0 else run.stdout + run.stderr


def check(source: Source, build: pathlib.Path, settings: bytes | None) -> str:
    """What is wrong with it. Without settings the cache is left alone."""
    if settings is None:
        return findings_in(source, build)
    try:
        mark = CACHE / hash_of(source, settings)
    except subprocess.CalledProcessError as error:
        return error.stderr.decode()
    if mark.exists():
        return ""
    findings = findings_in(source, build)
    if not findings:
        mark.touch()
    return findings


def chosen(sources: list[Source], names: list[str], tests: bool) -> list[Source]:
    if not names:
        return [source for source in sources if is_test(source.name) == tests]
    wanted = {pathlib.Path(name).resolve().relative_to(ROOT).as_posix() for name in names}
    unknown = wanted - {source.name for source in sources}
    if unknown:
        sys.exit(f"the build has no {', '.join(sorted(unknown))}")
    return [source for source in sources if source.name in wanted]


def newest_first(sources: list[Source]) -> list[Source]:
    """By the last commit of each. What is in no commit is the newest."""
    log = subprocess.run(["git", "log", "--format=", "--name-only", "--no-renames"], cwd=ROOT, check=True, capture_output=True, text=True)
    age = {name: number for number, name in enumerate(dict.fromkeys(log.stdout.split("\n")), start=1)}
    return sorted(sources, key=lambda source: age.get(source.name, 0))


def is_test(name: str) -> bool:
    return name.endswith("_test.cc") or name.startswith("tests/")


def check_all(sources: list[Source], build: pathlib.Path, settings: bytes | None, jobs: int, seconds: float) -> tuple[list[str], int]:
    """The names of those with findings, which are printed as they come, and how many sources were looked at: none is begun after
    `seconds`."""
    began, failed, looked_at = time.monotonic(), [], 0

    def look(source: Source) -> str | None:
        return check(source, build, settings) if time.monotonic() - began < seconds else None

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for source, findings in zip(sources, pool.map(look, sources), strict=True):
            if findings is None:
                continue
            looked_at += 1
            print(f"[{looked_at}/{len(sources)}, {time.monotonic() - began:.0f} s] {source.name}: {'found' if findings else 'ok'}", flush=True)
            if findings:
                print(findings, flush=True)
                failed.append(source.name)
    return failed, looked_at


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--no-cache", action="store_true")
    parser.add_argument("--tests", action="store_true")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("sources", nargs="*")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    sources = chosen(sources_of(build), arguments.sources, arguments.tests)
    CACHE.mkdir(parents=True, exist_ok=True)
    version = subprocess.run([TIDY, "--version"], check=True, capture_output=True).stdout
    settings = None if arguments.no_cache else version + (ROOT / ".clang-tidy").read_bytes()
    seconds = float("inf")
    if arguments.minutes is not None:
        sources, seconds = newest_first(sources), arguments.minutes * 60
    failed, looked_at = check_all(sources, build, settings, arguments.jobs, seconds)
    if looked_at < len(sources):
        print(f"clang-tidy: {len(sources) - looked_at} of {len(sources)} sources were left out after {arguments.minutes:g} minutes; "
              "tests/gate.sh tidy looks at all")
    print(f"clang-tidy: {len(failed)} of {looked_at} sources have findings" + "".join(f"\n  {name}" for name in failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
