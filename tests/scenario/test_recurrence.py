"""Rules of repetition against dateutil, which shares no code with them, and their bounds of work."""
# ruff: noqa: DTZ001 -- rules go by the clock of an event, which has no zone

from __future__ import annotations

import time
import warnings
from datetime import datetime, timedelta

import pytest
from dateutil.rrule import rrulestr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eqci_space.scenario.recurrence import UnreadableError, Work, occurrences, parse_rule, require_possible

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
FIRST = datetime(2027, 3, 1)
LAST = FIRST + timedelta(days=61)


def given_by(text, start, first=FIRST, last=LAST, until=None):
    return occurrences(parse_rule(text), start, until, (first, last), Work())


def by_dateutil(text, start, first=FIRST, last=LAST):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            rule = rrulestr(text, dtstart=start)
        except ValueError:  # dateutil refuses grids that no time of day is on
            return []
        return (rule if "COUNT" in text else rule.replace(until=last)).between(first, last, inc=True)


def numbers(low, high, most=4):
    return st.lists(st.integers(low, high).filter(bool), min_size=1, max_size=most, unique=True)


@st.composite
def rules(draw):
    """Rules of dates by every part; those on which RFC 5545 and dateutil differ are left out (stated below)."""
    frequency = draw(st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY"]))
    parts = [f"FREQ={frequency}", f"INTERVAL={draw(st.integers(1, 5))}"]

    def add(key, values, among=True):
        if among and draw(st.booleans()):
            parts.append(f"{key}={','.join(map(str, draw(values)))}")

    dates = frequency in ("YEARLY", "MONTHLY")
    add("BYMONTH", numbers(1, 12), dates)  # dateutil looks for what never occurs until the year 9999, day by day
    add("BYMONTHDAY", numbers(-31, 31, 8), dates)
    ordinal = draw(st.sampled_from(["", "1", "-1", "2"])) if dates else ""  # dateutil intersects MO with 2TU
    add("BYDAY", st.lists(st.sampled_from([ordinal + d for d in DAYS]), min_size=1, max_size=3, unique=True))
    add("BYYEARDAY", numbers(-366, 366, 40), frequency == "YEARLY")
    add("BYWEEKNO", numbers(-53, 53, 8), frequency == "YEARLY" and not ordinal)
    add("BYHOUR", st.lists(st.integers(0, 23), min_size=1, max_size=3, unique=True), frequency != "HOURLY")
    add("BYMINUTE", st.lists(st.integers(0, 59), min_size=1, max_size=3, unique=True))
    add("BYSETPOS", st.sampled_from([(1,), (-1,), (1, -1)]), frequency != "WEEKLY")  # dateutil cuts the first week
    if draw(st.booleans()):
        parts.append(f"WKST={draw(st.sampled_from(DAYS))}")
    if draw(st.booleans()):
        parts.append(f"COUNT={draw(st.integers(1, 40))}")
    return ";".join(parts)


STARTS = st.datetimes(datetime(2024, 1, 1), datetime(2027, 4, 10)).map(lambda t: t.replace(microsecond=0))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=rules(), start=STARTS)
def test_random_rules_give_what_dateutil_gives(text, start):
    if "HOURLY" in text:
        start = start.replace(year=2027, month=2, day=1)
    last = FIRST + timedelta(days=400) if "YEARLY" in text else LAST
    assert given_by(text, start, last=last) == by_dateutil(text, start, last=last)


@pytest.mark.parametrize(
    ("text", "days"),
    [  # by a calendar of 2027: 1 March is a Monday
        ("FREQ=MONTHLY;BYDAY=1MO", [(3, 1), (4, 5)]),
        ("FREQ=MONTHLY;BYDAY=-1SU", [(3, 28), (4, 25)]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", [(3, 31), (4, 30)]),
        ("FREQ=MONTHLY;BYMONTHDAY=31", [(3, 31)]),
        ("FREQ=WEEKLY;INTERVAL=3;BYDAY=TU,TH", [(3, 2), (3, 4), (3, 23), (3, 25), (4, 13), (4, 15)]),
        ("FREQ=YEARLY;BYWEEKNO=10;BYDAY=MO,SU", [(3, 8), (3, 14)]),
        ("FREQ=YEARLY;BYYEARDAY=-276,100", [(3, 31), (4, 10)]),
        ("FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU,2MO", [(3, 8), (3, 28)]),
        ("freq=daily;interval=20", [(3, 1), (3, 21), (4, 10), (4, 30)]),
    ],
)
def test_rules_by_hand(text, days):
    start = FIRST.replace(hour=2)
    assert given_by(text, start) == [datetime(2027, month, day, 2) for month, day in days]


def test_a_week_belongs_to_the_year_that_has_its_thursday():
    # ISO 8601: 1 January is a Thursday in 2026, a Friday in 2027.
    found = given_by(
        "FREQ=YEARLY;BYWEEKNO=1;BYDAY=FR", datetime(2026, 1, 2), datetime(2026, 1, 1), datetime(2027, 3, 1)
    )
    assert found == [datetime(2026, 1, 2), datetime(2027, 1, 8)]


def test_a_count_includes_what_lies_before_the_span_and_an_end_is_kept():
    start = datetime(2027, 2, 26, 5)
    assert given_by("FREQ=DAILY;COUNT=5", start) == [datetime(2027, 3, d, 5) for d in (1, 2)]
    assert given_by("FREQ=DAILY", start, until=datetime(2027, 3, 2, 5)) == [datetime(2027, 3, d, 5) for d in (1, 2)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "FREQ is ''"),
        ("FREQ=SOMETIMES", "FREQ is 'SOMETIMES'; expected one of YEARLY"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL=0: INTERVAL must be at least 1"),
        ("FREQ=DAILY;COUNT=-2", "COUNT=-2: COUNT must be at least 1"),
        ("FREQ=DAILY;INTERVAL=" + "9" * 5000, "INTERVAL must be at least 1"),
        ("FREQ=DAILY;BYMONTH=13", "BYMONTH=13: BYMONTH must be 1 to 12"),
        ("FREQ=DAILY;BYMONTHDAY=0", "BYMONTHDAY must be -31 to -1 or 1 to 31"),
        ("FREQ=MONTHLY;BYDAY=0MO", "BYDAY=0MO; expected days such as MO, 2TU"),
        ("FREQ=MONTHLY;BYDAY=MONDAY", "BYDAY=MONDAY"),
        ("FREQ=DAILY;FREQ=WEEKLY", "'FREQ=WEEKLY' is no part of a rule, or stands twice"),
        ("FREQ=DAILY;BYEASTER=1", "its part BYEASTER is not known"),
        ("FREQ=DAILY;WKST=XX", "WKST is 'XX'"),
        ("RSCALE=CHINESE;FREQ=YEARLY", "RSCALE"),
    ],
)
def test_broken_rules_say_what_is_expected(text, message):
    with pytest.raises(UnreadableError, match=message):
        parse_rule(text)


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=SECONDLY",
        "FREQ=SECONDLY;COUNT=999999999",
        "FREQ=SECONDLY;BYMONTH=3;BYHOUR=3;BYMINUTE=4;BYSECOND=5",
        "FREQ=MINUTELY;BYSECOND=" + ",".join(map(str, range(60))),
        "FREQ=DAILY;BYHOUR=" + ",".join(map(str, range(24))) + ";BYMINUTE=" + ",".join(map(str, range(60))),
    ],
)
def test_rules_of_too_much_work_are_refused_soon(text):
    begun = time.perf_counter()
    with pytest.raises(UnreadableError, match="takes more than 100000 steps"):
        given_by(text, datetime(1999, 1, 1), last=FIRST + timedelta(days=400))
    assert time.perf_counter() - begun < 2


@pytest.mark.parametrize("frequency", ["YEARLY", "MONTHLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"])
@pytest.mark.parametrize("days", ["BYMONTH=2;BYMONTHDAY=30", "BYMONTH=4,6;BYMONTHDAY=31", "BYMONTHDAY=-31;BYMONTH=9"])
def test_days_that_no_year_has_are_found_out(frequency, days):
    text = f"FREQ={frequency};{days}"
    assert given_by(text, datetime(1999, 1, 1)) == []
    with pytest.raises(UnreadableError, match="never occurs"):
        require_possible(parse_rule(text), datetime(1999, 1, 1), Work())


@pytest.mark.parametrize("text", ["FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "FREQ=YEARLY;BYWEEKNO=53", "FREQ=YEARLY"])
def test_rare_days_are_possible(text):
    require_possible(parse_rule(text), datetime(2024, 2, 29), Work())


def test_the_work_of_all_events_of_a_calendar_is_bounded_too():
    work = Work(event=100, total=250)
    for _ in range(2):
        work.begin()
        work.take(100)
    work.begin()
    with pytest.raises(UnreadableError, match="the calendar takes too many steps"):
        work.take(60)
