"""What changed between two plans, contact by contact, with the cause."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eqci_space.scenario import Scenario
from eqci_space.schedule.conflicts import choice_limits
from eqci_space.schedule.contacts import Plan
from eqci_space.tables import planned_contacts, second, takes_part
from eqci_space.words import format_bits, joined

__all__ = ["diff_plans", "kept_ids", "match_contacts"]

_MOVED = pd.Timedelta(seconds=1)
_SAME = 1e-6
_NEAR = pd.Timedelta(days=2)  # no rule joins contacts farther apart
_COLUMNS = [
    "satellite", "ogs", "change", "start_old", "end_old", "start_new", "end_new", "expected_bit_old",
    "expected_bit_new", "cause", "ogs_b",
]  # fmt: skip


def match_contacts(a: pd.DataFrame, b: pd.DataFrame) -> list[tuple[int, int]]:
    """Pairs of row numbers of contacts of one satellite and station, or pair of them, that overlap, each used once.

    Ids are labels of one run: contacts of two runs are the same if they happen at the same place and time. The longest
    overlap is served first, among equals the earliest.
    """
    starts = [pd.DatetimeIndex(t["start"]).tz_convert("UTC").as_unit("us").asi8 for t in (a, b)]
    ends = [pd.DatetimeIndex(t["end"]).tz_convert("UTC").as_unit("us").asi8 for t in (a, b)]
    keys = [list(zip(t["satellite"], t["ogs"], second(t, "ogs_b"), strict=True)) for t in (a, b)]
    rows_of: dict[tuple[str, str, str], list[int]] = {}
    for j, key in enumerate(keys[1]):
        rows_of.setdefault(key, []).append(j)
    offers = []
    for i, key in enumerate(keys[0]):
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


def diff_plans(old: Plan, new: Plan, scenario: Scenario | None = None) -> pd.DataFrame:
    """Planned contacts added, dropped, moved or worth other key in a new plan, in order of time.

    Parameters
    ----------
    old, new : Plan
    scenario : Scenario, optional
        Of the new plan: terminals, telescopes, slew and turnaround then say what keeps a contact out. Without it a
        contact takes another's place where both would be at one satellite, station or window at one time.

    Returns
    -------
    DataFrame
        satellite, ogs, change (added | dropped | moved | key), start_old, end_old, start_new, end_new,
        expected_bit_old, expected_bit_new, cause, ogs_b (of dual downlinks, else empty).

        The cause of a contact added or dropped is a ``choice``, with the contacts of the other plan that kept it out
        and that this plan does not have as they were. One that moved is another part of the same window (``choice``),
        or lies in a ``window`` that is another one. Else the key changed, with the ``forecast`` of a clear sky, with
        the clear-sky ``key`` of the link, or both.
    """
    before, after = (planned_contacts(p.contacts) for p in (old, new))
    pairs = match_contacts(before, after)
    same = [(i, j) for i, j in pairs if not _moved(before.iloc[i], after.iloc[j])]
    fresh = [t.drop(index=t.index[[p[k] for p in same]]) for k, t in enumerate((before, after))]
    rows = []
    for i, j in pairs:
        change, cause = _matched(before.iloc[i], after.iloc[j])
        if change:
            rows.append(_row(before.iloc[i], after.iloc[j], change, cause))
    for i in sorted(set(range(len(before))) - {i for i, _ in pairs}):
        mine = before.iloc[i]
        cause = _place("replaced by", _in_the_way(mine, after, fresh[1], scenario))
        rows.append(_row(mine, None, "dropped", cause))
    for j in sorted(set(range(len(after))) - {j for _, j in pairs}):
        mine = after.iloc[j]
        cause = _place("in place of", _in_the_way(mine, before, fresh[0], scenario))
        rows.append(_row(None, mine, "added", cause))
    table = pd.DataFrame(rows, columns=_COLUMNS)
    for column in _COLUMNS[3:7]:
        table[column] = pd.to_datetime(table[column], utc=True).dt.as_unit("us")
    order = table["start_old"].fillna(table["start_new"])
    return table.loc[order.sort_values(kind="stable").index].reset_index(drop=True)


def _moved(first: pd.Series, second: pd.Series) -> bool:
    return bool(abs(first["start"] - second["start"]) > _MOVED or abs(first["end"] - second["end"]) > _MOVED)


def _matched(first: pd.Series, second: pd.Series) -> tuple[str, str]:
    """Change and cause of a contact that both plans have; empty if nothing changed."""
    if _moved(first, second):
        same = [first.get(c, "") == second.get(c, "") for c in ("window_id", "window_id_b")]
        if all(same):
            return "moved", "choice: another part of the window"
        shift = [(second[c] - first[c]).total_seconds() for c in ("start", "end")]
        return "moved", f"window: another one, start {shift[0]:+.0f} s, end {shift[1]:+.0f} s"
    if not _differs(first["expected_skl_bit"], second["expected_skl_bit"]):
        return "", ""
    causes = []
    if _differs(first["p_clear"], second["p_clear"]):
        causes.append(f"forecast: chance of a clear sky {first['p_clear']:.3g} to {second['p_clear']:.3g}")
    if _differs(first["skl_bit"], second["skl_bit"]):
        causes.append(f"key: {format_bits(first['skl_bit'])} to {format_bits(second['skl_bit'])} in a clear sky")
    return "key", "; ".join(causes)


def _differs(a: float, b: float) -> bool:
    return bool(abs(b - a) > 0.5 * _SAME * max(abs(a), abs(b)))


def _row(first: pd.Series | None, second: pd.Series | None, change: str, cause: str) -> tuple:
    any_row = first if first is not None else second
    assert any_row is not None
    times = [(r[c] if r is not None else pd.NaT) for r in (first, second) for c in ("start", "end")]
    bits = [float(r["expected_skl_bit"]) if r is not None else 0.0 for r in (first, second)]
    return (any_row["satellite"], any_row["ogs"], change, *times, *bits, cause, any_row.get("ogs_b", ""))


def _place(word: str, contacts: pd.DataFrame) -> str:
    place = ", ".join(f"{r['satellite']} over {joined(r['ogs'], r.get('ogs_b', ''))}" for _, r in contacts.iterrows())
    return f"choice: {word} {place}" if place else "choice"


def _in_the_way(mine: pd.Series, others: pd.DataFrame, fresh: pd.DataFrame, scenario: Scenario | None) -> pd.DataFrame:
    """Contacts among the fresh ones of the other plan, beside which there is no room for one of this plan."""
    if scenario is None:
        shared = (fresh["satellite"] == mine["satellite"]) | takes_part(fresh, mine["ogs"])
        if mine.get("ogs_b", ""):
            shared |= takes_part(fresh, mine["ogs_b"])
            return fresh[shared & (fresh["start"] < mine["end"]) & (fresh["end"] > mine["start"])]
        at_once = shared & (fresh["start"] < mine["end"]) & (fresh["end"] > mine["start"])
        return fresh[at_once | (fresh["window_id"] == mine["window_id"])]
    near = others[(others["start"] < mine["end"] + _NEAR) & (others["end"] > mine["start"] - _NEAR)]
    together = pd.concat([mine.to_frame().T, near]).astype(near.dtypes.to_dict())
    known = together["satellite"].isin([s.name for s in scenario.satellites]) & together["ogs"].isin(scenario.stations)
    if near.empty or not known.iloc[0]:
        return fresh.iloc[:0]
    together = together[known]
    rivals: set[str] = set()
    for limit in choice_limits(together, scenario):
        if 0 in limit.candidates and limit.weight.sum() > limit.most:
            rivals |= set(together.index[limit.candidates[limit.candidates > 0]])
    return fresh[fresh.index.isin(rivals)]
