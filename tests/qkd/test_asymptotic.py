"""Asymptotic decoy rates against photon-number sums, the tool of TNO, and the limits without repeaters."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import poisson

from eqci_space.qkd.asymptotic import binary_entropy, infinite_decoy_rate, plob_bound_bit, two_decoy_rate

CASES = Path(__file__).parents[1] / "cases" / "tno_asymptotic.csv"
with CASES.open(newline="", encoding="utf-8") as file:
    TNO = [pytest.param(row, id=f"{row['att_dB']}dB") for row in csv.DictReader(file)]


def _h(x):
    return -x * math.log2(x) - (1 - x) * math.log2(1 - x) if 0 < x < 1 else 0.0


def _photon_yields(photons, eta, dark, angle):
    """Yield and error probability of n photons at two detectors: each photon takes the right one with cos²θ.

    A detector stays silent without a dark click and with all its photons lost; double clicks are settled by lot.
    """
    silent_right = (1 - dark) * (1 - eta * math.cos(angle) ** 2) ** photons
    silent_wrong = (1 - dark) * (1 - eta * math.sin(angle) ** 2) ** photons
    silent = (1 - dark) ** 2 * (1 - eta) ** photons
    only_wrong, both = silent_right - silent, 1 - silent_right - silent_wrong + silent
    return 1 - silent, only_wrong + both / 2


def _sums(mu, eta, dark, angle):
    """Gain and error gain of a coherent pulse as sums over the Poissonian photon number."""
    photons = np.arange(80)
    chance = poisson.pmf(photons, mu)
    yields, errors = _photon_yields(photons, eta, dark, angle)
    return float(chance @ yields), float(chance @ errors)


LINKS = {
    "eta": st.floats(-6, 0).map(lambda x: 10**x),
    "dark": st.floats(-9, -3).map(lambda x: 10**x),
    "angle": st.floats(0, 0.3),
    "mu": st.floats(0.05, 1.5),
    "efficiency": st.floats(1.0, 1.3),
}


@given(**LINKS)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_infinite_decoy_rate_is_the_sum_over_photon_numbers(eta, dark, angle, mu, efficiency):
    """Gottesman et al. 2004: the yields and errors of zero and one photon, summed numerically for the whole pulse."""
    gain, wrong = _sums(mu, eta, dark, angle)
    y0, _ = _photon_yields(0, eta, dark, angle)
    y1, w1 = _photon_yields(1, eta, dark, angle)
    kept = math.exp(-mu) * (y0 + mu * y1 * (1 - _h(min(0.5, w1 / y1))))
    found = infinite_decoy_rate(
        efficiency=eta, mean_photon_number=mu, dark_probability=dark, misalignment_rad=angle,
        error_correction_efficiency=efficiency,
    )  # fmt: skip
    assert_allclose(found.gain, gain, rtol=1e-9)
    assert_allclose(found.qber * found.gain, wrong, rtol=1e-6, atol=1e-14)
    assert_allclose(found.rate_bit, kept - efficiency * gain * _h(wrong / gain), rtol=1e-6, atol=1e-9 * gain)


@given(share=st.floats(0.02, 0.9), **LINKS)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_two_decoy_rate_is_that_of_ma_and_colleagues(share, eta, dark, angle, mu, efficiency):
    """Ma et al. 2005 (Phys. Rev. A 72, 012326), eqs 34 and 37 with vacuum as second decoy, gains by the sum."""
    nu = share * mu
    (q_mu, w_mu), (q_nu, w_nu) = _sums(mu, eta, dark, angle), _sums(nu, eta, dark, angle)
    y0, w0 = _photon_yields(0, eta, dark, angle)
    y1 = mu / (mu * nu - nu**2) * (q_nu * math.exp(nu) - q_mu * math.exp(mu) * (nu / mu) ** 2)
    y1 -= mu / (mu * nu - nu**2) * (1 - (nu / mu) ** 2) * y0
    found = two_decoy_rate(
        efficiency=eta, intensities=(mu, nu), dark_probability=dark, misalignment_rad=angle,
        error_correction_efficiency=efficiency,
    )  # fmt: skip
    error = min(0.5, (w_nu * math.exp(nu) - w0) / (nu * y1)) if y1 > 0 else 0.5
    kept = math.exp(-mu) * (y0 + mu * max(y1, 0) * (1 - _h(error)))
    assert_allclose(found.gain, q_mu, rtol=1e-9)
    assert_allclose(found.rate_bit, kept - efficiency * q_mu * _h(w_mu / q_mu), rtol=1e-5, atol=1e-6 * q_mu)


@given(share=st.floats(0.05, 0.8), **LINKS)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_more_knowledge_never_gives_less_key(share, eta, dark, angle, mu, efficiency):
    """Closed form <= linear program <= infinitely many decoys <= PLOB bound; the program to 1e-6 of the gain."""
    link = {
        "efficiency": eta, "dark_probability": dark, "misalignment_rad": angle,
        "error_correction_efficiency": efficiency,
    }  # fmt: skip
    closed, program = (
        two_decoy_rate(intensities=(mu, share * mu), bound=b, **link) for b in ("closed", "linear_program")
    )
    infinite = infinite_decoy_rate(mean_photon_number=mu, **link)
    slack = 1e-6 * infinite.gain + 1e-9
    assert closed.rate_bit <= infinite.rate_bit + slack
    assert program.rate_bit <= infinite.rate_bit + slack
    if eta < 1:
        assert closed.rate_bit <= program.rate_bit + slack
        assert infinite.rate_bit <= float(plob_bound_bit(eta)) + 2 * dark


@pytest.mark.parametrize(("efficiency", "dark"), [(1.0, 0.0), (0.1, 0.0), (1e-3, 0.0), (1.0, 1e-3), (1.0, 1e-6)])
def test_linear_program_is_solved_at_the_edges_of_its_range(efficiency, dark):
    """Without dark counts or without loss yields are 0 or 1; rounding must not make that infeasible: no key."""
    link = {"efficiency": efficiency, "intensities": (0.5, 0.25), "dark_probability": dark, "misalignment_rad": 0.05}
    closed, program = (two_decoy_rate(bound=b, **link).rate_bit for b in ("closed", "linear_program"))
    assert closed > 0.2 * efficiency
    assert program >= closed * (1 - 1e-6)


@pytest.mark.parametrize("row", TNO)
def test_rates_of_the_tool_of_tno(row):
    """qkd_key_rate 2.0.4: detector efficiency 0.2, dark counts 1e-6, drift 0.1 rad, μ = 0.5 (0.1, 0); nine digits."""
    link = {
        "efficiency": 0.2 * 10 ** (-float(row["att_dB"]) / 10), "dark_probability": 1e-6, "misalignment_rad": 0.1,
    }  # fmt: skip
    found = infinite_decoy_rate(mean_photon_number=0.5, **link)
    assert_allclose(found.gain, float(row["bb84_gain_mu05"]), rtol=1e-7)
    assert_allclose(found.qber, float(row["bb84_qber_mu05"]), rtol=1e-7)
    if row["bb84_fullyasym_mu05"]:
        assert_allclose(max(0.0, found.rate_bit), float(row["bb84_fullyasym_mu05"]), rtol=1e-6, atol=1e-12)
    if row["bb84_asym2decoy_mu_05_01_0"]:
        rate = two_decoy_rate(intensities=(0.5, 0.1), bound="linear_program", **link).rate_bit
        assert_allclose(max(0.0, rate), float(row["bb84_asym2decoy_mu_05_01_0"]), rtol=1e-3, atol=3e-8)


# Edges.


@pytest.mark.parametrize("efficiency", [*np.linspace(0.01, 1, 34), 1e-5, 1e-9])
def test_link_without_dark_counts_and_errors_has_a_rate(efficiency):
    """Then the rate is the gain of single photons, μ e^(-μ) η, less nothing; the error rate is zero."""
    link = {"efficiency": float(efficiency), "dark_probability": 0.0}
    found = infinite_decoy_rate(mean_photon_number=0.5, **link)
    assert_allclose(found.rate_bit, 0.5 * math.exp(-0.5) * efficiency, rtol=1e-6, atol=1e-13)
    assert_allclose(found.qber, 0.0, atol=1e-6)
    decoys = two_decoy_rate(intensities=(0.5, 0.1), **link)
    assert 0 < decoys.rate_bit <= found.rate_bit * (1 + 1e-6) + 1e-13


@pytest.mark.parametrize("dark", [0.0, 1e-6, 0.1, 0.999])
def test_link_without_light_has_no_key(dark):
    """Zero efficiency: errors of one half, whatever the dark counts."""
    for found in (
        two_decoy_rate(efficiency=0.0, intensities=(0.5, 0.1), dark_probability=dark),
        two_decoy_rate(efficiency=0.0, intensities=(0.5, 0.1), dark_probability=dark, bound="linear_program"),
        infinite_decoy_rate(efficiency=0.0, mean_photon_number=0.5, dark_probability=dark),
    ):
        assert_allclose(found.qber, 0.5, atol=1e-9)
        assert found.rate_bit <= 1e-12


@pytest.mark.parametrize("angle", [math.pi / 4, math.pi / 2, 1.0])
def test_misaligned_link_has_no_key(angle):
    found = infinite_decoy_rate(efficiency=0.1, mean_photon_number=0.5, dark_probability=1e-6, misalignment_rad=angle)
    assert math.isfinite(found.rate_bit)
    assert found.rate_bit <= 1e-6


def test_entropy_of_arrays():
    assert_allclose(binary_entropy(np.array([0.0, 0.5, 1.0, 0.11])), [0, 1, 0, 0.4999160], atol=1e-7)
    assert_allclose(binary_entropy(1e-9), 1e-9 * (9 * math.log2(10) + 1 / math.log(2)), rtol=1e-7)


@pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan])
def test_entropy_of_what_is_no_probability_is_refused(bad):
    with pytest.raises(ValueError, match="binary_entropy"):
        binary_entropy(np.array([0.5, bad]))


def test_plob_bound_of_known_values():
    """Pirandola et al. 2017: 1 bit at one half; 1.44 η for large loss."""
    assert_allclose(plob_bound_bit(0.5), 1.0)
    assert_allclose(plob_bound_bit(1e-9), 1e-9 / math.log(2), rtol=1e-8)
    assert plob_bound_bit(0.0) == 0.0
    for bad in (1.0, -0.1, math.nan):
        with pytest.raises(ValueError, match="efficiency"):
            plob_bound_bit(bad)


GOOD = {"efficiency": 0.1, "dark_probability": 1e-6}


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"efficiency": 1.1}, "efficiency = 1.1"),
        ({"efficiency": math.nan}, "efficiency = nan"),
        ({"dark_probability": -1e-6}, "dark_probability = -1e-06"),
        ({"dark_probability": 1.0}, "dark_probability = 1.0"),
        ({"error_correction_efficiency": 0.9}, "error_correction_efficiency = 0.9"),
        ({"error_correction_efficiency": math.inf}, "error_correction_efficiency = inf"),
        ({"misalignment_rad": math.nan}, "misalignment_rad = nan"),
        ({"misalignment_rad": math.inf}, "misalignment_rad = inf"),
    ],
)
def test_impossible_links_are_refused_by_name(wrong, named):
    with pytest.raises(ValueError, match=named.replace(".", r"\.")):
        infinite_decoy_rate(mean_photon_number=0.5, **(GOOD | wrong))
    with pytest.raises(ValueError, match=named.replace(".", r"\.")):
        two_decoy_rate(intensities=(0.5, 0.1), **(GOOD | wrong))


@pytest.mark.parametrize("intensities", [(0.1, 0.5), (0.5, 0.0), (0.5, 0.5), (math.nan, 0.1), (0.5, math.nan)])
def test_impossible_intensities_are_refused(intensities):
    with pytest.raises(ValueError, match="intensities"):
        two_decoy_rate(intensities=intensities, **GOOD)


@pytest.mark.parametrize("mu", [0.0, -0.1, 11.0, math.nan])
def test_impossible_mean_photon_number_is_refused(mu):
    with pytest.raises(ValueError, match="mean photon number"):
        infinite_decoy_rate(mean_photon_number=mu, **GOOD)


def test_unknown_bound_is_refused():
    with pytest.raises(ValueError, match="expected 'closed' or 'linear_program'"):
        two_decoy_rate(intensities=(0.5, 0.1), bound="lp", **GOOD)
