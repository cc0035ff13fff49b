"""Files that describe stations: catalogues, horizon masks, and maintenance calendars.

Every reader names the file, the line or event, and the field that it could not use.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from eqci_space.errors import DataError
from eqci_space.input_rules import CALENDAR_OCCURRENCES, TABLE_BYTES, control_problem, name_problem, oversize

__all__ = ["keyed_rows", "read_horizon_mask", "read_maintenance", "row_lines"]

_BEGIN, _END = (re.compile(rf"^{word}:VCALENDAR\s*$", re.MULTILINE | re.IGNORECASE) for word in ("BEGIN", "END"))
_UNTIL = re.compile(r"UNTIL=(?P<day>\d{8})(?P<clock>T\d{6})?(?!\d|Z|T)")
_TOO_OFTEN = re.compile(r"FREQ=(SECONDLY|MINUTELY)", re.IGNORECASE)


def _text(path: Path) -> str:
    """Content of a file of sane size, in UTF-8."""
    try:
        problem = oversize(path, TABLE_BYTES)
        text = "" if problem else path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name}: not UTF-8 text ({error})") from error
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read: {error.strerror}; give a file that can") from error
    problem = problem or control_problem(text)
    if problem:
        raise DataError(f"{path.name}: {problem}")
    return text


def _rows(path: Path, required: Sequence[str] = ()) -> list[tuple[int, dict[str, str]]]:
    """Rows of a CSV file with the number of the line on which each ends; lines that begin with # are comments."""
    numbers: list[int] = []

    def kept() -> Iterator[str]:
        for number, line in enumerate(_text(path).splitlines(keepends=True), start=1):
            if line.strip() and not line.lstrip().startswith("#"):
                numbers.append(number)
                yield line

    try:
        reader = csv.DictReader(kept(), skipinitialspace=True)
        found = list(reader.fieldnames or [])
        missing = [c for c in required if c not in found]
        if missing:
            raise DataError(f"{path.name}: column '{missing[0]}' is missing; found {found}; add it")
        twice = [c for c in required if found.count(c) > 1]
        if twice:
            raise DataError(f"{path.name}: column '{twice[0]}' stands twice; keep one of them")
        return [(numbers[-1], {str(k): v or "" for k, v in row.items() if k is not None}) for row in reader]
    except csv.Error as error:
        raise DataError(f"{path.name}: not valid CSV: {error}") from error


def keyed_rows(path: Path, key: str, columns: Sequence[str] = ()) -> dict[str, dict[str, str]]:
    """Rows of a CSV file by the column `key`; the file is read again only when it has changed.

    Parameters
    ----------
    path : Path
    key : str
        Column of ids.
    columns : sequence of str
        Others that the file must have.

    Raises
    ------
    DataError
        The file is missing or no CSV text, a column is missing, a key stands twice or can be no id.
    """
    try:
        state = path.stat()
    except (OSError, ValueError) as error:
        raise DataError(f"no file '{path.name}' in '{path.parent.name}'; add it or mend its name") from error
    return _keyed_rows(path, key, tuple(columns), (state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=8)
def _keyed_rows(path: Path, key: str, columns: tuple[str, ...], stamp: tuple[int, int]) -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = {}
    for number, row in _rows(path, (key, *columns)):
        problem = name_problem(row[key])
        if problem:
            raise DataError(f"{path.name} line {number}: {key} {problem}")
        if row[key] in rows:
            raise DataError(f"{path.name} line {number}: {key} '{row[key]}' stands twice; ids must differ")
        rows[row[key]] = row
    return rows


def row_lines(path: Path, key: str) -> dict[str, int]:
    """Number of the line of each row of a CSV file by the column `key`, which it has."""
    return {row[key]: number for number, row in _rows(path, (key,))}


def read_horizon_mask(path: Path) -> list[tuple[float, float]]:
    """Pairs (azimuth, elevation) [deg] of a CSV file with the columns azimuth_deg and elevation_deg.

    A last row at 360 deg that repeats the first at 0 deg is dropped.

    Raises
    ------
    DataError
        A column is missing, a value is no number or out of range, azimuths do not rise, or the rows at 0 and 360 deg
        differ.
    """
    pairs: list[tuple[float, float]] = []
    for line, row in _rows(path, ("azimuth_deg", "elevation_deg")):
        try:
            azimuth, elevation = float(row["azimuth_deg"]), float(row["elevation_deg"])
        except (TypeError, ValueError) as error:
            raise DataError(f"{path.name} line {line}: expected two numbers; {error}") from error
        for column, value, sound, limits in (
            ("azimuth_deg", azimuth, 0.0 <= azimuth <= 360.0, "0 to 360"),
            ("elevation_deg", elevation, 0.0 <= elevation < 90.0, "0 to below 90"),
        ):
            if not sound:
                raise DataError(f"{path.name} line {line}: {column} is {value:g}; expected {limits}")
        if pairs and azimuth <= pairs[-1][0]:
            raise DataError(f"{path.name} line {line}: azimuth_deg {azimuth:g} after {pairs[-1][0]:g}; they must rise")
        pairs.append((azimuth, elevation))
    if not pairs:
        raise DataError(f"{path.name}: no row; expected azimuth_deg, elevation_deg")
    if pairs[-1][0] == 360.0:
        if pairs[0][0] == 0.0 and pairs[0][1] != pairs[-1][1]:
            raise DataError(f"{path.name}: elevation {pairs[0][1]:g} at 0 deg but {pairs[-1][1]:g} at 360 deg")
        last = pairs.pop()
        pairs = pairs if pairs and pairs[0][0] == 0.0 else [(0.0, last[1]), *pairs]
    return pairs


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
    for line, row in _rows(path, ("start", "end")):
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

    text = _text(path)
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
