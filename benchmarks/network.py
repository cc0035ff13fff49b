"""The terrestrial network: single failures, what-if answers and a year of routed replay."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

import eqci_space as eq
from benchmarks.timing import peak_memory_mb
from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.fiber.paths import PathRule
from eqci_space.fiber.replay_steps import Deposits, Routes, replay_steps

__all__ = ["run", "year_of_stores"]

# Stores and days of the replay; rounds of what a scenario answers, of which the smallest size asks for one bin only.
SIZES = {"smoke": (40, 30, 1), "full": (400, 365, 3)}
_STEPS_PER_DAY = 96
_OUTAGE = '[[outage]]\nnode = "POZ"\nstart = 2027-03-01T12:00:00Z\nend = 2027-03-08T12:00:00Z\n'

Row = tuple[str, float, str]

_MEMORY = """
from benchmarks.network import year_of_stores
year_of_stores({stores}, {days})()
"""


def run(size: str) -> list[Row]:
    """Rows (what, value, unit)."""
    stores, days, rounds = SIZES[size]
    study = eq.Study(eq.load_scenario("quant-gpicz"))
    deposits, network = study.deposits, study.network
    failures_s, failures = _timed(
        lambda: eq.single_failures(deposits, study.scenario, network=network, one_bin=True), rounds
    )
    with tempfile.TemporaryDirectory() as folder:
        overlay = Path(folder) / "flood.toml"
        overlay.write_text(_OUTAGE, encoding="utf-8")
        answer_s, _ = _timed(
            lambda: eq.outage_answer(deposits, study.scenario, eq.load_scenario("quant-gpicz", overlays=[overlay])),
            rounds,
        )
    week = []
    if size == "full":
        week_s, _ = _timed(lambda: eq.single_failures(deposits, study.scenario, network=network), rounds=1)
        week = [("the same in seven daily bins", week_s, "s")]
    year_of_stores(stores, 2)()
    year_s, _ = _timed(year_of_stores(stores, days), rounds=3)
    half_s, _ = _timed(year_of_stores(stores, days // 2), rounds=3)
    return [
        (f"all {len(failures)} single failures in one bin (asked: at most 60 s)", failures_s, "s"),
        *week,
        ("node Poznan down for a week, answered (asked: at most 10 s)", answer_s, "s"),
        (f"replay of {stores} stores over {days} days in quarter-hours (asked: at most 2 s)", year_s, "s"),
        ("cost when the period doubles (2 is linear)", year_s / half_s, ""),
        ("peak memory of the replay", peak_memory_mb(_MEMORY.format(stores=stores, days=days)), "MB"),
    ]


def _timed(func, rounds):
    """Median wall time and the result."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        result = func()
        times.append(time.perf_counter() - begin)
    return float(np.median(times)), result


def year_of_stores(stores: int, days: int):
    """Replay on a ring of stores: a demand across every fifth of it, each over five edges."""
    rng = np.random.default_rng(7)
    edges = [(f"e{i}", f"n{i:04d}", f"n{(i + 1) % stores:04d}") for i in range(stores)]
    starts = np.arange(0, stores, 5)
    asked = rng.uniform(0.5e6, 1.5e6, (len(starts), days))
    problem = KeyFlowProblem(
        edges=edges, delayed=np.zeros(stores, dtype=bool), supply_bit=rng.uniform(0.5e6, 1.5e6, (stores, days)),
        initial_bit=np.full(stores, 1e6), capacity_bit=np.full(stores, 1e7),
        ends=[(f"n{s:04d}", f"n{(s + 5) % stores:04d}") for s in starts], weights=np.ones(len(starts)),
        asked_bit=asked, rules=[PathRule(np.ones(2 * stores, dtype=bool).tobytes())] * len(starts),
        life_bins=np.full(stores, 30),
    )  # fmt: skip
    first = np.arange(days + 1) * _STEPS_PER_DAY
    trace = np.repeat(asked / _STEPS_PER_DAY, _STEPS_PER_DAY, axis=1)
    count = len(starts) * days
    each = np.tile(starts, days)
    routes = Routes(
        np.arange(count + 1), asked.T.ravel(), 5 * np.arange(count + 1),
        ((each[:, None] + np.arange(5)) % stores).ravel(),
    )  # fmt: skip
    deposits = Deposits(np.zeros(stores + 1, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))
    return lambda: replay_steps(problem, first, deposits, trace, routes, 4, False)
