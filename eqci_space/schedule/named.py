"""Candidates by the names that people use: of a contact, a candidate, a window or a pass."""

from __future__ import annotations

import pandas as pd

from eqci_space.errors import PlanError, near_matches
from eqci_space.tables import second

__all__ = ["NamedCandidates", "pass_of"]

_WINDOW = "window:"


def pass_of(window_id: str) -> str:
    """The pass of a window, whose id is that of the pass and a number; another id stands for itself.

    Examples
    --------
    >>> pass_of("SAT/GRAZ/20270301T200508Z/1"), pass_of("by hand")
    ('SAT/GRAZ/20270301T200508Z', 'by hand')
    """
    stem, _, number = window_id.rpartition("/")
    return stem if stem and number.isdigit() else window_id


def _windows_of(candidates: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Window of each candidate, or both of a dual downlink."""
    pairs = zip(candidates["window_id"], second(candidates, "window_id_b"), strict=True)
    return {str(c): tuple(str(w) for w in pair if w) for c, pair in zip(candidates.index, pairs, strict=True)}


class NamedCandidates:
    """Candidates, and the contacts of a plan made from them, by name."""

    def __init__(self, candidates: pd.DataFrame, contacts: pd.DataFrame):
        self._window = {str(c): str(w) for c, w in candidates["window_id"].items()}
        self._windows_of = _windows_of(candidates)
        self._contact = {str(c): str(w) for c, w in contacts["candidate_id"].items()}
        self._window_of_contact = {str(c): str(w) for c, w in contacts["window_id"].items()}
        self._windows: dict[str, list[str]] = {}
        self._passes: dict[str, list[str]] = {}
        for candidate, windows in self._windows_of.items():
            for window in windows:
                self._windows.setdefault(window, []).append(candidate)
                self._passes.setdefault(pass_of(window), []).append(candidate)

    def named(self, name: str, edit: str) -> tuple[str, ...]:
        """The candidate of a contact or of that name, else all of a window or pass.

        Raises
        ------
        PlanError
            Nothing has that name, or the contact's candidate is no longer offered; `edit` says what for.
        """
        if self._contact.get(name) in self._window:
            return (self._contact[name],)
        if name in self._window:
            return (name,)
        found = self._windows.get(name.removeprefix(_WINDOW)) or self._passes.get(name)
        if not found:
            raise self._unknown(name, edit)
        return tuple(found)

    def of_pass(self, name: str, edit: str) -> tuple[str, ...]:
        """All candidates of the pass that a contact, candidate, window or pass belongs to; none if nothing is offered.

        Raises
        ------
        PlanError
            Nothing has that name.
        """
        window = self._window_of_contact.get(name) or self._window.get(name) or name.removeprefix(_WINDOW)
        key = pass_of(window) if window != name or name in self._windows else name
        if key not in self._passes and name not in self._window_of_contact:
            raise self._unknown(name, edit)
        return tuple(self._passes.get(key, ()))

    def _unknown(self, name: str, edit: str) -> PlanError:
        known = {*self._contact, *self._window, *self._windows, *self._passes}
        return PlanError(
            f"edit_plan: {edit} '{name}' is no contact, candidate, window or pass with an offer; "
            f"{near_matches(name, known)}"
        )
