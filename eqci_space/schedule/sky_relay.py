"""What a sky makes of a choice of contacts, as a small programme: fibre priced, space exact, one copy a sky.

The rows of fibre edges and quotas are replaced by their prices (Lagrangian relaxation), as in `schedule.certificate`.
What then hangs together with no candidate is the same in every sky and is worth a constant; what is left is the relay
over satellites: their stores, and the demands for which a path over one can pay. Any prices give an upper bound of the
delivery in every sky; where fibre is slack, or its prices are right, it is the delivery.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csc_array, csr_array
from scipy.sparse.csgraph import connected_components

from eqci_space.fiber.flow_layout import MBIT
from eqci_space.fiber.key_flow import RelayProgramme
from eqci_space.fiber.key_problem import ChoiceLimit
from eqci_space.machine.solver import Programme, maximise
from eqci_space.schedule.certificate import priced_programme

__all__ = ["SkyRelay", "Tail", "skies_programme", "sky_relay"]


@dataclass(frozen=True)
class Tail:
    """What the worst skies are worth: a share of the objective is the mean of the worst part of them."""

    share: float
    part: float


@dataclass(frozen=True)
class SkyRelay:
    """``constant + max objective·x`` with ``matrix x <= room + deposit (chosen · key)`` and ``0 <= x <= upper``.

    Attributes
    ----------
    objective, upper : (n,) arrays
    matrix : (m, n) sparse
    room : (m,) array
    deposit : (m, N) sparse
        Entry of a Mbit of each candidate.
    constant : float
        What is the same in every sky.
    tie : (N,) array
        Worth of a candidate beside its key.
    limits : list of ChoiceLimit
    """

    objective: np.ndarray
    upper: np.ndarray
    matrix: csr_array
    room: np.ndarray
    deposit: csr_array
    constant: float
    tie: np.ndarray
    limits: list[ChoiceLimit]


def sky_relay(programme: RelayProgramme, row_price: np.ndarray) -> SkyRelay | None:
    """The small programme at given prices of the rows of fibre; None where it would not be small.

    Parameters
    ----------
    programme : RelayProgramme
        Of a problem whose deposits are the largest key of each candidate in any sky.
    row_price : (rows,) array
        Prices >= 0 [worth per unit of the row].
    """
    priced = priced_programme(programme, row_price)
    if priced is None:
        return None
    whole, constant = priced
    n, problem = programme.layout.candidates, programme.problem
    clear = np.zeros(n)
    clear[problem.deposit_candidate] = problem.deposit_bit / MBIT
    matrix = csc_array((whole.value, (whole.row, whole.column)), shape=(len(whole.row_upper), len(whole.objective)))
    relay = csr_array(matrix[:, n:])
    binding = np.isfinite(whole.row_upper) & (np.diff(relay.indptr) > 0)
    deposit = csr_array(matrix[:, :n][binding])
    relay, room = csr_array(relay[binding]), whole.row_upper[binding]
    worth, top = whole.objective[n:], whole.upper[n:]
    useful = _undominated(relay, worth, top)
    relay, worth, top = csr_array(relay[:, useful]), worth[useful], top[useful]
    rows, columns = _hangs_together(relay, np.diff(deposit.indptr) > 0)
    constant += _worth_apart(relay, room, worth, top, ~rows, ~columns)
    unit = coo_array(deposit[rows])
    value = -unit.data / np.maximum(clear[unit.coords[1]], 1e-300)
    return SkyRelay(
        worth[columns], top[columns], csr_array(relay[rows][:, columns]), room[rows],
        csr_array((value, unit.coords), shape=unit.shape), constant, whole.objective[:n], problem.limits,
    )  # fmt: skip


def _undominated(relay: csr_array, worth: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Columns that no other one does as well as: worth no less, no more of any row, and without a top.

    A demand that fibre serves at no price is so freed of its paths over satellites.
    """
    entries, kept = relay.toarray(), np.ones(relay.shape[1], dtype=bool)
    for j in range(relay.shape[1]):
        rivals = np.flatnonzero(kept & np.isinf(top) & (worth >= worth[j]))
        rivals = rivals[rivals != j]
        kept[j] = not (entries[:, rivals] <= entries[:, [j]]).all(axis=0).any()
    return np.flatnonzero(kept)


def _hangs_together(relay: csr_array, fed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (m,) and columns (n,) that a row with a deposit can reach through entries of the matrix."""
    m, n = relay.shape
    entries = coo_array(relay)
    graph = coo_array((np.ones(entries.nnz), (entries.coords[0], m + entries.coords[1])), shape=(m + n, m + n))
    _, part = connected_components(graph, directed=False)
    kept = np.isin(part, np.unique(part[:m][fed]))
    return kept[:m], kept[m:]


def _worth_apart(
    relay: csr_array, room: np.ndarray, objective: np.ndarray, upper: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> float:
    """Optimum of the rows and columns that no candidate reaches."""
    part = coo_array(relay[rows][:, columns])
    n = int(columns.sum())
    if not n:
        return 0.0
    apart = Programme(
        objective[columns], np.zeros(n), upper[columns], np.zeros(n, dtype=bool), room[rows], part.coords[0],
        part.coords[1], part.data,
    )  # fmt: skip
    return maximise(apart).objective


def skies_programme(
    relay: SkyRelay, key_mbit: np.ndarray, lower: np.ndarray, upper: np.ndarray, tail: Tail | None = None
) -> Programme:
    """The choice of candidates common to all skies, with one copy of the relay per sky; its worth is a mean over them.

    Parameters
    ----------
    relay : SkyRelay
    key_mbit : (S, N) array
        Key of every candidate in every sky [Mbit].
    lower, upper : (N,) arrays
        Bounds of the candidates.
    tail : Tail, optional

    Returns
    -------
    Programme
        Candidates first, then the copies, then with `tail` the value at risk and every sky's shortfall (Rockafellar
        and Uryasev 2000). The relay's `constant` is left out.
    """
    skies, n = key_mbit.shape
    m, width = relay.matrix.shape
    flow, fed = coo_array(relay.matrix), coo_array(relay.deposit)
    at, candidate = fed.coords
    number = np.arange(skies)
    value = -fed.data * key_mbit[:, candidate]
    kept = value != 0
    parts = [
        ((flow.coords[0] + m * number[:, None]).ravel(), (n + flow.coords[1] + width * number[:, None]).ravel(),
         np.tile(flow.data, skies)),
        ((at + m * number[:, None])[kept], np.broadcast_to(candidate, value.shape)[kept], value[kept]),
    ]  # fmt: skip
    room, rows = [np.tile(relay.room, skies)], m * skies
    for limit in relay.limits:
        parts.append((np.full(len(limit.candidates), rows), limit.candidates, limit.weight))
        room.append(np.array([limit.most]))
        rows += 1
    share = tail.share if tail else 0.0
    objective = [relay.tie, np.tile(relay.objective * (1 - share) / skies, skies)]
    top = [upper, np.tile(relay.upper, skies)]
    if tail:
        more, worth = _tail(relay, tail, skies, n, rows)
        parts.append(more)
        room.append(np.zeros(skies))
        objective.append(worth)
        top.append(np.full(skies + 1, np.inf))
    count = sum(len(part) for part in objective)
    row, column, values = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return Programme(
        np.concatenate(objective), np.concatenate([lower, np.zeros(count - n)]), np.concatenate(top),
        np.arange(count) < n, np.concatenate(room), row, column, values,
    )  # fmt: skip


def _tail(
    relay: SkyRelay, tail: Tail, skies: int, n: int, first_row: int
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    """``value - shortfall(sky) - worth(sky) <= 0``: entries, and the worth of the value at risk and the shortfalls."""
    width = len(relay.objective)
    value = n + width * skies
    paying = np.flatnonzero(relay.objective)
    row = first_row + np.arange(skies)
    entries = [
        (row, np.full(skies, value), np.ones(skies)),
        (row, value + 1 + np.arange(skies), -np.ones(skies)),
        (np.repeat(row, len(paying)), (n + paying + width * np.arange(skies)[:, None]).ravel(),
         np.tile(-relay.objective[paying], skies)),
    ]  # fmt: skip
    worth = np.append(tail.share, np.full(skies, -tail.share / (tail.part * skies)))
    row, column, entry = (np.concatenate([part[i] for part in entries]) for i in range(3))
    return (row, column, entry), worth
