"""Parts of windows, or of times that two windows share: where a satellite may hand over, and what bookings leave."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from eqci_space.qkd.window_keys import block_fills
from eqci_space.scenario import Booking, Outage, Scenario, receiver_of
from eqci_space.tables import second

__all__ = ["nanoseconds", "useful_parts", "whole_rows"]

_SHORTEST_S = 2.0
_SECOND_NS = 1_000_000_000
_PART = r"@\d{6}-\d{6}$"  # with which ids of parts end


def nanoseconds(times: pd.Series) -> np.ndarray:
    """Times as whole nanoseconds since 1970, with which loops are fast."""
    return pd.DatetimeIndex(times).as_unit("ns").asi8


def whole_rows(table: pd.DataFrame) -> np.ndarray:
    """Rows (n,) bool of CANDIDATES or CONTACTS that are whole windows, or whole overlaps of two, and no parts."""
    names = (table["candidate_id"] if "candidate_id" in table else table.index.to_series()).astype(str)
    dual = second(table, "ogs_b") != ""
    part = names.str.contains(_PART).to_numpy(dtype=bool)
    return np.where(dual, ~part, names.to_numpy() == table["window_id"].to_numpy())


def useful_parts(
    whole: pd.DataFrame, keys_of: Callable[[pd.DataFrame], pd.DataFrame], scenario: Scenario
) -> pd.DataFrame:
    """Parts of whole candidates with key, as rows like theirs; none that holds a shorter one with as much key.

    Where candidates of a satellite overlap it may hand over: their parts lie between instants
    ``schedule.hand_over_step_s`` apart, and between the ends of bookings and outages.

    Parameters
    ----------
    whole : DataFrame
        candidate_id, satellite, ogs, start, end and, of dual downlinks, ogs_b; at least one row.
    keys_of : callable
        From parts to their KEYS.
    scenario : Scenario
    """
    found = [_pieces(group, scenario) for _, group in whole.groupby("satellite", sort=True)]
    rows, start, end = (np.concatenate([piece[i] for piece in found]) for i in range(3))
    if not len(rows):
        return whole.iloc[:0]
    parts = whole.loc[rows].reset_index(drop=True)
    parts["start"], parts["end"] = (pd.DatetimeIndex(pd.to_datetime(t, unit="ns", utc=True)) for t in (start, end))
    keys = keys_of(parts)
    parts["skl_bit"] = keys["skl_bit"].to_numpy()
    parts["block_fill"] = block_fills(scenario.protocol, keys["sifted_bit"])
    parts = parts[parts["skl_bit"] > 0]
    parts = parts.iloc[_undominated_rows(parts)]
    span = parts["start"].dt.strftime("@%H%M%S-") + parts["end"].dt.strftime("%H%M%S")
    return parts.assign(candidate_id=parts["candidate_id"] + span)


def _pieces(group: pd.DataFrame, scenario: Scenario) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, starts and ends [ns] of the parts of one satellite's candidates."""
    least = round(1e9 * max(scenario.schedule.min_contact_s, _SHORTEST_S))
    start, end = nanoseconds(group["start"]), nanoseconds(group["end"])
    stations = [c for c in ("ogs", "ogs_b") if c in group]
    slew = _slowest_pause_ns(scenario)
    rows, begins, ends = [], [], []
    for i, row in enumerate(group.index):
        edges = _booked_edges(group["satellite"].iloc[i], group[stations].iloc[i].tolist(), scenario)
        cuts = np.union1d(_hand_overs(i, start, end, slew, scenario), edges)
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


def _slowest_pause_ns(scenario: Scenario) -> int:
    """Slew, and the longest acquisition of any receiver [ns]."""
    receivers = [receiver_of(s, station) for s in scenario.satellites for station in scenario.stations.values()]
    return round(1e9 * (scenario.schedule.slew_s + max(receiver.acquisition_s for receiver in receivers)))


def _hand_overs(i: int, start: np.ndarray, end: np.ndarray, slew: int, scenario: Scenario) -> np.ndarray:
    """Instants [ns] at which a satellite may hand over to or from its candidate i, from and to those overlapping it."""
    step = round(1e9 * scenario.schedule.hand_over_step_s)
    others = (start < end[i] + slew) & (end + slew > start[i])
    others[i] = False
    if not step or not others.any():
        return np.empty(0, dtype=np.int64)
    origin = pd.Timestamp(scenario.start).as_unit("ns").value
    first = max(start[i], start[others].min() - slew)
    last = min(end[i], end[others].max() + slew)
    return origin + np.arange(-((origin - first) // step), (last - origin) // step + 1) * step


def _booked_edges(satellite: str, stations: Sequence[str], scenario: Scenario) -> np.ndarray:
    """Ends [ns] of the times in which a satellite or station is booked or out of order, to the whole second outside."""
    times: list[Booking | Outage] = [*scenario.bookings, *scenario.outages]
    mine = [time for time in times if satellite == time.satellite or time.station in stations]
    edges = [pd.Timestamp(time.start).floor("s") for time in mine] + [pd.Timestamp(time.end).ceil("s") for time in mine]
    return np.array([edge.as_unit("ns").value for edge in edges], dtype=np.int64)


def _undominated_rows(parts: pd.DataFrame) -> np.ndarray:
    """Rows (n,) in order that hold no shorter part of their own candidate with as much key."""
    columns = nanoseconds(parts["start"]), nanoseconds(parts["end"]), parts["skl_bit"].to_numpy()
    kept = [
        rows[_undominated(*(column[rows] for column in columns))]
        for rows in parts.groupby("candidate_id", sort=False).indices.values()
    ]
    return np.sort(np.concatenate(kept)) if kept else np.arange(len(parts))


def _undominated(start: np.ndarray, end: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Parts (n,) bool that hold no shorter part with as much key."""
    inside = (start[None, :] >= start[:, None]) & (end[None, :] <= end[:, None])
    inside &= (start[None, :] != start[:, None]) | (end[None, :] != end[:, None])
    beaten = np.any(inside & (key[None, :] >= key[:, None]), axis=1)
    return ~beaten
