"""Names of the network that a scenario uses, checked against those that exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from eqci_space.errors import near_matches
from eqci_space.network_records import Handover, Outage
from eqci_space.scenario import Scenario

__all__ = ["unknown_names"]


def unknown_names(
    scenario: Scenario, nodes: Mapping[str, Mapping[str, Any]], links: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, str]]:
    """Problems (path, message) of demands, links, stocks, agreements and outages that name what does not exist.

    Parameters
    ----------
    scenario : Scenario
    nodes, links : mapping
        Rows of the network's files by id.
    """
    return [*_demands(scenario, nodes), *_links(scenario, links), *_handovers(scenario, nodes, links),
            *_outages(scenario, nodes, links), *_uses(scenario)]  # fmt: skip


def _missing(path: str, what: str, name: str, known: Iterable[str]) -> Iterator[tuple[str, str]]:
    names = list(known)
    if name not in names:
        yield path, f"unknown {what} '{name}'; {near_matches(name, names)}"


def _demands(scenario: Scenario, nodes: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    stations = [f"OGS-{ogs}" for ogs in scenario.stations]
    everyone = [*nodes, *stations, *(s.name for s in scenario.satellites)]
    nations = {str(row.get("country", "")) for row in nodes.values()} | {s.nation for s in scenario.satellites}
    for i, demand in enumerate(scenario.demands):
        for end in demand.between:
            if end not in nodes:
                yield f"demand.{i}.between", f"unknown node '{end}' in '{demand.name}'; {near_matches(end, nodes)}"
        for node in demand.forbidden_nodes:
            yield from _missing(f"demand.{i}.forbidden_nodes", "node", node, everyone)
        for nation in demand.forbidden_nations:
            yield from _missing(f"demand.{i}.forbidden_nations", "nation", nation, sorted(nations - {""}))


def _links(scenario: Scenario, links: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    last_miles = [f"LM-{ogs}" for ogs in scenario.stations]
    space = [f"{s.name}|{ogs}" for s in scenario.satellites for ogs in scenario.stations]
    for link in scenario.links:
        yield from _missing(f"link.{link}", "link", link, links)
    for edge in scenario.stock:
        if edge.rsplit("/", 1)[0] not in links:
            yield from _missing(f"stock.{edge}", "edge", edge, [*links, *last_miles, *space])
    corridors = {str(row.get("corridor", "")) for row in links.values()} - {""}
    for corridor in scenario.fiber.equal_spans:
        yield from _missing("fiber.equal_spans", "corridor", corridor, corridors)


def _handovers(
    scenario: Scenario, nodes: Mapping[str, Mapping[str, Any]], links: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    domains = sorted({str(row.get("domain", "")) for row in nodes.values()} - {""})
    for i, agreement in enumerate(scenario.handovers):
        path = f"handover.{i}"
        for domain in agreement.domains:
            yield from _missing(f"{path}.domains", "domain", domain, domains)
        for link in agreement.links:
            yield from _missing(f"{path}.links", "link", link, links)
        yield from _border_nodes(path, agreement, nodes)
        if agreement.valid_until and agreement.valid_until <= scenario.start:
            yield (
                f"{path}.valid_until",
                f"'{agreement.name}' expired on {agreement.valid_until:%Y-%m-%d}, before the period; renew or drop it",
            )


def _border_nodes(path: str, agreement: Handover, nodes: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for node, domain in zip(agreement.nodes or (), agreement.domains, strict=False):
        yield from _missing(f"{path}.nodes", "node", node, nodes)
        found = str(nodes.get(node, {}).get("domain", domain))
        if found != domain:
            yield f"{path}.nodes", f"'{node}' belongs to '{found}', not to '{domain}'; keep the order of the domains"


def _outages(
    scenario: Scenario, nodes: Mapping[str, Mapping[str, Any]], links: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    for i, outage in enumerate(scenario.outages):
        yield from _outage(f"outage.{i}", outage, scenario, nodes, links)


def _outage(
    path: str,
    outage: Outage,
    scenario: Scenario,
    nodes: Mapping[str, Mapping[str, Any]],
    links: Mapping[str, Mapping[str, Any]],
) -> Iterator[tuple[str, str]]:
    if outage.node is not None:
        yield from _missing(f"{path}.node", "node", outage.node, [*nodes, *(f"OGS-{o}" for o in scenario.stations)])
    if outage.link is not None and outage.link.rsplit("/", 1)[0] not in links:
        yield from _missing(f"{path}.link", "link", outage.link, [*links, *(f"LM-{o}" for o in scenario.stations)])
    if outage.station is not None:
        yield from _missing(f"{path}.station", "station", outage.station, scenario.stations)
    if outage.satellite is not None:
        yield from _missing(f"{path}.satellite", "satellite", outage.satellite, [s.name for s in scenario.satellites])


def _uses(scenario: Scenario) -> Iterator[tuple[str, str]]:
    satellites = [s.name for s in scenario.satellites]
    for i, booking in enumerate(scenario.bookings):
        if booking.satellite is not None:
            yield from _missing(f"booking.{i}.satellite", "satellite", booking.satellite, satellites)
        if booking.station is not None:
            yield from _missing(f"booking.{i}.station", "station", booking.station, scenario.stations)
    for i, quota in enumerate(scenario.satellite_quotas):
        nations = sorted({s.country for s in scenario.stations.values()})
        yield from _missing(f"satellite_quota.{i}.nation", "nation of a station", quota.nation, nations)
        if quota.satellite is not None:
            yield from _missing(f"satellite_quota.{i}.satellite", "satellite", quota.satellite, satellites)
