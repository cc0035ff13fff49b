"""Candidates: contacts that a plan may choose, with their clear-sky key and the chance of a clear sky."""

from __future__ import annotations

import pandas as pd

from eqci_space.fiber.network import space_edge
from eqci_space.scenario import Scenario
from eqci_space.tables import TABLES, check_table, empty_table
from eqci_space.weather.outlook import clear_probability

__all__ = ["contact_candidates"]


def contact_candidates(budget: pd.DataFrame, keys: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """CANDIDATES: every window with key, from first to last slot used, one block each.

    Parameters
    ----------
    budget : DataFrame
        BUDGET.
    keys : DataFrame
        KEYS of the same windows.
    scenario : Scenario
    """
    check_table(budget, "BUDGET", "contact_candidates")
    check_table(keys, "KEYS", "contact_candidates")
    pair = budget.drop_duplicates("window_id").set_index("window_id")[["satellite", "ogs"]]
    useful = keys[keys["skl_bit"] > 0]
    if useful.empty:
        return empty_table("CANDIDATES")
    clear = clear_probability(budget, scenario)
    table = pd.DataFrame({
        "candidate_id": useful.index.astype(str),
        "window_id": useful.index.astype(str),
        "satellite": pair["satellite"].reindex(useful.index).to_numpy(),
        "ogs": pair["ogs"].reindex(useful.index).to_numpy(),
        "start": pd.DatetimeIndex(useful["usable_start"]),
        "end": pd.DatetimeIndex(useful["usable_end"]),
        "ogs_b": "",
        "skl_bit": useful["skl_bit"].to_numpy(dtype=float),
        "p_clear": clear.reindex(useful.index).to_numpy(dtype=float),
        "block": useful.index.astype(str),
    })  # fmt: skip
    table["available_at"] = table["end"] + pd.Timedelta(seconds=scenario.schedule.post_processing_s)
    table["edge"] = [space_edge(s, o) for s, o in zip(table["satellite"], table["ogs"], strict=True)]
    table = table.sort_values(["start", "candidate_id"]).set_index("candidate_id")
    return check_table(table[list(TABLES["CANDIDATES"].columns)], "CANDIDATES", "contact_candidates")
