"""Pass search: every interval in which a satellite stands above a station's minimum elevation.

The search function is ``h(t) = (s-g)·u - |s-g| sin ε`` [m] with satellite s, station g, zenith u and
minimum elevation ε: positive above ε. Two bounds make the search complete. With speed at most V,
``|h'| <= V(1 + sin ε)`` lets it pass over time in which h cannot reach zero. With acceleration at most A
and distance at least d, ``h'' >= -A(1 + sin ε) - sin ε V²/d`` and ``h'' <= A(1 + sin ε)`` prove that an
interval has no root, or exactly one; otherwise it is halved, down to a millisecond. Derived here.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from eqci_space.errors import TableError, TimeError
from eqci_space.kernels import kernel
from eqci_space.orbits.earth import station_frame, times_from
from eqci_space.orbits.ephemeris import Ephemeris, ephemerides, interpolate
from eqci_space.scenario import Scenario
from eqci_space.tables import check_table

__all__ = ["find_passes", "search_passes"]

_SMALLEST_S = 1e-3
_ROOT_S = 1e-8
_EXTREMUM_S = 0.05
_STACK = 128


@kernel
def _height(grid, first, step, g, u, sine, t):  # type: ignore[no-untyped-def]
    """The search function h at time t [m]."""
    x, y, z = interpolate(grid, first, step, t)
    dx, dy, dz = x - g[0], y - g[1], z - g[2]
    return dx * u[0] + dy * u[1] + dz * u[2] - sine * np.sqrt(dx * dx + dy * dy + dz * dz)


@kernel
def _root(grid, first, step, g, u, sine, t0, h0, t1, h1):  # type: ignore[no-untyped-def]
    """Root in a bracket by false position, Illinois variant (Dowell and Jarratt 1971)."""
    enough = _ROOT_S * abs(h1 - h0) / (t1 - t0)
    kept = 0
    for _ in range(100):
        t = t0 - h0 * (t1 - t0) / (h1 - h0)
        if t1 - t0 < _ROOT_S:
            return t
        h = _height(grid, first, step, g, u, sine, t)
        if abs(h) < enough:
            return t
        if (h < 0.0) == (h0 < 0.0):
            t0, h0 = t, h
            h1 = 0.5 * h1 if kept == 1 else h1
            kept = 1
        else:
            t1, h1 = t, h
            h0 = 0.5 * h0 if kept == -1 else h0
            kept = -1
    return 0.5 * (t0 + t1)


@kernel
def _append(roots, count, value):  # type: ignore[no-untyped-def]
    """Store a value, doubling the array when it is full."""
    if count == roots.size:
        larger = np.empty(2 * count)
        larger[:count] = roots
        roots = larger
    roots[count] = value
    return roots, count + 1


@kernel
def _interval_roots(grid, first, step, g, u, sine, a, ha, b, hb, bounds, stack, roots, count):  # type: ignore[no-untyped-def]
    """All roots of h in [a, b], halving until the bounds decide each piece; `bounds` as in `_crossings`."""
    speed, up_bend, down_bend = bounds
    top = 0
    stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = a, ha, b, hb
    while top >= 0:
        a, ha, b, hb = stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3]
        top -= 1
        w = b - a
        if (ha > 0.0) == (hb > 0.0):
            bend = up_bend if ha > 0.0 else down_bend
            low = min(abs(ha), abs(hb))
            if low > bend * w * w / 8.0 or abs(ha) + abs(hb) > speed * w or w < _SMALLEST_S:
                continue
        elif abs(hb - ha) > 0.5 * max(up_bend, down_bend) * w * w or w < _SMALLEST_S:
            roots, count = _append(roots, count, _root(grid, first, step, g, u, sine, a, ha, b, hb))
            continue
        m = 0.5 * (a + b)
        hm = _height(grid, first, step, g, u, sine, m)
        stack[top + 1, 0], stack[top + 1, 1], stack[top + 1, 2], stack[top + 1, 3] = m, hm, b, hb
        stack[top + 2, 0], stack[top + 2, 1], stack[top + 2, 2], stack[top + 2, 3] = a, ha, m, hm
        top += 2
    return roots, count


@kernel
def _node_heights(grid, low, high, g, u, sine):  # type: ignore[no-untyped-def]
    """The search function at the grid nodes low..high-1; plain arithmetic that compiles to vector instructions."""
    out = np.empty(high - low)
    for k in range(high - low):
        dx, dy, dz = grid[0, low + k] - g[0], grid[1, low + k] - g[1], grid[2, low + k] - g[2]
        out[k] = dx * u[0] + dy * u[1] + dz * u[2] - sine * np.sqrt(dx * dx + dy * dy + dz * dz)
    return out


@kernel
def _crossings(grid, first, step, g, u, sine, begin, end, bounds):  # type: ignore[no-untyped-def]
    """Times in [begin, end] at which h changes sign, in order, and whether h is positive at `begin`.

    `bounds` are those of |h'|, of h'' from above, and of -h'' from above. Between two nodes of one sign whose
    |h| add up to more than the bound of |h'| times the step, h has no root.
    """
    roots, count = np.empty(64), 0
    stack = np.empty((_STACK, 4))
    low = int(np.floor((begin - first) / step)) + 1
    high = int(np.ceil((end - first) / step))
    heights = _node_heights(grid, low, high, g, u, sine)
    far = bounds[0] * step
    h0 = _height(grid, first, step, g, u, sine, begin)
    h_end = _height(grid, first, step, g, u, sine, end)
    above = h0 > 0.0
    for k in range(high - low + 1):
        h1 = heights[k] if k < high - low else h_end
        if h0 * h1 > 0.0 and abs(h0 + h1) > far:
            h0 = h1
            continue
        t0 = first + (low + k - 1) * step if k > 0 else begin
        t1 = first + (low + k) * step if k < high - low else end
        roots, count = _interval_roots(grid, first, step, g, u, sine, t0, h0, t1, h1, bounds, stack, roots, count)
        h0 = h1
    return roots[:count], above


@kernel
def _merits(grid, first, step, g, u, t):  # type: ignore[no-untyped-def]
    """Sine of the elevation, and minus the squared distance [m²]."""
    x, y, z = interpolate(grid, first, step, t)
    dx, dy, dz = x - g[0], y - g[1], z - g[2]
    square = dx * dx + dy * dy + dz * dz
    return (dx * u[0] + dy * u[1] + dz * u[2]) / np.sqrt(square), -square


@kernel
def _polish(grid, first, step, g, u, best, value, low, high, width, which):  # type: ignore[no-untyped-def]
    """Largest merit `which` in [low, high] near `best`, by parabolas through three ever closer points.

    The last parabola spans less than two seconds, where its vertex is good to a millisecond in low orbits.
    """
    h = 0.25 * width
    for _ in range(40):
        if h < _EXTREMUM_S:
            break
        left, right = max(low, best - h), min(high, best + h)
        fl = _merits(grid, first, step, g, u, left)[which]
        fr = _merits(grid, first, step, g, u, right)[which]
        if fl > value or fr > value:
            best, value = (left, fl) if fl > fr else (right, fr)
            continue
        dl, dr = best - left, right - best
        bend = (fl - value) * dr + (fr - value) * dl
        if bend < 0.0 and dl > 0.0 and dr > 0.0:
            t = best + 0.5 * ((fl - value) * dr * dr - (fr - value) * dl * dl) / bend
            f = _merits(grid, first, step, g, u, t)[which]
            if f > value:
                best, value = t, f
        h *= 0.02
    return best, value


@kernel
def _culmination(grid, first, step, g, u, a, b):  # type: ignore[no-untyped-def]
    """Time and sine of the largest elevation in [a, b], and the smallest distance there."""
    n = max(5, int((b - a) / step) + 2)
    width = (b - a) / (n - 1)
    top, nearest = a, a
    sine, closeness = -2.0, -1e300
    for i in range(n):
        t = a + i * width
        s, c = _merits(grid, first, step, g, u, t)
        if s > sine:
            top, sine = t, s
        if c > closeness:
            nearest, closeness = t, c
    top, sine = _polish(grid, first, step, g, u, top, sine, max(a, top - width), min(b, top + width), width, 0)
    low, high = max(a, nearest - width), min(b, nearest + width)
    _, closeness = _polish(grid, first, step, g, u, nearest, closeness, low, high, width, 1)
    return top, sine, np.sqrt(-closeness)


@kernel
def _search(grid, first, step, g, u, sine, begin, end, bounds):  # type: ignore[no-untyped-def]
    """Rows (aos, tca, los, sine of maximum elevation, smallest distance) of all passes in [begin, end]."""
    roots, above = _crossings(grid, first, step, g, u, sine, begin, end, bounds)
    shift = 1 if above else 0
    rows = np.empty(((roots.size + shift + 1) // 2, 5))
    for i in range(rows.shape[0]):
        j = 2 * i - shift
        a = roots[j] if j >= 0 else begin
        b = roots[j + 1] if j + 1 < roots.size else end
        rows[i, 0], rows[i, 2] = a, b
        rows[i, 1], rows[i, 3], rows[i, 4] = _culmination(grid, first, step, g, u, a, b)
    return rows


def search_passes(
    ephemeris: Ephemeris, position_m: np.ndarray, zenith: np.ndarray, min_elevation_deg: float, end_s: float
) -> np.ndarray:
    """All passes of one satellite over one station in [0, `end_s`] after the ephemeris' start.

    Parameters
    ----------
    position_m, zenith : (3,) arrays
        Earth-fixed station and its geodetic zenith.
    min_elevation_deg : float
        Geometric, 0 to 90 [deg].
    end_s : float
        [s]

    Returns
    -------
    (n, 5) array
        aos, tca, los [s], sine of the largest elevation, smallest slant range [m].
    """
    e = ephemeris
    sine = float(np.sin(np.radians(min_elevation_deg)))
    nearest = max(1.0, e.perigee_radius_m - float(np.linalg.norm(position_m)))
    up_bend = e.acceleration_bound_m_s2 * (1 + sine)
    down_bend = up_bend + sine * e.speed_bound_m_s**2 / nearest
    speed = e.speed_bound_m_s * (1 + sine)
    bounds = (speed, up_bend, down_bend)
    return _search(e.grid_m, e.first_s, e.step_s, position_m, np.ascontiguousarray(zenith), sine, 0.0, end_s, bounds)


def find_passes(
    scenario: Scenario,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    min_elevation_deg: float | None = None,
) -> pd.DataFrame:
    """Passes of every satellite over every station of a scenario.

    Parameters
    ----------
    scenario : Scenario
    start, end : datetime, optional
        Aware; default the scenario's period.
    min_elevation_deg : float, optional
        Overrides the stations' own value [deg].

    Returns
    -------
    DataFrame
        PASSES, sorted by AOS; empty when there is no satellite or no pass.

    Raises
    ------
    TimeError
        `end` is not after `start`, or a time is naive.
    TableError
        `min_elevation_deg` is out of range.
    """
    if min_elevation_deg is not None and not 0 <= min_elevation_deg < 90:
        raise TableError(f"find_passes: min_elevation_deg={min_elevation_deg}; expected 0 to 90 degrees")
    begin, finish = start or scenario.start, end or scenario.end
    if begin.tzinfo is None or finish.tzinfo is None or finish <= begin:
        raise TimeError(f"find_passes: period {begin} to {finish}; expected aware times, end after start")
    length = (finish - begin).total_seconds()
    tables = []
    for name, ephemeris in ephemerides(scenario, begin, finish).items():
        for ogs, station in scenario.stations.items():
            position, rotation = station_frame(station.latitude_deg, station.longitude_deg, station.height_ellipsoid_m)
            elevation = station.min_elevation_deg if min_elevation_deg is None else min_elevation_deg
            rows = search_passes(ephemeris, position, rotation[2], elevation, length)
            tables.append(_pass_table(rows, name, ogs, begin, length))
    passes = pd.concat(tables) if tables else _pass_table(np.empty((0, 5)), "", "", begin, length)
    passes = passes.sort_values(["aos", "satellite", "ogs"]).set_index("pass_id")
    return check_table(passes, "PASSES", "find_passes")


def _pass_table(rows: np.ndarray, satellite: str, ogs: str, start: datetime, length: float) -> pd.DataFrame:
    aos, tca, los = (times_from(start, rows[:, i]) for i in range(3))
    return pd.DataFrame(
        {
            "pass_id": pd.Series([f"{satellite}/{ogs}/{t:%Y%m%dT%H%M%SZ}" for t in aos], dtype=str),
            "satellite": pd.Series([satellite] * len(rows), dtype=str),
            "ogs": pd.Series([ogs] * len(rows), dtype=str),
            "aos": aos,
            "tca": tca,
            "los": los,
            "max_elevation_deg": np.degrees(np.arcsin(np.clip(rows[:, 3], -1.0, 1.0))),
            "min_range_m": rows[:, 4],
            "truncated": (rows[:, 0] <= 0.0) | (rows[:, 2] >= length),
        }
    )
