"""Link budget: a million samples through all terms, exactly and by lookup."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

import eqci_space as eq
from benchmarks.timing import alternating_s
from eqci_space.errors import ModelValidityWarning
from eqci_space.linkbudget.lookup import lookup_loss_db, make_lookup
from eqci_space.linkbudget.terms import Link

__all__ = ["run"]

SIZES = {"smoke": (20_000, 1), "full": (1_000_000, 5)}

Row = tuple[str, float, str]


def run(size: str) -> list[Row]:
    """Rows (what, value, unit)."""
    warnings.simplefilter("ignore", ModelValidityWarning)
    count, rounds = SIZES[size]
    scenario = eq.load_scenario("quant-gpicz")
    modelled = _modelled(scenario)
    samples = eq.sample_windows(eq.observable_windows(eq.find_passes(scenario), scenario), scenario)
    many = pd.concat([samples] * (count // len(samples) + 1), ignore_index=True).iloc[:count]
    half = many.iloc[: count // 2]
    elevation, distance = many["elevation_deg"].to_numpy(), many["range_m"].to_numpy()
    link = Link(scenario.satellites[0].terminal, scenario.stations["GRAZ"], scenario.atmosphere)
    lookup = make_lookup(link)
    times = alternating_s(
        {
            "exact": lambda: eq.link_budget(many, scenario),
            "half": lambda: eq.link_budget(half, scenario),
            "modelled": lambda: eq.link_budget(many, modelled),
            "lookup": lambda: lookup_loss_db(lookup, elevation_deg=elevation, range_m=distance),
        },
        rounds,
    )
    graz = (many["ogs"] == "GRAZ").to_numpy()
    exact = eq.link_budget(many[graz], scenario)["total_loss_db"].to_numpy()
    found = lookup_loss_db(lookup, elevation_deg=elevation[graz], range_m=distance[graz])
    return [
        ("samples", count, ""),
        ("full budget, exact (asked: at most 6 s a million)", times["exact"], "s"),
        ("full budget, turbulence modelled", times["modelled"], "s"),
        ("total loss by lookup (asked: at most 1.5 s a million)", times["lookup"], "s"),
        ("lookup less exact, largest (asked: at most 0.005)", float(np.abs(found - exact).max()), "dB"),
        ("cost when samples double (2 is linear)", times["exact"] / times["half"], ""),
    ]


def _modelled(scenario: eq.Scenario) -> eq.Scenario:
    change = {"coupling": "modelled", "adaptive_optics_modes": 21, "adaptive_optics_bandwidth_hz": 500.0}
    stations = {
        ogs: s.model_copy(update={"receiver": s.receiver.model_copy(update=change)})
        for ogs, s in scenario.stations.items()
    }
    return scenario.model_copy(update={"stations": stations})
