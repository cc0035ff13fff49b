"""What a scenario says of clear air and clouds."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from eqci_space.scenario.fields import (
    Fraction,
    Name,
    Record,
    TableElevation,
    TableLoss,
    UtcTime,
)

__all__ = ["Atmosphere", "Weather"]

_STATED_AEROSOL = ("visibility_km", "optical_depth_500nm", "extinction_table")
_OF_FILE = ("unit", "variable", "reference", "utc_offset_h", "names")


class Atmosphere(Record):
    """Clear air at all stations.

    The aerosol is stated, by visibility at 550 nm and a scale height, or by its optical depth at 500 nm at the site and
    the Ångström exponent; or `extinction_table` gives the whole loss of clear air from radiative transfer as rising
    (elevation [deg], loss [dB]) pairs. With ``aerosol = "climatology"`` each station and month has its own optical
    depth, from a map of turbidity, the scale height and the Ångström exponent. A station's own
    `optical_depth_500nm_by_month` goes before both. Gas absorption goes with a power of the airmass, linear unless
    stated; without a stated zenith loss it is that of a table at 785 to 850, 1060 to 1070 and 1530 to 1565 nm, and at
    other wavelengths the budget is not valid. Turbulence is a Hufnagel-Valley profile over the station's ground, the
    telescope a little above it. The colour factor of artificial light is its radiance over that in V; without one 0.3
    counts below 1 µm and 0.1 beyond (assumed).
    """

    aerosol: Literal["stated", "climatology"] = Field(
        "stated", description="stated for all stations below, or of each station and month from a map of turbidity"
    )
    visibility_km: Annotated[float, Field(ge=0.05, le=300)] | None = None
    optical_depth_500nm: Annotated[float, Field(ge=0, le=5)] | None = None
    angstrom_exponent: Annotated[float, Field(ge=-1, le=4)] = 1.3
    aerosol_scale_height_m: Annotated[float, Field(gt=0, le=5000)] = 1000.0
    gas_zenith_loss_db: Annotated[float, Field(ge=0, le=20)] | None = None
    gas_airmass_exponent: Annotated[float, Field(gt=0, le=1.2)] | None = None
    cirrus_optical_depth: Annotated[float, Field(ge=0, le=5)] = 0.0
    extinction_table: tuple[tuple[TableElevation, TableLoss], ...] = ()
    rms_wind_m_s: Annotated[float, Field(ge=0, le=100)] = 21.0
    ground_wind_m_s: Annotated[float, Field(ge=0, le=50)] = 5.0
    ground_cn2_m_neg_2_3: Annotated[float, Field(ge=0, le=1e-11)] = 1.7e-14
    telescope_height_m: Annotated[float, Field(ge=0, le=200)] = 5.0
    light_pollution_colour_factor: Annotated[float, Field(ge=0, le=2)] | None = None

    @model_validator(mode="after")
    def _one_aerosol(self) -> Atmosphere:
        stated = [key for key in _STATED_AEROSOL if getattr(self, key) not in (None, ())]
        if self.aerosol == "climatology" and stated:
            raise ValueError(
                f"aerosol = 'climatology' and {' and '.join(stated)} describe the same aerosol; drop "
                f"{' and '.join(stated)}, or write aerosol = 'stated'"
            )
        if self.visibility_km is not None and self.optical_depth_500nm is not None:
            raise ValueError("visibility_km and optical_depth_500nm describe the same aerosol; give one of them")
        if self.gas_airmass_exponent is not None and self.gas_zenith_loss_db is None:
            raise ValueError("gas_airmass_exponent goes with gas_zenith_loss_db, and only with it")
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
    `unit`, `variable`, `reference`, `utc_offset_h` and `names` (station to name in the file) say of the file what it
    leaves open, as in `eqci_space.read_weather`. ``constant`` takes `p_clear`, ``clear_sky`` no cloud. `cirrus_share`
    is the part of cloudy lines of sight that meet nothing but cirrus, which costs loss instead of blocking in sampled
    skies; without it the share follows latitude.
    """

    model: Literal["climatology", "record", "forecast", "clear_sky", "constant"] = "climatology"
    p_clear: Fraction | None = None
    cirrus_share: Fraction | None = None
    file: str | None = Field(None, description="cloud record or forecast as eqci_space.read_weather takes it")
    unit: Literal["fraction", "percent", "okta", "tenths"] | None = None
    variable: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    reference: UtcTime | None = None
    utc_offset_h: Annotated[float, Field(ge=-15, le=15)] | None = None
    names: dict[Name, Name] = Field(default_factory=dict)
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
        stated = [key for key in _OF_FILE if key in self.model_fields_set and self.file is None]
        if stated:
            raise ValueError(f"{stated[0]} says something of a file; give file too, or leave it out")
        for keys, model in ((("shift_day",), "record"), (("issued", "skill_at_once", "skill_decay_h"), "forecast")):
            stray = [key for key in keys if key in self.model_fields_set and self.model != model]
            if stray:
                raise ValueError(f"{stray[0]} goes with model = '{model}', and only with it")
        return self
