"""The reader of two-line element sets: every column, every way to break one, and no record lost in silence."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import numpy as np
import pytest
from sgp4 import model
from sgp4.api import Satrec
from skyfield.api import EarthSatellite

from eqci_space.data import data_path
from eqci_space.errors import BadRecordWarning, ElementsError
from eqci_space.orbits import elements_io
from eqci_space.orbits.elements import propagator
from eqci_space.orbits.elements_io import read_elements

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
    def read(content, name="bad.tle", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_elements(path, **options)

    return read


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


def test_comments_and_text_behind_column_69_are_passed_over(read_text):
    # Verification files write comments with # and the minutes to propagate behind the checksum.
    sets = read_text("\n".join(("# a comment", MICIUS_2021[0], "#", MICIUS_2021[1] + "     0.00      1440.0", "")))
    assert [s.catalogue_number for s in sets] == [41731]
    with pytest.raises(ElementsError, match=r"line 2 has 70 characters; expected 69"):
        read_text("\n".join((MICIUS_2021[0], MICIUS_2021[1] + "5")))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("A0000", 100_000),
        ("H9999", 179_999),
        ("J0000", 180_000),
        ("N0000", 220_000),
        ("P0001", 230_001),
        ("T0002", 270_002),
        ("Z9999", 339_999),
    ],
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


def test_numbers_with_leading_blanks_are_read(read_text):
    (found,) = read_text("\n".join(edited(line, 3, "  731") for line in MICIUS_2021))
    assert found.catalogue_number == 731
    assert found.name == "731"


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
    "mean motion of an orbit below the ground": (L1, edited(L2, 53, "17.90000000")),
    "mean motion of no orbit": (L1, edited(L2, 53, " 0.00000100")),
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


@pytest.mark.parametrize("lines", BROKEN_TLE.values(), ids=BROKEN_TLE.keys())
def test_a_broken_set_between_good_ones_is_skipped_on_request_with_one_warning(read_text, lines):
    younger = edited(VANGUARD[0], 21, "180"), VANGUARD[1]
    content = "\n".join(("VANGUARD 1", *VANGUARD, "MICIUS", *lines, "VANGUARD 1", *younger))
    with pytest.warns(BadRecordWarning, match=r"records skipped: bad\.tle line [567]\b") as warned:
        sets = read_text(content, bad_records="skip")
    assert len(warned) == 1
    assert (sets[0].name, sets[0].catalogue_number, sets[0].epoch.day) == ("VANGUARD 1", 5, 27)
    assert (sets[-1].name, sets[-1].catalogue_number, sets[-1].epoch.day) == ("VANGUARD 1", 5, 28)
    # "line 1 twice" holds one whole set behind the stray line; all others hold none.
    assert len(sets) == (3 if lines == (L1, L1, L2) else 2)


@pytest.mark.parametrize("lines", BROKEN_TLE.values(), ids=BROKEN_TLE.keys())
def test_a_broken_set_leaves_unnamed_neighbours_their_own_names(read_text, lines):
    content = "\n".join((*VANGUARD, *lines, *VANGUARD))
    with pytest.warns(BadRecordWarning):
        sets = read_text(content, bad_records="skip")
    assert [s.name for s in sets] in (["5", "5"], ["5", "41731", "5"])


@pytest.mark.parametrize("lines", BROKEN_TLE.values(), ids=BROKEN_TLE.keys())
def test_a_file_of_bad_sets_alone_raises_even_when_bad_records_are_skipped(read_text, lines):
    if lines == (L1, L1, L2):
        lines = (L1, L1)
    with (
        pytest.warns(BadRecordWarning, match="skipped"),
        pytest.raises(ElementsError, match=r"bad\.tle: no element set found"),
    ):
        read_text("\n".join(lines), bad_records="skip")


def alpha_5(line):
    return edited(line, 3, "T0002")


SILENT = {
    "an Alpha-5 set cut to its heads": (alpha_5(L1)[:20], alpha_5(L2)[:20]),
    "a set whose first column is lost": (L1[1:], L2[1:]),
}


@pytest.mark.parametrize("lines", SILENT.values(), ids=SILENT.keys())
def test_lines_that_belong_to_no_set_are_not_dropped_in_silence(read_text, lines):
    content = "\n".join(("VANGUARD 1", *VANGUARD, "MICIUS", *lines, "VANGUARD 1", *VANGUARD))
    with pytest.raises(ElementsError, match=r"bad\.tle line [4567]\b"):
        read_text(content)


def test_half_an_alpha_5_set_does_not_become_the_name_of_the_next(read_text):
    content = "\n".join((alpha_5(L1), alpha_5(L2)[:20], *VANGUARD))
    with pytest.warns(BadRecordWarning):
        (left,) = read_text(content, bad_records="skip")
    assert left.name == "5"


def shifted(line, gone, gap):
    """The line with the blank of 1-based column `gone` moved to `gap`; digits and checksum stay the same."""
    assert line[gone - 1] == " "
    moved = line[: gone - 1] + line[gone:gap] + " " + line[gap:]
    assert len(moved) == 69
    assert sorted(moved) == sorted(line)
    return moved


def test_a_set_with_shifted_columns_raises_although_its_checksum_is_right(read_text):
    # Without a check of the blank columns the eccentricity of 0.0012844 is read as 0.012844.
    line2 = shifted(L2, 9, 33)
    assert line2[:34] == "2 41731 97.3499  30.8507 0012844  "
    with pytest.raises(ElementsError, match=r"bad\.tle line 1"):
        read_text("\n".join((L1, line2)))


def test_two_bad_sets_are_both_named(read_text):
    bad = (L1[:-1] + "7", L2)
    with pytest.raises(ElementsError) as caught:
        read_text("\n".join((*bad, *VANGUARD, *bad)))
    first, second, remedy = str(caught.value).splitlines()
    assert first.startswith("bad.tle line 1: checksum of line 1 is 7")
    assert second.startswith("bad.tle line 5: checksum of line 1 is 7")
    assert remedy == 'mend the file, or leave such records out with bad_records = "skip"'


@pytest.mark.parametrize(
    ("line", "column", "text", "message"),
    [
        (
            2,
            53,
            "18.10000000",
            "mean motion (line 2, columns 53-63) is 18.1; expected a finite number from 0.004 up to 18",
        ),
        (
            2,
            9,
            "180.1000",
            "inclination (line 2, columns 9-16) is 180.1; expected a finite number from 0 up to 180 deg",
        ),
        (2, 18, "     nan", "ascending node (line 2, columns 18-25) is nan; expected a finite number from 0 up to 360"),
    ],
)
def test_a_value_out_of_range_is_named_by_its_columns(read_text, line, column, text, message):
    lines = [edited(x, column, text) if n == line else x for n, x in enumerate(MICIUS_2021, start=1)]
    with pytest.raises(ElementsError, match=rf"^bad\.tle line 1: {re.escape(message)}.*; mend the file$"):
        read_text("\n".join(lines))


def test_of_many_bad_sets_ten_are_named_and_the_rest_counted(read_text):
    with pytest.raises(ElementsError, match=r"and 3 more\nmend the file$") as caught:
        read_text("\n".join((L1[:-1] + "7", L2) * 13))
    assert len(str(caught.value).splitlines()) == 12


@pytest.mark.parametrize("cut", range(1, 69))
def test_a_set_cut_at_any_column_of_its_second_line_raises(read_text, cut):
    with pytest.raises(ElementsError, match=r"bad\.tle line 4"):
        read_text("\n".join((*VANGUARD, "MICIUS", L1, L2))[: -69 + cut])


def test_a_file_cut_at_any_character_gives_whole_sets_or_an_error(read_text):
    content = "\n".join(("VANGUARD 1", *VANGUARD, "MICIUS", *MICIUS_2021))
    numbers = {0: [], 1: [5], 2: [5, 41731]}
    outcomes = set()
    for cut in range(1, len(content) + 1):
        whole = content[:cut].count("\n") // 3 + (cut == len(content))
        try:
            found = [s.catalogue_number for s in read_text(content[:cut])]
        except ElementsError:
            outcomes.add("error")
            continue
        at_line_end = content[:cut].splitlines()[-1] == VANGUARD[1]
        assert found == numbers[max(whole, 1 if at_line_end else 0)], content[:cut]
        outcomes.add(len(found))
    assert outcomes == {"error", 1, 2}


# ---------------------------------------------------------------- the file as a whole


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


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_in_another_unicode_form_raises(read_text, encoding):
    # Without a byte order mark UTF-16 of ASCII is valid UTF-8 with a NUL in every other place.
    with pytest.raises(ElementsError, match=r"bad\.tle"):
        read_text("\n".join(("MICIUS", *MICIUS_2021)).encode(encoding))


def test_a_file_that_is_too_large_raises_before_it_is_read(read_text, monkeypatch):
    content = "\n".join(MICIUS_2021)
    monkeypatch.setattr(elements_io, "ORBIT_BYTES", len(content))
    assert len(read_text(content)) == 1
    monkeypatch.setattr(elements_io, "ORBIT_BYTES", len(content) - 1)
    with pytest.raises(ElementsError, match=rf"bad\.tle has {len(content)} bytes; expected at most {len(content) - 1}"):
        read_text(content)


def test_the_shipped_file_holds_thirty_sets_that_all_propagate():
    sets = read_elements(TLE_FILE)
    assert len({s.catalogue_number for s in sets}) == len(sets) == 30
    for elements in sets:
        error, position_km, _ = propagator(elements).sgp4_tsince(0.0)
        assert error == 0
        # Circular orbits of 500 km to 600 km; short-period terms of J2 move a radius by up to 10 km.
        assert 6378.137 + 490.0 < np.linalg.norm(position_km) < 6378.137 + 610.0


# ---------------------------------------------------------------- blanks in fields with an implied point


def patterns(text, columns):
    """The text with each set of the given columns blanked."""
    for blanked in range(1 << len(columns)):
        characters = list(text)
        for bit, column in enumerate(columns):
            if blanked >> bit & 1:
                characters[column] = " "
        yield "".join(characters)


def packages_read(line1, line2, value, timescale):
    """What the compiled reader of sgp4, its Python reader and Skyfield find; None where one refuses."""
    readers = (
        Satrec.twoline2rv,
        model.Satrec.twoline2rv,
        lambda a, b: EarthSatellite(a, b, ts=timescale).model,
    )
    for read in readers:
        try:
            found = value(read(line1, line2))
        except ValueError:
            found = None
        yield found if found is not None and np.isfinite(found) else None


def test_eccentricities_with_any_blanks_equal_those_of_sgp4_and_skyfield(read_text, timescale):
    for digits in ("0012844", "7654321"):
        for text in patterns(digits, range(7)):
            line2 = edited(L2, 27, text)
            found = read_text(f"{L1}\n{line2}")[0].eccentricity
            for theirs in packages_read(L1, line2, lambda s: s.ecco, timescale):
                assert found == pytest.approx(theirs, rel=1e-12, abs=0), text


PER_MINUTE = 1440.0 / (2 * np.pi)  # revolutions a day to radians a minute
IMPLIED = {
    "bstar_per_earth_radius": (54, lambda s: s.bstar),
    "mean_motion_ddot_rev_day3": (45, lambda s: s.nddot * PER_MINUTE * 1440.0**2),
}


@pytest.mark.parametrize("field", IMPLIED)
@pytest.mark.parametrize("sign", [" ", "-", "+"])
@pytest.mark.parametrize("exponent", ["-4", "+1", " 2"])
def test_fields_with_implied_point_and_any_blanks_are_filled_with_zeros(read_text, timescale, field, sign, exponent):
    column, value = IMPLIED[field]
    agreed = 0
    for text in patterns(f"{sign}30265{exponent}", range(8)):
        line1 = edited(L1, column, text)
        found = getattr(read_text(f"{line1}\n{L2}")[0], field)
        filled = edited(L1, column, text[0] + text[1:6].replace(" ", "0") + text[6] + text[7].replace(" ", "0"))
        for theirs in packages_read(filled, L2, value, timescale):
            assert theirs is not None
            assert found == pytest.approx(theirs, rel=1e-12, abs=1e-300), text
        # As it stands, blanks and all, whatever both packages make of it alike is the same.
        compiled, plain, _ = packages_read(line1, L2, value, timescale)
        if compiled is not None and plain is not None:
            assert found == pytest.approx(compiled, rel=1e-12, abs=1e-300), text
            agreed += 1
    assert agreed >= 20


def test_second_derivatives_with_any_blanks_equal_the_compiled_reader(read_text, timescale):
    for text in patterns(" 12345-6", range(1, 8)):
        line1 = edited(L1, 45, text)
        found = read_text(f"{line1}\n{L2}")[0].mean_motion_ddot_rev_day3
        compiled, _, skyfield = packages_read(line1, L2, IMPLIED["mean_motion_ddot_rev_day3"][1], timescale)
        assert compiled == skyfield
        assert found == pytest.approx(compiled, rel=1e-12, abs=1e-300), text


@pytest.mark.parametrize("sign", [" ", "-", "+"])
def test_first_derivatives_with_any_blanks_are_filled_with_zeros(read_text, timescale, sign):
    for text in patterns(f"{sign}.00060696", [0, *range(6, 10)]):
        line1 = edited(L1, 34, text)
        found = read_text(f"{line1}\n{L2}")[0].mean_motion_dot_rev_day2
        filled = edited(L1, 34, text[0] + text[1:].replace(" ", "0"))
        for theirs in packages_read(filled, L2, lambda s: s.ndot * PER_MINUTE * 1440.0, timescale):
            assert found == pytest.approx(theirs, rel=1e-12), text
    for text in (" .    0696", "          "):
        expected = 0.00000696 if "." in text else 0.0
        assert read_text(f"{edited(L1, 34, text)}\n{L2}")[0].mean_motion_dot_rev_day2 == pytest.approx(expected)


def test_a_geostationary_eccentricity_of_leading_blanks_is_small(read_text):
    line2 = with_checksum("2 99998   0.0500  90.0000     260  90.0000 120.0000  1.00270000000010")
    line1 = with_checksum("1 99998U 27002A   27060.50000000  .00000000  00000-0  00000-0 0  9990")
    assert read_text(f"{line1}\n{line2}")[0].eccentricity == 0.000026


@pytest.mark.parametrize("text", ["530260-4", " 3026a-4", " 30260*4", " 3_260-4", " 30.60-4", "--0260-4"])
def test_what_is_no_number_with_implied_point_raises(read_text, text):
    for column in (45, 54):
        with pytest.raises(ElementsError, match=r"bad\.tle line 1: a field is no number"):
            read_text(f"{edited(L1, column, text)}\n{L2}")
    with pytest.raises(ElementsError, match=r"bad\.tle line 1: a field is no number"):
        read_text(f"{L1}\n{edited(L2, 27, '00_2844')}")
