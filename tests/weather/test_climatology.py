"""The monthly cloud climate: nearest site, interpolation through the year, probability of a window."""

import csv

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from eqci_space.data import data_path
from eqci_space.errors import ModelValidityWarning, TableError
from eqci_space.scenario import Weather
from eqci_space.weather.climatology import clear_probability, cloud_cover, nearest_climate
from eqci_space.weather.line_of_sight import mean_cloud_free_probability

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
    """Within 0.005: a month's middle is known to about a day, and the steepest change is 0.003 a day."""
    middle = pd.DatetimeIndex([f"2027-{month:02d}-15T12:00:00Z"])
    cover = cloud_cover(scenario.stations["PQSAT"], middle)
    assert_allclose(cover, _monthly("Warsaw")[month - 1], atol=5e-3, rtol=0)


def test_cover_between_two_months_lies_half_way(scenario):
    """1 September 2027, 12:00 is as far from the middle of August as from that of September, within a day."""
    august, september = _monthly("Warsaw")[[7, 8]]
    cover = cloud_cover(scenario.stations["PQSAT"], pd.DatetimeIndex(["2027-08-31T18:00:00Z"]))
    assert_allclose(cover, (august + september) / 2, atol=2e-3, rtol=0)


def test_cover_runs_on_over_new_year(scenario):
    times = pd.date_range("2027-12-16T12:00:00Z", "2028-01-14T12:00:00Z", freq="h")
    cover = cloud_cover(scenario.stations["PQSAT"], times)
    january, december = _monthly("Warsaw")[[0, 11]]
    assert abs(np.diff(cover)).max() < 1e-3
    assert ((cover >= min(january, december) - 2e-3) & (cover <= max(january, december) + 2e-3)).all()


def test_winter_is_cloudier_than_summer_in_the_lowlands(scenario):
    winter, summer = cloud_cover(
        scenario.stations["PQSAT"], pd.DatetimeIndex(["2027-12-15T00:00:00Z", "2027-08-15T00:00:00Z"])
    )
    assert winter > summer + 0.1


def test_station_far_from_every_site_warns_with_the_distance(scenario):
    far = scenario.stations["PQSAT"].model_copy(update={"latitude_deg": 56.0, "longitude_deg": 37.0})
    with pytest.warns(ModelValidityWarning, match=r"'PIONIER|'PQSAT'.* km away"):
        cloud_cover(far, pd.DatetimeIndex(["2027-03-01T00:00:00Z"]))


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
        assert clear_probability(samples, constant)["w"] == p_clear


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
