"""The linear programme of key relay over bins, with stores, on paths that respect assurance classes.

Key relayed along a path uses key on every edge of it. Per edge and bin,
``stock(t) - stock(t-1) + used(t) <= supply(t) + chosen deposits(t)`` (what is left over spills), and key from
contacts serves from the bin after its arrival: ``used(t) <= stock(t-1)`` on satellite edges. A demand earns
``weight · slope`` per satisfied share in three thirds of falling slope, which spreads key fairly. Paths are
found by pricing: a path is added while its demand pays more than its edges cost, so the programme over all
admissible paths is solved exactly (Dantzig-Wolfe column generation, Desaulniers et al. 2005).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from eqci_space.errors import PlanError
from eqci_space.solver import Programme, Solution, maximise

__all__ = ["FlowResult", "KeyFlowProblem", "cheapest_path", "edge_cost", "solve_key_flow"]

Column = tuple[int, int, tuple[int, ...]]
SLOPES = np.array([1.0, 0.5, 0.2]) / np.mean([1.0, 0.5, 0.2])
_MBIT = 1e6
_FIBRE_COST = 1e-6
_SPACE_COST = 1e-4
_TIE_WEIGHT = 1e-4
_MOST_ROUNDS = 200
_SMALLEST_COST = 1e-15


@dataclass(frozen=True)
class KeyFlowProblem:
    """Data of one relay problem; amounts in bits.

    Attributes
    ----------
    edges : list of (id, node, node)
    delayed : (E,) bool
        Edges whose key serves only from the bin after its arrival.
    supply_bit : (E, T)
        Key that arrives whatever is chosen.
    initial_bit, capacity_bit : (E,)
    ends : list of (node, node) per demand
    weights : (K,)
    asked_bit : (K, T)
    allowed : (K, E) bool
        Edges a demand may use.
    offer_edge, offer_bin, offer_bit : (N,)
        Deposits that can be chosen.
    cliques : list of index arrays
        Offers of which at most one is chosen.
    """

    edges: list[tuple[str, str, str]]
    delayed: np.ndarray
    supply_bit: np.ndarray
    initial_bit: np.ndarray
    capacity_bit: np.ndarray
    ends: list[tuple[str, str]]
    weights: np.ndarray
    asked_bit: np.ndarray
    allowed: np.ndarray
    offer_edge: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))
    offer_bin: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))
    offer_bit: np.ndarray = field(default_factory=lambda: np.empty(0))
    cliques: list[np.ndarray] = field(default_factory=list)

    @cached_property
    def nodes(self) -> tuple[dict[str, int], np.ndarray]:
        """Number of every node, and the ends of the edges (E, 2) by number, the smaller first."""
        number = {node: i for i, node in enumerate(sorted({n for _, a, b in self.edges for n in (a, b)}))}
        return number, np.sort([(number[a], number[b]) for _, a, b in self.edges], axis=1)


@dataclass(frozen=True)
class FlowResult:
    """Chosen offers, relayed paths and the objective with its proven bound.

    `paths` lists (demand, bin, edge indices, bits); `objective` is the weighted satisfied share per bin plus the
    tie-break; `bound` holds for every choice of offers and paths.
    """

    chosen: np.ndarray
    paths: list[tuple[int, int, tuple[int, ...], float]]
    objective: float
    bound: float
    rounds: int

    @property
    def gap(self) -> float:
        """Relative distance of the bound from the objective."""
        return max(0.0, self.bound - self.objective) / max(abs(self.bound), 1e-12)


def solve_key_flow(problem: KeyFlowProblem, *, relative_gap: float = 1e-6, known: Sequence[Column] = ()) -> FlowResult:
    """Solve a relay problem, choosing offers by integer programming when there are any.

    `known` paths, such as those of a problem that differs in its supply alone, save rounds of pricing and change no
    result.

    Raises
    ------
    PlanError
        Pricing does not end within 200 rounds.
    """
    columns: list[Column] = list(known)
    seen: set[Column] = set(known)
    price = _first_paths(problem)
    free = np.ones(len(problem.offer_bit))
    relaxed, rounds = _generate(problem, columns, seen, price, np.zeros_like(free), free)
    bound = relaxed.objective
    if not len(free):
        return _result(problem, columns, relaxed, bound, rounds)
    best: Solution | None = None
    while True:
        mixed = _programme(problem, columns, np.zeros_like(free), free, integer=True)
        chosen = np.round(maximise(mixed, relative_gap=relative_gap).x[: len(free)])
        final, more = _generate(problem, columns, seen, list, chosen, chosen)
        rounds += more
        if best is not None and final.objective <= best.objective * (1 + 1e-9):
            break
        best, best_columns = final, len(columns)
    return _result(problem, columns[:best_columns], best, max(bound, best.objective), rounds)


def edge_cost(problem: KeyFlowProblem) -> np.ndarray:
    """Small price per Mbit and edge (E,) that breaks ties: fewest spans, and space key only where it helps."""
    return np.where(problem.delayed, _SPACE_COST, _FIBRE_COST)


def _first_paths(problem: KeyFlowProblem) -> Callable[[], list[Column]]:
    """First columns: for every demand and bin the path of fewest edges."""

    def columns() -> list[Column]:
        found = []
        for k in range(len(problem.ends)):
            path = cheapest_path(problem, k, np.ones(len(problem.edges)))
            if path is not None:
                found += [(k, t, path[0]) for t in range(problem.asked_bit.shape[1]) if problem.asked_bit[k, t] > 0]
        return found

    return columns


def _generate(
    problem: KeyFlowProblem,
    columns: list[Column],
    seen: set[Column],
    first: Callable[[], list[Column]],
    lower: np.ndarray,
    upper: np.ndarray,
) -> tuple[Solution, int]:
    """Add priced-out paths to `columns` until none improves; the linear optimum and the rounds it took."""
    new = first()
    for round_number in range(1, _MOST_ROUNDS + 1):
        fresh = [c for c in new if c not in seen]
        seen.update(fresh)
        columns += fresh
        solution = maximise(_programme(problem, columns, lower, upper, integer=False))
        new = [c for c in _improving(problem, solution) if c not in seen]
        if not new:
            return solution, round_number
    raise PlanError(f"solve_key_flow: pricing did not end within {_MOST_ROUNDS} rounds")


def _shape(problem: KeyFlowProblem) -> tuple[int, int, int, int]:
    return len(problem.offer_bit), len(problem.edges), len(problem.ends), problem.asked_bit.shape[1]


def _improving(problem: KeyFlowProblem, solution: Solution) -> list[Column]:
    """Paths whose demand pays more than their edges cost, one per demand and bin."""
    _, n_edges, n_demands, n_bins = _shape(problem)
    stock_price = solution.row_price[: n_edges * n_bins].reshape(n_edges, n_bins)
    delay_price = solution.row_price[n_edges * n_bins : 2 * n_edges * n_bins].reshape(n_edges, n_bins)
    pay = solution.row_price[2 * n_edges * n_bins : 2 * n_edges * n_bins + n_demands * n_bins]
    classes: dict[bytes, list[int]] = {}
    for k in range(n_demands):
        classes.setdefault(problem.allowed[k].tobytes(), []).append(k)
    found = []
    for t in range(n_bins):
        cost = stock_price[:, t] + delay_price[:, t] + edge_cost(problem)
        offered = {k: pay[k * n_bins + t] for k in range(n_demands) if problem.asked_bit[k, t] > 0}
        for group in classes.values():
            paying = [k for k in group if offered.get(k, 0.0) > 0]
            paths = _cheapest_paths(problem, paying, cost) if paying else {}
            found += [
                (k, t, path) for k, (path, price) in paths.items()
                if price < offered[k] - 1e-9 * max(1.0, offered[k])
            ]  # fmt: skip
    return found


def cheapest_path(problem: KeyFlowProblem, k: int, cost: np.ndarray) -> tuple[tuple[int, ...], float] | None:
    """Cheapest admissible path of demand k as edge indices, and its cost; None when there is none."""
    return _cheapest_paths(problem, [k], cost).get(k)


def _cheapest_paths(
    problem: KeyFlowProblem, demands: list[int], cost: np.ndarray
) -> dict[int, tuple[tuple[int, ...], float]]:
    """Cheapest paths of demands that may use the same edges; those without a path are left out."""
    number, ends = problem.nodes
    allowed = np.flatnonzero(problem.allowed[demands[0]])
    wanted = {k: tuple(number.get(node, -1) for node in problem.ends[k]) for k in demands}
    wanted = {k: pair for k, pair in wanted.items() if min(pair) >= 0}
    if not len(allowed) or not wanted:
        return {}
    # Of parallel edges the cheapest; the graph routine takes no zeros for costs.
    order = allowed[np.argsort(cost[allowed], kind="stable")]
    keys, first = np.unique(ends[order] @ (len(number), 1), return_index=True)
    kept = order[first]
    weight = np.maximum(cost[kept], _SMALLEST_COST)
    graph = csr_array((weight, (ends[kept, 0], ends[kept, 1])), shape=(len(number), len(number)))
    sources = sorted({source for source, _ in wanted.values()})
    distance, before = dijkstra(graph, directed=False, indices=sources, return_predecessors=True)
    found = {}
    for k, (source, node) in wanted.items():
        row = sources.index(source)
        if not np.isfinite(distance[row, node]):
            continue
        steps = []
        while node != source:
            previous = int(before[row, node])
            steps.append(min(previous, node) * len(number) + max(previous, node))
            node = previous
        path = kept[np.searchsorted(keys, steps)] if steps else np.empty(0, dtype=int)
        found[k] = tuple(int(e) for e in path[::-1]), float(cost[path].sum())
    return found


def _programme(
    problem: KeyFlowProblem,
    columns: list[Column],
    lower: np.ndarray,
    upper: np.ndarray,
    *,
    integer: bool,
) -> Programme:
    """The programme over the given columns. Variables: offers, stocks (e, t), thirds (k, t, 3), paths; in Mbit."""
    n_offers, n_edges, n_demands, n_bins = _shape(problem)
    n_stock, n_thirds = n_edges * n_bins, n_demands * n_bins * 3
    first_third, first_path = n_offers + n_stock, n_offers + n_stock + n_thirds
    n = first_path + len(columns)
    stock_row = np.arange(n_stock).reshape(n_edges, n_bins)
    delay_row = n_stock + stock_row
    demand_row = 2 * n_stock + np.arange(n_demands * n_bins).reshape(n_demands, n_bins)
    first_clique = 2 * n_stock + n_demands * n_bins

    rows: list[np.ndarray] = []
    cols: list[np.ndarray] = []
    vals: list[np.ndarray] = []

    def put(r: np.ndarray, c: np.ndarray, v: np.ndarray | float) -> None:
        rows.append(np.ravel(r))
        cols.append(np.ravel(c))
        vals.append(np.broadcast_to(v, np.shape(np.ravel(r))).astype(float))

    stock = n_offers + stock_row
    put(stock_row, stock, 1.0)
    put(stock_row[:, 1:], stock[:, :-1], -1.0)
    put(delay_row[problem.delayed, 1:], stock[problem.delayed, :-1], -1.0)
    thirds = first_third + np.arange(n_thirds).reshape(n_demands, n_bins, 3)
    put(np.repeat(demand_row[..., None], 3, axis=2), thirds, 1.0)
    put(stock_row[problem.offer_edge, problem.offer_bin], np.arange(n_offers), -problem.offer_bit / _MBIT)
    for j, (k, t, edges) in enumerate(columns):
        held = np.array(edges, dtype=int)
        late = held[problem.delayed[held]]
        put(stock_row[held, t], np.full(len(held), first_path + j), 1.0)
        put(delay_row[late, t], np.full(len(late), first_path + j), 1.0)
        put(demand_row[k, t], np.array(first_path + j), -1.0)
    for i, clique in enumerate(problem.cliques):
        put(np.full(len(clique), first_clique + i), clique, 1.0)

    supply = problem.supply_bit / _MBIT
    supply[:, 0] += problem.initial_bit / _MBIT
    delay = np.where(problem.delayed[:, None], 0.0, 1e12) * np.ones((n_edges, n_bins))
    delay[problem.delayed, 0] = problem.initial_bit[problem.delayed] / _MBIT
    asked = problem.asked_bit / _MBIT
    with np.errstate(divide="ignore", invalid="ignore"):
        worth = np.where(asked > 0, problem.weights[:, None] / asked, 0.0)
    objective, top = np.zeros(n), np.full(n, np.inf)
    total = max(problem.offer_bit.sum(), 1e-300)
    objective[:n_offers] = _TIE_WEIGHT * problem.offer_bit / total
    objective[first_third:first_path] = (worth[..., None] * SLOPES).ravel()
    cost = edge_cost(problem)
    objective[first_path:] = [-cost[list(edges)].sum() for _, _, edges in columns]
    top[:n_offers] = upper
    top[n_offers:first_third] = np.repeat(problem.capacity_bit / _MBIT, n_bins)
    top[first_third:first_path] = np.repeat(asked.ravel() / 3, 3)
    low = np.zeros(n)
    low[:n_offers] = lower
    whole = np.zeros(n, dtype=bool)
    whole[:n_offers] = integer
    row_upper = np.concatenate(
        [supply.ravel(), delay.ravel(), np.zeros(n_demands * n_bins), np.ones(len(problem.cliques))]
    )
    return Programme(
        objective,
        low,
        top,
        whole,
        row_upper,
        np.concatenate(rows),
        np.concatenate(cols),
        np.concatenate(vals),
    )


def _result(
    problem: KeyFlowProblem,
    columns: list[Column],
    solution: Solution,
    bound: float,
    rounds: int,
) -> FlowResult:
    n_offers = len(problem.offer_bit)
    flow = solution.x[len(solution.x) - len(columns) :] * _MBIT
    paths = [(k, t, edges, float(bit)) for (k, t, edges), bit in zip(columns, flow, strict=True) if bit > 0.5]
    return FlowResult(solution.x[:n_offers] > 0.5, sorted(paths), solution.objective, bound, rounds)
