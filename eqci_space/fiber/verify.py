"""An independent check of a relay from its tables alone: it shares no code with the solver.

What a programme found is read again as a bookkeeper would: every route along the edges that it names, every store bin
by bin, every class and agreement by its words. A difference is a fault of the toolkit, never of its user.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from eqci_space.errors import VerificationError
from eqci_space.fiber.relay import Relay
from eqci_space.scenario import Demand, Handover, Outage, Scenario

__all__ = ["delivery_worth", "verify_relay"]

_ROUNDING_BIT = 1.0  # of sums of 1e10 bit in double precision over a hundred paths
_RELATIVE = 1e-6
_WORTH_OF_THIRDS = (1.0 / 1.7, 0.5 / 1.7, 0.2 / 1.7)  # of a demand's weight: 1, 1/2 and 1/5 in parts of their sum
_HOP_PRICE = {"fibre": 1e-6, "last_mile": 1e-6, "space": 1e-4}  # stated tie-breaks per Mbit and hop
_INTERIOR = 2e-4  # relative, to which large programmes are solved


def verify_relay(relay: Relay, deposits: pd.DataFrame, scenario: Scenario, *, objective: str | None = None) -> None:
    """Recompute a relay from its tables and the rules of the scenario.

    Checked are: the ends and edges of every route; use of every edge; delivery, at most what is asked; the balance of
    every store, what arrived in it, its cap, and that key is not used before it serves or past its life; edges that are
    down; every class and prohibition; agreements, their dates and quotas; the objective within the stated tie-breaks.

    Parameters
    ----------
    relay : Relay
        Of `relay_keys` or `relay_bin_by_bin`.
    deposits : DataFrame
        DEPOSITS that it was made from.
    scenario : Scenario
    objective : {"weighted", "max_concurrent", "max_min"}, optional
        That of the relay; default the scenario's.

    Raises
    ------
    VerificationError
        The first difference, with the place, what the table says and what is right.
    """
    book = _Book(relay, deposits, scenario, objective or scenario.schedule.objective)
    _check_routes(book)
    _check_delivery(book)
    _check_stores(book)
    for name, rows in relay.routes.groupby("demand", sort=False):
        _check_class(book, book.demands[str(name)], rows)
    _check_agreements(book)
    _check_objective(book)


def _fail(what: str, got: object, right: object) -> None:
    raise VerificationError(f"verify_relay: {what}: the table says {got}, right is {right}")


class _Book:
    """Facts of a relay, looked up by name."""

    def __init__(self, relay: Relay, deposits: pd.DataFrame, scenario: Scenario, objective: str):
        self.relay, self.deposits, self.scenario, self.objective = relay, deposits, scenario, objective
        self.demands = {d.name: d for d in scenario.demands}
        starts = [t.to_pydatetime() for t in relay.delivery["bin"].drop_duplicates()]
        self.bins = list(pairwise([*starts, scenario.end]))
        self.number = {start: t for t, start in enumerate(starts)}
        nodes, links = relay.network.nodes, relay.network.links
        self.nation, self.operator = nodes["country"].to_dict(), nodes["operator"].to_dict()
        self.nation |= {s.name: s.nation for s in scenario.satellites}
        self.operator |= {s.name: s.operator for s in scenario.satellites}
        self.satellites = {s.name for s in scenario.satellites}
        self.domain = nodes["domain"].to_dict()
        self.links = {str(row.Index): row for row in links.drop(columns="geometry").itertuples()}
        self.ends = {name: (link.a, link.b) for name, link in self.links.items()}
        self.edge_operators = {name: {link.operator} for name, link in self.links.items()}
        self.stores: dict[str, list[Any]] = defaultdict(list)
        for row in relay.stores.sort_values("bin", kind="stable").itertuples():
            self.stores[row.edge].append(row)
        self.kind = {edge: rows[0].kind for edge, rows in self.stores.items()}
        for edge, kind in self.kind.items():
            if kind == "space" and scenario.protocol.downlink == "dual":
                one, _, other = edge.partition("|")  # no satellite is a node
                self.ends[edge] = self._station_node(one), self._station_node(other)
                self.edge_operators[edge] = {self.operator[s] for s in self.satellites}
            elif kind == "space":
                satellite, _, ogs = edge.partition("|")
                self.ends[edge] = satellite, self._station_node(ogs)
                self.edge_operators[edge] = {self.operator[satellite]}

    def route_of(self, edge: str) -> str:
        """Link that a span is part of; the edge itself for others."""
        return str(self.links[edge].route) if edge in self.links else edge

    def stations(self, edge: str) -> list[str]:
        """Stations at the ends of an edge through space."""
        return edge.split("|")[0 if self.scenario.protocol.downlink == "dual" else 1 :]

    def _station_node(self, ogs: str) -> str:
        station = self.scenario.stations[ogs]
        return station.node if station.attach == "fibre" and not station.positions else f"OGS-{ogs}"


def _check_routes(book: _Book) -> None:
    """Routes run between the ends of their demand along edges that join their nodes, and use what the stores say."""
    used: dict[tuple[datetime, str], float] = defaultdict(float)
    for row in book.relay.routes.itertuples():
        demand = book.demands[row.demand]
        if (row.path[0], row.path[-1]) != tuple(demand.between) or len(row.edges) != len(row.path) - 1:
            _fail(f"route of '{row.demand}' in {row.bin}", row.path, f"from {demand.between[0]} to {demand.between[1]}")
        for edge, a, b in zip(row.edges, row.path[:-1], row.path[1:], strict=True):
            if set(book.ends.get(edge, ())) != {a, b}:
                _fail(f"edge '{edge}' of a route of '{row.demand}'", f"{a} to {b}", book.ends.get(edge, "no such edge"))
            used[row.bin, edge] += row.bit
    for row in book.relay.stores.itertuples():
        expected = used.pop((row.bin, row.edge), 0.0)
        if abs(expected - row.used_bit) > _ROUNDING_BIT + _RELATIVE * expected:
            _fail(f"used_bit of '{row.edge}' in {row.bin}", row.used_bit, expected)
    if used:
        (time, edge), bit = next(iter(used.items()))
        _fail(f"use of '{edge}' in {time}", "no store", f"{bit:.0f} bit")


def _check_delivery(book: _Book) -> None:
    """A demand gets what its routes carry, the shares of an XOR counted once, and no more than it asks for."""
    bundles = book.relay.routes.drop_duplicates(["bin", "demand", "bundle"])
    carried = bundles.groupby(["bin", "demand"])["bit"].sum().to_dict()
    for row in book.relay.delivery.itertuples():
        start, end = book.bins[book.number[row.bin]]
        asked = _asked_bit_per_day(book.demands[row.demand]) * (end - start).total_seconds() / 86400.0
        where = f"of '{row.demand}' in {row.bin}"
        got = carried.pop((row.bin, row.demand), 0.0)
        for name, value, right in (
            ("asked_bit", row.asked_bit, asked), ("delivered_bit", row.delivered_bit, got),
            ("shortage_bit", row.shortage_bit, max(0.0, asked - got)),
        ):  # fmt: skip
            if abs(value - right) > _ROUNDING_BIT + _RELATIVE * right:
                _fail(f"{name} {where}", value, right)
        if book.objective != "max_concurrent" and got > asked * (1 + _RELATIVE) + _ROUNDING_BIT:
            _fail(f"delivered_bit {where}", got, f"at most {asked}")
    if carried:
        _fail("a route", next(iter(carried)), "a row of DELIVERY")


def _asked_bit_per_day(demand: Demand) -> float:
    """Key asked for [bit/day] in each of the four forms."""
    if demand.service is not None:
        keys_per_day = demand.service.encryptors * 86400.0 / demand.service.rekey_interval_s
        return keys_per_day * demand.service.key_bit
    return demand.bit_per_day or 256.0 * (demand.keys_256_per_day or 0.0) or 86400.0 * (demand.otp_bit_s or 0.0)


def _check_stores(book: _Book) -> None:
    """Stores by a queue of vintages: oldest key first, life, cap, and no key used before it serves."""
    came = _space_deposits(book)
    for edge, rows in book.stores.items():
        before = rows[0].initial_bit
        for t, row in enumerate(rows):
            where = f"of '{edge}' in {row.bin}"
            scale = _scale(row)
            left = row.initial_bit + row.deposited_bit - row.used_bit - row.spilled_bit - row.expired_bit
            serves = row.initial_bit + (0.0 if row.kind == "space" else row.deposited_bit)
            if abs(left - row.stock_bit) > scale:
                _fail(f"stock_bit {where}", row.stock_bit, left)
            if abs(before - row.initial_bit) > scale:
                _fail(f"initial_bit {where}", row.initial_bit, before)
            if row.used_bit > serves + scale or min(row.stock_bit, row.spilled_bit, row.expired_bit) < -scale:
                _fail(f"used_bit {where}", row.used_bit, f"at most {serves}, and nothing below 0")
            if row.kind == "space" and abs(row.deposited_bit - came.get((t, edge), 0.0)) > scale:
                _fail(f"deposited_bit {where}", row.deposited_bit, came.get((t, edge), 0.0))
            before = row.stock_bit
        if rows[0].kind != "space":
            _check_ground_supply(book, edge, rows)
        _check_cap_and_life(book, edge, rows)


def _scale(row: Any) -> float:
    """What sums of a store may differ by."""
    return _ROUNDING_BIT + _RELATIVE * float(row.initial_bit + row.deposited_bit)


def _space_deposits(book: _Book) -> dict[tuple[int, str], float]:
    """Key of contacts by bin of its arrival and edge; what comes after the period does not count."""
    came: dict[tuple[int, str], float] = defaultdict(float)
    for row in book.deposits.itertuples():
        for t, (start, end) in enumerate(book.bins):
            if start <= row.time < end:
                came[t, str(row.edge)] += row.bit
    return came


def _check_ground_supply(book: _Book, edge: str, rows: list[Any]) -> None:
    """Fibre brings its rate for the time in which it is open and up; a courier a pad with each visit."""
    link = book.links[edge]
    opens, closes = link.valid_from.to_pydatetime(), link.valid_to.to_pydatetime()
    down = list(_down(book, edge, book.scenario.outages))
    for row, (start, end) in zip(rows, book.bins, strict=True):
        if link.medium == "courier":
            courier = book.scenario.stations[link.a.removeprefix("OGS-")].courier
            visits = _visits(opens, min(closes, book.scenario.end), courier.interval_day)
            came = sum(start <= v < end and not any(a <= v < b for a, b in down) for v in visits)
            right = came * courier.pad_bit
        else:
            right = link.skr_bit_s * _seconds_without(max(start, opens), min(end, closes), down)
        if abs(row.deposited_bit - right) > _ROUNDING_BIT + _RELATIVE * right:
            _fail(f"deposited_bit of '{edge}' in {row.bin}", row.deposited_bit, right)


def _visits(first: datetime, end: datetime, interval_day: float) -> list[datetime]:
    """When a courier comes: at the start of the edge's dates, then every interval."""
    step = timedelta(days=interval_day)
    return [first + i * step for i in range(int(max(0.0, (end - first) / step)) + 1) if first + i * step < end]


def _down(book: _Book, edge: str, outages: tuple[Outage, ...]) -> Iterator[tuple[datetime, datetime]]:
    """Times in which an edge is down, as the outages name it."""
    ends = book.ends[edge]
    for outage in outages:
        named = (
            outage.link in (edge, book.route_of(edge)) if outage.link is not None
            else (outage.station is not None and book.kind[edge] == "space" and outage.station in book.stations(edge))
            or (outage.node or outage.satellite) in ends
        )  # fmt: skip
        if named:
            yield outage.start, outage.end


def _seconds_without(begin: datetime, stop: datetime, down: list[tuple[datetime, datetime]]) -> float:
    """Seconds of a time that lie in no outage, by cutting it at all their ends."""
    cuts = sorted({begin, stop, *(max(begin, min(stop, t)) for pair in down for t in pair)}) if begin < stop else []
    free = [(a, b) for a, b in pairwise(cuts) if not any(first <= a < last for first, last in down)]
    return sum((b - a).total_seconds() for a, b in free)


def _check_cap_and_life(book: _Book, edge: str, rows: list[Any]) -> None:
    """Spilled and expired key are those of a queue that gives its oldest first; nothing older than its life is used."""
    fiber, space = book.scenario.fiber, rows[0].kind == "space"
    cap = fiber.store_capacity_bit if space else book.links[edge].capacity_bit
    life_h = (fiber.key_life_h or np.inf) if space else book.links[edge].life_h
    bin_h = pd.Timedelta(book.scenario.schedule.bin).total_seconds() / 3600.0
    life = np.inf if np.isinf(life_h) else max(1, int(life_h / bin_h + 1e-9))
    shut = _shut(book, edge)
    queue = [[-1, rows[0].initial_bit]]  # bin of arrival, bits
    for t, row in enumerate(rows):
        scale, where = _scale(row), f"of '{edge}' in {row.bin}"
        queue += [] if space else [[t, row.deposited_bit]]
        short = _taken(queue, row.used_bit)
        queue += [[t, row.deposited_bit]] if space else []
        if short > scale:
            _fail(f"used_bit {where}", row.used_bit, f"{short:.0f} bit less are in store")
        expired = sum(bit for at, bit in queue if at + life <= t)
        queue = [[at, bit] for at, bit in queue if at + life > t]
        spilled = max(0.0, sum(bit for _, bit in queue) - cap)
        _taken(queue, spilled)
        for name, value, right in (("expired", row.expired_bit, expired), ("spilled", row.spilled_bit, spilled)):
            if abs(value - right) > 2 * scale:
                _fail(f"{name}_bit {where}", value, right)
        if row.stock_bit > cap + scale:
            _fail(f"stock_bit {where}", row.stock_bit, f"at most the cap of {cap:.0f}")
        if row.used_bit > scale and any(a <= book.bins[t][0] and book.bins[t][1] <= b for a, b in shut):
            _fail(f"used_bit {where}", row.used_bit, "0, for an outage stops everything there")


def _taken(queue: list[list[float]], amount: float) -> float:
    """Take key from a queue, the oldest first; what it lacks."""
    for vintage in queue:
        part = min(amount, vintage[1])
        vintage[1] -= part
        amount -= part
    return amount


def _shut(book: _Book, edge: str) -> list[tuple[datetime, datetime]]:
    """Times in which no key passes an edge."""
    total = [o for o in book.scenario.outages if (o.stops or ("everything" if o.node else "")) == "everything"]
    spans = sorted(_down(book, edge, tuple(total)))
    joined: list[tuple[datetime, datetime]] = []
    for a, b in spans:
        if joined and a <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(b, joined[-1][1])
        else:
            joined.append((a, b))
    return joined


def _check_class(book: _Book, demand: Demand, rows: pd.DataFrame) -> None:
    """Every share of every path keeps to the classes and prohibitions of its demand."""
    limits = {c.partition("=")[0]: c.partition("=")[2] for c in demand.assurance}
    home = {book.nation.get(n, "") for n in demand.between}
    for row in rows.itertuples():
        inner = list(row.path[1:-1])
        nations = [book.nation.get(n, "") for n in inner]
        operators = {book.operator.get(n, "") for n in inner}.union(*(book.edge_operators[e] for e in row.edges))
        foreign = sum(bool(n) and n not in home for n in nations)
        crossed = [
            e for e, a, b in zip(row.edges, row.path[:-1], row.path[1:], strict=True)
            if book.kind[e] != "space" and book.nation.get(a, "") != book.nation.get(b, "")
        ]  # fmt: skip
        broken = {
            "forbidden_nodes": set(inner) & set(demand.forbidden_nodes),
            "forbidden_nations": set(nations) & set(demand.forbidden_nations),
            "forbidden_operators": operators & set(demand.forbidden_operators),
            "national_only": "national_only" in limits and (len(home) != 1 or set(nations) - home),
            "space_path": "space_path" in limits and crossed,
            "max_nodes": "max_nodes" in limits and len(inner) > int(limits["max_nodes"]),
            "max_foreign_nodes": "max_foreign_nodes" in limits and foreign > int(limits["max_foreign_nodes"]),
        }
        for rule, seen in broken.items():
            if seen:
                _fail(f"path of '{demand.name}' in {row.bin}", row.path, f"none under {rule} ({seen})")
    for (time, _), shares in rows.groupby(["bin", "bundle"]):
        inner_sets = [set(path[1:-1]) for path in shares["path"]]
        wanted = 2 if "two_disjoint" in limits else 1
        if len(shares) != wanted or len(set().union(*inner_sets)) != sum(map(len, inner_sets)):
            _fail(f"shares of '{demand.name}' in {time}", list(shares["path"]), f"{wanted} without a common node")


def _check_agreements(book: _Book) -> None:
    """Key crosses between domains only as agreements say, in their direction, within their dates and quotas."""
    crossed: dict[tuple[str, bool, datetime], float] = defaultdict(float)
    for row in book.relay.routes.itertuples():
        for edge, a, b in zip(row.edges, row.path[:-1], row.path[1:], strict=True):
            pair = book.domain.get(a, ""), book.domain.get(b, "")
            if book.kind[edge] != "fibre" or not all(pair) or pair[0] == pair[1]:
                continue
            of_pair = [h for h in book.scenario.handovers if set(h.domains) == set(pair)]
            found = [h for h in of_pair if _governs(h, edge, book.route_of(edge))]
            if not found:
                if of_pair or book.scenario.fiber.handover == "agreements_only":
                    _fail(f"edge '{edge}' of a route of '{row.demand}'", "used", f"shut, {pair[0]} to {pair[1]}")
                continue
            agreement, demand = found[0], book.demands[row.demand]
            forward = agreement.domains == pair
            admitted = agreement.direction in ("both", "forward" if forward else "backward")
            admitted &= not agreement.purposes or demand.purpose in agreement.purposes
            admitted &= agreement.protection == "trusted_node" or demand.computational
            if not admitted:
                _fail(f"edge '{edge}' of a route of '{row.demand}'", "used", f"not admitted by '{agreement.name}'")
            crossed[agreement.name, forward, row.bin] += row.bit
    for (name, forward, time), bit in crossed.items():
        agreement = next(h for h in book.scenario.handovers if h.name == name)
        most = _quota_bit(agreement, *book.bins[book.number[time]])
        if bit > most * (1 + _RELATIVE) + _ROUNDING_BIT:
            way = "forward" if forward else "backward"
            _fail(f"key over agreement '{name}' {way} in {time}", f"{bit:.0f} bit", f"at most {most:.0f} bit")


def _governs(agreement: Handover, edge: str, route: str) -> bool:
    if agreement.nodes is not None or edge.startswith("HO-"):
        return agreement.nodes is not None and edge == f"HO-{agreement.name}"
    return not agreement.links or edge in agreement.links or route in agreement.links


def _quota_bit(agreement: Handover, start: datetime, end: datetime) -> float:
    """Most key that an agreement lets through in a bin and direction."""
    begin, stop = max(start, agreement.valid_from or start), min(end, agreement.valid_until or end)
    days = max(0.0, (stop - begin).total_seconds()) / 86400.0
    if agreement.quota_bit_per_day is None:
        return float("inf") if days > 0 else 0.0
    return agreement.quota_bit_per_day * days


def _check_objective(book: _Book) -> None:
    """The objective is the worth of the delivery, less at most the tie-breaks of all hops."""
    delivery = book.relay.delivery
    if book.objective != "weighted":
        total = delivery.groupby("demand", sort=False)[["asked_bit", "delivered_bit"]].sum()
        share = (total["delivered_bit"] / total["asked_bit"]).to_numpy()
        for name, said, right in zip(total.index, book.relay.share, share, strict=True):
            if said > right + _INTERIOR * max(1.0, right):
                _fail(f"share of '{name}'", said, f"at most {right}")
        return
    worth = delivery_worth(delivery, book.scenario)
    most = delivery.groupby("demand")["asked_bit"].max()
    ties = sum(
        row.bit / 1e6 * sum(_HOP_PRICE[book.kind[e]] for e in row.edges)
        * _tie_scale(book.demands[row.demand].weight, most[row.demand])
        for row in book.relay.routes.itertuples()
    )  # fmt: skip
    slack = _INTERIOR * max(1.0, worth)
    if not worth - ties - slack <= book.relay.objective <= worth + slack:
        _fail("the objective", book.relay.objective, f"{worth:.6f}, less ties of at most {ties:.6f}")
    if book.relay.bound < book.relay.objective - slack:
        _fail("the bound", book.relay.bound, f"at least the objective {book.relay.objective}")


def delivery_worth(delivery: pd.DataFrame, scenario: Scenario) -> float:
    """Weighted satisfaction of a DELIVERY: of what is asked for in a bin each third counts less than the one before."""
    weight, worth = {d.name: d.weight for d in scenario.demands}, 0.0
    for row in delivery.itertuples():
        share = row.delivered_bit / row.asked_bit if row.asked_bit else 0.0
        thirds = [min(max(3 * share - i, 0.0), 1.0) for i in range(3)]
        worth += weight[row.demand] * sum(w * x for w, x in zip(_WORTH_OF_THIRDS, thirds, strict=True))
    return worth


def _tie_scale(weight: float, asked_bit: float) -> float:
    """Power of 1/100 that keeps two hops over space below a hundredth of what a demand's last third is worth."""
    worth_per_mbit = 3 * weight * _WORTH_OF_THIRDS[2] * 1e6 / asked_bit
    scale = 1.0
    while 2 * _HOP_PRICE["space"] * scale > worth_per_mbit / 100 * (1 + 1e-12):
        scale /= 100
    return scale
