"""CSV files of tables as people write them: one reader for all, within bounds, that finds all errors at once.

Lines that begin with # are comments. Cells are separated by commas, semicolons or tabs, told by the header; blanks
around them are dropped, and the apostrophe that `files.csv_text` puts before what looks like a formula. Numbers have a
decimal point or, where they can be nothing else, a decimal comma; one kind in a file. A byte-order mark, and the line
``sep=;`` that spreadsheets put first, are passed over.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from eqci_space.errors import DataError, near_matches
from eqci_space.files.csv_text import plain_cell
from eqci_space.files.degrees import decimal_degrees
from eqci_space.files.foreign import foreign_bytes, foreign_text
from eqci_space.files.limits import TABLE_BYTES, TABLE_COLUMNS, control_problem, name_problem, oversize

__all__ = [
    "CsvError", "CsvTable", "csv_header", "csv_records", "keyed_rows", "numbered_rows", "placed_rows", "plain_text",
    "read_csv_table", "row_lines", "sound_text",
]  # fmt: skip

_SEPARATORS = ",;\t"
_SHOWN, _MOST_PROBLEMS = 40, 1000
_LISTED = 20
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,40}(?:[.,][0-9]{0,40})?|[.,][0-9]{1,40})(?:[eE][+-]?[0-9]{1,4})?")
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+")
_MINUS = str.maketrans("\N{MINUS SIGN}", "-")


class CsvError(DataError):
    """Everything found wrong with a table, each with its line and column; `name` is put before it unless empty."""

    def __init__(self, name: str, problems: Sequence[str]):
        self.problems = [
            f"{name} {problem}" if name and problem.startswith("line ") else f"{name}: {problem}" if name else problem
            for problem in problems
        ]
        more = f"; and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
        super().__init__("; ".join(self.problems[:_LISTED]) + more)


@dataclass(frozen=True)
class CsvTable:
    """Cells of a table by column, and the line on which each of its rows ends."""

    lines: list[int]
    columns: dict[str, list[str]]

    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Each row by the names of its columns, with its line."""
        for number, *cells in zip(self.lines, *self.columns.values(), strict=True):
            yield number, dict(zip(self.columns, cells, strict=True))


def plain_text(path: Path) -> str:
    """Content of a file of sane size, in UTF-8, with line ends as they stand; not all of it can be shown."""
    try:
        problem = oversize(path, TABLE_BYTES)
        content = b"" if problem else path.read_bytes()
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = foreign_bytes(content) or f"{error.reason} at byte {error.start}; save it as UTF-8"
        raise DataError(f"{path.name}: not UTF-8 text ({what})") from error
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


def read_csv_table(
    text: str,
    name: str,
    *,
    required: Sequence[str] = (),
    numbers: Collection[str] = (),
    unknown: Collection[str] = (),
    wanted: Collection[str] | None = None,
) -> CsvTable:
    """Read a table with a header.

    Parameters
    ----------
    text : str
        Content of a file.
    name : str
        Of the file; opens messages.
    required : sequence of str
        Columns that it must have.
    numbers : collection of str
        Columns of finite numbers, or blanks; their cells come back with a decimal point.
    unknown : collection of str
        Texts that stand for a blank among numbers.
    wanted : collection of str, optional
        Columns that are kept; default all.

    Raises
    ------
    CsvError
        A column is missing or stands twice, rows have more or fewer cells than the header, cells are no numbers: all
        of them, each with its line and column.
    """
    table_of = _Source(text, name, required)
    kept = {c: i for i, c in enumerate(table_of.header) if wanted is None or c in wanted}
    cells: list[list[str]] = [[] for _ in kept]
    found: list[int] = []
    problems: list[str] = []
    for line, row, problem in table_of.rows():
        if problem:
            problems.append(f"line {line}: {problem}")
            continue
        found.append(line)
        for column, i in zip(cells, kept.values(), strict=True):
            column.append(row[i])
    table = CsvTable(found, dict(zip(kept, cells, strict=True)))
    problems += _parse_numbers(table, [c for c in kept if c in numbers], unknown, table_of.separator)
    if problems:
        raise CsvError(name, sorted(problems, key=_line_of))
    return table


def csv_header(text: str, name: str, *, required: Sequence[str] = ()) -> list[str]:
    """Names of the columns of a table, such as `read_csv_table` would find.

    Raises
    ------
    CsvError
        A column is missing or stands twice.
    """
    return _Source(text, name, required).header


def csv_records(text: str, name: str, *, numbers: Collection[str]) -> Iterator[tuple[int, dict[str, str], str]]:
    """Line and cells of each row of a table of which single rows may be broken, and what is wrong with the row.

    Cells of the columns `numbers` that are numbers come back with a decimal point; others stay as they are.

    Raises
    ------
    CsvError
        A column stands twice, or quotation marks do not match.
    """
    source = _Source(text, name, ())
    for line, row, problem in source.rows():
        record = dict(zip(source.header, row, strict=False))
        for column in record.keys() & {*numbers}:
            if not _number_problem(record[column], source.separator):
                record[column] = _pointed(record[column])
        yield line, record, problem


class _Source:
    """Header and rows of a text, and what separates their cells."""

    def __init__(self, text: str, name: str, required: Sequence[str]):
        problem = foreign_text(text)
        if problem:
            raise CsvError(name, [f"it is {problem}"])
        self._name = name
        self._ends, lines = _kept_lines(text)
        self.separator = _separator(lines, required)
        self._reader = csv.reader(lines, delimiter=self.separator, skipinitialspace=True, strict=True)
        header = [cell.strip() for cell in self._next() or []]
        self.header = header[: max((i for i, cell in enumerate(header, start=1) if cell), default=0)]
        _check_header(self.header, name, required)

    def _next(self) -> list[str] | None:
        try:
            return next(self._reader, None)
        except csv.Error as error:
            line = self._ends[min(self._reader.line_num, len(self._ends) - 1)]
            raise CsvError(self._name, [f"line {line}: not valid CSV: {error}; mend its quotation marks"]) from error

    def rows(self) -> Iterator[tuple[int, list[str], str]]:
        """Line, cells and problem of each row that is not blank; after many problems no more."""
        wrong = 0
        while wrong < _MOST_PROBLEMS and (cells := self._next()) is not None:
            row = [plain_cell(cell.strip()) for cell in cells]
            while len(row) > len(self.header) and not row[-1]:
                row.pop()
            if any(row):
                problem = "" if len(row) == len(self.header) else _wrong_length(row, self.header, self.separator)
                wrong += bool(problem)
                yield self._ends[self._reader.line_num - 1], row, problem


def _kept_lines(text: str) -> tuple[list[int], list[str]]:
    """Lines that are neither blank nor comments, and their numbers."""
    ends, lines = [], []
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            ends.append(number)
            lines.append(line + "\n")
    if lines and re.fullmatch(r"sep=[,;\t]", lines[0].strip(" \r\n"), re.I):
        return ends[1:], lines[1:]
    return ends, lines


def _separator(lines: Sequence[str], required: Sequence[str]) -> str:
    """What separates the cells of the header: with which most of the columns are found, or else most cells."""

    def rank(separator: str) -> tuple[int, int]:
        try:
            header = [c.strip() for c in next(csv.reader(lines[:1], delimiter=separator, skipinitialspace=True), [])]
        except csv.Error:
            return 0, 0
        return len({*header} & {*required}), len(header)

    return max(_SEPARATORS, key=rank)


def _check_header(header: Sequence[str], name: str, required: Sequence[str]) -> None:
    if len(header) > TABLE_COLUMNS:
        raise CsvError(name, [f"{len(header)} columns; expected at most {TABLE_COLUMNS}; keep only those used"])
    shown = str([*header[:_SHOWN]]) if len(header) <= _SHOWN else f"{[*header[:_SHOWN]]} and more"
    problems = []
    missing = [c for c in required if c not in header]
    if missing:
        close = [near for c in missing if (near := near_matches(c, header)).startswith("did you mean")]
        names = f"column '{missing[0]}' is" if len(missing) == 1 else f"columns {', '.join(map(repr, missing))} are"
        problems.append(f"{names} missing; found {shown}; {'; '.join([*close[:1], 'add what is missing'])}")
    twice = sorted({c for c in header if c and header.count(c) > 1})
    problems += [f"column '{c}' stands twice; keep one of them" for c in twice]
    if problems:
        raise CsvError(name, problems)


def _wrong_length(row: Sequence[str], header: Sequence[str], separator: str) -> str:
    surplus = len(row) > len(header)
    words = f"{len(row)} cells; expected {len(header)}, as in the header"
    if surplus and separator == "," and any(a.isdigit() and b.isdigit() for a, b in pairwise(row)):
        return f"{words}; if numbers have decimal commas, write points, or separate the cells by semicolons"
    return f"{words}; " + (
        "take the surplus out, or put quotation marks around a text with the separator in it"
        if surplus else f"the last ones, from '{header[len(row)]}' on, are missing; leave them blank between separators"
    )  # fmt: skip


def _parse_numbers(table: CsvTable, names: Sequence[str], unknown: Collection[str], separator: str) -> list[str]:
    """Give all numbers a decimal point, in place; problems of those that are none."""
    problems: list[str] = []
    first: dict[str, int] = {}
    commas: list[tuple[int, str, str]] = []
    for name in names:
        column = table.columns[name]
        for i, cell in enumerate(column):
            text = "" if cell in unknown else cell
            problem = _number_problem(text, separator)
            mark = next((m for m in ".," if m in text), "")
            if problem and len(problems) < _MOST_PROBLEMS:
                problems.append(f"line {table.lines[i]}, {name}: {problem}")
            elif mark:
                first[mark] = min(first.get(mark, table.lines[i]), table.lines[i])
                if mark == ",":
                    commas.append((table.lines[i], name, cell))
            column[i] = _pointed(text)
    if "." in first:
        problems += [
            f"line {line}, {name}: '{cell[:_SHOWN]}' has a decimal comma, and numbers such as that of line "
            f"{first['.']} a point; write all with points"
            for line, name, cell in commas[:_MOST_PROBLEMS]
        ]
    return problems


def _pointed(text: str) -> str:
    return text.translate(_MINUS).replace(",", ".")


def _number_problem(text: str, separator: str) -> str:
    """What is wrong with a cell that is to be a number, or blank."""
    if not text:
        return ""
    shown = f"'{text[:_SHOWN]}'"
    if not _NUMBER.fullmatch(text.translate(_MINUS)):
        degrees = decimal_degrees(text.translate(_MINUS))
        if degrees is not None:
            return f"{shown} is no number; write decimal degrees, north and east positive: {degrees:g}"
        return f"{shown} is no number; write digits, at most one decimal point, and no unit"
    if separator == "," and _THOUSANDS.fullmatch(text.translate(_MINUS)):
        return f"{shown} may be thousands or have a decimal comma; write a decimal point and no thousands separator"
    return "" if math.isfinite(float(_pointed(text))) else f"{shown} is beyond all numbers; mend it"


def _line_of(problem: str) -> int:
    digits = re.match(r"line ([0-9]+)", problem)
    return int(digits[1]) if digits else 0


def numbered_rows(
    path: Path, *, required: Sequence[str] = (), numbers: Collection[str] = ()
) -> list[tuple[int, dict[str, str]]]:
    """Rows of a CSV file with the number of the line on which each ends; see `read_csv_table`."""
    return list(read_csv_table(sound_text(path), path.name, required=required, numbers=numbers).rows())


def placed_rows(
    path: Path, key: str, *, columns: Sequence[str] = (), numbers: Collection[str] = ()
) -> dict[str, tuple[int, dict[str, str]]]:
    """Line and cells of each row of a CSV file by the column `key`; the file is read again only when it has changed.

    Parameters
    ----------
    path : Path
    key : str
        Column of ids.
    columns : sequence of str
        Others that the file must have.
    numbers : collection of str
        Columns of numbers.

    Raises
    ------
    DataError
        The file is missing or no CSV text, a column is missing, rows or numbers are malformed, a key stands twice or
        can be no id: all that is found.
    """
    try:
        state = path.stat()
    except (OSError, ValueError) as error:
        raise DataError(f"no file '{path.name}' in '{path.parent.name}'; add it or mend its name") from error
    return _placed_rows(path, key, tuple(columns), tuple(numbers), (state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=8)
def _placed_rows(
    path: Path, key: str, columns: tuple[str, ...], numbers: tuple[str, ...], stamp: tuple[int, int]
) -> dict[str, tuple[int, dict[str, str]]]:
    rows: dict[str, tuple[int, dict[str, str]]] = {}
    problems: list[str] = []
    for number, row in numbered_rows(path, required=tuple(dict.fromkeys((key, *columns))), numbers=numbers):
        problem = name_problem(row[key])
        if problem:
            problems.append(f"line {number}: {key} {problem}")
        elif row[key] in rows:
            problems.append(f"line {number}: {key} '{row[key]}' stands twice; ids must differ")
        else:
            rows[row[key]] = number, row
    if problems:
        raise CsvError(path.name, problems)
    return rows


def keyed_rows(
    path: Path, key: str, *, columns: Sequence[str] = (), numbers: Collection[str] = ()
) -> dict[str, dict[str, str]]:
    """Rows of a CSV file by the column `key`, as `placed_rows` reads them, without their lines."""
    return {k: row for k, (_, row) in placed_rows(path, key, columns=columns, numbers=numbers).items()}


def row_lines(path: Path, key: str) -> dict[str, int]:
    """Number of the line of each row of a CSV file by the column `key`, which it has."""
    return {k: line for k, (line, _) in placed_rows(path, key).items()}
