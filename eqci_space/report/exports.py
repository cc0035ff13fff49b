"""Files for other programs: Parquet, CSV, iCalendar, GeoPackage. Same inputs, same bytes."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio
from icalendar import Calendar, Event

from eqci_space.fiber.network import Network
from eqci_space.scenario import Scenario, Station, placed

__all__ = ["write_contacts_csv", "write_contacts_ics", "write_network_gpkg", "write_tables"]


def write_tables(folder: Path, tables: dict[str, pd.DataFrame]) -> None:
    """Every table as ``<name>.parquet``, index included."""
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", engine="pyarrow")


def write_contacts_csv(path: Path, contacts: pd.DataFrame, scenario: Scenario) -> None:
    """CONTACTS as CSV with the stations' status, times in ISO 8601 UTC to the second."""
    table = contacts.copy()
    for column in ("start", "end"):
        table[column] = table[column].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    table.insert(
        table.columns.get_loc("ogs") + 1, "ogs_status", [scenario.stations[o].status_class for o in table["ogs"]]
    )
    for column in ("skl_bit", "expected_skl_bit"):
        table[column] = table[column].round(0).astype("int64")
    table["p_clear"] = table["p_clear"].round(4)
    table.to_csv(path, lineterminator="\n")


def write_contacts_ics(path: Path, contacts: pd.DataFrame, scenario: Scenario) -> None:
    """CONTACTS as iCalendar (RFC 5545), tentative until confirmed; the stamp is the scenario's start.

    Place and position are those at the contact's start, for a mobile station where it then stands. Stations that do
    not operate yet say so in summary and description.
    """
    calendar = Calendar()
    calendar.add("prodid", "-//eqci_space//contact plan//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", f"{scenario.name}: QKD contacts")
    for contact_id, row in contacts.iterrows():
        station = scenario.stations[row["ogs"]]
        place = next((s for s, holds in placed(station, row["start"]) if holds), station)
        real = station.status_class == "operational"
        note = "" if real else f" ({station.status_class} station)"
        warning = "" if real else f" The station is {station.status_class}; it does not operate yet."
        event = Event()
        event.add("uid", f"{contact_id}@eqci_space")
        event.add("dtstamp", scenario.start)
        event.add("dtstart", row["start"].to_pydatetime().replace(microsecond=0))
        event.add("dtend", row["end"].to_pydatetime().replace(microsecond=0))
        event.add("summary", f"QKD {row['satellite']} – {row['ogs']}{note}")
        event.add("location", place.name + (f", {_degrees(place)}" if station.positions else ""))
        event.add("geo", (round(place.latitude_deg, 6), round(place.longitude_deg, 6)))
        event.add("status", "TENTATIVE")
        event.add("description", (
            f"Clear-sky key {row['skl_bit'] / 1e3:.0f} kbit, chance of a clear sky {100 * row['p_clear']:.0f} %, "
            f"expected {row['expected_skl_bit'] / 1e3:.0f} kbit; {row['reason']}.{warning}"
        ))  # fmt: skip
        calendar.add_component(event)
    path.write_bytes(calendar.to_ical())


def _degrees(place: Station) -> str:
    """Position in words, such as ``52.4100° N 16.9200° E``."""
    north, east = place.latitude_deg, place.longitude_deg
    return f"{abs(north):.4f}° {'N' if north >= 0 else 'S'} {abs(east):.4f}° {'E' if east >= 0 else 'W'}"


def write_network_gpkg(path: Path, network: Network, sites: gpd.GeoDataFrame, scenario: Scenario) -> None:
    """GeoPackage with the layers nodes, links and stations; its time stamps are the scenario's start."""
    stamp = scenario.start.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": stamp})
    try:
        for layer, table in (("nodes", network.nodes), ("links", network.links), ("stations", sites)):
            pyogrio.write_dataframe(table.reset_index(), path, layer=layer, driver="GPKG")
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})
