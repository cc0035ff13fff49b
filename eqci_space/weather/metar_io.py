"""Cloud cover and visibility as observers noted them: airport reports (METAR, SPECI) and typical years (EPW)."""

from __future__ import annotations

import math
import re
import warnings
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd

from eqci_space.errors import DataError, TimeError
from eqci_space.weather.content_io import SHOWN, RawWeather, ReadOptions, parse_number, read_text
from eqci_space.weather.json_io import located
from eqci_space.weather.reports_io import REPORT, FoundReport, found_reports

__all__ = ["read_epw", "read_metar"]

_COVER = re.compile(r"(SKC|CLR|NCD|NSC|FEW|SCT|BKN|OVC|VV)")
_OKTAS = {"SKC": 0.0, "CLR": 0.0, "NCD": 0.0, "NSC": 0.0, "FEW": 1.5, "SCT": 3.5, "BKN": 6.0, "OVC": 8.0, "VV": 8.0}
_LIMITED = {
    **dict.fromkeys(("CAVOK", "NSC", "NCD"), "no cloud below 5000 ft; cirrus unknown"),
    "CLR": "no cloud below 12000 ft; cirrus unknown",
}
_COLUMNS = ("record", "site", "time", "cloud", "visibility_m", "note")
_BODY_ENDS = ("RMK", "RMKS", "TEMPO", "BECMG", "NOSIG", "FCST")
_CAVOK_M = 10_000.0


def read_metar(path: Path, name: str, options: ReadOptions) -> RawWeather:
    """Read reports; the layer of largest cover counts, since a report sums up from below.

    A report says only day and time. Its year and month come from the time that the service gives it, or from
    `reference`. Reports with such times are put in order; of several of one time a correction counts, or else the last.
    Cover in oktas: FEW 1.5, SCT 3.5, BKN 6, OVC and VV (sky obscured) 8. Where a report means no cloud below a height,
    the source says so. Source of the groups: WMO-No. 306, code form FM 15.

    Raises
    ------
    DataError
        A line is no report, or a package is missing.
    TimeError
        Year and month are unknown, or the time in front has no zone.
    """
    found, notices = found_reports(read_text(path, name), name, utc_offset_h=options.utc_offset_h)
    bad: dict[int, str] = {}
    rows = [row for report in found if (row := _row(report, name, options, bad)) is not None]
    if found and all(report.stamp is not None for report in found):
        rows, twice = _in_order(rows, bad)
        notices += [f"{name}: {twice}; the last of each counts"] if twice else []
    table = pd.DataFrame(rows, columns=[*_COLUMNS, "corrected"]).drop(columns="corrected")
    return RawWeather(
        table, "line", {"cloud": ("cloud groups", "okta")}, "sky", list(bad.values()), notices,
        hint="sort the reports, keep corrections only, and put ISO 8601 times in front if they cross months",
    )  # fmt: skip


def _row(report: FoundReport, name: str, options: ReadOptions, bad: dict[int, str]) -> tuple[Any, ...] | None:
    """A row of the table; what is wrong with its report is added to `bad`."""
    where = f"{name} line {report.line}"
    text = report.text.rstrip("= ")
    match = REPORT.fullmatch(text) if text.isascii() else None
    if match is None:
        bad[report.line] = f"line {report.line} {report.station}".rstrip() + ": no report"
        if report.stamp is None or not report.station:
            return None
        return report.line, report.station, report.stamp, math.nan, math.nan, "", False
    time = _time(match, report.stamp, where, options)
    okta, visibility_m, note, problem = _decoded(match, time, where)
    if problem:
        group = f"{match['day']}{match['hour']}{match['minute']}Z"
        bad[report.line] = f"line {report.line} {match['station']} {group}: {problem}"
    visibility_m = visibility_m if report.visibility_m is None else report.visibility_m
    corrected = match["corrected"] is not None or match["body"].startswith("COR ")
    return report.line, match["station"], time, okta, visibility_m, note, corrected


def _in_order(rows: list[tuple[Any, ...]], bad: dict[int, str]) -> tuple[list[tuple[Any, ...]], str]:
    """Rows by time, one of each station and time; and which had several that differ.

    What is wrong with a report beside which another counts is taken out of `bad`.
    """
    best: dict[tuple[str, datetime], tuple[Any, ...]] = {}
    differ: list[str] = []
    for row in rows:
        at, rank = (row[1], row[2]), (not math.isnan(row[3]), row[6])
        old = best.get(at)
        if old is None:
            best[at] = row
            continue
        old_rank = (not math.isnan(old[3]), old[6])
        if old_rank == rank and rank[0] and old[3] != row[3]:
            differ.append(f"'{at[0]}' {at[1]:%Y-%m-%dT%H:%MZ}")
        best[at], lost = (old, row) if old_rank > rank else (row, old)
        bad.pop(lost[0], None)
    shown = ", ".join(differ[:SHOWN]) + ("; ..." if len(differ) > SHOWN else "")
    return sorted(best.values(), key=lambda row: row[2]), f"several reports differ at {shown}" if differ else ""


def _time(match: re.Match[str], stamp: datetime | None, where: str, options: ReadOptions) -> datetime:
    """Time of a report: in the month of `reference`, or on the day nearest to the time that its service gives it."""
    group = f"{match['day']}{match['hour']}{match['minute']}Z"
    day, hour, minute = (int(match[k]) for k in ("day", "hour", "minute"))
    if stamp is None:
        if options.reference is None:
            raise TimeError(
                f"{where}: '{group}' has no year and month; put an ISO 8601 time in front of each line, or give its "
                "month: reference = 2027-03-01T00:00:00Z under [weather] in a scenario, "
                "reference=datetime(2027, 3, 1, tzinfo=UTC) in Python"
            )
        first, months = options.reference.astimezone(UTC), [0]
    else:
        first, months = stamp, [-1, 0, 1]
    found = []
    for shift in months:
        month = first.year * 12 + first.month - 1 + shift
        try:
            found.append(datetime(month // 12, month % 12 + 1, day, hour, minute, tzinfo=UTC))
        except ValueError:
            continue  # this month has no such day
    best = min(found, key=lambda t: abs(t - first), default=None)
    if best is None:
        raise DataError(f"{where}: time group '{group}' is no time of {first:%Y-%m}")
    if stamp is not None and abs(best - first) > timedelta(days=1):
        raise DataError(f"{where}: time group '{group}' is more than a day from {first:%Y-%m-%dT%H:%MZ} beside it")
    return best


def _decoded(match: re.Match[str], time: datetime, where: str) -> tuple[float, float, str, str]:
    """Cover [okta], visibility [m], remark for the source, and what is wrong with the report."""
    try:
        from metar import Metar
    except ImportError as error:
        raise DataError(f'{where}: METAR needs the package metar; pip install "eqci-space[weather]"') from error
    words = match["body"].split()
    ends = [i for i, w in enumerate(words) if w in _BODY_ENDS]
    words = words[: ends[0]] if ends else words
    limited = next((f"; {w}: {_LIMITED[w]}" for w in words if w in _LIMITED), "")
    if "CAVOK" in words:
        return 0.0, _CAVOK_M, limited, ""
    if "NIL" in words:
        return math.nan, math.nan, "", "NIL, no report"
    text = f"{match['station']} {match['day']}{match['hour']}{match['minute']}Z {' '.join(words)}"
    with warnings.catch_warnings():
        # The parser warns of every group that it does not know; those of cloud are counted below.
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            report = Metar.Metar(text, month=time.month, year=time.year, strict=False)
        except (Metar.ParserError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            return math.nan, math.nan, "", f"cannot be parsed ({error})"
    covers = [cover for cover, _, _ in report.sky if cover in _OKTAS]
    if len(covers) < sum(_COVER.match(w) is not None for w in words):
        return math.nan, math.nan, "", "cloud groups cannot be parsed"
    # The parser takes "////", visibility unknown, for 10 km.
    visibility_m = report.vis.value("M") if report.vis is not None and "////" not in words else math.nan
    if not covers:
        return math.nan, visibility_m, "", "no cloud group"
    return max(_OKTAS[c] for c in covers), visibility_m, limited, ""


# ---------------------------------------------------------------- EPW


def read_epw(path: Path, name: str, options: ReadOptions) -> RawWeather:
    """EnergyPlus weather: eight lines of header, then 35 columns in local standard time, hours 1 to 24 ending.

    Sky cover is that at the hour indicated, so hour 1 is 01:00. Source: EnergyPlus Auxiliary Programs, "EnergyPlus
    Weather File (EPW) Data Dictionary".

    Raises
    ------
    DataError
        The header is incomplete, a line is too short, or a value or date is none.
    """
    lines = read_text(path, name, fallback="latin-1").splitlines()
    place = [c.strip() for c in lines[0].split(",")]
    if len(lines) < 9 or not lines[7].upper().startswith("DATA PERIODS,") or len(place) < 10:
        raise DataError(f"{name}: expected eight header lines from LOCATION (10 values) to DATA PERIODS, then data")
    latitude, longitude, zone_h = (
        parse_number(place[i], f"{name} line 1: {what}")
        for i, what in ((6, "latitude"), (7, "longitude"), (8, "time zone"))
    )
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 360 and -15 <= zone_h <= 15):
        raise DataError(
            f"{name} line 1: latitude {latitude:g}, longitude {longitude:g}, time zone {zone_h:g} h of no place"
        )
    per_hour = parse_number(([*lines[7].split(","), ""])[2].strip(), f"{name} line 8: records per hour")
    zone = timezone(timedelta(hours=zone_h))
    records = [
        (number, *_epw_record(line.split(","), f"{name} line {number}", zone, per_hour, options.reference))
        for number, line in enumerate(lines[8:], start=9)
        if line.strip()
    ]
    rows = pd.DataFrame(records, columns=["record", "time", "cloud", "visibility_m"])
    sites = [s for s, _ in located([(latitude, longitude)], name, options)] if options.sites else [place[1] or "epw"]
    return RawWeather(
        pd.concat([rows.assign(site=site) for site in sites]), "line", {"cloud": ("total sky cover", "tenths")}, "sky",
        hint="a typical year joins months of several years; reference=datetime(..., tzinfo=UTC) lays them in one",
    )  # fmt: skip


def _epw_record(
    values: list[str], where: str, zone: timezone, per_hour: float, reference: datetime | None
) -> tuple[datetime, float, float]:
    """Time, total sky cover [tenths] and visibility [m] of a record."""
    if len(values) < 25:
        raise DataError(f"{where}: {len(values)} values; expected 35")
    names = ("year", "month", "day", "hour", "minute")
    stamp = [parse_number(v.strip(), f"{where}: {n}") for n, v in zip(names, values, strict=False)]
    year, month, day, hour, minute = (int(x) if x == int(x) else -1 for x in stamp)
    if not (1 <= hour <= 24 and 0 <= minute <= 60):
        raise DataError(f"{where}: hour {stamp[3]:g}, minute {stamp[4]:g}; expected hours 1 to 24, minutes 0 to 60")
    year = reference.year if reference is not None else year
    try:
        midnight = datetime(year, month, day, tzinfo=zone)
        time = (midnight + timedelta(hours=hour - 1, minutes=minute if per_hour > 1 else 60)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{where}: {year}-{stamp[1]:g}-{stamp[2]:g} is no date; {error}") from error
    cover = parse_number(values[22].strip(), f"{where}: total sky cover (column 23)")
    visibility_km = parse_number(values[24].strip(), f"{where}: visibility (column 25)")
    return time, math.nan if cover == 99 else cover, math.nan if visibility_km >= 9999 else visibility_km * 1e3
