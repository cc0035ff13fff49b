"""Ephemeris files as operators have them: torn, split at manoeuvres, partial, in any time system, frame and form."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.time import Time
from typer.testing import CliRunner

import eqci_space as eq
from eqci_space.cli import app
from eqci_space.errors import ElementsError, ImplausibleInputWarning, LostOrbitWarning
from eqci_space.orbits.earth import julian_date, to_earth_fixed
from eqci_space.orbits.ephemeris import ephemerides, motion, positions_m, tabulated_ephemeris, tabulated_trajectory
from eqci_space.orbits.oem_io import read_oem, write_oem, write_oem_parts
from eqci_space.orbits.oem_segment import interpolated_km, position_errors_m
from eqci_space.orbits.oem_spans import gap_words, unbroken_parts
from eqci_space.orbits.passes import find_passes
from eqci_space.orbits.time_scales import epochs_tai_us, leap_instants, leaps_s, tai_us, utc_of
from eqci_space.scenario import load_scenario
from eqci_space.units import EARTH_GM_M3_S2, EARTH_ROTATION_RAD_S

START = datetime(2027, 3, 1, 6, tzinfo=UTC)
HOURS = timedelta(hours=1)
RADIUS_KM = 6_878.137
RATE_RAD_S = float(np.sqrt(EARTH_GM_M3_S2 / (RADIUS_KM * 1e3) ** 3))
SCENARIO = """
name = "t"
description = "t"
start = {start}
end = {end}
seed = 1
[[satellite]]
name = "EAG"
terminal = "eagle1-like-nominal"
ephemeris = "{file}"
[stations]
catalogue = "euroqci"
receiver = "ogs-80cm-snspd"
use = ["X"]
sun_max_elevation_deg = 90
[station.X]
name = "X"
country = "PL"
latitude_deg = 52.4
longitude_deg = 16.9
height_ellipsoid_m = 100
height_msl_m = 60
status_class = "planned"
node = "POZ"
attach = "none"
min_elevation_deg = 10
[atmosphere]
visibility_km = 23
[weather]
model = "clear_sky"
[protocol]
kind = "bb84-two-decoy"
epsilon_secrecy = 1e-9
[fiber]
network = "de-pl-cz"
device = "apd-1ghz"
reach_db = 24
beyond_reach = "split"
commissioning_factor = 0.2
[[demand]]
name = "BW"
between = ["BER", "WAW"]
purpose = "government"
assurance = "any"
keys_256_per_day = 4
[schedule]
bin = "1D"
slew_s = 60
turnaround_s = 120
post_processing_s = 3600
"""


def truth(seconds, incline=1.7, phase=0.4):
    """States (n, 6) [km, km/s] of a circular orbit in an inertial frame, in closed form."""
    angle = RATE_RAD_S * np.asarray(seconds, dtype=float) + phase
    across = np.array([0.0, np.cos(incline), np.sin(incline)])
    place = np.outer(np.cos(angle), [1.0, 0.0, 0.0]) + np.outer(np.sin(angle), across)
    speed = -np.outer(np.sin(angle), [1.0, 0.0, 0.0]) + np.outer(np.cos(angle), across)
    return np.column_stack([RADIUS_KM * place, RADIUS_KM * RATE_RAD_S * speed])


def stamp(time):
    return time.strftime("%Y-%m-%dT%H:%M:%S.%f")


def block(times, states, **meta):
    """A segment in KVN."""
    words = {
        "OBJECT_NAME": "EAG", "OBJECT_ID": "2027-001A", "CENTER_NAME": "EARTH", "REF_FRAME": "GCRF",
        "TIME_SYSTEM": "UTC", "START_TIME": times[0], "STOP_TIME": times[-1], **meta,
    }  # fmt: skip
    lines = ["META_START", *(f"{k} = {v}" for k, v in words.items()), "META_STOP"]
    lines += [f"{t} " + " ".join(f"{x:.12f}" for x in s) for t, s in zip(times, states, strict=True)]
    return "\n".join(lines) + "\n"


def minutes(first, last, step=1):
    """Seconds after START of every `step` minutes, and their epochs."""
    seconds = np.arange(first, last + step, step) * 60.0
    return seconds, [stamp(START + timedelta(seconds=float(s))) for s in seconds]


def oem(*blocks):
    return "CCSDS_OEM_VERS = 2.0\nCREATION_DATE = 2027-03-01T00:00:00\nORIGINATOR = OPS\n" + "".join(blocks)


def table(first=0, last=600, step=1, **meta):
    seconds, times = minutes(first, last, step)
    return block(times, truth(seconds), **meta)


@pytest.fixture
def read(tmp_path):
    def read_text(text, name="some.oem"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return read_oem(tmp_path / name)

    return read_text


@pytest.fixture
def scenario_of(tmp_path):
    """A scenario of one satellite whose ephemeris is a text, over hours after START."""

    def write(text, first=0.0, last=10.0, name="x.oem"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        edges = {k: (START + h * HOURS).strftime("%Y-%m-%dT%H:%M:%SZ") for k, h in (("start", first), ("end", last))}
        path = tmp_path / "s.toml"
        path.write_text(SCENARIO.format(file=name, **edges), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="module")
def whole_passes(tmp_path_factory):
    """Passes of the unbroken file."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "x.oem").write_text(oem(table()), encoding="utf-8")
    edges = {k: (START + h * HOURS).strftime("%Y-%m-%dT%H:%M:%SZ") for k, h in (("start", 0), ("end", 10))}
    (folder / "s.toml").write_text(SCENARIO.format(file="x.oem", **edges), encoding="utf-8")
    return find_passes(load_scenario(folder / "s.toml"))


# ---------------------------------------------------------------- gaps


def without(first, last):
    """The table of ten hours with nothing between two minutes."""
    seconds, times = minutes(0, 600)
    kept = (seconds <= first * 60) | (seconds >= last * 60)
    return oem(block([t for t, k in zip(times, kept, strict=True) if k], truth(seconds[kept])))


@pytest.mark.parametrize("method", ["HERMITE", "LAGRANGE"])
@pytest.mark.parametrize(("first", "last"), [(200, 440), (300, 340), (300, 310)])
def test_no_pass_is_found_in_a_gap_and_a_warning_names_it(scenario_of, whole_passes, first, last, method):
    text = without(first, last).replace("META_STOP", f"INTERPOLATION = {method}\nMETA_STOP")
    gap = [START + timedelta(minutes=m) for m in (first, last)]
    words = rf"no states {gap[0]:%Y-%m-%dT%H:%M:%SZ} to {gap[1]:%Y-%m-%dT%H:%M:%SZ}; it has no passes then"
    with pytest.warns(LostOrbitWarning, match=rf"satellite 'EAG' in x\.oem: {words}"):
        found = find_passes(load_scenario(scenario_of(text)))
    assert len(whole_passes) == 2
    edges = [pd.Timestamp(x) for x in gap]
    expected = []
    for p in whole_passes.itertuples():
        before, after = (p.aos, min(p.los, edges[0])), (max(p.aos, edges[1]), p.los)
        expected += [(a, b) for a, b in (before, after) if b > a]
    expected = sorted(set(expected))
    assert len(found) == len(expected)
    for (aos, los), row in zip(expected, found.itertuples(), strict=True):
        assert abs((row.aos - aos).total_seconds()) < 1e-3
        assert abs((row.los - los).total_seconds()) < 1e-3
        assert row.truncated == (aos == edges[1] or los == edges[0])


def test_a_gap_of_few_steps_is_bridged_as_far_as_the_method_bears_it(read):
    # The middle of five minutes without states, of sixty-second steps: r ω^8/8! (150·210)^4 = 0.4 mm with Hermite of
    # degree seven, 29 km with a straight line (r ω² h²/8 = 95 km at 300 s ... less than the metre for none).
    (whole,) = unbroken_parts(read(without(300, 305)))
    middle = np.array([302.5 * 60])
    assert np.linalg.norm(interpolated_km(whole, middle) - truth(middle)[:, :3]) * 1e3 < 1e-3
    with pytest.warns(ImplausibleInputWarning, match=r"LINEAR interpolation of degree 1 between states 60 s apart"):
        parts = unbroken_parts(read(without(300, 305).replace("META_STOP", "INTERPOLATION = LINEAR\nMETA_STOP")))
    assert gap_words(parts, START, START + 10 * HOURS) == "2027-03-01T11:00:00Z to 2027-03-01T11:05:00Z"


def test_error_of_an_interpolation_is_that_of_a_circular_motion(read):
    # r ω^n/n! Π|t - t_j| against the closed form of the orbit, in the middles of the intervals.
    for method, degree, most in (("LINEAR", 1, 4e3), ("LAGRANGE", 3, 30.0), ("HERMITE", 3, 2.0), ("HERMITE", 7, 1e-4)):
        step = 60.0 if method != "HERMITE" or degree == 3 else 180.0
        meta = {"INTERPOLATION": method, "INTERPOLATION_DEGREE": degree}
        (segment,) = read(oem(table(0, 120, int(step / 60), **meta)))
        middle = (segment.seconds[1:] + segment.seconds[:-1]) / 2
        off_m = np.linalg.norm(interpolated_km(segment, middle) - truth(middle)[:, :3], axis=1) * 1e3
        inner = slice(degree, -degree)
        bound = position_errors_m(segment)[inner]
        assert (off_m[inner] <= bound * 1.02 + 2e-6).all(), (method, degree)
        assert (off_m[inner] >= bound * 0.5 - 2e-6).all(), (method, degree)
        assert 0 < bound.max() < (most if step == 60.0 else 2.0)
    (segment,) = read(oem(table(0, 120, 1, INTERPOLATION="LINEAR")))
    assert position_errors_m(segment)[10] == pytest.approx(RADIUS_KM * 1e3 * (RATE_RAD_S * 60) ** 2 / 8, rel=1e-6)


def test_a_table_whose_step_follows_an_eccentric_orbit_has_no_gap(read):
    # Steps of equal eccentric anomaly: 6 s at perigee, ten times that at apogee.
    seconds = np.concatenate([np.cumsum(60.0 + 50.0 * np.cos(np.linspace(0, 6 * np.pi, 400)))])
    times = [stamp(START + timedelta(seconds=round(float(s), 6))) for s in seconds]
    (part,) = unbroken_parts(read(oem(block(times, truth(np.round(seconds, 6))))))
    assert len(part.seconds) == 400


def test_states_too_few_between_two_gaps_belong_to_the_gap(read):
    seconds, times = minutes(0, 600)
    kept = (seconds <= 12_000) | ((seconds >= 18_000) & (seconds < 18_180)) | (seconds >= 24_000)
    segments = read(oem(block([t for t, k in zip(times, kept, strict=True) if k], truth(seconds[kept]))))
    assert gap_words(unbroken_parts(segments), START, START + 10 * HOURS) == (
        "2027-03-01T09:20:00Z to 2027-03-01T12:40:00Z"
    )


# ---------------------------------------------------------------- several segments, partial coverage


@pytest.mark.parametrize("join_min", [290, 292, 293])
def test_a_pass_over_the_join_of_two_segments_is_one(scenario_of, whole_passes, join_min):
    holds = whole_passes[(whole_passes.aos < START + timedelta(minutes=join_min))
                         & (whole_passes.los > START + timedelta(minutes=join_min))]  # fmt: skip
    joined = find_passes(load_scenario(scenario_of(oem(table(0, join_min), table(join_min, 600)))))
    assert len(joined) == len(whole_passes)
    assert len(holds) == 1, whole_passes
    for column in ("aos", "los"):
        for a, b in zip(joined[column], whole_passes[column], strict=True):
            assert abs((a - b).total_seconds()) < 1e-3
    assert (joined["max_elevation_deg"].to_numpy() - whole_passes["max_elevation_deg"].to_numpy()) == pytest.approx(
        0, abs=1e-5
    )
    assert joined["min_range_m"].to_numpy() == pytest.approx(whole_passes["min_range_m"].to_numpy(), abs=0.05)
    assert not joined["truncated"].any()


def test_a_manoeuvre_breaks_the_velocity_and_nothing_else(read):
    # 20 m/s along the track at 11:00: the positions on either side are those of their own arcs, to the join.
    seconds = np.arange(0, 601) * 60.0
    before, after = truth(seconds[:301]), truth(seconds[300:])
    faster = 1.0026
    angle = np.arctan2(before[-1, 1] / np.cos(1.7), before[-1, 0])
    burnt = truth((seconds[300:] - seconds[300]) * faster, phase=angle)
    assert np.linalg.norm(burnt[0, :3] - after[0, :3]) < 1e-6
    burnt[:, 3:] *= faster
    times = minutes(0, 600)[1]
    segments = read(oem(block(times[:301], before), block(times[300:], burnt)))
    orbit, gaps = tabulated_trajectory(segments, START, START + 10 * HOURS)
    assert not gaps
    assert orbit.known_s == [(0.0, 36_000.0)]
    at = np.array([18_000.0 - 1e-3, 18_000.0 + 1e-3])
    _, speeds = motion(orbit, at)
    assert np.linalg.norm(speeds[1] - speeds[0]) == pytest.approx(RADIUS_KM * 1e3 * RATE_RAD_S * (faster - 1), abs=0.05)


def test_where_segments_overlap_the_later_one_takes_over(read):
    seconds = np.arange(0, 601) * 60.0
    times = minutes(0, 600)[1]
    later = truth(seconds)
    later[:, 0] += 0.5
    texts = block(times, truth(seconds)), block(times[120:301], later[120:301])
    for order in (texts, texts[::-1]):
        parts = unbroken_parts(read(oem(*order)))
        assert [(p.useable_start - START) / HOURS for p in parts] == [0.0, 2.0, 5.0]
        assert [(p.useable_stop - START) / HOURS for p in parts] == [2.0, 5.0, 10.0]
        middle = interpolated_km(parts[1], np.array([(START - parts[1].start).total_seconds() + 3 * 3600.0]))
        assert middle[0, 0] == pytest.approx(truth(3 * 3600.0)[0, 0] + 0.5, abs=1e-6)


def test_segments_that_lie_kilometres_apart_at_their_join_are_told(read):
    seconds, times = minutes(0, 600)
    away = truth(seconds + 10.0)
    segments = read(oem(block(times[:301], truth(seconds[:301])), block(times[300:], away[300:])))
    with pytest.warns(ImplausibleInputWarning, match=r"at 2027-03-01T11:00:00Z a segment takes over 76\.1 km from"):
        unbroken_parts(segments)


def test_partial_coverage_gives_passes_where_there_is_and_says_where_not(scenario_of, whole_passes):
    path = scenario_of(oem(table(200, 420)))
    with pytest.warns(LostOrbitWarning) as caught:
        found = find_passes(load_scenario(path))
    assert (
        "no states 2027-03-01T06:00:00Z to 2027-03-01T09:20:00Z, 2027-03-01T13:00:00Z to 2027-03-01T16:00:00Z"
        in str(caught[0].message)
    )
    inside = (whole_passes.aos > START + timedelta(minutes=200)) & (whole_passes.los < START + timedelta(minutes=420))
    assert found["aos"].dt.floor("s").tolist() == whole_passes[inside]["aos"].dt.floor("s").tolist()
    result = CliRunner().invoke(app, ["check", str(path)])
    assert result.exit_code == 0
    assert "no states 2027-03-01T06:00:00Z to 2027-03-01T09:20:00Z" in " ".join(result.stderr.split())


def test_a_file_of_another_time_is_refused_with_its_spans(scenario_of):
    path = scenario_of(oem(table()), first=24, last=30)
    with pytest.raises(
        ElementsError,
        match=r"ephemeris of 'EAG' has states for 2027-03-01T06:00Z to 2027-03-01T16:00Z; none covers the period "
        r"2027-03-02T06:00Z to 2027-03-02T12:00Z or a part of it",
    ):
        find_passes(load_scenario(path))
    assert CliRunner().invoke(app, ["check", str(path)]).exit_code == 2


def test_a_plan_over_a_gap_has_exports_that_leave_it_out(scenario_of, tmp_path):
    path = scenario_of(without(250, 400))
    result = CliRunner().invoke(app, ["run", str(path), "--out", str(tmp_path / "out"), "--trials", "0"])
    assert result.exit_code == 0, result.output
    assert "no states 2027-03-01T10:10:00Z to 2027-03-01T12:40:00Z" in " ".join(result.stderr.split())
    first, second = read_oem(tmp_path / "out" / "orbit-EAG.oem")
    assert (first.useable_stop - START, second.useable_start - START) == (250 * HOURS / 60, 400 * HOURS / 60)
    czml = json.loads((tmp_path / "out" / "scene.czml").read_text(encoding="utf-8"))
    (satellite,) = [p for p in czml if p["id"] == "satellite/EAG"]
    assert len(satellite["availability"]) == len(satellite["position"]) == 2
    assert satellite["position"][1]["interval"].startswith("2027-03-01T12:40:00")


# ---------------------------------------------------------------- time systems, leap seconds, frames, numbers


@pytest.mark.parametrize(("system", "scale"), [("TDB", "tdb"), ("TCB", "tcb"), ("TCG", "tcg"), ("TT", "tt"),
                                               ("TDT", "tt"), ("TAI", "tai")])  # fmt: skip
@pytest.mark.parametrize("epoch", ["2027-03-01T10:30:00.000000", "2016-12-31T23:59:59.500000", "1980-07-01T03:00:00"])
def test_time_systems_are_those_of_astropy(system, scale, epoch):
    expected = Time(epoch, scale=scale).tai
    (found,) = epochs_tai_us([epoch], system, ["here"])
    origin = Time("1970-01-01T00:00:00", scale="tai")
    assert (expected - origin).to_value("s") == pytest.approx(found / 1e6, abs=5e-6)


def test_satellite_navigation_times_have_their_offsets():
    # GPS and Galileo began with TAI - 19 s, BeiDou with TAI - 33 s.
    for system, behind in (("GPS", 19), ("GST", 19), ("BDT", 33)):
        (found,) = epochs_tai_us(["2027-03-01T00:00:00"], system, ["here"])
        assert found == tai_us(datetime(2027, 3, 1, tzinfo=UTC)) - (37 - behind) * 1_000_000


@pytest.mark.parametrize("step_s", [60, 240])
@pytest.mark.parametrize("system", ["TAI", "UTC"])
def test_an_orbit_across_a_leap_second_is_exact(read, step_s, system):
    # Truth in closed form on TAI; the file of the night of 31 December 2016 is written in TAI and in UTC.
    first = datetime(2016, 12, 31, 23, 36, 0, tzinfo=UTC)
    elapsed = np.arange(0, 3_000, step_s)
    if system == "TAI":
        times = [stamp(first + timedelta(seconds=int(s) + 36)) for s in elapsed]
    else:  # 1440 s after the first state the leap second begins
        times = [stamp(first + timedelta(seconds=int(s) - int(s > 1440))) for s in elapsed]
        times = ["2016-12-31T23:59:60.000000" if s == 1440 else t for s, t in zip(elapsed, times, strict=True)]
    (segment,) = read(oem(block(times, truth(elapsed), TIME_SYSTEM=system)))
    assert segment.start == first
    assert segment.seconds == pytest.approx(elapsed, abs=1e-9)
    for utc, passed in (("23:57:30", 1290), ("23:59:59", 1439), ("00:00:00", 1441), ("00:00:30", 1471)):
        day = "2016-12-31" if utc > "12" else "2017-01-01"
        calendar_s = (datetime.fromisoformat(f"{day}T{utc}+00:00") - first).total_seconds()
        off_m = np.linalg.norm(interpolated_km(segment, np.array([calendar_s])) - truth(passed)[:, :3]) * 1e3
        assert off_m < 0.01, utc
    orbit, gaps = tabulated_trajectory([segment], first, first + 0.75 * HOURS)
    assert not gaps
    assert orbit.known_s == [(0.0, 2700.0)]
    calendar_s, passed_s = np.array([1439.5, 1440.0 + 1e-5]), np.array([1439.5, 1441.0 + 1e-5])
    turn = to_earth_fixed("GCRF", *julian_date(first, calendar_s))
    expected_m = np.einsum("nij,nj->ni", turn, truth(passed_s)[:, :3]) * 1e3
    # One and a half seconds pass between them. At the ends of an arc the stencils are one-sided.
    assert positions_m(orbit, calendar_s) == pytest.approx(expected_m, abs=0.1)


def test_leap_seconds_that_were_none_and_early_years_are_refused(read):
    for wrong, message in (
        ("2027-03-01T06:05:60.000000", "names a leap second, and UTC had none then"),
        ("2016-06-30T23:59:60", "names a leap second, and UTC had none then"),
        ("1971-12-31T23:00:00", "lies before 1972"),
    ):
        with pytest.raises(ElementsError, match=rf"^here: {wrong}Z? {message}"):
            epochs_tai_us([wrong], "UTC", ["here"])
    (found,) = epochs_tai_us(["2015-06-30T23:59:60.25"], "UTC", ["here"])
    assert found - tai_us(datetime(2015, 6, 30, 23, 59, 59, tzinfo=UTC)) == 1_250_000
    assert utc_of(int(found)) == datetime(2015, 7, 1, tzinfo=UTC)


def test_calendar_axes_leave_leap_seconds_out():
    noon = datetime(2016, 12, 31, 12, tzinfo=UTC)
    assert leaps_s(noon, np.array([0.0, 43_199.0, 43_200.0, 86_400.0])).tolist() == [0.0, 0.0, 1.0, 1.0]
    assert leaps_s(noon + 24 * HOURS, np.array([-86_400.0, 0.0])).tolist() == [-1.0, 0.0]
    assert leap_instants(noon, noon + 24 * HOURS) == [datetime(2017, 1, 1, tzinfo=UTC)]
    assert leap_instants(noon + 24 * HOURS, noon + 24 * 400 * HOURS) == []
    assert tai_us(datetime(2017, 1, 1, tzinfo=UTC)) - tai_us(datetime(2016, 12, 31, tzinfo=UTC)) == 86_401_000_000


@pytest.mark.parametrize(
    ("name", "frame"),
    [("J2000", "EME2000"), ("TEME of Date", "TEME"), ("TEMEOFDATE", "TEME"), ("GCRS", "GCRF"), ("ICRF3", "ICRF"),
     ("WGS84", "ITRF"), ("ECEF", "ITRF"), ("EFG", "ITRF"), ("ITRF2020", "ITRF2020"), ("ITRF-97", "ITRF97")],
)  # fmt: skip
def test_frames_are_known_by_their_usual_names(read, name, frame):
    earth_fixed = frame.startswith("ITRF")
    seconds, times = minutes(0, 60)
    states = truth(seconds)
    if earth_fixed:
        states = turned(states, seconds)
    (segment,) = read(oem(block(times, states, REF_FRAME=name)))
    assert segment.frame == frame
    expected = "ITRF2020" if earth_fixed else frame
    (plain,) = read(oem(block(times, states, REF_FRAME=expected)))
    a, b = (tabulated_ephemeris([s], START, START + HOURS).grid_m for s in (segment, plain))
    assert np.array_equal(a, b)


def turned(states, seconds, *, rotation=True):
    """States in a frame that turns with the Earth from the inertial one at START, with or without its rotation."""
    angle = EARTH_ROTATION_RAD_S * seconds
    cos, sin = np.cos(angle), np.sin(angle)
    zero, one = np.zeros_like(angle), np.ones_like(angle)
    matrix = np.moveaxis(np.array([[cos, sin, zero], [-sin, cos, zero], [zero, zero, one]]), -1, 0)
    places, speeds = (np.einsum("nij,nj->ni", matrix, states[:, part]) for part in (slice(0, 3), slice(3, 6)))
    if rotation:
        speeds = speeds - np.cross([0.0, 0.0, EARTH_ROTATION_RAD_S], places)
    return np.column_stack([places, speeds])


@pytest.mark.parametrize("step", [1, 3, 5])
def test_earth_fixed_velocities_that_lack_the_rotation_are_noticed_and_mended(read, step):
    seconds, times = minutes(0, 300, step)
    (right,) = read(oem(block(times, turned(truth(seconds), seconds), REF_FRAME="ITRF2020")))
    with pytest.warns(ImplausibleInputWarning, match=r"line 4: Earth-fixed velocities of 'EAG' lack the Earth's rota"):
        (mended,) = read(oem(block(times, turned(truth(seconds), seconds, rotation=False), REF_FRAME="ITRF2020")))
    assert mended.states == pytest.approx(right.states, abs=1e-9)


def test_a_geostationary_table_without_rotation_is_noticed(read):
    # Earth-fixed it stands still; velocities of 3,075 m/s lack the rotation.
    seconds, times = minutes(0, 1440, 10)
    still = np.tile([42_164.0, 0.0, 0.0, 0.0, 0.0, 0.0], (len(seconds), 1))
    (right,) = read(oem(block(times, still, REF_FRAME="ITRF")))
    moving = still + np.array([0.0, 0.0, 0.0, 0.0, 42_164.0 * EARTH_ROTATION_RAD_S, 0.0])
    with pytest.warns(ImplausibleInputWarning, match=r"lack the Earth's rotation \(3075 m/s\)"):
        (mended,) = read(oem(block(times, moving, REF_FRAME="ITRF")))
    assert mended.states == pytest.approx(right.states, abs=1e-9)


@pytest.mark.parametrize("factor", [0.9, 1.1, -1.0, 1e3])
def test_velocities_that_are_no_derivatives_are_refused(read, factor):
    seconds, times = minutes(0, 60)
    states = truth(seconds) * [1, 1, 1, factor, factor, factor]
    for frame in ("GCRF", "ITRF"):
        with pytest.raises(ElementsError, match=r"line 4: velocities of 'EAG' differ from the motion of its positions"):
            read(oem(block(times, states, REF_FRAME=frame)))


@pytest.mark.parametrize("mark", ["D", "d", "E", "e"])
def test_exponents_of_fortran_are_numbers(read, mark):
    seconds, times = minutes(0, 20)
    (expected,) = read(oem(block(times, truth(seconds))))
    rows = [
        f"{t} " + " ".join(f"{x:.15e}".replace("e", mark) for x in s)
        for t, s in zip(times, truth(seconds), strict=True)
    ]
    text = oem(block(times, truth(seconds)))
    (found,) = read(text[: text.index("META_STOP\n") + 10] + "\n".join(rows) + "\n")
    assert found.states == pytest.approx(expected.states, abs=1e-9)


# ---------------------------------------------------------------- XML, and files that are none


def as_xml(first=0, last=60, *, prefix="", around=("", ""), units="", more=""):
    seconds, times = minutes(first, last)
    keys = ("X", "Y", "Z", "X_DOT", "Y_DOT", "Z_DOT")
    rows = ""
    for time, state in zip(times, truth(seconds), strict=True):
        cells = "".join(f"<{k}{units}>{x:.12f}</{k}>" for k, x in zip(keys, state, strict=True))
        rows += f"<stateVector><EPOCH>{time}</EPOCH>{cells}{more}</stateVector>"
    meta = {
        "OBJECT_NAME": "EAG", "OBJECT_ID": "2027-001A", "CENTER_NAME": "EARTH", "REF_FRAME": "GCRF",
        "TIME_SYSTEM": "UTC", "START_TIME": times[0], "STOP_TIME": times[-1],
    }  # fmt: skip
    words = "".join(f"<{k}>{v}</{k}>" for k, v in meta.items())
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{around[0]}<{prefix}oem id="CCSDS_OEM_VERS" version="2.0"><header>'
        "<CREATION_DATE>2027-03-01T00:00:00</CREATION_DATE><ORIGINATOR>X</ORIGINATOR></header><body><segment>"
        f"<metadata>{words}</metadata><data>{rows}<covarianceMatrix><EPOCH>{times[0]}</EPOCH><CX_X>1</CX_X>"
        f"</covarianceMatrix></data></segment></body></{prefix}oem>{around[1]}"
    )


@pytest.mark.parametrize(
    "style",
    [{}, {"prefix": "n:"}, {"around": ("<ndm>", "</ndm>")}, {"more": "<X_DDOT>0.1</X_DDOT><Y_DDOT>0</Y_DDOT>"},
     {"around": ('<n:ndm xmlns:n="urn:x">', "</n:ndm>"), "prefix": "n:"}],
)  # fmt: skip
def test_xml_is_read_as_the_same_segments(read, style):
    (expected,) = read(oem(table(0, 60)))
    (found,) = read(as_xml(**style))
    assert np.array_equal(found.states, expected.states)
    assert np.array_equal(found.seconds, expected.seconds)
    assert (found.start, found.useable_stop, found.frame) == (expected.start, expected.useable_stop, expected.frame)


def test_xml_in_other_units_or_without_a_number_is_refused(read):
    with pytest.raises(ElementsError, match=r"^some\.oem line 1: X is in \[m\]; expected \[km\]; mend the file"):
        read(as_xml(units=' units="m"'))
    with pytest.raises(ElementsError, match=r"line 1: a state lacks Y; mend the file"):
        read(as_xml().replace("<Y>", "<Q>").replace("</Y>", "</Q>"))
    with pytest.raises(ElementsError, match=r"line 1: TIME_SYSTEM is given twice"):
        read(as_xml().replace("<TIME_SYSTEM>", "<TIME_SYSTEM>TAI</TIME_SYSTEM><TIME_SYSTEM>"))
    with pytest.raises(ElementsError, match="no segment found"):
        read('<?xml version="1.0"?><oem id="CCSDS_OEM_VERS" version="2.0"><header/></oem>')
    with pytest.raises(ElementsError, match="a document type or entity; remove it"):
        read('<?xml version="1.0"?><!DOCTYPE oem [<!ENTITY a "b">]><oem/>')
    with pytest.raises(ElementsError, match="not valid XML"):
        read(as_xml()[:-20])


def test_an_ephemeris_written_as_xml_is_read_back(tmp_path):
    seconds = np.arange(0, 3601, 60.0)
    orbit = tabulated_ephemeris(_segments(tmp_path), START, START + HOURS)
    for frame in ("EME2000", "ITRF2020"):
        found = []
        for suffix in ("oem", "xml"):
            write_oem("A & <B>", START, seconds, *motion(orbit, seconds), tmp_path / f"y.{suffix}", frame=frame)
            found += read_oem(tmp_path / f"y.{suffix}")
        assert np.array_equal(found[0].states, found[1].states)
        assert found[0].object_name == found[1].object_name == "A & <B>"


def test_parts_are_written_as_segments(tmp_path):
    orbit = tabulated_ephemeris(_segments(tmp_path), START, START + HOURS)
    parts = [(s, *motion(orbit, s)) for s in (np.arange(0, 600, 60.0), np.arange(1800, 3601, 60.0))]
    for name in ("y.oem", "y.xml"):
        write_oem_parts("EAG", START, parts, tmp_path / name)
        assert [len(s.seconds) for s in read_oem(tmp_path / name)] == [10, 31]


def _segments(folder: Path):
    (folder / "s.oem").write_text(oem(table(0, 60)), encoding="utf-8")
    return read_oem(folder / "s.oem")


OTHERS = {
    "STK": ("stk.v.11.0\n\nBEGIN Ephemeris\nNumberOfEphemerisPoints 2\n", "an ephemeris of STK", "export it there as"),
    "SP3": ("#dP2027  3  1  0  0  0.00000000      96 ORBIT IGS20 FIT  IGS\n", "an SP3 file", "convert it to an OEM"),
    "OPM": ("CCSDS_OPM_VERS = 2.0\nOBJECT_NAME = A\n", "an OPM", "propagate it"),
    "OPM in XML": ('<?xml version="1.0"?><opm id="CCSDS_OPM_VERS" version="2.0"/>', "an OPM", "propagate it"),
    "OMM": ("CCSDS_OMM_VERS = 2.0\nOBJECT_NAME = A\n", "an OMM", "name it as elements ="),
    "OMM in a list": ('[{"OBJECT_NAME": "A", "MEAN_MOTION": 15.1}]', "an OMM", "name it as elements ="),
    "OMM in XML": ('<ndm><omm id="CCSDS_OMM_VERS"/></ndm>', "an OMM", "name it as elements ="),
    "OMM in CSV": ("OBJECT_NAME,EPOCH,MEAN_MOTION\n", "an OMM", "name it as elements ="),
    "TLE": ("A\n1 25544U 98067A   27001.5  .0001\n2 25544  51.6\n", "two-line elements", "name it as elements ="),
    "AEM": ("CCSDS_AEM_VERS = 1.0\n", "an attitude message", "give the orbit"),
    "TDM": ("CCSDS_TDM_VERS = 2.0\n", "a message of tracking", "give the orbit"),
    "OCM": ("COMMENT from ops\nCCSDS_OCM_VERS = 3.0\n", "an OCM", "export its trajectory"),
    "CPF": ("H1 CPF  2 HTS 2027 03 01 00 060 01 lageos1\n", "a prediction for laser ranging", "convert it"),
}


@pytest.mark.parametrize(("text", "kind", "remedy"), OTHERS.values(), ids=OTHERS.keys())
def test_orbit_files_of_other_kinds_are_named(read, text, kind, remedy):
    with pytest.raises(ElementsError, match=rf"^some\.oem: no OEM but {kind}.*; .*{remedy}"):
        read(text)


def test_an_ephemeris_given_for_elements_is_named(tmp_path):
    (tmp_path / "x.oem").write_text(oem(table(0, 20)), encoding="utf-8")
    (tmp_path / "x.xml").write_text(as_xml(0, 20), encoding="utf-8")
    (tmp_path / "x.e").write_text(OTHERS["STK"][0], encoding="utf-8")
    for name, words in (
        ("x.oem", "no element set found; it is an OEM .*; name it as ephemeris = instead"),
        ("x.xml", "no element set found; it is an OEM .*; name it as ephemeris = instead"),
        ("x.e", "no element set found; it is an ephemeris of STK"),
    ):
        with pytest.raises(ElementsError, match=rf"^{name.replace('.', chr(92) + '.')}: {words}"):
            eq.read_elements(tmp_path / name)


def test_a_trajectory_answers_only_where_something_is_known(scenario_of):
    scenario = load_scenario(scenario_of(without(200, 440)))
    orbit = ephemerides(scenario, scenario.start, scenario.end)["EAG"]
    assert orbit.known_s == [(0.0, 12_000.0), (26_400.0, 36_000.0)]
    assert np.isfinite(positions_m(orbit, np.array([0.0, 12_000.0, 26_400.0, 36_000.0]))).all()
    with pytest.raises(ElementsError, match=r"13000\.0 s after 2027-03-01T06:00:00Z; nothing is known of 'EAG' then"):
        positions_m(orbit, np.array([0.0, 13_000.0]))
