"""Calendars across re-plans, read by the icalendar library."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import icalendar
import pandas as pd
import pytest

from eqci_space.errors import DataError
from eqci_space.report.exports.contact_calendar import CANCELLED_FILE, write_calendar
from eqci_space.report.exports.earlier_calendar import read_calendar

G1 = {"contact_id": "old-1"}
G2 = {"contact_id": "old-2", "start": "2027-03-01T21:30:00Z", "end": "2027-03-01T21:35:00Z"}
G3 = {"contact_id": "old-3", "start": "2027-03-02T02:00:00Z", "end": "2027-03-02T02:05:00Z"}


def written(folder, released, earlier=None):
    folder.mkdir()
    write_calendar(released, folder / "contacts.ics", earlier=earlier)
    return folder


def read(path):
    calendar = icalendar.Calendar.from_ical(path.read_bytes())
    events = {str(e["uid"]): (int(e["sequence"]), str(e["status"])) for e in calendar.walk("VEVENT")}
    return str(calendar["method"]), events


def test_uids_stay_sequences_rise_and_dropped_contacts_are_cancelled(small, with_contacts, tmp_path):
    first = written(tmp_path / "1", with_contacts(small, G1, G2, G3))
    assert read(first / "contacts.ics") == (
        "PUBLISH", {f"old-{n}@eqci_space": (0, "TENTATIVE") for n in (1, 2, 3)},
    )  # fmt: skip
    assert not (first / CANCELLED_FILE).exists()
    moved = {**G2, "contact_id": "new-2", "start": "2027-03-01T21:31:00Z"}
    second = written(tmp_path / "2", with_contacts(small, {**G1, "contact_id": "new-1"}, moved), first)
    expected = {
        "old-1@eqci_space": (0, "TENTATIVE"),
        "old-2@eqci_space": (1, "TENTATIVE"),
        "old-3@eqci_space": (1, "CANCELLED"),
    }
    assert read(second / "contacts.ics") == ("PUBLISH", expected)
    assert read(second / CANCELLED_FILE) == ("CANCEL", {"old-3@eqci_space": (1, "CANCELLED")})
    third = written(tmp_path / "3", with_contacts(small, {**G1, "contact_id": "x"}, moved), second)
    assert read(third / "contacts.ics")[1] == expected
    back = {**G3, "contact_id": "y"}
    fourth = written(tmp_path / "4", with_contacts(small, {**G1, "contact_id": "z"}, moved, back), third)
    assert read(fourth / "contacts.ics")[1] == {**expected, "old-3@eqci_space": (2, "TENTATIVE")}


def test_contacts_outside_the_new_period_are_history_and_not_cancelled(small, with_contacts, tmp_path):
    first = written(tmp_path / "1", with_contacts(small, G1, G2, G3))
    later = replace(with_contacts(small, G3), start=pd.Timestamp("2027-03-02T00:00Z"))
    second = written(tmp_path / "2", later, first)
    assert read(second / "contacts.ics")[1] == {"old-3@eqci_space": (0, "TENTATIVE")}
    assert not (second / CANCELLED_FILE).exists()


def test_a_new_contact_never_takes_the_uid_of_another(small, with_contacts, tmp_path):
    first = written(tmp_path / "1", with_contacts(small, G1))
    other = {**G2, "contact_id": "old-1"}
    second = written(tmp_path / "2", with_contacts(small, {**G1, "contact_id": "new"}, other), first)
    assert set(read(second / "contacts.ics")[1]) == {"old-1@eqci_space", "old-1/2@eqci_space"}


def test_backups_and_cancelled_contacts_say_so_and_do_not_block_time(small, with_contacts, tmp_path):
    rows = G1, {**G2, "status": "backup"}, {**G3, "status": "cancelled"}
    folder = written(tmp_path / "1", with_contacts(small, *rows))
    events = icalendar.Calendar.from_ical((folder / "contacts.ics").read_bytes()).walk("VEVENT")
    assert [(str(e["summary"]), str(e["status"]), str(e["transp"]), len(e.walk("VALARM"))) for e in events] == [
        ("QKD S – G", "TENTATIVE", "OPAQUE", 1), ("QKD backup S – G", "TENTATIVE", "TRANSPARENT", 1),
        ("Cancelled: QKD S – G", "CANCELLED", "TRANSPARENT", 0),
    ]  # fmt: skip
    assert events[0].walk("VALARM")[0].decoded("trigger") == timedelta(minutes=-30)
    assert str(events[0]["description"]) == ("Clear-sky key 1728 kbit, chance of a clear sky 50 %, expected 864 kbit.")


def test_what_is_no_calendar_of_ours_is_refused(small, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no contacts\.ics in the earlier run 'empty'"):
        write_calendar(small, tmp_path / "contacts.ics", earlier=tmp_path / "empty")
    foreign = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    (tmp_path / "empty" / "contacts.ics").write_text(foreign, encoding="utf-8")
    with pytest.raises(DataError, match="is no calendar of this tool"):
        write_calendar(small, tmp_path / "contacts.ics", earlier=tmp_path / "empty")


# ---------------------------------------------------------------- what a public release carries on

EXACT = re.compile(r"[0-9]{8}T[0-9]{4}(?!00)[0-9]{2}Z")
SECRET = "chosen over GRAZ at 21:30:17"
P1 = {"contact_id": "S/G/20270301T200013Z/1", "start": "2027-03-01T20:00:13Z", "end": "2027-03-01T20:04:59Z"}
P2 = {"contact_id": "S/G/20270301T213017Z/1", "start": "2027-03-01T21:30:17Z", "end": "2027-03-01T21:35:01Z"}
P3 = {"contact_id": "backup S/G/1", "start": "2027-03-02T02:00:09Z", "end": "2027-03-02T02:05:01Z"}


def public(released):
    """As `release` makes it: whole minutes, ids by them, no free text."""
    table = released.tables["contacts"].copy()
    table["start"], table["end"] = table["start"].dt.floor("min"), table["end"].dt.ceil("min")
    table.index = pd.Index([f"S/G/{t:%Y%m%dT%H%MZ}" for t in table["start"]], name="contact_id", dtype=str)
    sites = released.tables["sites"][["country", "status_class"]]
    return replace(released, level="public", tables={"contacts": table.assign(reason=""), "sites": sites})


def test_a_public_plan_after_an_internal_one_says_nothing_exact(small, with_contacts, tmp_path):
    rows = P1, P2, {**P3, "status": "cancelled", "reason": SECRET}
    first = written(tmp_path / "1", with_contacts(small, *rows))
    assert EXACT.search((first / "contacts.ics").read_text(encoding="utf-8"))
    second = written(tmp_path / "2", public(with_contacts(small, P1)), first)
    for name in ("contacts.ics", CANCELLED_FILE):
        text = (second / name).read_text(encoding="utf-8").replace("\r\n ", "")
        assert not EXACT.search(text)
        assert "chosen over" not in text
    assert read(second / "contacts.ics")[1] == {
        "S/G/20270301T2000Z@eqci_space": (0, "TENTATIVE"),
        "S/G/20270301T2130Z@eqci_space": (1, "CANCELLED"),
        "S/G/20270302T0200Z@eqci_space": (0, "CANCELLED"),
    }


def test_public_plans_keep_the_uids_of_public_ones(small, with_contacts, tmp_path):
    first = written(tmp_path / "1", public(with_contacts(small, P1, P2)))
    moved = {**P1, "start": "2027-03-01T20:02:31Z"}
    second = written(tmp_path / "2", public(with_contacts(small, moved)), first)
    uids = {"S/G/20270301T2000Z@eqci_space": (1, "TENTATIVE"), "S/G/20270301T2130Z@eqci_space": (1, "CANCELLED")}
    assert read(second / "contacts.ics")[1] == uids
    third = written(tmp_path / "3", public(with_contacts(small, moved)), second)
    assert read(third / "contacts.ics")[1] == uids


def test_uids_of_others_do_not_pass_into_a_public_plan(small, with_contacts, tmp_path):
    first = written(
        tmp_path / "1", with_contacts(small, {**P2, "contact_id": "at 21:30:17"}, {**P3, "contact_id": "b"})
    )
    second = written(tmp_path / "2", public(with_contacts(small, P1)), first)
    assert set(read(second / "contacts.ics")[1]) == {
        f"S/G/{minute}Z@eqci_space" for minute in ("20270301T2000", "20270301T2130", "20270302T0200")
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("DTSTART:2027", "DTSTART:20x7", "is no time in UTC"),
        ("DTSTART:2027", "DTSTART:9027", "is no time in UTC"),
        ("DTSTART:20270301", "DTSTART:20270399", "does not match format|unconverted data|out of range"),
        ("DTSTART:20270301", "DTSTART:20270401", "not after its start"),
        ("SEQUENCE:0", "SEQUENCE:-1", "SEQUENCE is"),
        ("SEQUENCE:0", "SEQUENCE:0\r\nSEQUENCE:1", "SEQUENCE stands twice"),
        ("X-EQCI-OGS:", "X-OGS:", "an event lacks X-EQCI-OGS"),
        ("BEGIN:VEVENT", "BEGIN:VALARM", "do not match"),
        ("BEGIN:VCALENDAR", "BEGIN:VEVENT", "may not"),
        ("END:VCALENDAR", "", "ends before the calendar does"),
        ("SUMMARY:", "SUMMARY:\x1b[2J", "cannot be shown"),
        ("SUMMARY:", "SUMMARY", "is no property"),
        ("UID:old-2", "UID:old-1", "two events have one UID"),
        ("UID:old-2@eqci_space", "UID: ", "has no UID"),
    ],
)
def test_a_damaged_calendar_is_refused_with_what_is_wrong(small, with_contacts, tmp_path, old, new, message):
    first = written(tmp_path / "1", with_contacts(small, G1, G2))
    text = (first / "contacts.ics").read_bytes().decode()
    assert old in text
    (first / "contacts.ics").write_bytes(text.replace(old, new, 1).encode())
    with pytest.raises(DataError, match=message):
        written(tmp_path / "2", with_contacts(small, G1), first)


def test_calendars_come_back_as_they_were_written(small, with_contacts, tmp_path):
    name = 'a;b, "c" – 量子' * 9
    contacts = with_contacts(small, {**G1, "satellite": name, "contact_id": name, "reason": "x, y; z"})
    found = read_calendar(written(tmp_path / "1", contacts) / "contacts.ics")[0]
    assert (found.satellite, found.uid, found.ogs, found.ogs_b) == (name, f"{name}@eqci_space", "G", "")
    assert found.start == datetime(2027, 3, 1, 20, tzinfo=UTC)
    assert "; x, y; z." in found.description
