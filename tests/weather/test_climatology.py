"""The monthly cloud climate: nearest site, interpolation through the year, probability of a window."""

import csv

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.special import logit

from eqci_space.data import data_path
from eqci_space.errors import DataError, TableError
from eqci_space.scenario import Weather
from eqci_space.weather.climatology import (
    _altitude_share,
    _on_a_mountain,
    cloud_cover,
    monthly_cover,
    nearest_climate,
    okta_distribution,
)
from eqci_space.weather.line_of_sight import mean_cloud_free_probability
from eqci_space.weather.outlook import clear_probability

UNREAD = [
    "azimuth_deg",
    "range_rate_m_s",
    "angular_rate_rad_s",
    "sun_separation_deg",
    "moon_elevation_deg",
    "moon_separation_deg",
    "moon_phase_deg",
]


def _monthly(site):
    """The twelve values of a site, read by other means than the package's."""
    with open(data_path("weather", "ogs_cloud_fraction_estimates.csv"), newline="", encoding="utf-8") as file:
        row = next(r for r in csv.DictReader(file) if r["site"] == site)
    return np.array([float(row[f"est_cloud_m{m:02d}"]) for m in range(1, 13)])


def _samples(elevation_deg, start="2027-03-15T22:00:00Z", *, window_id="w", ogs="PQSAT", weight_s=1.0):
    n = len(elevation_deg)
    zeros = dict.fromkeys(UNREAD, 0.0)
    table = {
        "window_id": window_id,
        "satellite": "EAGLE1-LIKE",
        "ogs": ogs,
        "time": pd.date_range(start, periods=n, freq="s"),
        "weight_s": weight_s,
        "elevation_deg": np.asarray(elevation_deg, dtype=float),
        "range_m": 7e5,
        "sun_elevation_deg": -40.0,
        "sunlit": False,
        **zeros,
    }
    return pd.DataFrame(table, index=pd.RangeIndex(n))


def test_nearest_climate_of_warsaw():
    site, distance_km = nearest_climate(52.2297, 21.0122)
    assert site == "Warsaw"
    assert distance_km < 1


@pytest.mark.parametrize(
    ("latitude", "longitude", "site"),
    [
        (48.085, 11.278, "Oberpfaffenhofen"),
        (47.067, 15.493, "Graz Lustbuehel"),
        (49.9, 14.78, "Prague"),
        (28.3, -16.51, "Tenerife (Izana OGS)"),
    ],
)
def test_nearest_climate_of_stations(latitude, longitude, site):
    assert nearest_climate(latitude, longitude)[0] == site


def test_distance_is_that_of_the_great_circle():
    """10 deg of latitude north of Stockholm, the northern edge of the table: 10 · 6371 km · π/180 = 1111.9 km."""
    site, distance_km = nearest_climate(69.33, 18.06)
    assert site in {"Stockholm", "Metsahovi"}
    there = {"Stockholm": (59.33, 18.06), "Metsahovi": (60.22, 24.39)}[site]
    a, b = (
        np.array([np.cos(p) * np.cos(q), np.cos(p) * np.sin(q), np.sin(p)])
        for p, q in (np.radians(there), np.radians((69.33, 18.06)))
    )
    assert_allclose(distance_km, 6371 * np.arccos(a @ b), rtol=1e-9)


@pytest.mark.parametrize("month", range(1, 13))
def test_cover_in_the_middle_of_a_month_is_its_mean(scenario, month):
    """The mean of the day, within 0.007: the middle is known to about a day, and the steepest change is 0.003 a day."""
    middle = pd.date_range(f"2027-{month:02d}-15", periods=24, freq="h", tz="UTC")
    cover = cloud_cover(scenario.stations["PQSAT"], middle).mean()
    assert_allclose(cover, _monthly("Warsaw")[month - 1], atol=7e-3, rtol=0)


def test_cover_between_two_months_lies_half_way(scenario):
    """31 August 2027 is as far from the middle of August as from that of September, within a day."""
    august, september = _monthly("Warsaw")[[7, 8]]
    day = pd.date_range("2027-08-31", periods=24, freq="h", tz="UTC")
    cover = cloud_cover(scenario.stations["PQSAT"], day).mean()
    assert_allclose(cover, (august + september) / 2, atol=4e-3, rtol=0)


def test_cover_runs_on_over_new_year(scenario):
    times = pd.date_range("2027-12-16T12:00:00Z", "2028-01-14T12:00:00Z", freq="h")
    cover = cloud_cover(scenario.stations["PQSAT"], times)
    january, december = _monthly("Warsaw")[[0, 11]]
    assert abs(np.diff(cover)).max() < 0.01
    days = cover[: len(cover) // 24 * 24].reshape(-1, 24).mean(axis=1)
    assert abs(np.diff(days)).max() < 1e-3
    assert ((days >= min(january, december) - 4e-3) & (days <= max(january, december) + 4e-3)).all()


def test_winter_is_cloudier_than_summer_in_the_lowlands(scenario):
    winter, summer = cloud_cover(
        scenario.stations["PQSAT"], pd.DatetimeIndex(["2027-12-15T00:00:00Z", "2027-08-15T00:00:00Z"])
    )
    assert winter > summer + 0.1


def test_cover_far_from_every_site_is_that_of_the_map():
    """Moscow: 0.222 + 0.865 of the map's probability, shaped by the months."""
    with open(data_path("weather", "liquid_cloud_probability_p840.csv"), newline="", encoding="utf-8") as file:
        cell = {(float(r["latitude_deg"]), float(r["longitude_deg"])): float(r["p_liquid_cloud"])
                for r in csv.DictReader(file)}  # fmt: skip
    p = 0.25 * sum(cell[la, lo] for la in (55.0, 56.0) for lo in (37.0, 38.0))
    months, source = monthly_cover(55.5, 37.5)
    assert "P.840" in source
    annual = 1 / (1 + np.exp(-np.mean(np.log(months / (1 - months)))))
    assert_allclose(annual, 0.222 + 0.865 * p, atol=0.01)
    assert months[[11, 0]].mean() > months[[6, 7]].mean()


@pytest.mark.parametrize(("latitude", "longitude"), [(20.0, 10.0), (50.0, 60.0)])
def test_places_outside_the_map_are_refused(latitude, longitude):
    with pytest.raises(DataError, match=r"no cloud climate at .*expected 27 to 72 N"):
        monthly_cover(latitude, longitude)


def test_mountain_above_the_inversion_sees_little_of_the_cloud_below(scenario):
    """Tenerife: 0.22 by ERA5 above the low deck, where the table says 0.38."""
    times = pd.date_range("2027-01-01", "2027-12-31", freq="h", tz="UTC")
    island = scenario.stations["GRAZ"].model_copy(
        update={"latitude_deg": 28.3, "longitude_deg": -16.51, "height_msl_m": 2393.0}
    )
    assert 0.18 < cloud_cover(island, times).mean() < 0.28


def test_northern_summits_have_their_cloud_in_summer_and_the_lowlands_in_winter(scenario):
    """Sonnblick, 3106 m, by ECA&D 2000 to 2009: January 0.57, June 0.75, year 0.68; the valley the other way round."""
    times = pd.date_range("2027-01-01", "2027-12-31T23:00", freq="h", tz="UTC")
    place = {"latitude_deg": 47.05, "longitude_deg": 12.95}
    summit, valley = (
        pd.Series(cloud_cover(scenario.stations["GRAZ"].model_copy(update=place | {"height_msl_m": h}), times))
        .groupby(times.month).mean()
        for h in (3106.0, 900.0)
    )  # fmt: skip
    assert_allclose(summit[[1, 6]], [0.57, 0.75], atol=0.04)
    assert_allclose(summit.mean(), 0.68, atol=0.03)
    assert summit[[6, 7]].mean() > summit[[12, 1]].mean() + 0.1
    assert valley[[6, 7]].mean() < valley[[12, 1]].mean() - 0.05
    assert_allclose(summit.mean(), valley.mean(), atol=0.02)


@pytest.mark.parametrize(
    ("places", "low", "high"),
    [
        ([(52.52, 13.41), (50.11, 8.68), (48.085, 11.278), (51.34, 12.37)], 0.62, 0.75),
        ([(38.72, -9.14), (39.49, 9.25), (35.9, 14.5), (41.9, 12.5)], 0.30, 0.50),
    ],
    ids=["Germany", "Mediterranean"],
)
def test_the_year_lies_in_the_range_of_the_region(places, low, high):
    """German stations 0.65 to 0.72, Lisbon, Sardinia, Malta and Rome 0.42 to 0.46 (CM SAF, ECA&D, ERA5)."""
    for latitude, longitude in places:
        assert low < monthly_cover(latitude, longitude)[0].mean() < high


def test_nights_are_clearer_than_days(scenario):
    """June, Germany: oktas at midnight and at 15 h CET differ by 0.1 of the sky."""
    night, day = cloud_cover(
        scenario.stations["DLR-OP"], pd.DatetimeIndex(["2027-07-15T23:00:00Z", "2027-07-15T14:00:00Z"])
    )
    assert_allclose(day - night, 0.113, atol=0.02)


def test_oktas_are_u_shaped_with_the_mean_of_the_cover():
    """German stations (DWD test reference years): .071 clear and .329 overcast at a mean of .695."""
    pmf = okta_distribution(0.695)
    assert_allclose(pmf.sum(), 1.0, rtol=1e-12)
    assert_allclose(pmf @ np.arange(9) / 8, 0.695, atol=0.005)
    assert pmf[0] > pmf[3] < pmf[8]
    assert_allclose(pmf[[0, 8]], [0.071, 0.329], atol=0.07)
    with pytest.raises(ValueError, match=r"mean_cover = 1\.0"):
        okta_distribution(1.0)


def test_window_probability_is_the_mean_over_its_elevations_weighted_by_time(scenario):
    elevation, weight = np.array([20.0, 60.0, 30.0]), np.array([1.0, 5.0, 2.0])
    samples = _samples(elevation, weight_s=weight)
    cover = cloud_cover(scenario.stations["PQSAT"], pd.DatetimeIndex(samples["time"]))[1]
    clear = mean_cloud_free_probability(float(cover), elevation, seen_from="space")
    p_clear = clear_probability(samples, scenario)
    assert (p_clear.name, p_clear.index.name, list(p_clear.index)) == ("p_clear", "window_id", ["w"])
    assert_allclose(p_clear["w"], (clear * weight).sum() / weight.sum(), rtol=1e-12)


def test_windows_keep_their_order_and_do_not_influence_each_other(scenario):
    first = _samples([30.0, 50.0, 30.0], window_id="z", ogs="GRAZ")
    second = _samples([30.0, 80.0, 30.0], "2027-07-15T22:00:00Z", window_id="a")
    both = clear_probability(pd.concat([first, second]), scenario)
    assert list(both.index) == ["z", "a"]
    assert both["z"] == clear_probability(first, scenario)["z"]
    assert both["a"] == clear_probability(second, scenario)["a"]
    assert ((both > 0.1) & (both < 0.9)).all()


def test_higher_pass_is_likelier_clear(scenario):
    low = clear_probability(_samples([20.0, 25.0, 20.0]), scenario)
    high = clear_probability(_samples([60.0, 85.0, 60.0]), scenario)
    assert high["w"] > low["w"] + 0.02


def test_clear_sky_and_constant_models(scenario):
    samples = _samples([20.0, 25.0, 20.0])
    clear = scenario.model_copy(update={"weather": Weather(model="clear_sky")})
    assert clear_probability(samples, clear)["w"] == 1.0
    for p_clear in (0.0, 0.35):
        constant = scenario.model_copy(update={"weather": Weather(model="constant", p_clear=p_clear)})
        assert clear_probability(samples, constant)["w"] == pytest.approx(p_clear, rel=1e-12)


def test_no_samples_give_an_empty_series(scenario):
    p_clear = clear_probability(_samples([]), scenario)
    assert len(p_clear) == 0
    assert p_clear.index.name == "window_id"


def test_missing_column_is_named(scenario):
    with pytest.raises(TableError, match="clear_probability: SAMPLES lacks 'elevation_deg'"):
        clear_probability(_samples([30.0]).drop(columns="elevation_deg"), scenario)


def test_unknown_station_is_refused(scenario):
    with pytest.raises(TableError, match="NOWHERE"):
        clear_probability(_samples([30.0], ogs="NOWHERE"), scenario)


@pytest.mark.parametrize(("latitude", "longitude"), [(52.2, 35.0), (40.0, -20.0), (64.0, 40.0)])
def test_distance_east_and_west_is_that_of_the_great_circle_too(latitude, longitude):
    table = pd.read_csv(data_path("weather", "ogs_cloud_fraction_estimates.csv"))
    points = [
        np.stack([np.cos(p) * np.cos(q), np.cos(p) * np.sin(q), np.sin(p)])
        for p, q in (
            np.radians(table[["lat_deg", "lon_deg"]].to_numpy().T), np.radians([latitude, longitude])
        )
    ]  # fmt: skip
    distances = 6371 * np.arccos(points[1] @ points[0])
    site, distance_km = nearest_climate(latitude, longitude)
    assert site == table["site"].iloc[int(np.argmin(distances))]
    assert_allclose(distance_km, distances.min(), rtol=1e-9)


def test_the_daily_course_follows_the_sun(scenario):
    """Fifteen degrees of longitude are one hour."""
    flat = scenario.stations["PQSAT"].model_copy(update={"cloud_fraction_by_month": (0.6,) * 12})
    east, west = (flat.model_copy(update={"longitude_deg": degrees}) for degrees in (25.0, 10.0))
    hours = pd.date_range("2027-07-15", periods=24, freq="h", tz="UTC")
    late = cloud_cover(west, hours + pd.Timedelta(hours=1))
    assert_allclose(cloud_cover(east, hours), late, atol=3e-4)
    assert np.ptp(late) > 0.05


@pytest.mark.parametrize(
    ("latitude", "height", "share"),
    [(28.3, 2393.0, 0.55), (36.0, 1500.0, 1 - 0.45 * 0.25), (28.3, 900.0, 1.0), (45.0, 3000.0, 1.0)],
)
def test_share_of_the_cloud_above_the_inversion(latitude, height, share):
    """0.55 (assumed) south of 30 deg above 2000 m, the whole north of 42 deg and below 1000 m, linear between."""
    assert_allclose(_altitude_share(latitude, height), share)


def test_a_summit_half_as_high_above_the_valleys_has_half_the_course_of_the_highest():
    """1000 to 3106 m (Sonnblick), in the logit: at 2053 m one half."""
    flat = np.full(12, 0.6)
    half, whole = (logit(_on_a_mountain(flat, 47.0, h)) - logit(0.6) for h in (2053.0, 3106.0))
    assert_allclose(half, whole / 2, atol=1e-12)
    assert np.ptp(whole) > 0.3
