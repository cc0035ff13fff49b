"""Key of windows and contacts under extra loss, and of a part of their signal: what other skies and links leave."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from eqci_space.errors import TableError
from eqci_space.qkd.blocks import BlockTable
from eqci_space.qkd.decoy import key_length
from eqci_space.qkd.decoy_parameters import DecoyParameters
from eqci_space.qkd.protocols import security_parameters
from eqci_space.qkd.response import key_response
from eqci_space.qkd.security import SecurityParameters
from eqci_space.qkd.slots import WindowSlots, nearest_edges, window_slots
from eqci_space.qkd.window_keys import copies_in_block, light_of
from eqci_space.scenario import BlockLength, Protocol, Scenario
from eqci_space.tables import check_table

__all__ = ["part_responses", "window_responses"]


def window_responses(
    budget: pd.DataFrame, keys: pd.DataFrame, scenario: Scenario, extra_loss_db: Sequence[float]
) -> pd.DataFrame:
    """Key of every window under extra losses, at the interval and parameters that its row of KEYS names.

    What cirrus that nobody foresaw, or a link worse than its budget, leaves of the key.

    Parameters
    ----------
    budget, keys : DataFrame
        BUDGET and the KEYS made from it.
    extra_loss_db : sequence
        [dB], from -6 (gain) on.

    Returns
    -------
    DataFrame
        Index `window_id`, a column per loss, key in bit; zero where the window has no key.

    Raises
    ------
    TableError
        The protocol has no decoy states, or a window of the budget has no row in KEYS.
    """
    check_table(keys, "KEYS", "window_responses")
    parts = keys.rename(columns={"usable_start": "start", "usable_end": "end"})[["start", "end"]]
    parts = parts.assign(window_id=keys.index.astype(str)).rename_axis(index=None)
    present = budget["window_id"].unique()
    missing = [w for w in present if w not in parts.index]
    if missing:
        raise TableError(f"window_responses: window '{missing[0]}' has no row in KEYS; make both from one budget")
    return part_responses(parts.loc[present], budget, keys, scenario, extra_loss_db).rename_axis(index="window_id")


def part_responses(
    parts: pd.DataFrame,
    budget: pd.DataFrame,
    keys: pd.DataFrame,
    scenario: Scenario,
    extra_loss_db: Sequence[float],
    *,
    seen_share: float | Sequence[float] = 1.0,
) -> pd.DataFrame:
    """Key of parts of windows under extra losses, at the parameters of their own row of KEYS, or of their window's.

    Of a share of the signal that is seen alone, the slots that are not seen are left out of the block.

    Parameters
    ----------
    parts : DataFrame
        Indexed by part: window_id, start, end; edges are moved to the nearest slot edge.
    budget, keys : DataFrame
        BUDGET, and KEYS of the windows and, where they have any, of the parts.
    extra_loss_db : sequence
        [dB], from -6 (gain) on.
    seen_share : float or sequence
        Of the signal of a part under each loss, 0 to 1.

    Returns
    -------
    DataFrame
        Index of `parts`, a column per loss, key in bit; zero where there is no key.

    Raises
    ------
    TableError
        The protocol has no decoy states, or a part has no row in KEYS.
    """
    check_table(budget, "BUDGET", "part_responses")
    if scenario.protocol.kind == "bbm92":
        raise TableError("part_responses: protocol 'bbm92'; expected a decoy-state protocol")
    losses, seen = np.broadcast_arrays(np.asarray(extra_loss_db, dtype=float), seen_share)
    security = security_parameters(scenario.protocol)
    rows = parts.groupby("window_id", sort=False).indices
    out = np.zeros((len(parts), len(losses)))
    for window in window_slots(budget[budget["window_id"].isin(list(rows))], scenario):
        for i in rows[window.window_id].tolist():
            own = parts.index[i] if parts.index[i] in keys.index else window.window_id
            if own not in keys.index:
                raise TableError(f"part_responses: window '{own}' has no row in KEYS; make both from one budget")
            if keys.loc[own, "skl_bit"] > 0:
                parameters = DecoyParameters(**json.loads(str(keys.loc[own, "parameters"])))
                first, last = nearest_edges(window, parts.iloc[[i]][["start", "end"]].to_numpy().ravel())
                span = int(first), int(last)
                if scenario.protocol.block == "window":
                    out[i] = _response(window, *span, (losses, seen), parameters, security)
                else:
                    out[i] = _response_in_block(window, span, (losses, seen), parameters, scenario.protocol)
    return pd.DataFrame(out, index=parts.index, columns=pd.Index(losses, name="extra_loss_db"))


def _response(
    window: WindowSlots, first: int, last: int, light: tuple[np.ndarray, np.ndarray], parameters: DecoyParameters,
    security: SecurityParameters,
) -> np.ndarray:  # fmt: skip
    """Key under losses at shares that are seen.

    A gain blinds the detectors more: it is counted with the dead time of the largest one.
    """
    losses, seen = light
    out = np.zeros(losses.shape)
    for gains in (False, True):
        for share in np.unique(seen[(losses < 0) == gains]):
            chosen = ((losses < 0) == gains) & (seen == share)
            gain = 10 ** (-min(0.0, float(losses[chosen].min())) / 10)
            whole = window.block(first, last, gain * parameters.mean_photon_number, parameters.key_basis_probability)
            block = BlockTable(share * whole.series, whole.afterpulse_probability)
            out[chosen] = key_response(block, losses[chosen], parameters, security)
    return out


def _response_in_block(
    window: WindowSlots, span: tuple[int, int], light: tuple[np.ndarray, np.ndarray], parameters: DecoyParameters,
    protocol: Protocol,
) -> np.ndarray:  # fmt: skip
    """Part of a contact in a block that waits until it is full, under losses at shares that are seen."""
    security, out = security_parameters(protocol), np.zeros(light[0].shape)
    clear = window.block(*span, *light_of(parameters))
    sifted = key_length(clear, parameters, security).sifted_bit
    for i, (loss, share) in enumerate(zip(*light, strict=True)):
        received = share * 10 ** (-loss / 10)
        if received > 0:
            number = copies_in_block(protocol, received * sifted)
            copies = number if isinstance(protocol.block, BlockLength) else number / received
            gain = 10 ** (-min(0.0, float(loss)) / 10)
            whole = window.block(*span, gain * parameters.mean_photon_number, parameters.key_basis_probability)
            block = BlockTable(copies * share * whole.series, whole.afterpulse_probability)
            key = key_response(block, np.array([loss]), parameters, security)[0]
            out[i] = np.floor(key / copies)
    return out
