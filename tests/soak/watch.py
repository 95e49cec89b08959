"""What a server's process and its metrics show: each second, and when nothing is asked."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import os
import pathlib
import threading
import time
from typing import Protocol

import harness

MIB = 1 << 20
PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / MIB


class Watched(Protocol):
    """A server's process."""

    server: harness.Server

    @property
    def pid(self) -> int: ...


@dataclasses.dataclass(frozen=True)
class Rest:
    """Taken while no client asks, after what was in flight has ended, or should have."""

    seconds: float
    rss_mib: float
    descriptors: int
    threads: int
    connections: int
    in_flight: int
    memory_bytes: int
    samples: int  # of the metrics' page
    settled: bool
    names: dict[str, int]  # of threads, by name


def rss_mib(pid: int) -> float:
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_MIB


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def names(pid: int) -> dict[str, int]:
    found: collections.Counter[str] = collections.Counter()
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended meanwhile
            found[(task / "comm").read_text().strip()] += 1
    return dict(sorted(found.items()))


class Watch(threading.Thread):
    """Samples the resident set each second, until it is stopped or the process has gone."""

    def __init__(self, stage: Watched, begin: float) -> None:
        super().__init__(name="watch", daemon=True)
        self._stage, self._begin = stage, begin
        self._is_stopped = threading.Event()
        self.memory: list[tuple[float, float]] = []
        self.rests: list[Rest] = []
        self.longest_gap = 0.0  # between two samples, in seconds: the host stood still, or this process did

    def run(self) -> None:
        while not self._is_stopped.wait(1):
            now = time.monotonic() - self._begin
            self.longest_gap = max(self.longest_gap, now - (self.memory[-1][0] if self.memory else now))
            try:
                self.memory.append((now, rss_mib(self._stage.pid)))
            except (OSError, IndexError):
                return

    def stop(self) -> None:
        self._is_stopped.set()
        self.join()

    def rest(self, settle_seconds: float) -> Rest:
        """Waits until nothing is open and nothing in flight, for so long at most, then looks. What is still there is seen."""
        end = time.monotonic() + settle_seconds
        while True:
            rest = self._look()
            is_settled = rest.connections == 0 and rest.in_flight == 0 and rest.memory_bytes == 0
            if is_settled or time.monotonic() > end:
                self.rests.append(dataclasses.replace(rest, settled=is_settled))
                return self.rests[-1]
            time.sleep(0.2)

    def _look(self) -> Rest:
        page = self._stage.server.metrics()
        pid = self._stage.pid
        return Rest(time.monotonic() - self._begin, rss_mib(pid), descriptors(pid), threads(pid),
                    int(page.sum("torchferry_connections", listener="grpc")), int(page.sum("torchferry_in_flight_requests")),
                    int(page.sum("torchferry_request_memory_bytes", kind="used")), len(page.samples), False, names(pid))

