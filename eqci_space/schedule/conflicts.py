"""Which candidates exclude each other: maximal cliques of overlapping intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eqci_space.fiber.key_flow import ChoiceLimit
from eqci_space.scenario import SchedulePolicy

__all__ = ["choice_limits", "interval_cliques"]


def interval_cliques(start: np.ndarray, end: np.ndarray) -> list[np.ndarray]:
    """Maximal sets of at least two half-open intervals that share an instant, by a sweep over the ends.

    Parameters
    ----------
    start, end : (n,) arrays of comparable values, ``start < end``

    Returns
    -------
    list of index arrays
        Together they hold every overlapping pair, which the interval cliques of an interval graph do
        (Fulkerson and Gross 1965).
    """
    order = np.argsort(start, kind="stable")
    active: list[int] = []
    cliques: list[np.ndarray] = []
    grown = False
    for i in order:
        still = [j for j in active if end[j] > start[i]]
        if len(still) < len(active) and grown and len(active) > 1:
            cliques.append(np.array(sorted(active)))
            grown = False
        active = [*still, int(i)]
        grown = True
    if grown and len(active) > 1:
        cliques.append(np.array(sorted(active)))
    return cliques


def choice_limits(candidates: pd.DataFrame, policy: SchedulePolicy) -> list[ChoiceLimit]:
    """Limits of satellites (slew added to each interval) and of stations (turnaround added), as row positions."""
    limits = []
    for column, pause_s in (("satellite", policy.slew_s), ("ogs", policy.turnaround_s)):
        start = candidates["start"].to_numpy()
        end = (candidates["end"] + pd.Timedelta(seconds=pause_s)).to_numpy()
        for name, rows in sorted(candidates.groupby(column).indices.items()):
            for clique in interval_cliques(start[rows], end[rows]):
                limits.append(ChoiceLimit(rows[clique], np.ones(len(clique)), 1.0, f"{column} {name}"))
    return limits
