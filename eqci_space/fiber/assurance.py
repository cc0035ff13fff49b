"""Assurance classes: which nodes, operators and nations may see the key of a demand, as rules on its paths.

A satellite is a node like any other: what it is asked for are its nation and its operator, which `node_owners` gives
for every node. A node of which no nation is stated is of none, so that it is neither foreign nor forbidden to any
nation, nor one of the nation that ``national_only`` asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_flow

from eqci_space.fiber.domains import Border, borders, crossing_mask
from eqci_space.fiber.network import Network
from eqci_space.fiber.paths import KeyGraph, PathRule
from eqci_space.scenario import Demand, Scenario, assurance_limit

__all__ = [
    "HANDOVER", "Rule", "RuleBook", "combined_rule", "is_foreign", "node_owners", "path_rules", "rule_book",
    "vertex_connectivity",
]  # fmt: skip

HANDOVER = "hand-over"
"""Name of the rule that agreements between domains make."""


def node_owners(network: Network, scenario: Scenario) -> pd.DataFrame:
    """Nation, operator and kind (ground | satellite) of every node of the key graph, by node.

    Whoever asks who sees key asks here: exposure, limits of foreign nodes, forbidden nations and operators.
    """
    ground = network.nodes[["country", "operator"]].rename(columns={"country": "nation"}).assign(kind="ground")
    space = pd.DataFrame(
        [(s.name, s.nation, s.operator, "satellite") for s in scenario.satellites],
        columns=["node", "nation", "operator", "kind"],
    ).set_index("node")
    return pd.concat([pd.DataFrame(ground), space])


def is_foreign(nation: np.ndarray, home: set[str]) -> np.ndarray:
    """Whether nodes are of a nation, and of none of those of the ends.

    Parameters
    ----------
    nation : (n,) array of str
        ISO 3166 alpha-2 code of each node; empty where none is stated.
    home : set of str
        Nations of the ends of a demand.
    """
    return (nation != "") & ~np.isin(nation, list(home))


@dataclass(frozen=True)
class Rule:
    """One rule of a demand: the nodes between the ends (N,) and arcs (2E,) that it shuts, or the nodes it counts."""

    name: str
    nodes: np.ndarray
    arcs: np.ndarray
    counted: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=bool))
    most: int = 0
    shares: int = 1


@dataclass(frozen=True)
class RuleBook:
    """What rules are made from: the key graph, its edges, owners of nodes in order of the graph, borders of domains."""

    graph: KeyGraph
    edges: pd.DataFrame
    nation: np.ndarray
    operator: np.ndarray
    borders: tuple[Border, ...]

    def rules(self, demand: Demand) -> list[Rule]:
        """The rules of a demand one by one, each forbidden node, operator and nation its own."""
        names = np.array(list(self.graph.number), dtype=str)
        home = self.home(demand)
        none = np.zeros(len(names), dtype=bool), np.zeros(2 * len(self.edges), dtype=bool)
        carriers = self.edges["operator"].to_numpy(dtype=str)
        found = [Rule(f"forbidden_nodes: {n}", names == n, none[1]) for n in demand.forbidden_nodes]
        found += [
            Rule(f"forbidden_operators: {o}", self.operator == o, np.repeat(_carried_by(carriers, o), 2))
            for o in demand.forbidden_operators
            if o
        ]
        found += [Rule(f"forbidden_nations: {n}", self.nation == n, none[1]) for n in demand.forbidden_nations if n]
        if "national_only" in demand.assurance:
            apart = len(home) != 1
            found.append(Rule("national_only", ~np.isin(self.nation, list(home)) | apart, none[1] | apart))
        if "space_path" in demand.assurance:
            crossing = (self.edges["country_a"] != self.edges["country_b"]) & (self.edges["kind"] != "space")
            found.append(Rule("space_path", none[0], np.repeat(crossing.to_numpy(dtype=bool), 2)))
        for name, counted in (("max_nodes", ~none[0]), ("max_foreign_nodes", is_foreign(self.nation, home))):
            most = assurance_limit(demand, name)
            if most is not None:
                found.append(Rule(f"{name}={most}", *none, counted, most))
        if "two_disjoint" in demand.assurance:
            found.append(Rule("two_disjoint", *none, shares=2))
        shut = ~crossing_mask(list(self.borders), demand, len(self.edges))
        return [*found, *([Rule(HANDOVER, none[0], shut)] if shut.any() else [])]

    def home(self, demand: Demand) -> set[str]:
        """Nations of the ends of a demand."""
        return {str(self.nation[self.graph.number[end]]) for end in demand.between if end in self.graph.number}


def _carried_by(operators: np.ndarray, operator: str) -> np.ndarray:
    """Edges (E,) bool of an operator, alone or among the several whose satellites may fill an edge."""
    return np.array([text == operator or operator in text.split(", ") for text in operators.tolist()], dtype=bool)


def rule_book(edges: pd.DataFrame, network: Network, scenario: Scenario) -> RuleBook:
    """Key graph of `key_edges` with the owners of its nodes and its borders."""
    graph = KeyGraph(tuple(zip(edges.index, edges["a"], edges["b"], strict=True)))
    owners = node_owners(network, scenario).reindex(list(graph.number)).fillna("")
    nation, operator = (owners[c].to_numpy(dtype=str) for c in ("nation", "operator"))
    return RuleBook(graph, edges, nation, operator, tuple(borders(edges, scenario)))


def combined_rule(rules: Sequence[Rule], graph: KeyGraph, demand: Demand) -> PathRule:
    """What rules ask of paths together; the ends of a demand see its key whatever is forbidden."""
    inner = ~np.isin(np.array(list(graph.number), dtype=str), demand.between)
    tail, head = graph.tail_head
    arcs = np.ones(len(tail), dtype=bool)
    for rule in rules:
        shut = rule.nodes & inner
        arcs &= ~rule.arcs & ~shut[tail] & ~shut[head]
    limits = tuple((rule.counted.tobytes(), rule.most) for rule in rules if len(rule.counted))
    return PathRule(arcs.tobytes(), limits, max((rule.shares for rule in rules), default=1))


def path_rules(edges: pd.DataFrame, network: Network, scenario: Scenario) -> list[PathRule]:
    """What the classes and prohibitions of every demand ask of its paths, in order of the demands.

    Parameters
    ----------
    edges : DataFrame
        Of `fiber.edges.key_edges`.
    network : Network
        Owners of the ground nodes.
    scenario : Scenario
        Demands, satellites and agreements between domains.
    """
    book = rule_book(edges, network, scenario)
    return [combined_rule(book.rules(demand), book.graph, demand) for demand in scenario.demands]


def vertex_connectivity(edges: pd.DataFrame, a: str, b: str) -> int:
    """Largest number of paths between two nodes without a common node between them (Menger 1927).

    An attacker has to hold that many nodes to see everything; a direct edge counts as one path.

    Parameters
    ----------
    edges : DataFrame
        With columns a and b.
    a, b : str
        Two nodes; of one that no edge touches, 0 paths start.

    Returns
    -------
    int
        Number of paths [1].
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
