"""Gamma-gamma fades against the closed density with a Bessel function, samples, and the log-normal limit."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.special import gammaln, kve

from eqci_space.linkbudget.scintillation import lognormal_fade_loss_db, scintillation_index
from eqci_space.linkbudget.strong_scintillation import gamma_gamma_fade_loss_db, gamma_gamma_shapes


def _density(irradiance, alpha, beta):
    """2 (αβ)^((α+β)/2)/(Γ(α)Γ(β)) I^((α+β)/2-1) K_(α-β)(2 √(αβI)) (Al-Habash et al. 2001, eq. 11)."""
    argument = 2 * np.sqrt(alpha * beta * irradiance)
    log = (alpha + beta) / 2 * np.log(alpha * beta * irradiance) - gammaln(alpha) - gammaln(beta) - argument
    return 2 * np.exp(log) * kve(alpha - beta, argument) / irradiance


@pytest.mark.parametrize("rytov", [0.1, 1.0, 4.0, 30.0])
def test_shapes_make_the_scintillation_index(rytov):
    alpha, beta = gamma_gamma_shapes(rytov)
    assert_allclose((1 + 1 / alpha) * (1 + 1 / beta) - 1, scintillation_index(rytov), rtol=1e-12)


def test_shapes_of_a_rytov_variance_of_one_and_four():
    """The printed exponents by hand: 0.49/2.11^(7/6) = 0.20505, 0.51/1.69^(5/6) = 0.32936."""
    assert_allclose(gamma_gamma_shapes(1.0), (1 / np.expm1(0.205054), 1 / np.expm1(0.329356)), rtol=2e-5)


@pytest.mark.parametrize("rytov", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("probability", [0.3, 0.01, 1e-4])
def test_fade_leaves_the_probability_below_it_in_the_density(rytov, probability):
    alpha, beta = gamma_gamma_shapes(rytov)
    loss = gamma_gamma_fade_loss_db(rytov=rytov, exceeded_probability=probability)
    level = np.log(10 ** (-loss / 10))
    below, _ = quad(
        lambda t: float(_density(np.exp(t), alpha, beta) * np.exp(t)), level - 40, level, epsabs=0, epsrel=1e-9,
        limit=500,
    )  # fmt: skip
    assert_allclose(below, probability, rtol=1e-6)


def test_fade_is_the_quantile_of_samples():
    rng = np.random.default_rng(3)
    alpha, beta = gamma_gamma_shapes(2.0)
    samples = rng.gamma(alpha, 1 / alpha, 1_000_000) * rng.gamma(beta, 1 / beta, 1_000_000)
    loss = gamma_gamma_fade_loss_db(rytov=2.0, exceeded_probability=0.01)
    assert_allclose(loss, -10 * np.log10(np.quantile(samples, 0.01)), atol=0.1)


def test_weak_fades_are_log_normal_and_strong_ones_deeper():
    weak = gamma_gamma_fade_loss_db(rytov=0.01, exceeded_probability=0.01)
    assert_allclose(weak, lognormal_fade_loss_db(0.01, 0.01), rtol=0.02)
    strong = gamma_gamma_fade_loss_db(rytov=4.0, exceeded_probability=0.01)
    assert strong > lognormal_fade_loss_db(np.log1p(scintillation_index(4.0)), 0.01) + 3


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"rytov": -1.0, "exceeded_probability": 0.01}, "rytov = -1.0"),
        ({"rytov": 1.0, "exceeded_probability": 0.0}, "exceeded_probability = 0.0"),
    ],
)
def test_bad_input_is_refused_with_its_name_value_and_range(arguments, named):
    with pytest.raises(ValueError, match=f"gamma_gamma_fade_loss_db: {named}; expected"):
        gamma_gamma_fade_loss_db(**arguments)
