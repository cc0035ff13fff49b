"""An upper bound on joint plans that keeps contacts whole: fibre priced, space exact.

The rows of fibre edges and quotas are replaced by their prices (Lagrangian relaxation). What is left of the fibre for a
demand in a bin is the cheapest way between each two of its ends and the stations, so that relay is a flow on a small
graph: ends, stations and satellites, joined by those ways and by the satellites' edges. On this graph flows along arcs
hold every path, also over several satellites; the bound that an integer solver proves for the relaxed programme
therefore holds for the whole problem. It is tight where fibre is slack or its prices are right.

Limits on nodes are left out, and of two disjoint shares one is counted; both can only raise the bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqci_space.fiber.flow_layout import MBIT
from eqci_space.fiber.key_flow import RelayProgramme, edge_cost
from eqci_space.fiber.paths import ArcSearch
from eqci_space.machine.solver import Programme, maximise

__all__ = ["fibre_priced_bound"]

_MOST_NODES = 20_000  # of the search tree
_MOST_ARCS = 60_000  # of the small graphs together, which the solver takes some seconds for


@dataclass(frozen=True)
class _Ways:
    """The small graph of a demand in a bin: arcs as pairs of nodes, their cost, the satellite edge of each or -1."""

    tail: np.ndarray
    head: np.ndarray
    cost: np.ndarray
    edge: np.ndarray


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
    problem, at = programme.problem, programme.layout
    stations = len({b for (_, _, b), late in zip(problem.edges, problem.delayed, strict=True) if late})
    arcs = (stations + 2) * (stations + 1) + 2 * int(problem.delayed.sum())
    if arcs * np.count_nonzero(problem.asked_bit) > _MOST_ARCS:
        return float("inf")
    level = row_price.copy()
    programme.level_prices(level)  # so that no stock of fibre gains
    priced = np.zeros(len(level), dtype=bool)
    priced[at.balance[~problem.delayed[at.stored]]] = priced[at.quota] = True
    price = np.where(priced, level, 0.0)
    relaxed = _relaxed(programme, _all_ways(programme, price), price, priced)
    found = maximise(relaxed, relative_gap=relative_gap, most_nodes=_MOST_NODES)
    return found.bound + float(price @ np.where(priced, programme.base.row_upper, 0.0))


def _all_ways(programme: RelayProgramme, price: np.ndarray) -> dict[tuple[int, int], _Ways]:
    """The small graph of every demand and bin; demands of one rule and bin share the search through the fibre."""
    problem = programme.problem
    found = {}
    for t in range(problem.asked_bit.shape[1]):
        arcs = programme.arc_price(price, t)
        asking = np.flatnonzero(problem.asked_bit[:, t] > 0)
        keys = [(problem.rules[k].arcs, float(programme.cost_scale[k])) for k in asking]
        for rule, scale in dict.fromkeys(keys):
            group = [int(k) for k, key in zip(asking, keys, strict=True) if key == (rule, scale)]
            cost = arcs + scale * np.repeat(edge_cost(problem), 2)
            found.update({(k, t): ways for k, ways in _ways(programme, group, rule, cost).items()})
    return found


def _ways(programme: RelayProgramme, group: list[int], rule: bytes, cost: np.ndarray) -> dict[int, _Ways]:
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


def _relaxed(
    programme: RelayProgramme, ways: dict[tuple[int, int], _Ways], price: np.ndarray, priced: np.ndarray
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
        entries, inner = _flow_entries(programme, way, k, t, rows)
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
    stored = np.where(way.edge >= 0, at.row_of_edge[way.edge], -1)
    for places, table in ((np.arange(len(at.stored)), at.balance), (at.capped, at.cap)):
        arc = np.flatnonzero(np.isin(stored, places))
        row = table[np.searchsorted(places, stored[arc]), t] if len(arc) else np.empty(0, dtype=int)
        entries.append((row, arc, np.full(len(arc), amount)))
    return entries, len(inner)
