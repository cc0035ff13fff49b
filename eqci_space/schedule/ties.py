"""Ties between plans that serve the demands alike: broken by what the plan is worth beside them, then by content.

A solver that stops on a gap leaves ties as they fall. Here they are settled afterwards, each by a programme of its own:
where space serves no demand, contacts fill the stores evenly; and contacts that serve nobody within the period, such as
those of the last night, are those that bring the most expected key.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eqci_space.fiber.flow_layout import TIE_WEIGHT
from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.machine.solver import Programme, maximise
from eqci_space.schedule.joint import JointResult, solve_joint, value_of_choice

__all__ = ["most_key", "with_even_stores", "with_most_key"]

_MOST_NODES = 200
_GAP = 1e-6


def with_even_stores(
    found: JointResult, choice: KeyFlowProblem, required: np.ndarray, barred: np.ndarray, *, relative_gap: float
) -> JointResult:
    """The plan whose contacts fill the stores evenly: each that can get key wants a quarter of the mean of all.

    For plans in which space serves no demand, so that relay stays as it is. What was chosen for a worth of its own
    stays.
    """
    if len(choice.candidate_worth):
        required = required | (found.chosen & (choice.candidate_worth > 0))
    filled, total = np.unique(choice.deposit_edge), np.zeros(len(choice.edges))
    np.add.at(total, choice.deposit_edge, choice.deposit_bit)
    target = np.where(total > 0, total[filled].sum() / max(len(filled), 1) / 4, 0.0)
    stores = replace(
        choice, asked_bit=np.zeros_like(choice.asked_bit), share_goal=None, candidate_worth=np.empty(0),
        target_bit=target, target_worth=np.where(target > 0, 1e6 / max(target.sum(), 1e-300), 0.0),
    )  # fmt: skip
    even = solve_joint(stores, relative_gap=relative_gap, required=required, barred=barred, known=found.chosen)
    return _chosen_instead(found, even.chosen, choice)


def with_most_key(
    found: JointResult, choice: KeyFlowProblem, required: np.ndarray, barred: np.ndarray, *, keep_all: bool
) -> JointResult:
    """The plan with the most expected key beside the contacts that serve demands within the period.

    With `keep_all` every contact chosen stays, and others join it.
    """
    serving = np.zeros(len(choice.candidate_bit), dtype=bool)
    in_time = choice.deposit_bin + choice.delayed[choice.deposit_edge] < choice.asked_bit.shape[1]
    serving[choice.deposit_candidate[in_time]] = True
    kept = found.chosen & (serving | keep_all) | (required > 0)
    return _chosen_instead(found, most_key(choice, kept, barred), choice)


def with_fewer(found: JointResult, kept: np.ndarray, lost: float, choice: KeyFlowProblem) -> JointResult:
    """The result with fewer contacts, which costs a worth of `lost`."""
    if (kept == found.chosen).all():
        return found
    return replace(found, chosen=kept, objective=found.objective - lost, flow=value_of_choice(choice, kept))


def most_key(choice: KeyFlowProblem, kept: np.ndarray, barred: np.ndarray) -> np.ndarray:
    """Candidates (N,) bool of the most key that keep to the limits and hold those that are `kept`.

    Of equal ones those that stand first, which tables order by time and name.
    """
    n = len(choice.candidate_bit)
    if not n:
        return kept
    size = choice.candidate_bit / max(choice.candidate_bit.max(), 1e-300)
    order = 1e-7 * (1 - np.arange(n) / n)
    limits = choice.limits
    lengths = [len(limit.candidates) for limit in limits]
    empty = np.empty(0)
    packing = Programme(
        size + order, kept.astype(float), np.maximum(1.0 - barred, kept), np.ones(n, dtype=bool),
        np.array([limit.most for limit in limits], dtype=float), np.repeat(np.arange(len(limits)), lengths),
        np.concatenate([empty.astype(int), *(limit.candidates for limit in limits)]),
        np.concatenate([empty, *(limit.weight for limit in limits)]),
    )  # fmt: skip
    return np.round(maximise(packing, relative_gap=_GAP, most_nodes=_MOST_NODES, start=kept.astype(float)).x) > 0.5


def _chosen_instead(found: JointResult, chosen: np.ndarray, choice: KeyFlowProblem) -> JointResult:
    """The result with another choice under which its relay still holds; only the tie-break of the objective moves."""
    bit = choice.candidate_bit
    moved = TIE_WEIGHT * (bit[chosen].sum() - bit[found.chosen].sum()) / max(bit.sum(), 1e-300)
    if len(choice.candidate_worth):
        moved += choice.candidate_worth[chosen].sum() - choice.candidate_worth[found.chosen].sum()
    objective = found.objective + float(moved)
    bound = max(found.bound, objective)
    flow = replace(found.flow, objective=objective, bound=bound)
    return replace(found, chosen=chosen, objective=objective, bound=bound, flow=flow)
