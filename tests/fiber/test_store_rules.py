"""Stores: age of key against a programme in which every bit carries its birthday, queues bit by bit, closed forms."""

from collections import deque
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from eqci_space.fiber.key_flow import RelayProgramme, solve_key_flow
from eqci_space.fiber.key_problem import ChoiceLimit, KeyFlowProblem
from eqci_space.fiber.paths import PathRule, route_arcs
from eqci_space.fiber.stores import bridged_s, stock_by_age, stock_for_availability, store_levels

MBIT = 1e6
WORTH = np.array([1.0, 0.5, 0.2]) / (1.7 / 3)
TRIANGLE = [("ab", "a", "b"), ("bc", "b", "c"), ("ac", "a", "c")]
ENDS = [("a", "b"), ("c", "a")]
ROUTES = [[(0,), (1, 2)], [(2,), (0, 1)]]  # edges of every simple path of each demand
TIE_MBIT = 1e-3  # more than the tie-breaks can cost in these problems


def single(supply, asked, **changes):
    """One edge, one demand; Mbit."""
    base = KeyFlowProblem(
        edges=[("e", "a", "b")], delayed=np.zeros(1, dtype=bool), supply_bit=np.array([supply], dtype=float) * MBIT,
        initial_bit=np.zeros(1), capacity_bit=np.array([1e12]), ends=[("a", "b")], weights=np.ones(1),
        asked_bit=np.array([asked], dtype=float) * MBIT, rules=[PathRule(np.ones(2, dtype=bool).tobytes())],
    )  # fmt: skip
    return replace(base, **changes)


def used_mbit(p):
    used = np.zeros(p.supply_bit.shape)
    for _, t, route, bit in solve_key_flow(p).paths:
        used[[arc >> 1 for arc in route_arcs(route)], t] += bit / MBIT
    return used


def random_stores(seed):
    """Two demands on a triangle: caps, stock at the start, lives of 1 to 3 bins or none, delayed or not."""
    rng = np.random.default_rng(seed)
    bins = int(rng.integers(3, 6))
    return KeyFlowProblem(
        edges=TRIANGLE, delayed=rng.random(3) < 0.5,
        supply_bit=rng.uniform(0, 4, (3, bins)) * MBIT * (rng.random((3, bins)) < 0.6),
        initial_bit=rng.uniform(0, 2, 3) * MBIT, capacity_bit=rng.uniform(2, 5, 3) * MBIT, ends=ENDS,
        weights=rng.uniform(0.5, 2, 2), asked_bit=rng.uniform(0.2, 3, (2, bins)) * MBIT,
        rules=[PathRule(np.ones(6, dtype=bool).tobytes())] * 2, life_bins=rng.integers(0, 4, 3),
        target_bit=rng.uniform(0, 4, 3) * MBIT * (rng.random(3) < 0.5), target_worth=rng.uniform(0.05, 0.5, 3),
    )  # fmt: skip


def vintage_optimum(p):
    """Optimum where key of every birthday is kept and used by itself; birthday 0 is the stock at the start.

    Key of bin d may be used in bins d to d + life, from d + 1 on if delayed; all that is kept at the end of a bin,
    what just arrived included, fits the cap. No tie-breaks.
    """
    n_bins, worth, top = p.asked_bit.shape[1], [], []
    rows, sides = [], []

    def variable(value=0.0, most=np.inf):
        worth.append(value)
        top.append(most)
        return len(worth) - 1

    thirds = {
        (k, t): [variable(p.weights[k] * w / (p.asked_bit[k, t] / MBIT), p.asked_bit[k, t] / MBIT / 3) for w in WORTH]
        for k in range(2) for t in range(n_bins)
    }  # fmt: skip
    flows = {(k, t, r): variable() for k in range(2) for t in range(n_bins) for r in ROUTES[k]}
    for (k, t), columns in thirds.items():
        rows.append({**dict.fromkeys(columns, 1.0), **{flows[k, t, r]: -1.0 for r in ROUTES[k]}})
        sides.append(0.0)
    for e in range(3):
        life = p.life_bins[e] or n_bins + 1
        used = {
            (d, t): variable() for d in range(-1, n_bins) for t in range(n_bins)
            if d + (p.delayed[e] and d >= 0) <= t <= d + life
        }  # fmt: skip
        kept = {(d, t): variable() for d in range(-1, n_bins) for t in range(-1, n_bins) if d <= t}
        for d, t in kept:
            came = (p.initial_bit[e] if d < 0 else p.supply_bit[e, d]) / MBIT
            row = {kept[d, t]: 1.0}
            if (d, t) in used:
                row[used[d, t]] = 1.0
            if t > d:
                row[kept[d, t - 1]] = -1.0
            rows.append(row)
            sides.append(came if t == d else 0.0)
        for t in range(n_bins):
            rows.append({kept[d, t]: 1.0 for d in range(-1, t + 1)})
            sides.append(p.capacity_bit[e] / MBIT)
            row = {flows[k, t, r]: 1.0 for k in range(2) for r in ROUTES[k] if e in r}
            row |= {used[d, u]: -1.0 for d, u in used if u == t}
            rows.append(row)
            sides.append(0.0)
        if p.target_bit[e] > 0:
            end = variable(p.target_worth[e], p.target_bit[e] / MBIT)
            alive = [d for d in range(-1, n_bins) if d + life >= n_bins]
            rows.append({end: 1.0, **{kept[d, n_bins - 1]: -1.0 for d in alive}})
            sides.append(0.0)
    matrix = np.zeros((len(rows), len(worth)))
    for i, row in enumerate(rows):
        matrix[i, list(row)] = list(row.values())
    bounds = [(0.0, None if np.isinf(x) else x) for x in top]
    found = linprog(-np.array(worth), A_ub=matrix, b_ub=sides, bounds=bounds, method="highs")
    assert found.status == 0
    return -found.fun


@pytest.mark.parametrize("seed", range(40))
def test_stores_with_life_cap_and_delay_equal_the_programme_of_vintages(seed, monkeypatch):
    monkeypatch.setattr("eqci_space.fiber.key_flow._FIBRE_COST", 1e-12)
    monkeypatch.setattr("eqci_space.fiber.key_flow._SPACE_COST", 1e-12)
    p = random_stores(seed)
    result = solve_key_flow(p)
    best = vintage_optimum(p)
    assert result.objective == pytest.approx(best, rel=1e-6)
    assert result.bound >= best - 1e-7


@pytest.mark.parametrize("seed", range(40))
def test_replayed_stores_serve_what_the_programme_uses(seed):
    """Stores replayed from deposits and use never run dry, keep the cap, and lose no bit that is not accounted for."""
    p = random_stores(seed)
    used = used_mbit(p) * MBIT
    levels = store_levels(p.supply_bit, used, p.initial_bit, p.capacity_bit, p.life_bins)
    at_hand = levels.initial_bit + np.where(p.delayed[:, None], 0.0, p.supply_bit)
    assert (used <= at_hand + 1.0).all()
    assert (levels.stock_bit <= p.capacity_bit[:, None] + 1.0).all()
    lost = levels.spilled_bit + levels.expired_bit
    assert levels.initial_bit + p.supply_bit == pytest.approx(used + lost + levels.stock_bit, abs=1.0)
    assert levels.initial_bit[:, 1:] == pytest.approx(levels.stock_bit[:, :-1])


def test_key_serves_until_its_life_ends():
    """6 arrive in bin 0 and live 2 bins: 1 a bin serves bins 0 to 2, bin 3 gets nothing; without a limit all do."""
    p = single([6, 0, 0, 0], [1, 1, 1, 1])
    assert used_mbit(p)[0] == pytest.approx([1, 1, 1, 1], abs=1e-5)
    assert used_mbit(replace(p, life_bins=np.array([2])))[0] == pytest.approx([1, 1, 1, 0], abs=1e-5)
    assert used_mbit(replace(p, life_bins=np.array([2]), delayed=np.array([True])))[0] == pytest.approx(
        [0, 1, 1, 0], abs=1e-5
    )


def test_stock_at_the_start_is_one_bin_older():
    p = single([0, 0, 0], [1, 1, 1], initial_bit=np.array([3.0]) * MBIT, life_bins=np.array([1]))
    assert used_mbit(p)[0] == pytest.approx([1, 0, 0], abs=1e-5)
    assert used_mbit(replace(p, life_bins=np.array([2])))[0] == pytest.approx([1, 1, 0], abs=1e-5)


def test_constant_drain_through_a_drought():
    """10 a bin for 3 bins at a demand of 4 leave 18; the drought of 6 bins takes 4, 4, 4, 4 and 2."""
    p = single([10] * 3 + [0] * 6, [4] * 9)
    used = used_mbit(p)[0]
    assert used.sum() == pytest.approx(30.0, abs=1e-4)
    capped = replace(p, capacity_bit=np.array([9.0]) * MBIT)
    assert used_mbit(capped)[0].sum() == pytest.approx(12 + 9, abs=1e-4)
    aged = replace(p, life_bins=np.array([2]))
    assert used_mbit(aged)[0].sum() == pytest.approx(12 + 8, abs=1e-4)  # the last key, of bin 2, serves bins 3 and 4


def test_cap_holds_for_delayed_key_before_it_serves():
    """9 arrive during bin 0 in a store of 4: bin 1 can use 4 of them, delayed; at once, bin 0 uses 5 and 4 are kept."""
    late = single([9, 0, 0], [5, 5, 5], delayed=np.array([True]), capacity_bit=np.array([4.0]) * MBIT)
    assert used_mbit(late)[0].sum() == pytest.approx(4.0, abs=1e-5)
    prompt = replace(late, delayed=np.array([False]))
    assert used_mbit(prompt)[0].sum() == pytest.approx(9.0, abs=1e-5)


def test_cap_of_delayed_key_holds_though_nothing_is_asked_at_first():
    """The supply of 9 exceeds the 5 asked in bin 1, but the store of 4 does not let it through."""
    p = single([9, 9, 0], [0, 5, 5], delayed=np.array([True]), capacity_bit=np.array([4.0]) * MBIT)
    assert used_mbit(p)[0] == pytest.approx([0, 4, 4], abs=1e-5)


def test_stock_wanted_at_the_end_is_kept_where_it_is_worth_more():
    """8 Mbit, 6 asked in thirds of 2 worth 0.294, 0.147 and 0.059 a Mbit; 5 wanted at the end at a worth of its own."""
    p = single([8], [6], target_bit=np.array([5.0]) * MBIT, target_worth=np.array([0.3]))
    result = solve_key_flow(p)
    thirds = WORTH / 6
    assert thirds == pytest.approx([0.294118, 0.147059, 0.058824], abs=1e-6)
    # At 0.3 the stock is worth more than any third: 5 kept, 3 used.
    assert used_mbit(p).sum() == pytest.approx(3.0, abs=1e-5)
    assert result.objective == pytest.approx(5 * 0.3 + 2 * thirds[0] + thirds[1], abs=1e-4)
    between = replace(p, target_worth=np.array([0.1]))
    assert used_mbit(between).sum() == pytest.approx(4.0, abs=1e-5)
    assert solve_key_flow(between).objective == pytest.approx(4 * 0.1 + 2 * thirds[0] + 2 * thirds[1], abs=1e-4)
    assert used_mbit(replace(p, target_worth=np.array([0.01]))).sum() == pytest.approx(6.0, abs=1e-5)


def test_stock_at_the_end_counts_late_key_and_no_more_than_the_cap():
    """Delayed key of the last bin serves the time after the end; a store of 3 holds 3 of the 7 wanted."""
    p = single(
        [0, 5], [1, 1], delayed=np.array([True]), target_bit=np.array([7.0]) * MBIT, target_worth=np.array([0.2])
    )
    assert solve_key_flow(p).objective == pytest.approx(1.0, abs=1e-6)
    assert solve_key_flow(replace(p, capacity_bit=np.array([3.0]) * MBIT)).objective == pytest.approx(0.6, abs=1e-6)
    short_lived = single([5, 0], [0, 0], life_bins=np.array([1]), target_bit=np.array([7.0]) * MBIT,
                         target_worth=np.array([0.2]))  # fmt: skip
    assert solve_key_flow(short_lived).objective == pytest.approx(0.0, abs=1e-9)  # too old for the bin after the end
    long_lived = replace(short_lived, life_bins=np.array([2]))
    assert solve_key_flow(long_lived).objective == pytest.approx(1.0, abs=1e-6)


def test_stock_wanted_on_a_span_that_a_chain_could_leave_out():
    """Spans of 5 and 8 in a chain, 6 asked: a dear stock of 4 on the wider span leaves 4 for the demand."""
    p = KeyFlowProblem(
        edges=[("am", "a", "m"), ("mb", "m", "b")], delayed=np.zeros(2, dtype=bool),
        supply_bit=np.array([[5.0], [8.0]]) * MBIT,
        initial_bit=np.zeros(2), capacity_bit=np.full(2, 1e12), ends=[("a", "b")], weights=np.ones(1),
        asked_bit=np.array([[6.0]]) * MBIT, rules=[PathRule(np.ones(4, dtype=bool).tobytes())],
        target_bit=np.array([0.0, 4.0]) * MBIT, target_worth=np.array([0.0, 9.0]),
    )  # fmt: skip
    assert used_mbit(p)[:, 0] == pytest.approx([4.0, 4.0], abs=1e-5)
    assert solve_key_flow(p).objective == pytest.approx(36 + (2 * WORTH[0] + 2 * WORTH[1]) / 6, abs=1e-4)


def test_life_and_end_stock_hold_for_chosen_deposits():
    """An offer of 6 in bin 0, living 1 bin, serves bin 1 and no other; one in the last bin fills the end stock."""
    offers = {
        "candidate_bit": np.array([6.0, 4.0]) * MBIT, "deposit_candidate": np.arange(2),
        "deposit_edge": np.zeros(2, dtype=int),
        "deposit_bin": np.array([0, 2]), "deposit_bit": np.array([6.0, 4.0]) * MBIT,
        "limits": [ChoiceLimit(np.arange(2), np.ones(2), 2.0)],
    }  # fmt: skip
    p = single([0, 0, 0], [3, 3, 3], delayed=np.array([True]), life_bins=np.array([1]),
               target_bit=np.array([9.0]) * MBIT, target_worth=np.array([0.01]), **offers)  # fmt: skip
    programme = RelayProgramme(p)
    programme.fix(np.ones(2), np.ones(2))
    relaxed = programme.relax()
    assert [(t, bit) for _, t, _, bit in programme.paths(relaxed.solution)] == [(1, pytest.approx(3 * MBIT, abs=1))]
    assert relaxed.objective == pytest.approx(1.0 + 0.04 + 1e-4, abs=TIE_MBIT)
    programme.fix(np.zeros(2), np.zeros(2))
    assert programme.relax().objective == pytest.approx(0.0, abs=1e-9)


def queue(deposits, wanted, initial, cap, life):
    """Levels of one store by a queue of (birthday, bits): oldest first out; of too much the oldest spills."""
    store, out = deque([(-1, initial)]), []
    for t, (came, want) in enumerate(zip(deposits, wanted, strict=True)):
        begin = sum(bit for _, bit in store)
        store.append((t, came))
        left = want
        while left > 0 and store:
            day, bit = store.popleft()
            take = min(bit, left)
            left -= take
            if bit > take:
                store.appendleft((day, bit - take))
        expired = sum(bit for day, bit in store if life and day + life < t + 1)
        store = deque((day, bit) for day, bit in store if not life or day + life >= t + 1)
        spilled = over = max(0, sum(bit for _, bit in store) - cap)
        while over > 0:
            day, bit = store.popleft()
            drop = min(bit, over)
            over -= drop
            if bit > drop:
                store.appendleft((day, bit - drop))
        out.append((begin, spilled, expired, sum(bit for _, bit in store), want - left))
    return np.array(out, dtype=float).T


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=10),
    st.integers(0, 8), st.integers(1, 15), st.integers(0, 4),
)  # fmt: skip
def test_levels_equal_a_queue_of_bits(days, initial, cap, life):
    """Whole bits: levels, spill and expiry agree exactly with the queue, at whatever use it could serve."""
    came, wanted = (np.array(x, dtype=float) for x in zip(*days, strict=True))
    begin, spilled, expired, stock, served = queue(came, wanted, initial, cap, life)
    levels = store_levels(came[None], served[None], np.array([initial]), np.array([cap]), np.array([life]))
    assert levels.initial_bit[0].tolist() == begin.tolist()
    assert levels.expired_bit[0].tolist() == expired.tolist()
    assert levels.spilled_bit[0].tolist() == spilled.tolist()
    assert levels.stock_bit[0].tolist() == stock.tolist()
    assert initial + came.sum() == served.sum() + spilled.sum() + expired.sum() + stock[-1]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=10),
    st.integers(0, 8), st.integers(1, 15), st.integers(0, 4), st.integers(1, 9),
)  # fmt: skip
def test_levels_go_on_from_stocks_by_age(days, initial, cap, life, cut):
    """Replayed in two parts, the second from the stock that the first leaves by age, as in one."""
    came, wanted = (np.array(x, dtype=float)[None] for x in zip(*days, strict=True))
    cut = min(cut, came.shape[1] - 1)
    used = queue(came[0], wanted[0], initial, cap, life)[4][None]
    edge = np.array([float(initial)]), np.array([float(cap)]), np.array([life])
    whole = store_levels(came, used, *edge)
    first = store_levels(came[:, :cut], used[:, :cut], *edge)
    arrived = np.column_stack([edge[0], came[:, :cut]])
    aged = stock_by_age(first.stock_bit[:, -1], arrived, max(1, life))
    assert aged.sum() == first.stock_bit[0, -1]
    second = store_levels(came[:, cut:], used[:, cut:], aged, *edge[1:])
    assert second.stock_bit.tolist() == whole.stock_bit[:, cut:].tolist()
    assert second.expired_bit.tolist() == whole.expired_bit[:, cut:].tolist()
    assert second.spilled_bit.tolist() == whole.spilled_bit[:, cut:].tolist()


@pytest.mark.parametrize("seed", range(20))
def test_programme_goes_on_from_stocks_by_age(seed):
    """What the whole programme serves after a cut is what the programme from the stocks at the cut can serve."""
    p = random_stores(seed)
    p = replace(p, target_bit=np.empty(0), target_worth=np.empty(0))
    cut = p.asked_bit.shape[1] // 2
    used = used_mbit(p) * MBIT
    first = store_levels(p.supply_bit[:, :cut], used[:, :cut], p.initial_bit, p.capacity_bit, p.life_bins)
    arrived = np.column_stack([p.initial_bit, p.supply_bit[:, :cut]])
    aged = stock_by_age(first.stock_bit[:, -1], arrived, max(1, int(p.life_bins.max())))
    rest = replace(
        p, supply_bit=p.supply_bit[:, cut:], asked_bit=p.asked_bit[:, cut:], initial_bit=aged.sum(axis=1),
        vintage_bit=aged,
    )  # fmt: skip
    whole = solve_key_flow(p)
    later = [path for path in whole.paths if path[1] >= cut]
    served = np.zeros(rest.asked_bit.shape)
    for k, t, _, bit in later:
        served[k, t - cut] += bit
    exact = solve_key_flow(replace(rest, asked_bit=np.maximum(served, 1.0)))
    assert exact.delivered_bit(2).sum() == pytest.approx(served.sum(), rel=1e-6, abs=20)


def test_old_stock_expires_before_new():
    """2 that arrived two bins before and 1 in the last, of life 2: bin 0 takes what it asks, bin 1 only the last."""
    p = single([0, 0, 0], [1, 2, 1], initial_bit=np.array([3.0]) * MBIT, vintage_bit=np.array([[2.0, 1.0]]) * MBIT,
               life_bins=np.array([2]))  # fmt: skip
    assert used_mbit(p)[0] == pytest.approx([1, 1, 0], abs=1e-5)
    fresh = replace(p, vintage_bit=np.empty((0, 0)))
    assert used_mbit(fresh)[0] == pytest.approx([1, 2, 0], abs=1e-5)


def test_several_stores_are_replayed_apart():
    came = np.array([[5.0, 0, 0], [5.0, 0, 0], [9.0, 9, 0]])
    used = np.array([[1.0, 1, 1], [1.0, 1, 0], [0.0, 0, 6]])
    levels = store_levels(came, used, np.array([2.0, 2, 0]), np.array([100.0, 100, 7]), np.array([0, 1, 0]))
    assert levels.stock_bit.tolist() == [[6, 5, 4], [5, 0, 0], [7, 7, 1]]
    assert levels.expired_bit.tolist() == [[0, 0, 0], [1, 4, 0], [0, 0, 0]]
    assert levels.spilled_bit.tolist() == [[0, 0, 0], [0, 0, 0], [2, 9, 0]]
    without = store_levels(came, used, np.array([2.0, 2, 0]), np.array([100.0, 100, 7]))
    assert without.stock_bit[1].tolist() == [6, 5, 5]


def test_stock_bridges_a_drought():
    """One AES-256 key a minute is 4.2667 bit/s: 1.843 Mbit last five days."""
    assert bridged_s(256 / 60 * 5 * 86400, 256 / 60) == pytest.approx(432_000.0)
    assert bridged_s(0.0, 1.0) == 0.0
    for stock, drain in ((-1.0, 1.0), (1.0, 0.0), (1.0, -1.0), (float("nan"), 1.0)):
        with pytest.raises(ValueError, match="bridged_s"):
            bridged_s(stock, drain)


def test_stock_for_availability_of_one_drought_is_drain_times_its_length():
    """Rain of 5 in bins 4 and 9 of ten, a drain of 1: the first four bins lack 1, 2, 3, 4 and then never more."""
    came = np.array([[0, 0, 0, 0, 5.0, 0, 0, 0, 0, 5.0]])
    assert stock_for_availability(came, np.ones(10), 0.99) == 4.0
    assert stock_for_availability(came, np.ones(10), 0.35) == 4.0  # seven bins of ten need 4, three need less
    assert stock_for_availability(came, np.ones(10), 0.2) == 2.0
    assert stock_for_availability(came + 1.0, np.ones(10), 0.9) == 0.0


@pytest.mark.parametrize("availability", [0.5, 0.8, 0.95, 0.99])
def test_stock_for_availability_is_the_smallest_that_serves_that_share(availability):
    """With the stock the wanted share of (world, bin) pairs has lacked nothing so far; with a bit less, fewer have."""
    rng = np.random.default_rng(8)
    came = rng.integers(0, 3, (50, 20)) * 100.0
    wanted = rng.integers(0, 4, 20) * 60.0 + 20.0

    def served(stock):
        good = 0
        for world in came:
            level = stock
            for deposit, want in zip(world, wanted, strict=True):
                level += deposit - want
                if level < 0:
                    break  # what follows a shortage counts as not served
                good += 1
        return good / came.size

    stock = stock_for_availability(came, wanted, availability)
    assert served(stock) >= availability - 1e-12
    assert served(stock - 1.0) < availability


@pytest.mark.parametrize("availability", [0.0, 1.0, 90.0])
def test_availability_is_a_share(availability):
    with pytest.raises(ValueError, match=f"availability={availability}"):
        stock_for_availability(np.ones((1, 2)), np.ones(2), availability)
