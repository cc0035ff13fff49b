"""The CSV of Open-Meteo: places first, then blocks of values below headers with units, such as ``cloud_cover (%)``."""

from __future__ import annotations

import re
from typing import Any

from eqci_space.errors import DataError
from eqci_space.files.csv_rows import csv_header, read_csv_table

__all__ = ["csv_answers", "is_csv_answer"]

_HEADER = re.compile(r"\W{0,2}(location_id\W{1,3})?latitude\W{1,3}longitude\b", re.I)
_PLACE = ("latitude", "longitude", "utc_offset_seconds")
_COLUMN = re.compile(r"(?P<name>[^()]+?)\s*(?:\((?P<unit>[^()]*)\))?")
_UNKNOWN = ("nan", "NaN", "null", "undefined")
_BLANK = ',;\t "'
_QUARTER = re.compile(r"T[0-9]{2}:(15|45)")


def is_csv_answer(text: str) -> bool:
    """Whether a text begins with the places of an answer in CSV."""
    head = [line for line in text[:4096].splitlines() if line.strip(_BLANK) and not line.lower().startswith("sep=")]
    return bool(head) and _HEADER.match(head[0]) is not None


def csv_answers(text: str, name: str) -> list[dict[str, Any]]:
    """Answers of the places of a file, as JSON would hold them.

    Raises
    ------
    DataError
        A block is malformed, or no block holds values by time.
    """
    first, *others = _blocks(text)
    places = read_csv_table(first, name, required=_PLACE[:2], numbers=_PLACE)
    answers: dict[str, dict[str, Any]] = {}
    for line, row in places.rows():
        key = row.get("location_id", "")
        if key in answers:
            raise DataError(f"{name} line {line}: location '{key}' stands twice; keep one of them")
        answers[key] = {c: float(row[c]) for c in _PLACE if row.get(c)}
    if not answers or not others:
        raise DataError(f"{name}: expected a place, a blank line and hourly values; ask for hourly=cloud_cover")
    for block in others:
        _add_block(block, name, answers)
    return list(answers.values())


def _blocks(text: str) -> list[str]:
    """Parts between blank lines, each behind as many blank lines as there are lines before it."""
    blocks: list[list[str]] = [[]]
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.strip(_BLANK) and not line.lower().startswith("sep="):
            if not blocks[-1]:
                blocks[-1] = [""] * number
            blocks[-1].append(line)
        elif any(blocks[-1]):
            blocks.append([])
    return ["\n".join(block) for block in blocks if any(block)] or [text]


def _add_block(block: str, name: str, answers: dict[str, dict[str, Any]]) -> None:
    """Hand the values of a block to the answers of their places; hours, quarters and days are told by the times."""
    header = csv_header(block, name, required=("time",))
    columns = {c: m for c in header if c not in ("time", "location_id") and (m := _COLUMN.fullmatch(c))}
    cover = [c for c in columns if re.match("cloud|visibility", c, re.I)]
    table = read_csv_table(block, name, required=("time",), numbers=cover or [*columns], unknown=_UNKNOWN)
    times = table.columns["time"]
    kind = "hourly" if any("T" in t or t.isdigit() for t in times[:1]) else "daily"
    kind = "minutely_15" if any(_QUARTER.search(t) for t in times[:4]) else kind
    unix = bool(times) and times[0].isdigit()
    units = {m["name"]: m["unit"] for m in columns.values()}
    for line, row in table.rows():
        key = row.get("location_id", "")
        if key not in answers:
            raise DataError(f"{name} line {line}: location '{key}' is not among the places of the first lines; add it")
        answer = answers[key]
        if kind not in answer:
            answer[f"{kind}_units"] = {**units, **({"time": "unixtime"} if unix else {})}
            answer[kind] = {c: [] for c in ("time", *units)}
        series = answer[kind]
        if series.keys() != {"time", *units}:
            raise DataError(f"{name} line {line}: a second block of {kind} values; keep one of each kind")
        series["time"].append(int(row["time"]) if unix and row["time"].isdigit() else row["time"])
        for column, match in columns.items():
            value = row[column]
            series[match["name"]].append(_number(value) if column in cover or not cover else value)


def _number(text: str) -> float | None:
    return float(text) if text else None
