"""Secret key of observable windows: one finite-key block per window, parameters and elevation cut optimised."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd

from eqci_space.errors import TableError
from eqci_space.qkd.decoy import (
    REFERENCE_PARAMETERS,
    BlockTable,
    KeyResult,
    SecurityParameters,
    block_table,
    key_length,
    optimise_key,
)
from eqci_space.scenario import Protocol, Receiver, Scenario, Terminal, unknown_pair
from eqci_space.tables import TABLES, check_table, empty_table

__all__ = ["security_parameters", "window_keys"]

_CUT_SHARES = np.arange(0.0, 0.75, 0.05)
_MOST_QBER = 0.11


def security_parameters(protocol: Protocol) -> SecurityParameters:
    """Security parameters of a scenario's protocol."""
    return SecurityParameters(
        protocol.epsilon_secrecy,
        protocol.epsilon_correctness,
        protocol.error_correction_efficiency,
        protocol.bound,
    )


def window_keys(budget: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """Clear-sky secret key of every window of a budget.

    For each window the key is optimised over protocol parameters and over the part of the window used:
    slots below a transmittance cut at either end are dropped, with the cut tried in steps of 5 % of the slots.

    Parameters
    ----------
    budget : DataFrame
        BUDGET, slots of a window in order of time.
    scenario : Scenario

    Returns
    -------
    DataFrame
        KEYS, one row per window in order of first sample. `skl_bit` is floored to whole bits; `reason` says
        why it is zero, with counts at ordinary parameters. Protocol parameters are JSON.

    Raises
    ------
    TableError
        A window names a satellite or station that the scenario does not have.
    """
    check_table(budget, "BUDGET", "window_keys")
    if budget.empty:
        return empty_table("KEYS")
    terminals = {s.name: s.terminal for s in scenario.satellites}
    security = security_parameters(scenario.protocol)
    rows = []
    for window_id, part in budget.groupby("window_id", sort=False):
        satellite, ogs = part["satellite"].iloc[0], part["ogs"].iloc[0]
        if satellite not in terminals or ogs not in scenario.stations:
            raise TableError(f"window_keys: {unknown_pair(satellite, ogs, scenario)}")
        terminal, receiver = terminals[satellite], scenario.stations[ogs].receiver
        rows.append({"window_id": window_id, **_window_key(part, terminal, receiver, security, scenario.protocol)})
    columns = list(TABLES["KEYS"].columns)
    keys = pd.DataFrame(rows, columns=["window_id", *columns]).set_index("window_id")
    return check_table(keys, "KEYS", "window_keys")


def _window_key(
    part: pd.DataFrame,
    terminal: Terminal,
    receiver: Receiver,
    security: SecurityParameters,
    protocol: Protocol,
) -> dict[str, object]:
    """One row of KEYS."""
    efficiency = part["transmittance"].to_numpy()
    noise = part["extraneous_probability"].to_numpy()
    pulses = terminal.pulse_rate_hz * part["weight_s"].to_numpy()
    errors = part["intrinsic_error"].to_numpy()
    best: KeyResult | None = None
    used = (0, len(part))
    for first, last in _cuts(efficiency):
        use = slice(first, last)
        block: BlockTable = block_table(
            efficiency[use], noise[use], errors[use], pulses[use],
            afterpulse_probability=receiver.afterpulse_probability,
        )  # fmt: skip
        result = optimise_key(block, security)
        if best is None or result.length_bit > best.length_bit:
            best, used = result, (first, last)
    assert best is not None  # there is at least the uncut window
    if best.length_bit < 1:
        whole = block_table(
            efficiency, noise, errors, pulses, afterpulse_probability=receiver.afterpulse_probability
        )  # fmt: skip
        best, used = key_length(whole, REFERENCE_PARAMETERS, security), (0, len(part))
    edges = _slot_edges(part)
    length = max(0, math.floor(best.length_bit))
    return {
        "usable_start": edges[used[0]].round("us"),
        "usable_end": edges[used[1]].round("us"),
        "sifted_bit": best.sifted_bit,
        "qber": best.qber,
        "skl_bit": float(length),
        "protocol": protocol.kind,
        "proof": f"lim2014-{protocol.bound}",
        "parameters": json.dumps({k: round(v, 9) for k, v in vars(best.parameters).items()}),
        "reason": "" if length > 0 else _why_zero(best),
    }


def _slot_edges(part: pd.DataFrame) -> pd.DatetimeIndex:
    """Edges of a window's slots; equal slots and quadrature nodes both lie symmetrically in their window."""
    weight = part["weight_s"].to_numpy()
    middle = part["time"].iloc[0] + (part["time"].iloc[-1] - part["time"].iloc[0]) / 2
    return middle + pd.to_timedelta(np.concatenate([[0.0], np.cumsum(weight)]) - weight.sum() / 2, unit="s")


def _cuts(efficiency: np.ndarray) -> list[tuple[int, int]]:
    """Index ranges left when slots below successive transmittance quantiles are dropped at both ends."""
    ranges = []
    for level in np.quantile(efficiency, _CUT_SHARES):
        kept = np.flatnonzero(efficiency >= level)
        ranges.append((int(kept[0]), int(kept[-1]) + 1))
    return list(dict.fromkeys(ranges))


def _why_zero(result: KeyResult) -> str:
    if result.qber > _MOST_QBER:
        return f"QBER too high ({100 * result.qber:.1f} %)"
    if result.single_photon_bit < 1:
        return "too few counts: no single-photon detection can be certified"
    return f"block too short: {-result.length_bit:.0f} bit short of a key"
