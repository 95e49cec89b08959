"""Quick models beside slow ones, and the server beside foreign processes."""

import contextlib

import models
from measuring import (WARM_UP_SECONDS, BusyProcesses, answered, at_least, at_most, closed, company, details_of, in_turns,
                       loop_of, median, open_loop, p50_of, p99_of, processor_seconds, rate_loop_of, rate_of, ratio, served, shown)
from programs import PROCESSORS, Load

SHARE = 0.1  # of one processor, that the open loops of quick models take
SLOW_CALLERS = 8
# The threads that run quick batches while all workers are busy; they also carry the calls of the slow model.
QUICK_THREADS = ("rpc-loop", "express-worker")
LOADED_CALLERS = 4  # at which a quick request's processor time is measured: no loop polls then
QUICK = (models.MLP, models.LSTM)


def beside(repeats, seconds):
    slow = models.RESNET18
    with served(slow, models.ENCODER, *QUICK) as server:
        for quick in QUICK:
            cost = median(processor_seconds_of_a_request(server, quick, min(seconds, 2)) for _ in range(repeats))
            yield from in_an_open_loop(server, quick, slow, cost, repeats, seconds)
            for callers in (1, 8):
                yield from in_closed_loops(server, quick, slow, callers, repeats, seconds)
            yield from beside_two(server, quick, (slow, models.ENCODER), SHARE / cost, repeats, seconds)


def processor_seconds_of_a_request(server, model, seconds):
    before = processor_seconds(server)
    step = closed(server.address, model, LOADED_CALLERS, seconds)
    with_warm_up = step["ok"] * (1 + WARM_UP_SECONDS / step["seconds"])
    return (processor_seconds(server) - before) / with_warm_up


def both(server, slow, slow_arguments, quick, quick_arguments):
    """One step each of two loads at the same time, and what the second generator took of a processor."""
    loads = [Load(server.address, slow, *slow_arguments), Load(server.address, quick, *quick_arguments)]
    try:
        steps = [answered(model, load.steps()[0]) for model, load in zip((slow, quick), loads, strict=True)]
        return *steps, loads[1].processor_seconds
    finally:
        for load in loads:
            load.kill()


def in_an_open_loop(server, quick, slow, cost, repeats, seconds):
    """A quick model that is asked now and then, by a clock. `cost`: processor seconds of a request."""
    rate = SHARE / cost

    def with_threads(measure):
        before = processor_seconds(server, QUICK_THREADS)
        result = measure()
        return result, processor_seconds(server, QUICK_THREADS) - before

    values = in_turns(repeats, slow=lambda: with_threads(lambda: closed(server.address, slow, SLOW_CALLERS, seconds)),
                      quick=lambda: p50_of(open_loop(server.address, quick, rate, seconds)),
                      both=lambda: with_threads(lambda: both(server, slow, loop_of(SLOW_CALLERS, seconds), quick,
                                                             rate_loop_of(rate, seconds))))
    slows = [step for (step, _, _), _ in values["both"]]
    steps = [step for (_, step, _), _ in values["both"]]
    spent = [spent for (_, _, spent), _ in values["both"]]
    what = f"{quick.name}, open loop, beside {slow.name} at concurrency {SLOW_CALLERS}"
    yield at_most(f"{what}: p50 over alone", ratio(map(p50_of, steps), values["quick"]), 2,
                  alone_ms=median(values["quick"]), **details_of(steps))
    yield at_most(f"{what}: p99", median(map(p99_of, steps)), 10, "ms",
                  max_ms=max(step["latency_ms"]["max"] for step in steps))
    # What the quick requests took of all processors, in the server and in their generator. `cost` is that of a request in
    # a batch of four: one alone takes more, which the kernel has counted.
    times = [step["seconds"] + WARM_UP_SECONDS for step in steps]
    at_least_used = [(cost * rate_of(step) + generator / time) / PROCESSORS
                     for step, generator, time in zip(steps, spent, times, strict=True)]
    used = [(both_took - slow_took + generator) / time / PROCESSORS
            for generator, time, (_, both_took), (_, slow_took)
            in zip(spent, times, values["both"], values["slow"], strict=True)]
    alone = [rate_of(step) for step, _ in values["slow"]]
    rates = [rate_of(step) / own for step, own in zip(slows, alone, strict=True)]
    yield at_least(f"the same: {slow.name}'s rate over alone, and the least share used",
                   median(rate + share for rate, share in zip(rates, at_least_used, strict=True)), 0.9,
                   requests_per_second=median(map(rate_of, slows)), alone=median(alone), used=median(at_least_used))
    yield shown("the same, and the share that the kernel counted",
                median(rate + share for rate, share in zip(rates, used, strict=True)), used=median(used))


def in_closed_loops(server, quick, slow, callers, repeats, seconds):
    """A quick model that is asked as fast as it answers takes a part, and leaves one."""
    values = in_turns(repeats, slow=lambda: rate_of(closed(server.address, slow, SLOW_CALLERS, seconds)),
                      quick=lambda: rate_of(closed(server.address, quick, callers, seconds)),
                      both=lambda: both(server, slow, loop_of(SLOW_CALLERS, seconds), quick, loop_of(callers, seconds)))
    slows = [step for step, _, _ in values["both"]]
    quicks = [step for _, step, _ in values["both"]]
    what = f"{quick.name} at concurrency {callers} beside {slow.name} at {SLOW_CALLERS}"
    yield at_least(f"{what}: {quick.name}'s rate over alone", ratio(map(rate_of, quicks), values["quick"]), 0.4,
                   alone=median(values["quick"]), **details_of(quicks))
    yield at_least(f"{what}: {slow.name}'s rate over alone", ratio(map(rate_of, slows), values["slow"]), 0.4,
                   alone=median(values["slow"]), **details_of(slows))


def beside_two(server, quick, slows, rate, repeats, seconds):
    callers = SLOW_CALLERS // 2

    def beside_them():
        with contextlib.ExitStack() as stack:
            for slow in slows:
                stack.enter_context(company(server, slow, callers))
            return open_loop(server.address, quick, rate, seconds)

    values = in_turns(repeats, alone=lambda: p50_of(open_loop(server.address, quick, rate, seconds)), beside=beside_them)
    steps = values["beside"]
    what = f"{quick.name}, open loop, beside {' and '.join(slow.name for slow in slows)} at concurrency {callers} each"
    yield at_most(f"{what}: p50 over alone", ratio(map(p50_of, steps), values["alone"]), 2,
                  alone_ms=median(values["alone"]), **details_of(steps))
    yield at_most(f"{what}: p99", median(map(p99_of, steps)), 10, "ms")


def foreign(repeats, seconds):
    """What a foreign process that takes a processor leaves us."""
    model = models.RESNET18
    with served(model) as server:
        for nice in (0, 19):
            for callers in (1, 8):

                def beside_it():
                    with BusyProcesses(nice=nice):
                        return closed(server.address, model, callers, seconds)

                values = in_turns(repeats, alone=lambda: rate_of(closed(server.address, model, callers, seconds)),
                                  beside=beside_it)
                yield at_least(f"{model.name} at concurrency {callers} beside a busy process of nice {nice}: rate over alone",
                               ratio(map(rate_of, values["beside"]), values["alone"]), 0.5,
                               alone=median(values["alone"]), **details_of(values["beside"]))
