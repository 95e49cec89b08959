"""What the sections share: the report's lines, measuring in turns, steps of the load generator, what the kernel counts."""

import contextlib
import pathlib
import statistics
import subprocess
import tempfile
import time

from programs import harness, load, load_beside, torchferry

median = statistics.median
WARM_UP_SECONDS = 0.5
QUIET_SHARE = 0.02  # of a processor, that an idle server takes at most
QUIET_SECONDS = 0.5  # over which that is looked at
SETTLE_SECONDS = 45  # what is left to do after READY may take so long


def at_least(what, value, bound, unit="", **details):
    return shown(what, value, unit, **details) | {"target": f"≥ {bound}", "met": value >= bound}


def at_most(what, value, bound, unit="", **details):
    return shown(what, value, unit, **details) | {"target": f"≤ {bound}", "met": value <= bound}


def shown(what, value, unit="", **details):
    """A line without a target."""
    return {"what": what, "value": value, "unit": unit, "details": details}


def in_turns(repeats, **measures):
    """{name: its values}, measured in turns."""
    values = {name: [] for name in measures}
    for _ in range(repeats):
        for name, measure in measures.items():
            values[name].append(measure())
    return values


def ratio(values, over):
    """The median of the ratios of what was measured in the same turn."""
    return median(a / b for a, b in zip(values, over, strict=True))


def folder():
    return tempfile.TemporaryDirectory(prefix="torchferry-bench-")


@contextlib.contextmanager
def served(*models, flags=()):
    """A server over these that is ready and has nothing left to do."""
    with folder() as path, torchferry(pathlib.Path(path), models, *flags) as server:
        yield settled(server)


# --- steps of the load generator ----------------------------------------------------------------------


def loop_of(callers, seconds):
    """The arguments of a closed loop."""
    return ("--concurrency", str(callers), "--duration", str(seconds), "--warm-up", str(WARM_UP_SECONDS))


def rate_loop_of(rate, seconds):
    """Those of an open loop: so many requests a second, whether others are answered or not."""
    return ("--rate", f"{rate:.3f}", "--duration", str(seconds), "--warm-up", str(WARM_UP_SECONDS))


def closed(address, model, concurrency, seconds, *more):
    """One closed-loop step."""
    (step,) = load(address, model, *loop_of(concurrency, seconds), *more)
    return answered(model, step)


def open_loop(address, model, rate, seconds):
    """One open-loop step."""
    (step,) = load(address, model, *rate_loop_of(rate, seconds))
    return answered(model, step)


def answered(model, step):
    if step["failed"]:
        raise RuntimeError(f"{model.name}: {step['errors']}")
    return step


@contextlib.contextmanager
def company(server, model, concurrency, *more):
    """A closed loop while the block runs."""
    with load_beside(server.address, model, "--concurrency", str(concurrency), "--duration", "600", "--warm-up", "0", *more):
        yield


def rate_of(step):
    return step["requests_per_second"]


def p50_of(step):
    return step["latency_ms"]["p50"]


def p99_of(step):
    return step["latency_ms"]["p99"]


def details_of(steps):
    """The medians of a step's repeats."""
    return {"requests_per_second": median(map(rate_of, steps)), "p50_ms": median(map(p50_of, steps)),
            "p99_ms": median(map(p99_of, steps))}


# --- what the kernel counts -------------------------------------------------------------------------


def memory_of(server, field):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(field))


def threads_of(server):
    """The folders of its threads."""
    return pathlib.Path(f"/proc/{server.process.pid}/task").iterdir()


def read_of(thread, file):
    """Nothing of a thread that has ended meanwhile."""
    try:
        return (thread / file).read_text()
    except OSError:
        return ""


def processor_seconds(server, names=()):
    """That its threads took, or those of these names; those that have ended do not count."""
    threads = (thread for thread in threads_of(server) if not names or read_of(thread, "comm").strip() in names)
    return sum(int((read_of(thread, "schedstat") or "0").split()[0]) for thread in threads) / 1e9


def voluntary_switches(server):
    """How often one of its threads has waited for something, in all."""
    lines = (line for thread in threads_of(server) for line in read_of(thread, "status").splitlines())
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def settled(server):
    """Waits until the server does nothing: what is left to do once it serves has ended, or is not to end in that time."""
    end = time.monotonic() + SETTLE_SECONDS
    harness.wait_until(lambda: is_quiet(server) and (is_final(server) or time.monotonic() > end),
                       "the server is ready and still does something", seconds=2 * SETTLE_SECONDS)
    return server


def is_quiet(server):
    before = processor_seconds(server)
    time.sleep(QUIET_SECONDS)
    return processor_seconds(server) - before < QUIET_SHARE * QUIET_SECONDS


def is_final(server):
    """No search is to be gone on with. It pauses after it was disturbed, so that a server that is quiet may go on later."""
    with harness.Client(server.address) as client:
        tunings = [version.placement.tuning for version in client.models().values() if version.placement.HasField("tuning")]
    return all(tuning.is_final for tuning in tunings)


class BusyProcesses:
    """So many foreign processes that take a processor each, for the block."""

    def __init__(self, count=1, nice=0):
        self.count, self.nice, self.processes = count, nice, []

    def __enter__(self):
        command = ["nice", "-n", str(self.nice), "sh", "-c", "while :; do :; done"]
        self.processes = [subprocess.Popen(command) for _ in range(self.count)]

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()
