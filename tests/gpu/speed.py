"""The server against LibTorch alone on one device: rows a second of a model whose instance_group has `count` instances.

LibTorch alone runs `count` threads with batches of the same rows, copies to and from the device included. The server gets such
batches as requests, and single rows that it joins itself. The figures have no bound: a card's report shows them."""

import dataclasses
import json
import os
import subprocess

import pytest

import models
from programs import BINARIES, harness, load
from stores import Store

DEVICE = harness.DEVICE
START_SECONDS = 60  # in which whatever starts has started
TRIES = 4  # each four times as long as the one before, for a device that has no answer by then


@dataclasses.dataclass(frozen=True)
class Size:
    seconds: float
    models: dict  # by name: the model, and the rows of a batch


SIZES = {
    "full": Size(2, {"resnet18": (models.RESNET18, 16), "encoder": (models.ENCODER, 16), "mlp": (models.MLP, 64)}),
    "small": Size(0.4, {"resnet18": (models.SMALL, 2), "encoder": (models.ENCODER, 2), "mlp": (models.MLP, 16)}),
}
SIZE = SIZES[os.environ.get("TORCHFERRY_CHECK_SIZE", "small")]


def alone(model, count, rows):
    """What torchferry-bench-device prints."""
    command = [str(BINARIES / "torchferry-bench-device"), str(model.file()), "--device", DEVICE, "--rows", str(rows), "--workers", str(count),
               "--seconds", str(SIZE.seconds)]
    for _, dtype, dims in model.inputs:
        command += ["--input", f"{dtype}:{','.join(map(str, dims))}"]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=START_SECONDS)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def put(store, model, count, rows):
    own = f'device: "{DEVICE}" fallback: NONE'
    named = model.renamed(model.name, own, max_batch_size=rows)
    named.put(store)
    config = store.path / model.name / "config.pbtxt"
    config.write_text(config.read_text() + f"instance_group [ {{ count: {count} }} ]\n")


def server_speed(server, model, rows, concurrency):
    """Rows a second; every answer must come from the device."""
    for attempt in range(TRIES):
        seconds = SIZE.seconds * 4**attempt
        (step,) = load(server.address, model, "--rows", str(rows), "--concurrency", str(concurrency), "--duration", str(seconds),
                       "--warm-up", str(SIZE.seconds / 2))
        if step["ok"] or step["failed"]:
            break
    assert step["failed"] == 0, step["errors"]
    assert set(step["server"]["devices"]) == {DEVICE}, step["server"]
    return step["rows_per_second"]


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("name", SIZE.models)
def test_speed(name, count, tmp_path, record_property):
    model, rows = SIZE.models[name]
    by_libtorch = alone(model, count, rows)["rows_per_second"]
    store = Store(tmp_path / "store")
    put(store, model, count, rows)
    with harness.serving(store, tmp_path / "server") as server:
        batches = server_speed(server, model, rows, 2 * count)
        single = server_speed(server, model, 1, 2 * count * rows)
    record_property("libtorch_rows_per_second", by_libtorch)
    record_property("server_rows_per_second", batches)
    record_property("server_single_rows_per_second", single)
    record_property("figure", f"batches of {rows}: server {batches:.0f} rows/s, LibTorch {by_libtorch:.0f} ({batches / by_libtorch:.2f}); "
                              f"requests of one row {single:.0f}")
