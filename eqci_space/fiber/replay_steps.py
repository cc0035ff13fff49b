"""The steps of a replay, compiled: key arrives, requests arrive, demands are served along their routes, key is lost.

A store is a queue: the key that arrived first leaves it first, whether it is used, spilled or past its life. A queue is
not kept but counted. With what has left a store and what had arrived by each step, both counted from the start, the
bits that leave next belong to the first step by which more had arrived than has left.

A delivered bit takes one bit from every edge of its route (of all shares, where a route has several), the n-th bit of a
draw the n-th that leaves each edge, and is as old as the oldest of them. Ages are whole steps: of use less of arrival,
where the stock at the start arrived in the step before the first.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.machine.kernels import kernel

__all__ = ["Deposits", "Levels", "Routes", "Served", "replay_steps"]

_FOREVER = 2**40
# Sums of arrivals and of departures are of the same bits, but rounded apart.
_SAME = 1 + 1e-12


class Served(NamedTuple):
    """What was served, each (K, T) and in bits, but for the sum of bits times age and the largest age."""

    requested_bit: np.ndarray
    on_time_bit: np.ndarray
    late_bit: np.ndarray
    blocked_bit: np.ndarray
    over_age_bit: np.ndarray
    age_bit_steps: np.ndarray
    largest_age_steps: np.ndarray


class Levels(NamedTuple):
    """Levels of the stores, each (E, T) and in bits."""

    initial_bit: np.ndarray
    deposited_bit: np.ndarray
    used_bit: np.ndarray
    spilled_bit: np.ndarray
    expired_bit: np.ndarray
    stock_bit: np.ndarray


# Their rows while they are counted.
_REQUESTED, _ON_TIME, _LATE, _BLOCKED, _OVER_AGE, _AGE_BIT_STEPS, _LARGEST_AGE_STEPS = range(len(Served._fields))
_INITIAL, _DEPOSITED, _USED, _SPILLED, _EXPIRED, _STOCK = range(len(Levels._fields))


class Deposits(NamedTuple):
    """Deposits by edge, in order of time: offsets (E + 1,) of each edge's, their steps and bits."""

    begin: np.ndarray
    step: np.ndarray
    bit: np.ndarray


class Routes(NamedTuple):
    """Offsets (T K + 1,) of routes by bin and demand, their planned bits, offsets of their edges, and the edges."""

    begin: np.ndarray
    bit: np.ndarray
    edge_begin: np.ndarray
    edge: np.ndarray


class _Arrivals(NamedTuple):
    """Key as it comes: evenly, (T, E) bits a step at the start of each, and in deposits at the end of their step."""

    rate_bit: np.ndarray
    bin_of_step: np.ndarray
    deposit_step: np.ndarray
    deposit_bit: np.ndarray


class _Requests(NamedTuple):
    """Requests (K, steps), those that wait (K, patience + 1) by the steps they do, and how they are served."""

    trace_bit: np.ndarray
    waiting_bit: np.ndarray
    order: np.ndarray
    most_age: np.ndarray
    rounds: int


# What had arrived up to and with a step, counted from the start, and the first deposit after it.
_ARRIVED = [("bit", np.float64), ("step", np.int64), ("next_deposit", np.int64)]
# A store: what it holds, all that has left it, by which step the next to leave arrived, and what is past its life.
_STORE = np.dtype(
    [
        ("edge", np.int64), ("stock_bit", np.float64), ("gone_bit", np.float64), ("capacity_bit", np.float64),
        ("life_steps", np.int64), ("next_deposit", np.int64), ("end_deposit", np.int64),
        ("oldest", _ARRIVED), ("stale", _ARRIVED),
    ],
    align=True,
)  # fmt: skip


def replay_steps(
    problem: KeyFlowProblem,
    first: np.ndarray,
    deposits: Deposits,
    trace: np.ndarray,
    routes: Routes,
    patience: int,
    fallback: bool,
    most_age: np.ndarray | None = None,
) -> tuple[Served, Levels]:
    """Run the steps: what was served by demand and bin, and the stores' levels by edge and bin.

    Parameters
    ----------
    problem : KeyFlowProblem
        Edges, their supply by bin, stock at the start, caps and lives, and the weights of demands.
    first : (T + 1,) int array
        First step of every bin, and one behind the last.
    deposits : Deposits
        Key beside the supply; each serves from the step after its own.
    trace : (K, steps) array
        Requested [bit], >= 0.
    routes : Routes
    patience : int
        Steps that a request waits, >= 0.
    fallback : bool
        Whether routes give more than planned where requests are left open.
    most_age : (K,) array, optional
        Steps that key may be old, > 0; infinite by default.
    """
    n_edges, n_demands, n_bins = len(problem.edges), len(problem.ends), len(first) - 1
    lengths = np.diff(first)
    arrivals = _Arrivals(
        np.ascontiguousarray((problem.supply_bit / lengths).T), np.repeat(np.arange(n_bins), lengths),
        deposits.step, deposits.bit,
    )  # fmt: skip
    requests = _Requests(
        trace, np.zeros((n_demands, int(patience) + 1)), np.argsort(-problem.weights, kind="stable"),
        np.full(n_demands, np.inf) if most_age is None else most_age, 2 if fallback else 1,
    )  # fmt: skip
    served, levels = (
        np.zeros((n_bins, len(Served._fields), n_demands)),
        np.zeros((n_bins, len(Levels._fields), n_edges)),
    )
    left = routes._replace(bit=routes.bit.copy())
    _run(first, arrivals, requests, left, _stores(problem, int(lengths.max()), deposits.begin), served, levels)
    return Served(*np.moveaxis(served, 0, -1)), Levels(*np.moveaxis(levels, 0, -1))


def _stores(problem: KeyFlowProblem, steps_per_bin: int, deposit_begin: np.ndarray) -> np.ndarray:
    """Stores before the first step."""
    stores = np.zeros(len(problem.edges), dtype=_STORE)
    stores["edge"] = np.arange(len(stores))
    stores["stock_bit"], stores["capacity_bit"] = problem.initial_bit, problem.capacity_bit
    life = problem.life_bins if len(problem.life_bins) else np.zeros(len(stores), dtype=np.int64)
    stores["life_steps"] = np.where(life > 0, life * steps_per_bin, _FOREVER)
    stores["next_deposit"], stores["end_deposit"] = deposit_begin[:-1], deposit_begin[1:]
    for arrived in (stores["oldest"], stores["stale"]):
        arrived["bit"], arrived["step"], arrived["next_deposit"] = problem.initial_bit, -1, deposit_begin[:-1]
    return stores


@kernel
def _run(
    first: np.ndarray,
    arrivals: _Arrivals,
    requests: _Requests,
    routes: Routes,
    stores: np.ndarray,
    served: np.ndarray,
    levels: np.ndarray,
) -> None:
    """Run all steps of all bins; `routes` hold the bits they may still give as planned."""
    for t in range(len(first) - 1):
        tally, level = served[t], levels[t]
        level[_INITIAL] = stores["stock_bit"]
        for s in range(first[t], first[t + 1]):
            _supply(t, arrivals.rate_bit, stores, level)
            _serve(s, arrivals, requests, routes, stores, tally, level)
            _close(s, arrivals, stores, level)
        level[_STOCK] = stores["stock_bit"]


@kernel
def _supply(t: int, rate_bit: np.ndarray, stores: np.ndarray, level: np.ndarray) -> None:
    """Put the even supply of a step into the stores."""
    for e in range(len(stores)):
        stores[e].stock_bit += rate_bit[t, e]
        level[_DEPOSITED, e] += rate_bit[t, e]


@kernel
def _serve(
    s: int,
    arrivals: _Arrivals,
    requests: _Requests,
    routes: Routes,
    stores: np.ndarray,
    tally: np.ndarray,
    level: np.ndarray,
) -> None:
    """Serve the demands along their routes: as planned, and in a second round as far as the stores go.

    The loop over demands is in here, and rows are not sliced, as handing over many arrays costs more than the work.
    """
    for i in range(len(requests.order)):
        k = requests.order[i]
        open_bit = _ask(k, s, requests, tally)
        row = arrivals.bin_of_step[s] * len(requests.order) + k
        for turn in range(requests.rounds):
            for r in range(routes.begin[row], routes.begin[row + 1]):
                begin, end = routes.edge_begin[r], routes.edge_begin[r + 1]
                give = min(open_bit, routes.bit[r]) if turn == 0 else open_bit
                for j in range(begin, end):
                    give = min(give, stores[routes.edge[j]].stock_bit)
                if give <= 0.0:
                    continue
                age_bit, largest, over = _ages(routes.edge, begin, end, give, s, requests.most_age[k], arrivals, stores)
                tally[_AGE_BIT_STEPS, k] += age_bit
                tally[_LARGEST_AGE_STEPS, k] = max(tally[_LARGEST_AGE_STEPS, k], largest)
                tally[_OVER_AGE, k] += over
                for j in range(begin, end):
                    _remove(stores[routes.edge[j]], give)
                    level[_USED, routes.edge[j]] += give
                routes.bit[r] -= give
                open_bit -= give
                _hand_out(k, give, requests, tally)
            if open_bit <= 0.0:
                break
        tally[_BLOCKED, k] += requests.waiting_bit[k, -1]
        requests.waiting_bit[k, -1] = 0.0


@kernel
def _ask(k: int, s: int, requests: _Requests, tally: np.ndarray) -> float:
    """Let the requests of a demand grow older by a step and a new one come; all that now waits."""
    open_bit = 0.0
    for w in range(requests.waiting_bit.shape[1] - 1, 0, -1):
        requests.waiting_bit[k, w] = requests.waiting_bit[k, w - 1]
    requests.waiting_bit[k, 0] = requests.trace_bit[k, s]
    tally[_REQUESTED, k] += requests.trace_bit[k, s]
    for w in range(requests.waiting_bit.shape[1]):
        open_bit += requests.waiting_bit[k, w]
    return open_bit


@kernel
def _ages(
    edge: np.ndarray,
    begin: int,
    end: int,
    give: float,
    s: int,
    most_age: float,
    arrivals: _Arrivals,
    stores: np.ndarray,
) -> tuple[float, float, float]:
    """Bits times age, largest age, and bits older than `most_age`, of the next bits to leave the edges of a path."""
    counted, age_bit, largest, over = 0.0, 0.0, 0.0, 0.0
    while counted < give:
        # An age holds until the last bit of that age has left every edge.
        age, upto = 0, give
        for j in range(begin, end):
            store = stores[edge[j]]
            while store.oldest.step < s and store.oldest.bit <= (store.gone_bit + counted) * _SAME:
                _next_step(store, store.oldest, arrivals)
            own = s - store.oldest.step
            if own > age:
                age, upto = own, store.oldest.bit - store.gone_bit
            elif own == age and own > 0:
                upto = max(upto, store.oldest.bit - store.gone_bit)
        part = min(upto, give) - counted
        age_bit += part * age
        largest = max(largest, float(age))
        if age > most_age:
            over += part
        counted = upto
    return age_bit, largest, over


@kernel
def _next_step(store: np.record, arrived: np.record, arrivals: _Arrivals) -> None:
    """Go on by a step in counting what arrived in a store."""
    step = int(arrived.step) + 1
    arrived.step = step
    arrived.bit += arrivals.rate_bit[arrivals.bin_of_step[step], store.edge]
    while arrived.next_deposit < store.end_deposit and arrivals.deposit_step[arrived.next_deposit] <= step:
        arrived.bit += arrivals.deposit_bit[arrived.next_deposit]
        arrived.next_deposit += 1


@kernel
def _remove(store: np.record, bit: float) -> None:
    """Take the oldest bits out of a store."""
    store.stock_bit -= bit
    store.gone_bit += bit


@kernel
def _hand_out(k: int, give: float, requests: _Requests, tally: np.ndarray) -> None:
    """Serve the requests of a demand that wait, the oldest first."""
    for w in range(requests.waiting_bit.shape[1] - 1, -1, -1):
        part = min(give, requests.waiting_bit[k, w])
        requests.waiting_bit[k, w] -= part
        give -= part
        tally[_ON_TIME if w == 0 else _LATE, k] += part


@kernel
def _close(s: int, arrivals: _Arrivals, stores: np.ndarray, level: np.ndarray) -> None:
    """End a step: deposits come in, key past its life expires, what a store cannot hold spills."""
    for e in range(len(stores)):
        store = stores[e]
        while store.next_deposit < store.end_deposit and arrivals.deposit_step[store.next_deposit] <= s:
            store.stock_bit += arrivals.deposit_bit[store.next_deposit]
            level[_DEPOSITED, e] += arrivals.deposit_bit[store.next_deposit]
            store.next_deposit += 1
        while store.stale.step < s - store.life_steps:
            _next_step(store, store.stale, arrivals)
        expired = min(store.stock_bit, store.stale.bit - store.gone_bit)
        if store.life_steps <= s + 1 and expired > 0.0:
            _remove(store, expired)
            level[_EXPIRED, e] += expired
        spilled = store.stock_bit - store.capacity_bit
        if spilled > 0.0:
            _remove(store, spilled)
            level[_SPILLED, e] += spilled
