"""What any input may be: how large, which texts and names, and which files a scenario may name.

All limits stand here. They are far beyond what the tool is made for; what goes beyond them is refused before it is
read or computed, with words that say what was found, what is allowed and how to mend it.
"""

from __future__ import annotations

import re
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Any

from eqci_space.errors import DataError

__all__ = [
    "CALENDAR_CLOSURES",
    "CALENDAR_EVENTS",
    "CALENDAR_EVENT_VISITS",
    "CALENDAR_LINES",
    "CALENDAR_OCCURRENCES",
    "CALENDAR_VISITS",
    "DEEPEST_NESTING",
    "DEMAND_BINS",
    "FIRST_YEAR",
    "GRID_AXIS",
    "GRID_BYTES",
    "LAST_YEAR",
    "LONGEST_NAME",
    "LONGEST_TEXT",
    "NOTE_BYTES",
    "ORBIT_BYTES",
    "SATELLITES",
    "SCENARIO_BYTES",
    "SPANS_PER_LINK",
    "STATION_DAYS",
    "TABLE_BYTES",
    "TABLE_COLUMNS",
    "UNPACKED_SIZE",
    "UNPACKED_TIMES",
    "WEATHER_TEXT_BYTES",
    "control_problem",
    "dotted_key_problem",
    "file_beside",
    "name_problem",
    "oversize",
    "text_problem",
    "tree_problems",
]

SCENARIO_BYTES = 5_000_000
TABLE_BYTES = 5_000_000
"""Of catalogues, networks, horizon masks and calendars."""
TABLE_COLUMNS = 400
ORBIT_BYTES = 50_000_000
WEATHER_TEXT_BYTES = 200_000_000
GRID_BYTES = 8_000_000_000
GRID_AXIS = 5_000_000
"""Values along a dimension of a grid."""
NOTE_BYTES = 50_000_000
"""Of JSON that describes a saved run or chunk."""
UNPACKED_SIZE, UNPACKED_TIMES = 256_000_000, 100
"""Of a packed table in memory: so much, or so many times its file, whichever is more."""
LONGEST_TEXT, LONGEST_NAME, DEEPEST_NESTING = 10_000, 80, 32
CALENDAR_OCCURRENCES, CALENDAR_CLOSURES = 10_000, 50_000
"""Of one event, and of a calendar, within the period."""
CALENDAR_LINES, CALENDAR_EVENTS = 200_000, 10_000
CALENDAR_EVENT_VISITS, CALENDAR_VISITS = 100_000, 300_000
"""Days and times that are looked at to repeat one event, and all events of a calendar."""
SATELLITES = 20_000
STATION_DAYS = 20_000_000
"""Satellites times stations times days: a year of 500 satellites over 100 stations."""
DEMAND_BINS = 5_000_000
"""Demands times bins of the plan: ten years of 50 demands by the hour."""
SPANS_PER_LINK = 10_000
FIRST_YEAR, LAST_YEAR = 1973, 2099
"""Earth orientation is known from 1973 on; the series for the Sun hold until 2100."""

_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_LAYOUT = frozenset("\t\n")
_PRINTABLE_ASCII = re.compile(r"[\t\n -~]*")
# Forty dotted parts of a key; parsers need time that grows with the square of their number.
_LONG_KEY = re.compile(rb"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){40}""")


def oversize(path: Path, limit: int) -> str:
    """What to say of a file that is larger than `limit` bytes, or a pipe or device without end; empty if it is not."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        return "is a pipe, socket or device; save its content as a file, and give that"
    size = found.st_size
    return f"{size} bytes; expected at most {limit}; keep only what is used" if size > limit else ""


def text_problem(text: str) -> str:
    """What is wrong with a text: too long, control characters, or ones that turn the direction of writing."""
    if len(text) > LONGEST_TEXT:
        return f"{len(text)} characters; expected at most {LONGEST_TEXT}; shorten it"
    return control_problem(text)


def control_problem(text: str) -> str:
    """Which character of a text is none to be shown; line breaks and tabulators are allowed."""
    if _PRINTABLE_ASCII.fullmatch(text):
        return ""
    for c in text:
        hidden = unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") and c not in _LAYOUT
        if hidden or c in _BIDIRECTIONAL:
            return f"holds the control character U+{ord(c):04X}; remove it"
    return ""


def name_problem(text: str) -> str:
    """What is wrong with a name that becomes part of ids: separators, line breaks, blanks only, too long."""
    if not text.strip() or any(c in text for c in "|/\n\r\t") or control_problem(text):
        return f"{text[:LONGEST_NAME]!r} is no name; use text without '|', '/' and line breaks"
    if len(text) > LONGEST_NAME:
        return f"a name of {len(text)} characters; expected at most {LONGEST_NAME}; shorten it"
    return ""


def dotted_key_problem(content: bytes) -> str:
    """Whether TOML has keys of so many parts that reading them would take very long."""
    return "a key of more than 40 dotted parts; nest less" if _LONG_KEY.search(content) else ""


def tree_problems(tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Problems (path, message) of all keys and texts of a tree of dictionaries and lists, and of its depth."""
    left: list[tuple[str, Any, int]] = [("", tree, 0)]
    while left:
        path, value, depth = left.pop()
        if isinstance(value, str):
            problem = text_problem(value)
            if problem:
                yield path, problem
        elif isinstance(value, dict | list) and depth > DEEPEST_NESTING:
            yield path, f"tables and lists are nested more than {DEEPEST_NESTING} deep; nest less"
        elif isinstance(value, dict):
            for key, item in value.items():
                problem = "" if len(key) <= LONGEST_TEXT else "is too long; shorten it"
                problem = problem or control_problem(key.replace("\n", "\r").replace("\t", "\r"))
                shown = f"{path}.{key}" if path else key
                if problem:
                    yield path, f"key {key[:LONGEST_NAME]!r} {problem}"
                else:
                    left.append((shown, item, depth + 1))
        elif isinstance(value, list):
            left += [(f"{path}.{i}", item, depth + 1) for i, item in enumerate(value)]


def file_beside(directory: Path, name: str) -> Path:
    """Path of a file that a scenario in `directory` names: relative, and not out of that folder.

    Raises
    ------
    DataError
        The name is absolute, leads out of the folder (links followed), or can be no name.
    """
    path = directory / name
    try:
        inside = path.resolve().is_relative_to(directory.resolve())
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"'{name[:LONGEST_NAME]}' can be no file name: {error}; mend it") from error
    if not inside or Path(name).is_absolute() or PureWindowsPath(name).drive:
        raise DataError(
            f"'{name}' leads out of the scenario's folder; put the file beside the scenario, or in a folder there, and "
            "name it relative to it"
        )
    return path
