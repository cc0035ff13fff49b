"""Maps of coverage in EPSG:3035: cells and contours over the shipped borders, with stations and backbone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import AbstractPathEffect, withStroke
from matplotlib.ticker import MaxNLocator
from pyproj import Transformer
from scipy.ndimage import gaussian_filter
from shapely import LineString

from eqci_space.errors import TableError, near_matches
from eqci_space.fiber.network import build_network
from eqci_space.files.atomic import replaced_file
from eqci_space.machine.deprecation import once_by_position, once_named
from eqci_space.ogs.sites import station_table
from eqci_space.report.plots.labels import MapLabel, place_labels
from eqci_space.report.plots.maps import CRS, frame_map
from eqci_space.report.plots.style import RED, STATUS_COLOURS, new_axes
from eqci_space.scenario import Scenario
from eqci_space.studies.coverage import QUANTITIES

__all__ = ["coverage_difference_map", "coverage_map", "save_maps"]

_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
           "December")  # fmt: skip
_VALUES, _CHANGES = "cividis", "PuOr_r"
_MULTIPLES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_CONTOURS, _SMOOTHING_CELLS = 6, 0.8
_CLEAR_PX = 2.0
_SEA = "#E3E9EE"
_SAVED = ("windows_per_night", "clear_sky_key_bit", "expected_key_bit")


def coverage_map(
    coverage: gpd.GeoDataFrame,
    scenario: Scenario | None = None,
    *,
    quantity: str = "expected_key_bit",
    month: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """A quantity of a month over the grid, with contours; with the scenario, its stations and backbone as well.

    Contours follow the cells smoothed by about their own size.

    Parameters
    ----------
    coverage : GeoDataFrame
        Of `coverage`.
    quantity : str
        A key of `QUANTITIES`.
    month : str, optional
        Such as "2027-03"; needed when there are several.

    Raises
    ------
    TableError
        The quantity or month is not in the table.
    """
    part, month = _of_month(coverage, quantity, month)
    axes = new_axes(8.6, 7.2) if ax is None else ax
    low, high = float(part[quantity].min()), float(part[quantity].max())
    limits = (low, high) if low < high else (0.0, max(high, 1.0))
    _draw(axes, part, quantity, scenario, _VALUES, limits)
    about = f"{_who(part.attrs)}: {_with_what(part.attrs)}" if part.attrs else "reference station at every point"
    title = f"{QUANTITIES[quantity][0].capitalize()}, {_month_name(month)}{_hypothetical(scenario)}"
    axes.set_title(f"{title}\n{about}", fontsize=10)
    return axes


def coverage_difference_map(
    difference: gpd.GeoDataFrame,
    scenario: Scenario | None = None,
    *,
    quantity: str = "expected_key_bit",
    month: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """How much more (orange) or less (violet) a second coverage brings than the first, white where they agree.

    Parameters
    ----------
    difference : GeoDataFrame
        Of `compare_coverages`.
    quantity, month
        As in `coverage_map`.

    Raises
    ------
    TableError
        The quantity or month is not in the table, or the table is no difference.
    """
    if "compared_with" not in difference.attrs:
        raise TableError("coverage_difference_map: the table is no difference; make it with compare_coverages")
    part, month = _of_month(difference, quantity, month)
    axes = new_axes(8.6, 7.2) if ax is None else ax
    most = float(part[quantity].abs().max()) or 1.0
    _draw(axes, part, quantity, scenario, _CHANGES, (-most, most), change=True)
    name = QUANTITIES[quantity][0]
    first, second = _who(difference.attrs["compared_with"]), _who(difference.attrs)
    if first == second:
        first, second = "the first coverage", "the second"
    axes.set_title(
        f"Change of {name}, {_month_name(month)}{_hypothetical(scenario)}\nfrom {first} to {second}", fontsize=10
    )
    return axes


def _of_month(table: gpd.GeoDataFrame, quantity: str, month: str | None) -> tuple[gpd.GeoDataFrame, str]:
    if quantity not in QUANTITIES or quantity not in table.columns:
        raise TableError(f"coverage map: no quantity '{quantity}'; {near_matches(quantity, QUANTITIES)}")
    found = sorted(set(table["month"]))
    if month is None and len(found) != 1:
        raise TableError(f"coverage map: the table holds months {', '.join(found)}; say which, month='{found[0]}'")
    month = found[0] if month is None else month
    if month not in found:
        raise TableError(f"coverage map: no month '{month}'; expected one of {', '.join(found)}")
    return table[table["month"] == month], month


def _month_name(month: str) -> str:
    year, number = month.split("-")
    return f"{_MONTHS[int(number) - 1]} {year}"


def _who(facts: dict[str, Any]) -> str:
    satellites = facts["satellites"]
    who = satellites[0] if len(satellites) == 1 else f"{len(satellites)} satellites"
    return f"{facts['scenario']}, {who}"


def _with_what(facts: dict[str, Any]) -> str:
    station = facts["station"]
    return f"reference station of {100 * station['aperture_diameter_m']:.0f} cm above {station['min_elevation_deg']:g}°"


def _hypothetical(scenario: Scenario | None) -> str:
    names = [o for o, s in scenario.stations.items() if s.status_class == "hypothetical"] if scenario else []
    return f"; hypothetical: {', '.join(names)}" if names else ""


def _scale(most: float, unit: str) -> tuple[float, str]:
    """Divisor and unit in which numbers up to `most` read well."""
    if unit != "bit":
        return 1.0, unit
    size, prefix = next(((s, p) for s, p in _MULTIPLES if most >= s), (1.0, ""))
    return size, f"{prefix}bit"


def _draw(
    ax: Axes, part: gpd.GeoDataFrame, quantity: str, scenario: Scenario | None, colours: str,
    limits: tuple[float, float], *, change: bool = False,
) -> None:  # fmt: skip
    cells = part.to_crs(CRS)
    name, unit = QUANTITIES[quantity]
    size, unit = _scale(max(map(abs, limits)), unit)
    scale = ScalarMappable(Normalize(limits[0] / size, limits[1] / size), colours)
    # Edges in the cells' own colours close the seams that anti-aliasing leaves between polygons.
    cells.plot(ax=ax, color=scale.to_rgba(cells[quantity] / size), edgecolor="face", linewidth=0.3, zorder=0.8)
    labels, lines = _stations_and_backbone(ax, scenario) if scenario else ([], [])
    frame_map(ax, cells.total_bounds)
    ax.set_facecolor(_SEA)
    figure = ax.get_figure(root=True)
    assert isinstance(figure, Figure)  # axes of ours always stand on a figure
    bar = figure.colorbar(scale, ax=ax, shrink=0.8, pad=0.02)
    heading = f"change of {name}" if change else name
    bar.set_label(f"{heading} [{unit}]" if unit != "1" else f"{heading} [0..1]")
    if quantity.endswith("key_bit") and "key_lookup_error" in part.attrs:
        error = _lookup_error(part.attrs)
        ax.set_xlabel(
            f"Key from a lookup: {error['cells']} cells checked, largest error of their month "
            f"{100 * error['month_largest']:.2g} %", fontsize=8,
        )  # fmt: skip
    place_labels(ax, labels, lines)
    _contours(ax, part, quantity, size)


def _lookup_error(facts: dict[str, Any]) -> dict[str, Any]:
    """Stated error of a coverage, or of the worse of two that are compared."""
    both = [facts["key_lookup_error"], facts.get("compared_with", facts)["key_lookup_error"]]
    return dict(max(both, key=lambda error: error["month_largest"]))


def _contours(ax: Axes, part: gpd.GeoDataFrame, quantity: str, size: float) -> None:
    """Draw lines of equal value over the smoothed grid, not over sea, with numbers where they cover no other text."""
    wide = part.pivot_table(index="latitude_deg", columns="longitude_deg", values=quantity, dropna=False)
    values = wide.to_numpy(dtype=float) / size
    known = np.isfinite(values)
    if min(values.shape) < 3 or np.ptp(values[known]) <= 0:
        return
    weight = gaussian_filter(known.astype(float), _SMOOTHING_CELLS, mode="constant")
    smooth = gaussian_filter(np.where(known, values, 0.0), _SMOOTHING_CELLS, mode="constant")
    smooth = np.where(known, smooth / np.where(weight > 0, weight, 1.0), np.nan)
    to_map = Transformer.from_crs("EPSG:4326", CRS, always_xy=True)
    x, y = to_map.transform(*np.meshgrid(wide.columns.to_numpy(float), wide.index.to_numpy(float)))
    ticks = MaxNLocator(_CONTOURS).tick_values(np.nanmin(smooth), np.nanmax(smooth))
    # Where a change is as good as nothing its zero line wanders; the colour says it.
    levels = ticks[ticks != 0]
    lines = ax.contour(x, y, np.ma.masked_invalid(smooth), levels=levels, colors="black", linewidths=0.7, zorder=1.5)
    digits = max(0, int(np.ceil(-np.log10(ticks[1] - ticks[0]) - 1e-9)))
    halo: list[AbstractPathEffect] = [withStroke(linewidth=2.2, foreground="white")]
    taken = [text.get_window_extent() for text in ax.texts]
    taken += [line.get_window_extent() for line in ax.lines]
    lines.set_path_effects(halo)
    for text in ax.clabel(lines, fontsize=7, fmt=f"%.{digits}f", inline=False):
        extent = text.get_window_extent().padded(_CLEAR_PX)
        if any(extent.overlaps(other) for other in taken):
            text.remove()
            continue
        text.set_path_effects(halo)
        taken.append(extent)


def _stations_and_backbone(ax: Axes, scenario: Scenario) -> tuple[list[MapLabel], list[tuple[LineString, float]]]:
    links, sites = build_network(scenario).links.to_crs(CRS), station_table(scenario).to_crs(CRS)
    long = links[links.geometry.length > 0]
    halo = [withStroke(linewidth=2.6, foreground="white")]
    long.plot(ax=ax, color=RED, linewidth=1.2, zorder=3, path_effects=halo)
    labels = []
    for ogs, site in sites.iterrows():
        ax.plot(site.geometry.x, site.geometry.y, "^", color=STATUS_COLOURS[site["status_class"]], markersize=8,
                zorder=4, markeredgecolor="black", markeredgewidth=0.6)  # fmt: skip
        name = str(ogs) if site["status_class"] == "operational" else f"{ogs} ({site['status_class']})"
        labels.append(MapLabel(name, site.geometry.x, site.geometry.y, 9.0, {"fontsize": 7.5, "fontweight": "bold"}))
    shown = [c for c in STATUS_COLOURS if c in set(sites["status_class"])]
    handles = [
        *(
            Line2D(
                [],
                [],
                marker="^",
                color=STATUS_COLOURS[c],
                linestyle="",
                markeredgecolor="black",
                label=f"station, {c}",
            )
            for c in shown
        ),
        *([Line2D([], [], color=RED, linewidth=1.2, label="backbone")] if len(long) else []),
    ]
    ax.legend(handles=handles, fontsize=7.5, loc="upper left", framealpha=0.9)
    return labels, [(line, 1.0) for line in long.geometry]


@once_named(folder="directory")
@once_by_position("scenario")
def save_maps(coverage: gpd.GeoDataFrame, directory: Path | str, *, scenario: Scenario | None = None) -> list[Path]:
    """Maps of windows, clear-sky and expected key of every month as PNG; those of a difference are named so.

    Returns
    -------
    list of Path
        ``coverage-<quantity>-<month>.png`` or ``difference-<quantity>-<month>.png``.
    """
    change = "compared_with" in coverage.attrs
    draw, name = (coverage_difference_map, "difference") if change else (coverage_map, "coverage")
    target = Path(directory)
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for month in sorted(set(coverage["month"])):
        for quantity in _SAVED:
            path = target / f"{name}-{quantity}-{month}.png"
            figure = draw(coverage, scenario, quantity=quantity, month=month).get_figure(root=True)
            assert isinstance(figure, Figure)  # axes of ours always stand on a figure
            with replaced_file(path) as work:
                figure.savefig(work, format="png", dpi=120)
            written.append(path)
    return written
