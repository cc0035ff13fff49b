"""Contacts for the skies that come: the largest mean delivery over sampled skies, with a bound.

Delivery is a concave function of what is deposited, so a plan for expected key (`schedule.joint`) is optimal for a sky
that never comes, and its objective bounds the mean over skies from above (Jensen). Here each sky has a relay of its
own under one choice of contacts (sample average approximation, Kleywegt, Shapiro and Homem-de-Mello 2002). The
integer programme of some skies together proves itself; of more skies it is solved by groups, whose mean bounds the
whole (Mak, Morton and Wood 1999), for each group may choose alone what all have to share. The plans of the groups meet
in a programme over all skies that may take any contact one of them took. With a tail, part of the worth is the mean of
the worst skies; the worst of all are no better than the worst of each group, so the same bound holds.

A plan is good in the skies that it was made for. `schedule.fresh_skies` judges it in others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from eqci_space.fiber.flow_layout import MBIT
from eqci_space.fiber.key_flow import RelayProgramme
from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.machine.solver import gap_between, maximise
from eqci_space.schedule.joint import JointResult, solve_joint
from eqci_space.schedule.sky_relay import SkyRelay, Tail, skies_programme, sky_relay

__all__ = ["SkyPlan", "SkyWorth", "mean_problem", "sky_worth", "solve_expected", "worth_of"]

# Chosen on the shipped week: 25 skies give a plan within 1 % of the last one in three seconds, and 100 skies are what
# the solver proves to 1 % at the root and some nodes.
_FIRST_SKIES = 25
_GROUP = 100
_FIRST_GAP = 0.01
_MOST_NODES = 400
_MOST_VARIABLES = 400_000  # of one integer programme


@dataclass(frozen=True)
class SkyWorth:
    """Relay of a choice in every sky: objective (S,) and bits that each demand gets (S, K)."""

    objective: np.ndarray
    delivered_bit: np.ndarray


@dataclass(frozen=True)
class SkyPlan:
    """A choice for many skies.

    Attributes
    ----------
    chosen : (N,) bool
    worth : SkyWorth
        In the skies planned for.
    objective, bound : float
        Mean over the skies, or with a tail the mixture of mean and tail, and what no choice exceeds in these skies.
    mean_key : JointResult
        The plan for expected key that the search began from.
    nodes : int
        Of the search trees.
    """

    chosen: np.ndarray
    worth: SkyWorth
    objective: float
    bound: float
    mean_key: JointResult
    nodes: int

    @property
    def gap(self) -> float:
        """Distance of the bound from the objective, as a share of the bound."""
        return gap_between(self.objective, self.bound)


def mean_problem(problem: KeyFlowProblem, key_bit: np.ndarray) -> KeyFlowProblem:
    """The relay problem with the mean key of the candidates over skies (S, N) [bit]."""
    mean = key_bit.mean(axis=0)
    return replace(problem, candidate_bit=mean, deposit_bit=mean[problem.deposit_candidate])


def worth_of(objective: np.ndarray, tail: Tail | None) -> float:
    """Mean over skies; with a tail, the mixture of it and the mean of the worst part of the skies.

    A sky that the part cuts counts with what is left of the part (Rockafellar and Uryasev 2000).
    """
    mean = float(objective.mean())
    if tail is None:
        return mean
    skies = len(objective)
    weight = np.clip(tail.part * skies - np.arange(skies), 0.0, 1.0)
    return (1 - tail.share) * mean + tail.share * float(weight @ np.sort(objective)) / (tail.part * skies)


def sky_worth(problem: KeyFlowProblem, chosen: np.ndarray, key_bit: np.ndarray) -> SkyWorth:
    """Relay of a choice in every sky, each solved for itself with the sky known (S, N) [bit].

    One programme serves all skies: a contact brings in each the part of its largest key that the sky leaves. Large
    programmes are solved to a gap of 1e-3, from below.
    """
    taken, largest = np.flatnonzero(chosen), key_bit.max(axis=0)
    mine = np.flatnonzero(np.isin(problem.deposit_candidate, taken))
    number = np.searchsorted(taken, problem.deposit_candidate[mine])
    programme = RelayProgramme(replace(
        problem, candidate_bit=np.zeros(len(taken)), candidate_worth=np.empty(0), limits=[],
        deposit_candidate=number, deposit_edge=problem.deposit_edge[mine], deposit_bin=problem.deposit_bin[mine],
        deposit_bit=largest[taken][number],
    ))  # fmt: skip
    part = key_bit[:, taken] / np.maximum(largest[taken], 1e-300)
    objective, delivered = np.empty(len(key_bit)), np.zeros((len(key_bit), len(problem.ends)))
    for sky, left in enumerate(part):
        programme.fix(left, left)
        flow = programme.settled()
        objective[sky], delivered[sky] = flow.objective, flow.delivered_bit(len(problem.ends))
    return SkyWorth(objective, delivered)


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
    if relay is not None:
        search = _Search(relay, key_bit / MBIT, lower, upper, tail)
        chosen = search.from_first_skies(chosen)
        groups = np.array_split(np.arange(len(key_bit)), -(-len(key_bit) // search.group))
        found = [search.solve(group, chosen, relative_gap) for group in groups]
        bound = min(bound, float(np.average([f.bound for f in found], weights=[len(g) for g in groups])))
        chosen = search.joined([mean.chosen.astype(float), chosen, *(f.chosen for f in found)], relative_gap)
        nodes += search.nodes
    worth = sky_worth(problem, chosen, key_bit)
    objective = worth_of(worth.objective, tail) + float(tie @ chosen)
    return SkyPlan(chosen > 0.5, worth, objective, max(bound, objective), mean, nodes)


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

    def solve(self, skies: np.ndarray, start: np.ndarray, gap: float, upper: np.ndarray | None = None) -> _Found:
        """The integer programme of some skies, from a choice that fits."""
        top = self.upper if upper is None else upper
        key = self.key_mbit[skies]
        programme = skies_programme(self.relay, key, self.lower, top, self.tail)
        point = maximise(skies_programme(self.relay, key, start, start, self.tail))
        # The gap is that of the whole worth; the programme lacks what is the same in every sky.
        of_part = gap * (1.0 + max(0.0, self.relay.constant) / max(point.objective, 1e-9))
        found = maximise(programme, relative_gap=min(of_part, 0.5), most_nodes=_MOST_NODES, start=point.x)
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

    def joined(self, choices: Sequence[np.ndarray], gap: float) -> np.ndarray:
        """A choice over all skies among the candidates that any of the choices took; one group has it already."""
        best = self.best(choices)
        skies = len(self.key_mbit)
        if skies <= self.group or self.width * skies > _MOST_VARIABLES:
            return best
        any_taken = np.minimum(self.upper, np.max(choices, axis=0))
        return self.best([best, self.solve(np.arange(skies), best, gap / 4, any_taken).chosen])
