"""Crew sheets: pointing against Skyfield, local times, backups and decisions, and pages that load nothing."""

import csv
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from skyfield.api import EarthSatellite, wgs84

from eqci_space.errors import DataError
from eqci_space.orbits.elements import propagator
from eqci_space.orbits.ephemeris import satellite_elements
from eqci_space.report.exports.crew import crew_table
from eqci_space.report.exports.crew_sheets import write_crew_sheets
from eqci_space.report.local_time import _coordinates_deg, station_zones


def altaz(scenario, ogs, time, timescale):
    station = scenario.stations[ogs]
    satellite = EarthSatellite.from_satrec(propagator(satellite_elements(scenario.satellites[0], scenario)), timescale)
    place = wgs84.latlon(station.latitude_deg, station.longitude_deg, station.height_ellipsoid_m)
    elevation, azimuth, _ = (satellite - place).at(timescale.from_datetime(time.floor("us").to_pydatetime())).altaz()
    return azimuth.degrees, elevation.degrees


def test_pointing_agrees_with_skyfield(scenario, material, timescale):
    crew = material.tables["crew"]
    assert len(crew) > 8
    for row in crew.iloc[::3].itertuples():
        azimuth, elevation = altaz(scenario, row.ogs, row.rise, timescale)
        assert row.rise_azimuth_deg == pytest.approx(azimuth, abs=0.01)
        assert elevation == pytest.approx(20.0, abs=0.01)  # stations.min_elevation_deg of the scenario
        azimuth, elevation = altaz(scenario, row.ogs, row.acquisition, timescale)
        assert (row.acquisition_azimuth_deg, row.acquisition_elevation_deg) == pytest.approx(
            (azimuth, elevation), abs=0.01
        )
        assert row.max_elevation_deg == pytest.approx(
            altaz(scenario, row.ogs, row.max_elevation_at, timescale)[1], abs=0.01
        )
        assert row.set_azimuth_deg == pytest.approx(altaz(scenario, row.ogs, row.end, timescale)[0], abs=0.01)


def test_largest_elevation_is_that_of_the_pass_where_the_contact_holds_it(material):
    crew, passes = material.tables["crew"], material.tables["passes"]
    held = 0
    for row in crew.itertuples():
        one = passes[(passes["ogs"] == row.ogs) & (passes["tca"] > row.start) & (passes["tca"] < row.end)]
        for culmination in one["max_elevation_deg"]:
            held += 1
            assert row.max_elevation_deg == pytest.approx(culmination, abs=0.01)
    assert held > 5


def test_backup_and_planned_contact_name_each_other_and_share_the_decision(material, scenario, contacts):
    crew = material.tables["crew"].set_index("contact_id")
    backup = crew[crew["status"] == "backup"].iloc[0]
    planned = crew.loc[contacts[contacts["status"] == "planned"].index[0]]
    assert (planned["partner"], backup["partner"]) == (backup["ogs"], planned["ogs"])
    assert planned["partner_start"] == backup["start"]
    ready_s = scenario.schedule.slew_s + 15  # the receivers' acquisition
    first = min(planned["start"], backup["start"]) - timedelta(seconds=ready_s)
    assert planned["decide_by"] == backup["decide_by"] == first - timedelta(hours=1)
    assert f"{backup['ogs']} then takes the contact at {backup['start']:%Y-%m-%d %H:%M} UTC" in planned["when_clouded"]
    assert backup["when_clouded"].startswith(f"Stand by for {planned['ogs']}")
    alone = crew[crew["partner"] == ""]
    assert alone["when_clouded"].str.startswith("No backup in this crossing.").all()
    assert alone["partner_start"].isna().all()
    assert set(crew["status"]) == {"planned", "backup"}


def test_a_stated_partner_stands_before_the_nearest(small, with_contacts, material, scenario):
    times = {"satellite": "EAGLE1-LIKE", "start": "2027-03-01T20:05:30Z", "end": "2027-03-01T20:07:00Z"}
    late = {**times, "start": "2027-03-01T20:09:00Z", "end": "2027-03-01T20:09:40Z"}
    rows = (
        {**times, "contact_id": "p1", "ogs": "PQSAT"},
        {**late, "contact_id": "p2", "ogs": "GRAZ"},
        {**late, "contact_id": "b", "ogs": "ONDREJOV", "status": "backup"},
    )
    contacts = with_contacts(small, *rows).tables["contacts"]
    zones = station_zones(scenario, {})
    given = {"passes": None, "zones": zones, "decision_lead_s": 600.0}
    nearest = crew_table(contacts, scenario, material.orbits, **given).set_index("contact_id")
    assert list(nearest.loc[["p1", "p2", "b"], "partner"]) == ["", "ONDREJOV", "GRAZ"]
    stated = contacts.assign(backup_of=["", "", "p1"])
    found = crew_table(stated, scenario, material.orbits, **given).set_index("contact_id")
    assert list(found.loc[["p1", "p2", "b"], "partner"]) == ["ONDREJOV", "", "PQSAT"]
    assert found.loc["b", "decide_by"] == pd.Timestamp("2027-03-01T19:54:30Z")  # slew 60 s and lead 600 s before p1


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.loads, self.cells, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag in ("script", "link", "img", "iframe") or {"src", "href"} & {k for k, _ in attrs}:
            self.loads.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if data.strip() and "style" not in self.open:
            self.cells.append(data.strip())


def test_sheets_of_a_station_say_the_same_as_page_and_table(exported, material):
    crew = material.tables["crew"]
    folder = exported["internal"]
    assert {p.stem for p in folder.glob("crew-*.html")} == {f"crew-{o}" for o in crew["ogs"]}
    with (folder / "crew-PQSAT.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    mine = crew[crew["ogs"] == "PQSAT"]
    assert [r["contact_id"] for r in rows] == list(mine["contact_id"])
    for row, truth in zip(rows, mine.itertuples(), strict=True):
        utc, local = (datetime.fromisoformat(row[f"start_{k}"]) for k in ("utc", "local"))
        assert utc == local == truth.start.floor("1s")
        assert datetime.fromisoformat(row["end_utc"]) == truth.end.ceil("1s")
        assert local.utcoffset() == timedelta(hours=1)  # Central European Time, before 28 March 2027
        assert float(row["rise_azimuth_deg"]) == pytest.approx(truth.rise_azimuth_deg, abs=0.0501)
    page = Page()
    page.feed((folder / "crew-PQSAT.html").read_text(encoding="utf-8"))
    assert page.loads == []
    text = " ".join(page.cells)
    assert "Local time is Europe/Warsaw, derived from country PL" in text
    assert "PQSAT (planned station)" in text
    for truth in mine.itertuples():
        assert f"{truth.start.floor('1s'):%H:%M:%S}" in page.cells
        assert f"{truth.start.floor('1s').tz_convert('Europe/Warsaw'):%H:%M:%S}" in page.cells
        assert f"{truth.rise_azimuth_deg:.1f}°" in page.cells
    found = [page.cells.index(what) for what in ("acquisition", "satellite rises above the limit")]
    first = mine.iloc[0]
    assert (found[0] < found[1]) == (first["acquisition"] < first["rise"])
    utc = [page.cells[place + 1] for place in sorted(found)]
    assert utc == sorted(utc)


def test_names_are_escaped_and_nothing_is_written_without_pointing(small, material, tmp_path):
    crew = material.tables["crew"].iloc[:1].assign(ogs="G", when_clouded="<script>x</script>")
    write_crew_sheets(replace(small, name="<b>", tables={**small.tables, "crew": crew}), tmp_path)
    html = (tmp_path / "crew-G.html").read_text(encoding="utf-8")
    assert "<script>" not in html
    assert "&lt;script&gt;x" in html
    assert write_crew_sheets(small, tmp_path) == []


@pytest.mark.parametrize(
    ("country", "latitude_deg", "longitude_deg", "zone", "winter_h", "summer_h"),
    [
        ("DE", 48.08, 11.28, "Europe/Berlin", 1, 2),  # nearer to Busingen, whose clock is the same
        ("ES", 28.301, -16.5118, "Atlantic/Canary", 0, 1),
        ("ES", 40.4, -3.7, "Europe/Madrid", 1, 2),
        ("PT", 38.7, -27.2, "Atlantic/Azores", -1, 0),
        ("FI", 60.2, 24.4, "Europe/Helsinki", 2, 3),
        ("GB", 55.9, -3.2, "Europe/London", 0, 1),
    ],
)
def test_zone_follows_country_and_place(scenario, country, latitude_deg, longitude_deg, zone, winter_h, summer_h):
    place = {"country": country, "latitude_deg": latitude_deg, "longitude_deg": longitude_deg}
    station = scenario.stations["GRAZ"].model_copy(update=place)
    found = station_zones(scenario.model_copy(update={"stations": {"X": station}}), {})["X"]
    assert (found.name, found.source) == (zone, f"derived from country {country}")
    for month, hours in ((1, winter_h), (7, summer_h)):
        offset = datetime(2027, month, 1, tzinfo=UTC).astimezone(ZoneInfo(found.name)).utcoffset()
        assert offset == timedelta(hours=hours)


def test_a_given_zone_stands_and_wrong_ones_are_refused(scenario):
    assert station_zones(scenario, {"GRAZ": "UTC"})["GRAZ"].source == "given"
    stated = scenario.stations["GRAZ"].model_copy(update={"time_zone": "Europe/Warsaw"})
    found = station_zones(scenario.model_copy(update={"stations": {"GRAZ": stated}}), {})["GRAZ"]
    assert (found.name, found.source) == ("Europe/Warsaw", "stated by the scenario")
    with pytest.raises(DataError, match="unknown zone 'Europe/Wien'"):
        station_zones(scenario, {"GRAZ": "Europe/Wien"})
    with pytest.raises(DataError, match="no station 'GRATZ'; did you mean 'GRAZ'"):
        station_zones(scenario, {"GRATZ": "Europe/Vienna"})
    nowhere = scenario.stations["GRAZ"].model_copy(update={"country": "XX"})
    with pytest.raises(DataError, match="no zone of country 'XX'"):
        station_zones(scenario.model_copy(update={"stations": {"G": nowhere}}), {})


def test_points_of_the_zone_table():
    assert _coordinates_deg("+5230+01322") == pytest.approx((52.5, 13 + 22 / 60))
    assert _coordinates_deg("+513030-0000731") == pytest.approx((51.508333, -0.125278), abs=1e-6)
    assert pd.Series(_coordinates_deg("-3352+15113")).tolist() == pytest.approx([-33.866667, 151.216667])
