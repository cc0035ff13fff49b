"""What ``run.json`` says of a run."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import numpy as np
import pandas as pd

from eqci_space.fiber.composition import failure_probability
from eqci_space.fiber.obstacles import unreachable_reasons
from eqci_space.fiber.relay import Relay, key_deposits
from eqci_space.orbits.earth import orientation_end
from eqci_space.orbits.elements import age_day, signed_age_day
from eqci_space.orbits.ephemeris import satellite_elements, satellite_segments
from eqci_space.report.input_ages import age_records, input_ages
from eqci_space.report.run_io import SCHEMA_VERSION
from eqci_space.scenario import Scenario, receiver_of
from eqci_space.scenario.proven import unproven_links
from eqci_space.schedule.contacts import Plan
from eqci_space.schedule.simulate import Simulation
from eqci_space.tables import planned_contacts

__all__ = ["run_manifest"]

_VERSIONS = (
    "eqci-space",
    "numpy",
    "pandas",
    "scipy",
    "numba",
    "skyfield",
    "sgp4",
    "pyerfa",
    "astropy-iers-data",
    "highspy",
)


def run_manifest(
    plan: Plan,
    relay: Relay,
    scenario: Scenario,
    *,
    passes: pd.DataFrame,
    windows: pd.DataFrame,
    candidates: pd.DataFrame,
    ages: pd.DataFrame | None = None,
    simulation: Simulation | None = None,
) -> dict[str, Any]:
    """What ``run.json`` says of a run: inputs, element epochs and ages, solver, bound, gap, counts, versions.

    Parameters
    ----------
    plan : Plan
    relay : Relay
    scenario : Scenario
    passes, windows, candidates : DataFrame
        PASSES, WINDOWS and CANDIDATES, of which the rows are counted.
    ages : DataFrame, optional
        Of `input_ages`; worked out if not given.
    simulation : Simulation, optional
        Of the plan.
    """
    elements: dict[str, dict[str, Any]] = {}
    for satellite in scenario.satellites:
        if satellite.ephemeris is not None:
            elements[satellite.name] = {"ephemeris": satellite.ephemeris}
            continue
        found = satellite_elements(satellite, scenario)
        elements[satellite.name] = {
            "epoch": found.epoch.isoformat(), "design": found.design,
            "largest_age_day": round(age_day(found, scenario.start, scenario.end), 3),
            "age_day": round(signed_age_day(found, scenario.start, scenario.end), 3),
        }  # fmt: skip
    return {
        "schema_version": SCHEMA_VERSION,
        "scenario": {
            "name": scenario.name, "sha256": scenario.sha256, "inputs": _inputs(scenario),
            "seed": scenario.seed, "start": scenario.start.isoformat(), "end": scenario.end.isoformat(),
        },
        "elements": elements,
        "input_ages": age_records(input_ages(scenario) if ages is None else ages),
        "earth_orientation_until": orientation_end().isoformat(),
        "plan": {
            "solver": f"HiGHS {importlib.metadata.version('highspy')}", "objective": plan.objective,
            "bound": plan.bound, "gap": plan.gap, "pricing_rounds": plan.pricing_rounds,
            "nodes": plan.nodes, "without_space": plan.without_space, "notes": list(plan.notes),
            "plan_for": scenario.schedule.plan_for, "skies": plan.skies,
            "expected_key_bound": None if np.isnan(plan.expected_key_bound) else plan.expected_key_bound,
            "slew_s": scenario.schedule.slew_s, "turnaround_s": scenario.schedule.turnaround_s,
            "acquisition_s": {
                f"{s.name}|{ogs}": receiver_of(s, station).acquisition_s
                for s in scenario.satellites for ogs, station in scenario.stations.items()
            },
        },
        "counts": {
            "passes": len(passes), "windows": len(windows), "candidates": len(candidates),
            "contacts": len(planned_contacts(plan.contacts)),
        },
        "unproven_links": unproven_links(scenario),
        "unreachable_demands": list(relay.unreachable),
        "failure_probability": _probabilities(relay, plan, scenario),
        "unreachable_reasons": unreachable_reasons(relay.network, scenario),
        "versions": {name: importlib.metadata.version(name) for name in _VERSIONS},
        **({} if simulation is None else {"simulation": _simulation_record(simulation, scenario)}),
    }  # fmt: skip


def _probabilities(relay: Relay, plan: Plan, scenario: Scenario) -> dict[str, float | None]:
    """Failure probability of every demand's key; None where a hop states none."""
    found = failure_probability(relay, key_deposits(plan, scenario), scenario)
    return {str(demand): None if np.isnan(p) else float(p) for demand, p in found.items()}


def _simulation_record(simulation: Simulation, scenario: Scenario) -> dict[str, Any]:
    """What ``run.json`` says of a simulation: trials, seed, levels of the space key and of every demand."""
    levels = ("mean", "mean_error", "exceeded_90pct", "exceeded_90pct_error", "median", "exceeded_10pct")
    kept = ["asked_bit"]
    for kind in ("all_in", "weather_only"):
        kept += [*(f"{kind}_{c}_bit" for c in levels), f"{kind}_met_share"]
        kept += [f"{kind}_{c}_keys_per_day" for c in ("mean", "exceeded_90pct")]
    low, middle, high = np.quantile(simulation.space_key_bit, [0.1, 0.5, 0.9]).tolist()
    return {
        "trials": len(simulation.space_key_bit), "seed": scenario.seed,
        "space_exceeded_90pct_bit": low, "space_median_bit": middle, "space_exceeded_10pct_bit": high,
        "demands": simulation.demands[kept].to_dict("index"), "totals": simulation.totals[kept].to_dict("index"),
        "foresight": simulation.foresight, "recourse": simulation.recourse.to_dict(),
        "warnings": list(simulation.warnings),
    }  # fmt: skip


def _inputs(scenario: Scenario) -> dict[str, dict[str, Any]]:
    """Checksum of each input file, for ephemerides with object, frame and span of the segments that satellites use."""
    inputs: dict[str, dict[str, Any]] = {name: {"sha256": sha256} for name, sha256 in scenario.inputs}
    for satellite in scenario.satellites:
        if satellite.ephemeris is None:
            continue
        listed = inputs.setdefault(satellite.ephemeris, {}).setdefault("segments", [])
        for segment in satellite_segments(satellite, scenario):
            entry = {
                "object_name": segment.object_name, "frame": segment.frame,
                "start": segment.useable_start.isoformat(), "end": segment.useable_stop.isoformat(),
            }  # fmt: skip
            if entry not in listed:
                listed.append(entry)
    return inputs
