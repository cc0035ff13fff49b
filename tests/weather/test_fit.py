"""The sky's correlations measured from records that the model itself made, whole covers and oktas."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

from eqci_space.errors import DataError
from eqci_space.weather.field import SkyModel, distances_km, sample_latent, spatial_factors
from eqci_space.weather.fit import fit_sky
from eqci_space.weather.forecast import cloud_quantile

PLACES = {"A": (48.0, 11.0, 500.0), "B": (50.0, 14.0, 300.0), "C": (52.5, 13.4, 40.0), "D": (52.0, 21.0, 100.0),
          "E": (47.0, 15.4, 400.0)}  # fmt: skip
TRUE = SkyModel((0.3, 0.7), (4.0, 30.0), (337.0, 500.0))  # a fit keeps the usual fast length and shape
LAT, LON = np.array([p[:2] for p in PLACES.values()]).T


def _record(years=6, step_h=1, okta=False, seed=3, cover=0.68):
    hours = np.arange(0, 8766 * years, step_h)
    time, place = np.repeat(hours, 5), np.tile(np.arange(5), len(hours))
    factors = spatial_factors(LAT, LON, TRUE)
    latent = sample_latent(time.astype(float), place, factors, TRUE, trials=1, seed=seed)[0]
    value = cloud_quantile(latent, cover)
    return pd.DataFrame({
        "site": np.array(list(PLACES))[place],
        "time": pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(time, unit="h"),
        "cloud_fraction": np.round(8 * value) / 8 if okta else value, "low_fraction": np.nan, "mid_fraction": np.nan,
        "high_fraction": np.nan, "cover_kind": "earth",
    })  # fmt: skip


@pytest.mark.parametrize("okta", [False, True])
def test_the_model_behind_a_record_is_found(okta):
    """Six years of five sites. Taking out the climate costs slow correlation: 0.02 at a day, a tenth of the length."""
    fit = fit_sky(_record(okta=okta), PLACES)
    lag = fit.autocorrelation.index.to_numpy()
    assert_allclose(fit.autocorrelation["fitted"], TRUE.autocorrelation(lag), atol=0.035)
    assert_allclose(fit.autocorrelation["measured"], fit.autocorrelation["fitted"], atol=0.02)
    distance = distances_km(LAT, LON)
    expected = 0.3 * np.exp(-((distance / 337) ** 1.5)) + 0.7 * np.exp(-((distance / 500) ** 1.5))
    assert_allclose(fit.correlation, np.where(distance == 0, 1, expected), atol=0.05)
    assert_allclose(fit.model.length_km, (337.0, 500.0), rtol=0.12)
    assert fit.model.shape == 1.5
    assert_allclose(fit.cover_by_month.mean(axis=1), 0.68, atol=0.025)
    assert fit.cover_by_month.shape == (5, 12)


def test_oktas_give_the_latent_correlation_and_not_their_own():
    """Scores of a clear-or-cloudy record correlate with 2/π asin ρ; the expansion gives ρ back (0.02)."""
    table = _record()
    table["cloud_fraction"] = (table["cloud_fraction"] > table["cloud_fraction"].median()).astype(float)
    raw = table.pivot_table(index="time", columns="site", values="cloud_fraction")[["A", "B"]].corr().iloc[0, 1]
    fit = fit_sky(table, PLACES)
    assert_allclose(fit.correlation.loc["A", "B"], np.sin(np.pi / 2 * raw), atol=0.03)
    assert fit.correlation.loc["A", "B"] > raw + 0.1


def test_six_hourly_records_are_enough():
    fit = fit_sky(_record(step_h=6), PLACES)
    assert fit.autocorrelation.index.tolist() == list(range(6, 97, 6))
    assert_allclose(
        fit.autocorrelation["fitted"], TRUE.autocorrelation(fit.autocorrelation.index.to_numpy()), atol=0.04
    )


def test_the_climate_of_month_and_hour_is_taken_out():
    """A cover that is cloudy by day and in winter does not pass for persistence."""
    table = _record(years=3)
    table["cloud_fraction"] = cloud_quantile(
        norm.ppf(np.random.default_rng(1).random(len(table))),
        0.5 + 0.3 * np.cos(2 * np.pi * table["time"].dt.hour / 24).to_numpy(),
    )
    fit = fit_sky(table, PLACES)
    assert fit.autocorrelation["measured"].abs().max() < 0.03


def test_what_cannot_be_fitted_is_named():
    table = _record(years=1)
    with pytest.raises(DataError, match="no place for site 'C'"):
        fit_sky(table, {k: v for k, v in PLACES.items() if k != "C"})
    with pytest.raises(DataError, match=r"site '.' has \d+ records; expected at least 1000"):
        fit_sky(table.head(3000), PLACES)
