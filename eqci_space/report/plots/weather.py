"""Plots of weather and confidence: availability, diversity, droughts, the fan of worlds, and what makes it wide."""

from __future__ import annotations

from collections.abc import Mapping

import geopandas as gpd
import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from shapely import LineString, Point

from eqci_space.errors import TableError
from eqci_space.machine.deprecation import once_first
from eqci_space.report.plots.labels import MapLabel, place_labels
from eqci_space.report.plots.maps import CRS, frame_map
from eqci_space.report.plots.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY, new_axes
from eqci_space.scenario import Station
from eqci_space.schedule.contacts import Plan
from eqci_space.schedule.simulate import Simulation

__all__ = ["availability_matrix", "cause_tornado", "delivery_fan", "diversity_map", "drought_distribution"]

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_AFTER = 0.04  # of the period, so that the last step of a fan can be seen
_COLOURS = [BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY]
_CAUSE_LABELS = {
    "sky": "clouds",
    "link_loss_bias_db": "link loss bias",
    "link_loss_airmass_db": "link loss per airmass",
    "availability": "contacts that take place",
    "commissioning_factor": "installed fibre rate",
    "cloud_table_logit": "cloud table's error",
    "interannual_logit": "year to year",
}


def availability_matrix(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Chance of a clear line of sight per station and month, best station on top.

    Parameters
    ----------
    table : DataFrame
        Of `weather.analysis.availability`.
    """
    if table.empty or list(table.columns) != list(range(1, 13)):
        raise TableError(f"availability_matrix: columns {list(table.columns)}; expected months 1 to 12 and a station")
    ordered = table.loc[table.mean(axis=1).sort_values(ascending=False, kind="stable").index]
    axes = new_axes(8.2, 1.1 + 0.36 * len(table)) if ax is None else ax
    percent = 100 * ordered.to_numpy(dtype=float)
    low, high = 10 * np.floor(percent.min() / 10), 10 * np.ceil(percent.max() / 10 + 1e-9)
    axes.imshow(percent, aspect="auto", cmap="cividis", vmin=low, vmax=high)
    for (i, j), value in np.ndenumerate(percent):
        colour = "white" if value < (low + high) / 2 else "black"
        axes.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(12), _MONTHS)
    axes.set_yticks(range(len(ordered)), [f"{o}  {100 * m:.0f}" for o, m in ordered.mean(axis=1).items()])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("Clear line of sight [%]; beside each station its mean of the year", fontsize=10)
    return axes


@once_first("stations", Mapping)
def diversity_map(
    diversity: pd.DataFrame, availability: pd.Series, stations: Mapping[str, Station], *, ax: Axes | None = None
) -> Axes:
    """Stations by their own chance of a clear sky, and the pairs that gain most from each other.

    The three lines are the best pairs, labelled with the chance that at least one end is clear.

    Parameters
    ----------
    diversity : DataFrame
        Of `weather.analysis.site_diversity`.
    availability : Series
        Chance of a clear sky by station, such as ``site_diversity`` gives for one station or a month of `availability`.
    """
    pairs = diversity[diversity["count"] == 2].nlargest(3, "p_any_clear")
    if pairs.empty or not set(availability.index) >= set(stations):
        raise TableError("diversity_map: expected pairs in `diversity` and every station in `availability`")
    axes = new_axes(8, 5.6) if ax is None else ax
    points = gpd.GeoSeries({o: Point(s.longitude_deg, s.latitude_deg) for o, s in stations.items()}, crs="EPSG:4326")
    points = points.to_crs(CRS)
    labels, lines = [], []
    for i, (names, chance) in enumerate(zip(pairs["stations"], pairs["p_any_clear"], strict=True)):
        a, b = (points[name] for name in names.split("+"))
        axes.plot([a.x, b.x], [a.y, b.y], color=_COLOURS[i], linewidth=2.2, label=f"{names}: {100 * chance:.0f} %")
        lines.append((LineString([a, b]), 1.0))
    for ogs, point in points.items():
        value = float(availability[ogs])
        axes.plot(point.x, point.y, "o", color="white", markeredgecolor=GREY, markersize=6 + 18 * value, zorder=4)
        name = ogs if stations[ogs].status_class != "hypothetical" else f"{ogs} (hypothetical)"
        labels.append(MapLabel(f"{name} {100 * value:.0f} %", point.x, point.y, 6 + 18 * value, {"fontsize": 9}))
    frame_map(axes, points.total_bounds)
    place_labels(axes, labels, lines)
    axes.legend(title="at least one of two clear", frameon=True, loc="lower left", fontsize=9)
    axes.set_title("Chance of a clear line of sight, alone and in pairs", fontsize=10)
    return axes


def drought_distribution(lengths: Mapping[str, np.ndarray], *, slot_h: float = 1.0, ax: Axes | None = None) -> Axes:
    """Share of droughts that last longer than a time, per name; the means are in the legend.

    Parameters
    ----------
    lengths : mapping
        Name to drought lengths in slots, of `weather.analysis.drought_lengths`.
    slot_h : float
        Length of a slot [h].
    """
    axes = new_axes() if ax is None else ax
    drawn = {name: np.sort(np.asarray(v, dtype=float)) * slot_h / 24 for name, v in lengths.items() if len(v)}
    if not drawn:
        raise TableError("drought_distribution: no drought to show")
    for i, (name, values) in enumerate(drawn.items()):
        longer = 1 - np.arange(len(values)) / len(values)
        colour = _COLOURS[i % len(_COLOURS)]
        axes.step(values, 100 * longer, where="post", color=colour, label=f"{name}: mean {24 * values.mean():.0f} h")
    axes.set_yscale("log")
    axes.set_ylim(0.1, 110)
    axes.set_xlim(left=0)
    axes.set_xlabel("length of a drought [days]")
    axes.set_ylabel("longer droughts [%]")
    axes.grid(color=GREY, alpha=0.2)
    axes.legend(frameon=False)
    return axes


def delivery_fan(simulation: Simulation, plan: Plan, *, ax: Axes | None = None) -> Axes:
    """Key from space that has arrived by a time: what 90 to 10 % of the worlds exceed, by weather alone and in all.

    The dotted line is the plan's expectation.
    """
    axes = new_axes() if ax is None else ax
    contacts = plan.contacts.loc[simulation.contact_bit.columns]
    if contacts.empty:
        raise TableError("delivery_fan: the plan has no contact")
    time = contacts["end"].dt.tz_convert(None).to_numpy()
    after = max((time[-1] - time[0]) * _AFTER, np.timedelta64(1, "h"))  # one contact has no length to show beyond it
    time = np.append(time, time[-1] + after)
    both = (("all stated uncertainties", simulation.contact_bit, ORANGE, 0.3),
            ("weather alone", simulation.weather_only_contact_bit, BLUE, 0.3))  # fmt: skip
    for label, key, colour, alpha in both:
        total = key.to_numpy().cumsum(axis=1) / 1e6
        low, middle, high = (np.append(q, q[-1]) for q in np.quantile(total, [0.1, 0.5, 0.9], axis=0))
        axes.fill_between(time, low, high, step="post", color=colour, alpha=alpha, label=f"{label}, 90 to 10 %")
        axes.step(time, middle, where="post", color=colour, label=f"{label}, median")
    expected = contacts["expected_skl_bit"].cumsum().to_numpy() / 1e6
    axes.step(time, np.append(expected, expected[-1]), where="post", color="black", linestyle=":", label="expected")
    axes.set_ylim(bottom=0)
    axes.set_xlim(time[0], time[-1])
    axes.xaxis.set_major_locator(mdates.AutoDateLocator(maxticks=9))
    axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(axes.xaxis.get_major_locator()))
    axes.set_xlabel("UTC")
    axes.set_ylabel("key from space [Mbit]")
    axes.grid(color=GREY, alpha=0.2)
    axes.legend(frameon=False, loc="upper left")
    return axes


def cause_tornado(simulation: Simulation, *, ax: Axes | None = None) -> Axes:
    """Space key that 90 to 10 % of the worlds exceed where one cause varies alone, widest on top."""
    table = simulation.causes
    width = table["exceeded_10pct_bit"] - table["exceeded_90pct_bit"]
    ordered = table.loc[width.sort_values(ascending=False, kind="stable").index]
    axes = new_axes(8, 1.3 + 0.42 * len(table)) if ax is None else ax
    low, high = ordered["exceeded_90pct_bit"].to_numpy() / 1e6, ordered["exceeded_10pct_bit"].to_numpy() / 1e6
    axes.barh(np.arange(len(ordered)), high - low, left=low, height=0.6, color=BLUE)
    for i, (a, b, share) in enumerate(zip(low, high, ordered["share_of_variance"], strict=True)):
        axes.text(b, i, f"  {a:.1f} to {b:.1f} Mbit, {100 * share:.0f} % of the variance", va="center", fontsize=9)
    middle = np.median(simulation.space_key_bit) / 1e6
    axes.axvline(middle, color=GREY, linewidth=1, linestyle="--")
    axes.set_yticks(np.arange(len(ordered)), [_CAUSE_LABELS.get(c, c) for c in ordered.index])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.75 * max(high.max(), 1e-9))
    axes.set_xlabel("key from space, one cause varied alone [Mbit]; dashed: median with all")
    together = 1 - table["share_of_variance"].sum()
    axes.set_title(f"causes that act together: {100 * max(together, 0.0):.0f} % of the variance", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    return axes
