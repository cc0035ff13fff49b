"""The path between hubs and its binding span, against enumeration of every simple path."""

import itertools

import networkx as nx
import numpy as np
import pytest

from eqci_space.fiber.hubs import dead_spans, hub_spans
from eqci_space.fiber.network import build_network
from eqci_space.fiber.relay import relay_keys
from eqci_space.scenario import Coexistence, Demand, LinkRules, load_scenario
from eqci_space.tables import empty_table


def named(*names):
    return [f"{n} DE x" for n in names]


def table(scenario, network=None):
    return hub_spans(network or build_network(scenario), scenario).set_index(["a", "b"])


def rates(**by_link):
    return {name: LinkRules(rate_bit_s=rate) for name, rate in by_link.items()}


def test_parallel_links_are_one_span(hand_made):
    """100 km in two spans, each with a second fibre of 80 and 60 km beside it: 110 km, not the sum of all four."""
    scenario = hand_made(
        named("A", "B", "C"), ["p A B 50 10", "q A B 80 16", "r B C 60 12", "s C B 90 18"], [("A", "B", 1.0)],
        links=rates(p=900.0, q=700.0, r=800.0, s=800.0),
    )  # fmt: skip
    row = table(scenario).loc[("A", "C")]
    assert row[["binding_span", "skr_bit_s", "loss_db", "length_km", "spans"]].tolist() == ["r", 800.0, 12.0, 110.0, 2]


def test_a_parallel_fibre_of_more_key_is_taken_though_it_is_longer(hand_made):
    scenario = hand_made(
        named("A", "B"), ["p A B 50 10", "q A B 80 16"], [("A", "B", 1.0)], links=rates(p=100.0, q=700.0)
    )
    assert table(scenario).loc[("A", "B"), ["binding_span", "length_km", "spans"]].tolist() == ["q", 80.0, 1]


def test_live_spans_are_taken_where_dead_ones_are_shorter(hand_made):
    """The direct fibre is dead, of two others one is killed by Raman light: the way round carries the key."""
    links = ["direct A B 100 30", "loud A B 40 9", "ac A C 80 16", "cb C B 80 17"]
    loud = LinkRules(coexistence=Coexistence(launch_power_w=1e-2))
    scenario = hand_made(named("A", "B", "C"), links, [("A", "B", 1.0)], rate_bit_s=None, links={"loud": loud})
    row = table(scenario).loc[("A", "B")]
    assert row[["binding_span", "length_km", "spans", "nodes_to_add", "where"]].tolist() == ["cb", 160.0, 2, 0, ""]
    assert row["skr_bit_s"] == build_network(scenario).links.loc["cb", "skr_bit_s"] > 0


def test_fewest_spans_come_before_the_widest_path(hand_made):
    """One span of 100 bit/s is taken before two of 900: key on two spans is twice the key; the table shows both."""
    scenario = hand_made(
        named("A", "B", "C"), ["ab A B 90 20", "ac A C 20 5", "cb C B 20 5"], [("A", "B", 1.0)],
        links=rates(ab=100.0, ac=900.0, cb=950.0),
    )  # fmt: skip
    row = table(scenario).loc[("A", "B")]
    assert row[["binding_span", "skr_bit_s", "widest_bit_s", "spans"]].tolist() == ["ab", 100.0, 900.0, 1]


def test_nodes_to_add_by_the_rules_of_each_link(hand_made):
    """48 dB: one node at 24 dB, four at a reach of 10 dB, none helps where 0 is stated; 96 dB in two need three."""
    scenario = hand_made(
        named("A", "B", "C", "D", "E"), ["ab A B 200 48", "bc B C 200 48", "cd C D 200 48", "de D E 300 72.1"],
        [("A", "B", 1.0)], rate_bit_s=None, links={"bc": LinkRules(reach_db=10.0), "cd": LinkRules(rate_bit_s=0.0)},
    )  # fmt: skip
    found = table(scenario)
    assert found.loc[("A", "B"), ["nodes_to_add", "where", "skr_bit_s"]].tolist() == [1, "ab", 0.0]
    assert found.loc[("A", "C"), ["nodes_to_add", "where", "binding_span"]].tolist() == [5, "ab, bc", "bc"]
    assert found.loc[("D", "E"), "nodes_to_add"] == 3
    assert ("C", "D") not in found.index  # nothing brings the stated 0 to life
    assert ("B", "D") not in found.index


def test_the_path_that_needs_fewest_nodes_is_found_around_longer_spans(hand_made):
    """Straight on 2 + 2 nodes; around, five spans of which one needs a node."""
    links = ["ax A X 250 60", "xb X B 250 60", "ap A P 60 15", "pq P Q 60 15", "qr Q R 60 25", "rb R B 60 15"]
    scenario = hand_made(named("A", "B", "P", "Q", "R", "X"), links, [("A", "B", 1.0)], rate_bit_s=None)
    row = table(scenario).loc[("A", "B")]
    assert row[["nodes_to_add", "where", "spans", "widest_bit_s"]].tolist() == [1, "qr", 4, 0.0]


def brute(links, a, b):
    """(nodes to add, spans, lowest rate, km) of the best simple path, by trying all; reach 24 dB, all rates stated."""
    graph = nx.MultiGraph()
    for link, row in links.iterrows():
        need = 0
        while row["loss_db"] / (need + 1) > 24 + 1e-9:
            need += 1
        graph.add_edge(row["a"], row["b"], key=link, need=need, rate=row["skr_bit_s"], km=row["length_km"])
    found = []
    for path in nx.all_simple_edge_paths(graph, a, b) if a in graph and b in graph else ():
        spans = [graph.edges[step] for step in path]
        needed = sum(s["need"] for s in spans)
        lowest = 0.0 if needed else min(s["rate"] for s in spans)
        found.append((needed, len(spans), -lowest, sum(s["km"] for s in spans)))
    return min(found, default=None)


@pytest.mark.parametrize("seed", range(25))
def test_paths_between_hubs_against_every_simple_path(hand_made, seed):
    """Six nodes, nine links of which some are parallel, some dead, some just at the reach; rates tie on purpose."""
    rng = np.random.default_rng(seed)
    pairs = list(itertools.combinations("ABCDEF", 2))
    chosen = [pairs[i] for i in rng.choice(len(pairs), 7, replace=False)]
    chosen += [chosen[i][::-1] for i in rng.choice(7, 2, replace=False)]
    losses = rng.choice([10.0, 12.0, 24.0, 24.1, 48.0, 48.1, 60.0], len(chosen))
    ends_and_losses = enumerate(zip(chosen, losses, strict=True))
    links = [f"l{i} {a} {b} {int(rng.integers(10, 200))} {db}" for i, ((a, b), db) in ends_and_losses]
    stated = rates(**{f"l{i}": float(rng.choice([100.0, 200.0, 300.0])) for i in range(len(chosen))})
    scenario = hand_made(named(*"ABCDEF"), links, [("A", "B", 1.0)], links=stated)
    network = build_network(scenario)
    found = table(scenario, network)
    checked = 0
    for a, b in itertools.combinations("ABCDEF", 2):
        best = brute(network.links, a, b)
        if best is None:
            assert (a, b) not in found.index
            continue
        row = found.loc[(a, b)]
        assert (row["nodes_to_add"], row["spans"], -row["skr_bit_s"]) == best[:3]
        assert row["length_km"] == pytest.approx(best[3])
        checked += 1
    assert checked >= 5


def test_the_path_is_that_of_a_relay_with_little_to_carry(scenario):
    """Relay over fibre alone of 1 kbit a day between hubs uses as many spans as the table says."""
    network = build_network(scenario)
    found = hub_spans(network, scenario).set_index(["a", "b"])
    pairs = [("BER", "PRG"), ("BER", "WAW"), ("FRA", "PRG"), ("FRA", "WAW"), ("ERF", "NDH")]
    wanted = tuple(Demand(name=f"{a} {b}", between=(a, b), bit_per_day=1e3) for a, b in pairs)
    bare = scenario.model_copy(update={"demands": wanted, "satellites": ()})
    relay = relay_keys(empty_table("DEPOSITS"), bare, network=network)
    for (a, b), name in zip(pairs, (d.name for d in wanted), strict=True):
        used = relay.routes.loc[relay.routes["demand"] == name, "edges"].map(len).unique()
        assert used.tolist() == [found.loc[(a, b), "spans"]]


def test_berlin_prague_goes_by_dresden(scenario):
    """439 km of the shipped links (compiled from the tables), not 1,891 km over the widest path."""
    found = hub_spans(build_network(scenario), scenario).set_index(["a", "b"])
    row = found.loc[("BER", "PRG")]
    assert round(row["length_km"]) == 439
    assert row["spans"] == 7
    assert 0 < row["skr_bit_s"] < row["widest_bit_s"]
    assert (found["skr_bit_s"] <= found["widest_bit_s"]).all()


def test_widest_is_the_largest_rate_at_which_two_hubs_hang_together(scenario):
    network = build_network(scenario)
    found = hub_spans(network, scenario).set_index(["a", "b"])
    for a, b in [("BER", "FRA"), ("BER", "WAW"), ("ERF", "NDH")]:
        for rate in sorted(network.links["skr_bit_s"].unique(), reverse=True):
            part = network.links[network.links["skr_bit_s"] >= rate]
            graph = nx.Graph(list(zip(part["a"], part["b"], strict=True)))
            if a in graph and b in graph and nx.has_path(graph, a, b):
                break
        assert found.loc[(a, b), "widest_bit_s"] == rate


def test_dead_spans_say_where_nodes_have_to_be_added(edited):
    """At 24 dB 28 spans of the core are dead, and Warsaw takes a node on each of Poznan's four long spans."""
    dead = load_scenario(edited(('beyond_reach = { value = "split"', 'beyond_reach = { value = "dead"')))
    network = build_network(dead)
    spans = dead_spans(network)
    assert spans["loss_db"].min() > 24
    assert (spans["reason"] != "").all()
    row = hub_spans(network, dead).set_index(["a", "b"]).loc[("POZ", "WAW")]
    assert row["skr_bit_s"] == 0.0
    where = row["where"].split(", ")
    assert set(where) <= set(spans.index)
    assert row["nodes_to_add"] == sum(-(-spans.loc[w, "loss_db"] // 24) - 1 for w in where)
