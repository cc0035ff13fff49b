"""Pass search against Skyfield's altaz, and against a brute-force scan of the same ephemeris."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from skyfield.api import EarthSatellite, wgs84

from eqci_space.data import data_path
from eqci_space.errors import TimeError
from eqci_space.orbits.earth import seconds_from, station_frame
from eqci_space.orbits.elements import ElementSet, propagator
from eqci_space.orbits.ephemeris import make_ephemeris, positions_m
from eqci_space.orbits.passes import find_passes, search_passes
from eqci_space.tables import TABLES, check_table

START = datetime(2027, 1, 2, tzinfo=UTC)
WEEK_S = 7 * 86_400.0

STATIONS = {
    "DLR-OP": (48.0848, 11.278, 645.0),
    "NORTH POLE": (90.0, 0.0, 0.0),
    "SOUTH POLE": (-90.0, 45.0, 2835.0),
    "FIJI": (-16.8, 180.0, 30.0),
    "ALEUTIANS": (51.9, -179.9, 10.0),
    "QUITO": (0.0, -78.5, 2850.0),
}


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


def skyfield_altaz(timescale, elements, station, seconds):
    """Elevation [deg] and range [m] at `seconds` after START."""
    satellite = EarthSatellite.from_satrec(propagator(elements), timescale)
    latitude, longitude, height = station
    time = timescale.utc(START.year, START.month, START.day, 0, 0, np.asarray(seconds))
    site = wgs84.latlon(latitude, longitude, elevation_m=height)
    altitude, _, distance = (satellite - site).at(time).altaz()
    return altitude.degrees, distance.m


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


# ---------------------------------------------------------------- brute force as oracle


def elevation_deg(ephemeris, station, seconds):
    position, rotation = station_frame(*station)
    line = positions_m(ephemeris, seconds) - position
    east, north, up = rotation @ line.T
    return np.degrees(np.arctan2(up, np.hypot(east, north)))


def bisected(ephemeris, station, limit_deg, low, high):
    """Instants at which the elevation crosses the limit between `low` and `high` (arrays)."""
    rising = elevation_deg(ephemeris, station, high) > limit_deg
    for _ in range(40):
        middle = 0.5 * (low + high)
        above = elevation_deg(ephemeris, station, middle) > limit_deg
        low, high = np.where(above == rising, low, middle), np.where(above == rising, middle, high)
    return 0.5 * (low + high)


def brute_passes(ephemeris, station, limit_deg, length_s):
    """Intervals (n, 2) above the limit from samples each second; hidden turning points by parabolas."""
    seconds = np.arange(0.0, length_s + 0.5)
    height = elevation_deg(ephemeris, station, seconds) - limit_deg
    for side in (-1.0, 1.0):
        # A summit below the limit may reach above it between two samples, a trough above it below.
        left, here, right = side * height[:-2], side * height[1:-1], side * height[2:]
        at = np.flatnonzero((here <= np.minimum(left, right)) & (here > 0) & (here < 0.5)) + 1
        bend = height[at - 1] - 2 * height[at] + height[at + 1]
        shift = 0.5 * (height[at - 1] - height[at + 1]) / np.where(bend == 0.0, np.inf, bend)
        summit = seconds[at] + np.clip(shift, -1.0, 1.0) * np.minimum(np.diff(seconds)[at - 1], np.diff(seconds)[at])
        seconds = np.append(seconds, summit)
        height = np.append(height, elevation_deg(ephemeris, station, summit) - limit_deg)
        order = np.argsort(seconds, kind="stable")
        seconds, height = seconds[order], height[order]
    above = height > 0
    change = np.flatnonzero(above[1:] != above[:-1])
    edges = bisected(ephemeris, station, limit_deg, seconds[change], seconds[change + 1])
    edges = np.concatenate([[0.0][: int(above[0])], edges, [length_s][: int(above[-1])]])
    return edges.reshape(-1, 2)


def assert_same_passes(ephemeris, station, limit_deg, length_s):
    position, rotation = station_frame(*station)
    found = search_passes(ephemeris, position, rotation[2], limit_deg, length_s)
    expected = brute_passes(ephemeris, station, limit_deg, length_s)
    assert len(found) == len(expected)
    assert found[:, [0, 2]] == pytest.approx(expected, abs=2e-3)
    inner = (found[:, [0, 2]] > 0) & (found[:, [0, 2]] < length_s)
    at_edges = elevation_deg(ephemeris, station, found[:, [0, 2]][inner])
    assert at_edges == pytest.approx(np.full(at_edges.size, limit_deg), abs=1e-6)
    for aos, tca, los, sine, nearest in found:
        scan = np.linspace(aos, los, 2001)
        highest = elevation_deg(ephemeris, station, scan).max()
        step_deg = 2 * (los - aos) / 2000
        assert aos <= tca <= los
        summit = np.degrees(np.arcsin(sine))
        assert summit == pytest.approx(elevation_deg(ephemeris, station, np.array([tca]))[0], abs=1e-6)
        assert highest - 1e-5 <= summit <= highest + step_deg
        ranges = np.linalg.norm(positions_m(ephemeris, scan) - position, axis=1)
        assert nearest <= ranges.min() + 1.0  # at an edge: 0.1 ms of motion
        assert nearest == pytest.approx(ranges.min(), rel=1e-3)
    return len(found)


def random_orbit(rng, kind):
    if kind == "geosynchronous":
        motion, eccentricity, inclination = 1.002_738 + rng.normal(0, 0.002), rng.uniform(0, 0.2), rng.uniform(0, 60)
    else:
        perigee_km = rng.uniform(350.0, 1500.0)
        eccentricity = 0.0 if kind == "circular" else rng.uniform(0.02, 0.7)
        semi_major_km = (6378.137 + perigee_km) / (1 - eccentricity)
        motion = 86_400 / (2 * np.pi) * np.sqrt(398_600.4418 / semi_major_km**3)
        inclination = rng.uniform(0.0, 180.0)
    return ElementSet(
        name=kind, catalogue_number=1, epoch=START, mean_motion_rev_day=motion, eccentricity=eccentricity,
        inclination_deg=inclination, raan_deg=rng.uniform(0, 360), argument_of_pericenter_deg=rng.uniform(0, 360),
        mean_anomaly_deg=rng.uniform(0, 360),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["circular", "eccentric", "geosynchronous"])
@pytest.mark.parametrize("seed", range(8))
def test_random_orbits_give_the_passes_of_a_scan_each_second(kind, seed):
    rng = np.random.default_rng([seed, len(kind)])
    length_s = 1.5 * 86_400.0
    ephemeris = make_ephemeris(random_orbit(rng, kind), START, START + timedelta(seconds=length_s))
    random_station = (np.degrees(np.arcsin(rng.uniform(-1, 1))), rng.uniform(-180, 180), rng.uniform(-400, 5000))
    for station in (*STATIONS.values(), random_station):
        for limit_deg in (0.0, 5.0, 20.0, 60.0):
            assert_same_passes(ephemeris, station, limit_deg, length_s)


def test_the_seeded_orbits_do_pass_over_their_stations():
    rng = np.random.default_rng([0, len("circular")])
    ephemeris = make_ephemeris(random_orbit(rng, "circular"), START, START + timedelta(days=1))
    counts = [assert_same_passes(ephemeris, station, 5.0, 86_400.0) for station in STATIONS.values()]
    assert sum(counts) > 10


@pytest.mark.parametrize("margin_deg", [1e-4, 1e-6])
@pytest.mark.parametrize("name", ["SYN EAGLE1-A LTAN2230", "SYN W18-P1-1"])
def test_grazing_passes_are_found_just_below_their_summit_and_not_above(synthetic_sets, name, margin_deg):
    length_s = 2 * 86_400.0
    ephemeris = make_ephemeris(synthetic_sets[name], START, START + timedelta(seconds=length_s))
    grazed = 0
    for station in STATIONS.values():
        position, rotation = station_frame(*station)
        for _, tca, _, sine, _ in search_passes(ephemeris, position, rotation[2], 0.5, length_s)[::3]:
            summit_deg = float(np.degrees(np.arcsin(sine)))
            if not (0.0 < tca < length_s) or summit_deg > 89.0:
                continue
            below = search_passes(ephemeris, position, rotation[2], summit_deg - margin_deg, length_s)
            (short,) = below[(below[:, 0] < tca + 1e-3) & (tca - 1e-3 < below[:, 2])]
            assert 0.0 < short[2] - short[0] < 40.0
            edges = elevation_deg(ephemeris, station, short[[0, 2]])
            assert edges == pytest.approx([summit_deg - margin_deg] * 2, abs=0.01 * margin_deg)
            above = search_passes(ephemeris, position, rotation[2], summit_deg + margin_deg, length_s)
            assert not ((above[:, 0] < tca + 60.0) & (tca - 60.0 < above[:, 2])).any()
            grazed += 1
    assert grazed >= 10


@pytest.mark.parametrize("seed", range(3))
def test_grazing_limits_give_the_passes_of_a_scan(seed):
    rng = np.random.default_rng([7, seed])
    length_s = 86_400.0
    ephemeris = make_ephemeris(random_orbit(rng, "circular"), START, START + timedelta(seconds=length_s))
    for station in STATIONS.values():
        position, rotation = station_frame(*station)
        rows = search_passes(ephemeris, position, rotation[2], 2.0, length_s)
        for summit_deg in np.degrees(np.arcsin(rows[:2, 3])):
            for limit_deg in (summit_deg - 1e-4, summit_deg + 1e-4):
                assert_same_passes(ephemeris, station, float(min(limit_deg, 89.9)), length_s)


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
    position, rotation = station_frame(*station)
    rows = search_passes(ephemeris, position, rotation[2], 20.0, WEEK_S)
    assert rows[:, [0, 2]].tolist() == [[0.0, WEEK_S]]
    assert assert_same_passes(ephemeris, station, 20.0, 86_400.0) == 1


def test_a_geostationary_satellite_behind_the_earth_gives_none():
    ephemeris = make_ephemeris(geostationary(-168.7), START, START + timedelta(days=1))
    position, rotation = station_frame(*STATIONS["DLR-OP"])
    assert search_passes(ephemeris, position, rotation[2], 0.0, 86_400.0).shape == (0, 5)


def test_geostationary_elevation_of_the_textbook():
    # tan(el) = (cos g - R/r) / sin g with g = 48.0848 deg on a spherical Earth (Maral & Bousquet, Satellite
    # Communications Systems, eq. 2.49): 34.7 deg below the station's meridian; the ellipsoid adds 0.1 deg.
    ephemeris = make_ephemeris(geostationary(11.278), START, START + timedelta(days=1))
    position, rotation = station_frame(*STATIONS["DLR-OP"])
    rows = search_passes(ephemeris, position, rotation[2], 20.0, 86_400.0)
    angle = np.radians(48.0848)
    expected = np.degrees(np.arctan2(np.cos(angle) - 6378.137 / 42_164.17, np.sin(angle)))
    assert np.degrees(np.arcsin(rows[0, 3])) == pytest.approx(expected, abs=0.3)


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
    assert list(passes.columns) == list(TABLES["PASSES"].columns)
    assert [str(passes[c].dt.tz) for c in ("aos", "tca", "los")] == ["UTC"] * 3
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
