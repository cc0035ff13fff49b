"""Offers of dual downlinks: times in which a satellite's windows over two stations overlap, and parts of them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eqci_space.qkd.dual_downlink import dual_downlink_keys, dual_part_keys
from eqci_space.qkd.window_keys import copies_in_block
from eqci_space.scenario import Scenario
from eqci_space.schedule.partners import partner_stations
from eqci_space.schedule.parts import part_pieces, undominated_rows

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
    useful["block_fill"] = [1 / copies_in_block(scenario.protocol, bit) for bit in useful["sifted_bit"]]
    partners = set(partner_stations(scenario))
    known = [pair in partners for pair in zip(useful["ogs"], useful["ogs_b"], strict=True)]
    whole = useful.loc[np.array(known, dtype=bool), _COLUMNS].reset_index(drop=True)
    return pd.concat([whole, _parts(whole, budget, scenario)], ignore_index=True) if len(whole) else _typed(whole)


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


def _parts(whole: pd.DataFrame, budget: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """Parts of overlaps as rows like those of whole ones."""
    rows, start, end = part_pieces(whole, scenario)
    if not len(rows):
        return whole.iloc[:0]
    parts = whole.loc[rows].reset_index(drop=True)
    parts["start"], parts["end"] = (pd.DatetimeIndex(pd.to_datetime(t, unit="ns", utc=True)) for t in (start, end))
    found = dual_part_keys(parts, budget, scenario)
    parts["skl_bit"] = found["skl_bit"].to_numpy()
    parts["block_fill"] = [1 / copies_in_block(scenario.protocol, bit) for bit in found["sifted_bit"]]
    parts = parts[parts["skl_bit"] > 0]
    parts = parts.iloc[undominated_rows(parts, "candidate_id")]
    span = parts["start"].dt.strftime("@%H%M%S-") + parts["end"].dt.strftime("%H%M%S")
    return parts.assign(candidate_id=parts["candidate_id"] + span)
