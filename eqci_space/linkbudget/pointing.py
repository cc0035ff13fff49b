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

Axes = tuple[float, float] | float | np.ndarray

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
    """Jitter and bias of the two axes: one number is the jitter of both, or the radial offset.

    Convention of this module, derived here.

    Parameters
    ----------
    jitter_rad : float, pair or (n, 2) array
        Standard deviation per axis [rad], >= 0; of each sample, if it is an array.
    bias_rad : float or pair
        Static offset [rad], any; one number is the radial offset, laid along the first axis.

    Returns
    -------
    tuple of (2,) or (n, 2), and (2,) arrays
        Jitter and bias by axis [rad].

    Examples
    --------
    >>> [x.tolist() for x in axes(1e-6, 3e-6)]
    [[1e-06, 1e-06], [3e-06, 0.0]]
    """
    sigma = np.asarray(jitter_rad, dtype=float)
    sigma = sigma if sigma.ndim == 2 else np.broadcast_to(sigma, (2,))
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
        θd, 1/e² intensity half angle [rad], in (0, 0.1], any shape.
    jitter_rad : float or pair
        Standard deviation σ per axis [rad], in [0, 0.1]; a pair for anisotropic jitter.
    bias_rad : float or pair
        Static offset [rad], in [-0.1, 0.1]; one number is the radial offset.

    Returns
    -------
    array
        [1], in [0, 1], shape of `divergence_half_angle_rad`.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    Jitter of half the divergence has β = 1:

    >>> round(float(mean_pointing_transmittance(divergence_half_angle_rad=10e-6, jitter_rad=5e-6)), 12)
    0.5
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
    """Loss of `mean_pointing_transmittance`; this is the loss of the mean, not a fade margin.

    ``-10 lg E`` of the closed form that Farid and Hranilovic 2007 give without bias.

    Parameters
    ----------
    divergence_half_angle_rad : array
        θd, 1/e² intensity half angle [rad], in (0, 0.1], any shape.
    jitter_rad : float or pair
        Standard deviation σ per axis [rad], in [0, 0.1]; a pair for anisotropic jitter.
    bias_rad : float or pair
        Static offset [rad], in [-0.1, 0.1]; one number is the radial offset.

    Returns
    -------
    array
        [dB], >= 0, shape of `divergence_half_angle_rad`.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    The divergence that costs 3 dB is twice the jitter:

    >>> round(float(mean_pointing_loss_db(divergence_half_angle_rad=2e-6, jitter_rad=1e-6)), 4)
    3.0103
    """
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
        w, 1/e² intensity radius at the receiver [m], > 0; arrays broadcast.
    aperture_diameter_m : float
        2a [m], > 0.
    offset_m : array
        r, distance of the axes [m], >= 0.

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
    On its axis a beam as wide as the aperture passes ``1 - e^(-2)``:

    >>> round(float(displaced_gaussian_transmittance(beam_radius_m=0.5, aperture_diameter_m=1.0, offset_m=0.0)), 6)
    0.864665
    """
    w, r = np.asarray(beam_radius_m, dtype=float), np.asarray(offset_m, dtype=float)
    return ncx2.cdf((aperture_diameter_m / w) ** 2, 2, (2 * r / w) ** 2)


@in_range(probability=Range(0, 1, above=True))
def pointing_fade_loss_db(
    *, divergence_half_angle_rad: float, jitter_rad: float, probability: np.ndarray | float
) -> np.ndarray:
    """Pointing loss exceeded with a probability, without bias: ``-10 lg(p)/β``, ``β = θd²/(4σ²)``.

    The transmittance has the distribution x^β on 0..1 (Farid and Hranilovic 2007). Not to be added to a mean budget.

    Parameters
    ----------
    divergence_half_angle_rad : float
        θd, 1/e² intensity half angle [rad], in (0, 0.1].
    jitter_rad : float
        Standard deviation σ per axis [rad], in [0, 0.1].
    probability : array
        p that the loss is larger [1], in (0, 1], any shape.

    Returns
    -------
    array
        [dB], >= 0, shape of `probability`.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    One per cent, at a divergence of four standard deviations (β = 4):

    >>> round(float(pointing_fade_loss_db(divergence_half_angle_rad=4e-6, jitter_rad=1e-6, probability=0.01)), 9)
    5.0
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
    """Mean pointing loss with the exact far field instead of the equivalent Gaussian.

    ``E[I(θ)]/I(0)`` over the Rice distribution of θ by quadrature, I of `beam.intensity_per_sr`; derived here.

    Parameters
    ----------
    wavelength_m : float
        [m], in [0.2e-6, 15e-6].
    tx_aperture_diameter_m : float
        [m], > 0.
    tx_obscuration_ratio : float
        Diameter ratio [1], in [0, 1).
    tx_beam_radius_m : float
        1/e² intensity radius in the pupil [m], > 0.
    jitter_rad : float
        Standard deviation per axis [rad], in [0, 0.1].
    bias_rad : float
        Radial static offset [rad], in [0, 0.1].

    Returns
    -------
    float
        [dB]

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    80 mm at 850 nm, 1.5 µrad jitter and 1 µrad bias; the equivalent Gaussian gives 0.3974 dB:

    >>> round(mean_pointing_loss_exact_pattern_db(
    ...     wavelength_m=850e-9, tx_aperture_diameter_m=0.08, tx_obscuration_ratio=0.0, tx_beam_radius_m=0.04 / 1.1209,
    ...     jitter_rad=1.5e-6, bias_rad=1e-6), 4)
    0.4017
    """
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
    """Random transmittances ``exp(-2θ²/θd²)`` of independent instants; biased and anisotropic jitter too.

    The offset of each axis is drawn from a normal distribution; derived here. Their mean is
    `mean_pointing_transmittance`.

    Parameters
    ----------
    shape : int or tuple of int
        Of the result [1], >= 0.
    divergence_half_angle_rad : float
        θd, 1/e² intensity half angle [rad], in (0, 0.1].
    jitter_rad : float or pair
        Standard deviation per axis [rad], in [0, 0.1].
    bias_rad : float or pair
        Static offset [rad], in [-0.1, 0.1]; one number is the radial offset.
    rng : Generator or seed, optional
        Source of randomness; default a fresh one.

    Returns
    -------
    array
        [1], in (0, 1], of `shape`.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    Jitter of half the divergence leaves half of the light:

    >>> round(float(pointing_samples(100_000, divergence_half_angle_rad=2e-6, jitter_rad=1e-6, rng=1).mean()), 2)
    0.5
    """
    generator = np.random.default_rng(rng)
    shape = (shape,) if isinstance(shape, int) else shape
    sigma, bias = axes(jitter_rad, bias_rad)
    offset = bias + sigma * generator.standard_normal((*shape, 2))
    return np.exp(-2 * (offset**2).sum(axis=-1) / divergence_half_angle_rad**2)
