"""Patterns of satellites as single orbits."""

from __future__ import annotations

from collections.abc import Mapping
from math import cos, pi
from typing import Any

from eqci_space.scenario.space import CircularOrbit, Constellation, Orbit, Train, Walker
from eqci_space.units import EARTH_GM_M3_S2, EARTH_J2, EARTH_RADIUS_M, EARTH_ROTATION_RAD_S, TROPICAL_YEAR_S

__all__ = ["members", "satellite_tables", "train_orbits", "walker_orbits"]

_DEG_PER_RAD = 57.295_779_513_082_32
_SPREAD_DEG = {"walker_delta": 360.0, "walker_star": 180.0}


def members(name: str, pattern: Walker | Train) -> list[tuple[str, Orbit]]:
    """Names and orbits of a constellation: NAME-plane-number (Walker) or NAME-number (train), counted from 1."""
    if isinstance(pattern, Walker):
        return [(f"{name}-{plane + 1}-{slot + 1}", orbit) for plane, slot, orbit in walker_orbits(pattern)]
    return [(f"{name}-{i + 1}", orbit) for i, orbit in enumerate(train_orbits(pattern))]


def satellite_tables(constellation: Constellation, table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ``[[satellite]]`` tables that a constellation stands for, all with the terminal or uplink of its table."""
    more = {key: table[key] for key in ("terminal", "uplink") if key in table}
    if constellation.terminals != 1:
        more["terminals"] = constellation.terminals
    return [
        {"name": name, "orbit": orbit.model_dump(), **more}
        for name, orbit in members(constellation.name, constellation.pattern)
    ]


def walker_orbits(pattern: Walker) -> list[tuple[int, int, CircularOrbit]]:
    """Plane, number in it and circular orbit of each satellite of a Walker constellation.

    Plane j has its node at raan + j·spread/p, satellite k of it the anomaly 360·k/s + 360·f·j/t deg, with spread
    360 deg (delta) or 180 deg (star) and s = t/p (Walker 1984, J. Brit. Interplanet. Soc. 37, 559; recalled).
    """
    per_plane = pattern.satellites // pattern.planes
    orbits = []
    for plane in range(pattern.planes):
        raan = pattern.raan_deg + plane * _SPREAD_DEG[pattern.kind] / pattern.planes
        shift = 360.0 * pattern.phasing * plane / pattern.satellites
        for slot in range(per_plane):
            orbit = CircularOrbit(
                kind="circular", altitude_km=pattern.altitude_km, inclination_deg=pattern.inclination_deg,
                raan_deg=raan % 360.0, mean_anomaly_deg=(360.0 * slot / per_plane + shift) % 360.0,
                epoch=pattern.epoch,
            )  # fmt: skip
            orbits.append((plane, slot, orbit))
    return orbits


def train_orbits(pattern: Train) -> list[Orbit]:
    """Orbits of satellites that pass the same point of the orbit, or of the ground track, one after another.

    The n-th follows n·spacing later. Over one ground track its node stands further east by what the Earth turns
    against the node in that time, for a sun-synchronous orbit as a later local time. Rates of node and argument of
    latitude by first-order J2 (Vallado 2013, eq. 9-37 and following).
    """
    first = pattern.orbit
    semi_major_m = EARTH_RADIUS_M + first.altitude_km * 1e3
    motion_rad_s = (EARTH_GM_M3_S2 / semi_major_m**3) ** 0.5
    flattening = 1.5 * EARTH_J2 * (EARTH_RADIUS_M / semi_major_m) ** 2
    if isinstance(first, CircularOrbit):
        cosine = cos(first.inclination_deg / _DEG_PER_RAD)
        node_rad_s = -flattening * motion_rad_s * cosine
    else:
        node_rad_s = 2 * pi / TROPICAL_YEAR_S
        cosine = -node_rad_s / (flattening * motion_rad_s)
    # SGP4's mean motion holds the J2 drift of the mean anomaly already; the perigee's drift is added.
    along_deg_s = motion_rad_s * (1 + flattening * (2.5 * cosine**2 - 0.5)) * _DEG_PER_RAD
    ground = pattern.track == "ground"
    turn_deg_s = (EARTH_ROTATION_RAD_S - node_rad_s) * _DEG_PER_RAD if ground else 0.0
    turn_of_sun_deg_s = (EARTH_ROTATION_RAD_S - 2 * pi / TROPICAL_YEAR_S) * _DEG_PER_RAD if ground else 0.0
    orbits: list[Orbit] = []
    for i in range(pattern.satellites):
        delay_s = i * pattern.spacing_s
        update = {"mean_anomaly_deg": (first.mean_anomaly_deg - along_deg_s * delay_s) % 360.0}
        if isinstance(first, CircularOrbit):
            update["raan_deg"] = (first.raan_deg + turn_deg_s * delay_s) % 360.0
        else:
            update["ltan_h"] = (first.ltan_h + turn_of_sun_deg_s * delay_s / 15.0) % 24.0
        orbits.append(first.model_copy(update=update))
    return orbits
