"""Observable windows of passes, and their geometry sampled for the link budget."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from eqci_space.errors import TableError, near_matches
from eqci_space.orbits.earth import seconds_from, station_frame, times_from
from eqci_space.orbits.ephemeris import Ephemeris, ephemerides, positions_m
from eqci_space.orbits.sky import Sky, make_sky
from eqci_space.scenario import Scenario, Station
from eqci_space.tables import check_table, empty_table

__all__ = ["night_intervals", "observable_windows", "sample_windows", "sun_elevation_deg"]

_NIGHT_GRID_S = 60.0
_SHORTEST_S = 1.0
_HALF_STEP_S = 0.5


def sun_elevation_deg(sky: Sky, station: Station, seconds: np.ndarray) -> np.ndarray:
    """Geometric elevation of the Sun's centre [deg] at `seconds` after the sky's start."""
    position, rotation = station_frame(station.latitude_deg, station.longitude_deg, station.height_ellipsoid_m)
    toward = sky.sun_m(seconds) - position
    return np.degrees(np.arcsin(toward @ rotation[2] / np.linalg.norm(toward, axis=-1)))


def night_intervals(sky: Sky, station: Station, end_s: float, sun_max_elevation_deg: float) -> np.ndarray:
    """Intervals (n, 2) [s] in [0, `end_s`] in which the Sun stands below a limit; edges to 1 ms.

    The Sun is sampled every minute, so a night or day shorter than that at a twilight's turning
    point can be missed.
    """
    grid = np.append(np.arange(0.0, end_s, _NIGHT_GRID_S), end_s)
    height = sun_elevation_deg(sky, station, grid) - sun_max_elevation_deg
    dark = height < 0
    change = np.flatnonzero(dark[1:] != dark[:-1])
    low, high = grid[change], grid[change + 1]
    for _ in range(17):  # halves a minute to below a millisecond
        middle = 0.5 * (low + high)
        same = (sun_elevation_deg(sky, station, middle) < sun_max_elevation_deg) == dark[change]
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    edges = 0.5 * (low + high)
    if dark[0]:
        edges = np.insert(edges, 0, 0.0)
    if dark[-1]:
        edges = np.append(edges, end_s)
    return edges.reshape(-1, 2)


def observable_windows(passes: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """The parts of passes that a station can use: at night, and while the station stands there.

    Parameters
    ----------
    passes : DataFrame
        PASSES.
    scenario : Scenario

    Returns
    -------
    DataFrame
        WINDOWS, sorted by start; each with `truncated` (cut by night, dates or the period).

    Raises
    ------
    TableError
        A pass names a station that the scenario does not use.
    """
    check_table(passes, "PASSES", "observable_windows")
    rows: list[tuple[str, str, str, float, float, bool]] = []
    if len(passes):
        first, last = passes["aos"].min().to_pydatetime(), passes["los"].max().to_pydatetime()
        sky = make_sky(first, last)
        for ogs, group in passes.groupby("ogs", sort=True):
            station = _station(scenario, str(ogs), "observable_windows")
            open_s = _open_intervals(sky, station, scenario, first, last)
            aos, los = seconds_from(first, group["aos"]), seconds_from(first, group["los"])
            names = zip(group.index, group["satellite"], group["truncated"], strict=True)
            for (pass_id, satellite, cut_pass), a, b in zip(names, aos, los, strict=True):
                start, end = np.maximum(open_s[:, 0], a), np.minimum(open_s[:, 1], b)
                for n, i in enumerate(np.flatnonzero(end - start >= _SHORTEST_S), start=1):
                    cut = bool(cut_pass or start[i] > a or end[i] < b)
                    rows.append((f"{pass_id}/{n}", pass_id, satellite, start[i], end[i], cut))
    else:
        first = scenario.start
    table = pd.DataFrame(rows, columns=["window_id", "pass_id", "satellite", "start", "end", "truncated"])
    table = table.astype({"window_id": str, "pass_id": str, "satellite": str, "truncated": bool})
    table.insert(3, "ogs", table["pass_id"].map(passes["ogs"]).astype(str))
    table["start"] = times_from(first, table["start"].to_numpy(dtype=float))
    table["end"] = times_from(first, table["end"].to_numpy(dtype=float))
    windows = table.sort_values(["start", "satellite", "ogs"]).set_index("window_id")
    return check_table(windows, "WINDOWS", "observable_windows")


def _station(scenario: Scenario, ogs: str, where: str) -> Station:
    if ogs not in scenario.stations:
        raise TableError(f"{where}: station '{ogs}' is not in the scenario; {near_matches(ogs, scenario.stations)}")
    return scenario.stations[ogs]


def _open_intervals(sky: Sky, station: Station, scenario: Scenario, first: datetime, last: datetime) -> np.ndarray:
    """Intervals [s after `first`] in which the station may observe."""
    rules = scenario.station_rules
    limit = rules.sun_max_elevation_deg if rules else 90.0
    nights = night_intervals(sky, station, (last - first).total_seconds(), limit)
    if station.valid_from is not None:
        nights[:, 0] = np.maximum(nights[:, 0], (station.valid_from - first).total_seconds())
    if station.valid_to is not None:
        nights[:, 1] = np.minimum(nights[:, 1], (station.valid_to - first).total_seconds())
    return nights[nights[:, 1] > nights[:, 0]]


def sample_windows(windows: pd.DataFrame, scenario: Scenario, *, step_s: float = 1.0) -> pd.DataFrame:
    """Geometry of windows in equal slots, sampled at each slot's middle.

    Parameters
    ----------
    windows : DataFrame
        WINDOWS.
    step_s : float
        Longest slot [s], > 0; each window is cut into equal slots, so the weights add up to its length.

    Returns
    -------
    DataFrame
        SAMPLES. Angles are geometric (no refraction); azimuth from north through east.

    Raises
    ------
    TableError
        `step_s` is not positive, or a window names an unknown satellite or station.
    """
    check_table(windows, "WINDOWS", "sample_windows")
    if not step_s > 0:
        raise TableError(f"sample_windows: step_s = {step_s}; expected a positive number of seconds")
    if windows.empty:
        return empty_table("SAMPLES")
    first, last = windows["start"].min().to_pydatetime(), windows["end"].max().to_pydatetime()
    sky = make_sky(first, last)
    orbits = ephemerides(scenario, first, last)
    parts = []
    for (satellite, ogs), group in windows.groupby(["satellite", "ogs"], sort=True):
        if satellite not in orbits:
            raise TableError(f"sample_windows: no satellite '{satellite}'; {near_matches(satellite, orbits)}")
        station = _station(scenario, str(ogs), "sample_windows")
        starts, ends = seconds_from(first, group["start"]), seconds_from(first, group["end"])
        counts = np.maximum(1, np.ceil((ends - starts) / step_s)).astype(int)
        width = np.repeat((ends - starts) / counts, counts)
        rank = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        seconds = np.repeat(starts, counts) + (rank + 0.5) * width
        geometry = _geometry(orbits[satellite], station, sky, seconds)
        labels = pd.Series(np.repeat(group.index.to_numpy(), counts), dtype=str)
        parts.append(
            pd.DataFrame({
                "window_id": labels, "satellite": satellite, "ogs": ogs, "time": times_from(first, seconds),
                "weight_s": width, **geometry,
            })
        )  # fmt: skip
    samples = pd.concat(parts).sort_values(["time", "window_id"], kind="stable").reset_index(drop=True)
    return check_table(samples, "SAMPLES", "sample_windows")


def _geometry(orbit: Ephemeris, station: Station, sky: Sky, seconds: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of SAMPLES that follow from positions at `seconds`."""
    position, rotation = station_frame(station.latitude_deg, station.longitude_deg, station.height_ellipsoid_m)
    satellite = positions_m(orbit, seconds)
    line = satellite - position
    before, after = (positions_m(orbit, seconds + d) - position for d in (-_HALF_STEP_S, _HALF_STEP_S))
    distance, near, far = (np.linalg.norm(v, axis=1) for v in (line, before, after))
    local = (line / distance[:, None]) @ rotation.T
    to_sun = _unit(sky.sun_m(seconds) - position) @ rotation.T
    to_moon = _unit(sky.moon_m(seconds) - position) @ rotation.T
    sweep = np.linalg.norm(after / far[:, None] - before / near[:, None], axis=1)
    return {
        "elevation_deg": np.degrees(np.arcsin(np.clip(local[:, 2], -1, 1))),
        "azimuth_deg": np.degrees(np.arctan2(local[:, 0], local[:, 1])) % 360.0,
        "range_m": distance,
        "range_rate_m_s": (far - near) / (2 * _HALF_STEP_S),
        "angular_rate_rad_s": 2 * np.arcsin(sweep / 2) / (2 * _HALF_STEP_S),
        "sun_elevation_deg": np.degrees(np.arcsin(to_sun[:, 2])),
        "sun_separation_deg": _separation_deg(local, to_sun),
        "moon_elevation_deg": np.degrees(np.arcsin(to_moon[:, 2])),
        "moon_separation_deg": _separation_deg(local, to_moon),
        "moon_phase_deg": 180.0 - _separation_deg(to_sun, to_moon),
        "sunlit": sky.sunlit(satellite, seconds),
    }


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector, axis=1)[:, None]


def _separation_deg(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(2 * np.arcsin(np.clip(np.linalg.norm(a - b, axis=1) / 2, 0, 1)))
