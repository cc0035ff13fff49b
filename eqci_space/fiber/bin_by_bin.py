"""Relay of operators who do not know what comes: each bin takes all it can use of what is in store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from eqci_space.fiber.key_flow import FlowResult, solve_key_flow, used_by_bin
from eqci_space.fiber.key_problem import Column, KeyFlowProblem
from eqci_space.fiber.stores import store_levels

__all__ = ["flow_bin_by_bin"]


def flow_bin_by_bin(problem: KeyFlowProblem, *, known: Sequence[Column] = ()) -> FlowResult:
    """Relay bin by bin, with nothing to choose.

    `known` paths save rounds of pricing and change no result. The objective is the sum over the bins, and the bound
    holds for each bin with what the ones before left, not for the whole.
    """
    n_bins = problem.asked_bit.shape[1]
    used, price = np.zeros(problem.supply_bit.shape), np.zeros(problem.supply_bit.shape)
    stock, paths, objective, rounds = problem.initial_bit, [], 0.0, 0
    for t in range(n_bins):
        one = replace(
            problem, supply_bit=problem.supply_bit[:, t : t + 1], initial_bit=stock,
            asked_bit=problem.asked_bit[:, t : t + 1], quota_bit=problem.quota_bit[:, t : t + 1],
            closed=problem.closed[:, t : t + 1] if problem.closed.size else problem.closed,
            life_bins=np.empty(0, dtype=int),
        )  # fmt: skip
        flow = solve_key_flow(one, known=[(k, 0, route) for k, at, route in known if at == t])
        paths += [(k, t, route, bit) for k, _, route, bit in flow.paths]
        used[:, t] = used_by_bin(flow, one)[:, 0]
        price[:, t], objective, rounds = flow.edge_price[:, 0], objective + flow.objective, rounds + flow.rounds
        so_far = slice(0, t + 1)
        stock = store_levels(
            problem.supply_bit[:, so_far],
            used[:, so_far],
            problem.aged_bit,
            problem.capacity_bit,
            problem.life_bins,
            parent_bin=problem.parent_bin[so_far],
        ).stock_bit[:, t]
    return FlowResult(sorted(paths), objective, objective, rounds, price)
