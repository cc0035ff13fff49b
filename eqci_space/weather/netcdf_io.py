"""Cloud cover of reanalyses and satellites in netCDF, at the cells nearest to named sites."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from eqci_space.errors import DataError, near_matches
from eqci_space.files.limits import GRID_AXIS, LONGEST_NAME
from eqci_space.weather.content_io import BROKEN_CONTENT, RawWeather, ReadOptions, chosen_variable

if TYPE_CHECKING:
    import xarray

__all__ = ["nearest_cell", "read_netcdf", "stated_unit"]

_TOTAL = ("tcc", "clt", "CFC", "cfc", "cloud_area_fraction")
_LAYERS = {"low": "lcc", "mid": "mcc", "high": "hcc"}
_TIMES, _LATITUDES, _LONGITUDES = ("valid_time", "time"), ("latitude", "lat"), ("longitude", "lon")
_RUNS = ("forecast_reference_time", "reference_time", "time")
_STEPS = ("step", "forecast_period", "leadtime", "lead_time")
_STEP_UNITS = {
    "h": "hours", "hour": "hours", "hours": "hours", "m": "minutes", "min": "minutes", "minutes": "minutes",
    "s": "seconds", "seconds": "seconds", "d": "days", "days": "days", "nanoseconds": "nanoseconds",
}  # fmt: skip
_SHOWN_VALUES = 6
_UNITS = {
    "0-1": "fraction", "0to1": "fraction", "1": "fraction", "fraction": "fraction", "%": "percent",
    "percent": "percent", "okta": "okta", "oktas": "okta", "tenths": "tenths",
}  # fmt: skip
_ERA5_DEG = 0.25
_REACH_CELLS = 0.75


def read_netcdf(path: Path, name: str, options: ReadOptions) -> RawWeather:
    """Read cover at the cells nearest to the sites.

    Both layouts of the Climate Data Store are understood: packed shorts over ``time`` in hours since 1900, and floats
    over ``valid_time``; where final and preliminary data stand side by side (``expver`` 1 and 5), the final ones count.
    So are forecasts over run and step, and files of one point, which state its latitude and longitude.

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
    total, choice = chosen_variable(options.variable, [str(v) for v in data.data_vars])
    variables = {"cloud": _total(data, name, total)} | {k: v for k, v in _LAYERS.items() if v in data}
    fields = {}
    for part, variable in variables.items():
        unit = options.unit or stated_unit(data[variable].attrs.get("units"))
        if unit is None:
            stated = data[variable].attrs.get("units")
            raise DataError(f"{name}: {variable} has units {stated!r}; say unit='fraction' or 'percent'")
        fields[part] = (variable, unit)
    data = _chosen(data, variables["cloud"], choice, name)
    cloud = data[variables["cloud"]]
    latitude, longitude = (_place_axis(data, cloud, names, name) for names in (_LATITUDES, _LONGITUDES))
    clock, notices = _clock(data, cloud, name)
    cells = {
        site: nearest_cell(np.atleast_1d(data[latitude]), np.atleast_1d(data[longitude]), place, name, site)
        for site, place in sites.items()
    }
    frames = []
    for site, at in cells.items():
        columns: dict[str, Any] = {"record": range(1, len(clock.times) + 1), "site": site, "time": clock.times}
        for part, variable in variables.items():
            spot = dict(zip((latitude, longitude), at, strict=True))
            cell = data[variable].isel({d: i for d, i in spot.items() if d in data[variable].dims})
            columns[part] = _series(cell, clock, name)
        frames.append(pd.DataFrame(columns))
    return RawWeather(pd.concat(frames), "time step", fields, "earth", notices=notices)


def _total(data: xarray.Dataset, name: str, variable: str | None) -> str:
    """Name of the variable of total cover."""
    wanted = (variable,) if variable is not None else _TOTAL
    found = [v for v in wanted if v in data.data_vars]
    if not found:
        hint = near_matches(wanted[0], map(str, data.data_vars))
        raise DataError(f"{name}: no variable {' or '.join(wanted)} ({hint}); name the total cover by variable=")
    return found[0]


def stated_unit(text: object) -> str | None:
    """Unit of `read_weather` that the units attribute of a grid names, if any."""
    return _UNITS.get(re.sub(r"[\s()\[\]]", "", str(text)[:80]).lower())


def _chosen(data: xarray.Dataset, total: str, choice: dict[str, str], name: str) -> xarray.Dataset:
    """The data at the chosen places of further axes, such as one member of an ensemble."""
    for axis, text in choice.items():
        if axis not in data[total].dims:
            raise DataError(f"{name}: {total} has no axis '{axis}'; it has {', '.join(map(str, data[total].dims))}")
        values = [str(v) for v in data[axis].to_numpy()]
        same = [i for i, v in enumerate(values) if v == text or _as_number(v) == _as_number(text)]
        if len(same) != 1:
            raise DataError(f"{name}: {axis} has no single value '{text}'; it has {_some(values)}")
        data = data.isel({axis: same[0]})
    return data


def _as_number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _some(values: list[str]) -> str:
    return ", ".join(values[:_SHOWN_VALUES]) + (", ..." if len(values) > _SHOWN_VALUES else "")


def _place_axis(data: xarray.Dataset, array: xarray.DataArray, names: tuple[str, ...], name: str) -> str:
    """Dimension of latitude or longitude, or the variable that states it for a file of one point."""
    found = [d for d in names if d in array.dims] or [v for v in names if v in data.variables and data[v].size == 1]
    if len(found) != 1:
        raise DataError(
            f"{name}: {array.name} has the dimensions {tuple(array.dims)}; expected time, latitude and longitude of a "
            f"regular grid, or one point with {names[0]}"
        )
    return found[0]


@dataclass(frozen=True)
class _Clock:
    """Dimensions of time, the places along all of them together that are taken in turn, and their times."""

    axes: tuple[str, ...]
    order: np.ndarray
    times: pd.DatetimeIndex


def _clock(data: xarray.Dataset, array: xarray.DataArray, name: str) -> tuple[_Clock, list[str]]:
    """Times for which values hold: those of an axis, or a forecast's run and step; the latest run counts."""
    runs = [str(d) for d in array.dims if d in (*_TIMES, *_RUNS)]
    steps = [str(d) for d in array.dims if d in _STEPS]
    if len(runs) + len(steps) == 0 or len(runs) > 1 or len(steps) > 1:
        raise DataError(
            f"{name}: {array.name} has the dimensions {tuple(array.dims)}; expected time, latitude and longitude of a "
            "regular grid; the time may have a forecast's run and step"
        )
    if not steps:
        valid = data["valid_time"] if "valid_time" in data.variables and runs[0] != "valid_time" else None
        times = _checked_times(data, valid.name if valid is not None and valid.dims == (runs[0],) else runs[0], name)
        return _Clock((runs[0],), np.arange(len(times)), times), []
    axes = (*runs, *steps)
    shape = tuple(array.sizes[axis] for axis in axes)
    times = pd.DatetimeIndex(_valid_times(data, axes, shape, name).ravel())
    lead = np.broadcast_to(np.arange(shape[-1]), shape).ravel()
    order = np.lexsort((lead, times.asi8))
    first = np.r_[True, np.diff(times.asi8[order]) > 0]
    more = f"{name}: several runs tell of the same time; the latest of them counts"
    return _Clock(axes, order[first], times[order[first]].tz_localize("UTC")), [] if first.all() else [more]


def _valid_times(data: xarray.Dataset, axes: tuple[str, ...], shape: tuple[int, ...], name: str) -> np.ndarray:
    """Times by run and step: as stated, or their sum."""
    valid = next((data[v] for v in ("valid_time",) if v in data.variables), None)
    if valid is not None and valid.dtype.kind == "M" and set(valid.dims) <= {*axes}:
        missing = [(axis, size) for axis, size in zip(axes, shape, strict=True) if axis not in valid.dims]
        times = valid.expand_dims(dict(missing)).transpose(*axes).to_numpy()
    else:
        step = data[axes[-1]]
        run = axes[0] if len(axes) > 1 else next((v for v in _RUNS if v in data.variables and data[v].size == 1), "")
        unit = _STEP_UNITS.get(str(step.attrs.get("units", "")).lower())
        if not run or unit is None or step.dtype.kind not in "iuf":
            raise DataError(
                f"{name}: {axes[-1]} has units {step.attrs.get('units')!r} and run '{run}'; expected hours after a "
                "time of the run, or valid_time; write such a file with the tool of its provider"
            )
        begun = np.atleast_1d(_checked_times(data, run, name).tz_localize(None).to_numpy())
        lead = pd.to_timedelta(np.atleast_1d(step.to_numpy()), unit=unit).to_numpy()
        times = (begun[:, None] + lead[None, :]).reshape(shape)
    if np.isnat(times).any():
        raise DataError(f"{name}: some times of {' and '.join(axes)} are missing; expected a time for each step")
    return np.asarray(times)


def _checked_times(data: xarray.Dataset, axis: str, name: str) -> pd.DatetimeIndex:
    values = np.atleast_1d(data[axis].to_numpy()) if axis in data.variables else np.empty(0)
    if values.dtype.kind != "M" or not len(values) or np.isnat(values).any():
        raise DataError(
            f"{name}: {axis} holds {values.dtype} with units {data[axis].attrs.get('units')!r} and calendar "
            f"{data[axis].encoding.get('calendar')!r}; expected times since an epoch in the standard calendar"
        )
    return pd.DatetimeIndex(values).tz_localize("UTC")


def _series(cell: xarray.DataArray, clock: _Clock, name: str) -> np.ndarray:
    """Values of one cell over time; preliminary values fill what final ones leave open."""
    labels = {str(d): [str(v) for v in cell[d].to_numpy()] for d in cell.dims if d in cell.coords}
    cell = cell.drop_vars([c for c in cell.coords if c not in cell.dims])
    if "expver" in cell.dims:
        order = np.argsort([int(v) for v in cell["expver"].to_numpy()])
        cell = cell.isel(expver=order).transpose("expver", ...)
    else:
        cell = cell.expand_dims("expver")
    rest = [str(d) for d in cell.dims if d != "expver" and d not in clock.axes]
    long = [d for d in rest if cell.sizes[d] != 1]
    if long:
        sizes = {d: cell.sizes[d] for d in long}
        have = "; ".join(f"{d} has {_some(labels[d])}" for d in long if d in labels)
        pick = ", ".join(f"{d}={labels.get(d, ['0'])[0]}" for d in long)
        raise DataError(
            f"{name}: {cell.name} has the further dimensions {sizes}; choose one of each, such as "
            f"variable='{cell.name}[{pick}]'" + (f" ({have})" if have else "")
        )
    layers = cell.squeeze(rest).transpose("expver", *clock.axes).to_numpy().astype(float)
    layers = layers.reshape(len(layers), -1)[:, clock.order]
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
