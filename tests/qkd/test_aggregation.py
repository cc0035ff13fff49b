"""Blocks of several windows against their joined slots, and blocks of one window against the window's own key."""

import math

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from eqci_space.errors import TableError
from eqci_space.qkd.aggregation import aggregate_keys
from eqci_space.qkd.blocks import block_table, running_tables
from eqci_space.qkd.optimiser import optimise_key
from eqci_space.qkd.protocols import security_parameters
from eqci_space.qkd.window_keys import window_keys
from eqci_space.scenario import PairSource, Protocol

START = pd.Timestamp("2027-03-01T20:00:00Z")
DAY = pd.Timedelta(1, "D")


def _budget(window_id, transmittance, *, noise=1.6e-7, start=START, slot_s=10.0, ogs="GRAZ", error=0.013):
    transmittance = np.asarray(transmittance, dtype=float)
    n = len(transmittance)
    names = ("azimuth_deg", "range_rate_m_s", "angular_rate_rad_s", "sun_separation_deg", "moon_elevation_deg",
             "moon_separation_deg", "moon_phase_deg")  # fmt: skip
    return pd.DataFrame({
        "window_id": window_id, "satellite": "EAGLE1-LIKE", "ogs": ogs,
        "time": start + pd.to_timedelta(slot_s * (np.arange(n) + 0.5), unit="s"), "weight_s": slot_s,
        "elevation_deg": 45.0, "range_m": 7e5, "sun_elevation_deg": -40.0, "sunlit": False,
        **dict.fromkeys(names, 0.0), "total_loss_db": 40.0, "transmittance": transmittance, "background_hz": 50.0,
        "extraneous_probability": noise, "intrinsic_error": error, "valid": True,
    })  # fmt: skip


def _pass(peak_db, edge_db, n=40):
    return 10 ** (-(peak_db + (edge_db - peak_db) * np.linspace(-1, 1, n) ** 2) / 10)


@pytest.fixture(scope="module")
def scenario(scenario):
    """Detectors without dead time, so that blocks are plain sums."""
    stations = {k: s.model_copy(update={"receiver": s.receiver.model_copy(update={"dead_time_s": 0.0})})
                for k, s in scenario.stations.items()}  # fmt: skip
    return scenario.model_copy(update={"stations": stations})


@pytest.fixture(scope="module")
def budget():
    """Five nights over Graz and two over Ondřejov; the rows of the stations mix."""
    peaks = [34, 38, 41, 44, 36]
    parts = [_budget(f"g{i}", _pass(p, p + 12), start=START + i * DAY) for i, p in enumerate(peaks)]
    parts += [_budget(f"o{i}", _pass(40, 50), start=START + i * DAY + pd.Timedelta(1, "h"), ogs="ONDREJOV")
              for i in range(2)]  # fmt: skip
    return pd.concat(parts, ignore_index=True).sort_values("time", kind="stable").reset_index(drop=True)


@pytest.fixture(scope="module")
def keys(budget, scenario):
    return window_keys(budget, scenario)


def _receiver(scenario, ogs="GRAZ"):
    return scenario.stations[ogs].receiver, scenario.satellites[0].terminal


def test_blocks_of_one_window_are_the_windows(budget, keys, scenario):
    """1e-4 relative: symmetric passes have their best slots in one interval."""
    blocks = aggregate_keys(budget, keys, scenario, windows_per_block=1)
    assert len(blocks) == 7
    assert (blocks["windows"] == 1).all()
    assert_allclose(blocks["mean_delay_s"], 0.0, atol=1e-6)
    assert_allclose(blocks["separate_bit"].sum(), keys["skl_bit"].sum())
    for block, row in blocks.iterrows():
        number = int(str(block).rsplit("|", 1)[1]) - 1
        own = keys.loc[("g" if row["ogs"] == "GRAZ" else "o") + str(number)]
        assert_allclose(row["skl_bit"], own["skl_bit"], rtol=1e-4, atol=2)
        assert row["separate_bit"] == own["skl_bit"]
        assert bool(row["reason"]) == (row["skl_bit"] == 0)


def test_blocks_state_what_their_keys_rest_on(budget, keys, scenario):
    """As the rows of KEYS do; the window column says what one finite key covers."""
    blocks = aggregate_keys(budget, keys, scenario, windows_per_block=2)
    for name in ("authentication_bit", "epsilon", "protocol", "proof"):
        assert set(blocks[name]) == set(keys[name])
    assert (blocks["windows"] <= 2).all()
    assert blocks["parameters"].str.contains("intensity_1").all()


def test_blocks_are_counted_in_order_of_time(budget, keys, scenario):
    """Two by two: Graz gives 2 + 2 + 1, Ondřejov 2."""
    blocks = aggregate_keys(budget, keys, scenario, windows_per_block=2)
    graz = blocks[blocks["ogs"] == "GRAZ"]
    assert list(graz["windows"]) == [2, 2, 1]
    assert list(graz.index) == [f"EAGLE1-LIKE|GRAZ|{i}" for i in (1, 2, 3)]
    assert list(blocks.loc[blocks["ogs"] == "ONDREJOV", "windows"]) == [2]
    assert graz["start"].iloc[0] == START
    assert graz["closes_at"].iloc[0] == START + DAY + pd.Timedelta(400, "s")
    separate = [keys.loc[names, "skl_bit"].sum() for names in (["g0", "g1"], ["g2", "g3"], ["g4"])]
    assert_allclose(graz["separate_bit"], separate)


def test_delay_is_weighted_by_detections(budget, keys, scenario):
    """Of two windows the first waits a day; its share of the detections is that of its efficiency."""
    blocks = aggregate_keys(budget, keys, scenario, windows_per_block=2)
    light = [budget.loc[budget["window_id"] == w, "transmittance"].sum() for w in ("g0", "g1")]
    assert_allclose(blocks.loc["EAGLE1-LIKE|GRAZ|1", "mean_delay_s"], 86400 * light[0] / sum(light), rtol=1e-9)


def test_key_of_a_block_is_the_best_of_its_slots_from_the_brightest_down(budget, keys, scenario):
    """Joined by hand, sorted by efficiency, every cut optimised: 1e-4, authentication paid once."""
    security = security_parameters(scenario.protocol)
    receiver, terminal = _receiver(scenario)
    rows = budget[budget["ogs"] == "GRAZ"].sort_values("transmittance", ascending=False)
    best = -math.inf
    for cut in range(8, 201, 4):
        part = rows.iloc[:cut]
        block = block_table(
            part["transmittance"].to_numpy(), part["extraneous_probability"].to_numpy(),
            part["intrinsic_error"].to_numpy(), terminal.pulse_rate_hz * part["weight_s"].to_numpy(),
            afterpulse_probability=receiver.afterpulse_probability,
        )  # fmt: skip
        best = max(best, optimise_key(block, security).length_bit)
    found = aggregate_keys(budget, keys, scenario, windows_per_block=5).loc["EAGLE1-LIKE|GRAZ|1"]
    assert_allclose(found["skl_bit"], math.floor(best - security.authentication_bit), rtol=3e-4)
    assert found["skl_bit"] > found["separate_bit"]
    assert found["closes_at"] == START + 4 * DAY + pd.Timedelta(400, "s")


@pytest.mark.parametrize("windows", [2, 3, 5])
def test_blocks_of_several_windows_give_at_least_their_separate_keys(budget, keys, scenario, windows):
    """One authentication instead of several, and less fluctuation; different windows share one parameter set."""
    blocks = aggregate_keys(budget, keys, scenario, windows_per_block=windows)
    assert (blocks["skl_bit"] >= blocks["separate_bit"] * 0.98).all()
    assert blocks["skl_bit"].sum() > blocks["separate_bit"].sum()


def test_windows_without_key_make_one_together(scenario):
    """Thirty weak passes; the gain that blocks over passes are for."""
    weak = pd.concat([_budget(f"w{i}", _pass(50, 58), start=START + i * DAY) for i in range(30)], ignore_index=True)
    keys = window_keys(weak, scenario)
    assert keys["skl_bit"].sum() == 0
    block = aggregate_keys(weak, keys, scenario, windows_per_block=30).iloc[0]
    assert block["separate_bit"] == 0
    assert block["skl_bit"] > 1000
    assert_allclose(block["mean_delay_s"], 86400 * 14.5, rtol=1e-9)


def test_block_keys_ignore_the_order_of_rows(budget, keys, scenario):
    backwards = pd.concat([budget[budget["window_id"] == w] for w in reversed(list(keys.index))], ignore_index=True)
    one = aggregate_keys(budget, keys, scenario, windows_per_block=2).sort_index()
    other = aggregate_keys(backwards, keys, scenario, windows_per_block=2).sort_index()
    pd.testing.assert_frame_equal(one, other)


def test_joined_slots_are_plain_sums(budget, scenario):
    """Tables of all slots of two windows: the sum of both, whatever the order."""
    _, terminal = _receiver(scenario)
    both = budget[budget["window_id"].isin(["g0", "g1"])]
    shuffled = both.sample(frac=1.0, random_state=1)
    columns = ("transmittance", "extraneous_probability", "intrinsic_error", "weight_s")
    sums = []
    for rows in (both, shuffled):
        eta, noise, error, weight = (rows[c].to_numpy() for c in columns)
        sums.append(running_tables(eta, noise, error, terminal.pulse_rate_hz * weight)[-1])
    assert_allclose(sums[0], sums[1], rtol=0, atol=1e-12 * np.abs(sums[0]).max())


def test_dark_block_says_why(scenario):
    dark = pd.concat([_budget(f"d{i}", _pass(80, 90), start=START + i * DAY) for i in range(3)], ignore_index=True)
    block = aggregate_keys(dark, window_keys(dark, scenario), scenario, windows_per_block=3).iloc[0]
    assert block["skl_bit"] == 0
    assert len(block["reason"]) > 10


def test_block_of_windows_without_light_has_no_delay(scenario):
    """Weights of zero must not divide."""
    none = pd.concat([_budget(f"d{i}", np.zeros(5), start=START + i * DAY) for i in range(2)], ignore_index=True)
    block = aggregate_keys(none, window_keys(none, scenario), scenario, windows_per_block=2).iloc[0]
    assert block["skl_bit"] == 0
    assert math.isfinite(block["mean_delay_s"])


def test_empty_budget_gives_no_blocks(budget, keys, scenario):
    blocks = aggregate_keys(budget.iloc[:0], keys.iloc[:0], scenario, windows_per_block=3)
    assert blocks.empty
    assert blocks.index.name == "block"


@pytest.mark.parametrize("number", [0, -1])
def test_impossible_block_sizes_are_refused(budget, keys, scenario, number):
    with pytest.raises(TableError, match=f"windows_per_block = {number}.*expected at least 1"):
        aggregate_keys(budget, keys, scenario, windows_per_block=number)


@pytest.mark.parametrize("number", [1.5, math.nan])
def test_block_sizes_that_are_not_whole_are_refused(budget, keys, scenario, number):
    with pytest.raises(TableError, match=f"windows_per_block = {number}"):
        aggregate_keys(budget, keys, scenario, windows_per_block=number)


def test_keys_of_other_windows_are_refused(budget, keys, scenario):
    """A window without its row would count as a separate key of zero, and flatter the block."""
    with pytest.raises(TableError, match="g3"):
        aggregate_keys(budget, keys.drop(index="g3"), scenario, windows_per_block=2)


def test_blocks_of_entangled_pairs_are_refused(budget, keys, scenario):
    other = scenario.model_copy(update={"protocol": Protocol(kind="bbm92", source=PairSource(pair_rate_hz=1e7))})
    with pytest.raises(TableError, match="bbm92"):
        aggregate_keys(budget, keys, other, windows_per_block=2)
