"""Routed replay: the routes of a plan under the key that really arrives and requests as they come, in fixed steps.

In every step key arrives, requests arrive, and each demand is served along its planned routes, the oldest request first
and the demands by falling weight. A route gives at most what the plan relays along it in the bin, and on every edge no
more than is in store; with `fallback` what is then left open may take any route that the plan gives the demand. What
waits longer than the patience is blocked. Stores give their oldest key first, and every bit has the age of its own
deposit; `replay_steps` says how ages are counted along a route.
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
from eqci_space.fiber.replay_steps import Deposits, Levels, Routes, Served, replay_steps
from eqci_space.scenario import Scenario
from eqci_space.tables import check_table

__all__ = ["Replay", "replay_routes", "request_trace"]

Traffic = Literal["steady", "periodic", "poisson", "bin"]


@dataclass(frozen=True)
class Replay:
    """What a replay served.

    Attributes
    ----------
    demands : DataFrame
        Per bin and demand: requested_bit, on_time_bit (in the step of the request), late_bit, blocked_bit,
        planned_bit, over_age_bit (those served with key older than the demand admits), and mean_key_age_h and
        largest_key_age_h of what was served, where a bit is as old as the oldest key bit that carried it.
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
) -> Deposits:
    """Deposits by edge, those within the period."""
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
    return Deposits(begin, at, deposits["bit"].to_numpy(dtype=float)[inside][order])


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


def _route_arrays(relay: Relay, problem: KeyFlowProblem) -> Routes:
    """Routes as flat arrays."""
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
    return Routes(
        np.array(begin, dtype=np.int64), np.array(bits, dtype=float),
        np.array(edge_begin, dtype=np.int64), np.array(edges_flat, dtype=np.int64),
    )  # fmt: skip


def _demand_table(
    served: Served, relay: Relay, problem: KeyFlowProblem, scenario: Scenario, step_s: float
) -> pd.DataFrame:
    by_bin = Served(*(part.T.ravel() for part in served))
    given, age = by_bin.on_time_bit + by_bin.late_bit, by_bin.age_bit_steps
    return pd.DataFrame({
        "bin": np.repeat(bin_starts(scenario), len(scenario.demands)),
        "demand": np.tile(np.array([d.name for d in scenario.demands], dtype=object), problem.asked_bit.shape[1]),
        "requested_bit": by_bin.requested_bit, "on_time_bit": by_bin.on_time_bit, "late_bit": by_bin.late_bit,
        "blocked_bit": by_bin.blocked_bit, "planned_bit": relay.delivery["delivered_bit"].to_numpy(dtype=float),
        "over_age_bit": by_bin.over_age_bit,
        "mean_key_age_h": np.divide(age, given, out=np.zeros_like(age), where=given > 0) * step_s / 3600.0,
        "largest_key_age_h": by_bin.largest_age_steps * step_s / 3600.0,
    }).astype({"demand": str})  # fmt: skip


def _store_table(levels: Levels, problem: KeyFlowProblem, scenario: Scenario) -> pd.DataFrame:
    n_edges, n_bins = problem.supply_bit.shape
    table = pd.DataFrame({
        "bin": np.repeat(bin_starts(scenario), n_edges),
        "edge": np.tile(np.array([e for e, _, _ in problem.edges], dtype=object), n_bins),
        "kind": np.tile(problem.kinds.astype(object), n_bins),
        **{name: part.T.ravel() for name, part in levels._asdict().items()},
    }).astype({"edge": str, "kind": str})  # fmt: skip
    return check_table(table, "STORES", "replay_routes")
