"""Files of horizon masks, as surveys, planetarium and observatory tools and PVGIS write them."""

from __future__ import annotations

import json
import re
from itertools import groupby, pairwise
from pathlib import Path

from eqci_space.errors import DataError
from eqci_space.files.csv_rows import CsvError, csv_header, numbered_rows, sound_text

__all__ = ["read_horizon_mask"]

_FINEST_DEG = 0.1
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,9}(?:[.,][0-9]{0,30})?|[.,][0-9]{1,30})")
_FORMS = (
    "write azimuth_deg,elevation_deg above the rows, or no header and two numbers a row: azimuth from north through "
    "east, and elevation"
)
Row = tuple[int, float, float]


def read_horizon_mask(path: Path) -> list[tuple[float, float]]:
    """Pairs (azimuth, elevation) [deg] of a file, azimuths from north (0) through east (90), rising.

    Read are CSV with the columns azimuth_deg and elevation_deg; two numbers a row without header, separated by blanks,
    tabs, commas or semicolons (.hrz, .txt; lines that begin with # or ; are comments); JSON of pairs (elevation,
    azimuth) in files that end in .hpts; and the CSV of PVGIS with the columns A and H_hor, whose azimuth counts from
    south with west positive.

    Azimuths reach from 0 to 360, or from -180 to 180 (west negative) under the header azimuth_deg, and rise or fall
    once around. Elevations below 0 count as 0. Two or more elevations at one azimuth are a wall: its foot is moved
    outward by at most 0.1 deg, so that the mask is nowhere lower than the survey. A last row at 360 deg that repeats
    the first at 0 deg is dropped.

    Raises
    ------
    DataError
        A column is missing, a value is no number or out of range, azimuths go to and fro, may count from north or
        south, or the rows at 0 and 360 deg differ.
    """
    rows = _rows(path)
    if not rows:
        raise DataError(f"{path.name}: no row; {_FORMS}")
    for line, azimuth, elevation in rows:
        for column, value, sound, limits in (
            ("azimuth_deg", azimuth, -180.0 <= azimuth <= 360.0, "0 to 360, or -180 to 180"),
            ("elevation_deg", elevation, -90.0 <= elevation < 90.0, "0 to below 90, after the azimuth"),
        ):
            if not sound:
                raise DataError(f"{path.name} line {line}: {column} is {value:g}; expected {limits}")
    return _without_walls(_around(path, rows))


def _rows(path: Path) -> list[Row]:
    """Line, azimuth from north and elevation of each row, as written."""
    text = sound_text(path)
    if path.suffix.lower() == ".hpts" and text.lstrip()[:1] in ("[", "{"):
        return _json_rows(path, text)
    lines = [
        (number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith(("#", ";"))
    ]  # fmt: skip
    heads = [i for i, (_, line) in enumerate(lines) if {"A", "H_hor"} <= set(_cells(line))]
    if heads:
        return _pvgis_rows(path, lines[heads[0] :])
    if not lines or not _NUMBER.fullmatch(_cells(lines[0][1])[0]):
        return _named_rows(path)
    rows = [(number, *_two_numbers(path, number, _cells(line))) for number, line in lines]
    low = min(rows, key=lambda row: row[1])
    if low[1] < 0:
        raise DataError(
            f"{path.name} line {low[0]}: azimuth {low[1]:g} may count from north or from south; write the header "
            "azimuth_deg,elevation_deg if it counts from north (west negative), or keep PVGIS's header A, H_hor if it "
            "counts from south (east negative)"
        )
    return rows


def _cells(line: str) -> list[str]:
    """Cells of a row: by semicolons or tabs, by commas, or by blanks around numbers that may have a decimal comma."""
    for mark in (";", "\t"):
        if mark in line:
            return [cell for cell in (c.strip() for c in line.split(mark)) if cell]
    words = line.split()
    if "," in line and not (
        len(words) == 2 and all(_NUMBER.fullmatch(w) and w[-1] != "," and w[0] != "," for w in words)
    ):
        return [cell.strip() for cell in line.split(",")]
    return words


def _two_numbers(path: Path, number: int, cells: list[str]) -> tuple[float, float]:
    if len(cells) != 2 or not all(_NUMBER.fullmatch(cell) for cell in cells):
        shown = " ".join(cells)[:60]
        raise DataError(f"{path.name} line {number}: expected two numbers, azimuth and elevation; got '{shown}'")
    azimuth, elevation = (float(cell.replace(",", ".")) for cell in cells)
    return azimuth, elevation


def _named_rows(path: Path) -> list[Row]:
    columns = ("azimuth_deg", "elevation_deg")
    found = csv_header(sound_text(path), path.name)
    lacking = [c for c in columns if c not in found]
    if lacking:
        raise DataError(f"{path.name}: column '{lacking[0]}' is missing; found {found}; {_FORMS}")
    rows = numbered_rows(path, required=columns, numbers=columns)
    blank = [f"line {line}, {c}: is blank; write a number, or take the row out" for line, row in rows
             for c in columns if not row[c]]  # fmt: skip
    if blank:
        raise CsvError(path.name, blank)
    return [(line, float(row["azimuth_deg"]), float(row["elevation_deg"])) for line, row in rows]


def _pvgis_rows(path: Path, lines: list[tuple[int, str]]) -> list[Row]:
    """Rows of PVGIS: A counts from south, west positive; notes stand before and after them."""
    head = _cells(lines[0][1])
    at, height = head.index("A"), head.index("H_hor")
    rows: list[Row] = []
    for number, line in lines[1:]:
        cells = _cells(line)
        if not _NUMBER.fullmatch(cells[0]):
            break
        if len(cells) != len(head):
            raise DataError(f"{path.name} line {number}: {len(cells)} cells; expected {len(head)}, as in its header")
        azimuth, elevation = _two_numbers(path, number, [cells[at], cells[height]])
        if not -180.0 <= azimuth <= 180.0:
            raise DataError(
                f"{path.name} line {number}: A is {azimuth:g}; expected -180 to 180 from south, west positive"
            )
        rows.append((number, azimuth + 180.0, elevation))
    return rows


def _json_rows(path: Path, text: str) -> list[Row]:
    """Pairs of elevation and azimuth, in the order that MountWizzard keeps them."""
    try:
        pairs = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path.name}: not valid JSON ({error}); {_FORMS}, in a file that ends in .hrz") from error
    rows: list[Row] = []
    for number, pair in enumerate(pairs if isinstance(pairs, list) else [pairs], start=1):
        numbers = isinstance(pair, list) and len(pair) == 2 and all(type(v) in (int, float) for v in pair)
        if not numbers or not all(abs(v) < 1e6 for v in pair):
            raise DataError(f"{path.name}: pair {number} is no [elevation, azimuth]; write such as [12.5, 90]")
        rows.append((number, float(pair[1]), float(pair[0])))
    return rows


def _around(path: Path, rows: list[Row]) -> list[tuple[float, float]]:
    """Pairs once around from north, azimuths rising or equal, elevations not below 0."""
    if rows[-1][1] < rows[0][1] and all(b[1] <= a[1] for a, b in pairwise(rows)):
        rows = rows[::-1]
    low, high = min(row[1] for row in rows), max(row[1] for row in rows)
    if high - low > 360 or (low < 0 and high > 180):
        raise DataError(f"{path.name}: azimuths from {low:g} to {high:g}; expected 0 to 360, or -180 to 180")
    turns = [i for i, (a, b) in enumerate(pairwise(rows), start=1) if b[1] < a[1]]
    if turns:
        first = turns[0]
        line, azimuth, _ = rows[first]
        before = rows[first - 1][1]
        rows = [*rows[first:], *rows[:first]]
        if any(b[1] < a[1] for a, b in pairwise(rows)):
            raise DataError(
                f"{path.name} line {line}: azimuth_deg {azimuth:g} after {before:g}; let them rise or fall once around"
            )
    pairs = [(azimuth, max(elevation, 0.0)) for _, azimuth, elevation in rows]
    seam = pairs[0][0] + 360.0
    if len(pairs) > 1 and pairs[-1][0] == seam:
        if pairs[-1][1] != pairs[0][1]:
            raise DataError(
                f"{path.name}: elevation {pairs[0][1]:g} at {pairs[0][0]:g} deg but {pairs[-1][1]:g} at {seam:g} deg; "
                "they are one direction: give both the same"
            )
        pairs.pop()
    turned = [(azimuth % 360.0, elevation) for azimuth, elevation in pairs]
    start = next((i for i, (a, b) in enumerate(pairwise(turned), start=1) if b[0] < a[0]), 0)
    return [*turned[start:], *turned[:start]]


def _without_walls(pairs: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Pairs with one elevation for each azimuth: the top of a wall there, its feet beside it if there is room."""
    groups = [(azimuth, [e for _, e in group]) for azimuth, group in groupby(pairs, key=lambda pair: pair[0])]
    if len(groups) == 1:
        return [(groups[0][0], max(groups[0][1]))]
    found: list[tuple[float, float]] = []
    for i, (azimuth, elevations) in enumerate(groups):
        top = max(elevations)
        found.append((azimuth, top))
        # Where another row is near, the line to that row is the slope of the wall.
        last, following = groups[i - 1], groups[(i + 1) % len(groups)]
        for foot, other, gap, step in (
            (elevations[0], last[1][-1], (azimuth - last[0]) % 360.0, -_FINEST_DEG),
            (elevations[-1], following[1][0], (following[0] - azimuth) % 360.0, _FINEST_DEG),
        ):
            if foot < top and gap >= 3 * _FINEST_DEG:
                beside = foot + max(other - foot, 0.0) * _FINEST_DEG / gap
                found.append((round((azimuth + step) % 360.0, 9), beside))
    return sorted(found)
