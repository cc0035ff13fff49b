"""The key graph of a scenario: terrestrial spans, last miles, and one edge per satellite and station."""

from __future__ import annotations

import math
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
from shapely import LineString, Point

from eqci_space.fiber.network_io import read_network
from eqci_space.fiber.rates import fibre_key_rate_bit_s
from eqci_space.scenario import FiberNetwork, Scenario
from eqci_space.tables import check_table

__all__ = ["Network", "build_network", "key_edges", "space_edge", "station_node"]


@dataclass(frozen=True)
class Network:
    """NODES and LINKS of the ground, after splitting and attaching stations."""

    nodes: gpd.GeoDataFrame
    links: gpd.GeoDataFrame


def space_edge(satellite: str, ogs: str) -> str:
    """Id of the key-graph edge between a satellite and a station."""
    return f"{satellite}|{ogs}"


def station_node(scenario: Scenario, ogs: str) -> str:
    """Node at which a station holds its key: its own node, also where it stands inside another site."""
    station = scenario.stations[ogs]
    return f"OGS-{ogs}" if station.attach != "fibre" else station.node


def build_network(scenario: Scenario) -> Network:
    """Terrestrial network of a scenario.

    Links without listed intermediate sites that are longer than ``fiber.unlisted_span_km`` become chains of
    equal spans with assumed trusted nodes. A span beyond the device's reach has rate 0, or is split the same
    way under ``beyond_reach = "split"``. Colocated stations get an edge of their own; station nodes that the
    scenario does not use are left out.

    Returns
    -------
    Network
        LINKS carry `reason` (why a span is dead) and `assumed` (made by splitting).
    """
    raw_nodes, raw_links = read_network(scenario)
    used = {station_node(scenario, ogs) for ogs in scenario.stations}
    idle = raw_nodes.index[(raw_nodes["role"] == "station") & ~raw_nodes.index.isin(used)]
    raw_nodes = raw_nodes.drop(index=idle)
    raw_links = raw_links[~(raw_links["a"].isin(idle) | raw_links["b"].isin(idle))]
    node_rows = raw_nodes.reset_index()[
        ["node", "name", "country", "domain", "role", "trust", "latitude_deg", "longitude_deg"]
    ].to_dict("records")
    link_rows: list[dict[str, object]] = []
    for link, row in raw_links.iterrows():
        nodes, links = _chain(str(link), row, raw_nodes, scenario.fiber)
        node_rows += nodes
        link_rows += links
    for ogs, station in scenario.stations.items():
        if station.attach != "fibre":
            node_rows.append({
                "node": f"OGS-{ogs}", "name": station.name, "country": station.country,
                "domain": raw_nodes["domain"].get(station.node, ""), "role": "station", "trust": "trusted",
                "latitude_deg": station.latitude_deg, "longitude_deg": station.longitude_deg,
            })  # fmt: skip
        if station.attach == "colocated":
            link_rows.append(_colocated(ogs, station.node, scenario.fiber))
    return _tables(node_rows, link_rows)


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
            "medium": row["medium"], "assumed": spans > 1, "reason": reason, "status": row["status"],
            "confidence": row["confidence"],
        }
        for i in range(spans)
    ]  # fmt: skip
    return node_rows, link_rows


def _colocated(ogs: str, node: str, fiber: FiberNetwork) -> dict[str, object]:
    return {
        "link": f"LM-{ogs}", "a": f"OGS-{ogs}", "b": node, "length_km": 0.0, "loss_db": 0.0,
        "skr_bit_s": fiber.colocated_rate_bit_s, "within_reach": True, "medium": "colocated", "assumed": False,
        "reason": "", "status": "colocated", "confidence": "assumed",
    }  # fmt: skip


def _tables(node_rows: list[dict[str, object]], link_rows: list[dict[str, object]]) -> Network:
    nodes = pd.DataFrame(node_rows).set_index("node")
    points = [Point(xy) for xy in zip(nodes["longitude_deg"], nodes["latitude_deg"], strict=True)]
    where = gpd.GeoDataFrame(nodes, geometry=points, crs="EPSG:4326")
    links = pd.DataFrame(link_rows).set_index("link")
    for end in ("a", "b"):
        links[f"country_{end}"] = links[end].map(nodes["country"])
    domain_a, domain_b = links["a"].map(nodes["domain"]), links["b"].map(nodes["domain"])
    links["domain"] = np.where(domain_a == domain_b, domain_a, domain_a + "/" + domain_b)
    lines = [LineString([points[nodes.index.get_loc(a)], points[nodes.index.get_loc(b)]])
             for a, b in zip(links["a"], links["b"], strict=True)]  # fmt: skip
    spans = gpd.GeoDataFrame(links, geometry=lines, crs="EPSG:4326")
    return Network(check_table(where, "NODES", "build_network"), check_table(spans, "LINKS", "build_network"))


def key_edges(network: Network, scenario: Scenario) -> pd.DataFrame:
    """All edges that can hold key: fibre spans with a rate, and satellite-station pairs.

    Returns
    -------
    DataFrame
        Indexed by `edge`: a, b, kind (fibre | space), rate_bit_s, country_a, country_b (empty for a satellite).
    """
    live = network.links[network.links["skr_bit_s"] > 0]
    ground = pd.DataFrame({
        "a": live["a"], "b": live["b"], "kind": "fibre", "rate_bit_s": live["skr_bit_s"],
        "country_a": live["country_a"], "country_b": live["country_b"],
    })  # fmt: skip
    space = pd.DataFrame(
        [
            {
                "edge": space_edge(satellite.name, ogs), "a": satellite.name, "b": station_node(scenario, ogs),
                "kind": "space", "rate_bit_s": 0.0, "country_a": "", "country_b": station.country,
            }
            for satellite in scenario.satellites
            for ogs, station in scenario.stations.items()
        ],
        columns=["edge", *ground.columns],
    )  # fmt: skip
    both = pd.concat([ground.rename_axis("edge").reset_index(), space], ignore_index=True).set_index("edge")
    return both.astype({"rate_bit_s": float})
