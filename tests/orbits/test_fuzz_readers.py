"""Fuzzing of the readers of orbit files: whatever a file holds, it is read or refused with an `ElementsError`."""

from __future__ import annotations

import json
import random
import warnings
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eqci_space.data import data_path
from eqci_space.errors import BadRecordWarning, ElementsError
from eqci_space.orbits.earth import orientation_end
from eqci_space.orbits.elements import ElementSet
from eqci_space.orbits.elements_io import read_elements, write_omm
from eqci_space.orbits.ephemeris import make_ephemeris, motion, tabulated_ephemeris
from eqci_space.orbits.oem_io import OemSegment, read_oem, write_oem

# Absurd numbers may overflow on their way to a refusal; the years of the calendar have no leap seconds.
pytestmark = [
    pytest.mark.filterwarnings("ignore:(overflow|invalid value|divide by zero):RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:ERFA function"),
    # States that are odd: velocities without the rotation, coarse interpolation.
    pytest.mark.filterwarnings("ignore::eqci_space.errors.ImplausibleInputWarning"),
]
FORMS = ["json", "csv", "xml", "kvn", "tle"]
FUZZ = settings(max_examples=120, deadline=None, database=None, derandomize=True)
TLE_FILE = data_path("orbits", "synthetic_constellations.tle")
OMM_FILE = data_path("orbits", "synthetic_constellations.omm.json")
# Micius (2016-051A), public element set of 2021 day 117.
MICIUS = (
    "1 41731U 16051A   21117.42314584  .00000696  00000-0  30260-4 0  9998",
    "2 41731  97.3499  30.8507 0012844 347.0485 124.2616 15.25507799261429",
)
# What tends to break readers: separators, markup, signs, number words, other digits, line ends, NUL, huge exponents.
SNIPPETS = [
    "", " ", "\n", "\r", "\t", "\x00", "\x0c", "\x1c", "\x85", "\u2028", "\ufeff", ",", ",,", '"', "'", "<", ">", "&",
    "&#0;", "</", "]]>", "<!--", "<?x?>", "<omm>", "</omm>", "[", "]", "{", "}", "=", "==", " = ", ":", "-", "+", ".",
    "_", "e", "E99999", "1e400", "1e300", "-1e-400", "nan", "inf", "-0", "٧", "é", "量", "0" * 30, "9" * 30, "null",
    "true", "COMMENT ", "META_START", "META_STOP", "COVARIANCE_START", "CCSDS_OMM_VERS = 2.0",
    "OBJECT_NAME = X", "EPOCH = 0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00", "9999-12-31T23:59:59",
    "shift_jis", "2027-366T00:00:00", "TAI", "TT", "GPS", "TEMEX", "ITRF", "1", "22", "LAGRANGE", "LINEAR",
    "no-such-code",
]  # fmt: skip


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A valid file of each form, of three records or twelve states."""
    folder = tmp_path_factory.mktemp("valid")
    found, sets = {}, read_elements(OMM_FILE)[:3]
    for form in FORMS[:4]:
        write_omm(sets, folder / f"x.{form}")
        found[form] = (folder / f"x.{form}").read_text(encoding="utf-8")
    found["tle"] = "\n".join(TLE_FILE.read_text().splitlines()[:9]) + "\n"
    start, seconds = datetime(2027, 1, 2, tzinfo=UTC), np.arange(12) * 60.0
    states = motion(make_ephemeris(sets[0], start, start + timedelta(minutes=20)), seconds)
    write_oem("X", start, seconds, *states, folder / "x.oem")
    found["oem"] = (folder / "x.oem").read_text(encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def fuzz_file(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "fuzz.txt"


def outcome(read, *arguments, **options):
    """What a call gives, or None and the message of its `ElementsError`; any other exception fails the test."""
    try:
        return read(*arguments, **options), ""
    except ElementsError as error:
        return None, str(error)


def put(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))


def reads_or_refuses(path, content):
    """Element sets in range, or an `ElementsError` that names the file.

    Skipping bad records must give the same good ones, and an orbit that was read is finite or refused.
    """
    put(path, content)
    sets, message = outcome(read_elements, path)
    assert sets or path.name in message
    left = sets
    if not sets:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BadRecordWarning)
            left, message = outcome(read_elements, path, bad_records="skip")
        assert left or path.name in message
    for elements in (left or [])[:3]:
        assert isinstance(elements, ElementSet)
        # Years with known Earth orientation; a perigee that needs no millions of steps.
        known = elements.epoch.year >= 1973 and elements.epoch + timedelta(days=1) < orientation_end()
        if known and elements.eccentricity < 0.9:
            end = elements.epoch + timedelta(minutes=10)
            ephemeris, message = outcome(make_ephemeris, elements, elements.epoch, end)
            assert elements.name in message if ephemeris is None else np.isfinite(ephemeris.grid_m).all()


def tabulates_or_refuses(path, content):
    """The same for ephemeris files: segments in order that give finite positions, or an `ElementsError`."""
    put(path, content)
    segments, message = outcome(read_oem, path)
    assert segments or path.name in message
    for segment in segments or []:
        assert isinstance(segment, OemSegment)
        assert (np.diff(segment.seconds) > 0).all()
        assert np.isfinite(segment.states).all()
        assert len(segment.states) == len(segment.seconds)
        # Years with known leap seconds and Earth orientation, and a length that does not take long.
        known = segment.start.year >= 1973 and segment.useable_stop < orientation_end() and segment.seconds[-1] < 1e5
        if known and segment.useable_start < segment.useable_stop:
            span = segment.useable_start, segment.useable_stop
            ephemeris, message = outcome(tabulated_ephemeris, [segment], *span)
            assert segment.object_name in message if ephemeris is None else np.isfinite(ephemeris.grid_m).all()


def mutated(text, seed):
    """The text with up to four random changes of characters, lines or words; the same for a seed."""
    draw = random.Random(seed)
    for _ in range(draw.randint(1, 4)):
        place, length = draw.randrange(len(text) + 1), draw.choice((0, 1, 1, 2, 5, 40))
        lines = text.split("\n")
        i, j = draw.randrange(len(lines)), draw.randrange(len(lines))
        kind = draw.randrange(9)
        if kind <= 2:  # delete, insert or replace characters
            text = text[:place] + (draw.choice(SNIPPETS) if kind else "") + text[place + (length if kind != 1 else 0) :]
        elif kind == 3:  # cut a line
            lines[i] = lines[i][: draw.randrange(len(lines[i]) + 1)]
            text = "\n".join(lines)
        elif kind == 4:  # cut the file
            text = text[:place]
        elif kind == 5:  # lose or double a line
            text = "\n".join((*lines[:i], *([lines[i]] * draw.choice((0, 2))), *lines[i + 1 :]))
        elif kind == 6:  # change the order of lines
            if draw.random() < 0.5:
                lines[i], lines[j] = lines[j], lines[i]
            else:
                draw.shuffle(lines)
            text = "\n".join(lines)
        elif kind == 7:  # another value for a word
            words = text.split(" ")
            words[draw.randrange(len(words))] = draw.choice(SNIPPETS)
            text = " ".join(words)
        else:  # another value for a quoted text, an XML content or a line's value
            for left, right in (('"', '"'), (">", "<"), ("= ", "\n"), (",", ",")):
                begin = text.find(left, place)
                end = text.find(right, begin + len(left))
                if begin >= 0 and end >= 0 and draw.random() < 0.6:
                    text = text[: begin + len(left)] + draw.choice(SNIPPETS) + text[end:]
                    break
    return text


# ---------------------------------------------------------------- arbitrary content


BEGINNINGS = [
    "", "[", "{", '[{"EPOCH":', "<", "<?xml version='1.0' ", "<omm>", "EPOCH,MEAN_MOTION\n", "CCSDS_OMM_VERS = 2.0\n",
    "COMMENT = ", "OBJECT_NAME = A\n", "1 ", "1 25544U\n2 25544", "CCSDS_OEM_VERS = 2.0\nMETA_START\n",
]  # fmt: skip
CONTENT = st.binary(max_size=300) | st.builds(
    str.__add__, st.sampled_from(BEGINNINGS), st.text(max_size=200) | st.lists(st.sampled_from(SNIPPETS)).map("".join)
)


@settings(FUZZ, max_examples=200)
@given(content=CONTENT)
def test_arbitrary_content_is_read_as_elements_or_refused(fuzz_file, content):
    reads_or_refuses(fuzz_file, content)


@settings(FUZZ, max_examples=200)
@given(content=CONTENT)
def test_arbitrary_content_is_read_as_an_ephemeris_or_refused(fuzz_file, content):
    tabulates_or_refuses(fuzz_file, content)


# ---------------------------------------------------------------- mutations of valid files


@pytest.mark.parametrize("form", FORMS)
@settings(FUZZ, max_examples=150)
@given(seed=st.integers(0, 2**32))
def test_mutated_element_files_are_read_or_refused(fuzz_file, originals, form, seed):
    reads_or_refuses(fuzz_file, mutated(originals[form], seed))


@settings(FUZZ, max_examples=250)
@given(seed=st.integers(0, 2**32))
def test_mutated_ephemeris_files_are_read_or_refused(fuzz_file, originals, seed):
    tabulates_or_refuses(fuzz_file, mutated(originals["oem"], seed))


def test_the_mutations_reach_both_outcomes_in_every_form(fuzz_file, originals):
    # A fuzzer that is always refused, or never, would test nothing.
    for form, text in originals.items():
        outcomes = set()
        for seed in range(40):
            fuzz_file.write_bytes(mutated(text, seed).encode())
            try:
                outcomes.add(bool(read_oem(fuzz_file) if form == "oem" else read_elements(fuzz_file)))
            except ElementsError:
                outcomes.add(False)
            except (LookupError, ValueError, OverflowError):
                continue  # the tests above are there to find these
        assert outcomes == {True, False}, form


def test_the_unmutated_files_are_read(fuzz_file, originals):
    for form, text in originals.items():
        fuzz_file.write_text(text, encoding="utf-8")
        assert len(read_oem(fuzz_file) if form == "oem" else read_elements(fuzz_file)) == (1 if form == "oem" else 3)


# ---------------------------------------------------------------- changes that know the form


def with_checksum(line):
    """The line with its last column set right: sum of the digits, a minus counting one, modulo ten."""
    total = sum(ord(c) - 48 if c in "0123456789" else c == "-" for c in line[:68])
    return line[:68] + str(total % 10)


@FUZZ
@given(
    line=st.integers(0, 1),
    column=st.integers(0, 68),
    text=st.text(st.characters(codec="utf-8"), min_size=0, max_size=3),
)
def test_mutated_lines_of_a_set_are_read_or_refused(fuzz_file, line, column, text):
    lines = list(MICIUS)
    lines[line] = lines[line][:column] + text + lines[line][column + len(text) :]
    reads_or_refuses(fuzz_file, "\n".join(lines))


@settings(FUZZ, max_examples=150)
@given(
    line=st.integers(0, 1),
    column=st.integers(1, 66),
    text=st.text(st.sampled_from("0123456789.-+ eEinfa_x"), min_size=1, max_size=8),
)
def test_mutated_fields_behind_a_right_checksum_are_read_or_refused(fuzz_file, line, column, text):
    lines = list(MICIUS)
    text = text[: 67 - column]
    lines[line] = with_checksum(lines[line][:column] + text + lines[line][column + len(text) :])
    reads_or_refuses(fuzz_file, "\n".join(lines))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
RECORD = json.loads(OMM_FILE.read_text())[0]


@settings(FUZZ, max_examples=150)
@given(field=st.sampled_from(sorted(RECORD)), value=JSON_VALUES)
def test_mutated_json_values_are_read_or_refused(fuzz_file, field, value):
    reads_or_refuses(fuzz_file, json.dumps([RECORD | {field: value}]))


@settings(FUZZ, max_examples=150)
@given(
    form=st.sampled_from(["csv", "xml", "kvn"]),
    field=st.sampled_from(sorted(RECORD)),
    value=st.sampled_from(SNIPPETS) | st.text(max_size=12) | st.floats().map(repr) | st.integers().map(str),
)
def test_mutated_values_of_other_forms_are_read_or_refused(fuzz_file, form, field, value):
    record = {k: str(v) for k, v in RECORD.items()} | {field: value}
    if form == "csv":
        content = f"{','.join(record)}\n{','.join(record.values())}\n"
    elif form == "kvn":
        content = "CCSDS_OMM_VERS = 2.0\n" + "".join(f"{k} = {v}\n" for k, v in record.items())
    else:
        content = "<omm>" + "".join(f"<{k}>{v}</{k}>" for k, v in record.items()) + "</omm>"
    reads_or_refuses(fuzz_file, content)


WORDS = st.sampled_from(SNIPPETS) | st.text(max_size=12) | st.floats().map(repr) | st.integers().map(str)


OEM_KEYS = [
    "OBJECT_NAME", "CENTER_NAME", "REF_FRAME", "TIME_SYSTEM", "START_TIME", "STOP_TIME", "USEABLE_START_TIME",
    "USEABLE_STOP_TIME", "INTERPOLATION", "INTERPOLATION_DEGREE",
]  # fmt: skip


@pytest.mark.parametrize("key", OEM_KEYS)
def test_mutated_metadata_of_an_ephemeris_are_read_or_refused(fuzz_file, originals, key):
    lines = [line for line in originals["oem"].splitlines() if not line.startswith(f"{key} ")]
    stop = lines.index("META_STOP")
    for value in SNIPPETS:
        tabulates_or_refuses(fuzz_file, "\n".join((*lines[:stop], f"{key} = {value}", *lines[stop:])))


@pytest.mark.parametrize("value", ["", "utf-16", "utf-32", "shift_jis", "latin-1", "no-such-code", "\x00", "é"])
def test_xml_of_any_stated_encoding_is_read_or_refused(fuzz_file, originals, value):
    reads_or_refuses(fuzz_file, originals["xml"].replace("UTF-8", value))


@settings(FUZZ, max_examples=150)
@given(row=st.integers(0, 11), column=st.integers(0, 6), value=WORDS)
def test_mutated_states_of_an_ephemeris_are_read_or_refused(fuzz_file, originals, row, column, value):
    lines = originals["oem"].splitlines()
    i = len(lines) - 12 + row
    words = lines[i].split(" ")
    words[column] = value
    lines[i] = " ".join(words)
    tabulates_or_refuses(fuzz_file, "\n".join(lines))


@settings(FUZZ, max_examples=60)
@given(
    system=st.sampled_from(["UTC", "TAI", "TT", "GPS"]),
    time=st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31, 23, 59)),  # noqa: DTZ001
)
def test_any_time_of_the_calendar_is_read_or_refused(fuzz_file, originals, system, time):
    lines = originals["oem"].replace("TIME_SYSTEM = UTC", f"TIME_SYSTEM = {system}").splitlines()
    for i in range(12):
        lines[i - 12] = (time + timedelta(seconds=i)).isoformat() + " " + lines[i - 12].split(" ", 1)[1]
    tabulates_or_refuses(fuzz_file, "\n".join(lines))
