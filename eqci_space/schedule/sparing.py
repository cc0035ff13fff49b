"""The fewest contacts that keep the worth of a plan: each has a price in crew, clearance and satellite time."""

from __future__ import annotations

import numpy as np

from eqci_space.fiber.key_flow import LOOSE_GAP
from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.fiber.world_relay import WorldRelays, relay_worlds
from eqci_space.schedule.expected import sky_worth
from eqci_space.schedule.expected_worth import sky_weights, worth_of
from eqci_space.schedule.sky_relay import Tail

__all__ = ["fewest_contacts"]

_SKIES_AT_A_TIME = 10
_ROUNDING = 1e-9  # of the worth, below which a cost is none


def fewest_contacts(
    problem: KeyFlowProblem,
    chosen: np.ndarray,
    key_bit: np.ndarray,
    *,
    tolerance: float,
    required: np.ndarray,
    tail: Tail | None = None,
) -> tuple[np.ndarray, float]:
    """Drop contacts as long as all that are dropped together cost no more than a tolerance.

    Those of least price go first. Delivery is concave in what is deposited, so a contact costs at least its price and
    is not tried where that is too much; a group that costs too much is halved (a heuristic: groups of other members
    might spare one more).

    Parameters
    ----------
    problem : KeyFlowProblem
        With candidates.
    chosen : (N,) bool
    key_bit : (S, N) array
        Key of every candidate in every sky [bit]; the expected key in one row for a plan of it.
    tolerance : float
        Share of what the contacts add to fibre alone that the plan may lose, >= 0. Of programmes so large that they are
        solved to a gap only, that gap of the whole.
    required : (N,) bool
        Candidates that stay.
    tail : Tail, optional

    Returns
    -------
    (N,) bool, float
        The choice, and the worth that it lost.
    """
    full = sky_worth(problem, chosen, key_bit)
    weights = sky_weights(full.objective, tail)
    least_cost = _least_cost(problem, chosen, key_bit, full, weights)
    fibre = relay_worlds(problem, np.empty(0, dtype=int), np.empty(0, dtype=int), np.empty((1, 0)))
    may_lose = tolerance * max(0.0, float(weights @ full.objective - fibre.objective[0]))
    if fibre.loose:
        may_lose = max(may_lose, LOOSE_GAP * float(weights @ full.objective))
    kept, left, lost = chosen.copy(), full.objective, 0.0
    cheap = np.flatnonzero(chosen & ~required & (least_cost <= may_lose))
    groups = [cheap[np.argsort(least_cost[cheap], kind="stable")]]
    while groups:
        group = groups.pop()
        if not len(group):
            continue
        trial = kept.copy()
        trial[group] = False
        objective = _without(problem, trial, group, key_bit, left, most=may_lose, full=full.objective, tail=tail)
        cost = float(weights @ full.objective) - worth_of(objective, tail) + _own(problem) @ (chosen & ~trial)
        if cost <= may_lose + _ROUNDING * abs(float(weights @ full.objective)):
            kept, left, lost = trial, objective, max(0.0, float(cost))
        elif len(group) > 1:
            half = len(group) // 2
            groups += [group[half:], group[:half]]
    return kept, lost


def _own(problem: KeyFlowProblem) -> np.ndarray:
    """Worth of candidates (N,) beside their key."""
    return problem.candidate_worth if len(problem.candidate_worth) else np.zeros(len(problem.candidate_bit))


def _least_cost(
    problem: KeyFlowProblem, chosen: np.ndarray, key_bit: np.ndarray, full: WorldRelays, weights: np.ndarray
) -> np.ndarray:
    """What each candidate (N,) costs at least if it alone is dropped."""
    candidate = problem.deposit_candidate[np.flatnonzero(chosen[problem.deposit_candidate])]
    least = _own(problem).copy()
    np.add.at(least, candidate, weights @ (full.deposit_price * key_bit[:, candidate]))
    return least


def _without(
    problem: KeyFlowProblem,
    trial: np.ndarray,
    group: np.ndarray,
    key_bit: np.ndarray,
    before: np.ndarray,
    *,
    most: float,
    full: np.ndarray,
    tail: Tail | None,
) -> np.ndarray:
    """Objective (S,) of a choice that lacks a group; only skies in which the group brings key are solved anew.

    It ends with the skies that make it cost more than `most`: the others are left as they were.
    """
    objective = before.copy()
    touched = np.flatnonzero(key_bit[:, group].any(axis=1))
    for skies in np.array_split(touched, max(1, -(-len(touched) // _SKIES_AT_A_TIME))):
        objective[skies] = np.minimum(sky_worth(problem, trial, key_bit[skies]).objective, before[skies])
        if worth_of(full, tail) - worth_of(objective, tail) > most:
            break
    return objective
