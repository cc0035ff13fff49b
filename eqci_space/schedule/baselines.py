"""Plain ways to choose contacts, against which an optimal plan has to show its gain."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.schedule.joint import greedy_choice

__all__ = ["BASELINES", "greedy_by_bits", "greedy_by_deficit", "greedy_by_need"]


def greedy_by_bits(problem: KeyFlowProblem) -> np.ndarray:
    """Candidates (N,) by falling expected key."""
    return greedy_choice(np.argsort(-problem.candidate_bit, kind="stable"), len(problem.candidate_bit), problem.limits)


def greedy_by_need(problem: KeyFlowProblem) -> np.ndarray:
    """Candidates (N,) by falling expected key times the weight of the demands that end nearest to its station."""
    worth = problem.candidate_bit.copy()
    weight = _station_weight(problem)
    worth[problem.deposit_candidate] *= weight[problem.deposit_edge]
    return greedy_choice(np.argsort(-worth, kind="stable"), len(worth), problem.limits)


def greedy_by_deficit(problem: KeyFlowProblem) -> np.ndarray:
    """Candidates (N,) in order of bins, in each by key over what the station has got so far: fair over time."""
    n = len(problem.candidate_bit)
    at, edge = np.full(n, np.iinfo(int).max), np.zeros(n, dtype=int)
    at[problem.deposit_candidate], edge[problem.deposit_candidate] = problem.deposit_bin, problem.deposit_edge
    station = np.array([b for _, _, b in problem.edges], dtype=object)
    got: dict[str, float] = {}
    chosen = np.zeros(n)
    for t in np.unique(at):
        mine = np.flatnonzero(at == t)
        merit = np.array([problem.candidate_bit[i] / (1e3 + got.get(station[edge[i]], 0.0)) for i in mine])
        order = mine[np.argsort(-merit, kind="stable")]
        before = chosen.copy()
        chosen = greedy_choice(order, n, problem.limits, chosen)
        for i in np.flatnonzero(chosen > before):
            got[station[edge[i]]] = got.get(station[edge[i]], 0.0) + float(problem.candidate_bit[i])
    return chosen


def _station_weight(problem: KeyFlowProblem) -> np.ndarray:
    """Weight (E,) of the demands' ends nearest to an edge's station, by fibre edges; a little where there are none."""
    number = problem.graph.number
    stations = sorted({b for (_, _, b), late in zip(problem.edges, problem.delayed, strict=True) if late})
    ground = [
        (number[a], number[b]) for (_, a, b), late in zip(problem.edges, problem.delayed, strict=True) if not late
    ]
    rows, columns = np.array(ground, dtype=int).reshape(-1, 2).T
    graph = csr_array((np.ones(len(ground)), (rows, columns)), shape=(len(number), len(number)))
    hops = dijkstra(graph, directed=False, indices=[number[s] for s in stations], unweighted=True)
    weight = dict.fromkeys(stations, 0.0)
    for ends, w in zip(problem.ends, problem.weights, strict=True):
        for node in ends:
            nearest = int(np.argmin(hops[:, number[node]]))
            if np.isfinite(hops[nearest, number[node]]):
                weight[stations[nearest]] += float(w)
    least = 0.1 * min((w for w in weight.values() if w > 0), default=1.0)
    return np.array([max(weight.get(b, 0.0), least) for _, _, b in problem.edges])


BASELINES = {"by bits": greedy_by_bits, "by need": greedy_by_need, "by deficit": greedy_by_deficit}
