"""Keys of parts of windows, each a session of its own: for hand-over inside a pass."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from eqci_space.errors import TableError
from eqci_space.qkd.decoy import KeyResult, key_length
from eqci_space.qkd.decoy_parameters import DecoyParameters
from eqci_space.qkd.optimiser import ParameterLimits, refined_key
from eqci_space.qkd.protocols import parameter_limits, security_parameters
from eqci_space.qkd.security import SecurityParameters
from eqci_space.qkd.slots import WindowSlots, nearest_numbers, slot_edges_ns, window_slots
from eqci_space.qkd.window_keys import DEAD_TIME_ROUNDS, DEAD_TIME_SETTLED, copies_in_block, key_row, light_of
from eqci_space.scenario import BlockLength, Scenario
from eqci_space.tables import TABLES, check_table

__all__ = ["part_keys"]


def part_keys(parts: pd.DataFrame, budget: pd.DataFrame, keys: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """KEYS of parts of windows, each a block with its own best parameters.

    A session adapts: whoever flies a part sends what is best for it. Under ``parameters = "common"`` it sends what the
    satellite always sends. The same part has the same key wherever it is asked for.

    Parameters
    ----------
    parts : DataFrame
        window_id, start, end; edges are moved to the nearest slot edge of the window.
    budget, keys : DataFrame
        BUDGET of the windows and the KEYS made from it, at whose parameters the search begins.
    scenario : Scenario
        Its protocol has decoy states.

    Returns
    -------
    DataFrame
        KEYS, by the rows of `parts`; parts shorter than half a slot have no key.

    Raises
    ------
    TableError
        The protocol has no decoy states, or a window of the parts has no key.
    """
    check_table(keys, "KEYS", "part_keys")
    if scenario.protocol.kind == "bbm92":
        raise TableError("part_keys: protocol 'bbm92'; expected a decoy-state protocol")
    rows = parts.groupby("window_id", sort=False).indices
    with_key = keys.loc[keys["skl_bit"] > 0, "parameters"]
    texts = dict(zip(with_key.index, with_key, strict=True))
    found: dict[int, dict[str, object]] = {}
    for window in window_slots(budget[budget["window_id"].isin(list(rows))], scenario):
        if window.window_id not in texts:
            raise TableError(f"part_keys: window '{window.window_id}' has no key in KEYS; leave its parts out")
        parameters = DecoyParameters(**json.loads(str(texts[window.window_id])))
        mine = rows[window.window_id]
        found.update(zip(mine.tolist(), _rows_of(window, parts.iloc[mine], parameters, scenario), strict=True))
    columns = list(TABLES["KEYS"].columns)
    table = pd.DataFrame([found[i] for i in range(len(parts))], columns=columns, index=parts.index)
    if table.empty:
        table = keys.iloc[:0][columns].set_axis(parts.index)
    return check_table(table.rename_axis("window_id"), "KEYS", "part_keys")


def _rows_of(
    window: WindowSlots, parts: pd.DataFrame, start: DecoyParameters, scenario: Scenario
) -> Iterator[dict[str, object]]:
    """Rows of KEYS of the parts of a window."""
    protocol, security = scenario.protocol, security_parameters(scenario.protocol)
    common = protocol.parameters == "common"
    limits = ParameterLimits.fixed(start) if common else parameter_limits(protocol)
    edges_ns = slot_edges_ns(window)
    first, last = (
        nearest_numbers(edges_ns, pd.DatetimeIndex(parts[end]).as_unit("ns").asi8) for end in ("start", "end")
    )
    for begin, end in zip(first.tolist(), last.tolist(), strict=True):
        if end > begin:
            copies = copies_in_block(protocol)
            if isinstance(protocol.block, BlockLength):
                sifted = key_length(window.block(begin, end, *light_of(start)), start, security).sifted_bit
                copies = copies_in_block(protocol, sifted)
            used = _own_key(window.times(copies), begin, end, start, security, limits), begin, end
            yield key_row(window, used, protocol, security, copies)
        else:
            nothing = replace(key_length(window.block(0, 1), start, security), length_bit=0.0, sifted_bit=0.0)
            yield key_row(window, (nothing, begin, begin), protocol, security)


def _own_key(
    window: WindowSlots, first: int, last: int, start: DecoyParameters, security: SecurityParameters,
    limits: ParameterLimits,
) -> KeyResult:  # fmt: skip
    """Key of a part at its best parameters, never less than at those of its window; dead time settles as there."""
    offered = key_length(window.block(first, last, *light_of(start)), start, security)
    parameters = start
    for _ in range(DEAD_TIME_ROUNDS):
        light = light_of(parameters)
        parameters = refined_key(window.block(first, last, *light), start, security, limits=limits).parameters
        ready = np.divide(window.live(*light_of(parameters)), window.live(*light))
        if not window.receiver.dead_time_s or np.abs(ready - 1).max() < DEAD_TIME_SETTLED:
            break
    own = key_length(window.block(first, last, *light_of(parameters)), parameters, security)
    return own if own.length_bit >= offered.length_bit else offered
