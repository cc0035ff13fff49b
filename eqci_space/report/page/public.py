"""The report of a public release: contacts, key from space and delivery.

It is made from a `Released` alone, so it can hold nothing that a release keeps back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from eqci_space.files.atomic import write_atomically
from eqci_space.machine.deprecation import once_first
from eqci_space.report.page.document import render_page
from eqci_space.report.page.figures import picture
from eqci_space.report.page.findings import Section, Table
from eqci_space.report.plots.schedule import night_label
from eqci_space.report.plots.style import BLUE, GREY, SKY, key_unit, new_axes
from eqci_space.report.release import Released
from eqci_space.tables import by_station, planned_contacts, takes_part
from eqci_space.words import SERVED_IN_FULL, format_bits, joined, percent, short_list, such_periods

__all__ = ["write_public_report"]

_MOST_LABELS, _SHOWN_SHARE, _MOST_SHORT = 16, 250, 4


@once_first("path")
def write_public_report(released: Released, path: Path) -> None:
    """Write what may be published of a run as one HTML file that opens offline, with SVG figures.

    Parameters
    ----------
    released : Released
        At any level; coordinates, routes, stocks and prices are not shown even if they are there.
    path : path
    """
    total = _totals(released)
    text = render_page({
        "scenario": {"name": released.name, "description": "", "start": released.start, "end": released.end},
        "version": released.manifest["versions"]["eqci-space"], "answer": _answer(released, total),
        "band": "Amounts of contacts are expected over clouds.",
        "band_table": None, "assumptions": (), "changes": (), "change_table": None,
        "sections": [
            _contacts(released), _keys(released), _delivery(total), _participants(released), _made(released),
        ],
    })  # fmt: skip
    write_atomically(path, text)


def _totals(released: Released) -> pd.DataFrame:
    """Asked and delivered per demand, with its share."""
    total = released.tables["delivery"].groupby("demand", sort=False)[["asked_bit", "delivered_bit"]].sum()
    return total.assign(share=(total["delivered_bit"] / total["asked_bit"].where(total["asked_bit"] > 0)).fillna(1.0))


def _planned(released: Released) -> pd.DataFrame:
    contacts = released.tables["contacts"]
    return planned_contacts(contacts)


def _labels(released: Released) -> dict[str, str]:
    """Stations with their status, of those that do not operate yet."""
    status = released.tables["sites"]["status_class"]
    return {str(o): str(o) if s == "operational" else f"{o} ({s})" for o, s in status.items()}


def _note(released: Released) -> str:
    """What titles say of hypothetical stations."""
    status = released.tables["sites"]["status_class"]
    names = [str(o) for o in status.index[status == "hypothetical"]]
    return f"; hypothetical: {short_list(names, 3)}" if names else ""


def _answer(released: Released, total: pd.DataFrame) -> list[str]:
    planned, days = _planned(released), (released.end - released.start) / pd.Timedelta("1D")
    short = total[total["share"] <= SERVED_IN_FULL]
    named = short_list([f"{name} ({percent(row['share'])})" for name, row in short.iterrows()])
    return [
        *_levels(released),
        f"In {days:g} days from {released.start:%Y-%m-%d %H:%M} UTC, {len(planned)} contacts bring "
        f"{format_bits(planned['skl_bit'].sum())} under clear skies and "
        f"{format_bits(planned['expected_skl_bit'].sum())} on average over clouds.",
        f"Of expected key, which bounds the weighted sum of the means from above, {len(total) - len(short)} of "
        f"{len(total)} demands get all they ask for" + (f"; short are {named}." if len(short) else "."),
        f"The plan is proven within {percent(released.manifest['plan']['gap'], 2)} of the best possible.",
    ]


def _levels(released: Released) -> list[str]:
    """What demands that are not served in full get on average and in 9 of 10 worlds, if the run was simulated."""
    worlds = released.manifest.get("simulation", {}).get("demands", {})
    such = such_periods(released.start, released.end)
    short = [(name, w) for name, w in worlds.items() if w["all_in_mean_bit"] <= SERVED_IN_FULL * w["asked_bit"]]
    return [
        f"{name}: {format_bits(w['all_in_mean_bit'])} on average of {format_bits(w['asked_bit'])} asked; in 9 of 10 "
        f"such {such} at least {format_bits(w['all_in_exceeded_90pct_bit'])}."
        for name, w in short[:_MOST_SHORT]
    ]


def _contacts(released: Released) -> Section:
    labels = _labels(released)
    contacts = released.tables["contacts"].sort_values(["start", "satellite", "ogs"], kind="stable")
    rows = [
        (f"{c.start:%Y-%m-%d %H:%M}", f"{c.end:%H:%M}", c.satellite, _place(c, labels), c.status,
         format_bits(c.skl_bit), percent(c.p_clear), format_bits(c.expected_skl_bit))
        for c in contacts.itertuples()
    ]  # fmt: skip
    head = ("=start (UTC)", "=end", "satellite", "station", "status", ">clear-sky key", ">chance of clear sky",
            ">expected key")  # fmt: skip
    table = Table("Contacts and their backups, in whole minutes around them", head, rows)
    if not rows:
        return Section("contacts", "Contacts", ("No contact is planned.",))
    words = f"{len(_planned(released))} planned contacts among {len(contacts)} with backups, by station."
    figure = picture("contacts", "Contacts by station", words, lambda: _draw_contacts(contacts, labels, released))
    return Section("contacts", "Contacts", (), (figure, table))


def _place(contact: Any, labels: dict[str, str]) -> str:
    """Label of the station of a contact, or of both."""
    return joined(labels[contact.ogs], labels.get(contact.ogs_b, ""))


def _draw_contacts(contacts: pd.DataFrame, labels: dict[str, str], released: Released) -> Axes:
    names = [o for o in labels if takes_part(contacts, o).any()]
    ax = new_axes(10, 1.2 + 0.3 * max(len(names), 2))
    least = (released.end - released.start) / _SHOWN_SHARE
    for status, face in (("backup", "white"), ("planned", BLUE)):
        mine = contacts[contacts["status"] == status]
        for row, ogs in enumerate(names):
            spans = [(c.start, max(c.end - c.start, least)) for c in mine[takes_part(mine, ogs)].itertuples()]
            ax.broken_barh(spans, (row - 0.3, 0.6), facecolor=face, edgecolor=BLUE, linewidth=0.8)
    ax.set_yticks(range(len(names)), [labels[o] for o in names], fontsize=8)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(mdates.date2num(released.start), mdates.date2num(released.end))
    ax.xaxis.set_major_locator(mdates.AutoDateLocator(minticks=4, maxticks=9))
    ax.xaxis.set_major_formatter(mdates.DateFormatter("%d %b", tz="UTC"))
    ax.set_xlabel("UTC (ticks at 00:00)")
    handles = [Patch(facecolor=BLUE, label="planned"), Patch(facecolor="white", edgecolor=BLUE, label="backup")]
    ax.legend(handles=handles, fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    ax.set_title(f"Contacts by station{_note(released)}", fontsize=10)
    return ax


def _keys(released: Released) -> Section:
    planned = _planned(released)
    night = planned["start"].map(night_label)
    order = list(dict.fromkeys(night[planned["start"].sort_values().index]))
    table = planned.groupby(night)[["expected_skl_bit", "skl_bit"]].agg(["sum", "size"]).reindex(order)
    if table.empty:
        return Section("keys", "Key from space", ("No key comes from space.",))
    expected, clear = table["expected_skl_bit"]["sum"], table["skl_bit"]["sum"]
    rows = [
        (str(n), str(c), format_bits(e), format_bits(k))
        for n, c, e, k in zip(order, table["skl_bit"]["size"], expected, clear, strict=True)
    ]
    figure = picture(
        "keys", "Key from space per night",
        f"Expected key of the planned contacts per night, in all {format_bits(expected.sum())}.",
        lambda: _draw_keys(order, expected.to_numpy(), clear.to_numpy(), released),
    )  # fmt: skip
    head = ("=night (noon to noon UTC)", ">contacts", ">expected key", ">clear-sky key")
    return Section("keys", "Key from space", (), (figure, Table("Key of planned contacts per night", head, rows)))


def _draw_keys(nights: list[str], expected: np.ndarray, clear: np.ndarray, released: Released) -> Axes:
    ax = new_axes(max(6.0, min(12.0, 2.5 + 0.75 * len(nights))), 3.6)
    x, (size, unit) = np.arange(len(nights)), key_unit(clear.max())
    ax.bar(x, expected / size, width=0.7, color=BLUE, label="expected")
    ax.plot(
        x, clear / size, linestyle="", marker="_", markersize=20, markeredgewidth=1.6, color="black", label="all clear"
    )
    step = -(-len(x) // _MOST_LABELS)
    ax.set_xticks(x[::step], nights[::step], fontsize=8)
    ax.set_ylim(0, 1.12 * max(clear.max() / size, 1e-9))
    ax.set_xlabel("night (noon to noon UTC)")
    ax.set_ylabel(f"key of planned contacts [{unit}]")
    ax.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    ax.set_title(f"Key from space per night{_note(released)}", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _delivery(total: pd.DataFrame) -> Section:
    rows = [
        (str(name), format_bits(row["asked_bit"]), format_bits(row["delivered_bit"]), percent(row["share"], 1))
        for name, row in total.iterrows()
    ]
    words = ", ".join(f"{name} {percent(share)}" for name, share in total["share"].items())
    figure = picture(
        "delivery", "Delivered share of every demand", f"Delivered share: {words}.", lambda: _draw_shares(total)
    )
    table = Table("Whole period, expected key", ("demand", ">asked", ">delivered", ">share"), rows)
    return Section("delivery", "Delivery", (), (figure, table))


def _draw_shares(total: pd.DataFrame) -> Axes:
    ax = new_axes(8, 0.9 + 0.32 * len(total))
    rows, share = np.arange(len(total)), 100 * total["share"].to_numpy()
    ax.barh(rows, np.full(len(rows), 100.0), color="white", edgecolor=GREY, height=0.65, linewidth=0.6)
    ax.barh(rows, share, color=SKY, height=0.65)
    for row, value in zip(rows, share, strict=True):
        ax.text(102, float(row), f"{value:.0f} %", va="center", fontsize=8)
    ax.set_yticks(rows, [str(name) for name in total.index], fontsize=8)
    ax.set_ylim(len(total) - 0.5, -0.5)
    ax.set_xlim(0, 112)
    ax.set_xlabel("delivered share of the key asked for [%]")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _participants(released: Released) -> Section:
    sites, satellites = released.tables["sites"], released.tables["satellites"]
    planned = by_station(_planned(released)).groupby("ogs").size()
    stations = [
        (str(ogs), row["country"], row["status_class"], str(int(planned.get(ogs, 0)))) for ogs, row in sites.iterrows()
    ]
    flown = [(str(name), row["operator"] or "–", row["nation"] or "–") for name, row in satellites.iterrows()]
    blocks = (
        Table("Stations", ("station", "country", "status", ">contacts planned"), stations),
        Table("Satellites", ("satellite", "operator", "nation"), flown),
    )
    return Section("participants", "Stations and satellites", (), blocks)


def _made(released: Released) -> Section:
    plan, versions = released.manifest["plan"], released.manifest["versions"]
    words = [
        f"Kept back: {', '.join(released.withheld) or 'nothing'}. Times are widened to whole minutes.",
        f"Solver {plan['solver']}; objective {plan['objective']:.4f}, proven bound {plan['bound']:.4f}. No key "
        "material exists here, only capacities.",
    ]
    rows: list[tuple[str, Any]] = [(name, str(version)) for name, version in versions.items()]
    return Section("made", "How this was made", words, (Table("Versions", ("program", "version"), rows),))
