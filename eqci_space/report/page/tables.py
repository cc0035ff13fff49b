"""The tables of a report, in words."""

from __future__ import annotations

import csv

from eqci_space.data import data_path
from eqci_space.fiber.edges import SPACE
from eqci_space.fiber.hubs import dead_spans
from eqci_space.linkbudget.budget import loss_labels
from eqci_space.report.page.answer import cause_words
from eqci_space.report.page.figures import clear_chances, costly
from eqci_space.report.page.findings import Findings, Table
from eqci_space.report.plots.labels import contact_label, station_label, store_label
from eqci_space.scenario import Scenario, Station, assumed_values, dated_stations, overlaid_values
from eqci_space.tables import takes_part
from eqci_space.words import format_bits, percent, short_list, whole_seconds

__all__ = [
    "MOST_CONTACTS",
    "budget_table",
    "busy_spans_table",
    "causes_table",
    "chances_table",
    "changed_values",
    "contact_table",
    "data_table",
    "dead_spans_table",
    "failure_table",
    "key_table",
    "profile_table",
    "station_table",
    "store_table",
    "value_tables",
    "variant_table",
    "window_table",
]

MOST_CONTACTS = 100
_MOST_SPANS, _MOST_WINDOWS, _MOST_STORES, _PROFILE_ROWS = 12, 15, 40, 9


def station_table(f: Findings) -> Table | None:
    """Stations with place, status and attachment; a mobile one with a row per position."""
    rows = [
        (ogs, s.name, _status(s), f"{s.latitude_deg:.3f}°", f"{s.longitude_deg:.3f}°",
         f"{s.receiver.aperture_diameter_m:.2f} m", s.node, _attachment(s))
        for ogs, station in f.scenario.stations.items() for s in dated_stations(station)
    ]  # fmt: skip
    head = ("station", "place", "status", ">latitude", ">longitude", ">aperture", "node", "attached by")
    return Table("Stations", head, rows) if rows else None


def _status(s: Station) -> str:
    if not s.status or s.status == s.status_class:
        return str(s.status_class)
    if s.status.startswith(s.status_class):
        return str(s.status)
    return f"{s.status_class}: {s.status}"


def _attachment(s: Station) -> str:
    parts = [str(s.attach)]
    if s.valid_from:
        parts.append(f"from {s.valid_from:%Y-%m-%d %H:%M}")
    if s.valid_to:
        parts.append(f"to {s.valid_to:%Y-%m-%d %H:%M}")
    if s.horizon_mask:
        parts.append("horizon mask")
    if s.maintenance:
        parts.append(f"{len(s.maintenance)} closures")
    if s.moon_keep_out_deg:
        parts.append(f"Moon keep-out {s.moon_keep_out_deg:g}°")
    if s.sun_keep_out_deg:
        parts.append(f"Sun keep-out {s.sun_keep_out_deg:g}°")
    return ", ".join(parts)


def busy_spans_table(f: Findings) -> Table | None:
    """Spans that relay most key."""
    used = f.relay.stores.groupby("edge")["used_bit"].sum()
    links = f.relay.network.links
    busy = used[used.index.isin(links.index) & (used > 0)].sort_values(ascending=False, kind="stable")
    rows = [
        (str(name), f"{links.loc[name, 'a']} – {links.loc[name, 'b']}", str(links.loc[name, "domain"]),
         f"{links.loc[name, 'length_km']:.1f} km", f"{links.loc[name, 'loss_db']:.1f} dB", format_bits(bit))
        for name, bit in busy.head(_MOST_SPANS).items()
    ]  # fmt: skip
    head = ("span", "between", "domain", ">length", ">loss", ">key used")
    return Table(f"Busiest of {len(busy)} spans in use", head, rows) if rows else None


def dead_spans_table(f: Findings) -> Table | None:
    """Spans that give no key, with the reason."""
    rows = [
        (str(name), row["a"], row["b"], f"{row['length_km']:.1f} km", row["reason"])
        for name, row in dead_spans(f.relay.network).sort_index().iterrows()
    ]
    return Table("Dead spans", ("span", "from", "to", ">length", "reason"), rows) if rows else None


def window_table(f: Findings) -> Table | None:
    """Passes, windows and their length by station."""
    if f.windows.empty:
        return None
    length = (f.windows["end"] - f.windows["start"]).dt.total_seconds()
    tops = f.culminations.groupby("ogs")["elevation_deg"].max()
    rows = []
    for ogs in f.scenario.stations:
        mine = length[f.windows["ogs"] == ogs]
        taken = int(takes_part(f.planned, ogs).sum())
        rows.append((
            station_label(ogs, f.scenario), f"{int((f.passes['ogs'] == ogs).sum())}", f"{len(mine)}",
            f"{mine.sum():,.0f} s", f"{tops[ogs]:.0f}°" if ogs in tops.index else "–", f"{taken}",
        ))  # fmt: skip
    head = ("station", ">passes", ">windows", ">usable time", ">highest elevation", ">contacts planned")
    return Table("Passes and windows by station", head, rows)


def contact_table(f: Findings) -> Table | None:
    """Planned contacts and their backups in order of time; of many, those with most expected key."""
    contacts = f.plan.contacts
    caption = "Contacts, planned and backup"
    if len(contacts) > MOST_CONTACTS:
        contacts = f.planned.nlargest(MOST_CONTACTS, "expected_skl_bit", keep="first")
        caption = f"The {len(contacts)} planned contacts with most expected key, in order of time"
    contacts = contacts.sort_values(["start", "status"], ascending=[True, False], kind="stable")
    rows = [
        (f"{start:%Y-%m-%d %H:%M:%S}", f"{end:%H:%M:%S}", c["satellite"],
         contact_label(c["ogs"], c["ogs_b"], f.scenario), c["status"], format_bits(c["skl_bit"]), percent(c["p_clear"]),
         format_bits(c["expected_skl_bit"]), *_role(f, name), short_list(c["reason"].split(", ")))
        for (name, c), start, end in zip(
            contacts.iterrows(), *whole_seconds(contacts["start"], contacts["end"]), strict=True)
    ]  # fmt: skip
    head = ("=start (UTC)", "=end", "satellite", "station", "status", ">clear-sky key", ">chance of clear sky",
            ">expected key", *(("worth", ">lost without it") if f.roles is not None else ()), "~why")  # fmt: skip
    return Table(caption, head, rows) if rows else None


def _role(f: Findings, contact: object) -> tuple[str, ...]:
    """Role of a contact and what the demands lose without it, if that was worked out; backups have none."""
    if f.roles is None:
        return ()
    if contact not in f.roles.index:
        return "", ""
    row = f.roles.loc[contact]
    return str(row["role"]), format_bits(row["lost_without_bit"])


def budget_table(f: Findings) -> Table | None:
    """Loss terms of the best window at its culmination."""
    best = f.best_window
    if best is None:
        return None
    rows = [(label, f"{best[term]:.2f} dB") for term, label in loss_labels(best).items()]
    rows.append(("total", f"{best['total_loss_db']:.2f} dB"))
    caption = f"Window {best['window_id']} at {best['elevation_deg']:.0f}° and {best['range_m'] / 1e3:,.0f} km"
    return Table(caption, ("term", ">loss"), rows)


def profile_table(f: Findings) -> Table | None:
    """The best window at some of its slots."""
    best = f.best_window
    if best is None:
        return None
    part = f.budget[f.budget["window_id"] == best["window_id"]]
    shown = part.iloc[[round(i * (len(part) - 1) / (_PROFILE_ROWS - 1)) for i in range(_PROFILE_ROWS)]]
    rows = [
        (f"{row['time']:%H:%M:%S}", f"{row['elevation_deg']:.1f}°", f"{row['range_m'] / 1e3:,.0f} km",
         f"{row['total_loss_db']:.2f} dB", f"{row['background_hz']:.3g}")
        for _, row in shown.drop_duplicates("time").iterrows()
    ]  # fmt: skip
    head = ("UTC", ">elevation", ">range", ">loss", ">sky clicks per second")
    return Table("The best window over time", head, rows)


def key_table(f: Findings) -> Table | None:
    """The windows with most key; with dual downlinks none has any by itself."""
    if f.keys.empty or f.scenario.protocol.downlink == "dual":
        return None
    place = f.windows[["satellite", "ogs"]]
    best = f.keys.sort_values("skl_bit", ascending=False, kind="stable").head(_MOST_WINDOWS)
    rows = [
        (str(name), station_label(place.loc[name, "ogs"], f.scenario), format_bits(row["sifted_bit"]),
         percent(row["qber"], 2), format_bits(row["skl_bit"]), row["reason"])
        for name, row in best.iterrows()
    ]  # fmt: skip
    head = ("~window", "station", ">sifted", ">QBER", ">secret key", "why none")
    return Table(f"Windows with most key, {len(rows)} of {len(f.keys)}", head, rows)


def chances_table(f: Findings) -> Table | None:
    """Chances of a clear line of sight by station."""
    rows = [
        (station_label(str(ogs), f.scenario), f"{row['size']:.0f}", *(percent(row[c]) for c in ("mean", "min", "max")))
        for ogs, row in clear_chances(f).iterrows()
    ]
    head = ("station", ">windows with key", ">mean", ">least", ">most")
    return Table("Chance of a clear line of sight by station", head, rows) if rows else None


def causes_table(f: Findings) -> Table | None:
    """What makes the band of a simulation wide."""
    if f.simulation is None:
        return None
    rows = [
        (cause_words(str(cause)), percent(row["share_of_variance"]), format_bits(row["exceeded_90pct_bit"]),
         format_bits(row["exceeded_10pct_bit"]))
        for cause, row in f.simulation.causes.iterrows()
    ]  # fmt: skip
    head = ("cause, varied alone", ">share of the variance", ">90 % exceed", ">10 % exceed")
    return Table("Key from space with one cause varied alone", head, rows)


def store_table(f: Findings) -> tuple[Table | None, int]:
    """Stores that satellites and stations share and that ever held a bit, and how many never did."""
    space = f.relay.stores[f.relay.stores["kind"] == SPACE]
    total = space.groupby("edge")[["deposited_bit", "used_bit", "spilled_bit"]].sum()
    total["stock_bit"] = space.groupby("edge")["stock_bit"].last()
    held = (total >= 0.5).any(axis=1)
    shown = total[held]
    caption = "Satellite stores, expected key"
    if len(shown) > _MOST_STORES:
        caption = f"The {_MOST_STORES} of {len(shown)} satellite stores used most, expected key"
        shown = shown[shown["used_bit"].rank(method="first", ascending=False) <= _MOST_STORES]
    rows = [
        (_store_name(str(edge), f.scenario), *(format_bits(row[c]) for c in total.columns))
        for edge, row in shown.iterrows()
    ]
    head = ("store", ">deposited", ">used", ">spilled", ">stock at the end")
    return (Table(caption, head, rows) if rows else None), int((~held).sum())


def _store_name(edge: str, scenario: Scenario) -> str:
    return store_label(edge, scenario)


def failure_table(f: Findings) -> Table | None:
    """The single failures that cost most keys."""
    failures = costly(f)
    if failures is None or failures.empty:
        return None
    rows = [
        (str(name), f"{row['lost_keys']:,.0f}", percent(row["lost_share"], 1), format_bits(row["lost_bit"]),
         format_bits(row["lost_at_ends_bit"]), row["worst_demand"], percent(row["worst_share"]))
        for name, row in failures.iterrows()
    ]  # fmt: skip
    head = ("failure", ">256-bit keys lost", ">weighted satisfaction lost", ">key lost",
            ">of it at demands that end there", "demand hit worst", ">left of it")  # fmt: skip
    return Table(f"The {len(rows)} single failures that cost most keys", head, rows)


def variant_table(f: Findings) -> Table | None:
    """Key with other terminals and receivers."""
    rows = [
        (str(name), f"{row['windows_with_key']:.0f}", format_bits(row["clear_sky_bit"]),
         format_bits(row["planned_expected_bit"]))
        for name, row in f.variants.iterrows()
    ]  # fmt: skip
    head = ("presets", ">windows with key", ">clear-sky key of all windows", ">expected key of the planned contacts")
    caption = (
        "Same windows and contacts, other terminal and receiver; the plan was made with the scenario's own. Parts of "
        "windows are counted at the parameters of the whole window, a little below the keys of the plan"
    )
    return Table(caption, head, rows) if rows else None


def changed_values(scenario: Scenario) -> Table | None:
    """Values that overlays changed, with the file of each."""
    rows = overlaid_values(scenario)
    caption = f"Values changed by {', '.join(scenario.overlays)}"
    return Table(caption, ("~value", "is", "from"), rows) if rows else None


def value_tables(scenario: Scenario) -> list[tuple[str, Table]]:
    """Values that are assumed, and those with a stated source, each with a summary."""
    assumed = assumed_values(scenario)
    others = {*assumed, *overlaid_values(scenario)}
    stated = [s for s in scenario.sources if s not in others]
    return [
        (
            f"{len(assumed)} values assumed, recalled or derived",
            Table("Assumed, recalled or derived", ("~value", "is", "on what ground"), assumed),
        ),
        (f"{len(stated)} values with a stated source", Table("Stated", ("~value", "is", "source"), stated)),
    ]


def data_table() -> Table:
    """The shipped data files with origin and licence."""
    with data_path("SOURCES.csv").open(encoding="utf-8", newline="") as stream:
        rows = [(row["file"], row["origin"], row["licence"]) for row in csv.DictReader(stream)]
    return Table("Data files", ("~file", "origin", "licence"), rows)
