"""Entangled pairs to two stations at once: key between them that the satellite never knows."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from eqci_space.errors import TableError
from eqci_space.qkd.protocols import security_parameters
from eqci_space.qkd.slots import WindowSlots, slot_edges, window_slots
from eqci_space.qkd.window_keys import best_cut_entangled, own_dark_coincidences, pair_coincidences, why_no_key
from eqci_space.scenario import PairSource, Scenario
from eqci_space.tables import check_table

__all__ = ["dual_downlink_keys"]

_COLUMNS = [
    "dual_id", "satellite", "ogs", "ogs_b", "window_id", "window_id_b", "start", "end", "sifted_bit", "qber", "skl_bit",
    "authentication_bit", "epsilon", "block", "protocol", "proof", "reason",
]  # fmt: skip


def dual_downlink_keys(budget: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """BBM92 key of every time in which a satellite's windows over two stations overlap.

    The slots of the first station are used; efficiency (in dB) and noise of the second are interpolated to them. Errors
    of both arms add up as independent causes. A satellite is taken to have a terminal per station.

    Parameters
    ----------
    budget : DataFrame
        BUDGET.
    scenario : Scenario
        Its protocol is ``bbm92`` with a source.

    Returns
    -------
    DataFrame
        Index `dual_id`; satellite, ogs, ogs_b, window_id, window_id_b, start and end of the slots used, sifted_bit,
        qber, skl_bit (authentication paid), authentication_bit, epsilon, block (what one finite key covers), protocol,
        proof, reason (why zero).

    Raises
    ------
    TableError
        The scenario's protocol has no pair source.
    """
    check_table(budget, "BUDGET", "dual_downlink_keys")
    if scenario.protocol.source is None:
        raise TableError(
            f"dual_downlink_keys: protocol '{scenario.protocol.kind}'; expected kind = 'bbm92' with a [protocol.source]"
        )
    by_satellite: dict[str, list[WindowSlots]] = {}
    for window in window_slots(budget, scenario):
        by_satellite.setdefault(window.satellite, []).append(window)
    rows = []
    for windows in by_satellite.values():
        ordered = sorted(windows, key=lambda w: (w.time[0], w.ogs))
        for one, other in combinations(ordered, 2):
            if one.ogs != other.ogs:
                row = _dual_row(one, other, scenario)
                rows += [row] if row else []
    table = pd.DataFrame(rows, columns=_COLUMNS)
    again = table.groupby("dual_id").cumcount()
    table["dual_id"] = table["dual_id"].where(again == 0, table["dual_id"] + "/" + (again + 1).astype(str))
    return table.set_index("dual_id")


def _dual_row(one: WindowSlots, other: WindowSlots, scenario: Scenario) -> dict[str, object] | None:
    begin, end = slot_edges(other) if len(other.time) == 1 else other.time[[0, -1]]
    inside = np.flatnonzero((one.time >= begin) & (one.time <= end))
    if not len(inside):
        return None
    source = scenario.protocol.source
    assert source is not None
    second = _at(other, one.time[inside], source)
    wrong = (1 - (1 - 2 * one.intrinsic_error[inside]) * (1 - 2 * second["intrinsic_error"])) / 2
    noise_hz, dark_hz = (column[inside] for column in one.pair_noise_hz(source))
    arms: dict[str, Any] = {
        "pulse_rate_hz": one.terminal.pulse_rate_hz, "efficiency": (one.efficiency[inside], second["efficiency"]),
        "noise_hz": (noise_hz, second["noise_hz"]), "intrinsic_error": wrong,
    }  # fmt: skip
    split = pair_coincidences(source, **arms)
    dark = own_dark_coincidences(source, split, (dark_hz, second["dark_hz"]), **arms)
    security = security_parameters(scenario.protocol)
    merit = one.efficiency[inside] * second["efficiency"]
    weight = one.weight_s[inside]
    key, first, last = best_cut_entangled(split.rate * weight, split.qber, merit, security, own_dark=dark * weight)
    edges = slot_edges(one)
    length = max(0, math.floor(key.length_bit - security.authentication_bit))
    return {
        "dual_id": f"{one.window_id}+{other.ogs}", "satellite": one.satellite, "ogs": one.ogs, "ogs_b": other.ogs,
        "window_id": one.window_id, "window_id_b": other.window_id, "start": edges[inside[first]].round("us"),
        "end": edges[inside[last - 1] + 1].round("us"), "sifted_bit": key.sifted_bit, "qber": key.qber,
        "skl_bit": float(length), "authentication_bit": float(security.authentication_bit),
        "epsilon": security.epsilon, "block": "overlap", "protocol": key.protocol, "proof": key.proof,
        "reason": "" if length > 0 else why_no_key(key, security),
    }  # fmt: skip


def _at(window: WindowSlots, time: pd.DatetimeIndex, source: PairSource) -> dict[str, np.ndarray]:
    """Efficiency, noise and intrinsic error of a window at other times inside it."""
    origin = window.time[0]
    known, asked = (((t - origin) / pd.Timedelta(seconds=1)).to_numpy() for t in (window.time, time))
    log_efficiency = np.interp(asked, known, np.log(np.maximum(window.efficiency, 1e-300)))
    noise_hz, dark_hz = window.pair_noise_hz(source)
    return {
        "efficiency": np.exp(log_efficiency),
        "noise_hz": np.interp(asked, known, noise_hz),
        "dark_hz": np.interp(asked, known, dark_hz),
        "intrinsic_error": np.interp(asked, known, window.intrinsic_error),
    }
