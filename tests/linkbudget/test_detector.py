"""Dark and sky clicks per gate."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from eqci_space.linkbudget.detector import extraneous_probability


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
