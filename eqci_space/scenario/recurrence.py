"""Rules of repetition (RFC 5545, 3.3.10): read, and carried out within bounds by the clock of the event.

Work is counted as days and times are looked at, those that come to nothing included, so that no rule runs for ever.
"""

from __future__ import annotations

import re
from calendar import isleap, monthrange
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache, partial

from eqci_space.files.limits import CALENDAR_EVENT_VISITS, CALENDAR_VISITS

__all__ = ["Rule", "UnreadableError", "Work", "occurrences", "parse_rule", "require_possible"]

_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY")
_PER_DAY = {"HOURLY": 24, "MINUTELY": 1440, "SECONDLY": 86400}
_LISTS = {  # part of the rule: field, lowest, highest, whether it counts from the end too
    "BYMONTH": ("months", 1, 12, False), "BYMONTHDAY": ("month_days", 1, 31, True),
    "BYYEARDAY": ("year_days", 1, 366, True), "BYWEEKNO": ("weeks", 1, 53, True), "BYHOUR": ("hours", 0, 23, False),
    "BYMINUTE": ("minutes", 0, 59, False), "BYSECOND": ("seconds", 0, 60, False),
    "BYSETPOS": ("positions", 1, 366, True),
}  # fmt: skip
_WHOLE = re.compile(r"[+-]?[0-9]{1,9}")
_DAY = re.compile(r"(?P<ordinal>[+-]?[0-9]{1,2})?(?P<day>MO|TU|WE|TH|FR|SA|SU)")


class UnreadableError(ValueError):
    """What an entry of a calendar says cannot be read; the text says what was found, expected and to be done."""


class Work:
    """What is left of the work that one calendar, and one of its events, may take."""

    def __init__(self, event: int = CALENDAR_EVENT_VISITS, total: int = CALENDAR_VISITS):
        self._event, self._left, self._total = event, event, total
        self.possible: dict[Rule, bool] = {}
        """Whether any year has days of a rule, of those looked at."""

    def begin(self) -> None:
        """Start with the next event."""
        self._left = self._event

    def take(self, visits: int) -> None:
        """Count days or times that are looked at.

        Raises
        ------
        UnreadableError
            They are more than one event, or one calendar, may take.
        """
        self._left -= visits
        self._total -= visits
        if self._left < 0:
            raise UnreadableError(f"takes more than {self._event} steps to work out; repeat it less often, or end it")
        if self._total < 0:
            raise UnreadableError("the calendar takes too many steps to work out; keep only the events of this period")


@dataclass(frozen=True)
class Rule:
    """A rule of repetition; empty tuples stand for parts that are not stated.

    `weekdays` are pairs of ordinal (0: every one) and weekday (0: Monday), `until` the text as written.
    """

    frequency: str
    interval: int = 1
    count: int | None = None
    until: str = ""
    months: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    year_days: tuple[int, ...] = ()
    weeks: tuple[int, ...] = ()
    weekdays: tuple[tuple[int, int], ...] = ()
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    seconds: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()
    week_start: int = 0


@lru_cache(maxsize=256)
def parse_rule(text: str) -> Rule:
    """Read a rule such as ``FREQ=WEEKLY;BYDAY=MO,TH``.

    Raises
    ------
    UnreadableError
        A part is unknown, stands twice or is out of range.
    """
    parts: dict[str, str] = {}
    for part in filter(None, text.upper().replace(" ", "").split(";")):
        key, _, value = part.partition("=")
        if not value or key in parts:
            raise UnreadableError(f"'{part[:40]}' is no part of a rule, or stands twice; write FREQ=WEEKLY;INTERVAL=1")
        parts[key] = value
    frequency = parts.pop("FREQ", "")
    if frequency not in _FREQUENCIES:
        raise UnreadableError(f"FREQ is '{frequency[:40]}'; expected one of {', '.join(_FREQUENCIES)}")
    fields: dict[str, tuple[int, ...]] = {}
    for key in [key for key in parts if key in _LISTS]:
        name, low, high, signed = _LISTS[key]
        fields[name] = tuple(sorted({_number(key, v, low, high, signed) for v in parts.pop(key).split(",")}))
    fields["seconds"] = tuple(sorted({min(s, 59) for s in fields.get("seconds", ())}))  # 60: a leap second
    interval = _number("INTERVAL", parts.pop("INTERVAL", "1"), 1, 999_999_999)
    count = _number("COUNT", parts.pop("COUNT"), 1, 999_999_999) if "COUNT" in parts else None
    weekdays = tuple(sorted({_weekday(v) for v in parts.pop("BYDAY").split(",")})) if "BYDAY" in parts else ()
    start = parts.pop("WKST", "MO")
    if start not in _WEEKDAYS:
        raise UnreadableError(f"WKST is '{start[:40]}'; expected one of {', '.join(_WEEKDAYS)}")
    until = parts.pop("UNTIL", "")
    if parts.pop("RSCALE", "GREGORIAN") != "GREGORIAN" or parts.pop("SKIP", "OMIT") != "OMIT" or parts:
        unknown = next(iter(parts), "RSCALE or SKIP")
        raise UnreadableError(f"its part {unknown[:40]} is not known; keep to the parts of RFC 5545, 3.3.10")
    week_start = _WEEKDAYS.index(start)
    return Rule(frequency, interval, count, until, weekdays=weekdays, week_start=week_start, **fields)


def _number(key: str, text: str, low: int, high: int, signed: bool = False) -> int:
    number = int(text) if _WHOLE.fullmatch(text) else None
    if number is None or not low <= (abs(number) if signed else number) <= high:
        least = f"-{high} to -{low} or {low}" if signed else f"{low}"
        limits = f"at least {low}" if high == 999_999_999 else f"{least} to {high}"
        raise UnreadableError(f"{key}={text[:40]}: {key} must be {limits}")
    return number


def _weekday(text: str) -> tuple[int, int]:
    found = _DAY.fullmatch(text)
    ordinal = int(found["ordinal"] or 0) if found else 0
    if not found or abs(ordinal) > 53 or (found["ordinal"] and not ordinal):
        raise UnreadableError(f"BYDAY={text[:40]}; expected days such as MO, 2TU or -1SU")
    return ordinal, _WEEKDAYS.index(found["day"])


def occurrences(
    rule: Rule, start: datetime, until: datetime | None, span: tuple[datetime, datetime], work: Work
) -> list[datetime]:
    """Times that a rule gives within a span, ordered.

    Parameters
    ----------
    rule : Rule
    start : datetime
        First occurrence by the clock of the event, without zone; days by their midnight.
    until : datetime or None
        Last time that counts, by the same clock.
    span : tuple of datetime
        First and last time of interest, by the same clock.
    work : Work

    Raises
    ------
    UnreadableError
        It takes more work than it may.
    """
    rule = _completed(rule, start)
    first, last = max(span[0], start), min(span[1], until or span[1])
    found: list[datetime] = []
    counted = 0
    # Only a count needs what lies before the span.
    for candidates in _periods(rule, start, start if rule.count else first, last, work):
        for at in _chosen(candidates, rule.positions):
            if at < start:
                continue
            counted += 1
            if at > last or counted > (rule.count or counted):
                return found
            if at >= first:
                found.append(at)
    return found


def require_possible(rule: Rule, start: datetime, work: Work) -> None:
    """Refuse a rule of days that no calendar has, such as 30 February; twenty-eight years hold every kind of year.

    Raises
    ------
    UnreadableError
    """
    rule = replace(
        _completed(rule, start), interval=1, count=None, until="", hours=(), minutes=(), seconds=(), positions=()
    )
    if rule not in work.possible:
        months = rule.months or range(1, 13)
        years = range(2001, 2029)
        work.possible[rule] = any(next(_days_of_month(y, m, rule, work), None) for y in years for m in months)
    if not work.possible[rule]:
        raise UnreadableError("never occurs: no year has its days; mend its BYMONTH, BYMONTHDAY or BYDAY")


def _completed(rule: Rule, start: datetime) -> Rule:
    """The rule with what it leaves to the first occurrence."""
    if not (rule.weeks or rule.year_days or rule.month_days or rule.weekdays):
        if rule.frequency == "YEARLY":
            rule = replace(rule, months=rule.months or (start.month,), month_days=(start.day,))
        elif rule.frequency == "MONTHLY":
            rule = replace(rule, month_days=(start.day,))
        elif rule.frequency == "WEEKLY":
            rule = replace(rule, weekdays=((0, start.weekday()),))
    if rule.frequency in ("WEEKLY", *_PER_DAY, "DAILY"):  # no ordinal weekdays there (RFC 5545, 3.3.10)
        rule = replace(rule, weekdays=tuple(sorted({(0, day) for _, day in rule.weekdays})))
    finest = _FREQUENCIES.index(rule.frequency)
    return replace(
        rule,
        hours=rule.hours or (() if finest >= 4 else (start.hour,)),
        minutes=rule.minutes or (() if finest >= 5 else (start.minute,)),
        seconds=rule.seconds or (() if finest >= 6 else (start.second,)),
    )


def _chosen(candidates: list[datetime], positions: tuple[int, ...]) -> list[datetime]:
    if not positions:
        return candidates
    count = len(candidates)
    chosen = {p - 1 if p > 0 else count + p for p in positions}
    return [candidates[i] for i in sorted(chosen) if 0 <= i < count]


def _periods(rule: Rule, start: datetime, first: datetime, last: datetime, work: Work) -> Iterator[list[datetime]]:
    """Times in each year, month, week, day, hour, minute or second of the rule that may touch the span."""
    if rule.frequency in _PER_DAY:
        yield from _clock_periods(rule, start, first, last, work)
        return
    days = {"YEARLY": _years, "MONTHLY": _months, "WEEKLY": _weeks, "DAILY": _single_days}[rule.frequency]
    clock = [time(h, m, s) for h in rule.hours for m in rule.minutes for s in rule.seconds]
    for group in days(rule, start.date(), first.date(), last.date(), work):
        work.take(len(group) * len(clock) + 1)
        yield [datetime.combine(day, at) for day in group for at in clock]


def _years(rule: Rule, start: date, first: date, last: date, work: Work) -> Iterator[list[date]]:
    skipped = -(-max(first.year - start.year, 0) // rule.interval)
    for year in range(start.year + skipped * rule.interval, last.year + 1, rule.interval):
        yield [day for month in rule.months or range(1, 13) for day in _days_of_month(year, month, rule, work)]


def _months(rule: Rule, start: date, first: date, last: date, work: Work) -> Iterator[list[date]]:
    origin, wanted, end = (d.year * 12 + d.month - 1 for d in (start, first, last))
    skipped = -(-max(wanted - origin, 0) // rule.interval)
    for number in range(origin + skipped * rule.interval, end + 1, rule.interval):
        yield list(_days_of_month(number // 12, number % 12 + 1, rule, work))


def _weeks(rule: Rule, start: date, first: date, last: date, work: Work) -> Iterator[list[date]]:
    origin = start.toordinal() - (start.weekday() - rule.week_start) % 7
    skipped = max(first.toordinal() - origin, 0) // (7 * rule.interval)
    for monday in range(origin + skipped * 7 * rule.interval, last.toordinal() + 1, 7 * rule.interval):
        work.take(7)
        week = [date.fromordinal(n) for n in range(max(monday, 1), min(monday + 7, date.max.toordinal() + 1))]
        yield [day for day in week if _passes(day, rule)]


def _single_days(rule: Rule, start: date, first: date, last: date, work: Work) -> Iterator[list[date]]:
    skipped = -(-max((first - start).days, 0) // rule.interval)
    for number in range(start.toordinal() + skipped * rule.interval, last.toordinal() + 1, rule.interval):
        day = date.fromordinal(number)
        work.take(1)
        if _passes(day, rule):
            yield [day]


def _clock_periods(
    rule: Rule, start: datetime, first: datetime, last: datetime, work: Work
) -> Iterator[list[datetime]]:
    """Times in each hour, minute or second on the grid that the interval makes from the first occurrence on."""
    units = _PER_DAY[rule.frequency]
    length = 86400 // units
    origin = (start.hour * 3600 + start.minute * 60 + start.second) // length
    for number in range(first.toordinal(), last.toordinal() + 1):
        work.take(1)
        day = date.fromordinal(number)
        if not _passes(day, rule):
            continue
        passed = (number - start.toordinal()) * units - origin
        midnight = datetime.combine(day, time())
        for unit in range(-passed % rule.interval, units, rule.interval):
            work.take(1)
            hour, minute, second = unit * length // 3600, unit * length // 60 % 60, unit * length % 60
            if rule.hours and hour not in rule.hours:
                continue
            if units > 24 and rule.minutes and minute not in rule.minutes:
                continue
            if units > 1440 and rule.seconds and second not in rule.seconds:
                continue
            minutes = rule.minutes if units == 24 else (minute,)
            seconds = rule.seconds if units < 86400 else (second,)
            work.take(len(minutes) * len(seconds))
            yield [midnight + timedelta(hours=hour, minutes=m, seconds=s) for m in minutes for s in seconds]


def _days_of_month(year: int, month: int, rule: Rule, work: Work) -> Iterator[date]:
    """Days of a month that the rule admits."""
    if rule.months and month not in rule.months:
        work.take(1)
        return
    length = monthrange(year, month)[1]
    stated = sorted({d if d > 0 else length + 1 + d for d in rule.month_days}) if rule.month_days else range(1, 32)
    days = [d for d in stated if 1 <= d <= length]
    work.take(len(days) + 1)
    yield from filter(partial(_passes, rule=rule), (date(year, month, d) for d in days))


def _passes(day: date, rule: Rule) -> bool:
    """Whether a day is one that the rule names."""
    if rule.months and day.month not in rule.months:
        return False
    if rule.weekdays and not _is_weekday(day, rule):
        return False
    if rule.month_days and not {day.day, day.day - monthrange(day.year, day.month)[1] - 1} & set(rule.month_days):
        return False
    if not (rule.year_days or rule.weeks):
        return True
    of_year, year = day.timetuple().tm_yday, 366 if isleap(day.year) else 365
    if rule.year_days and not {of_year, of_year - year - 1} & set(rule.year_days):
        return False
    return not rule.weeks or bool({*_week_numbers(day, rule.week_start)} & set(rule.weeks))


def _is_weekday(day: date, rule: Rule) -> bool:
    weekday = day.weekday()
    ordinals = {n for n, wanted in rule.weekdays if wanted == weekday}
    if not ordinals or 0 in ordinals:
        return bool(ordinals)
    if rule.frequency == "YEARLY" and not rule.months:
        number, count = day.timetuple().tm_yday, 366 if isleap(day.year) else 365
    else:
        number, count = day.day, monthrange(day.year, day.month)[1]
    return bool({(number - 1) // 7 + 1, -((count - number) // 7 + 1)} & ordinals)


def _week_numbers(day: date, week_start: int) -> tuple[int, int]:
    """Number of a day's week in the year that has most of its days, from the start and from the end."""
    try:
        middle = day + timedelta(days=3 - (day.weekday() - week_start) % 7)
    except OverflowError:
        return 1, -1
    number = (middle.timetuple().tm_yday - 1) // 7 + 1
    left = ((366 if isleap(middle.year) else 365) - middle.timetuple().tm_yday) // 7
    return number, -(left + 1)
