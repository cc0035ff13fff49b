"""Pass search against Skyfield's altaz, against a scan of the same ephemeris each second, and against roots by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from skyfield.api import EarthSatellite, wgs84

from eqci_space.data import data_path
from eqci_space.errors import TimeError
from eqci_space.orbits import pass_kernels
from eqci_space.orbits import passes as passes_module
from eqci_space.orbits.earth import seconds_from, station_frame
from eqci_space.orbits.elements import ElementSet, propagator
from eqci_space.orbits.elements_io import read_elements
from eqci_space.orbits.ephemeris import Ephemeris, make_ephemeris, motion, positions_m, tabulated_ephemeris
from eqci_space.orbits.oem_io import OemSegment
from eqci_space.orbits.passes import find_passes, search_passes
from eqci_space.scenario import StationPosition
from eqci_space.tables import TABLES, check_table

START = datetime(2027, 1, 2, tzinfo=UTC)
DAY_S = 86_400.0
WEEK_S = 7 * DAY_S
PLACE = ("latitude_deg", "longitude_deg", "height_ellipsoid_m")
SITE, AOS, TCA, LOS, SINE, CLOSEST, RANGE = range(7)  # columns of the rows

STATIONS = {
    "DLR-OP": (48.0848, 11.278, 645.0),
    "NORTH POLE": (90.0, 0.0, 0.0),
    "SOUTH POLE": (-90.0, 45.0, 2835.0),
    "FIJI": (-16.8, 180.0, 30.0),
    "ALEUTIANS": (51.9, -179.9, 10.0),
    "QUITO": (0.0, -78.5, 2850.0),
}


def passes_over(ephemeris, stations, limit_deg, begin_s, end_s):
    """Rows of `search_passes` for stations given by latitude, longitude and height."""
    frames = [station_frame(*station) for station in stations]
    places, zeniths = np.array([f[0] for f in frames]), np.array([f[1][2] for f in frames])
    return search_passes(ephemeris, places, zeniths, limit_deg, begin_s, end_s)


# ---------------------------------------------------------------- Skyfield as oracle


def catalogue_scenario(scenario, names, stations, min_elevation_deg):
    """A scenario of shipped satellites over bare stations."""
    satellites = tuple(
        scenario.satellites[0].model_copy(
            update={
                "name": name,
                "orbit": None,
                "elements": str(data_path("orbits", "synthetic_constellations.omm.json")),
                "object_name": name,
            }
        )
        for name in names
    )
    some = scenario.stations["DLR-OP"]
    sites = {
        ogs: some.model_copy(
            update={
                "latitude_deg": latitude,
                "longitude_deg": longitude,
                "height_ellipsoid_m": height,
                "min_elevation_deg": min_elevation_deg,
            }
        )
        for ogs, (latitude, longitude, height) in stations.items()
    }
    return scenario.model_copy(
        update={
            "satellites": satellites,
            "stations": sites,
            "start": START,
            "end": START + timedelta(seconds=WEEK_S),
        }
    )


def skyfield_sky(timescale, elements, station, seconds):
    """Elevation, azimuth [deg] and range [m] at `seconds` after START."""
    satellite = EarthSatellite.from_satrec(propagator(elements), timescale)
    latitude, longitude, height = station
    time = timescale.utc(START.year, START.month, START.day, 0, 0, np.asarray(seconds))
    site = wgs84.latlon(latitude, longitude, elevation_m=height)
    altitude, azimuth, distance = (satellite - site).at(time).altaz()
    return altitude.degrees, azimuth.degrees, distance.m


def skyfield_altaz(timescale, elements, station, seconds):
    """Elevation [deg] and range [m] at `seconds` after START."""
    altitude, _, distance = skyfield_sky(timescale, elements, station, seconds)
    return altitude, distance


@pytest.mark.parametrize("min_elevation_deg", [0.0, 20.0, 45.0])
def test_edges_and_culminations_of_a_week_equal_skyfield(scenario, synthetic_sets, timescale, min_elevation_deg):
    names = ["SYN EAGLE1-A LTAN2230", "SYN EAGLE1-B LTAN1800", "SYN EAGLE1-C 600KM", "SYN W18-P1-1", "SYN W18-P4-2"]
    passes = find_passes(catalogue_scenario(scenario, names, STATIONS, min_elevation_deg))
    compared = 0
    for (name, ogs), group in passes.groupby(["satellite", "ogs"]):
        aos, tca, los = (seconds_from(START, group[c]) for c in ("aos", "tca", "los"))
        assert (aos < los).all()
        assert ((aos <= tca) & (tca <= los)).all()
        whole = ~group["truncated"].to_numpy()
        edges = np.concatenate([aos[whole], los[whole]])
        elevation, _ = skyfield_altaz(timescale, synthetic_sets[name], STATIONS[ogs], edges)
        assert elevation == pytest.approx(np.full(edges.size, min_elevation_deg), abs=1e-5)
        highest, _ = skyfield_altaz(timescale, synthetic_sets[name], STATIONS[ogs], tca)
        assert group["max_elevation_deg"].to_numpy() == pytest.approx(highest, abs=1e-5)
        near = np.linspace(-1.0, 1.0, 21)
        around = np.clip(tca[:, None] + near, aos[:, None], los[:, None])
        elevation, distance = skyfield_altaz(timescale, synthetic_sets[name], STATIONS[ogs], around.ravel())
        assert (elevation.reshape(around.shape).max(axis=1) <= highest + 1e-5).all()
        # The smallest range falls within seconds of culmination and differs from it by metres.
        assert (group["min_range_m"].to_numpy() <= distance.reshape(around.shape).min(axis=1) + 0.1).all()
        compared += len(group)
    assert compared > {0.0: 1200, 20.0: 600, 45.0: 150}[min_elevation_deg]


def test_smallest_range_equals_a_fine_scan_by_skyfield(scenario, synthetic_sets, timescale):
    name = "SYN EAGLE1-A LTAN2230"
    passes = find_passes(catalogue_scenario(scenario, [name], {"DLR-OP": STATIONS["DLR-OP"]}, 20.0))
    for _, row in passes.iterrows():
        aos, los = ((t - START).total_seconds() for t in (row["aos"], row["los"]))
        scan = np.linspace(aos, los, 2000)
        _, distance = skyfield_altaz(timescale, synthetic_sets[name], STATIONS["DLR-OP"], scan)
        assert row["min_range_m"] == pytest.approx(distance.min(), abs=3.0)
        assert row["min_range_m"] <= distance.min() + 0.01


LEO_STATIONS = {
    **STATIONS,
    "NEAR NORTH POLE": (89.99, 120.0, 10.0),
    "DATE LINE EAST": (10.0, -179.9999, 5.0),
    "USHUAIA": (-54.8, -68.3, 30.0),
}
LEO_LIMITS_DEG = dict(zip(LEO_STATIONS, (20.0, 0.0, 10.0, 5.0, 5.0, 0.0, 30.0, 2.0, 10.0), strict=True))


@pytest.fixture(scope="module")
def leo_week(scenario):
    """All 30 shipped satellites over nine stations, each with its own limit, for a week."""
    names = satellite_names()
    bare = catalogue_scenario(scenario, names, LEO_STATIONS, 0.0)
    sites = {n: s.model_copy(update={"min_elevation_deg": LEO_LIMITS_DEG[n]}) for n, s in bare.stations.items()}
    return find_passes(bare.model_copy(update={"stations": sites}))


def satellite_names():
    return [s.name for s in read_elements(data_path("orbits", "synthetic_constellations.omm.json"))]


def test_the_week_holds_five_thousand_whole_passes_over_every_station(leo_week):
    assert (~leo_week["truncated"]).sum() >= 5000
    assert leo_week.groupby("ogs").size().reindex(list(LEO_STATIONS)).min() >= 100
    assert leo_week["satellite"].nunique() == 30


def test_five_thousand_passes_rise_and_set_at_the_limit_of_skyfield(leo_week, synthetic_sets, timescale):
    for (name, ogs), group in leo_week[~leo_week["truncated"]].groupby(["satellite", "ogs"]):
        limit_deg = LEO_LIMITS_DEG[ogs]
        edges = np.concatenate([seconds_from(START, group[c]) for c in ("aos", "los")])
        sense = np.repeat([1.0, -1.0], len(group))

        def elevation(seconds, name=name, ogs=ogs):
            return skyfield_altaz(timescale, synthetic_sets[name], LEO_STATIONS[ogs], seconds)[0]

        here = elevation(edges)
        assert np.abs(here - limit_deg).max() < 1e-5
        rate = elevation(edges + 0.05) - elevation(edges - 0.05)  # deg in 0.1 s
        assert (rate * sense > 0).all()
        # Newton's second step is below a nanosecond when the first is below a millisecond.
        quick = np.abs(rate) > 0.1 * 0.02
        root = edges - 0.1 * (here - limit_deg) / rate
        root -= 0.1 * (elevation(root) - limit_deg) / rate
        assert np.abs(elevation(root) - limit_deg)[quick].max(initial=0.0) < 1e-7
        assert np.abs(root - edges)[quick].max(initial=0.0) < 1e-3


def test_five_thousand_passes_have_the_directions_of_skyfield(leo_week, synthetic_sets, timescale):
    compared = 0
    for name, of_satellite in leo_week.groupby("satellite"):
        ephemeris = make_ephemeris(synthetic_sets[name], START, START + timedelta(seconds=WEEK_S))
        for ogs, group in of_satellite.groupby("ogs"):
            seconds = np.concatenate([seconds_from(START, group[c]) for c in ("aos", "tca", "los")])
            position, rotation = station_frame(*LEO_STATIONS[ogs])
            line = (positions_m(ephemeris, seconds) - position) @ rotation.T
            ours = line / np.linalg.norm(line, axis=1)[:, None]
            altitude, azimuth, distance = skyfield_sky(timescale, synthetic_sets[name], LEO_STATIONS[ogs], seconds)
            up, around = np.radians(altitude), np.radians(azimuth)
            theirs = np.stack([np.cos(up) * np.sin(around), np.cos(up) * np.cos(around), np.sin(up)], axis=1)
            apart_deg = np.degrees(2 * np.arcsin(np.linalg.norm(ours - theirs, axis=1) / 2))
            assert apart_deg.max() < 1e-5
            # 1e-5 deg at 2,500 km is 0.4 m across; along the line the two must agree as well.
            assert np.abs(np.linalg.norm(line, axis=1) - distance).max() < 0.5
            compared += len(group)
    assert compared >= 5000


# ---------------------------------------------------------------- brute force as oracle


def elevation_deg(ephemeris, station, seconds):
    position, rotation = station_frame(*station)
    line = positions_m(ephemeris, seconds) - position
    east, north, up = rotation @ line.T
    return np.degrees(np.arctan2(up, np.hypot(east, north)))


def bisected(ephemeris, station, limit_deg, low, high):
    """Instants at which the elevation crosses the limit between `low` and `high` (arrays)."""
    rising = elevation_deg(ephemeris, station, high) > limit_deg
    for _ in range(45):
        middle = 0.5 * (low + high)
        above = elevation_deg(ephemeris, station, middle) > limit_deg
        low, high = np.where(above == rising, low, middle), np.where(above == rising, middle, high)
    return 0.5 * (low + high)


def turning_points(ephemeris, station, seconds, elevation):
    """Every summit and trough of samples each second, refined by golden section: (times, elevations, is a summit)."""
    before, here, after = elevation[:-2], elevation[1:-1], elevation[2:]
    summit = (here >= before) & (here > after) | (here > before) & (here >= after)
    trough = (here <= before) & (here < after) | (here < before) & (here <= after)
    at = np.flatnonzero(summit | trough) + 1
    side = np.where(summit[at - 1], 1.0, -1.0)
    low, high = seconds[at - 1], seconds[at + 1]
    golden = 0.5 * (np.sqrt(5) - 1)
    for _ in range(40):  # 2 s · 0.618^40 = 9 ns
        left, right = high - golden * (high - low), low + golden * (high - low)
        better = side * elevation_deg(ephemeris, station, left) > side * elevation_deg(ephemeris, station, right)
        low, high = np.where(better, low, left), np.where(better, right, high)
    times = 0.5 * (low + high)
    return times, elevation_deg(ephemeris, station, times), side > 0


class Scan:
    """One satellite over one station, sampled each second, with all turning points between the samples."""

    def __init__(self, ephemeris, station, begin_s, end_s):
        self.ephemeris, self.station, self.begin_s, self.end_s = ephemeris, station, begin_s, end_s
        seconds = np.append(np.arange(begin_s, end_s, 1.0), end_s)
        elevation = elevation_deg(ephemeris, station, seconds)
        self.turns, self.turn_deg, self.summit = turning_points(ephemeris, station, seconds, elevation)
        every, first = np.unique(np.append(seconds, self.turns), return_index=True)
        self.seconds, self.elevation = every, np.append(elevation, self.turn_deg)[first]

    def passes(self, limit_deg):
        """Intervals (n, 2) above the limit."""
        above = self.elevation > limit_deg
        change = np.flatnonzero(above[1:] != above[:-1])
        low, high = self.seconds[change], self.seconds[change + 1]
        edges = bisected(self.ephemeris, self.station, limit_deg, low, high)
        edges = np.concatenate([[self.begin_s][: int(above[0])], edges, [self.end_s][: int(above[-1])]])
        return edges.reshape(-1, 2)


def assert_rows_are_those_of_a_scan(rows, scan, limit_deg):
    """Number of passes, edges, summit and smallest range of one station's rows."""
    ephemeris, station = scan.ephemeris, scan.station
    expected = scan.passes(limit_deg)
    assert len(rows) == len(expected)
    # Edges agree to 2 ms at worst (grazing passes, where the elevation moves by less than 1e-6 deg in that time).
    assert rows[:, [AOS, LOS]] == pytest.approx(expected, abs=2e-3)
    edges = rows[:, [AOS, LOS]].ravel()
    inner = edges[(edges > scan.begin_s) & (edges < scan.end_s)]
    assert elevation_deg(ephemeris, station, inner) == pytest.approx(np.full(inner.size, limit_deg), abs=1e-6)
    if not len(rows):
        return
    assert ((rows[:, AOS] <= rows[:, TCA]) & (rows[:, TCA] <= rows[:, LOS])).all()
    assert ((rows[:, AOS] <= rows[:, CLOSEST]) & (rows[:, CLOSEST] <= rows[:, LOS])).all()
    summit = np.degrees(np.arcsin(rows[:, SINE]))
    # arcsin near the zenith: 1e-16 in the sine is 1e-6 deg.
    assert summit == pytest.approx(elevation_deg(ephemeris, station, rows[:, TCA]), abs=2e-6)
    position, _ = station_frame(*station)
    at_closest = np.linalg.norm(positions_m(ephemeris, rows[:, CLOSEST]) - position, axis=1)
    assert rows[:, RANGE] == pytest.approx(at_closest, abs=1e-5)
    fine = rows[:, [AOS]] + (rows[:, LOS] - rows[:, AOS])[:, None] * np.linspace(0.0, 1.0, 401)
    highest = elevation_deg(ephemeris, station, fine.ravel()).reshape(fine.shape).max(axis=1)
    turns = scan.summit & (scan.turn_deg > limit_deg)
    inside = (scan.turns[turns] >= rows[:, [AOS]]) & (scan.turns[turns] <= rows[:, [LOS]])
    highest = np.maximum(highest, np.where(inside, scan.turn_deg[turns], -90.0).max(axis=1, initial=-90.0))
    # The time of the summit is good to 0.02 s at worst; the elevation is flat there.
    assert (np.abs(summit - highest) < 1e-5).all()
    ranges = np.linalg.norm(positions_m(ephemeris, fine.ravel()) - position, axis=1).reshape(fine.shape)
    assert (rows[:, RANGE] <= ranges.min(axis=1) + 0.1).all()
    # A sample misses the smallest range by at most half a spacing w at the speed bound V: sqrt(r² + (Vw/2)²).
    reach = ephemeris.speed_bound_m_s * (rows[:, LOS] - rows[:, AOS]) / 800
    assert (np.hypot(rows[:, RANGE], reach) >= ranges.min(axis=1)).all()


def assert_same_passes(ephemeris, station, limit_deg, length_s, scan=None):
    rows = passes_over(ephemeris, [station], limit_deg, 0.0, length_s)
    assert_rows_are_those_of_a_scan(rows, scan or Scan(ephemeris, station, 0.0, length_s), limit_deg)
    return len(rows)


def random_orbit(rng, kind):
    """An orbit of a kind with any inclination; perigees of at least 350 km."""
    eccentricity = 0.0
    inclination = rng.uniform(0.0, 180.0)
    if kind == "geosynchronous":
        motion, eccentricity = 1.002_738 + rng.normal(0, 0.002), rng.uniform(0, 0.2)
    elif kind == "half a day":
        motion, eccentricity = 2.0057 + rng.normal(0, 0.002), rng.uniform(0.6, 0.7)
        inclination = rng.choice([rng.uniform(50.0, 70.0), rng.uniform(110.0, 130.0)])
    else:
        perigee_km = rng.uniform(350.0, {"circular": 1500.0, "medium": 25_000.0, "eccentric": 1500.0}[kind])
        eccentricity = {"circular": 0.0, "medium": rng.uniform(0.0, 0.05), "eccentric": rng.uniform(0.02, 0.7)}[kind]
        semi_major_km = (6378.137 + perigee_km) / (1 - eccentricity)
        motion = 86_400 / (2 * np.pi) * np.sqrt(398_600.4418 / semi_major_km**3)
    return ElementSet(
        name=kind, catalogue_number=1, epoch=START, mean_motion_rev_day=motion, eccentricity=eccentricity,
        inclination_deg=inclination, raan_deg=rng.uniform(0, 360), argument_of_pericenter_deg=rng.uniform(0, 360),
        mean_anomaly_deg=rng.uniform(0, 360),
    )  # fmt: skip


def random_stations(rng, count):
    return [
        (np.degrees(np.arcsin(rng.uniform(-1, 1))), rng.uniform(-180, 180), rng.uniform(-400, 5000))
        for _ in range(count)
    ]


KINDS = ["circular", "medium", "eccentric", "half a day", "geosynchronous"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(8))
def test_random_orbits_give_the_passes_of_a_scan_each_second(kind, seed):
    rng = np.random.default_rng([seed, len(kind)])
    length_s = 1.5 * DAY_S
    ephemeris = make_ephemeris(random_orbit(rng, kind), START, START + timedelta(seconds=length_s))
    stations = [*STATIONS.values(), *random_stations(rng, 1)]
    scans = [Scan(ephemeris, station, 0.0, length_s) for station in stations]
    for limit_deg in (0.0, 5.0, 20.0, 60.0, rng.uniform(0.0, 80.0)):
        rows = passes_over(ephemeris, stations, limit_deg, 0.0, length_s)
        for number, scan in enumerate(scans):
            assert_rows_are_those_of_a_scan(rows[rows[:, SITE] == number], scan, limit_deg)


@pytest.mark.parametrize("kind", KINDS)
def test_the_seeded_orbits_do_pass_over_their_stations(kind):
    total = 0
    for seed in range(8):
        rng = np.random.default_rng([seed, len(kind)])
        ephemeris = make_ephemeris(random_orbit(rng, kind), START, START + timedelta(days=1.5))
        total += len(passes_over(ephemeris, list(STATIONS.values()), 5.0, 0.0, 1.5 * DAY_S))
    assert total >= {"circular": 300, "medium": 100, "eccentric": 100, "half a day": 60, "geosynchronous": 25}[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_stations_in_one_call_give_the_rows_of_single_calls(kind):
    rng = np.random.default_rng([3, len(kind)])
    ephemeris = make_ephemeris(random_orbit(rng, kind), START, START + timedelta(days=1))
    stations = [*STATIONS.values(), *random_stations(rng, 6)]
    limits, begins = rng.uniform(0.0, 60.0, 12), rng.uniform(0.0, 0.4 * DAY_S, 12)
    ends = rng.uniform(0.5 * DAY_S, DAY_S, 12)
    together = passes_over(ephemeris, stations, limits, begins, ends)
    singles = [passes_over(ephemeris, [stations[i]], limits[i], begins[i], ends[i]) for i in range(12)]
    numbered = [np.column_stack([np.full(len(rows), i), rows[:, AOS:]]) for i, rows in enumerate(singles)]
    assert together.tolist() == np.concatenate(numbered).tolist()
    assert len(together) > 0
    assert (np.lexsort((together[:, AOS], together[:, SITE])) == np.arange(len(together))).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_period_of_each_station_cuts_the_passes_of_the_whole(kind):
    rng = np.random.default_rng([5, len(kind)])
    ephemeris = make_ephemeris(random_orbit(rng, kind), START, START + timedelta(days=1))
    stations = [*STATIONS.values(), *random_stations(rng, 4)]
    whole = passes_over(ephemeris, stations, 3.0, 0.0, DAY_S)
    cuts = inner_edges = 0
    for length_s in (10.0, 45.0, 700.0, 7000.0, 40_000.0):
        # Each period begins somewhere around a pass, in it as often as not.
        begins = rng.uniform(0.0, DAY_S - length_s, len(stations))
        for row in whole[rng.permutation(len(whole))]:
            begins[int(row[SITE])] = np.clip(rng.uniform(row[AOS] - 20.0, row[LOS]), 0.0, DAY_S - length_s)
        ends = begins + length_s
        rows = passes_over(ephemeris, stations, 3.0, begins, ends)
        site = whole[:, SITE].astype(int)
        cut = whole[(whole[:, AOS] < ends[site]) & (whole[:, LOS] > begins[site])]
        site = cut[:, SITE].astype(int)
        edges = np.stack([np.maximum(cut[:, AOS], begins[site]), np.minimum(cut[:, LOS], ends[site])], axis=1)
        assert rows[:, SITE].tolist() == cut[:, SITE].tolist()
        # A root is good to 1e-8 s; cut ends are the period's to the bit.
        assert rows[:, [AOS, LOS]] == pytest.approx(edges, abs=1e-6)
        assert ((rows[:, AOS] == begins[site]) == (cut[:, AOS] <= begins[site])).all()
        assert ((rows[:, LOS] == ends[site]) == (cut[:, LOS] >= ends[site])).all()
        for row in rows:
            fine = np.linspace(row[AOS], row[LOS], 301)
            station = stations[int(row[SITE])]
            summit = np.degrees(np.arcsin(row[SINE]))
            at_tca = elevation_deg(ephemeris, station, row[[TCA]])[0]
            assert summit == pytest.approx(at_tca, abs=2e-6)  # arcsin near the zenith
            assert row[AOS] <= row[TCA] <= row[LOS]
            assert summit >= elevation_deg(ephemeris, station, fine).max() - 1e-5
        cuts += len(rows)
        inner_edges += int((rows[:, AOS] > begins[site]).sum())
    assert cuts >= 20
    assert inner_edges >= 1


@pytest.mark.parametrize("name", ["SYN EAGLE1-A LTAN2230", "SYN W18-P1-1"])
def test_periods_that_begin_or_end_at_grid_nodes_and_edges_of_passes_lose_nothing(synthetic_sets, name):
    ephemeris = make_ephemeris(synthetic_sets[name], START, START + timedelta(days=1))
    station = STATIONS["DLR-OP"]
    whole = passes_over(ephemeris, [station], 0.0, 0.0, DAY_S)
    tried = 0
    for row in whole[(whole[:, AOS] > 0) & (whole[:, LOS] < DAY_S)]:
        node = np.ceil((row[AOS] - ephemeris.first_s) / ephemeris.step_s) * ephemeris.step_s + ephemeris.first_s
        for instant in (np.nextafter(node, -np.inf), node, np.nextafter(node, np.inf), row[TCA], row[AOS] + 1e-3):
            if not row[AOS] < instant < row[LOS]:
                continue
            after = passes_over(ephemeris, [station], 0.0, instant, DAY_S)
            before = passes_over(ephemeris, [station], 0.0, 0.0, instant)
            assert len(after) + len(before) == len(whole) + 1
            assert (after[0, AOS], before[-1, LOS]) == (instant, instant)
            assert after[0, LOS] == pytest.approx(row[LOS], abs=1e-7)
            assert before[-1, AOS] == pytest.approx(row[AOS], abs=1e-7)
            tried += 1
        assert len(passes_over(ephemeris, [station], 0.0, row[AOS] - 10.0, row[AOS] - 1e-3)) == 0
        assert len(passes_over(ephemeris, [station], 0.0, row[LOS] + 1e-3, row[LOS] + 10.0)) == 0
    assert tried >= 12


# ---------------------------------------------------------------- limits at turning points


@pytest.mark.parametrize("margin_deg", [1e-4, 1e-6])
@pytest.mark.parametrize("name", ["SYN EAGLE1-A LTAN2230", "SYN W18-P1-1"])
def test_grazing_passes_are_found_just_below_their_summit_and_not_above(synthetic_sets, name, margin_deg):
    length_s = 2 * DAY_S
    ephemeris = make_ephemeris(synthetic_sets[name], START, START + timedelta(seconds=length_s))
    grazed = 0
    for station in STATIONS.values():
        for row in passes_over(ephemeris, [station], 0.5, 0.0, length_s)[::3]:
            tca, summit_deg = row[TCA], float(np.degrees(np.arcsin(row[SINE])))
            if not (0.0 < tca < length_s) or summit_deg > 89.0:
                continue
            below = passes_over(ephemeris, [station], summit_deg - margin_deg, 0.0, length_s)
            (short,) = below[(below[:, AOS] < tca + 1e-3) & (tca - 1e-3 < below[:, LOS])]
            assert 0.0 < short[LOS] - short[AOS] < 40.0
            edges = elevation_deg(ephemeris, station, short[[AOS, LOS]])
            assert edges == pytest.approx([summit_deg - margin_deg] * 2, abs=0.01 * margin_deg)
            above = passes_over(ephemeris, [station], summit_deg + margin_deg, 0.0, length_s)
            assert not ((above[:, AOS] < tca + 60.0) & (tca - 60.0 < above[:, LOS])).any()
            grazed += 1
    assert grazed >= 10


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_limits_beside_summits_and_troughs_give_the_passes_of_a_scan(kind, seed):
    rng = np.random.default_rng([7, seed, len(kind)])
    ephemeris = make_ephemeris(random_orbit(rng, kind), START, START + timedelta(days=1))
    tried = 0
    for station in [*STATIONS.values(), *random_stations(rng, 2)]:
        scan = Scan(ephemeris, station, 0.0, DAY_S)
        turns = scan.turn_deg[(scan.turn_deg > 0.0) & (scan.turn_deg < 80.0)]
        for turn_deg in rng.permutation(turns)[:3]:
            for limit_deg in (turn_deg - 1e-4, turn_deg - 1e-6, turn_deg + 1e-6, turn_deg + 1e-4):
                # Where GEO satellites turn slowly, the instant is ill-defined: 1e-6 deg at 1e-8 deg/s² takes 14 s.
                rows = passes_over(ephemeris, [station], float(limit_deg), 0.0, DAY_S)
                expected = scan.passes(float(limit_deg))
                assert len(rows) == len(expected)
                edges = elevation_deg(ephemeris, station, rows[:, [AOS, LOS]].ravel())
                inner = (rows[:, [AOS, LOS]] > 0.0) & (rows[:, [AOS, LOS]] < DAY_S)
                assert edges[inner.ravel()] == pytest.approx(np.full(inner.sum(), limit_deg), abs=1e-8)
                assert rows[:, [AOS, LOS]] == pytest.approx(expected, abs=5e-3)
                tried += 1
    assert tried >= 12


# ---------------------------------------------------------------- many roots, by hand


def made_ephemeris(height_m, span_m=2e6, step_s=100.0):
    """An ephemeris of one grid interval from 0 to `step_s`: x = `span_m`, z a polynomial of t/step - 1/2.

    Twelve nodes make the polynomial through them unique, so its roots are known.
    """
    nodes = np.arange(-5, 7) * step_s
    z = height_m(nodes / step_s - 0.5)
    grid = np.stack([np.full(12, span_m), np.zeros(12), z])
    u = np.linspace(-0.5, 0.5, 5001)
    z, speed, bend = height_m(u), height_m.deriv()(u) / step_s, height_m.deriv(2)(u) / step_s**2
    radius = float(np.hypot(span_m, np.abs(z).min()))
    bounds = 1.001 * float(np.abs(speed).max()), 1.001 * float(np.abs(bend).max()), 0.999 * radius
    return Ephemeris("MADE", START, float(nodes[0]), step_s, grid, *bounds)


@pytest.mark.parametrize("degree", range(1, 10))
def test_all_roots_of_one_grid_interval_are_found(degree):
    # The height above the equator follows Chebyshev's polynomial T_n(2u), whose n roots lie in the interval. At
    # five and a half steps T_9 is 1e11 times larger than in the interval, so the roots keep five of sixteen digits.
    height_m = np.polynomial.Polynomial.cast(np.polynomial.Chebyshev.basis(degree, domain=[-0.5, 0.5])) * 1e4
    ephemeris = made_ephemeris(height_m)
    roots = np.sort(50.0 + 50.0 * np.cos((2 * np.arange(1, degree + 1) - 1) * np.pi / (2 * degree)))
    edges = np.concatenate([[0.0][: (degree + 1) % 2], roots, [100.0]]).reshape(-1, 2)
    rows = search_passes(ephemeris, np.zeros(3), np.array([0.0, 0.0, 1.0]), 0.0, 0.0, 100.0)
    assert len(rows) == (degree + 2) // 2
    assert rows[:, [AOS, LOS]] == pytest.approx(edges, abs=1e-3)
    limit_deg = 0.1  # tan(0.1 deg) · 2,000 km = 3.49 km
    rows = search_passes(ephemeris, np.zeros(3), np.array([0.0, 0.0, 1.0]), limit_deg, 0.0, 100.0)
    level = height_m - 2e6 * np.tan(np.radians(limit_deg))
    crossings = np.array(sorted(50.0 + 100.0 * r.real for r in level.roots() if abs(r.imag) < 1e-9 and abs(r) < 0.5))
    edges = np.concatenate([[0.0][: int(level(-0.5) > 0)], crossings, [100.0]]).reshape(-1, 2)
    assert rows[:, [AOS, LOS]] == pytest.approx(edges, abs=1e-3)


def peak_m():
    """-|u| with a round tip, as a polynomial: the slope is near its bound almost everywhere."""
    u = np.linspace(-0.5, 0.5, 401)
    height = np.polynomial.Polynomial.fit(u, -np.sqrt(u * u + 0.005), 8).convert()
    return 2e4 * (height - height(0.0) + 0.02)


def late_bend_m():
    """Hardly a rise, hardly a fall, then a rise with the largest curvature: three roots with the ends far apart."""
    u = np.linspace(-0.5, 0.5, 401)
    bend = np.polynomial.Polynomial.fit(u, np.tanh((u + 0.35) / 0.1), 7).convert()
    slope = bend.integ(lbnd=-0.5)
    slope -= 0.8 * slope(u).min()  # turns twice
    height = slope.integ(lbnd=-0.5)
    turns = [r.real for r in slope.roots() if abs(r.imag) < 1e-9 and abs(r.real) < 0.5]
    return 1e6 * (height - height(np.array(turns)).mean())


@pytest.mark.parametrize(
    ("made", "turned", "roots"), [(peak_m, 1, 2), (peak_m, -1, 2), (late_bend_m, 1, 3), (late_bend_m, -1, 3)]
)
def test_shapes_close_to_the_bounds_of_the_proof_keep_their_roots(made, turned, roots):
    height_m = turned * made()
    bend = np.abs(height_m.deriv(2)(np.linspace(-0.5, 0.5, 2001))).max()
    ends = np.abs(height_m(np.array([-0.5, 0.5])))
    # The proof passes over such ends, or takes them for one root, from 1 and 0.5 on.
    slope = np.abs(height_m.deriv()(np.linspace(-0.5, 0.5, 2001))).max()
    assert (ends.sum() / slope if roots == 2 else ends.sum() / bend) > {2: 0.7, 3: 0.25}[roots]
    u = np.linspace(-0.5, 0.5, 100_001)
    above = height_m(u) > 0
    crossings = 50.0 + 100.0 * (u[:-1] + 5e-6)[above[1:] != above[:-1]]
    assert len(crossings) == roots
    edges = np.concatenate([[0.0][: int(above[0])], crossings, [100.0][: int(above[-1])]]).reshape(-1, 2)
    zenith = np.array([0.0, 0.0, 1.0])
    rows = search_passes(made_ephemeris(height_m), np.zeros(3), zenith, 0.0, 0.0, 100.0)
    assert len(rows) == len(edges)
    assert rows[:, [AOS, LOS]] == pytest.approx(edges, abs=5e-3)


@pytest.mark.parametrize(
    ("height_m", "expected"),
    [
        # h is zero at a node, at the middle of the interval, and at its end; zero itself counts as below.
        (np.polynomial.Polynomial([500.0, 1000.0]), [[0.0, 100.0]]),
        (np.polynomial.Polynomial([0.0, 1000.0]), [[50.0, 100.0]]),
        (np.polynomial.Polynomial([0.0, -1000.0]), [[0.0, 50.0]]),
        (np.polynomial.Polynomial([-500.0, 1000.0]), []),
        (np.polynomial.Polynomial([500.0, -1000.0]), [[0.0, 100.0]]),
        (np.polynomial.Polynomial([-500.0, -1000.0]), []),
        # It touches zero in the middle, from below.
        (np.polynomial.Polynomial([0.0, 0.0, -1000.0]), []),
        # It is zero throughout, or nearly so.
        (np.polynomial.Polynomial([0.0]), []),
        (np.polynomial.Polynomial([-1.0]), []),
        (np.polynomial.Polynomial([1.0]), [[0.0, 100.0]]),
    ],
)
def test_heights_that_are_exactly_zero_are_below_the_limit(height_m, expected):
    grid_m = made_ephemeris(np.polynomial.Polynomial([0.0, 1.0])).grid_m.copy()
    grid_m[2] = height_m(np.arange(-5, 7) - 0.5)
    ephemeris = Ephemeris("MADE", START, -500.0, 100.0, grid_m, 50.0, 1.0, 1.9e6)
    rows = search_passes(ephemeris, np.zeros(3), np.array([0.0, 0.0, 1.0]), 0.0, 0.0, 100.0)
    assert len(rows) == len(expected)
    assert rows[:, [AOS, LOS]] == pytest.approx(np.array(expected).reshape(-1, 2), abs=1e-6)


# ---------------------------------------------------------------- closest approach


@pytest.mark.parametrize("kind", KINDS)
def test_the_closest_approach_is_where_the_range_rate_changes_sign(kind):
    rng = np.random.default_rng([11, len(kind)])
    ephemeris = make_ephemeris(random_orbit(rng, kind), START, START + timedelta(days=1))
    stations = [*STATIONS.values(), *random_stations(rng, 4)]
    rows = passes_over(ephemeris, stations, 0.0, 0.0, DAY_S)
    inside = at_edge = 0
    for row in rows:
        position, _ = station_frame(*stations[int(row[SITE])])

        def range_rate(seconds, position=position):
            place, velocity = motion(ephemeris, np.atleast_1d(seconds))
            line = place - position
            return (line * velocity).sum(axis=1) / np.linalg.norm(line, axis=1)

        if row[AOS] < row[CLOSEST] < row[LOS]:
            # The turning point is good to 0.02 s at worst.
            before, after = range_rate(np.clip(row[CLOSEST] + np.array([-0.05, 0.05]), row[AOS], row[LOS]))
            assert before <= 0.0 <= after
            inside += 1
        else:  # A part of an orbit on which the range only falls or only rises.
            edge_rate = range_rate(row[CLOSEST])[0]
            assert edge_rate >= 0.0 if row[CLOSEST] == row[AOS] else edge_rate <= 0.0
            at_edge += 1
        fine = np.linspace(row[AOS], row[LOS], 2001)
        ranges = np.linalg.norm(positions_m(ephemeris, fine) - position, axis=1)
        assert row[RANGE] <= ranges.min() + 1e-3
        reach = ephemeris.speed_bound_m_s * (row[LOS] - row[AOS]) / 4000  # half a spacing
        assert ranges.min() <= np.hypot(row[RANGE], reach)
    assert inside + at_edge == len(rows) >= 5
    assert inside > 0


def test_the_closest_approach_of_a_cut_pass_is_at_the_cut(synthetic_sets):
    ephemeris = make_ephemeris(synthetic_sets["SYN EAGLE1-A LTAN2230"], START, START + timedelta(days=1))
    station = STATIONS["DLR-OP"]
    position, _ = station_frame(*station)
    for row in passes_over(ephemeris, [station], 10.0, 0.0, DAY_S):
        middle = row[CLOSEST]
        (rising,) = passes_over(ephemeris, [station], 10.0, row[AOS] - 5.0, middle - 20.0)
        (setting,) = passes_over(ephemeris, [station], 10.0, middle + 20.0, row[LOS] + 5.0)
        for cut, edge_s in ((rising, middle - 20.0), (setting, middle + 20.0)):
            assert (cut[CLOSEST], cut[TCA]) == (edge_s, edge_s)
            place = positions_m(ephemeris, np.array([edge_s]))[0]
            assert cut[RANGE] == pytest.approx(np.linalg.norm(place - position), abs=1e-6)
            assert np.degrees(np.arcsin(cut[SINE])) == pytest.approx(
                elevation_deg(ephemeris, station, np.array([edge_s]))[0], abs=1e-7
            )


# ---------------------------------------------------------------- geostationary orbits


def geostationary(longitude_deg):
    """A satellite that stays within a degree of a longitude over the period."""
    base = ElementSet(
        name="GEO", catalogue_number=1, epoch=START, mean_motion_rev_day=1.002_737_9, eccentricity=0.0001,
        inclination_deg=0.05, raan_deg=0.0, argument_of_pericenter_deg=0.0, mean_anomaly_deg=0.0,
    )  # fmt: skip
    x, y, _ = positions_m(make_ephemeris(base, START, START + timedelta(days=1)), np.zeros(1))[0]
    turn = longitude_deg - np.degrees(np.arctan2(y, x))
    return base.model_copy(update={"mean_anomaly_deg": float(turn % 360)})


@pytest.mark.parametrize("station", [STATIONS["DLR-OP"], (0.0, -179.0, 0.0)])
def test_a_geostationary_satellite_in_view_gives_one_pass_over_the_period(station):
    ephemeris = make_ephemeris(geostationary(station[1] - 5.0), START, START + timedelta(seconds=WEEK_S))
    rows = passes_over(ephemeris, [station], 20.0, 0.0, WEEK_S)
    assert rows[:, [AOS, LOS]].tolist() == [[0.0, WEEK_S]]
    assert assert_same_passes(ephemeris, station, 20.0, DAY_S) == 1


def test_a_geostationary_satellite_behind_the_earth_gives_none():
    ephemeris = make_ephemeris(geostationary(-168.7), START, START + timedelta(days=1))
    assert passes_over(ephemeris, [STATIONS["DLR-OP"]], 0.0, 0.0, DAY_S).shape == (0, 7)


def test_geostationary_elevation_of_the_textbook():
    # tan(el) = (cos g - R/r) / sin g with g = 48.0848 deg on a spherical Earth (Maral & Bousquet, Satellite
    # Communications Systems, eq. 2.49): 34.7 deg below the station's meridian; the ellipsoid adds 0.1 deg.
    ephemeris = make_ephemeris(geostationary(11.278), START, START + timedelta(days=1))
    rows = passes_over(ephemeris, [STATIONS["DLR-OP"]], 20.0, 0.0, DAY_S)
    angle = np.radians(48.0848)
    expected = np.degrees(np.arctan2(np.cos(angle) - 6378.137 / 42_164.17, np.sin(angle)))
    assert np.degrees(np.arcsin(rows[0, SINE])) == pytest.approx(expected, abs=0.3)


# ---------------------------------------------------------------- tabulated ephemerides


@pytest.fixture(scope="module")
def table_source(synthetic_sets):
    """States each minute of one satellite from two hours before START on, and its own ephemeris."""
    source = make_ephemeris(
        synthetic_sets["SYN EAGLE1-A LTAN2230"], START - timedelta(hours=2), START + timedelta(days=1)
    )
    seconds = np.arange(0.0, 26 * 3600.0 + 1.0, 60.0)
    return source, seconds, np.column_stack(motion(source, seconds)) / 1e3


def tabulated(table_source, before_s, end_s):
    """Ephemeris of [START, START + end_s] from a table that may be used from `before_s` earlier to just that end."""
    _, seconds, states = table_source
    segment = OemSegment(
        "TABLE", "", "ITRF2020", START - timedelta(hours=2), seconds, states,
        START - timedelta(seconds=before_s), START + timedelta(seconds=end_s), "HERMITE", 7,
    )  # fmt: skip
    return tabulated_ephemeris([segment], START, START + timedelta(seconds=end_s))


def table_periods(table_source, count):
    """Periods that end inside a pass over DLR-OP, at any microsecond: (used before START [s], end [s], passes)."""
    source = table_source[0]
    whole = passes_over(source, [STATIONS["DLR-OP"]], 0.0, 7200.0, 7200.0 + DAY_S)
    whole[:, [AOS, TCA, LOS]] -= 7200.0
    rng = np.random.default_rng(1)
    for _ in range(count):
        row = whole[rng.integers(len(whole))]
        end_s = float(np.round(rng.uniform(row[AOS], row[LOS]), 6))
        yield float(rng.integers(0, 3000)), end_s, int((whole[:, AOS] < end_s).sum())


def test_a_pass_that_the_end_of_a_tabulated_ephemeris_cuts_is_kept(table_source):
    lost = []
    for before_s, end_s, expected in table_periods(table_source, 200):
        rows = passes_over(tabulated(table_source, before_s, end_s), [STATIONS["DLR-OP"]], 0.0, 0.0, end_s)
        if len(rows) != expected or rows[-1, LOS] != end_s:
            lost.append((before_s, end_s))
    assert lost == []


def test_a_tabulated_ephemeris_covers_its_period_to_the_end(table_source):
    for before_s, end_s, _ in table_periods(table_source, 200):
        both = motion(tabulated(table_source, before_s, end_s), np.array([0.0, end_s]))
        assert np.isfinite(both).all()


def test_a_search_reads_no_node_beyond_a_tabulated_grid(table_source, monkeypatch):
    # The compiled search would read on in memory without a word; as plain Python it raises IndexError.
    monkeypatch.setattr(passes_module, "search_rows", pass_kernels.search_rows.py_func)
    monkeypatch.setattr(pass_kernels, "_node_heights", pass_kernels._node_heights.py_func)
    beyond = []
    for before_s, end_s, _ in table_periods(table_source, 40):
        try:
            passes_over(tabulated(table_source, before_s, end_s), [STATIONS["DLR-OP"]], 0.0, 0.0, end_s)
        except IndexError:
            beyond.append((before_s, end_s))
    assert beyond == []


def test_a_tabulated_ephemeris_gives_the_passes_of_its_source(table_source):
    source, station = table_source[0], STATIONS["DLR-OP"]
    expected = passes_over(source, [station], 5.0, 7200.0, 7200.0 + DAY_S)
    rows = passes_over(tabulated(table_source, 0.0, DAY_S), [station], 5.0, 0.0, DAY_S)
    # Hermite polynomials of degree seven through states each minute are good to a millimetre.
    assert rows[:, [AOS, TCA, LOS, CLOSEST]] + 7200.0 == pytest.approx(expected[:, [AOS, TCA, LOS, CLOSEST]], abs=1e-3)
    assert rows[:, RANGE] == pytest.approx(expected[:, RANGE], abs=0.01)


# ---------------------------------------------------------------- the table


def test_the_table_fulfils_its_contract(scenario):
    passes = find_passes(scenario)
    assert check_table(passes, "PASSES", "test") is passes
    assert set(passes["satellite"]) == {"EAGLE1-LIKE"}
    assert set(passes["ogs"]) == set(scenario.stations)
    assert passes["aos"].is_monotonic_increasing
    for column in ("aos", "tca", "los"):
        assert passes[column].between(scenario.start, scenario.end).all()
    first = passes.iloc[0]
    assert passes.index[0] == f"EAGLE1-LIKE/{first['ogs']}/{first['aos']:%Y%m%dT%H%M%SZ}"
    assert (passes["max_elevation_deg"] >= 20.0).all()
    # Range at 20 deg from 500 km is 1,194 km on a sphere; the ellipsoid and the eccentricity move it by 2 %.
    assert passes["min_range_m"].between(480e3, 1194e3 * 1.02).all()


def test_the_minimum_elevation_can_be_overridden(scenario):
    wide, narrow = find_passes(scenario, min_elevation_deg=0.0), find_passes(scenario, min_elevation_deg=60.0)
    usual = find_passes(scenario)
    assert len(narrow) < len(usual) < len(wide)
    kept = usual[usual["max_elevation_deg"] > 60.0]
    assert narrow["tca"].sub(pd.Series(kept["tca"].to_numpy(), narrow.index)).abs().max() < timedelta(milliseconds=1)


def test_each_station_has_its_own_minimum_elevation(scenario):
    high = {
        n: s.model_copy(update={"min_elevation_deg": 50.0}) if n == "GRAZ" else s for n, s in scenario.stations.items()
    }
    passes = find_passes(scenario.model_copy(update={"stations": high}))
    lowest = passes.groupby("ogs")["max_elevation_deg"].min()
    assert lowest["GRAZ"] >= 50.0
    assert (lowest.drop("GRAZ") < 50.0).all()


def test_passes_cut_by_the_period_are_truncated(scenario):
    whole = find_passes(scenario)
    assert not whole["truncated"].any()
    one_station = scenario.model_copy(update={"stations": {"GRAZ": scenario.stations["GRAZ"]}})
    graz = find_passes(one_station)
    first, last = graz.iloc[1], graz.iloc[-2]
    begin, finish = first["tca"].to_pydatetime(), last["tca"].to_pydatetime()
    cut = find_passes(one_station, start=begin, end=finish)
    assert len(cut) == len(graz) - 2
    assert cut["truncated"].tolist() == [True] + [False] * (len(cut) - 2) + [True]
    assert cut["aos"].iloc[0] == begin
    assert cut["los"].iloc[-1] == finish
    assert abs(cut["los"].iloc[0] - first["los"]) < timedelta(milliseconds=1)
    assert abs(cut["aos"].iloc[-1] - last["aos"]) < timedelta(milliseconds=1)


def test_a_period_inside_a_pass_gives_one_truncated_pass(scenario):
    row = find_passes(scenario).sort_values("max_elevation_deg").iloc[-1]
    begin, finish = (row["tca"].to_pydatetime() + timedelta(seconds=s) for s in (-5.0, 7.0))
    cut = find_passes(scenario, start=begin, end=finish).query("ogs == @row.ogs")
    assert cut[["aos", "los"]].iloc[0].tolist() == [begin, finish]
    assert cut["truncated"].tolist() == [True]
    assert cut["max_elevation_deg"].iloc[0] == pytest.approx(row["max_elevation_deg"], abs=1e-5)


def test_halves_of_a_period_hold_the_passes_of_the_whole(scenario):
    middle = scenario.start + (scenario.end - scenario.start) / 2
    halves = pd.concat([find_passes(scenario, end=middle), find_passes(scenario, start=middle)])
    whole = find_passes(scenario)
    assert not halves["truncated"].any()
    assert halves[["satellite", "ogs"]].to_numpy().tolist() == whole[["satellite", "ogs"]].to_numpy().tolist()
    for column in ("aos", "tca", "los"):
        gap = halves[column].to_numpy() - whole[column].to_numpy()
        assert np.abs(gap / np.timedelta64(1, "us")).max() <= 1000


def test_no_satellites_give_an_empty_table_with_the_contract(scenario):
    passes = find_passes(scenario.model_copy(update={"satellites": ()}))
    assert len(passes) == 0
    assert passes.index.name == "pass_id"
    # The table holds the time of the closest approach beside the columns of the contract.
    assert "closest_at" in passes.columns
    assert [c for c in passes.columns if c != "closest_at"] == [
        c for c in TABLES["PASSES"].columns if c != "closest_at"
    ]
    assert [str(passes[c].dt.tz) for c in ("aos", "tca", "los", "closest_at")] == ["UTC"] * 4
    assert passes["truncated"].dtype == bool
    assert passes["max_elevation_deg"].dtype == float


def test_no_pass_gives_an_empty_table_with_the_kinds_of_a_full_one(scenario):
    quiet = find_passes(scenario, min_elevation_deg=89.99)
    assert len(quiet) == 0
    assert quiet.dtypes.to_dict() == find_passes(scenario).dtypes.to_dict()


def test_the_scenario_is_not_changed(scenario):
    before = scenario.model_dump_json()
    find_passes(scenario)
    assert scenario.model_dump_json() == before


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (datetime(2027, 3, 1), None),  # noqa: DTZ001
        (None, datetime(2027, 3, 8)),  # noqa: DTZ001
        (datetime(2027, 3, 2, tzinfo=UTC), datetime(2027, 3, 1, tzinfo=UTC)),
        (datetime(2027, 3, 2, tzinfo=UTC), datetime(2027, 3, 2, tzinfo=UTC)),
        (datetime(2027, 4, 1, tzinfo=UTC), None),
    ],
)
def test_a_naive_reversed_or_empty_period_raises(scenario, start, end):
    with pytest.raises(TimeError, match=r"find_passes: period .* expected aware times, end after start"):
        find_passes(scenario, start=start, end=end)


# ---------------------------------------------------------------- many satellites in one table


@pytest.fixture(scope="module")
def many(scenario):
    """Twelve satellites over six stations for a week."""
    return catalogue_scenario(scenario, satellite_names()[::3] + satellite_names()[1:3], STATIONS, 10.0)


def test_identifiers_are_unique_and_sorted_by_rise_satellite_and_station(many):
    passes = find_passes(many)
    assert len(passes) > 1500
    assert passes.index.is_unique
    order = passes.sort_values(["aos", "satellite", "ogs"], kind="stable").index
    assert passes.index.tolist() == order.tolist()
    labels = [f"{r.satellite}/{r.ogs}/{r.aos:%Y%m%dT%H%M%SZ}" for r in passes.itertuples()]
    assert passes.index.tolist() == labels


def test_ties_of_the_rise_are_sorted_by_satellite_and_station(many):
    # All satellites in view when the period begins rise at that same instant.
    all_day = find_passes(many, end=START + timedelta(days=1), min_elevation_deg=0.0)
    in_view = [((all_day["aos"] < t) & (t < all_day["los"])).sum() for t in all_day["tca"]]
    begin = all_day["tca"].iloc[int(np.argmax(in_view))].to_pydatetime()
    passes = find_passes(many, start=begin, end=begin + timedelta(hours=1), min_elevation_deg=0.0)
    tied = passes[passes["aos"] == begin]
    assert len(tied) >= 3
    assert tied[["satellite", "ogs"]].to_numpy().tolist() == sorted(tied[["satellite", "ogs"]].to_numpy().tolist())
    assert tied["truncated"].all()


@pytest.mark.parametrize("seed", range(3))
def test_satellites_and_stations_in_any_order_give_the_same_rows(many, seed):
    rng = np.random.default_rng(seed)
    satellites = tuple(many.satellites[i] for i in rng.permutation(len(many.satellites)))
    names = list(many.stations)
    stations = {names[i]: many.stations[names[i]] for i in rng.permutation(len(names))}
    end = START + timedelta(days=2)
    mixed = find_passes(many.model_copy(update={"satellites": satellites, "stations": stations}), end=end)
    pd.testing.assert_frame_equal(mixed, find_passes(many, end=end), check_exact=True)


def test_a_table_of_all_satellites_is_the_sum_of_tables_of_each(many):
    end = START + timedelta(days=2)
    parts = [find_passes(many.model_copy(update={"satellites": (s,)}), end=end) for s in many.satellites]
    joined = pd.concat(parts).sort_values(["aos", "satellite", "ogs"])
    pd.testing.assert_frame_equal(find_passes(many, end=end), joined, check_exact=True)


def test_the_closest_approach_of_the_table_lies_in_the_pass_at_the_smallest_range(many, synthetic_sets):
    passes = find_passes(many, end=START + timedelta(days=2))
    assert ((passes["aos"] <= passes["closest_at"]) & (passes["closest_at"] <= passes["los"])).all()
    for (name, ogs), group in passes.groupby(["satellite", "ogs"]):
        ephemeris = make_ephemeris(synthetic_sets[name], START, START + timedelta(days=2))
        position, _ = station_frame(*STATIONS[ogs])
        places = positions_m(ephemeris, np.minimum(seconds_from(START, group["closest_at"]), 2 * DAY_S))
        # The table's microseconds move the range by less than 8 mm, and by nothing at first order where it turns.
        assert group["min_range_m"].to_numpy() == pytest.approx(np.linalg.norm(places - position, axis=1), abs=0.01)


def test_a_mobile_station_has_passes_where_it_stands_and_only_then(many):
    # The move falls into a pass, and nothing is seen before and after.
    fixed = many.stations["DLR-OP"]
    period = find_passes(many.model_copy(update={"stations": {"DLR-OP": fixed}}), end=START + timedelta(days=2))
    cut = period.iloc[len(period) // 2]
    begin, finish = period["tca"].iloc[3].to_pydatetime(), period["tca"].iloc[-3].to_pydatetime()
    move = cut["tca"].to_pydatetime()
    places = tuple(
        StationPosition(
            latitude_deg=latitude, longitude_deg=longitude, height_ellipsoid_m=height, height_msl_m=height,
            valid_from=valid_from, valid_to=valid_to, node="",
        )
        for (latitude, longitude, height), valid_from, valid_to in (
            (STATIONS["DLR-OP"], begin, move), (STATIONS["QUITO"], move, finish)
        )
    )  # fmt: skip
    mobile = fixed.model_copy(update={"positions": places})
    found = find_passes(many.model_copy(update={"stations": {"M": mobile}}), end=START + timedelta(days=2))
    parts = [
        find_passes(
            many.model_copy(update={"stations": {"M": fixed.model_copy(update=dict(zip(PLACE, place, strict=True)))}}),
            start=start, end=end,
        )
        for place, start, end in ((STATIONS["DLR-OP"], begin, move), (STATIONS["QUITO"], move, finish))
    ]  # fmt: skip
    expected = pd.concat(parts).sort_values(["aos", "satellite", "ogs"])
    assert found.index.tolist() == expected.index.tolist()
    assert found["truncated"].tolist() == expected["truncated"].tolist()
    assert (found["los"] == move).sum() >= 1
    assert found["aos"].min() == begin
    # Another start of the grid moves the interpolation by fractions of a millimetre. Culmination is good to 0.02 s.
    for column, allowed_ms in (("aos", 1), ("los", 1), ("tca", 20), ("closest_at", 20)):
        assert (found[column] - expected[column]).abs().max() < timedelta(milliseconds=allowed_ms)
