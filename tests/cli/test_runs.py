"""Runs and reports from the command line."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from eqci_space.report.run_io import Run, load_run
from eqci_space.report.summary import summary_line
from eqci_space.words import format_bits

ROOT = Path(__file__).parents[2]
SIMULATED = (
    r"QUANT-GPICz 2027-03-01\.\.{day}: (.+) (\d.*) mean, in 9 of 10 {such} at least (.+), of (.+) asked; (\d+) of "
    r"(\d+) demands short; (\d+) contacts?, gap (\d+\.\d) %"
)
SUMMARY = SIMULATED.format(day="02", such="days")
BOUND = (
    r"QUANT-GPICz 2027-03-01\.\.02: not simulated, (\d+) demands? short even of expected key; (\d+) contacts?, "
    r"gap (.+) %"
)


def test_the_first_line_of_a_run_is_fit_for_a_mail_subject(short_run):
    folder, done = short_run
    first = done.stdout.splitlines()[0]
    worst, mean, low, asked, short, demands, contacts, _ = re.fullmatch(SUMMARY, first).groups()
    run = load_run(folder)
    assert int(contacts) == (run.contacts["status"] == "planned").sum() > 0
    worlds = pd.DataFrame(run.manifest["simulation"]["demands"]).T
    share = worlds["all_in_mean_bit"] / worlds["asked_bit"]
    assert (worst, int(demands), int(short)) == (share.idxmin(), len(worlds), (share <= 0.9995).sum())
    row = worlds.loc[worst]
    levels = [format_bits(row[c]) for c in ("all_in_mean_bit", "all_in_exceeded_90pct_bit", "asked_bit")]
    assert [mean, low, asked] == levels
    assert first == summary_line(run)
    assert "  by demand, over worlds of weather and all stated uncertainties, relay with foresight" in done.stdout
    assert f"  {worst}: {mean} mean, in 9 of 10 days at least {low}, of {asked}; of expected key " in done.stdout


def test_the_delivery_of_a_run_states_levels_bin_by_bin(short_run):
    run = load_run(short_run[0])
    total = run.delivery.groupby("demand")["mean_bit"].sum()
    worlds = run.manifest["simulation"]["demands"]
    assert total.to_dict() == pytest.approx({name: row["all_in_mean_bit"] for name, row in worlds.items()})
    assert (run.delivery["exceeded_90pct_bit"] <= run.delivery["exceeded_50pct_bit"]).all()
    assert (run.delivery["mean_bit"] <= run.delivery["asked_bit"] + 1).all()


def test_contacts_of_a_run_say_what_they_are_worth(eqci, short_run):
    contacts = load_run(short_run[0]).contacts
    planned = contacts[contacts["status"] == "planned"]
    assert set(planned["role"]) <= {"needed", "spare", "useless"}
    assert (planned["lost_without_bit"] >= 0).all()
    said = eqci("explain", short_run[0], planned.index[0]).stdout
    assert f"; {planned['role'].iloc[0]}: without it the demands lose " in said


def test_the_headline_in_the_guide_is_one_of_the_shipped_scenario(tmp_path):
    """Skies and worlds move with every correction of the link, so only the form is held."""
    text = (ROOT / "docs" / "how-to" / "nightly.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^QUANT-GPICz .+$", text, re.MULTILINE)
    assert re.fullmatch(SIMULATED.format(day="08", such="weeks"), line)


def test_the_headline_counts_planned_contacts_and_not_their_backups():
    contacts = pd.DataFrame({"status": ["planned", "backup", "planned"]})
    delivery = pd.DataFrame({
        "demand": ["a", "a", "b", "c"], "asked_bit": [10.0, 10.0, 1e9, 5.0], "delivered_bit": [10.0, 0.0, 1e9 - 2, 5.0]
    })  # fmt: skip
    manifest = {"scenario": {"name": "X", "start": "2027-03-29T12:00:00+00:00", "end": "2027-04-05T12:00:00+00:00"},
                "plan": {"gap": 0.0123}}  # fmt: skip
    line = summary_line(Run({"contacts": contacts, "delivery": delivery}, manifest))
    bound = "not simulated, 1 demand short even of expected key; 2 contacts, gap 1.2 %"
    assert line == f"X 2027-03-29..04-05: {bound}"
    levels = {"all_in_exceeded_90pct_bit": 2.0, "all_in_median_bit": 4.0}
    manifest["simulation"] = {"demands": {
        "a": {"all_in_mean_bit": 8.0, **levels}, "b": {"all_in_mean_bit": 1e9, **levels},
        "c": {"all_in_mean_bit": 4.0, **levels},
    }}  # fmt: skip
    line = summary_line(Run({"contacts": contacts, "delivery": delivery}, manifest))
    worst = "a 8 bit mean, in 9 of 10 weeks at least 2 bit, of 20 bit asked; 2 of 3 demands short"
    assert line == f"X 2027-03-29..04-05: {worst}; 2 contacts, gap 1.2 %"
    manifest["scenario"]["end"] = "2028-01-02T12:00:00+00:00"
    assert " 2027-03-29..2028-01-02: " in summary_line(Run({"contacts": contacts, "delivery": delivery}, manifest))


def test_verbose_tells_input_ages_and_stages_on_stderr(short_run):
    _, done = short_run
    assert re.search(r"Earth orientation +astropy-iers-data +\d{4}-", done.stderr)
    for stage in ("passes", "budget", "keys", "plan", "relay", "report", "all"):
        assert re.search(rf"^ +{stage} +\d+\.\d\d s$", done.stderr, re.MULTILINE), stage
    assert "Earth orientation" not in done.stdout


def test_the_manifest_holds_the_ages_of_the_inputs(short_run):
    manifest = json.loads((short_run[0] / "run.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    ages = {row["kind"]: row for row in manifest["input_ages"]}
    assert set(ages) == {"design", "earth_orientation", "climatology", "aerosol", "shipped"}
    assert ages["design"]["age_day"] is None
    assert ages["shipped"]["state"] == "as shipped"
    assert not any(row["stale"] for row in ages.values())


@pytest.mark.usefixtures("blank", "studies_once")
def test_a_run_with_trials_reports_the_band(parsed, short, tmp_path):
    document = parsed("run", short(), "--out", tmp_path / "run", "--trials", "20")
    assert re.fullmatch(SUMMARY, document["summary"])
    assert document["simulation"]["trials"] == 20
    assert document["simulation"]["space_exceeded_90pct_bit"] <= document["simulation"]["space_exceeded_10pct_bit"]
    assert {"report.html", "run.json", "contacts.csv"} <= set(document["files"])
    assert len(document["contacts"]) == document["counts"]["contacts"]
    assert {d["demand"] for d in document["demands"]} == set(document["simulation"]["demands"])
    for name, found in document["simulation"]["demands"].items():
        (bound,) = (d["delivered_bit"] for d in document["demands"] if d["demand"] == name)
        assert found["all_in_exceeded_90pct_bit"] <= found["all_in_exceeded_10pct_bit"] <= found["asked_bit"] + 1
        assert 0 <= found["all_in_mean_bit"] <= found["asked_bit"] + 1
        assert name.startswith("government") or found["all_in_mean_bit"] <= bound + 1
    assert document["input_ages"][0]["kind"] == "design"
    assert document["unproven_links"] == ["EAGLE1-LIKE"]
    assert "Link unproven: the losses of EAGLE1-LIKE" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert any("20 trials" in warning for warning in document["warnings"])
    assert "Over 20 sampled worlds" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert load_run(tmp_path / "run").manifest["simulation"] == document["simulation"]


@pytest.mark.usefixtures("studies_once")
def test_a_public_run_says_nothing_of_its_inputs(eqci, short, tmp_path):
    done = eqci("run", short(), "--out", tmp_path / "run", "--release", "public", "--trials", "0")
    assert done.exit_code == 0, done.stderr
    assert re.fullmatch(BOUND, done.stdout.splitlines()[0])
    manifest = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert not {"input_ages", "elements"} & set(manifest)
    assert not (tmp_path / "run" / "routes.parquet").exists()
    done = eqci("explain", tmp_path / "run", "government Berlin-Warsaw")
    assert done.exit_code == 2
    assert "give the internal run" in done.stderr


@pytest.mark.usefixtures("studies_once")
def test_the_document_of_a_public_run_holds_no_more_than_its_files(parsed, short, tmp_path):
    document = parsed("run", short(), "--out", tmp_path / "run", "--release", "public", "--trials", "10")
    assert document["contacts"]
    assert all(row["start"].endswith(":00Z") and row["end"].endswith(":00Z") for row in document["contacts"])
    assert not any(row.get(name) for row in document["contacts"] for name in ("reason", "window_id", "candidate_id"))
    assert not {"input_ages", "wall_s"} & set(document)
    assert "seed" not in document["simulation"]
    assert load_run(tmp_path / "run").manifest["simulation"] == document["simulation"]


@pytest.mark.usefixtures("blank", "studies_once")
def test_report_writes_the_report_alone(eqci, short, short_run, tmp_path):
    done = eqci("report", short(), "--out", tmp_path / "week.html", "--previous", short_run[0], "--trials", "0")
    assert (done.exit_code, done.stdout) == (0, f"report: {tmp_path / 'week.html'}\n")
    text = (tmp_path / "week.html").read_text(encoding="utf-8")
    assert "QUANT-GPICz" in text
    assert "Of the contacts of run and of this run" in text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["edited.toml", "week.html"]
    assert eqci("report", short(), "--out", tmp_path / "week.pdf").exit_code == 2


@pytest.mark.usefixtures("blank")
def test_a_run_in_chunks_is_the_run(eqci, short, short_run, tmp_path):
    done = eqci("run", short(), "--out", tmp_path / "run", "--resume", "--trials", "20")
    assert done.stdout.splitlines()[0] == short_run[1].stdout.splitlines()[0]
    assert not (tmp_path / ".run-batch").exists()


def without_satellite(text):
    head, tail = text.split("[[satellite]]")
    return head + tail[tail.index("[stations]") :]


def test_fibre_alone_is_a_valid_plan(eqci, short, tmp_path):
    path = short()
    path.write_text(without_satellite(path.read_text(encoding="utf-8")), encoding="utf-8")
    done = eqci("run", path, "--out", tmp_path / "out", "--trials", "10", "-q")
    assert (done.exit_code, done.stderr) == (0, "")  # quiet: not even the warning that ten worlds are few
    assert "; 0 contacts, gap 0.0 %" in done.stdout
    assert "of 10 worlds exceeds" in done.stdout
    assert re.search(
        r"  data centres \S+: .+ mean, in 9 of 10 days at least .+, of .+; of expected key .+", done.stdout
    )
    assert "no satellite" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("blank")
def test_station_at_the_pole_works(eqci, short, tmp_path):
    pole = (
        "aperture_diameter_m = { value = 0.6",
        "latitude_deg = { value = 90, source = 'test' }\naperture_diameter_m = { value = 0.6",
    )
    done = eqci("run", short(pole), "--out", tmp_path / "out", "--trials", "0")
    assert done.exit_code == 0, done.stderr
    passes = load_run(tmp_path / "out").passes
    assert (passes["ogs"] == "PQSAT").sum() > 14  # every revolution passes the pole


def test_a_run_in_processes_writes_the_same_bytes(eqci, short, tmp_path):
    """All files but those that hold the times the stages took."""
    path = short()
    for folder, jobs in (("one", 1), ("two", 2)):
        done = eqci("run", path, "--out", tmp_path / folder, "--jobs", jobs, "--trials", "0")
        assert done.exit_code == 0, done.stderr
    files = sorted(f.relative_to(tmp_path / "one") for f in (tmp_path / "one").rglob("*") if f.is_file())
    assert len(files) > 20
    differing = [
        str(f) for f in files
        if f.name != "run.json" and (tmp_path / "one" / f).read_bytes() != (tmp_path / "two" / f).read_bytes()
    ]  # fmt: skip
    assert differing == []


@pytest.mark.usefixtures("blank", "studies_once")
def test_a_run_says_what_stands_in_the_way_of_a_demand(parsed, eqci, cut_off, tmp_path):
    done = eqci("run", cut_off, "--out", tmp_path / "run", "--trials", "0")
    words = "  cut off: 0 bit of 2.56 kbit; no path: max_nodes=1 (the fewest are 12: ASC, WUE, "
    assert words in done.stdout
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "no path: max_nodes=1 (the fewest are 12: ASC, WUE, " in page
    document = parsed("run", cut_off, "--out", tmp_path / "public", "--release", "public", "--trials", "0")
    assert document["unreachable_demands"][-1] == "cut off"
    assert "unreachable_reasons" not in document
