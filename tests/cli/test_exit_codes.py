"""Exit codes, and that nothing half-written stays behind."""

import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from eqci_space.data import data_root
from eqci_space.errors import InfeasibleError
from eqci_space.orbits.earth import orientation_end

TWO_STATIONS = ('use = ["DLR-OP", "DLR-TRAUEN", "GRAZ", "PQSAT", "ONDREJOV"]', 'use = ["DLR-OP", "PQSAT"]')


def words(text):
    """Text without the frame that usage errors are drawn in."""
    return " ".join(text.replace("│", " ").split())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("reach_db =", "raech_db ="), "fiber.raech_db: unknown key; did you mean 'reach_db'"),
        (("start = 2027-03-01T12:00:00Z", "start = 2027-03-01T12:00:00"), "has no time zone"),
        (("end = 2027-03-02T12:00:00Z", "end = 2027-02-08T12:00:00Z"), "is not after start"),
        (("aperture_diameter_m = { value = 0.6", "latitude_deg = { value = 91"), "station.PQSAT.latitude_deg"),
        (('node = { value = "WAW"', 'node = { value = "WAX"'), "unknown node 'WAX'"),
    ],
)
def test_bad_input_ends_with_two_and_leaves_no_output(eqci, short, tmp_path, change, message):
    done = eqci("run", short(change), "--out", tmp_path / "out", "--trials", "0")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "out").exists()


def test_check_lists_problems_in_json_too(parsed, short):
    document = parsed("check", short(("reach_db =", "raech_db =")), exit_code=2)
    assert document["valid"] is False
    assert document["problems"][0]["path"] == "fiber.raech_db"


def test_broken_elements_end_with_two(eqci, with_elements, tmp_path):
    path = with_elements(name="mine.tle")
    line1 = "1 99001U 27999A   27001.00000000  .00000000  00000-0  10000-4 0    04"  # the checksum is 3
    line2 = "2 99001  97.4020  77.9279 0001000   0.0000   0.0000 15.21937835    09"
    (tmp_path / "mine.tle").write_text(f"EAGLE1-LIKE\n{line1}\n{line2}\n", encoding="utf-8")
    done = eqci("run", path, "--out", tmp_path / "out", "--trials", "0")
    assert done.exit_code == 2
    assert "mine.tle line 2: checksum of line 1 is 4; computed 3" in done.stderr
    assert not (tmp_path / "out").exists()


def test_usage_errors_end_with_two(eqci, short, tmp_path):
    assert eqci("run", "quant-gpicz").exit_code == 2
    assert eqci("nonsense").exit_code == 2
    assert "did you mean 'quant-gpicz'" in eqci("check", "quant-gpcz").stderr
    done = eqci("run", short(), "--out", tmp_path / "out", "--trials", "5")
    assert (done.exit_code, "expected 0 or at least 10" in words(done.stderr)) == (2, True)


def test_a_target_that_cannot_be_written_is_refused_before_any_work(eqci, short, tmp_path, monkeypatch):
    monkeypatch.setattr("eqci_space.study.find_passes", lambda *_: pytest.fail("work was begun"))
    (tmp_path / "file").write_text("x", encoding="utf-8")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("x", encoding="utf-8")
    for target in ("file", "mine", "file/run"):
        done = eqci("run", short(), "--out", tmp_path / target, "--trials", "0")
        assert (done.exit_code, done.stdout) == (2, ""), done.exception
        assert done.stderr.startswith("error: write_directory: ")
    done = eqci("run", short(), "--out", tmp_path / "out", "--previous", tmp_path / "mine", "--trials", "0")
    assert (done.exit_code, f"no run.json in '{tmp_path / 'mine'}'" in done.stderr) == (2, True)


def test_a_file_that_cannot_be_written_is_named(eqci, tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    done = eqci("init", tmp_path / "file" / "mine.toml")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: '{tmp_path / 'file'}")


def test_an_internal_error_is_one_line_and_a_traceback_when_asked_for(eqci, short, monkeypatch):
    def fails(scenario):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("eqci_space.orbits.passes.find_passes", fails)
    path = short()
    for flags in ([], ["-q"]):
        done = eqci("passes", path, *flags)
        assert (done.exit_code, done.stdout) == (1, "")
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("error: internal: ZeroDivisionError: a bug at test_exit_codes.py:")
    done = eqci("passes", path, "-v")
    assert done.exit_code == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: internal: ZeroDivisionError")


def test_nothing_feasible_ends_with_three(eqci, short, monkeypatch):
    def infeasible(scenario):
        raise InfeasibleError("no plan")

    monkeypatch.setattr("eqci_space.orbits.passes.find_passes", infeasible)
    done = eqci("passes", short())
    assert (done.exit_code, done.stderr) == (3, "error: no plan\n")


def test_no_pass_is_said_and_fails_only_on_request(eqci, short, tmp_path):
    high = ("min_elevation_deg = { value = 20", "min_elevation_deg = { value = 89.9")
    path = short(high)
    done = eqci("run", path, "--out", tmp_path / "out", "--fail-on-empty", "--trials", "0")
    assert done.exit_code == 3
    assert "no pass in the period" in done.stderr
    assert (tmp_path / "out" / "run.json").is_file()
    for stage in ("passes", "windows"):
        assert eqci(stage, path).exit_code == 0
        assert eqci(stage, path, "--fail-on-empty").exit_code == 3


def test_stale_elements_warn_and_are_refused_under_strict_data(eqci, parsed, with_elements, tmp_path):
    fresh = with_elements()
    assert eqci("check", fresh, "--strict-data").exit_code == 0
    ages = {row["kind"]: row for row in parsed("check", fresh)["input_ages"]}
    assert ages["elements"]["age_day"] == 0.5
    assert ages["elements"]["date"] == "2027-03-01T00:00Z"
    stale = with_elements(datetime(2027, 2, 1, tzinfo=UTC))
    done = eqci("check", stale)
    assert done.exit_code == 0
    assert "warning: elements of EAGLE1-LIKE: elements of " in done.stderr
    assert "29.5 days from the period (limit 14)" in done.stderr
    assert eqci("check", stale, "-q").stderr == ""
    assert parsed("check", stale)["warnings"]
    for call in (("check", stale), ("run", stale, "--out", tmp_path / "out"), ("data", "status", "--scenario", stale)):
        done = eqci(*call, "--strict-data")
        assert done.exit_code == 4
        assert "error: --strict-data: elements of EAGLE1-LIKE" in done.stderr
    assert not (tmp_path / "out").exists()


def test_earth_orientation_that_ends_too_early_is_refused_under_strict_data(eqci, short):
    day = orientation_end().date() + timedelta(days=30)
    path = short()
    text = path.read_text(encoding="utf-8").replace("2027-03-01T12", f"{day}T12")
    path.write_text(text.replace("2027-03-02T12", f"{day + timedelta(days=1)}T12"), encoding="utf-8")
    assert eqci("check", path).exit_code == 0
    done = eqci("check", path, "--strict-data")
    assert done.exit_code == 4
    assert "Earth orientation: ends" in done.stderr


def test_a_missing_file_is_invalid_and_under_strict_data_missing_data(eqci, short, with_elements, tmp_path):
    recorded = ('model = "climatology"', 'model = "record"\nfile = "clouds.csv"')
    for write, message in (
        (lambda: short(recorded), "clouds.csv"),
        (lambda: with_elements(name="gone.omm"), "gone.omm"),
    ):
        path = write()
        for strict, code in (([], 2), (["--strict-data"], 4)):
            done = eqci("run", path, "--out", tmp_path / "out", *strict, "--trials", "0")
            assert (done.exit_code, f"no file '{message}'" in done.stderr) == (code, True), done.stderr
    wrong_too = short(recorded, ("reach_db =", "raech_db ="))
    assert eqci("check", wrong_too, "--strict-data").exit_code == 2


@pytest.mark.parametrize(("damage", "state"), [("append", "changed"), ("remove", "missing")])
def test_shipped_data_that_changed_is_refused_under_strict_data(
    eqci, parsed, short, tmp_path, monkeypatch, damage, state
):
    copy = tmp_path / "data"
    shutil.copytree(data_root(), copy)
    damaged = copy / "weather" / "ecad_droughts.csv"
    if damage == "append":
        damaged.write_text(damaged.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    else:
        damaged.unlink()
    monkeypatch.setattr("eqci_space.data.data_root", lambda: copy)
    path = short()
    assert eqci("check", path).exit_code == 0
    done = eqci("check", path, "--strict-data")
    assert done.exit_code == 4
    assert f"shipped data: weather/ecad_droughts.csv {state}" in done.stderr
    done = eqci("data", "status", "--strict-data")
    assert done.exit_code == 4
    assert "weather/ecad_droughts.csv" in done.stderr
    files = {row["file"]: row["state"] for row in parsed("data", "status")["files"]}
    assert [file for file, found in files.items() if found != "as shipped"] == ["weather/ecad_droughts.csv"]
    assert parsed("doctor", exit_code=1)["data"]["changed"] == ["weather/ecad_droughts.csv"]


@pytest.mark.usefixtures("hears_interrupts")
def test_an_interrupt_ends_with_130_and_keeps_finished_chunks(edited, tmp_path):
    path = edited(("end = 2027-03-08T12:00:00Z", "end = 2027-06-08T12:00:00Z"), TWO_STATIONS)
    command = [sys.executable, "-m", "eqci_space.cli", "run", str(path), "--out", str(tmp_path / "out"), "--resume"]
    kept = tmp_path / ".out-batch" / ".chunks"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        limit = time.monotonic() + 120
        while not list(kept.glob("[!.]*.json")):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < limit
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stdout == ""
    assert stderr.splitlines()[-1] == "interrupted"
    assert "--resume goes on from them" in stderr
    assert list(kept.glob("[!.]*.json"))
    assert not (tmp_path / "out").exists()
