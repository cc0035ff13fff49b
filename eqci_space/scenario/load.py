"""Read scenarios from TOML: shipped ones by name, any file by path; all errors at once.

Any value may be written as ``{ value = 0.2, source = "assumed" }``; the source is kept beside the
value's path. Terminals, receivers and devices are presets by name or tables written out. Stations
come from a catalogue, with single values overridden under ``[station.NAME]``.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from eqci_space.data import data_path, shipped_names
from eqci_space.errors import DataError, ScenarioError, near_matches
from eqci_space.files.csv_rows import row_lines
from eqci_space.files.foreign import foreign_bytes
from eqci_space.files.limits import (
    SATELLITES,
    SCENARIO_BYTES,
    dotted_key_problem,
    oversize,
    tree_problems,
)
from eqci_space.scenario.checks import connected, size_problems
from eqci_space.scenario.constellations import satellite_tables
from eqci_space.scenario.epochs import UndatedOrbits
from eqci_space.scenario.messages import already_said, explained, finding_path
from eqci_space.scenario.model import Scenario
from eqci_space.scenario.overlays import lay_over
from eqci_space.scenario.presets_io import PRESET_FILES, preset_tables
from eqci_space.scenario.reading import Reading, joined_path, unwrap_sources
from eqci_space.scenario.space import Constellation
from eqci_space.scenario.stations_io import CATALOGUE_COLUMNS, merge_catalogue, read_station_files

__all__ = ["load_scenario"]

_MOST_PROBLEMS = 1000


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

    Warns
    -----
    UndatedOrbitWarning
        A designed orbit states no epoch: it takes the start of the file.
    """
    path = _locate(name_or_path)
    content, raw = _read_toml(path)
    reading = Reading(path.parent)
    raw = unwrap_sources(raw, "", reading)
    digest = hashlib.sha256(content)
    undated = UndatedOrbits()
    undated.date(raw)
    for overlay in overlays:
        more, change = _read_toml(_existing(Path(overlay)))
        digest.update(more)
        raw = _laid_over(raw, change, Path(overlay).name, reading)
        undated.date(raw)
    _note_names(raw, reading)
    _resolve_presets(raw, "", reading)
    _expand_constellations(raw, reading)
    merge_catalogue(raw, reading)
    read_station_files(raw, reading)
    _note_files(raw, reading)
    _refuse_provenance(raw, reading)
    scenario = _validate(raw, path, reading)
    if scenario is not None:
        scenario = connected(scenario, reading)
        reading.problems += size_problems(scenario)
    if reading.problems or scenario is None:
        raise reading.error(str(name_or_path))
    undated.warn(path.name)
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
        tree = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        what = foreign_bytes(content) or f"{error.reason} at byte {error.start}; save it as UTF-8"
        raise ScenarioError(path.name, [("", f"not UTF-8 text ({what})")]) from error
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


def _laid_over(raw: dict[str, Any], change: dict[str, Any], name: str, reading: Reading) -> dict[str, Any]:
    """The scenario with an overlay, whose name becomes the source of what it gives."""
    given: list[tuple[str, Any]] = []
    merged = lay_over(
        raw, change, lambda path, value: given.append((path, value)),
        lambda path, message: reading.problems.append((path, f"{message} ({name})")),
    )  # fmt: skip
    merged = unwrap_sources(merged, "", reading)
    for path, value in given:
        source = f"{value['source']} ({name})" if isinstance(value, dict) else f"overlay {name}"
        reading.sources[path] = (str(value["value"] if isinstance(value, dict) else value), source)
    return merged


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


def _note_names(raw: dict[str, Any], reading: Reading) -> None:
    """Remember the names of tables that stand in lists, for messages."""
    for kind in ("satellite", "constellation", "demand", "variant"):
        tables = raw.get(kind)
        for i, table in enumerate(tables if isinstance(tables, list) else []):
            if isinstance(table, dict) and isinstance(table.get("name"), str):
                reading.names[f"{kind}.{i}"] = table["name"]


def _resolve_presets(value: Any, path: str, reading: Reading) -> None:
    """Replace preset names by their tables, in place, with the sources the preset file states."""
    if isinstance(value, list):
        for i, item in enumerate(value):
            _resolve_presets(item, joined_path(path, i), reading)
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        here = joined_path(path, key)
        if key in PRESET_FILES and isinstance(item, str):
            presets = preset_tables(key)
            if item not in presets:
                reading.problems.append((here, f"unknown preset '{item}'; {near_matches(item, presets)}"))
                value[key] = None
                continue
            value[key] = unwrap_sources(presets[item], f"{key}:{item}", reading)
        else:
            _resolve_presets(item, here, reading)


def _expand_constellations(raw: dict[str, Any], reading: Reading) -> None:
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
                (f"constellation.{i}.{finding_path(e)}", explained(e, Constellation))
                for e in error.errors()
                if not (e["input"] is None and any(already_said(p, e["loc"]) for p, _ in reading.problems))
            ]
            continue
        if isinstance(satellites, list):
            satellites += satellite_tables(constellation, table)


def _note_files(raw: dict[str, Any], reading: Reading) -> None:
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
                reading.note(where, error)


def _refuse_provenance(raw: dict[str, Any], reading: Reading) -> None:
    """Where a scenario comes from is noted by its reader; a file that says it is refused as for any unknown key."""
    known = [field.alias or name for name, field in Scenario.model_fields.items() if not field.exclude]
    for name, field in Scenario.model_fields.items():
        if field.exclude and name in raw:
            del raw[name]
            reading.problems.append((name, f"unknown key; {near_matches(name, known)}"))


def _validate(raw: dict[str, Any], path: Path, reading: Reading) -> Scenario | None:
    try:
        return Scenario.model_validate(raw)
    except ValidationError as error:
        items = error.errors()[:_MOST_PROBLEMS]
        common = {item["loc"][1:]: explained(item) for item in items if item["loc"][:1] == ("stations",)}
        for item in items:
            if item["input"] is None and any(already_said(p, item["loc"]) for p, _ in reading.problems):
                continue  # an unknown preset was reported already
            if _is_taken_over(item["loc"], reading) and common.get(item["loc"][2:]) == explained(item):
                continue  # so was the rule of [stations]
            if reading.catalogue is None and "satellites need stations" in explained(item):
                continue  # so was the catalogue that has them
            reading.problems.append((finding_path(item), explained(item) + _catalogue_place(item["loc"], reading)))
        return None


def _is_taken_over(loc: tuple[int | str, ...], reading: Reading) -> bool:
    """Whether a station has a value from the common rules and not from its own table."""
    return len(loc) > 2 and loc[0] == "station" and loc[2] not in reading.tables.get(str(loc[1]), {})


def _catalogue_place(loc: tuple[int | str, ...], reading: Reading) -> str:
    """Where a value of a station stands that comes from the catalogue."""
    if reading.catalogue is None or not _is_taken_over(loc, reading) or loc[2] not in CATALOGUE_COLUMNS:
        return ""
    line = row_lines(reading.catalogue, "ogs").get(str(loc[1]))
    return "" if line is None else f" in {reading.catalogue.name} line {line}"
