"""Candidates: contacts that a plan may choose, with their clear-sky key and the chance of a clear sky."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eqci_space.fiber.edges import contact_arrivals
from eqci_space.qkd.part_keys import part_keys
from eqci_space.qkd.window_keys import block_fills
from eqci_space.scenario import Booking, Outage, Scenario
from eqci_space.schedule.dual_candidates import dual_offers
from eqci_space.schedule.parts import nanoseconds, useful_parts
from eqci_space.schedule.sky_keys import with_responses
from eqci_space.tables import TABLES, check_table, dual_columns, empty_table, second
from eqci_space.weather.joint_clear import both_clear_probability
from eqci_space.weather.outlook import slot_clear_probability
from eqci_space.weather.skies import shared_skies

__all__ = ["contact_candidates", "out_of_service"]


def contact_candidates(budget: pd.DataFrame, keys: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """CANDIDATES: every window with key, and the useful parts of those that share a crossing, each a block of its own.

    A whole window runs from first to last slot used. Where windows of a satellite overlap it may hand over: their parts
    between instants ``schedule.hand_over_step_s`` apart are candidates too, each with its own best parameters, if no
    part of them gives as much. No candidate is shorter than ``schedule.min_contact_s``. Candidates that overlap at a
    station see one sky, and so have one chance of a clear line of sight, the mean over the slots of their windows.
    Where blocks wait for several contacts, `block_fill` is the part of a block that each fills under a clear sky, and
    `skl_bit` its part of the key of the block. Where a plan is made for sampled skies, columns such as
    ``skl_2db_bit`` and ``skl_50pct_bit`` say what cirrus and broken cloud leave of the key.
    Times in which a satellite or station is booked or out of order have no candidate; what such a time leaves of a
    window is a part.

    Under ``protocol.downlink = "dual"`` candidates are the times in which a satellite's windows over two stations
    overlap, and their parts likewise: `ogs` and `ogs_b` in order of their names, `window_id` and `window_id_b` theirs,
    `p_clear` the chance that both lines of sight are clear, `p_clear_a` and `p_clear_b` those of each alone. Pairs of
    stations that hold their key at one node are left out.

    Parameters
    ----------
    budget : DataFrame
        BUDGET.
    keys : DataFrame
        KEYS of the same windows; those of dual downlinks are worked out here.
    scenario : Scenario
    """
    check_table(budget, "BUDGET", "contact_candidates")
    check_table(keys, "KEYS", "contact_candidates")
    dual = scenario.protocol.downlink == "dual"
    table = dual_offers(budget, scenario) if dual else _single_offers(budget, keys, scenario)
    long = table["end"] - table["start"] >= pd.Timedelta(seconds=scenario.schedule.min_contact_s)
    table = table[long].reset_index(drop=True)
    if table.empty:
        return empty_table("CANDIDATES")
    table = table.assign(**_clear(table, budget, scenario))  # of whole windows, whatever is booked of them
    table = table[~out_of_service(table, scenario)].reset_index(drop=True)
    if table.empty:
        return empty_table("CANDIDATES")
    arrivals = contact_arrivals(table, scenario)
    waits = scenario.protocol.block != "window"
    block = arrivals["edge"] if waits else table["candidate_id"]
    table = table.assign(block=block, available_at=arrivals["time"], edge=arrivals["edge"])
    for column in ("start", "end", "available_at"):
        table[column] = table[column].dt.as_unit("us")
    table = table.sort_values(["start", "candidate_id"]).set_index("candidate_id")
    extra = [*(dual_columns(table) or ["window_id_b"]), *(["block_fill"] if waits else [])]
    columns = [*TABLES["CANDIDATES"].columns, *extra]
    table = check_table(table[columns], "CANDIDATES", "contact_candidates")
    return with_responses(table, budget, keys, scenario) if _meets_cirrus(scenario) else table


def _meets_cirrus(scenario: Scenario) -> bool:
    """Whether the plan has to know what cirrus leaves of the key of candidates."""
    return scenario.schedule.plan_for == "expected_delivery" and scenario.weather.model != "clear_sky"


def _single_offers(budget: pd.DataFrame, keys: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """Whole windows with key, and their parts, of downlinks to one station."""
    useful = keys[keys["skl_bit"] > 0]
    pair = budget.drop_duplicates("window_id").set_index("window_id")[["satellite", "ogs"]].reindex(useful.index)
    whole = pd.DataFrame({
        "candidate_id": useful.index.astype(str), "window_id": useful.index.astype(str),
        "satellite": pair["satellite"].to_numpy(), "ogs": pair["ogs"].to_numpy(),
        "start": pd.DatetimeIndex(useful["usable_start"]), "end": pd.DatetimeIndex(useful["usable_end"]),
        "skl_bit": useful["skl_bit"].to_numpy(dtype=float),
        "block_fill": block_fills(scenario.protocol, useful["sifted_bit"]),
    })  # fmt: skip
    table = whole
    if len(whole) and scenario.protocol.kind != "bbm92":
        parts = useful_parts(whole, lambda parts: part_keys(parts, budget, keys, scenario), scenario)
        table = pd.concat([whole, parts], ignore_index=True)
    return table.assign(ogs_b="", window_id_b="")


def out_of_service(table: pd.DataFrame, scenario: Scenario) -> np.ndarray:
    """Candidates or contacts (n,) bool that touch a booking or an outage of their satellite or a station of theirs."""
    start, end = pd.DatetimeIndex(table["start"]), pd.DatetimeIndex(table["end"])
    satellite, ogs, ogs_b = table["satellite"].to_numpy(), table["ogs"].to_numpy(), second(table, "ogs_b")
    taken = np.zeros(len(table), dtype=bool)
    times: list[Booking | Outage] = [*scenario.bookings, *scenario.outages]
    for time in times:
        mine = (satellite == time.satellite) | (ogs == time.station) | (ogs_b == time.station)
        taken |= mine & np.asarray(start < time.end) & np.asarray(end > time.start)
    return taken


def _clear(table: pd.DataFrame, budget: pd.DataFrame, scenario: Scenario) -> dict[str, np.ndarray]:
    """Chance of a clear line of sight; of dual downlinks that of both together, and of each alone."""
    legs = table[["window_id", "ogs", "start", "end"]]
    if scenario.protocol.downlink != "dual":
        return {"p_clear": _of_windows(legs, budget, scenario).loc[table["window_id"], "p_clear"].to_numpy(dtype=float)}
    more = table[["window_id_b", "ogs_b", "start", "end"]].set_axis(legs.columns, axis=1)
    sky = _of_windows(pd.concat([legs, more], ignore_index=True), budget, scenario)
    pairs, number = np.unique(table[["window_id", "window_id_b"]].to_numpy(dtype=str), axis=0, return_inverse=True)
    own = np.column_stack([sky.loc[pairs[:, k], "p_clear"] for k in range(2)])
    middle = tuple(pd.DatetimeIndex(sky.loc[pairs[:, k], "middle"]) for k in range(2))
    ogs = np.column_stack([sky.loc[pairs[:, k], "ogs"] for k in range(2)])
    both = both_clear_probability(ogs, (middle[0], middle[1]), own, scenario)
    row = number.ravel()
    return {"p_clear": both[row], "p_clear_a": own[row, 0], "p_clear_b": own[row, 1]}


def _of_windows(legs: pd.DataFrame, budget: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """Station, chance of a clear line of sight and middle of the sky of every window.

    The chance is the mean over the slots of all windows that share a sky, weighted by time.
    """
    spans = legs.groupby("window_id", sort=False).agg(ogs=("ogs", "first"), start=("start", "min"), end=("end", "max"))
    spans = spans.reset_index()
    sky, value = shared_skies(spans), _window_clear(spans, budget, scenario)
    length = (spans["end"] - spans["start"]).dt.total_seconds().to_numpy()
    mean = np.bincount(sky, value * length) / np.bincount(sky, length)
    start, end = spans["start"].groupby(sky).transform("min"), spans["end"].groupby(sky).transform("max")
    found = spans.assign(p_clear=mean[sky], middle=start + (end - start) / 2)
    return found.set_index("window_id")[["ogs", "p_clear", "middle"]]


def _window_clear(spans: pd.DataFrame, budget: pd.DataFrame, scenario: Scenario) -> np.ndarray:
    """Chance of a clear line of sight over the slots in each span of a window, weighted by time."""
    slots = budget[budget["window_id"].isin(spans["window_id"])]
    weight, time_ns = slots["weight_s"].to_numpy(), nanoseconds(slots["time"])
    value = slot_clear_probability(slots, scenario).to_numpy() * weight
    rows = slots.groupby("window_id", sort=False).indices
    out = np.empty(len(spans))
    for i, (window_id, start, end) in enumerate(
        zip(spans["window_id"], nanoseconds(spans["start"]), nanoseconds(spans["end"]), strict=True)
    ):
        order = rows[window_id][np.argsort(time_ns[rows[window_id]], kind="stable")]
        first, last = np.searchsorted(time_ns[order], [start, end])
        chosen = order[first:last] if last > first else order
        out[i] = value[chosen].sum() / weight[chosen].sum()
    return out
