"""Cloud-free line of sight against its table, its limits and an average by other means."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.stats import beta

from eqci_space.weather.line_of_sight import cloud_free_probability, mean_cloud_free_probability

# Okta by elevation, closed form of Allen and Malick 1983 (AIAA 83-0441) to three digits.
TABLE_ELEVATION_DEG = [90, 60, 45, 30, 20, 10]
TABLE = {
    1: [0.957, 0.945, 0.937, 0.922, 0.902, 0.848],
    2: [0.891, 0.866, 0.848, 0.818, 0.778, 0.674],
    4: [0.688, 0.644, 0.614, 0.566, 0.505, 0.363],
    6: [0.391, 0.355, 0.331, 0.294, 0.249, 0.154],
    7: [0.207, 0.187, 0.173, 0.152, 0.127, 0.076],
    8: [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
}


@pytest.mark.parametrize("okta", TABLE)
def test_table_of_cloud_free_probability(okta):
    probability = cloud_free_probability(okta / 8, np.array(TABLE_ELEVATION_DEG, dtype=float))
    assert_allclose(probability, TABLE[okta], atol=5.1e-4, rtol=0)


def test_clear_and_overcast_sky():
    elevation = np.array([0.0, 5.0, 30.0, 90.0])
    assert_allclose(cloud_free_probability(0.0, elevation), 1.0, rtol=0, atol=0)
    assert_allclose(cloud_free_probability(1.0, elevation), 0.0, rtol=0, atol=0)


def test_zenith_is_the_quadratic_of_the_cover():
    """1 - s(1+3s)/4: 0.6875 for half a sky."""
    assert_allclose(cloud_free_probability(0.5, 90.0), 0.6875, rtol=1e-12)


def test_probability_falls_with_cover_and_rises_with_elevation():
    cover, elevation = np.linspace(0, 1, 101), np.linspace(5, 90, 86)
    probability = cloud_free_probability(cover[:, None], elevation)
    assert probability.shape == (101, 86)
    assert (np.diff(probability, axis=0) < 0).all()
    assert (np.diff(probability[1:-1], axis=1) > 0).all()
    assert ((probability >= 0) & (probability <= 1)).all()


def test_elevation_is_held_at_five_degrees():
    low = cloud_free_probability(0.5, np.array([0.0, 3.0, 5.0]))
    assert_allclose(low, low[2], rtol=1e-14)
    assert cloud_free_probability(0.5, 6.0) > low[2]


@pytest.mark.parametrize("cover", [-0.01, 1.01, 70.0, np.nan])
def test_cover_that_is_no_fraction_is_refused(cover):
    with pytest.raises(ValueError, match="cover"):
        cloud_free_probability(np.array([0.5, cover]), 45.0)


@pytest.mark.parametrize("elevation", [-1.0, 90.5, np.nan])
def test_elevation_outside_the_sky_is_refused(elevation):
    with pytest.raises(ValueError, match="elevation"):
        cloud_free_probability(0.5, np.array([45.0, elevation]))


@pytest.mark.parametrize("elevation", [10.0, 30.0, 90.0])
@pytest.mark.parametrize("deviation", [0.5, 0.73, 0.9])
@pytest.mark.parametrize("mean_cover", [0.05, 0.3, 0.695, 0.95])
def test_mean_is_the_integral_over_the_beta_distribution(mean_cover, deviation, elevation):
    """Adaptive quadrature over the quantiles of scipy.stats.beta, whose mean and variance are checked first."""
    concentration = deviation**-2 - 1
    cover = beta(mean_cover * concentration, (1 - mean_cover) * concentration)
    assert_allclose(cover.mean(), mean_cover, rtol=1e-12)
    assert_allclose(cover.std(), deviation * np.sqrt(mean_cover * (1 - mean_cover)), rtol=1e-12)
    expected = quad(
        lambda u: cloud_free_probability(cover.ppf(u), elevation), 0, 1, limit=200, points=[1 - mean_cover]
    )[0]
    mean = mean_cloud_free_probability(mean_cover, np.array([elevation]), normalised_deviation=deviation)
    assert_allclose(mean[0], expected, atol=1e-3, rtol=0)


def test_mean_agrees_with_random_skies():
    """400,000 beta-distributed skies; their mean has a standard error of 6e-4."""
    concentration = 0.73**-2 - 1
    cover = np.random.default_rng(11).beta(0.6 * concentration, 0.4 * concentration, 400_000)
    drawn = cloud_free_probability(np.clip(cover, 0, 1), 40.0)
    mean = mean_cloud_free_probability(0.6, np.array(40.0))
    assert abs(mean - drawn.mean()) < 4 * drawn.std() / np.sqrt(len(drawn))


def test_mean_over_the_oktas_of_potsdam():
    """Hours of oktas 0 to 8 and of obscured sky, which blocks (DWD test reference year 2010): .413 … .289."""
    hours = np.array([761, 725, 517, 495, 421, 526, 963, 1675, 2543, 134])
    elevation = np.array([90.0, 45.0, 30.0, 20.0, 10.0])
    okta = np.minimum(np.arange(10), 8) / 8
    mean = hours @ cloud_free_probability(okta[:, None], elevation) / hours.sum()
    assert_allclose(mean, [0.413, 0.384, 0.365, 0.342, 0.289], atol=5.1e-4, rtol=0)


def test_mean_of_potsdam():
    """Hourly oktas of Potsdam (DWD test reference year 2010, mean cover 0.663) average to .413 … .289.

    The beta distribution in place of the histogram is good to 0.003.
    """
    elevation = np.array([90.0, 45.0, 30.0, 20.0, 10.0])
    mean = mean_cloud_free_probability(0.663, elevation)
    assert_allclose(mean, [0.413, 0.384, 0.365, 0.342, 0.289], atol=3e-3, rtol=0)


def test_mean_of_a_steady_sky_is_the_probability_of_its_cover():
    elevation = np.array([20.0, 60.0])
    steady = mean_cloud_free_probability(0.4, elevation, normalised_deviation=1e-3)
    assert_allclose(steady, cloud_free_probability(0.4, elevation), atol=1e-5)


def test_mean_of_clear_and_overcast_sky():
    elevation = np.array([[10.0, 90.0]])
    assert_allclose(mean_cloud_free_probability(0.0, elevation), np.ones((1, 2)))
    assert_allclose(mean_cloud_free_probability(1.0, elevation), np.zeros((1, 2)))


@given(mean_cover=st.floats(0, 1), deviation=st.floats(0.05, 0.95))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_mean_is_a_probability_that_rises_with_elevation(mean_cover, deviation):
    mean = mean_cloud_free_probability(mean_cover, np.array([10.0, 40.0, 80.0]), normalised_deviation=deviation)
    assert ((mean >= 0) & (mean <= 1 + 1e-12)).all()
    assert (np.diff(mean) >= -1e-12).all()


@pytest.mark.parametrize(("cover", "deviation"), [(-0.1, 0.7), (70.0, 0.7), (np.nan, 0.7), (0.5, 0.0), (0.5, 1.0)])
def test_mean_cover_and_deviation_must_be_fractions(cover, deviation):
    with pytest.raises(ValueError, match="expected fractions"):
        mean_cloud_free_probability(cover, np.array([45.0]), normalised_deviation=deviation)


def test_cover_seen_from_space_is_the_chance_of_a_cloudy_zenith():
    cover = np.array([0.0, 0.3, 0.7, 1.0])
    assert cloud_free_probability(cover, 90.0, seen_from="space") == pytest.approx(1 - cover)
    assert float(mean_cloud_free_probability(0.7, 90.0, seen_from="space")) == pytest.approx(0.3, abs=2e-3)
