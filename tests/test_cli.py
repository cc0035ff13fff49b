"""The command line as a user types it: output, exit codes, and no half-written results."""

import subprocess
import sys
import time

import pandas as pd
import pytest

from eqci_space.report.run_io import load_run


def eqci(*arguments, cwd=None):
    command = [sys.executable, "-m", "eqci_space.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def test_help_is_quick_and_names_the_commands():
    fastest = 9.9
    for _ in range(3):
        begin = time.perf_counter()
        done = eqci("--help")
        fastest = min(fastest, time.perf_counter() - begin)
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("run", "check", "schema", "passes", "doctor"))
    assert fastest < 1.0


def test_the_headline_counts_planned_contacts_and_not_their_backups(tmp_path):
    done = eqci("run", "quant-gpicz", "--out", str(tmp_path / "run"), "--quiet")
    assert done.returncode == 0
    contacts = pd.read_parquet(tmp_path / "run" / "contacts.parquet")
    planned = contacts[contacts["status"] == "planned"]
    assert 0 < len(planned) < len(contacts)
    expected = planned["expected_skl_bit"].sum() / 1e6
    assert f"{len(planned)} contacts, {expected:.2f} Mbit expected from space" in done.stdout


def test_check_lists_what_is_assumed():
    done = eqci("check", "quant-gpicz")
    assert done.returncode == 0
    assert "QUANT-GPICz: valid; 1 satellites, 5 stations, 10 demands, 7 days" in done.stdout
    assert "assumed: satellite.0.orbit.ltan_h = 22.5" in done.stdout


def test_schema_and_doctor():
    assert '"title": "eqci_space scenario"' in eqci("schema").stdout
    doctor = eqci("doctor")
    assert doctor.returncode == 0
    assert "all checksums right" in doctor.stdout
    assert "as published" in doctor.stdout


def test_passes_go_to_stdout_as_csv_only():
    done = eqci("passes", "quant-gpicz")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("pass_id,satellite,ogs,aos,tca,los")
    assert len(lines) == 92
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("reach_db =", "raech_db ="), "fiber.raech_db: unknown key; did you mean 'reach_db'"),
        (("start = 2027-03-01T12:00:00Z", "start = 2027-03-01T12:00:00"), "has no time zone"),
        (("end = 2027-03-08T12:00:00Z", "end = 2027-02-08T12:00:00Z"), "is not after start"),
        (("aperture_diameter_m = { value = 0.6", "latitude_deg = { value = 91"), "station.PQSAT.latitude_deg"),
        (('node = { value = "WAW"', 'node = { value = "WAX"'), "unknown node 'WAX'"),
    ],
)
def test_bad_input_ends_with_two_and_leaves_no_output(edited, tmp_path, change, message):
    done = eqci("run", edited(change), "--out", tmp_path / "out")
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_broken_elements_end_with_two(edited, tmp_path):
    line1 = "1 99001U 27999A   27001.00000000  .00000000  00000-0  10000-4 0    04"  # the checksum is 3
    line2 = "2 99001  97.4020  77.9279 0001000   0.0000   0.0000 15.21937835    09"
    (tmp_path / "mine.tle").write_text(f"EAGLE1-LIKE\n{line1}\n{line2}\n", encoding="utf-8")
    text = edited().read_text(encoding="utf-8")
    head, tail = text.split("[satellite.orbit]")
    text = head + 'elements = "mine.tle"\n\n' + tail[tail.index("[stations]") :]
    (tmp_path / "edited.toml").write_text(text, encoding="utf-8")
    done = eqci("run", tmp_path / "edited.toml", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "mine.tle line 2: checksum of line 1 is 4; computed 3" in done.stderr
    assert not (tmp_path / "out").exists()


def without_satellite(text: str) -> str:
    head, tail = text.split("[[satellite]]")
    return head + tail[tail.index("[stations]") :]


def test_fibre_alone_is_a_valid_plan(edited, tmp_path):
    path = edited()
    path.write_text(without_satellite(path.read_text(encoding="utf-8")), encoding="utf-8")
    done = eqci("run", path, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "no satellite" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_no_pass_is_said_and_fails_only_on_request(edited, tmp_path):
    short = ("end = 2027-03-08T12:00:00Z", "end = 2027-03-01T12:20:00Z")
    high = ("min_elevation_deg = { value = 20", "min_elevation_deg = { value = 89.9")
    path = edited(short, high)
    done = eqci("run", path, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "no pass in the period" in done.stderr
    assert eqci("run", path, "--out", tmp_path / "out", "--fail-on-empty").returncode == 3
    assert eqci("passes", path, "--fail-on-empty").returncode == 3


def test_station_at_the_pole_works(edited, tmp_path):
    pole = (
        "aperture_diameter_m = { value = 0.6",
        "latitude_deg = { value = 90, source = 'test' }\naperture_diameter_m = { value = 0.6",
    )
    done = eqci("run", edited(pole), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    passes = load_run(tmp_path / "out").passes
    assert (passes["ogs"] == "PQSAT").sum() > 14 * 7  # every revolution passes the pole


def test_unknown_scenario_and_unwritable_target(tmp_path):
    done = eqci("run", "quant-gpcz", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "did you mean 'quant-gpicz'" in done.stderr
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert eqci("run", "quant-gpicz", "--out", tmp_path / "file").returncode == 2
