"""Hand-made candidates and small scenarios for tests of planning; no test lives here."""

from itertools import combinations

import pandas as pd

START = pd.Timestamp("2027-03-01T12:00:00Z")
SATELLITE = "EAGLE1-LIKE"


def at(day, minute=0.0):
    """A time of the shipped week: minutes after 20:00 UTC of a day, 0 for the first night."""
    return START + pd.Timedelta(days=day, hours=8, minutes=minute)


def with_policy(scenario, **changes):
    return scenario.model_copy(update={"schedule": scenario.schedule.model_copy(update=changes)})


def only(scenario, *demands):
    """The scenario with only the demands whose names contain one of the words."""
    kept = tuple(d for d in scenario.demands if any(word in d.name for word in demands))
    return scenario.model_copy(update={"demands": kept})


def offers(*rows, delay_s=3600.0):
    """CANDIDATES from (id, ogs, start, seconds, key, optional: p_clear, window, satellite)."""
    records = []
    for name, ogs, start, seconds, key, *more in rows:
        p_clear, window, satellite = [*more, *(1.0, name, SATELLITE)[len(more) :]]
        end = start + pd.Timedelta(seconds=seconds)
        records.append({
            "candidate_id": name, "window_id": window, "satellite": satellite, "ogs": ogs, "start": start, "end": end,
            "ogs_b": "", "skl_bit": float(key), "p_clear": float(p_clear),
            "available_at": end + pd.Timedelta(seconds=delay_s), "edge": f"{satellite}|{ogs}", "block": name,
        })  # fmt: skip
    return pd.DataFrame(records).sort_values(["start", "candidate_id"]).set_index("candidate_id")


def planned(plan):
    return plan.contacts[plan.contacts["status"] == "planned"]


def chosen(plan):
    return set(planned(plan)["candidate_id"])


def exclude(a, b, scenario):
    """Whether two candidates cannot both be taken, by their times alone (one terminal, one telescope)."""
    if a["window_id"] == b["window_id"]:
        return True
    slew, turn = (pd.Timedelta(seconds=s) for s in (scenario.schedule.slew_s, scenario.schedule.turnaround_s))
    pauses = [p for c, p in (("satellite", slew), ("ogs", turn)) if a[c] == b[c]]
    return any(a["start"] < b["end"] + p and b["start"] < a["end"] + p for p in pauses)


def largest_sets(candidates, scenario):
    """All sets of candidates that fit together and leave no room for another, by plain recursion."""
    names = list(candidates.index)
    rivals = {n: set() for n in names}
    for a, b in combinations(names, 2):
        if exclude(candidates.loc[a], candidates.loc[b], scenario):
            rivals[a].add(b)
            rivals[b].add(a)
    found = []

    def grow(taken, rest):
        if not rest:
            if all(rivals[n] & taken for n in names if n not in taken):
                found.append(frozenset(taken))
            return
        first, *others = rest
        if not rivals[first] & taken:
            grow(taken | {first}, others)
        if rivals[first]:
            grow(taken, others)

    grow(frozenset(), names)
    return found
