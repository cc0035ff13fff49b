"""Airport reports as services hand them out: where each report stands in a download, and when it was made.

Understood are reports one a line, with or without a time in front; OGIMET (text with a time of twelve digits and
broken lines, and ``station,year,month,day,hour,minute,report``); the weather service of the United States (a line with
the date over each report; global hourly data with reports among the remarks); the Iowa Environmental Mesonet (tables
with `valid` and `metar`, or `skyc1` to `skyc4`); the Aviation Weather Center (JSON, XML and tables).
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from typing import Any

from eqci_space.errors import DataError, TimeError
from eqci_space.files.foreign import foreign_text
from eqci_space.files.xml_walk import walk_xml

__all__ = ["REPORT", "FoundReport", "found_reports", "report_table_header"]

REPORT = re.compile(
    r"(?:(?:METAR|SPECI)\s+)?(?P<corrected>COR\s+)?(?P<station>[A-Z][A-Z0-9]{3})\s+"
    r"(?P<day>\d\d)(?P<hour>\d\d)(?P<minute>\d\d)Z\s+(?P<body>.*)",
    re.ASCII | re.DOTALL,
)
"""A report from its kind, or its station, on."""
_FRONT = (
    re.compile(r"(?P<iso>\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:?\d\d)?)[,;\s]\s*", re.ASCII),
    re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)[,;\s]\s*", re.ASCII),
    re.compile(r"[A-Z][A-Z0-9]{3},(\d{4}),(\d\d?),(\d\d?),(\d\d?),(\d\d?),", re.ASCII),
)
_DATE_LINE = re.compile(r"(\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d)", re.ASCII)
_IN_REMARK = re.compile(r"(?:(?:METAR|SPECI) )?(?:COR )?[A-Z][A-Z0-9]{3} \d{6}Z .*", re.ASCII | re.DOTALL)
_TABLES = (("raw_text", "observation_time", True), ("REM", "DATE", True), ("metar", "valid", False))
_SKY = ("skyc1", "skyc2", "skyc3", "skyc4")
_ZONE = re.compile(r"#.*time zone\s*->\s*(\S+)", re.I)
_UTC_NAMES = ("etc/utc", "utc", "gmt", "etc/gmt", "zulu")
_MAX_LINE, _PREAMBLE = 2000, 12
_MILE_M = 1609.344


@dataclass(frozen=True)
class FoundReport:
    """A report in a download: its line, its text, and the time that the service gives it, which tells the month.

    `text` is empty where a row has none. `station` is what the service calls the station; `visibility_m` stands beside
    reports that were made up from columns.
    """

    line: int
    text: str
    stamp: datetime | None
    station: str = ""
    visibility_m: float | None = None


def found_reports(text: str, name: str, *, utc_offset_h: float | None = None) -> tuple[list[FoundReport], list[str]]:
    """All reports of a download, and what the reader passed over.

    Parameters
    ----------
    text : str
        Content of a file.
    name : str
        Of the file; opens messages.
    utc_offset_h : float, optional
        Offset [h] of times without one.

    Raises
    ------
    DataError
        The text is a web page or a message, a line is no report, or a table is malformed.
    TimeError
        A time has no zone where it is needed.
    """
    problem = foreign_text(text) if text.lstrip().startswith("<") else ""
    if problem:
        raise DataError(f"{name}: is {problem}")
    if text.lstrip().startswith("<"):
        return _of_xml(text, name), []
    if text.lstrip()[:1] in ("{", "["):
        return list(_of_json(text, name)), []
    lines = text.splitlines()
    header = report_table_header(lines)
    if header is not None:
        return _of_table(lines, header, name, utc_offset_h)
    return list(_of_lines(lines, name, utc_offset_h)), []


def report_table_header(lines: list[str]) -> int | None:
    """Index of the header of a table of reports below comments and preamble, None for other text."""
    plain = ((i, line) for i, line in enumerate(lines) if line.strip() and not line.startswith("#"))
    for i, line in islice(plain, _PREAMBLE):
        cells = {c.strip(' "') for c in re.split("[,;\t]", line[:_MAX_LINE])}
        if any(report in cells and time in cells for report, time, _ in _TABLES) or {"valid", "skyc1"} <= cells:
            return i
    return None


# ---------------------------------------------------------------- lines


def _of_lines(lines: list[str], name: str, utc_offset_h: float | None) -> Iterator[FoundReport]:
    """Reports one a line, continued on indented lines, with a time in front or on the line above."""
    above: datetime | None = None
    held: FoundReport | None = None
    for number, line in enumerate(lines, start=1):
        plain = line.strip()
        if not plain or line.startswith("#"):
            continue
        where = f"{name} line {number}"
        date = _DATE_LINE.fullmatch(plain)
        if date is not None:
            above = _of_numbers(date.groups(), where)
            continue
        stamp, rest = _front(plain, where, utc_offset_h)
        if plain.isascii() and len(plain) < _MAX_LINE and REPORT.fullmatch(rest):
            if held is not None:
                yield held
            held = FoundReport(number, rest, stamp if stamp is not None else above)
        elif held is not None and line[0] in " \t" and not held.text.endswith("=") and len(held.text) < _MAX_LINE:
            held = FoundReport(held.line, f"{held.text} {plain}", held.stamp)
        else:
            raise DataError(f"{where}: '{plain[:40]}' is no report; expected [ISO time] [METAR] station ddhhmmZ ...")
    if held is not None:
        yield held


def _front(line: str, where: str, utc_offset_h: float | None) -> tuple[datetime | None, str]:
    """Time in front of a report, and the report."""
    for form in _FRONT:
        match = form.match(line)
        if match is not None:
            rest = line[match.end() :]
            if "iso" in form.groupindex:
                return _of_iso(match["iso"], where, utc_offset_h), rest
            return _of_numbers(match.groups(), where), rest
    return None, line


def _of_numbers(parts: tuple[str, ...], where: str) -> datetime:
    """A time in UTC of year, month, day, hour and minute."""
    try:
        year, month, day, hour, minute = (int(x) for x in parts)
        return datetime(year, month, day, hour, minute, tzinfo=UTC)
    except ValueError as error:
        raise DataError(f"{where}: {'-'.join(parts)} is no time; {error}") from error


def _of_iso(text: str, where: str, utc_offset_h: float | None) -> datetime:
    """A time in UTC of ISO 8601 text; one without offset only where the caller states it."""
    try:
        stamp = datetime.fromisoformat(text)
        if stamp.tzinfo is None and utc_offset_h is not None:
            stamp = stamp.replace(tzinfo=timezone(timedelta(hours=utc_offset_h)))
        if stamp.tzinfo is not None:
            return stamp.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{where}: '{text[:40]}' is no ISO 8601 time; {error}") from error
    raise TimeError(f"{where}: '{text}' has no time zone; write {text}Z for UTC, or state utc_offset_h")


# ---------------------------------------------------------------- tables and JSON


def _of_table(
    lines: list[str], header: int, name: str, utc_offset_h: float | None
) -> tuple[list[FoundReport], list[str]]:
    """Reports in a column of a table, or sky cover in columns of its own."""
    separator = max(",;\t", key=lines[header].count)
    reader = csv.reader(lines[header:], delimiter=separator, skipinitialspace=True, strict=True)
    zone = next((m[1] for line in lines[:header] if (m := _ZONE.match(line[:_MAX_LINE]))), None)
    found: list[FoundReport] = []
    passed = 0
    try:
        names = [c.strip() for c in next(reader)]
        for cells in reader:
            where, line = f"{name} line {header + reader.line_num}", header + reader.line_num
            if not any(c.strip() for c in cells) or cells[0].startswith("#"):
                continue
            if len(cells) != len(names):
                raise DataError(f"{where}: {len(cells)} cells; expected {len(names)}, as in the header; mend the line")
            row = {n: c.strip() for n, c in reversed(list(zip(names, cells, strict=True)))}
            report = _of_row(row, line, where, _known_offset(zone, utc_offset_h))
            passed += report is None
            found += [report] if report is not None else []
    except csv.Error as error:
        where = f"{name} line {header + reader.line_num}"
        raise DataError(f"{where}: not valid CSV: {error}; mend its quotation marks") from error
    return found, [f"{name}: {passed} rows hold no airport report and were passed over"] if passed else []


def _known_offset(zone: str | None, utc_offset_h: float | None) -> float | None:
    return 0.0 if utc_offset_h is None and zone is not None and zone.lower() in _UTC_NAMES else utc_offset_h


def _of_row(row: dict[str, str], line: int, where: str, utc_offset_h: float | None) -> FoundReport | None:
    """The report of a row, None where it holds other than a report of an airport."""
    column, time, in_utc = next(t for t in (*_TABLES, ("", "valid", False)) if t[0] in row or not t[0])
    station = next((row[c] for c in ("station", "station_id", "CALL_SIGN") if c in row), "")
    if column:
        # A report states its time in UTC; the column tells no more than its month, whichever its zone.
        stamp = _of_iso(row[time], where, 0.0 if in_utc else utc_offset_h or 0.0)
        match = _IN_REMARK.search(row[column][:_MAX_LINE])
        if match is None and column == "REM":
            return None
        return FoundReport(line, match[0] if match is not None else "", stamp, station)
    if utc_offset_h is None:
        raise TimeError(
            f"{where}: valid '{row[time]}' has no time zone; download in UTC (tz=Etc/UTC) and state utc_offset_h = 0"
        )
    return _of_sky_columns(row, line, station, _of_iso(row[time], where, utc_offset_h))


def _of_sky_columns(row: dict[str, str], line: int, station: str, stamp: datetime) -> FoundReport:
    groups = [row[c].upper() for c in _SKY if row.get(c, "").upper() not in ("", "M", "NULL", "NONE", "///")]
    digits = row.get("vsby", "")
    miles = float(digits) if re.fullmatch(r"\d{1,3}(\.\d{0,4})?", digits, re.ASCII) else None
    body = " ".join(g if g in ("SKC", "CLR", "NSC", "NCD", "CAVOK") else f"{g}///" for g in groups)
    text = f"{station} {stamp:%d%H%M}Z {body}" if body else ""
    return FoundReport(line, text, stamp, station, None if miles is None else miles * _MILE_M)


def _of_json(text: str, name: str) -> Iterator[FoundReport]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}: not valid JSON, perhaps cut short: {error}") from error
    entries = content if isinstance(content, list) else [content]
    for number, entry in enumerate(entries, start=1):
        where = f"{name} report {number}"
        if not isinstance(entry, dict) or not isinstance(entry.get("rawOb"), str):
            raise DataError(f"{where}: has no text rawOb; expected a list of reports of the Aviation Weather Center")
        match = _IN_REMARK.search(entry["rawOb"][:_MAX_LINE])
        station = entry.get("icaoId")
        yield FoundReport(
            number, match[0] if match else "", _of_entry(entry, where), station if isinstance(station, str) else ""
        )


def _of_xml(text: str, name: str) -> list[FoundReport]:
    """Reports of ``METAR`` elements, each with its raw text and time."""
    found: list[FoundReport] = []
    entry: dict[str, str] = {}

    def begin(tag: str, _: dict[str, str], where: str) -> None:
        if tag == "METAR":
            entry.clear()

    def finish(tag: str, content: str, where: str) -> None:
        entry[tag] = content
        if tag != "METAR":
            return
        missing = [k for k in ("raw_text", "observation_time") if not entry.get(k)]
        if missing:
            raise DataError(f"{where}: a METAR lacks {' and '.join(missing)}; download the file again")
        match = _IN_REMARK.search(entry["raw_text"][:_MAX_LINE])
        stamp = _of_iso(entry["observation_time"], where, 0.0)
        found.append(FoundReport(len(found) + 1, match[0] if match else "", stamp, entry.get("station_id", "")))

    walk_xml(text, name, begin, finish)
    if not found:
        raise DataError(f"{name}: XML without a METAR; expected that of the Aviation Weather Center; give another file")
    return found


def _of_entry(entry: dict[str, Any], where: str) -> datetime:
    seconds = entry.get("obsTime")
    if isinstance(seconds, int) and not isinstance(seconds, bool):
        try:
            return datetime.fromtimestamp(seconds, UTC)
        except (ValueError, OverflowError, OSError) as error:
            raise DataError(f"{where}: obsTime {seconds} is no time in seconds since 1970") from error
    return _of_iso(str(entry.get("reportTime", seconds)), where, 0.0)
