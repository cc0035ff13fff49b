"""eqci_space: plan satellite QKD passes and terrestrial key relay together, from orbit to delivered key.

Public names load on first use, so that ``import eqci_space`` stays light::

    import eqci_space as eq

    scn = eq.load_scenario("quant-gpicz")
    study = eq.Study(scn)
    study.relay.delivery
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.3.0"

_PUBLIC = {
    "Network": "eqci_space.fiber.network",
    "Plan": "eqci_space.schedule.contacts",
    "Relay": "eqci_space.fiber.relay",
    "Run": "eqci_space.report.run_io",
    "Scenario": "eqci_space.scenario.model",
    "Study": "eqci_space.study",
    "aggregate_keys": "eqci_space.qkd.aggregation",
    "build_network": "eqci_space.fiber.network",
    "compare_coverages": "eqci_space.studies.coverage",
    "compare_runs": "eqci_space.report.compare",
    "confirm_contact": "eqci_space.schedule.edits",
    "contact_keys": "eqci_space.schedule.contact_keys",
    "contact_candidates": "eqci_space.schedule.candidates",
    "coverage": "eqci_space.studies.coverage",
    "data_path": "eqci_space.data",
    "dead_spans": "eqci_space.fiber.hubs",
    "demand_table": "eqci_space.fiber.problem",
    "diff_plans": "eqci_space.schedule.diff",
    "dual_downlink_keys": "eqci_space.qkd.dual_downlink",
    "edit_plan": "eqci_space.schedule.edits",
    "explain": "eqci_space.schedule.explain",
    "explain_demand": "eqci_space.schedule.explain",
    "export_material": "eqci_space.report.release",
    "exposure": "eqci_space.fiber.exposure",
    "exposure_frontier": "eqci_space.fiber.exposure",
    "failure_probability": "eqci_space.fiber.composition",
    "find_passes": "eqci_space.orbits.passes",
    "fit_sky": "eqci_space.weather.fit",
    "fresh_deliveries": "eqci_space.schedule.fresh_skies",
    "handovers": "eqci_space.fiber.exposure",
    "hub_spans": "eqci_space.fiber.hubs",
    "key_deposits": "eqci_space.fiber.relay",
    "link_budget": "eqci_space.linkbudget.budget",
    "load_batch": "eqci_space.studies.batch",
    "load_run": "eqci_space.report.run_io",
    "load_scenario": "eqci_space.scenario.load",
    "nightly_windows": "eqci_space.ogs.windows",
    "observable_windows": "eqci_space.ogs.windows",
    "outage_answer": "eqci_space.fiber.resilience",
    "place_nodes": "eqci_space.fiber.spans",
    "plot": "eqci_space.report.plots",
    "read_coverage": "eqci_space.report.coverage_io",
    "read_elements": "eqci_space.orbits.elements_io",
    "read_flown_passes": "eqci_space.studies.flown_io",
    "read_weather": "eqci_space.weather.weather_io",
    "relay_bin_by_bin": "eqci_space.fiber.relay",
    "relay_keys": "eqci_space.fiber.relay",
    "release": "eqci_space.report.release",
    "replay_passes": "eqci_space.studies.replay",
    "replay_routes": "eqci_space.fiber.replay",
    "rolling_plan": "eqci_space.schedule.rolling",
    "run_batch": "eqci_space.studies.batch",
    "run_chunks": "eqci_space.machine.parallel",
    "sample_sky": "eqci_space.weather.skies",
    "sample_windows": "eqci_space.ogs.sampling",
    "schedule_contacts": "eqci_space.schedule.contacts",
    "service_levels": "eqci_space.schedule.sizing",
    "simulate_plan": "eqci_space.schedule.simulate",
    "single_failures": "eqci_space.fiber.resilience",
    "station_table": "eqci_space.ogs.sites",
    "store_sizes": "eqci_space.schedule.sizing",
    "sweep": "eqci_space.studies.sweeps",
    "verify_relay": "eqci_space.fiber.verify",
    "unreachable_reasons": "eqci_space.fiber.obstacles",
    "verify_plan": "eqci_space.schedule.verify",
    "window_keys": "eqci_space.qkd.window_keys",
    "window_responses": "eqci_space.qkd.window_responses",
    "with_values": "eqci_space.scenario.changes",
    "with_variant": "eqci_space.scenario.changes",
    "write_coverage": "eqci_space.report.coverage_io",
    "write_exports": "eqci_space.report.exports.export_set",
    "write_oem": "eqci_space.orbits.oem_io",
    "write_omm": "eqci_space.orbits.elements_io",
    "write_weather_csv": "eqci_space.weather.weather_io",
}
_MODULES = {"plot"}

__all__ = [  # noqa: PLE0604 - the names are the keys of the table above
    "__version__",
    *_PUBLIC,
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'eqci_space' has no attribute '{name}'")
    module = importlib.import_module(_PUBLIC[name])
    value = module if name in _MODULES else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
