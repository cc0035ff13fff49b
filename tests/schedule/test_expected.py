"""Plans for sampled skies: closed forms, problems solved by hand, enumeration, tails, and the bound of expected key."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from plan_cases import chosen, only, with_policy
from test_joint import nothing, random_offers

from eqci_space.errors import ScenarioError
from eqci_space.fiber.key_problem import ChoiceLimit, KeyFlowProblem
from eqci_space.fiber.paths import PathRule
from eqci_space.scenario import SchedulePolicy
from eqci_space.schedule import certificate, expected
from eqci_space.schedule.contacts import schedule_contacts
from eqci_space.schedule.expected import sky_worth, solve_expected
from eqci_space.schedule.expected_worth import sky_weights, worth_of
from eqci_space.schedule.sky_keys import KeyResponses, key_in_skies
from eqci_space.schedule.sky_relay import Tail
from eqci_space.weather.skies import SkySamples

MBIT = 1e6
SLOPE = 1 / (1.7 / 3)
TIES = 1.5e-3


def two_pools(edge, asked_mbit=30.0, limits=()):
    """One demand g-h over a satellite; candidate n brings key to the pools in ``edge[n]`` (0: g, 1: h, or both)."""
    deposits = [(n, e) for n, pools in enumerate(edge) for e in pools]
    candidate, pool = (np.array(c) for c in zip(*deposits, strict=True))
    return KeyFlowProblem(
        edges=[("x", "s", "g"), ("y", "s", "h")], delayed=np.ones(2, dtype=bool), supply_bit=np.zeros((2, 2)),
        initial_bit=np.zeros(2), capacity_bit=np.full(2, 1e12), ends=[("g", "h")], weights=np.ones(1),
        asked_bit=np.array([[0.0, asked_mbit * MBIT]]), rules=[PathRule(np.ones(4, dtype=bool).tobytes())],
        candidate_bit=np.ones(len(edge)) * MBIT, deposit_candidate=candidate, deposit_edge=pool,
        deposit_bin=np.zeros(len(pool), dtype=int), deposit_bit=np.ones(len(pool)) * MBIT, limits=list(limits),
    )  # fmt: skip


def all_skies(contacts):
    """Every combination of one clear and three blocked quarters, equally likely: a chance of a quarter each."""
    return np.array(list(itertools.product([1.0, 0.0, 0.0, 0.0], repeat=contacts))) * MBIT


@pytest.mark.parametrize(
    ("edge", "expected", "bound"),
    [
        ([(0,), (1,)], 1 / 16, 0.25),
        ([(0,), (0,), (1,), (1,)], 2 * (7 / 16) ** 2 - (7 / 16) ** 2 + (1 / 16) ** 2, 0.5),
        ([(0, 1)], 0.25, 0.25),
    ],
)
def test_key_of_independent_contacts_at_both_ends(edge, expected, bound):
    """``E min(B1, B2)`` of binomials: p² for one contact a side, ``Σ P(B >= j)²`` for two, p where both share a sky."""
    problem = two_pools(edge)
    key = all_skies(len(edge))
    found = solve_expected(problem, key, relative_gap=1e-9)
    assert found.chosen.all()
    assert found.worth.delivered_bit.sum(axis=2).mean() / MBIT == pytest.approx(expected, rel=1e-9)
    assert found.objective == pytest.approx(SLOPE * expected / 30, abs=TIES)
    assert found.bound >= found.objective
    assert found.mean_key.objective == pytest.approx(SLOPE * bound / 30, abs=TIES)


def test_three_contacts_a_side_give_the_binomial_mean():
    """``E min(B1, B2)``, n = 3, p = 1/4: 0.358887 of 0.75."""
    chance = [sum(b) for b in itertools.product([1, 0, 0, 0], repeat=3)]
    tail = [np.mean([c >= j for c in chance]) for j in (1, 2, 3)]
    assert sum(t**2 for t in tail) == pytest.approx(0.358887, abs=5e-7)
    rows = [(b1, b2) for b1 in sorted(chance) for b2 in sorted(chance)]
    key = np.array([[b > j for j in range(3)] + [c > j for j in range(3)] for b, c in rows]) * MBIT
    distinct, count = np.unique(key, axis=0, return_counts=True)
    worth = sky_worth(two_pools([(0,)] * 3 + [(1,)] * 3), np.ones(6, dtype=bool), distinct)
    assert count @ worth.delivered_bit[:, 0].sum(axis=1) / count.sum() / MBIT == pytest.approx(0.358887, abs=5e-7)


KEY = np.array([[9.0, 6.0, 4.0], [1.0, 3.0, 4.0]])


@pytest.mark.parametrize(
    ("tail", "best", "mbit"),
    [
        (None, 0, 5.0),
        (Tail(0.1, 0.5), 0, 0.9 * 5.0 + 0.1 * 1.0),
        (Tail(0.3, 0.5), 1, 0.7 * 4.5 + 0.3 * 3.0),
        (Tail(0.5, 0.5), 2, 4.0),
        (Tail(1.0, 0.5), 2, 4.0),
        (Tail(1.0, 1.0), 0, 5.0),
        (Tail(0.5, 0.75), 0, 0.5 * 5.0 + 0.5 * (2 * 1.0 + 9.0) / 3),
        (Tail(0.9, 0.75), 1, 0.1 * 4.5 + 0.9 * (2 * 3.0 + 6.0) / 3),
    ],
)
def test_two_skies_by_hand(tail, best, mbit):
    """One of three: 9 and 1, 6 and 3 or 4 and 4 Mbit. A tail of 3/4 counts the worse sky twice as much."""
    problem = two_pools([(0, 1)] * 3, limits=[ChoiceLimit(np.arange(3), np.ones(3), 1.0)])
    found = solve_expected(problem, KEY * MBIT, relative_gap=1e-9, tail=tail)
    assert np.flatnonzero(found.chosen).tolist() == [best]
    assert found.objective == pytest.approx(SLOPE * mbit / 30, abs=TIES)
    assert found.bound == pytest.approx(found.objective, rel=1e-6)


def test_worst_part_of_skies_counts_cut_skies_in_part():
    """Of 4, 1, 3 and 2 the worst 3/8 are 1 and half of 2: (1 + 1) / 1.5."""
    worth = np.array([4.0, 1.0, 3.0, 2.0])
    assert worth_of(worth, None) == 2.5
    assert worth_of(worth, Tail(1.0, 0.375)) == pytest.approx(4 / 3)
    assert worth_of(worth, Tail(0.25, 0.375)) == pytest.approx(0.75 * 2.5 + 0.25 * 4 / 3)


def test_weights_of_skies_by_hand():
    """Of 4, 1, 3 and 2 the worst 3/8 are 1 and half of 2; skies that tie count in their order."""
    worth = np.array([4.0, 1.0, 3.0, 2.0])
    assert sky_weights(worth, None) == pytest.approx([0.25] * 4)
    assert sky_weights(worth, Tail(1.0, 0.375)) == pytest.approx([0, 2 / 3, 0, 1 / 3])
    assert sky_weights(worth, Tail(0.4, 0.375)) == pytest.approx([0.15, 0.15 + 0.8 / 3, 0.15, 0.15 + 0.4 / 3])
    assert sky_weights(worth, Tail(1.0, 0.1)) == pytest.approx([0, 1, 0, 0])
    assert sky_weights(worth, Tail(1.0, 1.0)) == pytest.approx([0.25] * 4)
    assert sky_weights(np.array([2.0, 1.0, 1.0, 1.0]), Tail(1.0, 0.5)) == pytest.approx([0, 0.5, 0.5, 0])


@pytest.mark.parametrize("part", [0.05, 0.1, 0.33, 0.5, 0.999])
@pytest.mark.parametrize("skies", [1, 7, 20])
def test_weights_of_skies_sum_to_one_and_give_the_tail_and_never_less_than_it_elsewhere(skies, part):
    """Tail mean as ``max v - E[(v - x)+] / part`` (Rockafellar and Uryasev 2000); weights bound it from above."""
    rng = np.random.default_rng([skies, round(1000 * part)])
    worth, others = rng.integers(0, 9, skies).astype(float), rng.normal(4, 3, (30, skies))
    tail = Tail(0.7, part)

    def mixture(x):
        return 0.3 * x.mean() + 0.7 * max(v - np.maximum(v - x, 0).mean() / part for v in x)

    weight = sky_weights(worth, tail)
    assert weight.sum() == pytest.approx(1.0)
    assert (weight >= 0.3 / skies - 1e-12).all()
    assert weight @ worth == pytest.approx(mixture(worth))
    assert worth_of(worth, tail) == pytest.approx(mixture(worth))
    assert all(weight @ x >= mixture(x) - 1e-9 for x in others)


def slack(problem):
    """Fibre beyond all demand, which has no price."""
    supply = problem.supply_bit.copy()
    supply[~problem.delayed] = 50 * MBIT
    return replace(problem, supply_bit=supply)


def every_choice(problem, key_bit, tail):
    best = -np.inf
    for taken in itertools.product([False, True], repeat=len(problem.candidate_bit)):
        choice = np.array(taken)
        if all(limit.weight @ choice[limit.candidates] <= limit.most + 1e-9 for limit in problem.limits):
            tie = 1e-4 * key_bit.mean(axis=0)[choice].sum() / max(key_bit.mean(axis=0).sum(), 1e-300)
            best = max(best, worth_of(sky_worth(problem, choice, key_bit).objective, tail) + tie)
    return best


@pytest.mark.parametrize("tail", [None, Tail(0.5, 0.3)])
@pytest.mark.parametrize("seed", range(8))
def test_plan_and_bound_are_the_best_of_all_choices_where_fibre_is_slack(seed, tail):
    problem = slack(random_offers(400 + seed, most=6, weighted=True))
    rng = np.random.default_rng(seed)
    key = np.where(rng.random((7, len(problem.candidate_bit))) < 0.5, problem.candidate_bit * 2, 0.0)
    key *= rng.uniform(0.5, 1, key.shape)
    best = every_choice(problem, key, tail)
    found = solve_expected(problem, key, relative_gap=1e-9, tail=tail)
    assert found.objective == pytest.approx(best, rel=1e-7)
    assert found.bound == pytest.approx(best, rel=1e-6)
    assert not nothing(problem).any()


@pytest.mark.parametrize("seed", range(8))
def test_where_fibre_is_scarce_the_bound_still_holds(seed):
    problem = random_offers(500 + seed, most=6, weighted=True)
    rng = np.random.default_rng(seed)
    key = np.where(rng.random((6, len(problem.candidate_bit))) < 0.5, problem.candidate_bit * 2, 0.0)
    best = every_choice(problem, key, None)
    found = solve_expected(problem, key, relative_gap=1e-9)
    assert found.objective <= best * (1 + 1e-9)
    assert found.bound >= best * (1 - 1e-9)
    assert found.mean_key.bound >= best * (1 - 1e-9)


def test_groups_of_skies_bound_the_whole(monkeypatch):
    """Four groups may choose for themselves what all have to share: their mean is no less than the optimum."""
    problem = slack(random_offers(404, most=8, weighted=True))
    rng = np.random.default_rng(4)
    key = np.where(rng.random((12, len(problem.candidate_bit))) < 0.5, problem.candidate_bit * 2, 0.0)
    whole = solve_expected(problem, key, relative_gap=1e-9)
    monkeypatch.setattr("eqci_space.schedule.expected._GROUP", 3)
    parts = solve_expected(problem, key, relative_gap=1e-9)
    assert whole.gap <= 1e-6
    assert parts.bound >= whole.objective * (1 - 1e-9)
    assert parts.objective <= whole.objective * (1 + 1e-9)
    assert parts.objective >= 0.97 * whole.objective


def test_of_a_relay_too_large_for_one_programme_the_bound_is_that_of_the_mean_key(monkeypatch):
    problem = slack(random_offers(405, most=6, weighted=True))
    rng = np.random.default_rng(5)
    key = np.where(rng.random((6, len(problem.candidate_bit))) < 0.5, problem.candidate_bit * 2, 0.0)
    monkeypatch.setattr("eqci_space.schedule.certificate._MOST_ARCS", 0)
    found = solve_expected(problem, key, relative_gap=1e-6)
    assert found.bound == pytest.approx(found.mean_key.bound)
    assert found.bound > found.objective
    assert (found.chosen == found.mean_key.chosen).all()


def test_required_and_barred_candidates_are_kept_to():
    problem = two_pools([(0, 1)] * 3, limits=[ChoiceLimit(np.arange(3), np.ones(3), 1.0)])
    barred = np.array([True, False, False])
    assert np.flatnonzero(solve_expected(problem, KEY * MBIT, barred=barred).chosen).tolist() == [1]
    required = np.array([False, False, True])
    assert np.flatnonzero(solve_expected(problem, KEY * MBIT, required=required).chosen).tolist() == [2]


def test_cirrus_takes_part_of_the_key_and_blocks_all_of_it_where_no_response_is_known(study):
    table = study.candidates.iloc[:2]
    sky = SkySamples(np.array([[0, 15], [0, 0]], dtype=np.uint8), np.array([[0.0, 0.0], [0.25, 3.0]]))
    responses = table[["skl_bit"]].join(table["skl_bit"].rename("half") / 2).set_axis([0.0, 0.5], axis=1)
    responses = KeyResponses(responses, pd.DataFrame(index=table.index))
    clear = table["skl_bit"].to_numpy()
    bare = table[["skl_bit"]]
    assert key_in_skies(bare, sky, None).tolist() == [[clear[0], 0.0], [0.0, 0.0]]
    with_cirrus = key_in_skies(table, sky, responses)
    assert with_cirrus == pytest.approx(np.array([[clear[0], 0.0], [0.75 * clear[0], 0.0]]))
    worse = key_in_skies(table, sky, responses, link_loss_db=np.array([[0.5], [0.0]]))
    assert worse[0] == pytest.approx([0.5 * clear[0], 0.0])


@pytest.fixture(scope="module")
def for_skies(scenario):
    return with_policy(
        only(scenario, "government"), plan_for="expected_delivery", plan_skies=12, backups=False, hand_over_step_s=0.0
    )


def test_a_plan_for_skies_says_so_and_delivers_no_more_than_expected_key_promises(study, for_skies):
    whole = study.candidates[~study.candidates.index.str.contains("@")]
    plan = schedule_contacts(whole, for_skies, network=study.network)
    key = schedule_contacts(whole, with_policy(for_skies, plan_for="expected_key"), network=study.network)
    assert (plan.skies, key.skies) == (12, 0)
    assert plan.objective <= plan.bound <= plan.expected_key_bound
    assert plan.gap <= for_skies.schedule.sky_gap
    assert key.expected_key_bound == key.bound
    again = schedule_contacts(whole, for_skies, network=study.network)
    assert chosen(again) == chosen(plan)
    assert again.objective == plan.objective


def test_certain_skies_give_the_plan_of_expected_key(study, for_skies):
    clear = for_skies.model_copy(update={"weather": type(for_skies.weather)(model="clear_sky")})
    nights = study.candidates[~study.candidates.index.str.contains("@")].iloc[:12]
    nights = nights.assign(p_clear=1.0, skl_bit=lambda t: t["skl_bit"] / 5)
    plain = schedule_contacts(nights, with_policy(clear, plan_for="expected_key"), network=study.network)
    skies = schedule_contacts(nights, with_policy(clear, sky_gap=1e-6), network=study.network)
    assert plain.objective > 10
    assert skies.objective == pytest.approx(plain.objective, abs=1e-3)
    assert chosen(skies) == chosen(plain)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"cvar_share": 0.5, "plan_for": "expected_key"}, "set plan_for = 'expected_delivery', or cvar_share = 0"),
        (
            {"cvar_share": 0.5, "plan_for": "expected_delivery", "cvar_tail": 0.04, "plan_skies": 20},
            "the worst 0.04 of 20 skies is less than one sky; set plan_skies to at least 25, or cvar_tail to at least",
        ),
        ({"plan_skies": 1, "plan_for": "expected_delivery"}, "greater than or equal to 2"),
    ],
)
def test_a_tail_without_skies_is_named_with_the_remedy(wrong, said):
    with pytest.raises((ValueError, ScenarioError), match=said.replace("(", r"\(")):
        SchedulePolicy(**wrong)


def test_crossings_are_what_excludes_itself_and_quotas_join_none():
    limits = [
        ChoiceLimit(np.array([0, 1]), np.ones(2), 1.0), ChoiceLimit(np.array([1, 2]), np.ones(2), 1.0),
        ChoiceLimit(np.array([3, 4]), np.ones(2), 2.0), ChoiceLimit(np.arange(7), np.full(7, 60.0), 600.0),
        ChoiceLimit(np.arange(7), np.ones(7), 5.0),
    ]  # fmt: skip
    assert [c.tolist() for c in expected._crossings(limits, 7)] == [[0, 1, 2], [3, 4], [5, 6]]


def test_crossing_by_crossing_betters_a_choice_and_ends_where_none_does(monkeypatch):
    """Three crossings of two contacts each; the start takes the worse of each."""
    limits = [ChoiceLimit(np.array([i, i + 1]), np.ones(2), 1.0) for i in (0, 2, 4)]
    problem = two_pools([(0, 1)] * 6, asked_mbit=30.0, limits=limits)
    key = np.tile([1.0, 3.0, 2.0, 1.0, 1.0, 2.0], (4, 1)) * MBIT
    relay, _ = expected._small(problem, key, np.ones(6))
    search = expected._Search(relay, key / MBIT, np.zeros(6), np.ones(6), None)
    better = search.by_crossings(np.array([1.0, 0.0, 0.0, 1.0, 1.0, 0.0]))
    assert better.tolist() == [0.0, 1.0, 1.0, 0.0, 0.0, 1.0]
    assert search.worth(better) + relay.constant == pytest.approx(SLOPE * 7 / 30, abs=TIES)
    monkeypatch.setattr(expected, "_MOST_VARIABLES", 1)
    assert search.by_crossings(np.zeros(6)).tolist() == [0.0] * 6


def test_a_plan_too_large_for_skies_is_one_of_expected_key_and_says_so(study, for_skies, monkeypatch):
    monkeypatch.setattr(certificate, "_MOST_ARCS", 10)
    whole = study.candidates[study.candidates.index == study.candidates["window_id"]]
    plan = schedule_contacts(whole, for_skies, network=study.network)
    of_key = schedule_contacts(whole, with_policy(for_skies, plan_for="expected_key"), network=study.network)
    assert plan.skies == 0
    assert "too large to plan for skies: planned for expected key, an upper bound" in plan.notes
    assert chosen(plan) == chosen(of_key)
