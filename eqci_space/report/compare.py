"""What differs between two runs: contacts, delivery, headline numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eqci_space.report.run_io import Run, load_run
from eqci_space.report.summary import delivery_by_demand
from eqci_space.schedule.diff import match_contacts
from eqci_space.tables import planned_contacts

__all__ = ["Comparison", "compare_runs"]

_MOVED_S, _CHANGED_SHARE = 1.0, 1e-6


@dataclass(frozen=True)
class Comparison:
    """Differences of run B from run A: contacts, delivery per demand, headline numbers.

    Attributes
    ----------
    contacts : DataFrame
        One row per contact of either run, in order of time: satellite, ogs, change (added, dropped, same, or what
        of moved, key and status changed), contact_a, contact_b, start_a, start_b, end_a, end_b, start_shift_s,
        end_shift_s, expected_skl_bit_a and _b, difference_bit, status_a, status_b, ogs_b (second station of
        dual downlinks, else empty). Where a run lacks the contact, its texts
        are empty, its times missing and its key is 0.
    delivery : DataFrame
        Indexed by `demand`: mean_bit_a and _b, exceeded_90pct_bit_a and _b over worlds (NaN where a run was not
        simulated), asked_bit_a and _b, and of expected key, a bound, delivered_bit_a and _b, difference_bit, share_a,
        share_b; NaN where a run lacks the demand.
    headline : DataFrame
        Indexed by `quantity`: a, b, difference, relative (difference over a, NaN where a is 0).
    """

    contacts: pd.DataFrame
    delivery: pd.DataFrame
    headline: pd.DataFrame


def compare_runs(run_a: Run | str | Path, run_b: Run | str | Path) -> Comparison:
    """Compare two runs, in memory or by their directories.

    Contacts are matched by satellite, station and overlapping interval, whatever their ids; cancelled ones count as not
    planned. A contact has moved if an edge shifted by more than a second.

    Raises
    ------
    DataError
        A directory holds no run.
    """
    a, b = (run if isinstance(run, Run) else load_run(run) for run in (run_a, run_b))
    return Comparison(_contacts(_live(a), _live(b)), _delivery(a, b), _headline(a, b))


def _live(run: Run) -> pd.DataFrame:
    contacts = run.tables["contacts"]
    return contacts[contacts["status"] != "cancelled"]


def _contacts(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    pairs = match_contacts(a, b)
    in_a, in_b = {i for i, _ in pairs}, {j for _, j in pairs}
    lines: list[tuple[int | None, int | None]] = [
        *pairs,
        *((i, None) for i in range(len(a)) if i not in in_a),
        *((None, j) for j in range(len(b)) if j not in in_b),
    ]
    rows = [_contact_row(None if i is None else a.iloc[i], None if j is None else b.iloc[j]) for i, j in lines]
    columns = [
        "satellite", "ogs", "change", "contact_a", "contact_b", "start_a", "start_b", "end_a", "end_b", "start_shift_s",
        "end_shift_s", "expected_skl_bit_a", "expected_skl_bit_b", "difference_bit", "status_a", "status_b",
        "ogs_b",
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    for column in ("start_a", "start_b", "end_a", "end_b"):
        table[column] = pd.to_datetime(table[column], utc=True)
    order = table["start_a"].fillna(table["start_b"])
    table = table.assign(order=order).sort_values(["order", "satellite", "ogs", "change"], kind="stable")
    return table.drop(columns="order").reset_index(drop=True)


def _contact_row(a: pd.Series | None, b: pd.Series | None) -> dict[str, Any]:
    """One contact of one or both runs."""
    some = a if a is not None else b
    assert some is not None
    row: dict[str, Any] = {"satellite": some["satellite"], "ogs": some["ogs"], "ogs_b": some.get("ogs_b", "")}
    for side, contact in (("a", a), ("b", b)):
        row[f"contact_{side}"] = "" if contact is None else str(contact.name)
        row[f"status_{side}"] = "" if contact is None else contact["status"]
        row[f"expected_skl_bit_{side}"] = 0.0 if contact is None else float(contact["expected_skl_bit"])
        for edge in ("start", "end"):
            row[f"{edge}_{side}"] = pd.NaT if contact is None else contact[edge]
    row["difference_bit"] = row["expected_skl_bit_b"] - row["expected_skl_bit_a"]
    for edge in ("start", "end"):
        row[f"{edge}_shift_s"] = (row[f"{edge}_b"] - row[f"{edge}_a"]) / pd.Timedelta(seconds=1)
    if a is None or b is None:
        return {**row, "change": "added" if a is None else "dropped"}
    changes = [
        ("moved", max(abs(row["start_shift_s"]), abs(row["end_shift_s"])) > _MOVED_S),
        ("key", abs(row["difference_bit"]) > _CHANGED_SHARE * max(row["expected_skl_bit_a"], 1.0)),
        ("status", row["status_a"] != row["status_b"]),
    ]
    return {**row, "change": ", ".join(name for name, holds in changes if holds) or "same"}


def _delivery(a: Run, b: Run) -> pd.DataFrame:
    sums = [delivery_by_demand(run) for run in (a, b)]
    demands = list(dict.fromkeys([*sums[0].index, *sums[1].index]))
    table = pd.DataFrame(index=pd.Index(demands, name="demand", dtype=str))
    for column in ("mean_bit", "exceeded_90pct_bit", "asked_bit", "delivered_bit"):
        for side, total in zip("ab", sums, strict=True):
            table[f"{column}_{side}"] = total.reindex(index=demands, columns=[column])[column].to_numpy(dtype=float)
    table["difference_bit"] = table["delivered_bit_b"] - table["delivered_bit_a"]
    for side in "ab":
        asked = table[f"asked_bit_{side}"]
        table[f"share_{side}"] = (table[f"delivered_bit_{side}"] / asked.where(asked > 0)).fillna(np.nan)
    return table


def _headline(a: Run, b: Run) -> pd.DataFrame:
    values = [_numbers(run) for run in (a, b)]
    names = list(dict.fromkeys([*values[0], *values[1]]))
    table = pd.DataFrame(
        {side: [found.get(n, np.nan) for n in names] for side, found in zip("ab", values, strict=True)},
        index=pd.Index(names, name="quantity", dtype=str), dtype=float,
    )  # fmt: skip
    table["difference"] = table["b"] - table["a"]
    table["relative"] = table["difference"] / table["a"].where(table["a"] != 0)
    return table


def _levels(run: Run) -> dict[str, float]:
    """Mean and 90 % level over worlds of what the demands of each purpose get together."""
    totals = run.manifest.get("simulation", {}).get("totals", {})
    words = {"mean": "mean", "exceeded_90pct": "in 9 of 10 at least"}
    return {
        f"{purpose} demands, {word} [bit]": float(row[f"all_in_{level}_bit"])
        for purpose, row in totals.items() if purpose != "all" for level, word in words.items()
    }  # fmt: skip


def _numbers(run: Run) -> dict[str, float]:
    """Headline numbers of a run."""
    contacts, delivery = run.tables["contacts"], run.tables["delivery"]
    planned = planned_contacts(contacts)
    plan = run.manifest.get("plan", {})
    counted = {name: float(n) for name, n in run.manifest.get("counts", {}).items() if name != "contacts"}
    return {
        **_levels(run),
        **counted,
        "planned contacts": float(len(planned)),
        "backup contacts": float((contacts["status"] == "backup").sum()),
        "contact time [s]": float((planned["end"] - planned["start"]).dt.total_seconds().sum()),
        "clear-sky space key [bit]": float(planned["skl_bit"].sum()),
        "expected space key [bit]": float(planned["expected_skl_bit"].sum()),
        "asked [bit]": float(delivery["asked_bit"].sum()),
        "delivered of expected key [bit]": float(delivery["delivered_bit"].sum()),
        "unreachable demands": float(len(run.manifest.get("unreachable_demands", []))),
        **{name: float(plan[name]) for name in ("objective", "bound", "gap") if name in plan},
    }
