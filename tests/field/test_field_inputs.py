"""Inputs as people have them, each with the value that is right: planned, or refused with words that lead on.

The values come from other codes (Skyfield, sgp4), from the standards (RFC 5545, CCSDS 502.0-B-3) and by hand; the
files stand beside this one.
"""

from __future__ import annotations

import re
import warnings
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import eqci_space as eq
from eqci_space.cli import app
from eqci_space.errors import DataError, ElementsError, UnreadEventWarning
from eqci_space.fiber.network import build_network
from eqci_space.orbits.oem_io import interpolated_km, read_oem
from eqci_space.scenario.calendars_io import read_maintenance
from eqci_space.scenario.horizons_io import read_horizon_mask
from eqci_space.scenario.networks_io import read_network_rows

FIELD = Path(__file__).parent
ORBITS, NETWORKS, ROBUST = FIELD / "orbits-stations", FIELD / "network-weather", FIELD / "robustness"
MARCH = datetime(2027, 3, 1, 12, tzinfo=UTC), datetime(2027, 4, 8, 12, tzinfo=UTC)

pytestmark = pytest.mark.filterwarnings("ignore::eqci_space.errors.EqciWarning")


def said(path, command="check"):
    """Exit code and all that a command says, in one line."""
    done = CliRunner().invoke(app, [command, str(path)])
    return done.exit_code, " ".join(f"{done.stdout} {done.stderr}".split())


# ---------------------------------------------------------------- refused, by check as well

REFUSED = {
    "orbits-stations/wrong_object_name": r"no object 'QKDSAT-1'; the file has 1 object.*'NOAA 19'",
    "orbits-stations/shared_number": r"no object 'QD'; the file has 3 objects.*'QA'.*'QB'.*'QC'",
    "orbits-stations/sgp4_diverged": r"'Q' in sgp4_diverged\.tle: .*no orbit from 2025-02-27.* below 80 km.*newer",
    "orbits-stations/station_swapped": r"latitude and longitude are exchanged; write latitude_deg 48\.08",
    "orbits-stations/station_heights_disagree": r"differ by -2387\.56 m; expected -110 to 90.*in km: write metres",
    "orbits-stations/station_lon360": r"343\.49 counts from 0 to 360; .*write -16\.51",
    "orbits-stations/station_dms": r"'28 18 00 N' is no number; write decimal degrees.*28\.3 .*: -16\.51",
    "network-weather/country_spelling": r"line 9, country: of 'MIL': 'ch' is no country.*write 'CH'",
    "network-weather/extra_cells": r"line 9: 11 cells; expected 9.*decimal commas",
    "network-weather/forbidden_operator_typo": r"unknown operator 'Garr'; did you mean 'GARR'\?",
    "network-weather/loss_per_km": r"'TRN': .*write latitude_deg 45\.0703.*0\.0015 dB/km; no fibre is below .*31\.9",
    "network-weather/monthly_mean": r"a value every 744 h at 'DLR-OP': means.*cloud_fraction_by_month",
    "network-weather/node_is_satellite": r"'MAD' is the name of a node of the network too; rename one",
    "network-weather/trust_vocabulary": r"role: of 'TFN' is 'Station'.*'untrusted'.*'undersea'; expected terrestrial",
}


@pytest.mark.parametrize(("case", "message"), REFUSED.items(), ids=REFUSED.keys())
def test_what_cannot_be_right_is_refused_before_any_work(case, message):
    code, words = said(FIELD / f"{case}.toml")
    assert code == 2
    assert re.search(message, words), words
    assert "internal" not in words


# ---------------------------------------------------------------- orbits


def test_an_eccentricity_with_leading_blanks_is_that_of_sgp4():
    found = eq.find_passes(eq.load_scenario(ORBITS / "tle_blank_eccentricity_geo.toml"))
    (sets,) = eq.read_elements(ORBITS / "tle_blank_eccentricity_geo.tle")
    assert sets.eccentricity == 0.000026
    assert len(found) == 1
    assert found["max_elevation_deg"].iloc[0] == pytest.approx(11.53, abs=0.01)
    assert (found["los"] - found["aos"]).iloc[0] == pd.Timedelta(days=2)


def test_of_a_history_the_set_nearest_to_the_period_is_taken():
    found = eq.find_passes(eq.load_scenario(ORBITS / "history.toml"))
    assert found["aos"].dt.strftime("%H:%M:%S").tolist() == ["01:15:59", "12:42:16", "14:13:54", "15:49:50", "23:26:36"]
    assert found["max_elevation_deg"].round(1).tolist() == [50.0, 10.7, 82.4, 10.9, 13.0]


def test_a_gap_of_four_hours_holds_no_pass():
    # By the whole orbit three passes lie in it, 9:23 to 12:39, and none outside.
    code, words = said(ORBITS / "oem_gap.toml", "passes")
    assert code == 0
    assert "no states 2027-03-01T08:58:00Z to 2027-03-01T13:02:00Z; it has no passes then" in words
    assert eq.find_passes(eq.load_scenario(ORBITS / "oem_gap.toml")).empty


def test_two_segments_give_the_pass_over_their_join():
    (row,) = eq.find_passes(eq.load_scenario(ORBITS / "oem_two_segments.toml")).itertuples()
    assert (f"{row.aos:%H:%M:%S}", f"{row.los:%H:%M:%S}") == ("10:54:54", "11:02:17")
    assert row.max_elevation_deg == pytest.approx(82.2, abs=0.05)
    assert not row.truncated


def test_an_orbit_across_a_leap_second_is_right_to_a_metre():
    (segment,) = read_oem(ORBITS / "leap_tai_60s.oem")
    first = segment.states[0]
    radius, speed = np.linalg.norm(first[:3]), np.linalg.norm(first[3:])
    for utc, ahead in (("2016-12-31T23:57:30", 36), ("2016-12-31T23:59:50", 36), ("2017-01-01T00:00:10", 37),
                       ("2017-01-01T00:00:30", 37)):  # fmt: skip
        time = datetime.fromisoformat(f"{utc}+00:00")
        since_first = (time - datetime(2016, 12, 31, 23, 55, 36, tzinfo=UTC)).total_seconds() + ahead
        angle = speed / radius * since_first
        truth = np.cos(angle) * first[:3] + np.sin(angle) * first[3:] / speed * radius
        found = interpolated_km(segment, np.array([(time - segment.start).total_seconds()]))[0]
        assert np.linalg.norm(found - truth) < 1e-3, utc


@pytest.mark.parametrize(
    ("name", "frame", "start"),
    [
        ("oem_j2000.oem", "EME2000", datetime(2027, 3, 1, 10, 30, tzinfo=UTC)),
        ("oem_fortran.oem", "GCRF", datetime(2027, 3, 1, 10, 30, tzinfo=UTC)),
        ("oem.xml", "GCRF", datetime(2027, 3, 1, 10, 30, tzinfo=UTC)),
        # TDB is TT within 2 ms, and TT 69.184 s ahead of UTC.
        ("oem_tdb.oem", "GCRF", datetime(2027, 3, 1, 10, 28, 50, 816_000, tzinfo=UTC)),
    ],
)
def test_forms_of_an_ephemeris_are_read(name, frame, start):
    (segment,) = read_oem(ORBITS / name)
    assert segment.frame == frame
    assert abs((segment.start - start).total_seconds()) < 0.002
    assert segment.states[3, :3] == pytest.approx([-4939.849833572, 3408.822278653, 3360.545725730], abs=1e-6)


def test_files_that_are_no_ephemeris_are_named():
    with pytest.raises(ElementsError, match=r"state\.opm: no OEM but an OPM \(CCSDS, one state\); propagate it"):
        read_oem(ORBITS / "state.opm")


@pytest.mark.parametrize(
    ("name", "number"),
    [("el_indented.tle", 25544), ("el_no_checksum.tle", 25544), ("el_null_type.json", 25544),
     ("el_ns_prefix.xml", 25544), ("el_no_norad.json", 0)],
)  # fmt: skip
def test_element_files_of_everyday_life_are_read(name, number):
    (found,) = eq.read_elements(ORBITS / name)
    assert found.catalogue_number == number
    assert found.inclination_deg == pytest.approx(51.64, abs=0.01)


def test_a_web_page_is_named_with_its_first_line():
    with pytest.raises(ElementsError, match=r"el_html_error\.json: no element set found; it is a web page.*first line"):
        eq.read_elements(ORBITS / "el_html_error.json")


# ---------------------------------------------------------------- calendars and horizons


def closures(name, folder=ORBITS):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnreadEventWarning)
        found = read_maintenance(folder / name, *MARCH)
    return [(f"{c['start']:%m-%dT%H:%M}", f"{c['end']:%m-%dT%H:%M}") for c in found]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ics_zero_length.ics", [("03-05T22:00", "03-05T23:00")]),
        ("ics_transparent.ics", []),
        ("ics_freebusy.ics", [("03-05T20:00", "03-05T22:00")]),
        ("ics_floating.ics", [("03-18T21:00", "03-19T00:00")]),
        ("ics_thisandfuture.ics", [("03-05T20:00", "03-05T22:00"), ("03-12T20:00", "03-12T22:00"),
                                   ("03-19T23:00", "03-20T01:00"), ("03-26T23:00", "03-27T01:00"),
                                   ("04-02T23:00", "04-03T01:00")]),
    ],
)  # fmt: skip
def test_calendars_close_what_the_standard_says(name, expected):
    assert closures(name) == expected


def test_invisible_marks_in_a_description_do_not_matter():
    assert len(closures("ics_bidi.ics")) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [("hourly_feb30.ics", "never occurs"), ("interval0.ics", "INTERVAL must be at least 1"),
     ("typeerror.ics", "UNTIL '201231' is no time")],
)  # fmt: skip
def test_rules_that_cannot_be_read_close_for_their_bound_at_once_and_say_so(name, message):
    with pytest.warns(UnreadEventWarning, match=rf"{name} event 1 .*{message}.*maintenance_accept"):
        (closure,) = read_maintenance(ROBUST / name, *MARCH)
    assert closure["end"] == MARCH[1]


def test_horizons_of_other_tools_are_read():
    assert read_horizon_mask(ORBITS / "mask_nina.hrz")[0] == (0.0, 12.0)
    assert min(elevation for _, elevation in read_horizon_mask(ORBITS / "mask_negative.csv")) == 0.0
    # PVGIS counts from south: 4.0 at 0 is south, 3.1 at -90 is east.
    pvgis = dict(read_horizon_mask(ORBITS / "mask_pvgis.csv"))
    assert (pvgis[180.0], pvgis[90.0], pvgis[270.0]) == (4.0, 3.1, 1.2)
    with pytest.raises(DataError, match=r"extra_cells_mask\.csv line \d: .* cells; expected 2"):
        read_horizon_mask(NETWORKS / "extra_cells_mask.csv")


# ---------------------------------------------------------------- networks, keys, output


@pytest.mark.parametrize("case", ["bom", "semicolon"])
def test_files_of_editors_and_spreadsheets_plan_as_the_plain_one(case):
    plain = build_network(eq.load_scenario(NETWORKS / "base.toml"))
    found = build_network(eq.load_scenario(NETWORKS / f"{case}.toml"))
    pd.testing.assert_frame_equal(found.links, plain.links)
    assert said(NETWORKS / f"{case}.toml")[0] == 0


def test_semicolons_and_decimal_commas_are_the_same_rows():
    assert read_network_rows(NETWORKS / "semicolon")[1].keys() == read_network_rows(NETWORKS / "iberia")[1].keys()


def test_jitter_beyond_the_slot_makes_errors():
    # Own slot erf(0.05/(sqrt(2)·0.15)) = 0.2611 at an error of 1.40 %, the other 0.7389 falls into others at random:
    # 0.2611·0.0140 + 0.7389·0.5 = 0.373.
    scenario = eq.load_scenario(NETWORKS / "jitter_beyond_slot.toml")
    windows = eq.observable_windows(eq.find_passes(scenario), scenario)
    keys = eq.window_keys(eq.link_budget(eq.sample_windows(windows, scenario), scenario), scenario)
    assert keys["qber"].to_numpy() == pytest.approx(0.373, abs=0.001)
    assert (keys["skl_bit"] == 0).all()


@pytest.mark.parametrize("key", ["min_elevation_deg = true", 'min_elevation_deg = "20 deg"'])
def test_switches_and_words_are_no_numbers(tmp_path, key):
    text = (NETWORKS / "base.toml").read_text(encoding="utf-8").replace("min_elevation_deg = 20", key, 1)
    (tmp_path / "iberia").mkdir()
    for name in ("nodes.csv", "links.csv"):
        (tmp_path / "iberia" / name).write_bytes((NETWORKS / "iberia" / name).read_bytes())
    (tmp_path / "s.toml").write_text(text, encoding="utf-8")
    code, words = said(tmp_path / "s.toml")
    assert code == 2
    assert re.search(r"min_elevation_deg: .*number", words)
