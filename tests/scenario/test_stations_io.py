"""Files that describe stations: masks, maintenance calendars, catalogues; and how their errors reach the user."""

from __future__ import annotations

import csv
import hashlib
import io
import warnings
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eqci_space.data import data_path
from eqci_space.errors import DataError, ScenarioError, UnreadEventWarning
from eqci_space.files.csv_rows import keyed_rows
from eqci_space.ogs.windows import observable_windows
from eqci_space.orbits.passes import find_passes
from eqci_space.scenario import load_scenario
from eqci_space.scenario.calendars_io import read_maintenance
from eqci_space.scenario.horizons_io import read_horizon_mask

START, END = datetime(2027, 3, 1, 12, tzinfo=UTC), datetime(2027, 4, 8, 12, tzinfo=UTC)
ATTACH = 'attach = { value = "colocated", source = "assumed: parked at the Warsaw node" }\n'
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def utc(month, day, hour=0, minute=0):
    return datetime(2027, month, day, hour, minute, tzinfo=UTC)


@pytest.fixture
def write(tmp_path):
    def put(text, name="calendar.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return put


def calendar(*events):
    """An iCalendar file of events, each given by its lines."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//"]
    for event in events:
        lines += ["BEGIN:VEVENT", "UID:event@test", "DTSTAMP:20270101T000000Z", *event, "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


@pytest.fixture
def closures(write):
    """Start and end of the closures that events of an iCalendar file make in March 2027."""

    def read(*events, start=START, end=END):
        found = read_maintenance(write(calendar(*events), "calendar.ics"), start, end)
        assert all(set(f) == {"start", "end", "reason"} for f in found)
        return [(f["start"], f["end"]) for f in found]

    return read


# ---------------------------------------------------------------- horizon masks


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("azimuth_deg,elevation_deg\n0,5\n90,10.5\n", [(0, 5), (90, 10.5)]),
        ("azimuth_deg, elevation_deg\n 0, 5\n 90, 10.5\n", [(0, 5), (90, 10.5)]),
        ("# surveyed 2026\n\nazimuth_deg,elevation_deg\n# trees\n0,5\n  # mast\n90,10.5\n\n", [(0, 5), (90, 10.5)]),
        ("elevation_deg,azimuth_deg,what\n5,0,tree\n10.5,90,mast\n", [(0, 5), (90, 10.5)]),
        ("azimuth_deg,elevation_deg\n0,5\n90,10.5\n360,5\n", [(0, 5), (90, 10.5)]),  # closing row repeats the first
        ("azimuth_deg,elevation_deg\n90,10.5\n360,5\n", [(0, 5), (90, 10.5)]),  # north written as 360
        ("azimuth_deg,elevation_deg\n360,5\n", [(0, 5)]),
        ("\ufeffazimuth_deg,elevation_deg\r\n0,5\r\n", [(0, 5)]),  # as spreadsheets write it
    ],
)
def test_masks_are_read_as_pairs(write, text, pairs):
    assert read_horizon_mask(write(text, "mask.csv")) == pairs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("azimuth_deg,elevation\n0,5\n", r"mask.csv: column 'elevation_deg' is missing; found \['azimuth_deg', "),
        ("azimuth_deg,elevation_deg\n0,5\n# hill\n90,high\n", r"mask.csv line 4, elevation_deg: 'high' is no number"),
        ("azimuth_deg,elevation_deg\n0\n", "mask.csv line 2: 1 cells; expected 2, as in the header"),
        ("azimuth_deg,elevation_deg\n0,\n", "mask.csv line 2, elevation_deg: is blank; write a number"),
        ("azimuth_deg,elevation_deg\n0,4\n360,5\n", "mask.csv: elevation 4 at 0 deg but 5 at 360 deg"),
        ("azimuth_deg,elevation_deg\n", "mask.csv: no row"),
        ("# nothing but a comment\n", "mask.csv: column 'azimuth_deg' is missing"),
        ("", "mask.csv: column 'azimuth_deg' is missing"),
        (b"azimuth_deg,elevation_deg\n0,\xff\n", "mask.csv: not UTF-8 text"),
        (b"#" * 5_000_001, "mask.csv: 5000001 bytes; expected at most 5000000"),
    ],
)
def test_broken_masks_are_named_with_file_and_line(write, text, message):
    with pytest.raises(DataError, match=message):
        read_horizon_mask(write(text, "mask.csv"))


# ---------------------------------------------------------------- calendars as CSV


def test_closures_of_a_csv_file_are_sorted_and_in_utc(write):
    path = write(
        "# planned works\nstart,end,reason\n2027-03-05T20:00:00+01:00,2027-03-05T23:30:00+01:00,mirror\n\n"
        "2027-03-02T00:00:00Z, 2027-03-03T00:00:00Z,\n"
    )
    assert read_maintenance(path, START, END) == [
        {"start": utc(3, 2), "end": utc(3, 3), "reason": ""},
        {"start": utc(3, 5, 19), "end": utc(3, 5, 22, 30), "reason": "mirror"},
    ]


def test_closures_that_do_not_touch_the_period_are_left_out(write):
    rows = [
        ("2027-02-28T12:00:00Z", "2027-03-01T12:00:00Z"),  # ends as the period begins
        ("2027-02-28T12:00:00Z", "2027-03-01T12:00:01Z"),
        ("2027-04-08T11:59:59Z", "2027-04-09T12:00:00Z"),
        ("2027-04-08T12:00:00Z", "2027-04-09T12:00:00Z"),  # begins as the period ends
        ("2026-01-01T00:00:00Z", "2028-01-01T00:00:00Z"),
    ]
    found = read_maintenance(write("start,end\n" + "".join(f"{a},{b}\n" for a, b in rows)), START, END)
    kept = [rows[4], rows[1], rows[2]]
    assert [(f["start"], f["end"]) for f in found] == [tuple(map(datetime.fromisoformat, r)) for r in kept]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("begin,end\nx,y\n", "calendar.csv: column 'start' is missing"),
        ("start,end\n2027-03-02T00:00:00Z,soon\n", "calendar.csv line 2: end 'soon' is no ISO 8601 time"),
        ("start,end\n\n2027-03-02T00:00:00Z,\n", "calendar.csv line 3: end '' is no ISO 8601 time"),
        ("start,end\n\n2027-03-02T00:00:00Z\n", "calendar.csv line 3: 1 cells; expected 2"),
        (
            "start,end\n2027-03-02T00:00:00,2027-03-03T00:00:00Z\n",
            "calendar.csv line 2: start 2027-03-02T00:00:00 has no time zone; write 2027-03-02T00:00:00Z for UTC",
        ),
        ("start,end\n2027-03-03T00:00:00Z,2027-03-02T00:00:00Z\n", "calendar.csv line 2: end 2027-03-02 .* not after"),
        ("start,end\n2027-03-03T00:00:00Z,2027-03-03T00:00:00Z\n", "calendar.csv line 2: end 2027-03-03 .* not after"),
        ("start,end\n0001-01-01T00:00:00+23:00,2027-03-03T00:00:00Z\n", "calendar.csv line 2: start"),
        ("start,end\n2027-03-03T00:00:00Z,9999-12-31T23:00:00-23:00\n", "calendar.csv line 2: end"),
        (f"start,end,{'x' * 140_000}\n", "calendar.csv line 1: not valid CSV: field larger"),
    ],
)
def test_broken_csv_calendars_are_named_with_file_and_line(write, text, message):
    with pytest.raises(DataError, match=message):
        read_maintenance(write(text), START, END)


def test_a_line_after_a_reason_of_several_lines_keeps_its_number(write):
    text = 'start,end,reason\n2027-03-02T00:00:00Z,2027-03-03T00:00:00Z,"two\nlines"\nbad,2027-03-03T00:00:00Z,\n'
    with pytest.raises(DataError, match="line 4: start 'bad'"):
        read_maintenance(write(text), START, END)


# ---------------------------------------------------------------- calendars as iCalendar


def test_events_with_end_and_with_duration(write):
    path = write(
        calendar(
            ["DTSTART:20270305T200000Z", "DTEND:20270305T213000Z", "SUMMARY:mirror\\, washed"],
            ["DTSTART;TZID=Europe/Berlin:20270303T200000", "DURATION:PT2H"],
        ),
        "calendar.ics",
    )
    assert read_maintenance(path, START, END) == [
        {"start": utc(3, 3, 19), "end": utc(3, 3, 21), "reason": ""},
        {"start": utc(3, 5, 20), "end": utc(3, 5, 21, 30), "reason": "mirror, washed"},
    ]


def test_the_suffix_may_be_written_in_capitals(write):
    path = write(calendar(["DTSTART:20270305T200000Z", "DURATION:PT1H"]), "CALENDAR.ICS")
    assert len(read_maintenance(path, START, END)) == 1


def test_a_day_without_times_is_a_whole_day_in_utc(closures):
    assert closures(["DTSTART;VALUE=DATE:20270305"]) == [(utc(3, 5), utc(3, 6))]
    # DTEND is the first day that is free again (RFC 5545, 3.6.1).
    assert closures(["DTSTART;VALUE=DATE:20270305", "DTEND;VALUE=DATE:20270308"]) == [(utc(3, 5), utc(3, 8))]


def test_a_weekly_event_keeps_its_local_time_when_summer_time_begins(closures):
    # Europe/Berlin: UTC+1 until 28 March 2027 01:00 UTC, then UTC+2.
    weekly = ["DTSTART;TZID=Europe/Berlin:20270318T220000", "DURATION:PT3H", "RRULE:FREQ=WEEKLY;COUNT=3"]
    starts = [utc(3, 18, 21), utc(3, 25, 21), utc(4, 1, 20)]
    assert closures(weekly) == [(s, s + timedelta(hours=3)) for s in starts]


def test_an_event_across_the_change_keeps_its_length(closures):
    # RFC 5545, 3.8.5.3: with DTEND the same exact duration holds for every occurrence.
    daily = [
        "DTSTART;TZID=Europe/Berlin:20270326T230000", "DTEND;TZID=Europe/Berlin:20270327T050000",
        "RRULE:FREQ=DAILY;COUNT=3",
    ]  # fmt: skip
    six = timedelta(hours=6)
    assert closures(daily) == [(s, s + six) for s in (utc(3, 26, 22), utc(3, 27, 22), utc(3, 28, 21))]


def test_a_local_time_that_the_change_skips_is_taken_as_before_it(closures):
    # 02:30 does not exist on 28 March; RFC 5545, 3.3.5 reads it with the offset before the gap: 01:30 UTC.
    weekly = ["DTSTART;TZID=Europe/Berlin:20270321T023000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=3"]
    assert [s for s, _ in closures(weekly)] == [utc(3, 21, 1, 30), utc(3, 28, 1, 30), utc(4, 4, 0, 30)]


WEEKLY = ["DTSTART;TZID=Europe/Berlin:20270305T020000", "DURATION:PT2H", "RRULE:FREQ=WEEKLY;COUNT=4"]
FRIDAYS = [utc(3, 5, 1), utc(3, 12, 1), utc(3, 19, 1), utc(3, 26, 1)]


@pytest.mark.parametrize(
    "exception",
    [
        "EXDATE;TZID=Europe/Berlin:20270312T020000",
        "EXDATE:20270312T010000Z",
        "EXDATE;TZID=America/New_York:20270311T200000",
    ],
)
def test_an_exception_leaves_its_date_out_in_any_zone(closures, exception):
    assert [s for s, _ in closures([*WEEKLY, exception])] == [FRIDAYS[0], *FRIDAYS[2:]]


def test_several_exceptions_leave_all_their_dates_out(closures):
    dates = ["EXDATE;TZID=Europe/Berlin:20270312T020000,20270326T020000", "EXDATE:20270305T010000Z"]
    assert [s for s, _ in closures([*WEEKLY, *dates])] == [FRIDAYS[2]]


def test_exceptions_of_whole_days(closures):
    daily = ["DTSTART;VALUE=DATE:20270305", "RRULE:FREQ=DAILY;COUNT=3", "EXDATE;VALUE=DATE:20270306"]
    assert [s for s, _ in closures(daily)] == [utc(3, 5), utc(3, 7)]


def test_further_dates_are_added(closures):
    event = ["DTSTART:20270305T020000Z", "DURATION:PT2H", "RDATE:20270310T020000Z,20270312T020000Z"]
    assert [s for s, _ in closures(event)] == [utc(3, 5, 2), utc(3, 10, 2), utc(3, 12, 2)]


def test_a_moved_occurrence_stands_at_its_new_time_only(closures):
    moved = [
        "RECURRENCE-ID;TZID=Europe/Berlin:20270312T020000", "DTSTART;TZID=Europe/Berlin:20270313T040000",
        "DURATION:PT1H",
    ]  # fmt: skip
    expected = [(FRIDAYS[0], 2), (utc(3, 13, 3), 1), (FRIDAYS[2], 2), (FRIDAYS[3], 2)]
    assert closures(WEEKLY, moved) == [(s, s + timedelta(hours=h)) for s, h in expected]
    assert closures(moved, WEEKLY) == [(s, s + timedelta(hours=h)) for s, h in expected]


def test_a_moved_occurrence_of_another_event_moves_nothing_here(write):
    moved = ["RECURRENCE-ID:20270312T010000Z", "DTSTART:20270313T030000Z", "DURATION:PT1H"]
    first, second = calendar(WEEKLY).split("END:VCALENDAR")[0], calendar(moved).split("PRODID:-//test//\r\n")[1]
    path = write(first + second.replace("event@test", "other@test"), "calendar.ics")
    assert [f["start"] for f in read_maintenance(path, START, END)] == sorted([*FRIDAYS, utc(3, 13, 3)])


def test_cancelled_events_and_occurrences_do_not_close(closures):
    cancelled = ["DTSTART:20270306T020000Z", "DURATION:PT2H", "STATUS:CANCELLED"]
    one = ["RECURRENCE-ID;TZID=Europe/Berlin:20270312T020000", "DTSTART:20270312T010000Z", "DURATION:PT2H",
           "STATUS:CANCELLED"]  # fmt: skip
    tentative = ["DTSTART:20270307T020000Z", "DURATION:PT2H", "STATUS:TENTATIVE"]
    found = [s for s, _ in closures(WEEKLY, cancelled, one, tentative)]
    assert found == [FRIDAYS[0], utc(3, 7, 2), *FRIDAYS[2:]]


def test_only_occurrences_that_touch_the_period_count(closures):
    daily = ["DTSTART:20200101T120000Z", "DURATION:PT5H", "RRULE:FREQ=DAILY"]
    found = closures(daily, start=utc(3, 2, 14), end=utc(3, 4, 12))
    assert found == [(utc(3, d, 12), utc(3, d, 17)) for d in (2, 3)]  # the first is under way at the start
    assert closures(["DTSTART:20270101T120000Z", "DURATION:PT5H"]) == []


def test_a_repetition_ends_with_its_last_day(closures):
    utc_end = ["DTSTART:20270305T020000Z", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;UNTIL=20270319T020000Z"]
    assert [s for s, _ in closures(utc_end)] == [utc(3, d, 2) for d in (5, 12, 19)]


def test_a_repetition_of_whole_days_ends_with_a_day(closures):
    # RFC 5545, 3.3.10: UNTIL has the value type of DTSTART, so a day for an event of whole days.
    days = ["DTSTART;VALUE=DATE:20270305", "RRULE:FREQ=WEEKLY;UNTIL=20270319"]
    assert [s for s, _ in closures(days)] == [utc(3, 5), utc(3, 12), utc(3, 19)]


def test_two_rules_of_repetition_are_both_kept(closures):
    # RFC 5545, 3.8.5.3: a second RRULE "SHOULD NOT" occur; old calendars have it, and nothing may be lost silently.
    both = ["DTSTART:20270305T020000Z", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=3", "RRULE:FREQ=DAILY;COUNT=2"]
    found = [s for s, _ in closures(both)]
    assert found == [utc(3, d, 2) for d in (5, 6, 12, 19)]


def test_a_calendar_that_was_cut_off_is_refused(write):
    whole = calendar(["DTSTART:20270305T020000Z", "DURATION:PT1H"], ["DTSTART:20270306T020000Z", "DURATION:PT1H"])
    cut = whole[: whole.rindex("BEGIN:VEVENT")]
    with pytest.raises(DataError, match=r"calendar\.ics"):
        read_maintenance(write(cut, "calendar.ics"), START, END)


def test_a_file_without_a_calendar_is_refused(write):
    with pytest.raises(DataError, match=r"calendar\.ics"):
        read_maintenance(write("", "calendar.ics"), START, END)


SOUND = "DTSTART:20270305T020000Z"


@pytest.mark.parametrize("text", ["nonsense", "END:VCALENDAR", "BEGIN:VCALENDAR\r\n;;;\r\nEND:VCALENDAR\r\n"])
def test_what_is_no_calendar_is_refused_by_name(write, text):
    with pytest.raises(DataError, match=r"calendar\.ics: not a valid iCalendar file"):
        read_maintenance(write(text, "calendar.ics"), START, END)


# ---------------------------------------------------------------- whatever a file may hold

ANYTHING = st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass")))
CELL = st.sampled_from(
    ["2027-03-02T00:00:00Z", "2027-03-03T00:00:00+01:00", "2027-03-03", "", "0", "360", "91", "nan", "inf", "1e999",
     '"', '"a\nb"', "#", "\x00", "azimuth_deg", "2027-W09-1T00:00Z", "24:00", "-0", "ｘ", "٣"]
)  # fmt: skip
TABLES = st.lists(st.lists(CELL, max_size=4).map(",".join), max_size=5).map("\n".join)


def only_data_errors(call):
    """Any other exception gets through and fails the test; so does a message that does not name the file."""
    message = "file."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnreadEventWarning)
            call()
    except DataError as error:
        message = str(error)
    assert "file." in message


@QUICK
@given(content=ANYTHING)
def test_arbitrary_bytes_raise_data_errors_only(write, content):
    only_data_errors(lambda: read_horizon_mask(write(content, "file.csv")))
    only_data_errors(lambda: read_maintenance(write(content, "file.csv"), START, END))
    only_data_errors(lambda: read_maintenance(write(content, "file.ics"), START, END))


@QUICK
@given(body=TABLES)
def test_arbitrary_tables_raise_data_errors_only(write, body):
    only_data_errors(lambda: read_horizon_mask(write("azimuth_deg,elevation_deg\n" + body, "file.csv")))
    only_data_errors(lambda: read_maintenance(write("start,end,reason\n" + body, "file.csv"), START, END))


VALUE = st.sampled_from(
    ["20270305T020000Z", "20270305T020000", "20270305", "PT2H", "P1D", "-PT1H", "P1W", "FREQ=WEEKLY;COUNT=3",
     "FREQ=DAILY;UNTIL=20270320", "FREQ=YEARLY", "FREQ=WEEKLY;BYDAY=MO,2TU", "FREQ=DAILY;INTERVAL=0", "CANCELLED", "",
     ";", ":", "20270231T000000Z", "99991231T235959Z", "20270305T020000Z/PT3H", "20270305T020000Z,20270306"]
)  # fmt: skip
KEY = st.sampled_from(
    ["DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID", "STATUS", "SUMMARY", "UID", "BEGIN",
     "DTSTART;VALUE=DATE", "DTSTART;TZID=Europe/Berlin", "RDATE;VALUE=PERIOD", "EXRULE", "X-ANY"]
)  # fmt: skip
EVENTS = st.lists(st.lists(st.tuples(KEY, VALUE).map(":".join), max_size=6), max_size=3)


@QUICK
@given(events=EVENTS)
def test_arbitrary_events_raise_data_errors_only(write, events):
    started = [[SOUND, *event] if i % 2 else event for i, event in enumerate(events)]
    only_data_errors(lambda: read_maintenance(write(calendar(*started), "file.ics"), START, END))


# ---------------------------------------------------------------- catalogues


def test_a_catalogue_is_read_again_after_it_changed(write):
    assert keyed_rows(write("ogs,name\nA,first\n", "mine.csv"), "ogs")["A"]["name"] == "first"
    assert keyed_rows(write("ogs,name\nA,second\n", "mine.csv"), "ogs")["A"]["name"] == "second"


def test_a_catalogue_as_spreadsheets_write_it_is_read(write):
    assert list(keyed_rows(write("\ufeffogs,name\r\nA,Poznań\r\n", "mine.csv"), "ogs")) == ["A"]


def test_a_catalogue_that_is_not_utf8_is_refused(write):
    with pytest.raises(DataError, match=r"mine\.csv"):
        keyed_rows(write("ogs,name\nA,Poznań\n".encode("iso8859-2"), "mine.csv"), "ogs")


# ---------------------------------------------------------------- through the scenario


def problems(path) -> dict[str, str]:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    return dict(caught.value.problems)


def test_files_of_a_station_are_read_beside_the_scenario_and_noted(edited, write):
    mask = write("azimuth_deg,elevation_deg\n0,12\n180,30\n", "mask.csv")
    works = write(calendar(["DTSTART:20270303T000000Z", "DTEND:20270304T000000Z", "SUMMARY:coating"]), "works.ics")
    scenario = load_scenario(edited((ATTACH, ATTACH + 'horizon_mask = "mask.csv"\nmaintenance = "works.ics"\n')))
    station = scenario.stations["PQSAT"]
    assert station.horizon_mask == ((0.0, 12.0), (180.0, 30.0))
    assert [(c.start, c.end, c.reason) for c in station.maintenance] == [(utc(3, 3), utc(3, 4), "coating")]
    expected = [(p.name, hashlib.sha256(p.read_bytes()).hexdigest()) for p in (mask, works)]
    assert list(scenario.inputs) == expected


@pytest.mark.parametrize("suffix", ["csv", "ics"])
def test_closures_of_a_file_cut_windows(edited, write, suffix):
    plain = load_scenario(edited())
    passes = find_passes(plain)
    usual = observable_windows(passes, plain)
    row = usual[usual["ogs"] == "PQSAT"].iloc[1]
    start = (row["start"] + timedelta(seconds=30)).ceil("s").to_pydatetime()
    end = start + timedelta(seconds=45)
    if suffix == "csv":
        write(f"start,end\n{start.isoformat()},{end.isoformat()}\n", "works.csv")
    else:
        write(calendar([f"DTSTART:{start:%Y%m%dT%H%M%SZ}", "DURATION:PT45S"]), "works.ics")
    cut = observable_windows(passes, load_scenario(edited((ATTACH, ATTACH + f'maintenance = "works.{suffix}"\n'))))
    mine = cut[cut["pass_id"] == row["pass_id"]]
    acquired = end + timedelta(seconds=plain.stations["PQSAT"].receiver.acquisition_s)
    assert mine["start"].tolist() == [row["start"], acquired]
    assert mine["end"].tolist() == [start, row["end"]]
    assert len(cut) == len(usual) + 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("works.csv", "start,end\n2027-03-02T00:00:00Z,soon\n", "works.csv line 2: end 'soon'"),
        ("works.ics", "nonsense", "works.ics: not a valid iCalendar file"),
        ("works.csv", None, "no file 'works.csv' beside the scenario"),
    ],
)
def test_a_broken_calendar_is_a_problem_of_its_station(edited, write, name, content, message):
    if content is not None:
        write(content, name)
    found = problems(edited((ATTACH, ATTACH + f'maintenance = "{name}"\n')))
    assert list(found) == ["station.PQSAT.maintenance"]
    assert message in found["station.PQSAT.maintenance"]


def test_a_calendar_needs_the_period(edited, write):
    write("start,end\n", "works.csv")
    path = edited(
        (ATTACH, ATTACH + 'maintenance = "works.csv"\n'), ("start = 2027-03-01T12:00:00Z", "start = 2027-03-01")
    )
    assert "start and end, with time zone" in problems(path)["station.PQSAT.maintenance"]


@pytest.mark.parametrize(
    ("rows", "path", "message"),
    [
        ("0,5\n180,95\n", "station.PQSAT.horizon_mask", "mask.csv line 3: elevation_deg is 95; expected 0 to below 90"),
        ("0,5\n400,9\n", "station.PQSAT.horizon_mask", "mask.csv line 3: azimuth_deg is 400; expected 0 to 360"),
        ("0,nan\n", "station.PQSAT.horizon_mask", "mask.csv line 2, elevation_deg: 'nan' is no number"),
        ("180,5\n90,9\n270,4\n", "station.PQSAT.horizon_mask", "line 3: azimuth_deg 90 after 180; let them rise"),
        ("0,5\n0.05,9\n", "station.PQSAT", "horizon_mask: azimuth 0.05 after 0; they must rise by at least 0.1"),
        ("0,high\n", "station.PQSAT.horizon_mask", "mask.csv line 2, elevation_deg: 'high' is no number"),
    ],
)
def test_a_broken_mask_is_a_problem_of_its_station(edited, write, rows, path, message):
    write("azimuth_deg,elevation_deg\n" + rows, "mask.csv")
    found = problems(edited((ATTACH, ATTACH + 'horizon_mask = "mask.csv"\n')))
    assert message in found[path]


def test_all_bad_values_of_stations_come_in_one_error(edited, write):
    write("azimuth_deg,elevation_deg\n0,x\n", "mask.csv")
    bad = (
        'horizon_mask = "mask.csv"\nmaintenance = "none.ics"\nlatitude_deg = 91\nlongitude_deg = -181\n'
        "sun_keep_out_deg = 180\nmoon_keep_out_deg = -1\nsun_max_elevation_deg = 95\nheight_msl_m = 9001\n"
        'valid_from = 2027-03-02T00:00:00\nstatus_class = "dreamt"\nnodee = "WAW"\n'
    )
    found = problems(edited((ATTACH, ATTACH + bad)))
    expected = {
        "horizon_mask": "mask.csv line 2", "maintenance": "no file 'none.ics'", "latitude_deg": "(got 91)",
        "longitude_deg": "(got -181)", "sun_keep_out_deg": "(got 180)", "moon_keep_out_deg": "(got -1)",
        "sun_max_elevation_deg": "(got 95)", "height_msl_m": "(got 9001)", "valid_from": "has no time zone",
        "status_class": "(got 'dreamt')", "nodee": "did you mean 'node'",
    }  # fmt: skip
    assert set(found) == {f"station.PQSAT.{key}" for key in expected}
    for key, message in expected.items():
        assert message in found[f"station.PQSAT.{key}"]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("latitude_deg", "91", "less than or equal to 90 (got '91')"),
        ("height_ellipsoid_m", "", "is missing; add it"),
        ("height_msl_m", "", "is missing; add it"),
        ("status_class", "dreamt", "'operational', 'planned' or 'hypothetical' (got 'dreamt')"),
    ],
)
def test_a_bad_value_of_a_catalogue_is_named_with_its_line(edited, write, column, value, message):
    lines = data_path("sites", "euroqci.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.reader(lines))
    number = next(i for i, row in enumerate(rows) if row[0] == "GRAZ")
    rows[number][rows[0].index(column)] = value
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["# a copy"], *rows])
    write(text.getvalue(), "mine.csv")
    found = problems(edited(('catalogue = "euroqci"', 'catalogue = "mine.csv"')))
    assert list(found) == [f"station.GRAZ.{column}"]
    assert found[f"station.GRAZ.{column}"].endswith(f"{message} in mine.csv line {number + 2}")


def test_closures_and_masks_may_stand_in_the_scenario_itself(edited):
    inline = (
        "horizon_mask = [[0, 12], [180.5, 30]]\n"
        'maintenance = [{ start = 2027-03-03T00:00:00Z, end = 2027-03-04T00:00:00+01:00, reason = "coating" }]\n'
    )
    station = load_scenario(edited((ATTACH, ATTACH + inline))).stations["PQSAT"]
    assert station.horizon_mask == ((0.0, 12.0), (180.5, 30.0))
    assert [(c.start, c.end, c.reason) for c in station.maintenance] == [(utc(3, 3), utc(3, 3, 23), "coating")]


def test_a_reversed_closure_in_the_scenario_is_refused(edited):
    inline = "maintenance = [{ start = 2027-03-03T00:00:00Z, end = 2027-03-03T00:00:00Z }]\n"
    assert "is not after" in problems(edited((ATTACH, ATTACH + inline)))["station.PQSAT.maintenance.0"]


# ---------------------------------------------------------------- countries and stations written out whole


CATALOGUE = (
    "ogs,name,country,latitude_deg,longitude_deg,height_ellipsoid_m,height_msl_m,status_class,node,aperture_diameter_m,"
    "status\n"
)
USE = 'use = ["DLR-OP", "DLR-TRAUEN", "GRAZ", "PQSAT", "ONDREJOV"]\n'


def test_a_station_of_a_misspelt_country_is_not_left_out_without_a_word(edited, write):
    write(CATALOGUE + "A,Alpha,de,50,10,350,300,planned,BER,,\nB,Beta,DE,50,10,350,300,planned,BER,,\n", "mine.csv")
    text = edited().read_text(encoding="utf-8")
    mobile = text[text.index("[station.") : text.index("[atmosphere]")]
    found = problems(edited((USE, 'countries = ["DE"]\n'), ('"euroqci"', '"mine.csv"'), (mobile, "")))
    assert found == {"station.A.country": "'de' is no country of ISO 3166; write 'DE' (Germany) in mine.csv line 2"}


@pytest.mark.parametrize(
    ("country", "message"),
    [("uk", "write 'GB' (Britain (UK))"), ("Polnd", "did you mean 'PL' (Poland)?"), ("Poland", "write 'PL' (Poland)"),
     ("POL", "write its two letters, such as DE for Germany")],
)  # fmt: skip
def test_countries_of_tables_keep_to_their_codes(edited, country, message):
    found = problems(edited((ATTACH, ATTACH + f'country = "{country}"\n')))
    assert message in found["station.PQSAT.country"]


def test_a_station_written_out_whole_takes_nothing_from_the_catalogue(edited, write):
    write(CATALOGUE + "GRAZ,Old,AT,47,15,350,300,operational,GRZ,1.5,operational; of another telescope\n", "mine.csv")
    text = edited().read_text(encoding="utf-8")
    mobile = text[text.index("[station.") : text.index("[atmosphere]")]
    whole = (
        '[station.GRAZ]\nname = "New"\ncountry = "AT"\nlatitude_deg = 47.07\nlongitude_deg = 15.49\n'
        'height_ellipsoid_m = 540\nheight_msl_m = 495\nstatus_class = "planned"\nnode = "GRZ"\n\n'
    )
    changes = (USE, 'use = ["GRAZ"]\n'), ('"euroqci"', '"mine.csv"')
    station = load_scenario(edited(*changes, (mobile, whole))).stations["GRAZ"]
    preset = load_scenario(edited(*changes, (mobile, ""))).station_rules.receiver
    assert (station.name, station.status, station.receiver) == ("New", "", preset)
    partly = load_scenario(edited(*changes, (mobile, '[station.GRAZ]\nname = "New"\n\n'))).stations["GRAZ"]
    assert (partly.name, partly.receiver.aperture_diameter_m) == ("New", 1.5)


def test_a_stations_own_table_says_how_it_acquires(edited):
    own = 'acquisition_s = 40\nacquisition_failures = { value = [[20, 0.3], [60, 0.1]], source = "here" }\n'
    found = load_scenario(edited((ATTACH, ATTACH + own)))
    mine, other = (found.stations[ogs].receiver for ogs in ("PQSAT", "GRAZ"))
    assert (mine.acquisition_s, mine.acquisition_failures) == (40.0, ((20.0, 0.3), (60.0, 0.1)))
    assert (other.acquisition_s, mine.reacquisition_s) == (15.0, other.reacquisition_s)
    assert ("station.PQSAT.acquisition_failures", "[[20, 0.3], [60, 0.1]]", "here") in found.sources
    falling = problems(edited((ATTACH, ATTACH + "acquisition_failures = [[60, 0.1], [20, 0.3]]\n")))
    assert "expected them to rise" in " ".join(falling.values())


def test_stations_that_came_along_name_the_cure(edited):
    found = problems(edited((USE, "")))
    assert "use = [" in found["stations.use"], found
