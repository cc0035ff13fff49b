"""Mean pointing transmittance against the reference cases and independent quadrature."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import dblquad, quad
from scipy.special import ive
from scipy.stats import kstest, ncx2, norm

from eqci_space.linkbudget.beam import equivalent_divergence_half_angle_rad, intensity_per_sr
from eqci_space.linkbudget.pointing import (
    displaced_gaussian_transmittance,
    mean_pointing_loss_db,
    mean_pointing_loss_exact_pattern_db,
    mean_pointing_transmittance,
    pointing_fade_loss_db,
    pointing_samples,
)

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


# ---------------------------------------------------------------- means by chance


def test_mean_of_biased_anisotropic_pointing_by_monte_carlo():
    """A million offsets drawn here; three standard errors of the mean are 1e-3."""
    rng = np.random.default_rng(17)
    x, y = 3e-6 + 2e-6 * rng.standard_normal(1_000_000), -1e-6 + 5e-6 * rng.standard_normal(1_000_000)
    drawn = np.exp(-2 * (x**2 + y**2) / 9e-6**2).mean()
    value = mean_pointing_transmittance(divergence_half_angle_rad=9e-6, jitter_rad=(2e-6, 5e-6), bias_rad=(3e-6, -1e-6))
    assert_allclose(value, drawn, atol=1e-3)


def test_radial_jitter_given_as_per_axis_doubles_the_variance():
    """2 µrad radial rms are √2 µrad per axis: 1.76 dB at a divergence of 4 µrad, and 3.01 dB when misread."""
    right, wrong = (
        mean_pointing_loss_db(divergence_half_angle_rad=4e-6, jitter_rad=s) for s in (2e-6 / np.sqrt(2), 2e-6)
    )
    assert_allclose([right, wrong], [1.7609, 3.0103], atol=1e-4)
    offset = np.random.default_rng(1).standard_normal((2, 400_000)) * 2e-6 / np.sqrt(2)
    assert_allclose(np.sqrt((offset**2).sum(axis=0).mean()), 2e-6, rtol=5e-3)


def test_mean_power_has_no_optimum_divergence_and_the_outage_level_has_one():
    """Mean ∝ 1/(θd² + 4σ²): θd = 2σ is 3 dB below the limit. Level exceeded by p: best at θd² = 4σ² ln(1/p)."""
    sigma, p = 1e-6, 0.01
    divergence = np.linspace(0.05e-6, 12e-6, 4000)
    mean = np.array([
        mean_pointing_transmittance(divergence_half_angle_rad=d, jitter_rad=sigma) / d**2 for d in divergence
    ])  # fmt: skip
    assert (np.diff(mean) < 0).all()
    at_two_sigma = mean_pointing_transmittance(divergence_half_angle_rad=2e-6, jitter_rad=sigma) / 2e-6**2
    assert_allclose(-10 * np.log10(at_two_sigma * 4 * sigma**2), 3.0103, atol=1e-4)
    outage = [
        pointing_fade_loss_db(divergence_half_angle_rad=d, jitter_rad=sigma, probability=p) + 20 * np.log10(d)
        for d in divergence
    ]
    assert_allclose(divergence[np.argmin(outage)], 2 * sigma * np.sqrt(np.log(1 / p)), rtol=2e-3)


def test_weakly_truncated_beam_has_the_mean_loss_of_a_gaussian():
    """An aperture of five beam radii: the far field is Gaussian with θd = λ/(π w0), the closed form exact."""
    waist, wavelength = 0.03, 850e-9
    exact = mean_pointing_loss_exact_pattern_db(
        wavelength_m=wavelength, tx_aperture_diameter_m=0.3, tx_obscuration_ratio=0.0, tx_beam_radius_m=waist,
        jitter_rad=2e-6, bias_rad=3e-6,
    )  # fmt: skip
    divergence = wavelength / (np.pi * waist)
    closed = mean_pointing_loss_db(divergence_half_angle_rad=divergence, jitter_rad=2e-6, bias_rad=3e-6)
    assert_allclose(exact, closed, rtol=1e-7)


def test_steady_offset_in_the_exact_pattern_is_the_pattern_itself():
    """Uniform disc: (2 J1(x)/x)² at x = πDθ/λ = 1.6163 is one half, 3.0103 dB."""
    loss = mean_pointing_loss_exact_pattern_db(
        wavelength_m=850e-9, tx_aperture_diameter_m=0.1, tx_obscuration_ratio=0.0, tx_beam_radius_m=100.0,
        jitter_rad=0.0, bias_rad=1.616340 * 850e-9 / (np.pi * 0.1),
    )  # fmt: skip
    assert_allclose(loss, 3.0103, atol=1e-4)


def test_pair_of_axes_may_be_a_list_or_an_array():
    link = {"divergence_half_angle_rad": 1e-5, "jitter_rad": [1e-6, 2e-6]}
    expected = mean_pointing_transmittance(**link, bias_rad=(3e-6, 4e-6))
    assert_allclose(mean_pointing_transmittance(**link, bias_rad=[3e-6, 4e-6]), expected, rtol=1e-14)
    assert_allclose(mean_pointing_transmittance(**link, bias_rad=np.array([3e-6, 4e-6])), expected, rtol=1e-14)


# ---------------------------------------------------------------- an aperture off the axis


@pytest.mark.parametrize(("width", "diameter", "offset"), [(3.0, 0.8, 0.0), (3.0, 0.8, 4.0), (0.5, 1.2, 0.7)])
def test_displaced_gaussian_by_quadrature_over_the_aperture(width, diameter, offset):
    def irradiance(radius, angle):
        square = (radius * np.cos(angle) - offset) ** 2 + (radius * np.sin(angle)) ** 2
        return 2 / (np.pi * width**2) * np.exp(-2 * square / width**2) * radius

    caught, _ = dblquad(irradiance, 0, 2 * np.pi, 0, diameter / 2, epsabs=1e-13, epsrel=1e-11)
    value = displaced_gaussian_transmittance(beam_radius_m=width, aperture_diameter_m=diameter, offset_m=offset)
    assert_allclose(value, caught, rtol=1e-8)


def test_small_aperture_samples_the_irradiance():
    """2a²/w² exp(-2r²/w²) at a hundredth of the beam: 1e-4 by its finite size."""
    value = displaced_gaussian_transmittance(beam_radius_m=10.0, aperture_diameter_m=0.1, offset_m=10.0)
    assert_allclose(value, 2 * 0.05**2 / 100 * np.exp(-2), rtol=2e-4)


# ---------------------------------------------------------------- distributions


def test_unbiased_samples_follow_the_power_law_of_farid_and_hranilovic():
    """P(h <= x) = x^β; Kolmogorov-Smirnov of 50 000 samples, and quantiles against the fade loss to 2 %."""
    divergence, sigma = 8e-6, 2e-6
    beta = divergence**2 / (4 * sigma**2)
    samples = pointing_samples(50_000, divergence_half_angle_rad=divergence, jitter_rad=sigma, rng=7)
    assert kstest(samples, lambda x: x**beta).pvalue > 0.01
    for p in (0.01, 0.1, 0.5):
        loss = pointing_fade_loss_db(divergence_half_angle_rad=divergence, jitter_rad=sigma, probability=p)
        assert_allclose(loss, -10 * np.log10(p) / beta, rtol=1e-12)
        assert_allclose(-10 * np.log10(np.quantile(samples, p)), loss, rtol=0.03)


def test_biased_samples_follow_the_noncentral_chi_square():
    """θ²/σ² has two degrees of freedom and the noncentrality (e/σ)²; h <= x where θ² >= -θd² ln(x)/2."""
    divergence, sigma, bias = 1e-5, 2e-6, 3e-6
    samples = pointing_samples(50_000, divergence_half_angle_rad=divergence, jitter_rad=sigma, bias_rad=bias, rng=3)

    def distribution(x):
        return ncx2.sf(-(divergence**2) * np.log(x) / (2 * sigma**2), 2, (bias / sigma) ** 2)

    assert kstest(samples, distribution).pvalue > 0.01


def test_anisotropic_biased_samples_have_the_quantiles_of_quadrature():
    """P(h >= x): one axis integrated, the other in closed form; 200 000 samples give 0.4 % of probability."""
    divergence, sigma, bias = 1e-5, (1e-6, 4e-6), (2e-6, -3e-6)
    samples = pointing_samples((500, 400), divergence_half_angle_rad=divergence, jitter_rad=sigma, bias_rad=bias, rng=9)
    assert samples.shape == (500, 400)
    for level in (0.3, 0.6, 0.9):
        reach = divergence * np.sqrt(-np.log(level) / 2)

        def chord(x, reach=reach):
            half = np.sqrt(reach**2 - x**2)
            inside = norm.cdf((half - bias[1]) / sigma[1]) - norm.cdf((-half - bias[1]) / sigma[1])
            return norm.pdf(x, bias[0], sigma[0]) * inside

        above, _ = quad(chord, -reach, reach, points=[min(bias[0], 0.99 * reach)], limit=200)
        assert_allclose((samples >= level).mean(), above, atol=4e-3)
    closed = mean_pointing_transmittance(divergence_half_angle_rad=divergence, jitter_rad=sigma, bias_rad=bias)
    assert_allclose(samples.mean(), closed, atol=3e-3)


def test_same_seed_draws_the_same_instants():
    link = {"divergence_half_angle_rad": 1e-5, "jitter_rad": 3e-6}
    first, again, other = (pointing_samples(5, **link, rng=seed) for seed in (4, 4, 5))
    assert (first == again).all()
    assert (first != other).all()


def test_fade_quantile_is_not_a_loss_of_the_mean():
    """β = 4: 1 % of the time more than 5 dB are lost, while the mean loses β/(β + 1), 0.97 dB."""
    link = {"divergence_half_angle_rad": 8e-6, "jitter_rad": 2e-6}
    assert_allclose(pointing_fade_loss_db(**link, probability=0.01), 5.0, rtol=1e-12)
    assert_allclose(mean_pointing_loss_db(**link), 0.9691, atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(1e-6, 1e-4), st.floats(0.0, 1e-4), st.floats(0.0, 1e-4), st.floats(-1e-4, 1e-4), st.floats(-1e-4, 1e-4)
)
def test_mean_pointing_is_a_transmittance(divergence, sigma_x, sigma_y, bias_x, bias_y):
    link = {"divergence_half_angle_rad": divergence, "jitter_rad": (sigma_x, sigma_y)}
    value = mean_pointing_transmittance(**link, bias_rad=(bias_x, bias_y))
    assert 0 <= value <= 1
    assert value <= mean_pointing_transmittance(**link)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.1, 50.0), min_size=1, max_size=3), st.lists(st.floats(0.0, 50.0), min_size=1, max_size=3))
def test_displaced_gaussian_broadcasts(widths, offsets):
    value = displaced_gaussian_transmittance(
        beam_radius_m=np.array(widths)[:, None], aperture_diameter_m=0.8, offset_m=np.array(offsets)
    )
    assert value.shape == (len(widths), len(offsets))
    assert ((value >= 0) & (value <= 1)).all()


PUPIL = {
    "wavelength_m": 850e-9, "tx_aperture_diameter_m": 0.08, "tx_obscuration_ratio": 0.0, "tx_beam_radius_m": 0.035,
    "jitter_rad": 1e-6,
}  # fmt: skip
JITTER = {"divergence_half_angle_rad": 1e-5, "jitter_rad": 1e-6}
OFF_AXIS = {"beam_radius_m": 3.0, "aperture_diameter_m": 0.8, "offset_m": 1.0}


@pytest.mark.parametrize(
    ("call", "named", "value"),
    [
        (lambda: mean_pointing_transmittance(**JITTER | {"jitter_rad": -1e-6}), "jitter_rad", "-1e-06"),
        (lambda: mean_pointing_transmittance(**JITTER | {"jitter_rad": np.nan}), "jitter_rad", "nan"),
        (lambda: mean_pointing_transmittance(**JITTER, bias_rad=np.inf), "bias_rad", "inf"),
        (lambda: displaced_gaussian_transmittance(**OFF_AXIS | {"offset_m": -1.0}), "offset_m", "-1.0"),
        (lambda: displaced_gaussian_transmittance(**OFF_AXIS | {"beam_radius_m": 0.0}), "beam_radius_m", "0.0"),
        (lambda: displaced_gaussian_transmittance(**OFF_AXIS | {"aperture_diameter_m": -0.8}), "aperture_diameter_m",
         "-0.8"),
        (lambda: pointing_fade_loss_db(**JITTER, probability=0.0), "probability", "0.0"),
        (lambda: pointing_fade_loss_db(**JITTER | {"jitter_rad": -1e-6}, probability=0.1), "jitter", "-1e-06"),
        (lambda: mean_pointing_loss_exact_pattern_db(**PUPIL | {"jitter_rad": -1e-6}), "jitter_rad", "-1e-06"),
        (lambda: mean_pointing_loss_exact_pattern_db(**PUPIL | {"wavelength_m": 850.0}), "wavelength_m", "850.0"),
        (lambda: pointing_samples(3, **JITTER | {"jitter_rad": -1e-6}), "jitter_rad", "-1e-06"),
        (lambda: pointing_samples(3, **JITTER | {"divergence_half_angle_rad": -1e-5}), "divergence_half_angle_rad",
         "-1e-05"),
        (lambda: pointing_samples(3, **JITTER, bias_rad=np.nan), "bias_rad", "nan"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_its_name_value_and_range(call, named, value):
    with pytest.raises(ValueError, match="expected") as refusal:
        call()
    assert named in str(refusal.value)
    assert value in str(refusal.value)
