"""Edits of a plan by hand: contacts pinned, banned or forced, the rest solved anew, and what each edit costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from eqci_space.errors import InfeasibleError, PlanError, near_matches
from eqci_space.fiber.network import Network, build_network
from eqci_space.fiber.problem import flow_problem
from eqci_space.fiber.relay import key_deposits, relay_keys
from eqci_space.scenario import Scenario
from eqci_space.schedule.contacts import Plan, Wishes, plan_contacts, schedule_contacts, usable_candidates
from eqci_space.schedule.diff import diff_plans
from eqci_space.schedule.fresh_skies import fresh_deliveries
from eqci_space.schedule.named import NamedCandidates
from eqci_space.tables import planned_contacts

__all__ = ["EditedPlan", "confirm_contact", "edit_plan"]

_BITS_PER_KEY = 256
_SKIES = 200


@dataclass(frozen=True)
class EditedPlan:
    """A plan after edits and their price.

    What is lost is stated as a mean over sampled skies, the same for both plans, and in the delivery of expected key,
    which is a bound of that mean.

    Attributes
    ----------
    plan : Plan
        Its notes name the rules that what was forced breaks.
    cost : float
        Objective lost against the plan without edits.
    cost_keys : float
        256-bit keys lost over all demands and the period, in expected key; negative where the demands get more.
    edits : DataFrame
        Indexed by `name`: edit (pin, ban or force), candidates concerned, cost and cost_keys of this edit alone, the
        others as they are.
    demands : DataFrame
        Per demand: before_mean_bit and after_mean_bit over the skies, their difference change_mean_bit with its paired
        standard error change_mean_error_bit, before_exceeded_90pct_bit and after_exceeded_90pct_bit; and of expected
        key before_bit, after_bit, change_bit and change_keys.
    mean_cost_keys, mean_cost_error_keys : float
        256-bit keys lost over all demands and the period, mean over skies with its paired standard error.
    changes : DataFrame
        Of `diff_plans`.
    """

    plan: Plan
    cost: float
    cost_keys: float
    edits: pd.DataFrame
    demands: pd.DataFrame
    changes: pd.DataFrame
    mean_cost_keys: float
    mean_cost_error_keys: float


class _Edit(NamedTuple):
    """One edit: its kind, the name given, and the candidates it concerns."""

    kind: str
    name: str
    candidates: tuple[str, ...]


class _Ground(NamedTuple):
    """What plans are made from, with and without an edit."""

    base: Plan
    candidates: pd.DataFrame
    scenario: Scenario
    network: Network


def edit_plan(
    base: Plan,
    candidates: pd.DataFrame,
    scenario: Scenario,
    *,
    pin: Sequence[str] = (),
    ban: Sequence[str] = (),
    force: Sequence[str] = (),
    network: Network | None = None,
    each: bool = True,
) -> EditedPlan:
    """Pin, ban or force contacts, solve the rest anew and price every edit in expected key.

    Expected key is what a contact gives under a clear sky times its chance of one, relayed to the demands.

    Names are those of contacts of the plan, candidates, windows or passes. A *ban* of any of them bans the whole pass:
    no part of it comes back, and none is a backup. A *pin* of a contact or candidate puts it into the plan as it
    stands, even where it helps no demand; a pin of a pass, or of a window written ``window:ID``, puts in the one of its
    candidates that serves best. (The id of a window alone means the candidate of the whole window, where there is one.)
    *Force* is a pin that also stands where rules exclude it beside the other pins; the notes of the plan name each rule
    that it breaks. Without any edit the plan of the scenario comes back.

    Parameters
    ----------
    base : Plan
        The plan without the edits; it is compared on the keys that the candidates offer.
    candidates : DataFrame
        CANDIDATES.
    pin, ban, force : sequence of str
    each : bool
        Whether each of several edits is priced by itself, for which a plan without it is made.

    Raises
    ------
    PlanError
        An unknown name, with those near it; or a name that is both banned and to be taken.
    InfeasibleError
        Two pins exclude each other: both are named, and nothing changes.
    """
    ground = _Ground(base, candidates, scenario, network or build_network(scenario))
    edits = _edits(ground, pin, ban, force)
    plan = _planned(ground, edits)
    demands, skies = _over_skies(ground, base, plan)
    demands = demands.assign(before_bit=_delivered(ground, base), after_bit=_delivered(ground, plan))
    demands["change_bit"] = demands["after_bit"] - demands["before_bit"]
    demands["change_keys"] = demands["change_bit"] / _BITS_PER_KEY
    total = (base.objective - plan.objective, -float(demands["change_keys"].sum()))
    prices = _prices(ground, edits, plan, float(demands["after_bit"].sum()), total, each=each)
    return EditedPlan(plan, *total, prices, demands, diff_plans(base, plan, scenario), *skies)


def _edits(ground: _Ground, pin: Sequence[str], ban: Sequence[str], force: Sequence[str]) -> list[_Edit]:
    """The edits with the candidates that they concern; those of banned passes are no choice for a pin."""
    named = NamedCandidates(ground.candidates, ground.base.contacts)
    banned = [_Edit("ban", name, named.of_pass(name, "ban")) for name in dict.fromkeys(ban)]
    barred = {c for edit in banned for c in edit.candidates}
    taken = []
    for kind, names in (("pin", pin), ("force", force)):
        for name in dict.fromkeys(names):
            left = tuple(c for c in named.named(name, kind) if c not in barred)
            if not left:
                raise PlanError(f"edit_plan: '{name}' is both {_DONE[kind]} and banned; drop one of them")
            taken.append(_Edit(kind, name, left))
    return [*banned, *taken]


_DONE = {"pin": "pinned", "force": "forced"}


def _planned(ground: _Ground, edits: Sequence[_Edit]) -> Plan:
    """The plan with these edits."""
    ban = [c for edit in edits if edit.kind == "ban" for c in edit.candidates]
    pin, force = (_one_each(ground, edits, kind, ban) for kind in ("pin", "force"))
    return schedule_contacts(ground.candidates, ground.scenario, network=ground.network, pin=pin, ban=ban, force=force)


def _one_each(ground: _Ground, edits: Sequence[_Edit], kind: str, ban: Sequence[str]) -> list[str]:
    """The candidates that are taken for edits of a kind: those named, and of each group the one that serves best.

    A plan is made in which a member of a group is worth more than all else, and what it takes of the group stands.
    """
    sure = {k: [e.candidates[0] for e in edits if e.kind == k and len(e.candidates) == 1] for k in ("pin", "force")}
    known = [*sure["pin"], *sure["force"]]
    groups = [e for e in edits if e.kind == kind and len(e.candidates) > 1 and not set(e.candidates) & set(known)]
    if not groups:
        return sure[kind]
    inside = usable_candidates(
        ground.candidates, ground.scenario, pin=[*known, *(c for g in groups for c in g.candidates)]
    )
    wanted = inside.index.isin([c for g in groups for c in g.candidates])
    worth = (1.0 + 2.0 * abs(ground.base.bound)) * wanted
    problem = flow_problem(ground.network, ground.scenario)
    plan, _ = plan_contacts(
        problem, inside, ground.scenario, wishes=Wishes(sure["pin"], ban, sure["force"]), worth=worth, compared=False
    )
    contacts = plan.contacts[plan.contacts["status"] == "planned"].set_index("candidate_id")["expected_skl_bit"]
    chosen = list(sure[kind])
    for group in groups:
        mine = contacts[contacts.index.isin(group.candidates)]
        if mine.empty and kind == "pin":
            raise InfeasibleError(f"edit_plan: no candidate of '{group.name}' fits beside the other pins; drop one")
        best = mine if len(mine) else _expected(inside.loc[list(group.candidates)])
        chosen.append(str(best.idxmax()))
    return chosen


def _expected(candidates: pd.DataFrame) -> pd.Series:
    return candidates["skl_bit"] * candidates["p_clear"]


def _prices(
    ground: _Ground, edits: list[_Edit], plan: Plan, after_bit: float, total: tuple[float, float], *, each: bool
) -> pd.DataFrame:
    """What each edit costs, the others as they are."""
    rows = []
    for edit in edits:
        cost, keys = np.nan, np.nan
        if len(edits) == 1:
            cost, keys = total
        elif each:
            without = _planned(ground, [e for e in edits if e is not edit])
            cost = without.objective - plan.objective
            keys = (float(_delivered(ground, without).sum()) - after_bit) / _BITS_PER_KEY
        rows.append((edit.name, edit.kind, len(edit.candidates), cost, keys))
    columns = ["name", "edit", "candidates", "cost", "cost_keys"]
    return pd.DataFrame(rows, columns=columns).set_index("name")


def _over_skies(ground: _Ground, base: Plan, plan: Plan) -> tuple[pd.DataFrame, tuple[float, float]]:
    """Levels of both plans per demand over the same skies; keys lost in all, with the standard error."""
    taken = [planned_contacts(p.contacts)["candidate_id"].tolist() for p in (base, plan)]
    before, after = fresh_deliveries(taken, ground.candidates, ground.scenario, network=ground.network, skies=_SKIES)
    change, root = after - before, np.sqrt(len(before))
    table = pd.DataFrame({
        "before_mean_bit": before.mean(axis=0), "after_mean_bit": after.mean(axis=0),
        "change_mean_bit": change.mean(axis=0), "change_mean_error_bit": change.std(axis=0) / root,
        "before_exceeded_90pct_bit": np.quantile(before, 0.1, axis=0),
        "after_exceeded_90pct_bit": np.quantile(after, 0.1, axis=0),
    }, index=pd.Index([d.name for d in ground.scenario.demands], name="demand", dtype=str))  # fmt: skip
    lost = -change.sum(axis=1) / _BITS_PER_KEY
    return table, (float(lost.mean()), float(lost.std() / root))


def _delivered(ground: _Ground, plan: Plan) -> pd.Series:
    """Bits that each demand gets of the expected key."""
    relay = relay_keys(key_deposits(plan, ground.scenario), ground.scenario, network=ground.network)
    return relay.delivery.groupby("demand")["delivered_bit"].sum()


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
