"""Other goals than weighted satisfaction: the largest share that all demands get at once, and max-min fairness.

The share of a demand is what it gets over the period in parts of what it asked for. Demands without any path over
edges that ever hold key are left out first, and demands that cannot use a common edge are judged apart, so that an
island does not set everyone to zero.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eqci_space.errors import PlanError
from eqci_space.fiber.key_flow import FlowResult, Relaxation, RelayProgramme, solve_key_flow
from eqci_space.fiber.key_problem import Column, KeyFlowProblem, ShareGoal
from eqci_space.fiber.paths import cheapest_routes

__all__ = ["components", "max_concurrent", "max_min", "with_goal"]

_MOST_SHARE = 1000.0
_HAIR = 1e-9
_GAIN = 1e-6  # of a share, above the noise of tie-breaks and below what anyone would call a gain


def components(problem: KeyFlowProblem) -> np.ndarray:
    """Component (K,) of each demand: demands that may use a common edge, directly or through others, share one.

    -1 where a demand has no path over edges that ever hold key.
    """
    n = len(problem.ends)
    cost = np.where(np.repeat(_keyed(problem), 2), 1.0, np.inf)
    reached = cheapest_routes(problem.graph, problem.ends, problem.rules, range(n), cost)
    label = np.arange(n)
    owner: dict[int, int] = {}

    def root(k: int) -> int:
        while label[k] != k:
            k = int(label[k])
        return k

    for k in sorted(reached):
        for e in _usable(problem, k):
            label[root(k)] = root(owner.setdefault(int(e), k))
    found = np.full(n, -1)
    roots = sorted({root(k) for k in reached})
    for k in reached:
        found[k] = roots.index(root(k))
    return found


def _keyed(problem: KeyFlowProblem) -> np.ndarray:
    """Edges (E,) that hold key in some bin in which it serves."""
    serving = np.where(problem.delayed, problem.supply_bit[:, :-1].sum(axis=1), problem.supply_bit.sum(axis=1))
    return (serving + problem.initial_bit > 0) | np.isin(np.arange(len(problem.edges)), problem.deposit_edge)


def _usable(problem: KeyFlowProblem, k: int) -> np.ndarray:
    """Edges of the part of the graph that a demand's rule leaves connected to its first end."""
    tail, head = problem.graph.tail_head
    arcs = np.flatnonzero(np.frombuffer(problem.rules[k].arcs, dtype=bool) & np.repeat(_keyed(problem), 2))
    reached = {problem.graph.number[problem.ends[k][0]]}
    grown = True
    while grown:
        inside = np.isin(tail[arcs], list(reached))
        new = set(head[arcs[inside]].tolist()) - reached
        reached |= new
        grown = bool(new)
    return np.unique(arcs[np.isin(tail[arcs], list(reached))] >> 1)


def with_goal(problem: KeyFlowProblem, objective: str) -> KeyFlowProblem:
    """The problem of choosing contacts for an objective of relay.

    Under ``max_concurrent`` and ``max_min`` the smallest share of each component counts, under the former beyond the
    ask; what max-min fairness settles after the smallest share does not steer the choice. ``weighted`` changes nothing.
    """
    if objective == "weighted":
        return problem
    group = components(problem)
    most = _MOST_SHARE if objective == "max_concurrent" else 1.0
    return replace(problem, share_goal=ShareGoal(group, np.zeros(len(group)), most))


def max_concurrent(problem: KeyFlowProblem) -> tuple[FlowResult, np.ndarray]:
    """Largest share that all demands of a component get at once, up to 1000.

    Returns
    -------
    FlowResult
        Its objective is the sum of the shares over the components.
    share : (K,) array
        Of each demand's component; 0 for demands without a path.
    """
    group = components(problem)
    goal = ShareGoal(group, np.zeros(len(group)), _MOST_SHARE)
    programme = RelayProgramme(replace(problem, share_goal=goal))
    flow = programme.flow(programme.relax())
    share = flow.delivered_bit(len(group)) / problem.asked_bit.sum(axis=1)
    least = [share[group == g].min() for g in range(group.max() + 1)]
    shares = np.array([least[g] if g >= 0 else 0.0 for g in group])
    return flow, shares


def max_min(problem: KeyFlowProblem) -> tuple[FlowResult, np.ndarray]:
    """Lexicographic max-min: no demand's share, at most 1, can rise without that of one served worse falling.

    Each round raises the smallest share of the demands that are not settled, then settles those that cannot have more
    while all others keep that share. Which those are is found by raising the sum of their shares: who gains is not
    settled, and when nobody gains the rest is (water filling; Radunović and Le Boudec 2007, IEEE/ACM Trans. Netw. 15,
    1073). Prices of rows would not tell, for those of small demands are smaller than ties.

    Returns
    -------
    FlowResult
        Objective: sum of the shares; bound: sum over the demands of the bounds of the rounds that settled them.
    share : (K,) array
    """
    active = components(problem) >= 0
    floor, bound = np.zeros(len(active)), np.zeros(len(active))
    known: list[Column] = []
    rounds, flow = 0, solve_key_flow(replace(problem, asked_bit=np.zeros_like(problem.asked_bit)))
    while active.any():
        programme, relaxed = _raised(problem, np.where(active, 0, -1), floor, known)
        share, known = float(programme.shares(relaxed.solution)[0]), list(programme.columns)
        stuck = active.copy()
        # A hair below the optimum keeps the next programmes feasible in floating point.
        floor = np.where(active, min(share, 1.0) * (1 - _HAIR), floor)
        bound = np.where(active, min(1.0, share + relaxed.bound - relaxed.objective), bound)
        rounds += relaxed.rounds
        while stuck.any():
            own = np.where(stuck, np.cumsum(stuck) - 1, -1)
            programme, relaxed = _raised(problem, own, floor, known)
            known, rounds = list(programme.columns), rounds + relaxed.rounds
            gains = np.zeros(len(active), dtype=bool)
            gains[stuck] = programme.shares(relaxed.solution) > share + _GAIN
            if not gains.any() or share >= 1 - _GAIN:
                break
            stuck &= ~gains
        if not stuck.any():
            raise PlanError("max_min: no demand limits the smallest share; the programme is degenerate")
        active &= ~stuck
        paths = programme.paths(relaxed.solution)
        flow = FlowResult(paths, float(floor.sum()), float(bound.sum()), rounds, relaxed.edge_price)
    return flow, floor


def _raised(
    problem: KeyFlowProblem, group: np.ndarray, floor: np.ndarray, known: list[Column]
) -> tuple[RelayProgramme, Relaxation]:
    """The programme that raises the smallest share of each group above given floors, and its optimum."""
    programme = RelayProgramme(replace(problem, share_goal=ShareGoal(group, floor, 1.0)), known=known)
    return programme, programme.relax()
