"""What a chosen contact was chosen over: the candidates that it keeps out, and the rule by which it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from eqci_space.fiber.key_problem import ChoiceLimit
from eqci_space.tables import second
from eqci_space.words import joined, short_list

__all__ = ["choice_reasons"]

_NO_RIVAL = "no rival in this crossing"
_OTHER_PART = "another part of its window"
_PAUSES = {"satellite": "slew", "ogs": "turnaround"}
_OF_SECOND = ("ogs_b", "window_id_b")
_RULES = {
    "satellite": "same satellite", "slew": "satellite slew", "ogs": "same station", "turnaround": "station turnaround",
    "duty": "duty", "quota": "quota", "window": "",
}  # fmt: skip


def choice_reasons(
    candidates: pd.DataFrame, chosen: np.ndarray, limits: Sequence[ChoiceLimit], *, barred: np.ndarray | None = None
) -> list[str]:
    """For each chosen candidate, in their order, what it was chosen over and by which rule.

    A rival is a candidate that a full limit keeps out beside the chosen one and that would have room in its place. The
    rule is the satellite or the station where both would be served at once, its slew or turnaround where they only
    follow too closely, the window, a duty or a quota. Overlapping parts of the same window are no rivals.

    Parameters
    ----------
    candidates : DataFrame
        CANDIDATES that were offered.
    chosen : (n,) bool array
    limits : sequence of ChoiceLimit
        Of `choice_limits`.
    barred : (n,) bool array, optional
        Candidates that nobody chose over, for they were not to be chosen.

    Returns
    -------
    list of str
        Such as ``chosen over GRAZ, PQSAT (same satellite); ONDREJOV (satellite slew)``.
    """
    open_ones = ~chosen if barred is None else ~chosen & ~barred
    columns = (candidates[c].to_numpy() for c in _Places._fields[: -len(_OF_SECOND)])
    places = _Places(*columns, *(second(candidates, c) for c in _OF_SECOND))
    found: dict[int, dict[str, set[str]]] = {int(i): {} for i in np.flatnonzero(chosen)}
    for limit in limits:
        taken, weights = chosen[limit.candidates], limit.weight
        used = weights[taken].sum()
        for i, own in zip(limit.candidates[taken].tolist(), weights[taken].tolist(), strict=True):
            fits = used - own + weights <= limit.most + 1e-9
            kept_out = open_ones[limit.candidates] & (used + weights > limit.most + 1e-9) & fits
            for j in limit.candidates[kept_out].tolist():
                rule, name = _rival(places, i, j, limit.name)
                found[i].setdefault(rule, set()).add(name)
    return [_words(rules) for rules in found.values()]


class _Places(NamedTuple):
    """Columns of the candidates, as arrays."""

    window_id: np.ndarray
    satellite: np.ndarray
    ogs: np.ndarray
    start: np.ndarray
    end: np.ndarray
    ogs_b: np.ndarray
    window_id_b: np.ndarray


def _rival(at: _Places, i: int, j: int, limit: str) -> tuple[str, str]:
    """The rule behind a limit of `choice_limits` by which candidate i keeps out j, and how j is told apart."""
    at_once = bool(at.start[i] < at.end[j] and at.start[j] < at.end[i])
    if at.window_id[i] == at.window_id[j] and at.window_id_b[i] == at.window_id_b[j]:
        return ("own" if at_once else "window"), _OTHER_PART
    kind = limit.split(" ", 1)[0]
    rule = kind if at_once else _PAUSES.get(kind, kind)
    place, other = (joined(at.ogs[k], at.ogs_b[k]) for k in (i, j))
    if at.satellite[i] == at.satellite[j]:
        return rule, other
    return rule, str(at.satellite[j]) if place == other else f"{at.satellite[j]}/{other}"


def _words(rules: dict[str, set[str]]) -> str:
    """Rivals by rule; one that several rules keep out is named once, by the first of them."""
    parts: list[str] = []
    named: set[str] = set()
    for rule, words in _RULES.items():
        names = sorted(rules.get(rule, set()) - named)
        named |= set(names)
        if names:
            parts.append(f"{short_list(names)} ({words})" if words else _OTHER_PART)
    return "chosen over " + "; ".join(parts) if parts else _NO_RIVAL
