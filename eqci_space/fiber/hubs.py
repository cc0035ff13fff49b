"""Between which hubs the backbone carries key at all, which span binds, and where a trusted node has to be added."""

from __future__ import annotations

import math
from itertools import combinations, pairwise
from typing import Any

import networkx as nx
import pandas as pd

from eqci_space.fiber.network import Network
from eqci_space.fiber.spans import nodes_to_add
from eqci_space.scenario import LinkRules, Scenario, dated_stations

__all__ = ["dead_spans", "hub_spans", "off_network"]

_COLUMNS = [
    "a", "b", "binding_span", "loss_db", "skr_bit_s", "length_km", "spans", "widest_bit_s", "nodes_to_add", "where",
]  # fmt: skip


def hub_spans(network: Network, scenario: Scenario) -> pd.DataFrame:
    """For every pair of hubs the path that key takes while nothing is short, and the span that binds on it.

    Relay uses key on every span, so that is the path of fewest spans with a rate; of several the one whose weakest
    span gives most, of those the shortest, of parallel links one. Where no path of spans with a rate exists, it is the
    path that needs the fewest trusted nodes more, then the fewest spans, then the least fibre.

    Parameters
    ----------
    network : Network
        Spans with their rates.
    scenario : Scenario
        Reach and devices, for the nodes to add.

    Returns
    -------
    DataFrame
        One row per pair of hubs and exchange points that fibre joins: a, b, binding_span (of the lowest rate; without
        a rate, the span that needs most nodes), loss_db [dB] and skr_bit_s [bit/s] of that span, length_km [km] and
        spans of the path, widest_bit_s (the most that a single path between them could carry, however long [bit/s]),
        nodes_to_add (trusted nodes that give every span of the path a rate) and where (the spans that need them).
    """
    links = pd.DataFrame(network.links).sort_index()
    live = links[links["skr_bit_s"] > 0]
    extra = _extra_nodes(links.drop(index=live.index), scenario)
    links = links.assign(extra=extra.reindex(links.index).fillna(0))
    links = links[links["extra"] < math.inf]
    every, widest = _graph(links), _graph(live)
    hubs = sorted(n for n in network.nodes.index[network.nodes["role"].isin(["hub", "ix"])] if n in every)
    alive, most = _live_paths(live, hubs), nx.maximum_spanning_tree(widest, weight="rate")
    spans = {str(span.Index): span for span in links.itertuples()}
    rows = []
    for a, b in combinations(hubs, 2):
        path = alive.get((a, b)) or (_path(every, a, b) if nx.has_path(every, a, b) else [])
        if path:
            widest_bit_s = _least(most, a, b) if (a, b) in alive else 0.0
            rows.append((a, b, *_of_path([spans[link] for link in path], widest_bit_s)))
    return pd.DataFrame(rows, columns=_COLUMNS)


def _of_path(path: list[Any], widest_bit_s: float) -> tuple[object, ...]:
    """Columns of a path from the binding span on."""
    worst = min(path, key=lambda span: (-span.extra, span.skr_bit_s, -span.loss_db))
    return (
        worst.Index, worst.loss_db, worst.skr_bit_s, sum(span.length_km for span in path), len(path), widest_bit_s,
        sum(int(span.extra) for span in path), ", ".join(span.Index for span in path if span.extra),
    )  # fmt: skip


def _extra_nodes(dead: pd.DataFrame, scenario: Scenario) -> pd.Series:
    """Nodes that give each span a rate; infinitely many where none do."""
    found = {}
    for link, row in dead.iterrows():
        rules = scenario.links.get(str(row.get("route", link)), LinkRules())
        needed = nodes_to_add(float(row["loss_db"]), scenario.fiber, rules)
        found[link] = math.inf if needed is None else float(needed)
    return pd.Series(found, dtype=float)


def _graph(links: pd.DataFrame) -> nx.Graph[str]:
    """One edge per pair of nodes: of parallel links the one that needs fewest nodes, then the shortest."""
    graph: nx.Graph[str] = nx.Graph()
    for span in links.itertuples():
        # Whole numbers, so that no length outweighs a span, and no number of spans a node to add.
        price = (int(getattr(span, "extra", 0)) << 120) + (1 << 80) + round(1e6 * span.length_km)
        known = graph.get_edge_data(span.a, span.b, {"price": math.inf, "link": "", "rate": 0.0})
        best = known if known["price"] <= price else {"price": price, "link": str(span.Index)}
        graph.add_edge(span.a, span.b, **(best | {"rate": max(known["rate"], float(span.skr_bit_s))}))
    return graph


def _path(graph: nx.Graph[str], a: str, b: str) -> list[str]:
    """Links of the cheapest path."""
    return [graph.edges[step]["link"] for step in pairwise(nx.shortest_path(graph, a, b, weight="price"))]


def _least(tree: nx.Graph[str], a: str, b: str) -> float:
    """Lowest rate on the path through a tree."""
    return min(tree.edges[step]["rate"] for step in pairwise(nx.shortest_path(tree, a, b)))


def _live_paths(live: pd.DataFrame, hubs: list[str]) -> dict[tuple[str, str], list[str]]:
    """Links of the path of fewest live spans, of those of the largest lowest rate, of those of least fibre."""
    graph, found = _graph(live), {}
    by_rate: dict[float, nx.Graph[str]] = {}
    for a in hubs:
        if a not in graph:
            continue
        rate = _rates_of_fewest(graph, a)
        for b in hubs:
            if b > a and b in rate:
                if rate[b] not in by_rate:
                    by_rate[rate[b]] = _graph(live[live["skr_bit_s"] >= rate[b]])
                found[a, b] = _path(by_rate[rate[b]], a, b)
    return found


def _rates_of_fewest(graph: nx.Graph[str], source: str) -> dict[str, float]:
    """Largest lowest rate of the paths of fewest spans from a node to every other."""
    rate = {source: math.inf}
    for layer in list(nx.bfs_layers(graph, source))[1:]:
        rate |= {
            v: max(min(rate[u], graph.edges[u, v]["rate"]) for u in graph[v] if u in rate) for v in layer
        }  # fmt: skip
    return rate


def dead_spans(network: Network) -> pd.DataFrame:
    """Spans without a rate and why: a, b, length_km [km], loss_db [dB], reason; by falling loss."""
    dead = network.links[~(network.links["skr_bit_s"] > 0)]
    return pd.DataFrame(dead[["a", "b", "length_km", "loss_db", "reason"]]).sort_values("loss_db", ascending=False)


def off_network(scenario: Scenario) -> list[str]:
    """Stations that nothing joins to the network at any of their places: their key serves no demand."""
    return [
        ogs
        for ogs, station in scenario.stations.items()
        if all(place.attach == "none" for place in dated_stations(station))
    ]
