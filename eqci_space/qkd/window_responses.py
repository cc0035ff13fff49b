"""Key of windows and contacts under extra loss, and of a part of their signal: what other skies and links leave."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from eqci_space.errors import TableError
from eqci_space.qkd.blocks import BlockTable
from eqci_space.qkd.decoy import key_length
from eqci_space.qkd.decoy_parameters import DecoyParameters
from eqci_space.qkd.protocols import security_parameters
from eqci_space.qkd.response import key_response
from eqci_space.qkd.slots import WindowSlots, nearest_numbers, slot_edges_ns, window_slots
from eqci_space.qkd.window_keys import copies_received, entangled_block, light_of, own_coincidences
from eqci_space.scenario import Protocol, Scenario
from eqci_space.tables import check_table

__all__ = ["part_of_block", "part_responses", "window_responses"]


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
        A window of the budget has no row in KEYS.
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
        A part has no row in KEYS.
    """
    check_table(budget, "BUDGET", "part_responses")
    losses, seen = np.broadcast_arrays(np.asarray(extra_loss_db, dtype=float), seen_share)
    protocol, rows = scenario.protocol, parts.groupby("window_id", sort=False).indices
    asked_ns = np.column_stack([pd.DatetimeIndex(parts[c]).as_unit("ns").asi8 for c in ("start", "end")])
    of_key, key_bit, texts = (keys.index.get_indexer, keys["skl_bit"].to_numpy(), keys["parameters"].to_numpy())
    own = of_key(parts.index)
    own = np.where(own >= 0, own, of_key(parts["window_id"]))
    if (own < 0).any():
        lost = parts["window_id"].iloc[int(np.argmin(own))]
        raise TableError(f"part_responses: window '{lost}' has no row in KEYS; make both from one budget")
    out = np.zeros((len(parts), len(losses)))
    for window in window_slots(budget[budget["window_id"].isin(list(rows))], scenario):
        mine = rows[window.window_id]
        for i, (first, last) in zip(mine, nearest_numbers(slot_edges_ns(window), asked_ns[mine]), strict=True):
            if not key_bit[own[i]] > 0:
                continue
            span = slice(int(first), int(last))
            if protocol.source is not None:
                out[i] = _pair_response(window, span, (losses, seen), protocol)
                continue
            parameters = DecoyParameters(**json.loads(str(texts[own[i]])))
            response = _response if protocol.block == "window" else _response_in_block
            out[i] = response(window, span, (losses, seen), parameters, protocol)
    return pd.DataFrame(out, index=parts.index, columns=pd.Index(losses, name="extra_loss_db"))


def _response(
    window: WindowSlots, span: slice, light: tuple[np.ndarray, np.ndarray], parameters: DecoyParameters,
    protocol: Protocol,
) -> np.ndarray:  # fmt: skip
    """Key under losses at shares that are seen.

    A gain blinds the detectors more: it is counted with the dead time of the largest one.
    """
    (losses, seen), security = light, security_parameters(protocol)
    photons, key_basis = light_of(parameters)
    out = np.zeros(losses.shape)
    for gains in (False, True):
        these = (losses < 0) == gains
        if not these.any():
            continue
        gain = 10 ** (-min(0.0, float(losses[these].min())) / 10)
        whole = window.block(span.start, span.stop, gain * photons, key_basis)
        for share in np.unique(seen[these]):
            chosen = these & (seen == share)
            block = BlockTable(share * whole.series, whole.afterpulse_probability)
            out[chosen] = key_response(block, losses[chosen], parameters, security)
    return out


def _response_in_block(
    window: WindowSlots, span: slice, light: tuple[np.ndarray, np.ndarray], parameters: DecoyParameters,
    protocol: Protocol,
) -> np.ndarray:  # fmt: skip
    """Part of a contact in a block that waits until it is full, under losses at shares that are seen."""
    security, out = security_parameters(protocol), np.zeros(light[0].shape)
    clear = window.block(span.start, span.stop, *light_of(parameters))
    sifted = key_length(clear, parameters, security).sifted_bit
    for i, (loss, share) in enumerate(zip(*light, strict=True)):
        received = share * 10 ** (-loss / 10)
        if received > 0:
            copies = copies_received(protocol, sifted, received)
            gain = 10 ** (-min(0.0, float(loss)) / 10)
            whole = window.block(
                span.start, span.stop, gain * parameters.mean_photon_number, parameters.key_basis_probability
            )
            block = BlockTable(copies * share * whole.series, whole.afterpulse_probability)
            key = key_response(block, np.array([loss]), parameters, security)[0]
            out[i] = np.floor(key / copies)
    return out


def _pair_response(
    window: WindowSlots, span: slice, light: tuple[np.ndarray, np.ndarray], protocol: Protocol
) -> np.ndarray:
    """Key of entangled pairs, the light of every slot dimmed; what is measured on board stays."""
    source, security = protocol.source, security_parameters(protocol)
    assert source is not None
    count, qber, dark = (column[..., span] for column in own_coincidences(window, source))
    sifted, found = entangled_block(count, qber, dark, security).sifted_bit, []
    for loss, share in zip(*light, strict=True):
        count, qber, dark = (column[..., span] for column in own_coincidences(window.dimmed(float(loss)), source))
        found.append(part_of_block(count, qber, dark, protocol, sifted_bit=sifted, loss_db=loss, seen_share=share))
    return np.array(found, dtype=float)


def part_of_block(
    coincidences: np.ndarray, qber: np.ndarray, own_dark: np.ndarray, protocol: Protocol, *, sifted_bit: float,
    loss_db: float, seen_share: float,
) -> float:  # fmt: skip
    """Key of dimmed slots of which a share is seen, or its part of a block that waits; authentication paid [bit].

    Parameters
    ----------
    coincidences, qber, own_dark : (n,), (n,) and (2, n) arrays
        As `entangled_block` takes them, at the loss.
    protocol : Protocol
    sifted_bit : float
        Without loss, all slots seen [1].
    loss_db, seen_share : float
    """
    received = seen_share * 10 ** (-loss_db / 10)
    if not received > 0:
        return 0.0
    security, copies = security_parameters(protocol), copies_received(protocol, sifted_bit, received)
    times = copies * seen_share
    key = entangled_block(times * coincidences, qber, times * own_dark, security)
    return float(max(0, math.floor((key.length_bit - security.authentication_bit) / copies)))
