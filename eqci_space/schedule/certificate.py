"""An upper bound on joint plans that keeps contacts whole: fibre priced, space exact.

With the rows of fibre edges and quotas replaced by their prices (Lagrangian relaxation), a demand needs for every way
of using satellite edges only the cheapest fibre to and from them. With one satellite these ways are few: none, or down
at one station and up at another. The relaxed programme then has all columns that can matter, so that the bound which an
integer solver proves for it holds for the whole problem.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np

from eqci_space.fiber.key_flow import RelayProgramme, edge_cost
from eqci_space.fiber.key_problem import Column
from eqci_space.fiber.paths import ArcSearch, PathRule
from eqci_space.machine.solver import Programme, maximise

__all__ = ["fibre_priced_bound"]

_MBIT = 1e6
_MOST_NODES = 20_000
_MOST_COLUMNS = 50_000


def fibre_priced_bound(programme: RelayProgramme, row_price: np.ndarray, *, relative_gap: float) -> float:
    """Bound over all choices of candidates and all routes; infinite where the ways through space are not few.

    That is with several satellites or many stations, and with routes of two shares. Limits on nodes are left out, which
    the bound may pay for.

    Parameters
    ----------
    programme : RelayProgramme
        Offers between the bounds last set.
    row_price : array
        Prices >= 0 of its rows, such as those of the relaxation; only those of fibre edges and quotas are used.
    relative_gap : float
        To which the integer programme is solved.
    """
    problem = programme.problem
    space = {a for e, (_, a, _) in enumerate(problem.edges) if problem.delayed[e]}
    if len(space) != 1 or any(rule.shares != 1 for rule in problem.rules) or problem.risk or problem.share_goal:
        return float("inf")
    stations = int(problem.delayed.sum())
    if stations * (stations - 1) * np.count_nonzero(problem.asked_bit) > _MOST_COLUMNS:
        return float("inf")
    price = row_price.copy()
    programme.level_prices(price)
    at = programme.layout
    ground = ~problem.delayed[at.stored]
    dual_rows = np.concatenate([at.balance[ground].ravel(), at.quota.ravel()])
    columns = _columns(programme, price)
    upper = programme.base.row_upper.copy()
    upper[dual_rows] = np.inf
    relaxed = _programme(programme, columns, price, dual_rows, upper)
    found = maximise(relaxed, relative_gap=relative_gap, most_nodes=_MOST_NODES)
    return found.bound + float(price[dual_rows] @ programme.base.row_upper[dual_rows])


def _columns(programme: RelayProgramme, price: np.ndarray) -> list[Column]:
    """For every demand and bin the cheapest route of fibre alone, and the cheapest through each pair of stations."""
    problem = programme.problem
    found: list[Column] = []
    for t in range(problem.asked_bit.shape[1]):
        arcs = programme.arc_price(price, t)
        for rule in dict.fromkeys(problem.rules):
            asking = [k for k, r in enumerate(problem.rules) if r == rule and problem.asked_bit[k, t] > 0]
            for scale in sorted({programme.cost_scale[k] for k in asking}):
                group = [k for k in asking if programme.cost_scale[k] == scale]
                cost = arcs + scale * np.repeat(edge_cost(problem), 2)
                found += [(k, t, (route,)) for k, route in _routes(programme, group, rule, cost)]
    return found


def _routes(
    programme: RelayProgramme, group: list[int], rule: PathRule, cost: np.ndarray
) -> list[tuple[int, tuple[int, ...]]]:
    problem = programme.problem
    tail, head = problem.graph.tail_head
    usable = np.frombuffer(rule.arcs, dtype=bool) & np.isfinite(cost)
    late = np.repeat(problem.delayed, 2)
    ground = np.flatnonzero(usable & ~late)
    search = ArcSearch(len(problem.graph.number), tail, head, ground, cost)
    # Edges of a satellite run from it to the station: the second arc of each goes up.
    space = np.flatnonzero(problem.delayed)
    up = [int(2 * e + 1) for e in space if usable[2 * e + 1]]
    down = [int(2 * e) for e in space if usable[2 * e]]
    ends = {k: tuple(problem.graph.number[n] for n in problem.ends[k]) for k in group}
    sources = sorted({int(head[a]) for a in down} | {a for a, _ in ends.values()})
    if not len(ground) or not sources:
        return []
    distance, before = search.run(sources)
    place = {node: i for i, node in enumerate(sources)}

    def path(source: int, node: int) -> tuple[int, ...] | None:
        row = place[source]
        return search.arcs_to(before[row], source, node) if np.isfinite(distance[row, node]) else None

    found = []
    for k, (a, b) in ends.items():
        direct = path(a, b)
        if direct:
            found.append((k, direct))
        for rise, fall in permutations([*up, *down], 2):
            if rise % 2 == 0 or fall % 2 == 1 or rise >> 1 == fall >> 1:
                continue
            first_leg, last_leg = path(a, int(tail[rise])), path(int(head[fall]), b)
            if first_leg is not None and last_leg is not None:
                found.append((k, (*first_leg, rise, fall, *last_leg)))
    return found


def _programme(
    programme: RelayProgramme, columns: list[Column], price: np.ndarray, dual_rows: np.ndarray, upper: np.ndarray
) -> Programme:
    base, n = programme.base, len(programme.base.objective)
    priced = np.zeros(len(base.row_upper), dtype=bool)
    priced[dual_rows] = True
    rows, places, values, worth = [base.row], [base.column], [base.value], []
    for j, column in enumerate(columns):
        row, value = programme.entries(column)
        away = priced[row]
        worth.append(-programme.column_cost(column) - float(price[row[away]] @ value[away]))
        rows.append(row[~away])
        values.append(value[~away])
        places.append(np.full(int((~away).sum()), n + j))
    keep = ~priced[np.concatenate(rows)]
    more = len(columns)
    return Programme(
        np.concatenate([base.objective, worth]),
        np.concatenate([base.lower, np.zeros(more)]),
        np.concatenate([base.upper, np.full(more, np.inf)]),
        np.concatenate([base.integer, np.zeros(more, dtype=bool)]),
        upper,
        np.concatenate(rows)[keep],
        np.concatenate(places)[keep],
        np.concatenate(values)[keep],
    )
