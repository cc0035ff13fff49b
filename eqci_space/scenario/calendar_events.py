"""What the events and busy times of an iCalendar file close, and which of them cannot be read (RFC 5545).

One that may close the station and cannot be read closes it for its outer bound: from the earliest time at which it may
begin to the latest at which it may end.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import NamedTuple

from eqci_space.files.limits import CALENDAR_OCCURRENCES
from eqci_space.scenario.calendar_lines import Component, Line, parameter
from eqci_space.scenario.calendar_revisions import Event
from eqci_space.scenario.calendar_times import (
    Length,
    Stamp,
    Zones,
    clock_in,
    instant,
    parse_length,
    placed_time,
    plus,
    until_clock,
)
from eqci_space.scenario.recurrence import Rule, UnreadableError, Work, occurrences, parse_rule, require_possible

__all__ = ["Reader", "Unread"]

_EARLIEST, _LATEST = timedelta(hours=14), timedelta(hours=12)
"""By which a time of unknown zone may be earlier and later than in UTC: zones reach from UTC+14 to UTC-12."""
_SLACK = timedelta(days=2)
_UNTIL = re.compile(r"(?:^|;)\s*UNTIL=([^;]*)", re.IGNORECASE)
Span = tuple[datetime, datetime]


class Unread(NamedTuple):
    """What cannot be read of an event, and the spans that it closes instead."""

    problem: str
    spans: list[Span]


@dataclass
class _Notes:
    """What was read by its outer bound only; `anywhere` if for a time of unknown zone."""

    problems: list[str] = field(default_factory=list)
    anywhere: bool = False


@dataclass
class _Instances:
    """Occurrences that are named: by their time, by their day, or by the midnight of their day."""

    instants: set[datetime] = field(default_factory=set)
    days: set[datetime] = field(default_factory=set)
    midnights: set[datetime] = field(default_factory=set)

    def add(self, stamp: Stamp) -> None:
        at = instant(stamp.clock, stamp.zone)
        (self.days if stamp.is_day else self.instants).add(stamp.clock if stamp.is_day else at)
        if stamp.clock.time() == time():
            self.midnights.add(stamp.clock)

    def name(self, clock: datetime, at: datetime, start: Stamp) -> bool:
        day = datetime.combine(clock.date(), time())
        return at in self.instants or day in self.days or (start.is_day and day in self.midnights)


class _Times(NamedTuple):
    """Start and length of an event, and further dates, each with its own end where it has one."""

    start: Stamp
    length: Length
    further: list[tuple[Stamp, datetime | None]]


class _Later(NamedTuple):
    """A change of all later occurrences: from when, where the named one was, and where it is, if at all."""

    at: datetime
    instance: Stamp
    times: _Times | None


@dataclass
class _Moves:
    named: _Instances = field(default_factory=_Instances)
    later: list[_Later] = field(default_factory=list)


class Reader:
    """Reads the events of a file for a period; `zones` are those of each of its calendars."""

    def __init__(self, zones: Sequence[Zones], period: Span):
        self._zones, self._period = zones, period
        self._moves: dict[str, _Moves] = {}

    def note_move(self, event: Event) -> None:
        """Keep which occurrence, or which later ones, an event with RECURRENCE-ID stands for."""
        line = event.component.lines["RECURRENCE-ID"][0]
        zones, moves = self._zones[event.calendar], self._moves.setdefault(event.uid, _Moves())
        try:
            instance = placed_time(line, line.value, zones)
            moves.named.add(instance)
            if parameter(line, "RANGE").upper() == "THISANDFUTURE":
                times = _times(event.component, zones, _Notes()) if event.closes else None
                moves.later.append(_Later(instant(instance.clock, instance.zone), instance, times))
                moves.later.sort(key=lambda change: change.at)
        except UnreadableError:
            return  # what it stands for stays where it was; the event itself closes for its outer bound

    def closures(self, event: Event) -> list[Span] | Unread:
        """Return the spans within the period that an event closes, or may close where it cannot be read."""
        zones, notes = self._zones[event.calendar], _Notes()
        zones.work.begin()
        try:
            if event.component.kind == "VAVAILABILITY":
                raise UnreadableError("hours of availability are not read; write closed times as events")
            if event.component.kind == "VFREEBUSY":
                spans = _busy_times(event, notes, zones)
            else:
                spans = self._event_times(event, notes, zones)
        except UnreadableError as error:
            return Unread(str(error), self._touching([_outer_bound(event.component, zones, self._period)]))
        if notes.anywhere:
            spans = [(_shifted(a, -_EARLIEST), _shifted(b, _LATEST)) for a, b in spans]
        found = self._touching(spans)
        return Unread(notes.problems[0], found) if notes.problems else found

    def _touching(self, spans: list[Span]) -> list[Span]:
        first, last = self._period
        return sorted({(a, b) for a, b in spans if a < last and b > first and b > a})

    def _event_times(self, event: Event, notes: _Notes, zones: Zones) -> list[Span]:
        component = event.component
        moves = self._moves.get(event.uid, _Moves())
        if component.broken:
            raise UnreadableError(f"'{component.broken[0][:40]}' is no property; write NAME:value")
        if "RECURRENCE-ID" in component.lines:
            moves = _Moves()
            line = component.lines["RECURRENCE-ID"][0]
            _read_time("RECURRENCE-ID", line, line.value, zones, notes)
            if parameter(line, "RANGE").upper() not in ("", "THISANDFUTURE"):
                raise UnreadableError("RANGE of RECURRENCE-ID is not THISANDFUTURE; write that, or leave it out")
        times = _times(component, zones, notes)
        clocks, own_ends = self._clocks(component, times, moves, zones.work)
        start, left_out = times.start, _exceptions(component, times.start, zones, notes)
        found: list[Span] = []
        for clock in clocks:
            at = instant(clock, start.zone)
            if left_out.name(clock, at, start) or moves.named.name(clock, at, start):
                continue
            index = bisect_right(moves.later, at, key=lambda change: change.at) - 1
            if index < 0:
                found.append((at, own_ends.get(clock) or plus(clock, start.zone, times.length)))
            else:
                found += _carried(clock, start, moves.later[index])
        found = self._touching(found)
        if len(found) > CALENDAR_OCCURRENCES:
            raise UnreadableError(f"more than {CALENDAR_OCCURRENCES} occurrences in the period; repeat it less often")
        return found

    def _clocks(
        self, component: Component, times: _Times, moves: _Moves, work: Work
    ) -> tuple[list[datetime], dict[datetime, datetime]]:
        """Starts by the event's own clock (summer time included), and ends of those that have their own."""
        start, length, further = times
        rules = [_rule("RRULE", line, start) for line in component.lines.get("RRULE", [])]
        changes = [(_shift(start, change), change.times) for change in moves.later]
        reach = max([_reach(length), *(abs(by) + _reach(t.length) for by, t in changes if t)]) + _SLACK
        first, last = (clock_in(at, UTC) for at in self._period)
        span = (_shifted(first, -reach), _shifted(last, reach))
        clocks = {start.clock} if not rules or any(u is None or u >= start.clock for _, u in rules) else set()
        for rule, until in rules:
            given = occurrences(rule, start.clock, until, span, work)
            if not given:
                require_possible(rule, start.clock, work)
            clocks |= set(given)
        for line in component.lines.get("EXRULE", []):
            rule, until = _rule("EXRULE", line, start)
            clocks -= set(occurrences(rule, start.clock, until, span, work))
        own_ends: dict[datetime, datetime] = {}
        for stamp, end in further:
            clock = stamp.clock if stamp.is_day else clock_in(instant(stamp.clock, stamp.zone), start.zone)
            clocks.add(clock)
            if end is not None:
                own_ends[clock] = max(end, own_ends.get(clock, end))
        return sorted(clocks), own_ends


def _read_time(name: str, line: Line, text: str, zones: Zones, notes: _Notes, own: tzinfo | None = None) -> Stamp:
    """Read a time; one whose zone is not known is noted, and counts as anywhere."""
    try:
        stamp = placed_time(line, text, zones, own)
        instant(stamp.clock, stamp.zone)
    except UnreadableError as error:
        raise UnreadableError(f"{name} {error}") from error
    if stamp.problem:
        notes.problems.append(f"{name} {stamp.problem}")
        notes.anywhere = True
    return stamp


def _only(component: Component, name: str) -> Line | None:
    lines = component.lines.get(name, [])
    if len(set(lines)) > 1:
        raise UnreadableError(f"{name} stands {len(lines)} times; keep the right one")
    return lines[0] if lines else None


def _own_zone(start: Stamp) -> tzinfo | None:
    """The zone that other times of an event take where they state none: that of its start, where it has one."""
    return None if start.is_day or start.zone is UTC else start.zone


def _times(component: Component, zones: Zones, notes: _Notes) -> _Times:
    line = _only(component, "DTSTART")
    if line is None:
        raise UnreadableError("DTSTART is missing; add it")
    start = _read_time("DTSTART", line, line.value, zones, notes)
    length = _length(component, start, zones, notes)
    if plus(start.clock, start.zone, length) < instant(start.clock, start.zone):
        raise UnreadableError(f"end is not after start {start.clock.isoformat()}; exchange or mend them")
    further = [
        _further(line, text, start, length, zones, notes)
        for line in component.lines.get("RDATE", []) for text in line.value.split(",")
    ]  # fmt: skip
    return _Times(start, length, further)


def _length(component: Component, start: Stamp, zones: Zones, notes: _Notes) -> Length:
    """Length of an event; of DTEND and DURATION the longer. Without both a day lasts one day, a time not at all."""
    lengths = []
    line = _only(component, "DURATION")
    if line is not None:
        try:
            lengths.append(parse_length(line.value))
        except UnreadableError as error:
            raise UnreadableError(f"DURATION {error}") from error
    line = _only(component, "DTEND")
    if line is not None:
        end = _read_time("DTEND", line, line.value, zones, notes, _own_zone(start))
        if start.is_day and end.is_day:
            days = (end.clock - start.clock).days
            lengths.append(Length(days or 1, timedelta()))  # equal days are in wide use for one
        else:
            until = plus(end.clock, end.zone, Length(int(end.is_day), timedelta()))
            lengths.append(Length(0, until - instant(start.clock, start.zone)))
    if not lengths:
        return Length(int(start.is_day), timedelta())
    return max(lengths, key=lambda length: plus(start.clock, start.zone, length))


def _further(
    line: Line, text: str, start: Stamp, length: Length, zones: Zones, notes: _Notes
) -> tuple[Stamp, datetime | None]:
    """A further date: a time, a day, or a period with an end of its own."""
    zones.work.take(1)
    first, slash, last = text.partition("/")
    stamp = _read_time("RDATE", line, first, zones, notes, _own_zone(start))
    if slash:
        return stamp, _period_end("RDATE", line, last, stamp, zones, notes)
    if stamp.is_day and not start.is_day:  # it is open whether all day or at the hour of the event: both
        hour = datetime.combine(stamp.clock.date(), start.clock.time())
        stamp = stamp._replace(zone=start.zone)
        return stamp, max(plus(hour, start.zone, length), plus(stamp.clock, start.zone, Length(1, timedelta())))
    return stamp, None


def _period_end(name: str, line: Line, text: str, start: Stamp, zones: Zones, notes: _Notes) -> datetime:
    if text.lstrip().upper().startswith(("P", "+P", "-P")):
        end = plus(start.clock, start.zone, parse_length(text))
    else:
        stamp = _read_time(name, line, text, zones, notes, _own_zone(start))
        end = instant(stamp.clock, stamp.zone)
    if end < instant(start.clock, start.zone):
        raise UnreadableError(f"{name} has a period that ends before its start {start.clock.isoformat()}; mend it")
    return end


def _exceptions(component: Component, start: Stamp, zones: Zones, notes: _Notes) -> _Instances:
    """Occurrences that EXDATE leaves out; one that cannot be read leaves out nothing, and is noted."""
    left_out = _Instances()
    for line in component.lines.get("EXDATE", []):
        for text in line.value.split(","):
            zones.work.take(1)
            try:
                stamp = placed_time(line, text, zones, _own_zone(start))
                # A clock that is not known will do, where the start goes by the same.
                alike = parameter(line, "TZID") == parameter(component.lines["DTSTART"][0], "TZID")
                by_day = start.is_day and stamp.clock.time() == time()
                if stamp.problem and not by_day and not (start.problem and alike):
                    raise UnreadableError(stamp.problem)
                left_out.add(stamp)
            except UnreadableError as error:
                notes.problems.append(f"EXDATE {error}")
    return left_out


def _rule(name: str, line: Line, start: Stamp) -> tuple[Rule, datetime | None]:
    try:
        rule = parse_rule(line.value)
        return rule, until_clock(rule.until, start) if rule.until else None
    except UnreadableError as error:
        raise UnreadableError(f"cannot repeat it: {name} {error}") from error


def _shift(start: Stamp, change: _Later) -> timedelta:
    """By how much a change of all later occurrences moves them, on the clock of the first."""
    if change.times is None:
        return timedelta()
    was, becomes = change.instance, change.times.start
    if was.is_day and not start.is_day:
        was = start._replace(clock=datetime.combine(was.clock.date(), start.clock.time()))
    at, to = (s.clock if s.is_day else clock_in(instant(s.clock, s.zone), start.zone) for s in (was, becomes))
    return to - at


def _carried(clock: datetime, start: Stamp, change: _Later) -> list[Span]:
    if change.times is None:
        return []
    moved = _shifted(clock, _shift(start, change))
    return [(instant(moved, start.zone), plus(moved, start.zone, change.times.length))]


def _reach(length: Length) -> timedelta:
    return timedelta(days=abs(length.days)) + abs(length.exact)


def _shifted(at: datetime, by: timedelta) -> datetime:
    """A time moved, at most to the first or last there is."""
    try:
        return at + by
    except OverflowError:
        return datetime.max.replace(tzinfo=at.tzinfo) if by > timedelta() else datetime.min.replace(tzinfo=at.tzinfo)


def _busy_times(event: Event, notes: _Notes, zones: Zones) -> list[Span]:
    """Periods of a VFREEBUSY that are not free (RFC 5545, 3.2.9: what is not known counts as busy)."""
    spans = []
    for line in event.component.lines.get("FREEBUSY", []):
        if parameter(line, "FBTYPE").upper() == "FREE":
            continue
        for text in filter(str.strip, line.value.split(",")):
            zones.work.take(1)
            first, slash, last = text.partition("/")
            if not slash:
                raise UnreadableError(f"FREEBUSY '{text[:40]}' is no period; write start/end or start/duration")
            start = _read_time("FREEBUSY", line, first, zones, notes)
            spans.append((instant(start.clock, start.zone), _period_end("FREEBUSY", line, last, start, zones, notes)))
    if event.component.broken:
        raise UnreadableError(f"'{event.component.broken[0][:40]}' is no property; write NAME:value")
    return spans


def _outer_bound(component: Component, zones: Zones, period: Span) -> Span:
    """From the earliest time at which what cannot be read may begin to the latest at which it may end."""
    notes = _Notes()
    moves_all_later = parameter(component.lines.get("RECURRENCE-ID", [Line("", "")])[0], "RANGE")
    if component.broken or moves_all_later:
        return period
    try:
        line = _only(component, "DTSTART")
        if line is None:
            return period
        start = _read_time("DTSTART", line, line.value, zones, notes)
        first, last = _readable_bound(component, start, zones, notes, period)
    except UnreadableError:
        return period
    if notes.anywhere:
        return _shifted(first, -_EARLIEST), _shifted(last, _LATEST)
    return first, last


def _readable_bound(component: Component, start: Stamp, zones: Zones, notes: _Notes, period: Span) -> Span:
    """The bound of an event whose start can be read.

    Raises
    ------
    UnreadableError
        Nothing bounds it: dates before its start cannot be read, or its end is before its start.
    """
    begin = instant(start.clock, start.zone)
    try:
        length = _length(component, start, zones, notes)
        end = plus(start.clock, start.zone, length)
        if component.kind != "VEVENT" and not {"DTEND", "DURATION"} & component.lines.keys():
            end = period[1]
    except UnreadableError:
        if "RDATE" in component.lines:
            raise
        return begin, period[1]
    further = _times(component, zones, notes).further
    begins = [begin, *(instant(s.clock, s.zone) for s, _ in further)]
    ends = [end, *(last or plus(s.clock, s.zone, length) for s, last in further)]
    for line in component.lines.get("RRULE", []):
        until = _UNTIL.search(line.value)
        try:
            ends.append(plus(until_clock(until[1], start), start.zone, length) if until else period[1])
        except UnreadableError:
            ends.append(period[1])
    return min(begins), max(ends)
