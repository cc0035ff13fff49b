"""The records of a scenario: validated, frozen facts without behaviour.

A scenario says who (satellites, stations), where, when, with what (terminals, receivers, devices)
and for whom (demands). `eqci_space.scenario_io.load_scenario` reads one from TOML. Names carry
their units; ranges are part of the type, so a record that exists is a record in range.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from eqci_space.errors import near_matches
from eqci_space.html_table import format_bits, html_summary, html_table, short_list
from eqci_space.network_records import (
    Demand,
    FiberNetwork,
    Handover,
    LinkRules,
    Outage,
    PairSource,
    QkdDevice,
    asked_bit_per_day,
)
from eqci_space.records import (
    Angle,
    Elevation,
    Epsilon,
    Fraction,
    Jitter,
    KeepOut,
    MaskAzimuth,
    Name,
    NotNegative,
    Obscuration,
    Offset,
    Positive,
    PositiveFraction,
    Record,
    StatusClass,
    SunElevation,
    TableElevation,
    TableLoss,
    UtcTime,
    Wavelength,
)
from eqci_space.schedule_records import Booking, SatelliteQuota, SchedulePolicy

__all__ = [
    "Atmosphere",
    "Booking",
    "CircularOrbit",
    "Closure",
    "Constellation",
    "Courier",
    "Demand",
    "FiberNetwork",
    "Handover",
    "LinkRules",
    "Outage",
    "Protocol",
    "QkdDevice",
    "Receiver",
    "Satellite",
    "SatelliteQuota",
    "Scenario",
    "SchedulePolicy",
    "Station",
    "StationPosition",
    "StationRules",
    "SunSynchronousOrbit",
    "Terminal",
    "Train",
    "Variant",
    "Walker",
    "Weather",
    "assumed_values",
    "dated_stations",
    "placed",
    "unknown_pair",
    "with_variant",
]


class SunSynchronousOrbit(Record):
    """Circular sun-synchronous orbit by altitude [km] and local mean time of the ascending node [h].

    `mean_anomaly_deg` is counted from the node, at the scenario's start.
    """

    kind: Literal["sun_synchronous"]
    altitude_km: Annotated[float, Field(ge=200, le=2000)]
    ltan_h: Annotated[float, Field(ge=0, lt=24)]
    mean_anomaly_deg: Angle = 0.0


class CircularOrbit(Record):
    """Circular orbit from low to geostationary altitude [km] above the equatorial radius, at the scenario's start.

    `raan_deg` is counted from the equinox (true equator, mean equinox of date), `mean_anomaly_deg` from the node.
    """

    kind: Literal["circular"]
    altitude_km: Annotated[float, Field(ge=200, le=50_000)]
    inclination_deg: Annotated[float, Field(ge=0, le=180)]
    raan_deg: Angle = 0.0
    mean_anomaly_deg: Angle = 0.0


Orbit = Annotated[SunSynchronousOrbit | CircularOrbit, Field(discriminator="kind")]


_MOST_SATELLITES = 10_000
_MOST_ROWS = 12
_NOT_MEASURED = ("assumed", "recalled", "derived-", "chosen", "typical")


def _unfilled_planes(satellites: int, planes: int) -> str:
    """What to say of satellites that do not fill planes: the nearest numbers of either that go together."""
    below = satellites // planes * planes
    fitting = [str(n) for n in (below, below + planes) if 1 <= n <= _MOST_SATELLITES]
    divisors = [p for p in range(1, satellites + 1) if satellites % p == 0]
    nearest = [str(p) for p in (*[d for d in divisors if d < planes][-1:], *[d for d in divisors if d > planes][:1])]
    ways = [f"{' or '.join(fitting)} satellites in {planes} planes"] if fitting else []
    ways.append(f"{satellites} satellites in {' or '.join(nearest)} planes")
    return (
        f"{satellites} satellites do not fill {planes} planes equally; each plane takes the same number: "
        f"give {', or '.join(ways)}"
    )


class Walker(Record):
    """Walker constellation i:t/p/f of circular orbits (Walker 1984).

    The ascending nodes of the `planes` share 360 deg (delta) or 180 deg (star); satellites of neighbouring planes
    are shifted by `phasing` · 360/`satellites` deg.
    """

    kind: Literal["walker_delta", "walker_star"]
    altitude_km: Annotated[float, Field(ge=200, le=50_000)]
    inclination_deg: Annotated[float, Field(ge=0, le=180)]
    satellites: Annotated[int, Field(ge=1, le=_MOST_SATELLITES)]
    planes: Annotated[int, Field(ge=1)]
    phasing: Annotated[int, Field(ge=0)] = 0
    raan_deg: Angle = 0.0

    @model_validator(mode="after")
    def _whole_planes(self) -> Walker:
        if self.satellites % self.planes:
            raise ValueError(_unfilled_planes(self.satellites, self.planes))
        if self.phasing >= self.planes:
            raise ValueError(f"phasing {self.phasing}; expected 0 to planes - 1 = {self.planes - 1}")
        return self


class Train(Record):
    """Satellites that follow each other by `spacing_s`, in one orbit or over one ground track."""

    kind: Literal["train"]
    orbit: Orbit
    satellites: Annotated[int, Field(ge=1, le=1000)]
    spacing_s: Annotated[float, Field(gt=0, le=86400)]
    track: Literal["orbit", "ground"] = "orbit"


class Terminal(Record):
    """Transmitting telescope and source of a satellite.

    `beam_radius_m` is the 1/e² intensity radius in the pupil; a measured `divergence_rad` with its
    `divergence_definition` stands instead of it. `beam_quality` is M². `jitter_rad` is the standard deviation per
    axis, one or two numbers, `bias_rad` the radial static offset or its two components. The mean photon number is
    defined at the exit aperture, so truncation in the transmitter is no link loss. `intrinsic_error` is what remains
    beside the frame's rotation and the Doppler shift of an interferometer with `interferometer_delay_s`.
    """

    wavelength_m: Wavelength
    aperture_diameter_m: Annotated[float, Field(gt=0, le=5)]
    obscuration_ratio: Obscuration = 0.0
    beam_radius_m: Annotated[float, Field(gt=0, le=5)] | None = None
    divergence_rad: Annotated[float, Field(gt=0, lt=0.01)] | None = None
    divergence_definition: Literal["half_1e2", "full_1e2", "fwhm", "uniform_disc"] | None = None
    beam_quality: Annotated[float, Field(ge=1, le=20)] = 1.0
    wavefront_error_waves: Annotated[float, Field(ge=0, le=0.25)] = 0.0
    jitter_rad: Jitter | tuple[Jitter, Jitter]
    bias_rad: Jitter | tuple[Offset, Offset] = 0.0
    pulse_rate_hz: Annotated[float, Field(gt=0, le=1e11)]
    intrinsic_error: Annotated[float, Field(ge=0, lt=0.5)]
    frame_rotation_rad: Annotated[float, Field(ge=0, le=0.8)] = 0.0
    interferometer_delay_s: Annotated[float, Field(ge=0, le=1e-6)] = 0.0
    doppler_compensated_share: Fraction = 1.0

    @model_validator(mode="after")
    def _one_beam(self) -> Terminal:
        if (self.beam_radius_m is None) == (self.divergence_rad is None):
            raise ValueError("give exactly one of beam_radius_m and divergence_rad")
        if (self.divergence_rad is None) != (self.divergence_definition is None):
            raise ValueError(
                "divergence_rad and divergence_definition go together: half_1e2, full_1e2, fwhm or uniform_disc; "
                "3 dB hang on the word"
            )
        if self.divergence_rad is not None:
            self._measured_beam(self.divergence_rad)
        return self

    def _measured_beam(self, divergence_rad: float) -> None:
        if self.beam_quality != 1 or self.wavefront_error_waves:
            raise ValueError("a measured divergence holds beam_quality and wavefront error already; drop them")
        half = divergence_rad * (1.0 if self.divergence_definition == "half_1e2" else 0.5)
        limit = _NARROWEST_BEAM * self.wavelength_m / self.aperture_diameter_m
        if half < limit:
            raise ValueError(
                f"divergence_rad: {divergence_rad:g} ({self.divergence_definition}) is narrower than diffraction "
                f"allows, a half angle of about {limit:.2g} rad for this aperture; check definition and unit"
            )


class Receiver(Record):
    """Receiving telescope, coupling and detectors of a station.

    With ``coupling = "stated"`` `coupling_loss_db` is the mean loss into the fibre or onto the detector, turbulence and
    adaptive optics included. With ``coupling = "modelled"`` turbulence is computed and `coupling_loss_db` is what is
    lost beside it: into one mode behind `adaptive_optics_modes` corrected Zernike modes (1: none, 3: tip and tilt) and
    a bandwidth, or through the field stop of a free-space detector. `field` says whether the sky is seen through one
    spatial mode or through the full angle `field_of_view_rad`. `timing_jitter_s` is the standard deviation of
    detector and tagger, and of the time transfer where `time_transfer` does not add a usual figure for it. Without a
    reference the gate walks away by the clock's fractional frequency error times the hold-over.
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

    @model_validator(mode="after")
    def _field_of_view_when_needed(self) -> Receiver:
        if self.field == "free_space" and self.field_of_view_rad is None:
            raise ValueError("field = 'free_space' needs field_of_view_rad (full angle)")
        return self


class Satellite(Record):
    """A satellite: its orbit by design, by element sets or by an ephemeris, and its terminal."""

    name: Name
    orbit: Orbit | None = None
    elements: str | None = Field(None, description="file of element sets (OMM or TLE), relative to the scenario")
    ephemeris: str | None = Field(None, description="CCSDS OEM file (KVN), relative to the scenario")
    object_name: str | None = Field(None, description="which object of the file; default: the satellite's name")
    catalogue_number: Annotated[int, Field(ge=0, le=999_999_999)] | None = Field(
        None, description="which object of the element file, instead of its name"
    )
    bad_records: Literal["raise", "skip"] = Field("raise", description="what to do with malformed element sets")
    operator: str = ""
    nation: Annotated[str, Field(pattern="^([A-Z]{2})?$")] = Field("", description="ISO 3166 alpha-2, or empty")
    terminals: Annotated[int, Field(ge=1, le=16, description="stations served at once")] = 1
    duty_s_per_orbit: Positive | None = None
    duty_s_per_day: Positive | None = None
    terminal: Terminal

    @model_validator(mode="after")
    def _one_orbit(self) -> Satellite:
        given = [key for key in ("orbit", "elements", "ephemeris") if getattr(self, key) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"give exactly one of orbit, elements and ephemeris; found {found}")
        return self


class Constellation(Record):
    """Satellites of one pattern and terminal, named NAME-plane-number (Walker) or NAME-number (train)."""

    name: Name
    pattern: Annotated[Walker | Train, Field(discriminator="kind")]
    terminal: Terminal


_FINEST_MASK_DEG = 0.1
_NARROWEST_BEAM = 0.4  # half angle in λ/D, below the 0.51 of the half-maximum of an Airy pattern


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

    latitude_deg: Annotated[float, Field(ge=-90, le=90)]
    longitude_deg: Annotated[float, Field(ge=-180, le=180)]
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
    `cloud_fraction_by_month` stands for the cloud climate, as seen from space and above the station. A mobile station
    has `positions`; outside their dates it does not observe, and its key travels with it.
    """

    name: str
    country: Annotated[str, Field(min_length=2, max_length=2)]
    latitude_deg: Annotated[float, Field(ge=-90, le=90)]
    longitude_deg: Annotated[float, Field(ge=-180, le=180)]
    height_ellipsoid_m: Annotated[float, Field(ge=-500, le=9000)]
    height_msl_m: Annotated[float, Field(ge=-500, le=9000)]
    min_elevation_deg: Elevation
    sun_max_elevation_deg: SunElevation = -10.0
    sun_keep_out_deg: KeepOut = 0.0
    moon_keep_out_deg: KeepOut = 0.0
    zenith_sky_mag_v_arcsec2: Annotated[float, Field(ge=10, le=23)] = 22.0
    horizon_mask: tuple[tuple[MaskAzimuth, Elevation], ...] = ()
    maintenance: tuple[Closure, ...] = ()
    cloud_fraction_by_month: tuple[Fraction, ...] = ()
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
    countries: tuple[Annotated[str, Field(min_length=2, max_length=2)], ...] | None = None
    unconnected: Literal["error", "none"] = "error"
    receiver: Receiver
    min_elevation_deg: Elevation = 20.0
    sun_max_elevation_deg: SunElevation = -10.0
    sun_keep_out_deg: KeepOut = 0.0
    moon_keep_out_deg: KeepOut = 0.0


class Atmosphere(Record):
    """Clear air at all stations.

    The aerosol is given by visibility at 550 nm and a scale height, or by its optical depth at 500 nm at the site and
    the Ångström exponent; or `extinction_table` gives the whole loss of clear air from radiative transfer as rising
    (elevation [deg], loss [dB]) pairs. Gas absorption goes with a power of the airmass. Turbulence is a
    Hufnagel-Valley profile over the station's ground, the telescope a little above it. The colour factor of artificial
    light is its radiance over that in V; without one 0.3 counts below 1 µm and 0.1 beyond (assumed).
    """

    visibility_km: Annotated[float, Field(ge=0.05, le=300)] | None = None
    optical_depth_500nm: Annotated[float, Field(ge=0, le=5)] | None = None
    angstrom_exponent: Annotated[float, Field(ge=-1, le=4)] = 1.3
    aerosol_scale_height_m: Annotated[float, Field(gt=0, le=5000)] = 1000.0
    gas_zenith_loss_db: Annotated[float, Field(ge=0, le=20)] = 0.0
    gas_airmass_exponent: Annotated[float, Field(gt=0, le=1.2)] = 1.0
    cirrus_optical_depth: Annotated[float, Field(ge=0, le=5)] = 0.0
    extinction_table: tuple[tuple[TableElevation, TableLoss], ...] = ()
    rms_wind_m_s: Annotated[float, Field(ge=0, le=100)] = 21.0
    ground_wind_m_s: Annotated[float, Field(ge=0, le=50)] = 5.0
    ground_cn2_m_neg_2_3: Annotated[float, Field(ge=0, le=1e-11)] = 1.7e-14
    telescope_height_m: Annotated[float, Field(ge=0, le=200)] = 5.0
    light_pollution_colour_factor: Annotated[float, Field(ge=0, le=2)] | None = None

    @model_validator(mode="after")
    def _one_aerosol(self) -> Atmosphere:
        if self.visibility_km is not None and self.optical_depth_500nm is not None:
            raise ValueError("visibility_km and optical_depth_500nm describe the same aerosol; give one of them")
        if self.extinction_table:
            self._table_stands_alone()
        return self

    def _table_stands_alone(self) -> None:
        if self.visibility_km is not None or self.optical_depth_500nm is not None or self.gas_zenith_loss_db:
            raise ValueError(
                "extinction_table holds aerosol and gas already; drop visibility, optical depth and gas loss"
            )
        elevations = [elevation for elevation, _ in self.extinction_table]
        rising = all(after > before for before, after in pairwise(elevations))
        if len(elevations) < 2 or not rising or elevations[-1] != 90:
            raise ValueError(f"extinction_table: elevations {elevations}; give at least two that rise and end at 90")
        losses = [loss for _, loss in self.extinction_table]
        if any(higher > lower for lower, higher in pairwise(losses)):
            raise ValueError(
                f"extinction_table: losses {losses} dB; they must fall with elevation (transmittances rise)"
            )


class Weather(Record):
    """Model of the probability of a cloud-free line of sight.

    ``climatology`` knows the mean cover of month and hour; ``record`` replays the years of a file over the period, each
    moved by up to `shift_day` days; ``forecast`` blends the cover in a file with the climate, by a correlation of
    `skill_at_once` at the time it was issued (default the start) that decays with `skill_decay_h` (both assumed).
    ``constant`` takes `p_clear`, ``clear_sky`` no cloud. `cirrus_share` is the part of cloudy lines of sight that meet
    nothing but cirrus, which costs loss instead of blocking in sampled skies; without it the share follows latitude.
    """

    model: Literal["climatology", "record", "forecast", "clear_sky", "constant"] = "climatology"
    p_clear: Fraction | None = None
    cirrus_share: Fraction | None = None
    file: str | None = Field(None, description="cloud record or forecast as eqci_space.read_weather takes it")
    shift_day: Annotated[int, Field(ge=0, le=30)] = 10
    issued: UtcTime | None = None
    skill_at_once: Fraction = 0.9
    skill_decay_h: Annotated[float, Field(gt=0, le=1000)] = 60.0

    @model_validator(mode="after")
    def _fits_model(self) -> Weather:
        if (self.model == "constant") != (self.p_clear is not None):
            raise ValueError("p_clear goes with model = 'constant', and only with it")
        if (self.model in ("record", "forecast")) != (self.file is not None):
            raise ValueError("file goes with model = 'record' or 'forecast', and only with them")
        for keys, model in ((("shift_day",), "record"), (("issued", "skill_at_once", "skill_decay_h"), "forecast")):
            stray = [key for key in keys if key in self.model_fields_set and self.model != model]
            if stray:
                raise ValueError(f"{stray[0]} goes with model = '{model}', and only with it")
        return self


def _both_ends(value: object) -> object:
    return (value, value) if isinstance(value, int | float) and not isinstance(value, bool) else value


ParameterRange = Annotated[tuple[Fraction, Fraction], BeforeValidator(_both_ends)]


class Protocol(Record):
    """Quantum key protocol of the downlink, what the transmitter can do, and the security budget.

    Probabilities and intensities are ranges [lowest, highest] within which each window's key is optimised; one number
    fixes a parameter. With ``parameters = "common"`` all windows of a satellite use one set. Authentication takes
    `authenticated_messages` tags from the key of each block.
    """

    kind: Literal["bb84-two-decoy", "bb84-one-decoy", "bbm92"] = "bb84-two-decoy"
    epsilon_secrecy: Epsilon = 1e-9
    epsilon_correctness: Epsilon = 1e-15
    epsilon_authentication: Epsilon = 1e-12
    authenticated_messages: Annotated[int, Field(ge=0, le=10_000)] = 4
    error_correction_efficiency: Annotated[float, Field(ge=1, le=2)] = 1.16
    bound: Literal["chernoff", "hoeffding", "asymptotic"] = "chernoff"
    leakage: Literal["one-shot", "block"] = "one-shot"
    sampling: Literal["lim2014", "fung2010"] = "lim2014"
    block: Literal["window"] = "window"
    parameters: Literal["per_window", "common"] = "per_window"
    key_basis_probability: ParameterRange = (0.0, 1.0)
    probability_1: ParameterRange = (0.0, 1.0)
    probability_2: ParameterRange = (0.0, 1.0)
    intensity_1: ParameterRange = (0.0, 1.0)
    intensity_2: ParameterRange = (0.0, 1.0)
    intensity_3: Annotated[float, Field(ge=0, lt=1)] = 0.0
    source: PairSource | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Protocol:
        if (self.kind == "bbm92") != (self.source is not None):
            raise ValueError("a [protocol.source] goes with kind = 'bbm92', and only with it")
        for name in ("key_basis_probability", "probability_1", "probability_2", "intensity_1", "intensity_2"):
            low, high = getattr(self, name)
            if low > high or high == 0 or (low == 1 and "intensity" not in name):
                raise ValueError(f"{name}: [{low:g}, {high:g}]; expected [lowest, highest], not all at 0 or 1")
        if self.kind == "bb84-two-decoy" and self.probability_1[0] + self.probability_2[0] >= 1:
            raise ValueError("probability_1 and probability_2: their lower ends leave nothing for the third intensity")
        least = max(self.intensity_2[0], self.intensity_3) + self.intensity_3
        if self.intensity_3 >= self.intensity_2[1] or least >= self.intensity_1[1]:
            raise ValueError("intensities: expected that 1 > 2 + 3 and 2 > 3 are possible within the ranges")
        return self


class Variant(Record):
    """Another terminal and receiver for which the key is reported beside the planned one."""

    name: Name
    terminal: Terminal
    receiver: Receiver


class Uncertainty(Record):
    """A stated uncertainty of the scenario, drawn once per simulated world, with the source of its distribution.

    `link_loss_bias_db` is added to the loss of every contact; `availability` is the chance that a contact takes place;
    `commissioning_factor` multiplies the fibre rates; `cloud_table_logit` shifts each station's mean cover, and
    `interannual_logit` that of all stations together, in logits.
    """

    quantity: Literal[
        "link_loss_bias_db", "availability", "commissioning_factor", "cloud_table_logit", "interannual_logit"
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


def assumed_values(scenario: Scenario) -> list[tuple[str, str, str]]:
    """Values of a scenario that are assumed, recalled, chosen or derived, each with the ground it stands on."""
    return [s for s in scenario.sources if any(word in s[2].lower() for word in _NOT_MEASURED)]


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


def unknown_pair(satellite: str, ogs: str, scenario: Scenario) -> str:
    """What to say of a satellite and station of which at least one is not in the scenario."""
    satellites = [s.name for s in scenario.satellites]
    if satellite not in satellites:
        return f"satellite '{satellite}' is not in the scenario; {near_matches(satellite, satellites)}"
    return f"station '{ogs}' is not in the scenario; {near_matches(ogs, scenario.stations)}"
