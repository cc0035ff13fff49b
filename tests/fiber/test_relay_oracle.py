"""The relay programme against linear programmes written here: flows on arcs, and all paths enumerated; no pricing."""

import itertools
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import coo_array

from eqci_space.fiber import flow_layout, key_flow
from eqci_space.fiber.key_flow import RelayProgramme, edge_cost, solve_key_flow
from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.fiber.paths import PathRule, route_arcs

MBIT = 1e6
WORTH = np.array([1.0, 0.5, 0.2]) / (1.7 / 3)  # of the three thirds of a demand


class Program:
    """Variables by name and rows ``Σ value · variable <= upper`` (or equal), maximised by scipy."""

    def __init__(self):
        self.place, self.worth, self.top = {}, [], []
        self.rows = {"ub": [], "eq": []}

    def variable(self, name, worth=0.0, top=np.inf):
        self.place[name] = len(self.worth)
        self.worth.append(worth)
        self.top.append(top)

    def row(self, terms, side, kind="ub"):
        self.rows[kind].append(([(self.place[name], value) for name, value in terms], side))

    def optimum(self):
        matrices = {}
        for kind, rows in self.rows.items():
            if not rows:
                continue
            entries = [(i, j, value) for i, (terms, _) in enumerate(rows) for j, value in terms]
            i, j, value = (np.array(x) for x in zip(*entries, strict=True))
            shape = (len(rows), len(self.worth))
            matrices[f"A_{kind}"] = coo_array((value, (i.astype(int), j.astype(int))), shape=shape).tocsr()
            matrices[f"b_{kind}"] = np.array([side for _, side in rows])
        bounds = [(0.0, None if np.isinf(t) else t) for t in self.top]
        found = linprog(-np.array(self.worth), bounds=bounds, method="highs", **matrices)
        assert found.status == 0, found.message
        return -found.fun


def stores(p, program, used):
    """Rows of the stores of every edge; `used` gives the terms that use key of an edge in a bin."""
    n_bins = p.asked_bit.shape[1]
    for e in range(len(p.edges)):
        for t in range(n_bins):
            program.variable(("stock", e, t), top=p.capacity_bit[e] / MBIT)
        for t in range(n_bins):
            late = p.delayed[e]
            arrives = (p.supply_bit[e, t - 1] if t else 0.0) if late else p.supply_bit[e, t]
            terms = [(("stock", e, t), 1.0), *used(e, t)]
            if late:
                program.row(terms, p.capacity_bit[e] / MBIT)
            if t:
                program.row([*terms, (("stock", e, t - 1), -1.0)], arrives / MBIT)
            else:
                program.row(terms, (arrives + p.initial_bit[e]) / MBIT)
        if len(p.target_bit) and p.target_bit[e] > 0:
            top = min(p.target_bit[e], p.capacity_bit[e]) / MBIT
            program.variable(("end", e), p.target_worth[e], top)
            last = p.supply_bit[e, -1] / MBIT if p.delayed[e] else 0.0
            program.row([(("end", e), 1.0), (("stock", e, n_bins - 1), -1.0)], last)


def thirds(p, program):
    for k, t in np.ndindex(p.asked_bit.shape):
        asked = p.asked_bit[k, t] / MBIT
        for i in range(3):
            program.variable(("third", k, t, i), p.weights[k] * WORTH[i] / asked if asked else 0.0, asked / 3)


def quotas(p, program, flow_of_arc):
    for q, t in np.ndindex(p.quota_bit.shape):
        arcs = np.flatnonzero(p.quota_of_arc == q).tolist()
        program.row([term for arc in arcs for term in flow_of_arc(arc, t)], p.quota_bit[q, t] / MBIT)


def tie_cost(p):
    """Price (demands, edges) per Mbit that breaks ties, as the programme sets it."""
    return key_flow._cost_scale(p)[:, None] * edge_cost(p)


def open_in(p, e, t):
    return not p.closed.size or not p.closed[e, t]


def arc_flow_optimum(p):
    """Optimum with one flow per demand, bin and arc; no paths, no rows left out."""
    program, cost = Program(), tie_cost(p)
    thirds(p, program)
    n_demands, n_bins = p.asked_bit.shape
    for k, t, e, way in itertools.product(range(n_demands), range(n_bins), range(len(p.edges)), range(2)):
        usable = np.frombuffer(p.rules[k].arcs, dtype=bool)[2 * e + way] and open_in(p, e, t)
        program.variable(("flow", k, t, 2 * e + way), -cost[k, e], np.inf if usable else 0.0)
    nodes = sorted({n for _, a, b in p.edges for n in (a, b)})
    for k, t, node in itertools.product(range(n_demands), range(n_bins), nodes):
        terms = []
        for e, (_, a, b) in enumerate(p.edges):
            for arc, tail, head in ((2 * e, a, b), (2 * e + 1, b, a)):
                terms += [(("flow", k, t, arc), float(tail == node) - float(head == node))] * (node in (a, b))
        sign = float(node == p.ends[k][0]) - float(node == p.ends[k][1])
        terms += [(("third", k, t, i), -sign) for i in range(3)] if sign else []
        program.row(terms, 0.0, "eq")
    stores(p, program, lambda e, t: [(("flow", k, t, 2 * e + w), 1.0) for k in range(n_demands) for w in range(2)])
    quotas(p, program, lambda arc, t: [(("flow", k, t, arc), 1.0) for k in range(n_demands)])
    return program.optimum()


def routes_of(p, k):
    """Every admissible route of a demand, by enumeration: single paths, or pairs without a common node."""
    graph = nx.MultiDiGraph()
    allowed = np.frombuffer(p.rules[k].arcs, dtype=bool)
    for e, (_, a, b) in enumerate(p.edges):
        graph.add_nodes_from((a, b))
        for arc, (u, v) in ((2 * e, (a, b)), (2 * e + 1, (b, a))):
            if allowed[arc]:
                graph.add_edge(u, v, key=arc)
    paths = []
    number = {n: i for i, n in enumerate(sorted(graph.nodes))}
    for path in nx.all_simple_edge_paths(graph, *p.ends[k]):
        between = [number[u] for u, _, _ in path[1:]]
        if all(sum(np.frombuffer(m, dtype=bool)[between]) <= most for m, most in p.rules[k].limits):
            paths.append((tuple(arc for _, _, arc in path), set(between)))
    if p.rules[k].shares == 1:
        return [arcs for arcs, _ in paths]
    return [
        x + y for (x, mine), (y, other) in itertools.combinations(paths, 2)
        if not mine & other and not {a >> 1 for a in x} & {a >> 1 for a in y}
    ]  # fmt: skip


def all_paths_optimum(p):
    """Optimum over every enumerated route; no pricing, no rows left out."""
    program, cost = Program(), tie_cost(p)
    thirds(p, program)
    using = {}
    n_demands, n_bins = p.asked_bit.shape
    for k in range(n_demands):
        routes = routes_of(p, k)
        for t in range(n_bins):
            mine = [r for r in routes if all(open_in(p, arc >> 1, t) for arc in r)]
            for r in mine:
                program.variable((k, t, r), -float(sum(cost[k, arc >> 1] for arc in r)))
                for arc in r:
                    using.setdefault((arc, t), []).append(((k, t, r), 1.0))
            program.row([*((("third", k, t, i), 1.0) for i in range(3)), *(((k, t, r), -1.0) for r in mine)], 0.0)
    stores(p, program, lambda e, t: using.get((2 * e, t), []) + using.get((2 * e + 1, t), []))
    quotas(p, program, lambda arc, t: using.get((arc, t), []))
    return program.optimum()


def random_problem(seed, *, bins=3, chains=True, rules="masks", **changes):
    """A core graph whose links are chains of spans: some spans with plenty of key, some delayed, some with stock."""
    rng = np.random.default_rng(seed)
    core = nx.gnm_random_graph(5, 7, seed=int(rng.integers(1e6)))
    edges = []
    for a, b in core.edges:
        spans = int(rng.integers(1, 4)) if chains else 1
        names = [f"n{a}", *(f"n{a}{b}{i}" for i in range(1, spans)), f"n{b}"]
        edges += [(f"e{len(edges) + i}", u, v) for i, (u, v) in enumerate(itertools.pairwise(names))]
    n, n_demands = len(edges), 4
    asked = rng.uniform(0.5, 4, (n_demands, bins)) * MBIT * (rng.random((n_demands, bins)) > 0.15)
    supply = rng.uniform(0, 4, (n, bins)) * MBIT
    supply[rng.random(n) < 0.2] += 50 * MBIT
    delayed, capacity = rng.random(n) < 0.3, rng.uniform(1, 6, n) * MBIT
    for e in np.flatnonzero(rng.random(n) < 0.3):  # spans that have a little more of everything than the one before
        supply[e], capacity[e], delayed[e] = supply[e - 1] * 1.1, capacity[e - 1] * 1.1, delayed[e - 1]
    arcs = [np.ones(2 * n, dtype=bool) if rules == "free" else rng.random(2 * n) > 0.06 for _ in range(n_demands)]
    core_nodes = [f"n{i}" for i in core.nodes if core.degree[i]]
    problem = KeyFlowProblem(
        edges=edges, delayed=delayed, supply_bit=supply,
        initial_bit=rng.uniform(0, 1, n) * MBIT * (rng.random(n) < 0.3), capacity_bit=capacity,
        ends=[tuple(rng.choice(core_nodes, 2, replace=False).tolist()) for _ in range(n_demands)],
        weights=rng.uniform(0.5, 3, n_demands), asked_bit=asked, rules=[PathRule(a.tobytes()) for a in arcs],
    )  # fmt: skip
    return replace(problem, **changes)


def with_everything(seed):
    """Quotas on some arcs, closed bins, and stock wanted at the end."""
    p = random_problem(seed)
    rng = np.random.default_rng([seed, 1])
    n, bins = p.supply_bit.shape
    return replace(
        p, closed=rng.random((n, bins)) < 0.05, target_bit=rng.uniform(0, 3, n) * MBIT * (rng.random(n) < 0.4),
        target_worth=rng.uniform(0.01, 0.6, n), quota_of_arc=rng.integers(-6, 2, n),
        quota_bit=rng.uniform(0, 2, (2, bins)) * MBIT,
    )  # fmt: skip


def checked(p, optimum):
    """The result attains an optimum found elsewhere, its bound holds, and its paths fit the stores and the demands."""
    result = solve_key_flow(p)
    assert result.objective == pytest.approx(optimum, rel=1e-6, abs=1e-8)
    assert optimum - 1e-7 * max(1.0, optimum) <= result.bound
    assert result.bound <= optimum * (1 + 1e-6) + 1e-7
    delivered = np.zeros(p.asked_bit.shape)
    for k, t, route, bit in result.paths:
        delivered[k, t] += bit
        arcs = route_arcs(route)
        assert np.frombuffer(p.rules[k].arcs, dtype=bool)[arcs].all()
        assert all(open_in(p, arc >> 1, t) for arc in arcs)
    assert (delivered <= p.asked_bit + 1.0).all()
    return result


@pytest.mark.parametrize("seed", range(20))
def test_optimum_equals_that_of_flows_on_arcs(seed):
    p = random_problem(seed)
    optimum = arc_flow_optimum(p)
    assert optimum > 0.1
    checked(p, optimum)


@pytest.mark.parametrize("seed", range(20))
def test_quotas_closed_bins_and_end_stock_equal_those_of_flows_on_arcs(seed):
    p = with_everything(seed)
    checked(p, arc_flow_optimum(p))


@pytest.mark.parametrize("seed", range(12))
def test_counted_nodes_and_two_shares_equal_the_enumeration(seed):
    p = random_problem(100 + seed, bins=2, chains=False)
    rng = np.random.default_rng([seed, 2])
    n_nodes = len({x for _, a, b in p.edges for x in (a, b)})
    limit = ((np.ones(n_nodes, dtype=bool).tobytes(), int(rng.integers(0, 3))),)
    rules = [
        p.rules[0], PathRule(p.rules[1].arcs, limit), PathRule(p.rules[2].arcs, (), 2),
        PathRule(p.rules[3].arcs, limit, 2),
    ]  # fmt: skip
    p = replace(p, rules=rules)
    checked(p, all_paths_optimum(p))
    plain = replace(p, rules=[PathRule(r.arcs) for r in rules])
    assert all_paths_optimum(plain) == pytest.approx(arc_flow_optimum(plain), rel=1e-7)  # the oracles agree


@pytest.mark.parametrize("make", [random_problem, with_everything])
def test_leaving_rows_out_does_not_move_the_optimum(make, monkeypatch):
    problems = [make(seed) for seed in range(30, 44)]
    held = [len(RelayProgramme(p).layout.stored) for p in problems]
    short = [solve_key_flow(p).objective for p in problems]
    monkeypatch.setattr(flow_layout, "stored_edges", lambda problem, _: np.arange(len(problem.edges)))
    assert sum(len(p.edges) - n for p, n in zip(problems, held, strict=True)) >= 20
    assert [solve_key_flow(p).objective for p in problems] == pytest.approx(short, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("seed", [*range(6), 29, 76])
def test_interior_points_reach_the_same_optimum(seed, monkeypatch):
    p = with_everything(seed)
    exact = solve_key_flow(p).objective
    monkeypatch.setattr(key_flow, "_INTERIOR_FROM", 0)
    assert RelayProgramme(p).interior
    assert solve_key_flow(p).objective == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_any_prices_bound_the_optimum(seed):
    """Lagrangian duality: prices drawn from anywhere, sparse or dense, small or large, prove an upper bound."""
    p = with_everything(seed)
    optimum = arc_flow_optimum(p)
    programme = RelayProgramme(p)
    rng = np.random.default_rng(seed)
    rows = len(programme.base.row_upper)
    for scale, share in itertools.product((0.0, 0.01, 0.3, 3.0), (0.2, 1.0)):
        _, bound = programme._price(rng.exponential(scale, rows) * (rng.random(rows) < share))
        assert bound >= optimum - 1e-9
    best = programme.relax().solution.row_price
    _, tight = programme._price(best, level=False)
    assert tight == pytest.approx(optimum, rel=1e-6)
    _, near = programme._price(best * rng.uniform(0.8, 1.2, rows))
    assert near >= optimum - 1e-9


def small(edges, supply, ends, asked, **changes):
    n = len(edges)
    base = KeyFlowProblem(
        edges=[(f"e{i}", a, b) for i, (a, b) in enumerate(edges)], delayed=np.zeros(n, dtype=bool),
        supply_bit=np.array(supply, dtype=float) * MBIT, initial_bit=np.zeros(n), capacity_bit=np.full(n, 1e12),
        ends=ends, weights=np.ones(len(ends)), asked_bit=np.array(asked, dtype=float) * MBIT,
        rules=[PathRule(np.ones(2 * n, dtype=bool).tobytes())] * len(ends),
    )  # fmt: skip
    return replace(base, **changes)


def delivered_mbit(p):
    total = np.zeros(p.asked_bit.shape)
    for k, t, _, bit in solve_key_flow(p).paths:
        total[k, t] += bit / MBIT
    return total


def test_quota_holds_per_direction_and_over_parallel_borders():
    """Two links of 10 cross one border; 4 go forward and 1 backward over both together, whatever the links hold."""
    borders = [("a", "b"), ("b", "a")]
    ends = [("a", "b"), ("b", "a")]
    p = small(borders, [[10.0], [10.0]], ends, [[8.0], [5.0]], quota_of_arc=np.array([0, 1, 1, 0]),
              quota_bit=np.array([[4.0], [1.0]]) * MBIT)  # fmt: skip
    assert delivered_mbit(p)[:, 0] == pytest.approx([4.0, 1.0], abs=1e-5)
    free = replace(p, quota_of_arc=np.array([0, 1]))  # the second link lies beyond the array and has none
    assert delivered_mbit(free)[:, 0] == pytest.approx([8.0, 5.0], abs=1e-5)


def test_unused_quota_of_a_bin_does_not_carry_over():
    p = small([("a", "b")], [[20.0, 0.0]], [("a", "b")], [[1.0, 9.0]], quota_of_arc=np.array([0, -1]),
              quota_bit=np.array([[3.0, 3.0]]) * MBIT)  # fmt: skip
    assert delivered_mbit(p)[0] == pytest.approx([1.0, 3.0], abs=1e-5)


def test_closed_bin_stops_key_and_keeps_its_stock():
    """An edge of 5 a bin, closed in bin 1 of 3: 5, 0 and the 10 that have gathered, of 9 asked in each."""
    p = small(
        [("a", "b")], [[5.0, 5.0, 5.0]], [("a", "b")], [[5.0, 9.0, 12.0]], closed=np.array([[False, True, False]])
    )
    assert delivered_mbit(p)[0] == pytest.approx([5.0, 0.0, 10.0], abs=1e-5)
    detour = small([("a", "b"), ("a", "c"), ("c", "b")], [[5.0] * 2, [2.0] * 2, [3.0] * 2], [("a", "b")], [[4.0, 4.0]],
                   closed=np.array([[False, True], [False, False], [False, False]]))  # fmt: skip
    assert delivered_mbit(detour)[0] == pytest.approx([4.0, 4.0], abs=1e-5)  # 2 + 2 kept in the detour's stores


def test_two_shares_use_key_of_both_paths():
    """Shares over the paths of 5 and of 2 deliver 2, not 7, and nothing once one path is closed."""
    edges = [("a", "p"), ("p", "b"), ("a", "q"), ("q", "b")]
    rule = [PathRule(np.ones(8, dtype=bool).tobytes(), (), 2)]
    p = small(edges, [[5.0], [6.0], [2.0], [3.0]], [("a", "b")], [[9.0]], rules=rule)
    assert delivered_mbit(p).sum() == pytest.approx(2.0, abs=1e-5)
    assert delivered_mbit(replace(p, rules=[PathRule(rule[0].arcs)])).sum() == pytest.approx(7.0, abs=1e-5)
    assert delivered_mbit(replace(p, closed=np.array([[True], [False], [False], [False]]))).sum() == 0.0


def test_chain_is_as_strong_as_its_weakest_span_in_each_bin():
    """Spans of (4, 1) and (2, 3) in two bins with stores: 2 in the first bin; 1 and 2 kept against 3 in the second."""
    p = small([("a", "m"), ("m", "b")], [[4.0, 1.0], [2.0, 3.0]], [("a", "b")], [[9.0, 9.0]])
    assert delivered_mbit(p)[0] == pytest.approx([2.0, 3.0], abs=1e-5)
