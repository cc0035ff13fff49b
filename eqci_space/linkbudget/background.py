"""Light of the sky in a receiver: radiance by day, in twilight, at night and under the Moon; photons per second."""

from __future__ import annotations

import numpy as np

from eqci_space.linkbudget.extinction import airmass_kasten_young
from eqci_space.linkbudget.ranges import Range, in_range
from eqci_space.units import PLANCK_J_S, SPEED_OF_LIGHT_M_S

__all__ = [
    "background_photon_rate_hz",
    "light_pollution_radiance_w_m2_sr_m",
    "moonlight_luminance_cd_m2",
    "moonlight_radiance_w_m2_sr_m",
    "moonset_share",
    "night_radiance_w_m2_sr_m",
    "single_mode_photon_rate_hz",
]

# Zenith band means at dark sites, converted from ESO SkyCalc magnitudes: V, R, I, J, H [W/m²/sr/m].
_NIGHT_WAVELENGTH_M = np.array([0.55e-6, 0.65e-6, 0.80e-6, 1.25e-6, 1.63e-6])
_NIGHT_RADIANCE = np.array([2.9, 3.5, 6.1, 24.0, 83.0])
# Daylight, "normal" zenith sky of ITU-R P.1621-2 Table 1 [W/m²/sr/m].
_DAY_WAVELENGTH_M = np.array([0.53e-6, 0.85e-6, 0.965e-6, 1.06e-6, 1.5e-6])
_DAY_RADIANCE = np.array([101.6, 42.58, 25.12, 25.32, 6.0]) * 1e6
_NIGHT_BEGINS_DEG = -18.0
# Excess of the moonlit over the dark sky, full Moon 45 deg away, relative to the V band (from ESO SkyCalc).
_MOON_WAVELENGTH_M = np.array([0.55e-6, 0.65e-6, 0.80e-6, 1.63e-6])
_MOON_COLOUR = np.array([1.0, 0.58, 0.27, 0.015])
_V_BAND_M = 0.55e-6
_V_ZERO_POINT_W_M2_M = 3.631e-2  # magnitude 0 outside the atmosphere, per metre of wavelength (Bessell 1979)
_SQUARE_ARCSEC_SR = (np.pi / 180 / 3600) ** 2
_NANOLAMBERT_CD_M2 = 1e-5 / np.pi
_DARK_NL, _MAGNITUDE_SLOPE, _MAGNITUDE_ZERO = 34.08, 0.92104, 20.7233


def _log_interpolate(x: float, xs: np.ndarray, ys: np.ndarray) -> float:
    return float(np.exp(np.interp(np.log(x), np.log(xs), np.log(ys))))


@in_range(wavelength_m=Range(0.4e-6, 2e-6, "m"))
def night_radiance_w_m2_sr_m(*, wavelength_m: float, sun_elevation_deg: np.ndarray) -> np.ndarray:
    """Spectral radiance of the moonless zenith sky, Sun below the horizon.

    Dark-sky band means from ESO SkyCalc (V, I, H: 2.9e-6, 6.1e-6, 8.3e-5 W/m²/sr/µm; airglow dominates beyond 1 µm),
    log-log in wavelength, ends held. In twilight the logarithm runs linearly in the Sun's elevation from the daylight
    value of ITU-R P.1621-2 (2015) at 0 deg to the dark value at -18 deg: order of magnitude, on the bright side
    (recalled rule; checked only at its two ends).

    Parameters
    ----------
    wavelength_m : float
        [m], in [0.4e-6, 2e-6].
    sun_elevation_deg : float or array
        [deg], in [-90, 90]; above 0 the daylight value is held.

    Returns
    -------
    array
        Radiance [W/m²/sr/m].

    Examples
    --------
    Day and night of Table 1 and SkyCalc at 850 and 800 nm, 42.58 W/m²/sr/µm and 6.1e-6:

    >>> float(night_radiance_w_m2_sr_m(wavelength_m=850e-9, sun_elevation_deg=0.0).round(-4)) / 1e6
    42.58
    >>> round(float(night_radiance_w_m2_sr_m(wavelength_m=800e-9, sun_elevation_deg=-30.0)), 3)
    6.1
    """
    dark = _log_interpolate(wavelength_m, _NIGHT_WAVELENGTH_M, _NIGHT_RADIANCE)
    day = _log_interpolate(wavelength_m, _DAY_WAVELENGTH_M, _DAY_RADIANCE)
    share = np.clip(1 - np.asarray(sun_elevation_deg, dtype=float) / _NIGHT_BEGINS_DEG, 0.0, 1.0)
    return dark * (day / dark) ** share


def _photons_per_joule(wavelength_m: float) -> float:
    return wavelength_m / (PLANCK_J_S * SPEED_OF_LIGHT_M_S)


@in_range()
def background_photon_rate_hz(
    *,
    wavelength_m: float,
    radiance_w_m2_sr_m: np.ndarray,
    aperture_diameter_m: float,
    obscuration_ratio: float,
    field_of_view_full_angle_rad: float,
    filter_bandwidth_m: float,
) -> np.ndarray:
    """Sky photons through a field stop: ``L Ω A Δλ λ/(hc)``, Ω = 2π(1 - cos(FOV/2)), no losses (derived here).

    Parameters
    ----------
    wavelength_m : float
        λ [m], in [0.2e-6, 15e-6].
    radiance_w_m2_sr_m : float or array
        L [W/m²/sr/m], ≥ 0.
    aperture_diameter_m : float
        [m], > 0.
    obscuration_ratio : float
        Ratio of diameters [1], in [0, 1).
    field_of_view_full_angle_rad : float
        Full angle [rad], in (0, 2π).
    filter_bandwidth_m : float
        Δλ [m], ≥ 0.

    Returns
    -------
    array
        Photons per second [1/s].

    Examples
    --------
    The dark sky at 850 nm in 100 µrad, 1 nm and an obscured 0.8 m; by hand 6.1 · 7.854e-9 · 0.4574 · 1e-9 / 2.337e-19:

    >>> telescope = {"aperture_diameter_m": 0.8, "obscuration_ratio": 0.3, "field_of_view_full_angle_rad": 1e-4}
    >>> sky = {"wavelength_m": 850e-9, "radiance_w_m2_sr_m": 6.1, "filter_bandwidth_m": 1e-9}
    >>> round(float(background_photon_rate_hz(**telescope, **sky)), 1)
    93.8
    """
    solid_angle = 4 * np.pi * np.sin(field_of_view_full_angle_rad / 4) ** 2
    area = np.pi / 4 * aperture_diameter_m**2 * (1 - obscuration_ratio**2)
    energy = np.asarray(radiance_w_m2_sr_m) * solid_angle * area * filter_bandwidth_m
    return energy * _photons_per_joule(wavelength_m)


@in_range()
def single_mode_photon_rate_hz(
    *, wavelength_m: float, radiance_w_m2_sr_m: np.ndarray, filter_bandwidth_m: float
) -> np.ndarray:
    """Sky photons in one spatial mode, both polarisations: ``A Ω = λ²`` (Siegman 1966), no losses.

    Parameters
    ----------
    wavelength_m : float
        λ [m], in [0.2e-6, 15e-6].
    radiance_w_m2_sr_m : float or array
        [W/m²/sr/m], ≥ 0.
    filter_bandwidth_m : float
        [m], ≥ 0.

    Returns
    -------
    array
        Photons per second [1/s].

    Examples
    --------
    By hand, 76 · (1.55e-6)³ · 1e-9 / 1.98645e-25:

    >>> sky = {"radiance_w_m2_sr_m": 76.0, "filter_bandwidth_m": 1e-9}
    >>> round(float(single_mode_photon_rate_hz(wavelength_m=1.55e-6, **sky)), 4)
    1.4247
    """
    energy = np.asarray(radiance_w_m2_sr_m) * wavelength_m**2 * filter_bandwidth_m
    return energy * _photons_per_joule(wavelength_m)


@in_range()
def moonlight_luminance_cd_m2(
    *,
    moon_phase_angle_deg: np.ndarray | float,
    moon_target_separation_deg: np.ndarray | float,
    moon_zenith_angle_deg: np.ndarray | float,
    target_zenith_angle_deg: np.ndarray | float,
    extinction_mag_per_airmass: float = 0.172,
) -> np.ndarray:
    """Luminance that moonlight adds to the sky in the V band (Krisciunas and Schaefer 1991, PASP 103, 1033).

    ``f(ρ) I* 10^(-0.4 k X(Zm)) (1 - 10^(-0.4 k X(Z)))`` nanolambert, ``X = (1 - 0.96 sin²Z)^(-1/2)``; good to 8 to 23 %
    by its authors, half a magnitude against other models. The surge at full phase (35 % within 7 deg) is left out.

    Parameters
    ----------
    moon_phase_angle_deg : float or array
        0 at full Moon [deg], in [-180, 180].
    moon_target_separation_deg : float or array
        [deg], in [0, 180]; too little light below 10, where aerosol makes an aureole.
    moon_zenith_angle_deg : float or array
        [deg], in [0, 180]; zero light from 90 on. The path ends at five airmasses there: `moonset_share` takes the step
        away.
    target_zenith_angle_deg : float or array
        [deg], in [0, 90].
    extinction_mag_per_airmass : float
        k [mag], in [0, 5].

    Returns
    -------
    array
        Luminance [cd/m²].

    Examples
    --------
    Half Moon 60 deg away: 121.81 nL by the printed equations, π 1e5 of them to one cd/m².

    >>> sky = {"moon_phase_angle_deg": 90.0, "moon_target_separation_deg": 60.0, "moon_zenith_angle_deg": 45.0}
    >>> round(float(moonlight_luminance_cd_m2(**sky, target_zenith_angle_deg=30.0)) * np.pi * 1e5, 2)
    121.81
    """
    phase, separation, zm, z = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (
        moon_phase_angle_deg, moon_target_separation_deg, moon_zenith_angle_deg, target_zenith_angle_deg
    )))  # fmt: skip
    moon = 10 ** (-0.4 * (3.84 + 0.026 * np.abs(phase) + 4e-9 * phase**4))
    scattering = 10**5.36 * (1.06 + np.cos(np.radians(separation)) ** 2) + 10 ** (6.15 - separation / 40)
    path, moon_path = _sky_path(z), _sky_path(np.minimum(zm, 90.0))
    k = 0.4 * extinction_mag_per_airmass
    light = scattering * moon * 10 ** (-k * moon_path) * (1 - 10 ** (-k * path)) * _NANOLAMBERT_CD_M2
    return np.where(zm < 90, light, 0.0)


def _sky_path(zenith_angle_deg: np.ndarray) -> np.ndarray:
    return (1 - 0.96 * np.sin(np.radians(zenith_angle_deg)) ** 2) ** -0.5


@in_range()
def moonset_share(
    *, moon_zenith_angle_deg: np.ndarray | float, extinction_mag_per_airmass: float = 0.172
) -> np.ndarray:
    """Factor on moonlight near the horizon, from the flat path of its formula over to the true airmass; derived here.

    It falls from 80 to 90 deg of zenith angle, so that no plan has a step when the Moon sets.

    Parameters
    ----------
    moon_zenith_angle_deg : float or array
        [deg], in [0, 180]; held from 90 on.
    extinction_mag_per_airmass : float
        [mag], in [0, 5].

    Returns
    -------
    array
        Factor [1].

    Examples
    --------
    At the horizon 37.92 airmasses instead of 5, ``10^(-0.4 · 0.172 · 32.92)``:

    >>> moonset_share(moon_zenith_angle_deg=np.array([80.0, 90.0])).round(4)
    array([1.    , 0.0054])
    """
    zm = np.minimum(np.asarray(moon_zenith_angle_deg, dtype=float), 90.0)
    low = np.clip(zm / 10 - 8, 0.0, 1.0)
    longer = low * (airmass_kasten_young(90.0 - zm) - _sky_path(zm))
    return 10 ** (-0.4 * extinction_mag_per_airmass * longer)


@in_range(wavelength_m=Range(0.4e-6, 2e-6, "m"))
def moonlight_radiance_w_m2_sr_m(luminance_cd_m2: np.ndarray | float, *, wavelength_m: float) -> np.ndarray:
    """Spectral radiance of moonlight scattered by air, from its V-band luminance.

    In V by the magnitude scale of Krisciunas and Schaefer 1991 (their eq. 1); at other wavelengths by the colour of the
    full Moon's excess in ESO SkyCalc: 0.58 (R), 0.27 (I), 0.015 (H) of V. Light of the Moon is noise at 785 to 850 nm
    and next to nothing at 1550 nm, where airglow rules.

    Parameters
    ----------
    luminance_cd_m2 : float or array
        [cd/m²], ≥ 0.
    wavelength_m : float
        [m], in [0.4e-6, 2e-6].

    Returns
    -------
    array
        Radiance [W/m²/sr/m].

    Examples
    --------
    121.81 nL are V = 21.117 mag/arcsec², ``3.631e-2 · 10^(-0.4 · 21.117) / 2.3504e-11``:

    >>> round(float(moonlight_radiance_w_m2_sr_m(3.87733e-4, wavelength_m=550e-9)), 2)
    5.52
    """
    nanolambert = np.maximum(np.asarray(luminance_cd_m2, dtype=float) / _NANOLAMBERT_CD_M2, 1e-300)
    magnitude = (_MAGNITUDE_ZERO - np.log(nanolambert / _DARK_NL)) / _MAGNITUDE_SLOPE
    return _surface_brightness(magnitude) * _log_interpolate(wavelength_m, _MOON_WAVELENGTH_M, _MOON_COLOUR)


def _surface_brightness(magnitude_arcsec2: np.ndarray | float) -> np.ndarray:
    """V magnitude per square arcsecond as spectral radiance [W/m²/sr/m]."""
    return _V_ZERO_POINT_W_M2_M * 10 ** (-0.4 * np.asarray(magnitude_arcsec2, dtype=float)) / _SQUARE_ARCSEC_SR


@in_range(wavelength_m=Range(0.4e-6, 2e-6, "m"))
def light_pollution_radiance_w_m2_sr_m(
    zenith_sky_mag_arcsec2: np.ndarray | float, *, wavelength_m: float, colour_factor: float = 1.0
) -> np.ndarray:
    """Radiance that artificial light adds, from a sky-quality-meter reading in V; none at 21.9 and darker.

    Zero point of Bessell 1979, less the natural sky of `night_radiance_w_m2_sr_m`.

    Parameters
    ----------
    zenith_sky_mag_arcsec2 : float or array
        Reading [mag/arcsec²], in [10, 25].
    wavelength_m : float
        [m], in [0.4e-6, 2e-6]; checked only, the colour is all in `colour_factor`.
    colour_factor : float
        Ratio to V at the wavelength [1], in [0, 2]: about 1 below 700 nm, less in the near infrared under LED lamps
        (0.3 to 1; unverified).

    Returns
    -------
    array
        Radiance [W/m²/sr/m].

    Examples
    --------
    A city's 18 mag/arcsec² are 97.5 W/m²/sr/m in V, 2.9 of them natural:

    >>> round(float(light_pollution_radiance_w_m2_sr_m(18.0, wavelength_m=550e-9)), 1)
    94.6
    """
    natural = _log_interpolate(_V_BAND_M, _NIGHT_WAVELENGTH_M, _NIGHT_RADIANCE)
    return colour_factor * np.maximum(0.0, _surface_brightness(zenith_sky_mag_arcsec2) - natural)
