"""Maintenance calendars of stations: iCalendar, or CSV with start, end and maybe reason."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from eqci_space.errors import DataError
from eqci_space.files.csv_rows import numbered_rows, sound_text
from eqci_space.files.limits import CALENDAR_OCCURRENCES

__all__ = ["read_maintenance"]

_BEGIN, _END = (re.compile(rf"^{word}:VCALENDAR\s*$", re.MULTILINE | re.IGNORECASE) for word in ("BEGIN", "END"))
_UNTIL = re.compile(r"UNTIL=(?P<day>\d{8})(?P<clock>T\d{6})?(?!\d|Z|T)")
_TOO_OFTEN = re.compile(r"FREQ=(SECONDLY|MINUTELY)", re.IGNORECASE)


def read_maintenance(path: Path, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """Closures of a calendar that touch the period: iCalendar (.ics), or CSV with start, end and maybe reason.

    Repeated events are expanded; cancelled ones are left out. A day without times is a whole UTC day.

    Parameters
    ----------
    path : Path
    start, end : datetime
        Aware; the period of interest.

    Returns
    -------
    list of dict
        `start`, `end` (UTC) and `reason`.

    Raises
    ------
    DataError
        An entry lacks a time, has one without zone, or ends before it starts.
    """
    entries = _ics_entries(path, start, end) if path.suffix.lower() == ".ics" else _csv_entries(path)
    for entry in entries:
        if entry["end"] <= entry["start"]:
            raise DataError(f"{path.name} {entry.pop('where')}: end {entry['end']} is not after start {entry['start']}")
    kept = [e for e in entries if e["end"] > start and e["start"] < end]
    return [{k: e[k] for k in ("start", "end", "reason")} for e in sorted(kept, key=lambda e: (e["start"], e["end"]))]


def _csv_entries(path: Path) -> list[dict[str, Any]]:
    entries = []
    for line, row in numbered_rows(path, required=("start", "end")):
        times = {}
        for column in ("start", "end"):
            try:
                value = datetime.fromisoformat((row[column] or "").strip())
            except ValueError as error:
                raise DataError(f"{path.name} line {line}: {column} '{row[column]}' is no ISO 8601 time") from error
            day = len((row[column] or "").strip()) == len("2027-03-01")
            times[column] = _utc(value.date() if day else value, f"{path.name} line {line}: {column}")
        entries.append({**times, "reason": (row.get("reason") or "").strip(), "where": f"line {line}"})
    return entries


def _utc(value: date | datetime, where: str) -> datetime:
    if not isinstance(value, datetime):
        return datetime.combine(value, time(), tzinfo=UTC)
    if value.tzinfo is None:
        raise DataError(f"{where} {value.isoformat()} has no time zone; write {value.isoformat()}Z for UTC")
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise DataError(f"{where} {value.isoformat()} lies outside the years 1 to 9999 in UTC") from error


def _ics_entries(path: Path, start: datetime, end: datetime) -> list[dict[str, Any]]:
    from icalendar import Calendar

    text = sound_text(path)
    if len(_BEGIN.findall(text)) != len(_END.findall(text)) or not _BEGIN.search(text):
        raise DataError(f"{path.name}: not a valid iCalendar file: its BEGIN and END lines do not match")
    try:
        calendars = Calendar.from_ical(text, multiple=True)
        events = [event for calendar in calendars for event in calendar.walk("VEVENT")]
    except (ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise DataError(f"{path.name}: not a valid iCalendar file: {error}") from error
    numbered = [(f"event {n} '{e.get('SUMMARY', '')}'", e) for n, e in enumerate(events, start=1)]
    moved = set()
    for where, event in numbered:
        if "RECURRENCE-ID" in event:
            instance = _property(event, "RECURRENCE-ID", date, f"{path.name} {where}")
            moved.add((str(event.get("UID")), _utc(instance, f"{path.name} {where}: RECURRENCE-ID")))
    entries = []
    for where, event in numbered:
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        first, length = _first_occurrence(event, f"{path.name} {where}")
        reason = str(event.get("SUMMARY", ""))
        try:
            for begin in _occurrences(event, first, start - length, end, f"{path.name} {where}"):
                if "RECURRENCE-ID" in event or (str(event.get("UID")), begin) not in moved:
                    entries.append({"start": begin, "end": begin + length, "reason": reason, "where": where})
        except OverflowError as error:
            raise DataError(f"{path.name} {where}: its length {length} leads outside the years 1 to 9999") from error
    return entries


def _property(event: Any, key: str, kind: type, where: str) -> Any:
    """Value of a property that may stand once, of a kind (`datetime` is a `date`)."""
    try:
        value = event[key].dt
    except (AttributeError, TypeError) as error:
        raise DataError(f"{where}: {key} stands twice or is none: {error}") from error
    except (ValueError, LookupError, ArithmeticError) as error:
        raise DataError(f"{where}: {key} is not valid: {error}") from error
    if not isinstance(value, kind):
        raise DataError(f"{where}: {key} is a {type(value).__name__}; expected a {kind.__name__}")
    return value


def _first_occurrence(event: Any, where: str) -> tuple[date | datetime, timedelta]:
    """Start and length of an event; RFC 5545 lets a day without end last one day."""
    if "DTSTART" not in event:
        raise DataError(f"{where}: DTSTART is missing")
    first = _property(event, "DTSTART", date, where)
    begin = _utc(first, f"{where}: DTSTART")
    if "DTEND" in event:
        return first, _utc(_property(event, "DTEND", date, where), f"{where}: DTEND") - begin
    if "DURATION" in event:
        return first, _property(event, "DURATION", timedelta, where)
    if isinstance(first, datetime):
        raise DataError(f"{where}: has neither DTEND nor DURATION")
    return first, timedelta(days=1)


def _occurrences(event: Any, first: date | datetime, start: datetime, end: datetime, where: str) -> list[datetime]:
    """Starts in UTC of all occurrences in the period, by the event's own clock (summer time included)."""
    if "RRULE" not in event and "RDATE" not in event:
        return [_utc(first, where)]
    from dateutil.rrule import rrulestr

    origin = first if isinstance(first, datetime) else datetime.combine(first, time(), tzinfo=UTC)
    rules = event.get("RRULE", [])
    lines = [_rule_line(rule, origin, where) for rule in (rules if isinstance(rules, list) else [rules])]
    found: list[datetime] = []
    try:
        repeated = rrulestr("\n".join(lines) or "RRULE:FREQ=DAILY;COUNT=1", dtstart=origin, forceset=True)
        for key, add in (("RDATE", repeated.rdate), ("EXDATE", repeated.exdate)):
            groups = event.get(key, [])
            for group in groups if isinstance(groups, list) else [groups]:
                for item in group.dts:
                    add(_utc(item.dt, f"{where}: {key}").astimezone(origin.tzinfo))
        for t in repeated.xafter(start.astimezone(origin.tzinfo), inc=True):
            if t > end or len(found) > CALENDAR_OCCURRENCES:
                break
            found.append(t)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise DataError(f"{where}: cannot repeat it: {error}") from error
    if len(found) > CALENDAR_OCCURRENCES:
        raise DataError(f"{where}: more than {CALENDAR_OCCURRENCES} occurrences in the period")
    return [_utc(t, where) for t in found]


def _rule_line(rule: Any, origin: datetime, where: str) -> str:
    """An RRULE as dateutil wants it: UNTIL in UTC, a day taken to its end."""
    if not hasattr(rule, "to_ical"):
        raise DataError(f"{where}: RRULE is none")
    line = rule.to_ical().decode()
    if _TOO_OFTEN.search(line):
        raise DataError(f"{where}: repeats every second or minute; expected hours or longer")

    def in_utc(match: re.Match[str]) -> str:
        day, clock = match["day"], match["clock"]
        local = datetime.strptime(day + (clock or "T235959"), "%Y%m%dT%H%M%S").replace(tzinfo=origin.tzinfo)
        return f"UNTIL={local.astimezone(UTC):%Y%m%dT%H%M%SZ}"

    try:
        return "RRULE:" + _UNTIL.sub(in_utc, line)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{where}: UNTIL is no time: {error}") from error
