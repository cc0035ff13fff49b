"""Candidates, conflicts, the plan and its independent check."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_cases import planned

from eqci_space.errors import PlanError
from eqci_space.schedule.conflicts import choice_limits, interval_cliques
from eqci_space.schedule.contacts import schedule_contacts
from eqci_space.schedule.verify import verify_plan


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 15)), min_size=1, max_size=14))
def test_cliques_hold_exactly_the_overlapping_pairs(intervals):
    start = np.array([a for a, _ in intervals])
    end = start + np.array([w for _, w in intervals])
    cliques = interval_cliques(start, end)
    pairs = {(int(i), int(j)) for c in cliques for i in c for j in c if i < j}
    overlap = {
        (i, j) for i in range(len(start)) for j in range(i + 1, len(start)) if start[i] < end[j] and start[j] < end[i]
    }
    assert pairs == overlap
    sets = [set(c.tolist()) for c in cliques]
    assert not any(a < b for a in sets for b in sets)


def test_candidates_carry_key_weather_and_edge(study):
    table = study.candidates
    assert (table["skl_bit"] > 0).all()
    assert table["p_clear"].between(0.05, 0.95).all()
    assert (table["edge"] == table["satellite"] + "|" + table["ogs"]).all()
    assert ((table["available_at"] - table["end"]) == pd.Timedelta(hours=1)).all()


def test_plan_is_feasible_and_bounded(study, scenario):
    verify_plan(study.plan, study.windows, scenario)
    assert 0 <= study.plan.gap <= scenario.schedule.relative_gap
    assert study.plan.bound >= study.plan.objective
    assert study.plan.contacts.index.is_unique
    chosen = study.candidates.index.get_indexer(planned(study.plan)["candidate_id"])
    limits = choice_limits(study.candidates, scenario)
    assert limits
    for limit in limits:
        assert limit.weight @ np.isin(limit.candidates, chosen) <= limit.most == 1


def broken(study, **change):
    contacts = study.plan.contacts.copy()
    for column, value in change.items():
        contacts.loc[contacts.index[0], column] = value
    return replace(study.plan, contacts=contacts)


def test_verifier_names_the_first_conflict(study, scenario):
    contacts = study.plan.contacts
    second = study.candidates[~study.candidates.index.isin(contacts["candidate_id"])]
    rival = second[(second["start"] < contacts["end"].iloc[0]) & (second["end"] > contacts["start"].iloc[0])].iloc[0]
    extra = contacts.iloc[[0]].copy()
    extra.index = pd.Index(["rival"], name="contact_id")
    for column in ("ogs", "start", "end"):
        extra[column] = rival[column]
    with pytest.raises(PlanError, match=r"satellite 'EAGLE1-LIKE' is free from .*rival|rival.*EAGLE1-LIKE"):
        verify_plan(replace(study.plan, contacts=pd.concat([contacts, extra])), study.windows, scenario)
    with pytest.raises(PlanError, match="lies in no window"):
        verify_plan(broken(study, end=contacts["end"].iloc[0] + pd.Timedelta(hours=2)), study.windows, scenario)
    with pytest.raises(PlanError, match="more key than a clear sky"):
        verify_plan(broken(study, expected_skl_bit=1e12), study.windows, scenario)


def test_reason_names_the_rivals(study):
    contacts = study.plan.contacts
    main = contacts["status"] == "planned"
    assert contacts.loc[main, "reason"].str.startswith(("chosen over", "no rival")).all()
    assert contacts.loc[~main, "reason"].str.removeprefix("backup of ").isin(contacts.index[main]).all()


def test_a_station_without_a_way_to_the_network_takes_no_contact(study, scenario):
    chosen = study.plan.contacts["ogs"].value_counts().index[0]
    alone = scenario.stations[chosen].model_copy(update={"attach": "none"})
    other = scenario.model_copy(update={"stations": {**scenario.stations, chosen: alone}})
    contacts = schedule_contacts(study.candidates, other).contacts
    assert chosen not in set(contacts["ogs"])
    assert len(contacts) > 0
