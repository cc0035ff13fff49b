"""Nights: an independent almanac, polar nights and days, twilights that last seconds, and the table per night."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import AltAz, EarthLocation, get_body, solar_system_ephemeris
from astropy.time import Time

from eqci_space.ogs.windows import night_intervals, nightly_windows, observable_windows, sun_elevation_deg
from eqci_space.orbits.passes import find_passes
from eqci_space.orbits.sky import make_sky

DAY_S = 86_400.0


def nights_at(station, start, days, limit_deg, **place):
    """Sky, station and night intervals of some days."""
    sky = make_sky(start, start + timedelta(days=days))
    there = station.model_copy(update=place)
    return sky, there, night_intervals(sky, there, days * DAY_S, limit_deg)


def astropy_sun_deg(station, start, seconds):
    """Elevation of the Sun [deg] without refraction from Astropy's built-in ephemeris."""
    site = EarthLocation.from_geodetic(
        station.longitude_deg * u.deg, station.latitude_deg * u.deg, station.height_ellipsoid_m * u.m
    )
    times = Time(start) + np.asarray(seconds) * u.s
    with solar_system_ephemeris.set("builtin"):
        return get_body("sun", times, site).transform_to(AltAz(obstime=times, location=site)).alt.deg


@pytest.mark.parametrize("latitude_deg", [-52.0, -35.0, 0.0, 35.0, 47.0, 60.0])
@pytest.mark.parametrize(("month", "limit_deg"), [(3, -10.0), (6, -0.833), (1, -18.0)])
def test_nights_are_those_of_an_independent_scan(scenario, astropy_orientation, latitude_deg, month, limit_deg):
    start = datetime(2027, month, 20, 12, tzinfo=UTC)
    _, station, nights = nights_at(scenario.stations["GRAZ"], start, 3, limit_deg, latitude_deg=latitude_deg)
    scan = np.arange(0.0, 3 * DAY_S, 300.0)
    dark = astropy_sun_deg(station, start, scan) < limit_deg
    inside = ((scan[:, None] >= nights[:, 0]) & (scan[:, None] < nights[:, 1])).any(axis=1)
    assert (inside == dark).all()
    edges = nights[(nights > 0) & (nights < 3 * DAY_S)]
    # The Sun of the package is good to 0.4 arcsec = 1.1e-4 deg, Astropy's built-in one to the same.
    assert astropy_sun_deg(station, start, edges) == pytest.approx(np.full(edges.size, limit_deg), abs=5e-4)
    assert len(edges) >= 4


@pytest.mark.parametrize("limit_deg", [-0.833, -10.0])
def test_edges_are_good_to_a_millisecond(scenario, limit_deg):
    start = datetime(2027, 4, 2, 3, tzinfo=UTC)
    sky, station, nights = nights_at(scenario.stations["GRAZ"], start, 5, limit_deg)
    for before_s, sign in ((-1e-3, 1.0), (1e-3, -1.0)):
        # A millisecond before dusk and after dawn the Sun stands above the limit; 1 ms is 2.7e-6 deg here.
        dusk = sun_elevation_deg(sky, station, nights[nights[:, 0] > 0, 0] + before_s) - limit_deg
        dawn = sun_elevation_deg(sky, station, nights[nights[:, 1] < 5 * DAY_S, 1] + before_s) - limit_deg
        assert (sign * dusk > 0).all()
        assert (sign * dawn < 0).all()


@pytest.mark.parametrize("start_hour", [0, 5, 12, 23])
def test_a_polar_night_of_many_days_is_one_interval(scenario, start_hour):
    # Svalbard, 78.2 N: from 11 November to 30 January the Sun stays more than 6 deg below the horizon.
    start = datetime(2026, 12, 10, start_hour, tzinfo=UTC)
    place = {"latitude_deg": 78.23, "longitude_deg": 15.4}
    _, _, nights = nights_at(scenario.stations["GRAZ"], start, 20, -6.0, **place)
    assert nights.tolist() == [[0.0, 20 * DAY_S]]


def test_a_midnight_sun_leaves_no_night(scenario):
    start = datetime(2027, 6, 10, 12, tzinfo=UTC)
    place = {"latitude_deg": 78.23, "longitude_deg": 15.4}
    _, _, nights = nights_at(scenario.stations["GRAZ"], start, 20, 0.0, **place)
    assert nights.shape == (0, 2)


def test_the_polar_night_of_kiruna_begins_between_its_published_days(scenario):
    # Declination -22.0 deg on 1 December, -20.5 on 23 November; at 67.89 N noon elevation = 90 - 67.89 + declination
    # = 0.1 and 1.6 deg: with the geometric limit 0 the noons close around 2 December and open around 11 January.
    start = datetime(2026, 11, 23, 0, tzinfo=UTC)
    place = {"latitude_deg": 67.89, "longitude_deg": 21.1}
    _, _, nights = nights_at(scenario.stations["GRAZ"], start, 60, 0.0, **place)
    longest = nights[np.argmax(np.ptp(nights, axis=1))]
    first, last = (start + timedelta(seconds=s) for s in longest)
    assert abs(first - datetime(2026, 12, 2, 12, tzinfo=UTC)) < timedelta(days=2.5)
    assert abs(last - datetime(2027, 1, 11, 12, tzinfo=UTC)) < timedelta(days=2.5)
    assert len(nights) > 10


@pytest.mark.parametrize("dip_deg", [1e-6, 1e-5, 5e-5])
def test_a_dip_of_less_than_a_minute_below_the_limit_is_found(scenario, dip_deg):
    # Near its lower culmination the Sun's elevation is a parabola, e = e0 + k t²; a limit dip above e0 is undercut for
    # 2 √(dip/k). The elevation of the lowest point is found here by a fit to the scan.
    start, place = datetime(2027, 6, 21, 12, tzinfo=UTC), {"latitude_deg": 60.0, "longitude_deg": 25.0}
    sky = make_sky(start, start + timedelta(days=1))
    station = scenario.stations["GRAZ"].model_copy(update=place)
    scan = np.arange(0.0, DAY_S, 10.0)
    lowest = int(np.argmin(sun_elevation_deg(sky, station, scan)))
    near = scan[lowest] + np.linspace(-60.0, 60.0, 241)
    k, slope, level = np.polyfit(near - near[120], sun_elevation_deg(sky, station, near), 2)
    bottom, at = level - slope**2 / (4 * k), near[120] - slope / (2 * k)
    nights = night_intervals(sky, station, DAY_S, bottom + dip_deg)
    length_s = 2 * np.sqrt(dip_deg / k)
    assert length_s < 60.0
    assert len(nights) == 1
    # The fit's bottom is good to 1e-9 deg, so the length to half that share of the dip; edges are good to 0.25 ms.
    assert np.ptp(nights[0]) == pytest.approx(length_s, rel=2e-3, abs=1e-3)
    assert nights[0].mean() == pytest.approx(at, abs=0.05)
    assert len(night_intervals(sky, station, DAY_S, bottom - 1e-7)) == 0


@pytest.mark.parametrize("peak_deg", [1e-6, 1e-4])
def test_a_noon_of_less_than_a_minute_above_the_limit_splits_the_night(scenario, peak_deg):
    start, place = datetime(2026, 12, 20, 0, tzinfo=UTC), {"latitude_deg": 70.0, "longitude_deg": 0.0}
    sky = make_sky(start, start + timedelta(days=1))
    station = scenario.stations["GRAZ"].model_copy(update=place)
    scan = np.arange(0.0, DAY_S, 10.0)
    highest = int(np.argmax(sun_elevation_deg(sky, station, scan)))
    near = scan[highest] + np.linspace(-60.0, 60.0, 241)
    k, slope, level = np.polyfit(near - near[120], sun_elevation_deg(sky, station, near), 2)
    top = level - slope**2 / (4 * k)
    nights = night_intervals(sky, station, DAY_S, top - peak_deg)
    assert len(nights) == 2
    assert nights[1, 0] - nights[0, 1] == pytest.approx(2 * np.sqrt(peak_deg / -k), rel=2e-3, abs=1e-3)
    assert nights[0, 1] < nights[1, 0]


def test_nights_of_a_long_period_are_those_of_its_days(scenario):
    # Split at 86,400 s from the start or not, a night is one interval.
    start, graz = datetime(2027, 3, 1, 0, tzinfo=UTC), scenario.stations["GRAZ"]
    _, _, whole = nights_at(graz, start, 10, -10.0)
    assert len(whole) == 11
    assert whole[0, 0] == 0.0
    assert whole[-1, 1] == 10 * DAY_S
    _, _, shifted = nights_at(graz, start + timedelta(hours=12), 9, -10.0)
    # Two roots of the same search from other starts, each good to 0.25 ms.
    assert shifted + DAY_S / 2 == pytest.approx(whole[1:10], abs=5e-4)


# ---------------------------------------------------------------- nightly windows


@pytest.fixture(scope="module")
def scenario(scenario):
    """The shipped scenario with stations that see only steep passes, so that some nights are without any."""
    stations = {o: s.model_copy(update={"min_elevation_deg": 35.0}) for o, s in scenario.stations.items()}
    return scenario.model_copy(update={"stations": stations})


@pytest.fixture(scope="module")
def windows(scenario):
    return observable_windows(find_passes(scenario), scenario)


def test_every_night_satellite_and_station_has_a_row(scenario, windows):
    table = nightly_windows(windows, scenario)
    assert list(table.columns) == ["night", "satellite", "ogs", "windows", "seconds"]
    assert len(table) == 7 * 1 * 5
    assert not table.duplicated(["night", "satellite", "ogs"]).any()
    nights = pd.date_range("2027-03-01", "2027-03-07", tz="UTC")
    assert sorted(set(table["night"])) == list(nights)
    assert (table["windows"] == 0).any()  # a night without windows
    assert (table.loc[table["windows"] == 0, "seconds"] == 0.0).all()
    assert (table.loc[table["windows"] > 0, "seconds"] > 0.0).all()


def test_counts_and_seconds_add_up_to_the_windows(scenario, windows):
    table = nightly_windows(windows, scenario)
    assert table["windows"].sum() == len(windows)
    total_s = (windows["end"] - windows["start"]).dt.total_seconds().sum()
    assert table["seconds"].sum() == pytest.approx(total_s, abs=1e-3)
    for row in table.itertuples():
        begin = row.night + pd.Timedelta(hours=12)
        mine = windows[
            (windows["ogs"] == row.ogs)
            & (windows["start"] >= begin)
            & (windows["start"] < begin + pd.Timedelta(days=1))
        ]  # fmt: skip
        assert row.windows == len(mine)
        assert row.seconds == pytest.approx((mine["end"] - mine["start"]).dt.total_seconds().sum(), abs=1e-5)


def test_nights_cut_by_the_period_are_left_out(scenario, windows):
    # From 1 March 20:00 to 5 March 03:00 only the nights that begin on 2 and 3 March are whole.
    short = scenario.model_copy(
        update={"start": datetime(2027, 3, 1, 20, tzinfo=UTC), "end": datetime(2027, 3, 5, 3, tzinfo=UTC)}
    )
    # A designed orbit begins with its scenario, so the shorter scenario is given the windows of the longer one.
    seen = windows[(windows["start"] >= short.start) & (windows["end"] <= short.end)]
    table = nightly_windows(seen, short)
    assert sorted(set(table["night"])) == [pd.Timestamp(f"2027-03-0{d}", tz="UTC") for d in (2, 3)]
    assert 0 < table["windows"].sum() < len(seen)
    usual = nightly_windows(windows, scenario)
    same = usual[usual["night"].isin(table["night"])].reset_index(drop=True)
    assert table["windows"].tolist() == same["windows"].tolist()


def test_a_period_without_a_whole_night_gives_no_row(scenario, windows):
    short = scenario.model_copy(update={"end": scenario.start + timedelta(hours=23)})
    assert len(nightly_windows(windows.iloc[:0], short)) == 0


def test_no_window_at_all_gives_rows_of_zero(scenario, windows):
    table = nightly_windows(windows.iloc[:0], scenario)
    assert len(table) == 35
    assert (table[["windows", "seconds"]] == 0).all().all()
