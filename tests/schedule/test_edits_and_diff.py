"""Edits by hand, their price, and what changed between two plans and why."""

from dataclasses import replace

import pandas as pd
import pytest
from plan_cases import at, chosen, offers, only, planned, with_policy

from eqci_space.errors import InfeasibleError, PlanError
from eqci_space.schedule.contacts import schedule_contacts
from eqci_space.schedule.diff import diff_plans, kept_ids, match_contacts
from eqci_space.schedule.edits import confirm_contact, edit_plan
from eqci_space.tables import TABLES


@pytest.fixture(scope="module")
def government(scenario):
    return with_policy(only(scenario, "government"), relative_gap=1e-6)


@pytest.fixture(scope="module")
def nights(study):
    """Candidates of the first two nights."""
    return study.candidates[study.candidates["start"] < pd.Timestamp("2027-03-03T12:00Z")]


@pytest.fixture(scope="module")
def base(study, government, nights):
    return schedule_contacts(nights, government, network=study.network)


@pytest.fixture(scope="module")
def edit(study, government, nights, base):
    def edited(**changes):
        return edit_plan(base, nights, government, network=study.network, **changes)

    return edited


def bytes_of(plan):
    return plan.contacts.to_csv().encode(), plan.objective, plan.bound, plan.nodes, plan.notes


def test_no_edit_gives_the_plan_back(base, edit):
    found = edit()
    assert bytes_of(found.plan) == bytes_of(base)
    assert found.cost == 0
    assert found.changes.empty
    assert (found.demands["change_bit"] == 0).all()


def test_pin_and_unpin_give_the_plan_back(base, nights, edit):
    pin = sorted(set(nights.index) - chosen(base))[0]
    once = edit(pin=[pin])
    assert pin in chosen(once.plan)
    assert bytes_of(once.plan) != bytes_of(base)
    assert bytes_of(edit(pin=()).plan) == bytes_of(base)


def test_pin_of_what_is_planned_costs_nothing(base, edit):
    found = edit(pin=sorted(chosen(base)))
    assert chosen(found.plan) == chosen(base)
    assert found.cost == pytest.approx(0, abs=1e-6)
    assert found.changes.empty


@pytest.mark.parametrize("number", range(4))
def test_every_pin_and_ban_costs_and_is_kept_to(base, nights, edit, number):
    others = sorted(set(nights.index) - chosen(base))
    pin = others[number * (len(others) // 4)]
    found = edit(pin=[pin])
    assert pin in chosen(found.plan)
    assert found.cost >= -1e-6 * base.objective
    assert found.cost == pytest.approx(base.objective - found.plan.objective, abs=1e-12)
    ban = sorted(chosen(base))[number]
    found = edit(ban=[ban])
    assert ban not in set(found.plan.contacts["candidate_id"])
    assert found.cost >= -1e-6 * base.objective


def test_two_pins_in_conflict_are_named_and_nothing_changes(base, nights, edit):
    before = bytes_of(base), nights.to_csv()
    first, second = "EAGLE1-LIKE/PQSAT/20270301T200508Z/1", "EAGLE1-LIKE/ONDREJOV/20270301T200546Z/1"
    message = f"pins '{first}' and '{second}' need 2 of satellite EAGLE1-LIKE, which has 1; drop one"
    with pytest.raises(InfeasibleError, match=message):
        edit(pin=[first, second])
    assert (bytes_of(base), nights.to_csv()) == before
    with pytest.raises(InfeasibleError, match=rf"'{first}' and '{first}@200700-200800' need 2 of"):
        edit(pin=[first, f"{first}@200700-200800"])


def test_pins_beyond_a_duty_are_named(study, government):
    satellite = government.satellites[0].model_copy(update={"duty_s_per_day": 350.0})
    limited = government.model_copy(update={"satellites": (satellite,)})
    table = offers(
        ("a", "PQSAT", at(0), 200, 1e5), ("b", "ONDREJOV", at(0, 90), 200, 1e5), ("c", "DLR-OP", at(1), 200, 1e5)
    )
    with pytest.raises(
        InfeasibleError,
        match=r"pins 'a' and 'b' need 400 of duty of EAGLE1-LIKE in the day from 2027-03-01 12:00, which has 350",
    ):
        schedule_contacts(table, limited, network=study.network, pin=["a", "b"])


def test_unknown_and_contradicting_edits_are_refused(base, edit):
    with pytest.raises(PlanError, match=r"pin 'EAGLE1-LIKE/PQSAT/20270301T200508Z/9' is no candidate; .*Z/1"):
        edit(pin=["EAGLE1-LIKE/PQSAT/20270301T200508Z/9"])
    with pytest.raises(PlanError, match="ban 'nothing' is no candidate"):
        edit(ban=["nothing"])
    name = sorted(chosen(base))[0]
    with pytest.raises(PlanError, match=f"'{name}' is both pinned and banned; drop one"):
        edit(pin=[name], ban=[name])


def test_price_of_an_edit_in_objective_and_demand(study, government):
    """Warsaw 100,000, Prague 60,000 or, with the contact banned, 20,000 bits: the pair loses 40,000."""
    pair = only(government, "Warsaw-Prague")
    table = offers(
        ("w", "PQSAT", at(0), 200, 100_000), ("p", "ONDREJOV", at(1), 200, 60_000),
        ("q", "ONDREJOV", at(1, 1), 200, 20_000),
    )  # fmt: skip
    base = schedule_contacts(table, pair, network=study.network)
    assert chosen(base) == {"w", "p"}
    found = edit_plan(base, table, pair, ban=["p"], network=study.network)
    assert chosen(found.plan) == {"w", "q"}
    row = found.demands.loc["government Warsaw-Prague"]
    assert row.tolist() == pytest.approx([60_000, 20_000, -40_000], abs=2)
    assert found.cost == pytest.approx(3 / (1.7 / 3) * 40_000 / 102_400, abs=2e-4)
    assert found.changes["change"].tolist() == ["moved"]  # to the same station, a minute later
    assert found.changes["cause"].tolist() == ["key: other interval or link"]


def test_edit_of_a_reoptimised_plan_shows_the_edit_alone(study, scenario):
    """Parts of the study's plan have more key than offered; an edit must not call that a change."""
    found = edit_plan(study.plan, study.candidates, scenario, network=study.network)
    assert found.cost == pytest.approx(0, abs=1e-9)
    assert found.changes.empty
    assert (found.demands["change_bit"].abs() < 1).all()


def test_banned_candidate_is_no_backup_either(base, edit):
    backup = base.contacts[base.contacts["status"] == "backup"].iloc[0]
    found = edit(ban=[backup["candidate_id"]])
    assert backup["candidate_id"] not in set(found.plan.contacts["candidate_id"])
    assert chosen(found.plan) == chosen(base)


def test_confirmation_names_a_contact_that_was_never_planned(base):
    name = sorted(chosen(base))[0]
    assert confirm_contact(base, name)["candidate_id"] == name
    backup = base.contacts.index[base.contacts["status"] == "backup"][0]
    for wrong in ("EAGLE1-LIKE/PQSAT/20270301T200508Z/7", backup):
        with pytest.raises(PlanError, match=f"confirm_contact: '{wrong}' was never planned; "):
            confirm_contact(base, wrong)


def plan_of(base, *rows):
    """A plan of hand-made contacts: (id, ogs, start, seconds, key, optional: p_clear, window, satellite)."""
    table = offers(*rows)
    contacts = table.reset_index().assign(
        contact_id=table.index, expected_skl_bit=(table["skl_bit"] * table["p_clear"]).to_numpy(), status="planned",
        reason="",
    ).set_index("contact_id")  # fmt: skip
    return replace(base, contacts=contacts[list(TABLES["CONTACTS"].columns)])


def test_same_plans_do_not_differ(base):
    assert diff_plans(base, base).empty
    assert list(diff_plans(base, base).columns)[:3] == ["satellite", "ogs", "change"]
    empty = replace(base, contacts=base.contacts.iloc[:0])
    assert diff_plans(empty, empty).empty
    added = diff_plans(empty, base)
    assert set(added["change"]) == {"added"}
    assert len(added) == len(planned(base))
    assert added["start_new"].is_monotonic_increasing
    dropped = diff_plans(base, empty)
    assert set(dropped["change"]) == {"dropped"}
    assert dropped["start_old"].is_monotonic_increasing
    assert {str(t[c].dtype) for t in (added, dropped, diff_plans(base, base)) for c in ("start_old", "end_new")} == {
        "datetime64[us, UTC]"}  # fmt: skip


def test_backups_are_no_part_of_a_diff(base):
    bare = replace(base, contacts=planned(base))
    assert diff_plans(bare, base).empty


@pytest.mark.parametrize(
    ("new", "change", "cause"),
    [
        (("n", "PQSAT", at(0), 200, 1e5, 0.5), "", ""),
        (("n", "PQSAT", at(0), 200, 1e5, 0.7), "key", "forecast: chance of a clear sky 0.50 to 0.70"),
        (("n", "PQSAT", at(0), 200, 2e5, 0.5), "key", "key: other interval or link"),
        (("n", "PQSAT", at(0, 1), 200, 1e5, 0.5), "moved", "choice"),
        (("n", "PQSAT", at(0, 1), 200, 2e5, 0.5), "moved", "key: other interval or link"),
        (("n", "PQSAT", at(0, 1), 100, 5e4, 0.45, "o"), "moved", "choice: another part of the window"),
        (("n", "PQSAT", at(0, 0.01), 200, 1e5, 0.5), "", ""),
    ],
)
def test_matched_contacts_and_their_causes(base, new, change, cause):
    old = plan_of(base, ("o", "PQSAT", at(0), 200, 1e5, 0.5))
    table = diff_plans(old, plan_of(base, new))
    assert table["change"].tolist() == ([change] if change else [])
    assert table["cause"].tolist() == ([cause] if change else [])


def test_dropped_and_added_contacts_name_each_other(base):
    old = plan_of(base, ("o", "PQSAT", at(0), 200, 1e5), ("k", "GRAZ", at(1), 200, 1e5))
    new = plan_of(
        base, ("n", "ONDREJOV", at(0, 1), 200, 2e5), ("k", "GRAZ", at(1), 200, 1e5), ("x", "GRAZ", at(3), 200, 1e5)
    )
    table = diff_plans(old, new)
    assert table["change"].tolist() == ["dropped", "added", "added"]
    assert table["cause"].tolist() == [
        "choice: replaced by EAGLE1-LIKE over ONDREJOV", "choice: in place of EAGLE1-LIKE over PQSAT", "choice",
    ]  # fmt: skip
    assert table["expected_bit_old"].tolist() == [1e5, 0, 0]
    assert table["expected_bit_new"].tolist() == [0, 2e5, 1e5]
    assert table["start_new"].isna().tolist() == [True, False, False]


def test_contacts_are_matched_by_place_and_time_not_by_id(base):
    old = plan_of(
        base, ("a", "PQSAT", at(0), 200, 1e5), ("b", "PQSAT", at(1), 200, 1e5), ("c", "GRAZ", at(2), 200, 1e5)
    )
    new = plan_of(base, ("b", "PQSAT", at(0), 200, 1e5), ("z", "PQSAT", at(1, 2), 200, 1e5),
                  ("c", "PQSAT", at(2), 200, 1e5))  # fmt: skip
    pairs = match_contacts(old.contacts, new.contacts)
    assert pairs == [(0, 0), (1, 1)]
    assert list(kept_ids(old.contacts, new.contacts).index) == ["a", "b", "c"]


def test_each_contact_is_matched_once_with_the_longest_overlap(base):
    """Two new contacts overlap one old contact, for 60 and 120 s: the longer takes its place, the other is added."""
    old = plan_of(base, ("a", "PQSAT", at(0), 240, 1e5))
    new = plan_of(base, ("n1", "PQSAT", at(0), 60, 1e4), ("n2", "PQSAT", at(0, 2), 120, 2e4))
    assert match_contacts(old.contacts, new.contacts) == [(0, 1)]
    table = diff_plans(old, new)
    assert table["change"].tolist() == ["moved", "added"]
    assert table["expected_bit_new"].tolist() == [2e4, 1e4]
