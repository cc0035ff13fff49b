"""Every file of a run, read back by other libraries and checked again."""

import csv
import hashlib
import itertools
import json
from datetime import timedelta

import geopandas as gpd
import icalendar
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from eqci_space.data import data_path
from eqci_space.errors import DataError
from eqci_space.orbits.ephemeris import make_ephemeris, motion, satellite_elements
from eqci_space.orbits.oem_io import write_oem
from eqci_space.report.exports.contact_calendar import write_calendar
from eqci_space.report.release import export_material, release
from eqci_space.report.run_io import TABLE_NAMES, load_run, write_directory
from eqci_space.scenario import StationPosition, load_scenario
from eqci_space.study import Study
from eqci_space.words import format_bits


def test_tables_survive_parquet(study, run_directory):
    for name in TABLE_NAMES:
        table = pq.read_table(run_directory / f"{name}.parquet").to_pandas()
        expected = study.run.tables[name]
        assert len(table) == len(expected)
        assert list(table.columns) == list(expected.columns)
        assert table.index.name == expected.index.name


def test_calendar_holds_the_contacts_without_overlap(study, run_directory):
    calendar = icalendar.Calendar.from_ical((run_directory / "contacts.ics").read_bytes())
    events = sorted((e.decoded("dtstart"), e.decoded("dtend"), str(e["uid"])) for e in calendar.walk("VEVENT"))
    assert len(events) == len(study.plan.contacts)
    assert len({uid for _, _, uid in events}) == len(events)
    booked = [e for e in calendar.walk("VEVENT") if str(e["transp"]) == "OPAQUE"]  # backups wait beside them
    spans = sorted((e.decoded("dtstart"), e.decoded("dtend")) for e in booked)
    assert len(spans) == (study.plan.contacts["status"] == "planned").sum()
    for (_, end), (start, _) in itertools.pairwise(spans):
        assert end < start  # one satellite serves one station at a time


def test_hypothetical_stations_say_so(run_directory):
    with (run_directory / "contacts.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {r["ogs_status"] for r in rows if r["ogs"] == "ONDREJOV"} == {"hypothetical"}
    assert "hypothetical station" in (run_directory / "contacts.ics").read_text(encoding="utf-8").replace("\r\n ", "")
    html = (run_directory / "report.html").read_text(encoding="utf-8")
    assert "ONDREJOV (hypothetical)" in html


def events(path):
    """Events of a calendar by the station in their summary."""
    calendar = icalendar.Calendar.from_ical(path.read_bytes())
    return [(str(e["summary"]).split(" – ")[1].split(" (")[0], e) for e in calendar.walk("VEVENT")]


def test_calendar_says_where_each_contact_is_and_what_is_not_there_yet(study, run_directory):
    found = events(run_directory / "contacts.ics")
    assert {ogs for ogs, _ in found} >= {"PQSAT", "ONDREJOV", "DLR-TRAUEN"}
    for ogs, event in found:
        station = study.scenario.stations[ogs]
        geo = event["geo"]
        assert (geo.latitude, geo.longitude) == pytest.approx((station.latitude_deg, station.longitude_deg), abs=1e-6)
        assert str(event["location"]) == station.name
        marked = station.status_class != "operational"
        assert str(event["summary"]).endswith(f"({station.status_class} station)") == marked
        assert (f"The station is {station.status_class}" in str(event["description"])) == marked


def test_calendar_holds_the_places_of_a_mobile_station_at_the_time(study, tmp_path):
    contacts = study.plan.contacts
    mine = contacts[contacts["ogs"] == "PQSAT"].sort_values("start")
    turn = mine["start"].iloc[1].to_pydatetime()
    places = [
        {"latitude_deg": 52.41, "longitude_deg": 16.92, "valid_from": turn - timedelta(days=9), "valid_to": turn},
        {"latitude_deg": -33.5, "longitude_deg": -70.25, "valid_from": turn, "valid_to": turn + timedelta(days=9)},
    ]
    positions = [StationPosition(**p, height_ellipsoid_m=1, height_msl_m=1, node="WAW") for p in places]
    station = study.scenario.stations["PQSAT"].model_copy(update={"positions": tuple(positions)})
    scenario = study.scenario.model_copy(update={"stations": {**study.scenario.stations, "PQSAT": station}})
    write_calendar(release(export_material({"contacts": contacts}, {}, scenario)), tmp_path / "c.ics")
    found = sorted((e.decoded("dtstart"), e) for ogs, e in events(tmp_path / "c.ics") if ogs == "PQSAT")
    assert len(found) == len(mine) >= 3
    where = [(e["geo"].latitude, e["geo"].longitude, str(e["location"])) for _, e in found]
    first = (52.41, 16.92, f"{station.name}, 52.4100° N 16.9200° E")
    second = (-33.5, -70.25, f"{station.name}, 33.5000° S 70.2500° W")
    assert where == [first] + [second] * (len(mine) - 1)


def test_geopackage_has_nodes_links_and_stations(study, run_directory):
    layers = {n: gpd.read_file(run_directory / "network.gpkg", layer=n) for n in ("nodes", "links", "stations")}
    assert len(layers["nodes"]) == len(study.network.nodes)
    assert len(layers["links"]) == len(study.network.links)
    assert set(layers["stations"]["ogs"]) == set(study.scenario.stations)
    assert layers["nodes"].crs.to_epsg() == 4326


def test_manifest_says_how_the_run_was_made(study, run_directory):
    manifest = json.loads((run_directory / "run.json").read_text(encoding="utf-8"))
    assert manifest["scenario"]["sha256"] == study.scenario.sha256
    assert manifest["plan"]["bound"] >= manifest["plan"]["objective"]
    assert manifest["elements"]["EAGLE1-LIKE"]["design"] is True
    assert set(manifest["wall_s"]) >= {"passes", "plan", "relay"}


def test_manifest_lists_inputs_with_checksum_and_ephemerides_with_frame_and_span(scenario, edited, tmp_path):
    begin, end = scenario.start - timedelta(hours=1), scenario.end + timedelta(hours=1)
    seconds = np.arange(0.0, (end - begin).total_seconds() + 1, 60.0)
    orbit = make_ephemeris(satellite_elements(scenario.satellites[0], scenario), begin, end)
    write_oem("EAGLE1-LIKE", begin, seconds, *motion(orbit, seconds), tmp_path / "leo.oem", frame="ITRF2020")
    (tmp_path / "trees.csv").write_text("azimuth_deg,elevation_deg\n0,12\n", encoding="utf-8")
    text = data_path("scenarios", "quant-gpicz.toml").read_text(encoding="utf-8")
    change = (text[text.index("[satellite.orbit]") : text.index("[stations]")], 'ephemeris = "leo.oem"\n\n')
    study = Study(load_scenario(edited(change, extra='\n[station.GRAZ]\nhorizon_mask = "trees.csv"\n')))
    sha256 = {n: hashlib.sha256((tmp_path / n).read_bytes()).hexdigest() for n in ("leo.oem", "trees.csv")}
    segment = {"object_name": "EAGLE1-LIKE", "frame": "ITRF2020", "start": begin.isoformat(), "end": end.isoformat()}
    assert study.run.manifest["scenario"]["inputs"] == {
        "leo.oem": {"sha256": sha256["leo.oem"], "segments": [segment]},
        "trees.csv": {"sha256": sha256["trees.csv"]},
    }


def test_same_inputs_give_the_same_bytes(day_study, day_run, tmp_path):
    Study(day_study.scenario).save(tmp_path / "again", trials=0)
    for path in sorted(day_run.iterdir()):
        if path.name not in ("run.json",):
            assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_run_reloads(study, run_directory, tmp_path):
    run = load_run(run_directory)
    pd.testing.assert_frame_equal(run.contacts, study.plan.contacts, check_dtype=False)
    with pytest.raises(AttributeError, match="a run has no table 'nonsense'"):
        _ = run.nonsense
    with pytest.raises(DataError, match=r"no run\.json"):
        load_run(tmp_path)


def test_foreign_directory_is_left_alone_and_a_failed_run_leaves_nothing(tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("x", encoding="utf-8")
    with pytest.raises(DataError, match="holds no run"):
        write_directory(precious, lambda folder: None)
    assert (precious / "thesis.txt").read_text(encoding="utf-8") == "x"

    def fail(folder):
        (folder / "half.txt").write_text("x", encoding="utf-8")
        raise OSError("disk full")

    with pytest.raises(DataError, match="disk full; make room"):
        write_directory(tmp_path / "new", fail)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["precious"]


def test_amounts_are_readable():
    assert format_bits(7_020_000) == "7.02 Mbit"
    assert format_bits(512_000) == "512 kbit"
    assert format_bits(12) == "12 bit"
    assert format_bits(3.5e9) == "3.5 Gbit"
