"""Cloud records in CSV."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd

from eqci_space.errors import DataError, TimeError
from eqci_space.weather.content_io import COVER_KINDS, PARTS, UNITS, RawWeather, ReadOptions, parse_number, read_text

__all__ = ["read_csv"]


def read_csv(path: Path, name: str, options: ReadOptions) -> RawWeather:
    """CSV with site, time and cover; lines that begin with # above the header are comments.

    Raises
    ------
    DataError
        The table is malformed; line and column are named.
    TimeError
        A time has no zone.
    """
    lines = list(io.StringIO(read_text(path, name), newline=""))
    above = next(i for i, line in enumerate(lines) if (line.strip() and line[0] != "#") or i == len(lines) - 1)
    reader = csv.reader(lines[above:], skipinitialspace=True, strict=True)
    try:
        header = [c.strip() for c in next(reader)]
        fields = _csv_fields(header, name, options)
        used = {"site", "time", *(f for f, _ in fields.values()), "visibility_m", "cover_kind", "source"} & set(header)
        columns: dict[str, list[str]] = {c: [] for c in used}
        numbers: list[int] = []
        for row in reader:
            if not row:
                continue
            numbers.append(above + reader.line_num)
            if len(row) != len(header):
                raise DataError(
                    f"{name} line {numbers[-1]}: {len(row)} values; expected {len(header)} as in the header"
                )
            for column, value in zip(header, row, strict=True):
                if column in used:
                    columns[column].append(value.strip())
    except csv.Error as error:
        raise DataError(f"{name} line {above + reader.line_num}: not valid CSV: {error}") from error
    return RawWeather(_csv_rows(columns, numbers, fields, name, options), "line", fields, "sky")


def _csv_fields(header: list[str], name: str, options: ReadOptions) -> dict[str, tuple[str, str]]:
    """Columns of cover and their units, which their names end with."""
    twice = [c for c in header if header.count(c) > 1]
    missing = [c for c in ("site", "time") if c not in header]
    if twice or missing:
        raise DataError(
            f"{name}: column '{(missing or twice)[0]}' is {'missing' if missing else 'doubled'}; found {header}"
        )
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


def _csv_rows(
    columns: dict[str, list[str]],
    numbers: list[int],
    fields: dict[str, tuple[str, str]],
    name: str,
    options: ReadOptions,
) -> pd.DataFrame:
    rows: dict[str, list[Any]] = {"record": numbers, "site": columns["site"]}
    for number, site in zip(numbers, columns["site"], strict=True):
        if not site:
            raise DataError(f"{name} line {number}: site is empty")
    rows["time"] = [
        _aware(t, f"{name} line {n}: time", options.utc_offset_h) for n, t in zip(numbers, columns["time"], strict=True)
    ]
    wanted = {part: column for part, (column, _) in fields.items()} | {"visibility_m": "visibility_m"}
    for part, column in wanted.items():
        if column in columns:
            texts = zip(numbers, columns[column], strict=True)
            rows[part] = [parse_number(x, f"{name} line {n}: {column}", missing=("", "nan", "NaN")) for n, x in texts]
    if "source" in columns:
        rows["source"] = columns["source"]
    if "cover_kind" in columns:
        rows["cover_kind"] = columns["cover_kind"]
        for number, value in zip(numbers, columns["cover_kind"], strict=True):
            if value not in COVER_KINDS:
                raise DataError(f"{name} line {number}: cover_kind '{value}'; expected {' or '.join(COVER_KINDS)}")
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
