"""Plans for sampled skies against plans for expected key, judged in fresh skies, on frozen candidates.

The candidates of the QUANT-GPICz week and what cirrus leaves of their key are those of version 0.2.0, so that
corrections of the link do not move the goal; weather alone, relay of every sky with hindsight.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd

import eqci_space as eq
from benchmarks.synthetic import Instance
from eqci_space.fiber.edges import contact_arrivals
from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.fiber.network import build_network
from eqci_space.fiber.problem import flow_problem
from eqci_space.scenario import Scenario
from eqci_space.schedule.contacts import candidate_problem, usable_candidates
from eqci_space.schedule.expected import SkyPlan, sky_worth, solve_expected
from eqci_space.schedule.joint import solve_joint
from eqci_space.schedule.judgement import Judgement, judge_plan
from eqci_space.schedule.sky_keys import key_in_skies
from eqci_space.schedule.sky_relay import Tail
from eqci_space.weather.skies import sample_sky, shared_skies

__all__ = ["expected_rows", "synthetic_rows"]

Row = tuple[str, float, str]
SKIES = {"smoke": (8,), "full": (25, 100, 300)}
FRESH = {"smoke": (1, 20), "full": (5, 1000)}
_FROZEN = Path(__file__).with_name("candidates_0_2_0.csv")
_SEED = 20_270_301
_OF_SHARE = {25: 0.10, 50: 0.42, 75: 0.72}


def frozen_candidates(scenario: Scenario) -> pd.DataFrame:
    """CANDIDATES of version 0.2.0, those that overlap at a station with one chance of a clear sky."""
    table = pd.read_csv(_FROZEN).assign(satellite=scenario.satellites[0].name, ogs_b="")
    for column in ("start", "end"):
        table[column] = pd.to_datetime(table[column]).dt.as_unit("us")
    arrivals = contact_arrivals(table, scenario)
    table = table.assign(block=table["candidate_id"], available_at=arrivals["time"], edge=arrivals["edge"])
    whole = table[~table["candidate_id"].str.contains("@")]
    chance = whole["p_clear"].groupby(shared_skies(whole)).transform("mean")
    table["p_clear"] = table["window_id"].map(dict(zip(whole["window_id"], chance, strict=True)))
    # What is left of the key of a window that is seen in part: medians of the shipped week.
    table = table.assign(**{f"skl_{pct}pct_bit": left * table["skl_bit"] for pct, left in _OF_SHARE.items()})
    return table.set_index("candidate_id")


def expected_rows(size: str) -> list[Row]:
    """Rows (what, value, unit) of the QUANT-GPICz week."""
    scenario = eq.load_scenario("quant-gpicz")
    usable = usable_candidates(frozen_candidates(scenario), scenario)
    problem = candidate_problem(flow_problem(build_network(scenario), scenario), usable, scenario)
    served = [i for i, d in enumerate(scenario.demands) if d.purpose == "government"]
    seeds, trials = FRESH[size]
    fresh = [_key(usable, scenario, trials, _SEED + 1 + i) for i in range(seeds)]
    rows: list[Row] = []
    of_key = solve_joint(problem, relative_gap=scenario.schedule.relative_gap).chosen
    judged = {"expected key": _delivered(problem, of_key, fresh, served)}
    for skies in SKIES[size]:
        found, wall_s = _timed(problem, _key(usable, scenario, skies, _SEED), None)
        name = f"quant-gpicz week for {skies} skies"
        rows += _found_rows(name, found, wall_s)
        judged[name] = _delivered(problem, found.chosen, fresh, served)
        rows += _judged_rows(name, judged[name], judged["expected key"])
        rows += _statistics_rows(name, judge_plan(problem, found, fresh[0][:200]))
    found, wall_s = _timed(problem, _key(usable, scenario, SKIES[size][:2][-1], _SEED), Tail(1.0, 0.125))
    rows += _found_rows("quant-gpicz week for the worst eighth of skies", found, wall_s)
    rows += _judged_rows(
        "quant-gpicz week for the worst eighth of skies",
        _delivered(problem, found.chosen, fresh, served), judged["expected key"],
    )  # fmt: skip
    return rows


def synthetic_rows(problem: KeyFlowProblem, instance: Instance, name: str, skies: int) -> list[Row]:
    """Gap of a synthetic instance over skies; stations are clear or blocked hour by hour, each for itself."""
    table = instance.candidates
    hour = table["ogs"].astype(str) + (table["start_s"] // 3600).astype(int).astype(str)
    sky = np.unique(hour, return_inverse=True)[1]
    lot = np.random.default_rng(_SEED).random((skies, sky.max() + 1))[:, sky]
    key = np.where(lot < table["p_clear"].to_numpy(), table["skl_bit"].to_numpy(), 0.0)
    found, wall_s = _timed(problem, key, None)
    return _found_rows(f"{name}, {skies} skies", found, wall_s)


def _key(usable: pd.DataFrame, scenario: Scenario, skies: int, seed: int) -> np.ndarray:
    return key_in_skies(usable, sample_sky(usable, scenario, trials=skies, rng=seed))


def _timed(problem: KeyFlowProblem, key: np.ndarray, tail: Tail | None) -> tuple[SkyPlan, float]:
    begin = time.perf_counter()
    found = solve_expected(problem, key, tail=tail)
    return found, time.perf_counter() - begin


def _found_rows(name: str, found: SkyPlan, wall_s: float) -> list[Row]:
    gap = 100 * (found.bound - found.objective) / found.objective
    return [
        (f"{name}: planned in", wall_s, "s"),
        (f"{name}: objective", found.objective, ""),
        (f"{name}: bound", found.bound, ""),
        (f"{name}: gap", gap, "%"),
        (f"{name}: bound of expected key", found.mean_key.bound, ""),
        (f"{name}: contacts", int(found.chosen.sum()), ""),
    ]


def _delivered(problem: KeyFlowProblem, chosen: np.ndarray, fresh: list[np.ndarray], served: list[int]) -> np.ndarray:
    """Government key of every fresh sky (seeds, trials) [kbit]."""
    return np.array([sky_worth(problem, chosen, key).delivered_bit[:, served].sum(axis=(1, 2)) / 1e3 for key in fresh])


def _statistics_rows(name: str, found: Judgement) -> list[Row]:
    """Statistical gap, worth of the model, of perfect information and of foresight, with standard errors [%]."""
    shown = {
        "statistical gap": found.statistical_gap, "worth of planning for skies": found.stochastic_solution,
        "worth of perfect information": found.perfect_information, "worth of foresight of relay": found.foresight,
    }  # fmt: skip
    rows: list[Row] = []
    for what, estimate in shown.items():
        rows.append((f"{name}: {what}", 100 * estimate.mean / found.worth.mean, "%"))
        rows.append((f"{name}: standard error of that", 100 * estimate.error / found.worth.mean, "%"))
    return rows


def _judged_rows(name: str, kbit: np.ndarray, beside: np.ndarray) -> list[Row]:
    """Mean and 90 % level in fresh skies, and the paired difference to the plan for expected key."""
    gain = kbit - beside
    error = 100 * gain.std() / np.sqrt(gain.size) / beside.mean()
    return [
        (f"{name}: government mean in fresh skies", float(kbit.mean()), "kbit"),
        (f"{name}: government mean above that of expected key", 100 * float(gain.mean() / beside.mean()), "%"),
        (f"{name}: standard error of that", float(error), "%"),
        (f"{name}: government key in 9 of 10 fresh skies at least", float(np.quantile(kbit, 0.1)), "kbit"),
        (f"{name}: the same of expected key", float(np.quantile(beside, 0.1)), "kbit"),
    ]
