"""What candidates exclude or limit each other: satellites, stations, duty, quotas."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eqci_space.fiber.key_problem import ChoiceLimit
from eqci_space.orbits.ephemeris import orbital_period_s
from eqci_space.scenario import Scenario, receivers_of
from eqci_space.tables import second

__all__ = ["acquisition_times", "choice_limits", "interval_cliques"]

_COUNTED_FROM = pd.Timestamp("2000-01-01T12:00Z")


def interval_cliques(start: np.ndarray, end: np.ndarray) -> list[np.ndarray]:
    """Maximal sets of at least two half-open intervals that share an instant, by a sweep over the ends.

    Parameters
    ----------
    start, end : (n,) arrays of comparable values, ``start < end``

    Returns
    -------
    list of index arrays
        Together they hold every overlapping pair, which the interval cliques of an interval graph do
        (Fulkerson and Gross 1965).
    """
    order = np.argsort(start, kind="stable")
    active: list[int] = []
    cliques: list[np.ndarray] = []
    grown = False
    for i in order:
        still = [j for j in active if end[j] > start[i]]
        if len(still) < len(active) and grown and len(active) > 1:
            cliques.append(np.array(sorted(active)))
            grown = False
        active = [*still, int(i)]
        grown = True
    if grown and len(active) > 1:
        cliques.append(np.array(sorted(active)))
    return cliques


def choice_limits(candidates: pd.DataFrame, scenario: Scenario) -> list[ChoiceLimit]:
    """Limits on chosen candidates, as row positions.

    A satellite serves as many stations at once as it has terminals (to each contact is added the slew after it, and the
    time before it in which its receivers acquire), a station as many satellites as it has telescopes (turnaround
    added), and a window gives one contact. Duty of a satellite is limited per orbit and per day, its use by nations per
    day. A contact counts where it begins; days run from noon UTC, so that a night is whole, and orbits are counted from
    noon of 2000-01-01, so that every plan counts alike.

    A dual downlink takes two terminals of its satellite and a telescope at each of its stations. A window may serve
    several of them, one after another. It counts once for the duty, and for the quotas of the nations of both stations.
    """
    return [*_resources(candidates, scenario), *_windows(candidates), *_duties(candidates, scenario),
            *_quotas(candidates, scenario)]  # fmt: skip


def acquisition_times(contacts: pd.DataFrame, scenario: Scenario) -> pd.Series:
    """Time before each contact in which its satellite points already: the receivers' acquisition, the slower of two."""
    first_s, second_s = (
        np.array([r.acquisition_s if r else 0.0 for r in receivers_of(scenario, contacts["satellite"], stations)])
        for stations in (contacts["ogs"], second(contacts, "ogs_b"))
    )
    slower_s = np.maximum(first_s, second_s)
    return pd.Series(pd.to_timedelta(slower_s, unit="s"), index=contacts.index)


def _resources(candidates: pd.DataFrame, scenario: Scenario) -> list[ChoiceLimit]:
    policy = scenario.schedule
    number = {s.name: s.terminals for s in scenario.satellites} | {
        o: s.telescopes for o, s in scenario.stations.items()
    }
    limits = []
    terminals = np.where(second(candidates, "ogs_b") != "", 2.0, 1.0)
    before = {"satellite": acquisition_times(candidates, scenario), "ogs": pd.Timedelta(0)}
    for column, pause_s in (("satellite", policy.slew_s), ("ogs", policy.turnaround_s)):
        start = (candidates["start"] - before[column]).to_numpy()
        end = (candidates["end"] + pd.Timedelta(seconds=pause_s)).to_numpy()
        weight = terminals if column == "satellite" else np.ones(len(candidates))
        for name, rows in sorted(_rows_of(candidates, column).items()):
            for clique in _cliques(start[rows], end[rows], weight[rows]):
                mine, most = rows[clique], number[name]
                if weight[mine].sum() > most:
                    limits.append(_limit(mine, most, f"{column} {name}", weight[mine]))
    return limits


def _rows_of(candidates: pd.DataFrame, column: str) -> dict[str, np.ndarray]:
    """Rows by what stands in a column, of dual downlinks also in that of the second station."""
    rows = np.arange(len(candidates))
    values = candidates[column].to_numpy(dtype=object)
    if column != "satellite":
        more = second(candidates, f"{column}_b")
        values, rows = np.append(values, more[more != ""]), np.append(rows, rows[more != ""])
    return {str(name): np.sort(rows[at]) for name, at in pd.Series(rows).groupby(values).indices.items()}


def _cliques(start: np.ndarray, end: np.ndarray, weight: np.ndarray) -> list[np.ndarray]:
    """Sets of intervals that share an instant; those of more than one terminal alone too, for there may be too few."""
    alone = [np.array([i]) for i in np.flatnonzero(weight > 1)]
    return [*interval_cliques(start, end), *alone]


def _limit(rows: np.ndarray, most: float, name: str, weight: np.ndarray | None = None) -> ChoiceLimit:
    return ChoiceLimit(rows, np.ones(len(rows)) if weight is None else weight, float(most), name)


def _windows(candidates: pd.DataFrame) -> list[ChoiceLimit]:
    groups = _rows_of(candidates, "window_id")
    dual = second(candidates, "ogs_b") != ""
    start, end = candidates["start"].to_numpy(), candidates["end"].to_numpy()
    limits = []
    for window, rows in sorted(groups.items()):
        shared = [np.arange(len(rows))] if not dual[rows].any() else interval_cliques(start[rows], end[rows])
        limits += [_limit(rows[clique], 1, f"window {window}") for clique in shared if len(clique) > 1]
    return limits


def _duties(candidates: pd.DataFrame, scenario: Scenario) -> list[ChoiceLimit]:
    limits = []
    length = (candidates["end"] - candidates["start"]).dt.total_seconds().to_numpy()
    since = (candidates["start"] - _COUNTED_FROM).dt.total_seconds().to_numpy()
    for satellite in sorted(scenario.satellites, key=lambda s: s.name):
        rows = np.flatnonzero(candidates["satellite"] == satellite.name)
        duties = [("day", satellite.duty_s_per_day, 86400.0)]
        if satellite.duty_s_per_orbit is not None:
            duties.append(("orbit", satellite.duty_s_per_orbit, orbital_period_s(satellite, scenario)))
        for unit, most, period_s in duties:
            if most is None or not len(rows):
                continue
            turn = np.floor(since[rows] / period_s)
            for number in np.unique(turn):
                mine = rows[turn == number]
                if length[mine].sum() > most:
                    begin = _COUNTED_FROM + pd.Timedelta(seconds=number * period_s)
                    name = f"duty of {satellite.name} in the {unit} from {begin:%Y-%m-%d %H:%M}"
                    limits.append(_limit(mine, most, name, length[mine]))
    return limits


def _quotas(candidates: pd.DataFrame, scenario: Scenario) -> list[ChoiceLimit]:
    limits = []
    country = {o: s.country for o, s in scenario.stations.items()}
    nation, nation_b = (
        pd.Series(stations, dtype=object).map(country)
        for stations in (candidates["ogs"].to_numpy(), second(candidates, "ogs_b"))
    )
    length = (candidates["end"] - candidates["start"]).dt.total_seconds().to_numpy()
    day = ((candidates["start"] - _COUNTED_FROM) // pd.Timedelta("1D")).to_numpy()
    for quota in scenario.satellite_quotas:
        mine = ((nation == quota.nation) | (nation_b == quota.nation)).to_numpy()
        if quota.satellite is not None:
            mine = mine & (candidates["satellite"] == quota.satellite).to_numpy()
        name = f"quota of {quota.nation}" + (f" on {quota.satellite}" if quota.satellite else "")
        for number in np.unique(day[mine]):
            rows = np.flatnonzero(mine & (day == number))
            if quota.contact_s_per_day is not None and length[rows].sum() > quota.contact_s_per_day:
                limits.append(_limit(rows, quota.contact_s_per_day, name, length[rows]))
            if quota.contacts_per_day is not None and len(rows) > quota.contacts_per_day:
                limits.append(_limit(rows, quota.contacts_per_day, name))
    return limits
