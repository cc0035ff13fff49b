"""Fibre rates of every protocol against blocks by hand, published figures and the bound without repeaters."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import differential_evolution

from eqci_space.errors import ScenarioError
from eqci_space.fiber.coexistence import raman_click_probability
from eqci_space.fiber.rates import fibre_key_rate_bit_s
from eqci_space.qkd.asymptotic import infinite_decoy_rate, plob_bound_bit
from eqci_space.qkd.blocks import BlockTable, block_table
from eqci_space.qkd.continuous import best_modulated_rate_bit
from eqci_space.qkd.decoy import key_length
from eqci_space.qkd.decoy_parameters import DecoyParameters
from eqci_space.qkd.entangled import continuous_pairs, entangled_key, pulsed_pairs
from eqci_space.qkd.optimiser import ParameterLimits, optimise_key
from eqci_space.qkd.protocols import PROTOCOLS
from eqci_space.scenario import Coexistence, ModulatedStates, PairSource, QkdDevice
from eqci_space.scenario.presets_io import preset_values

APD = {
    "pulse_rate_hz": 1e9, "detector_efficiency": 0.2, "receiver_loss_db": 3.0, "extraneous_probability": 5e-7,
    "intrinsic_error": 0.015, "afterpulse_probability": 0.01,
}  # fmt: skip
PAIRS = PairSource(pair_rate_hz=1e7, coincidence_window_s=1e-9)
PULSED_PAIRS = PairSource(kind="pulsed", mean_pairs=0.05, coincidence_window_s=1e-9)
DEVICES = {
    "two": QkdDevice(**APD),
    "one": QkdDevice(**APD, protocol="bb84-one-decoy"),
    "pairs": QkdDevice(**(APD | {"detector_efficiency": 0.8, "extraneous_probability": 1e-7}), protocol="bbm92",
                       source=PAIRS),
    "pulsed-pairs": QkdDevice(**(APD | {"detector_efficiency": 0.8, "extraneous_probability": 1e-7}),
                              protocol="bbm92", source=PULSED_PAIRS),
    "sheet": QkdDevice(**APD, protocol="datasheet", datasheet=((0.0, 1e6), (10.0, 3e5), (24.0, 1e3))),
    "modulated": QkdDevice(**(APD | {"detector_efficiency": 0.6}), protocol="cv-qkd", modulated=ModulatedStates()),
    "twin": QkdDevice(**APD, protocol="twin-field"),
}  # fmt: skip
SPANS = {"twin": (42.0, 50.0, 56.0, 65.0)}
USUAL = (0.0, 2.0, 5.0, 10.0, 16.4, 20.0, 24.0)


def _decoy_block(loss_db, device, noise=None):
    return block_table(
        device.detector_efficiency * 10 ** (-(loss_db + device.receiver_loss_db) / 10),
        device.extraneous_probability if noise is None else noise, device.intrinsic_error,
        device.pulse_rate_hz * device.block_s, afterpulse_probability=device.afterpulse_probability,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["two", "one"])
@pytest.mark.parametrize("loss_db", [0.0, 10.0, 20.0, 28.0])
def test_decoy_rate_is_that_of_one_block(name, loss_db):
    device = DEVICES[name]
    best = optimise_key(_decoy_block(loss_db, device), limits=ParameterLimits(decoys=2 if name == "two" else 1))
    assert_allclose(fibre_key_rate_bit_s(loss_db, device), max(0.0, best.length_bit) / 600, rtol=1e-9)


def test_generic_avalanche_diodes_over_70_km():
    """281,766 bit/s over 16.4 dB (documented); half of it and more with one decoy."""
    assert_allclose(fibre_key_rate_bit_s(16.4, DEVICES["two"]), 281_766, rtol=1e-4)
    assert 0.5 < fibre_key_rate_bit_s(16.4, DEVICES["one"]) / 281_766 < 1


@pytest.mark.parametrize("name", DEVICES)
def test_rate_falls_with_loss_and_stays_below_the_bound(name):
    """PLOB bound of the span (Pirandola et al. 2017); the twin field has a relay in its middle and may exceed it."""
    device = DEVICES[name]
    spans = SPANS.get(name, USUAL)
    rates = [fibre_key_rate_bit_s(float(x), device) for x in spans]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 0
    if name in ("two", "one", "pulsed-pairs"):
        for loss_db, rate in zip(spans[1:], rates[1:], strict=True):
            assert rate <= 1e9 * float(plob_bound_bit(10 ** (-loss_db / 10)))


@pytest.mark.parametrize("loss_db", [0.0, 10.0, 20.0, 26.0])
@pytest.mark.parametrize("block_s", [1.0, 600.0, 604_800.0])
def test_finite_rate_stays_below_infinitely_many_decoys(loss_db, block_s):
    """GLLP of the device without its afterpulses, over μ, every pulse in the key basis."""
    device = QkdDevice(**(APD | {"afterpulse_probability": 0.0, "intrinsic_error": 0.0}), block_s=block_s)
    eta = 0.2 * 10 ** (-(loss_db + 3) / 10)
    most = max(
        infinite_decoy_rate(efficiency=eta, mean_photon_number=float(mu), dark_probability=5e-7,
                            error_correction_efficiency=1.16).rate_bit
        for mu in np.linspace(0.05, 1, 100)
    )  # fmt: skip
    assert 0 <= fibre_key_rate_bit_s(loss_db, device) <= 1e9 * most


def test_longer_blocks_give_more():
    rates = [fibre_key_rate_bit_s(28.0, QkdDevice(**APD, block_s=s)) for s in (1.0, 60.0, 600.0, 86_400.0)]
    assert rates == sorted(rates)
    assert rates[0] == 0.0 < rates[-1]


@pytest.mark.parametrize("name", ["two", "one", "pairs"])
def test_authentication_is_paid_once_a_block(name):
    device = DEVICES[name]
    paid = device.model_copy(update={"authentication_bit": 60_000.0})
    assert_allclose(fibre_key_rate_bit_s(10.0, device) - fibre_key_rate_bit_s(10.0, paid), 100.0, rtol=1e-6)
    dear = device.model_copy(update={"authentication_bit": 1e6, "block_s": 1.0})
    assert fibre_key_rate_bit_s(20.0, dear) == 0.0


@pytest.mark.parametrize("name", ["pairs", "pulsed-pairs"])
@pytest.mark.parametrize("loss_db", [0.0, 12.0, 25.0])
def test_rate_of_pairs_by_hand(name, loss_db):
    """The source at one end, equal detectors at both; noise of two detectors in a window."""
    device = DEVICES[name]
    near = 0.8 * 10**-0.3
    far, noise = near * 10 ** (-loss_db / 10), 2 * 1e-7
    if name == "pairs":
        rate, qber = continuous_pairs(pair_rate_hz=1e7, efficiency_a=near, efficiency_b=far, noise_a_hz=noise / 1e-9,
                                      noise_b_hz=noise / 1e-9, window_s=1e-9, intrinsic_error=0.015)  # fmt: skip
    else:
        per_pulse, qber = pulsed_pairs(mean_pairs=0.05, efficiency_a=near, efficiency_b=far, noise_a=noise,
                                       noise_b=noise, intrinsic_error=0.015)  # fmt: skip
        rate = 1e9 * per_pulse
    key = entangled_key(float(rate) * 600, float(qber)).length_bit / 600
    assert_allclose(fibre_key_rate_bit_s(loss_db, device), max(0.0, key), rtol=1e-6)


def test_data_sheet_is_interpolated_in_the_logarithm_and_never_beyond():
    device = DEVICES["sheet"]
    for loss, rate in device.datasheet:
        assert_allclose(fibre_key_rate_bit_s(loss, device), rate)
    assert_allclose(fibre_key_rate_bit_s(5.0, device), math.sqrt(1e6 * 3e5))
    assert_allclose(fibre_key_rate_bit_s(17.0, device), math.sqrt(3e5 * 1e3))
    with pytest.raises(ScenarioError, match=r"24\.5 dB is outside 0 to 24 dB"):
        fibre_key_rate_bit_s(24.5, device)


@pytest.mark.parametrize("km", [10, 25, 50, 100])
def test_rate_of_modulated_states(km):
    """100 MHz of symbols at the best modulation; the receiver's loss belongs to the channel."""
    loss_db = 0.22 * km
    per_symbol = best_modulated_rate_bit(transmittance=10 ** (-(loss_db + 3) / 10), excess_noise=0.02)
    assert_allclose(fibre_key_rate_bit_s(loss_db, DEVICES["modulated"]), 1e8 * per_symbol, rtol=1e-9)
    assert fibre_key_rate_bit_s(loss_db, DEVICES["modulated"]) <= 1e8 * float(plob_bound_bit(10 ** (-loss_db / 10)))


def test_rate_of_the_twin_field():
    assert_allclose(fibre_key_rate_bit_s(56.0, DEVICES["twin"]), 110.0)
    with pytest.raises(ScenarioError, match="41 to 71 dB"):
        fibre_key_rate_bit_s(30.0, DEVICES["twin"])


# Published figures: what the generic classes are worth.


@pytest.mark.parametrize(
    ("loss_db", "published"),
    [pytest.param(2.0, 13.72e6, id="Yuan-2018"), pytest.param(14.5, 304e3, id="Tokyo-45-km")],
)
def test_generic_devices_are_within_a_factor_of_three(loss_db, published):
    """Toshiba in the laboratory (Yuan et al. 2018, JLT 36, 3427) and in the Tokyo network."""
    rate = fibre_key_rate_bit_s(loss_db, DEVICES["two"])
    assert published / 3 < rate < published * 3


# Coexistence.


def test_classical_light_adds_its_raman_clicks():
    """The block by hand: noise from both causes, independent."""
    light = Coexistence(launch_power_w=1e-5, counter_power_w=2e-5)
    device = DEVICES["two"].model_copy(update={"coexistence": light})
    raman = raman_click_probability(light, loss_db=10.0, receiver_loss_db=3.0, detector_efficiency=0.2)
    block = _decoy_block(10.0, device, noise=5e-7 + raman - 5e-7 * raman)
    assert raman > 5e-7
    assert_allclose(fibre_key_rate_bit_s(10.0, device), optimise_key(block).length_bit / 600, rtol=1e-9)


def test_classical_light_costs_key_and_at_last_all():
    rates = []
    for power in (0.0, 1e-6, 1e-5, 1e-4, 1e-2):
        device = DEVICES["two"].model_copy(update={"coexistence": Coexistence(launch_power_w=power)})
        rates.append(fibre_key_rate_bit_s(15.0, device))
    assert rates == sorted(rates, reverse=True)
    assert_allclose(rates[0], fibre_key_rate_bit_s(15.0, DEVICES["two"]), rtol=1e-9)
    assert rates[-1] == 0.0


def test_span_without_loss_carries_classical_light():
    device = DEVICES["two"].model_copy(update={"coexistence": Coexistence(launch_power_w=1e-3)})
    assert fibre_key_rate_bit_s(0.0, device) > 0


# Dead time.


def _saturated(loss_db, device):
    """Largest key rate [bit/s] by differential evolution over all five parameters, dead time in the objective."""
    eta = device.detector_efficiency * 10 ** (-(loss_db + device.receiver_loss_db) / 10)
    block = _decoy_block(loss_db, device)

    def rate(x):
        basis, first, second, bright, weak = x
        if first + second >= 1 or weak >= bright:
            return 1.0
        parameters = DecoyParameters(basis, first, second, bright, weak, 0.0)
        photons = first * bright + second * weak
        per_detector_hz = device.pulse_rate_hz * ((1 - math.exp(-photons * eta)) / 2 + device.extraneous_probability)
        counted = BlockTable(block.series / (1 + per_detector_hz * device.dead_time_s), block.afterpulse_probability)
        return -key_length(counted, parameters).length_bit / device.block_s

    bounds = [(0.5, 0.999), (0.3, 0.999), (0.001, 0.5), (0.005, 1.0), (0.001, 0.5)]
    return -differential_evolution(rate, bounds, rng=5, maxiter=60, popsize=10, tol=1e-5).fun


@pytest.mark.parametrize(("loss_db", "dead_time_s", "least"), [(0.0, 5e-8, 0.99), (0.0, 1e-5, 0.94)])
def test_rate_with_dead_time_is_close_to_the_best(loss_db, dead_time_s, least):
    """R τ of 1.2 and of 250: one dimmed optimum loses less than 1 % and 6 % against all parameters at once."""
    device = QkdDevice(**APD, dead_time_s=dead_time_s)
    best = _saturated(loss_db, device)
    assert least * best < fibre_key_rate_bit_s(loss_db, device) < 1.003 * best


@pytest.mark.parametrize("dead_time_s", [1e-6, 1e-5, 1e-4])
def test_a_short_span_is_limited_by_the_counts_of_its_two_detectors(dead_time_s):
    """No more than 2/τ clicks a second: at 10 µs 200,000, of which near 0 dB between a third and all become key."""
    device = QkdDevice(**APD, dead_time_s=dead_time_s)
    rate = fibre_key_rate_bit_s(0.0, device)
    assert 1 / 3 < rate * dead_time_s / 2 < 1


def test_key_rate_goes_flat_towards_no_loss():
    """Each decibel near 0 costs 13 % without dead time (1.566e7, 1.227e7 bit/s), 1.5 % where 10 µs bound it."""
    slow = QkdDevice(**APD, dead_time_s=1e-5)
    bare, bound = ([fibre_key_rate_bit_s(x, d) for x in (0.0, 1.0, 2.0, 20.0)] for d in (DEVICES["two"], slow))
    assert_allclose(bare[:2], [1.566e7, 1.227e7], rtol=1e-3)
    assert bare[1] / bare[0] < 0.8
    assert bound[1] / bound[0] > 0.98
    assert bound[2] / bound[1] > 0.97
    assert bound == sorted(bound, reverse=True)


@pytest.mark.parametrize("protocol", ["bb84-two-decoy", "bb84-one-decoy"])
def test_dead_time_of_few_clicks_costs_their_share(protocol):
    """At 24 dB and 50 ns, R τ is a few thousandths: the rate falls by 1/(1 + R τ) of its own light."""
    bare, slow = (QkdDevice(**APD, protocol=protocol, dead_time_s=t) for t in (0.0, 5e-8))
    eta = 0.2 * 10**-2.7
    block = _decoy_block(24.0, bare)
    photons = optimise_key(
        block, limits=ParameterLimits(decoys=1 if "one" in protocol else 2)
    ).parameters.mean_photon_number
    busy = 1e9 * ((1 - math.exp(-photons * eta)) / 2 + 5e-7) * 5e-8
    share = fibre_key_rate_bit_s(24.0, slow) / fibre_key_rate_bit_s(24.0, bare)
    assert busy > 0.003
    assert_allclose(share, 1 / (1 + busy), atol=0.15 * busy)


@pytest.mark.parametrize("name", ["pairs", "pulsed-pairs"])
@pytest.mark.parametrize("loss_db", [0.0, 10.0])
def test_pairs_are_counted_where_both_ends_are_ready(name, loss_db):
    """Each end by its own clicks, over two detectors; a thermal pulse of 2λ pairs has a click but for 1/(1 + ηλ)²."""
    device = DEVICES[name].model_copy(update={"dead_time_s": 2e-7})
    near, ready = 0.8 * 10**-0.3, 1.0
    for eta in (near, near * 10 ** (-loss_db / 10)):
        if name == "pairs":
            clicks = 1e7 * eta + 2 * 1e-7 / 1e-9
        else:
            clicks = 1e9 * (1 - math.exp(-2e-7) / (1 + 0.025 * eta) ** 2)
        ready /= 1 + clicks / 2 * 2e-7
    assert ready < 0.8
    shorter = DEVICES[name].model_copy(update={"block_s": 600 * ready})  # a block of as many counts
    assert_allclose(fibre_key_rate_bit_s(loss_db, device), ready * fibre_key_rate_bit_s(loss_db, shorter), rtol=1e-9)


def test_presets_are_bound_near_no_loss():
    """50 ns: less than 4e7 clicks a second of 2 detectors; 30 ns: 6.7e7. Without, 15.7 and 121 Mbit/s at 0 dB."""
    rates = {}
    for name in ("apd-1ghz", "snspd-1ghz"):
        device = QkdDevice(**preset_values("device", name))
        rates[name] = fibre_key_rate_bit_s(0.0, device)
        assert rates[name] < 0.6 * 2 / device.dead_time_s
        assert rates[name] < 0.5 * fibre_key_rate_bit_s(0.0, device.model_copy(update={"dead_time_s": 0.0}))
    assert_allclose([rates["apd-1ghz"], rates["snspd-1ghz"]], [7.15e6, 2.68e7], rtol=0.01)


@pytest.mark.parametrize("name", ["sheet", "modulated"])
def test_dead_time_does_not_count_twice_in_a_sheet_nor_at_all_in_homodyning(name):
    slow = DEVICES[name].model_copy(update={"dead_time_s": 1e-5})
    assert fibre_key_rate_bit_s(1.0, slow) == fibre_key_rate_bit_s(1.0, DEVICES[name])


# Edges and bad input.


@pytest.mark.parametrize("name", ["two", "one", "pairs", "pulsed-pairs", "modulated"])
@pytest.mark.parametrize("loss_db", [60.0, 150.0, 300.0, 1e4, math.inf])
def test_hopeless_spans_have_next_to_no_rate(name, loss_db):
    """Finite blocks none; modulated states, an asymptotic estimate, no more than the bound without repeaters."""
    rate = fibre_key_rate_bit_s(loss_db, DEVICES[name])
    assert 0 <= rate <= (1e8 * float(plob_bound_bit(10 ** (-loss_db / 10))) if name == "modulated" else 0.0)


@pytest.mark.parametrize(
    "extreme",
    [
        {"detector_efficiency": 1.0, "receiver_loss_db": 0.0, "extraneous_probability": 0.0, "intrinsic_error": 0.0},
        {"extraneous_probability": 1.0},
        {"intrinsic_error": 0.499},
        {"extraneous_probability": 0.0, "intrinsic_error": 0.0, "afterpulse_probability": 0.0},
        {"pulse_rate_hz": 1e-3},
        {"pulse_rate_hz": 1e15},
    ],
)
@pytest.mark.parametrize("name", ["two", "one", "pairs", "pulsed-pairs"])
def test_rates_of_extreme_devices_are_numbers(name, extreme):
    device = DEVICES[name].model_copy(update=extreme)
    for loss_db in (0.0, 10.0, 40.0):
        rate = fibre_key_rate_bit_s(loss_db, device)
        assert math.isfinite(rate)
        assert rate >= 0


@pytest.mark.parametrize("loss_db", [-1e-9, -1.0, math.nan])
@pytest.mark.parametrize("name", DEVICES)
def test_impossible_spans_are_refused(name, loss_db):
    with pytest.raises(ValueError, match=r"loss_db=.*expected a loss >= 0 dB"):
        fibre_key_rate_bit_s(loss_db, DEVICES[name])


def test_every_fibre_protocol_has_a_rate():
    assert {d.protocol for d in DEVICES.values()} == {n for n, e in PROTOCOLS.items() if e.fibre}


def test_optimised_parameters_of_a_span_are_confirmed_by_the_plain_length():
    block = _decoy_block(16.4, DEVICES["two"])
    best = optimise_key(block)
    assert_allclose(key_length(block, best.parameters).length_bit, best.length_bit, rtol=1e-12)
