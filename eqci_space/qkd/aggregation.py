"""Several windows in one finite-key block: more key for later key."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from eqci_space.errors import TableError
from eqci_space.qkd.protocols import parameter_limits, security_parameters
from eqci_space.qkd.slots import WindowSlots, slot_edges, window_slots
from eqci_space.qkd.window_keys import best_decoy, parameters_json, why_no_key
from eqci_space.scenario import Scenario
from eqci_space.tables import check_table

__all__ = ["aggregate_keys"]

_COLUMNS = [
    "block", "satellite", "ogs", "windows", "start", "closes_at", "skl_bit", "separate_bit", "mean_delay_s", "qber",
    "authentication_bit", "epsilon", "protocol", "proof", "parameters", "reason",
]  # fmt: skip


def aggregate_keys(
    budget: pd.DataFrame, keys: pd.DataFrame, scenario: Scenario, *, windows_per_block: int
) -> pd.DataFrame:
    """Key of blocks of successive windows between a satellite and a station, beside the sum of their separate keys.

    One parameter set serves a block. Slots are used from the best efficiency of all its windows down to the one that
    gives most key, which is a cut in elevation where windows differ in nothing else. Key exists when the block closes:
    `mean_delay_s` is how much later that is than the windows' own ends, weighted by their detections. The last block of
    a pair may hold fewer windows.

    Parameters
    ----------
    budget : DataFrame
        BUDGET.
    keys : DataFrame
        KEYS of the same windows, for comparison.
    windows_per_block : int
        At least 1.

    Returns
    -------
    DataFrame
        Index `block`; satellite, ogs, windows (number), start, closes_at, skl_bit (authentication paid), separate_bit,
        mean_delay_s, qber, and as in KEYS authentication_bit, epsilon, protocol, proof, parameters, reason.

    Raises
    ------
    TableError
        `windows_per_block` is below 1, or the protocol has no blocks of several windows (BBM92).
    """
    check_table(budget, "BUDGET", "aggregate_keys")
    check_table(keys, "KEYS", "aggregate_keys")
    if not windows_per_block >= 1 or windows_per_block % 1 or scenario.protocol.kind == "bbm92":
        raise TableError(
            f"aggregate_keys: windows_per_block = {windows_per_block} with protocol '{scenario.protocol.kind}'; "
            "expected at least 1, a whole number, and a decoy-state protocol"
        )
    windows_per_block = int(windows_per_block)
    pairs: dict[tuple[str, str], list[WindowSlots]] = {}
    for window in window_slots(budget, scenario):
        if window.window_id not in keys.index:
            raise TableError(
                f"aggregate_keys: window '{window.window_id}' has no row in KEYS; make both from one budget"
            )
        pairs.setdefault((window.satellite, window.ogs), []).append(window)
    rows = []
    for (satellite, ogs), windows in pairs.items():
        ordered = sorted(windows, key=lambda w: w.time[0])
        for i in range(0, len(ordered), windows_per_block):
            block = f"{satellite}|{ogs}|{i // windows_per_block + 1}"
            rows.append({"block": block} | _block_row(ordered[i : i + windows_per_block], keys, scenario))
    return pd.DataFrame(rows, columns=_COLUMNS).set_index("block")


def _block_row(windows: list[WindowSlots], keys: pd.DataFrame, scenario: Scenario) -> dict[str, object]:
    security = security_parameters(scenario.protocol)
    result, _, _ = best_decoy(_joined(windows), security, parameter_limits(scenario.protocol))
    length = max(0, math.floor(result.length_bit - security.authentication_bit))
    ends = [slot_edges(w)[-1] for w in windows]
    weight = np.array([float(w.efficiency @ w.pulses) for w in windows])
    delay_s = np.array([(ends[-1] - end).total_seconds() for end in ends])
    return {
        "satellite": windows[0].satellite, "ogs": windows[0].ogs, "windows": len(windows),
        "start": slot_edges(windows[0])[0].round("us"), "closes_at": ends[-1].round("us"), "skl_bit": float(length),
        "separate_bit": float(keys["skl_bit"].reindex([w.window_id for w in windows]).sum()),
        "mean_delay_s": float(weight @ delay_s / weight.sum()) if weight.sum() > 0 else 0.0, "qber": result.qber,
        "authentication_bit": float(security.authentication_bit), "epsilon": security.epsilon,
        "protocol": result.protocol, "proof": result.proof, "parameters": parameters_json(result),
        "reason": "" if length > 0 else why_no_key(result, security),
    }  # fmt: skip


def _joined(windows: list[WindowSlots]) -> WindowSlots:
    """All slots of the windows as one, from the best efficiency down."""
    columns = {
        name: np.concatenate([getattr(w, name) for w in windows])
        for name in ("weight_s", "efficiency", "extraneous_probability", "intrinsic_error", "neighbour_ratio")
    }
    order = np.argsort(-columns["efficiency"], kind="stable")
    time = windows[0].time.append([w.time for w in windows[1:]])[order]
    first = windows[0]
    return WindowSlots(
        first.window_id, first.satellite, first.ogs, time, terminal=first.terminal, receiver=first.receiver,
        **{name: values[order] for name, values in columns.items()},
    )  # fmt: skip
