"""Assurance classes: which nodes, operators and nations may see the key of a demand, as rules on its paths."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_flow

from eqci_space.fiber.domains import Border, borders, crossing_mask
from eqci_space.fiber.network import Network
from eqci_space.fiber.paths import KeyGraph, PathRule
from eqci_space.scenario import Demand, Scenario, assurance_limit

__all__ = ["node_owners", "path_rules", "vertex_connectivity"]


def node_owners(network: Network, scenario: Scenario) -> pd.DataFrame:
    """Nation, operator and kind (ground | satellite) of every node of the key graph, by node."""
    ground = network.nodes[["country", "operator"]].rename(columns={"country": "nation"}).assign(kind="ground")
    space = pd.DataFrame(
        [(s.name, s.nation, s.operator, "satellite") for s in scenario.satellites],
        columns=["node", "nation", "operator", "kind"],
    ).set_index("node")
    return pd.concat([pd.DataFrame(ground), space])


def path_rules(edges: pd.DataFrame, network: Network, scenario: Scenario) -> list[PathRule]:
    """What the classes and prohibitions of every demand ask of its paths.

    Parameters
    ----------
    edges : DataFrame
        Of `fiber.edges.key_edges`.
    network : Network
    scenario : Scenario
    """
    graph = KeyGraph(tuple(zip(edges.index, edges["a"], edges["b"], strict=True)))
    owners = node_owners(network, scenario).reindex(list(graph.number)).fillna("")
    found = borders(edges, scenario)
    return [_rule(edges, graph, owners, found, demand) for demand in scenario.demands]


def _rule(edges: pd.DataFrame, graph: KeyGraph, owners: pd.DataFrame, found: list[Border], demand: Demand) -> PathRule:
    nation, operator = owners["nation"].to_numpy(dtype=str), owners["operator"].to_numpy(dtype=str)
    names = np.array(list(graph.number), dtype=str)
    ends = np.isin(names, demand.between)
    nations = set(nation[ends])
    barred = np.isin(names, demand.forbidden_nodes) | np.isin(nation, [n for n in demand.forbidden_nations if n])
    barred |= np.isin(operator, [o for o in demand.forbidden_operators if o])
    if "national_only" in demand.assurance:
        barred |= ~np.isin(nation, list(nations)) | (len(nations) != 1)
    allowed = np.ones(len(edges), dtype=bool)
    if "space_path" in demand.assurance:
        same = (edges["country_a"] == edges["country_b"]).to_numpy()
        allowed &= same | (edges["kind"] == "space").to_numpy()
    allowed &= ~np.isin(edges["operator"], [o for o in demand.forbidden_operators if o])
    tail, head = graph.tail_head
    # An end in a forbidden nation or domain sees its own key all the same.
    inner = barred & ~ends
    arcs = np.repeat(allowed, 2) & ~inner[tail] & ~inner[head]
    if "national_only" in demand.assurance and len(nations) != 1:
        arcs[:] = False
    arcs &= crossing_mask(found, demand, len(edges))
    return PathRule(arcs.tobytes(), _limits(demand, owners, nations), 2 if "two_disjoint" in demand.assurance else 1)


def _limits(demand: Demand, owners: pd.DataFrame, nations: set[str]) -> tuple[tuple[bytes, int], ...]:
    limits = []
    most = assurance_limit(demand, "max_nodes")
    if most is not None:
        limits.append((np.ones(len(owners), dtype=bool).tobytes(), most))
    most = assurance_limit(demand, "max_foreign_nodes")
    if most is not None:
        nation = owners["nation"].to_numpy(dtype=str)
        foreign = ~np.isin(nation, list(nations)) & (nation != "")
        limits.append((foreign.tobytes(), most))
    return tuple(limits)


def vertex_connectivity(edges: pd.DataFrame, a: str, b: str) -> int:
    """Largest number of paths between two nodes without a common node between them (Menger 1927).

    An attacker has to hold that many nodes to see everything; a direct edge counts as one path.
    """
    number = {node: i for i, node in enumerate(dict.fromkeys([a, b, *edges["a"], *edges["b"]]))}
    tail, head = (edges[end].map(number).to_numpy(dtype=np.int32) for end in ("a", "b"))
    # A node is an entry 2v and an exit 2v + 1 with room for one path between them, and so is an edge in each direction.
    inner = np.arange(len(number), dtype=np.int32)
    start = np.concatenate([2 * tail + 1, 2 * head + 1, 2 * inner])
    end = np.concatenate([2 * head, 2 * tail, 2 * inner + 1])
    arcs = np.unique(np.stack([start, end]), axis=1)
    graph = csr_matrix((np.ones(arcs.shape[1], dtype=np.int32), arcs), shape=(2 * len(number), 2 * len(number)))
    return int(maximum_flow(graph, 2 * number[a] + 1, 2 * number[b]).flow_value)
