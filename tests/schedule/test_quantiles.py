"""Standard errors of quantiles against closed forms and against many repetitions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from eqci_space.schedule.quantiles import quantile_standard_error

RNG_SEED = 3


def drawn(kind, trials, repetitions):
    """Ordered trials of a law of key: continuous, with nothing or with everything asked for in a share of worlds."""
    rng = np.random.default_rng(RNG_SEED)
    key, chance = rng.lognormal(0.0, 0.5, (trials, repetitions)), rng.random((trials, repetitions))
    what, share = kind
    if what == "none":
        key = np.where(chance < share, 0.0, key)
    elif what == "all":
        key = np.where(chance < share, 4.0, np.minimum(key, 3.9))
    return np.sort(key, axis=0)


@pytest.mark.parametrize(
    ("values", "probability", "variance"),
    [
        ([0.0, 1.0, 2.0], 0.5, 14 / 27),  # weights 7/27, 13/27, 7/27
        ([0.0, 1.0], 0.5, 0.25),  # one half each
        ([0.0, 0.0, 6.0], 0.5, 36 * 7 / 27 * 20 / 27),
        ([5.0, 5.0, 5.0, 5.0], 0.9, 0.0),
        ([7.0], 0.1, 0.0),
    ],
)
def test_variance_of_few_trials_by_hand(values, probability, variance):
    assert_allclose(quantile_standard_error(np.array(values), probability) ** 2, variance, rtol=1e-10, atol=1e-25)


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_even_trials_have_the_error_of_a_uniform_law(probability):
    """sqrt(p (1 - p) / n) over the density, which is 1."""
    even = (np.arange(2000) + 0.5) / 2000
    expected = np.sqrt(probability * (1 - probability) / 2000)
    assert_allclose(quantile_standard_error(even, probability), expected, rtol=2e-3)
    table = np.column_stack([even, 3 * even + 7, np.zeros(2000)])
    assert_allclose(quantile_standard_error(table, probability), expected * np.array([1, 3, 0]), rtol=2e-3)


@pytest.mark.parametrize(
    ("kind", "probability", "factor"),
    [
        (("smooth", 0.0), 0.1, 1.1), (("smooth", 0.0), 0.5, 1.1), (("smooth", 0.0), 0.9, 1.15),
        (("none", 0.05), 0.1, 1.35), (("none", 0.09), 0.1, 1.25), (("none", 0.1), 0.1, 1.25),
        (("none", 0.12), 0.1, 1.25), (("none", 0.5), 0.5, 1.25), (("none", 0.9), 0.9, 1.25), (("all", 0.5), 0.5, 1.25),
        (("all", 0.1), 0.9, 1.25), (("all", 0.5), 0.1, 1.1),
    ],
)  # fmt: skip
def test_error_at_and_beside_atoms_is_the_scatter_of_repetitions(kind, probability, factor):
    """200 trials, 3000 times: within 15 % where smooth, 25 % at the edge of an atom, 35 % near one."""
    trials = drawn(kind, 200, 3000)
    scatter = np.quantile(trials, probability, axis=0).std()
    stated = quantile_standard_error(trials, probability).mean()
    assert scatter / factor < stated < scatter * factor


@pytest.mark.parametrize(("kind", "probability"), [(("none", 0.9), 0.5), (("none", 0.5), 0.1), (("all", 0.5), 0.9)])
def test_a_quantile_deep_in_an_atom_is_certain(kind, probability):
    trials = drawn(kind, 200, 500)
    assert np.quantile(trials, probability, axis=0).std() == 0
    assert (quantile_standard_error(trials, probability) < 1e-6).all()
