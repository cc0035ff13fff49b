"""Uplink through turbulence: spread, wander and tilt of a beam sent from the ground, and the safety of its beacon.

Turbulence is in the transmitter's near field: the mean irradiance at the satellite pays the spread, and there is no
aperture averaging. Count wander once: either in the long-term spread, or as a jitter on the short-term beam.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gamma

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
    "uplink_wander_broadening_rad",
]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(160)
_REACH = 12.0


@in_range()
def uplink_long_term_factor(*, beam_radius_m: np.ndarray | float, fried_parameter_m: np.ndarray | float) -> np.ndarray:
    """Mean on-axis irradiance over that in vacuum, wander included: ``W0^-2 ∫ r e^(-r²/2W0² - 3.44 (r/r0)^(5/3)) dr``.

    Fraunhofer limit of the mutual coherence of a collimated Gaussian beam (Fried 1966; Andrews and Phillips 2005,
    section 12.6). The closed form ``(1 + (√8 W0/r0)^(5/3))^(-6/5)`` is within 0.32 dB.

    Parameters
    ----------
    beam_radius_m : array
        1/e² intensity radius at the ground [m], > 0.
    fried_parameter_m : array
        Along the path [m], > 0.
    """
    w0, r0 = np.broadcast_arrays(np.asarray(beam_radius_m, dtype=float), np.asarray(fried_parameter_m, dtype=float))
    ratio = (w0 / r0)[..., None]
    # In units of the beam radius; the integrand ends with the shorter of the two scales.
    reach = np.minimum(_REACH, _REACH / np.maximum(ratio, 1e-300))
    x = reach * (_NODES + 1) / 2
    value = np.sum(x * np.exp(-(x**2) / 2 - 3.44 * (x * ratio) ** (5 / 3)) * _WEIGHTS, axis=-1)
    return value * reach[..., 0] / 2


def _spherical_moment(layers: Layers, satellite_altitude_m: float) -> float:
    weight = np.maximum(0.0, 1 - layers.height_m / satellite_altitude_m) ** 2
    return float(np.sum(layers.strength_m13 * weight))


@in_range()
def uplink_centroid_wander_rms_rad(
    layers: Layers, *, elevation_deg: np.ndarray | float, satellite_altitude_m: float, beam_radius_m: float
) -> np.ndarray:
    """Two-axis rms wander of the beam's centroid [rad]; per axis it is smaller by √2.

    ``√(2π² κ Γ(1/6) 2^(1/3) sec z W0^(-1/3) ∫Cn² (1 - h/H)² dh)`` by geometrical optics of a collimated Gaussian,
    derived here; 5.26 µrad (3.72 per axis) for 5 cm in the zenith of HV 5/7, near the one-axis tilt of a 2 W0 aperture.
    """
    coefficient = 2 * np.pi**2 * KOLMOGOROV_CONSTANT * gamma(1 / 6) * 2 ** (1 / 3)
    moment = _spherical_moment(layers, satellite_altitude_m)
    return np.sqrt(coefficient * secant_zenith(elevation_deg) * beam_radius_m ** (-1 / 3) * moment)


@in_range()
def uplink_wander_broadening_rad(
    layers: Layers, *, elevation_deg: np.ndarray | float, satellite_altitude_m: float, beam_radius_m: float
) -> np.ndarray:
    """Angle that broadens the long-term 1/e² radius by wander [rad]; not a jitter, and not to be halved.

    ``√(7.25 sec z W0^(-1/3) ∫Cn² (1 - h/H)² dh)`` (Dios et al. 2004, Appl. Opt. 43, 3866; Andrews and Phillips 2005,
    eq. 12.50; recalled): twice the one-axis wander for a Gaussian beam, within 12 %.
    """
    moment = _spherical_moment(layers, satellite_altitude_m)
    return np.sqrt(7.25 * secant_zenith(elevation_deg) * beam_radius_m ** (-1 / 3) * moment)


@in_range()
def tilt_jitter_one_axis_rad(
    *, wavelength_m: np.ndarray | float, aperture_diameter_m: np.ndarray | float, fried_parameter_m: np.ndarray | float
) -> np.ndarray:
    """One-axis Zernike tilt of an aperture, ``√(0.182 (D/r0)^(5/3)) λ/D`` [rad] (Sasiela 2007; Noll 1976)."""
    ratio = np.asarray(aperture_diameter_m, dtype=float) / fried_parameter_m
    return np.sqrt(0.182 * ratio ** (5 / 3)) * wavelength_m / aperture_diameter_m


@in_range()
def anisoplanatic_strehl(*, offset_rad: np.ndarray | float, isoplanatic_angle_rad: np.ndarray | float) -> np.ndarray:
    """Strehl ratio left by a correction measured at an angle: ``exp(-(θ/θ0)^(5/3))`` (Fried 1982).

    With the point-ahead angle as offset it bounds what pre-compensation from the downlink can do.
    """
    return np.exp(-((np.abs(offset_rad) / isoplanatic_angle_rad) ** (5 / 3)))


@in_range(wavelength_m=Range(700e-9, 1800e-9, "m"))
def maximum_permissible_exposure_w_m2(wavelength_m: float) -> float:
    """Exposure of the eye held safe for ten seconds and more [W/m²], 700 to 1800 nm.

    ``10 · 10^(0.002 (λ/nm - 700))`` to 1050 nm, 50 to 1400 nm and 1000 beyond (IEC 60825-1, small sources; recalled:
    a flag for planners, never a certificate).
    """
    nm = wavelength_m * 1e9
    if nm <= 1050:
        return 10.0 * 10 ** (0.002 * (nm - 700))
    return 50.0 if nm < 1400 else 1000.0


@in_range()
def beacon_hazard_distance_m(
    *, power_w: float, divergence_half_angle_rad: float, exit_beam_radius_m: float, wavelength_m: float
) -> float:
    """Distance [m] within which the peak of a Gaussian beacon exceeds the permissible exposure; 0 when it never does.

    Peak ``2P/(π w²)`` with ``w = w_exit + θ L``. A flag for planners, never a certificate.
    """
    needed_m = np.sqrt(2 * power_w / (np.pi * maximum_permissible_exposure_w_m2(wavelength_m)))
    return float(max(0.0, (needed_m - exit_beam_radius_m) / divergence_half_angle_rad))
