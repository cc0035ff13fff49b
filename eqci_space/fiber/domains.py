"""Hand-over between domains: which border edges key may cross, in which direction, and how much of it.

A border is an edge of fibre, or one that an agreement adds, between nodes of two domains. A satellite is in no domain:
key that passes it is handed over by nobody, needs no agreement, fills no quota and is counted by no border, whatever
the domains of the stations at its two ends. Who must not get key by that way is kept off it by the rules of the demand.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from eqci_space.errors import PlanError
from eqci_space.scenario import Demand, Handover, Scenario

__all__ = ["Border", "border_quotas", "borders", "crossing_bits", "crossing_mask"]

_NO_LIMIT_BIT = 1e18


@dataclass(frozen=True)
class Border:
    """An edge between two domains: its place in the edge table, the agreement over it, and whether that runs along it.

    `agreement` is None where borders are open. `along` says whether the edge runs from the agreement's first domain to
    its second.
    """

    edge: int
    agreement: Handover | None
    along: bool

    @property
    def agreed(self) -> bool:
        """Whether there is an agreement; a border without one is open, or shut."""
        return self.agreement is not None and self.agreement is not _SHUT


def borders(edges: pd.DataFrame, scenario: Scenario) -> list[Border]:
    """Edges between domains with the agreement that governs each; a border without agreement is open or shut.

    A pair of domains for which there is any agreement is open only where one says so.

    Parameters
    ----------
    edges : DataFrame
        Of `key_edges`.
    scenario : Scenario
        Agreements, and whether borders without one are open.

    Raises
    ------
    PlanError
        Two agreements govern one edge.
    """
    governed = {frozenset(h.domains) for h in scenario.handovers}
    shut = scenario.fiber.handover == "agreements_only"
    found = []
    kind, from_domain, to_domain, route = (
        edges[c].to_numpy(dtype=object) for c in ("kind", "domain_a", "domain_b", "route")
    )
    apart = (kind == "fibre") & (from_domain != to_domain) & (from_domain != "") & (to_domain != "")
    for i in np.flatnonzero(apart).tolist():
        pair, name = (from_domain[i], to_domain[i]), edges.index[i]
        mine = [h for h in scenario.handovers if _governs(h, name, route[i], pair)]
        if len(mine) > 1:
            raise PlanError(
                f"handover: '{mine[0].name}' and '{mine[1].name}' both govern '{name}'; give each its `links`"
            )
        if mine:
            found.append(Border(i, mine[0], mine[0].domains[0] == pair[0]))
        else:
            closed = shut or frozenset(pair) in governed
            found.append(Border(i, _SHUT if closed else None, True))
    return found


_SHUT = Handover(name="no agreement", domains=("first", "second"))


def _governs(handover: Handover, edge: str, route: str, pair: tuple[str, str]) -> bool:
    if frozenset(handover.domains) != frozenset(pair):
        return False
    if handover.nodes is not None:
        return edge == f"HO-{handover.name}"
    if edge.startswith("HO-"):
        return False
    return not handover.links or bool({edge, route} & set(handover.links))


def crossing_mask(found: list[Border], demand: Demand, n_edges: int) -> np.ndarray:
    """Arcs (2E,) that the agreements admit for a demand.

    Parameters
    ----------
    found : list of Border
        Of `borders`.
    demand : Demand
        Its purpose, and whether computational security is enough.
    n_edges : int
        Number of edges [1].
    """
    allowed = np.ones(2 * n_edges, dtype=bool)
    for border in found:
        agreement = border.agreement
        if agreement is None:
            continue
        wanted = border.agreed and (not agreement.purposes or demand.purpose in agreement.purposes)
        wanted &= agreement.protection == "trusted_node" or demand.computational
        forward, backward = (wanted and agreement.direction in ("both", way) for way in ("forward", "backward"))
        arcs = (forward, backward) if border.along else (backward, forward)
        allowed[2 * border.edge : 2 * border.edge + 2] = arcs
    return allowed


def border_quotas(
    found: list[Border], bins: list[tuple[datetime, datetime]], scenario: Scenario
) -> tuple[np.ndarray, np.ndarray]:
    """Quota of every arc (2E index or -1; for the edges up to the last border), and bits per quota and bin (Q, T).

    Each agreement with a quota or dates has one quota per direction; outside its dates nothing crosses.

    Parameters
    ----------
    found : list of Border
        Of `borders`.
    bins : list of (datetime, datetime)
        Start and end of each bin.
    scenario : Scenario
        Agreements with their quotas [bit/day] and dates.
    """
    limited = [h for h in scenario.handovers if h.quota_bit_per_day or h.valid_from or h.valid_until]
    row = {h.name: 2 * i for i, h in enumerate(limited)}
    last = max((b.edge for b in found), default=-1)
    of_arc = np.full(2 * (last + 1), -1)
    for border in found:
        if border.agreement is not None and border.agreement.name in row:
            first = row[border.agreement.name]
            arcs = (first, first + 1) if border.along else (first + 1, first)
            of_arc[2 * border.edge : 2 * border.edge + 2] = arcs
    quota = np.zeros((2 * len(limited), len(bins)))
    for i, agreement in enumerate(limited):
        for t, (start, end) in enumerate(bins):
            begin, stop = max(start, agreement.valid_from or start), min(end, agreement.valid_until or end)
            days = max(0.0, (stop - begin).total_seconds()) / 86400.0
            most = agreement.quota_bit_per_day * days if agreement.quota_bit_per_day else _NO_LIMIT_BIT * (days > 0)
            quota[2 * i : 2 * i + 2, t] = most
    return of_arc, quota


def crossing_bits(routes: pd.DataFrame, edges: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """Key that crossed every border edge, per bin and direction.

    Parameters
    ----------
    routes : DataFrame
        ROUTES.
    edges : DataFrame
        Of `key_edges`.
    scenario : Scenario
        Agreements.

    Returns
    -------
    DataFrame
        One row per bin, edge and direction used: from_domain, to_domain, agreement (empty where the border is open),
        protection, bit [bit].
    """
    place = {str(edges.index[b.edge]): b for b in borders(edges, scenario)}
    rows = []
    for route in routes.itertuples():
        for edge, start in zip(route.edges, route.path[:-1], strict=True):
            if edge not in place:
                continue
            agreement, row = place[edge].agreement, edges.loc[edge]
            ends = (row["domain_a"], row["domain_b"])
            from_domain, to_domain = ends if row["a"] == start else ends[::-1]
            rows.append((route.bin, edge, from_domain, to_domain, agreement.name if agreement else "",
                         agreement.protection if agreement else "trusted_node", route.bit))  # fmt: skip
    columns = ["bin", "edge", "from_domain", "to_domain", "agreement", "protection", "bit"]
    table = pd.DataFrame(rows, columns=columns).astype({"bit": float})
    return table.groupby(columns[:-1], as_index=False, sort=True)["bit"].sum() if len(table) else table
