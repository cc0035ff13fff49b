"""Levels over worlds by hand: when means are settled, quantiles of sums, shares met, and the order of bins."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from plan_cases import only

from eqci_space.schedule.levels import bin_levels, demand_levels, settled, total_levels

RISING = np.arange(11.0)  # eleven worlds: 90, 50 and 10 % of them exceed 1, 5 and 9
SHUFFLED = np.array([3, 9, 0, 5, 10, 1, 8, 2, 7, 4, 6])


def two_values(low, high, worlds):
    """Half of the worlds at each of two values: mean in the middle, error half the distance over √worlds."""
    return np.tile([low, high], worlds // 2)[:, None].astype(float)


@pytest.mark.parametrize(
    ("low", "high", "worlds", "known"),
    [
        (50, 150, 100, True),  # 100 to 50/10 = 5
        (49, 151, 100, False),  # to 5.1
        (49, 151, 106, True),  # to 51/√106 = 4.95
        (0, 200, 400, True),  # to 100/20 = 5
        (0, 200, 398, False),
        (90, 110, 4, True),  # to 10/2 = 5
        (89, 111, 4, False),
        (7, 7, 2, True),
    ],
)
def test_a_mean_is_settled_where_its_error_is_five_percent(low, high, worlds, known):
    assert settled(two_values(low, high, worlds), np.array([1000.0])) is known


@pytest.mark.parametrize(("asked", "known"), [(9_999.0, False), (10_000.0, True), (10_001.0, True), (100.0, False)])
def test_a_demand_that_gets_a_hundredth_of_its_ask_or_less_does_not_count(asked, known):
    """Nothing or 200 bit in four worlds: 100 to 50, far from settled."""
    assert settled(two_values(0, 200, 4), np.array([asked])) is known


def test_every_demand_that_counts_has_to_be_settled():
    sure, wild, nothing = two_values(100, 100, 4), two_values(0, 200, 4), two_values(0, 0, 4)
    asked = np.array([1000.0, 1000.0])
    assert settled(np.hstack([sure, sure]), asked) is True
    assert settled(np.hstack([sure, wild]), asked) is False
    assert settled(np.hstack([wild, sure]), asked) is False
    assert settled(np.hstack([sure, wild]), np.array([1000.0, 1e6])) is True
    assert settled(np.hstack([nothing, nothing]), asked) is True
    assert settled(np.hstack([nothing, nothing]), np.zeros(2)) is True


@pytest.fixture(scope="module")
def three(scenario):
    """Two demands of government and one of infrastructure, in this order, for a week."""
    some = only(scenario, "government Berlin", "government Warsaw", "control Poznan")
    assert [d.purpose for d in some.demands] == ["government", "government", "infrastructure"]
    return some


def test_levels_of_a_demand_by_hand(three):
    """0 to 10 keys: mean 5 to √10/√11; 90, 50 and 10 % exceed 1, 5 and 9; 8 asked are met in 3 of 11 worlds."""
    bits = np.column_stack([SHUFFLED * 256.0, np.full(11, 512.0), np.zeros(11)])
    asked = np.array([8 * 256.0, 512.0, 100.0])
    table = demand_levels({"all_in": bits}, asked, three)
    assert table.index.name == "demand"
    assert table.index.tolist() == [d.name for d in three.demands]
    first = table.iloc[0]
    in_keys = {
        "asked_bit": 8, "all_in_mean_bit": 5, "all_in_mean_error_bit": np.sqrt(10 / 11), "all_in_exceeded_90pct_bit": 1,
        "all_in_median_bit": 5, "all_in_exceeded_10pct_bit": 9,
    }  # fmt: skip
    assert_allclose(first[list(in_keys)].astype(float), np.array(list(in_keys.values())) * 256, rtol=1e-12)
    assert first["all_in_met_share"] == pytest.approx(3 / 11)
    assert first["all_in_mean_keys_per_day"] == pytest.approx(5 / 7)
    assert first["all_in_exceeded_90pct_keys_per_day"] == pytest.approx(1 / 7)
    assert table["all_in_met_share"].tolist()[1:] == [1.0, 0.0]
    errors = [c for c in table.columns if c.endswith("_error_bit")]
    assert len(errors) == 4
    assert (table.loc[table.index[1:], errors] == 0).all(axis=None)
    assert (first[errors] > 0).all()


def test_errors_of_quantiles_do_not_depend_on_the_order_of_the_worlds(three):
    """The median of 0, 1 and 2 has the weights 7/27, 13/27 and 7/27, so a variance of 14/27."""
    bits = np.array([[0.0, 2.0, 1.0], [2.0, 1.0, 0.0], [1.0, 0.0, 2.0]])
    table = demand_levels({"all_in": bits}, np.ones(3), three)
    assert_allclose(table["all_in_median_error_bit"] ** 2, 14 / 27, rtol=1e-9)
    assert_allclose(table["all_in_mean_error_bit"] ** 2, (2 / 3) / 3, rtol=1e-9)


@pytest.mark.parametrize(("share", "met"), [(0.9996, 1.0), (0.9995, 1.0), (0.9994, 0.0), (0.0, 0.0), (1.0, 1.0)])
def test_met_is_what_rounds_to_all_that_is_asked(three, share, met):
    bits = np.full((4, 3), 2000.0 * share)
    table = demand_levels({"weather_only": bits}, np.full(3, 2000.0), three)
    assert (table["weather_only_met_share"] == met).all()


def test_kinds_stand_side_by_side_and_worlds_may_differ_in_number(three):
    columns = {"weather_only": np.full((5, 3), 3.0), "all_in": np.full((7, 3), 2.0)}
    table = demand_levels(columns, np.full(3, 3.0), three)
    assert (table["weather_only_mean_bit"] == 3.0).all()
    assert (table["all_in_mean_bit"] == 2.0).all()
    assert table[["weather_only_met_share", "all_in_met_share"]].to_numpy().tolist() == [[1.0, 0.0]] * 3


def test_quantile_of_a_sum_is_not_the_sum_of_quantiles(three):
    """Two demands of one purpose that mirror each other get 10 together in all worlds; each exceeds 1 in 90 %."""
    bits = np.column_stack([RISING, RISING[::-1], SHUFFLED])
    asked = np.array([8.0, 2.0, 4.0])
    each = demand_levels({"all_in": bits}, asked, three)
    assert each["all_in_exceeded_90pct_bit"].tolist() == pytest.approx([1.0, 1.0, 1.0])
    table = total_levels({"all_in": bits}, asked, three)
    assert table.index.name == "demands"
    assert table.index.tolist() == ["government", "infrastructure", "all"]
    assert table["asked_bit"].tolist() == [10.0, 4.0, 14.0]
    assert_allclose(table["all_in_mean_bit"], [10.0, 5.0, 15.0])
    assert_allclose(table["all_in_exceeded_90pct_bit"], [10.0, 1.0, 11.0])
    assert_allclose(table["all_in_median_bit"], [10.0, 5.0, 15.0])
    assert_allclose(table["all_in_exceeded_10pct_bit"], [10.0, 9.0, 19.0])
    assert_allclose(table["all_in_mean_error_bit"], [0.0, np.sqrt(10 / 11), np.sqrt(10 / 11)], atol=1e-12)
    assert_allclose(table["all_in_met_share"], [1.0, 7 / 11, 7 / 11])  # 4 of 4, and 10 + 4 of 14
    assert_allclose(table["all_in_mean_keys_per_day"], np.array([10, 5, 15]) / 256 / 7)


def test_of_one_purpose_the_sum_is_that_over_all(three):
    one = only(three, "government")
    bits = np.column_stack([RISING, SHUFFLED])
    table = total_levels({"all_in": bits}, np.array([4.0, 5.0]), one)
    assert table.index.tolist() == ["government", "all"]
    assert (table.loc["government"] == table.loc["all"]).all()
    assert table.loc["all", "all_in_exceeded_90pct_bit"] == pytest.approx(np.sort(RISING + SHUFFLED)[1])


def test_bins_come_in_order_of_time_and_hold_all_demands(three):
    """Key k + 10 t, times the world's number: mean 5, 90 and 50 % exceed 1 and 5."""
    unit = np.arange(1.0, 4)[:, None] + 10 * np.arange(7)
    bits = SHUFFLED[:, None, None] * unit
    table = bin_levels(bits, 7 * unit, three)
    assert list(table.columns) == ["bin", "demand", "asked_bit", "mean_bit", "exceeded_90pct_bit", "exceeded_50pct_bit"]
    assert len(table) == 21
    starts = pd.date_range("2027-03-01T12:00:00Z", periods=7, freq="D")
    assert table["bin"].tolist() == np.repeat(starts, 3).tolist()
    assert table["demand"].tolist() == [d.name for d in three.demands] * 7
    flat = np.array([k + 10 * t for t in range(7) for k in (1.0, 2.0, 3.0)])
    assert_allclose(table["asked_bit"], 7 * flat)
    assert_allclose(table["mean_bit"], 5 * flat)
    assert_allclose(table["exceeded_90pct_bit"], 1 * flat)
    assert_allclose(table["exceeded_50pct_bit"], 5 * flat)
