"""Rolling plans: a horizon planned anew every few days, what is near left alone, stocks handed on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from eqci_space.fiber.key_flow import FlowResult
from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.fiber.network import Network, build_network
from eqci_space.fiber.paths import route_arcs
from eqci_space.fiber.problem import bin_edges, flow_problem
from eqci_space.fiber.relay import with_deposits
from eqci_space.fiber.stores import store_levels
from eqci_space.scenario import Scenario
from eqci_space.schedule.contacts import Plan, offered_candidates, offered_problem, plan_contacts
from eqci_space.schedule.diff import diff_plans
from eqci_space.schedule.joint import value_of_choice
from eqci_space.tables import empty_table

__all__ = ["RollingPlan", "rolling_plan"]

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
    """
    network = network or build_network(scenario)
    policy = scenario.schedule
    made = _times(scenario)
    stock: np.ndarray | None = None
    before: Plan | None = None
    late = empty_table("DEPOSITS")
    flown, steps, deliveries = [], [], []
    for number, now in enumerate(made):
        until = made[number + 1] if number + 1 < len(made) else scenario.end
        end = min(scenario.end, max(until, now + timedelta(days=policy.horizon_day)))
        part = scenario.model_copy(update={"start": now, "end": end, "stock": {}})
        problem = flow_problem(part, network)
        if stock is not None:
            problem = replace(problem, initial_bit=np.minimum(stock, problem.capacity_bit))
        problem = with_deposits(problem, late, part)
        offered = _offered(candidates, part, before, now, outlook)
        plan = _plan(problem, offered, part, before, now)
        deposits = _deposits(plan, part, until, realised)
        flow, problem = _relayed(problem, deposits, part)
        late = _late(late, deposits, until)
        stock, delivered = _advance(problem, flow, part, until)
        deliveries.append(delivered)
        mine = plan.contacts[plan.contacts["start"] < pd.Timestamp(until)]
        flown.append(mine[mine["status"] == "planned"])
        steps.append(_step(now, end, plan, before))
        before = plan
        if progress:
            progress(number + 1, len(made))
    edges = [e for e, _, _ in problem.edges]
    contacts = pd.concat(flown) if any(len(f) for f in flown) else empty_table("CONTACTS")
    return RollingPlan(
        contacts, pd.DataFrame(steps), pd.concat(deliveries, ignore_index=True), pd.Series(stock, index=edges)
    )


def _times(scenario: Scenario) -> list[datetime]:
    """When plans are made: at bin edges, the given number of days apart."""
    step = timedelta(days=scenario.schedule.replan_day)
    edges = bin_edges(scenario)[:-1]
    times = [edges[0]]
    for edge in edges[1:]:
        if edge - times[-1] >= step:
            times.append(edge)
    return times


def _offered(
    candidates: pd.DataFrame, part: Scenario, before: Plan | None, now: datetime, outlook: Outlook | None
) -> pd.DataFrame:
    """Candidates of the horizon that can still be uploaded, or were planned before, with the sky as known now."""
    policy = part.schedule
    inside = candidates[(candidates["start"] >= pd.Timestamp(now)) & (candidates["start"] < pd.Timestamp(part.end))]
    planned = [] if before is None else before.contacts.loc[before.contacts["status"] == "planned", "candidate_id"]
    in_time = inside["start"] >= pd.Timestamp(now + timedelta(hours=policy.upload_cutoff_h))
    inside = inside[in_time | inside.index.isin(planned)]
    return inside if outlook is None or inside.empty else inside.assign(p_clear=outlook(now, inside))


def _plan(problem: KeyFlowProblem, offered: pd.DataFrame, part: Scenario, before: Plan | None, now: datetime) -> Plan:
    policy = part.schedule
    planned = before.contacts[before.contacts["status"] == "planned"] if before else empty_table("CONTACTS")
    frozen = planned[planned["start"] < pd.Timestamp(now + timedelta(hours=policy.freeze_h))]["candidate_id"]
    inside = offered_candidates(offered, part, frozen.tolist())
    kept = inside.index.isin(planned["candidate_id"])
    return plan_contacts(
        problem, inside, offered, part, pin=[c for c in frozen if c in inside.index],
        worth=policy.stability * kept.astype(float), known=planned["candidate_id"].tolist(),
    )  # fmt: skip


def _deposits(
    plan: Plan, part: Scenario, until: datetime, realised: Callable[[pd.DataFrame], np.ndarray] | None
) -> pd.DataFrame:
    """What the plan brings: the key that came for what begins before the next plan, the expected key for the rest."""
    planned = plan.contacts[plan.contacts["status"] == "planned"]
    bit = planned["expected_skl_bit"].to_numpy(dtype=float).copy()
    flown = (planned["start"] < pd.Timestamp(until)).to_numpy()
    if realised is not None and flown.any():
        bit[flown] = realised(planned[flown])
    return pd.DataFrame({
        "time": planned["end"] + pd.Timedelta(seconds=part.schedule.post_processing_s),
        "edge": planned["satellite"] + "|" + planned["ogs"], "bit": bit, "flown": flown,
    })  # fmt: skip


def _late(late: pd.DataFrame, deposits: pd.DataFrame, until: datetime) -> pd.DataFrame:
    """Key of flown contacts that is still being processed when the next plan is made."""
    flown = deposits.loc[deposits["flown"], ["time", "edge", "bit"]]
    known = pd.concat([late, flown], ignore_index=True) if len(late) else flown
    return known[known["time"] >= pd.Timestamp(until)]


def _relayed(problem: KeyFlowProblem, deposits: pd.DataFrame, part: Scenario) -> tuple[FlowResult, KeyFlowProblem]:
    """Relay over the horizon from what the plan brings."""
    filled = with_deposits(offered_problem(problem, empty_table("CANDIDATES"), part), deposits, part)
    return value_of_choice(filled, np.zeros(0)), filled


def _advance(
    problem: KeyFlowProblem, flow: FlowResult, part: Scenario, until: datetime
) -> tuple[np.ndarray, pd.DataFrame]:
    """Stocks at the time of the next plan, and what was delivered until then."""
    starts = bin_edges(part)[:-1]
    bins = sum(start < until for start in starts)
    used, delivered = np.zeros(problem.supply_bit.shape), np.zeros(problem.asked_bit.shape)
    for k, t, route, bit in flow.paths:
        np.add.at(used[:, t], [arc >> 1 for arc in route_arcs(route)], bit)
        delivered[k, t] += bit
    levels = store_levels(
        problem.supply_bit[:, :bins], used[:, :bins], problem.initial_bit, problem.capacity_bit, problem.life_bins
    )
    table = pd.DataFrame({
        "bin": np.repeat(pd.DatetimeIndex(starts[:bins]), len(problem.ends)),
        "demand": np.tile([d.name for d in part.demands], bins),
        "asked_bit": problem.asked_bit[:, :bins].T.ravel(), "delivered_bit": delivered[:, :bins].T.ravel(),
    })  # fmt: skip
    return levels.stock_bit[:, -1], table


def _step(now: datetime, end: datetime, plan: Plan, before: Plan | None) -> dict[str, object]:
    planned = plan.contacts[plan.contacts["status"] == "planned"]
    row: dict[str, object] = {
        "made_at": now, "horizon_end": end, "objective": plan.objective, "bound": plan.bound, "gap": plan.gap,
        "contacts": len(planned), "kept": 0, "added": len(planned), "dropped": 0, "moved": 0,
    }  # fmt: skip
    if before is not None:
        old = before.contacts[before.contacts["start"] >= pd.Timestamp(now)]
        changes = diff_plans(replace(before, contacts=old), plan)["change"].value_counts()
        for name in ("added", "dropped", "moved"):
            row[name] = int(changes.get(name, 0))
        row["kept"] = int((old["status"] == "planned").sum()) - int(changes.get("dropped", 0))
    return row
