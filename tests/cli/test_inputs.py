"""eqci init, schema, check and data status."""

import json
import re
from datetime import UTC, datetime

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
