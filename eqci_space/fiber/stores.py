"""Key stores: their level from bin to bin, and how much they have to hold to bridge a drought."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["StoreLevels", "bridged_s", "stock_by_age", "stock_for_availability", "store_levels"]


@dataclass(frozen=True)
class StoreLevels:
    """Levels of stores (E, T): at the start of each bin, what was lost, and what is left at the end.

    Per edge ``initial + deposited = used + spilled + expired + left`` over any bins.
    """

    initial_bit: np.ndarray
    spilled_bit: np.ndarray
    expired_bit: np.ndarray
    stock_bit: np.ndarray


def store_levels(
    deposited_bit: np.ndarray,
    used_bit: np.ndarray,
    initial_bit: np.ndarray,
    capacity_bit: np.ndarray,
    life_bins: np.ndarray | None = None,
) -> StoreLevels:
    """Replay stores from deposits and use: the oldest key goes first, key past its life expires, the cap spills.

    Parameters
    ----------
    deposited_bit, used_bit : (E, T)
    initial_bit : (E,) or (E, V)
        Key at the start; by the bin of its arrival, newest last, or all of it as deposited in the bin before.
    capacity_bit : (E,)
    life_bins : (E,) int, optional
        Key of bin d is gone after bin d + life; 0 for no limit.
    """
    n_edges, n_bins = deposited_bit.shape
    life = np.zeros(n_edges, dtype=int) if life_bins is None or not len(life_bins) else life_bins
    aged = np.reshape(initial_bit, (n_edges, -1))
    vintages = aged.shape[1]
    arrived = np.cumsum(np.column_stack([np.zeros(n_edges), aged, deposited_bit]), axis=1)
    initial, spilled, expired, stock = (np.zeros((n_edges, n_bins)) for _ in range(4))
    level = aged.sum(axis=1)
    rows = np.arange(n_edges)
    for t in range(n_bins):
        initial[:, t] = level
        level = np.maximum(level + deposited_bit[:, t] - used_bit[:, t], 0.0)
        # arrived[:, j] is what came before bin j - vintages; the stock is the newest of it.
        first = np.clip(t + 1 - life + vintages, 0, None)
        young = np.where(life > 0, arrived[:, t + 1 + vintages] - arrived[rows, first], np.inf)
        expired[:, t] = np.maximum(level - young, 0.0)
        level = level - expired[:, t]
        spilled[:, t] = np.maximum(level - capacity_bit, 0.0)
        level = level - spilled[:, t]
        stock[:, t] = level
    return StoreLevels(initial, spilled, expired, stock)


def stock_by_age(stock_bit: np.ndarray, arrived_bit: np.ndarray, vintages: int) -> np.ndarray:
    """Stock (E, vintages) by the bin of its arrival, newest last, given that the oldest key goes first.

    Parameters
    ----------
    stock_bit : (E,)
    arrived_bit : (E, n)
        What arrived in the bins up to now, in order of time, and before them what was in stock by its age.
    vintages : int
        Kept apart, >= 1; what is older counts with the oldest of them.
    """
    newest_first = np.cumsum(arrived_bit[:, ::-1][:, :vintages], axis=1)
    parts = np.diff(np.minimum(newest_first, stock_bit[:, None]), axis=1, prepend=0.0)
    parts[:, -1] += stock_bit - parts.sum(axis=1)
    return parts[:, ::-1]


def bridged_s(stock_bit: float, drain_bit_s: float) -> float:
    """How long a stock lasts under a constant drain: stock over drain.

    Raises
    ------
    ValueError
        A negative stock, or no drain.
    """
    if not stock_bit >= 0 or not drain_bit_s > 0:
        raise ValueError(f"bridged_s: stock_bit={stock_bit}, drain_bit_s={drain_bit_s}; expected >= 0 and > 0")
    return stock_bit / drain_bit_s


def stock_for_availability(deposited_bit: np.ndarray, used_bit: np.ndarray, availability: float) -> float:
    """Stock at the start with which the use of every bin is served in a share of all (trial, bin) pairs.

    A deposit serves in its own bin. What a world lacks by bin t is the largest excess of use over deposits so far; the
    stock is the quantile of these over all trials and bins.

    Parameters
    ----------
    deposited_bit : (trials, T)
        Key that arrives, as sampled.
    used_bit : (T,) or (trials, T)
    availability : float
        In (0, 1): 0.99 for 99 %.

    Raises
    ------
    ValueError
        The availability is not between 0 and 1.
    """
    if not 0 < availability < 1:
        raise ValueError(f"stock_for_availability: availability={availability}; expected 0 to 1 (0.9 for 90 %)")
    lacking = np.cumsum(np.broadcast_to(used_bit, deposited_bit.shape) - deposited_bit, axis=1)
    return float(max(0.0, np.quantile(np.maximum.accumulate(lacking, axis=1), availability, method="inverted_cdf")))
