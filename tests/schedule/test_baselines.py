"""Plain ways to choose: feasible, by hand, and never above the optimum."""

import numpy as np
import pytest
from plan_cases import at, largest_sets, offers, only, with_policy

from eqci_space.fiber.key_flow import solve_key_flow
from eqci_space.fiber.problem import flow_problem
from eqci_space.schedule.baselines import BASELINES, greedy_by_bits, greedy_by_deficit, greedy_by_need
from eqci_space.schedule.contacts import candidate_problem, usable_candidates
from eqci_space.schedule.joint import solve_joint, value_of_choice


@pytest.fixture(scope="module")
def week(study, scenario):
    inside = usable_candidates(study.candidates, scenario)
    return candidate_problem(flow_problem(study.network, scenario), inside, scenario)


@pytest.mark.parametrize(("name", "value"), [("by bits", 105.911), ("by deficit", 110.85200), ("by need", 110.85200)])
def test_baselines_of_the_shipped_week_lie_between_fibre_and_the_plan(study, week, name, value):
    chosen = BASELINES[name](week)
    assert set(np.unique(chosen)) <= {0.0, 1.0}
    for limit in week.limits:
        assert limit.weight @ chosen[limit.candidates] <= limit.most
    found = value_of_choice(week, chosen.astype(bool)).objective
    assert study.plan.without_space < found < study.plan.objective - 2
    assert found == pytest.approx(value, abs=2e-3)


@pytest.mark.parametrize("name", list(BASELINES))
@pytest.mark.parametrize("seed", range(4))
def test_baselines_fit_and_never_exceed_the_optimum(study, scenario, name, seed):
    few = with_policy(only(scenario, "government"), relative_gap=1e-6)
    table = study.candidates.sample(10, random_state=seed).sort_index()
    problem = candidate_problem(flow_problem(study.network, few), table, few)
    chosen = BASELINES[name](problem).astype(bool)
    sets = largest_sets(table, few)
    assert frozenset(table.index[chosen]) in sets  # nothing that still fits is left
    best = solve_joint(problem, relative_gap=1e-6).objective
    value = value_of_choice(problem, chosen).objective
    bare = solve_key_flow(flow_problem(study.network, few)).objective
    assert bare - 1e-9 <= value <= best * (1 + 1e-6) + 1e-9


def problem_of(study, scenario, table):
    return candidate_problem(flow_problem(study.network, scenario), table, scenario)


def taken(table, chosen):
    return set(table.index[chosen.astype(bool)])


def test_by_bits_takes_the_largest_expected_key(study, scenario):
    table = offers(
        ("a", "PQSAT", at(0), 200, 100_000, 0.3), ("b", "ONDREJOV", at(0, 1), 200, 50_000, 0.7),
        ("c", "GRAZ", at(0, 2), 200, 40_000, 0.8), ("d", "GRAZ", at(1), 200, 10),
    )  # fmt: skip
    assert taken(table, greedy_by_bits(problem_of(study, scenario, table))) == {"b", "d"}


def test_by_need_counts_the_weight_of_the_demands_near_a_station(study, scenario):
    """Control links Poznan-Warsaw (weight 2) end in Poland: half the key there is worth more than Austria's."""
    control = only(scenario, "control Poznan-Warsaw")
    table = offers(("g", "GRAZ", at(0), 200, 100_000), ("w", "PQSAT", at(0, 1), 200, 50_000))
    problem = problem_of(study, control, table)
    assert taken(table, greedy_by_bits(problem)) == {"g"}
    assert taken(table, greedy_by_need(problem)) == {"w"}


def test_by_deficit_serves_the_station_that_has_little(study, scenario):
    """Warsaw has 90,000 bits from the first night; on the second 20,000 / (1,000 + 0) beats 60,000 / 91,000."""
    table = offers(
        ("w1", "PQSAT", at(0), 200, 90_000), ("w2", "PQSAT", at(1), 200, 60_000),
        ("p2", "ONDREJOV", at(1, 1), 200, 20_000)
    )  # fmt: skip
    problem = problem_of(study, scenario, table)
    assert taken(table, greedy_by_bits(problem)) == {"w1", "w2"}
    assert taken(table, greedy_by_deficit(problem)) == {"w1", "p2"}
