"""Plans made anew every few days: stocks handed on, contacts frozen, uploads in time, ties kept."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from plan_cases import START, at, chosen, offers, only, with_policy

from eqci_space.fiber.network import build_network
from eqci_space.fiber.problem import bin_edges
from eqci_space.schedule.contacts import schedule_contacts
from eqci_space.schedule.rolling import rolling_plan

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def government(scenario):
    return with_policy(only(scenario, "government"), backups=False, relative_gap=1e-7, replan_day=1.0, horizon_day=3.0)


@pytest.fixture(scope="module")
def pair(government):
    return only(government, "Warsaw-Prague")


@pytest.fixture(scope="module")
def nights(study):
    """Candidates of four nights."""
    return study.candidates[study.candidates["start"] < pd.Timestamp("2027-03-05T12:00Z")]


@pytest.fixture(scope="module")
def daily(study, government, nights):
    return rolling_plan(nights, government, network=study.network)


def delivered_from_space(rolled, scenario, table):
    """Twice the delivery: what came to space stores in time less what is left, as every bit is used up and down."""
    late = rolled.contacts["end"] + pd.Timedelta(seconds=scenario.schedule.post_processing_s)
    came = rolled.contacts.loc[(late < pd.Timestamp(scenario.end)).to_numpy(), "expected_skl_bit"].sum()
    space = rolled.stock_bit[rolled.stock_bit.index.str.contains("|", regex=False)]
    return came - space.sum()


def test_one_step_over_the_whole_period_is_the_plan(study, government, nights):
    whole = with_policy(government, replan_day=7.0, horizon_day=10.0)
    two = nights[nights["start"] < pd.Timestamp("2027-03-03T12:00Z")]
    rolled = rolling_plan(two, whole, network=study.network)
    plan = schedule_contacts(two, whole, network=study.network)
    assert len(rolled.steps) == 1
    assert rolled.steps["objective"].iloc[0] == plan.objective
    assert rolled.steps["bound"].iloc[0] == plan.bound
    pd.testing.assert_frame_equal(rolled.contacts, plan.contacts)
    assert rolled.steps[["contacts", "kept", "added"]].iloc[0].tolist() == [len(plan.contacts), 0, len(plan.contacts)]


def test_stocks_handed_on_balance(government, nights, daily):
    """Over seven plans: what came to the space stores is what was used, up and down, and what is left."""
    used = 2 * daily.delivery["delivered_bit"].sum()
    assert used == pytest.approx(delivered_from_space(daily, government, nights), abs=10)
    assert used > 1.5e6
    assert (daily.stock_bit >= -1e-6).all()


def test_plans_are_made_at_bin_edges_and_cover_the_period_once(government, daily):
    assert list(daily.steps["made_at"]) == [government.start + k * DAY for k in range(7)]
    assert list(daily.steps["horizon_end"]) == [min(government.end, government.start + (k + 3) * DAY) for k in range(7)]
    starts = [pd.Timestamp(t) for t in bin_edges(government)[:-1]]
    assert list(daily.delivery["bin"].unique()) == starts
    assert len(daily.delivery) == 7 * 3
    assert not daily.delivery.duplicated(["bin", "demand"]).any()
    assert (daily.delivery["delivered_bit"] <= daily.delivery["asked_bit"] + 1e-3).all()
    assert daily.contacts["candidate_id"].is_unique
    assert (daily.steps["gap"] <= 1e-6).all()


def test_steps_count_what_changed(daily):
    steps = daily.steps
    assert (steps["contacts"] == steps["kept"] + steps["added"]).all()
    assert steps["added"].sum() >= len(daily.contacts)


def test_key_that_is_still_processed_at_the_next_plan_is_not_lost(study, government, nights):
    """A day of post-processing: every contact's key arrives after the next plan is made."""
    slow = with_policy(government, post_processing_s=86400.0)
    table = nights.assign(available_at=nights["end"] + pd.Timedelta("1D"))
    rolled = rolling_plan(table, slow, network=study.network)
    assert 2 * rolled.delivery["delivered_bit"].sum() == pytest.approx(
        delivered_from_space(rolled, slow, table), abs=10
    )
    assert rolled.delivery["delivered_bit"].sum() == pytest.approx(681_044, abs=10)


def test_no_bin_is_left_out_where_plans_are_due_between_bin_edges(study, government, nights):
    """From 15:00 the second plan is due at noon 45 hours later, beyond the horizon of a day."""
    late = with_policy(government, replan_day=1.0, horizon_day=1.0)
    late = late.model_copy(update={"start": late.start + timedelta(hours=3)})
    rolled = rolling_plan(nights[nights["start"] >= pd.Timestamp(late.start)], late, network=study.network)
    assert list(rolled.delivery["bin"].unique()) == [pd.Timestamp(t) for t in bin_edges(late)[:-1]]
    assert rolled.steps["horizon_end"].iloc[0] == late.start + timedelta(hours=45)


def crossing(**changes):
    """Warsaw and Prague have key; on the second night one of two Warsaw contacts fits, equal at first."""
    table = offers(
        ("w0", "PQSAT", at(0), 200, 20_000), ("p0", "ONDREJOV", at(0, 90), 200, 200_000),
        ("a", "PQSAT", at(1), 200, 100_000, 0.5), ("b", "PQSAT", at(1, 1), 200, 100_000, 0.4),
    )  # fmt: skip
    return table.assign(**changes)


def outlook_of(after):
    """A forecast that changes the chances of contacts a and b after the first plan."""

    def known(now, table):
        value = table["p_clear"].copy()
        if pd.Timestamp(now) > START:
            for name, chance in after.items():
                value.loc[value.index == name] = chance
        return value.to_numpy()

    return known


@pytest.mark.parametrize(("freeze_h", "expected"), [(0.0, "b"), (7.5, "b"), (9.0, "a")])
def test_what_begins_within_the_freeze_stays(study, pair, freeze_h, expected):
    """At noon of the second day the forecast for `a`, eight hours ahead, falls to a tenth."""
    policy = with_policy(pair, freeze_h=freeze_h)
    rolled = rolling_plan(crossing(), policy, network=study.network, outlook=outlook_of({"a": 0.05}))
    assert set(rolled.contacts["candidate_id"]) == {"w0", "p0", expected}
    assert rolled.steps["dropped"].sum() + rolled.steps["moved"].sum() == (expected == "b")


@pytest.mark.parametrize(
    ("cutoff_h", "expected"),
    [(0.0, {"w0", "p0", "a"}), (8.0, {"w0", "p0", "a"}), (8.5, {"p0", "a"}), (10.0, {"a"})],
)
def test_contacts_are_uploaded_in_time(study, pair, cutoff_h, expected):
    """Tonight's contacts begin 8 and 9.5 hours after the first plan; those of tomorrow are planned a day ahead."""
    policy = with_policy(pair, upload_cutoff_h=cutoff_h)
    rolled = rolling_plan(crossing(), policy, network=study.network)
    assert set(rolled.contacts["candidate_id"]) == expected


def test_new_contacts_after_the_cut_off_are_refused_but_planned_ones_stay(study, pair):
    """The forecast now likes `b` better, but it can no longer be uploaded."""
    policy = with_policy(pair, upload_cutoff_h=9.0, freeze_h=0.0)
    rolled = rolling_plan(crossing(), policy, network=study.network, outlook=outlook_of({"a": 0.05, "b": 0.9}))
    assert "b" not in set(rolled.contacts["candidate_id"])
    assert "a" in set(rolled.contacts["candidate_id"])


@pytest.mark.parametrize(
    ("stability", "chance", "expected"), [(1e-3, 0.5001, "a"), (0.0, 0.5001, "b"), (1e-3, 0.51, "b")]
)
def test_a_plan_changes_only_for_more_than_its_stability(study, pair, stability, chance, expected):
    """0.5001 against 0.5 of 100,000 bits is worth 3 · 1.765 · 10 / 102,400 = 5e-4."""
    policy = with_policy(pair, stability=stability, freeze_h=0.0, relative_gap=1e-9)
    table = crossing()
    table.loc["p0", "skl_bit"] = 500_000.0
    rolled = rolling_plan(table, policy, network=study.network, outlook=outlook_of({"b": chance}))
    assert set(rolled.contacts["candidate_id"]) == {"w0", "p0", expected}


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_realised_key_is_what_is_delivered(study, pair, share):
    """Warsaw's 70,000 bits limit the pair; of what is flown a share comes."""
    rolled = rolling_plan(
        crossing(), pair, network=study.network, realised=lambda t: share * t["expected_skl_bit"].to_numpy()
    )
    assert rolled.delivery["delivered_bit"].sum() == pytest.approx(share * 70_000, abs=5)
    assert rolled.stock_bit[f"{rolled.contacts['satellite'].iloc[0]}|ONDREJOV"] == pytest.approx(share * 130_000, abs=5)


def test_progress_counts_the_plans_and_the_result_repeats(study, pair):
    told = []
    first, second = (
        rolling_plan(crossing(), pair, network=study.network, progress=lambda k, n: told.append((k, n)))
        for _ in range(2)
    )
    assert told == [(k, 7) for k in range(1, 8)] * 2
    pd.testing.assert_frame_equal(first.contacts, second.contacts)
    pd.testing.assert_frame_equal(first.steps, second.steps)
    assert np.array_equal(first.stock_bit, second.stock_bit)


def test_period_without_candidates_hands_fibre_on(study, pair):
    rolled = rolling_plan(crossing().iloc[:0], pair, network=study.network)
    assert rolled.contacts.empty
    assert rolled.delivery["delivered_bit"].sum() == 0
    assert len(rolled.steps) == 7
    assert chosen(schedule_contacts(crossing().iloc[:0], pair, network=study.network)) == set()


def test_old_key_expires_across_plans(study, pair):
    """Key of the first night lives 48 h: what the second plan finds in store is not fresh again."""
    short = pair.model_copy(update={"fiber": pair.fiber.model_copy(update={"key_life_h": 48.0})})
    table = offers(("w0", "PQSAT", at(0), 200, 1e6), ("p0", "ONDREJOV", at(0, 90), 200, 1e6))
    rolled = rolling_plan(table, short, network=build_network(short))
    asked = rolled.delivery["asked_bit"].iloc[0]
    assert rolled.delivery["delivered_bit"].tolist() == pytest.approx([0, asked, asked, 0, 0, 0, 0], abs=2)
    assert rolled.stock_bit[["EAGLE1-LIKE|PQSAT", "EAGLE1-LIKE|ONDREJOV"]].tolist() == [0, 0]


def test_duty_of_a_day_counts_over_plans_made_inside_it(study, pair):
    """Bins of 6 h, a plan for each: 400 s a day are used up by the contacts of the first evening."""
    policy = with_policy(pair, bin="6h", replan_day=0.25, horizon_day=0.25)
    satellite = policy.satellites[0].model_copy(update={"duty_s_per_day": 400.0})
    table = offers(
        ("w0", "PQSAT", at(0, 0), 200, 20_000), ("p0", "ONDREJOV", at(0, 90), 200, 20_000),
        ("w1", "PQSAT", at(0, 8 * 60), 200, 20_000), ("w2", "PQSAT", at(1, 0), 200, 20_000),
    )  # fmt: skip
    limited = policy.model_copy(update={"satellites": (satellite,)})
    free = rolling_plan(table, policy, network=study.network)
    assert set(free.contacts["candidate_id"]) == {"w0", "p0", "w1", "w2"}
    rolled = rolling_plan(table, limited, network=study.network)
    assert set(rolled.contacts["candidate_id"]) == {"w0", "p0", "w2"}
