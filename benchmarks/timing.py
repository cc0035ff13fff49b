"""Timing on machines that others use too: alternate the contestants, take medians."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

__all__ = ["Cost", "alternating_s", "peak_memory_mb", "process_cost"]


def alternating_s(contestants: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median wall time [s] of each contestant; one round runs all of them, so that a busy moment hits all."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, func in contestants.items():
            begin = time.perf_counter()
            func()
            times[name].append(time.perf_counter() - begin)
    return {name: median(values) for name, values in times.items()}


def peak_memory_mb(code: str) -> float:
    """Largest resident memory [MB] of a fresh Python process that runs `code`, workers of its own apart."""
    return process_cost(code).driver_mb


@dataclass(frozen=True)
class Cost:
    """What a fresh Python process took, its workers included; `memory_mb` is never less than what all held at once."""

    wall_s: float
    cpu_s: float
    memory_mb: float
    driver_mb: float
    output: str


_TAIL = """
import json, pathlib, resource, sys
status = pathlib.Path("/proc/self/status")
kilo = 1024 if sys.platform == "darwin" else 1
own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
held = own.ru_maxrss / kilo
if status.exists():
    held = float(status.read_text().split("VmHWM:")[1].split()[0])
cpu_s = sum(u.ru_utime + u.ru_stime for u in (own, others))
print(json.dumps({"driver_mb": held / 1024, "worker_mb": others.ru_maxrss / kilo / 1024, "cpu_s": cpu_s}))
"""


def process_cost(code: str, *, workers: int = 0) -> Cost:
    """Cost of a fresh Python process that runs `code`, whose workers have ended when it ends.

    The driver's peak comes on Linux from the process itself, for the system's accounting starts from what the parent
    held when it forked; that of the largest worker is the system's, and counts `workers` times.
    """
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code + _TAIL], capture_output=True, text=True, check=False)
    wall_s = time.perf_counter() - begin
    if done.returncode:
        raise RuntimeError(f"process_cost: the process ended with {done.returncode}\n{done.stderr}")
    *lines, last = done.stdout.splitlines()
    used = json.loads(last)
    memory_mb = used["driver_mb"] + workers * used["worker_mb"]
    return Cost(wall_s, used["cpu_s"], memory_mb, used["driver_mb"], "\n".join(lines))
