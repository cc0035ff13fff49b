"""Assurance classes on a small network whose paths are known, and on the shipped one."""

import itertools

import networkx as nx
import numpy as np
import pytest

from eqci_space.fiber.assurance import node_owners, path_rules, vertex_connectivity
from eqci_space.fiber.edges import key_edges
from eqci_space.fiber.network import build_network
from eqci_space.fiber.network_io import read_network
from eqci_space.fiber.paths import KeyGraph, PathRule, cheapest_routes
from eqci_space.fiber.relay import relay_keys
from eqci_space.tables import empty_table

# Between A in Germany and B in Poland: over Czech C (one node), over D and P (two, at home), over E, F and D (three).
NODES = [
    "A DE East opA",
    "D DE East opD",
    "P PL West opP",
    "B PL West opB",
    "C CZ South opC",
    "E DE East opE",
    "F DE East opD",
]
LINKS = ["AD A D", "DP D P 50 10 x carrier", "PB P B", "AC A C", "CB C B", "AE A E", "EF E F", "FD F D"]


def demand(assurance="any", ends=("A", "B"), **more):
    return {"name": "key", "between": ends, "bit_per_day": 1e6, "assurance": assurance, **more}


def paths_of(scenario, edges=None):
    """Path of fewest edges of every demand under its rule: node lists, one per share; None without any."""
    network = build_network(scenario)
    edges = key_edges(network, scenario)
    graph = KeyGraph(tuple(zip(edges.index, edges["a"], edges["b"], strict=True)))
    ends = [d.between for d in scenario.demands]
    rules = path_rules(edges, network, scenario)
    found = cheapest_routes(graph, ends, rules, range(len(ends)), np.ones(2 * len(edges)))
    names = list(graph.number)
    return [
        sorted("".join(names[v] for v in graph.path_nodes(share)) for share in found[k][0]) if k in found else None
        for k in range(len(ends))
    ]


@pytest.fixture
def path(hand_made):
    def find(*args, **more):
        return paths_of(hand_made(NODES, LINKS, [demand(*args, **more)]))[0]

    return find


@pytest.mark.parametrize(
    ("assurance", "expected"),
    [
        ("any", ["ACB"]),
        ("max_nodes=1", ["ACB"]), ("max_nodes=0", None),
        ("max_foreign_nodes=1", ["ACB"]), ("max_foreign_nodes=0", ["ADPB"]),
        (("max_nodes=2", "max_foreign_nodes=0"), ["ADPB"]), (("max_nodes=1", "max_foreign_nodes=0"), None),
        (("max_nodes=3", "max_nodes=0"), None),
        ("national_only", None),
        ("space_path", None),
        ("two_disjoint", ["ACB", "ADPB"]), (("two_disjoint", "max_nodes=2"), ["ACB", "ADPB"]),
        (("two_disjoint", "max_nodes=1"), None), (("two_disjoint", "max_foreign_nodes=0"), None),
    ],
    ids=str,
)  # fmt: skip
def test_classes_and_their_combinations(path, assurance, expected):
    assert path(assurance) == expected


@pytest.mark.parametrize(
    ("prohibition", "expected"),
    [
        ({"forbidden_nodes": ("C",)}, ["ADPB"]),
        ({"forbidden_operators": ("opC",)}, ["ADPB"]),
        ({"forbidden_nations": ("CZ",)}, ["ADPB"]),
        ({"forbidden_nodes": ("C", "P")}, None),
        ({"forbidden_operators": ("opC", "carrier")}, None),  # carrier runs the link D-P and no node
        ({"forbidden_nations": ("DE", "PL")}, ["ACB"]),  # the ends see their own key all the same
        ({"forbidden_nations": ("CZ", "PL")}, None),
        ({"forbidden_operators": ("opA", "opB")}, ["ACB"]),
        ({"assurance": "max_nodes=2", "forbidden_nodes": ("C",)}, ["ADPB"]),
        ({"assurance": "two_disjoint", "forbidden_nations": ("CZ",)}, None),
    ],
    ids=str,
)
def test_prohibitions(path, prohibition, expected):
    assert path(**prohibition) == expected


def test_one_nation(path):
    """F to A: over D, over E, both German; to C and on abroad only by leaving the nation."""
    assert path("national_only", ends=("F", "A")) in (["FDA"], ["FEA"])
    assert path("national_only", ends=("F", "A"), forbidden_nodes=("D",)) == ["FEA"]
    assert path(("national_only", "two_disjoint"), ends=("F", "A")) == ["FDA", "FEA"]
    assert path("national_only", ends=("D", "C")) is None
    assert path("any", ends=("D", "B"), forbidden_nodes=("P",)) == ["DACB"]
    assert path("max_foreign_nodes=0", ends=("D", "B"), forbidden_nodes=("P",)) is None


@pytest.fixture
def with_satellite(hand_made, scenario):
    """Stations X at D and Y at P under one satellite."""
    base = scenario.stations["PQSAT"]

    def build(wanted, **satellite):
        stations = {
            name: base.model_copy(update={"name": name, "node": node, "country": country, "attach": "fibre"})
            for name, node, country in (("X", "D", "DE"), ("Y", "P", "PL"))
        }  # fmt: skip
        one = scenario.satellites[0].model_copy(update={"name": "S", **satellite})
        return hand_made(NODES, LINKS, wanted, satellites=(one,), stations=stations)

    return build


def test_space_path_crosses_borders_through_the_satellite_only(with_satellite):
    assert paths_of(with_satellite([demand("space_path")])) == [["ADSPB"]]
    assert paths_of(with_satellite([demand("any")])) == [["ACB"]]
    assert paths_of(with_satellite([demand("space_path", ends=("E", "A"))])) == [["EA"]]
    assert paths_of(with_satellite([demand("space_path", ends=("C", "A"))])) == [None]  # C has no station
    both = demand(("space_path", "two_disjoint"))
    assert paths_of(with_satellite([both])) == [None]


def test_satellites_are_counted_and_owned(with_satellite):
    """A-D-S-P-B has three nodes between; S is foreign only if it has a nation, and barred if its operator is."""

    def of(*args, **more):
        satellite = more.pop("satellite", {})
        return paths_of(with_satellite([demand(*args, **more)], **satellite))[0]

    assert of(("space_path", "max_nodes=3")) == ["ADSPB"]
    assert of(("space_path", "max_nodes=2")) is None
    assert of(("space_path", "max_foreign_nodes=0")) == ["ADSPB"]
    assert of(("space_path", "max_foreign_nodes=0"), satellite={"nation": "LU"}) is None
    assert of(("space_path", "max_foreign_nodes=1"), satellite={"nation": "LU"}) == ["ADSPB"]
    assert of(("space_path", "max_foreign_nodes=0"), satellite={"nation": "PL"}) == ["ADSPB"]
    assert of("space_path", satellite={"operator": "fleet"}, forbidden_operators=("fleet",)) is None
    assert of("space_path", forbidden_nodes=("S",)) is None
    assert of("space_path", satellite={"nation": "LU"}, forbidden_nations=("LU",)) is None


def test_owners_of_nodes_and_satellites(with_satellite):
    scenario = with_satellite([demand()], nation="LU", operator="fleet")
    owners = node_owners(build_network(scenario), scenario)
    assert owners.loc["C"].tolist() == ["CZ", "opC", "ground"]
    assert owners.loc["S"].tolist() == ["LU", "fleet", "satellite"]
    assert len(owners) == len(NODES) + 1


def test_classes_in_delivered_key(hand_made):
    """Links of 1000 bit/s are 86.4 Mbit a day: one path, two paths together, and XOR shares that pay twice."""
    wanted = [{**demand(c), "bit_per_day": 1e9} for c in ("any", "two_disjoint", "max_nodes=1", "max_foreign_nodes=0")]
    total = []
    for one in wanted:
        relay = relay_keys(empty_table("DEPOSITS"), hand_made(NODES, LINKS, [one]))
        total.append(relay.delivery["delivered_bit"].sum() / (7 * 86.4e6))
    assert total == pytest.approx([2.0, 1.0, 1.0, 1.0], rel=1e-6)


def test_connectivity_by_hand(hand_made, with_satellite):
    scenario = hand_made(NODES, LINKS, [demand()])
    edges = key_edges(build_network(scenario), scenario)
    assert vertex_connectivity(edges, "A", "B") == 2  # over C, and over D-P
    assert vertex_connectivity(edges, "A", "D") == 3  # directly, over E-F, and over C-B-P
    assert vertex_connectivity(edges, "C", "E") == 2
    assert vertex_connectivity(edges, "A", "nowhere") == 0
    twice = edges.loc[["AD", "AD", "EF"]]
    assert vertex_connectivity(twice, "A", "D") == 1  # two links between the same nodes are one path
    with_sky = with_satellite([demand()])
    more = key_edges(build_network(with_sky), with_sky)
    assert vertex_connectivity(more, "D", "P") == 3  # directly, over A-C-B, and through the satellite
    assert vertex_connectivity(more, "A", "B") == 2


@pytest.mark.parametrize("seed", range(10))
def test_connectivity_is_the_smallest_cut_and_two_shares_need_two(seed):
    """Menger: the fewest nodes whose removal parts two nodes, by trying all sets of them."""
    graph = nx.gnm_random_graph(7, 11, seed=seed)
    a, b = next((u, v) for u, v in itertools.combinations(graph.nodes, 2) if not graph.has_edge(u, v))
    names = "abcdefg"
    others = [v for v in graph.nodes if v not in (a, b)]
    cuts = (
        n for n in range(6) for gone in itertools.combinations(others, n)
        if not nx.has_path(graph.subgraph(set(graph.nodes) - set(gone)), a, b)
    )  # fmt: skip
    smallest = next(cuts)
    table = nx.to_pandas_edgelist(graph).rename(columns={"source": "a", "target": "b"})
    table = table.assign(a=[names[v] for v in table["a"]], b=[names[v] for v in table["b"]])
    assert vertex_connectivity(table, names[a], names[b]) == smallest
    keyed = KeyGraph(tuple((f"{u}{v}", u, v) for u, v in zip(table["a"], table["b"], strict=True)))
    rule = PathRule(np.ones(22, dtype=bool).tobytes(), (), 2)
    found = cheapest_routes(keyed, [(names[a], names[b])], [rule], [0], np.ones(22))
    assert bool(found) == (smallest >= 2)


BASELINE = {  # fibre km and intermediate nodes of the shortest path through the shipped tables, as compiled
    ("FRA", "PRG"): (677, 9), ("BER", "PRG"): (439, 4), ("BER", "WAW"): (748, 10), ("PRG", "WAW"): (833, 10),
    ("FRA", "WAW"): (1409, 18), ("MUC", "BER"): (866, 11),
}  # fmt: skip


def test_shortest_paths_of_the_shipped_links(scenario):
    """The path finder on the raw links gives the baseline; a limit of its nodes keeps it, one fewer lengthens it."""
    _, links = read_network(scenario)
    graph = KeyGraph(tuple(zip(links.index, links["a"], links["b"], strict=True)))
    free = PathRule(np.ones(2 * len(links), dtype=bool).tobytes())
    everyone = np.ones(len(graph.number), dtype=bool).tobytes()
    km = np.repeat(links["length_km"].to_numpy(dtype=float), 2)
    plain = cheapest_routes(graph, list(BASELINE), [free] * 6, range(6), km)
    assert [(round(plain[k][1]), len(plain[k][0][0]) - 1) for k in range(6)] == list(BASELINE.values())
    for fewer in (0, 1):
        rules = [PathRule(free.arcs, ((everyone, nodes - fewer),)) for _, nodes in BASELINE.values()]
        limited = cheapest_routes(graph, list(BASELINE), rules, range(6), km)
        assert sorted(limited) == ([4] if fewer else list(range(6)))  # FRA-WAW alone has a way with fewer nodes
        for k in limited:
            assert (limited[k][1] > plain[k][1] + 1e-6) == bool(fewer)
            assert len(limited[k][0][0]) - 1 <= BASELINE[list(BASELINE)[k]][1] - fewer


@pytest.fixture(scope="module")
def shipped(scenario):
    return build_network(scenario)


def classed(scenario, shipped, ends, *classes):
    """Key graph, edges and rules of the shipped network for one demand per class."""
    wanted = tuple(
        type(scenario.demands[0])(name=str(i), between=ends, bit_per_day=1e6, **c) for i, c in enumerate(classes)
    )
    other = scenario.model_copy(update={"demands": wanted})
    edges = key_edges(shipped, other)
    graph = KeyGraph(tuple(zip(edges.index, edges["a"], edges["b"], strict=True)))
    rules = path_rules(edges, shipped, other)
    found = cheapest_routes(graph, [ends] * len(classes), rules, range(len(classes)), np.ones(2 * len(edges)))
    names = list(graph.number)
    return edges, {k: [[names[v] for v in graph.path_nodes(s)] for s in route] for k, (route, _) in found.items()}


@pytest.mark.parametrize("ends", [("BER", "WAW"), ("PRG", "BER"), ("FRA", "PRG"), ("POZ", "WAW"), ("NDH", "JEN")])
def test_classes_on_the_shipped_network(scenario, shipped, ends):
    edges, _ = classed(scenario, shipped, ends, {})
    fibre = edges[edges["kind"] == "fibre"]
    country = shipped.nodes["country"]
    graph = nx.Graph(list(zip(edges["a"], edges["b"], strict=True)))
    fewest = nx.shortest_path_length(graph, *ends) - 1
    homes = {country[ends[0]], country[ends[1]]}
    inside = nx.Graph(
        [(a, b) for a, b in zip(fibre["a"], fibre["b"], strict=True) if {country[a], country[b]} <= homes]
    )
    _, found = classed(
        scenario, shipped, ends, {"assurance": f"max_nodes={fewest}"}, {"assurance": f"max_nodes={max(fewest - 1, 0)}"},
        {"assurance": "national_only"}, {"assurance": "space_path"}, {"assurance": "two_disjoint"},
        {"assurance": "max_foreign_nodes=0", "forbidden_nodes": ("EAGLE1-LIKE",)}, {"forbidden_nations": ("CZ", "PL")},
    )  # fmt: skip
    assert len(found[0][0]) - 2 == fewest
    assert (1 in found) == (fewest == 0)
    assert (2 in found) == (len(homes) == 1)
    if 2 in found:
        assert {country[n] for n in found[2][0]} == homes
    flags = [country.get(n, "") for n in found[3][0]]
    assert all(a == b for a, b in itertools.pairwise(flags) if a and b)
    first, second = found[4]
    assert not set(first[1:-1]) & set(second[1:-1])
    assert len(found[5][0]) == nx.shortest_path_length(inside, *ends) + 1
    assert {country[n] for n in found[5][0]} <= homes
    if 6 in found:
        assert not {country.get(n, "") for n in found[6][0][1:-1]} & {"CZ", "PL"}
