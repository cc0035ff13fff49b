"""Plots of budgets, plans and stores: ``ax=`` in, Axes out, no global style."""

from __future__ import annotations

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import Patch

from eqci_space.errors import TableError
from eqci_space.fiber.exposure import exposure
from eqci_space.fiber.relay import Relay
from eqci_space.linkbudget.budget import LOSS_TERMS
from eqci_space.ogs.windows import night_intervals
from eqci_space.orbits.earth import times_from
from eqci_space.orbits.sky import make_sky
from eqci_space.report.key_plots import aggregation_gain, key_profile, key_response
from eqci_space.report.maps import network_map
from eqci_space.report.sky_plots import elevation_profile, ground_track, sky_track, windows_per_night
from eqci_space.report.style import BLUE, GREEN, GREY, NIGHT, ORANGE, PURPLE, RED, SKY, new_axes
from eqci_space.report.weather_plots import (
    availability_matrix,
    cause_tornado,
    delivery_fan,
    diversity_map,
    drought_distribution,
)
from eqci_space.scenario import Scenario, dated_stations
from eqci_space.schedule.contacts import Plan

__all__ = [
    "aggregation_gain",
    "availability_matrix",
    "cause_tornado",
    "delivery",
    "delivery_fan",
    "diversity_map",
    "drought_distribution",
    "elevation_profile",
    "gantt",
    "ground_track",
    "key_profile",
    "key_response",
    "key_stores",
    "loss_profile",
    "network_map",
    "sky_track",
    "station_label",
    "waterfall",
    "windows_per_night",
]

_STACK = [GREY, SKY, GREEN, ORANGE, PURPLE, RED, BLUE]
_ROW_IN, _LANE_IN, _BAR_GAP = 0.46, 0.17, 0.6
_LINE_STYLES = [
    (BLUE, "-"),
    (RED, "-"),
    (GREEN, "-"),
    (ORANGE, "-"),
    (PURPLE, "-"),
    (SKY, "--"),
    (GREY, "--"),
]


def station_label(ogs: str, scenario: Scenario) -> str:
    """Station id, with the status of a station that does not operate yet."""
    status = scenario.stations[ogs].status_class
    return ogs if status == "operational" else f"{ogs} ({status})"


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


def gantt(plan: Plan, scenario: Scenario, *, windows: pd.DataFrame | None = None, ax: Axes | None = None) -> Axes:
    """Contacts by station over the period, night shaded, windows not taken in outline.

    Contacts last minutes in a week; each bar is drawn at least 1/250 of the period wide so that it can be seen. Bars
    that would touch stand in lanes one below the other; rows, and the figure, are as high as their lanes need.
    """
    stations = list(scenario.stations)
    contacts = plan.contacts[plan.contacts["ogs"].isin(stations)].set_index("candidate_id")
    outlined = contacts.iloc[:0] if windows is None else windows[windows["ogs"].isin(stations)]
    widest = pd.Timedelta((scenario.end - scenario.start) / 250)
    lanes = _lanes(contacts, outlined, widest)
    counts = (lanes.groupby("ogs")["lane"].max() + 1).reindex(stations, fill_value=1)
    heights = (_LANE_IN * counts).clip(lower=_ROW_IN)
    tops = heights.cumsum() - heights
    ax = ax or new_axes(10, 1.1 + max(2 * _ROW_IN, heights.sum()))
    for ogs in stations:
        _nights(ax, scenario, ogs, (tops[ogs] + 0.05 * _ROW_IN, heights[ogs] - 0.1 * _ROW_IN))
    lane_in = (heights - 0.3 * _ROW_IN) / counts
    rows = tops[lanes["ogs"]].to_numpy() + 0.15 * _ROW_IN + lane_in[lanes["ogs"]].to_numpy() * (lanes["lane"] + 0.1)
    boxes = pd.DataFrame({"top": rows, "height": 0.8 * lane_in[lanes["ogs"]].to_numpy()}, index=lanes.index)
    _bars(ax, outlined, boxes, widest, "white", GREY)
    _bars(ax, contacts, boxes, widest, BLUE, BLUE)
    ax.set_yticks(tops + heights / 2, [station_label(o, scenario) for o in stations])
    ax.set_ylim(max(heights.sum(), _ROW_IN), 0)
    _label_days(ax, scenario)
    handles = [
        Patch(facecolor=BLUE, label="planned contact"),
        Patch(facecolor="white", edgecolor=GREY, label="window not taken"),
        Patch(facecolor=NIGHT, label="night"),
    ]
    ax.legend(handles=handles, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, fontsize=8, frameon=False)
    return ax


def _lanes(contacts: pd.DataFrame, windows: pd.DataFrame, widest: pd.Timedelta) -> pd.DataFrame:
    """Station and lane of each window, and of contacts without a window: the first lane that is free again.

    A contact stands in the lane of its window, and may be drawn beyond it.
    """
    bars = pd.concat([windows, contacts[~contacts.index.isin(windows.index)]])[["ogs", "start", "end"]]
    until = bars["end"].where(bars["end"] > bars["start"] + widest, bars["start"] + widest)
    beyond = (contacts["start"] + widest).reindex(bars.index)
    bars["until"] = until.where(~(beyond > until), beyond) + _BAR_GAP * widest
    free: dict[str, list[pd.Timestamp]] = {}
    lanes = {}
    for bar in bars.sort_values(["start", "until"]).itertuples():
        ends = free.setdefault(bar.ogs, [])
        lane = next((i for i, end in enumerate(ends) if end <= bar.start), len(ends))
        ends[lane : lane + 1] = [bar.until]
        lanes[bar.Index] = lane
    return bars[["ogs"]].assign(lane=pd.Series(lanes, dtype=int))


def _bars(ax: Axes, table: pd.DataFrame, boxes: pd.DataFrame, widest: pd.Timedelta, face: str, edge: str) -> None:
    """Rectangles from start to end, each in its lane."""
    low = boxes["top"].reindex(table.index).to_numpy()
    high = low + boxes["height"].reindex(table.index).to_numpy()
    ends = table["end"].where(table["end"] > table["start"] + widest, table["start"] + widest)
    left, right = (mdates.date2num(times.dt.tz_convert(None).to_numpy()) for times in (table["start"], ends))
    corners = np.stack([[left, low], [left, high], [right, high], [right, low]]).transpose(2, 0, 1)
    ax.add_collection(PolyCollection(list(corners), linewidths=0.8, facecolors=face, edgecolors=edge))


def _nights(ax: Axes, scenario: Scenario, ogs: str, rows: tuple[float, float]) -> None:
    """Shade the nights of a station, of a mobile one where and while it stands."""
    length_s = (scenario.end - scenario.start).total_seconds()
    sky = make_sky(scenario.start, scenario.end)
    station = scenario.stations[ogs]
    for place in dated_stations(station):
        for night in night_intervals(sky, place, length_s, place.sun_max_elevation_deg):
            start, end = times_from(scenario.start, np.array(night))
            if station.positions and place.valid_from and place.valid_to:
                start, end = max(start, pd.Timestamp(place.valid_from)), min(end, pd.Timestamp(place.valid_to))
            if end > start:
                ax.broken_barh([(start, end - start)], rows, facecolor=NIGHT)


def _label_days(ax: Axes, scenario: Scenario) -> None:
    ax.set_xlim(mdates.date2num(scenario.start), mdates.date2num(scenario.end))
    ax.xaxis.set_major_locator(mdates.AutoDateLocator(minticks=4, maxticks=9))
    ax.xaxis.set_major_formatter(mdates.DateFormatter("%a %d %b", tz="UTC"))
    ax.set_xlabel("UTC (ticks at 00:00)")
    ax.set_title("Contacts by station", fontsize=10, loc="left")


def key_stores(relay: Relay, scenario: Scenario, *, ax: Axes | None = None) -> Axes:
    """Stock that each station shares with all satellites at the end of each bin, on expected key.

    Stations whose stores never hold key are left out.
    """
    ax = ax or new_axes(8, 3.6)
    space = relay.stores[relay.stores["edge"].str.contains("|", regex=False)]
    space = space.assign(ogs=space["edge"].str.split("|").str[1])
    space = space.groupby(["ogs", "bin"], as_index=False)[["initial_bit", "deposited_bit", "stock_bit"]].sum()
    held = space.groupby("ogs")[["initial_bit", "deposited_bit"]].sum().sum(axis=1)
    space = space[space["ogs"].map(held) > 0]
    for i, (ogs, group) in enumerate(space.groupby("ogs", sort=True)):
        colour, style = _LINE_STYLES[i % len(_LINE_STYLES)]
        end = [*group["bin"].iloc[1:], pd.Timestamp(scenario.end)]
        ax.step(
            [group["bin"].iloc[0], *end], [group["initial_bit"].iloc[0] / 1e3, *(group["stock_bit"] / 1e3)],
            where="post", color=colour, linestyle=style, label=station_label(ogs, scenario), marker="o", markersize=3,
        )  # fmt: skip
    if space.empty:
        ax.text(0.5, 0.5, "no satellite store", transform=ax.transAxes, ha="center")
    else:
        ax.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    ax.set_ylim(bottom=0)
    ax.set_ylabel("key in store [kbit]")
    ax.xaxis.set_major_formatter(mdates.DateFormatter("%d %b", tz="UTC"))
    ax.set_xlabel("end of the daily bin (12:00 UTC)")
    ax.set_title("Key shared by stations and satellites (expected)", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def delivery(relay: Relay, scenario: Scenario, *, ax: Axes | None = None) -> Axes:
    """Delivered share of every demand, split into fibre and space."""
    table = exposure(relay, scenario)
    ax = ax or new_axes(8, 0.9 + 0.36 * len(table))
    share = 100 * table["delivered_bit"] / table["asked_bit"]
    space = share * table["space_share"]
    rows = np.arange(len(table))
    ax.barh(rows, share - space, color=GREY, height=0.65, label="by fibre")
    ax.barh(rows, space, left=share - space, color=BLUE, height=0.65, label="through the satellite")
    for row, value in zip(rows, share, strict=True):
        ax.text(value + 1, float(row), f"{value:.0f} %", va="center", fontsize=8)
    ax.set_yticks(rows, table.index)
    ax.invert_yaxis()
    ax.set_xlim(0, 112)
    ax.set_xlabel("delivered share of the key asked for [%]")
    ax.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    ax.spines[["top", "right"]].set_visible(False)
    return ax
