"""What a report is made from, and the tables, figures and sections that it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from eqci_space.fiber.relay import Relay
from eqci_space.report.compare import Comparison
from eqci_space.scenario import Scenario
from eqci_space.schedule.contacts import Plan
from eqci_space.schedule.simulate import Simulation
from eqci_space.tables import planned_contacts
from eqci_space.words import html_table

__all__ = ["Figure", "Findings", "Section", "Table"]


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

    @property
    def planned(self) -> pd.DataFrame:
        """Contacts that take place, without backups."""
        contacts = self.plan.contacts
        return planned_contacts(contacts)


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
