"""Which of the events of an iCalendar file stand: the latest revision of each, cancelled and free ones apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from eqci_space.errors import DataError
from eqci_space.files.limits import CALENDAR_EVENTS, LONGEST_NAME
from eqci_space.scenario.calendar_lines import Component, parameter, shown_text, single, stated

__all__ = ["Event", "calendar_events", "standing"]

_KINDS = {"VEVENT": "event", "VFREEBUSY": "free/busy", "VAVAILABILITY": "availability"}
_BUSY_STATUS = ("X-MICROSOFT-CDO-BUSYSTATUS", "X-MICROSOFT-MSNCALENDAR-BUSYSTATUS")


@dataclass(frozen=True, slots=True)
class Event:
    """A component that may close a station: where it stands, its names, its revision, and whether it closes at all.

    `uid` is the whole UID as written; `names` are those by which a user may call it; `calendar` is the index of the
    VCALENDAR that it is in.
    """

    component: Component
    calendar: int
    where: str
    uid: str
    names: tuple[str, ...]
    sequence: int | None
    written: str
    cancels: bool
    withdrawn: bool
    free: bool

    @property
    def closes(self) -> bool:
        """Whether it takes time: it is neither cancelled nor free."""
        return not (self.cancels or self.free)


def calendar_events(calendars: Iterable[Component], source: str) -> list[Event]:
    """Events and busy times of the calendars of a file, numbered by kind in order.

    Raises
    ------
    DataError
        They are more than any calendar needs.
    """
    found: list[Event] = []
    numbers = dict.fromkeys(_KINDS, 0)
    for index, calendar in enumerate(calendars):
        withdrawn = "CANCEL" in stated(calendar, "METHOD")
        for component in calendar.parts:
            if component.kind in _KINDS:
                if len(found) >= CALENDAR_EVENTS:
                    raise DataError(f"{source}: more than {CALENDAR_EVENTS} events; keep only those of this period")
                numbers[component.kind] += 1
                found.append(_event(component, index, numbers[component.kind], withdrawn))
    return found


def _event(component: Component, calendar: int, number: int, withdrawn: bool) -> Event:
    lines = component.lines
    summary, uid = single(component, "SUMMARY"), single(component, "UID")
    where = f"{_KINDS[component.kind]} {number} '{shown_text(summary or uid, longest=LONGEST_NAME)}'"
    sequence = lines["SEQUENCE"][0].value.strip() if "SEQUENCE" in lines else "0"
    known = sequence.isascii() and sequence.isdigit() and len(sequence) < 10
    written = lines["DTSTAMP"][0].value.strip().upper() if "DTSTAMP" in lines else ""
    statuses = stated(component, "STATUS")
    # All that it says of itself has to say so, or the event takes time.
    shown_as = {s == "TRANSPARENT" for s in stated(component, "TRANSP")}
    shown_as |= {s == "FREE" for key in _BUSY_STATUS for s in stated(component, key)}
    shown_as |= {s == "FREE" for s in stated(component, "BUSYTYPE")}
    return Event(
        component=component,
        calendar=calendar,
        where=where,
        uid=lines["UID"][0].value.strip() if "UID" in lines else "",
        names=tuple(dict.fromkeys(filter(None, (summary, uid)))),
        sequence=int(sequence) if known else None,
        written=written,
        cancels=withdrawn or bool(statuses and all(s == "CANCELLED" for s in statuses)),
        withdrawn=withdrawn,
        free=shown_as == {True},
    )


def standing(events: list[Event]) -> list[Event]:
    """Events without those that a later revision replaces or withdraws.

    Of the revisions of one UID and RECURRENCE-ID those of the highest SEQUENCE stand. A cancelled one also takes back
    others of its own SEQUENCE that were written before it; with it go the single occurrences of its UID, where no event
    of that UID is left and none of them is of a higher SEQUENCE.
    """
    groups: dict[tuple[str, str], list[Event]] = {}
    kept: list[Event] = []
    for event in events:
        if event.uid and event.sequence is not None and event.component.kind == "VEVENT":
            groups.setdefault((event.uid, _instance(event)), []).append(event)
        else:
            kept.append(event)
    ended: dict[str, int] = {}
    for (uid, instance), group in groups.items():
        last = _last_revision(group)
        groups[uid, instance] = last
        if not instance and all(event.cancels for event in last):
            ended[uid] = max(event.sequence or 0 for event in last)
    for (uid, instance), group in groups.items():
        kept += [e for e in group if not instance or uid not in ended or (e.sequence or 0) > ended[uid]]
    left = {id(event) for event in kept}
    return [event for event in events if id(event) in left]


def _instance(event: Event) -> str:
    lines = event.component.lines.get("RECURRENCE-ID", [])
    return f"{parameter(lines[0], 'TZID')}:{lines[0].value.strip().upper()}" if lines else ""


def _last_revision(group: list[Event]) -> list[Event]:
    highest = max(event.sequence or 0 for event in group)
    last = [event for event in group if event.sequence == highest]
    withdrawn = max((e.written for e in last if e.withdrawn), default=None)
    cancelled = max((e.written for e in last if e.cancels), default="")
    return [
        e for e in last
        if e.cancels or not ((withdrawn is not None and e.written <= withdrawn) or e.written < cancelled)
    ]  # fmt: skip
