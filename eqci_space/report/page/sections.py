"""The chapters of a report after its first page, from the network to how to reproduce it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eqci_space.fiber.hubs import dead_spans
from eqci_space.qkd.window_keys import block_text
from eqci_space.report.page import tables
from eqci_space.report.page.answer import aerosol_words, band_words, recourse_words, weather_words
from eqci_space.report.page.exposure import Exposures, delivery_table, exposure_table, gain_table
from eqci_space.report.page.figures import costly
from eqci_space.report.page.findings import Figure, Findings, Section, Table
from eqci_space.schedule.parts import whole_rows
from eqci_space.tables import planned_contacts
from eqci_space.words import format_bits, percent

__all__ = ["sections"]

Figures = dict[str, Figure]


def sections(f: Findings, e: Exposures, figures: Figures) -> list[Section]:
    """All chapters in order; those about space only where there is a satellite."""
    chapters = [_network(f, figures)]
    if f.scenario.satellites:
        chapters += [_windows(f, figures), _contacts(f, figures), _budget(f, figures), _keys(f, figures)]
        chapters.append(_weather(f, figures))
    return [*chapters, _delivery(f, e, figures), _resilience(f, figures), _assumptions(f), _reproduce(f)]


def _network(f: Findings, figures: Figures) -> Section:
    network = f.relay.network
    links = network.links
    made = links[links["assumed"]]
    words = (
        f"{len(network.nodes)} nodes and {len(links)} spans over {links['length_km'].sum():,.0f} km; "
        f"{made.index.str.rsplit('/', n=1).str[0].nunique()} links beyond reach or without listed sites were split "
        f"into {len(made)} spans with {int((network.nodes['trust'] == 'assumed').sum())} assumed trusted nodes; "
        f"{len(dead_spans(network))} spans are dead."
    )
    blocks = (
        figures["map"], tables.busy_spans_table(f), tables.dead_spans_table(f), tables.station_table(f),
    )  # fmt: skip
    return Section("network", "Network", (words,), blocks)


def _windows(f: Findings, figures: Figures) -> Section:
    rules = f.scenario.stations.values()
    sun = sorted({s.sun_max_elevation_deg for s in rules})
    low = sorted({s.min_elevation_deg for s in rules})
    words = (
        f"Of {len(f.passes)} passes {len(f.windows)} windows are left where the satellite stands above "
        f"{_span(low)}° and the Sun below {_span(sun)}°, horizon masks, keep-outs and maintenance counted."
    )
    return Section("windows", "Windows", (words,), (figures.get("windows"), tables.window_table(f)))


def _span(values: list[float]) -> str:
    text = f"{values[0]:g}" if values[0] == values[-1] else f"{values[0]:g} to {values[-1]:g}"
    return text.replace("-", "−")


def _contacts(f: Findings, figures: Figures) -> Section:
    plan = f.plan
    words = [
        f"Objective {plan.objective:.4f}, proven bound {plan.bound:.4f}, gap {percent(plan.gap, 3)}; "
        f"search nodes: {plan.nodes}, pricing rounds: {plan.pricing_rounds}. The objective counts the "
        "weighted satisfied share of the demands, summed over the bins.",
        f"Fibre alone reaches {plan.without_space:.4f}; space adds {plan.gain:.4f}"
        + (f" ({percent(plan.gain / plan.without_space, 1)})." if plan.without_space > 0 else "."),
        *_hand_over(f),
        *(f"Note: {note}." for note in plan.notes),
    ]
    if plan.contacts.empty:
        words.append("No contact is planned.")
    if len(plan.contacts) > tables.MOST_CONTACTS:
        words.append(
            f"All {len(plan.contacts)} contacts and backups stand in contacts.csv and contacts.ics of the run."
        )
    return Section("contacts", "Contacts", words, (figures.get("gantt"), tables.contact_table(f)))


def _hand_over(f: Findings) -> list[str]:
    """What hand-over between stations inside a crossing gains."""
    planned = f.planned
    parts = planned[~whole_rows(planned)]
    words = f"{len(parts)} contacts take a part of a window, so that the satellite serves other stations in the rest."
    if f.whole_windows is None:
        return [words] if len(parts) else []
    gain = f.plan.expected_key_bound - f.whole_windows.objective
    return [
        f"{words} Counted in expected key, hand-over inside crossings raises what a plan can reach by {gain:.4f} of "
        f"the objective: whole windows alone reach {f.whole_windows.objective:.4f}, with {_planned_count(f)} contacts."
    ]


def _planned_count(f: Findings) -> int:
    assert f.whole_windows is not None
    return len(planned_contacts(f.whole_windows.contacts))


def _budget(f: Findings, figures: Figures) -> Section:
    best = f.best_window
    if best is None:
        dual = f.scenario.protocol.downlink == "dual"
        why = "Key is between two stations, so no budget of one link is shown."
        return Section("budget", "Link budget", (why if dual else "No window gives key, so no budget is shown.",))
    up = any(s.uplink is not None for s in f.scenario.satellites if s.name == best["satellite"])
    words = (
        f"The best window loses {best['total_loss_db']:.1f} dB at its culmination, from the exit aperture to the "
        f"click; {'the Earth' if up else 'the sky'} adds {best['background_hz']:.2g} clicks per second. Clear air by "
        f"{aerosol_words(f.scenario)}."
    )
    blocks = (figures["waterfall"], tables.budget_table(f), figures["profile"], tables.profile_table(f))
    return Section("budget", "Link budget", (words,), blocks)


def _keys(f: Findings, figures: Figures) -> Section:
    protocol = f.scenario.protocol
    words = [_keys_of_pairs(f) if protocol.downlink == "dual" else (
        f"{int((f.keys['skl_bit'] > 0).sum())} of {len(f.windows)} windows give key; clear skies over all of them "
        f"would give {format_bits(f.keys['skl_bit'].sum())}."
    )]  # fmt: skip
    if len(f.keys):
        proofs = " and ".join(sorted(set(f.keys["proof"])))
        words.append(
            f"Protocol {protocol.kind}, proof {proofs}, secrecy ε = {protocol.epsilon_secrecy:g}, correctness ε = "
            f"{protocol.epsilon_correctness:g}, one block per {block_text(protocol)}."
        )
    blocks = (figures.get("keys"), tables.key_table(f), tables.variant_table(f))
    return Section("keys", "Keys", words, blocks)


def _keys_of_pairs(f: Findings) -> str:
    """Overlaps of windows over two stations that give key."""
    whole = f.candidates[whole_rows(f.candidates)]
    most = format_bits(whole["skl_bit"].max() if len(whole) else 0.0)
    return f"Two stations share key in {len(whole)} overlaps of their windows, under clear skies at most {most} in one."


def _weather(f: Findings, figures: Figures) -> Section:
    words = [f"Clouds by {weather_words(f.scenario)}.", band_words(f)]
    if f.simulation is not None:
        words += recourse_words(f)
        words += [f"Warning of the simulation: {w}" for w in f.simulation.warnings]
    blocks = (
        figures.get("chances"), tables.chances_table(f), figures.get("fan"), _worlds(f), figures.get("causes"),
        tables.causes_table(f),
    )  # fmt: skip
    return Section("weather", "Weather and confidence", words, blocks)


def _worlds(f: Findings) -> Table | None:
    """Delivery by weather alone against all uncertainties, with the errors of the sampling."""
    if f.simulation is None:
        return None
    rows = []
    for name, row in f.simulation.demands.iterrows():
        for kind, words in (("weather_only", "weather alone"), ("all_in", "all stated uncertainties")):
            cells = [
                f"{format_bits(row[f'{kind}_{c}_bit'])} ± {format_bits(row[f'{kind}_{c}_error_bit'])}"
                for c in ("exceeded_90pct", "median", "exceeded_10pct")
            ]
            rows.append((str(name) if kind == "weather_only" else "", words, *cells))
    head = ("demand", "counted", ">90 % of worlds exceed", ">median", ">10 % exceed")
    return Table("Delivery in sampled worlds, ± one standard error of the sampling", head, rows)


def _delivery(f: Findings, e: Exposures, figures: Figures) -> Section:
    government = [d.name for d in f.scenario.demands if d.purpose == "government"]
    others = [d.name for d in f.scenario.demands if d.purpose != "government"]
    stores, empty = tables.store_table(f)
    words = []
    if f.relay.unreachable:
        words.append(f"No path fulfils the class of: {', '.join(f.relay.unreachable)}.")
    if empty:
        be = "store of a satellite and a station that never held key is" if empty == 1 else (
            "stores of a satellite and a station that never held key are"
        )  # fmt: skip
        words.append(f"{empty} {be} left out.")
    note = "“any path”: what the demand would get, and show to whom, if its class were any"
    blocks = (
        figures["delivery"], delivery_table(f, e.seen), gain_table(e), figures["exposure"],
        exposure_table(e, government, f"Who sees the key of the government demands, fibre alone against space; {note}")
        if government else None,
        exposure_table(e, others, f"Who sees the key of the other demands, fibre alone against space; {note}")
        if others else None,
        figures.get("stores"), stores,
    )  # fmt: skip
    return Section("delivery", "Delivery and exposure", words, blocks)


def _resilience(f: Findings, figures: Figures) -> Section:
    failures = costly(f)
    if failures is None:
        words = (
            "Single failures were not computed for this report; eq.single_failures lists them for networks of any size."
        )
    elif failures.empty:
        words = "No single failure of a node, link, station or satellite costs key."
    else:
        assert f.failures is not None
        words = (
            f"Each of {len(f.failures)} nodes, links, stations and satellites is taken away in turn for "
            "the whole period and the relay solved anew, contacts as planned and the period taken for one bin, which "
            "is optimistic. The figure ranks by weighted satisfaction, the table by keys."
        )
    return Section("resilience", "Resilience", (words,), (figures.get("failures"), tables.failure_table(f)))


def _assumptions(f: Findings) -> Section:
    changed = tables.changed_values(f.scenario)
    words = () if f.scenario.overlays else ("No overlay changes the scenario.",)
    more = [*tables.value_tables(f.scenario), ("Shipped data files", tables.data_table())]
    return Section("assumptions", "Assumptions and sources", words, (changed,), more)


def _reproduce(f: Findings) -> Section:
    m = f.manifest
    overlays = "".join(f" --with {name}" for name in f.scenario.overlays)
    words = [
        f"eqci run {Path(f.scenario.file).name or m['scenario']['name']}{overlays} --out DIR, with eqci_space "
        f"{m['versions']['eqci-space']}; the same inputs give the same bytes.",
        f"Scenario {m['scenario']['name']}, SHA-256 {m['scenario']['sha256']}, seed {m['scenario']['seed']}. Earth "
        f"orientation until {m['earth_orientation_until'][:10]}. Solver {m['plan']['solver']}.",
        "What this report does not tell: contacts and key assume that the stated models hold on average; stores start "
        "as the scenario says, empty if it says nothing; no key material exists here, only capacities.",
    ]
    rows = [(f"elements of {name}", _elements(found)) for name, found in m["elements"].items()]
    rows += [(f"input {name}", f"SHA-256 {found['sha256']}") for name, found in m["scenario"]["inputs"].items()]
    rows += [(f"version of {name}", str(version)) for name, version in m["versions"].items()]
    return Section("reproduce", "How to reproduce", words, (Table("What went in", ("what", "~which"), rows),))


def _elements(found: dict[str, Any]) -> str:
    if "ephemeris" in found:
        return f"tabulated ephemeris {found['ephemeris']}"
    if found["design"]:
        return f"epoch {found['epoch']}, orbit by design"
    return f"epoch {found['epoch']}, at most {found['largest_age_day']:.1f} days away"
