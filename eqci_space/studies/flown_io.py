"""Tables of passes that flew: a dated element set, a station, and what was reported of each.

Columns: `id`, `station`, `culmination_utc`; the element set as `line1` and `line2`, or as a file (`elements`, OMM or
TLE, beside the table) with `object_name` or `catalogue_number`. Optional: `start_utc` and `end_utc` of the exchange, or
`max_range_km`; `sifted_bit`, `qber`, `key_bit`; `key_bases` (one or both); `grade` of the counts and `qber_grade`
(measured, published, secondary, recalled, assumed: the last two never count); `source`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from eqci_space.errors import BadRecordWarning, EqciError
from eqci_space.files.csv_rows import csv_records, sound_text
from eqci_space.orbits.elements import BadRecord, ElementSet
from eqci_space.orbits.elements_io import read_elements
from eqci_space.orbits.selection import catalogue, select_from
from eqci_space.orbits.tle_io import parse_tle

__all__ = ["COUNTED_GRADES", "FlownPass", "read_flown_passes"]

COUNTED_GRADES = ("measured", "published", "secondary")
_GRADES = (*COUNTED_GRADES, "recalled", "assumed")
_NUMBERS = ("max_range_km", "sifted_bit", "qber", "key_bit")
_REQUIRED = ("id", "station", "culmination_utc")
_OLDEST_DAY = 3.0


@dataclass(frozen=True)
class FlownPass:
    """A pass that flew.

    Attributes
    ----------
    id, station : str
    culmination : datetime
        UTC, as stated.
    elements : ElementSet
    start, end : datetime or None
        Of the exchange.
    max_range_m : float
        Greatest range of the exchange [m], infinite where none is stated.
    sifted_bit, qber, key_bit : float or None
        As reported.
    key_bases : str
        "one": key is made of one basis; "both": of both.
    grade, qber_grade, source : str
    """

    id: str
    station: str
    culmination: datetime
    elements: ElementSet
    start: datetime | None
    end: datetime | None
    max_range_m: float
    sifted_bit: float | None
    qber: float | None
    key_bit: float | None
    key_bases: str
    grade: str
    qber_grade: str
    source: str


def read_flown_passes(path: str | Path) -> list[FlownPass]:
    """Passes of a table that can be judged.

    Raises
    ------
    CsvError
        The file is no table.

    Warns
    -----
    BadRecordWarning
        Rows were left out: no element set, one more than three days from the pass, counts that no exchange gives, a
        time without zone; each is named by its line.
    """
    path = Path(path)
    text = sound_text(path)
    passes: list[FlownPass] = []
    problems: list[str] = []
    for line, row, problem in csv_records(text, path.name, numbers=_NUMBERS):
        where = f"{path.name} line {line}" + (f" ('{row['id']}')" if row.get("id") else "")
        try:
            if problem:
                raise EqciError(problem)
            passes.append(_flown_pass(row, path.parent))
        except (EqciError, ValueError) as error:
            problems.append(f"{where}: {error}; this row is left out")
    twice = [p.id for i, p in enumerate(passes) if p.id in {q.id for q in passes[:i]}]
    problems += [f"{path.name}: id '{name}' stands twice; both rows are judged" for name in dict.fromkeys(twice)]
    if problems:
        warnings.warn("\n".join(problems), BadRecordWarning, stacklevel=2)
    return passes


def _flown_pass(row: Mapping[str, str], folder: Path) -> FlownPass:
    cells = {k: v.strip() for k, v in row.items()}
    missing = [k for k in _REQUIRED if not cells.get(k)]
    if missing:
        raise EqciError(f"lacks {', '.join(missing)}; expected a value in each row")
    culmination = _time(cells, "culmination_utc")
    if culmination is None:
        raise EqciError("lacks culmination_utc; expected a value in each row")
    elements = _elements(cells, folder, culmination)
    age_day = (culmination - elements.epoch) / timedelta(days=1)
    if abs(age_day) > _OLDEST_DAY:
        raise EqciError(
            f"its elements are of {elements.epoch:%Y-%m-%dT%H:%MZ}, {abs(age_day):.1f} days from the pass; expected at "
            f"most {_OLDEST_DAY:g}; give those of the night"
        )
    found = FlownPass(
        cells["id"], cells["station"], culmination, elements, _time(cells, "start_utc"), _time(cells, "end_utc"),
        1e3 * (_number(cells, "max_range_km") or float("inf")), _number(cells, "sifted_bit"), _number(cells, "qber"),
        _number(cells, "key_bit"), cells.get("key_bases") or "one", cells.get("grade") or "recalled",
        cells.get("qber_grade") or cells.get("grade") or "recalled", cells.get("source", ""),
    )  # fmt: skip
    _check_counts(found)
    return found


def _check_counts(found: FlownPass) -> None:
    """Refuse what no exchange can give."""
    if found.qber is not None and not 0 <= found.qber <= 0.5:
        raise EqciError(f"qber {found.qber:g}; expected 0 to 0.5, as a fraction")
    for name in ("sifted_bit", "key_bit"):
        value = getattr(found, name)
        if value is not None and value < 0:
            raise EqciError(f"{name} {value:g}; expected at least 0")
    if found.sifted_bit is not None and found.key_bit is not None and found.key_bit > found.sifted_bit:
        raise EqciError(f"key_bit {found.key_bit:g} above sifted_bit {found.sifted_bit:g}; are they exchanged?")
    for name, word, known in (
        ("key_bases", found.key_bases, ("one", "both")), ("grade", found.grade, _GRADES),
        ("qber_grade", found.qber_grade, _GRADES),
    ):  # fmt: skip
        if word not in known:
            raise EqciError(f"{name} '{word}'; expected {', '.join(known)}")
    if (found.start is None) != (found.end is None) or (found.start and found.end and found.end <= found.start):
        raise EqciError("start_utc and end_utc go together, end after start")


def _number(cells: Mapping[str, str], name: str) -> float | None:
    text = cells.get(name, "")
    try:
        return float(text) if text else None
    except ValueError as error:
        raise EqciError(f"{name} '{text}'; expected a number") from error


def _time(cells: Mapping[str, str], name: str) -> datetime | None:
    text = cells.get(name, "")
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise EqciError(f"{name} '{text}'; expected a time such as 2016-12-19T16:52:13Z") from error
    if time.tzinfo is None:
        raise EqciError(f"{name} '{text}' has no time zone; write {text}Z for UTC")
    return time.astimezone(UTC)


def _elements(cells: Mapping[str, str], folder: Path, culmination: datetime) -> ElementSet:
    lines, file = [cells.get(k, "") for k in ("line1", "line2")], cells.get("elements", "")
    if bool(file) == all(lines):
        raise EqciError("has no element set; give line1 and line2, or a file of elements" if not file else
                        "has two element sets; give line1 and line2, or a file of elements")  # fmt: skip
    if not file:
        (found,) = parse_tle("\n".join([*lines, ""]), "its element set")
        if isinstance(found, BadRecord):
            raise EqciError(found.message)
        return found
    number = cells.get("catalogue_number", "")
    return select_from(
        catalogue(read_elements(folder / file), []), cells["id"], f"elements {file}",
        object_name=cells.get("object_name") or None, catalogue_number=int(number) if number else None,
        period=(culmination, culmination),
    )  # fmt: skip
