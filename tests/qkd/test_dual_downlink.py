"""Entangled pairs to two stations: overlaps, interpolation and keys by hand on synthetic budgets."""

import math

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from eqci_space.errors import TableError
from eqci_space.qkd.dual_downlink import contact_responses, dual_downlink_keys, dual_part_keys
from eqci_space.qkd.entangled import entangled_key
from eqci_space.qkd.security import SecurityParameters
from eqci_space.qkd.window_keys import why_no_key, window_keys
from eqci_space.qkd.window_responses import window_responses
from eqci_space.scenario import PairSource, Protocol

START = pd.Timestamp("2027-03-01T20:00:00Z")
RATE, WINDOW = 1e8, 5e-10
SLOTS = 60


def _budget(window_id, ogs, loss_db, *, start_s=0.0, slot_s=5.0, noise=1.6e-7, error=0.01, satellite="EAGLE1-LIKE"):
    """A window whose loss is given at the middle of its slots."""
    loss_db = np.asarray(loss_db, dtype=float)
    n = len(loss_db)
    names = ("azimuth_deg", "range_rate_m_s", "angular_rate_rad_s", "sun_separation_deg", "moon_elevation_deg",
             "moon_separation_deg", "moon_phase_deg")  # fmt: skip
    return pd.DataFrame({
        "window_id": window_id, "satellite": satellite, "ogs": ogs,
        "time": START + pd.to_timedelta(start_s + slot_s * (np.arange(n) + 0.5), unit="s"), "weight_s": slot_s,
        "elevation_deg": 45.0, "range_m": 7e5, "sun_elevation_deg": -40.0, "sunlit": False,
        **dict.fromkeys(names, 0.0), "total_loss_db": loss_db, "transmittance": 10 ** (-loss_db / 10),
        "background_hz": 50.0, "extraneous_probability": noise, "intrinsic_error": error, "valid": True,
    })  # fmt: skip


def _entangling(scenario, **protocol):
    source = PairSource(pair_rate_hz=RATE, coincidence_window_s=WINDOW)
    return scenario.model_copy(update={"protocol": Protocol(kind="bbm92", source=source, **protocol)})


@pytest.fixture(scope="module")
def entangling(scenario):
    return _entangling(scenario)


def _noise_hz(scenario, ogs, probability=1.6e-7):
    receiver = scenario.stations[ogs].receiver
    return -math.log1p(-probability) / receiver.gate_s * receiver.detectors


def _best_key(eta_a, eta_b, noise_a, noise_b, error, weight=5.0):
    """Coincidences by the formula for continuous sources; the best of all intervals, before authentication."""
    true = RATE * eta_a * eta_b
    accidental = (RATE * eta_a + noise_a) * (RATE * eta_b + noise_b) * WINDOW
    count, wrong = weight * (true + accidental), weight * (true * error + accidental / 2)
    best = None
    for first in range(len(count)):
        for last in range(first + 1, len(count) + 1):
            n = count[first:last].sum()
            key = entangled_key(n, min(0.5, wrong[first:last].sum() / n))
            if best is None or key.length_bit > best[0].length_bit:
                best = key, first, last
    return best


def test_two_stations_by_hand(scenario, entangling):
    """Equal slots over both; errors of the arms add as independent causes: 1 % and 2 % give 2.96 %."""
    loss_a, loss_b = np.linspace(26, 24, 20), np.linspace(22, 27, 20)
    budget = pd.concat([_budget("a", "GRAZ", loss_a), _budget("b", "ONDREJOV", loss_b, error=0.02)], ignore_index=True)
    keys = dual_downlink_keys(budget, entangling)
    assert list(keys.index) == ["a+ONDREJOV"]
    row = keys.iloc[0]
    error = 0.01 * 0.98 + 0.02 * 0.99
    best, first, last = _best_key(
        10 ** (-loss_a / 10), 10 ** (-loss_b / 10), _noise_hz(scenario, "GRAZ"), _noise_hz(scenario, "ONDREJOV"), error
    )
    assert best.length_bit > 3000
    assert_allclose(row["skl_bit"], math.floor(best.length_bit - 276), rtol=1e-3)
    assert (row["window_id"], row["window_id_b"], row["ogs"], row["ogs_b"]) == ("a", "b", "GRAZ", "ONDREJOV")
    assert row["start"] == START + pd.Timedelta(5 * first, "s")
    assert row["end"] == START + pd.Timedelta(5 * last, "s")
    assert_allclose(row["qber"], best.qber, rtol=1e-9)
    assert_allclose(row["sifted_bit"], best.sifted_bit, rtol=1e-9)
    assert row["authentication_bit"] == 276
    assert_allclose(row["epsilon"], 1e-9 + 1e-15 + 1e-12)
    assert row["reason"] == ""


@pytest.mark.parametrize("shift_s", [0.0, 1.3, 2.5, 4.9])
def test_second_station_is_interpolated_in_decibels(scenario, entangling, shift_s):
    """Loss linear in time is met exactly at any shift of the second station's samples."""

    def loss_b(t):
        return 22 + 0.02 * t

    first = _budget("a", "GRAZ", np.full(20, 24.0), start_s=100.0)
    times = 2.5 + 5 * np.arange(SLOTS) + shift_s
    second = _budget("b", "ONDREJOV", loss_b(times), start_s=shift_s, noise=1e-7 * (1 + times / 300))
    rows = dual_downlink_keys(pd.concat([second, first], ignore_index=True), entangling)
    row = rows.iloc[0]
    assert row["ogs"] == "ONDREJOV"  # its window begins first
    used = times[(times >= 102.5) & (times <= 197.5)]
    receiver = scenario.stations["ONDREJOV"].receiver
    noise_b = -np.log1p(-1e-7 * (1 + used / 300)) / receiver.gate_s * receiver.detectors
    best, start, end = _best_key(10 ** (-loss_b(used) / 10), np.full(len(used), 10**-2.4), noise_b,
                                 _noise_hz(scenario, "GRAZ"), 0.0198)  # fmt: skip
    assert_allclose(row["skl_bit"], math.floor(best.length_bit - 276), rtol=1e-3)
    assert_allclose(row["qber"], best.qber, rtol=1e-3)
    assert abs((row["start"] - START).total_seconds() - (used[start] - 2.5)) <= 5.1
    assert abs((row["end"] - START).total_seconds() - (used[end - 1] + 2.5)) <= 5.1


def test_interpolated_station_gives_the_same_whichever_comes_first(entangling):
    """Constant losses: which station's slots are used does not matter but for the edges."""
    a = _budget("a", "GRAZ", np.full(60, 25.0), start_s=0.0)
    b = _budget("b", "ONDREJOV", np.full(60, 23.0), start_s=1.0)
    one = dual_downlink_keys(pd.concat([a, b], ignore_index=True), entangling).iloc[0]
    a = _budget("a", "GRAZ", np.full(60, 25.0), start_s=1.0)
    b = _budget("b", "ONDREJOV", np.full(60, 23.0), start_s=0.0)
    other = dual_downlink_keys(pd.concat([a, b], ignore_index=True), entangling).iloc[0]
    assert (one["ogs"], other["ogs"]) == ("GRAZ", "ONDREJOV")
    assert_allclose(one["skl_bit"], other["skl_bit"], rtol=1e-6)


def test_overlap_is_used_up_to_the_edges_of_the_slots(scenario, entangling):
    """Windows of 300 s that overlap for 150 s give coincidences of 150 s, half a slot at either edge left out."""
    a = _budget("a", "GRAZ", np.full(60, 24.0))
    b = _budget("b", "ONDREJOV", np.full(60, 24.0), start_s=150.0)
    row = dual_downlink_keys(pd.concat([a, b], ignore_index=True), entangling).iloc[0]
    assert_allclose((row["end"] - row["start"]).total_seconds(), 150.0, atol=5.0)
    assert row["start"] >= START + pd.Timedelta(150, "s")
    assert row["end"] == START + pd.Timedelta(300, "s")


def test_window_of_one_slot_inside_another_window_is_not_lost(entangling):
    """A single quadrature node stands for its whole slot, here a minute under another station's pass."""
    a = _budget("a", "GRAZ", np.full(60, 22.0))
    b = _budget("b", "ONDREJOV", np.array([22.0]), start_s=100.0, slot_s=63.0)
    keys = dual_downlink_keys(pd.concat([a, b], ignore_index=True), entangling)
    assert len(keys) == 1
    assert keys.iloc[0]["skl_bit"] > 0


def test_windows_that_do_not_overlap_or_belong_to_one_station_make_no_pair(entangling):
    loss = np.full(10, 24.0)
    apart = [_budget("a", "GRAZ", loss), _budget("b", "ONDREJOV", loss, start_s=1000.0)]
    same = [_budget("a", "GRAZ", loss), _budget("b", "GRAZ", loss, start_s=10.0)]
    for parts in (apart, same):
        keys = dual_downlink_keys(pd.concat(parts, ignore_index=True), entangling)
        assert keys.empty
        assert keys.index.name == "dual_id"


def test_three_stations_make_three_pairs(entangling):
    loss = np.full(30, 24.0)
    parts = [_budget(w, ogs, loss, start_s=s) for w, ogs, s in
             (("a", "GRAZ", 0.0), ("b", "ONDREJOV", 20.0), ("c", "DLR-OP", 40.0))]  # fmt: skip
    keys = dual_downlink_keys(pd.concat(parts, ignore_index=True), entangling)
    assert set(keys.index) == {"a+ONDREJOV", "a+DLR-OP", "b+DLR-OP"}
    assert keys.index.is_unique


def test_windows_of_other_satellites_do_not_pair(scenario):
    """Two satellites over two stations at once: no common source."""
    twin = scenario.satellites[0].model_copy(update={"name": "TWIN"})
    both = _entangling(scenario.model_copy(update={"satellites": (*scenario.satellites, twin)}))
    loss = np.full(30, 24.0)
    parts = [_budget("a", "GRAZ", loss), _budget("b", "ONDREJOV", loss, satellite="TWIN")]
    assert dual_downlink_keys(pd.concat(parts, ignore_index=True), both).empty


def test_two_overlaps_of_one_window_have_different_names(entangling):
    """A long pass over one station may meet two windows of another, as between horizon obstacles."""
    loss = np.full(100, 23.0)
    parts = [_budget("a", "GRAZ", loss), _budget("b1", "ONDREJOV", np.full(30, 23.0), start_s=10.0),
             _budget("b2", "ONDREJOV", np.full(30, 23.0), start_s=300.0)]  # fmt: skip
    keys = dual_downlink_keys(pd.concat(parts, ignore_index=True), entangling)
    assert len(keys) == 2
    assert keys.index.is_unique


def test_noisy_part_of_an_overlap_is_cut(scenario, entangling):
    """The efficiencies of both arms together decide; the ends of this overlap are all accidentals."""
    loss = 22 + 18 * np.abs(np.linspace(-1, 1, SLOTS)) ** 2
    budget = pd.concat([_budget("a", "GRAZ", loss, noise=1e-4), _budget("b", "ONDREJOV", loss, noise=1e-4)],
                       ignore_index=True)  # fmt: skip
    row = dual_downlink_keys(budget, entangling).iloc[0]
    noise = [_noise_hz(scenario, ogs, 1e-4) for ogs in ("GRAZ", "ONDREJOV")]
    best, _, _ = _best_key(10 ** (-loss / 10), 10 ** (-loss / 10), *noise, 0.0198)
    assert row["start"] > START
    assert row["skl_bit"] > 0
    assert_allclose(row["skl_bit"], best.length_bit - 276, rtol=0.02)


def test_dark_pair_says_why(entangling):
    loss = np.full(20, 70.0)
    row = dual_downlink_keys(
        pd.concat([_budget("a", "GRAZ", loss), _budget("b", "ONDREJOV", loss)], ignore_index=True), entangling
    ).iloc[0]
    assert row["skl_bit"] == 0
    assert row["sifted_bit"] < 1
    assert row["reason"].startswith("too few counts")
    assert (row["block"], row["protocol"], row["proof"]) == ("overlap", "bbm92", "tomamichel2012-fung2010")


def test_dark_pairs_of_any_kind_never_stop_the_table(scenario):
    """Losses up to 120 dB, error rates of one half by rounding, pulsed and continuous."""
    rng = np.random.default_rng(0)
    pulsed = PairSource(kind="pulsed", mean_pairs=0.05, coincidence_window_s=WINDOW)
    scenarios = [_entangling(scenario),
                 scenario.model_copy(update={"protocol": Protocol(kind="bbm92", source=pulsed)})]  # fmt: skip
    for chosen in scenarios:
        for i in range(15):
            n = int(rng.integers(2, 40))
            parts = [_budget("a", "GRAZ", rng.uniform(60, 120, n)), _budget("b", "ONDREJOV", rng.uniform(60, 120, n))]
            row = dual_downlink_keys(pd.concat(parts, ignore_index=True), chosen).iloc[0]
            assert row["skl_bit"] == 0, i


def test_reason_of_a_short_block_names_the_missing_bits():
    key = entangled_key(200.0, 0.01)
    assert f"{276 - key.length_bit:.0f} bit" in why_no_key(key, SecurityParameters())


def test_scenario_without_source_is_refused(scenario):
    with pytest.raises(TableError, match="bbm92"):
        dual_downlink_keys(_budget("a", "GRAZ", np.full(5, 24.0)), scenario)


def test_parts_are_blocks_of_exactly_their_slots(entangling):
    """By hand: slots 4 to 11 of twenty, both windows alike in time."""
    loss_a, loss_b = np.linspace(22, 20, 20), np.linspace(19, 23, 20)
    budget = pd.concat([_budget("a", "GRAZ", loss_a), _budget("b", "ONDREJOV", loss_b)], ignore_index=True)
    start = START + pd.Timedelta("20s")
    parts = pd.DataFrame({"window_id": ["b", "b"], "window_id_b": ["a", "a"], "start": [start, start],
                          "end": [start + pd.Timedelta("40s"), start]}, index=["part", "none"])  # fmt: skip
    row = dual_part_keys(parts, budget, entangling).loc["part"]
    a, b = (10 ** (-x[4:12] / 10) for x in (loss_a, loss_b))
    noise_a, noise_b = (_noise_hz(entangling, ogs) for ogs in ("GRAZ", "ONDREJOV"))
    true = RATE * a * b
    accidental = (RATE * a + noise_a) * (RATE * b + noise_b) * WINDOW
    error = (1 - 0.98**2) / 2
    count, wrong = 5 * (true + accidental).sum(), 5 * (true * error + accidental / 2).sum()
    expected = math.floor(entangled_key(count, wrong / count).length_bit - row["authentication_bit"])
    assert row["skl_bit"] == pytest.approx(expected, abs=1)
    assert row["sifted_bit"] > 0
    none = dual_part_keys(parts, budget, entangling).loc["none"]
    assert (none["skl_bit"], none["sifted_bit"]) == (0.0, 0.0)
    with pytest.raises(TableError, match="BUDGET has no window 'a'"):
        dual_part_keys(parts, budget[budget["window_id"] == "b"], entangling)


def test_loss_counts_on_the_arm_where_it_costs_most(entangling):
    """Accidentals of the dimmed arm fall with it: by hand for both arms, and the lesser of the two keys."""
    dual = entangling.model_copy(update={"protocol": entangling.protocol.model_copy(update={"downlink": "dual"})})
    loss_a, loss_b = np.full(20, 20.0), np.full(20, 26.0)
    parts = pd.DataFrame({"window_id": ["a"], "window_id_b": ["b"], "start": [START],
                          "end": [START + pd.Timedelta("100s")]}, index=["p"])  # fmt: skip

    def key(extra_a, extra_b):
        budget = pd.concat([_budget("a", "GRAZ", loss_a + extra_a, noise=2e-6),
                            _budget("b", "ONDREJOV", loss_b + extra_b, noise=2e-6)], ignore_index=True)  # fmt: skip
        return dual_part_keys(parts, budget, dual)["skl_bit"].iloc[0], budget

    clear, budget = key(0.0, 0.0)
    found = contact_responses(parts, budget, pd.DataFrame(), dual, [-2.0, 0.0, 2.0, 30.0]).loc["p"]
    one, other = key(2.0, 0.0)[0], key(0.0, 2.0)[0]
    assert one != other
    assert found[2.0] == pytest.approx(min(one, other), abs=1)
    assert found[2.0] <= key(1.0, 1.0)[0]
    assert (found[0.0], found[30.0]) == (clear, 0.0)
    assert found[-2.0] == pytest.approx(min(key(-2.0, 0.0)[0], key(0.0, -2.0)[0]), abs=1)


def test_windows_of_pairs_to_one_station_have_a_response(entangling):
    """Light of the downlink is dimmed, what is measured on board is not: the key of a budget with that loss."""
    budget = _budget("w", "GRAZ", np.linspace(24, 20, 20))
    keys = window_keys(budget, entangling)
    found = window_responses(budget, keys, entangling, [0.0, 3.0, 40.0]).loc["w"]
    assert found[0.0] == keys.loc["w", "skl_bit"] > 0
    dimmed = budget.assign(transmittance=budget["transmittance"] * 10**-0.3)
    first, last = ((keys.loc["w", c] - START).total_seconds() / 5 for c in ("usable_start", "usable_end"))
    part = dimmed.iloc[round(first) : round(last)]
    best = window_keys(part, entangling).loc["w", "skl_bit"]
    assert 0.97 * best <= found[3.0] <= best
    assert found[40.0] == 0


def test_under_a_dual_downlink_no_window_has_key_by_itself(entangling):
    dual = entangling.model_copy(update={"protocol": entangling.protocol.model_copy(update={"downlink": "dual"})})
    row = window_keys(_budget("w", "GRAZ", np.full(10, 20.0)), dual).loc["w"]
    assert (row["skl_bit"], row["sifted_bit"], row["reason"]) == (
        0.0,
        0.0,
        "dual downlink: key is between two stations",
    )
