"""Earth orientation and station vectors against Astropy, Skyfield and closed forms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import astropy.units as u
import erfa
import numpy as np
import pandas as pd
import pytest
from astropy.time import Time
from skyfield.api import wgs84

from eqci_space.errors import ModelValidityWarning, TimeError
from eqci_space.orbits import earth
from eqci_space.orbits.earth import (
    earth_rotation_rad,
    julian_date,
    orientation_end,
    seconds_from,
    sidereal_rad,
    station_frame,
    times_from,
)

RAD_PER_UT1_S = 7.292_115_146_7e-5  # IERS Conventions 2010, nominal rotation of the Earth


@pytest.fixture
def fresh_warning():
    """The package warns once a process; forget that it did, before and after."""
    earth._warn_beyond_table.cache_clear()
    yield
    earth._warn_beyond_table.cache_clear()


# Days after the leap seconds in the years that are tested. Astropy and ERFA count fractions of a day of 86,401 s in it.
LEAP_MJD = np.array([48_257, 53_736, 54_832, 56_109, 57_204, 57_754])


def _ut1_difference_s(start, days, ut1_of):
    """Largest difference [s] of UT1 seen through GMST 1982 and through the Earth rotation angle."""
    jd, fraction = julian_date(start, np.linspace(0.0, days * 86400.0, 2001))
    leap_day = np.isin(jd, 2_400_000.5 + LEAP_MJD - 1)
    first, second = ut1_of(jd, np.where(leap_day, fraction * 86_400 / 86_401, fraction))
    angles = (
        sidereal_rad(jd, fraction) - erfa.gmst82(first, second),
        earth_rotation_rad(jd, fraction) - erfa.era00(first, second),
    )
    return max(np.abs(np.remainder(a + np.pi, 2 * np.pi) - np.pi).max() for a in angles) / RAD_PER_UT1_S


def test_predicted_ut1_equals_astropy_pinned_to_the_same_file(astropy_orientation):
    def ut1_of(jd, fraction):
        time = Time(jd, fraction, format="jd", scale="utc").ut1
        return time.jd1, time.jd2

    predicted = astropy_orientation["MJD"][astropy_orientation["UT1Flag"] == "P"].value
    start = datetime(1858, 11, 17, tzinfo=UTC) + timedelta(days=float(predicted[0]))
    days = float(predicted[-1] - predicted[0]) - 1
    assert days > 300
    assert _ut1_difference_s(start, days, ut1_of) < 1e-6


@pytest.mark.parametrize("year", [1990, 2005, 2016, 2021, 2025])
def test_past_ut1_equals_bulletin_a_of_the_same_file(astropy_orientation, year):
    # Each year begins 200 days before a new year, so that 1990 and 2016 hold a leap second.
    mjd = astropy_orientation["MJD"].value
    dut1 = astropy_orientation["UT1_UTC_A"].to_value(u.s)
    steps = np.cumsum(np.round(np.diff(dut1, prepend=dut1[0])))

    def ut1_of(jd, fraction):
        at = jd - 2_400_000.5 + fraction
        smooth = np.interp(at, mjd, dut1 - steps)
        utc_minus_tai_plus_steps = np.interp(np.floor(at), mjd, steps)
        return erfa.utcut1(jd, fraction, smooth + utc_minus_tai_plus_steps)

    assert _ut1_difference_s(datetime(year, 6, 14, tzinfo=UTC), 365, ut1_of) < 1e-6


def test_ut1_stays_within_a_fifth_of_a_millisecond_of_the_final_values(astropy_orientation):
    # Astropy prefers the later Bulletin B for past dates; 0.2 ms turn the ground by 0.1 m.
    def ut1_of(jd, fraction):
        time = Time(jd, fraction, format="jd", scale="utc").ut1
        return time.jd1, time.jd2

    assert _ut1_difference_s(datetime(2005, 1, 1, tzinfo=UTC), 21 * 365, ut1_of) < 2e-4


@pytest.mark.parametrize("utc", ["2016-12-31T12:00:00", "2016-12-31T23:59:30", "2017-01-01T00:00:00"])
def test_ut1_of_a_day_with_a_leap_second_is_astropys(utc):
    expected = Time(utc, scale="utc").ut1
    angle = sidereal_rad(*julian_date(datetime.fromisoformat(f"{utc}+00:00"), np.zeros(1)))[0]
    assert angle == pytest.approx(erfa.gmst82(expected.jd1, expected.jd2), abs=1e-3 * RAD_PER_UT1_S)


def test_sidereal_time_equals_skyfield(timescale):
    seconds = np.linspace(0.0, 200 * 86400.0, 501)
    ours = sidereal_rad(*julian_date(datetime(2027, 1, 1, tzinfo=UTC), seconds))
    time = timescale.utc(2027, 1, 1, 0, 0, seconds)
    # Skyfield's GMST follows IAU 2006; it and IAU 1982 differ by milliseconds of time in this decade.
    theirs = erfa.gmst82(time.whole, time.ut1_fraction)
    assert np.abs(ours - theirs).max() < 1e-6 * RAD_PER_UT1_S


def test_sidereal_time_of_a_published_instant(astropy_orientation):
    # Vallado, Fundamentals of Astrodynamics (2013), example 3-5: 1992-08-20 12:14 UT1, GMST 152.578 787 886 deg.
    mjd = 48_854 + 734 / 1440
    dut1_s = np.interp(mjd, astropy_orientation["MJD"].value, astropy_orientation["UT1_UTC_A"].to_value(u.s))
    utc = datetime(1992, 8, 20, 12, 14, tzinfo=UTC) - timedelta(seconds=float(dut1_s))
    gmst_deg = np.degrees(sidereal_rad(*julian_date(utc, np.zeros(1))))
    assert gmst_deg == pytest.approx([152.578_787_886], abs=1e-7)  # his Julian date in one double rounds to 2e-7 deg


STATIONS = [
    (48.0848, 11.278, 645.0),
    (90.0, 0.0, 0.0),
    (90.0, 135.0, 2800.0),
    (-90.0, -77.0, 2835.0),
    (0.0, 180.0, 0.0),
    (-16.8, -180.0, 30.0),
    (51.9, 179.9999, -50.0),
    (0.0, 0.0, 9000.0),
]


@pytest.mark.parametrize(("latitude", "longitude", "height"), STATIONS)
def test_station_position_equals_skyfield(latitude, longitude, height):
    position, _ = station_frame(latitude, longitude, height)
    expected = wgs84.latlon(latitude, longitude, elevation_m=height).itrs_xyz.m
    assert position == pytest.approx(expected, abs=1e-3)


def test_station_position_on_the_axes_of_wgs84():
    # WGS 84 (NIMA TR8350.2): a = 6378137 m, b = 6356752.3142 m.
    assert station_frame(0.0, 0.0, 0.0)[0] == pytest.approx([6_378_137.0, 0.0, 0.0], abs=1e-4)
    assert station_frame(90.0, 0.0, 100.0)[0] == pytest.approx([0.0, 0.0, 6_356_852.3142], abs=1e-4)
    assert station_frame(0.0, -180.0, 0.0)[0] == pytest.approx([-6_378_137.0, 0.0, 0.0], abs=1e-4)


@pytest.mark.parametrize(("latitude", "longitude", "height"), STATIONS)
def test_station_axes_point_east_north_and_up(latitude, longitude, height):
    position, rotation = station_frame(latitude, longitude, height)
    assert rotation @ rotation.T == pytest.approx(np.eye(3), abs=1e-14)
    assert np.linalg.det(rotation) == pytest.approx(1.0, abs=1e-14)
    higher, _ = station_frame(latitude, longitude, height + 1000.0)
    assert rotation @ (higher - position) == pytest.approx([0.0, 0.0, 1000.0], abs=1e-6)
    if abs(latitude) < 90:
        east, _ = station_frame(latitude, longitude + 1e-4, height)
        north, _ = station_frame(latitude + 1e-4, longitude, height)
        assert rotation @ (east - position) / np.linalg.norm(east - position) == pytest.approx([1, 0, 0], abs=1e-5)
        assert rotation @ (north - position) / np.linalg.norm(north - position) == pytest.approx([0, 1, 0], abs=1e-5)


@pytest.mark.parametrize(
    "start",
    [
        datetime(2027, 3, 1, 12, tzinfo=UTC),
        datetime(2027, 3, 1, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2027, 3, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    ],
)
def test_times_and_seconds_are_inverse(start):
    seconds = np.array([-86_400.0, -0.000_001, 0.0, 0.000_001, 0.123_456, 59.999_999, 86_400.0, 3e7 + 0.000_001])
    times = times_from(start, seconds)
    assert str(times.tz) == "UTC"
    assert times.unit == "us"
    assert list(times.to_pydatetime()) == [start + timedelta(microseconds=round(s * 1e6)) for s in seconds]
    assert seconds_from(start, times) == pytest.approx(seconds, abs=1e-9)
    assert seconds_from(start, pd.Series(times)) == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Warsaw"])
def test_seconds_do_not_depend_on_the_unit_or_zone_of_the_times(unit, zone):
    start = datetime(2027, 3, 28, 0, tzinfo=UTC)  # Warsaw sets its clocks forward at 01:00 UTC
    times = times_from(start, np.arange(0.0, 7200.0, 600.0)).tz_convert(zone).as_unit(unit)
    assert seconds_from(start, times) == pytest.approx(np.arange(0.0, 7200.0, 600.0), abs=0)


def test_julian_date_of_published_instants():
    # J2000.0 is JD 2451545.0; the Unix epoch is JD 2440587.5.
    jd, fraction = julian_date(datetime(2000, 1, 1, 12, tzinfo=UTC), np.array([0.0, 43_200.0, -43_201.0]))
    assert jd == pytest.approx([2_451_544.5, 2_451_545.5, 2_451_543.5], abs=0)
    assert fraction == pytest.approx([0.5, 0.0, 86_399 / 86_400], abs=1e-15)
    jd, fraction = julian_date(datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), np.zeros(1))
    assert (jd[0], fraction[0]) == (2_440_587.5, 0.0)


def test_naive_start_of_a_julian_date_raises():
    with pytest.raises(TimeError, match=r"julian_date: start .* no time zone"):
        julian_date(datetime(2027, 1, 1), np.zeros(1))  # noqa: DTZ001


def test_naive_times_raise():
    with pytest.raises(TimeError, match=r"seconds_from: times have no time zone"):
        seconds_from(datetime(2027, 1, 1, tzinfo=UTC), pd.DatetimeIndex(["2027-01-01"]))


def test_naive_start_raises_in_times_from():
    with pytest.raises(TimeError, match="start"):
        times_from(datetime(2027, 1, 1), np.zeros(1))  # noqa: DTZ001


def test_naive_start_raises_in_seconds_from():
    with pytest.raises(TimeError, match="start"):
        seconds_from(datetime(2027, 1, 1), pd.DatetimeIndex(["2027-01-01"], tz="UTC"))  # noqa: DTZ001


def test_beyond_the_table_the_last_ut1_is_held_with_one_warning(fresh_warning):
    end = orientation_end()
    jd, fraction = julian_date(end + timedelta(days=100), np.zeros(1))
    with pytest.warns(ModelValidityWarning, match=rf"Earth orientation ends {end:%Y-%m-%d}") as caught:
        angle, again, _ = (turn(jd, fraction) for turn in (earth_rotation_rad, earth_rotation_rad, sidereal_rad))
    assert len(caught) == 1
    assert again == angle
    last = julian_date(end, np.zeros(1))
    # UT1-TAI as at the table's end: the angle grows by the rate of the era formula (IAU 2000) times the days.
    turned = 2 * np.pi * 1.002_737_811_911_354_48 * 100
    expected = np.remainder(earth_rotation_rad(*last) + turned, 2 * np.pi)
    assert angle == pytest.approx(expected, abs=1e-6 * RAD_PER_UT1_S)


def test_the_last_row_of_the_table_gives_no_warning(fresh_warning):
    end = orientation_end()
    assert end > datetime(2026, 1, 1, tzinfo=UTC)
    assert np.isfinite(sidereal_rad(*julian_date(end, np.zeros(1)))).all()
