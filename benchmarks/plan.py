"""Planning: the QUANT-GPICz week to proof, synthetic weeks of European size, a year of pass choice, rolling plans."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

import eqci_space as eq
from benchmarks.expected import expected_rows, synthetic_rows
from benchmarks.rolling import rolling_rows
from benchmarks.synthetic import Instance, make_instance
from benchmarks.timing import peak_memory_mb
from eqci_space.fiber.key_flow import solve_key_flow
from eqci_space.fiber.key_problem import ChoiceLimit, KeyFlowProblem
from eqci_space.fiber.paths import PathRule
from eqci_space.fiber.problem import flow_problem
from eqci_space.machine.solver import Programme, maximise
from eqci_space.schedule.baselines import BASELINES
from eqci_space.schedule.conflicts import interval_cliques
from eqci_space.schedule.contacts import candidate_problem, usable_candidates
from eqci_space.schedule.joint import solve_joint, value_of_choice

__all__ = ["joint_week", "key_problem", "run"]

SIZES = {"smoke": ((1, 2),), "full": ((10, 7), (20, 7))}
SKIES = {"smoke": (), "full": ((10, 7, 50),)}
YEARS = {"smoke": (2, 14), "full": (20, 365)}
ROLLING = {"smoke": (1, 9), "full": (10, 365)}
_SLEW_S, _TURNAROUND_S = 60.0, 120.0
_CAPACITY_BIT = 1e10

Row = tuple[str, float, str]

_MEMORY = """
from benchmarks.plan import joint_week
joint_week({satellites}, {days})
"""


def run(size: str) -> list[Row]:
    """Rows (what, value, unit)."""
    rows = _quant_gpicz() + expected_rows(size)
    for satellites, days, skies in SKIES[size]:
        instance = make_instance(satellites, days)
        rows += synthetic_rows(key_problem(instance), instance, f"{satellites} satellites x {days} days", skies)
    for satellites, days in SIZES[size]:
        rows += joint_week(satellites, days)
        memory_mb = peak_memory_mb(_MEMORY.format(satellites=satellites, days=days))
        rows.append((f"{satellites} satellites x {days} days: peak memory", memory_mb, "MB"))
    return rows + _year(*YEARS[size]) + rolling_rows(*ROLLING[size])


def _quant_gpicz() -> list[Row]:
    """Candidates given: the time that the planner takes, to its proof."""
    study = eq.Study(eq.load_scenario("quant-gpicz"))
    inside = usable_candidates(study.candidates, study.scenario)
    offers = candidate_problem(flow_problem(study.network, study.scenario), inside, study.scenario)
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        found = solve_joint(offers)
        times.append(time.perf_counter() - begin)
    return [
        (f"quant-gpicz week, {len(inside)} candidates (asked: proven in at most 2 s)", float(np.median(times)), "s"),
        ("quant-gpicz week: gap proven", 100 * found.gap, "%"),
    ]


def key_problem(instance: Instance) -> KeyFlowProblem:
    """The relay problem of a synthetic instance, its candidates as offers, daily bins."""
    table, links, demands, days = instance.candidates, instance.links, instance.demands, instance.days
    satellites, stations = sorted(table["satellite"].unique()), sorted(table["ogs"].unique())
    edges = [(str(r.link), str(r.a), str(r.b)) for r in links.itertuples()]
    edges += [(f"{s}|{g}", s, g) for s in satellites for g in stations]
    place = {e: i for i, (e, _, _) in enumerate(edges)}
    supply = np.zeros((len(edges), days))
    supply[: len(links)] = links["rate_bit_s"].to_numpy()[:, None] * 86400.0
    bits = (table["skl_bit"] * table["p_clear"]).to_numpy()
    rule = PathRule(np.ones(2 * len(edges), dtype=bool).tobytes())
    return KeyFlowProblem(
        edges=edges, delayed=np.arange(len(edges)) >= len(links), supply_bit=supply, initial_bit=np.zeros(len(edges)),
        capacity_bit=np.full(len(edges), _CAPACITY_BIT), ends=list(zip(demands["a"], demands["b"], strict=True)),
        weights=demands["weight"].to_numpy(), asked_bit=np.outer(demands["asked_bit_per_day"], np.ones(days)),
        rules=[rule] * len(demands), candidate_bit=bits, deposit_candidate=np.arange(len(bits)),
        deposit_edge=np.array([place[f"{s}|{g}"] for s, g in zip(table["satellite"], table["ogs"], strict=True)]),
        deposit_bin=table["day"].to_numpy(), deposit_bit=bits, limits=_limits(instance),
    )  # fmt: skip


def _limits(instance: Instance) -> list[ChoiceLimit]:
    table, limits = instance.candidates, []
    start, end = table["start_s"].to_numpy(), table["end_s"].to_numpy()
    for column, pause in (("satellite", _SLEW_S), ("ogs", _TURNAROUND_S)):
        for _, rows in sorted(table.groupby(column).indices.items()):
            for clique in interval_cliques(start[rows], end[rows] + pause):
                limits.append(ChoiceLimit(rows[clique], np.ones(len(clique)), 1.0))
    return limits


def joint_week(satellites: int, days: int) -> list[Row]:
    """Joint plan of a synthetic instance beside greedy ones; gains are parts of what space can add at most."""
    problem = key_problem(make_instance(satellites, days))
    begin = time.perf_counter()
    found = solve_joint(problem, relative_gap=1e-3)
    wall_s = time.perf_counter() - begin
    none = np.empty(0)
    bare = solve_key_flow(replace(
        problem, candidate_bit=none, deposit_candidate=none.astype(int), deposit_edge=none.astype(int),
        deposit_bin=none.astype(int), deposit_bit=none, limits=[],
    ))  # fmt: skip
    room = found.bound - bare.objective
    name = f"{satellites} satellites x {days} days"
    rows = [
        (f"{name}: candidates", len(problem.candidate_bit), ""),
        (f"{name}: planned in", wall_s, "s"),
        (f"{name}: objective", found.objective, ""),
        (f"{name}: bound", found.bound, ""),
        (f"{name}: gap", 100 * found.gap, "%"),
        (f"{name}: rounds of pricing", found.rounds, ""),
        (f"{name}: gain over no satellite, of what is possible", 100 * (found.objective - bare.objective) / room, "%"),
    ]
    for label, greedy in BASELINES.items():
        value = value_of_choice(problem, greedy(problem)).objective
        rows.append((f"{name}: the same, greedy {label}", 100 * (value - bare.objective) / room, "%"))
    return rows


def _year(satellites: int, days: int) -> list[Row]:
    """Pass choice alone, at given worths of the stations' key."""
    times = {}
    for length in (days // 2, days):
        instance = make_instance(satellites, length)
        table = instance.candidates
        rng = np.random.default_rng(1)
        price = dict(zip(sorted(table["ogs"].unique()), rng.uniform(0.5, 2.0, table["ogs"].nunique()), strict=True))
        worth = (table["skl_bit"] * table["p_clear"] * table["ogs"].map(price)).to_numpy() / 1e6
        begin = time.perf_counter()
        limits = _limits(instance)
        row = np.concatenate([np.full(len(limit.candidates), i) for i, limit in enumerate(limits)])
        column = np.concatenate([limit.candidates for limit in limits])
        n = len(worth)
        solution = maximise(Programme(
            worth, np.zeros(n), np.ones(n), np.ones(n, dtype=bool), np.ones(len(limits)), row, column,
            np.ones(len(row)),
        ), relative_gap=1e-4)  # fmt: skip
        times[length] = time.perf_counter() - begin
    return [
        (f"pass choice, {satellites} satellites x {days} days, {n:,} passes (asked: at most 30 s)", times[days], "s"),
        ("pass choice: gap", 100 * solution.gap, "%"),
        ("pass choice: cost when the period doubles", times[days] / times[days // 2], ""),
    ]
