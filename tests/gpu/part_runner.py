"""Runs a part within its time, in a process group of its own that ends with it."""

import os
import signal
import subprocess
import time

from junit import Report


MAX_SHARES = 2  # that a part may take, as most need less than theirs


class Clock:
    """The time for all parts. A part may take up to MAX_SHARES of its share of what is left; what it leaves is for the others."""

    def __init__(self, seconds):
        self.end = time.monotonic() + seconds

    def limit_of(self, part, parts_to_come):
        """Seconds. `parts_to_come` has the part itself."""
        left = max(0.0, self.end - time.monotonic())
        return left * min(1.0, MAX_SHARES * part.share / sum(other.share for other in parts_to_come))


def run_part(part, limit, folder):
    """{name, what, outcome, figure, seconds, limit_seconds, log, failures, values}; outcome: passed, failed, skipped, out of time."""
    report, log = folder / f"{part.name}.xml", folder / f"{part.name}.log"
    report.unlink(missing_ok=True)
    began = time.monotonic()
    code = run_bounded([text.replace("{report}", str(report)) for text in part.command], limit, log, part.environment)
    result = {"name": part.name, "what": part.what, "seconds": round(time.monotonic() - began, 1),
              "limit_seconds": round(limit, 1), "log": log.name, "failures": [], "values": {}}
    if code is None:
        return result | {"outcome": "out of time", "figure": f"not within its {limit:.0f} s"}
    if not report.exists():
        return result | {"outcome": "failed", "figure": f"ended with {code} and no report; see {log.name}"}
    found = Report(report)
    result |= {"figure": found.figure(), "failures": found.failures, "values": found.values}
    return result | {"outcome": outcome_of(code, found)}


def outcome_of(code, report):
    """pytest ends with 5 when it has no case for the host."""
    if report.counts["failed"] or code not in (0, 5):
        return "failed"
    return "passed" if report.counts["passed"] else "skipped"


def run_bounded(command, seconds, log, environment):
    """The exit code; None when the time ran out."""
    with open(log, "wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                                   env=os.environ | environment, start_new_session=True)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            end_group(process)


def end_group(process):
    """Servers that a part has left, too."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
