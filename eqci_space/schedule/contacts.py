"""Choose the contacts whose key helps the demands most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from eqci_space.errors import InfeasibleError, PlanError, near_matches
from eqci_space.fiber.fairness import with_goal
from eqci_space.fiber.flow_layout import TIE_WEIGHT
from eqci_space.fiber.key_flow import FlowResult, solve_key_flow
from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.fiber.network import Network, build_network
from eqci_space.fiber.paths import route_arcs
from eqci_space.fiber.problem import bin_of, flow_problem
from eqci_space.machine.solver import gap_between
from eqci_space.qkd.window_keys import block_text
from eqci_space.scenario import Scenario, dated_stations
from eqci_space.schedule.backups import backup_contacts
from eqci_space.schedule.certificate import has_small_graphs
from eqci_space.schedule.conflicts import choice_limits
from eqci_space.schedule.dual_skies import contact_skies
from eqci_space.schedule.expected import SkyPlan, solve_expected
from eqci_space.schedule.joint import JointResult, solve_joint, value_of_choice
from eqci_space.schedule.reasons import choice_reasons
from eqci_space.schedule.sky_deposits import received_share
from eqci_space.schedule.sky_keys import key_in_skies
from eqci_space.schedule.sky_relay import Tail
from eqci_space.schedule.sparing import fewest_contacts
from eqci_space.schedule.ties import with_even_stores, with_fewer, with_most_key
from eqci_space.schedule.waiting import blocks_too_long, edges_by_fill, with_waiting
from eqci_space.tables import TABLES, check_table, dual_columns, empty_table, planned_contacts, second
from eqci_space.words import format_bits, html_summary, html_table, joined, percent, whole_seconds

__all__ = ["Plan", "Wishes", "candidate_problem", "plan_contacts", "schedule_contacts", "usable_candidates"]

_NOTHING_GAINED = 1e-6
_MOST_ROWS = 10
_BLOCK_TRIES = 6
_SKIES_OF_PLANS = 1000  # a stream of its own: plans are judged in skies that they were not made for


@dataclass(frozen=True)
class Plan:
    """CONTACTS with the objective reached, its proven upper bound and their relative gap.

    The objective is the weighted satisfied share of the demands summed over the bins, or the smallest share that the
    demands of a component get of their ask (`schedule.objective`), plus a tie-break of at most 1e-4 for expected space
    key, less the tie-breaking prices of hops: that of expected key (`skies` is 0), which no mean
    over skies exceeds, or the mean over that many sampled `skies`, with a tail of the worst mixed in as the policy
    says. `expected_key_bound` is what the delivery of expected key proves of any plan. `without_space` is what the same
    demands reach with fibre alone; `notes` says what a reader has to know, such as that space changes nothing.
    """

    contacts: pd.DataFrame
    objective: float
    bound: float
    gap: float
    pricing_rounds: int
    nodes: int = 0
    without_space: float = 0.0
    skies: int = 0
    expected_key_bound: float = np.nan
    notes: tuple[str, ...] = ()

    @property
    def gain(self) -> float:
        """Objective beyond that of fibre alone."""
        return self.objective - self.without_space

    def _repr_html_(self) -> str:
        planned = planned_contacts(self.contacts).sort_values("start", kind="stable")
        facts = {
            "objective": f"{self.objective:.4f}, proven bound {self.bound:.4f}, gap {percent(self.gap, 3)}",
            "gain over fibre alone": f"{self.gain:.4f} (fibre alone {self.without_space:.4f})",
            "contacts": f"{len(planned)} planned, {int((self.contacts['status'] == 'backup').sum())} backups; "
            f"{format_bits(planned['expected_skl_bit'].sum())} expected, {format_bits(planned['skl_bit'].sum())} under "
            "clear skies",
            **({"notes": "; ".join(self.notes)} if self.notes else {}),
        }
        rows = [
            (f"{start:%Y-%m-%d %H:%M:%S}", f"{end:%H:%M:%S}", c.satellite, joined(c.ogs, c.ogs_b),
             format_bits(c.skl_bit), percent(c.p_clear), format_bits(c.expected_skl_bit))
            for c in planned.head(_MOST_ROWS).itertuples() for start, end in [whole_seconds(c.start, c.end)]
        ]  # fmt: skip
        head = ("=start (UTC)", "=end", "satellite", "station", ">clear-sky key", ">clear sky", ">expected key")
        caption = f"The first {len(rows)} of {len(planned)} planned contacts"
        return html_summary("Plan", facts, [html_table(caption, head, rows)] if rows else [])


@dataclass(frozen=True)
class Wishes:
    """Candidates that are taken, are not, or are taken even where a rule excludes them."""

    pin: Sequence[str] = ()
    ban: Sequence[str] = ()
    force: Sequence[str] = ()


def schedule_contacts(
    candidates: pd.DataFrame,
    scenario: Scenario,
    *,
    network: Network | None = None,
    pin: Sequence[str] = (),
    ban: Sequence[str] = (),
    force: Sequence[str] = (),
) -> Plan:
    """Choose contacts jointly with key relay, on expected key or for sampled skies (`schedule.plan_for`).

    A satellite serves as many stations at a time as it has terminals, with slew between; a station as many satellites
    as it has telescopes, with turnaround; a dual downlink takes two terminals, and a telescope at each station. The
    choice and the relay are one mixed-integer programme. Of plans within `schedule.spare_tolerance` of what space adds
    one of few contacts is taken; at 0, and in large problems, ties go to more expected space key. Stations
    without any way to the network get no contact, unless all are such. Where space changes nothing the plan fills the
    stores evenly, and says so.

    Parameters
    ----------
    candidates : DataFrame
        CANDIDATES.
    scenario : Scenario
    network : Network, optional
        Default `build_network`.
    pin, ban : sequence of str
        Candidates that are taken, or not.
    force : sequence of str
        Candidates that are taken even beside pins and others that a rule excludes; the notes of the plan name the rule.

    Returns
    -------
    Plan

    Raises
    ------
    PlanError
        A pinned, banned or forced candidate is unknown.
    InfeasibleError
        Two pins exclude each other; both are named.
    """
    check_table(candidates, "CANDIDATES", "schedule_contacts")
    network = network or build_network(scenario)
    problem = flow_problem(network, scenario)
    _check_names(candidates.index, {"pin": pin, "ban": ban, "force": force})
    usable = usable_candidates(candidates, scenario, pin=[*pin, *force])
    return plan_contacts(problem, usable, scenario, wishes=Wishes(pin, ban, force))[0]


def usable_candidates(candidates: pd.DataFrame, scenario: Scenario, *, pin: Sequence[str] = ()) -> pd.DataFrame:
    """Candidates whose key can be used: available within the period, at a station that can deliver it, or pinned.

    Stations of dual downlinks may relay over space alone, so that all of them count.
    """
    delivering = candidates["ogs"].isin(_delivering(scenario)) | (second(candidates, "ogs_b") != "")
    useful = (candidates["available_at"] < pd.Timestamp(scenario.end)) & delivering
    return candidates[useful | candidates.index.isin(pin)]


def plan_contacts(
    problem: KeyFlowProblem,
    usable: pd.DataFrame,
    scenario: Scenario,
    *,
    wishes: Wishes | None = None,
    **options: Any,
) -> tuple[Plan, FlowResult]:
    """Plan for a relay problem and the candidates that can be used, and the relay of its key; see `schedule_contacts`.

    Where blocks wait for several contacts, pairs of a satellite and a station of which few blocks are filled are left
    out one after the other, if the plan gains by it.

    Parameters are those of `_plan_once`.
    """
    wishes = wishes or Wishes()
    best, flow = _plan_once(problem, usable, scenario, wishes=wishes, **options)
    if scenario.protocol.block == "window":
        return best, flow
    if blocks_too_long(usable):
        note = f"no block of {block_text(scenario.protocol)} is ever full: no key comes from space"
        return replace(best, notes=(*best.notes, note)), flow
    bound, tried = best.bound, set[str]()
    while best.skies and len(tried) < _BLOCK_TRIES:
        edges = [e for e in edges_by_fill(planned_contacts(best.contacts), scenario) if e not in tried]
        if not edges:
            break
        tried.add(edges[0])
        left = usable[(usable["edge"] != edges[0]) | usable.index.isin([*wishes.pin, *wishes.force])]
        plan, its_flow = _plan_once(problem, left, scenario, wishes=wishes, **options)
        if plan.objective > best.objective:
            best, flow, usable = plan, its_flow, left
    return replace(best, bound=bound, gap=gap_between(best.objective, bound)), flow


def _plan_once(
    problem: KeyFlowProblem,
    usable: pd.DataFrame,
    scenario: Scenario,
    *,
    wishes: Wishes | None = None,
    worth: np.ndarray | None = None,
    known: Sequence[str] = (),
    compared: bool = True,
) -> tuple[Plan, FlowResult]:
    """A plan that takes every contact for a block of its own, and what it is worth.

    Parameters
    ----------
    problem : KeyFlowProblem
        Without candidates.
    usable : DataFrame
        CANDIDATES that can be used.
    wishes : Wishes, optional
    worth : (n,) array, optional
        Worth of each usable candidate beside its key.
    known : sequence of str
        Candidates of an earlier plan, to start from.
    compared : bool
        Whether `without_space` is worked out; else it is NaN, and space counts as useless if no key from it is used.
    """
    choice = with_goal(candidate_problem(problem, usable, scenario), scenario.schedule.objective)
    problem = replace(problem, share_goal=choice.share_goal)
    if worth is not None:
        choice = replace(choice, candidate_worth=worth)
    wishes = wishes or Wishes()
    required, barred, forced = (
        np.asarray(usable.index.isin(names)) for names in ([*wishes.pin, *wishes.force], wishes.ban, wishes.force)
    )
    choice, notes = _room_for_pins(usable, choice, required, forced)
    bare = solve_key_flow(problem).objective if compared else np.nan
    policy = scenario.schedule
    start = np.asarray(usable.index.isin(known))
    skies = policy.plan_skies if policy.plan_for == "expected_delivery" and len(usable) else 0
    small = has_small_graphs(choice)
    if skies and not small:
        skies, notes = 0, (*notes, "too large to plan for skies: planned for expected key, an upper bound")
    limits = {"required": required, "barred": barred, "known": start if start.any() else None}
    tail = Tail(policy.cvar_share, policy.cvar_tail) if policy.cvar_share and skies else None
    key_bit, received = _key_in_skies(usable, scenario, skies) if skies else (choice.candidate_bit[None, :], None)
    if skies:
        sky_plan = solve_expected(choice, key_bit, relative_gap=policy.sky_gap, tail=tail, **limits)
        found, expected_key_bound = _with_expected_key(choice, sky_plan), sky_plan.mean_key.bound
    else:
        found = solve_joint(choice, relative_gap=policy.relative_gap, **limits)
        expected_key_bound = found.bound
    useless = found.objective - bare <= _NOTHING_GAINED * max(1.0, bare) + TIE_WEIGHT
    fill = bool(len(usable)) and (useless or not (compared or _uses_space(found.flow, problem)))
    if fill:
        notes = (*notes, "space changes nothing for the demands: contacts fill the stores evenly")
        found = with_even_stores(found, choice, required, barred, relative_gap=policy.relative_gap)
    if fill or not policy.spare_tolerance or not small:
        found = with_most_key(found, choice, required, barred, keep_all=fill or policy.stock_target_bit > 0)
    elif found.chosen.any():
        kept, lost = fewest_contacts(
            choice, found.chosen, key_bit, tolerance=policy.spare_tolerance, required=required, tail=tail
        )
        found = with_fewer(found, kept, lost, choice)
    if scenario.protocol.block != "window" and received is not None:
        found = with_waiting(found, choice, usable, scenario, key_bit=key_bit, received=received, tail=tail)
    reasons = choice_reasons(usable, found.chosen, choice.limits, barred=barred)
    planned = _contacts(usable[found.chosen], reasons)
    if scenario.schedule.backups and len(planned):
        backups = backup_contacts(planned, usable[~barred], scenario)
        planned = pd.concat([planned.assign(backup_of=""), backups]).fillna({"backup_of": ""})
    plan = Plan(
        planned, found.objective, found.bound, found.gap, found.rounds, found.nodes, bare,
        skies=skies, expected_key_bound=expected_key_bound, notes=notes,
    )  # fmt: skip
    return plan, found.flow


def _key_in_skies(usable: pd.DataFrame, scenario: Scenario, skies: int) -> tuple[np.ndarray, np.ndarray]:
    """Key (S, N) [bit] of the candidates in the skies of plans, and the share of their signal that is received."""
    rng = np.random.default_rng(np.random.SeedSequence(scenario.seed, spawn_key=(_SKIES_OF_PLANS,)))
    sky = contact_skies(usable, scenario, trials=skies, rng=rng)
    return key_in_skies(usable, sky), received_share(sky)


def _with_expected_key(choice: KeyFlowProblem, plan: SkyPlan) -> JointResult:
    """The choice for sampled skies, with the relay of its expected key."""
    flow = value_of_choice(choice, plan.chosen)
    return JointResult(plan.chosen, flow, plan.objective, plan.bound, plan.mean_key.rounds, plan.nodes)


def _uses_space(flow: FlowResult, problem: KeyFlowProblem) -> bool:
    """Whether more than a trace of the key that is delivered comes over satellites."""
    share = [problem.delayed[[arc >> 1 for arc in route_arcs(route)]].any() * bit for _, _, route, bit in flow.paths]
    return bool(sum(share) > _NOTHING_GAINED * sum(bit for *_, bit in flow.paths))


def candidate_problem(problem: KeyFlowProblem, usable: pd.DataFrame, scenario: Scenario) -> KeyFlowProblem:
    """The problem with the expected key of candidates to choose from, and what they exclude."""
    edge = problem.edge_number
    bits = (usable["skl_bit"] * usable["p_clear"]).to_numpy(dtype=float)
    at = bin_of(usable["available_at"], scenario)
    counted = np.flatnonzero(at >= 0)
    policy, n_edges = scenario.schedule, len(problem.edges)
    target, worth = np.zeros(n_edges), np.zeros(n_edges)
    if policy.stock_target_bit:
        target = np.where(problem.delayed, policy.stock_target_bit, 0.0)
        worth = np.where(target > 0, policy.stock_worth / (target.sum() / 1e6), 0.0)
    return replace(
        problem, candidate_bit=bits, deposit_candidate=counted, deposit_bin=at[counted], deposit_bit=bits[counted],
        deposit_edge=usable["edge"].map(edge).to_numpy(dtype=int)[counted],
        limits=choice_limits(usable, scenario), target_bit=target, target_worth=worth,
    )  # fmt: skip


def _delivering(scenario: Scenario) -> list[str]:
    """Stations whose key can reach the network; all of them when none can."""
    joined = [o for o, s in scenario.stations.items() if any(p.attach != "none" for p in dated_stations(s))]
    return joined or list(scenario.stations)


def _check_names(known: pd.Index, edits: Mapping[str, Sequence[str]]) -> None:
    for what, names in edits.items():
        for name in names:
            if name not in known:
                raise PlanError(f"schedule_contacts: {what} '{name}' is no candidate; {near_matches(name, known)}")
    both = sorted({*edits["pin"], *edits["force"]} & set(edits["ban"]))
    if both:
        raise PlanError(f"schedule_contacts: '{both[0]}' is both pinned and banned; drop one of them")


def _room_for_pins(
    usable: pd.DataFrame, choice: KeyFlowProblem, required: np.ndarray, forced: np.ndarray
) -> tuple[KeyFlowProblem, tuple[str, ...]]:
    """The problem with room for what is forced, and the rules that it breaks; two pins in conflict are named."""
    limits, notes = [], []
    for limit in choice.limits:
        taken, pinned = (which[limit.candidates] for which in (required, required & ~forced))
        for mine in (pinned, taken):
            used = float(limit.weight[mine].sum())
            names = " and ".join(f"'{name}'" for name in usable.index[limit.candidates[mine]])
            rule = f"{names} need {used:g} of {limit.name}, which has {limit.most:g}"
            if used > limit.most + 1e-9 and mine is pinned:
                raise InfeasibleError(f"schedule_contacts: the pins {rule}; drop one, or force it")
            if used > limit.most + 1e-9:
                notes.append(f"forced against a rule: {rule}")
                limit = replace(limit, most=used)
        limits.append(limit)
    return replace(choice, limits=limits), tuple(dict.fromkeys(notes))


def _contacts(chosen: pd.DataFrame, reasons: Sequence[str]) -> pd.DataFrame:
    if chosen.empty:
        return empty_table("CONTACTS")
    table = chosen.reset_index().assign(
        contact_id=lambda t: t["candidate_id"],
        expected_skl_bit=lambda t: t["skl_bit"] * t["p_clear"],
        status="planned",
        reason=list(reasons),
    )
    table = table.astype({"contact_id": str, "reason": str, "status": str}).set_index("contact_id")
    columns = [*TABLES["CONTACTS"].columns, *dual_columns(table), *(["block_fill"] if "block_fill" in table else [])]
    return check_table(table[columns], "CONTACTS", "schedule_contacts")
