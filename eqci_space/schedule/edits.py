"""Edits of a plan by hand: contacts pinned or banned, the rest solved anew, and what the edit costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from eqci_space.errors import PlanError, near_matches
from eqci_space.fiber.network import Network, build_network
from eqci_space.fiber.relay import key_deposits, relay_keys
from eqci_space.scenario import Scenario
from eqci_space.schedule.contacts import Plan, schedule_contacts
from eqci_space.schedule.diff import diff_plans
from eqci_space.tables import planned_contacts

__all__ = ["EditedPlan", "confirm_contact", "edit_plan"]


@dataclass(frozen=True)
class EditedPlan:
    """A plan after edits and their price.

    Attributes
    ----------
    plan : Plan
    cost : float
        Objective lost against the plan without edits.
    demands : DataFrame
        Per demand: delivered_bit before and after, and the difference.
    changes : DataFrame
        Of `diff_plans`.
    """

    plan: Plan
    cost: float
    demands: pd.DataFrame
    changes: pd.DataFrame


def edit_plan(
    base: Plan,
    candidates: pd.DataFrame,
    scenario: Scenario,
    *,
    pin: Sequence[str] = (),
    ban: Sequence[str] = (),
    network: Network | None = None,
) -> EditedPlan:
    """Pin or ban candidates, solve the rest anew and price the edit.

    A pin forces a candidate into the plan even where it helps no demand. Without any edit the plan of the scenario
    comes back.

    Parameters
    ----------
    base : Plan
        The plan without the edits; it is compared on the keys that the candidates offer.
    candidates : DataFrame
        CANDIDATES.
    pin, ban : sequence of str
        Ids of candidates.

    Raises
    ------
    PlanError
        An unknown id.
    InfeasibleError
        Two pins exclude each other: both are named, and nothing changes.
    """
    network = network or build_network(scenario)
    plan = schedule_contacts(candidates, scenario, network=network, pin=pin, ban=ban)
    offered = _as_offered(base, candidates)
    delivered = [
        relay_keys(key_deposits(p, scenario), scenario, network=network)
        .delivery.groupby("demand")["delivered_bit"]
        .sum()
        for p in (offered, plan)
    ]
    demands = pd.DataFrame({"before_bit": delivered[0], "after_bit": delivered[1]})
    demands["change_bit"] = demands["after_bit"] - demands["before_bit"]
    return EditedPlan(plan, base.objective - plan.objective, demands, diff_plans(offered, plan))


def _as_offered(plan: Plan, candidates: pd.DataFrame) -> Plan:
    """The plan with the keys that its candidates offer, which planned parts of windows may exceed later."""
    contacts = plan.contacts.copy()
    offered = contacts["candidate_id"].map(candidates["skl_bit"])
    contacts["skl_bit"] = offered.where(offered.notna(), contacts["skl_bit"]).astype(float)
    contacts["expected_skl_bit"] = contacts["skl_bit"] * contacts["p_clear"]
    return replace(plan, contacts=contacts)


def confirm_contact(plan: Plan, contact_id: str) -> pd.Series:
    """The row of a planned contact that a partner confirms.

    Raises
    ------
    PlanError
        The contact was never planned.
    """
    planned = planned_contacts(plan.contacts)
    if contact_id not in planned.index:
        raise PlanError(f"confirm_contact: '{contact_id}' was never planned; {near_matches(contact_id, planned.index)}")
    return planned.loc[contact_id]
