"""A run in one line, as a mail's subject holds it, and what its demands get in words."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from eqci_space.report.run_io import Run
from eqci_space.tables import planned_contacts
from eqci_space.words import SERVED_IN_FULL, format_bits, such_periods

__all__ = ["delivery_by_demand", "demand_lines", "summary_line"]


def summary_line(run: Run) -> str:
    """Name and period of a run, the demand that is shortest of key, how many are short, contacts, and the plan's gap.

    Such as ``QUANT-GPICz 2027-03-01..08: government Warsaw-Prague 170 kbit mean, 9 of 10 weeks at least 12.1 kbit, of
    717 kbit asked; 3 of 10 demands short; 18 contacts, gap 4.1 %``. A demand is short when its mean over worlds is
    below its ask; without a simulation all is a bound, and says so.
    """
    table = delivery_by_demand(run)
    got = table["mean_bit"] if "mean_bit" in table else table["delivered_bit"]
    share = (got / table["asked_bit"])[table["asked_bit"] > 0]
    short = share[share <= SERVED_IN_FULL]
    plan, planned = run.manifest["plan"], planned_contacts(run.tables["contacts"])
    if "mean_bit" in table:
        least = f"{len(short)} of {len(table)} demands short"
        worst = f"{short.idxmin()} {_levels(run, table.loc[short.idxmin()])} asked; {least}" if len(short) else least
    else:
        worst = f"not simulated, {_counted(len(short), 'demand')} short even of expected key"
    scenario = run.manifest["scenario"]
    return (
        f"{scenario['name']} {_period(scenario['start'], scenario['end'])}: {worst}; "
        f"{_counted(len(planned), 'contact')}, gap {100 * plan['gap']:.1f} %"
    )


def demand_lines(run: Run) -> list[str]:
    """A line for every demand: mean and 90 % level over worlds, delivery of expected key, and why there is no path."""
    table = delivery_by_demand(run)
    lines = []
    for name, row in table.iterrows():
        reason = run.manifest.get("unreachable_reasons", {}).get(str(name))
        why = f"; {reason}" if reason else ""
        bound, asked = format_bits(row["delivered_bit"]), format_bits(row["asked_bit"])
        if "mean_bit" in table:
            lines.append(f"{name}: {_levels(run, row)}; of expected key {bound}{why}")
        else:
            lines.append(f"{name}: {bound} of {asked}{why}")
    return lines


def delivery_by_demand(run: Run) -> pd.DataFrame:
    """Per demand over the period: asked_bit, delivered_bit of expected key and, if worlds were sampled, their levels.

    Those are mean_bit, exceeded_90pct_bit and exceeded_50pct_bit of the whole period, all stated uncertainties counted.
    """
    table = run.tables["delivery"].groupby("demand", sort=False)[["asked_bit", "delivered_bit"]].sum()
    worlds = run.manifest.get("simulation", {}).get("demands", {})
    if not worlds:
        return table
    names = {"mean_bit": "mean", "exceeded_90pct_bit": "exceeded_90pct", "exceeded_50pct_bit": "median"}
    return table.assign(**{
        column: [worlds[str(name)][f"all_in_{level}_bit"] for name in table.index] for column, level in names.items()
    })  # fmt: skip


def _levels(run: Run, row: pd.Series) -> str:
    start, end = (datetime.fromisoformat(run.manifest["scenario"][c]) for c in ("start", "end"))
    mean, low, asked = (format_bits(row[c]) for c in ("mean_bit", "exceeded_90pct_bit", "asked_bit"))
    return f"{mean} mean, in 9 of 10 {such_periods(start, end)} at least {low}, of {asked}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _period(start: str, end: str) -> str:
    """First and last day, without what they share: ``2027-03-01..08``, ``2027-03-29..04-05``."""
    first, last = (datetime.fromisoformat(t) for t in (start, end))
    if first.year != last.year:
        return f"{first:%Y-%m-%d}..{last:%Y-%m-%d}"
    return f"{first:%Y-%m-%d}..{last:%d}" if first.month == last.month else f"{first:%Y-%m-%d}..{last:%m-%d}"
