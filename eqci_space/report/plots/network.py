"""Plots of the key network: who saw the key, what is delivered when, what limits it, what fails."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import matplotlib.dates as mdates
import networkx as nx
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from eqci_space.errors import TableError, near_matches
from eqci_space.fiber.assurance import is_foreign, node_owners
from eqci_space.fiber.edges import SPACE, key_edges
from eqci_space.fiber.exposure import exposure
from eqci_space.fiber.network import satellite_and_station, space_stations
from eqci_space.fiber.relay import Relay
from eqci_space.fiber.replay import Replay
from eqci_space.report.plots.labels import hypothetical_note, store_label
from eqci_space.report.plots.schedule import night_label
from eqci_space.report.plots.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY, new_axes
from eqci_space.scenario import Demand, Scenario
from eqci_space.units import KEY_BIT

__all__ = [
    "demand_heatmap",
    "exposure_chart",
    "exposure_frontier_plot",
    "failure_ranking",
    "replay_chart",
    "store_levels",
]

_MOST_CELLS, _MOST_BIN_LABELS = 16, 12
_MOST_LINES = 8
_FEW_DEMANDS, _MOST_NAMED = 20, 4
_MARKS = [(BLUE, "-"), (RED, "-"), (GREEN, "-"), (ORANGE, "-"), (PURPLE, "-"), (SKY, "-"), (GREY, "-"), ("black", "-")]
_KIND_COLOURS = {"node": BLUE, "link": GREY, "station": ORANGE, "satellite": PURPLE}


def exposure_chart(
    relay: Relay, scenario: Scenario, *, exposed: pd.DataFrame | None = None, ax: Axes | None = None
) -> Axes:
    """Ground nodes between the ends that see the key of each demand, as planned and by fibre alone.

    Fibre alone is the best that it could do, whatever the class asks: the path of fewest nodes over spans with a rate.
    As planned is the mean over the bits. Beside each bar stand the nations that saw key and the borders between domains
    that it crossed over fibre. `exposed` is of `exposure`, where it is at hand.
    """
    table = exposure(relay, scenario) if exposed is None else exposed
    edges, owners = key_edges(relay.network, scenario), node_owners(relay.network, scenario)
    many = len(table) > _FEW_DEMANDS
    ax = ax or new_axes(9.5, 1.3 + (0.36 if many else 0.62) * len(table))
    rows, most, any_foreign = [], 1.0, False
    for i, demand in enumerate(scenario.demands):
        planned = table.loc[demand.name]
        bars = [_fibre_alone(demand, edges, owners["nation"].to_dict())]
        if planned["delivered_bit"] > 0:
            words = _seen(str(planned["nations"]), float(planned["handovers"]), str(planned["satellites"]))
            abroad = float(planned["foreign_nodes"] - planned["foreign_satellites"])
            bars.append((float(planned["trusted_nodes"]), abroad, words))
        else:
            bars.append((0.0, 0.0, "no key delivered"))
        for (nodes, foreign, words), colour, y in zip(bars, (GREY, BLUE), (i - 0.19, i + 0.19), strict=True):
            ax.barh(y, nodes - foreign, height=0.34, color=colour)
            ax.barh(y, foreign, left=nodes - foreign, height=0.34, color=ORANGE, hatch="///", edgecolor=colour)
            rows.append((nodes, y, words))
            most, any_foreign = max(most, nodes), any_foreign or foreign > 0
    for nodes, y, words in rows:
        ax.text(nodes + 0.012 * most, y, words, va="center", fontsize=7.5)
    gap = " " if many else "\n"
    names = [f"{d.name}{gap}({', '.join(d.assurance)})" for d in scenario.demands]
    ax.set_yticks(range(len(table)), names, fontsize=7 if many else 8)
    ax.set_ylim(len(table) - 0.4, -0.6)
    ax.set_xlim(0, 1.55 * most)
    ax.set_xlabel("ground nodes between the ends that see one share of the key (mean over bits)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles = [Patch(facecolor=GREY, label="fibre alone, fewest nodes"), Patch(facecolor=BLUE, label="as planned")]
    if any_foreign:
        handles.append(Patch(facecolor=ORANGE, edgecolor=GREY, hatch="///", label="outside the nations of the ends"))
    ax.legend(handles=handles, fontsize=8, frameon=False, loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=3)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _fibre_alone(demand: Demand, edges: pd.DataFrame, nation: dict[str, str]) -> tuple[float, float, str]:
    """Nodes, foreign nodes, and words on the fibre path of fewest nodes between the ends of a demand."""
    ground = edges[(edges["kind"] != SPACE) & (edges["rate_bit_s"] > 0)]
    graph = nx.from_pandas_edgelist(ground.reset_index(), "a", "b", edge_attr=["domain_a", "domain_b"])
    a, b = demand.between
    if a not in graph or b not in graph or not nx.has_path(graph, a, b):
        return 0.0, 0.0, "no path"
    path = min(nx.all_shortest_paths(graph, a, b))
    home = {nation.get(a, ""), nation.get(b, "")}
    foreign = is_foreign(np.array([nation.get(n, "") for n in path[1:-1]], dtype=str), home).sum()
    steps = [graph.edges[step] for step in pairwise(path)]
    crossed = sum(step["domain_a"] != step["domain_b"] for step in steps)
    nations = ", ".join(sorted({nation.get(n, "") for n in path} - {""}))
    return len(path) - 2.0, float(foreign), _seen(nations, float(crossed), "")


def _seen(nations: str, crossed: float, satellites: str) -> str:
    borders = f"{crossed:.2g} hand-over{'' if crossed == 1 else 's'}"
    return "; ".join([
        _counted(nations, "nations"), borders, *([f"via {_counted(satellites, 'satellites')}"] if satellites else [])
    ])  # fmt: skip


def _counted(names: str, what: str) -> str:
    """A list of names, or how many there are of a long one."""
    count = names.count(", ") + 1
    return names if count <= _MOST_NAMED else f"{count} {what}"


def exposure_frontier_plot(frontier: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Most key that one demand could get in each class, with space and by fibre alone.

    Parameters
    ----------
    frontier : DataFrame
        Of `exposure_frontier`.
    """
    if frontier.empty:
        raise TableError("exposure_frontier_plot: the frontier has no class")
    keys = frontier[["without_space_bit_per_day", "bit_per_day"]].to_numpy() / KEY_BIT
    positive = keys[keys > 0]
    low = 10 ** (np.floor(np.log10(positive.min())) - 1) if len(positive) else 0.1
    high = positive.max() if len(positive) else 1.0
    ax = ax or new_axes(8, 1.2 + 0.3 * len(frontier))
    rows = np.arange(len(frontier))
    for row, (fibre, both) in enumerate(keys):
        if both > 0:
            ax.plot([max(fibre, low), both], [row, row], color=SKY, linewidth=2.5, zorder=1)
            alone = "same" if fibre > 0.99 * both else f"{fibre:,.0f}" if fibre > 0 else "none"
            ax.text(1.6 * both, row, f"{both:,.0f} (fibre alone: {alone})", va="center", fontsize=7.5)
        else:
            ax.text(1.3 * low, row, "none", va="center", fontsize=7.5, color=GREY)
    for column, colour, marker, size, label in ((1, BLUE, "o", 7, "with space"), (0, GREY, "D", 4, "fibre alone")):
        there = keys[:, column] > 0
        ax.plot(keys[there, column], rows[there], marker, color=colour, markersize=size, label=label, zorder=3 - column)
    ax.set_xscale("log")
    ax.set_xlim(low, high * (high / low) ** 0.5)
    ax.set_yticks(rows, list(frontier["assurance"]))
    ax.set_ylim(len(frontier) - 0.5, -0.5)
    ax.set_xlabel("most key the demand could get alone [256-bit keys/day]")
    ax.grid(axis="x", color=GREY, alpha=0.2)
    ax.legend(fontsize=8, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def demand_heatmap(relay: Relay, *, ax: Axes | None = None) -> Axes:
    """Share of the key asked for that every demand gets in every bin [%]."""
    table = relay.delivery
    asked = table.pivot_table(index="demand", columns="bin", values="asked_bit", sort=False)
    given = table.pivot_table(index="demand", columns="bin", values="delivered_bit", sort=False)
    share = 100 * (given / asked.where(asked > 0)).fillna(1.0)
    bins = pd.DatetimeIndex(share.columns)
    ax = ax or new_axes(max(6.0, min(13.0, 3.6 + 0.62 * len(bins))), 1.4 + 0.32 * len(share))
    image = ax.imshow(share.to_numpy(), aspect="auto", cmap="cividis", vmin=0, vmax=100)
    if len(bins) <= _MOST_CELLS:
        for (i, j), value in np.ndenumerate(share.to_numpy()):
            # What is nearly all or nearly none must not read as all or none.
            text = "<1" if 0 < value < 0.5 else ">99" if 99.5 <= value < 100 - 1e-4 else f"{value:.0f}"
            ax.text(j, i, text, ha="center", va="center", fontsize=8, color="white" if value < 50 else "black")
    else:
        figure = ax.get_figure(root=True)
        assert figure is not None
        figure.colorbar(image, ax=ax, label="served [%]")
    step = -(-len(bins) // _MOST_BIN_LABELS)
    ax.set_xticks(range(0, len(bins), step), _bin_labels(bins)[::step], fontsize=8)
    ax.set_yticks(range(len(share)), list(share.index), fontsize=8)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel(_bin_axis(bins))
    ax.set_title("Key delivered, of that asked for [%]", fontsize=10)
    return ax


def _daily(bins: pd.DatetimeIndex) -> bool:
    return len(bins) < 2 or bool((bins[1:] - bins[:-1]).min() >= pd.Timedelta("1D"))


def _bin_labels(bins: pd.DatetimeIndex) -> list[str]:
    return [night_label(b) if _daily(bins) else f"{b:%d %b}\n{b:%H:%M}" for b in bins]


def _bin_axis(bins: pd.DatetimeIndex) -> str:
    return "day (noon to noon UTC)" if _daily(bins) else "start of the bin (UTC)"


def store_levels(
    relay: Relay, scenario: Scenario, *, edges: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Stock of key stores at the end of each bin, dashed the need of one day; the days that the last stock covers.

    The need is the mean use of the store per day of the period.

    Parameters
    ----------
    edges : sequence of str, optional
        Ids of edges, 8 at most; default the satellite stores in use.

    Raises
    ------
    TableError
        An edge has no store, or there are too many.
    """
    stores = relay.stores
    chosen = _stores_in_use(stores) if edges is None else list(edges)
    known = set(stores["edge"])
    for edge in chosen:
        if edge not in known:
            raise TableError(f"store_levels: no store '{edge}'; {near_matches(edge, known)}")
    if len(chosen) > _MOST_LINES:
        raise TableError(f"store_levels: {len(chosen)} edges; expected at most {_MOST_LINES}: name those to show")
    days = (scenario.end - scenario.start).total_seconds() / 86400.0
    size, unit = _unit(stores.loc[stores["edge"].isin(chosen), "stock_bit"].max())
    ax = ax or new_axes(9, 4)
    for edge, (colour, style) in zip(chosen, _MARKS, strict=False):
        mine = stores[stores["edge"] == edge].sort_values("bin")
        need = float(mine["used_bit"].sum()) / days
        ends = [*mine["bin"].iloc[1:], pd.Timestamp(scenario.end)]
        level = np.append(mine["initial_bit"].iloc[0], mine["stock_bit"]) / size
        last = float(mine["stock_bit"].iloc[-1])
        cover = f"needs {need / size:,.3g} {unit}/day, {last / need:.1f} days left" if need > 0 else "not used"
        label = f"{_edge_name(edge, scenario)}\n{cover}"
        ax.plot([mine["bin"].iloc[0], *ends], level, color=colour, linestyle=style, marker="o", markersize=3.5,
                label=label)  # fmt: skip
        if need > 0:
            ax.axhline(need / size, color=colour, linestyle="--", linewidth=1.0, alpha=0.8)
    if chosen:
        ax.legend(fontsize=7.5, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), labelspacing=0.9)
    else:
        ax.text(0.5, 0.5, "no satellite store in use", transform=ax.transAxes, ha="center")
    ax.set_ylim(bottom=0)
    ax.set_xlim(mdates.date2num(scenario.start), mdates.date2num(scenario.end))
    ax.set_ylabel(f"key in store [{unit}]")
    ax.xaxis.set_major_locator(mdates.AutoDateLocator(minticks=4, maxticks=9))
    ax.xaxis.set_major_formatter(mdates.DateFormatter("%d %b", tz="UTC"))
    ax.set_xlabel("end of the bin (UTC, ticks at 00:00); dashed: the need of one day")
    shared = {ogs for edge in chosen for ogs in space_stations(edge, scenario)}
    shown = [ogs for ogs in scenario.stations if ogs in shared]
    ax.set_title(f"Key stores{hypothetical_note(scenario, shown=shown)}", fontsize=10)
    ax.grid(color=GREY, alpha=0.15)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _stores_in_use(stores: pd.DataFrame) -> list[str]:
    """Satellite stores that hold or get key, the most used first."""
    space = stores[stores["kind"] == SPACE]
    amounts = space.groupby("edge")[["used_bit", "deposited_bit", "stock_bit"]].sum()
    amounts = amounts[amounts.sum(axis=1) > 0]
    return amounts.sort_values("used_bit", ascending=False, kind="stable").index[:_MOST_LINES].tolist()


def _edge_name(edge: str, scenario: Scenario) -> str:
    return store_label(edge, scenario) if satellite_and_station(edge)[1] in scenario.stations else edge


def _unit(bit: float) -> tuple[float, str]:
    return next(((size, unit) for size, unit in ((1e9, "Gbit"), (1e6, "Mbit"), (1e3, "kbit")) if bit >= size),
                (1.0, "bit"))  # fmt: skip


def failure_ranking(failures: pd.DataFrame, *, most: int = 20, ax: Axes | None = None) -> Axes:
    """Single failures by the share of the weighted objective that they cost, coloured by kind.

    Failures of nodes at which demands end are hatched: no other path can help those demands.

    Parameters
    ----------
    failures : DataFrame
        Of `single_failures`.
    most : int
        Rows shown.

    Raises
    ------
    TableError
        No failure costs anything.
    """
    costly = failures[(failures["lost_share"] > 1e-6) | (failures["lost_bit"] > 1)]
    if costly.empty:
        raise TableError("failure_ranking: no single failure costs key")
    shown = costly.sort_values(["lost_share", "lost_bit"], ascending=False, kind="stable").head(most)
    ax = ax or new_axes(9, 1.2 + 0.25 * len(shown))
    widths = 100 * shown["lost_share"].to_numpy(dtype=float)
    for row, (_, failure) in enumerate(shown.iterrows()):
        ends = failure["lost_at_ends_bit"] > 0
        ax.barh(row, widths[row], height=0.7, color=_KIND_COLOURS[failure["kind"]], edgecolor="white",
                hatch="////" if ends else "", linewidth=0)  # fmt: skip
        words = (
            f"{failure['lost_keys']:,.0f} keys; {failure['worst_demand']}: {100 * failure['worst_share']:.0f} % left"
        )
        ax.text(max(widths[row], 0.0) + 0.012 * widths.max(), row, words, va="center", fontsize=7.5)
    ax.set_yticks(range(len(shown)), [str(name) for name in shown.index], fontsize=8)
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.set_xlim(0, 1.75 * widths.max())
    ax.set_xlabel(
        "weighted satisfaction lost [%]; beside it 256-bit keys lost, and what is left of the demand hit worst"
    )
    kinds = [k for k in _KIND_COLOURS if k in set(shown["kind"])]
    handles = [Patch(facecolor=_KIND_COLOURS[k], label=k) for k in kinds]
    if (shown["lost_at_ends_bit"] > 0).any():
        handles.append(Patch(facecolor=BLUE, edgecolor="white", hatch="////", label="end of a demand"))
    ax.legend(handles=handles, fontsize=8, frameon=False, loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=5)
    ax.text(1.0, 1.01, f"{len(shown)} of {len(failures)} cases", transform=ax.transAxes, ha="right", va="bottom",
            fontsize=8)  # fmt: skip
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def replay_chart(replay: Replay, *, ax: Axes | None = None) -> Axes:
    """What became of the requests of every demand in every bin: on time, late or blocked, each row from 0 to 100 %.

    Beside each row the share of the whole period that was served on time, and late.
    """
    table = replay.demands
    names = table["demand"].drop_duplicates().tolist()
    bins = pd.DatetimeIndex(table["bin"].drop_duplicates())
    ax = ax or new_axes(max(7.0, min(13.0, 4.6 + 0.55 * len(bins))), 1.5 + 0.42 * len(names))
    parts = (("on_time_bit", BLUE, "on time"), ("late_bit", ORANGE, "late"), ("blocked_bit", RED, "blocked"))
    for row, name in enumerate(names):
        mine = table[table["demand"] == name]
        ended = mine[[column for column, _, _ in parts]].sum(axis=1).to_numpy(dtype=float)
        low = np.full(len(mine), row + 0.4)
        for column, colour, _ in parts:
            share = np.divide(mine[column].to_numpy(dtype=float), ended, out=np.zeros(len(mine)), where=ended > 0)
            ax.bar(np.arange(len(mine)), -0.8 * share, bottom=low, width=0.86, color=colour)
            low = low - 0.8 * share
        total = max(float(ended.sum()), 1e-300)
        on_time, late = (100 * float(mine[c].sum()) / total for c in ("on_time_bit", "late_bit"))
        ax.text(len(bins) - 0.4, row, f"{on_time:.4g} %, late {late:.2g} %", va="center", fontsize=8)
    step = -(-len(bins) // _MOST_BIN_LABELS)
    ax.set_xticks(range(0, len(bins), step), _bin_labels(bins)[::step], fontsize=8)
    ax.set_yticks(range(len(names)), names, fontsize=8)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(-0.5, len(bins) - 0.5 + 0.26 * len(bins))
    ax.tick_params(length=0)
    ax.set_xlabel(_bin_axis(bins))
    handles = [Patch(facecolor=colour, label=label) for _, colour, label in parts]
    ax.legend(handles=handles, fontsize=8, frameon=False, loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=3)
    ax.spines[:].set_visible(False)
    return ax
