"""The interactive map of a report: borders, spans, nodes and stations in EPSG:3035, drawn without tiles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import geopandas as gpd
import numpy as np
from geopandas import GeoSeries
from shapely import LineString, MultiLineString, Point, box

from eqci_space.fiber.network import station_node
from eqci_space.fiber.relay import Relay
from eqci_space.report.plots.labels import station_label
from eqci_space.report.plots.maps import CRS, FEW_ARCS, FEW_PLACES, MARGIN_M, border_lines, joined_by_space
from eqci_space.report.plots.style import BLUE, GREY, PURPLE, RED, STATUS_COLOURS
from eqci_space.scenario import Scenario, dated_stations
from eqci_space.words import format_bits

__all__ = ["map_figure"]

_HEIGHT_PX, _LARGE_HEIGHT_PX, _FEW_NODES = 620, 980, 250
_WIDTHS = ((1e6, 1.2, "relays up to 1 Mbit"), (1e8, 2.2, "up to 100 Mbit"), (np.inf, 3.6, "more"))

Trace = dict[str, Any]


def map_figure(relay: Relay, scenario: Scenario) -> dict[str, Any]:
    """The network with the key relayed over it, as a plotly figure."""
    nodes, links = relay.network.nodes.to_crs(CRS), relay.network.links.to_crs(CRS)
    used = links.index.map(relay.stores.groupby("edge")["used_bit"].sum()).to_numpy(dtype=float, na_value=0.0)
    stations = _places(scenario)
    west, south, east, north = GeoSeries([*nodes.geometry, *(p for _, p in stations)]).total_bounds
    frame = box(west - MARGIN_M, south - MARGIN_M, east + MARGIN_M, north + MARGIN_M)
    data = [_lines("borders", border_lines(frame), "#bbbbbb", 0.8, show=False)]
    alive = (links["skr_bit_s"] > 0).to_numpy()
    data.append(_lines("span not used", links.geometry[alive & (used <= 0)], GREY, 0.8))
    data.append(_lines("without key", links.geometry[~alive], RED, 1.2, dash="dot"))
    least = 0.0
    for most, width, name in _WIDTHS:
        data.append(_lines(name, links.geometry[(used > least) & (used <= most)], BLUE, width))
        least = most
    arcs = _crossings(relay, scenario, nodes, stations)
    look: Trace = {"opacity": 0.4} if len(arcs) > FEW_ARCS else {}
    data.append(_lines("joined by a satellite", arcs, PURPLE, 1 if look else 2, dash="dash") | look)
    middles = [line.interpolate(0.5, normalized=True) for line in links.geometry]
    words = [
        f"{name}: {km:.0f} km, {db:.1f} dB, {format_bits(bit)}"
        for name, km, db, bit in zip(links.index, links["length_km"], links["loss_db"], used, strict=True)
    ]
    data.append(_points("spans", middles, words, {"color": BLUE, "size": 9, "opacity": 0}, show=False))
    data.append(_points("nodes", list(nodes.geometry), [f"{i}: {n}" for i, n in nodes["name"].items()],
                        {"color": "#444", "size": 4 if len(nodes) <= _FEW_NODES else 2.5}))  # fmt: skip
    data += _stations(stations, scenario)
    x = {"range": [frame.bounds[0] / 1e3, frame.bounds[2] / 1e3], "visible": False}
    y = {"range": [frame.bounds[1] / 1e3, frame.bounds[3] / 1e3], "visible": False, "scaleanchor": "x"}
    height = _HEIGHT_PX if len(stations) <= FEW_PLACES else _LARGE_HEIGHT_PX
    layout = {"height": height, "margin": {"l": 10, "r": 60, "t": 10, "b": 10}, "xaxis": x, "yaxis": y}
    return {"data": [d for d in data if d["x"]], "layout": layout}


def _lines(
    name: str, lines: Iterable[Any], colour: str, width: float, *, dash: str = "solid", show: bool = True
) -> Trace:
    """All lines as one trace, with gaps between."""
    x: list[float | None] = []
    y: list[float | None] = []
    for line in lines:
        for part in line.geoms if isinstance(line, MultiLineString) else [line]:
            for column, values in zip((x, y), part.xy, strict=True):
                column += [*_km(values), None]
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": x, "y": y, "hoverinfo": "skip", "showlegend": show,
        "line": {"color": colour, "width": width, "dash": dash},
    }  # fmt: skip


def _points(name: str, places: list[Point], words: list[str], marker: Trace, *, show: bool = True) -> Trace:
    return {
        "type": "scatter", "mode": "markers", "name": name,
        "x": _km(p.x for p in places), "y": _km(p.y for p in places),
        "customdata": words, "hovertemplate": "%{customdata}<extra></extra>", "marker": marker, "showlegend": show,
    }  # fmt: skip


def _km(values: Iterable[float]) -> list[float]:
    return [round(float(v) / 1e3, 1) for v in values]


def _places(scenario: Scenario) -> list[tuple[str, Point]]:
    """Stations where they stand, a mobile one at each of its places."""
    found = [
        (o, Point(s.longitude_deg, s.latitude_deg)) for o, m in scenario.stations.items() for s in dated_stations(m)
    ]
    points = GeoSeries([p for _, p in found], crs="EPSG:4326").to_crs(CRS)
    return [(ogs, point) for (ogs, _), point in zip(found, points, strict=True)]


def _stations(stations: list[tuple[str, Point]], scenario: Scenario) -> list[Trace]:
    traces = []
    for status, colour in STATUS_COLOURS.items():
        mine = [(o, p) for o, p in stations if scenario.stations[o].status_class == status]
        words = [f"{station_label(o, scenario)}: {scenario.stations[o].name}" for o, _ in mine]
        marker = {"color": colour, "size": 13, "symbol": "triangle-up", "line": {"color": "black", "width": 1}}
        trace = _points(f"station, {status}", [p for _, p in mine], words, marker)
        if len(stations) <= FEW_PLACES:
            trace |= {"mode": "markers+text", "text": [o for o, _ in mine], "textposition": "top center"}
        traces.append(trace)
    return traces


def _crossings(
    relay: Relay, scenario: Scenario, nodes: gpd.GeoDataFrame, stations: list[tuple[str, Point]]
) -> list[LineString]:
    """Straight lines between the stations that a satellite joined."""
    at = {**nodes.geometry.to_dict(), **{station_node(scenario, o): p for o, p in reversed(stations)}}
    return [LineString([at[a], at[b]]) for a, b in sorted(joined_by_space(relay, scenario))]
