"""Availability of stations and networks of stations: alone, together, and in droughts."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtr, ndtri
from scipy.stats import multivariate_normal

from eqci_space.errors import TableError
from eqci_space.scenario import Station
from eqci_space.weather.climatology import cloud_cover
from eqci_space.weather.field import SkyModel, hourly_blocked, repaired_correlation, spatial_factors, unpacked
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

_DETERMINED = 1e-12


def _sun_deg(latitude_deg: float, longitude_deg: float, day_of_year: int, hour_utc: np.ndarray) -> np.ndarray:
    """Elevation of the Sun to about 4 deg, enough to tell night from day: a circular year, no equation of time."""
    declination = np.radians(-23.44 * np.cos(2 * np.pi * (day_of_year + 10) / 365.25))
    latitude = np.radians(latitude_deg)
    hour_angle = np.radians(15 * (np.asarray(hour_utc, dtype=float) - 12) + longitude_deg)
    sine = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(hour_angle)
    return np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0)))


def _night_covers(
    station: Station, sun_max_elevation_deg: float, hours_utc: tuple[int, ...] | None
) -> list[np.ndarray]:
    """Mean covers at the hours of night of every month; the darkest hour where the Sun stays above the limit."""
    covers = []
    for month in range(1, 13):
        middle = pd.Timestamp(2027, month, 15, tz="UTC")
        hours = np.arange(24) if hours_utc is None else np.array(hours_utc)
        if hours_utc is None:
            sun = _sun_deg(station.latitude_deg, station.longitude_deg, middle.day_of_year, hours)
            hours = hours[sun <= max(sun_max_elevation_deg, sun.min())]
        covers.append(cloud_cover(station, pd.DatetimeIndex(middle + pd.to_timedelta(hours, unit="h"))))
    return covers


def _clear_by_cover(elevation_deg: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean covers, and the probability of a cloud-free line of sight at each."""
    levels = np.linspace(0.0, 1.0, 201)
    at = np.array([elevation_deg])
    return levels, np.array([mean_cloud_free_probability(float(c), at, seen_from="space")[0] for c in levels])


def availability(
    stations: Mapping[str, Station],
    *,
    elevation_deg: float = 45.0,
    sun_max_elevation_deg: float = -10.0,
    hours_utc: tuple[int, ...] | None = None,
) -> pd.DataFrame:
    """Probability of a cloud-free line of sight per station and month, at night and at an elevation.

    Parameters
    ----------
    stations : mapping of name to Station
        Such as ``scenario.stations``.
    sun_max_elevation_deg : float
        It is night with the Sun below; where it never is, the darkest hour counts.
    hours_utc : tuple of int, optional
        These hours of the day instead.

    Returns
    -------
    DataFrame
        Index `ogs`, columns 1 to 12.
    """
    levels, clear = _clear_by_cover(elevation_deg)
    rows = {
        name: [np.interp(c, levels, clear).mean() for c in _night_covers(station, sun_max_elevation_deg, hours_utc)]
        for name, station in stations.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=range(1, 13)).rename_axis("ogs")


def joint_cloudiness(p_cloudy: np.ndarray, correlation: np.ndarray) -> float:
    """Probability that all places are cloudy, for a Gaussian field with given marginals and latent correlations.

    Two places of one half each: ``1/4 + asin(ρ)/2π``. Places at a correlation of 1 or -1 are one place with two limits,
    exactly: together the smaller marginal, opposed ``max(0, p_a + p_b - 1)``. Twelve places at most, three and more by
    quasi-Monte Carlo to about 1e-4.

    Raises
    ------
    ValueError
        The shapes do not fit, a probability is outside 0..1, or the matrix is no correlation matrix.
    """
    p = np.asarray(p_cloudy, dtype=float)
    matrix = repaired_correlation(correlation, "joint_cloudiness")
    if p.ndim != 1 or matrix.shape != (len(p), len(p)) or not ((p >= 0) & (p <= 1)).all() or len(p) > 12:
        raise ValueError(
            f"joint_cloudiness: p_cloudy = {p}, correlation of shape {matrix.shape}; expected up to 12 probabilities "
            "and a matrix of their number"
        )
    if (p <= 0).any():
        return 0.0
    kept, low, high = _one_per_sky(ndtri(p), matrix)
    if (low >= high).any():
        return 0.0
    open_ = np.isfinite(low) | np.isfinite(high)
    low, high, kept = low[open_], high[open_], kept[open_]
    if len(kept) <= 1:
        return float(np.prod(ndtr(high) - ndtr(low)))
    law = multivariate_normal(np.zeros(len(kept)), matrix[np.ix_(kept, kept)], allow_singular=True, seed=1)
    return float(np.clip(law.cdf(high, lower_limit=low), 0.0, 1.0))


def _one_per_sky(limit: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places that no earlier one determines, and the interval that all those determined by them leave to each."""
    kept: list[int] = []
    low, high = np.full(len(limit), -np.inf), limit.copy()
    for i, row in enumerate(matrix):
        same = [k for k in kept if abs(row[k]) > 1 - _DETERMINED]
        if not same:
            kept.append(i)
        elif row[same[0]] > 0:
            high[same[0]] = min(high[same[0]], limit[i])
        else:
            low[same[0]] = max(low[same[0]], -limit[i])
    return np.array(kept), low[kept], high[kept]


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

    def excess(rho: float) -> float:
        return joint_cloudiness(np.array([p_a, p_b]), np.array([[1.0, rho], [rho, 1.0]])) - p_both

    if p_both >= high - _DETERMINED:
        return 1.0
    if p_both <= low + _DETERMINED:
        return -1.0
    return float(brentq(excess, -1.0, 1.0, xtol=1e-9))


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
        p_any_clear_independent, p_all_clear, and gain, by how much p_any_clear exceeds that of the best of them alone;
        best first within each count.

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
            here, part = p[list(chosen)], matrix[np.ix_(chosen, chosen)]
            any_clear, all_clear = 1 - joint_cloudiness(here, part), joint_cloudiness(1 - here, part)
            label = "+".join(names[i] for i in chosen)
            some.append((label, count, any_clear, 1 - float(here.prod()), all_clear, any_clear - (1 - here.min())))
        rows += sorted(some, key=lambda row: -row[2])
    columns = ["stations", "count", "p_any_clear", "p_any_clear_independent", "p_all_clear", "gain"]
    return pd.DataFrame(rows, columns=columns)


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
    elevation_deg: float = 45.0,
    model: SkyModel | None = None,
    rng: int = 0,
) -> np.ndarray:
    """Clear hours of stations in sampled years: flags (trials, stations, hours).

    An hour is cloudy where the latent field exceeds the threshold that gives the station's own chance of a blocked line
    of sight at that month and hour. Shares, memory and joint states are those of the climate and the field; single runs
    come out a quarter shorter than those of hourly oktas (on average at 15 German stations clear 5.0 h against 6.5 h,
    cloudy 15 h against 20 h), for a field of this kind crosses its threshold too often within the hour.

    Raises
    ------
    TableError
        The times are not every hour.
    """
    if len(times) > 1 and set(np.diff(times.as_unit("s").asi8)) != {3600}:
        raise TableError("hourly_availability: times are not every hour; expected pd.date_range(..., freq='h')")
    lat, lon = np.array([(s.latitude_deg, s.longitude_deg) for s in stations.values()]).T
    sky = model or SkyModel()
    levels, clear = _clear_by_cover(elevation_deg)
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
    elevation_deg: float = 45.0,
    rng: int = 0,
) -> pd.DataFrame:
    """Stations by their mean availability over the nights of the year, with the chance that the order holds.

    The cloud table's own error shifts each station's cover independently, normal in logits (0.14 is 0.03 at a cover of
    0.7). `p_ahead_of_next` is the chance that a station really is better than the one ranked after it.

    Returns
    -------
    DataFrame
        Index `ogs`, best first: availability, standard_error, p_best, p_ahead_of_next (NaN for the last).
        ``attrs["p_order_holds"]`` is the chance that the whole order is right.
    """
    levels, clear = _clear_by_cover(elevation_deg)
    shifts = error_logit * np.linspace(-5.0, 5.0, 101)
    shifted = np.array([
        [np.mean([np.interp(expit(logit(c) + d), levels, clear).mean() for c in covers]) for d in shifts]
        for covers in (_night_covers(station, -10.0, None) for station in stations.values())
    ])  # fmt: skip
    order = np.argsort(-shifted[:, len(shifts) // 2], kind="stable")
    shifted = shifted[order]
    normal = error_logit * np.random.default_rng(rng).standard_normal((trials, len(shifted)))
    drawn = np.column_stack([np.interp(x, shifts, row) for x, row in zip(normal.T, shifted, strict=True)])
    best = np.bincount(drawn.argmax(axis=1), minlength=len(shifted)) / trials
    table = pd.DataFrame(
        {
            "availability": shifted[:, len(shifts) // 2], "standard_error": drawn.std(axis=0), "p_best": best,
            "p_ahead_of_next": [*map(_p_ahead, shifted[:-1], shifted[1:]), np.nan],
        },
        index=pd.Index(np.array(list(stations), dtype=object)[order], name="ogs"),
    )  # fmt: skip
    table.attrs["p_order_holds"] = float((np.diff(drawn, axis=1) < 0).all(axis=1).mean())
    return table


def _p_ahead(better: np.ndarray, worse: np.ndarray) -> float:
    """Chance that one station exceeds another; rows are availabilities at 101 shifts from -5 to 5 deviations."""
    deviations = np.linspace(-5.0, 5.0, len(better))
    quantiles = ndtri((np.arange(400) + 0.5) / 400)
    rival = np.interp(quantiles, deviations, worse)
    return float(ndtr(np.interp(rival, better[::-1], deviations[::-1])).mean())
