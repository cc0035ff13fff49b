"""The relay problem of a scenario: bins, demands, supply, rules and quotas as arrays."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd

from eqci_space.fiber.assurance import path_rules
from eqci_space.fiber.domains import border_quotas, borders
from eqci_space.fiber.edges import (
    SPACE,
    closed_bins,
    contact_arrivals,
    edge_supply_bit,
    key_edges,
    stops_everything,
)
from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.fiber.network import Network
from eqci_space.orbits.earth import times_from
from eqci_space.scenario import Scenario, asked_bit_per_day, assurance_text
from eqci_space.tables import check_table

__all__ = ["arrival_places", "bin_edges", "bin_of", "bin_starts", "demand_table", "flow_problem", "nominal_edges"]


def bin_edges(scenario: Scenario) -> list[datetime]:
    """Edges of the bins: those of `nominal_edges`, `bin_marks`, and the ends of outages that stop everything.

    A bin is split where such an outage begins or ends, so that 46 hours cost 46 hours.
    """
    cuts = {t for o in scenario.outages if stops_everything(o) for t in (o.start, o.end)} | set(scenario.bin_marks)
    inside = {cut for cut in cuts if scenario.start < cut < scenario.end}
    return sorted({*nominal_edges(scenario), *inside})


def nominal_edges(scenario: Scenario) -> list[datetime]:
    """The period's ends and every full bin counted from 12:00 UTC, so that a night is whole."""
    step = pd.Timedelta(scenario.schedule.bin).to_pytimedelta()
    edge = scenario.start.astimezone(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
    while edge <= scenario.start:
        edge += step
    edges = [scenario.start]
    while edge < scenario.end:
        edges.append(edge)
        edge += step
    return [*edges, scenario.end]


def bin_starts(scenario: Scenario) -> pd.DatetimeIndex:
    """Start of every bin."""
    seconds = [(start - scenario.start).total_seconds() for start in bin_edges(scenario)[:-1]]
    return times_from(scenario.start, np.array(seconds))


def arrival_places(
    contacts: pd.DataFrame, scenario: Scenario, problem: KeyFlowProblem
) -> tuple[np.ndarray, np.ndarray]:
    """Number of the edge (n,) and of the bin (n,) into which the key of contacts or candidates falls; -1 outside."""
    arrivals = contact_arrivals(contacts, scenario)
    return arrivals["edge"].map(problem.edge_number).to_numpy(dtype=int), bin_of(arrivals["time"], scenario)


def bin_of(times: pd.Series | pd.DatetimeIndex, scenario: Scenario) -> np.ndarray:
    """Number of the bin that holds each time; -1 before and after the period."""
    starts = pd.DatetimeIndex(bin_edges(scenario)[:-1]).as_unit("ns")
    index = pd.DatetimeIndex(times).as_unit("ns")
    bins = np.asarray(starts.searchsorted(index, side="right"), dtype=int) - 1
    return np.where(np.asarray(index < pd.Timestamp(scenario.end)), bins, -1)


def demand_table(scenario: Scenario) -> pd.DataFrame:
    """DEMANDS of a scenario, keys and services turned into bits."""
    rows = [
        {
            "demand": d.name, "a": d.between[0], "b": d.between[1], "purpose": d.purpose,
            "assurance": assurance_text(d), "weight": d.weight, "asked_bit_per_day": asked_bit_per_day(d),
        }
        for d in scenario.demands
    ]  # fmt: skip
    return check_table(pd.DataFrame(rows).set_index("demand"), "DEMANDS", "demand_table")


def flow_problem(network: Network, scenario: Scenario) -> KeyFlowProblem:
    """Relay problem of a scenario with its fibre supply and no contact yet."""
    edges, bins = key_edges(network, scenario), list(pairwise(bin_edges(scenario)))
    nominal = nominal_edges(scenario)
    lengths_s = np.array([(b - a).total_seconds() for a, b in bins])
    demands = demand_table(scenario)
    quota_of_arc, quota_bit = border_quotas(borders(edges, scenario), bins, scenario)
    closed = closed_bins(edges, bins, scenario)
    return KeyFlowProblem(
        edges=list(zip(edges.index, edges["a"], edges["b"], strict=True)),
        kinds=edges["kind"].to_numpy(dtype=str),
        delayed=(edges["kind"] == SPACE).to_numpy(),
        supply_bit=edge_supply_bit(edges, bins, scenario),
        initial_bit=np.minimum(edges["initial_bit"], edges["capacity_bit"]).to_numpy(dtype=float),
        capacity_bit=edges["capacity_bit"].to_numpy(dtype=float),
        life_bins=_life_bins(edges, pd.Timedelta(scenario.schedule.bin) / pd.Timedelta(hours=1)),
        ends=[d.between for d in scenario.demands],
        weights=demands["weight"].to_numpy(dtype=float),
        asked_bit=np.outer(demands["asked_bit_per_day"], lengths_s / 86400.0),
        rules=path_rules(edges, network, scenario),
        closed=closed if closed.any() else np.empty((0, 0), dtype=bool),
        parent_bin=np.array([bisect_right(nominal, start) - 1 for start, _ in bins]),
        quota_of_arc=quota_of_arc,
        quota_bit=quota_bit,
    )


def _life_bins(edges: pd.DataFrame, bin_h: float) -> np.ndarray:
    """Life of key in whole bins, at least one; 0 where it lives for ever."""
    life = edges["life_h"].to_numpy(dtype=float)
    finite = np.where(np.isfinite(life), life, 0.0)
    return np.where(np.isfinite(life), np.maximum(1, np.floor(finite / bin_h + 1e-9)), 0).astype(int)
