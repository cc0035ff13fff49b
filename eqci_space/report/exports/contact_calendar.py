"""Contacts as iCalendar (RFC 5545), updated by later plans: same events, higher sequence, cancellations (RFC 5546)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from icalendar import Alarm, Calendar, Event, vCalAddress

from eqci_space.files.atomic import write_atomically
from eqci_space.machine.deprecation import once_first
from eqci_space.report.exports.earlier_calendar import (
    OGS,
    OGS_B,
    SATELLITE,
    EarlierEvent,
    public_event,
    read_calendar,
)
from eqci_space.report.release import Released
from eqci_space.schedule.diff import match_contacts
from eqci_space.words import joined, whole_seconds

__all__ = ["CANCELLED_FILE", "write_calendar"]

CANCELLED_FILE = "contacts-cancelled.ics"
"""Beside the calendar of a re-plan, for programs that take cancellations only as METHOD:CANCEL."""
_ALARM_BEFORE = timedelta(minutes=30)
_DROPPED = "No longer in the plan."
_COMPARED = ("status", "summary", "description")


@dataclass(frozen=True)
class _Entry:
    """An event, and what it is matched by."""

    uid: str
    sequence: int
    satellite: str
    ogs: str
    ogs_b: str
    start: datetime
    end: datetime
    event: Event


@once_first("path")
def write_calendar(released: Released, path: Path, *, earlier: Path | None = None) -> None:
    """Write CONTACTS as a published calendar, tentative until confirmed; the stamp is the period's start.

    Place and position are those at the contact's start, for a mobile station where it then stands, and stand there
    only if they are released. Stations that do not operate yet say so.

    Parameters
    ----------
    released : Released
    path : path
    earlier : path, optional
        Directory of the earlier run whose calendar this one replaces. A contact that overlaps one of the same satellite
        and station there keeps its UID, and its SEQUENCE rises if anything about it changed. What was planned to start
        in the new period and is in the plan no longer stays as STATUS:CANCELLED, and stands in `CANCELLED_FILE`
        beside `path` under METHOD:CANCEL as well. A public release takes of it what a public release may say: times in
        whole minutes, in UIDs as well, and none of its words.

    Raises
    ------
    DataError
        The earlier directory has no calendar, or it is not one of ours.
    """
    before = [] if earlier is None else read_calendar(earlier / path.name)
    if released.level == "public":
        before = _told_apart([public_event(e) for e in before])
    now = [_entry(str(i), row, released) for i, row in released.tables["contacts"].iterrows()]
    entries = _updated(now, before, released)
    dropped = [e for e in entries if str(e.event["status"]) == "CANCELLED"]
    write_atomically(path, _calendar(entries, "PUBLISH", released))
    if earlier is not None and dropped:
        write_atomically(path.parent / CANCELLED_FILE, _calendar(dropped, "CANCEL", released))


def _updated(now: list[_Entry], before: list[EarlierEvent], released: Released) -> list[_Entry]:
    """The new events under the UIDs of those they replace, and the cancelled ones, in order of time."""
    pairs = dict(match_contacts(_frame(now), _frame(before)))
    taken = {before[j].uid for j in pairs.values()}
    entries = []
    for i, entry in enumerate(now):
        old = before[pairs[i]] if i in pairs else None
        if old is None:
            entries.append(replace(entry, uid=_new_uid(entry.uid, taken)))
        else:
            shown = [str(entry.event[k]) for k in _COMPARED]
            changed = [entry.start, entry.end, *shown] != [old.start, old.end, *(getattr(old, k) for k in _COMPARED)]
            entries.append(replace(entry, uid=old.uid, sequence=old.sequence + changed))
    gone = [e for j, e in enumerate(before) if j not in set(pairs.values())]
    start, end = released.start.to_pydatetime(), released.end.to_pydatetime()
    entries += [_cancelled(e, released) for e in gone if start <= e.start < end]
    return sorted(entries, key=lambda e: (e.start, e.uid))


def _new_uid(wanted: str, taken: set[str]) -> str:
    """A UID that no other event has, and from now on is taken."""
    uid, rank = wanted, 1
    while uid in taken:
        rank += 1
        uid = f"/{rank}@".join(wanted.rsplit("@", 1))
    taken.add(uid)
    return uid


def _told_apart(events: list[EarlierEvent]) -> list[EarlierEvent]:
    taken: set[str] = set()
    return [replace(e, uid=_new_uid(e.uid, taken)) for e in events]


def _cancelled(old: EarlierEvent, released: Released) -> _Entry:
    """The event of a dropped contact; one that was cancelled before stays as it is."""
    again = old.status == "CANCELLED"
    summary, description = old.summary, old.description
    if released.level == "public":
        summary = ("Cancelled: " if again else "") + f"QKD {old.satellite} – {joined(old.ogs, old.ogs_b)}"
        description = _DROPPED
    event = _event(released, old.satellite, (old.ogs, old.ogs_b), old.start, old.end)
    event.add("summary", summary if again else f"Cancelled: {summary}")
    event.add("status", "CANCELLED")
    event.add("transp", "TRANSPARENT")
    event.add("description", description if again else _DROPPED)
    return _Entry(old.uid, old.sequence + (not again), old.satellite, old.ogs, old.ogs_b, old.start, old.end, event)


def _frame(entries: Iterable[_Entry | EarlierEvent]) -> pd.DataFrame:
    rows = [(e.satellite, e.ogs, e.ogs_b, e.start, e.end) for e in entries]
    table = pd.DataFrame(rows, columns=["satellite", "ogs", "ogs_b", "start", "end"])
    return table.assign(start=pd.to_datetime(table["start"], utc=True), end=pd.to_datetime(table["end"], utc=True))


def _calendar(entries: list[_Entry], method: str, released: Released) -> bytes:
    calendar = Calendar()
    calendar.add("prodid", "-//eqci_space//contact plan//EN")
    calendar.add("version", "2.0")
    calendar.add("method", method)
    calendar.add("x-wr-calname", f"{released.name}: QKD contacts")
    organizer = vCalAddress("mailto:contact-plan@eqci-space.invalid")
    organizer.params["CN"] = "contact plan"
    for entry in entries:
        event = Event()
        event.add("uid", entry.uid)
        event.add("sequence", entry.sequence)
        event.add("organizer", organizer)
        for key, value in entry.event.items():
            event[key] = value
        for alarm in entry.event.subcomponents:
            event.add_component(alarm)
        calendar.add_component(event)
    return calendar.to_ical()


def _event(released: Released, satellite: str, ogs: tuple[str, str], start: datetime, end: datetime) -> Event:
    event = Event()
    event.add("dtstamp", released.start.to_pydatetime())
    event.add("dtstart", start)
    event.add("dtend", end)
    event.add(SATELLITE, satellite)
    event.add(OGS, ogs[0])
    if ogs[1]:
        event.add(OGS_B, ogs[1])
    return event


def _entry(contact_id: str, row: pd.Series, released: Released) -> _Entry:
    ogs = row["ogs"], row.get("ogs_b", "")
    start, end = (t.to_pydatetime().astimezone(UTC) for t in whole_seconds(row["start"], row["end"]))
    places = [_place(row, o, released) for o in ogs if o]
    place, unreal = places[0], [p for p in places if p["status_class"] != "operational"]
    note = "".join(f" ({p['status_class']} station)" for p in unreal[:1])
    warning = "".join(f" The station is {p['status_class']}; it does not operate yet." for p in unreal[:1])
    if len(places) > 1:
        names = [f"{o} is {p['status_class']}" for o, p in zip(ogs, places, strict=True)
                 if p in unreal]  # fmt: skip
        note = f" ({'; '.join(names)})" if names else ""
        warning = "".join(f" Station {name}; it does not operate yet." for name in names)
    event = _event(released, row["satellite"], ogs, start, end)
    kind = {"planned": "QKD", "backup": "QKD backup", "cancelled": "Cancelled: QKD"}[row["status"]]
    event.add("summary", f"{kind} {row['satellite']} – {joined(*ogs)}{note}")
    if "latitude_deg" in place:
        event.add("location", " + ".join(_location(p) for p in places))
        event.add("geo", (round(place["latitude_deg"], 6), round(place["longitude_deg"], 6)))
    event.add("status", "CANCELLED" if row["status"] == "cancelled" else "TENTATIVE")
    event.add("transp", "OPAQUE" if row["status"] == "planned" else "TRANSPARENT")
    why = f"; {row['reason']}" if row["reason"] else ""
    event.add("description", (
        f"Clear-sky key {row['skl_bit'] / 1e3:.0f} kbit, chance of a clear sky {100 * row['p_clear']:.0f} %, "
        f"expected {row['expected_skl_bit'] / 1e3:.0f} kbit{why}.{warning}"
    ))  # fmt: skip
    if row["status"] != "cancelled":
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("trigger", -_ALARM_BEFORE)
        alarm.add("description", str(event["summary"]))
        event.add_component(alarm)
    return _Entry(f"{contact_id}@eqci_space", 0, row["satellite"], *ogs, start, end, event)


def _location(place: dict[str, Any]) -> str:
    return place["name"] + (f", {_degrees(place)}" if place["mobile"] else "")


def _place(row: pd.Series, ogs: str, released: Released) -> dict[str, Any]:
    """The row of SITES of a station that holds at a contact's start."""
    places = released.tables["sites"].loc[[ogs]]
    if len(places) > 1:
        holds = places[(places["valid_from"] <= row["start"]) & (row["start"] < places["valid_to"])]
        places = holds if len(holds) else places
    return dict(places.iloc[0])


def _degrees(place: dict[str, Any]) -> str:
    """Position in words, such as ``52.4100° N 16.9200° E``."""
    north, east = place["latitude_deg"], place["longitude_deg"]
    return f"{abs(north):.4f}° {'N' if north >= 0 else 'S'} {abs(east):.4f}° {'E' if east >= 0 else 'W'}"
