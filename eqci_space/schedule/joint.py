"""Joint optimum of contacts and relay: a bound by column generation, plans by rounding, and proof by branching.

The linear relaxation over all paths gives the bound. A plan comes from rounding it: contacts in the order of their
value in the relaxation, each taken if the limits leave room, relay solved anew. Where the programme is small, an
integer programme over the paths found improves the plan, one with fibre at its price bounds it, and branch and price
closes what gap is left: every node of the tree is a relaxation with some contacts fixed, priced to the end. Searches
stop on a gap or on a count of nodes, never on the clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eqci_space.errors import InfeasibleError
from eqci_space.fiber.key_flow import LOOSE_GAP, FlowResult, Relaxation, RelayProgramme
from eqci_space.fiber.key_problem import ChoiceLimit, Column, KeyFlowProblem
from eqci_space.machine.solver import gap_between, maximise
from eqci_space.schedule.certificate import fibre_priced_bound

__all__ = ["JointResult", "greedy_choice", "solve_joint", "value_of_choice"]

# Chosen on the shipped scenarios and on instances of 10 to 20 satellites over 30 stations: below them results do not
# change, beyond them they take longer and gain less than the gap that is asked for.
_WHOLE = 1e-6  # of a whole number, the feasibility tolerance of the solver
_EARLY_GAP = 5e-3  # at which a relaxation still spreads over more candidates than its optimum takes
_STALLED = 1e-5  # part of the objective by which three rounds must raise it
_POLISH_NODES = 2_000
_BRANCHES = 1_000
_FEWEST_NODES = 20
_PROVEN_BELOW = 4_000  # variables up to which a proof is tried
_NODES_TIMES_VARIABLES = 1_000_000  # a budget of work: nodes of larger programmes take longer
_TRIES = 4  # rounds of integer programmes, each over the paths that the one before called for


@dataclass(frozen=True)
class JointResult:
    """Chosen candidates (N,) bool, relay under them, bound over all choices, and what it took."""

    chosen: np.ndarray
    flow: FlowResult
    objective: float
    bound: float
    rounds: int
    nodes: int

    @property
    def gap(self) -> float:
        """Relative distance of the bound from the objective."""
        return gap_between(self.objective, self.bound)


class _Search:
    """A relay programme, the best choice so far and its objective."""

    def __init__(self, problem: KeyFlowProblem, lower: np.ndarray, upper: np.ndarray, relative_gap: float):
        self.problem, self.lower, self.upper = problem, lower, upper
        self.programme = RelayProgramme(problem)
        self.loose = max(LOOSE_GAP, relative_gap / 2)
        self.root_objective = np.inf
        self.small = not self.programme.interior
        self.best = -np.inf
        self.chosen = np.zeros(len(problem.candidate_bit))
        self.relaxed: Relaxation | None = None
        self.paths: list = []
        self.rounds = 0

    def relax(
        self, lower: np.ndarray, upper: np.ndarray, *, cutoff: float = -np.inf, enough: float | None = None
    ) -> Relaxation:
        """The relaxation between bounds; that of a large programme to a gap, by default the search's."""
        return self._relax(lower, upper, **({"cutoff": cutoff} if self.small else {"enough": enough or self.loose}))

    def _relax(self, lower: np.ndarray, upper: np.ndarray, **until: float) -> Relaxation:
        self.programme.fix(lower, upper)
        relaxed = self.programme.relax(**until)
        self.rounds += relaxed.rounds
        return relaxed

    def try_choice(self, chosen: np.ndarray) -> None:
        """Solve relay under a choice, and keep it if it is the best; a large programme until it is near the root's."""
        goal = self.root_objective - self.loose * abs(self.root_objective) / 4
        near = {} if self.small else {"goal": goal, "stalled": _STALLED}
        relaxed = self._relax(chosen, chosen, **near)
        if relaxed.objective > self.best * (1 + 1e-12):
            self.best, self.chosen, self.relaxed = relaxed.objective, chosen, relaxed
            self.paths = self.programme.paths(relaxed.solution)


def solve_joint(
    problem: KeyFlowProblem,
    *,
    relative_gap: float = 1e-4,
    required: np.ndarray | None = None,
    barred: np.ndarray | None = None,
    known: np.ndarray | None = None,
) -> JointResult:
    """Choose candidates and relay their key.

    Parameters
    ----------
    problem : KeyFlowProblem
    relative_gap : float
        At which the search stops. Programmes of more than 4,000 variables are left at a gap of a percent, or with the
        gap that rounding and one integer programme reach.
    required, barred : (N,) bool, optional
        Candidates that are taken, or are not.
    known : (N,) bool, optional
        A choice to start from, such as that of an earlier plan, which gains what has room beside it; left aside where
        it no longer fits.

    Raises
    ------
    InfeasibleError
        The candidates required exceed a limit.
    """
    n = len(problem.candidate_bit)
    lower = np.zeros(n) if required is None else required.astype(float)
    upper = np.ones(n) if barred is None else 1.0 - barred.astype(float)
    search = _Search(problem, lower, upper, relative_gap)
    early = None if search.small else search.relax(lower, upper, enough=max(_EARLY_GAP, search.loose))
    root = early if early and search.loose >= _EARLY_GAP else search.relax(lower, upper)
    search.root_objective = root.objective
    bound, nodes, certified = root.bound, 1, np.inf
    search.try_choice(_rounded(root.solution.x[:n], root, problem, lower, upper))
    open_gap = search.small or not _closed(search, bound, relative_gap)
    if known is not None and open_gap and _fits(known.astype(float), problem.limits, lower, upper):
        search.try_choice(_rounded(root.solution.x[:n], root, problem, np.maximum(lower, known), upper))
    proven = len(search.programme.base.objective) <= _PROVEN_BELOW
    if not _closed(search, bound, relative_gap) and proven:
        for _ in range(_TRIES):
            before = search.best
            _polish(search, relative_gap)
            if not np.isfinite(certified) or search.best > before:
                certified = min(certified, _certified(search, root, relative_gap))
            bound = min(bound, certified)
            if _closed(search, bound, relative_gap) or search.best <= before * (1 + 1e-9):
                break
        if not _closed(search, bound, relative_gap):
            branched, nodes = _branch(search, root, relative_gap)
            bound = min(bound, branched)
    elif not _closed(search, bound, max(10 * LOOSE_GAP, relative_gap)):
        _polish_large(search, early or root)
    assert search.relaxed is not None
    bound = max(bound, search.best)
    flow = FlowResult(search.paths, search.best, bound, search.rounds, search.relaxed.edge_price)
    return JointResult(search.chosen > 0.5, flow, search.best, bound, search.rounds, nodes)


def value_of_choice(problem: KeyFlowProblem, chosen: np.ndarray, *, paths: Sequence[Column] = ()) -> FlowResult:
    """Relay under a fixed choice of candidates; `paths` to start from save rounds of pricing."""
    programme = RelayProgramme(problem, known=paths)
    programme.fix(chosen.astype(float), chosen.astype(float))
    return programme.settled()


def greedy_choice(order: np.ndarray, n: int, limits: list[ChoiceLimit], lower: np.ndarray | None = None) -> np.ndarray:
    """Candidates (n,) taken in an order, each if the limits leave room; those in `lower` first."""
    chosen = np.zeros(n) if lower is None else lower.astype(float)
    of_candidate: list[list[tuple[int, float]]] = [[] for _ in range(n)]
    for i, limit in enumerate(limits):
        for candidate, weight in zip(limit.candidates.tolist(), limit.weight.tolist(), strict=True):
            of_candidate[candidate].append((i, weight))
    room = np.array([limit.most - limit.weight @ chosen[limit.candidates] for limit in limits])
    for candidate in order.tolist():
        if not chosen[candidate] and all(weight <= room[i] + 1e-9 for i, weight in of_candidate[candidate]):
            chosen[candidate] = 1.0
            for i, weight in of_candidate[candidate]:
                room[i] -= weight
    return chosen


def _fits(chosen: np.ndarray, limits: list[ChoiceLimit], lower: np.ndarray, upper: np.ndarray) -> bool:
    """Whether a choice keeps to the limits and to what is required or barred."""
    within = all(limit.weight @ chosen[limit.candidates] <= limit.most + 1e-9 for limit in limits)
    return within and bool((chosen >= lower).all() and (chosen <= upper).all())


def _closed(search: _Search, bound: float, relative_gap: float) -> bool:
    return bool(np.isfinite(bound)) and bound - search.best <= relative_gap * max(abs(bound), 1e-12)


def _rounded(
    x: np.ndarray, relaxed: Relaxation, problem: KeyFlowProblem, lower: np.ndarray, upper: np.ndarray
) -> np.ndarray:
    """Choice by falling value in the relaxation, then by the worth of the key at its prices, then by key."""
    worth = np.zeros(len(x))
    serves = problem.deposit_bin + problem.delayed[problem.deposit_edge]
    inside = serves < relaxed.edge_price.shape[1]
    price = relaxed.edge_price[problem.deposit_edge[inside], serves[inside]]
    np.add.at(worth, problem.deposit_candidate[inside], price * problem.deposit_bit[inside])
    order = np.lexsort((-problem.candidate_bit, -worth, -np.round(x, 3)))
    return greedy_choice(order[upper[order] > 0.5], len(x), problem.limits, lower)


def _polish(search: _Search, relative_gap: float) -> None:
    """Integer programme over the paths found; the paths of its choice may make another choice better the next time."""
    search.programme.fix(search.lower, search.upper)
    mixed = search.programme.integer_programme()
    found = maximise(mixed, relative_gap=0.5 * relative_gap, most_nodes=_nodes(search, _POLISH_NODES))
    search.try_choice(np.round(found.x[: len(search.problem.candidate_bit)]))


def _nodes(search: _Search, most: int) -> int:
    """Fewer nodes for larger programmes, whose nodes take longer."""
    return max(_FEWEST_NODES, min(most, _NODES_TIMES_VARIABLES // len(search.programme.base.objective)))


def _certified(search: _Search, root: Relaxation, relative_gap: float) -> float:
    """Bound of the programme with fibre at its prices in the relaxation, then in the best plan."""
    bound = np.inf
    for relaxed in (root, search.relaxed):
        if relaxed is None or _closed(search, bound, relative_gap):
            break
        search.programme.fix(search.lower, search.upper)
        price = relaxed.solution.row_price
        bound = min(bound, fibre_priced_bound(search.programme, price, relative_gap=0.5 * relative_gap))
    return float(bound)


def _polish_large(search: _Search, early: Relaxation) -> None:
    """The same for large programmes, with the candidates fixed that a relaxation takes or leaves whole.

    One that was left early spreads over more candidates than its optimum, which leaves more to choose from.
    """
    n = len(search.problem.candidate_bit)
    x = early.solution.x[:n]
    search.programme.fix(np.where(x > 0.99, 1.0, search.lower), np.where(x < 0.01, 0.0, search.upper))
    found = maximise(
        search.programme.integer_programme(), relative_gap=LOOSE_GAP, most_nodes=_nodes(search, _POLISH_NODES)
    )
    search.try_choice(np.round(found.x[:n]))


def _branch(search: _Search, root: Relaxation, relative_gap: float) -> tuple[float, int]:
    """Branch and price, best bound first: the bound proven and the nodes it took."""
    n = len(search.problem.candidate_bit)
    rivals = _rivals(search.problem.limits, n)
    heap: list[tuple[float, int, np.ndarray, np.ndarray]] = [(-root.bound, 0, search.lower, search.upper)]
    count = nodes = 0
    most = _nodes(search, _BRANCHES)
    left = -np.inf  # largest bound of the nodes that are not searched further
    while heap:
        bound = max(-heap[0][0], left)
        if nodes >= most or _closed(search, bound, relative_gap):
            return bound, nodes
        _, _, lower, upper = heapq.heappop(heap)
        nodes += 1
        target = search.best + relative_gap * max(abs(search.best), 1e-12)
        try:
            relaxed = search.relax(lower, upper, cutoff=target)
        except InfeasibleError:
            continue
        if relaxed.bound <= target:
            left = max(left, relaxed.bound)
            continue
        x = relaxed.solution.x[:n]
        distance = np.minimum(x, 1 - x)
        if distance.max() <= _WHOLE:
            search.try_choice(np.round(x))
            left = max(left, relaxed.bound)
            continue
        candidate = int(np.argmax(distance))
        for value in (1.0, 0.0):
            low, high = lower.copy(), upper.copy()
            low[candidate] = high[candidate] = value
            if value:
                high[rivals[candidate]] = low[rivals[candidate]]
            count += 1
            heapq.heappush(heap, (-relaxed.bound, count, low, high))
    return max(search.best, left), nodes


def _rivals(limits: list[ChoiceLimit], n: int) -> list[np.ndarray]:
    """Candidates that a taken one excludes: those that fill a limit of one with it."""
    found: list[set[int]] = [set() for _ in range(n)]
    for limit in limits:
        if len(limit.candidates) and 2 * limit.weight.min() > limit.most:
            for candidate in limit.candidates.tolist():
                found[candidate].update(limit.candidates.tolist())
    return [np.array(sorted(others - {i}), dtype=int) for i, others in enumerate(found)]
