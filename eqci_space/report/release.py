"""What exports are written from, and what of it may leave the house: `release` is the one gate in front of all writers.

`export_material` gathers the tables and records of a run; `release` turns them into what a circle of readers may see.
Writers take a `Released` and nothing else, so no export can pass the gate by.

Under ``public`` a table or column leaves only if it is listed here. Coordinates and what shows them (geometry,
pointing, ephemerides), fibre and relay routes, stocks, prices and free text stay behind. Times of contacts are widened
to whole minutes, in ids too, because exact edges of passes over a known orbit give a station's place away. From whole
minutes of many contacts it still follows roughly, as it does from a station's name and country.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import pandas as pd

from eqci_space.errors import DataError, near_matches
from eqci_space.fiber.network import Network, build_network, station_node
from eqci_space.fiber.problem import bin_edges, demand_table
from eqci_space.machine.deprecation import once_by_position, once_first
from eqci_space.ogs.sites import station_table
from eqci_space.orbits.ephemeris import Trajectory, ephemerides
from eqci_space.report.exports.crew import crew_table
from eqci_space.report.local_time import station_zones
from eqci_space.scenario import Scenario
from eqci_space.tables import TABLES, check_table
from eqci_space.words import joined

__all__ = ["PUBLIC_COLUMNS", "Material", "Released", "export_material", "release"]

Level = Literal["internal", "public"]

PUBLIC_COLUMNS: dict[str, tuple[str, ...]] = {
    "sites": ("country", "status_class"),
    "satellites": ("operator", "nation"),
    "nodes": ("country", "domain"),
    "demands": ("a", "b", "purpose", "asked_bit_per_day"),
    "bins": ("start", "end"),
    "contacts": ("satellite", "ogs", "ogs_b", "start", "end", "skl_bit", "expected_skl_bit", "p_clear", "status"),
    "delivery": (
        "bin",
        "demand",
        "asked_bit",
        "delivered_bit",
        "shortage_bit",
        "mean_bit",
        "exceeded_90pct_bit",
        "exceeded_50pct_bit",
    ),
}
"""Columns of each table that may be published; nodes are those at which demands end."""
_PUBLIC_MANIFEST = (
    "schema_version", "earth_orientation_until", "plan", "counts", "unreachable_demands", "unproven_links", "versions",
)  # fmt: skip
_PUBLIC_SCENARIO = ("name", "start", "end")
_NM_PER_M = 1e9


@dataclass(frozen=True)
class Material:
    """All that exports can be written from, nothing held back; only `release` reads it.

    Attributes
    ----------
    name : str
        The scenario's.
    start, end : Timestamp
        The period.
    tables : mapping of str to DataFrame
        The tables of a run by their lower-case names, and sites, satellites, nodes, links, demands, bins, crew, prices.
    manifest : mapping
    orbits : mapping of str to Trajectory
        By satellite.
    """

    name: str
    start: pd.Timestamp
    end: pd.Timestamp
    tables: Mapping[str, pd.DataFrame]
    manifest: Mapping[str, Any]
    orbits: Mapping[str, Trajectory]


@dataclass(frozen=True)
class Released:
    """What a circle of readers may see, made by `release`; fields as in `Material`, and the names withheld."""

    level: Level
    name: str
    start: pd.Timestamp
    end: pd.Timestamp
    tables: Mapping[str, pd.DataFrame]
    manifest: Mapping[str, Any]
    orbits: Mapping[str, Trajectory] = field(default_factory=dict)
    withheld: tuple[str, ...] = ()


@once_first("scenario", Scenario)
def export_material(
    tables: Mapping[str, pd.DataFrame],
    manifest: Mapping[str, Any],
    scenario: Scenario,
    *,
    network: Network | None = None,
    prices: pd.DataFrame | None = None,
    timezone: Mapping[str, str] | None = None,
    decision_lead_s: float = 3600.0,
) -> Material:
    """Gather the tables of a run and the facts of its scenario.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Tables of the run by their lower-case names; contacts is needed.
    manifest : mapping
        As in `Run`.
    scenario : Scenario
    network : Network, optional
        Default `build_network`.
    prices : DataFrame, optional
        What one more Mbit on an edge is worth.
    timezone : mapping of str to str, optional
        Station to zone name, such as ``{"GRAZ": "Europe/Vienna"}``; stations left out take their country's.
    decision_lead_s : float
        Time before an acquisition [s] at which the change to a backup must be decided (assumed: one hour).
    """
    network = network or build_network(scenario)
    orbits = ephemerides(scenario, scenario.start, scenario.end)
    zones = station_zones(scenario, timezone or {})
    sites = station_table(scenario)
    sites["mobile"] = [bool(scenario.stations[o].positions) for o in sites.index]
    sites["key_node"] = [station_node(scenario, o) for o in sites.index]
    edges = bin_edges(scenario)
    crew = crew_table(
        tables["contacts"], scenario, orbits, passes=tables.get("passes"), zones=zones, decision_lead_s=decision_lead_s
    )
    gathered = {
        **tables, "sites": sites, "satellites": _satellites(scenario), "nodes": network.nodes,
        "links": network.links, "demands": demand_table(scenario),
        "bins": pd.DataFrame({"start": pd.to_datetime(edges[:-1]), "end": pd.to_datetime(edges[1:])}),
        "crew": crew, **({} if prices is None else {"prices": prices}),
    }  # fmt: skip
    period = pd.Timestamp(scenario.start), pd.Timestamp(scenario.end)
    return Material(scenario.name, *period, gathered, manifest, orbits)


def _satellites(scenario: Scenario) -> pd.DataFrame:
    rows = [
        {
            "satellite": s.name, "operator": s.operator, "nation": s.nation,
            "wavelength_nm": s.terminal.wavelength_m * _NM_PER_M,
        }
        for s in scenario.satellites
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["satellite", "operator", "nation", "wavelength_nm"]).set_index("satellite")


@once_by_position("level")
def release(material: Material, *, level: str = "internal") -> Released:
    """What readers of a level may see: everything (internal), or what may be published (public).

    The manifest of the result says the level, the tables that are there and what is withheld.

    Raises
    ------
    DataError
        The level is unknown.
    """
    if level not in get_args(Level):
        raise DataError(f"release: level '{level}'; {near_matches(level, get_args(Level))}")
    if level == "internal":
        manifest = {**material.manifest, "release": "internal", "withheld": []}
        return Released("internal", material.name, material.start, material.end, material.tables, manifest,
                        material.orbits)  # fmt: skip
    tables = {name: _public_table(name, material) for name in PUBLIC_COLUMNS if name in material.tables}
    withheld = (*(n for n in material.tables if n not in tables), "ephemerides", "exact times", "free text")
    manifest = {k: v for k, v in material.manifest.items() if k in _PUBLIC_MANIFEST}
    if "scenario" in material.manifest:
        manifest["scenario"] = {k: v for k, v in material.manifest["scenario"].items() if k in _PUBLIC_SCENARIO}
    if "simulation" in material.manifest:
        manifest["simulation"] = {k: v for k, v in material.manifest["simulation"].items() if k != "seed"}
    manifest |= {"release": "public", "tables": sorted(tables), "withheld": list(withheld)}
    return Released("public", material.name, material.start, material.end, tables, manifest, {}, withheld)


def _public_table(name: str, material: Material) -> pd.DataFrame:
    """The listed columns of a table, with times of contacts in whole minutes."""
    table = pd.DataFrame(material.tables[name])
    if name == "sites":
        table = table[~table.index.duplicated()]
    if name == "nodes":
        demands = material.tables["demands"]
        table = table[table.index.isin({*demands["a"], *demands["b"]})]
    kept = table[[c for c in PUBLIC_COLUMNS[name] if c in table.columns]].copy()
    if name != "contacts":
        return kept
    kept["start"], kept["end"] = kept["start"].dt.floor("min"), kept["end"].dt.ceil("min")
    times = kept["start"].dt.strftime("%Y%m%dT%H%MZ")
    places = [joined(*pair).replace(" ", "") for pair in zip(kept["ogs"], kept["ogs_b"], strict=True)]
    ids = kept["satellite"].astype(str) + "/" + pd.Series(places, index=kept.index, dtype=str) + "/" + times
    rank = ids.groupby(ids).cumcount()
    unique = [i if r == 0 else f"{i}/{r + 1}" for i, r in zip(ids, rank, strict=True)]
    kept = kept.set_index(pd.Index(unique, name="contact_id", dtype=str))
    contract = TABLES["CONTACTS"].columns
    empty = {c: pd.Series("", index=kept.index, dtype=str) for c in contract if c not in kept.columns}
    return check_table(kept.assign(**empty)[list(contract)], "CONTACTS", "release")
