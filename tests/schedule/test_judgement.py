"""Judgement of plans for skies in closed form: one choice between two contacts, and relay that cannot look ahead."""

from dataclasses import replace

import numpy as np
import pytest
from test_expected import MBIT, SLOPE, TIES, all_skies, two_pools

from eqci_space.fiber.key_problem import ChoiceLimit
from eqci_space.schedule.expected import solve_expected
from eqci_space.schedule.judgement import judge_plan

EITHER = ChoiceLimit(np.array([0, 1]), np.ones(2), 1.0)


def test_perfect_information_is_the_larger_of_two_contacts():
    """One of two independent contacts with a chance of a quarter each: 1/4 planned, 7/16 with the sky known."""
    problem, skies = two_pools([(0, 1), (0, 1)], limits=[EITHER]), all_skies(2)
    plan = solve_expected(problem, skies, relative_gap=1e-9)
    found = judge_plan(problem, plan, skies, few=len(skies))
    assert found.worth.mean == pytest.approx(SLOPE / 4 / 30, abs=TIES)
    assert found.perfect_information.mean == pytest.approx(SLOPE * (7 / 16 - 1 / 4) / 30, abs=TIES)
    assert found.worth.error == pytest.approx(SLOPE / 30 * np.sqrt(3 / 16 / 15), rel=1e-2)
    assert found.foresight.mean == pytest.approx(0.0, abs=1e-9)
    assert found.levels[90].mean == pytest.approx(0.0, abs=TIES)
    assert found.levels[10].mean == pytest.approx(SLOPE / 30, abs=TIES)


def test_planning_for_skies_is_worth_what_expected_key_overlooks():
    """Both ends at once with a chance of 1/4, or both ends apart with 2/5 each: 1/4 against 4/25 on average."""
    problem = two_pools([(0, 1), (0,), (1,)], limits=[
        ChoiceLimit(np.array([0, 1]), np.ones(2), 1.0),
        ChoiceLimit(np.array([0, 2]), np.ones(2), 1.0),
    ])  # fmt: skip
    rng = np.random.default_rng(4)
    skies = (rng.random((4000, 3)) < [0.25, 0.4, 0.4]) * MBIT
    plan = solve_expected(problem, skies[:100], relative_gap=1e-9)
    assert plan.chosen.tolist() == [True, False, False]
    assert plan.mean_key.chosen.tolist() == [False, True, True]
    found = judge_plan(problem, plan, skies[100:], few=1)
    expected = SLOPE / 30 * (0.25 - 0.16)
    assert found.stochastic_solution.mean == pytest.approx(expected, abs=4 * found.stochastic_solution.error + TIES)
    assert found.stochastic_solution.error == pytest.approx(SLOPE / 30 * np.sqrt(0.3219 / 3900), rel=0.1)


@pytest.mark.parametrize(("first", "second", "bin_by_bin"), [(1.0, 3.0, 1.0), (3.0, 1.0, SLOPE / 3)])
def test_foresight_keeps_key_for_the_day_on_which_it_is_worth_more(first, second, bin_by_bin):
    """One Mbit for asks of one and three: two thirds of the small one and a ninth of the large, 1.0784 of worth.

    Without foresight the first day takes it all, which is worth 1 or a third of an ask.
    """
    problem = replace(
        two_pools([(0, 1)]), supply_bit=np.zeros((2, 3)), asked_bit=np.array([[0.0, first, second]]) * MBIT
    )
    key = np.full((2, 1), MBIT)
    found = judge_plan(problem, solve_expected(problem, key, relative_gap=1e-9), key, few=2)
    assert found.foresight.mean == pytest.approx(SLOPE * (1 / 3 + 0.5 / 3 + 1 / 9) - bin_by_bin, abs=TIES)
