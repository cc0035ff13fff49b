"""What a cloud forecast is worth: skill that decays with lead time, blended with the climate, and how to measure it.

Truth and forecast share a latent field: ``Z = r Z_f + √(1-r²) E`` with Z_f the normal score of the forecast in the
climate and r its correlation with what comes. At r = 0 this is the climate, at r = 1 the forecast.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import betainc, betaincinv, ndtr, ndtri

from eqci_space.weather.line_of_sight import NORMALISED_DEVIATION

__all__ = ["brier_score", "cloud_quantile", "fit_skill", "forecast_correlation", "normal_score", "reliability"]

_HALF_PERCENT = 0.005


def forecast_correlation(lead_h: np.ndarray | float, *, at_once: float = 0.9, decay_h: float = 60.0) -> np.ndarray:
    """Correlation of forecast and truth ``r0 exp(-lead/τ)``; before the issue time that at once, unknown leads give 0.

    The usual values are assumed; `fit_skill` measures them.
    """
    if not 0 <= at_once <= 1 or not decay_h > 0:
        raise ValueError(
            f"forecast_correlation: at_once = {at_once}, decay_h = {decay_h}; expected 0 to 1, and a positive time"
        )
    lead = np.asarray(lead_h, dtype=float)
    return np.where(np.isfinite(lead), at_once * np.exp(-np.maximum(lead, 0.0) / decay_h), 0.0)


def _shape(mean_cover: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    concentration = NORMALISED_DEVIATION**-2 - 1
    mean = np.asarray(mean_cover, dtype=float)
    return mean * concentration, (1 - mean) * concentration


def normal_score(cover: np.ndarray, mean_cover: np.ndarray | float) -> np.ndarray:
    """Latent value at which the climate's beta distribution about a mean has its quantile at a cover.

    Covers are taken as whole percents: the share below is averaged over a percent, so that the clear and the overcast
    sky have the middle of their share.
    """
    a, b = _shape(mean_cover)
    s = np.asarray(cover, dtype=float)
    below, above = (betainc(a, b, np.clip(s + d, 0.0, 1.0)) for d in (-_HALF_PERCENT, _HALF_PERCENT))
    return ndtri((below + above) / 2)


def cloud_quantile(latent: np.ndarray, mean_cover: np.ndarray | float) -> np.ndarray:
    """Cover at a latent value; undoes `normal_score` to half a percent."""
    a, b = _shape(mean_cover)
    return betaincinv(a, b, ndtr(latent))


def fit_skill(
    forecast_score: np.ndarray, truth_score: np.ndarray, lead_h: np.ndarray, *, bins: int = 8
) -> tuple[float, float]:
    """Correlation at once and its decay time [h], from normal scores of forecasts and of what came.

    The correlation is measured in bins of lead time of equal number, and ``log r = log r0 - lead/τ`` fitted to those
    above 0.05, weighted by their certainty.

    Raises
    ------
    ValueError
        The arrays differ in length or are too short, or no skill is left to be fitted.
    """
    forecast, truth, lead = (np.asarray(x, dtype=float) for x in (forecast_score, truth_score, lead_h))
    if not forecast.shape == truth.shape == lead.shape or forecast.ndim != 1 or len(lead) < 20 * bins:
        raise ValueError(
            f"fit_skill: shapes {forecast.shape}, {truth.shape}, {lead.shape}; expected vectors of one length, at "
            f"least {20 * bins}"
        )
    parts = np.array_split(np.argsort(lead, kind="stable"), bins)
    r = np.array([np.corrcoef(forecast[p], truth[p])[0, 1] for p in parts])
    middle, size = np.array([lead[p].mean() for p in parts]), np.array([len(p) for p in parts])
    good = r > 0.05
    if good.sum() < 2 or np.ptp(middle[good]) == 0:
        raise ValueError(f"fit_skill: correlations {np.round(r, 3)}; expected at least two lead times with skill")
    weight = r[good] / (1 - np.minimum(r[good], 0.999) ** 2) * np.sqrt(size[good])
    slope, start = np.polyfit(middle[good], np.log(r[good]), 1, w=weight)
    return float(min(np.exp(start), 1.0)), float(-1 / slope) if slope < 0 else float("inf")


def brier_score(p_clear: np.ndarray, clear: np.ndarray) -> float:
    """Mean square error of probabilities (Brier 1950): 0 perfect, p(1-p) for a climate that says p."""
    return float(np.mean((np.asarray(p_clear, dtype=float) - np.asarray(clear, dtype=float)) ** 2))


def reliability(p_clear: np.ndarray, clear: np.ndarray, *, bins: int = 10) -> pd.DataFrame:
    """Share of clear events among those to which about the same probability was given.

    Returns
    -------
    DataFrame
        Per bin of probability with events: count, stated (mean probability), came (share of clear events) and
        standard_error of that share.
    """
    p, truth = np.asarray(p_clear, dtype=float), np.asarray(clear, dtype=float)
    at = np.minimum((p * bins).astype(int), bins - 1)
    grouped = pd.DataFrame({"p": p, "clear": truth}).groupby(at)
    table = grouped.agg(count=("p", "size"), stated=("p", "mean"), came=("clear", "mean"))
    table["standard_error"] = np.sqrt(table["stated"] * (1 - table["stated"]) / table["count"])
    return table.rename_axis("bin")
