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

from eqci_space.errors import TableError, near_matches
from eqci_space.fiber.edges import block_closings, contact_arrivals
from eqci_space.fiber.network import build_network
from eqci_space.fiber.problem import bin_of, flow_problem
from eqci_space.fiber.relay import key_deposits, relay_keys
from eqci_space.fiber.world_relay import relay_worlds
from eqci_space.linkbudget.budget import link_budget
from eqci_space.machine.checkpoints import function_name
from eqci_space.machine.parallel import run_chunks
from eqci_space.ogs.sampling import sample_windows
from eqci_space.scenario import Scenario
from eqci_space.scenario.changes import with_values
from eqci_space.scenario.packed import packed_scenario, unpacked_scenario
from eqci_space.schedule.contact_keys import contact_keys
from eqci_space.schedule.contacts import Plan, schedule_contacts
from eqci_space.schedule.sky_deposits import placed_key, places_of, received_share
from eqci_space.schedule.sky_keys import key_in_skies, with_responses
from eqci_space.studies.batch import batch_chunks, chunk_tables
from eqci_space.tables import planned_contacts
from eqci_space.weather.skies import SkySamples, sample_sky

__all__ = ["MEASURES", "sweep"]

MEASURES = ("offers", "plan", "delivery")
_EVENT = ["ogs", "start", "end"]
_FEWEST_TRIALS, _USUAL_TRIALS = 10, 200


def sweep(
    scenario: Scenario,
    grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]],
    *,
    measure: str | Callable[[Scenario], Mapping[str, float]] = "offers",
    executor: Any = None,
    jobs: int = 1,
    trials: int | None = None,
    progress: Callable[[int], None] | None = None,
    checkpoint: str | Path | None = None,
    rng: int | None = None,
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
        the contacts planned. ``delivery``: besides, what demands get. Or a function of a scenario, at the top
        of a module, that returns numbers by name.
    executor, jobs, progress, checkpoint
        As in `run_chunks`; a chunk is an option.
    trials : int, optional
        Skies drawn, 0 or at least 10, none with a function as measure; default 200 for ``delivery``, else none.
    rng : int, optional
        Seed of the skies; default the scenario's.

    Returns
    -------
    DataFrame
        One row per option: the values by path, then the measures. Of ``delivery`` with trials first the mean over skies
        and the bits that 90 % of them exceed, per demand (`mean_bit.NAME`, `exceeded_90pct_bit.NAME`), weather alone
        and relay with the sky known; `expected_key_bit` and `expected_key_bit.NAME` are the delivery of expected key.
        With trials `space_mean_bit`, the bits that 90, 50 and 10 % of the skies exceed (`space_exceeded_90pct_bit`,
        ...), and `space_difference_bit` from the first option, the mean over skies, with its standard error
        `space_difference_error_bit`. In drawn skies cirrus costs
        loss where `expected_bit` counts it as cloud, so the means are larger than that.

    Raises
    ------
    ScenarioError
        A path or a value does not fit the scenario.
    TableError
        Measure or trials are not among those above, or the grid is empty; or an option has a dual downlink, which only
        a function as measure takes.
    ChunkError
        Some options failed.
    """
    custom = callable(measure)
    trials = (_USUAL_TRIALS if measure == "delivery" else 0) if trials is None else trials
    if not custom and measure not in MEASURES:
        raise TableError(f"sweep: measure '{measure}'; {near_matches(str(measure), MEASURES)}, or give a function")
    if trials < 0 or 0 < trials < _FEWEST_TRIALS or (trials and custom):
        raise TableError(
            f"sweep: trials = {trials} with measure {measure!r}; expected 0 or at least {_FEWEST_TRIALS}, and "
            f"{', '.join(MEASURES)} as measure"
        )
    options = _options(grid)
    scenarios = [with_values(scenario, option) for option in options]
    if not custom and any(s.protocol.downlink == "dual" for s in scenarios):
        raise TableError(
            f"sweep: measure '{measure}' with downlink = 'dual'; expected 'single', or a function as measure that "
            "plans each scenario, such as one with eq.Study(scenario).plan"
        )
    chunks = [SweepChunk(packed_scenario(s), _measure_name(measure), trials > 0) for s in scenarios]
    results = run_chunks(option_tables, chunks, executor=executor, jobs=jobs, progress=progress, checkpoint=checkpoint)
    shown = pd.DataFrame([{path: _shown(value) for path, value in option.items()} for option in options])
    measured = pd.concat([result["measures"] for result in results], ignore_index=True)
    table = shown.join(measured).rename_axis("option")
    if trials:
        seed = scenario.seed if rng is None else rng
        drawn, delivered = _under_skies([r["contacts"] for r in results], scenarios, scenario, trials, seed)
        if measure == "delivery":
            table = shown.join(delivered).join(measured).rename_axis("option")
        table = table.join(drawn)
    return table


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
    if offers and chunk.contacts:  # whose offers say what cloud leaves of their key
        scenario = with_values(scenario, {"schedule.plan_for": "expected_delivery"})
    parts = [chunk_tables(c) for c in batch_chunks(scenario)]
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
        contacts = _in_windows(whole, tables["windows"]) if chunk.contacts else None
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
    return plan, budget, contact_keys(plan, budget, tables["keys"], scenario)


def _plan_measures(plan: Plan, scenario: Scenario, *, with_delivery: bool) -> dict[str, Any]:
    planned = planned_contacts(plan.contacts)
    measures: dict[str, Any] = {
        "contacts": len(planned), "planned_clear_bit": planned["skl_bit"].sum(),
        "planned_expected_bit": planned["expected_skl_bit"].sum(),
    }  # fmt: skip
    if with_delivery:
        delivery = relay_keys(key_deposits(plan, scenario), scenario).delivery
        total = delivery.groupby("demand", sort=False)["delivered_bit"].sum()
        measures |= {"expected_key_bit": total.sum()}
        measures |= {f"expected_key_bit.{name}": bit for name, bit in total.items()}
    return measures


def _flown(
    plan: Plan, budget: pd.DataFrame, keys: pd.DataFrame, windows: pd.DataFrame, scenario: Scenario
) -> pd.DataFrame:
    """Planned contacts with their key in skies, and where and when it arrives."""
    planned = planned_contacts(plan.contacts).set_index("candidate_id")
    planned = with_responses(planned, budget, keys, scenario)
    arrivals = contact_arrivals(planned, scenario)
    table = _in_windows(planned, windows)
    return table.assign(edge=arrivals["edge"].to_numpy(), arrives=arrivals["time"].to_numpy())


def _in_windows(contacts: pd.DataFrame, windows: pd.DataFrame) -> pd.DataFrame:
    """Station and window of contacts, chance of a clear sky, and key as cloud and cirrus leave it."""
    key = [c for c in contacts.columns if c in ("p_clear", "block_fill") or c.startswith("skl_")]
    return windows.loc[contacts["window_id"], _EVENT].reset_index(drop=True).join(contacts[key].reset_index(drop=True))


def _under_skies(
    contacts: list[pd.DataFrame], scenarios: list[Scenario], base: Scenario, trials: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Columns of `sweep` over trials: key from space, and what demands get where contacts say when their key arrives.

    All options are drawn at the windows of all, so that they share their skies.
    """
    events = pd.concat([c[[*_EVENT, "p_clear"]] for c in contacts], ignore_index=True)
    events = events.drop_duplicates(_EVENT).sort_values(_EVENT[::-1]).set_index(_EVENT)
    key = np.zeros((trials, len(contacts)))
    delivered = []
    for number, (mine, scenario) in enumerate(zip(contacts, scenarios, strict=True)):
        place = events.index.get_indexer(pd.MultiIndex.from_frame(mine[_EVENT]))
        clear = events["p_clear"].to_numpy(copy=True)
        clear[place] = mine["p_clear"]
        drawn = events.assign(p_clear=clear).reset_index()
        stations = {**base.stations, **scenario.stations}
        sky = sample_sky(drawn, scenario.model_copy(update={"stations": stations}), trials=trials, rng=seed)
        again = np.broadcast_to(sky.return_share, len(events))[place]
        mine_sky = SkySamples(sky.blocked_quarters[:, place], sky.extra_loss_db[:, place], again)
        arrived = key_in_skies(mine, mine_sky)
        key[:, number] = arrived.sum(axis=1)
        delivered.append(_levels(mine, arrived, received_share(mine_sky), scenario) if "edge" in mine else {})
    difference = key - key[:, :1]
    quantiles = {"exceeded_90pct": 0.1, "median": 0.5, "exceeded_10pct": 0.9}
    drawn_columns = pd.DataFrame({
        "space_mean_bit": key.mean(axis=0),
        **{f"space_{name}_bit": np.quantile(key, q, axis=0) for name, q in quantiles.items()},
        "space_difference_bit": difference.mean(axis=0),
        "space_difference_error_bit": difference.std(axis=0, ddof=1) / np.sqrt(trials),
    }).rename_axis("option")  # fmt: skip
    return drawn_columns, pd.DataFrame(delivered).rename_axis("option")


def _levels(contacts: pd.DataFrame, key_bit: np.ndarray, received: np.ndarray, scenario: Scenario) -> dict[str, float]:
    """Mean and 90 % level of every demand over skies."""
    problem, closes = flow_problem(build_network(scenario), scenario), None
    edge = contacts["edge"].map(problem.edge_number).to_numpy(dtype=int)
    places = places_of(edge, bin_of(contacts["arrives"], scenario), scenario, problem)
    if "block_fill" in contacts:
        fill = received * contacts["block_fill"].to_numpy(dtype=float)
        closes = block_closings(edge, pd.DatetimeIndex(contacts["arrives"]), fill)
    placed = placed_key(places, key_bit, closes)
    bits = relay_worlds(problem, places.edge, places.bin, placed).delivered_bit.sum(axis=2)
    names = [d.name for d in scenario.demands]
    means = {f"mean_bit.{name}": float(bits[:, k].mean()) for k, name in enumerate(names)}
    return means | {f"exceeded_90pct_bit.{name}": float(np.quantile(bits[:, k], 0.1)) for k, name in enumerate(names)}


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
