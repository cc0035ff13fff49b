"""The key graph of a scenario: terrestrial spans, last miles, and one edge per satellite and station."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

import geopandas as gpd
import numpy as np
import pandas as pd
from shapely import LineString, Point

from eqci_space.fiber.network_io import read_network
from eqci_space.fiber.rates import fibre_key_rate_bit_s
from eqci_space.qkd.protocols import PROTOCOLS
from eqci_space.scenario import FiberNetwork, Scenario, Station, dated_stations
from eqci_space.tables import check_table

__all__ = ["Network", "build_network", "edge_supply_bit", "key_edges", "space_edge", "station_node"]


@dataclass(frozen=True)
class Network:
    """NODES and LINKS of the ground, after splitting and attaching stations."""

    nodes: gpd.GeoDataFrame
    links: gpd.GeoDataFrame


def space_edge(satellite: str, ogs: str) -> str:
    """Id of the key-graph edge between a satellite and a station."""
    return f"{satellite}|{ogs}"


def station_node(scenario: Scenario, ogs: str) -> str:
    """Node at which a station holds its key: its own, unless it stands at the end of a listed last mile."""
    station = scenario.stations[ogs]
    return f"OGS-{ogs}" if station.attach != "fibre" or station.positions else station.node


def build_network(scenario: Scenario) -> Network:
    """Terrestrial network of a scenario.

    Links without listed intermediate sites that are longer than ``fiber.unlisted_span_km`` become chains of
    equal spans with assumed trusted nodes. A span beyond the device's reach has rate 0, or is split the same
    way under ``beyond_reach = "split"``. Colocated stations get an edge of their own, as do stations served by
    courier, whose rate is the pad carried over the interval; a mobile station has one such edge per position, open
    between its dates. Such stations lose the fibre that the network lists for them. Station nodes that the scenario
    does not use are left out.

    Returns
    -------
    Network
        LINKS carry `reason` (why a span is dead) and `assumed` (made by splitting).
    """
    raw_nodes, raw_links = read_network(scenario)
    used = {station_node(scenario, ogs) for ogs in scenario.stations}
    idle = raw_nodes.index[(raw_nodes["role"] == "station") & ~raw_nodes.index.isin(used)]
    raw_nodes = raw_nodes.drop(index=idle)
    cut_off = {station_node(scenario, o) for o, s in scenario.stations.items() if s.attach != "fibre" or s.positions}
    gone = {*idle, *cut_off}
    raw_links = raw_links[~(raw_links["a"].isin(gone) | raw_links["b"].isin(gone))]
    node_rows = raw_nodes.reset_index()[
        ["node", "name", "country", "domain", "role", "trust", "latitude_deg", "longitude_deg"]
    ].to_dict("records")
    link_rows: list[dict[str, object]] = []
    for link, row in raw_links.iterrows():
        nodes, links = _chain(str(link), row, raw_nodes, scenario.fiber)
        node_rows += nodes
        link_rows += links
    for ogs, station in scenario.stations.items():
        places = dated_stations(station)
        own = station_node(scenario, ogs)
        if own not in raw_nodes.index:
            node_rows.append({
                "node": own, "name": station.name, "country": station.country,
                "domain": raw_nodes["domain"].get(places[0].node, ""), "role": "station", "trust": "trusted",
                "latitude_deg": places[0].latitude_deg, "longitude_deg": places[0].longitude_deg,
            })  # fmt: skip
        for number, place in enumerate(places, start=1):
            if place.attach in ("colocated", "courier"):
                link = f"LM-{ogs}" if len(places) == 1 else f"LM-{ogs}/{number}"
                link_rows.append(_last_mile(link, own, place, scenario))
    return _tables(node_rows, link_rows, scenario)


def _chain(
    link: str, row: pd.Series, nodes: pd.DataFrame, fiber: FiberNetwork
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """One link as spans, with the assumed nodes between them."""
    extra = 0
    if not int(row["listed_sites"]) and row["length_km"] > fiber.unlisted_span_km:
        extra = math.ceil(row["length_km"] / fiber.unlisted_span_km) - 1
    if fiber.beyond_reach == "split":
        extra = max(extra, math.ceil(round(row["loss_db"] / fiber.reach_db, 9)) - 1)
    spans = extra + 1
    loss_db = row["loss_db"] / spans
    reach = loss_db <= fiber.reach_db
    rate = fibre_key_rate_bit_s(round(loss_db, 6), fiber.device) * fiber.commissioning_factor if reach else 0.0
    reason = "" if reach else f"{loss_db:.1f} dB exceed the reach of {fiber.reach_db:g} dB"
    ends = nodes.loc[[row["a"], row["b"]]]
    protocol = fiber.device.protocol
    model = f"{protocol} ({PROTOCOLS[protocol].statement})"
    names = [row["a"], *(f"{link}/{i}" for i in range(1, spans)), row["b"]]
    node_rows: list[dict[str, object]] = []
    for i in range(1, spans):
        share = i / spans
        near = ends.iloc[0] if share <= 0.5 else ends.iloc[1]
        node_rows.append({
            "node": names[i], "name": f"assumed node {i} on {link}", "country": near["country"],
            "domain": near["domain"], "role": "trusted_node", "trust": "assumed",
            "latitude_deg": float(ends["latitude_deg"].iloc[0] * (1 - share) + ends["latitude_deg"].iloc[1] * share),
            "longitude_deg": float(ends["longitude_deg"].iloc[0] * (1 - share) + ends["longitude_deg"].iloc[1] * share),
        })  # fmt: skip
    link_rows: list[dict[str, object]] = [
        {
            "link": link if spans == 1 else f"{link}/{i + 1}", "a": names[i], "b": names[i + 1],
            "length_km": row["length_km"] / spans, "loss_db": loss_db, "skr_bit_s": rate, "within_reach": bool(reach),
            "rate_model": model, "medium": row["medium"], "assumed": spans > 1, "reason": reason,
            "status": row["status"], "confidence": row["confidence"],
        }
        for i in range(spans)
    ]  # fmt: skip
    return node_rows, link_rows


def _last_mile(link: str, own: str, place: Station, scenario: Scenario) -> dict[str, object]:
    """Edge between a station's own node and the node at which it stands, or to which its key is carried."""
    fiber, courier = scenario.fiber, place.courier
    rate = (
        fiber.colocated_rate_bit_s if place.attach == "colocated" else courier.pad_bit / (86400 * courier.interval_day)
    )
    dates = {"valid_from": place.valid_from, "valid_to": place.valid_to} if place.valid_from and place.valid_to else {}
    return {
        "link": link, "a": own, "b": place.node, "length_km": 0.0, "loss_db": 0.0, "skr_bit_s": rate,
        "rate_model": "stated",
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
    domain_a, domain_b = links["a"].map(nodes["domain"]), links["b"].map(nodes["domain"])
    links["domain"] = np.where(domain_a == domain_b, domain_a, domain_a + "/" + domain_b)
    lines = [LineString([points[nodes.index.get_loc(a)], points[nodes.index.get_loc(b)]])
             for a, b in zip(links["a"], links["b"], strict=True)]  # fmt: skip
    spans = gpd.GeoDataFrame(links, geometry=lines, crs="EPSG:4326")
    return Network(check_table(where, "NODES", "build_network"), check_table(spans, "LINKS", "build_network"))


def _dates(links: pd.DataFrame, column: str, default: datetime) -> pd.Series:
    """Dates between which an edge is open; by default the period's."""
    found = links[column] if column in links else pd.Series(None, index=links.index, dtype=object)
    return pd.to_datetime(found.astype(object).where(found.notna(), default), utc=True)


def key_edges(network: Network, scenario: Scenario) -> pd.DataFrame:
    """All edges that can hold key: fibre spans with a rate, and satellite-station pairs.

    Returns
    -------
    DataFrame
        Indexed by `edge`: a, b, kind (fibre | space), rate_bit_s, country_a, country_b (empty for a satellite),
        medium, valid_from, valid_to.
    """
    live = network.links[network.links["skr_bit_s"] > 0]
    ground = pd.DataFrame({
        "a": live["a"], "b": live["b"], "kind": "fibre", "rate_bit_s": live["skr_bit_s"],
        "country_a": live["country_a"], "country_b": live["country_b"], "medium": live["medium"],
        "valid_from": live["valid_from"], "valid_to": live["valid_to"],
    })  # fmt: skip
    space = pd.DataFrame(
        [
            {
                "edge": space_edge(satellite.name, ogs), "a": satellite.name, "b": station_node(scenario, ogs),
                "kind": "space", "rate_bit_s": 0.0, "country_a": "", "country_b": station.country, "medium": "space",
                "valid_from": pd.Timestamp(scenario.start), "valid_to": pd.Timestamp(scenario.end),
            }
            for satellite in scenario.satellites
            for ogs, station in scenario.stations.items()
        ],
        columns=["edge", *ground.columns],
    )  # fmt: skip
    both = pd.concat([ground.rename_axis("edge").reset_index(), space], ignore_index=True).set_index("edge")
    return both.astype({"rate_bit_s": float})


def edge_supply_bit(edges: pd.DataFrame, bins: list[tuple[datetime, datetime]], scenario: Scenario) -> np.ndarray:
    """Key (edges, bins) that edges bring in each bin by themselves: rate by open time, or the pads a courier brings.

    A courier comes at the start of the edge's dates and then every interval; its pad counts in the bin of the visit.
    """
    starts = np.array([(a - scenario.start).total_seconds() for a, _ in bins])
    ends = np.array([(b - scenario.start).total_seconds() for _, b in bins])
    supply = np.zeros((len(edges), len(bins)))
    for i, edge in enumerate(edges.itertuples()):
        begin = max(0.0, (edge.valid_from - scenario.start).total_seconds())
        end = (edge.valid_to - scenario.start).total_seconds()
        if edge.medium == "courier":
            courier = next(s.courier for o, s in scenario.stations.items() if f"OGS-{o}" == edge.a)
            visits = np.arange(begin, min(end, ends[-1]), courier.interval_day * 86400.0)
            supply[i] = courier.pad_bit * np.histogram(visits, np.append(starts, ends[-1]))[0]
        else:
            supply[i] = edge.rate_bit_s * np.maximum(0.0, np.minimum(ends, end) - np.maximum(starts, begin))
    return supply
