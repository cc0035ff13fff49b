"""Key of parts of windows, at the parameters that the windows' keys name: for hand-over inside a pass."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from eqci_space.errors import TableError
from eqci_space.qkd.decoy import DecoyParameters
from eqci_space.qkd.protocols import security_parameters
from eqci_space.qkd.response import part_lengths
from eqci_space.qkd.slots import nearest_numbers, slot_edges_ns, window_slots
from eqci_space.scenario import Scenario
from eqci_space.tables import check_table

__all__ = ["part_keys", "part_rows"]


def part_keys(parts: pd.DataFrame, budget: pd.DataFrame, keys: pd.DataFrame, scenario: Scenario) -> pd.Series:
    """Clear-sky key of parts of windows, each a block of its own, authentication paid; 0 where there is none.

    Parameters
    ----------
    parts : DataFrame
        window_id, start, end; edges are moved to the nearest slot edge of the window.
    budget, keys : DataFrame
        BUDGET of the windows and the KEYS made from it.
    scenario : Scenario
        Its protocol has decoy states.

    Returns
    -------
    Series
        Whole bits, by the rows of `parts`.

    Raises
    ------
    TableError
        The protocol has no decoy states, or a window of the parts has no key.
    """
    check_table(keys, "KEYS", "part_keys")
    if scenario.protocol.kind == "bbm92":
        raise TableError("part_keys: protocol 'bbm92'; expected a decoy-state protocol")
    security = security_parameters(scenario.protocol)
    length = np.zeros(len(parts))
    rows = parts.groupby("window_id", sort=False).indices
    start_ns, end_ns = (pd.DatetimeIndex(parts[end]).as_unit("ns").asi8 for end in ("start", "end"))
    with_key = keys.loc[keys["skl_bit"] > 0, "parameters"]
    texts = dict(zip(with_key.index, with_key, strict=True))
    for window in window_slots(budget[budget["window_id"].isin(list(rows))], scenario):
        if window.window_id not in texts:
            raise TableError(f"part_keys: window '{window.window_id}' has no key in KEYS; leave its parts out")
        parameters = DecoyParameters(**json.loads(str(texts[window.window_id])))
        mine, edges_ns = rows[window.window_id], slot_edges_ns(window)
        first, last = (nearest_numbers(edges_ns, at_ns[mine]) for at_ns in (start_ns, end_ns))
        held = last > first
        running = window.running(parameters.mean_photon_number, parameters.key_basis_probability)
        length[mine[held]] = part_lengths(
            running, first[held], last[held], parameters, security,
            afterpulse_probability=window.receiver.afterpulse_probability,
        )  # fmt: skip
    paid = np.floor(length - security.authentication_bit)
    return pd.Series(np.maximum(paid, 0.0), index=parts.index, name="skl_bit")


def part_rows(parts: pd.DataFrame, budget: pd.DataFrame) -> pd.DataFrame:
    """BUDGET rows of parts of windows under the parts' own ids, so that stages take each part for a window.

    Parameters
    ----------
    parts : DataFrame
        Indexed by the new id: window_id, start, end.
    budget : DataFrame
        BUDGET.
    """
    by_window = budget.groupby("window_id", sort=False).indices
    time = budget["time"]
    pieces = []
    for part_id, part in parts.iterrows():
        mine = budget.iloc[by_window[part["window_id"]]]
        inside = (time.loc[mine.index] >= part["start"]) & (time.loc[mine.index] < part["end"])
        pieces.append(mine[inside].assign(window_id=str(part_id)))
    return pd.concat(pieces, ignore_index=True) if pieces else budget.iloc[:0]
