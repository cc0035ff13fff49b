"""Stations of a scenario: catalogue rows with common rules and their own tables, and the files that they name."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from eqci_space.data import data_path
from eqci_space.errors import DataError, close_names, near_matches
from eqci_space.files.csv_rows import keyed_rows
from eqci_space.scenario.calendars_io import read_maintenance
from eqci_space.scenario.countries import country_problem
from eqci_space.scenario.ground import OWN_RECEIVER_KEYS, behind_telescope
from eqci_space.scenario.horizons_io import read_horizon_mask
from eqci_space.scenario.reading import Reading

__all__ = ["CATALOGUE_COLUMNS", "merge_catalogue", "read_station_files"]

CATALOGUE_COLUMNS = (
    "name", "country", "latitude_deg", "longitude_deg", "height_ellipsoid_m", "height_msl_m", "status_class", "status",
    "node", "zenith_sky_mag_v_arcsec2", "coordinate_source", "coordinate_confidence", "note",
)  # fmt: skip
_NEEDED_COLUMNS = (
    "name", "country", "latitude_deg", "longitude_deg", "height_ellipsoid_m", "height_msl_m", "status_class"
)  # fmt: skip
_NUMBER_COLUMNS = (
    "latitude_deg", "longitude_deg", "height_ellipsoid_m", "height_msl_m", "zenith_sky_mag_v_arcsec2",
    "aperture_diameter_m",
)  # fmt: skip
_COMMON_RULES = ("min_elevation_deg", "sun_max_elevation_deg", "sun_keep_out_deg", "moon_keep_out_deg")


def merge_catalogue(raw: dict[str, Any], reading: Reading) -> None:
    """Fill ``raw['station']`` with the stations in use: catalogue row, common rules, overrides."""
    rules, overrides = raw.get("stations"), raw.get("station", {})
    if not isinstance(rules, dict) or not isinstance(overrides, dict):
        return
    raw["station"] = overrides  # present even if empty, or the validation would take [stations] for it
    name = rules.get("catalogue", "euroqci")
    try:
        path = reading.file(name) if str(name).endswith(".csv") else data_path("sites", f"{name}.csv")
        catalogue = keyed_rows(path, "ogs", columns=_NEEDED_COLUMNS, numbers=_NUMBER_COLUMNS)
        reading.catalogue = path
    except (DataError, OSError) as error:
        reading.note("stations.catalogue", error)
        raw["station"] = {o: table for o, table in overrides.items() if _is_complete(table)}
        return
    whole = [o for o, table in overrides.items() if o in catalogue and _is_whole(table)]
    catalogue = {o: {} if o in whole else row for o, row in catalogue.items()}
    own = [o for o, table in overrides.items() if o not in catalogue and _is_complete(table)]
    rows = {o: _row(catalogue.get(o, {}), overrides.get(o)) for o in [*catalogue, *own]}
    _check_countries(rules, rows, reading)
    use = rules.get("use", [o for o, row in rows.items() if _admitted(row, rules)])
    if not isinstance(use, list):
        return
    if "use" in rules:
        _check_use(use, rows, rules, reading)
    reading.tables = _station_tables(overrides, rows, use, rules, reading)
    raw["station"] = {
        ogs: _station(catalogue.get(ogs, {}), rules, reading.tables.get(ogs, {}), ogs, reading)
        for ogs in use
        if isinstance(ogs, str) and ogs in rows
    }


def _is_complete(table: Any) -> bool:
    """Whether a ``[station.NAME]`` table describes a station by itself, and does not only change one."""
    return isinstance(table, dict) and {"country", "latitude_deg"} <= table.keys()


def _is_whole(table: Any) -> bool:
    """Whether a table states all that the catalogue must, so that nothing of a row of that name is kept."""
    return isinstance(table, dict) and {*_NEEDED_COLUMNS} <= table.keys()


def _row(row: dict[str, str], table: Any) -> dict[str, Any]:
    """What the filters go by: the catalogue's row, with what the station's own table states instead."""
    stated = table if isinstance(table, dict) else {}
    return {**row, **{key: stated[key] for key in ("country", "status_class") if key in stated}}


def _check_countries(rules: dict[str, Any], rows: dict[str, dict[str, Any]], reading: Reading) -> None:
    countries = rules.get("countries")
    found = {row["country"] for row in rows.values() if isinstance(row["country"], str)}
    for country in countries if isinstance(countries, list) else []:
        if isinstance(country, str) and country not in found:
            hint = near_matches(country.upper(), found)
            reading.problems.append(("stations.countries", f"no station of '{country}' in the catalogue; {hint}"))


def _check_use(use: list[Any], rows: dict[str, dict[str, Any]], rules: dict[str, Any], reading: Reading) -> None:
    for ogs in use:
        if not isinstance(ogs, str) or ogs not in rows:
            reading.problems.append(("stations.use", _unknown_station(str(ogs), rows)))
        elif not _admitted(rows[ogs], rules):
            reading.problems.append(("stations.use", f"{_left_out(ogs, rows[ogs])} or drop the station"))


def _unknown_station(ogs: str, known: Iterable[str]) -> str:
    return (
        f"unknown station '{ogs}'; {near_matches(ogs, known)}; or describe a station of your own in [station.{ogs}] "
        "by country, latitude_deg and the other columns of a catalogue"
    )


def _left_out(ogs: str, row: dict[str, Any]) -> str:
    status, country = row.get("status_class", "of no stated status"), row["country"]
    return f"'{ogs}' is {status} in {country}; status_class or countries leave it out; widen them"


def _station_tables(
    overrides: dict[str, Any], rows: dict[str, dict[str, Any]], use: list[Any], rules: dict[str, Any], reading: Reading
) -> dict[str, Any]:
    """``[station.NAME]`` tables by the station that each is for.

    A misspelt table stands in for that of the station it is closest to, so that what it lacks or holds is not
    reported a second time.
    """
    used = [o for o in use if isinstance(o, str) and o in rows]
    unknown = [o for o in use if isinstance(o, str) and o not in rows]
    tables = {o: table for o, table in overrides.items() if o in used}
    for ogs, table in overrides.items():
        if ogs in use:
            continue
        if ogs not in rows:
            for station in close_names(ogs, [o for o in used if o not in tables])[:1]:
                tables[station], reading.misspelt[station] = table, ogs
            message = _unknown_station(ogs, used if "use" in rules else rows)
        elif "use" not in rules:
            message = f"{_left_out(ogs, rows[ogs])} or drop this table"
        elif close_names(ogs, unknown):
            continue  # misspelt in stations.use, which was reported
        else:
            message = f"not in stations.use; add '{ogs}' there, or drop this table"
        reading.problems.append((f"station.{ogs}", message))
    return tables


def _admitted(row: dict[str, Any], rules: dict[str, Any]) -> bool:
    """Whether a station passes the filters of ``[stations]``; what it lacks or misspells is reported elsewhere."""
    for key, column in (("status_class", "status_class"), ("countries", "country")):
        allowed, value = rules.get(key), row.get(column)
        misspelt = column == "country" and isinstance(value, str) and country_problem(value)
        if isinstance(allowed, list) and column in row and value not in allowed and not misspelt:
            return False
    return True


def _station(row: dict[str, str], rules: dict[str, Any], override: Any, ogs: str, reading: Reading) -> Any:
    if not isinstance(override, dict):
        return override
    station: dict[str, Any] = {c: row[c] for c in CATALOGUE_COLUMNS if row.get(c)}
    station |= {key: rules[key] for key in _COMMON_RULES if key in rules}
    station.setdefault("min_elevation_deg", 20.0)
    # A station's own table comes first, then the catalogue's telescope, then the receiver of all.
    receiver = override.get("receiver", rules.get("receiver"))
    listed = None if "receiver" in override else row.get("aperture_diameter_m")
    aperture = override.get("aperture_diameter_m", listed)
    if isinstance(receiver, dict) and aperture:
        receiver = behind_telescope(receiver, aperture)
    if isinstance(receiver, dict):
        receiver = receiver | {key: override[key] for key in OWN_RECEIVER_KEYS if key in override}
    if listed and "aperture_diameter_m" not in override:
        source = row.get("aperture_source") or "catalogue, source not stated"
        reading.sources[f"station.{ogs}.aperture_diameter_m"] = (row["aperture_diameter_m"], source)
    if row:
        position = f"{row['latitude_deg']}, {row['longitude_deg']}"
        reading.sources[f"station.{ogs}.position"] = (position, row.get("coordinate_confidence", ""))
    merged = {**station, **override, "receiver": receiver}
    for key in ("aperture_diameter_m", *OWN_RECEIVER_KEYS):
        merged.pop(key, None)
    return merged


def read_station_files(raw: dict[str, Any], reading: Reading) -> None:
    """Replace file names of horizon masks and maintenance calendars by what the files say."""
    stations = raw.get("station")
    for ogs, station in stations.items() if isinstance(stations, dict) else ():
        if not isinstance(station, dict):
            continue
        for key in ("horizon_mask", "maintenance"):
            name = station.get(key)
            if not isinstance(name, str):
                continue
            station[key] = []
            try:
                path = reading.file(name)
                if key == "horizon_mask":
                    station[key] = read_horizon_mask(path)
                else:
                    station[key] = _maintenance(path, raw, station)
            except (DataError, OSError) as error:
                reading.note(f"station.{ogs}.{key}", error)


def _maintenance(path: Path, raw: dict[str, Any], station: dict[str, Any]) -> list[dict[str, Any]]:
    start, end = (_require_aware(raw.get(edge)) for edge in ("start", "end"))
    accept, zone = station.get("maintenance_accept", ()), station.get("time_zone")
    return read_maintenance(
        path, start, end,
        accept=[n for n in accept if isinstance(n, str)] if isinstance(accept, list) else (),
        time_zone=zone if isinstance(zone, str) else None,
    )  # fmt: skip


def _require_aware(value: object) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise DataError("needs the scenario's start and end, with time zone, to be read")
    return value
