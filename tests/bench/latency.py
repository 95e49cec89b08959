"""One request at a time: how soon it is answered, and what the kernel sees of that."""

import models
from measuring import at_most, closed, in_turns, median, p50_of, ratio, served, voluntary_switches
from programs import PROCESSORS, libtorch, libtorch_again, load
from ready import tuning_of
from report import text_of_point, text_of_tuning

MOST_SWITCHES = 20  # for a request, more than LibTorch alone makes: receiving, handing over, answering
LSTM_MS = 0.1  # that gRPC may take beside a model as quick as that


def latency(repeats, seconds):
    """Against LibTorch's best for one row: a variant, and the threads of one worker."""
    threads = [count for count in range(1, PROCESSORS + 1) if count & (count - 1) == 0 or count == PROCESSORS]
    splits = ",".join(f"1x{count}" for count in threads)
    for model in (models.RESNET18, models.SMALL, models.ENCODER, models.LSTM):
        best = min(libtorch(model, splits=splits, rows="1"), key=lambda point: point["p50_us"])
        with served(model) as server:
            values = in_turns(repeats, libtorch=lambda: libtorch_again(model, best, seconds)["p50_us"] / 1000,
                              ours=lambda: p50_of(closed(server.address, model, 1, seconds)))
            tuned = text_of_tuning(tuning_of(server, model.name))
        details = {"p50_ms": median(values["ours"]), "libtorch_ms": median(values["libtorch"]),
                   "best": text_of_point(best), "tuned": tuned}
        what = f"{model.name}, concurrency 1: p50"
        if model is models.LSTM:
            over = median(ours - theirs for ours, theirs in zip(values["ours"], values["libtorch"], strict=True))
            yield at_most(f"{what} less LibTorch's best", over, LSTM_MS, "ms", **details)
        else:
            yield at_most(f"{what} over LibTorch's best", ratio(values["ours"], values["libtorch"]), 1.10, **details)


def switches(repeats, seconds):
    """A team of two threads in the server, and in LibTorch alone. Many switches: its threads sleep at each barrier."""
    model = models.RESNET18
    point = {"variant": "plain", "workers": 1, "threads": 2, "rows": 1}
    with served(model, flags=("--workers", "1", "--intra-op-threads", "2", "--optimize", "off")) as server:

        def ours():
            before = voluntary_switches(server)
            (step,) = load(server.address, model, "--concurrency", "1", "--duration", str(seconds), "--warm-up", "0")
            return {"switches": (voluntary_switches(server) - before) / step["ok"], "p50_us": p50_of(step) * 1000}

        values = in_turns(repeats, libtorch=lambda: libtorch_again(model, point, seconds), ours=ours)
    own, theirs = ([value["switches"] for value in values[name]] for name in ("ours", "libtorch"))
    what = "resnet18 with 2 intra-op threads, concurrency 1"
    yield at_most(f"{what}: voluntary context switches an inference, less LibTorch's",
                  median(a - b for a, b in zip(own, theirs, strict=True)), MOST_SWITCHES,
                  ours=median(own), libtorch=median(theirs))
    own, theirs = ([value["p50_us"] for value in values[name]] for name in ("ours", "libtorch"))
    yield at_most(f"{what}: p50 over LibTorch's with 2 threads", ratio(own, theirs), 1.10,
                  p50_ms=median(own) / 1000, libtorch_ms=median(theirs) / 1000)
