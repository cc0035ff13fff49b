"""The linear programme of key relay over bins, with stores, on paths that respect assurance classes.

Key relayed along a path uses key on every edge of it. Per edge and bin,
``stock(t) - stock(t-1) + used(t) <= supply(t) + chosen deposits(t)`` (what is left over spills), and key from
contacts serves from the bin after its arrival. Stocks obey a cap; under a life of ``A`` bins the oldest key goes
first, so a stock never exceeds what the last ``A`` bins brought. A demand earns ``weight · slope`` per satisfied share
in three thirds of falling slope, which spreads key fairly. Paths are found by pricing: a path is added while its demand
pays more than its edges cost, so the programme over all admissible paths is solved exactly (Dantzig-Wolfe column
generation, Desaulniers et al. 2005). Any prices, optimal or not, give an upper bound (Lagrangian duality).

Rows that cannot bind are left out (`row_reduction`). The oldest key also goes first when a full store spills.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from eqci_space.errors import PlanError
from eqci_space.fiber.key_problem import Column, KeyFlowProblem
from eqci_space.fiber.paths import Route, cheapest_routes, route_arcs
from eqci_space.fiber.row_reduction import arriving, held_edges
from eqci_space.machine.solver import GrowingProgramme, Programme, Solution, gap_between

__all__ = [
    "SLOPES",
    "FlowResult",
    "Relaxation",
    "RelayProgramme",
    "delivered_by_bin",
    "edge_cost",
    "solve_key_flow",
    "used_by_bin",
]

SLOPES = np.array([1.0, 0.5, 0.2]) / np.mean([1.0, 0.5, 0.2])
_MBIT = 1e6
_FIBRE_COST = 1e-6
_SPACE_COST = 1e-4
_TIE_WEIGHT = 1e-4
_TIE_MARGIN = 50.0  # hundredth of a worth over the price of a route by satellite
_MOST_ROUNDS = 400
_MOST_IDLE = 3
_CONVERGED = 1e-9
_SMOOTHED_FROM = 1e-3
_ROUND_BIT = 0.5
_INTERIOR_FROM = 10_000  # variables from which interior points were faster than simplex


@dataclass(frozen=True)
class Relaxation:
    """Optimum of the linear programme over all paths: point, objective, proven bound, and rounds of pricing.

    `edge_price` is the worth of key on an edge per Mbit (E, T), `pay` that of a demand's whole key in a bin (K, T).
    """

    solution: Solution
    objective: float
    bound: float
    rounds: int
    edge_price: np.ndarray
    pay: np.ndarray


@dataclass(frozen=True)
class FlowResult:
    """Relayed paths and the objective with its proven bound.

    `paths` lists (demand, bin, route, bits); `objective` is the weighted satisfied share per bin plus the
    tie-breaks; `bound` holds for every choice of paths.
    """

    paths: list[tuple[int, int, Route, float]]
    objective: float
    bound: float
    rounds: int
    edge_price: np.ndarray

    @property
    def gap(self) -> float:
        """Relative distance of the bound from the objective."""
        return gap_between(self.objective, self.bound)

    def delivered_bit(self, demands: int) -> np.ndarray:
        """Bits that each demand gets in all bins (demands,)."""
        total = np.zeros(demands)
        for k, _, _, bit in self.paths:
            total[k] += bit
        return total


def used_by_bin(flow: FlowResult, problem: KeyFlowProblem) -> np.ndarray:
    """Key (E, T) that relay takes from each edge: a path takes its bits from every edge of it."""
    used = np.zeros(problem.supply_bit.shape)
    for _, t, route, bit in flow.paths:
        np.add.at(used[:, t], [arc >> 1 for arc in route_arcs(route)], bit)
    return used


def delivered_by_bin(flow: FlowResult, problem: KeyFlowProblem) -> np.ndarray:
    """Key (K, T) that each demand gets."""
    delivered = np.zeros(problem.asked_bit.shape)
    for k, t, _, bit in flow.paths:
        delivered[k, t] += bit
    return delivered


def solve_key_flow(problem: KeyFlowProblem, *, known: Sequence[Column] = ()) -> FlowResult:
    """Solve a relay problem with nothing to choose.

    `known` paths, such as those of a problem that differs in its supply alone, save rounds of pricing and change no
    result; those that are closed are left out.

    Raises
    ------
    PlanError
        Pricing does not end within 400 rounds.
    """
    programme = RelayProgramme(problem, known=known)
    relaxed = programme.relax()
    paths = programme.paths(relaxed.solution)
    return FlowResult(paths, relaxed.objective, relaxed.bound, relaxed.rounds, relaxed.edge_price)


def edge_cost(problem: KeyFlowProblem) -> np.ndarray:
    """Small price per Mbit and edge (E,) that breaks ties: fewest spans, and space key only where it helps."""
    return np.where(problem.delayed, _SPACE_COST, _FIBRE_COST)


def _cost_scale(problem: KeyFlowProblem) -> np.ndarray:
    """Powers of 1/100 (K,) that keep the tie-breaks below a hundredth of what a demand's last third is worth."""
    if problem.share_goal is not None:
        return np.full(len(problem.ends), 1e-4)
    worth = problem.weights * SLOPES[-1] * _MBIT / np.maximum(problem.asked_bit.max(axis=1), 1e-300)
    return 100.0 ** np.minimum(0.0, np.floor(np.log(_TIE_MARGIN * worth) / np.log(100.0)))


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
        flat = np.ravel(row)
        self._parts.append((flat, np.ravel(column), np.ravel(np.broadcast_to(value, np.shape(row))).astype(float)))

    def coordinates(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        whole = [np.concatenate([p[i] for p in self._parts]) if self._parts else np.empty(0) for i in range(3)]
        return whole[0].astype(int), whole[1].astype(int), whole[2]


class RelayProgramme:
    """The programme over the paths found so far, which pricing extends; offers may be fixed or free.

    Variables in order: offers, stocks (held edge, bin) in Mbit, thirds (demand, bin, 3) and, after end stocks, paths as
    shares of what the demand asks for in the bin.
    """

    def __init__(self, problem: KeyFlowProblem, *, known: Sequence[Column] = ()):
        self.problem = problem
        self.columns: list[Column] = []
        self._seen: set[Column] = set()
        self._arrival = np.where(problem.delayed[:, None], 1, 0)
        self.held = held_edges(problem, arriving(problem))
        self._row_of_edge = np.full(len(problem.edges), -1)
        self._row_of_edge[self.held] = np.arange(len(self.held))
        self.base = self._base()
        b = self.base
        n = len(b.objective)
        self._matrix = csr_array((b.value, (b.column, b.row)), shape=(n, len(b.row_upper)))
        self.cost_scale = _cost_scale(problem)
        self.interior = n > _INTERIOR_FROM
        self._live = GrowingProgramme(b, interior=self.interior)
        self._grow(list(known) or self._first())

    @property
    def offers(self) -> int:
        """Number of offers, the first variables."""
        return len(self.problem.offer_bit)

    def _base(self) -> Programme:
        """Everything but the paths."""
        p, held = self.problem, self.held
        n_bins, n_demands = p.asked_bit.shape[1], len(p.ends)
        n_offers, n_held = self.offers, len(held)
        stock = n_offers + np.arange(n_held * n_bins).reshape(n_held, n_bins)
        thirds = n_offers + n_held * n_bins + np.arange(n_demands * n_bins * 3).reshape(n_demands, n_bins, 3)
        targets = np.flatnonzero(p.target_bit > 0) if len(p.target_bit) else np.empty(0, dtype=int)
        targets = targets[self._row_of_edge[targets] >= 0]
        ends = thirds.size + n_offers + n_held * n_bins + np.arange(len(targets))
        rows = _Rows()
        supply = arriving(p)[held] / _MBIT
        supply[:, 0] += p.initial_bit[held] / _MBIT
        self.stock_row = rows.block(supply)
        rows.put(self.stock_row, stock, 1.0)
        rows.put(self.stock_row[:, 1:], stock[:, :-1], -1.0)
        arrives = p.deposit_bin + p.delayed[p.deposit_edge]
        inside = (arrives < n_bins) & (self._row_of_edge[p.deposit_edge] >= 0)
        place = self._row_of_edge[p.deposit_edge[inside]], arrives[inside]
        rows.put(self.stock_row[place], p.deposit_offer[inside], -p.deposit_bit[inside] / _MBIT)
        self.demand_row = rows.block(np.zeros((n_demands, n_bins)))
        rows.put(np.repeat(self.demand_row[..., None], 3, axis=2), thirds, 1.0)
        self.quota_row = rows.block(p.quota_bit / _MBIT)
        self._opening(rows, stock)
        self._life(rows, stock)
        self._end_stock(rows, stock, ends, targets)
        for limit in p.limits:
            row = rows.block(np.array([limit.most]))
            rows.put(np.repeat(row, len(limit.offers)), limit.offers, limit.weight)
        n = n_offers + stock.size + thirds.size + len(targets)
        groups = n + np.arange(1 + max(p.share_goal.group, default=-1) if p.share_goal else 0)
        n += len(groups)
        self._groups = groups
        self._shares(rows, thirds, groups)
        tail = n + np.arange(1 + len(np.unique(p.risk.sky)) if p.risk else 0)
        n += len(tail)
        self._tail(rows, thirds, tail)
        objective, top = np.zeros(n), np.full(n, np.inf)
        objective[:n_offers] = _TIE_WEIGHT * p.offer_bit / max(p.offer_bit.sum(), 1e-300)
        objective[thirds] = 0.0 if p.share_goal else p.weights[:, None, None] * SLOPES
        objective[groups] = 1.0
        if len(p.offer_worth):
            objective[:n_offers] += p.offer_worth
        objective[ends] = p.target_worth[targets] if len(targets) else 0.0
        top[:n_offers] = 1.0
        top[stock] = (p.capacity_bit[held] / _MBIT)[:, None]
        most = p.share_goal.most if p.share_goal else 1.0
        top[thirds] = np.where(p.asked_bit > 0, most / 3, 0.0)[..., None]
        top[groups] = most
        if p.risk:
            objective[thirds] *= 1 - p.risk.share
            objective[tail[0]] = p.risk.share
            objective[tail[1:]] = -p.risk.share / (p.risk.tail * (len(tail) - 1))
            top[tail] = p.weights.sum() * p.asked_bit.shape[1]
        top[ends] = np.minimum(p.target_bit, p.capacity_bit)[targets] / _MBIT if len(targets) else 0.0
        whole = np.arange(n) < n_offers
        return Programme(objective, np.zeros(n), top, whole, np.concatenate(rows.upper), *rows.coordinates())

    def _shares(self, rows: _Rows, thirds: np.ndarray, groups: np.ndarray) -> None:
        """The share of a group is that of its worst-served demand."""
        p, goal = self.problem, self.problem.share_goal
        self.share_row = np.full(len(p.ends), -1)
        if goal is None:
            return
        for k, asked_bit in enumerate(p.asked_bit.sum(axis=1)):
            share = -np.repeat(p.asked_bit[k] / asked_bit, 3)
            if goal.floor[k] > 0:
                row = rows.block(np.array([-goal.floor[k]]))
                rows.put(np.repeat(row, thirds[k].size), thirds[k].ravel(), share)
            if goal.group[k] >= 0:
                row = rows.block(np.zeros(1))
                rows.put(np.repeat(row, thirds[k].size), thirds[k].ravel(), share)
                rows.put(row, groups[goal.group[k]], 1.0)
                self.share_row[k] = row[0]

    def _tail(self, rows: _Rows, thirds: np.ndarray, tail: np.ndarray) -> None:
        """What a sky falls short of the value at risk, ``short >= value - worth`` (Rockafellar and Uryasev 2000)."""
        p = self.problem
        for sky, short in enumerate(tail[1:]):
            row = rows.block(np.zeros(1))
            rows.put(row, tail[:1], 1.0)
            rows.put(row, np.array([short]), -1.0)
            mine = np.flatnonzero(p.risk.sky == sky) if p.risk else np.empty(0, dtype=int)
            worth = -(p.weights[mine, None, None] * SLOPES * np.ones(thirds[mine].shape)) * (len(tail) - 1)
            rows.put(np.repeat(row, thirds[mine].size), thirds[mine].ravel(), worth.ravel())

    def _opening(self, rows: _Rows, stock: np.ndarray) -> None:
        """The cap holds for delayed key before it serves: ``used(t) + stock(t) <= cap`` where that can bind."""
        p, held = self.problem, self.held
        most = p.initial_bit + p.supply_bit.sum(axis=1)
        np.add.at(most, p.deposit_edge, p.deposit_bit)
        self._tight = np.flatnonzero(p.delayed[held] & (most[held] > p.capacity_bit[held]))
        caps = (p.capacity_bit[held][self._tight] / _MBIT)[:, None] * np.ones(p.asked_bit.shape[1])
        self.opening_row = rows.block(caps)
        rows.put(self.opening_row, stock[self._tight], 1.0)

    def _life(self, rows: _Rows, stock: np.ndarray) -> None:
        """A stock holds nothing older than the edge's life: at most what arrived in its last bins."""
        p, n_bins = self.problem, self.problem.asked_bit.shape[1]
        vintages = p.aged_bit.shape[1]
        for i, e in enumerate(self.held if len(p.life_bins) else ()):
            late, life = int(p.delayed[e]), int(p.life_bins[e])
            for t in range(n_bins):
                first = t + 1 - life
                if not life or first <= -vintages:
                    continue
                window = (p.deposit_edge == e) & (p.deposit_bin >= first) & (p.deposit_bin + late <= t)
                young = p.supply_bit[e, max(first, 0) : t + 1 - late].sum() + p.aged_bit[e, vintages + first :].sum()
                row = rows.block(np.array([young / _MBIT]))
                rows.put(row, stock[i, t : t + 1], 1.0)
                rows.put(np.repeat(row, window.sum()), p.deposit_offer[window], -p.deposit_bit[window] / _MBIT)

    def _end_stock(self, rows: _Rows, stock: np.ndarray, ends: np.ndarray, targets: np.ndarray) -> None:
        """Stock that counts at the end is there: the last bin's, and what arrives in it."""
        p, last = self.problem, self.problem.asked_bit.shape[1] - 1
        for column, e in zip(ends, targets, strict=True):
            row = rows.block(np.array([p.supply_bit[e, last] / _MBIT if p.delayed[e] else 0.0]))
            rows.put(row, np.array([column]), 1.0)
            rows.put(row, stock[self._row_of_edge[e], last : last + 1], -1.0)
            late = (p.deposit_edge == e) & (p.deposit_bin == last) & p.delayed[e]
            rows.put(np.repeat(row, late.sum()), p.deposit_offer[late], -p.deposit_bit[late] / _MBIT)

    def _first(self) -> list[Column]:
        """First columns: for every demand and bin the route of fewest edges."""
        p, demands = self.problem, range(len(self.problem.ends))
        cost = np.ones((2 * len(p.edges), p.asked_bit.shape[1]))
        if p.closed.size:
            cost[np.repeat(p.closed, 2, axis=0)] = np.inf
        shapes, which = np.unique(cost, axis=1, return_inverse=True)
        routes = [cheapest_routes(p.graph, p.ends, p.rules, demands, shapes[:, i]) for i in range(shapes.shape[1])]
        return [
            (k, t, route)
            for t, i in enumerate(which.ravel().tolist())
            for k, (route, _) in routes[i].items()
            if p.asked_bit[k, t] > 0
        ]

    def entries(self, column: Column) -> tuple[np.ndarray, np.ndarray]:
        """Rows and values of a path's column."""
        k, t, route = column
        arcs = np.array(route_arcs(route), dtype=int)
        held = self._row_of_edge[arcs >> 1]
        held = held[held >= 0]
        late = np.flatnonzero(np.isin(self._tight, held))
        parts = [self.stock_row[held, t], self.opening_row[late, t]]
        quota = self.problem.quota_of_arc[arcs[arcs < len(self.problem.quota_of_arc)]]
        if len(quota):
            parts.append(self.quota_row[quota[quota >= 0], t])
        rows, counts = np.unique(np.concatenate(parts), return_counts=True)
        return np.append(rows, self.demand_row[k, t]), np.append(counts * self.problem.asked_bit[k, t] / _MBIT, -1.0)

    def column_cost(self, column: Column) -> float:
        """Tie-breaking price of a path's key."""
        k, t, route = column
        per_mbit = edge_cost(self.problem)[np.array(route_arcs(route), dtype=int) >> 1].sum()
        return float(per_mbit * self.cost_scale[k] * self.problem.asked_bit[k, t] / _MBIT)

    def _grow(self, columns: list[Column]) -> int:
        """Add columns that are new; how many those were."""
        fresh = [c for c in dict.fromkeys(columns) if c not in self._seen and self._open(c)]
        if fresh:
            self._seen.update(fresh)
            self.columns += fresh
            parts = [self.entries(c) for c in fresh]
            start = np.concatenate([[0], np.cumsum([len(r) for r, _ in parts])[:-1]])
            self._live.add_columns(
                np.array([-self.column_cost(c) for c in fresh]), np.full(len(fresh), np.inf), start,
                np.concatenate([r for r, _ in parts]), np.concatenate([v for _, v in parts]),
            )  # fmt: skip
        return len(fresh)

    def _open(self, column: Column) -> bool:
        _, t, route = column
        return not self.problem.closed.size or not self.problem.closed[[a >> 1 for a in route_arcs(route)], t].any()

    def fix(self, lower: np.ndarray, upper: np.ndarray) -> None:
        """Bound the offers, (N,) each between 0 and 1."""
        self.base.lower[: self.offers] = lower
        self.base.upper[: self.offers] = upper
        self._live.set_bounds(np.arange(self.offers), lower.astype(float), upper.astype(float))

    def relax(
        self, *, enough: float = _CONVERGED, cutoff: float = -np.inf, goal: float = np.inf, stalled: float = 0.0
    ) -> Relaxation:
        """Solve the linear programme over all paths, whatever it takes; offers between their bounds.

        It ends early when the relative distance to the bound is below `enough`, the bound below `cutoff`, the objective
        at `goal`, or when three rounds in a row have raised the objective by no more than the part `stalled` of it.

        Raises
        ------
        PlanError
            Pricing does not end within 400 rounds.
        """
        best, best_price = np.inf, None
        reached, idle = -np.inf, 0
        for round_number in range(1, _MOST_ROUNDS + 1):
            solution = self._live.solve()
            idle = idle + 1 if solution.objective <= reached + stalled * abs(reached) else 0
            reached = max(reached, solution.objective)
            price = solution.row_price
            distance = (best - solution.objective) / max(abs(solution.objective), 1e-12)
            smooth = best_price is not None and distance > _SMOOTHED_FROM
            tried = [0.5 * (price + best_price), price] if smooth and best_price is not None else [price]
            for trial, level in (*((t, True) for t in tried), (price, False)):
                columns, bound = self._price(trial, level=level)
                if bound < best:
                    best, best_price = bound, trial
                added = self._grow(columns)
                gap = (best - solution.objective) / max(abs(best), 1e-12)
                if added or gap <= enough:
                    break
            done = solution.objective >= goal or (stalled > 0 and idle >= _MOST_IDLE)
            if not added or gap <= enough or best < cutoff or done:
                return self._relaxation(solution, best, round_number)
        raise PlanError(f"solve_key_flow: pricing did not end within {_MOST_ROUNDS} rounds")

    def _relaxation(self, solution: Solution, bound: float, rounds: int) -> Relaxation:
        price, pay = solution.row_price, solution.row_price[self.demand_row]
        edges = np.zeros(self.problem.supply_bit.shape)
        edges[self.held] = price[self.stock_row]
        return Relaxation(solution, solution.objective, max(bound, solution.objective), rounds, edges, pay)

    def _price(self, price: np.ndarray, *, level: bool = True) -> tuple[list[Column], float]:
        """Paths that pay more than they cost at given row prices, and the upper bound that the prices prove.

        Key that can be kept is worth no less earlier than later. Prices made so (`level`) cost no stock, which
        tightens the bound of prices that are not optimal; where a cap or a life binds, optimal prices are not so. At
        given prices of edges the bound is least where a demand pays what its cheapest path costs: with more every path
        gains at least as much as the demand's thirds lose, with less the thirds gain.
        """
        p = self.problem
        price = price.copy()
        if level:
            self.level_prices(price)
        pay, cost = price[self.demand_row], edge_cost(p)
        best_pay = pay.copy()
        columns = []
        for t in range(p.asked_bit.shape[1]):
            arcs = self.arc_price(price, t)
            paying = np.flatnonzero((p.asked_bit[:, t] > 0) & (pay[:, t] > 0))
            for scale in np.unique(self.cost_scale[paying]):
                group = paying[self.cost_scale[paying] == scale].tolist()
                priced = arcs + scale * np.repeat(cost, 2)
                for k, (route, least) in cheapest_routes(p.graph, p.ends, p.rules, group, priced).items():
                    best_pay[k, t] = least * p.asked_bit[k, t] / _MBIT
                    if pay[k, t] - best_pay[k, t] > 1e-9 * max(1.0, pay[k, t]):
                        columns.append((k, t, route))
        price[self.demand_row] = best_pay
        reduced = self.base.objective - self._matrix @ price
        at = np.where(reduced > 0, np.where(np.isfinite(self.base.upper), self.base.upper, 0.0), self.base.lower)
        return columns, float(price @ self.base.row_upper + (reduced * at).sum())

    def level_prices(self, price: np.ndarray) -> None:
        """Raise row prices, in place, so that key kept is worth no less earlier than later: then no stock gains."""
        stock = price[self.stock_row]
        price[self.stock_row] = np.maximum.accumulate(stock[:, ::-1], axis=1)[:, ::-1]

    def arc_price(self, price: np.ndarray, t: int) -> np.ndarray:
        """Price (2E,) of key along each arc in a bin, at prices of the rows; infinite where the edge is closed."""
        p = self.problem
        arcs = np.zeros(2 * len(p.edges))
        for side in range(2):
            arcs[2 * self.held + side] += price[self.stock_row[:, t]]
        for row, i in enumerate(self._tight):
            arcs[2 * self.held[i] : 2 * self.held[i] + 2] += price[self.opening_row[row, t]]
        limited = np.flatnonzero(p.quota_of_arc >= 0)
        if len(limited):
            arcs[limited] += price[self.quota_row[p.quota_of_arc[limited], t]]
        if p.closed.size:
            arcs[np.repeat(p.closed[:, t], 2)] = np.inf
        return arcs

    def integer_programme(self) -> Programme:
        """The programme over the paths found so far, offers whole, for a solver of integer programmes."""
        b, n = self.base, len(self.base.objective)
        parts = [self.entries(c) for c in self.columns]
        rows = np.concatenate([b.row, *(r for r, _ in parts)])
        values = np.concatenate([b.value, *(v for _, v in parts)])
        columns = np.concatenate([b.column, *(np.full(len(r), n + j) for j, (r, _) in enumerate(parts))])
        more = len(self.columns)
        return Programme(
            np.concatenate([b.objective, [-self.column_cost(c) for c in self.columns]]),
            np.concatenate([b.lower, np.zeros(more)]), np.concatenate([b.upper, np.full(more, np.inf)]),
            np.concatenate([b.integer, np.zeros(more, dtype=bool)]), b.row_upper, rows, columns, values,
        )  # fmt: skip

    def shares(self, solution: Solution) -> np.ndarray:
        """Smallest share of each group of a `ShareGoal`."""
        return solution.x[self._groups]

    def paths(self, solution: Solution) -> list[tuple[int, int, Route, float]]:
        """Relayed bits by path; a demand gets no more than it asked for.

        The solution may be older than the last columns, which stand behind those that it knows.
        """
        share = solution.x[len(self.base.objective) :]
        columns = self.columns[: len(share)]
        flow = [x * self.problem.asked_bit[k, t] for (k, t, _), x in zip(columns, share, strict=True)]
        total = np.zeros(self.problem.asked_bit.shape)
        for (k, t, _), bit in zip(columns, flow, strict=True):
            total[k, t] += bit
        scale = np.minimum(1.0, self.problem.most_bit / np.maximum(total, _ROUND_BIT))
        found = [(k, t, r, float(bit * scale[k, t])) for (k, t, r), bit in zip(columns, flow, strict=True)]
        return sorted(path for path in found if path[3] > _ROUND_BIT)
