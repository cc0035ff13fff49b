"""Keys: CPU time per optimised window and per part, and many windows on all cores."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np
import pandas as pd

import eqci_space as eq
from benchmarks.timing import peak_memory_mb
from eqci_space.qkd.blocks import BlockTable, running_tables
from eqci_space.qkd.decoy import key_length
from eqci_space.qkd.intervals import optimise_interval
from eqci_space.qkd.optimiser import optimise_key
from eqci_space.qkd.response import key_response

__all__ = ["run", "window_copies"]

SIZES = {"smoke": (300, 50), "full": (100_000, 1_000)}
PEER_S = 3.6  # SatQuMA v2, mean CPU time of one optimised pass, measured on a machine of this kind

Row = tuple[str, float, str]

_MEMORY = """
import eqci_space as eq
from benchmarks.keys import window_copies
scenario = eq.load_scenario("quant-gpicz")
samples = eq.sample_windows(eq.observable_windows(eq.find_passes(scenario), scenario), scenario)
eq.window_keys(window_copies(eq.link_budget(samples, scenario), {copies}), scenario)
"""


def run(size: str) -> list[Row]:
    """Rows (what, value, unit)."""
    many, alone = SIZES[size]
    scenario = eq.load_scenario("quant-gpicz")
    samples = eq.sample_windows(eq.observable_windows(eq.find_passes(scenario), scenario), scenario)
    budget = eq.link_budget(samples, scenario)
    terminal, receiver = scenario.satellites[0].terminal, next(iter(scenario.stations.values())).receiver
    windows = [part for _, part in budget.groupby("window_id", sort=False)]
    slots = [
        tuple(part[c].to_numpy() for c in ("transmittance", "extraneous_probability", "intrinsic_error", "weight_s"))
        for part in windows
    ]
    rng = np.random.default_rng(4)
    tables = []
    for i in range(alone):
        eta, noise, error, weight = slots[i % len(slots)]
        weaker = eta * 10 ** (-rng.uniform(0.0, 8.0) / 10)
        tables.append((running_tables(weaker, noise, error, terminal.pulse_rate_hz * weight),))
    blocks = [BlockTable(running[-1], receiver.afterpulse_probability) for (running,) in tables]
    best = optimise_key(blocks[0])
    running = tables[0][0]
    optimise_interval(running)
    length = len(running) - 1
    first, last = rng.integers(0, length // 2, 10_000), rng.integers(length // 2 + 1, length + 1, 10_000)
    parts = list(zip(first, last, strict=True))
    losses = np.linspace(0.0, 10.0, 41)
    whole_s = _each_s(optimise_key, [(b,) for b in blocks])
    return [
        ("optimised window, CPU (asked: at most 2 ms)", 1e3 * whole_s, "ms"),
        ("the same with the best interval, CPU (asked: at most 4 ms)", 1e3 * _each_s(optimise_interval, tables), "ms"),
        (f"CPU of SatQuMA v2 on such passes ({PEER_S} s) over ours", PEER_S / whole_s, ""),
        ("part of a window at given parameters", 1e6 * _each_s(
            lambda a, b: key_length(BlockTable(running[b] - running[a]), best.parameters), parts), "µs"),
        ("key response of 41 losses", 1e3 * _cpu_s(lambda: key_response(blocks[0], losses, best.parameters)), "ms"),
        *_all_cores(budget, scenario, len(windows), many),
    ]  # fmt: skip


def _all_cores(budget: pd.DataFrame, scenario: eq.Scenario, windows: int, many: int) -> list[Row]:
    """Copies of the scenario's windows, worked on in portions that fit into memory."""
    copies = max(1, min(20, many // windows))
    portion = window_copies(budget, copies)
    eq.window_keys(budget, scenario)
    begin, cpu, done = time.perf_counter(), time.process_time(), 0
    while done < many:
        done += len(eq.window_keys(portion, scenario))
    wall_s, cpu_s = (time.perf_counter() - begin) * many / done, (time.process_time() - cpu) * many / done
    part, twice = window_copies(budget, max(1, copies // 2)), window_copies(budget, 2 * max(1, copies // 2))
    growth = _cpu_s(lambda: eq.window_keys(twice, scenario), 2) / _cpu_s(lambda: eq.window_keys(part, scenario), 2)
    return [
        (f"{many:,} windows to KEYS on {os.cpu_count()} cores (asked: 100,000 in at most 240 s)", wall_s, "s"),
        ("CPU per window, tables and reporting included", 1e3 * cpu_s / many, "ms"),
        ("cost when windows double (2 is linear)", growth, ""),
        (f"peak memory with the budget of {copies * windows:,} windows", _memory_mb(copies), "MB"),
        ("peak memory with one of half as many", _memory_mb(max(1, copies // 2)), "MB"),
    ]


def window_copies(budget: pd.DataFrame, copies: int) -> pd.DataFrame:
    """A budget whose windows stand in it several times."""
    ids = [budget["window_id"].astype(str) + f"#{i}" for i in range(copies)]
    return pd.concat([budget.assign(window_id=names) for names in ids], ignore_index=True)


def _memory_mb(copies: int) -> float:
    return peak_memory_mb(_MEMORY.format(copies=copies))


def _cpu_s(func: Callable[[], object], calls: int = 5) -> float:
    """Median CPU time of some calls after a warm one."""
    func()
    times = []
    for _ in range(calls):
        begin = time.process_time()
        func()
        times.append(time.process_time() - begin)
    return median(times)


def _each_s(func: Callable[..., object], arguments: Sequence[tuple[object, ...]]) -> float:
    """Mean CPU time over calls with different arguments, after a warm one."""
    func(*arguments[0])
    begin = time.process_time()
    for one in arguments:
        func(*one)
    return (time.process_time() - begin) / len(arguments)
