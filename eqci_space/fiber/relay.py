"""From deposits to delivered key: routes, stores and delivery as tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd

from eqci_space.errors import PlanError, near_matches
from eqci_space.fiber.bin_by_bin import flow_bin_by_bin
from eqci_space.fiber.edges import SPACE, block_closings, contact_arrivals
from eqci_space.fiber.fairness import max_concurrent, max_min
from eqci_space.fiber.key_flow import FlowResult, delivered_by_bin, solve_key_flow, used_by_bin
from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.fiber.network import Network, build_network
from eqci_space.fiber.paths import cheapest_routes
from eqci_space.fiber.problem import bin_of, bin_starts, flow_problem
from eqci_space.fiber.stores import store_levels
from eqci_space.scenario import Scenario
from eqci_space.tables import check_table, planned_contacts
from eqci_space.words import SERVED_IN_FULL, format_bits, html_summary, html_table, percent, short_list

__all__ = ["Relay", "key_deposits", "relay_bin_by_bin", "relay_keys", "with_deposits"]

_SMALLEST_PRICE = 1e-6
_MOST_ROWS, _MOST_STORES = 12, 5


class HasContacts(Protocol):
    """Anything with a CONTACTS table, such as a plan."""

    @property
    def contacts(self) -> pd.DataFrame:
        """CONTACTS."""


@dataclass(frozen=True)
class Relay:
    """Result of a relay: ROUTES, STORES, DELIVERY, the network used, and demands without any admissible path.

    `prices` lists the edges that limit the objective, per bin, with what one more Mbit is worth; `share` is what each
    demand gets of what it asked for, under ``max_concurrent`` what all demands of its component get at once.
    """

    routes: pd.DataFrame
    stores: pd.DataFrame
    delivery: pd.DataFrame
    network: Network
    unreachable: tuple[str, ...]
    prices: pd.DataFrame
    share: np.ndarray
    objective: float
    bound: float
    gap: float

    def _repr_html_(self) -> str:
        total = self.delivery.groupby("demand", sort=False)[["asked_bit", "delivered_bit"]].sum()
        served = (total["delivered_bit"] / total["asked_bit"].where(total["asked_bit"] > 0)).fillna(1.0)
        asked, given = (format_bits(total[c].sum()) for c in total.columns)
        full = int((served >= SERVED_IN_FULL).sum())
        facts = {
            "delivered": f"{given} of {asked} asked for; in full {full} of {len(total)} demands",
            **({"no path fulfils the class of": short_list(list(self.unreachable))} if self.unreachable else {}),
        }
        worst = served.sort_values(kind="stable").index[:_MOST_ROWS]
        rows = [
            (str(d), *(format_bits(b) for b in total.loc[d]), percent(served[d], 1))
            for d in total.index if d in worst
        ]  # fmt: skip
        caption = "Demands" if len(rows) == len(total) else f"The {len(rows)} of {len(total)} demands served least"
        tables = [html_table(caption, ("demand", ">asked", ">delivered", ">share"), rows), *self._covers()]
        return html_summary("Relay", facts, tables)

    def _covers(self) -> list[str]:
        """A table of the satellite stores in use that lasted least; a day's need is the mean use."""
        bins = pd.DatetimeIndex(self.delivery["bin"].unique())
        stores = self.stores[self.stores["kind"] == SPACE]
        stores = stores[stores["edge"].map(stores.groupby("edge")["used_bit"].sum()) > 0]
        if len(bins) < 2 or stores.empty:
            return []
        per_day = pd.Timedelta("1D") / (bins[1] - bins[0])
        need = stores.groupby("edge")["used_bit"].mean() * per_day
        cover = stores.sort_values("bin").groupby("edge")["stock_bit"].agg(["min", "last"]).div(need, axis=0)
        shown = cover.sort_values(["min", "last"], kind="stable").head(_MOST_STORES)
        rows = [
            (str(edge), format_bits(need[edge]), f"{row['min']:.1f}", f"{row['last']:.1f}")
            for edge, row in shown.iterrows()
        ]
        head = ("store", ">need per day", ">fewest days of cover", ">at the end")
        return [html_table(f"{len(rows)} of {len(cover)} satellite stores in use, the emptiest", head, rows)]


def key_deposits(plan: HasContacts, scenario: Scenario, *, kind: str = "expected") -> pd.DataFrame:
    """DEPOSITS of the planned contacts, available after post-processing, in order of the contacts.

    Where blocks wait for several contacts, clear-sky key comes when its block closes, and a block that is open at the
    end brings none. Expected key comes as if every contact closed a block, so that its delivery stays a bound.

    Parameters
    ----------
    plan : Plan
        Anything with a CONTACTS table.
    kind : {"expected", "clear"}
        Count ``p_clear · skl`` or the clear-sky key.

    Raises
    ------
    PlanError
        `kind` is unknown.
    """
    columns = {"expected": "expected_skl_bit", "clear": "skl_bit"}
    if kind not in columns:
        raise PlanError(f"key_deposits: kind '{kind}'; expected one of {list(columns)}")
    contacts = check_table(plan.contacts, "CONTACTS", "key_deposits")
    planned = planned_contacts(contacts)
    deposits = contact_arrivals(planned, scenario).assign(
        bit=planned[columns[kind]], contact_id=planned.index.astype(str), block=planned["candidate_id"], kind=kind
    )
    if scenario.protocol.block != "window" and kind == "clear":
        fill = planned["block_fill"]
        closes = block_closings(deposits["edge"].to_numpy(), deposits["time"], fill.to_numpy(dtype=float)[None, :])[0]
        deposits = deposits.assign(time=deposits["time"].to_numpy()[closes], block=planned.index.to_numpy()[closes])
        deposits = deposits[closes >= 0].astype({"time": deposits["time"].dtype, "block": str})
    deposits = deposits.reset_index(drop=True)
    return check_table(deposits, "DEPOSITS", "key_deposits")


def relay_keys(
    deposits: pd.DataFrame, scenario: Scenario, *, network: Network | None = None, objective: str | None = None
) -> Relay:
    """Deliver key to the demands from fibre supply and given deposits.

    A deposit serves from the bin after it becomes available; deposits after the period are not counted.

    Parameters
    ----------
    deposits : DataFrame
        DEPOSITS; empty for fibre alone.
    scenario : Scenario
    network : Network, optional
        Default `build_network`.
    objective : {"weighted", "max_concurrent", "max_min"}, optional
        Default the scenario's: weighted concave satisfaction, the largest common share, or lexicographic max-min.

    Returns
    -------
    Relay

    Raises
    ------
    PlanError
        `objective` is unknown.
    """
    check_table(deposits, "DEPOSITS", "relay_keys")
    goal = scenario.schedule.objective if objective is None else objective
    if goal not in _GOALS:
        raise PlanError(f"relay_keys: objective '{goal}'; {near_matches(goal, _GOALS)}")
    network = network or build_network(scenario)
    problem = with_deposits(flow_problem(network, scenario), deposits, scenario)
    flow, share = _GOALS[goal](problem)
    return _relay(flow, share, problem, scenario, network)


def _relay(flow: FlowResult, share: np.ndarray, problem: KeyFlowProblem, scenario: Scenario, network: Network) -> Relay:
    return Relay(
        _routes(flow, problem, scenario), _stores(flow, problem, scenario), _delivery(flow, problem, scenario),
        network, _unreachable(problem, scenario), _prices(flow, problem, scenario), share, flow.objective, flow.bound,
        flow.gap,
    )  # fmt: skip


def relay_bin_by_bin(deposits: pd.DataFrame, scenario: Scenario, *, network: Network | None = None) -> Relay:
    """Deliver key as operators do who do not know what comes: each bin takes all it can use of what is in store.

    Parameters and result are those of `relay_keys`, weighted; the objective is the sum over the bins, and the bound
    that of the relay that knows all bins beforehand.
    """
    check_table(deposits, "DEPOSITS", "relay_bin_by_bin")
    network = network or build_network(scenario)
    problem = with_deposits(flow_problem(network, scenario), deposits, scenario)
    flow = replace(flow_bin_by_bin(problem), bound=solve_key_flow(problem).bound)
    return _relay(flow, _shares(flow, problem), problem, scenario, network)


def _shares(flow: FlowResult, problem: KeyFlowProblem) -> np.ndarray:
    return flow.delivered_bit(len(problem.ends)) / problem.asked_bit.sum(axis=1)


def _weighted(problem: KeyFlowProblem) -> tuple[FlowResult, np.ndarray]:
    flow = solve_key_flow(problem)
    return flow, _shares(flow, problem)


_GOALS: dict[str, Callable[[KeyFlowProblem], tuple[FlowResult, np.ndarray]]] = {
    "weighted": _weighted,
    "max_concurrent": max_concurrent,
    "max_min": max_min,
}


def with_deposits(problem: KeyFlowProblem, deposits: pd.DataFrame, scenario: Scenario) -> KeyFlowProblem:
    """The problem with given DEPOSITS in its supply; those after the period do not count.

    Raises
    ------
    PlanError
        A deposit on an edge that does not exist.
    """
    index = problem.edge_number
    unknown = [e for e in deposits["edge"] if e not in index]
    if unknown:
        hint = near_matches(str(unknown[0]), index)
        raise PlanError(f"deposit on unknown edge '{unknown[0]}'; {hint}; edges are links or 'satellite|ogs'")
    supply = problem.supply_bit.copy()
    bins = bin_of(deposits["time"], scenario)
    inside = bins >= 0
    edge = deposits["edge"].map(index).to_numpy(dtype=int)
    np.add.at(supply, (edge[inside], bins[inside]), deposits["bit"].to_numpy(dtype=float)[inside])
    return replace(problem, supply_bit=supply)


def _prices(flow: FlowResult, problem: KeyFlowProblem, scenario: Scenario) -> pd.DataFrame:
    """Worth of one more Mbit on each edge and bin where there is one: the bottlenecks."""
    edge, t = np.nonzero(flow.edge_price > _SMALLEST_PRICE)
    names = np.array([e for e, _, _ in problem.edges], dtype=object)
    table = pd.DataFrame({
        "bin": bin_starts(scenario)[t], "edge": names[edge], "worth_per_mbit": flow.edge_price[edge, t],
    }).astype({"edge": str})  # fmt: skip
    order = ["bin", "worth_per_mbit", "edge"]
    return table.sort_values(order, ascending=[True, False, True], ignore_index=True)


def _unreachable(problem: KeyFlowProblem, scenario: Scenario) -> tuple[str, ...]:
    found = cheapest_routes(
        problem.graph, problem.ends, problem.rules, range(len(problem.ends)), np.ones(2 * len(problem.edges))
    )
    return tuple(d.name for k, d in enumerate(scenario.demands) if k not in found)


def _routes(flow: FlowResult, problem: KeyFlowProblem, scenario: Scenario) -> pd.DataFrame:
    """One row per path; the two shares of an XOR stand in two rows of one bundle."""
    starts, names = bin_starts(scenario), list(problem.graph.number)
    total: dict[tuple[int, int], float] = {}
    for k, t, _, bit in flow.paths:
        total[k, t] = total.get((k, t), 0.0) + bit
    rows = [
        (starts[t], scenario.demands[k].name, [names[v] for v in problem.graph.path_nodes(share)],
         [problem.edges[arc >> 1][0] for arc in share], bit, bit / total[k, t], bundle)
        for bundle, (k, t, route, bit) in enumerate(sorted(flow.paths, key=lambda p: (p[1], p[0], -p[3], p[2])))
        for share in route
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["bin", "demand", "path", "edges", "bit", "share", "bundle"])
    table = table.astype({"bin": starts.dtype, "demand": str, "bit": float, "share": float, "bundle": int})
    return check_table(table, "ROUTES", "relay_keys")


def _stores(flow: FlowResult, problem: KeyFlowProblem, scenario: Scenario) -> pd.DataFrame:
    """Stores replayed forward from the relayed paths."""
    n_edges, n_bins = problem.supply_bit.shape
    used = used_by_bin(flow, problem)
    levels = store_levels(
        problem.supply_bit,
        used,
        problem.aged_bit,
        problem.capacity_bit,
        problem.life_bins,
        parent_bin=problem.parent_bin,
    )
    table = pd.DataFrame({
        "bin": np.repeat(bin_starts(scenario), n_edges),
        "edge": np.tile(np.array([e for e, _, _ in problem.edges], dtype=object), n_bins),
        "kind": np.tile(problem.kinds.astype(object), n_bins),
        "initial_bit": levels.initial_bit.T.ravel(), "deposited_bit": problem.supply_bit.T.ravel(),
        "used_bit": used.T.ravel(), "spilled_bit": levels.spilled_bit.T.ravel(),
        "expired_bit": levels.expired_bit.T.ravel(), "stock_bit": levels.stock_bit.T.ravel(),
    }).astype({"edge": str, "kind": str})  # fmt: skip
    return check_table(table, "STORES", "relay_keys")


def _delivery(flow: FlowResult, problem: KeyFlowProblem, scenario: Scenario) -> pd.DataFrame:
    n_demands, n_bins = problem.asked_bit.shape
    delivered = delivered_by_bin(flow, problem)
    starts = bin_starts(scenario)
    table = pd.DataFrame({
        "bin": np.repeat(starts, n_demands),
        "demand": np.tile(np.array([d.name for d in scenario.demands], dtype=object), n_bins),
        "asked_bit": problem.asked_bit.T.ravel(), "delivered_bit": delivered.T.ravel(),
        "shortage_bit": np.maximum(problem.asked_bit - delivered, 0.0).T.ravel(),
    }).astype({"demand": str})  # fmt: skip
    return check_table(table, "DELIVERY", "relay_keys")
