"""Why a pass was not taken, and why a demand is short, from the tables of a run."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd

from eqci_space.errors import PlanError, near_matches
from eqci_space.tables import planned_contacts, second, takes_part
from eqci_space.words import joined, whole_seconds

__all__ = ["explain", "explain_demand"]


class HasTables(Protocol):
    """A run: its tables by name, and its manifest."""

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Tables of `report.run_io.TABLE_NAMES`."""

    @property
    def manifest(self) -> dict[str, Any]:
        """What `run.json` holds."""


def explain(run: HasTables, pass_id: str) -> str:
    """Why a pass carries a contact or none, in a few lines.

    Parameters
    ----------
    run : Run
        In memory, or reloaded by `load_run`.
    pass_id : str
        Id of a pass, or of one of its windows, candidates or contacts.

    Raises
    ------
    PlanError
        The run has no such pass.
    """
    passes, windows = run.tables["passes"], run.tables["windows"]
    found = pass_id if pass_id in passes.index else _pass_of(run, pass_id)
    if found is None:
        hint = near_matches(pass_id, passes.index)
        raise PlanError(f"explain: no pass '{pass_id}' in the run; {hint}")
    row = passes.loc[found]
    aos, los = whole_seconds(row["aos"], row["los"])
    lines = [
        f"{found}: {row['satellite']} over {row['ogs']}, {aos:%Y-%m-%d %H:%M:%S} to {los:%H:%M:%S} UTC, "
        f"culmination {row['max_elevation_deg']:.0f} deg"
    ]
    mine = windows[windows["pass_id"] == found]
    if mine.empty:
        return "\n".join([*lines, "not taken: no part of it is observable (daylight, mask, keep-out or maintenance)"])
    for window_id in mine.index:
        lines += _of_window(run, str(window_id))
    return "\n".join(lines)


def _pass_of(run: HasTables, name: str) -> str | None:
    """The pass of a window, candidate or contact."""
    windows = run.tables["windows"]
    for table in ("contacts", "candidates"):
        if name in run.tables[table].index:
            name = str(run.tables[table].loc[name, "window_id"])
    return str(windows.loc[name, "pass_id"]) if name in windows.index else None


def _of_window(run: HasTables, window_id: str) -> list[str]:
    keys, candidates, contacts = (run.tables[t] for t in ("keys", "candidates", "contacts"))
    mine = _in_window(contacts, window_id)
    taken = contacts[mine & (contacts["status"] == "planned").to_numpy()]
    if len(taken):
        return [_taken(row) for _, row in taken.iterrows()]
    offers = candidates[_in_window(candidates, window_id)]
    dual = window_id in keys.index and str(keys.loc[window_id, "reason"]).startswith("dual downlink")
    if not dual and window_id in keys.index and not keys.loc[window_id, "skl_bit"] > 0:
        return [f"not taken: no key even in a clear sky ({keys.loc[window_id, 'reason']})"]
    if offers.empty and dual:
        return [
            "not taken: with no other station there is key at the same time, or satellite or stations are booked or "
            "out of order"
        ]
    if offers.empty:
        return ["not taken: satellite or station is booked or out of order"]
    best = offers.loc[(offers["skl_bit"] * offers["p_clear"]).idxmax()]
    value = float(best["skl_bit"] * best["p_clear"])
    lines = [
        f"best offer: {_bits(value)} expected ({_bits(best['skl_bit'])} in a clear sky, {best['p_clear']:.0%} clear)"
    ]
    rivals = _rivals(best, planned_contacts(contacts), run.manifest["plan"])
    if rivals.empty:
        reason = "its key helps no demand within the period (see the other end's store), or a duty or quota is used up"
        return [*lines, f"not taken: {reason}"]
    for contact_id, rival in rivals.iterrows():
        shared = "satellite" if rival["satellite"] == best["satellite"] else "station"
        lines.append(
            f"not taken: the {shared} serves {contact_id} then ({rival['satellite']} over {_places(rival)}, "
            f"{_bits(rival['expected_skl_bit'])} expected), which is worth more to the demands"
        )
    backup = contacts[mine & (contacts["status"] == "backup").to_numpy()]
    return lines + [f"it is {row['reason']}" for _, row in backup.iterrows()]


def _in_window(table: pd.DataFrame, window_id: str) -> np.ndarray:
    """Rows of CANDIDATES or CONTACTS that use a window."""
    return (table["window_id"].to_numpy(dtype=object) == window_id) | (second(table, "window_id_b") == window_id)


def _places(row: pd.Series) -> str:
    return joined(row["ogs"], row.get("ogs_b", ""))


def _taken(row: pd.Series) -> str:
    start, end = whole_seconds(row["start"], row["end"])
    pair = f" with {_places(row)}" if row.get("ogs_b", "") else ""
    return (
        f"taken{pair}: {start:%H:%M:%S} to {end:%H:%M:%S} UTC, {_bits(row['expected_skl_bit'])} expected "
        f"({_bits(row['skl_bit'])} in a clear sky, {row['p_clear']:.0%} clear); {row['reason']}{_worth(row)}"
    )


def _worth(row: pd.Series) -> str:
    """What the demands would lose without a contact, if the run was simulated."""
    if "role" not in row.index or not isinstance(row["role"], str):
        return ""
    lost, error = row["lost_without_bit"], row["lost_without_error_bit"]
    return f"; {row['role']}: without it the demands lose {_bits(lost)} ± {_bits(error)} on average over skies"


def _rivals(offer: pd.Series, planned: pd.DataFrame, rules: dict[str, Any]) -> pd.DataFrame:
    """Planned contacts of the same satellite or station that leave no room."""
    if planned.empty:
        return planned
    blocking = pd.Series(False, index=planned.index)
    at_stations = takes_part(planned, offer["ogs"])
    if offer.get("ogs_b", ""):
        at_stations |= takes_part(planned, offer["ogs_b"])
    slew, turnaround = (pd.Timedelta(seconds=rules[rule]) for rule in ("slew_s", "turnaround_s"))
    acquires = {edge: pd.Timedelta(seconds=s) for edge, s in rules.get("acquisition_s", {}).items()}
    before = (planned["satellite"] + "|" + planned["ogs"]).map(lambda edge: acquires.get(edge, pd.Timedelta(0)))
    own = acquires.get(f"{offer['satellite']}|{offer['ogs']}", pd.Timedelta(0))
    near = (planned["start"] - before < offer["end"] + slew) & (planned["end"] + slew > offer["start"] - own)
    blocking |= (planned["satellite"] == offer["satellite"]) & near
    near = (planned["start"] < offer["end"] + turnaround) & (planned["end"] > offer["start"] - turnaround)
    blocking |= at_stations & near
    return planned[blocking].sort_values("start")


def _bits(value: float) -> str:
    for unit, size in (("Gbit", 1e9), ("Mbit", 1e6), ("kbit", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f} bit"


def _levels_of(run: HasTables, demand: str, asked: float, given: float) -> list[str]:
    """What a demand gets over worlds, and of expected key."""
    bound = f"{_bits(given)} of {_bits(asked)} ({given / asked:.0%})"
    worlds = run.manifest.get("simulation", {}).get("demands", {}).get(demand)
    if worlds is None:
        return [f"{demand}: {bound} of expected key"]
    mean, low = worlds["all_in_mean_bit"], worlds["all_in_exceeded_90pct_bit"]
    return [
        f"{demand}: {_bits(mean)} on average of {_bits(asked)} ({mean / asked:.0%}), in 9 of 10 worlds at least "
        f"{_bits(low)}; the ask is met in {worlds['all_in_met_share']:.0%}",
        f"of expected key {bound}",
    ]


def explain_demand(run: HasTables, demand: str) -> str:
    """Why a demand gets less than it asks for: the rule that leaves it no path, or the edges that cut it off.

    Rule and place are those of `fiber.obstacles.blocking_rule` when the run was made; edges come with what more key on
    them is worth.

    Parameters
    ----------
    run : Run
        In memory, or reloaded by `load_run`.
    demand : str
        Name of a demand.

    Raises
    ------
    PlanError
        The run has no such demand.
    """
    delivery = run.tables["delivery"]
    mine = delivery[delivery["demand"] == demand]
    if mine.empty:
        hint = near_matches(demand, delivery["demand"].unique())
        raise PlanError(f"explain_demand: no demand '{demand}' in the run; {hint}")
    asked, given = float(mine["asked_bit"].sum()), float(mine["delivered_bit"].sum())
    lines = _levels_of(run, demand, asked, given)
    if given >= asked * (1 - 1e-6):
        served = "served in full by expected key" if len(lines) > 1 else "served in full"
        return "\n".join([*lines, served])
    routes, prices = run.tables["routes"], run.tables["prices"]
    used = {e for edges in routes.loc[routes["demand"] == demand, "edges"] for e in edges}
    if not used:
        blocked = run.manifest.get("unreachable_reasons", {}).get(demand)
        return "\n".join([*lines, blocked or "no path of its class carries key: its stores are empty"])
    cut = prices[prices["edge"].isin(used)].groupby("edge")["worth_per_mbit"].mean().sort_values(ascending=False)
    lines += [f"short of key on {edge}: one more Mbit is worth {price:.3g} (a demand served for a day: its weight)"
              for edge, price in cut.head(5).items() if price > 1e-3]  # fmt: skip
    first = mine[mine["shortage_bit"] > 1]["bin"].min()
    lines.append(f"first short on {first:%Y-%m-%d}")
    return "\n".join(lines)
