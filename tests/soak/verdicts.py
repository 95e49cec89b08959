"""What a soak's samples say: pure, of numbers alone. test_verdicts.py has its tables.

Memory: the samples after the warm-up are cut into blocks, the median of each block stands for it, and Theil and Sen's slope of
these is the growth; its 95 % interval is Kendall's. Medians and that slope are not moved by the peaks of a load. A slope counts
as a leak when it is above zero beyond chance and would be more than the allowed growth over what was measured.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
from collections.abc import Sequence

BLOCKS = 24
Z95 = 1.96
# Growth of the resident set over the measured part that is no leak: heaps that settle, and pages of code that are touched late.
ALLOWED_SHARE = 0.015
ALLOWED_MIB = 6.0
# A shorter measurement sees heaps that are still being filled: by what requests may take at once, the budget.
LONG_SECONDS = 600.0


@dataclasses.dataclass(frozen=True)
class Slope:
    """A rate of growth per second, with its 95 % interval, and what it was taken from."""

    middle: float
    low: float
    high: float
    blocks: int
    seconds: float
    median: float


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A line of the table: what was looked at, what was seen, what may be at most, and whether that holds."""

    name: str
    seen: str
    allowed: str
    holds: bool


def blocks_of(samples: Sequence[tuple[float, float]], count: int = BLOCKS) -> list[tuple[float, float]]:
    """(time, value) as the medians of so many equal parts of the time. Parts without a sample are left out."""
    begin, end = samples[0][0], samples[-1][0]
    width = (end - begin) / count
    parts: dict[int, list[tuple[float, float]]] = {}
    for at, value in samples:
        part = min(count - 1, int((at - begin) / width)) if width > 0 else 0
        parts.setdefault(part, []).append((at, value))
    return [(statistics.median(t for t, _ in part), statistics.median(v for _, v in part)) for _, part in sorted(parts.items())]


def slope_of(samples: Sequence[tuple[float, float]], count: int = BLOCKS) -> Slope:
    """Theil and Sen's slope of the blocks. ValueError for less than five samples."""
    if len(samples) < 5:
        raise ValueError(f"{len(samples)} samples; expected at least 5 for a slope")
    blocks = blocks_of(samples, count)
    slopes = sorted((b - a) / (t - s) for (s, a), (t, b) in itertools.combinations(blocks, 2) if t > s)
    size = len(blocks)
    spread = Z95 * math.sqrt(size * (size - 1) * (2 * size + 5) / 18)
    low = max(0, math.floor((len(slopes) - spread) / 2))
    high = min(len(slopes) - 1, math.ceil((len(slopes) + spread) / 2))
    return Slope(statistics.median(slopes), slopes[low], slopes[high], size, samples[-1][0] - samples[0][0],
                 statistics.median(value for _, value in samples))


def memory_verdict(name: str, samples: Sequence[tuple[float, float]], budget_mib: float) -> Verdict:
    """Of a resident set in MiB, of a server with that budget for requests."""
    slope = slope_of(samples)
    allowed = max(ALLOWED_MIB, ALLOWED_SHARE * slope.median, budget_mib if slope.seconds < LONG_SECONDS else 0)
    growth = slope.middle * slope.seconds
    hour = 3600
    seen = (f"{slope.middle * hour:+.1f} MiB/h (95 %: {slope.low * hour:+.1f} to {slope.high * hour:+.1f}), {growth:+.1f} MiB in "
            f"{slope.seconds:.0f} s at {slope.median:.0f} MiB")
    return Verdict(name, seen, f"{allowed:.1f} MiB", slope.low <= 0 or growth <= allowed)


def rest_verdict(name: str, values: Sequence[float], settled: int, slack: float = 0) -> Verdict:
    """Of a count that is taken when nothing is asked: the last one is no higher than the highest of the first `settled`."""
    if len(values) <= settled:
        return Verdict(name, f"{len(values)} rests", f"more than {settled} rests", False)
    allowed = max(values[:settled]) + slack
    shown = ", ".join(f"{value:g}" for value in values)
    return Verdict(name, shown, f"the last at most {allowed:g}", values[-1] <= allowed)


def none_verdict(name: str, count: int, of: str = "", first: str = "") -> Verdict:
    """Of what must not happen once."""
    seen = f"{count}{of}" + (f"; the first: {first}" if first else "")
    return Verdict(name, seen, "0", count == 0)


def some_verdict(name: str, count: int, least: int = 1) -> Verdict:
    """Of what must have happened, so that the soak was one."""
    return Verdict(name, str(count), f"at least {least}", count >= least)
