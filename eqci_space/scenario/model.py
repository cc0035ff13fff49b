"""The scenario itself: who, where, when, with what and for whom, as one validated record."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from eqci_space.errors import near_matches
from eqci_space.scenario.conditions import Atmosphere, Weather
from eqci_space.scenario.demands import Demand, asked_bit_per_day
from eqci_space.scenario.fields import (
    Name,
    NotNegative,
    Positive,
    Record,
    UtcTime,
)
from eqci_space.scenario.ground import Receiver, Station, StationRules
from eqci_space.scenario.network import FiberNetwork, Handover, LinkRules, Outage
from eqci_space.scenario.policy import Booking, SatelliteQuota, SchedulePolicy
from eqci_space.scenario.protocol import Protocol
from eqci_space.scenario.space import Satellite, Terminal
from eqci_space.words import format_bits, html_summary, html_table, short_list

__all__ = ["Scenario", "Uncertainty", "Variant", "assumed_values", "overlaid_values", "provenance", "unknown_pair"]

_MOST_ROWS = 12
_TERMINALS_OF_DUAL = 2
_ROUNDING = 1e-9
_NOT_MEASURED = ("assumed", "recalled", "derived-", "chosen", "typical")


class Variant(Record):
    """Another terminal and receiver for which the key is reported beside the planned one."""

    name: Name
    terminal: Terminal
    receiver: Receiver


class Uncertainty(Record):
    """A stated uncertainty of the scenario, drawn once per simulated world, with the source of its distribution.

    `link_loss_bias_db` is added to the loss of every contact, and `link_loss_airmass_db` to that of each for every
    airmass that its light crosses beyond the zenith's; `availability` is the chance that a contact takes place;
    `commissioning_factor` multiplies the fibre rates; `cloud_table_logit` shifts each station's mean cover, and
    `interannual_logit` that of all stations together, in logits.
    """

    quantity: Literal[
        "link_loss_bias_db",
        "link_loss_airmass_db",
        "availability",
        "commissioning_factor",
        "cloud_table_logit",
        "interannual_logit",
    ]
    distribution: Literal["normal", "lognormal", "uniform"]
    source: Annotated[str, Field(min_length=1)]
    mean: float = 0.0
    sd: Annotated[float, Field(ge=0)] = 0.0
    median: Positive = 1.0
    sigma: Annotated[float, Field(ge=0, le=5)] = 0.0
    low: float = 0.0
    high: float = 0.0

    @model_validator(mode="after")
    def _parameters_of_the_distribution(self) -> Uncertainty:
        given = self.model_fields_set & {"mean", "sd", "median", "sigma", "low", "high"}
        wanted = {"normal": {"mean", "sd"}, "lognormal": {"median", "sigma"}, "uniform": {"low", "high"}}
        if given != wanted[self.distribution]:
            names = " and ".join(sorted(wanted[self.distribution]))
            raise ValueError(
                f"a {self.distribution} distribution takes {names}, not {', '.join(sorted(given)) or 'none'}"
            )
        if self.low > self.high:
            raise ValueError(f"low {self.low:g} is above high {self.high:g}")
        middles = {"normal": (self.mean,), "lognormal": (self.median,), "uniform": (self.low, self.high)}
        if self.quantity == "availability" and not all(0 <= x <= 1 for x in middles[self.distribution]):
            stated = " to ".join(f"{x:g}" for x in middles[self.distribution])
            raise ValueError(f"availability {stated}; expected fractions (0.9 for 90 %)")
        return self


class Scenario(Record):
    """Everything a planning run depends on. Fields are named in the plural, file keys in the singular."""

    name: Name
    description: str = ""
    start: UtcTime
    end: UtcTime
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    satellites: tuple[Satellite, ...] = Field(default=(), alias="satellite")
    station_rules: StationRules | None = Field(None, alias="stations")
    stations: dict[Name, Station] = Field(default_factory=dict, alias="station")
    atmosphere: Atmosphere = Atmosphere()
    weather: Weather = Weather()
    protocol: Protocol = Protocol()
    fiber: FiberNetwork
    links: dict[str, LinkRules] = Field(default_factory=dict, alias="link")
    stock: dict[str, NotNegative] = Field(default_factory=dict, description="key on edges at the start, by edge id")
    handovers: tuple[Handover, ...] = Field(default=(), alias="handover")
    outages: tuple[Outage, ...] = Field(default=(), alias="outage")
    bookings: tuple[Booking, ...] = Field(default=(), alias="booking")
    satellite_quotas: tuple[SatelliteQuota, ...] = Field(default=(), alias="satellite_quota")
    demands: tuple[Demand, ...] = Field(alias="demand", min_length=1)
    schedule: SchedulePolicy = SchedulePolicy()
    bin_marks: tuple[UtcTime, ...] = Field(
        (), description="times at which bins are split besides, so that runs can be compared"
    )
    variants: tuple[Variant, ...] = Field(default=(), alias="variant")
    uncertainties: tuple[Uncertainty, ...] = Field(default=(), alias="uncertainty")
    file: str = Field("", exclude=True)
    sha256: str = Field("", exclude=True)
    overlays: tuple[str, ...] = Field((), exclude=True)
    inputs: tuple[tuple[str, str], ...] = Field((), exclude=True)
    sources: tuple[tuple[str, str, str], ...] = Field((), exclude=True)

    @model_validator(mode="after")
    def _period_and_names(self) -> Scenario:
        if self.end <= self.start:
            raise ValueError(f"end {self.end.isoformat()} is not after start {self.start.isoformat()}")
        for kind, names in (
            ("satellite", [s.name for s in self.satellites]),
            ("demand", [d.name for d in self.demands]),
            ("variant", [v.name for v in self.variants]),
            ("handover", [h.name for h in self.handovers]),
            ("uncertainty", [str(u.quantity) for u in self.uncertainties]),
        ):
            twice = sorted(n for n, times in Counter(names).items() if times > 1)
            if twice:
                raise ValueError(f"{kind} names must differ; '{twice[0]}' stands twice")
        if self.satellites and not self.stations:
            raise ValueError("satellites need stations; add [stations] with use = [...], or drop the satellites")
        return self

    @model_validator(mode="after")
    def _one_aerosol_per_station(self) -> Scenario:
        own = [f"'{name}'" for name, s in self.stations.items() if s.optical_depth_500nm_by_month]
        if own and self.atmosphere.extinction_table:
            raise ValueError(
                f"station {short_list(own)}: optical_depth_500nm_by_month, and atmosphere.extinction_table holds the "
                "aerosol of all stations already; drop one of them"
            )
        return self

    @model_validator(mode="after")
    def _gates_within_the_period(self) -> Scenario:
        source = self.protocol.source
        if source is not None and source.kind == "continuous":
            return self  # pairs come at any time
        senders = [(f"satellite '{s.name}'", s.terminal) for s in self.satellites if s.uplink is None]
        for satellite in self.satellites:
            if satellite.uplink is not None:
                who = f"satellite '{satellite.name}': uplink.receiver"
                _check_gate("its transmitter", satellite.terminal, who, satellite.uplink.receiver)
        if senders and self.stations:
            fastest, widest = (
                max(senders, key=lambda s: s[1].pulse_rate_hz),
                max(
                    ((f"station '{name}': receiver", s.receiver) for name, s in self.stations.items()),
                    key=lambda s: s[1].gate_s,
                ),
            )
            _check_gate(*fastest, *widest)
        for variant in self.variants:
            _check_gate("its terminal", variant.terminal, f"variant '{variant.name}': receiver", variant.receiver)
        return self

    @model_validator(mode="after")
    def _prepared_states_go_up(self) -> Scenario:
        up = [f"'{s.name}'" for s in self.satellites if s.uplink is not None]
        if up and self.protocol.kind == "bbm92":
            raise ValueError(
                f"satellite {short_list(up)}: an uplink, and protocol.kind = 'bbm92' sends pairs of a source on the "
                f"satellite down (downlink = '{self.protocol.downlink}'); expected prepared states; set kind = "
                "'bb84-two-decoy', or give the satellite a terminal instead of the uplink"
            )
        if self.variants and up and len(up) == len(self.satellites):
            raise ValueError(
                f"variant '{self.variants[0].name}': terminal and receiver of downlinks, and all satellites are "
                "uplinked; expected a satellite with a terminal; drop the variant, or sweep satellite.*.uplink.receiver"
            )
        return self

    @model_validator(mode="after")
    def _two_terminals_for_two_stations(self) -> Scenario:
        if self.protocol.downlink == "dual":
            short = [f"'{s.name}'" for s in self.satellites if s.terminals < _TERMINALS_OF_DUAL]
            if short:
                raise ValueError(
                    f"satellite {short_list(short)}: terminals = 1, and downlink = 'dual' sends to two stations at "
                    f"once; expected at least {_TERMINALS_OF_DUAL}; set terminals = {_TERMINALS_OF_DUAL}, or "
                    "downlink = 'single'"
                )
        return self

    def _repr_html_(self) -> str:
        stations = [o if s.status_class != "hypothetical" else f"{o} [hypothetical]" for o, s in self.stations.items()]
        facts = {
            "period": f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC",
            "satellites": f"{len(self.satellites)} ({short_list([s.name for s in self.satellites]) or 'none'})",
            "stations": f"{len(self.stations)} ({short_list(stations) or 'none'})",
            "demands": f"{len(self.demands)}, in all {format_bits(sum(map(asked_bit_per_day, self.demands)))} per day",
            "values": f"{len(self.sources)} with a source, of them {len(assumed_values(self))} assumed, recalled or "
            "derived",
        }
        head = ("demand", "=between", "purpose", "class", ">asked per day", ">weight")
        rows = [
            (d.name, " – ".join(d.between), d.purpose.replace("_", " "), ", ".join(d.assurance),
             format_bits(asked_bit_per_day(d)), f"{d.weight:g}")
            for d in self.demands[:_MOST_ROWS]
        ]  # fmt: skip
        caption = (
            "Demands" if len(rows) == len(self.demands) else f"The first {len(rows)} of {len(self.demands)} demands"
        )
        return html_summary(f"Scenario {self.name}", facts, [html_table(caption, head, rows)])


def _check_gate(sender: str, terminal: Terminal, who: str, receiver: Receiver) -> None:
    """A gate longer than the pulse period would take each click for several pulses."""
    if receiver.gate_s * terminal.pulse_rate_hz > 1 + _ROUNDING:
        raise ValueError(
            f"{who}.gate_s = {receiver.gate_s:g} s is longer than the {1 / terminal.pulse_rate_hz:g} s "
            f"between pulses of {sender} (pulse_rate_hz = {terminal.pulse_rate_hz:g}); expected gate_s <= "
            "1/pulse_rate_hz; shorten the gate, or lower the pulse rate"
        )


def assumed_values(scenario: Scenario) -> list[tuple[str, str, str]]:
    """Values of a scenario that are assumed, recalled, chosen or derived, each with the ground it stands on."""
    return [s for s in scenario.sources if any(word in s[2].lower() for word in _NOT_MEASURED)]


def overlaid_values(scenario: Scenario) -> list[tuple[str, str, str]]:
    """Values that an overlay gave a scenario, each with the file that it came from."""
    return [s for s in scenario.sources if any(overlay in s[2] for overlay in scenario.overlays)]


def provenance(scenario: Scenario) -> dict[str, Any]:
    """Where a scenario comes from, by field: file, checksums, overlays, sources of its values; no file says these."""
    return {name: getattr(scenario, name) for name, field in Scenario.model_fields.items() if field.exclude}


def unknown_pair(satellite: str, ogs: str, scenario: Scenario) -> str:
    """What to say of a satellite and station of which at least one is not in the scenario."""
    satellites = [s.name for s in scenario.satellites]
    if satellite not in satellites:
        return f"satellite '{satellite}' is not in the scenario; {near_matches(satellite, satellites)}"
    return f"station '{ogs}' is not in the scenario; {near_matches(ogs, scenario.stations)}"
