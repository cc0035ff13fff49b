"""Dark and sky clicks per gate, the gate itself, dead time, and errors of the state, against chance and quadrature."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import norm

from eqci_space.linkbudget.detector import (
    clock_error_s,
    dead_time_factor,
    doppler_phase_error,
    extraneous_probability,
    gate_transmittance,
    neighbour_transmittance,
    polarisation_error,
)
from eqci_space.linkbudget.pass_geometry import doppler_shift_hz


def test_dark_clicks_of_a_gate():
    """500 dark counts a second in a gate of 1 ns: 5e-7, the noise of SatQuMA's default system."""
    chance = extraneous_probability(dark_count_rate_hz=500.0, background_hz=0.0, detectors=2, gate_s=1e-9)
    assert_allclose(chance, 5e-7, rtol=1e-6)


def test_probability_is_one_minus_the_empty_poisson_gate():
    """A mean of one count fires with 1 - 1/e = 0.632121, not with certainty."""
    chance = extraneous_probability(dark_count_rate_hz=4e8, background_hz=1.2e9, detectors=2, gate_s=1e-9)
    assert_allclose(chance, 0.6321205588, rtol=1e-9)


def test_sky_light_is_shared_among_the_detectors_and_dark_counts_are_not():
    sky = np.array([0.0, 1e4, 4e4])
    two = extraneous_probability(dark_count_rate_hz=300.0, background_hz=sky, detectors=2, gate_s=1e-9)
    four = extraneous_probability(dark_count_rate_hz=300.0, background_hz=2 * sky, detectors=4, gate_s=1e-9)
    assert_allclose(four, two, rtol=1e-12)
    assert_allclose(two, [3e-7, 5.3e-6, 2.03e-5], rtol=2e-5)


def test_small_probabilities_keep_their_digits():
    chance = extraneous_probability(dark_count_rate_hz=1e-3, background_hz=0.0, detectors=1, gate_s=1e-10)
    assert_allclose(chance, 1e-13, rtol=1e-12)


@pytest.mark.parametrize("wrong", [{"dark_count_rate_hz": -1.0}, {"gate_s": 0.0}, {"gate_s": -1e-9}, {"detectors": 0}])
def test_impossible_detector_is_refused(wrong):
    detector = {"dark_count_rate_hz": 300.0, "detectors": 2, "gate_s": 1e-9} | wrong
    with pytest.raises(ValueError, match=next(iter(wrong))):
        extraneous_probability(background_hz=1.0, **detector)


# ---------------------------------------------------------------- the gate


@pytest.mark.parametrize(("width", "share"), [(2.0, 0.682689), (4.0, 0.954500), (6.0, 0.997300)])
def test_gate_of_some_standard_deviations_holds_the_normal_share(width, share):
    """68.27, 95.45 and 99.73 %, and the normal distribution of scipy."""
    value = gate_transmittance(gate_s=width * 150e-12, timing_jitter_s=150e-12)
    assert_allclose(value, share, atol=1e-6)
    assert_allclose(value, norm.cdf(width / 2) - norm.cdf(-width / 2), rtol=1e-12)


def test_full_width_at_half_maximum_is_not_the_standard_deviation():
    """350 ps FWHM are 148.6 ps; a gate of 1 ns then holds 99.92 %, and 84.7 % where the width is taken for σ."""
    right = gate_transmittance(gate_s=1e-9, timing_jitter_s=350e-12 / 2.354820)
    wrong = gate_transmittance(gate_s=1e-9, timing_jitter_s=350e-12)
    assert_allclose([right, wrong], [0.99923, 0.84689], atol=2e-5)


def test_perfect_timing_fits_every_gate():
    assert gate_transmittance(gate_s=1e-10, timing_jitter_s=0.0) == 1.0


# ---------------------------------------------------------------- light in other gates


@pytest.mark.parametrize("jitter", [0.02, 0.15, 0.6, 1.0, 1.1, 3.0, 40.0])
@pytest.mark.parametrize("offset", [0.0, 0.3, -1.7, 12.25])
def test_gates_that_tile_the_time_take_all_light(jitter, offset):
    """Own gate and all others together: 1."""
    timing = {"gate_s": 1e-9, "timing_jitter_s": jitter * 1e-9, "offset_s": offset * 1e-9}
    total = gate_transmittance(**timing) + neighbour_transmittance(period_s=1e-9, **timing)
    assert_allclose(total, 1.0, atol=1e-9)


@pytest.mark.parametrize(
    ("period", "gate", "jitter", "share"),
    [(0.1, 0.1, 0.15, 0.738883), (1.0, 0.2, 0.35, 0.008455), (0.4, 0.4, 0.149, 0.179505), (0.5, 0.1, 0.8, 0.150165)],
)
def test_neighbours_take_the_normal_shares_of_their_gates(period, gate, jitter, share):
    """By normal integrals over 400 gates on either side, and 15.0 % of a jitter that fills all gates alike."""
    k = period * np.concatenate([np.arange(-400, 0), np.arange(1, 401)])
    exact = float(np.sum(norm.cdf(k + gate / 2, scale=jitter) - norm.cdf(k - gate / 2, scale=jitter)))
    value = neighbour_transmittance(gate_s=gate * 1e-9, period_s=period * 1e-9, timing_jitter_s=jitter * 1e-9)
    assert_allclose(value, exact, rtol=1e-6)
    assert_allclose(value, share, atol=1e-6)


@pytest.mark.parametrize(
    ("gate", "jitter", "offset"), [(0.3, 0.4, 0.2), (0.8, 0.2, 0.45), (0.5, 2.5, 0.0), (0.6, 0.9, 3.4)]
)  # fmt: skip
def test_neighbours_of_simulated_arrivals(gate, jitter, offset):
    """A million arrival times; those within half a gate of another pulse's gate: 4 sd."""
    arrival = offset + jitter * np.random.default_rng(8).standard_normal(1_000_000)
    slot = np.round(arrival)
    share = np.mean((np.abs(arrival - slot) <= gate / 2) & (slot != 0))
    times = {"gate_s": gate, "period_s": 1.0, "timing_jitter_s": jitter, "offset_s": -offset}
    value = neighbour_transmittance(**{name: 1e-9 * time for name, time in times.items()})
    assert_allclose(value, share, atol=4 * np.sqrt(share / 1e6) + 1e-6)


def test_perfect_timing_leaves_neighbours_nothing():
    assert neighbour_transmittance(gate_s=1e-9, period_s=1e-9, timing_jitter_s=0.0) == 0.0
    assert neighbour_transmittance(gate_s=1e-9, period_s=1e-8, timing_jitter_s=1.5e-10) == 0.0


def test_a_gate_beyond_the_period_is_refused():
    with pytest.raises(ValueError, match="gate_s = 2e-09 with period_s = 1e-09; expected a gate within the period"):
        neighbour_transmittance(gate_s=2e-9, period_s=1e-9, timing_jitter_s=0.0)


# ---------------------------------------------------------------- dead time


@pytest.mark.parametrize("load", [0.01, 0.3, 2.0])
def test_dead_time_of_a_renewal_process(load):
    """Poisson clicks, each registered one followed by a dead time: 400 000 arrivals, three sigma are 1 %."""
    rng = np.random.default_rng(21)
    arrival = np.cumsum(rng.exponential(1.0, 400_000)).tolist()  # rate 1, so that the load is the dead time
    registered, ready = 0, 0.0
    for moment in arrival:
        if moment >= ready:
            registered += 1
            ready = moment + load
    value = dead_time_factor(click_rate_hz=1e6, dead_time_s=load * 1e-6)
    assert_allclose(value, registered / len(arrival), rtol=0.01)


def test_registered_rate_saturates_at_one_click_per_dead_time():
    """10 µs of an InGaAs diode: never more than 100 kHz; at 100 kHz of clicks just half of them."""
    rate = np.array([0.0, 1e5, 1e9])
    factor = dead_time_factor(click_rate_hz=rate, dead_time_s=1e-5)
    assert_allclose(factor[:2], [1.0, 0.5], rtol=1e-12)
    assert_allclose(rate[2] * factor[2], 1e5, rtol=2e-4)


# ---------------------------------------------------------------- errors of the state


def test_polarisation_contrast_of_micius():
    """280 to 1: 1/281 = 0.356 %, printed as 0.36 %."""
    error = polarisation_error(frame_rotation_rad=0.0, extinction_ratio=280.0)
    assert_allclose(error, 1 / 281, rtol=1e-12)
    assert round(100 * float(error), 2) == 0.36


def test_rotated_frame_errs_as_malus():
    """sin² of the rotation: 1 deg is 0.0305 %, 45 deg a coin, 90 deg certainty; with a leak the mixture of both."""
    rotation = np.radians([1.0, 45.0, 90.0])
    assert_allclose(polarisation_error(frame_rotation_rad=rotation), [3.0459e-4, 0.5, 1.0], rtol=1e-4)
    mixed = polarisation_error(frame_rotation_rad=rotation, extinction_ratio=99.0)
    assert_allclose(mixed, 0.99 * np.sin(rotation) ** 2 + 0.01 * np.cos(rotation) ** 2, rtol=1e-12)


def test_analyser_without_contrast_tosses_a_coin():
    assert_allclose(polarisation_error(frame_rotation_rad=np.array([0.0, 0.7]), extinction_ratio=1.0), 0.5, rtol=1e-12)


def test_doppler_shift_of_a_low_orbit_turns_a_nanosecond_interferometer():
    """4.49 GHz at 10 deg of 500 km and 1550 nm: 4.487 turns in 1 ns, so an error of sin²(π 4.487) = 0.998."""
    shift = doppler_shift_hz(10.0, wavelength_m=1.55e-6, satellite_altitude_m=500e3)
    assert_allclose(shift, 4.49e9, rtol=1e-3)
    error = doppler_phase_error(
        range_rate_m_s=-shift * 1.55e-6, wavelength_m=1.55e-6, delay_s=1e-9, compensated_share=0.0
    )
    assert_allclose(error, np.sin(np.pi * 4.4871) ** 2, atol=1e-4)
    assert error > 0.99


def test_compensated_doppler_shift_leaves_its_remainder():
    """99.9 % of 4.5 GHz compensated: 4.5 MHz, (π 4.5e6 · 1e-9)² = 2.0e-4; all of it leaves nothing."""
    common = {"range_rate_m_s": 4.5e9 * 1.55e-6, "wavelength_m": 1.55e-6, "delay_s": 1e-9}
    assert_allclose(doppler_phase_error(**common, compensated_share=0.999), 1.9985e-4, rtol=1e-3)
    assert doppler_phase_error(**common) == 0.0


# ---------------------------------------------------------------- properties and refusals


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0.0, 1e10), min_size=1, max_size=4), st.floats(1e-11, 1e-7), st.floats(0.0, 1e-8),
    st.floats(-7.0, 7.0), st.floats(1.0, 1e6),
)  # fmt: skip
def test_shares_and_probabilities_lie_between_none_and_all(rates, gate, spread, rotation, contrast):
    rates = np.array(rates)
    chance = extraneous_probability(dark_count_rate_hz=100.0, background_hz=rates, detectors=2, gate_s=gate)
    live = dead_time_factor(click_rate_hz=rates, dead_time_s=gate)
    assert chance.shape == live.shape == rates.shape
    assert ((chance >= 0) & (chance <= 1)).all()
    assert ((live > 0) & (live <= 1)).all()
    assert 0 <= gate_transmittance(gate_s=gate, timing_jitter_s=spread) <= 1
    leak = 1 / (1 + contrast)
    error = polarisation_error(frame_rotation_rad=rotation, extinction_ratio=contrast)
    assert leak - 1e-12 <= error <= 1 - leak + 1e-12


PHASE = {"range_rate_m_s": 7e3, "wavelength_m": 1.55e-6, "delay_s": 1e-9}
NOISE = {"dark_count_rate_hz": 300.0, "background_hz": 1.0, "detectors": 2, "gate_s": 1e-9}


@pytest.mark.parametrize(
    ("call", "named", "value"),
    [
        (lambda: extraneous_probability(**NOISE | {"background_hz": -1.0}), "background_hz", "-1.0"),
        (lambda: gate_transmittance(gate_s=-1e-9, timing_jitter_s=0.0), "gate_s", "-1e-09"),
        (lambda: gate_transmittance(gate_s=1e-9, timing_jitter_s=-1e-10), "timing_jitter_s", "-1e-10"),
        (lambda: dead_time_factor(click_rate_hz=-1.0, dead_time_s=1e-8), "click_rate_hz", "-1.0"),
        (lambda: dead_time_factor(click_rate_hz=1.0, dead_time_s=-1e-8), "dead_time_s", "-1e-08"),
        (lambda: polarisation_error(frame_rotation_rad=0.0, extinction_ratio=0.5), "extinction_ratio", "0.5"),
        (lambda: doppler_phase_error(**PHASE | {"wavelength_m": 1550.0}), "wavelength_m", "1550.0"),
        (lambda: doppler_phase_error(**PHASE | {"wavelength_m": -1.55e-6}), "wavelength_m", "-1.55e-06"),
        (lambda: doppler_phase_error(**PHASE | {"delay_s": -1e-9}), "delay_s", "-1e-09"),
        (lambda: doppler_phase_error(**PHASE, compensated_share=1.5), "compensated_share", "1.5"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_its_name_value_and_range(call, named, value):
    with pytest.raises(ValueError, match="expected") as refusal:
        call()
    assert named in str(refusal.value)
    assert value in str(refusal.value)


def test_gate_that_begins_at_the_pulse_takes_half_of_it():
    common = {"gate_s": 1e-9, "timing_jitter_s": 50e-12}
    assert_allclose(gate_transmittance(**common, offset_s=0.5e-9), 0.5, atol=1e-12)
    assert_allclose(gate_transmittance(**common, offset_s=-0.3e-9), gate_transmittance(**common, offset_s=0.3e-9))
    assert gate_transmittance(**common, offset_s=2e-9) < 1e-12


def test_sharp_pulses_are_inside_or_outside_of_the_gate():
    assert gate_transmittance(gate_s=1e-9, timing_jitter_s=0.0, offset_s=0.4e-9) == 1.0
    assert gate_transmittance(gate_s=1e-9, timing_jitter_s=0.0, offset_s=0.6e-9) == 0.0


def test_shifted_gate_by_sampling():
    arrival = 0.2e-9 * np.random.default_rng(5).standard_normal(400_000)
    inside = np.mean(np.abs(arrival - 0.35e-9) < 0.5e-9)
    assert_allclose(gate_transmittance(gate_s=1e-9, timing_jitter_s=0.2e-9, offset_s=0.35e-9), inside, atol=0.003)


def test_free_clock_drifts_by_frequency_and_ageing():
    """ITU-T G.810: 1e-11 over 100 s is 1 ns; ageing of 1e-16/s adds 5e-13 s."""
    assert_allclose(clock_error_s(100.0, fractional_frequency=1e-11), 1e-9, rtol=1e-14)
    assert_allclose(clock_error_s(100.0, fractional_frequency=0.0, ageing_per_s=1e-16), 5e-13, rtol=1e-14)
    with pytest.raises(ValueError, match=r"elapsed_s = -1\.0"):
        clock_error_s(-1.0, fractional_frequency=1e-11)
