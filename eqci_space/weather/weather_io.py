"""Weather files of many forms as one table of cloud cover: grids, forecasts, airport reports, typical years, CSV.

The form is told by the content. Nothing is interpolated and no missing hour is made up: gaps are reported.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from eqci_space.errors import BadRecordWarning, DataError, EqciWarning, TableError, TimeError
from eqci_space.files.atomic import write_atomically
from eqci_space.files.csv_text import csv_text
from eqci_space.weather.content_io import PARTS, SHOWN, UNITS, RawWeather, ReadOptions, sniffed, unpacked

__all__ = ["read_weather", "write_weather_csv"]

_OBSCURED_OKTA = (9.0, -1.0)
_PACKING = 1e-4
_COLUMNS = ["site", "time", *PARTS.values(), "cover_kind", "visibility_m", "source"]
_USED = {
    "netcdf": ("sites", "unit", "variable"),
    "grib": ("sites", "unit", "variable"),
    "openmeteo": ("sites", "unit", "utc_offset_h", "variable"),
    "metar": ("sites", "utc_offset_h", "reference", "names"),
    "epw": ("sites", "reference"),
    "csv": ("sites", "unit", "utc_offset_h", "variable", "names"),
}


def read_weather(
    path: str | Path,
    *,
    sites: Mapping[str, tuple[float, float]] | None = None,
    kind: str | None = None,
    unit: Literal["fraction", "percent", "okta", "tenths"] | None = None,
    utc_offset_h: float | None = None,
    variable: str | None = None,
    reference: datetime | None = None,
    names: Mapping[str, str] | None = None,
    on_gap: Literal["report", "raise"] = "report",
) -> pd.DataFrame:
    """Read cloud cover from a weather file.

    Parameters
    ----------
    path : path
        ERA5 and other netCDF (both layouts of the Climate Data Store, also inside a ZIP), GRIB, Open-Meteo JSON or
        CSV, METAR reports (one per line, or as their services hand them out), EPW, or CSV with
        ``site, time, cloud_fraction`` (or ``cloud_percent``, ``cloud_okta``, ``cloud_tenths``; layers and
        ``visibility_m`` likewise).
    sites : mapping, optional
        Name to (latitude, longitude) [deg]. Grids need it and give the nearest cell, never an interpolation, which
        would smear the values away from 0 and 1. Open-Meteo and EPW files take their names from it. METAR and CSV
        files carry names; there it picks those.
    kind : str, optional
        netcdf, grib, openmeteo, metar, epw or csv; default by content.
    unit : str, optional
        Unit of the total cover, against what the file says. Of layers too, except in CSV.
    utc_offset_h : float, optional
        Offset [h, east positive] of times without one, in CSV, before METAR reports, and in Open-Meteo files that
        state none.
    variable : str, optional
        Name of the total cover in a grid, CSV or Open-Meteo file. In grids ``tcc[number=3]`` chooses along axes that
        are neither time nor place, such as the members of an ensemble.
    reference : datetime, optional
        Aware. METAR: year and month of all reports. EPW: its year stands for those of the typical year.
    names : mapping, optional
        METAR and CSV: what the file calls a site of `sites`, such as ``{"GRAZ": "LOWG"}``; default the same.
    on_gap : {"report", "raise"}
        Whether missing times and unusable records give a warning or an error.

    Returns
    -------
    DataFrame
        Sorted by `site` and `time`, unique: `site`, `time` (UTC, ns), `cloud_fraction` (0..1), `low_fraction`,
        `mid_fraction`, `high_fraction` (NaN unknown), `cover_kind` ("sky" or "earth"), `visibility_m` (NaN
        unknown), `source`. ``attrs["gaps"]`` lists (site, first missing, last missing), by the most frequent step of
        each site; ``attrs["bad_records"]`` the records without cover.

    Raises
    ------
    DataError
        The file cannot be read, a value does not fit its unit, times do not rise, a site is not covered, a package
        is missing, or `on_gap` is "raise" and something is missing. File, record and field are named.
    TimeError
        A time has no zone, or no year and month.

    Warns
    -----
    BadRecordWarning
        Times are missing or records had no cover.
    EqciWarning
        An Open-Meteo file is in local time, or an ensemble's; or something in a file was passed over.
    """
    if on_gap not in ("report", "raise"):
        raise DataError(f"read_weather: on_gap '{on_gap}'; expected 'report' or 'raise'")
    options = _checked(ReadOptions(_checked_sites(sites), unit, utc_offset_h, variable, reference, dict(names or {})))
    path = Path(path)
    if not path.is_file():
        raise DataError(f"read_weather: no file '{path}'")
    with unpacked(path) as content:
        form = kind if kind is not None else sniffed(content, path.name)
        reader = _reader(form, options)
        raw = reader(content, path.name, options)
    table, gaps = _canonical(raw, path.name, form, options)
    for notice in raw.notices:
        warnings.warn(notice, EqciWarning, stacklevel=2)
    if gaps or raw.bad:
        message = _summary(path.name, gaps, raw.bad)
        if on_gap == "raise":
            raise DataError(message)
        warnings.warn(message, BadRecordWarning, stacklevel=2)
    table.attrs["gaps"], table.attrs["bad_records"] = gaps, raw.bad
    return table


def write_weather_csv(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table of `read_weather` as CSV that it reads back to the same values.

    Raises
    ------
    TableError
        A column is missing.
    TimeError
        The times have no zone.
    DataError
        The file cannot be written.
    """
    missing = [c for c in _COLUMNS if c not in table.columns]
    if missing:
        raise TableError(f"write_weather_csv: the table lacks '{missing[0]}'; expected {', '.join(_COLUMNS)}")
    if not isinstance(table["time"].dtype, pd.DatetimeTZDtype):
        raise TimeError("write_weather_csv: the times have no zone; use tz_localize")
    times = [t.isoformat().replace("+00:00", "Z") for t in table["time"].dt.tz_convert("UTC")]
    text = csv_text(table[_COLUMNS].assign(time=times), index=False)
    write_atomically(Path(path), text.encode())


# ---------------------------------------------------------------- arguments and forms


def _checked_sites(sites: Mapping[str, tuple[float, float]] | None) -> dict[str, tuple[float, float]] | None:
    if sites is None:
        return None
    checked = {}
    for name, place in dict(sites).items():
        try:
            latitude, longitude = (float(x) for x in place)
        except (TypeError, ValueError) as error:
            raise DataError(f"read_weather: site '{name}' is {place!r}; expected (latitude, longitude)") from error
        if not (-90 <= latitude <= 90 and -180 <= longitude <= 360):
            raise DataError(f"read_weather: site '{name}' at {place}; expected latitude -90..90, longitude -180..360")
        checked[str(name)] = latitude, longitude
    if not checked:
        raise DataError("read_weather: sites is empty; give name -> (latitude, longitude)")
    return checked


def _checked(options: ReadOptions) -> ReadOptions:
    if options.unit is not None and options.unit not in UNITS:
        raise DataError(f"read_weather: unit '{options.unit}'; expected one of {', '.join(UNITS)}")
    if options.utc_offset_h is not None and not -15 <= options.utc_offset_h <= 15:
        raise DataError(f"read_weather: utc_offset_h {options.utc_offset_h}; expected -15 to 15")
    if options.reference is not None and options.reference.tzinfo is None:
        raise TimeError(f"read_weather: reference {options.reference} has no time zone; add tzinfo=UTC")
    return options


def _reader(kind: str, options: ReadOptions) -> Callable[[Path, str, ReadOptions], RawWeather]:
    """The reader of a form, if all options have a meaning there."""
    if kind not in _USED:
        raise DataError(f"read_weather: kind '{kind}'; expected one of {', '.join(_USED)}")
    for option in ("sites", "unit", "utc_offset_h", "variable", "reference", "names"):
        if getattr(options, option) not in (None, {}) and option not in _USED[kind]:
            raise DataError(f"read_weather: {option} has no meaning for {kind} files; leave it out")
    from eqci_space.weather import csv_io, grib_io, json_io, metar_io, netcdf_io

    return {
        "netcdf": netcdf_io.read_netcdf,
        "grib": grib_io.read_grib,
        "openmeteo": json_io.read_open_meteo,
        "metar": metar_io.read_metar,
        "epw": metar_io.read_epw,
        "csv": csv_io.read_csv,
    }[kind]


# ---------------------------------------------------------------- the canonical table


def _canonical(
    raw: RawWeather, name: str, kind: str, options: ReadOptions
) -> tuple[pd.DataFrame, list[tuple[str, pd.Timestamp, pd.Timestamp]]]:
    """The table of `read_weather` and its gaps."""
    if raw.rows.empty:
        bad = f" with its station and time; {raw.bad[0]}" if raw.bad else ""
        raise DataError(f"{name}: no record found; expected at least one {raw.record}{bad}")
    rows = _picked(raw, name, kind, options).reset_index(drop=True)
    rows["time"] = _utc(rows, raw, name)
    _check_order(rows, raw, name)
    for part, column in PARTS.items():
        rows[column] = _fractions(rows, part, raw, name, explicit=options.unit) if part in raw.fields else math.nan
    for column, default in (("visibility_m", math.nan), ("cover_kind", raw.cover_kind), ("source", f"{kind}: {name}")):
        if column not in rows:
            rows[column] = default
    if (rows["visibility_m"] < 0).any():
        row = rows[rows["visibility_m"] < 0].iloc[0]
        where = f"{name} {raw.record} {row['record']}"
        raise DataError(f"{where}: visibility {row['visibility_m']:g} m; expected 0 or more")
    if "note" in rows:
        rows["source"] += rows["note"]
    known = rows["cloud_fraction"].notna()
    if not known.any():
        raise DataError(f"{name}: no record has a total cloud cover ({raw.fields['cloud'][0]})")
    gaps = []
    for site in sorted(rows["site"].unique()):
        here = rows["site"] == site
        spans = _gaps(pd.DatetimeIndex(rows.loc[here & known, "time"]), pd.DatetimeIndex(rows.loc[here, "time"]))
        gaps += [(site, first, last) for first, last in spans]
    return rows.loc[known, _COLUMNS].sort_values(["site", "time"], ignore_index=True), gaps


def _picked(raw: RawWeather, name: str, kind: str, options: ReadOptions) -> pd.DataFrame:
    """Rows of the sites asked for, in files that carry names."""
    if options.sites is None or kind not in ("metar", "csv"):
        return raw.rows
    present = set(raw.rows["site"])
    asked = {site: options.names.get(site, site) for site in options.sites}
    missing = [own for own in asked.values() if own not in present]
    if missing:
        shown = ", ".join(sorted(present)[:SHOWN])
        raise DataError(
            f"{name}: has no site '{missing[0]}'; it has {shown}; say which of them stands for it, such as "
            f"names = {{ '{next(s for s, own in asked.items() if own == missing[0])}' = '{min(present)}' }} under "
            "[weather] in a scenario"
        )
    return pd.concat([raw.rows[raw.rows["site"] == own].assign(site=site) for site, own in asked.items()])


def _utc(rows: pd.DataFrame, raw: RawWeather, name: str) -> pd.Series:
    try:
        return pd.Series(pd.DatetimeIndex(pd.to_datetime(rows["time"], utc=True)).as_unit("ns"), index=rows.index)
    except (ValueError, OverflowError) as error:
        shown = ", ".join(str(t) for t in (min(rows["time"]), max(rows["time"])))
        raise DataError(f"{name}: times reach from {shown}; expected the years 1678 to 2261") from error


def _check_order(rows: pd.DataFrame, raw: RawWeather, name: str) -> None:
    step = rows.groupby("site", sort=False)["time"].diff()
    wrong = rows[step <= pd.Timedelta(0)]
    if wrong.empty:
        return
    before = rows.groupby("site", sort=False)["time"].shift()
    texts = [
        f"{raw.record} {row.record} '{row.site}' {row.time:%Y-%m-%dT%H:%M:%SZ} stands "
        + ("twice" if row.time == before[row.Index] else f"behind {before[row.Index]:%Y-%m-%dT%H:%M:%SZ}")
        for row in wrong.head(SHOWN).itertuples()
    ]
    more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    raise DataError(f"{name}: times of a site must rise: {'; '.join(texts)}{more}; {raw.hint}")


def _fractions(rows: pd.DataFrame, part: str, raw: RawWeather, name: str, *, explicit: str | None) -> pd.Series:
    """A column of cover as fraction; whatever its unit cannot hold is refused."""
    column, unit = raw.fields[part]
    full = UNITS[unit]
    values = rows[part].astype(float)
    if unit == "okta":
        values = values.mask(values.isin(_OBSCURED_OKTA), full)
    fractions = values / full
    wrong = (fractions < -_PACKING) | (fractions > 1 + _PACKING)
    if wrong.any():
        row = rows[wrong].iloc[0]
        also = ", 9 or -1 (sky obscured)" if unit == "okta" else ""
        raise DataError(
            f"{name} {raw.record} {row['record']} '{row['site']}': {column} {row[part]:g} is no {unit}; expected 0 to "
            f"{full:g}{also}; mend the value or name the true unit ({', '.join(UNITS)})"
        )
    if part == "cloud" and unit == "percent" and explicit is None and 0 < values.max() <= 1:
        row = rows.loc[values.idxmax()]
        raise DataError(
            f"{name} {raw.record} {row['record']} '{row['site']}': {column} {row[part]:g} is the largest value, though "
            "the unit is percent; expected values above 1; say unit='fraction', or unit='percent' if it is true"
        )
    return fractions.clip(0.0, 1.0)


def _gaps(known: pd.DatetimeIndex, every: pd.DatetimeIndex) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """First and last missing time of each gap: records without value, and steps longer than the most frequent one.

    All that is missing between two neighbouring known times is one gap.
    """
    times = every.asi8
    lost = times[~every.isin(known)]
    first, last = [lost], [lost]
    if len(times) > 1:
        steps, counts = np.unique(np.diff(times), return_counts=True)
        step = steps[counts.argmax()]
        long = np.flatnonzero(np.diff(times) > 1.5 * step)
        first.append(times[long] + step)
        last.append(times[long] + np.maximum((times[long + 1] - times[long] - 1) // step, 1) * step)
    spans = pd.DataFrame({"first": np.concatenate(first), "last": np.concatenate(last)})
    merged = spans.groupby(np.searchsorted(known.asi8, spans["first"].to_numpy())).agg({"first": "min", "last": "max"})
    return [
        (pd.Timestamp(a, tz=UTC), pd.Timestamp(b, tz=UTC)) for a, b in zip(merged["first"], merged["last"], strict=True)
    ]


def _summary(name: str, gaps: list[tuple[str, pd.Timestamp, pd.Timestamp]], bad: list[str]) -> str:
    """One message on all that is missing, the first few in words."""
    shown = [f"'{site}' {first:%Y-%m-%dT%H:%MZ} to {last:%Y-%m-%dT%H:%MZ}" for site, first, last in gaps[:SHOWN]]
    parts = [f"{len(gaps)} gaps in time: {'; '.join(shown)}" + ("; ..." if len(gaps) > SHOWN else "")] if gaps else []
    if bad:
        parts.append(
            f"{len(bad)} records without cover: {'; '.join(bad[:SHOWN])}" + ("; ..." if len(bad) > SHOWN else "")
        )
    return f"{name}: " + " | ".join(parts) + " (nothing was filled in)"
