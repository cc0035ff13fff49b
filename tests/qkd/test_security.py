"""Security budgets, authentication, and what scenarios and functions refuse."""

import json
import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from eqci_space.qkd.blocks import block_table
from eqci_space.qkd.entangled import entangled_key
from eqci_space.qkd.optimiser import ParameterLimits, optimise_key
from eqci_space.qkd.protocols import PROTOCOLS, parameter_limits, security_parameters
from eqci_space.qkd.security import SecurityParameters, authentication_tag_bit
from eqci_space.qkd.window_keys import window_keys
from eqci_space.qkd.window_responses import window_responses
from eqci_space.scenario import Coexistence, ModulatedStates, PairSource, Protocol, QkdDevice

# Authentication.


@pytest.mark.parametrize("epsilon", [0.5, 1e-3, 2.5e-13, 1e-30, 1e-300])
@pytest.mark.parametrize("message_bit", [1.0, 64.0, 1e6, 1e10, 1e18])
def test_tag_is_the_shortest_that_is_safe(epsilon, message_bit):
    """(L/t + 1) 2^-t <= ε at t and not at t - 1."""
    tag = authentication_tag_bit(epsilon, message_bit=message_bit)
    assert (message_bit / tag + 1) * 2.0**-tag <= epsilon * (1 + 1e-12)
    assert tag == 1 or (message_bit / (tag - 1) + 1) * 2.0 ** -(tag - 1) > epsilon


def test_tag_of_the_default_budget():
    """69 bits for ε = 2.5e-13 and 1e10 bits; four of them a block."""
    assert authentication_tag_bit(2.5e-13) == 69
    assert SecurityParameters().authentication_bit == 276


@given(epsilon=st.floats(-200, -1).map(lambda x: 10**x), message=st.floats(0, 15).map(lambda x: 10**x))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_tag_grows_with_the_message_and_the_safety(epsilon, message):
    tag = authentication_tag_bit(epsilon, message_bit=message)
    assert authentication_tag_bit(epsilon, message_bit=10 * message) >= tag
    assert authentication_tag_bit(epsilon / 10, message_bit=message) >= tag


def test_more_messages_share_the_failure_probability():
    """Ten messages cost ten tags, each for a tenth of ε."""
    security = SecurityParameters(authenticated_messages=10)
    assert security.authentication_bit == 10 * authentication_tag_bit(1e-13)
    assert SecurityParameters(authenticated_messages=0).authentication_bit == 0


def test_failure_probabilities_add():
    """ε of secrecy, correctness and authentication; the last only where keys authenticate."""
    assert_allclose(SecurityParameters(1e-9, 1e-15, epsilon_authentication=1e-12).epsilon, 1e-9 + 1e-15 + 1e-12)
    without = SecurityParameters(1e-9, 1e-15, epsilon_authentication=1e-12, authenticated_messages=0)
    assert_allclose(without.epsilon, 1e-9 + 1e-15, rtol=1e-15)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"epsilon": 0.0}, "epsilon = 0.0"),
        ({"epsilon": 1.0}, "epsilon = 1.0"),
        ({"epsilon": math.nan}, "epsilon = nan"),
        ({"epsilon": 1e-9, "message_bit": 0.5}, "message_bit = 0.5"),
        ({"epsilon": 1e-9, "message_bit": math.nan}, "message_bit = nan"),
    ],
)
def test_impossible_tags_are_refused(arguments, named):
    with pytest.raises(ValueError, match=named.replace(".", r"\.")):
        authentication_tag_bit(**arguments)


def test_endless_message_is_refused():
    """A length of infinity has no tag, and a search for one does not end; hence the separate process."""
    code = "from eqci_space.qkd.security import authentication_tag_bit as t; t(1e-9, message_bit=float('inf'))"
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=10, check=False)
    except subprocess.TimeoutExpired:
        pytest.fail("authentication_tag_bit of an endless message did not end within 10 s")
    assert "message_bit = inf" in done.stderr


# Parameters.


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"epsilon_secrecy": 0.0}, "epsilon_secrecy = 0.0; expected between 0 and 1"),
        ({"epsilon_secrecy": math.nan}, "epsilon_secrecy = nan"),
        ({"epsilon_correctness": -1e-9}, "epsilon_correctness = -1e-09"),
        ({"epsilon_authentication": 2.0}, "epsilon_authentication = 2.0"),
        ({"error_correction_efficiency": 0.99}, "error_correction_efficiency = 0.99; expected at least 1"),
        ({"error_correction_efficiency": math.nan}, "error_correction_efficiency = nan"),
        ({"error_correction_efficiency": math.inf}, "error_correction_efficiency = inf"),
        ({"authenticated_messages": -1}, "authenticated_messages = -1; expected 0 to 10000"),
        ({"authenticated_messages": 2.5}, "authenticated_messages = 2.5"),
        ({"authenticated_messages": math.nan}, "authenticated_messages = nan"),
        ({"bound": "gauss"}, "bound = 'gauss'; expected one of chernoff, hoeffding, asymptotic"),
        ({"leakage": "logM"}, "leakage = 'logM'; expected one of one-shot, block"),
        ({"sampling": "serfling"}, "sampling = 'serfling'; expected one of lim2014, fung2010"),
    ],
)
def test_impossible_budgets_are_refused_with_value_and_range(wrong, named):
    with pytest.raises(ValueError, match=named.replace(".", r"\.")):
        SecurityParameters(**wrong)


def test_settings_of_a_scenario_reach_the_budget():
    protocol = Protocol(
        kind="bb84-one-decoy", epsilon_secrecy=1e-8, epsilon_correctness=1e-12, epsilon_authentication=1e-11,
        authenticated_messages=6, error_correction_efficiency=1.2, bound="hoeffding", leakage="block",
        sampling="fung2010", intensity_1=0.5, probability_1=[0.6, 0.9],
    )  # fmt: skip
    expected = SecurityParameters(1e-8, 1e-12, 1.2, "hoeffding", "block", "fung2010", 1e-11, 6)
    assert security_parameters(protocol) == expected
    limits = parameter_limits(protocol)
    assert limits.decoys == 1
    assert limits.intensity_1 == (0.5, 0.5)
    assert limits.probability_1 == (0.6, 0.9)
    assert limits.key_basis_probability == (0.0, 1.0)
    assert parameter_limits(Protocol()).decoys == 2


def test_protocol_register_covers_what_scenarios_may_name():
    space = set(Protocol.model_fields["kind"].annotation.__args__)
    fibre = set(QkdDevice.model_fields["protocol"].annotation.__args__)
    assert {name for name, entry in PROTOCOLS.items() if entry.space} == space
    assert {name for name, entry in PROTOCOLS.items() if entry.fibre} == fibre


# Records of a scenario.

PAIRS = PairSource(pair_rate_hz=1e7)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"epsilon_secrecy": 0.0}, "epsilon_secrecy"),
        ({"epsilon_secrecy": 1.5}, "epsilon_secrecy"),
        ({"epsilon_correctness": math.nan}, "epsilon_correctness"),
        ({"error_correction_efficiency": 0.9}, "error_correction_efficiency"),
        ({"kind": "b92"}, "kind"),
        ({"bound": "gauss"}, "bound"),
        ({"key_basis_probability": 1.2}, "key_basis_probability"),
        ({"key_basis_probability": [0.9, 0.5]}, "key_basis_probability"),
        ({"probability_1": math.nan}, "probability_1"),
        ({"probability_1": 0.7, "probability_2": 0.4}, "probability_1 and probability_2"),
        ({"intensity_1": 0.1, "intensity_2": 0.2}, "intensities"),
        ({"intensity_1": 1.5}, "intensity_1"),
        ({"intensity_3": 0.4, "intensity_2": 0.3}, "intensities"),
        ({"intensity_3": 0.3, "intensity_1": 0.5}, "intensities"),
        ({"kind": "bbm92"}, "source"),
        ({"source": PAIRS}, "source"),
        ({"key_basis_probability": 1.0}, "key_basis_probability"),
        ({"key_basis_probability": 0.0}, "key_basis_probability"),
        ({"probability_1": 0.0}, "probability_1"),
        ({"probability_2": 0.0}, "probability_2"),
        ({"kind": "bb84-one-decoy", "probability_1": 1.0}, "probability_1"),
    ],
)
def test_impossible_protocols_are_refused_by_name(wrong, named):
    """A record that exists must be one with which a key can be computed."""
    with pytest.raises(ValueError, match=named):
        Protocol(**wrong)


DEVICE = {
    "pulse_rate_hz": 1e9, "detector_efficiency": 0.2, "receiver_loss_db": 3.0, "extraneous_probability": 5e-7,
    "intrinsic_error": 0.015,
}  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"pulse_rate_hz": 0.0}, "pulse_rate_hz"),
        ({"pulse_rate_hz": math.inf}, "pulse_rate_hz"),
        ({"detector_efficiency": 1.1}, "detector_efficiency"),
        ({"detector_efficiency": 0.0}, "detector_efficiency"),
        ({"receiver_loss_db": -1.0}, "receiver_loss_db"),
        ({"extraneous_probability": -1e-9}, "extraneous_probability"),
        ({"extraneous_probability": math.nan}, "extraneous_probability"),
        ({"intrinsic_error": 0.5}, "intrinsic_error"),
        ({"afterpulse_probability": 0.6}, "afterpulse_probability"),
        ({"block_s": 0.1}, "block_s"),
        ({"authentication_bit": -1.0}, "authentication_bit"),
        ({"protocol": "b92"}, "protocol"),
        ({"protocol": "datasheet"}, "datasheet"),
        ({"protocol": "datasheet", "datasheet": [(5.0, 1e3)]}, "datasheet"),
        ({"protocol": "datasheet", "datasheet": [(5.0, 1e3), (5.0, 1e2)]}, "rising losses"),
        ({"protocol": "datasheet", "datasheet": [(5.0, 1e3), (9.0, 0.0)]}, "datasheet"),
        ({"protocol": "bbm92"}, "source"),
        ({"protocol": "cv-qkd"}, "modulated"),
        ({"modulated": ModulatedStates()}, "modulated"),
        ({"protocol": "cv-qkd", "modulated": ModulatedStates(), "coexistence": Coexistence()}, "coexistence"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_impossible_devices_are_refused_by_name(wrong, named):
    with pytest.raises(ValueError, match=named):
        QkdDevice(**(DEVICE | wrong))


@pytest.mark.parametrize(
    "wrong",
    [
        {"launch_power_w": -1e-3}, {"counter_power_w": math.nan}, {"raman_coefficient_per_m2": 0.0},
        {"wavelength_m": 1.0}, {"filter_bandwidth_m": 0.0}, {"gate_s": 0.0}, {"attenuation_db_km": 0.0},
    ],
)  # fmt: skip
def test_impossible_coexistence_is_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Coexistence(**wrong)


# What windows make of it.

START = pd.Timestamp("2027-03-01T20:00:00Z")


def _budget(window_id, transmittance, *, noise=1.6e-7, start=START, slot_s=10.0, ogs="GRAZ"):
    transmittance = np.asarray(transmittance, dtype=float)
    n = len(transmittance)
    names = ("azimuth_deg", "range_rate_m_s", "angular_rate_rad_s", "sun_separation_deg", "moon_elevation_deg",
             "moon_separation_deg", "moon_phase_deg")  # fmt: skip
    return pd.DataFrame({
        "window_id": window_id, "satellite": "EAGLE1-LIKE", "ogs": ogs,
        "time": start + pd.to_timedelta(slot_s * (np.arange(n) + 0.5), unit="s"), "weight_s": slot_s,
        "elevation_deg": 45.0, "range_m": 7e5, "sun_elevation_deg": -40.0, "sunlit": False,
        **dict.fromkeys(names, 0.0), "total_loss_db": 40.0, "transmittance": transmittance, "background_hz": 50.0,
        "extraneous_probability": noise, "intrinsic_error": 0.013, "valid": True,
    })  # fmt: skip


def _pass(peak_db, edge_db, n=40):
    return 10 ** (-(peak_db + (edge_db - peak_db) * np.linspace(-1, 1, n) ** 2) / 10)


def _with(scenario, **protocol):
    changed = Protocol(**(scenario.protocol.model_dump() | protocol))
    return scenario.model_copy(update={"protocol": changed})


@pytest.fixture(scope="module")
def budget():
    return pd.concat(
        [_budget("a", _pass(30, 40)), _budget("b", _pass(36, 46)), _budget("c", _pass(40, 52)),
         _budget("d", _pass(90, 95)), _budget("e", _pass(33, 50, 17))], ignore_index=True,
    )  # fmt: skip


@pytest.mark.parametrize("messages", [0, 1, 20])
def test_authentication_is_paid_once_a_block(budget, scenario, messages):
    """The key differs by the tags from that of a scenario that leaves authentication to others."""
    free = window_keys(budget, _with(scenario, authenticated_messages=0))
    paid = window_keys(budget, _with(scenario, authenticated_messages=messages))
    bits = SecurityParameters(authenticated_messages=messages).authentication_bit
    assert (paid["authentication_bit"] == bits).all()
    assert_allclose(paid.loc[["a", "b"], "skl_bit"], free.loc[["a", "b"], "skl_bit"] - bits, atol=1.5)
    assert (paid["skl_bit"] >= 0).all()


def test_epsilon_of_a_window_is_that_of_the_budget(budget, scenario):
    keys = window_keys(budget, _with(scenario, epsilon_secrecy=1e-8, epsilon_correctness=1e-10))
    assert_allclose(keys["epsilon"], 1e-8 + 1e-10 + 1e-12, rtol=1e-12)


@pytest.mark.parametrize("dim", [0.0005, 0.01])
def test_windows_with_a_third_intensity_above_vacuum_are_planned(scenario, dim):
    """A year has hundreds of windows without key among the others; none of them may stop the plan."""
    rng = np.random.default_rng(3)
    parts = [_budget(f"w{i}", _pass(rng.uniform(28, 70), 75), noise=10 ** rng.uniform(-7.5, -5)) for i in range(150)]
    keys = window_keys(pd.concat(parts, ignore_index=True), _with(scenario, intensity_3=dim))
    assert len(keys) == 150
    assert (keys["skl_bit"] > 0).any()
    assert (keys["skl_bit"] == 0).any()


@pytest.mark.parametrize("fixed", [{"probability_2": 0.5}, {"intensity_2": 0.5}, {"probability_1": 0.5}])
def test_windows_with_one_fixed_parameter_are_planned(budget, scenario, fixed):
    keys = window_keys(budget, _with(scenario, **fixed))
    assert len(keys) == 5
    assert keys.loc["d", "skl_bit"] == 0


def test_rows_of_windows_may_be_interleaved(budget, scenario):
    """Slots of a window stay in order, windows mix: same keys, in order of the first sample of each."""
    keys = window_keys(budget, scenario)
    rng = np.random.default_rng(0)
    for _ in range(3):
        order = np.argsort(rng.random(len(budget)), kind="stable")
        ranks = budget["window_id"].to_numpy()[order]
        mixed = np.empty(len(budget), dtype=int)
        for name in set(ranks):
            mixed[ranks == name] = np.flatnonzero(budget["window_id"] == name)
        again = window_keys(budget.iloc[mixed].reset_index(drop=True), scenario)
        assert list(again.index) == list(dict.fromkeys(ranks))
        pd.testing.assert_frame_equal(again.loc[keys.index], keys)


@pytest.mark.parametrize("kind", ["bb84-two-decoy", "bb84-one-decoy"])
def test_keys_do_not_depend_on_the_number_of_threads(budget, scenario, kind, monkeypatch):
    """Byte by byte."""
    chosen, texts = _with(scenario, kind=kind), []
    for threads in (1, 2, 7):
        monkeypatch.setattr("os.cpu_count", lambda n=threads: n)
        texts.append(window_keys(budget, chosen).to_csv())
    assert len(set(texts)) == 1


def test_progress_counts_every_window_once(budget, scenario):
    for parameters in ("per_window", "common"):
        done = []
        window_keys(budget, _with(scenario, parameters=parameters), progress=done.append)
        assert sum(done) == 5


def test_one_decoy_windows_are_labelled_and_have_two_intensities(budget, scenario):
    keys = window_keys(budget, _with(scenario, kind="bb84-one-decoy"))
    two = window_keys(budget, scenario)
    assert set(keys["protocol"]) == {"bb84-one-decoy"}
    assert set(keys["proof"]) == {"rusca2018-chernoff-fung2010"}
    assert 0 < keys.loc["a", "skl_bit"] < two.loc["a", "skl_bit"]


@pytest.mark.parametrize("dead_time_s", [0.0, 3e-8])
def test_common_parameters_lie_between_separate_ones_and_any_single_set(budget, scenario, dead_time_s):
    """All windows share one set; the sum lies between separate keys and any one window's set used for all."""
    stations = {k: s.model_copy(update={"receiver": s.receiver.model_copy(update={"dead_time_s": dead_time_s})})
                for k, s in scenario.stations.items()}  # fmt: skip
    scenario = scenario.model_copy(update={"stations": stations})
    separate = window_keys(budget, scenario)
    common = window_keys(budget, _with(scenario, parameters="common"))
    with_key = common["skl_bit"] > 0
    assert len(set(common.loc[with_key, "parameters"])) == 1
    assert (common["skl_bit"] <= separate["skl_bit"] * (1 + 1e-3) + 10).all()
    for text in separate.loc[separate["skl_bit"] > 0, "parameters"]:
        values = json.loads(text)
        fixed = {n: values[n] for n in ("key_basis_probability", "probability_1", "probability_2",
                                               "intensity_1", "intensity_2")}  # fmt: skip
        alone = window_keys(budget, _with(scenario, **fixed))
        assert common["skl_bit"].sum() >= alone["skl_bit"].sum() * (1 - 1e-3) - 10


def test_responses_of_windows_start_from_their_keys(budget, scenario):
    """No extra loss gives the key of the row; more loss never gives more."""
    keys = window_keys(budget, scenario)
    found = window_responses(budget, keys, scenario, [0.0, 1.0, 3.0, 10.0])
    assert_allclose(found[0.0], keys.loc[found.index, "skl_bit"], rtol=2e-3, atol=12)
    assert (np.diff(found.to_numpy(), axis=1) <= 10).all()
    assert (found.loc["d"] == 0).all()


@pytest.mark.parametrize(("bound", "proof"), [("chernoff", "fung2010"), ("asymptotic", "asymptotic")])
def test_lengths_of_pairs_name_their_bound(bound, proof):
    """An infinite-key figure must not pass for a finite one."""
    security = SecurityParameters(bound=bound)
    key = entangled_key(1e6, 0.02, security)
    assert (key.protocol, key.proof, key.security) == ("bbm92", f"tomamichel2012-{proof}", security)


@pytest.mark.parametrize(("decoys", "proof"), [(1, "rusca2018"), (2, "lim2014")])
def test_decoy_lengths_name_protocol_proof_and_budget(decoys, proof):
    security = SecurityParameters(bound="hoeffding", epsilon_secrecy=1e-10)
    key = optimise_key(block_table(1e-3, 1e-7, 0.01, 1e10), security, limits=ParameterLimits(decoys=decoys))
    assert key.protocol == ("bb84-one-decoy" if decoys == 1 else "bb84-two-decoy")
    assert (key.proof, key.security) == (f"{proof}-hoeffding-fung2010", security)
