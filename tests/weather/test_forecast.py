"""Normal scores of cover, skill measured from pairs, Brier score and reliability."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import ndtr, ndtri
from scipy.stats import beta, norm

from eqci_space.weather.forecast import (
    brier_score,
    cloud_quantile,
    fit_skill,
    forecast_correlation,
    normal_score,
    reliability,
)


@pytest.mark.parametrize("mean_cover", [0.2, 0.5, 0.695, 0.9])
def test_score_and_quantile_undo_each_other(mean_cover):
    """To half a percent of cover, in which both ends of the beta distribution lie close."""
    cover = np.linspace(0.05, 0.95, 19)
    assert_allclose(cloud_quantile(normal_score(cover, mean_cover), mean_cover), cover, atol=0.002)


def test_scores_of_whole_percents_are_standard_normal():
    """200,000 covers of the climate: mean 0, and as close to the field as whole percents allow.

    What is known of a standard normal value between z1 and z2 is its mean (φ(z1) - φ(z2)) / (Φ(z2) - Φ(z1)), so that
    the square of the correlation is at most Σ (φ(z1) - φ(z2))² / (Φ(z2) - Φ(z1)): 0.977 at a cover of 0.695, where a
    quarter of the skies is overcast.
    """
    z = np.random.default_rng(1).standard_normal(200_000)
    scores = normal_score(np.round(cloud_quantile(z, 0.695), 2), 0.695)
    concentration = 0.73**-2 - 1
    climate = beta(0.695 * concentration, 0.305 * concentration)
    edges = norm.ppf(climate.cdf(np.concatenate([[0.0], np.arange(0.005, 1.0, 0.01), [1.0]])))
    most = np.sqrt((np.diff(norm.pdf(edges)) ** 2 / np.diff(norm.cdf(edges))).sum())
    assert_allclose(most, 0.977, atol=5e-4)
    assert most - 0.005 < np.corrcoef(z, scores)[0, 1] < most + 0.002
    assert_allclose(scores.mean(), 0.0, atol=0.03)
    assert 0.9 < scores.std() < 1.0


def test_correlation_decays_from_the_time_of_issue():
    """0.9 at once and before, 0.9/e after 60 h; nothing is known of an unknown lead."""
    assert_allclose(forecast_correlation([-5.0, 0.0, 60.0, np.nan]), [0.9, 0.9, 0.9 / np.e, 0.0])
    with pytest.raises(ValueError, match=r"at_once = 1\.1"):
        forecast_correlation(0.0, at_once=1.1)
    with pytest.raises(ValueError, match="decay_h = 0"):
        forecast_correlation(0.0, decay_h=0.0)


@pytest.mark.parametrize(("r0", "tau"), [(0.9, 60.0), (0.7, 100.0), (1.0, 40.0)])
def test_skill_is_recovered_from_pairs(r0, tau):
    rng = np.random.default_rng(2)
    lead = rng.uniform(0, 120, 40_000)
    truth, r = rng.standard_normal(40_000), r0 * np.exp(-lead / tau)
    found = fit_skill(r * truth + np.sqrt(1 - r**2) * rng.standard_normal(40_000), truth, lead)
    assert_allclose(found, (r0, tau), rtol=0.07)


def test_pairs_without_skill_or_too_few_are_refused():
    rng = np.random.default_rng(3)
    with pytest.raises(ValueError, match="at least 160"):
        fit_skill(np.zeros(100), np.zeros(100), np.zeros(100))
    with pytest.raises(ValueError, match="two lead times with skill"):
        fit_skill(rng.standard_normal(800), rng.standard_normal(800), rng.uniform(0, 90, 800))


def test_score_of_a_climate_is_its_variance_and_a_blend_beats_it():
    """p(1-p) = 0.21 for p = 0.3; with r = 0.8 the mean square error falls, with r = 0 it does not."""
    rng = np.random.default_rng(4)
    truth = rng.standard_normal(100_000)
    clear = truth < ndtri(0.3)
    assert_allclose(brier_score(np.full(clear.shape, 0.3), clear), 0.21, atol=2e-3)
    for r in (0.0, 0.4, 0.8):
        told = r * truth + np.sqrt(1 - r**2) * rng.standard_normal(len(truth))
        p = ndtr((ndtri(0.3) - r * told) / np.sqrt(1 - r**2))
        table = reliability(p, clear)
        assert (np.abs(table["came"] - table["stated"]) < 4.5 * table["standard_error"]).all()
        assert table["count"].sum() == len(truth)
        if r:
            assert brier_score(p, clear) < 0.21 - 0.045 * r
