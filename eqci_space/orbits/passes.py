"""Pass search: every interval in which a satellite stands above a station's minimum elevation.

The search function is ``h(t) = (s-g)·u - |s-g| sin ε`` [m] with satellite s, station g, zenith u and
minimum elevation ε: positive above ε. Two bounds make the search complete. With speed at most V,
``|h'| <= V(1 + sin ε)`` lets it jump over time in which h cannot reach zero. With acceleration at most A
and distance at least d, ``h'' >= -A(1 + sin ε) - sin ε V²/d`` and ``h'' <= A(1 + sin ε)`` prove that an
interval has no root, or exactly one; otherwise it is halved, down to a millisecond. Derived here.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from eqci_space.errors import TimeError
from eqci_space.kernels import kernel
from eqci_space.orbits.earth import station_frame, times_from
from eqci_space.orbits.ephemeris import Ephemeris, ephemerides, interpolate
from eqci_space.scenario import Scenario
from eqci_space.tables import check_table

__all__ = ["find_passes", "search_passes"]

_SMALLEST_S = 1e-3
_ROOT_S = 1e-7
_STACK = 128


@kernel
def _height(grid, first, step, g, u, sine, t):  # type: ignore[no-untyped-def]
    """The search function h at time t [m]."""
    x, y, z = interpolate(grid, first, step, t)
    dx, dy, dz = x - g[0], y - g[1], z - g[2]
    return dx * u[0] + dy * u[1] + dz * u[2] - sine * np.sqrt(dx * dx + dy * dy + dz * dz)


@kernel
def _distance(grid, first, step, g, t):  # type: ignore[no-untyped-def]
    x, y, z = interpolate(grid, first, step, t)
    return np.sqrt((x - g[0]) ** 2 + (y - g[1]) ** 2 + (z - g[2]) ** 2)


@kernel
def _sine(grid, first, step, g, u, t):  # type: ignore[no-untyped-def]
    """Sine of the elevation."""
    return _height(grid, first, step, g, u, 0.0, t) / _distance(grid, first, step, g, t)


@kernel
def _root(grid, first, step, g, u, sine, t0, h0, t1, h1):  # type: ignore[no-untyped-def]
    """Root in a bracket by the Illinois variant of false position, kept safe by bisection."""
    for i in range(200):
        if t1 - t0 < _ROOT_S:
            break
        t = 0.5 * (t0 + t1) if i % 4 == 3 else t0 - h0 * (t1 - t0) / (h1 - h0)
        t = min(max(t, t0 + 0.25 * _ROOT_S), t1 - 0.25 * _ROOT_S)
        h = _height(grid, first, step, g, u, sine, t)
        if h == 0.0:
            return t
        if (h < 0.0) == (h0 < 0.0):
            t0, h0 = t, h
        else:
            t1, h1 = t, h
    return 0.5 * (t0 + t1)


@kernel
def _crossings(grid, first, step, g, u, sine, begin, end, speed, up_bend, down_bend):  # type: ignore[no-untyped-def]
    """Times in [begin, end] at which h changes sign, in order, and whether h is positive at `begin`.

    `speed` bounds |h'|, `up_bend` bounds h'' from above and `down_bend` bounds -h'' from above.
    """
    roots = []
    t0 = begin
    h0 = _height(grid, first, step, g, u, sine, t0)
    above = h0 > 0.0
    stack = np.empty((_STACK, 4))
    while t0 < end:
        jump = abs(h0) / speed
        width = max(jump, step)
        t1 = min(t0 + width, end)
        h1 = _height(grid, first, step, g, u, sine, t1)
        if jump >= t1 - t0:
            t0, h0 = t1, h1
            continue
        top = 0
        stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = t0, h0, t1, h1
        while top >= 0:
            a, ha, b, hb = stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3]
            top -= 1
            w = b - a
            same = (ha > 0.0) == (hb > 0.0)
            if same:
                if ha > 0.0:
                    clear = min(ha, hb) - up_bend * w * w / 8.0 > 0.0
                else:
                    clear = max(ha, hb) + down_bend * w * w / 8.0 < 0.0
                if clear or 0.5 * (abs(ha) + abs(hb)) > 0.5 * speed * w or w < _SMALLEST_S:
                    continue
            elif abs(hb - ha) / w > 0.5 * max(up_bend, down_bend) * w or w < _SMALLEST_S:
                roots.append(_root(grid, first, step, g, u, sine, a, ha, b, hb))
                continue
            m = 0.5 * (a + b)
            hm = _height(grid, first, step, g, u, sine, m)
            top += 1
            stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3] = m, hm, b, hb
            top += 1
            stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3] = a, ha, m, hm
        t0, h0 = t1, h1
    return roots, above


@kernel
def _best(grid, first, step, g, u, a, b, nearest):  # type: ignore[no-untyped-def]
    """Time in [a, b] of the largest elevation, or of the smallest distance when `nearest`."""
    n = max(9, int(4 * (b - a) / step) + 1)
    width = (b - a) / (n - 1)
    best_value, best_t = -1e300, a
    for i in range(n):
        t = a + i * width
        value = -_distance(grid, first, step, g, t) if nearest else _sine(grid, first, step, g, u, t)
        if value > best_value:
            best_value, best_t = value, t
    lo, hi = max(a, best_t - width), min(b, best_t + width)
    while hi - lo > 1e-4:
        third = (hi - lo) / 3.0
        p, q = lo + third, hi - third
        if nearest:
            fp, fq = -_distance(grid, first, step, g, p), -_distance(grid, first, step, g, q)
        else:
            fp, fq = _sine(grid, first, step, g, u, p), _sine(grid, first, step, g, u, q)
        if fp < fq:
            lo = p
        else:
            hi = q
    return 0.5 * (lo + hi)


@kernel
def _search(grid, first, step, g, u, sine, begin, end, speed, up_bend, down_bend):  # type: ignore[no-untyped-def]
    """Rows (aos, tca, los, sine of maximum elevation, smallest distance) of all passes in [begin, end]."""
    roots, above = _crossings(grid, first, step, g, u, sine, begin, end, speed, up_bend, down_bend)
    edges = [begin] if above else [0.0][:0]
    for r in roots:
        edges.append(r)
    if len(edges) % 2 == 1:
        edges.append(end)
    rows = np.empty((len(edges) // 2, 5))
    for i in range(rows.shape[0]):
        a, b = edges[2 * i], edges[2 * i + 1]
        tca = _best(grid, first, step, g, u, a, b, False)
        rows[i, 0], rows[i, 1], rows[i, 2] = a, tca, b
        rows[i, 3] = _sine(grid, first, step, g, u, tca)
        rows[i, 4] = _distance(grid, first, step, g, _best(grid, first, step, g, u, a, b, True))
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
    return _search(
        e.grid_m, e.first_s, e.step_s, position_m, np.ascontiguousarray(zenith), sine, 0.0, end_s,
        speed, up_bend, down_bend,
    )  # fmt: skip


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
    """
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
