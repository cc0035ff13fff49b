"""Intervals in which a condition holds, found without gaps from a bound of its rate of change.

An interval set is an (n, 2) array of rising, disjoint, half-open intervals.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["holding_intervals", "intersection", "without"]

_EDGE_S = 5e-4

Condition = Callable[[np.ndarray, np.ndarray], np.ndarray]


def holding_intervals(
    condition: Condition, starts: np.ndarray, ends: np.ndarray, rate_bound: np.ndarray | float
) -> list[np.ndarray]:
    """Intervals in which a condition is positive, within each of several spans of time.

    A part [a, b] is settled when ``|f(a)| + |f(b)| > rate · (b - a)`` and both have one sign: f has then no root in
    it. Other parts are halved, all at once, until they are shorter than 0.5 ms; so no interval longer than that is
    missed, and edges are good to 0.25 ms. Derived here.

    Parameters
    ----------
    condition : callable
        ``f(times, span)`` for (m,) times and the number of the span that each lies in; (m,) values whose magnitude is
        at most `rate_bound` times the time to the next change of sign, as for any function with that slope.
    starts, ends : (n,) arrays
        Spans [s], starts before ends.
    rate_bound : (n,) array or float
        Bound of ``|df/dt|`` in each span, per second.

    Returns
    -------
    list of (k, 2) arrays
        One interval set per span.
    """
    a, b = np.asarray(starts, dtype=float), np.asarray(ends, dtype=float)
    n = len(a)
    rate = np.broadcast_to(np.asarray(rate_bound, dtype=float), n)
    span = np.arange(n)
    fa, fb = condition(a, span), condition(b, span)
    first_positive = fa > 0
    edges: list[tuple[np.ndarray, np.ndarray]] = []
    while len(a):
        same = (fa > 0) == (fb > 0)
        open_ = ~(same & (np.abs(fa) + np.abs(fb) > rate[span] * (b - a)))
        done = open_ & (b - a < _EDGE_S)
        edges.append((span[done & ~same], 0.5 * (a + b)[done & ~same]))
        go = open_ & ~done
        a, b, fa, fb, span = a[go], b[go], fa[go], fb[go], span[go]
        middle = 0.5 * (a + b)
        fm = condition(middle, span) if len(a) else fa
        a, b = np.concatenate([a, middle]), np.concatenate([middle, b])
        fa, fb, span = np.concatenate([fa, fm]), np.concatenate([fm, fb]), np.concatenate([span, span])
    owner = np.concatenate([o for o, _ in edges]) if edges else np.empty(0, dtype=int)
    times = np.concatenate([t for _, t in edges]) if edges else np.empty(0)
    order = np.lexsort((times, owner))
    per_span = np.split(times[order], np.searchsorted(owner[order], np.arange(1, n))) if n else []
    return [
        _from_edges(t, bool(p), float(s), float(e))
        for t, p, s, e in zip(per_span, first_positive, starts, ends, strict=True)
    ]


def _from_edges(changes: np.ndarray, positive: bool, start: float, end: float) -> np.ndarray:
    edges = np.concatenate([[start][: int(positive)], changes])
    if len(edges) % 2:
        edges = np.append(edges, end)
    return edges.reshape(-1, 2)


def intersection(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """What two interval sets have in common."""
    start = np.maximum(first[:, None, 0], second[None, :, 0])
    end = np.minimum(first[:, None, 1], second[None, :, 1])
    rows = np.stack([start, end], axis=-1)[end > start]
    return rows[np.argsort(rows[:, 0], kind="stable")]


def without(first: np.ndarray, closed: np.ndarray) -> np.ndarray:
    """An interval set less the intervals `closed`, which may overlap and come in any order."""
    if not len(closed):
        return first
    order = closed[np.argsort(closed[:, 0], kind="stable")]
    reach = np.maximum.accumulate(order[:, 1])
    opens = np.append(-np.inf, reach)
    closes = np.append(order[:, 0], np.inf)
    free = np.column_stack([opens, closes])
    return intersection(first, free[free[:, 1] > free[:, 0]])
