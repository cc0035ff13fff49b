"""Changes of a scenario that was read: any values by path, other terminals and receivers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from eqci_space.errors import ScenarioError, near_matches
from eqci_space.scenario.constellations import satellite_tables
from eqci_space.scenario.ground import Receiver, behind_telescope
from eqci_space.scenario.model import Scenario, Variant, provenance
from eqci_space.scenario.presets_io import PRESET_FILES, preset_tables, preset_values
from eqci_space.scenario.space import Constellation

__all__ = ["with_values", "with_variant"]

_OPTIONAL_TABLES = ("atmosphere", "weather", "protocol", "schedule")
_EXPANDED = {
    "stations": "station.*.KEY, or stations.use",
    "constellation": "satellites, with a [[constellation]] table as value",
}


def with_values(scenario: Scenario, values: Mapping[str, Any]) -> Scenario:
    """A scenario with other values at some places, validated anew.

    Parameters
    ----------
    scenario : Scenario
    values : mapping
        By path as in the file, such as ``satellite.0.orbit.ltan_h``, ``station.GRAZ.receiver.aperture_diameter_m`` or
        ``atmosphere.visibility_km``. Entries of lists go by number or name, ``*`` stands for all entries of a list or
        table, as in ``satellite.*.terminal.jitter_rad``. Besides: ``satellites`` is the number of satellites, the
        first of the list, or a ``[[constellation]]`` table that replaces them (its terminal or uplink that of the first
        satellite, if it has none); ``stations.use`` names the stations that take part; ``stations.receiver`` is the
        receiver of all, whose apertures stay. Terminals, receivers and devices may go by the name of a preset, as in
        ``satellite.0.terminal = "eagle1-like-optimistic"``.

    Raises
    ------
    ScenarioError
        A path is unknown or a value out of range.
    """
    raw = scenario.model_dump(by_alias=True, exclude_unset=True)
    problems: list[tuple[str, str]] = []
    for path, value in values.items():
        if path == "satellites":
            problems += _set_satellites(raw, value)
        elif path == "stations.use":
            problems += _set_stations(raw, value)
        elif path == "stations.receiver":
            problems += _set_receivers(raw, value)
        elif path.partition(".")[0] in _EXPANDED:
            problems.append(
                (path, f"was resolved when the scenario was read; sweep {_EXPANDED[path.partition('.')[0]]}")
            )
        else:
            chosen, unknown = _chosen(path, value)
            problems += unknown or _set(raw, path, chosen)
    if problems:
        raise ScenarioError("sweep", problems)
    try:
        changed = Scenario.model_validate(raw)
    except ValidationError as error:
        found = [(".".join(map(str, e["loc"])), f"{e['msg']} (got {e['input']!r:.80})") for e in error.errors()]
        raise ScenarioError("sweep", found) from error
    return changed.model_copy(update=provenance(scenario))


def _set(raw: dict[str, Any], path: str, value: Any) -> list[tuple[str, str]]:
    """Set a value in place; `*` and lists fan out. Returns what is wrong with the path."""
    *steps, last = path.split(".")
    places: list[Any] = [raw]
    for number, step in enumerate([*steps, last]):
        keys = [(place, key) for place in places for key in _keys(place, step, leaf=number == len(steps))]
        if not keys:
            known = list(places[0]) if isinstance(places[0], dict) else _numbers_and_names(places[0])
            here = ".".join(path.split(".")[: number + 1])
            return [(here, f"no such entry in the scenario; {near_matches(step, known)}")]
        if number == len(steps):
            for place, key in keys:
                place[key] = value
            return []
        for place, key in keys:
            if isinstance(place[key], tuple):
                place[key] = list(place[key])
        places = [place[key] for place, key in keys]
    return []


def _chosen(path: str, value: Any) -> tuple[Any, list[tuple[str, str]]]:
    """A value, or the preset that it names, and what is wrong with the name."""
    key = path.rpartition(".")[2]
    if not isinstance(value, str) or key not in PRESET_FILES:
        return value, []
    known = preset_tables(key)
    if value not in known:
        return value, [(path, f"unknown preset '{value}'; {near_matches(value, known)}")]
    return preset_values(key, value), []


def _set_receivers(raw: dict[str, Any], value: Any) -> list[tuple[str, str]]:
    """One receiver for all stations, behind the telescope that each has."""
    chosen, problems = _chosen("stations.receiver", value)
    if not problems and not isinstance(chosen, Mapping):
        problems = [("stations.receiver", f"{value!r}; expected the name of a preset or a table")]
    for station in () if problems else raw.get("station", {}).values():
        station["receiver"] = behind_telescope(chosen, station["receiver"]["aperture_diameter_m"])
    return problems


def _keys(place: Any, step: str, *, leaf: bool) -> list[Any]:
    """Keys or numbers of a table or list that a step of a path means; a leaf may be a key that is not set yet."""
    if isinstance(place, dict):
        if step == "*":
            return list(place)
        if not leaf and step not in place and step in _OPTIONAL_TABLES:
            place[step] = {}
        return [step] if leaf or step in place else []
    if not isinstance(place, list):
        return []
    if step == "*":
        return list(range(len(place)))
    named = [i for i, entry in enumerate(place) if isinstance(entry, dict) and entry.get("name") == step]
    return named or ([int(step)] if step.isdecimal() and int(step) < len(place) else [])


def _numbers_and_names(place: Any) -> list[str]:
    """By what the entries of a list can be called."""
    entries = place if isinstance(place, list) else []
    names = [entry["name"] for entry in entries if isinstance(entry, dict) and "name" in entry]
    return [*map(str, range(len(entries))), *names]


def _set_satellites(raw: dict[str, Any], value: Any) -> list[tuple[str, str]]:
    satellites = list(raw.get("satellite", ()))
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value <= len(satellites):
            return [("satellites", f"{value}; expected 0 to {len(satellites)}, the number that the scenario lists")]
        raw["satellite"] = satellites[:value]
        return []
    if not isinstance(value, Mapping):
        return [("satellites", f"{value!r}; expected a whole number or a table as of [[constellation]]")]
    table = dict(value)
    if satellites and not table.keys() & {"terminal", "uplink"}:
        table |= {key: satellites[0][key] for key in ("terminal", "uplink") if key in satellites[0]}
    chosen, problems = _chosen("satellites.terminal", table.get("terminal"))
    if problems:
        return problems
    if chosen is not None:
        table["terminal"] = chosen
    try:
        constellation = Constellation.model_validate(table)
    except ValidationError as error:
        return [(".".join(("satellites", *map(str, e["loc"]))), e["msg"]) for e in error.errors()]
    raw["satellite"] = satellite_tables(constellation, table)
    return []


def _set_stations(raw: dict[str, Any], value: Any) -> list[tuple[str, str]]:
    stations = raw.get("station", {})
    names = [value] if isinstance(value, str) else list(value)
    unknown = [n for n in names if n not in stations]
    if unknown:
        return [("stations.use", f"no station '{unknown[0]}'; {near_matches(str(unknown[0]), stations)}")]
    raw["station"] = {n: stations[n] for n in stations if n in names}
    return []


def with_variant(scenario: Scenario, variant: Variant) -> Scenario:
    """The scenario with the variant's terminal on every satellite and its receiver at every station.

    Apertures stay those of the stations, and uplinks keep their transmitter and receiver.
    """
    satellites = tuple(
        s if s.uplink is not None else s.model_copy(update={"terminal": variant.terminal}) for s in scenario.satellites
    )
    stations = {}
    for ogs, station in scenario.stations.items():
        values = behind_telescope(variant.receiver.model_dump(exclude_unset=True), station.receiver.aperture_diameter_m)
        stations[ogs] = station.model_copy(update={"receiver": Receiver.model_validate(values)})
    return scenario.model_copy(update={"satellites": satellites, "stations": stations})
