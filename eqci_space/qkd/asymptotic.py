"""Asymptotic rates for screening and for comparison: decoy BB84 with infinite keys, and the bound without repeaters."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import linprog

__all__ = ["AsymptoticRate", "binary_entropy", "infinite_decoy_rate", "plob_bound_bit", "two_decoy_rate"]

_MOST_PHOTONS = 20


class AsymptoticRate(NamedTuple):
    """Detection probability and error rate of the signal, and key per pulse [bit] before sifting; negative: no key."""

    gain: float
    qber: float
    rate_bit: float


def binary_entropy(x: np.ndarray | float) -> np.ndarray:
    """Binary entropy ``-x lb x - (1-x) lb(1-x)``, zero at 0 and 1 (Shannon 1948).

    Parameters
    ----------
    x : array or float
        Probability [1], in [0, 1].

    Returns
    -------
    array
        [bit]

    Raises
    ------
    ValueError
        A value is not a probability.

    Examples
    --------
    Half a bit at 11 %, the largest error rate of BB84.

    >>> round(float(binary_entropy(0.11)), 6)
    0.499916
    """
    p = np.asarray(x, dtype=float)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"binary_entropy: {p}; expected probabilities")
    inner = np.clip(p, 1e-300, 1 - 1e-16)
    return np.where((p > 0) & (p < 1), -(inner * np.log2(inner) + (1 - inner) * np.log2(1 - inner)), 0.0)


def infinite_decoy_rate(
    *,
    efficiency: float,
    mean_photon_number: float,
    dark_probability: float,
    misalignment_rad: float = 0.0,
    error_correction_efficiency: float = 1.0,
) -> AsymptoticRate:
    """BB84 with infinitely many decoys (Gottesman et al. 2004; Lo, Ma and Chen 2005).

    ``R = e^(-μ) Y0 + μ e^(-μ) Y1 [1 - h(e1)] - f Q h(E)``. The sifting factor is left out.

    Parameters
    ----------
    efficiency : float
        Of channel and detector together [1], in [0, 1].
    mean_photon_number : float
        [1], in (0, 10].
    dark_probability : float
        Per detector and gate, two detectors [1], in [0, 1).
    misalignment_rad : float
        [rad], in [-π, π].
    error_correction_efficiency : float
        [1], in [1, 100).

    Returns
    -------
    AsymptoticRate
        Gain [1], error rate [1], key per pulse [bit].

    Raises
    ------
    ValueError
        An argument is out of its range.

    Examples
    --------
    As the tool of TNO (qkd_key_rate 2.0.4) prints.

    >>> found = infinite_decoy_rate(
    ...     efficiency=0.2, mean_photon_number=0.5, dark_probability=1e-6, misalignment_rad=0.1
    ... )
    >>> round(found.rate_bit, 6)
    0.048087
    """
    mu = mean_photon_number
    _check(efficiency, mu, dark_probability, misalignment_rad, error_correction_efficiency)
    gain, wrong = _gain(mu, efficiency, dark_probability, misalignment_rad)
    vacuum, single = _yields(efficiency, dark_probability)
    error = 0.5
    if single > 0:
        error = (single - (1 - dark_probability) * efficiency * math.cos(2 * misalignment_rad)) / (2 * single)
    return _rate(mu, gain, wrong, vacuum, single, error, error_correction_efficiency)


def two_decoy_rate(
    *,
    efficiency: float,
    intensities: tuple[float, float],
    dark_probability: float,
    misalignment_rad: float = 0.0,
    error_correction_efficiency: float = 1.0,
    bound: str = "closed",
) -> AsymptoticRate:
    """BB84 with a signal, one weak decoy and vacuum, infinite key.

    Parameters
    ----------
    efficiency : float
        Of channel and detector together [1], in [0, 1].
    intensities : (signal, decoy)
        Mean photon numbers [1], signal > decoy > 0.
    dark_probability : float
        Per detector and gate, two detectors [1], in [0, 1).
    misalignment_rad : float
        [rad], in [-π, π].
    error_correction_efficiency : float
        [1], in [1, 100).
    bound : {"closed", "linear_program"}
        The estimates of Ma et al. 2005, or the best that the gains allow with yields between 0 and 1, higher by up to
        2e-4 where the loss is small.

    Returns
    -------
    AsymptoticRate
        Gain [1], error rate [1], key per pulse [bit].

    Raises
    ------
    ValueError
        An argument is out of its range.

    Notes
    -----
    Ma et al. 2005 (Phys. Rev. A 72, 012326).

    Examples
    --------
    Below the rate of infinitely many decoys, 4.8087e-2.

    >>> found = two_decoy_rate(
    ...     efficiency=0.2, intensities=(0.5, 0.1), dark_probability=1e-6, misalignment_rad=0.1
    ... )
    >>> round(float(found.rate_bit), 4)
    0.0463
    """
    mu, nu = intensities
    if not 0 < nu < mu:
        raise ValueError(f"two_decoy_rate: intensities {intensities}; expected signal > decoy > 0")
    _check(efficiency, mu, dark_probability, misalignment_rad, error_correction_efficiency)
    levels = (mu, nu, 0.0)
    gains, wrongs = np.array([_gain(m, efficiency, dark_probability, misalignment_rad) for m in levels]).T
    if bound not in ("closed", "linear_program"):
        raise ValueError(f"two_decoy_rate: bound = '{bound}'; expected 'closed' or 'linear_program'")
    single = mu / (mu * nu - nu**2) * (
        gains[1] * math.exp(nu) - gains[0] * math.exp(mu) * nu**2 / mu**2 - (mu**2 - nu**2) / mu**2 * gains[2]
    )  # fmt: skip
    errors = (wrongs[1] * math.exp(nu) - wrongs[2]) / nu
    if bound == "linear_program":
        # The program's solver works to absolute tolerances; where those are coarse the closed form is the better bound.
        single = max(single, _photon_limit(levels, gains, 1))
        errors = min(errors, -_photon_limit(levels, wrongs, -1))
    error = min(0.5, errors / single) if single > 0 else 0.5
    return _rate(mu, gains[0], wrongs[0], gains[2], max(single, 0.0), error, error_correction_efficiency)


def plob_bound_bit(efficiency: np.ndarray | float) -> np.ndarray:
    """Most key per pulse that a lossy channel without repeater can give, ``-lb(1 - η)`` (Pirandola et al. 2017).

    Parameters
    ----------
    efficiency : array or float
        Transmittance η [1], in [0, 1).

    Returns
    -------
    array
        [bit]

    Raises
    ------
    ValueError
        An efficiency is not in [0, 1).

    Examples
    --------
    >>> float(plob_bound_bit(0.5))
    1.0
    """
    eta = np.asarray(efficiency, dtype=float)
    if not ((eta >= 0) & (eta < 1)).all():
        raise ValueError(f"plob_bound_bit: efficiency = {eta}; expected 0 to below 1")
    return -np.log1p(-eta) / np.log(2)


def _check(efficiency: float, mu: float, dark: float, angle: float, f_ec: float) -> None:
    if not (0 <= efficiency <= 1 and 0 < mu <= 10 and 0 <= dark < 1 and abs(angle) <= math.pi and 1 <= f_ec < 100):
        raise ValueError(
            f"asymptotic: efficiency = {efficiency}, mean photon number = {mu}, dark_probability = {dark}, "
            f"misalignment_rad = {angle}, error_correction_efficiency = {f_ec}; expected 0 to 1, 0 to 10, 0 to below "
            "1, -π to π, 1 to below 100"
        )


def _yields(efficiency: float, dark: float) -> tuple[float, float]:
    """Detection probability without and with one photon."""
    return 1 - (1 - dark) ** 2, 1 - (1 - dark) ** 2 * (1 - efficiency)


def _gain(mu: float, efficiency: float, dark: float, angle: float) -> tuple[float, float]:
    """Detection and error probability of an intensity; double clicks are settled by lot."""
    light = mu * efficiency
    gain = 1 - (1 - dark) ** 2 * math.exp(-light)
    lean = math.exp(-light * math.cos(angle) ** 2) - math.exp(-light * math.sin(angle) ** 2)
    return gain, 0.5 * (1 + (1 - dark) * lean - (1 - dark) ** 2 * math.exp(-light))


def _rate(
    mu: float, gain: float, wrong: float, vacuum: float, single: float, error: float, f_ec: float
) -> AsymptoticRate:
    qber = min(max(wrong / gain, 0.0), 0.5) if gain > 0 else 0.5
    kept = math.exp(-mu) * (vacuum + mu * single * (1 - float(binary_entropy(min(max(error, 0.0), 0.5)))))
    return AsymptoticRate(gain, qber, kept - f_ec * gain * float(binary_entropy(qber)))


def _photon_limit(levels: tuple[float, ...], totals: np.ndarray, sign: int) -> float:
    """Smallest (sign 1) or minus the largest (-1) single-photon term that the totals of the intensities allow."""
    photons = np.arange(_MOST_PHOTONS + 1)
    weight = np.array([[math.exp(-m) * m**n / math.factorial(n) for n in photons] for m in levels])
    rest = np.maximum(0.0, 1 - weight.sum(axis=1))
    scale = 1 / np.maximum(totals, 1e-300)[:, None]
    above, below = weight * scale, -weight * scale
    limits = np.concatenate([np.ones(len(levels)), -(totals - rest) * scale[:, 0]])
    aim = np.where(photons == 1, float(sign), 0.0)
    found = linprog(aim, A_ub=np.vstack([above, below]), b_ub=limits, bounds=[(0, 1)] * len(photons), method="highs")
    return float(found.fun) if found.success else (0.0 if sign > 0 else -1.0)
