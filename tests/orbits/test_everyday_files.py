"""Element files as they are met: marks, indents, missing columns and fields, prefixes, and pages instead of data."""

from __future__ import annotations

import json

import pytest

from eqci_space.errors import ElementsError, UncheckedRecordWarning
from eqci_space.orbits.elements_io import read_elements, write_omm
from eqci_space.orbits.oem_io import read_oem

# Micius (2016-051A), public element set of 2021 day 117, and Vanguard 1 (Vallado et al., AIAA 2006-6753).
MICIUS = (
    "1 41731U 16051A   21117.42314584  .00000696  00000-0  30260-4 0  9998",
    "2 41731  97.3499  30.8507 0012844 347.0485 124.2616 15.25507799261429",
)
VANGUARD = (
    "1 00005U 58002B   00179.78495062  .00000023  00000-0  28098-4 0  4753",
    "2 00005  34.2682 348.7242 1859667 331.7664  19.3264 10.82419157413667",
)
RECORD = {
    "OBJECT_NAME": "QUBE-1", "OBJECT_ID": "2027-004B", "EPOCH": "2027-01-05T06:00:00", "MEAN_MOTION": 15.1,
    "ECCENTRICITY": 0.0012, "INCLINATION": 97.6, "RA_OF_ASC_NODE": 12.5, "ARG_OF_PERICENTER": 80.0,
    "MEAN_ANOMALY": 33.0, "NORAD_CAT_ID": 61234, "BSTAR": 2e-4,
}  # fmt: skip


@pytest.fixture
def read(tmp_path):
    def read(content, name="x.txt", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_elements(path, **options)

    return read


# ---------------------------------------------------------------- two-line elements


@pytest.mark.parametrize("indent", [" ", "  ", "\t", "\u00a0   "])
def test_indented_lines_are_read_as_the_plain_ones(read, indent):
    plain = "\n".join(("MICIUS", *MICIUS, "VANGUARD 1", *VANGUARD))
    expected = read(plain)
    assert [s.name for s in expected] == ["MICIUS", "VANGUARD 1"]
    assert read("\n".join(indent + line for line in plain.splitlines())) == expected
    assert read("\r\n".join((*MICIUS, indent + VANGUARD[0] + "  ", VANGUARD[1])))[1].catalogue_number == 5


def test_byte_order_marks_of_joined_files_are_no_part_of_a_line(read):
    text = "\ufeff" + "\n".join(MICIUS) + "\n\ufeff" + "\n".join(VANGUARD)
    assert [s.catalogue_number for s in read(text)] == [41731, 5]


@pytest.mark.parametrize("rest", ["", " ", "   a note"[:2]])
def test_a_set_without_the_column_of_checksums_is_read_with_one_warning(read, rest):
    text = "\n".join(("MICIUS", *(line[:68] + rest for line in MICIUS), *VANGUARD, *(x[:68] for x in VANGUARD)))
    with pytest.warns(UncheckedRecordWarning) as warned:
        sets = read(text)
    assert [str(w.message) for w in warned] == [
        "x.txt: 2 element sets without the checksum of column 69, the first in line 2; a mistyped digit is not noticed "
        "there; get lines with checksums"
    ]
    assert sets == [*read("\n".join(("MICIUS", *MICIUS))), *read("\n".join(VANGUARD)) * 2]


def test_columns_that_are_written_blank_before_a_missing_checksum_count(read):
    # No element set number and no revolution number: blanks up to column 68.
    first, second = MICIUS[0][:64] + "    ", MICIUS[1][:63] + "     "
    with pytest.warns(UncheckedRecordWarning):
        assert read(f"{first}\n{second}\n")[0].catalogue_number == 41731
    with pytest.raises(ElementsError, match="line 1 has 63 characters; expected 69 ASCII characters, or 68 in both"):
        read(f"{first.rstrip()} \n{second.rstrip()}\n")


@pytest.mark.parametrize("short", [0, 1])
def test_one_line_without_checksum_is_a_line_that_was_cut(read, short):
    lines = [line[: 68 if i == short else 69] for i, line in enumerate(MICIUS)]
    with pytest.raises(ElementsError, match=rf"x\.txt line 1: line {short + 1} has 68 characters; expected 69"):
        read("\n".join(lines))


# ---------------------------------------------------------------- OMM


@pytest.mark.parametrize("value", [None, "", " ", 0, 0.0, "0", "0.0", 2, 2.0, "2.0"])
def test_every_way_to_write_the_usual_ephemeris_type_is_read(read, value):
    assert read(json.dumps([RECORD | {"EPHEMERIS_TYPE": value}])) == read(json.dumps([RECORD]))


@pytest.mark.parametrize("value", [3, 4.0, "0.5", False, "SGP4-XP"])
def test_other_ephemeris_types_are_refused(read, value):
    with pytest.raises(ElementsError, match=r"record 1: EPHEMERIS_TYPE .* is not SGP4; expected 0"):
        read(json.dumps([RECORD | {"EPHEMERIS_TYPE": value}]))


@pytest.mark.parametrize(
    "field", ["CENTER_NAME", "REF_FRAME", "TIME_SYSTEM", "MEAN_ELEMENT_THEORY", "OBJECT_ID", "BSTAR"]
)
@pytest.mark.parametrize("value", [None, "", "  "])
def test_blank_fields_are_as_good_as_none(read, field, value):
    without = {k: v for k, v in RECORD.items() if k != field}
    assert read(json.dumps([without | {field: value}])) == read(json.dumps([without]))


@pytest.mark.parametrize("form", ["json", "csv", "kvn", "xml"])
def test_a_record_without_number_is_known_by_its_name_and_survives_writing(read, tmp_path, form):
    (found,) = read(json.dumps([{k: v for k, v in RECORD.items() if k != "NORAD_CAT_ID"}]))
    assert (found.name, found.catalogue_number) == ("QUBE-1", 0)
    write_omm([found], tmp_path / f"y.{form}")
    assert read_elements(tmp_path / f"y.{form}") == [found]


def test_what_names_an_object_is_its_name_number_or_designator(read):
    bare = {k: v for k, v in RECORD.items() if k not in ("OBJECT_NAME", "NORAD_CAT_ID", "OBJECT_ID")}
    assert read(json.dumps([bare | {"NORAD_CAT_ID": "61234"}]))[0].name == "61234"
    assert read(json.dumps([bare | {"OBJECT_ID": "2027-004B"}]))[0].name == "2027-004B"
    with pytest.raises(ElementsError, match="record 1: lacks NORAD_CAT_ID"):
        read(json.dumps([bare]))


@pytest.mark.parametrize("prefix", ["ndm:", "omm:", "n1:", ""])
@pytest.mark.parametrize("everywhere", [False, True])
def test_xml_of_any_prefix_is_read(read, prefix, everywhere):
    inner = prefix if everywhere else ""
    fields = "".join(f"<{inner}{k}>{v}</{inner}{k}>" for k, v in RECORD.items())
    fields = fields.replace(f"<{inner}INCLINATION>", f'<{inner}INCLINATION units="deg">')
    declared = f' xmlns:{prefix[:-1]}="urn:ccsds:schema:ndmxml"' if prefix else ' xmlns="urn:ccsds:schema:ndmxml"'
    message = f'<{prefix}omm id="CCSDS_OMM_VERS">{fields}</{prefix}omm>'
    text = f'<?xml version="1.0"?>\n<{prefix}ndm{declared}>{message}</{prefix}ndm>'
    assert read(text) == read(json.dumps([RECORD]))
    with pytest.raises(ElementsError, match=r"INCLINATION is in \[rad\]; expected \[deg\]"):
        read(text.replace('"deg"', '"rad"'))


# ---------------------------------------------------------------- no data


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            "<!doctype html>\n<html><head><title>403 Forbidden</title></head></html>",
            "it is a web page titled '403 Forbidden', not data: its first line is '<!doctype html>'; download",
        ),
        ("No GP data found\n", "it is a message of a server, not data: its first line is 'No GP data found'; download"),
        (
            '{"error": "rate limit"}',
            'it is a message of a server, not data: its first line is \'{"error": "rate limit"}\'',
        ),
        ("SATELLITES OF THE WEEK\nAEOLUS\n", "its first line is 'SATELLITES OF THE WEEK'; expected OMM (JSON, CSV"),
        ("[]", "its first line is '[]'; expected OMM (JSON, CSV, XML, KVN) or TLE; give such a file"),
        ("<kml><Placemark/></kml>", "its first line is '<kml><Placemark/></kml>'; expected OMM"),
    ],
)
@pytest.mark.parametrize("bad_records", ["raise", "skip"])
def test_what_is_no_data_is_named_for_what_it_is(read, content, words, bad_records):
    with pytest.raises(ElementsError) as caught:
        read(content, bad_records=bad_records)
    assert str(caught.value).startswith(f"x.txt: no element set found; {words}")


def test_packed_and_wide_files_are_named(read):
    with pytest.raises(ElementsError, match=r"x\.txt is not UTF-8 text \(a file packed with gzip; unpack it\)"):
        read(b"\x1f\x8b\x08\x00\xff\xff")
    with pytest.raises(
        ElementsError, match=r"x\.txt is not UTF-8 text \(text in UTF-16, as PowerShell writes it; save"
    ):
        read("\n".join(MICIUS).encode("utf-16"))


def test_a_page_instead_of_an_ephemeris_is_named_too(tmp_path):
    (tmp_path / "x.oem").write_text("<html><title>Log in</title></html>", encoding="utf-8")
    with pytest.raises(ElementsError, match=r"^x\.oem: no OEM found; it is a web page titled 'Log in', not data"):
        read_oem(tmp_path / "x.oem")
