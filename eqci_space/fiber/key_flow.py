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
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

from eqci_space.errors import PlanError
from eqci_space.fiber.flow_layout import MBIT, SLOPES, flow_programme
from eqci_space.fiber.key_problem import Column, KeyFlowProblem
from eqci_space.fiber.paths import Route, cheapest_routes, route_arcs
from eqci_space.machine.solver import GrowingProgramme, Programme, Solution, gap_between

__all__ = [
    "LOOSE_GAP",
    "FlowResult",
    "Relaxation",
    "RelayProgramme",
    "delivered_by_bin",
    "edge_cost",
    "solve_key_flow",
    "solved_to_a_gap",
    "used_by_bin",
]

LOOSE_GAP = 1e-3
"""Gap of relaxations solved by interior points, which are exact to about a tenth of it (chosen)."""
# Prices per Mbit and hop that break ties: fewest spans, and a hundredfold for space so that it serves where it helps.
_FIBRE_COST = 1e-6
_SPACE_COST = 1e-4
_TIE_MARGIN = 50.0  # a hundredth of a worth over the price of a route by satellite, two space hops of 1e-4
_MOST_ROUNDS = 400  # programmes met so far end within 60
_MOST_IDLE = 3
_CONVERGED = 1e-9  # relative; the solver's own tolerance is 1e-7 absolute
_SMOOTHED_FROM = 1e-3  # distance from which prices are averaged with the best so far (Wentges 1997)
_ROUND_BIT = 0.5  # paths of less are noise of the solver
_MOST_REMEMBERED = 2_000
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
    return programme.flow(programme.relax())


def solved_to_a_gap(problem: KeyFlowProblem) -> bool:
    """Whether relay of the problem is so large that it is solved by interior points, to `LOOSE_GAP`."""
    return len(flow_programme(problem)[0].objective) > _INTERIOR_FROM


def edge_cost(problem: KeyFlowProblem) -> np.ndarray:
    """Small price per Mbit and edge (E,) that breaks ties: fewest spans, and space key only where it helps."""
    return np.where(problem.delayed, _SPACE_COST, _FIBRE_COST)


def _cost_scale(problem: KeyFlowProblem) -> np.ndarray:
    """Powers of 1/100 (K,) that keep the tie-breaks below a hundredth of what a demand's last third is worth."""
    if problem.share_goal is not None:
        return np.full(len(problem.ends), 1e-4)
    worth = problem.weights * SLOPES[-1] * MBIT / np.maximum(problem.asked_bit.max(axis=1), 1e-300)
    return 100.0 ** np.minimum(0.0, np.floor(np.log(_TIE_MARGIN * worth) / np.log(100.0)))


def _equal_rows(table: np.ndarray) -> list[np.ndarray]:
    """Numbers of the rows that are the same, group by group."""
    groups: dict[bytes, list[int]] = {}
    for i, row in enumerate(table):
        groups.setdefault(row.tobytes(), []).append(i)
    return [np.array(rows) for rows in groups.values()]


class RelayProgramme:
    """The programme over the paths found so far, which pricing extends; candidates may be fixed or free.

    Its columns are those of the `layout`, and behind them the paths, as shares of what their demand asks for.
    """

    def __init__(self, problem: KeyFlowProblem, *, known: Sequence[Column] = (), stored: np.ndarray | None = None):
        self.problem = problem
        self.columns: list[Column] = []
        self._seen: set[Column] = set()
        self._priced: dict[tuple[bytes, ...], dict[int, tuple[Route, float]]] = {}
        self.base, self.layout = flow_programme(problem, stored=stored)
        b, n = self.base, len(self.base.objective)
        self._matrix = csr_array((b.value, (b.column, b.row)), shape=(n, len(b.row_upper)))
        self.cost_scale = _cost_scale(problem)
        alike: dict[tuple[bytes, float], list[int]] = {}
        for k, rule in enumerate(problem.rules):
            alike.setdefault((rule.arcs, float(self.cost_scale[k])), []).append(k)
        self._alike = [(group, scale) for (_, scale), group in alike.items()]
        self.interior = n > _INTERIOR_FROM
        self._live = GrowingProgramme(b, interior=self.interior)
        self._grow(list(known) or self._first())

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
        at = self.layout
        stored = at.row_of_edge[arcs >> 1]
        stored = stored[stored >= 0]
        capped = np.flatnonzero(np.isin(at.capped, stored))
        parts = [at.balance[stored, t], at.cap[capped, t]]
        quota = self.problem.quota_of_arc[arcs[arcs < len(self.problem.quota_of_arc)]]
        if len(quota):
            parts.append(at.quota[quota[quota >= 0], t])
        rows, counts = np.unique(np.concatenate(parts), return_counts=True)
        return np.append(rows, at.demand[k, t]), np.append(counts * self.problem.asked_bit[k, t] / MBIT, -1.0)

    def column_cost(self, column: Column) -> float:
        """Tie-breaking price of a path's key."""
        k, t, route = column
        per_mbit = edge_cost(self.problem)[np.array(route_arcs(route), dtype=int) >> 1].sum()
        return float(per_mbit * self.cost_scale[k] * self.problem.asked_bit[k, t] / MBIT)

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
        """Bound the candidates, (N,) each between 0 and 1."""
        n = self.layout.candidates
        self.base.lower[:n] = lower
        self.base.upper[:n] = upper
        self._live.set_bounds(np.arange(n), lower.astype(float), upper.astype(float))

    def supply(self, supply_bit: np.ndarray) -> None:
        """Other supply (E, T) of the edges; the rows that are there have to be enough for it.

        Those are `stored` at the least supply, and the caps that bind at the supply that the programme began with.
        """
        if np.array_equal(supply_bit, self.problem.supply_bit):
            return
        self.problem = replace(self.problem, supply_bit=supply_bit)
        row_upper = flow_programme(self.problem, like=self.layout)[0].row_upper
        moved = np.flatnonzero(row_upper != self.base.row_upper)
        self.base.row_upper[moved] = row_upper[moved]
        self._live.set_row_upper(moved, row_upper[moved])

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
        at, price = self.layout, solution.row_price
        pay = price[at.demand]
        edges = np.zeros(self.problem.supply_bit.shape)
        edges[at.stored] = price[at.balance]
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
        pay, cost = price[self.layout.demand], edge_cost(p)
        best_pay = pay.copy()
        columns = []
        paying = (p.asked_bit > 0) & (pay > 0)
        arcs = self.arc_prices(price)
        for group, scale in self._alike:
            open_arcs = np.frombuffer(p.rules[group[0]].arcs, dtype=bool)
            priced = np.where(open_arcs, arcs + scale * np.repeat(cost, 2), np.inf)
            for bins in _equal_rows(priced):
                some = [k for k in group if paying[k, bins].any()]
                for k, (route, least) in self._cheapest(some, priced[bins[0]]).items():
                    mine = bins[paying[k, bins]]
                    best_pay[k, mine] = least * p.asked_bit[k, mine] / MBIT
                    gains = pay[k, mine] - best_pay[k, mine] > 1e-9 * np.maximum(1.0, pay[k, mine])
                    columns += [(k, int(t), route) for t in mine[gains]]
        price[self.layout.demand] = best_pay
        reduced = self.base.objective - self._matrix @ price
        at = np.where(reduced > 0, np.where(np.isfinite(self.base.upper), self.base.upper, 0.0), self.base.lower)
        return columns, float(price @ self.base.row_upper + (reduced * at).sum())

    def _cheapest(self, demands: list[int], cost: np.ndarray) -> dict[int, tuple[Route, float]]:
        """Cheapest routes at prices of arcs (2E,); those met lately are remembered, for prices come back."""
        key = np.array(demands).tobytes(), cost.tobytes()
        if key not in self._priced:
            if len(self._priced) >= _MOST_REMEMBERED:
                self._priced.clear()
            p = self.problem
            self._priced[key] = cheapest_routes(p.graph, p.ends, p.rules, demands, cost)
        return self._priced[key]

    def level_prices(self, price: np.ndarray) -> None:
        """Raise row prices, in place, so that key kept is worth no less earlier than later: then no stock gains."""
        balance = self.layout.balance
        stock = price[balance]
        price[balance] = np.maximum.accumulate(stock[:, ::-1], axis=1)[:, ::-1]

    def arc_prices(self, price: np.ndarray) -> np.ndarray:
        """Price (T, 2E) of key along each arc in each bin, at prices of the rows; infinite where the edge is closed."""
        p, at = self.problem, self.layout
        arcs = np.zeros((p.asked_bit.shape[1], 2 * len(p.edges)))
        capped = at.stored[at.capped]
        for side in range(2):
            arcs[:, 2 * at.stored + side] += price[at.balance.T]
            arcs[:, 2 * capped + side] += price[at.cap.T]
        limited = np.flatnonzero(p.quota_of_arc >= 0)
        if len(limited):
            arcs[:, limited] += price[at.quota[p.quota_of_arc[limited]].T]
        if p.closed.size:
            arcs[np.repeat(p.closed, 2, axis=0).T] = np.inf
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
        return solution.x[self.layout.group_share]

    def flow(self, relaxed: Relaxation) -> FlowResult:
        """The relay that a relaxation found."""
        paths = self.paths(relaxed.solution)
        return FlowResult(paths, relaxed.objective, relaxed.bound, relaxed.rounds, relaxed.edge_price)

    def settled(self) -> FlowResult:
        """Relay under the candidates as they are fixed; a large programme to `LOOSE_GAP`, from below."""
        return self.flow(self.relax(**({"enough": LOOSE_GAP} if self.interior else {})))

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
