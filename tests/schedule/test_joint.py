"""Joint choice of contacts against enumeration of every choice, each relayed by a linear programme written here."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog

from eqci_space.errors import InfeasibleError
from eqci_space.fiber import key_flow
from eqci_space.fiber.key_flow import edge_cost, solve_key_flow
from eqci_space.fiber.key_problem import ChoiceLimit, KeyFlowProblem
from eqci_space.fiber.paths import PathRule
from eqci_space.schedule import joint
from eqci_space.schedule.joint import greedy_choice, solve_joint, value_of_choice

MBIT = 1e6
WORTH = np.array([1.0, 0.5, 0.2]) / (1.7 / 3)
EDGES = [("s-g0", "s", "g0"), ("s-g1", "s", "g1"), ("s-g2", "s", "g2"), ("fibre", "g0", "g1")]
DEMANDS = [("g0", "g1"), ("g1", "g2"), ("g0", "g2")]
ROUTES = [[[0, 1], [3]], [[1, 2], [3, 0, 2]], [[0, 2], [3, 1, 2]]]  # of each demand, as edges: all simple paths
BINS = 3


def random_offers(seed, *, most=10, weighted=False):
    """Three stations, one satellite: offers of some key, of which limits exclude most together."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(6, most + 1))
    offer_bin = np.sort(rng.integers(0, BINS - 1, n))
    limits = [ChoiceLimit(c, np.ones(len(c)), 1.0) for c in np.array_split(np.arange(n), 3)]
    if weighted:  # time on the terminal: no pair of offers excludes another by itself
        time = rng.uniform(0.4, 1.2, n)
        limits = [ChoiceLimit(c, time[c], 1.5) for c in np.array_split(np.arange(n), 2)]
    bits = rng.uniform(0.2, 4, n) * MBIT
    supply = np.zeros((4, BINS))
    supply[3] = rng.uniform(0, 0.5, BINS) * MBIT
    return KeyFlowProblem(
        edges=EDGES, delayed=np.array([True, True, True, False]), supply_bit=supply, initial_bit=np.zeros(4),
        capacity_bit=np.full(4, 1e12), ends=DEMANDS, weights=rng.uniform(0.5, 2, 3),
        asked_bit=rng.uniform(0.5, 3, (3, BINS)) * MBIT, rules=[PathRule(np.ones(8, dtype=bool).tobytes())] * 3,
        candidate_bit=bits, deposit_candidate=np.arange(n), deposit_edge=rng.integers(0, 3, n), deposit_bin=offer_bin,
        deposit_bit=bits, limits=limits,
    )  # fmt: skip


class Relay:
    """Value of a choice by one linear programme of stocks, thirds and enumerated routes; only its right side moves."""

    def __init__(self, p):
        cost, columns, self.p = key_flow._cost_scale(p)[:, None] * edge_cost(p), [], p
        stock = {(e, t): i for i, (e, t) in enumerate(itertools.product(range(4), range(BINS)))}
        worth, top = [0.0] * len(stock), [np.inf] * len(stock)
        for k, t in itertools.product(range(3), range(BINS)):
            columns += [("third", k, t, i) for i in range(3)] + [("route", k, t, tuple(r)) for r in ROUTES[k]]
            worth += [p.weights[k] * w / (p.asked_bit[k, t] / MBIT) for w in WORTH] + [
                -sum(cost[k, r]) for r in ROUTES[k]
            ]
            top += [p.asked_bit[k, t] / MBIT / 3] * 3 + [np.inf] * len(ROUTES[k])
        self.matrix = np.zeros((12 + 9, len(worth)))
        for (e, t), i in stock.items():
            self.matrix[e * BINS + t, i] = 1.0
            if t:
                self.matrix[e * BINS + t, i - 1] = -1.0
        for j, (kind, k, t, what) in enumerate(columns, start=len(stock)):
            self.matrix[12 + k * BINS + t, j] = 1.0 if kind == "third" else -1.0
            if kind == "route":
                self.matrix[[e * BINS + t for e in what], j] += 1.0
        self.worth, self.bounds = np.array(worth), [(0.0, x) for x in top]

    def value(self, chosen):
        p = self.p
        arrives = np.zeros((4, BINS))
        arrives[3] = p.supply_bit[3] / MBIT
        for i in np.flatnonzero(chosen):
            if p.deposit_bin[i] + 1 < BINS:
                arrives[p.deposit_edge[i], p.deposit_bin[i] + 1] += p.deposit_bit[i] / MBIT
        side = np.append(arrives.ravel(), np.zeros(9))
        found = linprog(-self.worth, A_ub=self.matrix, b_ub=side, bounds=self.bounds, method="highs")
        assert found.status == 0
        return -found.fun + 1e-4 * float(np.dot(chosen, p.candidate_bit)) / p.candidate_bit.sum()


def fits(p, chosen):
    return all(limit.weight @ chosen[limit.candidates] <= limit.most + 1e-9 for limit in p.limits)


def best_choice(p, required, barred):
    """Largest value over all choices that fit; more key never hurts, so those that leave no room are enough."""
    n, best = len(p.candidate_bit), -np.inf
    relay = Relay(p)
    fitting = [
        c for c in map(np.array, itertools.product((0.0, 1.0), repeat=n))
        if fits(p, c) and (c[required] == 1).all() and (c[barred] == 0).all()
    ]  # fmt: skip
    for c in fitting:
        more = [c + np.eye(n)[i] for i in np.flatnonzero((c == 0) & ~barred)]
        if not any(fits(p, bigger) for bigger in more):
            best = max(best, relay.value(c))
    return best


def nothing(p):
    return np.zeros(len(p.candidate_bit), dtype=bool)


def check(p, required, barred, **options):
    result = solve_joint(p, relative_gap=1e-7, required=required, barred=barred, **options)
    best = best_choice(p, required, barred)
    assert fits(p, result.chosen.astype(float))
    assert result.chosen[required].all()
    assert not result.chosen[barred].any()
    assert result.objective == pytest.approx(best, rel=1e-6)
    assert result.bound >= best - 1e-7
    assert result.gap <= 1e-6
    assert result.objective == pytest.approx(Relay(p).value(result.chosen), rel=1e-6)
    return result


@pytest.mark.parametrize("seed", range(20))
def test_choice_is_that_of_the_enumeration(seed):
    p = random_offers(seed, most=12)
    check(p, nothing(p), nothing(p))


@pytest.mark.parametrize("seed", range(14))
def test_weighted_limits_equal_the_enumeration(seed):
    p = random_offers(200 + seed, most=9, weighted=True)
    check(p, nothing(p), nothing(p))


@pytest.mark.parametrize("seed", range(10))
def test_required_and_barred_offers_are_kept_to(seed):
    """The poorest offer of the first limit is required, the one that a free search likes best is barred."""
    p = random_offers(300 + seed)
    free = solve_joint(p, relative_gap=1e-7)
    barred, required = nothing(p), nothing(p)
    group = p.limits[0].candidates
    required[group[np.argmin(p.candidate_bit[group])]] = True
    taken = np.flatnonzero(free.chosen & ~required)
    barred[taken[np.argmax(p.candidate_bit[taken])]] = True
    result = check(p, required, barred)
    assert result.objective <= free.objective + 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_branching_alone_reaches_the_optimum(seed, monkeypatch):
    """Without rounding well and without polishing, branch and price still finds and proves the best choice."""
    monkeypatch.setattr(joint, "_polish", lambda *_: None)
    monkeypatch.setattr(joint, "_rounded", lambda x, relaxed, problem, lower, upper: lower.astype(float))
    p = random_offers(200 + seed, most=8, weighted=True)
    result = check(p, nothing(p), nothing(p))
    assert result.nodes > 1


@pytest.mark.parametrize("gap", [0.3, 0.1, 0.01])
def test_bound_holds_whatever_gap_stops_the_search(gap, monkeypatch):
    """A search that gives up early, from a bad start, must not claim that its plan is optimal."""
    monkeypatch.setattr(joint, "_polish", lambda *_: None)
    monkeypatch.setattr(joint, "_rounded", lambda x, relaxed, problem, lower, upper: lower.astype(float))
    for seed in (400, 402, 407, 424, 535):
        p = random_offers(seed, most=8, weighted=True)
        best = best_choice(p, nothing(p), nothing(p))
        result = solve_joint(p, relative_gap=gap)
        assert result.bound >= best - 1e-7
        assert result.objective <= best + 1e-7
        assert result.gap <= gap * (1 + 1e-6)


def test_search_starts_from_a_known_choice_and_ignores_one_that_does_not_fit(monkeypatch):
    p = random_offers(5)
    best = solve_joint(p, relative_gap=1e-9)
    monkeypatch.setattr(joint, "_polish", lambda *_: None)
    monkeypatch.setattr(joint, "_branch", lambda _, root, gap: (root.bound, 1))
    monkeypatch.setattr(joint, "_rounded", lambda x, relaxed, problem, lower, upper: lower.astype(float))
    assert solve_joint(p, known=best.chosen).objective == pytest.approx(best.objective, rel=1e-9)
    assert solve_joint(p).objective < best.objective
    everything = np.ones(len(p.candidate_bit), dtype=bool)
    assert not fits(p, everything.astype(float))
    assert solve_joint(p, known=everything).objective == pytest.approx(solve_joint(p).objective, rel=1e-9)


def test_offers_required_beyond_a_limit_are_infeasible():
    p = random_offers(1)
    both = nothing(p)
    both[p.limits[0].candidates[:2]] = True
    with pytest.raises(InfeasibleError):
        solve_joint(p, required=both)


def one_station_pair(bits, limits, asked):
    """Offers deposit on both edges of a satellite, so a demand of `asked` [Mbit] gets what the chosen ones bring."""
    n = len(bits)
    return KeyFlowProblem(
        edges=[("x", "s", "g"), ("y", "s", "h")], delayed=np.ones(2, dtype=bool), supply_bit=np.zeros((2, 2)),
        initial_bit=np.zeros(2), capacity_bit=np.full(2, 1e12), ends=[("g", "h")], weights=np.ones(1),
        asked_bit=np.array([[0.0, asked]]) * MBIT, rules=[PathRule(np.ones(4, dtype=bool).tobytes())],
        candidate_bit=np.array(bits) * MBIT, deposit_candidate=np.repeat(np.arange(n), 2),
        deposit_edge=np.tile([0, 1], n),
        deposit_bin=np.zeros(2 * n, dtype=int), deposit_bit=np.repeat(bits, 2) * MBIT, limits=limits,
    )  # fmt: skip


def test_knapsack_by_hand():
    """Of 5, 4, 3 and 3 Mbit that take 3, 2, 2 and 1 of 4 units of time, the 5 and a 3 in 3 + 1 make 8, the most.

    They fill 8 of 24 Mbit asked, the first third: worth 1 / (1.7 / 3) / 3 = 0.5882, and the ties 1e-4 · 8 / 15 - 16e-6.
    """
    limit = ChoiceLimit(np.arange(4), np.array([3.0, 2.0, 2.0, 1.0]), 4.0)
    p = one_station_pair([5.0, 4.0, 3.0, 3.0], [limit], 24.0)
    result = solve_joint(p, relative_gap=1e-9)
    assert result.chosen.tolist() == [True, False, False, True]
    assert result.objective == pytest.approx(1 / 1.7 + 1e-4 * 8 / 15 - 8 * 2 * 1e-6, abs=1e-8)
    assert result.flow.paths[0][3] == pytest.approx(8 * MBIT, abs=1.0)


def test_greedy_takes_in_order_what_fits():
    limits = [
        ChoiceLimit(np.array([0, 1, 2]), np.array([2.0, 1.5, 0.5]), 2.5),
        ChoiceLimit(np.array([2, 3]), np.ones(2), 1.0),
    ]
    assert greedy_choice(np.array([0, 1, 2, 3]), 4, limits).tolist() == [1, 0, 1, 0]
    assert greedy_choice(np.array([3, 2, 1, 0]), 4, limits).tolist() == [0, 1, 0, 1]
    assert greedy_choice(np.array([0, 1, 2]), 4, limits, np.array([0, 1.0, 0, 0])).tolist() == [0, 1, 1, 0]


def test_value_of_a_choice_is_the_relay_of_its_deposits():
    p = random_offers(9)
    chosen = greedy_choice(np.arange(len(p.candidate_bit)), len(p.candidate_bit), p.limits).astype(bool)
    flow = value_of_choice(p, chosen)
    assert flow.objective == pytest.approx(Relay(p).value(chosen), rel=1e-7)
    supply = p.supply_bit.copy()
    np.add.at(supply, (p.deposit_edge[chosen], p.deposit_bin[chosen]), p.deposit_bit[chosen])
    none, empty = np.empty(0, dtype=int), np.empty(0)
    fixed = replace(p, supply_bit=supply, candidate_bit=empty, deposit_candidate=none, deposit_edge=none,
                    deposit_bin=none, deposit_bit=empty, limits=[])  # fmt: skip
    tie = 1e-4 * p.candidate_bit[chosen].sum() / p.candidate_bit.sum()
    assert flow.objective == pytest.approx(solve_key_flow(fixed).objective + tie, rel=1e-9)
