"""The records of a relay problem: edges with stores, demands with rules, candidates to choose from; bits, bins."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from eqci_space.fiber.paths import KeyGraph, PathRule, Route

__all__ = ["ChoiceLimit", "Column", "KeyFlowProblem", "ShareGoal"]

Column = tuple[int, int, Route]
"""A path of the programme: demand, bin and route."""


@dataclass(frozen=True)
class ChoiceLimit:
    """A limit on chosen candidates, ``Σ weight · chosen <= most``, and what it stands for."""

    candidates: np.ndarray
    weight: np.ndarray
    most: float
    name: str = ""


@dataclass(frozen=True)
class ShareGoal:
    """Instead of weighted satisfaction: raise the smallest share of what is asked over the period, in each group.

    Attributes
    ----------
    group : (K,) int
        Group of each demand, or -1 for those that do not count.
    floor : (K,)
        Share that a demand gets whatever else happens.
    most : float
        Largest share that counts.
    """

    group: np.ndarray
    floor: np.ndarray
    most: float


def _none(*shape: int, kind: type = float) -> np.ndarray:
    return np.empty(shape, dtype=kind)


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
    vintage_bit : (E, V)
        Parts of the stock at the start by the bin of their arrival, that of the bin before the first last; without
        them all of it arrived in the bin before.
    kinds : (E,) text
        What each edge is (`fiber.edges`), for the tables made of a solution.
    ends : list of (node, node) per demand
    weights : (K,)
    asked_bit : (K, T)
    rules : list of PathRule
        Per demand.
    life_bins : (E,) int
        Key that arrived in bin d can be used until bin d + life; 0 for no limit.
    parent_bin : (T,) int
        Bin of the plan that each bin is a part of, where outages split bins; each its own if empty. Lives count these.
    closed : (E, T) bool
        Bins in which no key passes an edge; its stock is kept.
    quota_of_arc : (2E,) int
        Quota that key along an arc counts against, or -1; arcs beyond the array have none.
    quota_bit : (Q, T)
    candidate_bit : (N,)
        Key of each deposit that can be chosen, for ties.
    candidate_worth : (N,)
        Worth of choosing each candidate, beside what its key is worth; none if empty.
    deposit_candidate, deposit_edge, deposit_bin, deposit_bit : (M,)
        What a chosen candidate deposits; one may deposit on several edges.
    limits : list of ChoiceLimit
    target_bit, target_worth : (E,)
        Stock wanted at the end, and what each Mbit of it is worth.
    share_goal : ShareGoal, optional
        Another objective than weighted satisfaction.
    """

    edges: list[tuple[str, str, str]]
    delayed: np.ndarray
    supply_bit: np.ndarray
    initial_bit: np.ndarray
    capacity_bit: np.ndarray
    ends: list[tuple[str, str]]
    weights: np.ndarray
    asked_bit: np.ndarray
    rules: list[PathRule]
    vintage_bit: np.ndarray = field(default_factory=lambda: _none(0, 0))
    kinds: np.ndarray = field(default_factory=lambda: _none(0, kind=str))
    life_bins: np.ndarray = field(default_factory=lambda: _none(0, kind=int))
    parent_bin: np.ndarray = field(default_factory=lambda: _none(0, kind=int))
    closed: np.ndarray = field(default_factory=lambda: _none(0, 0, kind=bool))
    quota_of_arc: np.ndarray = field(default_factory=lambda: _none(0, kind=int))
    quota_bit: np.ndarray = field(default_factory=lambda: _none(0, 0))
    candidate_bit: np.ndarray = field(default_factory=lambda: _none(0))
    candidate_worth: np.ndarray = field(default_factory=lambda: _none(0))
    deposit_candidate: np.ndarray = field(default_factory=lambda: _none(0, kind=int))
    deposit_edge: np.ndarray = field(default_factory=lambda: _none(0, kind=int))
    deposit_bin: np.ndarray = field(default_factory=lambda: _none(0, kind=int))
    deposit_bit: np.ndarray = field(default_factory=lambda: _none(0))
    limits: list[ChoiceLimit] = field(default_factory=list)
    target_bit: np.ndarray = field(default_factory=lambda: _none(0))
    target_worth: np.ndarray = field(default_factory=lambda: _none(0))
    share_goal: ShareGoal | None = None

    @property
    def aged_bit(self) -> np.ndarray:
        """Stock at the start (E, V) by the bin of its arrival, newest last."""
        return self.vintage_bit if self.vintage_bit.size else self.initial_bit[:, None]

    @property
    def most_bit(self) -> np.ndarray:
        """Largest delivery (K, T) that counts."""
        return self.asked_bit * (self.share_goal.most if self.share_goal else 1.0)

    @cached_property
    def edge_number(self) -> dict[str, int]:
        """Row of every edge, by id."""
        return {edge: i for i, (edge, _, _) in enumerate(self.edges)}

    @cached_property
    def graph(self) -> KeyGraph:
        """Nodes and arcs."""
        return KeyGraph(tuple(self.edges))
