"""What a scenario may say, how it is read, and how it is varied.

A scenario says who (satellites, stations), where, when, with what (terminals, receivers, devices) and for whom
(demands): validated, frozen records without behaviour. Names carry their units; ranges are part of the type, so a
record that exists is a record in range. `load_scenario` reads one from TOML.
"""

from __future__ import annotations

from eqci_space.scenario.changes import with_variant
from eqci_space.scenario.conditions import Atmosphere, Weather
from eqci_space.scenario.demands import Demand, Service, asked_bit_per_day, assurance_limit, assurance_text
from eqci_space.scenario.ground import (
    Closure,
    Courier,
    Receiver,
    Station,
    StationPosition,
    StationRules,
    dated_stations,
    placed,
)
from eqci_space.scenario.load import load_scenario
from eqci_space.scenario.model import Scenario, Uncertainty, Variant, assumed_values, overlaid_values, unknown_pair
from eqci_space.scenario.network import (
    Coexistence,
    FiberNetwork,
    Handover,
    LinkRules,
    ModulatedStates,
    Outage,
    QkdDevice,
)
from eqci_space.scenario.policy import Booking, SatelliteQuota, SchedulePolicy
from eqci_space.scenario.protocol import BlockLength, PairSource, Protocol
from eqci_space.scenario.receivers import receivers_of
from eqci_space.scenario.schema import scenario_schema
from eqci_space.scenario.space import (
    CircularOrbit,
    Constellation,
    Orbit,
    Satellite,
    SunSynchronousOrbit,
    Terminal,
    Train,
    Uplink,
    Walker,
    receiver_of,
)

__all__ = [
    "Atmosphere",
    "BlockLength",
    "Booking",
    "CircularOrbit",
    "Closure",
    "Coexistence",
    "Constellation",
    "Courier",
    "Demand",
    "FiberNetwork",
    "Handover",
    "LinkRules",
    "ModulatedStates",
    "Orbit",
    "Outage",
    "PairSource",
    "Protocol",
    "QkdDevice",
    "Receiver",
    "Satellite",
    "SatelliteQuota",
    "Scenario",
    "SchedulePolicy",
    "Service",
    "Station",
    "StationPosition",
    "StationRules",
    "SunSynchronousOrbit",
    "Terminal",
    "Train",
    "Uncertainty",
    "Uplink",
    "Variant",
    "Walker",
    "Weather",
    "asked_bit_per_day",
    "assumed_values",
    "assurance_limit",
    "assurance_text",
    "dated_stations",
    "load_scenario",
    "overlaid_values",
    "placed",
    "receiver_of",
    "receivers_of",
    "scenario_schema",
    "unknown_pair",
    "with_variant",
]
