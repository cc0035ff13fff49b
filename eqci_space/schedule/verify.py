"""An independent check of a plan: it shares no code with the planner."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from eqci_space.errors import PlanError
from eqci_space.orbits.ephemeris import orbital_period_s
from eqci_space.scenario import Scenario, receiver_of
from eqci_space.schedule.contacts import Plan
from eqci_space.tables import planned_contacts

__all__ = ["verify_plan"]

_ROUNDING = pd.Timedelta(microseconds=2)  # times of tables are rounded to the microsecond
_FAR = pd.Timedelta(days=2)  # no rule joins contacts farther apart
_NOON = pd.Timestamp("2000-01-01T12:00Z")


def verify_plan(plan: Plan, windows: pd.DataFrame, scenario: Scenario) -> None:
    """Check every rule of pass choice, for the plan and with each backup in the place of its contact.

    Every contact lies in its window and in the period, and in no booking or outage of its satellite or station; a
    window gives one contact; no satellite or station serves more at once than it has terminals or telescopes, slew and
    turnaround counted; duty per orbit and day and quotas of nations are kept. Of a dual downlink all this holds at both
    stations, which are not the same; it takes two terminals, and a window serves no two of them at once.

    Parameters
    ----------
    plan : Plan
    windows : DataFrame
        WINDOWS the plan was made from.
    scenario : Scenario

    Raises
    ------
    PlanError
        The first conflict, with the contacts, the limit and what the plan uses of it.
    """
    planned = planned_contacts(plan.contacts)
    backups = plan.contacts[plan.contacts["status"] == "backup"]
    for contact_id, contact in pd.concat([planned, backups]).iterrows():
        _check_contact(str(contact_id), contact, windows, scenario)
    _check_together(planned, scenario)
    for name, backup in backups.iterrows():
        others = planned.drop(index=backup["backup_of"])
        near = others[(others["start"] - backup["start"]).abs() < _FAR]
        if not scenario.satellite_quotas:
            shared = near[["ogs", "ogs_b"]].isin(_stations(backup)).any(axis=1)
            near = near[(near["satellite"] == backup["satellite"]) | shared]
        _check_together(pd.concat([near, backups.loc[[name]]]), scenario)


def _stations(contact: pd.Series) -> list[str]:
    """Station of a contact, or both of a dual downlink."""
    return [contact["ogs"], *([contact["ogs_b"]] if contact["ogs_b"] else [])]


def _check_contact(contact_id: str, contact: pd.Series, windows: pd.DataFrame, scenario: Scenario) -> None:
    stations = _stations(contact)
    if (scenario.protocol.downlink == "dual") != (len(set(stations)) > 1):
        raise PlanError(
            f"verify_plan: contact '{contact_id}' is with {' and '.join(stations)}; downlink = "
            f"'{scenario.protocol.downlink}' has {'two stations' if scenario.protocol.downlink == 'dual' else 'one'}"
        )
    for ogs in stations:
        inside = windows[
            (windows["satellite"] == contact["satellite"])
            & (windows["ogs"] == ogs)
            & (windows["start"] - _ROUNDING <= contact["start"])
            & (windows["end"] + _ROUNDING >= contact["end"])
        ]
        if contact["end"] <= contact["start"] or inside.empty:
            raise PlanError(
                f"verify_plan: contact '{contact_id}' ({contact['start']} to {contact['end']}) lies in no window"
                + (f" of '{ogs}'" if len(stations) > 1 else "")
            )
    if contact["start"] < scenario.start or contact["end"] > scenario.end:
        raise PlanError(f"verify_plan: contact '{contact_id}' leaves the period")
    length_s = (contact["end"] - contact["start"]).total_seconds()
    if length_s < scenario.schedule.min_contact_s - 1e-3:
        raise PlanError(
            f"verify_plan: contact '{contact_id}' lasts {length_s:g} s; min_contact_s is "
            f"{scenario.schedule.min_contact_s:g}"
        )
    if not 0 <= contact["expected_skl_bit"] <= contact["skl_bit"]:
        raise PlanError(f"verify_plan: contact '{contact_id}' expects more key than a clear sky gives")
    for what, times in (("a booking", scenario.bookings), ("an outage", scenario.outages)):
        for time in times:
            if time.satellite != contact["satellite"] and time.station not in stations:
                continue
            if contact["start"] < time.end and contact["end"] > time.start:
                raise PlanError(
                    f"verify_plan: contact '{contact_id}' lies in {what} of '{time.satellite or time.station}' "
                    f"({time.start} to {time.end})"
                )


def _check_together(contacts: pd.DataFrame, scenario: Scenario) -> None:
    _check_windows(contacts)
    pauses = {"satellite": scenario.schedule.slew_s, "ogs": scenario.schedule.turnaround_s}
    room = {s.name: s.terminals for s in scenario.satellites} | {o: s.telescopes for o, s in scenario.stations.items()}
    for resource, pause_s in pauses.items():
        columns = [resource] if resource == "satellite" else [resource, "ogs_b"]
        for name in sorted({str(n) for column in columns for n in contacts[column]} - {""}):
            mine = contacts[(contacts[columns] == name).any(axis=1)]
            if resource == "satellite":
                mine = mine.assign(start=[c["start"] - _acquisition(c, scenario) for _, c in mine.iterrows()])
            _check_resource(resource, name, mine.sort_values("start"), pd.Timedelta(seconds=pause_s), room[name])
    for name, group, used, most in _amounts(contacts, scenario):
        if used > most + 1e-6:
            raise PlanError(f"verify_plan: {_named(group)} use {used:g} of {name}, which has {most:g}")


def _acquisition(contact: pd.Series, scenario: Scenario) -> pd.Timedelta:
    """How long before a contact its satellite has to point at its stations."""
    satellite = next(s for s in scenario.satellites if s.name == contact["satellite"])
    receivers = [receiver_of(satellite, scenario.stations[ogs]) for ogs in _stations(contact)]
    return pd.Timedelta(seconds=max(receiver.acquisition_s for receiver in receivers))


def _check_windows(contacts: pd.DataFrame) -> None:
    """A window gives one contact with one station; contacts with two follow each other in it."""
    for window, group in contacts[contacts["ogs_b"] == ""].groupby("window_id"):
        if len(group) > 1:
            raise PlanError(f"verify_plan: {_named(group)} share window '{window}', which gives one contact")
    used: dict[str, list[tuple[str, pd.Timestamp]]] = {}
    for name, contact in contacts[contacts["ogs_b"] != ""].sort_values("start", kind="stable").iterrows():
        for window in (contact["window_id"], contact.get("window_id_b", "")):
            for other, end in used.get(window, []) if window else []:
                if end > contact["start"]:
                    raise PlanError(f"verify_plan: '{other}', '{name}' use window '{window}' at the same time")
            used.setdefault(window, []).append((str(name), contact["end"]))


def _check_resource(resource: str, name: str, contacts: pd.DataFrame, pause: pd.Timedelta, room: int) -> None:
    """No instant is claimed by more contacts, pauses included, than there is room for."""
    busy: list[tuple[pd.Timestamp, str]] = []
    for contact_id, contact in contacts.iterrows():
        busy = [(free, other) for free, other in busy if free > contact["start"]]
        beams = len(_stations(contact)) if resource == "satellite" else 1
        if beams > room:
            raise PlanError(f"verify_plan: '{contact_id}' needs {beams} terminals of '{name}', which has {room}")
        if len(busy) + beams > room:
            free, other = min(busy)
            raise PlanError(
                f"verify_plan: {resource} '{name}' is free from {free}, but '{contact_id}' begins at "
                f"{contact['start']}, after '{other}'"
            )
        busy += [(contact["end"] + pause, str(contact_id))] * beams


def _amounts(contacts: pd.DataFrame, scenario: Scenario) -> Iterator[tuple[str, pd.DataFrame, float, float]]:
    """What is used of each duty and quota in each of its periods: name, contacts, amount used, and allowed."""
    length_s = (contacts["end"] - contacts["start"]).dt.total_seconds()
    since_s = (contacts["start"] - _NOON).dt.total_seconds()
    for satellite in scenario.satellites:
        mine = contacts["satellite"] == satellite.name
        if satellite.duty_s_per_day is not None:
            for _, rows in contacts[mine].groupby(since_s // 86400):
                yield f"the daily duty of {satellite.name}", rows, length_s[rows.index].sum(), satellite.duty_s_per_day
        if satellite.duty_s_per_orbit is not None:
            for _, rows in contacts[mine].groupby(since_s // orbital_period_s(satellite, scenario)):
                used = length_s[rows.index].sum()
                yield f"the duty of {satellite.name} per orbit", rows, used, satellite.duty_s_per_orbit
    country = {o: s.country for o, s in scenario.stations.items()}
    nation, nation_b = contacts["ogs"].map(country), contacts["ogs_b"].map(country)
    for quota in scenario.satellite_quotas:
        mine = (nation == quota.nation) | (nation_b == quota.nation)
        mine &= contacts["satellite"] == (quota.satellite or contacts["satellite"])
        name = f"the daily quota of {quota.nation}"
        for _, rows in contacts[mine].groupby(since_s // 86400):
            if quota.contact_s_per_day is not None:
                yield name, rows, length_s[rows.index].sum(), quota.contact_s_per_day
            if quota.contacts_per_day is not None:
                yield name, rows, len(rows), quota.contacts_per_day


def _named(contacts: pd.DataFrame) -> str:
    return ", ".join(f"'{name}'" for name in contacts.index)
