"""Sampled skies over candidates: marginals, cirrus, shifts, and the ends of probability."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from eqci_space.errors import TableError
from eqci_space.scenario import Weather
from eqci_space.weather.skies import cirrus_share, sample_sky

DB = 10 / np.log(10)


def cloudy(sky):
    return sky.blocked | (sky.extra_loss_db > 0)


@pytest.fixture(scope="module")
def candidates(study):
    return study.candidates


def test_share_of_clear_trials_is_the_probability_of_the_candidate(candidates, scenario):
    """20,000 trials: four standard errors are 0.013."""
    candidates = candidates.iloc[::8]
    clear = 1 - cloudy(sample_sky(candidates, scenario, trials=20_000, rng=1)).mean(axis=0)
    assert_allclose(clear, candidates["p_clear"], atol=0.014)


def test_cirrus_is_the_stated_share_of_cloud_and_costs_its_optical_depth(candidates, scenario):
    """Median 0.25 at an elevation between 20 and 90 deg: 1.09 dB over the sine."""
    thin = scenario.model_copy(update={"weather": Weather(cirrus_share=0.4)})
    sky = sample_sky(candidates, thin, trials=4000, rng=2)
    share = (sky.extra_loss_db > 0).sum() / cloudy(sky).sum()
    assert_allclose(share, 0.4, atol=0.01)
    assert not (sky.blocked & (sky.extra_loss_db > 0)).any()
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
        first, first.assign(start=first["start"] + pd.Timedelta("90min"), end=first["end"] + pd.Timedelta("90min")),
        first.assign(start=first["start"] + pd.Timedelta("20D"), end=first["end"] + pd.Timedelta("20D")),
    ])  # fmt: skip
    flags = cloudy(sample_sky(table, scenario, trials=20_000, rng=3)).astype(float)
    correlation = np.corrcoef(flags.T)
    assert correlation[0, 1] > 0.3
    assert abs(correlation[0, 2]) < 0.03


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
    constant = scenario.model_copy(update={"weather": Weather(model="constant", p_clear=0.7)})
    flags = cloudy(sample_sky(candidates.iloc[::8].assign(p_clear=0.7), constant, trials=20_000, rng=1))
    assert_allclose(flags.mean(), 0.3, atol=0.01)


def test_trials_repeat_and_do_not_depend_on_their_number(candidates, scenario):
    many, few = (sample_sky(candidates, scenario, trials=n, rng=6) for n in (50, 21))
    assert (many.blocked[:21] == few.blocked).all()
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
