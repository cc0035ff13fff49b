"""From deposits to delivered key: bins, assurance classes, routes, stores and delivery as tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Protocol

import numpy as np
import pandas as pd

from eqci_space.errors import PlanError
from eqci_space.fiber.key_flow import FlowResult, KeyFlowProblem, cheapest_path, solve_key_flow
from eqci_space.fiber.network import Network, build_network, edge_supply_bit, key_edges
from eqci_space.orbits.earth import times_from
from eqci_space.scenario import AssuranceClass, Demand, Scenario
from eqci_space.tables import check_table

__all__ = ["Relay", "bin_edges", "demand_table", "exposure", "flow_problem", "key_deposits", "relay_keys"]

_BITS_PER_KEY = 256


class HasContacts(Protocol):
    """Anything with a CONTACTS table, such as a plan."""

    @property
    def contacts(self) -> pd.DataFrame:
        """CONTACTS."""


@dataclass(frozen=True)
class Relay:
    """Result of a relay: ROUTES, STORES, DELIVERY, the network used, and demands without any admissible path."""

    routes: pd.DataFrame
    stores: pd.DataFrame
    delivery: pd.DataFrame
    network: Network
    unreachable: tuple[str, ...]
    objective: float
    bound: float
    gap: float


def bin_edges(scenario: Scenario) -> list[datetime]:
    """Edges of the daily bins: the period's ends and every 12:00 UTC between, so that a night is whole."""
    noon = scenario.start.astimezone(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    while noon <= scenario.start:
        noon += timedelta(days=1)
    edges = [scenario.start]
    while noon < scenario.end:
        edges.append(noon)
        noon += timedelta(days=1)
    return [*edges, scenario.end]


def demand_table(scenario: Scenario) -> pd.DataFrame:
    """DEMANDS of a scenario, keys turned into bits."""
    rows = [
        {
            "demand": d.name, "a": d.between[0], "b": d.between[1], "purpose": d.purpose, "assurance": d.assurance,
            "weight": d.weight, "asked_bit_per_day": d.bit_per_day or (d.keys_256_per_day or 0.0) * _BITS_PER_KEY,
        }
        for d in scenario.demands
    ]  # fmt: skip
    return check_table(pd.DataFrame(rows).set_index("demand"), "DEMANDS", "demand_table")


def key_deposits(plan: HasContacts, scenario: Scenario, *, kind: str = "expected") -> pd.DataFrame:
    """DEPOSITS of the planned contacts, available after post-processing.

    Parameters
    ----------
    plan : Plan
        Anything with a CONTACTS table.
    kind : {"expected", "clear"}
        Count ``p_clear · skl`` or the clear-sky key.

    Raises
    ------
    PlanError
        `kind` is unknown.
    """
    columns = {"expected": "expected_skl_bit", "clear": "skl_bit"}
    if kind not in columns:
        raise PlanError(f"key_deposits: kind '{kind}'; expected one of {list(columns)}")
    contacts = check_table(plan.contacts, "CONTACTS", "key_deposits")
    planned = contacts[contacts["status"] == "planned"]
    deposits = pd.DataFrame({
        "time": planned["end"] + pd.Timedelta(seconds=scenario.schedule.post_processing_s),
        "edge": planned["satellite"] + "|" + planned["ogs"],
        "bit": planned[columns[kind]],
        "contact_id": planned.index.astype(str),
        "block": planned["candidate_id"],
        "kind": kind,
    }).reset_index(drop=True)  # fmt: skip
    return check_table(deposits, "DEPOSITS", "key_deposits")


def flow_problem(scenario: Scenario, network: Network) -> KeyFlowProblem:
    """Relay problem of a scenario with its fibre supply and no contact yet."""
    edges = key_edges(network, scenario)
    lengths_s = np.array([(b - a).total_seconds() for a, b in _bins(scenario)])
    demands = demand_table(scenario)
    allowed = np.array([_allowed(edges, d, network) for d in scenario.demands])
    return KeyFlowProblem(
        edges=list(zip(edges.index, edges["a"], edges["b"], strict=True)),
        delayed=(edges["kind"] == "space").to_numpy(),
        supply_bit=edge_supply_bit(edges, _bins(scenario), scenario),
        initial_bit=np.zeros(len(edges)),
        capacity_bit=np.full(len(edges), scenario.fiber.store_capacity_bit),
        ends=[d.between for d in scenario.demands],
        weights=demands["weight"].to_numpy(dtype=float),
        asked_bit=np.outer(demands["asked_bit_per_day"], lengths_s / 86400.0),
        allowed=allowed,
    )


def _bins(scenario: Scenario) -> list[tuple[datetime, datetime]]:
    return list(pairwise(bin_edges(scenario)))


def _allowed(edges: pd.DataFrame, demand: Demand, network: Network) -> np.ndarray:
    """Edges admitted by a demand's assurance class."""
    rules: dict[AssuranceClass, pd.Series] = {
        "any": pd.Series(True, index=edges.index),
        "space_path": (edges["kind"] == "space") | (edges["country_a"] == edges["country_b"]),
        "national_only": _one_nation(edges, demand, network),
    }
    return rules[demand.assurance].to_numpy(dtype=bool)


def _one_nation(edges: pd.DataFrame, demand: Demand, network: Network) -> pd.Series:
    nations = {network.nodes["country"].get(end, "") for end in demand.between}
    if len(nations) != 1:
        return pd.Series(False, index=edges.index)
    nation = nations.pop()
    return (edges["country_a"] == nation) & (edges["country_b"] == nation)


def relay_keys(deposits: pd.DataFrame, scenario: Scenario, *, network: Network | None = None) -> Relay:
    """Deliver key to the demands from fibre supply and given deposits.

    A deposit serves from the bin after it becomes available; deposits after the period are not counted.

    Parameters
    ----------
    deposits : DataFrame
        DEPOSITS; empty for fibre alone.
    scenario : Scenario
    network : Network, optional
        Default `build_network`.

    Returns
    -------
    Relay
    """
    check_table(deposits, "DEPOSITS", "relay_keys")
    network = network or build_network(scenario)
    problem = flow_problem(scenario, network)
    edges = [e for e, _, _ in problem.edges]
    starts = pd.DatetimeIndex([a for a, _ in _bins(scenario)])
    for time, edge, bit in zip(deposits["time"], deposits["edge"], deposits["bit"], strict=True):
        if edge not in edges:
            raise PlanError(f"relay_keys: deposit on unknown edge '{edge}'; edges are links or 'satellite|ogs'")
        if time < scenario.end:
            problem.supply_bit[edges.index(edge), starts.searchsorted(time, side="right") - 1] += bit
    flow = solve_key_flow(problem)
    return Relay(
        _routes(flow, problem, scenario), _stores(flow, problem, scenario), _delivery(flow, problem, scenario),
        network, _unreachable(problem, scenario), flow.objective, flow.bound, flow.gap,
    )  # fmt: skip


def _starts(scenario: Scenario) -> pd.DatetimeIndex:
    seconds = [(a - scenario.start).total_seconds() for a, _ in _bins(scenario)]
    return times_from(scenario.start, np.array(seconds))


def _unreachable(problem: KeyFlowProblem, scenario: Scenario) -> tuple[str, ...]:
    ones = np.ones(len(problem.edges))
    return tuple(d.name for k, d in enumerate(scenario.demands) if cheapest_path(problem, k, ones) is None)


def _nodes_of(problem: KeyFlowProblem, k: int, edges: tuple[int, ...]) -> list[str]:
    nodes = [problem.ends[k][0]]
    for e in edges:
        _, a, b = problem.edges[e]
        nodes.append(b if nodes[-1] == a else a)
    return nodes


def _routes(flow: FlowResult, problem: KeyFlowProblem, scenario: Scenario) -> pd.DataFrame:
    starts = _starts(scenario)
    total: dict[tuple[int, int], float] = {}
    for k, t, _, bit in flow.paths:
        total[k, t] = total.get((k, t), 0.0) + bit
    rows = [
        (starts[t], scenario.demands[k].name, _nodes_of(problem, k, edges), [problem.edges[e][0] for e in edges],
         bit, bit / total[k, t])
        for k, t, edges, bit in sorted(flow.paths, key=lambda p: (p[1], p[0], -p[3], p[2]))
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["bin", "demand", "path", "edges", "bit", "share"])
    table = table.astype({"bin": starts.dtype, "demand": str, "bit": float, "share": float})
    return check_table(table, "ROUTES", "relay_keys")


def _stores(flow: FlowResult, problem: KeyFlowProblem, scenario: Scenario) -> pd.DataFrame:
    """Stores replayed forward from the relayed paths: key is kept unless the cap makes it spill."""
    n_edges, n_bins = problem.supply_bit.shape
    used = np.zeros((n_edges, n_bins))
    for _, t, edges, bit in flow.paths:
        used[list(edges), t] += bit
    initial, stock, spilled = (np.zeros((n_edges, n_bins)) for _ in range(3))
    level = problem.initial_bit.copy()
    for t in range(n_bins):
        initial[:, t] = level
        level = np.maximum(level + problem.supply_bit[:, t] - used[:, t], 0.0)
        spilled[:, t] = np.maximum(level - problem.capacity_bit, 0.0)
        level = level - spilled[:, t]
        stock[:, t] = level
    starts = _starts(scenario)
    table = pd.DataFrame({
        "bin": np.repeat(starts, n_edges),
        "edge": np.tile(np.array([e for e, _, _ in problem.edges], dtype=object), n_bins),
        "initial_bit": initial.T.ravel(), "deposited_bit": problem.supply_bit.T.ravel(), "used_bit": used.T.ravel(),
        "spilled_bit": spilled.T.ravel(), "expired_bit": 0.0, "stock_bit": stock.T.ravel(),
    }).astype({"edge": str})  # fmt: skip
    return check_table(table, "STORES", "relay_keys")


def _delivery(flow: FlowResult, problem: KeyFlowProblem, scenario: Scenario) -> pd.DataFrame:
    n_demands, n_bins = problem.asked_bit.shape
    delivered = np.zeros((n_demands, n_bins))
    for k, t, _, bit in flow.paths:
        delivered[k, t] += bit
    starts = _starts(scenario)
    table = pd.DataFrame({
        "bin": np.repeat(starts, n_demands),
        "demand": np.tile(np.array([d.name for d in scenario.demands], dtype=object), n_bins),
        "asked_bit": problem.asked_bit.T.ravel(), "delivered_bit": delivered.T.ravel(),
        "shortage_bit": np.maximum(problem.asked_bit - delivered, 0.0).T.ravel(),
    }).astype({"demand": str})  # fmt: skip
    return check_table(table, "DELIVERY", "relay_keys")


def exposure(relay: Relay, scenario: Scenario) -> pd.DataFrame:
    """Who saw the key of each demand, weighted by bits.

    Returns
    -------
    DataFrame
        Indexed by `demand`: asked_bit, delivered_bit, space_share (bits relayed through a satellite), trusted_nodes
        (mean number of intermediate ground nodes), nations and satellites (sets as text), main_path.
    """
    country = relay.network.nodes["country"]
    satellites = {s.name for s in scenario.satellites}
    rows = []
    for d in scenario.demands:
        mine = relay.routes[relay.routes["demand"] == d.name]
        amount = relay.delivery[relay.delivery["demand"] == d.name]
        bits = mine["bit"].to_numpy()
        seen = [set(p) for p in mine["path"]]
        inner = np.array([len(s - satellites) - 2 for s in seen], dtype=float)
        through = np.array([bool(s & satellites) for s in seen], dtype=float)
        everyone = set().union(*seen) if seen else set()
        by_path = mine.groupby(mine["path"].map(tuple))["bit"].sum()
        rows.append({
            "demand": d.name, "assurance": d.assurance, "asked_bit": amount["asked_bit"].sum(),
            "delivered_bit": amount["delivered_bit"].sum(),
            "space_share": float(np.average(through, weights=bits)) if len(bits) else 0.0,
            "trusted_nodes": float(np.average(inner, weights=bits)) if len(bits) else 0.0,
            "nations": ", ".join(sorted({country.get(n, "") for n in everyone - satellites} - {""})),
            "satellites": ", ".join(sorted(everyone & satellites)),
            "main_path": " – ".join(by_path.idxmax()) if len(by_path) else "",
        })  # fmt: skip
    return pd.DataFrame(rows).set_index("demand")
