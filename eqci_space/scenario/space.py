"""What a scenario says of space: orbits, patterns of satellites, terminals."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, ValidatorFunctionWrapHandler, WrapValidator, model_validator

from eqci_space.files.limits import FIRST_YEAR, LAST_YEAR
from eqci_space.scenario.fields import (
    Angle,
    CountryOrNone,
    Fraction,
    Jitter,
    Name,
    Obscuration,
    Offset,
    Positive,
    Record,
    UtcTime,
    Wavelength,
)
from eqci_space.scenario.ground import Receiver, Station

__all__ = [
    "CircularOrbit",
    "Constellation",
    "Epoch",
    "Orbit",
    "Satellite",
    "SunSynchronousOrbit",
    "Terminal",
    "Train",
    "Uplink",
    "Walker",
    "receiver_of",
]


def _known_year(epoch: datetime) -> datetime:
    if not FIRST_YEAR <= epoch.year <= LAST_YEAR:
        raise ValueError(f"{epoch.isoformat()}; expected the years {FIRST_YEAR} to {LAST_YEAR}")
    return epoch


Epoch = Annotated[UtcTime, AfterValidator(_known_year)]


class SunSynchronousOrbit(Record):
    """Circular sun-synchronous orbit by altitude [km] and local mean time of the ascending node [h].

    `mean_anomaly_deg` is counted from the node and holds at the `epoch`; the orbit runs on from there, wherever a
    scenario starts. Without an epoch that is the scenario's start.
    """

    kind: Literal["sun_synchronous"]
    altitude_km: Annotated[float, Field(ge=200, le=2000)]
    ltan_h: Annotated[float, Field(ge=0, lt=24)]
    mean_anomaly_deg: Angle = 0.0
    epoch: Epoch | None = None


class CircularOrbit(Record):
    """Circular orbit from low to geostationary altitude [km] above the equatorial radius.

    `raan_deg` is counted from the equinox (true equator, mean equinox of date), `mean_anomaly_deg` from the node. Both
    hold at the `epoch`; without one, at the scenario's start.
    """

    kind: Literal["circular"]
    altitude_km: Annotated[float, Field(ge=200, le=50_000)]
    inclination_deg: Annotated[float, Field(ge=0, le=180)]
    raan_deg: Angle = 0.0
    mean_anomaly_deg: Angle = 0.0
    epoch: Epoch | None = None


Orbit = Annotated[SunSynchronousOrbit | CircularOrbit, Field(discriminator="kind")]
_MOST_SATELLITES = 10_000
_NARROWEST_BEAM = 0.4  # half angle in λ/D, below the 0.51 of the half-maximum of an Airy pattern


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
    are shifted by `phasing` · 360/`satellites` deg. Nodes and anomalies hold at the `epoch`; without one, at the
    scenario's start.
    """

    kind: Literal["walker_delta", "walker_star"]
    altitude_km: Annotated[float, Field(ge=200, le=50_000)]
    inclination_deg: Annotated[float, Field(ge=0, le=180)]
    satellites: Annotated[int, Field(ge=1, le=_MOST_SATELLITES)]
    planes: Annotated[int, Field(ge=1)]
    phasing: Annotated[int, Field(ge=0)] = 0
    raan_deg: Angle = 0.0
    epoch: Epoch | None = None

    @model_validator(mode="after")
    def _whole_planes(self) -> Walker:
        if self.satellites % self.planes:
            raise ValueError(_unfilled_planes(self.satellites, self.planes))
        if self.phasing >= self.planes:
            raise ValueError(f"phasing {self.phasing}; expected 0 to planes - 1 = {self.planes - 1}")
        return self


class Train(Record):
    """Satellites that follow each other by `spacing_s`, in one orbit or one ground track; `orbit` is the first's."""

    kind: Literal["train"]
    orbit: Orbit
    satellites: Annotated[int, Field(ge=1, le=1000)]
    spacing_s: Annotated[float, Field(gt=0, le=86400)]
    track: Literal["orbit", "ground"] = "orbit"


class Terminal(Record):
    """Transmitting telescope and source: of a satellite, or of the ground where a satellite is uplinked.

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
    jitter_growth_rad: Annotated[
        Jitter, Field(description="what both axes gain from the zenith to the horizon, linear in the zenith angle")
    ] = 0.0
    bias_rad: Jitter | tuple[Offset, Offset] = 0.0
    pulse_rate_hz: Annotated[float, Field(gt=0, le=1e11)]
    intrinsic_error: Annotated[float, Field(ge=0, lt=0.5)]
    frame_rotation_rad: Annotated[float, Field(ge=0, le=0.8)] = 0.0
    interferometer_delay_s: Annotated[float, Field(ge=0, le=1e-6)] = 0.0
    doppler_compensated_share: Fraction = 1.0
    flown: Annotated[str, Field(description="flights that the link was held against; empty: link unproven")] = ""

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


class Uplink(Record):
    """Single photons from the ground to a satellite: who sends, who receives, and how well the beam is held.

    The `transmitter` stands at every station; it gives `beam_radius_m`, for turbulence widens the beam by its radius
    at the exit, and its jitter is that of the mount alone. The `receiver` is the satellite's, with
    ``coupling = "stated"``, for it stands above the turbulence. Where the beam is `tracked`, a tip-tilt mirror follows
    the tilt of a beacon on the satellite, which arrives from the point-ahead angle away and is `delay_s` old.
    """

    transmitter: Terminal
    receiver: Receiver
    tracked: bool = False
    delay_s: Annotated[float, Field(ge=0, le=1, description="age of the tilt that is followed")] = 0.0
    background_radiance_w_m2_sr_m: Annotated[
        float, Field(ge=0, description="of the Earth at night in the satellite's field of view")
    ]

    @model_validator(mode="after")
    def _beam_through_the_air(self) -> Uplink:
        if self.transmitter.beam_radius_m is None:
            raise ValueError(
                "transmitter.beam_radius_m is missing; expected the 1/e² radius at the exit, not a divergence: "
                "turbulence widens a beam by its radius; give beam_radius_m"
            )
        if self.receiver.coupling != "stated":
            raise ValueError(
                "receiver.coupling = 'modelled'; expected 'stated', for the satellite stands above the turbulence; "
                "state coupling_loss_db"
            )
        return self


def _terminal_or_transmitter(
    value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo
) -> Terminal | None:
    """The terminal as given, or the transmitter of the uplink that stands instead of it."""
    if "uplink" not in info.data:
        return None if value is None else handler(value)
    uplink = info.data["uplink"]
    if (value is None) == (uplink is None):
        found = "neither" if value is None else "both"
        raise ValueError(
            f"give exactly one of terminal (the satellite sends) and uplink (the ground sends); found {found}"
        )
    return handler(value) if uplink is None else uplink.transmitter


_Sender = Annotated[
    Terminal,
    Field(default=None, validate_default=True, description="of the satellite; or an `uplink` instead"),
    WrapValidator(_terminal_or_transmitter),
]


class Satellite(Record):
    """A satellite: its orbit by design, by element sets or by an ephemeris, and its terminal or its uplink.

    Of an uplink `terminal` is the transmitter on the ground: whoever sends.
    """

    name: Name
    orbit: Orbit | None = None
    elements: str | None = Field(None, description="file of element sets (OMM or TLE), relative to the scenario")
    ephemeris: str | None = Field(None, description="CCSDS OEM file (KVN or XML), relative to the scenario")
    object_name: str | None = Field(None, description="which object of the file; default: the satellite's name")
    catalogue_number: Annotated[int, Field(ge=0, le=999_999_999)] | None = Field(
        None, description="which object of the element file, instead of its name"
    )
    bad_records: Literal["raise", "skip"] = Field("raise", description="what to do with malformed element sets")
    bad_states: Literal["raise", "end"] | None = Field(
        None,
        description="what to do where SGP4's states are no orbit (decayed, diverged, a leap): refuse, or end the "
        'passes there with a warning; default raise, or end with bad_records = "skip"',
    )
    operator: str = ""
    nation: CountryOrNone = Field("", description="ISO 3166 alpha-2, or empty")
    terminals: Annotated[int, Field(ge=1, le=16, description="stations served at once")] = 1
    duty_s_per_orbit: Positive | None = None
    duty_s_per_day: Positive | None = None
    uplink: Uplink | None = Field(None, description="the ground sends; instead of `terminal`")
    terminal: _Sender

    @model_validator(mode="after")
    def _one_orbit(self) -> Satellite:
        given = [key for key in ("orbit", "elements", "ephemeris") if getattr(self, key) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"give exactly one of orbit, elements and ephemeris; found {found}")
        if self.catalogue_number is not None and self.elements is None:
            raise ValueError(
                f"catalogue_number chooses a record of an element file, but the satellite has {given[0]}; drop it"
            )
        return self


class Constellation(Record):
    """Satellites of one pattern and terminal or uplink, named NAME-plane-number (Walker) or NAME-number (train)."""

    name: Name
    pattern: Annotated[Walker | Train, Field(discriminator="kind")]
    terminals: Annotated[int, Field(ge=1, le=16, description="stations served at once by each satellite")] = 1
    uplink: Uplink | None = Field(None, description="the ground sends; instead of `terminal`")
    terminal: _Sender


def receiver_of(satellite: Satellite, station: Station) -> Receiver:
    """Who receives when a satellite and a station meet: the station, or the satellite that is uplinked."""
    return station.receiver if satellite.uplink is None else satellite.uplink.receiver
