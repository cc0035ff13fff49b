"""Both lines of sight clear at once: closed numbers, an independent integral, and the skies that are drawn."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import betaincinv, ndtr

from eqci_space.scenario.changes import with_values
from eqci_space.weather.field import SkyModel, latent_correlation
from eqci_space.weather.joint_clear import both_clear_probability, joint_clear_probability, sky_correlation
from eqci_space.weather.line_of_sight import NORMALISED_DEVIATION
from eqci_space.weather.skies import sample_sky

PAIRS = np.array([[0.3, 0.4], [0.1, 0.25], [0.05, 0.05], [0.5, 0.5]])
COVERS = np.array([[0.6, 0.6], [0.8, 0.7], [0.9, 0.9], [0.45, 0.45]])


def test_without_correlation_chances_multiply():
    assert_allclose(joint_clear_probability(PAIRS, COVERS, 0.0), PAIRS.prod(axis=1), rtol=1e-12)


def chance(z, cover, tangent):
    count = NORMALISED_DEVIATION**-2 - 1
    s = betaincinv(cover * count, (1 - cover) * count, ndtr(z))
    return (1 - s) ** (1 + (0.55 - s / 2) * tangent)


def over_sky(func):
    return quad(lambda z: func(z) * np.exp(-z * z / 2) / np.sqrt(2 * np.pi), -8, 8, limit=200)[0]


@pytest.mark.parametrize(("own", "cover"), [(0.3, 0.6), (0.05, 0.9), (0.5, 0.45)])
def test_one_sky_over_both_gives_the_mean_of_the_square(own, cover):
    """At correlation 1 and equal laws the chance is E[c²], here by adaptive quadrature."""
    tangent = brentq(lambda t: over_sky(lambda z: chance(z, cover, t)) - own, 0, 11)
    square = over_sky(lambda z: chance(z, cover, tangent) ** 2)
    found = joint_clear_probability(np.array([[own, own]]), np.array([[cover, cover]]), 1.0)[0]
    assert found == pytest.approx(square, rel=0.01)
    assert own**2 < found < own


def test_what_is_certain_leaves_the_other_chance():
    pairs = np.array([[0.0, 0.7], [1.0, 0.7], [1.0, 1.0]])
    assert_allclose(joint_clear_probability(pairs, np.full((3, 2), 0.3), 0.6), [0.0, 0.7, 1.0], atol=1e-9)


def test_the_joint_chance_grows_with_correlation_and_does_not_ask_for_the_order():
    values = np.array([joint_clear_probability(PAIRS, COVERS, r) for r in (-0.5, 0.0, 0.3, 0.6, 0.9)])
    assert (np.diff(values, axis=0) > 0).all()
    turned = joint_clear_probability(PAIRS[:, ::-1], COVERS[:, ::-1], 0.6)
    assert_allclose(turned, values[3], rtol=5e-3)


def test_correlation_is_that_of_the_two_parts_of_the_field():
    """500 km apart and an hour: 0.672 exp(-1/9.85) exp(-(500/337)^1.5) + 0.328 exp(-1/59.7) exp(-(500/918)^1.5)."""
    expected = 0.672 * np.exp(-1 / 9.85 - (500 / 337) ** 1.5) + 0.328 * np.exp(-1 / 59.7 - (500 / 918) ** 1.5)
    assert float(sky_correlation(np.array([500.0]), np.array([-1.0]))[0]) == pytest.approx(expected, rel=1e-12)
    assert float(sky_correlation(np.array([0.0]), np.array([0.0]))[0]) == pytest.approx(1.0)
    one = SkyModel(weights=(1.0, 0.0), nugget=0.1, shape=1.0)
    assert sky_correlation(np.array([200.0]), np.array([0.0]), one) == pytest.approx(
        latent_correlation(np.array([200.0]), 337.0, 0.1)
    )


STATIONS = [("GRAZ", "ONDREJOV"), ("DLR-TRAUEN", "PQSAT"), ("DLR-OP", "GRAZ")]
OWN = np.array([[0.2, 0.2], [0.2, 0.25], [0.25, 0.15]])


@pytest.mark.parametrize("weather", [{}, {"weather.model": "constant", "weather.p_clear": 0.3}])
def test_skies_as_drawn_are_clear_at_once_as_often(scenario, weather):
    """Two lines of sight of each pair as rows of one look; four standard errors of 60,000 trials."""
    chosen = with_values(scenario, {"weather.cirrus_share": 0.0, **weather})
    start = pd.Timestamp("2027-03-02T20:00:00Z") + pd.to_timedelta([0, 1500, 2900], unit="min")
    rows = pd.DataFrame({
        "ogs": [ogs for pair in STATIONS for ogs in pair], "start": np.repeat(start, 2),
        "end": np.repeat(start + pd.Timedelta("20s"), 2), "p_clear": OWN.ravel(),
        "window_id": [f"w{i}" for i in range(6)],
    })  # fmt: skip
    trials = 60_000
    sky = sample_sky(rows, chosen, trials=trials, rng=5)
    clear = sky.blocked_quarters == 0
    both = (clear[:, ::2] & clear[:, 1::2]).mean(axis=0)
    middle = pd.DatetimeIndex(start + pd.Timedelta("10s"))
    found = both_clear_probability(np.array(STATIONS), (middle, middle), OWN, chosen)
    error = np.sqrt(found * (1 - found) / trials)
    assert (np.abs(both - found) < 4 * error).all(), (both, found, error)
    assert (found > OWN.prod(axis=1) + 4 * error).all()


def test_a_clear_sky_is_clear_at_both(scenario):
    none = with_values(scenario, {"weather": {"model": "clear_sky"}})
    time = pd.DatetimeIndex(["2027-03-02T20:00:00Z"])
    assert both_clear_probability(np.array([["GRAZ", "PQSAT"]]), (time, time), np.ones((1, 2)), none) == [1.0]
    assert both_clear_probability(np.empty((0, 2)), (time[:0], time[:0]), np.empty((0, 2)), scenario).shape == (0,)
