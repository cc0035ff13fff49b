"""Cloud cover and visibility as observers noted them: airport reports (METAR, SPECI) and typical years (EPW)."""

from __future__ import annotations

import math
import re
import warnings
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pandas as pd

from eqci_space.errors import DataError, TimeError
from eqci_space.weather.content_io import RawWeather, ReadOptions, parse_number, read_text
from eqci_space.weather.json_io import located

__all__ = ["read_epw", "read_metar"]

_LINE = re.compile(
    r"(?:(?P<stamp>\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:?\d\d)?)[,;\s]\s*)?"
    r"(?:(?:METAR|SPECI)\s+)?(?:COR\s+)?(?P<station>[A-Z][A-Z0-9]{3})\s+"
    r"(?P<day>\d\d)(?P<hour>\d\d)(?P<minute>\d\d)Z\s+(?P<body>.*)",
    re.ASCII,
)
_COVER = re.compile(r"(SKC|CLR|NCD|NSC|FEW|SCT|BKN|OVC|VV)")
_OKTAS = {"SKC": 0.0, "CLR": 0.0, "NCD": 0.0, "NSC": 0.0, "FEW": 1.5, "SCT": 3.5, "BKN": 6.0, "OVC": 8.0, "VV": 8.0}
_LIMITED = {
    **dict.fromkeys(("CAVOK", "NSC", "NCD"), "no cloud below 5000 ft; cirrus unknown"),
    "CLR": "no cloud below 12000 ft; cirrus unknown",
}
_BODY_ENDS = ("RMK", "RMKS", "TEMPO", "BECMG", "NOSIG", "FCST")
_CAVOK_M = 10_000.0
_MAX_LINE = 2000


def read_metar(path: Path, name: str, options: ReadOptions) -> RawWeather:
    """Read reports; the layer of largest cover counts, since a report sums up from below.

    A report says only day and time. Its year and month come from an ISO 8601 time in front of it, or from `reference`.
    Cover in oktas: FEW 1.5, SCT 3.5, BKN 6, OVC and VV (sky obscured) 8. Where a report means no cloud below a height,
    the source says so. Source of the groups: WMO-No. 306, code form FM 15.

    Raises
    ------
    DataError
        A line is no report, or a package is missing.
    TimeError
        Year and month are unknown, or the time in front has no zone.
    """
    rows, bad = [], []
    for number, line in enumerate(read_text(path, name).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        where = f"{name} line {number}"
        match = _LINE.fullmatch(line.strip().rstrip("=").strip()) if line.isascii() and len(line) < _MAX_LINE else None
        if match is None:
            raise DataError(
                f"{where}: '{line.strip()[:40]}' is no report; expected [ISO time] [METAR] station ddhhmmZ ..."
            )
        time = _time(match, where, options)
        okta, visibility_m, note, problem = _decoded(match, time, where)
        if problem:
            bad.append(f"line {number} {match['station']} {match['day']}{match['hour']}{match['minute']}Z: {problem}")
        rows.append((number, match["station"], time, okta, visibility_m, note))
    table = pd.DataFrame(rows, columns=["record", "site", "time", "cloud", "visibility_m", "note"])
    return RawWeather(
        table, "line", {"cloud": ("cloud groups", "okta")}, "sky", bad,
        hint="sort the reports, keep corrections only, and put ISO 8601 times in front if they cross months",
    )  # fmt: skip


def _time(match: re.Match[str], where: str, options: ReadOptions) -> datetime:
    """Time of a report: in the month of `reference`, or on the day nearest to the time in front."""
    group = f"{match['day']}{match['hour']}{match['minute']}Z"
    day, hour, minute = (int(match[k]) for k in ("day", "hour", "minute"))
    if match["stamp"] is None:
        if options.reference is None:
            raise TimeError(
                f"{where}: '{group}' has no year and month; put an ISO 8601 time in front of each line, or give "
                "reference=datetime(year, month, 1, tzinfo=UTC)"
            )
        first, months = options.reference.astimezone(UTC), [0]
    else:
        first, months = _stamp(match["stamp"], where), [-1, 0, 1]
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
    if match["stamp"] is not None and abs(best - first) > timedelta(days=1):
        raise DataError(f"{where}: time group '{group}' is more than a day from {match['stamp']} in front of it")
    return best


def _stamp(text: str, where: str) -> datetime:
    try:
        stamp = datetime.fromisoformat(text)
        if stamp.tzinfo is not None:
            return stamp.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{where}: '{text}' is no ISO 8601 time; {error}") from error
    raise TimeError(f"{where}: '{text}' has no time zone; write {text}Z for UTC")


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
