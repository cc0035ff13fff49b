"""How contacts look through the sky, and the worlds that go by it: loss by airmass, and failed acquisitions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from plan_cases import at, offers

from eqci_space.errors import TableError
from eqci_space.linkbudget.extinction import airmass_kasten_young, apparent_elevation_deg
from eqci_space.scenario import Uncertainty
from eqci_space.schedule.looks import acquired_share, with_looks
from eqci_space.schedule.sky_keys import key_responses
from eqci_space.schedule.worlds import sample_worlds
from eqci_space.units import ratio_from_db


def failing(scenario, ogs, *failures):
    station = scenario.stations[ogs]
    receiver = station.receiver.model_copy(update={"acquisition_failures": failures})
    stations = {**scenario.stations, ogs: station.model_copy(update={"receiver": receiver})}
    return scenario.model_copy(update={"stations": stations})


@pytest.fixture(scope="module")
def looked(study):
    return with_looks(study.candidates, study.budget)


def test_airmass_is_the_mean_over_the_light_of_the_time(study, looked):
    name = looked.index[len(looked) // 3]
    row = looked.loc[name]
    slots = study.budget[study.budget["window_id"] == row["window_id"]]
    slots = slots[(slots["time"] >= row["start"]) & (slots["time"] < row["end"])]
    light = slots["weight_s"] * slots["transmittance"]
    airmass = airmass_kasten_young(apparent_elevation_deg(slots["elevation_deg"].to_numpy()))
    assert row["excess_airmass"] == pytest.approx((light * (airmass - 1)).sum() / light.sum(), rel=1e-12)
    assert row["max_elevation_deg"] == slots["elevation_deg"].max()
    assert np.isnan(row["max_elevation_b_deg"])
    assert looked["excess_airmass"].between(0, 2).all()


def test_a_window_that_the_budget_lacks_is_named(study):
    with pytest.raises(TableError, match="window 'gone' is not in the budget"):
        with_looks(study.candidates.assign(window_id="gone"), study.budget)


@pytest.mark.parametrize("slope_db", [-1.0, 1.0])
def test_loss_at_the_mean_airmass_takes_what_loss_in_every_slot_takes(study, looked, slope_db):
    """Whole windows under a decibel an airmass: within 1.5 % of the keys with the loss slot by slot, 0.8 % in all."""
    whole = looked[looked.index == looked["window_id"]]
    budget = study.budget
    airmass = airmass_kasten_young(apparent_elevation_deg(budget["elevation_deg"].to_numpy()))
    loss = slope_db * (airmass - 1)
    worse = budget.assign(
        total_loss_db=budget["total_loss_db"] + loss, transmittance=budget["transmittance"] * ratio_from_db(loss)
    )
    exact = key_responses(whole, worse, study.keys, study.scenario).under_loss[0.0].to_numpy()
    table = key_responses(whole, budget, study.keys, study.scenario).under_loss
    steps = table.columns.to_numpy(dtype=float)
    taken = [
        np.interp(slope_db * x, steps, row)
        for x, row in zip(whole["excess_airmass"], table.to_numpy(), strict=True)
    ]  # fmt: skip
    clear = table[0.0].to_numpy()
    large = clear > 0.2 * clear.max()
    assert_allclose(np.array(taken)[large], exact[large], rtol=0.015)
    assert np.sum(taken) == pytest.approx(exact.sum(), rel=0.008)


def test_shares_that_acquire_go_by_the_highest_elevation(scenario):
    table = offers(("w", "PQSAT", at(0), 200, 1e5), ("p", "ONDREJOV", at(1), 200, 1e5))
    table = table.assign(max_elevation_deg=[30.0, 10.0], max_elevation_b_deg=np.nan)
    mine = failing(failing(scenario, "PQSAT", (20.0, 0.10), (40.0, 0.03)), "ONDREJOV", (20.0, 0.2))
    assert_allclose(acquired_share(table, mine), [1 - 0.065, 0.8])
    dual = table.assign(ogs_b="ONDREJOV", max_elevation_b_deg=50.0)
    assert_allclose(acquired_share(dual, mine), [0.935 * 0.8, 0.8 * 0.8])
    with pytest.raises(TableError, match="contacts lack 'max_elevation_deg', by which receivers at 'PQSAT' acquire"):
        acquired_share(table.drop(columns="max_elevation_deg"), mine)


def test_worlds_fail_to_acquire_and_lose_by_airmass_as_stated(scenario):
    table = offers(("w", "PQSAT", at(0), 200, 1e5), ("p", "ONDREJOV", at(1), 200, 1e5))
    table = table.assign(max_elevation_deg=[30.0, 80.0], max_elevation_b_deg=np.nan, excess_airmass=[0.5, 1.5])
    stated = (
        Uncertainty(quantity="link_loss_bias_db", distribution="normal", mean=1.2, sd=0.3, source="here"),
        Uncertainty(quantity="link_loss_airmass_db", distribution="normal", mean=0.4, sd=0.2, source="here"),
        Uncertainty(quantity="availability", distribution="uniform", low=0.9, high=0.9, source="here"),
    )
    mine = failing(failing(scenario, "PQSAT", (20.0, 0.5)), "ONDREJOV").model_copy(update={"uncertainties": stated})
    trials = 40_000
    worlds = sample_worlds(table, mine, trials=trials, rng=2)
    assert_allclose(worlds.takes_place.mean(axis=0), [0.45, 0.9], atol=0.01)
    assert_allclose(worlds.link_loss_db.mean(axis=0), [1.2 + 0.4 * 0.5, 1.2 + 0.4 * 1.5], atol=0.01)
    assert_allclose(worlds.link_loss_db.std(axis=0), np.hypot(0.3, 0.2 * np.array([0.5, 1.5])), rtol=0.02)
    alone = sample_worlds(table, mine, trials=trials, rng=2, only="link_loss_airmass_db")
    assert alone.takes_place.all()
    assert_allclose(alone.link_loss_db[:, 1], 3 * alone.link_loss_db[:, 0])
    sky = sample_worlds(table, mine, trials=100, rng=2, only="sky")
    assert sky.takes_place.all()
    assert (sky.link_loss_db == 0).all()
    with pytest.raises(TableError, match="contacts lack 'excess_airmass'"):
        sample_worlds(table.drop(columns="excess_airmass"), mine, trials=10)


def test_other_causes_keep_their_random_numbers(scenario):
    """The lot of contacts and the bias are those of a scenario that does not know the airmass."""
    table = offers(("w", "PQSAT", at(0), 200, 1e5))
    table = table.assign(max_elevation_deg=[80.0], max_elevation_b_deg=np.nan, excess_airmass=[0.0])
    fewer = tuple(u for u in scenario.uncertainties if u.quantity != "link_loss_airmass_db")
    one, other = (
        sample_worlds(table, s, trials=50, rng=9)
        for s in (scenario, scenario.model_copy(update={"uncertainties": fewer}))
    )
    assert_allclose(one.link_loss_db, other.link_loss_db)
    assert (one.takes_place == other.takes_place).all()
    assert_allclose(one.fibre_factor, other.fibre_factor)
