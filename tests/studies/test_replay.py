"""Passes that flew: geometry against Skyfield, the chain end to end, skill on rows held back, and logs with errors."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import eqci_space as eq
from eqci_space.cli import app
from eqci_space.data import data_path
from eqci_space.errors import BadRecordWarning, DataError
from eqci_space.linkbudget.link import pointing_jitter_rad
from eqci_space.orbits.elements_io import write_omm
from eqci_space.report.plots.flown import save_flown
from eqci_space.scenario import load_scenario
from eqci_space.scenario.proven import unproven_links, unproven_sentence
from eqci_space.studies.flown_io import read_flown_passes
from eqci_space.studies.replay import replay_passes, skill_sentences

SHIPPED = data_path("flown", "micius.csv")
# Culmination, greatest elevation [deg], smallest range [km] and seconds below 1200 km, by Skyfield 1.55 from the same
# element sets.
SKYFIELD = {
    "F01": ("2016-09-22T18:29:08", 67.36, 527.3, 291), "F02": ("2016-09-29T17:36:10", 54.25, 591.8, 282),
    "F03": ("2016-10-08T15:57:50", 28.68, 930.3, 206), "F04": ("2016-10-09T17:10:15", 28.88, 927.0, 206),
    "F05": ("2016-12-19T16:52:13", 47.83, 645.3, 273), "F06": ("2017-01-03T16:10:46", 43.44, 685.0, 267),
    "F07": ("2017-01-06T16:39:53", 71.65, 513.8, 292), "F08": ("2017-01-12T16:04:27", 35.83, 788.0, 246),
    "F09": ("2017-02-12T19:00:05", 44.47, 696.1, 264), "F10": ("2017-02-13T18:38:35", 85.65, 507.1, 295),
    "F11": ("2017-02-20T19:14:51", 29.63, 930.0, 205), "F12": ("2017-03-07T18:32:18", 79.64, 511.4, 294),
    "F13": ("2017-04-19T18:38:58", 82.82, 492.1, 296), "F14": ("2017-05-06T18:45:08", 68.2, 530.6, 290),
    "F15": ("2017-05-10T18:52:01", 54.82, 598.4, 281), "F16": ("2017-05-13T16:12:59", 49.48, 641.8, 275),
    "F17": ("2017-05-16T16:41:33", 65.24, 548.6, 288), "F18": ("2017-05-18T15:58:09", 31.51, 883.3, 222),
    "F19": ("2017-05-21T18:00:43", 31.33, 887.6, 221),
}  # fmt: skip


@pytest.fixture(scope="module")
def micius():
    return load_scenario(data_path("flown", "micius.toml"))


@pytest.fixture(scope="module")
def shipped(micius):
    return eq.replay_passes(eq.read_flown_passes(SHIPPED), micius)


@pytest.fixture(scope="module")
def rows():
    with SHIPPED.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def log(tmp_path, rows):
    """A log made of shipped rows with other cells."""

    def write(*changed, name="log.csv"):
        path = tmp_path / name
        with path.open("w", encoding="utf-8", newline="") as stream:
            columns = dict.fromkeys([*rows[0], *(k for c in changed for k in c)])
            writer = csv.DictWriter(stream, list(columns))
            writer.writeheader()
            for i, change in enumerate(changed):
                writer.writerow(rows[i % len(rows)] | change)
        return path

    return write


def test_geometry_of_all_passes_is_skyfields(shipped):
    assert list(shipped.passes.index) == list(SKYFIELD)
    for name, (culmination, elevation_deg, range_km, seconds) in SKYFIELD.items():
        row = shipped.passes.loc[name]
        assert abs((row.culmination - pd.Timestamp(f"{culmination}Z")).total_seconds()) < 1.0
        assert row.max_elevation_deg == pytest.approx(elevation_deg, abs=0.02)
        assert row.min_range_m / 1e3 == pytest.approx(range_km, abs=0.2)
        assert row.seconds == pytest.approx(seconds, abs=2.0)
        assert abs(row.off_s) < 1.0


def test_the_pass_of_2016_is_given_end_to_end(shipped):
    # Liao et al. 2017: 1,671,072 bits sifted and 300,939 bits of key (recalled).
    row = shipped.passes.loc["F05"]
    assert row.predicted_sifted_bit == pytest.approx(1_671_072, rel=0.25)
    assert 1 / 1.6 < row.predicted_key_bit / 300_939 < 1.6
    assert row.key_low_bit < 300_939 < row.key_high_bit
    assert row.sifted_off_db == pytest.approx(10 * np.log10(row.predicted_sifted_bit / 1_671_072))


def test_recalled_and_assumed_figures_never_count(shipped):
    assert not shipped.passes["counts"].any()
    assert shipped.passes["counts_qber"].sum() == 15
    assert set(shipped.passes[~shipped.passes["counts_qber"]]["qber"]) == {0.0139}
    assert np.isnan(shipped.skill["bias_db"])
    assert shipped.skill["qber_rms"] > shipped.skill["qber_rms_constant"]
    assert "no skill is shown" in skill_sentences(shipped)[-1]


def test_losses_digitised_from_the_flight_are_met_within_two_decibel():
    with data_path("flown", "micius_losses.csv").open(encoding="utf-8", newline="") as stream:
        stated = {float(r["range_km"]): float(r["loss_db"]) for r in csv.DictReader(stream)}
    scenario = load_scenario(data_path("flown", "micius.toml"))
    (flown,) = [p for p in read_flown_passes(SHIPPED) if p.id == "F05"]
    from eqci_space.studies import replay as module

    orbit, found = module._geometry(flown, scenario)
    window = pd.DataFrame(
        {"pass_id": ["F05"], "satellite": ["MICIUS"], "ogs": ["XINGLONG"],
         "start": [pd.Timestamp("2016-12-19T16:49:56Z")], "end": [pd.Timestamp("2016-12-19T16:52:14Z")],
         "truncated": [False]}, index=pd.Index(["F05"], name="window_id"),
    )  # fmt: skip
    budget = eq.link_budget(eq.sample_windows(window, scenario, orbits={"MICIUS": orbit}), scenario)
    without = budget["total_loss_db"] - budget["detector_loss_db"] - budget["gate_loss_db"]
    off = [np.interp(-1e3 * r, -budget["range_m"], without) - loss for r, loss in stated.items()]
    assert np.sqrt(np.mean(np.square(off))) < 2.0
    assert len(off) == 6
    assert found is not None


def test_jitter_grows_with_the_zenith_angle(micius):
    jitter = pointing_jitter_rad(micius.satellites[0].terminal, np.array([90.0, 45.0, 0.0]))
    assert jitter == pytest.approx(np.array([[1.17] * 2, [1.835] * 2, [2.5] * 2]) * 1e-6)


def test_a_bias_is_found_on_half_and_taken_off_the_other(log, micius, shipped, rows):
    # Counts made from the prediction, 1.5 dB too low, with 0.3 dB of noise from row to row.
    noise_db = 0.3 * np.random.default_rng(5).standard_normal(len(rows))
    made = []
    for row, extra in zip(rows, noise_db, strict=True):
        known = shipped.passes.loc[row["id"]]
        factor = 10 ** (-(1.5 + extra) / 10)
        made.append({"sifted_bit": known.predicted_sifted_bit * factor, "key_bit": known.predicted_key_bit * factor,
                     "grade": "measured"})  # fmt: skip
    replay = replay_passes(read_flown_passes(log(*made)), micius)
    assert replay.passes["counts"].all()
    assert replay.passes["held_back"].sum() == 9
    fitted, held = noise_db[::2], noise_db[1::2]
    assert replay.skill["bias_db"] == pytest.approx(1.5 + fitted.mean(), abs=1e-6)
    assert replay.skill["held_back_median_db"] == pytest.approx(np.median(np.abs(held - fitted.mean())), abs=1e-6)
    assert (replay.skill["within_factor_1_5"], replay.skill["in_band"], replay.skill["key_rows"]) == (9, 9, 9)
    assert f"bias {replay.skill['bias_db']:+.2f} dB, fitted on 10 rows" in skill_sentences(replay)[1]


def test_elements_may_come_as_omm_beside_the_table(log, micius, shipped, tmp_path):
    flown = read_flown_passes(SHIPPED)
    write_omm([p.elements.model_copy(update={"name": "MICIUS"}) for p in flown[:3]], tmp_path / "night.json")
    plain = {"line1": "", "line2": "", "elements": "night.json", "object_name": "MICIUS"}
    replay = replay_passes(read_flown_passes(log({}, plain | {"catalogue_number": 41731}, plain)), micius)
    assert replay.problems == ()
    for name in ("F01", "F02", "F03"):
        assert replay.passes.loc[name, "culmination"] == shipped.passes.loc[name, "culmination"]


def test_an_exchange_may_be_stated_by_its_times(log, micius, shipped):
    stated = {"max_range_km": "", "start_utc": "2016-09-22T18:28:00Z", "end_utc": "2016-09-22T18:30:00Z"}
    row = replay_passes(read_flown_passes(log(stated)), micius).passes.iloc[0]
    assert row.seconds == 120.0
    assert row.predicted_sifted_bit < shipped.passes.loc["F01", "predicted_sifted_bit"]
    whole = replay_passes(read_flown_passes(log({"max_range_km": ""})), micius).passes.iloc[0]
    assert whole.seconds == pytest.approx((whole.los - whole.aos).total_seconds())


def test_a_free_protocol_is_optimised(log, micius):
    free = micius.model_copy(update={"protocol": type(micius.protocol)()})
    fixed, best = (
        replay_passes(read_flown_passes(log({"key_bases": "one"})), s).passes.iloc[0] for s in (micius, free)
    )
    assert best.predicted_key_bit > fixed.predicted_key_bit > 0


WRONG = {
    "no elements": ({"line1": ""}, "has no element set; give line1 and line2"),
    "old elements": ({"culmination_utc": "2016-09-29T18:29:08Z"}, r"6\.9 days from the pass; expected at most 3"),
    "percent": ({"qber": "1.4"}, r"qber 1\.4; expected 0 to 0\.5, as a fraction"),
    "key above sifted": ({"sifted_bit": "1e5", "key_bit": "2e5"}, "key_bit 200000 above sifted_bit 100000"),
    "negative": ({"sifted_bit": "-1"}, "sifted_bit -1; expected at least 0"),
    "no zone": ({"culmination_utc": "2016-09-22T18:29:08"}, "has no time zone; write .*Z for UTC"),
    "no time": ({"culmination_utc": "soon"}, "culmination_utc 'soon'; expected a time"),
    "word": ({"key_bit": "many"}, "key_bit 'many'; expected a number"),
    "grade": ({"grade": "good"}, "grade 'good'; expected measured, published"),
    "bases": ({"key_bases": "three"}, "key_bases 'three'; expected one, both"),
    "checksum": ({"line2": "2 41731  97.3660 181.9185 0014904 125.7922 319.2797 15.23497871  5807"}, "checksum"),
    "one end": ({"start_utc": "2016-09-22T18:28:00Z"}, "start_utc and end_utc go together"),
    "missing": ({"station": ""}, "lacks station"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_row_is_named_and_the_rest_is_judged(log, change, message):
    path = log(change, {})
    with pytest.warns(BadRecordWarning) as warned:
        passes = read_flown_passes(path)
    problem = str(warned[0].message)
    assert [p.id for p in passes] == ["F02"]
    assert problem.startswith("log.csv line 2 ('F01'): ")
    assert re.search(message, problem), problem
    result = CliRunner().invoke(app, ["validate", str(path)])
    assert result.exit_code == 0
    assert "1 passes replayed" in result.stdout
    assert "this row is left out" in result.stderr


UNFIT = {
    "station": ({"station": "XINGLON"}, "no station 'XINGLON'; did you mean 'XINGLONG'"),
    "no pass": ({"culmination_utc": "2016-09-22T13:29:08Z"}, "no pass over NANSHAN within 40 min"),
    "far": ({"max_range_km": "400"}, "its range never falls below 400 km"),
    "outside": ({"start_utc": "2016-09-22T17:00:00Z", "end_utc": "2016-09-22T17:05:00Z"}, "lies outside the pass"),
}


@pytest.mark.parametrize(("change", "message"), UNFIT.values(), ids=UNFIT.keys())
def test_a_row_that_no_pass_fits_is_named_and_the_rest_is_judged(log, micius, change, message):
    replay = replay_passes(read_flown_passes(log(change, {})), micius)
    assert list(replay.passes.index) == ["F02"]
    assert message in replay.problems[0]
    with pytest.raises(DataError, match="no pass can be judged"):
        replay_passes(read_flown_passes(log(change)), micius)


def test_the_command_says_what_counts_before_anything_is_fitted(tmp_path):
    picture = tmp_path / "flown.png"
    result = CliRunner().invoke(app, ["validate", "--out", str(picture)])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[1].startswith("19 passes replayed; 0 count for sifted bits and key, 15 for QBER")
    assert any(line.startswith("F05") and "1671" in line for line in lines)
    assert picture.stat().st_size > 10_000
    document = json.loads(CliRunner().invoke(app, ["validate", "--json"]).stdout)
    assert document["command"] == "validate"
    assert len(document["rows"]) == 19
    assert document["skill"]["bias_db"] is None


def test_the_picture_is_the_same_for_the_same_passes(shipped, tmp_path):
    for name in ("a.png", "b.png"):
        save_flown(shipped, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    axes = eq.plot.flown_passes(shipped)
    assert axes.get_xlabel().startswith("greatest elevation")


def test_a_link_that_has_not_flown_is_called_unproven(micius):
    shipped = load_scenario("quant-gpicz")
    assert unproven_links(shipped) == ["EAGLE1-LIKE"]
    assert unproven_links(micius) == []
    assert unproven_sentence([]) == ""
    assert unproven_sentence(unproven_links(shipped)).startswith(
        "link unproven: the losses of EAGLE1-LIKE are those of"
    )
    for scenario, says in (("quant-gpicz", True), (str(data_path("flown", "micius.toml")), False)):
        done = CliRunner().invoke(app, ["keys", scenario])
        assert done.exit_code == 0
        assert ("link unproven" in done.stderr) == says
