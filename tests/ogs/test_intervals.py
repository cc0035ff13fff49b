"""Intervals in which a condition holds: brute force on functions whose rate is known, and the arithmetic of sets."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eqci_space.ogs.intervals import holding_intervals, intersection, without

# The search halves parts down to 0.5 ms and takes their middle, so an edge is good to 0.25 ms.
EDGE_S = 2.5e-4


def wave(seed):
    """A sum of five sines with periods of 2 to 60 s and an offset, and the bound of its rate."""
    rng = np.random.default_rng(seed)
    size, rate, phase = rng.uniform(0.2, 1.0, 5), 2 * np.pi / rng.uniform(2.0, 60.0, 5), rng.uniform(0, 2 * np.pi, 5)
    offset = rng.uniform(-1.5, 1.5)

    def value(times):
        return (size * np.sin(rate * np.asarray(times)[..., None] + phase)).sum(axis=-1) + offset

    return value, float((size * rate).sum())


def runs(times, holds):
    """Intervals of a scan in which a flag holds, from the first to the last time of each run."""
    steps = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]]).astype(int)))
    return np.column_stack([times[steps[::2]], times[steps[1::2] - 1]])


@pytest.mark.parametrize("seed", range(12))
def test_intervals_equal_a_brute_force_scan(seed):
    value, bound = wave(seed)
    (found,) = holding_intervals(lambda t, _: value(t), [0.0], [120.0], bound)
    times = np.arange(0.0, 120.0, 1e-3)
    expected = runs(times, value(times) > 0)
    assert len(found) == len(expected)
    # A run of the scan begins up to 1 ms after the edge and ends up to 1 ms before it.
    assert np.abs(found - expected).max(initial=0.0) < 1e-3 + EDGE_S
    assert ((found > 0) & (found < 120)).any() or len(found) <= 1


@pytest.mark.parametrize("seed", range(12))
def test_the_condition_is_zero_at_each_inner_edge(seed):
    value, bound = wave(seed)
    (found,) = holding_intervals(lambda t, _: value(t), [3.0], [97.0], bound)
    inner = found[(found > 3.0) & (found < 97.0)]
    assert np.abs(value(inner)).max(initial=0.0) <= bound * EDGE_S
    assert set(found[(found <= 3.0) | (found >= 97.0)].tolist()) <= {3.0, 97.0}


@given(
    centres=st.lists(st.floats(1.0, 99.0), min_size=1, max_size=4),
    half_ms=st.floats(1.0, 5000.0),
    rate=st.floats(0.01, 3.0),
)
@settings(max_examples=60, deadline=None)
def test_every_tooth_of_a_comb_is_found(centres, half_ms, rate):
    # Triangles of slope `rate` and half width w around each centre; where they overlap they make one interval.
    half = half_ms / 1e3

    def teeth(times, _):
        return rate * (half - np.min(np.abs(np.asarray(times)[:, None] - np.array(centres)), axis=1))

    (found,) = holding_intervals(teeth, [0.0], [100.0], rate)
    expected: list[list[float]] = []
    for centre in sorted(centres):
        low, high = max(0.0, centre - half), min(100.0, centre + half)
        if expected and low - expected[-1][1] < 1e-3:
            expected[-1][1] = max(high, expected[-1][1])
        else:
            expected.append([low, high])
    joined: list[list[float]] = []
    for low, high in found:  # gaps shorter than a millisecond may or may not be seen
        if joined and low - joined[-1][1] < 1.5e-3:
            joined[-1][1] = high
        else:
            joined.append([low, high])
    if all(b[0] - a[1] > 3e-3 for a, b in itertools.pairwise(expected)):
        assert np.array(joined) == pytest.approx(np.array(expected), abs=2 * EDGE_S)


@pytest.mark.parametrize("centre_s", np.random.default_rng(1).uniform(1.0, 86_399.0, 20))
def test_an_interval_of_two_milliseconds_in_a_day_is_found(centre_s):
    (found,) = holding_intervals(lambda t, _: 1e-3 - np.abs(t - centre_s), [0.0], [86_400.0], 1.0)
    assert found == pytest.approx(np.array([[centre_s - 1e-3, centre_s + 1e-3]]), abs=EDGE_S)


@pytest.mark.parametrize("centre_s", np.random.default_rng(2).uniform(1.0, 86_399.0, 20))
def test_a_gap_of_two_milliseconds_in_a_day_is_found(centre_s):
    (found,) = holding_intervals(lambda t, _: np.abs(t - centre_s) - 1e-3, [0.0], [86_400.0], 1.0)
    expected = np.array([[0.0, centre_s - 1e-3], [centre_s + 1e-3, 86_400.0]])
    assert found == pytest.approx(expected, abs=EDGE_S)


def test_spans_are_searched_each_with_its_own_rate_and_number():
    # Span 0 holds 1 to 3, span 1 nowhere, span 2 everywhere, span 3 the second half; rates differ by a factor 1000.
    rates = np.array([1.0, 5.0, 2.0, 1000.0])

    def condition(times, span):
        choices = [1 - np.abs(times - 2), -1 - 5 * np.abs(times), 1 + 2 * np.abs(times - 4), 1000 * (times - 15)]
        return np.choose(span, choices)

    found = holding_intervals(condition, [0.0, -5.0, 0.0, 10.0], [9.0, 5.0, 7.0, 20.0], rates)
    assert found[0] == pytest.approx(np.array([[1.0, 3.0]]), abs=EDGE_S)
    assert found[1].shape == (0, 2)
    assert found[2].tolist() == [[0.0, 7.0]]
    assert found[3] == pytest.approx(np.array([[15.0, 20.0]]), abs=EDGE_S)


def test_spans_alone_and_together_give_the_same():
    value, bound = wave(99)
    starts, ends = np.array([0.0, 20.0, 35.0, 70.0]), np.array([20.0, 21.0, 70.0, 120.0])
    together = holding_intervals(lambda t, _: value(t), starts, ends, bound)
    for found, start, end in zip(together, starts, ends, strict=True):
        (alone,) = holding_intervals(lambda t, _: value(t), [start], [end], bound)
        assert found.tolist() == alone.tolist()


def test_no_span_gives_no_set():
    assert holding_intervals(lambda t, _: t, np.empty(0), np.empty(0), 1.0) == []


def test_the_search_takes_few_evaluations_where_nothing_happens():
    # |f(a)| + |f(b)| = 2 exceeds rate · length = 1, so the two ends decide the span.
    calls = []

    def steady(times, _):
        calls.append(len(times))
        return np.ones_like(times)

    (found,) = holding_intervals(steady, [0.0], [1000.0], 1e-3)
    assert (found.tolist(), sum(calls)) == ([[0.0, 1000.0]], 2)


SETS = st.lists(st.integers(0, 60), max_size=12, unique=True).map(
    lambda cuts: np.array(sorted(cuts)[: len(cuts) // 2 * 2], dtype=float).reshape(-1, 2)
)
CLOSURES = st.lists(st.tuples(st.integers(-5, 65), st.integers(1, 20)), max_size=6).map(
    lambda pairs: np.array([(a, a + n) for a, n in pairs], dtype=float).reshape(-1, 2)
)
MIDDLES = np.arange(-6, 90) + 0.5


def inside(intervals):
    """Which half-integers lie in an interval set."""
    return ((MIDDLES[:, None] > intervals[:, 0]) & (MIDDLES[:, None] < intervals[:, 1])).any(axis=1)


def is_a_set(intervals):
    return intervals.shape[1] == 2 and (np.diff(intervals.ravel()) >= 0).all() and (np.ptp(intervals, axis=1) > 0).all()


@given(SETS, SETS)
def test_an_intersection_holds_what_both_hold(first, second):
    found = intersection(first, second)
    assert is_a_set(found)
    assert (inside(found) == (inside(first) & inside(second))).all()


@given(SETS, CLOSURES)
def test_a_difference_holds_what_is_open_and_not_closed(first, closed):
    # Closures overlap, touch and come unordered.
    found = without(first, closed)
    assert is_a_set(found)
    assert (inside(found) == (inside(first) & ~inside(closed))).all()


def test_the_edges_of_a_difference_are_those_of_the_closures():
    open_s = np.array([[0.0, 10.0], [20.0, 30.0]])
    closed = np.array([[25.0, 26.0], [9.0, 21.0], [3.0, 4.0], [3.5, 5.0], [26.0, 27.0]])
    assert without(open_s, closed).tolist() == [[0.0, 3.0], [5.0, 9.0], [21.0, 25.0], [27.0, 30.0]]


def test_empty_sets_stay_empty():
    nothing, something = np.empty((0, 2)), np.array([[0.0, 1.0]])
    assert intersection(nothing, something).shape == (0, 2)
    assert intersection(something, nothing).shape == (0, 2)
    assert without(nothing, something).shape == (0, 2)
    assert without(something, nothing).tolist() == [[0.0, 1.0]]
    assert without(something, np.array([[-1.0, 2.0]])).shape == (0, 2)
    assert intersection(something, np.array([[1.0, 2.0]])).shape == (0, 2)
    assert intersection(something, np.array([[-np.inf, np.inf]])).tolist() == [[0.0, 1.0]]
