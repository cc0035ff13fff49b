"""Orbit Mean-Elements Messages in JSON, CSV, XML and KVN: read, refused, skipped and written the same way."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from eqci_space.data import data_path
from eqci_space.errors import BadRecordWarning, ElementsError
from eqci_space.orbits import elements_io
from eqci_space.orbits.elements import ElementSet, propagator
from eqci_space.orbits.elements_io import read_elements, write_omm

OMM_FILE = data_path("orbits", "synthetic_constellations.omm.json")
RECORD = json.loads(OMM_FILE.read_text())[0]
FORMS = ["json", "csv", "xml", "kvn"]
METADATA = ("OBJECT_NAME", "OBJECT_ID", "CENTER_NAME", "REF_FRAME", "TIME_SYSTEM", "MEAN_ELEMENT_THEORY")
# CCSDS 502.0-B-3, section 7.7 and table 4-3.
UNITS = {
    "MEAN_MOTION": "rev/day", "INCLINATION": "deg", "RA_OF_ASC_NODE": "deg", "ARG_OF_PERICENTER": "deg",
    "MEAN_ANOMALY": "deg", "MEAN_MOTION_DOT": "rev/day**2", "MEAN_MOTION_DDOT": "rev/day**3",
}  # fmt: skip


def in_form(records, form):
    """Text of records (keyword to value) in one of the four forms, made without the package's writer."""
    if form == "json":
        return json.dumps(records)
    if form == "csv":
        keys = list(dict.fromkeys(k for r in records for k in r))
        return "\n".join([",".join(keys), *(",".join(str(r.get(k, "")) for k in keys) for r in records), ""])
    if form == "kvn":
        return "\n".join(
            "CCSDS_OMM_VERS = 2.0\n" + "".join(f"{k} = {v}\n" for k, v in r.items() if v != "") for r in records
        )
    parts = []
    for r in records:
        meta, data = (
            "".join(f"<{k}>{v}</{k}>\n" for k, v in r.items() if (k in METADATA) == wanted) for wanted in (True, False)
        )
        parts.append(
            f'<omm id="CCSDS_OMM_VERS" version="2.0">\n<header/><body><segment><metadata>\n{meta}</metadata>'
            f"<data><meanElements>\n{data}</meanElements></data></segment></body></omm>\n"
        )
    return '<?xml version="1.0" encoding="UTF-8"?>\n<ndm>\n' + "".join(parts) + "</ndm>\n"


@pytest.fixture
def read_text(tmp_path):
    def read(content, name="bad.json", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_elements(path, **options)

    return read


@pytest.fixture
def read_form(read_text):
    """Read records in a form; a value of ... leaves the keyword out."""

    def read(form, *changes, **options):
        records = [{k: v for k, v in (RECORD | c).items() if v is not ...} for c in changes]
        return read_text(in_form(records, form), f"bad.{form}", **options)

    return read


@pytest.fixture
def read_omm(read_form):
    return lambda **changes: read_form("json", changes)


# ---------------------------------------------------------------- what is read


@pytest.mark.parametrize("form", FORMS)
def test_every_field_of_an_omm_is_read(read_form, form):
    changes = {
        "OBJECT_NAME": "SAT", "OBJECT_ID": "2026-123B", "EPOCH": "2026-12-31T23:59:59.5", "MEAN_MOTION": 14.5,
        "ECCENTRICITY": 0.01, "INCLINATION": 51.6, "RA_OF_ASC_NODE": 1.5, "ARG_OF_PERICENTER": 2.5,
        "MEAN_ANOMALY": 3.5, "BSTAR": -1e-4, "MEAN_MOTION_DOT": 2e-6, "MEAN_MOTION_DDOT": 3e-9,
        "NORAD_CAT_ID": 123_456,
    }  # fmt: skip
    (found,) = read_form(form, changes)
    assert found == ElementSet(
        name="SAT", object_id="2026-123B", epoch=datetime(2026, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC),
        mean_motion_rev_day=14.5, eccentricity=0.01, inclination_deg=51.6, raan_deg=1.5, argument_of_pericenter_deg=2.5,
        mean_anomaly_deg=3.5, bstar_per_earth_radius=-1e-4, mean_motion_dot_rev_day2=2e-6,
        mean_motion_ddot_rev_day3=3e-9, catalogue_number=123_456,
    )  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_the_four_forms_give_the_same_sets(read_text, form):
    records = json.loads(OMM_FILE.read_text())
    assert read_text(in_form(records, form), f"good.{form}") == read_elements(OMM_FILE)


STANDARD_EXAMPLE = """CCSDS_OMM_VERS = 3.0
CREATION_DATE = 2020-065T16:00:00
ORIGINATOR = NOAA
MESSAGE_ID = OMM 202013719185
OBJECT_NAME = GOES 9
OBJECT_ID = 1995-025A
CENTER_NAME = EARTH
REF_FRAME = TEME
TIME_SYSTEM = UTC
MEAN_ELEMENT_THEORY = SGP/SGP4
EPOCH = 2020-064T10:34:41.4264
MEAN_MOTION = 1.00273272
ECCENTRICITY = 0.0005013
INCLINATION = 3.0539
RA_OF_ASC_NODE = 81.7939
ARG_OF_PERICENTER = 249.2363
MEAN_ANOMALY = 150.1602
GM = 398600.8
EPHEMERIS_TYPE = 0
CLASSIFICATION_TYPE = U
NORAD_CAT_ID = 23581
ELEMENT_SET_NO = 0925
REV_AT_EPOCH = 4316
BSTAR = 0.0001
MEAN_MOTION_DOT = -0.00000113
MEAN_MOTION_DDOT = 0.0
"""


def test_the_example_of_the_standard_is_read(read_text):
    # CCSDS 502.0-B-3, annex G, figure G-7: the theory is "SGP/SGP4" and the epoch a day of the year.
    (goes,) = read_text(STANDARD_EXAMPLE, "goes.kvn")
    assert goes == ElementSet(
        name="GOES 9", object_id="1995-025A", catalogue_number=23_581,
        epoch=datetime(2020, 3, 4, 10, 34, 41, 426_400, tzinfo=UTC), mean_motion_rev_day=1.00273272,
        eccentricity=0.0005013, inclination_deg=3.0539, raan_deg=81.7939, argument_of_pericenter_deg=249.2363,
        mean_anomaly_deg=150.1602, bstar_per_earth_radius=0.0001, mean_motion_dot_rev_day2=-0.00000113,
    )  # fmt: skip


def test_an_omm_of_strings_and_a_single_object_are_accepted(read_text):
    (found,) = read_text(json.dumps({k: str(v) for k, v in RECORD.items()}), "one.json")
    assert found == read_elements(OMM_FILE)[0]


@pytest.mark.parametrize("form", FORMS)
def test_a_set_without_optional_fields_has_no_drag_and_its_number_for_a_name(read_form, form):
    gone = ("OBJECT_NAME", "OBJECT_ID", "BSTAR", "MEAN_MOTION_DOT", "MEAN_MOTION_DDOT", "EPHEMERIS_TYPE")
    (found,) = read_form(form, dict.fromkeys(gone, ...))
    assert (found.name, found.object_id) == ("99001", "")
    assert (found.bstar_per_earth_radius, found.mean_motion_dot_rev_day2, found.mean_motion_ddot_rev_day3) == (0, 0, 0)


@pytest.mark.parametrize("form", ["json", "csv", "xml"])
def test_empty_optional_fields_are_no_fields(read_form, form):
    (found,) = read_form(form, {"OBJECT_NAME": "", "BSTAR": "", "EPHEMERIS_TYPE": ""})
    assert (found.name, found.bstar_per_earth_radius) == ("99001", 0.0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("number", [0, 28_492, 99_999, 100_001, 339_999, 340_000, 799_501_299, "799501299"])
def test_catalogue_numbers_of_up_to_nine_digits_are_kept_and_propagate(read_form, form, number):
    (found,) = read_form(form, {"NORAD_CAT_ID": number})
    assert found.catalogue_number == int(number)
    satrec = propagator(found)
    assert satrec.satnum == (int(number) if int(number) <= 339_999 else 0)  # sgp4 itself ends at Z9999
    error, position_km, _ = satrec.sgp4(2_461_406.5, 0.0)
    assert error == 0
    assert np.linalg.norm(position_km) == pytest.approx(6878.137, abs=20.0)  # 500 km, mean against osculating


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("2027-02-03T04:05:06", 0),
        ("2027-02-03T04:05:06.250", 250_000),
        ("2027-02-03T04:05:06.250001", 250_001),
        ("2027-02-03T04:05:06.250001499", 250_001),
        ("2027-02-03T04:05:06.250001Z", 250_001),
        ("2027-02-03T05:05:06.250001+01:00", 250_001),
        ("2027-034T04:05:06", 0),
        ("2027-034T04:05:06.250", 250_000),
        ("2027-034T04:05:06.250001", 250_001),
        ("2027-034T04:05:06.250001499Z", 250_001),
    ],
)
def test_epochs_of_any_precision_are_read(read_form, form, text, microseconds):
    (found,) = read_form(form, {"EPOCH": text})
    assert found.epoch == datetime(2027, 2, 3, 4, 5, 6, microseconds, tzinfo=UTC)


@pytest.mark.parametrize(("text", "month", "day"), [("2028-366", 12, 31), ("2027-365", 12, 31), ("2028-060", 2, 29)])
def test_the_last_day_of_a_year_is_read(read_omm, text, month, day):
    (found,) = read_omm(EPOCH=f"{text}T06:00:00")
    assert found.epoch == datetime(int(text[:4]), month, day, 6, tzinfo=UTC)


@pytest.mark.parametrize("epoch", ["2027-366T00:00:00", "2027-000T00:00:00", "2027-367T00:00:00", "2027-034", "2027"])
def test_a_day_that_the_year_does_not_have_raises(read_omm, epoch):
    with pytest.raises(ElementsError, match=f"record 1: EPOCH '{epoch}' is no ISO 8601 time"):
        read_omm(EPOCH=epoch)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("epoch", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_an_epoch_outside_the_calendar_raises(read_form, form, epoch):
    with pytest.raises(ElementsError, match=r"EPOCH .* lies outside the years 1 to 9999"):
        read_form(form, {"EPOCH": epoch})


# ---------------------------------------------------------------- what is refused


WRONG_VALUES = [
    ({"EPHEMERIS_TYPE": 4}, "EPHEMERIS_TYPE 4 is not SGP4"),
    ({"EPHEMERIS_TYPE": "4"}, "EPHEMERIS_TYPE 4 is not SGP4"),
    ({"REF_FRAME": "EME2000"}, "REF_FRAME is 'EME2000'; expected TEME"),
    ({"CENTER_NAME": "MOON"}, "CENTER_NAME is 'MOON'; expected EARTH"),
    ({"TIME_SYSTEM": "TAI"}, "TIME_SYSTEM is 'TAI'; expected UTC"),
    ({"MEAN_ELEMENT_THEORY": "SGP4-XP"}, "MEAN_ELEMENT_THEORY is 'SGP4-XP'"),
    ({"MEAN_ELEMENT_THEORY": "DSST"}, "MEAN_ELEMENT_THEORY is 'DSST'"),
    ({"ECCENTRICITY": 1.2}, "ECCENTRICITY is 1.2; expected a finite number from 0 to below 1;"),
    ({"ECCENTRICITY": -0.1}, "ECCENTRICITY is -0.1; expected a finite number from 0 to below 1;"),
    ({"ECCENTRICITY": float("nan")}, "ECCENTRICITY is nan; expected a finite number from 0 to below 1;"),
    ({"MEAN_MOTION": 0}, "MEAN_MOTION is 0; expected a finite number from 0.004 up to 18 rev/day;"),
    ({"MEAN_MOTION": 18.1}, "MEAN_MOTION is 18.1; expected a finite number from 0.004 up to 18 rev/day;"),
    ({"MEAN_MOTION": 17.9}, r"SGP4 finds no orbit at the epoch \(.* has decayed\): MEAN_MOTION is 17\.9, ECCENTR"),
    ({"MEAN_MOTION": 1e-6}, "MEAN_MOTION is 1e-06; expected a finite number from 0.004 up to 18 rev/day;"),
    ({"MEAN_MOTION": "fast"}, "MEAN_MOTION is 'fast'; expected a finite number from 0.004 up to 18 rev/day;"),
    ({"INCLINATION": 180.1}, "INCLINATION is 180.1; expected a finite number from 0 up to 180 deg;"),
    ({"RA_OF_ASC_NODE": 400}, "RA_OF_ASC_NODE is 400; expected a finite number from 0 up to 360 deg;"),
    ({"ARG_OF_PERICENTER": -1}, "ARG_OF_PERICENTER is -1; expected a finite number from 0 up to 360 deg;"),
    ({"MEAN_ANOMALY": "inf"}, "MEAN_ANOMALY is inf; expected a finite number from 0 up to 360 deg;"),
    ({"BSTAR": "much"}, "BSTAR is 'much'; expected a finite number;"),
    ({"NORAD_CAT_ID": -1}, "NORAD_CAT_ID is -1; expected a whole number from 0 up to 999999999;"),
    ({"NORAD_CAT_ID": 1_000_000_000}, "NORAD_CAT_ID is 1000000000; expected a whole number from 0 up to 999999999;"),
    ({"NORAD_CAT_ID": 10**400}, r"NORAD_CAT_ID is 10{39}; expected a whole number from 0 up to 999999999;"),
    ({"NORAD_CAT_ID": "A0001"}, "NORAD_CAT_ID is 'A0001'; expected a whole number from 0 up to 999999999;"),
    ({"ECCENTRICITY": 2, "INCLINATION": 181}, r"ECCENTRICITY is 2; .* below 1\. INCLINATION is 181; .* 180 deg;"),
    ({"EPOCH": "2027-02-30T00:00:00"}, "EPOCH '2027-02-30T00:00:00'"),
    ({"EPOCH": ...}, "lacks EPOCH"),
    ({"MEAN_MOTION": ..., "NORAD_CAT_ID": ...}, "lacks MEAN_MOTION, NORAD_CAT_ID"),
]
# How the second of three records is named: by its number, its line, or the line on which its message begins.
PLACE = {"json": "record 2", "csv": "line 3", "xml": r"line \d+", "kvn": r"line \d+"}


def line_of_second(text, form):
    """Number of the line on which the second record of a form begins."""
    marks = {"xml": "<omm ", "kvn": "CCSDS_OMM_VERS"}
    return [i for i, line in enumerate(text.splitlines(), start=1) if line.startswith(marks[form])][1]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("change", "message"), WRONG_VALUES, ids=lambda v: str(v)[:40])
def test_a_wrong_value_raises_and_names_file_place_and_field(read_text, form, change, message):
    records = [{k: v for k, v in (RECORD | c).items() if v is not ...} for c in ({}, change, {})]
    text = in_form(records, form)
    place = {"json": "record 2", "csv": "line 3"}.get(form) or f"line {line_of_second(text, form)}"
    with pytest.raises(ElementsError, match=rf"^bad\.{form} {place}: {message}") as caught:
        read_text(text, f"bad.{form}")
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith('; mend the file, or leave such records out with bad_records = "skip"')


@pytest.mark.parametrize("value", [None, [], {}, [1.0], {"a": 1}])
@pytest.mark.parametrize("field", ["EPOCH", "MEAN_MOTION", "NORAD_CAT_ID", "INCLINATION", "BSTAR"])
def test_json_values_of_another_kind_raise_and_null_is_a_missing_field(read_omm, field, value):
    if value is None and field == "BSTAR":
        assert read_omm(BSTAR=None)[0].bstar_per_earth_radius == 0.0
        return
    if value is None and field == "NORAD_CAT_ID":
        assert read_omm(NORAD_CAT_ID=None)[0].catalogue_number == 0
        return
    with pytest.raises(ElementsError, match=r"^bad\.json record 1: ") as caught:
        read_omm(**{field: value})
    assert (f"lacks {field}" in str(caught.value)) == (value is None)


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("field", ["MEAN_MOTION", "NORAD_CAT_ID", "INCLINATION", "BSTAR"])
def test_json_truth_values_are_no_numbers(read_omm, field, value):
    with pytest.raises(ElementsError, match=f"^bad.json record 1: {field} is {str(value).lower()}; expected a number"):
        read_omm(**{field: value})


@pytest.mark.parametrize("form", FORMS)
def test_ephemeris_types_0_and_2_are_sgp4_and_no_other_is_accepted(read_form, form):
    # CCSDS 502.0-B-3, 4.2.4.7: 0 is the default and what catalogues write, 2 is SGP4, 3 PPT3, 4 SGP4-XP, 6 numerical.
    for accepted in ("0", "2"):
        assert len(read_form(form, {"EPHEMERIS_TYPE": accepted})) == 1
    for refused in ("1", "3", "4", "5", "6", "00", "SGP4"):
        with pytest.raises(ElementsError, match=f"EPHEMERIS_TYPE {refused} is not SGP4"):
            read_form(form, {"EPHEMERIS_TYPE": refused})


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("theory", ["SGP4", "sgp4", "SGP/SGP4"])
def test_the_names_of_sgp4_are_accepted(read_form, form, theory):
    assert len(read_form(form, {"MEAN_ELEMENT_THEORY": theory})) == 1


@pytest.mark.parametrize(("field", "unit"), UNITS.items())
def test_units_are_checked_in_kvn_and_xml(read_text, field, unit):
    kvn, xml = in_form([RECORD], "kvn"), in_form([RECORD], "xml")
    value = RECORD[field]
    (good,) = read_elements(OMM_FILE)[:1]
    assert f"{field} = {value}\n" in kvn
    assert f"<{field}>" in xml
    for right in (unit, unit.upper()):
        assert read_text(kvn.replace(f"{field} = {value}\n", f"{field} = {value} [{right}]\n"), "a.kvn") == [good]
        assert read_text(xml.replace(f"<{field}>", f'<{field} units="{right}">'), "a.xml") == [good]
    for wrong in ("rad", "rad/s", "m", ""):
        with pytest.raises(ElementsError, match=rf"bad\.kvn line \d+: {field} is in \[{wrong}\]; expected \["):
            read_text(kvn.replace(f"{field} = {value}\n", f"{field} = {value} [{wrong}]\n"), "bad.kvn")
        with pytest.raises(ElementsError, match=rf"bad\.xml line \d+: {field} is in \[{wrong}\]; expected \["):
            read_text(xml.replace(f"<{field}>", f'<{field} units="{wrong}">'), "bad.xml")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("bad", [
    {"ECCENTRICITY": 1.5}, {"EPHEMERIS_TYPE": 4}, {"REF_FRAME": "GCRF"}, {"INCLINATION": ...}, {"EPOCH": "soon"},
], ids=str)  # fmt: skip
def test_one_bad_record_between_good_ones_is_named_or_skipped_with_one_warning(read_form, form, bad):
    changes = ({"OBJECT_NAME": "FIRST"}, {"OBJECT_NAME": "BAD"} | bad, {"OBJECT_NAME": "LAST", "NORAD_CAT_ID": 7})
    with pytest.raises(ElementsError, match=rf"^bad\.{form} {PLACE[form]}: "):
        read_form(form, *changes)
    with pytest.warns(BadRecordWarning, match=rf"^1 of 3 records skipped: bad\.{form} {PLACE[form]}: ") as warned:
        sets = read_form(form, *changes, bad_records="skip")
    assert len(warned) == 1
    assert [(s.name, s.catalogue_number) for s in sets] == [("FIRST", 99_001), ("LAST", 7)]


@pytest.mark.parametrize("form", FORMS)
def test_bad_records_alone_raise_even_when_they_are_skipped(read_form, form):
    with (
        pytest.warns(BadRecordWarning, match="2 of 2 records skipped"),
        pytest.raises(ElementsError, match=rf"bad\.{form}: no element set found; every record .*ECCENTRICITY is 2;"),
    ):
        read_form(form, {"ECCENTRICITY": 2}, {"EPOCH": ...}, bad_records="skip")


@pytest.mark.parametrize("form", FORMS)
def test_two_bad_records_are_both_named(read_form, form):
    with pytest.raises(ElementsError) as caught:
        read_form(form, {"ECCENTRICITY": 2}, {}, {"INCLINATION": 200})
    first, second, remedy = str(caught.value).splitlines()
    assert "ECCENTRICITY is 2;" in first
    assert "INCLINATION is 200;" in second
    assert remedy == 'mend the file, or leave such records out with bad_records = "skip"'


# ---------------------------------------------------------------- JSON


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


def test_an_empty_list_of_records_raises(read_text):
    with pytest.raises(ElementsError, match=r"bad\.json"):
        read_text("[]", "bad.json")


@pytest.mark.parametrize("content", ["{}", "[{}]"])
def test_an_empty_record_lacks_every_field(read_text, content):
    with pytest.raises(ElementsError, match=r"bad\.json record 1: lacks EPOCH, MEAN_MOTION, ECCENTRICITY"):
        read_text(content)


# ---------------------------------------------------------------- CSV


def csv_lines():
    return in_form([RECORD, RECORD | {"NORAD_CAT_ID": 7}, RECORD | {"NORAD_CAT_ID": 8}], "csv").splitlines()


@pytest.mark.parametrize(("change", "got"), [(",1", 22), (",1,2", 23)])
def test_a_csv_line_with_too_many_fields_raises_and_is_skipped_on_request(read_text, change, got):
    head, first, second, third = csv_lines()
    assert head.count(",") == 20
    content = "\n".join((head, first, second + change, third))
    with pytest.raises(ElementsError, match=rf"^bad\.csv line 3: {got} cells; expected 21, as in the header; .*; mend"):
        read_text(content, "bad.csv")
    with pytest.warns(BadRecordWarning, match=r"1 of 3 records skipped: bad\.csv line 3"):
        sets = read_text(content, "bad.csv", bad_records="skip")
    assert [s.catalogue_number for s in sets] == [99_001, 8]


@pytest.mark.parametrize("fields", [1, 2, 20])
def test_a_csv_line_with_too_few_fields_raises_and_is_skipped_on_request(read_text, fields):
    head, first, second, third = csv_lines()
    content = "\n".join((head, first, ",".join(second.split(",")[:fields]), third))
    with pytest.raises(ElementsError, match=rf"^bad\.csv line 3: {fields} cells; expected 21"):
        read_text(content, "bad.csv")
    with pytest.warns(BadRecordWarning, match=r"1 of 3 records skipped: bad\.csv line 3"):
        sets = read_text(content, "bad.csv", bad_records="skip")
    assert [s.catalogue_number for s in sets] == [99_001, 8]


def test_csv_lines_are_counted_from_the_first_line_of_the_file(read_text):
    head, first, second, _ = csv_lines()
    with pytest.raises(ElementsError, match=r"^bad\.csv line 5: 1 cells"):
        read_text("\n".join(("", "", head, first, "x", second)), "bad.csv")


def test_a_csv_file_with_crlf_blank_lines_spaces_and_quotes_is_read(read_text):
    head, first, second, third = csv_lines()
    content = "\r\n".join((head, "", first.replace(",", " , "), second, "", '"' + third.replace(",", '","') + '"', ""))
    assert [s.catalogue_number for s in read_text("\ufeff" + content, "a.csv")] == [99_001, 7, 8]


def test_a_csv_file_of_a_spreadsheet_with_semicolons_and_decimal_commas_is_read(read_text):
    # The same three sets as with commas and points: only separators and decimal marks differ.
    plain = "\n".join(csv_lines())
    changed = ["sep=;", *(re.sub(r"(?<=;)(-?\d*)\.(\d+(e-\d+)?)(?=;|$)", r"\1,\2", x.replace(",", ";"))
               for x in csv_lines())]  # fmt: skip
    assert changed != ["sep=;", *csv_lines()]
    assert read_text("\n".join(changed), "a.csv") == read_text(plain, "b.csv")


def test_a_csv_field_that_never_ends_raises(read_text):
    head, first, _, _ = csv_lines()
    with pytest.raises(ElementsError, match=r"^bad\.csv line \d"):
        read_text("\n".join((head, first, '"' + "x" * 200_000)), "bad.csv")


def test_a_csv_header_alone_holds_no_set(read_text):
    with pytest.raises(ElementsError, match=r"bad\.csv: no element set found"):
        read_text(csv_lines()[0] + "\n", "bad.csv")


# ---------------------------------------------------------------- KVN


def test_a_kvn_line_that_is_no_pair_raises_and_its_message_is_skipped_on_request(read_text):
    first, second, third = (in_form([RECORD | {"NORAD_CAT_ID": n}], "kvn") for n in (6, 7, 8))
    lines = second.splitlines()
    content = first + "\n".join((*lines[:5], "this line is junk", *lines[5:], "")) + third
    number = first.count("\n") + 6
    with pytest.raises(
        ElementsError, match=rf"^bad\.kvn line {number}: 'this line is junk' is no line KEYWORD = value; mend"
    ):
        read_text(content, "bad.kvn")
    with pytest.warns(BadRecordWarning, match=rf"^1 of 3 records skipped: bad\.kvn line {number}") as warned:
        sets = read_text(content, "bad.kvn", bad_records="skip")
    assert len(warned) == 1
    assert [s.catalogue_number for s in sets] == [6, 8]


def test_kvn_messages_may_begin_with_a_comment_or_lack_their_version_lines(read_text):
    bare = in_form([RECORD], "kvn").split("\n", 1)[1]
    assert bare.startswith("OBJECT_NAME")
    other = bare.replace("99001", "7")
    assert [s.catalogue_number for s in read_text(bare + other, "a.kvn")] == [99_001, 7]
    assert [s.catalogue_number for s in read_text("COMMENT made by hand\n\n" + bare, "a.kvn")] == [99_001]
    assert [s.catalogue_number for s in read_text("COMMENT\n" + bare, "a.kvn")] == [99_001]


def test_brackets_in_a_name_are_no_unit(read_text):
    # CelesTrak marks names with their state, as in "COSMOS 2251 [-]", and Starlinks as "[DTC]".
    kvn = in_form([RECORD | {"OBJECT_NAME": "STARLINK-11072 [DTC]", "OBJECT_ID": "2024-002A [X]"}], "kvn")
    (found,) = read_text(kvn, "a.kvn")
    assert (found.name, found.object_id) == ("STARLINK-11072 [DTC]", "2024-002A [X]")


@pytest.mark.parametrize("form", ["kvn", "xml"])
def test_a_keyword_given_twice_in_one_message_raises(read_text, form):
    # Two values for one keyword, or a message whose first lines are lost: neither may be guessed.
    text = in_form([RECORD], form)
    old = {"kvn": "ECCENTRICITY = 0.0001\n", "xml": "<ECCENTRICITY>0.0001</ECCENTRICITY>\n"}[form]
    assert old in text
    with pytest.raises(ElementsError, match="ECCENTRICITY"):
        read_text(text.replace(old, old + old.replace("0.0001", "0.2")), f"bad.{form}")


# ---------------------------------------------------------------- XML


def test_xml_of_one_message_alone_and_with_units_and_comments_is_read(read_text):
    _, message = in_form([RECORD], "xml").split("<ndm>\n")
    alone = message.replace("</ndm>\n", "").replace("<MEAN_MOTION>", '<!-- x --><MEAN_MOTION units="rev/day">')
    assert read_text('<?xml version="1.0"?>\n' + alone, "a.xml") == read_elements(OMM_FILE)[:1]


def test_other_messages_of_a_combined_xml_file_do_not_change_its_element_sets(read_text):
    other = (
        "<opm><body><segment><metadata><OBJECT_NAME>OTHER</OBJECT_NAME></metadata><data><stateVector>"
        "<EPOCH>2020-01-01T00:00:00</EPOCH></stateVector></data></segment></body></opm>"
    )
    xml = in_form([RECORD], "xml")
    good = read_elements(OMM_FILE)[:1]
    assert read_text(xml.replace("<ndm>", "<ndm>" + other), "a.xml") == good
    assert read_text(xml.replace("</ndm>", other + "</ndm>"), "a.xml") == good


BILLION_LAUGHS = '<!DOCTYPE ndm [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {after} "{f"&{before};" * 10}">' for before, after in zip("abcdefghi", "bcdefghij", strict=True)
) + "]>"  # fmt: skip
DOCTYPES = {
    "document type": "<!DOCTYPE ndm>",
    "external subset": '<!DOCTYPE ndm SYSTEM "file:///etc/passwd">',
    "public subset": '<!DOCTYPE ndm PUBLIC "-//X//Y" "http://127.0.0.1/x.dtd">',
    "internal entity": '<!DOCTYPE ndm [<!ENTITY e "0.5">]>',
    "external entity": '<!DOCTYPE ndm [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
    "parameter entity": '<!DOCTYPE ndm [<!ENTITY % e "x"> %e;]>',
    "billion laughs": BILLION_LAUGHS,
}


@pytest.mark.parametrize("doctype", DOCTYPES.values(), ids=DOCTYPES.keys())
@pytest.mark.parametrize("options", [{}, {"bad_records": "skip"}], ids=["raise", "skip"])
def test_xml_with_a_document_type_or_entities_is_refused(read_text, doctype, options):
    xml = in_form([RECORD], "xml").replace("?>\n", "?>\n" + doctype + "\n").replace("SYN EAGLE1-A", "&e;&j;")
    with pytest.raises(ElementsError, match=r"^bad\.xml line 2: a document type or entity; remove it$"):
        read_text(xml, "bad.xml", **options)


@pytest.mark.parametrize(
    "break_it",
    [
        lambda x: x[: len(x) // 2],
        lambda x: x.replace("</ndm>", ""),
        lambda x: x.replace("</omm>", "</oem>"),
        lambda x: x.replace("SYN EAGLE1-A", "&undefined;"),
        lambda x: x.replace("SYN EAGLE1-A", "A & B"),
        lambda x: x.replace("SYN EAGLE1-A", "\x00"),
        lambda x: x + "<ndm/>",
        lambda x: x.replace("<?xml", " <?xml"),
        lambda x: x.replace("UTF-8", "UTF-16"),
        lambda x: x.replace("UTF-8", "no-such-encoding"),
        lambda x: x.replace("UTF-8", "shift_jis"),
        lambda x: "<",
        lambda x: "<" * 100_000,
    ],
    ids=range(13),
)
def test_malformed_xml_raises_and_names_the_file(read_text, break_it):
    with pytest.raises(ElementsError, match=r"^bad\.xml: not valid XML: "):
        read_text(break_it(in_form([RECORD], "xml")), "bad.xml")


def test_deeply_nested_xml_holds_no_set(read_text):
    with pytest.raises(ElementsError, match=r"bad\.xml: no element set found"):
        read_text("<a>" * 50_000 + "</a>" * 50_000, "bad.xml")


# ---------------------------------------------------------------- writing


def sets_to_write():
    """Shipped sets with what may go wrong in writing: names, numbers, epochs, small and negative terms."""
    shipped = read_elements(OMM_FILE)
    names = ("A & B <C> \"D\" 'E'", "Überflieger ☄ 量子", "a, b; c = d", "SAT [DTC]", "[X]", "]]>", "&amp;", "1 25544U")
    changes = [
        *({"catalogue_number": n} for n in (28_492, 100_001, 339_999, 340_000, 799_501_299)),
        *({"name": n} for n in names),
        *({"epoch": datetime(2027, 2, 3, 4, 5, 6, us, tzinfo=UTC)} for us in (0, 250_000, 250_001, 1, 999_999)),
        {"mean_motion_rev_day": 0.1 + 0.2, "eccentricity": 1 / 3, "raan_deg": 1e-17, "bstar_per_earth_radius": -1.5e-7},
        {"mean_motion_dot_rev_day2": -5e-324, "mean_motion_ddot_rev_day3": 1.7976931348623157e308, "object_id": ""},
    ]
    return [s.model_copy(update=c) for s, c in zip(shipped, changes, strict=False)]


@pytest.mark.parametrize("form", FORMS)
def test_the_shipped_sets_are_written_and_read_back_exactly(tmp_path, form):
    shipped = read_elements(OMM_FILE)
    path = tmp_path / f"out.{form}"
    write_omm(shipped, path)
    assert read_elements(path) == shipped
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("elements", sets_to_write(), ids=lambda e: ascii(e.name)[:30])
def test_sets_of_any_name_number_and_epoch_are_written_and_read_back_exactly(tmp_path, form, elements):
    path = tmp_path / f"out.{form}"
    write_omm([elements], path)
    assert read_elements(path) == [elements]


def test_all_forms_chain_without_loss(tmp_path):
    sets = read_elements(OMM_FILE)
    for form in (*FORMS, *FORMS[::-1]):
        write_omm(sets, tmp_path / f"chain.{form}")
        sets = read_elements(tmp_path / f"chain.{form}")
    assert sets == read_elements(OMM_FILE)


@pytest.mark.parametrize("form", FORMS)
def test_the_same_sets_give_the_same_bytes(tmp_path, form):
    shipped = read_elements(OMM_FILE)
    for name in ("a", "b"):
        write_omm(shipped, tmp_path / f"{name}.{form}")
    first, second = ((tmp_path / f"{name}.{form}").read_bytes() for name in ("a", "b"))
    assert first == second
    assert b"\r" not in first
    assert first.endswith(b"\n")


@pytest.mark.parametrize("form", ["xml", "kvn"])
def test_the_creation_date_is_the_newest_epoch_or_as_given(tmp_path, form):
    first, second = read_elements(OMM_FILE)[:2]
    later = second.model_copy(update={"epoch": first.epoch + timedelta(days=2)})
    path = tmp_path / f"out.{form}"
    write_omm([later, first], path)
    assert path.read_text().count("2027-01-03T00:00:00.000000") == 3  # two headers and one epoch
    write_omm([first], path, created=datetime(2030, 5, 6, 7, 8, 9, tzinfo=UTC))
    assert path.read_text().count("2030-05-06T07:08:09.000000") == 1


def test_written_epochs_are_in_utc(tmp_path, read_omm):
    (found,) = read_omm(EPOCH="2027-02-03T05:05:06+01:00")
    write_omm([found], tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text())[0]["EPOCH"] == "2027-02-03T04:05:06.000000"


@pytest.mark.parametrize("name", ["out.txt", "out", "out.tle", "json"])
def test_an_unknown_suffix_raises_and_writes_nothing(tmp_path, name):
    with pytest.raises(ElementsError, match=f"write_omm: '{name}' ends in none of .json, .csv, .xml, .kvn"):
        write_omm(read_elements(OMM_FILE), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_an_empty_list_raises_and_writes_nothing(tmp_path):
    with pytest.raises(ElementsError, match="write_omm: no element set to write"):
        write_omm([], tmp_path / "out.json")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", FORMS)
def test_a_failed_write_leaves_the_old_file(tmp_path, form):
    shipped = read_elements(OMM_FILE)
    path = tmp_path / f"out.{form}"
    write_omm(shipped, path)
    before = path.read_bytes()
    with pytest.raises((ElementsError, UnicodeError)):
        write_omm([shipped[0].model_copy(update={"name": "\ud800"})], path)  # a lone surrogate is no text
    assert path.read_bytes() == before


# ---------------------------------------------------------------- the file as a whole


@pytest.mark.parametrize("form", FORMS)
def test_a_byte_order_mark_blank_lines_and_crlf_are_accepted(read_text, form):
    text = in_form([RECORD, RECORD | {"NORAD_CAT_ID": 7}], form)
    start = "" if form == "xml" else "\r\n \r\n"
    content = b"\xef\xbb\xbf" + (start + text.replace("\n", "\r\n")).encode()
    assert [s.catalogue_number for s in read_text(content, f"a.{form}")] == [99_001, 7]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_a_file_in_another_unicode_form_raises(read_text, form, encoding):
    with pytest.raises(ElementsError, match=rf"bad\.{form}"):
        read_text(in_form([RECORD], form).encode(encoding), f"bad.{form}")


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_is_too_large_raises(read_text, form, monkeypatch):
    text = in_form([RECORD], form)
    monkeypatch.setattr(elements_io, "ORBIT_BYTES", len(text) - 1)
    with pytest.raises(ElementsError, match=rf"bad\.{form} has {len(text)} bytes; expected at most {len(text) - 1}"):
        read_text(text, f"bad.{form}")


@pytest.mark.parametrize("form", ["json", "xml"])
def test_a_file_cut_at_any_character_raises(read_text, form):
    text = in_form([RECORD], form).rstrip()
    for cut in range(1, len(text), 7):
        with pytest.raises(ElementsError, match=rf"bad\.{form}"):
            read_text(text[:cut], f"bad.{form}")


def test_the_form_is_told_by_the_content_and_not_by_the_name(read_text):
    for form in FORMS:
        assert read_text(in_form([RECORD], form), "orbit.txt") == read_elements(OMM_FILE)[:1]
