"""Light of the sky in a receiver: radiance at night and in twilight, and photons per second."""

from __future__ import annotations

import numpy as np

from eqci_space.units import PLANCK_J_S, SPEED_OF_LIGHT_M_S

__all__ = ["background_photon_rate_hz", "night_radiance_w_m2_sr_m", "single_mode_photon_rate_hz"]

# Zenith band means at dark sites, converted from ESO SkyCalc magnitudes: V, R, I, J, H [W/m²/sr/m].
_NIGHT_WAVELENGTH_M = np.array([0.55e-6, 0.65e-6, 0.80e-6, 1.25e-6, 1.63e-6])
_NIGHT_RADIANCE = np.array([2.9, 3.5, 6.1, 24.0, 83.0])
# Daylight, "normal" zenith sky of ITU-R P.1621-2 Table 1 [W/m²/sr/m].
_DAY_WAVELENGTH_M = np.array([0.53e-6, 0.85e-6, 0.965e-6, 1.06e-6, 1.5e-6])
_DAY_RADIANCE = np.array([101.6, 42.58, 25.12, 25.32, 6.0]) * 1e6
_NIGHT_BEGINS_DEG = -18.0


def _log_interpolate(x: float, xs: np.ndarray, ys: np.ndarray) -> float:
    return float(np.exp(np.interp(np.log(x), np.log(xs), np.log(ys))))


def night_radiance_w_m2_sr_m(*, wavelength_m: float, sun_elevation_deg: np.ndarray) -> np.ndarray:
    """Spectral radiance of the moonless zenith sky [W/m²/sr/m], Sun below the horizon.

    Dark-sky band means (V, I, H: 2.9e-6, 6.1e-6, 8.3e-5 W/m²/sr/µm; airglow dominates beyond 1 µm), log-log in
    wavelength, ends held. In twilight the logarithm runs linearly in the Sun's elevation from the daylight
    value of ITU-R P.1621-2 at 0 deg to the dark value at -18 deg: order of magnitude, on the bright side
    (recalled rule; checked only at its two ends).

    Parameters
    ----------
    wavelength_m : float
        [m], 0.4e-6 to 2e-6.
    sun_elevation_deg : array
        [deg]; above 0 the daylight value is held.
    """
    if not 0.4e-6 <= wavelength_m <= 2e-6:
        raise ValueError(f"night_radiance_w_m2_sr_m: wavelength_m={wavelength_m}; expected 0.4e-6 to 2e-6 m")
    dark = _log_interpolate(wavelength_m, _NIGHT_WAVELENGTH_M, _NIGHT_RADIANCE)
    day = _log_interpolate(wavelength_m, _DAY_WAVELENGTH_M, _DAY_RADIANCE)
    share = np.clip(1 - np.asarray(sun_elevation_deg, dtype=float) / _NIGHT_BEGINS_DEG, 0.0, 1.0)
    return dark * (day / dark) ** share


def _photons_per_joule(wavelength_m: float) -> float:
    return wavelength_m / (PLANCK_J_S * SPEED_OF_LIGHT_M_S)


def background_photon_rate_hz(
    *,
    wavelength_m: float,
    radiance_w_m2_sr_m: np.ndarray,
    aperture_diameter_m: float,
    obscuration_ratio: float,
    field_of_view_full_angle_rad: float,
    filter_bandwidth_m: float,
) -> np.ndarray:
    """Sky photons per second through a field stop: ``L Ω A Δλ λ/(hc)``, Ω = 2π(1 - cos(FOV/2)), no losses."""
    if not (aperture_diameter_m > 0 and 0 <= obscuration_ratio < 1 and 0 < field_of_view_full_angle_rad < 2 * np.pi):
        raise ValueError(
            f"background_photon_rate_hz: aperture_diameter_m={aperture_diameter_m}, obscuration_ratio="
            f"{obscuration_ratio}, field_of_view_full_angle_rad={field_of_view_full_angle_rad}; expected a positive "
            "length, a ratio in [0, 1) and an angle in (0, 2π)"
        )
    solid_angle = 4 * np.pi * np.sin(field_of_view_full_angle_rad / 4) ** 2
    area = np.pi / 4 * aperture_diameter_m**2 * (1 - obscuration_ratio**2)
    energy = np.asarray(radiance_w_m2_sr_m) * solid_angle * area * filter_bandwidth_m
    return energy * _photons_per_joule(wavelength_m)


def single_mode_photon_rate_hz(
    *, wavelength_m: float, radiance_w_m2_sr_m: np.ndarray, filter_bandwidth_m: float
) -> np.ndarray:
    """Sky photons per second in one spatial mode, both polarisations: ``A Ω = λ²`` (Siegman 1966), no losses."""
    energy = np.asarray(radiance_w_m2_sr_m) * wavelength_m**2 * filter_bandwidth_m
    return energy * _photons_per_joule(wavelength_m)
