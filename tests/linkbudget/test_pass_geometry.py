"""Slant range, point-ahead and Doppler shift against vectors of an orbit and its numerical derivative."""

import numpy as np
import pytest
from astropy import constants
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from skyfield.api import EarthSatellite, load

from eqci_space.linkbudget.pass_geometry import (
    doppler_shift_hz,
    frame_angle_rad,
    point_ahead_angle_rad,
    point_ahead_from_rate_rad,
    slant_range_m,
)

RADIUS_M, GM = 6_371_008.8, 3.986004418e14


def _overhead_pass(altitude_m, seconds):
    """Position of a circular orbit through the zenith relative to a site at (R, 0), Earth at rest."""
    orbit = RADIUS_M + altitude_m
    angle = np.sqrt(GM / orbit**3) * seconds
    return orbit * np.cos(angle) - RADIUS_M, orbit * np.sin(angle)


def _seen(altitude_m, seconds):
    up, along = _overhead_pass(altitude_m, seconds)
    return np.hypot(up, along), np.degrees(np.arctan2(up, np.abs(along))), np.arctan2(up, along)


@pytest.mark.parametrize("altitude_m", [400e3, 500e3, 1200e3])
def test_slant_range_is_the_distance_of_the_orbit(altitude_m):
    distance, elevation, _ = _seen(altitude_m, np.linspace(0.0, 150.0, 13))
    assert_allclose(slant_range_m(elevation, satellite_altitude_m=altitude_m), distance, rtol=1e-9)


def test_slant_range_of_known_passes():
    """500 km: overhead 500.0 km, at 30 deg 909.4 km, at the horizon √((R+H)² - R²) = 2573 km."""
    value = slant_range_m(np.array([90.0, 30.0, 0.0]), satellite_altitude_m=500e3)
    assert_allclose(value, [500e3, 909.4e3, np.sqrt((RADIUS_M + 500e3) ** 2 - RADIUS_M**2)], rtol=6e-5)
    assert_allclose(value[2], 2573.0e3, rtol=2e-4)


def test_site_on_a_mountain_is_nearer_to_the_zenith():
    value = slant_range_m(90.0, satellite_altitude_m=500e3, site_altitude_m=2390.0)
    assert_allclose(value, 497_610.0, rtol=1e-12)


@pytest.mark.parametrize("elevation_deg", [10.0, 30.0, 60.0])
def test_doppler_shift_is_the_derivative_of_the_range(elevation_deg):
    """Central difference over 0.2 s of a pass through the zenith: 1e-6."""
    t = np.linspace(-500.0, 0.0, 200_001)
    distance, elevation, _ = _seen(500e3, t)
    moment = np.interp(elevation_deg, elevation, t)
    later, earlier = (_seen(500e3, moment + s)[0] for s in (0.1, -0.1))
    rate = abs(later - earlier) / 0.2
    value = doppler_shift_hz(elevation_deg, wavelength_m=1.55e-6, satellite_altitude_m=500e3)
    assert_allclose(value, rate / 1.55e-6, rtol=1e-5)
    assert distance.shape == t.shape


def test_doppler_shift_of_a_low_orbit_is_some_gigahertz():
    """500 km at 10 deg: 4.49 GHz at 1550 nm and 8.86 GHz at 785 nm, none overhead."""
    common = {"satellite_altitude_m": 500e3}
    assert_allclose(doppler_shift_hz(10.0, wavelength_m=1.55e-6, **common), 4.49e9, rtol=1e-3)
    assert_allclose(doppler_shift_hz(10.0, wavelength_m=785e-9, **common), 8.86e9, rtol=1e-3)
    assert_allclose(doppler_shift_hz(90.0, wavelength_m=785e-9, **common), 0.0, atol=1.0)


@pytest.mark.parametrize("elevation_deg", [10.0, 45.0, 89.0])
def test_point_ahead_is_twice_the_angle_travelled_during_the_light_time(elevation_deg):
    """2 L ω/c with the angular rate of the line of sight by central difference; astropy's speed of light."""
    t = np.linspace(-500.0, 0.0, 200_001)
    _, elevation, _ = _seen(500e3, t)
    moment = np.interp(elevation_deg, elevation, t)
    (_, _, after), (_, _, before) = (_seen(500e3, moment + s) for s in (0.05, -0.05))
    rate = abs(after - before) / 0.1
    distance = slant_range_m(elevation_deg, satellite_altitude_m=500e3)
    expected = 2 * distance * rate / constants.c.value
    assert_allclose(point_ahead_angle_rad(elevation_deg, satellite_altitude_m=500e3), expected, rtol=1e-5)
    assert_allclose(point_ahead_from_rate_rad(range_m=distance, angular_rate_rad_s=rate), expected, rtol=1e-13)


def test_point_ahead_of_a_low_orbit():
    """500 km: 50.8 µrad overhead, 20.7 µrad at 10 deg; overhead it is 2v/c of 7617 m/s."""
    value = point_ahead_angle_rad(np.array([90.0, 10.0]), satellite_altitude_m=500e3)
    assert_allclose(value, [50.8e-6, 20.7e-6], rtol=2e-3)
    assert_allclose(value[0], 2 * np.sqrt(GM / (RADIUS_M + 500e3)) / constants.c.value, rtol=1e-12)


def test_velocity_splits_into_doppler_and_point_ahead():
    """(λ f)² + (c θ/2)² = GM/(R + H) at every elevation."""
    elevation = np.linspace(0.0, 90.0, 10)
    along = 1e-6 * doppler_shift_hz(elevation, wavelength_m=1e-6, satellite_altitude_m=700e3)
    across = point_ahead_angle_rad(elevation, satellite_altitude_m=700e3) * constants.c.value / 2
    assert_allclose(along**2 + across**2, GM / (RADIUS_M + 700e3), rtol=1e-12)


def test_slant_range_agrees_with_sgp4_over_the_real_earth():
    """Skyfield's SGP4 of a 500 km orbit over the equator, from the point it starts above, the altitude its mean.

    Its distance from the centre varies by a few kilometres: 0.5 % of the range.
    """
    line1 = "1 99999U 26001A   26001.00000000  .00000000  00000-0  00000-0 0  9990"
    line2 = "2 99999   0.0010   0.0000 0000100   0.0000   0.0000 15.21900000    13"
    satellite = EarthSatellite(line1, line2, "test", load.timescale(builtin=True))
    moments = satellite.epoch.ts.tt_jd(satellite.epoch.tt + np.array([0.0, 60.0, 120.0]) / 86400)
    there = satellite.at(moments).position.m
    radius = 6_378_137.0
    up = there[:, 0] / np.linalg.norm(there[:, 0])
    line = there - (radius * up)[:, None]
    distance = np.linalg.norm(line, axis=0)
    elevation = np.degrees(np.arcsin(np.minimum(1.0, up @ line / distance)))
    altitude = np.linalg.norm(there, axis=0).mean() - radius
    value = slant_range_m(elevation, satellite_altitude_m=altitude, earth_radius_m=radius)
    assert_allclose(value, distance, rtol=5e-3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.0, 90.0), min_size=1, max_size=5), st.floats(200e3, 2e6))
def test_geometry_stays_between_zenith_and_horizon(elevations, altitude_m):
    elevation = np.array(elevations)
    distance = slant_range_m(elevation, satellite_altitude_m=altitude_m)
    assert distance.shape == elevation.shape
    assert (distance >= altitude_m * (1 - 1e-9)).all()
    assert (distance <= np.sqrt((RADIUS_M + altitude_m) ** 2 - RADIUS_M**2) * (1 + 1e-9)).all()
    for value in (
        point_ahead_angle_rad(elevation, satellite_altitude_m=altitude_m),
        doppler_shift_hz(elevation, wavelength_m=850e-9, satellite_altitude_m=altitude_m),
    ):
        assert value.shape == elevation.shape
        assert (value >= 0).all()


@pytest.mark.parametrize(
    ("call", "named", "value"),
    [
        (lambda: slant_range_m(30.0, satellite_altitude_m=100.0, site_altitude_m=500.0), "satellite", "100.0"),
        (lambda: slant_range_m(-5.0, satellite_altitude_m=5e5), "elevation_deg", "-5.0"),
        (lambda: slant_range_m(120.0, satellite_altitude_m=5e5), "elevation_deg", "120.0"),
        (lambda: slant_range_m(30.0, satellite_altitude_m=500.0), "satellite_altitude_m", "500.0"),
        (lambda: point_ahead_angle_rad(30.0, satellite_altitude_m=-5e5), "satellite_altitude_m", "-500000.0"),
        (lambda: point_ahead_angle_rad(120.0, satellite_altitude_m=5e5), "elevation_deg", "120.0"),
        (lambda: doppler_shift_hz(10.0, wavelength_m=1550.0, satellite_altitude_m=5e5), "wavelength_m", "1550.0"),
        (lambda: doppler_shift_hz(-10.0, wavelength_m=1.55e-6, satellite_altitude_m=5e5), "elevation_deg", "-10.0"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_its_name_value_and_range(call, named, value):
    with pytest.raises(ValueError, match="expected") as refusal:
        call()
    assert named in str(refusal.value)
    assert value in str(refusal.value)


def test_frame_turns_like_the_track_projected_on_the_sky():
    """A straight flight at 500 km, 300 km beside the station: the velocity's components along azimuth and elevation."""
    speed, height, aside = 7600.0, 500e3, 300e3
    along = speed * np.linspace(-120.0, 120.0, 25)
    ground = np.hypot(along, aside)
    slant = np.hypot(ground, height)
    toward_azimuth = speed * aside / ground
    upward = -speed * along / ground * height / slant
    angle = frame_angle_rad(
        elevation_deg=np.degrees(np.arctan2(height, ground)), azimuth_rate_rad_s=speed * aside / ground**2,
        elevation_rate_rad_s=-speed * along * height / (ground * slant**2),
    )  # fmt: skip
    assert angle == pytest.approx(np.arctan2(upward, toward_azimuth), rel=1e-12)
    # Rising on one side, setting on the other: at culmination the track is level.
    assert angle[12] == pytest.approx(0.0, abs=1e-12)
    assert np.ptp(angle) > 1.8
