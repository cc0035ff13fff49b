"""Who sees the key: fibre alone against fibre and space, demand by demand."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from eqci_space.fiber.exposure import exposure
from eqci_space.fiber.network import station_node
from eqci_space.fiber.relay import relay_keys
from eqci_space.report.page.findings import Findings, Table
from eqci_space.report.plots.labels import station_label
from eqci_space.tables import empty_table
from eqci_space.units import KEY_BIT
from eqci_space.words import SERVED_IN_FULL, format_bits, percent

__all__ = ["Exposures", "delivery_table", "exposure_table", "exposures", "gain_table"]

_SHOWN_ENDS = 8
_HEAD = (
    "demand", "=key comes over", ">of expected key", ">nodes", ">foreign nodes", ">hand-overs", "nations", "operators",
    "satellites", ">node-disjoint paths", "security",
)  # fmt: skip


@dataclass(frozen=True)
class Exposures:
    """Tables of `exposure`: with space, by fibre alone, and by fibre alone for the unserved if any path were allowed.

    `relaxed` has only the demands that fibre alone cannot serve in their class.
    """

    seen: pd.DataFrame
    alone: pd.DataFrame
    relaxed: pd.DataFrame


def exposures(f: Findings) -> Exposures:
    """Exposure of all demands, with space and without."""
    seen, alone = exposure(f.relay, f.scenario), exposure(f.fibre_only, f.scenario)
    return Exposures(seen, alone, _relaxed(f, alone))


def _relaxed(f: Findings, alone: pd.DataFrame) -> pd.DataFrame:
    """What the demands that fibre alone leaves without key would get, and show to whom, in the class any."""
    unserved = [d for d in f.scenario.demands if alone.loc[d.name, "delivered_bit"] <= 0 and d.assurance != ("any",)]
    if not unserved:
        return alone.iloc[:0]
    free = {d.name: d.model_copy(update={"assurance": ("any",)}) for d in unserved}
    changed = f.scenario.model_copy(update={"demands": tuple(free.get(d.name, d) for d in f.scenario.demands)})
    relay = relay_keys(empty_table("DEPOSITS"), changed, network=f.fibre_only.network)
    return exposure(relay, changed.model_copy(update={"demands": tuple(free.values())}))


def exposure_table(e: Exposures, demands: list[str], caption: str) -> Table:
    """Nodes, foreign nodes, hand-overs, nations, operators and disjoint paths, fibre alone against fibre and space.

    Where fibre alone has no path of the class of a demand, a row says what the class any would show to whom.
    """
    rows = []
    for name in demands:
        seen, alone = e.seen.loc[name], e.alone.loc[name]
        title = f"{name} ({seen['assurance']})"
        rows.append(_exposure_row(title, "fibre alone", alone, int(alone["fibre_connectivity"])))
        if name in e.relaxed.index:
            relaxed = e.relaxed.loc[name]
            rows.append(_exposure_row("", "fibre alone, any path", relaxed, int(relaxed["fibre_connectivity"])))
        rows.append(_exposure_row("", "fibre and space", seen, int(seen["connectivity"])))
    return Table(caption, _HEAD, rows)


def _exposure_row(title: str, way: str, row: pd.Series, disjoint: int) -> tuple[str, ...]:
    if row["delivered_bit"] <= 0:
        return (title, way, "no key", "–", "–", "–", "–", "–", "–", f"{disjoint}", "–")
    return (
        title, way, format_bits(row["delivered_bit"]), f"{row['trusted_nodes']:.1f}", f"{row['foreign_nodes']:.1f}",
        f"{row['handovers']:.1f}", row["nations"], row["operators"], row["satellites"] or "none", f"{disjoint}",
        row["security"],
    )  # fmt: skip


def delivery_table(f: Findings, seen: pd.DataFrame) -> Table:
    """Asked, delivered and short per demand, the main path, and why a demand is short."""
    label = {station_node(f.scenario, o): station_label(o, f.scenario) for o in f.scenario.stations}
    rows = []
    for name, row in seen.iterrows():
        reason = _shortage(str(name), row, f)
        path = _path_words([label.get(n, n) for n in str(row["main_path"]).split(" – ")])
        rows.append((
            str(name), row["assurance"], format_bits(row["asked_bit"]), format_bits(row["delivered_bit"]),
            format_bits(row["asked_bit"] - row["delivered_bit"]), percent(row["space_share"]),
            f"{row['trusted_nodes']:.1f}", _probability(f.manifest["failure_probability"].get(name)),
            path + (f" ({reason})" if reason else ""),
        ))  # fmt: skip
    head = ("demand", "=class", ">asked", ">of expected key", ">then short", ">by space", ">nodes",
            ">failure probability", "main path, and why short")  # fmt: skip
    caption = (
        "Whole period, delivery of expected key: for all demands together, weighted, an upper bound of the mean over "
        "skies; a single demand may get more or less than it shows. “Nodes” counts trusted nodes on the ground between "
        "the ends, averaged over bits; stations count as nodes. The failure probability is that of any of the key: all "
        "blocks of all hops together."
    )
    return Table(caption, head, rows)


def _probability(value: float | None) -> str:
    return "not stated" if value is None else f"{value:.1e}" if value else "–"


def _path_words(nodes: list[str]) -> str:
    """A path by its nodes; the middle of a long one is only counted."""
    hidden = len(nodes) - 2 * _SHOWN_ENDS
    if hidden <= 1:
        return " – ".join(nodes)
    return " – ".join([*nodes[:_SHOWN_ENDS], f"{hidden} more nodes", *nodes[-_SHOWN_ENDS:]])


def _shortage(name: str, row: pd.Series, f: Findings) -> str:
    if name in f.relay.unreachable:
        return f.manifest["unreachable_reasons"].get(name, f"no path fulfils the class {row['assurance']}")
    if row["delivered_bit"] >= SERVED_IN_FULL * row["asked_bit"]:
        return ""
    return "stores start empty, contacts are few" if row["space_share"] > 0 else "spans on the path are full"


def gain_table(e: Exposures) -> Table:
    """Delivery by fibre alone and with space."""
    rows = []
    for name, seen in e.seen.iterrows():
        fibre, both = e.alone.loc[name, "delivered_bit"], seen["delivered_bit"]
        rows.append((
            str(name), seen["assurance"], format_bits(fibre), format_bits(both), format_bits(both - fibre),
            f"{(both - fibre) / KEY_BIT:,.0f}",
        ))  # fmt: skip
    head = ("demand", "class", ">fibre alone", ">fibre and space", ">gain", ">gain in 256-bit keys")
    return Table("What space adds over fibre alone", head, rows)
