"""Mean pointing transmittance against the reference cases and independent quadrature."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.special import ive

from eqci_space.linkbudget.beam import equivalent_divergence_half_angle_rad, intensity_per_sr
from eqci_space.linkbudget.pointing import mean_pointing_loss_db, mean_pointing_transmittance

CASES = Path(__file__).parents[1] / "cases"


def _rows(quantity):
    with (CASES / "linkbudget.csv").open(newline="", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["quantity"] == quantity]
    assert rows
    return [pytest.param(json.loads(r["inputs"]), r, id=r["id"]) for r in rows]


def _rice_mean(function, jitter, bias, epsrel=1e-10):
    """Mean of a function of the radial angle, Rice distributed with standard deviation `jitter` per axis."""

    def integrand(t):
        density = t * np.exp(-((t - bias / jitter) ** 2) / 2) * ive(0, t * bias / jitter)
        return density * function(t * jitter)

    return quad(integrand, 0, bias / jitter + 12, epsabs=0, epsrel=epsrel, limit=200)[0]


@pytest.mark.parametrize(("inputs", "row"), _rows("mean_pointing_transmittance"))
def test_mean_pointing_transmittance_of_reference_cases(inputs, row):
    assert_allclose(mean_pointing_transmittance(**inputs), float(row["expected"]), rtol=float(row["rel_tol"]))


@pytest.mark.parametrize(("inputs", "row"), _rows("mean_pointing_transmittance_anisotropic"))
def test_anisotropic_mean_pointing_transmittance_of_reference_cases(inputs, row):
    transmittance = mean_pointing_transmittance(
        divergence_half_angle_rad=inputs["divergence_half_angle_rad"],
        jitter_rad=(inputs["jitter_x_rad"], inputs["jitter_y_rad"]),
        bias_rad=(inputs["bias_x_rad"], inputs["bias_y_rad"]),
    )
    assert_allclose(transmittance, float(row["expected"]), rtol=float(row["rel_tol"]))


@pytest.mark.parametrize(("inputs", "row"), _rows("mean_pointing_loss"))
def test_mean_pointing_loss_of_reference_cases(inputs, row):
    assert_allclose(mean_pointing_loss_db(**inputs), float(row["expected"]), rtol=float(row["rel_tol"]))


@pytest.mark.parametrize(("jitter", "bias"), [(1e-6, 0.0), (3e-6, 1e-6), (2e-6, 6e-6), (8e-6, 4e-6)])
def test_mean_transmittance_is_the_rice_average(jitter, bias):
    divergence = 1.2e-5
    expected = _rice_mean(lambda angle: np.exp(-2 * (angle / divergence) ** 2), jitter, bias)
    transmittance = mean_pointing_transmittance(divergence_half_angle_rad=divergence, jitter_rad=jitter, bias_rad=bias)
    assert_allclose(transmittance, expected, rtol=1e-8)


def test_anisotropic_mean_is_the_average_over_two_gaussian_axes():
    """Gauss-Hermite product quadrature of exp(-2(x² + y²)/θd²) over two independent Gaussian axes."""
    divergence, sigma, bias = 9e-6, (1e-6, 3e-6), (2e-6, -1e-6)
    node, weight = np.polynomial.hermite_e.hermegauss(80)
    weight = weight / weight.sum()
    mean = 1.0
    for s, e in zip(sigma, bias, strict=True):
        mean *= weight @ np.exp(-2 * ((e + s * node) / divergence) ** 2)
    transmittance = mean_pointing_transmittance(divergence_half_angle_rad=divergence, jitter_rad=sigma, bias_rad=bias)
    assert_allclose(transmittance, mean, rtol=1e-10)


@pytest.mark.parametrize(("inputs", "row"), _rows("mean_pointing_loss_exact_pattern"))
def test_equivalent_gaussian_stands_for_the_exact_pattern(inputs, row):
    """The far-field pattern averaged by quadrature meets its case; the Gaussian in its place errs by 0.005 dB."""
    jitter, bias = inputs.pop("jitter_rad"), inputs.pop("bias_rad")
    pupil = {
        "wavelength_m": inputs["wavelength_m"],
        "aperture_diameter_m": inputs["tx_aperture_diameter_m"],
        "obscuration_ratio": inputs["tx_obscuration_ratio"],
        "beam_radius_m": inputs["tx_beam_radius_m"],
    }
    on_axis = intensity_per_sr(np.array(0.0), **pupil)
    mean = _rice_mean(lambda angle: intensity_per_sr(np.array(angle), **pupil) / on_axis, jitter, bias, epsrel=1e-6)
    exact_db = -10 * np.log10(mean)
    assert_allclose(exact_db, float(row["expected"]), rtol=float(row["rel_tol"]))
    divergence = equivalent_divergence_half_angle_rad(**pupil)
    gaussian_db = mean_pointing_loss_db(divergence_half_angle_rad=divergence, jitter_rad=jitter, bias_rad=bias)
    assert abs(gaussian_db - exact_db) < 0.005


def test_unbiased_mean_is_the_ratio_of_farid_and_hranilovic():
    """β/(β+1), β = θd²/(4σ²) (Farid and Hranilovic 2007): divergence of twice the jitter loses half the power."""
    assert_allclose(mean_pointing_transmittance(divergence_half_angle_rad=2e-6, jitter_rad=1e-6), 0.5, rtol=1e-14)
    assert_allclose(mean_pointing_loss_db(divergence_half_angle_rad=2e-6, jitter_rad=1e-6), 3.0102999566, rtol=1e-10)


def test_steady_pointing_loses_only_to_the_offset():
    """At the 1/e² half angle the irradiance is exp(-2) = 0.135335."""
    steady = mean_pointing_transmittance(divergence_half_angle_rad=1e-5, jitter_rad=0.0, bias_rad=1e-5)
    assert_allclose(steady, 0.1353352832, rtol=1e-9)
    assert mean_pointing_transmittance(divergence_half_angle_rad=1e-5, jitter_rad=0.0) == 1.0


def test_radial_offset_may_point_anywhere_when_the_jitter_is_isotropic():
    aligned = mean_pointing_transmittance(divergence_half_angle_rad=1e-5, jitter_rad=2e-6, bias_rad=5e-6)
    oblique = mean_pointing_transmittance(
        divergence_half_angle_rad=1e-5, jitter_rad=(2e-6, 2e-6), bias_rad=(3e-6, 4e-6)
    )
    assert_allclose(oblique, aligned, rtol=1e-13)


@pytest.mark.parametrize("wrong", [{"jitter_rad": -1e-6}, {"jitter_rad": (1e-6, -1e-6)}])
def test_negative_jitter_is_refused(wrong):
    with pytest.raises(ValueError, match="jitter_rad"):
        mean_pointing_transmittance(divergence_half_angle_rad=1e-5, **wrong)


@pytest.mark.parametrize("divergence", [0.0, -1e-5])
def test_divergence_that_is_not_positive_is_refused(divergence):
    with pytest.raises(ValueError, match="divergence_half_angle_rad"):
        mean_pointing_loss_db(divergence_half_angle_rad=divergence, jitter_rad=1e-6)
