"""What a scenario says of the terrestrial network: devices, links, hand-over between domains, outages."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from eqci_space.scenario.fields import (
    Fraction,
    Name,
    NotNegative,
    Positive,
    PositiveFraction,
    Record,
    UtcTime,
)
from eqci_space.scenario.protocol import PairSource

__all__ = ["Coexistence", "FiberNetwork", "Handover", "LinkRules", "ModulatedStates", "Outage", "QkdDevice"]


class Coexistence(Record):
    """Classical channels in the quantum fibre and the receiver's filter against their Raman light.

    `launch_power_w` is the sum over the channels that run with the photons, `counter_power_w` over those against them.
    The Raman coefficient is that of channels some nanometres away; it depends on their distance.
    """

    launch_power_w: NotNegative = 0.0
    counter_power_w: NotNegative = 0.0
    raman_coefficient_per_m2: Annotated[float, Field(gt=0, le=1)] = 2.5e-3
    wavelength_m: Annotated[float, Field(ge=0.4e-6, le=2e-6)] = 1.55e-6
    filter_bandwidth_m: Annotated[float, Field(gt=0, le=1e-7)] = 0.1e-9
    gate_s: Annotated[float, Field(gt=0, le=1e-6)] = 0.5e-9
    attenuation_db_km: Annotated[float, Field(gt=0, le=5)] = 0.22


class ModulatedStates(Record):
    """Device of Gaussian-modulated coherent states; noises in shot-noise units."""

    symbol_rate_hz: Positive = 1e8
    excess_noise: Annotated[float, Field(ge=0, le=1)] = 0.02
    electronic_noise: Annotated[float, Field(ge=0, le=10)] = 0.1
    reconciliation_efficiency: PositiveFraction = 0.95


class QkdDevice(Record):
    """A terrestrial link device; probabilities are per detector and pulse.

    Decoy-state BB84 and BBM92 give finite keys of one block per `block_s`; ``datasheet`` interpolates (loss [dB],
    rate [bit/s]) pairs and never extrapolates; ``cv-qkd`` is an asymptotic estimate and ``twin-field`` scaled from one
    demonstration. For BBM92 the pairs start at one end, whose detectors are like those of the other. Each of the two
    detectors of an end is blind for `dead_time_s` after a click, which bounds the rate of short spans; data sheets hold
    that already, and `cv-qkd` and `twin-field` have none.
    """

    protocol: Literal["bb84-two-decoy", "bb84-one-decoy", "bbm92", "datasheet", "cv-qkd", "twin-field"] = (
        "bb84-two-decoy"
    )
    pulse_rate_hz: Positive
    detector_efficiency: PositiveFraction
    receiver_loss_db: NotNegative
    extraneous_probability: Fraction
    intrinsic_error: Annotated[float, Field(ge=0, lt=0.5)]
    afterpulse_probability: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    dead_time_s: Annotated[float, Field(ge=0, le=1e-3)] = 0.0
    block_s: Annotated[float, Field(ge=1, le=7 * 86400)] = 600.0
    authentication_bit: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    datasheet: tuple[tuple[NotNegative, Positive], ...] = ()
    source: PairSource | None = None
    modulated: ModulatedStates | None = None
    coexistence: Coexistence | None = None

    @model_validator(mode="after")
    def _what_the_protocol_needs(self) -> QkdDevice:
        for protocol, name in (("datasheet", "datasheet"), ("bbm92", "source"), ("cv-qkd", "modulated")):
            if (self.protocol == protocol) != bool(getattr(self, name)):
                raise ValueError(f"{name} goes with protocol = '{protocol}', and only with it")
        losses = [loss for loss, _ in self.datasheet]
        if losses and (len(losses) < 2 or any(b <= a for a, b in pairwise(losses))):
            raise ValueError(f"datasheet: losses {losses}; give at least two (loss, rate) pairs with rising losses")
        if self.coexistence and self.protocol not in ("bb84-two-decoy", "bb84-one-decoy"):
            raise ValueError("coexistence: Raman light is modelled for decoy-state BB84 only")
        return self


class FiberNetwork(Record):
    """The terrestrial network and its rules; what holds for single links stands in ``[link.ID]`` tables.

    The modelled rate of a span is multiplied by `commissioning_factor` (installed against modelled) and `duty_cycle`
    (share of the time in which key is distilled). `equal_spans` names corridors whose links are taken for equal parts
    of the corridor. Key older than `key_life_h` is dropped; a store starts with `initial_stock_bit`. Under
    ``handover = "agreements_only"`` key crosses between two domains only where a ``[[handover]]`` says so.
    """

    network: str
    device: QkdDevice
    reach_db: Annotated[float, Field(gt=0, le=100)] = 24.0
    beyond_reach: Literal["split", "dead"] = "dead"
    unlisted_span_km: Annotated[float, Field(gt=0, le=500)] = 80.0
    equal_spans: tuple[str, ...] = ()
    commissioning_factor: PositiveFraction = 1.0
    duty_cycle: PositiveFraction = 1.0
    store_capacity_bit: Positive = 1e10
    initial_stock_bit: NotNegative = 0.0
    key_life_h: Annotated[float, Field(gt=0, le=87_600)] | None = None
    colocated_rate_bit_s: Positive = 1e6
    handover: Literal["open", "agreements_only"] = "open"


class LinkRules(Record):
    """What is different for one link of the network; values that are not given are the network's.

    `extra_error` is added to the device's intrinsic error: drift of the alignment since commissioning. `rate_bit_s`
    stands instead of the modelled rate, commissioning and duty cycle included. A chain of spans takes the values for
    each of its spans.
    """

    length_km: Positive | None = None
    loss_db: NotNegative | None = None
    device: QkdDevice | None = None
    reach_db: Annotated[float, Field(gt=0, le=100)] | None = None
    beyond_reach: Literal["split", "dead"] | None = None
    commissioning_factor: PositiveFraction | None = None
    duty_cycle: PositiveFraction | None = None
    extra_error: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    coexistence: Coexistence | None = None
    rate_bit_s: NotNegative | None = None
    store_capacity_bit: Positive | None = None
    initial_stock_bit: NotNegative | None = None
    key_life_h: Annotated[float, Field(gt=0, le=87_600)] | None = None


class Handover(Record):
    """An agreement by which key crosses between two domains: over all links between them, or over `links`.

    With `nodes` it is itself an edge between two border nodes, at `rate_bit_s`. `direction` is that in which a demand
    runs, from the first end of its `between` to the second: forward is from the first domain to the second. The quota
    holds for each direction. Hand-over protected by post-quantum cryptography (``protection = "pqc"``) is secure
    against limited computers only: demands use it if they say ``computational = true``.
    """

    name: Name
    domains: tuple[str, str]
    direction: Literal["both", "forward", "backward"] = "both"
    links: tuple[str, ...] = ()
    nodes: tuple[str, str] | None = None
    rate_bit_s: Positive | None = None
    quota_bit_per_day: Positive | None = None
    purposes: tuple[Literal["government", "data_centre", "infrastructure", "other"], ...] = ()
    protection: Literal["trusted_node", "pqc"] = "trusted_node"
    valid_from: UtcTime | None = None
    valid_until: UtcTime | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Handover:
        if self.domains[0] == self.domains[1]:
            raise ValueError(f"domains: both are '{self.domains[0]}'; hand-over joins two domains")
        if (self.nodes is None) != (self.rate_bit_s is None):
            raise ValueError("nodes and rate_bit_s go together: the edge that the agreement adds, and its rate")
        if self.nodes is not None and self.links:
            raise ValueError("give links that exist, or nodes for an edge of its own, not both")
        if self.valid_from and self.valid_until and self.valid_until <= self.valid_from:
            raise ValueError(f"valid_until {self.valid_until.isoformat()} is not after {self.valid_from.isoformat()}")
        return self


class Outage(Record):
    """A time in which a node, a link, a station or a satellite (exactly one of them) is down.

    With ``stops = "everything"``, the default for nodes, no key passes while a bin lies wholly inside; with
    ``stops = "key_generation"``, the default for all others, stock is still served.
    """

    node: str | None = None
    link: str | None = None
    station: str | None = None
    satellite: str | None = None
    start: UtcTime
    end: UtcTime
    stops: Literal["everything", "key_generation"] | None = None
    reason: str = ""

    @model_validator(mode="after")
    def _one_thing(self) -> Outage:
        given = [key for key in ("node", "link", "station", "satellite") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of node, link, station and satellite; found {given or 'none'}")
        if self.end <= self.start:
            raise ValueError(f"end {self.end.isoformat()} is not after start {self.start.isoformat()}")
        return self
