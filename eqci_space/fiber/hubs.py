"""Between which hubs the backbone carries key at all, which span binds, and where a trusted node has to be added."""

from __future__ import annotations

import math
from itertools import combinations, pairwise

import networkx as nx
import pandas as pd

from eqci_space.fiber.network import Network
from eqci_space.scenario import Scenario

__all__ = ["dead_spans", "hub_spans"]


def hub_spans(network: Network, scenario: Scenario) -> pd.DataFrame:
    """For every pair of hubs the shortest path of those whose worst span is best, and the span that binds on it.

    The smallest possible largest loss between two nodes is that on a spanning tree of least loss (Hu 1961, Oper. Res.
    9, 898); the path is the shortest one over spans of no more loss.

    Returns
    -------
    DataFrame
        One row per pair of hubs and exchange points: a, b, binding_span, loss_db, skr_bit_s (of that span; 0 beyond
        reach), length_km and spans of the path, nodes_to_add (trusted nodes that bring every span of the path within
        reach) and where (the spans that need them).
    """
    links = network.links
    graph: nx.Graph[str] = nx.Graph()
    for link, row in links.sort_values("loss_db", kind="stable").iterrows():
        if not graph.has_edge(row["a"], row["b"]):
            graph.add_edge(
                row["a"], row["b"], loss=float(row["loss_db"]), length=float(row["length_km"]), link=str(link)
            )
    tree = nx.minimum_spanning_tree(graph, weight="loss")
    hubs = [n for n in network.nodes.index[network.nodes["role"].isin(["hub", "ix"])] if n in tree]
    reach = scenario.fiber.reach_db
    rows = []
    for a, b in combinations(sorted(hubs), 2):
        if not nx.has_path(tree, a, b):
            continue
        least = max(tree.edges[step]["loss"] for step in pairwise(nx.shortest_path(tree, a, b)))
        path = nx.shortest_path(_up_to(graph, least), a, b, weight="length")
        spans = [graph.edges[step]["link"] for step in pairwise(path)]
        part = links.loc[spans]
        worst = part["loss_db"].idxmax()
        beyond = part[part["loss_db"] > reach]
        extra = sum(math.ceil(round(loss / reach, 9)) - 1 for loss in beyond["loss_db"])
        rows.append((a, b, worst, part.loc[worst, "loss_db"], part.loc[worst, "skr_bit_s"], part["length_km"].sum(),
                     len(spans), extra, ", ".join(beyond.index)))  # fmt: skip
    columns = ["a", "b", "binding_span", "loss_db", "skr_bit_s", "length_km", "spans", "nodes_to_add", "where"]
    return pd.DataFrame(rows, columns=columns)


def _up_to(graph: nx.Graph[str], loss_db: float) -> nx.Graph[str]:
    """The spans of no more than a loss."""
    return graph.edge_subgraph([(u, v) for u, v, span in graph.edges(data=True) if span["loss"] <= loss_db])


def dead_spans(network: Network) -> pd.DataFrame:
    """Spans beyond the reach of their device, by falling loss: a, b, length_km, loss_db, reason."""
    dead = network.links[~network.links["within_reach"]]
    return pd.DataFrame(dead[["a", "b", "length_km", "loss_db", "reason"]]).sort_values("loss_db", ascending=False)
