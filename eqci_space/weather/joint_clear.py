"""Chance that two lines of sight are clear at once, by the correlated skies that `weather.skies` draws.

A satellite over two stations sends pairs only where neither is clouded. Cloud fractions at the two are beta quantiles
of a Gaussian field of given correlation; a line of sight is clear with the probability that its fraction leaves it, and
which gap it meets is independent of the other's. So ``P(both) = E[c_a(S_a) c_b(S_b)]``, a double integral.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.polynomial.hermite_e import hermegauss

from eqci_space.scenario import Scenario
from eqci_space.weather.field import SkyModel, distances_km, latent_correlation
from eqci_space.weather.forecast import cloud_quantile
from eqci_space.weather.line_of_sight import seen_from_space, tangents_of_means
from eqci_space.weather.outlook import Outlook, outlook

__all__ = ["both_clear_probability", "joint_clear_probability", "sky_correlation"]

_LEAST_COVER, _MOST_COVER = 0.005, 0.995
_STEPS = 48  # of a bisection from 0 to 11: beyond double precision
_X, _W = hermegauss(40)
_WEIGHT = _W / _W.sum()


def joint_clear_probability(
    p_clear: np.ndarray,
    cover: np.ndarray,
    correlation: np.ndarray | float,
    *,
    latent_mean: np.ndarray | float = 0.0,
    latent_spread: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Chance that both of two lines of sight are clear, whose own chances are given.

    Each line stands at the elevation that gives it its own chance as the mean over the covers that may come; given
    cloud fraction s it is clear with ``(1 - s)^(1 + (0.55 - s/2) tan z)`` (Lund and Shanklin 1973 as in
    `weather.line_of_sight`). The mean of the product is integrated by Gauss-Hermite quadrature in two dimensions with
    40 nodes each. Derived here.

    Parameters
    ----------
    p_clear : (n, 2) array
        Chance of each line of sight alone [1], 0 to 1.
    cover : (n, 2) array
        Mean cloud fraction at each station [1], 0 to 1.
    correlation : (n,) array or float
        Of the latent field between the two [1], -1 to 1.
    latent_mean, latent_spread : (n, 2) array or float
        Of the latent field, given what a forecast knows [1].

    Returns
    -------
    (n,) array
        [1]

    Examples
    --------
    Skies without correlation multiply; over one place a clear sky of one makes that of the other likelier.

    >>> pair, cover = np.array([[0.3, 0.4]]), np.array([[0.6, 0.6]])
    >>> [round(float(joint_clear_probability(pair, cover, r)[0]), 3) for r in (0.0, 0.5, 1.0)]
    [0.12, 0.172, 0.233]
    """
    own, mean_cover = (np.clip(np.asarray(x, dtype=float), 0.0, 1.0) for x in (p_clear, cover))
    shape = own.shape
    mean, spread = (np.broadcast_to(np.asarray(x, dtype=float), shape) for x in (latent_mean, latent_spread))
    mean_cover = np.clip(mean_cover, _LEAST_COVER, _MOST_COVER)
    rho = np.broadcast_to(np.asarray(correlation, dtype=float), shape[:1])
    covers = cloud_quantile(mean[..., None] + spread[..., None] * _X, mean_cover[..., None])
    tangent = tangents_of_means(own, covers, _WEIGHT, steps=_STEPS)
    joint = np.empty(shape[0])
    for i in range(shape[0]):
        second = rho[i] * _X[:, None] + np.sqrt(max(0.0, 1 - rho[i] ** 2)) * _X
        latent = _X, second
        fraction = [cloud_quantile(mean[i, k] + spread[i, k] * latent[k], mean_cover[i, k]) for k in range(2)]
        first, other = (seen_from_space(s, tangent[i, k]) for k, s in enumerate(fraction))
        # The mean over the nodes of the second is its own chance but for the quadrature; scaled to be just that.
        whole = float(_WEIGHT @ other @ _WEIGHT)
        scale = own[i, 1] / whole if whole > 0 else 1.0
        joint[i] = scale * float((_WEIGHT * first) @ other @ _WEIGHT)
    return np.where((own <= 0).any(axis=1), 0.0, _within(joint, own))


def _within(joint: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Between the bounds of Fréchet; certain lines leave the other's chance."""
    least, most = np.maximum(0.0, own.sum(axis=1) - 1), own.min(axis=1)
    return np.clip(joint, least, most)


def sky_correlation(distance_km: np.ndarray, lag_h: np.ndarray, model: SkyModel | None = None) -> np.ndarray:
    """Correlation of the latent field between two places and times: both parts of the field, by their weights.

    Parameters
    ----------
    distance_km, lag_h : (n,) arrays
        [km] and [h].
    model : SkyModel, optional
    """
    sky = model or SkyModel()
    parts = zip(sky.weights, sky.tau_h, sky.length_km, strict=True)
    return sum(
        (w * np.exp(-np.abs(lag_h) / tau) * latent_correlation(distance_km, length, sky.nugget, sky.shape)
         for w, tau, length in parts),
        np.zeros(np.shape(distance_km)),
    )  # fmt: skip


def both_clear_probability(
    ogs: np.ndarray,
    times: tuple[pd.DatetimeIndex, pd.DatetimeIndex],
    p_clear: np.ndarray,
    scenario: Scenario,
    *,
    model: SkyModel | None = None,
) -> np.ndarray:
    """Chance that both lines of sight of pairs of stations are clear, by what the weather model knows.

    Parameters
    ----------
    ogs : (n, 2) array of str
        Stations.
    times : two DatetimeIndex of length n
        Middle of the time in which each is looked at.
    p_clear : (n, 2) array
        Chance of each line of sight alone [1].
    scenario : Scenario
        Its weather. Where that is a record, the mean over its pasts is taken, which hold at all stations at once.
    model : SkyModel, optional
        Correlation of the sky.

    Returns
    -------
    (n,) array
        [1]
    """
    count, own = len(ogs), np.clip(np.asarray(p_clear, dtype=float), 0.0, 1.0)
    if scenario.weather.model == "clear_sky" or not count:
        return own.prod(axis=1)
    both = times[0].append(times[1])
    known = outlook(np.concatenate([ogs[:, 0], ogs[:, 1]]).astype(object), both, scenario)
    if scenario.weather.model == "constant":
        known = replace(known, cover=np.clip(1 - own.T.ravel(), _LEAST_COVER, _MOST_COVER))
    if known.past is not None:
        return _within(_of_past(known, own), own)
    apart_km = distances_km(known.places[:, 0], known.places[:, 1])[known.place[:count], known.place[count:]]
    lag_h = np.asarray((times[1] - times[0]) / pd.Timedelta(hours=1), dtype=float)
    cover, mean, spread = (column.reshape(2, count).T for column in (known.cover, known.mean, known.spread))
    rho = sky_correlation(apart_km, lag_h, model)
    return joint_clear_probability(own, cover, rho, latent_mean=mean, latent_spread=spread)


def _of_past(known: Outlook, own: np.ndarray) -> np.ndarray:
    """Mean over the pasts of a record of the product of the chances; pasts of two blocks are independent."""
    assert known.past is not None
    count = len(own)
    covers, chance = known.covers()
    block = known.past.block
    tangent = tangents_of_means(own.T.ravel(), covers, chance, steps=_STEPS)
    clear = seen_from_space(covers, tangent[:, None])
    together = (clear[:count] * clear[count:] * chance[:count]).sum(axis=1)
    return np.where(block[:count] == block[count:], together, own.prod(axis=1))
