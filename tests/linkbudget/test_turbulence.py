"""Turbulence integrals and scintillation against quadrature, closed forms, printed tables and scipy's distributions."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.special import gamma, hyp1f1, j1
from scipy.stats import lognorm

from eqci_space.linkbudget.turbulence import (
    Layers,
    aperture_averaged_variance,
    aperture_averaged_variance_p1622,
    aperture_averaging_asymptote_coefficient,
    bufton_wind_m_s,
    cn2_moment,
    coherence_time_s,
    fried_parameter_m,
    greenwood_frequency_hz,
    hufnagel_valley_layers,
    isoplanatic_angle_rad,
    lognormal_fade_loss_db,
    rms_wind_bufton_m_s,
    rms_wind_p1621_m_s,
    rytov_variance,
    scintillation_index,
    tabulated_layers,
    turbulence_scale_height_m,
)

HV57 = hufnagel_valley_layers()
C_BAND = {"wavelength_m": 1.55e-6, "elevation_deg": 90.0}


def _cn2(above_ground_m, site_m, wind=21.0, ground=1.7e-14):
    sea = above_ground_m + site_m
    high = 0.00594 * (wind / 27) ** 2 * (1e-5 * sea) ** 10 * np.exp(-sea / 1e3)
    return high + 2.7e-16 * np.exp(-sea / 1.5e3) + ground * np.exp(-above_ground_m / 100)


# ---------------------------------------------------------------- profiles and their moments


@pytest.mark.parametrize("order", [0.0, 5 / 6, 5 / 3, 2.0])
@pytest.mark.parametrize(("site_m", "telescope_m"), [(0.0, 0.0), (500.0, 0.0), (2390.0, 20.0), (0.0, 500.0)])
def test_moments_of_hufnagel_valley_are_those_of_adaptive_quadrature(order, site_m, telescope_m):
    """The adaptive quadrature is asked for 1e-11; h^(5/6) has a steep foot at the telescope that costs 1e-8."""
    layers = hufnagel_valley_layers(site_height_msl_m=site_m, lower_height_m=telescope_m)
    edges = [telescope_m, *(e + telescope_m for e in (30, 100, 300, 1e3, 3e3, 8e3, 2e4, 5e4)), 1e5]
    expected = sum(
        quad(lambda h: _cn2(h, site_m) * (h - telescope_m) ** order, a, b, epsabs=0, epsrel=1e-11)[0]
        for a, b in pairwise(edges)
    )
    assert_allclose(cn2_moment(layers, order), expected, rtol=1e-9 if order != 5 / 6 else 2e-8)


def test_default_profile_is_hufnagel_valley_five_seven():
    """Named after r0 = 5 cm and θ0 = 7 µrad at 500 nm in the zenith; the constants give 4.961 cm and 6.894 µrad."""
    green = {"wavelength_m": 500e-9, "elevation_deg": 90.0}
    assert_allclose(fried_parameter_m(HV57, **green), 0.04961, rtol=2e-4)
    assert_allclose(isoplanatic_angle_rad(HV57, **green), 6.894e-6, rtol=2e-4)
    assert round(100 * float(fried_parameter_m(HV57, **green))) == 5
    assert round(1e6 * float(isoplanatic_angle_rad(HV57, **green))) == 7


def test_surface_layer_follows_the_terrain():
    """Ground turbulence of a 500 m site is there; heights above the sea fed as heights above ground lose it.

    19.3 cm at sea level, 19.9 cm at 500 m (only the upper terms thin out), 51.7 cm with the wrong datum.
    """
    assert_allclose(fried_parameter_m(HV57, **C_BAND), 0.1928, rtol=5e-4)
    site = hufnagel_valley_layers(site_height_msl_m=500.0)
    ground_term, _ = quad(lambda h: _cn2(h, 500.0), 0, 3e3, epsrel=1e-11)
    above, _ = quad(lambda h: _cn2(h, 500.0), 3e3, 1e5, epsrel=1e-11, limit=200)
    expected = (0.423 * (2 * np.pi / 1.55e-6) ** 2 * (ground_term + above)) ** -0.6
    assert_allclose(fried_parameter_m(site, **C_BAND), expected, rtol=1e-8)
    assert_allclose(fried_parameter_m(site, **C_BAND), 0.1990, rtol=5e-4)
    wrong = hufnagel_valley_layers(lower_height_m=500.0)
    assert_allclose(fried_parameter_m(wrong, **C_BAND), 0.517, rtol=5e-4)


def test_heights_of_layers_are_counted_from_the_telescope():
    raised = hufnagel_valley_layers(lower_height_m=100.0)
    assert 0 < raised.height_m[0] < 1
    assert (np.diff(raised.height_m) > 0).all()
    assert_allclose(raised.height_m[-1], 1e5 - 100, rtol=1e-2)  # the last Gauss node lies just below the end


def test_scale_height_of_itu_r_p1622():
    """z0 = (μ_2/μ_{5/6})^(6/7) by quadrature: 7844 m."""
    second, _ = quad(lambda h: _cn2(h, 0) * h**2, 0, 1e5, limit=400, epsabs=0, epsrel=1e-10)
    low, _ = quad(lambda h: _cn2(h, 0) * h ** (5 / 6), 0, 1e5, limit=400, epsabs=0, epsrel=1e-10)
    assert_allclose(turbulence_scale_height_m(HV57), (second / low) ** (6 / 7), rtol=1e-8)
    assert_allclose(turbulence_scale_height_m(HV57), 7844, rtol=1e-4)


def test_uniform_layer_has_the_moments_of_a_power_law():
    """∫ C h^p dh = C H^(p+1)/(p+1); two-point Gauss is exact to the second power of a linear profile."""
    slab = tabulated_layers(np.array([0.0, 2000.0]), np.array([3e-16, 3e-16]))
    for order in (0, 1, 2):
        assert_allclose(cn2_moment(slab, order), 3e-16 * 2000.0 ** (order + 1) / (order + 1), rtol=1e-13)


def test_moments_of_a_linear_profile_are_exact_to_the_second_power():
    """Cn² = C (1 - h/H): ∫ Cn² h^p dh = C H^(p+1)/((p+1)(p+2))."""
    wedge = tabulated_layers(np.array([0.0, 1000.0]), np.array([1e-15, 0.0]))
    for order in (0, 1, 2):
        expected = 1e-15 * 1000.0 ** (order + 1) / ((order + 1) * (order + 2))
        assert_allclose(cn2_moment(wedge, order), expected, rtol=1e-13)


def test_fine_table_of_hufnagel_valley_gives_its_integrals():
    """Straight lines between 700 logarithmic heights: 1e-3 by the curvature between them."""
    height = np.concatenate([[0.0], np.geomspace(1.0, 6e4, 700)])
    table = tabulated_layers(height, _cn2(height, 0.0))
    for order in (0.0, 5 / 6, 2.0):
        assert_allclose(cn2_moment(table, order), cn2_moment(HV57, order), rtol=1e-3)


def test_two_explicit_layers_give_the_sum_of_their_strengths():
    """Strengths are Cn² dh: 1.2e-12 m^(1/3) in total, so r0 = (0.423 k² 1.2e-12)^(-3/5) = 28.0 cm at 1550 nm."""
    layers = Layers(np.array([0.0, 10_000.0]), np.array([1e-12, 2e-13]))
    k = 4.053668e6  # 2π/1550 nm
    assert_allclose(fried_parameter_m(layers, **C_BAND), (0.423 * k**2 * 1.2e-12) ** -0.6, rtol=1e-6)
    assert_allclose(isoplanatic_angle_rad(layers, **C_BAND), (2.914 * k**2 * 2e-13 * 1e4 ** (5 / 3)) ** -0.6, rtol=1e-6)
    assert_allclose(rytov_variance(layers, **C_BAND), 2.25 * k ** (7 / 6) * 2e-13 * 1e4 ** (5 / 6), rtol=1e-6)


def test_strength_is_cn2_times_thickness_and_may_be_split():
    """Handing over Cn² instead of Cn² dh would make the answer depend on the number of layers."""
    whole = Layers(np.array([3000.0]), np.array([4e-13]))
    halves = Layers(np.array([3000.0, 3000.0]), np.array([2e-13, 2e-13]))
    assert_allclose(fried_parameter_m(halves, **C_BAND), fried_parameter_m(whole, **C_BAND), rtol=1e-14)


def test_layers_may_be_given_as_lists():
    assert_allclose(cn2_moment(Layers([0.0, 1000.0], [1e-13, 2e-13]), 1.0), 2e-10, rtol=1e-14)


# ---------------------------------------------------------------- r0, θ0, f_G, τ0


def test_structure_function_over_one_fried_parameter_is_six_point_eight_eight():
    """Fried 1966: D(r0) = 6.88 rad², D = 2.914 k² sec z μ_0 ρ^(5/3); 0.423 is 2.914/6.884 to 0.1 %."""
    for elevation, wavelength in ((90.0, 785e-9), (20.0, 1.55e-6)):
        r0 = fried_parameter_m(HV57, wavelength_m=wavelength, elevation_deg=elevation)
        k = 2 * np.pi / wavelength
        structure = 2.914 * k**2 / np.sin(np.radians(elevation)) * cn2_moment(HV57, 0.0) * r0 ** (5 / 3)
        assert_allclose(structure, 6.88, rtol=2e-3)


@pytest.mark.parametrize(("wavelength_m", "r0_m"), [(785e-9, 0.08523), (810e-9, 0.08850), (850e-9, 0.09377)])
def test_fried_parameter_of_hv57_in_the_near_infrared(wavelength_m, r0_m):
    """The 4.961 cm at 500 nm times (λ/500 nm)^(6/5)."""
    r0 = fried_parameter_m(HV57, wavelength_m=wavelength_m, elevation_deg=90.0)
    assert_allclose(r0, r0_m, rtol=1e-3)
    assert_allclose(r0, 0.049608 * (wavelength_m / 500e-9) ** 1.2, rtol=1e-4)


def test_slant_paths_scale_with_powers_of_the_secant():
    """At 30 deg sec z = 2: r0 by 2^(-3/5), θ0 by 2^(-8/5), the Rytov variance by 2^(11/6)."""
    low = {"wavelength_m": 1.55e-6, "elevation_deg": 30.0}
    assert_allclose(fried_parameter_m(HV57, **low) / fried_parameter_m(HV57, **C_BAND), 2**-0.6, rtol=1e-12)
    assert_allclose(isoplanatic_angle_rad(HV57, **low) / isoplanatic_angle_rad(HV57, **C_BAND), 2**-1.6, rtol=1e-12)
    assert_allclose(rytov_variance(HV57, **low) / rytov_variance(HV57, **C_BAND), 2 ** (11 / 6), rtol=1e-12)


def test_greenwood_frequency_and_coherence_time_of_one_windy_layer():
    """Frozen flow: f_G = 0.427 v/r0 (Greenwood 1977) and τ0 = 0.314 r0/v (Roddier 1981); their product is 0.134.

    The printed constants are rounded: 3e-3.
    """
    layer = Layers(np.array([8000.0]), np.array([5e-13]))
    r0 = fried_parameter_m(layer, **C_BAND)
    frequency = greenwood_frequency_hz(layer, np.array([25.0]), **C_BAND)
    time = coherence_time_s(layer, np.array([25.0]), **C_BAND)
    assert_allclose(frequency, 0.427 * 25 / r0, rtol=3e-3)
    assert_allclose(time, 0.314 * r0 / 25, rtol=2e-3)
    assert_allclose(frequency * time, 0.1338, rtol=5e-4)


def test_slew_of_the_telescope_dominates_the_wind_of_a_low_pass():
    """1 deg/s is 0.0174533 rad/s: 174.5 m/s at 10 km on top of the still-telescope wind."""
    still = bufton_wind_m_s(1e4)
    assert_allclose(still, 5 + 30 * np.exp(-((600 / 4800) ** 2)), rtol=1e-14)
    assert_allclose(bufton_wind_m_s(1e4, slew_rate_rad_s=np.radians(1.0)) - still, 174.53, rtol=1e-4)


@pytest.mark.parametrize("ground", [0.0, 2.8, 5.0, 12.0])
def test_bufton_wind_has_the_mean_square_of_adaptive_quadrature(ground):
    """Also the well-known polynomial √(v² + 30.69 v + 348.91), rounded to 1e-4."""
    square, _ = quad(lambda h: (ground + 30 * np.exp(-(((h - 9400) / 4800) ** 2))) ** 2, 5e3, 20e3, epsrel=1e-12)
    value = rms_wind_bufton_m_s(ground_wind_m_s=ground)
    assert_allclose(value, np.sqrt(square / 15e3), rtol=1e-11)
    assert_allclose(value, np.sqrt(ground**2 + 30.69 * ground + 348.91), rtol=1e-4)


def test_itu_wind_of_a_light_breeze_is_that_of_hv57():
    """ITU-R P.1621: 2.8 m/s at the ground belong to the customary 21 m/s aloft (21.36, printed as 21)."""
    assert_allclose(rms_wind_p1621_m_s(2.8), 21.0, atol=0.5)
    assert_allclose(rms_wind_p1621_m_s(5.0), np.sqrt(25 + 165.55 + 360.31), rtol=1e-12)
    assert 1.01 < rms_wind_p1621_m_s(5.0) / rms_wind_bufton_m_s(ground_wind_m_s=5.0) < 1.03


# ---------------------------------------------------------------- scintillation


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


# ---------------------------------------------------------------- aperture averaging


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


# ---------------------------------------------------------------- fades


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


# ---------------------------------------------------------------- shapes and refusals


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(0.5e-6, 2e-6), min_size=1, max_size=3),
    st.lists(st.floats(5.0, 90.0), min_size=1, max_size=4),
)
def test_wavelengths_and_elevations_broadcast(wavelengths, elevations):
    path = {"wavelength_m": np.array(wavelengths)[:, None], "elevation_deg": np.array(elevations)}
    shape = (len(wavelengths), len(elevations))
    for function in (fried_parameter_m, isoplanatic_angle_rad, rytov_variance):
        value = function(HV57, **path)
        assert value.shape == shape
        assert (value > 0).all()
    wind = bufton_wind_m_s(HV57.height_m)
    assert greenwood_frequency_hz(HV57, wind, **path).shape == shape
    assert coherence_time_s(HV57, wind, **path).shape == shape


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
        (lambda: hufnagel_valley_layers(rms_wind_m_s=-21.0), "rms_wind_m_s", "-21.0"),
        (lambda: hufnagel_valley_layers(ground_cn2_m_neg_2_3=-1e-14), "ground_cn2_m_neg_2_3", "-1e-14"),
        (lambda: hufnagel_valley_layers(lower_height_m=-5.0), "height", "-5.0"),
        (lambda: hufnagel_valley_layers(lower_height_m=100.0, upper_height_m=50.0), "height", "50.0"),
        (lambda: hufnagel_valley_layers(rms_wind_m_s=np.nan), "rms_wind_m_s", "nan"),
        (lambda: hufnagel_valley_layers(site_height_msl_m=np.nan), "site_height_msl_m", "nan"),
        (lambda: tabulated_layers(np.array([100.0, 0.0]), np.array([1e-15, 1e-15])), "height", ""),
        (lambda: tabulated_layers(np.array([-5.0, 100.0]), np.array([1e-15, 1e-15])), "height", "-5"),
        (lambda: tabulated_layers(np.array([0.0, 100.0]), np.array([1e-15, -1e-15])), "cn2_m_neg_2_3", "-1e-15"),
        (lambda: Layers(np.array([-1.0]), np.array([1e-13])), "height", "-1"),
        (lambda: Layers(np.array([1.0, 2.0]), np.array([1e-13])), "Layers", "(2,)"),
        (lambda: fried_parameter_m(HV57, wavelength_m=1550.0, elevation_deg=90.0), "wavelength", "1550.0"),
        (lambda: fried_parameter_m(HV57, wavelength_m=1.55, elevation_deg=90.0), "wavelength", "1.55"),
        (lambda: fried_parameter_m(HV57, wavelength_m=1.55e-6, elevation_deg=0.0), "elevation_deg", "0.0"),
        (lambda: isoplanatic_angle_rad(HV57, wavelength_m=1.55e-6, elevation_deg=-3.0), "elevation_deg", "-3.0"),
        (lambda: rytov_variance(HV57, wavelength_m=1.55e-6, elevation_deg=91.0), "elevation_deg", "91.0"),
        (lambda: scintillation_index(-0.5), "rytov", "-0.5"),
        (lambda: scintillation_index(np.nan), "rytov", "nan"),
        (lambda: bufton_wind_m_s(1e4, ground_wind_m_s=-5.0), "ground_wind_m_s", "-5.0"),
        (lambda: bufton_wind_m_s(1e4, tropopause_thickness_m=0.0), "tropopause_thickness_m", "0.0"),
        (lambda: rms_wind_bufton_m_s(lower_height_m=2e4, upper_height_m=5e3), "height", "20000"),
        (lambda: rms_wind_p1621_m_s(-5.0), "ground_wind_m_s", "-5.0"),
        (lambda: greenwood_frequency_hz(HV57, np.ones(3), **C_BAND), "wind_m_s", "(3,)"),
        (lambda: greenwood_frequency_hz(HV57, -np.ones(HV57.height_m.size), **C_BAND), "wind_m_s", "-1"),
        (lambda: coherence_time_s(HV57, np.ones(3), **C_BAND), "wind_m_s", "(3,)"),
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
