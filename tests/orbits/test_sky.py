"""Sun, Moon and shadow against Astropy, an independent almanac and geometry by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import ITRS, get_body, solar_system_ephemeris
from astropy.time import Time

from eqci_space.orbits.earth import julian_date, sidereal_rad
from eqci_space.orbits.sky import make_sky

START = datetime(2026, 12, 20, 7, 8, 9, tzinfo=UTC)
LENGTH_S = 300 * 86_400.0
AU_M = 149_597_870_700.0


@pytest.fixture(scope="module")
def sky():
    return make_sky(START, START + timedelta(seconds=LENGTH_S))


@pytest.fixture(scope="module")
def seconds():
    return np.sort(np.random.default_rng(3).uniform(0.0, LENGTH_S, 1500))


def astropy_positions_m(body, start, seconds):
    """Geocentric Earth-fixed position of Astropy's built-in ephemeris (n, 3) [m]."""
    times = Time(*julian_date(start, seconds), format="jd", scale="utc")
    with solar_system_ephemeris.set("builtin"):
        fixed = get_body(body, times).transform_to(ITRS(obstime=times))
    return fixed.cartesian.xyz.to_value(u.m).T


def separation_arcsec(a, b):
    a, b = (v / np.linalg.norm(v, axis=1)[:, None] for v in (a, b))
    return np.degrees(2 * np.arcsin(np.linalg.norm(a - b, axis=1) / 2)) * 3600


def test_sun_equals_astropy_within_two_arcseconds(sky, seconds, astropy_orientation):
    expected = astropy_positions_m("sun", START, seconds)
    assert separation_arcsec(sky.sun_m(seconds), expected).max() < 2.0
    # Astropy measures the distance from the present Earth to where the body stood a light time ago.
    assert np.linalg.norm(sky.sun_m(seconds), axis=1) == pytest.approx(np.linalg.norm(expected, axis=1), rel=3e-6)


def test_moon_equals_astropy_within_thirty_arcseconds(sky, seconds, astropy_orientation):
    expected = astropy_positions_m("moon", START, seconds)
    assert separation_arcsec(sky.moon_m(seconds), expected).max() < 30.0
    assert np.linalg.norm(sky.moon_m(seconds), axis=1) == pytest.approx(np.linalg.norm(expected, axis=1), rel=2e-4)


@pytest.mark.parametrize("length_s", [1.0, 600.0, 90_000.0])
def test_short_periods_are_covered_to_their_edges(length_s, astropy_orientation):
    start = datetime(2027, 6, 1, 23, 30, tzinfo=UTC)
    short = make_sky(start, start + timedelta(seconds=length_s))
    edges = np.array([0.0, length_s])
    assert separation_arcsec(short.sun_m(edges), astropy_positions_m("sun", start, edges)).max() < 2.0
    assert separation_arcsec(short.moon_m(edges), astropy_positions_m("moon", start, edges)).max() < 30.0


def test_sun_equals_the_low_precision_almanac_within_a_minute_of_arc(sky, seconds):
    # Astronomical Almanac, page C5: two-term apparent Sun of the mean equinox, 0.01 deg.
    jd, fraction = julian_date(START, seconds)
    days = jd - 2_451_545.0 + fraction
    anomaly = np.radians(357.528 + 0.985_600_3 * days)
    longitude = np.radians(280.460 + 0.985_647_4 * days + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    obliquity = np.radians(23.439 - 0.000_000_4 * days)
    x, y = np.cos(longitude), np.cos(obliquity) * np.sin(longitude)
    turn = sidereal_rad(jd, fraction)
    expected = np.column_stack([
        np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x, np.sin(obliquity) * np.sin(longitude)
    ])  # fmt: skip
    assert separation_arcsec(sky.sun_m(seconds), expected).max() < 60.0


def test_the_solstice_and_the_equinox_fall_on_their_published_minutes(sky):
    # Earth's seasons (USNO): March equinox 2027-03-20 20:25 UTC, June solstice 2027-06-21 14:11 UTC.
    equinox = np.array([(datetime(2027, 3, 20, 20, 25, tzinfo=UTC) - START).total_seconds()])
    sun = sky.sun_m(equinox)[0]
    # The declination grows by 0.99 arcmin an hour, so a minute of time is a second of arc.
    assert np.degrees(np.arcsin(sun[2] / np.linalg.norm(sun))) * 3600 == pytest.approx(0.0, abs=2.0)
    solstice = (datetime(2027, 6, 21, 14, 11, tzinfo=UTC) - START).total_seconds()
    grid = solstice + np.linspace(-86_400.0, 86_400.0, 49)
    suns = sky.sun_m(grid)
    declination = np.degrees(np.arcsin(suns[:, 2] / np.linalg.norm(suns, axis=1)))
    curve = np.polyfit((grid - solstice) / 3600, declination, 2)
    assert -curve[1] / (2 * curve[0]) == pytest.approx(0.0, abs=1.0)  # [h]; nutation moves the vertex a little
    assert declination.max() == pytest.approx(23.4385, abs=0.002)


def test_distances_of_sun_and_moon_stay_in_their_known_ranges(sky, seconds):
    # Perihelion and aphelion 0.9833 and 1.0167 au; the Moon between 356,400 and 406,700 km.
    sun_au = np.linalg.norm(sky.sun_m(seconds), axis=1) / AU_M
    moon_km = np.linalg.norm(sky.moon_m(seconds), axis=1) / 1e3
    assert (sun_au.min(), sun_au.max()) == pytest.approx((0.9833, 1.0167), abs=1e-4)
    assert 356_300 < moon_km.min() < 371_000
    assert 404_000 < moon_km.max() < 406_800


def test_new_and_full_moon_stand_with_and_against_the_sun(sky):
    # Phases of the Moon (USNO): new moon 2027-02-06 15:56 UTC (annular eclipse), full moon 2027-02-20 23:24 UTC.
    at = np.array([
        (t - START).total_seconds()
        for t in (datetime(2027, 2, 6, 15, 56, tzinfo=UTC), datetime(2027, 2, 20, 23, 24, tzinfo=UTC))
    ])  # fmt: skip
    new, full = separation_arcsec(sky.sun_m(at), sky.moon_m(at)) / 3600
    assert new < 0.5  # an eclipse: the Moon passes the Sun within its parallax
    assert 178.5 < full <= 180.0


SUN_RADIUS_M = 695.7e6  # IAU 2015 nominal solar radius
EARTH_RADIUS_M = 6_378_137.0


def behind_the_earth(sky, at, distance_m, angle_deg):
    """Points at a distance from the Earth's centre and at angles from the point opposite the Sun."""
    axis = -sky.sun_m(np.array([at]))[0]
    axis /= np.linalg.norm(axis)
    aside = np.cross(axis, [0.0, 0.0, 1.0])
    aside /= np.linalg.norm(aside)
    angle = np.radians(np.atleast_1d(angle_deg))[:, None]
    return distance_m * (np.cos(angle) * axis + np.sin(angle) * aside)


@pytest.mark.parametrize("altitude_m", [300e3, 500e3, 1500e3, 20_200e3, 35_786e3])
def test_edge_of_the_umbra_is_where_the_tangent_cone_cuts_the_orbit(sky, altitude_m):
    # The cone that touches Sun and Earth narrows by asin((Rs - R) / D) = 0.264 deg; it cuts a circle of
    # radius r at the angle asin(R / r) - 0.264 deg from the point opposite the Sun.
    at = 100 * 86_400.0
    distance = np.linalg.norm(sky.sun_m(np.array([at])))
    narrowing = np.degrees(np.arcsin((SUN_RADIUS_M - EARTH_RADIUS_M) / distance))
    assert narrowing == pytest.approx(0.264, abs=0.005)
    radius = EARTH_RADIUS_M + altitude_m
    edge = np.degrees(np.arcsin(EARTH_RADIUS_M / radius)) - narrowing
    angles = np.array([0.0, edge - 0.002, edge + 0.002, 90.0, 179.0, 180.0, -edge + 0.002, -edge - 0.002])
    lit = sky.sunlit(behind_the_earth(sky, at, radius, angles), np.full(angles.size, at))
    assert lit.tolist() == [False, False, True, True, True, True, False, True]


def test_the_umbra_ends_at_its_apex(sky):
    # Length of the umbra R D / (Rs - R): 1.38 million km at 1 au.
    at = 50 * 86_400.0
    distance = np.linalg.norm(sky.sun_m(np.array([at])))
    apex = EARTH_RADIUS_M * distance / (SUN_RADIUS_M - EARTH_RADIUS_M)
    assert apex == pytest.approx(1.38e9, rel=0.02)
    points = np.vstack([behind_the_earth(sky, at, f * apex, 0.0) for f in (0.01, 0.5, 0.999, 1.001, 2.0)])
    assert sky.sunlit(points, np.full(5, at)).tolist() == [False, False, False, True, True]


def test_shadow_follows_the_sun_in_time(sky):
    point = behind_the_earth(sky, 0.0, 7e6, 0.0)
    at = np.array([0.0, 6 * 3600.0, 12 * 3600.0, 24 * 3600.0])
    assert sky.sunlit(np.repeat(point, 4, axis=0), at).tolist() == [False, True, True, False]


def discs_deg(sky, at, point):
    """Half angles of the Sun's and the Earth's disc seen from a point, and the angle between their centres."""
    to_sun = sky.sun_m(np.array([at]))[0] - point
    distance, radius = np.linalg.norm(to_sun), np.linalg.norm(point)
    between = np.arccos(-to_sun @ point / (distance * radius))
    return np.degrees([np.arcsin(SUN_RADIUS_M / distance), np.arcsin(EARTH_RADIUS_M / radius), between])


@pytest.mark.parametrize("altitude_m", [300e3, 500e3, 1200e3, 35_786e3])
@pytest.mark.parametrize("day", [10, 160])
def test_a_satellite_is_lit_while_the_earth_leaves_any_of_the_suns_disc(sky, altitude_m, day):
    # Discs seen from the satellite, with no cone: dark where the Earth's holds all of the Sun's, full light where they
    # do not touch; between the two lies the penumbra, which counts as lit.
    at, found = day * 86_400.0, {"umbra": 0, "penumbra": 0, "light": 0}
    edge = np.degrees(np.arcsin(EARTH_RADIUS_M / (EARTH_RADIUS_M + altitude_m)))
    for point in behind_the_earth(sky, at, EARTH_RADIUS_M + altitude_m, edge + np.linspace(-0.8, 0.8, 321)):
        sun, earth, between = discs_deg(sky, at, point)
        part = "umbra" if between < earth - sun else "penumbra" if between < earth + sun else "light"
        found[part] += 1
        if abs(between - (earth - sun)) > 2e-5:
            assert sky.sunlit(point[None], np.array([at])).tolist() == [part != "umbra"]
    assert min(found.values()) > 40
    # The penumbra is as wide as the Sun, 0.533 deg: 107 of 0.005 deg, 8.4 s of an orbit of 94.6 min.
    assert found["penumbra"] == pytest.approx(107, abs=3)


def test_a_circular_orbit_of_500_km_over_the_suns_meridian_is_dark_for_35_6_minutes(sky):
    # Umbra of 2 (asin(R / r) - 0.264 deg) = 135.5 deg of the orbit; period 2 π sqrt(r³ / GM) = 94.62 min.
    radius = EARTH_RADIUS_M + 500e3
    at = 100 * 86_400.0
    angles = np.arange(-180.0, 180.0, 0.01)
    dark = ~sky.sunlit(behind_the_earth(sky, at, radius, angles), np.full(angles.size, at))
    assert dark.sum() * 0.01 == pytest.approx(135.5, abs=0.05)
    period_min = 2 * np.pi * np.sqrt(radius**3 / 3.986004418e14) / 60
    assert dark.mean() * period_min == pytest.approx(35.6, abs=0.05)
