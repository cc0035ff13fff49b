"""Every export, read by an independent parser; the same inputs give the same bytes; no key material anywhere."""

import io
import json
import re
import uuid
import zipfile
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from types import SimpleNamespace

import icalendar
import numpy as np
import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pyogrio
import pytest
from czml_checks import check_czml

from eqci_space.orbits.ephemeris import positions_m
from eqci_space.report.exports.czml import write_czml
from eqci_space.report.exports.export_set import write_exports
from eqci_space.report.exports.file_names import file_stems
from eqci_space.report.exports.orbit_files import sampled_end
from eqci_space.report.exports.tables import write_contact_list
from eqci_space.report.exports.workbook import unit_of, write_workbook
from eqci_space.report.release import release
from eqci_space.report.run_io import TABLE_NAMES


def test_every_file_has_the_contents_of_its_table(exported, material):
    folder, contacts = exported["internal"], material.tables["contacts"]
    for name in TABLE_NAMES:
        assert pq.read_table(folder / f"{name}.parquet").num_rows == len(material.tables[name])
    rows = pd.read_csv(folder / "contacts.csv", index_col="contact_id")
    assert rows["status"].to_dict() == contacts["status"].to_dict()
    layers = {str(name) for name, _ in pyogrio.list_layers(folder / "network.gpkg")}
    assert layers == {"nodes", "links", "stations"}
    assert pyogrio.read_info(folder / "network.gpkg", layer="links")["features"] == len(material.tables["links"])
    calendar = icalendar.Calendar.from_ical((folder / "contacts.ics").read_bytes())
    assert len(calendar.walk("VEVENT")) == len(contacts)
    manifest = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert (manifest["release"], manifest["withheld"]) == ("internal", [])


def test_same_inputs_give_the_same_bytes(exported, material, tmp_path, monkeypatch):
    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2031, 5, 4, 3, 2, 1, tzinfo=tz)

    monkeypatch.setattr("openpyxl.writer.excel.datetime", SimpleNamespace(datetime=Later, timezone=timezone))
    monkeypatch.setattr("time.time", lambda: 1.9e9)
    write_exports(release(material, level="internal"), tmp_path)
    names = sorted(p.name for p in exported["internal"].iterdir())
    assert names == sorted(p.name for p in tmp_path.iterdir())
    for name in names:
        assert (tmp_path / name).read_bytes() == (exported["internal"] / name).read_bytes(), name


def test_workbook_has_a_sheet_per_table_and_says_units(exported, material):
    book = openpyxl.load_workbook(exported["internal"] / "tables.xlsx")
    assert book.sheetnames[0] == "README"
    assert set(book.sheetnames[1:]) == set(material.tables)
    sheet = book["contacts"]
    head = [c.value for c in sheet[1]]
    assert sheet.max_row == len(material.tables["contacts"]) + 1
    first = dict(zip(head, (c.value for c in sheet[2]), strict=True))
    expected = material.tables["contacts"].iloc[0]
    assert first["start_utc"].tzinfo is None
    assert first["start_utc"] == expected["start"].floor("s").tz_localize(None)
    assert first["skl_bit"] == expected["skl_bit"]
    assert not any(h.endswith("geometry") for h in [c.value for c in book["links"][1]])
    rows = {(r[0], r[2]): r for r in book["README"].iter_rows(min_row=8, values_only=True)}
    assert rows["links", "loss_db"][3:] == ("dB", "end-to-end loss")
    assert rows["passes", "aos_utc"][3:] == ("UTC", "acquisition of signal")
    assert rows["links", "skr_bit_s"][3] == "bit/s"
    units = {"angular_rate_rad_s": "rad/s", "zenith_sky_mag_v_arcsec2": "mag/arcsec²", "age_s": "s", "qber": ""}
    assert {c: unit_of(c) for c in units} == units


def times_of(folder):
    """Start and end of the planned contacts as each export says them, by its name."""
    day = "%Y-%m-%dT%H:%M:%SZ"
    table = pd.read_csv(folder / "contacts.csv")
    table = table[table["status"] == "planned"]
    found = {"contacts.csv": set(zip(table["start"], table["end"], strict=True))}
    events = icalendar.Calendar.from_ical((folder / "contacts.ics").read_bytes()).walk("VEVENT")
    found["contacts.ics"] = {
        (f"{e.decoded('dtstart'):{day}}", f"{e.decoded('dtend'):{day}}") for e in events if str(e["transp"]) == "OPAQUE"
    }
    head, *rows = openpyxl.load_workbook(folder / "tables.xlsx")["contacts"].iter_rows(values_only=True)
    start, end, status = (head.index(c) for c in ("start_utc", "end_utc", "status"))
    found["tables.xlsx"] = {(f"{r[start]:{day}}", f"{r[end]:{day}}") for r in rows if r[status] == "planned"}
    crew = pd.concat([pd.read_csv(path) for path in folder.glob("crew-*.csv")])
    crew = crew[crew["status"] == "planned"]
    found["crew-*.csv"] = set(zip(crew["start_utc"], crew["end_utc"], strict=True))
    snapshots = json.loads((folder / "qkdn.json").read_text(encoding="utf-8"))["snapshots"]
    links = [x for s in snapshots for x in s["qkd_links"]["qkd_link"]]
    found["qkdn.json"] = {(w["start"], w["end"]) for x in links for w in x.get("eqci_windows", [])}
    return found


def test_all_exports_agree_to_the_second_and_hold_the_planned_contact(exported, material):
    """Starts rounded down, ends up: 20:05:08.6 to 20:10:00.2 is 20:05:08 to 20:10:01 everywhere."""
    contacts = material.tables["contacts"]
    planned = contacts[contacts["status"] == "planned"]
    assert (planned["start"].dt.microsecond >= 500_000).any()
    assert (planned["end"].dt.microsecond.between(1, 499_999)).any()
    second = pd.Timedelta(seconds=1)
    starts = [t - (t - pd.Timestamp(0, tz="UTC")) % second for t in planned["start"]]
    ends = [t + (pd.Timestamp(0, tz="UTC") - t) % second for t in planned["end"]]
    expected = {(f"{a:%Y-%m-%dT%H:%M:%SZ}", f"{b:%Y-%m-%dT%H:%M:%SZ}") for a, b in zip(starts, ends, strict=True)}
    found = times_of(exported["internal"])
    assert len(found) == 5
    for name, times in found.items():
        assert times == expected, name
    pages = "".join(p.read_text(encoding="utf-8") for p in exported["internal"].glob("crew-*.html"))
    for _, end in expected:
        assert f'contact ends</th><td class="n">{end[11:19]}</td>' in pages


def test_whole_seconds_of_hand_made_times(small, with_contacts, tmp_path):
    """A contact of 20:05:08.6 to 20:10:00.2, one on whole seconds, and one that takes over where the second ends."""
    rows = [
        {"start": "2027-03-01T20:05:08.600Z", "end": "2027-03-01T20:10:00.200Z"},
        {"start": "2027-03-01T21:00:00.000Z", "end": "2027-03-01T21:05:00.000Z"},
        {"start": "2027-03-01T21:05:00.000Z", "end": "2027-03-01T21:09:59.999999Z"},
    ]
    write_contact_list(with_contacts(small, *rows), tmp_path / "contacts.csv")
    found = pd.read_csv(tmp_path / "contacts.csv")
    assert [t[11:19] for t in found["start"]] == ["20:05:08", "21:00:00", "21:05:00"]
    assert [t[11:19] for t in found["end"]] == ["20:10:01", "21:05:00", "21:10:00"]
    made = pd.Timestamp("2027-03-01T20:00:00.5Z")
    bins = pd.DataFrame({"time": [made]})
    write_workbook(replace(small, tables={"deposits": bins, "bins": bins}), tmp_path / "t.xlsx")
    book = openpyxl.load_workbook(tmp_path / "t.xlsx")
    seconds = {name: book[name]["A2"].value.second for name in ("deposits", "bins")}
    assert seconds == {"deposits": 1, "bins": 0}  # key is not promised before it can be used


def test_text_in_the_workbook_stays_text(small, with_contacts, tmp_path):
    evil = '=HYPERLINK("x")\x07'
    write_workbook(with_contacts(small, {"reason": evil, "skl_bit": np.inf}), tmp_path / "t.xlsx")
    head, row = openpyxl.load_workbook(tmp_path / "t.xlsx")["contacts"].iter_rows()
    cell = row[[c.value for c in head].index("reason")]
    assert (cell.data_type, cell.value) == ("s", '=HYPERLINK("x")\ufffd')
    with zipfile.ZipFile(tmp_path / "t.xlsx") as archive:
        sheets = [archive.read(n) for n in archive.namelist() if n.startswith("xl/worksheets/")]
        assert not any(b"<f>" in s for s in sheets)
        assert {i.date_time for i in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert b"2027-03-01T12:00:00Z" in archive.read("docProps/core.xml")


def test_a_table_longer_than_a_sheet_is_named_and_left_out(small, tmp_path, monkeypatch):
    monkeypatch.setattr("eqci_space.report.exports.workbook._MOST_ROWS", 1)
    write_workbook(small, tmp_path / "t.xlsx")
    book = openpyxl.load_workbook(io.BytesIO((tmp_path / "t.xlsx").read_bytes()))
    assert "contacts" in book.sheetnames
    assert "links" not in book.sheetnames
    notes = [r[4] for r in book["README"].iter_rows(values_only=True) if r[:2] == ("links", 2)]
    assert notes == ["left out: more than 1 rows; read the .parquet file"]


BROKEN = {
    "the document is not first": lambda p: p.reverse(),
    "an id stands twice": lambda p: p[1].update(id=p[2]["id"]),
    "samples have a hole": lambda p: p[1]["position"]["cartesian"].pop(),
    "times of samples fall": lambda p: p[1]["position"]["cartesian"].__setitem__(4, -1.0),
    "a coordinate is no number": lambda p: p[1]["position"]["cartesian"].__setitem__(1, float("nan")),
    "the epoch has no zone": lambda p: p[1]["position"].update(epoch="2027-03-01T12:00:00"),
    "too few samples for the degree": lambda p: p[1]["position"].update(interpolationDegree=10**6),
    "an interval runs backwards": lambda p: p[1].update(availability="/".join(p[1]["availability"].split("/")[::-1])),
    "nothing says when": lambda p: p[1].pop("availability"),
    "availability lies beyond the clock": lambda p: p[0]["clock"].update(
        interval="2027-03-01T12:00:00Z/2027-03-01T13:00:00Z"
    ),
    "parts of a line overlap": lambda p: p[-1]["polyline"]["show"].append(p[-1]["polyline"]["show"][0]),
    "a reference leads nowhere": lambda p: p[-1]["polyline"]["positions"]["references"].__setitem__(0, "gone#position"),
    "a colour has three parts": lambda p: p[1]["point"]["color"]["rgba"].pop(),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_the_check_of_scenes_finds_faults(exported, fault):
    packets = json.loads((exported["internal"] / "scene.czml").read_text(encoding="utf-8"))
    check_czml(packets)
    BROKEN[fault](packets)
    with pytest.raises((AssertionError, KeyError)):
        check_czml(packets)


def test_scene_has_moving_satellites_stations_and_a_line_per_contact(exported, material):
    text = (exported["internal"] / "scene.czml").read_text(encoding="utf-8")
    packets = json.loads(text)
    check_czml(packets)
    assert not re.search(r"https?:|\buri\b|\"image\"|\"gltf\"|\"model\"|\"billboard\"|data:", text)
    by_id = {p["id"]: p for p in packets}
    contacts = material.tables["contacts"]
    live = contacts[contacts["status"] != "cancelled"]
    lines = [p for p in packets if "polyline" in p]
    spans = sorted(s for p in lines for s in p["availability"])
    expected = [
        f"{a:%Y-%m-%dT%H:%M:%S.%f}Z/{b:%Y-%m-%dT%H:%M:%S.%f}Z" for a, b in zip(live["start"], live["end"], strict=True)
    ]
    assert spans == sorted(expected)
    assert by_id["station/GRAZ"]["position"][0]["cartographicDegrees"][:2] == [15.4936, 47.0673]
    assert by_id["station/ONDREJOV"]["name"] == "ONDREJOV (hypothetical)"


def test_positions_of_the_scene_interpolate_to_a_metre(exported, material):
    packets = json.loads((exported["internal"] / "scene.czml").read_text(encoding="utf-8"))
    position = next(p for p in packets if p["id"].startswith("satellite/"))["position"]
    assert (position["interpolationAlgorithm"], position["referenceFrame"]) == ("LAGRANGE", "FIXED")
    samples, count = np.array(position["cartesian"]).reshape(-1, 4), position["interpolationDegree"] + 1
    low = np.arange(0, len(samples) - count, 97)
    index = low[:, None] + np.arange(count)
    nodes = samples[index, 0]
    at = nodes[:, count // 2 - 1] + 30.0
    weights = np.ones_like(nodes)
    for j in range(count):
        for k in range(count):
            if k != j:
                weights[:, j] *= (at - nodes[:, k]) / (nodes[:, j] - nodes[:, k])
    found = np.einsum("nj,njc->nc", weights, samples[index, 1:])
    truth = positions_m(material.orbits["EAGLE1-LIKE"], at)
    assert np.linalg.norm(found - truth, axis=1).max() < 1.0


def test_a_year_is_sampled_for_a_month(small, with_contacts, material, tmp_path):
    start, last = pd.Timestamp("2027-03-01T12:00Z"), pd.Timestamp("2027-04-01T12:00Z")
    long = replace(small, end=start + pd.Timedelta(days=365))
    assert sampled_end(long) == last
    assert sampled_end(small) == small.end
    rows = ({"satellite": "EAGLE1-LIKE"}, {"satellite": "EAGLE1-LIKE", "start": last, "end": last})
    orbit = material.orbits["EAGLE1-LIKE"]
    stretched = replace(orbit, arcs=(replace(orbit.arcs[0], step_s=2000.0),), spans_s=((0.0, 32 * 86400.0),))
    orbits = {"EAGLE1-LIKE": stretched}
    write_czml(replace(with_contacts(long, *rows), orbits=orbits), tmp_path / "s.czml", step_s=3600.0)
    packets = json.loads((tmp_path / "s.czml").read_text(encoding="utf-8"))
    check_czml(packets)
    assert packets[0]["clock"]["interval"].endswith("/2027-04-01T12:00:00.000000Z")
    assert packets[1]["position"]["cartesian"][-4] == 31 * 86400.0
    assert packets[-1]["availability"] == ["2027-03-01T20:00:00.000000Z/2027-03-01T20:05:00.000000Z"]


def test_names_with_marks_of_the_reference_syntax_still_resolve(small, with_contacts, material, tmp_path):
    name = "S#1\\x"
    strange = with_contacts(small, {"satellite": name})
    orbit = replace(material.orbits["EAGLE1-LIKE"], satellite=name)
    write_czml(replace(strange, orbits={name: orbit}), tmp_path / "s.czml")
    packets = json.loads((tmp_path / "s.czml").read_text(encoding="utf-8"))
    check_czml(packets)
    assert packets[-1]["polyline"]["positions"]["references"][0] == "satellite/S\\#1\\\\x#position"


def test_ephemeris_file_follows_the_standard_and_the_orbit(exported, material):
    lines = (exported["internal"] / "orbit-EAGLE1-LIKE.oem").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "CCSDS_OEM_VERS = 2.0"
    assert "REF_FRAME = EME2000" in lines
    states = [line.split() for line in lines if re.match(r"\d{4}-", line)]
    assert len(states) == 7 * 1440 + 1
    times = [datetime.fromisoformat(s[0]) for s in states]
    assert {b - a for a, b in pairwise(times)} == {timedelta(minutes=1)}
    radius_km = np.linalg.norm(np.array([s[1:4] for s in states], dtype=float), axis=1)
    seconds = np.arange(len(states)) * 60.0
    truth_km = np.linalg.norm(positions_m(material.orbits["EAGLE1-LIKE"], seconds), axis=1) / 1e3
    assert np.abs(radius_km - truth_km).max() < 1e-6


def test_file_names_fit_every_file_system():
    names = ["SAT 1", "SAT:1", "sat-1", "..", "GRÄZ"]
    assert file_stems(names) == dict(zip(names, ["SAT-1", "SAT-1-2", "sat-1-3", "unnamed", "GRÄZ"], strict=True))


def strings(value):
    """All names and texts inside a JSON value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield "name", key
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield "text", value


def test_no_export_carries_key_material(exported):
    forbidden = re.compile(r"^(key|keys|key_?id|key_?ids|key_material|secret|psk|key_container)$", re.IGNORECASE)
    encoded = re.compile(r"[A-Za-z0-9+/]{40,}={0,2}|[0-9a-fA-F]{32,}")
    found = [
        (kind, text)
        for name in ("qkdn.json", "scene.czml", "run.json")
        for kind, text in strings(json.loads((exported["internal"] / name).read_text(encoding="utf-8")))
    ]
    assert len(found) > 1000
    assert not [t for kind, t in found if kind == "name" and forbidden.match(t)]
    texts = {t for kind, t in found if kind == "text" and not re.fullmatch(r"(urn:uuid:)?[0-9a-f-]{36}", t)}
    assert not [t for t in texts if encoded.search(t) and len(t) != 64]
    book = openpyxl.load_workbook(exported["internal"] / "tables.xlsx")
    heads = {cell.value for sheet in book for cell in sheet[1]}
    assert not [h for h in heads if h and forbidden.match(str(h))]
    assert uuid.UUID(next(t for k, t in found if re.fullmatch(r"[0-9a-f-]{36}", t))).version == 5


@pytest.mark.parametrize("level", ["internal", "public"])
def test_nothing_half_written_is_left(exported, level):
    assert not [p.name for p in exported[level].iterdir() if p.name.startswith(".") or p.suffix == ".part"]
