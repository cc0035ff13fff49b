"""Calendars as people export them (RFC 5545): what closes a station, what does not, and what cannot be read."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from eqci_space.errors import DataError, ScenarioError, UnreadEventWarning
from eqci_space.scenario import load_scenario
from eqci_space.scenario.calendars_io import read_maintenance

START, END = datetime(2027, 3, 1, 12, tzinfo=UTC), datetime(2027, 4, 8, 12, tzinfo=UTC)
ATTACH = 'attach = { value = "colocated", source = "assumed: parked at the Warsaw node" }\n'
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SOUND = ["UID:sound@x", "DTSTART:20270310T020000Z", "DURATION:PT1H", "SUMMARY:sound"]


def utc(month, day, hour=0, minute=0):
    return datetime(2027, month, day, hour, minute, tzinfo=UTC)


SOUND_SPAN = (utc(3, 10, 2), utc(3, 10, 3))


def block(kind, *lines):
    return [f"BEGIN:{kind}", *lines, f"END:{kind}"]


def text_of(*parts, head=()):
    """A calendar of events, each given by its lines, or of components that begin and end by themselves."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//", *head]
    for part in parts:
        lines += part if part[0].startswith("BEGIN:") else block("VEVENT", "DTSTAMP:20270101T000000Z", *part)
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


@pytest.fixture
def write(tmp_path):
    def put(text, name="calendar.ics"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return put


@pytest.fixture
def closed(write):
    """Start and end of the closures that a calendar makes."""

    def read(*parts, head=(), **options):
        return [
            (f["start"], f["end"]) for f in read_maintenance(write(text_of(*parts, head=head)), START, END, **options)
        ]

    return read


@pytest.fixture
def unread(write):
    """Closures and warnings of a calendar with events that cannot be read, a sound one before them."""

    def read(*parts, head=(), **options):
        path = write(text_of(SOUND, *parts, head=head))
        with pytest.warns(UnreadEventWarning) as caught:
            found = [(f["start"], f["end"]) for f in read_maintenance(path, START, END, **options)]
        assert SOUND_SPAN in found
        found.remove(SOUND_SPAN)
        return found, [str(w.message) for w in caught]

    return read


# ---------------------------------------------------------------- what closes nothing


@pytest.mark.parametrize(
    "event",
    [
        ["DTSTART:20190704T080000Z", "SUMMARY:call the electrician"],  # no DTEND: over at once (3.6.1)
        ["DTSTART:20270305T020000Z", "RRULE:FREQ=DAILY"],
        ["DTSTART:20270305T020000Z", "DTEND:20270305T020000Z"],
        ["DTSTART:20270305T020000Z", "DURATION:PT0S"],
        ["DTSTART;VALUE=DATE:20270305", "TRANSP:TRANSPARENT", "SUMMARY:new moon"],
        ["DTSTART;VALUE=DATE:20270305", "X-MICROSOFT-CDO-BUSYSTATUS:FREE"],
        ["DTSTART;VALUE=DATE:20270305", "TRANSP:transparent", "X-MICROSOFT-CDO-BUSYSTATUS:free"],
        ["DTSTART:2027-03-05", "DURATION:PT2H", "TRANSP:TRANSPARENT"],  # not readable, and free
        ["DTSTART:20270305T020000Z", "DTEND:yesterday", "STATUS:CANCELLED"],
        ["DTSTART:20270305T020000", "DURATION:PT2H", "RRULE:FREQ=NEVER", "STATUS:CANCELLED"],
        ["DTSTART:20190305T020000", "DURATION:PT2H"],  # no zone, and years ago in any
        ["DTSTART:20190305T020000Z", "DURATION:PT2H", "RRULE:FREQ=DAILY;UNTIL=20190401;BYFUN=1"],
    ],
)
def test_what_plainly_closes_nothing_is_passed_over(closed, event):
    assert closed(SOUND, event) == [SOUND_SPAN]


@pytest.mark.parametrize(
    "event",
    [
        ["DTSTART;VALUE=DATE:20270305", "TRANSP:OPAQUE"],
        ["DTSTART;VALUE=DATE:20270305", "X-MICROSOFT-CDO-BUSYSTATUS:OOF"],
        ["DTSTART;VALUE=DATE:20270305", "TRANSP:TRANSPARENT", "X-MICROSOFT-CDO-BUSYSTATUS:BUSY"],  # they disagree
        ["DTSTART;VALUE=DATE:20270305", "DTEND;VALUE=DATE:20270305"],  # equal days: one day
        ["DTSTART:20270305", "DTEND:20270306"],
        ["DTSTART;VALUE=DATE:20270305", "DURATION:P1D"],
        ["DTSTART;VALUE=DATE:20270305", "STATUS:TENTATIVE"],
    ],
)
def test_days_that_close(closed, event):
    assert closed(event) == [(utc(3, 5), utc(3, 6))]


def test_of_end_and_duration_the_longer_holds(closed):
    event = ["DTSTART:20270305T020000Z", "DTEND:20270305T030000Z", "DURATION:PT3H"]
    assert closed(event) == [(utc(3, 5, 2), utc(3, 5, 5))]


def test_a_day_of_duration_is_a_day_of_the_clock(closed):
    # RFC 5545, 3.3.6: summer time begins on 28 March at 01:00 UTC, so the day has 23 hours.
    event = ["DTSTART;TZID=Europe/Berlin:20270327T220000", "DURATION:P1D"]
    assert closed(event) == [(utc(3, 27, 21), utc(3, 28, 20))]


# ---------------------------------------------------------------- busy times


def test_busy_times_close_and_free_ones_do_not(write):
    busy = block(
        "VFREEBUSY", "UID:f@x", "DTSTART:20270301T000000Z", "DTEND:20270401T000000Z",
        "FREEBUSY;FBTYPE=BUSY:20270304T190000Z/20270304T213000Z,20270306T010000Z/PT45M",
        "FREEBUSY;FBTYPE=FREE:20270307T000000Z/P1D", "FREEBUSY:20270308T000000Z/PT1H",
        "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20270309T000000Z/PT1H", "FREEBUSY;FBTYPE=X-OWN:20270310T000000Z/PT1H",
    )  # fmt: skip
    found = read_maintenance(write(text_of(busy)), START, END)
    assert [(f["start"], f["end"]) for f in found] == [
        (utc(3, 4, 19), utc(3, 4, 21, 30)),
        (utc(3, 6, 1), utc(3, 6, 1, 45)),
        *((utc(3, d), utc(3, d, 1)) for d in (8, 9, 10)),
    ]
    assert {f["reason"] for f in found} == {"busy"}


def test_a_busy_time_that_cannot_be_read_closes_the_range_of_its_component(unread):
    busy = block(
        "VFREEBUSY", "UID:f@x", "DTSTART:20270312T000000Z", "DTEND:20270315T000000Z", "FREEBUSY:20270313T000000Z",
    )  # fmt: skip
    found, messages = unread(busy)
    assert found == [(utc(3, 12), utc(3, 15))]
    assert "free/busy 1 'f@x': FREEBUSY '20270313T000000Z' is no period; write start/end" in messages[0]


def test_hours_of_availability_close_their_range(unread):
    found, _ = unread(block("VAVAILABILITY", "UID:a", "DTSTART:20270320T000000Z", "DTEND:20270322T000000Z"))
    assert found == [(utc(3, 20), utc(3, 22))]


@pytest.mark.parametrize("parts", [[], [block("VTODO", "UID:t", "DTSTART:20270305T020000Z", "DURATION:PT2H")]])
def test_a_calendar_without_events_is_warned_of(write, parts):
    with pytest.warns(UnreadEventWarning, match=r"calendar\.ics: has no event and no busy time"):
        assert read_maintenance(write(text_of(*parts)), START, END) == []


def test_to_dos_with_times_beside_events_are_passed_over_with_a_warning(write):
    to_do = block("VTODO", "UID:t", "DTSTART:20270305T020000Z", "DURATION:PT2H")
    entry = block("VJOURNAL", "UID:j", "SUMMARY:no time")
    with pytest.warns(UnreadEventWarning, match=r"ics: 1 of its entries are VTODO, which takes no time and closes"):
        found = read_maintenance(write(text_of(SOUND, to_do, entry)), START, END)
    assert [(f["start"], f["end"]) for f in found] == [SOUND_SPAN]
    assert len(read_maintenance(write(text_of(SOUND, entry)), START, END)) == 1


# ---------------------------------------------------------------- revisions


def series(*more, uid="s@x", start="20270304T200000Z"):
    return [f"UID:{uid}", f"DTSTART:{start}", "DURATION:PT2H", "RRULE:FREQ=WEEKLY;COUNT=5", *more]


THURSDAYS = [(utc(m, d, 20), utc(m, d, 22)) for m, d in ((3, 4), (3, 11), (3, 18), (3, 25), (4, 1))]


@pytest.mark.parametrize("turn", [1, -1])
def test_the_highest_sequence_of_an_event_stands(closed, turn):
    old = ["UID:e@x", "SEQUENCE:2", "DTSTART:20270305T020000Z", "DURATION:PT1H"]
    new = ["UID:e@x", "SEQUENCE:10", "DTSTART:20270306T020000Z", "DURATION:PT1H"]
    other = ["UID:o@x", "DTSTART:20270307T020000Z", "DURATION:PT1H"]
    expected = [(utc(3, d, 2), utc(3, d, 3)) for d in (6, 7)]
    assert closed(*[old, new, other][::turn]) == expected
    assert closed(*[old, [*new, "STATUS:CANCELLED"], other][::turn]) == expected[1:]
    assert closed([*old, "STATUS:CANCELLED"], new, other) == expected  # taken up again


def test_the_highest_sequence_of_an_occurrence_stands(closed):
    moves = [
        ["UID:s@x", "RECURRENCE-ID:20270311T200000Z", f"SEQUENCE:{n}", f"DTSTART:202703{d}T200000Z", "DURATION:PT1H"]
        for n, d in ((1, 12), (3, 14), (2, 13))
    ]
    found = closed(series(), *moves)
    assert (utc(3, 14, 20), utc(3, 14, 21)) in found
    assert len(found) == 5
    assert THURSDAYS[1] not in found


def test_a_withdrawn_event_and_a_withdrawn_occurrence_do_not_close(write):
    def spans(*cancelled):
        text = text_of(series(), SOUND) + text_of(*cancelled, head=["METHOD:CANCEL"])
        return [(f["start"], f["end"]) for f in read_maintenance(write(text), START, END)]

    assert spans(["UID:s@x"]) == [SOUND_SPAN]
    assert spans(["UID:s@x", "RECURRENCE-ID:20270311T200000Z"]) == sorted([SOUND_SPAN, THURSDAYS[0], *THURSDAYS[2:]])
    assert spans(["UID:none@x"]) == sorted([SOUND_SPAN, *THURSDAYS])


def test_with_a_cancelled_series_its_moved_occurrences_go(closed):
    moved = ["UID:s@x", "RECURRENCE-ID:20270311T200000Z", "DTSTART:20270312T200000Z", "DURATION:PT1H"]
    assert closed(series("STATUS:CANCELLED"), moved) == []
    assert closed(series("STATUS:CANCELLED"), [*moved, "SEQUENCE:1"]) == [(utc(3, 12, 20), utc(3, 12, 21))]


# ---------------------------------------------------------------- moved from one occurrence on


def later(instance, start, *more):
    return ["UID:s@x", f"RECURRENCE-ID;RANGE=THISANDFUTURE:{instance}", f"DTSTART:{start}", *more]


def test_all_later_occurrences_move_and_take_the_new_length(closed):
    change = later("20270318T200000Z", "20270317T233000Z", "DURATION:PT30M")
    expected = [(a - 20.5 * HOUR, a - 20 * HOUR) for a, _ in THURSDAYS[2:]]
    assert closed(series(), change) == [*THURSDAYS[:2], *expected]
    assert closed(change, series()) == [*THURSDAYS[:2], *expected]


def test_a_second_change_and_a_single_move_hold_from_their_own_times_on(closed):
    first = later("20270311T200000Z", "20270311T210000Z", "DURATION:PT1H")
    second = later("20270325T200000Z", "20270326T200000Z", "DURATION:PT2H")
    single = ["UID:s@x", "RECURRENCE-ID:20270318T200000Z", "DTSTART:20270318T100000Z", "DURATION:PT1H"]
    assert closed(series(), second, first, single) == [
        THURSDAYS[0], (utc(3, 11, 21), utc(3, 11, 22)), (utc(3, 18, 10), utc(3, 18, 11)),
        *((a + DAY, b + DAY) for a, b in THURSDAYS[3:]),
    ]  # fmt: skip


@pytest.mark.parametrize("word", ["STATUS:CANCELLED", "TRANSP:TRANSPARENT"])
def test_all_later_occurrences_end_with_a_change_that_closes_nothing(closed, word):
    assert closed(series(), later("20270318T200000Z", "20270318T200000Z", word)) == THURSDAYS[:2]


def test_a_move_keeps_to_the_clock_of_the_series_over_summer_time(closed):
    berlin = [
        "UID:s@x", "DTSTART;TZID=Europe/Berlin:20270320T200000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=3",
    ]  # fmt: skip
    change = [
        "UID:s@x", "RECURRENCE-ID;TZID=Europe/Berlin;RANGE=THISANDFUTURE:20270320T200000",
        "DTSTART;TZID=Europe/Berlin:20270321T210000", "DURATION:PT1H",
    ]  # fmt: skip
    starts = [utc(3, 21, 20), utc(3, 28, 19), utc(4, 4, 19)]  # 21:00 on Sundays; UTC+2 from 28 March on
    assert closed(berlin, change) == [(s, s + HOUR) for s in starts]


def test_occurrences_moved_into_the_period_are_found(closed):
    old = ["UID:s@x", "DTSTART:20270120T200000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=3"]
    change = later("20270121T200000Z", "20270310T200000Z", "DURATION:PT1H")
    assert closed(old, change) == [(utc(3, d, 20), utc(3, d, 21)) for d in (10, 11)]


# ---------------------------------------------------------------- exceptions and further dates


@pytest.mark.parametrize(
    "line",
    [
        "EXDATE;VALUE=DATE:20270311", "EXDATE:20270311", "EXRULE:FREQ=WEEKLY;INTERVAL=7;BYDAY=TH;UNTIL=20270304",
        "EXDATE;TZID=Europe/Warsaw:20270311T210000",
    ],
)  # fmt: skip
def test_exceptions_by_day_and_by_rule(closed, line):
    left_out = THURSDAYS[0] if line.startswith("EXRULE") else THURSDAYS[1]
    assert closed(series(line)) == [span for span in THURSDAYS if span != left_out]


def test_a_rule_of_exceptions_takes_every_second_one(closed):
    assert closed(series("EXRULE:FREQ=WEEKLY;INTERVAL=2")) == [THURSDAYS[1], THURSDAYS[3]]


@pytest.mark.parametrize("line", ["EXDATE:20270306T000000Z", "EXDATE;VALUE=DATE:20270306", "EXDATE:20270306T000000"])
def test_a_day_is_left_out_by_its_midnight_too(closed, line):
    event = ["DTSTART;VALUE=DATE:20270305", "RRULE:FREQ=DAILY;COUNT=3", line]
    assert closed(event) == [(utc(3, d), utc(3, d) + DAY) for d in (5, 7)]


def test_an_exception_without_zone_goes_by_the_clock_of_its_event(closed):
    event = [
        "DTSTART;TZID=Europe/Berlin:20270305T020000", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=3",
        "EXDATE:20270306T020000",
    ]  # fmt: skip
    assert [a for a, _ in closed(event)] == [utc(3, 5, 1), utc(3, 7, 1)]


def test_further_dates_as_periods_have_their_own_length(closed):
    event = ["DTSTART:20270305T020000Z", "DURATION:PT2H",
             "RDATE;VALUE=PERIOD:20270306T020000Z/PT30M,20270307T020000Z/20270307T060000Z"]  # fmt: skip
    assert closed(event) == [
        (utc(3, 5, 2), utc(3, 5, 4)), (utc(3, 6, 2), utc(3, 6, 2, 30)), (utc(3, 7, 2), utc(3, 7, 6)),
    ]  # fmt: skip


def test_a_further_day_of_an_event_with_hours_closes_day_and_hours(closed):
    event = ["DTSTART:20270305T230000Z", "DURATION:PT2H", "RDATE;VALUE=DATE:20270309"]
    assert closed(event) == [(utc(3, 5, 23), utc(3, 6, 1)), (utc(3, 9), utc(3, 10, 1))]


def test_the_first_occurrence_closes_even_beside_its_rule(closed):
    # RFC 5545, 3.8.5.3: DTSTART is the first instance; 5 March 2027 is a Friday.
    event = ["DTSTART:20270305T020000Z", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;BYDAY=MO;UNTIL=20270309T000000Z"]
    assert [a for a, _ in closed(event)] == [utc(3, 5, 2), utc(3, 8, 2)]


# ---------------------------------------------------------------- UNTIL against DTSTART, in every form


@pytest.mark.parametrize(
    ("start", "until", "last"),
    [  # the occurrence at the limit is the last one that counts
        ("DTSTART:20270305T230000Z", "20270307T230000Z", utc(3, 7, 23)),
        ("DTSTART:20270305T230000Z", "20270307T225959Z", utc(3, 6, 23)),
        ("DTSTART:20270305T230000Z", "20270307T230000", utc(3, 7, 23)),
        ("DTSTART:20270305T230000Z", "20270307", utc(3, 7, 23)),
        ("DTSTART;TZID=Europe/Berlin:20270305T003000", "20270306T233000Z", utc(3, 6, 23, 30)),
        ("DTSTART;TZID=Europe/Berlin:20270305T003000", "20270306T232959Z", utc(3, 5, 23, 30)),
        ("DTSTART;TZID=Europe/Berlin:20270305T003000", "20270307T003000", utc(3, 6, 23, 30)),
        ("DTSTART;TZID=Europe/Berlin:20270305T003000", "20270307", utc(3, 6, 23, 30)),
        ("DTSTART;TZID=America/New_York:20270305T220000", "20270307", utc(3, 8, 3)),
        ("DTSTART;VALUE=DATE:20270305", "20270307", utc(3, 7)),
        ("DTSTART;VALUE=DATE:20270305", "20270307T000000Z", utc(3, 7)),
        ("DTSTART;VALUE=DATE:20270305", "20270307T120000", utc(3, 7)),
    ],
)
def test_a_repetition_ends_with_its_last_time(closed, start, until, last):
    length = "P1D" if "VALUE=DATE" in start else "PT1H"
    assert closed([start, f"DURATION:{length}", f"RRULE:FREQ=DAILY;UNTIL={until}"])[-1][0] == last


def test_a_repetition_that_ends_before_it_begins_closes_nothing(closed):
    assert closed(["DTSTART:20270305T230000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;UNTIL=20270301T000000Z"]) == []


# ---------------------------------------------------------------- zones

FLOATING = ["UID:f@x", "DTSTART:20270320T220000", "DTEND:20270321T010000", "SUMMARY:local"]


@pytest.mark.parametrize(
    ("head", "options"),
    [
        (["X-WR-TIMEZONE:Europe/Berlin"], {}),
        (["X-WR-TIMEZONE:Europe/Berlin"], {"time_zone": "Asia/Tokyo"}),
        ([], {"time_zone": "Europe/Berlin"}),
        (["X-WR-TIMEZONE:W. Europe Standard Time"], {}),
    ],
)
def test_times_without_zone_are_those_of_the_calendar_or_the_station(closed, head, options):
    assert closed(FLOATING, head=head, **options) == [(utc(3, 20, 21), utc(3, 21))]


def test_days_are_those_of_a_zone_that_is_stated(closed):
    day = ["DTSTART;VALUE=DATE:20270320"]
    assert closed(day, head=["X-WR-TIMEZONE:Europe/Berlin"]) == [(utc(3, 19, 23), utc(3, 20, 23))]
    assert closed(["DTSTART;VALUE=DATE:20270328"], time_zone="Europe/Berlin") == [(utc(3, 27, 23), utc(3, 28, 22))]
    assert closed(day) == [(utc(3, 20), utc(3, 21))]


def test_a_time_without_any_zone_closes_for_every_zone_and_says_what_to_write(unread):
    # From UTC+14 to UTC-12.
    found, messages = unread(FLOATING)
    assert found == [(utc(3, 20, 8), utc(3, 21, 13))]
    assert "calendar.ics event 2 'local': DTSTART 2027-03-20T22:00:00 has no time zone; write " in messages[0]
    assert "X-WR-TIMEZONE:Europe/Berlin" in messages[0]
    assert 'time_zone = "Europe/Berlin"' in messages[0]
    assert 'maintenance_accept = ["local"]' in messages[0]


def test_repeated_times_without_zone_keep_their_exceptions(unread):
    event = ["DTSTART:20270320T220000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=3", "EXDATE:20270327T220000"]
    found, _ = unread(event)
    assert found == [(utc(m, d, 8), utc(m, d + 1, 11)) for m, d in ((3, 20), (4, 3))]


def test_a_zone_that_is_not_known_closes_for_every_zone(unread):
    found, messages = unread(["DTSTART;TZID=No/Where:20270320T220000", "DURATION:PT1H"])
    assert found == [(utc(3, 20, 8), utc(3, 21, 11))]
    assert "'No/Where' is no time zone that is known" in messages[0]


def zone(name, *, rule="FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU"):
    """A zone with the rules of central Europe, as calendars define them."""
    winter = block(
        "STANDARD", "DTSTART:16011028T030000", "TZOFFSETFROM:+0200", "TZOFFSETTO:+0100",
        "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU",
    )  # fmt: skip
    summer = block("DAYLIGHT", "DTSTART:16010325T020000", "TZOFFSETFROM:+0100", "TZOFFSETTO:+0200", f"RRULE:{rule}")
    return block("VTIMEZONE", f"TZID:{name}", *winter, *summer)


@pytest.mark.parametrize(
    "name", ["Our observatory", "Local", "/freeassociation.sourceforge.net/Europe/Berlin", "W. Europe Standard Time"]
)
def test_zones_that_a_calendar_defines_are_those_of_the_database(closed, name):
    def starts(tzid):
        event = [f"DTSTART;TZID={tzid}:20270321T023000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=3"]
        return closed(zone(name), event)

    assert starts(f'"{name}"') == starts("Europe/Berlin")


def test_a_zone_defined_without_end_of_work_is_one_that_is_not_known(unread):
    begun = time.perf_counter()
    found, messages = unread(
        zone("Endless", rule="FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=28"),
        ["DTSTART;TZID=Endless:20270320T220000", "DURATION:PT1H"],
    )
    assert time.perf_counter() - begun < 2
    assert found == [(utc(3, 20, 8), utc(3, 21, 11))]
    assert "takes more than" in messages[0]


# ---------------------------------------------------------------- what cannot be read closes

SAID = "DTSTART:20270320T020000Z"
FROM_START = [(utc(3, 20, 2), END)]
WHOLE = [(START, END)]


@pytest.mark.parametrize(
    ("event", "expected", "message"),
    [
        (["DURATION:PT2H"], WHOLE, "DTSTART is missing; add it"),
        (["DTSTART:2027-03-20", "DURATION:PT2H"], WHOLE, "DTSTART '2027-03-20' is no time; write 20270305"),
        ([SAID, "DTSTART:20270306T020000Z", "DURATION:PT2H"], WHOLE, "DTSTART stands 2 times; keep the right one"),
        ([SAID, "DTEND:20270320T010000Z"], WHOLE, "end is not after start 2027-03-20T02:00:00"),
        ([SAID, "DTEND:someday"], FROM_START, "DTEND 'someday' is no time"),
        ([SAID, "DURATION:2 hours"], FROM_START, "DURATION '2 hours' is no duration; write PT2H"),
        ([SAID, "DURATION:PT2H", "DURATION:PT3H"], FROM_START, "DURATION stands 2 times"),
        ([SAID, "DURATION:P9999999D"], FROM_START, "its length leads outside the years 1 to 9999"),
        ([SAID, "DURATION:PT2H", "RRULE:nonsense"], FROM_START, "cannot repeat it: RRULE 'NONSENSE' is no part"),
        ([SAID, "DURATION:PT2H", "RRULE:FREQ=DAILY;INTERVAL=0"], FROM_START, "INTERVAL must be at least 1"),
        ([SAID, "DURATION:PT2H", "RRULE:FREQ=DAILY;UNTIL=201231"], FROM_START, "RRULE UNTIL '201231' is no time"),
        ([SAID, "DURATION:PT2H", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"], FROM_START, "never occurs"),
        ([SAID, "DURATION:PT1S", "RRULE:FREQ=SECONDLY"], FROM_START, "takes more than 100000 steps"),
        (
            [SAID, "DURATION:PT2H", "RRULE:FREQ=DAILY;BYFUN=1;UNTIL=20270322T020000Z"],
            [(utc(3, 20, 2), utc(3, 22, 4))],
            "BYFUN",
        ),
        ([SAID, "DURATION:PT2H", "RDATE:soon"], WHOLE, "RDATE 'soon' is no time"),
        ([SAID, "DURATION:PT2H", "RECURRENCE-ID:never"], [(utc(3, 20, 2), utc(3, 20, 4))], "RECURRENCE-ID 'never'"),
        ([SAID, "DURATION:PT2H", "RECURRENCE-ID;RANGE=THISANDPRIOR:20270320T020000Z"], WHOLE, "RANGE"),
        ([SAID, "DURATION:PT2H", "RRULE FREQ=DAILY"], WHOLE, "'RRULE FREQ=DAILY' is no property; write NAME:value"),
        (["DTSTART;TZID=Europe/Berlin:00010101T000000", "DURATION:PT2H"], WHOLE, "outside the years 1 to 9999"),
        ([SAID, "DURATION:PT2H", "EXDATE:sometimes"], [(utc(3, 20, 2), utc(3, 20, 4))], "EXDATE 'sometimes'"),
    ],
)
def test_what_cannot_be_read_closes_for_its_outer_bound_and_is_named(unread, event, expected, message):
    found, messages = unread([*event, "UID:c@x", "SUMMARY:coating"])
    assert found == expected
    assert len(messages) == 1
    assert messages[0].startswith("calendar.ics event 2 'coating': ")
    assert message in messages[0]
    assert "closes the station" in messages[0]


@pytest.mark.parametrize("name", ["coating", "c@x"])
def test_what_is_accepted_by_name_closes_nothing(closed, name):
    event = ["UID:c@x", "SUMMARY:coating", SAID, "DTEND:someday"]
    assert closed(SOUND, event, accept=[name]) == [SOUND_SPAN]
    assert closed(SOUND, accept=["sound"]) == [SOUND_SPAN]  # what is read is not left out


def test_a_name_that_no_event_has_is_refused(write):
    with pytest.raises(DataError, match="maintenance_accept names 'soud', but no event is so; did you mean 'sound'"):
        read_maintenance(write(text_of(SOUND)), START, END, accept=["soud"])


def test_many_events_that_cannot_be_read_are_named_in_part(unread):
    found, messages = unread(*([SAID, "DTEND:someday", f"SUMMARY:n{n}"] for n in range(50)))
    assert set(found) == set(FROM_START)
    assert len(messages) == 21
    assert "30 more events cannot be read" in messages[-1]


# ---------------------------------------------------------------- text


def test_marks_in_text_that_is_not_shown_do_not_matter(closed):
    event = [
        *SOUND,
        "DESCRIPTION:call \u202a+48 600 000 000\u202c\x07",
        "LOCATION:\u2066dome\u2069\x0b",
        "X-NOTE:a\u2028b",
    ]
    assert closed(event) == [SOUND_SPAN]


def test_marks_in_text_that_is_shown_are_replaced(write):
    (found,) = read_maintenance(write(text_of([*SOUND[:3], "SUMMARY:mirror\u202e \x1b[2J" + "x" * 9000])), START, END)
    assert found["reason"].startswith("mirror\ufffd \ufffd[2J")
    assert len(found["reason"]) == 200


def test_lines_are_folded_anywhere_and_end_in_any_way(closed, write):
    text = text_of(SOUND).replace("DTSTART:2027", "DTST\r\n ART:20\r\n\t27")
    for ending in ("\r\n", "\n", "\r"):
        found = read_maintenance(write(text.replace("\r\n", ending)), START, END)
        assert [(f["start"], f["end"]) for f in found] == [SOUND_SPAN]


def test_the_rest_of_a_text_that_was_not_folded_is_no_fault(closed):
    assert closed([*SOUND, "DESCRIPTION:to do:", "bring the ladder", "", "and lamps"]) == [SOUND_SPAN]


# ---------------------------------------------------------------- through the scenario


def test_a_scenario_accepts_events_by_name_and_states_the_zone(edited, write):
    write(text_of([*FLOATING], ["UID:c@x", "SUMMARY:coating", SAID, "DTEND:someday"]), "works.ics")
    keys = 'maintenance = "works.ics"\ntime_zone = "Europe/Berlin"\nmaintenance_accept = ["coating"]\n'
    station = load_scenario(edited(("start = 2027-03-01T12:00:00Z", "start = 2027-03-15T12:00:00Z"),
                                   ("end = 2027-03-08T12:00:00Z", "end = 2027-03-29T12:00:00Z"),
                                   (ATTACH, ATTACH + keys))).stations["PQSAT"]  # fmt: skip
    assert [(c.start, c.end) for c in station.maintenance] == [(utc(3, 20, 21), utc(3, 21))]
    assert (station.time_zone, station.maintenance_accept) == ("Europe/Berlin", ("coating",))


@pytest.mark.parametrize(
    ("keys", "path", "message"),
    [
        ('maintenance_accept = ["soud"]', "maintenance", "did you mean 'sound'"),
        ('maintenance_accept = "sound"', "maintenance_accept", "valid"),
        ('maintenance_accept = [""]', "maintenance_accept.0", "at least 1 character"),
        ('time_zone = "Berlin"', "time_zone", "write a name such as 'Europe/Berlin'"),
        ('time_zone = "../../etc/passwd"', "time_zone", "no zone of the time zone database"),
    ],
)
def test_keys_that_do_not_fit_are_problems_of_the_station(edited, write, keys, path, message):
    write(text_of(SOUND), "works.ics")
    with pytest.raises(ScenarioError) as caught:
        load_scenario(edited((ATTACH, ATTACH + f'maintenance = "works.ics"\n{keys}\n')))
    assert message in dict(caught.value.problems)[f"station.PQSAT.{path}"]


# ---------------------------------------------------------------- bounds of work


def hostile(kind):
    """Calendars of the largest size that say as much as they can."""
    size = 4_900_000
    if kind == "short lines":
        return text_of(["UID:\r\n" * (size // 6)])
    if kind == "empty events":
        return text_of(*[["BEGIN:VEVENT", "END:VEVENT"]] * (size // 28))
    if kind == "further dates":
        dates = ",".join(["20270305T020000Z"] * (size // 17))
        return text_of(["DTSTART:20270305T020000Z", "DURATION:PT1H", f"RDATE:{dates}"])
    if kind == "events without anything":
        return text_of(*[block("VEVENT")] * 9_900)
    if kind == "one long line":
        return text_of(["DTSTART:" + "2" * size])
    if kind == "quotation marks":
        return text_of(["DTSTART" + ';A="' * (size // 4)])
    event = ["DTSTART:19700101T020000Z", "DURATION:PT1M", f"RRULE:{kind}"]
    return text_of(*[event] * 9_900)


@pytest.mark.parametrize(
    "kind",
    ["short lines", "empty events", "further dates", "events without anything", "one long line", "quotation marks",
     "FREQ=DAILY;COUNT=99999",
     "FREQ=HOURLY", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=MINUTELY;BYHOUR=3;BYMONTHDAY=1"],
)  # fmt: skip
def test_no_calendar_takes_long_or_much_memory(write, kind):
    path = write(hostile(kind))
    code = (
        "import re, sys, time, warnings; from datetime import UTC, datetime; from pathlib import Path\n"
        "from eqci_space.errors import DataError; from eqci_space.scenario.calendars_io import read_maintenance\n"
        "warnings.simplefilter('ignore'); begun = time.process_time()\n"
        "start, end = datetime(2027, 3, 1, tzinfo=UTC), datetime(2027, 4, 8, tzinfo=UTC)\n"
        "try:\n    read_maintenance(Path(sys.argv[1]), start, end)\n"
        "except DataError as error:\n    assert 'calendar.ics' in str(error)\n"
        "peak_kb = re.search(r'VmHWM:\\s*(\\d+)', Path('/proc/self/status').read_text())[1]\n"
        "print(time.process_time() - begun, int(peak_kb) / 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    seconds, megabytes = map(float, done.stdout.split())
    assert seconds < 5
    assert megabytes < 500
