"""One stage each: tables to stdout and to files, in three forms."""

import io
import json

import pandas as pd
import pytest

from eqci_space.cli.records import plain, rows_of
from eqci_space.scenario import load_scenario
from eqci_space.study import Study

pytestmark = pytest.mark.usefixtures("studies_once")

STAGES = ("passes", "windows", "budget", "keys", "schedule", "relay")


def computed(study, stage):
    found = {"schedule": lambda: study.plan.contacts, "relay": lambda: study.relay.delivery}
    return found.get(stage, lambda: getattr(study, stage))()


def test_every_stage_prints_the_table_of_the_study(eqci, parsed, short):
    path = short()
    study = Study(load_scenario(path))
    for stage in STAGES:
        expected = computed(study, stage)
        done = eqci(stage, path)
        assert done.exit_code == 0, done.stderr
        shown = pd.read_csv(io.StringIO(done.stdout), keep_default_na=False)
        assert len(shown) == len(expected) > 0
        assert set(expected.columns) <= set(shown.columns)
        document = parsed(stage, path)
        assert document["rows"] == rows_of(expected)
        assert document["scenario"]["start"] == "2027-03-01T12:00:00Z"


def test_passes_go_to_stdout_as_csv_only(eqci):
    done = eqci("passes", "quant-gpicz")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("pass_id,satellite,ogs,aos,tca,los")
    assert len(lines) == 92
    assert done.stderr == ""


def test_schedule_says_on_stderr_how_good_the_plan_is(eqci, parsed, short):
    path = short()
    done = eqci("schedule", path)
    assert done.stderr.startswith("objective ")
    assert "bound " in done.stderr
    assert "gap 0.00 %" in done.stderr
    assert "objective" not in done.stdout
    document = parsed("schedule", path)
    assert document["table"] == "contacts"
    assert document["plan"]["gap"] < 1e-6
    assert {row["status"] for row in document["rows"]} <= {"planned", "backup"}


def test_a_rolling_schedule_lists_what_is_flown_and_each_plan(eqci, parsed, short):
    """Two nights, planned one at a time: the contacts of both, as few as one plan of all would have at most."""
    two_days = ("end = 2027-03-02T12:00:00Z", "end = 2027-03-03T12:00:00Z")
    daily = ("[schedule]\n", "[schedule]\nreplan_day = 1.0\nhorizon_day = 1.0\n")
    path = short(two_days, daily)
    document = parsed("schedule", path, "--rolling")
    assert [step["made_at"] for step in document["steps"]] == ["2027-03-01T12:00:00Z", "2027-03-02T12:00:00Z"]
    assert len(document["demands"]) == 10
    assert {row["status"] for row in document["rows"]} == {"planned"}
    done = eqci("schedule", path, "--jobs", "2")
    assert done.exit_code == 2
    assert "--jobs goes with --rolling" in done.stderr


@pytest.mark.parametrize(("table", "column"), [("routes", "path"), ("stores", "stock_bit"), ("delivery", "asked_bit")])
def test_relay_prints_the_table_asked_for(eqci, parsed, short, table, column):
    path = short()
    shown = pd.read_csv(io.StringIO(eqci("relay", path, "--table", table).stdout), keep_default_na=False)
    assert column in shown
    assert parsed("relay", path, "--table", table)["table"] == table
    if table == "routes":
        assert shown["path"].str.contains(" > ").all()


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
@pytest.mark.parametrize("by", ["ending", "option"])
def test_files_are_written_whole_in_the_form_asked_for(eqci, short, tmp_path, form, by):
    out = tmp_path / (f"windows.{form}" if by == "ending" else "windows.data")
    asked = [] if by == "ending" else ["--format", form]
    done = eqci("windows", short(), "--out", out, *asked)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    if form == "json":
        ids = [row["window_id"] for row in json.loads(out.read_text(encoding="utf-8"))["rows"]]
    else:
        ids = list(pd.read_csv(out)["window_id"] if form == "csv" else pd.read_parquet(out).index)
    assert len(ids) == 2
    assert ids[0].startswith("EAGLE1-LIKE/")
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "parquet"], "needs --out FILE"),
        (["--format", "csv", "--json"], "give one of them"),
        (["--out", "table.xls"], "ends in none of .csv, .json, .parquet"),
        (["--out", "nowhere/table.csv"], "no folder 'nowhere'"),
        (["--format", "xml"], "xml"),
    ],
)
def test_a_form_that_cannot_be_is_refused_before_any_work(eqci, arguments, message):
    done = eqci("passes", "no-such-scenario", *arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())


def test_overlays_change_a_stage(eqci, short, tmp_path):
    (tmp_path / "narrow.toml").write_text("[stations]\nmin_elevation_deg = 45\n", encoding="utf-8")
    path = short()
    wide, narrow = (
        eqci("passes", path, *more).stdout.splitlines() for more in ([], ["--with", tmp_path / "narrow.toml"])
    )
    assert 1 < len(narrow) < len(wide)


def test_values_reach_json_at_full_precision_and_missing_ones_as_null():
    table = pd.DataFrame({
        "small": [1e-17, float("nan")], "at": pd.to_datetime(["2027-03-01T12:00:00.123456Z", None]),
        "path": [("A", "B"), ()], "flag": [True, False],
    })  # fmt: skip
    assert rows_of(table) == [
        {"small": 1e-17, "at": "2027-03-01T12:00:00.123456Z", "path": ["A", "B"], "flag": True},
        {"small": None, "at": None, "path": [], "flag": False},
    ]
    assert plain(float("inf")) is None


def test_relay_says_what_stands_in_the_way_of_a_demand(eqci, parsed, cut_off):
    assert "cut off: no path: max_nodes=1 (the fewest are 12: ASC, WUE, " in eqci("relay", cut_off).stderr
    document = parsed("relay", cut_off)
    assert document["unreachable"] == list(document["unreachable_reasons"])
    assert document["unreachable"][-1] == "cut off"
