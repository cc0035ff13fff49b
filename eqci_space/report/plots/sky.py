"""Plots of passes: the track in a station's sky, the profile of a window, ground tracks, windows per night."""

from __future__ import annotations

from datetime import datetime, timedelta

import erfa
import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.projections.polar import PolarAxes
from pyproj import Geod, Transformer

from eqci_space.errors import TableError, near_matches
from eqci_space.orbits.earth import seconds_from, station_frame
from eqci_space.orbits.ephemeris import ephemerides, positions_m
from eqci_space.orbits.sky import make_sky
from eqci_space.report.plots.labels import station_label
from eqci_space.report.plots.maps import CRS, frame_map
from eqci_space.report.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    STATUS_COLOURS,
    new_axes,
    new_figure,
)
from eqci_space.scenario import Scenario, Station, dated_stations, placed
from eqci_space.tables import check_table
from eqci_space.units import EARTH_RADIUS_M

__all__ = ["elevation_profile", "ground_track", "sky_track", "windows_per_night"]

_TRACKS = [BLUE, RED, GREEN, PURPLE, ORANGE, SKY]
_DASHES = ["-", "--", ":"]
_MOST_LABELS = 18
_APPROACH_S = 240.0
_TRACK_STEP_S = 10.0
_CROSSING = pd.Timedelta(minutes=20)


def sky_track(samples: pd.DataFrame, scenario: Scenario, *, ax: Axes | None = None) -> Axes:
    """Tracks of windows in the sky of one station, north up and east to the right as on a map seen from above.

    The horizon mask and the lowest elevation are shaded; Sun and Moon are drawn where they stand at the middle of the
    first window, if they are up. A dot marks the first sample of each minute, an arrow the direction.

    Parameters
    ----------
    samples : DataFrame
        SAMPLES of one station; a few windows.
    scenario : Scenario
    ax : Axes, optional
        Polar.

    Raises
    ------
    TableError
        The samples are empty or of several stations.
    """
    check_table(samples, "SAMPLES", "sky_track")
    stations = samples["ogs"].unique()
    if len(stations) != 1:
        raise TableError(f"sky_track: samples of {len(stations)} stations; expected those of one")
    ogs = str(stations[0])
    here = [s for s, mask in placed(scenario.stations[ogs], samples["time"]) if mask.all()]
    if len(here) != 1:
        raise TableError(f"sky_track: the mobile station '{ogs}' stands in several places; plot each by itself")
    station = here[0]
    first = samples[samples["window_id"] == samples["window_id"].iloc[0]]["time"]
    middle = first.iloc[0] + (first.iloc[-1] - first.iloc[0]) / 2
    rows = (samples["window_id"].nunique() + 4) // 2
    ax = ax or new_figure(5.6, 5.6 + 0.36 * rows).add_subplot(projection="polar")
    assert isinstance(ax, PolarAxes)
    ax.set_theta_zero_location("N")
    ax.set_theta_direction(-1)
    _low_sky(ax, station)
    for i, (_, part) in enumerate(samples.groupby("window_id", sort=False)):
        _track(ax, part, _TRACKS[i % len(_TRACKS)])
    _sun_and_moon(ax, station, middle.to_pydatetime())
    ax.set_rlim(0, 90)
    ax.set_rticks([30, 60, 90], ["60°", "30°", ""], fontsize=7)
    ax.set_thetagrids(np.arange(0, 360, 45), ["N", "NE", "E", "SE", "S", "SW", "W", "NW"])
    ax.set_title(f"Sky over {station_label(ogs, scenario)}", fontsize=10)
    ax.set_rlabel_position(67.5)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=2, fontsize=8, frameon=False)
    return ax


def _track(ax: Axes, part: pd.DataFrame, colour: str) -> None:
    angle, zenith = np.radians(part["azimuth_deg"].to_numpy()), 90 - part["elevation_deg"].to_numpy()
    start = part["time"].iloc[0]
    label = f"{part['satellite'].iloc[0]}\n{start:%d %b %H:%M} UTC, {part['elevation_deg'].max():.0f}°"
    ax.plot(angle, zenith, color=colour, linewidth=1.8, label=label)
    minute = np.flatnonzero(np.diff(part["time"].dt.floor("min").to_numpy()) > np.timedelta64(0, "s")) + 1
    ax.plot(angle[minute], zenith[minute], ".", color=colour, markersize=6)
    if len(part) > 1:
        tip, before = len(part) - 1, max(0, len(part) - 1 - max(1, len(part) // 12))
        ax.annotate(
            "", (angle[tip], zenith[tip]), (angle[before], zenith[before]),
            arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 1.8},
        )  # fmt: skip


def _low_sky(ax: Axes, station: Station) -> None:
    azimuth = np.linspace(0, 360, 721)
    limit = np.full(azimuth.shape, station.min_elevation_deg)
    if station.horizon_mask:
        mask = np.array(station.horizon_mask)
        limit = np.maximum(limit, np.interp(azimuth, mask[:, 0], mask[:, 1], period=360))
    what = "below the horizon mask" if station.horizon_mask else f"below {station.min_elevation_deg:g}°"
    ax.fill_between(np.radians(azimuth), 90 - limit, 90, color="#DDDDDD", linewidth=0, label=what)


def _sun_and_moon(ax: Axes, station: Station, time: datetime) -> None:
    sky = make_sky(time, time + timedelta(seconds=1))
    position, rotation = station_frame(station.latitude_deg, station.longitude_deg, station.height_ellipsoid_m)
    for name, place, marker, colour, keep_out in (
        ("Sun", sky.sun_m, "*", ORANGE, station.sun_keep_out_deg),
        ("Moon", sky.moon_m, "o", GREY, station.moon_keep_out_deg),
    ):
        east, north, up = rotation @ (place(np.zeros(1))[0] - position)
        elevation = np.degrees(np.arctan2(up, np.hypot(east, north)))
        if elevation > 0:
            note = f", keep-out {keep_out:g}°" if keep_out else ""
            ax.plot(
                np.arctan2(east, north), 90 - elevation, linestyle="", marker=marker, color=colour, markersize=9,
                label=f"{name}{note}",
            )  # fmt: skip


def elevation_profile(samples: pd.DataFrame, window_id: str, *, ax: Axes | None = None) -> Axes:
    """Elevation and slant range of a window over time.

    Parameters
    ----------
    samples : DataFrame
        SAMPLES or BUDGET.
    window_id : str

    Raises
    ------
    TableError
        There is no such window.
    """
    ax = ax or new_axes(8, 3.4)
    part = samples[samples["window_id"] == window_id]
    if part.empty:
        hint = near_matches(window_id, samples["window_id"].unique())
        raise TableError(f"elevation_profile: no window '{window_id}' in the samples; {hint}")
    ax.plot(part["time"], part["elevation_deg"], color=BLUE, linewidth=2)
    ax.set_ylabel("elevation [°]", color=BLUE)
    ax.set_ylim(0, 90)
    other = ax.twinx()
    other.plot(part["time"], part["range_m"] / 1e3, color=RED, linewidth=1.6, linestyle="--")
    other.set_ylabel("slant range [km] (dashed)", color=RED)
    other.set_ylim(bottom=0)
    short = part["time"].iloc[-1] - part["time"].iloc[0] < pd.Timedelta(minutes=3)
    ax.xaxis.set_major_locator(mdates.AutoDateLocator(minticks=3, maxticks=8))
    ax.xaxis.set_major_formatter(mdates.DateFormatter("%H:%M:%S" if short else "%H:%M", tz="UTC"))
    top = part.loc[part["elevation_deg"].idxmax()]
    ax.set_xlabel("UTC")
    ax.set_title(f"{top['satellite']} over {top['ogs']}, {top['time']:%d %b %Y}", fontsize=10)
    for axes in (ax, other):
        axes.spines["top"].set_visible(False)
    return ax


def ground_track(windows: pd.DataFrame, scenario: Scenario, *, ax: Axes | None = None) -> Axes:
    """Ground tracks of windows over Europe, with the circle in which each station sees the satellite.

    The thick line is the window, the thin one four minutes before and after it. Circles are drawn for the satellite of
    the first window on a spherical Earth.

    Parameters
    ----------
    windows : DataFrame
        WINDOWS, of a night or so.
    scenario : Scenario

    Raises
    ------
    TableError
        There is no window.
    """
    check_table(windows, "WINDOWS", "ground_track")
    if windows.empty:
        raise TableError("ground_track: no window; choose a night that has some")
    ax = ax or new_axes(8.6, 6.6)
    margin = pd.Timedelta(seconds=_APPROACH_S)
    first = (windows["start"].min() - margin).to_pydatetime()
    orbits = ephemerides(scenario, first, (windows["end"].max() + margin).to_pydatetime())
    project = Transformer.from_crs("EPSG:4326", CRS, always_xy=True).transform
    satellites = list(dict.fromkeys(windows["satellite"]))
    labelled: dict[str, pd.Timestamp] = {}
    for window in windows.sort_values("start").itertuples():
        rank = satellites.index(window.satellite)
        colour, dashes = _TRACKS[rank % len(_TRACKS)], _DASHES[rank // len(_TRACKS) % len(_DASHES)]
        start, end = seconds_from(first, pd.DatetimeIndex([window.start, window.end]))
        orbit = orbits[window.satellite]
        for low, high, width in ((start - _APPROACH_S, end + _APPROACH_S, 0.7), (start, end, 2.4)):
            known = next(s for s in orbit.known_s if s[0] <= (start + end) / 2 <= s[1])
            begin, finish = max(low, 0.0, known[0]), min(high, known[1])
            seconds = np.append(np.arange(begin, finish, _TRACK_STEP_S), finish)
            longitude, latitude, _ = erfa.gc2gd(1, positions_m(orbit, seconds))
            x, y = project(np.degrees(longitude), np.degrees(latitude))
            ax.plot(x, y, color=colour, linewidth=width, linestyle=dashes, zorder=4)
        if window.start - labelled.get(window.satellite, window.start - 2 * _CROSSING) < _CROSSING:
            continue
        labelled[window.satellite] = window.start
        ax.annotate(
            f"{window.start:%H:%M}", (x[0], y[0]), fontsize=7, color=colour, zorder=6, xytext=(4, 2),
            textcoords="offset points", bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.4},
        )  # fmt: skip
    grid_m = np.concatenate([arc.grid_m for arc in orbits[satellites[0]].arcs], axis=1)
    height_m = float(np.linalg.norm(grid_m, axis=0).mean()) - EARTH_RADIUS_M
    corners = _station_circles(ax, scenario, height_m, project)
    frame_map(ax, corners)
    handles = [
        *(Line2D([], [], color=_TRACKS[i % len(_TRACKS)], linestyle=_DASHES[i // len(_TRACKS) % len(_DASHES)],
                 linewidth=2.4, label=s) for i, s in enumerate(satellites[:_MOST_LABELS])),
        Line2D([], [], color=GREY, linewidth=0.8, linestyle=":", label="circle of view"),
        *(Line2D([], [], marker="^", color=c, linestyle="", markeredgecolor="black", label=f"station, {s}")
          for s, c in STATUS_COLOURS.items() if any(v.status_class == s for v in scenario.stations.values())),
    ]  # fmt: skip
    ax.legend(
        handles=handles, fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=3, frameon=False
    )  # fmt: skip
    ax.set_title(f"Ground tracks of {len(windows)} windows, {windows['start'].min():%d %b %Y %H:%M} to "
                 f"{windows['end'].max():%d %b %H:%M} UTC", fontsize=10)  # fmt: skip
    return ax


def _station_circles(ax: Axes, scenario: Scenario, height_m: float, project) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Draw stations and their circles of view; returns the extent (west, south, east, north) in map units."""
    geod, azimuth = Geod(ellps="WGS84"), np.linspace(0, 360, 181)
    everything = []
    for ogs, station in scenario.stations.items():
        for place in dated_stations(station):
            lowest = np.radians(place.min_elevation_deg)
            arc = np.arccos(np.cos(lowest) / (1 + height_m / EARTH_RADIUS_M)) - lowest
            east, north = (np.full(azimuth.shape, v) for v in (place.longitude_deg, place.latitude_deg))
            longitude, latitude, _ = geod.fwd(east, north, azimuth, np.full(azimuth.shape, arc * EARTH_RADIUS_M))
            x, y = project(longitude, latitude)
            everything.append([x.min(), y.min(), x.max(), y.max()])
            ax.plot(x, y, color=GREY, linewidth=0.8, linestyle=":", zorder=3)
            x0, y0 = project(place.longitude_deg, place.latitude_deg)
            ax.plot(
                x0, y0, "^", color=STATUS_COLOURS[place.status_class], markeredgecolor="black", markersize=8, zorder=5
            )
            look = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.4}
            ax.annotate(
                _dated_label(ogs, place), (x0, y0), xytext=(6, -10), textcoords="offset points", fontsize=7.5,
                fontweight="bold", zorder=6, bbox=look,
            )  # fmt: skip
    box = np.array(everything)
    return np.array([*box[:, :2].min(axis=0), *box[:, 2:].max(axis=0)])


def _dated_label(ogs: str, place: Station) -> str:
    dated = place.valid_from and place.valid_to
    return f"{ogs}\n{place.valid_from:%d %b} – {place.valid_to:%d %b}" if dated else ogs


def windows_per_night(
    nightly: pd.DataFrame, *, value: str = "windows", labels: list[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Mean windows (or seconds) per night as a heat map, satellite by month, summed over stations.

    Parameters
    ----------
    nightly : DataFrame
        As `nightly_windows` gives it.
    value : {"windows", "seconds"}
    labels : list of str, optional
        What to call the satellites, in their order, such as their local times.
    """
    if value not in ("windows", "seconds"):
        raise TableError(f"windows_per_night: value '{value}'; expected 'windows' or 'seconds'")
    if nightly.empty:
        raise TableError("windows_per_night: no whole night in the table; take a period from noon to noon, UTC")
    month = nightly["night"].dt.tz_localize(None).dt.to_period("M")
    nights = nightly.assign(month=month).groupby("month")["night"].nunique()
    total = nightly.assign(month=month).pivot_table(
        index="satellite", columns="month", values=value, aggfunc="sum", sort=False
    )
    mean = total[sorted(total.columns)] / nights
    ax = ax or new_axes(2.6 + 0.52 * mean.shape[1], 1.4 + 0.27 * len(mean))
    image = ax.imshow(mean, aspect="auto", cmap="cividis", vmin=0)
    middle = mean.to_numpy().max() / 2
    for (row, column), number in np.ndenumerate(mean.to_numpy()):
        text = f"{number:.1f}" if value == "windows" else f"{number:.0f}"
        ax.text(column, row, text, ha="center", va="center", fontsize=7, color="white" if number < middle else "black")
    ax.set_yticks(range(len(mean)), labels or list(mean.index), fontsize=8)
    ax.set_xticks(range(mean.shape[1]), [f"{m:%b}" if m.month > 1 else f"{m:%b\n%Y}" for m in mean.columns], fontsize=8)
    ogs = ", ".join(dict.fromkeys(nightly["ogs"]))
    unit = "windows per night" if value == "windows" else "window seconds per night"
    ax.figure.colorbar(image, ax=ax, label=unit)
    ax.set_title(f"{unit.capitalize()}\nover {ogs if len(ogs) < 8 * mean.shape[1] else 'all stations'}", fontsize=9)
    return ax
