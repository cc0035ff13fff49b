"""Sun-synchronous orbits by design: published numbers and the motion that SGP4 makes of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import erfa
import numpy as np
import pytest

from eqci_space.errors import ElementsError
from eqci_space.orbits.design import mean_sun_longitude_deg, sun_synchronous, sun_synchronous_inclination_deg
from eqci_space.orbits.elements import propagator

NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("altitude_km", "inclination_deg"), [(500, 97.402), (550, 97.593), (600, 97.788), (700, 98.188)]
)
def test_inclination_is_the_first_order_value(altitude_km, inclination_deg):
    # First-order J2 node rate (Vallado 2013, eq. 9-37), evaluated independently for the shipped element sets.
    assert sun_synchronous_inclination_deg(altitude_km) == pytest.approx(inclination_deg, abs=1e-3)


@pytest.mark.parametrize("altitude_km", [-7000.0, -1.0, 100.0, 199.0, 5950.0, 6000.0, 36_000.0, float("nan")])
def test_altitude_out_of_range_raises(altitude_km):
    with pytest.raises(ElementsError, match=r"altitude .* km; expected 200 to 5900 km"):
        sun_synchronous_inclination_deg(altitude_km)


@pytest.mark.parametrize("altitude_km", [200.0, 5900.0])
def test_the_ends_of_the_altitude_range_are_accepted(altitude_km):
    assert 90.0 < sun_synchronous_inclination_deg(altitude_km) < 180.0


@pytest.mark.parametrize("altitude_km", [100.0, 6000.0, 7000.0])
def test_an_orbit_outside_its_altitude_range_raises(altitude_km):
    with pytest.raises(ElementsError, match="altitude"):
        sun_synchronous("OUT", altitude_km=altitude_km, ltan_h=12.0, epoch=NEW_YEAR)


@pytest.mark.parametrize(
    ("ltan_h", "raan_deg"), [(22.5, 77.92790225995668), (18.0, 10.427902259956682), (12.0, 280.427902259956682)]
)
def test_node_of_the_shipped_sets(ltan_h, raan_deg):
    orbit = sun_synchronous("SYN", altitude_km=500, ltan_h=ltan_h, epoch=NEW_YEAR)
    # The sets take the Sun's geometric mean longitude (280.466 deg at J2000) where mean solar time has 280.460.
    assert orbit.raan_deg == pytest.approx(raan_deg, abs=0.01)


@pytest.mark.parametrize(
    ("name", "altitude_km", "ltan_h"),
    [("SYN EAGLE1-A LTAN2230", 500, 22.5), ("SYN EAGLE1-B LTAN1800", 500, 18.0), ("SYN EAGLE1-C 600KM", 600, 22.5)],
)
def test_design_is_close_to_the_shipped_set(synthetic_sets, name, altitude_km, ltan_h):
    shipped = synthetic_sets[name]
    orbit = sun_synchronous(name, altitude_km=altitude_km, ltan_h=ltan_h, epoch=NEW_YEAR)
    assert orbit.design
    assert orbit.epoch == shipped.epoch
    # The shipped sets take radius and GM from WGS 72, which raises the mean motion by 9e-7.
    assert orbit.mean_motion_rev_day == pytest.approx(shipped.mean_motion_rev_day, rel=1e-6)
    # The shipped sets keep the first-order inclination; J2² and J4 raise it by 0.0125 deg at 500 km, 0.0128 at 600 km.
    assert orbit.inclination_deg - shipped.inclination_deg == pytest.approx(0.0127, abs=5e-4)
    assert orbit.raan_deg == pytest.approx(shipped.raan_deg, abs=0.01)
    assert (orbit.eccentricity, orbit.mean_anomaly_deg) == (shipped.eccentricity, shipped.mean_anomaly_deg)


@pytest.mark.parametrize("year", [2000, 2016, 2027, 2035])
def test_mean_sun_is_the_one_that_mean_solar_time_counts(year):
    # By definition of mean solar time the mean Sun's right ascension is GMST - (UT1 - 12 h); GMST of 1982.
    epoch = datetime(year, 3, 20, 9, tzinfo=UTC)
    gmst_deg = np.degrees(
        erfa.gmst82(2_400_000.5, (epoch - datetime(1858, 11, 17, tzinfo=UTC)).total_seconds() / 86_400)
    )
    expected = gmst_deg - 15.0 * (9 - 12)
    assert (mean_sun_longitude_deg(epoch) - expected + 180) % 360 - 180 == pytest.approx(0.0, abs=2e-3)


def test_mean_sun_of_the_standard_epoch():
    assert mean_sun_longitude_deg(datetime(2000, 1, 1, 12, tzinfo=UTC)) == 280.460  # Astronomical Almanac, page C5


def test_anomalies_are_taken_modulo_a_turn():
    orbit = sun_synchronous("SYN", altitude_km=500, ltan_h=6.0, epoch=NEW_YEAR, mean_anomaly_deg=-90.0)
    assert orbit.mean_anomaly_deg == 270.0


@pytest.mark.parametrize("altitude_km", [400, 500, 700, 1200])
def test_the_node_follows_the_mean_sun_for_sixty_days(altitude_km):
    satrec = propagator(sun_synchronous("SYN", altitude_km=altitude_km, ltan_h=22.5, epoch=NEW_YEAR))
    days = np.linspace(0.0, 60.0, 20_001)
    errors, position, velocity = satrec.sgp4_array(np.full(days.size, 2_461_406.5), days)
    assert not errors.any()
    normal = np.cross(position, velocity)
    node_deg = np.degrees(np.unwrap(np.arctan2(normal[:, 0], -normal[:, 1])))
    rate_deg_day = np.polyfit(days, node_deg, 1)[0]
    # The slope of SGP4's positions also holds its periodic terms; over sixty days they leave a few parts in 1e5.
    assert rate_deg_day == pytest.approx(360 / 365.2422, rel=1e-4)
    assert node_deg[0] % 360 == pytest.approx(77.928, abs=0.05)


@pytest.mark.parametrize("altitude_km", [200.0, 500.0, 1336.0, 5900.0])
def test_the_node_rate_of_sgp4_is_that_of_the_mean_sun(altitude_km):
    # The tropical year has 365.24219 days (Astronomical Almanac); `nodedot` [rad/min] is what SGP4 itself applies.
    satrec = propagator(sun_synchronous("SYN", altitude_km=altitude_km, ltan_h=6.0, epoch=NEW_YEAR))
    assert np.degrees(satrec.nodedot) * 1440.0 == pytest.approx(360 / 365.24219, abs=1e-9)


@pytest.mark.parametrize("altitude_km", [400, 500, 800])
def test_the_local_time_of_the_node_stays_within_ten_seconds_in_a_year(altitude_km):
    # At each ascending passage of the equator the node's right ascension is that of the satellite itself; local mean
    # time is 12 h + (right ascension - mean Sun)/15, and the mean Sun's right ascension is GMST - (UT1 - 12 h).
    satrec = propagator(sun_synchronous("SYN", altitude_km=altitude_km, ltan_h=22.5, epoch=NEW_YEAR))
    turn_day = 2 * np.pi / (satrec.mdot + satrec.argpdot) / 1440.0

    def state(day):
        errors, position, velocity = satrec.sgp4_array(np.full(np.size(day), 2_461_406.5), np.atleast_1d(day))
        assert not errors.any()
        return position, velocity

    local_time_h = []
    for around in np.linspace(0.0, 365.0, 74):
        day = round(around / turn_day) * turn_day
        for _ in range(6):  # Newton steps onto the equator
            position, velocity = state(day)
            day -= float(position[0, 2] / velocity[0, 2]) / 86_400.0
        position, velocity = state(day)
        assert velocity[0, 2] > 7.0 * np.sqrt(6878.0 / (6378.0 + altitude_km))
        right_ascension_deg = np.degrees(np.arctan2(position[0, 1], position[0, 0]))
        sun_deg = mean_sun_longitude_deg(NEW_YEAR + timedelta(days=float(day)))
        local_time_h.append((12.0 + (right_ascension_deg - sun_deg) / 15.0) % 24.0)
    drift_s = (np.array(local_time_h) - 22.5) * 3600.0
    assert np.abs(drift_s).max() < 10.0


def test_the_satellite_stands_at_the_ascending_node_at_its_epoch():
    satrec = propagator(sun_synchronous("SYN", altitude_km=500, ltan_h=22.5, epoch=NEW_YEAR))
    _, position_km, velocity_km_s = satrec.sgp4(2_461_406.5, 0.0)
    assert abs(position_km[2]) < 20.0  # periodic terms of SGP4 shift the satellite along its orbit
    assert velocity_km_s[2] > 7.0
    # Radius and speed of a circular orbit at 500 km; short-period J2 moves the radius by 10 km.
    assert np.linalg.norm(position_km) == pytest.approx(6878.1, abs=12.0)
    assert np.linalg.norm(velocity_km_s) == pytest.approx(7.613, abs=0.012)
