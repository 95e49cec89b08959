"""How soon a version serves, what the search finds meanwhile, and the memory that is left after it."""

import pathlib
import re
import time

import models
from measuring import BusyProcesses, at_least, at_most, folder, in_turns, median, memory_of, ratio, settled
from programs import PROCESSORS, Store, harness, libtorch, libtorch_again, torchferry
from report import text_of_point, text_of_tuning

ROWS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
WAYS = re.compile(r"(\d+) of (\d+) ways")
MODELS = (models.MLP, models.RESNET18, models.ENCODER, models.LSTM, models.SMALL)


def tuning_of(server, name):
    with harness.Client(server.address) as client:
        return client.model(name).placement.tuning


def decisions_of(server, name):
    with harness.Client(server.address) as client:
        return "; ".join(client.model(name).placement.decisions)


# --- READY ------------------------------------------------------------------------------------------


def ready(repeats, seconds):
    """With a kept result, and without tuning: what either has to do before it serves."""
    del seconds
    for model in MODELS:
        with folder() as path:
            path = pathlib.Path(path)
            with torchferry(path, [model]) as server:
                settled(server)
            values = in_turns(repeats, off=lambda: seconds_until_ready(path, "off"),
                              kept=lambda: seconds_until_ready(path, "auto"))
        yield at_most(f"{model.name}: READY with a kept tuning less READY without tuning",
                      median(kept - off for kept, off in zip(values["kept"], values["off"], strict=True)), 0.1, "s",
                      kept_seconds=median(values["kept"]), off_seconds=median(values["off"]))


def seconds_until_ready(path, optimize):
    number = sum(1 for child in path.iterdir() if child.name.startswith("server"))
    began = time.monotonic()
    server = harness.Server(Store(path / "store"), path / f"server{number}", "--optimize", optimize, "--device", "cpu")
    try:
        server.wait_listening()
        with harness.Client(server.address) as client:
            while client.health("") != harness.Health.SERVING:
                time.sleep(0.002)
        return time.monotonic() - began
    finally:
        server.kill()


# --- the search -------------------------------------------------------------------------------------


def all_ways(model):
    """LibTorch alone, each way that the search has."""
    return libtorch(model, seconds=0.3, rows=",".join(str(rows) for rows in ROWS if rows <= model.max_batch_size))


def point_of(tuning):
    """That of torchferry-bench-libtorch."""
    return {"variant": tuning.variant, "workers": max(1, PROCESSORS // tuning.intra_op_threads),
            "threads": tuning.intra_op_threads, "rows": tuning.batch_rows}


def over_best(model, found, best, repeats, seconds):
    """The throughput of LibTorch alone that way, over its best."""
    values = in_turns(repeats, best=lambda: libtorch_again(model, best, min(seconds, 2))["rows_per_second"],
                      found=lambda: libtorch_again(model, point_of(found), min(seconds, 2))["rows_per_second"])
    return ratio(values["found"], values["best"])


def tuning(repeats, seconds):
    for model in MODELS:
        points = all_ways(model)
        best = max(points, key=lambda point: point["rows_per_second"])
        with folder() as path:
            path = pathlib.Path(path)
            with torchferry(path, [model]) as server:
                found, decisions = tuning_of(server, model.name), decisions_of(server, model.name)
                settled(server)
                refined = tuning_of(server, model.name)
            with torchferry(path, [model]) as server:
                again = tuning_of(server, model.name)
        judged, ways = map(int, WAYS.search(decisions).groups())
        yield at_least(f"{model.name}: share of {ways} ways that the first search judged", judged / ways, 0.9)
        yield at_least(f"{model.name}: what was found at load over the best of {len(points)} ways",
                       over_best(model, found, best, repeats, seconds), 0.97,
                       found=text_of_tuning(found), best=text_of_point(best), kept=str(again.kept))
        if point_of(refined) != point_of(found):
            yield at_least(f"{model.name}: what idle time made of it, over the same",
                           over_best(model, refined, best, repeats, seconds), 0.97, found=text_of_tuning(refined))


def disturbed(repeats, seconds):
    """A search beside as many busy processes as there are processors; they go, and the server starts again."""
    for model in (models.RESNET18, models.ENCODER):
        best = max(all_ways(model), key=lambda point: point["rows_per_second"])
        with folder() as path:
            path = pathlib.Path(path)
            with BusyProcesses(PROCESSORS), torchferry(path, [model]) as server:
                first, decisions = tuning_of(server, model.name), decisions_of(server, model.name)
            with torchferry(path, [model]) as server:
                settled(server)
                refined = tuning_of(server, model.name)
        said = WAYS.search(decisions)
        yield at_least(f"{model.name}: searched beside {PROCESSORS} busy processes, refined without them: over the best",
                       over_best(model, refined, best, repeats, seconds), 0.97, at_first=text_of_tuning(first),
                       judged=said[0] if said else "none", refined=text_of_tuning(refined), best=text_of_point(best))


# --- memory -----------------------------------------------------------------------------------------


def memory(repeats, seconds):
    """Resident memory of a server that has searched, and of one that had the result."""
    del seconds
    for model in (models.RESNET18, models.ENCODER, models.SMALL):
        searched, kept = [], []
        for _ in range(repeats):
            with folder() as path:
                for values in (searched, kept):
                    with torchferry(pathlib.Path(path), [model]) as server:
                        values.append(memory_of(settled(server), "VmRSS"))
        yield at_most(f"{model.name}: memory after a search over that with the kept result", ratio(searched, kept), 1.1,
                      searched_mib=median(searched) / 2**20, kept_mib=median(kept) / 2**20)
