"""Read scenarios from TOML: shipped ones by name, any file by path; all errors at once.

Any value may be written as ``{ value = 0.2, source = "assumed" }``; the source is kept beside the
value's path. Terminals, receivers and devices are presets by name or tables written out. Stations
come from a catalogue, with single values overridden under ``[station.NAME]``.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from eqci_space.constellations import members
from eqci_space.data import data_path, sha256_of, shipped_names
from eqci_space.errors import DataError, ScenarioError, close_names, near_matches
from eqci_space.input_rules import (
    DEMAND_BINS,
    FIRST_YEAR,
    GRID_BYTES,
    LAST_YEAR,
    SATELLITES,
    SCENARIO_BYTES,
    STATION_DAYS,
    dotted_key_problem,
    file_beside,
    oversize,
    tree_problems,
)
from eqci_space.network_names import unknown_names
from eqci_space.overlays import lay_over
from eqci_space.presets_io import PRESET_FILES, preset_tables
from eqci_space.scenario import Constellation, Scenario, Station
from eqci_space.sites_io import keyed_rows, read_horizon_mask, read_maintenance, row_lines

__all__ = ["load_scenario", "scenario_schema"]

_CATALOGUE_COLUMNS = (
    "name", "country", "latitude_deg", "longitude_deg", "height_ellipsoid_m", "height_msl_m", "status_class", "status",
    "node", "zenith_sky_mag_v_arcsec2", "coordinate_source", "coordinate_confidence", "note",
)  # fmt: skip


_COMMON_RULES = ("min_elevation_deg", "sun_max_elevation_deg", "sun_keep_out_deg", "moon_keep_out_deg")


_MOST_PROBLEMS = 1000
_UNION_TAGS = ("circular", "sun_synchronous", "walker_delta", "walker_star", "train")


class _Reading:
    """Findings gathered while one file is read: problems, and the source of each value.

    `names` are the names of tables in lists by their place, `tables` the ``[station.NAME]`` tables by the station that
    each is for, and `misspelt` the name under which the file has such a table where that is not the station's;
    `catalogue` is the file of the other stations.
    """

    def __init__(self, base: Path):
        self.base = base
        self.problems: list[tuple[str, str]] = []
        self.sources: dict[str, tuple[str, str]] = {}
        self.inputs: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self.tables: dict[str, Any] = {}
        self.misspelt: dict[str, str] = {}
        self.catalogue: Path | None = None

    def error(self, source: str) -> ScenarioError:
        """Everything found wrong, by the names that the file uses."""
        problems = []
        for path, message in self.problems:
            station = next((s for s in self.misspelt if f"{path}.".startswith(f"station.{s}.")), None)
            if station is not None:
                path = f"station.{self.misspelt[station]}{path[len('station.') + len(station) :]}"
            problems.append((path, message))
        return ScenarioError(source, problems, self.names)

    def file(self, name: str) -> Path:
        """Path of a file named in the scenario, its content noted."""
        path = file_beside(self.base, name)
        if not path.is_file():
            raise DataError(f"no file '{name}' beside the scenario")
        problem = oversize(path, GRID_BYTES)
        if problem:
            raise DataError(f"{path.name}: {problem}")
        self.inputs[name] = sha256_of(path)
        return path


def load_scenario(name_or_path: str | Path, *, overlays: Sequence[str | Path] = ()) -> Scenario:
    """Load a shipped scenario by name, or a file by path.

    Parameters
    ----------
    name_or_path : str or Path
        A name of `data/scenarios` such as ``"quant-gpicz"``, or a path that ends in ``.toml``.
    overlays : sequence of paths
        Files with parts of a scenario, laid over it in this order for a what-if: outages, stocks, demands or any other
        value. `Scenario.sources` names the file that each value came from. Files that they name are found beside the
        scenario.

    Raises
    ------
    ScenarioError
        Every problem found, each with its path in the file, such as ``station.GRAZ.latitude_deg``.
    """
    path = _locate(name_or_path)
    content, raw = _read_toml(path)
    reading = _Reading(path.parent)
    raw = _unwrap_sources(raw, "", reading)
    digest = hashlib.sha256(content)
    for overlay in overlays:
        more, change = _read_toml(_existing(Path(overlay)))
        digest.update(more)
        raw = _laid_over(raw, change, Path(overlay).name, reading)
    _note_names(raw, reading)
    _resolve_presets(raw, "", reading)
    _expand_constellations(raw, reading)
    _merge_catalogue(raw, reading)
    _read_station_files(raw, reading)
    _note_files(raw, reading)
    scenario = _validate(raw, path, reading)
    if scenario is not None:
        scenario = _connected(scenario, reading)
        reading.problems += _too_large(scenario)
    if reading.problems or scenario is None:
        raise reading.error(str(name_or_path))
    sources = tuple((p, value, source) for p, (value, source) in sorted(reading.sources.items()))
    return scenario.model_copy(
        update={
            "file": str(path),
            "sha256": digest.hexdigest(),
            "overlays": tuple(Path(overlay).name for overlay in overlays),
            "sources": sources,
            "inputs": tuple(sorted(reading.inputs.items())),
        }
    )


def _read_toml(path: Path) -> tuple[bytes, dict[str, Any]]:
    """Content of a file, and its tree; sound in size, depth and texts."""
    try:
        problem = oversize(path, SCENARIO_BYTES)
        content = b"" if problem else path.read_bytes()
    except OSError as error:
        raise ScenarioError(path.name, [("", f"cannot be read: {error.strerror}; give a file that can")]) from error
    problem = problem or dotted_key_problem(content)
    if problem:
        raise ScenarioError(path.name, [("", problem)])
    try:
        tree = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ScenarioError(path.name, [("", f"not valid TOML: {error}")]) from error
    problems = list(tree_problems(tree))
    if problems:
        raise ScenarioError(path.name, problems)
    return content, tree


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or no name of a file at all
        return False


def _existing(path: Path) -> Path:
    if not _is_file(path):
        raise ScenarioError(str(path), [("", "no such overlay file")])
    return path


def _laid_over(raw: dict[str, Any], change: dict[str, Any], name: str, reading: _Reading) -> dict[str, Any]:
    """The scenario with an overlay, whose name becomes the source of what it gives."""
    given: list[tuple[str, Any]] = []
    merged = lay_over(
        raw, change, lambda path, value: given.append((path, value)),
        lambda path, message: reading.problems.append((path, f"{message} ({name})")),
    )  # fmt: skip
    merged = _unwrap_sources(merged, "", reading)
    for path, value in given:
        source = f"{value['source']} ({name})" if isinstance(value, dict) else f"overlay {name}"
        reading.sources[path] = (str(value["value"] if isinstance(value, dict) else value), source)
    return merged


def scenario_schema() -> dict[str, Any]:
    """JSON Schema of a scenario file, for completion in editors.

    Presets may stand by name, any scalar as ``{value, source}``, and stations of the catalogue need
    no field of their own.
    """
    schema = Scenario.model_json_schema(by_alias=True)
    for key in ("file", "sha256", "sources", "inputs", "overlays"):
        schema["properties"].pop(key)
    definitions = schema["$defs"]
    constellation = Constellation.model_json_schema(by_alias=True)
    definitions.update(constellation.pop("$defs"))
    definitions["Constellation"] = constellation
    schema["properties"]["constellation"] = {"type": "array", "items": {"$ref": "#/$defs/Constellation"}}
    definitions["Station"].pop("required")
    for key, meaning in (
        ("horizon_mask", "CSV file of azimuth_deg, elevation_deg"),
        ("maintenance", "CSV or iCalendar file"),
    ):
        written_out = definitions["Station"]["properties"][key]
        definitions["Station"]["properties"][key] = {"anyOf": [{"type": "string", "description": meaning}, written_out]}
    definitions["Station"]["properties"]["aperture_diameter_m"] = {"type": "number", "exclusiveMinimum": 0}
    preset_refs = {f"#/$defs/{name}" for name in ("Terminal", "Receiver", "QkdDevice")}
    for definition in [schema, *definitions.values()]:
        for key, prop in definition.get("properties", {}).items():
            if prop.get("$ref") in preset_refs:
                definition["properties"][key] = {"anyOf": [{"type": "string"}, prop]}
            elif _is_scalar(prop):
                sourced = {
                    "type": "object", "properties": {"value": prop, "source": {"type": "string"}},
                    "required": ["value", "source"], "additionalProperties": False,
                }  # fmt: skip
                definition["properties"][key] = {"anyOf": [prop, sourced]}
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "eqci_space scenario"
    return schema


def _is_scalar(prop: dict[str, Any]) -> bool:
    """Whether a schema describes a number or text, or one that may be missing."""
    kinds = {option.get("type") for option in prop.get("anyOf", [prop])}
    return kinds <= {"number", "integer", "string", "null"}


def _locate(name_or_path: str | Path) -> Path:
    text = str(name_or_path)
    if text.endswith(".toml") or "/" in text or "\\" in text:
        path = Path(text)
        if not _is_file(path):
            raise ScenarioError(text, [("", f"no such file; shipped names: {', '.join(_shipped())}")])
        return path
    if text not in _shipped():
        raise ScenarioError(text, [("", f"no shipped scenario of this name; {near_matches(text, _shipped())}")])
    return data_path("scenarios", f"{text}.toml")


def _shipped() -> list[str]:
    return shipped_names("scenarios", ".toml")


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _unwrap_sources(value: Any, path: str, reading: _Reading) -> Any:
    """Replace every ``{value, source}`` table by its value and remember the source."""
    if isinstance(value, dict):
        if set(value) == {"value", "source"}:
            reading.sources[path] = (str(value["value"]), str(value["source"]))
            return value["value"]
        return {k: _unwrap_sources(v, _join(path, k), reading) for k, v in value.items()}
    if isinstance(value, list):
        return [_unwrap_sources(v, _join(path, i), reading) for i, v in enumerate(value)]
    return value


def _note_names(raw: dict[str, Any], reading: _Reading) -> None:
    """Remember the names of tables that stand in lists, for messages."""
    for kind in ("satellite", "constellation", "demand", "variant"):
        tables = raw.get(kind)
        for i, table in enumerate(tables if isinstance(tables, list) else []):
            if isinstance(table, dict) and isinstance(table.get("name"), str):
                reading.names[f"{kind}.{i}"] = table["name"]


def _resolve_presets(value: Any, path: str, reading: _Reading) -> None:
    """Replace preset names by their tables, in place, with the sources the preset file states."""
    if isinstance(value, list):
        for i, item in enumerate(value):
            _resolve_presets(item, _join(path, i), reading)
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        here = _join(path, key)
        if key in PRESET_FILES and isinstance(item, str):
            presets = preset_tables(key)
            if item not in presets:
                reading.problems.append((here, f"unknown preset '{item}'; {near_matches(item, presets)}"))
                value[key] = None
                continue
            value[key] = _unwrap_sources(presets[item], f"{key}:{item}", reading)
        else:
            _resolve_presets(item, here, reading)


def _expand_constellations(raw: dict[str, Any], reading: _Reading) -> None:
    """Replace ``[[constellation]]`` tables by the satellites they stand for."""
    tables = raw.pop("constellation", [])
    if not isinstance(tables, list):
        reading.problems.append(("constellation", "is no list of tables; write [[constellation]]"))
        return
    satellites = raw.setdefault("satellite", [])
    for i, table in enumerate(tables):
        if isinstance(satellites, list) and len(satellites) > SATELLITES:
            return  # refused for their number
        try:
            constellation = Constellation.model_validate(table)
        except ValidationError as error:
            reading.problems += [
                (f"constellation.{i}.{_path(e)}", _explain(e, Constellation))
                for e in error.errors()
                if not (e["input"] is None and any(_says(p, e["loc"]) for p, _ in reading.problems))
            ]
            continue
        if isinstance(satellites, list):
            satellites += [
                {"name": name, "orbit": orbit.model_dump(), "terminal": table["terminal"]}
                for name, orbit in members(constellation.name, constellation.pattern)
            ]


def _merge_catalogue(raw: dict[str, Any], reading: _Reading) -> None:
    """Fill ``raw['station']`` with the stations in use: catalogue row, common rules, overrides."""
    rules, overrides = raw.get("stations"), raw.get("station", {})
    if not isinstance(rules, dict) or not isinstance(overrides, dict):
        return
    raw["station"] = overrides  # present even if empty, or the validation would take [stations] for it
    name = rules.get("catalogue", "euroqci")
    try:
        path = reading.file(name) if str(name).endswith(".csv") else data_path("sites", f"{name}.csv")
        catalogue = keyed_rows(path, "ogs")
        _check_catalogue(catalogue, path)
        reading.catalogue = path
    except (DataError, OSError) as error:
        reading.problems.append(("stations.catalogue", str(error)))
        return
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


def _row(row: dict[str, str], table: Any) -> dict[str, Any]:
    """What the filters go by: the catalogue's row, with what the station's own table states instead."""
    stated = table if isinstance(table, dict) else {}
    return {**row, **{key: stated[key] for key in ("country", "status_class") if key in stated}}


def _check_countries(rules: dict[str, Any], rows: dict[str, dict[str, Any]], reading: _Reading) -> None:
    countries = rules.get("countries")
    found = {row["country"] for row in rows.values() if isinstance(row["country"], str)}
    for country in countries if isinstance(countries, list) else []:
        if isinstance(country, str) and country not in found:
            hint = near_matches(country.upper(), found)
            reading.problems.append(("stations.countries", f"no station of '{country}' in the catalogue; {hint}"))


def _check_use(use: list[Any], rows: dict[str, dict[str, Any]], rules: dict[str, Any], reading: _Reading) -> None:
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
    overrides: dict[str, Any], rows: dict[str, dict[str, Any]], use: list[Any], rules: dict[str, Any], reading: _Reading
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


def _check_catalogue(catalogue: dict[str, dict[str, str]], path: Path) -> None:
    needed = ("name", "country", "latitude_deg", "longitude_deg", "height_ellipsoid_m", "height_msl_m", "status_class")
    missing = [c for c in needed if catalogue and c not in next(iter(catalogue.values()))]
    if missing:
        raise DataError(f"{path.name}: columns {', '.join(missing)} are missing")


def _admitted(row: dict[str, Any], rules: dict[str, Any]) -> bool:
    """Whether a station passes the filters of ``[stations]``; what it does not state is reported elsewhere."""
    for key, column in (("status_class", "status_class"), ("countries", "country")):
        allowed = rules.get(key)
        if isinstance(allowed, list) and column in row and row[column] not in allowed:
            return False
    return True


def _read_station_files(raw: dict[str, Any], reading: _Reading) -> None:
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
                    start, end = (_require_aware(raw.get(edge)) for edge in ("start", "end"))
                    station[key] = read_maintenance(path, start, end)
            except (DataError, OSError) as error:
                reading.problems.append((f"station.{ogs}.{key}", str(error)))


def _require_aware(value: object) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise DataError("needs the scenario's start and end, with time zone, to be read")
    return value


def _note_files(raw: dict[str, Any], reading: _Reading) -> None:
    """Check that files of orbits and weather are there; they are read when they are used."""
    satellites, weather = raw.get("satellite"), raw.get("weather")
    named = [
        (f"satellite.{i}.{key}", satellite.get(key))
        for i, satellite in enumerate(satellites if isinstance(satellites, list) else [])
        for key in ("elements", "ephemeris")
        if isinstance(satellite, dict)
    ]
    named.append(("weather.file", weather.get("file") if isinstance(weather, dict) else None))
    for where, name in named:
        if isinstance(name, str):
            try:
                reading.file(name)
            except (DataError, OSError) as error:
                reading.problems.append((where, str(error)))


def _station(row: dict[str, str], rules: dict[str, Any], override: Any, ogs: str, reading: _Reading) -> Any:
    if not isinstance(override, dict):
        return override
    station: dict[str, Any] = {c: row[c] for c in _CATALOGUE_COLUMNS if row.get(c)}
    station |= {key: rules[key] for key in _COMMON_RULES if key in rules}
    station.setdefault("min_elevation_deg", 20.0)
    # A station's own table comes first, then the catalogue's telescope, then the receiver of all.
    receiver = override.get("receiver", rules.get("receiver"))
    listed = None if "receiver" in override else row.get("aperture_diameter_m")
    aperture = override.get("aperture_diameter_m", listed)
    if isinstance(receiver, dict) and aperture:
        receiver = {**receiver, "aperture_diameter_m": aperture}
    if listed and "aperture_diameter_m" not in override:
        source = row.get("aperture_source") or "catalogue, source not stated"
        reading.sources[f"station.{ogs}.aperture_diameter_m"] = (row["aperture_diameter_m"], source)
    if row:
        position = f"{row['latitude_deg']}, {row['longitude_deg']}"
        reading.sources[f"station.{ogs}.position"] = (position, row.get("coordinate_confidence", ""))
    merged = {**station, **override, "receiver": receiver}
    merged.pop("aperture_diameter_m", None)
    return merged


def _validate(raw: dict[str, Any], path: Path, reading: _Reading) -> Scenario | None:
    try:
        return Scenario.model_validate(raw)
    except ValidationError as error:
        items = error.errors()[:_MOST_PROBLEMS]
        common = {item["loc"][1:]: _explain(item) for item in items if item["loc"][:1] == ("stations",)}
        for item in items:
            if item["input"] is None and any(_says(p, item["loc"]) for p, _ in reading.problems):
                continue  # an unknown preset was reported already
            if _is_taken_over(item["loc"], reading) and common.get(item["loc"][2:]) == _explain(item):
                continue  # so was the rule of [stations]
            reading.problems.append((_path(item), _explain(item) + _catalogue_place(item["loc"], reading)))
        return None


def _is_taken_over(loc: tuple[int | str, ...], reading: _Reading) -> bool:
    """Whether a station has a value from the common rules and not from its own table."""
    return len(loc) > 2 and loc[0] == "station" and loc[2] not in reading.tables.get(str(loc[1]), {})


def _catalogue_place(loc: tuple[int | str, ...], reading: _Reading) -> str:
    """Where a value of a station stands that comes from the catalogue."""
    if reading.catalogue is None or not _is_taken_over(loc, reading) or loc[2] not in _CATALOGUE_COLUMNS:
        return ""
    line = row_lines(reading.catalogue, "ogs").get(str(loc[1]))
    return "" if line is None else f" in {reading.catalogue.name} line {line}"


def _path(item: Any) -> str:
    """Place in the file: the names of the alternatives that a tagged union tried stand in no file."""
    return ".".join(str(step) for step in item["loc"] if step not in _UNION_TAGS)


def _says(problem_path: str, loc: tuple[int | str, ...]) -> bool:
    last = str(loc[-1]) if loc else ""
    return problem_path.split(".")[-1] == last


def _explain(item: Any, model: type[BaseModel] = Scenario) -> str:
    """One sentence for one pydantic finding, with near matches for an unknown key."""
    if item["type"] == "extra_forbidden":
        fields = _fields_at(model, item["loc"][:-1])
        return f"unknown key; {near_matches(str(item['loc'][-1]), fields)}"
    if item["type"] == "missing":
        return "is missing; add it"
    if item["type"] == "value_error":
        return str(item["ctx"]["error"])
    got = "" if isinstance(item["input"], dict | list) else f" (got {item['input']!r})"
    return item["msg"][0].lower() + item["msg"][1:] + got


def _fields_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """File keys that are allowed at a place of the scenario."""
    for step in loc:
        if isinstance(step, int):
            continue
        if model is Scenario and step == "station":
            model = Station
            continue
        for field_name, field in model.model_fields.items():
            if (field.alias or field_name) == step:
                nested = _model_in(field.annotation)
                model = nested or model
    return [f.alias or n for n, f in model.model_fields.items() if not f.exclude]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found is not None:
            return found
    return None


def _too_large(scenario: Scenario) -> list[tuple[str, str]]:
    """Problems of a scenario that is far beyond what can be planned."""
    problems = []
    if scenario.start.year < FIRST_YEAR or scenario.end.year > LAST_YEAR:
        period = f"{scenario.start.isoformat()} to {scenario.end.isoformat()}"
        problems.append(("start", f"the period {period}; expected the years {FIRST_YEAR} to {LAST_YEAR}; move it"))
    days = (scenario.end - scenario.start).total_seconds() / 86400
    bins = days * 24 / float(scenario.schedule.bin.replace("1D", "24h").removesuffix("h"))
    for path, what, got, limit, remedy in (
        ("satellite", "satellites", len(scenario.satellites), SATELLITES, "plan a part of them"),
        ("end", "satellites times stations times days", len(scenario.satellites) * len(scenario.stations) * days,
         STATION_DAYS, "shorten the period, or plan a part of satellites and stations"),
        ("schedule.bin", "demands times bins", len(scenario.demands) * bins, DEMAND_BINS,
         "take longer bins or a shorter period"),
    ):  # fmt: skip
        if got > limit:
            problems.append((path, f"{got:.0f} {what}; expected at most {limit}; {remedy}"))
    return problems


def _connected(scenario: Scenario, reading: _Reading) -> Scenario:
    """The scenario, every station and demand checked to end at a node of the network.

    Under ``stations.unconnected = "none"`` stations without a node keep their key, and the sources say so.
    """
    name = scenario.fiber.network
    try:
        nodes, links = (
            keyed_rows(
                file_beside(reading.base, f"{name}/{kind}s.csv") if "/" in name
                else data_path("fiber", name) / f"{kind}s.csv", kind
            ) for kind in ("node", "link")
        )  # fmt: skip
    except (DataError, OSError) as error:
        reading.problems.append(("fiber.network", str(error)))
        return scenario
    reading.problems += unknown_names(scenario, nodes, links)
    rules, stations = scenario.station_rules, dict(scenario.stations)
    for ogs, station in scenario.stations.items():
        wanted = [(f"station.{ogs}.position.{i}.node", p.node) for i, p in enumerate(station.positions)
                  if p.attach != "none"]  # fmt: skip
        if not station.positions and station.attach != "none":
            wanted = [(f"station.{ogs}.node", station.node)]
        if station.positions or station.attach != "fibre":
            for path, node in wanted:
                if nodes.get(node, {}).get("role") == "station":
                    message = f"'{node}' is a station's own node; name the node that its key goes to"
                    reading.problems.append((path, message))
        missing = [(path, node) for path, node in wanted if node not in nodes]
        if missing and rules is not None and rules.unconnected == "none" and not station.positions:
            stations[ogs] = station.model_copy(update={"attach": "none"})
            reading.sources[f"station.{ogs}.attach"] = ("none", f"assumed: {missing[0][1]} is no node of {name}")
        for path, node in missing if stations[ogs] is station else ():
            message = (
                f"unknown node '{node}'; {near_matches(node, nodes)}; or set attach = \"none\", "
                'or stations.unconnected = "none" for all such stations'
            )
            reading.problems.append((path, message))
    return scenario.model_copy(update={"stations": stations})
