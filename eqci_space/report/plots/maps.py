"""Maps in EPSG:3035 over the shipped borders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import geopandas as gpd
import numpy as np
import pandas as pd
from geopandas import GeoSeries
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from shapely import LineString, Point, Polygon, box, get_parts

from eqci_space.data import data_path
from eqci_space.fiber.edges import SPACE
from eqci_space.fiber.network import space_edge, space_stations, station_node
from eqci_space.fiber.relay import Relay
from eqci_space.report.plots.labels import MapLabel, hypothetical_note, place_labels, station_label
from eqci_space.report.plots.style import BLUE, GREY, PURPLE, RED, STATUS_COLOURS, new_axes
from eqci_space.scenario import Scenario, Station, dated_stations
from eqci_space.words import format_bits

__all__ = ["CRS", "FEW_ARCS", "FEW_PLACES", "MARGIN_M", "border_lines", "frame_map", "large_axes", "network_map"]

CRS = "EPSG:3035"
MARGIN_M = 90e3
_SMALLEST_M = 1500.0
FEW_PLACES, FEW_ARCS = 20, 30
_LARGE_IN = 13.0
_IDLE_WEIGHT, _ARC_WEIGHT = 0.2, 0.5
_WIDTHS = [(1e6, 1.0), (1e8, 1.8), (np.inf, 3.0)]


@lru_cache(maxsize=1)
def _borders() -> gpd.GeoDataFrame:
    return gpd.read_file(data_path("basemap", "europe_countries_50m.geojson")).to_crs(CRS)


def _width(bit: float) -> float:
    return next(width for limit, width in _WIDTHS if bit <= limit)


def network_map(relay: Relay, scenario: Scenario, *, ax: Axes | None = None) -> Axes:
    """Backbone with the key relayed over each span, stations by status, and the crossings through satellites.

    A mobile station stands at each of its places of the period, labelled with the dates; what its key stores gave is
    written at the first. Labels stand where they cover neither each other nor markers. On a map of many stations those
    without key, and cities, are left unnamed where there is no room.
    """
    network = relay.network
    nodes, places = network.nodes.to_crs(CRS), _places(scenario)
    bounds = GeoSeries([*nodes.geometry, *(p.point for p in places)]).total_bounds
    many = len(places) > FEW_PLACES
    ax = ax or (large_axes(bounds) if many else new_axes(9, 6.6))
    links = _from_places(network.links.to_crs(CRS), nodes, places)
    used = relay.stores.groupby("edge")["used_bit"].sum()
    bits = links.index.map(used).to_numpy(dtype=float, na_value=0.0)
    idle, busy = links[bits <= 0], links[bits > 0]
    idle[idle["skr_bit_s"] > 0].plot(ax=ax, color=GREY, linewidth=0.5, alpha=0.6, zorder=2)
    dead = links[~(links["skr_bit_s"] > 0)]
    if len(dead):
        dead.plot(ax=ax, color=RED, linewidth=0.9, linestyle=":", zorder=2)
    if len(busy):
        busy.plot(ax=ax, color=BLUE, linewidth=[_width(b) for b in bits[bits > 0]], zorder=3)
    arcs = _crossings(ax, _ends(nodes, places, scenario), relay, scenario)
    labels = [*_stations(ax, places, used, scenario, brief=many), *_cities(ax, nodes, scenario, optional=many)]
    frame_map(ax, bounds)
    _legend(ax, len(dead) > 0)
    ax.set_title(f"Key relayed over backbone and satellite stations{hypothetical_note(scenario)}", fontsize=10)
    spans = [(line, 1.0) for line in busy.geometry] + [(line, _IDLE_WEIGHT) for line in idle.geometry]
    place_labels(ax, labels, spans + [(arc, _ARC_WEIGHT) for arc in arcs])
    return ax


@dataclass(frozen=True)
class _Place:
    """Where a station stands, for a mobile one during which dates; `link` is its last mile, if it has one."""

    ogs: str
    point: Point
    link: str
    dates: str = ""
    first: bool = True


def _places(scenario: Scenario) -> list[_Place]:
    """Places of all stations in the period, in map coordinates."""
    found = []
    for ogs, station in scenario.stations.items():
        dated = list(enumerate(dated_stations(station), start=1))
        shown = [(n, s) for n, s in dated if not station.positions or _holds(s, scenario)] or dated
        for number, s in shown:
            (point,) = GeoSeries([Point(s.longitude_deg, s.latitude_deg)], crs="EPSG:4326").to_crs(CRS)
            link = f"LM-{ogs}" if len(dated) == 1 else f"LM-{ogs}/{number}"
            dates = f"{_day(s.valid_from)} – {_day(s.valid_to)}" if s.valid_from and s.valid_to else ""
            found.append(_Place(ogs, point, link, dates if station.positions else "", number == shown[0][0]))
    return found


def _holds(place: Station, scenario: Scenario) -> bool:
    return bool(
        place.valid_from and place.valid_to and place.valid_from < scenario.end and place.valid_to > scenario.start
    )


def _day(time: datetime) -> str:
    return f"{time.day} {time:%b}"


def _from_places(links: gpd.GeoDataFrame, nodes: gpd.GeoDataFrame, places: list[_Place]) -> gpd.GeoDataFrame:
    """Links with the last miles of mobile stations drawn from where they stand at the time."""
    lines = links.geometry.copy()
    for place in places:
        if place.dates and place.link in lines.index:
            lines[place.link] = LineString([place.point, nodes.geometry[links["b"][place.link]]])
    return links.set_geometry(lines)


def _ends(nodes: gpd.GeoDataFrame, places: list[_Place], scenario: Scenario) -> dict[str, Point]:
    """Where crossings end: at the nodes of stations, for a mobile station at its first place."""
    first = {station_node(scenario, p.ogs): p.point for p in places if p.first and p.dates}
    return {**nodes.geometry.to_dict(), **first}


def joined_by_space(relay: Relay, scenario: Scenario) -> dict[tuple[str, str], float]:
    """Key [bit] relayed between two ground nodes that space joined: through a satellite, or by pairs sent to both."""
    satellites = {s.name for s in scenario.satellites}
    space = set(relay.stores.loc[relay.stores["kind"] == SPACE, "edge"])
    pairs: dict[tuple[str, str], float] = {}
    for path, edges, bit in zip(*(relay.routes[c] for c in ("path", "edges", "bit")), strict=True):
        found = [(a, b) for a, node, b in zip(path[:-2], path[1:-1], path[2:], strict=True) if node in satellites]
        if scenario.protocol.downlink == "dual":
            found = [(a, b) for a, b, edge in zip(path[:-1], path[1:], edges, strict=True) if edge in space]
        for a, b in found:
            pair = (min(a, b), max(a, b))
            pairs[pair] = pairs.get(pair, 0.0) + bit
    return pairs


def _crossings(ax: Axes, ends: dict[str, Point], relay: Relay, scenario: Scenario) -> list[LineString]:
    """Dashed arcs between the stations that a satellite joined."""
    pairs = joined_by_space(relay, scenario)
    arcs, many = [], len(pairs) > FEW_ARCS
    for (a, b), bit in sorted(pairs.items()):
        arcs.append(_arc(ends[a], ends[b]))
        width, alpha = (0.35 * _width(bit), 0.5) if many else (_width(bit) + 0.6, 1.0)
        ax.plot(*arcs[-1].xy, color=PURPLE, linestyle="--", linewidth=width, alpha=alpha, zorder=3.5 if many else 5)
    return arcs


def _arc(a: Point, b: Point) -> LineString:
    """A parabola between two points, bent aside by a tenth of their distance."""
    share = np.linspace(0.0, 1.0, 25)[:, None]
    ends = np.array([[a.x, a.y], [b.x, b.y]])
    across = np.array([ends[1, 1] - ends[0, 1], ends[0, 0] - ends[1, 0]])
    bend = ends.mean(axis=0) + 0.18 * across
    return LineString((1 - share) ** 2 * ends[0] + 2 * share * (1 - share) * bend + share**2 * ends[1])


def _space_bit(ogs: str, used: pd.Series, scenario: Scenario) -> float:
    """Key used of all stores through space that a station shares."""
    if scenario.protocol.downlink == "dual":
        return sum(float(bit) for edge, bit in used.items() if ogs in space_stations(str(edge), scenario))
    return sum(float(used.get(space_edge(s.name, ogs), 0.0)) for s in scenario.satellites)


def large_axes(bounds: np.ndarray) -> Axes:
    """Axes for a map of many stations, as wide as its shape and a legend need."""
    west, south, east, north = bounds
    return new_axes(_LARGE_IN * (east - west + 2 * MARGIN_M) / (north - south + 2 * MARGIN_M) + 2.0, _LARGE_IN)


def _stations(ax: Axes, places: list[_Place], used: pd.Series, scenario: Scenario, *, brief: bool) -> list[MapLabel]:
    labels = []
    for place in places:
        status = scenario.stations[place.ogs].status_class
        ax.plot(place.point.x, place.point.y, "^", color=STATUS_COLOURS[status], markersize=9, zorder=6,
                markeredgecolor="black", markeredgewidth=0.6)  # fmt: skip
        lines = [place.ogs if brief else station_label(place.ogs, scenario)]
        lines += [place.dates] if place.dates else []
        bit = _space_bit(place.ogs, used, scenario)
        if place.first and (bit > 0 or not brief):
            lines.append(format_bits(bit))
        style = {"fontsize": 7.0, "fontweight": "bold"} if brief else {"fontsize": 7.5, "fontweight": "bold"}
        idle = brief and bit <= 0
        labels.append(MapLabel("\n".join(lines), place.point.x, place.point.y, 10.0, style, optional=idle))
    return labels


def _cities(ax: Axes, nodes: gpd.GeoDataFrame, scenario: Scenario, *, optional: bool) -> list[MapLabel]:
    ends = {end for d in scenario.demands for end in d.between}
    minor = nodes[~nodes.index.isin(ends) & (nodes["role"] != "station")]
    ax.plot(minor.geometry.x, minor.geometry.y, ".", color=GREY, markersize=2.5, zorder=4)
    labels = []
    for end in sorted(ends):
        place = nodes.geometry[end]
        ax.plot(place.x, place.y, "o", color="black", markersize=5, zorder=5)
        style = {"fontsize": 7.0 if optional else 8.0}
        labels.append(MapLabel(nodes["name"][end], place.x, place.y, 5.0, style, optional=optional))
    return labels


def border_lines(frame: Polygon) -> list[LineString]:
    """Borders of Europe's countries inside a frame in map coordinates, without detail that no map shows."""
    inside = _borders().boundary.intersection(frame).simplify(_SMALLEST_M)
    return [
        part for shape in inside if not shape.is_empty for part in get_parts(shape) if part.geom_type == "LineString"
    ]


def frame_map(ax: Axes, bounds: np.ndarray) -> None:
    """Limit a map to bounds (west, south, east, north) [m] and a margin, over borders in grey, without ticks."""
    frame = box(*(np.asarray(bounds) + np.array([-1, -1, 1, 1]) * MARGIN_M))
    lines = [np.array(line.coords) for line in border_lines(frame)]
    ax.add_collection(LineCollection(lines, colors="#BBBBBB", linewidths=0.6, zorder=1), autolim=False)
    west, south, east, north = frame.bounds
    ax.set_xlim(west, east)
    ax.set_ylim(south, north)
    ax.set_aspect("equal")
    ax.set(xlabel="", ylabel="")
    ax.set_xticks([])
    ax.set_yticks([])


def _legend(ax: Axes, any_dead: bool) -> None:
    handles = [
        Line2D([], [], color=BLUE, linewidth=1.0, label="relays up to 1 Mbit"),
        Line2D([], [], color=BLUE, linewidth=1.8, label="up to 100 Mbit"),
        Line2D([], [], color=BLUE, linewidth=3.0, label="more"),
        Line2D([], [], color=PURPLE, linestyle="--", linewidth=1.6, label="joined by a satellite"),
        Line2D([], [], color=GREY, linewidth=0.6, label="span not used"),
        *([Line2D([], [], color=RED, linestyle=":", label="without key")] if any_dead else []),
        *(
            Line2D([], [], marker="^", color=c, linestyle="", markeredgecolor="black", label=f"station, {s}")
            for s, c in STATUS_COLOURS.items()
        ),
    ]  # fmt: skip
    ax.legend(handles=handles, fontsize=7.5, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
