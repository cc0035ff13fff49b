"""Pass search: every interval in which a satellite stands above a station's minimum elevation.

Each satellite goes through the compiled search of `eqci_space.orbits.pass_kernels` once for all stations. It misses no
pass as long as speed and acceleration keep the bounds of the ephemeris. That holds for motion under gravity above the
lowest radius of the grid, not for whatever a propagator returns; so SGP4's states are held to
`eqci_space.orbits.soundness` before they are searched.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from eqci_space.errors import LostOrbitWarning, TableError, TimeError
from eqci_space.orbits.earth import station_frame, times_from
from eqci_space.orbits.ephemeris import Ephemeris, Trajectory, believed_ephemerides, covered_s
from eqci_space.orbits.pass_kernels import AOS, CLOSEST, COLUMNS, LOS, RANGE, SINE, SITE, TCA, search_rows
from eqci_space.scenario import Scenario, dated_stations
from eqci_space.tables import check_table

__all__ = ["find_passes", "search_passes"]

_ROUNDING_S = 1e-6
_SATELLITE, _TRUNCATED = COLUMNS, COLUMNS + 1
_CUT_AOS, _CUT_LOS = COLUMNS, COLUMNS + 1
_STAMP_DIGITS = [0, 1, 2, 3, 5, 6, 8, 9, 10, 11, 12, 14, 15, 17, 18]  # of YYYY-MM-DDTHH:MM:SS


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
    _, last_s = covered_s(e)
    if n and (begins.min() < e.first_s - _ROUNDING_S or ends.max() > last_s + _ROUNDING_S or (begins >= ends).any()):
        raise TimeError(
            f"search_passes: periods {begins.min():.1f}..{ends.max():.1f} s; expected begin before end inside the "
            f"ephemeris of '{e.satellite}', {e.first_s:.1f}..{last_s:.1f} s"
        )
    rows = search_rows(e.grid_m, e.first_s, e.step_s, sites, begins, ends, bounds)
    return rows[np.lexsort((rows[:, AOS], rows[:, SITE]))]


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
    ElementsError
        The states of a satellite are no orbit (decayed, diverged, a leap) that has no ``bad_states = "end"``, or its
        file says nothing of the period.

    Warns
    -----
    LostOrbitWarning
        A satellite has no passes in a part of the period: its states are no orbit there, or its file has none.
    ImplausibleInputWarning
        States of a file can hardly be right (`eqci_space.orbits.oem_spans`).
    """
    if min_elevation_deg is not None and not 0 <= min_elevation_deg < 90:
        raise TableError(f"find_passes: min_elevation_deg={min_elevation_deg}; expected 0 to 90 degrees")
    begin, finish = start or scenario.start, end or scenario.end
    if begin.tzinfo is None or finish.tzinfo is None or finish <= begin:
        raise TimeError(f"find_passes: period {begin} to {finish}; expected aware times, end after start")
    sites = _sites(scenario, begin, finish, min_elevation_deg)
    orbits, lost = believed_ephemerides(scenario, begin, finish) if len(sites.ogs) else ({}, {})
    for why in lost.values():
        warnings.warn(why, LostOrbitWarning, stacklevel=2)
    parts = [np.empty((0, _TRUNCATED + 1))]
    for number, satellite in enumerate(scenario.satellites):
        if satellite.name in orbits:
            parts.append(_passes_of(number, orbits[satellite.name], sites))
    table = _pass_table(np.concatenate(parts), sites, scenario, begin)
    return check_table(table, "PASSES", "find_passes")


def _passes_of(number: int, orbit: Trajectory, sites: _Sites) -> np.ndarray:
    """Rows of the passes of satellite `number`, which two columns more hold: its number, and whether one is cut."""
    found = []
    for arc, (first, last) in zip(orbit.arcs, orbit.spans_s, strict=True):
        begin_s, end_s = np.maximum(sites.begin_s, first), np.minimum(sites.end_s, last)
        kept = np.flatnonzero(begin_s < end_s)
        rows = search_passes(
            arc, sites.positions_m[kept], sites.zeniths[kept], sites.min_elevation_deg[kept], begin_s[kept], end_s[kept]
        )
        rows[:, SITE] = kept[rows[:, SITE].astype(int)]
        ogs = rows[:, SITE].astype(int)
        cut = [rows[:, AOS] <= begin_s[ogs], rows[:, LOS] >= end_s[ogs]]
        found.append(np.column_stack([rows, *cut]))
    rows = found[0] if len(found) == 1 else _joined(np.concatenate(found))
    truncated = rows[:, COLUMNS:].any(axis=1)
    return np.column_stack([rows[:, :COLUMNS], np.full(len(rows), number), truncated])


def _joined(rows: np.ndarray) -> np.ndarray:
    """Passes whose parts meet where one arc takes over from another, made whole; rows end in cut at AOS, cut at LOS."""
    rows = rows[np.lexsort((rows[:, AOS], rows[:, SITE]))]
    joined: list[np.ndarray] = []
    for row in rows:
        before = joined[-1] if joined else None
        meets = before is not None and before[SITE] == row[SITE] and row[AOS] - before[LOS] <= _ROUNDING_S
        if before is None or not (meets and before[_CUT_LOS] and row[_CUT_AOS]):
            joined.append(row.copy())
            continue
        if row[SINE] > before[SINE]:
            before[[TCA, SINE]] = row[[TCA, SINE]]
        if row[RANGE] < before[RANGE]:
            before[[CLOSEST, RANGE]] = row[[CLOSEST, RANGE]]
        before[[LOS, _CUT_LOS]] = row[[LOS, _CUT_LOS]]
    return np.array(joined).reshape(-1, rows.shape[1])


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


def _pass_table(rows: np.ndarray, sites: _Sites, scenario: Scenario, start: datetime) -> pd.DataFrame:
    """PASSES of rows of `_passes_of` in the order of AOS, satellite, station."""
    satellite = rows[:, _SATELLITE].astype(int)
    names = np.array([s.name for s in scenario.satellites], dtype=object)
    ogs = rows[:, SITE].astype(int)
    aos, tca, los, closest = (times_from(start, rows[:, i]) for i in (AOS, TCA, LOS, CLOSEST))
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
            "max_elevation_deg": np.degrees(np.arcsin(np.clip(rows[:, SINE], -1.0, 1.0))),
            "min_range_m": rows[:, RANGE],
            "truncated": rows[:, _TRUNCATED].astype(bool),
            "closest_at": closest,
        },
        index=pd.Index(labels, dtype=str, name="pass_id"),
    )  # fmt: skip
    return table.iloc[order]
