"""Why a demand has no path: which of its rules stands in the way, and at which node, edge or nation.

Rules are set aside one at a time, then in pairs, and if that does not open a path, as few as any that do. What stands
in the way is what the broken rules shut on the path that breaks them least.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import networkx as nx
import numpy as np
import pandas as pd

from eqci_space.fiber.assurance import HANDOVER, Rule, RuleBook, combined_rule, rule_book
from eqci_space.fiber.domains import Border
from eqci_space.fiber.edges import key_edges
from eqci_space.fiber.network import Network
from eqci_space.fiber.paths import Route, cheapest_routes, route_arcs
from eqci_space.scenario import Demand, Scenario

__all__ = ["Obstacle", "blocking_rule", "unreachable_reasons"]

_BROKEN = 1e4
_MOST_FOR_PAIRS = 24
_MOST_NAMED = 6


@dataclass(frozen=True)
class Obstacle:
    """What keeps a demand from having any path.

    `rules` names the rules that together have to go, as the scenario spells them (``forbidden_nations: CZ``,
    ``max_nodes=3``, ``hand-over``); empty where spans are missing. `where` names the nodes, edges or nations at which
    they stand in the way, and `text` says both in a line.
    """

    rules: tuple[str, ...]
    where: tuple[str, ...]
    text: str


def unreachable_reasons(network: Network, scenario: Scenario) -> dict[str, str]:
    """Why each demand without any admissible path has none, by demand; empty where all have one.

    Whether key reaches the stores along a path is not asked here.

    Parameters
    ----------
    network : Network
        Spans with their rates.
    scenario : Scenario
        Demands with their rules, satellites, agreements.

    Returns
    -------
    dict of str to str
        A line of text per demand.
    """
    book = rule_book(key_edges(network, scenario), network, scenario)
    demands = scenario.demands
    rules = [combined_rule(book.rules(d), book.graph, d) for d in demands]
    cost = np.ones(2 * len(book.edges))
    reached = cheapest_routes(book.graph, [d.between for d in demands], rules, range(len(demands)), cost)
    found = {d.name: _obstacle(d, book, network) for k, d in enumerate(demands) if k not in reached}
    return {name: obstacle.text for name, obstacle in found.items() if obstacle is not None}


def blocking_rule(demand: Demand, network: Network, scenario: Scenario) -> Obstacle | None:
    """The rule, or the fewest rules together, that leave a demand without a path; None if it has one.

    Parameters
    ----------
    demand : Demand
        One of the scenario, or any other between its nodes.
    network : Network
        Spans with their rates.
    scenario : Scenario
        Satellites and agreements.
    """
    return _obstacle(demand, rule_book(key_edges(network, scenario), network, scenario), network)


def _obstacle(demand: Demand, book: RuleBook, network: Network) -> Obstacle | None:
    rules = book.rules(demand)
    if _route(demand, book, rules) is not None:
        return None
    if _route(demand, book, ()) is None:
        return _missing_spans(demand, book, network)
    broken = _fewest_to_break(demand, book, rules)
    kept = [rule for rule in rules if rule not in broken]
    route = _route(demand, book, kept, _breaking_cost(book, broken))
    assert route is not None
    where = [_where(rule, route, demand, book, kept) for rule in broken]
    words = " and ".join(f"{rule.name} ({at})" for rule, (_, at) in zip(broken, where, strict=True))
    stands = "stands" if len(broken) == 1 else "stand together"
    names = tuple(dict.fromkeys(name for found, _ in where for name in found))
    return Obstacle(tuple(r.name for r in broken), names, f"no path: {words} {stands} in the way")


def _route(demand: Demand, book: RuleBook, rules: Sequence[Rule], cost: np.ndarray | None = None) -> Route | None:
    """Cheapest route under some rules, of fewest edges by default."""
    cost = np.ones(2 * len(book.edges)) if cost is None else cost
    rule = combined_rule(rules, book.graph, demand)
    found = cheapest_routes(book.graph, [demand.between], [rule], [0], cost)
    return found[0][0] if found else None


def _fewest_to_break(demand: Demand, book: RuleBook, rules: list[Rule]) -> list[Rule]:
    """One rule, else two, else a set of which none is too many, without which a path exists."""

    def opens(broken: Iterable[int]) -> bool:
        gone = set(broken)
        return _route(demand, book, [r for i, r in enumerate(rules) if i not in gone]) is not None

    for i in range(len(rules)):
        if opens([i]):
            return [rules[i]]
    if len(rules) <= _MOST_FOR_PAIRS:
        for pair in combinations(range(len(rules)), 2):
            if opens(pair):
                return [rules[i] for i in pair]
    broken = set(range(len(rules)))
    for i in range(len(rules)):
        if opens(broken - {i}):
            broken.remove(i)
    return [rules[i] for i in sorted(broken)]


def _breaking_cost(book: RuleBook, broken: list[Rule]) -> np.ndarray:
    """Costs (2E,) under which the cheapest route breaks rules as seldom as possible, then has the fewest edges."""
    _, head = book.graph.tail_head
    cost = np.ones(2 * len(book.edges))
    for rule in broken:
        nodes = rule.counted if len(rule.counted) else rule.nodes
        cost += _BROKEN * (rule.arcs | nodes[head])
    return cost


def _where(rule: Rule, route: Route, demand: Demand, book: RuleBook, kept: list[Rule]) -> tuple[list[str], str]:
    """Names of what a broken rule shuts on a route, and words for it."""
    graph, names = book.graph, list(book.graph.number)
    inner = [v for share in route for v in graph.path_nodes(share)[1:-1]]
    if rule.shares > 1:
        return _common(demand, book, kept, [names[v] for v in inner], route)
    home = book.home(demand)
    if rule.name == "national_only" and len(home) != 1:
        return sorted(home), f"the ends lie in {_listed(sorted(home))}"
    if len(rule.counted):
        met = [v for v in inner if rule.counted[v]]
        return [names[v] for v in met], f"the fewest are {len(met)}: {_listed([_owned(v, rule, book) for v in met])}"
    nodes = [v for v in inner if rule.nodes[v]]
    edges = [arc for arc in route_arcs(route) if rule.arcs[arc]]
    words = [f"node {_owned(v, rule, book)}" for v in nodes] + [_of_edge(arc, rule, demand, book) for arc in edges]
    return [names[v] for v in nodes] + [str(book.edges.index[arc >> 1]) for arc in edges], _listed(words)


def _owned(node: int, rule: Rule, book: RuleBook) -> str:
    """A node, with its nation or operator where the rule asks for that."""
    name = list(book.graph.number)[node]
    if rule.name.startswith("forbidden_operators"):
        return f"{name} of {book.operator[node]}"
    if rule.name.startswith(("forbidden_nations", "national_only", "max_foreign_nodes")):
        return f"{name} of {book.nation[node] or 'no stated nation'}"
    return name


def _of_edge(arc: int, rule: Rule, demand: Demand, book: RuleBook) -> str:
    edge = book.edges.iloc[arc >> 1]
    first, second = ("a", "b") if arc % 2 == 0 else ("b", "a")
    if rule.name == "space_path":
        return f"border on '{edge.name}', {edge[f'country_{first}']} to {edge[f'country_{second}']}"
    if rule.name == HANDOVER:
        border = next(b for b in book.borders if b.edge == arc >> 1)
        ways = f"'{edge.name}', {edge[f'domain_{first}']} to {edge[f'domain_{second}']}"
        return f"{_why_shut(border, demand)} on {ways}"
    return f"link '{edge.name}' of {edge['operator']}"


def _why_shut(border: Border, demand: Demand) -> str:
    """What an agreement lacks for a demand."""
    agreement = border.agreement
    assert agreement is not None
    if not border.agreed:
        return "no agreement"
    if agreement.purposes and demand.purpose not in agreement.purposes:
        return f"'{agreement.name}' is not for {demand.purpose}"
    if agreement.protection != "trusted_node" and not demand.computational:
        return f"'{agreement.name}' is secure against limited computers only"
    return f"'{agreement.name}' runs {agreement.direction} only"


def _common(demand: Demand, book: RuleBook, kept: list[Rule], inner: list[str], route: Route) -> tuple[list[str], str]:
    """The nodes between the ends that every path passes, or the only edge."""
    number = book.graph.number
    every = []
    for name in inner:
        without = np.arange(len(number)) == number[name]
        barred = Rule(name, without, np.zeros(2 * len(book.edges), dtype=bool))
        if _route(demand, book, [*kept, barred]) is None:
            every.append(name)
    if every:
        return every, f"every path passes {_listed(every)}"
    edges = [str(book.edges.index[arc >> 1]) for arc in route_arcs(route)]
    return edges, f"no second path beside {_listed(edges)}"


def _missing_spans(demand: Demand, book: RuleBook, network: Network) -> Obstacle:
    """The spans without a rate on the path that has fewest of them."""
    links = network.links
    rows = [(*r, 0.0, "") for r in zip(book.edges["a"], book.edges["b"], strict=True)]
    dead = links[~links.index.isin(book.edges.index)]
    rows += [(row["a"], row["b"], 1.0, str(link)) for link, row in dead.iterrows()]
    table = pd.DataFrame(rows, columns=["a", "b", "dead", "link"]).sort_values("dead", ascending=False)
    graph = nx.from_pandas_edgelist(table, "a", "b", edge_attr=["dead", "link"])  # the last of parallel links stays
    a, b = demand.between
    if a not in graph or b not in graph or not nx.has_path(graph, a, b):
        return Obstacle((), (a, b), f"no path: no link joins {a} and {b}, whatever the rules")
    path = nx.shortest_path(graph, a, b, weight="dead")
    spans = [graph.edges[s]["link"] for s in pairwise(path) if graph.edges[s]["link"]]
    words = _listed([f"'{s}' ({links.loc[s, 'reason']})" for s in spans])
    return Obstacle((), tuple(spans), f"no path: spans without key stand in the way, whatever the rules: {words}")


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    shown = ", ".join(names[:_MOST_NAMED])
    return f"{shown} and {more} more" if more > 0 else shown
