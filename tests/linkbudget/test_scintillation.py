"""Scintillation: printed variances, covariance integrals over the aperture, and quantiles of scipy's log-normal."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import gamma, hyp1f1, j1
from scipy.stats import lognorm

from eqci_space.linkbudget.scintillation import (
    aperture_averaged_variance,
    aperture_averaged_variance_p1622,
    aperture_averaging_asymptote_coefficient,
    lognormal_fade_loss_db,
    rytov_variance,
    scintillation_index,
)
from eqci_space.linkbudget.turbulence import (
    Layers,
    cn2_moment,
    hufnagel_valley_layers,
    turbulence_scale_height_m,
)

HV57 = hufnagel_valley_layers()
C_BAND = {"wavelength_m": 1.55e-6, "elevation_deg": 90.0}


@pytest.mark.parametrize(
    ("wind", "printed"), [(21.0, {532: 0.23, 850: 0.13, 1064: 0.10, 1550: 0.07}),
                          (30.0, {532: 0.36, 850: 0.21, 1064: 0.16, 1550: 0.10})],
)  # fmt: skip
def test_log_irradiance_variances_printed_by_itu_r_p1622(wind, printed):
    """Table 2: 75 deg, telescope at 5.5 m, C0 = 1.7e-14; half a unit of the second decimal."""
    layers = hufnagel_valley_layers(rms_wind_m_s=wind, lower_height_m=5.5, upper_height_m=20e3)
    for nm, value in printed.items():
        variance = rytov_variance(layers, wavelength_m=nm * 1e-9, elevation_deg=75.0, coefficient=2.253)
        assert_allclose(variance, value, atol=0.0051, err_msg=f"{nm} nm")


def test_rytov_coefficient_is_that_of_the_kolmogorov_spectrum():
    """8π² 0.033 ∫ x^(-8/3) (1 - cos x²) dx = -4π² 0.033 Γ(-5/6) cos(5π/12) = 2.2523, rounded to 2.25 and 2.253."""
    exact = -4 * np.pi**2 * 0.033 * gamma(-5 / 6) * np.cos(5 * np.pi / 12)
    assert_allclose(exact, 2.2523, atol=5e-5)
    itu = rytov_variance(HV57, **C_BAND, coefficient=2.253)
    assert_allclose(rytov_variance(HV57, **C_BAND) / itu, 2.25 / 2.253, rtol=1e-13)
    assert_allclose(itu / 2.253, rytov_variance(HV57, **C_BAND, coefficient=exact) / exact, rtol=1e-13)


def test_weak_scintillation_is_the_rytov_variance():
    """The first correction is of order s^(6/5): 1.2e-4 relative at 1e-4."""
    weak = np.array([1e-8, 1e-6, 1e-4])
    assert_allclose(scintillation_index(weak), weak, rtol=2e-4)
    assert scintillation_index(0.0) == 0.0


def test_scintillation_saturates_at_one_after_a_maximum_of_focusing():
    """The limit is exp(0.51/0.69^(5/6)) - 1 = 1.0033; between lies the maximum of about 1.2 near s = 10 to 20."""
    assert_allclose(scintillation_index(1e14), 1.0, atol=0.004)
    s = np.geomspace(0.1, 1e4, 400)
    index = scintillation_index(s)
    assert 1.1 < index.max() < 1.3
    assert 2 < s[index.argmax()] < 30
    assert_allclose(scintillation_index(1.0), 0.7064, atol=5e-5)  # expm1(0.49/2.11^(7/6) + 0.51/1.69^(5/6)) by hand


def test_index_and_log_variance_are_different_numbers():
    """Of a log-normal irradiance σ_I² = e^s - 1: an index of 0.5 is a log-variance of 0.405 (scipy's moments)."""
    s = np.log(1.5)
    irradiance = lognorm(s=np.sqrt(s), scale=np.exp(-s / 2))
    assert_allclose(irradiance.mean(), 1.0, rtol=1e-12)
    assert_allclose(irradiance.var(), 0.5, rtol=1e-12)
    right, wrong = lognormal_fade_loss_db(s, 0.01), lognormal_fade_loss_db(0.5, 0.01)
    assert_allclose(right, -10 * np.log10(irradiance.ppf(0.01)), rtol=1e-12)
    assert_allclose([right, wrong], [7.3138, 8.2298], atol=1e-4)  # (2.3263 √s + s/2)·4.3429 by hand


def _log_irradiance_covariance(distance, k, path):
    """Of a plane wave behind a layer of unit strength: ∫ q^(-8/3) J0(qρ) [1 - cos(q² path/k)] dq in closed form.

    Gradshteyn and Ryzhik 6.561.14 and 6.631.1, continued to the index -5/3.
    """
    index = -5 / 3
    spread = -1j * path / k
    plain = 2 ** (index - 1) * distance**-index * gamma(index / 2) / gamma(1 - index / 2)
    wave = gamma(index / 2) / 2 * spread ** (-index / 2) * hyp1f1(index / 2, 1, -(distance**2) / (4 * spread))
    return 8 * np.pi**2 * k**2 * 0.033 * (plain - wave.real)


def _overlap(distance, one, other):
    """Area common to two discs."""
    small, large = sorted((one, other))
    area = np.where(distance <= large - small, np.pi * small**2, 0.0)
    if small:
        part = (distance > large - small) & (distance < large + small)
        d = distance[part]
        lens = small**2 * np.arccos((d**2 + small**2 - large**2) / (2 * d * small))
        lens += large**2 * np.arccos((d**2 + large**2 - small**2) / (2 * d * large))
        kite = (-d + small + large) * (d + small - large) * (d - small + large) * (d + small + large)
        area[part] = lens - np.sqrt(kite) / 2
    return area


@pytest.mark.parametrize("obscuration", [0.0, 0.3])
@pytest.mark.parametrize(("diameter_m", "height_m"), [(0.1, 1e3), (0.1, 1e4), (0.4, 1e4), (0.8, 1e4)])
def test_averaged_variance_is_the_mean_covariance_over_the_aperture(diameter_m, height_m, obscuration):
    """In real space: the closed-form covariance over the annulus's autocorrelation, another route to the same number.

    Agrees to 2e-6; beyond 0.8 m the hypergeometric function of scipy loses its digits.
    """
    radius, k, secant = diameter_m / 2, 2 * np.pi / 1.55e-6, 2.0
    x, w = np.polynomial.legendre.leggauss(40)
    kinks = [0.0, obscuration * diameter_m, (1 - obscuration) * radius, (1 + obscuration) * radius]
    edges = np.unique([*kinks, *np.geomspace(1e-4, 1, 40) * diameter_m])
    half = np.diff(edges)[:, None] / 2
    distance, weight = ((edges[:-1, None] + half) + half * x).ravel(), (half * w).ravel()
    hole = obscuration * radius
    area = np.pi * (radius**2 - hole**2)
    shared = _overlap(distance, radius, radius) - 2 * _overlap(distance, radius, hole) + _overlap(distance, hole, hole)
    covariance = _log_irradiance_covariance(distance, k, height_m * secant)
    expected = secant * np.sum(weight * 2 * np.pi * distance * shared * covariance) / area**2
    variance = aperture_averaged_variance(
        Layers(np.array([height_m]), np.array([1.0])), wavelength_m=1.55e-6, elevation_deg=30.0,
        aperture_diameter_m=diameter_m, obscuration_ratio=obscuration,
    )  # fmt: skip
    assert_allclose(variance, expected, rtol=1e-5)


@pytest.mark.parametrize("diameter_m", [1e-4, 1e-3])
@pytest.mark.parametrize("elevation_deg", [90.0, 20.0])
def test_point_receiver_sees_the_rytov_variance(diameter_m, elevation_deg):
    """Small beside the Fresnel zones of a few centimetres: 1 mm takes off below half a percent, 0.1 mm less."""
    variance = aperture_averaged_variance(
        HV57, wavelength_m=1.55e-6, elevation_deg=elevation_deg, aperture_diameter_m=diameter_m
    )
    point = rytov_variance(HV57, wavelength_m=1.55e-6, elevation_deg=elevation_deg, coefficient=2.25226)
    assert_allclose(variance, point, rtol=5e-3)


def test_coefficient_of_the_large_aperture_is_that_of_fried():
    """17.34 (Fried 1967; Roddier 1981): 16 π² 0.033 2^(7/3) ∫ x^(-2/3) J1² dx, the integral by brute force.

    Beyond x = 4000 the mean 1/(πx) of J1² is integrated: 3/(2π) 4000^(-2/3).
    """
    x, w = np.polynomial.legendre.leggauss(24)
    edges = np.concatenate([np.geomspace(1e-9, 1.0, 30), np.arange(2.0, 4001.0)])
    half = np.diff(edges)[:, None] / 2
    node = ((edges[:-1, None] + half) + half * x).ravel()
    integral = np.sum((half * w).ravel() * node ** (-2 / 3) * j1(node) ** 2) + 1.5 / np.pi * 4000 ** (-2 / 3)
    expected = 16 * np.pi**2 * 0.033 * 2 ** (7 / 3) * integral
    assert_allclose(aperture_averaging_asymptote_coefficient(), expected, rtol=1e-6)
    assert_allclose(aperture_averaging_asymptote_coefficient(), 17.34, atol=0.005)
    assert_allclose(aperture_averaging_asymptote_coefficient(0.066), 2 * expected, rtol=1e-6)


@pytest.mark.parametrize("elevation_deg", [90.0, 40.0])
def test_large_apertures_follow_the_wavelength_free_asymptote(elevation_deg):
    """17.34 D^(-7/3) sec³z μ_2; of 30 m and more 2 % remain by the Fresnel zone of 12 cm."""
    variance = aperture_averaged_variance(
        HV57, wavelength_m=1.55e-6, elevation_deg=elevation_deg, aperture_diameter_m=30.0
    )
    secant = 1 / np.sin(np.radians(elevation_deg))
    assert_allclose(variance, 17.34 * 30.0 ** (-7 / 3) * secant**3 * cn2_moment(HV57, 2.0), rtol=0.02)


@pytest.mark.parametrize(("diameter_m", "obscuration"), [(1.0, 0.3), (2.0, 0.0), (4.0, 0.2)])
def test_averaged_variance_of_large_telescopes_by_brute_force(diameter_m, obscuration):
    """Trapezoids of 0.02 in x = qD/2 to 3000, one layer at 10 km, zenith: converged to 1e-4."""
    k, height = 2 * np.pi / 1.55e-6, 1e4
    x = np.arange(1, 150_001) * 0.02
    q = 2 * x / diameter_m
    filtered = 2 * j1(x) / x
    if obscuration:
        filtered = (filtered - obscuration**2 * 2 * j1(obscuration * x) / (obscuration * x)) / (1 - obscuration**2)
    step = 0.02 * 2 / diameter_m
    integral = np.sum(q ** (-8 / 3) * 2 * np.sin(q**2 * height / (2 * k)) ** 2 * filtered**2) * step
    variance = aperture_averaged_variance(
        Layers(np.array([height]), np.array([1.0])), **C_BAND, aperture_diameter_m=diameter_m,
        obscuration_ratio=obscuration,
    )  # fmt: skip
    assert_allclose(variance, 8 * np.pi**2 * k**2 * 0.033 * integral, rtol=5e-4)


def test_obscuration_widens_the_part_of_the_spectrum_that_passes():
    """A hole of 0.3 raises the weight of small eddies; the limit is the thin ring, far from the full disc."""
    common = {**C_BAND, "aperture_diameter_m": 0.6}
    clear, holed = (aperture_averaged_variance(HV57, **common, obscuration_ratio=g) for g in (0.0, 0.3))
    assert 1.0 < holed / clear < 1.2


def test_fast_form_of_itu_takes_the_wavelength_in_metres():
    """P.1622 prints 1.1e7 with λ in µm, which is 1.1 with metres: (1e6)^(7/6) = 1e7."""
    diameter, elevation, z0 = 0.4, 50.0, turbulence_scale_height_m(HV57)
    factor = 1 / (1 + 1.1e7 * (diameter**2 * np.sin(np.radians(elevation)) / (1.55 * z0)) ** (7 / 6))
    path = {"wavelength_m": 1.55e-6, "elevation_deg": elevation}
    fast = aperture_averaged_variance_p1622(HV57, **path, aperture_diameter_m=diameter)
    assert_allclose(fast / rytov_variance(HV57, **path), factor, rtol=1e-12)
    assert 0.01 < factor < 0.2


@pytest.mark.parametrize("diameter_m", [0.4, 0.6, 0.8, 1.0])
def test_fast_form_is_twelve_to_twenty_five_percent_high(diameter_m):
    exact = aperture_averaged_variance(HV57, **C_BAND, aperture_diameter_m=diameter_m)
    fast = aperture_averaged_variance_p1622(HV57, **C_BAND, aperture_diameter_m=diameter_m)
    assert 0.115 < fast / exact - 1 < 0.255


@pytest.mark.parametrize("variance", [1e-4, 0.05, 0.4, 1.5])
@pytest.mark.parametrize("probability", [1e-4, 0.01, 0.3, 0.5, 0.9])
def test_fades_are_quantiles_of_scipys_lognormal_of_unit_mean(variance, probability):
    quantile = lognorm(s=np.sqrt(variance), scale=np.exp(-variance / 2)).ppf(probability)
    assert_allclose(lognormal_fade_loss_db(variance, probability), -10 * np.log10(quantile), rtol=1e-9, atol=1e-10)


def test_mean_of_lognormal_fades_is_no_loss():
    """Averaged over all probabilities, the transmittance is one: scintillation costs 0 dB of the mean.

    Midpoints of 200 000 equal probabilities; the open tail leaves 1e-4.
    """
    p = (np.arange(200_000) + 0.5) / 200_000
    assert_allclose(np.mean(10 ** (-lognormal_fade_loss_db(0.3, p) / 10)), 1.0, atol=2e-4)
    assert_allclose(lognormal_fade_loss_db(0.3, 0.5), 10 / np.log(10) * 0.15, rtol=1e-12)


def test_one_percent_fades_of_two_causes_do_not_add():
    """Independent log-normals add their variances: 0.1 and 0.1 make 4.96 dB at 1 %, not the 6.83 dB of the sum."""
    one, both = lognormal_fade_loss_db(0.1, 0.01), lognormal_fade_loss_db(0.2, 0.01)
    assert_allclose([2 * one, both], [6.825, 4.952], atol=2e-3)
    rng = np.random.default_rng(3)
    power = np.exp(np.sqrt(0.1) * rng.standard_normal((2, 400_000)) - 0.05).prod(axis=0)
    assert_allclose(both, -10 * np.log10(np.quantile(power, 0.01)), atol=0.03)  # three sigma of the quantile


@settings(max_examples=15, deadline=None)
@given(st.floats(0.05, 1.5), st.floats(0.0, 0.6), st.lists(st.floats(10.0, 90.0), min_size=1, max_size=3))
def test_aperture_averaging_never_exceeds_the_point(diameter_m, obscuration, elevations):
    layers = Layers(np.array([500.0, 9000.0]), np.array([1e-12, 2e-13]))
    path = {"wavelength_m": 1.55e-6, "elevation_deg": np.array(elevations)}
    variance = aperture_averaged_variance(layers, **path, aperture_diameter_m=diameter_m, obscuration_ratio=obscuration)
    assert variance.shape == (len(elevations),)
    assert (variance > 0).all()
    assert (variance < rytov_variance(layers, **path, coefficient=2.2523)).all()


AVERAGED = {**C_BAND, "aperture_diameter_m": 0.4}


@pytest.mark.parametrize(
    ("call", "named", "value"),
    [
        (lambda: rytov_variance(HV57, wavelength_m=1.55e-6, elevation_deg=91.0), "elevation_deg", "91.0"),
        (lambda: scintillation_index(-0.5), "rytov", "-0.5"),
        (lambda: scintillation_index(np.nan), "rytov", "nan"),
        (lambda: aperture_averaged_variance(HV57, **AVERAGED | {"aperture_diameter_m": -0.4}), "diameter", "-0.4"),
        (lambda: aperture_averaged_variance(HV57, **AVERAGED, obscuration_ratio=1.0), "obscuration", "1.0"),
        (lambda: aperture_averaged_variance_p1622(HV57, **C_BAND, aperture_diameter_m=-0.4), "diameter", "-0.4"),
        (lambda: lognormal_fade_loss_db(-0.1, 0.01), "log_irradiance_variance", "-0.1"),
        (lambda: lognormal_fade_loss_db(0.1, 1.0), "probability", "1.0"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_its_name_value_and_range(call, named, value):
    with pytest.raises(ValueError, match="expected") as refusal:
        call()
    assert named in str(refusal.value)
    assert value in str(refusal.value)
