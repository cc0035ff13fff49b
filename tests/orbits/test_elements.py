"""Readers of element sets and the propagator made from them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sgp4.api import Satrec
from skyfield.api import EarthSatellite
from skyfield.framelib import itrs

from eqci_space.data import data_path
from eqci_space.errors import ElementsError, StaleElementsWarning
from eqci_space.orbits.elements import ElementSet, check_age, propagator
from eqci_space.orbits.elements_io import read_elements, select_elements
from eqci_space.orbits.ephemeris import make_ephemeris

OMM_FILE = data_path("orbits", "synthetic_constellations.omm.json")
TLE_FILE = data_path("orbits", "synthetic_constellations.tle")

# Micius (2016-051A), public element set of 2021 day 117.
MICIUS_2021 = (
    "1 41731U 16051A   21117.42314584  .00000696  00000-0  30260-4 0  9998",
    "2 41731  97.3499  30.8507 0012844 347.0485 124.2616 15.25507799261429",
)
# A set that circulates in public code for 2024 day 350: both checksums are wrong and the mean motion
# is below that of 2021 although the orbit was decaying, so it is invented.
MICIUS_INVENTED = (
    "1 41731U 16051A   24350.52843431  .00000969  00000-0  16238-3 0  9997",
    "2 41731  97.4024 252.3661 0008272  97.6698 262.5358 15.22855523463832",
)
# Micius, public element set of 2025 day 346, weeks before re-entry.
MICIUS_2025 = (
    "1 41731U 16051A   25346.20108513  .00208160  00000-0  96011-3 0  9996",
    "2 41731  97.2963 272.1897 0007599  74.8788 285.3322 15.82964751520877",
)
# Vanguard 1, first case of the SGP4 verification set (Vallado et al., AIAA 2006-6753).
VANGUARD = (
    "1 00005U 58002B   00179.78495062  .00000023  00000-0  28098-4 0  4753",
    "2 00005  34.2682 348.7242 1859667 331.7664  19.3264 10.82419157413667",
)


def with_checksum(line):
    """The line with its last column set right: sum of the digits, a minus counting one, modulo ten."""
    total = sum(ord(c) - 48 if c in "0123456789" else c == "-" for c in line[:68])
    return line[:68] + str(total % 10)


def edited(line, column, text):
    """The line with `text` from the 1-based `column` on, and a right checksum."""
    return with_checksum(line[: column - 1] + text + line[column - 1 + len(text) :])


@pytest.fixture
def read_text(tmp_path):
    def read(content, name="bad.tle"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_elements(path)

    return read


@pytest.fixture
def read_omm(read_text):
    def read(**changes):
        record = json.loads(OMM_FILE.read_text())[0] | changes
        record = {k: v for k, v in record.items() if v is not ...}
        return read_text(json.dumps([record]), "bad.omm.json")

    return read


def test_both_shipped_files_hold_the_same_elements():
    omm, tle = read_elements(OMM_FILE), read_elements(TLE_FILE)
    assert len(omm) == len(tle) == 30
    # Half a unit of the last printed column of a two-line set.
    tolerance = {
        "mean_motion_rev_day": 0.51e-8, "eccentricity": 0.51e-7, "inclination_deg": 0.51e-4, "raan_deg": 0.51e-4,
        "argument_of_pericenter_deg": 0.51e-4, "mean_anomaly_deg": 0.51e-4, "bstar_per_earth_radius": 1e-10,
    }  # fmt: skip
    for a, b in zip(omm, tle, strict=True):
        assert (a.name, a.catalogue_number, a.epoch) == (b.name, b.catalogue_number, b.epoch)
        assert a.epoch == datetime(2027, 1, 1, tzinfo=UTC)
        for field, allowed in tolerance.items():
            assert getattr(a, field) == pytest.approx(getattr(b, field), abs=allowed), (a.name, field)


def test_both_shipped_files_propagate_within_five_metres_after_three_days():
    at = datetime(2027, 1, 4, tzinfo=UTC)
    for a, b in zip(read_elements(OMM_FILE), read_elements(TLE_FILE), strict=True):
        there, here = (make_ephemeris(s, at, at + timedelta(seconds=1)).grid_m.T for s in (a, b))
        assert there == pytest.approx(here, abs=5.0)


def test_every_column_of_a_two_line_set_is_read(read_text):
    (micius,) = read_text("\n".join(("MICIUS", *MICIUS_2021)))
    expected = {
        "name": "MICIUS", "object_id": "16051A", "catalogue_number": 41731,
        "mean_motion_dot_rev_day2": 0.00000696, "mean_motion_ddot_rev_day3": 0.0,
        "bstar_per_earth_radius": pytest.approx(0.30260e-4, rel=1e-14), "inclination_deg": 97.3499,
        "raan_deg": 30.8507, "eccentricity": 0.0012844, "argument_of_pericenter_deg": 347.0485,
        "mean_anomaly_deg": 124.2616, "mean_motion_rev_day": 15.25507799, "design": False,
        "epoch": datetime(2021, 4, 27, 10, 9, 19, 800_576, tzinfo=UTC),  # day 117 is 27 April
    }  # fmt: skip
    assert micius.model_dump() == expected


def test_a_negative_drag_term_and_a_second_derivative_are_read(read_text):
    line1 = edited(edited(MICIUS_2021[0], 45, "-12345-6"), 54, "-30260+1")
    line1 = edited(line1, 34, "-.00000696")
    (micius,) = read_text("\n".join((line1, MICIUS_2021[1])))
    assert micius.mean_motion_ddot_rev_day3 == pytest.approx(-0.12345e-6, rel=1e-14)
    assert micius.bstar_per_earth_radius == pytest.approx(-3.0260, rel=1e-14)
    assert micius.mean_motion_dot_rev_day2 == -0.00000696


@pytest.mark.parametrize(("year", "expected"), [("57", 1957), ("99", 1999), ("00", 2000), ("56", 2056)])
def test_two_digit_years_turn_in_1957(read_text, year, expected):
    (found,) = read_text("\n".join((edited(MICIUS_2021[0], 19, year), MICIUS_2021[1])))
    assert found.epoch.year == expected


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("title", ["MICIUS", "0 MICIUS", "0 MICIUS   "])
def test_names_line_ends_blank_lines_and_a_byte_order_mark_are_accepted(read_text, newline, title):
    content = newline.join(("", title, *MICIUS_2021, "", *VANGUARD, ""))
    sets = read_text(b"\xef\xbb\xbf" + content.encode())
    assert [(s.name, s.catalogue_number) for s in sets] == [("MICIUS", 41731), ("5", 5)]


@pytest.mark.parametrize(
    ("number", "expected"),
    [("A0000", 100_000), ("H9999", 179_999), ("J0000", 180_000), ("P0001", 230_001), ("Z9999", 339_999)],
)
def test_alpha_5_numbers_are_read(read_text, number, expected):
    # Space-Track: A = 10 ... Z = 33, the letters I and O are skipped.
    (found,) = read_text("\n".join(edited(line, 3, number) for line in MICIUS_2021))
    assert found.catalogue_number == expected
    assert propagator(found).satnum == expected


@pytest.mark.parametrize("number", ["I0000", "O0000", "a0000", "A00B0", "-0001", "*****"])
def test_a_broken_alpha_5_number_raises(read_text, number):
    with pytest.raises(ElementsError, match=r"bad\.tle line 1"):
        read_text("\n".join(edited(line, 3, number) for line in MICIUS_2021))


def test_the_invented_micius_set_raises(read_text):
    with pytest.raises(ElementsError, match=r"bad\.tle line 2: checksum of line 1 is 7; computed \d"):
        read_text("\n".join(("MICIUS", *MICIUS_INVENTED)))


def test_the_invented_second_line_raises_behind_a_repaired_first(read_text):
    with pytest.raises(ElementsError, match=r"checksum of line 2 is 2; computed \d"):
        read_text("\n".join((with_checksum(MICIUS_INVENTED[0]), MICIUS_INVENTED[1])))


L1, L2 = MICIUS_2021
BROKEN_TLE = {
    "line 1 one column short": (L1[:-1], L2),
    "line 2 one column short": (L1, L2[:-1]),
    "line 1 cut in the middle": (L1[:40], L2),
    "line 2 cut in the middle": (L1, L2[:40]),
    "line 1 cut to its head": (L1[:20], L2),
    "line 2 cut to its head": (L1, L2[:20]),
    "both cut in the middle": (L1[:40], L2[:40]),
    "both cut to their heads": (L1[:20], L2[:20]),
    "line 1 one column long": (L1[:30] + "0" + L1[30:], L2),
    "checksum of line 1": (L1[:-1] + "7", L2),
    "checksum of line 2": (L1, L2[:-1] + "8"),
    "checksum is a letter": (L1[:-1] + "X", L2),
    "lines of two objects": (L1, VANGUARD[1]),
    "lines swapped": (L2, L1),
    "line 1 alone": (L1,),
    "line 2 alone": (L2,),
    "line 1 twice": (L1, L1, L2),
    "ephemeris type 4": (edited(L1, 63, "4"), L2),
    "non-ASCII column": (L1[:10] + "é" + L1[11:], L2),
    "non-ASCII digit": (L1, L2[:9] + "٧" + L2[10:]),
    "letter in the epoch": (edited(L1, 21, "1x7"), L2),
    "day of year 0": (edited(L1, 21, "000"), L2),
    "day of year 367": (edited(L1, 21, "367"), L2),
    "day of year nan": (edited(L1, 21, "nan         "), L2),
    "letter in the inclination": (L1, edited(L2, 9, " 97.34x9")),
    "inclination 181": (L1, edited(L2, 9, "181.0000")),
    "node 361": (L1, edited(L2, 18, "361.0000")),
    "anomaly not finite": (L1, edited(L2, 44, "     inf")),
    "eccentricity has a letter": (L1, edited(L2, 27, "00x2844")),
    "mean motion zero": (L1, edited(L2, 53, " 0.00000000")),
    "mean motion 19": (L1, edited(L2, 53, "19.00000000")),
    "drag term has a letter": (edited(L1, 54, " 3x260-4"), L2),
}


@pytest.mark.parametrize("lines", BROKEN_TLE.values(), ids=BROKEN_TLE.keys())
def test_a_broken_two_line_set_raises_and_names_its_place(read_text, lines):
    with pytest.raises(ElementsError, match=r"bad\.tle(:| line \d)"):
        read_text("\n".join(lines))


@pytest.mark.parametrize("lines", BROKEN_TLE.values(), ids=BROKEN_TLE.keys())
def test_a_broken_set_between_good_ones_raises_and_names_its_lines(read_text, lines):
    content = "\n".join(("VANGUARD 1", *VANGUARD, "MICIUS", *lines, "VANGUARD 1", *VANGUARD))
    with pytest.raises(ElementsError, match=r"bad\.tle line [567]\b"):
        read_text(content)


def test_text_without_element_sets_raises(read_text):
    with pytest.raises(ElementsError, match=r"bad\.tle: no element set found"):
        read_text("No GP data found\n")


@pytest.mark.parametrize("content", [b"", b" \n\t\r\n", b"\xef\xbb\xbf\n"])
def test_an_empty_file_raises(read_text, content):
    with pytest.raises(ElementsError, match=r"bad\.tle is empty"):
        read_text(content)


def test_a_file_that_is_no_utf8_raises(read_text):
    with pytest.raises(ElementsError, match=r"bad\.tle is not UTF-8"):
        read_text(("\n".join(MICIUS_2021)).encode("utf-16"))


def test_a_missing_file_and_a_folder_raise(tmp_path):
    with pytest.raises(ElementsError, match="no file"):
        read_elements(tmp_path / "none.tle")
    with pytest.raises(ElementsError, match="no file"):
        read_elements(tmp_path)


def test_every_field_of_an_omm_is_read(read_omm):
    (found,) = read_omm(
        OBJECT_NAME="SAT", OBJECT_ID="2026-123B", EPOCH="2026-12-31T23:59:59.5", MEAN_MOTION=14.5, ECCENTRICITY=0.01,
        INCLINATION=51.6, RA_OF_ASC_NODE=1.5, ARG_OF_PERICENTER=2.5, MEAN_ANOMALY=3.5, BSTAR=-1e-4,
        MEAN_MOTION_DOT=2e-6, MEAN_MOTION_DDOT=3e-9, NORAD_CAT_ID=123_456,
    )  # fmt: skip
    assert found == ElementSet(
        name="SAT", object_id="2026-123B", epoch=datetime(2026, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC),
        mean_motion_rev_day=14.5, eccentricity=0.01, inclination_deg=51.6, raan_deg=1.5, argument_of_pericenter_deg=2.5,
        mean_anomaly_deg=3.5, bstar_per_earth_radius=-1e-4, mean_motion_dot_rev_day2=2e-6,
        mean_motion_ddot_rev_day3=3e-9, catalogue_number=123_456,
    )  # fmt: skip


def test_an_omm_of_strings_and_a_single_object_are_accepted(read_text):
    record = json.loads(OMM_FILE.read_text())[0]
    (found,) = read_text(json.dumps({k: str(v) for k, v in record.items()}), "one.json")
    assert found == read_elements(OMM_FILE)[0]


@pytest.mark.parametrize("number", [0, 99_999, 100_000, 339_999, 340_000, 799_501_299, "799501299"])
def test_catalogue_numbers_of_up_to_nine_digits_are_kept_and_propagate(read_omm, number):
    (found,) = read_omm(NORAD_CAT_ID=number)
    assert found.catalogue_number == int(number)
    error, position_km, _ = propagator(found).sgp4(2_461_406.5, 0.0)
    assert error == 0
    assert np.linalg.norm(position_km) == pytest.approx(6878.137, abs=20.0)


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("2027-02-03T04:05:06", 0),
        ("2027-02-03T04:05:06.250", 250_000),
        ("2027-02-03T04:05:06.250001", 250_001),
        ("2027-02-03T04:05:06.250001499", 250_001),
        ("2027-02-03T04:05:06.250001Z", 250_001),
        ("2027-02-03T05:05:06.250001+01:00", 250_001),
    ],
)
def test_epochs_of_any_precision_are_read(read_omm, text, microseconds):
    (found,) = read_omm(EPOCH=text)
    assert found.epoch == datetime(2027, 2, 3, 4, 5, 6, microseconds, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"EPHEMERIS_TYPE": 4}, "EPHEMERIS_TYPE 4"),
        ({"EPHEMERIS_TYPE": "4"}, "EPHEMERIS_TYPE 4"),
        ({"REF_FRAME": "EME2000"}, "REF_FRAME is 'EME2000'; expected TEME"),
        ({"CENTER_NAME": "MOON"}, "CENTER_NAME is 'MOON'; expected EARTH"),
        ({"TIME_SYSTEM": "TAI"}, "TIME_SYSTEM is 'TAI'; expected UTC"),
        ({"MEAN_ELEMENT_THEORY": "SGP4-XP"}, "MEAN_ELEMENT_THEORY is 'SGP4-XP'"),
        ({"ECCENTRICITY": 1.2}, "eccentricity: .*1.2"),
        ({"ECCENTRICITY": -0.1}, "eccentricity"),
        ({"ECCENTRICITY": float("nan")}, "eccentricity"),
        ({"MEAN_MOTION": 0}, "mean_motion_rev_day"),
        ({"MEAN_MOTION": "fast"}, "mean_motion_rev_day: .*'fast'"),
        ({"MEAN_MOTION": None}, "mean_motion_rev_day"),
        ({"INCLINATION": 180.1}, "inclination_deg"),
        ({"RA_OF_ASC_NODE": 400}, "raan_deg"),
        ({"ARG_OF_PERICENTER": -1}, "argument_of_pericenter_deg"),
        ({"MEAN_ANOMALY": float("inf")}, "mean_anomaly_deg"),
        ({"BSTAR": []}, "bstar_per_earth_radius"),
        ({"NORAD_CAT_ID": -1}, "catalogue_number"),
        ({"NORAD_CAT_ID": 1_000_000_000}, "catalogue_number"),
        ({"NORAD_CAT_ID": "A0001"}, "catalogue_number"),
        ({"EPOCH": "2027-02-30T00:00:00"}, "EPOCH '2027-02-30T00:00:00'"),
        ({"EPOCH": None}, "EPOCH"),
        ({"EPOCH": ...}, "lacks EPOCH"),
        ({"MEAN_MOTION": ..., "NORAD_CAT_ID": ...}, "lacks MEAN_MOTION, NORAD_CAT_ID"),
    ],
)
def test_a_malformed_omm_raises_and_names_the_field(read_omm, change, place):
    with pytest.raises(ElementsError, match=rf"bad\.omm\.json record 1: {place}"):
        read_omm(**change)


def test_the_second_record_of_an_omm_file_is_named(read_text):
    records = json.loads(OMM_FILE.read_text())[:3]
    del records[1]["INCLINATION"]
    with pytest.raises(ElementsError, match=r"bad\.json record 2: lacks INCLINATION"):
        read_text(json.dumps(records), "bad.json")


@pytest.mark.parametrize("content", ['[{"EPOCH": ', "{]", '[{"a": 1}] x', "[" * 100_000])
def test_broken_json_raises(read_text, content):
    with pytest.raises(ElementsError, match=r"bad\.json: not valid JSON"):
        read_text(content, "bad.json")


@pytest.mark.parametrize("content", ["[1]", "[[]]", '["x"]', "[null]"])
def test_records_that_are_no_objects_raise(read_text, content):
    with pytest.raises(ElementsError, match=r"bad\.json record 1: found (int|list|str|NoneType)"):
        read_text(content, "bad.json")


def test_an_omm_number_of_thousands_of_digits_raises(read_text):
    with pytest.raises(ElementsError, match=r"bad\.json"):
        read_text('[{"NORAD_CAT_ID": ' + "9" * 5000 + "}]", "bad.json")


@pytest.mark.parametrize("epoch", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_an_epoch_outside_the_calendar_raises(read_omm, epoch):
    with pytest.raises(ElementsError, match=r"record 1: EPOCH"):
        read_omm(EPOCH=epoch)


def test_an_empty_list_of_records_raises(read_text):
    with pytest.raises(ElementsError, match=r"bad\.json"):
        read_text("[]", "bad.json")


def test_select_takes_the_newest_set_of_a_name(read_text):
    younger = edited(L1, 21, "118")
    sets = read_text("\n".join(("MICIUS", younger, L2, "MICIUS", L1, L2, "VANGUARD 1", *VANGUARD)))
    assert select_elements(sets, "MICIUS", "here").epoch.day == 28
    with pytest.raises(ElementsError, match=r"here: no object 'MICIUS-2'; did you mean 'MICIUS'"):
        select_elements(sets, "MICIUS-2", "here")
    assert select_elements(sets[:2], "any", "here").name == "MICIUS"


def _twins():
    lines = [line for line in TLE_FILE.read_text().splitlines() if re.match("[12] ", line)]
    return [*zip(lines[::2], lines[1::2], strict=True), MICIUS_2021, VANGUARD]


@pytest.mark.parametrize("pair", _twins(), ids=lambda pair: pair[0][2:7])
def test_propagator_equals_the_sgp4_reader(read_text, pair):
    (elements,) = read_text("\n".join(pair))
    ours, theirs = propagator(elements), Satrec.twoline2rv(*pair)
    jd = np.full(200, theirs.jdsatepoch)
    fraction = theirs.jdsatepochF + np.linspace(-3.0, 3.0, 200)
    first, second = ours.sgp4_array(jd, fraction), theirs.sgp4_array(jd, fraction)
    assert not first[0].any()
    assert first[1] == pytest.approx(second[1], abs=5e-6)  # [km]; the epoch in microseconds moves a LEO by 4 mm
    assert first[2] == pytest.approx(second[2], abs=1e-8)


def test_propagator_reproduces_the_published_vanguard_positions(read_text):
    # Output of the verification set (Vallado et al., AIAA 2006-6753, tcppver.out), 0 and 360 minutes [km].
    (elements,) = read_text("\n".join(VANGUARD))
    satrec = propagator(elements)
    at_epoch, later = (satrec.sgp4_tsince(m)[1] for m in (0.0, 360.0))
    assert at_epoch == pytest.approx((7022.46529266, -1400.08296755, 0.03995155), abs=1e-6)
    assert later == pytest.approx((-7154.03120202, -3783.17682504, -3536.19412294), abs=1e-6)


def test_earth_fixed_positions_equal_a_skyfield_satellite_read_from_the_same_lines(read_text, timescale):
    (elements,) = read_text("\n".join(MICIUS_2021))
    start = datetime(2021, 4, 28, tzinfo=UTC)
    ephemeris = make_ephemeris(elements, start, start + timedelta(days=1))
    seconds = ephemeris.first_s + ephemeris.step_s * np.arange(ephemeris.grid_m.shape[1])
    satellite = EarthSatellite(*MICIUS_2021, ts=timescale)
    expected = satellite.at(timescale.utc(2021, 4, 28, 0, 0, seconds)).frame_xyz(itrs).m.T
    assert pytest.approx(expected, abs=0.01) == ephemeris.grid_m.T


def test_elements_that_sgp4_refuses_raise(synthetic_sets):
    below_ground = synthetic_sets["SYN EAGLE1-A LTAN2230"].model_copy(update={"eccentricity": 0.99})
    with pytest.raises(ElementsError, match="SGP4 refuses 'SYN EAGLE1-A LTAN2230'"):
        propagator(below_ground)


def test_an_orbit_that_decays_in_the_period_raises(read_text):
    (elements,) = read_text("\n".join(("MICIUS", *MICIUS_2025)))
    start = datetime(2025, 12, 13, tzinfo=UTC)
    with (
        pytest.warns(StaleElementsWarning),
        pytest.raises(ElementsError, match=r"make_ephemeris: SGP4 error \d for 'MICIUS' at 2026-0\d-"),
    ):
        make_ephemeris(elements, start, start + timedelta(days=150))


def test_stale_elements_warn_beyond_a_fortnight(synthetic_sets):
    elements = synthetic_sets["SYN SSO3-1"]
    day = timedelta(days=1)
    assert check_age(elements, elements.epoch - 14 * day, elements.epoch + 13.5 * day) == 14.0
    with pytest.warns(StaleElementsWarning, match=r"'SYN SSO3-1' are 15\.0 days from the period"):
        assert check_age(elements, elements.epoch, elements.epoch + 15 * day) == 15.0
    with pytest.warns(StaleElementsWarning, match=r"14\.5 days"):
        assert check_age(elements, elements.epoch - 14.5 * day, elements.epoch) == 14.5


def test_orbits_by_design_have_no_age(synthetic_sets):
    design = synthetic_sets["SYN SSO3-1"].model_copy(update={"design": True})
    assert check_age(design, design.epoch, design.epoch + timedelta(days=365)) == 365.0


def test_element_sets_are_frozen_and_refuse_naive_epochs(synthetic_sets):
    elements = synthetic_sets["SYN SSO3-1"]
    with pytest.raises(ValueError, match="frozen"):
        elements.raan_deg = 1.0
    with pytest.raises(ValueError, match="timezone"):
        ElementSet(**(elements.model_dump() | {"epoch": datetime(2027, 1, 1)}))  # noqa: DTZ001


FUZZ = settings(max_examples=300, deadline=None, database=None, derandomize=True)


@pytest.fixture(scope="module")
def fuzz_file(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "fuzz.txt"


def reads_or_refuses(path, content):
    """Elements in range, or an `ElementsError` that names the file; any other exception fails the test."""
    path.write_bytes(content)
    message, sets = path.name, []
    try:
        sets = read_elements(path)
    except ElementsError as error:
        message = str(error)
    assert path.name in message
    assert all(isinstance(s, ElementSet) for s in sets)


@FUZZ
@given(content=st.binary(max_size=300) | st.text(max_size=300).map(lambda s: s.encode("utf-8", "surrogatepass")))
def test_random_content_parses_or_raises_our_error(fuzz_file, content):
    reads_or_refuses(fuzz_file, content)


@FUZZ
@given(
    line=st.integers(0, 1),
    column=st.integers(0, 68),
    text=st.text(st.characters(codec="utf-8"), min_size=0, max_size=3),
)
def test_mutated_lines_parse_or_raise_our_error(fuzz_file, line, column, text):
    lines = list(MICIUS_2021)
    lines[line] = lines[line][:column] + text + lines[line][column + len(text) :]
    reads_or_refuses(fuzz_file, "\n".join(lines).encode())


@FUZZ
@given(
    line=st.integers(0, 1),
    column=st.integers(1, 66),
    text=st.text(st.sampled_from("0123456789.-+ eEinfa_x"), min_size=1, max_size=8),
)
def test_mutated_fields_behind_a_right_checksum_parse_or_raise_our_error(fuzz_file, line, column, text):
    lines = list(MICIUS_2021)
    lines[line] = edited(lines[line], column + 1, text[: 67 - column])
    reads_or_refuses(fuzz_file, "\n".join(lines).encode())


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@FUZZ
@given(field=st.sampled_from(sorted(json.loads(OMM_FILE.read_text())[0])), value=JSON_VALUES)
def test_mutated_omm_values_parse_or_raise_our_error(fuzz_file, field, value):
    record = json.loads(OMM_FILE.read_text())[0] | {field: value}
    reads_or_refuses(fuzz_file, json.dumps([record]).encode())
