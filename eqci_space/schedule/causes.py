"""How much of the spread of a result one cause explains, from the trials of a simulation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

__all__ = ["cause_table", "explained_share", "shares_of_demands"]

_GROUPS = 50
_FEWEST_IN_GROUP = 5


def explained_share(cause: np.ndarray, result: np.ndarray) -> np.ndarray:
    """Share of the variance of results that a cause explains by itself: ``Var(E[Y|X]) / Var(Y)``.

    The first-order index of Sobol (1993), by means over 50 groups of equal number in order of the cause, less what
    groups without any effect would show (Kelley 1935). Equal values stay in one group; where they fill two, and in few
    trials, there are fewer. What the sampling makes negative is 0, and so is the share in a result that does not vary.

    A result that is the sum of a normal cause and noise of three times its variance: 0.25.

    Parameters
    ----------
    cause : (n,) array
        Value of the cause in each trial, or what it alone would make of the result.
    result : (n, m) array
        Results of the same trials.

    Raises
    ------
    ValueError
        The numbers of trials differ.
    """
    x, y = np.asarray(cause, dtype=float), np.asarray(result, dtype=float)
    if y.ndim != 2 or x.shape != y.shape[:1]:
        raise ValueError(f"explained_share: cause {x.shape}, result {y.shape}; expected (n,) and (n, m)")
    groups = int(np.clip(len(x) // _FEWEST_IN_GROUP, 2, _GROUPS))
    edges = np.unique(np.quantile(x, np.arange(1, groups) / groups))
    _, group = np.unique(np.searchsorted(edges, x), return_inverse=True)
    count = np.bincount(group)
    means = np.stack([np.bincount(group, weights=column) / count for column in y.T], axis=1)
    total = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    inside = ((y - means[group]) ** 2).sum(axis=0)
    varies = total > 1e-12 * (y**2).sum(axis=0)
    noise = (len(count) - 1) * inside / max(len(x) - len(count), 1)
    return np.where(varies, np.maximum(total - inside - noise, 0.0) / np.where(varies, total, 1.0), 0.0)


def cause_table(alone_bit: Mapping[str, np.ndarray], arrived_bit: np.ndarray) -> pd.DataFrame:
    """Space key with one cause varied alone, and its share of all variance.

    Parameters
    ----------
    alone_bit : mapping
        Space key (W,) by cause.
    arrived_bit : (W, contacts) array
        With all causes.
    """
    total = arrived_bit.sum(axis=1).var()
    rows = {
        cause: (bits.var() if np.ptp(bits) > 0 else 0.0, *np.quantile(bits, [0.1, 0.9]))
        for cause, bits in alone_bit.items()
    }
    table = pd.DataFrame.from_dict(
        rows, orient="index", columns=["share_of_variance", "exceeded_90pct_bit", "exceeded_10pct_bit"]
    )
    table["share_of_variance"] /= total if total > 0 else 1.0
    return table.rename_axis("cause")


def shares_of_demands(
    alone_bit: Mapping[str, np.ndarray],
    delivered_bit: Mapping[str, np.ndarray],
    fibre_factor: np.ndarray,
    demands: pd.Index,
) -> pd.DataFrame:
    """Share of the variance of every demand's delivery that each cause explains: the sky by what it alone delivers.

    Parameters
    ----------
    alone_bit : mapping
        Space key (W,) by cause.
    delivered_bit : mapping
        ``all_in`` and ``weather_only``, (W, K) each.
    fibre_factor : (W,) array
    demands : Index
    """
    everything, columns = delivered_bit["all_in"], {}
    for cause, bits in alone_bit.items():
        if cause == "sky":
            pairs = zip(delivered_bit["weather_only"].T, everything.T, strict=True)
            columns[f"share_{cause}"] = np.array([explained_share(x, y[:, None])[0] for x, y in pairs])
        else:
            columns[f"share_{cause}"] = explained_share(
                fibre_factor if cause == "commissioning_factor" else bits, everything
            )
    return pd.DataFrame(columns, index=demands)
