"""What a manifest must hold for a run to be shown, summed up and compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from eqci_space.files.limits import FIRST_YEAR, LAST_YEAR, text_problem

__all__ = ["manifest_problem"]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not text_problem(value)


def _is_time(value: Any) -> bool:
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return at.tzinfo is not None and FIRST_YEAR <= at.year <= LAST_YEAR + 1


def _list_of(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda found: isinstance(found, list) and all(map(test, found))


def _table_of(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda found: isinstance(found, Mapping) and all(map(test, found.values()))


def _is_levels(value: Any) -> bool:
    """Levels over worlds of a demand, or of all of a purpose."""
    needed = ("asked_bit", "all_in_mean_bit", "all_in_exceeded_90pct_bit", "all_in_median_bit")
    return isinstance(value, Mapping) and all(_is_number(value.get(name)) for name in needed)


_TESTS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "scenario.name": (_is_text, "text"),
    "scenario.start": (_is_time, "a time with its zone"),
    "scenario.end": (_is_time, "a time with its zone"),
    **{f"plan.{name}": (_is_number, "a number") for name in ("objective", "bound", "gap")},
    "versions.eqci-space": (_is_text, "text"),
    "counts": (_table_of(_is_number), "a table of numbers"),
    "unreachable_demands": (_list_of(_is_text), "a list of texts"),
}
_TESTS_IF_THERE: dict[str, tuple[Callable[[Any], bool], str]] = {
    "plan.acquisition_s": (_table_of(_is_number), "a table of numbers"),
    "unreachable_reasons": (_table_of(_is_text), "a table of texts"),
    "simulation.demands": (_table_of(_is_levels), "a table of levels"),
    "simulation.totals": (_table_of(_is_levels), "a table of levels"),
    "simulation.warnings": (_list_of(_is_text), "a list of texts"),
}


def manifest_problem(manifest: Mapping[str, Any]) -> str:
    """What a manifest lacks, or holds in another form than was written; empty if nothing.

    Parameters
    ----------
    manifest : mapping
        Content of a ``run.json``.
    """
    for tests, needed in ((_TESTS, True), (_TESTS_IF_THERE, False)):
        for path, (test, expected) in tests.items():
            room, _, name = path.rpartition(".")
            inside = manifest.get(room, {}) if room else manifest
            if not isinstance(inside, Mapping):
                return f"{room} is no table"
            if (needed or name in inside) and not (name in inside and test(inside[name])):
                return f"{path} is not {expected}"
    return ""
