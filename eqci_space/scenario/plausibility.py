"""What cannot be right of places, heights and links, by arithmetic and by the coastlines and borders of the basemap."""

from __future__ import annotations

import json
import math
from functools import cache
from typing import Any

from eqci_space.data import data_path
from eqci_space.units import EARTH_RADIUS_M

__all__ = [
    "great_circle_km", "heights_problem", "link_doubt", "link_problem", "position_doubt", "position_problem"
]  # fmt: skip

_GEOID_M = (-110.0, 90.0)
"""Geoid over the ellipsoid, anywhere: -107 to +86 m in EGM96 (Lemoine et al. 1998)."""
_NEAR_KM = 100.0
"""Coasts of the basemap are coarse, small islands are missing, and Åland is a country of its own there."""
_COAST_KM = 20.0
_LEAST_DB_KM, _IMPOSSIBLE_DB_KM, _MOST_DB_KM = 0.14, 0.05, 0.5
"""Best glass: 0.142 dB/km (Tamura et al. 2018); the best hollow core is near 0.1 (recalled)."""
_CONNECTORS_DB = 3.0
_ROUNDING = 1e-9
_SHORTEST_SHARE, _PLACES_KM = 0.98, 2.0


def heights_problem(ellipsoid_m: float, msl_m: float) -> str:
    """What is wrong with two heights [m] that differ by more than the geoid does from the ellipsoid; empty if nothing.

    Examples
    --------
    >>> heights_problem(2440.0, 2390.0)
    ''
    """
    low, high = _GEOID_M
    if low <= ellipsoid_m - msl_m <= high:
        return ""
    in_km = any(abs(1000 * a - b) < high for a, b in ((ellipsoid_m, msl_m), (msl_m, ellipsoid_m)))
    return (
        f"height_ellipsoid_m {ellipsoid_m:g} and height_msl_m {msl_m:g} differ by {ellipsoid_m - msl_m:g} m; expected "
        f"{low:g} to {high:g}, as anywhere on Earth; "
        + ("one of them is in km: write metres" if in_km else "mend the one that is wrong")
    )


def position_problem(country: str, latitude_deg: float, longitude_deg: float) -> str:
    """What is wrong with a position far from its country which is right when mirrored or exchanged; else empty.

    Countries that the basemap does not have are not judged.
    """
    away_km = _distance_km(country, latitude_deg, longitude_deg)
    if away_km is None or away_km <= _NEAR_KM:
        return ""
    for what, latitude, longitude in (
        ("latitude and longitude are exchanged", longitude_deg, latitude_deg),
        ("longitudes count east positive, and this one west", latitude_deg, -longitude_deg),
        ("the latitude has the wrong sign", -latitude_deg, longitude_deg),
    ):
        if abs(latitude) <= 90 and (_distance_km(country, latitude, longitude) or 0.0) <= _COAST_KM:
            return (
                f"{latitude_deg:g}, {longitude_deg:g} is {away_km:.0f} km from {country}, and {latitude:g}, "
                f"{longitude:g} lies in it: {what}; write latitude_deg {latitude:g}, longitude_deg {longitude:g}"
            )
    return ""


def position_doubt(country: str, latitude_deg: float, longitude_deg: float) -> str:
    """What to warn of where a position is far from its country for no cause that can be told; else empty."""
    away_km = _distance_km(country, latitude_deg, longitude_deg)
    if away_km is None or away_km <= _NEAR_KM:
        return ""
    return f"{latitude_deg:g}, {longitude_deg:g} is {away_km:.0f} km from {country}; mend position or country"


def link_problem(length_km: float, loss_db: float) -> str:
    """What is wrong with a link [km, dB] that loses less than any fibre can; empty if nothing."""
    if length_km < 1 or loss_db >= (_IMPOSSIBLE_DB_KM - _ROUNDING) * length_km:
        return ""
    return (
        f"loses {loss_db:g} dB over {length_km:g} km, {loss_db / length_km:.2g} dB/km; no fibre is below "
        f"{_IMPOSSIBLE_DB_KM:g}; loss_db is the loss of the whole link, such as {0.22 * length_km:.3g}"
    )


def link_doubt(length_km: float, loss_db: float, great_circle_km: float, *, explained: bool) -> str:
    """What to warn of a link: a length [km] below the great circle of its ends, a loss [dB] unlike that of fibre.

    Parameters
    ----------
    length_km, loss_db, great_circle_km : float
    explained : bool
        Whether the table says where the loss is from, so that a large one may stand.
    """
    if length_km + _PLACES_KM < _SHORTEST_SHARE * great_circle_km:
        return (
            f"is {length_km:g} km long, and its ends are {great_circle_km:.0f} km apart; mend the length, or the "
            "positions of its ends"
        )
    if length_km >= 1 and loss_db < (_LEAST_DB_KM - _ROUNDING) * length_km:
        return (
            f"loses {loss_db:g} dB over {length_km:g} km, {loss_db / length_km:.2g} dB/km; the best glass has "
            f"{_LEAST_DB_KM:g}; mend loss_db, or the length"
        )
    if loss_db - _CONNECTORS_DB > (_MOST_DB_KM + _ROUNDING) * length_km and not explained:
        return (
            f"loses {loss_db:g} dB over {length_km:g} km, more than {_MOST_DB_KM:g} dB/km and {_CONNECTORS_DB:g} dB of "
            "connectors; mend it, or say why in a column loss_source"
        )
    return ""


def great_circle_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Great circle [km] between two places (latitude, longitude) [deg], haversine on a sphere."""
    (lat_a, lon_a), (lat_b, lon_b) = ((math.radians(x), math.radians(y)) for x, y in (a, b))
    half = math.sin((lat_b - lat_a) / 2) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    return 2 * EARTH_RADIUS_M / 1e3 * math.asin(math.sqrt(min(half, 1.0)))


def _distance_km(country: str, latitude_deg: float, longitude_deg: float) -> float | None:
    """How far a place is from a country of the basemap; None of others."""
    land = _lands().get(country)
    if land is None:
        return None
    from shapely import Point
    from shapely.ops import nearest_points

    place = Point(longitude_deg, latitude_deg)
    if land.covers(place):
        return 0.0
    nearest = nearest_points(land, place)[0]
    return great_circle_km((nearest.y, nearest.x), (latitude_deg, longitude_deg))


@cache
def _lands() -> dict[str, Any]:
    from shapely import prepare
    from shapely.geometry import shape

    text = data_path("basemap", "europe_countries_50m.geojson").read_text(encoding="utf-8")
    lands = {f["properties"]["iso_a2"]: shape(f["geometry"]) for f in json.loads(text)["features"]}
    for land in lands.values():
        prepare(land)
    return {code: land for code, land in lands.items() if code}
