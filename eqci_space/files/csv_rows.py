"""CSV files of tables: read within bounds, with the line of every row; lines that begin with # are comments."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from eqci_space.errors import DataError
from eqci_space.files.limits import TABLE_BYTES, control_problem, name_problem, oversize

__all__ = ["keyed_rows", "numbered_rows", "plain_text", "row_lines", "sound_text"]


def plain_text(path: Path) -> str:
    """Content of a file of sane size, in UTF-8, with line ends as they stand; not all of it can be shown."""
    try:
        problem = oversize(path, TABLE_BYTES)
        text = "" if problem else path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name}: not UTF-8 text ({error})") from error
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read: {error.strerror}; give a file that can") from error
    if problem:
        raise DataError(f"{path.name}: {problem}")
    return text


def sound_text(path: Path) -> str:
    """Content of a file of sane size, in UTF-8, all of which can be shown."""
    text = plain_text(path).replace("\r\n", "\n").replace("\r", "\n")
    problem = control_problem(text)
    if problem:
        raise DataError(f"{path.name}: {problem}")
    return text


def numbered_rows(path: Path, *, required: Sequence[str] = ()) -> list[tuple[int, dict[str, str]]]:
    """Rows of a CSV file with the number of the line on which each ends; lines that begin with # are comments."""
    numbers: list[int] = []

    def kept() -> Iterator[str]:
        for number, line in enumerate(sound_text(path).splitlines(keepends=True), start=1):
            if line.strip() and not line.lstrip().startswith("#"):
                numbers.append(number)
                yield line

    try:
        reader = csv.DictReader(kept(), skipinitialspace=True)
        found = list(reader.fieldnames or [])
        missing = [c for c in required if c not in found]
        if missing:
            raise DataError(f"{path.name}: column '{missing[0]}' is missing; found {found}; add it")
        twice = [c for c in required if found.count(c) > 1]
        if twice:
            raise DataError(f"{path.name}: column '{twice[0]}' stands twice; keep one of them")
        return [(numbers[-1], {str(k): v or "" for k, v in row.items() if k is not None}) for row in reader]
    except csv.Error as error:
        raise DataError(f"{path.name}: not valid CSV: {error}") from error


def keyed_rows(path: Path, key: str, *, columns: Sequence[str] = ()) -> dict[str, dict[str, str]]:
    """Rows of a CSV file by the column `key`; the file is read again only when it has changed.

    Parameters
    ----------
    path : Path
    key : str
        Column of ids.
    columns : sequence of str
        Others that the file must have.

    Raises
    ------
    DataError
        The file is missing or no CSV text, a column is missing, a key stands twice or can be no id.
    """
    try:
        state = path.stat()
    except (OSError, ValueError) as error:
        raise DataError(f"no file '{path.name}' in '{path.parent.name}'; add it or mend its name") from error
    return _keyed_rows(path, key, tuple(columns), (state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=8)
def _keyed_rows(path: Path, key: str, columns: tuple[str, ...], stamp: tuple[int, int]) -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = {}
    for number, row in numbered_rows(path, required=(key, *columns)):
        problem = name_problem(row[key])
        if problem:
            raise DataError(f"{path.name} line {number}: {key} {problem}")
        if row[key] in rows:
            raise DataError(f"{path.name} line {number}: {key} '{row[key]}' stands twice; ids must differ")
        rows[row[key]] = row
    return rows


def row_lines(path: Path, key: str) -> dict[str, int]:
    """Number of the line of each row of a CSV file by the column `key`, which it has."""
    return {row[key]: number for number, row in numbered_rows(path, required=(key,))}
