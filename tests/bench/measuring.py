"""What the sections share: the report's lines, measuring in turns, one step of the load generator."""

import pathlib
import statistics
import tempfile

from programs import load

median = statistics.median


def at_least(what, value, bound, unit="", **details):
    return {"what": what, "value": value, "unit": unit, "target": f"≥ {bound}", "met": value >= bound, "details": details}


def at_most(what, value, bound, unit="", **details):
    return {"what": what, "value": value, "unit": unit, "target": f"≤ {bound}", "met": value <= bound, "details": details}


def in_turns(repeats, **measures):
    """{name: its values}, measured in turns."""
    values = {name: [] for name in measures}
    for _ in range(repeats):
        for name, measure in measures.items():
            values[name].append(measure())
    return values


def folder():
    return tempfile.TemporaryDirectory(prefix="torchferry-bench-")


def closed(address, model, concurrency, seconds, *more):
    """One closed-loop step."""
    (step,) = load(address, model, "--concurrency", str(concurrency), "--duration", str(seconds), "--warm-up", "0.5", *more)
    if step["failed"]:
        raise RuntimeError(f"{model.name} at concurrency {concurrency}: {step['errors']}")
    return step


def rate_of(step):
    return step["requests_per_second"]


def memory_of(server, field):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(field))
