"""Orbits by design: element sets made from altitude and local time instead of observation."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from scipy.optimize import brentq

from eqci_space.errors import ElementsError
from eqci_space.orbits.elements import ElementSet, build_elements, secular_rates_deg_day
from eqci_space.scenario import Orbit, Train, Walker
from eqci_space.scenario.constellations import members
from eqci_space.units import EARTH_GM_M3_S2, EARTH_J2, EARTH_RADIUS_M, TROPICAL_YEAR_S

__all__ = [
    "circular",
    "constellation",
    "design",
    "mean_sun_longitude_deg",
    "sun_synchronous",
    "sun_synchronous_inclination_deg",
]

_LOWEST_KM, _HIGHEST_SSO_KM = 200.0, 5900.0


def sun_synchronous_inclination_deg(altitude_km: float) -> float:
    """Inclination [deg] at which J2 turns the node of a circular orbit once a tropical year.

    First-order secular rate, ``dΩ/dt = -(3/2) J2 n (R/a)² cos i`` (Vallado 2013, eq. 9-37).
    Published for 500 km: 97.40 deg.

    Raises
    ------
    ElementsError
        The altitude (valid: 200 to 5,900 km) admits no sun-synchronous orbit.
    """
    if not _LOWEST_KM <= altitude_km <= _HIGHEST_SSO_KM:
        raise ElementsError(
            f"sun_synchronous_inclination_deg: altitude {altitude_km} km; "
            f"expected {_LOWEST_KM:g} to {_HIGHEST_SSO_KM:g} km"
        )
    semi_major_m = EARTH_RADIUS_M + altitude_km * 1e3
    motion = np.sqrt(EARTH_GM_M3_S2 / semi_major_m**3)
    cosine = -(2 * np.pi / TROPICAL_YEAR_S) / (1.5 * EARTH_J2 * motion * (EARTH_RADIUS_M / semi_major_m) ** 2)
    return float(np.degrees(np.arccos(cosine)))


def mean_sun_longitude_deg(epoch: datetime) -> float:
    """Mean longitude of the Sun [deg] (Astronomical Almanac, low precision): 280.460 + 0.9856474 d."""
    days = (epoch - datetime(2000, 1, 1, 12, tzinfo=UTC)).total_seconds() / 86400.0
    return (280.460 + 0.985_647_4 * days) % 360.0


def circular(
    name: str,
    *,
    altitude_km: float,
    inclination_deg: float,
    raan_deg: float,
    epoch: datetime,
    mean_anomaly_deg: float = 0.0,
) -> ElementSet:
    """Circular orbit as SGP4 mean elements.

    The mean motion is that of a two-body orbit of radius R + altitude, as altitudes are quoted from mean motions in
    the field; the eccentricity is 1e-4 and the drag zero.

    Parameters
    ----------
    name : str
    altitude_km : float
        [km] above the equatorial radius.
    inclination_deg, raan_deg : float
        [deg]; the node counts from the mean equinox of date.
    epoch : datetime
        Epoch of the elements (aware); the satellite is then at the node for zero anomaly.
    mean_anomaly_deg : float
        [deg], counted from the node.
    """  # fmt: skip
    semi_major_m = EARTH_RADIUS_M + altitude_km * 1e3
    motion_rev_day = 86400.0 * np.sqrt(EARTH_GM_M3_S2 / semi_major_m**3) / (2 * np.pi)
    values = {
        "name": name, "catalogue_number": 0, "epoch": epoch, "mean_motion_rev_day": float(motion_rev_day),
        "eccentricity": 1e-4, "inclination_deg": inclination_deg, "raan_deg": raan_deg % 360.0,
        "argument_of_pericenter_deg": 0.0, "mean_anomaly_deg": mean_anomaly_deg % 360.0, "design": True,
    }  # fmt: skip
    return build_elements(values, f"orbit '{name}'")


def sun_synchronous(
    name: str, *, altitude_km: float, ltan_h: float, epoch: datetime, mean_anomaly_deg: float = 0.0
) -> ElementSet:
    """Circular sun-synchronous orbit with a local mean time of the ascending node.

    The inclination makes SGP4's own node rate (J2, J2² and J4) that of the mean Sun, so that the local time stays;
    it lies about 0.01 deg above the first-order value. The rest is as in `circular`.

    Parameters
    ----------
    name : str
    altitude_km : float
        [km] above the equatorial radius, 200 to 5900.
    ltan_h : float
        Local mean solar time of the ascending node [h], 0 to 24.
    epoch : datetime
        Epoch of the elements (aware); the satellite is then at the node for zero anomaly.
    mean_anomaly_deg : float
        [deg], counted from the node.
    """
    first_order_deg = sun_synchronous_inclination_deg(altitude_km)
    raan_deg = mean_sun_longitude_deg(epoch) + 15.0 * (ltan_h - 12.0)

    def orbit(inclination_deg: float) -> ElementSet:
        return circular(
            name, altitude_km=altitude_km, inclination_deg=inclination_deg, raan_deg=raan_deg, epoch=epoch,
            mean_anomaly_deg=mean_anomaly_deg,
        )  # fmt: skip

    def excess_deg_day(inclination_deg: float) -> float:
        return secular_rates_deg_day(orbit(inclination_deg))[0] - 360.0 * 86400.0 / TROPICAL_YEAR_S

    return orbit(float(brentq(excess_deg_day, first_order_deg - 1.0, first_order_deg + 1.0, xtol=1e-10)))


def design(name: str, orbit: Orbit, epoch: datetime) -> ElementSet:
    """Element set of an orbit described in a scenario; `epoch` serves where the orbit states none."""
    values = {**orbit.model_dump(exclude={"kind"}), "epoch": orbit.epoch or epoch}
    return sun_synchronous(name, **values) if orbit.kind == "sun_synchronous" else circular(name, **values)


def constellation(name: str, pattern: Walker | Train, epoch: datetime) -> list[ElementSet]:
    """Element sets of a constellation, named as in a scenario: NAME-plane-number, or NAME-number for a train.

    `epoch` serves where the pattern states none. A Galileo-like 24/3/1 delta pattern has planes 120 deg apart,
    satellites 45 deg apart in a plane, and a shift of 15 deg from plane to plane.
    """
    return [design(member, orbit, epoch) for member, orbit in members(name, pattern)]
