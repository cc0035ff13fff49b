"""Timing on machines that others use too: alternate the contestants, take medians."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

__all__ = ["alternating_s", "peak_memory_mb"]


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
    """Largest resident memory [MB] of a fresh Python process that runs `code`.

    On Linux from the process itself, for the system's accounting starts from what the parent held when it forked.
    """
    tail = (
        "\nimport pathlib, resource, sys"
        "\nstatus = pathlib.Path('/proc/self/status')"
        "\nkilo = 1024 if sys.platform == 'darwin' else 1"
        "\nused = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / kilo"
        "\nif status.exists():"
        "\n    used = float(status.read_text().split('VmHWM:')[1].split()[0])"
        "\nprint(used / 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])
