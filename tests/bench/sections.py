"""The measurements. Each gives the report's lines one by one."""

import pathlib
import subprocess
import time

import beside
import floor
import growth
import latency
import models
import programs
import ready
import streams
from measuring import (BusyProcesses, at_least, at_most, closed, folder, in_turns, median, memory_of, open_loop, p99_of,
                       rate_of, ratio, served)
from programs import bare_server, harness, libtorch, libtorch_again, load, load_beside, torchferry
from ready import tuning_of
from report import text_of_point, text_of_tuning


def best_of_libtorch(model, **options):
    return max(libtorch(model, **options), key=lambda point: point["rows_per_second"])


def networks(repeats, seconds):
    """What LibTorch does by itself with the same messages echoed beside it, and what the server makes of it."""
    for model in (models.RESNET18, models.ENCODER):
        best = best_of_libtorch(model)

        def beside_an_echo():
            with bare_server(model) as bare:
                arguments = ["--rate", f"{best['rows_per_second']:.1f}", "--duration", "600", "--warm-up", "0"]
                with load_beside(bare, model, *arguments):
                    time.sleep(0.5)
                    return libtorch_again(model, best, seconds)["rows_per_second"]

        with served(model) as server:
            values = in_turns(repeats, libtorch=beside_an_echo, c16=lambda: rate_of(closed(server.address, model, 16, seconds)),
                              c32=lambda: rate_of(closed(server.address, model, 32, seconds)))
            for callers in (16, 32):
                ours = values[f"c{callers}"]
                yield at_least(f"{model.name}, concurrency {callers}: throughput over LibTorch's best",
                               ratio(ours, values["libtorch"]), 0.95, requests_per_second=median(ours),
                               libtorch_alone=median(values["libtorch"]), best=text_of_point(best),
                               tuned=text_of_tuning(tuning_of(server, model.name)))
            yield from below_capacity(server, model, 0.7 * median(values["c16"]), repeats, seconds)


def below_capacity(server, model, rate, repeats, seconds):
    steps = [open_loop(server.address, model, rate, max(seconds, 8)) for _ in range(repeats)]
    shares = [p99_of(step) / step["server"]["mean_compute_ms"] for step in steps]
    yield at_most(f"{model.name} at 70 % of that at 16, constant rate: p99 over the batches' mean compute time",
                  median(shares), 2.5, p99_ms=median(map(p99_of, steps)),
                  compute_ms=median(step["server"]["mean_compute_ms"] for step in steps),
                  batch_rows=median(step["server"]["mean_batch_rows"] for step in steps))


def bf16(repeats, seconds):
    full = models.RESNET18
    half = full.renamed("resnet18_bf16", own="precision: BF16")
    with folder() as path, torchferry(pathlib.Path(path), [full, half]) as server:
        values = in_turns(repeats, full=lambda: rate_of(closed(server.address, full, 16, seconds)), half=lambda: rate_of(closed(server.address, half, 16, seconds)))
        with harness.Client(server.address) as client:
            placement = client.model(half.name).placement
        yield at_least("resnet18 in BF16 over FP32, concurrency 16", ratio(values["half"], values["full"]), 1.4,
                       fp32=median(values["full"]), bf16=median(values["half"]), tuned=text_of_tuning(placement.tuning),
                       deviation_from_fp32=f"{placement.precision_deviation:.1e}", and_of_the_variant=f"{placement.tuning.deviation:.1e}")


def start(repeats, seconds):
    del seconds
    empty = None
    for model in (models.MLP, models.RESNET18, models.ENCODER):
        with folder() as path:
            values = in_turns(repeats, libtorch=lambda: seconds_of_libtorch(model), ours=lambda: first_answer(pathlib.Path(path), model))
        firsts = [first for first, _ in values["ours"]]
        yield at_most(f"{model.name}: first answer after the start, less LibTorch's own loading and running", median(firsts) - median(values["libtorch"]), 0.3, "s",
                      ours_seconds=median(firsts), libtorch_seconds=median(values["libtorch"]))
        peak = median(peak for _, peak in values["ours"])
        if empty is None:
            empty = peak  # a model without weights to speak of
            continue
        size = model.file().stat().st_size
        yield {"what": f"{model.name}: most memory until then, less that with the MLP, over the file's size", "value": (peak - empty) / size, "unit": "×",
               "details": {"mib": peak / 2**20, "with_the_mlp_mib": empty / 2**20, "file_mib": size / 2**20}}


def seconds_of_libtorch(model):
    began = time.monotonic()
    subprocess.run([*programs.libtorch_command(model, variants="plain", splits="1x1", rows="1", seconds=0), "--runs-before", "0"], check=True, capture_output=True)
    return time.monotonic() - began


def first_answer(path, model):
    """Seconds from the start of the server to its first answer, and its peak of resident memory until then, in bytes."""
    began = time.monotonic()
    number = sum(1 for _ in path.glob("server*"))
    store = programs.Store(path / "store")
    if not (store.path / model.name).exists():
        model.put(store)
        began = time.monotonic()
    server = harness.Server(store, path / f"server{number}", "--optimize", "off", "--device", "cpu")
    try:
        server.wait_listening()
        with harness.Client(server.address) as client:
            while True:
                try:
                    client.predict(model.name, model.one_row())
                    break
                except harness.grpc.RpcError as error:
                    if error.code() != harness.Code.UNAVAILABLE:
                        raise
                    time.sleep(0.002)
        return time.monotonic() - began, memory_of(server, "VmHWM")
    finally:
        server.kill()


def together(repeats, seconds):
    """Two models in one server, each alone, in both orders, and at the same time; and a foreign process on a processor."""
    pair = (models.RESNET18, models.ENCODER)
    with folder() as path:
        path = pathlib.Path(path)
        alone = {}
        for model in pair:
            (path / model.name).mkdir()
        with torchferry(path / pair[0].name, [pair[0]]) as first, torchferry(path / pair[1].name, [pair[1]]) as second:
            for order in (pair, pair[::-1]):
                (path / order[0].name / order[0].name).mkdir()
                with torchferry(path / order[0].name / order[0].name, pair) as both:
                    for model in order:
                        own = first if model is pair[0] else second
                        values = in_turns(repeats, own=lambda: rate_of(closed(own.address, model, 16, seconds)),
                                          shared=lambda: rate_of(closed(both.address, model, 16, seconds)))
                        alone[model.name] = median(values["shared"])
                        yield at_least(f"{model.name} in a server with another, called {'first' if model is order[0] else 'second'}: over a server of its own",
                                       ratio(values["shared"], values["own"]), 0.95, shared=median(values["shared"]), own=median(values["own"]))
                    if order is pair:
                        sums = [sum(rate / alone[name] for name, rate in at_once(both, pair, seconds).items()) for _ in range(repeats)]
                        yield at_least("both called at the same time: the sum of their shares", median(sums), 0.9)
            with BusyProcesses():
                ours = median(rate_of(closed(first.address, pair[0], 16, seconds)) for _ in range(repeats))
                one = median(libtorch(pair[0], variants=tuning_of(first, pair[0].name).variant, splits="1x1", rows=str(tuning_of(first, pair[0].name).batch_rows),
                                      seconds=seconds)[0]["rows_per_second"] for _ in range(repeats))
            yield at_least("resnet18 beside a busy foreign process: over LibTorch with one thread beside it", ours / one, 1.0, requests_per_second=ours, libtorch_one_thread=one)


def at_once(server, pair, seconds):
    processes = {model.name: subprocess.Popen(programs.load_command(server.address, model, "--concurrency", "16", "--duration", str(seconds), "--warm-up", "0.5"),
                                              stdout=subprocess.PIPE, text=True, env=harness.clean_environment()) for model in pair}
    return {name: rate_of(programs.json.loads(process.communicate()[0])["steps"][0]) for name, process in processes.items()}


def overload(repeats, seconds):
    model = models.RESNET18
    with folder() as path, torchferry(pathlib.Path(path), [model], "--max-queue-size", "64") as server:
        capacity = median(rate_of(closed(server.address, model, 16, seconds)) for _ in range(repeats))
        before = memory_of(server, "VmRSS")
        steps = [load(server.address, model, "--rate", f"{3 * capacity:.1f}", "--duration", str(max(seconds, 8)), "--warm-up", "1", "--timeout", "2")[0]
                 for _ in range(repeats)]
        after = memory_of(server, "VmRSS")
        codes, waits = {}, []
        for step in steps:
            for error in step["errors"]:
                codes[error["code"]] = codes.get(error["code"], 0) + error["count"]
                if error["code"] == "UNAVAILABLE":
                    waits.append(error["latency_ms"])
        yield at_least("resnet18 at 3 times the capacity, deadlines of 2 s: answers over the capacity", median(step["requests_per_second"] for step in steps) / capacity, 0.9,
                       capacity=capacity, **codes)
        if waits:
            yield at_most("the same: how long a refusal takes, p99", median(wait["p99"] for wait in waits), 50, "ms", p50_ms=median(wait["p50"] for wait in waits))
        yield at_most("the same: memory after over before", after / before, 1.1, "×", mib=after / 2**20)


ALL = {"mlp": floor.mlp, "networks": networks, "latency": latency.latency, "switches": latency.switches,
       "beside": beside.beside, "streams": streams.streams, "foreign": beside.foreign, "bf16": bf16, "start": start,
       "ready": ready.ready, "tuning": ready.tuning, "disturbed": ready.disturbed, "memory": ready.memory,
       "together": together, "overload": overload, "growth": growth.growth}
