"""The tables of a run as an Excel workbook: one sheet a table, and a first sheet that says what the columns mean."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter

from eqci_space.files.atomic import write_atomically
from eqci_space.machine.deprecation import once_first
from eqci_space.report.exports.crew import CREW_COLUMNS
from eqci_space.report.release import Released
from eqci_space.tables import TABLES
from eqci_space.words import whole_seconds

__all__ = ["unit_of", "write_workbook"]

_MOST_ROWS = 100_000
"""Excel takes ten times as many in a sheet, but takes its time over them, and so does writing them."""
_ORDER = (
    "contacts", "delivery", "demands", "crew", "sites", "satellites", "nodes", "links", "bins", "passes", "windows",
    "keys", "candidates", "deposits", "routes", "stores", "prices",
)  # fmt: skip
_UNITS = {
    "bit_per_day": "bit/day", "bit_s": "bit/s", "m_s": "m/s", "rad_s": "rad/s", "arcsec2": "mag/arcsec²", "bit": "bit",
    "db": "dB", "deg": "deg", "hz": "Hz", "km": "km", "m": "m", "nm": "nm", "s": "s", "h": "h",
}  # fmt: skip
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_TIME_FORMAT, _STEP = "yyyy-mm-dd hh:mm:ss", " → "
_WIDEST, _NARROWEST = 60, 9
_ENDS = {"end", "los", "usable_end", "valid_to", "available_at", ("deposits", "time")}
"""Columns of times that end an interval, or from which something may be used; the others begin one."""


def unit_of(column: str) -> str:
    """Unit that a column's name ends in, as ``dB`` of ``total_loss_db``; empty for bare nouns.

    Examples
    --------
    >>> unit_of("skr_bit_s"), unit_of("total_loss_db"), unit_of("qber")
    ('bit/s', 'dB', '')
    """
    return next((unit for end, unit in _UNITS.items() if column.endswith(f"_{end}")), "")


@once_first("path")
def write_workbook(released: Released, path: Path) -> None:
    """Write all released tables; the same tables give the same bytes.

    Times are UTC in whole seconds (`whole_seconds`) without a zone, for Excel knows none, and their columns end in
    ``_utc``. Lists are joined by arrows,
    shapes are left out. A table of more than 100 000 rows is named on the first sheet and left out.
    """
    book = Workbook(write_only=True)
    book.properties.creator = "eqci_space"
    book.properties.created = released.start.to_pydatetime().replace(tzinfo=None, microsecond=0)
    names = [n for n in _ORDER if n in released.tables]
    _readme(book, released, names)
    for name in names:
        if len(released.tables[name]) <= _MOST_ROWS:
            _sheet(book, name, released.tables[name])
    buffer = io.BytesIO()
    book.save(buffer)
    write_atomically(path, _without_clock(buffer.getvalue(), released.start))


def _readme(book: Workbook, released: Released, names: list[str]) -> None:
    withheld = f" Withheld: {', '.join(released.withheld)}." if released.withheld else ""
    rows: list[tuple[Any, ...]] = [
        (f"{released.name}: tables of the plan",),
        (f"Period {released.start:%Y-%m-%d %H:%M} to {released.end:%Y-%m-%d %H:%M} UTC.",),
        (f"Release: {released.level}.{withheld}",),
        ("All times are UTC in whole seconds, starts rounded down and ends up; their columns end in _utc.",),
        ("Losses are positive dB. Capacities only: no key is in here.",),
        (),
        ("sheet", "rows", "column", "unit", "meaning"),
    ]
    for name in names:
        table = _flat(released.tables[name])
        note = "" if len(table) <= _MOST_ROWS else f"left out: more than {_MOST_ROWS} rows; read the .parquet file"
        rows.append((name, len(table), "", "", note))
        meanings = _meanings(name)
        for column, series in table.items():
            shown = _shown(str(column), series)
            unit = "UTC" if shown.endswith("_utc") else unit_of(str(column))
            rows.append((name, "", shown, unit, meanings.get(str(column), "further column")))
    sheet = book.create_sheet("README")
    for letter, width in zip("ABCDE", (14, 9, 28, 10, 80), strict=True):
        sheet.column_dimensions[letter].width = width
    for number, row in enumerate(rows):
        sheet.append([_cell(sheet, value, bold=number in (0, 6)) for value in row])


def _meanings(name: str) -> dict[str, str]:
    """Meaning of each column of a table, its index included, from the data dictionary."""
    if name == "crew":
        return CREW_COLUMNS
    contract = TABLES.get(name.upper())
    if contract is None:
        return {}
    return {contract.index: "label of the row", **{c: meaning for c, (_, meaning) in contract.columns.items()}}


def _sheet(book: Workbook, name: str, table: pd.DataFrame) -> None:
    table = _flat(table)
    sheet = book.create_sheet(name)
    sheet.freeze_panes = "A2"
    heads = [_shown(str(c), table[c]) for c in table.columns]
    columns = [_values(table[c], ends=bool(_ENDS & {c, (name, c)})) for c in table.columns]
    for number, (head, values) in enumerate(zip(heads, columns, strict=True), start=1):
        longest = max([len(head), *(19 if isinstance(v, datetime) else len(str(v)) for v in values[:200])])
        sheet.column_dimensions[get_column_letter(number)].width = min(_WIDEST, max(_NARROWEST, longest + 2))
    sheet.auto_filter.ref = f"A1:{get_column_letter(max(1, len(heads)))}{len(table) + 1}"
    sheet.append([_cell(sheet, head, bold=True) for head in heads])
    for row in zip(*columns, strict=True):
        sheet.append([_cell(sheet, value) for value in row])


def _flat(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its index as a column, without shapes."""
    plain = pd.DataFrame(table)
    plain = plain.drop(columns=[c for c in plain.columns if str(plain[c].dtype) == "geometry"])
    return plain.reset_index() if plain.index.name else plain


def _shown(column: str, series: pd.Series) -> str:
    timed = isinstance(series.dtype, pd.DatetimeTZDtype)
    return f"{column}_utc" if timed and not column.endswith("_utc") else column


def _values(series: pd.Series, *, ends: bool) -> list[Any]:
    """Values as Excel can hold them; times are ends of intervals, or starts."""
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        utc = series.dt.tz_convert("UTC").dt.tz_localize(None)
        naive = whole_seconds(utc, utc)[ends]
        return [None if pd.isna(t) else t.to_pydatetime() for t in naive]
    return [_value(v) for v in series.tolist()]


def _value(value: Any) -> Any:
    if isinstance(value, list | tuple) or (hasattr(value, "tolist") and getattr(value, "ndim", 0) == 1):
        return _STEP.join(map(str, value))
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "unlimited" if value > 0 else "-unlimited"
    return value if isinstance(value, bool | int | float | datetime) else str(value)


def _cell(sheet: Any, value: Any, *, bold: bool = False) -> Any:
    """A cell; text stays text even where it looks like a formula. Numbers need no cell of their own."""
    if not bold and (value is None or isinstance(value, bool | int | float)):
        return value
    if isinstance(value, str):
        value = _FORBIDDEN.sub("\ufffd", value)
    cell = WriteOnlyCell(sheet, value=value)
    if isinstance(value, str):
        cell.data_type = "s"
    if isinstance(value, datetime):
        cell.number_format = _TIME_FORMAT
    if bold:
        cell.font, cell.alignment = Font(bold=True), Alignment(vertical="top")
    return cell


def _without_clock(data: bytes, stamp: pd.Timestamp) -> bytes:
    """The same archive without the time of writing: fixed dates of its members, and of the last change."""
    out = io.BytesIO()
    date = f"{stamp:%Y-%m-%dT%H:%M:%SZ}".encode()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in _members(old):
            content = old.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>" + date, content)
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            new.writestr(info, content)
    return out.getvalue()


def _members(archive: zipfile.ZipFile) -> Iterable[str]:
    return [i.filename for i in archive.infolist()]
