"""Interpolated Earth-fixed positions against Skyfield, and the bounds that the pass search rests on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from skyfield.api import EarthSatellite
from skyfield.framelib import itrs

from eqci_space.errors import ElementsError
from eqci_space.orbits.earth import julian_date, sidereal_rad
from eqci_space.orbits.elements import ElementSet, propagator
from eqci_space.orbits.ephemeris import ephemerides, make_ephemeris, motion, positions_m, satellite_elements

START = datetime(2027, 2, 1, 3, 4, 5, tzinfo=UTC)
LENGTH_S = 3 * 86_400.0


def orbit(mean_motion, eccentricity, inclination_deg=63.4):
    return ElementSet(
        name="TEST", catalogue_number=1, epoch=START, mean_motion_rev_day=mean_motion, eccentricity=eccentricity,
        inclination_deg=inclination_deg, raan_deg=40.0, argument_of_pericenter_deg=270.0, mean_anomaly_deg=10.0,
        bstar_per_earth_radius=1e-5,
    )  # fmt: skip


ORBITS = {
    "low": orbit(15.9, 0.001, 97.4),
    "medium": orbit(2.0057, 0.01, 55.0),
    "half a day, e = 0.7": orbit(2.006, 0.7),
    "low perigee, e = 0.5": orbit(5.6, 0.5),
    "geostationary": orbit(1.0027, 0.0002, 0.05),
}


@pytest.fixture(scope="module", params=ORBITS.values(), ids=ORBITS.keys())
def elements(request):
    return request.param


@pytest.fixture(scope="module")
def ephemeris(elements):
    return make_ephemeris(elements, START, START + timedelta(seconds=LENGTH_S))


def test_positions_equal_skyfield(elements, ephemeris, timescale):
    seconds = np.random.default_rng(1).uniform(0.0, LENGTH_S, 20_000)
    satellite = EarthSatellite.from_satrec(propagator(elements), timescale)
    time = timescale.utc(START.year, START.month, START.day, START.hour, START.minute, START.second + seconds)
    expected = satellite.at(time).frame_xyz(itrs).m.T
    # Below a millimetre on near-circular orbits; a centimetre where the step is set by a fast perigee.
    tolerance_m = 1e-3 if elements.eccentricity < 0.1 else 0.02
    assert positions_m(ephemeris, seconds) == pytest.approx(expected, abs=tolerance_m)


def test_bounds_on_speed_acceleration_and_radius_hold(ephemeris):
    seconds = np.linspace(0.0, LENGTH_S, 40_000)
    before, here, after = (positions_m(ephemeris, seconds + d) for d in (-1.0, 0.0, 1.0))
    speed = np.linalg.norm(after - before, axis=1).max() / 2.0
    acceleration = np.linalg.norm(after - 2 * here + before, axis=1).max()
    radius = np.linalg.norm(here, axis=1).min()
    assert speed < ephemeris.speed_bound_m_s < 2 * speed + 10_000
    assert acceleration < ephemeris.acceleration_bound_m_s2 < 5 * acceleration + 10
    assert 0.9 * radius < ephemeris.perigee_radius_m < radius


def direct_m(elements, seconds):
    """Earth-fixed positions (n, 3) [m] of SGP4 itself, turned by sidereal time alone."""
    jd, fraction = julian_date(START, seconds)
    errors, teme_km, _ = propagator(elements).sgp4_array(jd, fraction)
    assert not errors.any()
    angle = sidereal_rad(jd, fraction)
    x, y, z = teme_km.T * 1e3
    return np.stack([np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x, z], axis=1)


def random_orbit(rng, kind):
    """Low with much drag, low and circular, any with e up to 0.7, or near-synchronous; any inclination."""
    perigee_km, eccentricity, bstar = {
        "drag": (rng.uniform(170, 400), rng.choice([rng.uniform(0, 0.02), rng.uniform(0.02, 0.7)]), 10.0),
        "low": (rng.uniform(250, 2000), rng.uniform(0, 0.02), 1.0),
        "eccentric": (rng.uniform(250, 9000), rng.uniform(0.02, 0.7), 1.0),
        "synchronous": (rng.uniform(33_000, 35_786), rng.uniform(0, 0.05), 0.0),
    }[kind]
    semi_major_km = (6378.137 + perigee_km) / (1 - eccentricity)
    return ElementSet(
        name="RANDOM", catalogue_number=1, epoch=START + timedelta(days=rng.uniform(-3, 3)),
        mean_motion_rev_day=86_400 / (2 * np.pi) * np.sqrt(398_600.4418 / semi_major_km**3),
        eccentricity=eccentricity, raan_deg=rng.uniform(0, 360), argument_of_pericenter_deg=rng.uniform(0, 360),
        inclination_deg=rng.choice([rng.uniform(0, 180), rng.choice([0.0, 63.4, 90.0, 116.6, 179.0])]),
        mean_anomaly_deg=rng.uniform(0, 360), bstar_per_earth_radius=bstar * 10 ** rng.uniform(-5, -3),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["drag", "low", "eccentric", "synchronous"])
def test_bounds_hold_on_random_orbits_of_sgp4_itself_and_between_the_nodes(kind):
    rng = np.random.default_rng([17, len(kind)])
    highest = np.zeros(2)
    for _ in range(90):
        elements = random_orbit(rng, kind)
        ephemeris = make_ephemeris(elements, START, START + timedelta(days=1.5))
        period_s = 86_400 / elements.mean_motion_rev_day
        begin_s = rng.uniform(2.0, max(3.0, 1.5 * 86_400 - period_s - 2.0))
        seconds = begin_s + np.linspace(0.0, min(period_s, 1.5 * 86_400 - begin_s - 2.0), 1200)
        for places in (lambda t, e=elements: direct_m(e, t), lambda t, e=ephemeris: positions_m(e, t)):
            before, here, after = (places(seconds + d) for d in (-1.0, 0.0, 1.0))
            ratios = np.array([
                np.linalg.norm(after - before, axis=1).max() / 2.0 / ephemeris.speed_bound_m_s,
                np.linalg.norm(after - 2 * here + before, axis=1).max() / ephemeris.acceleration_bound_m_s2,
            ])  # fmt: skip
            assert ratios.max() < 1.0
            assert np.linalg.norm(here, axis=1).min() > ephemeris.perigee_radius_m
            highest = np.maximum(highest, ratios)
    # The bounds are no wider than needed: some orbit of each kind comes within 35 % of both.
    assert highest.min() > 0.65


def test_positions_at_the_nodes_are_the_nodes(ephemeris):
    seconds = ephemeris.first_s + ephemeris.step_s * np.arange(20, 40)
    assert positions_m(ephemeris, seconds) == pytest.approx(ephemeris.grid_m[:, 20:40].T, abs=1e-5)


def test_the_grid_covers_the_period_and_times_outside_raise(ephemeris):
    assert np.isfinite(positions_m(ephemeris, np.array([0.0, LENGTH_S]))).all()
    last = ephemeris.first_s + ephemeris.step_s * (ephemeris.grid_m.shape[1] - 1)
    for outside in (ephemeris.first_s - 1.0, last + 1.0):
        for function in (positions_m, motion):
            with pytest.raises(ElementsError, match=r"motion: times .* the ephemeris of 'TEST' covers"):
                function(ephemeris, np.array([0.0, outside]))


def test_no_times_give_no_positions(ephemeris):
    assert positions_m(ephemeris, np.empty(0)).shape == (0, 3)


def test_a_scenario_gives_one_ephemeris_a_satellite(scenario):
    orbits = ephemerides(scenario, scenario.start, scenario.end)
    assert list(orbits) == ["EAGLE1-LIKE"]
    elements = satellite_elements(scenario.satellites[0], scenario)
    assert elements.epoch == scenario.start
    assert elements.mean_motion_rev_day == pytest.approx(15.21937, abs=1e-5)  # 2 pi sqrt(a^3 / GM) at 6878.137 km
    expected = make_ephemeris(elements, scenario.start, scenario.end, name="EAGLE1-LIKE")
    found = orbits["EAGLE1-LIKE"]
    assert (found.satellite, found.start) == ("EAGLE1-LIKE", scenario.start)
    assert (found.arcs[0].grid_m == expected.grid_m).all()
    assert found.known_s == [(0.0, (scenario.end - scenario.start).total_seconds())]


def test_a_scenario_reads_elements_beside_its_file(scenario, tmp_path, synthetic_sets):
    (tmp_path / "mine.tle").write_text(
        "SYN EAGLE1-A LTAN2230\n"
        "1 99001U 27999A   27001.00000000  .00000000  00000-0  10000-4 0    03\n"
        "2 99001  97.4020  77.9279 0001000   0.0000   0.0000 15.21937835    09\n"
    )
    satellite = scenario.satellites[0].model_copy(
        update={"orbit": None, "elements": "mine.tle", "object_name": "SYN EAGLE1-A LTAN2230"}
    )
    placed = scenario.model_copy(update={"file": str(tmp_path / "my.toml"), "satellites": (satellite,)})
    found = satellite_elements(satellite, placed)
    assert found.name == "SYN EAGLE1-A LTAN2230"
    assert found.epoch == synthetic_sets[found.name].epoch
