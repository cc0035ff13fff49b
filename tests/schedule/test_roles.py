"""Roles of contacts: closed forms of two pools, edges of two standard errors, and losses computed anew."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from test_expected import two_pools
from test_joint import random_offers

from eqci_space.fiber.key_flow import solve_key_flow
from eqci_space.schedule.roles import contact_roles
from eqci_space.schedule.world_chunks import relay_here

MBIT = 1e6
WORLDS = 20


def roles(edge, key_bit, *, problem=None, at=None, **options):
    """Roles of contacts named a, b, ..., all in the first bin; by default of a demand over pools 0 and 1."""
    names = pd.Index(list("abcdefghij"[: len(edge)]), name="contact_id")
    edge, key_bit, problem = np.array(edge, dtype=int), np.array(key_bit), problem or two_pools([(0, 1)])
    at = np.zeros(len(edge), dtype=int) if at is None else np.array(at)
    options.setdefault("run", partial(relay_here, problem))
    found = contact_roles(edge, at, key_bit, names, **options)
    assert found.index.equals(names)
    return found


def always(*mbit):
    return np.tile(mbit, (WORLDS, 1)) * MBIT


def in_some(worlds, bit):
    """So many bits in the first of the worlds, none in the others."""
    return np.where(np.arange(WORLDS) < worlds, float(bit), 0.0)


def test_one_contact_a_side_is_needed_on_both():
    """min(4, 7): without either nothing is delivered, in every world alike."""
    found = roles([0, 1], always(4, 7))
    assert found["role"].tolist() == ["needed", "needed"]
    assert_allclose(found["lost_without_bit"], 4 * MBIT, atol=2)
    assert_allclose(found["lost_without_error_bit"], 0.0, atol=1)


def test_of_two_contacts_of_which_one_suffices_each_alone_is_useless():
    """5 and 5 at g against 5 at h; with 8 at h each of the two is needed for the 3 that the other lacks."""
    found = roles([0, 0, 1], always(5, 5, 5))
    assert found["role"].tolist() == ["useless", "useless", "needed"]
    assert_allclose(found["lost_without_bit"], [0, 0, 5 * MBIT], atol=2)
    found = roles([0, 0, 1], always(5, 5, 8))
    assert found["role"].tolist() == ["needed"] * 3
    assert_allclose(found["lost_without_bit"], [3 * MBIT, 3 * MBIT, 8 * MBIT], atol=2)


def test_a_contact_whose_edge_or_time_nobody_uses_is_useless():
    """Edge 2 leads to a station where no demand ends; bin 1 is the last, bin -1 outside; one brings no key."""
    bare = two_pools([(0, 1)])
    problem = replace(
        bare, edges=[*bare.edges, ("z", "s", "k")], delayed=np.ones(3, dtype=bool), supply_bit=np.zeros((3, 2)),
        initial_bit=np.zeros(3), capacity_bit=np.full(3, 1e12),
        rules=[replace(bare.rules[0], arcs=np.ones(6, dtype=bool).tobytes())],
    )  # fmt: skip
    found = roles([0, 1, 2, 0, 0, 0], always(4, 7, 9, 9, 9, 0), problem=problem, at=[0, 0, 0, 1, -1, 0])
    assert found["role"].tolist() == ["needed", "needed", *["useless"] * 4]
    assert_allclose(found["lost_without_bit"], [4 * MBIT, 4 * MBIT, 0, 0, 0, 0], atol=2)


@pytest.mark.parametrize(
    ("some", "worlds", "role"),
    [
        (0, 20, "useless"), (1, 20, "spare"), (3, 20, "spare"), (4, 20, "needed"), (9, 20, "needed"),
        (3, 13, "spare"), (3, 11, "needed"),  # 3 · 17/13 = 3.92 and 3 · 15/11 = 4.09
    ],
)  # fmt: skip
def test_loss_in_some_worlds_is_needed_from_two_standard_errors_on(some, worlds, role):
    """x bits lost in k of n worlds: mean x k/n, error x √(k/n (1 - k/n) / n); above twice that for k (1 + 4/n) > 4."""
    key = always(5, 5, 5)
    key[:, 1] -= in_some(some, 2 * MBIT)  # where the second brings 3 only, the first is missed for 2
    found = roles([0, 0, 1], key[:worlds])
    share = some / worlds
    assert found["role"].tolist() == [role, "useless", "needed"]
    assert found["lost_without_bit"].iloc[0] == pytest.approx(2 * MBIT * share, abs=2)
    error = 2 * MBIT * np.sqrt(share * (1 - share) / worlds)
    assert found["lost_without_error_bit"].iloc[0] == pytest.approx(error, abs=2)


@pytest.mark.parametrize(("bit", "role"), [(200, "useless"), (250, "useless"), (260, "spare"), (1000, "spare")])
def test_a_spare_contact_brings_more_than_a_key_of_256_bit_in_some_world(bit, role):
    key = always(5, 5, 5)
    key[:, 1] -= in_some(3, bit)
    found = roles([0, 0, 1], key)
    assert found["role"].tolist() == [role, "useless", "needed"]
    assert found["lost_without_bit"].iloc[0] == pytest.approx(bit * 3 / WORLDS, abs=1)


def test_independent_skies_at_both_ends():
    """One contact a side, clear in 12 and 10 of 20 worlds, 6 together: 6/20 of min(4, 7) is lost without either."""
    world = np.arange(WORLDS)
    key = np.column_stack([4 * (world < 12), 7 * ((world < 6) | (world >= 16))]) * MBIT
    found = roles([0, 1], key)
    assert found["role"].tolist() == ["needed", "needed"]
    assert_allclose(found["lost_without_bit"], 0.3 * 4 * MBIT, atol=2)
    assert_allclose(found["lost_without_error_bit"], 4 * MBIT * np.sqrt(0.3 * 0.7 / 20), atol=2)


def delivered(problem, edge, at, key_bit):
    """Bits that all demands get together in one world, its problem built anew."""
    supply, inside = problem.supply_bit.copy(), at >= 0
    np.add.at(supply, (edge[inside], at[inside]), key_bit[inside])
    none, empty = np.empty(0, dtype=int), np.empty(0)
    alone = replace(
        problem, supply_bit=supply, candidate_bit=empty, deposit_candidate=none, deposit_edge=none, deposit_bin=none,
        deposit_bit=empty, limits=[],
    )  # fmt: skip
    return solve_key_flow(alone).delivered_bit(len(problem.ends)).sum()


@pytest.mark.parametrize("seed", [600, 601, 603])
def test_losses_and_roles_are_those_of_problems_built_anew(seed):
    problem = random_offers(seed, most=7)
    edge, at = problem.deposit_edge, problem.deposit_bin
    rng = np.random.default_rng(seed)
    key = np.where(rng.random((9, len(edge))) < 0.5, problem.deposit_bit, 0.0)
    found = roles(edge, key, problem=problem, at=at)
    lost = np.zeros(key.shape)
    for world, bits in enumerate(key):
        for i in np.flatnonzero(bits):
            without = np.where(np.arange(len(bits)) == i, 0.0, bits)
            lost[world, i] = delivered(problem, edge, at, bits) - delivered(problem, edge, at, without)
    assert_allclose(found["lost_without_bit"], lost.mean(axis=0), atol=20)
    error = lost.std(axis=0) / 3
    assert_allclose(found["lost_without_error_bit"], error, atol=20)
    needed = lost.mean(axis=0) > np.maximum(2 * error, 1)
    expected = np.where(needed, "needed", np.where(lost.max(axis=0) > 256, "spare", "useless"))
    assert found["role"].tolist() == expected.tolist()
    assert (lost.max(axis=0) > 1000).any()


def test_all_is_run_at_once_one_task_more_than_contacts():
    problem, seen = two_pools([(0, 1)]), []

    def run(tasks, progress):
        seen.append(len(tasks))
        return relay_here(problem, tasks, progress)

    key = always(5, 5, 5)
    key[:, 1] -= in_some(7, 2 * MBIT)
    plain, own = roles([0, 0, 1], key), roles([0, 0, 1], key, run=run)
    assert seen == [4]
    pd.testing.assert_frame_equal(plain, own)
    assert plain["role"].tolist() == ["needed", "useless", "needed"]


def test_key_falls_where_it_is_placed():
    """Two contacts whose key both go to the first pool by one place: without either half of it is lost."""
    problem = two_pools([(0, 1)])
    key = always(2, 2, 9)

    def placed(left, some):
        return np.column_stack([left[:, :2].sum(axis=1), left[:, 2]])

    found = contact_roles(
        np.array([0, 1]), np.zeros(2, dtype=int), key, pd.Index(list("abc")), run=partial(relay_here, problem),
        placed=placed,
    )  # fmt: skip
    assert_allclose(found["lost_without_bit"], [2 * MBIT, 2 * MBIT, 4 * MBIT], rtol=1e-3)


def test_no_contacts_have_no_roles():
    found = roles([], np.empty((WORLDS, 0)))
    assert len(found) == 0
    assert list(found.columns) == ["role", "lost_without_bit", "lost_without_error_bit"]
