"""KEYS of the contacts of a plan: those of whole windows, and of parts of windows their own."""

from __future__ import annotations

import pandas as pd

from eqci_space.qkd.dual_downlink import dual_part_keys
from eqci_space.qkd.part_keys import part_keys
from eqci_space.scenario import Scenario
from eqci_space.schedule.contacts import Plan
from eqci_space.tables import check_table

__all__ = ["contact_keys"]


def contact_keys(plan: Plan, budget: pd.DataFrame, keys: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """KEYS with a row for every contact that is a part of a window, by the id of its candidate.

    Contacts with two stations have a row each, for no window has key by itself.

    Parameters
    ----------
    plan : Plan
    budget, keys : DataFrame
        BUDGET and KEYS that its candidates were made from.
    scenario : Scenario
    """
    contacts = check_table(plan.contacts, "CONTACTS", "contact_keys")
    parts = contacts[(contacts["candidate_id"] != contacts["window_id"])].set_index("candidate_id")
    parts = parts[~parts.index.duplicated()]
    if parts.empty:
        return keys
    if scenario.protocol.downlink == "dual":
        own = dual_part_keys(parts, budget, scenario)
    else:
        own = part_keys(parts[["window_id", "start", "end"]], budget, keys, scenario)
    return check_table(pd.concat([keys, own]), "KEYS", "contact_keys")
