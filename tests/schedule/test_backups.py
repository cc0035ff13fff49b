"""The second station of a crossing, for the night on which the first lies under cloud."""

import pandas as pd
import pytest
from plan_cases import at, chosen, offers, only, planned, with_policy

from eqci_space.schedule.backups import backup_contacts
from eqci_space.schedule.contacts import schedule_contacts


def contacts_of(table, *names):
    """CONTACTS of some candidates."""
    rows = table.loc[list(names)].reset_index()
    rows = rows.assign(contact_id=rows["candidate_id"], expected_skl_bit=rows["skl_bit"] * rows["p_clear"],
                       status="planned", reason="by hand")  # fmt: skip
    columns = ["candidate_id", "window_id", "satellite", "ogs", "start", "end", "skl_bit", "expected_skl_bit",
               "p_clear", "status", "reason"]  # fmt: skip
    return rows.set_index("contact_id")[columns]


def test_backup_is_the_best_other_station_by_expected_key(scenario):
    table = offers(
        ("a", "PQSAT", at(0), 200, 100_000), ("b", "ONDREJOV", at(0, 1), 200, 90_000, 0.2),
        ("c", "DLR-OP", at(0, 1), 200, 50_000, 0.5), ("d", "PQSAT", at(0), 100, 80_000, 1.0, "a"),
        ("e", "GRAZ", at(1), 200, 1e6),
    )  # fmt: skip
    found = backup_contacts(contacts_of(table, "a"), table, scenario)
    assert found.index.tolist() == ["backup a"]
    row = found.iloc[0]
    assert (row["candidate_id"], row["ogs"], row["status"]) == ("c", "DLR-OP", "backup")
    assert (row["expected_skl_bit"], row["p_clear"], row["skl_bit"]) == (25_000, 0.5, 50_000)
    assert row["reason"] == "backup of a"


@pytest.mark.parametrize(
    ("start", "found"), [(at(0, 3), True), (at(0, 4), True), (at(0, 4 + 1 / 3), False), (at(0, 8), False)]
)
def test_backup_overlaps_its_contact_slew_counted(scenario, start, found):
    """The contact ends after 200 s, and the satellite is free after 260 s."""
    table = offers(("a", "PQSAT", at(0), 200, 1e5), ("b", "ONDREJOV", start, 200, 1e5))
    assert bool(len(backup_contacts(contacts_of(table, "a"), table, scenario))) == found


def test_backup_keeps_clear_of_the_other_contacts_of_satellite_and_station(scenario):
    """The long candidate runs into the next contact of the satellite, the short one ends in time to slew."""
    table = offers(
        ("a", "PQSAT", at(0), 120, 1e5), ("next", "GRAZ", at(0, 5), 120, 1e5),
        ("long", "ONDREJOV", at(0), 250, 9e5, 1.0, "O"), ("short", "ONDREJOV", at(0), 200, 5e5, 1.0, "O"),
    )  # fmt: skip
    found = backup_contacts(contacts_of(table, "a", "next"), table, scenario)
    assert found.loc["backup a", "candidate_id"] == "short"
    busy = offers(
        ("a", "PQSAT", at(0), 120, 1e5), ("b", "ONDREJOV", at(0), 120, 1e5),
        ("other", "ONDREJOV", at(0, 3), 120, 1e5, 1.0, "other", "SECOND"),
    )  # fmt: skip
    assert backup_contacts(contacts_of(busy, "a", "other"), busy, scenario).empty
    assert len(backup_contacts(contacts_of(busy, "a"), busy, scenario)) == 1


def test_window_that_gives_a_contact_gives_no_backup(scenario):
    """Hand-over from Warsaw to Prague five minutes later: Prague's window already has its contact."""
    table = offers(
        ("a", "PQSAT", at(0), 60, 1e5), ("early", "ONDREJOV", at(0), 60, 1e5, 1.0, "O"),
        ("late", "ONDREJOV", at(0, 5), 60, 1e5, 1.0, "O"),
    )  # fmt: skip
    assert backup_contacts(contacts_of(table, "a", "late"), table, scenario).empty


@pytest.mark.parametrize(("duty_s", "found"), [(None, "long"), (400.0, "long"), (380.0, "short"), (310.0, None)])
def test_backup_keeps_to_the_duty_that_its_contact_leaves(scenario, duty_s, found):
    """Planned are 100 and 200 s; in the place of the first stand 200, 160 or nothing."""
    table = offers(
        ("a", "PQSAT", at(0), 100, 1e5), ("later", "PQSAT", at(0, 95), 200, 1e5),
        ("long", "ONDREJOV", at(0), 200, 9e5, 1.0, "O"), ("short", "ONDREJOV", at(0), 160, 5e5, 1.0, "O"),
    )  # fmt: skip
    satellite = scenario.satellites[0].model_copy(update={"duty_s_per_day": duty_s})
    limited = scenario.model_copy(update={"satellites": (satellite,)})
    backups = backup_contacts(contacts_of(table, "a", "later"), table, limited)
    assert backups["candidate_id"].tolist() == ([found] if found else [])


def test_backup_with_two_terminals_may_overlap_another_contact(scenario):
    two = scenario.model_copy(update={"satellites": (scenario.satellites[0].model_copy(update={"terminals": 2}),)})
    table = offers(("a", "PQSAT", at(0), 100, 1e5), ("b", "GRAZ", at(0), 100, 1e5), ("c", "ONDREJOV", at(0), 100, 1e5))
    found = backup_contacts(contacts_of(table, "a", "b"), table, two)
    assert found["candidate_id"].tolist() == ["c", "c"]
    assert backup_contacts(contacts_of(table, "a", "b"), table, scenario).empty


def test_backups_of_the_shipped_week(study, scenario):
    contacts = study.plan.contacts
    backups, main = contacts[contacts["status"] == "backup"], planned(study.plan)
    assert len(backups) == 13
    slew = pd.Timedelta(seconds=scenario.schedule.slew_s)
    for name, row in backups.iterrows():
        own = main.loc[name.removeprefix("backup ")]
        assert row["ogs"] != own["ogs"]
        assert row["satellite"] == own["satellite"]
        assert row["start"] < own["end"] + slew
        assert row["end"] > own["start"] - slew
        others = main.drop(index=own.name)
        assert not ((others["start"] < row["end"] + slew) & (others["end"] + slew > row["start"])).any()
        assert row["window_id"] not in set(others["window_id"])
    assert study.deposits["contact_id"].isin(main.index).all()
    assert len(study.deposits) == len(main)


def test_backups_change_no_choice_and_can_be_left_out(study, scenario):
    government = only(scenario, "government")
    nights = study.candidates[study.candidates["start"] < pd.Timestamp("2027-03-03T12:00Z")]
    plans = [
        schedule_contacts(nights, with_policy(government, backups=b), network=study.network) for b in (True, False)
    ]
    assert chosen(plans[0]) == chosen(plans[1])
    assert plans[0].objective == plans[1].objective
    assert (plans[1].contacts["status"] == "planned").all()
    assert (plans[0].contacts["status"] == "backup").any()
