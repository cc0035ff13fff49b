"""Times, lengths and zones of iCalendar text (RFC 5545, 3.3.4 to 3.3.14 and 3.6.5)."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from eqci_space.scenario.calendar_lines import Component, Line, parameter, shown_text
from eqci_space.scenario.recurrence import UnreadableError, Work, occurrences, parse_rule

__all__ = [
    "Length",
    "Stamp",
    "Zones",
    "clock_in",
    "database_zone",
    "instant",
    "parse_length",
    "parse_time",
    "placed_time",
    "plus",
    "until_clock",
]

_TIME = re.compile(r"(?P<day>[0-9]{8})(?:T(?P<clock>[0-9]{6})(?P<utc>Z?))?", re.IGNORECASE)
_LENGTH = re.compile(
    r"(?P<sign>[+-]?)P(?:(?P<weeks>[0-9]{1,9})W)?(?:(?P<days>[0-9]{1,9})D)?"
    r"(?:T(?:(?P<hours>[0-9]{1,9})H)?(?:(?P<minutes>[0-9]{1,9})M)?(?:(?P<seconds>[0-9]{1,9})S)?)?",
    re.IGNORECASE,
)
_OFFSET = re.compile(r"(?P<sign>[+-])(?P<hours>[0-9]{2}):?(?P<minutes>[0-9]{2})(?P<seconds>[0-9]{2})?")
_ZONE_NAME = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,2}")
_FIRST_ONSET = datetime(1900, 1, 1)  # noqa: DTZ001 -- by the clock of a zone


class Stamp(NamedTuple):
    """A time by the clock of its zone; `is_day` for a day without time, which stands for its midnight.

    `problem` says why the zone is not known; the clock then counts as UTC.
    """

    clock: datetime
    zone: tzinfo
    is_day: bool
    problem: str = ""


class Length(NamedTuple):
    """Days by the calendar, and an exact time beside them."""

    days: int
    exact: timedelta


class _OwnZone(tzinfo):
    """A zone that a calendar defines, by the times in UTC at which its offsets begin."""

    def __init__(self, first: timedelta, onsets: Sequence[tuple[datetime, timedelta]]):
        self._offsets = [first, *(offset for _, offset in onsets)]
        self._utc = [at for at, _ in onsets]
        # A skipped time counts by the offset before the gap, a repeated one by its first occurrence (3.3.5).
        self._clock = [at + max(a, b) for at, a, b in zip(self._utc, self._offsets, self._offsets[1:], strict=False)]

    def utcoffset(self, dt: datetime | None) -> timedelta:
        if dt is None:
            return self._offsets[0]
        return self._offsets[bisect_right(self._clock, dt.replace(tzinfo=None))]

    def fromutc(self, dt: datetime) -> datetime:
        return dt + self._offsets[bisect_right(self._utc, dt.replace(tzinfo=None))]

    def dst(self, dt: datetime | None) -> None:
        return None

    def tzname(self, dt: datetime | None) -> str:
        return "defined by the calendar"


@dataclass
class Zones:
    """Zones by name: of the time zone database, of Windows, or as the calendar defines them; and what is without one.

    `fallback` is the zone of times that state none, and `remedy` what to write where there is no such zone.
    """

    defined: dict[str, Component]
    fallback: tzinfo | None
    remedy: str
    last: datetime
    work: Work

    def __post_init__(self) -> None:
        self._known: dict[str, tzinfo | str] = {}

    def named(self, name: str) -> tzinfo:
        """Return the zone of a TZID.

        Raises
        ------
        UnreadableError
            There is none, or the calendar's definition cannot be read.
        """
        if name not in self._known:
            try:
                self._known[name] = self._found(name)
            except UnreadableError as error:
                self._known[name] = str(error)
            except OverflowError:
                self._known[name] = f"the time zone '{shown_text(name, longest=80)}' leads outside the years 1 to 9999"
        found = self._known[name]
        if isinstance(found, str):
            raise UnreadableError(found)
        return found

    def _found(self, name: str) -> tzinfo:
        # What has a place in its name is known better than calendars define it; a short name may mean anything.
        zone = None if name in self.defined and "/" not in name and " " not in name else database_zone(name)
        if zone is not None:
            return zone
        if name in self.defined:
            return self._own(name)
        raise UnreadableError(f"'{shown_text(name, longest=80)}' is no time zone that is known; {self.remedy}")

    def _own(self, name: str) -> tzinfo:
        shown = shown_text(name, longest=80)
        self.work.begin()
        onsets: list[tuple[datetime, timedelta]] = []
        before: list[tuple[datetime, timedelta]] = []
        for part in self.defined[name].parts:
            if part.kind in ("STANDARD", "DAYLIGHT"):
                was, becomes = (_offset(part, f"TZOFFSET{which}") for which in ("FROM", "TO"))
                ats = _onsets(part, was, self.last, self.work)
                before.append((ats[0], was))
                onsets += [(at, becomes) for at in ats]
        if not onsets:
            raise UnreadableError(f"the time zone '{shown}' has no offsets; {self.remedy}")
        return _OwnZone(min(before)[1], sorted(onsets))


def database_zone(name: str) -> tzinfo | None:
    """Return the zone of a name of the time zone database or of Windows, maybe behind the name of its publisher."""
    parts = name.strip().strip('"').strip("/").split("/")[-3:]
    for first in range(len(parts)):
        zone = _zone_of_key("/".join(parts[first:]))
        if zone is not None:
            return zone
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

    return _zone_of_key(WINDOWS_TO_OLSON.get(parts[-1], ""))


def _zone_of_key(key: str) -> tzinfo | None:
    if not _ZONE_NAME.fullmatch(key):
        return None
    try:
        return ZoneInfo(key)
    except (LookupError, ValueError, OSError):
        return None


def _offset(part: Component, name: str) -> timedelta:
    text = part.lines[name][0].value.strip() if name in part.lines else ""
    found = _OFFSET.fullmatch(text)
    if not found or int(found["hours"]) > 23:
        raise UnreadableError(
            f"a time zone's {name} is '{shown_text(text, longest=40)}'; expected an offset such as +0100"
        )
    length = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"]), seconds=int(found["seconds"] or 0))
    return -length if found["sign"] == "-" else length


def _onsets(part: Component, was: timedelta, last: datetime, work: Work) -> list[datetime]:
    """Times in UTC, without zone, at which a part of a zone's year begins."""
    if "DTSTART" not in part.lines:
        raise UnreadableError("a time zone has a part without DTSTART; export the calendar again")
    start = parse_time(part.lines["DTSTART"][0].value).clock
    clocks = {start}
    for line in part.lines.get("RRULE", []):
        rule = parse_rule(line.value)
        until = parse_time(rule.until).clock + was if rule.until else None
        clocks |= set(occurrences(rule, start, until, (_FIRST_ONSET, last), work))
    for line in part.lines.get("RDATE", []):
        clocks |= {parse_time(v).clock for v in line.value.split(",")}
    return sorted(clock - was for clock in clocks)


def parse_time(text: str, zone: tzinfo = UTC) -> Stamp:
    """Read a day or a time; UTC where it ends in Z, else by the clock of `zone`.

    Raises
    ------
    UnreadableError
    """
    found = _TIME.fullmatch(text.strip())
    try:
        if not found:
            raise ValueError("no date")
        digits = found["day"]
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
        clock = found["clock"] or "000000"
        at = time(int(clock[:2]), int(clock[2:4]), min(int(clock[4:]), 59) if clock[4:] == "60" else int(clock[4:]))
    except ValueError as error:
        shown = shown_text(text, longest=40)
        raise UnreadableError(f"'{shown}' is no time; write 20270305, 20270305T200000 or 20270305T200000Z") from error
    return Stamp(datetime.combine(day, at), UTC if found["utc"] else zone, not found["clock"])


def placed_time(line: Line, text: str, zones: Zones, own: tzinfo | None = None) -> Stamp:
    """Read a time of a property in its zone; one without any takes `own`, or else the calendar's; days too."""
    stamp = parse_time(text)
    named = parameter(line, "TZID")
    if text.strip().upper().endswith("Z"):
        return stamp
    if named and not stamp.is_day:
        try:
            return stamp._replace(zone=zones.named(named))
        except UnreadableError as error:
            return stamp._replace(problem=str(error))
    zone = own or zones.fallback
    if zone is None and not stamp.is_day:
        problem = f"{stamp.clock.isoformat()} has no time zone; {zones.remedy}"
        return stamp._replace(problem=problem)
    return stamp._replace(zone=zone or UTC)


def parse_length(text: str) -> Length:
    """Read a duration such as ``PT1H30M`` or ``P1D``.

    Raises
    ------
    UnreadableError
    """
    found = _LENGTH.fullmatch(text.strip())
    if not found or not any(found[key] for key in ("weeks", "days", "hours", "minutes", "seconds")):
        raise UnreadableError(f"'{shown_text(text, longest=40)}' is no duration; write PT2H, PT90M or P1D")
    days = int(found["weeks"] or 0) * 7 + int(found["days"] or 0)
    seconds = int(found["hours"] or 0) * 3600 + int(found["minutes"] or 0) * 60 + int(found["seconds"] or 0)
    sign = -1 if found["sign"] == "-" else 1
    return Length(sign * days, sign * timedelta(seconds=seconds))


def instant(clock: datetime, zone: tzinfo) -> datetime:
    """Return the time in UTC at which the clock of a zone shows `clock` for the first time.

    Raises
    ------
    UnreadableError
        It lies outside the years 1 to 9999.
    """
    if zone is UTC:
        return clock.replace(tzinfo=UTC)
    try:
        return clock.replace(tzinfo=zone).astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise UnreadableError(f"{clock.isoformat()} lies outside the years 1 to 9999 in UTC; mend it") from error


def clock_in(at: datetime, zone: tzinfo) -> datetime:
    """What the clock of a zone shows at an aware time."""
    try:
        return at.astimezone(zone).replace(tzinfo=None)
    except (OverflowError, ValueError) as error:
        raise UnreadableError(f"{at.isoformat()} lies outside the years 1 to 9999; mend it") from error


def plus(clock: datetime, zone: tzinfo, length: Length) -> datetime:
    """Return the time in UTC a length after a time by the clock of a zone: days by the calendar, the rest exactly."""
    try:
        return instant(clock + timedelta(days=length.days) if length.days else clock, zone) + length.exact
    except OverflowError as error:
        raise UnreadableError("its length leads outside the years 1 to 9999; mend its end or DURATION") from error


def until_clock(text: str, start: Stamp) -> datetime:
    """Last time of a repetition by the clock of its start: a day counts to its end, UTC is turned to that clock."""
    try:
        until = parse_time(text, start.zone)
    except UnreadableError as error:
        raise UnreadableError(f"UNTIL {error}") from error
    if until.is_day:
        return datetime.combine(date(until.clock.year, until.clock.month, until.clock.day), time.max)
    clock = clock_in(until.clock.replace(tzinfo=until.zone), start.zone)
    return max(clock, until.clock) if start.is_day else clock  # some write the day itself as midnight in UTC
