"""Faults that --self-test plants, each of which a verdict must find."""

from __future__ import annotations

import os
import pathlib

import harness
from churn import Faults
from gate import Actor, Gate
from good import Connect
from stateful import Stream

LEAK = pathlib.Path(harness.BINARIES).parent / "tests" / "libtorchferry_soak_leak.so"
RATES = "8192 2 1"  # KiB, descriptors and threads a second
# The verdicts that must not hold.
FOUND = ("memory", "descriptors at rest", "threads at rest", "open at rest", "good requests that failed")


def environment() -> dict[str, str]:
    """Of a server that leaks."""
    if not LEAK.exists():
        raise SystemExit(f"{LEAK} is not built; build the target torchferry_soak_leak, or say with TORCHFERRY_BINARY_DIR where it is")
    preload = [str(LEAK), *filter(None, [os.environ.get("LD_PRELOAD")])]
    return {"LD_PRELOAD": ":".join(preload), "SOAK_LEAK": RATES}


class KeepsStreams(Actor):
    """Opens streams with a state, and does not end them when it should rest."""

    pause = 5.0

    def __init__(self, gate: Gate, seed: int, connect: Connect) -> None:
        super().__init__("planted: keeps streams", gate, seed)
        self._connect = connect
        self._kept: list[Stream] = []

    def turn(self) -> None:
        stream = Stream(self._connect(), timeout=3600)
        stream.add(1)
        self._kept.append(stream)


class WrongProducts(Actor):
    """Has the device of most models compute wrongly for a moment, which no call tells."""

    pause = 5.0

    def __init__(self, gate: Gate, seed: int, faults: Faults) -> None:
        super().__init__("planted: wrong products", gate, seed)
        self._faults = faults

    def turn(self) -> None:
        self._faults.set_lines("sim:0 wrong_products=1")
        self.gate.wait(1)
