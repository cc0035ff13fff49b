"""Cheapest paths under rules against enumeration of every simple path."""

import itertools

import networkx as nx
import numpy as np
import pytest

from eqci_space.fiber.paths import ArcSearch, KeyGraph, PathRule, PlainArcs, cheapest_routes, route_arcs

SEEDS = range(40)


def random_graph(rng, nodes=6, edges=11):
    """Distinct random pairs, and two of them doubled as parallel edges."""
    pairs = list(itertools.combinations("abcdefghij"[:nodes], 2))
    chosen = [pairs[i] for i in rng.choice(len(pairs), min(edges, len(pairs)), replace=False)]
    chosen += [chosen[i][::-1] for i in rng.choice(len(chosen), 2, replace=False)]
    return KeyGraph(tuple((f"e{i}", a, b) for i, (a, b) in enumerate(chosen)))


def random_cost(rng, graph, *, closed=0.08):
    """Costs of arcs that differ by direction; a few arcs closed."""
    cost = rng.uniform(0.05, 1.0, 2 * len(graph.edges))
    cost[rng.random(len(cost)) < closed] = np.inf
    return cost


def mask(*shape_or_values) -> bytes:
    return np.array(shape_or_values, dtype=bool).tobytes()


def every_path(graph, ends, allowed, cost):
    """(cost, arcs, nodes between) of every simple path over arcs that are allowed and open."""
    multi = nx.MultiDiGraph()
    multi.add_nodes_from(graph.number)
    for e, (_, a, b) in enumerate(graph.edges):
        for arc, (u, v) in ((2 * e, (a, b)), (2 * e + 1, (b, a))):
            if allowed[arc] and np.isfinite(cost[arc]):
                multi.add_edge(u, v, key=arc)
    found = []
    for path in nx.all_simple_edge_paths(multi, *ends):
        arcs = tuple(arc for _, _, arc in path)
        found.append((float(cost[list(arcs)].sum()), arcs, [graph.number[v] for _, v, _ in path[:-1]]))
    return found


def within(between, limits):
    return all(sum(np.frombuffer(counted, dtype=bool)[v] for v in between) <= most for counted, most in limits)


def brute(graph, ends, rule, cost):
    """Least cost over all admissible routes, or None."""
    paths = [
        p for p in every_path(graph, ends, np.frombuffer(rule.arcs, dtype=bool), cost) if within(p[2], rule.limits)
    ]
    if rule.shares == 1:
        return min((p[0] for p in paths), default=None)
    pairs = (
        p[0] + q[0] for p, q in itertools.combinations(paths, 2)
        if not set(p[2]) & set(q[2]) and not {a >> 1 for a in p[1]} & {a >> 1 for a in q[1]}
    )  # fmt: skip
    return min(pairs, default=None)


def check(graph, ends, rule, cost):
    """The finder gives the least cost of the enumeration by a route that is admissible; whether there is one."""
    found = cheapest_routes(graph, [ends], [rule], [0], cost)
    least = brute(graph, ends, rule, cost)
    if least is None:
        assert found == {}
        return False
    route, price = found[0]
    assert price == pytest.approx(least, rel=1e-6)
    assert price == pytest.approx(cost[route_arcs(route)].sum())
    assert len(route) == rule.shares
    allowed = np.frombuffer(rule.arcs, dtype=bool)
    tail, head = graph.tail_head
    between = []
    for share in route:
        nodes = graph.path_nodes(share)
        assert (nodes[0], nodes[-1]) == (graph.number[ends[0]], graph.number[ends[1]])
        assert all(head[a] == tail[b] for a, b in itertools.pairwise(share))
        assert len(set(nodes)) == len(nodes)
        assert allowed[list(share)].all()
        assert within(nodes[1:-1], rule.limits)
        between += nodes[1:-1]
    assert len(set(between)) == len(between)
    used = [arc >> 1 for arc in route_arcs(route)]
    assert len(set(used)) == len(used)
    return True


def random_rule(rng, graph, *, limits=0, shares=1):
    arcs = rng.random(2 * len(graph.edges)) > 0.1
    n = len(graph.number)
    counted = [(rng.random(n) < 0.7).tobytes() for _ in range(limits)]
    return PathRule(arcs.tobytes(), tuple((c, int(rng.integers(0, 4))) for c in counted), shares)


@pytest.mark.parametrize(("limits", "shares", "fewest"), [(0, 1, 30), (1, 1, 30), (2, 1, 25), (0, 2, 20), (1, 2, 10)])
def test_cheapest_route_is_that_of_the_enumeration(limits, shares, fewest):
    reached = 0
    for seed in SEEDS:
        rng = np.random.default_rng([seed, limits, shares])
        graph = random_graph(rng)
        rule = random_rule(rng, graph, limits=limits, shares=shares)
        reached += check(graph, ("a", "b"), rule, random_cost(rng, graph))
    assert reached >= fewest  # else the comparison would be empty


@pytest.mark.parametrize("seed", range(12))
def test_zero_costs_and_ties_do_not_mislead(seed):
    """Costs of 0, 1 and 2 tie everywhere; the sums of the routes are whole numbers all the same."""
    rng = np.random.default_rng(seed)
    graph = random_graph(rng)
    cost = rng.integers(0, 3, 2 * len(graph.edges)).astype(float)
    for limits, shares in ((0, 1), (1, 1), (0, 2), (1, 2)):
        check(graph, ("a", "f"), random_rule(rng, graph, limits=limits, shares=shares), cost)


def test_costs_over_ten_decades_keep_the_counted_pair_exact():
    """One dear arc elsewhere must not blunt the comparison of cheap ones: the pair costs 3e-6 + 5e-6, not 9e-6 more."""
    graph = KeyGraph((
        ("0", "a", "p"), ("1", "p", "b"), ("2", "a", "q"), ("3", "q", "b"), ("4", "a", "r"), ("5", "r", "b"),
        ("6", "a", "z"), ("7", "z", "b"), ("8", "a", "u"), ("9", "u", "v"), ("10", "v", "b"),
    ))  # fmt: skip
    price = [1e-6, 2e-6, 2e-6, 3e-6, 6e-6, 6e-6, 1e4, 1e4, 1e-9, 1e-9, 1e-9]
    rule = PathRule(np.ones(22, dtype=bool).tobytes(), ((np.ones(8, dtype=bool).tobytes(), 1),), 2)
    route, cost = cheapest_routes(graph, [("a", "b")], [rule], [0], np.repeat(price, 2))[0]
    assert cost == pytest.approx(8e-6, rel=1e-6)
    assert sorted(arc >> 1 for arc in route_arcs(route)) == [0, 1, 2, 3]


LADDER = KeyGraph((
    ("ap", "a", "p"), ("pb", "p", "b"), ("aq", "a", "q"), ("qr", "q", "r"), ("rb", "r", "b"), ("pq", "p", "q"),
    ("pr", "p", "r"),
))  # fmt: skip
ALL = np.ones(14, dtype=bool).tobytes()


def named(route):
    return [[LADDER.edges[a >> 1][0] for a in share] for share in route]


def test_suurballe_gives_up_the_shortest_path():
    """The shortest path a-p-r-b (1 + 1 + 1) blocks the second; the pair a-p-b, a-q-r-b costs 1 + 5 + 4 + 1 + 1."""
    cost = np.repeat([1.0, 5.0, 4.0, 1.0, 1.0, 9.0, 1.0], 2)
    single = cheapest_routes(LADDER, [("a", "b")], [PathRule(ALL)], [0], cost)[0]
    assert (named(single[0]), single[1]) == ([["ap", "pr", "rb"]], 3.0)
    route, price = cheapest_routes(LADDER, [("a", "b")], [PathRule(ALL, (), 2)], [0], cost)[0]
    assert price == 12.0
    assert sorted(named(route)) == [["ap", "pb"], ["aq", "qr", "rb"]]


def test_a_node_that_all_paths_pass_leaves_no_two_shares():
    hourglass = KeyGraph(tuple((f"{a}{b}", a, b) for a, b in ("as", "at", "sm", "tm", "mu", "mv", "ub", "vb")))
    rule = PathRule(np.ones(16, dtype=bool).tobytes(), (), 2)
    assert cheapest_routes(hourglass, [("a", "b")], [rule], [0], np.ones(16)) == {}
    to_the_middle = cheapest_routes(hourglass, [("a", "m")], [rule], [0], np.ones(16))[0]
    assert to_the_middle[1] == 4.0


def test_parallel_edges_carry_a_share_each_and_one_edge_never_both():
    twin = KeyGraph((("x", "a", "b"), ("y", "b", "a"), ("am", "a", "m"), ("mb", "m", "b")))
    cost = np.array([3.0, 3.0, 1.0, 1.0, 5.0, 5.0, 5.0, 5.0])
    plain, shares = PathRule(ALL[:8]), PathRule(ALL[:8], (), 2)
    # Arc 3 is edge y from its second node a to its first b.
    assert cheapest_routes(twin, [("a", "b")], [plain], [0], cost)[0] == (((3,),), 1.0)
    route, price = cheapest_routes(twin, [("a", "b")], [shares], [0], cost)[0]
    assert (sorted(route_arcs(route)), price) == ([0, 3], 4.0)
    cost[:2] = np.inf
    route, price = cheapest_routes(twin, [("a", "b")], [shares], [0], cost)[0]
    assert (sorted(route_arcs(route)), price) == ([3, 4, 6], 11.0)
    none_between = PathRule(ALL[:8], ((np.ones(3, dtype=bool).tobytes(), 0),), 2)
    assert cheapest_routes(twin, [("a", "b")], [none_between], [0], cost) == {}


def test_limits_count_only_between_the_ends():
    """a-p-b has one node between, a-q-r-b two; the ends are counted nodes that do not count."""
    cost = np.repeat([1.0, 5.0, 0.1, 0.1, 0.1, 9.0, 9.0], 2)
    everyone = np.ones(5, dtype=bool).tobytes()
    prices = [
        cheapest_routes(LADDER, [("a", "b")], [PathRule(ALL, ((everyone, most),))], [0], cost).get(0, (None, np.inf))[1]
        for most in range(4)
    ]
    assert prices == pytest.approx([np.inf, 6.0, 0.3, 0.3])
    only_q = np.array([name == "q" for name in LADDER.number])
    both = PathRule(ALL, ((everyone, 2), (only_q.tobytes(), 0)))
    assert cheapest_routes(LADDER, [("a", "b")], [both], [0], cost)[0][1] == pytest.approx(6.0)


def test_one_way_arcs_are_not_gone_back():
    arcs = np.ones(14, dtype=bool)
    arcs[1] = False  # p to a
    rule = PathRule(arcs.tobytes())
    cost = np.repeat([1.0, 1.0, 3.0, 3.0, 3.0, 1.0, 9.0], 2)
    there = cheapest_routes(LADDER, [("a", "b"), ("b", "a")], [rule, rule], [0, 1], cost)
    assert there[0][1] == 2.0
    assert (named(there[1][0]), there[1][1]) == ([["pb", "pq", "aq"]], 5.0)


def test_many_demands_at_once_give_what_each_gives_alone():
    rng = np.random.default_rng(3)
    graph = random_graph(rng, nodes=8, edges=16)
    cost = random_cost(rng, graph)
    ends = [("a", "b"), ("c", "b"), ("a", "h"), ("a", "b"), ("g", "d"), ("nowhere", "a")]
    rules = [random_rule(rng, graph, limits=k % 2, shares=1 + (k == 4)) for k in range(6)]
    rules[2] = PathRule(rules[0].arcs)
    together = cheapest_routes(graph, ends, rules, range(6), cost)
    for k in range(6):
        alone = cheapest_routes(graph, ends, rules, [k], cost)
        assert together.get(k) == alone.get(k)
    assert 5 not in together  # a node that no edge touches


def test_nothing_open_means_no_route():
    closed = np.full(14, np.inf)
    everyone = np.ones(5, dtype=bool).tobytes()
    for rule in (
        PathRule(ALL),
        PathRule(ALL, ((everyone, 3),)),
        PathRule(ALL, (), 2),
        PathRule(ALL, ((everyone, 1),), 2),
    ):
        assert cheapest_routes(LADDER, [("a", "b")], [rule], [0], closed) == {}


def test_search_without_arcs_reaches_its_sources_at_no_cost_and_nothing_else():
    """No arc is open: distance 0 to the source itself, over no arcs, as with arcs elsewhere."""
    tail, head, cost = np.array([0, 1]), np.array([1, 0]), np.array([0.5, 0.5])
    bare = ArcSearch(4, tail, head, np.array([], dtype=int), cost)
    distance, before = bare.run([2, 0])
    assert distance.tolist() == [[np.inf, np.inf, 0.0, np.inf], [0.0, np.inf, np.inf, np.inf]]
    assert bare.arcs_to(before[0], 2, 2) == ()
    elsewhere, _ = ArcSearch(4, tail, head, np.array([0, 1]), cost).run([2])
    assert elsewhere.tolist() == distance[:1].tolist()


def crowded_graph(rng, nodes, edges):
    """Random pairs with repetition, in either direction: many edges are parallel."""
    pairs = [rng.choice(nodes, 2, replace=False) for _ in range(edges)]
    return KeyGraph(tuple((f"e{i}", "abcdefgh"[a], "abcdefgh"[b]) for i, (a, b) in enumerate(pairs)))


def costs_with_ties(rng, graph, whole):
    """Costs of arcs, a fifth of them infinite; whole numbers from 0 to 2 tie everywhere."""
    count = 2 * len(graph.edges)
    cost = rng.integers(0, 3, count).astype(float) if whole else rng.uniform(0.0, 1.0, count)
    cost[rng.random(count) < 0.2] = np.inf
    return cost


def first_of_the_cheapest(graph, arcs, cost, start, end):
    """Of the arcs given, that of least cost from one node to another; of equal ones the first."""
    tail, head = graph.tail_head
    return min((a for a in arcs if (tail[a], head[a]) == (start, end)), key=lambda a: (cost[a], a))


@pytest.mark.parametrize("whole", [False, True])
def test_arcs_sorted_once_give_the_paths_of_a_search_made_for_each_price(whole):
    """One object under many prices against searches of the open arcs alone and the enumeration of every path."""
    reached = parallel = 0
    for seed in SEEDS:
        rng = np.random.default_rng([seed, whole])
        graph = crowded_graph(rng, 5, 12)
        nodes, (tail, head) = len(graph.number), graph.tail_head
        allowed = rng.random(2 * len(graph.edges)) < 0.8
        arcs, sources = np.flatnonzero(allowed), list(range(nodes))
        plain = PlainArcs(graph, arcs)
        for _ in range(3):
            cost = costs_with_ties(rng, graph, whole)
            distance, before = plain.run(sources, cost)
            anew = ArcSearch(nodes, tail, head, arcs[np.isfinite(cost[arcs])], cost)
            expected, _ = anew.run(sources)
            assert (distance == expected).all()
            for a, b in itertools.product(graph.number, repeat=2):
                s, t = graph.number[a], graph.number[b]
                if a == b or not np.isfinite(distance[s, t]):
                    assert a == b or every_path(graph, (a, b), allowed, cost) == []
                    continue
                least, first, _ = min(every_path(graph, (a, b), allowed, cost), key=lambda path: path[0])
                path = plain.path(before[s], s, t, cost)
                on = graph.path_nodes(path)
                assert cost[list(path)].sum() == pytest.approx(least, abs=1e-12)
                assert distance[s, t] == pytest.approx(least, abs=1e-12)
                assert (on[0], on[-1]) == (s, t)
                pairs = itertools.pairwise(on)
                assert path == tuple(first_of_the_cheapest(graph, arcs, cost, u, v) for u, v in pairs)
                assert whole or path == first
                reached += 1
                parallel += sum(np.sum((tail[arcs] == tail[arc]) & (head[arcs] == head[arc])) > 1 for arc in path)
    assert reached > 800
    assert parallel > 300


def test_of_parallel_arcs_the_cheapest_is_taken_and_of_equal_ones_the_first():
    """Edges 0, 1 and 3 join a and b, edge 1 written the other way round; edge 2 goes on to c."""
    graph = KeyGraph((("0", "a", "b"), ("1", "b", "a"), ("2", "b", "c"), ("3", "a", "b")))
    plain = PlainArcs(graph, np.arange(8))

    def path(costs):
        cost = np.repeat(costs, 2).astype(float)
        distance, before = plain.run([0], cost)
        return plain.path(before[0], 0, 2, cost), distance[0].tolist()

    assert path([2, 1, 1, 3]) == ((3, 4), [0.0, 1.0, 2.0])
    assert path([2, 2, 1, 2]) == ((0, 4), [0.0, 2.0, 3.0])
    assert path([3, 2, 1, 2]) == ((3, 4), [0.0, 2.0, 3.0])
    assert path([np.inf, 5, 1, 4]) == ((6, 4), [0.0, 4.0, 5.0])
    assert path([np.inf, 0, 1, 0])[0] == (3, 4)
    cut = np.repeat([1.0, 1.0, np.inf, 1.0], 2)
    assert plain.run([0], cut)[0].tolist() == [[0.0, 1.0, np.inf]]
    some = PlainArcs(graph, np.array([4, 6]))
    cost = np.repeat([1.0, 1.0, 1.0, 9.0], 2)
    distance, before = some.run([0, 2], cost)
    assert distance.tolist() == [[0.0, 9.0, 10.0], [np.inf, np.inf, 0.0]]
    assert some.path(before[0], 0, 2, cost) == (6, 4)
    assert some.path(before[1], 2, 2, cost) == ()


def test_without_arcs_only_the_sources_are_reached():
    graph = KeyGraph((("0", "a", "b"), ("1", "b", "c")))
    bare = PlainArcs(graph, np.array([], dtype=int))
    distance, before = bare.run([2, 0], np.ones(4))
    assert distance.tolist() == [[np.inf, np.inf, 0.0], [0.0, np.inf, np.inf]]
    assert bare.path(before[0], 2, 2, np.ones(4)) == ()


def test_one_graph_asked_again_at_other_prices_and_rules_answers_each_by_itself():
    """Arcs are remembered by what may be used, never by their prices."""
    rng = np.random.default_rng(11)
    graph = crowded_graph(rng, 6, 9)
    rules = [random_rule(rng, graph) for _ in range(3)]
    found = 0
    for _ in range(12):
        cost = costs_with_ties(rng, graph, whole=False)
        for rule in rules:
            found += check(graph, ("a", "b"), rule, cost)
            known, fresh = (cheapest_routes(g, [("a", "b")], [rule], [0], cost) for g in (graph, KeyGraph(graph.edges)))
            assert known == fresh
    assert 10 < found < 36
    assert set(graph.plain) == {rule.arcs for rule in rules}
