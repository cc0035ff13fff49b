"""Key of the same windows and contacts with other terminals and receivers."""

from __future__ import annotations

import pandas as pd

from eqci_space.linkbudget.budget import link_budget
from eqci_space.qkd.dual_downlink import dual_downlink_keys, dual_part_keys
from eqci_space.qkd.part_keys import part_keys
from eqci_space.qkd.window_keys import window_keys
from eqci_space.scenario import Scenario, with_variant
from eqci_space.schedule.contacts import Plan
from eqci_space.tables import planned_contacts

__all__ = ["variant_keys"]


def variant_keys(plan: Plan, samples: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """Key per ``[[variant]]`` of a scenario, which has the plan of the scenario itself.

    Parameters
    ----------
    plan : Plan
    samples : DataFrame
        SAMPLES of all windows.
    scenario : Scenario

    Returns
    -------
    DataFrame
        Indexed by `variant`: windows_with_key, clear_sky_bit of all windows, planned_expected_bit of the planned
        contacts. Of dual downlinks the windows are the times that those of two stations share.
    """
    planned = planned_contacts(plan.contacts).set_index("candidate_id")
    rows = []
    for variant in scenario.variants:
        other = with_variant(scenario, variant)
        budget = link_budget(samples, other)
        keys = window_keys(budget, other)
        if other.protocol.downlink == "dual":
            keys, able = dual_downlink_keys(budget, other), planned
            own = dual_part_keys(able, budget, other)
        else:
            able = planned[planned["window_id"].isin(keys.index[keys["skl_bit"] > 0])]
            own = part_keys(able, budget, keys, other)
        rows.append({
            "variant": variant.name, "windows_with_key": int((keys["skl_bit"] > 0).sum()),
            "clear_sky_bit": keys["skl_bit"].sum(),
            "planned_expected_bit": float(own["skl_bit"] @ able["p_clear"]),
        })  # fmt: skip
    columns = ["variant", "windows_with_key", "clear_sky_bit", "planned_expected_bit"]
    return pd.DataFrame(rows, columns=columns).set_index("variant")
