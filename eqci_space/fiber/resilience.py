"""What fails and what it costs: every single failure re-solved, and the answer to one outage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from eqci_space.fiber.edges import FIBRE, SPACE
from eqci_space.fiber.key_flow import FlowResult, solve_key_flow
from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.fiber.network import Network, build_network, station_node
from eqci_space.fiber.paths import route_arcs
from eqci_space.fiber.problem import bin_edges, flow_problem
from eqci_space.fiber.relay import Relay, relay_bin_by_bin, with_deposits
from eqci_space.machine.progress import notebook_bar
from eqci_space.scenario import Scenario
from eqci_space.units import KEY_BIT

__all__ = ["OutageAnswer", "outage_answer", "single_failures"]

_SERVED = 1 - 1e-6


@notebook_bar("failures")
def single_failures(
    deposits: pd.DataFrame,
    scenario: Scenario,
    *,
    network: Network | None = None,
    kinds: tuple[str, ...] = ("node", "link", "station", "satellite"),
    one_bin: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Relay solved anew without each node, link, station and satellite in turn, ranked by keys lost.

    Contacts stay as they are; what fails is gone for the whole period. Links of one route (a chain of spans) fail
    together, and so do a station, its own node and its last mile. A demand that ends at a failed node is lost, and
    counted apart. Under a dual downlink a satellite is no node: where there is one, all edges through space fail with
    it; several may fill the same edge, and are left out.

    Parameters
    ----------
    deposits : DataFrame
        DEPOSITS.
    scenario : Scenario
    kinds : tuple of str
    one_bin : bool
        Take the period for one bin for what takes no edge of a satellite away: a screening, faster and more optimistic.
    progress : callable, optional
        Called with the cases done and their number.

    Returns
    -------
    DataFrame
        Indexed by `failure` (kind and name): kind, delivered_bit, lost_bit, lost_keys (of 256 bit), lost_share of the
        weighted objective, lost_at_ends_bit (of demands that end at the failed node), worst_demand and its share left.
    """
    network = network or build_network(scenario)
    problem = with_deposits(flow_problem(network, scenario), deposits, scenario)
    whole = _Base.of(problem)
    screened = _Base.of(_one_bin(problem)) if one_bin else whole
    cases = _cases(problem, scenario, network, kinds)
    rows = []
    for done, (kind, name, edges) in enumerate(cases, start=1):
        rows.append(_failed(whole if problem.delayed[edges].any() else screened, kind, name, edges, scenario))
        if progress:
            progress(done, len(cases))
    columns = ["failure", "kind", "delivered_bit", "lost_bit", "lost_keys", "lost_share", "lost_at_ends_bit",
               "worst_demand", "worst_share"]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns).set_index("failure")
    return table.sort_values(["lost_bit", "lost_share"], ascending=False, kind="stable")


def _one_bin(problem: KeyFlowProblem) -> KeyFlowProblem:
    closed = problem.closed
    if closed.size:
        closed = np.asarray(closed.all(axis=1)).reshape(-1, 1)
    return replace(
        problem, supply_bit=problem.supply_bit.sum(axis=1, keepdims=True), delayed=np.zeros_like(problem.delayed),
        asked_bit=problem.asked_bit.sum(axis=1, keepdims=True), life_bins=np.empty(0, dtype=int),
        quota_bit=problem.quota_bit.sum(axis=1, keepdims=True),
        closed=closed,
    )  # fmt: skip


def _cases(
    problem: KeyFlowProblem, scenario: Scenario, network: Network, kinds: tuple[str, ...]
) -> list[tuple[str, str, np.ndarray]]:
    """Failures with the edges that they take away."""
    ids = np.array([e for e, _, _ in problem.edges], dtype=object)
    ends = np.array([(a, b) for _, a, b in problem.edges], dtype=object)
    satellites = {s.name for s in scenario.satellites}
    own = {o: node for o in scenario.stations if (node := station_node(scenario, o)) == f"OGS-{o}"}

    def at(node: str) -> np.ndarray:
        return np.flatnonzero((ends == node).any(axis=1))

    cases = []
    if "node" in kinds:
        nodes = sorted(set(ends.ravel().tolist()) - satellites - set(own.values()))
        cases += [("node", node, at(node)) for node in nodes]
    if "link" in kinds:
        route = network.links["route"].reindex(ids).to_numpy()
        names = sorted({r for r, kind in zip(route, problem.kinds, strict=True) if kind == FIBRE})
        cases += [("link", name, np.flatnonzero(route == name)) for name in names]
    if "station" in kinds:
        for ogs in scenario.stations:
            space = (problem.kinds == SPACE) & (ends == station_node(scenario, ogs)).any(axis=1)
            cases.append(("station", ogs, at(own[ogs]) if ogs in own else np.flatnonzero(space)))
    if "satellite" in kinds and scenario.protocol.downlink == "dual":
        alone = satellites if len(satellites) == 1 else ()
        cases += [("satellite", name, np.flatnonzero(problem.kinds == SPACE)) for name in alone]
    elif "satellite" in kinds:
        cases += [("satellite", name, at(name)) for name in sorted(satellites)]
    return [case for case in cases if len(case[2])]


@dataclass(frozen=True)
class _Base:
    """A relay problem, its optimum without any failure, and the paths of that."""

    problem: KeyFlowProblem
    flow: FlowResult

    @classmethod
    def of(cls, problem: KeyFlowProblem) -> _Base:
        """Solve a problem."""
        return cls(problem, solve_key_flow(problem))


def _failed(base: _Base, kind: str, name: str, edges: np.ndarray, scenario: Scenario) -> tuple:
    hit = set(edges.tolist())
    problem, flow = base.problem, base.flow
    before = after = flow.delivered_bit(len(problem.ends))
    objective = flow.objective
    # Where nothing relayed passes the optimum stays.
    if any(arc >> 1 in hit for _, _, route, _ in flow.paths for arc in route_arcs(route)):
        closed = problem.closed.copy() if problem.closed.size else np.zeros(problem.supply_bit.shape, dtype=bool)
        closed[edges] = True
        known = [(k, t, route) for k, t, route, _ in flow.paths]
        without = solve_key_flow(replace(problem, closed=closed), known=known)
        after, objective = without.delivered_bit(len(problem.ends)), without.objective
    at_ends = np.array([kind == "node" and name in pair for pair in problem.ends])
    lost = float((before - after).sum())
    left = np.divide(after, before, out=np.ones_like(after), where=before > 0)
    worst = int(np.argmin(left))
    share = (flow.objective - objective) / max(flow.objective, 1e-300)
    lost_at_ends = float((before - after)[at_ends].sum())
    return (f"{kind} {name}", kind, float(after.sum()), lost, lost / KEY_BIT, share, lost_at_ends,
            scenario.demands[worst].name, float(left[worst]))  # fmt: skip


@dataclass(frozen=True)
class OutageAnswer:
    """What an outage changes: `demands` and `stores` as tables, and both relays.

    Attributes
    ----------
    demands : DataFrame
        Per demand: served_until (start of the first bin with less than before; NaT if none), shortage_bit against the
        relay without the outage, and the path that carried most before and during the outage.
    stores : DataFrame
        Per edge that was drawn below what it would hold: lowest_bit, and refilled_at, the start of the first bin after
        the outage at whose end it holds as much as without (NaT: not within the period).
    """

    demands: pd.DataFrame
    stores: pd.DataFrame
    before: Relay
    after: Relay


def outage_answer(
    deposits: pd.DataFrame, scenario: Scenario, changed: Scenario, *, lost: Sequence[str] = ()
) -> OutageAnswer:
    """Compare the relay of a scenario with that of the scenario under an overlay, contacts as planned.

    Both are relayed bin by bin, for nobody knows of an outage beforehand, and in the same bins: those of the plan,
    split where an outage of either begins or ends that stops everything.

    Parameters
    ----------
    deposits : DataFrame
        DEPOSITS of the plan.
    scenario, changed : Scenario
        Without and with outages, stocks or demands changed; demands are matched by name.
    lost : sequence of str
        Contacts that bring nothing under the change, such as those of a station that is out.
    """
    marks = tuple(sorted({*bin_edges(scenario), *bin_edges(changed)}))
    left = deposits[~deposits["contact_id"].isin(lost)]
    before, after = (
        relay_bin_by_bin(brought, s.model_copy(update={"bin_marks": marks}))
        for brought, s in ((deposits, scenario), (left, changed))
    )
    common = [d.name for d in scenario.demands if d.name in {c.name for c in changed.demands}]
    rows = []
    for name in common:
        old, new = (r.delivery[r.delivery["demand"] == name].set_index("bin") for r in (before, after))
        short = new["delivered_bit"] < old["delivered_bit"].reindex(new.index) * _SERVED - 1.0
        rows.append({
            "demand": name, "served_until": short.index[short.to_numpy()].min() if short.any() else pd.NaT,
            "shortage_bit": float((old["delivered_bit"] - new["delivered_bit"]).sum()),
            "path_before": _main_path(before, name, None),
            "path_during": _main_path(after, name, _affected(before, after, name)),
        })  # fmt: skip
    return OutageAnswer(pd.DataFrame(rows).set_index("demand"), _drawn(before, after, changed), before, after)


def _affected(before: Relay, after: Relay, demand: str) -> list:
    """Bins in which the routes of a demand differ."""
    old, new = (
        r.routes[r.routes["demand"] == demand].groupby("bin")["path"].agg(lambda p: sorted(map(tuple, p))).to_dict()
        for r in (before, after)
    )
    return [b for b in new if old.get(b) != new[b]]


def _main_path(relay: Relay, demand: str, bins: list | None) -> str:
    mine = relay.routes[relay.routes["demand"] == demand]
    if bins is not None:
        mine = mine[mine["bin"].isin(bins)]
    if mine.empty:
        return ""
    return " – ".join(mine.groupby(mine["path"].map(tuple))["bit"].sum().idxmax())


def _drawn(before: Relay, after: Relay, changed: Scenario) -> pd.DataFrame:
    """Stores that the outage draws on, and when they are full again."""
    both = before.stores.merge(after.stores, on=["bin", "edge"], suffixes=("", "_after"))
    both["less"] = both["stock_bit_after"] < both["stock_bit"] * _SERVED - 1.0
    over = max((o.end for o in changed.outages), default=changed.start)
    rows = []
    for edge, part in both.groupby("edge", sort=True):
        if not part["less"].any():
            continue
        last = part["bin"][part["less"]].max()
        full = part["bin"][(part["bin"] > last) & (part["bin"] >= pd.Timestamp(over) - pd.Timedelta("1D"))]
        rows.append((edge, float(part["stock_bit_after"].min()), full.min() if len(full) else pd.NaT))
    return pd.DataFrame(rows, columns=["edge", "lowest_bit", "refilled_at"]).set_index("edge")
