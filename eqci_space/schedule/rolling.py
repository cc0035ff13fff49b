"""Rolling plans: a horizon planned anew every few days, what is near left alone, stocks handed on.

A plan starts from what the one before it leaves: stocks by age, key still being processed, and duty and quotas that
the last day's contacts used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from eqci_space.errors import PlanError
from eqci_space.fiber.edges import contact_arrivals
from eqci_space.fiber.key_flow import FlowResult, delivered_by_bin, used_by_bin
from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.fiber.network import Network, build_network
from eqci_space.fiber.problem import bin_edges, flow_problem
from eqci_space.fiber.relay import with_deposits
from eqci_space.fiber.stores import stock_by_age, store_levels
from eqci_space.machine.progress import notebook_bar
from eqci_space.qkd.window_keys import block_text
from eqci_space.scenario import Scenario
from eqci_space.schedule.contacts import Plan, Wishes, candidate_problem, plan_contacts, usable_candidates
from eqci_space.schedule.diff import diff_plans
from eqci_space.schedule.dual_skies import with_chance
from eqci_space.schedule.joint import value_of_choice
from eqci_space.schedule.sky_keys import without_key
from eqci_space.tables import empty_table, planned_contacts

__all__ = ["RollingPlan", "rolling_plan"]

_MEMORY = timedelta(days=1)  # over which limits of choice join contacts

Outlook = Callable[[datetime, pd.DataFrame], np.ndarray]


@dataclass(frozen=True)
class RollingPlan:
    """All contacts as they were flown, and one row per plan.

    Attributes
    ----------
    contacts : DataFrame
        CONTACTS that began before the next plan was made.
    steps : DataFrame
        Per plan: made_at, horizon_end, objective, bound, gap, contacts, kept, added, dropped, moved.
    delivery : DataFrame
        Per bin and demand: asked_bit, delivered_bit.
    stock_bit : Series
        By edge, at the end.
    """

    contacts: pd.DataFrame
    steps: pd.DataFrame
    delivery: pd.DataFrame
    stock_bit: pd.Series


@notebook_bar("plans")
def rolling_plan(
    candidates: pd.DataFrame,
    scenario: Scenario,
    *,
    network: Network | None = None,
    outlook: Outlook | None = None,
    realised: Callable[[pd.DataFrame], np.ndarray] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> RollingPlan:
    """Plan ``schedule.horizon_day`` ahead, every ``schedule.replan_day``, and hand the stocks on.

    What begins within ``freeze_h`` of the new plan stays as it was; new contacts begin no sooner than
    ``upload_cutoff_h`` ahead; a planned contact that stays is worth ``stability`` more.

    Parameters
    ----------
    candidates : DataFrame
        CANDIDATES of the whole period.
    scenario : Scenario
    network : Network, optional
    outlook : callable, optional
        Given the time of planning and candidates: their chance of a clear sky as known then; default as it stands.
    realised : callable, optional
        Given flown contacts: the key that they brought; default the expected key.
    progress : callable, optional
        Called with the plans made and their number.

    Raises
    ------
    PlanError
        Blocks wait for several contacts: what is open is not handed on.
    """
    if scenario.protocol.block != "window":
        raise PlanError(
            f"rolling_plan: protocol.block = {block_text(scenario.protocol)}; expected 'window', for open blocks are "
            'not handed on; plan the period at once, or take block = "window"'
        )
    network = network or build_network(scenario)
    made = _times(scenario)
    rolled = _Rolled(empty_table("CONTACTS"), empty_table("DEPOSITS"))
    steps, deliveries = [], []
    for number, now in enumerate(made):
        until = made[number + 1] if number + 1 < len(made) else scenario.end
        end = min(scenario.end, max(until, now + timedelta(days=scenario.schedule.horizon_day)))
        part = scenario.model_copy(update={"start": now, "end": end})
        problem = _problem(part, network, rolled)
        ahead = _ahead(candidates, part, rolled, now, outlook)
        plan, flow = _plan(problem, ahead, part, rolled, now)
        deposits = _deposits(plan, part, until, realised)
        filled = with_deposits(candidate_problem(problem, empty_table("CANDIDATES"), part), deposits, part)
        if part.schedule.plan_for == "expected_delivery":
            flow = value_of_choice(filled, np.zeros(0))
        elif realised is not None:
            flow = value_of_choice(filled, np.zeros(0), paths=[path[:3] for path in flow.paths])
        vintage_bit, delivered = _advance(filled, flow, part, until)
        deliveries.append(delivered)
        steps.append(_step(now, end, plan, rolled.plan))
        mine = plan.contacts[(plan.contacts["start"] < pd.Timestamp(until)) & (plan.contacts["status"] == "planned")]
        flown = mine if rolled.flown.empty else pd.concat([rolled.flown, mine])
        rolled = _Rolled(flown, _late(rolled.late, deposits, until), vintage_bit, plan)
        if progress:
            progress(number + 1, len(made))
    stock = pd.Series(vintage_bit.sum(axis=1), index=[e for e, _, _ in problem.edges])
    return RollingPlan(rolled.flown, pd.DataFrame(steps), pd.concat(deliveries, ignore_index=True), stock)


@dataclass(frozen=True)
class _Rolled:
    """What one plan hands to the next: CONTACTS flown so far, key on its way, stocks by age, and the plan."""

    flown: pd.DataFrame
    late: pd.DataFrame
    vintage_bit: np.ndarray | None = None
    plan: Plan | None = None


def _problem(part: Scenario, network: Network, rolled: _Rolled) -> KeyFlowProblem:
    """The horizon's relay problem from the stocks handed on and the key on its way."""
    problem = flow_problem(network, part)
    if rolled.vintage_bit is not None:
        problem = replace(problem, initial_bit=rolled.vintage_bit.sum(axis=1), vintage_bit=rolled.vintage_bit)
    return with_deposits(problem, rolled.late, part)


def _times(scenario: Scenario) -> list[datetime]:
    """When plans are made: at bin edges, the given number of days apart."""
    step = timedelta(days=scenario.schedule.replan_day)
    edges = bin_edges(scenario)[:-1]
    times = [edges[0]]
    for edge in edges[1:]:
        if edge - times[-1] >= step:
            times.append(edge)
    return times


def _ahead(
    candidates: pd.DataFrame, part: Scenario, rolled: _Rolled, now: datetime, outlook: Outlook | None
) -> pd.DataFrame:
    """Candidates of the horizon that can still be uploaded, or were planned before, with the sky as known now.

    Contacts of the last day are among them without key: they have used their duty, quotas and windows.
    """
    policy = part.schedule
    inside = candidates[(candidates["start"] >= pd.Timestamp(now)) & (candidates["start"] < pd.Timestamp(part.end))]
    in_time = inside["start"] >= pd.Timestamp(now + timedelta(hours=policy.upload_cutoff_h))
    inside = inside[in_time | inside.index.isin(_planned(rolled)["candidate_id"])]
    if outlook is not None and len(inside):
        inside = with_chance(inside, outlook(now, inside))
    recent = candidates.loc[_recent(rolled, now)]
    return inside if recent.empty else pd.concat([without_key(recent), inside])


def _planned(rolled: _Rolled) -> pd.DataFrame:
    if rolled.plan is None:
        return empty_table("CONTACTS")
    contacts = rolled.plan.contacts
    return planned_contacts(contacts)


def _recent(rolled: _Rolled, now: datetime) -> pd.Series:
    """Candidates flown in the last day, over which the limits of choice reach."""
    return rolled.flown.loc[rolled.flown["end"] > pd.Timestamp(now - _MEMORY), "candidate_id"]


def _plan(
    problem: KeyFlowProblem, candidates: pd.DataFrame, part: Scenario, rolled: _Rolled, now: datetime
) -> tuple[Plan, FlowResult]:
    planned = _planned(rolled)
    frozen = planned[planned["start"] < pd.Timestamp(now + timedelta(hours=part.schedule.freeze_h))]["candidate_id"]
    pin = [c for c in [*_recent(rolled, now), *frozen] if c in candidates.index]
    usable = usable_candidates(candidates, part, pin=pin)
    kept = usable.index.isin(planned["candidate_id"]) & np.asarray(usable["start"] >= pd.Timestamp(now))
    plan, flow = plan_contacts(
        problem,
        usable,
        part,
        wishes=Wishes(pin=list(dict.fromkeys(pin))),
        worth=part.schedule.stability * kept.astype(float),
        known=planned["candidate_id"].tolist(),
        compared=False,
    )
    ahead = plan.contacts["start"] >= pd.Timestamp(now)
    if "backup_of" in plan.contacts:
        ahead &= (plan.contacts["backup_of"] == "") | plan.contacts["backup_of"].isin(plan.contacts.index[ahead])
    return replace(plan, contacts=plan.contacts[ahead]), flow


def _deposits(
    plan: Plan, part: Scenario, until: datetime, realised: Callable[[pd.DataFrame], np.ndarray] | None
) -> pd.DataFrame:
    """What the plan brings: the key that came for what begins before the next plan, the expected key for the rest."""
    planned = planned_contacts(plan.contacts)
    bit = planned["expected_skl_bit"].to_numpy(dtype=float).copy()
    flown = (planned["start"] < pd.Timestamp(until)).to_numpy()
    if realised is not None and flown.any():
        bit[flown] = realised(planned[flown])
    return contact_arrivals(planned, part).assign(bit=bit, flown=flown)


def _late(late: pd.DataFrame, deposits: pd.DataFrame, until: datetime) -> pd.DataFrame:
    """Key of flown contacts that is still being processed when the next plan is made."""
    flown = deposits.loc[deposits["flown"], ["time", "edge", "bit"]]
    known = pd.concat([late, flown], ignore_index=True) if len(late) else flown
    return known[known["time"] >= pd.Timestamp(until)]


def _advance(
    problem: KeyFlowProblem, flow: FlowResult, part: Scenario, until: datetime
) -> tuple[np.ndarray, pd.DataFrame]:
    """Stocks by age at the time of the next plan, and what was delivered until then."""
    starts = bin_edges(part)[:-1]
    bins = sum(start < until for start in starts)
    used, delivered = used_by_bin(flow, problem), delivered_by_bin(flow, problem)
    levels = store_levels(
        problem.supply_bit[:, :bins],
        used[:, :bins],
        problem.aged_bit,
        problem.capacity_bit,
        problem.life_bins,
        parent_bin=problem.parent_bin[:bins],
    )
    table = pd.DataFrame({
        "bin": np.repeat(pd.DatetimeIndex(starts[:bins]), len(problem.ends)),
        "demand": np.tile([d.name for d in part.demands], bins),
        "asked_bit": problem.asked_bit[:, :bins].T.ravel(), "delivered_bit": delivered[:, :bins].T.ravel(),
    })  # fmt: skip
    arrived = np.column_stack([problem.aged_bit, problem.supply_bit[:, :bins]])
    vintages = max(1, int(problem.life_bins.max(initial=1)))
    return stock_by_age(levels.stock_bit[:, -1], arrived, vintages), table


def _step(now: datetime, end: datetime, plan: Plan, before: Plan | None) -> dict[str, object]:
    planned = planned_contacts(plan.contacts)
    row: dict[str, object] = {
        "made_at": now, "horizon_end": end, "objective": plan.objective, "bound": plan.bound, "gap": plan.gap,
        "contacts": len(planned), "kept": 0, "added": len(planned), "dropped": 0, "moved": 0,
    }  # fmt: skip
    if before is not None:
        old = before.contacts[before.contacts["start"] >= pd.Timestamp(now)]
        changes = diff_plans(replace(before, contacts=old), plan)["change"].value_counts()
        for name in ("added", "dropped", "moved"):
            row[name] = int(changes.get(name, 0))
        row["kept"] = len(planned_contacts(old)) - int(changes.get("dropped", 0))
    return row
