"""From cloud cover to the probability of a cloud-free line of sight (CFLOS)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.polynomial.legendre import leggauss
from scipy.special import betaincinv

__all__ = [
    "NORMALISED_DEVIATION",
    "cloud_free_probability",
    "mean_cloud_free_probability",
    "seen_from_space",
    "tangents_of_means",
]

NORMALISED_DEVIATION = 0.73
_LOWEST_DEG = 5.0
_NODES = 64
_FLATTEST_TANGENT = 1 / np.tan(np.radians(_LOWEST_DEG))


def cloud_free_probability(
    cover: np.ndarray, elevation_deg: np.ndarray, *, seen_from: Literal["ground", "space"] = "ground"
) -> np.ndarray:
    """Probability that the line of sight misses all clouds, for a given sky cover.

    Allen and Malick 1983 (AIAA 83-0441) closed form of the Lund-Shanklin curves,
    ``P = (1 - s(1+3s)/4)^(1 + (0.55 - s/2) tan θ)`` with zenith angle θ, elevation held at 5 deg below it.
    The coefficients are recalled; they are checked against the tabulated values (half cover: 0.688 at the
    zenith, 0.566 at 30 deg) and their limits (clear sky 1, overcast 0).

    Parameters
    ----------
    cover : float or array
        Fraction s of the sky covered [1], in [0, 1].
    elevation_deg : float or array
        [deg], in [0, 90]; broadcasts against `cover`.
    seen_from : {"ground", "space"}
        An observer's sky cover counts the sides of clouds towards the horizon. Cover seen from space does not, so
        the zenith is then clear with probability ``1 - s``; the dependence on elevation is kept.

    Returns
    -------
    array
        Probability [1].

    Raises
    ------
    ValueError
        A cover or an elevation is out of range.

    Examples
    --------
    >>> cloud_free_probability(0.5, np.array([90.0, 30.0])).round(3)
    array([0.688, 0.566])
    """
    s = np.asarray(cover, dtype=float)
    elevation = np.asarray(elevation_deg, dtype=float)
    if s.size and not ((s >= 0) & (s <= 1)).all():
        raise ValueError(f"cloud_free_probability: cover {s.min()}..{s.max()}; expected fractions 0 to 1")
    if elevation.size and not ((elevation >= 0) & (elevation <= 90)).all():
        raise ValueError(f"cloud_free_probability: elevation {elevation.min()}..{elevation.max()} deg; expected 0..90")
    tangent = 1 / np.tan(np.radians(np.maximum(elevation, _LOWEST_DEG)))
    zenith = 1 - s * (1 + 3 * s) / 4 if seen_from == "ground" else 1 - s
    return _along(zenith, s, tangent)


def _along(zenith: np.ndarray, s: np.ndarray, tangent: np.ndarray) -> np.ndarray:
    """What is clear upwards, along a line of sight."""
    return zenith ** (1 + (0.55 - s / 2) * tangent)


def seen_from_space(cover: np.ndarray, tangent: np.ndarray | float) -> np.ndarray:
    """Probability that the line of sight misses all clouds, by the tangent of its zenith angle.

    That of `cloud_free_probability` for cover as seen from space, without its checks, for loops over many skies.

    Parameters
    ----------
    cover : array
        Fraction of the sky covered [1], in [0, 1].
    tangent : float or array
        Of the zenith angle [1], >= 0; broadcasts against `cover`.

    Returns
    -------
    array
        [1]

    Notes
    -----
    Allen and Malick 1983 (AIAA 83-0441), recalled as there.

    Examples
    --------
    >>> seen_from_space(np.array([0.5]), np.array([0.0, np.sqrt(3)])).round(3)
    array([0.5  , 0.349])
    """
    return _along(1 - cover, cover, np.asarray(tangent))


def tangents_of_means(p_clear: np.ndarray, cover: np.ndarray, weight: np.ndarray, *, steps: int = 40) -> np.ndarray:
    """Tangent of the zenith angle at which the mean over covers is a given chance, by bisection, down to 5 deg.

    Parameters
    ----------
    p_clear : (...) array
        Chance of a clear line of sight [1], in [0, 1].
    cover, weight : (..., k) arrays
        Covers that may come [1], in [0, 1], and their probabilities [1]; weights may broadcast.
    steps : int
        Of the bisection [1], >= 1.

    Returns
    -------
    (...) array
        [1]

    Notes
    -----
    Bisection of `seen_from_space`, derived here.

    Examples
    --------
    One cover of a half: a chance of a half is that of the zenith, 0.3488 that of 30 deg.

    >>> tangents_of_means(np.array([0.5, 0.3488]), np.array([[0.5], [0.5]]), np.array([1.0])).round(2)
    array([0.  , 1.73])
    """
    low, high = np.zeros(np.shape(p_clear)), np.full(np.shape(p_clear), _FLATTEST_TANGENT)
    for _ in range(steps):
        middle = 0.5 * (low + high)
        over = (seen_from_space(cover, middle[..., None]) * weight).sum(axis=-1) > p_clear
        low, high = np.where(over, middle, low), np.where(over, high, middle)
    return 0.5 * (low + high)


def mean_cloud_free_probability(
    mean_cover: float,
    elevation_deg: np.ndarray,
    *,
    normalised_deviation: float = NORMALISED_DEVIATION,
    seen_from: Literal["ground", "space"] = "ground",
) -> np.ndarray:
    """`cloud_free_probability` averaged over the distribution of cover about its mean.

    Cover is beta distributed with variance ``(NS)² c(1-c)``: U-shaped, as skies are. The measured hourly value
    of 15 German stations is NS = 0.732 (DWD test reference years 2010, derived). The average is taken over 64
    quantiles of the distribution.

    Parameters
    ----------
    mean_cover : float
        c [1], in [0, 1].
    elevation_deg : float or array
        [deg], in [0, 90].
    normalised_deviation : float
        NS [1], in (0, 1).
    seen_from : {"ground", "space"}
        As in `cloud_free_probability`.

    Returns
    -------
    array
        Probability [1], of the shape of `elevation_deg`.

    Raises
    ------
    ValueError
        A fraction or an elevation is out of range.

    Examples
    --------
    Seen from space the zenith is clear with probability ``1 - c``, whatever the distribution:

    >>> round(float(mean_cloud_free_probability(0.7, 90.0, seen_from="space")), 4)
    0.3
    """
    if not 0 <= mean_cover <= 1 or not 0 < normalised_deviation < 1:
        raise ValueError(
            f"mean_cloud_free_probability: mean_cover={mean_cover}, normalised_deviation={normalised_deviation}; "
            "expected fractions"
        )
    elevation = np.asarray(elevation_deg, dtype=float)
    if mean_cover in (0.0, 1.0):
        return cloud_free_probability(np.full(elevation.shape, mean_cover), elevation, seen_from=seen_from)
    concentration = normalised_deviation**-2 - 1
    x, w = leggauss(_NODES)
    cover = betaincinv(mean_cover * concentration, (1 - mean_cover) * concentration, 0.5 * (x + 1))
    return cloud_free_probability(cover, elevation[..., None], seen_from=seen_from) @ (0.5 * w)
