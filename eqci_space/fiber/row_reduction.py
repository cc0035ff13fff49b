"""Rows of a relay programme that cannot bind, found beforehand: most edges of a backbone need no store kept.

Those are the rows of edges whose supply exceeds all that is asked, and in a chain of edges that every path uses
together those of an edge with at least the key of another.
"""

from __future__ import annotations

import numpy as np

from eqci_space.fiber.key_problem import KeyFlowProblem

__all__ = ["arriving", "stored_edges"]


def arriving(problem: KeyFlowProblem) -> np.ndarray:
    """Supply (E, T) in the bin from which it serves."""
    late = np.zeros_like(problem.supply_bit)
    late[:, 1:] = problem.supply_bit[:, :-1]
    return np.where(problem.delayed[:, None], late, problem.supply_bit)


def stored_edges(problem: KeyFlowProblem, supply: np.ndarray) -> np.ndarray:
    """Edges whose stock has to be kept: neither supplied beyond all demand, nor dominated in a chain.

    Those on which stock is wanted at the end are kept.
    """
    n = len(problem.edges)
    asked = np.zeros_like(supply)
    for rule, amount in zip(problem.rules, problem.most_bit, strict=True):
        usable = np.frombuffer(rule.arcs, dtype=bool).reshape(-1, 2).any(axis=1)
        asked[usable] += amount
    wanted = problem.target_bit > 0 if len(problem.target_bit) else np.zeros(n, dtype=bool)
    # A store cannot serve more delayed key in a bin than it holds.
    serves = np.where(problem.delayed[:, None], np.minimum(supply, problem.capacity_bit[:, None]), supply)
    needed = (asked > serves).any(axis=1) | wanted
    chain, offered = _chains(problem), np.isin(np.arange(n), problem.deposit_edge)
    life = problem.life_bins if len(problem.life_bins) else np.zeros(n, dtype=int)
    aged = np.cumsum(problem.aged_bit[:, ::-1], axis=1)  # at most so old
    ranks = np.column_stack([supply, aged, problem.capacity_bit, np.where(life > 0, life, np.inf)])
    members: dict[int, list[int]] = {}
    for e in np.flatnonzero(needed):
        rivals = members.setdefault(int(chain[e]), [])
        plain = [r for r in rivals if problem.delayed[r] == problem.delayed[e] and not offered[r]]
        if not offered[e] and not wanted[e] and any((ranks[r] <= ranks[e]).all() for r in plain):
            continue
        if not offered[e]:
            gone = {r for r in plain if not wanted[r] and (ranks[e] <= ranks[r]).all()}
            members[int(chain[e])] = rivals = [r for r in rivals if r not in gone]
        rivals.append(int(e))
    return np.array(sorted(e for rivals in members.values() for e in rivals), dtype=int)


def _chains(problem: KeyFlowProblem) -> np.ndarray:
    """Class (E,) of edges that every path uses together: they meet at nodes of two edges where no demand ends."""
    touching: dict[str, list[int]] = {}
    for e, (_, a, b) in enumerate(problem.edges):
        touching.setdefault(a, []).append(e)
        touching.setdefault(b, []).append(e)
    ends = {node for pair in problem.ends for node in pair}
    label = np.arange(len(problem.edges))

    def root(e: int) -> int:
        while label[e] != e:
            e = int(label[e])
        return e

    for node, edges in touching.items():
        if len(edges) == 2 and node not in ends:
            first, second = sorted((root(edges[0]), root(edges[1])))
            label[second] = first
    return np.array([root(e) for e in range(len(problem.edges))], dtype=int)
