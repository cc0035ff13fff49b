"""What limits a station besides the night: horizon mask, keep-outs of Sun and Moon, maintenance, dates of a place.

Every pass is scanned every 0.05 s, with directions to the satellite from Skyfield, to Sun and Moon from Astropy.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import astropy.units as u
import erfa
import numpy as np
import pytest
from astropy.coordinates import AltAz, EarthLocation, get_body, solar_system_ephemeris
from astropy.time import Time
from scipy.interpolate import CubicSpline
from skyfield.api import EarthSatellite, wgs84

from eqci_space.ogs.sampling import sample_windows
from eqci_space.ogs.sites import station_table
from eqci_space.ogs.windows import observable_windows
from eqci_space.orbits.earth import seconds_from
from eqci_space.orbits.elements import propagator
from eqci_space.orbits.ephemeris import ephemerides, positions_m, satellite_elements
from eqci_space.orbits.passes import find_passes
from eqci_space.scenario import Closure, StationPosition

SCAN_S = 0.05
# Scan and search agree to one step of the scan; edges of the search are good to 0.25 ms.
TOLERANCE_S = SCAN_S + 1e-3


@pytest.fixture(scope="module")
def scenario(plain):
    return plain


def with_station(scenario, station, **changes):
    """The scenario with this one station, which ignores the Sun unless told otherwise."""
    changed = station.model_copy(update={"sun_max_elevation_deg": 90.0, **changes})
    return scenario.model_copy(update={"stations": {"GRAZ": changed}})


class Scan:
    """Elevation, azimuth [deg] and direction (east, north, up) of the satellite every 0.05 s of each pass."""

    def __init__(self, scenario, station, timescale):
        self.scenario, self.station = scenario, station
        self.lit = with_station(scenario, station)
        self.passes = find_passes(self.lit)
        satellite = EarthSatellite.from_satrec(
            propagator(satellite_elements(scenario.satellites[0], scenario)), timescale
        )
        self.site = wgs84.latlon(station.latitude_deg, station.longitude_deg, station.height_ellipsoid_m)
        midnight = scenario.start.replace(hour=0)
        aos, los = (seconds_from(midnight, self.passes[edge]) for edge in ("aos", "los"))
        self.midnight = midnight
        self.times = [np.arange(a, b, SCAN_S) for a, b in zip(aos, los, strict=True)]
        # Skyfield every second and a cubic spline between: the direction turns by at most 0.02 rad/s, so the spline
        # is good to 0.02^4/384 rad = 0.4 nrad.
        nodes = [np.arange(t[0] - 2.0, t[-1] + 3.0) for t in self.times]
        clock = timescale.utc(midnight.year, midnight.month, midnight.day, 0, 0, np.concatenate(nodes))
        altitude, azimuth, distance = (satellite - self.site).at(clock).altaz()
        line = unit(altitude.degrees, azimuth.degrees) * distance.km[:, None]
        lines = np.split(line, np.cumsum([len(n) for n in nodes])[:-1])
        self.lines = [CubicSpline(n, way)(t) for n, way, t in zip(nodes, lines, self.times, strict=True)]
        self.lines = [way / np.linalg.norm(way, axis=1)[:, None] for way in self.lines]
        self.elevation = [np.degrees(np.arcsin(way[:, 2])) for way in self.lines]
        self.azimuth = [np.degrees(np.arctan2(way[:, 0], way[:, 1])) % 360.0 for way in self.lines]

    def windows(self, **changes):
        return observable_windows(self.passes, with_station(self.scenario, self.station, **changes))

    def parts(self, windows, number):
        """Windows of a pass as (n, 2) seconds after midnight."""
        mine = windows[windows["pass_id"] == self.passes.index[number]]
        return np.column_stack([seconds_from(self.midnight, mine[edge]) for edge in ("start", "end")])


def unit(elevation_deg, azimuth_deg):
    elevation, azimuth = np.radians(elevation_deg), np.radians(azimuth_deg)
    return np.stack(
        [np.cos(elevation) * np.sin(azimuth), np.cos(elevation) * np.cos(azimuth), np.sin(elevation)], axis=-1
    )


@pytest.fixture(scope="module")
def scan(scenario, timescale):
    return Scan(scenario, scenario.stations["GRAZ"].model_copy(update={"min_elevation_deg": 5.0}), timescale)


@pytest.fixture(scope="module")
def zenith_scan(scenario, timescale):
    """A station right under the satellite's path: at the point below it 30 s after a rising pass' culmination."""
    graz = scenario.stations["GRAZ"].model_copy(update={"min_elevation_deg": 5.0})
    passes = find_passes(with_station(scenario, graz))
    seconds = (passes["tca"].iloc[3].to_pydatetime() - scenario.start).total_seconds() + 30.0
    orbit = ephemerides(scenario, scenario.start, scenario.end)["EAGLE1-LIKE"]
    longitude, latitude, _ = erfa.gc2gd(1, positions_m(orbit, np.array([seconds]))[0])
    below = graz.model_copy(update={
        "latitude_deg": float(np.degrees(latitude)), "longitude_deg": float(np.degrees(longitude))
    })  # fmt: skip
    return Scan(scenario, below, timescale)


def runs(times, holds):
    """Intervals of a scan in which a flag holds."""
    steps = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]]).astype(int)))
    return np.column_stack([times[steps[::2]], times[steps[1::2] - 1]])


def mask_deg(mask, azimuth_deg):
    """Elevation of the mask at azimuths: straight lines between rows, the last joined to the first through north."""
    rows = np.array(mask)
    around = np.concatenate([rows + np.array([turn, 0.0]) for turn in (-360.0, 0.0, 360.0)])
    return np.interp(azimuth_deg, around[:, 0], around[:, 1])


def assert_windows_are_the_runs(scan, windows, holds):
    """Windows equal the runs of the scan, edge by edge; runs about as short as the shortest window may lack."""
    matched = 0
    for number, times in enumerate(scan.times):
        found, expected = scan.parts(windows, number), runs(times, holds[number])
        found, expected = (x[np.ptp(x, axis=1) > 1.0 + 2 * TOLERANCE_S] for x in (found, expected))
        assert found.shape == expected.shape, scan.passes.index[number]
        assert np.abs(found - expected).max(initial=0.0) < TOLERANCE_S
        matched += len(found)
    return matched


def random_mask(seed, rows=8, top=60.0):
    rng = np.random.default_rng(seed)
    return tuple(zip(np.sort(rng.uniform(0, 360, rows)), rng.uniform(0, top, rows), strict=True))


MASKS = {
    **{f"random {seed}": random_mask(seed) for seed in range(6)},
    "many rows": random_mask(7, rows=72, top=35.0),
    "hill across north": ((10.0, 30.0), (40.0, 0.0), (320.0, 0.0), (350.0, 30.0)),
    "hill at north itself": ((0.0, 45.0), (25.0, 2.0), (335.0, 2.0)),
    "one row": ((123.0, 33.0),),
    "two rows": ((90.0, 5.0), (270.0, 50.0)),
    "steps": ((89.9, 0.0), (90.0, 40.0), (180.0, 40.0), (180.1, 10.0), (269.9, 10.0), (270.0, 25.0)),
    # Two degrees wide: even at 80 deg, where the azimuth turns by 6 deg/s, each takes several steps of the scan.
    "posts": tuple((a + b, 80.0 * (abs(b) == 1.0)) for a in range(5, 360, 30) for b in (-1.2, -1.0, 1.0, 1.2)),
}


@pytest.mark.parametrize("name", MASKS)
def test_windows_equal_a_scan_of_elevation_above_the_mask(scan, name):
    mask = MASKS[name]
    above = [e > mask_deg(mask, a) for e, a in zip(scan.elevation, scan.azimuth, strict=True)]
    assert len(scan.passes) > 25
    assert not all(a.all() for a in above)  # the mask takes something away
    assert assert_windows_are_the_runs(scan, scan.windows(horizon_mask=mask), above) > 5


@pytest.mark.parametrize("name", ["random 0", "random 4", "hill at north itself", "steps", "posts", "two rows"])
def test_windows_equal_the_scan_when_the_satellite_crosses_the_zenith(zenith_scan, name):
    # Near the zenith the azimuth turns by half a circle in a second.
    highest = zenith_scan.passes["max_elevation_deg"].max()
    assert highest > 89.9
    mask = MASKS[name]
    above = [e > mask_deg(mask, a) for e, a in zip(zenith_scan.elevation, zenith_scan.azimuth, strict=True)]
    assert assert_windows_are_the_runs(zenith_scan, zenith_scan.windows(horizon_mask=mask), above) > 5


def test_a_hill_at_culmination_splits_a_pass_in_two_windows(scan):
    number = int(np.argmin(np.abs(scan.passes["max_elevation_deg"].to_numpy() - 40.0)))
    top = np.argmax(scan.elevation[number])
    middle = float(scan.azimuth[number][top])
    rows = sorted([((middle - 8) % 360, 0.0), (middle, 60.0), ((middle + 8) % 360, 0.0)])
    windows = scan.windows(horizon_mask=tuple(rows))
    mine = windows[windows["pass_id"] == scan.passes.index[number]]
    assert mine.index.tolist() == [f"{scan.passes.index[number]}/1", f"{scan.passes.index[number]}/2"]
    assert mine["truncated"].all()
    row = scan.passes.iloc[number]
    assert mine["start"].iloc[0] == row["aos"]
    assert mine["end"].iloc[1] == row["los"]
    assert mine["end"].iloc[0] < row["tca"] < mine["start"].iloc[1]


def test_a_mask_below_the_minimum_elevation_changes_nothing(scan):
    plain = scan.windows()
    masked = scan.windows(horizon_mask=((0.0, 4.9), (90.0, 0.0), (180.0, 4.5)))
    assert masked.equals(plain)
    assert not plain["truncated"].any()


def test_a_mask_above_every_pass_leaves_no_window(scan):
    assert len(scan.windows(horizon_mask=((0.0, 89.99),))) == 0


def test_a_mask_above_every_pass_and_a_keep_out_leave_no_window(scan):
    assert len(scan.windows(horizon_mask=((0.0, 89.99),), sun_keep_out_deg=10.0)) == 0


def test_a_keep_out_of_the_whole_sky_leaves_no_window(scan):
    assert len(scan.windows(sun_keep_out_deg=179.9)) == 0
    assert len(scan.windows(moon_keep_out_deg=179.9)) == 0


def test_a_flat_mask_is_a_minimum_elevation(scan):
    # Passes above 25 deg are found by their own search, whose edges are good to a microsecond.
    masked = scan.windows(horizon_mask=((200.0, 25.0),))
    other = find_passes(scan.lit, min_elevation_deg=25.0)
    assert len(masked) == len(other) > 5
    for mine, theirs in (("start", "aos"), ("end", "los")):
        apart_s = (masked[mine].to_numpy() - other[theirs].to_numpy()) / np.timedelta64(1, "s")
        assert np.abs(apart_s).max() < 3e-4  # half the smallest part of the search, 0.25 ms


# ---------------------------------------------------------------- keep-outs


@pytest.fixture(scope="module")
def bodies(scan):
    """Directions (east, north, up) of Sun and Moon at the scan's times, from Astropy every 20 s."""
    import astropy_iers_data
    from astropy.utils import iers

    station = scan.station
    site = EarthLocation.from_geodetic(
        station.longitude_deg * u.deg, station.latitude_deg * u.deg, station.height_ellipsoid_m * u.m
    )
    table = iers.IERS_A.open(astropy_iers_data.IERS_A_FILE)
    found = {"sun": [], "moon": []}
    with (
        iers.conf.set_temp("auto_download", False), iers.earth_orientation_table.set(table),
        solar_system_ephemeris.set("builtin"),
    ):  # fmt: skip
        nodes = [np.linspace(t[0], t[-1], max(4, int(np.ptp(t) / 20))) for t in scan.times]
        clock = Time(scan.midnight) + np.concatenate(nodes) * u.s
        for body, directions in found.items():
            seen = get_body(body, clock, site).transform_to(AltAz(obstime=clock, location=site))
            there = np.split(unit(seen.alt.deg, seen.az.deg), np.cumsum([len(n) for n in nodes])[:-1])
            for at, way, times in zip(nodes, there, scan.times, strict=True):
                directions.append(CubicSpline(at, way)(times))
    return found


@pytest.mark.parametrize(
    ("body", "limit_deg"), [("sun", 30.0), ("sun", 75.0), ("sun", 120.0), ("moon", 15.0), ("moon", 60.0)]
)
def test_no_window_comes_nearer_to_sun_or_moon_than_the_keep_out(scan, bodies, body, limit_deg):
    windows = scan.windows(**{f"{body}_keep_out_deg": limit_deg})
    # Sun and Moon of the package are good to 0.4 and 8 arcsec; the search adds 0.25 ms of at most 1.1 deg/s.
    tolerance_deg = 3e-3
    inner_edges = 0
    for number, times in enumerate(scan.times):
        cosine = np.einsum("ij,ij->i", scan.lines[number], bodies[body][number])
        away_deg = np.degrees(np.arccos(np.clip(cosine, -1, 1))) - limit_deg
        found = scan.parts(windows, number)
        inside = ((times[:, None] >= found[:, 0]) & (times[:, None] < found[:, 1])).any(axis=1)
        assert away_deg[inside].min(initial=0.0) > -tolerance_deg
        outside = np.ptp(runs(times, ~inside), axis=1)
        if len(outside) and outside.max() > 1.1:  # shorter rests are windows that were too short
            assert away_deg[~inside].max(initial=0.0) < max(tolerance_deg, 1.1)
            assert np.median(away_deg[~inside]) < tolerance_deg
        for edge in found.ravel():
            if times[0] + 0.1 < edge < times[-1] - 0.1:
                assert np.interp(edge, times, away_deg) == pytest.approx(0.0, abs=tolerance_deg)
                inner_edges += 1
    assert inner_edges > 3


@pytest.mark.parametrize(("body", "limit_deg"), [("sun", 75.0), ("moon", 60.0)])
def test_the_samples_of_windows_keep_away_as_well(scan, body, limit_deg):
    limited = with_station(scan.scenario, scan.station, **{f"{body}_keep_out_deg": limit_deg})
    windows = observable_windows(scan.passes, limited)
    samples = sample_windows(windows, limited, step_s=0.5)
    nearest = samples.groupby("window_id")[f"{body}_separation_deg"].min()
    assert nearest.min() > limit_deg
    cut = windows["truncated"]
    # The first sample stands 0.25 s inside; the satellite moves by at most 1.1 deg/s as seen from the ground.
    assert nearest[cut[cut].index].max() < limit_deg + 0.3
    assert cut.sum() > 3


def test_both_keep_outs_and_the_mask_hold_together(scan):
    limits = {"horizon_mask": MASKS["random 2"], "sun_keep_out_deg": 75.0, "moon_keep_out_deg": 60.0}
    alone = [scan.windows(**{key: value}) for key, value in limits.items()]
    both = scan.windows(**limits)
    kept_s = 0.0
    for number, times in enumerate(scan.times):
        flags = [
            ((times[:, None] >= p[:, 0]) & (times[:, None] < p[:, 1])).any(axis=1)
            for p in (scan.parts(w, number) for w in [*alone, both])
        ]
        expected = np.logical_and.reduce(flags[:3])
        # They may differ at edges by one step, and where two limits leave less than a second.
        assert (expected != flags[3]).sum() <= 60
        kept_s += flags[3].sum() * SCAN_S
    assert kept_s > 1000.0


# ---------------------------------------------------------------- maintenance


def closure(start, end, reason=""):
    return Closure(start=start, end=end, reason=reason)


@pytest.fixture(scope="module")
def usual(scan):
    return scan.windows()


def test_a_closure_inside_a_window_cuts_it_in_two(scan, usual):
    row = usual.iloc[4]
    start = (row["start"] + timedelta(seconds=60)).to_pydatetime()
    end = start + timedelta(seconds=40.5)
    cut = scan.windows(maintenance=(closure(start, end),))
    mine = cut[cut["pass_id"] == row["pass_id"]]
    assert mine.index.tolist() == [f"{row['pass_id']}/1", f"{row['pass_id']}/2"]
    assert mine["start"].tolist() == [row["start"], end]
    assert mine["end"].tolist() == [start, row["end"]]
    assert mine["truncated"].all()
    assert cut[cut["pass_id"] != row["pass_id"]].equals(usual.drop(index=row.name))


def test_unordered_overlapping_closures_act_as_their_union(scan, usual):
    row = usual.iloc[6]
    at = [(row["start"] + timedelta(seconds=s)).to_pydatetime() for s in (-10, 20, 30, 50, 80, 100)]
    closures = (closure(at[3], at[4]), closure(at[0], at[1]), closure(at[2], at[4]), closure(at[2], at[3]))
    cut = scan.windows(maintenance=closures)
    mine = cut[cut["pass_id"] == row["pass_id"]]
    assert mine["start"].tolist() == [at[1], at[4]]
    assert mine["end"].tolist() == [at[2], row["end"]]


def test_a_closure_of_the_period_leaves_nothing_and_one_elsewhere_changes_nothing(scan, usual):
    assert len(scan.windows(maintenance=(closure(scan.scenario.start, scan.scenario.end),))) == 0
    later = closure(scan.scenario.end + timedelta(days=1), scan.scenario.end + timedelta(days=2))
    assert scan.windows(maintenance=(later,)).equals(usual)


def test_closures_hold_beside_night_mask_and_dates(scenario):
    # By set arithmetic: what is open with all limits is what is open with each of them.
    graz = scenario.stations["GRAZ"]
    passes = find_passes(scenario.model_copy(update={"stations": {"GRAZ": graz}}))
    night = observable_windows(passes, scenario)
    row = night[night["ogs"] == "GRAZ"].iloc[2]
    middle = (row["start"] + (row["end"] - row["start"]) / 2).to_pydatetime()
    changed = graz.model_copy(update={
        "maintenance": (closure(middle, middle + timedelta(hours=2)),), "valid_from": middle - timedelta(seconds=30),
        "horizon_mask": ((0.0, 10.0),),
    })  # fmt: skip
    found = observable_windows(passes, scenario.model_copy(update={"stations": {"GRAZ": changed}}))
    assert found["start"].iloc[0] == middle - timedelta(seconds=30)
    assert found["end"].iloc[0] == middle


def test_a_rest_shorter_than_a_second_is_no_window(scan, usual):
    row = usual.iloc[4]
    start, end = row["start"].to_pydatetime(), row["end"].to_pydatetime()
    for rest_s, expected in ((0.999, 0), (1.001, 1)):
        left = closure(start + timedelta(seconds=rest_s), end)
        cut = scan.windows(maintenance=(left,))
        assert (cut["pass_id"] == row["pass_id"]).sum() == expected


# ---------------------------------------------------------------- mobile stations

WARSAW, POZNAN = (52.2297, 21.0122), (52.4069, 16.9299)
MOVES = [datetime(2027, 3, d, 12, tzinfo=UTC) for d in (1, 4, 5, 8)]


def place(where, start, end, node):
    return StationPosition(
        latitude_deg=where[0], longitude_deg=where[1], height_ellipsoid_m=130.0, height_msl_m=90.0, valid_from=start,
        valid_to=end, node=node,
    )  # fmt: skip


@pytest.fixture(scope="module")
def moving(scenario):
    """The mobile Polish station at Warsaw for three days, a day on the road, and at Poznan for three."""
    positions = (place(POZNAN, MOVES[2], MOVES[3], "POZ"), place(WARSAW, MOVES[0], MOVES[1], "WAW"))
    changes = {"positions": positions, "min_elevation_deg": 10.0, "sun_max_elevation_deg": 90.0}
    station = scenario.stations["PQSAT"].model_copy(update=changes)
    return scenario.model_copy(update={"stations": {"PQSAT": station}})


def fixed(moving, where):
    station = moving.stations["PQSAT"].model_copy(update={
        "positions": (), "latitude_deg": where[0], "longitude_deg": where[1], "height_ellipsoid_m": 130.0,
        "height_msl_m": 90.0,
    })  # fmt: skip
    return moving.model_copy(update={"stations": {"PQSAT": station}})


def test_a_mobile_station_has_one_dated_row_per_position(moving):
    sites = station_table(moving)
    assert sites.index.tolist() == ["PQSAT", "PQSAT"]
    assert sites["valid_from"].tolist() == [MOVES[0], MOVES[2]]
    assert sites["valid_to"].tolist() == [MOVES[1], MOVES[3]]
    assert list(zip(sites["latitude_deg"], sites["longitude_deg"], strict=True)) == [WARSAW, POZNAN]
    assert [(p.y, p.x) for p in sites.geometry] == [WARSAW, POZNAN]
    assert sites["node"].tolist() == ["WAW", "POZ"]
    assert sites["attach"].tolist() == ["colocated", "colocated"]


def test_a_mobile_station_sees_what_fixed_ones_see_in_its_dates(moving):
    passes = find_passes(moving)
    windows = observable_windows(passes, moving)
    samples = sample_windows(windows, moving, step_s=10.0)
    count = 0
    for where, start, end in ((WARSAW, *MOVES[:2]), (POZNAN, *MOVES[2:])):
        there = fixed(moving, where)
        expected = find_passes(there, start=start, end=end)
        mine = passes[(passes["aos"] >= start) & (passes["los"] <= end)]
        assert mine.index.tolist() == expected.index.tolist()
        # Both searches begin at other times; roots are good to 10 ns, and time stamps to a microsecond.
        for column in ("aos", "los"):
            assert ((mine[column] - expected[column]).abs() <= timedelta(microseconds=2)).all()
        other = sample_windows(observable_windows(expected, there), there, step_s=10.0)
        same = samples[(samples["time"] >= start) & (samples["time"] < end)].reset_index(drop=True)
        for column in ("elevation_deg", "azimuth_deg", "range_m"):
            assert same[column].to_numpy() == pytest.approx(other[column].to_numpy(), rel=1e-6)
        count += len(mine)
    assert count == len(passes) > 20
    assert len(windows) == len(passes)


def test_a_mobile_station_does_not_observe_on_the_road(moving):
    passes = find_passes(moving)
    inside = ((passes["aos"] >= MOVES[0]) & (passes["los"] <= MOVES[1])) | (passes["aos"] >= MOVES[2])
    assert inside.all()
    on_the_road = find_passes(fixed(moving, WARSAW), start=MOVES[1], end=MOVES[2])
    assert len(on_the_road) > 2  # there would have been passes
    assert len(observable_windows(on_the_road, moving)) == 0


@pytest.mark.parametrize(("where", "start"), [(WARSAW, MOVES[0]), (POZNAN, MOVES[2])])
def test_directions_are_those_of_skyfield_from_the_right_place(moving, timescale, where, start):
    samples = sample_windows(observable_windows(find_passes(moving), moving), moving, step_s=20.0)
    mine = samples[(samples["time"] >= start) & (samples["time"] < start + timedelta(days=3))]
    satellite = EarthSatellite.from_satrec(propagator(satellite_elements(moving.satellites[0], moving)), timescale)
    midnight = moving.start.replace(hour=0)
    seconds = seconds_from(midnight, mine["time"])
    clock = timescale.utc(midnight.year, midnight.month, midnight.day, 0, 0, seconds)
    altitude, azimuth, distance = (satellite - wgs84.latlon(*where, 130.0)).at(clock).altaz()
    assert len(mine) > 100
    # A place 280 km away would differ by degrees.
    assert mine["elevation_deg"].to_numpy() == pytest.approx(altitude.degrees, abs=1e-4)
    turn = (mine["azimuth_deg"].to_numpy() - azimuth.degrees + 180) % 360 - 180
    assert np.abs(turn * np.cos(altitude.radians)).max() < 1e-4
    assert mine["range_m"].to_numpy() == pytest.approx(distance.m, abs=1.0)


def test_a_move_in_the_middle_of_a_pass_cuts_it_there(scenario, moving):
    row = find_passes(fixed(moving, WARSAW)).sort_values("max_elevation_deg").iloc[-1]
    moment = row["tca"].round("s").to_pydatetime()
    positions = (
        place(WARSAW, moment - timedelta(days=1), moment, "WAW"),
        place(POZNAN, moment, moment + timedelta(days=1), "POZ"),
    )
    station = moving.stations["PQSAT"].model_copy(update={"positions": positions})
    moved = moving.model_copy(update={"stations": {"PQSAT": station}})
    passes = find_passes(moved)
    before, after = passes[passes["los"] == moment], passes[passes["aos"] == moment]
    assert (len(before), len(after)) == (1, 1)
    assert before["truncated"].all()
    assert after["truncated"].all()
    windows = observable_windows(passes, moved)
    assert windows.index.is_unique
    assert windows.loc[windows["end"] == moment, "pass_id"].tolist() == before.index.tolist()
    samples = sample_windows(windows, moved)
    assert samples["elevation_deg"].min() > 10.0 - 1e-3


def test_samples_of_windows_on_the_road_are_refused(moving):
    from eqci_space.errors import TableError

    everywhere = fixed(moving, WARSAW)
    windows = observable_windows(find_passes(everywhere), everywhere)
    with pytest.raises(TableError, match="a window lies outside the dates of the mobile station 'PQSAT'"):
        sample_windows(windows, moving)
