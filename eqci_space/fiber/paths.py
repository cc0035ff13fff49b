"""Cheapest paths of demands through the key graph, under the rules of their assurance classes.

An edge is two arcs: arc ``2e`` runs along edge ``e`` from its first node to its second, ``2e + 1`` back. Rules that
forbid are masks on arcs. Rules that count nodes are solved on a graph with one layer per count, on which a cheapest
path is one of Dijkstra; two node-disjoint shares by the method of Suurballe (Suurballe and Tarjan 1984, Networks 14,
325), and where shares are counted too, by a small integer programme.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from eqci_space.errors import InfeasibleError
from eqci_space.machine.solver import Programme, maximise

__all__ = ["ArcSearch", "KeyGraph", "PathRule", "Route", "cheapest_routes", "route_arcs"]

Route = tuple[tuple[int, ...], ...]
_SMALLEST_COST = 1e-15


@dataclass(frozen=True)
class PathRule:
    """What the class of a demand asks of its paths.

    Attributes
    ----------
    arcs : bytes
        (2E,) booleans: arcs that may be used.
    limits : tuple of (bytes, int)
        Counted nodes, (N,) booleans, and how many of them may lie between the ends.
    shares : int
        1, or 2 for the XOR of two shares on paths without a common node between the ends.
    """

    arcs: bytes
    limits: tuple[tuple[bytes, int], ...] = ()
    shares: int = 1


@dataclass(frozen=True)
class KeyGraph:
    """Nodes and arcs of the key graph, numbered."""

    edges: tuple[tuple[str, str, str], ...]

    @cached_property
    def number(self) -> dict[str, int]:
        """Number of every node, in order of names."""
        return {node: i for i, node in enumerate(sorted({n for _, a, b in self.edges for n in (a, b)}))}

    @cached_property
    def tail_head(self) -> tuple[np.ndarray, np.ndarray]:
        """First and last node of every arc."""
        pairs = np.array([(self.number[a], self.number[b]) for _, a, b in self.edges], dtype=int).reshape(-1, 2)
        return pairs.ravel(), pairs[:, ::-1].ravel()

    @cached_property
    def plain(self) -> dict[bytes, PlainArcs]:
        """Arcs without their prices by what may be used, filled as searches ask for them."""
        return {}

    def path_nodes(self, arcs: Sequence[int]) -> list[int]:
        """Nodes along a path of arcs, both ends included."""
        tail, head = self.tail_head
        return [int(tail[arcs[0]]), *(int(head[a]) for a in arcs)] if len(arcs) else []


def route_arcs(route: Route) -> list[int]:
    """All arcs of a route, those of every share.

    Parameters
    ----------
    route : Route
        Arcs of every share in order.
    """
    return [arc for share in route for arc in share]


def cheapest_routes(
    graph: KeyGraph,
    ends: Sequence[tuple[str, str]],
    rules: Sequence[PathRule],
    demands: Sequence[int],
    cost: np.ndarray,
) -> dict[int, tuple[Route, float]]:
    """Cheapest admissible route of every demand and its cost; demands without one are left out.

    Parameters
    ----------
    graph : KeyGraph
        Of E edges.
    ends : sequence of (node, node)
        Of all demands.
    rules : sequence of PathRule
        Of all demands.
    demands : sequence of int
        Numbers of those asked for.
    cost : (2E,) array
        Of arcs, in any unit, >= 0; infinite where none may pass.

    Returns
    -------
    dict
        Route and its cost, the sum over the arcs of every share, by number of the demand.
    """
    wanted: dict[int, tuple[int, int]] = {}
    for k in demands:
        a, b = (graph.number.get(node, -1) for node in ends[k])
        if min(a, b) >= 0:
            wanted[k] = (a, b)
    groups: dict[bytes, list[int]] = {}
    found: dict[int, tuple[Route, float]] = {}
    for k in wanted:
        if rules[k].shares == 1 and not rules[k].limits:
            groups.setdefault(rules[k].arcs, []).append(k)
            continue
        finder = _shares if rules[k].shares == 2 else _counted
        route = finder(graph, *wanted[k], rules[k], cost)
        if route is not None:
            found[k] = route, float(cost[route_arcs(route)].sum())
    for arcs, group in groups.items():
        found.update(_plain(graph, {k: wanted[k] for k in group}, arcs, cost))
    return found


def _open_arcs(rule: PathRule, cost: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.frombuffer(rule.arcs, dtype=bool) & np.isfinite(cost))


def _plain(
    graph: KeyGraph, wanted: dict[int, tuple[int, int]], allowed: bytes, cost: np.ndarray
) -> dict[int, tuple[Route, float]]:
    """Cheapest paths without counting, by one run of Dijkstra per source."""
    if allowed not in graph.plain:
        graph.plain[allowed] = PlainArcs(graph, np.flatnonzero(np.frombuffer(allowed, dtype=bool)))
    arcs = graph.plain[allowed]
    sources = sorted({a for a, _ in wanted.values()})
    distance, before = arcs.run(sources, cost)
    found: dict[int, tuple[Route, float]] = {}
    for k, (a, b) in wanted.items():
        row = sources.index(a)
        if np.isfinite(distance[row, b]):
            path = arcs.path(before[row], a, b, cost)
            found[k] = (path,), float(cost[list(path)].sum())
    return found


class PlainArcs:
    """Some arcs of a graph, sorted once for Dijkstra under many prices; of parallel arcs the cheapest, then the first.

    Parameters
    ----------
    graph : KeyGraph
    arcs : (n,) int array
        In rising order.
    """

    def __init__(self, graph: KeyGraph, arcs: np.ndarray):
        tail, head = graph.tail_head
        self._nodes = len(graph.number)
        pair = tail[arcs] * self._nodes + head[arcs]
        order = np.argsort(pair, kind="stable")
        self._arcs = arcs[order]
        self._pairs, self._first, self._count = np.unique(pair[order], return_index=True, return_counts=True)
        self._many = self._count > 1
        self._head = self._pairs % self._nodes
        self._start = np.searchsorted(self._pairs // self._nodes, np.arange(self._nodes + 1))

    def run(self, sources: list[int], cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distances and predecessors (sources, nodes) at prices (2E,), infinite where none may pass."""
        if not len(self._arcs):
            distance = np.full((len(sources), self._nodes), np.inf)
            distance[np.arange(len(sources)), sources] = 0.0
            return distance, np.full(distance.shape, -9999)
        # The graph routine takes no zeros for costs.
        weight = np.maximum(np.minimum.reduceat(cost[self._arcs], self._first), _SMALLEST_COST)
        graph = csr_array((weight, self._head, self._start), shape=(self._nodes, self._nodes))
        distance, before = dijkstra(graph, directed=True, indices=sources, return_predecessors=True)
        return distance, before

    def path(self, before: np.ndarray, source: int, node: int, cost: np.ndarray) -> tuple[int, ...]:
        """Arcs of the path to a node that was reached."""
        steps, at = [], before.tolist()
        while node != source:
            steps.append(at[node] * self._nodes + node)
            node = at[node]
        pairs = np.searchsorted(self._pairs, steps[::-1])
        path = self._arcs[self._first[pairs]].tolist()
        for place in np.flatnonzero(self._many[pairs]).tolist():
            parallel = self._arcs[self._first[pairs[place]] :][: self._count[pairs[place]]]
            path[place] = int(parallel[np.argmin(cost[parallel])])
        return tuple(path)


class ArcSearch:
    """Dijkstra on some arcs; of parallel arcs the cheapest."""

    def __init__(self, nodes: int, tail: np.ndarray, head: np.ndarray, arcs: np.ndarray, cost: np.ndarray):
        order = arcs[np.argsort(cost[arcs], kind="stable")]
        self._nodes = nodes
        self._keys, first = np.unique(tail[order] * nodes + head[order], return_index=True)
        self._arcs = order[first]
        # The graph routine takes no zeros for costs.
        weight = np.maximum(cost[self._arcs], _SMALLEST_COST)
        self._graph = csr_array((weight, (tail[self._arcs], head[self._arcs])), shape=(nodes, nodes))

    def run(self, sources: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Distances and predecessors from every source."""
        if not len(self._arcs):
            distance = np.full((len(sources), self._nodes), np.inf)
            distance[np.arange(len(sources)), sources] = 0.0
            return distance, np.full(distance.shape, -9999)
        distance, before = dijkstra(self._graph, directed=True, indices=sources, return_predecessors=True)
        return distance, before

    def arcs_to(self, before: np.ndarray, source: int, node: int) -> tuple[int, ...]:
        """Arcs of the path to a node that was reached."""
        steps = []
        while node != source:
            previous = int(before[node])
            steps.append(previous * self._nodes + node)
            node = previous
        return tuple(int(a) for a in self._arcs[np.searchsorted(self._keys, steps[::-1])]) if steps else ()


def _counted(graph: KeyGraph, a: int, b: int, rule: PathRule, cost: np.ndarray) -> Route | None:
    """Cheapest path with at most so many counted nodes between its ends: layers stand for the counts so far."""
    tail, head = graph.tail_head
    arcs = _open_arcs(rule, cost)
    layers, rise = 1, np.zeros(len(graph.number), dtype=int)
    sizes = []
    for mask, most in rule.limits:
        counted = np.frombuffer(mask, dtype=bool).copy()
        counted[[a, b]] = False
        size = min(most, int(counted.sum())) + 1
        rise = rise + counted * layers
        sizes.append((layers, size, counted))
        layers *= size
    state = np.arange(layers)
    fits = np.ones((len(arcs), layers), dtype=bool)
    for unit, size, counted in sizes:
        full = (state // unit) % size == size - 1
        fits &= ~(counted[head[arcs]][:, None] & full[None, :])
    row, layer = np.nonzero(fits)
    used = arcs[row]
    start, end = tail[used] * layers + layer, head[used] * layers + layer + rise[head[used]]
    search = ArcSearch(len(graph.number) * layers, start, end, np.arange(len(used)), cost[used])
    distance, before = search.run([a * layers])
    last = b * layers + int(np.argmin(distance[0, b * layers : (b + 1) * layers]))
    if not np.isfinite(distance[0, last]):
        return None
    return (tuple(int(used[i]) for i in search.arcs_to(before[0], a * layers, last)),)


def _shares(graph: KeyGraph, a: int, b: int, rule: PathRule, cost: np.ndarray) -> Route | None:
    """Two cheapest node-disjoint paths; if a share has too many counted nodes, the exact programme decides."""
    route = _disjoint(graph, a, b, _open_arcs(rule, cost), cost)
    if route is None or all(_within(graph, share, rule) for share in route):
        return route
    return _disjoint_counted(graph, a, b, rule, cost)


def _within(graph: KeyGraph, share: tuple[int, ...], rule: PathRule) -> bool:
    between = graph.path_nodes(share)[1:-1]
    return all(int(np.frombuffer(mask, dtype=bool)[between].sum()) <= most for mask, most in rule.limits)


def _disjoint(graph: KeyGraph, a: int, b: int, arcs: np.ndarray, cost: np.ndarray) -> Route | None:
    """Suurballe's two paths on a graph whose nodes are split into an entry 2v and an exit 2v + 1."""
    tail, head = graph.tail_head
    nodes = len(graph.number)
    start = np.concatenate([2 * tail[arcs] + 1, 2 * np.arange(nodes)])
    end = np.concatenate([2 * head[arcs], 2 * np.arange(nodes) + 1])
    weight = np.concatenate([cost[arcs], np.zeros(nodes)])
    every = np.arange(len(start))
    first = ArcSearch(2 * nodes, start, end, every, weight)
    distance, before = first.run([2 * a + 1])
    source, target = 2 * a + 1, 2 * b
    if not np.isfinite(distance[0, target]):
        return None
    once = np.array(first.arcs_to(before[0], source, target))
    reached = np.isfinite(distance[0, start]) & np.isfinite(distance[0, end])
    finite = np.where(np.isfinite(distance[0]), distance[0], 0.0)
    reduced = weight + finite[start] - finite[end]
    kept = np.setdiff1d(every[reached], once)
    # The second search may undo the first path: its arcs are there backwards, at no cost.
    start2 = np.concatenate([start[kept], end[once]])
    end2 = np.concatenate([end[kept], start[once]])
    weight2 = np.concatenate([np.maximum(reduced[kept], 0.0), np.zeros(len(once))])
    second = ArcSearch(2 * nodes, start2, end2, np.arange(len(start2)), weight2)
    distance2, before2 = second.run([source])
    if not np.isfinite(distance2[0, target]):
        return None
    again = second.arcs_to(before2[0], source, target)
    undone = {int(once[i - len(kept)]) for i in again if i >= len(kept)}
    taken = (set(once.tolist()) - undone) | {int(kept[i]) for i in again if i < len(kept)}
    follow: dict[int, list[int]] = {}
    for i in sorted(taken):
        follow.setdefault(int(start[i]), []).append(i)
    return tuple(sorted(_walk(follow, source, target, end, arcs) for _ in range(2)))


def _walk(follow: dict[int, list[int]], source: int, target: int, end: np.ndarray, arcs: np.ndarray) -> tuple[int, ...]:
    """One path through the arcs that two disjoint paths hold together, which it takes away."""
    path, node = [], source
    while node != target:
        step = follow[node].pop()
        if step < len(arcs):
            path.append(int(arcs[step]))
        node = int(end[step])
    return tuple(path)


def _disjoint_counted(graph: KeyGraph, a: int, b: int, rule: PathRule, cost: np.ndarray) -> Route | None:
    """Two cheapest node-disjoint paths, each within the limits.

    The solver is exact relative to its dearest arc, so arcs dearer than a pair already found go before it asks again.
    """
    tail, head = graph.tail_head
    arcs = _open_arcs(rule, cost)
    arcs = arcs[(head[arcs] != a) & (tail[arcs] != b)]
    while len(arcs):
        route = _counted_pair(graph, a, b, rule, cost, arcs)
        if route is None:
            return None
        total = float(cost[route_arcs(route)].sum())
        if cost[arcs].max() <= max(total, _SMALLEST_COST):
            return route
        arcs = arcs[cost[arcs] <= max(total, _SMALLEST_COST)]
    return None


def _counted_pair(graph: KeyGraph, a: int, b: int, rule: PathRule, cost: np.ndarray, arcs: np.ndarray) -> Route | None:
    """Two node-disjoint paths over some arcs, each within the limits, by integer programming: one flow per share."""
    tail, head = graph.tail_head
    nodes, m = len(graph.number), len(arcs)
    rows: list[np.ndarray] = []
    columns: list[np.ndarray] = []
    values: list[np.ndarray] = []
    upper: list[float] = []

    def add(index: np.ndarray, value: np.ndarray, most: float) -> None:
        rows.append(np.full(len(index), len(upper)))
        columns.append(index)
        values.append(value)
        upper.append(most)

    leaving = [np.flatnonzero(tail[arcs] == v) for v in range(nodes)]
    entering = [np.flatnonzero(head[arcs] == v) for v in range(nodes)]
    for share in range(2):
        for v in range(nodes):
            index = np.concatenate([leaving[v], entering[v]]) + share * m
            sign = np.concatenate([np.ones(len(leaving[v])), -np.ones(len(entering[v]))])
            balance = float(v == a) - float(v == b)
            add(index, sign, balance)
            add(index, -sign, -balance)
        for mask, most in rule.limits:
            counted = np.frombuffer(mask, dtype=bool).copy()
            counted[[a, b]] = False
            index = np.flatnonzero(counted[head[arcs]])
            add(index + share * m, np.ones(len(index)), most)
    for v in set(range(nodes)) - {a, b}:
        add(np.concatenate([entering[v], entering[v] + m]), np.ones(2 * len(entering[v])), 1.0)
    # Nothing lies between the ends of a direct edge: it still carries one share only.
    for i in np.flatnonzero((tail[arcs] == a) & (head[arcs] == b)):
        add(np.array([i, i + m]), np.ones(2), 1.0)
    price = -np.tile(np.maximum(cost[arcs], _SMALLEST_COST), 2)
    programme = Programme(
        price / np.abs(price).max(), np.zeros(2 * m), np.ones(2 * m), np.ones(2 * m, dtype=bool),
        np.array(upper), np.concatenate(rows), np.concatenate(columns), np.concatenate(values),
    )  # fmt: skip
    try:
        x = maximise(programme).x > 0.5
    except InfeasibleError:
        return None
    shares = []
    for share in range(2):
        follow = {int(tail[arcs[i]]): int(arcs[i]) for i in np.flatnonzero(x[share * m : (share + 1) * m])}
        path, node = [], a
        while node != b:
            path.append(follow[node])
            node = int(head[path[-1]])
        shares.append(tuple(path))
    return tuple(sorted(shares))
