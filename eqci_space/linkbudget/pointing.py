"""Mean pointing transmittance of a Gaussian beam; jitter is a standard deviation per axis."""

from __future__ import annotations

import numpy as np

from eqci_space.units import db_from_ratio

__all__ = ["mean_pointing_loss_db", "mean_pointing_transmittance"]


def mean_pointing_transmittance(
    *,
    divergence_half_angle_rad: float,
    jitter_rad: tuple[float, float] | float,
    bias_rad: tuple[float, float] | float = 0.0,
) -> float:
    """Mean of ``exp(-2θ²/θd²)`` for Gaussian jitter about a static offset.

    ``E = ∏ q_i^(-1/2) exp(-2 e_i²/(θd² q_i))``, ``q_i = 1 + 4 σ_i²/θd²`` over the two axes: the general
    Beckmann case in closed form (moment generating function of a noncentral chi-square). Equal jitter and
    no bias give β/(β+1), β = θd²/(4σ²) (Farid and Hranilovic 2007).

    Parameters
    ----------
    divergence_half_angle_rad : float
        1/e² intensity half angle [rad], > 0.
    jitter_rad : float or pair
        Standard deviation per axis [rad], >= 0; a pair for anisotropic jitter.
    bias_rad : float or pair
        Static offset [rad]; one number is the radial offset.

    Raises
    ------
    ValueError
        Negative jitter or a divergence that is not positive.
    """
    sigma = np.broadcast_to(np.asarray(jitter_rad, dtype=float), (2,))
    bias = np.asarray(bias_rad if isinstance(bias_rad, tuple) else (bias_rad, 0.0), dtype=float)
    if not (divergence_half_angle_rad > 0 and (sigma >= 0).all() and np.isfinite(bias).all()):
        raise ValueError(
            f"mean_pointing_transmittance: divergence_half_angle_rad={divergence_half_angle_rad}, "
            f"jitter_rad={jitter_rad}; expected a positive divergence and jitter >= 0"
        )
    q = 1 + 4 * (sigma / divergence_half_angle_rad) ** 2
    return float(np.prod(q**-0.5 * np.exp(-2 * bias**2 / (divergence_half_angle_rad**2 * q))))


def mean_pointing_loss_db(
    *,
    divergence_half_angle_rad: float,
    jitter_rad: tuple[float, float] | float,
    bias_rad: tuple[float, float] | float = 0.0,
) -> float:
    """Loss [dB] of `mean_pointing_transmittance`; this is the loss of the mean, not a fade margin."""
    transmittance = mean_pointing_transmittance(
        divergence_half_angle_rad=divergence_half_angle_rad, jitter_rad=jitter_rad, bias_rad=bias_rad
    )
    return float(db_from_ratio(transmittance))
