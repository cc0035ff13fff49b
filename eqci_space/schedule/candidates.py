"""Candidates: contacts that a plan may choose, with their clear-sky key and the chance of a clear sky."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eqci_space.fiber.edges import contact_arrivals
from eqci_space.qkd.part_keys import part_keys
from eqci_space.qkd.window_keys import copies_in_block
from eqci_space.scenario import Booking, Outage, Scenario
from eqci_space.schedule.sky_keys import with_responses
from eqci_space.tables import TABLES, check_table, empty_table
from eqci_space.weather.outlook import slot_clear_probability
from eqci_space.weather.skies import shared_skies

__all__ = ["contact_candidates", "out_of_service"]

_SHORTEST_S = 2.0
_SECOND_NS = 1_000_000_000


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

    Parameters
    ----------
    budget : DataFrame
        BUDGET.
    keys : DataFrame
        KEYS of the same windows.
    scenario : Scenario
    """
    check_table(budget, "BUDGET", "contact_candidates")
    check_table(keys, "KEYS", "contact_candidates")
    useful = keys[keys["skl_bit"] > 0]
    if useful.empty:
        return empty_table("CANDIDATES")
    pair = budget.drop_duplicates("window_id").set_index("window_id")[["satellite", "ogs"]].reindex(useful.index)
    whole = pd.DataFrame({
        "candidate_id": useful.index.astype(str), "window_id": useful.index.astype(str),
        "satellite": pair["satellite"].to_numpy(), "ogs": pair["ogs"].to_numpy(),
        "start": pd.DatetimeIndex(useful["usable_start"]), "end": pd.DatetimeIndex(useful["usable_end"]),
        "skl_bit": useful["skl_bit"].to_numpy(dtype=float),
        "block_fill": [1 / copies_in_block(scenario.protocol, bit) for bit in useful["sifted_bit"]],
    })  # fmt: skip
    table = pd.concat([whole, _parts(whole, budget, keys, scenario)], ignore_index=True)
    long = table["end"] - table["start"] >= pd.Timedelta(seconds=scenario.schedule.min_contact_s)
    table = table[long].reset_index(drop=True)
    table["p_clear"] = _clear(table, budget, scenario)  # of whole windows, whatever is booked of them
    table = table[~out_of_service(table, scenario)].reset_index(drop=True)
    if table.empty:
        return empty_table("CANDIDATES")
    arrivals = contact_arrivals(table, scenario)
    waits = scenario.protocol.block != "window"
    block = arrivals["edge"] if waits else table["candidate_id"]
    table = table.assign(ogs_b="", block=block, available_at=arrivals["time"], edge=arrivals["edge"])
    for column in ("start", "end", "available_at"):
        table[column] = table[column].dt.as_unit("us")
    table = table.sort_values(["start", "candidate_id"]).set_index("candidate_id")
    table = check_table(
        table[[*TABLES["CANDIDATES"].columns, *(["block_fill"] if waits else [])]], "CANDIDATES", "contact_candidates"
    )
    return with_responses(table, budget, keys, scenario) if _meets_cirrus(scenario) else table


def _meets_cirrus(scenario: Scenario) -> bool:
    """Whether the plan has to know what cirrus leaves of the key of candidates."""
    skies = scenario.schedule.plan_for == "expected_delivery" and scenario.weather.model != "clear_sky"
    return skies and scenario.protocol.kind != "bbm92"


def _parts(whole: pd.DataFrame, budget: pd.DataFrame, keys: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """Parts of windows between hand-over instants and around bookings, as rows like those of whole windows."""
    if scenario.protocol.kind == "bbm92":
        return whole.iloc[:0]
    found = [_pieces(group, scenario) for _, group in whole.groupby("satellite", sort=True)]
    rows, start, end = (np.concatenate([piece[i] for piece in found]) for i in range(3))
    if not len(rows):
        return whole.iloc[:0]
    parts = whole.loc[rows].reset_index(drop=True)
    parts["start"], parts["end"] = (pd.DatetimeIndex(pd.to_datetime(t, unit="ns", utc=True)) for t in (start, end))
    found = part_keys(parts, budget, keys, scenario)
    parts["skl_bit"] = found["skl_bit"]
    parts["block_fill"] = [1 / copies_in_block(scenario.protocol, bit) for bit in found["sifted_bit"]]
    parts = parts[parts["skl_bit"] > 0]
    columns = _ns(parts["start"]), _ns(parts["end"]), parts["skl_bit"].to_numpy()
    kept = [
        rows[_undominated(*(column[rows] for column in columns))]
        for rows in parts.groupby("window_id", sort=False).indices.values()
    ]
    parts = parts.iloc[np.sort(np.concatenate(kept))] if kept else parts
    span = parts["start"].dt.strftime("@%H%M%S-") + parts["end"].dt.strftime("%H%M%S")
    return parts.assign(candidate_id=parts["window_id"] + span)


def _ns(times: pd.Series) -> np.ndarray:
    """Times as whole nanoseconds since 1970, with which loops are fast."""
    return pd.DatetimeIndex(times).as_unit("ns").asi8


def _pieces(group: pd.DataFrame, scenario: Scenario) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, starts and ends [ns] of the parts of one satellite's windows; the whole windows are left out."""
    least = round(1e9 * max(scenario.schedule.min_contact_s, _SHORTEST_S))
    start, end = _ns(group["start"]), _ns(group["end"])
    rows, begins, ends = [], [], []
    for i, row in enumerate(group.index):
        edges = _booked_edges(group["satellite"].iloc[i], group["ogs"].iloc[i], scenario)
        cuts = np.union1d(_hand_overs(i, start, end, scenario), edges)
        # Ids of parts tell seconds apart.
        cuts = cuts[(cuts >= start[i] + _SECOND_NS) & (cuts <= end[i] - _SECOND_NS)]
        if not len(cuts):
            continue
        a, b = (m.ravel() for m in np.meshgrid(np.append(start[i], cuts), np.append(cuts, end[i]), indexing="ij"))
        kept = (b - a >= least) & ~((a == start[i]) & (b == end[i]))
        rows.append(np.full(kept.sum(), row))
        begins.append(a[kept])
        ends.append(b[kept])
    empty = np.empty(0, dtype=np.int64)
    return tuple(np.concatenate(x) if x else empty for x in (rows, begins, ends))  # type: ignore[return-value]


def _hand_overs(i: int, start: np.ndarray, end: np.ndarray, scenario: Scenario) -> np.ndarray:
    """Instants [ns] at which a satellite may hand over to or from its window i, from and to those that overlap it."""
    step, slew = (round(1e9 * s) for s in (scenario.schedule.hand_over_step_s, scenario.schedule.slew_s))
    others = (start < end[i] + slew) & (end + slew > start[i])
    others[i] = False
    if not step or not others.any():
        return np.empty(0, dtype=np.int64)
    origin = pd.Timestamp(scenario.start).as_unit("ns").value
    first = max(start[i], start[others].min() - slew)
    last = min(end[i], end[others].max() + slew)
    return origin + np.arange(-((origin - first) // step), (last - origin) // step + 1) * step


def _booked_edges(satellite: str, ogs: str, scenario: Scenario) -> np.ndarray:
    """Ends [ns] of the times in which a satellite or station is booked or out of order, to the whole second outside."""
    times: list[Booking | Outage] = [*scenario.bookings, *scenario.outages]
    mine = [time for time in times if satellite == time.satellite or ogs == time.station]
    edges = [pd.Timestamp(time.start).floor("s") for time in mine] + [pd.Timestamp(time.end).ceil("s") for time in mine]
    return np.array([edge.as_unit("ns").value for edge in edges], dtype=np.int64)


def _undominated(start: np.ndarray, end: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Parts (n,) bool that hold no shorter part with as much key."""
    inside = (start[None, :] >= start[:, None]) & (end[None, :] <= end[:, None])
    inside &= (start[None, :] != start[:, None]) | (end[None, :] != end[:, None])
    beaten = np.any(inside & (key[None, :] >= key[:, None]), axis=1)
    return ~beaten


def out_of_service(table: pd.DataFrame, scenario: Scenario) -> np.ndarray:
    """Candidates or contacts (n,) bool that touch a booking or an outage of their satellite or station."""
    start, end = pd.DatetimeIndex(table["start"]), pd.DatetimeIndex(table["end"])
    satellite, ogs = table["satellite"].to_numpy(), table["ogs"].to_numpy()
    taken = np.zeros(len(table), dtype=bool)
    times: list[Booking | Outage] = [*scenario.bookings, *scenario.outages]
    for time in times:
        mine = (satellite == time.satellite) | (ogs == time.station)
        taken |= mine & np.asarray(start < time.end) & np.asarray(end > time.start)
    return taken


def _clear(table: pd.DataFrame, budget: pd.DataFrame, scenario: Scenario) -> np.ndarray:
    """Chance of a clear line of sight, the mean over the slots of all windows that share a sky, weighted by time."""
    spans = table.groupby("window_id", sort=False).agg(ogs=("ogs", "first"), start=("start", "min"), end=("end", "max"))
    spans = spans.reset_index()
    sky, value = shared_skies(spans), _window_clear(spans, budget, scenario)
    length = (spans["end"] - spans["start"]).dt.total_seconds().to_numpy()
    mean = np.bincount(sky, value * length) / np.bincount(sky, length)
    return np.asarray(table["window_id"].map(dict(zip(spans["window_id"], mean[sky], strict=True))), dtype=float)


def _window_clear(spans: pd.DataFrame, budget: pd.DataFrame, scenario: Scenario) -> np.ndarray:
    """Chance of a clear line of sight over the slots in each span of a window, weighted by time."""
    slots = budget[budget["window_id"].isin(spans["window_id"])]
    weight, time_ns = slots["weight_s"].to_numpy(), _ns(slots["time"])
    value = slot_clear_probability(slots, scenario).to_numpy() * weight
    rows = slots.groupby("window_id", sort=False).indices
    out = np.empty(len(spans))
    for i, (window_id, start, end) in enumerate(
        zip(spans["window_id"], _ns(spans["start"]), _ns(spans["end"]), strict=True)
    ):
        order = rows[window_id][np.argsort(time_ns[rows[window_id]], kind="stable")]
        first, last = np.searchsorted(time_ns[order], [start, end])
        chosen = order[first:last] if last > first else order
        out[i] = value[chosen].sum() / weight[chosen].sum()
    return out
