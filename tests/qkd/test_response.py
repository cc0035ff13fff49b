"""Keys under extra loss and of parts of a window against blocks computed anew."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from eqci_space.qkd.blocks import BlockTable, block_table, check_slots, clenshaw, running_tables
from eqci_space.qkd.counts import slot_counts
from eqci_space.qkd.decoy import key_length
from eqci_space.qkd.decoy_parameters import DecoyParameters
from eqci_space.qkd.optimiser import ParameterLimits, optimise_key
from eqci_space.qkd.response import key_response
from eqci_space.qkd.security import SecurityParameters

PARAMETERS = DecoyParameters(0.8, 0.75, 0.17, 0.7, 0.14)
ONE = DecoyParameters(0.8, 0.75, 0.25, 0.6, 0.12, decoys=1)
DIM = DecoyParameters(0.8, 0.75, 0.17, 0.7, 0.14, 0.01)
LOSSES = np.array([-6.0, -3.7, -1.0, 0.0, 0.5, 3.0, 8.0, 14.0, 20.0])


def _slots(seed=0, n=60, top=0.02):
    """A pass whose loss and noise change, its efficiency at most `top`."""
    rng = np.random.default_rng(seed)
    eta = top * 10 ** (-1.2 * np.linspace(-1, 1, n) ** 2) * rng.uniform(0.6, 1.0, n)
    return eta, 2e-7 * rng.uniform(0.5, 3, n), rng.uniform(0.005, 0.02, n), 1e8 * rng.uniform(0.5, 1, n)


# The tables themselves.


@pytest.mark.parametrize("top", [1e-4, 0.05, 1.0])
def test_tables_are_the_sums_over_slots(top):
    """S0, S1 and S2 at any mean photon number in [0, 4], to 1e-11 of their largest value."""
    eta, noise, error, pulses = _slots(top=top)
    series = block_table(eta, noise, error, pulses).series
    for mu in np.linspace(0, 4, 41):
        caught = -np.expm1(-mu * eta)
        for row, exact in enumerate((caught @ pulses, (1 - caught) @ (pulses * noise), caught @ (pulses * error))):
            scale = (pulses, pulses * noise, pulses * error)[row].sum() * (1 if row == 1 else top)
            assert_allclose(clenshaw(series, row, mu), exact, rtol=0, atol=1e-11 * scale)


@pytest.mark.parametrize("mu", [1e-6, 1e-4, 0.01, 0.3])
def test_tables_are_exact_for_dim_light_too(mu):
    """The signal of a weak decoy is a small difference of the series; 1e-8 relative at 1e-6 photons."""
    eta, noise, error, pulses = _slots()
    series = block_table(eta, noise, error, pulses).series
    assert_allclose(clenshaw(series, 0, mu), -np.expm1(-mu * eta) @ pulses, rtol=1e-14 / mu + 1e-12)


def test_running_tables_are_tables_of_parts():
    slots = _slots()
    running = running_tables(*slots)
    assert running.shape == (61, 3, 16)
    for first, last in [(0, 60), (0, 1), (13, 14), (20, 41), (59, 60)]:
        part = block_table(*(v[first:last] for v in slots)).series
        assert_allclose(running[last] - running[first], part, rtol=0, atol=1e-12 * np.abs(running[-1]).max())


def test_slots_broadcast_scalars():
    eta, noise, error, pulses = check_slots(np.array([0.1, 0.2]), 1e-7, 0.01, 5.0)
    assert_allclose(eta, [0.1, 0.2])
    assert_allclose(noise, [1e-7] * 2)
    assert_allclose(error, [0.01] * 2)
    assert_allclose(pulses, [5.0] * 2)


# Extra loss.


def _again(slots, afterpulse, loss_db, parameters, security):
    """Length with the efficiencies scaled, from slots."""
    eta, *rest = slots
    counts = slot_counts(eta * 10 ** (-loss_db / 10), *rest, parameters, afterpulse_probability=afterpulse)
    return key_length(counts, parameters, security).length_bit


@pytest.mark.parametrize("parameters", [PARAMETERS, DIM, ONE], ids=["two", "dim", "one"])
@pytest.mark.parametrize("security", [{}, {"bound": "hoeffding", "sampling": "fung2010"}, {"leakage": "block"}])
def test_response_at_fixed_parameters_is_that_of_weaker_slots(parameters, security):
    """-6 to 20 dB; authentication paid, whole bits, not below zero."""
    security, slots = SecurityParameters(**security), _slots()
    found = key_response(block_table(*slots, afterpulse_probability=0.01), LOSSES, parameters, security)
    lengths = [_again(slots, 0.01, db, parameters, security) for db in LOSSES]
    expected = [max(0.0, math.floor(x - security.authentication_bit)) for x in lengths]
    assert_allclose(found, expected, rtol=0, atol=1.0)
    assert (found == np.floor(found)).all()
    assert found[0] > found[3] > 0


def test_response_with_parameters_chosen_anew_is_the_optimum_of_weaker_slots():
    """1e-4 relative; a grid of losses from -6 to 20 dB."""
    eta, *rest = _slots()
    security = SecurityParameters()
    found = key_response(block_table(eta, *rest), LOSSES, PARAMETERS, security, reoptimise=True)
    for db, bits in zip(LOSSES, found, strict=True):
        best = optimise_key(block_table(eta * 10 ** (-db / 10), *rest), security).length_bit
        assert_allclose(bits, max(0.0, best - security.authentication_bit), rtol=1e-4, atol=3)


@given(
    seed=st.integers(0, 50),
    top=st.floats(-4, -0.7).map(lambda x: 10**x),
    loss=st.floats(-6, 20),
    more=st.floats(0.01, 5),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_response_falls_with_loss_and_reoptimised_lies_above(seed, top, loss, more):
    """To the 7 bits of a step of the one-shot leakage."""
    block = block_table(*_slots(seed, top=top))
    here, there = key_response(block, np.array([loss, loss + more]), PARAMETERS)
    assert there <= here * (1 + 1e-12) + 8
    best = key_response(block, np.array([loss, loss + more]), PARAMETERS, reoptimise=True)
    assert best[1] <= best[0] * (1 + 1e-3) + 8
    assert best[0] >= here * (1 - 1e-9) - 1
    assert best[1] >= there * (1 - 1e-9) - 1


def test_response_without_extra_loss_is_the_key():
    block = block_table(*_slots())
    expected = math.floor(key_length(block, PARAMETERS).length_bit - SecurityParameters().authentication_bit)
    assert key_response(block, 0.0, PARAMETERS) == expected


def test_response_has_the_shape_of_the_losses():
    block = block_table(*_slots())
    grid = LOSSES.reshape(3, 3)
    found = key_response(block, grid, PARAMETERS)
    assert found.shape == (3, 3)
    assert_allclose(found.ravel(), key_response(block, LOSSES, PARAMETERS))


@pytest.mark.parametrize("reoptimise", [False, True])
def test_response_to_no_losses_is_empty(reoptimise):
    block = block_table(*_slots())
    assert key_response(block, np.empty(0), PARAMETERS, reoptimise=reoptimise).shape == (0,)


def test_response_keeps_the_noise():
    """Infinite loss leaves the noise: no key, and a number."""
    block = block_table(*_slots())
    assert key_response(block, np.array([math.inf]), PARAMETERS)[0] == 0.0
    far = key_length(block, PARAMETERS, extra_loss_db=math.inf)
    assert_allclose(far.qber, 0.5, atol=1e-9)
    eta, noise, _, pulses = _slots()
    assert_allclose(far.sifted_bit, 0.64 * (2 * noise * pulses).sum(), rtol=1e-9)
    assert eta.max() > 0


def test_response_respects_limits():
    """Fixed intensities and probabilities leave nothing to choose anew."""
    block = block_table(*_slots())
    limits = ParameterLimits.fixed(PARAMETERS)
    fixed = key_response(block, LOSSES, PARAMETERS, reoptimise=True, limits=limits)
    assert_allclose(fixed, key_response(block, LOSSES, PARAMETERS), atol=1)


@pytest.mark.parametrize("loss", [-6.01, math.nan, -math.inf])
@pytest.mark.parametrize("reoptimise", [False, True])
def test_impossible_losses_are_refused_with_value_and_range(loss, reoptimise):
    with pytest.raises(ValueError, match=r"extra_loss_db = .*expected at least -6"):
        key_response(block_table(*_slots()), np.array([0.0, loss]), PARAMETERS, reoptimise=reoptimise)


# Parts.


@pytest.mark.parametrize("parameters", [PARAMETERS, DIM, ONE], ids=["two", "dim", "one"])
@pytest.mark.parametrize("bound", ["chernoff", "hoeffding", "asymptotic"])
def test_parts_are_the_keys_of_their_slots(parameters, bound):
    """Signed, before authentication; slots counted one by one."""
    security, slots = SecurityParameters(bound=bound), _slots()
    first, last = np.array([0, 0, 10, 29, 59]), np.array([60, 20, 50, 30, 60])
    running = running_tables(*slots)
    for a, b in zip(first, last, strict=True):
        found = key_length(BlockTable(running[b] - running[a], 0.02), parameters, security)
        exact = key_length(
            slot_counts(*(v[a:b] for v in slots), parameters, afterpulse_probability=0.02), parameters, security
        )
        assert_allclose(found.length_bit, exact.length_bit, rtol=1e-8, atol=1e-8 * exact.sifted_bit + 1e-6)


def test_two_parts_never_give_more_than_the_whole():
    """A longer block pays its fixed cost once and fluctuates less."""
    running = running_tables(*_slots())
    for cut in (15, 30, 45):
        left, right, whole = (
            key_length(BlockTable(running[b] - running[a]), PARAMETERS).length_bit
            for a, b in ((0, cut), (cut, 60), (0, 60))
        )
        assert max(left, 0) + max(right, 0) <= whole + 10


def test_block_table_with_an_impossible_afterpulse_is_refused():
    with pytest.raises(ValueError, match="afterpulse_probability"):
        key_length(BlockTable(block_table(*_slots()).series, math.nan), PARAMETERS)
