"""How well a number of trials knows a quantile."""

from __future__ import annotations

import numpy as np
from scipy.special import betainc

__all__ = ["quantile_standard_error"]


def quantile_standard_error(ordered: np.ndarray, probability: float) -> np.ndarray:
    """Standard error of the sample quantile of independent trials, along the first axis.

    Maritz and Jarrett 1978 (J. Am. Stat. Assoc. 73, 194): the moments of the order statistic under the beta law of its
    rank, ``w_i = I(i/n; p(n+1), (1-p)(n+1)) - I((i-1)/n; ...)``. No density is estimated, so values that many trials
    share are no harm: the error is 0 deep inside an atom, and near its edge that of falling on either side.

    Parameters
    ----------
    ordered : (trials, ...) array
        Rising along the first axis, in any unit.
    probability : float
        Of lying below the quantile [1], in (0, 1).

    Returns
    -------
    array
        Standard error in the unit of `ordered`.

    Examples
    --------
    The median of 0, 1 and 2 has the weights 7/27, 13/27 and 7/27, so a variance of 14/27:

    >>> round(float(quantile_standard_error(np.array([0.0, 1.0, 2.0]), 0.5)) ** 2 * 27, 6)
    14.0
    """
    values = np.asarray(ordered, dtype=float)
    n = len(values)
    weight = np.diff(betainc(probability * (n + 1), (1 - probability) * (n + 1), np.arange(n + 1) / n))
    away = values - np.tensordot(weight, values, axes=1)
    return np.sqrt(np.tensordot(weight, away**2, axes=1))
