"""Weather: sampled years of hourly skies, and skies over a plan."""

from __future__ import annotations

import time

import numpy as np
from scipy.special import ndtri

import eqci_space as eq
from benchmarks.timing import peak_memory_mb
from eqci_space.weather.field import SkyModel, hourly_blocked, spatial_factors

__all__ = ["run"]

SIZES = {"smoke": (32, 2_000, 500), "full": (1_000, 8_760, 10_000)}
STATIONS = 30

Row = tuple[str, float, str]

_MEMORY = """
import numpy as np
from benchmarks.weather import sampled_hours
sampled_hours({trials}, {hours})
"""


def run(size: str) -> list[Row]:
    """Rows (what, value, unit)."""
    trials, hours, many = SIZES[size]
    sampled_hours(16, 100)
    begin = time.perf_counter()
    cloudy = sampled_hours(trials, hours)
    wall_s = time.perf_counter() - begin
    begin = time.perf_counter()
    sampled_hours(trials // 2, hours)
    half_s = time.perf_counter() - begin
    scenario = eq.load_scenario("quant-gpicz")
    candidates = eq.Study(scenario).candidates
    whole = candidates[candidates.index == candidates["window_id"]]
    eq.sample_sky(candidates, scenario, trials=16, rng=1)
    sky_s = []
    for table in (whole, candidates):
        begin = time.perf_counter()
        eq.sample_sky(table, scenario, trials=many, rng=1)
        sky_s.append(time.perf_counter() - begin)
    memory_mb = peak_memory_mb(_MEMORY.format(trials=trials, hours=hours))
    return [
        (f"{trials:,} trials x {hours:,} h x {STATIONS} stations (asked: full size in at most 25 s)", wall_s, "s"),
        ("peak memory (asked: at most 400 MB)", memory_mb, "MB"),
        ("cost when trials double (2 is linear)", wall_s / half_s, ""),
        ("share of cloudy hours less 0.6", cloudy - 0.6, ""),
        (f"{many:,} skies over {len(whole)} windows of a week (asked: at most 2 s)", sky_s[0], "s"),
        (f"the same with their parts, {len(candidates)} candidates", sky_s[1], "s"),
    ]


def sampled_hours(trials: int, hours: int) -> float:
    """Share of cloudy hours over all trials, at a threshold for 60 %."""
    rng = np.random.default_rng(0)
    model = SkyModel()
    factors = spatial_factors(rng.uniform(37, 60, STATIONS), rng.uniform(-9, 25, STATIONS), model)
    count = 0
    for bits in hourly_blocked(np.full((hours, STATIONS), ndtri(0.4)), factors, model, trials=trials, seed=1):
        count += int(np.bitwise_count(bits).sum())
    return count / (trials * hours * STATIONS)
