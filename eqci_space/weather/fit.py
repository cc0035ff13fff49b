"""The sky's correlations and the stations' cloud climate, measured from a user's own record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import brentq, least_squares
from scipy.special import ndtr, ndtri
from scipy.stats import norm, rankdata

from eqci_space.errors import DataError
from eqci_space.weather.field import SkyModel, distances_km, latent_correlation, nearest_correlation
from eqci_space.weather.records import hourly_cover, zenith_cover

__all__ = ["SkyFit", "fit_sky"]

_LONGEST_LAG_H = 96
_FEWEST_HOURS = 1000
_FEWEST_PAIRS = 300
_FEWEST_LAGS = 4
_GROUPS = 96
_ORDERS = 40
_GRID = np.linspace(-6.0, 6.0, 4001)


def _polynomials() -> np.ndarray:
    """Orthonormal Hermite polynomials of order 1, 2, … on the grid, times the normal density and the step."""
    before, now, rows = np.zeros(len(_GRID)), np.ones(len(_GRID)), []
    for k in range(1, _ORDERS + 1):
        before, now = now, (_GRID * now - np.sqrt(k - 1) * before) / np.sqrt(k)
        rows.append(now)
    return np.array(rows) * norm.pdf(_GRID) * (_GRID[1] - _GRID[0])


_POLYNOMIALS = _polynomials()


@dataclass(frozen=True)
class SkyFit:
    """What a record says of the sky.

    Attributes
    ----------
    model : SkyModel
        For `sample_sky` and the analyses. The length of the fast part is the usual one, for few stations show it.
    cover_by_month : DataFrame
        Mean cover per site and month as seen from space, NaN for months without record: a station's
        `cloud_fraction_by_month`.
    correlation : DataFrame
        Latent correlation of simultaneous skies, site by site.
    autocorrelation : DataFrame
        By lag_h: measured, fitted.
    repaired : float
        Largest change of an entry that took negative eigenvalues from the correlation matrix.
    hours : Series
        Hours with a cover, per site.
    """

    model: SkyModel
    cover_by_month: pd.DataFrame
    correlation: pd.DataFrame
    autocorrelation: pd.DataFrame
    repaired: float
    hours: pd.Series


def fit_sky(table: pd.DataFrame, places: Mapping[str, tuple[float, float, float]]) -> SkyFit:
    """Measure the latent field behind a cloud record.

    Covers become normal scores within each site, month and three hours of the day, which takes out the climate. Equal
    covers, as oktas are, share the middle of their ranks; what that takes from correlations is given back by the
    Hermite expansion of the scores, ``E[s t] = Σ c_k d_k ρ^k`` (Price 1958). Two exponentials are fitted to the mean
    autocorrelation up to 96 h, and the length of the slow one to the correlations of the pairs.

    Parameters
    ----------
    table : DataFrame
        Of `read_weather`.
    places : mapping
        Site to (latitude [deg], longitude [deg], height above sea level [m]).

    Raises
    ------
    DataError
        A site has no place, or fewer than 1000 hours of record.
    """
    names = [str(s) for s in pd.unique(table["site"])]
    missing = [s for s in names if s not in places]
    if missing or not names:
        raise DataError(f"fit_sky: no place for site '{missing[0] if missing else ''}'; expected those of {names}")
    covers = {}
    for name, part in table.groupby("site", sort=False):
        first, cover = hourly_cover(pd.DatetimeIndex(part["time"]), zenith_cover(part, places[str(name)][2]))
        steps = np.diff(pd.DatetimeIndex(part["time"]).as_unit("ns").asi8)
        step = max(1, round(float(np.median(steps)) / 3.6e12)) if len(steps) else 1
        known = np.full(len(cover), np.nan)
        known[(-first) % step :: step] = cover[(-first) % step :: step]
        covers[str(name)] = pd.Series(
            known, index=pd.to_datetime(np.arange(first, first + len(cover)) * 3600, unit="s")
        )
    frame = pd.DataFrame(covers)[names]
    hours = frame.notna().sum()
    if (hours < _FEWEST_HOURS).any():
        raise DataError(
            f"fit_sky: site '{hours.idxmin()}' has {hours.min()} records; expected at least {_FEWEST_HOURS}"
        )
    scores = [_scored(frame[name]) for name in names]
    measured = _autocorrelation(scores)
    weights, tau = _two_exponentials(measured)
    raw = _cross_correlation(scores)
    matrix, repaired = nearest_correlation(raw)
    lat, lon = np.array([places[name][:2] for name in names]).T
    model = SkyModel(weights, tau, (SkyModel.length_km[0], _length_km(distances_km(lat, lon), raw, weights)))
    fitted = model.autocorrelation(measured.index.to_numpy(dtype=float))
    return SkyFit(
        model, frame.groupby(frame.index.month).mean().reindex(range(1, 13)).T.rename_axis("site"),
        pd.DataFrame(matrix, names, names), pd.DataFrame({"measured": measured, "fitted": fitted}), repaired, hours,
    )  # fmt: skip


@dataclass(frozen=True)
class _Scores:
    """Normal scores of a site, zero in the mean of each group of month and hours, and their Hermite coefficients."""

    value: np.ndarray
    group: np.ndarray
    coefficient: np.ndarray


def _scored(cover: pd.Series) -> _Scores:
    """Normal scores by middle ranks within month and three hours of the day; NaN stays."""
    index = pd.DatetimeIndex(cover.index)
    group = ((index.month - 1) * 8 + index.hour // 3).to_numpy()
    given = cover.to_numpy(dtype=float)
    value, coefficient = np.full(len(given), np.nan), np.zeros((_GROUPS, _ORDERS))
    for g in range(_GROUPS):
        mine = np.flatnonzero((group == g) & np.isfinite(given))
        if len(mine):
            score = ndtri((rankdata(given[mine]) - 0.5) / len(mine))
            value[mine] = score - score.mean()
            coefficient[g] = _hermite(value[mine])
    return _Scores(value, group, coefficient)


def _hermite(scores: np.ndarray) -> np.ndarray:
    """Hermite coefficients c_1, c_2, … of the step function from latent values to scores."""
    ordered = np.sort(scores)
    at = np.clip((ndtr(_GRID) * len(ordered)).astype(int), 0, len(ordered) - 1)
    return np.asarray(_POLYNOMIALS @ ordered[at])


def _latent(a: _Scores, b: _Scores, lag: int = 0) -> float:
    """Latent correlation of a site with another some hours later, by their mean product; NaN with too few pairs."""
    count = len(a.value) - lag
    x, y, i, j = a.value[:count], b.value[lag:], a.group[:count], b.group[lag:]
    both = np.isfinite(x) & np.isfinite(y)
    if both.sum() < _FEWEST_PAIRS:
        return float("nan")
    pairs = np.bincount(i[both] * _GROUPS + j[both], minlength=_GROUPS**2).reshape(_GROUPS, _GROUPS)
    term = np.einsum("ak,ab,bk->k", a.coefficient, pairs / both.sum(), b.coefficient, optimize=True)
    observed, orders = float(np.mean(x[both] * y[both])), np.arange(1, _ORDERS + 1)

    def excess(rho: float) -> float:
        return float((term * rho**orders).sum()) - observed

    low, high = -0.999, 0.9999
    if excess(high) <= 0:
        return high
    return low if excess(low) >= 0 else float(brentq(excess, low, high))


def _autocorrelation(scores: list[_Scores]) -> pd.Series:
    """Mean latent autocorrelation over the sites, at the lags that the records have."""
    rows = {}
    for lag in range(1, _LONGEST_LAG_H + 1):
        values = np.array([_latent(site, site, lag) for site in scores])
        if np.isfinite(values).any():
            rows[lag] = np.nanmean(values)
    if len(rows) < _FEWEST_LAGS:
        raise DataError(
            f"fit_sky: pairs of records at {len(rows)} lags up to {_LONGEST_LAG_H} h; expected at least {_FEWEST_LAGS}"
        )
    return pd.Series(rows).rename_axis("lag_h")


def _two_exponentials(measured: pd.Series) -> tuple[tuple[float, float], tuple[float, float]]:
    """Shares and times of the fast and the slow part."""
    lag, value = measured.index.to_numpy(dtype=float), measured.to_numpy()

    def residual(x: np.ndarray) -> np.ndarray:
        return np.asarray(x[0] * np.exp(-lag / x[1]) + (1 - x[0]) * np.exp(-lag / x[2]) - value)

    found = least_squares(residual, [0.25, 5.0, 24.0], bounds=([0, 0.2, 2], [1, 48, 400]))
    fast, tau_fast, tau_slow = (float(v) for v in found.x)
    if tau_fast > tau_slow:
        fast, tau_fast, tau_slow = 1 - fast, tau_slow, tau_fast
    return (fast, 1 - fast), (tau_fast, tau_slow)


def _cross_correlation(scores: list[_Scores]) -> np.ndarray:
    """Latent correlation of simultaneous skies, 0 for pairs whose records do not overlap."""
    matrix = np.eye(len(scores))
    for i, a in enumerate(scores):
        for j in range(i):
            matrix[i, j] = matrix[j, i] = np.nan_to_num(_latent(a, scores[j]))
    return matrix


def _length_km(distance_km: np.ndarray, correlation: np.ndarray, weights: tuple[float, float]) -> float:
    """Correlation length of the slow part; the usual one for a single place."""
    pair = np.triu_indices(len(distance_km), 1)
    distance, value = distance_km[pair], correlation[pair]
    apart = (distance > 0) & (value != 0)
    if not apart.any():
        return SkyModel.length_km[1]
    fast = weights[0] * latent_correlation(distance[apart], SkyModel.length_km[0], shape=SkyModel.shape)

    def residual(x: np.ndarray) -> np.ndarray:
        slow = latent_correlation(distance[apart], np.exp(x[0]), shape=SkyModel.shape)
        return np.asarray(fast + weights[1] * slow - value[apart])

    return float(np.exp(least_squares(residual, [np.log(650.0)], bounds=(np.log(20), np.log(2e4))).x[0]))
