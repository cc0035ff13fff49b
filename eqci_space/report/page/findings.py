"""What a report is made from, and the tables, figures and sections that it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from eqci_space.fiber.relay import Relay, key_deposits
from eqci_space.fiber.resilience import single_failures
from eqci_space.report.compare import Comparison, compare_runs
from eqci_space.report.run_io import Run
from eqci_space.scenario import Scenario
from eqci_space.schedule.contacts import Plan, schedule_contacts
from eqci_space.schedule.parts import whole_rows
from eqci_space.schedule.simulate import Simulation
from eqci_space.tables import by_station, planned_contacts
from eqci_space.words import html_table

__all__ = ["Figure", "Findings", "Section", "Table", "with_alternatives", "with_comparison"]

# Beyond this size single failures and a second plan would take longer than the run itself.
_LINKS_OF_SMALL, _CANDIDATES_OF_SMALL = 400, 2000


@dataclass(frozen=True)
class Findings:
    """What a report shows: the tables and records of a run, and the relay without satellite key.

    Attributes
    ----------
    simulation : Simulation, optional
        The plan in sampled worlds, for the band of the answer.
    comparison : Comparison, optional
        Of an earlier run (a) with this one (b), which `compared_with` names.
    failures : DataFrame, optional
        Of `single_failures`.
    whole_windows : Plan, optional
        The plan of the same scenario without hand-over inside a crossing.
    """

    scenario: Scenario
    passes: pd.DataFrame
    windows: pd.DataFrame
    budget: pd.DataFrame
    keys: pd.DataFrame
    candidates: pd.DataFrame
    plan: Plan
    relay: Relay
    fibre_only: Relay
    variants: pd.DataFrame
    manifest: dict[str, Any]
    simulation: Simulation | None = None
    comparison: Comparison | None = None
    compared_with: str = "the earlier run"
    failures: pd.DataFrame | None = None
    whole_windows: Plan | None = None

    @cached_property
    def planned(self) -> pd.DataFrame:
        """Contacts that take place, without backups."""
        return planned_contacts(self.plan.contacts)

    @property
    def roles(self) -> pd.DataFrame | None:
        """What each contact is worth beside the others; None where that was not worked out."""
        found = None if self.simulation is None else self.simulation.contacts
        return found if found is not None and len(found) else None

    @cached_property
    def best_window(self) -> pd.Series | None:
        """The window with the most clear-sky key, with the budget at its culmination; None without any window."""
        if self.keys.empty or not self.keys["skl_bit"].gt(0).any():
            return None
        window_id = self.keys["skl_bit"].idxmax()
        part = self.budget[self.budget["window_id"] == window_id]
        top = part.loc[part["elevation_deg"].idxmax()]
        return pd.Series({**top.to_dict(), **self.keys.loc[window_id].to_dict(), "window_id": window_id})

    @cached_property
    def culminations(self) -> pd.DataFrame:
        """Windows with the time and elevation of their highest slot, and whether a contact is planned in them."""
        if self.budget.empty:
            return pd.DataFrame(columns=["ogs", "satellite", "time", "elevation_deg", "planned"])
        highest = self.budget.groupby("window_id", sort=False)["elevation_deg"].idxmax()
        top = self.budget.loc[highest].set_index("window_id")
        table = top[["ogs", "satellite", "time", "elevation_deg"]].sort_values("time", kind="stable")
        return table.assign(planned=table.index.isin(by_station(self.planned)["window_id"]))


def with_alternatives(findings: Findings) -> Findings:
    """Findings with what takes relays and plans of its own, where the scenario is small: failures, and whole windows.

    The plan of whole windows is one for expected key, and made only where the plan hands over inside one.
    """
    f, network = findings, findings.relay.network
    if len(network.links) > _LINKS_OF_SMALL or len(f.candidates) > _CANDIDATES_OF_SMALL:
        return findings
    whole = f.candidates[whole_rows(f.candidates)]
    of_key = f.scenario.schedule.model_copy(update={"plan_for": "expected_key", "cvar_share": 0.0, "backups": False})
    parts = not f.plan.contacts["candidate_id"].isin(whole.index).all()
    deposits = key_deposits(f.plan, f.scenario)
    return replace(
        findings,
        failures=single_failures(deposits, f.scenario, network=network, one_bin=True),
        whole_windows=schedule_contacts(whole, f.scenario.model_copy(update={"schedule": of_key}), network=network)
        if parts
        else None,
    )


def with_comparison(findings: Findings, previous: str | Path, run: Run) -> Findings:
    """Findings with what changed since an earlier run, in its directory, to this one."""
    return replace(findings, comparison=compare_runs(previous, run), compared_with=Path(previous).name)


@dataclass(frozen=True)
class Table:
    """A table in words; `head` styles its columns as in `html_table`."""

    caption: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    kind: str = "table"

    @property
    def html(self) -> str:
        """The table with every text escaped."""
        return html_table(self.caption, self.head, self.rows)


@dataclass(frozen=True)
class Figure:
    """A picture with the text that replaces it; `name` joins it to its interactive form, if it has one."""

    name: str
    caption: str
    source: str
    alt: str
    kind: str = "figure"


@dataclass(frozen=True)
class Section:
    """A chapter: paragraphs, then figures and tables; `more` stands folded on the screen, with its summary."""

    anchor: str
    title: str
    words: Sequence[str] = ()
    blocks: Sequence[Figure | Table | None] = ()
    more: Sequence[tuple[str, Table]] = field(default_factory=tuple)
