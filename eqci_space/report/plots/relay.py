"""Plots of relay: stores and delivery."""

from __future__ import annotations

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from eqci_space.fiber.edges import SPACE
from eqci_space.fiber.exposure import exposure
from eqci_space.fiber.network import space_stations
from eqci_space.fiber.relay import Relay
from eqci_space.report.plots.labels import hypothetical_note, station_label
from eqci_space.report.plots.style import BLUE, GREEN, GREY, NIGHT, ORANGE, PURPLE, RED, SKY, key_unit, new_axes
from eqci_space.scenario import Scenario
from eqci_space.words import joined

__all__ = ["delivery", "key_stores"]

_LINE_STYLES = [
    (BLUE, "-"),
    (RED, "-"),
    (GREEN, "-"),
    (ORANGE, "-"),
    (PURPLE, "-"),
    (SKY, "--"),
    (GREY, "--"),
]


def key_stores(relay: Relay, scenario: Scenario, *, ax: Axes | None = None) -> Axes:
    """Stock that each station shares with all satellites, or pair of stations, at the end of each bin; expected key.

    Stations whose stores never hold key are left out; of many, those that hold most at some time are told apart.
    """
    ax = ax or new_axes(8, 3.6)
    space = relay.stores[relay.stores["kind"] == SPACE]
    space = space.assign(ogs=[joined(*space_stations(edge, scenario)) for edge in space["edge"]])
    space = space.groupby(["ogs", "bin"], as_index=False)[["initial_bit", "deposited_bit", "stock_bit"]].sum()
    held = space.groupby("ogs")[["initial_bit", "deposited_bit"]].sum().sum(axis=1)
    space = space[space["ogs"].map(held) > 0]
    most = space.groupby("ogs")[["initial_bit", "stock_bit"]].max().max(axis=1)
    first = sorted(most.sort_values(ascending=False, kind="stable").index[: len(_LINE_STYLES)])
    size, unit = key_unit(most.max() if len(most) else 0.0)
    labels = {ogs: station_label(ogs, scenario) for ogs in scenario.stations}
    for ogs, group in space.groupby("ogs", sort=True):
        colour, style = _LINE_STYLES[first.index(ogs)] if ogs in first else (NIGHT, "-")
        end = [*group["bin"].iloc[1:], pd.Timestamp(scenario.end)]
        ax.step(
            [group["bin"].iloc[0], *end], [group["initial_bit"].iloc[0] / size, *(group["stock_bit"] / size)],
            where="post", color=colour, linestyle=style, label=labels.get(ogs, ogs) if ogs in first else None,
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
    note = hypothetical_note(scenario, shown=most.index)
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
