"""Readers of element sets: OMM in JSON, and TLE. Every malformed record is an error that names its place.

Sources: CCSDS 502.0-B-3 (OMM keywords); the column layout of the two-line format is public.
`sgp4` accepts broken lines silently, so length, checksum and catalogue number are checked here.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from eqci_space.errors import ElementsError, near_matches
from eqci_space.orbits.elements import ElementSet

__all__ = ["read_elements", "select_elements"]

_MAX_BYTES = 50_000_000
_OMM_FIELDS = {
    "EPOCH": "epoch", "MEAN_MOTION": "mean_motion_rev_day", "ECCENTRICITY": "eccentricity",
    "INCLINATION": "inclination_deg", "RA_OF_ASC_NODE": "raan_deg",
    "ARG_OF_PERICENTER": "argument_of_pericenter_deg", "MEAN_ANOMALY": "mean_anomaly_deg",
    "NORAD_CAT_ID": "catalogue_number",
}  # fmt: skip
_OMM_OPTIONAL = {
    "BSTAR": "bstar_per_earth_radius", "MEAN_MOTION_DOT": "mean_motion_dot_rev_day2",
    "MEAN_MOTION_DDOT": "mean_motion_ddot_rev_day3",
}  # fmt: skip
_OMM_EXPECTED = {
    "CENTER_NAME": "EARTH",
    "REF_FRAME": "TEME",
    "TIME_SYSTEM": "UTC",
    "MEAN_ELEMENT_THEORY": "SGP4",
}
_ALPHA5 = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def read_elements(path: str | Path) -> list[ElementSet]:
    """Read all element sets of a file; the format is told by its first character.

    Raises
    ------
    ElementsError
        The file is missing, empty, too large, or a record is malformed (file, record and field are named).
    """
    path = Path(path)
    if not path.is_file():
        raise ElementsError(f"read_elements: no file '{path}'")
    if path.stat().st_size > _MAX_BYTES:
        raise ElementsError(
            f"read_elements: {path.name} has {path.stat().st_size} bytes; expected at most {_MAX_BYTES}"
        )
    try:
        text = path.read_text(encoding="utf-8").lstrip("\ufeff")
    except UnicodeDecodeError as error:
        raise ElementsError(f"read_elements: {path.name} is not UTF-8 text ({error})") from error
    if not text.strip():
        raise ElementsError(f"read_elements: {path.name} is empty")
    if text.lstrip()[0] in "[{":
        return _parse_omm_json(text, path.name)
    return _parse_tle(text, path.name)


def select_elements(sets: list[ElementSet], name: str, where: str) -> ElementSet:
    """The newest set of the object `name`; a file with one object needs no name."""
    matching = [s for s in sets if s.name == name] or (sets if len({s.catalogue_number for s in sets}) == 1 else [])
    if not matching:
        raise ElementsError(f"{where}: no object '{name}'; {near_matches(name, {s.name for s in sets})}")
    return max(matching, key=lambda s: s.epoch)


def _parse_omm_json(text: str, file: str) -> list[ElementSet]:
    try:
        records = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ElementsError(f"{file}: not valid JSON: {error}") from error
    records = [records] if isinstance(records, dict) else records
    if not records:
        raise ElementsError(f"{file}: no element set found; expected OMM in JSON or two-line elements")
    return [_element_set_from_omm(r, f"{file} record {i}") for i, r in enumerate(records, start=1)]


def _element_set_from_omm(record: Any, where: str) -> ElementSet:
    if not isinstance(record, dict):
        raise ElementsError(f"{where}: found {type(record).__name__}; expected an object with OMM keywords")
    for key, expected in _OMM_EXPECTED.items():
        if str(record.get(key, expected)).upper() != expected:
            raise ElementsError(f"{where}: {key} is '{record[key]}'; expected {expected}")
    if str(record.get("EPHEMERIS_TYPE", 0)) not in ("0", "2"):
        raise ElementsError(f"{where}: EPHEMERIS_TYPE {record['EPHEMERIS_TYPE']} is not SGP4; expected 0")
    missing = [k for k in _OMM_FIELDS if k not in record]
    if missing:
        raise ElementsError(f"{where}: lacks {', '.join(missing)}")
    values = {_OMM_FIELDS[k]: record[k] for k in _OMM_FIELDS}
    values |= {field: record[k] for k, field in _OMM_OPTIONAL.items() if record.get(k) not in (None, "")}
    values["epoch"] = _epoch(record["EPOCH"], where)
    values["name"] = str(record.get("OBJECT_NAME") or record["NORAD_CAT_ID"])
    values["object_id"] = str(record.get("OBJECT_ID") or "")
    return _build(values, where)


def _epoch(value: Any, where: str) -> datetime:
    try:
        epoch = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise ElementsError(f"{where}: EPOCH '{value}' is no ISO 8601 time") from error
    try:
        # OMM states TIME_SYSTEM = UTC, so an epoch without a zone is UTC
        return epoch.replace(tzinfo=UTC) if epoch.tzinfo is None else epoch.astimezone(UTC)
    except OverflowError as error:
        raise ElementsError(f"{where}: EPOCH '{value}' lies outside the years 1 to 9999 in UTC") from error


def _build(values: dict[str, Any], where: str) -> ElementSet:
    try:
        return ElementSet(**values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise ElementsError(f"{where}: {field}: {first['msg']} (got {first['input']!r})") from error


def _parse_tle(text: str, file: str) -> list[ElementSet]:
    lines = [(n, line.rstrip()) for n, line in enumerate(text.splitlines(), start=1) if line.strip()]
    sets, name, i = [], "", 0
    while i < len(lines):
        number, line = lines[i]
        if _is_element_line(line, "1"):
            if i + 1 >= len(lines):
                raise ElementsError(f"{file} line {number}: line 1 of an element set without its line 2")
            sets.append(_tle_pair(name, line, lines[i + 1][1], f"{file} line {number}"))
            name, i = "", i + 2
        elif _is_element_line(line, "2"):
            raise ElementsError(f"{file} line {number}: line 2 of an element set without its line 1")
        else:
            name, i = line.removeprefix("0 ").strip(), i + 1
    if not sets:
        raise ElementsError(f"{file}: no element set found; expected OMM in JSON or two-line elements")
    return sets


def _is_element_line(line: str, first: str) -> bool:
    """Whether a line is meant as line 1 or 2 of a set, whole or broken, and not as a name."""
    return line.startswith(f"{first} ") and (len(line) > 30 or line[2:7].strip().isdigit())


def _tle_pair(name: str, line1: str, line2: str, where: str) -> ElementSet:
    for line, first in ((line1, "1"), (line2, "2")):
        if len(line) != 69 or not line.isascii():
            raise ElementsError(f"{where}: line {first} has {len(line)} characters; expected 69 ASCII characters")
        if line[0] != first:
            raise ElementsError(f"{where}: found a line that begins with '{line[0]}'; expected line {first}")
        if str(_checksum(line)) != line[68]:
            raise ElementsError(f"{where}: checksum of line {first} is {line[68]}; computed {_checksum(line)}")
    if line1[2:7] != line2[2:7]:
        raise ElementsError(f"{where}: the lines belong to two objects, {line1[2:7]!r} and {line2[2:7]!r}")
    if line1[62] not in " 02":
        raise ElementsError(f"{where}: ephemeris type {line1[62]} is not SGP4; expected 0")
    try:
        values = _tle_values(line1, line2)
    except ValueError as error:
        raise ElementsError(f"{where}: a field is no number ({error})") from error
    values["name"] = name or str(values["catalogue_number"])
    return _build(values, where)


def _tle_values(line1: str, line2: str) -> dict[str, Any]:
    year = int(line1[18:20])
    day = float(line1[20:32])
    if not 1.0 <= day < 367.0:
        raise ValueError(f"day of year {day} outside 1..366")
    whole = int(day)
    micro = round((day - whole) * 86400e6)
    first_day = datetime(2000 + year if year < 57 else 1900 + year, 1, 1, tzinfo=UTC)
    return {
        "object_id": line1[9:17].strip(),
        "catalogue_number": _ALPHA5.index(line1[2]) * 10_000 + int(line1[3:7]) if line1[2] != " " else int(line1[2:7]),
        "epoch": first_day + timedelta(days=whole - 1, microseconds=micro),
        "mean_motion_dot_rev_day2": float(line1[33:43]),
        "mean_motion_ddot_rev_day3": _implied_point(line1[44:52]),
        "bstar_per_earth_radius": _implied_point(line1[53:61]),
        "inclination_deg": float(line2[8:16]),
        "raan_deg": float(line2[17:25]),
        "eccentricity": float("0." + line2[26:33].strip()),
        "argument_of_pericenter_deg": float(line2[34:42]),
        "mean_anomaly_deg": float(line2[43:51]),
        "mean_motion_rev_day": float(line2[52:63]),
    }


def _implied_point(field: str) -> float:
    """A field such as `` 34123-4``, which means 0.34123e-4."""
    sign = -1.0 if field[0] == "-" else 1.0
    digits = field[1:6].strip() or "0"
    return sign * float(f"0.{digits}") * 10.0 ** int(field[6:8].strip() or "0")


def _checksum(line: str) -> int:
    return sum(int(c) if c.isdigit() else int(c == "-") for c in line[:68]) % 10
