"""Calendars across re-plans, read by the icalendar library."""

from dataclasses import replace
from datetime import timedelta

import icalendar
import pandas as pd
import pytest

from eqci_space.errors import DataError
from eqci_space.report.exports.contact_calendar import CANCELLED_FILE, write_calendar

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
