"""The figures of a report as SVG, each with the text that replaces it."""

from __future__ import annotations

import base64
from collections.abc import Callable

import matplotlib as mpl
import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection

from eqci_space.report import plots
from eqci_space.report.page.exposure import Exposures
from eqci_space.report.page.findings import Figure, Findings
from eqci_space.report.page.svg import svg_text
from eqci_space.report.plots.labels import hypothetical_note, station_label
from eqci_space.report.plots.schedule import MANY_WINDOWS, night_label
from eqci_space.report.plots.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY, new_axes
from eqci_space.schedule.dual_skies import sky_legs
from eqci_space.tables import by_station
from eqci_space.words import format_bits, percent

__all__ = [
    "MOST_FAILURES",
    "MOST_NIGHT_CELLS",
    "STATION_COLOURS",
    "clear_chances",
    "costly",
    "draw_figures",
    "nightly_counts",
    "picture",
    "worst_by_share",
]

MOST_FAILURES = 10
STATION_COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY)
MOST_NIGHT_CELLS = 16
_LEAST_SHARE, _LEGEND_ROWS = 1e-6, 18
_MARKERS = "osD^vP*"


def draw_figures(f: Findings, e: Exposures) -> dict[str, Figure]:
    """All figures that these findings give, by name."""
    return {name: picture(name, caption, alt, draw) for name, (caption, alt, draw) in _plans(f, e).items()}


def picture(name: str, caption: str, alt: str, draw: Callable[[], Axes]) -> Figure:
    """A figure of a report, drawn now."""
    # A name with two dollar signs is a name, not a formula.
    with mpl.rc_context({"text.parse_math": False}):
        encoded = base64.b64encode(svg_text(draw()).encode("utf-8")).decode("ascii")
    return Figure(name, caption, f"data:image/svg+xml;base64,{encoded}", alt)


Plans = dict[str, tuple[str, str, Callable[[], Axes]]]


def _plans(f: Findings, e: Exposures) -> Plans:
    """Caption, text and drawing of each figure."""
    nodes, links = f.relay.network.nodes, f.relay.network.links
    plans: Plans = {
        "map": (
            "The network, and the key relayed over it",
            f"Map of {len(nodes)} nodes and {len(links)} spans with {len(f.scenario.stations)} stations; busy spans "
            "are drawn thicker.",
            lambda: plots.network_map(f.relay, f.scenario),
        ),
        **(_space(f) if f.scenario.satellites else {}),
        **_weather(f),
        **_ground(f, e),
    }
    return plans


def _space(f: Findings) -> Plans:
    """Windows, contacts, budget and keys."""
    tops, planned = f.culminations, f.planned
    best = f.best_window
    plans: Plans = {}
    if len(tops) > MANY_WINDOWS:
        plans["windows"] = (
            "Windows by station and night",
            f"{len(tops)} windows of {tops['ogs'].nunique()} stations, counted by station and night, with the contacts "
            "planned in them.",
            lambda: _draw_window_counts(f),
        )
    elif len(tops):
        plans["windows"] = (
            "Windows by their highest elevation",
            f"{len(tops)} windows by time and highest elevation, which reaches {tops['elevation_deg'].max():.0f} "
            "degrees; those with a planned contact are filled.",
            lambda: _draw_windows(tops, f),
        )
    counts = by_station(planned).groupby("ogs").size()
    backups = int((f.plan.contacts["status"] == "backup").sum())
    plans["gantt"] = (
        "Contacts and backups by station",
        f"{len(planned)} planned contacts: {', '.join(f'{o} {n}' for o, n in counts.items()) or 'none'}; "
        f"{backups} backups.",
        lambda: plots.gantt(f.plan, f.scenario, windows=f.windows),
    )
    if best is not None:
        plans["waterfall"] = (
            "Loss of the best window at its culmination",
            f"Loss terms of the best window, {best['total_loss_db']:.1f} dB in total.",
            lambda: plots.waterfall(f.budget, best["window_id"]),
        )
        plans["profile"] = (
            "Loss of the best window over time",
            f"Loss terms of the best window stacked over time, with its elevation up to {best['elevation_deg']:.0f} "
            "degrees.",
            lambda: plots.loss_profile(f.budget, best["window_id"]),
        )
    if len(planned):
        plans["keys"] = (
            "Key from space per night",
            f"Expected key of the planned contacts per night by station, in all "
            f"{format_bits(planned['expected_skl_bit'].sum())}, and what clear nights would give.",
            lambda: plots.night_keys(f.plan, f.scenario),
        )  # fmt: skip
    return plans


def _weather(f: Findings) -> Plans:
    chances = clear_chances(f)
    plans: Plans = {}
    if len(chances):
        words = ", ".join(f"{o} {percent(row['mean'])}" for o, row in chances.iterrows())
        plans["chances"] = (
            "Chance of a clear line of sight",
            f"Mean chance of a clear line of sight over the windows of each station: {words}.",
            lambda: _draw_chances(chances, f),
        )
    simulation = f.simulation
    if simulation is not None and len(f.planned):
        low, high = np.quantile(simulation.space_key_bit, [0.1, 0.9])
        plans["fan"] = (
            "Key from space in sampled worlds",
            f"Key from space that has arrived by a time; at the end 90 % of the worlds exceed {format_bits(low)} and "
            f"10 % exceed {format_bits(high)}.",
            lambda: plots.delivery_fan(simulation, f.plan),
        )
        plans["causes"] = (
            "What makes the band wide",
            "Key from space that 90 to 10 % of the worlds exceed where one cause varies alone, widest first.",
            lambda: plots.cause_tornado(simulation),
        )
    return plans


def _ground(f: Findings, e: Exposures) -> Plans:
    """Delivery, exposure, stores and failures."""
    share = (e.seen["delivered_bit"] / e.seen["asked_bit"]).fillna(1.0)
    plans: Plans = {
        "delivery": (
            "Delivered share of every demand, of expected key",
            "Delivered share of expected key: " + ", ".join(f"{d} {percent(s)}" for d, s in share.items()) + ".",
            lambda: plots.delivery(f.relay, f.scenario, exposed=e.seen),
        ),
        "exposure": (
            "Nodes that see the key",
            "Ground nodes between the ends as planned: "
            + ", ".join(f"{d} {n:.1f}" for d, n in e.seen["trusted_nodes"].items()) + ".",
            lambda: plots.exposure_chart(f.relay, f.scenario, exposed=e.seen),
        ),
    }  # fmt: skip
    if f.scenario.satellites:
        plans["stores"] = (
            "Key stores of stations and satellites",
            "Expected stock of each satellite store in use over the period, with its need of one day.",
            lambda: plots.store_levels(f.relay, f.scenario),
        )
    failures = worst_by_share(f)
    if len(failures):
        plans["failures"] = (
            "The worst single failures",
            "Weighted satisfaction lost: "
            + ", ".join(f"{name} {percent(row['lost_share'])}" for name, row in failures.iterrows()) + ".",
            lambda: plots.failure_ranking(f.failures, most=MOST_FAILURES),
        )  # fmt: skip
    return plans


def costly(f: Findings) -> pd.DataFrame | None:
    """The single failures that cost most keys, or None where they were not computed."""
    if f.failures is None:
        return None
    table = f.failures
    return table[(table["lost_share"] > _LEAST_SHARE) | (table["lost_bit"] > 1)].head(MOST_FAILURES)


def worst_by_share(f: Findings) -> pd.DataFrame:
    """The single failures that cost most of the weighted satisfaction; empty where they were not computed."""
    if f.failures is None:
        return pd.DataFrame()
    table = f.failures[(f.failures["lost_share"] > _LEAST_SHARE) | (f.failures["lost_bit"] > 1)]
    return table.sort_values(["lost_share", "lost_bit"], ascending=False, kind="stable").head(MOST_FAILURES)


def nightly_counts(f: Findings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Windows, and contacts planned, by station (rows) and night (columns, labelled)."""
    evenings = pd.date_range(pd.Timestamp(f.scenario.start).floor("D"), f.scenario.end, freq="D")
    nights = list(dict.fromkeys(night_label(e + pd.Timedelta("12h")) for e in evenings))
    tables = [
        pd.crosstab(table["ogs"], table["start"].map(night_label)).reindex(
            index=list(f.scenario.stations), columns=nights, fill_value=0
        )
        for table in (f.windows, by_station(f.planned))
    ]
    used = (tables[0].to_numpy() > 0).any(axis=0) if tables[0].size else np.zeros(len(nights), dtype=bool)
    return tables[0].loc[:, used], tables[1].loc[:, used]


def clear_chances(f: Findings) -> pd.DataFrame:
    """Mean, least and most chance of a clear line of sight over the windows with key, by station."""
    whole = sky_legs(f.candidates).drop_duplicates("window_id")
    table = whole.groupby("ogs")["p_clear"].agg(["mean", "min", "max", "size"])
    return table.sort_values("mean", ascending=False, kind="stable")


def _draw_windows(tops: pd.DataFrame, f: Findings) -> Axes:
    stations = [o for o in f.scenario.stations if o in set(tops["ogs"])]
    columns = -(-len(stations) // _LEGEND_ROWS)
    ax = new_axes(7 + 2 * columns, max(3.6, 0.7 + 0.19 * min(len(stations), _LEGEND_ROWS)))
    for i, ogs in enumerate(stations):
        mine = tops[tops["ogs"] == ogs]
        colour, marker = STATION_COLOURS[i % len(STATION_COLOURS)], _MARKERS[i // len(STATION_COLOURS) % len(_MARKERS)]
        time = mine["time"].dt.tz_convert(None)
        ax.scatter(time, mine["elevation_deg"], s=34, marker=marker, edgecolors=colour, linewidths=1.2, zorder=3,
                   facecolors=[colour if taken else "white" for taken in mine["planned"]],
                   label=station_label(ogs, f.scenario))  # fmt: skip
    ax.set_ylim(0, 93)
    ax.set_xlim(mdates.date2num(f.scenario.start), mdates.date2num(f.scenario.end))
    ax.xaxis.set_major_locator(mdates.AutoDateLocator(minticks=4, maxticks=9))
    ax.xaxis.set_major_formatter(mdates.DateFormatter("%d %b", tz="UTC"))
    ax.set_xlabel("UTC (ticks at 00:00); filled: a contact is planned in the window")
    ax.set_ylabel("highest elevation [°]")
    legend = ax.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), ncols=columns)
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_facecolor(handle.get_edgecolor())
    ax.grid(color=GREY, alpha=0.2)
    ax.set_title(f"Windows by station{hypothetical_note(f.scenario)}", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _draw_window_counts(f: Findings) -> Axes:
    counts, planned = nightly_counts(f)
    taken = planned.to_numpy()
    ax = new_axes(max(7.0, min(12.0, 3.6 + 0.75 * counts.shape[1])), 1.3 + 0.24 * len(counts))
    image = ax.imshow(counts.to_numpy(), aspect="auto", cmap="cividis", vmin=0)
    if counts.shape[1] <= MOST_NIGHT_CELLS:
        bright = 0.5 * counts.to_numpy().max()
        for (i, j), count in np.ndenumerate(counts.to_numpy()):
            ax.text(j, i, f"{taken[i, j]} of {count}", ha="center", va="center", fontsize=7.5,
                    color="black" if count > bright else "white")  # fmt: skip
    step = -(-counts.shape[1] // MOST_NIGHT_CELLS)
    ax.set_xticks(range(0, counts.shape[1], step), list(counts.columns)[::step], fontsize=8)
    ax.set_yticks(range(len(counts)), [station_label(str(o), f.scenario) for o in counts.index], fontsize=8)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("night (noon to noon UTC)")
    ax.set_title("Windows with a planned contact, of all windows", fontsize=10)
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.colorbar(image, ax=ax, label="windows", shrink=0.5)
    return ax


def _draw_chances(chances: pd.DataFrame, f: Findings) -> Axes:
    ax = new_axes(8, 1.1 + 0.34 * max(len(chances), 2))
    rows = np.arange(len(chances))
    low, mean, high = (100 * chances[c].to_numpy(dtype=float) for c in ("min", "mean", "max"))
    ax.barh(rows, mean, color=BLUE, height=0.55)
    ax.hlines(rows, low, high, color="black", linewidth=1.4)
    for row, value, end in zip(rows, mean, high, strict=True):
        ax.text(end + 1, float(row), f"{value:.0f} %", va="center", fontsize=8)
    ax.set_yticks(rows, [station_label(str(o), f.scenario) for o in chances.index])
    ax.set_ylim(len(chances) - 0.5, -0.5)
    ax.set_xlim(0, min(112.0, 1.25 * high.max() + 2))
    ax.set_xlabel("chance of a clear line of sight [%]: mean over the windows with key; line: least to most")
    ax.spines[["top", "right"]].set_visible(False)
    return ax
