"""The worst skies: a problem of two skies solved by hand, masks of rules, and skies that are certain."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from plan_cases import at, chosen, offers, only, with_policy

from eqci_space.fiber.key_problem import ChoiceLimit, KeyFlowProblem, Risk
from eqci_space.fiber.paths import PathRule
from eqci_space.fiber.problem import flow_problem
from eqci_space.schedule import risk
from eqci_space.schedule.contacts import candidate_problem, schedule_contacts
from eqci_space.schedule.joint import solve_joint
from eqci_space.schedule.risk import in_skies
from eqci_space.weather.skies import SkySamples, sample_sky

MBIT = 1e6
SLOPE = 1 / (1.7 / 3)


def two_skies(share, tail):
    """One demand g-h with 30 Mbit asked; of three offers one: 9 and 1, 6 and 3 or 4 and 4 Mbit in the two skies."""
    key = np.array([[9.0, 1.0], [6.0, 3.0], [4.0, 4.0]])
    edges = [(f"{s}#{e}", f"{s}#s", f"{s}#{g}") for s in range(2) for e, g in (("x", "g"), ("y", "h"))]
    deposit = [(i, 2 * s + e, key[i, s] * MBIT) for i in range(3) for s in range(2) for e in range(2)]
    offer, edge, bit = (np.array(c) for c in zip(*deposit, strict=True))
    return KeyFlowProblem(
        edges=edges, delayed=np.ones(4, dtype=bool), supply_bit=np.zeros((4, 2)), initial_bit=np.zeros(4),
        capacity_bit=np.full(4, 1e12), ends=[("0#g", "0#h"), ("1#g", "1#h")], weights=np.full(2, 0.5),
        asked_bit=np.tile([0.0, 30 * MBIT], (2, 1)), rules=[PathRule(np.ones(8, dtype=bool).tobytes())] * 2,
        candidate_bit=key.mean(axis=1) * MBIT, deposit_candidate=offer, deposit_edge=edge,
        deposit_bin=np.zeros(len(offer), dtype=int), deposit_bit=bit,
        limits=[ChoiceLimit(np.arange(3), np.ones(3), 1.0)],
        risk=Risk(np.array([0, 1]), tail, share),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("share", "tail", "best", "mbit"),
    [
        (0.0, 0.5, 0, 5.0),
        (0.1, 0.5, 0, 0.9 * 5.0 + 0.1 * 1.0),
        (0.3, 0.5, 1, 0.7 * 4.5 + 0.3 * 3.0),
        (0.5, 0.5, 2, 4.0),
        (1.0, 0.5, 2, 4.0),
        (1.0, 1.0, 0, 5.0),
        (0.5, 0.75, 0, 0.5 * 5.0 + 0.5 * (2 * 1.0 + 9.0) / 3),
        (0.9, 0.75, 1, 0.1 * 4.5 + 0.9 * (2 * 3.0 + 6.0) / 3),
    ],
)
def test_two_skies_by_hand(share, tail, best, mbit):
    """Mean of the two skies against the worse one; a tail of 3/4 counts the worse sky twice as much as the better.

    All key lies in the first third of 30 Mbit asked, worth 1 / (1.7 / 3) per share.
    """
    found = solve_joint(two_skies(share, tail), relative_gap=1e-9)
    assert found.objective == pytest.approx(SLOPE * mbit / 30, abs=1.1e-3)
    assert found.bound >= SLOPE * mbit / 30 - 1.1e-3
    assert np.flatnonzero(found.chosen).tolist() == [best]


@pytest.mark.parametrize("seed", range(6))
def test_random_skies_equal_the_enumeration(seed):
    """CVaR of each choice by sorting its skies; the share beyond whole skies counts in part."""
    rng = np.random.default_rng(seed)
    skies, n, tail, share = 5, 6, float(rng.uniform(0.15, 0.9)), float(rng.uniform(0.1, 1))
    key = rng.uniform(0.1, 4, (n, skies)) * (rng.random((n, skies)) < 0.6)
    limits = [ChoiceLimit(c, np.ones(3), 1.0) for c in (np.arange(3), np.arange(3, 6))]
    edges = [(f"{s}#{e}", f"{s}#s", f"{s}#{g}") for s in range(skies) for e, g in (("x", "g"), ("y", "h"))]
    deposit = [(i, 2 * s + e, key[i, s] * MBIT) for i in range(n) for s in range(skies) for e in range(2)]
    offer, edge, bit = (np.array(c) for c in zip(*deposit, strict=True))
    problem = KeyFlowProblem(
        edges=edges, delayed=np.ones(2 * skies, dtype=bool), supply_bit=np.zeros((2 * skies, 2)),
        initial_bit=np.zeros(2 * skies), capacity_bit=np.full(2 * skies, 1e12),
        ends=[(f"{s}#g", f"{s}#h") for s in range(skies)], weights=np.full(skies, 1 / skies),
        asked_bit=np.tile([0.0, 6 * MBIT], (skies, 1)),
        rules=[PathRule(np.ones(4 * skies, dtype=bool).tobytes())] * skies,
        candidate_bit=key.mean(axis=1) * MBIT, deposit_candidate=offer, deposit_edge=edge,
        deposit_bin=np.zeros(len(offer), dtype=int), deposit_bit=bit, limits=limits,
        risk=Risk(np.arange(skies), tail, share),
    )  # fmt: skip

    def value(taken):
        third = np.clip(key[list(taken)].sum(axis=0)[:, None] / 6 - np.arange(3) / 3, 0, 1 / 3)
        worth = np.sort((third * np.array([1.0, 0.5, 0.2]) * SLOPE).sum(axis=1))
        weight = np.clip(tail * skies - np.arange(skies), 0, 1)
        return (1 - share) * worth.mean() + share * float(weight @ worth) / (tail * skies)

    best = max(value((i, j)) for i in range(3) for j in range(3, 6))
    found = solve_joint(problem, relative_gap=1e-8)
    assert found.objective == pytest.approx(best, abs=2e-3)
    assert value(np.flatnonzero(found.chosen)) == pytest.approx(best, abs=2e-3)


@pytest.fixture(scope="module")
def clear_sky(scenario):
    weather = type(scenario.weather)(model="clear_sky")
    few = with_policy(only(scenario, "government"), backups=False, cvar_skies=3, cvar_tail=0.4)
    return few.model_copy(update={"weather": weather})


@pytest.fixture(scope="module")
def certain(study):
    """Whole windows of two nights that are clear for certain, with a fifth of their key."""
    nights = study.candidates[study.candidates["start"] < pd.Timestamp("2027-03-03T12:00Z")]
    return nights[~nights.index.str.contains("@")].assign(p_clear=1.0, skl_bit=lambda t: t["skl_bit"] / 5)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_certain_skies_give_the_plan_of_the_expectation(study, clear_sky, certain, share):
    """Where all skies are the same, mean and worst are the same too; stores and pairs do not mix between skies.

    Small prices of routes count once per sky: 2e-4 per Mbit, twice more with three skies than with one.
    """
    plain = schedule_contacts(certain, clear_sky, network=study.network)
    offers_in = candidate_problem(flow_problem(study.network, clear_sky), certain, clear_sky)
    problem = in_skies(offers_in, certain, clear_sky)
    problem = replace(problem, risk=replace(problem.risk, share=share))
    found = solve_joint(problem, relative_gap=1e-6)
    assert plain.objective > 10
    assert found.objective == pytest.approx(plain.objective, abs=8e-4)
    assert set(certain.index[found.chosen]) == chosen(plain)
    if share:
        risky = schedule_contacts(certain, with_policy(clear_sky, cvar_share=share), network=study.network)
        assert chosen(risky) == chosen(plain)
        assert risky.objective == pytest.approx(plain.objective, abs=3e-3)


def test_copies_hold_the_sampled_key_and_share_the_choice(study, scenario):
    table = study.candidates[~study.candidates.index.str.contains("@")].iloc[:14]
    policy = with_policy(only(scenario, "government"), cvar_skies=12, cvar_share=0.3)
    plain = candidate_problem(flow_problem(study.network, policy), table, policy)
    problem = in_skies(plain, table, policy)
    blocked = sample_sky(table, policy, trials=12, rng=policy.seed).blocked
    came = np.zeros((12, len(table)))
    np.add.at(came, (problem.deposit_edge // len(plain.edges), problem.deposit_candidate), problem.deposit_bit)
    assert came == pytest.approx(np.where(blocked, 0.0, table["skl_bit"].to_numpy()))
    assert (problem.deposit_bit > 0).all()
    assert len(problem.edges) == 12 * len(plain.edges)
    assert len({e for e, _, _ in problem.edges}) == len(problem.edges)
    assert problem.limits == plain.limits
    assert (problem.candidate_bit == plain.candidate_bit).all()
    assert problem.weights.sum() == pytest.approx(plain.weights.sum())
    assert problem.supply_bit.sum() == pytest.approx(12 * plain.supply_bit.sum())
    assert problem.risk.sky.tolist() == [s for s in range(12) for _ in range(3)]


def test_rules_hold_in_their_own_sky(study, scenario):
    """Twelve skies, so that sky 10 stands before sky 2: each rule allows its own arcs, and counts its own nodes."""
    policy = with_policy(only(scenario, "government", "control"), cvar_skies=12, cvar_share=0.3)
    table = study.candidates.iloc[:2]
    plain = candidate_problem(flow_problem(study.network, policy), table, policy)
    problem = in_skies(plain, table, policy)
    names, copies = list(plain.graph.number), list(problem.graph.number)
    limit = np.zeros(len(names), dtype=bool)
    limit[[names.index("WAW"), names.index("PRG")]] = True
    limited = replace(plain, rules=[replace(r, limits=((limit.tobytes(), 1),)) for r in plain.rules])
    for given, rules in ((plain, problem.rules), (limited, in_skies(limited, table, policy).rules)):
        for number, rule in enumerate(rules):
            sky, k = divmod(number, len(given.rules))
            allowed = np.flatnonzero(np.frombuffer(rule.arcs, dtype=bool))
            assert {problem.edges[a >> 1][0].split("#")[0] for a in allowed} == {str(sky)}
            own = np.flatnonzero(np.frombuffer(given.rules[k].arcs, dtype=bool))
            assert (allowed - 2 * sky * len(plain.edges) == own).all()
            assert problem.ends[number] == tuple(f"{sky}#{n}" for n in plain.ends[k])
            assert len(rule.limits) == len(given.rules[k].limits)
            for (mask, most), (old, old_most) in zip(rule.limits, given.rules[k].limits, strict=True):
                counted = {copies[i] for i in np.flatnonzero(np.frombuffer(mask, dtype=bool))}
                assert counted == {f"{sky}#{names[i]}" for i in np.flatnonzero(np.frombuffer(old, dtype=bool))}
                assert most == old_most


def test_quotas_and_closures_are_those_of_each_sky(study, scenario):
    policy = with_policy(only(scenario, "government"), cvar_skies=3, cvar_share=0.3)
    table = study.candidates.iloc[:2]
    plain = candidate_problem(flow_problem(study.network, policy), table, policy)
    n = len(plain.edges)
    plain = replace(plain, quota_of_arc=np.array([-1, 0, 1]), quota_bit=np.array([[1.0] * 7, [2.0] * 7]),
                    closed=np.eye(n, 7, dtype=bool))  # fmt: skip
    problem = in_skies(plain, table, policy)
    quota = problem.quota_of_arc.reshape(3, 2 * n)
    assert quota[:, :3].tolist() == [[-1, 0, 1], [-1, 2, 3], [-1, 4, 5]]
    assert (quota[:, 3:] == -1).all()
    assert problem.quota_bit[:, 0].tolist() == [1, 2, 1, 2, 1, 2]
    assert (problem.closed.reshape(3, n, 7) == np.eye(n, 7, dtype=bool)).all()


def test_worst_skies_prefer_the_sure_contact(study, scenario, monkeypatch):
    """Prague by a cloudy site with much key or a clear one with less; Warsaw is always clear.

    Expectation: 0.25 · 300,000 = 75,000 against 60,000 bits. In three of four skies the first gives nothing.
    """
    table = offers(
        ("w", "PQSAT", at(0), 200, 300_000, 1.0), ("much", "ONDREJOV", at(1), 200, 300_000, 0.25),
        ("sure", "ONDREJOV", at(1, 1), 200, 60_000, 1.0),
    )  # fmt: skip
    blocked = np.array([[False, name == "much" and s > 0, False] for s in range(4) for name in ("much",)])
    monkeypatch.setattr(risk, "sample_sky", lambda *_, **__: SkySamples(blocked, np.zeros(blocked.shape)))
    pair = with_policy(only(scenario, "government Warsaw-Prague"), backups=False, cvar_skies=4, cvar_tail=0.5)
    free = schedule_contacts(table, pair, network=study.network)
    assert chosen(free) == {"w", "much"}
    wary = schedule_contacts(table, with_policy(pair, cvar_share=0.9), network=study.network)
    assert chosen(wary) == {"w", "sure"}
    assert wary.objective == pytest.approx(3 * SLOPE * 60_000 / 102_400, abs=3e-4)
    bold = schedule_contacts(table, with_policy(pair, cvar_share=0.05), network=study.network)
    assert chosen(bold) == {"w", "sure"} or bold.objective >= wary.objective
