"""eqci init, schema, check and data status."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from eqci_space.data import data_path
from eqci_space.scenario import load_scenario


def test_init_writes_a_scenario_that_runs_as_it_is(eqci, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = eqci("init")
    assert (done.exit_code, done.stdout) == (0, "scenario.toml\n")
    assert done.stderr.startswith("next: eqci check ./scenario.toml")
    (tmp_path / "day.toml").write_text("end = 2027-03-02T12:00:00Z\n", encoding="utf-8")
    assert eqci("check", "scenario.toml").exit_code == 0
    done = eqci("run", "scenario.toml", "--with", "day.toml", "--out", "out/first", "--trials", "0")
    assert done.exit_code == 0, done.stderr
    assert re.match(
        r"My network 2027-03-01\.\.02: not simulated, \d+ demands? short even of expected key; [1-9]\d* contacts",
        done.stdout,
    )
    assert (tmp_path / "out" / "first" / "report.html").is_file()


def test_init_never_replaces_a_file_without_force(eqci, tmp_path):
    mine = tmp_path / "sub" / "mine.toml"
    assert eqci("init", mine, "-q").stderr == ""
    mine.write_text("changed", encoding="utf-8")
    done = eqci("init", mine)
    assert done.exit_code == 2
    assert "--force" in done.stderr
    assert mine.read_text(encoding="utf-8") == "changed"
    assert eqci("init", mine, "--force").exit_code == 0
    assert mine.read_bytes() == data_path("templates", "scenario.toml").read_bytes()


@pytest.mark.parametrize("name", ["quant-gpicz", "euroqci"])
def test_init_copies_an_example_that_loads(eqci, tmp_path, name):
    assert eqci("init", tmp_path, "--example", name).exit_code == 0
    copied = load_scenario(tmp_path / f"{name}.toml")
    assert copied.model_dump() == load_scenario(name).model_dump()
    done = eqci("init", tmp_path, "--example", "euroqcy")
    assert done.exit_code == 2
    assert "did you mean 'euroqci'" in done.stderr


def test_what_the_template_comments_out_is_valid_too(tmp_path):
    """Every commented key but those that name a file is taken in, table by table and line by line."""
    text = data_path("templates", "scenario.toml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not re.match(r"# (elements|catalogue_number) = ", line)]
    taken = [re.sub(r"^# (?=\[\[?\w|\w+ = )", "", line) for line in lines]
    assert sum(a != b for a, b in zip(lines, taken, strict=True)) >= 12
    (tmp_path / "all.toml").write_text("\n".join(taken), encoding="utf-8")
    scenario = load_scenario(tmp_path / "all.toml")
    assert len(scenario.satellites) == 5
    assert len(scenario.outages) == 1
    assert scenario.stations["PQSAT"].horizon_mask


def test_schema_is_json(eqci):
    assert json.loads(eqci("schema").stdout)["title"] == "eqci_space scenario"


def test_data_status_lists_every_file_and_ages(eqci, parsed):
    done = eqci("data", "status", "--scenario", "quant-gpicz")
    assert done.exit_code == 0
    assert re.search(r"^scenarios/quant-gpicz\.toml +as shipped", done.stdout, re.MULTILINE)
    assert re.search(r"^Earth orientation of \d{4}-\d\d-\d\d, until \d{4}-", done.stdout, re.MULTILINE)
    assert "by design, has no age" in done.stdout
    document = parsed("data", "status")
    assert len(document["files"]) == len(data_path("SOURCES.csv").read_text(encoding="utf-8").splitlines()) - 1
    assert document["input_ages"] == []


def test_check_lists_what_is_assumed_and_what_overlays_change(eqci, parsed, tmp_path):
    (tmp_path / "narrow.toml").write_text("[stations]\nmin_elevation_deg = 30\n", encoding="utf-8")
    done = eqci("check", "quant-gpicz", "--with", tmp_path / "narrow.toml")
    assert done.exit_code == 0
    assert "QUANT-GPICz: valid; 1 satellite, 5 stations, 10 demands, 7 days" in done.stdout
    assert "assumed: satellite.0.orbit.ltan_h = 22.5" in done.stdout
    assert "changed: stations.min_elevation_deg = 30 (overlay narrow.toml)" in done.stdout
    document = parsed("check", "quant-gpicz", "--with", tmp_path / "narrow.toml")
    assert document["valid"] is True
    assert "satellite.0.orbit.ltan_h" in {entry["path"] for entry in document["assumed"]}
    assert [entry["value"] for entry in document["changed"]] == ["30"]


def test_check_says_what_stands_in_the_way_of_a_demand(eqci, parsed, cut_off):
    said = eqci("check", cut_off).stdout
    assert "  cut off: no path: max_nodes=1 (the fewest are 12: ASC, WUE, " in said
    reasons = parsed("check", cut_off)["unreachable_reasons"]
    assert "cut off" in reasons
    assert f"  cut off: {reasons['cut off']}\n" in said
    assert parsed("check", "quant-gpicz")["unreachable_reasons"] == {}


@pytest.mark.parametrize(("line", "code"), [("", 2), ('bad_states = "end"\n', 0)])
def test_check_says_that_a_satellite_is_down_before_the_period(eqci, with_elements, tmp_path, line, code):
    # 270 km high with so much drag that it is down within a day of the epoch; SGP4 has no error again a week later.
    path = with_elements(datetime(2027, 2, 20, tzinfo=UTC))
    record = json.loads((tmp_path / "mine.omm.json").read_text(encoding="utf-8"))[0]
    (tmp_path / "mine.omm.json").write_text(
        json.dumps([record | {"MEAN_MOTION": 15.9, "BSTAR": 0.04}]), encoding="utf-8"
    )
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("catalogue_number = 99001\n", f"catalogue_number = 99001\n{line}"), encoding="utf-8")
    done = eqci("check", path)
    assert done.exit_code == code
    assert "in mine.omm.json: " in done.stderr
    assert "SGP4 error 6 for" in done.stderr
    words = "it has no passes in the period" if line else "get newer elements, or let the passes end there"
    assert words in " ".join(done.stderr.split())


DUAL = """
[[satellite]]
name = "EAGLE1-LIKE"
terminals = 2
[protocol]
kind = "bbm92"
downlink = "dual"
[protocol.source]
pair_rate_hz = 1e9
"""


def test_check_names_satellites_that_never_see_two_stations(eqci, parsed, tmp_path):
    """At 75 degrees a satellite at 500 km sees 140 km around it; the nearest stations are farther apart."""
    overlay = tmp_path / "dual.toml"
    overlay.write_text(DUAL, encoding="utf-8")
    assert eqci("check", "quant-gpicz", "--with", overlay).exit_code == 0
    overlay.write_text(f"{DUAL}[stations]\nmin_elevation_deg = 75\n", encoding="utf-8")
    for command in (("check",), ("run", "--out", tmp_path / "out")):
        done = eqci(command[0], "quant-gpicz", "--with", overlay, *command[1:])
        assert done.exit_code == 2
        words = " ".join(done.stderr.split())
        assert "'EAGLE1-LIKE' sees no two stations at once: its nearest pair" in words
        assert "km apart; expected at most" in words
        assert "downlink = 'single'" in words
    assert not (tmp_path / "out").exists()
    document = parsed("check", "quant-gpicz", "--with", overlay, exit_code=2)
    assert document["valid"] is False
    assert document["problems"][0]["path"] == "satellite.0"
    overlay.write_text(DUAL.replace("terminals = 2", "terminals = 1"), encoding="utf-8")
    done = eqci("check", "quant-gpicz", "--with", overlay)
    assert (done.exit_code, "terminals = 1" in done.stderr) == (2, True)


OWN_NETWORK = {
    "nodes.csv": "node,name,country,latitude_deg,longitude_deg,domain,role,trust,operator\n"
    "A,Alpha,ES,40.4,-3.7,d,hub,trusted,o\nB,Beta,ES,40.2,-3.1,d,hub,trusted,o\nC,Gamma,ES,41.0,-0.2,d,hub,trusted,o\n",
    "links.csv": "link,a,b,length_km,loss_db,medium,listed_sites,status,confidence\n"
    "A-B,A,B,60,12,terrestrial,1,planned,assumed\nB-C,B,C,300,60,terrestrial,1,planned,assumed\n",
}
OWN = """
start = 2027-03-01T12:00:00Z
end = 2027-03-02T12:00:00Z
name = "own"
[[satellite]]
name = "S"
terminal = "eagle1-like-nominal"
orbit = { kind = "sun_synchronous", altitude_km = 500, ltan_h = 22.5, epoch = 2027-03-01T12:00:00Z }
[stations]
receiver = "ogs-80cm-snspd"
use = ["MATERA", "MINE"]
[station.MATERA]
name = "My own"
country = "IT"
latitude_deg = 40.65
longitude_deg = 16.70
height_ellipsoid_m = 536
height_msl_m = 490
status_class = "planned"
node = "B"
attach = "colocated"
[station.MINE]
name = "Mine"
country = "ES"
latitude_deg = 40.4
longitude_deg = -3.7
height_ellipsoid_m = 700
height_msl_m = 650
status_class = "planned"
node = "A"
attach = "none"
[fiber]
network = "./net"
device = "apd-1ghz"
reach_db = 24
beyond_reach = "dead"
commissioning_factor = 0.2
[[demand]]
name = "AB"
between = ["A", "B"]
keys_256_per_day = 100
[[demand]]
name = "AC"
between = ["A", "C"]
keys_256_per_day = 100
"""


@pytest.fixture
def own(tmp_path):
    """A scenario with a network and stations of its own, some lines replaced."""
    (tmp_path / "net").mkdir()
    for name, text in OWN_NETWORK.items():
        (tmp_path / "net" / name).write_text(text, encoding="utf-8")

    def write(*changes):
        text = OWN
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "own.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_check_names_dead_spans_and_stations_off_the_network(eqci, parsed, own):
    said = eqci("check", own()).stdout
    assert "  dead span: B-C: 60.0 dB exceed the reach of 24 dB\n" in said
    assert '  off the network: MINE; their key serves no demand (attach = "none")\n' in said
    assert "  AC: no path: " in said
    document = parsed("check", own())
    assert document["dead_spans"] == {"B-C": "60.0 dB exceed the reach of 24 dB"}
    assert document["stations_off_network"] == ["MINE"]
    assert list(document["unreachable_reasons"]) == ["AC"]
    shipped = parsed("check", "quant-gpicz")
    assert (shipped["dead_spans"], shipped["stations_off_network"]) == ({}, [])


def test_stations_that_nobody_asked_for_are_one_problem_with_its_cure(eqci, parsed, own):
    path = own(('use = ["MATERA", "MINE"]\n', ""))
    document = parsed("check", path, exit_code=2)
    (problem,) = document["problems"]
    assert problem["path"] == "stations.use"
    assert 'use = ["MATERA", "MINE"]' in problem["message"]
    apart = ('use = ["MATERA", "MINE"]', 'unconnected = "none"\ncountries = ["ES", "IT"]')
    assert eqci("check", own(apart)).exit_code == 0
    # In March Svalbard has dark hours with passes, and no cloud climate.
    done = eqci("check", own((apart[0], 'unconnected = "none"')))
    assert (done.exit_code, "station 'SVALBARD': " in done.stderr) == (2, True)


def test_a_station_written_out_whole_keeps_nothing_of_the_catalogue(own):
    station = load_scenario(own()).stations["MATERA"]
    assert station.name == "My own"
    assert station.receiver.aperture_diameter_m == 0.8  # of the preset; the catalogue's telescope has 1.5 m
    assert (station.status, station.status_class) == ("", "planned")
    changed = load_scenario(own(("height_msl_m = 490\n", "")))
    assert changed.stations["MATERA"].receiver.aperture_diameter_m == 1.5


def weather(text):
    return ("[fiber]\n", f"[weather]\n{text}\n[fiber]\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("longitude_deg = -3.7", "longitude_deg = -73.7"), "station 'MINE': .*no cloud climate.*by_month"),
        (weather('model = "record"\nfile = "clouds.csv"'), "complete pasts .*the file holds 'MATERA' 2020-03-01"),
        (weather('model = "record"\nfile = "means.csv"'), "a value every 24 h at .*cloud_fraction_by_month"),
        (weather('model = "record"\nfile = "other.csv"'), "has no site 'MATERA'; it has LICR; say which .*names ="),
        (weather('model = "forecast"\nfile = "naive.csv"'), "has no time zone; .*utc_offset_h"),
    ],
)  # fmt: skip
def test_what_the_weather_lacks_is_told_by_check_as_by_run(eqci, parsed, own, tmp_path, change, message):
    path = own(change)
    for name, site, step, zone in (
        ("clouds", None, 1, "Z"), ("means", None, 24, "Z"), ("other", "LICR", 1, "Z"), ("naive", None, 1, "")
    ):  # fmt: skip
        times = [datetime(2020, 3, 1, tzinfo=UTC) + timedelta(hours=step * k) for k in range(60)]
        rows = [f"{s},{t:%Y-%m-%dT%H:%M}{zone},0.5" for s in ([site] if site else ["MATERA", "MINE"]) for t in times]
        (tmp_path / f"{name}.csv").write_text("\n".join(["site,time,cloud_fraction", *rows]), encoding="utf-8")
    for command in (("check", path), ("run", path, "--out", tmp_path / "out")):
        done = eqci(*command)
        assert done.exit_code == 2
        assert re.search(message, " ".join(done.stderr.split()))
    assert not (tmp_path / "out").exists()
    document = parsed("check", path, exit_code=2)
    assert document["valid"] is False
    assert re.search(message, document["problems"][0]["message"])


def test_a_zone_that_no_country_gives_is_asked_for_by_check_as_by_run(eqci, own, tmp_path):
    # Kosovo has a country code and no line in the zone table.
    path = own(('name = "Mine"\ncountry = "ES"', 'name = "Mine"\ncountry = "XK"'))
    for command in (("check", path), ("run", path, "--out", tmp_path / "out")):
        done = eqci(*command)
        assert done.exit_code == 2
        assert re.search(r"station\.MINE\.time_zone: .*no zone of country 'XK'.*add such as time_zone", done.stderr)
    stated = own(
        ('name = "Mine"\ncountry = "ES"', 'name = "Mine"\ncountry = "XK"\ntime_zone = "Europe/Belgrade"'),
        ("latitude_deg = 40.4\nlongitude_deg = -3.7", "latitude_deg = 42.6\nlongitude_deg = 21.1"),
    )
    assert eqci("check", stated).exit_code == 0
