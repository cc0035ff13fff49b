"""Cloud records in CSV."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd

from eqci_space.errors import DataError, TimeError
from eqci_space.files.csv_rows import CsvError, CsvTable, csv_header, read_csv_table
from eqci_space.weather.content_io import COVER_KINDS, PARTS, UNITS, RawWeather, ReadOptions, read_text

__all__ = ["read_csv"]


def read_csv(path: Path, name: str, options: ReadOptions) -> RawWeather:
    """CSV with site, time and cover; lines that begin with # are comments.

    Raises
    ------
    DataError
        The table is malformed; lines and columns are named.
    TimeError
        A time has no zone.
    """
    text = read_text(path, name)
    header = csv_header(text, name, required=("site", "time"))
    fields = _csv_fields(header, name, options)
    numbers = [*(column for column, _ in fields.values()), "visibility_m"]
    table = read_csv_table(
        text, name, required=("site", "time"), numbers=numbers, unknown=("nan", "NaN"),
        wanted={"site", "time", *numbers, "cover_kind", "source"},
    )  # fmt: skip
    return RawWeather(_csv_rows(table, fields, name, options), "line", fields, "sky")


def _csv_fields(header: list[str], name: str, options: ReadOptions) -> dict[str, tuple[str, str]]:
    """Columns of cover and their units, which their names end with."""
    fields: dict[str, tuple[str, str]] = {}
    for part in PARTS:
        found = [(f"{part}_{unit}", unit) for unit in UNITS if f"{part}_{unit}" in header]
        if part == "cloud" and options.variable is not None:
            unit = next((u for u in UNITS if options.variable.endswith(f"_{u}")), None)
            found = [(options.variable, options.unit or unit or "")] if options.variable in header else []
        if len(found) > 1:
            raise DataError(f"{name}: columns {' and '.join(c for c, _ in found)}; expected one; choose by variable=")
        if found:
            fields[part] = found[0]
    if "cloud" not in fields:
        expected = options.variable or ", ".join(f"cloud_{u}" for u in UNITS)
        raise DataError(f"{name}: no column of total cover; expected {expected}; found {header}; name it by variable=")
    column, unit = fields["cloud"][0], options.unit or fields["cloud"][1]
    if not unit:
        raise DataError(f"{name}: the unit of column '{column}' is unknown; say unit= one of {', '.join(UNITS)}")
    return {**fields, "cloud": (column, unit)}


def _csv_rows(table: CsvTable, fields: dict[str, tuple[str, str]], name: str, options: ReadOptions) -> pd.DataFrame:
    numbers, columns = table.lines, table.columns
    rows: dict[str, list[Any]] = {"record": numbers, "site": columns["site"]}
    nameless = [
        f"line {n}: site is empty; name it" for n, site in zip(numbers, columns["site"], strict=True) if not site
    ]
    kinds = zip(numbers, columns.get("cover_kind", ()), strict=False)
    nameless += [f"line {n}: cover_kind '{kind}'; expected {' or '.join(COVER_KINDS)}" for n, kind in kinds
                 if kind not in COVER_KINDS]  # fmt: skip
    if nameless:
        raise CsvError(name, nameless)
    rows["time"] = [
        _aware(t, f"{name} line {n}: time", options.utc_offset_h) for n, t in zip(numbers, columns["time"], strict=True)
    ]
    for part, column in ({part: c for part, (c, _) in fields.items()} | {"visibility_m": "visibility_m"}).items():
        if column in columns:
            rows[part] = [float(x) if x else math.nan for x in columns[column]]
    rows |= {column: columns[column] for column in ("source", "cover_kind") if column in columns}
    return pd.DataFrame(rows)


def _aware(text: str, where: str, utc_offset_h: float | None) -> datetime:
    """A time in UTC; one without offset only if the caller states it."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError(f"{where} '{text[:40]}' is no ISO 8601 time") from error
    if time.tzinfo is None:
        if utc_offset_h is None:
            raise TimeError(f"{where} '{text}' has no time zone; write {text}Z for UTC, or state utc_offset_h")
        time = time.replace(tzinfo=timezone(timedelta(hours=utc_offset_h)))
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise DataError(f"{where} '{text}' lies outside the years 1 to 9999 in UTC") from error
