"""The routed replay against the programme it replays, hand-made queues, queues bit by bit, and conservation."""

from collections import deque
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from eqci_space.errors import PlanError
from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.fiber.paths import PathRule
from eqci_space.fiber.relay import relay_keys
from eqci_space.fiber.replay import replay_routes, request_trace
from eqci_space.fiber.replay_steps import Deposits, Levels, Routes, Served, replay_steps
from eqci_space.tables import empty_table


def replayed(
    rate, asked, *, steps=1, stock=0.0, capacity=1e18, life=0, patience=0, planned=None, events=((), ()),
    most_age=np.inf,
):  # fmt: skip
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
    routes = Routes(np.arange(n + 1), budget, np.arange(n + 1), np.zeros(n, dtype=np.int64))
    deposits = Deposits(np.array([0, len(events[0])]), np.array(events[0], dtype=np.int64), np.array(events[1], float))
    served, levels = replay_steps(problem, first, deposits, trace, routes, patience, False, np.array([most_age]))
    return Served(*(row[0] for row in served)), Levels(*(row[0] for row in levels))


@pytest.fixture(scope="module")
def study(shipped_study):
    return shipped_study


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
    assert_allclose(served.on_time_bit, [3, 3, 3, 1, 0, 0, 0, 0, 0, 0])
    assert_allclose(served.blocked_bit, [0, 0, 0, 2, 3, 3, 3, 3, 3, 3])
    assert_allclose(levels.stock_bit, [7, 4, 1, 0, 0, 0, 0, 0, 0, 0])


def test_waiting_requests_are_served_late_or_blocked():
    """Two steps of nothing, then supply 5 a step: with patience for one step the first request is lost."""
    served, _ = replayed([0.0, 0.0, 5.0, 5.0], [2.0] * 4, patience=1)
    assert_allclose(served.on_time_bit, [0, 0, 2, 2])
    assert_allclose(served.late_bit, [0, 0, 2, 0])
    assert_allclose(served.blocked_bit, [0, 2, 0, 0])


def test_oldest_key_goes_first_and_its_age_is_counted():
    """Supply 1 a step from step 0, 1 asked from step 4 on: each key is then 4 steps old."""
    served, _ = replayed([1.0] * 10, [0.0] * 4 + [1.0] * 6)
    assert_allclose(served.largest_age_steps, [0] * 4 + [4] * 6)
    assert_allclose(served.age_bit_steps, served.largest_age_steps)


def test_every_bit_has_the_age_of_its_own_deposit():
    """100 bit come in hour 1 and 61,340 in hour 23; all are drawn in hour 24, and 12 h is the most that key may be old.

    Over age are the 100 of 23 h; the mean is (100 * 23 + 61,340 * 1) / 61,440 = 1.0358 h.
    """
    asked = [0.0] * 24 + [61_440.0]
    served, _ = replayed([0.0] * 25, asked, events=([1, 23], [100.0, 61_340.0]), most_age=12.0)
    assert served.on_time_bit[24] == 61_440.0
    assert served.over_age_bit.sum() == 100.0
    assert served.age_bit_steps[24] / 61_440 == pytest.approx(1.0358073, abs=1e-7)
    assert served.largest_age_steps[24] == 23.0


def test_key_that_is_just_as_old_as_it_may_be_is_not_over_age():
    for most, over in ((3.0, 0.0), (2.999, 5.0)):
        served, _ = replayed([0.0] * 5, [0.0] * 4 + [5.0], events=([1], [5.0]), most_age=most)
        assert served.over_age_bit.sum() == over


def test_stock_at_the_start_is_from_the_step_before_the_first():
    """7 at the start and 1 a step: 4 drawn in step 2 are of before, then 3 of before, 1 each of steps 0 to 4."""
    served, _ = replayed([1.0] * 6, [0, 0, 4.0, 0, 0, 8.0], stock=7.0)
    assert served.age_bit_steps.tolist() == [0, 0, 4 * 3, 0, 0, 3 * 6 + 5 + 4 + 3 + 2 + 1]
    assert served.largest_age_steps.tolist() == [0, 0, 3, 0, 0, 6]


def test_what_spilled_or_expired_was_the_oldest():
    """A store of 5 gets 4 and 4: 3 of the first spill, so that a draw of 3 takes 1 of the first and 2 of the second."""
    served, _ = replayed([0.0] * 4, [0, 0, 0, 3.0], capacity=5.0, events=([0, 1], [4.0, 4.0]))
    assert served.age_bit_steps[3] == 1 * 3 + 2 * 2
    served, _ = replayed([0.0] * 4, [0, 0, 0, 3.0], life=2, events=([0, 1], [4.0, 4.0]))
    assert served.age_bit_steps[3] == 3 * 2


def test_a_relayed_bit_is_as_old_as_the_oldest_key_it_takes():
    """Two hops in step 4: edge a gives 3 bit of age 4 and 5 of age 1, edge b 6 of age 3 and 2 of age 2.

    Bit by bit: 3 of age 4, then 3 of age 3 (b), then 2 of age 2 (b).
    """
    problem = KeyFlowProblem(
        edges=[("a", "x", "y"), ("b", "y", "z")], delayed=np.zeros(2, dtype=bool), supply_bit=np.zeros((2, 5)),
        initial_bit=np.zeros(2), capacity_bit=np.full(2, 1e9), ends=[("x", "z")], weights=np.ones(1),
        asked_bit=np.array([[0, 0, 0, 0, 8.0]]), rules=[PathRule(np.ones(4, dtype=bool).tobytes())],
    )  # fmt: skip
    deposits = Deposits(np.array([0, 2, 4]), np.array([0, 3, 1, 2]), np.array([3.0, 5.0, 6.0, 2.0]))
    routes = Routes(np.array([0, 0, 0, 0, 0, 1]), np.array([8.0]), np.array([0, 2]), np.array([0, 1]))
    for most, over in ((4.0, 0.0), (3.0, 3.0), (2.0, 6.0), (1.0, 8.0)):
        served, levels = replay_steps(
            problem, np.arange(6), deposits, problem.asked_bit, routes, 0, False, np.array([most])
        )
        assert served.age_bit_steps[0, 4] == 3 * 4 + 3 * 3 + 2 * 2
        assert served.over_age_bit[0, 4] == over
        assert served.largest_age_steps[0, 4] == 4
        assert levels.used_bit[:, 4].tolist() == [8, 8]


@dataclass
class World:
    """A small network of whole bits: what `replay_steps` takes, in lists."""

    lengths: list
    rate: np.ndarray
    stock: np.ndarray
    cap: np.ndarray
    life_bins: np.ndarray
    weights: np.ndarray
    most_age: np.ndarray
    trace: np.ndarray
    deposits: list  # per edge (step, bit), in order of time
    routes: dict  # by (bin, demand): (planned bit, edges)
    patience: int
    fallback: bool


def random_world(seed):
    rng = np.random.default_rng(seed)
    edges, demands, bins = int(rng.integers(1, 6)), int(rng.integers(1, 4)), int(rng.integers(1, 6))
    lengths = rng.integers(1, 7, bins)
    steps = int(lengths.sum())
    return World(
        lengths=lengths.tolist(), rate=rng.integers(0, 4, (edges, bins)) * (rng.random((edges, bins)) < 0.7),
        stock=rng.integers(0, 20, edges), cap=rng.integers(5, 40, edges), life_bins=rng.integers(0, 3, edges),
        weights=rng.permutation(demands) + 1.0, most_age=rng.integers(1, 7, demands).astype(float),
        trace=rng.integers(0, 9, (demands, steps)),
        deposits=[sorted((int(rng.integers(0, steps)), int(rng.integers(0, 40))) for _ in range(rng.integers(0, 4)))
                  for _ in range(edges)],
        routes={(t, k): [(int(rng.integers(0, 25)), rng.permutation(edges)[:rng.integers(1, edges + 1)].tolist())
                         for _ in range(rng.integers(0, 3))] for t in range(bins) for k in range(demands)},
        patience=int(rng.integers(0, 4)), fallback=bool(rng.random() < 0.5),
    )  # fmt: skip


def queued(world):
    """Served and levels of a world by queues of single bits: each bit is the step in which it arrived."""
    edges, bins = world.rate.shape
    demands = len(world.weights)
    served = {name: np.zeros((demands, bins)) for name in Served._fields}
    levels = {name: np.zeros((edges, bins)) for name in Levels._fields}
    stores = [deque([-1] * n) for n in world.stock]
    waiting = [deque([0] * (world.patience + 1)) for _ in range(demands)]  # newest first
    left = {(t, k, r): bit for (t, k), routes in world.routes.items() for r, (bit, _) in enumerate(routes)}
    deposits = [deque(d) for d in world.deposits]
    life = world.life_bins * max(world.lengths)

    def draw(k, t, s, edges_of_route, bits):
        ages = []
        for _ in range(bits):
            ages.append(s - min(stores[e].popleft() for e in edges_of_route))
        for e in edges_of_route:
            levels["used_bit"][e, t] += bits
        served["age_bit_steps"][k, t] += sum(ages)
        served["over_age_bit"][k, t] += sum(age > world.most_age[k] for age in ages)
        served["largest_age_steps"][k, t] = max([served["largest_age_steps"][k, t], *ages])
        for w in range(world.patience, -1, -1):
            part = min(bits, waiting[k][w])
            waiting[k][w] -= part
            bits -= part
            served["on_time_bit" if w == 0 else "late_bit"][k, t] += part

    begin = 0
    for t, length in enumerate(world.lengths):
        levels["initial_bit"][:, t] = [len(store) for store in stores]
        for s in range(begin, begin + length):
            for e, store in enumerate(stores):
                store.extend([s] * world.rate[e, t])
                levels["deposited_bit"][e, t] += world.rate[e, t]
            for k in sorted(range(demands), key=lambda k: -world.weights[k]):
                served["requested_bit"][k, t] += world.trace[k, s]
                waiting[k].pop()
                waiting[k].appendleft(int(world.trace[k, s]))
                for planned in (True, False) if world.fallback else (True,):
                    for r, (_, along) in enumerate(world.routes[t, k]):
                        most = min([sum(waiting[k]), *(len(stores[e]) for e in along)])
                        bits = max(0, min(most, left[t, k, r]) if planned else most)
                        left[t, k, r] -= bits
                        draw(k, t, s, along, bits)
                served["blocked_bit"][k, t] += waiting[k][-1]
                waiting[k][-1] = 0
            for e, store in enumerate(stores):
                while deposits[e] and deposits[e][0][0] <= s:
                    bits = deposits[e].popleft()[1]
                    store.extend([s] * bits)
                    levels["deposited_bit"][e, t] += bits
                while life[e] and store and store[0] <= s - life[e]:
                    store.popleft()
                    levels["expired_bit"][e, t] += 1
                while len(store) > world.cap[e]:
                    store.popleft()
                    levels["spilled_bit"][e, t] += 1
        begin += length
        levels["stock_bit"][:, t] = [len(store) for store in stores]
    return served, levels


def stepped(world):
    """Served and levels of a world by `replay_steps`."""
    edges, bins = world.rate.shape
    lengths = np.array(world.lengths)
    problem = KeyFlowProblem(
        edges=[(f"e{e}", f"n{e}", f"n{e + 1}") for e in range(edges)], delayed=np.zeros(edges, dtype=bool),
        supply_bit=(world.rate * lengths).astype(float), initial_bit=world.stock.astype(float),
        capacity_bit=world.cap.astype(float), ends=[("n0", "n1")] * len(world.weights), weights=world.weights,
        asked_bit=np.ones((len(world.weights), bins)), rules=[PathRule(b"")] * len(world.weights),
        life_bins=world.life_bins,
    )  # fmt: skip
    flat = [d for of_edge in world.deposits for d in of_edge]
    deposits = Deposits(
        np.cumsum([0, *map(len, world.deposits)]), np.array([s for s, _ in flat], dtype=np.int64),
        np.array([bit for _, bit in flat], dtype=float),
    )  # fmt: skip
    by_row = [world.routes[t, k] for t in range(bins) for k in range(len(world.weights))]
    each = [route for routes in by_row for route in routes]
    routes = Routes(
        np.cumsum([0, *map(len, by_row)]), np.array([bit for bit, _ in each], dtype=float),
        np.cumsum([0, *(len(along) for _, along in each)]),
        np.array([e for _, along in each for e in along], dtype=np.int64),
    )  # fmt: skip
    first = np.cumsum([0, *world.lengths])
    return replay_steps(
        problem, first, deposits, world.trace.astype(float), routes, world.patience, world.fallback, world.most_age
    )


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_replay_equals_queues_of_single_bits(seed):
    """Served, waiting, blocked, ages and levels, exactly: whole bits on random networks, routes of up to five edges."""
    world = random_world(seed)
    for found, wanted in zip(stepped(world), queued(world), strict=True):
        for name, values in wanted.items():
            np.testing.assert_array_equal(getattr(found, name), values, err_msg=name)


def test_ages_hold_their_precision_over_a_year_of_rounded_bits():
    """A third of a bit arrives and is drawn six steps later, in 35,040 steps: no bit is of another age."""
    steps = 35_040
    served, _ = replayed([0.1 + 0.2] * steps, [0.0] * 6 + [0.3] * (steps - 6), most_age=6.0)
    assert set(served.largest_age_steps[6:]) == {6.0}
    assert served.over_age_bit.sum() == 0.0
    assert served.age_bit_steps[6:] == pytest.approx(1.8, rel=1e-9)


def test_key_past_its_life_expires_and_a_full_store_spills():
    _, levels = replayed([1.0] * 6, [0.0] * 6, life=2)
    assert_allclose(levels.stock_bit, [1, 2, 2, 2, 2, 2])
    assert_allclose(levels.expired_bit, [0, 0, 1, 1, 1, 1])
    _, levels = replayed([0.0] * 4, [0.0] * 4, stock=7.0, life=1)
    assert_allclose(levels.expired_bit, [7, 0, 0, 0])
    _, levels = replayed([2.0] * 4, [0.0] * 4, capacity=5.0)
    assert_allclose(levels.stock_bit, [2, 4, 5, 5])
    assert_allclose(levels.spilled_bit, [0, 0, 1, 2])


def test_deposits_serve_from_the_next_step_and_routes_keep_to_the_plan():
    served, _ = replayed([0.0] * 3, [4.0] * 3, events=([1], [10.0]))
    assert_allclose(served.on_time_bit, [0, 0, 4])
    served, _ = replayed([9.0] * 2, [4.0] * 2, planned=[1.5, 4.0])
    assert_allclose(served.on_time_bit, [1.5, 4.0])


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


def test_key_ages_of_a_plan_are_hours_of_its_key(hand_made):
    """A span of 1 bit/s, 43,200 bit asked at each noon, in quarter-hours, with fallback; key may be 12 h old.

    The first noon takes the 900 bit of its own quarter. The second takes those of quarters 1 to 48 of the day before,
    which are then 95 down to 48 quarters old: 17.875 h in the mean, and all but the youngest 900 older than 12 h.
    """
    demand = {"name": "A B", "between": ("A", "B"), "bit_per_day": 43_200, "max_key_age_h": 12.0}
    scenario = hand_made(["A DE x", "B DE x"], ["s A B"], [demand], rate_bit_s=1.0)
    noon = scenario.start.replace(hour=12, minute=0)
    scenario = scenario.model_copy(update={"start": noon, "end": noon + timedelta(days=2)})
    deposits = empty_table("DEPOSITS")
    relay = relay_keys(deposits, scenario)
    replay = replay_routes(relay, deposits, scenario, traffic="bin", patience="0s").demands
    assert replay["on_time_bit"].tolist() == [900, 43_200]
    assert replay["blocked_bit"].tolist() == [42_300, 0]
    assert replay["over_age_bit"].tolist() == [0, 42_300]
    assert replay["mean_key_age_h"].tolist() == [0, 17.875]
    assert replay["largest_key_age_h"].tolist() == [0, 23.75]
