"""How the server does with more of something: connections, models, requests that wait, bytes in a message."""

import pathlib
import time

import models
from measuring import closed, folder, in_turns, median, memory_of, rate_of
from programs import bare_server, torchferry

CONNECTIONS = (1, 10, 100, 1000)
MODELS = (1, 10, 100, 1000)
WAITING = (16, 128, 1024, 8192)
MESSAGE_KIB = (1, 32, 1024, 16 * 1024, 63 * 1024)  # of the request, and of the answer


def growth(repeats, seconds):
    yield from connections(repeats, seconds)
    yield from many_models(repeats, seconds)
    yield from waiting(repeats, seconds)
    yield from messages(repeats, seconds)


def connections(repeats, seconds):
    model = models.MLP
    with folder() as path, torchferry(pathlib.Path(path), [model]) as server:
        for count in CONNECTIONS:
            steps = [closed(server.address, model, max(32, count), seconds, "--connections", str(count)) for _ in range(repeats)]
            yield {"what": f"MLP over {count} connections, {max(32, count)} requests at a time", "value": median(rate_of(step) for step in steps), "unit": "/s",
                   "details": {"p50_ms": median(step["latency_ms"]["p50"] for step in steps), "p99_ms": median(step["latency_ms"]["p99"] for step in steps),
                               "server_mib": memory_of(server, "VmRSS") / 2**20}}


def many_models(repeats, seconds):
    for count in MODELS:
        many = [models.MLP.renamed(f"mlp{i}") for i in range(count)]
        with folder() as path:
            began = time.monotonic()
            with torchferry(pathlib.Path(path), many, "--optimize", "off") as server:
                ready = time.monotonic() - began
                rates = [rate_of(closed(server.address, many[-1], 32, seconds)) for _ in range(repeats)]
                yield {"what": f"one of {count} models, 32 requests at a time", "value": median(rates), "unit": "/s",
                       "details": {"ready_seconds": ready, "server_mib": memory_of(server, "VmRSS") / 2**20}}


def waiting(repeats, seconds):
    """A model that takes a while, so that its queue fills."""
    model = models.SMALL
    with folder() as path, torchferry(pathlib.Path(path), [model], "--max-queue-size", "100000") as server:
        for count in WAITING:
            steps = [closed(server.address, model, count, seconds) for _ in range(repeats)]
            yield {"what": f"{model.name}, {count} requests at a time", "value": median(rate_of(step) for step in steps), "unit": "/s",
                   "details": {"batch_rows": median(step["server"]["mean_batch_rows"] for step in steps),
                               "compute_ms": median(step["server"]["mean_compute_ms"] for step in steps), "server_mib": memory_of(server, "VmRSS") / 2**20}}


def messages(repeats, seconds):
    """A product of two inputs, which costs a pass over the memory; over gRPC alone, which answers with zeros."""
    for kib in MESSAGE_KIB:
        model = models.product(kib * 256)
        with folder() as path, torchferry(pathlib.Path(path), [model], "--optimize", "off", "--max-message-mib", "256") as server, bare_server(model) as bare:
            values = in_turns(repeats, bare=lambda: rate_of(closed(bare, model, 4, seconds)), ours=lambda: rate_of(closed(server.address, model, 4, seconds)))
            yield {"what": f"{kib} KiB in and out, 4 requests at a time: throughput over gRPC alone", "value": median(a / b for a, b in zip(values["ours"], values["bare"], strict=True)),
                   "details": {"requests_per_second": median(values["ours"]), "mib_per_second_each_way": median(values["ours"]) * kib / 1024,
                               "grpc_alone": median(values["bare"]), "server_mib": memory_of(server, "VmRSS") / 2**20}}
