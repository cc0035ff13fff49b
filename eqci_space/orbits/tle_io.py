"""Two-line element sets, Alpha-5 catalogue numbers included.

`sgp4` accepts broken lines silently, so length, checksum and catalogue number are checked here. Columns beyond 69
are ignored, as verification files put comments there. The column layout of the format is public.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from eqci_space.errors import ElementsError
from eqci_space.orbits.elements import BadRecord, ElementSet, build_elements

__all__ = ["parse_tle"]

_ALPHA5 = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_LENGTH = 69
_FIELDS = {
    "inclination_deg": "inclination (line 2, columns 9-16)", "raan_deg": "ascending node (line 2, columns 18-25)",
    "eccentricity": "eccentricity (line 2, columns 27-33)",
    "argument_of_pericenter_deg": "argument of pericentre (line 2, columns 35-42)",
    "mean_anomaly_deg": "mean anomaly (line 2, columns 44-51)",
    "mean_motion_rev_day": "mean motion (line 2, columns 53-63)",
    "mean_motion_dot_rev_day2": "derivative of the mean motion (line 1, columns 34-43)",
    "bstar_per_earth_radius": "drag term (line 1, columns 54-61)",
}  # fmt: skip
_BLANKS_1, _BLANKS_2 = (1, 8, 17, 32, 43, 52, 61, 63), (1, 7, 16, 25, 33, 42, 51)


def parse_tle(text: str, source: str) -> Iterator[ElementSet | BadRecord]:
    """Element sets of two- or three-line records, in order; a malformed record gives what is wrong instead.

    Lines that begin with # are comments.
    """
    lines = [(n, line.rstrip()) for n, line in enumerate(text.splitlines(), start=1)]
    lines = [(n, line) for n, line in lines if line and not line.startswith("#")]
    if not any(_is_element_line(line, first) for _, line in lines for first in "12"):
        return
    title, i = "", 0
    while i < len(lines):
        number, line = lines[i]
        where = f"{source} line {number}"
        following = lines[i + 1][1] if i + 1 < len(lines) else ""
        i += 1
        if _is_element_line(line, "1"):
            if _is_element_line(following, "2"):
                yield _attempt(title, line, following, where)
                i += 1
            else:
                yield _bad(f"{where}: line 1 of an element set without its line 2", title, line)
            title = ""
        elif _is_element_line(line, "2"):
            yield _bad(f"{where}: line 2 of an element set without its line 1", title, line)
            title = ""
        elif _is_element_line(following, "1") or _is_element_line(following, "2"):
            title = line.removeprefix("0 ").strip()
        else:
            yield BadRecord(f"{where}: '{line[:24]}' is no element line, and no name of the line after it")


def _is_element_line(line: str, first: str) -> bool:
    """Whether a line is meant as line 1 or 2 of a set, whole or broken, and not as a name."""
    number = line[2:3] in (*_ALPHA5, " ") and line[3:7].strip().isdigit()
    return line.startswith(f"{first} ") and (len(line) > 30 or number)


def _attempt(name: str, line1: str, line2: str, where: str) -> ElementSet | BadRecord:
    try:
        return _pair(name, line1, line2, where)
    except ElementsError as error:
        return _bad(str(error), name, line1)


def _bad(message: str, name: str, line: str) -> BadRecord:
    try:
        number = _catalogue_number(line)
    except ValueError:
        return BadRecord(message, name)
    return BadRecord(message, name or str(number), number)


def _pair(name: str, line1: str, line2: str, where: str) -> ElementSet:
    for line, first in ((line1, "1"), (line2, "2")):
        whole = len(line) == _LENGTH or (len(line) > _LENGTH and line[_LENGTH] == " ")
        if not whole or not line[:_LENGTH].isascii():
            raise ElementsError(f"{where}: line {first} has {len(line)} characters; expected 69 ASCII characters")
        if str(_checksum(line)) != line[68]:
            raise ElementsError(f"{where}: checksum of line {first} is {line[68]}; computed {_checksum(line)}")
    for line, columns in ((line1, _BLANKS_1), (line2, _BLANKS_2)):
        filled = [c + 1 for c in columns if line[c] != " "]
        if filled:
            raise ElementsError(f"{where}: column {filled[0]} of line {line[0]} is '{line[filled[0] - 1]}', not blank")
    if line1[2:7] != line2[2:7]:
        raise ElementsError(f"{where}: the lines belong to two objects, {line1[2:7]!r} and {line2[2:7]!r}")
    if line1[62] not in " 02":
        raise ElementsError(f"{where}: ephemeris type {line1[62]} is not SGP4; expected 0")
    try:
        values = _values(line1, line2)
    except ValueError as error:
        raise ElementsError(f"{where}: a field is no number ({error})") from error
    values["name"] = name or str(values["catalogue_number"])
    return build_elements(values, where, names=_FIELDS)


def _values(line1: str, line2: str) -> dict[str, Any]:
    year = int(line1[18:20])
    day = float(line1[20:32])
    if not 1.0 <= day < 367.0:
        raise ValueError(f"day of year {day} outside 1..366")
    whole = int(day)
    micro = round((day - whole) * 86400e6)
    first_day = datetime(2000 + year if year < 57 else 1900 + year, 1, 1, tzinfo=UTC)
    return {
        "object_id": line1[9:17].strip(),
        "catalogue_number": _catalogue_number(line1),
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


def _catalogue_number(line: str) -> int:
    return _ALPHA5.index(line[2]) * 10_000 + int(line[3:7]) if line[2] != " " else int(line[2:7])


def _implied_point(field: str) -> float:
    """A field such as `` 34123-4``, which means 0.34123e-4."""
    sign = -1.0 if field[0] == "-" else 1.0
    digits = field[1:6].strip() or "0"
    return sign * float(f"0.{digits}") * 10.0 ** int(field[6:8].strip() or "0")


def _checksum(line: str) -> int:
    return sum(int(c) if c.isdigit() else int(c == "-") for c in line[:68]) % 10
