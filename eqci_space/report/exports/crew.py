"""What a station's crew needs to know about each contact, as one table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from eqci_space.errors import TableError
from eqci_space.orbits.earth import seconds_from, station_frame
from eqci_space.orbits.ephemeris import Trajectory, positions_m
from eqci_space.report.local_time import StationZone
from eqci_space.scenario import Scenario, Station, placed, unknown_pair
from eqci_space.schedule.conflicts import acquisition_times
from eqci_space.schedule.dual_skies import sky_legs
from eqci_space.tables import by_station, check_table, planned_contacts
from eqci_space.words import joined

__all__ = ["CREW_COLUMNS", "crew_table"]

_SAME_CROSSING_S = 1800.0
"""Contacts of one satellite whose gap is shorter belong to one crossing; a low orbit takes three times as long."""
_LARGEST_STEP_S = 1.0

CREW_COLUMNS = {
    "ogs": "optical ground station",
    "with_ogs": "the other station of a dual downlink, else empty",
    "contact_id": "contact",
    "satellite": "satellite",
    "sends": "satellite | station, which sends to a satellite that is uplinked",
    "status": "planned | backup",
    "acquisition": "the satellite turns to the station from here: slew and acquisition before the start",
    "start": "first instant of the contact",
    "end": "first instant after it",
    "rise": "the satellite rises above the station's lowest elevation",
    "rise_azimuth_deg": "azimuth at the rise, from north through east",
    "acquisition_azimuth_deg": "azimuth at the acquisition",
    "acquisition_elevation_deg": "elevation at the acquisition",
    "max_elevation_deg": "largest elevation during the contact",
    "max_elevation_at": "when it is reached",
    "set_azimuth_deg": "azimuth at the end of the contact",
    "p_clear": "probability of a clear line of sight of this station",
    "partner": "for a planned contact its backup station, for a backup the station it stands in for; else empty",
    "partner_start": "start of the partner's contact; missing without a partner",
    "decide_by": "latest time to decide whether the partner takes over",
    "when_clouded": "what to do",
    "timezone": "zone of the station's local time",
    "timezone_source": "where the zone was taken from",
}
"""Columns of the table and their meaning."""


def crew_table(
    contacts: pd.DataFrame,
    scenario: Scenario,
    orbits: Mapping[str, Trajectory],
    *,
    passes: pd.DataFrame | None,
    zones: Mapping[str, StationZone],
    decision_lead_s: float,
) -> pd.DataFrame:
    """Pointing, backup and decision of every planned and backup contact, by station and time (see `CREW_COLUMNS`).

    A backup belongs to the planned contact of the same satellite at another station that is nearest in time, less than
    half an hour away, unless a column `backup_of` names its contact. The decision falls `decision_lead_s` [s] before
    the earlier of the two acquisitions. A contact with two stations stands in the sheets of both.

    Raises
    ------
    TableError
        A contact names an unknown satellite or station, or lies outside the dates of a mobile station.
    """
    check_table(contacts, "CONTACTS", "crew_table")
    live = contacts[contacts["status"] != "cancelled"]
    partners, own_chance = _partners(live), sky_legs(live)["p_clear"].to_numpy()
    at_stations = by_station(live)
    lead, slew = pd.Timedelta(seconds=decision_lead_s), pd.Timedelta(seconds=scenario.schedule.slew_s)
    begins = live["start"] - acquisition_times(live, scenario) - slew
    uplinked = {s.name for s in scenario.satellites if s.uplink is not None}
    passes_of = {} if passes is None else dict(tuple(passes.groupby(["satellite", "ogs"])))
    rows = []
    for (contact_id, row), chance in zip(at_stations.iterrows(), own_chance, strict=True):
        other = live.loc[partners[contact_id]] if contact_id in partners else None
        acquisition = max(begins[contact_id], pd.Timestamp(scenario.start))
        first = acquisition if other is None else min(acquisition, begins[partners[contact_id]])
        rise = _rise(row, passes_of.get((row["satellite"], row["ogs"])))
        rows.append({
            "ogs": row["ogs"], "with_ogs": row["ogs_b"], "contact_id": contact_id, "satellite": row["satellite"],
            "sends": "station" if row["satellite"] in uplinked else "satellite", "status": row["status"],
            "acquisition": acquisition, "start": row["start"], "end": row["end"], "rise": rise,
            **_pointing(row, rise, acquisition, scenario, orbits), "p_clear": chance,
            "partner": "" if other is None else _place(other),
            "partner_start": pd.NaT if other is None else other["start"],
            "decide_by": first - lead, "when_clouded": _when_clouded(row, other, at_stations, first - lead),
            "timezone": zones[row["ogs"]].name, "timezone_source": zones[row["ogs"]].source,
        })  # fmt: skip
    table = pd.DataFrame(rows, columns=list(CREW_COLUMNS))
    table["partner_start"] = pd.to_datetime(table["partner_start"], utc=True)
    table = table.sort_values(["ogs", "start", "contact_id"], ignore_index=True)
    usual = {"with_ogs": "", "sends": "satellite"}
    return table.drop(columns=[column for column, value in usual.items() if (table[column] == value).all()])


def _partners(live: pd.DataFrame) -> dict[str, str]:
    """Backup of each planned contact that has one, and the planned contact of each backup.

    Where CONTACTS say it in a column `backup_of`, that stands.
    """
    planned, backups = planned_contacts(live), live[live["status"] == "backup"]
    found: dict[str, str] = {}
    for backup_id, row in backups.iterrows():
        elsewhere = (planned["ogs"] != row["ogs"]) | (planned["ogs_b"] != row["ogs_b"])
        same = planned[(planned["satellite"] == row["satellite"]) & elsewhere]
        gap = np.maximum(same["start"] - row["end"], row["start"] - same["end"]).dt.total_seconds()
        near = gap[gap < _SAME_CROSSING_S]
        stated = row.get("backup_of", "")
        if stated in planned.index or len(near):
            planned_id = str(stated if stated in planned.index else near.idxmin())
            found[str(backup_id)] = planned_id
            found.setdefault(planned_id, str(backup_id))
    return found


def _place(contact: pd.Series) -> str:
    return joined(contact["ogs"], contact["ogs_b"])


def _rise(row: pd.Series, mine: pd.DataFrame | None) -> pd.Timestamp:
    """Acquisition of signal of the pass that holds a contact; the contact's start where no pass is known."""
    if mine is None:
        return row["start"]
    holds = mine[(mine["aos"] < row["end"]) & (mine["los"] > row["start"])]
    return holds["aos"].min() if len(holds) else row["start"]


def _pointing(
    row: pd.Series, rise: pd.Timestamp, acquisition: pd.Timestamp, scenario: Scenario, orbits: Mapping[str, Trajectory]
) -> dict[str, object]:
    if row["satellite"] not in orbits or row["ogs"] not in scenario.stations:
        raise TableError(f"crew_table: {unknown_pair(row['satellite'], row['ogs'], scenario)}")
    place = next((s for s, holds in placed(scenario.stations[row["ogs"]], row["start"]) if holds), None)
    if place is None:
        raise TableError(f"crew_table: a contact lies outside the dates of the mobile station '{row['ogs']}'")
    length_s = (row["end"] - row["start"]).total_seconds()
    inside = np.linspace(0.0, length_s, max(2, int(np.ceil(length_s / _LARGEST_STEP_S)) + 1))
    begin_s, rise_s, acquisition_s = seconds_from(
        orbits[row["satellite"]].start, pd.DatetimeIndex([row["start"], rise, acquisition])
    )
    azimuth, elevation = _look_deg(
        orbits[row["satellite"]], place, np.concatenate([[rise_s, acquisition_s], begin_s + inside])
    )
    top = int(np.argmax(elevation[2:]))
    return {
        "rise_azimuth_deg": azimuth[0], "acquisition_azimuth_deg": azimuth[1],
        "acquisition_elevation_deg": elevation[1], "max_elevation_deg": elevation[2 + top],
        "max_elevation_at": row["start"] + pd.Timedelta(seconds=float(inside[top])), "set_azimuth_deg": azimuth[-1],
    }  # fmt: skip


def _look_deg(orbit: Trajectory, place: Station, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Azimuth and geometric elevation [deg]."""
    position, rotation = station_frame(place.latitude_deg, place.longitude_deg, place.height_ellipsoid_m)
    local = (positions_m(orbit, seconds) - position) @ rotation.T
    azimuth = np.degrees(np.arctan2(local[:, 0], local[:, 1])) % 360.0
    return azimuth, np.degrees(np.arctan2(local[:, 2], np.hypot(local[:, 0], local[:, 1])))


def _when_clouded(row: pd.Series, other: pd.Series | None, live: pd.DataFrame, decide_by: pd.Timestamp) -> str:
    if other is not None and row["status"] == "backup":
        return (
            f"Stand by for {_place(other)}: take the contact if mission planning hands it over by {_clock(decide_by)} "
            "UTC; if this station is clouded too, say so before then."
        )
    if other is not None:
        return (
            f"Report cloud to mission planning by {_clock(decide_by)} UTC; {_place(other)} then takes the contact at "
            f"{_clock(other['start'])} UTC and this one is dropped."
        )
    later = live[(live["ogs"] == row["ogs"]) & (live["start"] > row["end"])]
    after = f"the next contact here starts {later['start'].min():%Y-%m-%d %H:%M} UTC" if len(later) else (
        "no later contact is planned here in this period"
    )  # fmt: skip
    return (
        f"No backup in this crossing. Report cloud by {_clock(decide_by)} UTC so that the satellite may rest; without "
        f"such a report observe as planned, for gaps in the cloud still bring key; {after}."
    )


def _clock(time: pd.Timestamp) -> str:
    return f"{time:%Y-%m-%d %H:%M}"
