"""Cloud cover of reanalyses and satellites in netCDF, at the cells nearest to named sites."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from eqci_space.errors import DataError, near_matches
from eqci_space.files.limits import GRID_AXIS, LONGEST_NAME
from eqci_space.weather.content_io import BROKEN_CONTENT, RawWeather, ReadOptions

if TYPE_CHECKING:
    import xarray

__all__ = ["nearest_cell", "read_netcdf", "stated_unit"]

_TOTAL = ("tcc", "clt", "CFC", "cfc", "cloud_area_fraction")
_LAYERS = {"low": "lcc", "mid": "mcc", "high": "hcc"}
_TIMES, _LATITUDES, _LONGITUDES = ("valid_time", "time"), ("latitude", "lat"), ("longitude", "lon")
_UNITS = {
    "(0 - 1)": "fraction", "0 - 1": "fraction", "1": "fraction", "fraction": "fraction", "%": "percent",
    "percent": "percent", "okta": "okta", "oktas": "okta", "tenths": "tenths",
}  # fmt: skip
_ERA5_DEG = 0.25
_REACH_CELLS = 0.75


def read_netcdf(path: Path, name: str, options: ReadOptions) -> RawWeather:
    """Read cover at the cells nearest to the sites.

    Both layouts of the Climate Data Store are understood: packed shorts over ``time`` in hours since 1900, and floats
    over ``valid_time``; where final and preliminary data stand side by side (``expver`` 1 and 5), the final ones count.

    Raises
    ------
    DataError
        The file is cut short or no regular grid, a variable, unit or package is missing, or a site lies outside.
    """
    try:
        import netCDF4  # noqa: F401
        import xarray
    except ImportError as error:
        raise DataError(f'{name}: netCDF needs {error.name}; pip install "eqci-space[weather]"') from error
    if options.sites is None:
        raise DataError(f"{name}: a grid needs sites; give sites={{name: (latitude, longitude)}}")
    with path.open("rb") as stream:
        # The netCDF library reads zeros behind the end of a classic file that was cut short; SciPy refuses it.
        engine = "scipy" if stream.read(3) == b"CDF" else "netcdf4"
    try:
        _require_axes(path, engine, name)
        with xarray.open_dataset(path.absolute(), engine=engine, decode_timedelta=False) as data:
            return _at_sites(data, name, options, options.sites)
    except BROKEN_CONTENT as error:
        raise DataError(f"{name}: not a readable netCDF file, perhaps cut short: {error}") from error


def _require_axes(path: Path, engine: str, name: str) -> None:
    """Refuse dimensions that no grid has: a small file may declare any, and their values would be made."""
    if engine == "netcdf4":
        import netCDF4

        with netCDF4.Dataset(path.absolute()) as grid:
            lengths = {str(n): len(dimension) for n, dimension in grid.dimensions.items()}
    else:
        from scipy.io import netcdf_file

        with netcdf_file(path, "r", mmap=True) as grid:
            lengths = {str(n): int(length or 0) for n, length in grid.dimensions.items()}
    long = {n: length for n, length in lengths.items() if length > GRID_AXIS}
    if long:
        axis, length = next(iter(long.items()))
        raise DataError(
            f"{name}: dimension {axis[:LONGEST_NAME]!r} declares {length} values; expected at most {GRID_AXIS}; ask "
            "for a smaller area or fewer years"
        )


def _at_sites(
    data: xarray.Dataset, name: str, options: ReadOptions, sites: dict[str, tuple[float, float]]
) -> RawWeather:
    variables = {"cloud": _total(data, name, options)} | {k: v for k, v in _LAYERS.items() if v in data}
    fields = {}
    for part, variable in variables.items():
        unit = options.unit or stated_unit(data[variable].attrs.get("units"))
        if unit is None:
            stated = data[variable].attrs.get("units")
            raise DataError(f"{name}: {variable} has units {stated!r}; say unit='fraction' or 'percent'")
        fields[part] = (variable, unit)
    axes = _axes(data[variables["cloud"]], name)
    times = _times(data, axes[0], name)
    cells = {
        site: nearest_cell(data[axes[1]].to_numpy(), data[axes[2]].to_numpy(), place, name, site)
        for site, place in sites.items()
    }
    frames = []
    for site, (i, j) in cells.items():
        columns: dict[str, Any] = {"record": range(1, len(times) + 1), "site": site, "time": times}
        for part, variable in variables.items():
            columns[part] = _series(data[variable].isel({axes[1]: i, axes[2]: j}), axes[0], name)
        frames.append(pd.DataFrame(columns))
    return RawWeather(pd.concat(frames), "time step", fields, "earth")


def _total(data: xarray.Dataset, name: str, options: ReadOptions) -> str:
    """Name of the variable of total cover."""
    wanted = (options.variable,) if options.variable is not None else _TOTAL
    found = [v for v in wanted if v in data.data_vars]
    if not found:
        hint = near_matches(wanted[0], map(str, data.data_vars))
        raise DataError(f"{name}: no variable {' or '.join(wanted)} ({hint}); name the total cover by variable=")
    return found[0]


def stated_unit(text: object) -> str | None:
    """Unit of `read_weather` that the units attribute of a grid names, if any."""
    return _UNITS.get(str(text).strip().lower())


def _axes(array: xarray.DataArray, name: str) -> tuple[str, str, str]:
    """Dimensions of time, latitude and longitude; others may only have the length one, or be ``expver``."""
    found = [[d for d in names if d in array.dims] for names in (_TIMES, _LATITUDES, _LONGITUDES)]
    if not all(len(f) == 1 for f in found):
        raise DataError(
            f"{name}: {array.name} has the dimensions {tuple(array.dims)}; expected time, latitude and longitude of a "
            "regular grid"
        )
    time, latitude, longitude = (f[0] for f in found)
    return time, latitude, longitude


def _times(data: xarray.Dataset, axis: str, name: str) -> pd.DatetimeIndex:
    values = data[axis].to_numpy() if axis in data.coords else np.empty(0)
    if values.dtype.kind != "M" or not len(values) or np.isnat(values).any():
        raise DataError(
            f"{name}: {axis} holds {values.dtype} with units {data[axis].attrs.get('units')!r} and calendar "
            f"{data[axis].encoding.get('calendar')!r}; expected times since an epoch in the standard calendar"
        )
    return pd.DatetimeIndex(values).tz_localize("UTC")


def _series(cell: xarray.DataArray, time: str, name: str) -> np.ndarray:
    """Values of one cell over time; preliminary values fill what final ones leave open."""
    cell = cell.drop_vars([c for c in cell.coords if c not in cell.dims])
    if "expver" in cell.dims:
        order = np.argsort([int(v) for v in cell["expver"].to_numpy()])
        cell = cell.isel(expver=order).transpose("expver", ...)
    else:
        cell = cell.expand_dims("expver")
    rest = [d for d in cell.dims if d not in ("expver", time)]
    if any(cell.sizes[d] != 1 for d in rest):
        sizes = {str(d): cell.sizes[d] for d in rest}
        raise DataError(
            f"{name}: {cell.name} has the further dimensions {sizes}; select one member, step and level first"
        )
    layers = cell.squeeze(rest).transpose("expver", time).to_numpy().astype(float)
    values = layers[0]
    for layer in layers[1:]:
        values = np.where(np.isnan(values), layer, values)
    return values


def nearest_cell(
    latitudes: np.ndarray, longitudes: np.ndarray, place: tuple[float, float], name: str, site: str
) -> tuple[int, int]:
    """Indices of the cell of a regular grid that is nearest to (latitude, longitude) [deg].

    Axes may run either way, and longitudes from -180 or from 0. An axis of one value is taken to have ERA5's cells.

    Raises
    ------
    DataError
        The axes are no regular grid, or the site is further than 0.75 cell from every centre (half a diagonal is
        0.71).
    """
    if not (latitudes.ndim == longitudes.ndim == 1 and len(latitudes) and len(longitudes)):
        raise DataError(f"{name}: latitude and longitude have {latitudes.ndim} dimensions; expected a regular grid")
    if not (np.isfinite(latitudes).all() and np.isfinite(longitudes).all()):
        raise DataError(f"{name}: latitude or longitude is not finite")
    off_latitude = np.abs(latitudes - place[0])
    off_longitude = np.abs((longitudes - place[1] + 180) % 360 - 180)
    i, j = int(np.argmin(off_latitude)), int(np.argmin(off_longitude))
    distance = np.hypot(off_latitude[i] / _cell_deg(latitudes), off_longitude[j] / _cell_deg(longitudes))
    if not distance <= _REACH_CELLS:
        raise DataError(
            f"{name}: site '{site}' at {place[0]:g}, {place[1]:g} is {distance:.2f} cells from the nearest centre, "
            f"{latitudes[i]:g}, {longitudes[j]:g}; expected at most {_REACH_CELLS}; the grid spans latitudes "
            f"{latitudes.min():g} to {latitudes.max():g}, longitudes {longitudes.min():g} to {longitudes.max():g}"
        )
    return i, j


def _cell_deg(axis: np.ndarray) -> float:
    """Size of a cell [deg]."""
    return float(np.median(np.abs(np.diff(axis)))) if len(axis) > 1 else _ERA5_DEG
