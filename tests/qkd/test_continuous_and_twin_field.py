"""Gaussian-modulated states against symplectic eigenvalues of covariance matrices; the twin-field anchor."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from eqci_space.qkd.asymptotic import plob_bound_bit
from eqci_space.qkd.continuous import best_modulated_rate_bit, gaussian_modulated_rate_bit
from eqci_space.qkd.twin_field import ANCHOR_BIT_S, ANCHOR_LOSS_DB, twin_field_rate_bit_s

GOOD = {"transmittance": 0.3, "modulation_variance": 5.0, "excess_noise": 0.01}


def _entropy(matrix):
    """Von Neumann entropy [bit] of a Gaussian state from the spectrum of iΩγ, vacuum variance one."""
    modes = len(matrix) // 2
    form = np.kron(np.eye(modes), [[0.0, 1.0], [-1.0, 0.0]])
    values = np.sort(np.abs(np.linalg.eigvals(1j * form @ matrix)))[::2]
    return sum((x + 1) / 2 * math.log2((x + 1) / 2) - (x - 1) / 2 * math.log2((x - 1) / 2) for x in values if x > 1)


def _pair(variance):
    """Two-mode squeezed vacuum."""
    off = math.sqrt(variance**2 - 1)
    z = np.diag([1.0, -1.0])
    return np.block([[variance * np.eye(2), off * z], [off * z, variance * np.eye(2)]])


def _rate(t, modulation, noise, eta, electronic, beta):
    """GG02 in the entangled picture: Eve purifies Alice and Bob; the receiver's noise is an EPR half."""
    v, z = modulation + 1, np.diag([1.0, -1.0])
    b = t * (v + 1 / t - 1 + noise)
    c = math.sqrt(t * (v**2 - 1))
    alice_bob = np.block([[v * np.eye(2), c * z], [c * z, b * np.eye(2)]])
    thermal = 1 + electronic / (1 - eta)
    state = np.zeros((8, 8))  # A, B, F, G
    state[:4, :4], state[4:, 4:] = alice_bob, _pair(thermal)
    mixer = np.eye(8)
    root, rest = math.sqrt(eta), math.sqrt(1 - eta)
    mixer[2:4, 2:4], mixer[2:4, 4:6] = root * np.eye(2), rest * np.eye(2)
    mixer[4:6, 2:4], mixer[4:6, 4:6] = -rest * np.eye(2), root * np.eye(2)
    state = mixer @ state @ mixer.T
    others = [0, 1, 4, 5, 6, 7]
    towards = state[np.ix_(others, [2])]
    held = state[np.ix_(others, others)] - towards @ towards.T / state[2, 2]
    alice_given_bob = state[0, 0] - state[0, 2] ** 2 / state[2, 2]
    shared = 0.5 * math.log2((state[0, 0] + 1) / (alice_given_bob + 1))
    return beta * shared, _entropy(alice_bob) - _entropy(held)


@given(
    loss_db=st.floats(0.05, 25),
    modulation=st.floats(0.3, 40),
    noise=st.floats(1e-4, 0.1),
    eta=st.floats(0.2, 0.95),
    electronic=st.floats(0.0, 0.5),
    beta=st.floats(0.8, 1.0),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_rate_is_that_of_the_covariance_matrix(loss_db, modulation, noise, eta, electronic, beta):
    """Heterodyne-free form I(A:B) = lb(V_A / V_A|B)/2 on what Alice prepared; Holevo information by eigenvalues."""
    t = 10 ** (-loss_db / 10)
    _, eve = _rate(t, modulation, noise, eta, electronic, beta)
    signal = eta * t * modulation
    shared = 0.5 * math.log2(1 + signal / (1 + electronic + eta * t * noise))
    found = gaussian_modulated_rate_bit(
        transmittance=t, modulation_variance=modulation, excess_noise=noise, detector_efficiency=eta,
        electronic_noise=electronic, reconciliation_efficiency=beta,
    )  # fmt: skip
    assert_allclose(found, beta * shared - eve, rtol=1e-6, atol=2e-7)


@pytest.mark.parametrize(
    ("km", "low_noise", "high_noise"),
    [(10, 0.178, 0.147), (25, 0.056, 0.044), (50, 0.0126, 0.0091), (75, 3.3e-3, 2.1e-3), (100, 8.9e-4, 5.2e-4)],
)
def test_rates_of_a_fibre(km, low_noise, high_noise):
    """0.22 dB/km and 1 dB more, η = 0.6, v_el = 0.1, β = 0.95; excess noise 0.01 and 0.03; to the two digits known."""
    t = 10 ** (-(0.22 * km + 1) / 10)
    for noise, printed in ((0.01, low_noise), (0.03, high_noise)):
        assert_allclose(best_modulated_rate_bit(transmittance=t, excess_noise=noise), printed, rtol=0.025)


@pytest.mark.parametrize("loss_db", [0.0, 1.0, 5.0, 12.0, 20.0, 30.0])
@pytest.mark.parametrize("beta", [0.9, 0.95, 0.98])
def test_best_modulation_is_found(loss_db, beta):
    """Against 600 variances between 0.1 and 100."""
    t = 10 ** (-loss_db / 10)
    receiver = {"excess_noise": 0.01, "reconciliation_efficiency": beta}
    grid = max(
        gaussian_modulated_rate_bit(transmittance=t, modulation_variance=float(v), **receiver)
        for v in np.geomspace(0.1, 100, 600)
    )
    assert best_modulated_rate_bit(transmittance=t, **receiver) >= max(0.0, grid) * (1 - 1e-4)


@pytest.mark.parametrize("loss_db", np.arange(0.5, 130.0, 2.5))
def test_rate_never_exceeds_the_bound_without_repeaters(loss_db):
    """Pirandola et al. 2017; also where the rate is a difference of almost equal entropies."""
    t = 10 ** (-loss_db / 10)
    best = best_modulated_rate_bit(
        transmittance=t, excess_noise=0.0, electronic_noise=0.0, detector_efficiency=1.0, reconciliation_efficiency=1.0
    )
    assert 0 <= best <= float(plob_bound_bit(t)) * (1 + 1e-6)


@pytest.mark.parametrize("loss_db", np.arange(40.0, 130.0, 5.0))
def test_no_rate_appears_by_rounding_where_noise_has_eaten_it(loss_db):
    """5 % of excess noise at 95 % reconciliation leaves nothing at these losses, nor does rounding."""
    t = 10 ** (-loss_db / 10)
    assert best_modulated_rate_bit(transmittance=t, excess_noise=0.05, reconciliation_efficiency=0.9) <= 1e-9 * t


@given(loss_db=st.floats(0.1, 20), worse=st.sampled_from(["loss", "noise", "electronic", "beta", "eta"]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_best_rate_falls_when_anything_gets_worse(loss_db, worse):
    """Trusted receiver noise and losses cost little, but never help."""
    link = {"excess_noise": 0.01, "electronic_noise": 0.1, "reconciliation_efficiency": 0.95,
            "detector_efficiency": 0.6}  # fmt: skip
    bad, bad_db = dict(link), loss_db
    if worse == "loss":
        bad_db = loss_db + 0.5
    else:
        name, value = {
            "noise": ("excess_noise", 0.02), "electronic": ("electronic_noise", 0.2),
            "beta": ("reconciliation_efficiency", 0.93), "eta": ("detector_efficiency", 0.5),
        }[worse]  # fmt: skip
        bad[name] = value
    good = best_modulated_rate_bit(transmittance=10 ** (-loss_db / 10), **link)
    assert best_modulated_rate_bit(transmittance=10 ** (-bad_db / 10), **bad) <= good * (1 + 1e-6) + 1e-12


@pytest.mark.parametrize(
    "edge",
    [
        {"transmittance": 1.0},
        {"transmittance": 1.0, "excess_noise": 0.0},
        {"transmittance": 1e-12},
        {"modulation_variance": 1e-9},
        {"modulation_variance": 1e6},
        {"detector_efficiency": 1.0, "electronic_noise": 0.0},
        {"excess_noise": 1.0},
    ],
)
def test_rate_at_the_edges_is_a_number(edge):
    assert math.isfinite(gaussian_modulated_rate_bit(**(GOOD | edge)))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"transmittance": 0.0}, "transmittance = 0.0"),
        ({"transmittance": 1.1}, "transmittance = 1.1"),
        ({"transmittance": math.nan}, "transmittance = nan"),
        ({"modulation_variance": 0.0}, "modulation_variance = 0.0"),
        ({"modulation_variance": math.nan}, "modulation_variance = nan"),
        ({"modulation_variance": math.inf}, "modulation_variance = inf"),
        ({"excess_noise": -0.01}, "excess_noise = -0.01"),
        ({"excess_noise": math.inf}, "excess_noise = inf"),
        ({"electronic_noise": math.nan}, "electronic_noise = nan"),
        ({"detector_efficiency": 0.0}, "detector_efficiency = 0.0"),
        ({"reconciliation_efficiency": 1.1}, "reconciliation_efficiency = 1.1"),
        ({"reconciliation_efficiency": math.nan}, "reconciliation_efficiency = nan"),
    ],
)
def test_impossible_devices_are_refused_by_name(wrong, named):
    with pytest.raises(ValueError, match=f"gaussian_modulated_rate_bit: .*{named}".replace(".0", r"\.0")):
        gaussian_modulated_rate_bit(**(GOOD | wrong))


# Twin field.


def test_twin_field_anchor():
    """Frankfurt-Kehl: 110 bit/s at 56.0 dB; 10 dB are a factor √10, 6.02 dB one of two."""
    assert twin_field_rate_bit_s(ANCHOR_LOSS_DB) == ANCHOR_BIT_S == 110.0
    assert_allclose(twin_field_rate_bit_s(46.0), 110 * math.sqrt(10))
    assert_allclose(twin_field_rate_bit_s(56 + 20 * math.log10(2)), 55.0)


@pytest.mark.parametrize("loss_db", [40.9, 71.1, -1.0, math.nan, math.inf])
def test_twin_field_far_from_its_anchor_is_refused(loss_db):
    with pytest.raises(ValueError, match=r"twin_field_rate_bit_s: loss_db = .*expected 41 to 71 dB"):
        twin_field_rate_bit_s(loss_db)
