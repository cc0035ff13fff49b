"""Lines and components of iCalendar text (RFC 5545, 3.1 and 3.6), kept as far as times of closures need them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from eqci_space.errors import DataError
from eqci_space.files.limits import CALENDAR_LINES, DEEPEST_NESTING, LONGEST_NAME, control_problem

__all__ = ["Component", "Line", "parameter", "parse_calendars", "shown_text", "single", "stated"]

_LINE = re.compile(r"[^\r\n]*+(?:(?:\r\n|\n|\r)[ \t][^\r\n]*+)*+")
_FOLD = re.compile(r"(?:\r\n|\n|\r)[ \t]")
_NAME = re.compile(r"[A-Za-z0-9-]++")
_PARAMETERS = re.compile(r'(?:[^":]++|"[^"]*+")*+')
_PARAMETER = re.compile(r';([A-Za-z0-9-]++)=((?:[^";]++|"[^"]*+")*+)')
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_TIMES = ("DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID", "FREEBUSY")
_LIKE_A_TIME = re.compile(rf"\s*(?:{'|'.join(_TIMES)})(?![A-Za-z0-9-])")
_BUSY_STATUS = ("X-MICROSOFT-CDO-BUSYSTATUS", "X-MICROSOFT-MSNCALENDAR-BUSYSTATUS")
_KEPT = frozenset(
    (*_TIMES, *_BUSY_STATUS, "UID", "SUMMARY", "SEQUENCE", "DTSTAMP", "STATUS", "TRANSP", "METHOD", "X-WR-TIMEZONE",
     "TZID", "TZOFFSETFROM", "TZOFFSETTO", "BUSYTYPE")
)  # fmt: skip


class Line(NamedTuple):
    """A property as written: its parameters, each with its semicolon, and its value."""

    parameters: str
    value: str


@dataclass(slots=True)
class Component:
    """A component, with the properties that matter here by name and the lines for times that are none (`broken`)."""

    kind: str
    lines: dict[str, list[Line]] = field(default_factory=dict)
    parts: list[Component] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def parse_calendars(text: str, source: str) -> list[Component]:
    """Read the VCALENDAR components of a text.

    A line of an event that is no property is taken for a rest of the text before it, unless it begins like a time.

    Raises
    ------
    DataError
        The text holds no calendar, BEGIN and END do not match, or a line outside of events is no property.
    """
    calendars: list[Component] = []
    open_parts: list[Component] = []
    for count, (number, text_line) in enumerate(_unfolded(text)):
        if count >= CALENDAR_LINES:
            raise DataError(f"{source}: more than {CALENDAR_LINES} lines; keep only the events of this period")
        split = _split(text_line)
        name, line = split if split else ("", Line("", text_line))
        kind = line.value.strip().upper()
        if name == "BEGIN":
            if not open_parts and kind != "VCALENDAR":
                raise _invalid(source, number, f"BEGIN:{kind[:LONGEST_NAME]} stands outside of BEGIN:VCALENDAR")
            if len(open_parts) >= DEEPEST_NESTING:
                raise _invalid(source, number, f"components are nested more than {DEEPEST_NESTING} deep")
            part = Component(kind)
            (open_parts[-1].parts if open_parts else calendars).append(part)
            open_parts.append(part)
        elif name == "END":
            if not open_parts or open_parts.pop().kind != kind:
                raise _invalid(source, number, "its BEGIN and END lines do not match")
        elif not open_parts or (not split and len(open_parts) == 1):
            raise _invalid(source, number, f"{text_line[:LONGEST_NAME]!r} is no property of a calendar")
        elif split:
            if name in _KEPT:
                open_parts[-1].lines.setdefault(name, []).append(line)
        elif _LIKE_A_TIME.match(text_line):
            open_parts[-1].broken.append(text_line)
    if open_parts or not calendars:
        what = f"{open_parts[-1].kind[:LONGEST_NAME]!r} has no END" if open_parts else "it has no BEGIN:VCALENDAR"
        raise DataError(f"{source}: not a valid iCalendar file: {what}; export the calendar again, in full")
    return calendars


def _invalid(source: str, number: int, what: str) -> DataError:
    shown = shown_text(what, longest=3 * LONGEST_NAME)
    return DataError(
        f"{source}: not a valid iCalendar file: line {number}: {shown}; export the calendar again, in full"
    )


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """Lines with the number of the first line of the file that each stands on; blank ones are left out."""
    number, position = 1, 0
    while position < len(text):
        found = _LINE.match(text, position)
        raw = found.group() if found else ""
        if raw.strip():
            yield number, _FOLD.sub("", raw)
        position += len(raw)
        position += 2 if text.startswith("\r\n", position) else 1
        number += 1 + len(_FOLD.findall(raw))


def _split(text: str) -> tuple[str, Line] | None:
    """Name, parameters and value of a line; None if it is no property."""
    name = _NAME.match(text)
    parameters = _PARAMETERS.match(text, name.end()) if name else None
    if name is None or parameters is None or not text.startswith(":", parameters.end()):
        return None
    if parameters.group() and not parameters.group().startswith(";"):
        return None
    return name.group().upper(), Line(parameters.group(), text[parameters.end() + 1 :])


def parameter(line: Line, name: str) -> str:
    """Value of a parameter of a property, without quotation marks; empty if it has none."""
    for key, value in _PARAMETER.findall(line.parameters):
        if key.upper() == name:
            return str(value).strip('"')
    return ""


def stated(component: Component, name: str) -> list[str]:
    """Values of a property in capitals, as often as it stands."""
    return [line.value.strip().upper() for line in component.lines.get(name, [])]


def single(component: Component, name: str) -> str:
    """First value of a text property as it may be shown; empty if there is none."""
    lines = component.lines.get(name)
    return shown_text(_ESCAPED.sub(_unescaped, lines[0].value)) if lines else ""


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] in "nN" else match[1]


def shown_text(text: str, *, longest: int = 200) -> str:
    """A text in one line, cut, with a mark in place of each character that cannot be shown."""
    cut = " ".join(text[: 4 * longest].split())
    cut = cut if len(cut) <= longest else cut[: longest - 1] + "…"
    return "".join("\N{REPLACEMENT CHARACTER}" if control_problem(c) else c for c in cut)
