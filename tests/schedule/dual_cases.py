"""A small dual downlink and hand-made candidates of two stations; no test lives here."""

import pandas as pd
from plan_cases import SATELLITE

from eqci_space.scenario.changes import with_values

SOURCE = {"kind": "continuous", "pair_rate_hz": 1e9, "coincidence_window_s": 3e-11}
"""A bright source and sharp gates: pairs of stations 30 dB away each get some kilobits a crossing."""


def dual(scenario, **changes):
    """The shipped week, two nights of it, with pairs to two stations at once, a few demands and a better link."""
    values = {
        "satellite.0.terminals": 2, "satellite.0.operator": "OPERATOR", "satellite.0.nation": "LU",
        "satellite.0.terminal": "eagle1-like-optimistic", "stations.receiver": "ogs-80cm-snspd-optimistic",
        "protocol.kind": "bbm92", "protocol.source": SOURCE, "protocol.downlink": "dual",
        "start": pd.Timestamp("2027-03-02T12:00:00Z").to_pydatetime(),
        "end": pd.Timestamp("2027-03-05T12:00:00Z").to_pydatetime(), **changes,
    }  # fmt: skip
    found = with_values(scenario, values)
    demands = tuple(d for d in found.demands if "government" in d.name)
    return found.model_copy(update={"demands": demands, "variants": ()})


def pair_offers(*rows, delay_s=3600.0):
    """CANDIDATES from (id, ogs, ogs_b, start, seconds, key, optional: p_clear, windows, satellite)."""
    records = []
    for name, ogs, ogs_b, start, seconds, key, *more in rows:
        usual = (1.0, (f"{name}/a", f"{name}/b"), SATELLITE)
        p_clear, windows, satellite = [*more, *usual[len(more) :]]
        end = start + pd.Timedelta(seconds=seconds)
        records.append({
            "candidate_id": name, "window_id": windows[0], "satellite": satellite, "ogs": ogs, "start": start,
            "end": end, "ogs_b": ogs_b, "skl_bit": float(key), "p_clear": float(p_clear),
            "available_at": end + pd.Timedelta(seconds=delay_s), "edge": f"{ogs}|{ogs_b}", "block": name,
            "window_id_b": windows[1], "p_clear_a": float(p_clear) ** 0.5, "p_clear_b": float(p_clear) ** 0.5,
        })  # fmt: skip
    return pd.DataFrame(records).sort_values(["start", "candidate_id"]).set_index("candidate_id")


def windows_of(candidates):
    """WINDOWS in which the candidates lie, both of each."""
    legs = [
        candidates[[w, "satellite", o, "start", "end"]].set_axis(
            ["window_id", "satellite", "ogs", "start", "end"], axis=1
        )
        for w, o in (("window_id", "ogs"), ("window_id_b", "ogs_b"))
    ]
    joined = pd.concat(legs).groupby("window_id")
    return joined.agg(
        satellite=("satellite", "first"), ogs=("ogs", "first"), start=("start", "min"), end=("end", "max")
    )
