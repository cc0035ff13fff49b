"""What a scenario says of the ground: receivers, optical ground stations, where and when they observe."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from eqci_space.scenario.fields import (
    Country,
    Elevation,
    EventName,
    Fraction,
    Jitter,
    KeepOut,
    Latitude,
    Longitude,
    MaskAzimuth,
    NotNegative,
    Obscuration,
    OpticalDepth,
    Positive,
    PositiveFraction,
    Record,
    StatusClass,
    SunElevation,
    TimeZone,
    UtcTime,
)

__all__ = ["Closure", "Courier", "Receiver", "Station", "StationPosition", "StationRules", "dated_stations", "placed"]

_FINEST_MASK_DEG = 0.1


class Receiver(Record):
    """Receiving telescope, coupling and detectors of a station, or of a satellite that is uplinked.

    With ``coupling = "stated"`` `coupling_loss_db` is the mean loss into the fibre or onto the detector, turbulence and
    adaptive optics included. With ``coupling = "modelled"`` turbulence is computed and `coupling_loss_db` is what is
    lost beside it: into one mode behind `adaptive_optics_modes` corrected Zernike modes (1: none, 3: tip and tilt) and
    a bandwidth, or through the field stop of a free-space detector. `field` says whether the sky is seen through one
    spatial mode or through the full angle `field_of_view_rad`. `timing_jitter_s` is the standard deviation of
    detector and tagger, and of the time transfer where `time_transfer` does not add a usual figure for it. Without a
    reference the gate walks away by the clock's fractional frequency error times the hold-over.

    A satellite is acquired in `acquisition_s`: below the station's lowest elevation where it rises, after a mask or
    dusk, and when it comes from another station. Where cloud or a fade below `tracking_margin_db`
    breaks the link, `reacquisition_s` are lost. `acquisition_failures` holds (elevation, share) pairs.

    One or two `detectors` choose the basis actively: one looks at both time bins, two at both bits of the chosen basis.
    Four or more choose it passively: a beam splitter shares the light by the key-basis probability, and half of the
    detectors serve each basis.
    """

    aperture_diameter_m: Annotated[float, Field(gt=0, le=50)]
    obscuration_ratio: Obscuration = 0.0
    optics_transmittance: PositiveFraction
    coupling: Literal["stated", "modelled"] = "stated"
    coupling_loss_db: NotNegative
    adaptive_optics_modes: Annotated[int, Field(ge=1, le=1000)] = 1
    adaptive_optics_bandwidth_hz: Positive | None = None
    static_wavefront_rad2: Annotated[float, Field(ge=0, le=2)] = 0.0
    tracking_jitter_rad: Jitter = 0.0
    field: Literal["single_mode", "free_space"]
    field_of_view_rad: Annotated[float, Field(gt=0, le=0.1)] | None = None
    filter_bandwidth_m: Annotated[float, Field(gt=0, le=1e-6)]
    detector_efficiency: PositiveFraction
    detectors: Annotated[int, Field(ge=1, le=16)] = 2
    dark_count_rate_hz: NotNegative
    gate_s: Annotated[float, Field(gt=0, le=1e-3)]
    timing_jitter_s: Annotated[float, Field(ge=0, le=1e-3)] = 0.0
    time_transfer: Literal["stated", "gnss", "white_rabbit"] = "stated"
    clock_hold_over_s: Annotated[float, Field(ge=0, le=1e7)] = 0.0
    clock_fractional_frequency: Annotated[float, Field(ge=-1e-6, le=1e-6)] = 0.0
    afterpulse_probability: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    dead_time_s: Annotated[float, Field(ge=0, le=1e-3)] = 0.0
    intrinsic_error: Annotated[float, Field(ge=0, lt=0.5)]
    acquisition_s: Annotated[
        float, Field(ge=0, le=600, description="before the first key: after a mask, dusk or another station")
    ] = 0.0
    reacquisition_s: Annotated[float, Field(ge=0, le=600, description="after a fade or a gap in the cloud")] = 0.0
    acquisition_failures: Annotated[
        tuple[tuple[Elevation, Fraction], ...],
        Field(description="share of contacts that never acquire, by their highest elevation; straight between"),
    ] = ()
    tracking_margin_db: Annotated[
        Positive | None, Field(description="fade against the mean at which the tracker loses lock; none: never")
    ] = None
    fade_coherence_s: Annotated[float, Field(gt=0, le=10, description="coherence time of the fades")] = 2e-3

    @model_validator(mode="after")
    def _failures_rise_in_elevation(self) -> Receiver:
        elevations = [elevation for elevation, _ in self.acquisition_failures]
        if any(after <= before for before, after in pairwise(elevations)):
            raise ValueError(f"acquisition_failures: elevations {elevations}; expected them to rise")
        return self

    @model_validator(mode="after")
    def _field_of_view_when_needed(self) -> Receiver:
        if self.field == "free_space" and self.field_of_view_rad is None:
            raise ValueError("field = 'free_space' needs field_of_view_rad (full angle)")
        return self

    @model_validator(mode="after")
    def _detectors_of_both_bases(self) -> Receiver:
        if self.detectors > 1 and self.detectors % 2:
            raise ValueError(
                f"detectors = {self.detectors}; expected 1 or 2 (active basis choice), or an even number (passive, "
                "half of them for each basis)"
            )
        return self


class Closure(Record):
    """A time in which a station does not observe: maintenance, campaigns, air traffic."""

    start: UtcTime
    end: UtcTime
    reason: str = ""

    @model_validator(mode="after")
    def _ordered(self) -> Closure:
        if self.end <= self.start:
            raise ValueError(f"end {self.end.isoformat()} is not after start {self.start.isoformat()}")
        return self


class StationPosition(Record):
    """Where a mobile station stands from `valid_from` until `valid_to`, and the node it then serves."""

    latitude_deg: Latitude
    longitude_deg: Longitude
    height_ellipsoid_m: Annotated[float, Field(ge=-500, le=9000)]
    height_msl_m: Annotated[float, Field(ge=-500, le=9000)]
    valid_from: UtcTime
    valid_to: UtcTime
    node: str
    attach: Literal["colocated", "courier", "none"] = "colocated"

    @model_validator(mode="after")
    def _ordered(self) -> StationPosition:
        if self.valid_to <= self.valid_from:
            raise ValueError(f"valid_to {self.valid_to.isoformat()} is not after {self.valid_from.isoformat()}")
        return self


class Courier(Record):
    """Key carried by hand between a station and its node: one-time pad of `pad_bit`, every `interval_day` days.

    The first delivery is at the start of the station's period.
    """

    interval_day: Annotated[float, Field(gt=0, le=366)] = 7.0
    pad_bit: Positive = 1e9


class Station(Record):
    """An optical ground station as used in the scenario, its receiver included.

    `horizon_mask` holds (azimuth, elevation) pairs [deg], azimuths at least 0.1 deg apart, joined by straight lines
    and around through north; below it the station sees nothing. Keep-outs are angles from the line of sight.
    `cloud_fraction_by_month` stands for the cloud climate, as seen from space and above the station, and
    `optical_depth_500nm_by_month` for the aerosol above it, whatever ``[atmosphere]`` says of aerosol. A mobile station
    has `positions`; outside their dates it does not observe, and its key travels with it.
    `maintenance_accept` names events of an iCalendar file, by SUMMARY or UID, that cannot be read and that close
    nothing; others that cannot be read close the station. `time_zone` is that of times without zone in the file.
    """

    name: str
    country: Country
    latitude_deg: Latitude
    longitude_deg: Longitude
    height_ellipsoid_m: Annotated[float, Field(ge=-500, le=9000)]
    height_msl_m: Annotated[float, Field(ge=-500, le=9000)]
    min_elevation_deg: Elevation
    sun_max_elevation_deg: SunElevation = -10.0
    sun_keep_out_deg: KeepOut = 0.0
    moon_keep_out_deg: KeepOut = 0.0
    zenith_sky_mag_v_arcsec2: Annotated[float, Field(ge=10, le=23)] = 22.0
    horizon_mask: tuple[tuple[MaskAzimuth, Elevation], ...] = ()
    maintenance: tuple[Closure, ...] = ()
    maintenance_accept: Annotated[
        tuple[EventName, ...], Field(description="events of the calendar that cannot be read and close nothing")
    ] = ()
    time_zone: Annotated[
        TimeZone | None,
        Field(description="IANA zone of the crew and of calendar times without zone, such as Europe/Berlin"),
    ] = None
    cloud_fraction_by_month: tuple[Fraction, ...] = ()
    optical_depth_500nm_by_month: tuple[OpticalDepth, ...] = ()
    status_class: StatusClass
    status: str = ""
    telescopes: Annotated[int, Field(ge=1, le=16, description="satellites served at once")] = 1
    node: str
    attach: Literal["fibre", "colocated", "courier", "none"] = "fibre"
    courier: Courier = Courier()
    valid_from: UtcTime | None = None
    valid_to: UtcTime | None = None
    positions: tuple[StationPosition, ...] = Field(default=(), alias="position")
    coordinate_source: str = ""
    coordinate_confidence: str = ""
    note: str = ""
    receiver: Receiver

    @field_validator("cloud_fraction_by_month")
    @classmethod
    def _twelve_months(cls, months: tuple[float, ...]) -> tuple[float, ...]:
        if len(months) not in (0, 12):
            raise ValueError(f"{len(months)} months; expected the mean cloud fraction of all 12, January first")
        return months

    @field_validator("optical_depth_500nm_by_month")
    @classmethod
    def _twelve_depths(cls, months: tuple[float, ...]) -> tuple[float, ...]:
        if len(months) not in (0, 12):
            raise ValueError(f"{len(months)} months; expected the mean optical depth of all 12, January first")
        return months

    @model_validator(mode="after")
    def _ordered(self) -> Station:
        azimuths = [azimuth for azimuth, _ in self.horizon_mask]
        for before, after in pairwise(azimuths):
            if after < before + _FINEST_MASK_DEG - 1e-9:
                raise ValueError(
                    f"horizon_mask: azimuth {after:g} after {before:g}; they must rise by at least {_FINEST_MASK_DEG:g}"
                )
        if self.valid_from and self.valid_to and self.valid_to <= self.valid_from:
            raise ValueError(f"valid_to {self.valid_to.isoformat()} is not after {self.valid_from.isoformat()}")
        if self.positions and (self.valid_from or self.valid_to):
            raise ValueError("a station with positions takes its dates from them; drop valid_from and valid_to")
        ordered = sorted(self.positions, key=lambda p: p.valid_from)
        for earlier, later in pairwise(ordered):
            if later.valid_from < earlier.valid_to:
                raise ValueError(f"two positions hold at {later.valid_from.isoformat()}; let their dates not overlap")
        return self


class StationRules(Record):
    """Which stations of a catalogue take part, and what holds for them unless a `[station.NAME]` table says otherwise.

    Without `use`, all stations of the catalogue that `status_class` and `countries` admit take part, and with them
    those that a `[station.NAME]` table describes in full. The two filters hold for every station, by the status and
    country of its table where that states them: to name a station that they leave out, in `use` or by a table, is an
    error. Stations whose node is not in the network are an error, or keep their key to themselves under
    ``unconnected = "none"``.
    The catalogue's telescope diameter stands instead of the receiver's, unless a station's own table gives either.
    """

    catalogue: str = "euroqci"
    use: tuple[str, ...] | None = None
    status_class: tuple[StatusClass, ...] = ("operational", "planned", "hypothetical")
    countries: tuple[Country, ...] | None = None
    unconnected: Literal["error", "none"] = "error"
    receiver: Receiver
    min_elevation_deg: Elevation = 20.0
    sun_max_elevation_deg: SunElevation = -10.0
    sun_keep_out_deg: KeepOut = 0.0
    moon_keep_out_deg: KeepOut = 0.0


OWN_RECEIVER_KEYS = ("acquisition_s", "reacquisition_s", "acquisition_failures")
"""Keys of a receiver that a station's own table may give, beside the telescope's diameter."""


def behind_telescope(receiver: Mapping[str, Any], diameter_m: float) -> dict[str, Any]:
    """Values of a receiver behind a telescope of another diameter [m]: who exchanges it keeps the telescope."""
    return {**receiver, "aperture_diameter_m": diameter_m}


def dated_stations(station: Station) -> tuple[Station, ...]:
    """A mobile station as one fixed station per position, in order of time; a fixed station as it is."""
    if not station.positions:
        return (station,)
    ordered = sorted(station.positions, key=lambda p: p.valid_from)
    return tuple(station.model_copy(update={**dict(p), "positions": ()}) for p in ordered)


def placed(station: Station, times: Any) -> list[tuple[Station, Any]]:
    """Where a station stands at array-like times: each fixed station with the mask of its times.

    A mobile station has no place outside its dates; such times are in no mask.
    """
    if not station.positions:
        return [(station, times == times)]
    return [(s, (times >= s.valid_from) & (times < s.valid_to)) for s in dated_stations(station)]
