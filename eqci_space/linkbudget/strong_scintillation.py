"""Fades of a point receiver in weak to strong turbulence: the gamma-gamma distribution."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammainc, gammainccinv, gammaincinv, gammaln

from eqci_space.linkbudget.ranges import Range, in_range

__all__ = ["gamma_gamma_fade_loss_db", "gamma_gamma_shapes"]

_X, _W = np.polynomial.legendre.leggauss(400)
_TAIL = 1e-16
_SCINTILLATING = Range(1e-3, 1e3)


@in_range(rytov=_SCINTILLATING)
def gamma_gamma_shapes(rytov: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Shapes α and β of the large and small eddies' gamma distributions, for a plane wave of a Rytov variance.

    ``1/α = e^(0.49 s/(1 + 1.11 s^(6/5))^(7/6)) - 1`` and ``1/β = e^(0.51 s/(1 + 0.69 s^(6/5))^(5/6)) - 1`` (Andrews and
    Phillips 2005, section 9.10; recalled): ``(1 + 1/α)(1 + 1/β) - 1`` is `scintillation.scintillation_index`.

    Parameters
    ----------
    rytov : array
        s, the Rytov variance [1], in [1e-3, 1e3], any shape.

    Returns
    -------
    tuple of two arrays
        α and β [1], > 0, shape of `rytov`.

    Raises
    ------
    ValueError
        The variance is out of range.

    Examples
    --------
    Weak turbulence, where 1/α and 1/β are nearly 0.49 s and 0.51 s:

    >>> [round(float(1 / x), 5) for x in gamma_gamma_shapes(0.01)]
    [0.00489, 0.0051]
    """
    s = np.asarray(rytov, dtype=float)
    large, small = 0.49 * s / (1 + 1.11 * s**1.2) ** (7 / 6), 0.51 * s / (1 + 0.69 * s**1.2) ** (5 / 6)
    return 1 / np.expm1(large), 1 / np.expm1(small)


@in_range(rytov=_SCINTILLATING, exceeded_probability=Range(1e-6, 0.5))
def gamma_gamma_fade_loss_db(*, rytov: float, exceeded_probability: float) -> float:
    """Loss against the mean that scintillation of a point receiver exceeds with a probability.

    The product of two gamma variates of unit mean (Al-Habash, Andrews and Phillips 2001, Opt. Eng. 40, 1554); near the
    log-normal fade in weak turbulence, and deeper in strong. Not to be added to a mean budget.

    Parameters
    ----------
    rytov : float
        Rytov variance [1], in [1e-3, 1e3].
    exceeded_probability : float
        Chance of a larger loss [1], in [1e-6, 0.5].

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
    Weak turbulence at one per cent: the log-normal fade is 1.03 dB.

    >>> round(gamma_gamma_fade_loss_db(rytov=0.01, exceeded_probability=0.01), 2)
    1.05
    """
    alpha, beta = (float(v) for v in gamma_gamma_shapes(rytov))
    ends = np.log(np.array([gammaincinv(alpha, _TAIL), gammainccinv(alpha, _TAIL)]) / alpha)
    log_eddy = ends.mean() + np.diff(ends) / 2 * _X
    density = np.exp(alpha * np.log(alpha) - gammaln(alpha) + alpha * (log_eddy - np.exp(log_eddy)))
    weight = density * _W * np.diff(ends) / 2

    def excess(log_irradiance: float) -> float:
        return float(weight @ gammainc(beta, beta * np.exp(log_irradiance - log_eddy))) - exceeded_probability

    return float(-10 / np.log(10) * brentq(excess, -60.0, 10.0, xtol=1e-12))
