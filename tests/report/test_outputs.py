"""Every file of a run, read back by other libraries and checked again."""

import csv
import itertools
import json
import re
from html.parser import HTMLParser

import geopandas as gpd
import icalendar
import pandas as pd
import pyarrow.parquet as pq
import pytest

from eqci_space.errors import DataError
from eqci_space.report.html import format_bits
from eqci_space.report.run_io import TABLE_NAMES, load_run, write_directory
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


def test_report_escapes_names_from_the_scenario(edited, tmp_path):
    from eqci_space.scenario_io import load_scenario

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
