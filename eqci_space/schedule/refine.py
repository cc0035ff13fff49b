"""Keys of chosen parts of windows, optimised anew: a part was offered at the parameters of its whole window."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from eqci_space.qkd.part_keys import part_rows
from eqci_space.qkd.window_keys import window_keys
from eqci_space.scenario import Scenario
from eqci_space.schedule.contacts import Plan
from eqci_space.tables import check_table

__all__ = ["reoptimise_contacts"]


def reoptimise_contacts(
    plan: Plan, budget: pd.DataFrame, keys: pd.DataFrame, scenario: Scenario
) -> tuple[Plan, pd.DataFrame]:
    """The plan with the key of its parts of windows at their own best parameters, never less than offered.

    Parameters
    ----------
    plan : Plan
    budget, keys : DataFrame
        BUDGET and KEYS that its candidates were made from.

    Returns
    -------
    Plan
        With the contacts' keys; its objective, bound and gap are those of the keys offered.
    DataFrame
        KEYS with a row for every part, by the id of its candidate.
    """
    contacts = check_table(plan.contacts, "CONTACTS", "reoptimise_contacts")
    whole = keys.reindex(contacts["window_id"])
    inner = (contacts["start"].to_numpy() > whole["usable_start"].to_numpy()) | (
        contacts["end"].to_numpy() < whole["usable_end"].to_numpy()
    )
    if not inner.any():
        return plan, keys
    parts = contacts[inner].set_index("candidate_id")[["window_id", "start", "end"]]
    parts = parts[~parts.index.duplicated()]
    own = window_keys(part_rows(parts, budget), scenario)
    offered = contacts.set_index("candidate_id")["skl_bit"]
    better = own.index[own["skl_bit"].to_numpy() > offered[~offered.index.duplicated()].reindex(own.index).to_numpy()]
    changed = contacts.copy()
    new = changed["candidate_id"].map(own.loc[better, "skl_bit"])
    changed["skl_bit"] = new.where(new.notna(), changed["skl_bit"]).astype(float)
    changed["expected_skl_bit"] = changed["skl_bit"] * changed["p_clear"]
    extended = pd.concat([keys, own.loc[better]])
    return replace(plan, contacts=changed), check_table(extended, "KEYS", "reoptimise_contacts")
