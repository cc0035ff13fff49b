"""Rows and columns of the relay programme, all but those of paths: one function a constraint.

Columns in order: candidates (share chosen, 0 or 1 in a plan), stock of each stored edge at the end of each bin [Mbit],
steps of satisfaction (demand, bin, 3), stock that counts at the end [Mbit], and share of each group of a `ShareGoal`.
Paths stand behind them (`key_flow`).

Symbols: s(e, t) stock, y(n) candidate, x(p) path as a share of what its demand asks for, a(k, t) that, z steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqci_space.fiber.key_problem import KeyFlowProblem, ShareGoal
from eqci_space.fiber.row_reduction import arriving, stored_edges
from eqci_space.fiber.stores import oldest_kept
from eqci_space.machine.solver import Programme

__all__ = ["MBIT", "SLOPES", "TIE_WEIGHT", "FlowLayout", "flow_programme"]

MBIT = 1e6
"""Amounts of key stand in the programme in Mbit, so that its coefficients are near one."""
SLOPES = np.array([1.0, 0.5, 0.2]) / np.mean([1.0, 0.5, 0.2])
"""Worth of the three thirds of what a demand asks for (chosen): falling, so that scarce key is spread; mean one."""
TIE_WEIGHT = 1e-4
"""Worth of the expected key of all candidates together: a tie-break, a ten-thousandth of one satisfied demand."""


@dataclass(frozen=True)
class FlowLayout:
    """Where everything stands in a relay programme.

    Attributes
    ----------
    stored : (S,) int
        Edges whose stock is kept; the others can neither run out nor fill up (`row_reduction`).
    row_of_edge : (E,) int
        Place of an edge in `stored`, or -1.
    capped : (C,) int
        Places in `stored` of edges whose cap can bind on delayed key before it serves.
    candidates : int
        Number of candidates, the first columns.
    stock : (S, T) int
        Columns; so are `steps` (K, T, 3), `end_stock` (n,), `group_share` (G,) or empty.
    balance : (S, T) int
        Rows; so are `demand` (K, T), `quota` (Q, T), `cap` (C, T), and `share` (K,), -1 for demands without one.
    """

    stored: np.ndarray
    row_of_edge: np.ndarray
    capped: np.ndarray
    candidates: int
    stock: np.ndarray
    steps: np.ndarray
    end_stock: np.ndarray
    group_share: np.ndarray
    balance: np.ndarray
    demand: np.ndarray
    quota: np.ndarray
    cap: np.ndarray
    share: np.ndarray


class _Rows:
    """Collects rows ``Σ value · column <= upper`` as coordinates."""

    def __init__(self) -> None:
        self.upper: list[np.ndarray] = []
        self.count = 0
        self._parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def block(self, upper: np.ndarray) -> np.ndarray:
        """New rows with these upper sides; their numbers, in the same shape."""
        rows = self.count + np.arange(upper.size).reshape(upper.shape)
        self.upper.append(np.asarray(upper, dtype=float).ravel())
        self.count += upper.size
        return rows

    def put(self, row: np.ndarray, column: np.ndarray, value: np.ndarray | float) -> None:
        """Add entries; `row`, `column` and `value` in one shape, or `value` a number."""
        flat = np.ravel(row)
        self._parts.append((flat, np.ravel(column), np.ravel(np.broadcast_to(value, np.shape(row))).astype(float)))

    def one(self, upper: float, column: np.ndarray, value: np.ndarray | float) -> np.ndarray:
        """One new row over some columns; its number as (1,) array."""
        row = self.block(np.array([upper]))
        self.put(np.repeat(row, len(column)), column, value)
        return row

    def coordinates(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows, columns and values of all entries."""
        whole = [np.concatenate([p[i] for p in self._parts]) if self._parts else np.empty(0) for i in range(3)]
        return whole[0].astype(int), whole[1].astype(int), whole[2]


class _Columns:
    """Hands out the numbers of columns."""

    def __init__(self) -> None:
        self.count = 0

    def block(self, *shape: int) -> np.ndarray:
        """New columns in a shape."""
        size = int(np.prod(shape))
        self.count += size
        return self.count - size + np.arange(size).reshape(shape)


def flow_programme(
    problem: KeyFlowProblem, *, stored: np.ndarray | None = None, like: FlowLayout | None = None
) -> tuple[Programme, FlowLayout]:
    """The programme of a relay problem without paths, and where everything stands in it.

    `stored` are edges whose stock is kept, if more than those that this problem's supply asks for; `like` is the layout
    of a problem that differs in its supply alone, whose rows are taken.
    """
    p, rows, columns = problem, _Rows(), _Columns()
    (n_demands, n_bins), n = p.asked_bit.shape, len(p.candidate_bit)
    stored = like.stored if like else stored_edges(p, arriving(p)) if stored is None else stored
    row_of_edge = np.full(len(p.edges), -1)
    row_of_edge[stored] = np.arange(len(stored))
    columns.block(n)
    stock = columns.block(len(stored), n_bins)
    steps = columns.block(n_demands, n_bins, 3)
    wanted = np.flatnonzero(p.target_bit > 0) if len(p.target_bit) else np.empty(0, dtype=int)
    wanted = wanted[row_of_edge[wanted] >= 0]
    end_stock = columns.block(len(wanted))
    balance = _balance_rows(p, rows, stock, stored, row_of_edge)
    demand = _demand_rows(rows, steps)
    quota = rows.block(p.quota_bit / MBIT)  # Σ x · a over the arcs of an agreement <= its quota
    capped, cap = _cap_rows(p, rows, stock, stored, like.capped if like else None)
    _life_rows(p, rows, stock, stored)
    _end_stock_rows(p, rows, stock[row_of_edge[wanted]], end_stock, wanted)
    for limit in p.limits:  # Σ weight · y <= most
        rows.one(limit.most, limit.candidates, limit.weight)
    group_share = columns.block(1 + max(p.share_goal.group, default=-1) if p.share_goal else 0)
    share = np.full(n_demands, -1)
    if p.share_goal:
        share = _share_rows(p, p.share_goal, rows, steps, group_share)
    layout = FlowLayout(
        stored, row_of_edge, capped, n, stock, steps, end_stock, group_share, balance, demand, quota, cap, share
    )
    objective, top = _objective(p, layout, columns.count, wanted), _tops(p, layout, columns.count, wanted)
    whole = np.arange(columns.count) < n
    zero = np.zeros(columns.count)
    return Programme(objective, zero, top, whole, np.concatenate(rows.upper), *rows.coordinates()), layout


def _balance_rows(
    p: KeyFlowProblem, rows: _Rows, stock: np.ndarray, stored: np.ndarray, row_of_edge: np.ndarray
) -> np.ndarray:
    """``s(e, t) - s(e, t-1) + Σ x·a - Σ y·deposit <= supply(e, t)``; what is left over spills.

    Delayed key counts in the bin after its arrival.
    """
    n_bins = p.asked_bit.shape[1]
    supply = arriving(p)[stored] / MBIT
    supply[:, 0] += p.initial_bit[stored] / MBIT
    balance = rows.block(supply)
    rows.put(balance, stock, 1.0)
    rows.put(balance[:, 1:], stock[:, :-1], -1.0)
    serves = p.deposit_bin + p.delayed[p.deposit_edge]
    inside = (serves < n_bins) & (row_of_edge[p.deposit_edge] >= 0)
    place = row_of_edge[p.deposit_edge[inside]], serves[inside]
    rows.put(balance[place], p.deposit_candidate[inside], -p.deposit_bit[inside] / MBIT)
    return balance


def _demand_rows(rows: _Rows, steps: np.ndarray) -> np.ndarray:
    """``Σ z(k, t) - Σ x(k, t) <= 0``: a demand is satisfied by its paths alone."""
    demand = rows.block(np.zeros(steps.shape[:2]))
    rows.put(np.repeat(demand[..., None], 3, axis=2), steps, 1.0)
    return demand


def _cap_rows(
    p: KeyFlowProblem, rows: _Rows, stock: np.ndarray, stored: np.ndarray, capped: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """``Σ x·a + s(e, t) <= cap``: the cap holds for delayed key before it serves; rows only where that can bind."""
    most = p.initial_bit + p.supply_bit.sum(axis=1)
    np.add.at(most, p.deposit_edge, p.deposit_bit)
    if capped is None:
        capped = np.flatnonzero(p.delayed[stored] & (most[stored] > p.capacity_bit[stored]))
    cap = rows.block((p.capacity_bit[stored][capped] / MBIT)[:, None] * np.ones(p.asked_bit.shape[1]))
    rows.put(cap, stock[capped], 1.0)
    return capped, cap


def _life_rows(p: KeyFlowProblem, rows: _Rows, stock: np.ndarray, stored: np.ndarray) -> None:
    """``s(e, t) <= supply and deposits of the last life bins``: the oldest key goes first, so no stock is older."""
    n_bins, vintages = p.asked_bit.shape[1], p.aged_bit.shape[1]
    for i, e in enumerate(stored if len(p.life_bins) else ()):
        late, life = int(p.delayed[e]), int(p.life_bins[e])
        oldest = oldest_kept(p.parent_bin if len(p.parent_bin) else np.arange(n_bins), vintages, life)
        for t in range(n_bins):
            first = int(oldest[t])
            if not life or first <= -vintages:
                continue
            window = (p.deposit_edge == e) & (p.deposit_bin >= first) & (p.deposit_bin + late <= t)
            young = p.supply_bit[e, max(first, 0) : t + 1 - late].sum() + p.aged_bit[e, vintages + first :].sum()
            row = rows.one(young / MBIT, stock[i, t : t + 1], 1.0)
            rows.put(np.repeat(row, window.sum()), p.deposit_candidate[window], -p.deposit_bit[window] / MBIT)


def _end_stock_rows(
    p: KeyFlowProblem, rows: _Rows, stock: np.ndarray, end_stock: np.ndarray, wanted: np.ndarray
) -> None:
    """``end <= s(e, T-1) + what arrives in the last bin``: stock that counts at the end is there."""
    last = p.asked_bit.shape[1] - 1
    for column, own, e in zip(end_stock, stock[:, last], wanted, strict=True):
        row = rows.one(p.supply_bit[e, last] / MBIT if p.delayed[e] else 0.0, np.array([column]), 1.0)
        rows.put(row, np.array([own]), -1.0)
        late = (p.deposit_edge == e) & (p.deposit_bin == last) & p.delayed[e]
        rows.put(np.repeat(row, late.sum()), p.deposit_candidate[late], -p.deposit_bit[late] / MBIT)


def _share_rows(
    p: KeyFlowProblem, goal: ShareGoal, rows: _Rows, steps: np.ndarray, group_share: np.ndarray
) -> np.ndarray:
    """``floor(k) <= share(k)`` and ``group share <= share(k)``, with ``share(k) = Σ a·z / Σ a`` over the period."""
    share_row = np.full(len(p.ends), -1)
    for k, asked_bit in enumerate(p.asked_bit.sum(axis=1)):
        share = -np.repeat(p.asked_bit[k] / asked_bit, 3)
        if goal.floor[k] > 0:
            rows.one(-goal.floor[k], steps[k].ravel(), share)
        if goal.group[k] >= 0:
            row = rows.one(0.0, steps[k].ravel(), share)
            rows.put(row, group_share[goal.group[k]], 1.0)
            share_row[k] = row[0]
    return share_row


def _objective(p: KeyFlowProblem, at: FlowLayout, count: int, wanted: np.ndarray) -> np.ndarray:
    """Weighted satisfaction, or the group shares of a `ShareGoal`; stock at the end, and ties."""
    objective = np.zeros(count)
    objective[: at.candidates] = TIE_WEIGHT * p.candidate_bit / max(p.candidate_bit.sum(), 1e-300)
    if len(p.candidate_worth):
        objective[: at.candidates] += p.candidate_worth
    objective[at.steps] = 0.0 if p.share_goal else p.weights[:, None, None] * SLOPES
    objective[at.group_share] = 1.0
    objective[at.end_stock] = p.target_worth[wanted] if len(wanted) else 0.0
    return objective


def _tops(p: KeyFlowProblem, at: FlowLayout, count: int, wanted: np.ndarray) -> np.ndarray:
    """Upper bounds of the columns."""
    top = np.full(count, np.inf)
    most = p.share_goal.most if p.share_goal else 1.0
    top[: at.candidates] = 1.0
    top[at.stock] = (p.capacity_bit[at.stored] / MBIT)[:, None]
    top[at.steps] = np.where(p.asked_bit > 0, most / 3, 0.0)[..., None]
    top[at.group_share] = most
    top[at.end_stock] = np.minimum(p.target_bit, p.capacity_bit)[wanted] / MBIT if len(wanted) else 0.0
    return top
