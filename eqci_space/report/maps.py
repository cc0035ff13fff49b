"""Maps in EPSG:3035 over the shipped borders."""

from __future__ import annotations

from functools import lru_cache

import geopandas as gpd
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch

from eqci_space.data import data_path
from eqci_space.fiber.network import station_node
from eqci_space.fiber.relay import Relay
from eqci_space.report.style import BLUE, GREY, PURPLE, RED, STATUS_COLOURS, new_axes
from eqci_space.scenario import Scenario

__all__ = ["CRS", "draw_borders", "frame_map", "network_map"]

CRS = "EPSG:3035"
_WIDTHS = [(1e6, 1.0), (1e8, 1.8), (np.inf, 3.0)]


@lru_cache(maxsize=1)
def _borders() -> gpd.GeoDataFrame:
    return gpd.read_file(data_path("basemap", "europe_countries_50m.geojson")).to_crs(CRS)


def _width(bit: float) -> float:
    return next(width for limit, width in _WIDTHS if bit <= limit)


def network_map(relay: Relay, scenario: Scenario, *, ax: Axes | None = None) -> Axes:
    """Backbone with the key relayed over each span, stations by status, and the crossings through satellites."""
    ax = ax or new_axes(9, 6.6)
    network = relay.network
    links, nodes = network.links.to_crs(CRS), network.nodes.to_crs(CRS)
    used = relay.stores.groupby("edge")["used_bit"].sum()
    draw_borders(ax)
    bits = links.index.map(used).to_numpy(dtype=float, na_value=0.0)
    idle, busy = links[bits <= 0], links[bits > 0]
    idle[idle["within_reach"]].plot(ax=ax, color=GREY, linewidth=0.5, alpha=0.6, zorder=2)
    dead = links[~links["within_reach"]]
    if len(dead):
        dead.plot(ax=ax, color=RED, linewidth=0.9, linestyle=":", zorder=2)
    if len(busy):
        busy.plot(ax=ax, color=BLUE, linewidth=[_width(b) for b in bits[bits > 0]], zorder=3)
    _crossings(ax, nodes, relay, scenario)
    _stations(ax, nodes, used, scenario)
    _cities(ax, nodes, scenario)
    frame_map(ax, network.nodes.to_crs(CRS).total_bounds)
    _legend(ax, len(dead) > 0)
    hypothetical = [o for o, s in scenario.stations.items() if s.status_class == "hypothetical"]
    note = f"; hypothetical: {', '.join(hypothetical)}" if hypothetical else ""
    ax.set_title(f"Key relayed over backbone and satellite stations{note}", fontsize=10)
    return ax


def _crossings(ax: Axes, nodes: gpd.GeoDataFrame, relay: Relay, scenario: Scenario) -> None:
    """Dashed arcs between the stations that a satellite joined."""
    satellites = {s.name for s in scenario.satellites}
    pairs: dict[tuple[str, str], float] = {}
    for path, bit in zip(relay.routes["path"], relay.routes["bit"], strict=True):
        for before, node, after in zip(path[:-2], path[1:-1], path[2:], strict=True):
            if node in satellites:
                pair = (min(before, after), max(before, after))
                pairs[pair] = pairs.get(pair, 0.0) + bit
    for (a, b), bit in sorted(pairs.items()):
        ends = [(nodes.geometry[n].x, nodes.geometry[n].y) for n in (a, b)]
        arc = FancyArrowPatch(
            *ends, connectionstyle="arc3,rad=0.18", arrowstyle="-", linestyle="--", color=PURPLE,
            linewidth=_width(bit) + 0.6, zorder=5,
        )  # fmt: skip
        ax.add_patch(arc)


def _stations(ax: Axes, nodes: gpd.GeoDataFrame, used, scenario: Scenario) -> None:  # type: ignore[no-untyped-def]
    for ogs, station in scenario.stations.items():
        place = nodes.geometry[station_node(scenario, ogs)]
        bit = sum(float(used.get(f"{s.name}|{ogs}", 0.0)) for s in scenario.satellites)
        ax.plot(place.x, place.y, "^", color=STATUS_COLOURS[station.status_class], markersize=9, zorder=6,
                markeredgecolor="black", markeredgewidth=0.6)  # fmt: skip
        mark = "" if station.status_class == "operational" else f" ({station.status_class})"
        ax.annotate(
            f"{ogs}{mark}\n{bit / 1e3:.0f} kbit", (place.x, place.y), xytext=(8, -13), textcoords="offset points",
            fontsize=7.5, zorder=7, fontweight="bold",
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip


def _cities(ax: Axes, nodes: gpd.GeoDataFrame, scenario: Scenario) -> None:
    ends = {end for d in scenario.demands for end in d.between}
    minor = nodes[~nodes.index.isin(ends) & (nodes["role"] != "station")]
    ax.plot(minor.geometry.x, minor.geometry.y, ".", color=GREY, markersize=2.5, zorder=4)
    for end in sorted(ends):
        place = nodes.geometry[end]
        ax.plot(place.x, place.y, "o", color="black", markersize=5, zorder=5)
        ax.annotate(
            nodes["name"][end], (place.x, place.y), xytext=(0, 6), textcoords="offset points", ha="center",
            fontsize=8, zorder=7, bbox={"facecolor": "white", "alpha": 0.6, "edgecolor": "none", "pad": 0.5},
        )  # fmt: skip


def draw_borders(ax: Axes) -> None:
    """Borders of Europe's countries in grey."""
    _borders().boundary.plot(ax=ax, color="#BBBBBB", linewidth=0.6, zorder=1)


def frame_map(ax: Axes, bounds: np.ndarray) -> None:
    """Limit a map to bounds (west, south, east, north) [m] and a margin, without ticks."""
    west, south, east, north = bounds
    margin = 90e3
    ax.set_xlim(west - margin, east + margin)
    ax.set_ylim(south - margin, north + margin)
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
        *([Line2D([], [], color=RED, linestyle=":", label="beyond reach")] if any_dead else []),
        *(
            Line2D([], [], marker="^", color=c, linestyle="", markeredgecolor="black", label=f"station, {s}")
            for s, c in STATUS_COLOURS.items()
        ),
    ]  # fmt: skip
    ax.legend(handles=handles, fontsize=7.5, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
