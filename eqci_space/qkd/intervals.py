"""Best interval of a window to use, with the best protocol parameters for it.

A key grows with the clicks of an interval and shrinks with its errors. The search climbs from intervals that are best
at several error rates; where it finds little or nothing it starts under stronger light and follows the optimum down,
for beyond the cliff the signed length has a plateau, that of sending next to nothing, on which a search comes to rest.
"""

from __future__ import annotations

import numpy as np

from eqci_space.machine.kernels import kernel
from eqci_space.qkd.blocks import ROWS
from eqci_space.qkd.coarse_grid import grid_points, grid_starts
from eqci_space.qkd.counts import table_counts
from eqci_space.qkd.dead_time import check_afterpulses
from eqci_space.qkd.decoy import KeyResult, key_result
from eqci_space.qkd.optimiser import ParameterLimits, settled, without_steps
from eqci_space.qkd.security import SecurityParameters
from eqci_space.qkd.simplex import block_value_in, from_free, nelder_mead, to_free

__all__ = ["optimise_interval"]

# Shares of the slots, those of fewest errors, whose worst error rate compares intervals; the photon number for that.
_CUT_SHARES = np.array([0.2, 0.35, 0.5, 0.7, 0.9])
_CUT_INTENSITY = 0.5
_SWEPT_EDGES, _FIRST_EDGES = 128, 32
_ROUNDS = 6
_CLIFF_BIT = 5e4
_GAINS_DB = np.array([2.0, 1.3, 0.8, 0.4, 0.15, 0.0])


def optimise_interval(
    running: np.ndarray,
    security: SecurityParameters | None = None,
    *,
    afterpulse_probability: float = 0.0,
    limits: ParameterLimits | None = None,
) -> tuple[KeyResult, int, int]:
    """Largest key over the free parameters and over all intervals of slots.

    Parameters
    ----------
    running : (n + 1, rows, 16) array
        Of `running_tables` [1], any value.
    security : SecurityParameters, optional
    afterpulse_probability : float
        Of a click [1], in [0, 1).
    limits : ParameterLimits, optional
        What the transmitter can do.

    Returns
    -------
    KeyResult, first, last
        Slots ``first:last`` are used [1].

    Raises
    ------
    ValueError
        The tables have another shape or no slot, or the afterpulse probability is none.

    Notes
    -----
    The form is derived here: Kadane's sum (Bentley 1984) for the first intervals, then the simplex of Nelder and
    Mead 1965.

    Examples
    --------
    A slot of noise alone is left out.

    >>> from eqci_space.qkd.blocks import running_tables
    >>> running = running_tables(np.array([1e-3, 1e-3, 1e-9]), 1e-6, 0.01, 1e10)
    >>> optimise_interval(running)[1:]
    (0, 2)
    """
    if running.ndim != 3 or running.shape[0] < 2 or running.shape[1] not in ROWS:
        raise ValueError(
            f"optimise_interval: tables of shape {running.shape}; expected (n + 1, rows, nodes) with n >= 1 and 3, 5 "
            "or 10 rows"
        )
    check_afterpulses(afterpulse_probability)
    security, limits = security or SecurityParameters(), limits or ParameterLimits()
    light = np.array([afterpulse_probability, 1.0])
    cuts = np.unique(_cuts(running, light), axis=0)
    x, first, last = _optimise_interval(running, light, security.as_array(), limits.as_array(), cuts)
    counts = table_counts(running[last] - running[first], light, x)
    return key_result(counts, x, security), int(first), int(last)


@kernel
def _cuts(running, light):  # type: ignore[no-untyped-def]
    """Intervals (c, 2) from which to start: the whole, and the best at several error rates.

    A key grows with the clicks of an interval and shrinks with its errors, so the best interval has, for some error
    rate e, nearly the largest ``clicks - errors / e`` of all: Kadane's sum. The rates are quantiles of the slots' own.
    """
    slots = running.shape[0] - 1
    x = np.array([0.0, 1.0, 0.0, _CUT_INTENSITY, 0.0, 0.0, 1.0])
    clicks, wrong = np.empty(slots), np.empty(slots)
    for i in range(slots):
        counts = table_counts(running[i + 1] - running[i], light, x)
        clicks[i], wrong[i] = counts[3], counts[9]
    rates = np.sort(np.where(clicks > 0, wrong / np.where(clicks > 0, clicks, 1.0), 1.0))
    cuts = np.zeros((_CUT_SHARES.size + 1, 2), np.int64)
    cuts[:, 1] = slots
    for c in range(_CUT_SHARES.size):
        error = max(rates[int(_CUT_SHARES[c] * (slots - 1))], 1e-9)
        best, total, start = -1e300, 0.0, 0
        for i in range(slots):
            if total <= 0:
                total, start = 0.0, i
            total += clicks[i] - wrong[i] / error
            if total > best:
                best, cuts[c, 0], cuts[c, 1] = total, start, i + 1
    return cuts


@kernel
def _part(running, first, last):  # type: ignore[no-untyped-def]
    out = np.empty((1, running.shape[1], running.shape[2]))
    out[0] = running[last] - running[first]
    return out


@kernel
def _part_value(running, first, last, light, security, x, part, counts):  # type: ignore[no-untyped-def]
    """`block_value` of some slots, with room for their table and counts."""
    for row in range(part.shape[1]):
        for j in range(part.shape[2]):
            part[0, row, j] = running[last, row, j] - running[first, row, j]
    return block_value_in(part, light, security, x, counts)


@kernel
def _sweep(running, light, security, x, first, last, value, edges):  # type: ignore[no-untyped-def]
    """Best interval at given parameters: move one edge over all slots, then the other, until neither gains."""
    slots = running.shape[0] - 1
    step = max(1, slots // edges)
    part, counts = np.empty((1, running.shape[1], running.shape[2])), np.zeros(12)
    moved = True
    while moved:
        moved = False
        for edge in range(0, last, step):
            found = _part_value(running, edge, last, light, security, x, part, counts)
            if found > value + 1e-9 * abs(value):
                first, value, moved = edge, found, True
        for back in range(0, slots - first, step):
            found = _part_value(running, first, slots - back, light, security, x, part, counts)
            if found > value + 1e-9 * abs(value):
                last, value, moved = slots - back, found, True
    return first, last, value


@kernel
def _climb(running, light, security, limits, x, first, last, size, edges):  # type: ignore[no-untyped-def]
    """Better parameters from given ones, then the best interval for them."""
    y, value = nelder_mead(_part(running, first, last), light, security, limits, to_free(x, limits), size)
    x = from_free(y, limits)
    first, last, value = _sweep(running, light, security, x, first, last, value, edges)
    return x, first, last, value


@kernel
def _climb_from_cuts(running, light, security, limits, cuts):  # type: ignore[no-untyped-def]
    """Every level of p1 climbs from the cut at which its grid is best."""
    points = grid_points(limits)
    starts, values = grid_starts(_part(running, cuts[0, 0], cuts[0, 1]), light, security, points)
    cut = np.zeros(len(values), np.int64)
    for c in range(1, cuts.shape[0]):
        other, found = grid_starts(_part(running, cuts[c, 0], cuts[c, 1]), light, security, points)
        for i in range(len(values)):
            if found[i] > values[i]:
                starts[i], values[i], cut[i] = other[i], found[i], c
    best, best_x, best_first, best_last = -1e300, starts[0], cuts[0, 0], cuts[0, 1]
    for i in range(len(values)):
        first, last = cuts[cut[i], 0], cuts[cut[i], 1]
        x, first, last, value = _climb(running, light, security, limits, starts[i], first, last, 0.5, _FIRST_EDGES)
        if value > best:
            best, best_x, best_first, best_last = value, x, first, last
    return best_x, best_first, best_last, best


@kernel
def _followed(running, light, security, limits, cuts):  # type: ignore[no-untyped-def]
    """The optimum under stronger light, followed down to the light there is; only where there is key at the start."""
    bright = light.copy()
    bright[1] = light[1] * 10 ** (_GAINS_DB[0] / 10)
    x, first, last, value = _climb_from_cuts(running, bright, security, limits, cuts)
    if value <= 0:
        return x, first, last, -1e300
    for gain_db in _GAINS_DB[1:]:
        bright[1] = light[1] * 10 ** (gain_db / 10)
        x, first, last, value = _climb(running, bright, security, limits, x, first, last, 0.2, _FIRST_EDGES)
    return x, first, last, value


@kernel
def _optimise_interval(running, light, security, limits, cuts):  # type: ignore[no-untyped-def]
    """Best parameters and interval: the best of the climbs goes on until nothing is gained."""
    smooth = without_steps(security)
    x, first, last, best = _climb_from_cuts(running, light, smooth, limits, cuts)
    if best <= _CLIFF_BIT:
        other_x, other_first, other_last, value = _followed(running, light, smooth, limits, cuts)
        if value > best:
            x, first, last, best = other_x, other_first, other_last, value
    for _ in range(_ROUNDS):
        before = best
        x, first, last, best = _climb(running, light, smooth, limits, x, first, last, 0.2, _SWEPT_EDGES)
        if best - before <= 1e-6 * abs(before):
            break
    return settled(_part(running, first, last), light, security, limits, to_free(x, limits)), first, last
