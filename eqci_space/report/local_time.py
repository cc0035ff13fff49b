"""The local time of stations, from the time-zone data of the `tzdata` package."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np

from eqci_space.errors import DataError, near_matches
from eqci_space.scenario import Scenario, dated_stations

__all__ = ["StationZone", "station_zones"]


@dataclass(frozen=True)
class StationZone:
    """A zone by its name in the IANA data base, and where it was taken from."""

    name: str
    source: str


def station_zones(scenario: Scenario, given: Mapping[str, str]) -> dict[str, StationZone]:
    """Zone of each station: the one given, else that of the scenario, else one of its country.

    Of a country's zones that stands whose reference point is nearest to the station, unless its clock agrees with the
    country's first zone all through the period and the year around it; then the first one stands.

    Raises
    ------
    DataError
        A zone or station is unknown, or the zone data know no zone of a country.
    """
    unknown = [ogs for ogs in given if ogs not in scenario.stations]
    if unknown:
        raise DataError(f"timezone: no station '{unknown[0]}'; {near_matches(unknown[0], scenario.stations)}")
    zones = {}
    for ogs, station in scenario.stations.items():
        if ogs in given:
            _zone_info(given[ogs], f"timezone of station '{ogs}'")
            zones[ogs] = StationZone(given[ogs], "given")
            continue
        if station.time_zone is not None:
            zones[ogs] = StationZone(station.time_zone, "stated by the scenario")
            continue
        place = dated_stations(station)[0]
        name = _country_zone(station.country, place.latitude_deg, place.longitude_deg, scenario.start)
        if name is None:
            raise DataError(
                f"station.{ogs}.time_zone: the zone data know no zone of country '{station.country}', and crew sheets "
                f'show local times; add such as time_zone = "Europe/Belgrade" under [station.{ogs}]'
            )
        zones[ogs] = StationZone(name, f"derived from country {station.country}")
    return zones


def _zone_info(name: str, where: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise DataError(f"{where}: unknown zone '{name}'; {near_matches(name, available_timezones())}") from error


def _country_zone(country: str, latitude_deg: float, longitude_deg: float, start: datetime) -> str | None:
    zones = _zones_by_country().get(country.upper())
    if not zones:
        return None
    first = zones[0][0]
    nearest = min(zones, key=lambda z: _distance_rad(z[1], z[2], latitude_deg, longitude_deg))[0]
    moments = [start + timedelta(days=30 * k) for k in range(13)]
    clocks = [[m.astimezone(ZoneInfo(name)).utcoffset() for m in moments] for name in (first, nearest)]
    return first if clocks[0] == clocks[1] else nearest


def _distance_rad(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    a, b = np.radians([lat_a, lon_a]), np.radians([lat_b, lon_b])
    half = np.sin((b[0] - a[0]) / 2) ** 2 + np.cos(a[0]) * np.cos(b[0]) * np.sin((b[1] - a[1]) / 2) ** 2
    return float(2 * np.arcsin(np.sqrt(half)))


@lru_cache(maxsize=1)
def _zones_by_country() -> dict[str, list[tuple[str, float, float]]]:
    """Zones of each country in the order of zone.tab, with latitude and longitude [deg] of their reference points."""
    found: dict[str, list[tuple[str, float, float]]] = {}
    for line in files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            country, place, name = line.split("\t")[:3]
            found.setdefault(country, []).append((name, *_coordinates_deg(place)))
    return found


def _coordinates_deg(text: str) -> tuple[float, float]:
    """ISO 6709 point such as ``+5230+01322`` or ``+513030-0000731`` in degrees."""
    values = []
    for sign, digits, width in zip(*[iter(re.findall(r"[+-]|\d+", text))] * 2, (2, 3), strict=True):
        degrees, rest = int(digits[:width]), digits[width:]
        minutes = int(rest[:2]) + (int(rest[2:]) / 60 if len(rest) > 2 else 0)
        values.append((-1 if sign == "-" else 1) * (degrees + minutes / 60))
    return values[0], values[1]
