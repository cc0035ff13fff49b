"""Maintenance calendars of stations: iCalendar, or CSV with start, end and maybe reason."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from eqci_space.errors import DataError, UnreadEventWarning, near_matches
from eqci_space.files.csv_rows import CsvError, numbered_rows, plain_text
from eqci_space.files.limits import CALENDAR_CLOSURES
from eqci_space.scenario.calendar_events import Reader, Unread
from eqci_space.scenario.calendar_lines import Component, parse_calendars, shown_text, single
from eqci_space.scenario.calendar_revisions import Event, calendar_events, standing
from eqci_space.scenario.calendar_times import Zones, clock_in, database_zone
from eqci_space.scenario.recurrence import UnreadableError, Work
from eqci_space.words import short_list

__all__ = ["read_maintenance"]

_NAMED_UNREAD = 20
_PASSED_OVER = ("VTODO", "VJOURNAL")


def read_maintenance(
    path: Path, start: datetime, end: datetime, *, accept: Collection[str] = (), time_zone: str | None = None
) -> list[dict[str, Any]]:
    """Closures of a calendar that touch the period: iCalendar (.ics), or CSV with start, end and maybe reason.

    Of iCalendar (RFC 5545), events and busy times close, repeated ones as often as they occur. Cancelled and replaced
    ones do not, nor those marked free (TRANSP, BUSYSTATUS, FBTYPE) or without length. A day without times is a whole
    day of the calendar's zone (X-WR-TIMEZONE), or else of `time_zone`, or else of UTC.

    An event that may close the station and cannot be read closes it from the earliest time at which it may begin to the
    latest at which it may end, at most for the whole period; a warning names it.

    Parameters
    ----------
    path : Path
    start, end : datetime
        Aware; the period of interest.
    accept : collection of str
        Summaries or UIDs of events that cannot be read and that close nothing.
    time_zone : str, optional
        Zone of times that have none, in a calendar without X-WR-TIMEZONE, such as ``"Europe/Berlin"``.

    Returns
    -------
    list of dict
        `start`, `end` (UTC) and `reason`.

    Raises
    ------
    DataError
        The file is no calendar, an entry of a CSV file lacks a time, has one without zone, or ends before it starts,
        `accept` names no event, or the closures are too many.

    Warns
    -----
    UnreadEventWarning
        An event cannot be read, the file has none, or it has to-dos with times, which close nothing.
    """
    if path.suffix.lower() == ".ics":
        entries = _ics_entries(path, (start.astimezone(UTC), end.astimezone(UTC)), accept, time_zone)
    else:
        entries = _csv_entries(path)
        if accept:
            raise DataError(f"{path.name}: maintenance_accept is for iCalendar files; mend the rows, or take it out")
    kept = [e for e in entries if e["end"] > start and e["start"] < end]
    return [{k: e[k] for k in ("start", "end", "reason")} for e in sorted(kept, key=lambda e: (e["start"], e["end"]))]


def _csv_entries(path: Path) -> list[dict[str, Any]]:
    entries, problems = [], []
    for line, row in numbered_rows(path, required=("start", "end")):
        try:
            start, end = (_utc(row[column], f"{column} ") for column in ("start", "end"))
            if end <= start:
                raise DataError(f"end {end} is not after start {start}; exchange or mend them")
            entries.append({"start": start, "end": end, "reason": row.get("reason", "")})
        except DataError as error:
            problems.append(f"line {line}: {error}")
    if problems:
        raise CsvError(path.name, problems)
    return entries


def _utc(text: str, where: str) -> datetime:
    """A time of a table in UTC; a day is its midnight."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError(f"{where}'{text[:40]}' is no ISO 8601 time; write such as 2027-03-05T20:00:00Z") from error
    if len(text) == len("2027-03-01"):
        return value.replace(tzinfo=UTC)
    if value.tzinfo is None:
        raise DataError(f"{where}{value.isoformat()} has no time zone; write {value.isoformat()}Z for UTC")
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise DataError(f"{where}{value.isoformat()} lies outside the years 1 to 9999 in UTC; mend it") from error


def _ics_entries(
    path: Path, period: tuple[datetime, datetime], accept: Collection[str], time_zone: str | None
) -> list[dict[str, Any]]:
    calendars = parse_calendars(plain_text(path), path.name)
    events = calendar_events(calendars, path.name)
    _warn_of_others(path, calendars, empty=not events)
    known = {name for event in events for name in event.names}
    for name in accept:
        if name not in known:
            hint = near_matches(name, known)
            raise DataError(f"{path.name}: maintenance_accept names '{shown_text(name)}', but no event is so; {hint}")
    work = Work()
    reader = Reader([_zones(calendar, period[1], time_zone, work) for calendar in calendars], period)
    last = standing(events)
    for event in last:
        if "RECURRENCE-ID" in event.component.lines:
            reader.note_move(event)
    entries: list[dict[str, Any]] = []
    unread: list[tuple[Event, Unread]] = []
    for event in last:
        found = reader.closures(event) if event.closes else []
        if not isinstance(found, Unread):
            reason = single(event.component, "SUMMARY") or ("busy" if event.component.kind == "VFREEBUSY" else "")
            entries += [{"start": a, "end": b, "reason": reason} for a, b in found]
        elif found.spans and not {*event.names} & {*accept}:
            unread.append((event, found))
        if len(entries) > CALENDAR_CLOSURES:
            raise DataError(f"{path.name}: more than {CALENDAR_CLOSURES} closures in the period; keep only those used")
    return entries + _closed_unread(path, unread)


def _zones(calendar: Component, last: datetime, time_zone: str | None, work: Work) -> Zones:
    """Zones of a calendar; a time without one takes that of X-WR-TIMEZONE, or else the station's."""
    defined = {single(part, "TZID"): part for part in calendar.parts if part.kind == "VTIMEZONE"}
    remedy = (
        "write TZID=Europe/Berlin (or its own zone) before the time, X-WR-TIMEZONE:Europe/Berlin in the calendar, or "
        'time_zone = "Europe/Berlin" beside maintenance in the scenario'
    )
    zones = Zones(defined, database_zone(time_zone) if time_zone else None, remedy, clock_in(last, UTC), work)
    named = single(calendar, "X-WR-TIMEZONE")
    if named:
        try:
            zones.fallback = zones.named(named)
        except UnreadableError as error:
            zones.remedy = f"X-WR-TIMEZONE: {error}"
    return zones


def _warn_of_others(path: Path, calendars: list[Component], *, empty: bool) -> None:
    """Say that a file closes nothing, or which of its components are passed over although they have times."""
    parts = [part for calendar in calendars for part in calendar.parts]
    others = sorted({shown_text(part.kind, longest=40) for part in parts})
    if empty:
        held = f", but {short_list(others)}" if others else ""
        problem = f"has no event and no busy time{held}, so it closes nothing"
    else:
        timed = [shown_text(p.kind, longest=40) for p in parts if p.kind in _PASSED_OVER and "DTSTART" in p.lines]
        if not timed:
            return
        kinds = short_list(sorted(set(timed)))
        problem = f"{len(timed)} of its entries are {kinds}, which takes no time and closes nothing"
    remedy = "write closed times as events" + (", or drop the file" if empty else "")
    warnings.warn(f"{path.name}: {problem}; {remedy}", UnreadEventWarning, stacklevel=5)


def _closed_unread(path: Path, unread: list[tuple[Event, Unread]]) -> list[dict[str, Any]]:
    """Closures of events that cannot be read, each named in a warning, or in a common one after many."""
    entries: list[dict[str, Any]] = []
    for event, found in unread[:_NAMED_UNREAD]:
        reason = f"cannot be read: {next(iter(event.names), event.where)}"
        entries += [{"start": a, "end": b, "reason": reason} for a, b in found.spans]
        span = f"{found.spans[0][0]:%Y-%m-%d %H:%M} to {found.spans[-1][1]:%Y-%m-%d %H:%M} UTC"
        times = f"from {span}" if len(found.spans) == 1 else f"{len(found.spans)} times from {span}"
        accept = f'maintenance_accept = ["{event.names[0]}"]' if event.names else "a SUMMARY, and accept it by that"
        warnings.warn(
            f"{path.name} {event.where}: {found.problem}; until then it closes the station {times}; mend it, or add "
            f"{accept} to the station to leave it out",
            UnreadEventWarning,
            stacklevel=5,
        )
    rest = unread[_NAMED_UNREAD:]
    if rest:
        spans = [span for _, found in rest for span in found.spans]
        first, last = min(a for a, _ in spans), max(b for _, b in spans)
        entries.append({"start": first, "end": last, "reason": f"{len(rest)} more cannot be read"})
        warnings.warn(
            f"{path.name}: {len(rest)} more events cannot be read; they close it from {first} to {last}; mend them",
            UnreadEventWarning,
            stacklevel=5,
        )
    return entries
