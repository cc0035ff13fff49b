"""Which object of an element file a satellite is, and which of the object's sets serves a period.

An object is a name and a catalogue number together: several names under one number (as the temporary numbers after a
launch) are several objects, and so are several numbers under one name. A set without a name or without a number
belongs to the object that has the other, if there is only one.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from eqci_space.errors import AssumedObjectWarning, ElementsError, close_names
from eqci_space.orbits.elements import BadRecord, ElementSet, age_day

__all__ = ["Catalogue", "catalogue", "select_elements", "select_from"]

_LISTED = 8
_CHOOSE = "choose by object_name or catalogue_number"


@dataclass
class _Object:
    """An object of a file: name and number as far as any record states them, its sets, and its skipped records."""

    name: str = ""
    number: int = 0
    sets: list[ElementSet] = field(default_factory=list)
    skipped: list[BadRecord] = field(default_factory=list)

    def shown(self) -> str:
        number = f"catalogue number {self.number}" if self.number else "no catalogue number"
        epochs = sorted(s.epoch for s in self.sets)
        when = f"epoch {epochs[0]:%Y-%m-%dT%H:%MZ}" if epochs else "malformed, skipped"
        if len(epochs) > 1:
            when = f"{len(epochs)} sets, epochs {epochs[0]:%Y-%m-%dT%H:%MZ} to {epochs[-1]:%Y-%m-%dT%H:%MZ}"
        return f"'{self.name}' ({number}, {when})" if self.name else f"unnamed ({number}, {when})"


@dataclass(frozen=True)
class Catalogue:
    """The objects of a file in order of appearance, and by name and number; made once for many satellites."""

    objects: list[_Object]
    by_name: dict[str, list[_Object]]
    by_number: dict[int, list[_Object]]

    def fitting(self, name: str | None, number: int | None) -> list[_Object]:
        """Objects of a name and a number, each None for any."""
        if name is None:
            return self.objects if number is None else self.by_number.get(number, [])
        found = self.by_name.get(" ".join(name.split()), [])
        return [o for o in found if number is None or o.number == number]


def catalogue(sets: Sequence[ElementSet], skipped: Sequence[BadRecord] = ()) -> Catalogue:
    """The objects that element sets and skipped records of a file are of."""
    objects = _objects(sets, skipped)
    by_name: dict[str, list[_Object]] = {}
    by_number: dict[int, list[_Object]] = {}
    for entry in objects:
        by_name.setdefault(entry.name or str(entry.number), []).append(entry)
        by_number.setdefault(entry.number, []).append(entry)
    return Catalogue(objects, by_name, by_number)


def select_elements(
    sets: Sequence[ElementSet],
    name: str,
    where: str,
    *,
    object_name: str | None = None,
    catalogue_number: int | None = None,
    skipped: Sequence[BadRecord] = (),
    period: tuple[datetime, datetime] | None = None,
) -> ElementSet:
    """`select_from` among the element sets and skipped records of a file."""
    return select_from(
        catalogue(sets, skipped), name, where, object_name=object_name, catalogue_number=catalogue_number, period=period
    )


def select_from(
    known: Catalogue,
    name: str,
    where: str,
    *,
    object_name: str | None = None,
    catalogue_number: int | None = None,
    period: tuple[datetime, datetime] | None = None,
) -> ElementSet:
    """The set of one object that is nearest to a period.

    A stated name and number must be in the file, and agree on one object. Without either the satellite's own name
    chooses; only then, and only in a file of one object, another name is taken, with a warning. A record that was
    skipped counts as an object unless name and number say that it is one of the others, so that a file whose wanted
    record is malformed does not give the orbit of the one that is left.

    Parameters
    ----------
    known : Catalogue
        What the file has.
    name : str
        The satellite's own.
    where : str
        Opens messages.
    object_name, catalogue_number : str, int, optional
        As stated for the satellite.
    period : two datetimes, optional
        Of several sets the one is taken whose epoch has the smallest largest distance from it; of two alike the
        earlier. Default the newest.

    Raises
    ------
    ElementsError
        No object, or more than one, is meant: with what the file has, near matches first; or the record of the object
        was skipped: why.

    Warns
    -----
    AssumedObjectWarning
        The only object of the file has another name than the satellite.
    """
    objects = known.objects
    stated = object_name is not None or catalogue_number is not None
    wanted = object_name if stated else name
    found = known.fitting(wanted, catalogue_number)
    usable = [o for o in found if o.sets]
    if len(found) > 1 or (not usable and (stated or len(objects) != 1 or not objects[0].sets)):
        raise ElementsError(f"{where}: {_refusal(objects, found, name, object_name, catalogue_number)}")
    if not usable:
        usable = objects
        key = f'object_name = "{objects[0].name}"' if objects[0].name else f"catalogue_number = {objects[0].number}"
        warnings.warn(
            f"{where}: no object '{name}'; the file's only object is taken: {objects[0].shown()}; say so with {key}, "
            "or give the file of the satellite",
            AssumedObjectWarning,
            stacklevel=3,
        )
    if period is None:
        return max(usable[0].sets, key=lambda s: s.epoch)
    return min(usable[0].sets, key=lambda s: (age_day(s, *period), s.epoch))


def _objects(sets: Sequence[ElementSet], skipped: Sequence[BadRecord]) -> list[_Object]:
    """Objects of a file in the order in which they appear."""
    records: list[ElementSet | BadRecord] = [*sets, *skipped]
    labels = [_label(r) for r in records]
    names_of: dict[int, set[str]] = {}
    numbers_of: dict[str, set[int]] = {}
    for name, number in labels:
        if name and number:
            names_of.setdefault(number, set()).add(name)
            numbers_of.setdefault(name, set()).add(number)
    objects: dict[object, _Object] = {}
    for record, (name, number) in zip(records, labels, strict=True):
        if not name and len(names_of.get(number, ())) == 1:
            (name,) = names_of[number]
        elif not number and len(numbers_of.get(name, ())) == 1:
            (number,) = numbers_of[name]
        key: object = (name, number) if name or number else id(record)
        entry = objects.setdefault(key, _Object(name, number))
        if isinstance(record, ElementSet):
            entry.sets.append(record)
        else:
            entry.skipped.append(record)
    return list(objects.values())


def _label(record: ElementSet | BadRecord) -> tuple[str, int]:
    """Name and number of a record, empty and 0 where it states none; a bare number for a name is none."""
    number = record.catalogue_number or 0
    name = " ".join(record.name.split())
    return ("" if number and name == str(number) else name), number


def _refusal(
    objects: list[_Object],
    found: list[_Object],
    name: str,
    object_name: str | None,
    catalogue_number: int | None,
) -> str:
    """Why no one object is meant, and what the file has."""
    skipped = [r for o in objects for r in o.skipped]
    if object_name is not None and catalogue_number is not None:
        wanted = f"object '{object_name}' with catalogue number {catalogue_number}"
    elif catalogue_number is not None:
        wanted = f"catalogue number {catalogue_number}"
    else:
        wanted = f"object '{object_name or name}'"
    listing = _listing(objects, object_name if object_name or catalogue_number is not None else name, catalogue_number)
    if len(found) > 1:
        missing = "catalogue_number" if catalogue_number is None else "object_name"
        both = object_name is not None and catalogue_number is not None
        remedy = "keep the records of one in the file" if both else f"state {missing} too"
        return f"{wanted} fits {len(found)} objects; {remedy}: {_listing(found, None, None)}"
    of_it = [r for o in found for r in o.skipped] or [
        r for r in skipped if r.catalogue_number is None and r.name and r.name in (object_name, name)
    ]
    if of_it:
        return (
            f"the record of {wanted} was skipped as malformed: {of_it[0].message}; "
            "mend it, or choose another object by object_name or catalogue_number"
        )
    close = "" if object_name is None and catalogue_number is not None else _close(objects, object_name or name)
    known = f"{close}the file has {_count(len(objects), 'object')}"
    known += _span({o.number for o in objects if o.number}) if catalogue_number is not None else ""
    if skipped:
        known += f"; {_count(len(skipped), 'malformed record')} skipped, the first: {skipped[0].message}"
    return f"no {wanted}; {known}; {_CHOOSE}: {listing}"


def _close(objects: list[_Object], name: str) -> str:
    close = close_names(name, {o.name for o in objects if o.name})
    return f"did you mean {' or '.join(repr(c) for c in close)}? " if close else ""


def _listing(objects: list[_Object], name: str | None, number: int | None) -> str:
    """Objects of a file, those most like the wanted one first, and how many more there are."""
    near = set(close_names(name, {o.name for o in objects if o.name})) if name else set()
    digits = {str(o.number) for o in objects if o.number}
    near |= set(difflib.get_close_matches(str(number), digits, n=3, cutoff=0.7)) if number is not None else set()

    def rank(entry: _Object) -> tuple[bool, bool]:
        exact = entry.name == name or (number is not None and entry.number == number)
        return not exact, entry.name not in near and str(entry.number) not in near

    shown = [o.shown() for o in sorted(objects, key=rank)]
    more = f" and {len(shown) - _LISTED} more" if len(shown) > _LISTED else ""
    return ", ".join(shown[:_LISTED]) + more


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _span(numbers: set[int]) -> str:
    if len(numbers) < 2:
        return "".join(f", number {n}" for n in numbers)
    return f", numbers {min(numbers)} to {max(numbers)}"
