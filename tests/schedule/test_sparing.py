"""Fewest contacts against enumeration of every choice, each relayed by a linear programme of its own, and by hand."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from test_expected import two_pools
from test_joint import Relay, random_offers

from eqci_space.fiber import key_flow
from eqci_space.schedule.sky_relay import Tail
from eqci_space.schedule.sparing import fewest_contacts

MBIT = 1e6
FIRST_THIRD = 1 / (1.7 / 3)
ROUNDING = 1e-7


def worth_by_hand(objective, tail):
    """Mean over skies, mixed with the mean of the worst part of them; the sky that the part cuts counts in part."""
    if tail is None:
        return objective.mean()
    left, total = tail.part * len(objective), 0.0
    for value in np.sort(objective):
        total += min(1.0, max(left, 0.0)) * value
        left -= 1.0
    return (1 - tail.share) * objective.mean() + tail.share * total / (tail.part * len(objective))


class EveryChoice:
    """Worth of any choice in some skies, without the ties of candidates."""

    def __init__(self, problem, key_bit, tail=None):
        self.problem, self.tail, self._known = problem, tail, {}
        self._relays = [Relay(replace(problem, deposit_bit=key)) for key in key_bit]

    def worth(self, choice):
        if tuple(choice) not in self._known:
            tie = 1e-4 * float(choice @ self.problem.candidate_bit) / self.problem.candidate_bit.sum()
            objective = np.array([relay.value(choice) for relay in self._relays]) - tie
            self._known[tuple(choice)] = worth_by_hand(objective, self.tail)
        return self._known[tuple(choice)]

    def fewest(self, chosen, required, least):
        """Size of the smallest part of a choice that holds what is required and is worth enough."""
        parts = map(np.array, itertools.product(*((False, True) if c else (False,) for c in chosen)))
        return min(p.sum() for p in parts if p[required].all() and self.worth(p) >= least)


def random_case(seed, skies=3):
    """Up to seven offers, most of them chosen and some required; each clear in three of five skies."""
    problem = random_offers(seed, most=7, weighted=True)
    rng = np.random.default_rng(seed)
    key = np.where(rng.random((skies, len(problem.candidate_bit))) < 0.6, problem.candidate_bit * 2, 0.0)
    chosen = rng.random(len(problem.candidate_bit)) < 0.85
    return problem, key, chosen, chosen & (rng.random(len(chosen)) < 0.2)


@pytest.mark.parametrize("tail", [None, Tail(0.5, 0.4)])
@pytest.mark.parametrize("seed", range(8))
def test_choice_is_the_smallest_of_all_that_are_worth_enough(seed, tail):
    """The loss stays within its share of what the contacts add to fibre, and no smaller part of the choice would do."""
    problem, key, chosen, required = random_case(seed)
    every = EveryChoice(problem, key, tail)
    whole, fibre = every.worth(chosen), every.worth(np.zeros_like(chosen))
    sizes = []
    for tolerance in (0.02, 0.1, 0.3, 1.01):
        kept, lost = fewest_contacts(problem, chosen, key, tolerance=tolerance, required=required, tail=tail)
        assert not kept[~chosen].any()
        assert kept[required].all()
        assert whole - every.worth(kept) <= tolerance * (whole - fibre) + ROUNDING
        assert lost == pytest.approx(whole - every.worth(kept), abs=ROUNDING)
        least = whole - tolerance * (whole - fibre) - ROUNDING
        assert kept.sum() == every.fewest(chosen, required, least)
        sizes.append(int(kept.sum()))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == required.sum()  # all that the contacts add may go: only what is required stays


@pytest.mark.parametrize("seed", range(8, 14))
def test_without_tolerance_only_contacts_that_cost_nothing_go(seed):
    problem, key, chosen, required = random_case(seed)
    tail = Tail(0.5, 0.4) if seed % 2 else None
    every = EveryChoice(problem, key, tail)
    kept, lost = fewest_contacts(problem, chosen, key, tolerance=0.0, required=required, tail=tail)
    assert every.worth(kept) == pytest.approx(every.worth(chosen), abs=ROUNDING)
    assert lost == pytest.approx(0.0, abs=ROUNDING)
    assert kept[required].all()
    assert not (kept & ~required & ~key.any(axis=0)).any()  # what brings nothing in any sky goes


def certain(*mbit):
    """One sky with so much key of every contact."""
    return np.array([mbit], dtype=float) * MBIT


def spared(problem, key, tolerance, required=(), tail=None):
    n = len(problem.candidate_bit)
    must = np.isin(np.arange(n), list(required))
    kept, lost = fewest_contacts(problem, np.ones(n, dtype=bool), key, tolerance=tolerance, required=must, tail=tail)
    return np.flatnonzero(kept).tolist(), lost


def test_the_contact_whose_key_no_pool_can_match_goes():
    """min(B1, B2) with 4 and 7 at g and 4 at h: the 4 or the 7 of g is enough; the 4 goes, for its price is as low."""
    problem = two_pools([(0,), (0,), (1,)])
    kept, lost = spared(problem, certain(4, 7, 4), 1e-6)
    assert len(kept) == 2
    assert 2 in kept
    assert lost == pytest.approx(0.0, abs=1e-9)


def test_the_contact_of_least_key_goes_if_the_plan_may_lose_it():
    """Three contacts over both pools with 5, 1 and 4 of 30 Mbit, all in the first third: the 1 is a tenth of what space
    adds. What costs least goes first, so the 4 has to fit beside the 1."""
    problem = two_pools([(0, 1)] * 3)
    key = certain(5, 1, 4)
    mbit = FIRST_THIRD / 30
    for tolerance, kept, mbit_lost in ((0.09, [0, 1, 2], 0), (0.11, [0, 2], 1), (0.49, [0, 2], 1), (0.51, [0], 5)):
        found, lost = spared(problem, key, tolerance)
        assert (found, lost) == (kept, pytest.approx(mbit_lost * mbit, abs=1e-4))


def test_required_contacts_stay_even_if_they_bring_nothing():
    problem = two_pools([(0, 1)] * 3)
    assert spared(problem, certain(5, 0, 0), 0.0) == ([0], 0.0)
    assert spared(problem, certain(5, 0, 0), 0.0, required=[1]) == ([0, 1], 0.0)
    assert spared(problem, certain(5, 1, 4), 1.01, required=[1])[0] == [1]
    assert spared(problem, certain(5, 1, 4), 1.01)[0] == []


def test_what_fibre_delivers_by_itself_is_no_excuse_to_lose_key():
    """Fibre of 9 and contacts of 1 Mbit each: 9 % of the whole are half of what the contacts add."""
    bare = two_pools([(0, 1)] * 2)
    problem = replace(
        bare, edges=[*bare.edges, ("f", "g", "h")], delayed=np.array([True, True, False]),
        supply_bit=np.array([[0, 0], [0, 0], [0, 9 * MBIT]], dtype=float), initial_bit=np.zeros(3),
        capacity_bit=np.full(3, 1e12), rules=[replace(bare.rules[0], arcs=np.ones(6, dtype=bool).tobytes())],
    )  # fmt: skip
    assert spared(problem, certain(0.5, 0.5), 0.45)[0] == [0, 1]
    kept, lost = spared(problem, certain(0.5, 0.5), 0.55)
    assert len(kept) == 1
    assert lost == pytest.approx(0.5 * FIRST_THIRD / 30, abs=1e-5)


def test_a_tail_keeps_the_contact_of_the_worst_sky():
    """Two skies: 7 and 2 Mbit in the first, 1 in the second. Of their mean, 5, the 1 is a tenth; of the worse sky it is
    all, and the 7 is nothing as long as the 2 stays; half and half, 3, it is a quarter and the 2 a sixth."""
    problem, mbit = two_pools([(0, 1)] * 3), FIRST_THIRD / 30
    key = np.array([[7.0, 0.0, 2.0], [0.0, 1.0, 0.0]]) * MBIT
    assert spared(problem, key, 0.11) == ([0, 2], pytest.approx(0.5 * mbit, abs=1e-5))
    assert spared(problem, key, 0.11, tail=Tail(1.0, 0.5)) == ([1, 2], pytest.approx(0.0, abs=1e-5))
    half = Tail(0.5, 0.5)
    assert spared(problem, key, 0.16, tail=half) == ([0, 1, 2], 0.0)
    assert spared(problem, key, 0.17, tail=half) == ([0, 1], pytest.approx(0.5 * mbit, abs=1e-5))


def test_worth_of_a_contact_beside_its_key_counts_as_cost():
    """The second contact brings a tenth of the key, and is worth as much again to keep."""
    problem = two_pools([(0, 1)] * 2)
    key, mbit = certain(9, 1), FIRST_THIRD / 30
    assert spared(problem, key, 0.15)[0] == [0]
    liked = replace(problem, candidate_worth=np.array([0.0, mbit]))
    assert spared(liked, key, 0.15)[0] == [0, 1]
    kept, lost = spared(liked, key, 0.25)
    assert (kept, lost) == ([0], pytest.approx(2 * mbit, abs=1e-4))


def test_skies_in_many_parts_give_the_same_choice(monkeypatch):
    """Skies are solved some at a time, and those after the loss is too large are left out."""
    problem, key, chosen, required = random_case(21, skies=13)
    whole = fewest_contacts(problem, chosen, key, tolerance=0.1, required=required)
    for size in (1, 5, 100):
        monkeypatch.setattr("eqci_space.schedule.sparing._SKIES_AT_A_TIME", size)
        kept, lost = fewest_contacts(problem, chosen, key, tolerance=0.1, required=required)
        assert (kept == whole[0]).all()
        assert lost == pytest.approx(whole[1], abs=1e-9)
    assert 0 < whole[0].sum() < chosen.sum()


@pytest.mark.parametrize("at_a_time", [1, 3, 10])
def test_a_contact_that_costs_more_than_its_price_is_found_out_over_all_skies(monkeypatch, at_a_time):
    """9.5 and 1 of 30 Mbit in each of four skies: the 1 has the price of the second third, half, and costs 3/4, for it
    takes half of itself from the first. Of 10.25 that is 7.3 %, in each sky alone a quarter of it."""
    monkeypatch.setattr("eqci_space.schedule.sparing._SKIES_AT_A_TIME", at_a_time)
    problem, key = two_pools([(0, 1)] * 2), np.tile([9.5, 1.0], (4, 1)) * MBIT
    assert spared(problem, key, 0.06) == ([0, 1], 0.0)
    assert spared(problem, key, 0.0725) == ([0, 1], 0.0)
    assert spared(problem, key, 0.0738) == ([0], pytest.approx(0.75 * FIRST_THIRD / 30, abs=1e-5))


def test_nothing_chosen_and_arrays_of_the_caller_stay_as_they_are():
    problem, key, chosen, required = random_case(3)
    none = np.zeros_like(chosen)
    kept, lost = fewest_contacts(problem, none, key, tolerance=0.1, required=none)
    assert (kept.any(), lost) == (False, 0.0)
    before = chosen.copy(), key.copy()
    fewest_contacts(problem, chosen, key, tolerance=0.5, required=required)
    assert (chosen == before[0]).all()
    assert (key == before[1]).all()


def test_of_a_programme_solved_to_a_gap_that_gap_of_the_whole_may_go(monkeypatch):
    """The second contact brings 5e-4 of the whole: it stays where relay is exact, and goes where it is not."""
    problem, key = two_pools([(0, 1)] * 2), certain(9, 0.0045)
    assert spared(problem, key, 1e-4)[0] == [0, 1]
    monkeypatch.setattr(key_flow, "_INTERIOR_FROM", 0)
    assert spared(problem, key, 1e-4)[0] == [0]
