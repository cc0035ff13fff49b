"""Map of what limits the delivery of key."""

from __future__ import annotations

from typing import Any

import numpy as np
from geopandas import GeoSeries
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.lines import Line2D

from eqci_space.fiber.network import space_stations, station_node
from eqci_space.fiber.relay import Relay
from eqci_space.report.plots.labels import MapLabel, hypothetical_note, place_labels, station_label
from eqci_space.report.plots.maps import CRS, FEW_PLACES, frame_map, large_axes
from eqci_space.report.plots.style import GREY, RED, STATUS_COLOURS, new_axes
from eqci_space.scenario import Scenario

__all__ = ["bottleneck_map"]

_MOST_LABELS = 8
_WORTH = LinearSegmentedColormap.from_list("worth", ["#F6C65B", RED, "#4A0E00"])


def bottleneck_map(relay: Relay, scenario: Scenario, *, ax: Axes | None = None) -> Axes:
    """Where more key would help: spans and satellite stores by the worth of one more Mbit, mean over the bins.

    The worth is the price of the edge in the relay's optimum, in units of its objective. A triangle stands for the
    stores that a station shares with the satellites, coloured by the dearest of them; grey edges are not scarce. On a
    map of many stations only the dearest are sure to be named.
    """
    network = relay.network
    n_bins = max(relay.delivery["bin"].nunique(), 1)
    worth = relay.prices.groupby("edge")["worth_per_mbit"].sum() / n_bins
    nodes, links = network.nodes.to_crs(CRS), network.links.to_crs(CRS)
    of_link = links.index.map(worth).to_numpy(dtype=float, na_value=0.0)
    of_station = {
        ogs: float(worth[[ogs in space_stations(edge, scenario) for edge in worth.index]].max()) if len(worth) else 0.0
        for ogs in scenario.stations
    }
    of_station = {ogs: 0.0 if np.isnan(value) else value for ogs, value in of_station.items()}
    norm = Normalize(0.0, max([*of_link, *of_station.values(), 1e-9]))
    bounds = GeoSeries(nodes.geometry).total_bounds
    many = len(of_station) > FEW_PLACES
    ax = ax or (large_axes(bounds) if many else new_axes(9.5, 6.4))
    links[of_link <= 0].plot(ax=ax, color=GREY, linewidth=0.6, alpha=0.6, zorder=2)
    scarce = links[of_link > 0]
    if len(scarce):
        scarce.plot(ax=ax, color=_WORTH(norm(of_link[of_link > 0])), linewidth=3.0, zorder=3)
    labels = [*_scarce_links(links, of_link), *_worth_of_stations(ax, nodes, of_station, norm, scenario, brief=many)]
    ends = sorted({end for d in scenario.demands for end in d.between})
    for end in ends:
        ax.plot(nodes.geometry[end].x, nodes.geometry[end].y, "o", color="black", markersize=4, zorder=5)
        place = nodes.geometry[end]
        labels.append(MapLabel(nodes["name"][end], place.x, place.y, 4.0, {"fontsize": 7.5}, optional=many))
    frame_map(ax, bounds)
    figure = ax.get_figure(root=True)
    assert figure is not None
    shrink, below = (0.5, -0.04) if many else (0.7, -0.08)
    scale = ScalarMappable(norm, _WORTH)
    figure.colorbar(scale, ax=ax, shrink=shrink, label="worth of one more Mbit [objective/Mbit]")
    handles: list[Any] = [
        Line2D([], [], color=GREY, linewidth=0.8, label="span, not scarce"),
        Line2D([], [], marker="^", color=RED, linestyle="", markeredgecolor="black", label="stores with satellites"),
        Line2D([], [], marker="^", color="white", linestyle="", markeredgecolor="black", label="not scarce"),
        Line2D([], [], marker="o", color="black", linestyle="", markersize=4, label="end of a demand"),
    ]
    ax.legend(handles=handles, fontsize=7.5, loc="lower center", bbox_to_anchor=(0.5, below), ncols=4, frameon=False)
    ax.set_title(f"Bottlenecks of delivery{hypothetical_note(scenario)}", fontsize=10)
    place_labels(ax, labels, [(line, 1.0) for line in scarce.geometry])
    return ax


def _scarce_links(links: Any, worth: np.ndarray) -> list[MapLabel]:
    """Labels of the dearest spans at their middles."""
    order = np.argsort(-worth, kind="stable")[:_MOST_LABELS]
    labels = []
    for i in order[worth[order] > 0]:
        middle = links.geometry.iloc[i].interpolate(0.5, normalized=True)
        labels.append(MapLabel(f"{links.index[i]}: {worth[i]:.3g}", middle.x, middle.y, 3.0, {"fontsize": 7.5}))
    return labels


def _worth_of_stations(
    ax: Axes, nodes: Any, worth: dict[str, float], norm: Normalize, scenario: Scenario, *, brief: bool
) -> list[MapLabel]:
    labels = []
    dearest = set(sorted(worth, key=lambda ogs: -worth[ogs])[:_MOST_LABELS])
    for ogs, value in worth.items():
        place = nodes.geometry[station_node(scenario, ogs)]
        face = _WORTH(norm(value)) if value > 0 else "white"
        edge = STATUS_COLOURS["hypothetical"] if scenario.stations[ogs].status_class == "hypothetical" else "black"
        ax.plot(place.x, place.y, "^", color=face, markersize=10, markeredgecolor=edge, markeredgewidth=1.2, zorder=6)
        text = station_label(ogs, scenario) + (f"\n{value:.3g} per Mbit" if value > 0 else "")
        style = {"fontsize": 7.5, "fontweight": "bold"}
        spare = brief and ogs not in dearest
        labels.append(MapLabel(ogs if spare else text, place.x, place.y, 11.0, style, optional=spare))
    return labels
