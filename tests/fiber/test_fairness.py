"""Largest common share and max-min fairness against cases solved by hand and by raising shares step by step."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog

from eqci_space.fiber.fairness import components, max_concurrent, max_min, with_goal
from eqci_space.fiber.key_problem import ChoiceLimit, KeyFlowProblem
from eqci_space.fiber.paths import PathRule
from eqci_space.schedule.joint import solve_joint

MBIT = 1e6


def problem(edges, supply, ends, asked, **changes):
    n = len(edges)
    base = KeyFlowProblem(
        edges=[(f"e{i}", a, b) for i, (a, b) in enumerate(edges)], delayed=np.zeros(n, dtype=bool),
        supply_bit=np.array(supply, dtype=float).reshape(n, -1) * MBIT, initial_bit=np.zeros(n),
        capacity_bit=np.full(n, 1e12), ends=ends, weights=np.ones(len(ends)),
        asked_bit=np.array(asked, dtype=float).reshape(len(ends), -1) * MBIT,
        rules=[PathRule(np.ones(2 * n, dtype=bool).tobytes())] * len(ends),
    )  # fmt: skip
    return replace(base, **changes)


def delivered(p, result):
    total = np.zeros(p.asked_bit.shape)
    for k, t, _, bit in result.paths:
        total[k, t] += bit / MBIT
    return total


def on_line(supplies, demands, asked, **changes):
    """A line of nodes 0, 1, 2 ... with demands between two of them each."""
    edges = [(str(i), str(i + 1)) for i in range(len(supplies))]
    return problem(edges, supplies, [(str(a), str(b)) for a, b in demands], asked, **changes)


def test_long_demand_shares_the_narrow_span_and_short_ones_take_the_rest():
    """Spans of 10 and 4, each with a demand of 10 of its own and one of 10 over both: 2 each on the narrow, then 8."""
    p = on_line([10, 4], [(0, 1), (1, 2), (0, 2)], [10, 10, 10])
    result, share = max_min(p)
    assert share == pytest.approx([0.8, 0.2, 0.2], abs=1e-6)
    assert delivered(p, result)[:, 0] == pytest.approx([8.0, 2.0, 2.0], abs=1e-4)
    assert result.objective == pytest.approx(1.2, abs=1e-6)
    _, common = max_concurrent(p)
    assert common == pytest.approx([0.2, 0.2, 0.2], abs=1e-6)


def test_parking_lot_in_three_levels():
    """Spans of 12, 6 and 3; a demand of 12 over all, and one of 12 on each: 1.5, then 4.5 on the second, 10.5."""
    p = on_line([12, 6, 3], [(0, 3), (0, 1), (1, 2), (2, 3)], [12] * 4)
    _, share = max_min(p)
    assert share == pytest.approx([1.5 / 12, 10.5 / 12, 4.5 / 12, 1.5 / 12], abs=1e-6)


def test_shares_are_of_what_is_asked():
    """One span of 6, asked are 3 and 9: both get half, not equal key."""
    p = on_line([6], [(0, 1), (0, 1)], [3, 9])
    result, share = max_min(p)
    assert share == pytest.approx([0.5, 0.5], abs=1e-6)
    assert delivered(p, result)[:, 0] == pytest.approx([1.5, 4.5], abs=1e-4)
    assert max_concurrent(p)[1] == pytest.approx([0.5, 0.5], abs=1e-6)


@pytest.mark.parametrize("supply", [9.2, 9.9, 9.9999])
def test_who_is_nearly_served_does_not_hold_back_the_rest(supply):
    """Spans of a little under 10 and of 20, 10 asked on each: the second demand gets all that it asks for."""
    result, share = max_min(on_line([supply, 20], [(0, 1), (1, 2)], [10, 10]))
    assert share == pytest.approx([supply / 10, 1.0], abs=1e-7)
    assert result.objective == pytest.approx(supply / 10 + 1.0, abs=1e-7)


def test_plenty_is_worth_one_for_fairness_and_its_multiple_for_the_common_share():
    p = on_line([40], [(0, 1), (1, 0)], [4, 1])
    result, share = max_min(p)
    assert share == pytest.approx([1.0, 1.0], abs=1e-6)
    assert delivered(p, result)[:, 0] == pytest.approx([4.0, 1.0], abs=1e-4)
    assert max_concurrent(p)[1] == pytest.approx([8.0, 8.0], abs=1e-5)


def test_fairness_uses_detours():
    """a-b directly 2, over c 3: 10 asked get 5; with c-b asking 2 of the detour's 3, shares are equal at 5/12."""
    edges, supply = [("a", "b"), ("a", "c"), ("c", "b")], [2, 9, 3]
    assert max_min(problem(edges, supply, [("a", "b")], [10]))[1] == pytest.approx([0.5], abs=1e-6)
    both = problem(edges, supply, [("a", "b"), ("c", "b")], [10, 2])
    assert max_min(both)[1] == pytest.approx([5 / 12, 5 / 12], abs=1e-6)
    # A demand of 1 is served in full by a share of 5/11.
    assert max_concurrent(problem(edges, supply, [("a", "b"), ("c", "b")], [10, 1]))[1] == pytest.approx(
        [5 / 11] * 2, abs=1e-6
    )


def test_share_is_over_the_period():
    """Key comes in bin 1 only: half of what is asked over two bins is a share of one half, whatever bin 0 got."""
    p = on_line([[0, 4]], [(0, 1)], [[4, 4]])
    result, share = max_min(p)
    assert share == pytest.approx([0.5], abs=1e-6)
    assert delivered(p, result)[0] == pytest.approx([0.0, 4.0], abs=1e-4)
    uneven = on_line([[3, 0]], [(0, 1), (0, 1)], [[1, 1], [0, 4]])
    assert max_min(uneven)[1] == pytest.approx([0.5, 0.5], abs=1e-6)


def test_islands_and_the_unreachable_leave_others_alone():
    """Two islands of shares 0.5 and 0.25; a demand between them and one to a node without links have no path."""
    p = problem([("a", "b"), ("x", "y")], [5, 1], [("a", "b"), ("x", "y"), ("a", "x"), ("b", "nowhere")], [10, 4, 1, 1])
    group = components(p)
    assert group[[2, 3]].tolist() == [-1, -1]
    assert len(set(group[:2])) == 2
    result, share = max_concurrent(p)
    assert share == pytest.approx([0.5, 0.25, 0.0, 0.0], abs=1e-6)
    assert result.objective == pytest.approx(0.75, abs=1e-4)
    assert max_min(p)[1] == pytest.approx([0.5, 0.25, 0.0, 0.0], abs=1e-6)


def test_a_link_without_any_key_does_not_set_others_to_zero():
    """Key that never comes, or comes as late as the last bin where it serves from the next, is no path."""
    p = on_line([[4, 4], [0, 0]], [(0, 1), (0, 2)], [[5, 5], [5, 5]])
    late = replace(p, supply_bit=np.array([[4.0, 4.0], [0.0, 9.0]]) * MBIT, delayed=np.array([False, True]))
    for case in (p, late):
        assert components(case).tolist() == [0, -1]
        assert max_concurrent(case)[1] == pytest.approx([0.8, 0.0], abs=1e-6)
        assert max_min(case)[1] == pytest.approx([0.8, 0.0], abs=1e-6)
    stocked = replace(p, initial_bit=np.array([0.0, 2.0]) * MBIT)
    assert max_concurrent(stocked)[1] == pytest.approx([0.2, 0.2], abs=1e-6)
    assert max_min(stocked)[1] == pytest.approx([0.6, 0.2], abs=1e-6)


def test_components_follow_the_edges_that_rules_leave():
    """Three demands in one graph; barring the middle link parts them, and the third, over it, has no path."""
    edges = [("a", "b"), ("b", "c"), ("c", "d")]
    ends = [("a", "b"), ("c", "d"), ("a", "d")]
    whole = problem(edges, [1, 1, 1], ends, [1, 1, 1])
    assert components(whole).tolist() == [0, 0, 0]
    barred = PathRule(np.repeat([True, False, True], 2).tobytes())
    apart = replace(whole, rules=[barred] * 3)
    first, second, third = components(apart).tolist()
    assert (third, {first, second}) == (-1, {0, 1})
    linked = replace(whole, rules=[barred, barred, whole.rules[0]])
    assert components(linked).tolist() == [0, 0, 0]


def test_two_disjoint_shares_count_both_paths():
    """XOR shares over paths of 3 and 2: 2 of 8 asked, a quarter."""
    p = problem([("a", "p"), ("p", "b"), ("a", "q"), ("q", "b")], [3, 3, 2, 2], [("a", "b")], [8])
    p = replace(p, rules=[PathRule(p.rules[0].arcs, (), 2)])
    assert max_min(p)[1] == pytest.approx([0.25], abs=1e-6)


def water_filling(supplies, demands, asked):
    """Max-min shares on a line by raising all shares together until a span is full, then the others on."""
    share, growing = np.zeros(len(demands)), np.ones(len(demands), dtype=bool)
    over = np.array([[a <= e < b for a, b in demands] for e in range(len(supplies))], dtype=float)
    while growing.any():
        room = supplies - over @ (share * asked)
        pull = over @ (growing * asked)
        steps = np.divide(room, pull, out=np.full(len(supplies), np.inf), where=pull > 1e-12)
        step = min(steps.min(), 1.0 - share[growing].max())
        share[growing] += step
        full = supplies - over @ (share * asked) < 1e-9
        growing &= (over[full].sum(axis=0) == 0) & (share < 1 - 1e-9)
    return share


@pytest.mark.parametrize("seed", range(20))
def test_max_min_on_lines_is_that_of_water_filling(seed):
    rng = np.random.default_rng(seed)
    spans = int(rng.integers(2, 5))
    supplies = rng.uniform(1, 10, spans)
    pairs = list(itertools.combinations(range(spans + 1), 2))
    demands = [pairs[i] for i in rng.integers(0, len(pairs), 5)]
    asked = rng.uniform(1, 6, 5)
    result, share = max_min(on_line(supplies, demands, asked))
    assert share == pytest.approx(water_filling(supplies, demands, asked), abs=1e-5)
    assert delivered(on_line(supplies, demands, asked), result)[:, 0] / asked == pytest.approx(share, abs=1e-4)


@pytest.mark.parametrize("seed", range(10))
def test_common_share_is_that_of_flows_on_arcs(seed):
    """Largest share by a linear programme on arcs with the share as a variable."""
    rng = np.random.default_rng(seed)
    nodes, pairs = list("abcde"), list(itertools.combinations("abcde", 2))
    edges = [
        ("a", "b"),
        ("b", "c"),
        ("c", "d"),
        ("d", "e"),
        *(pairs[i] for i in rng.choice(len(pairs), 3, replace=False)),
    ]
    supply, asked = rng.uniform(1, 6, len(edges)), rng.uniform(1, 4, 3)
    ends = [("a", "e"), ("b", "d"), ("c", "a")]
    arcs = [(u, v) for a, b in edges for u, v in ((a, b), (b, a))]
    n = len(arcs)
    equal, limits = np.zeros((15, 3 * n + 1)), np.zeros((len(edges), 3 * n + 1))
    for k, (a, b) in enumerate(ends):
        for j, (u, v) in enumerate(arcs):
            equal[5 * k + nodes.index(u), k * n + j] += 1
            equal[5 * k + nodes.index(v), k * n + j] -= 1
            limits[j // 2, k * n + j] = 1
        equal[5 * k + nodes.index(a), -1], equal[5 * k + nodes.index(b), -1] = -asked[k], asked[k]
    worth = np.zeros(3 * n + 1)
    worth[-1] = -1.0
    best = -linprog(worth, A_ub=limits, b_ub=supply, A_eq=equal, b_eq=np.zeros(15), method="highs").fun
    _, share = max_concurrent(problem(edges, supply, ends, asked))
    assert share == pytest.approx([best] * 3, rel=1e-5)


def test_an_objective_of_relay_becomes_a_goal_of_choice():
    """Two pools and two demands of one Mbit: one offer of a Mbit for either, or half a Mbit for both."""
    base = problem([("s", "a"), ("s", "b"), ("s", "c")], np.zeros((3, 2)), [("s", "a"), ("s", "b")], [[0, 1], [0, 1]])
    offers = replace(
        base, delayed=np.ones(3, dtype=bool), candidate_bit=np.array([1.2, 0.9]) * MBIT,
        deposit_candidate=np.array([0, 1, 1]), deposit_edge=np.array([0, 0, 1]), deposit_bin=np.zeros(3, dtype=int),
        deposit_bit=np.array([1.2, 0.45, 0.45]) * MBIT, weights=np.array([5.0, 1.0]),
        limits=[ChoiceLimit(np.arange(2), np.ones(2), 1.0)],
    )  # fmt: skip
    assert with_goal(offers, "weighted") is offers
    assert solve_joint(offers).chosen.tolist() == [True, False]
    for objective in ("max_min", "max_concurrent"):
        found = solve_joint(with_goal(offers, objective))
        assert found.chosen.tolist() == [False, True]
        assert found.objective == pytest.approx(0.45, abs=1e-3)
