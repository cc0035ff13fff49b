"""Backups: the second station of a crossing, for the night on which the first lies under cloud."""

from __future__ import annotations

import pandas as pd

from eqci_space.scenario import Scenario
from eqci_space.tables import TABLES, check_table, empty_table

__all__ = ["backup_contacts"]


def backup_contacts(planned: pd.DataFrame, candidates: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """For each planned contact the best candidate of its crossing at another station, as CONTACTS of status backup.

    Column `backup_of` names the contact.

    A backup takes the place of its contact: it keeps clear of all other planned contacts of the satellite and the
    station, and overlaps its contact, slew counted, so that the satellite cannot serve both. A window gives one
    contact, backups included. It is chosen by expected key.

    Parameters
    ----------
    planned : DataFrame
        CONTACTS.
    candidates : DataFrame
        CANDIDATES.
    """
    slew = pd.Timedelta(seconds=scenario.schedule.slew_s)
    turn = pd.Timedelta(seconds=scenario.schedule.turnaround_s)
    rows = []
    for contact_id, contact in planned.iterrows():
        others = planned.drop(index=contact_id)
        near = candidates[
            (candidates["satellite"] == contact["satellite"]) & (candidates["ogs"] != contact["ogs"])
            & (candidates["start"] < contact["end"] + slew) & (candidates["end"] > contact["start"] - slew)
            & ~candidates["window_id"].isin(others["window_id"])
        ]  # fmt: skip
        free = [
            c for c, row in near.iterrows()
            if not _clashes(row, others[others["satellite"] == row["satellite"]], slew)
            and not _clashes(row, others[others["ogs"] == row["ogs"]], turn)
        ]  # fmt: skip
        if free:
            expected = near.loc[free, "skl_bit"] * near.loc[free, "p_clear"]
            best = near.loc[expected.idxmax()]
            rows.append({
                "contact_id": f"backup {contact_id}", "candidate_id": expected.idxmax(),
                **{c: best[c] for c in ("window_id", "satellite", "ogs", "start", "end", "skl_bit", "p_clear")},
                "expected_skl_bit": float(expected.max()), "status": "backup",
                "reason": f"backup of {contact_id}", "backup_of": contact_id,
            })  # fmt: skip
    if not rows:
        return empty_table("CONTACTS")
    table = pd.DataFrame(rows).set_index("contact_id")[[*TABLES["CONTACTS"].columns, "backup_of"]]
    return check_table(table, "CONTACTS", "backup_contacts")


def _clashes(row: pd.Series, others: pd.DataFrame, pause: pd.Timedelta) -> bool:
    return bool(((others["start"] < row["end"] + pause) & (others["end"] + pause > row["start"])).any())
