"""Diffraction of a truncated, centrally obscured Gaussian beam in the far field.

Radii are 1/e² intensity radii, obscurations are diameter ratios. The pupil field is
``E(r) = sqrt(2/π)/w0 exp(-r²/w0²)`` between the obscuration and the rim, so the laser emits one watt;
the far-field intensity per steradian is ``I(θ) = k² (∫ r E J0(k r θ) dr)²`` (Fraunhofer; Klein and Degnan
1974, Appl. Opt. 13, 2134). It holds for ranges much larger than ``D²/(4λ)``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.polynomial import Chebyshev, legendre
from scipy.special import j0

from eqci_space.linkbudget.ranges import in_range
from eqci_space.units import db_from_ratio

__all__ = [
    "diffraction_loss_db",
    "encircled_power",
    "equivalent_divergence_half_angle_rad",
    "intensity_per_sr",
]

_PUPIL_NODES = 200
_MOST_WAVES = 250.0
leggauss = lru_cache(maxsize=64)(legendre.leggauss)  # the nodes are roots of a matrix: costly, and always the same


def _wave_number(wavelength_m: float) -> float:
    return 2 * np.pi / wavelength_m


def _pupil(aperture_diameter_m: float, obscuration_ratio: float, beam_radius_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Gauss nodes over the pupil [m] and the weighted field there."""
    outer = aperture_diameter_m / 2
    inner = obscuration_ratio * outer
    x, w = leggauss(_PUPIL_NODES)
    r = 0.5 * (outer + inner) + 0.5 * (outer - inner) * x
    field = np.sqrt(2 / np.pi) / beam_radius_m * np.exp(-((r / beam_radius_m) ** 2))
    return r, 0.5 * (outer - inner) * w * r * field


@in_range()
def intensity_per_sr(
    angle_rad: np.ndarray,
    *,
    wavelength_m: float,
    aperture_diameter_m: float,
    obscuration_ratio: float,
    beam_radius_m: float,
) -> np.ndarray:
    """Far-field intensity per steradian and laser watt at off-axis angles.

    ``I(θ) = k² (∫ r E J0(k r θ) dr)²`` (Fraunhofer; Klein and Degnan 1974).

    Parameters
    ----------
    angle_rad : array
        θ from the axis [rad], >= 0 and small, any shape.
    wavelength_m : float
        λ [m], in [0.2e-6, 15e-6].
    aperture_diameter_m : float
        Of the transmitter's pupil [m], > 0.
    obscuration_ratio : float
        Diameter of the central obscuration over that of the pupil [1], in [0, 1).
    beam_radius_m : float
        w0, 1/e² intensity radius in the pupil [m], > 0.

    Returns
    -------
    array
        [1/sr], shape of `angle_rad`.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    A beam far from the rim has the peak ``2/(π θd²)`` with θd = λ/(π w0):

    >>> peak = intensity_per_sr(
    ...     np.zeros(1), wavelength_m=1e-6, aperture_diameter_m=1.0, obscuration_ratio=0.0, beam_radius_m=0.1)[0]
    >>> round(float(peak * (1e-6 / (np.pi * 0.1)) ** 2), 6), round(2 / np.pi, 6)
    (0.63662, 0.63662)
    """
    wave_number = _wave_number(wavelength_m)
    r, weighted = _pupil(aperture_diameter_m, obscuration_ratio, beam_radius_m)
    angle = np.asarray(angle_rad, dtype=float)
    return (wave_number * (j0(wave_number * angle[..., None] * r) @ weighted)) ** 2


@in_range()
def encircled_power(
    angle_rad: np.ndarray,
    *,
    wavelength_m: float,
    aperture_diameter_m: float,
    obscuration_ratio: float,
    beam_radius_m: float,
) -> np.ndarray:
    """Laser power inside a cone.

    ``∫ I(θ) 2πθ dθ`` by Gauss-Legendre quadrature; many angles go through one Chebyshev interpolant of
    power over angle squared, which is smooth, so the error stays below 1e-12 (derived here).

    Parameters
    ----------
    angle_rad : array
        Half angle of the cone [rad], >= 0, any shape; at most 250 in units of ``2/(k D)``, hundreds of rings.
    wavelength_m : float
        λ [m], in [0.2e-6, 15e-6].
    aperture_diameter_m : float
        Of the transmitter's pupil [m], > 0.
    obscuration_ratio : float
        Diameter of the central obscuration over that of the pupil [1], in [0, 1).
    beam_radius_m : float
        w0, 1/e² intensity radius in the pupil [m], > 0.

    Returns
    -------
    array
        Per watt of the laser [1], in [0, 1], shape of `angle_rad`.

    Raises
    ------
    ValueError
        An argument is out of range, or an angle so wide that the pupil's nodes no longer resolve it.

    Examples
    --------
    An evenly lit pupil sends 83.78 % of its power into the Airy disc, of half angle 1.2197 λ/D:

    >>> beam = {"wavelength_m": 1e-6, "aperture_diameter_m": 1.0, "obscuration_ratio": 0.0, "beam_radius_m": 50.0}
    >>> disc, all_of_it = encircled_power(np.array([1.2197e-6, 60e-6]), **beam)
    >>> round(float(disc / (1 - np.exp(-2 * 0.01**2))), 4)
    0.8378
    """
    angle = np.asarray(angle_rad, dtype=float)
    waves = 0.5 * aperture_diameter_m * _wave_number(wavelength_m) * float(angle.max(initial=0.0))
    if waves > _MOST_WAVES:
        limit = _MOST_WAVES / (0.5 * aperture_diameter_m * _wave_number(wavelength_m))
        raise ValueError(f"encircled_power: angle_rad = {float(angle.max())}; expected at most {limit:.3g} here")
    x, w = leggauss(24 + int(2 * waves))

    def mean_intensity(theta: np.ndarray) -> np.ndarray:
        """Power over angle squared."""
        fraction = 0.5 * (x + 1)
        intensity = intensity_per_sr(
            np.asarray(theta)[..., None] * fraction, wavelength_m=wavelength_m,
            aperture_diameter_m=aperture_diameter_m, obscuration_ratio=obscuration_ratio, beam_radius_m=beam_radius_m,
        )  # fmt: skip
        return intensity @ (np.pi * w * fraction)

    degree = 16 + int(3 * waves)
    if angle.size <= degree:
        return mean_intensity(angle) * angle**2
    top = float(angle.max())
    return Chebyshev.interpolate(mean_intensity, degree, domain=[0.0, top])(angle) * angle**2


@in_range()
def diffraction_loss_db(
    range_m: np.ndarray,
    *,
    wavelength_m: float,
    tx_aperture_diameter_m: float,
    tx_obscuration_ratio: float,
    tx_beam_radius_m: float,
    rx_aperture_diameter_m: float,
    rx_obscuration_ratio: float = 0.0,
    reference: Literal["exit", "laser"] = "exit",
) -> np.ndarray:
    """Loss from the transmitter to the receiving pupil, receiver obscuration included.

    Parameters
    ----------
    range_m : array
        [m], > 0 and far beyond ``D²/(4λ)``, any shape.
    wavelength_m : float
        [m], in [0.2e-6, 15e-6].
    tx_aperture_diameter_m, rx_aperture_diameter_m : float
        [m], > 0.
    tx_obscuration_ratio, rx_obscuration_ratio : float
        Diameter ratios [1], in [0, 1).
    tx_beam_radius_m : float
        1/e² intensity radius in the transmitter's pupil [m], > 0.
    reference : {"exit", "laser"}
        Power leaving the transmit aperture (where a decoy source defines its mean photon number), or
        power of the laser.

    Returns
    -------
    array
        [dB], shape of `range_m`.

    Raises
    ------
    ValueError
        An argument is out of range, such as a wavelength not in metres, or `reference` is no such word.

    Notes
    -----
    Klein and Degnan 1974; agrees with the diffraction of SatQuMA v2 to its printed digits.

    Examples
    --------
    SatQuMA at 810 nm over 500 km, 0.15 m radius and waist, 0.6 m receiver radius: transmittance 0.368667574.

    >>> round(float(diffraction_loss_db(
    ...     500e3, wavelength_m=810e-9, tx_aperture_diameter_m=0.3, tx_obscuration_ratio=0.0, tx_beam_radius_m=0.15,
    ...     rx_aperture_diameter_m=1.2)), 5)
    4.33365
    """
    distance = np.asarray(range_m, dtype=float)
    beam = {
        "wavelength_m": wavelength_m, "aperture_diameter_m": tx_aperture_diameter_m,
        "obscuration_ratio": tx_obscuration_ratio, "beam_radius_m": tx_beam_radius_m,
    }  # fmt: skip
    rim = rx_aperture_diameter_m / 2 / distance
    caught = encircled_power(rim, **beam)
    if rx_obscuration_ratio > 0:
        caught = caught - encircled_power(rx_obscuration_ratio * rim, **beam)
    if reference not in ("exit", "laser"):
        raise ValueError(f"diffraction_loss_db: reference = {reference!r}; expected 'exit' or 'laser'")
    if reference == "exit":
        alpha = tx_aperture_diameter_m / 2 / tx_beam_radius_m
        caught = caught / (np.exp(-2 * (tx_obscuration_ratio * alpha) ** 2) - np.exp(-2 * alpha**2))
    return db_from_ratio(caught)


@in_range()
def equivalent_divergence_half_angle_rad(
    *, wavelength_m: float, aperture_diameter_m: float, obscuration_ratio: float, beam_radius_m: float
) -> float:
    """1/e² half angle of the Gaussian that matches the far field near its axis.

    ``θ = 2/(k sqrt(<r²>))`` with the field-weighted mean square radius of the pupil; derived here by
    equating the curvature of the pattern at the axis.

    Parameters
    ----------
    wavelength_m : float
        λ [m], in [0.2e-6, 15e-6].
    aperture_diameter_m : float
        Of the transmitter's pupil [m], > 0.
    obscuration_ratio : float
        Diameter of the central obscuration over that of the pupil [1], in [0, 1).
    beam_radius_m : float
        w0, 1/e² intensity radius in the pupil [m], > 0.

    Returns
    -------
    float
        [rad]

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    At the best truncation of a clear pupil it is 1.41 times that of the free beam, λ/(π w0):

    >>> angle = equivalent_divergence_half_angle_rad(
    ...     wavelength_m=1e-6, aperture_diameter_m=2 * 1.1209, obscuration_ratio=0.0, beam_radius_m=1.0)
    >>> round(angle * np.pi / 1e-6, 2)
    1.41
    """
    r, weighted = _pupil(aperture_diameter_m, obscuration_ratio, beam_radius_m)
    mean_square = (weighted @ r**2) / weighted.sum()
    return float(2 / (_wave_number(wavelength_m) * np.sqrt(mean_square)))
