"""Shares of variance explained by single causes, against models whose shares are known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from eqci_space.schedule.causes import explained_share


def test_shares_of_a_sum_and_of_a_modulus():
    """Y = X + E with variances 1 and 3: 1/4; Y = |X| + E, both of variance 1 - 2/π: 1/2, where no correlation is."""
    x, e = np.random.default_rng(1).standard_normal((2, 200_000))
    results = np.column_stack([x + np.sqrt(3) * e, np.abs(x) + np.sqrt(1 - 2 / np.pi) * e])
    assert_allclose(explained_share(x, results), [0.25, 0.5], atol=0.01)


def test_shares_of_the_ishigami_function():
    """Its first-order indices are 0.3139, 0.4424 and 0 (Ishigami and Homma 1990, a = 7, b = 0.1)."""
    x = np.random.default_rng(2).uniform(-np.pi, np.pi, (3, 200_000))
    y = np.sin(x[0]) + 7 * np.sin(x[1]) ** 2 + 0.1 * x[2] ** 4 * np.sin(x[0])
    assert_allclose([explained_share(v, y[:, None])[0] for v in x], [0.3139, 0.4424, 0.0], atol=0.01)


def test_a_cause_without_effect_explains_nothing_even_in_few_trials():
    """The mean share over 200 draws of 100 trials without effect: 0.03, where raw groups would show 0.19."""
    rng = np.random.default_rng(3)
    assert explained_share(rng.standard_normal(100), rng.standard_normal((100, 200))).mean() < 0.06


def test_a_result_or_a_cause_that_does_not_vary_has_no_share():
    x = np.random.default_rng(4).standard_normal(50)
    assert (explained_share(x, np.full((50, 2), 3.5e9)) == 0).all()
    assert explained_share(np.ones(50), x[:, None])[0] == 0


def test_equal_values_stay_together():
    """A cause of two values, one in 0.3 of the trials, decides all."""
    x = (np.arange(1000) % 10 < 3).astype(float)
    assert_allclose(explained_share(x, 5 * x[:, None]), 1.0)


def test_share_of_ten_trials_by_hand():
    """Groups of means 1 and 4, squares 22.5 between and 8 within: (22.5 - 1 · 8/8)/30.5 (Kelley's one degree less)."""
    x = np.repeat([0.0, 1.0], 5)
    y = np.array([0, 2, 0, 2, 1, 3, 5, 3, 5, 4], dtype=float)
    assert_allclose(explained_share(x, y[:, None]), 21.5 / 30.5)


def test_trials_must_match():
    with pytest.raises(ValueError, match=r"cause \(3,\), result \(4, 1\)"):
        explained_share(np.zeros(3), np.zeros((4, 1)))
