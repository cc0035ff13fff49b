"""Closed forms of beams against integrals of the irradiance, the exact diffraction, and published gains."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import quad

from eqci_space.linkbudget.beam import diffraction_loss_db
from eqci_space.linkbudget.closed_forms import (
    aperture_power_fraction,
    divergence_half_angle_rad,
    friis_loss_db,
    gaussian_bucket_loss_db,
    gaussian_divergence_full_angle_rad,
    on_axis_gain_efficiency,
    optimum_truncation_ratio,
    receiver_obscuration_loss_db,
    uniform_disc_loss_db,
    wavefront_loss_db,
)

# ---------------------------------------------------------------- what "divergence" means


def test_full_angle_taken_for_the_half_angle_costs_six_decibels():
    """10 µrad as 1/e² half or full angle: a factor of two in angle, 6.02 dB on axis."""
    half, full = (divergence_half_angle_rad(1e-5, d) for d in ("half_1e2", "full_1e2"))
    assert_allclose([half, full], [1e-5, 5e-6], rtol=1e-14)
    assert_allclose(20 * np.log10(half / full), 6.0206, atol=1e-4)


def test_full_width_at_half_maximum_halves_the_irradiance():
    """At half of the full width exp(-2 θ²/θd²) = 1/2; θd = FWHM/√(2 ln 2) = 0.8493 FWHM."""
    angle = divergence_half_angle_rad(1e-5, "fwhm")
    assert_allclose(np.exp(-2 * (0.5e-5 / angle) ** 2), 0.5, rtol=1e-12)
    assert_allclose(angle, 0.8493e-5, rtol=1e-4)


def test_uniform_disc_and_gaussian_agree_on_the_axis():
    """Peak of a Gaussian 2P/(π θd² L²) equals P over the disc's area π (full L/2)²."""
    full, range_m, diameter = 1e-5, 1.2e6, 0.01
    angle = divergence_half_angle_rad(full, "uniform_disc")
    assert_allclose(2 / (np.pi * angle**2), 1 / (np.pi * (full / 2) ** 2), rtol=1e-12)
    gaussian = gaussian_bucket_loss_db(beam_radius_m=angle * range_m, aperture_diameter_m=diameter)
    disc = uniform_disc_loss_db(divergence_full_angle_rad=full, range_m=range_m, aperture_diameter_m=diameter)
    assert_allclose(gaussian, disc, atol=1e-5)  # a small receiver sees the axis alone


def test_three_decibels_hang_on_the_word_divergence():
    """Micius, 10 µrad over 1200 km into 1 m: 21.58 dB as a disc, 18.6 dB as 1/e² full angle of a Gaussian."""
    disc = uniform_disc_loss_db(divergence_full_angle_rad=1e-5, range_m=1.2e6, aperture_diameter_m=1.0)
    angle = divergence_half_angle_rad(1e-5, "full_1e2")
    gaussian = gaussian_bucket_loss_db(beam_radius_m=1.2e6 * angle, aperture_diameter_m=1.0)
    assert_allclose(disc, 21.5836, atol=1e-4)
    assert_allclose(gaussian, 18.6, atol=0.05)


# ---------------------------------------------------------------- gains and buckets


@pytest.mark.parametrize(
    ("obscuration", "gain"), [(0.0, 0.8145), (0.1, 0.7865), (0.2, 0.7088), (0.3, 0.5971), (0.4, 0.4695)]
)
def test_largest_gains_of_klein_and_degnan(obscuration, gain):
    """Klein and Degnan 1974; their fit of the optimum, 1.12 - 1.30γ² + 2.12γ⁴, is good to 0.011."""
    alpha = optimum_truncation_ratio(obscuration)
    assert_allclose(on_axis_gain_efficiency(obscuration_ratio=obscuration, truncation_ratio=alpha), gain, atol=6e-5)
    assert_allclose(alpha, 1.12 - 1.30 * obscuration**2 + 2.12 * obscuration**4, atol=0.011)


def test_optimum_truncation_is_the_root_of_the_derivative():
    """Without obscuration d/dα = 0 reads e^(α²) = 1 + 2α²: α = 1.12091."""
    alpha = optimum_truncation_ratio(0.0)
    assert_allclose(alpha, 1.12091, atol=1e-5)
    assert_allclose(np.exp(alpha**2), 1 + 2 * alpha**2, rtol=1e-6)


def test_gain_efficiency_is_the_squared_mean_field():
    """On axis |∫E dA|²/(A ∫_all E² dA) of the obscured Gaussian by quadrature; A is the full disc."""
    a, g = 1.3, 0.35
    field, _ = quad(lambda r: 2 * np.pi * r * np.exp(-((a * r) ** 2)), g, 1)
    power = np.pi / (2 * a**2)
    value = on_axis_gain_efficiency(obscuration_ratio=g, truncation_ratio=a)
    assert_allclose(value, field**2 / (np.pi * power), rtol=1e-12)


def test_power_fraction_is_the_integral_of_the_irradiance():
    a, g = 1.1, 0.3
    inside, _ = quad(lambda r: 4 * a**2 * r * np.exp(-2 * (a * r) ** 2), g, 1)
    assert_allclose(aperture_power_fraction(obscuration_ratio=g, truncation_ratio=a), inside, rtol=1e-12)
    assert_allclose(aperture_power_fraction(obscuration_ratio=0.0, truncation_ratio=1.0), 1 - np.exp(-2), rtol=1e-12)


def test_reference_at_the_exit_or_the_laser_differs_by_the_truncated_power():
    """At the optimum of Klein and Degnan: 0.37 dB of the clear aperture, 1.5 dB at an obscuration of 0.3."""
    for obscuration, loss in ((0.0, 0.37), (0.3, 1.5)):
        alpha = optimum_truncation_ratio(obscuration)
        fraction = aperture_power_fraction(obscuration_ratio=obscuration, truncation_ratio=alpha)
        assert_allclose(-10 * np.log10(fraction), loss, atol=0.05)


def test_gaussian_bucket_is_the_integral_over_the_aperture():
    """Half the beam in an aperture of D = w √(2 ln 2): 3.0103 dB; and quadrature."""
    assert_allclose(gaussian_bucket_loss_db(beam_radius_m=1.0, aperture_diameter_m=np.sqrt(2 * np.log(2))), 3.0103)
    caught, _ = quad(lambda r: 4 * r / 9 * np.exp(-2 * r**2 / 9), 0, 0.4)
    value = gaussian_bucket_loss_db(beam_radius_m=3.0, aperture_diameter_m=0.8)
    assert_allclose(value, -10 * np.log10(caught), rtol=1e-10)


def test_receiver_obscuration_is_close_to_the_lost_area():
    """-10 lg(1 - 0.09) = 0.4096 dB, within 1e-3 dB of the exact pattern."""
    loss = receiver_obscuration_loss_db(
        np.array([6e5, 1.2e6]), rx_obscuration_ratio=0.3, wavelength_m=850e-9, tx_aperture_diameter_m=0.08,
        tx_obscuration_ratio=0.0, tx_beam_radius_m=0.035, rx_aperture_diameter_m=0.8,
    )  # fmt: skip
    assert_allclose(loss, -10 * np.log10(0.91), atol=2e-3)
    assert_allclose(-10 * np.log10(0.91), 0.4096, atol=5e-5)


# ---------------------------------------------------------------- Friis


def test_friis_is_two_gains_and_the_free_space_loss():
    """20 lg(4πL/λ) - 20 lg(πDt/λ) - 20 lg(πDr/λ)."""
    wavelength, range_m, tx, rx = 850e-9, 1e6, 0.08, 0.8
    parts = [20 * np.log10(x) for x in (4 * np.pi * range_m / wavelength, np.pi * tx / wavelength,
                                        np.pi * rx / wavelength)]  # fmt: skip
    value = friis_loss_db(
        wavelength_m=wavelength, range_m=range_m, tx_aperture_diameter_m=tx, rx_aperture_diameter_m=rx
    )
    assert_allclose(value, parts[0] - parts[1] - parts[2], rtol=1e-12)


def test_friis_of_the_lunar_laser_link():
    """LLCD (10.8 cm at 1550 nm, 384 400 km, 80 cm): 309.87 - 106.80 - 124.20 = 78.87 dB, sums of printed digits."""
    value = friis_loss_db(
        wavelength_m=1.55e-6, range_m=3.844e8, tx_aperture_diameter_m=0.108, rx_aperture_diameter_m=0.8
    )
    assert_allclose(value, 309.87 - 106.80 - 124.20, atol=0.015)


def test_friis_and_the_gain_efficiency_make_the_exact_diffraction():
    """A receiver far smaller than the spot: laser-referred loss = Friis - 10 lg g."""
    link = {"wavelength_m": 850e-9, "tx_aperture_diameter_m": 0.08, "rx_aperture_diameter_m": 0.1}
    exact = diffraction_loss_db(
        np.array([1e6]), **link, tx_obscuration_ratio=0.2, tx_beam_radius_m=0.04, reference="laser"
    )
    gain = on_axis_gain_efficiency(obscuration_ratio=0.2, truncation_ratio=1.0)
    assert_allclose(exact, friis_loss_db(range_m=1e6, **link) - 10 * np.log10(gain), atol=2e-4)


def test_divergence_of_a_waist_is_that_of_the_exact_beam():
    """2λ/(π w0): 9.868 µrad of 10 cm at 1550 nm; w(L) = w0 √(1 + (L/zR)²) grows by half of it."""
    angle = gaussian_divergence_full_angle_rad(wavelength_m=1.55e-6, beam_radius_m=0.1)
    assert_allclose(angle, 9.8676e-6, rtol=1e-5)
    rayleigh = np.pi * 0.1**2 / 1.55e-6
    assert_allclose(angle / 2, 0.1 * np.sqrt(1 + (1e9 / rayleigh) ** 2) / 1e9, rtol=1e-8)


def test_strehl_loss_of_a_wavefront_error():
    """λ/14 is Maréchal's Strehl ratio of 0.8 (0.818 in the exponential form): 0.875 dB."""
    assert_allclose(wavefront_loss_db(1 / 14), -10 * np.log10(np.exp(-((2 * np.pi / 14) ** 2))), rtol=1e-12)
    assert_allclose(10 ** (-wavefront_loss_db(1 / 14) / 10), 0.818, atol=1e-3)
    assert wavefront_loss_db(0.0) == 0.0


def test_strehl_loss_is_that_of_gaussian_phases():
    """|⟨e^(iφ)⟩|² over 400 000 normal phases of λ/10 rms: 0.674 to 3e-3."""
    phase = 2 * np.pi * 0.1 * np.random.default_rng(2).standard_normal(400_000)
    assert_allclose(10 ** (-wavefront_loss_db(0.1) / 10), np.abs(np.exp(1j * phase).mean()) ** 2, atol=3e-3)


# ---------------------------------------------------------------- properties and refusals


@settings(max_examples=60, deadline=None)
@given(st.floats(0.0, 0.9), st.lists(st.floats(0.05, 4.0), min_size=1, max_size=5))
def test_gain_and_power_are_transmittances(obscuration, alphas):
    alphas = np.array(alphas)
    gain = on_axis_gain_efficiency(obscuration_ratio=obscuration, truncation_ratio=alphas)
    power = aperture_power_fraction(obscuration_ratio=obscuration, truncation_ratio=alphas)
    assert gain.shape == power.shape == alphas.shape
    assert ((gain >= 0) & (power <= 1)).all()
    assert (gain <= power * (1 - obscuration**2) + 1e-12).all()  # Cauchy-Schwarz over the annulus


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.1, 1e3), min_size=1, max_size=5), st.floats(0.01, 10.0))
def test_bucket_loses_and_keeps_its_shape(radii, diameter):
    loss = gaussian_bucket_loss_db(beam_radius_m=np.array(radii), aperture_diameter_m=diameter)
    assert loss.shape == (len(radii),)
    assert (loss >= 0).all()


FRIIS = {"wavelength_m": 850e-9, "range_m": 1e6, "tx_aperture_diameter_m": 0.1, "rx_aperture_diameter_m": 0.8}
DISC = {"divergence_full_angle_rad": 1e-5, "range_m": 1e6, "aperture_diameter_m": 1.0}


@pytest.mark.parametrize(
    ("call", "named", "value"),
    [
        (lambda: divergence_half_angle_rad(1e-5, "1/e2"), "definition", "1/e2"),
        (lambda: divergence_half_angle_rad(1e-5), "definition = None of value_rad", "1e-05"),
        (lambda: divergence_half_angle_rad(10.0, "fwhm"), "divergence_half_angle_rad", "10.0"),
        (lambda: divergence_half_angle_rad(-1e-5, "fwhm"), "divergence_half_angle_rad", "-1e-05"),
        (lambda: on_axis_gain_efficiency(obscuration_ratio=1.0, truncation_ratio=1.0), "obscuration_ratio", "1.0"),
        (lambda: on_axis_gain_efficiency(obscuration_ratio=0.0, truncation_ratio=0.0), "truncation_ratio", "0.0"),
        (lambda: aperture_power_fraction(obscuration_ratio=-0.1, truncation_ratio=1.0), "obscuration_ratio", "-0.1"),
        (lambda: aperture_power_fraction(obscuration_ratio=0.0, truncation_ratio=-1.0), "truncation_ratio", "-1.0"),
        (lambda: optimum_truncation_ratio(1.5), "obscuration_ratio", "1.5"),
        (lambda: gaussian_bucket_loss_db(beam_radius_m=-1.0, aperture_diameter_m=1.0), "beam_radius_m", "-1.0"),
        (lambda: gaussian_bucket_loss_db(beam_radius_m=1.0, aperture_diameter_m=0.0), "aperture_diameter_m", "0.0"),
        (lambda: uniform_disc_loss_db(**DISC | {"divergence_full_angle_rad": -1e-5}), "divergence_full_angle_rad",
         "-1e-05"),
        (lambda: uniform_disc_loss_db(**DISC | {"range_m": -1e6}), "range_m", "-1000000.0"),
        (lambda: gaussian_divergence_full_angle_rad(wavelength_m=1550.0, beam_radius_m=0.1), "wavelength_m", "1550.0"),
        (lambda: gaussian_divergence_full_angle_rad(wavelength_m=1.55e-6, beam_radius_m=-0.1), "beam_radius_m", "-0.1"),
        (lambda: friis_loss_db(**FRIIS | {"wavelength_m": 850.0}), "wavelength_m", "850.0"),
        (lambda: friis_loss_db(**FRIIS | {"range_m": 0.0}), "range_m", "0.0"),
        (lambda: friis_loss_db(**FRIIS | {"tx_aperture_diameter_m": -0.1}), "tx_aperture_diameter_m", "-0.1"),
        (lambda: wavefront_loss_db(-0.1), "wavefront", "-0.1"),
        (lambda: wavefront_loss_db(50e-9 * 1e9), "wavefront", "50"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_its_name_value_and_range(call, named, value):
    with pytest.raises(ValueError, match="expected") as refusal:
        call()
    assert named in str(refusal.value)
    assert value in str(refusal.value)


def test_disc_smaller_than_the_receiver_is_no_gain():
    """At 1 km 10 µrad make a disc of 1 cm, all of it inside 1 m: the loss is 0 dB, never negative."""
    loss = uniform_disc_loss_db(divergence_full_angle_rad=1e-5, range_m=1e3, aperture_diameter_m=1.0)
    assert loss == 0.0
