"""Angles as people write them, in the notations that a number does not take: what they are in decimal degrees."""

from __future__ import annotations

import re

__all__ = ["decimal_degrees", "longitude_problem"]

_PART = r"([0-9]{1,3}(?:[.,][0-9]{1,12})?)"
_SEXAGESIMAL = re.compile(
    rf"([+-]?)\s*{_PART}\s*[°d: ]\s*{_PART}\s*(?:['′m: ]\s*(?:{_PART}\s*(?:[\"″s]|'')?)?)?\s*([NSEWO]?)", re.I
)
_LETTERED = re.compile(rf"([+-]?)\s*{_PART}\s*°?\s*([NSEW])", re.I)


def decimal_degrees(text: str) -> float | None:
    r"""Degrees that a text states by degrees, minutes and seconds, or by a direction; None if it does neither.

    Examples
    --------
    >>> decimal_degrees("28 18 00 N")
    28.3
    >>> decimal_degrees("16°30'36\"W")
    -16.51
    """
    found = _SEXAGESIMAL.fullmatch(text.strip())
    if found:
        sign, *parts, direction = found.groups()
    else:
        found = _LETTERED.fullmatch(text.strip())
        if not found:
            return None
        sign, degrees, direction = found.groups()
        parts = [degrees, None, None]
    degrees_, minutes, seconds = (float((p or "0").replace(",", ".")) for p in parts)
    if minutes >= 60 or seconds >= 60:
        return None
    value = round(degrees_ + minutes / 60 + seconds / 3600, 6)
    return -value if sign == "-" or direction.upper() in ("S", "W") else value


def longitude_problem(value: float) -> str:
    """What to say of a longitude [deg] that counts from 0 to 360; empty if it does not."""
    if not 180 < value <= 360:
        return ""
    return f"{value:g} counts from 0 to 360; expected -180 to 180, east positive; write {round(value - 360, 9):g}"
