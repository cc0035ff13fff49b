"""Geometry of windows sampled for the link budget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd

from eqci_space.errors import TableError
from eqci_space.linkbudget.extinction import apparent_elevation_deg, standard_pressure_pa
from eqci_space.ogs.windows import separation_rad
from eqci_space.orbits.earth import seconds_from, station_frame, times_from
from eqci_space.orbits.ephemeris import Trajectory, ephemerides, motion
from eqci_space.orbits.sky import Sky, make_sky
from eqci_space.scenario import Scenario, Station, placed, unknown_pair
from eqci_space.tables import check_table, empty_table

__all__ = ["sample_windows"]


def sample_windows(
    windows: pd.DataFrame,
    scenario: Scenario,
    *,
    step_s: float = 1.0,
    nodes: int | None = None,
    refraction: Literal["none", "standard"] = "none",
    orbits: Mapping[str, Trajectory] | None = None,
) -> pd.DataFrame:
    """Geometry of windows in equal slots, or at the nodes of a quadrature.

    Parameters
    ----------
    windows : DataFrame
        WINDOWS.
    step_s : float
        Longest slot [s], > 0; each window is cut into equal slots, sampled at their middles, so the weights add up
        to its length.
    nodes : int, optional
        Sample each window at this many Gauss-Legendre nodes instead, 1 to 200; the weights are those of the
        quadrature, so that ``sum(weight_s · f)`` is the integral of a smooth f.
    refraction : {"none", "standard"}
        "standard" adds `apparent_elevation_deg`, refracted by a standard atmosphere at the station's height
        (Saemundsson 1986).
    orbits : mapping of str to Trajectory, optional
        By satellite; default those of the scenario.

    Returns
    -------
    DataFrame
        SAMPLES. Angles are geometric; azimuth from north through east.

    Raises
    ------
    TableError
        `step_s` or `nodes` is out of range, a window names an unknown satellite or station, or lies outside the dates
        of a mobile station.
    """
    check_table(windows, "WINDOWS", "sample_windows")
    if not step_s > 0:
        raise TableError(f"sample_windows: step_s = {step_s}; expected a positive number of seconds")
    whole = isinstance(nodes, int | np.integer) and not isinstance(nodes, bool)
    if nodes is not None and not (whole and 1 <= nodes <= 200):
        raise TableError(f"sample_windows: nodes = {nodes}; expected a whole number from 1 to 200")
    if refraction not in ("none", "standard"):
        raise TableError(f"sample_windows: refraction '{refraction}'; expected 'none' or 'standard'")
    if windows.empty:
        return empty_table("SAMPLES")
    first, last = windows["start"].min().to_pydatetime(), windows["end"].max().to_pydatetime()
    sky = make_sky(first, last)
    orbits = ephemerides(scenario, first, last) if orbits is None else orbits
    parts = []
    for (satellite, ogs), same_pair in windows.groupby(["satellite", "ogs"], sort=True):
        if satellite not in orbits or ogs not in scenario.stations:
            raise TableError(f"sample_windows: {unknown_pair(satellite, ogs, scenario)}")
        places = placed(scenario.stations[ogs], same_pair["start"])
        if sum(mask.sum() for _, mask in places) < len(same_pair):
            raise TableError(f"sample_windows: a window lies outside the dates of the mobile station '{ogs}'")
        for station, mask in places:
            group = same_pair[mask]
            if group.empty:
                continue
            starts, ends = seconds_from(first, group["start"]), seconds_from(first, group["end"])
            since_s = (first - orbits[satellite].start).total_seconds()
            number, seconds, weight = _slots(starts, ends, step_s) if nodes is None else _gauss(starts, ends, nodes)
            table = pd.DataFrame({
                "window_id": pd.Series(group.index.to_numpy()[number], dtype=str), "satellite": satellite, "ogs": ogs,
                "time": times_from(first, seconds), "weight_s": weight,
                **_geometry(orbits[satellite], station, sky, seconds, since_s),
            })  # fmt: skip
            if refraction == "standard":
                pressure = float(standard_pressure_pa(station.height_msl_m))
                table["apparent_elevation_deg"] = apparent_elevation_deg(table["elevation_deg"], pressure_pa=pressure)
            parts.append(table)
    samples = pd.concat(parts).sort_values(["time", "window_id"], kind="stable").reset_index(drop=True)
    return check_table(samples, "SAMPLES", "sample_windows")


def _slots(starts: np.ndarray, ends: np.ndarray, step_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number of the window, middle and width of equal slots."""
    counts = np.maximum(1, np.ceil((ends - starts) / step_s)).astype(int)
    width = np.repeat((ends - starts) / counts, counts)
    rank = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(np.arange(len(starts)), counts), np.repeat(starts, counts) + (rank + 0.5) * width, width


def _gauss(starts: np.ndarray, ends: np.ndarray, nodes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number of the window, nodes and weights of Gauss-Legendre quadrature."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    half = (ends - starts)[:, None] / 2
    seconds = (starts + ends)[:, None] / 2 + half * x
    return np.repeat(np.arange(len(starts)), nodes), seconds.ravel(), (half * w).ravel()


def _geometry(
    orbit: Trajectory, station: Station, sky: Sky, seconds: np.ndarray, since_s: float
) -> dict[str, np.ndarray]:
    """Columns of SAMPLES that follow from positions at `seconds` of the sky, which starts `since_s` after the orbit."""
    position, rotation = station_frame(station.latitude_deg, station.longitude_deg, station.height_ellipsoid_m)
    satellite, velocity = motion(orbit, seconds + since_s)
    line = satellite - position
    distance = np.linalg.norm(line, axis=1)
    direction = line / distance[:, None]
    receding = np.einsum("ij,ij->i", direction, velocity)
    local = direction @ rotation.T
    to_sun, to_moon = ((x - position) @ rotation.T for x in (sky.sun_m(seconds), sky.moon_m(seconds)))
    to_sun, to_moon = (x / np.linalg.norm(x, axis=1)[:, None] for x in (to_sun, to_moon))
    return {
        "elevation_deg": np.degrees(np.arcsin(np.clip(local[:, 2], -1, 1))),
        "azimuth_deg": np.degrees(np.arctan2(local[:, 0], local[:, 1])) % 360.0,
        "range_m": distance,
        "range_rate_m_s": receding,
        "angular_rate_rad_s": np.linalg.norm(velocity - receding[:, None] * direction, axis=1) / distance,
        "sun_elevation_deg": np.degrees(np.arcsin(to_sun[:, 2])),
        "sun_separation_deg": np.degrees(separation_rad(local, to_sun)),
        "moon_elevation_deg": np.degrees(np.arcsin(to_moon[:, 2])),
        "moon_separation_deg": np.degrees(separation_rad(local, to_moon)),
        "moon_phase_deg": 180.0 - np.degrees(separation_rad(to_sun, to_moon)),
        "sunlit": sky.sunlit(satellite, seconds),
    }
