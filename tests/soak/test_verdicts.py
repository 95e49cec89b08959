"""Tables of verdicts.py: what is a leak and what is none."""

import random

import pytest

import verdicts


def series(seconds, growth_per_hour, noise=0.0, peaks=0.0, seed=1):
    """A resident set of 400 MiB, sampled each second."""
    chance = random.Random(seed)
    return [(float(t), 400 + growth_per_hour * t / 3600 + chance.gauss(0, noise) + (peaks if t % 10 == 0 else 0))
            for t in range(seconds)]


@pytest.mark.parametrize(("seconds", "growth", "noise", "peaks", "holds"), [
    (1200, 0, 0, 0, True),
    (1200, 0, 3, 0, True),
    (1200, 0, 3, 60, True),  # a swap loads a version each ten seconds
    (1200, -50, 3, 0, True),  # memory is given back
    (1200, 12, 3, 0, True),  # 4 MiB of 400: what settles
    (1200, 36, 3, 0, False),  # 12 MiB in twenty minutes
    (1200, 360, 3, 60, False),
    (60, 0, 3, 0, True),
    (60, 3600, 3, 0, True),  # 60 MiB in a minute: heaps are filled, up to the budget
    (60, 14400, 3, 0, False),  # 4 MiB a second
], ids=str)
def test_memory(seconds, growth, noise, peaks, holds):
    for seed in range(20):
        verdict = verdicts.memory_verdict("rss", series(seconds, growth, noise, peaks, seed), 128)
        assert verdict.holds == holds, verdict


def test_the_slope_and_its_interval_are_those_of_the_line():
    slope = verdicts.slope_of(series(1200, 720, noise=1))
    assert slope.low < slope.middle < slope.high
    assert abs(slope.middle * 3600 - 720) < 15
    assert slope.low * 3600 > 690 and slope.high * 3600 < 750


def test_a_step_is_no_slope_beyond_its_size():
    """Memory that is taken once, as by a second size of batch, is a step."""
    samples = [(t, value + (4 if t > 600 else 0)) for t, value in series(1200, 0, noise=1)]
    assert verdicts.memory_verdict("rss", samples, 128).holds


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match="at least 5"):
        verdicts.slope_of(series(4, 0))


@pytest.mark.parametrize(("values", "settled", "slack", "holds"), [
    ([40, 44, 44, 44], 2, 0, True),
    ([40, 44, 46, 43], 2, 0, True),  # it went and came back
    ([40, 44, 44, 45], 2, 0, False),
    ([40, 44, 44, 45], 2, 1, True),
    ([44, 44], 2, 0, False),  # nothing was compared
], ids=str)
def test_counts_at_rest(values, settled, slack, holds):
    assert verdicts.rest_verdict("descriptors", values, settled, slack).holds == holds


def test_what_must_not_and_what_must_happen():
    assert verdicts.none_verdict("failed", 0).holds and not verdicts.none_verdict("failed", 1, first="UNAVAILABLE").holds
    assert verdicts.some_verdict("swaps", 3).holds and not verdicts.some_verdict("swaps", 0).holds
