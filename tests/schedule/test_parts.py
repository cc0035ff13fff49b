"""Useful parts of windows: where they lie, what they are worth, what hand-over gains and costs."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from plan_cases import chosen, only, planned, with_policy

from eqci_space.errors import PlanError
from eqci_space.scenario import Booking, Outage
from eqci_space.schedule.candidates import contact_candidates
from eqci_space.schedule.contact_keys import contact_keys
from eqci_space.schedule.contacts import schedule_contacts
from eqci_space.schedule.verify import verify_plan
from eqci_space.weather.outlook import slot_clear_probability


@pytest.fixture(scope="module")
def parts(study):
    table = study.candidates
    return table[table.index.str.contains("@")]


@pytest.fixture(scope="module")
def without(study, scenario):
    """Candidates and plan without hand-over."""
    policy = with_policy(scenario, hand_over_step_s=0.0)
    candidates = contact_candidates(study.budget, study.keys, policy)
    return candidates, schedule_contacts(candidates, policy, network=study.network)


def test_parts_lie_in_the_usable_interval_on_the_grid_and_are_long_enough(study, scenario, parts):
    window = study.keys.loc[parts["window_id"]]
    first, last = (pd.DatetimeIndex(window[c]) for c in ("usable_start", "usable_end"))
    start, end = pd.DatetimeIndex(parts["start"]), pd.DatetimeIndex(parts["end"])
    assert len(parts) == len(study.candidates) - 45  # a window of 46 is shorter than the shortest contact
    assert ((start >= first) & (end <= last)).all()
    assert ((start > first) | (end < last)).all()
    assert (end - start >= pd.Timedelta(seconds=scenario.schedule.min_contact_s)).all()
    for edge, own in ((start, first), (end, last)):
        since = (edge - pd.Timestamp(scenario.start)).total_seconds().to_numpy()
        assert ((edge == own) | (np.abs(since % 60) < 1e-6)).all()
    assert (parts.index == parts["window_id"] + start.strftime("@%H%M%S-") + end.strftime("%H%M%S")).all()


def test_parts_are_worth_less_than_their_window_and_hold_no_shorter_part_with_as_much(study, parts):
    assert (parts["skl_bit"].to_numpy() < study.keys.loc[parts["window_id"], "skl_bit"].to_numpy()).all()
    assert (parts["skl_bit"] > 0).all()
    for _, group in parts.groupby("window_id"):
        for name, row in group.iterrows():
            inner = group[(group["start"] >= row["start"]) & (group["end"] <= row["end"])].drop(index=name)
            assert (inner["skl_bit"] < row["skl_bit"]).all()


def test_windows_that_share_no_crossing_stay_whole(study, scenario, parts):
    slew = pd.Timedelta(seconds=scenario.schedule.slew_s)
    whole = study.candidates[~study.candidates.index.str.contains("@")]
    for name, row in whole.iterrows():
        others = whole.drop(index=name)
        meets = ((others["start"] < row["end"] + slew) & (others["end"] + slew > row["start"])).any()
        assert meets or name not in set(parts["window_id"])
    assert set(parts["window_id"]) < set(whole.index)


def test_hand_over_raises_the_plan(study, scenario, without):
    candidates, plan = without
    assert len(candidates) == 45
    assert plan.objective == pytest.approx(116.128, abs=2e-3)
    assert study.plan.objective == pytest.approx(119.555, abs=2e-3)
    assert study.plan.without_space == plan.without_space == pytest.approx(69.9985, abs=1e-3)
    assert study.plan.gain == pytest.approx(49.557, abs=3e-3)
    again = schedule_contacts(study.candidates, scenario, network=study.network, ban=[c for c in study.candidates.index
                              if "@" in c])  # fmt: skip
    assert again.objective == pytest.approx(plan.objective, rel=1e-4)
    assert not any("@" in c for c in chosen(again))


@pytest.mark.parametrize(("step_s", "objective"), [(30.0, 39.6140), (60.0, 39.15014), (120.0, 36.9583)])
def test_hand_over_never_loses(study, scenario, step_s, objective):
    """Three nights of government keys alone; a step of two minutes leaves no part that helps."""
    policy = with_policy(only(scenario, "government"), hand_over_step_s=step_s)
    nights = study.keys[pd.DatetimeIndex(study.keys["usable_end"]) < pd.Timestamp("2027-03-04T12:00Z")]
    budget = study.budget[study.budget["window_id"].isin(nights.index)]
    plans = [
        schedule_contacts(contact_candidates(budget, nights, p), p, network=study.network)
        for p in (policy, with_policy(policy, hand_over_step_s=0.0))
    ]
    assert plans[1].objective == pytest.approx(36.9583, abs=2e-3)
    assert plans[0].objective == pytest.approx(objective, abs=2e-3)
    assert plans[0].objective >= plans[1].objective - 2e-4  # ties for more key are worth that much


def test_satellite_slews_between_two_stations_of_a_crossing(study, scenario):
    contacts = planned(study.plan).sort_values("start")
    pause = (contacts["start"].iloc[1:].to_numpy() - contacts["end"].iloc[:-1].to_numpy()) / np.timedelta64(1, "s")
    assert pause.min() >= scenario.schedule.slew_s
    assert (pause < 600).sum() == 5
    assert pause.min() == pytest.approx(60.0, abs=1e-6)
    longer = with_policy(scenario, slew_s=135.0)
    plan = schedule_contacts(contact_candidates(study.budget, study.keys, longer), longer, network=study.network)
    contacts = planned(plan).sort_values("start")
    pause = (contacts["start"].iloc[1:].to_numpy() - contacts["end"].iloc[:-1].to_numpy()) / np.timedelta64(1, "s")
    assert pause.min() >= 150
    assert plan.objective <= study.plan.objective + 1e-6
    verify_plan(plan, study.windows, longer)


def test_a_contact_has_the_key_that_its_candidate_offered(study, scenario):
    plan = study.plan
    keys = contact_keys(plan, study.budget, study.keys, scenario)
    by_candidate = plan.contacts.drop_duplicates("candidate_id").set_index("candidate_id")["skl_bit"]
    assert (by_candidate == study.candidates.loc[by_candidate.index, "skl_bit"]).all()
    own = keys.index.difference(study.keys.index)
    assert set(own) == {c for c in by_candidate.index if "@" in c}
    assert len(own) >= 5
    assert (keys.loc[own, "skl_bit"] == by_candidate[own]).all()
    pd.testing.assert_frame_equal(keys.loc[study.keys.index], study.keys)


def test_plan_of_whole_windows_needs_no_other_keys(study, scenario, without):
    _, plan = without
    assert contact_keys(plan, study.budget, study.keys, scenario) is study.keys


def mean_over_slots(study, scenario, window_id):
    """Chance of a clear sky over the slots of a window as its candidate uses it, weighted by their time."""
    row, slots = study.candidates.loc[window_id], study.budget[study.budget["window_id"] == window_id]
    slots = slots[(slots["time"] >= row["start"]) & (slots["time"] < row["end"])]
    return np.average(slot_clear_probability(slots, scenario), weights=slots["weight_s"])


def test_chance_of_a_clear_sky_is_the_mean_over_the_window_in_all_its_parts(study, scenario, parts):
    """Station and satellite see one sky: 0.25304 over Warsaw on the first evening, whatever part of it is flown."""
    table = study.candidates
    assert (parts["p_clear"].to_numpy() == table.loc[parts["window_id"], "p_clear"].to_numpy()).all()
    for name in table.index[~table.index.str.contains("@")]:
        assert table.loc[name, "p_clear"] == pytest.approx(mean_over_slots(study, scenario, name), rel=1e-12)
    assert table.loc["EAGLE1-LIKE/PQSAT/20270301T200508Z/1@200700-200800", "p_clear"] == pytest.approx(
        0.25304, abs=1e-5
    )


def test_windows_of_two_satellites_that_overlap_have_one_chance_of_a_clear_sky(study, scenario):
    """A second satellite two minutes behind, near the zenith: the mean of both; 20 minutes behind, each its own."""
    name = "EAGLE1-LIKE/PQSAT/20270301T200508Z/1"
    budget, keys = study.budget[study.budget["window_id"] == name], study.keys.loc[[name]]
    own = study.candidates.loc[name, "p_clear"]

    def behind(shift):
        delay = pd.Timedelta(shift)
        slots = budget.assign(satellite="SECOND", window_id="second", time=budget["time"] + delay, elevation_deg=89.0)
        late = keys.assign(**{c: keys[c] + delay for c in ("usable_start", "usable_end")}).rename(
            index={name: "second"}
        )
        both = pd.concat([budget, slots]), pd.concat([keys, late])
        high = slot_clear_probability(slots, scenario)
        mine = (slots["time"] >= late["usable_start"].iloc[0]) & (slots["time"] < late["usable_end"].iloc[0])
        other = np.average(high[mine.to_numpy()], weights=slots["weight_s"][mine.to_numpy()])
        found = contact_candidates(*both, with_policy(scenario, hand_over_step_s=0.0))["p_clear"]
        return found[[name, "second"]].to_numpy(), other

    together, other = behind("120s")
    assert other > own + 0.03
    assert together == pytest.approx([(own + other) / 2] * 2, rel=1e-9)
    apart, other = behind("20min")
    assert apart == pytest.approx([own, other], rel=1e-9)


@pytest.mark.parametrize("kind", [Booking, Outage])
@pytest.mark.parametrize("what", [{"satellite": "EAGLE1-LIKE"}, {"station": "PQSAT"}])
def test_bookings_and_outages_take_what_they_touch(study, scenario, kind, what):
    start, end = pd.Timestamp("2027-03-01T20:07:30Z"), pd.Timestamp("2027-03-01T20:09:30Z")
    time = kind(start=start.to_pydatetime(), end=end.to_pydatetime(), **what)
    field = "bookings" if kind is Booking else "outages"
    left = contact_candidates(study.budget, study.keys, scenario.model_copy(update={field: (time,)}))
    table = study.candidates
    mine = (table["ogs"] == "PQSAT") | ("satellite" in what)
    gone = table.index[mine & (table["start"] < end) & (table["end"] > start)]
    assert set(table.index) - set(left.index) == set(gone)
    assert len(gone) == (23 if "satellite" in what else 11)
    kept = left.index.isin(table.index)
    pd.testing.assert_frame_equal(left[kept], table.drop(index=gone))
    assert (~kept).any()
    assert ((left["end"] == start) | (left["start"] == end))[~kept].all()


@pytest.mark.parametrize("step_s", [0.0, 60.0])
def test_what_a_booking_leaves_of_a_window_is_a_part(study, scenario, step_s):
    """20 s booked a minute after a window's begin: what comes later stands, its key below that of the window."""
    policy = with_policy(scenario, hand_over_step_s=step_s)
    free = contact_candidates(study.budget, study.keys, policy)
    whole = free[~free.index.str.contains("@")]
    alone = whole.loc[[n for n in whole.index if not free.index.str.startswith(f"{n}@").any()]]
    window = alone.loc[alone["skl_bit"].idxmax()]
    begin = (window["start"] + pd.Timedelta("60s")).floor("s")
    booking = Booking(station=window["ogs"], start=begin, end=begin + pd.Timedelta("20s"))
    left = contact_candidates(study.budget, study.keys, policy.model_copy(update={"bookings": (booking,)}))
    mine = left[left["window_id"] == window["window_id"]]
    later = mine[mine["start"] == begin + pd.Timedelta("20s")].iloc[0]
    assert later["end"] == window["end"]
    assert 0 < later["skl_bit"] < window["skl_bit"]
    assert ((mine["end"] <= begin) | (mine["start"] >= booking.end)).all()
    assert left.drop(index=mine.index).index.equals(free.drop(index=window.name).index)


def test_whole_period_booked_leaves_no_candidate_and_an_empty_plan(study, scenario):
    booked = scenario.model_copy(update={"bookings": (
        Booking(satellite="EAGLE1-LIKE", start=scenario.start, end=scenario.end),)})  # fmt: skip
    left = contact_candidates(study.budget, study.keys, booked)
    assert left.empty
    plan = schedule_contacts(left, booked, network=study.network)
    assert plan.contacts.empty
    assert plan.objective == pytest.approx(study.plan.without_space, rel=1e-6)


def test_post_processing_delays_key_and_what_comes_too_late_is_not_planned(study, scenario):
    slow = with_policy(scenario, post_processing_s=2 * 86400.0)
    candidates = contact_candidates(study.budget, study.keys, slow)
    assert (candidates["available_at"] - candidates["end"] == pd.Timedelta("2D")).all()
    plan = schedule_contacts(candidates, slow, network=study.network)
    assert planned(plan)["end"].max() < pd.Timestamp(scenario.end) - pd.Timedelta("2D")
    assert study.plan.without_space < plan.objective < study.plan.objective


def test_verifier_refuses_a_hand_over_without_slew(study, scenario):
    contacts = study.plan.contacts.copy()
    name = "EAGLE1-LIKE/DLR-TRAUEN/20270301T213942Z/1@214200-214400"
    contacts.loc[name, "start"] -= pd.Timedelta(seconds=1)
    with pytest.raises(PlanError, match=r"satellite 'EAGLE1-LIKE' is free from .*21:41:45.*, after"):
        verify_plan(replace(study.plan, contacts=contacts), study.windows, scenario)
