"""Wind across the line of sight and the times it sets: closed forms of one layer, adaptive quadrature."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad

from eqci_space.linkbudget.turbulence import (
    Layers,
    fried_parameter_m,
    hufnagel_valley_layers,
)
from eqci_space.linkbudget.winds import (
    bufton_wind_m_s,
    coherence_time_s,
    greenwood_frequency_hz,
    rms_wind_bufton_m_s,
    rms_wind_p1621_m_s,
)

HV57 = hufnagel_valley_layers()
C_BAND = {"wavelength_m": 1.55e-6, "elevation_deg": 90.0}


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


@pytest.mark.parametrize(
    ("call", "named", "value"),
    [
        (lambda: bufton_wind_m_s(1e4, ground_wind_m_s=-5.0), "ground_wind_m_s", "-5.0"),
        (lambda: bufton_wind_m_s(1e4, tropopause_thickness_m=0.0), "tropopause_thickness_m", "0.0"),
        (lambda: rms_wind_bufton_m_s(lower_height_m=2e4, upper_height_m=5e3), "height", "20000"),
        (lambda: rms_wind_p1621_m_s(-5.0), "ground_wind_m_s", "-5.0"),
        (lambda: greenwood_frequency_hz(HV57, np.ones(3), **C_BAND), "wind_m_s", "(3,)"),
        (lambda: greenwood_frequency_hz(HV57, -np.ones(HV57.height_m.size), **C_BAND), "wind_m_s", "-1"),
        (lambda: coherence_time_s(HV57, np.ones(3), **C_BAND), "wind_m_s", "(3,)"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_its_name_value_and_range(call, named, value):
    with pytest.raises(ValueError, match="expected") as refusal:
        call()
    assert named in str(refusal.value)
    assert value in str(refusal.value)
