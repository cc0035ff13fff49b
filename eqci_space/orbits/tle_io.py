"""Two-line element sets, Alpha-5 catalogue numbers included.

`sgp4` accepts broken lines silently, so length, checksum and catalogue number are checked here. Columns beyond 69
are ignored, as verification files put comments there. Lines may be indented. A set whose two lines both end at column
68 has no checksum and is read with a warning; if one of them does, it is cut.

The column layout of the format is public. Blanks of a field with an implied decimal point stand for zeros (CelesTrak,
"Frequently Asked Questions: Two-Line Element Set Format", on the eccentricity; Vallado et al. 2006, AIAA 2006-6753,
`twoline2rv`), as in the readers of the packages sgp4 and Skyfield.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from eqci_space.errors import ElementsError, UncheckedRecordWarning
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
    "mean_motion_ddot_rev_day3": "second derivative of the mean motion (line 1, columns 45-52)",
    "bstar_per_earth_radius": "drag term (line 1, columns 54-61)",
}  # fmt: skip
_IMPLIED_POINT = re.compile(r"([-+ 0])([ \d]{5})([-+ ]?)([ \d]{1,2})")
_BLANKS_1, _BLANKS_2 = (1, 8, 17, 32, 43, 52, 61, 63), (1, 7, 16, 25, 33, 42, 51)


def parse_tle(text: str, source: str) -> Iterator[ElementSet | BadRecord]:
    """Element sets of two- or three-line records, in order; a malformed record gives what is wrong instead.

    Lines that begin with # are comments.

    Warns
    -----
    UncheckedRecordWarning
        Sets have no checksum: how many, and the first.
    """
    lines = [(n, line.lstrip()) for n, line in enumerate(text.splitlines(), start=1)]
    lines = [(n, line) for n, line in lines if line and not line.startswith("#")]
    if not any(_is_element_line(line, first) for _, line in lines for first in "12"):
        return
    title, i, unchecked = "", 0, []
    while i < len(lines):
        number, line = lines[i]
        where = f"{source} line {number}"
        following = lines[i + 1][1] if i + 1 < len(lines) else ""
        i += 1
        if _is_element_line(line, "1"):
            if _is_element_line(following, "2"):
                bare = _has_no_checksum(line) and _has_no_checksum(following)
                unchecked += [number] if bare else []
                first, second = ((_completed(x) if bare else x.rstrip()) for x in (line, following))
                yield _attempt(title, first, second, where)
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
            yield BadRecord(f"{where}: '{line[:24].rstrip()}' is no element line, and no name of the line after it")
    if unchecked:
        warnings.warn(
            f"{source}: {len(unchecked)} element set{'s' * (len(unchecked) > 1)} without the checksum of column 69, "
            f"the first in line {unchecked[0]}; a mistyped digit is not noticed there; get lines with checksums",
            UncheckedRecordWarning,
            stacklevel=2,
        )


def _has_no_checksum(line: str) -> bool:
    """Whether a line fills 68 columns, blanks that are written counted, and has nothing in column 69."""
    return len(line) >= _LENGTH - 1 and not line[_LENGTH - 1 :].strip()


def _completed(line: str) -> str:
    """A line of 68 columns with its checksum."""
    return line[: _LENGTH - 1] + str(_checksum(line))


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
            found = f"line {first} has {len(line)} characters" if line.isascii() else f"line {first} is no ASCII text"
            raise ElementsError(f"{where}: {found}; expected 69 ASCII characters, or 68 in both lines")
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
        if "_" in line1[18:] + line2:  # which Python's numbers may hold
            raise ValueError("an underscore")
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
        "mean_motion_dot_rev_day2": _explicit_point(line1[33:43]),
        "mean_motion_ddot_rev_day3": _implied_point(line1[44:52]),
        "bstar_per_earth_radius": _implied_point(line1[53:61]),
        "inclination_deg": float(line2[8:16]),
        "raan_deg": float(line2[17:25]),
        "eccentricity": _fraction(line2[26:33]),
        "argument_of_pericenter_deg": float(line2[34:42]),
        "mean_anomaly_deg": float(line2[43:51]),
        "mean_motion_rev_day": float(line2[52:63]),
    }


def _catalogue_number(line: str) -> int:
    return _ALPHA5.index(line[2]) * 10_000 + int(line[3:7]) if line[2] != " " else int(line[2:7])


def _fraction(digits: str) -> float:
    """Digits behind an implied point, blanks as zeros: ``    26 `` means 0.000026."""
    filled = digits.replace(" ", "0")
    if not (filled.isascii() and filled.isdigit()):
        raise ValueError(f"{digits!r} are no digits")
    return float(f"0.{filled}")


def _implied_point(field: str) -> float:
    """A field such as `` 34123-4``, which means 0.34123e-4; blanks are zeros, and a blank sign is a plus."""
    match = _IMPLIED_POINT.fullmatch(field)
    if not match:
        raise ValueError(f"{field!r} is not such as ' 34123-4', which means 0.34123e-4")
    sign, digits, exponent_sign, exponent = match.groups()
    size = _fraction(digits) * 10.0 ** int(f"{exponent_sign.strip()}{exponent.replace(' ', '0')}")
    return -size if sign == "-" else size


def _explicit_point(field: str) -> float:
    """A field such as ``-.00000696`` with its point written; blanks behind the point are zeros, a blank field is 0."""
    whole, point, digits = field.partition(".")
    if not point:
        return float(field) if field.strip(" +-") else 0.0
    return float(f"{whole.strip()}0.{digits.replace(' ', '0')}") if whole.strip(" +-0") == "" else float(field)


def _checksum(line: str) -> int:
    return sum(int(c) if c.isdigit() else int(c == "-") for c in line[:68]) % 10
