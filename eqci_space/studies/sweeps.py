"""Sweeps: any values of a scenario varied, one tidy table, under common skies.

Options differ by what the grid names and by nothing else: the skies are drawn once for all places and times at which
any option has a window, so that the difference between two options is not noise of the sampling.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from eqci_space.errors import ScenarioError, TableError, near_matches
from eqci_space.fiber.relay import key_deposits, relay_keys
from eqci_space.linkbudget.budget import link_budget
from eqci_space.machine.checkpoints import function_name
from eqci_space.machine.parallel import run_chunks
from eqci_space.ogs.sampling import sample_windows
from eqci_space.qkd.window_keys import part_responses
from eqci_space.scenario import Constellation, Scenario
from eqci_space.scenario.constellations import members
from eqci_space.scenario.presets_io import PRESET_FILES, preset_tables, preset_values
from eqci_space.schedule.contacts import Plan, schedule_contacts
from eqci_space.schedule.refine import reoptimise_contacts
from eqci_space.studies.batch import batch_chunks, chunk_tables, packed_scenario, unpacked_scenario
from eqci_space.tables import planned_contacts
from eqci_space.weather.skies import sample_sky

__all__ = ["MEASURES", "sweep", "with_values"]

MEASURES = ("offers", "plan", "delivery")
_LOSSES_DB = tuple(np.arange(0.0, 20.5, 0.5).tolist())
_OPTIONAL_TABLES = ("atmosphere", "weather", "protocol", "schedule")
_EXPANDED = {
    "stations": "station.*.KEY, or stations.use",
    "constellation": "satellites, with a [[constellation]] table as value",
}
_EVENT = ["ogs", "start", "end"]
_FEWEST_TRIALS = 10


def sweep(
    scenario: Scenario,
    grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]],
    *,
    measure: str | Callable[[Scenario], Mapping[str, float]] = "offers",
    executor: Any = None,
    jobs: int = 1,
    trials: int = 0,
    rng: int | None = None,
    progress: Callable[[int], None] | None = None,
    checkpoint: str | Path | None = None,
) -> pd.DataFrame:
    """Results of a scenario under every combination of values.

    Parameters
    ----------
    scenario : Scenario
    grid : mapping or sequence of mappings
        Values by path, all combinations, the last path varying fastest; or the options written out. Paths are those of
        `with_values`.
    measure : str or callable
        ``offers``: whole windows and the key that they offer, conflicts between them not resolved. ``plan``: that of
        the contacts planned. ``delivery``: besides, bits delivered per demand. Or a function of a scenario, at the top
        of a module, that returns numbers by name.
    executor, jobs, progress, checkpoint
        As in `run_chunks`; a chunk is an option.
    trials : int
        Skies drawn, 0 or at least 10; not with a function as measure.
    rng : int, optional
        Seed of the skies; default the scenario's.

    Returns
    -------
    DataFrame
        One row per option: the values by path, then the measures. With trials `space_mean_bit`, the bits that 90, 50
        and 10 % of the skies exceed (`space_exceeded_90pct_bit`, ...), and `space_difference_bit` from the first
        option, the mean over skies, with its standard error `space_difference_error_bit`. In drawn skies cirrus costs
        loss where `expected_bit` counts it as cloud, so the means are larger than that.

    Raises
    ------
    ScenarioError
        A path or a value does not fit the scenario.
    TableError
        Measure or trials are not among those above, or the grid is empty.
    ChunkError
        Some options failed.
    """
    custom = callable(measure)
    if not custom and measure not in MEASURES:
        raise TableError(f"sweep: measure '{measure}'; {near_matches(str(measure), MEASURES)}, or give a function")
    if trials < 0 or 0 < trials < _FEWEST_TRIALS or (trials and custom):
        raise TableError(
            f"sweep: trials = {trials} with measure {measure!r}; expected 0 or at least {_FEWEST_TRIALS}, and "
            f"{', '.join(MEASURES)} as measure"
        )
    options = _options(grid)
    scenarios = [with_values(scenario, option) for option in options]
    chunks = [SweepChunk(packed_scenario(s), _measure_name(measure), trials > 0) for s in scenarios]
    results = run_chunks(option_tables, chunks, executor=executor, jobs=jobs, progress=progress, checkpoint=checkpoint)
    shown = pd.DataFrame([{path: _shown(value) for path, value in option.items()} for option in options])
    measured = pd.concat([result["measures"] for result in results], ignore_index=True)
    table = shown.join(measured).rename_axis("option")
    if trials:
        seed = scenario.seed if rng is None else rng
        table = table.join(_under_skies([r["contacts"] for r in results], scenarios, scenario, trials, seed))
    return table


def with_values(scenario: Scenario, values: Mapping[str, Any]) -> Scenario:
    """A scenario with other values at some places, validated anew.

    Parameters
    ----------
    scenario : Scenario
    values : mapping
        By path as in the file, such as ``satellite.0.orbit.ltan_h``, ``station.GRAZ.receiver.aperture_diameter_m`` or
        ``atmosphere.visibility_km``. Entries of lists go by number or name, ``*`` stands for all entries of a list or
        table, as in ``satellite.*.terminal.jitter_rad``. Besides: ``satellites`` is the number of satellites, the
        first of the list, or a ``[[constellation]]`` table that replaces them (its terminal that of the first
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
    kept = ("file", "sha256", "overlays", "inputs", "sources")
    return changed.model_copy(update={name: getattr(scenario, name) for name in kept})


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
        aperture = {"aperture_diameter_m": station["receiver"]["aperture_diameter_m"]}
        station["receiver"] = {**chosen, **aperture}
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
    if satellites:
        table.setdefault("terminal", satellites[0]["terminal"])
    chosen, problems = _chosen("satellites.terminal", table.get("terminal"))
    if problems:
        return problems
    if chosen is not None:
        table["terminal"] = chosen
    try:
        constellation = Constellation.model_validate(table)
    except ValidationError as error:
        return [(".".join(("satellites", *map(str, e["loc"]))), e["msg"]) for e in error.errors()]
    raw["satellite"] = [
        {"name": name, "orbit": orbit.model_dump(), "terminal": table["terminal"]}
        for name, orbit in members(constellation.name, constellation.pattern)
    ]
    return []


def _set_stations(raw: dict[str, Any], value: Any) -> list[tuple[str, str]]:
    stations = raw.get("station", {})
    names = [value] if isinstance(value, str) else list(value)
    unknown = [n for n in names if n not in stations]
    if unknown:
        return [("stations.use", f"no station '{unknown[0]}'; {near_matches(str(unknown[0]), stations)}")]
    raw["station"] = {n: stations[n] for n in stations if n in names}
    return []


@dataclass(frozen=True)
class SweepChunk:
    """An option as a packed scenario, the measure by name, and whether its contacts are needed for trials."""

    scenario: str
    measure: str
    contacts: bool


def option_tables(chunk: SweepChunk) -> dict[str, pd.DataFrame]:
    """Measures of an option in one row, and its contacts with their key under losses if asked for."""
    scenario = unpacked_scenario(chunk.scenario)
    if ":" in chunk.measure:
        module, _, name = chunk.measure.partition(":")
        return {"measures": pd.DataFrame([dict(getattr(importlib.import_module(module), name)(scenario))])}
    offers = chunk.measure == "offers"
    losses = _LOSSES_DB if chunk.contacts and offers else ()
    parts = [chunk_tables(c) for c in batch_chunks(scenario, extra_loss_db=losses)]
    if not parts:
        raise TableError("sweep: an option has no satellite; expected at least one")
    tables = {name: pd.concat([part[name] for part in parts]) for name in parts[0]}
    candidates = tables["candidates"].sort_values(["start", "candidate_id"])
    whole = candidates[candidates.index == candidates["window_id"]]
    measures = {
        "passes": len(tables["passes"]), "windows": len(tables["windows"]), "windows_with_key": len(whole),
        "clear_sky_bit": whole["skl_bit"].sum(), "expected_bit": (whole["skl_bit"] * whole["p_clear"]).sum(),
    }  # fmt: skip
    if offers:
        contacts = _offered(whole, tables) if chunk.contacts else None
    else:
        plan, budget, keys = _planned(candidates, tables, scenario)
        measures |= _plan_measures(plan, scenario, with_delivery=chunk.measure == "delivery")
        contacts = _flown(plan, budget, keys, tables["windows"], scenario) if chunk.contacts else None
    result = {"measures": pd.DataFrame([measures])}
    return result if contacts is None else result | {"contacts": contacts}


def _planned(
    candidates: pd.DataFrame, tables: dict[str, pd.DataFrame], scenario: Scenario
) -> tuple[Plan, pd.DataFrame, pd.DataFrame]:
    """The plan with its parts of windows optimised anew, the BUDGET of its windows and KEYS."""
    plan = schedule_contacts(candidates, scenario)
    windows = tables["windows"].loc[candidates.loc[plan.contacts["candidate_id"], "window_id"].unique()]
    budget = link_budget(sample_windows(windows, scenario), scenario)
    plan, keys = reoptimise_contacts(plan, budget, tables["keys"], scenario)
    return plan, budget, keys


def _plan_measures(plan: Plan, scenario: Scenario, *, with_delivery: bool) -> dict[str, Any]:
    planned = planned_contacts(plan.contacts)
    measures: dict[str, Any] = {
        "contacts": len(planned), "planned_clear_bit": planned["skl_bit"].sum(),
        "planned_expected_bit": planned["expected_skl_bit"].sum(),
    }  # fmt: skip
    if with_delivery:
        delivery = relay_keys(key_deposits(plan, scenario), scenario).delivery
        total = delivery.groupby("demand", sort=False)["delivered_bit"].sum()
        measures |= {"delivered_bit": total.sum()} | {f"delivered_bit.{name}": bit for name, bit in total.items()}
    return measures


def _flown(
    plan: Plan, budget: pd.DataFrame, keys: pd.DataFrame, windows: pd.DataFrame, scenario: Scenario
) -> pd.DataFrame:
    """Planned contacts with their key under losses."""
    planned = planned_contacts(plan.contacts).set_index("candidate_id")
    responses = part_responses(planned[["window_id", "start", "end"]], budget, keys, scenario, _LOSSES_DB)
    return _in_windows(planned, windows, responses.to_numpy())


def _offered(whole: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Whole windows with their key under losses."""
    return _in_windows(whole, tables["windows"], tables["responses"].loc[whole["window_id"]].to_numpy())


def _in_windows(contacts: pd.DataFrame, windows: pd.DataFrame, key_bit: np.ndarray) -> pd.DataFrame:
    """Station and window of contacts, chance of a clear sky, and key under losses [dB], named by them."""
    table = windows.loc[contacts["window_id"], _EVENT].reset_index(drop=True)
    under_losses = pd.DataFrame(key_bit, columns=[str(x) for x in _LOSSES_DB])
    return table.assign(p_clear=contacts["p_clear"].to_numpy()).join(under_losses)


def _under_skies(
    contacts: list[pd.DataFrame], scenarios: list[Scenario], base: Scenario, trials: int, seed: int
) -> pd.DataFrame:
    """Columns of `sweep` over trials. All options are drawn at the windows of all, so that they share their skies."""
    events = pd.concat([c[[*_EVENT, "p_clear"]] for c in contacts], ignore_index=True)
    events = events.drop_duplicates(_EVENT).sort_values(_EVENT[::-1]).set_index(_EVENT)
    key = np.zeros((trials, len(contacts)))
    for number, (mine, scenario) in enumerate(zip(contacts, scenarios, strict=True)):
        place = events.index.get_indexer(pd.MultiIndex.from_frame(mine[_EVENT]))
        clear = events["p_clear"].to_numpy(copy=True)
        clear[place] = mine["p_clear"]
        drawn = events.assign(p_clear=clear).reset_index()
        stations = {**base.stations, **scenario.stations}
        sky = sample_sky(drawn, scenario.model_copy(update={"stations": stations}), trials=trials, rng=seed)
        responses = mine[[str(x) for x in _LOSSES_DB]].to_numpy()
        for column, response in zip(place, responses, strict=True):
            arrived = np.interp(sky.extra_loss_db[:, column], _LOSSES_DB, response, right=0.0)
            key[:, number] += np.where(sky.blocked[:, column], 0.0, arrived)
    difference = key - key[:, :1]
    quantiles = {"exceeded_90pct": 0.1, "median": 0.5, "exceeded_10pct": 0.9}
    return pd.DataFrame({
        "space_mean_bit": key.mean(axis=0),
        **{f"space_{name}_bit": np.quantile(key, q, axis=0) for name, q in quantiles.items()},
        "space_difference_bit": difference.mean(axis=0),
        "space_difference_error_bit": difference.std(axis=0, ddof=1) / np.sqrt(trials),
    }).rename_axis("option")  # fmt: skip


def _options(grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    if isinstance(grid, Mapping):
        for path, values in grid.items():
            if isinstance(values, str) or not isinstance(values, Iterable):
                raise TableError(f"sweep: values of '{path}' are {values!r}; expected a list of values")
        options = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    else:
        options = [dict(option) for option in grid]
    if not options:
        raise TableError("sweep: the grid has no option; give at least one value per path")
    return options


def _measure_name(measure: str | Callable[[Scenario], Mapping[str, float]]) -> str:
    return measure if isinstance(measure, str) else function_name(measure)


def _shown(value: Any) -> Any:
    """A value as one cell: numbers and text as they are, lists and tables as text."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_shown(item)}" for key, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
