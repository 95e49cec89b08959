"""What lets the soak's actors go on, has them rest, and ends them."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import grpc

MOST_FAILURES = 20  # that are kept, of each actor


class Gate:
    """Thread-safe. Actors pass it before each turn; while it is shut they wait there."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._is_open = True
        self._is_ended = False
        self._actors = 0
        self._parked = 0

    def enter(self) -> None:
        with self._changed:
            self._actors += 1

    def leave(self) -> None:
        with self._changed:
            self._actors -= 1
            self._changed.notify_all()

    def goes_on(self) -> bool:
        """Whether a running turn may be as long as it likes."""
        return self._is_open and not self._is_ended

    def passes(self, on_park: Callable[[], None]) -> bool:
        """False at the end. An actor that has to wait calls `on_park` first, and holds nothing of the server's from then on."""
        if self.goes_on():
            return True
        on_park()
        with self._changed:
            self._parked += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_open or self._is_ended)
            self._parked -= 1
            return not self._is_ended

    def wait(self, seconds: float) -> bool:
        """Waits so long between two turns; False, sooner, when the gate is shut or at the end."""
        with self._changed:
            return not self._changed.wait_for(lambda: not self._is_open or self._is_ended, seconds)

    def shut(self, seconds: float) -> bool:
        """Whether all actors rest within that time."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._parked >= self._actors, seconds)

    def open(self) -> None:
        with self._changed:
            self._is_open = True
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._is_ended = True
            self._changed.notify_all()


def told(error: Exception) -> str:
    """The error in one line."""
    if isinstance(error, grpc.Call):
        return f"{error.code().name}: {error.details()}"
    return " ".join(f"{type(error).__name__}: {error}".split())


class Actor(threading.Thread):
    """Takes turns until the soak ends. What a turn raises is a failure of it, and is counted; `turn` is the subclass's."""

    is_good = False  # whether a failure of its is one of the server's
    pause = 0.002  # seconds between two turns

    def __init__(self, name: str, gate: Gate, seed: int) -> None:
        super().__init__(name=name, daemon=True)
        self.gate = gate
        self.chance = random.Random(f"{seed}/{name}")
        self.turns = 0
        self.failed = 0
        self.failures: list[str] = []
        gate.enter()

    def turn(self) -> None:
        raise NotImplementedError

    def park(self) -> None:
        """Gives back what it holds of the server."""

    def run(self) -> None:
        try:
            while self.gate.passes(self.park):
                try:
                    self.turn()
                    self.turns += 1
                except Exception as error:  # each turn that fails is one
                    self.failed += 1
                    if len(self.failures) < MOST_FAILURES:
                        self.failures.append(f"{time.strftime('%H:%M:%S')} {told(error)}"[:400])
                    self.park()
                if self.pause:
                    self.gate.wait(self.pause)
        finally:
            self.park()
            self.gate.leave()
