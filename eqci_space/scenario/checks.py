"""Names of the network that a scenario uses, checked against those that exist."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from eqci_space.errors import DataError, ImplausibleInputWarning, near_matches
from eqci_space.files.limits import DEMAND_BINS, FIRST_YEAR, LAST_YEAR, SATELLITES, STATION_DAYS, file_beside
from eqci_space.scenario.model import Scenario
from eqci_space.scenario.network import Handover, Outage
from eqci_space.scenario.networks_io import network_doubts, network_folder, read_network_rows
from eqci_space.scenario.plausibility import heights_problem, position_doubt, position_problem
from eqci_space.scenario.reading import Reading

__all__ = ["connected", "size_problems", "unknown_names"]

_SHORTEST_ORBIT_MIN = 86.0
_MOST_DOUBTS = 10
_SHOWN = 8


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
    return [*_demands(scenario, nodes, links), *_links(scenario, links), *_handovers(scenario, nodes, links),
            *_outages(scenario, nodes, links), *_uses(scenario), *_shared_names(scenario, nodes, links)]  # fmt: skip


def _shared_names(
    scenario: Scenario, nodes: Mapping[str, Mapping[str, Any]], links: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Satellites, nodes, stations, links and agreements that would have one id in the key graph."""
    own_nodes = {f"OGS-{ogs}": ogs for ogs in scenario.stations}
    for i, satellite in enumerate(scenario.satellites):
        name = satellite.name
        if name in nodes:
            yield f"satellite.{i}.name", f"'{name}' is the name of a node of the network too; rename one"
        if name in scenario.stations:
            yield f"satellite.{i}.name", f"'{name}' is the name of a station too; rename one"
        if name in own_nodes:
            yield f"satellite.{i}.name", f"'{name}' is the node of station '{own_nodes[name]}'; rename the satellite"
    for node, row in nodes.items():
        if node in own_nodes and row.get("role") != "station":
            yield (
                f"station.{own_nodes[node]}",
                f"node '{node}' of the network, a {row.get('role')}, has the id of the station's own node; rename the "
                "node, or give it the role 'station' if it is the station's",
            )
    # Stations by fibre take the last mile that the network lists; that of another's own node goes with the node.
    taken = {
        f"LM-{ogs}": f"the last mile of station '{ogs}'"
        for ogs, station in scenario.stations.items()
        if station.attach in ("colocated", "courier")
        and f"OGS-{ogs}" not in {links.get(f"LM-{ogs}", {}).get(end) for end in ("a", "b")}
    }
    taken |= {f"HO-{h.name}": f"the edge of agreement '{h.name}'" for h in scenario.handovers if h.nodes}
    for link in sorted(taken.keys() & links.keys()):
        yield "fiber.network", f"link '{link}' has the id of {taken[link]}; rename the link"


def _missing(path: str, what: str, name: str, known: Iterable[str]) -> Iterator[tuple[str, str]]:
    names = list(known)
    if name not in names:
        yield path, f"unknown {what} '{name}'; {near_matches(name, names)}"


def _operators(
    scenario: Scenario, nodes: Mapping[str, Mapping[str, Any]], links: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Who runs nodes (their domain where that is not stated), links and satellites."""
    running = {str(row.get("operator", row.get("domain", ""))) for row in nodes.values()}
    running |= {str(row.get("operator", "")) for row in links.values()} | {s.operator for s in scenario.satellites}
    return sorted(running - {""})


def _demands(
    scenario: Scenario, nodes: Mapping[str, Mapping[str, Any]], links: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    stations = [f"OGS-{ogs}" for ogs in scenario.stations]
    everyone = [*nodes, *stations, *(s.name for s in scenario.satellites)]
    nations = {str(row.get("country", "")) for row in nodes.values()} | {s.nation for s in scenario.satellites}
    operators = _operators(scenario, nodes, links)
    for i, demand in enumerate(scenario.demands):
        for end in demand.between:
            if end not in nodes:
                yield f"demand.{i}.between", f"unknown node '{end}' in '{demand.name}'; {near_matches(end, nodes)}"
        for node in demand.forbidden_nodes:
            yield from _missing(f"demand.{i}.forbidden_nodes", "node", node, everyone)
        for nation in demand.forbidden_nations:
            yield from _missing(f"demand.{i}.forbidden_nations", "nation", nation, sorted(nations - {""}))
        for operator in demand.forbidden_operators:
            yield from _missing(f"demand.{i}.forbidden_operators", "operator", operator, operators)


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


def size_problems(scenario: Scenario) -> list[tuple[str, str]]:
    """Problems of a scenario that is far beyond what can be planned."""
    problems = []
    if scenario.start.year < FIRST_YEAR or scenario.end.year > LAST_YEAR:
        period = f"{scenario.start.isoformat()} to {scenario.end.isoformat()}"
        problems.append(("start", f"the period {period}; expected the years {FIRST_YEAR} to {LAST_YEAR}; move it"))
    days = (scenario.end - scenario.start).total_seconds() / 86400
    bins = days * 24 / float(scenario.schedule.bin.replace("1D", "24h").removesuffix("h")) + len(scenario.bin_marks)
    for path, what, got, limit, remedy in (
        ("satellite", "satellites", len(scenario.satellites), SATELLITES, "plan a part of them"),
        ("end", "satellites times stations times days", len(scenario.satellites) * len(scenario.stations) * days,
         STATION_DAYS, "shorten the period, or plan a part of satellites and stations"),
        ("schedule.bin", "demands times bins", len(scenario.demands) * bins, DEMAND_BINS,
         "take longer bins or a shorter period"),
    ):  # fmt: skip
        if got > limit:
            problems.append((path, f"{got:.0f} {what}; expected at most {limit}; {remedy}"))
    block, most = scenario.protocol.block, int(days * 1440 / _SHORTEST_ORBIT_MIN) + 1
    if isinstance(block, int) and block > most:
        problems.append((
            "protocol.block", f"a block of {block} windows; expected at most {most}, for satellite and station meet "
            "once an orbit; take shorter blocks or a longer period"
        ))  # fmt: skip
    return problems


def _impossible_places(scenario: Scenario) -> Iterator[tuple[str, str]]:
    for ogs, station in scenario.stations.items():
        problem = position_problem(station.country, station.latitude_deg, station.longitude_deg)
        if problem and not station.positions:
            yield f"station.{ogs}", problem
        heights = {f"station.{ogs}": (station.height_ellipsoid_m, station.height_msl_m)}
        for i, place in enumerate(station.positions):
            heights[f"station.{ogs}.position.{i}"] = place.height_ellipsoid_m, place.height_msl_m
        yield from ((path, problem) for path, both in heights.items() if (problem := heights_problem(*both)))


def _doubtful_places(scenario: Scenario) -> list[str]:
    """Stations far from their country; where one that moves stands is its own affair."""
    found = {
        ogs: position_doubt(s.country, s.latitude_deg, s.longitude_deg)
        for ogs, s in scenario.stations.items()
        if not s.positions
    }
    return [f"station '{ogs}': {doubt}" for ogs, doubt in found.items() if doubt]


def _warn_of_doubts(doubts: list[str]) -> None:
    for doubt in doubts[:_MOST_DOUBTS]:
        warnings.warn(doubt, ImplausibleInputWarning, stacklevel=4)
    if len(doubts) > _MOST_DOUBTS:
        more = len(doubts) - _MOST_DOUBTS
        warnings.warn(f"{more} more places and links are as doubtful", ImplausibleInputWarning, stacklevel=4)


def connected(scenario: Scenario, reading: Reading) -> Scenario:
    """The scenario, every station and demand checked to end at a node of the network.

    Under ``stations.unconnected = "none"`` stations without a node keep their key, and the sources say so.
    """
    name = scenario.fiber.network
    try:
        if "/" in name:
            file_beside(reading.base, name)
        nodes, links = read_network_rows(network_folder(name, reading.base))
    except (DataError, OSError) as error:
        reading.note("fiber.network", error)
        return scenario
    reading.problems += [*unknown_names(scenario, nodes, links), *_impossible_places(scenario)]
    if not reading.problems:
        _warn_of_doubts([*network_doubts(nodes, links), *_doubtful_places(scenario)])
    rules, stations = scenario.station_rules, dict(scenario.stations)
    strangers: list[str] = []
    for ogs, station in scenario.stations.items():
        wanted = [(f"station.{ogs}.position.{i}.node", p.node) for i, p in enumerate(station.positions)
                  if p.attach != "none"]  # fmt: skip
        if not station.positions and station.attach != "none":
            wanted = [(f"station.{ogs}.node", station.node)]
        if station.positions or station.attach != "fibre":
            for path, node in wanted:
                if nodes.get(node, {}).get("role") == "station":
                    message = f"'{node}' is a station's own node; name the node that its key goes to"
                    reading.problems.append((path, message))
        missing = [(path, node) for path, node in wanted if node not in nodes]
        if missing and rules is not None and rules.unconnected == "none" and not station.positions:
            stations[ogs] = station.model_copy(update={"attach": "none"})
            reading.sources[f"station.{ogs}.attach"] = ("none", f"assumed: {missing[0][1]} is no node of {name}")
        if (
            missing
            and stations[ogs] is station
            and rules is not None
            and rules.use is None
            and ogs not in reading.tables
        ):
            strangers.append(ogs)
            continue
        for path, node in missing if stations[ogs] is station else ():
            message = (
                f"unknown node '{node}'; {near_matches(node, nodes)}; or set attach = \"none\", "
                'or stations.unconnected = "none" for all such stations'
                + ("" if rules is None or rules.use is not None else ", or list the stations that take part in use")
            )
            reading.problems.append((path, message))
    if strangers:
        reading.problems.append(_not_asked_for(strangers, scenario, reading, name))
    return scenario.model_copy(update={"stations": stations})


def _not_asked_for(strangers: list[str], scenario: Scenario, reading: Reading, network: str) -> tuple[str, str]:
    """One problem for all stations that came along with the catalogue and have no node in the network."""
    meant = [*reading.tables] or [ogs for ogs in scenario.stations if ogs not in strangers]
    shown = ", ".join(f'"{ogs}"' for ogs in meant[:_SHOWN]) + (", ..." if len(meant) > _SHOWN else "")
    some = ", ".join(strangers[:3]) + (", ..." if len(strangers) > 3 else "")
    return "stations.use", (
        f"without `use` all stations of the catalogue take part, and {len(strangers)} of them ({some}) end at nodes "
        f"that the network {network} does not have; name those that you mean, such as use = [{shown}], or keep the key "
        'of the others to themselves by unconnected = "none" under [stations]'
    )
