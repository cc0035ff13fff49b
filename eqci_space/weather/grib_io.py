"""Cloud cover of reanalyses and forecasts in GRIB, at the cells nearest to named sites."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eqci_space.errors import DataError, EqciError
from eqci_space.weather.netcdf_io import nearest_cell, stated_unit
from eqci_space.weather.weather_io import RawWeather, ReadOptions

__all__ = ["read_grib"]

_LAYERS = {"lcc": "low", "mcc": "mid", "hcc": "high"}
_MISSING = 1e30


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
        stream = cfgrib.FileStream(str(path.absolute()), errors="raise")
        with closing(iter(stream.items())) as messages:
            return _at_sites(_checked_to_the_end(messages, path, name), name, options, options.sites)
    except EqciError:
        raise
    except Exception as error:
        raise DataError(f"{name}: not a readable GRIB file, perhaps cut short: {error}") from error
    finally:
        # A stream that is left early keeps this global switch of ecCodes on.
        cfgrib.messages.eccodes.codes_grib_multi_support_off()


def _checked_to_the_end(messages: Iterator[Any], path: Path, name: str) -> Iterator[Any]:
    """All messages; what follows the last one would otherwise be passed over in silence."""
    end = 0
    for _, message in messages:
        end = max(end, int(message["offset"]) + int(message["totalLength"]))
        yield message
    with path.open("rb") as stream:
        stream.seek(end)
        if stream.read(4096).strip(b"\0\r\n "):
            raise DataError(f"{name}: bytes follow the last whole message at {end}; the file is cut short or damaged")


def _at_sites(
    messages: Iterator[Any], name: str, options: ReadOptions, sites: dict[str, tuple[float, float]]
) -> RawWeather:
    parts = {options.variable or "tcc": "cloud"} | {k: v for k, v in _LAYERS.items() if k != options.variable}
    cells: dict[str, list[int]] = {}
    found: dict[datetime, dict[str, np.ndarray]] = {}
    fields: dict[str, tuple[str, str]] = {}
    others = set()
    for number, message in enumerate(messages, start=1):
        variable = str(message["shortName"])
        if variable not in parts or message["stepType"] != "instant":
            others.add(f"{variable} ({message['stepType']})")
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
                f"{where}: {variable} of {time:%Y-%m-%dT%H:%MZ} stands twice; expected one run, member and level"
            )
        values = np.atleast_1d(np.asarray(message["values"], dtype=float))[cells[grid]]
        found[time][part] = np.where(np.abs(values) > _MISSING, np.nan, values)
    if "cloud" not in fields:
        raise DataError(
            f"{name}: no instantaneous {options.variable or 'tcc'}; found {', '.join(sorted(others)) or 'nothing else'}"
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
