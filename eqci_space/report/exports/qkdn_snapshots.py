"""The plan as a controller of a QKD network would see it: a snapshot per bin, shaped after ETSI GS QKD 015 V2.1.1.

Nodes, key association links (PHYS: fibre spans and satellite contacts; VIRT: relay routes) and applications (demands)
carry the names of the standard's data model. It has no place for a schedule, so there is one snapshot per bin, and what
the standard lacks stands in members that begin with ``eqci_``. Rates are means over the bin, in bits per second.
Capacities only: key material and key identifiers are neither known nor written.

The member names follow the published YANG modules as read in implementations; no validation against them is claimed.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from eqci_space.files.atomic import replaced_file
from eqci_space.machine.deprecation import once_first
from eqci_space.report.release import Released
from eqci_space.tables import planned_contacts, second
from eqci_space.words import whole_seconds

__all__ = ["network_snapshots", "write_snapshots"]

_TYPES = "etsi-qkd-node-types"
_NAMESPACE = uuid.UUID("6f1c0d58-3d0b-5a55-9c55-4b7a0c8d5e21")
_NOTICE = "Planned capacities, shaped after ETSI GS QKD 015 V2.1.1; no key material, no live state of any device."
_LARGEST_RATE = 2**32 - 1
"""Rates are uint32 in the standard."""


@once_first("path")
def write_snapshots(released: Released, path: Path) -> None:
    """Write all snapshots as one JSON document, a line each; the same tables give the same bytes."""
    head = {
        "standard": "ETSI GS QKD 015 V2.1.1 (shape)", "notice": _NOTICE, "name": released.name,
        "release": released.level, "start": _time(released.start), "end": _time(released.end), "snapshots": [],
    }  # fmt: skip
    before = json.dumps(head, ensure_ascii=False).removesuffix("]}")
    with replaced_file(path) as work, work.open("w", encoding="utf-8", newline="\n") as stream:
        for number, snapshot in enumerate(network_snapshots(released)):
            stream.write(f"{',' if number else before}\n")
            json.dump(snapshot, stream, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        stream.write("\n]}\n")


def network_snapshots(released: Released) -> Iterator[dict[str, Any]]:
    """Snapshots in order of time: interval, qkd_nodes, qkd_links, qkd_applications.

    The effective rate of a PHYS link is its rate less what the plan's relay takes in the bin; where relay lives on
    stock from earlier bins nothing is left and it is 0. Without released routes there is one VIRT link per demand, with
    no hops, and without released links the PHYS links are those of the satellites.
    """
    builder = _Builder(released)
    for start, end in zip(released.tables["bins"]["start"], released.tables["bins"]["end"], strict=True):
        virtual, backing = builder.virtual(start, end)
        yield {
            "eqci_start": _time(start), "eqci_end": _time(end),
            "qkd_nodes": {"qkd_node": builder.nodes()},
            "qkd_links": {"qkd_link": [*builder.fibre(start, end), *builder.space(start, end), *virtual]},
            "qkd_applications": {"qkd_app": list(builder.applications(start, end, backing))},
        }  # fmt: skip


def _time(moment: pd.Timestamp) -> str:
    return moment.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ")


def _rate(bit: float, start: pd.Timestamp, end: pd.Timestamp) -> int:
    """Mean rate [bit/s], rounded down, for a capacity is never overstated."""
    return min(_LARGEST_RATE, math.floor(bit / (end - start).total_seconds()))


def _bits_of_stores(stores: pd.DataFrame) -> dict[tuple[pd.Timestamp, str], tuple[float, float]]:
    """Deposited and used bits by bin and edge."""
    columns = (stores[c].tolist() for c in ("bin", "edge", "deposited_bit", "used_bit"))
    return {(start, edge): (float(came), float(used)) for start, edge, came, used in zip(*columns, strict=True)}


class _Builder:
    """Identities and tables shared by all snapshots of a run."""

    def __init__(self, released: Released):
        self._tables = released.tables
        self._name, self._start, self._end = released.name, released.start, released.end
        sites = released.tables["sites"]
        first = sites[~sites.index.duplicated()]
        self._node_of = dict(first["key_node"]) if "key_node" in first else {o: o for o in first.index}
        stores = released.tables.get("stores")
        self._stores = None if stores is None else _bits_of_stores(stores)
        self._interfaces: dict[str, dict[str, int]] = {}

    def _id(self, kind: str, name: str) -> str:
        return str(uuid.uuid5(_NAMESPACE, f"{self._name}\n{kind}\n{name}"))

    def _end_of(self, node: str, link: str) -> dict[str, Any]:
        """An end of a link: the node, and a number of the interface that is unique at it."""
        here = self._interfaces.setdefault(node, {})
        number = here.setdefault(link, len(here) + 1)
        return {"qkdn_id": self._id("node", node), "qkdi_id": number, "eqci_node": node}

    def nodes(self) -> list[dict[str, Any]]:
        """Ground nodes, nodes of stations, satellites."""
        ground = self._tables["nodes"]
        stations = [n for n in dict.fromkeys(self._node_of.values()) if n not in ground.index]
        known = [(str(n), str(domain)) for n, domain in ground["domain"].items()]
        everyone = [*known, *((n, "") for n in stations), *((str(s), "") for s in self._tables["satellites"].index)]
        return [
            {
                "qkdn_id": self._id("node", name), "qkdn_status": f"{_TYPES}:NEW",
                "qkdn_location_id": name, "qkdn_capabilities": {"key_relay_mode_enable": True},
                **({"eqci_domain": domain} if domain else {}),
            }
            for name, domain in everyone
        ]  # fmt: skip

    def _link(self, kind: str, name: str, a: str, b: str, status: str, **more: Any) -> dict[str, Any]:
        return {
            "qkdl_id": self._id("link", name), "qkdl_type": f"{_TYPES}:{kind}", "qkdl_status": f"{_TYPES}:{status}",
            "qkdl_local": self._end_of(a, name), "qkdl_remote": self._end_of(b, name), "eqci_link": name, **more,
        }  # fmt: skip

    def _performance(self, edge: str, start: pd.Timestamp, end: pd.Timestamp, bit: float | None) -> dict[str, Any]:
        """Rates of an edge; of what it brings unless `bit` is given."""
        used = 0.0
        if self._stores is not None and (start, edge) in self._stores:
            deposited, used = self._stores[start, edge]
            bit = deposited if bit is None else bit
        made = 0.0 if bit is None else bit
        if self._stores is None:
            return {"skr": _rate(made, start, end)}
        return {
            "expected_consumption": math.ceil(used / (end - start).total_seconds()),
            "skr": _rate(made, start, end), "eskr": _rate(max(0.0, made - used), start, end),
        }  # fmt: skip

    def fibre(self, start: pd.Timestamp, end: pd.Timestamp) -> Iterator[dict[str, Any]]:
        """PHYS links of the ground."""
        links = self._tables.get("links")
        for link, row in () if links is None else links.iterrows():
            alive = row["skr_bit_s"] > 0 and row["valid_from"] < end and row["valid_to"] > start
            yield self._link(
                "PHYS", str(link), row["a"], row["b"], "ACTIVE" if alive else "OFF",
                phys_channel_att=round(float(row["loss_db"]), 3),
                performance=self._performance(str(link), start, end, None),
            )  # fmt: skip

    def space(self, start: pd.Timestamp, end: pd.Timestamp) -> Iterator[dict[str, Any]]:
        """PHYS links between satellites and stations, or two stations, that have a planned contact in the period."""
        contacts = self._tables["contacts"]
        planned = planned_contacts(contacts)
        dual = (second(planned, "ogs_b") != "").any()
        for (one, other), group in planned.groupby(["ogs", "ogs_b"] if dual else ["satellite", "ogs"], sort=True):
            name, satellite = f"{one}|{other}", group["satellite"].iloc[0]
            mine = group[(group["end"] > start) & (group["end"] <= end)].sort_values("start")
            facts = self._tables["satellites"].loc[satellite]
            bit = float(mine["expected_skl_bit"].sum())
            more = {"phys_wavelength": round(float(facts["wavelength_nm"]), 3)} if "wavelength_nm" in facts else {}
            yield self._link(
                "PHYS", name, self._node_of[one] if dual else str(satellite), self._node_of[other],
                "ACTIVE" if len(mine) else "PASSIVE", **more,
                performance=self._performance(name, start, end, bit), eqci_expected_bit=math.floor(bit),
                eqci_windows=[
                    {"start": _time(a), "end": _time(b)}
                    for a, b in zip(*whole_seconds(mine["start"], mine["end"]), strict=True)
                ],
            )  # fmt: skip

    def virtual(self, start: pd.Timestamp, end: pd.Timestamp) -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
        """VIRT links of a bin, and the ids of the links that back each demand."""
        rows = list(self._virtual_rows(start))
        links: list[dict[str, Any]] = []
        backing: dict[str, list[str]] = {}
        for demand, path, edges, bit, bundle in rows:
            if len(edges) == 1:
                backing.setdefault(demand, []).append(self._id("link", edges[0]))
                continue
            name = f"{demand}\n{' '.join(edges)}"
            hops = {"virt_next_hop": [self._id("node", path[1])], "eqci_path": list(path)} if edges else {}
            shared = {} if bundle is None else {"eqci_bundle": bundle}
            link = self._link("VIRT", name, path[0], path[-1], "ACTIVE", **hops, **shared,
                              virt_bandwidth=_rate(bit, start, end))  # fmt: skip
            link |= {"eqci_link": demand, "eqci_bit": math.floor(bit)}
            links.append(link)
            backing.setdefault(demand, []).append(link["qkdl_id"])
        return links, backing

    def _virtual_rows(self, start: pd.Timestamp) -> Iterator[tuple[str, list[str], list[str], float, int | None]]:
        """Demand, path, edges, bits and bundle of each route in a bin."""
        routes = self._tables.get("routes")
        if routes is not None:
            mine = routes[(routes["bin"] == start) & (routes["bit"] > 0)]
            bundles = mine["bundle"] if "bundle" in mine else [None] * len(mine)
            shared = mine["bundle"].duplicated(keep=False) if "bundle" in mine else [False] * len(mine)
            for row, bundle, several in zip(mine.itertuples(), bundles, shared, strict=True):
                yield str(row.demand), list(row.path), list(row.edges), float(row.bit), int(bundle) if several else None
            return
        delivery, demands = self._tables["delivery"], self._tables["demands"]
        for row in delivery[(delivery["bin"] == start) & (delivery["delivered_bit"] > 0)].itertuples():
            ends = demands.loc[row.demand]
            yield str(row.demand), [ends["a"], ends["b"]], [], float(row.delivered_bit), None

    def applications(
        self, start: pd.Timestamp, end: pd.Timestamp, backing: dict[str, list[str]]
    ) -> Iterable[dict[str, Any]]:
        """One application per demand, asked for and served as in the bin."""
        delivery = self._tables["delivery"]
        of_bin = delivery[delivery["bin"] == start].set_index("demand")
        for demand, row in self._tables["demands"].iterrows():
            asked, delivered = (float(of_bin.loc[demand, c]) if demand in of_bin.index else 0.0
                                for c in ("asked_bit", "delivered_bit"))  # fmt: skip
            yield {
                "app_id": self._id("application", str(demand)), "app_type": f"{_TYPES}:CLIENT",
                "app_status": f"{_TYPES}:{'ON' if delivered > 0 else 'DISCONNECTED'}",
                "server_app_id": f"urn:uuid:{self._id('consumer', row['a'])}",
                "client_app_id": [f"urn:uuid:{self._id('consumer', row['b'])}"],
                "local_qkdn_id": self._id("node", row["a"]), "remote_qkdn_id": self._id("node", row["b"]),
                "backing_qkdl_id": backing.get(str(demand), []),
                "app_qos": {"max_bandwidth": min(_LARGEST_RATE, math.ceil(asked / (end - start).total_seconds()))},
                "creation_time": _time(self._start), "expiration_time": _time(self._end),
                "eqci_demand": str(demand), "eqci_asked_bit": math.ceil(asked),
                "eqci_delivered_bit": math.floor(delivered),
            }  # fmt: skip
