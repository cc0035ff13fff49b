"""Dual downlinks from candidates to the key graph: what plans may choose, and what it is worth."""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from dual_cases import dual, pair_offers, windows_of
from numpy.testing import assert_allclose
from plan_cases import at, chosen, planned, with_policy

import eqci_space as eq
from eqci_space.errors import PlanError, TableError
from eqci_space.fiber.edges import SPACE, closed_bins, contact_arrivals, key_edges
from eqci_space.fiber.network import build_network
from eqci_space.fiber.problem import flow_problem
from eqci_space.qkd.dual_downlink import contact_responses, dual_downlink_keys, dual_part_keys
from eqci_space.scenario import Booking, Outage, SatelliteQuota
from eqci_space.scenario.changes import with_values
from eqci_space.schedule.backups import backup_contacts
from eqci_space.schedule.conflicts import choice_limits
from eqci_space.schedule.contacts import candidate_problem
from eqci_space.schedule.diff import diff_plans, match_contacts
from eqci_space.schedule.dual_skies import contact_skies, mean_contact_clear, sky_legs, with_chance
from eqci_space.schedule.joint import value_of_choice
from eqci_space.schedule.named import NamedCandidates
from eqci_space.study import Study
from eqci_space.weather.joint_clear import both_clear_probability


@pytest.fixture(scope="module")
def pairs(scenario):
    return dual(scenario)


@pytest.fixture(scope="module")
def study(pairs):
    return Study(pairs)


def whole(candidates):
    return candidates[~candidates.index.str.contains("@")]


def test_candidates_have_the_key_of_overlaps_with_their_stations_in_order(study, pairs):
    """Whole overlaps are those of `dual_downlink_keys`, to the bit, whichever window begins first."""
    keys = dual_downlink_keys(study.budget, pairs)
    keys, table = keys[keys["skl_bit"] > 0], whole(study.candidates)
    assert set(table.index) == set(keys.index)
    keys = keys.loc[table.index]
    assert_allclose(table["skl_bit"], keys["skl_bit"])
    assert (table["ogs"] < table["ogs_b"]).all()
    for row, key in zip(table.itertuples(), keys.itertuples(), strict=True):
        windows = {key.ogs: key.window_id, key.ogs_b: key.window_id_b}
        assert (row.window_id, row.window_id_b) == (windows[row.ogs], windows[row.ogs_b])
    assert (table["edge"] == table["ogs"] + "|" + table["ogs_b"]).all()
    assert (table["start"] == keys["start"]).all()
    assert (table["end"] == keys["end"]).all()
    assert (keys["ogs"] > keys["ogs_b"]).any()


def test_parts_are_blocks_of_their_own_inside_their_overlap(study, pairs):
    candidates = study.candidates
    parts = candidates[candidates.index.str.contains("@")]
    assert len(parts) > len(whole(candidates))
    host = whole(candidates).loc[parts.index.str.replace(r"@.*", "", regex=True)]
    assert (parts["start"].to_numpy() >= host["start"].to_numpy()).all()
    assert (parts["end"].to_numpy() <= host["end"].to_numpy()).all()
    # A whole overlap is the best of the intervals above levels of efficiency, and so nearly the best of all.
    assert (parts["skl_bit"].to_numpy() <= 1.05 * host["skl_bit"].to_numpy() + 50).all()
    assert ((candidates["end"] - candidates["start"]).dt.total_seconds() >= pairs.schedule.min_contact_s).all()
    again = dual_part_keys(candidates, study.budget, pairs)
    assert_allclose(again["skl_bit"], candidates["skl_bit"])


def test_the_chance_of_both_is_that_of_correlated_skies(study, pairs):
    """One state of the sky per station and crossing; more than independent skies, less than the worse of the two."""
    table = study.candidates
    own = table[["p_clear_a", "p_clear_b"]].to_numpy()
    assert (table["p_clear"] > own.prod(axis=1)).all()
    assert (table["p_clear"] < own.min(axis=1)).all()
    one = table.iloc[[0]]
    middle = pd.DatetimeIndex(one["start"] + (one["end"] - one["start"]) / 2)
    near = both_clear_probability(one[["ogs", "ogs_b"]].to_numpy(), (middle, middle), own[:1], pairs)
    assert near[0] == pytest.approx(one["p_clear"].iloc[0], rel=0.02)


def test_bookings_and_outages_of_either_station_cut_candidates(study, pairs):
    table = whole(study.candidates)
    best = table.loc[table["skl_bit"].idxmax()]
    start, end = best["start"] + 0.7 * (best["end"] - best["start"]), best["end"]
    for ogs in (best["ogs"], best["ogs_b"]):
        booked = pairs.model_copy(update={"bookings": (Booking(station=ogs, start=start, end=end),)})
        left = eq.contact_candidates(study.budget, study.keys, booked)
        mine = left[(left["ogs"] == ogs) | (left["ogs_b"] == ogs)]
        assert not ((mine["start"] < end) & (mine["end"] > start)).any()
        assert ((mine["start"] == best["start"]) & (mine["end"] <= start)).any()
        others = left[(left["ogs"] != ogs) & (left["ogs_b"] != ogs)]
        assert ((others["start"] < end) & (others["end"] > start)).any()


def test_stations_at_one_node_share_nothing_over_space(study, pairs):
    table = whole(study.candidates)
    one, other = table.iloc[0][["ogs", "ogs_b"]]
    stations = dict(pairs.stations)
    for ogs in (one, other):
        stations[ogs] = stations[ogs].model_copy(update={"attach": "fibre", "node": "BER"})
    together = pairs.model_copy(update={"stations": stations})
    left = eq.contact_candidates(study.budget, study.keys, together)
    assert not ((left["ogs"] == one) & (left["ogs_b"] == other)).any()
    assert len(left)
    edges = key_edges(build_network(together), together)
    assert f"{one}|{other}" not in edges.index


def test_windows_have_no_key_of_their_own(study):
    assert (study.keys["skl_bit"] == 0).all()
    assert (study.keys["reason"] == "dual downlink: key is between two stations").all()
    assert study.contact_keys.loc[study.plan.contacts["candidate_id"], "skl_bit"].tolist() == (
        study.plan.contacts["skl_bit"].tolist()
    )


def test_key_under_loss_starts_at_the_key_falls_and_is_that_of_the_worse_arm(study, pairs):
    table = study.candidates.nlargest(3, "skl_bit")
    found = contact_responses(table, study.budget, study.keys, pairs, [-1.0, 0.0, 1.0, 3.0, 20.0])
    assert found[0.0].tolist() == table["skl_bit"].tolist()
    assert (np.diff(found.to_numpy(), axis=1) <= 0).all()
    assert (found[20.0] == 0).all()
    for arm in ("window_id", "window_id_b"):
        budget = study.budget.copy()
        budget.loc[budget["window_id"].isin(table[arm]), "transmittance"] *= 10**-0.3
        assert (dual_part_keys(table, budget, pairs)["skl_bit"].to_numpy() >= found[3.0].to_numpy()).all()


# ------------------------------------------------------------------------------------------------------- limits

TABLE = pair_offers(
    ("a", "GRAZ", "ONDREJOV", at(1), 120, 1e5, 1.0, ("G", "O")),
    ("b", "GRAZ", "PQSAT", at(1, 1), 120, 2e5, 1.0, ("G", "P")),
    ("c", "DLR-OP", "PQSAT", at(1, 1), 120, 2e5, 1.0, ("D", "P")),
    ("d", "DLR-OP", "DLR-TRAUEN", at(1, 1), 120, 1e5, 1.0, ("D", "T")),
    ("e", "GRAZ", "PQSAT", at(1, 5), 120, 5e4, 1.0, ("G", "P")),
    ("f", "ONDREJOV", "PQSAT", at(1, 5), 100, 5e4, 1.0, ("O", "P")),
)


def fits(names, table, scenario):
    """Whether candidates fit together, instant by instant, by the words of the rules."""
    rows = table.loc[list(names)]
    slew, turn = (pd.Timedelta(seconds=s) for s in (scenario.schedule.slew_s, scenario.schedule.turnaround_s))
    for instant in rows["start"]:
        busy = rows[(rows["start"] <= instant) & (rows["end"] + slew > instant)]
        if any(2 * (busy["satellite"] == s.name).sum() > s.terminals for s in scenario.satellites):
            return False
        held = rows[(rows["start"] <= instant) & (rows["end"] + turn > instant)]
        for ogs, station in scenario.stations.items():
            if ((held["ogs"] == ogs) | (held["ogs_b"] == ogs)).sum() > station.telescopes:
                return False
        now = rows[(rows["start"] <= instant) & (rows["end"] > instant)]
        windows = [*now["window_id"], *now["window_id_b"]]
        if len(windows) != len(set(windows)):
            return False
    return True


def sets_that_fit(table, scenario):
    for taken in product([False, True], repeat=len(table)):
        names = table.index[list(taken)]
        if fits(names, table, scenario):
            yield np.array(taken)


@pytest.mark.parametrize(("terminals", "telescopes"), [(2, 1), (4, 1), (3, 2), (4, 2), (8, 3)])
def test_limits_admit_exactly_what_the_rules_say(pairs, terminals, telescopes):
    several = with_values(pairs, {"satellite.0.terminals": terminals, "station.*.telescopes": telescopes})
    limits = choice_limits(TABLE, several)
    allowed = {tuple(taken.tolist()) for taken in sets_that_fit(TABLE, several)}
    for taken in product([False, True], repeat=len(TABLE)):
        x = np.array(taken)
        within = all(limit.weight @ x[limit.candidates] <= limit.most for limit in limits)
        assert within == (taken in allowed), TABLE.index[x].tolist()


def test_one_terminal_serves_no_two_stations(pairs):
    satellite = pairs.satellites[0].model_copy(update={"terminals": 1})
    alone = pairs.model_copy(update={"satellites": (satellite,)})
    limits = choice_limits(TABLE.loc[["a"]], alone)
    assert [(limit.weight.tolist(), limit.most) for limit in limits] == [([2.0], 1.0)]


def test_quotas_count_for_the_nations_of_both_stations_and_duty_once(pairs):
    quotas = (SatelliteQuota(nation="PL", contacts_per_day=1), SatelliteQuota(nation="DE", contact_s_per_day=130.0))
    satellite = pairs.satellites[0].model_copy(update={"duty_s_per_day": 300.0})
    limited = pairs.model_copy(update={"satellite_quotas": quotas, "satellites": (satellite,)})
    limits = {limit.name: limit for limit in choice_limits(TABLE, limited) if "of" in limit.name}
    assert TABLE.index[limits["quota of PL"].candidates].tolist() == ["b", "c", "e", "f"]
    german = limits["quota of DE"]
    assert (TABLE.index[german.candidates].tolist(), german.weight.tolist()) == (["c", "d"], [120.0, 120.0])
    duty = next(limit for name, limit in limits.items() if name.startswith("duty"))
    assert duty.weight.tolist() == [120, 120, 120, 120, 120, 100]


def exhaustive(problem, table, scenario):
    values = [value_of_choice(problem, taken.astype(float)).objective for taken in sets_that_fit(table, scenario)]
    return max(values)


@pytest.fixture(scope="module")
def asking(pairs):
    """Demands that differ in what they ask of the stations, fibre between them being no help."""
    return with_policy(pairs, plan_for="expected_key", relative_gap=0.0, spare_tolerance=0.0, backups=False)


@pytest.mark.parametrize("terminals", [2, 4])
def test_a_plan_reaches_the_best_of_all_choices(asking, terminals):
    several = with_values(asking, {"satellite.0.terminals": terminals})
    problem = candidate_problem(flow_problem(build_network(several), several), TABLE, several)
    plan = eq.schedule_contacts(TABLE, several)
    assert plan.objective == pytest.approx(exhaustive(problem, TABLE, several), abs=2e-4)
    assert plan.gain > 0.01
    assert fits(planned(plan)["candidate_id"], TABLE, several)
    eq.verify_plan(plan, windows_of(TABLE), several)


def test_handing_over_between_pairs_beats_whole_overlaps(asking):
    """Two overlaps of one station share a crossing; a part of each, slew and turnaround between, brings both."""
    table = pair_offers(
        ("ab", "DLR-TRAUEN", "ONDREJOV", at(1), 300, 3e5, 1.0, ("T", "O")),
        ("ac", "DLR-TRAUEN", "PQSAT", at(1, 0.5), 300, 3e5, 1.0, ("T", "P")),
        ("ab@200000-200200", "DLR-TRAUEN", "ONDREJOV", at(1), 120, 1e5, 1.0, ("T", "O")),
        ("ac@200400-200530", "DLR-TRAUEN", "PQSAT", at(1, 4), 90, 1e5, 1.0, ("T", "P")),
    )
    both = eq.schedule_contacts(table, asking)
    alone = eq.schedule_contacts(table.loc[["ab", "ac"]], asking)
    assert chosen(both) == {"ab@200000-200200", "ac@200400-200530"}
    assert len(planned(alone)) == 1
    assert both.objective > alone.objective + 0.01
    eq.verify_plan(both, windows_of(table), asking)


# ------------------------------------------------------------------------------------------------------- checks


def plan_of(table, *names):
    rows = table.loc[list(names)].reset_index()
    rows = rows.assign(contact_id=rows["candidate_id"], expected_skl_bit=rows["skl_bit"], status="planned", reason="",
                       backup_of="")  # fmt: skip
    return eq.Plan(rows.set_index("contact_id"), 0.0, 0.0, 0.0, 0)


APART = TABLE.assign(window_id=TABLE.index + "/a", window_id_b=TABLE.index + "/b")


@pytest.mark.parametrize(
    ("table", "names", "changes", "message"),
    [
        (APART, ("a", "b"), {"satellite.0.terminals": 4}, "ogs 'GRAZ' is free from .* but 'b' begins at .* after 'a'"),
        (APART, ("b", "c"), {"satellite.0.terminals": 4}, "ogs 'PQSAT' is free from .* but 'c' begins at .* after 'b'"),
        (TABLE, ("a", "c"), {}, "satellite 'EAGLE1-LIKE' is free from"),
        (
            TABLE,
            ("b", "c"),
            {"satellite.0.terminals": 4, "station.*.telescopes": 2},
            "'b', 'c' use window 'P' at the same",
        ),
    ],
)
def test_the_check_finds_what_is_used_twice(pairs, table, names, changes, message):
    several = with_values(pairs, changes) if changes else pairs
    with pytest.raises(PlanError, match=message):
        eq.verify_plan(plan_of(table, *names), windows_of(table), several)


def test_the_check_looks_at_the_second_station_too(pairs):
    windows = windows_of(TABLE)
    eq.verify_plan(plan_of(TABLE, "a", "e"), windows, pairs)
    with pytest.raises(PlanError, match="lies in no window of 'ONDREJOV'"):
        eq.verify_plan(plan_of(TABLE, "a"), windows.drop(index="O"), pairs)
    booked = Booking(station="ONDREJOV", start=at(1), end=at(1, 1))
    with pytest.raises(PlanError, match="lies in a booking of 'ONDREJOV'"):
        eq.verify_plan(plan_of(TABLE, "a"), windows, pairs.model_copy(update={"bookings": (booked,)}))
    with pytest.raises(PlanError, match="is with GRAZ; downlink = 'dual' has two stations"):
        eq.verify_plan(plan_of(TABLE.assign(ogs_b=""), "a"), windows, pairs)
    few = pairs.model_copy(update={"satellites": (pairs.satellites[0].model_copy(update={"terminals": 1}),)})
    with pytest.raises(PlanError, match="needs 2 terminals"):
        eq.verify_plan(plan_of(TABLE, "a"), windows, few)
    quota = SatelliteQuota(nation="CZ", contacts_per_day=0)
    with pytest.raises(PlanError, match="daily quota of CZ"):
        eq.verify_plan(plan_of(TABLE, "a"), windows, pairs.model_copy(update={"satellite_quotas": (quota,)}))


# ------------------------------------------------------------------------------------------------------ key graph


def test_edges_join_stations_and_no_satellite(pairs):
    edges = key_edges(build_network(pairs), pairs)
    space = edges[edges["kind"] == SPACE]
    names = sorted(pairs.stations)
    assert set(space.index) == {f"{a}|{b}" for i, a in enumerate(names) for b in names[i + 1 :]}
    assert "EAGLE1-LIKE" not in {*edges["a"], *edges["b"]}
    row = space.loc["GRAZ|PQSAT"]
    assert (row["country_a"], row["country_b"], row["operator"]) == ("AT", "PL", "OPERATOR")
    none = pairs.model_copy(update={"satellites": ()})
    assert (key_edges(build_network(none), none)["kind"] != SPACE).all()


def test_key_arrives_on_the_edge_of_the_pair_whatever_its_order(pairs):
    table = TABLE.loc[["a", "b"]].assign(ogs=["GRAZ", "PQSAT"], ogs_b=["ONDREJOV", "GRAZ"])
    assert contact_arrivals(table, pairs)["edge"].tolist() == ["GRAZ|ONDREJOV", "GRAZ|PQSAT"]


@pytest.mark.parametrize("ogs", ["GRAZ", "PQSAT"])
def test_an_outage_of_either_station_closes_the_edge(pairs, ogs):
    outage = Outage(station=ogs, start=pairs.start, end=pairs.end, stops="everything")
    stopped = pairs.model_copy(update={"outages": (outage,)})
    edges = key_edges(build_network(stopped), stopped)
    closed = closed_bins(edges, [(pairs.start, pairs.end)], stopped)[:, 0]
    space = edges["kind"] == SPACE
    assert set(edges.index[closed & space]) == {e for e in edges.index[space] if ogs in e.split("|")}


def test_forbidden_operators_of_any_satellite_shut_the_edges(pairs):
    second = pairs.satellites[0].model_copy(update={"name": "OTHER", "operator": "ELSEWHERE"})
    two = pairs.model_copy(update={"satellites": (*pairs.satellites, second)})
    edges = key_edges(build_network(two), two)
    assert set(edges.loc[edges["kind"] == SPACE, "operator"]) == {"ELSEWHERE, OPERATOR"}
    for operator in ("OPERATOR", "ELSEWHERE"):
        demand = two.demands[0].model_copy(update={"forbidden_operators": (operator,)})
        asked = two.model_copy(update={"demands": (demand,)})
        assert list(eq.unreachable_reasons(build_network(asked), asked)) == [demand.name]


# ------------------------------------------------------------------------------------------------------ end to end


def test_the_pipeline_runs_as_it_stands_in_the_readme(study, pairs):
    plan = eq.schedule_contacts(study.candidates, pairs)
    eq.verify_plan(plan, study.windows, pairs)
    deposits = eq.key_deposits(plan, pairs)
    relay = eq.relay_keys(deposits, pairs)
    eq.verify_relay(relay, deposits, pairs)
    stores = relay.stores[relay.stores["kind"] == SPACE]
    came = deposits.groupby("edge")["bit"].sum()
    for edge, rows in stores.groupby("edge"):
        last = rows.sort_values("bin")["stock_bit"].iloc[-1]
        left = rows["used_bit"].sum() + rows["spilled_bit"].sum() + rows["expired_bit"].sum() + last
        assert came.get(edge, 0.0) == pytest.approx(left, abs=1.0)
    assert relay.delivery["delivered_bit"].sum() > 0
    seen = eq.exposure(relay, pairs)
    served = seen[seen["delivered_bit"] > 1]
    assert len(served)
    assert (served["space_share"] > 0.999).all()
    assert (seen["satellites"] == "").all()
    assert not seen["operators"].str.contains("OPERATOR").any()
    assert not seen["nations"].str.contains("LU").any()


def test_two_lines_of_sight_are_drawn_and_both_have_to_be_clear(study, pairs):
    table = whole(study.candidates).head(6)
    legs = sky_legs(table)
    assert len(legs) == 12
    trials = 20_000
    without_cirrus = with_values(pairs, {"weather.cirrus_share": 0.0})
    clear = 1 - contact_skies(table, without_cirrus, trials=trials, rng=3).blocked_share.mean(axis=0)
    error = np.sqrt(table["p_clear"] * (1 - table["p_clear"]) / trials)
    assert (np.abs(clear - table["p_clear"]) < 4.5 * error).all()
    usual = mean_contact_clear(table, pairs, np.zeros((2, 12)))
    assert_allclose(usual, np.tile(table["p_clear"], (2, 1)), rtol=1e-6)
    worse = mean_contact_clear(table, pairs, np.full((1, 12), 0.5))
    assert (worse[0] < table["p_clear"]).all()
    moved = with_chance(table, table["p_clear"] ** 2)
    assert_allclose(moved["p_clear_a"], table["p_clear_a"] ** 2)
    single = table.assign(ogs_b="")
    assert sky_legs(single) is single


def test_plans_are_matched_compared_and_backed_up_by_pairs(pairs):
    old, new = plan_of(TABLE, "a", "e"), plan_of(TABLE, "b")
    assert match_contacts(old.contacts, new.contacts) == []
    shifted = new.contacts.assign(start=new.contacts["start"] + pd.Timedelta("10s"))
    assert match_contacts(new.contacts, shifted) == [(0, 0)]
    changes = diff_plans(old, new, pairs)
    assert changes[["ogs", "ogs_b", "change"]].to_numpy().tolist() == [
        ["GRAZ", "ONDREJOV", "dropped"], ["GRAZ", "PQSAT", "added"], ["GRAZ", "PQSAT", "dropped"]
    ]  # fmt: skip
    assert "GRAZ + PQSAT" in changes["cause"].iloc[0]
    backups = backup_contacts(plan_of(TABLE, "a").contacts, TABLE, pairs)
    assert backups["candidate_id"].tolist() == ["b"]
    assert backups["ogs_b"].tolist() == ["PQSAT"]
    assert {"window_id_b", "p_clear_a", "p_clear_b"} <= set(backups.columns)


def test_candidates_go_by_the_windows_and_passes_of_both_stations():
    rows = TABLE.assign(window_id="S/GRAZ/1/1", window_id_b=["S/O/1/1", *["S/P/1/1"] * 5])
    names = NamedCandidates(rows, plan_of(TABLE, "a").contacts.iloc[:0])
    assert names.named("S/O/1/1", "ban") == ("a",)
    assert names.named("S/P/1", "ban") == ("b", "c", "d", "e", "f")


def test_reasons_name_the_pair_and_explain_both_passes(study):
    reasons = planned(study.plan)["reason"]
    assert reasons.str.contains(r"chosen over .*[A-Z-]+ \+ [A-Z-]+.*\(same satellite\)").any()
    contact = planned(study.plan).iloc[0]
    for column in ("window_id", "window_id_b"):
        text = eq.explain(study.run, study.windows.loc[contact[column], "pass_id"])
        assert f"taken with {contact['ogs']} + {contact['ogs_b']}" in text
    other = replace(study.run, tables={**study.run.tables, "candidates": study.candidates.iloc[:0]})
    free = study.windows.index.difference([*study.plan.contacts["window_id"], *study.plan.contacts["window_id_b"]])
    assert "with no other station there is key" in eq.explain(other, study.windows.loc[free[0], "pass_id"])


def test_studies_of_single_stations_refuse_pairs(pairs):
    with pytest.raises(TableError, match="coverage: downlink = 'dual' gives no station a key of its own"):
        eq.coverage(pairs, resolution_deg=5.0)
    with pytest.raises(TableError, match="sweep: measure 'plan' with downlink = 'dual'; expected 'single'"):
        eq.sweep(pairs, {"schedule.slew_s": [30.0]}, measure="plan")
