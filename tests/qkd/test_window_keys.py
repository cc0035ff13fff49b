"""Keys of windows: whole bits, elevation cut, reasons for zero, and what is refused."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from eqci_space.errors import TableError
from eqci_space.qkd.blocks import block_table
from eqci_space.qkd.decoy import key_length
from eqci_space.qkd.decoy_parameters import DecoyParameters
from eqci_space.qkd.optimiser import optimise_key
from eqci_space.qkd.protocols import security_parameters
from eqci_space.qkd.window_keys import window_keys

SATELLITE, OGS = "EAGLE1-LIKE", "GRAZ"
START = pd.Timestamp("2027-03-01T20:00:00Z")
UNREAD = [
    "azimuth_deg",
    "range_rate_m_s",
    "angular_rate_rad_s",
    "sun_separation_deg",
    "moon_elevation_deg",
    "moon_separation_deg",
    "moon_phase_deg",
]


def _budget(window_id, transmittance, *, noise=1.6e-7, intrinsic_error=0.013, slot_s=10.0, ogs=OGS):
    """BUDGET of one window from its transmittances; the columns the key does not read hold plain values."""
    transmittance = np.asarray(transmittance, dtype=float)
    n = len(transmittance)
    zeros = dict.fromkeys(UNREAD, 0.0)
    table = {
        "window_id": window_id,
        "satellite": SATELLITE,
        "ogs": ogs,
        "time": START + pd.to_timedelta(slot_s * (np.arange(n) + 0.5), unit="s"),
        "weight_s": slot_s,
        "elevation_deg": 45.0,
        "range_m": 7e5,
        "sun_elevation_deg": -40.0,
        "sunlit": False,
        **zeros,
        "total_loss_db": -10 * np.log10(transmittance),
        "transmittance": transmittance,
        "background_hz": 50.0,
        "extraneous_probability": noise,
        "intrinsic_error": intrinsic_error,
        "valid": True,
    }
    return pd.DataFrame(table, index=pd.RangeIndex(n))


def _pass(peak_db, edge_db, n=40):
    """Transmittances of a pass whose loss falls from its edges to the middle."""
    away = np.linspace(-1, 1, n) ** 2
    return 10 ** (-(peak_db + (edge_db - peak_db) * away) / 10)


def _block(part, scenario):
    terminal, receiver = scenario.satellites[0].terminal, scenario.stations[OGS].receiver
    return block_table(
        part["transmittance"].to_numpy(),
        part["extraneous_probability"].to_numpy(),
        part["intrinsic_error"].to_numpy(),
        terminal.pulse_rate_hz * part["weight_s"].to_numpy(),
        afterpulse_probability=receiver.afterpulse_probability,
    )


AUTHENTICATION_BIT = 276


def _with(scenario, *, receiver=None, protocol=None):
    """The scenario with other values in every receiver and in the protocol."""
    stations = {
        ogs: s.model_copy(update={"receiver": s.receiver.model_copy(update=receiver or {})})
        for ogs, s in scenario.stations.items()
    }
    kind = type(scenario.protocol)
    changed = kind(**(scenario.protocol.model_dump() | (protocol or {})))
    return scenario.model_copy(update={"stations": stations, "protocol": changed})


@pytest.fixture(scope="module")
def scenario(scenario):
    """Detectors without dead time, so that blocks are plain sums."""
    return _with(scenario, receiver={"dead_time_s": 0.0})


@pytest.fixture(scope="module")
def budget():
    return pd.concat(
        [
            _budget("good", _pass(30, 40)),
            _budget("edgy", _pass(42, 60), noise=3e-7),
            _budget("noisy", _pass(33, 40), intrinsic_error=0.2),
            _budget("dark", _pass(85, 95)),
            _budget("short", [10**-4.5], slot_s=0.1),
        ],
        ignore_index=True,
    )


@pytest.fixture(scope="module")
def keys(budget, scenario):
    return window_keys(budget, scenario)


def test_one_row_a_window_in_order_of_first_sample(keys):
    assert list(keys.index) == ["good", "edgy", "noisy", "dark", "short"]
    assert keys.index.name == "window_id"
    assert set(keys["protocol"]) == {"bb84-two-decoy"}
    assert set(keys["proof"]) == {"lim2014-chernoff-fung2010"}


def test_lengths_are_whole_bits(keys):
    assert (keys["skl_bit"] == np.floor(keys["skl_bit"])).all()
    assert (keys["skl_bit"] >= 0).all()
    assert keys.loc["good", "skl_bit"] > 0
    assert keys.loc["edgy", "skl_bit"] > 0


def test_key_is_the_floored_length_of_the_part_used(budget, keys, scenario):
    """The slots between usable_start and usable_end at the reported parameters give the reported key."""
    security = security_parameters(scenario.protocol)
    for window_id in ("good", "edgy"):
        row, part = keys.loc[window_id], budget[budget["window_id"] == window_id]
        used = part[(part["time"] > row["usable_start"]) & (part["time"] < row["usable_end"])]
        result = key_length(_block(used, scenario), DecoyParameters(**json.loads(row["parameters"])), security)
        assert_allclose(result.length_bit - AUTHENTICATION_BIT, row["skl_bit"], atol=1.5)
        best = optimise_key(_block(used, scenario), security).length_bit - AUTHENTICATION_BIT
        assert_allclose(row["skl_bit"], best, rtol=1e-6, atol=1.5)
        assert_allclose(result.sifted_bit, row["sifted_bit"], rtol=1e-6)
        assert_allclose(result.qber, row["qber"], rtol=1e-6)


def test_cut_never_gives_less_than_the_whole_window(budget, keys, scenario):
    security = security_parameters(scenario.protocol)
    for window_id, part in budget.groupby("window_id"):
        whole = optimise_key(_block(part, scenario), security).length_bit
        assert keys.loc[window_id, "skl_bit"] >= max(0, math.floor(whole * (1 - 1e-6)) - AUTHENTICATION_BIT - 1)


def test_cut_gains_where_the_edges_are_noisy(budget, keys, scenario):
    """At the edges of this window the dark and sky clicks outweigh the signal; symmetric edges go together."""
    part = budget[budget["window_id"] == "edgy"]
    whole = optimise_key(_block(part, scenario), security_parameters(scenario.protocol)).length_bit
    row = keys.loc["edgy"]
    assert row["skl_bit"] > 2 * whole > 0
    assert row["usable_start"] > START
    assert row["usable_start"] - START == START + pd.Timedelta(400, "s") - row["usable_end"]


def test_usable_part_lies_in_the_window(budget, keys):
    for window_id, part in budget.groupby("window_id"):
        half = pd.Timedelta(part["weight_s"].iloc[0] / 2, "s")
        row = keys.loc[window_id]
        assert part["time"].iloc[0] - half <= row["usable_start"] < row["usable_end"] <= part["time"].iloc[-1] + half
    assert str(keys["usable_start"].dt.tz) == "UTC"


def test_single_slot_is_used_from_its_start_to_its_end(keys):
    assert keys.loc["short", "usable_start"] == START
    assert keys.loc["short", "usable_end"] == START + pd.Timedelta(100, "ms")


def test_reason_says_why_there_is_no_key(keys):
    assert list(keys["reason"] == "") == list(keys["skl_bit"] > 0)
    for window_id in ("noisy", "dark", "short"):
        assert keys.loc[window_id, "skl_bit"] == 0
        assert len(keys.loc[window_id, "reason"]) > 10


def test_reason_names_errors_when_the_signal_itself_is_wrong(budget, scenario):
    """A signal with 20 % errors has no key however strong it is; the reason must be the errors."""
    noisy = _budget("noisy", _pass(20, 25), intrinsic_error=0.2)
    assert "QBER" in window_keys(noisy, scenario).loc["noisy", "reason"]


def test_reason_names_the_length_when_a_clean_signal_is_too_short(keys, budget):
    """1.3 % errors in 0.1 s: what is short is the block; errors are no reason."""
    assert budget.loc[budget["window_id"] == "short", "intrinsic_error"].iloc[0] == 0.013
    assert "QBER" not in keys.loc["short", "reason"]


def test_reported_error_rate_of_a_failed_window_is_that_of_its_signal(scenario):
    """20 % intrinsic errors and little noise: the observed error rate is 20 %, key or no key."""
    noisy = _budget("noisy", _pass(20, 25), intrinsic_error=0.2)
    row = window_keys(noisy, scenario).loc["noisy"]
    assert_allclose(row["qber"], 0.2, atol=0.01)
    assert row["sifted_bit"] > 1


def test_window_without_pulses_has_too_few_counts(scenario):
    row = window_keys(_budget("w", _pass(30, 40)).assign(weight_s=0.0), scenario).loc["w"]
    assert row["skl_bit"] == 0
    assert row["reason"].startswith("too few counts")


FIXED = {"key_basis_probability": 0.97, "probability_1": 0.97, "probability_2": 0.02, "intensity_1": 0.9,
         "intensity_2": 0.05}  # fmt: skip


@pytest.mark.parametrize("protocol", [FIXED, FIXED | {"parameters": "common"}])
def test_no_key_comes_from_parameters_that_the_transmitter_cannot_send(scenario, protocol):
    """A window with key at ordinary parameters and none at those of the hardware has none."""
    window = _budget("w", _pass(40, 50))
    assert window_keys(window, scenario).loc["w", "skl_bit"] > 0
    row = window_keys(window, _with(scenario, protocol=protocol)).loc["w"]
    assert row["skl_bit"] == 0
    assert_allclose([json.loads(row["parameters"])[name] for name in FIXED], list(FIXED.values()), atol=1e-9)


def test_common_parameters_are_those_of_every_window(budget, scenario):
    """Also where they give no key: the transmitter sends nothing else."""
    rows = window_keys(budget, _with(scenario, protocol={"parameters": "common"}))
    assert len(set(rows["parameters"])) == 1
    assert (rows["skl_bit"] == 0).any()
    for window_id, row in rows[rows["skl_bit"] > 0].iterrows():
        part = budget[budget["window_id"] == window_id]
        used = part[(part["time"] > row["usable_start"]) & (part["time"] < row["usable_end"])]
        result = key_length(_block(used, scenario), DecoyParameters(**json.loads(row["parameters"])))
        assert_allclose(row["skl_bit"], result.length_bit - AUTHENTICATION_BIT, rtol=1e-6, atol=1.5)


def test_keys_repeat_exactly_and_leave_the_budget_alone(budget, keys, scenario):
    before = budget.copy(deep=True)
    pd.testing.assert_frame_equal(window_keys(budget, scenario), keys)
    pd.testing.assert_frame_equal(budget, before)


def test_windows_do_not_influence_each_other(budget, keys, scenario):
    alone = window_keys(budget[budget["window_id"] == "edgy"], scenario)
    pd.testing.assert_frame_equal(alone, keys.loc[["edgy"]])


def test_smaller_epsilon_costs_key(budget, keys, scenario):
    strict = scenario.model_copy(update={"protocol": scenario.protocol.model_copy(update={"epsilon_secrecy": 1e-12})})
    stricter = window_keys(budget, strict)
    assert 0 < stricter.loc["good", "skl_bit"] < keys.loc["good", "skl_bit"]


def test_hoeffding_bound_is_labelled_and_differs(budget, keys, scenario):
    other = scenario.model_copy(update={"protocol": scenario.protocol.model_copy(update={"bound": "hoeffding"})})
    hoeffding = window_keys(budget, other)
    assert set(hoeffding["proof"]) == {"lim2014-hoeffding-fung2010"}
    assert 0 < hoeffding.loc["good", "skl_bit"] < keys.loc["good", "skl_bit"]


def test_empty_budget_gives_empty_keys(budget, scenario):
    keys = window_keys(budget.iloc[:0], scenario)
    assert len(keys) == 0
    assert keys.index.name == "window_id"


def test_missing_column_is_named(budget, scenario):
    with pytest.raises(TableError, match="window_keys: BUDGET lacks 'extraneous_probability'"):
        window_keys(budget.drop(columns="extraneous_probability"), scenario)


@pytest.mark.parametrize("column", ["satellite", "ogs"])
def test_unknown_satellite_or_station_is_refused(budget, scenario, column):
    with pytest.raises(TableError, match="NOWHERE"):
        window_keys(budget.assign(**{column: "NOWHERE"}), scenario)
