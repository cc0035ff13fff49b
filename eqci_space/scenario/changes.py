"""Changes of a scenario that was read: other values, terminals and receivers."""

from __future__ import annotations

from eqci_space.scenario.model import Scenario, Variant

__all__ = ["with_variant"]


def with_variant(scenario: Scenario, variant: Variant) -> Scenario:
    """The scenario with the variant's terminal on every satellite and its receiver at every station.

    Apertures stay those of the stations.
    """
    satellites = tuple(s.model_copy(update={"terminal": variant.terminal}) for s in scenario.satellites)
    stations = {}
    for ogs, station in scenario.stations.items():
        aperture = {"aperture_diameter_m": station.receiver.aperture_diameter_m}
        stations[ogs] = station.model_copy(update={"receiver": variant.receiver.model_copy(update=aperture)})
    return scenario.model_copy(update={"satellites": satellites, "stations": stations})
