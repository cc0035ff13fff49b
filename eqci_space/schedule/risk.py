"""The relay problem in several sampled skies at once, for plans that count the worst of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from eqci_space.fiber.key_problem import KeyFlowProblem, Risk
from eqci_space.fiber.paths import PathRule
from eqci_space.scenario import Scenario
from eqci_space.weather.skies import sample_sky

__all__ = ["in_skies"]


def in_skies(problem: KeyFlowProblem, candidates: pd.DataFrame, scenario: Scenario) -> KeyFlowProblem:
    """One copy of edges, stores and demands per sampled sky; the choice of candidates is common to all.

    In each sky a chosen candidate gives its clear-sky key, or nothing where it is blocked. Weights are divided by the
    number of skies, so that the mean over the skies is worth what one problem was.

    Parameters
    ----------
    problem : KeyFlowProblem
        With candidates of expected key.
    candidates : DataFrame
        CANDIDATES, one row per candidate of the problem.
    """
    policy = scenario.schedule
    skies, n_edges = policy.cvar_skies, len(problem.edges)
    blocked = sample_sky(candidates, scenario, trials=skies, rng=scenario.seed).blocked
    clear = candidates["skl_bit"].to_numpy(dtype=float)[problem.deposit_candidate]
    parts = [(s, np.flatnonzero(~blocked[s, problem.deposit_candidate])) for s in range(skies)]
    return replace(
        problem,
        edges=[(f"{s}#{e}", f"{s}#{a}", f"{s}#{b}") for s in range(skies) for e, a, b in problem.edges],
        delayed=np.tile(problem.delayed, skies),
        supply_bit=np.tile(problem.supply_bit, (skies, 1)),
        initial_bit=np.tile(problem.initial_bit, skies),
        vintage_bit=np.tile(problem.vintage_bit, (skies, 1)),
        capacity_bit=np.tile(problem.capacity_bit, skies),
        life_bins=np.tile(problem.life_bins, skies),
        closed=np.tile(problem.closed, (skies, 1)) if problem.closed.size else problem.closed,
        quota_of_arc=_quotas(problem, skies),
        quota_bit=np.tile(problem.quota_bit, (skies, 1)),
        ends=[(f"{s}#{a}", f"{s}#{b}") for s in range(skies) for a, b in problem.ends],
        weights=np.tile(problem.weights / skies, skies),
        asked_bit=np.tile(problem.asked_bit, (skies, 1)),
        rules=[_in_sky(rule, s, skies) for s in range(skies) for rule in problem.rules],
        deposit_candidate=np.concatenate([problem.deposit_candidate[rows] for _, rows in parts]),
        deposit_edge=np.concatenate([problem.deposit_edge[rows] + s * n_edges for s, rows in parts]),
        deposit_bin=np.concatenate([problem.deposit_bin[rows] for _, rows in parts]),
        deposit_bit=np.concatenate([clear[rows] for _, rows in parts]),
        target_bit=np.tile(problem.target_bit, skies),
        target_worth=np.tile(problem.target_worth / skies, skies),
        risk=Risk(np.repeat(np.arange(skies), len(problem.ends)), policy.cvar_tail, policy.cvar_share),
    )


def _quotas(problem: KeyFlowProblem, skies: int) -> np.ndarray:
    """Each sky has quotas of its own; arcs that had none beyond the array's end get theirs in full."""
    full = np.full(2 * len(problem.edges), -1)
    full[: len(problem.quota_of_arc)] = problem.quota_of_arc
    rows = len(problem.quota_bit)
    return np.concatenate([np.where(full >= 0, full + s * rows, -1) for s in range(skies)])


def _in_sky(rule: PathRule, sky: int, skies: int) -> PathRule:
    """A rule on the copies: its arcs in its own sky. Nodes are numbered by name, sky by sky in order of their text."""
    arcs = np.zeros((skies, len(rule.arcs)), dtype=bool)
    arcs[sky] = np.frombuffer(rule.arcs, dtype=bool)
    order = sorted(range(skies), key=lambda s: f"{s}#")
    limits = []
    for mask, most in rule.limits:
        copies = np.zeros((skies, len(mask)), dtype=bool)
        copies[order.index(sky)] = np.frombuffer(mask, dtype=bool)
        limits.append((copies.tobytes(), most))
    return PathRule(arcs.tobytes(), tuple(limits), rule.shares)
