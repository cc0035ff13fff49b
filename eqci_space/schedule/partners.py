"""Stations that a satellite can see at once, and satellites that have no two of them."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np

from eqci_space.fiber.network import station_node
from eqci_space.orbits.ephemeris import highest_radius_m
from eqci_space.scenario import Satellite, Scenario, dated_stations
from eqci_space.units import EARTH_RADIUS_M

__all__ = ["horizon_angle_deg", "lonely_satellites", "partner_stations"]

_EARTH_KM = 6371.0
_POLAR_RADIUS_M = 6_356_752.3
_ABOVE_MEAN_M = 20e3  # by which a low orbit rises above its mean one, J2 and drag of the mean elements counted


class _Spot(NamedTuple):
    """A place at which a station stands: its name, position as a unit vector, and lowest elevation."""

    ogs: str
    unit: np.ndarray
    min_elevation_deg: float


def horizon_angle_deg(radius_m: float, min_elevation_deg: float) -> float:
    """Largest angle at the Earth's centre between a station and a satellite that it sees.

    ``λ = arccos(R cos ε / r) - ε`` on a sphere (Wertz 1999, eq. 5-26 and following; recalled). The radius is the
    Earth's smallest, so that no pair is refused that the ellipsoid lets see a satellite.

    Parameters
    ----------
    radius_m : float
        Distance of the satellite from the Earth's centre [m].
    min_elevation_deg : float
        Lowest elevation [deg], 0 to 90.

    Returns
    -------
    float
        [deg]

    Examples
    --------
    From 500 km above the equator at 20 deg a satellite is seen up to 9.7 deg, or 1,080 km, away.

    >>> round(horizon_angle_deg(6_878_137.0, 20.0), 2)
    9.72
    """
    elevation = np.radians(min_elevation_deg)
    return float(np.degrees(np.arccos(np.clip(_POLAR_RADIUS_M * np.cos(elevation) / radius_m, -1, 1)) - elevation))


def partner_stations(scenario: Scenario) -> list[tuple[str, str]]:
    """Pairs of stations, names in order, that hold their key at different nodes: those that share key over space."""
    names = sorted(scenario.stations)
    node = {ogs: station_node(scenario, ogs) for ogs in names}
    return [(a, b) for a, b in combinations(names, 2) if node[a] != node[b]]


def lonely_satellites(scenario: Scenario) -> list[tuple[str, str]]:
    """Problems (path, message) of satellites that can never send to two stations at once, under a dual downlink.

    The distance of two sites is compared with the sum of the distances at which each sees the satellite at its lowest
    elevation, from the highest point of the orbit. Dates of mobile stations, night and clouds are not asked for.
    """
    if scenario.protocol.downlink != "dual":
        return []
    spots = [spot for ogs in scenario.stations for spot in _spots(scenario, ogs)]
    partners = set(partner_stations(scenario))
    pairs = [(a, b) for a, b in combinations(spots, 2) if tuple(sorted((a.ogs, b.ogs))) in partners]
    found = []
    for i, satellite in enumerate(scenario.satellites):
        problem = _problem(satellite, pairs, scenario)
        if problem:
            found.append((f"satellite.{i}", problem))
    return found


def _spots(scenario: Scenario, ogs: str) -> list[_Spot]:
    places = dated_stations(scenario.stations[ogs])
    lat, lon = (np.radians([getattr(p, f"{name}_deg") for p in places]) for name in ("latitude", "longitude"))
    units = np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    return [_Spot(ogs, unit, place.min_elevation_deg) for unit, place in zip(units, places, strict=True)]


def _problem(satellite: Satellite, pairs: list[tuple[_Spot, _Spot]], scenario: Scenario) -> str:
    """What to say of a satellite without partner stations; empty if it has some."""
    remedy = "give stations closer together, a lower min_elevation_deg or a higher orbit, or set downlink = 'single'"
    if not pairs:
        return (
            f"'{satellite.name}' has no two stations with nodes of their own to send pairs to, and downlink = 'dual' "
            "needs two; add a station, or set downlink = 'single'"
        )
    radius_m = highest_radius_m(satellite, scenario)
    rows = []
    for a, b in pairs:
        apart = float(np.degrees(np.arccos(np.clip(a.unit @ b.unit, -1, 1))))
        reach = sum(horizon_angle_deg(radius_m + _ABOVE_MEAN_M, spot.min_elevation_deg) for spot in (a, b))
        rows.append((apart - reach, apart, reach, a.ogs, b.ogs))
    gap, apart, reach, one, other = min(rows)
    if gap <= 0:
        return ""
    apart_km, reach_km = (np.radians(angle) * _EARTH_KM for angle in (apart, reach))
    height_km = (radius_m - EARTH_RADIUS_M) / 1e3
    return (
        f"'{satellite.name}' sees no two stations at once: its nearest pair '{one}' and '{other}' are "
        f"{apart_km:.0f} km apart; expected at most {reach_km:.0f} km from {height_km:.0f} km above the ground; "
        f"{remedy}"
    )
