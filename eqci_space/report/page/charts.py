"""The interactive charts of a report, each as plain data and layout of plotly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from eqci_space.fiber.edges import SPACE
from eqci_space.linkbudget.budget import loss_labels
from eqci_space.report.page.answer import cause_words
from eqci_space.report.page.exposure import Exposures
from eqci_space.report.page.figures import (
    MOST_NIGHT_CELLS,
    STATION_COLOURS,
    clear_chances,
    nightly_counts,
    worst_by_share,
)
from eqci_space.report.page.findings import Findings
from eqci_space.report.page.network_map import map_figure
from eqci_space.report.plots.labels import station_label, store_label
from eqci_space.report.plots.schedule import MANY_WINDOWS, joined_windows, night_label
from eqci_space.report.plots.style import BLUE, GREY, NIGHT, ORANGE, PURPLE, SKY, key_unit
from eqci_space.tables import by_station
from eqci_space.words import joined, whole_seconds

__all__ = ["CHARTS", "Spec"]

_ROW_PX = 26
_MOST_NAMES, _MOST_STORES = 12, 8
_KIND_COLOURS = {"node": BLUE, "link": GREY, "station": ORANGE, "satellite": PURPLE}

Spec = dict[str, Any]


def _times(times: Any) -> list[str]:
    """UTC times to the second."""
    return [f"{t:%Y-%m-%d %H:%M:%S}" for t in pd.DatetimeIndex(times)]


def _numbers(values: Any, digits: int = 3) -> list[float]:
    """Plain numbers, rounded so that files stay small."""
    return [round(float(v), digits) for v in values]


def _axis(title: str, **more: Any) -> dict[str, Any]:
    return {"title": {"text": title}, "automargin": True, "gridcolor": "#e4e8f2", "zeroline": False, **more}


def _rows(count: int) -> int:
    """Height of a figure with so many rows of bars [px]."""
    return 130 + _ROW_PX * max(count, 3)


def _bars(title: str, rows: list[tuple[str, list[float], list[str], str]], labels: list[str]) -> Spec:
    """Stacked horizontal bars: name, values, words for the pointer and colour of each series."""
    data = [
        {"type": "bar", "orientation": "h", "name": name, "y": labels, "x": values, "customdata": words,
         "marker": {"color": colour}, "hovertemplate": "%{y}: %{customdata}<extra></extra>"}
        for name, values, words, colour in rows
    ]  # fmt: skip
    layout = {
        "barmode": "stack", "height": _rows(len(labels)), "showlegend": len(rows) > 1,
        "xaxis": _axis(title), "yaxis": {"autorange": "reversed", "automargin": True, "type": "category"},
    }  # fmt: skip
    return {"data": data, "layout": layout}


def _windows(f: Findings, _: Exposures) -> Spec:
    tops = f.culminations
    return _window_counts(f) if len(tops) > MANY_WINDOWS else _window_points(tops, f)


def _window_counts(f: Findings) -> Spec:
    counts, planned = nightly_counts(f)
    labels, nights = [station_label(o, f.scenario) for o in counts.index], list(counts.columns)
    words = [
        [f"{ogs}, {night}: {n} windows, {p} contacts planned" for night, n, p in zip(nights, mine, taken, strict=True)]
        for ogs, mine, taken in zip(labels, counts.to_numpy().tolist(), planned.to_numpy().tolist(), strict=True)
    ]
    data = {
        "type": "heatmap", "x": nights, "y": labels, "z": counts.to_numpy().tolist(), "customdata": words,
        "hovertemplate": "%{customdata}<extra></extra>", "colorscale": "Cividis", "zmin": 0,
        "colorbar": {"title": {"text": "windows", "side": "right"}, "y": 0, "yanchor": "bottom", "len": 0.8},
    }  # fmt: skip
    if len(nights) <= MOST_NIGHT_CELLS:
        cells = zip(counts.to_numpy().tolist(), planned.to_numpy().tolist(), strict=True)
        data["text"] = [[f"{p} of {n}" for n, p in zip(mine, taken, strict=True)] for mine, taken in cells]
        data["texttemplate"] = "%{text}"
    return {"data": [data], "layout": {
        "height": _rows(len(labels)), "xaxis": _axis("night (noon to noon UTC)", type="category", nticks=16),
        "yaxis": {"type": "category", "autorange": "reversed", "automargin": True}}}  # fmt: skip


def _window_points(tops: pd.DataFrame, f: Findings) -> Spec:
    data = []
    for i, ogs in enumerate(o for o in f.scenario.stations if o in set(tops["ogs"])):
        mine = tops[tops["ogs"] == ogs]
        words = [f"{w}; {'contact planned' if p else 'no contact'}" for w, p in mine["planned"].items()]
        data.append({
            "type": "scatter", "mode": "markers", "name": station_label(ogs, f.scenario), "x": _times(mine["time"]),
            "y": _numbers(mine["elevation_deg"], 1), "customdata": words,
            "marker": {"color": STATION_COLOURS[i % len(STATION_COLOURS)], "size": 9,
                       "symbol": ["circle" if p else "circle-open" for p in mine["planned"]]},
            "hovertemplate": "%{customdata}<br>%{x}, %{y}°<extra></extra>",
        })  # fmt: skip
    return {"data": data, "layout": {
        "xaxis": _axis("UTC; filled: a contact is planned", type="date"), "showlegend": len(data) <= _MOST_NAMES,
        "yaxis": _axis("highest elevation [°]", range=[0, 93])}}  # fmt: skip


def _gantt(f: Findings, _: Exposures) -> Spec:
    stations = {o: station_label(o, f.scenario) for o in f.scenario.stations}
    contacts = by_station(f.plan.contacts)
    least_ms = (f.scenario.end - f.scenario.start).total_seconds() * 1e3 / 400
    taken = f.windows[~f.windows.index.isin(contacts["window_id"])]
    parts = [("window not taken", taken, "#fff", GREY)]
    if len(f.windows) > MANY_WINDOWS:
        parts = [("windows", joined_windows(f.windows, "ogs", pd.Timedelta(milliseconds=least_ms)), GREY, GREY)]
    parts += [(kind, contacts[contacts["status"] == kind], face, BLUE) for kind, face in
              (("backup", SKY), ("planned", BLUE), ("cancelled", NIGHT))]  # fmt: skip
    data = []
    for name, table, face, edge in parts:
        if table.empty:
            continue
        length_ms = (table["end"] - table["start"]).dt.total_seconds() * 1e3
        words = [
            f"{i if name != 'windows' else 'windows'}: {a:%Y-%m-%d %H:%M:%S} to {b:%H:%M:%S}"
            for i, a, b in zip(table.index, *whole_seconds(table["start"], table["end"]), strict=True)
        ]
        data.append({
            "type": "bar", "orientation": "h", "name": name, "y": [stations[o] for o in table["ogs"]],
            "base": _times(table["start"]), "x": _numbers(length_ms.clip(lower=least_ms), 0), "customdata": words,
            "marker": {"color": face, "line": {"color": edge, "width": 1}},
            "hovertemplate": "%{customdata}<extra></extra>",
            **({"width": 0.12, "offset": -0.5} if name == "windows" else {}),
        })  # fmt: skip
    days = pd.date_range(f.scenario.start, f.scenario.end, freq="D")
    layout = {
        "barmode": "overlay", "height": _rows(2 * len(stations)),
        "xaxis": _axis("UTC (zoom in for the times)", type="date",
                       range=_times([f.scenario.start, f.scenario.end]), nticks=min(len(days) + 1, 10)),
        "yaxis": {"type": "category", "categoryorder": "array", "categoryarray": list(stations.values())[::-1],
                  "automargin": True},
    }  # fmt: skip
    return {"data": data, "layout": layout}


def _waterfall(f: Findings, _: Exposures) -> Spec:
    best = f.best_window
    assert best is not None
    terms = {t: label for t, label in loss_labels(best).items() if best[t] != 0}
    values = _numbers([best[t] for t in terms])
    data = {
        "type": "waterfall", "orientation": "h", "y": [*terms.values(), "total"], "x": [*values, None],
        "measure": ["relative"] * len(values) + ["total"], "hovertemplate": "%{y}: %{delta:.2f} dB<extra></extra>",
        "text": [*(f"{v:.2f} dB" for v in values), f"{best['total_loss_db']:.2f} dB"], "textposition": "outside",
        "increasing": {"marker": {"color": BLUE}}, "decreasing": {"marker": {"color": SKY}},
        "totals": {"marker": {"color": GREY}}, "cliponaxis": False,
    }  # fmt: skip
    return {"data": [data], "layout": {
        "height": _rows(len(values) + 1), "xaxis": _axis("loss [dB]", range=[0, 1.16 * best["total_loss_db"]]),
        "yaxis": {"autorange": "reversed", "automargin": True}}}  # fmt: skip


def _profile(f: Findings, _: Exposures) -> Spec:
    best = f.best_window
    assert best is not None
    part = f.budget[f.budget["window_id"] == best["window_id"]]
    names = loss_labels(part)
    terms = [c for c in names if part[c].abs().max() > 0]
    terms.sort(key=lambda c: float(np.ptp(part[c])))
    time = _times(part["time"])
    data: list[Spec] = [
        {"type": "scatter", "mode": "lines", "stackgroup": "loss", "name": names[c], "x": time,
         "y": _numbers(part[c], 2), "line": {"width": 0.5, "color": STATION_COLOURS[::-1][i % 7]},
         "hovertemplate": "%{x}: %{y} dB"}
        for i, c in enumerate(terms)
    ]  # fmt: skip
    data.append({
        "type": "scatter", "mode": "lines", "name": "elevation", "x": time, "y": _numbers(part["elevation_deg"], 1),
        "yaxis": "y2", "line": {"color": "black", "dash": "dot"}, "hovertemplate": "%{x}: %{y}°",
    })  # fmt: skip
    return {"data": data, "layout": {
        "height": 470, "xaxis": _axis("UTC", type="date"), "yaxis": _axis("loss [dB]"),
        "yaxis2": {"title": {"text": "elevation [°]"}, "overlaying": "y", "side": "right", "range": [0, 90],
                   "dtick": 15, "tickmode": "linear", "showgrid": False, "automargin": True}}}  # fmt: skip


def _keys(f: Findings, _: Exposures) -> Spec:
    planned = f.planned
    places = np.array([joined(*pair) for pair in zip(planned["ogs"], planned["ogs_b"], strict=True)], dtype=object)
    night = [night_label(t) for t in planned["start"]]
    order = list(dict.fromkeys(night_label(t) for t in planned["start"].sort_values()))
    size, unit = key_unit(planned.groupby(night)["expected_skl_bit"].sum().max())
    data: list[Spec] = []
    known = [o for o in f.scenario.stations if o in set(places)]
    for i, ogs in enumerate([*known, *sorted(set(places) - set(known))]):
        mine, label = places == ogs, station_label(ogs, f.scenario) if ogs in known else ogs
        data.append({
            "type": "bar", "name": label,
            "x": [n for n, m in zip(night, mine, strict=True) if m],
            "y": _numbers(planned["expected_skl_bit"][mine] / size),
            "customdata": [f"{label}: {c}" for c in planned.index[mine]],
            "marker": {"color": STATION_COLOURS[i % len(STATION_COLOURS)]},
            "hovertemplate": f"%{{customdata}}<br>%{{y}} {unit} expected<extra></extra>",
        })  # fmt: skip
    nights = _axis("night (noon to noon UTC)", type="category", categoryorder="array", categoryarray=order)
    layout = {
        "barmode": "stack", "yaxis": _axis(f"expected key of planned contacts [{unit}]"), "xaxis": nights,
        "showlegend": len(data) <= _MOST_NAMES,
    }  # fmt: skip
    return {"data": data, "layout": layout}


def _chances(f: Findings, _: Exposures) -> Spec:
    table = clear_chances(f)
    mean, low, high = (100 * table[c] for c in ("mean", "min", "max"))
    words = [f"{a:.0f} % ({b:.0f} to {c:.0f} %)" for a, b, c in zip(mean, low, high, strict=True)]
    title = "chance of a clear line of sight [%]: mean, least and most over the windows with key"
    rows = [("mean", _numbers(mean, 1), words, BLUE)]
    spec = _bars(title, rows, [station_label(str(o), f.scenario) for o in table.index])
    spec["data"][0]["error_x"] = {
        "type": "data", "symmetric": False, "array": _numbers(high - mean, 1), "arrayminus": _numbers(mean - low, 1),
        "color": "black", "width": 0,
    }  # fmt: skip
    return spec


def _fan(f: Findings, _: Exposures) -> Spec:
    assert f.simulation is not None
    contacts = f.plan.contacts.loc[f.simulation.contact_bit.columns]
    time = _times(contacts["end"])
    data: list[Spec] = []
    for name, key, colour in (("all stated uncertainties", f.simulation.contact_bit, ORANGE),
                              ("weather alone", f.simulation.weather_only_contact_bit, BLUE)):  # fmt: skip
        total = key.to_numpy().cumsum(axis=1) / 1e6
        for share, dash in ((90, "dot"), (50, "solid"), (10, "dot")):
            data.append({
                "type": "scatter", "mode": "lines", "name": f"{name}, exceeded in {share} %", "x": time,
                "y": _numbers(np.quantile(total, 1 - share / 100, axis=0)),
                "line": {"shape": "hv", "color": colour, "dash": dash, "width": 2 if share == 50 else 1},
                "hovertemplate": "%{x}: %{y} Mbit",
            })  # fmt: skip
    height = _axis("key from space [Mbit]", rangemode="tozero")
    return {"data": data, "layout": {"height": 470, "xaxis": _axis("UTC", type="date"), "yaxis": height}}


def _causes(f: Findings, _: Exposures) -> Spec:
    assert f.simulation is not None
    table = f.simulation.causes
    table = table.loc[(table["exceeded_90pct_bit"] - table["exceeded_10pct_bit"]).sort_values(kind="stable").index]
    low, high = table["exceeded_90pct_bit"] / 1e6, table["exceeded_10pct_bit"] / 1e6
    words = [
        f"{a:.2f} to {b:.2f} Mbit, {100 * s:.0f} % of the variance"
        for a, b, s in zip(low, high, table["share_of_variance"], strict=True)
    ]
    spec = _bars("key from space that 90 to 10 % of the worlds exceed, one cause varied alone [Mbit]",
                 [("band", _numbers(high - low), words, BLUE)], [cause_words(str(c)) for c in table.index])  # fmt: skip
    spec["data"][0]["base"] = _numbers(low)
    return spec


def _delivery(_: Findings, e: Exposures) -> Spec:
    share = 100 * (e.seen["delivered_bit"] / e.seen["asked_bit"]).fillna(1.0)
    space = share * e.seen["space_share"]
    words = [f"{s:.1f} %, of it {p:.1f} % through a satellite" for s, p in zip(share, space, strict=True)]
    rows = [
        ("by fibre", _numbers(share - space, 2), words, GREY),
        ("through a satellite", _numbers(space, 2), words, BLUE),
    ]
    return _bars("delivered share of the key asked for [%]", rows, [str(d) for d in e.seen.index])


def _exposure(_: Findings, e: Exposures) -> Spec:
    fibre = e.alone.copy()
    fibre.loc[e.relaxed.index, e.relaxed.columns] = e.relaxed
    rows = []
    for name, table, colour in (
        ("fibre alone (any path where the class has none)", fibre, GREY),
        ("as planned", e.seen, BLUE),
    ):
        words = [
            f"{n:.1f} nodes, {x:.1f} foreign, {h:.1f} hand-overs; {where or 'no key'}"
            for n, x, h, where in zip(
                *(table[c] for c in ("trusted_nodes", "foreign_nodes", "handovers", "nations")), strict=True
            )
        ]
        rows.append((name, _numbers(table["trusted_nodes"], 2), words, colour))
    spec = _bars("ground nodes between the ends that see one share of the key", rows, [str(d) for d in e.seen.index])
    spec["layout"] |= {"barmode": "group", "height": _rows(2 * len(e.seen))}
    return spec


def _stores(f: Findings, _: Exposures) -> Spec:
    space = f.relay.stores[f.relay.stores["kind"] == SPACE]
    held = space.groupby("edge")[["used_bit", "initial_bit", "deposited_bit", "stock_bit"]].sum()
    held = held[held.sum(axis=1) > 0].sort_values("used_bit", ascending=False, kind="stable").head(_MOST_STORES)
    data: list[Spec] = []
    for i, edge in enumerate(held.index):
        mine = space[space["edge"] == edge].sort_values("bin")
        ends = [mine["bin"].iloc[0], *mine["bin"].iloc[1:], pd.Timestamp(f.scenario.end)]
        data.append({
            "type": "scatter", "mode": "lines+markers",
            "name": store_label(str(edge), f.scenario),
            "x": _times(ends), "y": _numbers([mine["initial_bit"].iloc[0] / 1e3, *(mine["stock_bit"] / 1e3)], 1),
            "line": {"color": STATION_COLOURS[i % len(STATION_COLOURS)]}, "hovertemplate": "%{x}: %{y} kbit",
        })  # fmt: skip
    height = _axis("key in store [kbit]", rangemode="tozero")
    return {"data": data, "layout": {"xaxis": _axis("end of the bin (UTC)", type="date"), "yaxis": height}}


def _failures(f: Findings, _: Exposures) -> Spec:
    table = worst_by_share(f)
    words = [
        f"{100 * s:.1f} %, {k:,.0f} keys; {d}: {100 * w:.0f} % left"
        for s, k, d, w in zip(
            *(table[c] for c in ("lost_share", "lost_keys", "worst_demand", "worst_share")), strict=True
        )
    ]
    spec = _bars("weighted satisfaction lost [%]", [("lost", _numbers(100 * table["lost_share"], 2), words, BLUE)],
                 [str(n) for n in table.index])  # fmt: skip
    spec["data"][0]["marker"] = {"color": [_KIND_COLOURS[k] for k in table["kind"]]}
    return spec


def _map(f: Findings, _: Exposures) -> Spec:
    return map_figure(f.relay, f.scenario)


CHARTS: dict[str, Callable[[Findings, Exposures], Spec]] = {
    "map": _map, "windows": _windows, "gantt": _gantt, "waterfall": _waterfall, "profile": _profile, "keys": _keys,
    "chances": _chances, "fan": _fan, "causes": _causes, "delivery": _delivery, "exposure": _exposure,
    "stores": _stores, "failures": _failures,
}  # fmt: skip
