"""Edges of the key graph over the bins: what they bring by themselves, what contacts bring, when they are down."""

from __future__ import annotations

from datetime import datetime
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from eqci_space.fiber.network import Network, space_edge, space_stations, station_node
from eqci_space.scenario import Outage, Scenario
from eqci_space.tables import second

__all__ = [
    "FIBRE",
    "LAST_MILE",
    "SPACE",
    "block_closings",
    "closed_bins",
    "contact_arrivals",
    "edge_supply_bit",
    "key_edges",
    "stops_everything",
]

FIBRE, LAST_MILE, SPACE = "fibre", "last_mile", "space"
"""Kinds of an edge; whether key came through space is its kind, never a matter of its id."""
_ROUNDING = 1e-9
_LAST_MILE_MEDIA = ("colocated", "courier")

_GROUND = [
    "a",
    "b",
    "route",
    "medium",
    "country_a",
    "country_b",
    "domain_a",
    "domain_b",
    "operator",
    "capacity_bit",
    "initial_bit",
    "life_h",
    "valid_from",
    "valid_to",
]


def key_edges(network: Network, scenario: Scenario) -> pd.DataFrame:
    """All edges that can hold key: fibre spans with a rate or a stock, hand-overs, and satellite-station pairs.

    Under a dual downlink the satellite sees no key and is no node: edges through space join pairs of stations that hold
    their key at different nodes.

    Returns
    -------
    DataFrame
        Indexed by `edge`: a, b, kind (fibre | last_mile | space), rate_bit_s, route (the link that a span is part of),
        country and domain of both ends (empty for a satellite, and domains for all edges through space), operator (of
        the satellites that may fill it), medium, capacity_bit, initial_bit, life_h, valid_from, valid_to.
    """
    links = network.links
    live = links[(links["skr_bit_s"] > 0) | (links["initial_bit"] > 0) | links.index.isin(scenario.stock)]
    kind = np.where(live["medium"].isin(_LAST_MILE_MEDIA), LAST_MILE, FIBRE)
    ground = live[_GROUND].assign(kind=kind, rate_bit_s=live["skr_bit_s"])
    fiber = scenario.fiber
    ends = _dual_ends(scenario) if scenario.protocol.downlink == "dual" else _satellite_ends(scenario)
    space = pd.DataFrame(
        [
            {
                "edge": edge, "a": a, "b": b, "kind": SPACE, "rate_bit_s": 0.0, "route": edge, "medium": "space",
                "country_a": country_a, "country_b": country_b, "domain_a": "", "domain_b": "",
                "operator": operator, "capacity_bit": fiber.store_capacity_bit, "initial_bit": 0.0,
                "life_h": np.inf if fiber.key_life_h is None else fiber.key_life_h,
                "valid_from": pd.Timestamp(scenario.start), "valid_to": pd.Timestamp(scenario.end),
            }
            for edge, a, b, country_a, country_b, operator in ends
        ],
        columns=["edge", *ground.columns],
    )  # fmt: skip
    both = pd.concat([pd.DataFrame(ground).rename_axis("edge").reset_index(), space], ignore_index=True)
    both = both.set_index("edge").astype({"rate_bit_s": float, "initial_bit": float, "life_h": float})
    for edge, bit in scenario.stock.items():
        if edge in both.index:
            both.loc[edge, "initial_bit"] = bit
    return both.sort_index()  # so that no result depends on the order in which a scenario names its stations


def _satellite_ends(scenario: Scenario) -> list[tuple[str, ...]]:
    """Edge, ends, their countries and operator of every satellite and station."""
    return [
        (
            space_edge(satellite.name, ogs), satellite.name, station_node(scenario, ogs), "", station.country,
            satellite.operator,
        )
        for satellite in scenario.satellites
        for ogs, station in scenario.stations.items()
    ]  # fmt: skip


def _dual_ends(scenario: Scenario) -> list[tuple[str, ...]]:
    """The same of every pair of stations at different nodes; any satellite may fill the edge."""
    operators = ", ".join(sorted({s.operator for s in scenario.satellites} - {""}))
    found: list[tuple[str, ...]] = []
    for one, other in combinations(sorted(scenario.stations), 2) if scenario.satellites else ():
        a, b = station_node(scenario, one), station_node(scenario, other)
        nations = scenario.stations[one].country, scenario.stations[other].country
        if a != b:
            found.append((space_edge(one, other), a, b, *nations, operators))
    return found


def contact_arrivals(contacts: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """When and where the key of contacts arrives, by their index.

    Key of a contact is on the edge of its satellite and station, or of both stations of a dual downlink, once
    post-processing is done; it serves from the bin after that. Every stage that asks takes the answer from here.

    Parameters
    ----------
    contacts : DataFrame
        With satellite, ogs, ogs_b and end, such as CONTACTS or CANDIDATES.

    Returns
    -------
    DataFrame
        time and edge.
    """
    edges = [
        space_edge(*sorted((ogs, ogs_b))) if ogs_b else space_edge(satellite, ogs)
        for satellite, ogs, ogs_b in zip(contacts["satellite"], contacts["ogs"], second(contacts, "ogs_b"), strict=True)
    ]
    return pd.DataFrame({
        "time": contacts["end"] + pd.Timedelta(seconds=scenario.schedule.post_processing_s),
        "edge": pd.Series(edges, index=contacts.index, dtype=str),
    })  # fmt: skip


def block_closings(edge: np.ndarray, end: pd.DatetimeIndex, fill: np.ndarray) -> np.ndarray:
    """At the end of which contact the block of each closes, where blocks wait for several.

    Key of a satellite and a station goes into one block after the other: a block closes with the contact that fills it,
    and the next begins with the one after.

    Parameters
    ----------
    edge, end : (n,) arrays
        Edge that each contact fills, and its end.
    fill : (W, n) array
        Part of a block that each brings in W worlds.

    Returns
    -------
    (W, n) integer array
        Number of the contact; -1 where the block is still open at the end.
    """
    closes, order = np.full(fill.shape, -1), np.argsort(end, kind="stable")
    for name in pd.unique(edge):
        mine = order[np.asarray(edge)[order] == name]
        held, shut = np.zeros(len(fill)), np.zeros((len(mine), len(fill)), dtype=bool)
        for i, contact in enumerate(mine):
            held += fill[:, contact]
            shut[i] = held >= 1 - _ROUNDING
            held[shut[i]] = 0.0
        following = np.full(len(fill), -1)
        for contact, closed in zip(mine[::-1], shut[::-1], strict=True):
            following = np.where(closed, contact, following)
            closes[:, contact] = following
    return closes


def edge_supply_bit(edges: pd.DataFrame, bins: list[tuple[datetime, datetime]], scenario: Scenario) -> np.ndarray:
    """Key (edges, bins) that edges bring in each bin by themselves: rate by open time, or the pads a courier brings.

    A courier comes at the start of the edge's dates and then every interval; its pad counts in the bin of the visit.
    Nothing is distilled during outages.
    """
    starts = np.array([(a - scenario.start).total_seconds() for a, _ in bins])
    ends = np.array([(b - scenario.start).total_seconds() for _, b in bins])
    begins_s, ends_s = (
        np.array([(t - scenario.start).total_seconds() for t in edges[c]])[:, None] for c in ("valid_from", "valid_to")
    )
    supply = edges["rate_bit_s"].to_numpy(dtype=float)[:, None] * _overlap_s(
        starts, ends, np.maximum(0.0, begins_s), ends_s
    )
    couriers = {station_node(scenario, o): s.courier for o, s in scenario.stations.items()}
    special = np.arange(len(edges)) if scenario.outages else np.flatnonzero(edges["medium"] == "courier")
    for i, edge in zip(special.tolist(), edges.iloc[special].itertuples(), strict=True):
        begin = max(0.0, (edge.valid_from - scenario.start).total_seconds())
        end = (edge.valid_to - scenario.start).total_seconds()
        down = _down(edge, scenario.outages, scenario)
        if edge.medium == "courier":
            courier = couriers[edge.a]
            interval_s = courier.interval_day * 86400.0
            first = (edge.valid_from - scenario.start).total_seconds()
            first += max(0.0, np.ceil(-first / interval_s)) * interval_s
            visits = np.arange(first, min(end, ends[-1]), interval_s)
            visits = visits[[all(not a <= v < b for a, b in down) for v in visits]]
            supply[i] = courier.pad_bit * np.histogram(visits, np.append(starts, ends[-1]))[0]
        else:
            open_s = _overlap_s(starts, ends, begin, end)
            for a, b in down:
                open_s -= _overlap_s(starts, ends, max(a, begin), min(b, end))
            supply[i] = edge.rate_bit_s * open_s
    return supply


def closed_bins(edges: pd.DataFrame, bins: list[tuple[datetime, datetime]], scenario: Scenario) -> np.ndarray:
    """Whether no key passes an edge in a bin (edges, bins): the bin lies inside an outage that stops everything."""
    starts = np.array([(a - scenario.start).total_seconds() for a, _ in bins])
    ends = np.array([(b - scenario.start).total_seconds() for _, b in bins])
    total = [o for o in scenario.outages if stops_everything(o)]
    closed = np.zeros((len(edges), len(bins)), dtype=bool)
    for i, edge in enumerate(edges.itertuples() if total else ()):
        for a, b in _down(edge, tuple(total), scenario):
            closed[i] |= (starts >= a) & (ends <= b)
    return closed


def stops_everything(outage: Outage) -> bool:
    """Whether no key passes during an outage, stock included; the usual case for nodes."""
    usual = "everything" if outage.node is not None else "key_generation"
    return (outage.stops or usual) == "everything"


def _overlap_s(starts: np.ndarray, ends: np.ndarray, begin: float | np.ndarray, end: float | np.ndarray) -> np.ndarray:
    return np.maximum(0.0, np.minimum(ends, end) - np.maximum(starts, begin))


def _down(edge: Any, outages: tuple[Outage, ...], scenario: Scenario) -> list[tuple[float, float]]:
    """Merged times [s from the start] in which an edge is down."""
    hit = [o for o in outages if _touches(o, edge, scenario)]
    spans = sorted(((o.start - scenario.start).total_seconds(), (o.end - scenario.start).total_seconds()) for o in hit)
    merged: list[tuple[float, float]] = []
    for a, b in spans:
        if merged and a <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(b, merged[-1][1])
        else:
            merged.append((a, b))
    return merged


def _touches(outage: Outage, edge: Any, scenario: Scenario) -> bool:
    ends = {edge.a, edge.b}
    if outage.link is not None:
        return outage.link in (edge.Index, edge.route)
    if outage.station is not None:
        if edge.kind == SPACE and scenario.protocol.downlink == "dual":
            return outage.station in space_stations(edge.Index, scenario)
        return bool(edge.kind == SPACE and edge.b == station_node(scenario, outage.station))
    return (outage.node or outage.satellite) in ends
