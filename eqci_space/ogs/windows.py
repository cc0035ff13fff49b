"""Observable windows of passes: night, horizon mask, keep-outs, maintenance, and where the station stands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np
import pandas as pd

from eqci_space.errors import TableError
from eqci_space.ogs.intervals import Condition, holding_intervals, intersection, without
from eqci_space.orbits.earth import seconds_from, station_frame, times_from
from eqci_space.orbits.ephemeris import Trajectory, ephemerides, positions_m
from eqci_space.orbits.sky import Sky, make_sky
from eqci_space.scenario import Scenario, Station, dated_stations, receiver_of, unknown_pair
from eqci_space.tables import check_table
from eqci_space.units import EARTH_ROTATION_RAD_S

__all__ = ["night_intervals", "nightly_windows", "observable_windows", "sun_elevation_deg"]

_SHORTEST_S = 1.0
_NIGHT_SPAN_S = 86_400.0
# The Sun and the Moon move through the station's sky with the Earth's rotation and a little of their own.
_SKY_RATE_RAD_S = 1.05 * EARTH_ROTATION_RAD_S


def sun_elevation_deg(sky: Sky, station: Station, seconds: np.ndarray) -> np.ndarray:
    """Geometric elevation of the Sun's centre [deg] at `seconds` after the sky's start."""
    position, rotation = station_frame(station.latitude_deg, station.longitude_deg, station.height_ellipsoid_m)
    toward = sky.sun_m(seconds) - position
    return np.degrees(np.arcsin(toward @ rotation[2] / np.linalg.norm(toward, axis=-1)))


def night_intervals(sky: Sky, station: Station, end_s: float, sun_max_elevation_deg: float) -> np.ndarray:
    """Intervals (n, 2) [s] in [0, `end_s`] in which the Sun stands below a limit; edges to 1 ms, none missed."""
    starts = np.arange(0.0, end_s, _NIGHT_SPAN_S)
    ends = np.append(starts[1:], end_s)

    def depth_rad(seconds: np.ndarray, _: np.ndarray) -> np.ndarray:
        return np.radians(sun_max_elevation_deg - sun_elevation_deg(sky, station, seconds))

    parts = np.concatenate(holding_intervals(depth_rad, starts, ends, _SKY_RATE_RAD_S))
    joins = np.isin(parts[:, 0], parts[:, 1])  # a night that goes on past the end of a span
    return np.column_stack([parts[~joins, 0], parts[~np.append(joins, False)[1:], 1]])


def observable_windows(passes: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """The parts of passes that a station can use.

    A window is where the Sun stands below the station's limit, the satellite above its horizon mask and outside its
    keep-outs of Sun and Moon, and the station is in place and not under maintenance. A satellite
    that rises is acquired below the station's lowest elevation (assumed); where something else ends, the window begins
    the receiver's `acquisition_s` later. Parts shorter than a second are left out.

    Parameters
    ----------
    passes : DataFrame
        PASSES.
    scenario : Scenario

    Returns
    -------
    DataFrame
        WINDOWS, sorted by start; each with `truncated` (shorter than its pass, or the pass itself is cut).

    Raises
    ------
    TableError
        A pass names a satellite or station that the scenario does not have.
    """
    check_table(passes, "PASSES", "observable_windows")
    _check_names(passes, scenario, "observable_windows")
    first, rows, satellites = scenario.start, [], {s.name: s for s in scenario.satellites}
    if len(passes):
        first, last = passes["aos"].min().to_pydatetime(), passes["los"].max().to_pydatetime()
        sky = make_sky(first, last)
        orbits = ephemerides(scenario, first, last) if _looks_matter(scenario) else {}
        for ogs, group in passes.groupby("ogs", sort=True):
            for station in dated_stations(scenario.stations[ogs]):
                open_s = _open_intervals(sky, station, first, last)
                for name, some in group.groupby("satellite", sort=True):
                    acquisition_s = receiver_of(satellites[name], station).acquisition_s
                    rows += _windows(some, station, orbits.get(name), sky, open_s, first, acquisition_s)
    columns = ["window_id", "pass_id", "satellite", "ogs", "start", "end", "truncated"]
    table = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[:4], str) | {"truncated": bool})
    for edge in ("start", "end"):
        table[edge] = times_from(first, table[edge].to_numpy(dtype=float))
    windows = table.sort_values(["start", "satellite", "ogs"]).set_index("window_id")
    return check_table(windows, "WINDOWS", "observable_windows")


def _check_names(table: pd.DataFrame, scenario: Scenario, where: str) -> None:
    satellites = {s.name for s in scenario.satellites}
    for satellite, ogs in table[["satellite", "ogs"]].drop_duplicates().itertuples(index=False):
        if satellite not in satellites or ogs not in scenario.stations:
            raise TableError(f"{where}: {unknown_pair(satellite, ogs, scenario)}")


def _looks_matter(scenario: Scenario) -> bool:
    """Whether any station limits directions, so that positions are needed."""
    return any(s.horizon_mask or s.sun_keep_out_deg or s.moon_keep_out_deg for s in scenario.stations.values())


def _open_intervals(sky: Sky, station: Station, first: datetime, last: datetime) -> np.ndarray:
    """Intervals [s after `first`] in which the station may observe in some direction."""
    nights = night_intervals(sky, station, (last - first).total_seconds(), station.sun_max_elevation_deg)
    begin = -np.inf if station.valid_from is None else (station.valid_from - first).total_seconds()
    end = np.inf if station.valid_to is None else (station.valid_to - first).total_seconds()
    closed = [[(c.start - first).total_seconds(), (c.end - first).total_seconds()] for c in station.maintenance]
    return without(intersection(nights, np.array([[begin, end]])), np.array(closed).reshape(-1, 2))


def _windows(
    passes: pd.DataFrame,
    station: Station,
    orbit: Trajectory | None,
    sky: Sky,
    open_s: np.ndarray,
    first: datetime,
    acquisition_s: float,
) -> list[tuple[str, str, str, str, float, float, bool]]:
    """Rows of WINDOWS of one satellite over one station in one place."""
    aos, los = seconds_from(first, passes["aos"]), seconds_from(first, passes["los"])
    low, high = np.searchsorted(open_s[:, 1], aos, side="right"), np.searchsorted(open_s[:, 0], los)
    kept = np.flatnonzero(high > low)
    spans = [intersection(open_s[low[i] : high[i]], np.array([[aos[i], los[i]]])) for i in kept]
    owner = np.repeat(kept, [len(s) for s in spans])
    parts = np.concatenate(spans) if spans else np.empty((0, 2))
    if orbit is not None and len(parts):
        owner, parts = _in_free_sky(owner, parts, station, orbit, sky)
    rows, number = [], dict.fromkeys(passes.index, 0)
    for i, (seen, end) in zip(owner, parts, strict=True):
        start = seen + acquisition_s * (seen > aos[i])
        if end - start < _SHORTEST_S:
            continue
        pass_id, row = passes.index[i], passes.iloc[i]
        number[pass_id] += 1
        cut = bool(row["truncated"] or start > aos[i] or end < los[i])
        window_id = f"{pass_id}/{number[pass_id]}"
        rows.append((window_id, pass_id, row["satellite"], row["ogs"], float(start), float(end), cut))
    return rows


def _in_free_sky(
    owner: np.ndarray, parts: np.ndarray, station: Station, orbit: Trajectory, sky: Sky
) -> tuple[np.ndarray, np.ndarray]:
    """Parts of intervals in which the satellite stands above the mask and away from Sun and Moon."""
    position, rotation = station_frame(station.latitude_deg, station.longitude_deg, station.height_ellipsoid_m)

    def toward(seconds: np.ndarray) -> np.ndarray:
        return _unit(positions_m(orbit, seconds) - position)

    closest_m = max(1e3, orbit.perigee_radius_m - float(np.linalg.norm(position)))
    turn_rad_s = orbit.speed_bound_m_s / closest_m
    conditions: list[tuple[Condition, float]] = []
    if station.horizon_mask:
        clearance, bound = _mask_clearance(station)

        def above_mask(seconds: np.ndarray, _: np.ndarray) -> np.ndarray:
            east, north, up = rotation @ toward(seconds).T
            return clearance(np.arctan2(east, north), np.arctan2(up, np.hypot(east, north)))

        conditions.append((above_mask, turn_rad_s * bound))
    for place, keep_out_deg in ((sky.sun_m, station.sun_keep_out_deg), (sky.moon_m, station.moon_keep_out_deg)):
        if keep_out_deg:
            conditions.append((_away_from(place, keep_out_deg, position, toward), turn_rad_s + _SKY_RATE_RAD_S))
    for condition, rate in conditions:
        if not len(parts):
            break
        found = holding_intervals(condition, parts[:, 0], parts[:, 1], rate)
        owner = np.repeat(owner, [len(f) for f in found])
        parts = np.concatenate(found)
    return owner, parts


def _away_from(
    body_m: Callable[[np.ndarray], np.ndarray],
    keep_out_deg: float,
    position: np.ndarray,
    toward: Callable[[np.ndarray], np.ndarray],
) -> Condition:
    """A condition on times, positive where Sun or Moon stands further from the satellite than it must."""
    limit_rad = np.radians(keep_out_deg)

    def away(seconds: np.ndarray, _: np.ndarray) -> np.ndarray:
        return separation_rad(toward(seconds), _unit(body_m(seconds) - position)) - limit_rad

    return away


def _mask_clearance(station: Station) -> tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], float]:
    """A function of azimuth and elevation [rad], positive above the mask, and its bound per arc of the sky.

    Below the mask's top it is elevation less mask: along an arc azimuth turns at most π/2 / cos(top) times as fast as
    the direction. Above the top the mask is at least the difference of elevations away, however azimuth turns.
    """
    mask = np.radians(np.array(station.horizon_mask))
    width, rise = np.diff(np.vstack([mask, mask[:1] + np.array([2 * np.pi, 0.0])]), axis=0).T
    top = float(mask[:, 1].max())
    bound = 1 + np.pi / 2 / np.cos(top) * float(np.max(np.abs(rise) / width))

    def clearance(azimuth: np.ndarray, elevation: np.ndarray) -> np.ndarray:
        limit = np.interp(azimuth, mask[:, 0], mask[:, 1], period=2 * np.pi)
        return np.where(elevation > top, bound * (elevation - top), elevation - limit)

    return clearance, bound


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector, axis=1)[:, None]


def separation_rad(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Angle [rad] between unit vectors (n, 3), precise when it is small."""
    return 2 * np.arcsin(np.clip(np.linalg.norm(a - b, axis=1) / 2, 0, 1))


def nightly_windows(windows: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """Number and length of windows per night, satellite and station, nights without any included.

    A night runs from 12:00 to 12:00 UTC and is named by the day on which it begins; nights cut by the period's ends
    are left out.

    Parameters
    ----------
    windows : DataFrame
        WINDOWS.
    scenario : Scenario

    Returns
    -------
    DataFrame
        night (00:00 UTC of its first day), satellite, ogs, windows, seconds.
    """
    check_table(windows, "WINDOWS", "nightly_windows")
    noon = pd.Timedelta(hours=12)
    first = (pd.Timestamp(scenario.start) - noon).ceil("D")
    last = (pd.Timestamp(scenario.end) - noon).floor("D")
    nights = pd.date_range(first, last, freq="D", inclusive="left")
    everything = pd.MultiIndex.from_product(
        [nights, [s.name for s in scenario.satellites], list(scenario.stations)], names=["night", "satellite", "ogs"]
    )
    rows = windows.assign(
        night=(windows["start"] - noon).dt.floor("D"), seconds=(windows["end"] - windows["start"]).dt.total_seconds()
    )
    grouped = rows.groupby(["night", "satellite", "ogs"])["seconds"]
    table = pd.DataFrame({"windows": grouped.size(), "seconds": grouped.sum()})
    return table.reindex(everything, fill_value=0).astype({"windows": int, "seconds": float}).reset_index()
