"""The calendar of an earlier run, read back as far as the next one carries it on; whatever else it holds is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from eqci_space.errors import DataError
from eqci_space.files.limits import FIRST_YEAR, LAST_YEAR, LONGEST_TEXT, NOTE_BYTES, control_problem, oversize
from eqci_space.words import joined

__all__ = ["OGS", "OGS_B", "SATELLITE", "EarlierEvent", "public_event", "read_calendar"]

SATELLITE, OGS, OGS_B = "X-EQCI-SATELLITE", "X-EQCI-OGS", "X-EQCI-OGS-B"
_NEEDED = ("UID", "DTSTART", "DTEND", "STATUS", "SUMMARY", "DESCRIPTION", SATELLITE, OGS)
_LINE = re.compile(r'([A-Za-z0-9-]{1,60})(?:;(?:[^:"]++|"[^"]*+")*+)?+:(.*)', re.DOTALL)
_TIME = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SHOWN = 200
_LARGEST_SEQUENCE = 2**31 - 2
_DOMAIN = "@eqci_space"


@dataclass(frozen=True)
class EarlierEvent:
    """An event of an earlier calendar, its texts without escapes."""

    uid: str
    sequence: int
    satellite: str
    ogs: str
    ogs_b: str
    start: datetime
    end: datetime
    status: str
    summary: str
    description: str


def read_calendar(path: Path) -> list[EarlierEvent]:
    """Read the events of a calendar that `write_calendar` wrote.

    Raises
    ------
    DataError
        There is none, or it is not one of ours: a line, a time or a number is none, what every event has is missing,
        or two events have one UID.
    """
    run = path.parent.name
    if not path.is_file():
        raise DataError(f"write_calendar: no {path.name} in the earlier run '{run}'; give a run's directory")
    try:
        problem = oversize(path, NOTE_BYTES)
        text = "" if problem else path.read_text(encoding="utf-8")
        events = [] if problem else [_event(properties) for properties in _events(text)]
        if len({e.uid for e in events}) < len(events):
            problem = "two events have one UID"
    except OSError as error:
        raise DataError(f"write_calendar: {path.name} of '{run}' cannot be read: {error.strerror}") from error
    except ValueError as error:
        problem = str(error)[:_SHOWN]
    if problem:
        raise DataError(f"write_calendar: {path.name} of '{run}' is no calendar of this tool ({problem}); run again")
    return events


def _events(text: str) -> Iterator[dict[str, str]]:
    """Properties of each event, those of its alarms left out."""
    parts: list[str] = []
    found: dict[str, str] = {}
    lines = text.replace("\r\n", "\n").replace("\n ", "").replace("\n\t", "").split("\n")
    for line in filter(None, lines):
        split = _LINE.fullmatch(line)
        if split is None:
            raise ValueError(f"{line[:60]!r} is no property")
        name, value = split[1].upper(), split[2]
        if name == "BEGIN":
            if (len(parts) == 0) != (value == "VCALENDAR") or len(parts) > 2:
                raise ValueError(f"BEGIN:{value[:60]!r} stands where it may not")
            parts.append(value)
            found = {} if len(parts) == 2 else found
        elif name == "END":
            if not parts or parts.pop() != value:
                raise ValueError("BEGIN and END do not match")
            if len(parts) == 1 and value == "VEVENT":
                yield found
        elif not parts:
            raise ValueError("a property stands outside of the calendar")
        elif parts[1:] == ["VEVENT"] and found.setdefault(name, value) != value:
            raise ValueError(f"{name} stands twice in an event")
    if parts or "BEGIN:VCALENDAR" not in lines:
        raise ValueError("it ends before the calendar does" if parts else "it has no BEGIN:VCALENDAR")


def _event(properties: dict[str, str]) -> EarlierEvent:
    missing = [name for name in _NEEDED if name not in properties]
    if missing:
        raise ValueError(f"an event lacks {missing[0]}")
    texts = {name: _ESCAPED.sub(_unescaped, properties.get(name, "")) for name in (*_NEEDED, OGS_B)}
    for name, text in texts.items():
        if len(text) > LONGEST_TEXT or control_problem(text):
            raise ValueError(f"{name} is too long, or cannot be shown")
    if not texts["UID"].strip():
        raise ValueError("an event has no UID")
    sequence = properties.get("SEQUENCE", "0")
    if not re.fullmatch("[0-9]{1,10}", sequence) or int(sequence) > _LARGEST_SEQUENCE:
        raise ValueError(f"SEQUENCE is {sequence[:20]!r}")
    start, end = _time(properties["DTSTART"]), _time(properties["DTEND"])
    if not start < end:
        raise ValueError(f"an event ends at {end:%Y-%m-%dT%H:%M:%SZ}, not after its start")
    return EarlierEvent(
        texts["UID"], int(sequence), texts[SATELLITE], texts[OGS], texts[OGS_B], start, end, texts["STATUS"],
        texts["SUMMARY"], texts["DESCRIPTION"],
    )  # fmt: skip


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] in "nN" else match[1]


def _time(text: str) -> datetime:
    if not _TIME.fullmatch(text) or not FIRST_YEAR <= int(text[:4]) <= LAST_YEAR + 1:
        raise ValueError(f"{text[:20]!r} is no time in UTC")
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def public_event(event: EarlierEvent) -> EarlierEvent:
    """The event as a public release names it: in whole minutes, its UID too. Its words may not be published."""
    places = joined(event.ogs, event.ogs_b)
    path = f"{event.satellite}/{places.replace(' ', '')}"
    stated = re.match(re.escape(path) + r"/([0-9]{8}T[0-9]{4})(?:[0-9]{2})?Z", event.uid)
    minute = stated[1] if stated else f"{event.start:%Y%m%dT%H%M}"
    rank = re.fullmatch(r".*/[0-9]{8}T[0-9]{4}Z(/[0-9]{1,4})" + _DOMAIN, event.uid, re.DOTALL)
    end = event.end.replace(second=0)
    return replace(
        event,
        uid=f"{path}/{minute}Z{rank[1] if rank else ''}{_DOMAIN}",
        start=event.start.replace(second=0),
        end=end if end == event.end else end + timedelta(minutes=1),
    )
