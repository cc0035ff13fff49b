"""BBM92 with photon pairs: coincidences of pulsed and continuous sources, and finite keys from them.

One photon of each pair may be measured at the source, which then is trusted, or both are sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from eqci_space.qkd.asymptotic import binary_entropy
from eqci_space.qkd.leakage import leakage_bit
from eqci_space.qkd.sampling import sampled_error
from eqci_space.qkd.security import SAMPLING, SecurityParameters

__all__ = [
    "Coincidences",
    "EntangledKey",
    "asymptotic_fraction",
    "continuous_pairs",
    "entangled_key",
    "pulsed_pairs",
]


_MOST_COINCIDENCES = 1e30
_ROUNDING = 1e-9


class Coincidences(NamedTuple):
    """Coincidences per second, or per pulse, in all bases, and the error rate among them."""

    rate: np.ndarray
    qber: np.ndarray


@dataclass(frozen=True)
class EntangledKey:
    """Unfloored secret key length [bit] (negative: no key), before authentication, and what led to it.

    `key_basis_probability` is one half where both bases give key. The length holds for the coincidences as one block,
    by the `proof` and with the failure probabilities of `security`.
    """

    length_bit: float
    sifted_bit: float
    qber: float
    phase_error: float
    leakage_bit: float
    key_basis_probability: float
    protocol: str
    proof: str
    security: SecurityParameters


def _checked(
    efficiency_a: np.ndarray | float, efficiency_b: np.ndarray | float, error: np.ndarray | float, where: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    out = []
    for name, value, top in (
        ("efficiency_a", efficiency_a, 1.0), ("efficiency_b", efficiency_b, 1.0), ("intrinsic_error", error, 0.5)
    ):  # fmt: skip
        numbers = np.asarray(value, dtype=float)
        inside = (numbers >= 0) & (numbers <= top)
        if not inside.all():
            raise ValueError(f"{where}: {name} = {numbers[~inside].flat[0]}; expected 0 to {top:g}")
        out.append(numbers)
    return out[0], out[1], out[2]


def _not_negative(where: str, most: float, **values: np.ndarray | float) -> None:
    for name, value in values.items():
        numbers = np.asarray(value, dtype=float)
        inside = (numbers >= 0) & (numbers <= most)
        if not inside.all():
            raise ValueError(f"{where}: {name} = {numbers[~inside].flat[0]}; expected finite values from 0 to {most:g}")


def pulsed_pairs(
    *,
    mean_pairs: float,
    efficiency_a: np.ndarray | float,
    efficiency_b: np.ndarray | float,
    noise_a: np.ndarray | float,
    noise_b: np.ndarray | float,
    intrinsic_error: np.ndarray | float,
) -> Coincidences:
    """Coincidences per pulse of down-conversion with a thermal number of pairs (Ma, Fung and Lo 2007, eqs 9 to 11).

    Parameters
    ----------
    mean_pairs : float
        Mean pairs per pulse 2λ [1], in [0, 10]: their formulas are in λ.
    efficiency_a, efficiency_b : array or float
        Of the two arms, detectors included [1], in [0, 1].
    noise_a, noise_b : array or float
        Probability of a dark or sky click per pulse, over all detectors of a side [1], in [0, 1].
    intrinsic_error : array or float
        Error probability of a pair [1], in [0, 0.5].

    Returns
    -------
    Coincidences
        Per pulse [1], and their error rate [1].

    Raises
    ------
    ValueError
        An argument is out of its range.

    Examples
    --------
    As qkd_key_rate 2.0.4 prints.

    >>> found = pulsed_pairs(mean_pairs=0.1, efficiency_a=0.5, efficiency_b=0.5, noise_a=1e-6, noise_b=1e-6,
    ...                      intrinsic_error=0.015)
    >>> round(float(found.rate), 10)
    0.0253885271
    """
    a, b, wrong = _checked(efficiency_a, efficiency_b, intrinsic_error, "pulsed_pairs")
    _not_negative("pulsed_pairs", 10.0, mean_pairs=mean_pairs)
    _not_negative("pulsed_pairs", 1.0, noise_a=noise_a, noise_b=noise_b)
    half = mean_pairs / 2
    noise, other = np.asarray(noise_a, dtype=float), np.asarray(noise_b, dtype=float)
    # Their sum of terms near one, ordered by what makes a coincidence, so that no digits are lost at high loss.
    at_a, at_b = 1 + a * half, 1 + b * half
    either = 1 + a * half + b * half - a * b * half
    common = a * b * half * (1 + half)
    rate = (
        a * half * (1 + at_a) / at_a**2 * b * half * (1 + at_b) / at_b**2
        + common * (at_a * at_b + either) / (at_a * at_b * either) ** 2
        + noise * b * half * (1 - a) * (either + at_a) / (at_a * either) ** 2
        + other * a * half * (1 - b) * (either + at_b) / (at_b * either) ** 2
        + noise * other / either**2
    )
    right = 2 * (0.5 - wrong) * common / (at_a * at_b * either)
    qber = np.where(rate > 0, 0.5 - right / np.where(rate > 0, rate, 1.0), 0.5)
    return Coincidences(rate, np.clip(qber, 0.0, 0.5))


def continuous_pairs(
    *,
    pair_rate_hz: float,
    efficiency_a: np.ndarray | float,
    efficiency_b: np.ndarray | float,
    noise_a_hz: np.ndarray | float,
    noise_b_hz: np.ndarray | float,
    window_s: float,
    intrinsic_error: np.ndarray | float,
    window_share: float = 1.0,
) -> Coincidences:
    """Coincidences per second of a continuously pumped source (Neumann et al. 2021, PRA 104, 022406; recalled).

    True ones ``B η_A η_B w`` and accidental ones ``S_A S_B τ`` with singles ``S = B η + noise``; half of the latter are
    errors. Holds while ``S τ`` is far below one.

    Parameters
    ----------
    pair_rate_hz : float
        Pairs B per second [1/s], in [0, 1e15].
    efficiency_a, efficiency_b : array or float
        Of the two arms, detectors included [1], in [0, 1].
    noise_a_hz, noise_b_hz : array or float
        Dark and sky clicks of a side [1/s], in [0, 1e15].
    window_s : float
        Coincidence window τ [s], in [0, 1].
    intrinsic_error : array or float
        Error probability of a pair [1], in [0, 0.5].
    window_share : float
        Part w of the true coincidences inside the window [1], in [0, 1].

    Returns
    -------
    Coincidences
        [1/s], and their error rate [1].

    Raises
    ------
    ValueError
        An argument is out of its range.

    Examples
    --------
    1e6 pairs at 10 % each: 10 000 true ones, and 10 by chance of 1e5 singles a side in a nanosecond.

    >>> found = continuous_pairs(pair_rate_hz=1e6, efficiency_a=0.1, efficiency_b=0.1, noise_a_hz=0.0, noise_b_hz=0.0,
    ...                          window_s=1e-9, intrinsic_error=0.0)
    >>> round(float(found.rate), 6), round(float(found.qber), 6)
    (10010.0, 0.0005)
    """
    a, b, wrong = _checked(efficiency_a, efficiency_b, intrinsic_error, "continuous_pairs")
    rates = {"pair_rate_hz": pair_rate_hz, "noise_a_hz": noise_a_hz, "noise_b_hz": noise_b_hz}
    _not_negative("continuous_pairs", 1e15, **rates)
    _not_negative("continuous_pairs", 1.0, window_s=window_s, window_share=window_share)
    true = pair_rate_hz * a * b * window_share
    accidental = (pair_rate_hz * a + noise_a_hz) * (pair_rate_hz * b + noise_b_hz) * window_s
    rate = true + accidental
    qber = np.where(rate > 0, (true * wrong + accidental / 2) / np.where(rate > 0, rate, 1.0), 0.5)
    return Coincidences(rate, np.clip(qber, 0.0, 0.5))


def asymptotic_fraction(qber: np.ndarray | float, *, error_correction_efficiency: float = 1.0) -> np.ndarray:
    """Key per sifted bit ``1 - h(e) - f h(e)`` (Shor and Preskill 2000); negative: no key.

    Parameters
    ----------
    qber : array or float
        Error rate e [1], in [0, 1].
    error_correction_efficiency : float
        f [1], >= 1.

    Returns
    -------
    array
        [1]

    Raises
    ------
    ValueError
        An error rate is not a probability.

    Examples
    --------
    Micius 2020, 4.51 % and 1.19: 0.43 bit/s of 1 sifted bit/s (Yin et al. 2020).

    >>> round(float(asymptotic_fraction(0.0451, error_correction_efficiency=1.19)), 2)
    0.42
    """
    return 1 - (1 + error_correction_efficiency) * binary_entropy(qber)


def entangled_key(
    coincidences: float,
    qber: float,
    security: SecurityParameters | None = None,
    *,
    key_basis_probability: float | None = None,
    own_dark: tuple[float, float] = (0.0, 0.0),
) -> EntangledKey:
    """Finite key of a number of coincidences: the phase error of one basis sampled in the other.

    ``n [1 - h(φ)] - leakage - 2 lb(1/ε_s) - lb(2/ε_c)`` (Tomamichel et al. 2012), φ by random sampling as
    `SecurityParameters.sampling` says at failure ``(ε_s/4)²``, which leaves half of ε_s to privacy amplification.
    Balanced bases give key twice, each tested by the other at half the failure probability; unbalanced ones give key in
    the first basis alone.

    Parameters
    ----------
    coincidences : float
        In all bases, before sifting, without `own_dark` [1], in [0, 1e30].
    qber : float
        Of them, in both bases [1], in [0, 0.5].
    security : SecurityParameters, optional
    key_basis_probability : float, optional
        Of both sides [1], in (0, 1); default the best of one half and all larger ones.
    own_dark : tuple of float
        Coincidences with dark counts of detectors that serve one basis alone and click in every gate, half of them
        wrong: of all that the other side sees with those of one basis, of which a basis of probability p keeps p; and
        of dark counts of both sides, which it keeps all [1], in [0, 1e30].

    Returns
    -------
    EntangledKey
        Its length [bit]; negative: no key.

    Raises
    ------
    ValueError
        An argument is out of its range.

    Notes
    -----
    Yin et al. 2020 published 372 bits of the numbers below, with ε = 1e-10. γ gives 312 where that is the
    ε of each of four parts, 284 where it is that of the whole; the hypergeometric inequality gives 28.

    Examples
    --------
    3100 bits with 140 errors in both bases, f_EC = 1.19 and block leakage.

    >>> from dataclasses import replace
    >>> whole = SecurityParameters(1e-10, 1e-10, 1.19, leakage="block")
    >>> expanded = replace(whole, sampling="lim2014")
    >>> [round(entangled_key(6200, 140 / 3100, s, key_basis_probability=0.5).length_bit) for s in (whole, expanded)]
    [28, 284]
    """
    security = security or SecurityParameters()
    _not_negative("entangled_key", _MOST_COINCIDENCES, own_dark=np.array(own_dark))
    if not (0 <= coincidences <= _MOST_COINCIDENCES and 0 <= qber <= 0.5 + _ROUNDING):
        raise ValueError(f"entangled_key: coincidences = {coincidences}, qber = {qber}; expected 0 to 1e30, 0 to 0.5")
    counts = (float(coincidences), min(qber, 0.5), *own_dark)
    if key_basis_probability is not None:
        if not 0 < key_basis_probability < 1:
            raise ValueError(f"entangled_key: key_basis_probability = {key_basis_probability}; expected 0 to 1, open")
        return _biased_key(key_basis_probability, counts, security)
    found = minimize_scalar(
        lambda p: -_biased_key(float(p), counts, security).length_bit, bounds=(0.501, 0.9999),
        method="bounded", options={"xatol": 1e-6},
    )  # fmt: skip
    best = (_biased_key(float(found.x), counts, security), _biased_key(0.5, counts, security))
    return max(best, key=lambda key: key.length_bit)


def _in_basis(p: float, counts: tuple[float, float, float, float]) -> tuple[float, float]:
    """Sifted coincidences of a basis that both sides choose with a probability, and their error rate."""
    coincidences, qber, dark_one, dark_both = counts
    lit, dark = p**2 * coincidences, p * dark_one + dark_both
    return lit + dark, qber if dark == 0 else min((lit * qber + dark / 2) / (lit + dark), 0.5)


def _biased_key(p: float, counts: tuple[float, float, float, float], security: SecurityParameters) -> EntangledKey:
    bases = 2 if p == 0.5 else 1
    (kept, qber), (tested, phase) = _in_basis(p, counts), _in_basis(1 - p, counts)
    eps_s, eps_c = security.epsilon_secrecy / bases, security.epsilon_correctness / bases
    if security.bound != "asymptotic":
        observed, phase = phase, 0.5
        if kept >= 1 and tested >= 1:
            observed = max(observed, 1 / tested)
            phase = sampled_error(observed, tested, kept, 2 * np.log2(eps_s / 4), SAMPLING[security.sampling])
    leak = leakage_bit(kept, qber, eps_c, security.error_correction_efficiency, int(security.leakage == "block"))
    length = kept * (1 - float(binary_entropy(phase))) - leak
    if security.bound != "asymptotic":
        length -= 2 * np.log2(1 / eps_s) + np.log2(2 / eps_c)
    sampling = "asymptotic" if security.bound == "asymptotic" else security.sampling
    return EntangledKey(
        bases * float(length), bases * kept, qber, float(phase), bases * float(leak), p,
        "bbm92", f"tomamichel2012-{sampling}", security,
    )  # fmt: skip
