"""Finite-key blocks that wait for several contacts: their key, when they close, and plans with them."""

import itertools

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from plan_cases import at, offers, only, with_policy

from eqci_space.errors import PlanError, ScenarioError
from eqci_space.fiber.edges import block_closings
from eqci_space.fiber.network import build_network
from eqci_space.fiber.problem import flow_problem
from eqci_space.fiber.relay import key_deposits
from eqci_space.fiber.world_relay import relay_worlds
from eqci_space.qkd.aggregation import aggregate_keys
from eqci_space.qkd.part_keys import part_keys
from eqci_space.qkd.window_keys import copies_in_block, window_keys
from eqci_space.qkd.window_responses import part_responses
from eqci_space.scenario import BlockLength, load_scenario
from eqci_space.schedule.candidates import contact_candidates
from eqci_space.schedule.contacts import schedule_contacts
from eqci_space.schedule.fresh_skies import fresh_deliveries
from eqci_space.schedule.rolling import rolling_plan
from eqci_space.schedule.simulate import simulate_plan
from eqci_space.schedule.sky_deposits import key_places, placed_key, with_open_blocks


def in_blocks(scenario, block):
    return scenario.model_copy(update={"protocol": scenario.protocol.model_copy(update={"block": block})})


@pytest.fixture(scope="module")
def network(scenario):
    return build_network(scenario)


@pytest.fixture(scope="module")
def pair(study):
    """BUDGET and KEYS of the four best windows of one station."""
    useful = study.keys[study.keys["skl_bit"] > 0]
    ogs = study.budget.drop_duplicates("window_id").set_index("window_id")["ogs"].reindex(useful.index)
    mine = useful.loc[ogs == "PQSAT", "skl_bit"].nlargest(4).index
    return study.budget[study.budget["window_id"].isin(mine)], study.keys.loc[mine]


def test_part_of_a_window_in_a_block_is_that_of_windows_like_it(pair, scenario):
    """Four best windows of a station in one block: 1.14 of their separate keys; in blocks of four like each, the same.

    Windows that are alike share one set of parameters at no loss.
    """
    budget, keys = pair
    found = window_keys(budget, in_blocks(scenario, 4))
    together = aggregate_keys(budget, keys, scenario, windows_per_block=4)
    assert_allclose(found["skl_bit"].sum(), together["skl_bit"].sum(), rtol=0.015)
    assert found["skl_bit"].sum() > 1.1 * keys["skl_bit"].sum()
    assert set(found["block"]) == {"4 windows"}
    assert_allclose(found["authentication_bit"] * 4, keys["authentication_bit"].loc[found.index])


def test_a_window_four_times_is_a_block_of_four(pair, scenario):
    """The block itself: slots of one window four times over, at the same parameters and authentication paid once."""
    budget, keys = pair
    best = keys["skl_bit"].idxmax()
    one = budget[budget["window_id"] == best]
    four = window_keys(one.assign(weight_s=4 * one["weight_s"]), scenario)["skl_bit"].iloc[0]
    part = window_keys(one, in_blocks(scenario, 4))["skl_bit"].iloc[0]
    assert_allclose(4 * part, four, atol=4)


def test_blocks_of_a_length_hold_it(pair, scenario):
    """Parts of blocks of ten million sifted bits: each fills its sifted bits of it; a shorter one closes at once."""
    budget, keys = pair
    long, short = (in_blocks(scenario, BlockLength(sifted_bit=bit)) for bit in (1e7, 1e3))
    found = window_keys(budget, long)
    copies = np.array([copies_in_block(long.protocol, bit) for bit in found["sifted_bit"]])
    assert_allclose(copies * found["sifted_bit"], 1e7)
    assert (found["skl_bit"] > keys["skl_bit"].loc[found.index]).all()
    pd.testing.assert_series_equal(window_keys(budget, short)["skl_bit"], keys["skl_bit"].loc[found.index])


def test_parts_and_responses_are_those_of_the_block(pair, scenario):
    """A whole window as a part; half of the signal brings half, 3 dB somewhat less; 1 dB less than nothing."""
    budget, _ = pair
    block = in_blocks(scenario, 3)
    keys = window_keys(budget, block)
    rows = keys.rename(columns={"usable_start": "start", "usable_end": "end"})[["start", "end"]]
    rows = rows.assign(window_id=keys.index)
    parts = part_keys(rows.reset_index(drop=True), budget, keys, block)
    assert_allclose(parts["skl_bit"], keys["skl_bit"], rtol=1e-3)
    asked = part_responses(rows.rename_axis("part"), budget, keys, block, [0, 0, 3, 20], seen_share=[1, 0.5, 1, 1])
    assert_allclose(asked.iloc[:, 0], keys["skl_bit"], atol=1)
    assert_allclose(asked.iloc[:, 1], keys["skl_bit"] / 2, atol=1)
    assert (asked.iloc[:, 2] < asked.iloc[:, 1]).all()
    assert (asked.iloc[:, 2] > 0.8 * asked.iloc[:, 1]).all()
    assert (asked.iloc[:, 3] < 0.01 * asked.iloc[:, 0]).all()


def naive_closings(edge, end, fill):
    """One world after the other, contact by contact."""
    out = np.full(fill.shape, -1)
    for w, row in enumerate(fill):
        for name in set(edge):
            held, waiting = 0.0, []
            for i in sorted((i for i in range(len(edge)) if edge[i] == name), key=lambda i: end[i]):
                held += row[i]
                waiting.append(i)
                if held >= 1 - 1e-9:
                    out[w, waiting] = i
                    held, waiting = 0.0, []
    return out


def test_a_block_closes_with_the_contact_that_fills_it():
    """Thirds and halves on two edges, out of order in time; a sky without the second contact waits for the fourth."""
    edge, end = np.array(["x", "y", "x", "x", "y", "x"]), pd.DatetimeIndex([at(d) for d in (3, 0, 1, 2, 4, 5)])
    fill = np.array([1 / 3, 0.5, 1 / 3, 1 / 3, 0.5, 1 / 3])
    closes = block_closings(edge, end, np.array([fill, fill * [1, 1, 0, 1, 1, 1], fill * 0]))
    assert closes.tolist() == [[0, 4, 0, 0, 4, -1], [5, 4, 5, 5, 4, 5], [-1] * 6]


def test_closings_agree_with_a_walk_world_by_world():
    rng = np.random.default_rng(4)
    for _ in range(40):
        n = int(rng.integers(1, 12))
        edge, end = rng.choice(["x", "y", "z"], n), pd.DatetimeIndex([at(d) for d in rng.permutation(n) / 7])
        fill = rng.choice([0.0, 0.25, 1 / 3, 0.5, 1.0], (5, n))
        assert (block_closings(edge, end, fill) == naive_closings(edge, end, fill)).all()


CONTACTS = offers(
    ("a", "PQSAT", at(0), 300, 40_000),
    ("b", "PQSAT", at(1), 300, 40_000),
    ("c", "PQSAT", at(2), 300, 40_000),
    ("d", "DLR-TRAUEN", at(0, 10), 300, 90_000),
    ("e", "DLR-TRAUEN", at(1, 10), 300, 90_000),
).assign(block_fill=0.5)  # fmt: skip


def test_key_falls_into_the_bin_in_which_its_block_closes(scenario, network):
    """Two clear contacts a block: 80 kbit at Warsaw on the second day, the third waits; without b, c closes."""
    block = in_blocks(only(scenario, "government Berlin-Warsaw"), 2)
    problem = flow_problem(network, block)
    places = key_places(CONTACTS, block, problem)
    order = {name: i for i, name in enumerate(CONTACTS.index)}
    received = np.ones((2, 5))
    received[1, order["b"]] = 0.0
    key = CONTACTS["skl_bit"].to_numpy() * (received > 0)
    kept, closes = with_open_blocks(CONTACTS, block, key, received)
    placed = placed_key(places, kept, closes)
    edge = problem.edge_number["EAGLE1-LIKE|PQSAT"]
    warsaw = {int(b): placed[:, i].tolist() for i, b in enumerate(places.bin) if places.edge[i] == edge}
    assert {b: bits for b, bits in warsaw.items() if any(bits)} == {1: [80_000, 0], 2: [0, 80_000]}
    assert kept[0, order["c"]] == 0
    assert placed.sum() == kept.sum()


def test_delivery_of_waiting_blocks_is_that_of_their_deposits(scenario, network):
    """Clear skies: blocks of both ends close in the second bin and serve from the third on; one less brings none."""
    block = in_blocks(only(scenario, "government Berlin-Warsaw"), 2)
    clear = block.model_copy(update={"weather": type(block.weather)(model="clear_sky")})
    full, short = fresh_deliveries([list("abcde"), list("abd")], CONTACTS, clear, network=network, skies=2, rng=1)
    assert_allclose(full, 80_000, rtol=1e-3)
    assert (short == 0).all()
    at_once = clear.model_copy(update={"protocol": scenario.protocol})
    (plain,) = fresh_deliveries([list("abd")], CONTACTS, at_once, network=network, skies=2, rng=1)
    assert_allclose(plain, 80_000, rtol=1e-3)


def test_plan_is_the_best_choice_for_blocks_that_wait(scenario, network):
    """By brute force in a thousand skies: no choice of the five contacts delivers more than that of the plan."""
    block = with_policy(
        in_blocks(only(scenario, "government Berlin-Warsaw"), 2), backups=False, plan_skies=60,
        plan_for="expected_delivery",
    )  # fmt: skip
    block = block.model_copy(update={"weather": type(block.weather)(model="constant", p_clear=0.7, cirrus_share=0.0)})
    table = CONTACTS.assign(p_clear=0.7)
    plan = schedule_contacts(table, block, network=network)
    chosen = plan.contacts["candidate_id"].tolist()
    assert plan.skies == 60
    assert plan.bound >= plan.objective
    choices = [list(c) for n in range(6) for c in itertools.combinations("abcde", n)]
    bits = fresh_deliveries([chosen, *choices], table, block, network=network, skies=1000, rng=3)
    means = [b.sum(axis=1).mean() for b in bits]
    assert means[0] > 0
    assert means[0] >= max(means) - 1e-6


def test_a_pair_that_never_fills_a_block_is_left_out(scenario, network):
    """Three German contacts at two stations, in twos: of the lone one no block is made; the plan does without it."""
    table = offers(
        ("a", "PQSAT", at(0), 300, 40_000),
        ("b", "PQSAT", at(1), 300, 40_000),
        ("d", "DLR-TRAUEN", at(0, 10), 300, 30_000),
        ("e", "DLR-TRAUEN", at(1, 10), 300, 30_000),
        ("f", "DLR-OP", at(0, 10), 300, 60_000),
    ).assign(block_fill=0.5)  # fmt: skip
    block = with_policy(
        in_blocks(only(scenario, "government Berlin-Warsaw"), 2), backups=False, plan_skies=20,
        plan_for="expected_delivery",
    )  # fmt: skip
    clear = block.model_copy(update={"weather": type(block.weather)(model="constant", p_clear=1.0)})
    plan = schedule_contacts(table, clear, network=network)
    assert set(plan.contacts["candidate_id"]) == set("abde")


def test_blocks_end_to_end(study, scenario):
    """The shipped week in blocks of two: candidates, plan, deposits and simulation."""
    block = with_policy(
        in_blocks(scenario, 2), plan_skies=8, hand_over_step_s=0.0, plan_for="expected_delivery"
    )  # fmt: skip
    budget, keys = study.budget, window_keys(study.budget, block)
    table = contact_candidates(budget, keys, block)
    assert_allclose(table["block_fill"], 0.5)
    assert (table["block"] == table["edge"]).all()
    plan = schedule_contacts(table, block, network=study.network)
    assert plan.bound >= plan.objective >= plan.without_space - 1e-9
    assert "block_fill" in plan.contacts
    found = simulate_plan(plan, budget, keys, block, network=study.network, trials=40, roles=True, rng=2)
    flown = plan.contacts[plan.contacts["status"] == "planned"]
    assert (found.weather_only_contact_bit.max() <= flown["skl_bit"].reindex(found.contact_bit.columns) * 1.001).all()
    some = (found.weather_only_contact_bit > 0).to_numpy()
    ogs = flown["ogs"].reindex(found.weather_only_contact_bit.columns).to_numpy()
    for station in set(ogs):
        assert not (some[:, ogs == station].sum(axis=1) == 1).all()
    assert set(found.contacts["role"]) <= {"needed", "spare", "useless"}
    clear = key_deposits(plan, block, kind="clear")
    assert len(clear) <= len(flown)
    assert clear.groupby("block").size().min() >= 2
    expected = key_deposits(plan, block)
    assert_allclose(expected["bit"].sum(), flown["expected_skl_bit"].sum())


def test_simulation_of_blocks_is_the_relay_of_a_walk(study, scenario):
    """Bits that arrive and are delivered in 30 worlds, recomputed contact by contact and world by world."""
    block = with_policy(in_blocks(scenario, 2), plan_for="expected_key", hand_over_step_s=0.0, backups=False)
    block = block.model_copy(update={"uncertainties": ()})
    keys = window_keys(study.budget, block)
    plan = schedule_contacts(contact_candidates(study.budget, keys, block), block, network=study.network)
    found = simulate_plan(plan, study.budget, keys, block, network=study.network, trials=30, rng=4)
    contacts = plan.contacts.loc[found.weather_only_contact_bit.columns]
    problem = flow_problem(study.network, block)
    key = found.weather_only_contact_bit.to_numpy()
    # What arrived has closed: per world and edge every bit is in the bin of the last contact of its block.
    places = key_places(contacts, block, problem)
    _, closes = with_open_blocks(contacts, block, key, (key > 0).astype(float))
    placed = placed_key(places, key, closes)
    bits = relay_worlds(problem, places.edge, places.bin, placed).delivered_bit.sum(axis=2)
    mostly = np.isclose(bits, found.weather_only_bit.to_numpy(), rtol=1e-3, atol=2000).all(axis=1)
    assert mostly.mean() > 0.7  # parts seen of contacts fill less of a block than this walk knows


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("1", "got 1; expected 'window', a whole number of windows from 2 to 1000"),
        ("2.5", r"got 2\.5; expected 'window'"),
        ("true", "got True; expected 'window'"),
        ('"pass"', "got 'pass'; expected 'window'"),
        ("{ sifted_bit = 10 }", "sifted_bit"),
        ("{ bits = 1e6 }", "bits"),
        ("400", "a block of 400 windows; expected at most 118"),
    ],
)
def test_what_is_no_block_is_refused(tmp_path, value, says):
    overlay = tmp_path / "block.toml"
    overlay.write_text(f"[protocol]\nblock = {value}\n")
    with pytest.raises(ScenarioError, match=says):
        load_scenario("quant-gpicz", overlays=[overlay])


def test_a_block_that_is_never_full_is_named(scenario, network):
    block = with_policy(in_blocks(scenario, 20), backups=False, plan_skies=8)
    plan = schedule_contacts(CONTACTS.assign(block_fill=0.05), block, network=network)
    assert "no block of 20 windows is ever full: no key comes from space" in plan.notes


def test_rolling_plans_do_not_wait(scenario, network):
    with pytest.raises(PlanError, match=r"rolling_plan: protocol\.block = 2 windows; expected 'window'"):
        rolling_plan(CONTACTS, in_blocks(scenario, 2), network=network)
