"""Uplink through turbulence: spread, wander and tilt of a beam sent from the ground, and the safety of its beacon.

Turbulence is in the transmitter's near field: the mean irradiance at the satellite pays the spread, and there is no
aperture averaging. Count wander once: either in the long-term spread, or as a jitter on the short-term beam.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import gamma, hyp1f1

from eqci_space.linkbudget.pass_geometry import secant_zenith
from eqci_space.linkbudget.ranges import Range, in_range
from eqci_space.linkbudget.turbulence import KOLMOGOROV_CONSTANT, Layers

__all__ = [
    "anisoplanatic_strehl",
    "beacon_hazard_distance_m",
    "maximum_permissible_exposure_w_m2",
    "tilt_jitter_one_axis_rad",
    "uplink_centroid_wander_rms_rad",
    "uplink_long_term_factor",
    "uplink_tilt_residual_rms_rad",
    "uplink_tracked_factor",
    "uplink_wander_broadening_rad",
]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(160)
_REACH = 12.0
_TABLE = (1e-4, 1e12)
_WANDER = 2 * np.pi**2 * KOLMOGOROV_CONSTANT * gamma(1 / 6) * 2 ** (1 / 3)


@in_range()
def uplink_long_term_factor(*, beam_radius_m: np.ndarray | float, fried_parameter_m: np.ndarray | float) -> np.ndarray:
    """Mean on-axis irradiance over that in vacuum, wander included.

    ``W0^-2 ∫ r e^(-r²/2W0² - 3.44 (r/r0)^(5/3)) dr``: Fraunhofer limit of the mutual coherence of a collimated Gaussian
    beam (Fried 1966; Andrews and Phillips 2005, section 12.6). The closed form ``(1 + (√8 W0/r0)^(5/3))^(-6/5)`` is
    within 0.32 dB.

    Parameters
    ----------
    beam_radius_m : array
        W0, 1/e² intensity radius at the ground [m], > 0; arrays broadcast.
    fried_parameter_m : array
        r0 along the path [m], > 0.

    Returns
    -------
    array
        [1], in (0, 1], broadcast.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    In vacuum, and for a beam as wide as the Fried parameter, where the closed form gives 0.103:

    >>> round(float(uplink_long_term_factor(beam_radius_m=0.05, fried_parameter_m=np.inf)), 6)
    1.0
    >>> round(float(uplink_long_term_factor(beam_radius_m=0.05, fried_parameter_m=0.05)), 4)
    0.1086
    """
    w0, r0 = np.broadcast_arrays(np.asarray(beam_radius_m, dtype=float), np.asarray(fried_parameter_m, dtype=float))
    ratio = (w0 / r0)[..., None]
    # In units of the beam radius; the integrand ends with the shorter of the two scales.
    reach = np.minimum(_REACH, _REACH / np.maximum(ratio, 1e-300))
    x = reach * (_NODES + 1) / 2
    value = np.sum(x * np.exp(-(x**2) / 2 - 3.44 * (x * ratio) ** (5 / 3)) * _WEIGHTS, axis=-1)
    return value * reach[..., 0] / 2


def _spherical_weight(layers: Layers, satellite_altitude_m: np.ndarray | float) -> np.ndarray:
    """``Cn² dh (1 - h/H)²`` of the layers (..., n) for altitudes of any shape."""
    altitude = np.asarray(satellite_altitude_m, dtype=float)[..., None]
    return layers.strength_m13 * np.maximum(0.0, 1 - layers.height_m / altitude) ** 2


def _spherical_moment(layers: Layers, satellite_altitude_m: np.ndarray | float) -> np.ndarray:
    return np.sum(_spherical_weight(layers, satellite_altitude_m), axis=-1)


@in_range()
def uplink_centroid_wander_rms_rad(
    layers: Layers, *, elevation_deg: np.ndarray | float, satellite_altitude_m: np.ndarray | float, beam_radius_m: float
) -> np.ndarray:
    """Two-axis rms wander of the beam's centroid; per axis it is smaller by √2.

    ``√(2π² κ Γ(1/6) 2^(1/3) sec z W0^(-1/3) ∫Cn² (1 - h/H)² dh)`` by geometrical optics of a collimated Gaussian,
    derived here; near the one-axis tilt of a 2 W0 aperture.

    Parameters
    ----------
    layers : Layers
        Above the telescope.
    elevation_deg : array
        ε [deg], in (0, 90], any shape.
    satellite_altitude_m : array
        H above the telescope [m], in [80e3, 1e9]; arrays broadcast.
    beam_radius_m : float
        W0, 1/e² intensity radius at the ground [m], > 0.

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
    5 cm in the zenith of HV 5/7, in µrad, on both axes and on one:

    >>> from eqci_space.linkbudget.turbulence import hufnagel_valley_layers
    >>> up = {"elevation_deg": 90.0, "satellite_altitude_m": 500e3, "beam_radius_m": 0.05}
    >>> wander = uplink_centroid_wander_rms_rad(hufnagel_valley_layers(), **up)
    >>> round(1e6 * float(wander), 2), round(1e6 * float(wander) / 2**0.5, 2)
    (5.25, 3.72)
    """
    moment = _spherical_moment(layers, satellite_altitude_m)
    return np.sqrt(_WANDER * secant_zenith(elevation_deg) * beam_radius_m ** (-1 / 3) * moment)


def _decorrelation(x: np.ndarray) -> np.ndarray:
    """``1 - 1F1(1/6; 1; -x)`` from a table to 2e-9; its series to two terms before the table."""
    inside = np.exp(_decorrelation_spline()(np.log(np.clip(x, *_TABLE))))
    return np.where(x < _TABLE[0], x / 6 - 7 * x**2 / 144, inside)


@lru_cache(maxsize=1)
def _decorrelation_spline() -> CubicSpline:
    x = np.geomspace(*_TABLE, 2001)
    return CubicSpline(np.log(x), np.log(1 - hyp1f1(1 / 6, 1.0, -x)))


@in_range()
def uplink_tilt_residual_rms_rad(
    layers: Layers,
    *,
    elevation_deg: np.ndarray | float,
    satellite_altitude_m: np.ndarray | float,
    beam_radius_m: float,
    offset_rad: np.ndarray | float = 0.0,
    wind_m_s: np.ndarray | float = 0.0,
    delay_s: float = 0.0,
) -> np.ndarray:
    """Two-axis rms wander left by tracking on light from another direction, some time ago.

    The centroid seen through air displaced by ``d = θ h sec z + v τ`` differs from the beam's own:
    ``2 C sec z W0^(-1/3) ∫Cn² (1 - h/H)² [1 - 1F1(1/6; 1; -d²/W0²)] dh`` with the C of
    `uplink_centroid_wander_rms_rad`; derived here for that Gaussian centroid, the wind along the offset. Large
    displacements leave √2 of the wander: tracking on a beacon far away is worse than none.

    Parameters
    ----------
    layers : Layers
        Above the telescope.
    elevation_deg : array
        ε [deg], in (0, 90], any shape.
    satellite_altitude_m : array
        H above the telescope [m], in [80e3, 1e9]; arrays broadcast.
    beam_radius_m : float
        W0, 1/e² intensity radius at the ground [m], > 0.
    offset_rad : array
        Angle between beam and beacon [rad], in [-0.1, 0.1]: the point-ahead angle for a beacon on the satellite.
    wind_m_s : float or (n,) array
        Across the line of sight at the layers [m/s], in [0, 2e4].
    delay_s : float
        Age of the measured tilt [s], in [0, 1].

    Returns
    -------
    array
        [rad], elevations and offsets broadcast.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    A beacon along the beam leaves nothing of the wander, one at a point-ahead angle of 50 µrad a third:

    >>> from eqci_space.linkbudget.turbulence import hufnagel_valley_layers
    >>> up = {"elevation_deg": 90.0, "satellite_altitude_m": 500e3, "beam_radius_m": 0.05}
    >>> layers = hufnagel_valley_layers()
    >>> wander = uplink_centroid_wander_rms_rad(layers, **up)
    >>> left = uplink_tilt_residual_rms_rad(layers, **up, offset_rad=np.array([0.0, 50e-6]))
    >>> (left / wander).round(3).tolist()
    [0.0, 0.367]
    """
    secant, offset = np.broadcast_arrays(secant_zenith(elevation_deg), np.abs(np.asarray(offset_rad, dtype=float)))
    displaced = offset[..., None] * layers.height_m * secant[..., None] + np.asarray(wind_m_s) * delay_s
    left = _decorrelation((displaced / beam_radius_m) ** 2)
    weight = _spherical_weight(layers, satellite_altitude_m)
    return np.sqrt(2 * _WANDER * secant * beam_radius_m ** (-1 / 3) * np.sum(left * weight, axis=-1))


@in_range()
def uplink_tracked_factor(
    *,
    wavelength_m: np.ndarray | float,
    beam_radius_m: np.ndarray | float,
    fried_parameter_m: np.ndarray | float,
    wander_rms_rad: np.ndarray | float,
    residual_rms_rad: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Mean on-axis irradiance over that in vacuum of a beam whose wander is tracked down to a residual.

    The long-term beam with its wander taken out and the residual put in, as the squares of 1/e² angles add for a
    Gaussian: ``1/F = 1/F_LT + 2 (σ_r² - σ_c²)/θ0²``, σ two-axis, ``θ0 = λ/(π W0)``. The residual equal to the wander is
    `uplink_long_term_factor`, so wander is counted once; derived here, within 3 % of Kolmogorov phases whose centroid
    is held.

    Parameters
    ----------
    wavelength_m : array
        λ [m], in [0.2e-6, 15e-6]; arrays broadcast.
    beam_radius_m : array
        W0, 1/e² intensity radius at the ground [m], > 0.
    fried_parameter_m : array
        r0 along the path [m], > 0.
    wander_rms_rad, residual_rms_rad : array
        `uplink_centroid_wander_rms_rad` and what tracking leaves of it, two-axis [rad], in [0, 0.1].

    Returns
    -------
    array
        [1], broadcast.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    Without turbulence a residual of ``θ0/√2`` halves the mean irradiance:

    >>> round(float(uplink_tracked_factor(
    ...     wavelength_m=np.pi * 1e-6, beam_radius_m=0.1, fried_parameter_m=np.inf, wander_rms_rad=0.0,
    ...     residual_rms_rad=10e-6 / 2**0.5)), 6)
    0.5
    """
    long_term = uplink_long_term_factor(beam_radius_m=beam_radius_m, fried_parameter_m=fried_parameter_m)
    vacuum = np.asarray(wavelength_m, dtype=float) / (np.pi * np.asarray(beam_radius_m, dtype=float))
    taken = np.asarray(wander_rms_rad, dtype=float) ** 2 - np.asarray(residual_rms_rad, dtype=float) ** 2
    return 1 / (1 / long_term - 2 * taken / vacuum**2)


@in_range()
def uplink_wander_broadening_rad(
    layers: Layers, *, elevation_deg: np.ndarray | float, satellite_altitude_m: np.ndarray | float, beam_radius_m: float
) -> np.ndarray:
    """Angle that broadens the long-term 1/e² radius by wander; not a jitter, and not to be halved.

    ``√(7.25 sec z W0^(-1/3) ∫Cn² (1 - h/H)² dh)`` (Dios et al. 2004, Appl. Opt. 43, 3866; Andrews and Phillips 2005,
    eq. 12.50; recalled): twice the one-axis wander for a Gaussian beam, within 12 %.

    Parameters
    ----------
    layers : Layers
        Above the telescope.
    elevation_deg : array
        ε [deg], in (0, 90], any shape.
    satellite_altitude_m : array
        H above the telescope [m], in [80e3, 1e9]; arrays broadcast.
    beam_radius_m : float
        W0, 1/e² intensity radius at the ground [m], > 0.

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
    5 cm in the zenith of HV 5/7, in µrad:

    >>> from eqci_space.linkbudget.turbulence import hufnagel_valley_layers
    >>> up = {"elevation_deg": 90.0, "satellite_altitude_m": 500e3, "beam_radius_m": 0.05}
    >>> round(1e6 * float(uplink_wander_broadening_rad(hufnagel_valley_layers(), **up)), 2)
    6.62
    """
    moment = _spherical_moment(layers, satellite_altitude_m)
    return np.sqrt(7.25 * secant_zenith(elevation_deg) * beam_radius_m ** (-1 / 3) * moment)


@in_range()
def tilt_jitter_one_axis_rad(
    *, wavelength_m: np.ndarray | float, aperture_diameter_m: np.ndarray | float, fried_parameter_m: np.ndarray | float
) -> np.ndarray:
    """One-axis Zernike tilt of an aperture, ``√(0.182 (D/r0)^(5/3)) λ/D`` (Sasiela 2007; Noll 1976).

    Parameters
    ----------
    wavelength_m : array
        λ [m], in [0.2e-6, 15e-6]; arrays broadcast.
    aperture_diameter_m : array
        D [m], > 0.
    fried_parameter_m : array
        r0 along the path [m], > 0.

    Returns
    -------
    array
        Standard deviation [rad], broadcast.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    At D = r0 it is ``√0.182 λ/D``, in µrad:

    >>> jitter = tilt_jitter_one_axis_rad(wavelength_m=1e-6, aperture_diameter_m=0.1, fried_parameter_m=0.1)
    >>> round(1e6 * float(jitter), 3)
    4.266
    """
    ratio = np.asarray(aperture_diameter_m, dtype=float) / fried_parameter_m
    return np.sqrt(0.182 * ratio ** (5 / 3)) * wavelength_m / aperture_diameter_m


@in_range()
def anisoplanatic_strehl(*, offset_rad: np.ndarray | float, isoplanatic_angle_rad: np.ndarray | float) -> np.ndarray:
    """Strehl ratio left by a correction measured at an angle: ``exp(-(θ/θ0)^(5/3))`` (Fried 1982).

    With the point-ahead angle as offset it bounds what pre-compensation from the downlink can do.

    Parameters
    ----------
    offset_rad : array
        θ [rad], in [-0.1, 0.1]; arrays broadcast.
    isoplanatic_angle_rad : array
        θ0 [rad], > 0.

    Returns
    -------
    array
        [1], in [0, 1], broadcast.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    >>> round(float(anisoplanatic_strehl(offset_rad=7e-6, isoplanatic_angle_rad=7e-6)), 4)
    0.3679
    """
    return np.exp(-((np.abs(offset_rad) / isoplanatic_angle_rad) ** (5 / 3)))


@in_range(wavelength_m=Range(700e-9, 1800e-9, "m"))
def maximum_permissible_exposure_w_m2(wavelength_m: float) -> float:
    """Exposure of the eye held safe for ten seconds and more.

    ``10 · 10^(0.002 (λ/nm - 700))`` to 1050 nm, 50 to 1400 nm and 1000 beyond (IEC 60825-1, 2014, small sources;
    recalled: a flag for planners, never a certificate).

    Parameters
    ----------
    wavelength_m : float
        [m], in [700e-9, 1800e-9].

    Returns
    -------
    float
        [W/m²]

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    >>> [round(maximum_permissible_exposure_w_m2(w), 2) for w in (850e-9, 1064e-9, 1550e-9)]
    [19.95, 50.0, 1000.0]
    """
    nm = wavelength_m * 1e9
    if nm <= 1050:
        return 10.0 * 10 ** (0.002 * (nm - 700))
    return 50.0 if nm < 1400 else 1000.0


@in_range()
def beacon_hazard_distance_m(
    *, power_w: float, divergence_half_angle_rad: float, exit_beam_radius_m: float, wavelength_m: float
) -> float:
    """Distance within which the peak of a Gaussian beacon exceeds the permissible exposure; 0 when it never does.

    Peak ``2P/(π w²)`` with ``w = w_exit + θ L``; derived here. A flag for planners, never a certificate.

    Parameters
    ----------
    power_w : float
        P [W], in [0, 1e6].
    divergence_half_angle_rad : float
        θ, 1/e² intensity half angle [rad], in (0, 0.1].
    exit_beam_radius_m : float
        w_exit, 1/e² intensity radius at the telescope [m], > 0.
    wavelength_m : float
        [m], in [700e-9, 1800e-9].

    Returns
    -------
    float
        [m], >= 0

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    1 W at 1550 nm (1000 W/m²) into 100 µrad: a radius of √(2/(1000 π)) = 25.231 mm, which a beam of 5 mm reaches after
    202.3 m.

    >>> round(beacon_hazard_distance_m(
    ...     power_w=1.0, divergence_half_angle_rad=100e-6, exit_beam_radius_m=0.005, wavelength_m=1550e-9), 1)
    202.3
    """
    needed_m = np.sqrt(2 * power_w / (np.pi * maximum_permissible_exposure_w_m2(wavelength_m)))
    return float(max(0.0, (needed_m - exit_beam_radius_m) / divergence_half_angle_rad))
