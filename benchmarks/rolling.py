"""A rolling plan of a synthetic constellation: ten days ahead, made anew every seven, stocks handed on."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from benchmarks.synthetic import make_instance
from benchmarks.synthetic_scenario import synthetic_candidates, synthetic_scenario
from benchmarks.timing import process_cost
from eqci_space.fiber.network import build_network
from eqci_space.schedule.rolling import rolling_plan

__all__ = ["report_rolling", "rolling_rows"]

_GAP = 0.01
Row = tuple[str, float, str]

_RUN = """
from benchmarks.rolling import report_rolling
report_rolling({satellites}, {days})
"""


def report_rolling(satellites: int, days: int) -> None:
    """Print one line of JSON with what a rolling plan of this size came to."""
    instance = make_instance(satellites, days)
    with tempfile.TemporaryDirectory() as folder:
        scenario = synthetic_scenario(instance, Path(folder))
        network = build_network(scenario)
    policy = scenario.schedule.model_copy(update={"relative_gap": _GAP})
    scenario = scenario.model_copy(update={"schedule": policy})
    candidates = synthetic_candidates(instance, scenario)
    rolled = rolling_plan(candidates, scenario, network=network)
    steps, delivery = rolled.steps, rolled.delivery
    print(json.dumps({
        "candidates": len(candidates), "plans": len(steps), "contacts": len(rolled.contacts),
        "worst_gap": float(steps["gap"].max()), "median_gap": float(steps["gap"].median()),
        "dropped": float(steps["dropped"].sum() / max(1, (steps["dropped"] + steps["kept"]).sum())),
        "delivered": float(delivery["delivered_bit"].sum() / delivery["asked_bit"].sum()),
    }))  # fmt: skip


def rolling_rows(satellites: int, days: int) -> list[Row]:
    """Rows (what, value, unit) of a rolling plan in a process of its own."""
    cost = process_cost(_RUN.format(satellites=satellites, days=days))
    found = json.loads(cost.output.strip().splitlines()[0])
    name = f"rolling, {satellites} satellites x {days} days"
    return [
        (f"{name}: candidates", found["candidates"], ""),
        (f"{name}: plans made", found["plans"], ""),
        (f"{name}: all planned in (asked for a year of 10: at most 3600 s)", cost.wall_s, "s"),
        (f"{name}: of it computing", cost.cpu_s, "s"),
        (f"{name}: peak memory (asked: at most 4096 MB)", cost.memory_mb, "MB"),
        (f"{name}: worst gap of a plan", 100 * found["worst_gap"], "%"),
        (f"{name}: median gap", 100 * found["median_gap"], "%"),
        (f"{name}: contacts flown", found["contacts"], ""),
        (f"{name}: contacts dropped by a new plan, of those it found", 100 * found["dropped"], "%"),
        (f"{name}: key delivered of what is asked", 100 * found["delivered"], "%"),
    ]  # fmt: skip
