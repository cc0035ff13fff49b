"""Choices in skies that no plan was made for: closed forms of two stations, pairing, order, and seeds."""

import itertools

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from plan_cases import at, offers, only

from eqci_space.fiber.network import build_network
from eqci_space.schedule.fresh_skies import fresh_deliveries
from eqci_space.weather.skies import sample_sky

P_CLEAR, SKIES = 0.6, 300
ASKED_A_DAY = 400 * 256


@pytest.fixture(scope="module")
def network(scenario):
    return build_network(scenario)


@pytest.fixture(scope="module")
def one_demand(scenario):
    """Berlin-Warsaw alone, which only the satellite serves; skies that are clear or block."""
    weather = type(scenario.weather)(model="constant", p_clear=P_CLEAR, cirrus_share=0.0)
    return only(scenario, "government Berlin-Warsaw").model_copy(update={"weather": weather})


# Twenty seconds see one state of the sky. Trauen reaches Berlin by fibre, the Polish station stands at Warsaw; the last
# contact would serve after the week.
CONTACTS = offers(
    ("sure", "DLR-TRAUEN", at(0), 20, 50_000, 1.0),
    ("pole", "PQSAT", at(1), 20, 50_000, P_CLEAR),
    ("pole again", "PQSAT", at(3), 20, 30_000, P_CLEAR),
    ("german", "DLR-OP", at(2), 20, 20_000, P_CLEAR),
    ("too late", "PQSAT", at(6), 20, 70_000, P_CLEAR),
)
GERMAN, POLISH = ("sure", "german"), ("pole", "pole again")


@pytest.fixture
def judged(one_demand, network):
    def judge(*choices, **options):
        options = {"skies": SKIES, "rng": 5, **options}
        found = fresh_deliveries(choices, CONTACTS, one_demand, network=network, **options)
        assert [bits.shape for bits in found] == [(options["skies"], 1)] * len(choices)
        return [bits[:, 0] for bits in found]

    return judge


def test_one_pool_under_a_sky_is_full_or_empty_and_full_as_often_as_the_sky_is_clear(judged):
    """A pool that is always full at Berlin, one under the sky at Warsaw: all 50,000 bit in a share p of the skies."""
    (bits,) = judged(["sure", "pole"])
    assert_allclose(np.unique(bits.round()), [0, 50_000])
    assert abs(bits.mean() - P_CLEAR * 50_000) < 3 * 50_000 * np.sqrt(P_CLEAR * (1 - P_CLEAR) / SKIES)


def test_delivery_is_the_smaller_side_of_what_the_skies_let_through(judged, one_demand):
    """min(Σ German, Σ Polish) of contacts that come in time, in skies drawn by the same seed."""
    names = [*GERMAN, *POLISH]
    (bits,) = judged(names)
    offered = CONTACTS.loc[sorted(names)]
    clear = sample_sky(offered, one_demand, trials=SKIES, rng=5).blocked_share == 0
    key = pd.DataFrame(clear * offered["skl_bit"].to_numpy(), columns=offered.index)
    expected = np.minimum(key[list(GERMAN)].sum(axis=1), key[list(POLISH)].sum(axis=1))
    assert expected.nunique() >= 4
    assert_allclose(bits, expected, atol=5)


def test_a_choice_compared_with_itself_differs_by_nothing(judged):
    first, other, again = judged(["sure", "pole"], ["german", "pole again"], ["sure", "pole"])
    assert (first == again).all()
    assert np.ptp(first - other) > 0


def test_more_contacts_never_deliver_less_in_any_sky(judged):
    """Each choice holds the one before it; the second and third contact of a side help in some skies."""
    choices = [["sure"], ["sure", "pole"], ["sure", *POLISH], [*GERMAN, *POLISH], [*GERMAN, *POLISH, "too late"]]
    found = judged(*choices)
    assert (found[0] == 0).all()
    for less, more in itertools.pairwise(found):
        assert (more >= less - 1).all()
    means = [bits.mean() for bits in found]
    assert all(b > a + 500 for a, b in itertools.pairwise(means[:4]))
    assert means[4] == pytest.approx(means[3], abs=1)


def test_names_in_another_order_or_twice_are_the_same_choice(judged, one_demand, network):
    names = ["sure", "pole", "german"]
    plain, turned, doubled = judged(names, names[::-1], [*names, "pole"])
    assert (plain == turned).all()
    assert (plain == doubled).all()
    first, second = judged(["sure", "pole"], ["german", "pole again"])
    back = judged(["german", "pole again"], ["sure", "pole"])
    assert (first == back[1]).all()
    assert (second == back[0]).all()
    shuffled = CONTACTS.sample(frac=1, random_state=1)
    other = fresh_deliveries([names], shuffled, one_demand, network=network, skies=SKIES, rng=5)
    assert (other[0][:, 0] == plain).all()


def test_seeds_repeat_and_the_scenario_has_one(judged, one_demand):
    names = ["sure", "pole", "german"]
    (five,), (again,), (six,) = judged(names), judged(names), judged(names, rng=6)
    assert (five == again).all()
    assert (five != six).any()
    (own,), (seven,) = judged(names, rng=None), judged(names, rng=one_demand.seed)
    assert (own == seven).all()
    (few,) = judged(names, skies=40)
    assert (few == five[:40]).all()  # a sky does not depend on how many are drawn


def test_an_empty_choice_delivers_what_fibre_does(judged, scenario, network):
    none, some = judged([], ["sure", "pole"])
    assert (none == 0).all()
    assert some.any()
    assert [bits.shape for bits in fresh_deliveries([], CONTACTS, scenario, network=network)] == []
    control = only(scenario, "control Poznan-Warsaw")
    alone, with_sky = fresh_deliveries([[], ["sure", "pole"]], CONTACTS, control, network=network, skies=6, rng=1)
    assert (alone == with_sky).all()
    assert_allclose(alone, 7 * 14_400 * 256, rtol=1e-6)  # 14,400 keys a day, all of it over fibre


def test_what_is_asked_for_is_the_most_that_is_delivered(judged, one_demand, network):
    """Plenty on both sides: Polish key of the second and fourth night serves the five and three days from the bin after
    its arrival on."""
    rich = CONTACTS.assign(skl_bit=CONTACTS["skl_bit"] * 1e3, p_clear=1.0)
    first, second = fresh_deliveries(
        [["sure", "pole"], ["sure", "pole again"]], rich, one_demand, network=network, skies=3, rng=1
    )
    assert_allclose(first, 5 * ASKED_A_DAY, rtol=1e-6)
    assert_allclose(second, 3 * ASKED_A_DAY, rtol=1e-6)


def test_cirrus_leaves_what_the_table_says(one_demand, network):
    """All that is cloudy is cirrus: without responses it takes the whole key, with a flat one nothing."""
    veiled = one_demand.model_copy(update={"weather": one_demand.weather.model_copy(update={"cirrus_share": 1.0})})
    flat = CONTACTS.assign(**{f"skl_{loss}db_bit": CONTACTS["skl_bit"] for loss in (1, 100)})
    (plain,), (through,) = (
        fresh_deliveries([["sure", "pole"]], table, veiled, network=network, skies=60, rng=2)
        for table in (CONTACTS, flat)
    )
    assert_allclose(np.unique(plain.round()), [0, 50_000])
    assert_allclose(through, 50_000, rtol=1e-4)


def test_without_a_network_that_of_the_scenario_is_built(judged, one_demand):
    names = ["sure", "pole"]
    (built,) = fresh_deliveries([names], CONTACTS, one_demand, skies=30, rng=5)
    (given,) = judged(names, skies=30)
    assert (built[:, 0] == given).all()
