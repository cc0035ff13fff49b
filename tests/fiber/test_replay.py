"""The routed replay against the programme it replays, hand-made queues and conservation."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import eqci_space as eq
from eqci_space.errors import PlanError
from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.fiber.paths import PathRule
from eqci_space.fiber.replay import replay_routes, replay_steps, request_trace


def replayed(rate, asked, *, steps=1, stock=0.0, capacity=1e18, life=0, patience=0, planned=None, events=((), ())):
    """One edge, one demand on it; `rate` and `asked` per bin, deposits as (steps, bits)."""
    n = len(rate)
    problem = KeyFlowProblem(
        edges=[("e", "a", "b")], delayed=np.array([False]), supply_bit=np.array([rate], dtype=float) * steps,
        initial_bit=np.array([stock], dtype=float), capacity_bit=np.array([capacity], dtype=float),
        ends=[("a", "b")], weights=np.ones(1), asked_bit=np.array([asked], dtype=float),
        rules=[PathRule(np.ones(2, dtype=bool).tobytes())], life_bins=np.array([life]),
    )  # fmt: skip
    first = np.arange(n + 1) * steps
    trace = np.repeat(np.array([asked], dtype=float) / steps, steps, axis=1)
    budget = np.full(n, 1e18) if planned is None else np.array(planned, dtype=float)
    routes = (np.arange(n + 1), budget, np.arange(n + 1), np.zeros(n, dtype=np.int64))
    where = np.array([0, len(events[0])]), np.array(events[0], dtype=np.int64), np.array(events[1], dtype=float)
    served, levels = replay_steps(problem, first, where, trace, routes, patience, False, np.array([np.inf]))
    return served[:, 0], levels[:, 0]


@pytest.fixture(scope="module")
def study():
    return eq.Study(eq.load_scenario("quant-gpicz"))


def test_replay_at_the_plans_bins_reproduces_the_programme(study):
    replay = replay_routes(
        study.relay, study.deposits, study.scenario, step="1D", traffic="bin", patience="0s", fallback=False
    )
    served = replay.demands["on_time_bit"] + replay.demands["late_bit"]
    assert_allclose(served, study.relay.delivery["delivered_bit"], rtol=1e-6, atol=1.0)
    both = study.relay.stores.merge(replay.stores, on=["bin", "edge"], suffixes=("", "_replayed"))
    for column in ("initial_bit", "deposited_bit", "used_bit", "spilled_bit", "stock_bit"):
        assert_allclose(both[f"{column}_replayed"], both[column], rtol=1e-6, atol=1.0)


@pytest.mark.parametrize("traffic", ["steady", "periodic", "poisson"])
def test_every_requested_bit_is_served_or_blocked_and_stores_balance(study, traffic):
    replay = replay_routes(study.relay, study.deposits, study.scenario, traffic=traffic, rng=1)
    total = replay.demands[["requested_bit", "on_time_bit", "late_bit", "blocked_bit"]].sum()
    # At most an hour's requests wait at the end.
    open_bit = total["requested_bit"] - total[["on_time_bit", "late_bit", "blocked_bit"]].sum()
    assert 0 <= open_bit <= 5 * 900 * study.relay.delivery["asked_bit"].sum() / (7 * 86400)
    s = replay.stores
    left = s["initial_bit"] + s["deposited_bit"] - s["used_bit"] - s["spilled_bit"] - s["expired_bit"] - s["stock_bit"]
    assert_allclose(left, 0.0, atol=1e-3)
    again = replay_routes(study.relay, study.deposits, study.scenario, traffic=traffic, rng=1)
    pd.testing.assert_frame_equal(replay.demands, again.demands)


def test_a_constant_drain_empties_a_stock_after_stock_over_drain():
    served, levels = replayed([0.0] * 10, [3.0] * 10, stock=10.0)
    assert_allclose(served[1], [3, 3, 3, 1, 0, 0, 0, 0, 0, 0])
    assert_allclose(served[3], [0, 0, 0, 2, 3, 3, 3, 3, 3, 3])
    assert_allclose(levels[5], [7, 4, 1, 0, 0, 0, 0, 0, 0, 0])


def test_waiting_requests_are_served_late_or_blocked():
    """Two steps of nothing, then supply 5 a step: with patience for one step the first request is lost."""
    served, _ = replayed([0.0, 0.0, 5.0, 5.0], [2.0] * 4, patience=1)
    assert_allclose(served[1], [0, 0, 2, 2])
    assert_allclose(served[2], [0, 0, 2, 0])
    assert_allclose(served[3], [0, 2, 0, 0])


def test_oldest_key_goes_first_and_its_age_is_counted():
    """Supply 1 a step from step 0, 1 asked from step 4 on: each key is then 4 steps old."""
    served, _ = replayed([1.0] * 10, [0.0] * 4 + [1.0] * 6)
    assert_allclose(served[5], [0] * 4 + [4] * 6)
    assert_allclose(served[4], served[5])


def test_key_past_its_life_expires_and_a_full_store_spills():
    _, levels = replayed([1.0] * 6, [0.0] * 6, life=2)
    assert_allclose(levels[5], [1, 2, 2, 2, 2, 2])
    assert_allclose(levels[4], [0, 0, 1, 1, 1, 1])
    _, levels = replayed([0.0] * 4, [0.0] * 4, stock=7.0, life=1)
    assert_allclose(levels[4], [7, 0, 0, 0])
    _, levels = replayed([2.0] * 4, [0.0] * 4, capacity=5.0)
    assert_allclose(levels[5], [2, 4, 5, 5])
    assert_allclose(levels[3], [0, 0, 1, 2])


def test_deposits_serve_from_the_next_step_and_routes_keep_to_the_plan():
    served, _ = replayed([0.0] * 3, [4.0] * 3, events=([1], [10.0]))
    assert_allclose(served[1], [0, 0, 4])
    served, _ = replayed([9.0] * 2, [4.0] * 2, planned=[1.5, 4.0])
    assert_allclose(served[1], [1.5, 4.0])


def test_periodic_requests_come_in_whole_keys(study):
    asked = study.relay.delivery.pivot_table(index="demand", columns="bin", values="asked_bit")
    asked = asked.loc[[d.name for d in study.scenario.demands]].to_numpy()
    first = np.arange(asked.shape[1] + 1) * 96
    trace = request_trace(study.scenario, asked, first, "periodic")
    assert_allclose(trace % 256, 0.0)
    assert_allclose(trace.sum(axis=1), np.floor(asked.sum(axis=1) / 256 + 1e-6) * 256)
    assert_allclose(request_trace(study.scenario, asked, first, "steady").sum(axis=1), asked.sum(axis=1))


def test_a_step_that_does_not_divide_the_bins_is_refused(study):
    with pytest.raises(PlanError, match="25200 s does not divide the bins"):
        replay_routes(study.relay, study.deposits, study.scenario, step="7h")
