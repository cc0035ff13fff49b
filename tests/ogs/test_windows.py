"""Observable windows and their geometry: night, station dates, Skyfield and Astropy as oracles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import AltAz, EarthLocation, get_body, solar_system_ephemeris
from astropy.time import Time
from skyfield.api import EarthSatellite, wgs84

from eqci_space.data import data_path
from eqci_space.errors import TableError
from eqci_space.files.csv_rows import keyed_rows
from eqci_space.ogs.sampling import sample_windows
from eqci_space.ogs.windows import night_intervals, observable_windows, sun_elevation_deg
from eqci_space.orbits.earth import seconds_from
from eqci_space.orbits.elements import propagator
from eqci_space.orbits.ephemeris import satellite_elements
from eqci_space.orbits.passes import find_passes
from eqci_space.orbits.sky import make_sky
from eqci_space.tables import TABLES, check_table


def changed_station(scenario, ogs="DLR-OP", **changes):
    """The scenario with this one station only, changed."""
    return scenario.model_copy(update={"stations": {ogs: scenario.stations[ogs].model_copy(update=changes)}})


def from_day(scenario, start, days):
    return scenario.model_copy(update={"start": start, "end": start + timedelta(days=days)})


@pytest.fixture(scope="module")
def passes(scenario):
    return find_passes(scenario)


@pytest.fixture(scope="module")
def windows(passes, scenario):
    return observable_windows(passes, scenario)


@pytest.fixture(scope="module")
def samples(windows, scenario):
    return sample_windows(windows, scenario, step_s=7.0)


# ---------------------------------------------------------------- night


@pytest.mark.parametrize("limit_deg", [0.0, -0.833, -10.0, -18.0])
@pytest.mark.parametrize("ogs", ["DLR-OP", "PQSAT"])
def test_the_sun_stands_at_the_limit_at_each_edge_of_the_night(scenario, ogs, limit_deg):
    station, length_s = scenario.stations[ogs], 7 * 86_400.0
    sky = make_sky(scenario.start, scenario.end)
    nights = night_intervals(sky, station, length_s, limit_deg)
    assert len(nights) == 7
    assert sun_elevation_deg(sky, station, nights.ravel()) == pytest.approx(np.full(14, limit_deg), abs=1e-4)
    assert (sun_elevation_deg(sky, station, nights[:, 0] + 30) < limit_deg).all()
    assert (sun_elevation_deg(sky, station, nights[:, 1] + 30) > limit_deg).all()
    scan = np.arange(0.0, length_s, 30.0)
    inside = ((scan[:, None] >= nights[:, 0]) & (scan[:, None] < nights[:, 1])).any(axis=1)
    assert (inside == (sun_elevation_deg(sky, station, scan) < limit_deg)).all()


def test_nights_begin_when_astropy_sees_the_sun_at_the_limit(scenario, astropy_orientation):
    station = scenario.stations["GRAZ"]
    nights = night_intervals(make_sky(scenario.start, scenario.end), station, 7 * 86_400.0, -12.0)
    times = Time(scenario.start) + nights.ravel() * u.s
    assert astropy_altaz("sun", station, times)[0] == pytest.approx(np.full(nights.size, -12.0), abs=1e-3)


def test_a_period_by_day_has_no_night_and_one_by_night_is_whole(scenario):
    station = scenario.stations["DLR-OP"]
    for hour, expected in ((9, []), (22, [[0.0, 3600.0]])):
        start = datetime(2027, 3, 3, hour, tzinfo=UTC)
        sky = make_sky(start, start + timedelta(hours=1))
        assert night_intervals(sky, station, 3600.0, -10.0).tolist() == expected


def astropy_altaz(body, station, times):
    """Elevation and azimuth [deg] without refraction from Astropy's built-in ephemeris."""
    site = EarthLocation.from_geodetic(
        station.longitude_deg * u.deg, station.latitude_deg * u.deg, station.height_ellipsoid_m * u.m
    )
    with solar_system_ephemeris.set("builtin"):
        seen = get_body(body, times, site).transform_to(AltAz(obstime=times, location=site))
    return seen.alt.deg, seen.az.deg


# ---------------------------------------------------------------- windows


def test_the_table_fulfils_its_contract(passes, windows):
    assert check_table(windows, "WINDOWS", "test") is windows
    assert 0 < len(windows) < len(passes)
    assert windows["start"].is_monotonic_increasing
    assert set(windows["pass_id"]) <= set(passes.index)
    assert all(w == f"{p}/1" for w, p in windows["pass_id"].items())


def test_windows_lie_inside_their_passes_and_inside_the_night(scenario, passes, windows):
    joined = windows.join(passes[["aos", "los", "satellite", "ogs"]].add_suffix("_pass"), on="pass_id")
    assert (joined["start"] >= joined["aos_pass"]).all()
    assert (joined["end"] <= joined["los_pass"]).all()
    assert (joined["satellite"] == joined["satellite_pass"]).all()
    assert (joined["ogs"] == joined["ogs_pass"]).all()
    sky = make_sky(scenario.start, scenario.end)
    for ogs, group in windows.groupby("ogs"):
        start, end = (seconds_from(scenario.start, group[c]) for c in ("start", "end"))
        scan = start[:, None] + (end - start)[:, None] * np.linspace(0.0, 1.0, 50)
        elevation = sun_elevation_deg(sky, scenario.stations[ogs], scan.ravel())
        assert elevation.max() <= -10.0 + 1e-5


def test_no_night_part_of_a_pass_is_left_out(scenario, passes, windows):
    sky = make_sky(scenario.start, scenario.end)
    for pass_id, row in passes.iterrows():
        aos, los = ((t - scenario.start).total_seconds() for t in (row["aos"], row["los"]))
        scan = np.linspace(aos, los, 2001)[:-1]
        dark = sun_elevation_deg(sky, scenario.stations[row["ogs"]], scan) < -10.0
        mine = windows[windows["pass_id"] == pass_id]
        length_s = (mine["end"] - mine["start"]).dt.total_seconds().sum()
        assert length_s == pytest.approx(dark.mean() * (los - aos), abs=1.0)


def test_a_pass_across_the_edge_of_the_night_is_cut_there(scenario, passes):
    row = passes.sort_values("max_elevation_deg").iloc[-1]
    station = scenario.stations[row["ogs"]]
    sky = make_sky(scenario.start, scenario.end)
    limit = float(sun_elevation_deg(sky, station, seconds_from(scenario.start, pd.DatetimeIndex([row["tca"]])))[0])
    alone = passes.loc[[row.name]]
    limited = changed_station(scenario, row["ogs"], sun_max_elevation_deg=limit)
    (window,) = observable_windows(alone, limited).itertuples()
    assert window.truncated
    cut = window.end if window.start == row["aos"] else window.start
    assert abs(cut - row["tca"]) < timedelta(seconds=0.05)
    assert (window.start == row["aos"]) != (window.end == row["los"])


def test_whole_night_passes_keep_their_times_and_are_not_truncated(passes, windows):
    joined = windows.join(passes[["aos", "los"]], on="pass_id")
    whole = (joined["start"] == joined["aos"]) & (joined["end"] == joined["los"])
    assert whole.sum() > 10
    assert (joined["truncated"] == ~whole).all()


def test_a_window_of_a_pass_cut_by_the_period_is_truncated(scenario, windows):
    cut_pass = windows[~windows["truncated"]].iloc[0]
    middle = (cut_pass["start"] + (cut_pass["end"] - cut_pass["start"]) / 2).to_pydatetime()
    late = find_passes(scenario, start=middle).query("truncated")
    assert cut_pass["ogs"] in set(late["ogs"])
    assert observable_windows(late, scenario)["truncated"].all()


@pytest.mark.parametrize(
    ("start", "latitude_deg", "kept"),
    [
        (datetime(2027, 6, 15, 12, tzinfo=UTC), 90.0, False),
        (datetime(2026, 12, 15, 12, tzinfo=UTC), 90.0, True),
        (datetime(2026, 12, 15, 12, tzinfo=UTC), -90.0, False),
        (datetime(2027, 6, 15, 12, tzinfo=UTC), -90.0, True),
    ],
)
def test_polar_day_gives_no_window_and_polar_night_the_whole_pass(scenario, start, latitude_deg, kept):
    polar = changed_station(from_day(scenario, start, 2), latitude_deg=latitude_deg)
    found = find_passes(polar)
    # A sun-synchronous satellite at 500 km culminates at 68 deg over the poles in each of its 15.2 turns a day.
    assert len(found) in (30, 31)
    seen = observable_windows(found, polar)
    if not kept:
        assert len(seen) == 0
        assert seen.index.name == "window_id"
        return
    assert seen["pass_id"].tolist() == found.index.tolist()
    assert (seen["start"].to_numpy() == found["aos"].to_numpy()).all()
    assert (seen["end"].to_numpy() == found["los"].to_numpy()).all()
    geometry = sample_windows(seen, polar, step_s=30.0)
    assert np.isfinite(geometry.drop(columns=["window_id", "satellite", "ogs", "time"]).to_numpy(dtype=float)).all()
    assert geometry["elevation_deg"].between(20.0, 90.0).all()


def test_station_dates_cut_windows(scenario, windows):
    usual = windows[windows["ogs"] == "GRAZ"]
    first, last = usual.iloc[1], usual.iloc[-2]
    opened = (first["start"] + (first["end"] - first["start"]) / 2).to_pydatetime()
    closed = (last["start"] + (last["end"] - last["start"]) / 3).to_pydatetime()
    dated = changed_station(scenario, "GRAZ", valid_from=opened, valid_to=closed)
    found = observable_windows(find_passes(dated), dated)
    assert found["pass_id"].tolist() == usual["pass_id"].tolist()[1:-1]
    acquired = opened + timedelta(seconds=scenario.stations["GRAZ"].receiver.acquisition_s)
    assert found["start"].iloc[0] == acquired
    assert found["end"].iloc[-1] == closed
    assert found["truncated"].iloc[[0, -1]].tolist() == [True, True]
    assert found["end"].iloc[0] == first["end"]
    assert found["start"].iloc[-1] == last["start"]


@pytest.mark.parametrize(
    "dates",
    [
        {"valid_from": datetime(2028, 1, 1, tzinfo=UTC)},
        {"valid_to": datetime(2027, 1, 1, tzinfo=UTC)},
        {"valid_from": datetime(2027, 3, 4, 12, tzinfo=UTC), "valid_to": datetime(2027, 3, 4, 12, 1, tzinfo=UTC)},
    ],
)
def test_a_station_that_stands_elsewhere_has_no_window(scenario, dates):
    dated = changed_station(scenario, "GRAZ", **dates)
    assert len(observable_windows(find_passes(dated), dated)) == 0


def test_no_passes_give_an_empty_table_with_the_contract(scenario):
    empty = find_passes(scenario.model_copy(update={"satellites": ()}))
    seen = observable_windows(empty, scenario)
    assert (len(seen), seen.index.name) == (0, "window_id")
    assert set(TABLES["WINDOWS"].columns) <= set(seen.columns)
    geometry = sample_windows(seen, scenario)
    assert len(geometry) == 0
    assert set(TABLES["SAMPLES"].columns) <= set(geometry.columns)


def test_the_given_tables_are_not_changed(scenario, passes, windows):
    passes_before, windows_before = passes.copy(deep=True), windows.copy(deep=True)
    observable_windows(passes, scenario)
    sample_windows(windows, scenario, step_s=60.0)
    pd.testing.assert_frame_equal(passes, passes_before)
    pd.testing.assert_frame_equal(windows, windows_before)


def test_an_unknown_station_or_satellite_raises(scenario, passes, windows):
    with pytest.raises(TableError, match=r"observable_windows: station 'GRATZ' is not .* did you mean 'GRAZ'"):
        observable_windows(passes.replace({"ogs": {"GRAZ": "GRATZ"}}), scenario)
    with pytest.raises(TableError, match=r"sample_windows: station 'GRATZ'"):
        sample_windows(windows.replace({"ogs": {"GRAZ": "GRATZ"}}), scenario)
    with pytest.raises(TableError, match=r"sample_windows: satellite 'EAGLE-X' is not .* did you mean 'EAGLE1-LIKE'"):
        sample_windows(windows.assign(satellite="EAGLE-X"), scenario)


@pytest.mark.parametrize("step_s", [0.0, -1.0, float("nan")])
def test_a_step_that_is_not_positive_raises(scenario, windows, step_s):
    with pytest.raises(TableError, match=r"sample_windows: step_s"):
        sample_windows(windows, scenario, step_s=step_s)


# ---------------------------------------------------------------- samples


@pytest.mark.parametrize("step_s", [0.7, 1.0, 45.0, 5000.0])
def test_weights_add_up_to_the_windows(scenario, windows, step_s):
    some = windows.iloc[:5]
    geometry = sample_windows(some, scenario, step_s=step_s)
    length_s = (some["end"] - some["start"]).dt.total_seconds()
    grouped = geometry.groupby("window_id")
    assert grouped["weight_s"].sum()[some.index].to_numpy() == pytest.approx(length_s.to_numpy(), abs=1e-5)
    assert geometry["weight_s"].max() <= step_s
    assert grouped.size()[some.index].tolist() == np.ceil(length_s / step_s).astype(int).tolist()
    half = pd.to_timedelta(grouped["weight_s"].first()[some.index] / 2, unit="s")
    assert ((grouped["time"].min()[some.index] - some["start"] - half).abs() < timedelta(microseconds=3)).all()
    assert ((some["end"] - grouped["time"].max()[some.index] - half).abs() < timedelta(microseconds=3)).all()


@pytest.fixture(scope="module")
def skyfield_geometry(scenario, samples, timescale):
    """Elevation, azimuth [deg], range [m] from Skyfield at the samples, shifted by any seconds."""
    satellite = EarthSatellite.from_satrec(propagator(satellite_elements(scenario.satellites[0], scenario)), timescale)
    midnight = scenario.start.replace(hour=0)

    def at(ogs, shift_s=0.0):
        station = scenario.stations[ogs]
        site = wgs84.latlon(station.latitude_deg, station.longitude_deg, elevation_m=station.height_ellipsoid_m)
        seconds = seconds_from(midnight, samples.loc[samples["ogs"] == ogs, "time"]) + shift_s
        seen = (satellite - site).at(timescale.utc(midnight.year, midnight.month, midnight.day, 0, 0, seconds))
        altitude, azimuth, distance = seen.altaz()
        return altitude.degrees, azimuth.degrees, distance.m

    return at


STATIONS = ["DLR-OP", "DLR-TRAUEN", "GRAZ", "PQSAT", "ONDREJOV"]


@pytest.mark.parametrize("ogs", STATIONS)
def test_geometry_equals_skyfield(samples, skyfield_geometry, ogs):
    mine = samples[samples["ogs"] == ogs]
    altitude, azimuth, distance = skyfield_geometry(ogs)
    assert len(mine) > 100
    assert mine["elevation_deg"].to_numpy() == pytest.approx(altitude, abs=1e-4)
    turn = (mine["azimuth_deg"].to_numpy() - azimuth + 180.0) % 360.0 - 180.0
    assert np.abs(turn * np.cos(np.radians(altitude))).max() < 1e-4
    assert mine["azimuth_deg"].between(0.0, 360.0, inclusive="left").all()
    assert mine["range_m"].to_numpy() == pytest.approx(distance, abs=1.0)


@pytest.mark.parametrize("ogs", STATIONS)
def test_range_rate_equals_a_finite_difference_of_skyfield(samples, skyfield_geometry, ogs):
    mine = samples.loc[samples["ogs"] == ogs, "range_rate_m_s"].to_numpy()
    ahead, behind = skyfield_geometry(ogs, 0.05)[2], skyfield_geometry(ogs, -0.05)[2]
    # The range's third derivative, at most 3 m/s³ in a close pass, rounds a difference over 0.1 s by 0.002 m/s; the
    # package's interpolation and Skyfield's microsecond time stamps (7.6 km/s · 1 us / 0.1 s = 0.08 m/s) add the rest.
    assert mine == pytest.approx((ahead - behind) / 0.1, abs=0.1)
    assert mine.min() < -3000.0
    assert mine.max() > 3000.0


@pytest.mark.parametrize("ogs", STATIONS)
def test_angular_rate_equals_a_finite_difference_of_skyfield(samples, skyfield_geometry, ogs):
    mine = samples.loc[samples["ogs"] == ogs, "angular_rate_rad_s"].to_numpy()
    lines = []
    for shift_s in (0.25, -0.25):
        altitude, azimuth, _ = (np.radians(v) for v in skyfield_geometry(ogs, shift_s))
        east, north = np.cos(altitude) * np.sin(azimuth), np.cos(altitude) * np.cos(azimuth)
        lines.append(np.column_stack([east, north, np.sin(altitude)]))
    swept = 2 * np.arcsin(np.linalg.norm(lines[0] - lines[1], axis=1) / 2)
    assert mine == pytest.approx(swept / 0.5, rel=1e-3)


@pytest.mark.parametrize(("body", "tolerance_deg"), [("sun", 1e-3), ("moon", 0.01)])
@pytest.mark.parametrize("ogs", ["GRAZ", "PQSAT"])
def test_sun_and_moon_equal_astropy(samples, scenario, astropy_orientation, ogs, body, tolerance_deg):
    mine = samples[samples["ogs"] == ogs].iloc[::5]
    times = Time(mine["time"].dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype(str).tolist())
    altitude, azimuth = astropy_altaz(body, scenario.stations[ogs], times)
    assert mine[f"{body}_elevation_deg"].to_numpy() == pytest.approx(altitude, abs=tolerance_deg)
    expected = separation_deg(altitude, azimuth, mine["elevation_deg"], mine["azimuth_deg"])
    assert mine[f"{body}_separation_deg"].to_numpy() == pytest.approx(expected, abs=tolerance_deg)


def test_phase_of_the_moon_is_the_supplement_of_its_elongation(samples, scenario, astropy_orientation):
    mine = samples[samples["ogs"] == "GRAZ"].iloc[::5]
    times = Time(mine["time"].dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype(str).tolist())
    sun, moon = (astropy_altaz(body, scenario.stations["GRAZ"], times) for body in ("sun", "moon"))
    # The Sun is 390 times as far as the Moon, so the phase angle is the supplement within 0.15 deg.
    elongation = separation_deg(*sun, *moon)
    assert mine["moon_phase_deg"].to_numpy() == pytest.approx(180.0 - elongation, abs=0.01)


def separation_deg(altitude, azimuth, other_altitude, other_azimuth):
    a, b = (np.radians(np.asarray(v, dtype=float)) for v in (altitude, other_altitude))
    turn = np.radians(np.asarray(azimuth, dtype=float) - np.asarray(other_azimuth, dtype=float))
    across = np.hypot(np.cos(b) * np.sin(turn), np.cos(a) * np.sin(b) - np.sin(a) * np.cos(b) * np.cos(turn))
    return np.degrees(np.arctan2(across, np.sin(a) * np.sin(b) + np.cos(a) * np.cos(b) * np.cos(turn)))


@pytest.mark.parametrize(
    ("day", "phase_deg"), [(datetime(2027, 3, 8, tzinfo=UTC), 180.0), (datetime(2027, 3, 22, tzinfo=UTC), 0.0)]
)
def test_phase_is_zero_at_full_moon(scenario, day, phase_deg):
    # Phases of the Moon (USNO): new moon 2027-03-08 09:29 UTC, full moon 2027-03-22 10:44 UTC. Within half a
    # day of either, the phase differs by up to 7 deg and the Moon's latitude by up to 5 deg.
    dated = from_day(scenario, day, 1)
    geometry = sample_windows(observable_windows(find_passes(dated), dated), dated, step_s=60.0)
    assert len(geometry) > 0
    assert geometry["moon_phase_deg"].to_numpy() == pytest.approx(np.full(len(geometry), phase_deg), abs=12.0)


def test_a_satellite_at_2230_is_lit_in_high_summer_and_dark_in_midwinter_nights(scenario):
    # By hand: at local midnight the Earth's shadow over 48 N is 500 km high at the station when the Sun stands
    # acos(6378 / 6878) = 22 deg below the horizon. In June it reaches 18.5 deg, in December 65 deg.
    lit = {}
    for month in (6, 12):
        year = 2027 if month == 6 else 2026
        dated = changed_station(from_day(scenario, datetime(year, month, 18, tzinfo=UTC), 6), min_elevation_deg=60.0)
        geometry = sample_windows(observable_windows(find_passes(dated), dated), dated, step_s=10.0)
        steep = geometry[geometry["elevation_deg"] > 60.0]
        assert len(steep) > 5
        lit[month] = steep["sunlit"].mean()
        assert (steep["sunlit"] == (steep["sun_elevation_deg"] > -22.0)).mean() > 0.8
    assert lit == {6: 1.0, 12: 0.0}


# ---------------------------------------------------------------- local time of the node


# Measured independently with a plain SGP4 loop in steps of 10 s: 500 km sun-synchronous, 14 days from 1 January and
# 1 June 2027, elevation above 20 deg, night with the Sun below -12 deg. Passes a day in any light, least and most over
# the local times; passes a day with a part in the night, January and June, by LTAN; printed to one digit.
LTAN_PASSES = {
    "DLR-OP": ((2.4, 2.6), {18.0: (1.1, 0.0), 22.5: (1.2, 0.9), 12.0: (1.3, 1.2)}),
    "HELMOS": ((2.0, 2.1), {18.0: (0.7, 0.0), 22.5: (1.0, 1.1), 12.0: (1.0, 1.1)}),
    "METSAHOVI": ((3.3, 3.6), {18.0: (1.9, 0.0), 22.5: (1.7, 0.0), 12.0: (1.7, 0.0)}),
}
LTAN_NIGHT_S = {18.0: (251.0, 0.0), 22.5: (289.0, 211.0), 12.0: (293.0, 288.0)}  # seconds a day over DLR-OP
HALF_A_DIGIT = 0.05


@pytest.fixture(scope="module", params=[1, 6], ids=["January", "June"])
def fortnight(scenario, request):
    """Column of the table above, and passes and windows of its satellites, named by LTAN, over its stations."""
    catalogue = keyed_rows(data_path("sites", "euroqci.csv"), "ogs")
    place = ("latitude_deg", "longitude_deg", "height_ellipsoid_m")
    limits = {"min_elevation_deg": 20.0, "sun_max_elevation_deg": -12.0}
    stations = {
        ogs: scenario.stations["DLR-OP"].model_copy(update=limits | {key: float(catalogue[ogs][key]) for key in place})
        for ogs in LTAN_PASSES
    }
    first, start = scenario.satellites[0], datetime(2027, request.param, 1, tzinfo=UTC)
    satellites = tuple(
        first.model_copy(update={"name": str(h), "orbit": first.orbit.model_copy(update={"ltan_h": h, "epoch": start})})
        for h in LTAN_NIGHT_S
    )
    dated = from_day(scenario, start, 14)
    dated = dated.model_copy(update={"stations": stations, "satellites": satellites})
    seen = find_passes(dated)
    return (1, 6).index(request.param), seen, observable_windows(seen, dated)


@pytest.mark.parametrize("ltan_h", LTAN_NIGHT_S)
@pytest.mark.parametrize("ogs", LTAN_PASSES)
def test_passes_a_day_by_local_time_of_the_node(fortnight, ogs, ltan_h):
    column, passes, windows = fortnight
    (least, most), by_ltan = LTAN_PASSES[ogs]
    passes, windows = (t[(t["ogs"] == ogs) & (t["satellite"] == str(ltan_h))] for t in (passes, windows))
    assert least - HALF_A_DIGIT <= len(passes) / 14 <= most + HALF_A_DIGIT
    assert windows["pass_id"].nunique() / 14 == pytest.approx(by_ltan[ltan_h][column], rel=0.1, abs=HALF_A_DIGIT)


@pytest.mark.parametrize("ltan_h", LTAN_NIGHT_S)
def test_night_seconds_a_day_by_local_time_of_the_node(fortnight, ltan_h):
    column, _, windows = fortnight
    seen = windows[(windows["ogs"] == "DLR-OP") & (windows["satellite"] == str(ltan_h))]
    seconds = (seen["end"] - seen["start"]).dt.total_seconds().sum() / 14
    assert seconds == pytest.approx(LTAN_NIGHT_S[ltan_h][column], rel=0.1)


def test_windows_that_dusk_opens_begin_when_the_satellite_is_acquired(scenario):
    """A satellite that rises is acquired below the station's lowest elevation; the others lose 40 s at their start."""
    first = scenario.satellites[0]
    evening = first.model_copy(update={"orbit": first.orbit.model_copy(update={"ltan_h": 20.0})})
    scenario = scenario.model_copy(update={"satellites": (evening,)})
    passes = find_passes(scenario)
    stations = {
        name: s.model_copy(update={"receiver": s.receiver.model_copy(update={"acquisition_s": 40.0})})
        for name, s in scenario.stations.items()
    }
    at_once = {
        name: s.model_copy(update={"receiver": s.receiver.model_copy(update={"acquisition_s": 0.0})})
        for name, s in scenario.stations.items()
    }
    late, early = (observable_windows(passes, scenario.model_copy(update={"stations": s})) for s in (stations, at_once))
    both = late.join(early[["start", "end"]].add_suffix("_early"), how="left")
    rises = passes.loc[both["pass_id"], "aos"].to_numpy() == both["start_early"].to_numpy()
    shift = (both["start"] - both["start_early"]).dt.total_seconds().to_numpy()
    assert (shift[rises] == 0).all()
    np.testing.assert_allclose(shift[~rises], 40.0, atol=1e-5)
    assert 0 < np.count_nonzero(~rises) < len(rises)
    assert (both["end"] == both["end_early"]).all()
