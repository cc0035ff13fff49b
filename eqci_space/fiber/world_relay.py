"""Relay in many worlds that differ in the key that arrives and in the rates of fibre, by one programme for all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from eqci_space.fiber.bin_by_bin import flow_bin_by_bin
from eqci_space.fiber.flow_layout import MBIT
from eqci_space.fiber.key_flow import RelayProgramme, delivered_by_bin
from eqci_space.fiber.key_problem import Column, KeyFlowProblem
from eqci_space.fiber.row_reduction import arriving, stored_edges

__all__ = ["WorldRelays", "relay_worlds"]

_LEAST_FACTOR = 1e-9


@dataclass(frozen=True)
class WorldRelays:
    """Relay in every world: objective (W,), bits (W, K, T) that each demand gets in each bin, and what key is worth.

    `deposit_price` (W, n) is a worth per bit of each deposit: taken away, it costs at least its bits times that.
    `loose` says that the programme is solved to a gap only.
    """

    objective: np.ndarray
    delivered_bit: np.ndarray
    deposit_price: np.ndarray
    loose: bool


def relay_worlds(
    problem: KeyFlowProblem,
    edge: np.ndarray,
    at: np.ndarray,
    key_bit: np.ndarray,
    *,
    fibre_factor: np.ndarray | None = None,
    foresight: bool = True,
) -> WorldRelays:
    """Relay of what arrives in every world.

    The programme holds the largest key of every deposit, of which a world leaves a part; its rows are those that may
    bind at the least rates of fibre. Large programmes are solved to a gap of 1e-3, from below.

    Parameters
    ----------
    problem : KeyFlowProblem
        Without what arrives; candidates are left out.
    edge, at : (n,) int arrays
        Edge and bin of every deposit; bin -1 is outside the period.
    key_bit : (W, n) array
        Key of every deposit in every world [bit], >= 0.
    fibre_factor : (W,) array, optional
        Of every supply, >= 0; default 1.
    foresight : bool
        Whether relay knows what each world brings in the whole period, which bounds what operators reach from above;
        without, each bin takes all it can use (`flow_bin_by_bin`), and deposits have no price.

    Returns
    -------
    WorldRelays
    """
    factor = np.ones(len(key_bit)) if fibre_factor is None else fibre_factor
    none = np.empty(0, dtype=int)
    problem = replace(
        problem, candidate_bit=np.empty(0), candidate_worth=np.empty(0), limits=[], deposit_candidate=none,
        deposit_edge=none, deposit_bin=none, deposit_bit=np.empty(0),
    )  # fmt: skip
    if not foresight:
        return _bin_by_bin(problem, edge, at, key_bit, factor)
    inside, largest = np.flatnonzero(at >= 0), key_bit.max(axis=0, initial=0.0)
    whole = replace(
        problem, candidate_bit=np.zeros(len(edge)), deposit_candidate=inside, deposit_edge=edge[inside],
        deposit_bin=at[inside], deposit_bit=largest[inside],
    )  # fmt: skip
    # Nothing would leave no order among supplies, by which rows that cannot bind are found.
    least = replace(whole, supply_bit=problem.supply_bit * max(factor.min(initial=1.0), _LEAST_FACTOR))
    most = replace(whole, supply_bit=problem.supply_bit * factor.max(initial=1.0))
    programme = RelayProgramme(most, stored=stored_edges(least, arriving(least)))
    part = key_bit / np.maximum(largest, 1e-300)
    objective, delivered = np.empty(len(key_bit)), np.zeros((len(key_bit), *problem.asked_bit.shape))
    price, serves = np.zeros(key_bit.shape), at + problem.delayed[edge]
    in_time = np.flatnonzero((at >= 0) & (serves < problem.asked_bit.shape[1]))
    for world, left in enumerate(part):
        programme.supply(problem.supply_bit * factor[world])
        programme.fix(left, left)
        flow = programme.settled()
        objective[world], delivered[world] = flow.objective, delivered_by_bin(flow, problem)
        price[world, in_time] = flow.edge_price[edge[in_time], serves[in_time]] / MBIT
    return WorldRelays(objective, delivered, price, programme.interior)


def _bin_by_bin(
    problem: KeyFlowProblem, edge: np.ndarray, at: np.ndarray, key_bit: np.ndarray, factor: np.ndarray
) -> WorldRelays:
    """Relay without foresight; paths found in one world serve the next."""
    inside = np.flatnonzero(at >= 0)
    known: dict[Column, None] = {}
    objective, delivered = np.empty(len(key_bit)), np.zeros((len(key_bit), *problem.asked_bit.shape))
    for world, arrived in enumerate(key_bit):
        supply = problem.supply_bit * factor[world]
        np.add.at(supply, (edge[inside], at[inside]), arrived[inside])
        flow = flow_bin_by_bin(replace(problem, supply_bit=supply), known=list(known))
        known |= dict.fromkeys((k, t, route) for k, t, route, _ in flow.paths)
        objective[world], delivered[world] = flow.objective, delivered_by_bin(flow, problem)
    return WorldRelays(objective, delivered, np.zeros(key_bit.shape), False)
