"""Pass search: every interval in which a satellite stands above a station's minimum elevation.

The search function is ``h(t) = (s-g)·u - |s-g| sin ε`` [m] with satellite s, station g, zenith u and
minimum elevation ε: positive above ε. Two bounds make the search complete. With speed at most V,
``|h'| <= V(1 + sin ε)`` lets it pass over time in which h cannot reach zero. With acceleration at most A
and distance at least d, ``h'' >= -A(1 + sin ε) - sin ε V²/d`` and ``h'' <= A(1 + sin ε)`` prove that an
interval has no root, or exactly one; otherwise it is halved, down to a millisecond. Derived here.

One sweep over the grid serves all stations: the polynomial of an interval is made once, when a station needs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from eqci_space.errors import TableError, TimeError
from eqci_space.machine.kernels import kernel
from eqci_space.orbits.earth import station_frame, times_from
from eqci_space.orbits.ephemeris import Ephemeris, ephemerides
from eqci_space.orbits.interpolation import NODES, interval_polynomial, polynomial_state
from eqci_space.scenario import Scenario, dated_stations
from eqci_space.tables import check_table

__all__ = ["find_passes", "search_passes"]

_SMALLEST_S = 1e-3
_ROOT_S = 1e-8
_ROUNDING_S = 1e-6
_EXTREMUM_S = 1e-3
_STACK = 128
_COLUMNS = 7
_STAMP_DIGITS = [0, 1, 2, 3, 5, 6, 8, 9, 10, 11, 12, 14, 15, 17, 18]  # of YYYY-MM-DDTHH:MM:SS


@kernel
def _height(piece, site, t):  # type: ignore[no-untyped-def]
    """The search function h at time t [m], and its rate [m/s]; `piece` is (polynomial, middle, 1/step)."""
    c, middle, per_second = piece
    gx, gy, gz, ux, uy, uz, sine = site
    x, y, z, vx, vy, vz = polynomial_state(c, (t - middle) * per_second, per_second)
    dx, dy, dz = x - gx, y - gy, z - gz
    distance = np.sqrt(dx * dx + dy * dy + dz * dz)
    closing = (dx * vx + dy * vy + dz * vz) / distance
    return dx * ux + dy * uy + dz * uz - sine * distance, vx * ux + vy * uy + vz * uz - sine * closing


@kernel
def _root(piece, site, t0, h0, t1, h1, bend):  # type: ignore[no-untyped-def]
    """Root in a bracket: Newton steps from the secant, halving when a step would leave the bracket.

    A step dt leaves an error of at most bend dt²/(2 |h'|), `bend` being the bound of |h''|.
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
def _interval_roots(piece, site, a, ha, b, hb, bounds, stack, roots):  # type: ignore[no-untyped-def]
    """Roots of h in [a, b] into `roots`, in order; returns their number. Halves until the bounds decide each part."""
    speed, up_bend, down_bend = bounds
    largest = max(up_bend, down_bend)
    count = 0
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
        elif abs(hb - ha) > 0.5 * largest * w * w or w < _SMALLEST_S:
            roots[count] = _root(piece, site, a, ha, b, hb, largest)
            count += 1
            if count == roots.size:
                return count
            continue
        m = 0.5 * (a + b)
        hm = _height(piece, site, m)[0]
        stack[top + 1, 0], stack[top + 1, 1], stack[top + 1, 2], stack[top + 1, 3] = m, hm, b, hb
        stack[top + 2, 0], stack[top + 2, 1], stack[top + 2, 2], stack[top + 2, 3] = a, ha, m, hm
        top += 2
    return count


@kernel
def _motion(piece, site, t):  # type: ignore[no-untyped-def]
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


@kernel
def _turning_point(piece, site, which, t0, f0, t1, f1):  # type: ignore[no-untyped-def]
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
def _extend(piece, site, a, rise, away, b, row):  # type: ignore[no-untyped-def]
    """Carry the culmination and the closest approach of a pass from `a` to `b`; returns the rates' signs at `b`.

    `row` as in `_search`. A part is at most one grid step long, 1/31 of the perigee's angular period.
    """
    sine, distance, rise1, away1 = _motion(piece, site, b)
    if sine > row[4]:
        row[2], row[4] = b, sine
    if distance < row[6]:
        row[5], row[6] = b, distance
    if away < 0.0 <= away1:
        t = _turning_point(piece, site, 3, a, away, b, away1)
        distance = _motion(piece, site, t)[1]
        if distance < row[6]:
            row[5], row[6] = t, distance
    if rise > 0.0 >= rise1:
        t = _turning_point(piece, site, 2, a, rise, b, rise1)
        sine = _motion(piece, site, t)[0]
        if sine > row[4]:
            row[2], row[4] = t, sine
    return rise1, away1


@kernel
def _open(piece, site, t, row):  # type: ignore[no-untyped-def]
    """Begin a pass at `t`; returns the rates' signs there."""
    sine, distance, rise, away = _motion(piece, site, t)
    row[1], row[2], row[4], row[5], row[6] = t, t, sine, t, distance
    return rise, away


@kernel
def _node_heights(grid, k, sites, out):  # type: ignore[no-untyped-def]
    """The search function of all stations at grid node `k`; plain arithmetic that compiles to vector instructions."""
    x, y, z = grid[0, k], grid[1, k], grid[2, k]
    for n in range(out.size):
        dx, dy, dz = x - sites[0, n], y - sites[1, n], z - sites[2, n]
        distance = np.sqrt(dx * dx + dy * dy + dz * dz)
        out[n] = dx * sites[3, n] + dy * sites[4, n] + dz * sites[5, n] - sites[6, n] * distance


@kernel
def _search(grid, first, step, sites, begins, ends, bounds):  # type: ignore[no-untyped-def]
    """Rows (site, aos, tca, los, sine of maximum elevation, closest approach, its distance) of all passes.

    `sites` (7, n): position, zenith, sine of the minimum elevation; `bounds` (3, n): of |h'|, of h'' from above,
    and of -h'' from above.
    """
    total = sites.shape[1]
    rows, count = np.empty((256, _COLUMNS)), 0
    current = np.empty((total, _COLUMNS))
    rates = np.empty((total, 2))
    polynomial = np.empty((NODES, 3))
    roots, stack = np.empty(_STACK), np.empty((_STACK, 4))
    left, right = np.empty(total), np.empty(total)
    clear = -bounds[2] * step * step / 8.0
    low = int(np.floor((begins.min() - first) / step)) if total else 0
    high = min(int(np.ceil((ends.max() - first) / step)), grid.shape[1] - 1) if total else 0
    _node_heights(grid, low, sites, left)
    for k in range(low, high):
        t0, t1 = first + k * step, first + (k + 1) * step
        _node_heights(grid, k + 1, sites, right)
        made = False
        for n in range(total):
            ha, hb = left[n], right[n]
            if ha < 0.0 and hb < 0.0 and (max(ha, hb) < clear[n] or ha + hb < -bounds[0, n] * step):
                continue
            # The period's ends may fall a rounding error outside the first and last node.
            a = begins[n] if k == low else max(t0, begins[n])
            b = ends[n] if k == high - 1 else min(t1, ends[n])
            if a >= b:
                continue
            if not made:
                interval_polynomial(grid, k, polynomial)
                made = True
            piece = (polynomial, 0.5 * (t0 + t1), 1.0 / step)
            site = (sites[0, n], sites[1, n], sites[2, n], sites[3, n], sites[4, n], sites[5, n], sites[6, n])
            ha = _height(piece, site, a)[0] if a > t0 else ha
            hb = _height(piece, site, b)[0] if b < t1 else hb
            above = ha > 0.0
            if above and a == begins[n]:
                rates[n, 0], rates[n, 1] = _open(piece, site, a, current[n])
            limits = (bounds[0, n], bounds[1, n], bounds[2, n])
            found = _interval_roots(piece, site, a, ha, b, hb, limits, stack, roots)
            for i in range(found + 1):
                end = roots[i] if i < found else b
                if above:
                    rates[n, 0], rates[n, 1] = _extend(piece, site, a, rates[n, 0], rates[n, 1], end, current[n])
                    if i < found or b == ends[n]:
                        if count == rows.shape[0]:
                            rows = np.concatenate((rows, np.empty_like(rows)))
                        rows[count] = current[n]
                        rows[count, 0], rows[count, 3] = n, end
                        count += 1
                elif i < found:
                    rates[n, 0], rates[n, 1] = _open(piece, site, end, current[n])
                above = not above
                a = end
        left, right = right, left
    return rows[:count]


def search_passes(
    ephemeris: Ephemeris,
    positions_m: np.ndarray,
    zeniths: np.ndarray,
    min_elevation_deg: np.ndarray | float,
    begin_s: np.ndarray | float,
    end_s: np.ndarray | float,
) -> np.ndarray:
    """All passes of one satellite over stations, each in its own period after the ephemeris' start.

    Parameters
    ----------
    ephemeris : Ephemeris
    positions_m, zeniths : (n, 3) arrays
        Earth-fixed stations [m] and their geodetic zeniths.
    min_elevation_deg : (n,) array or float
        Geometric, 0 to 90 [deg].
    begin_s, end_s : (n,) arrays or floats
        [s], begin before end, both inside the ephemeris.

    Returns
    -------
    (m, 7) array
        Station number, aos, tca, los [s], sine of the largest elevation, time of the closest approach [s],
        smallest slant range [m]; by station, then by time.

    Raises
    ------
    TimeError
        A period is empty or leaves the ephemeris.
    """
    e = ephemeris
    places = np.atleast_2d(np.asarray(positions_m, dtype=float))
    n = len(places)
    sine = np.broadcast_to(np.sin(np.radians(np.asarray(min_elevation_deg, dtype=float))), n)
    sites = np.ascontiguousarray(np.column_stack([places, np.atleast_2d(zeniths), sine]).T)
    nearest = np.maximum(1.0, e.perigee_radius_m - np.linalg.norm(places, axis=1))
    up_bend = e.acceleration_bound_m_s2 * (1 + sine)
    down_bend = up_bend + sine * e.speed_bound_m_s**2 / nearest
    bounds = np.stack([e.speed_bound_m_s * (1 + sine), up_bend, down_bend])
    begins, ends = (np.broadcast_to(np.asarray(x, dtype=float), n).copy() for x in (begin_s, end_s))
    last_s = e.first_s + (e.grid_m.shape[1] - 1) * e.step_s
    if n and (begins.min() < e.first_s - _ROUNDING_S or ends.max() > last_s + _ROUNDING_S or (begins >= ends).any()):
        raise TimeError(
            f"search_passes: periods {begins.min():.1f}..{ends.max():.1f} s; expected begin before end inside the "
            f"ephemeris of '{e.satellite}', {e.first_s:.1f}..{last_s:.1f} s"
        )
    rows = _search(e.grid_m, e.first_s, e.step_s, sites, begins, ends, bounds)
    return rows[np.lexsort((rows[:, 1], rows[:, 0]))]


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
        PASSES, sorted by AOS, with `closest_at`, the time of the smallest range; empty when there is no satellite
        or no pass.

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
    sites = _sites(scenario, begin, finish, min_elevation_deg)
    length = (finish - begin).total_seconds()
    found = []
    for number, ephemeris in enumerate(ephemerides(scenario, begin, finish).values() if len(sites.ogs) else ()):
        rows = search_passes(
            ephemeris, sites.positions_m, sites.zeniths, sites.min_elevation_deg, sites.begin_s, sites.end_s
        )
        found.append(np.column_stack([np.full(len(rows), number), rows]))
    table = _pass_table(np.concatenate(found) if found else np.empty((0, _COLUMNS + 1)), sites, scenario, begin, length)
    return check_table(table, "PASSES", "find_passes")


@dataclass(frozen=True)
class _Sites:
    """Stations where they stand in the period, as arrays; a mobile station fills several rows."""

    ogs: np.ndarray
    positions_m: np.ndarray
    zeniths: np.ndarray
    min_elevation_deg: np.ndarray
    begin_s: np.ndarray
    end_s: np.ndarray


def _sites(scenario: Scenario, begin: datetime, finish: datetime, min_elevation_deg: float | None) -> _Sites:
    rows = []
    for ogs, station in scenario.stations.items():
        for s in dated_stations(station):
            # A fixed station's dates cut windows, not passes; a mobile one is elsewhere at other times.
            mobile = bool(station.positions)
            start = max(begin, s.valid_from) if mobile and s.valid_from else begin
            end = min(finish, s.valid_to) if mobile and s.valid_to else finish
            if end <= start:
                continue
            position, rotation = station_frame(s.latitude_deg, s.longitude_deg, s.height_ellipsoid_m)
            lowest = s.min_elevation_deg if min_elevation_deg is None else min_elevation_deg
            rows.append((ogs, position, rotation[2], lowest, *((t - begin).total_seconds() for t in (start, end))))
    columns = [np.array([r[i] for r in rows]) for i in range(6)]
    return _Sites(columns[0], columns[1].reshape(-1, 3), columns[2].reshape(-1, 3), *columns[3:])


def _plain_stamps(times: pd.DatetimeIndex) -> list[str]:
    """Times as YYYYMMDDTHHMMSS."""
    if times.empty:
        return []
    text = np.datetime_as_string(times.tz_localize(None).to_numpy().astype("datetime64[s]"))
    letters = np.ascontiguousarray(text.view("U1").reshape(len(text), -1)[:, _STAMP_DIGITS])
    return letters.view(f"U{len(_STAMP_DIGITS)}").ravel().tolist()


def _pass_table(rows: np.ndarray, sites: _Sites, scenario: Scenario, start: datetime, length: float) -> pd.DataFrame:
    """PASSES of rows (satellite number, site number, ...) in the order of AOS, satellite, station."""
    names = np.array([s.name for s in scenario.satellites], dtype=object)
    satellite, ogs = rows[:, 0].astype(int), rows[:, 1].astype(int)
    aos, tca, los, closest = (times_from(start, rows[:, i]) for i in (2, 3, 4, 6))
    ranks = [np.argsort(np.argsort(x)) for x in (names.astype(str), np.array(list(scenario.stations), dtype=str))]
    station_rank = dict(zip(scenario.stations, ranks[1], strict=True))
    by_ogs = np.array([station_rank[o] for o in sites.ogs], dtype=int)
    order = np.lexsort((by_ogs[ogs], ranks[0][satellite], aos.asi8))
    pairs = [[f"{name}/{o}/" for o in sites.ogs] for name in names]
    labels = [f"{pairs[s][o]}{t}Z" for s, o, t in zip(satellite, ogs, _plain_stamps(aos), strict=True)]
    table = pd.DataFrame(
        {
            "satellite": pd.array(names[satellite], dtype="str"),
            "ogs": pd.array(np.asarray(sites.ogs, dtype=object)[ogs], dtype="str"),
            "aos": aos, "tca": tca, "los": los,
            "max_elevation_deg": np.degrees(np.arcsin(np.clip(rows[:, 5], -1.0, 1.0))),
            "min_range_m": rows[:, 7],
            "truncated": (rows[:, 2] <= sites.begin_s[ogs]) | (rows[:, 4] >= sites.end_s[ogs]),
            "closest_at": closest,
        },
        index=pd.Index(labels, dtype=str, name="pass_id"),
    )  # fmt: skip
    return table.iloc[order]
