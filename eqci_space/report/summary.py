"""A run in one line, as a mail's subject holds it."""

from __future__ import annotations

from datetime import datetime

from eqci_space.report.run_io import Run
from eqci_space.tables import planned_contacts
from eqci_space.words import SERVED_IN_FULL, format_bits

__all__ = ["summary_line"]


def summary_line(run: Run) -> str:
    """Name and period of a run, its contacts and their key, how many demands are short, and the gap of the plan.

    Such as ``QUANT-GPICz 2027-03-01..08: 18 contacts, 4.74 Mbit expected, 3 demands short, gap 0.0 %``.
    """
    contacts, delivery = run.tables["contacts"], run.tables["delivery"]
    planned = planned_contacts(contacts)
    total = delivery.groupby("demand")[["asked_bit", "delivered_bit"]].sum()
    short = int((total["delivered_bit"] <= SERVED_IN_FULL * total["asked_bit"])[total["asked_bit"] > 0].sum())
    scenario = run.manifest["scenario"]
    return (
        f"{scenario['name']} {_period(scenario['start'], scenario['end'])}: {_counted(len(planned), 'contact')}, "
        f"{format_bits(planned['expected_skl_bit'].sum())} expected, {_counted(short, 'demand')} short, "
        f"gap {100 * run.manifest['plan']['gap']:.1f} %"
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _period(start: str, end: str) -> str:
    """First and last day, without what they share: ``2027-03-01..08``, ``2027-03-29..04-05``."""
    first, last = (datetime.fromisoformat(t) for t in (start, end))
    if first.year != last.year:
        return f"{first:%Y-%m-%d}..{last:%Y-%m-%d}"
    return f"{first:%Y-%m-%d}..{last:%d}" if first.month == last.month else f"{first:%Y-%m-%d}..{last:%m-%d}"
