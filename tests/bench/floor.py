"""A model that costs nothing: what the server costs beside gRPC."""

import models
from measuring import (at_least, at_most, closed, company, details_of, in_turns, median, p50_of, p99_of, rate_of, ratio,
                       served)
from programs import bare_server, libtorch, perf_analyzer

CONCURRENCIES = (1, 4, 16, 32, 64)
LARGE_CALLERS = 2  # that send 16 MiB each, beside a small one
APIS = {"native API": lambda address, callers, seconds: rate_of(closed(address, models.MLP, callers, seconds)),
        "Open Inference": lambda address, callers, seconds: perf_analyzer(address, models.MLP, callers, seconds)["rate"]}


def mlp(repeats, seconds):
    with served(models.MLP) as server, bare_server(models.MLP) as bare:
        for api, ask in APIS.items():
            for callers in CONCURRENCIES:
                values = in_turns(repeats, bare=lambda: ask(bare, callers, seconds),
                                  ours=lambda: ask(server.address, callers, seconds))
                yield at_least(f"MLP 4→64→3, {api}, concurrency {callers}: throughput over gRPC alone",
                               ratio(values["ours"], values["bare"]), 0.85,
                               requests_per_second=median(values["ours"]), grpc_alone=median(values["bare"]))
        yield from overhead(server, bare, repeats, seconds)
    yield from beside_large_requests(models.SUM_16_MIB, "send 16 MiB", repeats, seconds)
    yield from beside_large_requests(models.product(16 << 18), "send 16 MiB and get as much", repeats, seconds)


def overhead(server, bare, repeats, seconds):
    model = models.MLP
    values = in_turns(repeats, bare=lambda: p50_of(closed(bare, model, 1, seconds)),
                      ours=lambda: p50_of(closed(server.address, model, 1, seconds)),
                      forward=lambda: libtorch(model, variants="plain", splits="1x1", rows="1", seconds=0.5)[0]["p50_us"])
    over = median((a - b) * 1000 - c for a, b, c in zip(*(values[name] for name in ("ours", "bare", "forward")), strict=True))
    yield at_most("MLP, concurrency 1: p50 less gRPC's alone, less the forward pass", over, 20, "µs",
                  p50_us=median(values["ours"]) * 1000, grpc_alone_us=median(values["bare"]) * 1000,
                  forward_us=median(values["forward"]))


def beside_large_requests(large, does, repeats, seconds):
    small = models.MLP
    with served(small, large, flags=("--optimize", "off")) as server:

        def beside_them():
            with company(server, large, LARGE_CALLERS, "--connections", str(LARGE_CALLERS)):
                return closed(server.address, small, 1, seconds)

        values = in_turns(repeats, alone=lambda: p99_of(closed(server.address, small, 1, seconds)), beside=beside_them)
    yield at_most(f"MLP, concurrency 1, beside {LARGE_CALLERS} clients that {does}: p99",
                  median(map(p99_of, values["beside"])), 10, "ms", alone_ms=median(values["alone"]),
                  **details_of(values["beside"]))
