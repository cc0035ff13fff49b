"""The compiled part of the pass search: from a grid of positions to the rows of all passes over many stations.

The search function is ``h(t) = (s-g)·u - |s-g| sin ε`` [m] with satellite s, station g, zenith u and
minimum elevation ε: positive above ε. Two bounds make the search complete. With speed at most V,
``|h'| <= V(1 + sin ε)`` lets it pass over time in which h cannot reach zero. With acceleration at most A
and distance at least d, ``h'' >= -A(1 + sin ε) - sin ε V²/d`` and ``h'' <= A(1 + sin ε)`` prove that an
interval has no root, or exactly one; otherwise it is halved, down to a millisecond. Derived here.

The bounds are those of motion under gravity, so the proof assumes that the nodes are states of one unbroken orbit. That
is checked before (`eqci_space.orbits.soundness`): above 80 km, below 1.5 times the apogee, and without leaps of more
than 10 km; a smaller leap can hide or make a pass of seconds at the minimum elevation.

One sweep over the grid serves all stations: the polynomial of an interval is made once, when a station needs it.

In the kernels, a `piece` is an interval's motion (polynomial, middle, 1/step), a `site` is a station (position,
zenith, sine of the minimum elevation), and `state` is the row of a station's present pass and the signs of its rates.
"""

from __future__ import annotations

import numpy as np

from eqci_space.machine.kernels import kernel
from eqci_space.orbits.interpolation import NODES, interval_polynomial, polynomial_state

__all__ = ["AOS", "CLOSEST", "COLUMNS", "LOS", "RANGE", "SINE", "SITE", "TCA", "search_rows"]

# A row: station number, times [s], sine of the largest elevation, time [s] and distance [m] of the closest approach.
SITE, AOS, TCA, LOS, SINE, CLOSEST, RANGE = range(7)
COLUMNS = 7
_RISING, _RECEDING = 7, 8  # a state has these two more: signs of the rates of elevation and distance
_STATE = 9

_SMALLEST_S = 1e-3
_ROOT_S = 1e-8
_EXTREMUM_S = 1e-3
_DEEPEST = 128

Piece = tuple[np.ndarray, float, float]
Site = tuple[float, float, float, float, float, float, float]


@kernel
def _height(piece: Piece, site: Site, t: float) -> tuple[float, float]:
    """The search function h at time t [m], and its rate [m/s]."""
    c, middle, per_second = piece
    gx, gy, gz, ux, uy, uz, sine = site
    x, y, z, vx, vy, vz = polynomial_state(c, (t - middle) * per_second, per_second)
    dx, dy, dz = x - gx, y - gy, z - gz
    distance = np.sqrt(dx * dx + dy * dy + dz * dz)
    closing = (dx * vx + dy * vy + dz * vz) / distance
    return dx * ux + dy * uy + dz * uz - sine * distance, vx * ux + vy * uy + vz * uz - sine * closing


@kernel
def _root(piece: Piece, site: Site, t0: float, h0: float, t1: float, h1: float, bend: float) -> float:
    """Root in a bracket: Newton steps from the secant, halving when a step would leave the bracket.

    A step dt leaves an error of at most bend dt²/(2 ``|h'|``), `bend` being the bound of ``|h''|``.
    """
    t = t0 - h0 * (t1 - t0) / (h1 - h0)
    for _ in range(100):
        h, rate = _height(piece, site, t)
        if (h > 0.0) == (h0 > 0.0):
            t0 = t
        else:
            t1 = t
        step = -h / rate if rate != 0.0 else np.inf
        if bend * step * step < 2.0 * _ROOT_S * abs(rate) or t1 - t0 < _ROOT_S:
            return min(max(t + step, t0), t1)
        t += step
        if not t0 < t < t1:
            t = 0.5 * (t0 + t1)
    return t


@kernel
def _has_no_root(ha: float, hb: float, w: float, bounds: tuple[float, float, float]) -> bool:
    """Whether the bounds keep h from zero over a time `w` between two heights of one sign."""
    speed, up_bend, down_bend = bounds
    bend = up_bend if ha > 0.0 else down_bend
    low = min(abs(ha), abs(hb))
    return low > bend * w * w / 8.0 or abs(ha) + abs(hb) > speed * w or w < _SMALLEST_S


@kernel
def _has_one_root(ha: float, hb: float, w: float, bounds: tuple[float, float, float]) -> bool:
    """Whether the bounds prove h monotone over a time `w` between two heights of different sign."""
    return abs(hb - ha) > 0.5 * max(bounds[1], bounds[2]) * w * w or w < _SMALLEST_S


@kernel
def _find_roots(
    piece: Piece,
    site: Site,
    ends: tuple[float, float, float, float],
    bounds: tuple[float, float, float],
    stack: np.ndarray,
    roots: np.ndarray,
) -> int:
    """Roots of h between two times into `roots`, in order; returns their number.

    `ends` is (a, h(a), b, h(b)). Halves until the bounds decide each part. One place of `roots` stays free.
    """  # fmt: skip
    bend = max(bounds[1], bounds[2])
    count = 0
    top = 0
    stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = ends
    while top >= 0:
        a, ha, b, hb = stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3]
        top -= 1
        w = b - a
        if (ha > 0.0) == (hb > 0.0):
            if _has_no_root(ha, hb, w, bounds):
                continue
        elif _has_one_root(ha, hb, w, bounds):
            roots[count] = _root(piece, site, a, ha, b, hb, bend)
            count += 1
            if count == roots.size - 1:
                return count
            continue
        m = 0.5 * (a + b)
        hm = _height(piece, site, m)[0]
        stack[top + 1, 0], stack[top + 1, 1], stack[top + 1, 2], stack[top + 1, 3] = m, hm, b, hb
        stack[top + 2, 0], stack[top + 2, 1], stack[top + 2, 2], stack[top + 2, 3] = a, ha, m, hm
        top += 2
    return count


@kernel
def _motion(piece: Piece, site: Site, t: float) -> tuple[float, float, float, float]:
    """Sine of the elevation, distance [m], and two numbers with the signs of the rates of both.

    Under straight motion the first of the two, (v·u)|d|² - (d·u)(d·v), and the second, d·v, are linear in time.
    """
    c, middle, per_second = piece
    gx, gy, gz, ux, uy, uz, _ = site
    x, y, z, vx, vy, vz = polynomial_state(c, (t - middle) * per_second, per_second)
    dx, dy, dz = x - gx, y - gy, z - gz
    square = dx * dx + dy * dy + dz * dz
    up = dx * ux + dy * uy + dz * uz
    receding = dx * vx + dy * vy + dz * vz
    distance = np.sqrt(square)
    return up / distance, distance, (vx * ux + vy * uy + vz * uz) * square - up * receding, receding


_OF_ELEVATION, _OF_DISTANCE = 2, 3  # which number of `_motion`


@kernel
def _turning_point(piece: Piece, site: Site, which: int, t0: float, f0: float, t1: float, f1: float) -> float:
    """Where rate `which` of `_motion` changes sign in a bracket, by false position (Illinois; Dowell, Jarratt 1971)."""
    last, t = t0, t0
    kept = 0
    for _ in range(100):
        t = t0 - f0 * (t1 - t0) / (f1 - f0)
        if abs(t - last) < _EXTREMUM_S or t1 - t0 < _EXTREMUM_S:
            break
        last = t
        f = _motion(piece, site, t)[which]
        if (f < 0.0) == (f0 < 0.0):
            t0, f0 = t, f
            f1 = 0.5 * f1 if kept == 1 else f1
            kept = 1
        else:
            t1, f1 = t, f
            f0 = 0.5 * f0 if kept == -1 else f0
            kept = -1
    return t


@kernel
def _open(piece: Piece, site: Site, t: float, state: np.ndarray) -> None:
    """Begin a pass at `t`: so far it is highest and closest there."""
    state[AOS], state[TCA], state[CLOSEST] = t, t, t
    state[SINE], state[RANGE], state[_RISING], state[_RECEDING] = _motion(piece, site, t)


@kernel
def _extend(piece: Piece, site: Site, a: float, b: float, state: np.ndarray) -> None:
    """Carry the culmination and the closest approach of a pass from `a` to `b`.

    A part is at most one grid step long, 1/31 of the perigee's angular period, so each rate changes sign once.
    """
    sine, distance, rising, receding = _motion(piece, site, b)
    if sine > state[SINE]:
        state[TCA], state[SINE] = b, sine
    if distance < state[RANGE]:
        state[CLOSEST], state[RANGE] = b, distance
    if state[_RECEDING] < 0.0 <= receding:
        t = _turning_point(piece, site, _OF_DISTANCE, a, state[_RECEDING], b, receding)
        distance = _motion(piece, site, t)[1]
        if distance < state[RANGE]:
            state[CLOSEST], state[RANGE] = t, distance
    if state[_RISING] > 0.0 >= rising:
        t = _turning_point(piece, site, _OF_ELEVATION, a, state[_RISING], b, rising)
        sine = _motion(piece, site, t)[0]
        if sine > state[SINE]:
            state[TCA], state[SINE] = t, sine
    state[_RISING], state[_RECEDING] = rising, receding


@kernel
def _close(t: float, state: np.ndarray, rows: np.ndarray, count: int) -> tuple[np.ndarray, int]:
    """End a pass at `t` and keep its row; returns the rows, twice as long where they were full, and their number."""
    if count == rows.shape[0]:
        rows = np.concatenate((rows, np.empty_like(rows)))
    state[LOS] = t
    rows[count] = state[:COLUMNS]
    return rows, count + 1


@kernel
def _follow(
    piece: Piece,
    site: Site,
    above: bool,
    begin: float,
    marks: np.ndarray,
    is_last: bool,
    state: np.ndarray,
    rows: np.ndarray,
    count: int,
) -> tuple[np.ndarray, int]:
    r"""Open, carry on and close passes from `begin` over the roots of h to the part's end, the last of the `marks`.

    `above` is the sign of h behind `begin`, `is_last` whether the station's period ends with this part. Every root
    changes the sign::

        h                  .---.                      .---
        |                 /     \                    /
        0 --------------+---------+----------------+------|  minimum elevation
        |              /           \              /       |
        |   ----------'             '------------'        |
        |               |         |                |      |
        above    false  |  true   |     false      | true |
        at its end:   _open    _extend           _open  _extend
                               _close                   _close if is_last, else the next part carries on

    A station whose period begins above the limit has its pass opened there, before this is called.
    """  # fmt: skip
    for i in range(marks.size):
        end = marks[i]
        is_root = i < marks.size - 1
        if above:
            _extend(piece, site, begin, end, state)
            if is_root or is_last:
                rows, count = _close(end, state, rows, count)
        elif is_root:
            _open(piece, site, end, state)
        above = not above
        begin = end
    return rows, count


@kernel
def _node_heights(grid: np.ndarray, k: int, sites: np.ndarray, out: np.ndarray) -> None:
    """The search function of all stations at grid node `k`; plain arithmetic that compiles to vector instructions."""
    x, y, z = grid[0, k], grid[1, k], grid[2, k]
    for n in range(out.size):
        dx, dy, dz = x - sites[0, n], y - sites[1, n], z - sites[2, n]
        distance = np.sqrt(dx * dx + dy * dy + dz * dz)
        out[n] = dx * sites[3, n] + dy * sites[4, n] + dz * sites[5, n] - sites[6, n] * distance


@kernel
def _site(sites: np.ndarray, n: int) -> Site:
    return sites[0, n], sites[1, n], sites[2, n], sites[3, n], sites[4, n], sites[5, n], sites[6, n]


@kernel
def _stays_below(ha: float, hb: float, clear: float, reach: float) -> bool:
    """Whether a station sees nothing over a whole grid interval, as most do: both ends too far below the limit."""
    return ha < 0.0 and hb < 0.0 and (max(ha, hb) < clear or ha + hb < -reach)


@kernel
def search_rows(
    grid: np.ndarray,
    first: float,
    step: float,
    sites: np.ndarray,
    begins: np.ndarray,
    ends: np.ndarray,
    bounds: np.ndarray,
) -> np.ndarray:
    """Rows of all passes, in the order in which they end.

    `sites` (7, n): position, zenith, sine of the minimum elevation; `bounds` (3, n): of ``|h'|``, of h'' from above,
    and of -h'' from above; `begins` and `ends` are the stations' periods. Interval by interval, the heights at its
    two nodes exclude most stations; the others have the roots in it found and their passes followed over them.
    """  # fmt: skip
    total = sites.shape[1]
    rows, count = np.empty((256, COLUMNS)), 0
    states = np.empty((total, _STATE))
    states[:, SITE] = np.arange(total)
    polynomial = np.empty((NODES, 3))
    roots, stack = np.empty(_DEEPEST + 1), np.empty((_DEEPEST, 4))
    left, right = np.empty(total), np.empty(total)
    clear, reach = -bounds[2] * step * step / 8.0, bounds[0] * step
    low = int(np.floor((begins.min() - first) / step)) if total else 0
    high = min(int(np.ceil((ends.max() - first) / step)), grid.shape[1] - 1) if total else 0
    _node_heights(grid, low, sites, left)
    for k in range(low, high):
        t0, t1 = first + k * step, first + (k + 1) * step
        piece = (polynomial, 0.5 * (t0 + t1), 1.0 / step)
        made = False
        _node_heights(grid, k + 1, sites, right)
        for n in range(total):
            if _stays_below(left[n], right[n], clear[n], reach[n]):
                continue
            # The period's ends may fall a rounding error outside the first and last node.
            a = begins[n] if k == low else max(t0, begins[n])
            b = ends[n] if k == high - 1 else min(t1, ends[n])
            if a >= b:
                continue
            if not made:
                interval_polynomial(grid, k, polynomial)
                made = True
            site = _site(sites, n)
            ha = _height(piece, site, a)[0] if a > t0 else left[n]
            hb = _height(piece, site, b)[0] if b < t1 else right[n]
            if ha > 0.0 and a == begins[n]:
                _open(piece, site, a, states[n])
            found = _find_roots(piece, site, (a, ha, b, hb), (bounds[0, n], bounds[1, n], bounds[2, n]), stack, roots)
            if found == 0 and ha <= 0.0:
                continue
            roots[found] = b
            rows, count = _follow(piece, site, ha > 0.0, a, roots[: found + 1], b == ends[n], states[n], rows, count)
        left, right = right, left
    return rows[:count]
