"""Link budget: a million samples through all terms, exactly and by lookup."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pandas as pd

import eqci_space as eq
from benchmarks.timing import alternating_s, peak_memory_mb
from eqci_space.errors import ModelValidityWarning
from eqci_space.linkbudget.link import Link
from eqci_space.linkbudget.lookup import LossLookup, lookup_loss_db, make_lookup

__all__ = ["many_samples", "run"]

SIZES = {"smoke": (20_000, 1), "full": (1_000_000, 5)}

Row = tuple[str, float, str]

_MEMORY = """
import eqci_space as eq
from benchmarks.budget import many_samples
scenario = eq.load_scenario("quant-gpicz")
eq.link_budget(many_samples(scenario, {count}), scenario)
"""


def run(size: str) -> list[Row]:
    """Rows (what, value, unit)."""
    warnings.simplefilter("ignore", ModelValidityWarning)
    count, rounds = SIZES[size]
    scenario = eq.load_scenario("quant-gpicz")
    modelled = _modelled(scenario)
    many = many_samples(scenario, count)
    where = _where(many)
    plain, lagging = _lookup(scenario), _lookup(modelled)
    times = alternating_s(
        {
            "exact": lambda: eq.link_budget(many, scenario),
            "modelled": lambda: eq.link_budget(many, modelled),
            "lookup": lambda: lookup_loss_db(plain, **where),
            "lookup, modelled": lambda: lookup_loss_db(lagging, **where),
        },
        rounds,
    )
    return [
        ("samples", count, ""),
        ("full budget, exact (asked: at most 6 s a million)", times["exact"], "s"),
        ("full budget, turbulence modelled", times["modelled"], "s"),
        ("total loss by lookup (asked: at most 1.5 s a million)", times["lookup"], "s"),
        ("the same, turbulence modelled", times["lookup, modelled"], "s"),
        ("lookup less exact, largest (asked: at most 0.005)", _gap_db(many, scenario, plain), "dB"),
        ("the same, turbulence modelled", _gap_db(many, modelled, lagging), "dB"),
        ("cost when samples double (2 is linear)", _growth(many, scenario, rounds), ""),
        ("peak memory of the exact budget", peak_memory_mb(_MEMORY.format(count=count)), "MB"),
        ("peak memory of half of it", peak_memory_mb(_MEMORY.format(count=count // 2)), "MB"),
    ]


def many_samples(scenario: eq.Scenario, count: int) -> pd.DataFrame:
    """Samples of the scenario's windows over and over."""
    samples = eq.sample_windows(eq.observable_windows(eq.find_passes(scenario), scenario), scenario)
    return pd.concat([samples] * (count // len(samples) + 1), ignore_index=True).iloc[:count]


def _where(samples: pd.DataFrame) -> dict[str, np.ndarray]:
    """Arguments of the lookup."""
    columns = {c: samples[c].to_numpy() for c in ("elevation_deg", "range_m", "angular_rate_rad_s")}
    return columns | {"time": samples["time"].dt.tz_convert(None).to_numpy()}


def _lookup(scenario: eq.Scenario) -> LossLookup:
    return make_lookup(Link(scenario.satellites[0].terminal, scenario.stations["GRAZ"], scenario.atmosphere))


def _gap_db(samples: pd.DataFrame, scenario: eq.Scenario, lookup: LossLookup) -> float:
    graz = samples[samples["ogs"] == "GRAZ"]
    where = _where(graz)
    exact = eq.link_budget(graz, scenario)["total_loss_db"].to_numpy()
    return float(np.abs(lookup_loss_db(lookup, **where) - exact).max())


def _growth(samples: pd.DataFrame, scenario: eq.Scenario, rounds: int) -> float:
    """Processor time of all samples over that of half of them, the least of each: other programs count less."""

    def cpu_s(part: pd.DataFrame) -> float:
        begin = time.process_time()
        eq.link_budget(part, scenario)
        return time.process_time() - begin

    half = samples.iloc[: len(samples) // 2]
    pairs = [(cpu_s(half), cpu_s(samples)) for _ in range(rounds)]
    return min(whole for _, whole in pairs) / min(part for part, _ in pairs)


def _modelled(scenario: eq.Scenario) -> eq.Scenario:
    change = {"coupling": "modelled", "adaptive_optics_modes": 21, "adaptive_optics_bandwidth_hz": 500.0}
    stations = {
        ogs: s.model_copy(update={"receiver": s.receiver.model_copy(update=change)})
        for ogs, s in scenario.stations.items()
    }
    return scenario.model_copy(update={"stations": stations})
