"""A quick model with state, asked through one stream, beside a slow one."""

import queue
import time

import models
from measuring import WARM_UP_SECONDS, at_most, company, in_turns, median, ratio, served
from programs import harness

PERIOD_SECONDS = 0.01  # of the stream's requests


def streams(repeats, seconds):
    quick, slow = models.STATEFUL_LSTM, models.RESNET18
    with served(quick, slow) as server, harness.Client(server.address) as client:

        def beside_it():
            with company(server, slow, 8):
                return ask(client, quick, seconds)

        values = in_turns(repeats, alone=lambda: ask(client, quick, seconds), beside=beside_it)
    middles = {name: [percentile(times, 50) for times in of] for name, of in values.items()}
    period = f"every {PERIOD_SECONDS * 1000:.0f} ms"
    what = f"{quick.name} through a stream, {period}, beside {slow.name} at concurrency 8"
    yield at_most(f"{what}: p50 over alone", ratio(middles["beside"], middles["alone"]), 2,
                  p50_ms=median(middles["beside"]), alone_ms=median(middles["alone"]))
    yield at_most(f"{what}: p99", median(percentile(times, 99) for times in values["beside"]), 10, "ms",
                  alone_ms=median(percentile(times, 99) for times in values["alone"]))


def percentile(values, percent):
    return sorted(values)[len(values) * percent // 100]


def ask(client, model, seconds):
    """Milliseconds of each answer, from when its request was due."""
    requests = queue.SimpleQueue()
    answers = client.stub.PredictStream(iter(requests.get, None), timeout=60 + seconds)
    request = harness.predict_request(model.name, model.one_row())
    times = []
    began = time.monotonic()
    for number in range(int((WARM_UP_SECONDS + seconds) / PERIOD_SECONDS)):
        due = began + number * PERIOD_SECONDS
        time.sleep(max(0, due - time.monotonic()))
        requests.put(request)
        answer = next(answers)
        if answer.error_code:
            raise RuntimeError(f"{model.name}: {answer.error_message}")
        times.append((time.monotonic() - due) * 1000)
    requests.put(None)
    return times[int(WARM_UP_SECONDS / PERIOD_SECONDS):]
