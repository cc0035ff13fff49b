"""The report of a run: one HTML file that opens offline and loads nothing."""

from __future__ import annotations

import base64
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined
from matplotlib.axes import Axes

from eqci_space.data import data_path
from eqci_space.fiber.exposure import exposure
from eqci_space.fiber.network import station_node
from eqci_space.fiber.relay import Relay
from eqci_space.linkbudget.budget import LOSS_TERMS
from eqci_space.report import plots
from eqci_space.report.style import svg_text
from eqci_space.scenario import Scenario, dated_stations
from eqci_space.schedule.contacts import Plan

__all__ = ["Findings", "format_bits", "write_report"]

_KEY_BIT = 256


@dataclass(frozen=True)
class Findings:
    """What a report shows: the tables and records of a run, and the relay without satellite key."""

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


@dataclass(frozen=True)
class Figure:
    """A picture with the text that replaces it."""

    source: str
    alt: str


def format_bits(bit: float) -> str:
    """Amount with three digits and a decimal prefix, such as ``7.02 Mbit``."""
    for factor, unit in ((1e9, "Gbit"), (1e6, "Mbit"), (1e3, "kbit")):
        if abs(bit) >= factor:
            return f"{bit / factor:.3g} {unit}" if abs(bit) < 999.5 * factor else f"{bit / factor:.0f} {unit}"
    return f"{bit:.0f} bit"


def write_report(path: Path, findings: Findings) -> None:
    """Write the report; every name from the scenario is escaped by the template engine."""
    template = (Path(__file__).parent / "report.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["bits"] = format_bits
    path.write_text(environment.from_string(template).render(_context(findings)), encoding="utf-8")


def _context(f: Findings) -> dict[str, Any]:
    seen = exposure(f.relay, f.scenario)
    alone = exposure(f.fibre_only, f.scenario)
    stores = _store_rows(f)
    return {
        "scenario": f.scenario,
        "manifest": f.manifest,
        "answer": _answer(f, seen, alone),
        "main_assumptions": _main_assumptions(f),
        "figures": _figures(f, seen),
        "demands": _demand_rows(f, seen),
        "gain": _gain_rows(seen, alone),
        "contacts": [{"contact_id": i, **row} for i, row in f.plan.contacts.to_dict("index").items()],
        "station_label": lambda ogs: plots.station_label(ogs, f.scenario),
        "stations": [(o, place) for o, s in f.scenario.stations.items() for place in dated_stations(s)],
        "best": _best_window(f),
        "loss_terms": LOSS_TERMS,
        "stores": [row for row in stores if row["held_key"]],
        "empty_stores": sum(not row["held_key"] for row in stores),
        "variants": f.variants.reset_index().to_dict("records"),
        "spans": _span_rows(f),
        "counts": _network_counts(f),
        "assumed": [s for s in f.scenario.sources if _is_assumed(s[2])],
        "stated": [s for s in f.scenario.sources if not _is_assumed(s[2])],
        "data_sources": _data_sources(),
        "key_bit": _KEY_BIT,
    }


def _is_assumed(source: str) -> bool:
    return any(word in source.lower() for word in ("assumed", "recalled", "derived-", "chosen", "typical"))


def _answer(f: Findings, seen: pd.DataFrame, alone: pd.DataFrame) -> list[str]:
    """The result in three sentences."""
    days = (f.scenario.end - f.scenario.start).total_seconds() / 86400
    contacts = f.plan.contacts
    if not f.scenario.satellites:
        first = f"This scenario has no satellite; all key of the {days:g} days comes from fibre."
    elif contacts.empty:
        first = (
            f"In {days:g} days from {f.scenario.start:%Y-%m-%d %H:%M} UTC there are {len(f.passes)} passes and "
            f"{len(f.windows)} windows, and none of them can bring key that arrives in the period."
        )
    else:
        clear, expected = contacts["skl_bit"].sum(), contacts["expected_skl_bit"].sum()
        first = (
            f"In {days:g} days from {f.scenario.start:%Y-%m-%d %H:%M} UTC, {len(f.passes)} passes give "
            f"{len(f.windows)} windows that stations can use. The plan takes {len(contacts)} contacts worth "
            f"{format_bits(clear)} under clear skies and {format_bits(expected)} on average over clouds."
        )
    share = seen["delivered_bit"] / seen["asked_bit"]
    full = int((share > 0.9995).sum())
    short = share[share <= 0.9995]
    second = f"{full} of {len(seen)} demands get all the key they ask for"
    if len(short):
        second += "; short are " + ", ".join(f"{name} ({100 * value:.0f} %)" for name, value in short.items())
    gain = (seen["delivered_bit"] - alone["delivered_bit"]).sum()
    helped = [str(d) for d in seen.index if seen.loc[d, "delivered_bit"] > alone.loc[d, "delivered_bit"] + 1]
    third = (
        f"Over fibre alone the satellite adds {format_bits(gain)} ({gain / _KEY_BIT:.0f} keys of 256 bit) for "
        + ", ".join(helped)
        if helped
        else "The satellite adds no delivered key over fibre alone; the plan fills the stores of the stations"
    )
    if f.scenario.satellites:
        third += f". The plan is proven within {100 * f.plan.gap:.1f} % of the best possible"
    return [first, second + ".", third + "."]


def _main_assumptions(f: Findings) -> list[str]:
    """The assumptions that move the result most."""
    lines = []
    if len(f.variants):
        low, high = f.variants["planned_expected_bit"].min(), f.variants["planned_expected_bit"].max()
        lines.append(
            f"Terminal and receiver: the same contacts bring {format_bits(low)} with the pessimistic and "
            f"{format_bits(high)} with the optimistic preset; clock, detector, coupling and pointing are assumed."
        )
    for satellite in f.scenario.satellites:
        if satellite.orbit is not None and satellite.orbit.kind == "sun_synchronous":
            lines.append(
                f"Local time of {satellite.name}: {satellite.orbit.ltan_h:g} h at the ascending node, by design; "
                "it decides how many passes fall into the night."
            )
    unreal = [
        plots.station_label(o, f.scenario) for o in f.scenario.stations if "(" in plots.station_label(o, f.scenario)
    ]
    if unreal:
        lines.append(f"Stations that do not operate today: {', '.join(unreal)}.")
    counts = _network_counts(f)
    lines.append(
        f"Backbone: {counts['assumed_nodes']} trusted nodes are assumed so that spans stay within "
        f"{f.scenario.fiber.reach_db:g} dB, most routes are estimated from great circles, and installed links are "
        f"taken to reach {100 * f.scenario.fiber.commissioning_factor:.0f} % of the modelled rate."
    )
    lines.append(f"Weather: {_weather(f)}, each contact's key weighted by its chance of a clear line of sight.")
    return lines


def _weather(f: Findings) -> str:
    model = f.scenario.weather
    return {
        "climatology": "monthly cloud climate",
        "record": f"the years of {model.file} over the period",
        "forecast": f"the forecast {model.file}, blended with the monthly cloud climate",
        "clear_sky": "no clouds",
        "constant": f"a clear line of sight with probability {model.p_clear}",
    }[model.model]


def _embed(axes: Axes, alt: str) -> Figure:
    encoded = base64.b64encode(svg_text(axes).encode("utf-8")).decode("ascii")
    return Figure(f"data:image/svg+xml;base64,{encoded}", alt)


def _figures(f: Findings, seen: pd.DataFrame) -> dict[str, Figure | None]:
    contacts = f.plan.contacts
    by_station = contacts.groupby("ogs").size().to_dict()
    share = 100 * seen["delivered_bit"] / seen["asked_bit"]
    best = _best_window(f)
    return {
        "map": _embed(plots.network_map(f.relay, f.scenario), (
            f"Map of {len(f.relay.network.nodes)} nodes and {len(f.relay.network.links)} spans with "
            f"{len(f.scenario.stations)} stations; busy spans are drawn thicker.")),
        "gantt": _embed(plots.gantt(f.plan, f.scenario, windows=f.windows), (
            f"{len(contacts)} contacts: " + ", ".join(f"{o} {n}" for o, n in by_station.items())))
        if f.scenario.stations else None,
        "waterfall": _embed(plots.waterfall(f.budget, best["window_id"]), (
            f"Loss terms of the best window, {best['total_loss_db']:.1f} dB in total.")) if best else None,
        "stores": _embed(plots.key_stores(f.relay, f.scenario), "Expected stock of each satellite store per day.")
        if f.scenario.satellites else None,
        "delivery": _embed(plots.delivery(f.relay, f.scenario), (
            "Delivered share: " + ", ".join(f"{d} {s:.0f} %" for d, s in share.items()))),
    }  # fmt: skip


def _best_window(f: Findings) -> dict[str, Any] | None:
    """The window with the most clear-sky key, with the budget at its culmination; None without any window."""
    if f.keys.empty:
        return None
    window_id = f.keys["skl_bit"].idxmax()
    part = f.budget[f.budget["window_id"] == window_id]
    top = part.loc[part["elevation_deg"].idxmax()].to_dict()
    return {**top, **f.keys.loc[window_id].to_dict(), "window_id": window_id}


def _demand_rows(f: Findings, seen: pd.DataFrame) -> list[dict[str, Any]]:
    status = {station_node(f.scenario, o): plots.station_label(o, f.scenario) for o in f.scenario.stations}

    def label(node: str) -> str:
        return status.get(node, node)

    rows = []
    for demand, row in seen.reset_index().set_index("demand", drop=False).iterrows():
        reason = ""
        if demand in f.relay.unreachable:
            reason = f"no path fulfils the class {row['assurance']}"
        elif row["delivered_bit"] < 0.9995 * row["asked_bit"]:
            reason = "stores start empty, contacts are few" if row["space_share"] > 0 else "spans on the path are full"
        path = " – ".join(label(n) for n in row["main_path"].split(" – ")) if row["main_path"] else ""
        rows.append(
            {
                **row.to_dict(),
                "main_path": path,
                "shortage_bit": row["asked_bit"] - row["delivered_bit"],
                "reason": reason,
            }
        )
    return rows


def _gain_rows(seen: pd.DataFrame, alone: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            "demand": d, "assurance": seen.loc[d, "assurance"], "fibre": alone.loc[d, "delivered_bit"],
            "both": seen.loc[d, "delivered_bit"], "gain": seen.loc[d, "delivered_bit"] - alone.loc[d, "delivered_bit"],
            "nodes_fibre": alone.loc[d, "trusted_nodes"], "nodes_both": seen.loc[d, "trusted_nodes"],
        }
        for d in seen.index
    ]  # fmt: skip


def _store_rows(f: Findings) -> list[dict[str, Any]]:
    """Stores that satellites and stations share; `held_key` tells whether a bit ever came into one."""
    space = f.relay.stores[f.relay.stores["edge"].str.contains("|", regex=False)]
    total = space.groupby("edge")[["deposited_bit", "used_bit", "spilled_bit"]].sum()
    total["stock_bit"] = space.groupby("edge")["stock_bit"].last()
    stores = total.reset_index()
    stores["edge"] = [f"{e.split('|')[0]} – {plots.station_label(e.split('|')[1], f.scenario)}" for e in stores["edge"]]
    stores["held_key"] = (stores.drop(columns="edge") >= 0.5).any(axis=1)
    return stores.to_dict("records")


def _span_rows(f: Findings) -> list[dict[str, Any]]:
    """Spans that need attention: dead ones, and those made by splitting."""
    links = f.relay.network.links
    dead = links[~links["within_reach"]]
    return [{"link": i, **r} for i, r in dead.drop(columns="geometry").to_dict("index").items()]


def _network_counts(f: Findings) -> dict[str, Any]:
    network = f.relay.network
    made = network.links[network.links["assumed"]]
    return {
        "nodes": len(network.nodes), "spans": len(network.links),
        "assumed_nodes": int((network.nodes["trust"] == "assumed").sum()),
        "split_links": made.index.str.rsplit("/", n=1).str[0].nunique(), "split_spans": len(made),
        "dead": int((~network.links["within_reach"]).sum()),
        "length_km": float(network.links["length_km"].sum()),
    }  # fmt: skip


def _data_sources() -> list[dict[str, str]]:
    with data_path("SOURCES.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
