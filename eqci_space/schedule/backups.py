"""Backups: the second station of a crossing, for the night on which the first lies under cloud."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eqci_space.scenario import Scenario
from eqci_space.schedule.conflicts import acquisition_times, choice_limits
from eqci_space.tables import TABLES, check_table, dual_columns, empty_table, second

__all__ = ["backup_contacts"]

_OF_CANDIDATE = ("window_id", "satellite", "ogs", "ogs_b", "start", "end", "skl_bit", "p_clear")


def backup_contacts(planned: pd.DataFrame, candidates: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """For each planned contact the best candidate of its crossing at another station, as CONTACTS of status backup.

    Of a dual downlink at another pair of stations, which may share one with it.

    Column `backup_of` names the contact.

    A backup takes the place of its contact: it overlaps it, slew counted, and with it in its place the plan keeps to
    all limits of `choice_limits` (terminals, telescopes, one contact per window, duty, quotas). It is chosen by
    expected key.

    Parameters
    ----------
    planned : DataFrame
        CONTACTS.
    candidates : DataFrame
        CANDIDATES, the planned ones among them.
    """
    slew = pd.Timedelta(seconds=scenario.schedule.slew_s)
    begins = candidates["start"] - acquisition_times(candidates, scenario)
    room = _Room(planned, candidates, scenario)
    expected = candidates["skl_bit"] * candidates["p_clear"]
    more, stations = dual_columns(candidates), list(zip(candidates["ogs"], second(candidates, "ogs_b"), strict=True))
    place = pd.Series(pd.factorize(pd.Series(stations, dtype=object))[0], index=candidates.index)
    rows = []
    for contact_id, contact in planned.iterrows():
        near = np.flatnonzero(
            (candidates["satellite"] == contact["satellite"]) & (place != place[contact["candidate_id"]])
            & (begins < contact["end"] + slew) & (candidates["end"] + slew > begins[contact["candidate_id"]])
        )  # fmt: skip
        free = [i for i in near.tolist() if room.fits(i, contact["candidate_id"])]
        if free:
            best = max(free, key=lambda i: expected.iloc[i])
            row = candidates.iloc[best]
            rows.append({
                "contact_id": f"backup {contact_id}", "candidate_id": candidates.index[best],
                **{c: row[c] for c in (*_OF_CANDIDATE, *more)},
                "expected_skl_bit": float(expected.iloc[best]), "status": "backup",
                "reason": f"backup of {contact_id}", "backup_of": contact_id,
                **({"block_fill": row["block_fill"]} if "block_fill" in row else {}),
            })  # fmt: skip
    if not rows:
        return empty_table("CONTACTS")
    table = pd.DataFrame(rows).set_index("contact_id")
    extra = [*more, "backup_of", *(["block_fill"] if "block_fill" in table else [])]
    table = table[[*TABLES["CONTACTS"].columns, *extra]]
    return check_table(table, "CONTACTS", "backup_contacts")


class _Room:
    """What the limits of choice leave beside the planned contacts."""

    def __init__(self, planned: pd.DataFrame, candidates: pd.DataFrame, scenario: Scenario):
        chosen = np.asarray(candidates.index.isin(planned["candidate_id"]))
        self._chosen = set(np.flatnonzero(chosen).tolist())
        self._row = {name: i for i, name in enumerate(candidates.index)}
        self._limits = choice_limits(candidates, scenario)
        self._left = [limit.most - limit.weight[chosen[limit.candidates]].sum() for limit in self._limits]
        self._of: dict[int, dict[int, float]] = {}
        for number, limit in enumerate(self._limits):
            for candidate, weight in zip(limit.candidates.tolist(), limit.weight.tolist(), strict=True):
                self._of.setdefault(candidate, {})[number] = weight

    def fits(self, candidate: int, instead_of: str) -> bool:
        """Whether a candidate that is not planned can stand in for one that is."""
        given = self._of.get(self._row[instead_of], {})
        needs = self._of.get(candidate, {})
        return candidate not in self._chosen and all(
            weight <= self._left[number] + given.get(number, 0.0) + 1e-9 for number, weight in needs.items()
        )
