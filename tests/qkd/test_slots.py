"""Counts of receivers against simulated gates: basis choice, dark counts, sky, dead time, and light of neighbours."""

import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from eqci_space.linkbudget.detector import extraneous_probability, gate_transmittance, neighbour_transmittance
from eqci_space.qkd.blocks import block_table
from eqci_space.qkd.counts import slot_counts, table_counts
from eqci_space.qkd.decoy import key_length
from eqci_space.qkd.decoy_parameters import DecoyParameters
from eqci_space.qkd.entangled import entangled_key
from eqci_space.qkd.optimiser import optimise_common
from eqci_space.qkd.protocols import security_parameters
from eqci_space.qkd.security import SecurityParameters
from eqci_space.qkd.slots import window_slots
from eqci_space.qkd.window_keys import own_dark_coincidences, pair_coincidences, window_keys
from eqci_space.scenario import PairSource, Protocol

START = pd.Timestamp("2027-03-01T20:00:00Z")
GATE_S, RATE_HZ = 1e-9, 1e8


def _budget(transmittance, noise, *, error=0.01, slot_s=1.0, ratio=0.0):
    eta = np.atleast_1d(np.asarray(transmittance, dtype=float))
    n = len(eta)
    names = ("azimuth_deg", "range_rate_m_s", "angular_rate_rad_s", "sun_separation_deg", "moon_elevation_deg",
             "moon_separation_deg", "moon_phase_deg")  # fmt: skip
    return pd.DataFrame({
        "window_id": "w", "satellite": "EAGLE1-LIKE", "ogs": "GRAZ",
        "time": START + pd.to_timedelta(slot_s * (np.arange(n) + 0.5), unit="s"), "weight_s": slot_s,
        "elevation_deg": 45.0, "range_m": 7e5, "sun_elevation_deg": -40.0, "sunlit": False,
        **dict.fromkeys(names, 0.0), "total_loss_db": 20.0, "transmittance": eta, "background_hz": 50.0,
        "extraneous_probability": noise, "neighbour_ratio": ratio, "intrinsic_error": error, "valid": True,
    })  # fmt: skip


def _receiving(scenario, rate_hz=RATE_HZ, **receiver):
    """The scenario with another clock, and another receiver at every station."""
    stations = {k: s.model_copy(update={"receiver": s.receiver.model_copy(update=receiver)})
                for k, s in scenario.stations.items()}  # fmt: skip
    satellites = tuple(s.model_copy(update={"terminal": s.terminal.model_copy(update={"pulse_rate_hz": rate_hz})})
                       for s in scenario.satellites)  # fmt: skip
    return scenario.model_copy(update={"stations": stations, "satellites": satellites})


def _counts(scenario, parameters, budget):
    """Clicks and errors (key basis, test basis) over intensities, as windows count them."""
    window = next(iter(window_slots(budget, scenario)))
    block = window.block(0, len(budget), parameters.mean_photon_number, parameters.key_basis_probability)
    counts = table_counts(block.series, block.light(), parameters.as_array())
    return counts.reshape(4, 3)


# ---------------------------------------------------------------- simulated gates


def _ready(gates, blind):
    """Clicks of one detector that stays blind for some gates after each, and is not prolonged."""
    kept, ready_at = [], 0
    for gate in gates:
        if gate >= ready_at:
            kept.append(gate)
            ready_at = gate + blind + 1
    return np.array(kept, dtype=np.int64)


def _simulated(seed, gates, *, key_basis, light, dark, sky, passive, error=0.02, blind=0):
    """Sifted clicks and errors in key and test basis, gate by gate.

    `dark` is per detector and gate, `sky` a photon in the gate that some detector would see. Active: two detectors, the
    receiver's basis drawn per gate. Passive: four detectors, every photon takes the key basis by chance. A gate with
    clicks in both bases, or at both bits, is settled by lot.
    """
    rng = np.random.default_rng(seed)
    alice, bit = rng.random(gates) < key_basis, rng.random(gates) < 0.5
    bob = rng.random(gates) < key_basis
    clicks = {}
    for what, chance in (("signal", -np.expm1(-light)), ("sky", sky)):
        at = np.flatnonzero(rng.random(gates) < chance)
        basis = rng.random(len(at)) < key_basis if passive else bob[at]
        value = rng.random(len(at)) < 0.5
        if what == "signal":
            right = basis == alice[at]
            value = np.where(right, bit[at] ^ (rng.random(len(at)) < error), value)
        for b in (False, True):
            for v in (False, True):
                clicks.setdefault((b, v), []).append(at[(basis == b) & (value == v)])
    if passive:
        for detector in clicks.values():
            detector.append(np.flatnonzero(rng.random(gates) < dark))
        seen = {d: _one_detector(at, blind) for d, at in clicks.items()}
    else:  # a detector per bit, whatever the basis of the gate
        seen = {}
        for v in (False, True):
            own = np.flatnonzero(rng.random(gates) < dark)
            both = _one_detector([*clicks[False, v], *clicks[True, v], own], blind)
            for b in (False, True):
                seen[b, v] = both[bob[both] == b]
    sifted, wrong = np.zeros((2, gates), dtype=bool), np.zeros((2, gates), dtype=bool)
    for b in (False, True):
        one, zero = np.zeros(gates, dtype=bool), np.zeros(gates, dtype=bool)
        one[seen[b, True]], zero[seen[b, False]] = True, True
        sifted[int(b)] = one | zero
        wrong[int(b)] = np.where(one & zero, rng.random(gates) < 0.5, one) != bit
    doubles = sifted[0] & sifted[1]
    lot = rng.random(gates) < 0.5
    sifted[0] &= ~(doubles & lot)
    sifted[1] &= ~(doubles & ~lot)
    found = []
    for b in (1, 0):
        mine = sifted[b] & (alice == bool(b))
        found.append((np.count_nonzero(mine), np.count_nonzero(mine & wrong[b])))
    return np.array(found).T


def _one_detector(parts, blind):
    gates = np.unique(np.concatenate(parts))
    return _ready(gates.tolist(), blind) if blind else gates


@pytest.mark.parametrize("passive", [False, True])
@pytest.mark.parametrize("key_basis", [0.3, 0.5, 0.7, 0.9])
def test_clicks_and_errors_per_basis_are_those_of_simulated_gates(scenario, passive, key_basis):
    """Three million gates of light, sky and dark counts: sifted clicks and errors of both bases within 3 sd and 1 %.

    With one noise for both bases they would be 1.3 to 5 times too few at a passive receiver.
    """
    gates, light, dark, sky = 3_000_000, 2e-3, 1e-3, 4e-3
    detectors = 4 if passive else 2
    chosen = _receiving(scenario, detectors=detectors, gate_s=GATE_S, dark_count_rate_hz=dark / GATE_S,
                        afterpulse_probability=0.0, dead_time_s=0.0)  # fmt: skip
    noise = extraneous_probability(dark_count_rate_hz=dark / GATE_S, background_hz=np.array([sky / GATE_S]),
                                   detectors=detectors, gate_s=GATE_S)  # fmt: skip
    parameters = DecoyParameters(key_basis, 0.8, 0.15, 0.7, 0.15)
    eta = light / parameters.mean_photon_number
    found = _counts(chosen, parameters, _budget(eta, noise, error=0.02, slot_s=gates / RATE_HZ)).sum(axis=1)
    clicks, wrong = _simulated(7, gates, key_basis=key_basis, light=light, dark=dark, sky=sky, passive=passive,
                               error=0.02)  # fmt: skip
    for ours, theirs in zip(found, [*clicks, *wrong], strict=True):
        assert abs(ours - theirs) < 3 * np.sqrt(theirs) + 0.01 * theirs


@pytest.mark.parametrize("key_basis", [0.5, 0.7, 0.9])
def test_noise_of_a_passive_basis_is_its_own_dark_counts_and_its_part_of_the_sky(scenario, key_basis):
    """Without light: Alice's p times (2 dark + p sky), clicks; half of them errors. Exact."""
    dark, sky, gates = 1e-7, 6e-7, 1e12
    chosen = _receiving(scenario, detectors=4, gate_s=GATE_S, dark_count_rate_hz=dark / GATE_S,
                        afterpulse_probability=0.0, dead_time_s=0.0)  # fmt: skip
    noise = extraneous_probability(dark_count_rate_hz=dark / GATE_S, background_hz=np.array([sky / GATE_S]),
                                   detectors=4, gate_s=GATE_S)  # fmt: skip
    parameters = DecoyParameters(key_basis, 0.8, 0.15, 0.7, 0.15)
    found = _counts(chosen, parameters, _budget(0.0, noise, slot_s=gates / RATE_HZ)).sum(axis=1)
    expected = [p * (2 * dark + p * sky) * gates for p in (key_basis, 1 - key_basis)]
    assert_allclose(found[:2], expected, rtol=2e-6)
    assert_allclose(found[2:], np.array(expected) / 2, rtol=2e-6)


@pytest.mark.parametrize("detectors", [4, 8])
def test_more_detectors_than_outputs_share_the_light_and_each_bring_their_dark_counts(scenario, detectors):
    dark, sky, gates = 1e-7, 6e-7, 1e12
    chosen = _receiving(scenario, detectors=detectors, gate_s=GATE_S, dark_count_rate_hz=dark / GATE_S,
                        afterpulse_probability=0.0, dead_time_s=0.0)  # fmt: skip
    noise = extraneous_probability(dark_count_rate_hz=dark / GATE_S, background_hz=np.array([sky / GATE_S]),
                                   detectors=detectors, gate_s=GATE_S)  # fmt: skip
    parameters = DecoyParameters(0.8, 0.8, 0.15, 0.7, 0.15)
    found = _counts(chosen, parameters, _budget(0.0, noise, slot_s=gates / RATE_HZ))[0].sum()
    assert_allclose(found, 0.8 * (detectors / 2 * dark + 0.8 * sky) * gates, rtol=2e-6)


@pytest.mark.parametrize(("passive", "key_basis", "blind"),
                         [(False, 0.8, 60), (True, 0.5, 60), (True, 0.8, 60), (True, 0.9, 200)])  # fmt: skip
def test_each_pair_of_detectors_has_its_own_dead_time(scenario, passive, key_basis, blind):
    """Six million gates of detectors that go blind: the pair of the likelier basis registers less; 2 % and 3 sd.

    At p = 0.9 and 200 gates the key basis keeps 47 %, the test basis 87 %; one rate for all would say 62 %.
    """
    gates, light, dark, sky = 6_000_000, 1e-2, 1e-4, 2e-3
    detectors = 4 if passive else 2
    chosen = _receiving(scenario, detectors=detectors, gate_s=GATE_S, dark_count_rate_hz=dark / GATE_S,
                        afterpulse_probability=0.0, dead_time_s=blind / RATE_HZ)  # fmt: skip
    noise = extraneous_probability(dark_count_rate_hz=dark / GATE_S, background_hz=np.array([sky / GATE_S]),
                                   detectors=detectors, gate_s=GATE_S)  # fmt: skip
    parameters = DecoyParameters(key_basis, 0.8, 0.15, 0.7, 0.15)
    eta = light / parameters.mean_photon_number
    budget = _budget(eta, noise, error=0.02, slot_s=gates / RATE_HZ)
    found = _counts(chosen, parameters, budget).sum(axis=1)
    clicks, wrong = _simulated(11, gates, key_basis=key_basis, light=light, dark=dark, sky=sky, passive=passive,
                               error=0.02, blind=blind)  # fmt: skip
    for ours, theirs in zip(found, [*clicks, *wrong], strict=True):
        assert abs(ours - theirs) < 3 * np.sqrt(theirs) + 0.02 * theirs
    live = next(iter(window_slots(budget, chosen))).live(parameters.mean_photon_number, key_basis)
    if passive and key_basis == 0.9:
        assert_allclose([live[0][0], live[1][0]], [0.474, 0.867], atol=0.02)


# ---------------------------------------------------------------- light of neighbours


def _pulse_train(seed, pulses, parameters, *, light, gate, jitter, error):
    """Clicks and errors (key, test; intensity) of a train of pulses one period apart; times in periods."""
    rng = np.random.default_rng(seed)
    p = parameters
    mu = np.array([p.intensity_1, p.intensity_2, p.intensity_3])
    kind = rng.choice(3, size=pulses, p=[p.probability_1, p.probability_2, 1 - p.probability_1 - p.probability_2])
    alice, bob = (rng.random(pulses) < p.key_basis_probability for _ in range(2))
    bit = rng.random(pulses) < 0.5
    sent = np.repeat(np.arange(pulses), rng.poisson(light * mu[kind]))
    arrival = sent + jitter * rng.standard_normal(len(sent))
    slot = np.round(arrival).astype(np.int64)
    inside = (np.abs(arrival - slot) <= gate / 2) & (slot >= 0) & (slot < pulses)
    sent, slot = sent[inside], slot[inside]
    straight = (alice[sent] == bob[slot]) & (rng.random(len(sent)) >= 2 * error)  # else the outcome is random
    seen = np.where(straight, bit[sent], rng.random(len(sent)) < 0.5)
    kept = alice[slot] == bob[slot]
    sent, slot, seen = sent[kept], slot[kept], seen[kept]
    found = np.zeros((4, 3))
    for row, basis in ((0, True), (1, False)):
        mine = alice[slot] == basis
        found[row] = np.bincount(kind[slot[mine]], minlength=3)
        found[2 + row] = np.bincount(kind[slot[mine & (seen != bit[slot])]], minlength=3)
    return found


@pytest.mark.parametrize(
    ("gate", "jitter", "detectors"), [(1.0, 0.15, 2), (1.0, 1.5, 4), (0.2, 0.35, 2), (0.5, 0.6, 4), (0.9, 3.0, 2)]
)
def test_light_of_neighbours_makes_counts_of_every_intensity_and_random_bits(scenario, gate, jitter, detectors):
    """Four million pulses whose photons arrive up to several periods off, gate and jitter in periods; 4 sd and 1 %.

    The vacuum intensity clicks by its neighbours alone. A loss without errors would leave it dark.
    """
    pulses, light, error = 4_000_000, 1e-2, 0.015
    parameters = DecoyParameters(0.7, 0.5, 0.3, 0.6, 0.2)
    timing = {"gate_s": gate / RATE_HZ, "timing_jitter_s": jitter / RATE_HZ}
    own = gate_transmittance(**timing)
    ratio = neighbour_transmittance(period_s=1 / RATE_HZ, **timing) / own
    chosen = _receiving(scenario, detectors=detectors, gate_s=gate / RATE_HZ, dark_count_rate_hz=0.0,
                        afterpulse_probability=0.0, dead_time_s=0.0)  # fmt: skip
    budget = _budget(light * own, 0.0, error=error, slot_s=pulses / RATE_HZ, ratio=ratio)
    found = _counts(chosen, parameters, budget)
    simulated = _pulse_train(3, pulses, parameters, light=light, gate=gate, jitter=jitter, error=error)
    assert (np.abs(found - simulated) < 4 * np.sqrt(simulated + 1) + 0.01 * simulated).all()


@pytest.mark.parametrize(
    ("rate_hz", "gate_s", "jitter_s", "qber"),
    [(4e9, 0.25e-9, 0.2e-9, 0.270666), (5e9, 0.1e-9, 0.15e-9, 0.244110), (2e9, 0.3e-9, 0.25e-9, 0.133937)],
)
def test_error_rate_is_the_mean_of_own_and_neighbouring_light(scenario, rate_hz, gate_s, jitter_s, qber):
    """Own part of the light with the intrinsic error of 1 %, the rest at one half, by normal integrals by hand."""
    timing = {"gate_s": gate_s, "timing_jitter_s": jitter_s}
    own, stray = gate_transmittance(**timing), neighbour_transmittance(period_s=1 / rate_hz, **timing)
    chosen = _receiving(scenario, rate_hz, gate_s=gate_s, afterpulse_probability=0.0, dead_time_s=0.0)
    budget = _budget(1e-4 * own, 0.0, ratio=stray / own)
    for probabilities in ((0.8, 0.15, 0.7, 0.15), (0.3, 0.3, 0.5, 0.1)):
        counts = _counts(chosen, DecoyParameters(0.9, *probabilities), budget).sum(axis=1)
        assert_allclose(counts[2] / counts[0], qber, atol=2e-5)
        assert_allclose(counts[3] / counts[1], qber, atol=2e-5)


def test_neighbours_fade_with_the_signal_and_noise_does_not():
    """3 dB more loss halves both lights, so that the error rate without noise stays."""
    parameters = DecoyParameters(0.8, 0.8, 0.15, 0.7, 0.15)
    block = block_table(1e-4, 0.0, 0.01, 1e12, neighbour_ratio=0.05)
    full, weak = key_length(block, parameters), key_length(block, parameters, extra_loss_db=3.0)
    assert_allclose(weak.qber, full.qber, rtol=1e-4)
    assert_allclose(weak.sifted_bit, full.sifted_bit * 10**-0.3, rtol=1e-3)


def test_neighbours_of_pulsed_pairs_are_clicks_without_a_partner(scenario):
    """Five times the light of a pulse comes from others: by chance while the source sees a photon, half wrong; 2 %."""
    source = PairSource(kind="pulsed", mean_pairs=0.01, own_efficiency=1.0, own_noise_hz=0.0)
    chosen = _receiving(scenario, gate_s=GATE_S, dark_count_rate_hz=0.0, dead_time_s=0.0)
    chosen = chosen.model_copy(update={"protocol": Protocol(kind="bbm92", source=source)})
    keys = [window_keys(_budget(1e-4, 0.0, slot_s=1e4, ratio=r), chosen).loc["w"] for r in (0.0, 5.0)]
    base, true = keys[0]["qber"], 1e-4 * 0.01
    accidental = 5.0 * 1e-4 * 0.01 * 0.01
    assert base < 0.02
    assert_allclose(keys[1]["qber"], (base * true + 0.5 * accidental) / (true + accidental), rtol=0.02)


# ---------------------------------------------------------------- pairs


def _simulated_pairs(seed, gates, *, key_basis, pairs, own, arm, own_noise, dark, sky, error):
    """Sifted coincidences and errors of key and test basis; means per gate.

    The source's side draws its basis per gate. At the receiver a photon, of a pair or of the sky, takes the key basis
    by chance, and each of four detectors clicks in the dark by itself.
    """
    rng = np.random.default_rng(seed)
    mine = np.sort(rng.integers(gates, size=rng.poisson(pairs * gates)))
    basis, bit = rng.random(len(mine)) < key_basis, rng.random(len(mine)) < 0.5
    there = rng.random(len(mine)) < key_basis
    seen = np.where(there == basis, bit ^ (rng.random(len(mine)) < error), rng.random(len(mine)) < 0.5)
    here, arrived = rng.random(len(mine)) < own, rng.random(len(mine)) < arm

    def clicks(mean, chance):
        at = rng.integers(gates, size=rng.poisson(mean * gates))
        return pd.DataFrame({"gate": at, "basis": rng.random(len(at)) < chance, "bit": rng.random(len(at)) < 0.5})

    a = pd.concat([pd.DataFrame({"gate": mine, "basis": basis, "bit": bit})[here], clicks(own_noise, key_basis)])
    b = pd.concat([
        pd.DataFrame({"gate": mine, "basis": there, "bit": seen})[arrived], clicks(sky, key_basis),
        clicks(2 * dark, 1.0), clicks(2 * dark, 0.0),
    ])  # fmt: skip
    both = a.merge(b, on=["gate", "basis"])
    wrong = both["bit_x"] != both["bit_y"]
    return [(np.count_nonzero(both["basis"] == s), np.count_nonzero(wrong & (both["basis"] == s))) for s in (1, 0)]


@pytest.mark.parametrize("key_basis", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("kind", ["continuous", "pulsed"])
def test_coincidences_per_basis_are_those_of_simulated_gates(scenario, kind, key_basis):
    """A hundred million gates of pairs, sky and dark counts at a passive receiver, 4 sd and 2 %.

    At p = 0.8 the error rate of the test basis is 0.28; noise that all splits as the choice does would make it 0.18.
    """
    gates, pairs, own, arm, dark, sky = 100_000_000, 0.01, 0.5, 0.05, 5e-3, 4e-4
    brightness = {"pair_rate_hz": pairs / GATE_S} if kind == "continuous" else {"mean_pairs": pairs}
    source = PairSource(kind=kind, coincidence_window_s=GATE_S, **brightness)
    chosen = _receiving(scenario, 1 / GATE_S, detectors=4, gate_s=GATE_S, dark_count_rate_hz=dark / GATE_S)
    noise = extraneous_probability(dark_count_rate_hz=dark / GATE_S, background_hz=np.array([sky / GATE_S]),
                                   detectors=4, gate_s=GATE_S)  # fmt: skip
    window = next(iter(window_slots(_budget(arm, noise, slot_s=gates * GATE_S), chosen)))
    noise_hz, dark_hz = window.pair_noise_hz(source)
    assert_allclose([noise_hz[0] * GATE_S, dark_hz[0] * GATE_S], [sky, 2 * dark], rtol=1e-9)
    arms = {"pulse_rate_hz": 1 / GATE_S, "efficiency": (own, arm), "noise_hz": (1e-3 / GATE_S, noise_hz),
            "intrinsic_error": 0.02}  # fmt: skip
    split = pair_coincidences(source, **arms)
    one, two = own_dark_coincidences(source, split, (0.0, dark_hz), **arms)[:, 0] * gates * GATE_S
    simulated = _simulated_pairs(5, gates, key_basis=key_basis, pairs=pairs, own=own, arm=arm, own_noise=1e-3,
                                 dark=dark, sky=sky, error=0.02)  # fmt: skip
    security = SecurityParameters(bound="asymptotic")
    for p, (clicks, wrong) in zip((key_basis, 1 - key_basis), simulated, strict=True):
        key = entangled_key(float(split.rate[0]) * gates * GATE_S, float(split.qber[0]), security,
                            key_basis_probability=p, own_dark=(one, two))  # fmt: skip
        sifted = key.sifted_bit / (2 if p == 0.5 else 1)
        assert abs(sifted - clicks) < 4 * np.sqrt(clicks) + 0.02 * clicks
        assert abs(sifted * key.qber - wrong) < 4 * np.sqrt(wrong) + 0.02 * wrong
        if key_basis == 0.8 and p < 0.5:
            assert key.qber == pytest.approx(0.281, abs=0.005)


# ---------------------------------------------------------------- tables


@pytest.mark.parametrize("decoys", [1, 2])
@pytest.mark.parametrize("afterpulse", [0.0, 0.03])
def test_tables_are_the_sums_of_slots_with_pairs_and_neighbours(decoys, afterpulse):
    rng = np.random.default_rng(5)
    eta, noise, error = 10 ** rng.uniform(-4, -2, 50), 10 ** rng.uniform(-7, -5, 50), rng.uniform(0, 0.03, 50)
    pulses, dark, ratio = rng.uniform(1e8, 1e9, 50), 10 ** rng.uniform(-7, -5, 50), rng.uniform(0, 2, 50)
    x = (0.7, 0.6, 0.4, 0.5, 0.15, 0.0, 1) if decoys == 1 else (0.7, 0.6, 0.3, 0.5, 0.15, 0.01, 2)
    parameters = DecoyParameters(*x)
    more = {"afterpulse_probability": afterpulse, "pair_dark_probability": dark, "neighbour_ratio": ratio}
    exact = slot_counts(eta, noise, error, pulses, parameters, **more)
    block = block_table(eta, noise, error, pulses, **more)
    found = table_counts(block.series, block.light(), parameters.as_array()).reshape(4, 3)[:, : decoys + 1]
    wanted = np.array([exact.key_basis, exact.test_basis, exact.key_errors, exact.test_errors])[:, : decoys + 1]
    assert_allclose(found, wanted, rtol=1e-9)


def test_a_test_basis_with_pulses_of_its_own():
    """Half the pulses meet ready detectors of the test basis: half its counts, those of the key basis as before."""
    parameters = DecoyParameters(0.7, 0.6, 0.3, 0.5, 0.15)
    more = {"pair_dark_probability": 1e-6, "neighbour_ratio": 0.1}
    one, other = (
        block_table(1e-3, 1e-6, 0.01, 1e9, test_pulses=test, **more) for test in (1e9, 5e8)
    )  # fmt: skip
    plain = block_table(1e-3, 1e-6, 0.01, 1e9, **more)
    a, b, c = (table_counts(t.series, t.light(), parameters.as_array()).reshape(4, 3) for t in (one, other, plain))
    assert_allclose(a, c, rtol=1e-12)
    assert_allclose(b[[0, 2]], a[[0, 2]], rtol=1e-12)
    assert_allclose(b[[1, 3]], a[[1, 3]] / 2, rtol=1e-12)


def test_one_parameter_set_for_blocks_of_different_receivers():
    """Tables of three, five and ten rows count as one when optimised together."""
    plain = block_table(1e-3, 1e-7, 0.01, 1e10)
    full = block_table(1e-3, 0.0, 0.01, 1e10, pair_dark_probability=1e-7)
    both = block_table(1e-3, 1e-7, 0.01, 1e10, test_pulses=1e10)
    results = optimise_common([plain, full, both])
    for block, result in zip((plain, full, both), results, strict=True):
        assert_allclose(result.length_bit, key_length(block, result.parameters).length_bit, rtol=1e-12)
    summed = plain + full
    assert_allclose(key_length(summed, results[0].parameters).sifted_bit, sum(r.sifted_bit for r in results[:2]),
                    rtol=1e-9)  # fmt: skip


@pytest.mark.parametrize("dead_time_s", [0.0, 1e-7])
def test_the_key_of_a_passive_window_is_that_of_its_parameters_and_no_other_basis_gives_more(scenario, dead_time_s):
    """The search knows that dark counts of a pair weigh by 1/p: key-basis probabilities scanned; 0.5 %."""
    chosen = _receiving(scenario, 5e8, detectors=4, gate_s=GATE_S, dark_count_rate_hz=2000.0, dead_time_s=dead_time_s,
                        afterpulse_probability=0.01)  # fmt: skip
    eta = 10 ** (-(26 + 8 * np.linspace(-1, 1, 40) ** 2) / 10)
    budget = _budget(eta, 4e-6, slot_s=10.0)
    row = window_keys(budget, chosen).loc["w"]
    window = next(iter(window_slots(budget, chosen)))
    first, last = (round((row[end] - START).total_seconds() / 10) for end in ("usable_start", "usable_end"))
    values = json.loads(row["parameters"])
    best, security = -np.inf, security_parameters(chosen.protocol)
    for basis in (*np.linspace(0.5, 0.98, 25), values["key_basis_probability"]):
        p = DecoyParameters(**(values | {"key_basis_probability": basis}))
        block = window.block(first, last, p.mean_photon_number, p.key_basis_probability)
        length = key_length(block, p, security).length_bit
        best = max(best, length)
    assert_allclose(row["skl_bit"] + row["authentication_bit"], length, atol=2)
    assert length > 0.995 * best
