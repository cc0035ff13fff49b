"""Geometry of a circular orbit over a spherical Earth, for sweeps without an orbit."""

from __future__ import annotations

import numpy as np

from eqci_space.linkbudget.ranges import Range, in_range
from eqci_space.units import EARTH_GM_M3_S2, SPEED_OF_LIGHT_M_S

__all__ = [
    "doppler_shift_hz",
    "frame_angle_rad",
    "height_over_site_m",
    "point_ahead_angle_rad",
    "point_ahead_from_rate_rad",
    "secant_zenith",
    "slant_range_m",
]

MEAN_EARTH_RADIUS_M = 6_371_008.8


@in_range(elevation_deg=Range(0, 90, "deg"))
def slant_range_m(
    elevation_deg: np.ndarray | float,
    *,
    satellite_altitude_m: float,
    site_altitude_m: float = 0.0,
    earth_radius_m: float = MEAN_EARTH_RADIUS_M,
) -> np.ndarray:
    """Distance of a satellite seen at an elevation, over a spherical Earth.

    ``√(R2² - R1² cos²ε) - R1 sin ε`` with the radii of site and orbit (law of cosines; derived here).

    Parameters
    ----------
    elevation_deg : array
        ε, geometric [deg], in [0, 90], any shape.
    satellite_altitude_m : float
        [m], in [80e3, 1e9], above the site's.
    site_altitude_m : float
        [m], in [-500, 11e3].
    earth_radius_m : float
        [m], in [6.3e6, 6.4e6].

    Returns
    -------
    array
        [m], shape of `elevation_deg`.

    Raises
    ------
    ValueError
        An argument is out of range, or the satellite is not above the site.

    Examples
    --------
    >>> round(float(slant_range_m(30.0, satellite_altitude_m=500e3)) / 1e3, 1)
    909.4
    """
    if not satellite_altitude_m > site_altitude_m:
        raise ValueError(
            f"slant_range_m: satellite_altitude_m = {satellite_altitude_m} over a site at {site_altitude_m} m; "
            "expected a satellite above the site"
        )
    e = np.radians(np.asarray(elevation_deg, dtype=float))
    low, high = earth_radius_m + site_altitude_m, earth_radius_m + satellite_altitude_m
    return np.sqrt(high**2 - (low * np.cos(e)) ** 2) - low * np.sin(e)


@in_range(elevation_deg=Range(0, 90, "deg"))
def height_over_site_m(
    elevation_deg: np.ndarray | float,
    *,
    range_m: np.ndarray | float,
    site_altitude_m: float = 0.0,
    earth_radius_m: float = MEAN_EARTH_RADIUS_M,
) -> np.ndarray:
    """Height above a site of what is seen at an elevation and a distance, over a spherical Earth.

    ``√(R1² + d² + 2 R1 d sin ε) - R1`` with the radius R1 of the site: `slant_range_m` the other way round (law of
    cosines; derived here).

    Parameters
    ----------
    elevation_deg : array
        ε, geometric [deg], in [0, 90], any shape.
    range_m : array
        d [m], > 0; arrays broadcast.
    site_altitude_m : float
        [m], in [-500, 11e3].
    earth_radius_m : float
        [m], in [6.3e6, 6.4e6].

    Returns
    -------
    array
        [m], broadcast.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    >>> round(float(height_over_site_m(30.0, range_m=909.4e3)) / 1e3, 1)
    500.0
    """
    low, distance = earth_radius_m + site_altitude_m, np.asarray(range_m, dtype=float)
    rise = 2 * low * distance * np.sin(np.radians(np.asarray(elevation_deg, dtype=float)))
    return np.sqrt(low**2 + distance**2 + rise) - low


def secant_zenith(elevation_deg: np.ndarray | float) -> np.ndarray:
    """Path through a flat layer over its thickness, ``1/sin ε`` (derived here).

    Parameters
    ----------
    elevation_deg : array
        ε [deg], in (0, 90], any shape.

    Returns
    -------
    array
        [1], >= 1, shape of `elevation_deg`.

    Examples
    --------
    >>> round(float(secant_zenith(30.0)), 12)
    2.0
    """
    return 1.0 / np.sin(np.radians(np.asarray(elevation_deg, dtype=float)))


def _speed_and_cosine(
    elevation_deg: np.ndarray | float, altitude_m: float, radius_m: float, gm_m3_s2: float
) -> tuple[float, np.ndarray]:
    """Orbital speed, and cosine of the angle between velocity and line of sight on a pass through the zenith."""
    orbit_m = radius_m + altitude_m
    return float(np.sqrt(gm_m3_s2 / orbit_m)), radius_m * np.cos(np.radians(np.asarray(elevation_deg))) / orbit_m


@in_range(elevation_deg=Range(0, 90, "deg"))
def point_ahead_angle_rad(
    elevation_deg: np.ndarray | float,
    *,
    satellite_altitude_m: float,
    earth_radius_m: float = MEAN_EARTH_RADIUS_M,
    gravitational_parameter_m3_s2: float = EARTH_GM_M3_S2,
) -> np.ndarray:
    """Angle between where a satellite is seen and where light must be sent to meet it.

    ``2 v⊥/c`` on a circular orbit through the zenith, without the Earth's rotation (derived here).

    Parameters
    ----------
    elevation_deg : array
        ε [deg], in [0, 90], any shape.
    satellite_altitude_m : float
        [m], in [80e3, 1e9].
    earth_radius_m : float
        [m], in [6.3e6, 6.4e6].
    gravitational_parameter_m3_s2 : float
        G M of the Earth [m³/s²], > 0.

    Returns
    -------
    array
        [rad], shape of `elevation_deg`.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    Overhead and at 10 deg, at 500 km, in µrad:

    >>> (point_ahead_angle_rad(np.array([90.0, 10.0]), satellite_altitude_m=500e3) * 1e6).round(1).tolist()
    [50.8, 20.7]
    """
    speed, c = _speed_and_cosine(elevation_deg, satellite_altitude_m, earth_radius_m, gravitational_parameter_m3_s2)
    return 2 * speed * np.sqrt(1 - c**2) / SPEED_OF_LIGHT_M_S


@in_range(elevation_deg=Range(0, 90, "deg"))
def doppler_shift_hz(
    elevation_deg: np.ndarray | float,
    *,
    wavelength_m: float,
    satellite_altitude_m: float,
    earth_radius_m: float = MEAN_EARTH_RADIUS_M,
    gravitational_parameter_m3_s2: float = EARTH_GM_M3_S2,
) -> np.ndarray:
    """Magnitude of the Doppler shift on a circular orbit through the zenith, without the Earth's rotation.

    ``v cos/λ`` with the angle between velocity and line of sight (derived here).

    Parameters
    ----------
    elevation_deg : array
        ε [deg], in [0, 90], any shape.
    wavelength_m : float
        λ [m], in [0.2e-6, 15e-6].
    satellite_altitude_m : float
        [m], in [80e3, 1e9].
    earth_radius_m : float
        [m], in [6.3e6, 6.4e6].
    gravitational_parameter_m3_s2 : float
        G M of the Earth [m³/s²], > 0.

    Returns
    -------
    array
        [Hz], >= 0, shape of `elevation_deg`.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    At 10 deg, 500 km and 1550 nm, in GHz:

    >>> round(float(doppler_shift_hz(10.0, wavelength_m=1550e-9, satellite_altitude_m=500e3)) / 1e9, 2)
    4.49
    """
    speed, c = _speed_and_cosine(elevation_deg, satellite_altitude_m, earth_radius_m, gravitational_parameter_m3_s2)
    return speed * c / wavelength_m


@in_range()
def point_ahead_from_rate_rad(*, range_m: np.ndarray, angular_rate_rad_s: np.ndarray) -> np.ndarray:
    """Point-ahead angle from the range and the angular rate of the line of sight, as SAMPLES carry them.

    ``2 L ω/c``: light needs L/c each way (derived here).

    Parameters
    ----------
    range_m : array
        L [m], > 0; arrays broadcast.
    angular_rate_rad_s : array
        ω [rad/s], in [0, 1].

    Returns
    -------
    array
        [rad], broadcast.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    500 km overhead at 7.613 km/s, in µrad:

    >>> round(float(point_ahead_from_rate_rad(range_m=500e3, angular_rate_rad_s=7613 / 500e3)) * 1e6, 1)
    50.8
    """
    return 2 * np.asarray(range_m) * np.asarray(angular_rate_rad_s) / SPEED_OF_LIGHT_M_S


@in_range()
def frame_angle_rad(
    *, elevation_deg: np.ndarray, azimuth_rate_rad_s: np.ndarray, elevation_rate_rad_s: np.ndarray
) -> np.ndarray:
    """Angle between a satellite's track and the horizontal of an alt-azimuth mount, ``atan2(ε', α' cos ε)``.

    The polarisation frame of a terminal that flies with one axis along its track turns in the receiver by the change
    of this angle; a half-wave plate follows, and what it leaves is `frame_rotation_rad` (derived here).

    Parameters
    ----------
    elevation_deg : array
        ε [deg], in (0, 90]; arrays broadcast.
    azimuth_rate_rad_s, elevation_rate_rad_s : array
        α' and ε' [rad/s], any.

    Returns
    -------
    array
        [rad], in [-π, π], broadcast.

    Raises
    ------
    ValueError
        The elevation is out of range.

    Examples
    --------
    At 60 deg an azimuth that runs twice as fast as the elevation climbs makes a track of 45 deg:

    >>> rates = {"azimuth_rate_rad_s": 0.02, "elevation_rate_rad_s": 0.01}
    >>> round(float(np.degrees(frame_angle_rad(elevation_deg=60.0, **rates))), 6)
    45.0
    """
    across = np.asarray(azimuth_rate_rad_s) * np.cos(np.radians(elevation_deg))
    return np.arctan2(np.asarray(elevation_rate_rad_s, dtype=float), across)
