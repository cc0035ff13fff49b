"""Orbit Ephemeris Messages: written and read in every frame and time system, interpolated, and refused when broken."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from skyfield.api import EarthSatellite

from eqci_space.data import data_path
from eqci_space.errors import AssumedObjectWarning, ElementsError, ScenarioError, TimeError
from eqci_space.orbits.elements import ElementSet, propagator
from eqci_space.orbits.ephemeris import (
    ephemerides,
    make_ephemeris,
    motion,
    positions_m,
    satellite_elements,
    satellite_segments,
    tabulated_ephemeris,
)
from eqci_space.orbits.oem_io import OemSegment, interpolated_km, read_oem, write_oem
from eqci_space.orbits.passes import find_passes
from eqci_space.orbits.time_scales import epochs_tai_us, tai_us, utc_of
from eqci_space.scenario import load_scenario

START = datetime(2027, 1, 2, tzinfo=UTC)
DAY_S = 86_400.0
DAY = timedelta(days=1)
FRAMES = ["EME2000", "GCRF", "ICRF", "TEME", "ITRF2020"]
MINUTES_S = np.arange(0.0, DAY_S + 1, 60.0)
LOW = "SYN EAGLE1-A LTAN2230"  # 500 km, the lowest and fastest of the shipped orbits
MOLNIYA = ElementSet(
    name="MOLNIYA", catalogue_number=1, epoch=START, mean_motion_rev_day=2.006, eccentricity=0.7, inclination_deg=63.4,
    raan_deg=40.0, argument_of_pericenter_deg=270.0, mean_anomaly_deg=0.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def low_orbit(synthetic_sets):
    """Ephemeris of a shipped low orbit, straight from its elements."""
    return make_ephemeris(synthetic_sets[LOW], START, START + DAY)


@pytest.fixture(scope="module")
def texts(low_orbit, tmp_path_factory):
    """The low orbit of a day as OEM text, one a frame."""
    folder, found = tmp_path_factory.mktemp("oem"), {}
    for frame in FRAMES:
        path = folder / f"{frame}.oem"
        write_oem(LOW, START, MINUTES_S, *motion(low_orbit, MINUTES_S), path, frame=frame, object_id="2027-999A")
        found[frame] = path.read_text(encoding="utf-8")
    return found


@pytest.fixture
def read_text(tmp_path):
    def read(text, name="some.oem"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_oem(path)

    return read


def with_meta(text, **changes):
    """The text with other values of metadata keywords; ... removes one, new ones stand before META_STOP."""
    for key, value in changes.items():
        line = "" if value is ... else f"{key} = {value}\n"
        text, found = re.subn(rf"^{key} = .*\n", line, text, flags=re.M)
        if not found:
            text = text.replace("META_STOP\n", f"{line}META_STOP\n")
    return text


def data_lines(text):
    """Indices of the lines that hold states."""
    return [i for i, line in enumerate(text.splitlines()) if re.match(r"\d{4}-", line)]


def distance_m(a, b, seconds, offset_s=0.0):
    """Distances [m] of two ephemerides, the second with its origin earlier by `offset_s`."""
    return np.linalg.norm(positions_m(a, seconds) - positions_m(b, seconds + offset_s), axis=1)


# ---------------------------------------------------------------- there and back


@pytest.mark.parametrize("frame", FRAMES)
def test_an_orbit_written_and_read_back_is_the_same_to_a_millimetre(texts, read_text, low_orbit, frame):
    # A period with a margin of more than twelve grid steps of 179 s to both ends of the file. Measured: 0.25 mm, from
    # the polynomial of degree eleven on the grid; the file itself holds micrometres.
    begin, end = 3_600.0, DAY_S - 3_600.0
    ephemeris = tabulated_ephemeris(
        read_text(texts[frame]), START + timedelta(seconds=begin), START + timedelta(seconds=end)
    )
    seconds = np.linspace(0.0, end - begin, 20_011)
    assert distance_m(ephemeris, low_orbit, seconds, begin).max() < 1e-3
    speeds = motion(ephemeris, seconds)[1] - motion(low_orbit, seconds + begin)[1]
    assert np.abs(speeds).max() < 2e-5  # [m/s]; measured 4e-6


@pytest.mark.parametrize("frame", FRAMES)
def test_an_orbit_reaches_the_edges_of_the_file_with_two_centimetres(texts, read_text, low_orbit, frame):
    # Without states beyond the edge the stencils there are one-sided. Measured: 19 mm in the outermost interval.
    ephemeris = tabulated_ephemeris(read_text(texts[frame]), START, START + DAY)
    seconds = np.linspace(0.0, DAY_S, 20_011)
    error = distance_m(ephemeris, low_orbit, seconds)
    assert error.max() < 0.02
    inside = (seconds > 6 * ephemeris.step_s) & (seconds < DAY_S - 6 * ephemeris.step_s)
    assert error[inside].max() < 1e-3


@pytest.mark.parametrize("step_s", [30.0, 120.0, 180.0])
def test_files_of_any_usual_step_give_the_same_orbit(low_orbit, tmp_path, step_s):
    seconds = np.arange(0.0, DAY_S + 1, step_s)
    write_oem("X", START, seconds, *motion(low_orbit, seconds), tmp_path / "x.oem", frame="GCRF")
    ephemeris = tabulated_ephemeris(read_oem(tmp_path / "x.oem"), START + 0.1 * DAY, START + 0.9 * DAY)
    inside = np.linspace(0.0, 0.8 * DAY_S, 20_011)
    assert distance_m(ephemeris, low_orbit, inside, 0.1 * DAY_S).max() < 1e-3


def test_times_between_microseconds_cost_millimetres(low_orbit, tmp_path):
    # Times are written in microseconds: half of one is 3.8 mm at 7.6 km/s, and interpolation adds a little.
    seconds = np.linspace(0.0, DAY_S, 1_000)
    write_oem("X", START, seconds, *motion(low_orbit, seconds), tmp_path / "x.oem")
    ephemeris = tabulated_ephemeris(read_oem(tmp_path / "x.oem"), START + 0.1 * DAY, START + 0.9 * DAY)
    inside = np.linspace(0.0, 0.8 * DAY_S, 20_011)
    assert distance_m(ephemeris, low_orbit, inside, 0.1 * DAY_S).max() < 6e-3


def test_a_highly_eccentric_orbit_is_kept(tmp_path):
    # Both ends of the file are at perigee, where the stencils are the worst. Measured: 2 mm inside, 0.16 m in the
    # outermost grid interval.
    direct = make_ephemeris(MOLNIYA, START, START + DAY)
    write_oem("MOLNIYA", START, MINUTES_S, *motion(direct, MINUTES_S), tmp_path / "x.oem", frame="GCRF")
    ephemeris = tabulated_ephemeris(read_oem(tmp_path / "x.oem"), START, START + DAY)
    seconds = np.linspace(0.0, DAY_S, 40_011)
    error = distance_m(ephemeris, direct, seconds)
    inside = (seconds > 6 * ephemeris.step_s) & (seconds < DAY_S - 6 * ephemeris.step_s)
    assert error[inside].max() < 0.01
    assert error.max() < 0.25


@pytest.mark.parametrize("elements", ["low", "molniya"])
@pytest.mark.parametrize("frame", ["GCRF", "ITRF2020"])
def test_bounds_on_speed_acceleration_and_radius_hold(tmp_path, synthetic_sets, elements, frame):
    direct = make_ephemeris(synthetic_sets[LOW] if elements == "low" else MOLNIYA, START, START + DAY)
    write_oem("X", START, MINUTES_S, *motion(direct, MINUTES_S), tmp_path / "x.oem", frame=frame)
    ephemeris = tabulated_ephemeris(read_oem(tmp_path / "x.oem"), START, START + DAY)
    seconds = np.linspace(1.0, DAY_S - 1.0, 20_011)
    before, here, after = (positions_m(direct, seconds + d) for d in (-1.0, 0.0, 1.0))
    speed = np.linalg.norm(after - before, axis=1).max() / 2.0
    acceleration = np.linalg.norm(after - 2 * here + before, axis=1).max()
    radius = np.linalg.norm(here, axis=1).min()
    assert speed < ephemeris.speed_bound_m_s < 1.5 * speed
    assert acceleration < ephemeris.acceleration_bound_m_s2 < 1.5 * acceleration
    assert 0.95 * radius < ephemeris.perigee_radius_m < radius


def test_positions_are_given_at_both_ends_of_every_period(texts, read_text):
    segments = read_text(texts["ITRF2020"])
    lengths_us = np.random.default_rng(3).integers(1, 86_400_000_000, 300)
    for length_us in map(int, lengths_us):
        end = START + timedelta(microseconds=length_us)
        cut = [replace(segments[0], useable_stop=end)]
        ephemeris = tabulated_ephemeris(cut, START, end)
        places = positions_m(ephemeris, np.array([0.0, (end - START).total_seconds()]))
        assert np.isfinite(places).all(), length_us


@pytest.mark.parametrize("length", [timedelta(0), timedelta(seconds=-1)])
def test_a_period_that_does_not_rise_raises(texts, read_text, length):
    middle = START + 0.5 * DAY
    with pytest.raises((TimeError, ElementsError), match=r"tabulated_ephemeris|period"):
        tabulated_ephemeris(read_text(texts["GCRF"]), middle, middle + length)


def test_a_period_with_naive_times_raises(texts, read_text):
    naive = START.replace(tzinfo=None)
    for period in ((naive, START + DAY), (START, naive + DAY)):
        with pytest.raises(TimeError, match=r"tabulated_ephemeris: period .* expected aware times"):
            tabulated_ephemeris(read_text(texts["GCRF"]), *period)


def test_the_name_is_the_objects_unless_another_is_given(texts, read_text):
    segments = read_text(texts["GCRF"])
    assert tabulated_ephemeris(segments, START, START + DAY).satellite == LOW
    assert tabulated_ephemeris(segments, START, START + DAY, name="MINE").satellite == "MINE"


# ---------------------------------------------------------------- what is written


def states_of(read_text, text):
    (segment,) = read_text(text)
    return segment.states[:, :3] * 1e3, segment.states[:, 3:] * 1e3


def test_gcrf_states_equal_skyfields(texts, read_text, synthetic_sets, timescale):
    places, speeds = states_of(read_text, texts["GCRF"])
    satellite = EarthSatellite.from_satrec(propagator(synthetic_sets[LOW]), timescale)

    def expected_m(shift_s):
        time = timescale.utc(START.year, START.month, START.day, 0, 0, MINUTES_S + shift_s)
        return satellite.at(time).xyz.m.T

    # Skyfield has IAU 2000A nutation and goes from TEME through the equinox, the package has IAU 2006/2000A and goes
    # through the Earth rotation angle; the equations of the equinoxes differ by milliarcseconds. Measured: 4 cm.
    assert np.linalg.norm(places - expected_m(0.0), axis=1).max() < 0.1
    # SGP4's velocity is not the derivative of its position, so the difference of positions is the reference.
    # One second leaves r'''/24 = 4e-4 m/s.
    assert np.abs(speeds - (expected_m(0.5) - expected_m(-0.5))).max() < 1e-3


def test_icrf_and_gcrf_are_one_frame_for_an_earth_satellite(texts):
    assert texts["ICRF"].replace("REF_FRAME = ICRF", "REF_FRAME = GCRF") == texts["GCRF"]


def test_eme2000_differs_from_gcrf_by_the_frame_bias(texts, read_text):
    # IERS Conventions (2010), section 5.4.4 and equation 5.21: dalpha0 = -14.6, xi0 = -16.617, eta0 = -6.8192 mas.
    mas = np.radians(1 / 3.6e6)
    alpha, xi, eta = -14.6 * mas, -16.617 * mas, -6.8192 * mas
    bias = np.array([[1.0, alpha, -xi], [-alpha, 1.0, -eta], [xi, eta, 1.0]])
    gcrf, gcrf_speed = states_of(read_text, texts["GCRF"])
    mean, mean_speed = states_of(read_text, texts["EME2000"])
    # The angles of IAU 2006, from which the package takes the bias, are given to a microarcsecond: 33 um. Measured: 9.
    assert mean == pytest.approx(gcrf @ bias.T, abs=35e-6)
    assert mean_speed == pytest.approx(gcrf_speed @ bias.T, abs=5e-8)
    assert 0.7 < np.linalg.norm(mean - gcrf, axis=1).max() < 0.8  # 23 mas at 6880 km


def test_teme_states_are_those_of_sgp4(texts, read_text, synthetic_sets):
    places, _ = states_of(read_text, texts["TEME"])
    jd = np.full(len(MINUTES_S), 2_461_407.5)  # 2027-01-02 00:00 UTC
    errors, expected_km, _ = propagator(synthetic_sets[LOW]).sgp4_array(jd, MINUTES_S / DAY_S)
    assert not errors.any()
    # The interpolation of the package's ephemeris is below a millimetre.
    assert np.linalg.norm(places - expected_km * 1e3, axis=1).max() < 1e-3


def test_earth_fixed_states_are_the_ephemeris_itself(texts, read_text, low_orbit):
    places, speeds = states_of(read_text, texts["ITRF2020"])
    expected_m, expected_m_s = motion(low_orbit, MINUTES_S)
    assert places == pytest.approx(expected_m, abs=1e-6)  # [m]; nine decimals of a kilometre
    assert speeds == pytest.approx(expected_m_s, abs=1e-9)  # [m/s]; twelve decimals of a km/s


@pytest.mark.parametrize("frame", FRAMES)
def test_velocities_are_the_derivatives_of_the_positions(low_orbit, read_text, tmp_path, frame):
    # Central differences over 0.2 s: h^2/6 r''' = 1.6e-5 m/s, and 1e-5 m/s for the micrometres of the file.
    seconds = np.arange(600.0, 80_000.0, 600.0)
    states = {}
    for shift in (-0.1, 0.0, 0.1):
        path = tmp_path / f"{shift}.oem"
        write_oem("X", START, seconds + shift, *motion(low_orbit, seconds + shift), path, frame=frame)
        states[shift] = states_of(read_text, path.read_text())
    difference = (states[0.1][0] - states[-0.1][0]) / 0.2
    assert np.abs(states[0.0][1] - difference).max() < 5e-5


def test_the_file_holds_what_the_standard_asks_for(texts):
    # CCSDS 502.0-B-3, tables 5-2 and 5-3: the mandatory keywords, in this order.
    lines = texts["EME2000"].splitlines()
    keys = [line.split(" = ")[0] for line in lines[: lines.index("META_STOP") + 1]]
    assert keys == [
        "CCSDS_OEM_VERS", "CREATION_DATE", "ORIGINATOR", "META_START", "OBJECT_NAME", "OBJECT_ID", "CENTER_NAME",
        "REF_FRAME", "TIME_SYSTEM", "START_TIME", "STOP_TIME", "INTERPOLATION", "INTERPOLATION_DEGREE", "META_STOP",
    ]  # fmt: skip
    assert "START_TIME = 2027-01-02T00:00:00.000000" in lines
    assert "STOP_TIME = 2027-01-03T00:00:00.000000" in lines
    assert len(data_lines(texts["EME2000"])) == 1441


def test_the_same_states_give_the_same_bytes(low_orbit, tmp_path):
    for name in ("a", "b"):
        write_oem("X", START, MINUTES_S, *motion(low_orbit, MINUTES_S), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    write_oem("X", START, MINUTES_S, *motion(low_orbit, MINUTES_S), tmp_path / "c", created=START + DAY)
    assert "CREATION_DATE = 2027-01-03T00:00:00.000000\n" in (tmp_path / "c").read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["A & B <C>", "Ünïcödé 量子", "X = Y", "SAT [DTC]", "COMMENT", "META_STOP"])
def test_names_are_written_and_read_back(low_orbit, tmp_path, name):
    seconds = MINUTES_S[:10]
    write_oem(name, START, seconds, *motion(low_orbit, seconds), tmp_path / "x.oem", object_id="1-1A")
    (segment,) = read_oem(tmp_path / "x.oem")
    assert (segment.object_name, segment.object_id) == (name, "1-1A")


def test_writing_refuses_unknown_frames_and_too_few_states_and_leaves_no_file(low_orbit, tmp_path):
    states = motion(low_orbit, MINUTES_S[:7])
    with pytest.raises(ElementsError, match="write_oem: 7 states; expected at least 8"):
        write_oem("X", START, MINUTES_S[:7], *states, tmp_path / "x.oem")
    states = motion(low_orbit, MINUTES_S[:8])
    with pytest.raises(ElementsError, match="write_oem: unknown reference frame 'MOD'"):
        write_oem("X", START, MINUTES_S[:8], *states, tmp_path / "x.oem", frame="MOD")
    with pytest.raises(TimeError, match="no time zone"):
        write_oem("X", START.replace(tzinfo=None), MINUTES_S[:8], *states, tmp_path / "x.oem")
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- time systems and spans


def shifted(text, seconds, system):
    """The text with all its times later by `seconds`, in another time system."""

    def later(match):
        return (datetime.fromisoformat(match[0]) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f")

    return with_meta(re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+", later, text), TIME_SYSTEM=system)


@pytest.mark.parametrize(("system", "ahead_s"), [("TAI", 37.0), ("TT", 69.184), ("GPS", 18.0), ("UTC", 0.0)])
def test_times_of_other_systems_are_turned_into_utc(texts, read_text, system, ahead_s):
    # TAI - UTC = 37 s since 2017 (IERS Bulletin C), TT = TAI + 32.184 s, GPS = TAI - 19 s.
    (expected,), (found,) = read_text(texts["GCRF"]), read_text(shifted(texts["GCRF"], ahead_s, system))
    assert found.start == expected.start == START
    assert np.array_equal(found.seconds, expected.seconds)
    assert (found.useable_start, found.useable_stop) == (expected.useable_start, expected.useable_stop)
    here, there = (tabulated_ephemeris([s], START, START + DAY) for s in (found, expected))
    assert np.array_equal(here.grid_m, there.grid_m)


@pytest.mark.parametrize(
    ("tai", "utc"),
    [
        ("2016-12-31T23:59:00", datetime(2016, 12, 31, 23, 58, 24, tzinfo=UTC)),  # 36 s before the leap second
        ("2017-01-01T00:00:35", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2017-01-01T00:00:37", datetime(2017, 1, 1, 0, 0, 0, tzinfo=UTC)),  # 37 s behind it
        ("1999-12-31T12:00:32", datetime(1999, 12, 31, 12, 0, 0, tzinfo=UTC)),
    ],
)
def test_leap_seconds_are_those_of_the_time(tai, utc):
    (found,) = epochs_tai_us([tai], "TAI", ["here"])
    assert utc_of(int(found)) == utc
    assert tai_us(utc) == found


@pytest.mark.parametrize(("system", "year"), [("TT", "0001"), ("GPS", "9999")])
def test_times_at_the_ends_of_the_calendar_raise(texts, read_text, system, year):
    edge = "0001-01-01T00:00:00" if year == "0001" else "9999-12-31T23:59:59"
    text = texts["GCRF"].replace("2027-01-02T00:00:00.000000", edge)
    with pytest.raises(ElementsError, match=r"some\.oem line \d+"):
        read_text(with_meta(text, TIME_SYSTEM=system))


def test_day_of_year_times_are_read(texts, read_text):
    # CCSDS 502.0-B-3, 7.5.10: calendar or day of year.
    text = texts["GCRF"].replace("2027-01-02T", "2027-002T").replace("2027-01-03T", "2027-003T")
    (found,), (expected,) = read_text(text), read_text(texts["GCRF"])
    assert found.start == expected.start
    assert np.array_equal(found.seconds, expected.seconds)


def test_useable_times_bound_the_ephemeris(texts, read_text, low_orbit):
    begin, end = START + timedelta(hours=2), START + timedelta(hours=20)
    text = with_meta(texts["GCRF"], USEABLE_START_TIME="2027-01-02T02:00:00", USEABLE_STOP_TIME="2027-01-02T20:00:00")
    segments = read_text(text)
    assert (segments[0].useable_start, segments[0].useable_stop) == (begin, end)
    assert segments[0].start == START
    ephemeris = tabulated_ephemeris(segments, begin, end)
    assert ephemeris.first_s == 0.0
    last = ephemeris.first_s + (ephemeris.grid_m.shape[1] - 1) * ephemeris.step_s
    assert last == pytest.approx(18 * 3_600.0, abs=1e-6)
    assert distance_m(ephemeris, low_orbit, np.linspace(0.0, last, 5_003), 7_200.0).max() < 0.02
    for period in ((begin - timedelta(seconds=1), end), (begin, end + timedelta(seconds=1))):
        with pytest.raises(
            ElementsError,
            match=r"has states for 2027-01-02T02:00Z to 2027-01-02T20:00Z; none covers the period 2027-01-02T0",
        ):
            tabulated_ephemeris(segments, *period)


def test_useable_times_beyond_the_states_are_cut_to_them(texts, read_text):
    text = with_meta(texts["GCRF"], USEABLE_START_TIME="2027-01-01T00:00:00", USEABLE_STOP_TIME="2027-02-01T00:00:00")
    (segment,) = read_text(text)
    assert (segment.useable_start, segment.useable_stop) == (START, START + DAY)


def two_segments(text):
    """The text as one file with segments of hours 0 to 12 and 12 to 24; positions of the second are 1 km further."""
    lines = text.splitlines()
    rows = [lines[i] for i in data_lines(text)]
    head = "\n".join(lines[: lines.index("META_START")])
    meta = "\n".join(lines[lines.index("META_START") : lines.index("META_STOP") + 1])
    second = []
    for row in rows[720:]:
        time, x, *rest = row.split()
        second.append(" ".join((time, f"{float(x) + 1.0:.9f}", *rest)))
    parts = [head]
    for block in (rows[:721], second):
        parts += [with_meta(meta, START_TIME=block[0].split()[0], STOP_TIME=block[-1].split()[0]), *block]
    return "\n".join((*parts, ""))


def test_of_several_segments_the_one_that_covers_the_period_is_taken(texts, read_text, low_orbit):
    segments = read_text(two_segments(texts["ITRF2020"]))
    assert [len(s.seconds) for s in segments] == [721, 721]
    seconds = np.linspace(0.0, 8 * 3_600.0, 1_003)
    for hour, offset in ((2, 0.0), (14, 1_000.0)):
        begin = START + timedelta(hours=hour)
        ephemeris = tabulated_ephemeris(segments, begin, begin + timedelta(hours=8))
        off = positions_m(ephemeris, seconds) - positions_m(low_orbit, seconds + hour * 3_600.0)
        # The offset makes the orbit no longer exact, but not its table; a millimetre as above.
        assert off == pytest.approx(np.tile([offset, 0.0, 0.0], (len(seconds), 1)), abs=1e-3)
    assert tabulated_ephemeris(segments, START + 0.5 * DAY, START + DAY).first_s == 0.0


def test_a_period_that_no_segment_covers_raises_with_all_spans(texts, read_text):
    segments = read_text(two_segments(texts["ITRF2020"]))
    message = (
        rf"ephemeris of '{LOW}' has states for 2027-01-02T00:00Z to 2027-01-02T12:00Z, 2027-01-02T12:00Z to "
        "2027-01-03T00:00Z; none covers the period 2027-01-02T10:00Z to 2027-01-02T14:00Z; shorten the period"
    )
    with pytest.raises(ElementsError, match=re.escape(message)):
        tabulated_ephemeris(segments, START + timedelta(hours=10), START + timedelta(hours=14))


# ---------------------------------------------------------------- interpolation


def segment_of(position_km, velocity_km_s, seconds, method, degree):
    states = np.column_stack([position_km(seconds), velocity_km_s(seconds)])
    end = START + timedelta(seconds=float(seconds[-1]))
    return OemSegment("X", "", "ITRF", START, seconds, states, START, end, method, degree)


def polynomial(degree, seed=5):
    """Three polynomials of a degree, about 7000 km in size over a thousand seconds, and their derivatives."""
    coefficients = (
        7_000.0
        * np.random.default_rng(seed).uniform(-1, 1, (degree + 1, 3))
        / 1_000.0 ** np.arange(degree, -1, -1).reshape(-1, 1)
    )
    columns = [np.poly1d(c) for c in coefficients.T]
    return (
        lambda t: np.column_stack([p(t) for p in columns]),
        lambda t: np.column_stack([p.deriv()(t) for p in columns]),
    )


UNEVEN_S = np.cumsum(np.random.default_rng(8).uniform(40.0, 80.0, 30)) - 40.0


@pytest.mark.parametrize("method", ["LAGRANGE", "HERMITE"])
@pytest.mark.parametrize("degree", range(1, 12))
def test_interpolation_is_exact_for_polynomials_of_its_degree(method, degree):
    # Uneven nodes; inside, at the nodes and at both ends. The polynomials reach 1e5 km and the rounding of the divided
    # differences some 1e-11 of it.
    position, velocity = polynomial(degree)
    seconds = UNEVEN_S - UNEVEN_S[0]
    segment = segment_of(position, velocity, seconds, method, degree)
    at = np.concatenate([np.linspace(0.0, seconds[-1], 501), seconds])
    assert interpolated_km(segment, at) == pytest.approx(position(at), rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("method", ["LAGRANGE", "HERMITE"])
@pytest.mark.parametrize("degree", [1, 2, 3, 5, 7])
def test_interpolation_is_not_exact_for_a_degree_more(method, degree):
    position, velocity = polynomial(degree + 1)
    seconds = np.arange(0.0, 1_500.0, 100.0)
    at = seconds[:-1] + 45.0
    error = interpolated_km(segment_of(position, velocity, seconds, method, degree), at) - position(at)
    assert np.abs(error).max() > 1e-6


def test_linear_interpolation_joins_neighbouring_states():
    position, velocity = polynomial(5)
    seconds = UNEVEN_S - UNEVEN_S[0]
    at = np.concatenate([np.linspace(0.0, seconds[-1], 501), seconds])
    found = interpolated_km(segment_of(position, velocity, seconds, "LINEAR", 1), at)
    table = position(seconds)
    for axis in range(3):
        assert found[:, axis] == pytest.approx(np.interp(at, seconds, table[:, axis]), rel=1e-12, abs=1e-9)


@pytest.mark.parametrize(
    ("method", "degree", "limit_m"),
    [
        # Remainders at 60 s steps with n = 1.11e-3 rad/s and r = 6880 km: r (n h)^(d+1) times the nodes' product over
        # (d+1)!. Linear: r (n h)^2/8 = 3.8 km.
        ("LINEAR", 1, 4_000.0),
        ("LAGRANGE", 3, 10.0),
        ("LAGRANGE", 7, 1e-3),
        ("LAGRANGE", 8, 1e-3),
        ("LAGRANGE", 11, 1e-3),
        ("HERMITE", 3, 1.0),
        ("HERMITE", 5, 1e-3),
        ("HERMITE", 6, 1e-3),
        ("HERMITE", 7, 1e-3),
        ("HERMITE", 11, 1e-3),
    ],
)
def test_the_stated_method_and_degree_are_used(texts, read_text, low_orbit, method, degree, limit_m):
    text = with_meta(texts["ITRF2020"], INTERPOLATION=method, INTERPOLATION_DEGREE=degree)
    (segment,) = read_text(text)
    assert (segment.interpolation, segment.degree) == (method, degree)
    seconds = np.linspace(3_600.0, DAY_S - 3_600.0, 5_003)
    error = np.linalg.norm(interpolated_km(segment, seconds) * 1e3 - positions_m(low_orbit, seconds), axis=1).max()
    assert error < limit_m
    if degree <= 3:
        assert error > limit_m / 100.0


@pytest.mark.parametrize(("method", "degree"), [("HERMITE", 7), ("LAGRANGE", 7), ("LINEAR", 1)])
def test_without_a_degree_the_usual_one_of_the_method_is_taken(texts, read_text, method, degree):
    (segment,) = read_text(with_meta(texts["GCRF"], INTERPOLATION=method, INTERPOLATION_DEGREE=...))
    assert (segment.interpolation, segment.degree) == (method, degree)


def test_without_a_method_hermite_polynomials_of_degree_seven_are_taken(texts, read_text):
    (segment,) = read_text(with_meta(texts["GCRF"], INTERPOLATION=..., INTERPOLATION_DEGREE=...))
    assert (segment.interpolation, segment.degree) == ("HERMITE", 7)


@pytest.mark.parametrize(
    ("method", "degree", "needed"),
    [("LINEAR", 1, 2), ("LAGRANGE", 5, 6), ("LAGRANGE", 7, 8), ("HERMITE", 3, 2), ("HERMITE", 6, 4), ("HERMITE", 7, 4)],
)
def test_the_fewest_states_that_a_degree_needs_are_enough(texts, read_text, method, degree, needed):
    lines = texts["ITRF2020"].splitlines()
    first = data_lines(texts["ITRF2020"])[0]
    text = with_meta("\n".join(lines[: first + needed]), INTERPOLATION=method, INTERPOLATION_DEGREE=degree)
    (segment,) = read_text(text)
    assert interpolated_km(segment, segment.seconds) == pytest.approx(segment.states[:, :3], abs=1e-8)
    fewer = with_meta("\n".join(lines[: first + needed - 1]), INTERPOLATION=method, INTERPOLATION_DEGREE=degree)
    with pytest.raises(
        ElementsError, match=rf"some\.oem line 4: {needed - 1} states; {method} of degree {degree} needs {needed}"
    ):
        read_text(fewer)


# ---------------------------------------------------------------- what is passed over


def test_comments_covariances_and_accelerations_are_passed_over(texts, read_text):
    (expected,) = read_text(texts["GCRF"])
    lines = texts["GCRF"].splitlines()
    first = data_lines(texts["GCRF"])[0]
    covariance = [
        "", "COVARIANCE_START", "EPOCH = 2027-01-02T00:00:00", "COV_REF_FRAME = RTN", "3.3e-04", "4.6e-04 6.7e-04",
        "COMMENT inside", "EPOCH = 2027-01-02T06:00:00", "-3.0e-04 -4.2e-04 3.2e-04", "COVARIANCE_STOP", "",
    ]  # fmt: skip
    new = [lines[0], "COMMENT in the header", *lines[1:5], "COMMENT in the metadata", *lines[5:first], "COMMENT data"]
    for i, row in enumerate(lines[first:]):
        new.append(row + " 0.001 -0.002 0.003" if i % 2 else "   " + row.replace(" ", "\t"))
    (found,) = read_text("\r\n".join((*new, *covariance, "COMMENT at the end", "")))
    assert np.array_equal(found.states, expected.states)
    assert np.array_equal(found.seconds, expected.seconds)
    # A second segment may follow a covariance.
    both = "\n".join((*lines, *covariance, *lines[3:], *covariance))
    assert [len(s.seconds) for s in read_text(both)] == [1441, 1441]


@pytest.mark.parametrize("frame", ["ITRF2020", "ITRF-97", "ITRF2000", "itrf2014", "ITRF 2008"])
def test_all_terrestrial_frames_are_the_earth_fixed_one(texts, read_text, frame):
    expected = tabulated_ephemeris(read_text(texts["ITRF2020"]), START, START + DAY)
    found = tabulated_ephemeris(read_text(with_meta(texts["ITRF2020"], REF_FRAME=frame)), START, START + DAY)
    assert np.array_equal(found.grid_m, expected.grid_m)


# ---------------------------------------------------------------- what is refused


WRONG_META = {
    "no name": ({"OBJECT_NAME": ...}, "metadata lack OBJECT_NAME"),
    "empty name": ({"OBJECT_NAME": ""}, "metadata lack OBJECT_NAME"),
    "no frame and no centre": ({"REF_FRAME": ..., "CENTER_NAME": ...}, "metadata lack CENTER_NAME, REF_FRAME"),
    "no time system": ({"TIME_SYSTEM": ...}, "metadata lack TIME_SYSTEM"),
    "no start": ({"START_TIME": ...}, "metadata lack START_TIME"),
    "no stop": ({"STOP_TIME": ...}, "metadata lack STOP_TIME"),
    "centre": ({"CENTER_NAME": "MOON"}, "centre MOON and frame GCRF; expected EARTH"),
    "frame": ({"REF_FRAME": "TOD"}, "centre EARTH and frame TOD; expected EARTH and one of EME2000, GCRF"),
    "time system": ({"TIME_SYSTEM": "UT1"}, "TIME_SYSTEM UT1; expected UTC, TAI, TT, .*; write the times in one"),
    "method": ({"INTERPOLATION": "SPLINE"}, "INTERPOLATION SPLINE; expected one of HERMITE, LAGRANGE, LINEAR"),
    "degree 0": ({"INTERPOLATION_DEGREE": "0"}, "INTERPOLATION_DEGREE 0; expected 1 to 21"),
    "degree 22": ({"INTERPOLATION_DEGREE": "22"}, "INTERPOLATION_DEGREE 22; expected 1 to 21"),
    "degree 7.5": ({"INTERPOLATION_DEGREE": "7.5"}, "INTERPOLATION_DEGREE is no whole number"),
    "stop time": ({"STOP_TIME": "soon"}, "EPOCH 'soon' is no ISO 8601 time"),
    "useable start": ({"USEABLE_START_TIME": "2027-02-30T00:00:00"}, "EPOCH '2027-02-30T00:00:00' is no ISO"),
}


def keyword_line(text, changes):
    """Line of the keyword that is wrong; of META_START where it is missing."""
    (key, value), *_ = changes.items()
    sought = "META_START" if value in (..., "") else f"{key} = {value}"
    return text.splitlines().index(sought) + 1


@pytest.mark.parametrize(("changes", "message"), WRONG_META.values(), ids=WRONG_META.keys())
def test_wrong_metadata_raise_and_name_the_line(texts, read_text, changes, message):
    text = with_meta(texts["GCRF"], **changes)
    with pytest.raises(ElementsError, match=rf"^some\.oem line {keyword_line(text, changes)}: {message}"):
        read_text(text)


def test_a_keyword_given_twice_raises(texts, read_text):
    text = texts["GCRF"].replace("TIME_SYSTEM = UTC\n", "TIME_SYSTEM = UTC\nTIME_SYSTEM = TAI\n")
    with pytest.raises(ElementsError, match=r"^some\.oem line \d+: TIME_SYSTEM is given twice"):
        read_text(text)


@pytest.mark.parametrize("frame", ["TEMEOFEPOCH", "TEMEX", "GCRFX", "EME2000X", "ICRF-LIKE", "MOD", "B1950"])
def test_a_frame_whose_name_only_begins_like_a_known_one_raises(texts, read_text, frame):
    text = with_meta(texts["GCRF"], REF_FRAME=frame)
    line = keyword_line(text, {"REF_FRAME": frame})
    with pytest.raises(ElementsError, match=rf"some\.oem line {line}: .*{frame}.*; write the states in one of them"):
        read_text(text)


def replaced(text, number, edit):
    """The text with its n-th state edited; and the line on which it stands."""
    lines = text.splitlines()
    i = data_lines(text)[number]
    lines[i] = edit(lines[i])
    return "\n".join(lines), i + 1


WRONG_STATES = {
    "a field short": (lambda row: row.rsplit(" ", 1)[0], "6 fields; expected an epoch and six or nine numbers"),
    "a field long": (lambda row: row + " 1.0", "8 fields; expected"),
    "a letter": (lambda row: row[:-3] + "x" + row[-2:], r"'\S+' is no finite number"),
    "not a number": (lambda row: " ".join((*row.split()[:-1], "nan")), "'nan' is no finite number"),
    "infinite": (lambda row: " ".join((*row.split()[:-1], "-inf")), "'-inf' is no finite number"),
    "no time": (lambda row: "then " + row.split(" ", 1)[1], "EPOCH 'then' is no ISO 8601 time"),
    "the 30th of February": (lambda row: "2027-02-30" + row[10:], r"EPOCH '2027-02-30\S+' is no ISO 8601 time"),
    "an earlier time": (lambda row: row.replace("2027-01-02", "2027-01-01"), "its time is not after that of the line"),
    "too large": (lambda row: " ".join((*row.split()[:-1], "1e999")), "a state is not finite"),
    "underscores": (lambda row: " ".join((*row.split()[:-1], "1_0")), "'1_0' is no finite number"),
    "a keyword": (lambda row: "MASS = 5", "'MASS' stands where an OEM has none of it"),
}


@pytest.mark.parametrize(("edit", "message"), WRONG_STATES.values(), ids=WRONG_STATES.keys())
@pytest.mark.parametrize("number", [1, 700, 1439])
def test_a_wrong_state_raises_and_names_its_line(texts, read_text, edit, message, number):
    text, line = replaced(texts["GCRF"], number, edit)
    with pytest.raises(ElementsError, match=rf"^some\.oem line {line}: {message}"):
        read_text(text)


def test_a_time_given_twice_raises_and_names_the_second(texts, read_text):
    lines = texts["GCRF"].splitlines()
    i = data_lines(texts["GCRF"])[10]
    with pytest.raises(ElementsError, match=rf"^some\.oem line {i + 2}: its time is not after"):
        read_text("\n".join((*lines[: i + 1], lines[i], *lines[i + 1 :])))


def test_text_that_stands_in_the_wrong_place_raises(texts, read_text):
    text = texts["GCRF"]
    for old, new, line in (
        ("CCSDS_OEM_VERS = 2.0\n", "", 1),
        ("CENTER_NAME", "just text\nCENTER_NAME", 7),
        ("META_STOP\n", "", 15),
        ("META_STOP\n", "META_STOP\nMETA_STOP\n", 15),
        ("META_STOP\n", "META_STOP\nCOVARIANCE_STOP\nX = 1\n", 16),
    ):
        assert old in text
        with pytest.raises(ElementsError, match=rf"^some\.oem line {line}: (.* stands where an OEM has none|1 fields)"):
            read_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    "content", ["CCSDS_OEM_VERS = 2.0\n", "COMMENT only\n", "CCSDS_OEM_VERS = 2.0\nCREATION_DATE = x"]
)
def test_a_file_without_segments_raises(read_text, content):
    with pytest.raises(ElementsError, match=r"some\.oem: no segment found; expected an OEM"):
        read_text(content)


def test_missing_empty_and_foreign_files_raise(read_text, tmp_path, texts):
    with pytest.raises(ElementsError, match="read_oem: no file"):
        read_oem(tmp_path / "none.oem")
    with pytest.raises(ElementsError, match=r"some\.oem is empty"):
        read_text("\n \n")
    with pytest.raises(ElementsError, match=r"some\.oem is not UTF-8"):
        read_text(texts["GCRF"].encode("utf-16"))


def test_a_file_cut_at_any_line_gives_an_error_or_a_shorter_useable_span(texts, read_text):
    lines = texts["ITRF2020"].splitlines()
    first = data_lines(texts["ITRF2020"])[0]
    for cut in (*range(1, first + 8), first + 100):
        text = "\n".join(lines[:cut]) + "\n"
        states = cut - first
        if states < 4:
            with pytest.raises(ElementsError, match=r"^some\.oem"):
                read_text(text)
        else:
            (segment,) = read_text(text)
            assert segment.useable_stop == START + timedelta(minutes=states - 1)


def test_states_that_are_no_orbit_raise(texts, read_text):
    (segment,) = read_text(texts["GCRF"])
    for states in (
        segment.states * [0.5, 0.5, 0.5, 1, 1, 1],  # below the ground
        segment.states * [1, 1, 1, 2, 2, 2],  # escaping
        segment.states * [1, 1, 1, 0, 0, 0],  # falling
        segment.states * 1e3,  # metres taken for kilometres
    ):
        with pytest.raises(ElementsError, match=rf"ephemeris of '{LOW}': its states are no closed orbit"):
            tabulated_ephemeris([replace(segment, states=states)], START, START + DAY)


# ---------------------------------------------------------------- in a scenario


@pytest.fixture
def with_satellite(edited):
    """The shipped scenario with other lines instead of its satellite's orbit."""
    text = data_path("scenarios", "quant-gpicz.toml").read_text(encoding="utf-8")
    orbit = text[text.index("[satellite.orbit]") : text.index("[stations]")]

    def write(*lines):
        return load_scenario(edited((orbit, "\n".join((*lines, "", "")))))

    return write


def write_scenario_orbit(scenario, path, name="EAGLE1-LIKE", frame="EME2000", margin=timedelta(hours=1)):
    """The orbit of a scenario's satellite as an OEM, with a margin around the scenario's period."""
    begin, end = scenario.start - margin, scenario.end + margin
    direct = make_ephemeris(satellite_elements(scenario.satellites[0], scenario), begin, end)
    seconds = np.arange(0.0, (end - begin).total_seconds() + 1, 120.0)
    write_oem(name, begin, seconds, *motion(direct, seconds), path, frame=frame)


@pytest.mark.parametrize("frame", ["EME2000", "ITRF2020"])
def test_passes_of_an_ephemeris_equal_those_of_the_elements_it_was_written_from(
    scenario, with_satellite, tmp_path, frame
):
    write_scenario_orbit(scenario, tmp_path / "x.oem", frame=frame)
    found = find_passes(with_satellite('ephemeris = "x.oem"'))
    expected = find_passes(scenario)
    assert len(found) == len(expected) > 20
    for column in ("satellite", "ogs"):
        assert (found[column] == expected[column]).all()
    for column in ("aos", "los", "tca", "closest_at"):
        off = (found[column] - expected[column]).dt.total_seconds().abs().max()
        # Edges to a millisecond (measured: 1 us). The search for extremes, which are flat, ends within 0.02 s of them.
        assert off <= (1e-3 if column in ("aos", "los") else 0.02), column
    assert (found["max_elevation_deg"] - expected["max_elevation_deg"]).abs().max() < 1e-5


def test_the_ephemeris_of_a_scenario_has_the_satellites_name(scenario, with_satellite, tmp_path):
    write_scenario_orbit(scenario, tmp_path / "x.oem")
    mine = with_satellite('ephemeris = "x.oem"')
    orbits = ephemerides(mine, mine.start, mine.end)
    assert [(name, e.satellite) for name, e in orbits.items()] == [("EAGLE1-LIKE", "EAGLE1-LIKE")]
    with pytest.raises(ElementsError, match="'EAGLE1-LIKE' has an ephemeris and no elements"):
        satellite_elements(mine.satellites[0], mine)


def test_of_several_objects_in_a_file_the_named_one_is_taken(scenario, with_satellite, tmp_path):
    for name in ("A", "B"):
        write_scenario_orbit(scenario, tmp_path / f"{name}.oem", name=name)
    both = (tmp_path / "A.oem").read_text() + (tmp_path / "B.oem").read_text().split("ORIGINATOR = EQCI_SPACE\n")[1]
    (tmp_path / "x.oem").write_text(both, encoding="utf-8")
    mine = with_satellite('ephemeris = "x.oem"', 'object_name = "B"')
    assert [s.object_name for s in satellite_segments(mine.satellites[0], mine)] == ["B"]
    mine = with_satellite('ephemeris = "x.oem"')
    with pytest.raises(
        ElementsError, match=r"satellite 'EAGLE1-LIKE' in x\.oem: no object 'EAGLE1-LIKE'; the file has A, B; state "
    ):
        satellite_segments(mine.satellites[0], mine)


def test_only_the_satellites_own_name_is_waived_in_an_ephemeris_and_with_a_warning(scenario, with_satellite, tmp_path):
    write_scenario_orbit(scenario, tmp_path / "x.oem", name="EAGLE  1")
    mine = with_satellite('ephemeris = "x.oem"')
    with pytest.warns(
        AssumedObjectWarning,
        match=r"'EAGLE1-LIKE' in x\.oem: no object 'EAGLE1-LIKE'; the file's only object is taken: EAGLE 1; say so",
    ):
        assert len(satellite_segments(mine.satellites[0], mine)) == 1
    stated = with_satellite('ephemeris = "x.oem"', 'object_name = "EAGLE 1"')
    assert len(satellite_segments(stated.satellites[0], stated)) == 1
    absent = with_satellite('ephemeris = "x.oem"', 'object_name = "EAGLE1-LIKE"')
    with pytest.raises(ElementsError, match=r"no object 'EAGLE1-LIKE'; did you mean 'EAGLE 1'\? the file has EAGLE 1"):
        satellite_segments(absent.satellites[0], absent)


def test_a_scenario_refuses_a_missing_file_and_two_orbits_for_one_satellite(scenario, with_satellite, tmp_path):
    with pytest.raises(ScenarioError, match=r"satellite\.0 \('EAGLE1-LIKE'\)\.ephemeris.*none\.oem"):
        with_satellite('ephemeris = "none.oem"')
    write_scenario_orbit(scenario, tmp_path / "x.oem")
    elements = data_path("orbits", "synthetic_constellations.tle")
    with pytest.raises(ScenarioError, match=r"\('EAGLE1-LIKE'\): give exactly one of .*; found elements and ephemeris"):
        with_satellite('ephemeris = "x.oem"', f"elements = '{elements}'")


def test_a_broken_ephemeris_of_a_scenario_raises_and_names_its_line(scenario, with_satellite, tmp_path):
    write_scenario_orbit(scenario, tmp_path / "x.oem")
    text, line = replaced((tmp_path / "x.oem").read_text(), 500, lambda row: row.rsplit(" ", 1)[0])
    (tmp_path / "x.oem").write_text(text, encoding="utf-8")
    with pytest.raises(ElementsError, match=rf"^x\.oem line {line}: 6 fields"):
        find_passes(with_satellite('ephemeris = "x.oem"'))
