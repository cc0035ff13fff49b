"""Turbulence profiles and their integrals against quadrature, closed forms and the printed numbers of HV 5/7."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import quad

from eqci_space.linkbudget.scintillation import (
    rytov_variance,
)
from eqci_space.linkbudget.turbulence import (
    Layers,
    cn2_moment,
    fried_parameter_m,
    hufnagel_valley_layers,
    isoplanatic_angle_rad,
    tabulated_layers,
    turbulence_scale_height_m,
)
from eqci_space.linkbudget.winds import (
    bufton_wind_m_s,
    coherence_time_s,
    greenwood_frequency_hz,
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


# ---------------------------------------------------------------- r0, θ0


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
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_its_name_value_and_range(call, named, value):
    with pytest.raises(ValueError, match="expected") as refusal:
        call()
    assert named in str(refusal.value)
    assert value in str(refusal.value)
