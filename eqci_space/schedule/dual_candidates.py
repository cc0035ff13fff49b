"""Offers of dual downlinks: times in which a satellite's windows over two stations overlap, and parts of them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eqci_space.qkd.dual_downlink import dual_downlink_keys, dual_part_keys
from eqci_space.qkd.window_keys import block_fills
from eqci_space.scenario import Scenario
from eqci_space.schedule.partners import partner_stations
from eqci_space.schedule.parts import useful_parts

__all__ = ["dual_offers"]

_COLUMNS = ["candidate_id", "window_id", "window_id_b", "satellite", "ogs", "ogs_b", "start", "end", "skl_bit",
            "block_fill"]  # fmt: skip


def dual_offers(budget: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """Whole overlaps of windows with key, and their parts between hand-over instants and around bookings.

    The satellite may hand over from one pair of stations to another, or swap one station of a pair. Each part is a
    block of its own. Stations of a pair stand in order of their names.

    Parameters
    ----------
    budget : DataFrame
        BUDGET.
    scenario : Scenario
        Its protocol is ``bbm92``.

    Returns
    -------
    DataFrame
        candidate_id, window_id, window_id_b, satellite, ogs, ogs_b, start, end, skl_bit.
    """
    keys = dual_downlink_keys(budget, scenario)
    useful = _in_order(keys[keys["skl_bit"] > 0].rename_axis("candidate_id").reset_index())
    useful["block_fill"] = block_fills(scenario.protocol, useful["sifted_bit"])
    partners = set(partner_stations(scenario))
    known = [pair in partners for pair in zip(useful["ogs"], useful["ogs_b"], strict=True)]
    whole = useful.loc[np.array(known, dtype=bool), _COLUMNS].reset_index(drop=True)
    if whole.empty:
        return _typed(whole)
    parts = useful_parts(whole, lambda parts: dual_part_keys(parts, budget, scenario), scenario)
    return pd.concat([whole, parts], ignore_index=True)


def _in_order(keys: pd.DataFrame) -> pd.DataFrame:
    """Rows whose stations, with their windows, stand in order of the names of the stations."""
    swapped = (keys["ogs"] > keys["ogs_b"]).to_numpy()
    found = keys.copy()
    for one, other in (("ogs", "ogs_b"), ("window_id", "window_id_b")):
        found[one] = np.where(swapped, keys[other], keys[one])
        found[other] = np.where(swapped, keys[one], keys[other])
    return found


def _typed(empty: pd.DataFrame) -> pd.DataFrame:
    """No offers, with times where times belong."""
    return empty.assign(**{c: pd.DatetimeIndex([], dtype="datetime64[us, UTC]") for c in ("start", "end")})
