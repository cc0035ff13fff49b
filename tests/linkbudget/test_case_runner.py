"""The runner of the reference tables itself: it judges rows it has never seen, and nothing slips past it."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COLUMNS = ("id", "quantity", "inputs", "expected", "unit", "rel_tol", "source")
# By hand: 20 lg(15e-6 · 8e5/0.6) = 26.0206 dB.
DISC = {"divergence_full_angle_rad": 15e-6, "range_m": 8e5, "aperture_diameter_m": 0.6}
TILT = {"wavelength_m": 1.0e-6, "aperture_diameter_m": 0.5, "fried_parameter_m": 0.1}  # √(0.182 · 5^(5/3)) · 2 µrad


def judged(folder):
    """Exit code and verdict of every row."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/cases", "--cases-dir", str(folder), "-q", "-rA", "--tb=no",
         "-n0", "-p", "no:cacheprovider"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    verdicts = {}
    for line in done.stdout.splitlines():
        word, _, rest = line.partition(" ")
        if word in ("PASSED", "FAILED"):
            verdicts[rest.split("[", 1)[1].split("]", 1)[0]] = word
    return done.returncode, verdicts


def write(path, rows, columns=COLUMNS):
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(columns)
        table.writerows(rows)


def row(name, quantity, inputs, expected, tolerance="1e-6"):
    return (name, quantity, json.dumps(inputs), expected, "1", tolerance, "by hand")


def test_unseen_rows_are_judged_and_wrong_or_unknown_ones_fail(tmp_path):
    write(tmp_path / "linkbudget.csv", [
        row("new", "uniform_disc_loss", DISC, "26.0206000"),
        row("tilt", "tilt_jitter_z_one_axis", TILT, "3.262426e-6", "1e-5"),
        row("wrong", "uniform_disc_loss", DISC, "26.0216000"),
        row("other-input", "uniform_disc_loss", DISC | {"range_m": 9e5}, "26.0206000"),
        row("unknown", "moon_cheese", DISC, "1.0"),
        row("argument", "uniform_disc_loss", {"range_m": 8e5}, "26.0206000"),
        row("no-number", "uniform_disc_loss", DISC, "many"),
        row("reported", "published_micius_link_loss", {"range_m": 1e6}, "34.42"),
    ])  # fmt: skip
    write(tmp_path / "moons.csv", [("1", "2")], ("id", "x"))
    write(tmp_path / "aggregation_gain.csv", [], ("n_pass",))
    code, verdicts = judged(tmp_path)
    assert code == 1
    passed = {name for name, word in verdicts.items() if word == "PASSED"}
    assert passed == {"linkbudget-new", "linkbudget-tilt", "linkbudget-reported"}
    failed = {f"linkbudget-{name}" for name in ("wrong", "other-input", "unknown", "argument", "no-number")}
    assert set(verdicts) - passed == failed | {"moons-1", "aggregation_gain-empty"}


@pytest.mark.parametrize("folder", ["empty", "missing"])
def test_nothing_to_judge_is_a_failure(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    code, verdicts = judged(tmp_path / folder)
    assert code == 1
    assert list(verdicts.values()) == ["FAILED"]
