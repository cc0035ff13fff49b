"""Coverage as files: GeoPackage for maps, CSV for tables; same inputs, same bytes."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio

from eqci_space.errors import DataError
from eqci_space.files.atomic import replaced_file, write_atomically
from eqci_space.files.csv_text import csv_text
from eqci_space.machine.deprecation import once_named
from eqci_space.report.exports.tables import NOT_READ_OR_WRITTEN

__all__ = ["read_coverage", "write_coverage"]

SCHEMA_VERSION = 1
_CELLS, _FACTS, _VERSION = "coverage", "about", "schema_version"
_DIGITS = {
    "windows_per_night": 4,
    "usable_s_per_night": 2,
    "overlap_s_per_night": 2,
    "clear_sky_key_bit": 0,
    "expected_key_bit": 0,
    "p_clear": 4,
}


@once_named(folder="directory")
def write_coverage(coverage: gpd.GeoDataFrame, directory: Path | str, *, name: str = "coverage") -> tuple[Path, Path]:
    """Write ``<name>.gpkg`` and ``<name>.csv`` into a directory, made if need be; existing files are replaced whole.

    The GeoPackage has the layer `coverage` (cells, EPSG:4326) and the table `about`, one row per attribute as JSON. The
    CSV has the middles of the cells and numbers as they are read: whole bits, chances to four digits.

    Parameters
    ----------
    coverage : GeoDataFrame
        Of `coverage` or `compare_coverages`.

    Returns
    -------
    (Path, Path)
        GeoPackage and CSV.

    Raises
    ------
    DataError
        The disk is full or the directory cannot be written; no file is left behind.
    """
    target = Path(directory)
    gpkg, csv = target / f"{name}.gpkg", target / f"{name}.csv"
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"write_coverage: cannot make '{target}': {error.strerror}; choose another folder") from error
    with replaced_file(gpkg) as work:
        _write_gpkg(coverage, work)
    table = pd.DataFrame(coverage.drop(columns="geometry")).round(_DIGITS)
    whole = [column for column, digits in _DIGITS.items() if digits == 0]
    table[whole] = table[whole].astype("int64")
    write_atomically(csv, csv_text(table, index=False))
    return gpkg, csv


def _write_gpkg(coverage: gpd.GeoDataFrame, path: Path) -> None:
    facts = pd.DataFrame({
        "key": [_VERSION, *coverage.attrs],
        "json": [json.dumps(v, ensure_ascii=False) for v in (SCHEMA_VERSION, *coverage.attrs.values())],
    }, dtype=str)  # fmt: skip
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": f"{coverage['month'].min()}-01T00:00:00.000Z"})
    try:
        pyogrio.write_dataframe(coverage, path, layer=_CELLS, driver="GPKG")
        pyogrio.write_dataframe(facts, path, layer=_FACTS, driver="GPKG", append=True)
    except NOT_READ_OR_WRITTEN as error:
        raise DataError(
            f"write_coverage: cannot write '{path.name}': {error}; make room or choose another folder"
        ) from error
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def read_coverage(path: Path | str) -> gpd.GeoDataFrame:
    """Coverage from its GeoPackage, attributes included.

    Raises
    ------
    DataError
        The file is missing, damaged or no coverage, or its schema is of another version.
    """
    file = Path(path)
    if not file.is_file():
        raise DataError(f"read_coverage: no file '{file}'; expected a GeoPackage of write_coverage")
    try:
        table = pyogrio.read_dataframe(file, layer=_CELLS)
        facts = pyogrio.read_dataframe(file, layer=_FACTS)
        attrs = {str(key): json.loads(text) for key, text in zip(facts["key"], facts["json"], strict=True)}
    except (*NOT_READ_OR_WRITTEN, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"read_coverage: {file.name}: {error}; expected a GeoPackage of write_coverage") from error
    version = attrs.pop(_VERSION, None)
    if version != SCHEMA_VERSION:
        raise DataError(
            f"read_coverage: {file.name} has schema version {version!r}; this version reads {SCHEMA_VERSION}; compute "
            "the coverage again"
        )
    missing = [c for c in ("cell", "month", *_DIGITS, "geometry") if c not in table.columns]
    if missing:
        raise DataError(f"read_coverage: {file.name} lacks the column '{missing[0]}'; compute the coverage again")
    table.attrs = attrs
    return table
