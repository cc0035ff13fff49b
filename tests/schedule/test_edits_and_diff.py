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
    assert found.cost_keys == 0
    assert found.changes.empty
    assert found.edits.empty
    assert (found.demands["change_bit"] == 0).all()


def test_pin_and_unpin_give_the_plan_back(base, nights, edit):
    pin = sorted(set(nights.index) - chosen(base))[0]
    once = edit(pin=[pin])
    assert pin in chosen(once.plan)
    assert bytes_of(once.plan) != bytes_of(base)
    assert bytes_of(edit(pin=()).plan) == bytes_of(base)


def test_pin_of_what_is_planned_costs_nothing(base, edit):
    found = edit(pin=sorted(chosen(base)), each=False)
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
    assert not found.plan.contacts["window_id"].str.startswith(ban.rpartition("/")[0]).any()
    assert found.cost >= -1e-6 * base.objective


def test_two_pins_in_conflict_are_named_and_nothing_changes(base, nights, edit):
    before = bytes_of(base), nights.to_csv()
    first, second = "EAGLE1-LIKE/PQSAT/20270301T200508Z/1", "EAGLE1-LIKE/ONDREJOV/20270301T200546Z/1"
    message = f"pins '{first}' and '{second}' need 2 of satellite EAGLE1-LIKE, which has 1; drop one, or force it"
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
        match=r"pins 'a' and 'b' need 400 of duty of EAGLE1-LIKE in the day from 2027-03-01 12:00, which has 350; "
        "drop one, or force it",
    ):
        schedule_contacts(table, limited, network=study.network, pin=["a", "b"])


def test_unknown_and_contradicting_edits_are_refused(study, government, nights, base, edit):
    wrong = "EAGLE1-LIKE/PQSAT/20270301T200508Z/9"
    for kind in ("pin", "ban", "force"):
        with pytest.raises(PlanError, match=rf"{kind} '{wrong}' is no contact, candidate, window or pass .*mean.*Z/1"):
            edit(**{kind: [wrong]})
        with pytest.raises(PlanError, match=rf"{kind} 'nothing' is no contact, .*; \d+ names are known, none close"):
            edit(**{kind: ["nothing"]})
    name = sorted(chosen(base))[0]
    with pytest.raises(PlanError, match=f"'{name}' is both pinned and banned; drop one"):
        edit(pin=[name], ban=[name])
    with pytest.raises(PlanError, match=f"'{name}' is both forced and banned; drop one"):
        edit(force=[name], ban=[name.rpartition("/")[0]])
    with pytest.raises(PlanError, match="ban 'nothing' is no candidate"):
        schedule_contacts(nights, government, network=study.network, ban=["nothing"])


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
    assert row.tolist()[:3] == pytest.approx([60_000, 20_000, -40_000], abs=2)
    assert found.cost == pytest.approx(3 / (1.7 / 3) * 40_000 / 102_400, abs=2e-4)
    assert found.changes["change"].tolist() == ["moved"]  # to the same station, a minute later
    assert found.changes["cause"].tolist() == ["window: another one, start +60 s, end +60 s"]
    assert row["change_keys"] == pytest.approx(-40_000 / 256, abs=0.01)
    assert found.cost_keys == pytest.approx(156.25, abs=0.01)
    (price,) = found.edits.itertuples()
    assert (price.Index, price.edit, price.candidates) == ("p", "ban", 1)
    assert (price.cost, price.cost_keys) == (found.cost, found.cost_keys)


PASS = "S/PQSAT/20270301T200000Z"


@pytest.fixture(scope="module")
def pair_offers(study, scenario):
    """Two ways to Prague and, of one pass over Warsaw, a window of a whole and a part, and a second window."""
    pair = with_policy(only(scenario, "government Warsaw-Prague"), backups=False)
    table = offers(
        (f"{PASS}/1", "PQSAT", at(0), 200, 100_000, 1.0, f"{PASS}/1"),
        (f"{PASS}/1@200000-200100", "PQSAT", at(0), 60, 40_000, 1.0, f"{PASS}/1"),
        (f"{PASS}/2", "PQSAT", at(0, 6), 60, 30_000, 1.0, f"{PASS}/2"),
        ("late", "PQSAT", at(1), 200, 20_000), ("prague", "ONDREJOV", at(2), 200, 90_000),
        ("rival", "GRAZ", at(0, 2), 60, 1000),
    )  # fmt: skip
    return pair, table, schedule_contacts(table, pair, network=study.network)


@pytest.mark.parametrize("name", [f"{PASS}/1", f"{PASS}/1@200000-200100", f"{PASS}/2", PASS, f"window:{PASS}/2"])
def test_a_ban_bans_the_whole_pass(study, pair_offers, name):
    """Warsaw gets 100,000 + 30,000 + 20,000 bits of which 90,000 are used, without the pass 20,000: 70,000 lost."""
    pair, table, base = pair_offers
    assert {f"{PASS}/1", f"{PASS}/2", "late", "prague"} <= chosen(base)
    found = edit_plan(base, table, pair, ban=[name], network=study.network)
    assert chosen(found.plan) == {"late", "prague", "rival"}
    assert found.cost_keys == pytest.approx(70_000 / 256, abs=0.01)
    assert found.edits["candidates"].tolist() == [3]


def test_a_contact_is_known_by_its_own_name_too(study, pair_offers):
    """A plan made earlier has another id for the contact; its pass is the same."""
    pair, table, base = pair_offers
    old = replace(base, contacts=base.contacts.rename(index={f"{PASS}/1": "kept from yesterday"}))
    found = edit_plan(old, table, pair, ban=["kept from yesterday"], network=study.network)
    assert chosen(found.plan) == {"late", "prague", "rival"}
    pinned = edit_plan(old, table, pair, pin=["kept from yesterday"], network=study.network)
    assert pinned.cost == pytest.approx(0, abs=1e-6)


def test_a_pin_of_a_pass_or_window_leaves_the_part_open(study, pair_offers):
    """Graz 20:02 to 20:03 excludes all of the pass but the first minute and the second window; pins keep both."""
    pair, table, base = pair_offers

    def taken(**edits):
        return edit_plan(base, table, pair, network=study.network, **edits)

    alone = taken(pin=["rival"])
    assert f"{PASS}/1" not in chosen(alone.plan)
    parted = taken(pin=[f"window:{PASS}/1", "rival"], each=False)
    assert {f"{PASS}/1@200000-200100", "rival"} <= chosen(parted.plan)
    with pytest.raises(InfeasibleError, match=f"'{PASS}/1' and 'rival' need 2 of satellite EAGLE1-LIKE"):
        taken(pin=[f"{PASS}/1", "rival"])
    early = pd.concat([table, offers(("early", "GRAZ", at(0, 0.5), 60, 1000))]).sort_values("start")
    with pytest.raises(InfeasibleError, match=f"no candidate of 'window:{PASS}/1' fits beside the other pins"):
        edit_plan(base, early, pair, pin=[f"window:{PASS}/1", "early"], network=study.network)
    both = edit_plan(base, early, pair, force=[f"window:{PASS}/1"], pin=["early"], network=study.network, each=False)
    assert {f"{PASS}/1", "early"} <= chosen(both.plan)
    assert both.plan.notes[0].startswith("forced against a rule: ")
    other = taken(pin=[PASS, "rival"], each=False)
    assert chosen(other.plan) & {f"{PASS}/2", f"{PASS}/1@200000-200100"}


def test_a_pin_of_a_pass_takes_its_best_part_against_a_dearer_rival(study, pair_offers):
    """Prague's only contact lies in the pass over Warsaw: its 90,000 bits go, and with them all that is delivered."""
    pair, _, _ = pair_offers
    table = offers(
        (f"{PASS}/1", "PQSAT", at(0), 200, 20_000, 1.0, f"{PASS}/1"),
        (f"{PASS}/1@200000-200100", "PQSAT", at(0), 60, 10_000, 1.0, f"{PASS}/1"),
        ("prague", "ONDREJOV", at(0, 1), 200, 90_000), ("late", "PQSAT", at(1), 200, 100_000),
    )  # fmt: skip
    base = schedule_contacts(table, pair, network=study.network)
    assert chosen(base) == {"prague", "late"}
    found = edit_plan(base, table, pair, pin=[PASS], network=study.network)
    assert chosen(found.plan) == {f"{PASS}/1", "late"}
    assert found.cost_keys == pytest.approx(90_000 / 256, abs=0.01)


def test_force_takes_what_a_rule_forbids_and_says_which(study, pair_offers):
    pair, table, base = pair_offers
    found = edit_plan(base, table, pair, pin=["rival"], force=[f"{PASS}/1"], network=study.network, each=False)
    assert {"rival", f"{PASS}/1"} <= chosen(found.plan)
    assert found.plan.notes[0] == (
        f"forced against a rule: '{PASS}/1' and 'rival' need 2 of satellite EAGLE1-LIKE, which has 1"
    )
    assert f"{PASS}/1@200000-200100" not in chosen(found.plan)  # the window still gives one contact
    plain = edit_plan(base, table, pair, force=[f"{PASS}/1"], network=study.network)
    assert plain.plan.notes == base.notes
    with pytest.raises(InfeasibleError, match=f"the pins '{PASS}/1' and 'rival' need 2"):
        edit_plan(base, table, pair, pin=["rival", f"{PASS}/1"], force=[f"{PASS}/2"], network=study.network)


def test_force_against_a_duty_is_named(study, pair_offers):
    """The satellite may be used for 100 s a day; the contact takes 200."""
    pair, table, _ = pair_offers
    tired = pair.satellites[0].model_copy(update={"duty_s_per_day": 100.0})
    limited = pair.model_copy(update={"satellites": (tired,)})
    base = schedule_contacts(table, limited, network=study.network)
    assert "late" not in chosen(base)
    with pytest.raises(InfeasibleError, match="the pins 'late' need 200 of duty of EAGLE1-LIKE"):
        edit_plan(base, table, limited, pin=["late"], network=study.network)
    found = edit_plan(base, table, limited, force=["late"], network=study.network)
    assert "late" in chosen(found.plan)
    assert found.plan.notes[0] == (
        "forced against a rule: 'late' need 200 of duty of EAGLE1-LIKE in the day from 2027-03-02 12:00, which has 100"
    )


def test_each_of_several_edits_has_its_price(study, pair_offers):
    """Without the pass 20,000 bits are left, without the late contact too none: 50 of 90 kbit and 20 of them."""
    pair, table, base = pair_offers
    found = edit_plan(base, table, pair, ban=[PASS, "late"], network=study.network)
    assert found.cost_keys == pytest.approx(90_000 / 256, abs=0.01)
    assert found.edits["cost_keys"].to_dict() == pytest.approx({PASS: 90_000 / 256, "late": 20_000 / 256}, abs=0.01)
    quick = edit_plan(base, table, pair, ban=[PASS, "late"], network=study.network, each=False)
    assert quick.edits["cost_keys"].isna().all()


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
        (("n", "PQSAT", at(0), 200, 1e5, 0.7), "key", "forecast: chance of a clear sky 0.5 to 0.7"),
        (("n", "PQSAT", at(0), 200, 1e5, 0.5004), "key", "forecast: chance of a clear sky 0.5 to 0.5"),
        (("n", "PQSAT", at(0), 200, 2e5, 0.5), "key", "key: 100 kbit to 200 kbit in a clear sky"),
        (
            ("n", "PQSAT", at(0), 200, 2e5, 0.7),
            "key",
            "forecast: chance of a clear sky 0.5 to 0.7; key: 100 kbit to 200 kbit in a clear sky",
        ),
        (("n", "PQSAT", at(0, 1), 200, 1e5, 0.5), "moved", "window: another one, start +60 s, end +60 s"),
        (("n", "PQSAT", at(0), 170, 2e5, 0.5), "moved", "window: another one, start +0 s, end -30 s"),
        (("n", "PQSAT", at(0, 1), 100, 5e4, 0.5, "o"), "moved", "choice: another part of the window"),
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


def test_a_contact_that_both_plans_have_is_no_replacement(base, scenario):
    """Prague five minutes after Warsaw is in both plans: Warsaw was dropped for Trauen, Graz added where room was."""
    kept = ("k", "ONDREJOV", at(0, 5), 200, 1e5)
    old = plan_of(base, ("o", "PQSAT", at(0), 200, 1e5), kept)
    new = plan_of(base, ("n", "DLR-TRAUEN", at(0, 1), 100, 2e5), kept, ("g", "GRAZ", at(0, 10), 60, 1e4))
    for given in (None, scenario):
        table = diff_plans(old, new, given)
        assert table["change"].tolist() == ["dropped", "added", "added"]
        assert table["cause"].tolist() == [
            "choice: replaced by EAGLE1-LIKE over DLR-TRAUEN", "choice: in place of EAGLE1-LIKE over PQSAT", "choice",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("start", "station", "satellite", "replaced"),
    [
        (at(0, 4), "GRAZ", "EAGLE1-LIKE", True),  # 40 s after 20:03:20, the slew takes 60
        (at(0, 4.5), "GRAZ", "EAGLE1-LIKE", False),
        (at(0, 5), "PQSAT", "SECOND", True),  # 100 s after, the turnaround takes 120
        (at(0, 5.5), "PQSAT", "SECOND", False),
        (at(0), "GRAZ", "SECOND", False),
    ],
)
def test_slew_and_turnaround_take_a_place_with_the_scenario(base, scenario, start, station, satellite, replaced):
    second = scenario.satellites[0].model_copy(update={"name": "SECOND"})
    both = scenario.model_copy(update={"satellites": (*scenario.satellites, second)})
    old = plan_of(base, ("o", "PQSAT", at(0), 200, 1e5))
    new = plan_of(base, ("n", station, start, 200, 2e5, 1.0, "n", satellite))
    named = f"choice: replaced by {satellite} over {station}" if replaced else "choice"
    assert diff_plans(old, new, both)["cause"].tolist()[:1] == [named]
    assert diff_plans(old, new)["cause"].tolist()[:1] == ["choice"]  # nothing overlaps
    roomy = both.model_copy(update={
        "satellites": tuple(s.model_copy(update={"terminals": 2}) for s in both.satellites),
        "stations": {o: s.model_copy(update={"telescopes": 2}) for o, s in both.stations.items()},
    })  # fmt: skip
    assert diff_plans(old, new, roomy)["cause"].tolist()[:1] == ["choice"]


def test_a_contact_that_moved_into_the_time_took_the_place(base, scenario):
    """Graz is served from 20:06 on, then from 20:02 on: Warsaw to 20:03:20 has no room any more."""
    old = plan_of(base, ("o", "PQSAT", at(0), 200, 1e5), ("g", "GRAZ", at(0, 6), 120, 1e5, 1.0, "G"))
    new = plan_of(base, ("h", "GRAZ", at(0, 2), 360, 3e5, 1.0, "G"))
    table = diff_plans(old, new, scenario)
    assert table["cause"].tolist() == [
        "choice: replaced by EAGLE1-LIKE over GRAZ", "choice: another part of the window",
    ]  # fmt: skip


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


def test_contacts_of_one_station_that_do_not_overlap_are_two(base):
    """Even where one begins the moment that the other ends."""
    old = plan_of(base, ("a", "PQSAT", at(0), 120, 1e5))
    for later in (at(1), at(0, 2), at(0, -2)):
        new = plan_of(base, ("n", "PQSAT", later, 120, 1e5))
        assert match_contacts(old.contacts, new.contacts) == []
        assert sorted(diff_plans(old, new)["change"]) == ["added", "dropped"]
