"""Key stores: their level from bin to bin, and how much they have to hold to bridge a drought."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["StoreLevels", "bridged_s", "oldest_kept", "stock_by_age", "stock_for_availability", "store_levels"]


@dataclass(frozen=True)
class StoreLevels:
    """Levels of stores.

    Per edge ``initial + deposited = used + spilled + expired + stock`` over any bins.

    Attributes
    ----------
    initial_bit : (E, T) array
        In store at the start of each bin [bit].
    spilled_bit, expired_bit : (E, T) arrays
        Lost at the end of each bin, beyond the cap and beyond the life [bit].
    stock_bit : (E, T) array
        Left at the end of each bin [bit].
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
    *,
    parent_bin: np.ndarray | None = None,
) -> StoreLevels:
    """Replay stores from deposits and use: the oldest key goes first, key past its life expires, the cap spills.

    Parameters
    ----------
    deposited_bit, used_bit : (E, T) arrays
        Arriving and leaving in each bin [bit], >= 0; a deposit serves in its own bin.
    initial_bit : (E,) or (E, V) array
        Key at the start [bit], >= 0; by the bin of its arrival, newest last, or all of it as deposited in the bin
        before.
    capacity_bit : (E,) array
        Most that is kept from bin to bin [bit], >= 0; infinite for no cap.
    life_bins : (E,) int array, optional
        Key of bin d is gone after bin d + life [bins], >= 0; 0 for no limit, as by default.
    parent_bin : (T,) int array, optional
        Bins in which lives are counted [1], >= 0 and rising, where bins are parts of them; each its own by default.

    Returns
    -------
    StoreLevels
        Of each edge and bin [bit]. Use beyond what is in store leaves an empty store.

    Notes
    -----
    As derived here, in a queue the stock is the newest of what arrived.

    Examples
    --------
    Key of 6, 3 and 0 with a life of one bin and a cap of 7, of which 1, 1 and 1 are used:

    >>> used = np.ones((1, 3))
    >>> levels = store_levels(np.array([[6.0, 3, 0]]), used, np.zeros(1), np.full(1, 7.0), np.ones(1, dtype=int))
    >>> levels.stock_bit.tolist(), levels.expired_bit.tolist()
    ([[5.0, 3.0, 0.0]], [[0.0, 4.0, 2.0]])
    """
    n_edges, n_bins = deposited_bit.shape
    life = np.zeros(n_edges, dtype=int) if life_bins is None or not len(life_bins) else life_bins
    aged = np.reshape(initial_bit, (n_edges, -1))
    vintages = aged.shape[1]
    arrived = np.cumsum(np.column_stack([np.zeros(n_edges), aged, deposited_bit]), axis=1)
    initial, spilled, expired, stock = (np.zeros((n_edges, n_bins)) for _ in range(4))
    parent = np.arange(n_bins) if parent_bin is None or not len(parent_bin) else parent_bin
    oldest = np.array([oldest_kept(parent, vintages, int(bins)) for bins in life]).reshape(n_edges, n_bins)
    level = aged.sum(axis=1)
    rows = np.arange(n_edges)
    for t in range(n_bins):
        initial[:, t] = level
        level = np.maximum(level + deposited_bit[:, t] - used_bit[:, t], 0.0)
        # arrived[:, j] is what came before bin j - vintages; the stock is the newest of it.
        first = vintages + oldest[:, t]
        young = np.where(life > 0, arrived[:, t + 1 + vintages] - arrived[rows, first], np.inf)
        expired[:, t] = np.maximum(level - young, 0.0)
        level = level - expired[:, t]
        spilled[:, t] = np.maximum(level - capacity_bit, 0.0)
        level = level - spilled[:, t]
        stock[:, t] = level
    return StoreLevels(initial, spilled, expired, stock)


def oldest_kept(parent_bin: np.ndarray, vintages: int, life: int) -> np.ndarray:
    """First bin whose key may still be in store at the end of each bin, as it can be used in the next.

    Parameters
    ----------
    parent_bin : (T,) int array
        Bins in which lives are counted [1], >= 0 and rising.
    vintages : int
        Bins before the first that are kept apart [1], >= 0.
    life : int
        Key of bin d is gone after bin d + life [bins], > 0.

    Returns
    -------
    (T,) int array
        From ``-vintages`` on [1]; derived here.

    Examples
    --------
    The second day is in three parts; key lives for one day:

    >>> oldest_kept(np.array([0, 1, 1, 1, 2]), 1, 1).tolist()
    [0, 0, 0, 1, 4]
    """
    following = np.append(parent_bin[1:], parent_bin[-1:] + 1)
    counted = np.concatenate([np.arange(-vintages, 0), parent_bin])
    return np.searchsorted(counted, following - life) - vintages


def stock_by_age(stock_bit: np.ndarray, arrived_bit: np.ndarray, vintages: int) -> np.ndarray:
    """Stock (E, vintages) by the bin of its arrival, newest last, given that the oldest key goes first.

    Parameters
    ----------
    stock_bit : (E,) array
        In store [bit], >= 0.
    arrived_bit : (E, n) array
        What arrived in the bins up to now [bit], >= 0, in order of time, and before them what was in stock by its age.
    vintages : int
        Bins kept apart [1], >= 1 and <= n; what is older counts with the oldest of them.

    Returns
    -------
    (E, vintages) array
        Stock [bit] by the bin of its arrival, the newest last; its sum is the stock.

    Notes
    -----
    As derived here, the stock of a queue is the newest of what arrived.

    Examples
    --------
    Of 4, 2 and 1 that arrived five are left: the newest, and two of the first.

    >>> stock_by_age(np.array([5.0]), np.array([[4.0, 2.0, 1.0]]), 3).tolist()
    [[2.0, 2.0, 1.0]]
    """
    newest_first = np.cumsum(arrived_bit[:, ::-1][:, :vintages], axis=1)
    parts = np.diff(np.minimum(newest_first, stock_bit[:, None]), axis=1, prepend=0.0)
    parts[:, -1] += stock_bit - parts.sum(axis=1)
    return parts[:, ::-1]


def bridged_s(stock_bit: float, drain_bit_s: float) -> float:
    """How long a stock lasts under a constant drain: stock over drain.

    Parameters
    ----------
    stock_bit : float
        In store [bit], >= 0.
    drain_bit_s : float
        Use less supply [bit/s], > 0.

    Returns
    -------
    float
        Time until the store is empty [s]; derived here.

    Raises
    ------
    ValueError
        A negative stock, or no drain.

    Examples
    --------
    1.8432 Mbit under one key of 256 bit a minute last five days:

    >>> round(bridged_s(1_843_200.0, 256 / 60) / 86_400, 9)
    5.0
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
    deposited_bit : (trials, T) array
        Key that arrives in each bin [bit], >= 0, as sampled; at least one trial and one bin.
    used_bit : (T,) or (trials, T) array
        Key that is used in each bin [bit], >= 0.
    availability : float
        Share of (trial, bin) pairs [1], > 0 and < 1: 0.99 for 99 %.

    Returns
    -------
    float
        Stock at the start [bit], >= 0: the smallest that serves that share; derived here. No cap, no life.

    Raises
    ------
    ValueError
        The availability is not between 0 and 1.

    Examples
    --------
    Rain of 5 in the fifth of five bins and a use of 1: the first four bins lack 1, 2, 3 and 4, the fifth no more.

    >>> stock_for_availability(np.array([[0.0, 0, 0, 0, 5]]), np.ones(5), 0.99)
    4.0
    >>> stock_for_availability(np.array([[0.0, 0, 0, 0, 5]]), np.ones(5), 0.4)
    2.0
    """
    if not 0 < availability < 1:
        raise ValueError(f"stock_for_availability: availability={availability}; expected 0 to 1 (0.9 for 90 %)")
    lacking = np.cumsum(np.broadcast_to(used_bit, deposited_bit.shape) - deposited_bit, axis=1)
    return float(max(0.0, np.quantile(np.maximum.accumulate(lacking, axis=1), availability, method="inverted_cdf")))
