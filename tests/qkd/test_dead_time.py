"""Dead time: the closed form, a simulated detector, and windows whose parameters and clicks agree."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from eqci_space.qkd.blocks import BlockTable, block_table, running_tables
from eqci_space.qkd.dead_time import live_share
from eqci_space.qkd.decoy import key_length
from eqci_space.qkd.decoy_parameters import DecoyParameters
from eqci_space.qkd.intervals import optimise_interval
from eqci_space.qkd.optimiser import ParameterLimits
from eqci_space.qkd.protocols import security_parameters
from eqci_space.qkd.slots import window_slots
from eqci_space.qkd.window_keys import window_keys
from eqci_space.qkd.window_responses import window_responses
from eqci_space.scenario import Protocol

LINK = {"mean_photon_number": 0.5, "pulse_rate_hz": 5e8, "detectors": 2, "dead_time_s": 5e-8}


@given(
    eta=st.floats(0, 1),
    noise=st.floats(0, 1e-3),
    mean=st.floats(0, 1),
    rate=st.floats(6, 10).map(lambda x: 10**x),
    detectors=st.integers(1, 8),
    dead=st.floats(0, 1e-5),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_live_share_is_the_closed_form(eta, noise, mean, rate, detectors, dead):
    """1/(1 + Rτ) of a non-paralysable detector (Knoll 2010, section 4.7), R its own clicks per second."""
    clicks = rate * ((1 - math.exp(-mean * eta)) / detectors + noise)
    found = live_share(np.array([eta]), noise, mean_photon_number=mean, pulse_rate_hz=rate, detectors=detectors,
                       dead_time_s=dead)  # fmt: skip
    assert_allclose(found, 1 / (1 + clicks * dead), rtol=1e-9)
    assert 0 < found[0] <= 1


@pytest.mark.parametrize(("click", "dead_pulses"), [(0.001, 50), (0.01, 25), (0.02, 100), (0.1, 10)])
def test_live_share_of_a_simulated_detector(click, dead_pulses):
    """Two million gates of a detector that stays blind for a fixed time after each click and is not prolonged: 2 %."""
    rng = np.random.default_rng(4)
    gates, ready, ready_at = 2_000_000, 0, 0
    clicks = np.flatnonzero(rng.random(gates) < click)
    for gate in clicks:
        if gate >= ready_at:
            ready += 1
            ready_at = gate + dead_pulses + 1
    simulated = ready / len(clicks)  # the detector sees the same share of the clicks as of the gates
    eta = -math.log1p(-click) / 0.5
    found = live_share(np.array([eta]), 0.0, mean_photon_number=0.5, pulse_rate_hz=1e9, detectors=1,
                       dead_time_s=dead_pulses * 1e-9)  # fmt: skip
    assert_allclose(found, simulated, rtol=0.02)


def test_no_dead_time_and_no_clicks_leave_the_detector_ready():
    assert_allclose(live_share(np.array([0.1, 0.0]), 1e-7, **(LINK | {"dead_time_s": 0.0})), 1.0)
    assert_allclose(live_share(np.array([0.0]), 0.0, **LINK), 1.0)


def test_light_over_more_detectors_blinds_each_less():
    shares = [live_share(np.array([0.05]), 1e-7, **(LINK | {"detectors": n}))[0] for n in (1, 2, 4, 8)]
    assert shares == sorted(shares)
    assert shares[0] < 0.7


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"dead_time_s": -1e-9}, "dead_time_s = -1e-09"),
        ({"dead_time_s": math.nan}, "dead_time_s = nan"),
        ({"dead_time_s": 2.0}, "dead_time_s = 2.0"),
        ({"detectors": 0}, "detectors = 0"),
        ({"pulse_rate_hz": -1.0}, "pulse_rate_hz = -1.0"),
        ({"pulse_rate_hz": math.nan}, "pulse_rate_hz = nan"),
        ({"mean_photon_number": -0.1}, "mean_photon_number = -0.1"),
        ({"mean_photon_number": math.nan}, "mean_photon_number = nan"),
        ({"efficiency": np.array([1.5])}, "efficiency = 1.5"),
        ({"efficiency": np.array([math.nan])}, "efficiency = nan"),
        ({"extraneous_probability": -1e-3}, "extraneous_probability = -0.001"),
    ],
)
def test_impossible_detectors_are_refused_by_name(wrong, named):
    arguments = {"efficiency": np.array([0.1]), "extraneous_probability": 1e-7} | LINK | wrong
    with pytest.raises(ValueError, match=f"live_share: .*{named}"):
        live_share(**arguments)


# Windows.

START = pd.Timestamp("2027-03-01T20:00:00Z")


def _budget(window_id, transmittance, *, noise=1.6e-7, slot_s=10.0):
    transmittance = np.asarray(transmittance, dtype=float)
    n = len(transmittance)
    names = ("azimuth_deg", "range_rate_m_s", "angular_rate_rad_s", "sun_separation_deg", "moon_elevation_deg",
             "moon_separation_deg", "moon_phase_deg")  # fmt: skip
    return pd.DataFrame({
        "window_id": window_id, "satellite": "EAGLE1-LIKE", "ogs": "GRAZ",
        "time": START + pd.to_timedelta(slot_s * (np.arange(n) + 0.5), unit="s"), "weight_s": slot_s,
        "elevation_deg": 45.0, "range_m": 7e5, "sun_elevation_deg": -40.0, "sunlit": False,
        **dict.fromkeys(names, 0.0), "total_loss_db": 20.0, "transmittance": transmittance, "background_hz": 50.0,
        "extraneous_probability": noise, "intrinsic_error": 0.013, "valid": True,
    })  # fmt: skip


def _pass(peak_db, edge_db, n=40):
    return 10 ** (-(peak_db + (edge_db - peak_db) * np.linspace(-1, 1, n) ** 2) / 10)


def _with(scenario, dead_time_s, **protocol):
    stations = {k: s.model_copy(update={"receiver": s.receiver.model_copy(update={"dead_time_s": dead_time_s})})
                for k, s in scenario.stations.items()}  # fmt: skip
    changed = Protocol(**(scenario.protocol.model_dump() | protocol))
    return scenario.model_copy(update={"stations": stations, "protocol": changed})


def _length_at(window, budget, scenario, parameters, first, last):
    """Key of slots first:last with the dead time of these very parameters."""
    receiver, terminal = scenario.stations["GRAZ"].receiver, scenario.satellites[0].terminal
    eta = budget["transmittance"].to_numpy()[first:last]
    noise = budget["extraneous_probability"].to_numpy()[first:last]
    clicks = -np.expm1(-parameters.mean_photon_number * eta) / receiver.detectors + noise
    live = 1 / (1 + terminal.pulse_rate_hz * clicks * receiver.dead_time_s)
    pulses = terminal.pulse_rate_hz * budget["weight_s"].to_numpy()[first:last] * live
    block = block_table(eta, noise, budget["intrinsic_error"].to_numpy()[first:last], pulses,
                        afterpulse_probability=receiver.afterpulse_probability)  # fmt: skip
    return key_length(block, parameters, security_parameters(scenario.protocol)).length_bit


@pytest.mark.parametrize("kind", ["bb84-two-decoy", "bb84-one-decoy"])
@pytest.mark.parametrize(
    ("peak_db", "dead_time_s"), [(30, 3e-8), (15, 3e-8), (8, 5e-8), (3, 1e-6), (20, 1e-5), (1, 1e-4)]
)
def test_parameters_and_dead_time_of_a_window_agree(scenario, kind, peak_db, dead_time_s):
    """The reported key is that of the reported parameters, whose light blinds the detectors; down to 0.01 % live.

    A key above it would be one that the named parameters cannot give.
    """
    chosen = _with(scenario, dead_time_s, kind=kind)
    budget = _budget("w", _pass(peak_db, peak_db + 8))
    row = window_keys(budget, chosen).loc["w"]
    parameters = DecoyParameters(**json.loads(row["parameters"]))
    first = round((row["usable_start"] - START).total_seconds() / 10)
    last = round((row["usable_end"] - START).total_seconds() / 10)
    length = _length_at("w", budget, chosen, parameters, first, last)
    assert row["skl_bit"] > 0
    assert_allclose(row["skl_bit"], length - row["authentication_bit"], rtol=1e-7, atol=1.5)


@pytest.mark.parametrize(("peak_db", "dead_time_s"), [(25, 3e-8), (30, 1e-5), (25, 1e-5), (10, 5e-8)])
def test_parameters_are_the_best_with_dead_time(scenario, peak_db, dead_time_s):
    """No weaker light gives more: the search must know that light blinds. Intensities scanned; 1 %.

    10 µs is the usual dead time of avalanche diodes at 1550 nm, 30 to 50 ns that of superconducting wires.
    """
    chosen = _with(scenario, dead_time_s)
    budget = _budget("w", _pass(peak_db, peak_db + 8))
    row = window_keys(budget, chosen).loc["w"]
    p = DecoyParameters(**json.loads(row["parameters"]))
    best = -math.inf
    for factor in np.linspace(0.2, 1.0, 17):
        for mu2 in (0.2, 0.3, 0.5, 1.0):
            mu1 = p.intensity_1 * factor
            weak = min(p.intensity_2 * factor**mu2 * 0.999, 0.9 * mu1)
            dimmer = DecoyParameters(p.key_basis_probability, p.probability_1, p.probability_2, mu1, weak)
            best = max(best, _length_at("w", budget, chosen, dimmer, 0, 40))
    assert row["skl_bit"] + row["authentication_bit"] >= best * (1 - 0.01)


@pytest.mark.parametrize("weak", [0.1, (0.1, 0.3)])
@pytest.mark.parametrize("dead_time_s", [1e-6, 1e-5])
def test_dimmed_light_stays_within_the_transmitters_ranges(scenario, weak, dead_time_s):
    """Detectors that blind ask for less light; the weak intensity cannot fall below what the modulator sends."""
    row = window_keys(_budget("w", _pass(22, 30)), _with(scenario, dead_time_s, intensity_2=weak)).loc["w"]
    parameters = json.loads(row["parameters"])
    assert row["skl_bit"] > 0
    assert 0.1 - 1e-9 <= parameters["intensity_2"] < parameters["intensity_1"]


def test_gain_blinds_detectors(scenario):
    """3 dB more light on detectors of 1 us: never more key than with the live time of that light."""
    chosen = _with(scenario, 1e-6)
    budget = _budget("w", _pass(20, 28))
    keys = window_keys(budget, chosen)
    row, found = keys.loc["w"], window_responses(budget, keys, chosen, [-3.0, 0.0, 3.0]).loc["w"]
    parameters = DecoyParameters(**json.loads(row["parameters"]))
    first = round((row["usable_start"] - START).total_seconds() / 10)
    last = round((row["usable_end"] - START).total_seconds() / 10)
    brighter = budget.assign(transmittance=budget["transmittance"] * 10**0.3)
    length = _length_at("w", brighter, chosen, parameters, first, last) - row["authentication_bit"]
    assert_allclose(found[-3.0], length, rtol=1e-3)
    assert_allclose(found[0.0], row["skl_bit"], rtol=1e-6, atol=1.5)


def test_dead_time_costs_key(scenario):
    budget = _budget("w", _pass(15, 25))
    keys = [window_keys(budget, _with(scenario, dead)).loc["w", "skl_bit"] for dead in (0.0, 1e-8, 1e-7, 1e-6)]
    assert keys == sorted(keys, reverse=True)
    assert keys[-1] < 0.5 * keys[0]


def test_slots_count_the_share_of_ready_detectors(scenario):
    """Running tables at a mean photon number are those of fewer pulses."""
    chosen = _with(scenario, 1e-7)
    window = next(iter(window_slots(_budget("w", _pass(12, 20)), chosen)))
    receiver, terminal = window.receiver, window.terminal
    live = live_share(window.efficiency, window.extraneous_probability, mean_photon_number=0.4,
                      pulse_rate_hz=terminal.pulse_rate_hz, detectors=receiver.detectors,
                      dead_time_s=1e-7)  # fmt: skip
    direct = running_tables(window.efficiency, window.extraneous_probability, window.intrinsic_error,
                            terminal.pulse_rate_hz * window.weight_s * live)  # fmt: skip
    assert_allclose(window.running(0.4), direct, rtol=1e-12)
    assert_allclose(window.running()[-1][0], running_tables(
        window.efficiency, 0.0, 0.0, window.pulses)[-1][0], rtol=1e-12)  # fmt: skip


def test_fixed_parameters_with_dead_time_need_no_search(scenario):
    """One set leaves only the interval to choose; its key is that of the slots."""
    fixed = {"key_basis_probability": 0.8, "probability_1": 0.8, "probability_2": 0.12, "intensity_1": 0.6,
             "intensity_2": 0.15}  # fmt: skip
    chosen = _with(scenario, 2e-7, **fixed)
    budget = _budget("w", _pass(10, 18))
    window = next(iter(window_slots(budget, chosen)))
    parameters = DecoyParameters(0.8, 0.8, 0.12, 0.6, 0.15)
    running = window.running(parameters.mean_photon_number)
    result, first, last = optimise_interval(running, security_parameters(chosen.protocol),
                                            limits=ParameterLimits.fixed(parameters))  # fmt: skip
    row = window_keys(budget, chosen).loc["w"]
    assert_allclose(row["skl_bit"], math.floor(result.length_bit - row["authentication_bit"]), atol=1)
    whole = key_length(BlockTable(running[last] - running[first]), parameters, security_parameters(chosen.protocol))
    assert_allclose(result.length_bit, whole.length_bit, rtol=1e-12)
