"""Raman light of classical channels against quadrature along the fibre and the limits of short and long spans."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import quad

from eqci_space.fiber.coexistence import raman_click_probability, raman_power_w
from eqci_space.scenario import Coexistence

FIBRE = {"attenuation_db_km": 0.22, "raman_coefficient_per_m2": 2.5e-3, "filter_bandwidth_m": 1e-10}


@given(
    along=st.floats(0, 0.01),
    against=st.floats(0, 0.01),
    length=st.floats(0, 5.5).map(lambda x: 10**x),
    attenuation=st.floats(0.15, 1.0),
    coefficient=st.floats(1e-4, 1e-2),
    bandwidth=st.floats(1e-12, 1e-9),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_raman_power_is_the_integral_along_the_fibre(along, against, length, attenuation, coefficient, bandwidth):
    """Every metre scatters ρ Δλ of the light that reaches it; what it scatters is attenuated on its way to the end.

    Light that runs with the photons has come z, that against them L - z; the receiver is at L (Eraerds et al. 2010).
    """
    alpha = attenuation * math.log(10) / 1e4
    with_it, _ = quad(lambda z: math.exp(-alpha * z) * math.exp(-alpha * (length - z)), 0, length, epsrel=1e-11)
    opposed, _ = quad(lambda z: math.exp(-2 * alpha * (length - z)), 0, length, epsrel=1e-11, points=[length * 0.99])
    expected = coefficient * bandwidth * (along * with_it + against * opposed)
    found = raman_power_w(
        launch_power_w=along, counter_power_w=against, length_m=length, attenuation_db_km=attenuation,
        raman_coefficient_per_m2=coefficient, filter_bandwidth_m=bandwidth,
    )  # fmt: skip
    assert_allclose(found, expected, rtol=1e-7, atol=1e-40)


def test_raman_light_of_short_spans_grows_with_their_length():
    """P ρ Δλ L either way while nothing is lost: 2.5e-13 W per metre and watt."""
    for power in ({"launch_power_w": 1.0, "counter_power_w": 0.0}, {"launch_power_w": 0.0, "counter_power_w": 1.0}):
        found = raman_power_w(**power, length_m=1.0, **FIBRE)
        assert_allclose(found, 2.5e-13, rtol=1e-4)


def test_raman_light_of_long_spans():
    """With the photons it dies out; against them it comes from the last L_eff = 1/(2α) = 9.87 km."""
    far = {"length_m": 400e3, **FIBRE}
    along = raman_power_w(launch_power_w=1e-3, counter_power_w=0.0, **far)
    against = raman_power_w(launch_power_w=0.0, counter_power_w=1e-3, **far)
    assert_allclose(against, 1e-3 * 2.5e-3 * 1e-10 * 1e4 / (2 * 0.22 * math.log(10)), rtol=1e-6)
    assert along < 1e-6 * against


def test_raman_light_along_the_photons_peaks_at_the_attenuation_length():
    """L e^(-αL) is largest at 1/α = 19.7 km of 0.22 dB/km."""
    length = np.linspace(1e3, 60e3, 600)
    power = [raman_power_w(launch_power_w=1e-3, counter_power_w=0.0, length_m=float(x), **FIBRE) for x in length]
    assert_allclose(length[int(np.argmax(power))], 1e4 / (0.22 * math.log(10)), rtol=0.01)


def test_click_probability_by_hand():
    """1 mW over 50 km (11 dB): 1e-3 · 2.5e-3 · 1e-10 · 5e4 · 10^-1.1 W; 3 dB, 20 %, half of 0.5 ns; hν of 1550 nm."""
    light = Coexistence(launch_power_w=1e-3)
    watts = 1e-3 * 2.5e-3 * 1e-10 * 5e4 * 10**-1.1
    photons = watts / (6.62607015e-34 * 299792458 / 1.55e-6) * 10**-0.3
    expected = -math.expm1(-photons * 0.2 * 0.5e-9 / 2)
    found = raman_click_probability(light, loss_db=11.0, receiver_loss_db=3.0, detector_efficiency=0.2)
    assert_allclose(found, expected, rtol=1e-9)
    assert 1e-5 < found < 1e-3


def test_click_probability_grows_with_power_and_falls_with_losses_of_the_receiver():
    one = {"loss_db": 10.0, "receiver_loss_db": 3.0, "detector_efficiency": 0.2}
    here = raman_click_probability(Coexistence(launch_power_w=1e-3), **one)
    assert raman_click_probability(Coexistence(launch_power_w=2e-3), **one) > here
    both = Coexistence(launch_power_w=1e-3, counter_power_w=1e-3)
    assert raman_click_probability(both, **one) > here
    assert raman_click_probability(Coexistence(launch_power_w=1e-3), **(one | {"receiver_loss_db": 6.0})) < here
    assert raman_click_probability(Coexistence(launch_power_w=1e-3), **(one | {"detector_efficiency": 0.1})) < here
    assert raman_click_probability(Coexistence(), **one) == 0.0


@pytest.mark.parametrize("loss_db", [0.0, 1e-9, 50.0, 1e3])
def test_click_probability_is_one_of_any_span(loss_db):
    light = Coexistence(launch_power_w=10.0, counter_power_w=10.0)
    found = raman_click_probability(light, loss_db=loss_db, receiver_loss_db=0.0, detector_efficiency=1.0)
    assert 0 <= found <= 1


GOOD = {"launch_power_w": 1e-3, "counter_power_w": 1e-3, "length_m": 5e4, **FIBRE}


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_impossible_fibres_are_refused_by_name(value):
    for name in GOOD:
        with pytest.raises(ValueError, match=f"raman_power_w: .*{name} = {value}"):
            raman_power_w(**(GOOD | {name: value}))


@pytest.mark.parametrize("name", ["length_m", "attenuation_db_km"])
def test_fibre_without_length_or_attenuation_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} = 0.0".replace(".", r"\.")):
        raman_power_w(**(GOOD | {name: 0.0}))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"loss_db": -1.0}, "loss_db = -1.0"),
        ({"loss_db": math.nan}, "loss_db = nan"),
        ({"receiver_loss_db": -3.0}, "receiver_loss_db = -3.0"),
        ({"receiver_loss_db": math.nan}, "receiver_loss_db = nan"),
        ({"detector_efficiency": 1.5}, "detector_efficiency = 1.5"),
        ({"detector_efficiency": math.nan}, "detector_efficiency = nan"),
    ],
)
def test_impossible_receivers_are_refused_by_name(wrong, named):
    span = {"loss_db": 10.0, "receiver_loss_db": 3.0, "detector_efficiency": 0.2}
    with pytest.raises(ValueError, match=named.replace(".", r"\.")):
        raman_click_probability(Coexistence(launch_power_w=1e-3), **(span | wrong))
