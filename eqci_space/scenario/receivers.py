"""Which receiver serves a satellite at a station, by their names."""

from __future__ import annotations

from collections.abc import Iterable

from eqci_space.scenario.ground import Receiver
from eqci_space.scenario.model import Scenario
from eqci_space.scenario.space import receiver_of

__all__ = ["receivers_of"]


def receivers_of(scenario: Scenario, satellites: Iterable[str], stations: Iterable[str]) -> list[Receiver | None]:
    """Receivers of pairs of a satellite and a station; None of names that the scenario does not have."""
    known = {s.name: s for s in scenario.satellites}
    found: dict[tuple[str, str], Receiver | None] = {}
    rows = []
    for pair in zip(satellites, stations, strict=True):
        if pair not in found:
            satellite, station = known.get(pair[0]), scenario.stations.get(pair[1])
            found[pair] = receiver_of(satellite, station) if satellite and station else None
        rows.append(found[pair])
    return rows
