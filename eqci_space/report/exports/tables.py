"""Tables and contacts for other programs: Parquet, CSV, GeoPackage. Same inputs, same bytes."""

from __future__ import annotations

import errno
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio

from eqci_space.errors import DataError
from eqci_space.files.atomic import replaced_file, write_atomically
from eqci_space.files.csv_text import csv_text
from eqci_space.machine.deprecation import once_first, once_named
from eqci_space.report.release import Released
from eqci_space.report.run_io import TABLE_NAMES
from eqci_space.words import whole_seconds

__all__ = ["NOT_READ_OR_WRITTEN", "write_contact_list", "write_geopackage", "write_parquet"]

NOT_READ_OR_WRITTEN = (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError)
"""What GDAL raises on files that it cannot read or write."""


@once_named(folder="directory")
@once_first("directory")
def write_parquet(released: Released, directory: Path) -> None:
    """Every released table of a run as ``<name>.parquet``, index included."""
    for name in TABLE_NAMES:
        if name in released.tables:
            with replaced_file(directory / f"{name}.parquet") as work:
                released.tables[name].to_parquet(work, engine="pyarrow")


@once_first("path")
def write_contact_list(released: Released, path: Path) -> None:
    """CONTACTS as CSV with the stations' status, times in ISO 8601 UTC to the second (`whole_seconds`)."""
    table, status = released.tables["contacts"].copy(), released.tables["sites"]["status_class"]
    for column, times in zip(("start", "end"), whole_seconds(table["start"], table["end"]), strict=True):
        table[column] = times.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    status = status[~status.index.duplicated()]
    table.insert(table.columns.get_loc("ogs") + 1, "ogs_status", table["ogs"].map(status))
    if (table["ogs_b"] != "").any():
        table.insert(table.columns.get_loc("ogs_b") + 1, "ogs_b_status", table["ogs_b"].map(status))
    for column in ("skl_bit", "expected_skl_bit"):
        table[column] = table[column].round(0).astype("int64")
    table["p_clear"] = table["p_clear"].round(4)
    write_atomically(path, csv_text(table, index=True))


@once_first("path")
def write_geopackage(released: Released, path: Path) -> bool:
    """GeoPackage with the layers nodes, links and stations, stamped with the period's start.

    Without released positions nothing is written; returns whether something was.
    """
    layers = {"nodes": "nodes", "links": "links", "stations": "sites"}
    found = {layer: released.tables.get(name) for layer, name in layers.items()}
    shapes = {layer: t for layer, t in found.items() if isinstance(t, gpd.GeoDataFrame)}
    if shapes:
        with replaced_file(path) as work:
            _write_layers(work, shapes, released.start)
    return bool(shapes)


def _write_layers(path: Path, shapes: dict[str, gpd.GeoDataFrame], stamp: pd.Timestamp) -> None:
    """Write the layers of a new GeoPackage."""
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": stamp.strftime("%Y-%m-%dT%H:%M:%S.000Z")})
    try:
        for layer, table in shapes.items():
            pyogrio.write_dataframe(table.reset_index(), path, layer=layer, driver="GPKG")
        for layer, table in shapes.items():  # GDAL may tell of a full disk only in its log
            if pyogrio.read_info(path, layer=layer, force_feature_count=True)["features"] != len(table):
                raise OSError(errno.ENOSPC, "GDAL could not write all of it", str(path))
    except NOT_READ_OR_WRITTEN as error:
        raise DataError(f"write_geopackage: cannot write '{path.name}': {error}; make room") from error
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})
