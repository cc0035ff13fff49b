"""What changed between two plans, contact by contact, with the cause."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eqci_space.schedule.contacts import Plan
from eqci_space.tables import planned_contacts

__all__ = ["diff_plans", "kept_ids", "match_contacts"]

_MOVED = pd.Timedelta(seconds=1)
_SAME_KEY = 1e-6
_SAME_SKY = 1e-3


def match_contacts(a: pd.DataFrame, b: pd.DataFrame) -> list[tuple[int, int]]:
    """Pairs of row numbers of contacts with the same satellite and station whose intervals overlap, each used once.

    Ids are labels of one run: contacts of two runs are the same if they happen at the same place and time. The longest
    overlap is served first, among equals the earliest.
    """
    starts = [pd.DatetimeIndex(t["start"]).tz_convert("UTC").as_unit("us").asi8 for t in (a, b)]
    ends = [pd.DatetimeIndex(t["end"]).tz_convert("UTC").as_unit("us").asi8 for t in (a, b)]
    rows_of: dict[tuple[str, str], list[int]] = {}
    for j, key in enumerate(zip(b["satellite"], b["ogs"], strict=True)):
        rows_of.setdefault(key, []).append(j)
    offers = []
    for i, key in enumerate(zip(a["satellite"], a["ogs"], strict=True)):
        rows = np.array(rows_of.get(key, []), dtype=int)
        overlap = np.minimum(ends[0][i], ends[1][rows]) - np.maximum(starts[0][i], starts[1][rows])
        offers += [(-overlap[k], starts[0][i], i, int(rows[k])) for k in np.nonzero(overlap > 0)[0]]
    used_a: set[int] = set()
    used_b: set[int] = set()
    pairs = []
    for _, _, i, j in sorted(offers):
        if i not in used_a and j not in used_b:
            used_a.add(i)
            used_b.add(j)
            pairs.append((i, j))
    return sorted(pairs)


def kept_ids(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """The new contacts, each under the id that its partner in the old plan has."""
    return new.rename(index={str(new.index[j]): str(old.index[i]) for i, j in match_contacts(old, new)})


def diff_plans(old: Plan, new: Plan) -> pd.DataFrame:
    """Planned contacts added, dropped, moved or worth other key in a new plan, in order of time.

    Returns
    -------
    DataFrame
        satellite, ogs, change (added | dropped | moved | key), start_old, end_old, start_new, end_new,
        expected_bit_old, expected_bit_new, cause: ``forecast`` where the chance of a clear sky changed, ``key`` where
        the clear-sky key did, else ``choice``, with the contact that took the place or as another part of the window.
    """
    before, after = (planned_contacts(p.contacts) for p in (old, new))
    rows = []
    pairs = match_contacts(before, after)
    lines: list[tuple[int | None, int | None]] = [
        *pairs,
        *((i, None) for i in sorted(set(range(len(before))) - {i for i, _ in pairs})),
        *((None, j) for j in sorted(set(range(len(after))) - {j for _, j in pairs})),
    ]
    for i, j in lines:
        first = None if i is None else before.iloc[i]
        second = None if j is None else after.iloc[j]
        change = _change(first, second)
        if change:
            rows.append(_row(first, second, change, before, after))
    columns = ["satellite", "ogs", "change", "start_old", "end_old", "start_new", "end_new", "expected_bit_old",
               "expected_bit_new", "cause"]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    for column in columns[3:7]:
        table[column] = pd.to_datetime(table[column], utc=True).dt.as_unit("us")
    order = table["start_old"].fillna(table["start_new"])
    return table.loc[order.sort_values(kind="stable").index].reset_index(drop=True)


def _change(first: pd.Series | None, second: pd.Series | None) -> str:
    if first is None or second is None:
        return "added" if first is None else "dropped"
    if abs(first["start"] - second["start"]) > _MOVED or abs(first["end"] - second["end"]) > _MOVED:
        return "moved"
    other = abs(second["expected_skl_bit"] - first["expected_skl_bit"])
    return "key" if other > _SAME_KEY * max(first["expected_skl_bit"], 1.0) else ""


def _row(
    first: pd.Series | None, second: pd.Series | None, change: str, before: pd.DataFrame, after: pd.DataFrame
) -> tuple:
    any_row = first if first is not None else second
    assert any_row is not None
    times = [(r[c] if r is not None else pd.NaT) for r in (first, second) for c in ("start", "end")]
    bits = [float(r["expected_skl_bit"]) if r is not None else 0.0 for r in (first, second)]
    return (any_row["satellite"], any_row["ogs"], change, *times, *bits, _cause(first, second, before, after))


def _cause(first: pd.Series | None, second: pd.Series | None, before: pd.DataFrame, after: pd.DataFrame) -> str:
    if first is not None and second is not None:
        if first["window_id"] == second["window_id"] and first["candidate_id"] != second["candidate_id"]:
            return "choice: another part of the window"
        if abs(first["p_clear"] - second["p_clear"]) > _SAME_SKY:
            return f"forecast: chance of a clear sky {first['p_clear']:.2f} to {second['p_clear']:.2f}"
        return "key: other interval or link" if first["skl_bit"] != second["skl_bit"] else "choice"
    mine, others = (first, after) if first is not None else (second, before)
    assert mine is not None
    around = pd.Timedelta("10min")
    same = (others["satellite"] == mine["satellite"]) | (others["ogs"] == mine["ogs"])
    near = others[same & (others["start"] < mine["end"] + around) & (others["end"] > mine["start"] - around)]
    place = ", ".join(f"{r['satellite']} over {r['ogs']}" for _, r in near.iterrows())
    word = "replaced by" if first is not None else "in place of"
    return f"choice: {word} {place}" if place else "choice"
