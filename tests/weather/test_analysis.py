"""Joint cloudiness against ten years of daily okta of European stations, diversity, droughts and rankings."""

import csv

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.special import ndtr, ndtri

from eqci_space.data import data_path
from eqci_space.errors import TableError
from eqci_space.weather import analysis
from eqci_space.weather.analysis import (
    availability,
    drought_lengths,
    hourly_availability,
    joint_cloudiness,
    rank_stations,
    site_diversity,
    tetrachoric_correlation,
)
from eqci_space.weather.climatology import cloud_cover
from eqci_space.weather.field import SkyModel, distances_km, latent_correlation, sample_latent, spatial_factors
from eqci_space.weather.line_of_sight import mean_cloud_free_probability


def rows(name):
    with open(data_path("weather", name), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# Observed shares of days of 2005 to 2009 on which all stations have more than three oktas, and what independent
# stations would have (ECA&D, Klein Tank et al. 2002).
OBSERVED = {
    tuple(r["stations"].split("+")): (float(r["p_all_cloudy"]), float(r["p_independent"]))
    for r in rows("ecad_joint_cloudiness.csv") if r["period"] == "2005-2009"
}  # fmt: skip


def monthly(half, stations):
    """Cloudy share by month and station, and the days of each month."""
    table = {(r["station"], int(r["month"])): r for r in rows("ecad_monthly_cloudiness.csv") if r["half"] == half}
    share = np.array([[float(table[s, m]["p_cloudy"]) for s in stations] for m in range(1, 13)])
    return share, np.array([float(table[stations[0], m]["days"]) for m in range(1, 13)])


def measured(half, stations):
    pairs = {
        frozenset((r["a"], r["b"])): float(r["latent_correlation"])
        for r in rows("ecad_latent_correlations.csv") if r["half"] == half
    }  # fmt: skip
    return np.array([[1.0 if a == b else pairs[frozenset((a, b))] for b in stations] for a in stations])


def by_distance(stations):
    place = {r["column"]: (float(r["lat_deg"]), float(r["lon_deg"])) for r in rows("ecad_stations.csv")}
    latitude, longitude = np.array([place[s] for s in stations]).T
    return latent_correlation(distances_km(latitude, longitude), 657.0), latitude, longitude


def of_days(stations):
    """Latent correlation of the default field between stations, of means over a day."""
    distance = distances_km(*by_distance(stations)[1:])
    apart = np.abs(np.arange(24)[:, None] - np.arange(24))
    fast, slow = (share * np.exp(-apart / tau).mean() for share, tau in ((0.672, 9.85), (0.328, 59.7)))
    return (fast * np.exp(-((distance / 337) ** 1.5)) + slow * np.exp(-((distance / 918) ** 1.5))) / (fast + slow)


OF_DEFAULT = [-0.0122, -0.0314, 0.0104, 0.0007, -0.0192]


@pytest.mark.parametrize(
    ("stations", "error"),
    list(zip(OBSERVED, OF_DEFAULT, strict=True)),
    ids=["+".join(x[:3] for x in s) for s in OBSERVED],
)
def test_joint_cloud_of_a_network_is_predicted_from_the_other_half_of_the_record(stations, error):
    """Correlations of 2000 to 2004, shares of 2005 to 2009: within 0.02; an exponential of 657 km within 0.03.

    The default field, fitted without the seasons that these days share, is at most 0.031 away, and below on average.
    """
    observed, independent = OBSERVED[stations]
    share, days = monthly("2005-2009", stations)
    for matrix, tolerance in ((measured("2000-2004", stations), 0.02), (by_distance(stations)[0], 0.03)):
        joint = np.average([joint_cloudiness(p, matrix) for p in share], weights=days)
        assert_allclose(joint, observed, atol=tolerance)
    field = np.average([joint_cloudiness(p, of_days(stations)) for p in share], weights=days)
    assert_allclose(field - observed, error, atol=2e-4)
    alone = np.average(share, weights=days, axis=0).prod()
    assert_allclose(alone, independent, atol=0.002)
    if observed > 0.5 or len(stations) == 6:
        assert observed - alone > 0.1


def test_the_observed_shares_are_those_published():
    """First and last network of the table, all ten years: 0.706 where independence says 0.486, and 0.272, 0.126."""
    table = [r for r in rows("ecad_joint_cloudiness.csv") if r["period"] == "2000-2009"]
    assert len(table) == len(OBSERVED) == 5
    shares = [[float(r["p_all_cloudy"]), float(r["p_independent"])] for r in (table[0], table[-1])]
    assert_allclose(shares, [[0.706, 0.486], [0.272, 0.126]], atol=5e-4)


def test_droughts_of_six_stations_are_as_long_as_observed():
    """Runs of days on which all six are cloudy, 2000 to 2009: 2.06 days on average, 5 at the 95th percentile."""
    stations = list(OBSERVED)[-1]
    share = 0.5 * (monthly("2000-2004", stations)[0] + monthly("2005-2009", stations)[0])
    _, latitude, longitude = by_distance(stations)
    slow = 0.5 * (measured("2000-2004", stations) + measured("2005-2009", stations))
    model = SkyModel(weights=(0.0, 1.0), tau_h=(1.0, 24 / -np.log(0.55)))  # lag-1 latent correlation of daily means
    factors = spatial_factors(latitude, longitude, model, slow=slow)
    days = 3650
    month = np.minimum((np.arange(days) % 365) // 30.4375, 11).astype(int)
    time = np.repeat(np.arange(days) * 24.0, 6)
    latent = sample_latent(time, np.tile(np.arange(6), days), factors, model, trials=6, seed=4).reshape(6, days, 6)
    blocked = latent > -ndtri(share[month])
    runs = drought_lengths(~blocked.all(axis=2))
    observed = next(r for r in rows("ecad_droughts.csv") if r["stations"] == "+".join(stations))
    assert (float(observed["mean_day"]), float(observed["exceeded_5pct_day"])) == (2.06, 5.0)
    assert_allclose(runs.mean(), 2.06, rtol=0.10)
    assert_allclose(np.percentile(runs, 95), 5, atol=1)
    assert_allclose((runs >= 5).mean(), float(observed["share_5_day_or_more"]), atol=0.02)


def pair(rho):
    return np.array([[1.0, rho], [rho, 1.0]])


@pytest.mark.parametrize("rho", [-1.0, -0.999, -0.4, 0.0, 0.3, 0.5, 0.9, 0.999, 1 - 1e-9, 1.0])
def test_two_places_of_one_half_follow_the_arcsine(rho):
    joint = joint_cloudiness(np.array([0.5, 0.5]), pair(rho))
    assert_allclose(joint, 0.25 + np.arcsin(rho) / (2 * np.pi), atol=1e-12)
    assert_allclose(tetrachoric_correlation(0.5, 0.5, joint), rho, atol=1e-7)


MARGINALS = [(0.3, 0.6), (0.05, 0.9), (0.9, 0.9), (0.7, 0.31), (0.999, 0.002), (0.5, 0.5)]


@pytest.mark.parametrize("marginals", MARGINALS)
def test_limits_of_two_places_are_the_bounds_of_frechet(marginals):
    """Alike: the smaller marginal. Independent: their product. Opposed: what is over when both do not fit into 1."""
    p = np.array(marginals)
    assert_allclose(joint_cloudiness(p, pair(1.0)), p.min(), rtol=1e-12)
    assert_allclose(joint_cloudiness(p, pair(0.0)), p.prod(), rtol=1e-10)
    assert_allclose(joint_cloudiness(p, pair(-1.0)), max(0.0, p.sum() - 1), atol=1e-12)


@pytest.mark.parametrize("rho", [-0.999, -0.7, 0.5, 0.95, 0.999])
@pytest.mark.parametrize("marginals", MARGINALS)
def test_two_places_between_the_limits_are_an_integral_over_one_of_them(rho, marginals):
    """By hand: the second place, given the first: ∫ φ(x) Φ((b - ρ x) / √(1 - ρ²)) dx below the limit a."""
    a, b = ndtri(marginals)
    inner = [b / rho] if -38 < b / rho < a else []
    expected, _ = quad(
        lambda x: np.exp(-x * x / 2) / np.sqrt(2 * np.pi) * ndtr((b - rho * x) / np.sqrt(1 - rho**2)),
        -9.0, a, points=inner or None, epsabs=1e-12, limit=500,
    )  # fmt: skip
    assert_allclose(joint_cloudiness(np.array(marginals), pair(rho)), expected, atol=1e-8)
    if 1e-6 < expected < min(marginals) - 1e-6 and expected > max(0.0, sum(marginals) - 1) + 1e-6:
        assert_allclose(tetrachoric_correlation(*marginals, expected), rho, atol=2e-3)


def test_places_that_share_their_sky_count_once():
    """Three alike; two alike beside a third; a pair opposed beside a third; a place that two others determine."""
    assert_allclose(joint_cloudiness(np.array([0.5, 0.5, 0.4]), np.ones((3, 3))), 0.4, rtol=1e-12)
    two = np.array([[1.0, 1.0, 0.6], [1.0, 1.0, 0.6], [0.6, 0.6, 1.0]])
    assert_allclose(joint_cloudiness(np.full(3, 0.5), two), 0.25 + np.arcsin(0.6) / (2 * np.pi), atol=1e-12)
    opposed = np.array([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert_allclose(joint_cloudiness(np.array([0.8, 0.7, 0.4]), opposed), 0.5 * 0.4, atol=1e-9)
    assert joint_cloudiness(np.array([0.4, 0.5, 0.9]), opposed) == 0.0
    root = np.sqrt(0.5)
    drawn = np.random.default_rng(5).standard_normal((2, 400_000))
    drawn = np.vstack([drawn, root * (drawn[0] + drawn[1])])
    sums = np.array([[1.0, 0.0, root], [0.0, 1.0, root], [root, root, 1.0]])
    counted = (drawn < ndtri([0.6, 0.7, 0.5])[:, None]).all(axis=0).mean()
    assert_allclose(joint_cloudiness(np.array([0.6, 0.7, 0.5]), sums), counted, atol=3e-3)


def test_marginals_of_zero_and_one():
    assert joint_cloudiness(np.array([0.0, 0.6]), np.eye(2)) == 0.0
    assert joint_cloudiness(np.array([0.0, 0.6]), np.ones((2, 2))) == 0.0
    assert joint_cloudiness(np.array([1.0, 1.0]), np.eye(2)) == 1.0
    assert joint_cloudiness(np.array([1.0, 1.0]), pair(-1.0)) == 1.0
    assert_allclose(joint_cloudiness(np.array([1.0, 0.6]), np.eye(2)), 0.6, rtol=1e-12)
    assert_allclose(joint_cloudiness(np.array([1.0, 0.6]), pair(-1.0)), 0.6, rtol=1e-12)
    with pytest.raises(ValueError, match=r"p_both = 0\.7"):
        tetrachoric_correlation(0.5, 0.5, 0.7)
    with pytest.raises(ValueError, match="expected up to 12"):
        joint_cloudiness(np.array([0.5, 1.2]), np.eye(2))


def test_a_second_station_at_the_same_place_gains_nothing(scenario):
    graz = scenario.stations["GRAZ"]
    table = site_diversity({"A": graz, "B": graz}, month=4, largest=2).set_index("stations")
    assert_allclose(table.loc["A+B", "p_any_clear"], table.loc["A", "p_any_clear"], rtol=1e-12)
    assert_allclose(table.loc["A+B", "p_all_clear"], table.loc["A", "p_any_clear"], rtol=1e-12)
    assert_allclose(table.loc["A+B", "gain"], 0.0, atol=1e-12)


def test_availability_is_higher_in_summer_and_in_the_range_of_the_climate(scenario):
    table = availability(scenario.stations)
    assert list(table.columns) == list(range(1, 13))
    assert (table[7] > table[12] + 0.1).all()
    assert ((table > 0.12) & (table < 0.6)).all(axis=None)


def test_availability_is_the_mean_of_the_line_of_sight_at_the_hours_given(scenario):
    station = scenario.stations["GRAZ"]
    covers = cloud_cover(station, pd.DatetimeIndex(["2027-05-15T21:00Z", "2027-05-15T23:00Z"]))
    expected = np.mean([mean_cloud_free_probability(float(c), np.array(30.0), seen_from="space") for c in covers])
    table = availability({"GRAZ": station}, elevation_deg=30.0, hours_utc=(21, 23))
    assert_allclose(table.loc["GRAZ", 5], expected, atol=1e-4)


def test_sun_stands_where_the_solstice_puts_it():
    """On 21 June φ - 66.56 deg at midnight and 113.44 - φ at noon, 12 h UTC less 4 min for each degree east."""
    for latitude, longitude in ((48.1, 0.0), (60.2, 24.0), (28.3, -16.5)):
        noon, midnight = analysis._sun_deg(latitude, longitude, 172, np.array([12.0, 24.0]) - longitude / 15)
        assert_allclose([noon, midnight], [113.44 - latitude, latitude - 66.56], atol=0.1)
    assert_allclose(analysis._sun_deg(0.0, 0.0, 80, np.array([6.0, 12.0, 18.0])), [0, 90, 0], atol=2.0)


def test_night_is_where_the_sun_is_down_and_not_where_the_clock_says(scenario):
    """June: of all hours the Canaries have those from 21 to 5 h UTC, and Helsinki's night is its darkest hour, 22 h."""
    for latitude, longitude, hours in ((28.3, -16.5, (21, 22, 23, 0, 1, 2, 3, 4, 5)), (60.2, 24.4, (22,))):
        station = scenario.stations["GRAZ"].model_copy(update={"latitude_deg": latitude, "longitude_deg": longitude})
        found = availability({"A": station}).loc["A", 6]
        assert found == pytest.approx(availability({"A": station}, hours_utc=hours).loc["A", 6], rel=1e-12)


def test_diversity_is_less_than_independence_promises(scenario):
    table = site_diversity(scenario.stations, month=3)
    several = table[table["count"] > 1]
    assert (several["p_any_clear"] < several["p_any_clear_independent"]).all()
    single = table[table["count"] == 1]
    assert_allclose(single["p_any_clear"], single["p_any_clear_independent"])
    best = table.groupby("count")["p_any_clear"].max()
    assert best.is_monotonic_increasing
    assert_allclose(single["gain"], 0.0, atol=1e-12)
    alone = single.set_index("stations")["p_any_clear"]
    pair = table[table["count"] == 2].iloc[0]
    a, b = pair["stations"].split("+")
    assert_allclose(pair["gain"], pair["p_any_clear"] - max(alone[a], alone[b]))
    assert pair["gain"] > 0.05
    # P(A or B) = P(A) + P(B) - P(A and B).
    assert_allclose(pair["p_all_clear"], alone[a] + alone[b] - pair["p_any_clear"], atol=2e-4)
    with pytest.raises(TableError, match="month = 13"):
        site_diversity(scenario.stations, month=13)


def test_hours_of_a_sampled_year_are_as_clear_as_the_climate(scenario):
    times = pd.date_range("2027-01-01", "2027-12-31T23:00", freq="h", tz="UTC")
    clear = hourly_availability(scenario.stations, times, trials=32, rng=1)
    assert clear.shape == (32, 5, len(times))
    night = np.isin(times.hour, (20, 22, 0, 2))
    yearly = availability(scenario.stations, hours_utc=(20, 22, 0, 2)).mean(axis=1).to_numpy()
    assert_allclose(clear[:, :, night].mean(axis=(0, 2)), yearly, atol=0.02)
    assert clear.any(axis=1).mean() > clear.mean(axis=(0, 2)).max() + 0.15
    with pytest.raises(TableError, match="not every hour"):
        hourly_availability(scenario.stations, times[::2], trials=1)


def test_runs_without_a_clear_slot_by_hand():
    flags = np.array([[1, 0, 0, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], dtype=bool)
    assert sorted(drought_lengths(flags)) == [1, 2, 5]


def test_ranking_states_how_sure_it_is(scenario):
    table = rank_stations(scenario.stations)
    assert table["availability"].is_monotonic_decreasing
    assert_allclose(table["availability"], availability(scenario.stations).mean(axis=1)[table.index], atol=2e-3)
    assert_allclose(table["p_best"].sum(), 1.0)
    assert table["p_best"].iloc[0] == table["p_best"].max()
    ahead = table["p_ahead_of_next"].iloc[:-1]
    assert ((ahead >= 0.5 - 1e-6) & (ahead < 1)).all()
    assert 0 < table.attrs["p_order_holds"] < ahead.min()
    sure = rank_stations(scenario.stations, error_logit=1e-6)
    assert sure["p_best"].iloc[0] == sure.attrs["p_order_holds"] == 1.0


def test_order_of_twins_is_chance_and_of_others_what_the_error_leaves(scenario):
    """Twins: one half. Covers of 0.5 and 0.6, logits 0.405 apart, with an error of 0.2: Φ(0.405 / 0.2√2) = 0.924."""
    graz = scenario.stations["GRAZ"]
    clear, cloudy = (graz.model_copy(update={"cloud_fraction_by_month": (c,) * 12}) for c in (0.5, 0.6))
    twins = rank_stations({"A": clear, "B": clear})
    assert_allclose(twins["p_ahead_of_next"].iloc[0], 0.5, atol=1e-6)
    assert_allclose(twins.attrs["p_order_holds"], 0.5, atol=0.02)
    table = rank_stations({"worse": cloudy, "better": clear}, error_logit=0.2)
    assert list(table.index) == ["better", "worse"]
    assert_allclose(table["p_ahead_of_next"].iloc[0], 0.924, atol=0.003)
    assert_allclose([table["p_best"].iloc[0], table.attrs["p_order_holds"]], 0.924, atol=0.011)
