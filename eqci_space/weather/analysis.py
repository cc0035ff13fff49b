"""Availability of stations and networks of stations: alone, together, and in droughts."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri
from scipy.stats import multivariate_normal

from eqci_space.errors import TableError
from eqci_space.scenario import Station
from eqci_space.weather.climatology import cloud_cover
from eqci_space.weather.field import SkyModel, hourly_blocked, nearest_correlation, spatial_factors, unpacked
from eqci_space.weather.line_of_sight import mean_cloud_free_probability

__all__ = [
    "availability",
    "drought_lengths",
    "hourly_availability",
    "joint_cloudiness",
    "rank_stations",
    "site_diversity",
    "tetrachoric_correlation",
]

_SMALLEST = 1e-6


def availability(
    stations: Mapping[str, Station], *, elevation_deg: float = 45.0, hours_utc: tuple[int, ...] = (20, 22, 0, 2)
) -> pd.DataFrame:
    """Probability of a cloud-free line of sight per station and month, at night hours and an elevation.

    Parameters
    ----------
    stations : mapping of name to Station
        Such as ``scenario.stations``.

    Returns
    -------
    DataFrame
        Index `ogs`, columns 1 to 12.
    """
    rows = {}
    for name, station in stations.items():
        values = []
        for month in range(1, 13):
            times = pd.DatetimeIndex([pd.Timestamp(2027, month, 15, h, tz="UTC") for h in hours_utc])
            covers = cloud_cover(station, times)
            values.append(np.mean([
                mean_cloud_free_probability(float(c), np.array([elevation_deg]), seen_from="space")[0] for c in covers
            ]))  # fmt: skip
        rows[name] = values
    return pd.DataFrame.from_dict(rows, orient="index", columns=range(1, 13)).rename_axis("ogs")


def joint_cloudiness(p_cloudy: np.ndarray, correlation: np.ndarray) -> float:
    """Probability that all places are cloudy, for a Gaussian field with given marginals and latent correlations.

    Two places of one half each: ``1/4 + asin(ρ)/2π``. Twelve places at most, by quasi-Monte Carlo to about 1e-4.

    Raises
    ------
    ValueError
        The shapes do not fit, a probability is outside 0..1, or the matrix is no correlation matrix.
    """
    p = np.asarray(p_cloudy, dtype=float)
    matrix, _ = nearest_correlation(correlation)
    if p.ndim != 1 or matrix.shape != (len(p), len(p)) or not ((p >= 0) & (p <= 1)).all() or len(p) > 12:
        raise ValueError(
            f"joint_cloudiness: p_cloudy = {p}, correlation of shape {matrix.shape}; expected up to 12 probabilities "
            "and a matrix of their number"
        )
    if (p <= 0).any():
        return 0.0
    open_ = p < 1
    if not open_.any():
        return 1.0
    law = multivariate_normal(np.zeros(open_.sum()), matrix[np.ix_(open_, open_)], allow_singular=True, seed=1)
    return float(law.cdf(ndtri(p[open_])))


def tetrachoric_correlation(p_a: float, p_b: float, p_both: float) -> float:
    """Latent correlation at which two places with marginals p_a, p_b are cloudy together with probability p_both.

    Raises
    ------
    ValueError
        No correlation gives it: p_both must lie between ``max(0, p_a + p_b - 1)`` and ``min(p_a, p_b)``.
    """
    low, high = max(0.0, p_a + p_b - 1), min(p_a, p_b)
    if not (0 < p_a < 1 and 0 < p_b < 1 and low <= p_both <= high):
        raise ValueError(
            f"tetrachoric_correlation: p_both = {p_both} for {p_a} and {p_b}; expected {low:g} to {high:g}, and "
            "marginals between 0 and 1"
        )
    limits = ndtri([p_a, p_b])

    def excess(rho: float) -> float:
        return float(multivariate_normal([0, 0], [[1, rho], [rho, 1]], allow_singular=True).cdf(limits)) - p_both

    if excess(1 - _SMALLEST) <= 0:
        return 1 - _SMALLEST
    if excess(_SMALLEST - 1) >= 0:
        return _SMALLEST - 1
    return float(brentq(excess, _SMALLEST - 1, 1 - _SMALLEST, xtol=1e-7))


def site_diversity(
    stations: Mapping[str, Station],
    *,
    month: int,
    elevation_deg: float = 45.0,
    hour_utc: int = 22,
    model: SkyModel | None = None,
    largest: int = 3,
) -> pd.DataFrame:
    """Chance that at least one of several stations is clear, with correlated and with independent skies.

    Returns
    -------
    DataFrame
        One row per combination of up to `largest` stations: stations (joined by ``+``), count, p_any_clear,
        p_any_clear_independent, best first within each count.

    Raises
    ------
    TableError
        The month is not 1 to 12, or there are more than 20 stations.
    """
    if not 1 <= month <= 12 or len(stations) > 20 or not 1 <= largest <= 6:
        raise TableError(
            f"site_diversity: month = {month}, {len(stations)} stations, largest = {largest}; expected 1 to 12, at "
            "most 20, 1 to 6"
        )
    names = list(stations)
    when = pd.DatetimeIndex([pd.Timestamp(2027, month, 15, hour_utc, tz="UTC")])
    p = np.array([
        1 - mean_cloud_free_probability(
            float(cloud_cover(s, when)[0]), np.array([elevation_deg]), seen_from="space")[0] for s in stations.values()
    ])  # fmt: skip
    matrix = _latent_matrix(list(stations.values()), model or SkyModel())
    rows = []
    for count in range(1, largest + 1):
        some = []
        for chosen in combinations(range(len(names)), count):
            all_cloudy = joint_cloudiness(p[list(chosen)], matrix[np.ix_(chosen, chosen)])
            some.append(("+".join(names[i] for i in chosen), count, 1 - all_cloudy, 1 - float(p[list(chosen)].prod())))
        rows += sorted(some, key=lambda row: -row[2])
    return pd.DataFrame(rows, columns=["stations", "count", "p_any_clear", "p_any_clear_independent"])


def _latent_matrix(stations: list[Station], model: SkyModel) -> np.ndarray:
    """Latent correlation of instantaneous skies: both parts of the field."""
    lat, lon = np.array([(s.latitude_deg, s.longitude_deg) for s in stations]).T
    factors = spatial_factors(lat, lon, model)
    matrix = sum(
        (w * f @ f.T for w, f in zip(model.weights, factors, strict=True)), np.zeros((len(stations), len(stations)))
    )
    np.fill_diagonal(matrix, 1.0)
    return np.clip((matrix + matrix.T) / 2, -1.0, 1.0)


def hourly_availability(
    stations: Mapping[str, Station],
    times: pd.DatetimeIndex,
    *,
    trials: int,
    rng: int = 0,
    elevation_deg: float = 45.0,
    model: SkyModel | None = None,
) -> np.ndarray:
    """Clear hours of stations in sampled years: flags (trials, stations, hours).

    An hour is cloudy where the latent field exceeds the threshold that gives the station's own chance of a blocked line
    of sight at that month and hour.

    Raises
    ------
    TableError
        The times are not every hour.
    """
    if len(times) > 1 and set(np.diff(times.as_unit("s").asi8)) != {3600}:
        raise TableError("hourly_availability: times are not every hour; expected pd.date_range(..., freq='h')")
    lat, lon = np.array([(s.latitude_deg, s.longitude_deg) for s in stations.values()]).T
    sky = model or SkyModel()
    levels = np.linspace(0.005, 0.995, 199)
    clear = np.array([
        mean_cloud_free_probability(float(c), np.array([elevation_deg]), seen_from="space")[0] for c in levels
    ])  # fmt: skip
    p_clear = np.column_stack([np.interp(cloud_cover(s, times), levels, clear) for s in stations.values()])
    packed = hourly_blocked(ndtri(p_clear), spatial_factors(lat, lon, sky), sky, trials=trials, seed=rng)
    return np.concatenate([~unpacked(bits, len(times)) for bits in packed])


def drought_lengths(clear: np.ndarray) -> np.ndarray:
    """Lengths of the runs without a clear slot, over the last axis of flags; runs cut by the ends count as they stand.

    For a network pass ``clear.any(axis=1)``: a drought is when no station is clear.
    """
    flags = np.atleast_2d(np.asarray(clear, dtype=bool)).reshape(-1, np.shape(clear)[-1])
    edge = np.zeros((len(flags), 1), dtype=bool)
    change = np.diff(np.concatenate([edge, ~flags, edge], axis=1).astype(np.int8), axis=1)
    return np.nonzero(change == -1)[1] - np.nonzero(change == 1)[1]


def rank_stations(
    stations: Mapping[str, Station],
    *,
    error_logit: float = 0.14,
    trials: int = 10_000,
    rng: int = 0,
    elevation_deg: float = 45.0,
) -> pd.DataFrame:
    """Stations by their mean availability over the year, with the chance that the order holds.

    The cloud table's own error shifts each station's cover independently, normal in logits (0.14 is 0.03 at a cover of
    0.7). `p_ahead_of_next` is the chance that a station really is better than the one ranked after it.

    Returns
    -------
    DataFrame
        Index `ogs`, best first: availability, standard_error, p_best, p_ahead_of_next (NaN for the last).
    """
    mean = availability(stations, elevation_deg=elevation_deg).mean(axis=1)
    # Near these means a shift of the cover's logit acts on the availability's with factor -1 to within a tenth.
    value = np.clip(mean.to_numpy(), 1e-3, 1 - 1e-3)
    order = np.argsort(-value, kind="stable")
    generator = np.random.default_rng(rng)
    logit = np.log(value / (1 - value))[order] + error_logit * generator.standard_normal((trials, len(value)))
    drawn = 1 / (1 + np.exp(-logit))
    best = np.bincount(drawn.argmax(axis=1), minlength=len(value)) / trials
    gap = np.diff(np.log(value / (1 - value))[order])
    ahead = np.append(ndtr(-gap / (error_logit * np.sqrt(2))), np.nan)
    return pd.DataFrame(
        {"availability": value[order], "standard_error": drawn.std(axis=0), "p_best": best, "p_ahead_of_next": ahead},
        index=mean.index[order],
    )
