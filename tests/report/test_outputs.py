"""Every file of a run, read back by other libraries and checked again."""

import csv
import hashlib
import itertools
import json
import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

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
from eqci_space.report.exports import write_contacts_ics
from eqci_space.report.html import format_bits, write_report
from eqci_space.report.run_io import TABLE_NAMES, load_run, write_directory
from eqci_space.scenario import StationPosition
from eqci_space.scenario_io import load_scenario
from eqci_space.study import Study


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
    for (_, end, _), (start, _, _) in itertools.pairwise(events):
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
    write_contacts_ics(tmp_path / "c.ics", contacts, scenario)
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
    write_oem(tmp_path / "leo.oem", "X", begin, seconds, *motion(orbit, seconds), frame="ITRF2020")
    (tmp_path / "trees.csv").write_text("azimuth_deg,elevation_deg\n0,12\n", encoding="utf-8")
    text = data_path("scenarios", "quant-gpicz.toml").read_text(encoding="utf-8")
    change = (text[text.index("[satellite.orbit]") : text.index("[stations]")], 'ephemeris = "leo.oem"\n\n')
    study = Study(load_scenario(edited(change, extra='\n[station.GRAZ]\nhorizon_mask = "trees.csv"\n')))
    sha256 = {n: hashlib.sha256((tmp_path / n).read_bytes()).hexdigest() for n in ("leo.oem", "trees.csv")}
    segment = {"object_name": "X", "frame": "ITRF2020", "start": begin.isoformat(), "end": end.isoformat()}
    assert study.run.manifest["scenario"]["inputs"] == {
        "leo.oem": {"sha256": sha256["leo.oem"], "segments": [segment]},
        "trees.csv": {"sha256": sha256["trees.csv"]},
    }


def test_same_inputs_give_the_same_bytes(scenario, run_directory, tmp_path):
    Study(scenario).save(tmp_path / "again")
    for path in sorted(run_directory.iterdir()):
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

    with pytest.raises(OSError, match="disk full"):
        write_directory(tmp_path / "new", fail)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["precious"]


class _Links(HTMLParser):
    """Collects whatever a page would load, and images without alternative text."""

    def __init__(self):
        super().__init__()
        self.loads: list[str] = []
        self.mute: list[str] = []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag in ("script", "link", "iframe", "object", "embed"):
            self.loads.append(tag)
        for key in ("src", "href", "srcset"):
            value = found.get(key) or ""
            if value and not value.startswith(("data:", "#")):
                self.loads.append(value)
        if tag == "img" and not found.get("alt"):
            self.mute.append(found.get("src", "")[:40])


def test_report_loads_nothing_and_every_figure_has_text(run_directory):
    html = (run_directory / "report.html").read_text(encoding="utf-8")
    parser = _Links()
    parser.feed(html)
    assert parser.loads == []
    assert parser.mute == []
    assert html.count("<img") == 5
    assert not re.search(r"@import|url\(", html)
    assert '<html lang="en">' in html


def test_stores_that_never_held_key_are_left_out_and_counted(study, tmp_path):
    def table(stores):
        findings = replace(study._findings(), relay=replace(study.relay, stores=stores))
        write_report(tmp_path / "report.html", findings)
        html = (tmp_path / "report.html").read_text(encoding="utf-8")
        return html[html.index("<h2>Key stores</h2>") : html.index("<h2>Other hardware</h2>")]

    stores = study.relay.stores
    space = stores["edge"].str.contains("|", regex=False)
    totals = stores[space].groupby("edge")[["deposited_bit", "used_bit", "spilled_bit", "stock_bit"]].sum()
    held = totals.index[(totals >= 0.5).any(axis=1)]
    assert 0 < len(held) < len(totals)
    text = table(stores)
    for edge in totals.index:
        assert (f"EAGLE1-LIKE – {edge.split('|')[1]}" in text) == (edge in held)
    left_out = len(totals) - len(held)
    assert f"<p>{left_out} store{'s' * (left_out > 1)} of a satellite and a station that never held key" in text
    empty = stores.assign(**{c: stores[c].where(~space, 0.0) for c in totals.columns})
    assert "<table>" not in table(empty)
    assert f"<p>{len(totals)} stores of a satellite and a station that never held key are left out.</p>" in table(empty)
    full = stores.assign(deposited_bit=stores["deposited_bit"].where(~space, 1e3))
    assert "left out" not in table(full)


def test_report_escapes_names_from_the_scenario(edited, tmp_path):
    path = edited(('name = "QUANT-GPICz"', 'name = "<script>alert(1)<&>"'.replace("/", "")))
    Study(load_scenario(path)).save(tmp_path / "out")
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_amounts_are_readable():
    assert format_bits(7_020_000) == "7.02 Mbit"
    assert format_bits(512_000) == "512 kbit"
    assert format_bits(12) == "12 bit"
    assert format_bits(3.5e9) == "3.5 Gbit"
