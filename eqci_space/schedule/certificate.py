"""An upper bound on joint plans that keeps contacts whole: fibre priced, space exact.

The rows of fibre edges and quotas are replaced by their prices (Lagrangian relaxation). What is left of the fibre for a
demand in a bin is the cheapest way between each two of its ends and the stations, so that relay is a flow on a small
graph: ends, stations and satellites, joined by those ways and by the satellites' edges. On this graph flows along arcs
hold every path, also over several satellites; the bound that an integer solver proves for the relaxed programme
therefore holds for the whole problem. It is tight where fibre is slack or its prices are right.

Limits on nodes are left out, and of two disjoint shares one is counted; both can only raise the bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from eqci_space.fiber.flow_layout import MBIT
from eqci_space.fiber.key_flow import RelayProgramme, edge_cost
from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.fiber.paths import ArcSearch
from eqci_space.machine.solver import Programme, maximise

__all__ = ["fibre_priced_bound", "has_small_graphs", "priced_programme"]

_MOST_NODES = 20_000  # of the search tree
_MOST_ARCS = 60_000  # of the small graphs together, which the solver takes some seconds for


@dataclass(frozen=True)
class _Ways:
    """The small graph of a demand in a bin: arcs as pairs of nodes, their cost, the satellite edge of each or -1."""

    tail: np.ndarray
    head: np.ndarray
    cost: np.ndarray
    edge: np.ndarray


@dataclass(frozen=True)
class _Pairs:
    """Paths of a demand in a bin over one satellite: cost, and the two edges of each (p, 2), -1 for fibre."""

    cost: np.ndarray
    edges: np.ndarray


def fibre_priced_bound(programme: RelayProgramme, row_price: np.ndarray, *, relative_gap: float) -> float:
    """Bound over all choices of candidates and all routes; infinite where the small graphs would be too large.

    Parameters
    ----------
    programme : RelayProgramme
        Candidates between the bounds last set.
    row_price : (rows,) array
        Prices >= 0 of its rows [worth per unit of the row], such as those of the relaxation; only those of fibre edges
        and quotas are used.
    relative_gap : float
        To which the integer programme is solved, > 0 [1].

    Returns
    -------
    float
        Upper bound of the objective.
    """
    priced = priced_programme(programme, row_price)
    if priced is None:
        return float("inf")
    relaxed, constant = priced
    return maximise(relaxed, relative_gap=relative_gap, most_nodes=_MOST_NODES).bound + constant


def has_small_graphs(problem: KeyFlowProblem) -> bool:
    """Whether the small graphs of all demands and bins together are few enough arcs for the solver."""
    stations = len({b for (_, _, b), late in zip(problem.edges, problem.delayed, strict=True) if late})
    arcs = (stations + 2) * (stations + 1) + 2 * int(problem.delayed.sum())
    return bool(arcs * np.count_nonzero(problem.asked_bit) <= _MOST_ARCS)


def priced_programme(programme: RelayProgramme, row_price: np.ndarray) -> tuple[Programme, float] | None:
    """The programme with fibre at its prices, and the constant that the prices add; None where it would be too large.

    Columns of the candidates come first, as in the programme itself. Parameters are those of `fibre_priced_bound`.
    """
    problem, at = programme.problem, programme.layout
    if not has_small_graphs(problem):
        return None
    level = row_price.copy()
    programme.level_prices(level)  # so that no stock of fibre gains
    priced = np.zeros(len(level), dtype=bool)
    priced[at.balance[~problem.delayed[at.stored]]] = priced[at.quota] = True
    price = np.where(priced, level, 0.0)
    constant = float(price @ np.where(priced, programme.base.row_upper, 0.0))
    return _relaxed(programme, _all_ways(programme, price), price, priced), constant


def _all_ways(programme: RelayProgramme, price: np.ndarray) -> dict[tuple[int, int], _Ways | _Pairs]:
    """The small graph of every demand and bin; demands of one rule and bin share the search through the fibre."""
    problem = programme.problem
    found: dict[tuple[int, int], _Ways | _Pairs] = {}
    for t, arcs in enumerate(programme.arc_prices(price)):
        asking = np.flatnonzero(problem.asked_bit[:, t] > 0)
        keys = [(problem.rules[k].arcs, float(programme.cost_scale[k])) for k in asking]
        for rule, scale in dict.fromkeys(keys):
            group = [int(k) for k, key in zip(asking, keys, strict=True) if key == (rule, scale)]
            cost = arcs + scale * np.repeat(edge_cost(problem), 2)
            found.update({(k, t): ways for k, ways in _ways(programme, group, rule, cost).items()})
    return found


def _ways(programme: RelayProgramme, group: list[int], rule: bytes, cost: np.ndarray) -> Mapping[int, _Ways | _Pairs]:
    """Ways through fibre between ends and stations at given costs of arcs, and the open arcs of satellites."""
    problem = programme.problem
    tail, head = problem.graph.tail_head
    usable = np.frombuffer(rule, dtype=bool) & np.isfinite(cost)
    late = np.repeat(problem.delayed, 2)
    space = np.flatnonzero(usable & late)
    search = ArcSearch(len(problem.graph.number), tail, head, np.flatnonzero(usable & ~late), cost)
    # Edges of a satellite run from it to the station: even arcs go down, odd arcs up.
    stations = np.unique(np.concatenate([head[space[space % 2 == 0]], tail[space[space % 2 == 1]]]))
    ends = {k: [problem.graph.number[n] for n in problem.ends[k]] for k in group}
    sources = np.unique(np.concatenate([stations, [a for a, _ in ends.values()]])).astype(int)
    distance, _ = search.run(sources.tolist())
    if len(np.unique(np.where(space % 2 == 0, tail[space], head[space]))) == 1:
        between = _Between(sources, distance)
        return {k: _pairs(problem.graph.tail_head, a, b, space, cost, between) for k, (a, b) in ends.items()}
    found = {}
    for k, (a, b) in ends.items():
        starts, stops = np.union1d(stations, [a]), np.union1d(stations, [b])
        starts, stops = starts[starts != b].astype(int), stops[stops != a].astype(int)
        u, v = (m.ravel() for m in np.meshgrid(starts, stops, indexing="ij"))
        length = distance[np.searchsorted(sources, u), v]
        kept = np.isfinite(length) & (u != v)
        hops = space[(tail[space] != b) & (head[space] != a)]
        found[k] = _Ways(
            np.concatenate([u[kept], tail[hops]]), np.concatenate([v[kept], head[hops]]),
            np.concatenate([length[kept], cost[hops]]), np.concatenate([np.full(kept.sum(), -1), hops >> 1]),
        )  # fmt: skip
    return found


@dataclass(frozen=True)
class _Between:
    """Cost of the cheapest way through fibre from each source to each node."""

    sources: np.ndarray
    distance: np.ndarray

    def of(self, u: np.ndarray | int, v: np.ndarray | int) -> np.ndarray:
        """Cost from sources u to nodes v."""
        return np.asarray(self.distance[np.searchsorted(self.sources, u), v])


def _pairs(
    tail_head: tuple[np.ndarray, np.ndarray], a: int, b: int, space: np.ndarray, cost: np.ndarray, between: _Between
) -> _Pairs:
    """Fibre alone, and for each two edges of the satellite the cheaper of the two ways to use them."""
    tail, head = tail_head
    up, down = space[(space % 2 == 1)], space[(space % 2 == 0)]
    u, d = (m.ravel() for m in np.meshgrid(up, down, indexing="ij"))
    u, d = u[u >> 1 != d >> 1], d[u >> 1 != d >> 1]
    total = between.of(a, tail[u]) + cost[u] + cost[d] + between.of(head[d], b)
    total = np.append(total, between.of(a, b))
    edges = np.append(np.sort(np.column_stack([u >> 1, d >> 1]), axis=1), [[-1, -1]], axis=0)
    order = np.lexsort((total, edges[:, 1], edges[:, 0]))
    order = order[np.isfinite(total[order])]
    _, first = np.unique(edges[order], axis=0, return_index=True)
    return _Pairs(total[order[first]], edges[order[first]])


def _relaxed(
    programme: RelayProgramme, ways: dict[tuple[int, int], _Ways | _Pairs], price: np.ndarray, priced: np.ndarray
) -> Programme:
    """The programme without its priced rows, relay as flow along the arcs of the small graphs.

    Per demand and bin: ``flow out of a node - flow into it <= 0`` between the ends, ``Σ steps - flow into the last end
    <= 0``, and flow over an edge of a satellite takes from its stock. Flow is in shares of what is asked for.
    """
    base, count, rows = programme.base, len(programme.base.objective), len(programme.base.row_upper)
    kept = ~priced[base.row]
    parts = [(base.row[kept], base.column[kept], base.value[kept])]
    worth = [base.objective - np.bincount(base.column, base.value * price[base.row], minlength=count)]
    for (k, t), way in ways.items():
        if isinstance(way, _Ways):
            entries, inner = _flow_entries(programme, way, k, t, rows)
        else:
            entries, inner = _pair_entries(programme, way, k, t), 0
        parts += [(row, count + arc, value) for row, arc, value in entries]
        worth.append(-way.cost * programme.problem.asked_bit[k, t] / MBIT)
        count, rows = count + len(way.cost), rows + inner
    row, column, value = (np.concatenate([part[i] for part in parts]) for i in range(3))
    more, new = count - len(base.objective), rows - len(base.row_upper)
    return Programme(
        np.concatenate(worth), np.append(base.lower, np.zeros(more)), np.append(base.upper, np.full(more, np.inf)),
        np.append(base.integer, np.zeros(more, dtype=bool)),
        np.append(np.where(priced, np.inf, base.row_upper), np.zeros(new)), row, column, value,
    )  # fmt: skip


def _flow_entries(
    programme: RelayProgramme, way: _Ways, k: int, t: int, first_row: int
) -> tuple[list[tuple[np.ndarray, np.ndarray, np.ndarray]], int]:
    """Entries (row, arc, value) of the flow of a demand in a bin, and how many nodes lie between its ends."""
    problem, at = programme.problem, programme.layout
    a, b = (problem.graph.number[n] for n in problem.ends[k])
    inner = np.setdiff1d(np.concatenate([way.tail, way.head]), [a, b])
    amount = problem.asked_bit[k, t] / MBIT
    entries = []
    for nodes, sign in ((way.tail, 1.0), (way.head, -1.0)):
        arc = np.flatnonzero(np.isin(nodes, inner))
        entries.append((first_row + np.searchsorted(inner, nodes[arc]), arc, np.full(len(arc), sign)))
    last = np.flatnonzero(way.head == b)
    entries.append((np.full(len(last), at.demand[k, t]), last, np.full(len(last), -1.0)))
    return [*entries, *_taken(programme, way.edge, t, amount)], len(inner)


def _pair_entries(
    programme: RelayProgramme, way: _Pairs, k: int, t: int
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Entries (row, path, value) of the paths of a demand in a bin."""
    amount, paths = programme.problem.asked_bit[k, t] / MBIT, np.arange(len(way.cost))
    entries = [(np.full(len(paths), programme.layout.demand[k, t]), paths, np.full(len(paths), -1.0))]
    for side in range(2):
        entries += _taken(programme, way.edges[:, side], t, amount)
    return entries


def _taken(
    programme: RelayProgramme, edge: np.ndarray, t: int, amount: float
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Entries (row, column, value) of columns that each take an amount from the stock of an edge, or of none (-1)."""
    at, entries = programme.layout, []
    stored = np.where(edge >= 0, at.row_of_edge[edge], -1)
    for places, table in ((np.arange(len(at.stored)), at.balance), (at.capped, at.cap)):
        column = np.flatnonzero(np.isin(stored, places))
        row = table[np.searchsorted(places, stored[column]), t] if len(column) else np.empty(0, dtype=int)
        entries.append((row, column, np.full(len(column), amount)))
    return entries
