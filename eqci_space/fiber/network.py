"""The key graph of a scenario: terrestrial spans, last miles, and one edge per satellite and station."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from shapely import LineString, Point

from eqci_space.errors import ScenarioError
from eqci_space.fiber.network_io import read_network
from eqci_space.fiber.spans import link_spans
from eqci_space.scenario import FiberNetwork, Handover, LinkRules, Scenario, Station, dated_stations
from eqci_space.tables import check_table

__all__ = ["Network", "build_network", "satellite_and_station", "space_edge", "space_stations", "station_node"]


@dataclass(frozen=True)
class Network:
    """NODES and LINKS of the ground, after splitting and attaching stations."""

    nodes: gpd.GeoDataFrame
    links: gpd.GeoDataFrame


def space_edge(satellite: str, ogs: str) -> str:
    """Id of the key-graph edge between a satellite and a station, or between the two stations of a dual downlink.

    Parameters
    ----------
    satellite, ogs : str
        Names in the scenario; of two stations the first in order of names and the other.
    """
    return f"{satellite}|{ogs}"


def satellite_and_station(edge: str) -> tuple[str, str]:
    """Satellite and station, or the two stations, of a `space_edge`."""
    satellite, _, ogs = edge.partition("|")
    return satellite, ogs


def space_stations(edge: str, scenario: Scenario) -> tuple[str, ...]:
    """Station of a `space_edge`, or both of a dual downlink.

    Parameters
    ----------
    edge : str
        Id of an edge that came through space.
    scenario : Scenario
        Says which downlink there is.
    """
    ends = satellite_and_station(edge)
    return ends if scenario.protocol.downlink == "dual" else ends[1:]


def station_node(scenario: Scenario, ogs: str) -> str:
    """Node at which a station holds its key: its own, unless it stands at the end of a listed last mile.

    Parameters
    ----------
    scenario : Scenario
        With the station.
    ogs : str
        Name of a station.
    """
    station = scenario.stations[ogs]
    return f"OGS-{ogs}" if station.attach != "fibre" or station.positions else station.node


def build_network(scenario: Scenario) -> Network:
    """Terrestrial network of a scenario.

    Links without listed intermediate sites that are longer than ``fiber.unlisted_span_km`` become chains of equal spans
    with assumed trusted nodes. A span beyond the device's reach has rate 0, or is split the same way under
    ``beyond_reach = "split"``; one without key for another cause has rate 0 (`fiber.spans`). Colocated stations get an
    edge of their own, as do stations served by courier, whose rate is the pad carried over the interval; a mobile
    station has one such edge per position, open between its dates. Such stations lose the fibre that the network lists
    for them. Station nodes that the scenario does not use are left out.

    Parameters
    ----------
    scenario : Scenario
        Network, device, stations and agreements.

    Returns
    -------
    Network
        LINKS with length_km [km], loss_db [dB], skr_bit_s [bit/s], `reason` (why a span has no rate) and `assumed`
        (made by splitting).

    Raises
    ------
    DataError
        The network's files are malformed.
    ScenarioError
        An outage or a stock names a span that its link does not have.
    """
    raw_nodes, raw_links = read_network(scenario)
    used = {station_node(scenario, ogs) for ogs in scenario.stations}
    idle = raw_nodes.index[(raw_nodes["role"] == "station") & ~raw_nodes.index.isin(used)]
    raw_nodes = raw_nodes.drop(index=idle)
    cut_off = {station_node(scenario, o) for o, s in scenario.stations.items() if s.attach != "fibre" or s.positions}
    gone = {*idle, *cut_off}
    raw_links = _equal(raw_links[~(raw_links["a"].isin(gone) | raw_links["b"].isin(gone))], scenario.fiber.equal_spans)
    raw_nodes["operator"] = raw_nodes.get("operator", raw_nodes["domain"])
    node_rows = raw_nodes.reset_index()[
        ["node", "name", "country", "domain", "operator", "role", "trust", "latitude_deg", "longitude_deg"]
    ].to_dict("records")
    link_rows: list[dict[str, object]] = []
    by_name = {row["node"]: row for row in node_rows}
    for link, row in raw_links.iterrows():
        ends = by_name[row["a"]], by_name[row["b"]]
        nodes, links = _chain(str(link), row, ends, scenario)
        node_rows += nodes
        link_rows += links
    for ogs, station in scenario.stations.items():
        places = dated_stations(station)
        own = station_node(scenario, ogs)
        if own not in raw_nodes.index:
            node_rows.append({
                "node": own, "name": station.name, "country": station.country,
                "domain": raw_nodes["domain"].get(places[0].node, ""), "role": "station", "trust": "trusted",
                "operator": raw_nodes["operator"].get(places[0].node, ""),
                "latitude_deg": places[0].latitude_deg, "longitude_deg": places[0].longitude_deg,
            })  # fmt: skip
        for number, place in enumerate(places, start=1):
            if place.attach in ("colocated", "courier"):
                link = f"LM-{ogs}" if len(places) == 1 else f"LM-{ogs}/{number}"
                link_rows.append(_last_mile(link, own, place, scenario))
    link_rows += [_agreed_edge(h, scenario) for h in scenario.handovers if h.nodes is not None]
    if not link_rows:
        problem = (
            "no link is left: those of the network end at stations that take no part, or whose key goes otherwise; "
            'use them with attach = "fibre", or give such nodes another role'
        )
        raise ScenarioError(scenario.file or scenario.name, [("fiber.network", problem)])
    network = _tables(node_rows, link_rows, scenario)
    _require_spans(network, scenario)
    return network


def _require_spans(network: Network, scenario: Scenario) -> None:
    """Refuse outages and stocks of spans that a link does not have."""
    problems = []
    named = [(f"outage.{i}.link", o.link) for i, o in enumerate(scenario.outages) if o.link]
    for path, name in [*named, *((f"stock.{edge}", edge) for edge in scenario.stock)]:
        link, slash, _ = name.rpartition("/")
        spans = [str(s) for s in network.links.index[network.links["route"] == link]]
        if slash and spans and name not in spans:
            has = f"'{spans[0]}' to '{spans[-1]}'" if len(spans) > 1 else f"one span, '{spans[0]}'"
            problems.append((path, f"unknown span '{name}'; link '{link}' has {has}; name one of them, or the link"))
    if problems:
        raise ScenarioError(Path(scenario.file).name or scenario.name, problems)


def _agreed_edge(handover: Handover, scenario: Scenario) -> dict[str, object]:
    """The edge between two border nodes that an agreement adds."""
    assert handover.nodes is not None
    dates = {"valid_from": handover.valid_from, "valid_to": handover.valid_until}
    return {
        "link": f"HO-{handover.name}", "route": f"HO-{handover.name}", "a": handover.nodes[0], "b": handover.nodes[1],
        "length_km": 0.0, "loss_db": 0.0, "skr_bit_s": handover.rate_bit_s, "rate_model": "stated",
        "within_reach": True, **_store(scenario.fiber, LinkRules()), "medium": "handover", "assumed": False,
        "operator": "", "reason": "", "status": "handover", "confidence": "stated",
        **{key: value for key, value in dates.items() if value is not None},
    }  # fmt: skip


def _chain(
    link: str, row: pd.Series, ends: tuple[dict[Hashable, Any], dict[Hashable, Any]], scenario: Scenario
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """One link as spans, with the assumed nodes between them."""
    fiber, rules = scenario.fiber, scenario.links.get(link, LinkRules())
    every = link_spans(row, fiber, rules)
    spans = int(str(every.pop("spans")))
    names = [row["a"], *(f"{link}/{i}" for i in range(1, spans)), row["b"]]
    node_rows: list[dict[str, object]] = []
    for i in range(1, spans):
        share = i / spans
        near = ends[0] if share <= 0.5 else ends[1]
        node_rows.append({
            "node": names[i], "name": f"assumed node {i} on {link}", "country": near["country"],
            "domain": near["domain"], "operator": near["operator"], "role": "trusted_node", "trust": "assumed",
            "latitude_deg": float(ends[0]["latitude_deg"] * (1 - share) + ends[1]["latitude_deg"] * share),
            "longitude_deg": float(ends[0]["longitude_deg"] * (1 - share) + ends[1]["longitude_deg"] * share),
        })  # fmt: skip
    store = _store(fiber, rules)
    link_rows: list[dict[str, object]] = [
        {
            "link": link if spans == 1 else f"{link}/{i + 1}", "route": link, "a": names[i], "b": names[i + 1], **every,
            **store, "medium": row["medium"], "assumed": spans > 1, "operator": row.get("operator", ""),
            "status": row["status"], "confidence": row["confidence"],
        }
        for i in range(spans)
    ]  # fmt: skip
    return node_rows, link_rows


def _store(fiber: FiberNetwork, rules: LinkRules) -> dict[str, object]:
    """Cap, stock at the start and life of the key on an edge."""
    stock, life = rules.initial_stock_bit, rules.key_life_h or fiber.key_life_h
    return {
        "capacity_bit": rules.store_capacity_bit or fiber.store_capacity_bit,
        "initial_bit": fiber.initial_stock_bit if stock is None else stock,
        "life_h": math.inf if life is None else life,
    }


def _equal(links: pd.DataFrame, corridors: tuple[str, ...]) -> pd.DataFrame:
    """The links of some corridors as equal parts of them."""
    links = links.copy()
    for corridor in corridors:
        mine = links["corridor"] == corridor
        for column in ("length_km", "loss_db"):
            links.loc[mine, column] = links.loc[mine, column].astype(float).mean()
    return links


def _last_mile(link: str, own: str, place: Station, scenario: Scenario) -> dict[str, object]:
    """Edge between a station's own node and the node at which it stands, or to which its key is carried."""
    fiber, courier = scenario.fiber, place.courier
    rate = (
        fiber.colocated_rate_bit_s if place.attach == "colocated" else courier.pad_bit / (86400 * courier.interval_day)
    )
    dates = {"valid_from": place.valid_from, "valid_to": place.valid_to} if place.valid_from and place.valid_to else {}
    return {
        "link": link, "route": link, "a": own, "b": place.node, "length_km": 0.0, "loss_db": 0.0, "skr_bit_s": rate,
        "rate_model": "stated", **_store(fiber, scenario.links.get(link, LinkRules())), "operator": "",
        "within_reach": True, "medium": place.attach, "assumed": False, "reason": "", "status": place.attach,
        "confidence": "assumed", **dates,
    }  # fmt: skip


def _tables(node_rows: list[dict[str, object]], link_rows: list[dict[str, object]], scenario: Scenario) -> Network:
    nodes = pd.DataFrame(node_rows).set_index("node")
    points = [Point(xy) for xy in zip(nodes["longitude_deg"], nodes["latitude_deg"], strict=True)]
    where = gpd.GeoDataFrame(nodes, geometry=points, crs="EPSG:4326")
    links = pd.DataFrame(link_rows).set_index("link")
    links["valid_from"] = _dates(links, "valid_from", scenario.start)
    links["valid_to"] = _dates(links, "valid_to", scenario.end)
    for end in ("a", "b"):
        links[f"country_{end}"] = links[end].map(nodes["country"])
        links[f"domain_{end}"] = links[end].map(nodes["domain"])
    same = links["domain_a"] == links["domain_b"]
    links["domain"] = np.where(same, links["domain_a"], links["domain_a"] + "/" + links["domain_b"])
    lines = [LineString([points[nodes.index.get_loc(a)], points[nodes.index.get_loc(b)]])
             for a, b in zip(links["a"], links["b"], strict=True)]  # fmt: skip
    spans = gpd.GeoDataFrame(links, geometry=lines, crs="EPSG:4326")
    return Network(check_table(where, "NODES", "build_network"), check_table(spans, "LINKS", "build_network"))


def _dates(links: pd.DataFrame, column: str, default: datetime) -> pd.Series:
    """Dates between which an edge is open; by default the period's."""
    found = links[column] if column in links else pd.Series(None, index=links.index, dtype=object)
    return pd.to_datetime(found.astype(object).where(found.notna(), default), utc=True)
