"""Tables as CSV, JSON and Parquet, and values as JSON can hold them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMATS", "chosen_format", "csv_text", "plain", "rows_of", "write_table"]

FORMATS = ("csv", "json", "parquet")
_LIST_SEPARATOR = " > "


def chosen_format(out: Path | None, wanted: str | None, as_json: bool) -> str:
    """Format by what was asked for, else by the end of the file's name, else CSV.

    Raises
    ------
    BadParameter
        The file's name, ``--format`` and ``--json`` contradict each other, or Parquet would go to stdout, or the folder
        does not exist.
    """
    asked = {*([wanted] if wanted else []), *(["json"] if as_json else [])}
    if len(asked) > 1:
        raise typer.BadParameter(f"--format {wanted} and --json; give one of them")
    if out is None:
        form = asked.pop() if asked else "csv"
        if form == "parquet":
            raise typer.BadParameter("--format parquet needs --out FILE; a terminal cannot show it")
        return form
    ending = out.suffix.removeprefix(".")
    if ending not in FORMATS and not asked:
        raise typer.BadParameter(f"'{out.name}' ends in none of .{', .'.join(FORMATS)}, and there is no --format")
    if not out.parent.is_dir():
        raise typer.BadParameter(f"no folder '{out.parent}' to write '{out.name}' into")
    if out.is_dir():
        raise typer.BadParameter(f"'{out}' is a folder; expected a file")
    return asked.pop() if asked else ending


def write_table(table: pd.DataFrame, out: Path, form: str, document: dict[str, Any]) -> None:
    """Write a table to a file, whole or not at all; `document` holds its rows for JSON."""
    from eqci_space.files.atomic import write_atomically

    if form == "csv":
        content = csv_text(table).encode()
    elif form == "json":
        content = (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
    else:
        content = table.to_parquet()
    write_atomically(out, content)


def csv_text(table: pd.DataFrame) -> str:
    """A table as CSV: its index if that has a name, lists joined by ``>``, and no text that a spreadsheet would run."""
    from eqci_space.files.csv_text import csv_text as safe_csv

    for column in table.columns:
        if table[column].dtype == object and any(isinstance(v, list | tuple) for v in table[column].head(1)):
            table = table.assign(**{column: [_LIST_SEPARATOR.join(map(str, v)) for v in table[column]]})
    return safe_csv(table, index=table.index.name is not None)


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as JSON can hold them, with the index if that has a name."""
    if table.index.name is not None:
        table = table.reset_index()
    rows: list[dict[str, Any]] = plain(table.to_dict("records"))
    return rows


def plain(value: Any) -> Any:
    """A value as JSON can hold it, at full precision: times in ISO 8601 UTC, and null for NaN, infinity and NaT."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, datetime):
        return _iso(value) if value == value else None
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if hasattr(value, "tolist"):  # NumPy scalars and arrays
        return plain(value.tolist())
    return str(value) if value == value else None


def _iso(value: datetime) -> str:
    at = value if value.tzinfo is None else value.astimezone(UTC)
    return at.isoformat().replace("+00:00", "Z")
