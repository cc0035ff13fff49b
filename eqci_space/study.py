"""`Study` wires the stages for a notebook: each property is one stage, computed once when asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from eqci_space.fiber.network import Network, build_network
from eqci_space.fiber.relay import Relay, key_deposits, relay_keys
from eqci_space.fiber.verify import verify_relay
from eqci_space.linkbudget.budget import link_budget
from eqci_space.machine.deprecation import once_named
from eqci_space.machine.progress import shown_bar
from eqci_space.ogs.sampling import sample_windows
from eqci_space.ogs.windows import observable_windows
from eqci_space.orbits.passes import find_passes
from eqci_space.qkd.window_keys import window_keys
from eqci_space.report.exports.export_set import load_earlier, write_exports
from eqci_space.report.input_ages import input_ages
from eqci_space.report.manifest import run_manifest
from eqci_space.report.page.document import write_report
from eqci_space.report.page.findings import Findings, with_alternatives, with_comparison
from eqci_space.report.release import Level, export_material, release
from eqci_space.report.run_io import Run, target_lock, write_directory
from eqci_space.scenario import Scenario
from eqci_space.schedule.candidates import contact_candidates
from eqci_space.schedule.contact_keys import contact_keys
from eqci_space.schedule.contacts import Plan, schedule_contacts
from eqci_space.schedule.simulate import Simulation, simulate_plan
from eqci_space.schedule.verify import verify_plan
from eqci_space.studies.variants import variant_keys
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
_VERIFIED_WORLDS = 3
_CANDIDATES_WITH_ROLES = 5000  # beyond, leaving out each contact in turn takes too long
_SHOWN_FROM = 2000  # candidates from which planning takes long enough for a bar


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
    simulation : Simulation
        The plan in sampled worlds.
    """

    def __init__(self, scenario: Scenario, tables: dict[str, pd.DataFrame] | None = None):
        self.scenario = scenario
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
        large = len(self.candidates) > _SHOWN_FROM
        with shown_bar("planning", total=1, delay_s=0.0) if large else nullcontext(lambda done: None) as advance:
            plan = schedule_contacts(self.candidates, self.scenario, network=self.network)
            verify_plan(plan, self.windows, self.scenario)
            advance(1)
        return plan

    @cached_property
    def contact_keys(self) -> pd.DataFrame:
        """KEYS of the windows, and of planned parts of windows."""
        return contact_keys(self.plan, self.budget, self.keys, self.scenario)

    @cached_property
    def deposits(self) -> pd.DataFrame:
        """DEPOSITS of the plan, expected key."""
        return key_deposits(self.plan, self.scenario)

    @cached_property
    def relay(self) -> Relay:
        """Delivery with the plan's expected key, checked by `verify_relay`."""
        return self._relayed(self.deposits)

    @cached_property
    def fibre_only(self) -> Relay:
        """Delivery without any satellite key, checked likewise."""
        return self._relayed(self.deposits.iloc[:0])

    def _relayed(self, deposits: pd.DataFrame) -> Relay:
        relay = relay_keys(deposits, self.scenario, network=self.network)
        verify_relay(relay, deposits, self.scenario)
        return relay

    @cached_property
    def variants(self) -> pd.DataFrame:
        """Key of the same windows and contacts with the scenario's other terminals and receivers."""
        return variant_keys(self.plan, self.samples, self.scenario)

    @cached_property
    def simulation(self) -> Simulation:
        """The plan in as many sampled worlds as its means need; `simulate` takes their number."""
        return self.simulate()

    def simulate(self, *, trials: int | None = None, executor: Any = None, jobs: int = 1) -> Simulation:
        """Replay the plan in sampled worlds (`simulate_plan`), for `simulation` and the tables of `run`.

        Three of the worlds are relayed anew as tables and verified.

        Parameters
        ----------
        trials : int, optional
            At least 10; default as many as the means need.
        executor : optional
            On which worlds are relayed, such as a dask ``Client``.
        jobs : int
            Processes, if no executor is given.
        """
        found = simulate_plan(
            self.plan, self.budget, self.contact_keys, self.scenario, network=self.network, trials=trials, jobs=jobs,
            executor=executor, roles=len(self.candidates) <= _CANDIDATES_WITH_ROLES, verified=_VERIFIED_WORLDS,
        )  # fmt: skip
        vars(self).pop("run", None)
        vars(self)["simulation"] = found
        return found

    @cached_property
    def input_ages(self) -> pd.DataFrame:
        """Inputs with their dates and ages, of `input_ages`."""
        return input_ages(self.scenario)

    @cached_property
    def run(self) -> Run:
        """All tables and the manifest, with levels over worlds if `simulation` was asked for before."""
        simulation = vars(self).get("simulation")
        delivery, contacts = self.relay.delivery, self.plan.contacts
        if simulation is not None:
            delivery = delivery.merge(
                simulation.delivery.drop(columns="asked_bit"), on=["bin", "demand"], validate="one_to_one"
            )
            contacts = contacts.join(simulation.contacts)
        tables = {
            "passes": self.passes, "windows": self.windows, "keys": self.contact_keys, "candidates": self.candidates,
            "contacts": contacts, "deposits": self.deposits, "routes": self.relay.routes,
            "stores": self.relay.stores, "delivery": delivery, "prices": self.relay.prices,
        }  # fmt: skip
        return Run(
            tables,
            run_manifest(
                self.plan,
                self.relay,
                self.scenario,
                passes=self.passes,
                windows=self.windows,
                candidates=self.candidates,
                ages=self.input_ages,
                simulation=simulation,
            ),
        )

    @once_named(workers="jobs")
    def save(
        self,
        directory: str | Path,
        *,
        level: Level = "internal",
        previous: str | Path | None = None,
        trials: int | None = None,
        jobs: int = 1,
        progress: Callable[[str], None] | None = None,
        force: bool = True,
    ) -> Run:
        """Compute everything and write tables, exports, report and manifest to a directory, all or nothing.

        Parameters
        ----------
        directory : path
            New, empty, or an earlier run, which is replaced if `force` allows it.
        level : {"internal", "public"}
            Who may read the files, report included. A public release holds no coordinates, routes, stocks and prices.
        previous : path, optional
            Directory of the run that this one re-plans; its calendar is carried on.
        trials : int, optional
            Sampled worlds in which the plan is replayed (`simulate_plan`), 0 for none; default as many as its means
            need.
        jobs : int
            Processes for them.
        progress : callable, optional
            Called with the name of each stage as it begins.
        force : bool
            Whether an earlier run in the directory may be replaced: by default, for a cell of a notebook is run again.

        Raises
        ------
        DataError
            The directory holds something else, or a run that may not be replaced, or cannot be written, another run is
            writing to it, or the earlier run is none; before any work.
        """
        target = Path(directory)
        with target_lock(target, force=force):
            if previous is not None:
                load_earlier(Path(previous))
            wall_s = self._compute(progress, trials, jobs)
            if progress:
                progress("report")
            run = Run(self.run.tables, {**self.run.manifest, "wall_s": wall_s})
            write_directory(target, lambda folder: self._write(folder, run, level, previous))
        return run

    @once_named(workers="jobs")
    def report(
        self,
        path: str | Path,
        *,
        previous: str | Path | None = None,
        trials: int | None = None,
        jobs: int = 1,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        """Compute everything and write the report alone; parameters as in `save`."""
        if previous is not None:
            load_earlier(Path(previous))
        self._compute(progress, trials, jobs)
        if progress:
            progress("report")
        write_report(self._findings(previous), Path(path))

    def _compute(self, progress: Callable[[str], None] | None, trials: int | None, jobs: int) -> dict[str, float]:
        """Every stage, and the simulation unless there are no trials; returns the wall time of each [s]."""
        wall_s: dict[str, float] = {}
        for name in ("simulation", "run"):
            vars(self).pop(name, None)
        for stage in (*STAGES, *([] if trials == 0 else ["simulation"])):
            if progress:
                progress(stage)
            begin = time.perf_counter()
            if stage == "simulation":
                self.simulate(trials=trials, jobs=jobs)
            else:
                getattr(self, stage)
            wall_s[stage] = round(time.perf_counter() - begin, 3)
        return wall_s

    def _write(self, folder: Path, run: Run, level: Level, previous: str | Path | None) -> None:
        material = export_material(
            run.tables, run.manifest, self.scenario, network=self.network, prices=self.relay.prices
        )
        write_exports(release(material, level=level), folder, earlier=previous)
        if level == "internal":
            write_report(self._findings(previous), folder / "report.html")

    def _findings(self, previous: str | Path | None = None) -> Findings:
        found = Findings(
            self.scenario, self.passes, self.windows, self.budget, self.keys, self.candidates, self.plan, self.relay,
            self.fibre_only, self.variants, self.run.manifest, vars(self).get("simulation"),
        )  # fmt: skip
        found = with_alternatives(found)
        return found if previous is None else with_comparison(found, previous, self.run)


def _state(stage: object) -> str:
    if stage is None:
        return "not computed yet"
    return f"{len(stage):,} rows" if isinstance(stage, pd.DataFrame) else "computed"
