"""Relay in many worlds against problems built anew for every world, closed forms, and the worth of key by removal."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from numpy.testing import assert_allclose

from eqci_space.fiber import key_flow
from eqci_space.fiber.key_flow import solve_key_flow
from eqci_space.fiber.key_problem import ChoiceLimit, KeyFlowProblem
from eqci_space.fiber.paths import PathRule
from eqci_space.fiber.world_relay import relay_worlds

MBIT = 1e6
FIRST_THIRD = 1 / (1.7 / 3)
PLENTY = 1e12
BINS = 4
TIES = 2e-6  # price of a Mbit over two hops of space, where a Mbit is worth little


def relay_problem(edges, supply_mbit, ends, asked_mbit, *, space=(), capacity_mbit=PLENTY, **more):
    """Edges from (node, node); those numbered in `space` are delayed."""
    n = len(edges)
    return KeyFlowProblem(
        edges=[(f"e{i}", a, b) for i, (a, b) in enumerate(edges)], delayed=np.isin(np.arange(n), list(space)),
        supply_bit=np.array(supply_mbit, dtype=float) * MBIT, capacity_bit=np.full(n, capacity_mbit * MBIT), ends=ends,
        asked_bit=np.array(asked_mbit, dtype=float) * MBIT,
        rules=[PathRule(np.ones(2 * n, dtype=bool).tobytes())] * len(ends),
        **{"initial_bit": np.zeros(n), "weights": np.ones(len(ends)), **more},
    )  # fmt: skip


def two_pools(asked_mbit=30.0):
    """One demand g-h in the second of two bins, over a satellite: edge 0 is the pool of g, edge 1 that of h."""
    return relay_problem([("s", "g"), ("s", "h")], np.zeros((2, 2)), [("g", "h")], [[0, asked_mbit]], space=(0, 1))


def meshed(seed):
    """Six nodes, eight fibres, a satellite over three of them; half of the seeds with lives, half with small stores."""
    rng = np.random.default_rng(seed)
    fibre = [(f"n{a}", f"n{b}") for a, b in nx.gnm_random_graph(6, 8, seed=seed).edges]
    edges = fibre + [("s", f"n{a}") for a in range(3)]
    n, ends = len(edges), [("n0", "n1"), ("n1", "n2"), ("n3", "n2"), ("n4", "n0")]
    supply = np.zeros((n, BINS))
    supply[: len(fibre)] = rng.uniform(0, 0.4, (len(fibre), BINS)) * (rng.random((len(fibre), BINS)) < 0.8)
    return relay_problem(
        edges, supply, ends, rng.uniform(0.5, 2, (len(ends), BINS)), space=range(len(fibre), n),
        capacity_mbit=1.5 if seed // 2 % 2 else PLENTY,
        initial_bit=rng.uniform(0, 0.3 * MBIT, n) * (rng.random(n) < 0.4), weights=rng.uniform(0.5, 2, len(ends)),
        life_bins=rng.integers(0, 3, n) if seed % 2 else np.empty(0, dtype=int),
    )  # fmt: skip


def arrivals(seed, problem, *, worlds=5, deposits=6):
    """Edges, bins (some outside the period), key in every world, of which two fifths is missing, and rates of fibre."""
    rng = np.random.default_rng([seed, 1])
    edge = rng.choice(np.flatnonzero(problem.delayed), deposits)
    at = rng.integers(-1, BINS, deposits)
    key = rng.uniform(0, 1.5, (worlds, deposits)) * MBIT * (rng.random((worlds, deposits)) < 0.6)
    return edge, at, key, np.exp(rng.normal(0, 0.5, worlds))


def built_anew(problem, edge, at, key_bit, factor=1.0):
    """Relay of one world alone: what arrives is added to the supply of its edge and bin."""
    supply, inside = problem.supply_bit * factor, at >= 0
    np.add.at(supply, (edge[inside], at[inside]), key_bit[inside])
    return solve_key_flow(replace(problem, supply_bit=supply))


def worth_of_shares(problem, delivered_bit):
    """Thirds of falling slope of what every demand gets in every bin; the tie-breaking price of hops is left out."""
    share = delivered_bit / np.maximum(problem.asked_bit, 1e-300)
    thirds = np.clip(share[..., None] - np.arange(3) / 3, 0.0, 1 / 3)
    return (problem.weights[:, None, None] * np.array([1.0, 0.5, 0.2]) * FIRST_THIRD * thirds).sum(axis=(1, 2, 3))


@pytest.mark.parametrize("seed", range(12))
def test_every_world_is_the_problem_built_anew_for_it(seed):
    problem = meshed(seed)
    edge, at, key, factor = arrivals(seed, problem)
    found = relay_worlds(problem, edge, at, key, fibre_factor=factor)
    anew = [built_anew(problem, edge, at, k, f) for k, f in zip(key, factor, strict=True)]
    assert_allclose(found.objective, [flow.objective for flow in anew], rtol=1e-7)
    assert np.ptp(found.objective) > 0.1  # the worlds differ
    assert_allclose(found.delivered_bit.sum(axis=2), [flow.delivered_bit(4) for flow in anew], atol=20)
    assert (found.delivered_bit <= problem.asked_bit * (1 + 1e-9)).all()
    assert_allclose(worth_of_shares(problem, found.delivered_bit), found.objective, atol=0.01)
    assert not found.loose


@pytest.mark.parametrize("seed", [0, 3, 4, 5, 6, 7, 8])
def test_a_deposit_taken_away_costs_at_least_its_price(seed):
    problem = meshed(seed)
    edge, at, key, factor = arrivals(seed, problem, worlds=3)
    key *= 0.2  # scarce, so that it has a price
    found = relay_worlds(problem, edge, at, key, fibre_factor=factor)
    priced = 0
    for world, (bits, f) in enumerate(zip(key, factor, strict=True)):
        whole = built_anew(problem, edge, at, bits, f).objective
        for i in np.flatnonzero(bits):
            less = bits.copy()
            less[i] = 0.0
            least = found.deposit_price[world, i] * bits[i]
            assert whole - built_anew(problem, edge, at, less, f).objective >= least - 1e-7
            priced += least > 1e-3
    assert priced >= 1  # else the comparison would be empty
    assert (found.deposit_price >= 0).all()


def test_the_smaller_pool_is_delivered_and_has_the_price():
    """min(B1, B2) of 30 Mbit asked, worth the first slope a share as long as a third is not passed."""
    key = np.array([[4.0, 7.0], [0.0, 7.0], [6.0, 1.0], [20.0, 25.0]]) * MBIT
    found = relay_worlds(two_pools(), np.array([0, 1]), np.array([0, 0]), key)
    assert_allclose(found.delivered_bit[:, 0], np.array([[0, 4], [0, 0], [0, 1], [0, 20]]) * MBIT, atol=2)
    expected = np.array([4, 0, 1, 10 + 10 / 2]) * FIRST_THIRD / 30
    assert_allclose(found.objective, expected - TIES * np.array([4, 0, 1, 20]), atol=1e-9)
    per_mbit = found.deposit_price * MBIT
    assert_allclose(per_mbit[0], [FIRST_THIRD / 30 - TIES, 0.0], atol=1e-9)
    assert_allclose(per_mbit[2], [0.0, FIRST_THIRD / 30 - TIES], atol=1e-9)
    assert_allclose(per_mbit[3], [FIRST_THIRD / 60 - TIES, 0.0], atol=1e-9)  # in the second third


def test_deposits_of_one_pool_and_bin_add_up_in_every_world():
    """Two contacts of g and one of h: min(B1 + B2, B3)."""
    key = np.array([[2.0, 3.0, 9.0], [2.0, 0.0, 9.0], [2.0, 3.0, 4.0], [0.0, 0.0, 9.0]]) * MBIT
    found = relay_worlds(two_pools(), np.array([0, 0, 1]), np.zeros(3, dtype=int), key)
    assert_allclose(found.delivered_bit[:, 0, 1], np.array([5, 2, 4, 0]) * MBIT, atol=2)


def test_rates_of_fibre_scale_the_supply_of_every_bin():
    """a-m-b brings 5 and 4 Mbit a bin, of which 3 are asked for: min(3, 4 f), and a store keeps what is over."""
    problem = relay_problem([("a", "m"), ("m", "b")], [[5, 5], [4, 4]], [("a", "b")], [[3.0, 3.0]])
    factor = np.array([1.0, 0.5, 2.0, 0.75, 0.1])
    none = np.empty(0, dtype=int)
    found = relay_worlds(problem, none, none, np.empty((5, 0)), fibre_factor=factor)
    assert_allclose(found.delivered_bit.sum(axis=(1, 2)), 2 * np.minimum(3.0, 4 * factor) * MBIT, atol=5)
    assert found.deposit_price.shape == (5, 0)
    kept = replace(problem, asked_bit=np.array([[1.0, 5.0]]) * MBIT)
    found = relay_worlds(kept, none, none, np.empty((2, 0)), fibre_factor=np.array([1.0, 0.6]))
    assert_allclose(found.delivered_bit[:, 0], np.array([[1.0, 5.0], [1.0, 3.8]]) * MBIT, atol=5)


@pytest.mark.parametrize("supply", [[[5, 5], [1, 1]], [[1, 1], [5, 5]]])
def test_a_world_without_fibre_leaves_the_others_as_they_are(supply):
    """The poorer span of a chain limits it, 1 Mbit a bin, also beside a world in which both bring nothing."""
    problem = relay_problem([("a", "m"), ("m", "b")], supply, [("a", "b")], [[3.0, 3.0]])
    none = np.empty(0, dtype=int)
    found = relay_worlds(problem, none, none, np.empty((2, 0)), fibre_factor=np.array([0.0, 1.0]))
    assert_allclose(found.delivered_bit.sum(axis=(1, 2)), [0.0, 2 * MBIT], atol=5)


def test_without_rates_of_fibre_every_world_has_the_whole_supply():
    problem = meshed(3)
    edge, at, key, _ = arrivals(3, problem)
    plain, ones = relay_worlds(problem, edge, at, key), relay_worlds(problem, edge, at, key, fibre_factor=np.ones(5))
    assert (plain.objective == ones.objective).all()
    assert (plain.delivered_bit == ones.delivered_bit).all()


def test_key_outside_the_period_and_key_that_would_serve_after_it_change_nothing():
    """Bin -1 is outside; key of the last bin would serve in the next one."""
    edge, at = np.array([0, 1, 0, 1]), np.array([0, 0, -1, 1])
    key = np.array([[4.0, 7.0, 50.0, 50.0], [9.0, 3.0, 50.0, 50.0]]) * MBIT
    found = relay_worlds(two_pools(), edge, at, key)
    alone = relay_worlds(two_pools(), edge[:2], at[:2], key[:, :2])
    assert_allclose(found.delivered_bit[:, 0, 1], np.array([4, 3]) * MBIT, atol=2)
    assert_allclose(found.objective, alone.objective, rtol=1e-9)
    assert (found.deposit_price[:, 2:] == 0).all()
    assert_allclose(found.deposit_price[:, :2], alone.deposit_price, atol=1e-15)


def test_no_worlds_and_no_deposits():
    problem = meshed(2)
    edge, at, key, _ = arrivals(2, problem)
    nowhere = relay_worlds(problem, edge, at, key[:0], fibre_factor=np.empty(0))
    assert nowhere.objective.shape == (0,)
    assert nowhere.delivered_bit.shape == (0, 4, BINS)
    assert nowhere.deposit_price.shape == (0, 6)
    bare = relay_worlds(problem, edge[:0], at[:0], np.empty((2, 0)))
    assert_allclose(bare.objective, solve_key_flow(problem).objective, rtol=1e-9)
    assert bare.deposit_price.shape == (2, 0)
    dark = relay_worlds(problem, edge, at, 0 * key)  # deposits that bring nothing in any world
    assert_allclose(dark.objective, bare.objective[0], rtol=1e-9)


def test_candidates_and_limits_of_the_problem_play_no_part():
    """A problem with candidates, more than its limit lets through, is relayed as what arrives says."""
    problem = two_pools()
    offers = replace(
        problem, candidate_bit=np.full(3, 9 * MBIT), candidate_worth=np.full(3, 5.0),
        deposit_candidate=np.arange(3), deposit_edge=np.array([0, 1, 0]), deposit_bin=np.zeros(3, dtype=int),
        deposit_bit=np.full(3, 9 * MBIT), limits=[ChoiceLimit(np.arange(3), np.ones(3), 0.0)],
    )  # fmt: skip
    edge, at, key = np.array([0, 1]), np.zeros(2, dtype=int), np.array([[4.0, 7.0], [5.0, 2.0]]) * MBIT
    found, plain = (relay_worlds(p, edge, at, key) for p in (offers, problem))
    assert_allclose(found.delivered_bit[:, 0, 1], np.array([4, 2]) * MBIT, atol=2)
    assert (found.objective == plain.objective).all()


def test_one_world_after_another_is_as_all_at_once():
    problem = meshed(5)
    edge, at, key, factor = arrivals(5, problem)
    whole = relay_worlds(problem, edge, at, key, fibre_factor=factor)
    back = relay_worlds(problem, edge, at, key[::-1], fibre_factor=factor[::-1])
    assert_allclose(back.objective[::-1], whole.objective, rtol=1e-9)
    for i in range(len(key)):
        one = relay_worlds(problem, edge, at, key[i : i + 1], fibre_factor=factor[i : i + 1])
        assert_allclose(one.objective, whole.objective[i], rtol=1e-9)


def test_inputs_stay_as_they_are():
    problem = meshed(1)
    edge, at, key, factor = arrivals(1, problem)
    before = [x.copy() for x in (problem.supply_bit, edge, at, key, factor)]
    relay_worlds(problem, edge, at, key, fibre_factor=factor)
    for was, x in zip(before, (problem.supply_bit, edge, at, key, factor), strict=True):
        assert (was == x).all()


def test_a_large_programme_is_solved_to_a_gap_and_says_so(monkeypatch):
    problem = meshed(4)
    edge, at, key, factor = arrivals(4, problem)
    exact = relay_worlds(problem, edge, at, key, fibre_factor=factor)
    monkeypatch.setattr(key_flow, "_INTERIOR_FROM", 0)
    found = relay_worlds(problem, edge, at, key, fibre_factor=factor)
    assert (exact.loose, found.loose) == (False, True)
    assert_allclose(found.objective, exact.objective, rtol=1.1e-3)


def test_a_cap_that_binds_on_supply_holds_in_every_world():
    """Two delayed edges with 3 Mbit of their own and room for 2: the demand gets what is left, at any rate of fibre."""
    problem = KeyFlowProblem(
        edges=[("x", "s", "g"), ("y", "s", "h")], delayed=np.ones(2, dtype=bool),
        supply_bit=np.array([[3.0, 0.0, 0.0]] * 2) * MBIT, initial_bit=np.zeros(2), capacity_bit=np.full(2, 2.0) * MBIT,
        ends=[("g", "h")], weights=np.ones(1), asked_bit=np.array([[0.0, 5.0, 5.0]]) * MBIT,
        rules=[PathRule(np.ones(4, dtype=bool).tobytes())],
    )  # fmt: skip
    none = np.empty(0, dtype=int)
    found = relay_worlds(problem, none, none, np.empty((3, 0)), fibre_factor=np.array([0.5, 1.0, 2.0]))
    assert found.delivered_bit.sum(axis=(1, 2)) / MBIT == pytest.approx([1.5, 2.0, 2.0])


@pytest.mark.parametrize("foresight", [True, False])
def test_candidates_of_a_problem_bring_nothing_by_themselves(foresight):
    """What arrives is given; the problem may be one of choosing."""
    problem = relay_problem([("s", "g"), ("s", "h")], np.zeros((2, 2)), [("g", "h")], [[0.0, 5.0]], space=(0, 1))
    offered = replace(
        problem, candidate_bit=np.full(2, 5 * MBIT), deposit_candidate=np.arange(2), deposit_edge=np.arange(2),
        deposit_bin=np.zeros(2, dtype=int), deposit_bit=np.full(2, 5 * MBIT),
    )  # fmt: skip
    key = np.array([[1.0, 2.0], [0.0, 0.0]]) * MBIT
    found = relay_worlds(offered, np.arange(2), np.zeros(2, dtype=int), key, foresight=foresight)
    assert found.delivered_bit.sum(axis=(1, 2)) / MBIT == pytest.approx([1.0, 0.0])
    assert found.objective[1] == pytest.approx(0.0, abs=1e-12)
