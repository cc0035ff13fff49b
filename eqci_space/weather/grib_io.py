"""Cloud cover of reanalyses and forecasts in GRIB, at the cells nearest to named sites."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eqci_space.errors import DataError
from eqci_space.weather.content_io import BROKEN_CONTENT, RawWeather, ReadOptions, chosen_variable
from eqci_space.weather.netcdf_io import nearest_cell, stated_unit

__all__ = ["read_grib"]

_LAYERS = {"lcc": "low", "mcc": "mid", "hcc": "high"}
_MISSING = 1e30
_TIME_UNITS = (*range(8), *range(10, 15), 254)


def read_grib(path: Path, name: str, options: ReadOptions) -> RawWeather:
    """Read cover at the cells nearest to the sites, message by message.

    The messages need not make a cube: variables, steps, grids and preliminary data may be mixed. No index is written.

    Raises
    ------
    DataError
        The file is cut short or no regular grid, total cover, a unit or a package is missing, two messages tell of the
        same time, or a site lies outside.
    """
    try:
        import cfgrib
    except (ImportError, RuntimeError) as error:
        raise DataError(f'{name}: GRIB needs cfgrib ({error}); pip install "eqci-space[weather]"') from error
    if options.sites is None:
        raise DataError(f"{name}: a grid needs sites; give sites={{name: (latitude, longitude)}}")
    try:
        _check_frames(path, name)
        stream = cfgrib.FileStream(str(path.absolute()), errors="raise")
        with closing(iter(stream.items())) as messages:
            return _at_sites(messages, name, options, options.sites)
    except (*BROKEN_CONTENT, cfgrib.messages.eccodes.CodesInternalError) as error:
        raise DataError(f"{name}: not a readable GRIB file, perhaps cut short: {error}") from error
    finally:
        # A stream that is left early keeps this global switch of ecCodes on.
        cfgrib.messages.eccodes.codes_grib_multi_support_off()


def _check_frames(path: Path, name: str) -> None:
    """Follow the lengths of all messages and sections to the end of the file.

    ecCodes passes over what is cut off between two messages, and may crash, or not return, on lengths that contradict
    each other and on unknown units of time.
    Source: WMO-No. 306, Vol. I.2, FM 92 GRIB, editions 1 and 2.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = 0
        while start < len(content) and content[start : start + 4].strip(b"\0\r\n "):
            edition = content[start + 7] if start + 16 <= len(content) else 0
            if content[start : start + 4] != b"GRIB" or edition not in (1, 2):
                raise DataError(f"{name}: no GRIB message of edition 1 or 2 at byte {start}; file cut short or damaged")
            end = _end_of_edition_1(content, start) if edition == 1 else _end_of_edition_2(content, start)
            if end is None or end > len(content) or content[end - 4 : end] != b"7777":
                raise DataError(f"{name}: the GRIB message at byte {start} has no sound end; file cut short or damaged")
            start = end


def _end_of_edition_1(content: mmap.mmap, start: int) -> int | None:
    """First byte after a message if its sections fill it, else None."""

    def length(at: int) -> int:
        return int.from_bytes(content[at : at + 3], "big")

    total, place, flags = length(start + 4), start + 8, content[start + 15]
    parts = [length(place)]
    if parts[0] < 28 or content[place + 17] not in _TIME_UNITS:
        return None
    if flags & 128:
        grid = place + parts[0]
        parts.append(length(grid))
        vertical, listed_at = content[grid + 3 : grid + 5].ljust(2, b"\0")
        if (vertical or listed_at != 255) and listed_at - 1 + 4 * vertical > parts[1]:
            return None
    if flags & 64:
        parts.append(length(place + sum(parts)))
    data = length(place + sum(parts))
    if total & 0x800000 and data < 120:
        # Beyond 8 MB ECMWF counts in units of 120 bytes; the length of the data section tells what they are too many.
        return start + (total & 0x7FFFFF) * 120 - data + 4
    return start + total if min(*parts, data) > 0 and 8 + sum(parts) + data + 4 == total else None


def _end_of_edition_2(content: mmap.mmap, start: int) -> int | None:
    """First byte after a message if its sections fill it, else None."""
    total, place = int.from_bytes(content[start + 8 : start + 16], "big"), start + 16
    while place < min(start + total, len(content)) - 4:
        length = int.from_bytes(content[place : place + 4], "big")
        if length < 5 or not 1 <= content[place + 4] <= 7:
            return None
        # Product templates 0 to 15 have the unit of the forecast time in octet 18; ecCodes may not return from others.
        product = content[place + 7 : place + 18] if content[place + 4] == 4 else b""
        if len(product) == 11 and product[:2] < b"\0\x10" and product[10] not in _TIME_UNITS:
            return None
        place += length
    return start + total if place == start + total - 4 else None


def _at_sites(
    messages: Iterator[tuple[Any, Any]], name: str, options: ReadOptions, sites: dict[str, tuple[float, float]]
) -> RawWeather:
    total, choice = chosen_variable(options.variable)
    parts = {total or "tcc": "cloud"} | {k: v for k, v in _LAYERS.items() if k != total}
    cells: dict[str, list[int]] = {}
    found: dict[datetime, dict[str, np.ndarray]] = {}
    fields: dict[str, tuple[str, str]] = {}
    others = set()
    for number, (_, message) in enumerate(messages, start=1):
        variable = str(message["shortName"])
        if variable not in parts or message["stepType"] != "instant":
            others.add(f"{variable} ({message['stepType']})")
            continue
        if any(str(message.get(key)) != value for key, value in choice.items()):
            others.add(f"{variable} of other {' and '.join(choice)}")
            continue
        part, where = parts[variable], f"{name} message {number}"
        unit = options.unit or stated_unit(message["units"])
        if unit is None or fields.get(part, (variable, unit)) != (variable, unit):
            raise DataError(f"{where}: {variable} has units '{message['units']}'; expected one known unit; say unit=")
        fields[part] = (variable, unit)
        grid = str(message["md5GridSection"])
        if grid not in cells:
            cells[grid] = [_nearest_point(message, place, where, site) for site, place in sites.items()]
        time = _time(message, where)
        if part in found.setdefault(time, {}):
            raise DataError(
                f"{where}: {variable} of {time:%Y-%m-%dT%H:%MZ} stands twice; expected one run, member and level; "
                f"choose by variable='{variable}[number={message.get('number', 0)}]' (or dataDate, level)"
            )
        values = np.atleast_1d(np.asarray(message["values"], dtype=float))[cells[grid]]
        found[time][part] = np.where(np.abs(values) > _MISSING, np.nan, values)
    if "cloud" not in fields:
        raise DataError(
            f"{name}: no instantaneous {total or 'tcc'}; found {', '.join(sorted(others)) or 'nothing else'}"
            "; name the total cover by variable="
        )
    return RawWeather(_rows(found, fields, list(sites)), "time step", fields, "earth")


def _rows(
    found: dict[datetime, dict[str, np.ndarray]], fields: dict[str, tuple[str, str]], sites: list[str]
) -> pd.DataFrame:
    """Rows by site and time; the order of messages in a file means nothing."""
    times, unknown = sorted(found), np.full(len(sites), np.nan)
    frames = []
    for i, site in enumerate(sites):
        columns = {part: [found[t].get(part, unknown)[i] for t in times] for part in fields}
        frames.append(pd.DataFrame({"record": range(1, len(times) + 1), "site": site, "time": times, **columns}))
    return pd.concat(frames)


def _nearest_point(message: Any, place: tuple[float, float], where: str, site: str) -> int:
    """Index into the values of a message, whichever way its grid is scanned."""
    if message["gridType"] not in ("regular_ll", "regular_gg"):
        raise DataError(f"{where}: grid '{message['gridType']}'; expected a regular grid of latitude and longitude")
    latitudes, longitudes = (np.atleast_1d(np.asarray(message[k], dtype=float)) for k in ("latitudes", "longitudes"))
    rows, columns = np.unique(latitudes), np.unique(longitudes)
    i, j = nearest_cell(rows, columns, place, where, site)
    return int(np.flatnonzero((latitudes == rows[i]) & (longitudes == columns[j]))[0])


def _time(message: Any, where: str) -> datetime:
    """Time for which a message holds."""
    date, clock = int(message["validityDate"]), int(message["validityTime"])
    try:
        day = datetime(date // 10000, date // 100 % 100, date % 100, tzinfo=UTC)
    except ValueError as error:
        raise DataError(f"{where}: validityDate {date} is no date; {error}") from error
    if not (0 <= clock // 100 <= 23 and 0 <= clock % 100 <= 59):
        raise DataError(f"{where}: validityTime {clock} is no time; expected HHMM")
    return day + timedelta(hours=clock // 100, minutes=clock % 100)
