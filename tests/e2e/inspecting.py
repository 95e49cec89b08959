"""`torchferry inspect`, run in a store so that it calls files by their paths there, as the server does."""

import json
import subprocess

from harness import BINARIES, DEADLINE_SECONDS, clean_environment

OK, USAGE, NOT_SERVABLE = 0, 2, 6


def run_inspect(folder, *arguments, prefix=()):
    """The CompletedProcess of `torchferry inspect …` in that folder; `prefix` is a command that runs it."""
    command = [*prefix, str(BINARIES / "torchferry"), "inspect", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=clean_environment(), stdin=subprocess.DEVNULL, check=False,
                          capture_output=True, text=True, timeout=DEADLINE_SECONDS)


def inspect_files(folder, *arguments, prefix=()):
    """{path: what --json says of it}; the exit code must fit."""
    run = run_inspect(folder, "--json", *arguments, prefix=prefix)
    assert run.stdout, f"exit code {run.returncode}: {run.stderr}"
    files = json.loads(run.stdout)["files"]
    assert run.returncode == (OK if all(f["servable"] for f in files) else NOT_SERVABLE), run.stderr
    return {f["path"]: f for f in files}
