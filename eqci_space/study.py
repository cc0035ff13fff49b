"""`Study` wires the stages for a notebook: each property is one stage, computed once when asked for."""

from __future__ import annotations

import importlib.metadata
import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eqci_space.fiber.network import Network, build_network
from eqci_space.fiber.obstacles import unreachable_reasons
from eqci_space.fiber.relay import Relay, key_deposits, relay_keys
from eqci_space.fiber.resilience import single_failures
from eqci_space.linkbudget.budget import link_budget
from eqci_space.machine.progress import shown_bar
from eqci_space.ogs.sampling import sample_windows
from eqci_space.ogs.windows import observable_windows
from eqci_space.orbits.earth import orientation_end
from eqci_space.orbits.elements import age_day
from eqci_space.orbits.ephemeris import satellite_elements, satellite_segments
from eqci_space.orbits.passes import find_passes
from eqci_space.qkd.part_keys import part_keys
from eqci_space.qkd.window_keys import window_keys
from eqci_space.report.compare import compare_runs
from eqci_space.report.exports.export_set import write_exports
from eqci_space.report.input_ages import age_records, input_ages
from eqci_space.report.page.document import Findings, write_report
from eqci_space.report.release import Level, export_material, release
from eqci_space.report.run_io import SCHEMA_VERSION, Run, load_run, require_target, write_directory
from eqci_space.scenario import Scenario, with_variant
from eqci_space.schedule.candidates import contact_candidates
from eqci_space.schedule.contacts import Plan, schedule_contacts
from eqci_space.schedule.refine import reoptimise_contacts
from eqci_space.schedule.simulate import Simulation, simulate_plan
from eqci_space.schedule.verify import verify_plan
from eqci_space.words import html_summary, html_table

__all__ = ["STAGES", "Study"]

STAGES = (
    "passes",
    "windows",
    "samples",
    "budget",
    "keys",
    "candidates",
    "network",
    "plan",
    "relay",
    "fibre_only",
    "variants",
)
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
# Beyond this size single failures and a second plan would take longer than the run itself.
_LINKS_OF_SMALL, _CANDIDATES_OF_SMALL = 400, 2000


class Study:
    """All stages of a scenario, lazily.

    Parameters
    ----------
    scenario : Scenario
    tables : dict, optional
        Stages computed before, such as those of `load_batch`, by the name of the property.

    Attributes
    ----------
    passes, windows, samples, budget, keys, candidates, plan, deposits, relay
        The tables and records of the stages.
    fibre_only : Relay
        The same demands without any satellite key.
    variants : DataFrame
        Key of the same windows and contacts with other terminals and receivers.
    """

    def __init__(self, scenario: Scenario, tables: dict[str, pd.DataFrame] | None = None):
        self.scenario = scenario
        self._simulation: Simulation | None = None
        vars(self).update(tables or {})

    def _repr_html_(self) -> str:
        """Which stages there are by now; asking for the others computes them."""
        rows = [(stage, _state(vars(self).get(stage))) for stage in STAGES]
        facts = {"scenario": self.scenario.name, "satellites": str(len(self.scenario.satellites)),
                 "stations": str(len(self.scenario.stations)), "demands": str(len(self.scenario.demands))}  # fmt: skip
        return html_summary("Study", facts, [html_table("Stages", ("stage", "state"), rows)])

    @cached_property
    def passes(self) -> pd.DataFrame:
        """PASSES."""
        return find_passes(self.scenario)

    @cached_property
    def windows(self) -> pd.DataFrame:
        """WINDOWS."""
        return observable_windows(self.passes, self.scenario)

    @cached_property
    def samples(self) -> pd.DataFrame:
        """SAMPLES at one second."""
        return sample_windows(self.windows, self.scenario)

    @cached_property
    def budget(self) -> pd.DataFrame:
        """BUDGET."""
        return link_budget(self.samples, self.scenario)

    @cached_property
    def keys(self) -> pd.DataFrame:
        """KEYS."""
        return window_keys(self.budget, self.scenario)

    @cached_property
    def candidates(self) -> pd.DataFrame:
        """CANDIDATES."""
        return contact_candidates(self.budget, self.keys, self.scenario)

    @cached_property
    def network(self) -> Network:
        """The terrestrial network."""
        return build_network(self.scenario)

    @cached_property
    def plan(self) -> Plan:
        """The plan, checked by `verify_plan`."""
        return self._planned[0]

    @cached_property
    def contact_keys(self) -> pd.DataFrame:
        """KEYS of the windows, and of planned parts of windows at their own parameters."""
        return self._planned[1]

    @cached_property
    def _planned(self) -> tuple[Plan, pd.DataFrame]:
        large = len(self.candidates) > _CANDIDATES_OF_SMALL
        with shown_bar("planning", 2, delay_s=0.0) if large else nullcontext(lambda done: None) as advance:
            offered = schedule_contacts(self.candidates, self.scenario, network=self.network)
            advance(1)
            plan, keys = reoptimise_contacts(offered, self.budget, self.keys, self.scenario)
            verify_plan(plan, self.windows, self.scenario)
        return plan, keys

    @cached_property
    def deposits(self) -> pd.DataFrame:
        """DEPOSITS of the plan, expected key."""
        return key_deposits(self.plan, self.scenario)

    @cached_property
    def relay(self) -> Relay:
        """Delivery with the plan's expected key."""
        return relay_keys(self.deposits, self.scenario, network=self.network)

    @cached_property
    def fibre_only(self) -> Relay:
        """Delivery without any satellite key."""
        return relay_keys(self.deposits.iloc[:0], self.scenario, network=self.network)

    @cached_property
    def variants(self) -> pd.DataFrame:
        """Key per variant: windows with key, clear-sky key of all windows, expected key of the planned contacts."""
        rows = []
        contacts = self.plan.contacts
        planned = contacts[contacts["status"] == "planned"].set_index("candidate_id")
        for variant in self.scenario.variants:
            other = with_variant(self.scenario, variant)
            budget = link_budget(self.samples, other)
            keys = window_keys(budget, other)
            able = planned[planned["window_id"].isin(keys.index[keys["skl_bit"] > 0])]
            rows.append({
                "variant": variant.name, "windows_with_key": int((keys["skl_bit"] > 0).sum()),
                "clear_sky_bit": keys["skl_bit"].sum(),
                "planned_expected_bit": float(part_keys(able, budget, keys, other) @ able["p_clear"]),
            })  # fmt: skip
        columns = ["variant", "windows_with_key", "clear_sky_bit", "planned_expected_bit"]
        return pd.DataFrame(rows, columns=columns).set_index("variant")

    @cached_property
    def input_ages(self) -> pd.DataFrame:
        """Inputs with their dates and ages, of `input_ages`."""
        return input_ages(self.scenario)

    @cached_property
    def run(self) -> Run:
        """All tables and the manifest."""
        tables = {
            "passes": self.passes, "windows": self.windows, "keys": self.contact_keys, "candidates": self.candidates,
            "contacts": self.plan.contacts, "deposits": self.deposits, "routes": self.relay.routes,
            "stores": self.relay.stores, "delivery": self.relay.delivery, "prices": self.relay.prices,
        }  # fmt: skip
        return Run(tables, self._manifest())

    def save(
        self,
        directory: str | Path,
        *,
        level: Level = "internal",
        previous: str | Path | None = None,
        trials: int = 0,
        workers: int = 1,
        progress: Callable[[str], None] | None = None,
    ) -> Run:
        """Compute everything and write tables, exports, report and manifest to a directory, all or nothing.

        Parameters
        ----------
        directory : path
            New, empty, or an earlier run, which is replaced.
        level : {"internal", "public"}
            Who may read the files, report included. A public release holds no coordinates, routes, stocks and prices.
        previous : path, optional
            Directory of the run that this one re-plans; its calendar is carried on.
        trials : int
            Sampled worlds in which the plan is replayed (`simulate_plan`) for the band of the report; 0 for none.
        workers : int
            Processes for them.
        progress : callable, optional
            Called with the name of each stage as it begins.

        Raises
        ------
        DataError
            The directory holds something else or cannot be written, or the earlier run is none; before any work.
        """
        require_target(Path(directory))
        if previous is not None:
            load_run(previous)
        wall_s = self._compute(progress, trials, workers)
        if progress:
            progress("report")
        run = Run(self.run.tables, {**self.run.manifest, **self._simulated(), "wall_s": wall_s})
        write_directory(Path(directory), lambda folder: self._write(folder, run, level, previous))
        return run

    def report(
        self,
        path: str | Path,
        *,
        previous: str | Path | None = None,
        trials: int = 0,
        workers: int = 1,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        """Compute everything and write the report alone; parameters as in `save`."""
        if previous is not None:
            load_run(previous)
        self._compute(progress, trials, workers)
        if progress:
            progress("report")
        target = Path(path)
        work = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            write_report(work, self._findings(previous))
            os.replace(work, target)
        finally:
            work.unlink(missing_ok=True)

    def _compute(self, progress: Callable[[str], None] | None, trials: int, workers: int) -> dict[str, float]:
        """Every stage, and the simulation if there are trials; returns the wall time of each [s]."""
        wall_s: dict[str, float] = {}
        for stage in (*STAGES, *(["simulation"] if trials else [])):
            if progress:
                progress(stage)
            begin = time.perf_counter()
            if stage == "simulation":
                self._simulation = simulate_plan(
                    self.plan, self.budget, self.contact_keys, self.scenario, network=self.network, trials=trials,
                    workers=workers,
                )  # fmt: skip
            else:
                getattr(self, stage)
            wall_s[stage] = round(time.perf_counter() - begin, 3)
        return wall_s

    def _simulated(self) -> dict[str, Any]:
        """Entry of the manifest about the simulation, if there was one."""
        found = self._simulation
        if found is None:
            return {}
        kept = ["asked_bit", *(f"all_in_{c}_bit" for c in ("exceeded_90pct", "median", "exceeded_10pct"))]
        low, middle, high = np.quantile(found.space_key_bit, [0.1, 0.5, 0.9]).tolist()
        return {
            "simulation": {
                "trials": len(found.space_key_bit), "seed": self.scenario.seed,
                "space_exceeded_90pct_bit": low, "space_median_bit": middle, "space_exceeded_10pct_bit": high,
                "demands": found.demands[kept].to_dict("index"), "warnings": list(found.warnings),
            }
        }  # fmt: skip

    def _write(self, folder: Path, run: Run, level: Level, previous: str | Path | None) -> None:
        material = export_material(
            self.scenario, run.tables, run.manifest, network=self.network, prices=self.relay.prices
        )
        write_exports(folder, release(material, level), earlier=previous)
        if level == "internal":
            write_report(folder / "report.html", self._findings(previous))

    def _findings(self, previous: str | Path | None = None) -> Findings:
        whole = self.candidates[self.candidates.index == self.candidates["window_id"]]
        parts = not self.plan.contacts["candidate_id"].isin(whole.index).all()
        small = len(self.network.links) <= _LINKS_OF_SMALL and len(self.candidates) <= _CANDIDATES_OF_SMALL
        return Findings(
            self.scenario, self.passes, self.windows, self.budget, self.keys, self.candidates, self.plan, self.relay,
            self.fibre_only, self.variants, self.run.manifest, self._simulation,
            comparison=None if previous is None else compare_runs(previous, self.run),
            compared_with="the earlier run" if previous is None else Path(previous).name,
            failures=single_failures(self.deposits, self.scenario, network=self.network, one_bin=True)
            if small else None,
            whole_windows=schedule_contacts(whole, self.scenario, network=self.network) if parts and small else None,
        )  # fmt: skip

    def _manifest(self) -> dict[str, Any]:
        scenario = self.scenario
        elements: dict[str, dict[str, Any]] = {}
        for satellite in scenario.satellites:
            if satellite.ephemeris is not None:
                elements[satellite.name] = {"ephemeris": satellite.ephemeris}
                continue
            found = satellite_elements(satellite, scenario)
            elements[satellite.name] = {
                "epoch": found.epoch.isoformat(), "design": found.design,
                "largest_age_day": round(age_day(found, scenario.start, scenario.end), 3),
            }  # fmt: skip
        return {
            "schema_version": SCHEMA_VERSION,
            "scenario": {
                "name": scenario.name, "sha256": scenario.sha256, "inputs": _inputs(scenario),
                "seed": scenario.seed, "start": scenario.start.isoformat(), "end": scenario.end.isoformat(),
            },
            "elements": elements,
            "input_ages": age_records(self.input_ages),
            "earth_orientation_until": orientation_end().isoformat(),
            "plan": {
                "solver": f"HiGHS {importlib.metadata.version('highspy')}", "objective": self.plan.objective,
                "bound": self.plan.bound, "gap": self.plan.gap, "pricing_rounds": self.plan.pricing_rounds,
                "nodes": self.plan.nodes, "without_space": self.plan.without_space, "notes": list(self.plan.notes),
                "slew_s": scenario.schedule.slew_s, "turnaround_s": scenario.schedule.turnaround_s,
            },
            "counts": {
                "passes": len(self.passes), "windows": len(self.windows), "candidates": len(self.candidates),
                "contacts": int((self.plan.contacts["status"] == "planned").sum()),
            },
            "unreachable_demands": list(self.relay.unreachable),
            "unreachable_reasons": unreachable_reasons(scenario, self.network),
            "versions": {name: importlib.metadata.version(name) for name in _VERSIONS},
        }  # fmt: skip


def _state(stage: object) -> str:
    if stage is None:
        return "not computed yet"
    return f"{len(stage):,} rows" if isinstance(stage, pd.DataFrame) else "computed"


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
