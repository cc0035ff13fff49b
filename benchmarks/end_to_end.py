"""End to end: a week of QUANT-GPICz from passes to deliveries, and a year of EuroQCI from passes to candidates.

The year runs in two processes in a Python of its own. Its memory is the peak of the driver plus twice that of the
larger worker, so the processes together never held more; its processor time is that of all three. The half is the
second of the year, autumn and winter: longer nights make the largest chunks, so both hold them. Thirty stations are
the first of the catalogue; with all of it the work is half as much again.
"""

from __future__ import annotations

import json
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import eqci_space as eq
from benchmarks.timing import Cost, process_cost
from eqci_space.errors import EqciWarning
from eqci_space.scenario import Scenario
from eqci_space.studies.batch import BATCH_TABLES, run_batch

__all__ = ["constellation", "constellation_batch", "run"]

# Days of quant-gpicz; satellites, stations and days of euroqci; jobs.
SIZES = {"smoke": (2, (2, 6, 2), 1), "full": (7, (10, 30, 365), 2)}

Row = tuple[str, float, str]

_BATCH = """
from benchmarks.end_to_end import constellation_batch
print(constellation_batch({satellites}, {stations}, {first}, {days}, jobs={jobs}))
"""


def run(size: str) -> list[Row]:
    """Rows (what, value, unit)."""
    warnings.simplefilter("ignore", EqciWarning)
    week, (satellites, stations, days), jobs = SIZES[size]
    rows = _planned(week)
    if size == "smoke":
        rows.append(("files that differ between one process and two", _differing(satellites, stations, days), ""))
    whole = _batch(satellites, stations, 0, days, jobs)
    half = _batch(satellites, stations, days // 2, days - days // 2, jobs)
    cost, counts = whole
    count = len(constellation(satellites, stations, 0, days).stations)
    name = f"{satellites} satellites x {count} stations x {days} days"
    asked = " (asked: at most 600 s on two free cores)" if size == "full" else ""
    asked_mb = " (asked: at most 3072)" if size == "full" else ""
    return [
        *rows,
        *((f"{name}: {table}", counts[table], "") for table in BATCH_TABLES),
        (f"{name}, passes to candidates, {jobs} processes{asked}", cost.wall_s, "s"),
        (f"the same, processor time over {jobs}", cost.cpu_s / jobs, "s"),
        ("processor time per window", 1e3 * cost.cpu_s / max(1, counts["windows"]), "ms"),
        (f"peak memory, all processes{asked_mb}", cost.memory_mb, "MB"),
        ("peak memory, driver alone", cost.driver_mb, "MB"),
        ("memory when the period doubles (asked: below 1.1)", cost.memory_mb / half[0].memory_mb, ""),
        (
            "processor time per window when the period doubles (1 is linear)",
            cost.cpu_s / max(1, counts["windows"]) / (half[0].cpu_s / max(1, half[1]["windows"])), "",
        ),
    ]  # fmt: skip


def constellation(satellites: int, stations: int | None, first_day: int, days: int) -> Scenario:
    """EuroQCI of the first satellites and stations (None: all) over other days."""
    scenario = eq.load_scenario("euroqci")
    some = dict(list(scenario.stations.items())[:stations])
    start = scenario.start + timedelta(days=first_day)
    return scenario.model_copy(update={
        "satellites": scenario.satellites[:satellites], "stations": some, "start": start,
        "end": start + timedelta(days=days),
    })  # fmt: skip


def constellation_batch(satellites: int, stations: int | None, first_day: int, days: int, *, jobs: int) -> str:
    """Rows of the tables as JSON; the tables themselves are dropped."""
    warnings.simplefilter("ignore", EqciWarning)
    with tempfile.TemporaryDirectory() as folder:
        return json.dumps(run_batch(constellation(satellites, stations, first_day, days), folder, jobs=jobs))


def _batch(satellites: int, stations: int | None, first: int, days: int, jobs: int) -> tuple[Cost, dict[str, int]]:
    code = _BATCH.format(satellites=satellites, stations=stations, first=first, days=days, jobs=jobs)
    cost = process_cost(code, workers=jobs if jobs > 1 else 0)
    return cost, json.loads(cost.output)


def _differing(satellites: int, stations: int | None, days: int) -> int:
    scenario = constellation(satellites, stations, 0, days)
    with tempfile.TemporaryDirectory() as folder:
        one, two = Path(folder) / "one", Path(folder) / "two"
        run_batch(scenario, one, chunk_day=1.0)
        run_batch(scenario, two, chunk_day=1.0, jobs=2)
        return sum((one / f"{n}.parquet").read_bytes() != (two / f"{n}.parquet").read_bytes() for n in BATCH_TABLES)


def _planned(days: int) -> list[Row]:
    """Seconds of every stage of quant-gpicz, after one run that compiles."""
    scenario = eq.load_scenario("quant-gpicz")
    scenario = scenario.model_copy(update={"end": scenario.start + timedelta(days=days)})
    half = scenario.model_copy(update={"end": scenario.start + timedelta(days=days / 2)})
    _stages(half)
    times, half_times = _stages(scenario), _stages(half)
    total = sum(times.values())
    return [
        (f"quant-gpicz, {days} days, passes to deliveries", total, "s"),
        *((f"  {stage}", value, "s") for stage, value in times.items()),
        ("cost when the period doubles (2 is linear)", total / sum(half_times.values()), ""),
    ]


def _stages(scenario: Scenario) -> dict[str, float]:
    times: dict[str, float] = {}

    def timed(name: str, func: Callable[..., Any], *arguments: Any) -> Any:
        begin = time.perf_counter()
        result = func(*arguments)
        times[name] = time.perf_counter() - begin
        return result

    passes = timed("passes", eq.find_passes, scenario)
    windows = timed("windows", eq.observable_windows, passes, scenario)
    samples = timed("samples", eq.sample_windows, windows, scenario)
    budget = timed("budget", eq.link_budget, samples, scenario)
    keys = timed("keys", eq.window_keys, budget, scenario)
    offers = timed("candidates", eq.contact_candidates, budget, keys, scenario)
    plan = timed("plan", eq.schedule_contacts, offers, scenario)
    deposits = timed("deposits", eq.key_deposits, plan, scenario)
    timed("relay", eq.relay_keys, deposits, scenario)
    return times
