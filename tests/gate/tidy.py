#!/usr/bin/env python3
"""Runs clang-tidy on the sources of a build, some at once.

    tidy.py --build DIR [--jobs N] [--no-cache] [--tests] [SOURCE...]

of the sources that are named, or of all that ship; --tests: of the tests and what they are made with instead. Fails when one
has a finding. A source that had none is skipped until something that clang-tidy sees of it changes: its text, what it includes, its flags,
.clang-tidy or clang-tidy itself. All that is known of it is a hash, an empty file in the cache folder.
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


def is_test(name: str) -> bool:
    return name.endswith("_test.cc") or name.startswith("tests/")


def check_all(sources: list[Source], build: pathlib.Path, settings: bytes | None, jobs: int) -> list[str]:
    """The names of those with findings, which are printed as they come."""
    began, failed = time.monotonic(), []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        results = pool.map(lambda source: check(source, build, settings), sources)
        for number, (source, findings) in enumerate(zip(sources, results, strict=True), start=1):
            outcome = "found" if findings else "ok"
            print(f"[{number}/{len(sources)}, {time.monotonic() - began:.0f} s] {source.name}: {outcome}", flush=True)
            if findings:
                print(findings, flush=True)
                failed.append(source.name)
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--no-cache", action="store_true")
    parser.add_argument("--tests", action="store_true")
    parser.add_argument("sources", nargs="*")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    sources = chosen(sources_of(build), arguments.sources, arguments.tests)
    CACHE.mkdir(parents=True, exist_ok=True)
    version = subprocess.run([TIDY, "--version"], check=True, capture_output=True).stdout
    settings = None if arguments.no_cache else version + (ROOT / ".clang-tidy").read_bytes()
    failed = check_all(sources, build, settings, arguments.jobs)
    print(f"clang-tidy: {len(failed)} of {len(sources)} sources have findings" + "".join(f"\n  {name}" for name in failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
