"""Contacts for the skies that come: the largest mean delivery over sampled skies, with a bound.

Delivery is a concave function of what is deposited, so a plan for expected key (`schedule.joint`) is optimal for a sky
that never comes, and its objective bounds the mean over skies from above (Jensen). Here each sky has a relay of its
own under one choice of contacts (sample average approximation, Kleywegt, Shapiro and Homem-de-Mello 2002). The
integer programme of some skies together proves itself; of more skies it is solved by groups, whose mean bounds the
whole (Mak, Morton and Wood 1999), for each group may choose alone what all have to share. From the best of their plans
crossing by crossing is then chosen anew for all skies, the others as they are. With a tail, part of the worth is the
mean of the worst skies; the worst of all are no better than the worst of each group, so the same bound holds.

A plan is good in the skies that it was made for. `schedule.fresh_skies` judges it in others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from eqci_space.fiber.flow_layout import MBIT
from eqci_space.fiber.key_flow import RelayProgramme
from eqci_space.fiber.key_problem import ChoiceLimit, KeyFlowProblem
from eqci_space.fiber.world_relay import WorldRelays, relay_worlds
from eqci_space.machine.solver import gap_between, maximise
from eqci_space.schedule.expected_worth import worth_of
from eqci_space.schedule.joint import JointResult, solve_joint
from eqci_space.schedule.sky_relay import SkyRelay, Tail, skies_programme, sky_relay

__all__ = ["SkyPlan", "mean_problem", "sky_worth", "solve_expected"]

# Chosen on the shipped week: 25 skies give a plan within 1 % of the last one in three seconds, and 100 skies are what
# the solver proves to 1 % at the root and some nodes.
_FIRST_SKIES = 25
_GROUP = 100
_FIRST_GAP = 0.03
_MOST_NODES, _NODE_VARIABLES = 400, 6_000_000  # of a search; fewer nodes where a node takes longer
_MOST_VARIABLES = 100_000  # of one integer programme
_ROUND_GAIN, _CROSSING_GAP, _CROSSING_NODES = 0.02, 1e-3, 50
_MOST_AT_ONCE = 4  # contacts at a time that a limit of one crossing allows; more is a quota
_TERMINALS = (1.0, 2.0)  # of a downlink to one station, and to two


@dataclass(frozen=True)
class SkyPlan:
    """A choice for many skies.

    Attributes
    ----------
    chosen : (N,) bool
    worth : WorldRelays
        Relay of the choice in the skies planned for.
    objective, bound : float
        Mean over the skies, or with a tail the mixture of mean and tail, and what no choice exceeds in these skies.
    mean_key : JointResult
        The plan for expected key that the search began from.
    nodes : int
        Of the search trees.
    group_bounds : tuple of float
        Bounds of groups of skies that were solved by themselves: independent estimates, from above, of what the best
        plan reaches in all skies there may be.
    """

    chosen: np.ndarray
    worth: WorldRelays
    objective: float
    bound: float
    mean_key: JointResult
    nodes: int
    group_bounds: tuple[float, ...] = ()

    @property
    def gap(self) -> float:
        """Distance of the bound from the objective, as a share of the bound."""
        return gap_between(self.objective, self.bound)


def mean_problem(problem: KeyFlowProblem, key_bit: np.ndarray) -> KeyFlowProblem:
    """The relay problem with the mean key of the candidates over skies (S, N) [bit]."""
    mean = key_bit.mean(axis=0)
    return replace(problem, candidate_bit=mean, deposit_bit=mean[problem.deposit_candidate])


def sky_worth(
    problem: KeyFlowProblem, chosen: np.ndarray, key_bit: np.ndarray, *, foresight: bool = True
) -> WorldRelays:
    """Relay of a choice in every sky (S, N) [bit], each solved for itself, with foresight or without."""
    mine = np.flatnonzero(chosen[problem.deposit_candidate])
    arrived = key_bit[:, problem.deposit_candidate[mine]]
    return relay_worlds(problem, problem.deposit_edge[mine], problem.deposit_bin[mine], arrived, foresight=foresight)


def solve_expected(
    problem: KeyFlowProblem,
    key_bit: np.ndarray,
    *,
    relative_gap: float = 0.01,
    tail: Tail | None = None,
    required: np.ndarray | None = None,
    barred: np.ndarray | None = None,
    known: np.ndarray | None = None,
) -> SkyPlan:
    """Choose candidates for the mean delivery over skies.

    Parameters
    ----------
    problem : KeyFlowProblem
        With candidates; their bits are those of `key_bit`.
    key_bit : (S, N) array
        Key of every candidate in every sky [bit], >= 0.
    relative_gap : float
        At which an integer programme stops; so does the whole where it can. Large problems, whose relay over
        satellites is not small, are left with the plan and the bound of the mean key.
    tail : Tail, optional
    required, barred, known : (N,) bool, optional
        As in `solve_joint`.
    """
    mean = solve_joint(
        mean_problem(problem, key_bit), relative_gap=relative_gap / 2, required=required, barred=barred, known=known
    )
    n = len(problem.candidate_bit)
    lower = np.zeros(n) if required is None else required.astype(float)
    upper = np.ones(n) if barred is None else 1.0 - barred.astype(float)
    relay, tie = _small(problem, key_bit, upper)
    bound, nodes, chosen = mean.bound, mean.nodes, mean.chosen.astype(float)
    bounds: tuple[float, ...] = ()
    if relay is not None:
        search = _Search(relay, key_bit / MBIT, lower, upper, tail)
        chosen = search.from_first_skies(chosen)
        groups = np.array_split(np.arange(len(key_bit)), -(-len(key_bit) // search.group))
        found = [search.solve(group, chosen, relative_gap) for group in groups]
        bounds = tuple(f.bound for f in found)
        bound = min(bound, float(np.average(bounds, weights=[len(g) for g in groups])))
        chosen = search.best([chosen, *(f.chosen for f in found)])
        if len(groups) > 1:
            chosen = search.by_crossings(chosen)
        nodes += search.nodes
    worth = sky_worth(problem, chosen, key_bit)
    objective = worth_of(worth.objective, tail) + float(tie @ chosen)
    return SkyPlan(chosen > 0.5, worth, objective, max(bound, objective), mean, nodes, bounds)


def _small(problem: KeyFlowProblem, key_bit: np.ndarray, upper: np.ndarray) -> tuple[SkyRelay | None, np.ndarray]:
    """The small programme of a sky, fibre at its prices where every candidate brings its mean; and the ties (N,)."""
    largest, mean = key_bit.max(axis=0), key_bit.mean(axis=0)
    clear = replace(problem, candidate_bit=mean, deposit_bit=largest[problem.deposit_candidate])
    programme = RelayProgramme(clear)
    programme.fix(np.zeros(len(mean)), np.minimum(upper, mean / np.maximum(largest, 1e-300)))
    price = programme.relax().solution.row_price
    return sky_relay(programme, price), programme.base.objective[: len(mean)]


@dataclass(frozen=True)
class _Found:
    chosen: np.ndarray
    bound: float


class _Search:
    """Integer programmes over some of the skies."""

    def __init__(
        self, relay: SkyRelay, key_mbit: np.ndarray, lower: np.ndarray, upper: np.ndarray, tail: Tail | None
    ):  # fmt: skip
        self.relay, self.key_mbit, self.lower, self.upper, self.tail = relay, key_mbit, lower, upper, tail
        self.nodes = 0
        self.width = len(relay.objective)
        self.group = max(1, min(_GROUP, _MOST_VARIABLES // max(self.width, 1)))
        self.crossings = _crossings(relay.limits, key_mbit.shape[1])

    def solve(self, skies: np.ndarray, start: np.ndarray, gap: float) -> _Found:
        """The integer programme of some skies, from a choice that fits."""
        key = self.key_mbit[skies]
        programme = skies_programme(self.relay, key, self.lower, self.upper, self.tail)
        point = maximise(skies_programme(self.relay, key, start, start, self.tail))
        # The gap is that of the whole worth; the programme lacks what is the same in every sky.
        of_part = gap * (1.0 + max(0.0, self.relay.constant) / max(point.objective, 1e-9))
        nodes = min(_MOST_NODES, max(1, _NODE_VARIABLES // len(programme.objective)))
        found = maximise(programme, relative_gap=min(of_part, 0.5), most_nodes=nodes, start=point.x)
        self.nodes += found.nodes
        return _Found(np.round(found.x[: len(start)]), found.bound + self.relay.constant)

    def from_first_skies(self, chosen: np.ndarray) -> np.ndarray:
        """The better, over all skies, of a choice and one made for the first skies."""
        skies = len(self.key_mbit)
        if skies <= 2 * _FIRST_SKIES:
            return chosen
        return self.best([chosen, self.solve(np.arange(_FIRST_SKIES), chosen, _FIRST_GAP).chosen])

    def best(self, choices: Sequence[np.ndarray]) -> np.ndarray:
        """The choice of most worth over all skies; ties go to the first."""
        return max(choices, key=self.worth)

    def worth(self, chosen: np.ndarray) -> float:
        """Worth of a choice over all skies, fibre at its prices."""
        values = []
        for key in np.array_split(self.key_mbit, -(-len(self.key_mbit) // self.group)):
            x = maximise(skies_programme(self.relay, key, chosen, chosen)).x[len(chosen) :]
            values.append(x.reshape(len(key), self.width) @ self.relay.objective)
        return worth_of(np.concatenate(values), self.tail) + float(self.relay.tie @ chosen)

    def by_crossings(self, chosen: np.ndarray) -> np.ndarray:
        """The choice with every crossing chosen anew in turn, over all skies, until a round gains little."""
        if self.width * len(self.key_mbit) > _MOST_VARIABLES:
            return chosen
        worth = self.worth(chosen)
        while True:
            reached = worth
            for crossing in self.crossings:
                lower, upper = chosen.copy(), chosen.copy()
                lower[crossing], upper[crossing] = self.lower[crossing], self.upper[crossing]
                programme = skies_programme(self.relay, self.key_mbit, lower, upper, self.tail)
                found = maximise(programme, relative_gap=_CROSSING_GAP, most_nodes=_CROSSING_NODES)
                if found.objective > worth:
                    chosen, worth = np.round(found.x[: len(chosen)]), found.objective
            if worth <= reached + _ROUND_GAIN * abs(reached):
                return chosen


def _at_once(limit: ChoiceLimit) -> float:
    """Contacts that a limit of terminals, telescopes or windows lets be at once; infinite of duties and quotas."""
    weight = limit.weight[0]
    return limit.most / weight if weight in _TERMINALS and (limit.weight == weight).all() else np.inf


def _crossings(limits: Sequence[ChoiceLimit], n: int) -> list[np.ndarray]:
    """Candidates that exclude each other, directly or through others: those of one crossing; lone ones together."""
    rows = [limit.candidates for limit in limits if _at_once(limit) <= _MOST_AT_ONCE]
    row = np.repeat(np.arange(len(rows)), [len(members) for members in rows])
    column = np.concatenate([np.empty(0, dtype=int), *rows])
    graph = coo_array((np.ones(len(row)), (row, len(rows) + column)), shape=(len(rows) + n, len(rows) + n))
    part = connected_components(graph, directed=False)[1][len(rows) :]
    _, label, count = np.unique(part, return_inverse=True, return_counts=True)
    groups = [np.flatnonzero(label == i) for i in np.flatnonzero(count > 1)]
    lone = np.flatnonzero(count[label] == 1)
    return [*groups, *([lone] if len(lone) else [])]
