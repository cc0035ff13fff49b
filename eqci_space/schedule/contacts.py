"""Choose the contacts whose key helps the demands most."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from eqci_space.fiber.network import Network, build_network
from eqci_space.fiber.problem import bin_of, flow_problem
from eqci_space.scenario import Scenario, dated_stations
from eqci_space.schedule.conflicts import choice_limits
from eqci_space.schedule.joint import solve_joint
from eqci_space.tables import TABLES, check_table, empty_table

__all__ = ["Plan", "schedule_contacts"]


@dataclass(frozen=True)
class Plan:
    """CONTACTS with the objective reached, its proven upper bound and their relative gap.

    The objective is the weighted satisfied share of the demands summed over the bins, plus a tie-break of at
    most 1e-4 for expected space key.
    """

    contacts: pd.DataFrame
    objective: float
    bound: float
    gap: float
    pricing_rounds: int


def schedule_contacts(candidates: pd.DataFrame, scenario: Scenario, *, network: Network | None = None) -> Plan:
    """Choose contacts jointly with key relay, on expected key.

    One satellite serves one station at a time, with slew between; one station one satellite, with turnaround.
    The choice and the relay are one mixed-integer programme; ties go to more expected space key, so a plan is
    meaningful even where fibre serves every bit. Stations without any way to the network get no contact, unless
    all are such.

    Parameters
    ----------
    candidates : DataFrame
        CANDIDATES.
    scenario : Scenario
    network : Network, optional
        Default `build_network`.

    Returns
    -------
    Plan
    """
    check_table(candidates, "CANDIDATES", "schedule_contacts")
    network = network or build_network(scenario)
    problem = flow_problem(scenario, network)
    edge_index = {e: i for i, (e, _, _) in enumerate(problem.edges)}
    inside = candidates[candidates["available_at"] < pd.Timestamp(scenario.end)]
    inside = inside[inside["ogs"].isin(_delivering(scenario))]
    bits = (inside["skl_bit"] * inside["p_clear"]).to_numpy(dtype=float)
    offers = replace(
        problem,
        offer_bit=bits,
        deposit_offer=np.arange(len(inside)),
        deposit_edge=inside["edge"].map(edge_index).to_numpy(dtype=int),
        deposit_bin=bin_of(inside["available_at"], scenario),
        deposit_bit=bits,
        limits=choice_limits(inside, scenario.schedule),
    )
    flow = solve_joint(offers, relative_gap=scenario.schedule.relative_gap)
    contacts = _contacts(inside[flow.chosen], candidates)
    return Plan(contacts, flow.objective, flow.bound, flow.gap, flow.rounds)


def _delivering(scenario: Scenario) -> list[str]:
    """Stations whose key can reach the network; all of them when none can."""
    joined = [o for o, s in scenario.stations.items() if any(p.attach != "none" for p in dated_stations(s))]
    return joined or list(scenario.stations)


def _contacts(chosen: pd.DataFrame, candidates: pd.DataFrame) -> pd.DataFrame:
    if chosen.empty:
        return empty_table("CONTACTS")
    table = chosen.reset_index().assign(
        contact_id=lambda t: t["candidate_id"],
        expected_skl_bit=lambda t: t["skl_bit"] * t["p_clear"],
        status="planned",
    )
    table["reason"] = [_reason(row, candidates) for _, row in table.iterrows()]
    table = table.astype({"contact_id": str, "reason": str, "status": str}).set_index("contact_id")
    return check_table(table[list(TABLES["CONTACTS"].columns)], "CONTACTS", "schedule_contacts")


def _reason(row: pd.Series, candidates: pd.DataFrame) -> str:
    """What the contact was chosen over."""
    same = candidates[(candidates["satellite"] == row["satellite"]) & (candidates.index != row["candidate_id"])]
    rivals = same[(same["start"] < row["end"]) & (same["end"] > row["start"])]
    if rivals.empty:
        return "no rival in this crossing"
    return "chosen over " + ", ".join(sorted(rivals["ogs"]))
