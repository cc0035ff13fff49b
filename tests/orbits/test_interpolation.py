"""The interpolation between grid nodes: against SGP4 itself, against differences, and at the ends of the grid."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import factorial

import numpy as np
import pytest

from eqci_space.orbits.earth import julian_date, sidereal_rad
from eqci_space.orbits.elements import ElementSet, propagator
from eqci_space.orbits.ephemeris import make_ephemeris, motion, positions_m
from eqci_space.orbits.interpolation import NODES, states

START = datetime(2027, 2, 1, 3, 4, 5, tzinfo=UTC)
LENGTH_S = 2 * 86_400.0


def orbit(mean_motion, eccentricity, inclination_deg, bstar=1e-5):
    return ElementSet(
        name="TEST", catalogue_number=1, epoch=START - timedelta(hours=7), mean_motion_rev_day=mean_motion,
        eccentricity=eccentricity, inclination_deg=inclination_deg, raan_deg=40.0, argument_of_pericenter_deg=270.0,
        mean_anomaly_deg=10.0, bstar_per_earth_radius=bstar,
    )  # fmt: skip


# Elements, and the largest error of position [m] and velocity [m/s] that is allowed: a few times what was measured.
ORBITS = {
    "300 km, polar": (orbit(15.9, 0.001, 90.0, 1e-3), 5e-4, 2e-5),
    "500 km, sun-synchronous": (orbit(15.22, 0.001, 97.4), 5e-4, 2e-5),
    "500 km, retrograde equatorial": (orbit(15.22, 0.01, 178.0), 5e-4, 2e-5),
    "1,400 km": (orbit(12.6, 0.03, 52.0), 5e-4, 2e-5),
    "navigation": (orbit(2.0057, 0.01, 55.0), 5e-4, 5e-5),
    "Molniya": (orbit(2.006, 0.7, 63.4), 5e-3, 1e-4),
    "transfer": (orbit(2.27, 0.72, 7.0), 5e-3, 1e-4),
    "low perigee, e = 0.5": (orbit(5.6, 0.5, 116.0), 5e-3, 1e-4),
    # UT1 bends at midnight by some microseconds a day; that is 0.1 mm to 0.4 mm where a step is ten minutes.
    "geostationary": (orbit(1.0027, 0.0002, 0.05), 1e-3, 5e-5),
    "geosynchronous": (orbit(1.0027, 0.2, 30.0), 1e-3, 5e-5),
    # SGP4 restarts its resonance integrator each 720 min and jumps there by up to 6 cm, which no polynomial follows.
    "drifting past resonance": (orbit(0.95, 0.04, 13.0), 0.1, 1e-3),
}


@pytest.fixture(scope="module", params=ORBITS.values(), ids=ORBITS.keys())
def case(request):
    elements, metres, metres_s = request.param
    return elements, make_ephemeris(elements, START, START + timedelta(seconds=LENGTH_S)), metres, metres_s


def direct_m(elements, seconds):
    """Earth-fixed positions (n, 3) [m] of SGP4 itself, turned by sidereal time alone."""
    jd, fraction = julian_date(START, seconds)
    errors, teme_km, _ = propagator(elements).sgp4_array(jd, fraction)
    assert not errors.any()
    angle = sidereal_rad(jd, fraction)
    x, y, z = teme_km.T * 1e3
    return np.stack([np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x, z], axis=1)


def slope(function, seconds, width_s):
    """Derivative by five-point differences; the error is width⁴ f⁽⁵⁾/30."""
    near = function(seconds + width_s) - function(seconds - width_s)
    far = function(seconds + 2 * width_s) - function(seconds - 2 * width_s)
    return (8 * near - far) / (12 * width_s)


def test_positions_equal_sgp4_between_the_nodes(case):
    elements, ephemeris, metres, _ = case
    seconds = np.sort(np.random.default_rng(2).uniform(0.0, LENGTH_S, 30_000))
    error = np.linalg.norm(positions_m(ephemeris, seconds) - direct_m(elements, seconds), axis=1)
    assert error.max() < metres


def test_velocities_equal_differences_of_sgp4_positions(case):
    elements, ephemeris, _, metres_s = case
    seconds = np.sort(np.random.default_rng(3).uniform(20.0, LENGTH_S - 20.0, 10_000))
    # In a transfer perigee f⁽⁵⁾ is below 1e-7 m/s⁵; time stamps of 1e-10 s blur positions by a micrometre.
    expected = slope(lambda t: direct_m(elements, t), seconds, 2.0)
    error = np.linalg.norm(motion(ephemeris, seconds)[1] - expected, axis=1)
    assert error.max() < metres_s


def test_velocities_are_the_derivative_of_the_interpolated_positions(case):
    _, ephemeris, _, _ = case
    rng = np.random.default_rng(4)
    # Differences over two seconds that stay within one interval, where the position is one polynomial.
    k = rng.integers(0, int(LENGTH_S / ephemeris.step_s) - 1, 5000)
    seconds = (k + rng.uniform(0.0, 1.0, k.size)) * ephemeris.step_s
    seconds = np.clip(seconds, k * ephemeris.step_s + 2.5, (k + 1) * ephemeris.step_s - 2.5)
    expected = slope(lambda t: positions_m(ephemeris, t), seconds, 1.0)
    # 42,000 km in double precision is good to 1e-8 m, and the polynomial's sum to some of these.
    assert np.abs(motion(ephemeris, seconds)[1] - expected).max() < 1e-6


def test_positions_and_velocities_join_at_the_nodes(case):
    _, ephemeris, _, metres_s = case
    nodes = ephemeris.first_s + ephemeris.step_s * np.arange(1, ephemeris.grid_m.shape[1] - 1)
    left, right = (motion(ephemeris, nodes + d) for d in (-1e-6, 1e-6))
    # In two microseconds the satellite itself moves by 2e-6 s times its velocity.
    assert np.abs(right[0] - left[0] - 2e-6 * right[1]).max() < 1e-6
    # Neighbouring polynomials both err by at most the allowance.
    assert np.linalg.norm(right[1] - left[1], axis=1).max() < 2 * metres_s


def test_positions_at_all_nodes_are_the_nodes_to_rounding(case):
    _, ephemeris, _, _ = case
    nodes = ephemeris.first_s + ephemeris.step_s * np.arange(ephemeris.grid_m.shape[1])
    # The Lagrange polynomials grow to some hundreds in a one-sided stencil; 42,000 km holds 7e-9 m.
    assert np.abs(positions_m(ephemeris, nodes) - ephemeris.grid_m.T).max() < 2e-6
    inner = slice(NODES // 2, -NODES // 2)
    assert np.abs(positions_m(ephemeris, nodes) - ephemeris.grid_m.T)[inner].max() < 1e-7


def test_times_in_any_order_give_the_same_states(case):
    _, ephemeris, _, _ = case
    rng = np.random.default_rng(6)
    seconds = np.sort(rng.uniform(0.0, LENGTH_S, 500))
    order = rng.permutation(500)
    ahead, mixed = motion(ephemeris, seconds), motion(ephemeris, seconds[order])
    assert (ahead[0][order] == mixed[0]).all()
    assert (ahead[1][order] == mixed[1]).all()


# ---------------------------------------------------------------- functions that are known everywhere


@pytest.mark.parametrize("degree", range(NODES))
def test_polynomials_up_to_degree_eleven_are_exact_in_every_interval(degree):
    rng = np.random.default_rng(degree)
    count, first, step = 30, -70.0, 10.0
    places = [np.polynomial.Chebyshev(rng.normal(size=degree + 1), domain=[first, first + 290.0]) for _ in range(3)]
    grid = np.stack([place(first + step * np.arange(count)) for place in places])
    seconds = np.linspace(first, first + 290.0, 2001)
    both = states(grid, first, step, seconds)
    for axis, place in enumerate(places):
        # Values are near one; differentiation divides the rounding by the step and lets it grow by some hundreds.
        assert both[:, axis] == pytest.approx(place(seconds), abs=1e-11)
        assert both[:, 3 + axis] == pytest.approx(place.deriv()(seconds) if degree else 0.0 * seconds, abs=1e-11)


def remainder(position, count, fraction):
    """|Π (x - x_i)| of the stencil of interval `position`, in steps; low ends are one-sided."""
    low = min(max(position - (NODES // 2 - 1), 0), count - NODES)
    nodes = np.arange(low, low + NODES)
    return np.abs(np.prod((position + fraction)[:, None] - nodes, axis=1))


@pytest.mark.parametrize("turns", [31.0, 48.0])
def test_errors_stay_within_lagrange_remainder_to_both_ends_of_the_grid(turns):
    # Two sines: the orbit's own, and twice its rate with a hundredth of its size, more than J2 makes of it.
    count, step, size = 40, 180.0, 7e6
    rate = 2 * np.pi / turns / step

    def place(t):
        return size * np.cos(rate * t) + 0.01 * size * np.cos(2 * rate * t + 0.5)

    def velocity(t):
        return -size * rate * np.sin(rate * t) - 0.02 * size * rate * np.sin(2 * rate * t + 0.5)

    steepest = size * ((rate * step) ** NODES + 0.01 * (2 * rate * step) ** NODES) / factorial(NODES)
    grid = np.tile(place(step * np.arange(count)), (3, 1))
    fraction = np.linspace(0.0, 1.0, 101)[:-1]
    worst = np.zeros((count - 1, 2))
    for k in range(count - 1):
        t = (k + fraction) * step
        both = states(grid, 0.0, step, t)
        error = np.abs(both[:, 0] - place(t))
        assert (error <= steepest * remainder(k, count, fraction) + 2e-7).all()  # and rounding
        worst[k] = error.max(), np.abs(both[:, 3] - velocity(t)).max()
    middle, ends = worst[NODES : count - NODES], worst[[0, -1]]
    assert middle[:, 0].max() < 2e-4
    assert middle[:, 1].max() < 2e-6
    # A one-sided stencil is some hundred times worse: 1 cm and 0.5 mm/s at 31 steps a turn.
    assert ends[:, 0].max() < 0.02
    assert ends[:, 1].max() < 1e-3
    assert worst[:, 0].max() == pytest.approx(ends[:, 0].max())


def test_the_smallest_grid_of_twelve_nodes_is_interpolated_throughout():
    step = 100.0
    nodes = step * np.arange(NODES)
    grid = np.stack([np.sin(nodes / 600.0), np.cos(nodes / 600.0), nodes])
    seconds = np.linspace(0.0, nodes[-1], 997)
    both = states(grid, 0.0, step, seconds)
    # (100/600)^12/12! · 11!·0.2 < 1e-11 at the ends, and its derivative by a step of 100 s.
    assert both[:, 0] == pytest.approx(np.sin(seconds / 600.0), abs=1e-10)
    assert both[:, 1] == pytest.approx(np.cos(seconds / 600.0), abs=1e-10)
    assert both[:, 3] == pytest.approx(np.cos(seconds / 600.0) / 600.0, abs=1e-11)
    assert both[:, 5] == pytest.approx(np.ones(997), abs=1e-10)
