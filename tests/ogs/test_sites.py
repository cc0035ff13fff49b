"""The table of stations."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from eqci_space.ogs.sites import station_table
from eqci_space.tables import check_table


def test_the_table_holds_the_stations_of_the_scenario(scenario):
    sites = station_table(scenario)
    assert check_table(sites, "SITES", "test") is sites
    assert sites.index.tolist() == ["DLR-OP", "DLR-TRAUEN", "GRAZ", "PQSAT", "ONDREJOV"]
    assert sites.crs.to_epsg() == 4326
    for ogs, row in sites.iterrows():
        station = scenario.stations[ogs]
        assert (row["geometry"].x, row["geometry"].y) == (station.longitude_deg, station.latitude_deg)
        assert row["height_ellipsoid_m"] == station.height_ellipsoid_m
        assert (row["node"], row["attach"], row["status_class"]) == (station.node, station.attach, station.status_class)
    assert sites.loc["PQSAT", "aperture_diameter_m"] == 0.6
    assert sites.loc["PQSAT", "attach"] == "colocated"


def test_graz_stands_at_the_lustbuehel_observatory(scenario):
    # Satellite laser ranging site 7839 Graz (ILRS): 47.0671 N, 15.4933 E, 539 m above the ellipsoid.
    graz = station_table(scenario).loc["GRAZ"]
    assert (graz["latitude_deg"], graz["longitude_deg"]) == pytest.approx((47.0671, 15.4933), abs=0.001)


def test_undated_stations_hold_for_the_period_and_dated_ones_for_their_dates(scenario):
    assert (station_table(scenario)["valid_from"] == scenario.start).all()
    assert (station_table(scenario)["valid_to"] == scenario.end).all()
    opened = datetime(2027, 3, 3, tzinfo=UTC)
    graz = scenario.stations["GRAZ"].model_copy(update={"valid_from": opened})
    dated = station_table(scenario.model_copy(update={"stations": {"GRAZ": graz}}))
    assert dated["valid_from"].tolist() == [opened]
    assert dated["valid_to"].tolist() == [scenario.end]


def test_no_stations_give_an_empty_table(scenario):
    sites = station_table(scenario.model_copy(update={"stations": {}}))
    assert (len(sites), sites.index.name) == (0, "ogs")
