"""Coverage: what a reference station would see and earn at every point of a grid, month by month.

Passes, windows, night, noise and cloud come from the same stages that serve real stations. Only the key of a window is
read from a lookup in maximum elevation and noise, made from keys of real passes (`KeyLookup`); what that costs in
accuracy is measured at whole grid points and stands in ``attrs["key_lookup_error"]``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from eqci_space.data import data_path
from eqci_space.errors import TableError, near_matches
from eqci_space.machine.progress import notebook_bar
from eqci_space.ogs.windows import observable_windows
from eqci_space.orbits.earth import seconds_from
from eqci_space.orbits.passes import find_passes
from eqci_space.scenario import Satellite, Scenario, Station, Weather
from eqci_space.studies.key_lookup import exact_keys, make_key_lookup, reference_budget, with_station_at
from eqci_space.weather.line_of_sight import cloud_free_probability
from eqci_space.weather.outlook import outlook

__all__ = ["EUROPE", "QUANTITIES", "compare_coverages", "coverage"]

EUROPE = (-11.0, 34.0, 42.0, 72.0)
QUANTITIES = {
    "windows_per_night": ("windows per night", "1/night"),
    "usable_s_per_night": ("usable time per night", "s/night"),
    "overlap_s_per_night": ("usable time shared by satellites", "s/night"),
    "clear_sky_key_bit": ("clear-sky key per month", "bit"),
    "expected_key_bit": ("expected key per month", "bit"),
    "p_clear": ("chance of a clear line of sight", "1"),
}
_CLIMATE_MAP = (-26.0, 27.0, 46.0, 72.0)
_FINEST_DEG, _COARSEST_DEG = 0.1, 5.0
_CELLS_PER_CHUNK = 200
_NODES = 11
_REFERENCE_SITES = 6
_FEWEST_CHECKED, _CHECKED_CELLS, _CHECKED_WINDOWS = 3, 12, 900
_SKY_BATCH = 4096

Region = tuple[float, float, float, float]


@notebook_bar("points")
def coverage(
    scenario: Scenario,
    *,
    resolution_deg: float = 1.0,
    region: Region = EUROPE,
    months: Sequence[int] | None = None,
    station: str | Station | None = None,
    include_sea: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> gpd.GeoDataFrame:
    """What a reference station at each point of a grid sees of the scenario's satellites, and the key it earns.

    Key and time are sums over all satellites, each window its own block; `overlap_s_per_night` is how much of the time
    several satellites share, of which one station can serve but one. Nights run from 12:00 to 12:00 UTC, a month from
    its first noon to that of the next.

    Parameters
    ----------
    scenario : Scenario
        Its satellites, atmosphere, protocol and, unless `station` is given, the rules of ``[stations]``. Cloud is the
        local climate; ``weather.model`` "constant" and "clear_sky" hold as they are.
    resolution_deg : float
        Side of a cell [deg], 0.1 to 5; points stand at the middles of cells.
    region : (west, south, east, north)
        [deg], within 26 W to 46 E and 27 to 72 N, at least one cell wide and high.
    months : sequence of int, optional
        1 to 12, each the first such month that is not before the scenario's; default the month of its start.
    station : str or Station, optional
        Whose receiver, limits, height and sky brightness the reference station has, by name or as a record; its mask,
        closures and own cloud figures are left out. Default a station at sea level by the rules of ``[stations]``.
    include_sea : bool
        Points at sea as well; else those on the land of the shipped map.
    progress : callable, optional
        Called with the number of points done and their total.

    Returns
    -------
    GeoDataFrame
        A row per cell and month: `cell`, `month`, `latitude_deg` and `longitude_deg` of the middle, `QUANTITIES`
        (`p_clear` is the mean over windows weighted by key, 0 without key) and the cell as a polygon (EPSG:4326).
        ``attrs`` tell scenario, station, months and `key_lookup_error`: the number of `windows` and `cells` checked;
        `month_largest`, the largest relative error of the clear-sky key of a checked cell; `window_exceeded_5pct`, the
        error that one in twenty windows exceeds, relative to the mean key of a window; and the relative `bias`.

    Raises
    ------
    TableError
        Resolution, region or months are out of range, no point lies on land, there is no satellite, the station is
        unknown, the downlink is dual, or a satellite makes no whole passes from which keys could be tabulated
        (geostationary orbits).
    """
    grid = _grid(resolution_deg, region, include_sea)
    numbers = _months(scenario, months)
    if scenario.protocol.downlink == "dual":
        raise TableError(
            "coverage: downlink = 'dual' gives no station a key of its own; expected 'single', so that one place can "
            "be judged by itself"
        )
    if not scenario.satellites:
        raise TableError("coverage: the scenario has no satellite; expected at least one [[satellite]]")
    reference = _reference_station(scenario, station)
    scn = scenario.model_copy(update={"weather": _weather(scenario)})
    frames, errors, done = [], [], 0
    for begin, end in numbers:
        parts = []
        for cells in np.array_split(np.arange(len(grid)), int(np.ceil(len(grid) / _CELLS_PER_CHUNK))):
            parts.append(_window_rows(grid.iloc[cells], _placed(scn, reference, grid.iloc[cells]), begin, end))
            done += len(cells)
            if progress:
                progress(done, len(numbers) * len(grid))
        rows = pd.concat(parts)
        rows["key_bit"] = _looked_up(rows, grid, scn, reference, begin, end)
        errors.append(_checked(rows, grid, scn, reference))
        frames.append(_cell_rows(rows, grid, begin, end))
    table = gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), geometry="geometry", crs="EPSG:4326")
    table.attrs = {
        "scenario": scenario.name, "scenario_sha256": scenario.sha256,
        "satellites": [s.name for s in scenario.satellites],
        "months": [f"{begin:%Y-%m}" for begin, _ in numbers],
        "resolution_deg": float(resolution_deg), "region_deg": [float(x) for x in region],
        "include_sea": bool(include_sea),
        "station": _described(reference), "weather": scn.weather.model, "protocol": scenario.protocol.kind,
        "key_lookup_error": _stated_error(errors),
    }  # fmt: skip
    return table


def compare_coverages(first: gpd.GeoDataFrame, second: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """`second` less `first`, cell by cell and month by month.

    Months are paired by their number, so that constellations of different years compare.

    Raises
    ------
    TableError
        The two have no cell and month in common, or one is no coverage.
    """
    for table in (first, second):
        missing = [c for c in ("cell", "month", *QUANTITIES) if c not in table.columns]
        if missing:
            raise TableError(f"compare_coverages: no column '{missing[0]}'; expected two tables of `coverage`")
    a, b = (t.assign(pair=t["cell"] + "/" + t["month"].str[-2:]).set_index("pair") for t in (first, second))
    both = a.index[a.index.isin(b.index)]
    if both.empty:
        raise TableError(
            f"compare_coverages: no cell and month in common; got {first.attrs.get('resolution_deg')} and "
            f"{second.attrs.get('resolution_deg')} deg, {first.attrs.get('months')} and {second.attrs.get('months')}"
        )
    a, b = a.loc[both].reset_index(drop=True), b.loc[both].reset_index(drop=True)
    table = a[["cell", "month", "latitude_deg", "longitude_deg", *QUANTITIES, "geometry"]].copy()
    for column in QUANTITIES:
        table[column] = b[column] - a[column]
    table.attrs = {**second.attrs, "compared_with": dict(first.attrs)}
    return table


def _grid(resolution_deg: float, region: Region, include_sea: bool) -> gpd.GeoDataFrame:
    """Cells of the region, from south to north."""
    if not _FINEST_DEG <= resolution_deg <= _COARSEST_DEG:
        raise TableError(
            f"coverage: resolution_deg = {resolution_deg}; expected {_FINEST_DEG:g} to {_COARSEST_DEG:g} degrees"
        )
    if len(region) != 4 or not np.isfinite(region).all():
        raise TableError(f"coverage: region {region}; expected four numbers: west, south, east, north [deg]")
    west, south, east, north = region
    low_x, low_y, high_x, high_y = _CLIMATE_MAP
    counts = [int(np.floor((b - a) / resolution_deg + 1e-9)) for a, b in ((west, east), (south, north))]
    if min(counts) < 1 or west < low_x or east > high_x or south < low_y or north > high_y:
        raise TableError(
            f"coverage: region {region} at {resolution_deg:g} deg; expected west, south, east, north in {low_x:g} to "
            f"{high_x:g} E and {low_y:g} to {high_y:g} N, at least one cell wide and high"
        )
    lon, lat = (low + (np.arange(n) + 0.5) * resolution_deg for low, n in zip((west, south), counts, strict=True))
    x, y = (a.ravel() for a in np.meshgrid(lon, lat))
    kept = np.ones(len(x), dtype=bool) if include_sea else shapely.contains_xy(_land(), x, y)
    if not kept.any():
        raise TableError(f"coverage: no point of region {region} lies on land; widen it, or use include_sea=True")
    x, y, half = np.round(x[kept], 9), np.round(y[kept], 9), resolution_deg / 2
    cells = shapely.box(x - half, y - half, x + half, y + half)
    names = [
        f"{abs(b):g}{'N' if b >= 0 else 'S'} {abs(a):g}{'E' if a >= 0 else 'W'}" for a, b in zip(x, y, strict=True)
    ]
    table = {"cell": names, "latitude_deg": y, "longitude_deg": x}
    return gpd.GeoDataFrame(table, geometry=cells, crs="EPSG:4326")


@lru_cache(maxsize=1)
def _land() -> shapely.Geometry:
    land = gpd.read_file(data_path("basemap", "europe_countries_50m.geojson")).union_all()
    shapely.prepare(land)
    return land


def _months(scenario: Scenario, months: Sequence[int] | None) -> list[tuple[datetime, datetime]]:
    """First and last noon of each month."""
    start = scenario.start.astimezone(UTC)
    asked = [start.month] if months is None else list(months)
    whole = all(isinstance(m, int | np.integer) and not isinstance(m, bool) and 1 <= m <= 12 for m in asked)
    if not asked or not whole or len(set(asked)) < len(asked):
        raise TableError(f"coverage: months {asked}; expected different whole numbers from 1 to 12")
    found = []
    for month in asked:
        year = start.year + (month < start.month)
        begin = datetime(year, month, 1, 12, tzinfo=UTC)
        found.append((begin, datetime(year + month // 12, month % 12 + 1, 1, 12, tzinfo=UTC)))
    return sorted(found)


def _reference_station(scenario: Scenario, station: str | Station | None) -> Station:
    free = {"horizon_mask": (), "maintenance": (), "cloud_fraction_by_month": (),
            "optical_depth_500nm_by_month": (), "valid_from": None, "valid_to": None,
            "positions": ()}  # fmt: skip
    if isinstance(station, Station):
        return station.model_copy(update=free)
    if station is not None:
        if station not in scenario.stations:
            raise TableError(f"coverage: no station '{station}'; {near_matches(station, scenario.stations)}")
        return scenario.stations[station].model_copy(update=free)
    rules = scenario.station_rules
    if rules is None:
        raise TableError("coverage: the scenario has no [stations]; say whose equipment to use, station='NAME'")
    limits = ("min_elevation_deg", "sun_max_elevation_deg", "sun_keep_out_deg", "moon_keep_out_deg")
    place = Station(
        name="reference", country="DE", latitude_deg=0, longitude_deg=0, height_ellipsoid_m=0, height_msl_m=0,
        status_class="hypothetical", node="", attach="none", receiver=rules.receiver,
        **{name: getattr(rules, name) for name in limits},
    )  # fmt: skip
    return place.model_copy(update={"country": "EU"})  # it stands in no country, and in all of them


def _described(reference: Station) -> dict[str, str | float]:
    return {
        "name": reference.name, "aperture_diameter_m": reference.receiver.aperture_diameter_m,
        "height_msl_m": reference.height_msl_m, "min_elevation_deg": reference.min_elevation_deg,
        "sun_max_elevation_deg": reference.sun_max_elevation_deg,
    }  # fmt: skip


def _weather(scenario: Scenario) -> Weather:
    return scenario.weather if scenario.weather.model in ("constant", "clear_sky") else Weather()


def _placed(scenario: Scenario, reference: Station, cells: pd.DataFrame) -> Scenario:
    """The scenario with the reference station at cells."""
    places = zip(cells["cell"], cells["latitude_deg"], cells["longitude_deg"], strict=True)
    return with_station_at(scenario, reference, places)


def _window_rows(cells: pd.DataFrame, placed: Scenario, begin: datetime, end: datetime) -> pd.DataFrame:
    """WINDOWS with cell number, edges [s after `begin`], light and noise [s], and the chance of a clear sky."""
    windows = observable_windows(find_passes(placed, start=begin, end=end), placed)
    numbers = pd.Series(cells.index, index=cells["cell"])
    windows = windows.assign(
        cell=numbers.reindex(windows["ogs"]).to_numpy(dtype=int),
        start_s=seconds_from(begin, windows["start"]), end_s=seconds_from(begin, windows["end"]),
    )  # fmt: skip
    if windows.empty:
        return windows.assign(light_s=0.0, noise_s=0.0, p_clear=0.0)
    budget = reference_budget(windows, placed, nodes=_NODES)
    order = np.lexsort((budget["time"].to_numpy(), windows.index.get_indexer(budget["window_id"])))
    names = ("weight_s", "transmittance", "extraneous_probability", "elevation_deg")
    at_nodes = {name: budget[name].to_numpy()[order].reshape(-1, _NODES) for name in names}
    middle = pd.DatetimeIndex(budget["time"].iloc[order[_NODES // 2 :: _NODES]])
    weight = at_nodes["weight_s"]
    return windows.assign(
        light_s=(weight * at_nodes["transmittance"]).sum(axis=1),
        noise_s=(weight * at_nodes["extraneous_probability"]).sum(axis=1),
        p_clear=_clear_share(windows["ogs"].to_numpy(dtype=object), middle, at_nodes, placed),
    )


def _clear_share(
    ogs: np.ndarray, middle: pd.DatetimeIndex, at_nodes: dict[str, np.ndarray], placed: Scenario
) -> np.ndarray:
    """What `clear_probability` says of the windows, all at once."""
    model = placed.weather
    if model.model != "climatology":
        return np.full(len(ogs), 1.0 if model.p_clear is None else model.p_clear)
    covers, chance = outlook(ogs, middle, placed).covers()
    weight = at_nodes["weight_s"] / at_nodes["weight_s"].sum(axis=1, keepdims=True)
    clear = np.empty(len(ogs))
    for low in range(0, len(ogs), _SKY_BATCH):
        part = slice(low, low + _SKY_BATCH)
        elevation = np.clip(at_nodes["elevation_deg"][part, :, None], 0.0, 90.0)
        free = cloud_free_probability(covers[part, None, :], elevation, seen_from="space")
        clear[part] = np.einsum("nij,ni,nj->n", free, weight[part], chance[part])
    return clear


def _alike(satellites: Sequence[Satellite]) -> Iterator[list[Satellite]]:
    """Satellites that share a lookup: one link and one shape of orbit; those by elements each for itself."""
    groups: dict[str, list[Satellite]] = {}
    for s in satellites:
        shape = s.name
        if s.orbit is not None:
            place = {"ltan_h", "raan_deg", "mean_anomaly_deg"}
            shape = repr((s.terminal, s.uplink, sorted(s.orbit.model_dump(exclude=place).items())))
        groups.setdefault(shape, []).append(s)
    yield from groups.values()


def _looked_up(
    rows: pd.DataFrame, grid: pd.DataFrame, scenario: Scenario, reference: Station, begin: datetime, end: datetime
) -> np.ndarray:
    """Clear-sky key [bit] of window rows, from one lookup per kind of satellite."""
    key = np.zeros(len(rows))
    for members in _alike(scenario.satellites):
        mine = np.flatnonzero(rows["satellite"].isin([s.name for s in members]))
        if not len(mine):
            continue
        part = rows.iloc[mine]
        latitude = float(np.median(grid["latitude_deg"].to_numpy()[part["cell"]]))
        west, east = grid["longitude_deg"].min(), grid["longitude_deg"].max()
        places = [(f"site {i}", latitude, x) for i, x in enumerate(np.linspace(west, east, _REFERENCE_SITES))]
        one = with_station_at(scenario.model_copy(update={"satellites": (members[0],)}), reference, places)
        light, noise = part["light_s"].to_numpy(), part["noise_s"].to_numpy()
        key[mine] = make_key_lookup(one, begin, end, light, noise).key(light, noise)
    return key


def _checked(rows: pd.DataFrame, grid: pd.DataFrame, scenario: Scenario, reference: Station) -> pd.DataFrame:
    """Looked-up and optimised key of all windows of some cells, spread over the grid."""
    seen = np.unique(rows["cell"])
    most = max(_FEWEST_CHECKED, min(_CHECKED_CELLS, _CHECKED_WINDOWS * len(seen) // max(1, len(rows))))
    cells = np.unique(seen[np.linspace(0, len(seen) - 1, most).round().astype(int)]) if len(seen) else seen
    windows = rows[rows["cell"].isin(cells)]
    if windows.empty:
        return pd.DataFrame({"cell": [], "key_bit": [], "exact_bit": []}, dtype=float)
    exact = exact_keys(windows, _placed(scenario, reference, grid.iloc[cells]))
    return windows[["cell", "key_bit"]].assign(exact_bit=exact)


def _stated_error(checks: list[pd.DataFrame]) -> dict[str, float | int]:
    """Errors of the lookup over all months, as `coverage` describes them."""
    table = pd.concat([c.assign(month=i) for i, c in enumerate(checks)])
    cells, count = len(table[["cell", "month"]].drop_duplicates()), len(table)
    table = table[table["exact_bit"].gt(0) | table["key_bit"].gt(0)]
    if not table["exact_bit"].sum() > 0:
        return {"windows": count, "cells": cells, "month_largest": 0.0, "window_exceeded_5pct": 0.0, "bias": 0.0}
    sums = table.groupby(["cell", "month"])[["key_bit", "exact_bit"]].sum()
    sums = sums[sums["exact_bit"] > 0]
    off = (table["key_bit"] - table["exact_bit"]).abs() / table["exact_bit"].mean()
    return {
        "windows": count, "cells": cells,
        "month_largest": float((sums["key_bit"] / sums["exact_bit"] - 1).abs().max()),
        "window_exceeded_5pct": float(off.quantile(0.95)),
        "bias": float(table["key_bit"].sum() / table["exact_bit"].sum() - 1),
    }  # fmt: skip


def _cell_rows(rows: pd.DataFrame, grid: gpd.GeoDataFrame, begin: datetime, end: datetime) -> gpd.GeoDataFrame:
    """A row per cell of the grid for one month."""
    nights, cell, count = (end - begin).days, rows["cell"].to_numpy(dtype=int), len(grid)

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(cell, weights=values, minlength=count)

    seconds, key = (rows["end_s"] - rows["start_s"]).to_numpy(), rows["key_bit"].to_numpy()
    expected, clear = total(key * rows["p_clear"].to_numpy()), total(key)
    table = grid.assign(
        month=f"{begin:%Y-%m}",
        windows_per_night=np.bincount(cell, minlength=count) / nights,
        usable_s_per_night=total(seconds) / nights,
        overlap_s_per_night=np.maximum(0.0, total(seconds) - _union_s(rows, count)) / nights,
        clear_sky_key_bit=clear,
        expected_key_bit=expected,
        p_clear=np.divide(expected, clear, out=np.zeros(count), where=clear > 0),
    )
    return table[["cell", "month", "latitude_deg", "longitude_deg", *QUANTITIES, "geometry"]]


def _union_s(rows: pd.DataFrame, count: int) -> np.ndarray:
    """Time [s] per cell in which any satellite can be used."""
    ordered = rows.sort_values(["cell", "start_s"], kind="stable")
    reach = ordered.groupby("cell")["end_s"].cummax()
    before = reach.groupby(ordered["cell"]).shift(fill_value=-np.inf)
    new = np.maximum(0.0, ordered["end_s"] - np.maximum(ordered["start_s"], before))
    return np.bincount(ordered["cell"].to_numpy(dtype=int), weights=new.to_numpy(dtype=float), minlength=count)
