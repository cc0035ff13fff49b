"""Pointing of a beam: means, quantiles and samples; jitter is a standard deviation per axis.

A published jitter may be radial (√2 larger) or three sigma: ask before using it.
"""

from __future__ import annotations

import numpy as np
from scipy.special import i0e
from scipy.stats import ncx2

from eqci_space.linkbudget.beam import intensity_per_sr
from eqci_space.linkbudget.ranges import Range, in_range
from eqci_space.units import db_from_ratio

Axes = tuple[float, float] | float

__all__ = [
    "Axes",
    "axes",
    "displaced_gaussian_transmittance",
    "mean_pointing_loss_db",
    "mean_pointing_loss_exact_pattern_db",
    "mean_pointing_transmittance",
    "pointing_fade_loss_db",
    "pointing_samples",
]


def axes(jitter_rad: Axes, bias_rad: Axes) -> tuple[np.ndarray, np.ndarray]:
    """Jitter and bias of the two axes: one number is the jitter of both, or the radial offset."""
    sigma = np.broadcast_to(np.asarray(jitter_rad, dtype=float), (2,))
    bias = np.asarray(bias_rad if np.ndim(bias_rad) else (bias_rad, 0.0), dtype=float)
    return sigma, bias


@in_range()
def mean_pointing_transmittance(
    *,
    divergence_half_angle_rad: np.ndarray | float,
    jitter_rad: Axes,
    bias_rad: Axes = 0.0,
) -> np.ndarray:
    """Mean of ``exp(-2θ²/θd²)`` for Gaussian jitter about a static offset.

    ``E = ∏ q_i^(-1/2) exp(-2 e_i²/(θd² q_i))``, ``q_i = 1 + 4 σ_i²/θd²`` over the two axes: the general
    Beckmann case in closed form (moment generating function of a noncentral chi-square). Equal jitter and
    no bias give β/(β+1), β = θd²/(4σ²) (Farid and Hranilovic 2007).

    Parameters
    ----------
    divergence_half_angle_rad : array
        1/e² intensity half angle [rad], > 0, any shape.
    jitter_rad : float or pair
        Standard deviation per axis [rad], >= 0; a pair for anisotropic jitter.
    bias_rad : float or pair
        Static offset [rad]; one number is the radial offset.

    Raises
    ------
    ValueError
        Negative jitter or a divergence that is not positive.
    """
    sigma, bias = axes(jitter_rad, bias_rad)
    theta = np.asarray(divergence_half_angle_rad, dtype=float)[..., None]
    q = 1 + 4 * (sigma / theta) ** 2
    return np.prod(q**-0.5 * np.exp(-2 * bias**2 / (theta**2 * q)), axis=-1)


def mean_pointing_loss_db(
    *,
    divergence_half_angle_rad: np.ndarray | float,
    jitter_rad: Axes,
    bias_rad: Axes = 0.0,
) -> np.ndarray:
    """Loss [dB] of `mean_pointing_transmittance`; this is the loss of the mean, not a fade margin."""
    transmittance = mean_pointing_transmittance(
        divergence_half_angle_rad=divergence_half_angle_rad, jitter_rad=jitter_rad, bias_rad=bias_rad
    )
    return db_from_ratio(transmittance)


@in_range()
def displaced_gaussian_transmittance(
    *, beam_radius_m: np.ndarray | float, aperture_diameter_m: float, offset_m: np.ndarray | float
) -> np.ndarray:
    """Part of a Gaussian beam inside a circular aperture off its axis.

    ``P[χ'²_2((2r/w)²) <= (2a/w)²]``: the noncentral chi-square of two degrees of freedom, derived here.

    Parameters
    ----------
    beam_radius_m : array
        1/e² intensity radius at the receiver [m].
    offset_m : array
        Distance of the axes [m].
    """
    w, r = np.asarray(beam_radius_m, dtype=float), np.asarray(offset_m, dtype=float)
    return ncx2.cdf((aperture_diameter_m / w) ** 2, 2, (2 * r / w) ** 2)


@in_range(probability=Range(0, 1, above=True))
def pointing_fade_loss_db(
    *, divergence_half_angle_rad: float, jitter_rad: float, probability: np.ndarray | float
) -> np.ndarray:
    """Pointing loss [dB] exceeded with a probability, no bias: ``-10 lg(p)/β``, ``β = θd²/(4σ²)``.

    The transmittance has the distribution x^β on 0..1 (Farid and Hranilovic 2007). Not to be added to a mean budget.
    """
    p = np.asarray(probability, dtype=float)
    return -10 * np.log10(p) * (2 * jitter_rad / divergence_half_angle_rad) ** 2


@in_range(bias_rad=Range(0, 0.1, "rad"))
def mean_pointing_loss_exact_pattern_db(
    *,
    wavelength_m: float,
    tx_aperture_diameter_m: float,
    tx_obscuration_ratio: float,
    tx_beam_radius_m: float,
    jitter_rad: float,
    bias_rad: float = 0.0,
) -> float:
    """Mean pointing loss [dB] with the exact far field instead of the equivalent Gaussian.

    ``E[I(θ)]/I(0)`` over the Rice distribution of θ by quadrature; 0.4017 dB where the equivalent Gaussian gives 0.3974
    (80 mm at 850 nm, 1.5 µrad jitter, 1 µrad bias).
    """  # fmt: skip
    beam = {
        "wavelength_m": wavelength_m, "aperture_diameter_m": tx_aperture_diameter_m,
        "obscuration_ratio": tx_obscuration_ratio, "beam_radius_m": tx_beam_radius_m,
    }  # fmt: skip
    axis = float(intensity_per_sr(np.zeros(1), **beam)[0])
    if jitter_rad == 0:
        return float(db_from_ratio(intensity_per_sr(np.array([bias_rad]), **beam)[0] / axis))
    x, w = np.polynomial.legendre.leggauss(200)
    low, high = max(0.0, bias_rad - 9 * jitter_rad), bias_rad + 9 * jitter_rad
    theta = low + (high - low) * (x + 1) / 2
    spread = np.exp(-((theta - bias_rad) ** 2) / (2 * jitter_rad**2)) * i0e(theta * bias_rad / jitter_rad**2)
    density = theta / jitter_rad**2 * spread
    mean = np.sum(w * density * intensity_per_sr(theta, **beam)) * (high - low) / 2
    return float(db_from_ratio(mean / axis))


@in_range()
def pointing_samples(
    shape: int | tuple[int, ...],
    *,
    divergence_half_angle_rad: float,
    jitter_rad: Axes,
    bias_rad: Axes = 0.0,
    rng: np.random.Generator | int | None = None,
) -> np.ndarray:
    """Random transmittances ``exp(-2θ²/θd²)`` of independent instants; biased and anisotropic jitter too."""
    generator = np.random.default_rng(rng)
    shape = (shape,) if isinstance(shape, int) else shape
    sigma, bias = axes(jitter_rad, bias_rad)
    offset = bias + sigma * generator.standard_normal((*shape, 2))
    return np.exp(-2 * (offset**2).sum(axis=-1) / divergence_half_angle_rad**2)
