"""The exceptions and warnings of the toolkit.

::

    EqciError
    ├── ScenarioError      a scenario file or one of its values is wrong
    ├── TableError         a table lacks a column, or a column has the wrong kind
    ├── TimeError          a time is naive, reversed or outside the data
    ├── ElementsError      an orbital element set is malformed
    ├── DataError          a data file is missing or malformed
    ├── ChunkError         some chunks of a run failed (`eqci_space.machine.parallel`)
    └── PlanError          a plan breaks its own rules
        └── InfeasibleError    no plan satisfies the constraints

    EqciWarning
    ├── BadRecordWarning        malformed records of a file were skipped on request
    ├── UncheckedRecordWarning  records of a file lack what would show a mistyped digit
    ├── AssumedObjectWarning    the only object of a file was taken although its name is another
    ├── StaleElementsWarning    elements are far from the times asked for
    ├── LostOrbitWarning        a satellite's passes end where its states cannot be believed
    ├── ModelValidityWarning    a formula is used outside its stated range
    ├── ImplausibleInputWarning a place, a link or a record is unlike what it should be
    ├── UnreadEventWarning      an event of a calendar cannot be read and closes its station
    ├── UndatedOrbitWarning     a designed orbit without epoch restarts with the scenario
    └── EqciDeprecationWarning  a spelling that goes with the next minor version but one (`machine.deprecation`)

Every message says what failed, where, what was found, what was expected and how to mend it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

__all__ = [
    "AssumedObjectWarning",
    "BadRecordWarning",
    "DataError",
    "ElementsError",
    "EqciDeprecationWarning",
    "EqciError",
    "EqciWarning",
    "ImplausibleInputWarning",
    "InfeasibleError",
    "LostOrbitWarning",
    "ModelValidityWarning",
    "PlanError",
    "ScenarioError",
    "StaleElementsWarning",
    "TableError",
    "TimeError",
    "UncheckedRecordWarning",
    "UndatedOrbitWarning",
    "UnreadEventWarning",
    "VerificationError",
    "close_names",
    "near_matches",
]


_SHOWN = 100


class EqciError(Exception):
    """Root of all errors that the toolkit raises on purpose."""


class ScenarioError(EqciError):
    """A scenario is wrong; ``problems`` lists every finding as ``(path, message)``.

    `names` says what the tables of a list are called: the text of the error shows it behind their place, as in
    ``satellite.0 ('EAGLE1-LIKE').terminal``.
    """

    def __init__(self, source: str, problems: list[tuple[str, str]], names: Mapping[str, str] | None = None):
        self.source = source
        self.problems = problems
        shown = [(_with_name(path, names or {}), message) for path, message in problems[:_SHOWN]]
        lines = [f"  {path}: {message}" if path else f"  {message}" for path, message in shown]
        if len(problems) > _SHOWN:
            lines.append(f"  and {len(problems) - _SHOWN} more")
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"{source}: {count}\n" + "\n".join(lines))


def _with_name(path: str, names: Mapping[str, str]) -> str:
    place = ".".join(path.split(".")[:2])
    return f"{place} ('{names[place]}'){path[len(place) :]}" if place in names else path


class TableError(EqciError):
    """A table does not fulfil its contract."""


class TimeError(EqciError):
    """A time is naive, reversed or out of range."""


class ElementsError(EqciError):
    """An orbital element set is malformed."""


class DataError(EqciError):
    """A data file is missing, unreadable or inconsistent."""


class PlanError(EqciError):
    """A plan breaks one of the rules it was made under."""


class InfeasibleError(PlanError):
    """No plan satisfies the constraints."""


class VerificationError(EqciError):
    """A result differs from what its tables and rules say: a fault of the toolkit, never of its user."""


class EqciWarning(UserWarning):
    """Root of all warnings of the toolkit."""


class BadRecordWarning(EqciWarning):
    """Malformed records of a file were left out, as the caller asked."""


class UncheckedRecordWarning(EqciWarning):
    """Records were read that lack their checksum, so that a mistyped digit would not be noticed."""


class AssumedObjectWarning(EqciWarning):
    """A file's only object was taken for a satellite of another name."""


class StaleElementsWarning(EqciWarning):
    """Element sets are old for the times asked for, or newer than they are."""


class LostOrbitWarning(EqciWarning):
    """A satellite has no passes in a part of the period: its states end, as asked, or its file has none."""


class ModelValidityWarning(EqciWarning):
    """A model is used outside the range in which its source states it to hold."""


class ImplausibleInputWarning(EqciWarning):
    """An input can hardly be right: a place far from its country, a link unlike fibre, means for a record."""


class UndatedOrbitWarning(EqciWarning):
    """A designed orbit states no epoch and takes the start of its scenario, with which it moves."""


class UnreadEventWarning(EqciWarning):
    """An event of a calendar may close its station and cannot be read: it does so, for as long as it may last."""


class EqciDeprecationWarning(EqciWarning, DeprecationWarning):
    """A name or an order of arguments of yesterday, which still works for one minor version."""


def close_names(name: str, known: Iterable[str]) -> list[str]:
    """At most three known names that a misspelt one may mean, the closest first; case counts only if that helps."""
    choices = sorted(map(str, known))
    close = difflib.get_close_matches(name, choices, n=3, cutoff=0.6)
    return close or [c for c in choices if c.casefold() == name.casefold()][:3]


def near_matches(name: str, known: Iterable[str]) -> str:
    """Return a hint for an unknown name: the closest known ones, else the whole list when it is short."""
    choices = sorted(map(str, known))
    close = close_names(name, choices)
    if close:
        return "did you mean " + " or ".join(repr(c) for c in close) + "?"
    if choices and len(choices) <= 12:
        return "known: " + ", ".join(choices)
    return f"{len(choices)} names are known, none close to it"
