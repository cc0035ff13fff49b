"""Plots of budgets, plans and stores: ``ax=`` in, Axes out, no global style."""

from __future__ import annotations

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from eqci_space.errors import TableError
from eqci_space.fiber.exposure import exposure
from eqci_space.fiber.relay import Relay
from eqci_space.linkbudget.budget import LOSS_TERMS
from eqci_space.report.bottleneck_map import bottleneck_map
from eqci_space.report.coverage_maps import coverage_difference_map, coverage_map
from eqci_space.report.key_plots import aggregation_gain, key_profile, key_response
from eqci_space.report.labels import hypothetical_note, station_label
from eqci_space.report.maps import network_map
from eqci_space.report.network_plots import (
    demand_heatmap,
    exposure_chart,
    exposure_frontier_plot,
    failure_ranking,
    replay_chart,
    store_levels,
)
from eqci_space.report.schedule_plots import gantt_by_satellite, gantt_by_station, night_keys, scenario_comparison
from eqci_space.report.sky_plots import elevation_profile, ground_track, sky_track, windows_per_night
from eqci_space.report.style import BLUE, GREEN, GREY, NIGHT, ORANGE, PURPLE, RED, SKY, key_unit, new_axes
from eqci_space.report.weather_plots import (
    availability_matrix,
    cause_tornado,
    delivery_fan,
    diversity_map,
    drought_distribution,
)
from eqci_space.scenario import Scenario

__all__ = [
    "aggregation_gain",
    "availability_matrix",
    "bottleneck_map",
    "cause_tornado",
    "coverage_difference_map",
    "coverage_map",
    "delivery",
    "delivery_fan",
    "demand_heatmap",
    "diversity_map",
    "drought_distribution",
    "elevation_profile",
    "exposure_chart",
    "exposure_frontier_plot",
    "failure_ranking",
    "gantt",
    "gantt_by_satellite",
    "gantt_by_station",
    "ground_track",
    "key_profile",
    "key_response",
    "key_stores",
    "loss_profile",
    "network_map",
    "night_keys",
    "replay_chart",
    "scenario_comparison",
    "sky_track",
    "station_label",
    "store_levels",
    "waterfall",
    "windows_per_night",
]

_STACK = [GREY, SKY, GREEN, ORANGE, PURPLE, RED, BLUE]
gantt = gantt_by_station
_LINE_STYLES = [
    (BLUE, "-"),
    (RED, "-"),
    (GREEN, "-"),
    (ORANGE, "-"),
    (PURPLE, "-"),
    (SKY, "--"),
    (GREY, "--"),
]


def waterfall(budget: pd.DataFrame, window_id: str, *, ax: Axes | None = None) -> Axes:
    """Loss terms of a window at its culmination, adding up to the total; of a quantile budget the fade too.

    Parameters
    ----------
    budget : DataFrame
        BUDGET.
    window_id : str
    """
    ax = ax or new_axes(8, 3.6)
    part = budget[budget["window_id"] == window_id]
    if part.empty:
        raise TableError(f"waterfall: no window '{window_id}' in the budget")
    top = part.loc[part["elevation_deg"].idxmax()]
    labels, left = [], 0.0
    terms = LOSS_TERMS | ({"fade_loss_db": "fade"} if "fade_loss_db" in part.columns else {})
    present = {term: label for term, label in terms.items() if top[term] != 0}
    for i, (term, label) in enumerate(present.items()):
        ax.barh(i, top[term], left=left, color=BLUE, height=0.65)
        left += top[term]
        ax.text(max(left, left - top[term]) + 0.4, i, f"{top[term]:.2f} dB", va="center", fontsize=9)
        labels.append(label)
    ax.barh(len(labels), left, color=GREY, height=0.65)
    ax.text(left + 0.4, len(labels), f"{left:.2f} dB", va="center", fontsize=9, fontweight="bold")
    ax.set_yticks(range(len(labels) + 1), [*labels, "total"])
    ax.invert_yaxis()
    ax.set_xlim(0, left * 1.16)
    ax.set_xlabel("loss from the exit aperture to the click [dB]")
    ax.set_title(
        f"{top['satellite']} over {top['ogs']}, {top['time']:%Y-%m-%d %H:%M} UTC: "
        f"elevation {top['elevation_deg']:.0f}°, range {top['range_m'] / 1e3:.0f} km", fontsize=10,
    )  # fmt: skip
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def loss_profile(budget: pd.DataFrame, window_id: str, *, ax: Axes | None = None) -> Axes:
    """Loss terms of a window over time, stacked to the total; the elevation dotted on the right.

    Parameters
    ----------
    budget : DataFrame
        BUDGET.
    window_id : str
    """
    ax = ax or new_axes(8.6, 4.2)
    part = budget[budget["window_id"] == window_id]
    if part.empty:
        raise TableError(f"loss_profile: no window '{window_id}' in the budget")
    terms = [c for c in [*LOSS_TERMS, "fade_loss_db"] if c in part and part[c].abs().max() > 0]
    # What changes most stands on top, so that the others stay level.
    terms.sort(key=lambda c: float(np.ptp(part[c])))
    colours = [_STACK[i % len(_STACK)] for i in range(len(terms))]
    ax.stackplot(part["time"], [part[c] for c in terms], labels=[LOSS_TERMS.get(c, "fade") for c in terms],
                 colors=colours, edgecolor="white", linewidth=0.4)  # fmt: skip
    other = ax.twinx()
    other.plot(part["time"], part["elevation_deg"], color="black", linestyle=":", linewidth=1.2)
    other.set_ylim(0, 90)
    other.set_ylabel("elevation [°] (dotted)")
    ax.set_ylim(0, part["total_loss_db"].max() * 1.08)
    ax.set_ylabel("loss [dB]")
    ax.xaxis.set_major_formatter(mdates.DateFormatter("%H:%M", tz="UTC"))
    ax.set_xlabel("UTC")
    top = part.iloc[0]
    ax.set_title(f"{top['satellite']} over {top['ogs']}, {top['time']:%d %b %Y}", fontsize=10)
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(handles[::-1], labels[::-1], fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3,
              frameon=False)  # fmt: skip
    return ax


def key_stores(relay: Relay, scenario: Scenario, *, ax: Axes | None = None) -> Axes:
    """Stock that each station shares with all satellites at the end of each bin, on expected key.

    Stations whose stores never hold key are left out; of many, those that hold most at some time are told apart.
    """
    ax = ax or new_axes(8, 3.6)
    space = relay.stores[relay.stores["edge"].str.contains("|", regex=False)]
    space = space.assign(ogs=space["edge"].str.split("|").str[1])
    space = space.groupby(["ogs", "bin"], as_index=False)[["initial_bit", "deposited_bit", "stock_bit"]].sum()
    held = space.groupby("ogs")[["initial_bit", "deposited_bit"]].sum().sum(axis=1)
    space = space[space["ogs"].map(held) > 0]
    most = space.groupby("ogs")[["initial_bit", "stock_bit"]].max().max(axis=1)
    first = sorted(most.sort_values(ascending=False, kind="stable").index[: len(_LINE_STYLES)])
    size, unit = key_unit(most.max() if len(most) else 0.0)
    for ogs, group in space.groupby("ogs", sort=True):
        colour, style = _LINE_STYLES[first.index(ogs)] if ogs in first else (NIGHT, "-")
        end = [*group["bin"].iloc[1:], pd.Timestamp(scenario.end)]
        ax.step(
            [group["bin"].iloc[0], *end], [group["initial_bit"].iloc[0] / size, *(group["stock_bit"] / size)],
            where="post", color=colour, linestyle=style, label=station_label(ogs, scenario) if ogs in first else None,
            marker="o", markersize=3, zorder=2 if ogs in first else 1,
        )  # fmt: skip
    if space.empty:
        ax.text(0.5, 0.5, "no satellite store", transform=ax.transAxes, ha="center")
    else:
        if len(most) > len(first):
            ax.plot([], [], color=NIGHT, marker="o", markersize=3, label=f"{len(most) - len(first)} other stations")
        ax.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    ax.set_ylim(bottom=0)
    ax.set_ylabel(f"key in store [{unit}]")
    ax.xaxis.set_major_locator(mdates.AutoDateLocator(minticks=4, maxticks=9))
    ax.xaxis.set_major_formatter(mdates.DateFormatter("%d %b", tz="UTC"))
    ax.set_xlabel("end of the bin (UTC, ticks at 00:00)")
    note = hypothetical_note(scenario, most.index)
    ax.set_title(f"Key shared by stations and satellites (expected){note}", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def delivery(relay: Relay, scenario: Scenario, *, exposed: pd.DataFrame | None = None, ax: Axes | None = None) -> Axes:
    """Delivered share of every demand, split into fibre and space; `exposed` is of `exposure`, where it is at hand."""
    table = exposure(relay, scenario) if exposed is None else exposed
    ax = ax or new_axes(8, 0.9 + 0.36 * len(table))
    share = 100 * table["delivered_bit"] / table["asked_bit"]
    space = share * table["space_share"]
    rows = np.arange(len(table))
    ax.barh(rows, share - space, color=GREY, height=0.65, label="by fibre")
    ax.barh(rows, space, left=share - space, color=BLUE, height=0.65, label="through a satellite")
    for row, value in zip(rows, share, strict=True):
        ax.text(value + 1, float(row), f"{value:.0f} %", va="center", fontsize=8)
    ax.set_yticks(rows, table.index)
    ax.invert_yaxis()
    ax.set_xlim(0, 112)
    ax.set_xlabel("delivered share of the key asked for [%]")
    ax.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    ax.spines[["top", "right"]].set_visible(False)
    return ax
