"""Who saw the key: nodes, operators, nations and satellites per delivered bit, and what each class would deliver."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from eqci_space.errors import near_matches
from eqci_space.fiber.assurance import is_foreign, node_owners, path_rules, vertex_connectivity
from eqci_space.fiber.domains import borders, crossing_bits
from eqci_space.fiber.edges import SPACE, key_edges
from eqci_space.fiber.key_flow import solve_key_flow
from eqci_space.fiber.network import Network, build_network
from eqci_space.fiber.problem import flow_problem
from eqci_space.fiber.relay import Relay, with_deposits
from eqci_space.scenario import Demand, Scenario, assurance_text

__all__ = ["exposure", "exposure_frontier", "handovers"]


def exposure(relay: Relay, scenario: Scenario) -> pd.DataFrame:
    """Who saw the key of each demand, weighted by bits.

    Parameters
    ----------
    relay : Relay
        Routes and delivery, with the network they were made on.
    scenario : Scenario
        Demands, satellites with nation and operator, agreements.

    Returns
    -------
    DataFrame
        Indexed by `demand`: assurance, asked_bit, delivered_bit; space_share (bits that came through space);
        trusted_nodes (mean number of ground nodes between the ends that one share of the key passes) and most_nodes
        (satellites included, as `max_nodes` counts); foreign_nodes (mean number of nodes between the ends, satellites
        included, that are of a nation but of none of the ends', as `max_foreign_nodes` counts) and foreign_satellites
        among them; handovers (mean number of borders between domains that fibre crosses); nations, operators and
        satellites that saw key (as text, the satellites' nations and operators among them; a satellite that sends
        pairs to two stations sees none); security
        (information-theoretic, or computational where post-quantum cryptography protects a hand-over);
        fibre_connectivity and connectivity (node-disjoint paths without and with satellites); main_path.
    """
    edges = key_edges(relay.network, scenario)
    owners = node_owners(relay.network, scenario)
    crossing = {str(edges.index[b.edge]): b.agreement for b in borders(edges, scenario)}
    bridged = {edge for edge, agreement in crossing.items() if agreement and agreement.protection == "pqc"}
    fibre = edges["kind"] != SPACE
    facts = _Facts(
        edges, edges[fibre], owners["nation"].to_dict(), owners["operator"].to_dict(),
        edges.loc[fibre, "operator"].to_dict(), frozenset(crossing), frozenset(bridged),
        frozenset(edges.index[~fibre]),
    )  # fmt: skip
    rows = [_of_demand(d, relay, scenario, facts) for d in scenario.demands]
    return pd.DataFrame(rows).set_index("demand")


@dataclass(frozen=True)
class _Facts:
    """Edges, those of fibre, owners of nodes and fibre, edges between domains, those with cryptography, and of space.

    Who owns a satellite saw key as far as it is a node.
    """

    edges: pd.DataFrame
    fibre: pd.DataFrame
    nation: dict[str, str]
    operator: dict[str, str]
    edge_operator: dict[str, str]
    crossing: frozenset[str]
    bridged: frozenset[str]
    space: frozenset[str]


def _of_demand(demand: Demand, relay: Relay, scenario: Scenario, facts: _Facts) -> dict[str, object]:
    satellites = {s.name for s in scenario.satellites}
    mine = relay.routes[relay.routes["demand"] == demand.name]
    amount = relay.delivery[relay.delivery["demand"] == demand.name]
    bits = mine["bit"].to_numpy(dtype=float)
    between = [set(p[1:-1]) for p in mine["path"]]
    home = {str(facts.nation.get(end, "")) for end in demand.between}
    ground = [b - satellites for b in between]
    nation = np.array(list(facts.nation.values()), dtype=str)
    abroad = {node for node, foreign in zip(facts.nation, is_foreign(nation, home), strict=True) if foreign}
    crossed = [sum(step in facts.crossing for step in steps) for steps in mine["edges"]]
    everyone = set().union(*(set(p) for p in mine["path"])) if len(mine) else set()
    used = set().union(*(set(e) for e in mine["edges"])) if len(mine) else set()
    by_path = mine.groupby(mine["path"].map(tuple))["bit"].sum()
    in_space = [bool(b & satellites or facts.space & set(e)) for b, e in zip(between, mine["edges"], strict=True)]
    return {
        "demand": demand.name, "assurance": assurance_text(demand), "asked_bit": amount["asked_bit"].sum(),
        "delivered_bit": amount["delivered_bit"].sum(),
        "space_share": _mean(in_space, bits),
        "trusted_nodes": _mean([len(g) for g in ground], bits),
        "most_nodes": max((len(b) for b in between), default=0),
        "foreign_nodes": _mean([len(b & abroad) for b in between], bits),
        "foreign_satellites": _mean([len(b & abroad & satellites) for b in between], bits),
        "handovers": _mean(crossed, bits),
        "nations": _listed(facts.nation.get(n, "") for n in everyone),
        "operators": _listed([facts.operator.get(n, "") for n in everyone]
                             + [facts.edge_operator.get(e, "") for e in used]),
        "satellites": _listed(everyone & satellites),
        "security": "computational" if used & facts.bridged else "information-theoretic",
        "fibre_connectivity": vertex_connectivity(facts.fibre, *demand.between),
        "connectivity": vertex_connectivity(facts.edges, *demand.between),
        "main_path": " – ".join(by_path.idxmax()) if len(by_path) else "",
    }  # fmt: skip


def _mean(values: list, bits: np.ndarray) -> float:
    return float(np.average(np.array(values, dtype=float), weights=bits)) if len(bits) else 0.0


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted({n for n in names if n}))


def handovers(relay: Relay, scenario: Scenario) -> pd.DataFrame:
    """Key handed over between domains, per bin, border edge and direction; see `fiber.domains.crossing_bits`."""
    return crossing_bits(relay.routes, key_edges(relay.network, scenario), scenario)


def exposure_frontier(
    deposits: pd.DataFrame,
    scenario: Scenario,
    demand: str,
    *,
    network: Network | None = None,
    classes: tuple[tuple[str, ...], ...] | None = None,
) -> pd.DataFrame:
    """Most key that one demand could get alone, class by class: exposure against keys.

    All other demands are left out, so the numbers bound what any plan gives. Each class is solved with the deposits
    given, and without key from space.

    Parameters
    ----------
    deposits : DataFrame
        DEPOSITS [bit].
    scenario : Scenario
        All but its demands counts.
    demand : str
        Name of a demand; its prohibitions hold in every class.
    network : Network, optional
        Default `build_network`.
    classes : tuple of tuples of str, optional
        Default: any, one nation, two disjoint shares, the space path, and node counts from 0 to 12, foreign or not.

    Returns
    -------
    DataFrame
        assurance, delivered_bit, without_space_bit, per day and over the period in bits; one row per class.

    Raises
    ------
    ValueError
        The demand does not exist.
    """
    named = {d.name: d for d in scenario.demands}
    if demand not in named:
        raise ValueError(f"exposure_frontier: no demand '{demand}'; {near_matches(demand, named)}")
    network = network or build_network(scenario)
    chosen = classes or _CLASSES
    alone = [named[demand].model_copy(update={"assurance": c, "name": f"{i}"}) for i, c in enumerate(chosen)]
    apart = scenario.model_copy(update={"demands": tuple(alone)})
    problem = flow_problem(network, apart)
    # A demand that asks for more than there is gets the most that its class admits.
    plenty = np.full_like(problem.asked_bit, 10.0 * max(problem.supply_bit.max(), problem.initial_bit.max(), 1.0))
    rules = path_rules(key_edges(network, apart), network, apart)
    rows = []
    for k, text in enumerate(chosen):
        one = replace(
            problem, ends=[problem.ends[k]], weights=plenty.max(axis=1)[:1] / 1e6, asked_bit=plenty[k : k + 1],
            rules=[rules[k]],
        )  # fmt: skip
        given = solve_key_flow(with_deposits(one, deposits, apart))
        bare = solve_key_flow(one)
        rows.append((" + ".join(text), sum(p[3] for p in given.paths), sum(p[3] for p in bare.paths)))
    days = (scenario.end - scenario.start).total_seconds() / 86400.0
    table = pd.DataFrame(rows, columns=["assurance", "delivered_bit", "without_space_bit"])
    per_day = table[["delivered_bit", "without_space_bit"]] / days
    return table.assign(bit_per_day=per_day["delivered_bit"], without_space_bit_per_day=per_day["without_space_bit"])


_CLASSES: tuple[tuple[str, ...], ...] = (
    ("any",), ("national_only",), ("two_disjoint",), ("space_path",),
    *((f"max_foreign_nodes={n}",) for n in (0, 1, 2, 4, 8)),
    *((f"max_nodes={n}",) for n in (0, 1, 2, 3, 4, 6, 8, 10, 12)),
)  # fmt: skip
