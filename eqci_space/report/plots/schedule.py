"""Plots of plans over time: contacts by station and satellite, key per night, and plans side by side."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import timedelta

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.patches import Patch

from eqci_space.errors import DataError, EqciWarning, TableError
from eqci_space.ogs.windows import night_intervals
from eqci_space.orbits.earth import times_from
from eqci_space.orbits.sky import Sky, make_sky
from eqci_space.report.plots.labels import hypothetical_note, station_label
from eqci_space.report.plots.style import BLUE, GREEN, GREY, NIGHT, ORANGE, PURPLE, RED, SKY, key_unit, new_axes
from eqci_space.scenario import Scenario, dated_stations
from eqci_space.schedule.contacts import Plan
from eqci_space.tables import by_station, planned_contacts
from eqci_space.weather.line_of_sight import cloud_free_probability
from eqci_space.weather.outlook import outlook
from eqci_space.words import joined

__all__ = [
    "MANY_WINDOWS",
    "gantt_by_satellite",
    "gantt_by_station",
    "joined_windows",
    "night_keys",
    "night_label",
    "scenario_comparison",
]

_ROW_IN, _LANE_IN, _BAR_GAP = 0.46, 0.17, 0.6
_COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY)
_BACKUP_FACE = to_rgba(SKY, 0.35)
_CLOUD, _MOST_CLOUD_ALPHA, _CLOUD_ELEVATION_DEG = "#5B6478", 0.6, 45.0
_NOON, _NO_TIME = pd.Timedelta("12h"), pd.Timedelta(0)
_OUTLINES = {"ogs": "window not taken", "satellite": "in sight of a station"}
MANY_WINDOWS, _STRIP = 1000, "windows"
_MOST_NIGHT_LABELS = 16
_FEW_DAYS = timedelta(days=4)

Night = tuple[pd.Timestamp, pd.Timestamp]


def gantt_by_station(
    plan: Plan, scenario: Scenario, *, windows: pd.DataFrame | None = None, ax: Axes | None = None
) -> Axes:
    """Contacts by station over the period, backups hatched, nights shaded, windows not taken in outline.

    A night is the darker the likelier cloud covers the line of sight at 45 degrees, by the scenario's weather. Contacts
    last minutes in a week; each bar is drawn at least 1/250 of the period wide so that it can be seen. Bars that would
    touch stand in lanes one below the other; rows, and the figure, are as high as their lanes need. Of more than a
    thousand windows those close to each other are a strip below the contacts.
    """
    rows = {ogs: station_label(ogs, scenario) for ogs in scenario.stations}
    nights = dict(_nights(scenario))
    clouds = {ogs: _cloud_chance(ogs, nights[ogs], scenario) for ogs in rows}
    contacts = by_station(plan.contacts)
    if contacts is not plan.contacts:
        contacts = contacts.set_axis(range(len(contacts)))
    ax = _gantt("ogs", rows, contacts, windows, scenario, nights, clouds, ax)
    ax.set_title(f"Contacts by station{hypothetical_note(scenario)}", fontsize=10, loc="left")
    return ax


def gantt_by_satellite(
    plan: Plan, scenario: Scenario, *, windows: pd.DataFrame | None = None, ax: Axes | None = None
) -> Axes:
    """Contacts by satellite, coloured by station where these are few; shaded while it is night at some station.

    Outlined are the times in which some station has a window. Bars and hatching are those of `gantt_by_station`.
    """
    rows = {satellite.name: satellite.name for satellite in scenario.satellites}
    anywhere = _united([night for _, nights in _nights(scenario) for night in nights])
    contacts, crossings = plan.contacts, None
    if windows is not None:
        crossings = joined_windows(windows, "satellite", _NO_TIME)
        contacts = contacts.assign(window_id=_crossing_of(contacts, crossings))
    ax = _gantt("satellite", rows, contacts, crossings, scenario, dict.fromkeys(rows, anywhere), {}, ax)
    ax.set_title(f"Contacts by satellite{hypothetical_note(scenario)}", fontsize=10, loc="left")
    return ax


def _gantt(
    by: str,
    rows: dict[str, str],
    contacts: pd.DataFrame,
    windows: pd.DataFrame | None,
    scenario: Scenario,
    nights: dict[str, list[Night]],
    clouds: dict[str, np.ndarray | None],
    ax: Axes | None,
) -> Axes:
    names = list(rows)
    taken = contacts[contacts[by].isin(names)]
    outlined = taken.iloc[:0] if windows is None else windows[windows[by].isin(names)]
    widest = pd.Timedelta((scenario.end - scenario.start) / 250)
    together = len(outlined) > MANY_WINDOWS
    behind = joined_windows(outlined, by, widest) if together else outlined.iloc[:0]
    outlined = outlined.iloc[:0] if together else outlined
    lanes = _lanes(by, taken, outlined, widest)
    counts = (lanes.groupby(by)["lane"].max() + 1).reindex(names, fill_value=1)
    heights = (_LANE_IN * counts).clip(lower=_ROW_IN)
    tops = heights.cumsum() - heights
    ax = ax or new_axes(10, 1.1 + max(2 * _ROW_IN, heights.sum()))
    for name in names:
        place = tops[name] + 0.05 * _ROW_IN, heights[name] - 0.1 * _ROW_IN
        _bands(ax, nights[name], clouds.get(name), place)
        spans = [(start, end - start) for start, end in behind.loc[behind[by] == name, ["start", "end"]].to_numpy()]
        strip = tops[name] + heights[name] - 0.14 * _ROW_IN, 0.09 * _ROW_IN
        ax.broken_barh(spans, strip, facecolor=GREY, edgecolor=GREY, linewidth=0.5, zorder=0.8)
    lane_in = (heights - 0.3 * _ROW_IN) / counts
    low = tops[lanes[by]].to_numpy() + 0.15 * _ROW_IN + lane_in[lanes[by]].to_numpy() * (lanes["lane"] + 0.1)
    boxes = pd.DataFrame({"top": low, "height": 0.8 * lane_in[lanes[by]].to_numpy()}, index=lanes.index)
    kind = boxes.index.get_level_values(0)
    _bars(ax, outlined, boxes[kind == "window"].droplevel(0), widest, "white", GREY)
    backup, boxes = _is_backup(taken), boxes[kind == "contact"].droplevel(0)
    colours = _station_colours(scenario) if by == "satellite" else {}
    for colour in dict.fromkeys([BLUE, *colours.values()]):
        mine = np.array([colours.get(ogs, BLUE) == colour for ogs in taken["ogs"]], dtype=bool)
        if mine.any():
            _bars(ax, taken[mine & ~backup], boxes, widest, colour, colour)
            _bars(ax, taken[mine & backup], boxes, widest, _BACKUP_FACE, colour, hatch="//////")
    ax.set_yticks(tops + heights / 2, list(rows.values()))
    ax.set_ylim(max(heights.sum(), _ROW_IN), 0)
    _label_days(ax, scenario)
    labels = {colour: station_label(ogs, scenario) for ogs, colour in colours.items()}
    outline = "" if windows is None else _STRIP if together else _OUTLINES[by]
    _legend(ax, labels, by, outline, bool(backup.any()), any(c is not None for c in clouds.values()))
    return ax


def joined_windows(windows: pd.DataFrame, by: str, gap: pd.Timedelta) -> pd.DataFrame:
    """Windows of each satellite or station that are at most `gap` apart, taken together."""
    found = [
        (str(name), start, end)
        for name, mine in windows.groupby(by, sort=True)
        for start, end in _united(list(zip(mine["start"], mine["end"], strict=True)), gap)
    ]
    table = pd.DataFrame(found, columns=[by, "start", "end"])
    return table.astype({c: windows[c].dtype for c in ("start", "end")}).set_axis(table.index.map("crossing {}".format))


def _crossing_of(contacts: pd.DataFrame, crossings: pd.DataFrame) -> list[str]:
    """Crossing in which each contact begins, or nothing."""
    names = []
    for satellite, start in zip(contacts["satellite"], contacts["start"], strict=True):
        inside = (crossings["satellite"] == satellite) & (crossings["start"] <= start) & (crossings["end"] > start)
        names.append(str(inside.idxmax()) if inside.any() else "")
    return names


def _is_backup(contacts: pd.DataFrame) -> np.ndarray:
    status = contacts.get("status", pd.Series("planned", index=contacts.index))
    return np.asarray(status == "backup", dtype=bool)


def _station_colours(scenario: Scenario) -> dict[str, str]:
    """A colour for each station, if there are enough."""
    few = len(scenario.stations) <= len(_COLOURS) and scenario.protocol.downlink == "single"
    return dict(zip(scenario.stations, _COLOURS, strict=False)) if few else {}


def _lanes(by: str, contacts: pd.DataFrame, windows: pd.DataFrame, widest: pd.Timedelta) -> pd.DataFrame:
    """Row and lane of each window and contact: the first lane that is free again.

    A contact stands in the lane of its window, and may be drawn beyond it; a second one in the same window has a lane
    of its own.
    """
    own = contacts["window_id"] if "window_id" in contacts else contacts["candidate_id"]
    inside = own.isin(windows.index) & ~own.duplicated()
    host = own[inside]
    bars = pd.concat({"window": windows[[by, "start", "end"]], "contact": contacts.loc[~inside, [by, "start", "end"]]})
    until = bars["end"].where(bars["end"] > bars["start"] + widest, bars["start"] + widest)
    reach = (contacts.loc[inside, "start"] + widest).set_axis(pd.MultiIndex.from_product([["window"], host]))
    beyond = reach.reindex(bars.index)
    bars["until"] = until.where(~(beyond > until), beyond) + _BAR_GAP * widest
    free: dict[str, list[pd.Timestamp]] = {}
    lanes = {}
    for index, row, start, _, end in bars.sort_values(["start", "until"]).itertuples(name=None):
        ends = free.setdefault(row, [])
        lane = next((i for i, other in enumerate(ends) if other <= start), len(ends))
        ends[lane : lane + 1] = [end]
        lanes[index] = lane
    found = bars[[by]].assign(lane=pd.Series(lanes, dtype=int).reindex(bars.index))
    hosted = found.loc[[("window", w) for w in host]].set_axis(pd.MultiIndex.from_product([["contact"], host.index]))
    return pd.concat([found, hosted])


def _bars(
    ax: Axes, table: pd.DataFrame, boxes: pd.DataFrame, widest: pd.Timedelta, face: object, edge: str, hatch: str = ""
) -> None:
    """Rectangles from start to end, each in its lane."""
    if table.empty:
        return
    low = boxes["top"].reindex(table.index).to_numpy()
    high = low + boxes["height"].reindex(table.index).to_numpy()
    ends = table["end"].where(table["end"] > table["start"] + widest, table["start"] + widest)
    left, right = (mdates.date2num(times.dt.tz_convert(None).to_numpy()) for times in (table["start"], ends))
    corners = np.stack([[left, low], [left, high], [right, high], [right, low]]).transpose(2, 0, 1)
    ax.add_collection(
        PolyCollection(list(corners), linewidths=0.8, facecolors=face, edgecolors=edge, hatch=hatch or None)
    )


def _nights(scenario: Scenario) -> Iterator[tuple[str, list[Night]]]:
    """Nights of each station, of a mobile one where and while it stands."""
    sky = make_sky(scenario.start, scenario.end)
    for ogs in scenario.stations:
        yield ogs, _station_nights(sky, ogs, scenario)


def _station_nights(sky: Sky, ogs: str, scenario: Scenario) -> list[Night]:
    length_s = (scenario.end - scenario.start).total_seconds()
    station, found = scenario.stations[ogs], []
    for place in dated_stations(station):
        for night in night_intervals(sky, place, length_s, place.sun_max_elevation_deg):
            start, end = times_from(scenario.start, np.array(night))
            if station.positions and place.valid_from and place.valid_to:
                start, end = max(start, pd.Timestamp(place.valid_from)), min(end, pd.Timestamp(place.valid_to))
            if end > start:
                found.append((start, end))
    return found


def _united(nights: list[Night], gap: pd.Timedelta = _NO_TIME) -> list[Night]:
    """Times in at least one of the nights, or between two of them that are at most `gap` apart."""
    merged: list[Night] = []
    for start, end in sorted(nights):
        if merged and start <= merged[-1][1] + gap:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _cloud_chance(ogs: str, nights: list[Night], scenario: Scenario) -> np.ndarray | None:
    """Chance of cloud in the line of sight at 45 degrees in the middle of each night (n,); None where unknown."""
    weather = scenario.weather
    if weather.model in ("clear_sky", "constant") or not nights:
        return np.full(len(nights), 1.0 - (1.0 if weather.p_clear is None else weather.p_clear))
    middle = pd.DatetimeIndex([start + (end - start) / 2 for start, end in nights])
    with warnings.catch_warnings():
        # That a forecast ends before the period is said where contacts are valued.
        warnings.simplefilter("ignore", EqciWarning)
        try:
            covers, chance = outlook(np.full(len(nights), ogs, dtype=object), middle, scenario).covers()
        except DataError:
            # Stations off the map of the climate may stand in a scenario as long as they have no contact.
            return None
    free = cloud_free_probability(covers, np.array(_CLOUD_ELEVATION_DEG), seen_from="space")
    return np.asarray(1.0 - (free * chance).sum(axis=1))


def _bands(ax: Axes, nights: list[Night], clouds: np.ndarray | None, rows: tuple[float, float]) -> None:
    """Nights as bands, the darker the likelier the cloud."""
    spans = [(start, end - start) for start, end in nights]
    if not spans:
        return
    ax.broken_barh(spans, rows, facecolor=NIGHT, zorder=0.5)
    if clouds is not None and clouds.max() > 0:
        faces = [to_rgba(_CLOUD, _MOST_CLOUD_ALPHA * chance) for chance in clouds]
        ax.broken_barh(spans, rows, facecolors=faces, zorder=0.6, gid="cloud")


def _label_days(ax: Axes, scenario: Scenario) -> None:
    ax.set_xlim(mdates.date2num(scenario.start), mdates.date2num(scenario.end))
    ax.xaxis.set_major_locator(mdates.AutoDateLocator(minticks=4, maxticks=9))
    short = scenario.end - scenario.start < _FEW_DAYS
    ax.xaxis.set_major_formatter(mdates.DateFormatter("%d %b\n%H:%M" if short else "%a %d %b", tz="UTC"))
    ax.set_xlabel("UTC" if short else "UTC (ticks at 00:00)")


def _legend(ax: Axes, stations: dict[str, str], by: str, outline: str, backups: bool, clouds: bool) -> None:
    colours = stations or {BLUE: "planned contact"}
    handles = [Patch(facecolor=colour, label=label) for colour, label in colours.items()]
    night = "night" if by == "ogs" else "night at a station"
    if backups:
        edge = GREY if stations else BLUE
        handles.append(Patch(facecolor=_BACKUP_FACE, edgecolor=edge, hatch="//////", label="backup"))
    if outline:
        handles.append(Patch(facecolor=GREY if outline == _STRIP else "white", edgecolor=GREY, label=outline))
    handles.append(Patch(facecolor=NIGHT, label=f"{night}, clear" if clouds else night))
    if clouds:
        handles.append(Patch(facecolor=to_rgba(_CLOUD, _MOST_CLOUD_ALPHA), label="night, overcast"))
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)


def night_label(time: pd.Timestamp) -> str:
    """The night that a time belongs to, counted from noon to noon UTC.

    Examples
    --------
    >>> night_label(pd.Timestamp("2027-01-15T03:00Z")), night_label(pd.Timestamp("2027-01-31T20:00Z"))
    ('14/15 Jan', '31 Jan/1 Feb')
    """
    evening = (pd.Timestamp(time) - _NOON).floor("D")
    morning = evening + pd.Timedelta("1D")
    first = f"{evening.day}" if evening.month == morning.month else f"{evening.day} {evening:%b}"
    return f"{first}/{morning.day} {morning:%b}"


def night_keys(plan: Plan, scenario: Scenario, *, ax: Axes | None = None) -> Axes:
    """Expected key of the planned contacts per night, stacked by station or pair of them; clear nights as a line.

    Of many stations the six that bring most are told apart.

    Raises
    ------
    TableError
        The plan has no planned contact.
    """
    planned = planned_contacts(plan.contacts)
    planned = planned.assign(ogs=[joined(*pair) for pair in zip(planned["ogs"], planned["ogs_b"], strict=True)])
    if planned.empty:
        raise TableError("night_keys: the plan has no planned contact")
    evenings = pd.date_range(*((pd.Timestamp(t) - _NOON).floor("D") for t in (scenario.start, scenario.end)), freq="D")
    if pd.Timestamp(scenario.end) <= evenings[-1] + _NOON:
        evenings = evenings[:-1]
    night = (planned["start"] - _NOON).dt.floor("D")
    totals = planned.groupby("ogs")["expected_skl_bit"].sum().sort_values(ascending=False, kind="stable")
    first = set(totals.index if len(totals) <= len(_COLOURS) else totals.index[: len(_COLOURS) - 1])
    others = f"{len(totals) - len(first)} other stations"
    group = planned["ogs"].where(planned["ogs"].isin(first), others)
    table = planned.assign(night=night, ogs=group).groupby(["night", "ogs"])[["expected_skl_bit", "skl_bit"]].sum()
    clear = table["skl_bit"].groupby(level="night").sum().reindex(evenings, fill_value=0.0).to_numpy()
    size, unit = key_unit(clear.max())
    ax = ax or new_axes(max(6.0, min(14.0, 2.5 + 0.75 * len(evenings))), 3.8)
    bottom, x = np.zeros(len(evenings)), np.arange(len(evenings))
    names = {ogs: station_label(ogs, scenario) for ogs in scenario.stations if ogs in first}
    names |= {pair: pair for pair in sorted(first - set(names))}
    if len(totals) > len(first):
        names[others] = others
    for colour, (ogs, label) in zip(_COLOURS, names.items(), strict=False):
        part = table["expected_skl_bit"].xs(ogs, level="ogs").reindex(evenings, fill_value=0.0).to_numpy() / size
        ax.bar(x, part, bottom=bottom, width=0.7, color=colour, label=label)
        bottom += part
    ax.plot(
        x, clear / size, linestyle="", marker="_", markersize=22, markeredgewidth=1.6, color="black", label="all clear"
    )
    for place, expected in zip(x, bottom, strict=True):
        if len(x) <= _MOST_NIGHT_LABELS and expected > 0:
            ax.annotate(f"{expected:.0f}", (float(place), expected), xytext=(0, 2), textcoords="offset points",
                        ha="center", va="bottom", fontsize=8)  # fmt: skip
    step = -(-len(x) // _MOST_NIGHT_LABELS)
    ax.set_xticks(x[::step], [night_label(e + _NOON) for e in evenings[::step]], fontsize=8)
    ax.set_xlabel("night (noon to noon UTC)")
    ax.set_ylabel(f"key of planned contacts [{unit}]")
    ax.set_ylim(0, 1.12 * max(clear.max() / size, bottom.max()))
    ax.legend(title="expected, by station", fontsize=8, title_fontsize=8, frameon=False, loc="upper left",
              bbox_to_anchor=(1.0, 1.0))  # fmt: skip
    ax.set_title(f"Key from space per night{hypothetical_note(scenario, shown=totals.index)}", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def scenario_comparison(table: pd.DataFrame, *, quantity: str, ax: Axes | None = None) -> Axes:
    """Scenarios or plans side by side: one group of bars per row, one colour per column.

    Parameters
    ----------
    table : DataFrame
        Numbers of one quantity and unit; rows are what is compared, such as demands; columns are scenarios, 7 at most.
    quantity : str
        Label of the axis, with the unit in brackets.

    Raises
    ------
    TableError
        The table is empty, has more columns than colours, or values that are not finite.
    """
    values = table.to_numpy(dtype=float)
    if not values.size or values.shape[1] > len(_COLOURS) or not np.isfinite(values).all():
        raise TableError(f"scenario_comparison: table {values.shape}; expected finite numbers in 1 to 7 columns")
    count = values.shape[1]
    ax = ax or new_axes(9, 1.2 + len(table) * (0.14 + 0.17 * count))
    height = 0.84 / count
    most = max(values.max(), 1e-300)
    for j, name in enumerate(table.columns):
        rows = np.arange(len(table)) + (j - (count - 1) / 2) * height
        ax.barh(rows, values[:, j], height=0.86 * height, color=_COLOURS[j], label=str(name))
        for row, value in zip(rows, values[:, j], strict=True):
            ax.text(max(value, 0.0) + 0.01 * most, float(row), f"{value:,.3g}" if abs(value) < 1e3 else f"{value:,.0f}",
                    va="center", fontsize=7.5)  # fmt: skip
    ax.set_yticks(np.arange(len(table)), [str(name) for name in table.index])
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.set_xlim(min(0.0, 1.1 * values.min()), 1.12 * most)
    ax.set_xlabel(quantity)
    if count > 1:
        ax.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    ax.spines[["top", "right"]].set_visible(False)
    return ax
