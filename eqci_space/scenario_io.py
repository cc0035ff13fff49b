"""Read scenarios from TOML: shipped ones by name, any file by path; all errors at once.

Any value may be written as ``{ value = 0.2, source = "assumed" }``; the source is kept beside the
value's path. Terminals, receivers and devices are presets by name or tables written out. Stations
come from a catalogue, with single values overridden under ``[station.NAME]``.
"""

from __future__ import annotations

import csv
import hashlib
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from eqci_space.data import data_path, shipped_names
from eqci_space.errors import DataError, ScenarioError, near_matches
from eqci_space.scenario import Scenario, Station

__all__ = ["load_scenario", "scenario_schema"]

_MAX_BYTES = 5_000_000
_PRESETS = {"terminal": "terminals", "receiver": "receivers", "device": "devices"}
_CATALOGUE_COLUMNS = (
    "name", "country", "latitude_deg", "longitude_deg", "height_ellipsoid_m", "height_msl_m", "status_class", "status",
    "node", "coordinate_source", "coordinate_confidence", "note",
)  # fmt: skip


class _Reading:
    """Findings gathered while one file is read: problems, and the source of each value."""

    def __init__(self, base: Path):
        self.base = base
        self.problems: list[tuple[str, str]] = []
        self.sources: dict[str, tuple[str, str]] = {}


def load_scenario(name_or_path: str | Path) -> Scenario:
    """Load a shipped scenario by name, or a file by path.

    Parameters
    ----------
    name_or_path : str or Path
        A name of `data/scenarios` such as ``"quant-gpicz"``, or a path that ends in ``.toml``.

    Raises
    ------
    ScenarioError
        Every problem found, each with its path in the file, such as ``station.GRAZ.latitude_deg``.
    """
    path = _locate(name_or_path)
    content = path.read_bytes()
    if len(content) > _MAX_BYTES:
        raise ScenarioError(str(name_or_path), [("", f"{len(content)} bytes; expected at most {_MAX_BYTES}")])
    try:
        raw = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ScenarioError(str(name_or_path), [("", f"not valid TOML: {error}")]) from error
    reading = _Reading(path.parent)
    raw = _unwrap_sources(raw, "", reading)
    _resolve_presets(raw, "", reading)
    _merge_catalogue(raw, reading)
    scenario = _validate(raw, path, reading)
    if scenario is not None:
        _check_nodes(scenario, reading)
    if reading.problems or scenario is None:
        raise ScenarioError(str(name_or_path), reading.problems)
    sources = tuple((p, value, source) for p, (value, source) in sorted(reading.sources.items()))
    return scenario.model_copy(
        update={"file": str(path), "sha256": hashlib.sha256(content).hexdigest(), "sources": sources}
    )


def scenario_schema() -> dict[str, Any]:
    """JSON Schema of a scenario file, for completion in editors.

    Presets may stand by name, any scalar as ``{value, source}``, and stations of the catalogue need
    no field of their own.
    """
    schema = Scenario.model_json_schema(by_alias=True)
    for key in ("file", "sha256", "sources"):
        schema["properties"].pop(key)
    definitions = schema["$defs"]
    definitions["Station"].pop("required")
    definitions["Station"]["properties"]["aperture_diameter_m"] = {"type": "number", "exclusiveMinimum": 0}
    preset_refs = {f"#/$defs/{name}" for name in ("Terminal", "Receiver", "QkdDevice")}
    for definition in [schema, *definitions.values()]:
        for key, prop in definition.get("properties", {}).items():
            if prop.get("$ref") in preset_refs:
                definition["properties"][key] = {"anyOf": [{"type": "string"}, prop]}
            elif prop.get("type") in ("number", "integer", "string"):
                sourced = {
                    "type": "object", "properties": {"value": prop, "source": {"type": "string"}},
                    "required": ["value", "source"], "additionalProperties": False,
                }  # fmt: skip
                definition["properties"][key] = {"anyOf": [prop, sourced]}
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "eqci_space scenario"
    return schema


def _locate(name_or_path: str | Path) -> Path:
    text = str(name_or_path)
    if text.endswith(".toml") or "/" in text or "\\" in text:
        path = Path(text)
        if not path.is_file():
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


@lru_cache(maxsize=8)
def _preset_file(kind: str) -> dict[str, Any]:
    return tomllib.loads(data_path("presets", f"{kind}.toml").read_text(encoding="utf-8"))


def _resolve_presets(value: Any, path: str, reading: _Reading) -> None:
    """Replace preset names by their tables, in place, with the sources the preset file states."""
    if isinstance(value, list):
        for i, item in enumerate(value):
            _resolve_presets(item, _join(path, i), reading)
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        here = _join(path, key)
        if key in _PRESETS and isinstance(item, str):
            presets = _preset_file(_PRESETS[key])
            if item not in presets:
                reading.problems.append((here, f"unknown preset '{item}'; {near_matches(item, presets)}"))
                value[key] = None
                continue
            value[key] = _unwrap_sources(presets[item], f"{key}:{item}", reading)
        else:
            _resolve_presets(item, here, reading)


@lru_cache(maxsize=8)
def _csv_rows(path: Path, key: str) -> dict[str, dict[str, str]]:
    """Rows of a CSV file by the column `key`; a duplicate is an error."""
    rows: dict[str, dict[str, str]] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        if reader.fieldnames is None or key not in reader.fieldnames:
            raise DataError(f"{path.name}: column '{key}' is missing; found {reader.fieldnames}")
        for number, row in enumerate(reader, start=2):
            if row[key] in rows:
                raise DataError(f"{path.name} line {number}: {key} '{row[key]}' stands twice; ids must differ")
            rows[row[key]] = row
    return rows


def _merge_catalogue(raw: dict[str, Any], reading: _Reading) -> None:
    """Fill ``raw['station']`` with the stations in use: catalogue row, common rules, overrides."""
    rules = raw.get("stations")
    if not isinstance(rules, dict) or not isinstance(rules.get("use"), list):
        return
    overrides = raw.get("station", {})
    name = rules.get("catalogue", "euroqci")
    try:
        path = reading.base / name if str(name).endswith(".csv") else data_path("sites", f"{name}.csv")
        catalogue = _csv_rows(path, "ogs")
    except (DataError, OSError) as error:
        reading.problems.append(("stations.catalogue", str(error)))
        return
    known = [*catalogue, *overrides]
    for ogs in rules["use"]:
        if not isinstance(ogs, str) or ogs not in known:
            reading.problems.append(("stations.use", f"unknown station '{ogs}'; {near_matches(str(ogs), known)}"))
    for ogs in overrides:
        if ogs not in rules["use"]:
            reading.problems.append((f"station.{ogs}", f"not in stations.use; {near_matches(ogs, rules['use'])}"))
    raw["station"] = {
        ogs: _station(catalogue.get(ogs, {}), rules, overrides.get(ogs, {}), ogs, reading)
        for ogs in rules["use"]
        if isinstance(ogs, str) and ogs in known
    }


def _station(row: dict[str, str], rules: dict[str, Any], override: Any, ogs: str, reading: _Reading) -> Any:
    if not isinstance(override, dict):
        return override
    station: dict[str, Any] = {c: row[c] for c in _CATALOGUE_COLUMNS if row.get(c)}
    station["min_elevation_deg"] = rules.get("min_elevation_deg", 20.0)
    receiver = override.get("receiver", rules.get("receiver"))
    aperture = override.get("aperture_diameter_m", row.get("aperture_diameter_m"))
    if isinstance(receiver, dict) and aperture:
        receiver = {**receiver, "aperture_diameter_m": aperture}
    if row.get("aperture_diameter_m") and "aperture_diameter_m" not in override:
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
        for item in error.errors():
            if item["input"] is None and any(_says(p, item["loc"]) for p, _ in reading.problems):
                continue  # an unknown preset was reported already
            reading.problems.append((".".join(map(str, item["loc"])), _explain(item)))
        return None


def _says(problem_path: str, loc: tuple[int | str, ...]) -> bool:
    last = str(loc[-1]) if loc else ""
    return problem_path.split(".")[-1] == last


def _explain(item: Any) -> str:
    """One sentence for one pydantic finding, with near matches for an unknown key."""
    if item["type"] == "extra_forbidden":
        fields = _fields_at(Scenario, item["loc"][:-1])
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


def _check_nodes(scenario: Scenario, reading: _Reading) -> None:
    """Every station and demand must end at a node of the network."""
    name = scenario.fiber.network
    try:
        folder = reading.base / name if "/" in name else data_path("fiber", name)
        nodes = _csv_rows(folder / "nodes.csv", "node")
    except (DataError, OSError) as error:
        reading.problems.append(("fiber.network", str(error)))
        return
    for ogs, station in scenario.stations.items():
        if station.attach != "none" and station.node not in nodes:
            hint = near_matches(station.node, nodes)
            reading.problems.append((f"station.{ogs}.node", f"unknown node '{station.node}'; {hint}"))
    for i, demand in enumerate(scenario.demands):
        for end in demand.between:
            if end not in nodes:
                reading.problems.append(
                    (
                        f"demand.{i}.between",
                        f"unknown node '{end}' in '{demand.name}'; {near_matches(end, nodes)}",
                    )
                )
