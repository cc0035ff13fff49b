"""Sampled skies over candidates: marginals, parts of contacts, cirrus, shifts, and the ends of probability."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.special import eval_hermitenorm, gammaln, ndtri
from scipy.stats import multivariate_normal, norm

from eqci_space.errors import TableError
from eqci_space.scenario import Weather
from eqci_space.weather import skies
from eqci_space.weather.field import SkyModel
from eqci_space.weather.forecast import cloud_quantile
from eqci_space.weather.skies import SkySamples, cirrus_share, sample_sky, shared_skies

DB = 10 / np.log(10)


def cloudy(sky):
    """Whether any part of a contact is."""
    return (sky.blocked_share > 0) | (sky.extra_loss_db > 0)


def without_cirrus(scenario, **weather):
    return scenario.model_copy(update={"weather": Weather(cirrus_share=0.0, **weather)})


def minutes(*rows):
    """Candidates from (window, station, first minute, last minute, optional: p_clear), on one evening."""
    begin = pd.Timestamp("2027-03-01T20:00Z")
    return pd.DataFrame([
        {"window_id": window, "ogs": ogs, "start": begin + pd.Timedelta(minutes=first),
         "end": begin + pd.Timedelta(minutes=last), "p_clear": more[0] if more else 0.5}
        for window, ogs, first, last, *more in rows
    ])  # fmt: skip


@pytest.fixture(scope="module")
def candidates(study):
    return study.candidates


def test_share_of_clear_looks_is_the_probability_of_the_candidate(candidates, scenario):
    """20,000 trials: four standard errors are at most 0.013."""
    candidates = candidates.iloc[::8]
    clear = 1 - sample_sky(candidates, without_cirrus(scenario), trials=20_000, rng=1).blocked_share.mean(axis=0)
    assert_allclose(clear, candidates["p_clear"], atol=0.014)


def test_cirrus_is_the_stated_share_of_cloud_and_costs_its_optical_depth(candidates, scenario):
    """Median 0.25 at an elevation between 20 and 90 deg: 1.09 dB over the sine."""
    thin = scenario.model_copy(update={"weather": Weather(cirrus_share=0.4)})
    sky = sample_sky(candidates, thin, trials=4000, rng=2)
    share = (sky.extra_loss_db > 0).sum() / cloudy(sky).sum()
    assert_allclose(share, 0.4, atol=0.01)
    assert not ((sky.blocked_share > 0) & (sky.extra_loss_db > 0)).any()
    loss = sky.extra_loss_db[sky.extra_loss_db > 0]
    assert DB * 0.25 < np.median(loss) < DB * 0.25 / np.sin(np.radians(20))
    assert loss.max() <= DB * 3.0 / np.sin(np.radians(5)) + 1e-3
    none = scenario.model_copy(update={"weather": Weather(cirrus_share=0.0)})
    assert not sample_sky(candidates, none, trials=100, rng=2).extra_loss_db.any()


def test_cirrus_is_most_of_the_cloud_in_the_south_that_it_is():
    assert_allclose(cirrus_share(np.array([35.0, 45.0, 60.0])), [0.35, 0.225, 0.10])


def test_neighbours_in_space_and_time_share_their_sky(candidates, scenario):
    """The same station and night twice, and Prague's neighbour, more often alike than chance; a week later not."""
    first = candidates.iloc[[0]]
    table = pd.concat([
        first.assign(window_id=str(wait), start=first["start"] + wait, end=first["end"] + wait)
        for wait in (pd.Timedelta(0), pd.Timedelta("90min"), pd.Timedelta("20D"))
    ])  # fmt: skip
    flags = cloudy(sample_sky(table, scenario, trials=20_000, rng=3)).astype(float)
    correlation = np.corrcoef(flags.T)
    assert correlation[0, 1] > 0.3
    assert abs(correlation[0, 2]) < 0.03


def test_whoever_looks_from_a_station_at_a_time_sees_one_sky(scenario):
    """Parts of a window and another satellite, twice the same half minute; another station or hour sees another."""
    table = minutes(
        ("a", "PQSAT", 0, 1 / 3),
        ("b", "PQSAT", 0, 1 / 3),
        ("b", "PQSAT", 4, 9),
        ("c", "ONDREJOV", 0, 1 / 3),
        ("d", "PQSAT", 60, 60 + 1 / 3),
    )
    thin = scenario.model_copy(update={"weather": Weather(cirrus_share=0.4)})
    sky = sample_sky(table, thin, trials=4000, rng=7)
    for values in (sky.blocked_share, sky.extra_loss_db):
        assert (values[:, 0] == values[:, 1]).all()
        assert (values[:, [0, 0]] != values[:, [3, 4]]).any(axis=0).all()
    assert 0 < sky.blocked_share[:, 0].mean() < 1
    assert (sky.extra_loss_db[:, 0] > 0).any()
    thin_here = (sky.extra_loss_db > 0)[:, [0, 2]]
    assert not ((sky.blocked_share[:, [2, 0]] > 0) & thin_here).any()


@pytest.mark.parametrize("length_min", [5, 20])
def test_cloud_blocks_quarters_of_a_contact_as_the_memory_of_a_gap_says(scenario, monkeypatch, length_min):
    """Half covered: all four looks are clear with the orthant probability of their correlations.

    Looks at 0.18, 0.40, 0.60 and 0.82 of the contact, told apart to 20 s; 0.399 of 5 minutes, 0.31 of 20. Two halves:
    their middles are clear together as the arcsine says. 100,000 trials, 0.006 are four standard errors.
    """
    constant = without_cirrus(scenario, model="constant", p_clear=0.5)
    monkeypatch.setattr(skies, "_fractions", lambda known, *rest: np.full((100_000, 1), 0.5))
    table = minutes(("a", "PQSAT", 0, length_min))
    share = sample_sky(table, constant, trials=100_000, rng=12).blocked_share[:, 0]
    looks_s = np.floor(np.array([0.18, 0.40, 0.60, 0.82]) * length_min * 60 / 20) * 20
    rho = np.exp(-np.abs(looks_s[:, None] - looks_s) / 3600 / 0.33)
    every = multivariate_normal(np.zeros(4), rho).cdf(np.zeros(4))
    assert_allclose((share == 0).mean(), every, atol=0.006)
    assert_allclose((share == 1).mean(), every, atol=0.006)
    assert_allclose(share.mean(), 0.5, atol=0.006)
    assert set(np.unique(share)) == {0.0, 0.25, 0.5, 0.75, 1.0}
    pairs = [np.arcsin(rho[i, j]) / (2 * np.pi) + 0.25 for i in range(4) for j in range(i)]
    clear = 4 * (1 - share)
    assert_allclose((clear * (clear - 1) / 2).mean(), sum(pairs), atol=0.03)


def test_a_veil_over_part_of_a_contact_costs_its_part_of_the_decibels(scenario, monkeypatch):
    constant = scenario.model_copy(update={"weather": Weather(model="constant", p_clear=0.5, cirrus_share=1.0)})
    monkeypatch.setattr(skies, "_fractions", lambda known, *rest: np.full((4000, 2), 0.5))
    monkeypatch.setattr(skies, "_CIRRUS_SPREAD", 0.0)
    table = minutes(("a", "PQSAT", 0, 30), ("b", "GRAZ", 0, 30))
    sky = sample_sky(table, constant, trials=4000, rng=13)
    assert not sky.blocked_share.any()
    whole_db = sky.extra_loss_db.max(axis=0)
    assert_allclose(whole_db, DB * 0.25, rtol=1e-5)  # a chance equal to what the cover leaves is that of the zenith
    steps = np.unique(np.round(sky.extra_loss_db / whole_db, 5))
    assert_allclose(steps, [0, 0.25, 0.5, 0.75, 1])


def test_less_likely_of_two_windows_that_overlap_is_clear_only_with_the_other(scenario):
    """One state of the sky, two elevations: 0.15 is clear in a part of the trials in which 0.25 is."""
    table = minutes(("a", "PQSAT", 2, 7, 0.25), ("b", "PQSAT", 2, 7, 0.15))
    flags = sample_sky(table, without_cirrus(scenario), trials=20_000, rng=8).blocked_share
    assert_allclose(1 - flags.mean(axis=0), [0.25, 0.15], atol=0.013)
    assert not (flags[:, 0] > flags[:, 1]).any()


@pytest.mark.parametrize("apart", [5, 20, 60])
def test_gaps_of_a_fixed_cloud_fraction_follow_the_arcsine(scenario, monkeypatch, apart):
    """Half covered, two contacts at one station: both are clear in 1/4 + asin(e^(-t/20 min))/2π of the trials.

    0.312 after 20 minutes; 100,000 trials, 0.006 are four standard errors.
    """
    constant = scenario.model_copy(update={"weather": Weather(model="constant", p_clear=0.5)})
    monkeypatch.setattr(skies, "_fractions", lambda known, *rest: np.full((100_000, 2), 0.5))
    table = minutes(("a", "PQSAT", 0, 1 / 3), ("b", "PQSAT", apart, apart + 1 / 3))
    clear = ~cloudy(sample_sky(table, constant, trials=100_000, rng=9))
    rho = np.exp(-apart / 60 / SkyModel().gap_tau_h)
    assert SkyModel().gap_tau_h == 0.33
    assert_allclose(clear.mean(axis=0), 0.5, atol=0.006)
    assert_allclose(clear.all(axis=1).mean(), 0.25 + np.arcsin(rho) / (2 * np.pi), atol=0.006)


@pytest.mark.parametrize("tau_h", [1e9, 1e-9])
def test_field_and_gap_add_to_the_memory_of_a_line_of_sight(scenario, tau_h):
    """Two contacts 20 minutes apart under a field that stays or is new at once; the gap keeps e^(-1/0.99) of its own.

    At a chance of a half the fraction s is the cover seen upwards. Both are clear with Φ₂(h, h'; ρ), h = Φ⁻¹(1 - s),
    expanded in ρ (Mehler) and averaged over the latent field: one integral, or the product of two.
    """
    constant = scenario.model_copy(update={"weather": Weather(model="constant", p_clear=0.5)})
    table = minutes(("a", "PQSAT", 0, 1 / 3), ("b", "PQSAT", 20, 20 + 1 / 3))
    model = SkyModel(tau_h=(tau_h, tau_h))
    clear = ~cloudy(sample_sky(table, constant, trials=100_000, rng=10, model=model))
    z = np.linspace(-6, 6, 4001)
    weight = norm.pdf(z) * (z[1] - z[0])
    chance = np.clip(1 - cloud_quantile(z, 0.5), 1e-15, 1 - 1e-15)
    h, orders = ndtri(chance), np.arange(1, 31)
    rows = [chance, *(eval_hermitenorm(n - 1, h) * norm.pdf(h) / np.exp(gammaln(n + 1) / 2) for n in orders)]
    power = np.exp(-20 / 60 / 0.33) ** np.arange(31)
    if tau_h > 1:
        expected = sum(p * (row**2 * weight).sum() for p, row in zip(power, rows, strict=True))
    else:
        expected = sum(p * (row * weight).sum() ** 2 for p, row in zip(power, rows, strict=True))
    assert_allclose(clear.all(axis=1).mean(), expected, atol=0.007)


def test_chain_of_overlaps_splits_after_half_an_hour():
    """Six windows, each over the next: the fifth begins 32 minutes after the first, and a sky of its own."""
    table = minutes(*((str(k), "PQSAT", 8 * k, 8 * k + 10) for k in range(6)))
    assert shared_skies(table).tolist() == [0, 0, 0, 0, 1, 1]
    assert shared_skies(table.iloc[::-1]).tolist() == [1, 1, 0, 0, 0, 0]
    touching = minutes(("a", "PQSAT", 0, 10), ("b", "PQSAT", 10, 20))
    assert shared_skies(touching).tolist() == [0, 1]


def test_rows_of_one_window_share_their_sky_and_other_stations_never_do():
    """Parts 40 minutes apart, and a window of another satellite between them; the same times elsewhere."""
    table = minutes(
        ("a", "PQSAT", 0, 5),
        ("a", "PQSAT", 40, 45),
        ("b", "PQSAT", 20, 25),
        ("c", "GRAZ", 0, 45),
        ("d", "GRAZ", 44, 50),
    )
    number = shared_skies(table)
    assert len({*number[:3]}) == 1
    assert number[3] != number[0]
    assert number[4] not in number[:4]
    alone = shared_skies(table.drop(columns="window_id"))
    assert len({*alone[:3]}) == 3


def test_a_cloudier_climate_blocks_more(candidates, scenario):
    shape = (4000, len(candidates))
    usual, cloudier = (
        cloudy(sample_sky(candidates, scenario, trials=4000, rng=4, cover_logit_shift=np.full(shape, shift))).mean()
        for shift in (0.0, 0.5)
    )
    assert 0.06 < cloudier - usual < 0.14


def test_certain_probabilities_stay_certain(candidates, scenario):
    table = candidates.iloc[:2].assign(p_clear=[0.0, 1.0])
    flags = cloudy(sample_sky(table, scenario, trials=500, rng=5))
    assert flags[:, 0].all()
    assert not flags[:, 1].any()


def test_clear_and_constant_weather(candidates, scenario):
    clear = scenario.model_copy(update={"weather": Weather(model="clear_sky")})
    assert not cloudy(sample_sky(candidates, clear, trials=10, rng=1)).any()
    constant = without_cirrus(scenario, model="constant", p_clear=0.7)
    share = sample_sky(candidates.iloc[::8].assign(p_clear=0.7), constant, trials=20_000, rng=1).blocked_share
    assert_allclose(share.mean(), 0.3, atol=0.01)


def test_trials_repeat_and_do_not_depend_on_their_number(candidates, scenario):
    many, few = (sample_sky(candidates, scenario, trials=n, rng=6) for n in (50, 21))
    assert (many.blocked_share[:21] == few.blocked_share).all()
    assert (many.extra_loss_db[:21] == few.extra_loss_db).all()


def test_what_cannot_be_sampled_is_refused(candidates, scenario):
    with pytest.raises(TableError, match="trials = 0"):
        sample_sky(candidates, scenario, trials=0)
    with pytest.raises(TableError, match=r"shape \(3, 2\)"):
        sample_sky(candidates, scenario, trials=3, cover_logit_shift=np.zeros((3, 2)))
    with pytest.raises(TableError, match="station 'NOWHERE' is not in the scenario"):
        sample_sky(candidates.assign(ogs="NOWHERE"), scenario, trials=3)
    with pytest.raises(TableError, match="lack 'p_clear'"):
        sample_sky(candidates.drop(columns="p_clear"), scenario, trials=3)


def test_cirrus_low_over_the_horizon_is_crossed_aslant(candidates, scenario):
    """A chance of next to nothing is that of 5 deg, the lowest line of sight: 0.25 and at most 3 over its sine."""
    thin = scenario.model_copy(update={"weather": Weather(cirrus_share=1.0)})
    sky = sample_sky(candidates.iloc[:1].assign(p_clear=1e-9), thin, trials=8000, rng=3)
    loss = sky.extra_loss_db[sky.extra_loss_db > 0]
    assert loss.max() == pytest.approx(149.49, abs=0.01)
    assert np.median(loss) == pytest.approx(12.457, rel=0.06)


def test_each_return_from_cloud_costs_the_time_to_acquire_again():
    """Quarters by bits, the first lowest; a return is a clear quarter behind a cloudy one."""
    masks = np.array([[0b0000, 0b0001, 0b0101, 0b1000, 0b0110, 0b1111, 0b0111]], dtype=np.uint8)
    sky = SkySamples(masks, np.zeros(masks.shape), np.full(masks.shape[1], 0.05, dtype=np.float32))
    assert_allclose(sky.lost_share[0], [0.0, 0.30, 0.60, 0.25, 0.55, 1.0, 0.80], atol=1e-6)
    assert_allclose(sky.blocked_share[0], [0.0, 0.25, 0.5, 0.25, 0.5, 1.0, 0.75])


def test_a_return_takes_its_time_of_the_contact_and_at_most_a_quarter(scenario):
    slow = scenario.stations["GRAZ"]
    slow = slow.model_copy(update={"receiver": slow.receiver.model_copy(update={"reacquisition_s": 30.0})})
    mine = scenario.model_copy(update={"stations": {**scenario.stations, "GRAZ": slow}})
    table = minutes(("a", "GRAZ", 0, 5), ("b", "GRAZ", 60, 61), ("c", "PQSAT", 0, 5))
    sky = sample_sky(table, mine, trials=200, rng=1)
    assert_allclose(sky.return_share, [30 / 300, 0.25, 10 / 300], rtol=1e-6)
    assert ((sky.lost_share >= sky.blocked_share) & (sky.lost_share <= 1)).all()
    assert (sky.lost_share > sky.blocked_share).any()
