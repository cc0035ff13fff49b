"""Geometry of a circular orbit over a spherical Earth, for sweeps without an orbit."""

from __future__ import annotations

import numpy as np

from eqci_space.linkbudget.ranges import Range, in_range
from eqci_space.units import EARTH_GM_M3_S2, SPEED_OF_LIGHT_M_S

__all__ = [
    "doppler_shift_hz",
    "frame_angle_rad",
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
    """``√(R2² - R1² cos²ε) - R1 sin ε`` [m]; 909.4 km at 30 deg to 500 km."""
    if not satellite_altitude_m > site_altitude_m:
        raise ValueError(
            f"slant_range_m: satellite_altitude_m = {satellite_altitude_m} over a site at {site_altitude_m} m; "
            "expected a satellite above the site"
        )
    e = np.radians(np.asarray(elevation_deg, dtype=float))
    low, high = earth_radius_m + site_altitude_m, earth_radius_m + satellite_altitude_m
    return np.sqrt(high**2 - (low * np.cos(e)) ** 2) - low * np.sin(e)


def secant_zenith(elevation_deg: np.ndarray | float) -> np.ndarray:
    """``1/sin ε``: the path through a flat layer over its thickness."""
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
    """``2 v⊥/c`` [rad] on a pass through the zenith, without the Earth's rotation; 50.8 µrad overhead at 500 km."""
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
    """Magnitude of ``v cos/λ`` [Hz] on a pass through the zenith; 4.49 GHz at 10 deg, 500 km and 1550 nm."""
    speed, c = _speed_and_cosine(elevation_deg, satellite_altitude_m, earth_radius_m, gravitational_parameter_m3_s2)
    return speed * c / wavelength_m


@in_range()
def point_ahead_from_rate_rad(*, range_m: np.ndarray, angular_rate_rad_s: np.ndarray) -> np.ndarray:
    """``2 L ω/c`` [rad] from the range and the angular rate of the line of sight, as SAMPLES carry them."""
    return 2 * np.asarray(range_m) * np.asarray(angular_rate_rad_s) / SPEED_OF_LIGHT_M_S


@in_range()
def frame_angle_rad(
    *, elevation_deg: np.ndarray, azimuth_rate_rad_s: np.ndarray, elevation_rate_rad_s: np.ndarray
) -> np.ndarray:
    """Angle [rad] between a satellite's track and the horizontal of an alt-azimuth mount, ``atan2(ε', α' cos ε)``.

    The polarisation frame of a terminal that flies with one axis along its track turns in the receiver by the change
    of this angle; a half-wave plate follows, and what it leaves is `frame_rotation_rad`. Derived here.
    """
    across = np.asarray(azimuth_rate_rad_s) * np.cos(np.radians(elevation_deg))
    return np.arctan2(np.asarray(elevation_rate_rad_s, dtype=float), across)
