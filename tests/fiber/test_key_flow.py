"""The relay programme against closed forms, maximum flow and brute force."""

import itertools
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eqci_space.fiber.flow_layout import SLOPES
from eqci_space.fiber.key_flow import FlowResult, RelayProgramme, delivered_by_bin, edge_cost, solve_key_flow
from eqci_space.fiber.key_problem import ChoiceLimit, KeyFlowProblem
from eqci_space.fiber.paths import PathRule, route_arcs
from eqci_space.schedule.joint import solve_joint

MBIT = 1e6


def problem(edges, supply, ends, asked, *, delayed=None, capacity=1e12, allowed=None, weights=None, **offers):
    n = len(edges)
    supply, asked = np.atleast_2d(supply) * MBIT, np.atleast_2d(asked) * MBIT
    return KeyFlowProblem(
        edges=[(f"e{i}", a, b) for i, (a, b) in enumerate(edges)],
        delayed=np.zeros(n, dtype=bool) if delayed is None else np.array(delayed, dtype=bool),
        supply_bit=supply, initial_bit=np.zeros(n), capacity_bit=np.full(n, capacity * MBIT), ends=ends,
        weights=np.ones(len(ends)) if weights is None else np.array(weights, dtype=float), asked_bit=asked,
        rules=[
            PathRule(np.repeat(np.ones(n, dtype=bool) if allowed is None else np.array(row), 2).tobytes())
            for row in (allowed if allowed is not None else [None] * len(ends))
        ],
        **offers,
    )  # fmt: skip


def delivered(result, k, n_bins) -> np.ndarray:
    out = np.zeros(n_bins)
    for demand, t, _, bit in result.paths:
        if demand == k:
            out[t] += bit / MBIT
    return out


def test_slopes_make_a_satisfied_demand_worth_its_weight():
    assert SLOPES.mean() == pytest.approx(1.0)
    result = solve_key_flow(problem([("a", "b")], [[5.0]], [("a", "b")], [[3.0]], weights=[2.5]))
    assert result.objective == pytest.approx(2.5, abs=1e-4)


def test_relay_through_a_satellite_is_limited_by_the_smaller_store():
    """Two stations and one satellite: min(B1, B2), available from the bin after the deposit."""
    p = problem(
        [("s", "g1"), ("s", "g2")], [[7.0, 0, 0], [4.0, 0, 0]], [("g1", "g2")], [[10.0, 10, 10]], delayed=[1, 1]
    )
    result = solve_key_flow(p)
    assert delivered(result, 0, 3)[0] == 0.0
    assert delivered(result, 0, 3).sum() == pytest.approx(4.0, abs=1e-5)


def test_store_carries_key_over_bins_up_to_its_cap():
    p = problem([("a", "b")], [[6.0, 0, 0]], [("a", "b")], [[1.0, 1, 9]])
    assert delivered(solve_key_flow(p), 0, 3).sum() == pytest.approx(6.0, abs=1e-5)
    capped = problem([("a", "b")], [[6.0, 0, 0]], [("a", "b")], [[1.0, 1, 9]], capacity=2.0)
    assert delivered(solve_key_flow(capped), 0, 3).sum() == pytest.approx(3.0, abs=1e-5)


def test_class_filter_forbids_edges():
    edges, supply = [("a", "b"), ("a", "c"), ("c", "b")], [[5.0], [2.0], [3.0]]
    p = problem(edges, supply, [("a", "b")], [[9.0]], allowed=[[False, True, True]])
    assert delivered(solve_key_flow(p), 0, 1).sum() == pytest.approx(2.0, abs=1e-5)
    none = problem(edges, supply, [("a", "b")], [[9.0]], allowed=[[False, True, False]])
    assert solve_key_flow(none).paths == []


def test_concave_worth_shares_a_scarce_edge():
    """Two equal demands over one edge of 6 with 6 asked each: half each, since the first thirds are worth most."""
    p = problem([("a", "b")], [[6.0]], [("a", "b"), ("a", "b")], [[6.0], [6.0]])
    result = solve_key_flow(p)
    assert delivered(result, 0, 1).sum() == pytest.approx(3.0, abs=1.01)
    first, second = SLOPES[0] / 3, SLOPES[1] / 3
    assert result.objective == pytest.approx(2 * first + second, abs=1e-3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_single_demand_reaches_maximum_flow(seed):
    rng = np.random.default_rng(seed)
    graph = nx.gnp_random_graph(8, 0.4, seed=seed)
    edges = [(str(a), str(b)) for a, b in graph.edges]
    if not edges:
        return
    supply = rng.uniform(0.5, 5, (len(edges), 1)).round(2)
    for (a, b), s in zip(edges, supply[:, 0], strict=True):
        graph[int(a)][int(b)]["capacity"] = s
    flow = nx.maximum_flow_value(graph, 0, 7)
    result = solve_key_flow(problem(edges, supply, [("0", "7")], [[100.0]]))
    assert delivered(result, 0, 1).sum() == pytest.approx(flow, abs=1e-4)


def worth_of_paths(paths, p, cost_scale):
    """The objective from paths alone: satisfied thirds by falling slope, less the tie-breaking price of every hop."""
    share = delivered_by_bin(FlowResult(paths, 0.0, 0.0, 0, np.empty(0)), p) / np.maximum(p.asked_bit, 1e-300)
    thirds = np.clip(share[..., None] - np.arange(3) / 3, 0.0, 1 / 3)
    price = sum(
        edge_cost(p)[np.array(route_arcs(route)) >> 1].sum() * cost_scale[k] * bit / MBIT for k, _, route, bit in paths
    )
    return float((p.weights[:, None, None] * SLOPES * thirds).sum() - price)


@pytest.fixture(scope="module")
def many_demands():
    """A meshed network whose programme is large enough for interior points, which end on a gap amid a round."""
    rng = np.random.default_rng(5)
    edges = [(str(a), str(b)) for a, b in nx.gnm_random_graph(24, 60, seed=5).edges]
    ends = [tuple(map(str, rng.choice(24, 2, replace=False))) for _ in range(60)]
    return problem(
        edges, rng.uniform(0.0, 3.0, (len(edges), 48)), ends, rng.uniform(0.2, 1.0, (60, 48)),
        weights=rng.uniform(0.5, 3.0, 60), capacity=4.0,
    )  # fmt: skip


def test_paths_of_a_large_programme_are_worth_its_objective(many_demands):
    """The last round may price columns that the solution does not know; its paths must not be read by them."""
    programme = RelayProgramme(many_demands)
    assert programme.interior
    relaxed = programme.relax(enough=3e-2)
    known = len(relaxed.solution.x) - len(programme.base.objective)
    assert 0 < known < len(programme.columns)
    found = worth_of_paths(programme.paths(relaxed.solution), many_demands, programme.cost_scale)
    assert found == pytest.approx(relaxed.objective, rel=1e-4)


def random_offers(rng):
    """Three stations, one satellite, two nights of crossings in which one of the stations is chosen."""
    edges = [("s", "g0"), ("s", "g1"), ("s", "g2")]
    n = int(rng.integers(4, 9))
    offer_edge, offer_bin = rng.integers(0, 3, n), np.sort(rng.integers(0, 3, n))
    cliques = [np.flatnonzero(offer_bin == t) for t in range(3) if np.sum(offer_bin == t) > 1]
    weights, bits = rng.uniform(0.5, 2, 3), rng.uniform(0.2, 4, n) * MBIT
    return problem(
        edges, np.zeros((3, 4)), [("g0", "g1"), ("g1", "g2"), ("g0", "g2")], rng.uniform(0.5, 3, (3, 4)),
        delayed=[1, 1, 1], weights=weights, candidate_bit=bits, deposit_candidate=np.arange(n),
        deposit_edge=offer_edge, deposit_bin=offer_bin, deposit_bit=bits,
        limits=[ChoiceLimit(c, np.ones(len(c)), 1.0) for c in cliques],
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_choice_agrees_with_brute_force(seed):
    p = random_offers(np.random.default_rng(seed))
    n = len(p.candidate_bit)
    best = -np.inf
    for chosen in itertools.product([0, 1], repeat=n):
        if any(sum(chosen[i] for i in limit.candidates) > 1 for limit in p.limits):
            continue
        supply = p.supply_bit.copy()
        for i in np.flatnonzero(chosen):
            supply[p.deposit_edge[i], p.deposit_bin[i]] += p.candidate_bit[i]
        none, empty = np.empty(0, dtype=int), np.empty(0)
        fixed = replace(p, supply_bit=supply, candidate_bit=empty, deposit_candidate=none, deposit_edge=none,
                        deposit_bin=none, deposit_bit=empty, limits=[])  # fmt: skip
        tie = 1e-4 * np.dot(chosen, p.candidate_bit) / p.candidate_bit.sum()
        best = max(best, solve_key_flow(fixed).objective + tie)
    result = solve_joint(p, relative_gap=1e-9)
    assert result.bound >= best - 1e-6
    assert result.objective == pytest.approx(best, rel=1e-5)
