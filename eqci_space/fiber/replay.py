"""Routed replay: the routes of a plan under the key that really arrives and requests as they come, in fixed steps.

In every step key arrives, requests arrive, and each demand is served along its planned routes, the oldest request first
and the demands by falling weight. A route gives at most what the plan relays along it in the bin, and on every edge no
more than is in store; with `fallback` what is then left open may take any route that the plan gives the demand. What
waits longer than the patience is blocked. Stores give their oldest key first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from eqci_space.errors import PlanError
from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.fiber.problem import bin_edges, bin_starts, flow_problem
from eqci_space.fiber.relay import Relay
from eqci_space.machine.kernels import kernel
from eqci_space.scenario import Scenario
from eqci_space.tables import check_table

__all__ = ["Replay", "replay_routes", "replay_steps", "request_trace"]

Traffic = Literal["steady", "periodic", "poisson", "bin"]
_FOREVER = 2**40


@dataclass(frozen=True)
class Replay:
    """What a replay served.

    Attributes
    ----------
    demands : DataFrame
        Per bin and demand: requested_bit, on_time_bit (in the step of the request), late_bit, blocked_bit,
        planned_bit, over_age_bit (served with key older than the demand admits), and mean_key_age_h and
        largest_key_age_h of the key used.
    stores : DataFrame
        STORES, as replayed.
    step_s : float
    """

    demands: pd.DataFrame
    stores: pd.DataFrame
    step_s: float

    @property
    def served_bit(self) -> float:
        """All that was served."""
        return float((self.demands["on_time_bit"] + self.demands["late_bit"]).sum())


def replay_routes(
    relay: Relay,
    deposits: pd.DataFrame,
    scenario: Scenario,
    *,
    step: str = "15min",
    traffic: Traffic = "steady",
    patience: str = "1h",
    fallback: bool = True,
    rng: np.random.Generator | int | None = None,
) -> Replay:
    """Replay the routes of a relay under given deposits and requests.

    Parameters
    ----------
    relay : Relay
        Its routes, bin by bin, and its network.
    deposits : DataFrame
        DEPOSITS as realised; each serves from the step after it is available.
    scenario : Scenario
    step : str
        Length of a step, a part of every bin.
    traffic : {"steady", "periodic", "poisson", "bin"}
        Requests: evenly (one-time pad), whole keys at regular times (re-keying), whole keys at random times, or all at
        the start of the bin as the plan has it.
    patience : str
        How long a request waits before it is blocked.
    fallback : bool
        Whether a demand may use its routes beyond what the plan gives them.
    rng : Generator or int, optional
        For ``poisson``; default the scenario's seed.

    Raises
    ------
    PlanError
        The step does not divide the bins.
    """
    check_table(deposits, "DEPOSITS", "replay_routes")
    problem = flow_problem(relay.network, scenario)
    step_s = pd.Timedelta(step).total_seconds()
    first = _first_steps(scenario, step_s)
    events = _deposit_events(deposits, problem, scenario, step_s, int(first[-1]))
    trace = request_trace(scenario, problem.asked_bit, first, traffic, rng)
    routes = _route_arrays(relay, problem)
    ages = [np.inf if d.max_key_age_h is None else d.max_key_age_h for d in scenario.demands]
    most_age = np.array(ages) * 3600.0 / step_s
    wait = max(0, round(pd.Timedelta(patience).total_seconds() / step_s))
    served, levels = replay_steps(problem, first, events, trace, routes, wait, fallback, most_age)
    demands = _demand_table(served, relay, problem, scenario, step_s)
    return Replay(demands, _store_table(levels, problem, scenario), step_s)


def _first_steps(scenario: Scenario, step_s: float) -> np.ndarray:
    """First step of every bin, and one behind the last."""
    edges = np.array([(e - scenario.start).total_seconds() for e in bin_edges(scenario)]) / step_s
    if not np.allclose(edges, np.round(edges), atol=1e-6):
        raise PlanError(f"replay_routes: a step of {step_s:g} s does not divide the bins; take a part of each of them")
    return np.round(edges).astype(np.int64)


def _deposit_events(
    deposits: pd.DataFrame, problem: KeyFlowProblem, scenario: Scenario, step_s: float, steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Deposits by edge: where each edge's begin, their steps and bits, in order of time."""
    index = problem.edge_number
    unknown = [e for e in deposits["edge"] if e not in index]
    if unknown:
        raise PlanError(f"replay_routes: deposit on unknown edge '{unknown[0]}'")
    seconds = (pd.DatetimeIndex(deposits["time"]) - pd.Timestamp(scenario.start)).total_seconds().to_numpy()
    at = np.floor(seconds / step_s + 1e-9).astype(np.int64)
    edge = deposits["edge"].map(index).to_numpy(dtype=np.int64)
    inside = (at >= 0) & (at < steps)
    order = np.lexsort((at[inside], edge[inside]))
    edge, at = edge[inside][order], at[inside][order]
    begin = np.searchsorted(edge, np.arange(len(problem.edges) + 1))
    return begin, at, deposits["bit"].to_numpy(dtype=float)[inside][order]


def request_trace(
    scenario: Scenario,
    asked_bit: np.ndarray,
    first: np.ndarray,
    traffic: Traffic,
    rng: np.random.Generator | int | None = None,
) -> np.ndarray:
    """Requested bits (demands, steps), on average what is asked for in each bin (K, T)."""
    lengths = np.diff(first)
    rate = np.repeat(asked_bit / lengths, lengths, axis=1)
    if traffic == "steady":
        return rate
    if traffic == "bin":
        trace = np.zeros_like(rate)
        trace[:, first[:-1]] = asked_bit
        return trace
    size = np.array([float(d.service.key_bit) if d.service else 256.0 for d in scenario.demands])[:, None]
    if traffic == "periodic":
        # A hair above keeps sums that are whole in exact arithmetic whole in floating point.
        due = np.floor(np.cumsum(rate / size, axis=1) * (1 + 1e-12) + 1e-9)
        return np.diff(due, axis=1, prepend=0.0) * size
    if traffic == "poisson":
        seed = scenario.seed if rng is None else rng
        return np.random.default_rng(seed).poisson(rate / size) * size
    raise PlanError(f"request_trace: traffic '{traffic}'; expected steady, periodic, poisson or bin")


def _route_arrays(relay: Relay, problem: KeyFlowProblem) -> tuple[np.ndarray, ...]:
    """Routes as flat arrays: per bin and demand the first route, per route its planned bits and its edges."""
    index = problem.edge_number
    n_demands, n_bins = problem.asked_bit.shape
    bundles: dict[tuple[int, int], list[tuple[float, list[int]]]] = {}
    table = relay.routes
    bins = {b: t for t, b in enumerate(relay.delivery["bin"].drop_duplicates())}
    demands = {d: k for k, d in enumerate(relay.delivery["demand"].drop_duplicates())}
    for (time, demand, _), part in table.groupby(["bin", "demand", "bundle"], sort=True):
        edges = [index[e] for steps in part["edges"] for e in steps if e in index]
        bundles.setdefault((bins[time], demands[demand]), []).append((float(part["bit"].iloc[0]), edges))
    begin, bits, edge_begin, edges_flat = [0], [], [0], []
    for t in range(n_bins):
        for k in range(n_demands):
            for bit, edges in bundles.get((t, k), []):
                bits.append(bit)
                edges_flat += edges
                edge_begin.append(len(edges_flat))
            begin.append(len(bits))
    whole = np.array(begin, dtype=np.int64), np.array(edge_begin, dtype=np.int64), np.array(edges_flat, dtype=np.int64)
    return whole[0], np.array(bits, dtype=float), whole[1], whole[2]


def replay_steps(
    problem: KeyFlowProblem,
    first: np.ndarray,
    events: tuple[np.ndarray, np.ndarray, np.ndarray],
    trace: np.ndarray,
    routes: tuple[np.ndarray, ...],
    patience: int,
    fallback: bool,
    most_age: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Run the steps: served (7, K, T) and store levels (6, E, T); see `Replay` for the rows.

    Parameters
    ----------
    first : (T + 1,) int
        First step of every bin.
    events : tuple of arrays
        Deposits by edge: (E + 1,) offsets, steps, bits.
    trace : (K, steps)
        Requested bits.
    routes : tuple of arrays
        (T K + 1,) offsets of routes by bin and demand, planned bits, offsets of their edges, edges.
    patience : int
        Steps that a request waits.
    most_age : (K,) array, optional
        Steps that key may be old; infinite by default.
    """
    n_edges = len(problem.edges)
    lengths = np.diff(first)
    life = problem.life_bins if len(problem.life_bins) else np.zeros(n_edges, dtype=np.int64)
    life_steps = np.where(life > 0, life * int(lengths.max()), _FOREVER).astype(np.int64)
    order = np.argsort(-problem.weights, kind="stable")
    return _run(
        first.astype(np.int64), problem.supply_bit / lengths, problem.initial_bit, problem.capacity_bit, life_steps,
        *events, trace, *routes, order.astype(np.int64), int(patience), bool(fallback),
        np.full(len(problem.ends), np.inf) if most_age is None else most_age,
    )  # fmt: skip


@kernel
def _run(  # type: ignore[no-untyped-def]
    first, rate, initial, capacity, life, event_begin, event_step, event_bit, trace, route_begin, route_bit,
    edge_begin, route_edge, order, patience, fallback, most_age,
):  # fmt: skip
    n_edges, n_bins = rate.shape
    n_demands = trace.shape[0]
    served = np.zeros((7, n_demands, n_bins))  # requested, on time, late, blocked, bit-steps of age, largest, over age
    levels = np.zeros((6, n_edges, n_bins))  # initial, deposited, used, spilled, expired, stock
    stock = initial.copy()
    gone = np.zeros(n_edges)  # all that left, oldest first
    tail = np.full(n_edges, -1)  # step in which the oldest key in store arrived
    passed = initial.copy()  # all that had arrived by then
    lagged = np.zeros(n_edges)  # all that is past its life
    lag_event, tail_event, next_event = event_begin[:-1].copy(), event_begin[:-1].copy(), event_begin[:-1].copy()
    tail_bin, lag_bin = np.zeros(n_edges, dtype=np.int64), np.zeros(n_edges, dtype=np.int64)
    waiting = np.zeros((n_demands, patience + 1))
    left = np.zeros(len(route_bit))
    for t in range(n_bins):
        for e in range(n_edges):
            levels[0, e, t] = stock[e]
        for r in range(route_begin[t * n_demands], route_begin[(t + 1) * n_demands]):
            left[r] = route_bit[r]
        for s in range(first[t], first[t + 1]):
            for e in range(n_edges):
                stock[e] += rate[e, t]
                levels[1, e, t] += rate[e, t]
            for i in range(n_demands):
                k = order[i]
                for w in range(patience, 0, -1):
                    waiting[k, w] = waiting[k, w - 1]
                waiting[k, 0] = trace[k, s]
                served[0, k, t] += trace[k, s]
                open_bit = waiting[k].sum()
                for again in range(2 if fallback else 1):
                    for r in range(route_begin[t * n_demands + k], route_begin[t * n_demands + k + 1]):
                        give = open_bit
                        if again == 0:
                            give = min(give, left[r])
                        begin, end = edge_begin[r], edge_begin[r + 1]
                        for j in range(begin, end):
                            give = min(give, stock[route_edge[j]])
                        if give <= 0.0:
                            continue
                        oldest = 0.0
                        for j in range(begin, end):
                            e = route_edge[j]
                            # The oldest key that is taken: move on to the step in which it arrived.
                            while passed[e] <= gone[e] * (1 + 1e-12) and tail[e] < s:
                                tail[e] += 1
                                while tail[e] >= first[tail_bin[e] + 1]:
                                    tail_bin[e] += 1
                                passed[e] += rate[e, tail_bin[e]]
                                while tail_event[e] < event_begin[e + 1] and event_step[tail_event[e]] <= tail[e]:
                                    passed[e] += event_bit[tail_event[e]]
                                    tail_event[e] += 1
                            oldest = max(oldest, float(s - tail[e]))
                            stock[e] -= give
                            gone[e] += give
                            levels[2, e, t] += give
                        left[r] -= give
                        open_bit -= give
                        served[4, k, t] += give * oldest
                        served[5, k, t] = max(served[5, k, t], oldest)
                        if oldest > most_age[k]:
                            served[6, k, t] += give
                        for w in range(patience, -1, -1):
                            part = min(give, waiting[k, w])
                            waiting[k, w] -= part
                            give -= part
                            served[1 if w == 0 else 2, k, t] += part
                    if open_bit <= 0.0:
                        break
                served[3, k, t] += waiting[k, patience]
                waiting[k, patience] = 0.0
            for e in range(n_edges):
                while next_event[e] < event_begin[e + 1] and event_step[next_event[e]] <= s:
                    stock[e] += event_bit[next_event[e]]
                    levels[1, e, t] += event_bit[next_event[e]]
                    next_event[e] += 1
                old = s + 1 - life[e]
                if old >= 0:
                    if old == 0 or lagged[e] == 0.0:
                        lagged[e] = initial[e] if lagged[e] == 0.0 else lagged[e]
                    if old >= 1:
                        while old - 1 >= first[lag_bin[e] + 1]:
                            lag_bin[e] += 1
                        lagged[e] += rate[e, lag_bin[e]]
                        while lag_event[e] < event_begin[e + 1] and event_step[lag_event[e]] <= old - 1:
                            lagged[e] += event_bit[lag_event[e]]
                            lag_event[e] += 1
                    stale = min(stock[e], lagged[e] - gone[e])
                    if stale > 0.0:
                        stock[e] -= stale
                        gone[e] += stale
                        levels[4, e, t] += stale
                over = stock[e] - capacity[e]
                if over > 0.0:
                    stock[e] -= over
                    gone[e] += over
                    levels[3, e, t] += over
        for e in range(n_edges):
            levels[5, e, t] = stock[e]
    return served, levels


def _demand_table(
    served: np.ndarray, relay: Relay, problem: KeyFlowProblem, scenario: Scenario, step_s: float
) -> pd.DataFrame:
    requested, on_time, late, blocked, age, largest, over = (part.T.ravel() for part in served)
    given = on_time + late
    planned = relay.delivery["delivered_bit"].to_numpy(dtype=float)
    return pd.DataFrame({
        "bin": np.repeat(bin_starts(scenario), len(scenario.demands)),
        "demand": np.tile(np.array([d.name for d in scenario.demands], dtype=object), problem.asked_bit.shape[1]),
        "requested_bit": requested, "on_time_bit": on_time, "late_bit": late, "blocked_bit": blocked,
        "planned_bit": planned, "over_age_bit": over,
        "mean_key_age_h": np.divide(age, given, out=np.zeros_like(age), where=given > 0) * step_s / 3600.0,
        "largest_key_age_h": largest * step_s / 3600.0,
    }).astype({"demand": str})  # fmt: skip


def _store_table(levels: np.ndarray, problem: KeyFlowProblem, scenario: Scenario) -> pd.DataFrame:
    names = ("initial_bit", "deposited_bit", "used_bit", "spilled_bit", "expired_bit", "stock_bit")
    n_edges, n_bins = problem.supply_bit.shape
    table = pd.DataFrame({
        "bin": np.repeat(bin_starts(scenario), n_edges),
        "edge": np.tile(np.array([e for e, _, _ in problem.edges], dtype=object), n_bins),
        "kind": np.tile(problem.kinds.astype(object), n_bins),
        **{name: part.T.ravel() for name, part in zip(names, levels, strict=True)},
    }).astype({"edge": str, "kind": str})  # fmt: skip
    return check_table(table, "STORES", "replay_routes")
